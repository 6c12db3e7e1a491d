"""Debian's arm64 kernel on its networks: user-mode networking with all it offers, both ways and checksummed, both register layouts; a tap
interface; sockets between host and guest."""
import hashlib
import http.server
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import guests
import vibe

MODULES = "virtio_mmio,virtio_net,virtio_rng"
VSOCK = "vmw_vsock_virtio_transport"
DHCP = """#!/bin/sh
case $1 in
bound|renew)
    ip addr flush dev $interface
    ip addr add $ip/${mask:-24} dev $interface
    ip route add default via $router
    echo "nameserver $dns" >/etc/resolv.conf ;;
esac
"""
UP = "ip link set lo up; ip link set eth0 up; udhcpc -i eth0 -n -q -s /dhcp >/dev/null 2>&1"
IN_NAMESPACE = [sys.executable, os.path.join(vibe.ROOT, "tests", "in_namespace.py")]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_all(s):
    pieces = []
    while True:
        b = s.recv(65536)
        if not b:
            return b"".join(pieces)
        pieces.append(b)


class Server:
    """Programs of the host that listen at its loopback: a web server for some bytes, one that answers with the checksum of what it is sent, one
    that sends datagrams back."""

    def __init__(self, data):
        self.data = data

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(data)))
                handler.end_headers()
                try:
                    handler.wfile.write(data)
                except ConnectionError:
                    pass  # the guest went away, as it is told to

            def log_message(self, *_):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.sums = socket.create_server(("127.0.0.1", 0))
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind(("127.0.0.1", 0))
        for target in (self.web.serve_forever, self.serve_sums, self.serve_echo):
            threading.Thread(target=target, daemon=True).start()

    def serve_sums(self):
        while True:
            c, _ = self.sums.accept()
            threading.Thread(target=self.sum_of, args=(c,), daemon=True).start()

    @staticmethod
    def sum_of(c):
        with c:
            c.sendall(sha256(read_all(c)).encode() + b"\n")

    def serve_echo(self):
        while True:
            data, who = self.echo.recvfrom(65536)
            self.echo.sendto(data, who)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel, modules = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        dhcp = os.path.join(cls.tmp, "dhcp")
        with open(dhcp, "w") as f:
            f.write(DHCP)
        os.chmod(dhcp, 0o755)
        cls.initrd = guests.initrd(os.path.join(cls.tmp, "initrd.gz"), modules=(modules, MODULES), add=[dhcp + "=dhcp", guests.compiled(cls.tmp, "guest_sockets.c", "sockets")])
        cls.server = Server(random.Random(1).randbytes(8 << 20))

    def arguments(self, *args):
        return ["--kernel", self.kernel, "--initrd", self.initrd, "--cmdline", "console=ttyAMA0 quiet", "--timeout", str(guests.LIMIT_S),
                "--stats=none", *args]

    def boot(self, name, *args):
        return guests.Guest("network-" + name, *self.arguments(*args))

    def finish(self, g):
        g.send("poweroff -f\n")
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    def shell_is_there(self, g):
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")

    def both_ways(self, g):
        """A large download and a large upload, checksummed."""
        s = self.server
        got = g.shell("wget -q -O - http://10.0.2.2:%d/ | tee /tmp/data | sha256sum" % s.web.server_port)
        self.assertEqual(got.split()[0], sha256(s.data))
        got = g.shell("nc 10.0.2.2 %d </tmp/data" % s.sums.getsockname()[1])
        self.assertEqual(got.strip(), sha256(s.data))

    def test_user(self):
        s = self.server
        web, raw, udp = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        forwards = "hostfwd=tcp:127.0.0.1:%d-:80,hostfwd=tcp::%d-10.0.2.15:81,hostfwd=udp::%d-:82" % (web, raw, udp)
        with self.boot("user", "--cpus", "2", "--net", "user,mac=52:54:00:12:34:56," + forwards) as g:
            self.shell_is_there(g)
            g.shell(UP)
            self.assertIn("inet 10.0.2.15/24", g.shell("ip addr show eth0"))
            self.assertIn("52:54:00:12:34:56", g.shell("cat /sys/class/net/eth0/address"))
            self.assertEqual(g.shell("cat /sys/class/net/eth0/mtu").strip(), "1500")
            self.assertIn("default via 10.0.2.2", g.shell("ip route"))
            self.assertIn("nameserver 10.0.2.3", g.shell("cat /etc/resolv.conf"))
            self.assertIn("3 packets transmitted, 3 packets received", g.shell("ping -c 3 -i 0.2 10.0.2.2"))
            self.both_ways(g)
            # Four at once.
            get = "wget -q -O - http://10.0.2.2:%d/ | sha256sum" % s.web.server_port
            sums = g.shell("for i in 1 2 3 4; do %s & done; wait" % get)
            self.assertEqual(sums.split().count(sha256(s.data)), 4)
            self.assertEqual(g.shell("sockets ask 10.0.2.2 %d datagram" % s.echo.getsockname()[1]).strip(), "datagram")
            # Nobody there: refused, and soon.
            self.assertIn("refused", g.shell("nc 10.0.2.2 %d </dev/null 2>&1 || true" % free_port()))

            # Into the guest.
            g.shell("mkdir -p /www && cp /tmp/data /www/data && httpd -p 80 -h /www")
            with socket.create_connection(("127.0.0.1", web), timeout=vibe.LIMIT_S) as c:
                c.sendall(b"GET /data HTTP/1.0\r\n\r\n")
                head, _, body = read_all(c).partition(b"\r\n\r\n")
            self.assertIn(b"200 OK", head)
            self.assertEqual(sha256(body), sha256(s.data))
            g.shell("nc -l -p 81 >/tmp/got & sockets take 82 >/tmp/datagram & "
                    "until grep -q ':0051 ' /proc/net/tcp* && grep -q ':0052 ' /proc/net/udp*; do sleep 0.05; done")
            with socket.create_connection(("127.0.0.1", raw), timeout=vibe.LIMIT_S) as c:
                c.sendall(s.data)
                c.shutdown(socket.SHUT_WR)
                read_all(c)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
                c.sendto(b"to the guest", ("127.0.0.1", udp))
            self.assertEqual(g.shell("sha256sum /tmp/got").split()[0], sha256(s.data))
            self.assertEqual(g.shell("while ! [ -s /tmp/datagram ]; do sleep 0.1; done; cat /tmp/datagram").strip(), "to the guest")

            # Nothing was lost or wrong on the way.
            counters = g.shell("cd /sys/class/net/eth0/statistics; cat rx_errors rx_dropped tx_errors tx_dropped")
            self.assertEqual(counters.split(), ["0"] * 4)
            # The link follows the driver's life.
            g.shell("ip link set eth0 down && " + UP)
            self.assertIn("1 packets received", g.shell("ping -c 1 10.0.2.2"))
            self.finish(g)

    def test_legacy(self):
        with self.boot("legacy", "--virtio", "legacy", "--net", "user") as g:
            self.shell_is_there(g)
            g.shell(UP)
            self.both_ways(g)
            self.finish(g)

    def test_two_cards(self):
        with self.boot("two", "--net", "user", "--net", "user") as g:
            self.shell_is_there(g)
            g.shell("ip link set eth1 up; udhcpc -i eth1 -n -q -s /dhcp >/dev/null 2>&1")
            self.assertIn("1 packets received", g.shell("ping -c 1 10.0.2.2"))
            macs = g.shell("cat /sys/class/net/eth0/address /sys/class/net/eth1/address").split()
            self.assertEqual(len(set(macs)), 2)
            self.finish(g)

    def test_reboot(self):
        """The machine starts again with connections open."""
        with self.boot("reboot", "--net", "user") as g:
            for _ in range(2):
                self.shell_is_there(g)
                g.nr_commands = 0
                g.shell(UP)
                self.assertIn("1 packets received", g.shell("ping -c 1 10.0.2.2"))
                g.send("(sleep 1; cat /dev/zero) | nc 10.0.2.2 %d & wget -q -O /dev/null http://10.0.2.2:%d/ & sleep 0.3; reboot -f\n" % (
                    self.server.sums.getsockname()[1], self.server.web.server_port))
            self.shell_is_there(g)
            g.nr_commands = 0
            g.shell(UP)
            self.both_ways(g)
            self.finish(g)

    def namespaced(self, name, kind, *args):
        p = subprocess.run([*IN_NAMESPACE, kind, "true"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if p.returncode:
            self.skipTest(p.stderr.decode(errors="replace").strip())
        command = [*IN_NAMESPACE, kind, vibe.PROGRAM, *self.arguments(*args)]
        return guests.Guest("network-" + name, *command[1:], program=command[0])

    def test_names(self):
        with self.namespaced("names", "dns", "--net", "user") as g:
            self.shell_is_there(g)
            g.shell(UP)
            self.assertIn("192.0.2.77", g.shell("nslookup -type=a vibe.test 10.0.2.3"))
            self.assertEqual(g.shell("nslookup -type=a other.test 10.0.2.3 >/dev/null 2>&1 || echo unknown").strip(), "unknown")
            self.finish(g)

    def test_tap(self):
        """Large segments both ways through the host's kernel."""
        stream = (bytes(range(251)) * (8 * 1024 * 1024 // 251 + 1))[:8 * 1024 * 1024]
        for layout in "modern", "legacy":
            with self.subTest(layout), self.namespaced("tap-" + layout, "tap", "--virtio", layout, "--net", "tap=vibe0") as g:
                self.shell_is_there(g)
                g.shell("ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0")
                self.assertIn("2 packets received", g.shell("ping -c 2 -i 0.2 10.9.0.1"))
                self.assertEqual(g.shell("nc 10.9.0.1 8000 </dev/null | tee /tmp/data | sha256sum").split()[0], sha256(stream))
                self.assertEqual(g.shell("nc 10.9.0.1 8001 </tmp/data").strip(), sha256(stream))
                self.finish(g)

    def test_idle(self):
        """A guest at its prompt, with a network and an open connection, costs next to nothing."""
        with self.boot("idle", "--net", "user") as g:
            self.shell_is_there(g)
            g.shell(UP)
            g.shell("(sleep 1000) | nc 10.0.2.2 %d & sleep 1" % self.server.sums.getsockname()[1])
            before = self.cpu_seconds(g)
            time.sleep(5)
            self.assertLess(self.cpu_seconds(g) - before, 1)  # five times what it should be: the machine is not ours alone
            self.finish(g)

    @staticmethod
    def cpu_seconds(g):
        with open("/proc/%d/stat" % g.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sockets(unittest.TestCase):
    """AF_VSOCK in the guest, Unix sockets here."""

    @classmethod
    def setUpClass(cls):
        cls.kernel, modules = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.initrd = guests.initrd(os.path.join(cls.tmp, "initrd.gz"), modules=(modules, MODULES + "," + VSOCK), add=[guests.compiled(cls.tmp, "guest_sockets.c", "sockets")])

    def call(self, path, port):
        """A connection to the guest's port."""
        end = time.monotonic() + vibe.LIMIT_S
        while True:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(vibe.LIMIT_S)
            s.connect(path)
            s.sendall(b"CONNECT %d\n" % port)
            line = b""
            while not line.endswith(b"\n"):
                b = s.recv(1)
                if not b:
                    break
                line += b
            if line:
                self.assertRegex(line, rb"^OK \d+\n$")
                return s
            s.close()
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)  # nobody listens yet

    def test_both_ways(self):
        path = os.path.join(self.tmp, "v")
        data = random.Random(2).randbytes(4 << 20)
        with socket.socket(socket.AF_UNIX) as listener, guests.Guest(
                "network-vsock", "--kernel", self.kernel, "--initrd", self.initrd, "--cmdline", "console=ttyAMA0 quiet", "--timeout",
                str(guests.LIMIT_S), "--stats=none", "--cpus", "2", "--vsock", path + ",cid=42") as g:
            listener.bind(path + "_5000")
            listener.listen(5)
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            self.assertEqual(g.shell("sockets cid").strip(), "42")
            # To the guest, which sends all of it back: more than fits anywhere on the way.
            g.shell("sockets echo 1234 1 & true")
            with self.call(path, 1234) as s:
                sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
                sender.start()
                self.assertEqual(sha256(read_all(s)), sha256(data))
                sender.join()
            g.shell("wait")
            # From the guest, which waits for an answer.
            g.begin_command("seq 1 300000 | tee /tmp/sent | sockets connect 5000; sha256sum </tmp/sent")
            c, _ = listener.accept()
            with c:
                c.settimeout(vibe.LIMIT_S)
                got = read_all(c)
                c.sendall(sha256(got).encode() + b"\n")
            sums = g.end_command("sockets connect").split()
            self.assertEqual(sums[0], sums[1])
            self.assertEqual(got, b"".join(b"%d\n" % i for i in range(1, 300001)))
            # Nobody there, on either side.
            self.assertIn("reset", g.shell("sockets connect 5001 </dev/null 2>&1 || true"))
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(vibe.LIMIT_S)
                s.connect(path)
                s.sendall(b"CONNECT 99\n")
                self.assertEqual(s.recv(10), b"")
            # Many, one after the other.
            g.shell("sockets echo 1235 50 & true")
            for i in range(50):
                with self.call(path, 1235) as s:
                    s.sendall(b"%d" % i)
                    s.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_all(s), b"%d" % i)
            g.send("poweroff -f\n")
            self.assertEqual(g.end(), 0)
            g.check_no_trouble()
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
