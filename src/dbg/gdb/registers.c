/* Registers: the description of them that gdb and lldb read, and their values.
 *
 * System registers are those of spec/sysreg.spec that can be read without an effect, by the exception level from which on the guest may: a new one there
 * is one here. */
#include "dbg/gdb/session.h"

#include "arch/pac.h"
#include "arch/sysreg.h"
#include "base/bits.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* gdb's numbers, in the order of the description. */
enum {
    REG_X0 = 0,
    REG_FP = 29,
    REG_SP_NR = 31,
    REG_PC_NR = 32,
    REG_CPSR = 33,
    REG_V0 = 34,
    REG_FPSR = 66,
    REG_FPCR = 67,
    REG_PAUTH = 68, /* enum pauth_mask */
    REG_SYS = 72,   /* the first system register */
};
#define NR_GENERAL REG_PAUTH /* those of g */

/* No registers of the CPU: which bits of a pointer to data or code, of the lower or the upper half, hold a signature. With them gdb finds its way through
 * return addresses that are signed. */
enum pauth_mask { PAUTH_DATA, PAUTH_CODE, PAUTH_DATA_HIGH, PAUTH_CODE_HIGH, NR_PAUTH };

enum { LEVELS = 4, NR_FILES = 4 + LEVELS };

struct gdb_target {
    struct {
        char name[24];
        char *text;
        size_t len;
    } file[NR_FILES];
    unsigned nr_files, nr_sysregs;
    const struct sysreg_desc **sysreg;
};

/* --- The description ------------------------------------------------------------------------------------------------ */

static const char doctype[] = "<?xml version=\"1.0\"?>\n<!DOCTYPE feature SYSTEM \"gdb-target.dtd\">\n";

static void write_core(FILE *f)
{
    static const struct {
        const char *name;
        uint8_t first, last;
    } field[] = {{"SP", 0, 0},     {"EL", 2, 3},    {"nRW", 4, 4},  {"F", 6, 6},
                 {"I", 7, 7},      {"A", 8, 8},     {"D", 9, 9},    {"BTYPE", 10, 11},
                 {"SSBS", 12, 12}, {"IL", 20, 20},  {"SS", 21, 21}, {"PAN", 22, 22},
                 {"UAO", 23, 23},  {"DIT", 24, 24}, {"V", 28, 28},  {"C", 29, 29},
                 {"Z", 30, 30},    {"N", 31, 31}};

    fprintf(f, "%s<feature name=\"org.gnu.gdb.aarch64.core\">\n<flags id=\"cpsr_flags\" size=\"4\">\n",
            doctype);
    for (size_t i = 0; i < ARRAY_LEN(field); i++)
        fprintf(f, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>\n", field[i].name, field[i].first,
                field[i].last);
    fprintf(f, "</flags>\n");
    for (unsigned i = 0; i <= 30; i++)
        fprintf(f, "<reg name=\"x%u\" bitsize=\"64\" regnum=\"%u\"/>\n", i, i);
    fprintf(f, "<reg name=\"sp\" bitsize=\"64\" type=\"data_ptr\"/>\n"
               "<reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\"/>\n"
               "<reg name=\"cpsr\" bitsize=\"32\" type=\"cpsr_flags\"/>\n</feature>\n");
}

static void write_fpu(FILE *f)
{
    static const struct {
        const char *id, *type;
        unsigned count;
    } vector[] = {{"v2d", "ieee_double", 2}, {"v2u", "uint64", 2}, {"v2i", "int64", 2},
                  {"v4f", "ieee_single", 4}, {"v4u", "uint32", 4}, {"v4i", "int32", 4},
                  {"v8f", "ieee_half", 8},   {"v8u", "uint16", 8}, {"v8i", "int16", 8},
                  {"v16u", "uint8", 16},     {"v16i", "int8", 16}, {"v1u", "uint128", 1},
                  {"v1i", "int128", 1}};
    static const struct {
        const char *id, *member[3];
    } part[] = {{"d", {"v2d", "v2u", "v2i"}},
                {"s", {"v4f", "v4u", "v4i"}},
                {"h", {"v8f", "v8u", "v8i"}},
                {"b", {"v16u", "v16i", NULL}},
                {"q", {"v1u", "v1i", NULL}}};
    static const char letter[] = "fus";

    fprintf(f, "%s<feature name=\"org.gnu.gdb.aarch64.fpu\">\n", doctype);
    for (size_t i = 0; i < ARRAY_LEN(vector); i++)
        fprintf(f, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>\n", vector[i].id, vector[i].type,
                vector[i].count);
    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        const unsigned first = part[i].member[2] ? 0 : 1; /* without f */
        fprintf(f, "<union id=\"vn%s\">\n", part[i].id);
        for (unsigned k = 0; k < 3 && part[i].member[k]; k++)
            fprintf(f, "<field name=\"%c\" type=\"%s\"/>\n", letter[first + k], part[i].member[k]);
        fprintf(f, "</union>\n");
    }
    fprintf(f, "<union id=\"aarch64v\">\n");
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        fprintf(f, "<field name=\"%s\" type=\"vn%s\"/>\n", part[i].id, part[i].id);
    fprintf(f, "</union>\n");
    for (unsigned i = 0; i < 32; i++)
        fprintf(f, "<reg name=\"v%u\" bitsize=\"128\" type=\"aarch64v\"%s/>\n", i,
                i ? "" : " regnum=\"34\"");
    fprintf(f, "<reg name=\"fpsr\" bitsize=\"32\" group=\"float\"/>\n"
               "<reg name=\"fpcr\" bitsize=\"32\" group=\"float\"/>\n</feature>\n");
}

