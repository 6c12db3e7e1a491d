/* ../README.md. The compiler's own has the rest. */
#include_next <limits.h>
#ifndef PATH_MAX
#define PATH_MAX 1024
#define NAME_MAX 255
#define IOV_MAX 1024
#define PIPE_BUF 512
#define _POSIX_PIPE_BUF 512
#endif
