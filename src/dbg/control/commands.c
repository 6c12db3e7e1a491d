/* The commands of the control socket: one table, and what each does. */
#if HAVE_JANSSON

#include "dbg/control/session.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/escape.h"
#include "hv/hv.h"
#include "vm/debug.h"
#include "vm/media.h"
#include "vm/snapshot.h"
#include "vm/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_MAX 65536
#define TAIL_LINES 25
#define TAIL_LINES_MAX 10000

/* Returns what goes under "return", or null with e set. args is an object, empty if none were given. */
typedef json_t *command_fn(struct control_state *s, json_t *args, struct err *e);

static json_t *nothing(void)
{
    return json_object();
}

static json_t *refuse(struct err *e, const char *why)
{
    err_set(e, EINVAL, "%s", why);
    return NULL;
}

/* What others print as JSON, as a value: printed_begin(), printing to f unless it is null, printed_end(). */
struct printed {
    FILE *f;
    char *text;
    size_t len;
};

static FILE *printed_begin(struct printed *p)
{
    return p->f = open_memstream(&p->text, &p->len);
}

/* Null: out of memory. */
static json_t *printed_end(struct printed *p)
{
    json_t *out = p->f && !fclose(p->f) ? json_loadb(p->text, p->len, JSON_DECODE_ANY, NULL) : NULL;

    if (p->f)
        free(p->text);
    return out;
}

/* Any bytes, as in the reports: what is no UTF-8 is there as U+FFFD. Null: out of memory. */
static json_t *text_of(const char *text)
{
    struct printed p;

    if (printed_begin(&p))
        json_put_string(p.f, text);
    return printed_end(&p);
}

/* --- Arguments ------------------------------------------------------------------------------------------------------ */

/* A number, or one in a string: 64 bits do not fit into every program's numbers. */
static bool number_of(const json_t *v, uint64_t *out)
{
    if (json_is_integer(v)) {
        *out = (uint64_t)json_integer_value(v);
        return json_integer_value(v) >= 0;
    }
    const char *text = json_string_value(v);
    char *end;
    if (!text || text[strspn(text, "0123456789abcdefABCDEFxX")])
        return false;
    errno = 0;
    *out = strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    return *text && !*end && !errno;
}

static bool take_number(const json_t *args, const char *name, uint64_t most, uint64_t *out, struct err *e)
{
    const json_t *v = json_object_get(args, name);

    if (!v)
        return true;
    if (number_of(v, out) && *out <= most)
        return true;
    err_set(e, EINVAL, "Parameter '%s' must be a number up to %" PRIu64, name, most);
    return false;
}

static bool take_cpu(const struct control_state *s, const json_t *args, uint64_t *cpu, struct err *e)
{
    unsigned nr = 0;

    while (nr < VM_MAX_CPUS && vm_all_vcpus(s->vm) >> nr & 1)
        nr++;
    *cpu = 0;
    return take_number(args, "cpu", nr - 1, cpu, e);
}

/* --- How it is, and what it shall do --------------------------------------------------------------------------------- */

static json_t *query_status(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    return json_pack("{s:b, s:b, s:s}", "running", !s->paused, "singlestep", 0, "status",
                     s->paused ? "paused" : "running");
}

static json_t *stop(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    if (!s->paused) {
        vm_hold(s->vm, vm_all_vcpus(s->vm));
        s->paused = true;
        s->event(s, "STOP", NULL);
    }
    return nothing();
}

static json_t *cont(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    if (s->paused) {
        s->paused = false;
        s->event(s, "RESUME", NULL);
        vm_release(s->vm, vm_all_vcpus(s->vm));
    }
    return nothing();
}

static json_t *system_powerdown(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    vm_press_power_key(s->vm);
    s->event(s, "POWERDOWN", NULL);
    return nothing();
}

static json_t *system_reset(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    vm_reset(s->vm);
    return nothing();
}

static json_t *quit(struct control_state *s, json_t *args, struct err *e)
{
    (void)args, (void)e;
    vm_request_stop(s->vm, VM_STOP_QUIT);
    return nothing();
}

