"""One contract for CI: --expect, --fail, --script, and what --junit and --result tell."""
import json
import os
import re
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree as ElementTree

import vibe

UNEXPECTED = 5


class Contract(vibe.InFolder):
    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def run_guest(self, code, *args, **more):
        """A guest with both reports: the process, the JSON, the XML's testsuite. Whatever happens, all three agree."""
        args = ["--binary", self.write("guest.raw", code), "--stats=none", "--junit", self.path("junit.xml"), "--result", self.path("result.json"),
                *args]
        if "--timeout" not in args:
            args += ["--timeout", "50"]
        p = vibe.run(*args, **more)
        with open(self.path("result.json"), "rb") as f:
            result = json.load(f)
        root = ElementTree.parse(self.path("junit.xml")).getroot()
        self.assertEqual((root.tag, len(root)), ("testsuites", 1))
        suite = root[0]
        cases = suite.findall("testcase")
        for r in (root, suite):
            self.assertEqual(int(r.get("tests")), len(cases))
            for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                self.assertEqual(int(r.get(attribute)), len(suite.findall("testcase/" + element)), attribute)
        self.assertEqual([e.tag for e in suite], ["properties"] + ["testcase"] * len(cases) + ["system-out"])
        self.assertEqual(cases[0].get("name"), "run")
        self.assertEqual(len(cases), 1 + len(result["steps"]))
        self.assertEqual(result["exit_status"], p.returncode)
        self.assertEqual(result["statistics"]["exit_status"], p.returncode)
        self.assertEqual(result["statistics"]["result"], result["reason"])
        self.assertEqual(result["outcome"] == "passed", p.returncode == 0)
        self.assertEqual(len(cases[0]) == 0, p.returncode == 0)
        self.assertEqual(result["message"] is None, p.returncode == 0)
        if p.returncode:
            self.assertEqual(cases[0][0].get("message"), result["message"])
            self.assertEqual(cases[0][0].tag, "error" if result["outcome"] == "error" else "failure")
        for case, step in zip(cases[1:], result["steps"]):
            tags = [e.tag for e in case]
            self.assertEqual(tags, {"passed": [], "failed": ["failure"], "not reached": ["skipped"]}[step["state"]])
        self.assertEqual(suite.find("system-out").text or "", result["console_tail"])
        return p, result, suite

    def states(self, result):
        return [s["state"] for s in result["steps"]]

    # ---- --expect and --fail

    def test_expect(self):
        """On a line that has ended and on one that has not; the guest runs on for ever."""
        for text in (b"one\r\ntwo\nready: ok\nmore", b"ready: ok"):
            p, result, _ = self.run_guest(vibe.printing(text, vibe.SPIN), "--expect", "^ready: (ok|fine)")
            self.assertEqual((p.returncode, p.stderr), (0, b""))
            self.assertEqual((result["reason"], self.states(result)), ("expected", ["passed"]))

    def test_expect_at_the_end_of_a_line(self):
        p, _, _ = self.run_guest(vibe.printing(b"ok", vibe.SPIN), "--expect", "ok$", "--timeout", "0.3")
        self.assertEqual(p.returncode, 3)
        # The end of the output is the end of its last line.
        p, _, _ = self.run_guest(vibe.printing(b"ok", vibe.POWER_OFF), "--expect", "ok$")
        self.assertEqual(p.returncode, 0)

    def test_expect_counts_whatever_the_guest_does_then(self):
        for then in (vibe.exit_with(7), vibe.POWER_OFF, vibe.UNDEFINED):
            p, result, _ = self.run_guest(vibe.printing(b"ok", then), "--expect", "ok")
            self.assertEqual((p.returncode, result["outcome"]), (0, "passed"))

    def test_several_have_to_come(self):
        args = ["--expect", "a", "--expect", "b", "--expect", "c"]
        p, result, _ = self.run_guest(vibe.printing(b"c\nb a\n", vibe.SPIN), *args)
        self.assertEqual((p.returncode, self.states(result)), (0, ["passed"] * 3))
        p, result, _ = self.run_guest(vibe.printing(b"c\na\n", vibe.POWER_OFF), *args)
        self.assertEqual((p.returncode, result["reason"]), (UNEXPECTED, "poweroff"))
        self.assertEqual(self.states(result), ["passed", "failed", "passed"])
        self.assertEqual(p.stderr.decode().split("\n"), [
            "vibevmm: --expect b did not come: the guest powered off", "The console's last lines:", "  | c", "  | a", ""])

    def test_never_0_without_it(self):
        """Each way for a run to end."""
        cases = (
            (vibe.POWER_OFF, [], UNEXPECTED, "poweroff"),
            (vibe.exit_with(0), [], UNEXPECTED, "exit"),
            (vibe.exit_with(9), [], 9, "exit"),
            (vibe.RESET, ["--no-reboot"], UNEXPECTED, "reboot"),
            (vibe.SPIN, ["--timeout", "0.2"], 3, "timeout"),
            (vibe.UNDEFINED, [], 4, "stuck"),
        )
        for then, args, status, reason in cases:
            p, result, _ = self.run_guest(vibe.printing(b"no\n", then), "--expect", "yes", *args)
            self.assertEqual((p.returncode, result["reason"], result["outcome"]), (status, reason, "failed"))
            self.assertIn(b"--expect yes did not come: ", p.stderr)
            self.assertIn(b"\n  | no\n", p.stderr)

    def test_reports_alone_are_a_contract(self):
        """A reset is no success, although --no-reboot's status is 0 otherwise."""
        for then, args, status in ((vibe.POWER_OFF, [], 0), (vibe.exit_with(0), [], 0), (vibe.exit_with(3), [], 3),
                                   (vibe.RESET, ["--no-reboot"], UNEXPECTED)):
            p, result, _ = self.run_guest(then, *args)
            self.assertEqual((p.returncode, result["steps"]), (status, []))
        self.assertIn(b"the guest asked for a reset", p.stderr)
        self.assertEqual(result["message"], "the guest asked for a reset")

    def test_test_register(self):
        """Its values, and what is none of them; on both machines."""
        def store(value, then=vibe.POWER_OFF):  # mov x1, #0x09001000 (in two); mov w2, #value; str w2, [x1]
            return vibe.code(0xD2A12001, 0xF2820001, 0x52800002 | (value & 0xFFFF) << 5, 0x72A00002 | value >> 16 << 5, 0xB9000022) + then
        for value, status in ((0x5555, 0), (0x33333, 3), (0x3333, 1), (0xFF3333, 255), (0x1003333, 255), (0xFFFF3333, 255), (0x75555, 0)):
            for machine in ("vibe", "virt"):
                p, result, _ = self.run_guest(store(value, vibe.SPIN), "--machine", machine, "--entry", "0x10000" if machine == "vibe" else "0x40210000")
                self.assertEqual((p.returncode, result["reason"], result["guest_status"]), (status, "exit", status))
        p, result, _ = self.run_guest(store(0x7777, vibe.SPIN), "--no-reboot")
        self.assertEqual((p.returncode, result["reason"]), (UNEXPECTED, "reboot"))
        p, result, _ = self.run_guest(store(0x1234))
        self.assertEqual((p.returncode, result["reason"]), (0, "poweroff"))
        # It reads as zero, and nothing but a whole word counts.
        p, result, _ = self.run_guest(vibe.code(0xD2A12001, 0xF2820001, 0x528AAAA2, 0x79000022, 0xF9000022, 0xB9000422) + vibe.POWER_OFF)
        self.assertEqual((p.returncode, result["reason"]), (0, "poweroff"))

    def test_max_insns(self):
        """Exactly so many, translated or not; and nothing later happens."""
        text = b"0123456789"
        guest = vibe.printing(text, vibe.SPIN)  # 2 instructions, and 4 for each character
        for accel in ("soft", "soft,jit=off"):
            for n in (1, 2 + 4 * 3, 2 + 4 * 3 - 1, 1000003, 30000001):
                for more in ([], ["--deterministic"]):
                    p, result, _ = self.run_guest(guest, "--max-insns", str(n), "--accel", accel, *more)
                    self.assertEqual((p.returncode, result["reason"]), (3, "max-insns"), p.stderr)
                    self.assertEqual(result["statistics"]["vcpus"][0]["instructions"], n)
                    self.assertEqual(p.stdout, text[:max(0, (n - 2 + 1) // 4)], n)
        p, _, _ = self.run_guest(guest, "--max-insns", "1000000", "--expect", text.decode())
        self.assertEqual(p.returncode, 0)
        p, _, _ = self.run_guest(guest, "--max-insns", "1000000", "--expect", text.decode() + "$")
        self.assertEqual(p.returncode, 3)
        self.assertIn(b"--expect 0123456789$ did not come: --max-insns were run; it is there but for the $, which is the end of a line that has ended\n", p.stderr)
        p, _, _ = self.run_guest(guest, "--max-insns", "20", "--expect", text.decode())
        self.assertEqual(p.returncode, 3)
        self.assertIn(b"--expect 0123456789 did not come: --max-insns were run\n", p.stderr)
        p, _, _ = self.run_guest(vibe.POWER_OFF, "--max-insns", "20")
        self.assertEqual(p.returncode, 0)
        for n in ("0", "x", "1k", ""):
            self.assertEqual(vibe.run("--binary", self.path("guest.raw"), "--max-insns", n).returncode, 2)

    def test_signal(self):
        p = subprocess.Popen([vibe.PROGRAM, "--binary", self.write("guest.raw", vibe.printing(b"x\n", vibe.SPIN)), "--expect", "yes",
                              "--stats=none", "--timeout", "50", "--result", self.path("result.json")], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        p.send_signal(signal.SIGTERM)
        _, err = p.communicate(timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 128 + signal.SIGTERM)
        self.assertIn(b"--expect yes did not come: a signal ended the run", err)
        with open(self.path("result.json")) as f:
            self.assertEqual(json.load(f)["outcome"], "error")

    def test_fail(self):
        p, result, _ = self.run_guest(vibe.printing(b"all is well\n\x1b[31mKernel panic\x1b[0m - not syncing\n", vibe.POWER_OFF), "--fail",
                                      "^Kernel panic")
        self.assertEqual((p.returncode, result["reason"]), (UNEXPECTED, "unexpected"))
        self.assertIn(b"vibevmm: --fail ^Kernel panic has come: Kernel panic - not syncing\n", p.stderr)
        p, result, _ = self.run_guest(vibe.printing(b"all is well\n", vibe.POWER_OFF), "--fail", "panic")
        self.assertEqual((p.returncode, self.states(result)), (0, ["passed"]))

    def test_what_comes_first_counts(self):
        for text, status in ((b"good bad", 0), (b"bad good", UNEXPECTED), (b"bad", UNEXPECTED)):
            for end in (b"", b"\n"):
                p, _, _ = self.run_guest(vibe.printing(text + end, vibe.POWER_OFF), "--expect", "good", "--fail", "bad")
                self.assertEqual(p.returncode, status)
        # At the same place: it has failed.
        p, _, _ = self.run_guest(vibe.printing(b"both\n", vibe.POWER_OFF), "--expect", "both", "--fail", "[b]oth")
        self.assertEqual(p.returncode, UNEXPECTED)

    def test_any_bytes_in_the_reports(self):
        text = bytes(range(1, 256)) + b"<![CDATA[ ]]> \"quoted\" &amp; \xe2\x82\xac\n"
        _, result, _ = self.run_guest(vibe.printing(text, vibe.POWER_OFF), "--fail", "<&\"'>")
        self.assertIn("<![CDATA[ ]]> \"quoted\" &amp; \u20ac\n", result["console_tail"])

    def test_much_output(self):
        p, result, _ = self.run_guest(vibe.printing(b"x" * 10000 + b"\n" * 300 + b"the end", vibe.SPIN), "--expect", "the end")
        self.assertEqual(p.returncode, 0)
        self.assertEqual(result["console_tail"], "\n" * 99 + "the end")

    def test_console_on_virtio(self):
        kernel = os.path.join(vibe.ROOT, "tests", "kernels", "virtio_console.raw")
        p = vibe.run("--binary", kernel, "--console", "--timeout", "50", "--stats=none", "--expect", "^one two three$")
        self.assertEqual((p.returncode, p.stderr), (0, b""))

    def test_reader_that_went_away(self):
        """Nobody reads the console: what is expected comes all the same."""
        r, w = os.pipe()
        os.close(r)
        p = subprocess.run([vibe.PROGRAM, "--binary", self.write("guest.raw", vibe.printing(b"a\nb", vibe.SPIN)), "--expect", "b", "--stats=none",
                            "--timeout", "50"], stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, timeout=vibe.LIMIT_S, check=False)
        os.close(w)
        self.assertEqual((p.returncode, p.stderr), (0, b""))

    def test_an_old_report_does_not_stay(self):
        """A run that does not come to its end leaves no report that says otherwise."""
        self.write("result.json", '{"outcome": "passed"}')
        p = vibe.run("--binary", self.path("none.raw"), "--result", self.path("result.json"))
        self.assertEqual((p.returncode, os.path.getsize(self.path("result.json"))), (2, 0))

    def test_bad_options(self):
        guest = self.write("guest.raw", vibe.POWER_OFF)
        for args, why in ((["--expect", "("], "--expect: \"(\" is no extended regular expression"), (["--fail", "x*"], "matches where there is no text"),
                          (["--script", self.path("none")], "none: No such file"), (["--junit", self.tmp], "--junit %s: Is a directory" % self.tmp),
                          (["--result", "/none/x"], "--result /none/x: No such file")):
            p = vibe.run("--binary", guest, *args)
            self.assertEqual((p.returncode, p.stdout), (2, b""))
            self.assertIn(why, p.stderr.decode())
            self.assertEqual(p.stderr.count(b"\n"), 1)

    # ---- --script

    def script(self, text):
        return ["--script", self.write("talk.script", text)]

    def test_script(self):
        """A guest that sends back what it gets."""
        talk = self.script("""
            send "hello\\n"
            expect /^hello$/
            send "name: "
            expect /name: /         # a prompt
            send "me\\x41\\n"
            expect /^meA$/          # what is behind the prompt is not its line's beginning
            """)
        p, result, _ = self.run_guest(vibe.ECHO, *talk, "--timeout", "0.5")
        self.assertEqual(p.returncode, 3, result)
        self.assertEqual(self.states(result), ["passed"] * 5 + ["failed"])
        talk = self.script("""
            send "hello\\nname: "
            expect /^hello$/
            expect /name: /
            send "meA\\nmeA\\n"
            expect /meA$/
            expect /^meA$/
            """)
        p, result, _ = self.run_guest(vibe.ECHO, *talk)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        self.assertEqual(self.states(result), ["passed"] * 6)
        self.assertEqual([s["line"] for s in result["steps"]], [2, 3, 4, 5, 6, 7])
        self.assertEqual(result["reason"], "expected")

    def test_script_that_fails(self):
        talk = self.script("timeout 0.2\nsend \"one\\n\"\nexpect /one/\nexpect /two/\nexpect /three/\n")
        p, result, suite = self.run_guest(vibe.ECHO, *talk)
        self.assertEqual(p.returncode, UNEXPECTED)
        self.assertEqual(p.stderr.decode(), "vibevmm: %s:4: expect /two/ did not come within 0.2 s\n"
                         "The console's last lines:\n  | one\n" % self.path("talk.script"))
        self.assertEqual(self.states(result), ["passed", "passed", "failed", "not reached"])
        self.assertTrue(suite[3].get("name").endswith("talk.script:3 expect /one/"), suite[3].get("name"))

    def test_script_and_the_guests_end(self):
        for then, end, status in ((vibe.POWER_OFF, "end", 0), (vibe.exit_with(0), "end", 0), (vibe.exit_with(6), "end", 6),
                                  (vibe.SPIN, "end 0.2", UNEXPECTED), (vibe.UNDEFINED, "end", 4), (vibe.POWER_OFF, "expect /more/", UNEXPECTED)):
            p, result, _ = self.run_guest(vibe.printing(b"hi\n", then), *self.script("expect /hi/\n" + end))
            self.assertEqual(p.returncode, status, result)
        self.assertIn(b"talk.script:2: expect /more/ did not come: the guest powered off", p.stderr)

    def test_script_with_fail(self):
        """Patterns of failure count from their line on."""
        talk = self.script("expect /b/\nfail /a/\nexpect /c/\nend")
        for text, status in ((b"aabac", UNEXPECTED), (b"aabc", 0), (b"aabca", UNEXPECTED)):
            p, _, _ = self.run_guest(vibe.printing(text, vibe.POWER_OFF), *talk)
            self.assertEqual(p.returncode, status, text)

    def test_script_by_lines(self):
        """Each end of line is there once."""
        talk = self.script("expect /^$/\nexpect /^$/\nexpect /x$/\nexpect /^y$/\nend")
        for text, status in ((b"\n\nx\ny\n", 0), (b"a\n\nb\n\nx\ny", 0), (b"\nx\ny\n", UNEXPECTED), (b"\n\nxy\n", UNEXPECTED)):
            for more in ([], ["--deterministic"]):
                p, _, _ = self.run_guest(vibe.printing(text, vibe.POWER_OFF), *talk, *more)
                self.assertEqual(p.returncode, status, text)

    def test_script_and_expect(self):
        """Both have to be kept."""
        for text, status in ((b"x\ny\n", 0), (b"y\nx\n", 0), (b"x\n", UNEXPECTED), (b"y\n", UNEXPECTED)):
            p, _, _ = self.run_guest(vibe.printing(text, vibe.POWER_OFF), "--expect", "x", *self.script("expect /y/"))
            self.assertEqual(p.returncode, status, text)

    def test_script_that_sends_much(self):
        """More than the console's queue has room for, to a guest that takes its time."""
        line = "x" * 1000
        talk = self.script("".join('send "%s\\n"\n' % line for _ in range(200)) + 'send "done\\n"\nexpect /^done$/\n')
        p, _, _ = self.run_guest(vibe.ECHO, *talk)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertTrue(p.stdout.startswith(((line + "\n") * 200 + "done\n").encode()))

    def test_script_in_a_deterministic_run(self):
        """What is sent and when the run ends is the same each time, to the instruction, with the translator as without."""
        runs = set()
        for accel in ("soft", "soft,jit=off", "soft,threshold=1"):
            talk = self.script('send "a"\nexpect /a/\nsend "bcd\\n"\nexpect /bcd$/\nsend "$ "\nexpect /\\$ /\n')
            p, result, _ = self.run_guest(vibe.ECHO, "--deterministic", "--cpus", "2", "--accel", accel, *talk)
            self.assertEqual(p.returncode, 0, p.stderr)
            s = result["statistics"]
            runs.add((s["memory_hash"], s["vcpus"][0]["instructions"], s["vcpus"][0]["exits"]["total"], p.stdout))
        self.assertEqual(len(runs), 1, runs)

    def test_deterministic_end(self):
        """The instruction that writes the last byte of what was expected is the run's last, however many others were to be run with it."""
        text = b"it is about to be\n" * 300 + b"done"
        for accel in ("soft", "soft,jit=off", "soft,threshold=1"):
            p, result, _ = self.run_guest(vibe.printing(text + b"." * 1000, vibe.SPIN), "--deterministic", "--accel", accel, "--expect", "done")
            self.assertEqual((p.returncode, p.stdout), (0, text), p.stderr)
            self.assertEqual(result["statistics"]["vcpus"][0]["instructions"], 2 + 4 * len(text) - 1, accel)

    def test_script_errors_before_the_start(self):
        guest = self.write("guest.raw", vibe.printing(b"it runs", vibe.POWER_OFF))
        path = self.write("talk.script", "expect /a/\nexpct /b/\n")
        p = vibe.run("--binary", guest, "--script", path)
        self.assertEqual((p.returncode, p.stdout), (2, b""))
        self.assertEqual(p.stderr.decode(), "vibevmm: %s:2: \"expct\" is not one of expect, send, fail, timeout, end\n" % path)

    def test_the_terminal_is_not_the_guests_then(self):
        p, _, _ = self.run_guest(vibe.ECHO, *self.script('send "x\\n"\nexpect /x/\n'), stdin=b"typed")
        self.assertEqual((p.returncode, p.stdout), (0, b"x\n"))


if __name__ == "__main__":
    unittest.main()
