/* Line tables by libdw (elfutils). Threading: dbg/lines.h. Specification: DWARF 5, "Line Number Information". */
#include "dbg/lines.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/version.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>

const char *lines_version(void)
{
    static char text[16];

    snprintf(text, sizeof(text), "%d.%d", _ELFUTILS_VERSION / 1000, _ELFUTILS_VERSION % 1000);
    return text;
}

/* Whether addr is code of the program: linkers leave line tables of sections that they threw away, with addresses of their choice. */
static bool is_code(Elf *elf, uint64_t addr)
{
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr sh;
        if (gelf_getshdr(scn, &sh) && (sh.sh_flags & SHF_EXECINSTR) && addr - sh.sh_addr < sh.sh_size)
            return true;
    }
    return false;
}

struct reading {
    const struct lines_reader *r;
    Elf *elf;
};

static int on_function(Dwarf_Die *die, void *opaque)
{
    const struct reading *g = opaque;
    const char *name = dwarf_diename(die), *file = dwarf_decl_file(die);
    Dwarf_Addr addr;
    int line;

    /* Without an address of its own it was only inlined, or thrown away. */
    if (name && file && !dwarf_decl_line(die, &line) && !dwarf_lowpc(die, &addr) && is_code(g->elf, addr))
        g->r->function(g->r->opaque, g->r->file(g->r->opaque, file), name, (unsigned)line, addr);
    return DWARF_CB_OK;
}

/* The lines of one compilation unit, each up to the next. */
static bool read_unit(const struct reading *g, Dwarf_Die *unit)
{
    Dwarf_Lines *lines;
    size_t nr;

    if (dwarf_getsrclines(unit, &lines, &nr) || !nr)
        return false;
    for (size_t i = 0; i + 1 < nr; i++) {
        Dwarf_Line *l = dwarf_onesrcline(lines, i), *next = dwarf_onesrcline(lines, i + 1);
        Dwarf_Addr addr, end;
        bool last;
        int number;
        const char *file;
        if (dwarf_lineendsequence(l, &last) || last || dwarf_lineaddr(l, &addr) ||
            dwarf_lineaddr(next, &end) || dwarf_lineno(l, &number) || number <= 0 ||
            !(file = dwarf_linesrc(l, NULL, NULL)) || end < addr || !is_code(g->elf, addr))
            continue;
        /* Two lines may begin with one instruction. */
        end = end == addr ? addr + 4 : end;
        g->r->line(g->r->opaque, g->r->file(g->r->opaque, file), (unsigned)number, addr, end);
    }
    dwarf_getfuncs(unit, on_function, (void *)(uintptr_t)g, 0);
    return true;
}

int lines_read(const char *path, const struct lines_reader *r, struct err *e)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool any = false;
    int status = 0;

    if (fd < 0)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    elf_version(EV_CURRENT);
    Dwarf *dw = dwarf_begin(fd, DWARF_C_READ);
    if (!dw) {
        status = err_set(e, ENODATA, "%s has no debugging information; compile it with -g", path);
        goto out;
    }
    const struct reading g = {r, dwarf_getelf(dw)};
    for (Dwarf_CU *cu = NULL;;) {
        Dwarf_Die die;
        const int more = dwarf_get_units(dw, cu, &cu, NULL, NULL, &die, NULL);
        if (more)
            break;
        any |= read_unit(&g, &die);
    }
    if (!any)
        status = err_set(e, ENODATA, "%s has no line tables; compile it with -g", path);
    dwarf_end(dw);
out:
    close(fd);
    return status;
}

#else

const char *lines_version(void)
{
    return NULL;
}

int lines_read(const char *path, const struct lines_reader *r, struct err *e)
{
    (void)path;
    (void)r;
    return err_set(e, ENOTSUP, "this build has no libdw, and so reads no line tables");
}

#endif
