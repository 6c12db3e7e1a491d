/* Any bytes as an ELF file: parsed, and loaded where the parser takes them. What it accepts has to keep its promises. */
#include "base/err.h"
#include "load/load.h"
#include "mem/ram.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct ram ram;
    static int ready;
    if (!ready) {
        ready = 1;
        if (ram_init(&ram, NULL) < 0 || ram_add(&ram, 0, 0x100000, RAM_KIND_RAM, NULL) < 0 ||
            ram_add(&ram, 0x40000000, 0x100000, RAM_KIND_RAM, NULL) < 0)
            abort();
    }

    struct elf_image elf;
    struct err e = {0};
    if (elf_parse(data, len, &elf, &e) < 0) {
        if (!e.text[0] || e.code <= 0)
            abort();
        return 0;
    }
    if (elf.nr_segments == 0 || elf.nr_segments > ELF_MAX_SEGMENTS || (elf.entry & 3))
        abort();
    for (unsigned i = 0; i < elf.nr_segments; i++) {
        const struct elf_segment *s = &elf.segment[i];
        if (s->mem_len == 0 || s->file_len > s->mem_len || s->offset > len ||
            s->file_len > len - s->offset || s->base + (s->mem_len - 1) < s->base)
            abort();
        if (i && elf.segment[i - 1].base + (elf.segment[i - 1].mem_len - 1) >= s->base)
            abort();
    }
    static struct load_map map;
    map.nr = 0;
    elf_load(&elf, data, &ram, &map, "--kernel", &e);
    return 0;
}
