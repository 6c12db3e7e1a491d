/* --self-test: what this build can do on this host. Main thread. */
#ifndef VIBE_CLI_SELF_TEST_H
#define VIBE_CLI_SELF_TEST_H

#include <stdio.h>

void self_test_print(FILE *out);

#endif
