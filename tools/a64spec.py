"""Reads src/spec/a64.isa and the files that it includes; its head comment describes the format. For the generator, and for tests that
make instructions up.

    spec = a64spec.load("src/spec/a64.isa")
    for row in spec.rows:
        word = row.random_word(rng)
        row.fields(word)["Rd"], row.where(word), row.unpredictable(word), row.kind, row.features
    spec.find(word)     the row that a word belongs to, or None

Raises SpecError, whose text is `file:line: what is wrong`.
"""
import ast
import collections
import itertools
import os
import re

KINDS = ("alu", "load", "store", "atomic", "exclusive", "literal", "branch", "system", "trap", "pac", "simd", "fp")
ATTRIBUTES = ("feat", "where", "unpred", "over", "kind")
ARGS_MAX = 16  # bytes of union a64_args
WHERE_BITS_MAX = 16  # conditions are judged by trying every value

# The functions of src/cpu/operands.h: what they return and how many fields they take.
FUNCTIONS = {
    "adr": ("int64_t", 2),
    "adrp": ("int64_t", 2),
    "addsub": ("uint32_t", 2),
    "bitmask": ("uint64_t", 4),
    "movn": ("uint64_t", 3),
    "movz": ("uint64_t", 2),
    "hw16": ("uint8_t", 1),
    "branch19": ("int32_t", 1),
    "branch26": ("int32_t", 1),
    "branch14": ("int32_t", 1),
    "testbit": ("uint8_t", 2),
    "cond": ("uint16_t", 1),
    "simm9": ("int16_t", 1),
    "simm7": ("int16_t", 2),
    "simm7_w": ("int16_t", 1),
    "simm10": ("int16_t", 2),
    "uimm12": ("uint16_t", 2),
    "regoff": ("uint8_t", 2),
    "pstate_field": ("uint8_t", 2),
    "sysop": ("uint16_t", 4),
    "sysreg": ("uint16_t", 5),
    "simm7_v": ("int16_t", 2),
    "uimm12_v": ("uint16_t", 3),
    "regoff_v": ("uint8_t", 3),
    "lane_size": ("uint8_t", 2),
    "lane_index": ("uint8_t", 4),
    "highest": ("uint8_t", 1),
    "lowest": ("uint8_t", 1),
    "fpimm": ("uint64_t", 2),
    "element5": ("uint8_t", 1),
    "element4": ("uint8_t", 2),
    "element": ("uint8_t", 4),
    "vm": ("uint8_t", 3),
    "shift_right": ("uint8_t", 2),
    "shift_left": ("uint8_t", 2),
    "expand": ("uint64_t", 4),
}
X_REGISTERS = {"xr", "xw", "xs", "x"}
V_REGISTERS = {"vr", "vw", "v"}
REGISTERS = X_REGISTERS | V_REGISTERS
# Functions whose value is the number of a V register.
V_FUNCTIONS = {"vm"}
# Those that may be marked with `!`: what they compute, and the number of values. Each is log2 of the bytes of an element.
SPECIAL_FUNCTIONS = {
    "lane_size": (lambda scale, size: 3 if scale == 2 and size & 1 else scale, 4),
    "highest": (lambda f: max(f.bit_length() - 1, 0), 4),
    "lowest": (lambda f: max((f & -f).bit_length() - 1, 0), 4),
}
TYPE_LEN = {"uint8_t": 1, "uint16_t": 2, "int16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "int64_t": 8}

# Names that generated C gives a meaning of its own.
RESERVED = {"c", "insn", "a", "word", "pc", "out", "t", "auto", "break", "case", "char", "const", "continue", "default", "do", "double",
            "else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
            "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
            "volatile", "while"}

Field = collections.namedtuple("Field", "name lo width special")
Operand = collections.namedtuple("Operand", "slot kind args special")  # args: field names and ints
Alias = collections.namedtuple("Alias", "line asm when")
# What has a handler for each value: name; field or operand; how many values.
Special = collections.namedtuple("Special", "name source count")


class SpecError(Exception):
    pass


def bitmask_ok(sf, n, imms):
    """DecodeBitMasks() with immediate TRUE does not say UNDEFINED."""
    if n and not sf:
        return False
    length = (n << 6 | (~imms & 63)).bit_length() - 1
    if length < 1:
        return False
    levels = (1 << length) - 1
    return imms & levels != levels


def move_wide_preferred(sf, n, imms, immr):
    """MOVZ or MOVN makes this constant too, and is what a disassembler shows as MOV. The manual's MoveWidePreferred() leaves a few
    such MOVN out; disassemblers do not."""
    width = 64 if sf else 32
    if (sf and not n) or (not sf and (n or imms & 32)):
        return False
    if imms < 16:
        return (-immr) % 16 <= 15 - imms
    if imms >= width - 17:
        return immr % 16 <= imms - (width - 17)
    return False


PREDICATES = {"bitmask_ok": (bitmask_ok, 3), "move_wide_preferred": (move_wide_preferred, 4)}

_BIN = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>"}
_CMP = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class Expr:
    """A condition or number over fields: can be evaluated here, and written as C."""

    def __init__(self, text, names):
        """names: the fields (and slots) that exist. Raises ValueError with what is wrong."""
        self.text = text.strip()
        try:
            self.tree = ast.parse(self.text, mode="eval").body
        except SyntaxError:
            raise ValueError("'%s' is no expression" % self.text)
        self.names = set()
        self._check(self.tree, names)
        self._code = compile(ast.Expression(self.tree), "<a64.isa>", "eval")

    def _check(self, node, names):
        if isinstance(node, ast.BoolOp):
            children = node.values
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            children = [node.operand]
        elif isinstance(node, ast.BinOp) and type(node.op) in _BIN:
            children = [node.left, node.right]
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _CMP:
            children = [node.left] + node.comparators
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            if node.func.id not in PREDICATES:
                raise ValueError("unknown predicate %s()" % node.func.id)
            if len(node.args) != PREDICATES[node.func.id][1]:
                raise ValueError("%s() takes %d arguments" % (node.func.id, PREDICATES[node.func.id][1]))
            children = node.args
        elif isinstance(node, ast.Name):
            if node.id not in names:
                raise ValueError("unknown field %s in '%s'" % (node.id, self.text))
            self.names.add(node.id)
            children = []
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            children = []
        else:
            raise ValueError("'%s' may not stand in an expression" % ast.unparse(node))
        for child in children:
            self._check(child, names)

    def value(self, fields):
        scope = {name: fn for name, (fn, _) in PREDICATES.items()}
        scope.update(fields)
        return int(eval(self._code, {"__builtins__": {}}, scope))

    def c(self, name_to_c):
        """As C, with name_to_c(name) for each name."""
        def walk(node):
            if isinstance(node, ast.BoolOp):
                return "(%s)" % (" && " if isinstance(node.op, ast.And) else " || ").join(walk(v) for v in node.values)
            if isinstance(node, ast.UnaryOp):
                return "!%s" % walk(node.operand)
            if isinstance(node, ast.BinOp):
                return "(%s %s %s)" % (walk(node.left), _BIN[type(node.op)], walk(node.right))
            if isinstance(node, ast.Compare):
                return "(%s %s %s)" % (walk(node.left), _CMP[type(node.ops[0])], walk(node.comparators[0]))
            if isinstance(node, ast.Call):
                return "operand_%s(%s)" % (node.func.id, ", ".join(walk(a) for a in node.args))
            if isinstance(node, ast.Name):
                return name_to_c(node.id)
            return str(node.value)
        return walk(self.tree)


class Row:
    """One encoding. mask and value are its fixed bits; should_mask and should_value those in parentheses."""

    def __init__(self, line, name, heading):
        self.line, self.name, self.heading = line, name, heading
        self.mask = self.value = self.should_mask = self.should_value = 0
        self.field = collections.OrderedDict()
        self.operands = []
        self.asm = None
        self.aliases = []
        self.features = []
        self.kind = "alu"
        self.over = None
        self.where_expr = self.unpred_expr = None

    @property
    def special(self):
        """The fields marked with `!`, then the operands."""
        found = [Special(f.name, f, 1 << f.width) for f in self.field.values() if f.special]
        return found + [Special(o.slot, o, SPECIAL_FUNCTIONS[o.kind][1])
                        for o in self.operands if o.special]

    def special_value(self, special, fields):
        if isinstance(special.source, Field):
            return fields[special.name]
        return SPECIAL_FUNCTIONS[special.source.kind][0](*[fields[a] for a in special.source.args])

    @property
    def simd_fp(self):
        """It has a V register, and so is under CPACR_EL1.FPEN."""
        return any(o.kind in V_REGISTERS or o.kind in V_FUNCTIONS for o in self.operands)

    def slot(self, name):
        return next((o for o in self.operands if o.slot == name), None)

    def fields(self, word):
        return {f.name: word >> f.lo & ((1 << f.width) - 1) for f in self.field.values()}

    def encode(self, fields, word=0):
        """The word with these fields; the ones not named come from word."""
        word = word & ~(self.mask | self.should_mask) | self.value | self.should_value
        for name, v in fields.items():
            f = self.field[name]
            m = (1 << f.width) - 1
            assert 0 <= v <= m
            word = word & ~(m << f.lo) | v << f.lo
        return word & 0xFFFFFFFF

    def where(self, word):
        """The encoding is allocated (the fixed bits are not looked at)."""
        return self.where_expr is None or bool(self.where_expr.value(self.fields(word)))

    def unpredictable(self, word):
        return self.unpred_expr is not None and bool(self.unpred_expr.value(self.fields(word)))

    def matches(self, word):
        return word & self.mask == self.value and self.where(word)

    def random_word(self, rng):
        """An allocated word of this row's pattern; a row that is declared `over` it may still own it: see Spec.find()."""
        while True:
            word = self.encode({}, rng.getrandbits(32))
            if self.where(word):
                return word

    def special_values(self):
        """The value tuples of what is marked with `!` for which an allocated encoding exists."""
        special = self.special
        names = {f.name for f in self._where_fields()}
        for x in special:
            names.update([x.name] if isinstance(x.source, Field) else x.source.args)
        names = [n for n in self.field if n in names]
        found = set()
        for values in itertools.product(*[range(1 << self.field[n].width) for n in names]):
            fields = dict(zip(names, values))
            if self.where_expr is None or self.where_expr.value(fields):
                found.add(tuple(self.special_value(x, fields) for x in special))
        return sorted(found)

    def _where_fields(self):
        return [f for f in self.field.values() if self.where_expr is not None and f.name in self.where_expr.names]

    def where_bits(self):
        m = 0
        for f in self._where_fields():
            m |= ((1 << f.width) - 1) << f.lo
        return m


def _words_over(bits, fixed):
    """Every word whose bits outside `bits` are those of fixed."""
    positions = [i for i in range(32) if bits >> i & 1]
    for n in range(1 << len(positions)):
        word = fixed
        for k, p in enumerate(positions):
            word |= (n >> k & 1) << p
        yield word


class Spec:
    """All rows. A `line` is a path and a number."""

    def __init__(self, path):
        self.path = path
        self.rows = []
        self.by_name = {}
        self.features = collections.OrderedDict()  # name -> text
        self.omitted = []  # (heading, comment): what is left out, and why
        self.headings = []
        self.files = []

    def fail(self, line, text):
        raise SpecError("%s:%d: %s" % (*line, text))

    def find(self, word):
        best = None
        for row in self.rows:
            if row.matches(word) and (best is None or row.over == best.name):
                best = row
        return best

    # ---- parsing ----

    def parse(self):
        self._file(self.path, None)
        if not self.rows:
            self.fail((self.path, 1), "no rows")
        for r in self.rows:
            self._check_use(r)
        self._check_overlaps()
        for name in self.features:
            if not any(name in r.features for r in self.rows):
                self.fail((self.path, 1), "feature %s brings no row" % name)
        return self

    def _file(self, path, included):
        """Reads path, which the line `included` names, or which was asked for."""
        if path in self.files:
            self.fail(included, "%s is included twice" % os.path.basename(path))
        self.files.append(path)
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except (OSError, UnicodeDecodeError) as e:
            why = getattr(e, "strerror", None) or e
            if included is None:
                raise SpecError("%s: %s" % (path, why))
            self.fail(included, "cannot read %s: %s" % (os.path.basename(path), why))
        heading = None
        row = None
        for number, raw in enumerate(text.split("\n"), 1):
            n = (path, number)
            if not raw.strip():
                continue
            if raw.startswith("#"):
                if heading:
                    self.omitted.append((heading, raw[1:].strip()))
                continue
            words = raw.split(None, 1)
            rest = words[1].strip() if len(words) > 1 else ""
            if raw[0].isspace():
                if words[0] != "alias":
                    self.fail(n, "an indented line is an alias of the row above")
                if row is None:
                    self.fail(n, "alias without a row above it")
                self._alias(n, row, rest)
            elif words[0] == "heading":
                if not rest:
                    self.fail(n, "heading without text")
                if rest in self.headings:
                    self.fail(n, "heading '%s' again" % rest)
                heading = rest
                self.headings.append(heading)
                row = None
            elif words[0] == "include":
                if not rest:
                    self.fail(n, "include without a file")
                self._file(os.path.join(os.path.dirname(path), rest), n)
                heading = row = None
            elif words[0] == "feature":
                name, _, what = rest.partition(" ")
                if not name or not what.strip():
                    self.fail(n, "expected 'feature NAME TEXT'")
                if name in self.features:
                    self.fail(n, "feature %s declared before" % name)
                self.features[name] = what.strip()
            else:
                if heading is None:
                    self.fail(n, "row before the first heading")
                row = self._row(n, words[0], rest, heading)

    def _row(self, n, name, rest, heading):
        if not re.match(r"^[A-Za-z]\w*$", name):
            self.fail(n, "'%s' is no name" % name)
        if name in self.by_name:
            there = self.by_name[name].line
            self.fail(n, "%s: name declared before, %s" % (name, "on line %d" % there[1] if there[0] == n[0] else "at %s:%d" % there))
        parts = [p.strip() for p in re.split(r"(?<!\|)\|(?!\|)", rest)]
        if len(parts) != 4:
            self.fail(n, "%s: expected 'pattern | operands | assembly | attributes', found %d parts" % (name, len(parts)))
        row = Row(n, name, heading)
        self._pattern(row, parts[0])
        self._operands(row, parts[1])
        if not parts[2]:
            self.fail(n, "%s: no assembly" % name)
        row.asm = parts[2]
        self._attributes(row, parts[3])
        self.rows.append(row)
        self.by_name[name] = row
        return row

    def _pattern(self, row, text):
        at = 32

        def take(width):
            nonlocal at
            at -= width
            if at < 0:
                self.fail(row.line, "%s: pattern has more than 32 bits" % row.name)
            return at

        for token in text.split():
            m = re.match(r"^([A-Za-z]\w*):(\d+)(!?)$", token)
            if m:
                name, width = m.group(1), int(m.group(2))
                if not 1 <= width <= 26:
                    self.fail(row.line, "%s: field %s cannot be %d bits wide" % (row.name, name, width))
                if name in row.field:
                    self.fail(row.line, "%s: field %s twice" % (row.name, name))
                if name in RESERVED:
                    self.fail(row.line, "%s: field name %s has a meaning in the generated code" % (row.name, name))
                if m.group(3) and width > 3:
                    self.fail(row.line, "%s: %s: too many values for a handler each" % (row.name, name))
                row.field[name] = Field(name, take(width), width, bool(m.group(3)))
                continue
            m = re.match(r"^\(([01]+)\)$", token)
            if m:
                lo = take(len(m.group(1)))
                row.should_mask |= ((1 << len(m.group(1))) - 1) << lo
                row.should_value |= int(m.group(1), 2) << lo
                continue
            if not re.match(r"^[01x]+$", token):
                self.fail(row.line, "%s: '%s' is no part of a pattern" % (row.name, token))
            for ch in token:
                lo = take(1)
                if ch != "x":
                    row.mask |= 1 << lo
                    row.value |= int(ch) << lo
        if at:
            self.fail(row.line, "%s: pattern has %d bits, not 32" % (row.name, 32 - at))

    def _operands(self, row, text):
        if text == "-":
            return
        if not text:
            self.fail(row.line, "%s: no operands ('-' if there are none)" % row.name)
        rest = text
        while rest:
            m = re.match(r"^([a-z]\w*)=([a-z]\w*)\(([\w, ]*)\)(!?)\s*", rest)
            if not m:
                self.fail(row.line, "%s: '%s' is no operand" % (row.name, rest.split()[0]))
            rest = rest[m.end():]
            slot, kind = m.group(1), m.group(2)
            args = [int(a) if a.isdigit() else a for a in (x.strip() for x in m.group(3).split(",")) if a]
            if row.slot(slot):
                self.fail(row.line, "%s: operand %s twice" % (row.name, slot))
            if slot in RESERVED - {"a", "t"}:
                self.fail(row.line, "%s: operand name %s has a meaning in C" % (row.name, slot))
            if kind in REGISTERS or kind == "u":
                wanted = 1
            elif kind in FUNCTIONS:
                wanted = FUNCTIONS[kind][1]
            else:
                self.fail(row.line, "%s: unknown operand kind %s" % (row.name, kind))
            if len(args) != wanted:
                self.fail(row.line, "%s: %s takes %d field%s" % (row.name, kind, wanted, "s" * (wanted > 1)))
            for a in args:
                if isinstance(a, str) and a not in row.field:
                    self.fail(row.line, "%s: unknown field %s" % (row.name, a))
            if (kind in REGISTERS or kind == "u") and isinstance(args[0], int):
                self.fail(row.line, "%s: %s takes a field" % (row.name, kind))
            if kind in REGISTERS and row.field[args[0]].width != 5:
                self.fail(row.line, "%s: register field %s is not 5 bits wide" % (row.name, args[0]))
            if m.group(4):
                if kind not in SPECIAL_FUNCTIONS:
                    self.fail(row.line, "%s: %s cannot have a handler for each value" % (row.name, kind))
                if slot in row.field:
                    self.fail(row.line, "%s: operand %s is also a field" % (row.name, slot))
            operand = Operand(slot, kind, tuple(args), bool(m.group(4)))
            row.operands.append(operand)
        size = sum(TYPE_LEN[self.operand_type(row, o)] for o in row.operands)
        if size > ARGS_MAX:
            self.fail(row.line, "%s: arguments take %d bytes, more than %d" % (row.name, size, ARGS_MAX))

    def layout(self, row):
        """The operands as they lie in the struct: the largest first, so that there is no padding."""
        return sorted(row.operands, key=lambda o: -TYPE_LEN[self.operand_type(row, o)])

    @staticmethod
    def operand_type(row, operand):
        if operand.kind in REGISTERS:
            return "uint8_t"
        if operand.kind == "u":
            width = row.field[operand.args[0]].width
            return "uint8_t" if width <= 8 else "uint16_t" if width <= 16 else "uint32_t"
        return FUNCTIONS[operand.kind][0]

    def _expr(self, line, row, text, names):
        try:
            return Expr(text, names)
        except ValueError as e:
            self.fail(line, "%s: %s" % (row.name, e))

    def _attributes(self, row, text):
        keys = list(re.finditer(r"(?:^|\s)(\w+)=(?!=)", text))
        if text and (not keys or keys[0].start() != 0):
            self.fail(row.line, "%s: '%s' is no attribute" % (row.name, text.split()[0]))
        seen = set()
        for i, m in enumerate(keys):
            key = m.group(1)
            value = text[m.end():keys[i + 1].start() if i + 1 < len(keys) else len(text)].strip()
            if key not in ATTRIBUTES:
                self.fail(row.line, "%s: unknown attribute %s" % (row.name, key))
            if key in seen:
                self.fail(row.line, "%s: attribute %s twice" % (row.name, key))
            seen.add(key)
            if not value:
                self.fail(row.line, "%s: attribute %s without a value" % (row.name, key))
            if key == "feat":
                for name in value.split(","):
                    if name not in self.features:
                        self.fail(row.line, "%s: unknown feature %s" % (row.name, name))
                row.features = value.split(",")
            elif key == "kind":
                if value not in KINDS:
                    self.fail(row.line, "%s: unknown kind %s" % (row.name, value))
                row.kind = value
            elif key == "over":
                row.over = value
            elif key == "where":
                row.where_expr = self._expr(row.line, row, value, row.field)
            else:
                row.unpred_expr = self._expr(row.line, row, value, row.field)

    def _alias(self, n, row, text):
        parts = [p.strip() for p in re.split(r"(?<!\|)\|(?!\|)", text)]
        if len(parts) != 2 or not parts[0] or not parts[1]:
            self.fail(n, "%s: expected 'alias assembly | condition'" % row.name)
        row.aliases.append(Alias(n, parts[0], self._expr(n, row, parts[1], row.field)))

    # ---- checks over the whole ----

    def _check_use(self, row):
        used = {f.name for f in row.special}
        for o in row.operands:
            used.update(a for a in o.args if isinstance(a, str))
        for e in (row.where_expr, row.unpred_expr):
            if e:
                used |= e.names
        for alias in row.aliases:
            used |= alias.when.names
        for asm in [row.asm] + [a.asm for a in row.aliases]:
            used.update(re.findall(r"[A-Za-z_]\w*", " ".join(re.findall(r"\{([^}]*)\}", asm))))
        for name in row.field:
            if name not in used:
                self.fail(row.line, "%s: field %s is not used" % (row.name, name))
        if row.where_expr is not None:
            m = row.where_bits()
            if bin(m).count("1") > WHERE_BITS_MAX:
                self.fail(row.line, "%s: where= looks at %d bits, more than %d" % (row.name, bin(m).count("1"), WHERE_BITS_MAX))
            if not any(row.where(w) for w in _words_over(m, row.value)):
                self.fail(row.line, "%s: where= never holds" % row.name)
            if all(row.where(w) for w in _words_over(m, row.value)):
                self.fail(row.line, "%s: where= always holds" % row.name)

    def _common_word(self, a, b):
        """A word that both rows would take, or None; exact."""
        if (a.value ^ b.value) & a.mask & b.mask:
            return None
        fixed = a.value | b.value
        free = (a.where_bits() | b.where_bits()) & ~(a.mask | b.mask)
        for word in _words_over(free, fixed):
            if a.where(word) and b.where(word):
                return word
        return None

    def _check_overlaps(self):
        for a in self.rows:
            if a.over is not None:
                if a.over not in self.by_name:
                    self.fail(a.line, "%s: over= names no row: %s" % (a.name, a.over))
                b = self.by_name[a.over]
                if b is a or b.over is not None:
                    self.fail(a.line, "%s: over= names %s" % (a.name, "itself" if b is a else "a row that is itself over another"))
        for i, a in enumerate(self.rows):
            for b in self.rows[:i]:
                word = self._common_word(a, b)
                if word is not None and a.over != b.name and b.over != a.name:
                    self.fail(a.line, "%s overlaps %s (0x%08x) and does not say so" % (a.name, b.name, word))
        for a in self.rows:
            if a.over is None:
                continue
            b = self.by_name[a.over]
            if self._common_word(a, b) is None:
                self.fail(a.line, "%s: over=%s, but they do not overlap" % (a.name, b.name))
            inside = b.mask & ~a.mask == 0 and all(
                b.where(w) for w in _words_over((a.where_bits() | b.where_bits()) & ~a.mask, a.value) if a.where(w))
            if not inside or a.mask == b.mask and a.where_expr is None:
                self.fail(a.line, "%s: over=%s, which does not contain it" % (a.name, b.name))


def load(path):
    return Spec(path).parse()
