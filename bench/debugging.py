"""What it costs to be looked at while nothing is stopped: a debugger that is connected, what it waits for, the control socket; on a loop that computes,
on exits, and on a store that is made again and again."""
import os
import socket
import subprocess
import time

import bare
import observe
from common import LIMIT_S, median, sum_and_ns
import gdb_client

NEVER = 0x40210000 + 0x7FFFF0  # nothing is there
# What the debugger sets before it lets the guest go.
ROWS = (
    ("a debugger is connected", ()),
    ("a breakpoint elsewhere", ("Z1,%x,4" % NEVER,)),
    ("16 of them", tuple("Z1,%x,4" % (NEVER - 4 * n) for n in range(16))),
    ("a watchpoint of memory that nobody touches", ("Z2,%x,8" % NEVER,)),
)


def start(bench, elf, *options):
    return subprocess.Popen([bench.program, "--kernel", elf, "--timeout", str(LIMIT_S), "--stats=none", *options], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def connect(p, path):
    while True:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            s.settimeout(LIMIT_S)
            return s
        except OSError:  # it is about to listen
            s.close()
            if p.poll() is not None:
                raise
            time.sleep(0.001)


def ns_of(p, rounds):
    out, _ = p.communicate(timeout=LIMIT_S)
    if p.returncode:
        raise AssertionError("the guest ended with status %d" % p.returncode)
    return sum_and_ns(out.decode())[1] / rounds


def debugged(bench, elf, rounds, points):
    path = os.path.join(bench.tmp, "gdb.socket")
    p = start(bench, elf, "--gdb", "unix:" + path, "--wait")
    with gdb_client.Client(None, connection=connect(p, path)) as c:
        for point in points:
            answer = c.ask(point)
            if answer != b"OK":
                raise AssertionError("%s: %r" % (point, answer))
        end = c.ask("vCont;c")
        if end != b"W00":
            raise AssertionError("stopped: %r" % end)
        return ns_of(p, rounds)


def controlled(bench, elf, rounds):
    path = os.path.join(bench.tmp, "control.socket")
    p = start(bench, elf, "--control", "unix:" + path)
    with connect(p, path) as s:
        s.sendall(b'{"execute": "qmp_capabilities"}\n')
        return ns_of(p, rounds)


def address_of(elf, symbol):
    lines = subprocess.run(["aarch64-linux-gnu-nm", elf], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return next(int(line.split()[0], 16) for line in lines if line.split()[2:] == [symbol])


def table(bench):
    rounds = bench.rounds(2000000)
    store = bench.guest("store", ["guest/main.c"], ["-DROUNDS=%du" % rounds, "-DBENCH_STORE"])
    beside = ("Z2,%x,8" % (address_of(store, "stored") + 16),)
    guests = [*observe.guests(bench, ("mmio",)), ("a store, ns", store, rounds, 1)]
    ways = {"nobody": lambda elf, n: ns_of(start(bench, elf), n),
            "the control socket, with a client": lambda elf, n: controlled(bench, elf, n),
            **{label: lambda elf, n, points=points: debugged(bench, elf, n, points) for label, points in ROWS}}
    in_page = "a watchpoint in the page of the store, not on its data"
    rows = {label: [] for label in (*ways, in_page)}
    for _, elf, n, scale in guests:
        mine = {**ways, in_page: lambda elf, n: debugged(bench, elf, n, beside)} if elf == store else ways
        measures = [lambda way=way, elf=elf, n=n: way(elf, n) for way in mine.values()]
        found = dict(zip(mine, bench.in_turn(*measures)))
        for label, cells in rows.items():
            cells.append("%.1f" % (median(found[label]) / scale) if label in found else "-")
    bench.head("who looks", *[label for label, *_ in guests])
    for label, cells in rows.items():
        bench.say(label, *cells)
    bench.say()
