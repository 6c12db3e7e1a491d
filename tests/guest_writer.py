"""Writes in a guest until someone pulls the plug. Each file's contents follow from its number; "SYNCED n" is said when file n, its name and
line n of the log have been made durable. Meanwhile another process writes, renames and removes files that nobody syncs.

usage: guest_writer.py FOLDER
"""
import hashlib
import itertools
import os
import sys


def contents(n):
    size = (0, 1, 4095, 4096, 4097, 70000, 300001, 1 << 20)[n % 8]
    return hashlib.shake_128(b"%d" % n).digest(size)


def line(n):
    return b"%d %s\n" % (n, hashlib.sha256(contents(n)).hexdigest().encode())


def disturb(folder):
    for n in itertools.count():
        path = os.path.join(folder, "loose%d" % (n % 40))
        with open(path, "ab") as f:
            f.write(contents(n % 7) + b"more")
            if n % 5 == 0:
                f.truncate(n % 50000)
        if n % 3 == 0:
            os.rename(path, os.path.join(folder, "moved%d" % (n % 9)))
        elif n % 7 == 0:
            os.unlink(path)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    if not os.fork():
        disturb(folder)
    entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with open(os.path.join(folder, "log"), "ab", 0) as log:
        for n in itertools.count():
            temporary = os.path.join(folder, "new")
            with open(temporary, "wb", 0) as f:
                f.write(contents(n))
                os.fsync(f.fileno())
            os.rename(temporary, os.path.join(folder, "kept%d" % n))
            log.write(line(n))
            os.fsync(log.fileno())
            os.fsync(entry)
            print("SYNCED %d" % n, flush=True)


if __name__ == "__main__":
    main()
