/* The exit statuses of the program, as --help status tells them. */
#ifndef VIBE_CLI_STATUS_H
#define VIBE_CLI_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* vibevmm itself: the backend, an output file; of ctl, what was asked for; of fork, a variant */
    STATUS_USAGE = 2,
    STATUS_TIMEOUT = 3,
    STATUS_STUCK = 4,
    STATUS_UNEXPECTED = 5, /* cli/contract.c decides */
    STATUS_SIGNAL = 128,   /* + its number */
};

#endif
