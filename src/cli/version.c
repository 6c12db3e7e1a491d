/* --version. The Makefile defines VIBE_VERSION, VIBE_REVISION and VIBE_BUILD for this file alone, so that a new commit recompiles
 * nothing else; HAVE_X tells which optional libraries were found. */
#include "cli/version.h"

#include "dbg/lines.h"
#include "dev/net/user.h"
#include "vm/backends.h"

#include <sys/utsname.h>

#if HAVE_CAPSTONE
#include <capstone.h>
#endif
#if HAVE_JANSSON
#include <jansson.h>
#endif
#if HAVE_ZLIB
#include <zlib.h>
#endif
#if HAVE_ZSTD
#include <zstd.h>
#endif

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *version_line(void)
{
    return VIBE_REVISION[0] ? "vibevmm " VIBE_VERSION " (" VIBE_REVISION ")" : "vibevmm " VIBE_VERSION;
}

void version_print(FILE *out)
{
    struct utsname u;
    fprintf(out, "%s\n", version_line());
    fprintf(out, "build:     %s, %s\n", VIBE_BUILD, COMPILER);
    if (uname(&u) == 0)
        fprintf(out, "host:      %s %s\n", u.sysname, u.machine);
    fprintf(out, "backends: ");
    for (unsigned i = 0; i < NR_BACKENDS; i++)
        if (backends[i].ops)
            fprintf(out, " %s", backends[i].name);
    fputc('\n', out);
#if HAVE_LIBFDT
    fprintf(out, "libfdt:    yes\n");
#else
    fprintf(out, "libfdt:    no (no device trees, so no Linux)\n");
#endif
#if HAVE_ZLIB
    fprintf(out, "zlib:      yes (%s)\n", zlibVersion());
#else
    fprintf(out, "zlib:      no (no gzip-compressed kernels)\n");
#endif
#if HAVE_ZSTD
    fprintf(out, "zstd:      yes (%s)\n", ZSTD_versionString());
#else
    fprintf(out, "zstd:      no (no zstd-compressed kernels)\n");
#endif
    if (net_user_version())
        fprintf(out, "libslirp:  yes (%s)\n", net_user_version());
    else
        fprintf(out, "libslirp:  no (no user-mode networking)\n");
#if HAVE_JANSSON
    fprintf(out, "jansson:   yes (%s)\n", JANSSON_VERSION);
#else
    fprintf(out, "jansson:   no (no control socket)\n");
#endif
    if (lines_version())
        fprintf(out, "libdw:     yes (%s)\n", lines_version());
    else
        fprintf(out, "libdw:     no (no coverage)\n");
#if HAVE_CAPSTONE
    int major, minor;
    cs_version(&major, &minor);
    fprintf(out, "capstone:  yes (%d.%d)\n", major, minor);
#else
    fprintf(out, "capstone:  no\n");
#endif
}
