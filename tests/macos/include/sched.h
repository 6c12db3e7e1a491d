/* ../README.md */
#ifndef MACOS_SCHED_H
#define MACOS_SCHED_H
int sched_yield(void);
#endif
