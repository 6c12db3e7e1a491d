/* Any bytes as the device tree of --dtb: refused, or what comes out is one, with the command line in it. */
#include "base/err.h"
#include "load/fdt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if HAVE_LIBFDT
#include <libfdt.h>
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct dt_chosen chosen = {"console=ttyAMA0", 0x48000000, 0x1000};
    struct err e = {0};
    uint8_t *blob;
    size_t blob_len;

    if (dt_adapt(data, len, &chosen, &blob, &blob_len, &e) < 0) {
        if (blob || !e.text[0] || e.code <= 0)
            abort();
        return 0;
    }
#if HAVE_LIBFDT
    int n = 0;
    if (blob_len > DT_MAX_LEN || fdt_check_full(blob, blob_len))
        abort();
    const char *args = fdt_getprop(blob, fdt_path_offset(blob, "/chosen"), "bootargs", &n);
    if (!args || n != (int)strlen(chosen.bootargs) + 1 || strcmp(args, chosen.bootargs) != 0)
        abort();
#endif
    free(blob);
    return 0;
}
