"""Makes the cases of one row of a64.isa: fields, and registers and memory to fit."""

import a64spec
import isafp
import isavec
from isacase import (AFTER_NONE, AUT, BEFORE_NONE, BEFORE_RO, CODE, CODE_LEN, DATA, FPCR_BITS, FPSR_BITS, M64, MEM_ALIGN, MIDDLE, READS,
                     SP_ALIGN, STORES, UNDEFINED, WINDOW, WRITES, ZVA, Case, group_rng, sext, value)

REGISTER_FIELDS = ("Rd", "Rn", "Rm", "Ra", "Rs", "Rt", "Rt2")
PAC_LOW = 0x7F << 48  # the code's bits under a tag: TBI0, 48-bit addresses
PAC_ALL = PAC_LOW | 0xFF << 56


# ---- fields ----------------------------------------------------------------------------------------------------------

def immediate(r, width):
    top = (1 << width) - 1
    if r.random() < 0.35:
        return r.choice((0, 0, 1, top, top - 1, 1 << (width - 1), (1 << (width - 1)) - 1)) & top
    return r.getrandbits(width)


def registers(r, row):
    """Register numbers, often 31, sometimes the same one twice."""
    f = {}
    for name in row.fields:
        if name in REGISTER_FIELDS:
            p = r.random()
            if p < 0.10:
                f[name] = 31
            elif p < 0.24 and f:
                f[name] = r.choice(list(f.values()))
            else:
                f[name] = r.randrange(31)
    return f


_possible = {}


def possible(spec, row, variant, legal):
    """There are words of the variant that are allocated (or not, and no other row's either). Found out once, and not by a group's dice."""
    key = (row.name, legal, *variant.values())
    if key not in _possible:
        _possible[key] = try_fields(group_rng(0, row.name, str(key)), spec, row, variant, legal, 500) is not None
    return _possible[key]


def fields(r, spec, row, variant, legal=True):
    """Random fields for the row; None when there are none such."""
    return try_fields(r, spec, row, variant, legal, 1000) if possible(spec, row, variant, legal) else None


def try_fields(r, spec, row, variant, legal, tries):
    choices = row.choices(variant, legal)
    if not choices:
        return None
    for attempt in range(tries):
        f = registers(r, row)
        for name, (_, width) in row.fields.items():
            if name not in f:
                f[name] = immediate(r, width)
        # Edges come often, as long as the first throws are good.
        f.update(((k, variant[k]) for k in row.split_fields) if attempt < 3 else r.choice(choices))
        if not row.has_variant(f, variant) or row.legal(f) != legal or (legal and row.unpredictable(f)):
            continue
        found = spec.find(row.encode(f))
        if found is (row if legal else None):
            return f
    return None


def word_of(r, row, f):
    """Bits that should be 1 can be 0 where the other implementation ignores them too; those that should be 0 are left so."""
    if row.kind == "exclusive" or row.name.endswith("ldstord"):
        return row.encode(f, ~0 if r.random() < 0.9 else r.getrandbits(32))
    return row.encode(f)


# ---- memory ----------------------------------------------------------------------------------------------------------

def access_len(row, f):
    """Bytes that a load or store touches."""
    n = row.name
    if row.simd_fp:
        return vector_len(row, f)
    if n.startswith(("STXP", "LDXP", "CASP")):
        return 8 << f["sf"]
    if n.startswith("LDPSW"):
        return 8
    if n.startswith(("STP", "LDP", "STNP", "LDNP")):
        return 8 << f["sf"]
    if n.startswith("LDR_loadlit"):
        return 4 << f["x64"]
    if n.startswith("LDRSW"):
        return 4
    if n.startswith("LDRA_"):
        return 8
    return 1 << f["size"]


def structure_regs(name):
    """Registers of LD1 to LD4, ST1 to ST4."""
    return int(name[5]) if name[2:5] == "1_R" else int(name[2])


