/* The kinds of events, by their table. */
#include "arch/trace.h"

#include <string.h>

const struct trace_kind_desc trace_kinds[NR_TRACE_KINDS] = {
#define TRACE_KIND(id, name, where, help) [TRACE_KIND_##id] = {name, where, help},
#include "spec/trace_events.def"
};

bool trace_names(const char *const *list, unsigned nr, const char *name)
{
    const size_t class_len = strcspn(name, "@");

    for (unsigned i = 0; i < nr; i++)
        if (!strcmp(list[i], name) ||
            (strlen(list[i]) == class_len && !strncmp(list[i], name, class_len)))
            return true;
    return nr == 0;
}
