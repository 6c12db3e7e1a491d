/* ../README.md */
#ifndef MACOS_STDIO_H
#define MACOS_STDIO_H
#include <stdarg.h>
#include <sys/types.h>
typedef struct mac_file FILE;
extern FILE *__stdinp, *__stdoutp, *__stderrp;
#define stdin __stdinp
#define stdout __stdoutp
#define stderr __stderrp
#define EOF (-1)
#define BUFSIZ 1024
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_HOLE 3
#define SEEK_DATA 4
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2
int fclose(FILE *);
int feof(FILE *);
int ferror(FILE *);
int fflush(FILE *);
int fgetc(FILE *);
char *fgets(char *, int, FILE *);
int fileno(FILE *);
FILE *fdopen(int, const char *);
FILE *fopen(const char *, const char *);
int dprintf(int, const char *, ...) MAC_PRINTF(2, 3);
int fprintf(FILE *, const char *, ...) MAC_PRINTF(2, 3);
int fputc(int, FILE *);
int fputs(const char *, FILE *);
size_t fread(void *, size_t, size_t, FILE *);
int fseeko(FILE *, off_t, int);
off_t ftello(FILE *);
size_t fwrite(const void *, size_t, size_t, FILE *);
void perror(const char *);
int printf(const char *, ...) MAC_PRINTF(1, 2);
FILE *open_memstream(char **, size_t *);
int putc(int, FILE *);
int putchar(int);
int puts(const char *);
int remove(const char *);
int rename(const char *, const char *);
int renameat(int, const char *, int, const char *);
int setvbuf(FILE *, char *, int, size_t);
int snprintf(char *, size_t, const char *, ...) MAC_PRINTF(3, 4);
int sscanf(const char *, const char *, ...) __attribute__((format(scanf, 2, 3)));
FILE *tmpfile(void);
int vfprintf(FILE *, const char *, va_list) MAC_PRINTF(2, 0);
int vsnprintf(char *, size_t, const char *, va_list) MAC_PRINTF(3, 0);
#endif
