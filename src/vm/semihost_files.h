/* The guest's files of semihosting: handles, and the folder in which the files are. No name leads out of the folder, whatever the guest or the host
 * does there meanwhile (dev/p9/tree.h).
 *
 * One at a time; the caller has a lock. Functions return 0 or more, or -errno of the host's. */
#ifndef VIBE_VM_SEMIHOST_FILES_H
#define VIBE_VM_SEMIHOST_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct snap;
struct semihost_files;

#define SEMIHOST_MAX_FILES 64u
#define SEMIHOST_MAX_NAME 4095u

enum semihost_kind {
    SEMIHOST_CLOSED,
    SEMIHOST_CONSOLE, /* ":tt": the caller's affair */
    SEMIHOST_FEATURES,
    SEMIHOST_FILE,
};

/* dir: null, and there are no files but the special ones. Null with e set when it is no folder. */
struct semihost_files *semihost_files_create(const char *dir, bool read_only, struct err *e);
void semihost_files_destroy(struct semihost_files *f); /* null is fine */
void semihost_files_close_all(struct semihost_files *f);
/* The handles to or from a snapshot, which has none of files: saving fails while one is open. */
void semihost_files_snap(struct semihost_files *f, struct snap *s);

/* A handle, never 0. mode: as SYS_OPEN has it. */
int semihost_open(struct semihost_files *f, const char *name, unsigned mode);
int semihost_close(struct semihost_files *f, uint64_t handle);
enum semihost_kind semihost_kind(const struct semihost_files *f, uint64_t handle);
/* Bytes done; of a read at the end of the file 0. */
int64_t semihost_read(struct semihost_files *f, uint64_t handle, void *buf, size_t len);
int64_t semihost_write(struct semihost_files *f, uint64_t handle, const void *buf, size_t len);
int semihost_seek(struct semihost_files *f, uint64_t handle, uint64_t at);
int64_t semihost_len(const struct semihost_files *f, uint64_t handle);

int semihost_remove(struct semihost_files *f, const char *name);
int semihost_rename(struct semihost_files *f, const char *from, const char *to);

#endif
