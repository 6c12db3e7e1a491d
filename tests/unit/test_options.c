/* The option parser: every option's value, and every way to get one wrong. */
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ARGS 80

/* Parses a line, split at blanks; the words stay in place until the next call. */
static int parse_line(struct options *o, const char *line, struct err *e)
{
    static char copy[4096];
    static char *argv[MAX_ARGS + 1];
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    argv[0] = copy;
    for (char *word = strtok(copy, " "); word && argc < MAX_ARGS; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    *e = (struct err){0};
    return options_parse(o, argc, argv, e);
}

static struct options parse_good(const char *line)
{
    struct options o;
    struct err e;
    int r = parse_line(&o, line, &e);
    if (r)
        fail_msg("%s: %s", line, e.text);
    return o;
}

/* For what is no pointer. */
static struct options looked_at(const char *line)
{
    struct options o = parse_good(line), seen = o;

    options_free(&o);
    return seen;
}

static void test_defaults(void **state)
{
    (void)state;
    struct options o = parse_good("--binary x.raw");
    assert_int_equal(o.action, OPTIONS_RUN);
    assert_string_equal(o.vm.binary, "x.raw");
    assert_null(o.vm.kernel);
    assert_int_equal(o.vm.entry, 0x10000);
    assert_int_equal(o.vm.mem_len, 0); /* by what runs */
    assert_int_equal(o.vm.nr_cpus, 1);
    assert_int_equal(o.vm.machine, VM_MACHINE_AUTO);
    assert_int_equal(o.vm.accel, VM_ACCEL_AUTO);
    assert_int_equal(o.vm.gic, VM_GIC_AUTO);
    assert_int_equal(o.vm.console, VM_CONSOLE_PL011);
    assert_int_equal(o.vm.virtio, VM_VIRTIO_MODERN);
    assert_int_equal(o.vm.log_level, LOG_WARN);
    assert_int_equal(o.vm.stats, VM_STATS_BOX);
    assert_int_equal(o.vm.timeout_ns, 0);
    assert_false(o.vm.keep_going);
    assert_false(o.vm.no_reboot);
    options_free(&o);
}

static void test_every_option(void **state)
{
    (void)state;
    struct options o = parse_good(
        "--binary=a=b --entry 0x20000 --mem 1G --cpus 64 --gic 2 --machine virt --accel soft "
        "--console --log trace --stats=json:out.json --timeout 1.5 --load x@y@0x100 "
        "--load=z@4096 --dump-memory 0x20:16=d=1:2 --dump-memory 0:4K=e "
        "--keep-going --virtio legacy --no-rng --balloon=1M --powerkey --flash1 v --no-reboot --initrd i --cmdline c=d --dtb t --dump-dtb u");
    assert_string_equal(o.vm.binary, "a=b");
    assert_int_equal(o.vm.entry, 0x20000);
    assert_int_equal(o.vm.mem_len, 1 << 30);
    assert_int_equal(o.vm.nr_cpus, 64);
    assert_int_equal(o.vm.machine, VM_MACHINE_VIRT);
    assert_int_equal(o.vm.gic, VM_GICV2);
    assert_int_equal(o.vm.accel, VM_ACCEL_SOFT);
    assert_int_equal(o.vm.console, VM_CONSOLE_VIRTIO);
    assert_int_equal(o.vm.log_level, LOG_TRACE);
    assert_int_equal(o.vm.stats, VM_STATS_JSON);
    assert_string_equal(o.vm.stats_path, "out.json");
    assert_int_equal(o.vm.timeout_ns, 1500000000);
    assert_int_equal(o.vm.nr_loads, 2);
    assert_string_equal(o.vm.load[0].path, "x@y");
    assert_int_equal(o.vm.load[0].at, 0x100);
    assert_string_equal(o.vm.load[1].path, "z");
    assert_int_equal(o.vm.load[1].at, 4096);
    assert_int_equal(o.vm.nr_dumps, 2);
    assert_int_equal(o.vm.dump[0].base, 0x20);
    assert_int_equal(o.vm.dump[0].len, 16);
    assert_string_equal(o.vm.dump[0].path, "d=1:2");
    assert_int_equal(o.vm.dump[1].len, 4096);
    assert_true(o.vm.keep_going);
    assert_true(o.vm.no_rng);
    assert_true(o.vm.balloon);
    assert_int_equal(o.vm.balloon_len, 1 << 20);
    assert_true(o.vm.no_reboot);
    assert_true(o.vm.powerkey);
    assert_string_equal(o.vm.flash1, "v");
    assert_string_equal(o.vm.initrd, "i");
    assert_string_equal(o.vm.cmdline, "c=d");
    assert_string_equal(o.vm.dtb, "t");
    assert_string_equal(o.vm.dump_dtb, "u");
    assert_int_equal(o.vm.virtio, VM_VIRTIO_LEGACY);
    options_free(&o);
}

static void test_disks(void **state)
{
    (void)state;
    struct options o = parse_good("--kernel k --disk a --disk b,,c,ro,serial=x,,y "
                                  "--disk=d,overlay=e,sync=full,queues=16 --disk f,sync=none");
    const struct vm_disk *d = o.vm.disk;
    assert_int_equal(o.vm.nr_disks, 4);
    assert_string_equal(d[0].config.path, "a");
    assert_int_equal(d[0].config.sync, DISK_SYNC_FLUSH);
    assert_int_equal(d[0].config.nr_overlays, 0);
    assert_null(d[0].serial);
    assert_int_equal(d[0].nr_queues, 1);
    assert_string_equal(d[1].config.path, "b,c");
    assert_true(d[1].config.read_only);
    assert_string_equal(d[1].serial, "x,y");
    assert_int_equal(d[2].config.nr_overlays, 1);
    assert_string_equal(d[2].config.overlay[0], "e");
    assert_int_equal(d[2].config.sync, DISK_SYNC_FULL);
    assert_int_equal(d[2].nr_queues, 16);
    assert_int_equal(d[3].config.sync, DISK_SYNC_NONE);
    options_free(&o);
}

static void test_contract(void **state)
{
    (void)state;
    struct options o =
        parse_good("--kernel k --expect a$ --fail=b --expect c --script s --junit j --result r");
    const struct contract_options *c = &o.contract;
    assert_true(o.has_contract);
    assert_int_equal(c->nr_expects, 2);
    assert_string_equal(c->expect[0], "a$");
    assert_string_equal(c->expect[1], "c");
    assert_int_equal(c->nr_fails, 1);
    assert_string_equal(c->fail[0], "b");
    assert_string_equal(c->script, "s");
    assert_string_equal(c->junit, "j");
    assert_string_equal(c->result, "r");
    options_free(&o);
    o = parse_good("--kernel k --semihosting=a,,b,el0,ro --semihosting-arg x --semihosting-arg=--y");
    const struct vm_semihosting *h = &o.vm.semihosting;
    assert_true(o.has_contract && h->on && h->el0 && h->read_only);
    assert_string_equal(h->dir, "a,b");
    assert_int_equal(h->nr_args, 2);
    assert_string_equal(h->arg[1], "--y");
    options_free(&o);
    o = parse_good("--kernel k --semihosting-arg x --semihosting");
    assert_true(h->on && !h->el0 && !h->read_only && !h->dir);
    assert_int_equal(h->nr_args, 1);
    options_free(&o);
    o = parse_good("--kernel k --timeout 5 --stats=json");
    assert_false(o.has_contract);
    options_free(&o);
    o = parse_good("--kernel k --result r");
    assert_true(o.has_contract);
    options_free(&o);
}

static void test_choices(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int level;
    } log_case[] = {{"0", 0},     {"1", 1},    {"2", 2},    {"3", 3},    {"4", 4},
                    {"error", 0}, {"warn", 1}, {"info", 2}, {"debug", 3}};
    for (size_t i = 0; i < ARRAY_LEN(log_case); i++) {
        char line[64];
        snprintf(line, sizeof(line), "--kernel k --log %s", log_case[i].line);
        assert_int_equal(looked_at(line).vm.log_level, log_case[i].level);
    }
    assert_int_equal(looked_at("--kernel k --stats").vm.stats, VM_STATS_BOX);
    assert_int_equal(looked_at("--kernel k --stats=box").vm.stats, VM_STATS_BOX);
    assert_int_equal(looked_at("--kernel k --stats=json").vm.stats, VM_STATS_JSON);
    assert_null(looked_at("--kernel k --stats=json").vm.stats_path);
    assert_int_equal(looked_at("--kernel k --stats=none").vm.stats, VM_STATS_NONE);
    assert_int_equal(looked_at("--kernel k --machine vibe").vm.machine, VM_MACHINE_VIBE);
    assert_int_equal(looked_at("--kernel k --virtio modern").vm.virtio, VM_VIRTIO_MODERN);
    assert_int_equal(looked_at("--kernel k --accel auto").vm.accel, VM_ACCEL_AUTO);
    assert_int_equal(looked_at("--kernel k --accel kvm").vm.accel, VM_ACCEL_KVM);
    assert_int_equal(looked_at("--kernel k --accel hvf").vm.accel, VM_ACCEL_HVF);
    assert_false(looked_at("--kernel k --accel hvf").vm.host_gic);
    assert_false(looked_at("--kernel k --accel hvf,gic=own").vm.host_gic);
    assert_true(looked_at("--kernel k --accel hvf,gic=framework").vm.host_gic);
    /* The same thing said twice is no contradiction. */
    assert_int_equal(looked_at("--kernel k --mem 64M --mem 64M --console --console").vm.mem_len,
                     64 << 20);
}

