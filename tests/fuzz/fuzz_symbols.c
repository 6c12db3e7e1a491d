/* Any bytes as an ELF file's symbols and as a symbol map. Whatever is taken is sorted, and is found again where it says. */
#include "base/err.h"
#include "load/symbols.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(struct symbols *s, int r, const struct err *e)
{
    if (r < 0 && (!e->text[0] || e->code <= 0))
        abort();
    symbols_sort(s);
    for (size_t i = 0; i < s->nr; i++) {
        const struct symbol *y = &s->symbol[i];
        char text[32];
        if (!y->len || y->addr + (y->len - 1) < y->addr || (i && y[-1].addr > y->addr))
            abort();
        const struct symbol *found = symbols_find(s, y->addr);
        if (!found || found->addr != y->addr ||
            symbols_text(s, y->addr, text, sizeof(text)) >= sizeof(text))
            abort();
        if (!symbols_by_name(s, symbols_name(s, y)) || i > 100)
            break;
    }
    symbols_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct symbols s = {0};
    struct err e = {0};

    if (!len)
        return 0;
    const uint64_t offset = (uint64_t)data[0] << 56 | data[0];
    check(&s, symbols_add_map(&s, data + 1, len - 1, offset, &e), &e);
    e = (struct err){0};
    check(&s, symbols_add_elf(&s, data + 1, len - 1, offset, &e), &e);
    return 0;
}
