"""One behaviour: what a kernel under tests/kernels does on a backend beside what it does on the software CPU's interpreter. Console, exit status, what is asked of
each device, and the exits by kind, with the differences that docs/backends.md has in "What is counted". test_hvf and test_guest_kvm run the backends.
"""
import collections
import json
import os
import subprocess
import tempfile

import test_kernels
import vibe

REFERENCE = "soft,jit=off"
# How often these look at a device, or at another CPU, is a matter of time; also how many CPUs an interrupt for several calls.
BY_TIME = {"virtio_console", "entropy", "psci", "storm", "gicv2"}

# How a kind's number stands to the interpreter's, where it is not the same.
NOT_COUNTED = "not counted"  # null in the JSON, and the box says so
FEWER = "no more of them"
ANY = "whatever it is"
NONE = "none"
EXITS = {
    "soft": {"cancel": ANY},
    # The virtual timer's registers do not exit, its interrupt does; WFE and SEV do not.
    "hvf": {"cancel": ANY, "wfe": NOT_COUNTED, "sev": NOT_COUNTED, "stuck": NOT_COUNTED, "sysreg": FEWER, "timer": ANY},
    # Nor do the GIC's registers with the framework's own, and a WFI may or may not; the timers are that GIC's too.
    "hvf,gic=framework": {"cancel": ANY, "hlt": FEWER, "wfe": NOT_COUNTED, "sev": NOT_COUNTED, "stuck": NOT_COUNTED, "sysreg": NONE, "timer": NONE},
    # A WFI that finds its interrupt pending is none that KVM sees. How a run ends, KVM says.
    "kvm": {"cancel": ANY, "hlt": FEWER, "wfe": ANY, "sev": NOT_COUNTED, "stuck": NOT_COUNTED, "smc": NOT_COUNTED, "sysreg": NONE, "system_event": ANY},
}
OF_MEMORY = {"mmio_read": "reads", "mmio_write": "writes"}
OTHERS_GIC = ("kvm", "hvf,gic=framework")  # the host's, of whose registers nobody here hears


class Run(collections.namedtuple("Run", "said status stats")):
    """What came of one: text of console and messages, exit status, statistics (None: there are none)."""

    def exits(self, kind):
        """Of all vCPUs; None: not counted."""
        numbers = [v["exits"][kind] for v in self.stats["vcpus"]]
        return None if None in numbers else sum(numbers)

    def accesses(self, but=()):
        """By device."""
        return {d["name"]: (d["reads"], d["writes"], d["bad"]) for d in self.stats["devices"]
                if (d["reads"] or d["writes"]) and not d["name"].startswith(tuple(but))}

    def devices(self, what, of=""):
        return sum(d[what] for d in self.stats["devices"] if d["name"].startswith(of))


def run(program, accel, path, cpus, options, stdin="", limit_s="20"):
    """A kernel by its file, here."""
    with tempfile.TemporaryDirectory() as tmp:
        stats = os.path.join(tmp, "stats")
        p = subprocess.run([program, "--accel", accel, "--binary", path, "--cpus", cpus, "--timeout", limit_s, "--stats=json:" + stats, *options],
                           input=stdin.encode("latin-1"), capture_output=True, timeout=vibe.LIMIT_S, check=False)
        said = (p.stdout + p.stderr).decode("latin-1").replace("\r", "")
        if not os.path.exists(stats):
            return Run(said, p.returncode, None)
        with open(stats, encoding="utf-8") as f:
            return Run(said, p.returncode, json.load(f))


_references = {}


def reference(name, cpus, options, stdin):
    """On the interpreter, once."""
    key = (name, cpus, tuple(options), stdin)
    if key not in _references:
        _references[key] = run(vibe.PROGRAM, REFERENCE, os.path.join(test_kernels.KERNELS, name + ".raw"), cpus, options, stdin)
    return _references[key]


def check_exits(case, backend, got, want, exact, one_cpu):
    """exact: the numbers are a matter of the kernel alone; of several CPUs only those of device accesses, since one may switch itself off or sleep when another ends
    the run."""
    rules = EXITS[backend]
    for kind in want.stats["vcpus"][0]["exits"]:
        rule, n = rules.get(kind), got.exits(kind)
        if kind == "total" or rule is ANY:
            continue
        case.assertEqual(n is None, rule is NOT_COUNTED, kind)
        if rule is NOT_COUNTED:
            continue
        m = want.exits(kind)
        if backend in OTHERS_GIC and kind in OF_MEMORY:  # and stores for which a kernel wakes a thread
            m -= want.devices(OF_MEMORY[kind], "gic") + (got.devices("no_exit") if kind == "mmio_write" else 0)
        if rule is NONE or kind in ("error", "stuck", "debug", "semihosting"):
            case.assertEqual(n, 0, kind)
        elif rule is FEWER:
            if exact and one_cpu:
                case.assertLessEqual(n, m, kind)
        elif exact and (one_cpu or kind in OF_MEMORY):
            case.assertEqual(n, m, kind)


def check(case, backend, name, cpus, stdin, got, want, said=None):
    """said: what the backend's console comes to without what its CPU lacks; then numbers are none of this CPU's."""
    alike = said is None or said == got.said
    case.assertIn("PASS " + name + "\n", got.said)
    case.assertEqual(((said if said is not None else got.said).rstrip(), got.status), (want.said.rstrip(), want.status))
    case.assertEqual(got.stats["accel"], backend.partition(",")[0])
    exact = alike and not stdin and name not in BY_TIME
    if exact:
        but = ("gic",) if backend in OTHERS_GIC else ()
        case.assertEqual(got.accesses(but), want.accesses(but))
    check_exits(case, backend, got, want, exact, cpus == "1")


