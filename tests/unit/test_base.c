/* Errors, messages, bit helpers, host shims. */
#include "base/bits.h"
#include "base/err.h"
#include "base/iov.h"
#include "base/log.h"
#include "base/os.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_bits(void **state)
{
    (void)state;
    assert_int_equal(mask64(1), 1);
    assert_int_equal(mask64(63), INT64_MAX);
    assert_true(mask64(64) == UINT64_MAX);
    assert_int_equal(bits(0xabcd1234, 15, 8), 0x12);
    assert_true(bits(UINT64_MAX, 63, 0) == UINT64_MAX);
    assert_true(sext(0x80, 8) == -128);
    assert_true(sext(0x7f, 8) == 127);
    assert_true(sext(UINT64_C(1) << 63, 64) == INT64_MIN);
    assert_true(ror64(1, 1) == BIT64(63));
    assert_true(ror64(0x1234, 64) == 0x1234);
    assert_true(ror32(1, 1) == 0x80000000u);
    assert_true(ror32(0x1234, 32) == 0x1234);
    assert_int_equal(align_down(0x1fff, 0x1000), 0x1000);
    assert_int_equal(align_up(0x1001, 0x1000), 0x2000);
    assert_int_equal(align_up(UINT64_MAX, 0x1000), 0);
    assert_true(is_pow2(1) && is_pow2(BIT64(63)) && !is_pow2(0) && !is_pow2(3));
}

/* Every offset and length over buffers of 0 to 3 bytes, against the plain run of bytes. */
static void test_iov(void **state)
{
    char text[] = "abcdef", empty[1];
    const struct iovec iov[] = {{empty, 0}, {text, 3}, {text + 3, 1}, {empty, 0}, {text + 4, 2}};
    (void)state;
    assert_int_equal(iov_len(iov, 5), 6);
    for (size_t off = 0; off <= 8; off++)
        for (size_t len = 0; len <= 8; len++) {
            const size_t there = off >= 6 ? 0 : MIN(len, 6 - off);
            char buf[9] = "........";
            struct iovec part[5];
            assert_int_equal(iov_read(iov, 5, off, buf, len), there);
            assert_memory_equal(buf, text + MIN(off, (size_t)6), there);
            assert_int_equal(buf[there], '.');
            const unsigned n = iov_slice(part, 5, iov, 5, off, len);
            assert_int_equal(iov_len(part, n), there);
            if (n > 1) { /* without room for the last */
                assert_int_equal(iov_slice(part, n - 1, iov, 5, off, len), n - 1);
                assert_int_equal(iov_slice(part, n, iov, 5, off, len), n);
            }
            memset(buf, '.', 8);
            assert_int_equal(iov_read(part, n, 0, buf, 8), there);
            assert_memory_equal(buf, text + MIN(off, (size_t)6), there);
            for (unsigned i = 0; i < n; i++)
                assert_true(part[i].iov_len > 0);
            assert_int_equal(iov_write(iov, 5, off, "ABCDEFGH", len), there);
            for (size_t i = 0; i < 6; i++)
                assert_int_equal(text[i], i - off < there ? 'A' + (int)(i - off) : 'a' + (int)i);
            assert_int_equal(iov_zero(iov, 5, off, len), there);
            for (size_t i = 0; i < 6; i++)
                assert_int_equal(text[i], i - off < there ? 0 : 'a' + (int)i);
            memcpy(text, "abcdef", 6);
        }
    assert_int_equal(iov_read(iov, 0, 0, text, 6), 0);
}

static void test_err_set(void **state)
{
    struct err e = {0};
    (void)state;
    assert_int_equal(err_set(&e, ENOENT, "%s: %d", "file", 7), -ENOENT);
    assert_int_equal(e.code, ENOENT);
    assert_string_equal(e.text, "file: 7");
    assert_int_equal(err_set(NULL, EIO, "nobody reads this"), -EIO);
    /* The old text may be an argument. */
    assert_int_equal(err_set(&e, EINVAL, "again %s", e.text), -EINVAL);
    assert_string_equal(e.text, "again file: 7");
}

static void test_err_prefix(void **state)
{
    struct err e = {0};
    (void)state;
    err_set(&e, ENOENT, "inner");
    assert_int_equal(err_prefix(&e, "outer %d", 1), -ENOENT);
    assert_string_equal(e.text, "outer 1: inner");
    assert_true(err_prefix(NULL, "outer") < 0);
}

static void test_err_long(void **state)
{
    struct err e = {0};
    char text[2 * ERR_TEXT_LEN];
    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    err_set(&e, EIO, "%s", text);
    assert_int_equal(strlen(e.text), ERR_TEXT_LEN - 1);
    err_prefix(&e, "front");
    assert_int_equal(strlen(e.text), ERR_TEXT_LEN - 1);
    assert_memory_equal(e.text, "front: xxx", 10);
    err_prefix(&e, "%s", text);
    assert_int_equal(strlen(e.text), ERR_TEXT_LEN - 1);
    assert_memory_equal(e.text, "xxx", 3);
}

