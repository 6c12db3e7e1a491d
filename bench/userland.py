"""A Debian userland at work on vibevmm and on the peer, with the same kernel and disk, in turn: each command timed by the guest, and
openssl's own measurements. One CPU. What the commands print must be the same. Needs a network the first time, for Debian's packages."""
import glob
import os
import shutil
import subprocess
import sys

from common import HERE, QEMU, figure, goal, median
import guests

MODULES = "virtio_mmio,virtio_blk,ext4"
MEM = "1G"
CMDLINE = "console=ttyAMA0 root=/dev/vda quiet"
# The data: some of Debian's own files, by names that do not change.
SETUP = ("mount -t ext4 -o ro /dev/vdb /mnt && mkdir /dev/shm/b && cd /dev/shm/b && cp -r /mnt/* . && "
         "find /usr/lib/python3* -name '*.py' | sort | xargs cat | head -c 4000000 >data && head -c 1500000 data >some")
# name -> command; a second or so each on vibevmm, and its output has to be the same everywhere.
JOBS = {
    "xz": "xz -6 -T1 -kc some | tee some.xz | cksum",
    "xz -d": "for i in 1 2 3 4; do xz -dc some.xz; done | cksum",
    "gzip -9": "gzip -9nc data | tee data.gz | cksum",
    "gzip -d": "for i in 1 2 3 4; do gzip -dc data.gz; done | cksum",
    "python3": "python3 -I work.py",
    "perl": "perl work.pl",
    "sqlite3": "sqlite3 :memory: <work.sql",
    "gcc -O2": "for f in loops/sort.c loops/hash.c loops/scan.c; do gcc -O2 -S $f -o - || echo $f fails; done | cksum",
    "bash, 100 processes": "bash -c 'for ((i = 0; i < 50; i++)); do /bin/true | cat; done; echo $i'",
    "sort, grep, sed": "sort data | uniq -c | sort -rn | sed 's/self/that/g' | grep -c 'that.*[(]'",
}
# Arguments of "openssl speed"; bytes a second in blocks of 8 KiB, or operations a second.
DIGESTS = ("md5", "sha1", "sha256", "sha512", "sha3-256", "aes-128-cbc", "aes-256-gcm", "chacha20-poly1305", "camellia-128-cbc")
KEYS = ("rsa2048", "ecdsap256", "ecdhx25519", "ed25519")


def disks(bench):
    """For each program a root of its own; and a disk with the sources."""
    if not shutil.which("mke2fs"):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
    root = guests.debian_image(os.path.join(bench.tmp, "bench.img"), *guests.USERLAND)
    folder, work = os.path.join(bench.tmp, "work"), os.path.join(bench.tmp, "work.img")
    os.makedirs(folder)
    shutil.copytree(os.path.join(HERE, "loops"), os.path.join(folder, "loops"))
    for f in glob.glob(os.path.join(HERE, "linux", "work.*")):
        shutil.copy(f, folder)
    with open(work, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder, work], check=True, stdin=subprocess.DEVNULL)
    roots = [root, root + ".peer"] if bench.peer else [root]
    for copy in roots[1:]:
        subprocess.run(["cp", "--sparse=always", root, copy], check=True)
    return roots, work


def speed(g, algorithm):
    """openssl speed's figure: bytes, or signatures or key exchanges, a second."""
    options = "-bytes 8192 -evp " if algorithm in DIGESTS else ""
    fields = g.shell("openssl speed -mr -elapsed -seconds 1 %s%s 2>/dev/null | grep ^+F" % (options, algorithm)).strip().split(":")
    value = float(next(f for f in fields if "." in f))
    return max(value, 1 / value)  # some versions of it print the time of one


def work(name, program, args):
    """Of one boot: name -> (seconds, output), and algorithm -> a rate."""
    jobs, rates = {}, {}
    with guests.Guest("bench-" + name, *args, program=program) as g:
        g.expect(rb"init: Debian GNU/Linux [^\n]* is up")
        g.expect(rb"# ")
        g.shell(SETUP)
        for job, command in JOBS.items():
            out = g.shell("t=$EPOCHREALTIME; { %s; } 2>&1; echo $t $EPOCHREALTIME" % command)
            said, _, times = out.strip().rpartition("\n")
            begin, end = [float(t) for t in times.split()]
            jobs[job] = end - begin, said
        for algorithm in (*DIGESTS, *KEYS):
            rates[algorithm] = speed(g, algorithm)
        g.send("poweroff -f\n")
        g.end()
    return jobs, rates


def table(bench):
    kernel, modules = guests.kernel()
    initrd = guests.initrd(os.path.join(bench.tmp, "userland.gz"), modules=(modules, MODULES))
    roots, sources = disks(bench)
    ours = ["--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", MEM, "--disk", roots[0], "--disk", sources, "--stats=none"]
    theirs = ["-M", "virt,gic-version=3", "-cpu", "max", "-m", MEM, "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
              "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", initrd, "-append", CMDLINE]
    for n, path in enumerate((roots[-1], sources)):
        theirs += ["-drive", "if=none,id=d%d,format=raw,file=%s" % (n, path),
                   "-device", "virtio-blk-device,drive=d%d,bus=virtio-mmio-bus.%d" % (n, n)]
    runs = bench.in_turn(lambda: work("vibevmm", bench.program, ours), lambda: work("peer", QEMU, theirs) if bench.peer else None)
    said = {(job, out) for column in runs for run in column if run for job, (_, out) in run[0].items()}
    if len(said) != len(JOBS):
        sys.exit("bench: not every run printed the same: %s" % sorted(said))

    def both(of):
        return [median([of(run) if run else None for run in column]) for column in runs]

    def say(label, form, a, b, ratio, name="QEMU / userland, each"):
        bench.say(label, form % a, figure(form, b), figure("%.2f", ratio), goal(name, ratio))
    bench.head("work in Debian, s", "vibevmm", "QEMU", "QEMU / vibevmm", "goal")
    times = {job: both(lambda run, j=job: run[0][j][0]) for job in JOBS}
    for job, (a, b) in times.items():
        say(job, "%.2f", a, b, b and b / a)
    ours, theirs = [sum(t) if t[0] else None for t in zip(*times.values())]
    say("together", "%.1f", ours, theirs, theirs and theirs / ours, "QEMU / userland, total")
    bench.say()
    bench.head("openssl speed", "vibevmm", "QEMU", "vibevmm / QEMU", "goal")
    for algorithm in (*DIGESTS, *KEYS):
        label, form, scale = (", MB/s", "%.1f", 1e6) if algorithm in DIGESTS else (", a second", "%.0f", 1)
        a, b = [x and x / scale for x in both(lambda run, k=algorithm: run[1][k])]
        say(algorithm + label, form, a, b, b and a / b)
    bench.say()
