/* What to run. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* COMMAND_LINE_SIZE of Linux for arm64, without the zero at its end. */
#define CMDLINE_MAX 2047

int set_binary(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.binary, e);
}

int set_entry(struct options *o, const char *text, struct err *e)
{
    int r = options_parse_addr(text, &o->vm.entry, e);
    if (r == 0 && (o->vm.entry & 3))
        r = err_set(e, EINVAL, "0x%" PRIx64 " is not a multiple of 4, as instructions are", o->vm.entry);
    return r;
}

int set_kernel(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.kernel, e);
}

int set_load(struct options *o, const char *text, struct err *e)
{
    /* The last @, for a file name may have one. */
    const char *at = strrchr(text, '@');
    if (!at || at == text)
        return err_set(e, EINVAL, "\"%s\" is not FILE@ADDR; write it like data.bin@0x4000000", text);
    if (o->vm.nr_loads == VM_MAX_LOADS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_LOADS);
    struct vm_load *l = &o->vm.load[o->vm.nr_loads];
    int r = options_parse_addr(at + 1, &l->at, e);
    if (r < 0)
        return r;
    l->path = option_keep(o, text, (size_t)(at - text), e);
    if (!l->path)
        return -ENOMEM;
    o->vm.nr_loads++;
    return 0;
}

int set_initrd(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.initrd, e);
}

int set_cmdline(struct options *o, const char *text, struct err *e)
{
    const size_t len = strlen(text);
    if (len > CMDLINE_MAX)
        return err_set(e, E2BIG, "%zu bytes; a kernel takes up to %d", len, CMDLINE_MAX);
    o->vm.cmdline = text;
    return 0;
}

int set_dtb(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.dtb, e);
}

int set_dump_dtb(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.dump_dtb, e);
}

int set_firmware(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.firmware, e);
}

int set_flash1(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.flash1, e);
}
