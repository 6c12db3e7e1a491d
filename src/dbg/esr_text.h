/* Exception syndromes in words: the classes, the fields of each, their values. Pure; any thread.
 *
 * Specification: DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)". */
#ifndef VIBE_DBG_ESR_TEXT_H
#define VIBE_DBG_ESR_TEXT_H

#include "base/bits.h"

#define ESR_EC(esr) ((unsigned)bits(esr, 31, 26))
#define ESR_FSC(esr) ((unsigned)bits(esr, 5, 0)) /* of aborts, SError and debug exceptions */

struct esr_field {
    const char *name;
    uint8_t hi, lo;
    const char *const *value; /* texts of values 0..nr_values-1, null where there is none */
    uint8_t nr_values;
    void (*text)(uint64_t val, char *buf, size_t len); /* where a list would not do */
};

struct esr_class {
    uint8_t ec;
    const char *name;              /* short: "dabt-same" */
    const char *text;              /* "Data Abort, from the same level" */
    const struct esr_field *field; /* most significant first; RES0 bits are left out */
    uint8_t nr_fields;
};

/* The class, or null when ec is not one that AArch64 state raises. */
const struct esr_class *esr_class_of(unsigned ec);

/* The n-th; null behind the last. */
const struct esr_class *esr_class_at(unsigned n);

/* The meaning of a field's value in esr, or an empty text. */
void esr_field_text(const struct esr_field *f, uint64_t esr, char *buf, size_t len);

/* "translation fault, level 2" */
void esr_fsc_text(unsigned fsc, char *buf, size_t len);

bool esr_is_data_abort(uint64_t esr);
bool esr_is_fetch_abort(uint64_t esr);

/* One line: "Data Abort, from the same level: store, translation fault, level 2". */
void esr_summary(uint64_t esr, char *buf, size_t len);

#endif
