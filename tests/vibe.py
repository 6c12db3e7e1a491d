"""What the tests of the program share: where it is, small guests as machine code, and running it."""
import os
import signal
import struct
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.environ.get("VIBEVMM", os.path.join(ROOT, "bin", "vibevmm"))
# A background job of a script, or under nohup, inherits ignored signals; what the tests start must not.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

LIMIT_S = 60  # a test machine under load; far above what anything here takes


class InFolder(unittest.TestCase):
    """Each test has an empty folder of its own."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tmp = os.path.realpath(tmp.name)

    def path(self, *names):
        return os.path.join(self.tmp, *names)


def code(*words):
    return b"".join(struct.pack("<I", w) for w in words)


SYSTEM_OFF = (0x52B08000, 0x72800100, 0xD4000002, 0x14000000)  # mov w0, #0x84000008; hvc #0; b .

POWER_OFF = code(*SYSTEM_OFF)
RESET = code(0x52B08000, 0x11002400, 0xD4000002, 0x14000000)  # mov w0, #0x84000000; add w0, w0, #9; hvc #0; b .
WFI_LOOP = code(0xD503207F, 0x17FFFFFF)  # 1: wfi; b 1b
SPIN = code(0x14000000)  # b .
UNDEFINED = code(0)  # udf #0: and VBAR_EL1 is 0, where there is no code either

# Sends back what comes in on the PL011.
ECHO = code(
    0xD2A12001,  # mov  x1, #0x09000000
    0x52806020,  # mov  w0, #0x301           UARTEN, TXE, RXE
    0xB9003020,  # str  w0, [x1, #0x30]      UARTCR
    0xB9401820,  # 1: ldr w0, [x1, #0x18]    UARTFR
    0x3727FFE0,  # tbnz w0, #4, 1b           RXFE
    0x39400020,  # ldrb w0, [x1]             UARTDR
    0x39000020,  # strb w0, [x1]
    0x17FFFFFC,  # b    1b
)

# Writes the low byte of a counter from 0x30000 down to 1, then powers off.
NR_FLOOD = 0x30000
FLOOD = code(
    0xD2A12001,  # mov  x1, #0x09000000
    0x52A00062,  # mov  w2, #0x30000
    0x39000022,  # 1: strb w2, [x1]
    0x71000442,  # subs w2, w2, #1
    0x54FFFFC1,  # b.ne 1b
    *SYSTEM_OFF,
)


def exit_with(status):
    """Ends the run with that status: mov w0, #0x86000100; mov w1, #status; hvc #0; b ."""
    return code(0x52B0C000, 0x72802000, 0x52800001 | status << 5, 0xD4000002, 0x14000000)


def printing(text, then):
    """Writes the bytes of text, which has no zero in it, to the PL011; then goes on with the code `then`."""
    head = code(
        0xD2A12002,  # mov  x2, #0x09000000
        0x10000001 | (6 * 4 + len(then) - 4) // 4 << 5,  # adr x1, text
        0x38401420,  # 1: ldrb w0, [x1], #1
        0x34000060,  # cbz  w0, 2f
        0x39000040,  # strb w0, [x2]
        0x17FFFFFD,  # b    1b
    )  # 2:
    return head + then + text + bytes(4)


def flood_bytes():
    return bytes(n & 0xFF for n in range(NR_FLOOD, 0, -1))


def elf(segments, entry, machine=183, elf_class=2, elf_type=2, data=1):
    """segments: (flags, address, bytes, memory length) each."""
    head = b"\x7fELF" + bytes([elf_class, data, 1]) + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", elf_type, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    at = 64 + 56 * len(segments)
    table = blob = b""
    for flags, address, content, mem_len in segments:
        table += struct.pack("<IIQQQQQQ", 1, flags, at + len(blob), address, address, len(content), mem_len, 4)
        blob += content
    return head + table + blob


def run(*args, stdin=b"", **more):
    """CompletedProcess with bytes; stdin is what the guest reads."""
    return subprocess.run([PROGRAM, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=LIMIT_S, **more)
