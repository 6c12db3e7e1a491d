"""KVM, in an emulated machine (tests/test_guest_kvm.py): what of it does not depend on the emulation. Exits are counted, not timed; times are beside others of the
same machine: the kernel on the bare machine and in its guest, a program's start over KVM and on the software CPU there."""
import re

from common import median
import test_guest_kvm
import vibe

OPERATIONS = 1000
# mov x1, #0x09000000; mov w9, #1000; 1: the operation; subs w9, w9, #1; b.ne 1b; and off. The operations are two words each.
LOOP = {
    "a store to a device": (0xB9003820, 0xD503201F),  # str w0, [x1, #0x38]; nop
    "a load from a device": (0xB9403820, 0xD503201F),
    "a pair from a device, of two loads": (0x29471420, 0xD503201F),  # ldp w0, w5, [x1, #0x38]: without a syndrome
    "PSCI_VERSION": (0x52B08000, 0xD4000002),  # mov w0, #0x84000000; hvc #0
}
INIT = r"\[ *([0-9.]+)\] Run /init"
NOTE = """In a machine that QEMU emulates, with `virtualization=on`: Debian's kernel and its KVM are real, the hardware is not. So exits are counted, for each operation of the
guest's: those that KVM deals with, and those that come to vibevmm, which cost the way to user space and back. Of the times only the quotients say something, and that
with care: an emulated exception level is cheap where a real one is not.
"""


class Machine(test_guest_kvm.Kvm):
    def runTest(self):
        pass


def to_vibevmm(run):
    """Exits that KVM could not deal with by itself."""
    return sum(run.exits(kind) for kind in ("mmio_read", "mmio_write", "system_event", "debug", "error"))


def loop(machine, g, words):
    machine.write(g, "/k/loop.raw", vibe.code(0xD2A12001, 0x52800009 | OPERATIONS << 5, *words, 0x71000529, 0x54FFFFA1, *vibe.SYSTEM_OFF))
    return machine.vibevmm(g, "--accel kvm --timeout 60 --binary /k/loop.raw")


def exits(bench, machine, g):
    bench.head("KVM, emulated host: exits", "to KVM alone", "to vibevmm")
    for name, words in LOOP.items():
        run = loop(machine, g, words)
        if run.status:
            raise AssertionError(run.said)
        bench.say(name, "%.2f" % ((run.exits("hvc") - 1) / OPERATIONS), "%.2f" % ((to_vibevmm(run) - 1) / OPERATIONS))
    run = machine.vibevmm(g, "--accel kvm --timeout 60 --binary /k/entropy.raw")
    notified, came = run.devices("no_exit", "virtio_rng"), run.devices("writes", "virtio_rng")
    bench.say("a virtio notification (of %d stores to the device)" % came, "1.00" if notified else "0.00", "0.00" if notified else "1.00")
    bench.say()


def linux(bench, machine, g):
    bare = float(re.search(INIT, g.shell("dmesg")).group(1))
    run = machine.vibevmm(g, "--accel kvm --timeout 120 --kernel /k/Image --initrd /k/quick --cmdline 'console=ttyAMA0 panic=-1 quiet' --mem 256M")
    guest = float(re.search(INIT, run.said).group(1))
    first = {accel: [machine.vibevmm(g, "--accel %s --timeout 60 --binary /k/console.raw" % accel).stats["first_byte_ns"] for _ in range(bench.runs)]
             for accel in ("kvm", "soft")}
    bench.head("KVM, emulated host", "")
    bench.say("Linux, by its own clock: to init in the guest / on that host", "%.2f" % (guest / bare))
    bench.say("to a guest's first byte: KVM / software CPU", "%.2f" % (median(first["kvm"]) / median(first["soft"])))
    for kind, label in (("hlt", "WFI, to KVM alone"), ("hvc", "HVC, to KVM alone"), ("mmio_read", "loads from devices, to vibevmm"),
                        ("mmio_write", "stores to devices, to vibevmm")):
        bench.say("Linux to init and off: " + label, run.exits(kind))
    bench.say()


def table(bench):
    machine = Machine()
    try:
        Machine.setUpClass()
        Machine.add.append(test_guest_kvm.guests.initrd(bench.tmp + "/quick.cpio", run="dmesg | grep 'Run /init'\n") + "=k/quick")
        g = machine.start(test_guest_kvm.VHE, 3)
        bench.note(NOTE)
        exits(bench, machine, g)
        linux(bench, machine, g)
    finally:
        machine.doCleanups()
        Machine.doClassCleanups()
