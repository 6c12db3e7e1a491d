/* A session: its beginning and its end, and what each packet asks for. */
#include "dbg/gdb/session.h"

#include "base/bits.h"
#include "base/err.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int session_init(struct gdb_session *s, struct vm *vm)
{
    s->vm = vm;
    s->continued = -1;
    return target_create(&s->target);
}

void session_destroy(struct gdb_session *s)
{
    target_destroy(s->target);
    free(s->threads_text);
    s->target = NULL;
    s->threads_text = NULL;
}

static unsigned first_on(const struct gdb_session *s)
{
    const vcpu_set_t on = vm_vcpus_on(s->vm);
    return on ? (unsigned)__builtin_ctzll(on) : 0;
}

void session_begin(struct gdb_session *s)
{
    memset(&s->parser, 0, sizeof(s->parser));
    s->no_acks = s->non_stop = s->detached = s->running = s->notified = s->asked = false;
    s->continued = -1;
    s->space = GDB_SPACE_VIRTUAL;
    s->has_ttbr0 = false;
    s->refusal[0] = 0;
    s->frame_len = s->out_len = 0;
    atomic_store(&s->at_reset, false);
    atomic_store(&s->at_cpu_on, false);
    atomic_store(&s->attached, true);
    run_hold_all(s);
    s->general = s->resumed = first_on(s);
    s->thread[s->resumed].stop = (struct gdb_stop){.signal = GDB_SIGNAL_TRAP};
}

void session_end(struct gdb_session *s)
{
    if (!atomic_load(&s->attached))
        return;
    atomic_store(&s->attached, false);
    run_hold_all(s);
    points_clear(s);
    run_release_all(s);
    free(s->threads_text);
    s->threads_text = NULL;
}

bool session_wants(const struct gdb_session *s, enum debug_cause cause)
{
    return atomic_load(&s->attached) &&
           (cause == DEBUG_CAUSE_STUCK || (cause == DEBUG_CAUSE_RESET && atomic_load(&s->at_reset)) ||
            (cause == DEBUG_CAUSE_CPU_ON && atomic_load(&s->at_cpu_on)));
}

void session_event(struct gdb_session *s, unsigned index, const struct debug_event *event)
{
    if (atomic_load(&s->attached))
        run_event(s, index, event);
    else
        vm_release(s->vm, BIT64(index));
}

void session_exited(struct gdb_session *s, int status, int signal)
{
    /* All-stop mode: only who waits for a stop reply can be told. */
    if (!atomic_load(&s->attached) || s->detached || (!s->running && !s->non_stop))
        return;
    s->out_len = 0;
    if (s->non_stop)
        reply_printf(s, "Stop:");
    if (signal)
        reply_printf(s, "X%02x", (unsigned)signal & 0xff);
    else
        reply_printf(s, "W%02x", (unsigned)status & 0xff);
    if (s->non_stop)
        reply_notify(s);
    else
        reply_send(s);
}

/* --- Questions about the target ------------------------------------------------------------------------------------- */

static void supported(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_printf(s,
                 "PacketSize=%x;QStartNoAckMode+;QNonStop+;vContSupported+;swbreak+;hwbreak+;"
                 "qXfer:features:read+;qXfer:threads:read+;binary-upload+",
                 GDB_PACKET_MAX);
    reply_send(s);
}

/* The part behind an annex: off,len. */
static bool eat_window(const char **p, uint64_t *off, uint64_t *len)
{
    return gdb_hex_number(p, off) && eat(p, ",") && gdb_hex_number(p, len) && !**p;
}

static void xfer_features(struct gdb_session *s, const char *p)
{
    const size_t name_len = strcspn(p, ":");
    const char *name = p;
    uint64_t off, want;
    size_t len;

    p += name_len;
    const char *file = target_file(s->target, name, name_len, &len);
    if (!file || !eat(&p, ":") || !eat_window(&p, &off, &want))
        reply_put(s, "E00", 3); /* "a malformed request, or annex" */
    else {
        reply_xfer(s, file, len, off, want);
        return;
    }
    reply_send(s);
}

static const char *state_of(vcpu_set_t on, vcpu_set_t asleep, unsigned index)
{
    return !(on >> index & 1) ? "off" : asleep >> index & 1 ? "on, asleep" : "on";
}

static void xfer_threads(struct gdb_session *s, const char *p)
{
    uint64_t off, want;

    if (!eat(&p, ":") || !eat_window(&p, &off, &want)) {
        reply_error(s, EINVAL);
        return;
    }
    if (!off || !s->threads_text) {
        const vcpu_set_t on = vm_vcpus_on(s->vm), asleep = vm_vcpus_asleep(s->vm);
        free(s->threads_text);
        s->threads_text = NULL;
        FILE *f = open_memstream(&s->threads_text, &s->threads_len);
        if (!f) {
            reply_error(s, ENOMEM);
            return;
        }
        fprintf(f, "<?xml version=\"1.0\"?>\n<threads>\n");
        for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
            fprintf(f, "<thread id=\"%x\" core=\"%u\" name=\"vCPU %u\">%s</thread>\n", i + 1, i, i,
                    state_of(on, asleep, i));
        fprintf(f, "</threads>\n");
        if (fclose(f)) {
            reply_error(s, ENOMEM);
            return;
        }
    }
    reply_xfer(s, s->threads_text, s->threads_len, off, want);
}

