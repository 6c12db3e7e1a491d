/* What contract.c (the run) and contract_report.c (what is told of it) share. */
#ifndef VIBE_CLI_CONTRACT_INTERNAL_H
#define VIBE_CLI_CONTRACT_INTERNAL_H

#include "base/transcript.h"
#include "cli/contract.h"
#include "cli/pattern.h"
#include "cli/script.h"
#include "cli/status.h"

#include <pthread.h>

#define REASON_LEN 1024

enum item_state { ITEM_WAITING, ITEM_CURRENT, ITEM_KEPT, ITEM_BROKEN };

/* One thing that the run is asked to show: of an option, or a statement of the script. */
struct item {
    const char *option; /* "--expect", "--fail"; null: of the script */
    const char *source; /* the pattern, or the statement */
    enum script_kind kind;
    const struct script_step *step; /* of the script */
    const struct pattern *pattern;
    enum item_state state;
    size_t from; /* in the line that grows: where it begins to look */
    uint64_t start_ns, end_ns;
};

enum verdict { VERDICT_OPEN, VERDICT_KEPT, VERDICT_BROKEN };

struct contract {
    const struct contract_options *opt;
    struct pattern *pattern[2 * CONTRACT_MAX_PATTERNS]; /* of the options */
    struct script script;
    FILE *junit, *result;
    unsigned nr_items;
    struct item *item; /* of the options, then the script's steps */

    struct vm *vm;
    bool at_once;
    int wake[2]; /* a byte in it: the main thread has to look */

    pthread_mutex_t lock; /* under the console's output lock. All below */
    struct transcript text;
    bool asked;        /* the main thread knows of the line that has not ended */
    uint64_t quiet_ns; /* when it is looked at if nothing more comes */
    enum verdict verdict;
    unsigned current;     /* the item of the script that is at work; nr_items: none is left */
    unsigned sending;     /* up to here, not included, texts were sent */
    size_t sent;          /* of the text of `sending` */
    uint64_t deadline_ns; /* of the current item */
    bool input_ended;     /* all is sent, and the console knows that no more comes */
    bool refused;         /* there was no room for what is to be sent next */
    bool acting;          /* somebody is in act() */
    bool stopped;         /* the VM was told */
    char reason[REASON_LEN];

    /* Of contract_finish() on. */
    struct vm_outcome outcome;
    int status;
    uint64_t start_ns, end_ns;
};

#endif
