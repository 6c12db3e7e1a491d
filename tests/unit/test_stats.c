/* Boxes whose borders are in line whatever the numbers, and the JSON's text. */
#include "base/bits.h"
#include "vm/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *print(void (*fn)(FILE *, const struct vm_stats *), const struct vm_stats *s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    fn(f, s);
    fclose(f);
    return text;
}

/* Columns of a line of UTF-8 in which every character is one column wide. */
static size_t columns(const char *line, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

static bool ends(const char *line, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && strncmp(line + len - n, with, n) == 0;
}

/* Every line is as wide as its box's first, and begins and ends with a border. Returns the number of boxes. */
static unsigned check_boxes(const char *text)
{
    unsigned nr = 0;
    size_t wide = 0;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (starts(line, "╔")) {
            nr++;
            wide = columns(line, len);
            assert_true(ends(line, len, "╗"));
        } else if (starts(line, "╠")) {
            assert_true(ends(line, len, "╣"));
        } else if (starts(line, "╚")) {
            assert_true(ends(line, len, "╝"));
        } else {
            assert_true(starts(line, "║") && ends(line, len, "║"));
        }
        if (columns(line, len) != wide)
            fail_msg("%zu columns, not %zu: %.*s", columns(line, len), wide, (int)len, line);
        assert_int_equal(line[len], '\n');
        line += len + 1;
    }
    return nr;
}

static struct vm_stats *make(void)
{
    struct vm_stats *s = calloc(1, sizeof(*s));
    s->accel = "soft";
    s->machine = "vibe";
    s->result = "poweroff";
    s->mem_len = 1 << 20;
    s->nr_vcpus = 1;
    return s;
}

static void test_example(void **state)
{
    (void)state;
    struct vm_stats *s = make();
    s->vcpu[0].exits[HV_EXIT_WFI] = 948925536;
    s->vcpu[0].wall_ns = 2000000000;
    s->vcpu[0].guest_ns = 1000000000;
    s->vcpu[0].counters.insns = 123000000;
    char *text = print(stats_print_box, s);
    static const char head[] =
        "╔══════════════════════════════════════════════════════════════════╗\n"
        "║  vCPU 0 Statistics                                               ║\n"
        "╠══════════════════════════════════════════════════════════════════╣\n"
        "║  Exit Statistics:                                                ║\n"
        "║    Total VM Exits:                948925536                      ║\n"
        "║    HLT Exits:                     948925536                      ║\n"
        "║    Exits per Second:              474462768                      ║\n";
    if (!starts(text, head))
        fail_msg("%s", text);
    assert_int_equal(check_boxes(text), 1);
    assert_non_null(strstr(text, "MIPS in Guest:                 123.0 "));
    assert_non_null(strstr(text, "In Guest:                      1.000000 s (50.0%)"));
    /* Kinds that did not occur, and devices without accesses, take no space. */
    assert_null(strstr(text, "HVC"));
    assert_null(strstr(text, "Device"));
    free(text);
    free(s);
}

/* The largest numbers and the longest names there can be. */
static void test_extremes(void **state)
{
    (void)state;
    struct vm_stats *s = make();
    s->nr_vcpus = VM_MAX_CPUS;
    for (unsigned i = 0; i < VM_MAX_CPUS; i++) {
        struct vm_vcpu_stats *v = &s->vcpu[i];
        for (unsigned k = 0; k < HV_NR_EXITS; k++)
            v->exits[k] = UINT64_MAX >> (i & 7) * 8;
        v->counters = (struct hv_counters){
            .insns = UINT64_MAX, .exceptions = UINT64_MAX, .interrupts = UINT64_MAX};
        memset(v->counters.own, 0xff, sizeof(v->counters.own));
        v->wall_ns = i & 1 ? 1 : UINT64_MAX;
        v->guest_ns = 1;
        v->exit_ns = v->asleep_ns = UINT64_MAX;
    }
    s->nr_devices = BUS_MAX_DEVICES;
    for (unsigned i = 0; i < BUS_MAX_DEVICES; i++)
        s->device[i] = (struct vm_device_stats){
            i & 1 ? "virtio-mmio@ffffffffff0" : "a", UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    s->unassigned = UINT64_MAX;
    char *text = print(stats_print_box, s);
    assert_int_equal(check_boxes(text), VM_MAX_CPUS + 1);
    assert_non_null(strstr(text, "where nothing is"));
    assert_non_null(strstr(text, "18446744073709551615"));
    free(text);
    text = print(stats_print_json, s);
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "nan"));
    free(text);
    free(s);
}