/* As many as a packet takes in small pieces: gdb asks for the next ones. */
static void thread_list(struct gdb_session *s)
{
    const unsigned nr = s->vm->nr_vcpus, first = s->next_thread;

    if (first >= nr) {
        reply_put(s, "l", 1);
    } else {
        for (; s->next_thread < nr && s->next_thread < first + 32; s->next_thread++)
            reply_printf(s, "%c%x", s->next_thread == first ? 'm' : ',', s->next_thread + 1);
    }
    reply_send(s);
}

static void first_threads(struct gdb_session *s, const char *p)
{
    (void)p;
    s->next_thread = 0;
    thread_list(s);
}

static void next_threads(struct gdb_session *s, const char *p)
{
    (void)p;
    thread_list(s);
}

static void thread_extra(struct gdb_session *s, const char *p)
{
    char text[48];
    int index;

    if (!eat_thread(s, &p, &index) || index < 0) {
        reply_error(s, EINVAL);
        return;
    }
    const int n = snprintf(text, sizeof(text), "vCPU %d [%s]", index,
                           state_of(vm_vcpus_on(s->vm), vm_vcpus_asleep(s->vm), (unsigned)index));
    reply_hex(s, text, (size_t)n);
    reply_send(s);
}

/* lldb's questions ("LLDB GDB Remote Protocol Extensions"): what it can't know from the description alone. */
static void host_info(struct gdb_session *s, const char *p)
{
    static const char triple[] = "aarch64-unknown-unknown";

    (void)p;
    reply_printf(s, "triple:");
    reply_hex(s, triple, sizeof(triple) - 1);
    reply_printf(s, ";endian:little;ptrsize:8;watchpoint_exceptions_received:before;");
    reply_send(s);
}

/* lldb knows by this that there are some, and then that they are told of before the access. */
static void watchpoint_info(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_printf(s, "num:%u;", GDB_MAX_POINTS);
    reply_send(s);
}

static void process_info(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_printf(s, "pid:1;");
    host_info(s, NULL);
}

static void thread_stop_info(struct gdb_session *s, const char *p)
{
    int index;

    if (!eat_thread(s, &p, &index) || index < 0 || !s->thread[index].held) {
        reply_error(s, EINVAL);
        return;
    }
    stop_reply(s, (unsigned)index);
    reply_send(s);
}

static void current_thread(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_printf(s, "QC%x", s->general + 1);
    reply_send(s);
}

/* The machine was there before: gdb leaves it running when it quits. */
static void is_attached(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_put(s, "1", 1);
    reply_send(s);
}

static void remote_command(struct gdb_session *s, const char *p)
{
    char line[512];
    const size_t len = strlen(p) / 2;

    if (len >= sizeof(line) || !gdb_hex_get(line, len, p, strlen(p))) {
        reply_error(s, EINVAL);
        return;
    }
    line[len] = 0;
    monitor_command(s, line);
}

static void no_more_acks(struct gdb_session *s, const char *p)
{
    (void)p;
    reply_ok(s); /* this one is acknowledged */
    s->no_acks = s->parser.no_sums = true;
}

static void non_stop(struct gdb_session *s, const char *p)
{
    if ((*p != '0' && *p != '1') || p[1]) {
        reply_error(s, EINVAL);
        return;
    }
    run_set_mode(s, *p == '1');
    reply_ok(s);
}

static const struct {
    const char *name; /* what follows is the argument */
    void (*fn)(struct gdb_session *s, const char *p);
} queries[] = {
    {"qSupported", supported},
    {"qXfer:features:read:", xfer_features},
    {"qXfer:threads:read:", xfer_threads},
    {"qfThreadInfo", first_threads},
    {"qsThreadInfo", next_threads},
    {"qThreadExtraInfo,", thread_extra},
    {"qThreadStopInfo", thread_stop_info},
    {"qAttached", is_attached},
    {"qRcmd,", remote_command},
    {"qCRC:", memory_crc},
    {"qC", current_thread},
    {"qHostInfo", host_info},
    {"qProcessInfo", process_info},
    {"qWatchpointSupportInfo:", watchpoint_info},
    {"QStartNoAckMode", no_more_acks},
    {"QNonStop:", non_stop},
    {"vCont?", NULL},
    {"vCont", run_vcont},
};

