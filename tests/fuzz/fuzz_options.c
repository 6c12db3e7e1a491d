/* Any words, separated by zero bytes, as a command line. */
#include "base/err.h"
#include "cli/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1), *argv[MAX_ARGS + 1];
    int argc = 0;
    memcpy(text, data, len);
    text[len] = 0;
    argv[argc++] = text;
    for (size_t at = 0; at < len && argc < MAX_ARGS; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    argv[argc] = NULL;

    struct options o;
    struct err e = {0};
    int r = options_parse(&o, argc, argv, &e);
    if (r < 0 && !e.text[0])
        abort();
    if (r == 0 && o.action == OPTIONS_RUN) {
        const struct vm_options *v = &o.vm;
        if ((v->binary && v->kernel) || (!v->binary && !v->kernel && !v->dump_dtb) ||
            v->mem_len % VM_MEM_GRANULE || v->nr_cpus < 1 || v->nr_cpus > VM_MAX_CPUS ||
            (v->entry & 3) || v->nr_loads > VM_MAX_LOADS || v->nr_dumps > VM_MAX_DUMPS)
            abort();
    }
    options_free(&o);
    free(text);
    return 0;
}
