"""Values of V registers: lanes where carries, saturation and rounding change."""

from isacase import M64, Case


def lane_edges(bits):
    """0, 1, -1, the largest and smallest of both signs, and their neighbours; halves of the width, for products and narrowing."""
    top, half = 1 << (bits - 1), 1 << (bits // 2)
    around = (0, top, half, half // 2, top + half, top - half, top // 2, -half, -half // 2)
    return sorted({(v + d) & (2 * top - 1) for v in around for d in (-2, -1, 0, 1, 2)})


EDGES = {bits: lane_edges(bits) for bits in (8, 16, 32, 64)}


def lane(r, bits):
    p = r.random()
    if p < 0.6:
        return r.choice(EDGES[bits])
    if p < 0.7:
        return 1 << r.randrange(bits)
    if p < 0.8:
        return r.getrandbits(r.randrange(1, bits + 1))
    return r.getrandbits(bits)


def half_register(r, bits):
    """64 bits of lanes of that width."""
    v = 0
    for at in range(0, 64, bits):
        v |= lane(r, bits) << at
    return v


def extreme_vector(r, bits):
    """Lanes of nothing but the ends of the range, and about 0: what saturates alone and in pairs."""
    top = 1 << (bits - 1)
    return [sum(r.choice((top, top - 1, 2 * top - 1, 0, 1)) << at for at in range(0, 64, bits)) for _ in range(2)]


def integer_vector(r, bits):
    """The two halves of a register."""
    p = r.random()
    if p < 0.15:
        v = lane(r, bits)
        for n in range(bits, 64, bits):
            v |= (v & ((1 << bits) - 1)) << n
        return [v, v]
    if p < 0.2:
        return [r.choice((0, M64)), r.choice((0, M64))]
    if p < 0.3:
        return [r.getrandbits(64), r.getrandbits(64)]
    return [half_register(r, bits), half_register(r, bits)]


def shift_counts(r, bits):
    """What a shift by register takes from the low byte of each lane; the other bytes are anything."""
    v = r.getrandbits(64)
    for at in range(0, 64, bits):
        n = r.choice((0, 1, bits - 1, bits, bits + 1, 127, 128)) if r.random() < 0.5 else r.randrange(bits + 2)
        v = v & ~(0xFF << at) | (n if r.random() < 0.5 else -n) % 256 << at
    return v


def element_bits(row, f):
    """The width of the lanes that a row works on, as far as its fields tell."""
    if "size" in row.operands and row.operands["size"][0] in ("highest", "lowest"):
        return min(8 << row.special_value("size", f), 64)
    if "size" in f:
        return 8 << min(f["size"], 3)
    return None


def registers(r, row, f, c):
    """Fills the V registers that the fields name, and the rest at random; some registers alike, some negated."""
    bits = element_bits(row, f) or r.choice((8, 16, 32, 64))
    if r.random() < 0.1:
        bits = r.choice((8, 16, 32, 64))
    make = extreme_vector if r.random() < 0.12 else integer_vector
    for name in ("Rd", "Rn", "Rm", "Ra", "Rt"):
        if name in f:
            for n in range(4 if name == "Rn" else 1):
                at = 2 * ((f[name] + n) & 31)
                c.v[at:at + 2] = make(r, bits)
    if "Rm" in f:
        n, m = 2 * f["Rn"], 2 * f["Rm"]
        p = r.random()
        if "SHL" in row.name:
            if p < 0.8:
                c.v[m:m + 2] = [shift_counts(r, bits), shift_counts(r, bits)]
        elif "TB" in row.name[:2]:
            if p < 0.8:
                c.v[m:m + 2] = [int.from_bytes(bytes(r.randrange(70) for _ in range(8)), "little") for _ in range(2)]
        elif p < 0.1:
            c.v[m:m + 2] = c.v[n:n + 2]
        elif p < 0.2:
            c.v[m:m + 2] = [v ^ M64 for v in c.v[n:n + 2]]


def case_simd(r, row, f):
    c = Case(r)
    registers(r, row, f, c)
    for name in ("Rn", "Rd"):
        if name in f and f[name] != 31:
            c.x[f[name]] = half_register(r, r.choice((8, 16, 32, 64)))
    c.words = [row.encode(f)]
    return c
