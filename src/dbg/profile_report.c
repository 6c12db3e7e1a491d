/* The samples of a profile by function, by basic block and as stacks. Threading: dbg/profile_report.h. */
#include "dbg/profile_report.h"

#include "base/bits.h"
#include "base/err.h"
#include "cpu/cpu.h"
#include "cpu/observe.h"
#include "cpu/profile.h"
#include "dbg/profile_blocks.h"
#include "hv/soft/soft.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN 40u /* rows of each table of the report */
#define MAX_EXIT_PLACES 65536u

/* Where exits come from. */
struct exit_place {
    uint64_t count;
    gva_t pc;
    const char *reason, *device;
    unsigned el;
};

/* By function: where it begins, or an address that is in none. */
struct function {
    gva_t addr;
    uint64_t self, total;
};

/* By stack: as it is written. */
struct folded {
    char *names;
    uint64_t samples;
};

struct profile_report {
    const char *path;
    char *text_path;
    FILE *folded, *text;
    uint64_t period;
    const struct symbols *syms;

    pthread_mutex_t lock;     /* of the exits; a leaf */
    struct exit_place *exits; /* by hash; count 0: empty */
    unsigned nr_exits;
    uint64_t other_exits; /* that there was no room for */

    uint64_t nr_samples, lost;
    size_t nr_stacks, stacks_room, nr_functions, functions_room;
    struct folded *stack;
    struct function *function;
    struct profile_blocks *blocks;
    int error;
};

/* --- Files ---------------------------------------------------------------------------------------------------------- */

int profile_report_create(struct profile_report **out, const char *path, uint64_t period,
                          const struct symbols *syms, struct err *e)
{
    struct profile_report *r = calloc(1, sizeof(*r));
    const size_t len = strlen(path) + sizeof(".txt");

    if (!r)
        return err_set(e, ENOMEM, "--profile: out of memory");
    r->path = path;
    r->period = period;
    r->syms = syms;
    pthread_mutex_init(&r->lock, NULL);
    r->text_path = malloc(len);
    r->exits = calloc(MAX_EXIT_PLACES, sizeof(*r->exits));
    r->blocks = profile_blocks_create(syms);
    if (!r->text_path || !r->exits || !r->blocks) {
        profile_report_destroy(r);
        return err_set(e, ENOMEM, "--profile: out of memory");
    }
    snprintf(r->text_path, len, "%s.txt", path);
    /* Not emptied yet: what is there is kept if nothing comes of the run. */
    const char *failed = (r->folded = fopen(path, "ab")) ? NULL : path;
    if (!failed && !(r->text = fopen(r->text_path, "ab")))
        failed = r->text_path;
    if (failed) {
        const int status = err_set(e, errno, "--profile %s: %s", failed, strerror(errno));
        profile_report_destroy(r);
        return status;
    }
    *out = r;
    return 0;
}

void profile_report_destroy(struct profile_report *r)
{
    if (!r)
        return;
    if (r->folded)
        fclose(r->folded);
    if (r->text)
        fclose(r->text);
    for (size_t i = 0; i < r->nr_stacks; i++)
        free(r->stack[i].names);
    free(r->stack);
    free(r->function);
    profile_blocks_destroy(r->blocks);
    pthread_mutex_destroy(&r->lock);
    free(r->exits);
    free(r->text_path);
    free(r);
}

/* --- Exits ---------------------------------------------------------------------------------------------------------- */

void profile_report_exit(void *opaque, unsigned el, gva_t pc, const char *reason, const char *device)
{
    struct profile_report *r = opaque;
    const uint64_t h =
        (pc ^ (uintptr_t)reason ^ (uintptr_t)device << 7 ^ el) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned i = (unsigned)(h >> 48) & (MAX_EXIT_PLACES - 1);

    pthread_mutex_lock(&r->lock);
    struct exit_place *p = &r->exits[i];
    while (p->count && (p->pc != pc || p->reason != reason || p->device != device || p->el != el)) {
        i = (i + 1) & (MAX_EXIT_PLACES - 1);
        p = &r->exits[i];
    }
    if (!p->count && r->nr_exits == MAX_EXIT_PLACES / 2) {
        r->other_exits++;
    } else {
        r->nr_exits += !p->count;
        *p = (struct exit_place){
            .count = p->count + 1, .pc = pc, .reason = reason, .device = device, .el = el};
    }
    pthread_mutex_unlock(&r->lock);
}

/* --- Samples -------------------------------------------------------------------------------------------------------- */

/* Room for one element more of a list; false: there is none. */
static bool reserve(struct profile_report *r, void **list, size_t nr, size_t *room, size_t len)
{
    if (nr < *room)
        return true;
    const size_t more = *room ? 2 * *room : 256;
    void *p = realloc(*list, more * len);
    if (!p) {
        r->error = ENOMEM;
        return false;
    }
    *list = p;
    *room = more;
    return true;
}