static void write_pauth(FILE *f)
{
    static const char *const name[NR_PAUTH] = {"pauth_dmask", "pauth_cmask", "pauth_dmask_high",
                                               "pauth_cmask_high"};

    fprintf(f, "%s<feature name=\"org.gnu.gdb.aarch64.pauth_v2\">\n", doctype);
    for (unsigned i = 0; i < NR_PAUTH; i++)
        fprintf(f, "<reg name=\"%s\" bitsize=\"64\" group=\"system\" save-restore=\"no\" regnum=\"%u\"/>\n",
                name[i], REG_PAUTH + i);
    fprintf(f, "</feature>\n");
}

static bool is_reserved(const char *field)
{
    static const char *const names[] = {"RES0", "RES1", "RAZ", "RAO", "IMPDEF"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(field, names[i]))
            return true;
    return false;
}

static unsigned nr_named_fields(const struct sysreg_desc *d)
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->nr_fields; i++)
        n += !is_reserved(d->field[i].name);
    return n;
}

/* Fields are shown by name where there are several: SCTLR_EL1 is [ M C I ... ]. */
static bool has_flags(const struct sysreg_desc *d)
{
    return nr_named_fields(d) > 1 || (nr_named_fields(d) == 1 && d->field[0].hi - d->field[0].lo < 63);
}

/* Not what cannot be read, or not without an effect; what only reads as zero; or what is there under gdb's own name. */
static bool is_shown(const struct sysreg_desc *d)
{
    return d->read_el < LEVELS && !(d->effects & EFFECT_READ) && d->home != HOME_RAZ_WI &&
           nr_named_fields(d) && d->id != SR_FPCR && d->id != SR_FPSR;
}

static void write_flags(FILE *f, const struct sysreg_desc *d)
{
    fprintf(f, "<flags id=\"%s_flags\" size=\"8\">\n", d->name);
    for (unsigned i = d->nr_fields; i-- > 0;)
        if (!is_reserved(d->field[i].name))
            fprintf(f, "<field name=\"%s\" start=\"%u\" end=\"%u\"%s/>\n", d->field[i].name,
                    d->field[i].lo, d->field[i].hi,
                    d->field[i].hi == d->field[i].lo ? " type=\"bool\"" : " type=\"uint64\"");
    fprintf(f, "</flags>\n");
}

/* The system registers of an exception level; their numbers go on from those before. */
static void write_level(FILE *f, struct gdb_target *t, unsigned el)
{
    bool first = true;

    fprintf(f, "%s<feature name=\"org.vibevmm.aarch64.sysregs.el%u\">\n", doctype, el);
    for (unsigned i = 0; i < sysreg_table_len; i++)
        if (sysreg_table[i].read_el == el && is_shown(&sysreg_table[i]) && has_flags(&sysreg_table[i]))
            write_flags(f, &sysreg_table[i]);
    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        if (d->read_el != el || !is_shown(d))
            continue;
        fprintf(f, "<reg name=\"%s\" bitsize=\"64\" group=\"EL%u\" save-restore=\"no\"", d->name, el);
        if (has_flags(d))
            fprintf(f, " type=\"%s_flags\"", d->name);
        else
            fprintf(f, " type=\"uint64\"");
        if (first)
            fprintf(f, " regnum=\"%u\"", REG_SYS + t->nr_sysregs);
        fprintf(f, "/>\n");
        first = false;
        t->sysreg[t->nr_sysregs++] = d;
    }
    fprintf(f, "</feature>\n");
}

