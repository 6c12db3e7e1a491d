/* The files of a shared folder that the guest has names for, and the only way to the host's files from these names.
 *
 * A node is a place in the folder: a name in a parent node. Whatever is done there begins at the folder's own descriptor and goes down one name
 * at a time, never through a symbolic link, and a name is never "..", "." or a path. So no node leads out of the folder, whatever the guest or
 * the host renames meanwhile, nor to another directory than it was when the guest walked there.
 *
 * When a file is renamed through the tree its node moves along, with all below it. A node whose file was removed, or replaced by another, is dead:
 * it leads nowhere.
 *
 * Threads: one at a time. */
#ifndef VIBE_DEV_P9_TREE_H
#define VIBE_DEV_P9_TREE_H

#include "dev/p9/proto.h"

#include <sys/stat.h>

struct err;
struct p9_node;
struct p9_tree;
struct snap;

#define P9_MAX_DEPTH 512u          /* of a node that is to be used */
#define P9_MAX_NODES (512u * 1024) /* some 100 bytes each */
#define P9_MAX_NAME 255u

/* Null with e set when dir is not a folder that can be read. */
struct p9_tree *p9_tree_create(const char *dir, struct err *e);
/* After every node was put. */
void p9_tree_destroy(struct p9_tree *t);

/* Nodes are counted: who keeps one gets it, and puts it later. The root is there as long as the tree. */
struct p9_node *p9_tree_root(struct p9_tree *t);
struct p9_node *p9_node_get(struct p9_node *n);
void p9_node_put(struct p9_tree *t, struct p9_node *n);

/* What the file was when the node was walked to: S_IFDIR, S_IFREG and so on. */
mode_t p9_node_type(const struct p9_node *n);

/* The functions below return 0, or a descriptor, or -errno. Descriptors stay the tree's, and open until the second next call. */

/* The node's file for *at() calls: *name in the directory that is returned. The root is "." in itself. */
int p9_tree_at(struct p9_tree *t, struct p9_node *n, const char **name);

/* The directory that n is. */
int p9_tree_dir(struct p9_tree *t, struct p9_node *n);

/* One step: *out is the caller's to put. ".." leads to the parent, from the root to the root. */
int p9_tree_walk(struct p9_tree *t, struct p9_node *dir, const char *name, struct p9_node **out,
                 struct stat *st);

/* 0, or -errno for what may not be the name of a new or a removed file. */
int p9_check_name(const char *name);

int p9_tree_rename(struct p9_tree *t, struct p9_node *from, const char *from_name,
                   struct p9_node *to, const char *to_name);
int p9_tree_unlink(struct p9_tree *t, struct p9_node *dir, const char *name, bool is_dir);

/* The same for a node: -EBUSY for the root. */
int p9_node_rename(struct p9_tree *t, struct p9_node *n, struct p9_node *to, const char *to_name);
int p9_node_unlink(struct p9_tree *t, struct p9_node *n);

/* The way to the node, from the root: "" for that, "a/b" otherwise; malloc'd; null of a node that is dead. 0 or -ENOMEM. */
int p9_node_path(const struct p9_tree *t, const struct p9_node *n, char **path);
/* By st_dev, st_ino and st_mode: which file a node is; and a node of that file that is dead, the caller's to put (null: out of memory). */
void p9_node_stat(const struct p9_node *n, struct stat *st);
struct p9_node *p9_tree_dead(struct p9_tree *t, const struct stat *st);
/* Which file systems the numbers of files tell apart, to or from a snapshot. */
void p9_tree_snap(struct p9_tree *t, struct snap *s);

/* The file's identity for the guest: one number, of device and inode. */
struct p9_qid p9_tree_qid(struct p9_tree *t, const struct stat *st);
uint64_t p9_tree_qid_path(struct p9_tree *t, dev_t dev, ino_t ino);

#endif
