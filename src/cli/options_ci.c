/* What the run has to show, and to whom. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

static int add_pattern(const char **list, unsigned *nr, const char *text, struct err *e)
{
    if (*nr == CONTRACT_MAX_PATTERNS)
        return err_set(e, E2BIG, "given more than %d times", CONTRACT_MAX_PATTERNS);
    list[(*nr)++] = text;
    return 0;
}

int set_expect(struct options *o, const char *text, struct err *e)
{
    return add_pattern(o->contract.expect, &o->contract.nr_expects, text, e);
}

int set_fail(struct options *o, const char *text, struct err *e)
{
    return add_pattern(o->contract.fail, &o->contract.nr_fails, text, e);
}

int set_script(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->contract.script, e);
}

int set_junit(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->contract.junit, e);
}

int set_result(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->contract.result, e);
}

int set_semihosting(struct options *o, const char *text, struct err *e)
{
    struct vm_semihosting *h = &o->vm.semihosting;
    const char *part;

    h->on = true;
    if (!text)
        return 0;
    char *rest = option_keep(o, text, strlen(text), e);
    if (!rest)
        return -ENOMEM;
    const char *dir = option_next_part(&rest);
    h->dir = *dir ? dir : NULL;
    while ((part = option_next_part(&rest))) {
        if (!strcmp(part, "ro"))
            h->read_only = true;
        else if (!strcmp(part, "el0"))
            h->el0 = true;
        else
            return err_set(e, EINVAL,
                           "\"%.80s\" is neither ro nor el0 (a comma in the folder's name is written twice)",
                           part);
    }
    return 0;
}

int set_semihosting_arg(struct options *o, const char *text, struct err *e)
{
    struct vm_semihosting *h = &o->vm.semihosting;

    if (h->nr_args == VM_MAX_SEMIHOSTING_ARGS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_SEMIHOSTING_ARGS);
    h->arg[h->nr_args++] = text;
    return 0;
}
