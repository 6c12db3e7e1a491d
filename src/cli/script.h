/* Scripts of what to await from the console and what to send to it: the language of --script, docs/ci.md. Parsing is pure. */
#ifndef VIBE_CLI_SCRIPT_H
#define VIBE_CLI_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct pattern;

#define SCRIPT_MAX_LEN (1u << 20) /* bytes of a file */
#define SCRIPT_MAX_STEPS 10000u
#define SCRIPT_DEFAULT_TIMEOUT_NS (UINT64_C(60) * 1000000000)

enum script_kind {
    SCRIPT_EXPECT, /* wait for the pattern */
    SCRIPT_SEND,   /* send the text */
    SCRIPT_FAIL,   /* from here on, what matches the pattern is a failure */
    SCRIPT_END,    /* wait for the guest to end the run, with success */
};

struct script_step {
    enum script_kind kind;
    unsigned line;           /* in the file, from 1 */
    uint64_t timeout_ns;     /* of SCRIPT_EXPECT and SCRIPT_END */
    struct pattern *pattern; /* of SCRIPT_EXPECT and SCRIPT_FAIL */
    char *text;              /* of SCRIPT_SEND: text_len bytes */
    size_t text_len;
    char *source; /* the statement, as it is written */
};

struct script {
    const char *name; /* of the file, the caller's */
    unsigned nr_steps;
    struct script_step *step;
};

/* Parses len bytes, any bytes; name is for messages, and has to outlive the script. 0, or -errno with "name:line: " before the reason. */
int script_parse(struct script *s, const char *name, const char *text, size_t len, struct err *e);

/* The same of a file; "-EINVAL" etc. with the option's name before the rest if it cannot be read. */
int script_load(struct script *s, const char *path, struct err *e);

void script_free(struct script *s);

#endif
