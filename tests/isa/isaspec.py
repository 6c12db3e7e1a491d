"""The rows of src/spec/a64.isa as the test generator needs them: encoding fields to a word, and finding the row of a word.
The file itself is read by the decoder generator's parser, tools/a64spec.py."""

import itertools
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SPEC = os.path.join(ROOT, "src", "spec", "a64.isa")
sys.path.insert(0, os.path.join(ROOT, "tools"))
import a64spec  # noqa: E402

PREDICATES = {name: fn for name, (fn, _) in a64spec.PREDICATES.items()}


class Row:
    def __init__(self, row):
        self._row = row
        self.name, self.heading, self.kind, self.over = row.name, row.heading, row.kind, row.over
        self.features = row.features
        self.fields = {f.name: (f.lo, f.width) for f in row.field.values()}  # most significant first
        self._special = row.special
        self.split = [(x.name, x.count) for x in self._special]  # what is marked with !
        self.split_fields = [x.name for x in self._special if x.name in self.fields]
        self._split_operands = [x for x in self._special if x.name not in self.fields]
        self._choices = {}
        self.simd_fp = row.simd_fp
        self.mask, self.value = row.mask, row.value
        self.ignored = ~row.mask & 0xFFFFFFFF
        for lsb, width in self.fields.values():
            self.ignored &= ~(((1 << width) - 1) << lsb)
        self.should = row.should_value
        self.operands = {o.slot: (o.kind, o.args) for o in row.operands}
        self.has_where = row.where_expr is not None
        self._where = self._compile(row.where_expr, "True")
        self._unpred = self._compile(row.unpred_expr, "False")

    @staticmethod
    def _compile(expr, default):
        return compile(expr.text if expr else default, "a64.isa", "eval")

    @staticmethod
    def variant_name(values):
        """{"sf": 1, "shift": 2} -> "sf=1,shift=2": how a group of cases is called."""
        return ",".join("%s=%d" % v for v in values.items())

    def encodings(self):
        """The names of the variants of which allocated encodings exist."""
        return [self.variant_name(dict(zip((n for n, _ in self.split), values))) for values in self._row.special_values()]

    def special_value(self, name, f):
        return next(self._row.special_value(x, f) for x in self._special if x.name == name)

    def has_variant(self, f, variant):
        """The fields give every special operand the value that the variant wants."""
        return all(self._row.special_value(x, f) == variant[x.name] for x in self._split_operands)

    def choices(self, variant, legal):
        """All values of the fields on which it hangs whether a word is of the variant and allocated, or not: a list of dicts."""
        key = (legal, *variant.values())
        if key not in self._choices:
            names = set(self._row.where_expr.names if self.has_where else ())
            for x in self._split_operands:
                names.update(x.source.args)
            names = sorted(names - set(self.split_fields))
            fixed = {k: variant[k] for k in self.split_fields}
            found = []
            for values in itertools.product(*[range(1 << self.fields[n][1]) for n in names]):
                f = dict(zip(names, values), **fixed)
                if self.has_variant(f, variant) and self.legal(f) == legal:
                    found.append(f)
            self._choices[key] = found
        return self._choices[key]

    def legal(self, f):
        return bool(eval(self._where, PREDICATES, f))

    def unpredictable(self, f):
        return bool(eval(self._unpred, PREDICATES, f))

    def encode(self, f, ignored=None):
        """The word; bits that "should be" something are so, unless given."""
        word = self.value | (self.should if ignored is None else ignored & self.ignored)
        for name, (lsb, _) in self.fields.items():
            word |= f[name] << lsb
        return word

    def decode(self, word):
        return {n: (word >> lsb) & ((1 << w) - 1) for n, (lsb, w) in self.fields.items()}

    def matches(self, word):
        return word & self.mask == self.value and self.legal(self.decode(word))


class Spec:
    def __init__(self, path=SPEC):
        self.rows = [Row(r) for r in a64spec.load(path).rows]
        self.by_name = {r.name: r for r in self.rows}
        # An overlap is always a declared one, and the row that declares it is the narrower.
        self._order = sorted(self.rows, key=lambda r: -bin(r.mask).count("1"))
        self._buckets = {}

    def find(self, word):
        """The row of a word, or None where it is unallocated."""
        key = word >> 21
        bucket = self._buckets.get(key)
        if bucket is None:
            bits = key << 21
            bucket = [r for r in self._order if (bits ^ r.value) & r.mask & 0xFFE00000 == 0]
            self._buckets[key] = bucket
        for r in bucket:
            if r.matches(word):
                return r
        return None