/* --- Packets -------------------------------------------------------------------------------------------------------- */

static void set_thread(struct gdb_session *s, const char *p)
{
    const char which = *p;
    int index;

    if ((which != 'g' && which != 'c') || (p++, !eat_thread(s, &p, &index)) || *p) {
        reply_error(s, EINVAL);
        return;
    }
    if (which == 'c')
        s->continued = index;
    else if (index >= 0)
        s->general = (unsigned)index;
    reply_ok(s);
}

static void thread_alive(struct gdb_session *s, const char *p)
{
    int index;

    if (eat_thread(s, &p, &index) && index >= 0)
        reply_ok(s);
    else
        reply_error(s, EINVAL);
}

static void point_packet(struct gdb_session *s, bool insert, const char *p)
{
    const unsigned type = (unsigned)(*p - '0');
    uint64_t addr, len;
    struct err e = {0};
    int r;

    if (type > 4) {
        reply_empty(s);
        return;
    }
    p++;
    /* Conditions and commands, which may follow, are gdb's: it was not told that they are taken. */
    if (!eat(&p, ",") || !gdb_hex_number(&p, &addr) || !eat(&p, ",") || !gdb_hex_number(&p, &len)) {
        reply_error(s, EINVAL);
        return;
    }
    r = insert ? points_add(s, (enum gdb_point_type)type, addr, len, &e)
               : points_remove(s, (enum gdb_point_type)type, addr, len);
    if (!r)
        reply_ok(s);
    else if (insert)
        reply_refuse(s, r, e.text);
    else
        reply_error(s, r);
}

static void detach(struct gdb_session *s)
{
    session_end(s);
    s->detached = true;
    reply_ok(s);
    s->quit(s->opaque);
}

static void kill_vm(struct gdb_session *s, bool answer)
{
    vm_request_stop(s->vm, VM_STOP_QUIT);
    if (answer)
        reply_ok(s);
    s->detached = true;
    s->quit(s->opaque);
}

/* R: the machine from its beginning, and no answer. */
static void restart(struct gdb_session *s)
{
    run_hold_all(s);
    vm_reset(s->vm);
    s->general = s->resumed = 0;
    s->thread[0].stop = (struct gdb_stop){.signal = GDB_SIGNAL_TRAP};
}

static bool query(struct gdb_session *s, const char *p, size_t len)
{
    if (!strncmp(p, "qSearch:memory:", 15)) {
        memory_search(s, p + 15, len - 15);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        const char *arg = p;
        if (!eat(&arg, queries[i].name))
            continue;
        if (queries[i].fn) {
            queries[i].fn(s, arg);
        } else {
            reply_printf(s, "vCont;c;C;s;S;t;r");
            reply_send(s);
        }
        return true;
    }
    return false;
}

static void packet(struct gdb_session *s, const char *p, size_t len)
{
    s->out_len = 0;
    switch (*p) {
    case '!': reply_ok(s); return;
    case '?': run_why_stopped(s); return;
    case 'c':
    case 'C':
    case 's':
    case 'S': run_legacy(s, *p, p + 1); return;
    case 'D': detach(s); return;
    case 'g': registers_read_all(s); return;
    case 'G': registers_write_all(s, p + 1); return;
    case 'H': set_thread(s, p + 1); return;
    case 'k': kill_vm(s, false); return;
    case 'm':
    case 'M':
    case 'x':
    case 'X': memory_packet(s, *p, p + 1, len - 1); return;
    case 'p': registers_read(s, p + 1); return;
    case 'P': registers_write(s, p + 1); return;
    case 'R': restart(s); return;
    case 'T': thread_alive(s, p + 1); return;
    case 'Z':
    case 'z': point_packet(s, *p == 'Z', p + 1); return;
    case 'q':
    case 'Q':
    case 'v':
        if (!strncmp(p, "vKill", 5))
            kill_vm(s, true);
        else if (!strcmp(p, "vCtrlC")) {
            reply_ok(s);
            run_interrupt(s);
        } else if (!strcmp(p, "vStopped"))
            run_vstopped(s);
        else if (!query(s, p, len))
            reply_empty(s);
        return;
    default: reply_empty(s);
    }
}

void session_input(struct gdb_session *s, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && !s->detached; i++) {
        switch (gdb_parse(&s->parser, bytes[i])) {
        case GDB_INPUT_PACKET:
            if (!s->no_acks)
                s->send(s->opaque, "+", 1);
            packet(s, s->parser.data, s->parser.len);
            break;
        case GDB_INPUT_BAD:
            if (!s->no_acks)
                s->send(s->opaque, "-", 1);
            break;
        case GDB_INPUT_NAK: reply_again(s); break;
        case GDB_INPUT_INTERRUPT: run_interrupt(s); break;
        case GDB_INPUT_ACK:
        case GDB_INPUT_NONE: break;
        }
    }
}
