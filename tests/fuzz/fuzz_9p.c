/* Fuzz target: a hostile client of a shared folder. Whatever it says, the file beside the folder stays as it is.
 * Input: a byte of options, then messages: a byte, the length of the body (2 bytes), the body. The byte tells how the body is framed: as a message
 * of that type; or, with 255, not at all. */
#include "dev/p9/server.h"

#include "base/bits.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char top[64], folder[80], secret[80];
static struct stat secret_before;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    if (at->level && remove(path))
        abort();
    return 0;
}

/* Before a folder is gone through: the client may have taken the right to. */
static int open_up(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)at;
    if ((flag == FTW_D || flag == FTW_DNR) && (st->st_mode & 0700) != 0700)
        chmod(path, 0700);
    return 0;
}

static void empty(const char *path)
{
    nftw(path, open_up, 16, FTW_PHYS);
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static void clean_up(void)
{
    empty(top);
    rmdir(top);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) == EOF || fclose(f))
        abort();
}

static void make_top(void)
{
    snprintf(top, sizeof(top), "/tmp/vibe-fuzz-9p-XXXXXX");
    if (!mkdtemp(top))
        abort();
    atexit(clean_up);
    snprintf(folder, sizeof(folder), "%s/share", top);
    snprintf(secret, sizeof(secret), "%s/secret", top);
    write_file(secret, "secret");
    if (mkdir(folder, 0755) || lstat(secret, &secret_before))
        abort();
}

/* A folder, a file and a link in it, another link that leads out. */
static void fill_folder(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/a", folder);
    if (chmod(folder, 0755) || mkdir(path, 0755))
        abort();
    snprintf(path, sizeof(path), "%s/a/b", folder);
    write_file(path, "file");
    snprintf(path, sizeof(path), "%s/c", folder);
    if (symlink("../secret", path))
        abort();
    snprintf(path, sizeof(path), "%s/d", folder);
    if (symlink("..", path))
        abort();
}

static void check_secret(void)
{
    struct stat st;
    if (lstat(secret, &st) || st.st_size != secret_before.st_size ||
        st.st_mode != secret_before.st_mode || st.st_ino != secret_before.st_ino || st.st_nlink != 1 ||
        st.st_uid != secret_before.st_uid || st.st_mtime != secret_before.st_mtime)
        abort();
}

static struct p9_server *server;

/* Split at a place that the first byte tells, with room for the reply likewise. */
static void send_message(uint8_t *msg, size_t len)
{
    static uint8_t reply[P9_MIN_MSIZE];
    const size_t cut = len ? msg[len / 2] % len : 0,
                 room = len && msg[0] == 1 ? msg[len - 1] : sizeof(reply);
    const struct iovec out[2] = {{msg, cut}, {msg + cut, len - cut}},
                       in[2] = {{reply, room / 3}, {reply + room / 3, room - room / 3}};
    const size_t n = p9_server_handle(server, out, 2, in, 2);
    if (n > room || (n && n < 7))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t msg[70000];
    /* Tversion, and Tattach of fid 0 */
    static const uint8_t version[] = "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0"
                                     "9P2000.L";
    static const uint8_t attach[] = "\x17\0\0\0\x68\1\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0";

    if (!len)
        return 0;
    if (!*top)
        make_top();
    fill_folder();
    server = p9_server_create(folder, data[0] & 1, NULL);
    if (!server)
        abort();
    if (!(data[0] & 2)) {
        memcpy(msg, version, sizeof(version));
        send_message(msg, sizeof(version) - 1);
        memcpy(msg, attach, sizeof(attach));
        send_message(msg, sizeof(attach) - 1);
    }
    for (size_t at = 1; at + 3 <= len;) {
        const uint8_t type = data[at];
        size_t n = data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        n = MIN(n, len - at);
        if (type == 255) {
            memcpy(msg, data + at, n);
            send_message(msg, n);
        } else {
            const uint32_t size = (uint32_t)n + 7;
            memcpy(msg, &size, 4);
            msg[4] = type;
            msg[5] = msg[6] = 1;
            memcpy(msg + 7, data + at, n);
            send_message(msg, size);
        }
        at += n;
    }
    p9_server_destroy(server);
    check_secret();
    empty(folder);
    return 0;
}
