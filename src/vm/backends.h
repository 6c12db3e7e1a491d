/* The backends, and which of them runs a guest. While the machine is built. */
#ifndef VIBE_VM_BACKENDS_H
#define VIBE_VM_BACKENDS_H

#include "base/err.h"
#include "hv/hv.h"
#include "vm/options.h"

struct backend {
    enum vm_accel accel;
    const char *name;
    const struct hv_backend *ops;      /* null: not in this build */
    const char *needs;                 /* the system it works on */
    const struct hv_backend *with_gic; /* the same with an interrupt controller of the host's, which is otherwise ours; null: there is no choice */
};

struct backend_choice {
    const struct hv_backend *ops;
    struct hv_caps caps;
    unsigned gic; /* version of the interrupt controller, 2 or 3 */
};

#define NR_BACKENDS 3
extern const struct backend backends[NR_BACKENDS]; /* in the order in which auto tries them; the last works everywhere */

/* The one that --accel names, or the first that can serve. 0, or -errno with why the one named cannot and the cure. *passed_over: why auto did not
 * take the native backend that is in this build; empty where there is none, and where an option asks for the software CPU. */
int backends_choose(const struct backend table[NR_BACKENDS], const struct vm_options *opt,
                    struct backend_choice *choice, struct err *passed_over, struct err *e);

#endif
