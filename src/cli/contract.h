/* What a run has to show for its success: --expect, --fail, --script; and its reports, --junit and --result. docs/ci.md.
 *
 * The console's output is followed where it passes, on whichever thread writes it; statements of a script that send, and stopping the VM, are done
 * after that vCPU's instruction, or on the main thread. Specification of what matches when: docs/ci.md, "What is looked at".
 *
 * Threads: contract_turn() and all from contract_finish() on, the main thread's; the rest before the VM starts. */
#ifndef VIBE_CLI_CONTRACT_H
#define VIBE_CLI_CONTRACT_H

#include "vm/vm.h"

#include <stdio.h>

struct contract;
struct err;

#define CONTRACT_MAX_PATTERNS 32

/* Texts of the command line, which outlive the contract. */
struct contract_options {
    unsigned nr_expects, nr_fails;
    const char *expect[CONTRACT_MAX_PATTERNS], *fail[CONTRACT_MAX_PATTERNS];
    const char *script, *junit, *result; /* files, or null */
    const char *name;                    /* what runs, for the reports */
};

/* Reads the script, compiles the patterns, and empties the files of the reports: what is in them at the end is of this run. */
int contract_create(struct contract **out, const struct contract_options *opt, struct err *e);
void contract_destroy(struct contract *c); /* null is fine */

/* Has a script, which writes the guest's input: nobody else does then. */
bool contract_has_script(const struct contract *c);

/* Follows the VM's console from now on. at_once: looks at each byte as it comes, for a run that is to be the same each time; else at a line
 * that does not end once nothing more comes for some milliseconds. Right before vm_start(). */
int contract_start(struct contract *c, struct vm *vm, bool at_once, struct err *e);

/* For the main thread's loop: a descriptor that is readable when contract_turn() has something to do, which is to be called then, and at *wake_ns, an
 * os_now_ns() time; UINT64_MAX: none. Returns whether the VM was told to stop. */
int contract_fd(const struct contract *c);
bool contract_turn(struct contract *c, uint64_t now_ns, uint64_t *wake_ns);

/* The guest runs no more, or hangs. status: the process's, were there no contract. Returns what it is: 0 only when the contract is kept. */
int contract_finish(struct contract *c, const struct vm_outcome *o, int status);

/* Why it was not kept, and the console's last lines; nothing when it was. */
void contract_explain(const struct contract *c, FILE *out);

/* The reports. stats: null if there are none. 0, or -errno with the file's name. */
int contract_report(struct contract *c, const struct vm_stats *stats, struct err *e);

#endif
