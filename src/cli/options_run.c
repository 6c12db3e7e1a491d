/* How long to run, and what to see of it. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "dbg/control/control.h"
#include "dbg/gdb/gdb.h"

#include <errno.h>
#include <string.h>

int set_timeout(struct options *o, const char *text, struct err *e)
{
    return option_parse_seconds(text, &o->vm.timeout_ns, e);
}

int set_max_insns(struct options *o, const char *text, struct err *e)
{
    const char *p = text;

    if (option_scan_number(&p, &o->vm.max_insns) < 0 || *p || !o->vm.max_insns)
        return err_set(e, EINVAL, "\"%s\" is not a number of instructions; write it like 1000000", text);
    o->vm.jit.exact = true;
    return 0;
}

int set_no_reboot(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.no_reboot = true;
    return 0;
}

int set_powerkey(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.powerkey = true;
    return 0;
}

int set_keep_going(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.keep_going = true;
    return 0;
}

int set_gdb(struct options *o, const char *text, struct err *e)
{
    o->vm.gdb = text;
    return gdb_check_address(text, e);
}

int set_control(struct options *o, const char *text, struct err *e)
{
    o->vm.control = text;
    return control_check_address(text, e);
}

int set_wait(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.gdb_wait = true;
    return 0;
}

int set_stats(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {
        {"box", VM_STATS_BOX}, {"json", VM_STATS_JSON}, {"none", VM_STATS_NONE}, {NULL, 0}};
    o->vm.stats_path = NULL;
    if (!text) {
        o->vm.stats = VM_STATS_BOX;
        return 0;
    }
    if (strncmp(text, "json:", 5) == 0) {
        o->vm.stats = VM_STATS_JSON;
        return option_parse_file(text + 5, &o->vm.stats_path, e);
    }
    int v = 0, r = option_parse_choice(choices, text, &v, NULL);
    if (r < 0)
        return err_set(e, EINVAL, "\"%s\" is not one of box, json, json:FILE, none", text);
    o->vm.stats = (enum vm_stats_format)v;
    return 0;
}

int set_log(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"error", LOG_ERROR}, {"warn", LOG_WARN},
                                                   {"info", LOG_INFO},   {"debug", LOG_DEBUG},
                                                   {"trace", LOG_TRACE}, {NULL, 0}};
    if (text[0] >= '0' && text[0] <= '4' && !text[1]) {
        o->vm.log_level = text[0] - '0';
        return 0;
    }
    int r = option_parse_choice(choices, text, &o->vm.log_level, NULL);
    if (r < 0)
        return err_set(e, EINVAL,
                       "\"%s\" is not a level: 0 or error, 1 or warn, 2 or info, 3 or debug, 4 or trace",
                       text);
    return 0;
}

int set_dump(struct options *o, const char *text, struct err *e)
{
    /* The first : and the first = behind it: the file name, last, may have both. */
    const char *colon = strchr(text, ':'), *equals = colon ? strchr(colon, '=') : NULL;
    if (!equals || !equals[1])
        return err_set(e, EINVAL, "\"%s\" is not ADDR:LEN=FILE; write it like 0x20000:4K=dump.bin", text);
    if (o->vm.nr_dumps == VM_MAX_DUMPS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_DUMPS);
    struct vm_dump *d = &o->vm.dump[o->vm.nr_dumps];
    /* Numbers are short: what does not fit is none. */
    char number[2][32];
    const char *start[2] = {text, colon + 1};
    size_t len[2] = {(size_t)(colon - text), (size_t)(equals - colon - 1)};
    for (int i = 0; i < 2; i++) {
        len[i] = MIN(len[i], sizeof(number[i]) - 1);
        memcpy(number[i], start[i], len[i]);
        number[i][len[i]] = 0;
    }
    int r = options_parse_addr(number[0], &d->base, e);
    if (r == 0)
        r = options_parse_size(number[1], &d->len, e);
    if (r < 0)
        return r;
    if (d->base + (d->len - 1) < d->base)
        return err_set(e, EINVAL, "\"%s\" reaches beyond the end of the address space", text);
    d->path = equals + 1;
    o->vm.nr_dumps++;
    return 0;
}
