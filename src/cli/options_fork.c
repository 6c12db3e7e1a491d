/* Many variants of a machine. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>

static int parse_count(const char *text, unsigned most, unsigned *n, struct err *e)
{
    const char *p = text;
    uint64_t val;

    if (option_scan_number(&p, &val) < 0 || *p || val < 1 || val > most)
        return err_set(e, EINVAL, "\"%.80s\" is not a number from 1 to %u", text, most);
    *n = (unsigned)val;
    return 0;
}

int set_count(struct options *o, const char *text, struct err *e)
{
    return parse_count(text, 1000000, &o->fork.count, e);
}

int set_jobs(struct options *o, const char *text, struct err *e)
{
    return parse_count(text, 4096, &o->fork.jobs, e);
}

int set_variants(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->fork.variants, e);
}

int set_at(struct options *o, const char *text, struct err *e)
{
    (void)e;
    o->fork.at = text;
    return 0;
}

int set_out(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->fork.out, e);
}

int set_overlays(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->fork.overlays, e);
}
