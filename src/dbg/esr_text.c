/* Exception syndromes in words. Pure. The tables follow DDI 0487, "ESR_EL1", class by class. */
#include "dbg/esr_text.h"

#include "arch/esr.h"
#include "arch/sysreg.h"

#include <stdio.h>

/* --- Texts of values ------------------------------------------------------------------------------------------------ */

static const char *const wfx_ti[] = {"WFI", "WFE", "WFIT", "WFET"};
static const char *const valid[] = {"not valid", "valid"};
static const char *const sas[] = {"byte", "halfword", "word", "doubleword"};
static const char *const sse[] = {NULL, "sign-extended"};
static const char *const sf[] = {"32-bit register", "64-bit register"};
static const char *const ar[] = {NULL, "acquire or release"};
static const char *const fnv[] = {NULL, "FAR is not valid"};
static const char *const cm[] = {NULL, "cache maintenance or address translation"};
static const char *const s1ptw[] = {NULL, "during the walk of stage 1"};
static const char *const wnr[] = {"read", "write"};
static const char *const direction[] = {"write (MSR)", "read (MRS)"};
static const char *const btype[] = {NULL, "BR, from X16 or X17 or a page without GP", "BLR", "BR"};
static const char *const pac_key[] = {"A key", "B key"};
static const char *const pac_data[] = {"instruction key", "data key"};
static const char *const ids[] = {"architected", "implementation defined"};
static const char *const exclusive[] = {NULL, "stepped a load-exclusive"};

void esr_fsc_text(unsigned fsc, char *buf, size_t len)
{
    static const struct {
        uint8_t base;
        const char *text;
    } leveled[] = {
        {FSC_ADDRESS_SIZE, "address size fault"},
        {FSC_TRANSLATION, "translation fault"},
        {FSC_ACCESS_FLAG, "access flag fault"},
        {FSC_PERMISSION, "permission fault"},
        {FSC_EXTERNAL_WALK, "external abort on a table walk"},
        {0x1c, "parity or ECC error on a table walk"},
    };
    const char *text;

    for (size_t i = 0; i < ARRAY_LEN(leveled); i++) {
        if ((fsc & ~3u) == leveled[i].base) {
            snprintf(buf, len, "%s, level %u", leveled[i].text, fsc & 3);
            return;
        }
    }
    switch (fsc) {
    case FSC_EXTERNAL: text = "external abort, not on a table walk"; break;
    case 0x11: text = "tag check fault"; break;
    case 0x13: text = "external abort on a table walk, level -1"; break;
    case 0x18: text = "parity or ECC error"; break;
    case 0x1b: text = "parity or ECC error on a table walk, level -1"; break;
    case FSC_ALIGNMENT: text = "alignment fault"; break;
    case 0x22: text = "debug exception"; break;
    case 0x29: text = "address size fault, level -1"; break;
    case 0x2b: text = "translation fault, level -1"; break;
    case FSC_TLB_CONFLICT: text = "TLB conflict"; break;
    case 0x31: text = "unsupported atomic hardware update fault"; break;
    case 0x34: text = "lockdown fault"; break;
    case FSC_UNSUPPORTED_ATOMIC: text = "unsupported exclusive or atomic access"; break;
    default: text = "reserved status"; break;
    }
    snprintf(buf, len, "%s", text);
}

static void fsc_text(uint64_t val, char *buf, size_t len)
{
    esr_fsc_text((unsigned)val, buf, len);
}

static void serror_text(uint64_t val, char *buf, size_t len)
{
    snprintf(buf, len, "%s",
             val == 0      ? "uncategorized"
             : val == 0x11 ? "asynchronous SError"
                           : "reserved status");
}

static void cond_text(uint64_t val, char *buf, size_t len)
{
    snprintf(buf, len, "%s", val == 0xe ? "always" : "");
}

static void rt_text(uint64_t val, char *buf, size_t len)
{
    if (val == 31)
        snprintf(buf, len, "XZR");
    else
        snprintf(buf, len, "X%u", (unsigned)val);
}

/* --- Fields --------------------------------------------------------------------------------------------------------- */

#define LIST(name, hi, lo, list)                                                                   \
    {                                                                                              \
        name, hi, lo, list, ARRAY_LEN(list), NULL                                                  \
    }
