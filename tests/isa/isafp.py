"""Values of V registers that hold floating-point numbers: NaNs of both kinds, infinities, denormals, the ends of the range, halves,
where integers end, and numbers that cancel each other."""

import math
import struct

from isacase import M64, Case, value
from isavec import half_register, integer_vector

FZ, RMODE, IXC = 1 << 24, 3 << 22, 1 << 4

# Bits of exponent and fraction.
H, S, D, BF16 = (5, 10), (8, 23), (11, 52), (8, 7)
PACK = {H: ("<e", "<H"), S: ("<f", "<I"), D: ("<d", "<Q")}


def bits_of(fmt):
    return 1 + sum(fmt)


def encode(fmt, x):
    """A float's bit pattern, rounded in Python's way; infinity where it is too large."""
    if fmt == BF16:
        return encode(S, x) >> 16
    number, integer = PACK[fmt]
    try:
        return struct.unpack(integer, struct.pack(number, x))[0]
    except OverflowError:
        return encode(fmt, math.copysign(math.inf, x))


def decode(fmt, a):
    if fmt == BF16:
        return decode(S, a << 16)
    number, integer = PACK[fmt]
    return struct.unpack(number, struct.pack(integer, a))[0]


def fraction(r, width):
    p = r.random()
    top = (1 << width) - 1
    if p < 0.2:
        return 0
    if p < 0.35:
        return 1 << r.randrange(width)
    if p < 0.45:
        return top << r.randrange(width) & top
    if p < 0.55:
        return top >> r.randrange(width)
    if p < 0.6:
        return (1 << r.randrange(width)) + r.choice((-1, 0, 1)) & top
    return r.getrandbits(width)


def number(r, fmt):
    """A bit pattern of the format."""
    ebits, fbits = fmt
    top, bias = (1 << ebits) - 1, (1 << (ebits - 1)) - 1
    sign = r.getrandbits(1) << (ebits + fbits)
    p = r.random()
    if p < 0.08:
        return sign
    if p < 0.14:
        return sign | top << fbits
    if p < 0.24:  # NaNs, with few bits of payload or many
        return sign | top << fbits | (fraction(r, fbits) or 1)
    if p < 0.34:
        return sign | (fraction(r, fbits) or 1)  # denormals
    if p < 0.40:
        return sign | r.choice((1, 2, top - 1, top - 2)) << fbits | fraction(r, fbits)
    if p < 0.50:  # where integers end, and their neighbours
        exp = r.choice((7, 8, 15, 16, 31, 32, 63, 64)) + r.choice((-1, -1, 0))
        low = r.choice((0, 0, (1 << fbits) - 1, (1 << fbits) - 2, 1, 1 << max(fbits - exp - 1, 0), fraction(r, fbits)))
        return sign | min(bias + exp, top - 1) << fbits | low & (1 << fbits) - 1
    if p < 0.60:  # integers and halves
        return encode(fmt, r.choice((1, -1)) * r.randrange(1 << r.randrange(1, 12)) / r.choice((1, 1, 2, 4)))
    if p < 0.65:
        return sign | r.getrandbits(ebits) << fbits | fraction(r, fbits)
    exp = bias + r.randrange(-fbits - 3, fbits + 3) if r.random() < 0.5 else bias + r.randrange(-3, 4)
    return sign | min(max(exp, 0), top - 1) << fbits | fraction(r, fbits)


def ordinary(r, fmt):
    """What programs compute with."""
    ebits, fbits = fmt
    return r.getrandbits(1) << (ebits + fbits) | (1 << ebits - 1) + r.randrange(-9, 8) << fbits | r.getrandbits(fbits)


def splat(a, fmt):
    return sum(a << at for at in range(0, 64, bits_of(fmt)))


def half_of_numbers(r, fmt, one=number):
    """64 bits of numbers."""
    v = 0
    for at in range(0, 64, bits_of(fmt)):
        v |= one(r, fmt) << at
    return v


BY_SIZE = {1: H, 2: S, 3: D}  # log2 of the bytes


def formats(row, f):
    """The formats that a row reads, the most frequent first."""
    name = row.name
    if "BF16" in row.features:
        return (S,) if name.startswith("BFCVT") else (BF16, BF16, S)
    if "FHM" in row.features:
        return (H, H, S)
    if "ftype" in f:
        return ({0: S, 1: D, 3: H}[f["ftype"]],)
    if "fp16" in name or name.endswith("_H"):
        return (H,)
    if name.startswith("FCVTXN"):
        return (D,)
    if "sz" in f:
        return (BY_SIZE[2 + f["sz"] - name.startswith("FCVTL")],)
    if "size" in row.operands:
        return (BY_SIZE[row.special_value("size", f)],)
    return (BY_SIZE[f["size"]] if "size" in f else S,)


def lanes(v, fmt):
    n = bits_of(fmt)
    return [v >> at & (1 << n) - 1 for at in range(0, 64, n)]


def cancelling(r, fmt, n, m):
    """64 bits of addends that take most of n * m away, or all of it."""
    v = 0
    for i, (a, b) in enumerate(zip(lanes(n, fmt), lanes(m, fmt))):
        product = decode(fmt, a) * decode(fmt, b)
        c = encode(fmt, -product) if math.isfinite(product) else number(r, fmt)
        if r.random() < 0.5:
            c ^= r.choice((1, 2, 3))
        v |= c << i * bits_of(fmt)
    return v


