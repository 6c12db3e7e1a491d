/* Coverage by lines. Threading: dbg/coverage_report.h. Format: geninfo(1), "FILES". */
#include "dbg/coverage_report.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "cpu/coverage.h"
#include "cpu/cpu.h"
#include "cpu/observe.h"
#include "dbg/lines.h"
#include "hv/soft/soft.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A piece of a line, or a function's entry. */
struct place {
    unsigned file, line;
    char *name; /* of a function; null: a line */
    uint64_t addr, end;
    bool run;
};

struct coverage_report {
    const char *path;
    FILE *f;
    uint64_t offset; /* of the program that is being read */
    unsigned nr_files, files_room;
    char **file;
    unsigned last_file; /* the one that was asked for last */
    size_t nr, room;
    struct place *place;
    bool no_memory;
};

int coverage_report_create(struct coverage_report **out, const char *path, struct err *e)
{
    if (!lines_version())
        return err_set(e, ENOTSUP, "--coverage: this build has no libdw, and so reads no line tables");
    struct coverage_report *r = calloc(1, sizeof(*r));
    if (!r)
        return err_set(e, ENOMEM, "--coverage: out of memory");
    r->path = path;
    /* Not emptied yet: what is there is kept if nothing comes of the run. */
    r->f = fopen(path, "ab");
    if (!r->f) {
        free(r);
        return err_set(e, errno, "--coverage %s: %s", path, strerror(errno));
    }
    *out = r;
    return 0;
}

void coverage_report_destroy(struct coverage_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->nr; i++)
        free(r->place[i].name);
    for (unsigned i = 0; i < r->nr_files; i++)
        free(r->file[i]);
    free(r->place);
    free(r->file);
    fclose(r->f);
    free(r);
}

/* --- Reading lines -------------------------------------------------------------------------------------------------- */

static unsigned on_file(void *opaque, const char *path)
{
    struct coverage_report *r = opaque;

    /* Lines of one file come together. */
    if (r->last_file < r->nr_files && !strcmp(r->file[r->last_file], path))
        return r->last_file;
    for (unsigned i = 0; i < r->nr_files; i++)
        if (!strcmp(r->file[i], path))
            return r->last_file = i;
    if (r->nr_files == r->files_room) {
        const unsigned room = r->files_room ? 2 * r->files_room : 64;
        char **more = realloc(r->file, room * sizeof(*more));
        if (!more) {
            r->no_memory = true;
            return 0;
        }
        r->file = more;
        r->files_room = room;
    }
    if (!(r->file[r->nr_files] = strdup(path))) {
        r->no_memory = true;
        return 0;
    }
    return r->last_file = r->nr_files++;
}

static bool add(struct coverage_report *r, const struct place *p)
{
    if (r->nr == r->room) {
        const size_t room = r->room ? 2 * r->room : 1024;
        struct place *more = realloc(r->place, room * sizeof(*more));
        if (!more) {
            r->no_memory = true;
            return false;
        }
        r->place = more;
        r->room = room;
    }
    r->place[r->nr++] = *p;
    return true;
}

static void on_line(void *opaque, unsigned file, unsigned line, uint64_t addr, uint64_t end)
{
    struct coverage_report *r = opaque;
    add(r, &(struct place){.file = file, .line = line, .addr = addr + r->offset, .end = end + r->offset});
}

static void on_function(void *opaque, unsigned file, const char *name, unsigned line, uint64_t addr)
{
    struct coverage_report *r = opaque;
    const struct place p = {.file = file,
                            .line = line,
                            .name = strdup(name),
                            .addr = addr + r->offset,
                            .end = addr + r->offset + 4};

    if (!p.name || !add(r, &p)) {
        r->no_memory = true;
        free(p.name);
    }
}

int coverage_report_add(struct coverage_report *r, const char *program, uint64_t offset, struct err *e)
{
    const struct lines_reader reader = {
        .opaque = r, .file = on_file, .line = on_line, .function = on_function};

    r->offset = offset;
    const int status = lines_read(program, &reader, e);
    if (status)
        return err_prefix(e, "--coverage");
    return r->no_memory ? err_set(e, ENOMEM, "--coverage: out of memory") : 0;
}

/* --- Writing -------------------------------------------------------------------------------------------------------- */

static bool was_run(const struct vm *vm, gva_t from, gva_t end)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        if (!vm->vcpu[i].hv)
            continue;
        const struct coverage *v = hv_soft_cpu(vm->vcpu[i].hv)->observe->coverage;
        for (gva_t va = from; va < end; va += 4)
            if (coverage_has(v, va))
                return true;
    }
    return false;
}

/* By file, functions first, then by line and name. */
static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (!x->name != !y->name)
        return x->name ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->name ? strcmp(x->name, y->name) : 0;
}

static bool is_same(const struct place *x, const struct place *y)
{
    return x->file == y->file && x->line == y->line &&
           (x->name ? y->name && !strcmp(x->name, y->name) : !y->name);
}

/* Each line and function once: it was run if a piece of it was. */
static void merge(struct coverage_report *r, const struct vm *vm)
{
    size_t nr = 0;

    if (r->nr)
        qsort(r->place, r->nr, sizeof(*r->place), compare);
    for (size_t i = 0; i < r->nr; i++) {
        struct place p = r->place[i];
        p.run = was_run(vm, p.addr, p.end);
        if (nr && is_same(&r->place[nr - 1], &p)) {
            r->place[nr - 1].run |= p.run;
            free(p.name);
        } else {
            r->place[nr++] = p;
        }
    }
    r->nr = nr;
}

static void write_file(FILE *f, const char *path, const struct place *p, size_t nr)
{
    size_t functions = 0, functions_run = 0, run = 0;

    fprintf(f, "TN:\nSF:%s\n", path);
    for (; functions < nr && p[functions].name; functions++)
        fprintf(f, "FN:%u,%s\n", p[functions].line, p[functions].name);
    for (size_t i = 0; i < functions; i++) {
        fprintf(f, "FNDA:%u,%s\n", p[i].run, p[i].name);
        functions_run += p[i].run;
    }
    fprintf(f, "FNF:%zu\nFNH:%zu\n", functions, functions_run);
    for (size_t i = functions; i < nr; i++) {
        fprintf(f, "DA:%u,%u\n", p[i].line, p[i].run);
        run += p[i].run;
    }
    fprintf(f, "LF:%zu\nLH:%zu\nend_of_record\n", nr - functions, run);
}

static void warn_of_lost(const struct vm *vm)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].hv)
            lost += coverage_lost(hv_soft_cpu(vm->vcpu[i].hv)->observe->coverage);
    if (lost)
        log_warn("--coverage: the guest ran code at more than 1 GiB of addresses; %" PRIu64
                 " more instructions are not in it",
                 lost);
}

int coverage_report_write(struct coverage_report *r, struct vm *vm, struct err *e)
{
    merge(r, vm);
    warn_of_lost(vm);
    bool good = !ftruncate(fileno(r->f), 0) || errno == EINVAL; /* a pipe has nothing to empty */
    for (size_t i = 0, nr; good && i < r->nr; i += nr) {
        for (nr = 1; i + nr < r->nr && r->place[i + nr].file == r->place[i].file;)
            nr++;
        write_file(r->f, r->file[r->place[i].file], &r->place[i], nr);
    }
    if (!good || fflush(r->f) || ferror(r->f))
        return err_set(e, errno ? errno : EIO, "--coverage %s: %s", r->path, strerror(errno));
    return 0;
}
