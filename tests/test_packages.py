"""What people install: the source tarball, the Homebrew formula, the Debian packages, the shells' completions."""
import gzip
import hashlib
import os
import pty
import re
import select
import shutil
import subprocess
import tarfile
import tempfile
import time
import unittest

import vibe

OFF = ("--accel", "soft", "--stats=none", "--binary")
BUILD_LIMIT_S = 1800


def run(*command, cwd=vibe.ROOT, limit=vibe.LIMIT_S, **env):
    p = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit,
                       check=False, env={**{k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}, **env})
    if p.returncode:
        raise AssertionError("%s: status %d\n%s" % (" ".join(command), p.returncode, p.stdout))
    return p.stdout


def content(path):
    with open(path, "rb") as f:
        return f.read()


class InFolder(vibe.InFolder):
    def off(self):
        """A guest that switches the machine off."""
        with open(self.path("off.raw"), "wb") as f:
            f.write(vibe.POWER_OFF)
        return self.path("off.raw")


class Dist(InFolder):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(os.path.join(vibe.ROOT, ".git")):
            raise unittest.SkipTest("no git checkout, of which a tarball could be made")
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        run("make", "-s", "dist", "O=" + tmp.name)
        cls.dist = os.path.join(tmp.name, "dist")
        cls.name = [f for f in os.listdir(cls.dist) if f.endswith(".tar.gz")][0]
        cls.tarball = os.path.join(cls.dist, cls.name)

    def test_same_bytes_each_time(self):
        url = "https://example.org/" + self.name
        run("sh", "-c", "umask 077; exec make -s dist O=%s URL=%s" % (self.tmp, url), TZ="Asia/Tokyo", LC_ALL="C", TAR_OPTIONS="--mtime=now")
        self.assertEqual(content(self.tarball), content(self.path("dist", self.name)))
        self.assertIn("OK", run("sha256sum", "-c", self.name + ".sha256", cwd=self.dist))
        self.check_formula(self.path("dist"), url)
        self.check_formula(self.dist, "file://" + os.path.realpath(self.tarball))

    def check_formula(self, folder, url):
        text = content(os.path.join(folder, "vibevmm.rb")).decode()
        self.assertIn('url "%s"' % url, text)
        self.assertIn('sha256 "%s"' % hashlib.sha256(content(self.tarball)).hexdigest(), text)
        self.assertNotIn("@", text)

    def test_builds(self):
        """Everything that is in the repository, and it builds without one and without the optional libraries, and knows of what commit it is."""
        with tarfile.open(self.tarball) as t:
            top = self.name[:-len(".tar.gz")]
            names = {m.name for m in t.getmembers() if not m.isdir()}
            self.assertEqual(names, {top + "/" + f for f in run("git", "ls-tree", "-r", "--name-only", "HEAD").splitlines()})
            t.extractall(self.tmp)
        tree = self.path(top)
        run("make", "-s", "-j2", "BUILD=debug", "CFLAGS=-g0", "PKG_CONFIG=false", *("WITH_%s=no" % x for x in ("LIBFDT", "ZLIB", "ZSTD", "CAPSTONE", "LIBSLIRP")), cwd=tree,
            limit=BUILD_LIMIT_S)
        program = os.path.join(tree, "build", "debug", "vibevmm")
        self.assertIn("(%s)" % run("git", "rev-parse", "HEAD")[:12], run(program, "--version"))
        run(program, *OFF, self.off())
        # What says so is not in the tarball's tree alone: packages can be made there.
        self.assertEqual(run("packaging/commit.sh", cwd=tree), run("packaging/commit.sh"))

    def test_formula_is_ruby(self):
        if not shutil.which("ruby"):
            self.skipTest("ruby is not installed")
        formula = os.path.join(self.dist, "vibevmm.rb")
        self.assertIn("Syntax OK", run("ruby", "-wc", formula))
        # What the formula's words say, by a class that only writes them down; and its test, on the program that is here.
        said = run("ruby", "-e", """
            require "pathname"
            class Formula
              def self.method_missing(name, *args, **more) = puts([name, *args, more].inspect)
              def self.test(&block) = define_method(:test, &block)
              def bin = Pathname.new(ENV["BIN"])
              def testpath = Pathname.new(Dir.pwd)
              def prefix = "/prefix"
              def system(*args) = args[0] == "make" ? puts(args.inspect) : (Kernel.system(*args.map(&:to_s)) or abort("failed"))
            end
            load ARGV[0]
            Vibevmm.new.install
            Vibevmm.new.test
            """, formula, cwd=self.tmp, BIN=os.path.dirname(vibe.PROGRAM))
        self.assertIn('[:license, "MIT", {}]', said)
        self.assertIn('["make", "install", "PREFIX=/prefix", "WERROR=0"]', said)


