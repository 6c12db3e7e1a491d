"""run.sh's way to its tools on machines that lack them: a made-up PATH with a made-up apt-get."""
import os
import shutil
import subprocess
import tempfile
import unittest

import vibe

BASICS = ("bash", "basename", "cat", "dirname", "env", "find", "getconf", "grep", "head", "mktemp", "rm", "sed", "sleep", "tail", "tr",
          "uname", "wc")

APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$APT_LOG"
case "$1" in
update) : >"$APT_LOG.updated" ;;
install)
    [ -z "$APT_FAILS" ] || { echo "E: Unable to locate package"; exit 100; }
    [ -e "$APT_LOG.updated" ] || { echo "E: lists are empty"; exit 100; }
    for tool in gcc make python3; do printf '#!/bin/sh\\nexit 0\\n' >"$BIN/$tool"; /bin/chmod +x "$BIN/$tool"; done ;;
esac
"""
APT_CACHE = """#!/bin/sh
[ ! -e "$APT_LOG.updated" ] || echo "  Candidate: 1.0"
"""


class Scripts(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.bin = os.path.join(tmp.name, "bin")
        self.log = os.path.join(tmp.name, "log")
        os.mkdir(self.bin)
        for tool in BASICS:
            os.symlink(shutil.which(tool), os.path.join(self.bin, tool))
        # The tree with a program that needs no building.
        self.tree = os.path.join(tmp.name, "tree")
        os.makedirs(os.path.join(self.tree, "bin"))
        os.makedirs(os.path.join(self.tree, "tools"))
        os.makedirs(os.path.join(self.tree, "src"))
        shutil.copy(os.path.join(vibe.ROOT, "run.sh"), self.tree)
        shutil.copy(os.path.join(vibe.ROOT, "tools", "deps.sh"), os.path.join(self.tree, "tools"))
        self.script("tree/bin/vibevmm", '#!/bin/sh\necho "ran $* in $PWD"\nexit 7\n', tmp.name)
        self.root = tmp.name

    def script(self, path, text, root=None):
        full = os.path.join(root or self.root, path)
        with open(full, "w") as f:
            f.write(text)
        os.chmod(full, 0o755)

    def have_apt(self):
        self.script("bin/apt-get", APT_GET)
        self.script("bin/apt-cache", APT_CACHE)

    def be(self, uid):
        self.script("bin/id", "#!/bin/sh\necho %d\n" % uid)

    def run_it(self, **env):
        return subprocess.run([os.path.join(self.tree, "run.sh"), "--binary", "a b"], cwd=self.root, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=vibe.LIMIT_S,
                              env=dict({"PATH": self.bin, "APT_LOG": self.log, "BIN": self.bin}, **env))

    def apt_calls(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log) as f:
            return f.read().splitlines()

    def check_installed(self, p):
        self.assertEqual((p.returncode, p.stdout), (7, "ran --binary a b in %s\n" % os.path.realpath(self.root)), p.stderr)
        calls = self.apt_calls()
        self.assertEqual(calls[0], "apt-get update")
        self.assertRegex(calls[1], r"^apt-get install -y --no-install-recommends .*\bgcc\b.*\bmake\b.*\bpython3\b.*\blibc6-dev\b")
        self.assertEqual(len(calls), 2)
        self.assertIn("installing by apt-get: gcc make python3", p.stderr)

    def test_nothing_missing(self):
        for tool in ("gcc", "make", "python3"):
            self.script("bin/" + tool, "#!/bin/sh\nexit 0\n")
        self.have_apt()
        self.be(0)
        p = self.run_it()
        self.assertEqual((p.returncode, p.stderr), (7, ""))
        self.assertEqual(self.apt_calls(), [])

    def test_bare_machine_as_root(self):
        self.have_apt()
        self.be(0)
        self.check_installed(self.run_it())

    def test_bare_machine_with_sudo(self):
        self.have_apt()
        self.be(1000)
        self.script("bin/sudo", '#!/bin/sh\nexec "$@"\n')
        self.check_installed(self.run_it())

    def test_no_root_no_sudo(self):
        self.have_apt()
        self.be(1000)
        p = self.run_it()
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("As root, run:  apt-get install gcc make python3 libc6-dev", p.stderr)
        self.assertEqual(self.apt_calls(), [])

    def test_no_apt(self):
        self.be(0)
        p = self.run_it()
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("needs what Debian calls: gcc make python3 libc6-dev", p.stderr)

    def test_install_fails(self):
        self.have_apt()
        self.be(0)
        p = self.run_it(APT_FAILS="1")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("Unable to locate package", p.stderr)

    def test_libraries_asked_for_once(self):
        """gcc is there, libfdt is not: installed before the first build, and the build goes on without it where that fails."""
        for tool in ("make", "python3"):
            self.script("bin/" + tool, "#!/bin/sh\nexit 0\n")
        self.script("bin/gcc", "#!/bin/sh\n! grep -q libfdt\n")
        program = os.path.join(self.tree, "bin", "vibevmm")
        os.rename(program, program + ".later")
        self.script("bin/make", '#!/bin/sh\n/bin/mv %s.later %s\n' % (program, program))
        self.have_apt()
        self.be(0)
        p = self.run_it(APT_FAILS="1")
        self.assertEqual(p.returncode, 7, p.stderr)
        self.assertRegex(self.apt_calls()[1], r"install .* libfdt-dev zlib1g-dev libzstd-dev")
        self.assertIn("going on without them", p.stderr)
        calls = len(self.apt_calls())
        self.script("bin/make", "#!/bin/sh\nexit 0\n")
        p = self.run_it(APT_FAILS="1")
        self.assertEqual((p.returncode, p.stderr), (7, ""))
        self.assertEqual(len(self.apt_calls()), calls)

    def test_build_fails(self):
        self.have_apt()
        self.be(0)
        for tool in ("gcc", "python3"):
            self.script("bin/" + tool, "#!/bin/sh\nexit 0\n")
        self.script("bin/make", "#!/bin/sh\necho 'a.c:1: error: no'\nexit 2\n")
        p = self.run_it()
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("a.c:1: error: no", p.stderr)
        self.assertIn("the build of vibevmm failed", p.stderr)


if __name__ == "__main__":
    unittest.main()
