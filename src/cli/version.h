/* What this build is: its version, compiler, backends and optional libraries. Pure. */
#ifndef VIBE_CLI_VERSION_H
#define VIBE_CLI_VERSION_H

#include <stdio.h>

/* Program, version and revision in one line. */
const char *version_line(void);

void version_print(FILE *out);

#endif
