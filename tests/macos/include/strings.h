/* ../README.md */
#ifndef MACOS_STRINGS_H
#define MACOS_STRINGS_H
#include <sys/types.h>
int ffs(int);
int strcasecmp(const char *, const char *);
int strncasecmp(const char *, const char *, size_t);
#endif