#define PLAIN(name, hi, lo)                                                                        \
    {                                                                                              \
        name, hi, lo, NULL, 0, NULL                                                                \
    }
#define FUNC(name, hi, lo, function)                                                               \
    {                                                                                              \
        name, hi, lo, NULL, 0, function                                                            \
    }

static const struct esr_field wfx_fields[] = {
    LIST("CV", 24, 24, valid), FUNC("COND", 23, 20, cond_text), LIST("TI", 1, 0, wfx_ti)};
static const struct esr_field fp_fields[] = {LIST("CV", 24, 24, valid), FUNC("COND", 23, 20, cond_text)};
static const struct esr_field bti_fields[] = {LIST("BTYPE", 1, 0, btype)};
static const struct esr_field imm_fields[] = {PLAIN("imm16", 15, 0)};
static const struct esr_field sysreg_fields[] = {PLAIN("Op0", 21, 20),
                                                 PLAIN("Op2", 19, 17),
                                                 PLAIN("Op1", 16, 14),
                                                 PLAIN("CRn", 13, 10),
                                                 FUNC("Rt", 9, 5, rt_text),
                                                 PLAIN("CRm", 4, 1),
                                                 LIST("Direction", 0, 0, direction)};
static const struct esr_field fpac_fields[] = {LIST("data", 1, 1, pac_data), LIST("key", 0, 0, pac_key)};
static const struct esr_field fetch_fields[] = {PLAIN("SET", 12, 11), LIST("FnV", 10, 10, fnv),
                                                PLAIN("EA", 9, 9), LIST("S1PTW", 7, 7, s1ptw),
                                                FUNC("IFSC", 5, 0, fsc_text)};
static const struct esr_field data_fields[] = {
    LIST("ISV", 24, 24, valid),   LIST("SAS", 23, 22, sas),   LIST("SSE", 21, 21, sse),
    FUNC("SRT", 20, 16, rt_text), LIST("SF", 15, 15, sf),     LIST("AR", 14, 14, ar),
    PLAIN("SET", 12, 11),         LIST("FnV", 10, 10, fnv),   PLAIN("EA", 9, 9),
    LIST("CM", 8, 8, cm),         LIST("S1PTW", 7, 7, s1ptw), LIST("WnR", 6, 6, wnr),
    FUNC("DFSC", 5, 0, fsc_text),
};
static const struct esr_field serror_fields[] = {LIST("IDS", 24, 24, ids), PLAIN("IESB", 13, 13),
                                                 PLAIN("AET", 12, 10), PLAIN("EA", 9, 9),
                                                 FUNC("DFSC", 5, 0, serror_text)};
static const struct esr_field breakpoint_fields[] = {FUNC("IFSC", 5, 0, fsc_text)};
static const struct esr_field step_fields[] = {LIST("ISV", 24, 24, valid), LIST("EX", 6, 6, exclusive),
                                               FUNC("IFSC", 5, 0, fsc_text)};
static const struct esr_field watchpoint_fields[] = {LIST("CM", 8, 8, cm), LIST("WnR", 6, 6, wnr),
                                                     FUNC("DFSC", 5, 0, fsc_text)};

/* --- Classes -------------------------------------------------------------------------------------------------------- */

#define WITH(fields) fields, ARRAY_LEN(fields)
#define NO_FIELDS NULL, 0

