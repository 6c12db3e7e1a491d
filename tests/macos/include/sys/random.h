/* ../../README.md */
#ifndef MACOS_SYS_RANDOM_H
#define MACOS_SYS_RANDOM_H
#include <sys/types.h>
int getentropy(void *, size_t);
#endif
