"""The assembly templates of src/spec/a64.isa, made into C that writes the text (src/cpu/disasm.h has the functions it calls).

The head comment of the spec describes the templates. template(spec, row, line, text) gives a Template or raises SpecError."""
import collections
import re

from a64spec import REGISTERS, V_FUNCTIONS, V_REGISTERS, X_REGISTERS, Expr

# What {NAME.value} writes: the C function, and whether < > leaves the value 0 out.
NAMED = {
    "cond": ("disasm_cond", False),
    "shift": ("disasm_shift", True),
    "extend": ("disasm_extend", False),
    "barrier": ("disasm_barrier", False),
    "sysreg": ("disasm_sysreg", False),
    "prfop": ("disasm_prfop", False),
    "bti": ("disasm_bti", False),
    "fpimm": ("disasm_fpimm", False),
}
# {NAME V,expr,...}: V registers: the C function, and how many numbers it is given besides the register's.
VECTOR = {
    "scalar": ("disasm_v_scalar", 1),
    "vec": ("disasm_v", 2),
    "lane": ("disasm_v_lane", 2),
    "list": ("disasm_v_list", 3),
    "lanelist": ("disasm_v_lane_list", 3),
}
# {NAME}: the C function, and the fields and operands that it is given.
WHOLE = {
    "pstate": ("disasm_pstate", ["op1", "CRm", "op2"]),
    "sysop": ("disasm_sysop", ["op1", "CRn", "CRm", "op2", "Rt"]),
    "regoff": ("disasm_regoff", ["option", "S", "amount"]),
}

Piece = collections.namedtuple("Piece", "code value")  # value: C, zero where < > is left out; None: does not matter


def c_string(s):
    return '"%s"' % s.replace("\\", "\\\\").replace('"', '\\"')