def vector_len(row, f):
    n = row.name
    if n.startswith(("STP", "LDP", "STNP", "LDNP")):
        return 8 << f["opc"]
    if n.startswith("LDR_V_loadlit"):
        return 4 << f["opc"]
    if "asisdlse" in n:
        return structure_regs(n) * (8 << f["Q"])
    if "asisdlso" in n:
        return structure_regs(n) << (f["size"] if "scale" not in f else a64spec.SPECIAL_FUNCTIONS["lane_size"][0](f["scale"], f["size"]))
    return 1 << f["size"] + 4 * f["q"]


def must_align(row):
    return row.kind in ("atomic", "exclusive") or row.name.endswith(("ldstord", "LDAPR_memop", "ldapstl_unscaled"))


def immediate_offset(row, f):
    if row.name.endswith("post") or "imm" not in row.operands:
        return 0
    if row.operands["imm"][0] == "simm7_v":
        return sext(f["imm7"], 7) << (2 + f["opc"])
    if row.operands["imm"][0] == "uimm12_v":
        return f["imm12"] * access_len(row, f)
    kind, _ = row.operands["imm"]
    if kind == "simm9":
        return sext(f["imm9"], 9)
    if kind == "simm7":
        return sext(f["imm7"], 7) << (2 + f["sf"])
    if kind == "simm7_w":
        return sext(f["imm7"], 7) << 2
    if kind == "uimm12":
        return f["imm12"] << f.get("size", 3)
    if kind == "simm10":
        return sext(f["S"] << 9 | f["imm9"], 10) << 3
    raise ValueError("%s: operand kind %s" % (row.name, kind))


def target(r, length, align, faults=True):
    """(window, address) of an access: most often in the middle of two pages, aligned or not; sometimes at an end of memory."""
    p = r.random() if faults else 0.0
    if p < 0.66:
        window = MIDDLE
        q = r.random()
        if q < 0.25:
            va = window + WINDOW // 2 - r.randrange(0, length + 1)  # at and across the page boundary
        else:
            va = window + r.randrange(16, WINDOW - max(16, length))
            if q < 0.7:
                va &= -(length & -length)
    elif p < 0.78:
        window = BEFORE_NONE
        va = window + WINDOW - length + r.choice((-16, -length, -1, 0, 0, 1, length - 1, length, length + 1, 24))
    elif p < 0.90:
        window = BEFORE_RO
        va = window + WINDOW // 2 - length + r.choice((-16, -length, -1, 0, 0, 1, length - 1, length, length + 1, 24))
    else:
        window = AFTER_NONE
        va = window + r.choice((-32, -length - 1, -length, -length + 1, -1, 0, 0, 1, length))
    if align and r.random() < 0.85:
        va &= -(length & -length)
    return window, va


def register_offset(r, c, f, size, va):
    """Sets Rm, and returns what the base has to be for the address va; None when there is no such base."""
    m, n, option, shift = f["Rm"], f["Rn"], f["option"], size if f["S"] else 0

    def extend(v):
        return (v & 0xFFFFFFFF) if option == 2 else sext(v, 32) if option == 6 else v

    if m == 31:
        return va
    if m != n:
        off = r.choice((0, 1, 2, 3, 4, 8, 16, 31, 100, -1, -2, -8, -16, -100, r.randrange(-300, 300)))
        c.x[m] = off & M64
        if option in (2, 6):
            c.x[m] = c.x[m] & 0xFFFFFFFF | r.getrandbits(32) << 32
        if r.random() < 0.1:
            c.x[m] = value(r)
        return va - (extend(c.x[m]) << shift) & M64
    # Base and index are one register b: b + (extend(b) << shift) == va.
    bits = 32 if option in (2, 6) else 64
    mod = 1 << bits
    factor = 1 + (1 << shift)
    if shift:
        low = (va & (mod - 1)) * pow(factor, -1, mod) % mod
    else:
        if va & 1:
            return None
        low = (va & (mod - 1)) // 2
    base = va - (extend(low) << shift) & M64
    return base if base & (mod - 1) == low else None