static void write_main(FILE *f, struct gdb_target *t)
{
    fprintf(f, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
               "<target version=\"1.0\">\n<architecture>aarch64</architecture>\n");
    for (unsigned i = 0; i + 1 < t->nr_files; i++)
        fprintf(f, "<xi:include href=\"%s\"/>\n", t->file[i].name);
    fprintf(f, "</target>\n");
}

static bool level_is_empty(unsigned el)
{
    for (unsigned i = 0; i < sysreg_table_len; i++)
        if (sysreg_table[i].read_el == el && is_shown(&sysreg_table[i]))
            return false;
    return true;
}

/* The next file, to be written and closed. */
static FILE *add_file(struct gdb_target *t, const char *name)
{
    const unsigned i = t->nr_files++;

    snprintf(t->file[i].name, sizeof(t->file[i].name), "%s", name);
    return open_memstream(&t->file[i].text, &t->file[i].len);
}

static bool close_file(FILE *f)
{
    return f && !fclose(f);
}

static bool describe(struct gdb_target *t)
{
    FILE *f;
    char name[24];

    if ((f = add_file(t, "aarch64-core.xml")))
        write_core(f);
    if (!close_file(f))
        return false;
    if ((f = add_file(t, "aarch64-fpu.xml")))
        write_fpu(f);
    if (!close_file(f))
        return false;
    if ((f = add_file(t, "aarch64-pauth.xml")))
        write_pauth(f);
    if (!close_file(f))
        return false;
    for (unsigned el = 0; el < LEVELS; el++) {
        if (level_is_empty(el))
            continue;
        snprintf(name, sizeof(name), "sysregs-el%u.xml", el);
        if ((f = add_file(t, name)))
            write_level(f, t, el);
        if (!close_file(f))
            return false;
    }
    if ((f = add_file(t, "target.xml")))
        write_main(f, t);
    return close_file(f);
}

int target_create(struct gdb_target **out)
{
    struct gdb_target *t = calloc(1, sizeof(*t));

    *out = t;
    if (t)
        t->sysreg = calloc(sysreg_table_len, sizeof(const struct sysreg_desc *));
    return t && t->sysreg && describe(t) ? 0 : -ENOMEM;
}

void target_destroy(struct gdb_target *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->nr_files; i++)
        free(t->file[i].text);
    free(t->sysreg);
    free(t);
}

const char *target_file(const struct gdb_target *t, const char *name, size_t name_len, size_t *len)
{
    for (unsigned i = 0; i < t->nr_files; i++)
        if (strlen(t->file[i].name) == name_len && !memcmp(t->file[i].name, name, name_len)) {
            *len = t->file[i].len;
            return t->file[i].text;
        }
    return NULL;
}

/* --- Values --------------------------------------------------------------------------------------------------------- */

/* Bytes of a register as gdb has it; 0: there is none of that number. */
static unsigned bytes_of(const struct gdb_session *s, uint64_t nr)
{
    if (nr == REG_CPSR || nr == REG_FPSR || nr == REG_FPCR)
        return 4;
    if (nr >= REG_V0 && nr < REG_FPSR)
        return 16;
    return nr < REG_SYS + s->target->nr_sysregs ? 8 : 0;
}

static bool is_pauth(uint64_t nr)
{
    return nr >= REG_PAUTH && nr < REG_SYS;
}

/* The backend's numbers for it: two of a vector; TCR_EL1 where it follows from that. */
static unsigned hv_reg_of(const struct gdb_session *s, unsigned nr)
{
    if (nr < REG_SP_NR)
        return HV_REG_X0 + nr;
    switch (nr) {
    case REG_SP_NR: return HV_REG_SP;
    case REG_PC_NR: return HV_REG_PC;
    case REG_CPSR: return HV_REG_PSTATE;
    case REG_FPSR: return HV_REG_SYS | SYSENC_FPSR;
    case REG_FPCR: return HV_REG_SYS | SYSENC_FPCR;
    default: break;
    }
    if (is_pauth(nr))
        return HV_REG_SYS | SYSENC_TCR_EL1;
    return nr < REG_FPSR ? HV_REG_V0 + 2 * (nr - REG_V0)
                         : HV_REG_SYS | s->target->sysreg[nr - REG_SYS]->encoding;
}

static uint64_t pauth_mask(uint64_t tcr, enum pauth_mask kind)
{
    return pac_field(tcr, kind >= PAUTH_DATA_HIGH, kind == PAUTH_DATA || kind == PAUTH_DATA_HIGH);
}

/* Values lie as the guest's do, which are the host's too: arch/state.h. A vector is two of the backend's, in which the bytes go on. */
#define HALF sizeof(uint64_t)

