"""The firmware that Debian ships: U-Boot and EDK2 to their prompts, what they keep in flash, and EDK2 starting Linux."""
import re
import shutil
import subprocess
import unittest

import guests
import vibe

ESC = "\x1b"
GUID = "01234567-89ab-cdef-0123-456789abcdef"


class RealFirmware(vibe.InFolder):
    def linux_disk(self):
        """A FAT file system with Debian's kernel, an initial RAM disk, and a script for EDK2's shell that starts them."""
        if not shutil.which("mformat"):
            self.skipTest("mtools is not installed")
        kernel, modules = guests.kernel()
        disk = self.path("disk.img")
        guests.initrd(self.path("initrd.gz"), modules=(modules, "virtio_mmio,virtio_blk"))
        with open(self.path("startup.nsh"), "w") as f:
            f.write("fs0:\r\nvmlinuz initrd=\\initrd.gz console=ttyAMA0 from=edk2\r\n")
        with open(disk, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mformat", "-i", disk, "-F", "::"], check=True, timeout=60)
        for source, name in ((kernel, "vmlinuz"), (self.path("initrd.gz"), "initrd.gz"), (self.path("startup.nsh"), "startup.nsh")):
            subprocess.run(["mcopy", "-i", disk, source, "::" + name], check=True, timeout=60)
        return disk

    def finish_linux(self, g, says):
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")
        self.assertIn(says, g.shell("cat /proc/cmdline"))
        self.assertIn("vda", g.shell("cat /proc/partitions"))
        g.send("poweroff -f\n")
        g.expect(rb"reboot: Power down")
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    def start(self, name, *args):
        return guests.Guest("firmware-" + name, "--timeout", str(guests.LIMIT_S), "--stats=none", *args)


class UBoot(RealFirmware):
    @staticmethod
    def firmware():
        return guests.package("u-boot-qemu") + "/usr/lib/u-boot/qemu_arm64/u-boot.bin"

    def command(self, g, text):
        """What a command prints, between its echo and the next prompt."""
        g.send(text + "\n")
        g.expect(re.escape(text.encode()) + rb"\r?\n")
        start = g.at
        g.expect(rb"=> ")
        return g.out[start:g.at].replace(b"\r", b"").decode(errors="replace")

    def reach_prompt(self, g):
        g.expect(rb"U-Boot 20")
        g.expect(rb"Hit any key to stop autoboot")
        g.send(" ")
        g.expect(rb"=> ")

    def test_prompt_and_environment(self):
        """Its environment survives a reset and the end, in the second flash."""
        firmware = self.firmware()
        env = self.path("env.bin")
        with open(env, "wb"):
            pass
        with self.start("u-boot", "--firmware", firmware, "--flash1", env, "--mem", "256M") as g:
            g.expect(rb"DRAM: +256 MiB")
            g.expect(rb"bad CRC, using default environment")
            g.at = 0
            self.reach_prompt(g)
            self.assertIn("0000000040000000", self.command(g, "bdinfo").replace("0x", ""))
            self.assertIn("Intel Extended command set", self.command(g, "flinfo"))
            self.assertIn("vibevmm", self.command(g, "fdt addr 40000000; fdt print / model"))
            self.command(g, "setenv answer 42")
            self.assertIn("Writing to Flash", self.command(g, "saveenv"))
            g.send("reset\n")
            self.reach_prompt(g)
            self.assertIn("answer=42", self.command(g, "printenv answer"))
            g.send("poweroff\n")
            self.assertEqual(g.end(), 0)
        with open(env, "rb") as f:
            self.assertIn(b"answer=42\0", f.read())
        with self.start("u-boot-again", "--firmware", firmware, "--flash1", env) as g:
            self.reach_prompt(g)
            self.assertNotIn(b"bad CRC", g.out)
            self.assertIn("answer=42", self.command(g, "printenv answer"))
            g.send("poweroff\n")
            self.assertEqual(g.end(), 0)


    def test_starts_linux_from_a_disk(self):
        with self.start("u-boot-linux", "--firmware", self.firmware(), "--disk", self.linux_disk()) as g:
            self.reach_prompt(g)
            self.assertIn("64.0 MB", self.command(g, "virtio info"))
            self.assertIn("vmlinuz", self.command(g, "ls virtio 0"))
            self.command(g, "load virtio 0 ${kernel_addr_r} vmlinuz")
            self.command(g, "load virtio 0 ${ramdisk_addr_r} initrd.gz")
            self.command(g, "setenv bootargs console=ttyAMA0 from=uboot")
            g.send("booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}\n")
            g.expect(rb"Starting kernel")
            self.finish_linux(g, "from=uboot")


class Edk2(RealFirmware):
    def setUp(self):
        super().setUp()
        folder = guests.package("qemu-efi-aarch64") + "/usr/share/AAVMF/"
        self.vars = self.path("vars.fd")
        shutil.copyfile(folder + "AAVMF_VARS.fd", self.vars)
        self.args = ["--firmware", folder + "AAVMF_CODE.fd", "--flash1", self.vars]

    def reach_shell(self, g):
        g.expect(rb"UEFI firmware")
        g.expect(rb"UEFI Interactive Shell")
        g.expect(rb"Press")
        g.send(ESC)
        g.expect(rb"Shell> ")

    def test_shell_and_variables(self):
        """A variable is there after a reset, which also restarts all of EDK2, and in the file."""
        with self.start("edk2", *self.args) as g:
            self.reach_shell(g)
            g.send("setvar VibeTest -guid %s -nv -bs =56494245\r" % GUID)
            g.expect(rb"Shell> ")
            g.send("reset -c\r")
            self.reach_shell(g)
            g.send("setvar VibeTest -guid %s\r" % GUID)
            g.expect(rb"56 49 42 45")
            g.expect(rb"Shell> ")
            g.send("reset -s\r")
            self.assertEqual(g.end(), 0)
        with open(self.vars, "rb") as f:
            self.assertIn("VibeTest".encode("utf-16-le"), f.read(1 << 20))

    def test_starts_linux(self):
        """The kernel as an EFI application, kernel, initial RAM disk and command line by fw_cfg."""
        kernel, modules = guests.kernel()
        disk = guests.initrd(self.path("initrd.gz"), modules=(modules, "efivarfs"))
        with self.start("edk2-linux", *self.args, "--kernel", kernel, "--initrd", disk, "--cmdline", "console=ttyAMA0 hello=world", "--cpus", "2") as g:
            g.expect(rb"UEFI firmware")
            g.expect(rb"EFI stub: Booting Linux Kernel")
            g.expect(rb"EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path")
            g.expect(rb"efi: EFI v2[^\n]* by EDK II")
            g.expect(rb"init: Linux [^\n]* with 2 CPUs is up")
            g.expect(rb"# ")
            self.assertIn("hello=world", g.shell("cat /proc/cmdline"))
            # A runtime service: the variables, which live in flash.
            self.assertIn("BootOrder-8be4df61", g.shell("mount -t efivarfs efivarfs /mnt && ls /mnt"))
            g.send("poweroff -f\n")
            g.expect(rb"reboot: Power down")
            self.assertEqual(g.end(), 0)
            g.check_no_trouble()

    def test_starts_linux_from_a_disk(self):
        """From EDK2's shell, by the script on the disk; with the other interrupt controller."""
        with self.start("edk2-disk", *self.args, "--disk", self.linux_disk(), "--gic", "2") as g:
            g.expect(rb"UEFI Interactive Shell")
            g.expect(rb"FS0:")
            g.expect(rb"Press")
            g.send("\r")
            g.expect(rb"FS0:[^\n]*> ")
            g.expect(rb"EFI stub: Loaded initrd from command line option")
            self.finish_linux(g, "from=edk2")


if __name__ == "__main__":
    unittest.main()