def memory(r, c, row, f, faults=True):
    """Prepares base, index and data of a load, store or atomic. Returns the address, or None when these fields can't have one."""
    length = access_len(row, f)
    align = must_align(row)
    n = f["Rn"]
    for name in ("Rt", "Rt2", "Rs"):
        if name in f and f[name] != 31 and not row.simd_fp:
            c.x[f[name]] = value(r)
    c.window, va = target(r, length, align, faults)
    tag = r.getrandbits(8) << 56 if r.random() < 0.05 else 0
    if "option" in f:
        base = register_offset(r, c, f, f.get("size", 3) + 4 * f.get("q", 0), va | tag)
        if base is None:
            return None
    else:
        base = (va | tag) - immediate_offset(row, f) & M64
    if n == 31:
        if "option" in f and f["Rm"] != 31 and base & 15 and align:
            return None
        down = base & 15
        if down and r.random() < 0.9:
            base -= down
            va -= down
            if c.window == MIDDLE and va < MIDDLE:
                base += 16
                va += 16
        if base & 15:
            c.flags |= SP_ALIGN
    c.x[n] = base & M64
    if row.name == "LDAPR_memop" and va % length:
        c.flags |= MEM_ALIGN
    if row.kind in ("store", "atomic", "exclusive"):
        c.flags |= STORES
    return va


def atomic(r, c, row, f):
    va = memory(r, c, row, f)
    if va is None or not row.name.startswith("CAS") or r.random() < 0.4:
        return va
    # Compare with what is there.
    length = access_len(row, f)
    if row.name.startswith("CASP_"):
        half = length // 2
        s = f["Rs"]
        junk = r.getrandbits(32) << 32 if half == 4 and r.random() < 0.5 else 0
        if s != f["Rn"]:
            c.x[s] = c.load(va, half) | junk
        if s + 1 < 31 and s + 1 != f["Rn"]:
            c.x[s + 1] = c.load(va + half, half) | junk
    elif f["Rs"] not in (31, f["Rn"]):
        junk = value(r) << (8 * length) & M64 if r.random() < 0.5 else 0
        c.x[f["Rs"]] = c.load(va, length) | junk
    return va


def case_memory(r, spec, row, variant):
    f = fields(r, spec, row, variant)
    if f is None:
        return None
    c = Case(r)
    if (atomic if row.kind == "atomic" else memory)(r, c, row, f) is None:
        return None
    c.flags |= {"load": READS, "store": WRITES, "atomic": READS | WRITES}[row.kind]
    c.words = [word_of(r, row, f)]
    return c


# ---- exclusives ------------------------------------------------------------------------------------------------------

def other_register(r, *taken):
    while True:
        n = r.randrange(31)
        if n not in taken:
            return n