def check_box(case, backend, box):
    """The rows of the box say the same as the JSON."""
    for kind, label in (("wfe", "WFE"), ("sev", "SEV"), ("smc", "SMC"), ("stuck", "Stuck")):
        says = "not counted" if EXITS[backend].get(kind) is NOT_COUNTED else r"\d+"
        if says == "not counted":
            case.assertRegex(box, r"%s Exits: +%s +" % (label, says))
        else:
            case.assertNotRegex(box, r"%s Exits: +not counted" % label)


# ---- Guests that do what no guest should --------------------------------------------------------------------------------------------------------------

_X0_UART = 0xD2A12000  # mov x0, #0x9000000
_SELF = 0x14000000  # b .
# msr TTBR0_EL1, x0; mov x1, #25; msr TCR_EL1, x1; mov x0, #1; msr SCTLR_EL1, x0; isb; b .
_MMU_ON = (0xD5182000, 0xD2800321, 0xD5182041, 0xD2800020, 0xD5181000, 0xD5033FDF, _SELF)
_NOP = 0xD503201F
_POWER_OFF = (0x52B08000, 0x11002000, 0xD4000002)  # mov w0, #0x84000000; add w0, w0, #8; hvc #0
# mov x0, #0x10000, the code itself; msr VBAR_EL1, x0; mov x0, #0x30000; mov x2, #0x701, a block at 0; str x2, [x0]; mov x2, #0xff, normal memory; msr MAIR_EL1, x2
_DEVICE_AS_MEMORY = (0xD2A00020, 0xD518C000, 0xD2A00060, 0xD280E022, 0xF9000002, 0xD2801FE2, 0xD518A202, *_MMU_ON[:-1], _X0_UART)
_ZEROES = (*_DEVICE_AS_MEMORY, 0xD50B7420, _SELF)  # dc zva, x0
STUCK, TIMEOUT, POWEROFF = (4, "stuck"), (3, "timeout"), (0, "poweroff")
HOSTILE = {
    "jumps to a device": (_X0_UART, 0xD61F0000),
    "jumps to nothing": (0xD2BE0000, 0xD61F0000),
    "exclusives on a device": (_X0_UART, 0x885F7C01, 0x88027C01, _SELF),
    "an atomic on a device": (_X0_UART, 0x88A17C02, _SELF),
    "zeroes lines of a device": (*_ZEROES, *[_NOP] * (128 - len(_ZEROES)), *_POWER_OFF),
    "translation tables in a device": (_X0_UART, *_MMU_ON),
    "maps nothing": (0xD2A00200, *_MMU_ON),
    "calls without an end": (0xD4000003, 0xD4000002, 0x17FFFFFE),
    "its last CPU off": (0x52B08000, 0x11000800, 0xD4000002, _SELF),
}
# Only the software CPU sees that a guest is in a fault without an end, and only where PSCI is ours that no CPU is on.
_ENDLESS = {"calls without an end": TIMEOUT, "its last CPU off": POWEROFF}
_HANDLED = {"zeroes lines of a device": POWEROFF}  # a fault, for which this one has a vector
ENDS = {
    "soft": {name: {**_ENDLESS, **_HANDLED}.get(name, STUCK) for name in HOSTILE},
    "hvf": {name: {**_ENDLESS, **_HANDLED}.get(name, TIMEOUT) for name in HOSTILE},
    "hvf,gic=framework": {name: {**_ENDLESS, **_HANDLED}.get(name, TIMEOUT) for name in HOSTILE},
    "kvm": {name: _HANDLED.get(name, TIMEOUT) for name in HOSTILE},
}


def hostile_limit_s(backend, name):
    """Long where it does not have to pass."""
    return "0.3" if ENDS[backend][name] is TIMEOUT else "20"


def check_hostile(case, backend, name, got):
    """It gets no further than itself."""
    case.assertEqual((got.status, got.stats["result"]), ENDS[backend][name], name + ": " + got.said)
    case.assertEqual(sum(v["exits"]["error"] for v in got.stats["vcpus"]), 0, name)


# ---- --self-test: small guests with breakpoints, watchpoints, steps, a record of stores (src/hv/native_self_test.c); what it asks, and what it is answered -------------------

DEBUGS = (
    ("pages that the guest writes", "24, then 0"),
    ("a breakpoint", r"breakpoint at \+4"), ("a watchpoint", r"watchpoint at \+8, store, 4"), ("and passed", r"end at \+14"),
    ("steps", r"step \+4 45, step \+8 5, step \+c 5, step \+a00 3c5; DAIF was 40, SPSR_EL1 is 5, 1 exit"),
    ("a step over BRK", r"step \+a00, ESR_EL1 f2000000"), ("a step over WFI", r"step \+18"),
    ("steps at a device", r"step \+4, step \+8, step \+c, step \+10; 4 exits, x2 is 5a"),
    ("steps that it ends", r"end \+4, step \+4, end \+8, step \+8, end \+c, step \+c, step \+10; 4 exits, x2 is 5a"),
    ("a kick in a step", r"step \+4, step \+8, end \+8, step \+c; 4 exits, x2 is 5a"),
    ("a step into an abort", r"step \+a00; 1 exits, x2 is 0"), ("and one of a pair's", r"end \+a00, step \+a00; 1 exits, x2 is 0"),
    ("a kick at a load", r"end \+4; 1 exits, x2 is 5a"),
)