static void test_nothing_happened(void **state)
{
    (void)state;
    struct vm_stats *s = make();
    char *text = print(stats_print_box, s);
    assert_int_equal(check_boxes(text), 1);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    free(s);
}

static void test_json(void **state)
{
    (void)state;
    struct vm_stats *s = make();
    s->result = "a \"quoted\\\n";
    s->vcpu[0].exits[HV_EXIT_HVC] = 3;
    s->vcpu[0].exits[HV_EXIT_WFI] = 4;
    s->vcpu[0].wall_ns = 1500000000;
    s->nr_devices = 1;
    s->device[0] = (struct vm_device_stats){"pl011@9000000", 1, 2, 5, 3, 4};
    s->has_balloon = true;
    s->balloon = (struct balloon_info){.target = 5, .actual = 6, .given_back = 7, .largest = 10};
    memset(s->balloon.stat, 0xff, sizeof(s->balloon.stat));
    s->balloon.stat[BALLOON_FREE] = 8;
    s->balloon.stat[BALLOON_AVAILABLE] = 9;
    s->nr_disks = 1;
    s->disk[0] = (struct blk_info){"d\"k", false, 11, 12, 13, 14, 15, 16, 17};
    char *text = print(stats_print_json, s);
    static const char *const want[] = {
        "\"disks\": [\n    {\"file\": \"d\\\"k\", \"reads\": 11, \"writes\": 12, \"flushes\": 13, "
        "\"discards\": 14,\n     \"read_bytes\": 15, \"written_bytes\": 16, \"errors\": 17}\n  ],",
        "\"schema\": 1,",
        "\"accel\": \"soft\",",
        "\"result\": \"a \\\"quoted\\\\\\n\"",
        "\"first_byte_ns\": null,",
        "\"exits\": {\"total\": 7, \"hlt\": 4, \"wfe\": 0, \"sev\": 0,",
        "\"hvc\": 3,",
        "\"exits_per_second\": 4.667",
        "{\"name\": \"pl011@9000000\", \"reads\": 1, \"writes\": 2, \"no_exit\": 5, \"bad\": 3, \"broken\": 4}",
        "\"balloon\": {\"target_bytes\": 5, \"actual_bytes\": 6, \"largest_bytes\": 10,\n"
        "    \"given_back_bytes\": 7, \"guest\": {\"free_bytes\": 8, \"available_bytes\": 9}},\n",
        "\"unassigned_accesses\": 0\n}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(text, want[i]))
            fail_msg("lacks %s in\n%s", want[i], text);
    free(text);
    free(s);
}

static void test_uncounted(void **state)
{
    (void)state;
    struct vm_stats *s = make();
    s->uncounted = 1u << HV_EXIT_SMC;
    s->vcpu[0].exits[HV_EXIT_HVC] = 3;
    char *text = print(stats_print_box, s);
    assert_non_null(strstr(text, "SMC Exits:                     not counted "));
    assert_null(strstr(text, "Guest Work")); /* nor are instructions */
    check_boxes(text);
    free(text);
    text = print(stats_print_json, s);
    assert_non_null(strstr(text, "\"hvc\": 3, \"smc\": null, \"sysreg\": 0,"));
    free(text);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),          cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_nothing_happened), cmocka_unit_test(test_json),
        cmocka_unit_test(test_uncounted),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