class Debian(InFolder):
    @classmethod
    def setUpClass(cls):
        for tool in ("dpkg-deb", "dpkg-shlibdeps"):
            if not shutil.which(tool):
                raise unittest.SkipTest("%s is not installed (dpkg-dev)" % tool)
        if not subprocess.run([os.path.join(vibe.ROOT, "packaging", "commit.sh")], capture_output=True, check=False).stdout:
            raise unittest.SkipTest("neither a git checkout nor a source tarball, which say of what commit a package is")
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.out = tmp.name
        cls.native = run("dpkg", "--print-architecture").strip()
        cls.deb = {cls.native: cls.build(cls.native, "make", "-s")}
        cls.no_arm64 = None
        if not shutil.which("aarch64-linux-gnu-gcc"):
            cls.no_arm64 = "aarch64-linux-gnu-gcc is not installed"
        elif subprocess.run([os.path.join(vibe.ROOT, "tools", "arm64_sysroot.sh")], capture_output=True, check=False).returncode:
            cls.no_arm64 = "Debian's packages for arm64 cannot be fetched"
        elif cls.native != "arm64":
            cls.deb["arm64"] = cls.build("arm64", "tests/arm64/build.sh")

    @classmethod
    def build(cls, arch, *make, folder="deb"):
        run("packaging/deb.sh", arch, os.path.join(cls.out, folder), *make, limit=BUILD_LIMIT_S, DEBFULLNAME="Ada / Bob & Co", DEBEMAIL="vibevmm@debian.org")
        with open(os.path.join(vibe.ROOT, "VERSION"), encoding="utf-8") as f:
            return os.path.join(cls.out, folder, "vibevmm_%s_%s.deb" % (f.read().strip(), arch))

    def need(self, arch):
        if arch not in self.deb:
            self.skipTest("no package for %s: %s" % (arch, self.no_arm64 or "the host is another"))
        run("dpkg-deb", "-x", self.deb[arch], self.tmp)
        return self.deb[arch]

    def check(self, arch):
        deb = self.need(arch)
        field = lambda name: run("dpkg-deb", "-f", deb, name).strip()
        self.assertEqual((field("Package"), field("Architecture"), field("Maintainer")), ("vibevmm", arch, "Ada / Bob & Co <vibevmm@debian.org>"))
        for library in ("libc6", "libfdt1", "zlib1g", "libzstd1", "libcapstone4", "libslirp0"):
            self.assertRegex(field("Depends"), r"\b%s \(>= [\d:.]+\)" % library)
        for f in ("bin/vibevmm", "share/man/man1/vibevmm.1.gz", "share/bash-completion/completions/vibevmm", "share/zsh/vendor-completions/_vibevmm",
                  "share/doc/vibevmm/copyright", "share/doc/vibevmm/changelog.gz", "share/doc/vibevmm/docs/backends.md"):
            self.assertTrue(os.path.exists(self.path("usr", f)), f)
        self.assertEqual(gzip.decompress(content(self.path("usr/share/man/man1/vibevmm.1.gz"))), content(os.path.join(vibe.ROOT, "docs", "vibevmm.1")))
        run("dpkg-deb", "-e", deb, self.path("control"))
        run("md5sum", "--quiet", "-c", "control/md5sums", cwd=self.tmp)

    def test_native(self):
        self.check(self.native)
        self.assertIn("vibevmm ", run(self.path("usr/bin/vibevmm"), "--version"))
        run(self.path("usr/bin/vibevmm"), *OFF, self.off())

    def test_arm64(self):
        self.check("arm64")
        if not shutil.which("qemu-aarch64"):
            self.skipTest("qemu-aarch64 is not installed (qemu-user)")
        root = run(os.path.join(vibe.ROOT, "tools", "arm64_sysroot.sh")).strip()
        emulated = ["qemu-aarch64", "-L", root, "-E", "LD_LIBRARY_PATH=%s/usr/lib/aarch64-linux-gnu:%s/lib/aarch64-linux-gnu" % (root, root),
                    self.path("usr/bin/vibevmm")]
        said = run(*emulated, "--version")
        self.assertIn("Linux aarch64", said)
        self.assertIn("backends:  kvm soft", said)
        self.assertNotIn(" no\n", said)
        run(*emulated, *OFF, self.off())

    def test_same_bytes_each_time(self):
        self.assertEqual(content(self.deb[self.native]), content(self.build(self.native, "make", "-s", folder="again")))

    def test_lintian(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not installed")
        said = run("lintian", "--fail-on", "error,warning", "--no-tag-display-limit", *self.deb.values())
        self.assertNotRegex(said, r"(?m)^[EW]:")


class Completions(InFolder):
    """In the shells themselves, at a terminal: what is on the line after a tab is what a function of the program's name is called with."""

    def setUp(self):
        super().setUp()
        run("make", "-s", "install", "DESTDIR=" + self.path("root"), "PREFIX=/usr")
        self.bash = self.path("root/usr/share/bash-completion/completions/vibevmm")
        self.zsh = self.path("root/usr/share/zsh/site-functions")
        for name in ("a file.raw", "image"):
            with open(self.path(name), "w"):
                pass
        os.mkdir(self.path("images"))

    def ask(self, command, setup, lines):
        """The arguments that each line comes to."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.tmp)
            os.execvpe(command[0], command, dict(os.environ, TERM="dumb", HOME=self.tmp, PS1="$ ", LC_ALL="C.UTF-8"))
        out = b""

        def until(pattern):
            nonlocal out
            deadline = time.monotonic() + vibe.LIMIT_S
            while not re.search(pattern, out):
                if time.monotonic() > deadline or not select.select([fd], [], [], 1)[0] and time.monotonic() > deadline:
                    raise AssertionError("no %r in %r" % (pattern, out))
                try:
                    out += os.read(fd, 65536)
                except OSError as e:
                    raise AssertionError("the shell ended: %r" % out) from e
            return re.search(pattern, out)

        try:
            os.write(fd, (setup + "; vibevmm() { printf '<%s>' \"$@\"; echo '.'; }; vibevmm ready\n").encode())
            until(rb"<ready>\.")
            said = []
            for line in lines:
                out = b""
                os.write(fd, b"vibevmm " + line.encode() + b"\n")
                said.append(re.findall(rb"<(.*?)>", until(rb"\r?\n?((<[^\n]*>)\.)").group(1)))
            return [[a.decode() for a in args] for args in said]
        finally:
            os.close(fd)
            os.waitpid(pid, 0)

    # What is typed, and what it becomes.
    BOTH = (
        ("--accel=kv\t", ["--accel=kvm"]),
        ("--accel soft,\t", ["--accel", "soft,jit=off"]),
        ("--stats=js\t", ["--stats=json"]),
        ("--stats --no-reb\t", ["--stats", "--no-reboot"]),
        ("--help dev\t", ["--help", "devices"]),
        ("--net ta\t0", ["--net", "tap=0"]),
        ("--binary a\t--mem 1G", ["--binary", "a file.raw", "--mem", "1G"]),
        ("--binary=a\t", ["--binary=a file.raw"]),
        ("--dump-memory 0:16=a\t", ["--dump-memory", "0:16=a file.raw"]),
        ("--share images,t\tx", ["--share", "images,tag=x"]),
        ("--disk image,r\t", ["--disk", "image,ro"]),
        ("--disk a --log inf\t", ["--disk", "a", "--log", "info"]),
        ("fo\t--no-reb\t", ["fork", "--no-reboot"]),
        ("ct\ta\tpau\t", ["ctl", "a file.raw", "pause"]),
    )

    def check(self, command, setup, *cases):
        cases += self.BOTH
        for (typed, want), got in zip(cases, self.ask(command, setup, [c[0] for c in cases])):
            self.assertEqual(got, want, typed)

    def test_bash(self):
        self.check(["bash", "--norc", "--noprofile", "-i"], "source '%s'" % self.bash, ("--mach\tvir\t", ["--machine", "virt"]),
                   ("--share im\t", ["--share", "images/"]))

    def test_zsh(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        self.check(["zsh", "-f", "-i"], "fpath=('%s' $fpath); autoload -U compinit; compinit -u -D; PS1='$ '" % self.zsh,
                   ("--mach\tvir\t", ["--machine=virt"]), ("--share im\t", ["--share", "images"]),
                   ("--kernel image --bin\t", ["--kernel", "image", "--bin"]))  # contradicts

    def test_every_option_is_known(self):
        options = set(re.findall(r"^  (--[a-z0-9-]+)", vibe.run("--help", "all").stdout.decode(), re.M))
        offered = run("bash", "-c", "source '%s'; COMP_LINE='vibevmm -' COMP_POINT=9 COMP_WORDS=(vibevmm -) COMP_CWORD=1; _vibevmm; echo ${COMPREPLY[*]}"
                      % self.bash).split()
        self.assertEqual({o for o in offered if not o.endswith("=")}, options)
        zsh = content(os.path.join(self.zsh, "_vibevmm")).decode()
        self.assertEqual(set(re.findall(r"^ +'(?:\([^)]*\))?\*?(--[a-z0-9-]+)", zsh, re.M)), options)

    def test_uninstall(self):
        run("make", "-s", "uninstall", "DESTDIR=" + self.path("root"), "PREFIX=/usr")
        self.assertEqual([f for _, _, files in os.walk(self.path("root")) for f in files], [])


if __name__ == "__main__":
    unittest.main()
