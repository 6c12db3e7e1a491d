/* What the run has to show, and to whom. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>

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
