/* Fuzz target: whoever connects to the gdb server. A machine with two CPUs stays for many sessions.
 * Input: a byte that says whether the rest is what comes from the connection, or packets, one a line. */
#include "dbg/gdb/session.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "vm/vm_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* CPU_ON of the second CPU, then both: a store, a call, a write of a system register. */
static const uint32_t program[] = {
    0xd2800021, /* mov x1, #1 */
    0xd2a00022, /* mov x2, #0x10000 */
    0x91009042, /* add x2, x2, #36: loop */
    0xd2800060, /* mov x0, #3 */
    0xf2b88000, /* movk x0, #0xc400, lsl #16 */
    0xd4000002, /* hvc #0 */
    0xd503201f, /* nop */
    0xd503201f, /* nop */
    0xd503201f, /* nop */
    0xd2a00061, /* loop: mov x1, #0x30000 */
    0xd518c001, /* msr vbar_el1, x1 */
    0x91000400, /* add x0, x0, #1 */
    0xf9000820, /* str x0, [x1, #16] */
    0xd51bd040, /* msr tpidr_el0, x0 */
    0xd4000001, /* svc #0 */
    0x17fffffa, /* b loop */
};
static const uint32_t eret = 0xd69f03e0;

static struct {
    struct vm *vm;
    struct vm_options opt;
    struct vm_debugger debugger;
    struct gdb_session session;
    pthread_mutex_t lock;
    vcpu_set_t has;
    struct debug_event event[VM_MAX_CPUS];
    bool quit;
} m = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_stopped(void *opaque, unsigned index, const struct debug_event *event)
{
    (void)opaque;
    pthread_mutex_lock(&m.lock);
    m.event[index] = *event;
    m.has |= BIT64(index);
    pthread_mutex_unlock(&m.lock);
}

static bool on_wants(void *opaque, unsigned index, enum debug_cause cause)
{
    (void)opaque, (void)index;
    return session_wants(&m.session, cause);
}

static void take_events(void)
{
    for (unsigned i = 0; i < 2; i++) {
        pthread_mutex_lock(&m.lock);
        const bool has = m.has >> i & 1;
        const struct debug_event event = m.event[i];
        m.has &= ~BIT64(i);
        pthread_mutex_unlock(&m.lock);
        if (has)
            session_event(&m.session, i, &event);
    }
}

/* What is sent is one frame, or a sign. */
static void on_send(void *opaque, const void *bytes, size_t len)
{
    const char *p = bytes;

    (void)opaque;
    if (len == 1 && (*p == '+' || *p == '-'))
        return;
    if (len < 4 || len > GDB_FRAME_MAX(GDB_PACKET_MAX) || (*p != '$' && *p != '%') ||
        p[len - 3] != '#' || memchr(p + 1, '$', len - 1) || memchr(p, '#', len - 3))
        abort();
}

static void on_quit(void *opaque)
{
    (void)opaque;
    m.quit = true;
}

static char path[] = "/tmp/vibe-fuzz-gdb-XXXXXX";

static void clean_up(void)
{
    unlink(path);
}

static void start(void)
{
    static bool written;
    struct err e = {0};

    if (!written) {
        const int fd = mkstemp(path);
        if (fd < 0 || write(fd, program, sizeof(program)) != sizeof(program))
            abort();
        close(fd);
        atexit(clean_up);
        written = true;
    }
    log_threshold = LOG_ERROR;
    m.opt = (struct vm_options){.binary = path,
                                .entry = 0x10000,
                                .mem_len = UINT64_C(1) << 20,
                                .nr_cpus = 2,
                                .accel = VM_ACCEL_SOFT,
                                .no_rng = true,
                                .jit = {.code_len = JIT_CODE_LEN_MIN}};
    m.debugger = (struct vm_debugger){.stopped = on_stopped, .wants = on_wants};
    memset(&m.session, 0, sizeof(m.session));
    m.session.send = on_send;
    m.session.quit = on_quit;
    if (vm_create(&m.vm, &m.opt, &e) || session_init(&m.session, m.vm))
        abort();
    vm_set_debugger(m.vm, &m.debugger, true);
    if (vm_start(m.vm, &e))
        abort();
    vm_hold(m.vm, 3);
    vm_write_memory(m.vm, 0, VM_SPACE_PHYSICAL, 0x30200, &eret, sizeof(eret));
    vm_release(m.vm, 3);
    vm_release(m.vm, 3);
}

static void stop(void)
{
    struct vm_outcome o;

    vm_request_stop(m.vm, VM_STOP_QUIT);
    vm_join(m.vm, &o);
    session_destroy(&m.session);
    vm_destroy(m.vm);
    m.vm = NULL;
    m.has = 0;
}

/* One that is well-formed around what is not. */
static void send_packet(const uint8_t *data, size_t len)
{
    static char frame[GDB_FRAME_MAX(4096)];
    char body[4096];
    size_t n = 0;

    for (size_t i = 0; i < len && n < sizeof(body); i++)
        body[n++] = (char)data[i];
    n = gdb_frame(frame, '$', body, n);
    session_input(&m.session, (const uint8_t *)frame, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    if (!m.vm)
        start();
    const bool raw = data[0] & 1;
    data++, len--;
    m.quit = false;
    session_begin(&m.session);
    while (len && !m.quit) {
        const uint8_t *end = raw ? NULL : memchr(data, '\n', len);
        const size_t n = end ? (size_t)(end - data) : raw ? MIN(len, 64u) : len;
        if (raw)
            session_input(&m.session, data, n);
        else
            send_packet(data, n);
        take_events();
        data += n + (end != NULL);
        len -= n + (end != NULL);
    }
    session_end(&m.session);
    take_events();
    if (atomic_load(&m.vm->stop))
        stop();
    return 0;
}
