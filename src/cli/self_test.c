/* --self-test: the version, each backend with why it cannot be used, and what those that can have found out about the host. */
#include "cli/self_test.h"

#include "base/err.h"
#include "cli/version.h"
#include "vm/backends.h"
#include "vm/gic_self_test.h"

static void say(void *opaque, const char *what, const char *answer)
{
    fprintf(opaque, "  %-30s %s\n", what, answer);
    fflush(opaque); /* the next question may be the host's last */
}

void self_test_print(FILE *out)
{
    version_print(out);
    for (unsigned i = 0; i < NR_BACKENDS; i++) {
        const struct backend *b = &backends[i];
        struct hv_caps caps;
        struct err e = {0};

        if (!b->ops) {
            fprintf(out, "\n%s: not in this build; needs %s\n", b->name, b->needs);
            continue;
        }
        const int r = b->ops->probe(&caps, &e);
        fprintf(out, "\n%s: %s%s\n", b->name, r ? "cannot be used: " : "can be used", e.text);
        if (!r && b->ops->self_test) {
            b->ops->self_test(say, out);
            gic_self_test(b->ops, say, out);
            if (b->with_gic)
                gic_self_test(b->with_gic, say, out);
        }
    }
}