static json_t *query_cpus(struct control_state *s, json_t *args, struct err *e)
{
    const vcpu_set_t all = vm_all_vcpus(s->vm), on = vm_vcpus_on(s->vm),
                     asleep = vm_vcpus_asleep(s->vm);
    json_t *list = json_array();

    (void)args, (void)e;
    for (unsigned i = 0; i < VM_MAX_CPUS && all >> i & 1; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:s}", "cpu-index", (int)i, "target",
                                              "aarch64", "vibe-state",
                                              !(on >> i & 1)    ? "off"
                                              : asleep >> i & 1 ? "asleep"
                                                                : "on"));
    return list;
}

/* --- Looking into it -------------------------------------------------------------------------------------------------- */

static json_t *statistics(struct control_state *s, json_t *args, struct err *e)
{
    struct vm_stats *stats = calloc(1, sizeof(*stats));
    struct printed p;

    (void)args;
    if (printed_begin(&p) && stats) {
        vm_hold(s->vm, vm_all_vcpus(s->vm));
        vm_get_stats(s->vm, stats);
        vm_release(s->vm, vm_all_vcpus(s->vm));
        stats_print_json(p.f, stats);
    }
    json_t *out = printed_end(&p);
    free(stats);
    return out ? out : refuse(e, "out of memory");
}

static json_t *console_tail(struct control_state *s, json_t *args, struct err *e)
{
    uint64_t lines = TAIL_LINES;

    if (!take_number(args, "lines", TAIL_LINES_MAX, &lines, e))
        return NULL;
    char *text = s->console_tail(s, (unsigned)lines);
    json_t *out = text ? text_of(text) : NULL;
    free(text);
    return out ? json_pack("{s:o}", "text", out) : refuse(e, "out of memory");
}

static json_t *memory_read(struct control_state *s, json_t *args, struct err *e)
{
    uint64_t cpu, address = 0, length = 256;
    const char *space = json_string_value(json_object_get(args, "space"));

    if (!json_object_get(args, "address"))
        return refuse(e, "Parameter 'address' is missing");
    if (!take_cpu(s, args, &cpu, e) || !take_number(args, "address", UINT64_MAX, &address, e) ||
        !take_number(args, "length", READ_MAX, &length, e))
        return NULL;
    if (space && strcmp(space, "virtual") != 0 && strcmp(space, "physical") != 0)
        return refuse(e, "Parameter 'space' must be virtual or physical");
    uint8_t *buf = malloc(length + 1);
    char *hex = malloc(2 * length + 1);
    json_t *out = NULL;
    if (buf && hex) {
        const vcpu_set_t one = BIT64(cpu);
        vm_hold(s->vm, one);
        const size_t n =
            vm_read_memory(s->vm, (unsigned)cpu,
                           space && !strcmp(space, "physical") ? VM_SPACE_PHYSICAL : VM_SPACE_VIRTUAL,
                           address, buf, length);
        vm_release(s->vm, one);
        if (!n && length) {
            free(buf);
            free(hex);
            err_set(e, EFAULT, "there is no memory at 0x%" PRIx64, address);
            return NULL;
        }
        for (size_t i = 0; i < n; i++)
            snprintf(hex + 2 * i, 3, "%02x", buf[i]);
        hex[2 * n] = 0;
        out = json_pack("{s:I, s:s}", "length", (json_int_t)n, "data", hex);
    }
    free(buf);
    free(hex);
    return out ? out : refuse(e, "out of memory");
}

static void add_register(json_t *to, const char *name, uint64_t val)
{
    char text[24];
    snprintf(text, sizeof(text), "0x%" PRIx64, val);
    json_object_set_new(to, name, json_string(text));
}

