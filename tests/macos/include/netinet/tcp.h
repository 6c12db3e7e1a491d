/* ../../README.md */
#ifndef MACOS_NETINET_TCP_H
#define MACOS_NETINET_TCP_H
#define TCP_NODELAY 0x01
#endif
