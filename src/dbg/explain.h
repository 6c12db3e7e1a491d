/* Explains a vCPU that went wrong: what happened, in words, and what probably caused it.
 *
 * Reads only, while the vCPU does not run. Everything comes through struct explain_input, so that any backend can supply it and
 * a test can make it up. The text is plain ASCII, at most EXPLAIN_COLUMNS wide. */
#ifndef VIBE_DBG_EXPLAIN_H
#define VIBE_DBG_EXPLAIN_H

#include "arch/state.h"

#include <stdio.h>

#define EXPLAIN_COLUMNS 80

struct explain_exception {
    uint64_t esr;
    gva_t elr; /* preferred return address */
    gva_t far;
    bool far_valid;
};

struct explain_branch {
    gva_t from, to;
};

struct explain_input {
    unsigned vcpu;
    /* The state in which exc is about to be taken (once more). */
    const struct pe_state *st;
    struct explain_exception exc;
    /* The exception whose handling ran into exc, if there was one. */
    bool has_cause;
    struct explain_exception cause;
    bool vbar_written; /* VBAR_EL1 since reset */

    const struct explain_branch *branch; /* the last taken ones, latest first */
    unsigned nr_branches;

    void *opaque;
    /* Guest-physical memory without side effects: false where there is no RAM or ROM, devices included. */
    bool (*read)(void *opaque, gpa_t gpa, void *buf, size_t len);
    /* What lies at gpa: "RAM", "pl011@9000000"; null: nothing. */
    const char *(*place)(void *opaque, gpa_t gpa);
    /* What a guest expects at gpa that this machine has not, and the cure, as a sentence; or null. May be null itself. */
    const char *(*absent)(void *opaque, gpa_t gpa);
};

void explain_print(const struct explain_input *in, FILE *f);

/* Only the hints, one paragraph each; what explain_print() writes under its heading. Returns how many there were. */
unsigned explain_print_hints(const struct explain_input *in, FILE *f);

/* explain.c and explain_hints.c share: */

/* A paragraph, broken at blanks to EXPLAIN_COLUMNS, each line behind indent. */
void explain_para(FILE *f, const char *indent, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Where va leads for a load, store or fetch of the state's exception level; nothing is changed. */
struct walk_result;
enum explain_access { EXPLAIN_READ, EXPLAIN_WRITE, EXPLAIN_FETCH };
void explain_walk(const struct explain_input *in, gva_t va, enum explain_access access,
                  struct walk_result *res);

/* The instruction at va; false where it can't be fetched. */
bool explain_fetch(const struct explain_input *in, gva_t va, uint32_t *word);

#endif
