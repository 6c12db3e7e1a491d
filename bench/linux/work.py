"""Work for a Python interpreter: numbers, containers, text, objects. Prints a checksum."""
import json
import re
import zlib


class Account:
    def __init__(self, name):
        self.name, self.balance, self.log = name, 0, []

    def move(self, amount):
        self.balance += amount
        self.log.append((len(self.log), amount))
        return self


def primes(limit):
    sieve = bytearray([1]) * limit
    for n in range(2, int(limit ** 0.5) + 1):
        if sieve[n]:
            sieve[n * n::n] = bytes(len(range(n * n, limit, n)))
    return sum(sieve) - 2


def floats(n):
    x, total = 0.5, 0.0
    for i in range(1, n):
        x = 3.9 * x * (1.0 - x)
        total += x / i
    return total


def words(n):
    counts = {}
    seed = 1
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) % 2147483648
        word = "w%03x" % (seed >> 19)
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts, key=lambda w: (-counts[w], w))


def objects(n):
    accounts = [Account("a%d" % i) for i in range(100)]
    for i in range(n):
        accounts[i * 7 % 100].move(i % 13 - 6)
    return sum(a.balance * len(a.log) for a in accounts)


found = words(60000)
text = " ".join(found)
results = [primes(300000), floats(200000), found[:5], objects(100000), 3 ** 20000 % 10 ** 40, len(re.findall(r"w(\d)[a-f]\1?", text)),
           zlib.crc32(json.dumps([{"word": w, "at": i} for i, w in enumerate(found)]).encode())]
print("%08x" % zlib.crc32(repr(results).encode()))
