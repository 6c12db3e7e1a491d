/* Strings, byte by byte: lengths, a byte searched, two compared, a word found in a text. */
#include "loops.h"

enum { LEN = 32768 };
static char text[LEN + 1], copy[LEN + 1];

static unsigned length(const char *s)
{
    const char *p = s;

    while (*p)
        p++;
    return (unsigned)(p - s);
}

static const char *find_byte(const char *s, char c)
{
    while (*s && *s != c)
        s++;
    return *s ? s : 0;
}

static int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a - *b;
}

static const char *find(const char *s, const char *word)
{
    for (; *s; s++) {
        unsigned i = 0;
        while (word[i] && s[i] == word[i])
            i++;
        if (!word[i])
            return s;
    }
    return 0;
}

static unsigned words(const char *s)
{
    unsigned nr = 0, in_word = 0;

    for (; *s; s++) {
        unsigned letter = (unsigned)(*s - 'a') < 26;
        nr += letter & ~in_word;
        in_word = letter;
    }
    return nr;
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    uint32_t seed = 1;

    for (unsigned i = 0; i < LEN; i++) {
        seed = seed * 1664525u + 1013904223u;
        copy[i] = text[i] = (char)((seed >> 24) % 7 ? 'a' + (seed >> 16) % 25 : ' ');
    }
    text[LEN - 8] = 'z';
    while (n--) {
        copy[LEN - 1 - n % 16] ^= 1;
        sum = sum * 31 + length(text);
        sum = sum * 31 + (uint64_t)(find_byte(text, 'z') - text);
        sum = sum * 31 + (uint64_t)(compare(text, copy) > 0);
        sum = sum * 31 + (uint64_t)(find(text, "hjz") ? 1 : 0);
        sum = sum * 31 + words(copy);
    }
    return sum;
}
