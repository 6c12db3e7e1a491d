/* ../README.md */
#ifndef MACOS_STDLIB_H
#define MACOS_STDLIB_H
#include <sys/types.h>
#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff
void abort(void) MAC_NORETURN;
int abs(int);
void *aligned_alloc(size_t, size_t);
uint32_t arc4random(void);
void arc4random_buf(void *, size_t);
int atexit(void (*)(void));
int atoi(const char *);
void *bsearch(const void *, const void *, size_t, size_t, int (*)(const void *, const void *));
void *calloc(size_t, size_t);
void exit(int) MAC_NORETURN;
void free(void *);
char *getenv(const char *);
void *malloc(size_t);
int mkstemp(char *);
int posix_memalign(void **, size_t, size_t);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
void *realloc(void *, size_t);
char *realpath(const char *, char *);
double strtod(const char *, char **);
long strtol(const char *, char **, int);
long long strtoll(const char *, char **, int);
unsigned long strtoul(const char *, char **, int);
unsigned long long strtoull(const char *, char **, int);
#endif
