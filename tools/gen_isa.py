#!/usr/bin/env python3
"""Generates the A64 decoder, argument structs, handler declarations and names from src/spec/a64.isa.

usage: gen_isa.py SPEC DIR

Writes a64_args.h, a64_handlers.h and a64_decode.c. The format is described at the head of the spec. Every mistake is one line
with file and line number, exit status 1, and nothing is written.
"""
import os
import re
import sys

KINDS = {"alu", "load", "store", "atomic", "exclusive", "branch", "system", "trap", "pac", "literal", "fp"}
ATTRIBUTE = re.compile(r"(?:^|\s)(feat|where|unpred|over|kind)=")
REGISTER_KINDS = {"xr": "%s", "xw": "(%s == 31 ? 33 : %s)", "xs": "(%s == 31 ? 32 : %s)", "x": "%s"}
# Function operands of src/cpu/operands.h and the type each gives.
FUNCTIONS = {
    "adr": "int64_t", "adrp": "int64_t", "addsub": "uint32_t", "bitmask": "uint64_t", "movn": "uint64_t", "movz": "uint64_t",
    "hw16": "uint8_t", "branch19": "int32_t", "branch26": "int32_t", "branch14": "int32_t", "testbit": "uint8_t",
    "cond": "uint16_t", "simm9": "int16_t", "simm7": "int16_t", "simm7_w": "int16_t", "simm10": "int16_t", "uimm12": "uint16_t",
    "regoff": "uint8_t", "pstate_field": "uint8_t", "sysop": "uint16_t", "sysreg": "uint16_t",
}
SIZES = {"uint8_t": 1, "uint16_t": 2, "int16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "int64_t": 8}
ARGS_MAX = 16


class SpecError(Exception):
    pass


class Row:
    def __init__(self, where, name, heading, pattern, operands, asm, attributes):
        self.at, self.name, self.heading, self.asm = where, name, heading, asm
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            self.fail("'%s' is not a name" % name)
        self.parse_pattern(pattern)
        self.parse_operands(operands)
        parts = ATTRIBUTE.split(" " + attributes)
        if parts[0].strip():
            self.fail("unknown attribute '%s'" % parts[0].split()[0])
        values = {k: v.strip() for k, v in zip(parts[1::2], parts[2::2])}
        self.feat, self.kind, self.over = values.get("feat", ""), values.get("kind", "alu"), values.get("over")
        self.where, self.unpred = values.get("where"), values.get("unpred")
        if self.kind not in KINDS:
            self.fail("unknown kind '%s'" % self.kind)
        for text in (self.where, self.unpred):
            for word in re.findall(r"[A-Za-z_]\w*", text or ""):
                if word not in self.fields and word not in ("and", "or", "not", "bitmask_ok"):
                    self.fail("'%s' in a condition is no field of the pattern" % word)

    def fail(self, text):
        raise SpecError("%s: %s: %s" % (self.at, self.name, text))

    def parse_pattern(self, pattern):
        self.fields, self.split, self.mask, self.value, pos = {}, [], 0, 0, 32
        for token in pattern.split():
            m = re.fullmatch(r"(\w+):(\d+)(!?)", token)
            if m:
                name, width = m.group(1), int(m.group(2))
                if name in self.fields:
                    self.fail("field %s stands twice" % name)
                pos -= width
                self.fields[name] = (pos, width)
                if m.group(3):
                    if width > 3:
                        self.fail("field %s is too wide for '!'" % name)
                    self.split.append(name)
            elif re.fullmatch(r"[01x]+", token):
                for c in token:
                    pos -= 1
                    if c != "x" and pos >= 0:
                        self.mask |= 1 << pos
                        self.value |= int(c) << pos
            else:
                self.fail("'%s' in the pattern is neither bits nor a field" % token)
        if pos != 0:
            self.fail("the pattern has %d bits, not 32" % (32 - pos))

    def parse_operands(self, operands):
        self.slots = []  # (slot, C type, kind, [fields])
        operands = operands.strip()
        if operands == "-":
            return
        rest = re.sub(r"(\w+)=(\w+)\(([^)]*)\)", "", operands).strip()
        if rest:
            self.fail("cannot read operands '%s'" % rest)
        for slot, kind, args in re.findall(r"(\w+)=(\w+)\(([^)]*)\)", operands):
            fields = [a.strip() for a in args.split(",")]
            for f in fields:
                if f not in self.fields and not f.isdigit():
                    self.fail("operand %s uses %s, no field of the pattern" % (slot, f))
            if kind in REGISTER_KINDS:
                ctype = "uint8_t"
            elif kind == "u":
                width = self.fields[fields[0]][1]
                ctype = "uint8_t" if width <= 8 else "uint16_t" if width <= 16 else "uint32_t"
            elif kind in FUNCTIONS:
                ctype = FUNCTIONS[kind]
            else:
                self.fail("unknown operand kind '%s'" % kind)
            if slot in [s[0] for s in self.slots]:
                self.fail("operand %s stands twice" % slot)
            self.slots.append((slot, ctype, kind, fields))
        self.slots.sort(key=lambda s: -SIZES[s[1]])
        if sum(SIZES[s[1]] for s in self.slots) > ARGS_MAX:
            self.fail("the arguments are larger than %d bytes" % ARGS_MAX)

    def variants(self):
        """Every combination of values of the fields marked with !."""
        combos = [[]]
        for f in self.split:
            combos = [c + [v] for c in combos for v in range(1 << self.fields[f][1])]
        return combos

    def handler(self, combo):
        return "a64_op_" + "_".join([self.name] + [str(v) for v in combo])

    def extract(self, field):
        if field.isdigit():
            return field
        lsb, width = self.fields[field]
        return "((word >> %d) & 0x%x)" % (lsb, (1 << width) - 1)

    def condition(self):
        """where= in C."""
        text = self.where.replace(" and ", " && ").replace(" or ", " || ")
        text = re.sub(r"\bnot\b", "!", text)
        return re.sub(r"[A-Za-z_]\w*",
                      lambda m: "operand_bitmask_ok" if m.group(0) == "bitmask_ok" else self.extract(m.group(0)), text)

    def overlaps(self, other):
        return (self.value ^ other.value) & self.mask & other.mask == 0


def parse(path):
    rows, heading = [], ""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line, at = line.strip(), "%s:%d" % (path, number)
            if line.startswith("heading "):
                heading = line[8:]
            elif line and not line.startswith("#"):
                parts = line.split("|")
                if len(parts) != 4 or len(parts[0].split(None, 1)) != 2:
                    raise SpecError("%s: a row is NAME pattern | operands | assembly | attributes" % at)
                name, pattern = parts[0].split(None, 1)
                rows.append(Row(at, name, heading, pattern, parts[1], parts[2].strip(), parts[3].strip()))
    return rows


def check(rows):
    by_name = {}
    for r in rows:
        if r.name in by_name:
            r.fail("stands twice")
        by_name[r.name] = r
    for r in rows:
        if r.over is None:
            continue
        if r.over not in by_name:
            r.fail("over=%s names no row" % r.over)
        o = by_name[r.over]
        if not r.overlaps(o):
            r.fail("does not overlap %s" % o.name)
        if o.mask & ~r.mask:
            r.fail("is not contained in %s" % o.name)
    for i, a in enumerate(rows):
        for b in rows[i + 1:]:
            if a.overlaps(b) and a.over != b.name and b.over != a.name:
                b.fail("overlaps %s, and neither declares it" % a.name)


def write_args(rows, out):
    out.write("/* Generated from src/spec/a64.isa. */\n#ifndef VIBE_GEN_A64_ARGS_H\n#define VIBE_GEN_A64_ARGS_H\n\n"
              "#include <stdint.h>\n\nenum a64_row {\n")
    for r in rows:
        out.write("    A64_ROW_%s,\n" % r.name)
    out.write("    A64_NR_ROWS,\n    A64_ROW_NONE = A64_NR_ROWS\n};\n\n")
    for r in rows:
        out.write("struct a64_args_%s {\n" % r.name)
        for slot, ctype, _, _ in r.slots:
            out.write("    %s %s;\n" % (ctype, slot))
        if not r.slots:
            out.write("    uint8_t none;\n")
        out.write("};\n")
    out.write("\nunion a64_args {\n    uint64_t raw[2];\n")
    for r in rows:
        out.write("    struct a64_args_%s %s;\n" % (r.name, r.name))
    out.write("};\n_Static_assert(sizeof(union a64_args) == %d, \"\");\n\n#endif\n" % ARGS_MAX)


def write_handlers(rows, out):
    out.write("/* Generated from src/spec/a64.isa: declarations of the instruction functions, and what OP() of cpu/interp.h needs. */\n"
              "#ifndef VIBE_GEN_A64_HANDLERS_H\n#define VIBE_GEN_A64_HANDLERS_H\n\n#include \"cpu/insn.h\"\n\n")
    for r in rows:
        for combo in r.variants():
            out.write("a64_fn %s;\n" % r.handler(combo))
        params = "struct cpu *c, const struct a64_insn *insn, const struct a64_args_%s *a" % r.name
        params += "".join(", const unsigned %s" % f for f in r.split)
        out.write("#define A64_PARAMS_%s %s\n#define A64_WRAP_%s" % (r.name, params, r.name))
        for combo in r.variants():
            out.write(" \\\n    const struct a64_insn *%s(struct cpu *c, const struct a64_insn *insn) "
                      "{ return op_%s(c, insn, &insn->u.%s%s); }"
                      % (r.handler(combo), r.name, r.name, "".join(", %du" % v for v in combo)))
        out.write("\n\n")
    out.write("#endif\n")


def write_decode(rows, out):
    out.write("/* Generated from src/spec/a64.isa. */\n#include \"cpu/insn.h\"\n#include \"cpu/operands.h\"\n\n"
              "#include \"gen/a64_handlers.h\"\n\na64_fn a64_op_unallocated;\n\n"
              "const char *const a64_row_name[] = {\n")
    for r in rows:
        out.write("    \"%s\",\n" % r.name)
    out.write("    \"unallocated\",\n};\n\n")
    for r in rows:
        out.write("static void fill_%s(uint32_t word, struct a64_insn *out)\n{\n" % r.name)
        if r.split:
            combos = r.variants()
            out.write("    static a64_fn *const fn[] = {%s};\n" % ", ".join(r.handler(c) for c in combos))
            index = ""
            for f in r.split:
                index = r.extract(f) if not index else "(%s << %d | %s)" % (index, r.fields[f][1], r.extract(f))
            out.write("    out->fn = fn[%s];\n" % index)
        else:
            out.write("    out->fn = %s;\n" % r.handler([]))
        for slot, ctype, kind, fields in r.slots:
            args = ", ".join(r.extract(f) for f in fields)
            if kind in REGISTER_KINDS:
                value = REGISTER_KINDS[kind].replace("%s", args)
            elif kind == "u":
                value = args
            else:
                value = "operand_%s(%s)" % (kind, args)
            out.write("    out->u.%s.%s = (%s)%s;\n" % (r.name, slot, ctype, value))
        if not r.slots and not r.split:
            out.write("    (void)word;\n")
        out.write("}\n\n")
        if r.where:
            out.write("static int where_%s(uint32_t word)\n{\n    return %s;\n}\n\n" % (r.name, r.condition()))
    out.write("static const struct {\n    uint32_t mask, value;\n    void (*fill)(uint32_t word, struct a64_insn *out);\n"
              "    int (*where)(uint32_t word);\n} rows[] = {\n")
    for r in rows:
        out.write("    {0x%08x, 0x%08x, fill_%s, %s},\n" % (r.mask, r.value, r.name, "where_" + r.name if r.where else "0"))
    out.write("};\n\n/* Rows that may match, by bits 31:21; the narrower before those that they overlap. 0xffff ends a list. */\n")
    order = sorted(range(len(rows)), key=lambda i: -bin(rows[i].mask).count("1"))
    lists, starts, flat = {}, [], []
    for key in range(2048):
        word = key << 21
        found = tuple(i for i in order if (word ^ rows[i].value) & rows[i].mask & 0xFFE00000 == 0)
        if found not in lists:
            lists[found] = len(flat)
            flat += list(found) + [0xFFFF]
        starts.append(lists[found])
    out.write("static const uint16_t candidate[] = {%s};\n" % ", ".join(map(str, flat)))
    out.write("static const uint16_t first_candidate[2048] = {%s};\n" % ", ".join(map(str, starts)))
    out.write("""
unsigned a64_find_row(uint32_t word)
{
    for (const uint16_t *p = &candidate[first_candidate[word >> 21]]; *p != 0xffff; p++)
        if ((word & rows[*p].mask) == rows[*p].value && (!rows[*p].where || rows[*p].where(word)))
            return *p;
    return A64_ROW_NONE;
}

void a64_decode(uint32_t word, struct a64_insn *out)
{
    const unsigned row = a64_find_row(word);

    out->word = word;
    out->row = row;
    if (row == A64_ROW_NONE)
        out->fn = a64_op_unallocated;
    else
        rows[row].fill(word, out);
}
""")


def main(argv):
    if len(argv) != 3:
        sys.stderr.write(__doc__)
        return 2
    try:
        rows = parse(argv[1])
        check(rows)
    except SpecError as e:
        sys.stderr.write("%s\n" % e)
        return 1
    for name, write in (("a64_args.h", write_args), ("a64_handlers.h", write_handlers), ("a64_decode.c", write_decode)):
        with open(os.path.join(argv[2], name), "w", encoding="utf-8") as out:
            write(rows, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
