/* Any bytes as a kernel file: unpacked where they look compressed, and the header read. What is accepted has to keep its promises. */
#include "base/err.h"
#include "load/image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (UINT64_C(1) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct err e = {0};
    struct linux_image img;
    uint8_t *buf = malloc(len ? len : 1);

    if (!buf)
        abort();
    if (len)
        memcpy(buf, data, len);
    if (kernel_unpack(&buf, &len, LIMIT, &e) < 0) {
        if (!e.text[0] || e.code <= 0)
            abort();
    } else if (linux_image_parse(buf, len, &img, &e) < 0) {
        if (!e.text[0] || e.code <= 0)
            abort();
    } else if (img.mem_len < len || img.mem_len > LINUX_IMAGE_MAX ||
               img.text_offset > LINUX_IMAGE_MAX || (img.text_offset & 3)) {
        abort();
    }
    free(buf);
    return 0;
}
