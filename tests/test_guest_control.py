"""Linux under the control socket: images changed under its disk, paused, reset, its power key pressed."""
import os
import subprocess
import tempfile
import unittest

import guests
import test_control
import vibe


@unittest.skipUnless(test_control.has_jansson(), "a build without libjansson")
class Linux(unittest.TestCase):
    def test_media_and_power(self):
        kernel, modules = guests.kernel("linux-image-arm64")  # has a driver for the power key
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        initrd = guests.initrd(os.path.join(tmp.name, "initrd.gz"), modules=(modules, "virtio_mmio,virtio_blk,gpio_keys,evdev"))
        images = []
        for i, mib in enumerate((1, 3)):
            images.append(os.path.join(tmp.name, "image%d" % i))
            with open(images[-1], "wb") as f:
                f.write(b"image %d\n" % i)
                f.truncate(mib << 20)
        path = os.path.join(tmp.name, "socket")

        def ctl(*words, status=0):
            p = subprocess.run([vibe.PROGRAM, "ctl", path, *words], capture_output=True, text=True, timeout=vibe.LIMIT_S, check=False)
            self.assertEqual(p.returncode, status, p.stderr)
            return p.stdout if not status else p.stderr
        with guests.Guest("control", "--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0 quiet", "--mem", "256M", "--disk", images[0],
                          "--control", "unix:" + path, "--timeout", str(guests.LIMIT_S), "--stats=none") as g:
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            self.assertEqual(g.shell("cat /sys/block/vda/size; head -c 8 /dev/vda").split(), ["2048", "image", "0"])
            self.assertIn("No such file", ctl("change", "disk0", images[1] + "x", status=1))
            ctl("change", "disk0", images[1], "read-only")
            self.assertIn(images[1], ctl("disks"))
            wait = "until [ $(cat /sys/block/vda/size) = %d ]; do sleep 0.05; done; "
            self.assertEqual(g.shell(wait % 6144 + "head -c 8 /dev/vda").split(), ["image", "1"])
            self.assertIn("error", g.shell("dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>&1 || true").lower())
            ctl("eject", "disk0")
            self.assertNotIn("inserted", ctl("disks"))
            g.shell(wait % 0 + "true")
            ctl("change", "disk0", images[0])
            self.assertEqual(g.shell(wait % 2048 + "echo changed | dd of=/dev/vda conv=fsync 2>/dev/null; head -c 7 /dev/vda").strip(), "changed")
            with open(images[0], "rb") as f:
                self.assertEqual(f.read(8), b"changed\n")
            self.assertIn("changed", ctl("console"))
            before = float(g.shell("cut -d' ' -f1 /proc/uptime"))
            ctl("pause")
            self.assertEqual(ctl("status"), "paused\n")
            ctl("resume")
            self.assertLess(float(g.shell("cut -d' ' -f1 /proc/uptime")) - before, 60)
            ctl("reset")
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            g.shell("(dd bs=24 count=1 of=/tmp/key if=/dev/input/event0 2>/dev/null; poweroff -f) & "
                    "until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q event0; do sleep 0.05; done")
            ctl("power")
            g.expect(rb"reboot: Power down")
            self.assertEqual(g.end(), 0)


if __name__ == "__main__":
    unittest.main()