def case_exclusive(r, spec, row, variant):
    """Load-exclusive alone, or load and store as a pair, or a store without a load, or with CLREX between them."""
    by = spec.by_name
    if row.name.startswith("CLREX"):
        store = by["STXR_ldstexclr"]
        f = fields(r, spec, store, {"size": r.randrange(4)})
        clrex = row.encode({"CRm": r.getrandbits(4)})
    else:
        f = fields(r, spec, row, variant)
        store, clrex = row, None
    if f is None:
        return None
    pair = store.name.startswith(("STXP", "LDXP"))
    load_row, store_row = (by["LDXP_ldstexclp"], by["STXP_ldstexclp"]) if pair else (by["LDXR_ldstexclr"], by["STXR_ldstexclr"])
    c = Case(r)
    va = memory(r, c, store, f)
    if va is None:
        return None
    length = access_len(store, f)
    # A store that finds no monitor: whether it looks for faults of its address is IMPLEMENTATION DEFINED.
    harmless = c.window == MIDDLE and va % length == 0 and va + length <= MIDDLE + WINDOW
    if clrex is not None and not harmless:
        return None
    width = {"sf": f["sf"]} if pair else {"size": f["size"]}
    n = f["Rn"]

    if store is load_row:
        c.words = [word_of(r, store, f)]
        if r.random() < 0.5 and n not in (f["Rt"], f.get("Rt2", n + 1)):
            g = {"Rn": n, "rel": r.getrandbits(1), "Rt": r.randrange(32), "Rt2": r.randrange(32), **width}
            g["Rs"] = other_register(r, n, g["Rt"], g["Rt2"])
            if r.random() < 0.2 and harmless:
                c.words.append(by["CLREX_BN_barriers"].encode({"CRm": 15}))
            c.words.append(store_row.encode(g))
        return c
    if clrex is None and r.random() < 0.25:  # no load first: status 1
        if not harmless:
            return None
        c.words = [word_of(r, store, f)]
        return c
    g = {"Rn": n, "acq": r.getrandbits(1), "Rt": other_register(r, n), **width}
    g["Rt2"] = other_register(r, n, g["Rt"])
    c.words = [load_row.encode(g)]
    if r.random() < 0.1:
        c.words.append(load_row.encode(g))
    if clrex is not None:
        c.words.append(clrex)
    c.words.append(word_of(r, store, f))
    if harmless and r.random() < 0.25:
        c.words.append(c.words[-1])  # the first has taken the monitor
    return c


# ---- branches and literals -------------------------------------------------------------------------------------------