static json_t *registers(struct control_state *s, json_t *args, struct err *e)
{
    uint64_t cpu;
    const unsigned nr_general = HV_REG_PSTATE + 1, nr = nr_general + sysreg_table_len;
    struct vm_reg *reg = NULL;
    char name[16];

    if (!take_cpu(s, args, &cpu, e))
        return NULL;
    reg = calloc(nr, sizeof(*reg));
    if (!reg)
        return refuse(e, "out of memory");
    for (unsigned i = 0; i < nr; i++)
        reg[i].reg = i < nr_general ? i : HV_REG_SYS | sysreg_table[i - nr_general].encoding;
    vm_hold(s->vm, BIT64(cpu));
    vm_get_regs(s->vm, (unsigned)cpu, reg, nr);
    vm_release(s->vm, BIT64(cpu));
    json_t *out = json_object(), *system = json_object();
    for (unsigned i = 0; i < nr; i++) {
        if (reg[i].result)
            continue;
        snprintf(name, sizeof(name), "x%u", i);
        if (i >= nr_general)
            add_register(system, sysreg_table[i - nr_general].name, reg[i].val);
        else
            add_register(out,
                         i == HV_REG_SP       ? "sp"
                         : i == HV_REG_PC     ? "pc"
                         : i == HV_REG_PSTATE ? "pstate"
                                              : name,
                         reg[i].val);
    }
    json_object_set_new(out, "system", system);
    free(reg);
    return out;
}

/* The guest stands still meanwhile. */
static json_t *snapshot_save(struct control_state *s, json_t *args, struct err *e)
{
    const char *path = json_string_value(json_object_get(args, "filename"));

    if (!path)
        return refuse(e, "Parameter 'filename' is missing");
    if (vm_can_save(s->vm, path, e) || vm_save(s->vm, path, NULL, NULL, e))
        return NULL;
    return nothing();
}

/* --- Disks ------------------------------------------------------------------------------------------------------------ */

static json_t *query_block(struct control_state *s, json_t *args, struct err *e)
{
    json_t *list = json_array();
    struct blk_info info;
    char name[16];

    (void)args, (void)e;
    for (unsigned i = 0; vm_disk_info(s->vm, i, &info); i++) {
        snprintf(name, sizeof(name), "disk%u", i);
        json_t *disk = json_pack("{s:s, s:b, s:b}", "device", name, "removable", 1, "locked", 0);
        if (info.path)
            json_object_set_new(disk, "inserted",
                                json_pack("{s:o, s:b, s:s}", "file", text_of(info.path), "ro",
                                          info.read_only, "drv", "raw"));
        json_array_append_new(list, disk);
    }
    return list;
}

/* QEMU has the name of a disk in either. */
static bool take_disk(const struct control_state *s, const json_t *args, unsigned *index, struct err *e)
{
    const char *name = json_string_value(json_object_get(args, "id"));
    struct blk_info info;

    if (!name)
        name = json_string_value(json_object_get(args, "device"));
    if (!name) {
        err_set(e, EINVAL, "Parameter 'id' is missing");
        return false;
    }
    char *end;
    const unsigned long n = strncmp(name, "disk", 4) ? ULONG_MAX : strtoul(name + 4, &end, 10);
    if (n >= VM_MAX_DISKS || !name[4] || *end || !vm_disk_info(s->vm, (unsigned)n, &info)) {
        err_set(e, EINVAL, "Device '%.60s' not found; query-block tells the disks", name);
        return false;
    }
    *index = (unsigned)n;
    return true;
}

static json_t *eject(struct control_state *s, json_t *args, struct err *e)
{
    unsigned disk;

    if (!take_disk(s, args, &disk, e) || vm_disk_change(s->vm, disk, NULL, false, e))
        return NULL;
    return nothing();
}

static json_t *change_medium(struct control_state *s, json_t *args, struct err *e)
{
    const char *path = json_string_value(json_object_get(args, "filename")),
               *mode = json_string_value(json_object_get(args, "read-only-mode"));
    unsigned disk;

    if (!path)
        return refuse(e, "Parameter 'filename' is missing");
    if (mode && strcmp(mode, "read-only") != 0 && strcmp(mode, "read-write") != 0)
        return refuse(e, "Parameter 'read-only-mode' must be read-only or read-write");
    if (!take_disk(s, args, &disk, e) ||
        vm_disk_change(s->vm, disk, path, mode && !strcmp(mode, "read-only"), e))
        return NULL;
    return nothing();
}

/* --- The table -------------------------------------------------------------------------------------------------------- */

static command_fn query_commands;

static json_t *query_version(struct control_state *s, json_t *args, struct err *e)
{
    (void)s, (void)args, (void)e;
    return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", 7, "minor", 2, "micro", 0,
                     "package", "vibevmm");
}

