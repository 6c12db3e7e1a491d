/* Fuzz target: requests to the control socket, a line each, of a VM that runs. Whatever comes, each gets one answer, and the VM goes on. */
#include "dbg/control/session.h"

#include "base/err.h"
#include "base/log.h"
#include "vm/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char binary[] = "/tmp/vibevmm-fuzz-XXXXXX";
static struct vm *vm;
static struct vm_options options;

static void start(void)
{
    static const uint32_t code[] = {0x91000400, 0x17ffffff}; /* add x0, x0, #1; b . - 4 */
    struct err e = {0};
    const int fd = mkstemp(binary);

    if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
        abort();
    close(fd);
    log_threshold = LOG_ERROR;
    options = (struct vm_options){.binary = binary,
                                  .entry = VM_DEFAULT_ENTRY,
                                  .mem_len = UINT64_C(1) << 20,
                                  .nr_cpus = 2,
                                  .accel = VM_ACCEL_SOFT,
                                  .no_rng = true,
                                  .jit = {.code_len = JIT_CODE_LEN_MIN}};
    if (vm_create(&vm, &options, &e) || vm_start(vm, &e)) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    unlink(binary);
}

static void event(struct control_state *s, const char *name, json_t *data)
{
    (void)s, (void)name;
    json_decref(data);
}

static char *console_tail(struct control_state *s, unsigned nr_lines)
{
    (void)s, (void)nr_lines;
    return strdup("a line\n\xff\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!vm)
        start();
    struct control_state s = {.vm = vm, .event = event, .console_tail = console_tail};
    struct control_connection c = {.ready = len && data[0] != '{'};
    const char *text = (const char *)data, *end = text + len;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const size_t n = (size_t)((newline ? newline : end) - text);
        /* These end the VM, or read the image anew, which is gone. */
        if (!memmem(text, n, "quit", 4) && !memmem(text, n, "reset", 5) && !memmem(text, n, "\\u", 2)) {
            json_t *answer = control_answer(&s, &c, text, n);
            char *line = answer ? json_dumps(answer, 0) : NULL;
            if (!line || (!json_object_get(answer, "return") && !json_object_get(answer, "error")))
                abort();
            free(line);
            json_decref(answer);
        }
        text += n + 1;
    }
    if (s.paused) {
        static const char go[] = "{\"execute\": \"cont\"}";
        c.ready = true;
        json_decref(control_answer(&s, &c, go, sizeof(go) - 1));
    }
    return 0;
}