/* Runs fn with stderr into buf; returns the wait status of the child that did. */
static int captured(void (*fn)(void), char *buf, size_t len)
{
    int fd[2], status = -1;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(fd[1], STDERR_FILENO);
        close(fd[0]);
        fn();
        _exit(0);
    }
    close(fd[1]);
    size_t used = 0;
    for (ssize_t n; used < len - 1 && (n = read(fd[0], buf + used, len - 1 - used)) > 0;)
        used += (size_t)n;
    buf[used] = 0;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void hook_with_a_bug(void)
{
    ssize_t n = write(STDERR_FILENO, "hook\n", 5);
    (void)n;
    BUG("in the hook");
}

static void make_a_bug(void)
{
    bug_set_hook(hook_with_a_bug);
    BUG_ON(1 + 1 == 2);
}

static void test_bug(void **state)
{
    char out[4096];
    (void)state;
    int status = captured(make_a_bug, out, sizeof(out));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(out, "test_base.c:"));
    assert_non_null(strstr(out, "1 + 1 == 2\nhook\n"));
    assert_non_null(strstr(out, "in the hook"));
}

static void log_some(void)
{
    log_threshold = LOG_INFO;
    log_error("one %d", 1);
    log_info("two");
    log_debug("never");
    char text[5000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    log_warn("%s", text);
    log_error("last");
}

static void test_log(void **state)
{
    char out[8192];
    (void)state;
    assert_int_equal(captured(log_some, out, sizeof(out)), 0);
    assert_ptr_equal(strstr(out, "vibevmm: error: one 1\nvibevmm: info: two\nvibevmm: warning: xxx"), out);
    assert_null(strstr(out, "never"));
    const char *last = strstr(out, "x\nvibevmm: error: last\n");
    assert_non_null(last);
    assert_true(strlen(out) < 1200);
}

static void log_a_storm(void)
{
    for (int i = 0; i < 1000; i++)
        log_guest(LOG_WARN, "storm");
    struct log_limit l = {.last_ns = os_now_ns() - UINT64_C(2000000000), .suppressed = 42};
    if (log_limited(&l) && !log_limited(&l))
        log_warn("%u", l.suppressed);
}

static void test_log_limit(void **state)
{
    char out[8192];
    (void)state;
    assert_int_equal(captured(log_a_storm, out, sizeof(out)), 0);
    assert_string_equal(out, "vibevmm: warning: storm\n"
                             "vibevmm: warning: 42 more messages like the next one were left out\n"
                             "vibevmm: warning: 1\n");
}

static void test_clock(void **state)
{
    (void)state;
    uint64_t t0 = os_now_ns(), cpu0 = os_thread_cpu_ns();
    usleep(20000);
    uint64_t slept = os_now_ns() - t0, used = os_thread_cpu_ns() - cpu0;
    assert_in_range(slept, 20000000, UINT64_C(20000000000));
    assert_true(used < slept);
    for (int i = 0; i < 1000; i++) {
        uint64_t t = os_now_ns();
        assert_true(t >= t0);
        t0 = t;
    }
}

static void test_shm(void **state)
{
    struct err e = {0};
    const uint64_t len = UINT64_C(1) << 36;
    struct stat st;
    (void)state;
    int fd = os_shm_create("test", len, &e);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_size == len);
    /* Two mappings of one page see each other's stores. */
    size_t page = os_page_size();
    volatile uint8_t *a = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(len - page));
    volatile uint8_t *b = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(len - page));
    assert_true(a != MAP_FAILED && b != MAP_FAILED && a != b);
    assert_int_equal(b[5], 0);
    a[5] = 77;
    assert_int_equal(b[5], 77);
    munmap((void *)a, page);
    munmap((void *)b, page);
    close(fd);
    assert_true(os_shm_create("test", 0, &e) == -EINVAL && e.text[0]);
    assert_true(os_shm_create("test", UINT64_MAX, NULL) == -EINVAL);
}

static void test_random(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};
    (void)state;
    os_random(a, sizeof(a));
    os_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    os_random(a, 0);
    assert_true(os_host_memory() > UINT64_C(64) << 20);
    os_thread_name("a name that is far too long for a thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),     cmocka_unit_test(test_iov),
        cmocka_unit_test(test_err_set),  cmocka_unit_test(test_err_prefix),
        cmocka_unit_test(test_err_long), cmocka_unit_test(test_bug),
        cmocka_unit_test(test_log),      cmocka_unit_test(test_log_limit),
        cmocka_unit_test(test_clock),    cmocka_unit_test(test_shm),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
