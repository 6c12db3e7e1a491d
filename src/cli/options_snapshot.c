/* What a snapshot has to do with the command line: which options it remembers, what they are when it is loaded, and which may be given anew. Before any
 * thread starts. */
#include "cli/options_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "vm/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether the user may give another value than the snapshot has. */
enum may { FIXED, FREE };
/* The file name in a value, if there is one: the value begins with it, and goes on with the rest of a list. */
enum where { NO_FILE, FILE_FIRST, LIST_FIRST };

static const struct rule {
    bool known;
    enum may may;
    enum where file;
} rules[NR_OPTIONS] = {
#define MACHINE(id, may, file) [OPT_##id] = {true, may, file},
#include "cli/options.def"
};

int set_snapshot_save(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->vm.snapshot_save, e);
}

/* "FILE", or "FILE,unverified". options_load_snapshot() has opened it. */
int set_snapshot_load(struct options *o, const char *text, struct err *e)
{
    (void)o, (void)text, (void)e;
    return 0;
}

/* --- File names that mean the same anywhere ------------------------------------------------------------------------------ */

/* Text with every comma twice, as lists have it. */
static void put_text(char *to, size_t room, const char *text, bool list)
{
    size_t n = strlen(to);

    for (; *text && n + 2 < room; text++) {
        to[n++] = *text;
        if (list && *text == ',')
            to[n++] = *text;
    }
    to[n] = 0;
}

static void put_path(char *to, size_t room, const char *dir, const char *path, bool list)
{
    if (*path && *path != '/') {
        put_text(to, room, dir, list);
        put_text(to, room, "/", false);
    }
    put_text(to, room, path, list);
}

/* The value with its file names from the root on. Null: out of memory, or longer than any. */
static const char *absolute(struct options *o, enum where file, const char *value, struct err *e)
{
    char dir[4096], full[16384] = "";

    if (file == NO_FILE || !value)
        return value;
    if (!getcwd(dir, sizeof(dir))) {
        err_set(e, errno, "the current folder: %s", strerror(errno));
        return NULL;
    }
    if (file == FILE_FIRST) {
        put_path(full, sizeof(full), dir, value, false);
    } else {
        char *rest = option_keep(o, value, strlen(value), e);
        for (char *part = rest ? option_next_part(&rest) : NULL; part; part = option_next_part(&rest)) {
            const char *overlay = option_value(part, "overlay");
            if (!*full) {
                put_path(full, sizeof(full), dir, part, true);
                continue;
            }
            put_text(full, sizeof(full), overlay ? ",overlay=" : ",", false);
            if (overlay)
                put_path(full, sizeof(full), dir, overlay, true);
            else
                put_text(full, sizeof(full), part, true);
        }
    }
    if (strlen(full) + 3 > sizeof(full)) {
        err_set(e, E2BIG, "longer than %zu characters", sizeof(full) - 3);
        return NULL;
    }
    return option_keep(o, full, strlen(full), e);
}

/* --- What is remembered -------------------------------------------------------------------------------------------------- */

int option_remember(struct options *o, unsigned n, const char *value, struct err *e)
{
    if (!rules[n].known)
        return 0;
    if (o->vm.nr_words == VM_MAX_WORDS)
        return err_set(e, E2BIG, "more than %d options that make the machine", VM_MAX_WORDS);
    const char *full = absolute(o, rules[n].file, value, e);
    if (value && !full)
        return -e->code;
    o->vm.word[o->vm.nr_words++] = (struct vm_word){option_table[n].name, full};
    return 0;
}

static unsigned count_words(const struct vm_word *w, unsigned nr, const char *name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nr; i++)
        n += !strcmp(w[i].option, name);
    return n;
}

static void forget_words(struct vm_options *v, const char *name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < v->nr_words; i++)
        if (strcmp(v->word[i].option, name) != 0)
            v->word[n++] = v->word[i];
    v->nr_words = n;
}

/* --- What was remembered ------------------------------------------------------------------------------------------------- */

int options_load_snapshot(struct options *o, const char *text, struct err *e)
{
    char *rest = option_keep(o, text, strlen(text), e), *part;
    int r;

    if (!rest)
        return -ENOMEM;
    const char *path = option_next_part(&rest);
    if ((r = option_parse_file(path, &path, e)))
        return r;
    while ((part = option_next_part(&rest))) {
        if (strcmp(part, "unverified") != 0)
            return err_set(e, EINVAL, "\"%.80s\" is not unverified, which is all that may follow", part);
        o->vm.verified = true;
    }
    if ((r = snapshot_open(&o->snapshot, path, e)) || (r = snapshot_words(o->snapshot, &o->words, e)))
        return r;
    o->vm.snapshot = o->snapshot;
    return 0;
}

int option_of_word(const struct vm_word *w, struct err *e)
{
    for (unsigned n = 0; n < NR_OPTIONS; n++)
        if (rules[n].known && !strcmp(option_table[n].name, w->option))
            return (int)n;
    return err_set(e, EINVAL, "it has an option --%.40s, which this vibevmm does not know", w->option);
}

/* Something that is given anew replaces all that there was of its kind. */
static void begin_anew(struct options *o, unsigned n)
{
    forget_words(&o->vm, option_table[n].name);
    switch (n) {
    case OPT_DISK: o->vm.nr_disks = 0; break;
    case OPT_NET: o->vm.nr_nets = 0; break;
    case OPT_SHARE: o->vm.nr_shares = 0; break;
    default: break;
    }
}

static int not_the_same(const struct options *o, const char *name, const char *value, struct err *e)
{
    for (unsigned i = 0; i < o->words.nr; i++)
        if (!strcmp(o->words.word[i].option, name))
            return err_set(e, EINVAL,
                           "the machine of the snapshot has --%s%s%.100s, and no other; leave --%s out",
                           name, o->words.word[i].value ? " " : "",
                           o->words.word[i].value ? o->words.word[i].value : "", name);
    return err_set(e, EINVAL, "the machine of the snapshot was made without --%s%s%.100s; leave it out",
                   name, value ? " " : "", value ? value : "");
}

int option_beside_snapshot(struct options *o, unsigned n, const char *value, bool first, struct err *e)
{
    const char *name = option_table[n].name;
    const struct rule *rule = &rules[n];

    if (!rule->known)
        return 0;
    if (rule->may == FREE && (n == OPT_CONSOLE || count_words(o->words.word, o->words.nr, name))) {
        if (first)
            begin_anew(o, n);
        return 0;
    }
    const char *full = absolute(o, rule->file, value, e);
    if (value && !full)
        return -e->code;
    for (unsigned i = 0; i < o->words.nr; i++) {
        const struct vm_word *w = &o->words.word[i];
        if (!strcmp(w->option, name) && (w->value && full ? !strcmp(w->value, full) : w->value == full))
            return 1; /* as it is already */
    }
    return not_the_same(o, name, value, e);
}

int options_check_snapshot(const struct options *o, struct err *e)
{
    for (unsigned n = 0; n < NR_OPTIONS; n++) {
        const char *name = option_table[n].name;
        const unsigned were = count_words(o->words.word, o->words.nr, name),
                       are = count_words(o->vm.word, o->vm.nr_words, name);
        if (rules[n].known && rules[n].may == FREE && n != OPT_CONSOLE && were != are)
            return err_set(e, EINVAL,
                           "--%s is given %u times, and the machine of the snapshot has %u; give all of them anew, or none",
                           name, are, were);
    }
    return 0;
}