static void add_stack(struct profile_report *r, const char *names, uint64_t samples)
{
    void *list = r->stack;

    if (!reserve(r, &list, r->nr_stacks, &r->stacks_room, sizeof(*r->stack)))
        return;
    r->stack = list;
    struct folded *to = &r->stack[r->nr_stacks];
    to->names = strdup(names);
    to->samples = samples;
    if (to->names)
        r->nr_stacks++;
    else
        r->error = ENOMEM;
}

static void add_function(struct profile_report *r, gva_t addr, uint64_t self, uint64_t total)
{
    void *list = r->function;

    if (!reserve(r, &list, r->nr_functions, &r->functions_room, sizeof(*r->function)))
        return;
    r->function = list;
    r->function[r->nr_functions++] = (struct function){addr, self, total};
}

/* Whether X30 is a caller that the frame records do not have: of a function that has made none, or has taken it away again. Where it has one, X30 is
 * what the record says, or points behind a call of its own. */
static bool lr_is_caller(const struct profile_report *r, const struct profile_stack *s)
{
    const struct symbol *here = symbols_find(r->syms, s->pc[0]);
    const struct symbol *caller = s->lr ? symbols_find(r->syms, s->lr - 4) : NULL;

    return here && caller && caller != here && caller->code && (s->depth < 2 || s->pc[1] != s->lr);
}

/* Where the functions of a stack begin, innermost first; how many. Of a caller, what counts is the call. */
static unsigned functions_of(const struct profile_report *r, const struct profile_stack *s, gva_t *addr)
{
    unsigned nr = 0;

    addr[nr++] = s->pc[0];
    if (lr_is_caller(r, s))
        addr[nr++] = s->lr - 4;
    for (unsigned i = 1; i < s->depth; i++)
        addr[nr++] = s->pc[i] - 4;
    for (unsigned i = 0; i < nr; i++) {
        const struct symbol *y = symbols_find(r->syms, addr[i]);
        addr[i] = y ? y->addr : addr[i];
    }
    return nr;
}

#define NAME_LEN 200u

/* Without what separates names in folded stacks. */
static const char *function_name(const struct profile_report *r, gva_t addr, char buf[NAME_LEN])
{
    if (!symbols_text(r->syms, addr, buf, NAME_LEN))
        snprintf(buf, NAME_LEN, "0x%" PRIx64, addr);
    for (char *p = buf; *p; p++)
        if (*p == ';' || *p == ' ')
            *p = ':';
    return buf;
}

static void add_sample(struct profile_report *r, const struct profile_stack *s)
{
    static char names[(PROFILE_MAX_DEPTH + 2) * (NAME_LEN + 1)];
    gva_t addr[PROFILE_MAX_DEPTH + 1];
    char name[NAME_LEN];
    const unsigned nr = functions_of(r, s, addr);
    size_t at = (size_t)snprintf(names, sizeof(names), "EL%u", s->el);

    for (unsigned i = nr; i-- > 0;) {
        at += (size_t)snprintf(names + at, sizeof(names) - at, ";%s", function_name(r, addr[i], name));
        /* A function that calls itself has taken part once. */
        bool again = false;
        for (unsigned j = i + 1; j < nr && !again; j++)
            again = addr[j] == addr[i];
        if (!again || i == 0)
            add_function(r, addr[i], i == 0 ? s->count : 0, again ? 0 : s->count);
    }
    add_stack(r, names, s->count);
    r->nr_samples += s->count;
}

static int by_names(const void *a, const void *b)
{
    return strcmp(((const struct folded *)a)->names, ((const struct folded *)b)->names);
}

static int by_addr(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : 0;
}

static int by_self(const void *a, const void *b)
{
    const struct function *x = a, *y = b;

    if (x->self != y->self)
        return x->self > y->self ? -1 : 1;
    return x->total != y->total ? (x->total > y->total ? -1 : 1) : by_addr(a, b);
}

/* Each stack and each function once. */
static void merge(struct profile_report *r)
{
    size_t nr = 0;

    if (r->nr_stacks)
        qsort(r->stack, r->nr_stacks, sizeof(*r->stack), by_names);
    for (size_t i = 0; i < r->nr_stacks; i++)
        if (nr && !strcmp(r->stack[nr - 1].names, r->stack[i].names)) {
            r->stack[nr - 1].samples += r->stack[i].samples;
            free(r->stack[i].names);
        } else {
            r->stack[nr++] = r->stack[i];
        }
    r->nr_stacks = nr;
    nr = 0;
    if (r->nr_functions)
        qsort(r->function, r->nr_functions, sizeof(*r->function), by_addr);
    for (size_t i = 0; i < r->nr_functions; i++)
        if (nr && r->function[nr - 1].addr == r->function[i].addr) {
            r->function[nr - 1].self += r->function[i].self;
            r->function[nr - 1].total += r->function[i].total;
        } else {
            r->function[nr++] = r->function[i];
        }
    r->nr_functions = nr;
    if (nr)
        qsort(r->function, nr, sizeof(*r->function), by_self);
}