/* Agreed already when it gets here. */
static json_t *qmp_capabilities(struct control_state *s, json_t *args, struct err *e)
{
    (void)s, (void)args, (void)e;
    return nothing();
}

static const struct command {
    const char *name;
    command_fn *fn;
    const char *parameters; /* names, with a space behind each */
} commands[] = {
    {"qmp_capabilities", qmp_capabilities, "enable "},
    {"query-commands", query_commands, ""},
    {"query-version", query_version, ""},
    {"query-status", query_status, ""},
    {"query-cpus-fast", query_cpus, ""},
    {"stop", stop, ""},
    {"cont", cont, ""},
    {"system_powerdown", system_powerdown, ""},
    {"system_reset", system_reset, ""},
    {"quit", quit, ""},
    {"query-block", query_block, ""},
    {"eject", eject, "id device force "},
    {"blockdev-change-medium", change_medium, "id device filename read-only-mode force "},
    {"vibe-statistics", statistics, ""},
    {"vibe-console-tail", console_tail, "lines "},
    {"vibe-memory-read", memory_read, "address length space cpu "},
    {"vibe-registers", registers, "cpu "},
    {"vibe-snapshot-save", snapshot_save, "filename "},
};

static json_t *query_commands(struct control_state *s, json_t *args, struct err *e)
{
    json_t *list = json_array();

    (void)s, (void)args, (void)e;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        json_array_append_new(list, json_pack("{s:s}", "name", commands[i].name));
    return list;
}

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static bool known_parameters(const struct command *c, json_t *args, struct err *e)
{
    const char *name;
    json_t *v;

    json_object_foreach(args, name, v)
    {
        const size_t len = strlen(name);
        bool known = false;
        for (const char *p = c->parameters; *p && !known; p = strchr(p, ' ') + 1)
            known = len && !strncmp(p, name, len) && p[len] == ' ';
        if (!known) {
            err_set(e, EINVAL, "Parameter '%.60s' is unexpected", name);
            return false;
        }
    }
    return true;
}

static json_t *failure(const char *class, const char *text)
{
    /* A name may have been cut short in the middle of a character. */
    return json_pack("{s:{s:s, s:o}}", "error", "class", class, "desc", text_of(text));
}

static json_t *execute(struct control_state *s, struct control_connection *c, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    json_t *given = json_object_get(request, "arguments"), *args, *out;
    struct err e = {0};
    char text[128];

    if (!name)
        return failure("GenericError", "QMP input lacks member 'execute'");
    if (given && !json_is_object(given))
        return failure("GenericError", "QMP input member 'arguments' must be an object");
    const struct command *command = find_command(name);
    const bool begins = command && command->fn == qmp_capabilities;
    if (!command) {
        snprintf(text, sizeof(text), "The command %.60s has not been found", name);
        return failure("CommandNotFound", text);
    }
    if (!c->ready && !begins)
        return failure("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
    if (c->ready && begins)
        return failure("CommandNotFound", "Capabilities negotiation is already complete, command ignored");
    args = given ? json_incref(given) : json_object();
    out = known_parameters(command, args, &e) ? command->fn(s, args, &e) : NULL;
    json_decref(args);
    if (!out)
        return failure("GenericError", e.text);
    c->ready |= begins;
    return json_pack("{s:o}", "return", out);
}

json_t *control_greeting(void)
{
    return json_pack("{s:{s:o, s:[]}}", "QMP", "version", query_version(NULL, NULL, NULL), "capabilities");
}

json_t *control_answer(struct control_state *s, struct control_connection *c, const char *line, size_t len)
{
    json_error_t wrong;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &wrong), *answer;

    if (!json_is_object(request)) {
        char text[sizeof(wrong.text) + 64];
        snprintf(text, sizeof(text), "JSON parse error, %s",
                 request ? "expecting an object" : wrong.text);
        json_decref(request);
        return failure("GenericError", text);
    }
    answer = execute(s, c, request);
    json_t *id = json_object_get(request, "id");
    if (answer && id)
        json_object_set(answer, "id", id);
    json_decref(request);
    return answer;
}

#endif