static const struct esr_class classes[] = {
    {EC_UNKNOWN, "undefined", "Undefined instruction, or no reason given", NO_FIELDS},
    {EC_WFX, "wfx", "Trapped WFI or WFE", WITH(wfx_fields)},
    {EC_FP_ACCESS, "fp", "Trapped FP, SIMD or SVE access", WITH(fp_fields)},
    {EC_PAC, "pac", "Trapped pointer authentication", NO_FIELDS},
    {EC_BTI, "bti", "Branch Target Exception", WITH(bti_fields)},
    {EC_ILLEGAL, "illegal", "Illegal Execution state", NO_FIELDS},
    {EC_SVC64, "svc", "SVC instruction", WITH(imm_fields)},
    {EC_HVC64, "hvc", "HVC instruction", WITH(imm_fields)},
    {EC_SMC64, "smc", "SMC instruction", WITH(imm_fields)},
    {EC_SYSREG, "sysreg", "Trapped MSR, MRS or system instruction", WITH(sysreg_fields)},
    {EC_FPAC, "fpac", "Pointer authentication failure", WITH(fpac_fields)},
    {EC_IABT_LOWER, "iabt-lower", "Instruction Abort, from a lower level", WITH(fetch_fields)},
    {EC_IABT_SAME, "iabt-same", "Instruction Abort, from the same level", WITH(fetch_fields)},
    {EC_PC_ALIGN, "pc-align", "PC alignment fault", NO_FIELDS},
    {EC_DABT_LOWER, "dabt-lower", "Data Abort, from a lower level", WITH(data_fields)},
    {EC_DABT_SAME, "dabt-same", "Data Abort, from the same level", WITH(data_fields)},
    {EC_SP_ALIGN, "sp-align", "SP alignment fault", NO_FIELDS},
    {EC_SERROR, "serror", "SError", WITH(serror_fields)},
    {EC_BREAKPT_LOWER, "breakpoint-lower", "Breakpoint, from a lower level", WITH(breakpoint_fields)},
    {EC_BREAKPT_SAME, "breakpoint-same", "Breakpoint, from the same level", WITH(breakpoint_fields)},
    {EC_SOFTSTP_LOWER, "step-lower", "Software step, from a lower level", WITH(step_fields)},
    {EC_SOFTSTP_SAME, "step-same", "Software step, from the same level", WITH(step_fields)},
    {EC_WATCHPT_LOWER, "watchpoint-lower", "Watchpoint, from a lower level", WITH(watchpoint_fields)},
    {EC_WATCHPT_SAME, "watchpoint-same", "Watchpoint, from the same level", WITH(watchpoint_fields)},
    {EC_BRK64, "brk", "BRK instruction", WITH(imm_fields)},
};

const struct esr_class *esr_class_of(unsigned ec)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (classes[i].ec == ec)
            return &classes[i];
    return NULL;
}

const struct esr_class *esr_class_at(unsigned n)
{
    return n < ARRAY_LEN(classes) ? &classes[n] : NULL;
}

void esr_field_text(const struct esr_field *f, uint64_t esr, char *buf, size_t len)
{
    const uint64_t val = bits(esr, f->hi, f->lo);

    buf[0] = '\0';
    if (f->text)
        f->text(val, buf, len);
    else if (val < f->nr_values && f->value[val])
        snprintf(buf, len, "%s", f->value[val]);
}

bool esr_is_data_abort(uint64_t esr)
{
    return ESR_EC(esr) == EC_DABT_LOWER || ESR_EC(esr) == EC_DABT_SAME;
}

bool esr_is_fetch_abort(uint64_t esr)
{
    return ESR_EC(esr) == EC_IABT_LOWER || ESR_EC(esr) == EC_IABT_SAME;
}

void esr_summary(uint64_t esr, char *buf, size_t len)
{
    const struct esr_class *k = esr_class_of(ESR_EC(esr));
    char fsc[64];

    if (!k) {
        snprintf(buf, len, "reserved exception class 0x%02x", ESR_EC(esr));
    } else if (esr_is_data_abort(esr)) {
        esr_fsc_text(ESR_FSC(esr), fsc, sizeof(fsc));
        snprintf(buf, len, "%s: %s, %s", k->text, esr & ISS_DABT_WNR ? "store" : "load", fsc);
    } else if (esr_is_fetch_abort(esr)) {
        esr_fsc_text(ESR_FSC(esr), fsc, sizeof(fsc));
        snprintf(buf, len, "%s: %s", k->text, fsc);
    } else if (k->field == imm_fields) {
        snprintf(buf, len, "%s: #0x%x", k->text, (unsigned)bits(esr, 15, 0));
    } else if (k->field == sysreg_fields) {
        const uint16_t enc = SYSREG_ENC(bits(esr, 21, 20), bits(esr, 16, 14), bits(esr, 13, 10),
                                        bits(esr, 4, 1), bits(esr, 19, 17));
        const struct sysreg_desc *d = sysreg_find(enc);
        snprintf(buf, len, "%s: %s of %s", k->text, esr & 1 ? "read" : "write",
                 d                        ? d->name
                 : bits(esr, 21, 20) == 1 ? "a system instruction"
                                          : "an unknown register");
    } else {
        snprintf(buf, len, "%s", k->text);
    }
}