def branch_target(r, pc, reach):
    """An address within +-reach bytes of pc where something is known to end the case, pc itself excluded."""
    p = r.random()
    own = pc & ~63
    if p < 0.45:
        va = own + 4 * r.choice((0, 1, 2, 3, 5, 6, 7, 8, 12, 15))
    elif p < 0.65:
        va = CODE + 64 * r.randrange(CODE_LEN // 64) + 4 * r.randrange(4)
    elif p < 0.75:
        va = DATA + 4 * r.randrange(0x7000 // 4)
    else:
        va = pc + r.choice((-reach, reach - 4, -reach + 4, r.randrange(-reach, reach, 4)))
    if CODE <= va < CODE + CODE_LEN and va & 63 >= 16 and va & ~63 != own:
        va &= ~63
    if va == pc or not -reach <= va - pc < reach:
        va = own
    return va


BRANCH_IMM = {"branch26": ("imm26", 26), "branch19": ("imm19", 19), "branch14": ("imm14", 14)}


def case_branch(r, spec, row, variant, pc):
    f = fields(r, spec, row, variant)
    if f is None:
        return None
    c = Case(r)
    kind = row.operands.get("imm", ("",))[0]
    if kind in BRANCH_IMM:
        name, bits = BRANCH_IMM[kind]
        f[name] = (branch_target(r, pc, 1 << (bits + 1)) - pc >> 2) & ((1 << bits) - 1)
        if "Rt" in f and f["Rt"] != 31:
            if row.name.startswith("CB"):
                c.x[f["Rt"]] = r.choice((0, 0, 1, 1 << 32, 1 << 31, 1 << 63, M64, M64 << 32 & M64, value(r)))
            else:
                bit = f["b5"] << 5 | f["b40"]
                c.x[f["Rt"]] = r.choice((0, 1 << bit, M64, M64 ^ 1 << bit, value(r)))
    elif "Rn" in f and f["Rn"] != 31:
        va = branch_target(r, pc, 1 << 27)
        p = r.random()
        if p < 0.12 and CODE <= va < CODE + CODE_LEN:
            va |= r.randrange(1, 4)  # PC alignment; elsewhere the other implementation finds the lesser fault first
        elif p < 0.22:
            va |= r.getrandbits(8) << 56  # the tag is not part of the PC
        c.x[f["Rn"]] = va
    c.words = [word_of(r, row, f)]
    return c


def case_lit(r, spec, row, variant, pc):
    f = fields(r, spec, row, variant)
    if f is None:
        return None
    c = Case(r)
    length = access_len(row, f)
    p = r.random()
    if p < 0.75:
        c.window, va = target(r, length, False)
    elif p < 0.9:
        va = pc + 4 * r.randrange(-4, 6)  # code
    else:
        va = pc + r.choice((-(1 << 20), (1 << 20) - 4))
    f["imm19"] = (va - pc >> 2) & 0x7FFFF
    c.flags |= READS
    c.words = [row.encode(f)]
    return c


# ---- pointer authentication ------------------------------------------------------------------------------------------

def canonical(r):
    """A pointer without a code: TBI for the lower half of the addresses, not for the upper."""
    low = r.getrandbits(48)
    if r.random() < 0.5:
        return low | r.getrandbits(8) << 56
    return low | 0xFFFF << 48


def any_pointer(r):
    """Canonical or not. The other implementation errs where bit 55 is 1 and bit 63 is 0: AddPAC() keeps bit 55."""
    p = r.getrandbits(64)
    return p | 1 << 63 if p >> 55 & 1 else p


def ignore_code(c, reg, pointer):
    c.ignore_reg, c.ignore_mask = reg, PAC_ALL if pointer >> 55 & 1 else PAC_LOW


def case_pac(r, spec, row, variant, pc):
    """The code's algorithm is IMPLEMENTATION DEFINED, and so are the keys. Compared is all else: the pointer under the code,
    that authentication takes the code off again, and that it marks a pointer whose code is wrong."""
    by = spec.by_name
    sign, auth = by["PAC_64P_dp_1src"], by["AUT_64P_dp_1src"]
    signz, authz = by["PACZ_64Z_dp_1src"], by["AUTZ_64Z_dp_1src"]
    n = row.name
    f = fields(r, spec, row, variant)
    if f is None:
        return None
    c = Case(r)
    c.words = [row.encode(f)]

    if n.startswith("PACGA"):
        if f["Rd"] != 31:
            c.ignore_reg, c.ignore_mask = f["Rd"], M64 << 32 & M64
    elif n.startswith("XPAC"):
        if f["Rd"] != 31:
            c.x[f["Rd"]] = r.choice((canonical(r), value(r), r.getrandbits(64)))
    elif n.startswith(("PAC_", "PACZ_", "AUT_", "AUTZ_")):
        d = f["Rd"]
        if d == 31:
            return c
        modifier = n.startswith(("PAC_", "AUT_"))
        c.x[d] = canonical(r) if r.random() < 0.7 else any_pointer(r)
        same = {k: f[k] for k in ("data", "key", "Rd", "Rn") if k in f}
        signs, auths = (sign, auth) if modifier else (signz, authz)
        p = r.random()
        if n.startswith("AUT") and p < 0.1:
            c.flags |= AUT
            c.ignore_reg = d
        elif n.startswith("AUT") and p < 0.55:
            # Signed with another modifier, or another of the four keys.
            if modifier and f["Rn"] != d and r.random() < 0.6:
                g = {**same, "Rn": other_register(r, d, f["Rn"])}
            else:
                which = (f["data"] << 1 | f["key"]) ^ r.randrange(1, 4)
                g = {**same, "data": which >> 1, "key": which & 1}
            c.x[d] = canonical(r)
            c.words.insert(0, signs.encode(g))
            c.flags |= AUT
            c.ignore_reg = d
        elif modifier and f["Rn"] == d:
            ignore_code(c, d, c.x[d])
            c.words = [sign.encode(same)]
        elif n.startswith("PAC") and r.random() < 0.4:
            ignore_code(c, d, c.x[d])
        else:
            # Comes back as it was, or marked where it was not canonical.
            c.x[d] = canonical(r) if r.random() < 0.7 else any_pointer(r)
            c.words = [signs.encode(same), auths.encode(same)]
    elif n.startswith(("PAC1716", "PACZSP")):
        d = 17 if n.startswith("PAC1716") else 30
        c.x[d] = canonical(r)
        # The hint and the general instruction of the same key and modifier, either way around.
        general = {"data": 0, "key": f["key"], "Rd": d, "Rn": 16 if d == 17 else 31}
        zero = n.startswith("PACZSP") and not f["sp"]
        other = (signz if f["auth"] else authz) if zero else (sign if f["auth"] else auth)
        if zero:
            del general["Rn"]
        if f["auth"]:
            c.words.insert(0, other.encode(general))
        elif r.random() < 0.7:
            c.words.append(other.encode(general))
        else:
            ignore_code(c, d, c.x[d])
    elif n.startswith("LDRA_"):
        t = f["Rn"]
        if memory(r, c, row, f, faults=t != 31) is None:
            return None
        base = f["Rn"] if t != 31 else other_register(r, f["Rt"])
        if c.flags & SP_ALIGN or c.x[t] >> 55 & 1:
            return None
        if t == 31:
            c.x[base] = c.x[31]
            ignore_code(c, base, c.x[base])
        elif f["Rt"] == base and c.window != MIDDLE:
            return None  # loaded, or still signed
        elif f["Rt"] != base and (not f["W"] or c.window != MIDDLE):
            ignore_code(c, base, c.x[base])  # still signed, without writeback or where the load faults
        c.words.insert(0, signz.encode({"data": 1, "key": f["M"], "Rd": base}))
        if t == 31:
            move = {"sf": 1, "sh": 0, "imm12": 0, "Rd": 31}
            c.words.insert(1, by["ADD_addsub_imm"].encode({**move, "Rn": base}))
            if not f["W"]:
                plain = other_register(r, f["Rt"], base)
                c.x[plain] = c.x[31]
                c.words.append(by["ADD_addsub_imm"].encode({**move, "Rn": plain}))
    return c


def case_pac_branch(r, spec, row, variant, pc):
    by = spec.by_name
    f = fields(r, spec, row, variant)
    c = Case(r)
    reg = 30 if row.name.startswith("RETA") else f["Rn"]
    if reg == 31 or f.get("Rm") == reg:
        return None
    va = branch_target(r, pc, 1 << 27)
    c.x[reg] = va
    key = {"data": 0, "key": f["M"], "Rd": reg}
    if "Rm" in f or row.name.startswith("RETA"):
        c.words = [by["PAC_64P_dp_1src"].encode({**key, "Rn": f.get("Rm", 31)})]
    else:
        c.words = [by["PACZ_64Z_dp_1src"].encode(key)]
    c.words.append(row.encode(f))
    if va == pc + 4:
        return None
    if not (row.name.startswith("BLR") and reg == 30):
        ignore_code(c, reg, va)
    return c


# ---- exceptions and the system ---------------------------------------------------------------------------------------

def case_trap(r, spec, row, variant):
    f = fields(r, spec, row, variant)
    c = Case(r)
    if row.name.startswith("SVC"):
        c.x[8] = 0x10000 + r.getrandbits(16)  # no such system call: ENOSYS
    if row.name.startswith("HLT") and f["imm16"] == 0xF000:
        f["imm16"] = 0  # semihosting in the other implementation
    c.words = [row.encode(f)]
    return c


EL0_RW = {"NZCV": (1, 3, 4, 2, 0), "TPIDR_EL0": (1, 3, 13, 0, 2), "DIT": (1, 3, 4, 2, 5), "SSBS": (1, 3, 4, 2, 6),
          "FPCR": (1, 3, 4, 4, 0), "FPSR": (1, 3, 4, 4, 1)}
# Not the bits that are there for AArch32 alone (Len, Stride, NZCV): RES0 here.
WRITTEN = {EL0_RW["FPCR"]: FPCR_BITS, EL0_RW["FPSR"]: FPSR_BITS}
SYSREG_FIELDS = ("o0", "op1", "CRn", "CRm", "op2")


def sysreg_fields(enc):
    return dict(zip(SYSREG_FIELDS, enc))


def random_sysreg(r):
    p = r.random()
    op1 = r.choice((0, 3, 3, 3, r.randrange(8)))
    if p < 0.5:
        return (r.getrandbits(1), op1, r.choice((1, 2, 4, 5, 6, 7, 9, 10, 12, 13)), r.choice((0, 0, 1, 2, r.randrange(16))), r.randrange(8))
    return (r.getrandbits(1), op1, r.randrange(16), r.randrange(16), r.randrange(8))


def case_sysreg(r, spec, row, variant, excluded):
    """MRS and MSR: the registers that EL0 has, and any others, which are UNDEFINED or trapped: SIGILL."""
    by = spec.by_name
    c = Case(r)
    t = 31 if r.random() < 0.1 else r.randrange(31)
    p = r.random()
    if p < 0.5:
        enc = r.choice(list(EL0_RW.values()))
        if t != 31:
            c.x[t] = value(r) & WRITTEN.get(enc, M64)
        enc = sysreg_fields(enc)
        write = by["MSR_SR_systemmove"].encode({**enc, "Rt": t})
        read = by["MRS_RS_systemmove"].encode({**enc, "Rt": r.randrange(32)})
        c.words = [write, read] if row.name.startswith("MSR") or r.random() < 0.5 else [read]
        return c
    if p < 0.55 and row.name.startswith("MRS"):
        enc = (1, 3, 13, 0, 3)  # TPIDRRO_EL0
    else:
        enc = random_sysreg(r)
    if excluded((enc[0] + 2,) + enc[1:]) or enc in EL0_RW.values():
        return None
    c.words = [row.encode({**sysreg_fields(enc), "Rt": t})]
    return c


# op1 CRn CRm op2 of the cache maintenance that SCTLR_EL1.UCI gives to EL0
CACHE_EL0 = {
    "IC IVAU": (3, 7, 5, 1), "DC CVAC": (3, 7, 10, 1), "DC CVAU": (3, 7, 11, 1),
    "DC CIVAC": (3, 7, 14, 1),
}
DC_ZVA = (3, 7, 4, 1)


def case_sys(r, spec, row, variant, excluded):
    """SYS and SYSL: cache maintenance on memory that is there, and any others, which are UNDEFINED."""
    c = Case(r)
    t = 31 if r.random() < 0.1 else r.randrange(31)
    if row.name.startswith("SYS_") and r.random() < 0.4 and t != 31:
        enc = r.choice(list(CACHE_EL0.values()))
        c.x[t] = MIDDLE + r.randrange(WINDOW)
    else:
        enc = (r.choice((0, 3, 3, r.randrange(8))), r.choice((7, 7, 8, r.randrange(16))), r.randrange(16), r.randrange(8))
        if enc in CACHE_EL0.values() or enc == DC_ZVA or excluded((1,) + enc):
            return None
    c.words = [row.encode({"op1": enc[0], "CRn": enc[1], "CRm": enc[2], "op2": enc[3], "Rt": t})]
    return c


def case_dc_zva(r, row):
    """Under a CPU model with 64-byte blocks."""
    c = Case(r)
    t = r.randrange(31)
    p = r.random()
    if p < 0.7:
        va = MIDDLE + r.randrange(WINDOW)
    elif p < 0.85:
        c.window = BEFORE_RO
        va = BEFORE_RO + r.randrange(WINDOW)
    else:
        c.window = BEFORE_NONE
        va = BEFORE_NONE + r.randrange(2 * WINDOW)
    c.x[t] = va
    c.flags |= ZVA | WRITES | STORES
    c.fpcr &= ~(1 << 19)  # FZ16: that model has no FEAT_FP16
    c.words = [row.encode({"op1": 3, "CRn": 7, "CRm": 4, "op2": 1, "Rt": t})]
    return c


def case_pstate(r, spec, row, variant):
    f = fields(r, spec, row, variant)
    if f is None or (f["op1"], f["op2"]) in ((3, 4), (3, 3)):  # TCO and SVCR: MTE, SME
        return None
    if r.random() < 0.4:
        f["op1"], f["op2"] = 3, r.choice((1, 2))  # SSBS, DIT
    c = Case(r)
    c.words = [row.encode(f)]
    if (f["op1"], f["op2"]) in ((3, 1), (3, 2)):
        enc = EL0_RW["SSBS" if f["op2"] == 1 else "DIT"]
        c.words.append(spec.by_name["MRS_RS_systemmove"].encode({**sysreg_fields(enc), "Rt": r.randrange(32)}))
    return c


def case_alu(r, spec, row, variant):
    f = fields(r, spec, row, variant)
    if f is None:
        return None
    c = Case(r)
    for name in ("Rn", "Rm", "Ra", "Rd"):
        if name in f:
            c.x[f[name]] = value(r)
    if r.random() < 0.15 and "Rm" in f and "Rn" in f:
        c.x[f["Rm"]] = c.x[f["Rn"]] + r.choice((-1, 0, 0, 1)) & M64
    c.words = [word_of(r, row, f)]
    return c


# ---- what must be UNDEFINED ------------------------------------------------------------------------------------------

def quiet_registers(r, c):
    """Where the other implementation may run what we call unallocated: registers with which it does no harm to itself."""
    for i in range(32):
        c.x[i] = DATA + 0x1F80 + 16 * r.randrange(16)
    c.x[8] = 0x10000


def case_violated(r, spec, row, variant, excluded):
    f = fields(r, spec, row, variant, legal=False)
    if f is None or excluded(row.encode(f)):
        return None
    c = Case(r)
    quiet_registers(r, c)
    c.flags |= UNDEFINED
    c.words = [row.encode(f)]
    return c


def case_unallocated(r, spec, excluded):
    """Words that no row has: one or two bits away from one that has, or random."""
    row = r.choice(spec.rows)
    if r.random() < 0.8:
        word = row.value | r.getrandbits(32) & ~row.mask
        for _ in range(r.choice((1, 1, 1, 2, 3))):
            word ^= 1 << r.randrange(32)
    else:
        word = r.getrandbits(32)
    if spec.find(word) is not None or excluded(word):
        return None
    c = Case(r)
    quiet_registers(r, c)
    c.flags |= UNDEFINED
    c.words = [word]
    return c


def make(r, spec, row, variant, pc, excluded_sysreg):
    """One case of a row, or None where the dice made none that can be compared."""
    n = row.name
    if row.kind == "exclusive":
        return case_exclusive(r, spec, row, variant)
    if row.kind in ("load", "store", "atomic"):
        return case_memory(r, spec, row, variant)
    if row.kind == "literal":
        return case_lit(r, spec, row, variant, pc)
    if row.kind == "branch":
        pac = case_pac_branch if "PAuth" in row.features else case_branch
        return pac(r, spec, row, variant, pc)
    if row.kind == "pac":
        return case_pac(r, spec, row, variant, pc)
    if row.kind in ("simd", "fp"):
        f = fields(r, spec, row, variant)
        return f and (isavec.case_simd if row.kind == "simd" else isafp.case_fp)(r, row, f)
    if row.kind == "trap":
        return case_trap(r, spec, row, variant)
    if n in ("MSR_SR_systemmove", "MRS_RS_systemmove"):
        return case_sysreg(r, spec, row, variant, excluded_sysreg)
    if n in ("SYS_CR_systeminstrs", "SYSL_RC_systeminstrs"):
        return case_sys(r, spec, row, variant, excluded_sysreg)
    if n == "MSR_SI_pstate":
        return case_pstate(r, spec, row, variant)
    return case_alu(r, spec, row, variant)
