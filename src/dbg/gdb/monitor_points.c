/* `monitor`: what stops vCPUs that gdb has no word for. */
#include "dbg/gdb/monitor.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "dbg/esr_text.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The classes that a word means: a name, the beginning of some, a number, all. 0: none. */
static uint64_t classes_of(const char *word)
{
    uint64_t set = 0;
    char *end;

    if (!strcmp(word, "all"))
        return ~UINT64_C(0);
    const unsigned long ec = strtoul(word, &end, 0);
    if (end != word && !*end)
        return ec < 64 ? BIT64(ec) : 0;
    for (unsigned n = 0; esr_class_at(n); n++)
        if (!strncmp(esr_class_at(n)->name, word, strlen(word)))
            set |= BIT64(esr_class_at(n)->ec);
    return set;
}

static void put_classes(FILE *f)
{
    fprintf(f, "classes of exceptions:\n");
    for (unsigned n = 0; esr_class_at(n); n++)
        fprintf(f, "  %-16s 0x%02x  %s\n", esr_class_at(n)->name, esr_class_at(n)->ec,
                esr_class_at(n)->text);
}

static void put_caught(struct gdb_session *s, FILE *f)
{
    const struct gdb_point_set *p = &s->points.wanted;

    fprintf(f, "caught:");
    if (p->exceptions == ~UINT64_C(0))
        fprintf(f, " every exception;");
    else
        for (unsigned ec = 0; ec < 64; ec++)
            if (bit(p->exceptions, ec))
                fprintf(f, " exception %s;", esr_class_of(ec) ? esr_class_of(ec)->name : "reserved");
    fprintf(f, "%s", p->interrupts ? " interrupts;" : "");
    for (unsigned i = 0; i < p->nr_sysregs; i++)
        fprintf(f, " writes of %s;", sysreg_find(p->sysreg[i])->name);
    fprintf(f, "%s%s\n", atomic_load(&s->at_reset) ? " reset;" : "",
            atomic_load(&s->at_cpu_on) ? " cpu-on;" : "");
}

static bool set_exceptions(struct gdb_point_set *p, FILE *f, char **args, bool on)
{
    const char *word = monitor_word(args);
    const uint64_t set = word ? classes_of(word) : 0;

    if (!set) {
        fprintf(f,
                word ? "\"%s\" is not a class of exceptions; monitor catch lists them\n"
                     : "a class of exceptions is missing; monitor catch lists them\n",
                word);
        return false;
    }
    p->exceptions = on ? p->exceptions | set : p->exceptions & ~set;
    return true;
}

static bool set_sysreg(struct gdb_point_set *p, FILE *f, char **args, bool on)
{
    const char *word = monitor_word(args);
    const struct sysreg_desc *d = word ? sysreg_find_name(word) : NULL;
    unsigned i = 0;

    if (!d) {
        fprintf(f, "\"%s\" is not a system register of this CPU\n", word ? word : "");
        return false;
    }
    while (i < p->nr_sysregs && p->sysreg[i] != d->encoding)
        i++;
    if (!on && i < p->nr_sysregs)
        p->sysreg[i] = p->sysreg[--p->nr_sysregs];
    else if (on && i == GDB_MAX_SYSREGS)
        fprintf(f, "there are %u registers already\n", GDB_MAX_SYSREGS);
    else if (on && i == p->nr_sysregs)
        p->sysreg[p->nr_sysregs++] = d->encoding;
    return true;
}

static void change(struct gdb_session *s, FILE *f, char *args, bool on)
{
    struct gdb_point_set *p = &s->points.wanted;
    const struct gdb_point_set before = *p;
    const char *what = monitor_word(&args);
    struct err e = {0};
    bool good = true;

    if (what && !strcmp(what, "exception")) {
        good = set_exceptions(p, f, &args, on);
    } else if (what && !strcmp(what, "interrupt")) {
        p->interrupts = on;
    } else if (what && !strcmp(what, "sysreg")) {
        good = set_sysreg(p, f, &args, on);
    } else if (what && !strcmp(what, "reset")) {
        atomic_store(&s->at_reset, on);
    } else if (what && !strcmp(what, "cpu-on")) {
        atomic_store(&s->at_cpu_on, on);
    } else if (what && !strcmp(what, "all") && !on) {
        p->exceptions = p->nr_sysregs = 0;
        p->interrupts = false;
        atomic_store(&s->at_reset, false);
        atomic_store(&s->at_cpu_on, false);
    } else {
        fprintf(f, "\"%s\" is not one of exception CLASS, interrupt, sysreg NAME, reset, cpu-on%s\n",
                what ? what : "", on ? "" : ", all");
        good = false;
    }
    if (good && points_changed(s, &before, &e))
        fprintf(f, "%s\n", e.text);
    if (good)
        put_caught(s, f);
}

void monitor_catch(struct gdb_session *s, FILE *f, char *args)
{
    if (args[strspn(args, " \t")]) {
        change(s, f, args, true);
        return;
    }
    put_caught(s, f);
    put_classes(f);
}

void monitor_uncatch(struct gdb_session *s, FILE *f, char *args)
{
    change(s, f, args, false);
}

void monitor_pbreak(struct gdb_session *s, FILE *f, char *args)
{
    struct err e = {0};
    uint64_t addr;

    if (!monitor_number(f, &args, &addr))
        return;
    if (points_add(s, POINT_PHYSICAL, addr, 0, &e))
        fprintf(f, "%s\n", e.text);
    else
        fprintf(f, "stops at physical address 0x%" PRIx64 "\n", addr);
}

void monitor_pdelete(struct gdb_session *s, FILE *f, char *args)
{
    const struct gdb_point_set *p = &s->points.wanted;
    uint64_t addr;

    if (!args[strspn(args, " \t")]) {
        for (unsigned i = p->nr; i-- > 0;)
            if (p->type[i] == POINT_PHYSICAL)
                points_remove(s, POINT_PHYSICAL, p->point[i].addr, 0);
        return;
    }
    if (monitor_number(f, &args, &addr) && points_remove(s, POINT_PHYSICAL, addr, 0))
        fprintf(f, "there is none at 0x%" PRIx64 "\n", addr);
}
