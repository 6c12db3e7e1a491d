#!/usr/bin/env python3
"""Runs a program in a network and mount namespace of its own, which needs no root where users may have namespaces.

usage: in_namespace.py dns|tap PROGRAM...

dns  the namespace's DNS server is one that knows vibe.test (192.0.2.77) and nothing else
tap  there is a tap interface vibe0 at 10.9.0.1; what is read from the server at port 8000 of it is 8 MiB of the bytes 0 to 250 again and again, and
     what is sent to port 8001 is answered with its SHA-256 and a newline
Status 77: there are no such namespaces here, and stderr says why.
"""
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

SKIP = 77
STREAM = (bytes(range(251)) * (8 * 1024 * 1024 // 251 + 1))[:8 * 1024 * 1024]


def skip(why):
    sys.stderr.write("in_namespace.py: %s\n" % why)
    sys.exit(SKIP)


def must(*args):
    p = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if p.returncode:
        skip("%s: %s" % (" ".join(args), p.stdout.decode(errors="replace").strip()))


def serve_dns():
    """A queries for vibe.test; everything else does not exist. RFC 1035, 4."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    while True:
        q, who = s.recvfrom(512)
        question = q[12:q.index(b"\0", 12) + 5]
        known = question == b"\4vibe\4test\0\0\1\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\x02\x4d" if known else b""
        s.sendto(q[:2] + (b"\x81\x80" if known else b"\x81\x83") + struct.pack(">HHHH", 1, bool(answer), 0, 0) + question + answer, who)


def serve_tcp(port, handle):
    s = socket.create_server(("10.9.0.1", port))
    while True:
        c, _ = s.accept()
        threading.Thread(target=handle, args=(c,), daemon=True).start()


def send_stream(c):
    with c:
        c.sendall(STREAM)


def hash_stream(c):
    with c:
        h = hashlib.sha256()
        while True:
            b = c.recv(65536)
            if not b:
                break
            h.update(b)
        c.sendall(h.hexdigest().encode() + b"\n")


def make_tap():
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"vibe0", 0x2 | 0x1000 | 0x4000))  # TUNSETIFF: IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
        fcntl.ioctl(fd, 0x400454cb, 1)  # TUNSETPERSIST
        os.close(fd)
    except OSError as e:
        skip("no tap interface: %s" % e)
    must("ip", "addr", "add", "10.9.0.1/24", "dev", "vibe0")
    must("ip", "link", "set", "vibe0", "up")


def inside(kind, program):
    must("ip", "link", "set", "lo", "up")
    if kind == "dns":
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("nameserver 127.0.0.1\n")
            f.flush()
            must("mount", "--bind", f.name, "/etc/resolv.conf")
            server = serve_dns
            threading.Thread(target=server, daemon=True).start()
            return subprocess.run(program).returncode
    make_tap()
    threading.Thread(target=serve_tcp, args=(8000, send_stream), daemon=True).start()
    threading.Thread(target=serve_tcp, args=(8001, hash_stream), daemon=True).start()
    return subprocess.run(program).returncode


def main(argv):
    if argv[1] == "--inside":
        return inside(argv[2], argv[3:])
    must("unshare", "-rnm", "true")
    os.execvp("unshare", ["unshare", "-rnm", sys.executable, os.path.abspath(__file__), "--inside", *argv[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
