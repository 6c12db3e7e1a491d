/* What to run. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

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
