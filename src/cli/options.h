/* The command line: one table declares every option, its argument, its topic and its help; the parser, --help, the suggestions and the
 * check of the manual page come from it. Pure but for reading argv; before any thread starts. */
#ifndef VIBE_CLI_OPTIONS_H
#define VIBE_CLI_OPTIONS_H

#include "cli/contract.h"
#include "dbg/observer.h"
#include "vm/options.h"
#include "vm/snapshot.h"

#include <stdio.h>

struct err;

enum options_action { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_SELF_TEST };

#define OPTIONS_MAX_OWNED                                                                          \
    (VM_MAX_LOADS + VM_MAX_DUMPS + VM_MAX_SHARES + VM_MAX_DISKS + VM_MAX_NETS + 5 +                \
     OBSERVER_MAX_SYMBOLS + 4 * VM_MAX_WORDS)

/* vibevmm fork */
struct fork_options {
    bool on;
    unsigned count, jobs; /* 0: not given */
    const char *variants, *at, *out, *overlays;
};

struct options {
    enum options_action action;
    const char *topic; /* of OPTIONS_HELP: null, or one that exists */
    struct vm_options vm;
    bool has_contract; /* one of the options of TOPIC_CI was given */
    struct contract_options contract;
    struct fork_options fork;
    struct observer_options observer;
    char *owned[OPTIONS_MAX_OWNED]; /* cut out of FILE@ADDR and the like */
    unsigned nr_owned;
    struct snapshot *snapshot; /* of --snapshot-load */
    struct words words;        /* what it has of the command line */
};

/* argv[0] is not looked at, and argv[1] may be "fork"; strings are kept, not copied. 0, or -EINVAL with the option and the cure. Call options_free()
 * either way. */
int options_parse(struct options *o, int argc, char *const *argv, struct err *e);
void options_free(struct options *o);

/* What parsing alone cannot tell; host_memory in bytes, 0 when unknown. */
int options_check_host(const struct vm_options *v, uint64_t host_memory, struct err *e);

/* "128M", "0x8000", "1G": bytes, not 0. */
int options_parse_size(const char *text, uint64_t *val, struct err *e);

/* "0x40000000" or decimal. */
int options_parse_addr(const char *text, uint64_t *val, struct err *e);

/* topic null: usage, the topics and an example; "all": everything. */
void options_print_help(FILE *out, const char *topic);

#endif