class Template:
    def __init__(self, spec, row, line, text):
        self.spec, self.row, self.line = spec, row, line
        self.code = self._parse(text)

    def fail(self, text):
        self.spec.fail(self.line, "%s: %s" % (self.row.name, text))

    # ---- values ----

    def field_c(self, name):
        f = self.row.field[name]
        return "(word >> %d & 0x%xu)" % (f.lo, (1 << f.width) - 1)

    def name_c(self, name):
        """A slot as the decoder makes it, or a field."""
        o = self.row.slot(name)
        if o is None:
            return self.field_c(name)
        args = [str(a) if isinstance(a, int) else self.field_c(a) for a in o.args]
        if o.kind == "u" or o.kind in REGISTERS:
            return args[0]
        return "operand_%s(%s)" % (o.kind, ", ".join(args))

    def expr_c(self, text):
        known = set(self.row.field) | {o.slot for o in self.row.operands}
        try:
            return Expr(text, known).c(self.name_c)
        except ValueError as e:
            self.fail("%s" % e)

    # ---- pieces ----

    def wide_c(self, how):
        """C for 'a 64-bit register', from the letter or field before the dot."""
        field = self.row.field
        if how == "X":
            return "true"
        if how == "W":
            return "false"
        if how == "E":
            if "option" not in field:
                self.fail("{E.} without a field option")
            both = ["(%s & 3) == 3" % self.field_c("option")]
            if "sf" in field:
                both.append(self.field_c("sf"))
            return " && ".join(both)
        if how == "R":
            if "sf" in field:
                return self.field_c("sf")
            if "size" in field or self.row.slot("size"):
                return "%s == 3" % self.name_c("size")
            self.fail("{R.} without a field sf or size")
        if field[how].width != 1:
            self.fail("{%s.}: the field is not one bit" % how)
        return self.field_c(how)

    def register(self, how, what):
        m = re.match(r"^(\w+)(\+1)?$", what)
        if not m:
            self.fail("'%s' is no register" % what)
        name, next_one = m.groups()
        o = self.row.slot(name)
        if o is not None:
            if o.kind not in REGISTERS:
                self.fail("operand %s is no register" % name)
            if o.kind not in X_REGISTERS:
                self.fail("operand %s is no general register" % name)
            number = self.field_c(o.args[0])
        elif name in self.row.field and self.row.field[name].width == 5:
            number = self.field_c(name)
        else:
            self.fail("unknown register %s" % name)
        if next_one:
            number = "(%s + 1)" % number
        sp = "true" if o is not None and o.kind == "xs" else "false"
        return Piece("disasm_reg(t, %s, %s, %s);" % (number, self.wide_c(how), sp), None)

    def vector(self, what, text):
        function, nr = VECTOR[what]
        name, *numbers = [x.strip() for x in text.split(",")]
        o = self.row.slot(name)
        if o is None or o.kind not in V_REGISTERS | V_FUNCTIONS:
            self.fail("'%s' is no V register" % name)
        if len(numbers) != nr:
            self.fail("{%s %s} needs %d number%s" % (what, text, nr, "s" * (nr > 1)))
        return Piece("%s(t, %s);" % (function, ", ".join([self.name_c(name)] + ["(unsigned)%s" % self.expr_c(x) for x in numbers])), None)

    def placeholder(self, text):
        m = re.match(r"^(\w+) (.*)$", text)
        if m and m.group(1) in VECTOR:
            return self.vector(*m.groups())
        m = re.match(r"^(\w+):(.*)$", text)
        if m:
            name, choices = m.group(1), m.group(2).split(",")
            if name not in self.row.field:
                self.fail("unknown field %s in {%s}" % (name, text))
            if len(choices) != 1 << self.row.field[name].width:
                self.fail("{%s} needs %d choices" % (text, 1 << self.row.field[name].width))
            return Piece("disasm_put(t, (const char *const[]){%s}[%s]);" %
                         (", ".join(map(c_string, choices)), self.field_c(name)), None)
        m = re.match(r"^(\w+)\.(.+)$", text)
        if m:
            how, what = m.groups()
            if how in NAMED:
                function, counts = NAMED[how]
                value = self.expr_c(what)
                return Piece("%s(t, (unsigned)%s);" % (function, value), value if counts else None)
            if how in ("X", "W", "R", "E") or how in self.row.field:
                return self.register(how, what)
            self.fail("{%s}: nothing is called %s" % (text, how))
        if text in WHOLE:
            function, fields = WHOLE[text]
            for f in fields:
                if f not in self.row.field and self.row.slot(f) is None:
                    self.fail("{%s} needs a field or operand %s" % (text, f))
            return Piece("%s(t, %s);" % (function, ", ".join(self.name_c(f) for f in fields)), None)
        if text == "word":
            return Piece("disasm_hex8(t, word);", None)
        m = re.match(r"^(pc|page)\+(.+)$", text)
        if m:
            return Piece("disasm_label(t, %s, %s);" % ("true" if m.group(1) == "page" else "false", self.expr_c(m.group(2))), None)
        m = re.match(r"^hex (.+)$", text)
        value = self.expr_c(m.group(1) if m else text)
        return Piece("%s(t, %s);" % ("disasm_hex" if m else "disasm_num", value), value)

    def _parse(self, text):
        """A list of C lines."""
        code = []
        group = None  # lines of the < > that is open
        values = []
        at = 0
        while at < len(text):
            ch = text[at]
            if ch == "{":
                end = text.find("}", at)
                if end < 0:
                    self.fail("'{' without '}'")
                piece = self.placeholder(text[at + 1:end].strip())
                (code if group is None else group).append(piece.code)
                if group is not None and piece.value:
                    values.append(piece.value)
                at = end + 1
                continue
            if ch == "<":
                if group is not None:
                    self.fail("'<' inside '< >'")
                group, values = [], []
                at += 1
                continue
            if ch == ">":
                if group is None:
                    self.fail("'>' without '<'")
                if not values:
                    self.fail("'< >' without a number inside")
                code.append("if (%s) {" % " || ".join(v + " != 0" for v in values))
                code += ["    " + g for g in group]
                code.append("}")
                group = None
                at += 1
                continue
            if ch == "}":
                self.fail("'}' without '{'")
            end = re.search(r"[{}<>]|$", text[at:]).start() + at
            (code if group is None else group).append("disasm_put(t, %s);" % c_string(text[at:end]))
            at = end
        if group is not None:
            self.fail("'<' without '>'")
        return code
