/* The symbol table of an ELF file, which may hold anything. Pure. Specification: System V gABI, "Symbol Table". */
#include "base/bits.h"
#include "base/err.h"
#include "load/elf_format.h"
#include "load/symbols.h"

#include <errno.h>
#include <string.h>

/* The section headers of a file, all within it. */
struct sections {
    const uint8_t *buf, *table;
    size_t len;
    uint64_t nr;
};

/* A section's bytes in the file; false: it has none, or they are not there. */
static bool contents(const struct sections *t, const uint8_t *sh, const uint8_t **p, uint64_t *len)
{
    const uint64_t off = get64(sh + SH_OFFSET);

    *len = get64(sh + SH_SIZE);
    if (off > t->len || *len > t->len - off)
        return false;
    *p = t->buf + off;
    return true;
}

static const uint8_t *header(const struct sections *t, uint64_t i)
{
    return t->table + i * SHDR_LEN;
}

static int find_sections(const uint8_t *buf, size_t len, struct sections *t, struct err *e)
{
    const uint64_t off = get64(buf + E_SHOFF);

    *t = (struct sections){.buf = buf, .len = len, .nr = get16(buf + E_SHNUM)};
    if (!off)
        return err_set(e, ENOEXEC, "an ELF without section headers, and so without symbols");
    if (get16(buf + E_SHENTSIZE) != SHDR_LEN || off > len || len - off < SHDR_LEN)
        return err_set(e, ENOEXEC, "damaged ELF: section headers");
    t->table = buf + off;
    if (!t->nr) /* too many for the field: section 0 has the number */
        t->nr = get64(t->table + SH_SIZE);
    if (t->nr > (len - off) / SHDR_LEN)
        return err_set(e, ENOEXEC,
                       "truncated ELF: section headers reach beyond the file's %zu bytes", len);
    return 0;
}

/* The end of the section that the symbol is in: one without a size reaches no further. */
static uint64_t section_end(const struct sections *t, unsigned index, bool *code)
{
    if (index >= t->nr || index >= SHN_LORESERVE)
        return 0;
    const uint8_t *sh = header(t, index);
    *code = get64(sh + SH_FLAGS) & SHF_EXECINSTR;
    return get64(sh + SH_ADDR) + get64(sh + SH_SIZE);
}

static int add_symbol(struct symbols *s, const struct sections *t, const uint8_t *sym,
                      const char *name, size_t name_len, uint64_t offset, struct err *e)
{
    const unsigned type = sym[ST_INFO] & 15, index = get16(sym + ST_SHNDX);
    const uint64_t value = get64(sym + ST_VALUE), size = get64(sym + ST_SIZE);
    bool in_code = false;

    /* Mapping symbols say whether bytes are code: $x, $d (IHI 0056). */
    if (type > STT_FUNC || index == SHN_UNDEF || index >= SHN_LORESERVE || !name_len || name[0] == '$')
        return 0;
    const uint64_t end = section_end(t, index, &in_code);
    if (value > end || (value == end && !size)) /* a label behind the section, as linkers make them */
        return 0;
    const struct symbol y = {
        .addr = value + offset,
        .len = size,
        .code = in_code && type != STT_OBJECT,
        .rank = (uint8_t)((type == STT_NOTYPE ? 4 : 0) + (size ? 0 : 2) + (sym[ST_INFO] >> 4 == STB_LOCAL)),
    };
    return symbols_put(s, &y, name, name_len, e);
}

static int add_table(struct symbols *s, const struct sections *t, const uint8_t *sh,
                     uint64_t offset, struct err *e)
{
    const uint8_t *table, *strings;
    uint64_t table_len, strings_len;
    const uint32_t link = get32(sh + SH_LINK);

    if (get64(sh + SH_ENTSIZE) != SYM_LEN || link >= t->nr || !contents(t, sh, &table, &table_len) ||
        !contents(t, header(t, link), &strings, &strings_len))
        return err_set(e, ENOEXEC, "damaged ELF: the symbol table or its strings");
    for (uint64_t i = 0; i < table_len / SYM_LEN; i++) {
        const uint8_t *sym = table + i * SYM_LEN;
        const uint32_t name = get32(sym + ST_NAME);
        if (name >= strings_len)
            continue;
        const char *text = (const char *)strings + name;
        const int r = add_symbol(s, t, sym, text, strnlen(text, strings_len - name), offset, e);
        if (r < 0)
            return r;
    }
    return 0;
}

int symbols_add_elf(struct symbols *s, const uint8_t *buf, size_t len, uint64_t offset, struct err *e)
{
    static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
    const size_t before = s->nr;
    struct sections t;
    int r = elf_check_ident(buf, len, e);

    if (r < 0 || (r = find_sections(buf, len, &t, e)) < 0)
        return r;
    /* What strip leaves is the dynamic one: better than nothing. */
    for (unsigned n = 0; n < ARRAY_LEN(types) && s->nr == before; n++) {
        uint64_t i = 0;
        while (i < t.nr && get32(header(&t, i) + SH_TYPE) != types[n])
            i++;
        if (i < t.nr && (r = add_table(s, &t, header(&t, i), offset, e)) < 0)
            return r;
    }
    return s->nr == before ? err_set(e, ENOEXEC, "an ELF without symbols; is it stripped?") : 0;
}
