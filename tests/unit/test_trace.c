/* Lines of traces: every event of the table, as text and as JSON; filters; the ring, several threads at once. */
#include "base/bits.h"
#include "base/err.h"
#include "dbg/trace_text.h"
#include "dbg/tracer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct symbols none;

/* Text where the table says text, numbers that are good for everything else. */
static struct trace_event made_up(enum trace_event_id id)
{
    struct trace_event ev = {
        .id = (uint16_t)id, .vcpu = 1, .el = 1, .has_pc = true, .insns = 7, .pc = 0x1000};
    static const unsigned texts[NR_TRACE_EVENTS] = {
#define FIELD(name, type, n) | (unsigned)((type) == TRACE_STR) << (n)
#define TRACE_EVENT(id, kind, name, text, fields) [TRACE_##id##_EVENT] = 0 fields,
#include "spec/trace_events.def"
#undef FIELD
    };

    for (unsigned i = 0; i < TRACE_MAX_ARGS; i++)
        ev.arg[i] = texts[id] >> i & 1 ? trace_str("a \"text\"") : 0x10000 + i;
    return ev;
}

static void test_every_event(void **state)
{
    char text[TRACE_LINE_MAX], json[TRACE_LINE_MAX];

    (void)state;
    for (unsigned id = 0; id < NR_TRACE_EVENTS; id++)
        for (unsigned absent = 0; absent < 1u << TRACE_MAX_ARGS; absent++) {
            struct trace_event ev = made_up((enum trace_event_id)id);
            ev.absent = (uint16_t)absent;
            const size_t len = trace_text(&ev, &none, text), json_len = trace_json(&ev, &none, json);
            assert_true(len < TRACE_LINE_MAX && json_len < TRACE_LINE_MAX);
            assert_true(text[len - 1] == '\n' && json[json_len - 1] == '\n');
            text[len] = json[json_len] = 0;
            assert_null(strpbrk(text, "{}")); /* a name in the text that is no field's */
            assert_int_equal(strcspn(text, "\n"), len - 1);
            assert_true(json[0] == '{' && json[json_len - 2] == '}');
            if (absent)
                continue;
            assert_non_null(strstr(text, trace_event_name((enum trace_event_id)id)));
            assert_non_null(strstr(json, trace_kinds[trace_event_kind((enum trace_event_id)id)].name));
        }
}

static void test_lines(void **state)
{
    char buf[TRACE_LINE_MAX];
    struct symbols s = {0};
    static const char map[] = "1000 T main\n8000 D x\"y\n";
    struct trace_event ev = {
        .id = TRACE_MEM_EVENT, .vcpu = 12, .el = 0, .has_pc = true, .insns = 5, .pc = 0x1004, .time_ns = 1000000020};

    (void)state;
    assert_int_equal(symbols_add_map(&s, (const uint8_t *)map, strlen(map), 0, NULL), 0);
    symbols_sort(&s);
    ev.arg[0] = trace_str("read");
    ev.arg[1] = 8;
    ev.arg[2] = 0x8008;
    ev.arg[3] = UINT64_MAX;
    buf[trace_text(&ev, &s, buf)] = 0;
    assert_string_equal(buf, "1.000000020 cpu12          5 EL0 0000000000001004 <main+0x4> mem: read 8 at 0x8008 <x\"y+0x8> = "
                             "0xffffffffffffffff\n");
    buf[trace_json(&ev, &s, buf)] = 0;
    assert_string_equal(
        buf, "{\"time_ns\":1000000020,\"cpu\":12,\"insns\":5,\"el\":0,\"pc\":\"0x1004\",\"symbol\":\"main+0x4\","
             "\"kind\":\"mem\",\"event\":\"mem\",\"type\":\"read\",\"size\":8,\"addr\":\"0x8008\","
             "\"addr_symbol\":\"x\\\"y+0x8\",\"value\":\"0xffffffffffffffff\"}\n");
    ev = (struct trace_event){
        .id = TRACE_IRQ_LINE_EVENT, .vcpu = TRACE_NOWHERE, .el = TRACE_NOWHERE, .insns = TRACE_UNKNOWN};
    ev.arg[0] = 33;
    ev.arg[1] = trace_str("high");
    buf[trace_text(&ev, &s, buf)] = 0;
    assert_string_equal(buf, "0.000000000 -             - -   - line: INTID 33 high\n");
    buf[trace_json(&ev, &s, buf)] = 0;
    assert_string_equal(
        buf, "{\"time_ns\":0,\"kind\":\"irq\",\"event\":\"line\",\"intid\":33,\"level\":\"high\"}\n");
    symbols_free(&s);
}

static unsigned nr_emitted;

static void count(struct trace *t, const struct trace_event *ev)
{
    (void)t;
    (void)ev;
    nr_emitted++;
}

