/* What the files of the command line's options share and nobody else sees.
 *
 * An option is a row of options.def and a function set_NAME() in the file of its topic, options_*.c. Before any thread starts. */
#ifndef VIBE_CLI_OPTIONS_INTERNAL_H
#define VIBE_CLI_OPTIONS_INTERNAL_H

#include "cli/options.h"

#include <stddef.h>

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

enum option_topic {
#define TOPIC(id, name, title) TOPIC_##id,
#include "cli/options.def"
    NR_TOPICS
};

enum option_arg {
    ARG_NONE,
    ARG_NEEDED,    /* --opt VALUE or --opt=VALUE */
    ARG_OPTIONAL,  /* --opt or --opt=VALUE */
    ARG_NEXT_WORD, /* as optional, and a next argument that is no option is taken: --help TOPIC */
};

enum option_count {
    ONCE, /* twice with different values is an error */
    REPEATED,
};

/* text is null where no argument was given. 0, or -errno with what is wrong and the cure; the option's name is put before it. */
typedef int option_set_fn(struct options *o, const char *text, struct err *e);

enum option_id {
#define OPTION(id, name, kind, arg, topic, count, set, help) OPT_##id,
#include "cli/options.def"
    NR_OPTIONS
};

#define OPTION(id, name, kind, arg, topic, count, set, help) option_set_fn set;
#include "cli/options.def"

struct option_desc {
    const char *name; /* without the dashes */
    enum option_arg kind;
    const char *arg; /* as help shows it, or null */
    enum option_topic topic;
    enum option_count count;
    option_set_fn *set;
    const char *help; /* lines of up to 74 columns */
};

extern const struct option_desc option_table[NR_OPTIONS];

/* ---- values: options_values.c ----------------------------------------------------------------------------------------------- */

/* The digits at *p, decimal or hexadecimal after 0x; moves *p behind them. -EINVAL: none; -ERANGE: above 64 bits. */
int option_scan_number(const char **p, uint64_t *val);

/* Seconds with up to nine decimals, as nanoseconds; not 0. */
int option_parse_seconds(const char *text, uint64_t *ns, struct err *e);

/* A file name, which is not empty; kept, not copied. */
int option_parse_file(const char *text, const char **path, struct err *e);

struct option_choice {
    const char *name; /* null ends the list */
    int val;
};
int option_parse_choice(const struct option_choice *c, const char *text, int *val, struct err *e);

/* A copy of len bytes that lives as long as o, or null. */
char *option_keep(struct options *o, const char *text, size_t len, struct err *e);

/* The parts of a list as "DIR,tag=T,ro", one a call: cut out of *rest in place, which is null behind the last. A comma that belongs to a
 * part is written twice. */
char *option_next_part(char **rest);
/* The value of a part "NAME=VALUE"; null when it is none of that name. */
const char *option_value(const char *part, const char *name);

/* ---- options_snapshot.c ----------------------------------------------------------------------------------------------------- */

/* The option may be one that a snapshot remembers; it has been parsed. */
int option_remember(struct options *o, unsigned n, const char *value, struct err *e);
/* Opens the snapshot of --snapshot-load and reads o->words. */
int options_load_snapshot(struct options *o, const char *text, struct err *e);
/* Which option a word of it is; -EINVAL: none that it may have. */
int option_of_word(const struct vm_word *w, struct err *e);
/* An option of the user's beside a snapshot, the first of its kind or not. 0: it is to be parsed; 1: it says what is so already; -EINVAL. */
int option_beside_snapshot(struct options *o, unsigned n, const char *value, bool first, struct err *e);
/* When all are known. */
int options_check_snapshot(const struct options *o, struct err *e);

/* ---- options_help.c --------------------------------------------------------------------------------------------------------- */

/* What the user may have meant by `word` (len bytes), of the candidates offered one by one; {0} to begin. */
struct option_guess {
    const char *best;
    unsigned distance;
};
void option_guess_offer(struct option_guess *g, const char *candidate, const char *word, size_t len);

#endif