def related(r, fmt, n):
    """64 bits that have to do with those of n: the same, negated, or next to it."""
    width = bits_of(fmt)
    flip = 0
    kind = r.random()
    for at in range(0, 64, width):
        if kind < 0.4:
            flip |= 1 << (at + width - 1)
        elif kind < 0.8:
            flip |= (r.choice((1, 2, 3)) | r.getrandbits(1) << (width - 1)) << at
    return n ^ flip


def second(row, f):
    """The number of Vm: "by element", M is a bit of it unless the elements are halfwords."""
    kind, args = row.operands["m"]
    return f["Rm"] | f["M"] << 4 if kind == "vm" and args[0] != 1 else f["Rm"]


def registers(r, row, f, c):
    """Fills the V registers that the fields name."""
    known = formats(row, f)
    invalid = r.random() < 0.15
    for name in ("Rd", "Rn", "Rm", "Ra"):
        if name in f:
            fmt = r.choice(known) if r.random() < 0.93 else r.choice((H, S, D, BF16))
            at = 2 * (second(row, f) if name == "Rm" else f[name])
            integers = row.name.startswith(("SCVTF", "UCVTF")) and r.random() < 0.8
            if integers:
                c.v[at:at + 2] = integer_vector(r, bits_of(fmt))
            elif invalid:
                c.v[at:at + 2] = [specials(r, fmt), specials(r, fmt)]
            elif name == "Rm" and "elem" in row.name and r.random() < 0.4:
                c.v[at] = c.v[at + 1] = splat(number(r, fmt), fmt)  # whatever the index
            else:
                c.v[at] = half_of_numbers(r, fmt)
                c.v[at + 1] = half_of_numbers(r, fmt) if r.random() < 0.9 else c.v[at]
    if "Rm" in f:
        fmt = known[0]
        n, m = 2 * f["Rn"], 2 * second(row, f)
        a = 2 * f["Ra"] if "Ra" in f else 2 * f["Rd"] if "Rd" in f else None
        p = r.random()
        for i in range(2):
            if p < 0.15:
                c.v[m + i] = related(r, fmt, c.v[n + i])
            elif p < 0.3 and fmt != BF16 and a is not None:
                c.v[a + i] = cancelling(r, fmt, c.v[n + i], c.v[m + i])


def tiny_products(r, fmt, c, n, m):
    """Products about the smallest normal number."""
    ebits, fbits = fmt
    bias = (1 << ebits - 1) - 1
    for i in range(2):
        c.v[n + i] = c.v[m + i] = 0
        for at in range(0, 64, bits_of(fmt)):
            exp = r.randrange(bias // 4, bias // 2)
            other = bias - exp + r.choice((0, 0, 1, 1, 2))
            # The largest product below it, or any.
            x, y = ((1 << fbits) - 1, 0) if r.random() < 0.3 else (fraction(r, fbits), fraction(r, fbits))
            c.v[n + i] |= (exp << fbits | x) << at
            c.v[m + i] |= (other << fbits | y) << at


def specials(r, fmt):
    """64 bits of zeros, ones, infinities, NaNs: invalid operations, and which NaN wins."""
    ebits, fbits = fmt
    top, v = (1 << ebits) - 1, 0
    for at in range(0, 64, bits_of(fmt)):
        quiet, payload = 1 << fbits - 1, r.randrange(1, 8)
        mag = r.choice((0, 0, top << fbits, top << fbits, top << fbits | payload, top << fbits | quiet | payload, top >> 1 << fbits))
        v |= (r.getrandbits(1) << ebits + fbits | mag) << at
    return v


def usual(r, row, f, c):
    """Ordinary numbers, rounding to nearest, and something was inexact before: nothing is asked for but the result. One lane may
    be something else."""
    c.fpcr &= ~(RMODE | FZ)
    c.fpsr |= IXC
    fmt = formats(row, f)[0]
    for name in ("Rd", "Rn", "Rm", "Ra"):
        if name in f:
            at = 2 * (second(row, f) if name == "Rm" else f[name])
            c.v[at:at + 2] = [half_of_numbers(r, fmt, ordinary), half_of_numbers(r, fmt, ordinary)]
    if "Rm" in f and r.random() < 0.2:
        tiny_products(r, fmt, c, 2 * f["Rn"], 2 * second(row, f))
    if r.random() < 0.3:
        at = 2 * f["Rn"] + r.getrandbits(1) if "Rn" in f else 0
        lane = bits_of(fmt) * r.randrange(64 // bits_of(fmt))
        c.v[at] = c.v[at] & ~((1 << bits_of(fmt)) - 1 << lane) | number(r, fmt) << lane


def case_fp(r, row, f):
    c = Case(r)
    if r.random() < 0.2:
        usual(r, row, f, c)
    else:
        registers(r, row, f, c)
    for name in ("Rn", "Rd"):
        if name in f and f[name] != 31 and row.operands[name[1].lower()][0] in ("xr", "xw"):
            c.x[f[name]] = value(r) if r.random() < 0.7 else half_register(r, r.choice((8, 16, 32, 64))) & M64
    if row.name.startswith("FJCVTZS") and c.fpcr & FZ and 0 < c.v[2 * f["Rn"]] & M64 >> 1 < 1 << 52:
        return None  # flushed, and so not exact: FPToFixedJS() clears Z, qemu 7.2 sets it
    if row.name == "FCVTZS_asisdshf" and row.special_value("size", f) == 1:
        c.v[2 * f["Rn"]] &= ~0x8000  # qemu 7.2 extends the sign of the result to 32 bits
    c.words = [row.encode(f)]
    return c