static void test_actions(void **state)
{
    (void)state;
    assert_int_equal(looked_at("--version").action, OPTIONS_VERSION);
    assert_int_equal(looked_at("--self-test").action, OPTIONS_SELF_TEST);
    assert_int_equal(looked_at("--help").action, OPTIONS_HELP);
    assert_null(looked_at("--help").topic);
    assert_int_equal(looked_at("-h").action, OPTIONS_HELP);
    assert_string_equal(looked_at("--help machine").topic, "machine");
    assert_string_equal(looked_at("--help=keys").topic, "keys");
    assert_string_equal(looked_at("--help all").topic, "all");
    assert_string_equal(looked_at("--help mem").topic, "machine");
    assert_int_equal(looked_at("--version --help").action, OPTIONS_HELP);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t val; /* 0: refused */
    } c[] = {
        {"1", 1},
        {"64k", 65536},
        {"64K", 65536},
        {"128m", UINT64_C(128) << 20},
        {"3G", UINT64_C(3) << 30},
        {"0x10", 16},
        {"0x1M", 1 << 20},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183G", UINT64_C(17179869183) << 30},
        {"18446744073709551616", 0},
        {"17179869184G", 0},
        {"0x10000000000000000", 0},
        {"99999999999999999999999999", 0},
        {"", 0},
        {"0", 0},
        {"0M", 0},
        {"0x", 0},
        {"M", 0},
        {"-1", 0},
        {"+1", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1.5G", 0},
        {"1T", 0},
        {"1KB", 0},
        {"1KK", 0},
        {"ten", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        uint64_t v = 0;
        struct err e = {0};
        int r = options_parse_size(c[i].text, &v, &e);
        if ((r == 0) != (c[i].val != 0) || v != c[i].val)
            fail_msg("\"%s\": %d, %llu", c[i].text, r, (unsigned long long)v);
        assert_true(r == 0 || e.text[0]);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
        uint64_t val;
    } c[] = {
        {"0", 0, 0},
        {"0x0", 0, 0},
        {"65536", 0, 65536},
        {"0xFFFFffffFFFFffff", 0, UINT64_MAX},
        {"0x10000000000000000", -34, 0},
        {"4000a", -22, 0},
        {"1K", -22, 0},
        {"", -22, 0},
        {"0x", -22, 0},
        {"-4", -22, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        uint64_t v = 0;
        int r = options_parse_addr(c[i].text, &v, NULL);
        if (c[i].r == 0) {
            assert_int_equal(r, 0);
            assert_true(v == c[i].val);
        } else {
            assert_true(r < 0);
            assert_true(v == 0);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const c[][2] = {
        /* line, part of the message */
        {"", "nothing to run"},
        {"--mem 64M", "nothing to run"},
        {"x.raw", "unexpected argument \"x.raw\""},
        {"--binary a --kernel b", "--binary and --kernel contradict"},
        {"--kernel a --entry 0x10000", "--entry and --kernel contradict"},
        {"--binary a --firmware b", "--binary and --firmware contradict"},
        {"--entry 0x10000", "--entry needs --binary: it is where that starts"},
        {"--binary", "--binary needs an argument"},
        {"--binary --mem 1G", "--binary needs an argument"},
        {"--binary=", "--binary: the file name is empty"},
        {"--binary a --binary b", "--binary is given twice"},
        {"--binary a --stats --stats=none", "--stats is given twice"},
        {"--binary a --entry 0x10002", "--entry: 0x10002 is not a multiple of 4"},
        {"--binary a --entry main", "--entry: \"main\" is not an address"},
        {"--binary a --mem 0", "--mem: must not be 0"},
        {"--binary a --mem 128Q", "--mem: \"128Q\" has the unknown suffix \"Q\""},
        {"--binary a --mem 1000", "--mem: \"1000\" is not a multiple of 64K"},
        {"--binary a --mem 99999999999G", "--mem: \"99999999999G\" does not fit"},
        {"--binary a --cpus 0", "--cpus: \"0\" is not a number from 1 to 64"},
        {"--binary a --cpus 65", "--cpus: \"65\" is not a number from 1 to 64"},
        {"--binary a --cpus 2x", "--cpus: \"2x\""},
        {"--binary a --machine pc", "--machine: \"pc\" is not one of vibe, virt"},
        {"--binary a --accel kvm,jit=off", "--accel: \"jit=off\" needs soft before it"},
        {"--binary a --accel auto,gic=framework", "--accel: \"gic=framework\" needs hvf before it"},
        {"--binary a --accel hvf,gic=kernel", "--accel: \"kernel\" is not one of own, framework"},
        {"--binary a --accel hvf,jit=off",
         "--accel: \"jit=off\" is nothing of hvf's; gic=own and gic=framework are"},
        {"--binary a --accel tcg", "--accel: \"tcg\" is not one of auto, soft, kvm, hvf"},
        {"--binary a --virtio 1", "--virtio: \"1\" is not one of modern, legacy"},
        {"--binary a --console=pl011", "--console takes no argument"},
        {"--binary a --log 5", "--log: \"5\" is not a level"},
        {"--binary a --log loud", "--log: \"loud\" is not a level"},
        {"--binary a --stats json", "write it with =, as --stats=json"},
        {"--binary a --stats=xml", "--stats: \"xml\" is not one of box, json"},
        {"--binary a --stats=json:", "--stats: the file name is empty"},
        {"--binary a --timeout 0", "--timeout: must be more than 0"},
        {"--binary a --timeout -1", "--timeout: \"-1\" is not a number of seconds"},
        {"--binary a --timeout 1e3", "--timeout: \"1e3\" is not a number of seconds"},
        {"--binary a --timeout 0x10", "--timeout: \"0x10\" is not a number of seconds"},
        {"--binary a --timeout 99999999999999", "--timeout: \"99999999999999\" is more than"},
        {"--binary a --load b", "--load: \"b\" is not FILE@ADDR"},
        {"--binary a --load @0x100", "--load: \"@0x100\" is not FILE@ADDR"},
        {"--binary a --load b@here", "--load: \"here\" is not an address"},
        {"--binary a --dump-memory 0x100", "--dump-memory: \"0x100\" is not ADDR:LEN=FILE"},
        {"--binary a --dump-memory 0x100:4=", "--dump-memory: \"0x100:4=\" is not ADDR:LEN=FILE"},
        {"--binary a --dump-memory 0x100:0=f", "--dump-memory: must not be 0"},
        {"--binary a --dump-memory q:4=f", "--dump-memory: \"q\" is not an address"},
        {"--binary a --dump-memory 0xffffffffffffffff:2=f", "reaches beyond the end of the address space"},
        {"--memory 1G", "unknown option --memory; did you mean --mem?"},
        {"--bianry a", "did you mean --binary?"},
        {"--dump-m x", "did you mean --dump-memory?"},
        {"--keepgoing", "did you mean --keep-going?"},
        {"--time-out 3", "did you mean --timeout?"},
        {"--men=1G", "unknown option --men; did you mean --mem?"},
        {"-mem 1G", "unknown option -mem; did you mean --mem?"},
        {"--frobnicate", "unknown option --frobnicate; vibevmm --help all lists them"},
        {"-", "unknown option -;"},
        {"--", "unknown option --;"},
        {"--=x", "unknown option --;"},
        {"--help machin", "no topic \"machin\"; did you mean machine?"},
        {"--help zebra", "no topic \"zebra\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        struct options o;
        struct err e;
        int r = parse_line(&o, c[i][0], &e);
        if (r >= 0 || !strstr(e.text, c[i][1]) || strchr(e.text, '\n'))
            fail_msg("%s\n  gave  %d %s\n  want  %s", c[i][0], r, e.text, c[i][1]);
        options_free(&o);
    }
}

static void test_limits(void **state)
{
    (void)state;
    char line[2048] = "--binary a";
    for (int i = 0; i < VM_MAX_LOADS; i++)
        strcat(line, " --load f@0x100");
    struct options o = parse_good(line);
    assert_int_equal(o.vm.nr_loads, VM_MAX_LOADS);
    options_free(&o);

    struct err e;
    strcat(line, " --load f@0x100");
    assert_true(parse_line(&o, line, &e) < 0);
    assert_non_null(strstr(e.text, "more than 16 times"));
    options_free(&o);
}

static void test_host_memory(void **state)
{
    (void)state;
    struct vm_options v = {.mem_len = UINT64_C(64) << 30};
    struct err e = {0};
    assert_int_equal(options_check_host(&v, UINT64_C(4) << 30, &e), 0);
    v.mem_len = UINT64_C(80) << 30;
    assert_int_equal(options_check_host(&v, UINT64_C(80) << 30, &e), 0);
    assert_int_equal(options_check_host(&v, 0, &e), 0);
    assert_true(options_check_host(&v, (UINT64_C(80) << 30) - 1, &e) < 0);
    assert_non_null(strstr(e.text, "--mem: 81920M is more than this host has (81919M)"));
}

static void test_help_is_complete(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    options_print_help(f, "all");
    fclose(f);
    static const char *const want[] = {"--binary FILE",
                                       "--entry ADDR",
                                       "--kernel FILE",
                                       "--initrd FILE",
                                       "--cmdline TEXT",
                                       "--dtb FILE",
                                       "--dump-dtb FILE",
                                       "--no-reboot",
                                       "--powerkey",
                                       "--firmware FILE",
                                       "--flash1 FILE",
                                       "--load FILE@ADDR",
                                       "--mem SIZE",
                                       "--cpus N",
                                       "--gic 2|3",
                                       "--machine vibe|virt",
                                       "--accel auto|kvm|hvf[,gic=framework]|soft[,jit=off]",
                                       "--virtio modern|legacy",
                                       "--console",
                                       "--timeout SECONDS",
                                       "--keep-going",
                                       "--stats[=box|json|none]",
                                       "--log error|warn|info|debug|trace",
                                       "--dump-memory ADDR:LEN=FILE",
                                       "--help [TOPIC]",
                                       "--version",
                                       "Ctrl-A x",
                                       "Exit status:"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(text, want[i]))
            fail_msg("--help all lacks %s", want[i]);
    size_t column = 0;
    for (size_t i = 0; i < len; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        assert_true(column <= 100);
        assert_true(text[i] == '\n' || (text[i] >= ' ' && text[i] < 127));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_disks),       cmocka_unit_test(test_contract),
        cmocka_unit_test(test_choices),     cmocka_unit_test(test_actions),
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_host_memory), cmocka_unit_test(test_help_is_complete),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