static void gather(struct profile_report *r, struct vm *vm)
{
    static struct profile_stack s;

    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        const struct profile *p = vm->vcpu[i].hv ? hv_soft_cpu(vm->vcpu[i].hv)->observe->profile : NULL;
        for (size_t n = 0; p && profile_stack(p, n, &s); n++) {
            add_sample(r, &s);
            profile_blocks_add(r->blocks, p, s.pc[0], s.count);
        }
        r->lost += p ? profile_lost(p) : 0;
    }
    merge(r);
}

/* --- Writing -------------------------------------------------------------------------------------------------------- */

static void write_folded(struct profile_report *r)
{
    for (size_t i = 0; i < r->nr_stacks; i++)
        fprintf(r->folded, "%s %" PRIu64 "\n", r->stack[i].names, r->stack[i].samples);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void write_functions(struct profile_report *r)
{
    char name[NAME_LEN];

    fprintf(r->text, "\nFunctions, by what they do themselves; total is with what they call:\n"
                     "    self            total\n");
    for (size_t i = 0; i < r->nr_functions && i < SHOWN && r->function[i].self; i++) {
        const struct function *f = &r->function[i];
        fprintf(r->text, "%8" PRIu64 " %5.1f%% %8" PRIu64 " %5.1f%%  %s\n", f->self,
                percent(f->self, r->nr_samples), f->total, percent(f->total, r->nr_samples),
                function_name(r, f->addr, name));
    }
}

static void write_blocks(struct profile_report *r)
{
    struct profile_block b;
    char first[NAME_LEN], last[NAME_LEN];

    fprintf(r->text, "\nBasic blocks, from their first to their last instruction:\n"
                     " samples\n");
    for (size_t i = 0; i < SHOWN && profile_blocks_get(r->blocks, i, &b); i++) {
        symbols_text(r->syms, b.first, first, sizeof(first));
        symbols_text(r->syms, b.last, last, sizeof(last));
        fprintf(r->text, "%8" PRIu64 " %5.1f%%  %016" PRIx64 "-%016" PRIx64 "%s%s%s%s\n", b.samples,
                percent(b.samples, r->nr_samples), b.first, b.last, *first ? "  " : "", first,
                *first ? " .. " : "", *first ? last : "");
    }
}

static int by_count(const void *a, const void *b)
{
    const struct exit_place *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->pc != y->pc || x->el != y->el)
        return x->pc != y->pc ? (x->pc < y->pc ? -1 : 1) : (int)x->el - (int)y->el;
    const int r = strcmp(x->reason, y->reason);
    return r || !x->device || !y->device ? r : strcmp(x->device, y->device);
}

static void write_exits(struct profile_report *r)
{
    char name[NAME_LEN];
    size_t nr = 0;

    for (size_t i = 0; i < MAX_EXIT_PLACES; i++)
        if (r->exits[i].count)
            r->exits[nr++] = r->exits[i];
    qsort(r->exits, nr, sizeof(*r->exits), by_count);
    fprintf(r->text, "\nExits to the VMM, by the instruction that causes them:\n"
                     "   count\n");
    for (size_t i = 0; i < SHOWN && i < nr; i++) {
        const struct exit_place *p = &r->exits[i];
        symbols_text(r->syms, p->pc, name, sizeof(name));
        fprintf(r->text, "%8" PRIu64 "  EL%u %016" PRIx64 "%s%s  %s%s%s\n", p->count, p->el, p->pc,
                *name ? " " : "", name, p->reason, p->device ? " " : "", p->device ? p->device : "");
    }
    if (r->other_exits)
        fprintf(r->text, "%8" PRIu64 "  at places that there was no room for\n", r->other_exits);
}

static void write_text(struct profile_report *r, const struct vm *vm)
{
    fprintf(r->text, "%" PRIu64 " samples, one after %" PRIu64 " instructions on average\n",
            r->nr_samples, r->period);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].hv)
            fprintf(r->text, "CPU %u: %" PRIu64 " instructions\n", i,
                    hv_soft_cpu(vm->vcpu[i].hv)->nr_insns);
    if (r->lost)
        fprintf(r->text, "%" PRIu64 " more samples: their stacks were too many\n", r->lost);
    write_functions(r);
    write_blocks(r);
    write_exits(r);
}

/* Empties a file that was opened to be appended to; a pipe has nothing to empty. */
static bool restart(FILE *f)
{
    return !ftruncate(fileno(f), 0) || errno == EINVAL;
}

int profile_report_write(struct profile_report *r, struct vm *vm, struct err *e)
{
    gather(r, vm);
    if (r->error)
        return err_set(e, r->error, "--profile %s: out of memory", r->path);
    if (!restart(r->folded) || !restart(r->text))
        return err_set(e, errno, "--profile %s: %s", r->path, strerror(errno));
    write_folded(r);
    write_text(r, vm);
    if (fflush(r->folded) || ferror(r->folded))
        return err_set(e, errno ? errno : EIO, "--profile %s: %s", r->path, strerror(errno));
    if (fflush(r->text) || ferror(r->text))
        return err_set(e, errno ? errno : EIO, "--profile %s: %s", r->text_path, strerror(errno));
    return 0;
}