static void passes(struct trace *t, struct trace_event ev, bool want)
{
    const unsigned before = nr_emitted;
    trace_emit(t, &ev);
    assert_int_equal(nr_emitted - before, want);
}

static void test_filters(void **state)
{
    static const struct guest_clock clock = {.moved = true};
    struct trace t = {.kinds = 1u << TRACE_KIND_INSN,
                      .els = 1u << 1,
                      .vcpus = 1u << 2 | BIT64(63),
                      .nr_pc = 2,
                      .pc = {{0x1000, 0x1fff}, {UINT64_MAX - 3, UINT64_MAX}},
                      .from_insn = 10,
                      .to_insn = 20,
                      .clock = &clock,
                      .emit = count};
    const struct trace_event good = {.vcpu = 2, .el = 1, .has_pc = true, .insns = 10, .pc = 0x1000};
    struct trace_event ev;

    (void)state;
    passes(&t, good, true);
#define BUT(field, val, want) (ev = good, ev.field = (val), passes(&t, ev, want))
    BUT(vcpu, 63, true);
    BUT(vcpu, 1, false);
    BUT(vcpu, TRACE_NOWHERE, true);
    BUT(el, 0, false);
    BUT(el, TRACE_NOWHERE, true);
    BUT(insns, 9, false);
    BUT(insns, 19, true);
    BUT(insns, 20, false);
    BUT(insns, TRACE_UNKNOWN, true);
    BUT(pc, 0x1ffc, true);
    BUT(pc, 0x2000, false);
    BUT(pc, UINT64_MAX, true);
    ev = good;
    ev.pc = 0x2000;
    ev.has_pc = false;
    passes(&t, ev, true);
    assert_true(trace_wants(&t, TRACE_KIND_INSN));
    assert_false(trace_wants(&t, TRACE_KIND_MEM));
    assert_false(trace_wants(NULL, TRACE_KIND_INSN));

    static const char *const names[] = {"pl011", "virtio_blk@a000200"};
    assert_true(trace_names(names, 2, "pl011@9000000"));
    assert_true(trace_names(names, 2, "virtio_blk@a000200"));
    assert_false(trace_names(names, 2, "virtio_blk@a000400"));
    assert_false(trace_names(names, 2, "pl01@9000000"));
    assert_false(trace_names(names, 2, "pl0111@9000000"));
    assert_true(trace_names(names, 0, "anything"));
}

#define NR_THREADS 4u
#define NR_EACH 2000u

static void *emit_many(void *opaque)
{
    struct trace *t = opaque;
    static _Atomic unsigned next;
    const unsigned who = next++ % NR_THREADS;

    for (unsigned i = 0; i < NR_EACH; i++) {
        struct trace_event ev = {
            .id = TRACE_IRQ_EOI_EVENT, .vcpu = (uint8_t)who, .el = TRACE_NOWHERE, .insns = i};
        trace_emit(t, &ev);
    }
    return NULL;
}

/* Lines are whole, and each thread's are in order; of a ring the last ones. */
static void from_threads(uint64_t ring, unsigned nr_lines)
{
    static const struct guest_clock clock = {.moved = true};
    char path[] = "/tmp/vibevmm-test-XXXXXX", line[256];
    const int fd = mkstemp(path);
    struct tracer *tr = NULL;
    struct err e = {0};
    pthread_t thread[NR_THREADS];
    unsigned nr = 0;
    int last[NR_THREADS] = {-1, -1, -1, -1};

    assert_int_equal(
        tracer_create(&tr, &(struct tracer_config){.path = path, .ring = ring, .symbols = &none}, &e), 0);
    struct trace *t = tracer_trace(tr);
    t->kinds = t->els = UINT32_MAX;
    t->vcpus = t->to_insn = UINT64_MAX;
    t->clock = &clock;
    tracer_start(tr);
    for (unsigned i = 0; i < NR_THREADS; i++)
        pthread_create(&thread[i], NULL, emit_many, t);
    for (unsigned i = 0; i < NR_THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(tracer_finish(tr, true, &e), 0);
    tracer_destroy(tr);

    FILE *f = fdopen(fd, "r");
    if (ring) {
        assert_non_null(fgets(line, sizeof(line), f));
        assert_string_equal(line, "The last 100 of 8000 events:\n");
    }
    for (; fgets(line, sizeof(line), f); nr++) {
        unsigned cpu;
        int insns;
        assert_int_equal(sscanf(line, "0.000000000 cpu%u %d -   - end: INTID 0\n", &cpu, &insns), 2);
        assert_true(cpu < NR_THREADS && insns > last[cpu]);
        last[cpu] = insns;
    }
    assert_int_equal(nr, nr_lines);
    fclose(f);
    unlink(path);
}

static void test_threads(void **state)
{
    (void)state;
    from_threads(0, NR_THREADS * NR_EACH);
    from_threads(100, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
