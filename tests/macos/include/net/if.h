/* ../../README.md */
#ifndef MACOS_NET_IF_H
#define MACOS_NET_IF_H
#define IF_NAMESIZE 16
#define IFNAMSIZ IF_NAMESIZE
unsigned int if_nametoindex(const char *);
#endif
