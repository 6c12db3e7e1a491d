/* Memory for code, and CPUID. */
#include "cpu/jit/host_code.h"

#include "base/err.h"
#include "base/os.h"
#include "cpu/jit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

bool host_code_available(void)
{
    return true;
}

uint32_t host_code_features(void)
{
    unsigned a, b, c, d;
    uint32_t f = 0;
    bool ymm = false, zmm = false;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    f |= c & bit_SSE4_2 ? JIT_HOST_SSE42 : 0;
    f |= c & bit_AES ? JIT_HOST_AES : 0;
    f |= c & bit_PCLMUL ? JIT_HOST_PCLMUL : 0;
    if (c & bit_OSXSAVE) {
        uint32_t lo, hi;
        __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
        ymm = (lo & 6) == 6;
        zmm = (lo & 0xe6) == 0xe6;
    }
    if (ymm && (c & bit_AVX)) {
        f |= JIT_HOST_AVX;
        f |= c & bit_FMA ? JIT_HOST_FMA : 0;
        f |= c & bit_F16C ? JIT_HOST_F16C : 0;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        f |= (b & bit_BMI) && (b & bit_BMI2) ? JIT_HOST_BMI2 : 0;
        f |= (f & JIT_HOST_AVX) && (b & bit_AVX2) ? JIT_HOST_AVX2 : 0;
        f |= b & bit_SHA ? JIT_HOST_SHA : 0;
        const unsigned avx512 = bit_AVX512F | bit_AVX512VL | bit_AVX512BW | bit_AVX512DQ;
        f |= zmm && (f & JIT_HOST_AVX2) && (b & avx512) == avx512 ? JIT_HOST_AVX512 : 0;
        f |= (c & bit_VAES) && (c & bit_VPCLMULQDQ) ? JIT_HOST_VAES : 0;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        f |= c & bit_LZCNT ? JIT_HOST_LZCNT : 0;
    return f;
}
#else
bool host_code_available(void)
{
    return false;
}

uint32_t host_code_features(void)
{
    return 0;
}
#endif

int host_code_map(uint32_t len, uint8_t **rw, uint8_t **rx, struct err *e)
{
    const int fd = os_shm_create("code", len, e);

    if (fd < 0)
        return fd;
    void *w = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *x = mmap(NULL, len, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    const int error = errno;
    close(fd);
    if (w == MAP_FAILED || x == MAP_FAILED) {
        if (w != MAP_FAILED)
            munmap(w, len);
        if (x != MAP_FAILED)
            munmap(x, len);
        return err_set(e, error, "mapping %u MiB for translated code: %s", len >> 20, strerror(error));
    }
    *rw = w;
    *rx = x;
    return 0;
}

void host_code_unmap(uint8_t *rw, uint8_t *rx, uint32_t len)
{
    munmap(rw, len);
    munmap(rx, len);
}
