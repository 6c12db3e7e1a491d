/* `monitor` in gdb, `process plugin packet monitor` in lldb: what the protocol has no packets for, in words. */
#include "dbg/gdb/monitor.h"

#include "base/bits.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

char *monitor_word(char **args)
{
    char *word = *args + strspn(*args, " \t");
    const size_t len = strcspn(word, " \t");

    *args = word + len + (word[len] != 0);
    word[len] = 0;
    return len ? word : NULL;
}

static bool parse_number(const char *text, uint64_t *val)
{
    char *end;

    errno = 0;
    *val = strtoull(text, &end, 0);
    return end != text && !*end && !errno && *text != '-';
}

bool monitor_number(FILE *f, char **args, uint64_t *val)
{
    const char *word = monitor_word(args);

    if (word && parse_number(word, val))
        return true;
    if (word)
        fprintf(f, "\"%s\" is not a number; write it like 0x40200000 (gdb's `eval` puts symbols in)\n",
                word);
    else
        fprintf(f, "a number is missing\n");
    return false;
}

bool monitor_vcpu(struct gdb_session *s, FILE *f, char **args, unsigned *index)
{
    const char *word = monitor_word(args);
    uint64_t val = s->general;

    if (word && (!parse_number(word, &val) || val >= s->vm->nr_vcpus)) {
        fprintf(f, "\"%s\" is not a vCPU, 0 to %u\n", word, s->vm->nr_vcpus - 1);
        return false;
    }
    *index = (unsigned)val;
    return true;
}

/* --- Commands ------------------------------------------------------------------------------------------------------- */

static void why(struct gdb_session *s, FILE *f, char *args)
{
    (void)args;
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (s->thread[i].stop.text[0])
            fprintf(f, "%s\n", s->thread[i].stop.text);
    if (s->refusal[0])
        fprintf(f, "refused: %s\n", s->refusal);
}

static void space(struct gdb_session *s, FILE *f, char *args)
{
    static const char *const name[] = {
        [GDB_SPACE_VIRTUAL] = "virtual", [GDB_SPACE_EL0] = "el0", [GDB_SPACE_PHYSICAL] = "physical"};
    const char *word = monitor_word(&args);
    enum gdb_space to = s->space;
    uint64_t ttbr0 = 0;

    for (unsigned i = 0; word && i < ARRAY_LEN(name); i++)
        if (!strcmp(word, name[i])) {
            to = (enum gdb_space)i;
            word = NULL;
        }
    if (word) {
        fprintf(f, "\"%s\" is not one of virtual, el0 [TTBR0], physical\n", word);
        return;
    }
    args += strspn(args, " \t");
    const bool has_ttbr0 = to == GDB_SPACE_EL0 && *args;
    if (has_ttbr0 && !monitor_number(f, &args, &ttbr0))
        return;
    if (to != s->space || has_ttbr0) {
        s->space = to;
        s->has_ttbr0 = has_ttbr0;
        s->ttbr0 = ttbr0;
    }
    fprintf(f, "memory is %s", name[s->space]);
    if (s->has_ttbr0)
        fprintf(f, ", by TTBR0_EL1 0x%" PRIx64, s->ttbr0);
    fprintf(f, "\n");
}

static void reset(struct gdb_session *s, FILE *f, char *args)
{
    (void)args;
    run_hold_all(s);
    vm_reset(s->vm);
    fprintf(f, "The machine is as after power-on. gdb has to be told that registers changed: maintenance flush register-cache\n");
}

static void quit(struct gdb_session *s, FILE *f, char *args)
{
    (void)f;
    (void)args;
    vm_request_stop(s->vm, VM_STOP_QUIT);
}

static monitor_fn help;

static const struct {
    const char *name, *args, *text;
    monitor_fn *fn;
} commands[] = {
    {"help", "", "this list", help},
    {"cpus", "", "every vCPU: whether it is on, and where it is", monitor_cpus},
    {"regs", "[VCPU]", "general and the most asked for system registers", monitor_regs},
    {"pagewalk", "ADDR [VCPU]", "the translation of an address, step by step", monitor_pagewalk},
    {"tlb", "[VCPU]", "what the software CPU's TLB holds", monitor_tlb},
    {"gic", "", "the interrupt controller", monitor_gic},
    {"timers", "", "the generic timers", monitor_timers},
    {"devices", "", "memory and devices, and how often they were accessed", monitor_devices},
    {"stats", "", "the statistics, so far", monitor_stats},
    {"exits", "", "exits by kind and vCPU", monitor_exits},
    {"translate", "PC [VCPU]", "what the translator makes of the code there", monitor_translate},
    {"explain", "[VCPU]", "what probably caused the fault that a vCPU is stuck in", monitor_explain},
    {"why", "", "why vCPUs stopped, and why the last request was refused", why},
    {"xp", "ADDR [BYTES]", "physical memory (devices are not read)", monitor_xp},
    {"space", "[virtual|el0 [TTBR0]|physical]",
     "whose memory gdb reads and writes: as the vCPU has it; as a program at EL0 has it, by this TTBR0_EL1 "
     "or its own; physical",
     space},
    {"pbreak", "ADDR", "a breakpoint at a physical address, whatever is mapped to it", monitor_pbreak},
    {"pdelete", "[ADDR]", "it, or all of them, no more", monitor_pdelete},
    {"catch", "[exception CLASS|interrupt|sysreg NAME|reset|cpu-on]",
     "stop where exceptions of a class (a name, the beginning of one, a number, all) begin; IRQ and FIQ; "
     "before writes to a system register; after a reset; where PSCI switches a vCPU on. Without arguments: what is caught, "
     "and the classes",
     monitor_catch},
    {"uncatch", "[the same|all]", "no more", monitor_uncatch},
    {"reset", "", "the machine as after power-on, held at its first instruction", reset},
    {"quit", "", "end the run", quit},
};

/* text in lines behind a margin. */
static void put_wrapped(FILE *f, const char *text)
{
    enum { MARGIN = 8, WIDTH = 72 };

    while (*text) {
        size_t n = strlen(text);
        if (n > WIDTH)
            for (n = WIDTH; n && text[n] != ' '; n--)
                ;
        fprintf(f, "%*s%.*s\n", MARGIN, "", (int)n, text);
        text += n + (text[n] == ' ');
    }
}

static void help(struct gdb_session *s, FILE *f, char *args)
{
    (void)s;
    (void)args;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(f, "%s%s%s\n", commands[i].name, commands[i].args[0] ? " " : "", commands[i].args);
        put_wrapped(f, commands[i].text);
    }
}

static monitor_fn *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].fn;
    return NULL;
}

void monitor_command(struct gdb_session *s, char *line)
{
    char *text = NULL;
    size_t len = 0;
    const char *name = monitor_word(&line);
    FILE *f = open_memstream(&text, &len);

    if (!f) {
        reply_error(s, ENOMEM);
        return;
    }
    monitor_fn *fn = find(name ? name : "help");
    if (fn) {
        const vcpu_set_t rest = run_hold_rest(s);
        fn(s, f, line);
        vm_release(s->vm, rest);
    } else {
        fprintf(f, "there is no command \"%s\"; monitor help lists them\n", name);
    }
    if (!fclose(f))
        reply_text(s, text, len);
    free(text);
    reply_ok(s);
}
