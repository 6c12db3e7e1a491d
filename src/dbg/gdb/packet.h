/* Framing of the gdb remote protocol: bytes into packets, packets into bytes. Pure; any thread.
 *
 * Specification: "Debugging with GDB", appendix "The GDB Remote Serial Protocol", "Overview". */
#ifndef VIBE_DBG_GDB_PACKET_H
#define VIBE_DBG_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a packet may hold, either way, as it is between $ and #: told by qSupported. */
#define GDB_PACKET_MAX 0x8000u

enum gdb_input {
    GDB_INPUT_NONE,      /* more is needed */
    GDB_INPUT_PACKET,    /* parser.data[0..len), unescaped; a zero is behind it */
    GDB_INPUT_BAD,       /* one that was damaged, or too long */
    GDB_INPUT_ACK,       /* + */
    GDB_INPUT_NAK,       /* - */
    GDB_INPUT_INTERRUPT, /* Ctrl-C */
};

struct gdb_parser {
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_1, GDB_SUM_2 } state;
    uint8_t sum, wanted;
    bool too_long, bad_sum;
    bool no_sums; /* they are there, and not looked at: QStartNoAckMode */
    size_t len;
    char data[GDB_PACKET_MAX + 1];
};

/* The next byte of the connection. Data is valid until the next call. */
enum gdb_input gdb_parse(struct gdb_parser *p, uint8_t byte);

/* How many bytes gdb_frame() makes of len at most. */
#define GDB_FRAME_MAX(len) (2 * (len) + 4)

/* A packet: escaped, repetitions shortened, with its checksum. lead is $, or % of a notification. Returns its length. */
size_t gdb_frame(char *out, char lead, const char *data, size_t len);

/* --- Hexadecimal ---------------------------------------------------------------------------------------------------- */

/* 0 to 15, or -1. */
int gdb_hex_digit(char c);
/* A number at *p, of 64 bits at most; moves *p behind it. False: there is none, or too large a one. */
bool gdb_hex_number(const char **p, uint64_t *val);
/* Two digits for each of len bytes; no zero behind them. Returns 2 * len. */
size_t gdb_hex_put(char *out, const void *bytes, size_t len);
/* Bytes from 2 * len digits. False: others than digits, or fewer. */
bool gdb_hex_get(void *bytes, size_t len, const char *hex, size_t hex_len);

#endif