/* What the backend is to be asked for some registers; at least two for each that there is room for. Returns how many. */
static unsigned questions(const struct gdb_session *s, const uint16_t *nr, unsigned nr_nr,
                          struct vm_reg *q)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nr_nr; i++)
        for (unsigned half = 0; half * HALF < bytes_of(s, nr[i]); half++)
            q[n++] = (struct vm_reg){.reg = hv_reg_of(s, nr[i]) + half};
    return n;
}

/* Puts some, each behind its number if there is one to be. */
static void put_registers(struct gdb_session *s, unsigned index, const uint16_t *nr, unsigned nr_nr,
                          bool numbered)
{
    static const char unknown[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct vm_reg q[2 * NR_GENERAL];
    const struct vm_reg *at = q;

    vm_get_regs(s->vm, index, q, questions(s, nr, nr_nr, q));
    for (unsigned i = 0; i < nr_nr; i++) {
        const unsigned len = bytes_of(s, nr[i]);
        if (numbered)
            reply_printf(s, "%02x:", nr[i]);
        for (unsigned half = 0; half * HALF < len; half++, at++) {
            const uint64_t val =
                is_pauth(nr[i]) ? pauth_mask(at->val, (enum pauth_mask)(nr[i] - REG_PAUTH)) : at->val;
            if (at->result)
                reply_put(s, unknown, 2 * MIN(len, HALF));
            else
                reply_hex(s, &val, MIN(len, HALF));
        }
        if (numbered)
            reply_put(s, ";", 1);
    }
}

void registers_expedite(struct gdb_session *s, unsigned index)
{
    static const uint16_t some[] = {REG_FP, REG_SP_NR, REG_PC_NR};
    put_registers(s, index, some, ARRAY_LEN(some), true);
}

/* Some, from digits: all of them are there, or nothing is done. 0 or -errno. */
static int set_registers(struct gdb_session *s, unsigned index, const uint16_t *nr, unsigned nr_nr,
                         const char *hex)
{
    struct vm_reg q[2 * NR_GENERAL];
    const unsigned n = questions(s, nr, nr_nr, q);
    struct vm_reg *at = q;
    size_t left = strlen(hex);

    for (unsigned i = 0; i < nr_nr; i++) {
        const unsigned len = bytes_of(s, nr[i]);
        for (unsigned half = 0; half * HALF < len; half++, at++) {
            const unsigned part = MIN(len, (unsigned)HALF);
            if (!gdb_hex_get(&at->val, part, hex, left))
                return -EINVAL;
            hex += 2 * part;
            left -= 2 * part;
        }
    }
    vm_set_regs(s->vm, index, q, n);
    for (unsigned i = 0; i < n; i++)
        if (q[i].result)
            return q[i].result;
    return 0;
}

/* Registers are of a vCPU that stands still. */
static bool stands(struct gdb_session *s)
{
    if (s->thread[s->general].held)
        return true;
    reply_error(s, EBUSY);
    return false;
}

static void general_numbers(uint16_t nr[NR_GENERAL])
{
    for (unsigned i = 0; i < NR_GENERAL; i++)
        nr[i] = (uint16_t)i;
}

static void answer(struct gdb_session *s, int r)
{
    if (r)
        reply_error(s, r);
    else
        reply_ok(s);
}

void registers_read_all(struct gdb_session *s)
{
    uint16_t nr[NR_GENERAL];

    if (!stands(s))
        return;
    general_numbers(nr);
    put_registers(s, s->general, nr, NR_GENERAL, false);
    reply_send(s);
}

void registers_write_all(struct gdb_session *s, const char *p)
{
    uint16_t nr[NR_GENERAL];

    if (!stands(s))
        return;
    general_numbers(nr);
    answer(s, set_registers(s, s->general, nr, NR_GENERAL, p));
}

/* The number at *p, of a register that there is. */
static bool eat_register(const struct gdb_session *s, const char **p, uint16_t *nr)
{
    uint64_t val;

    if (!gdb_hex_number(p, &val) || !bytes_of(s, val))
        return false;
    *nr = (uint16_t)val;
    return true;
}

void registers_read(struct gdb_session *s, const char *p)
{
    uint16_t nr;

    if (!eat_register(s, &p, &nr)) {
        reply_error(s, EINVAL);
        return;
    }
    if (!stands(s))
        return;
    put_registers(s, s->general, &nr, 1, false);
    reply_send(s);
}

void registers_write(struct gdb_session *s, const char *p)
{
    uint16_t nr;

    if (!eat_register(s, &p, &nr) || is_pauth(nr) || !eat(&p, "=")) {
        reply_error(s, EINVAL);
        return;
    }
    if (stands(s))
        answer(s, set_registers(s, s->general, &nr, 1, p));
}
