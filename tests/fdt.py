"""A reader of flattened device trees (Devicetree Specification 0.4, "Flattened Devicetree (DTB) Format")."""
import struct

MAGIC = 0xD00DFEED


class Node:
    def __init__(self, name):
        self.name = name
        self.props = {}
        self.children = {}

    def __getitem__(self, path):
        node = self
        for part in path.strip("/").split("/"):
            node = node.children[part] if part else node
        return node

    def cells(self, name):
        b = self.props[name]
        return list(struct.unpack(">%dI" % (len(b) // 4), b))

    def u64(self, name):
        return struct.unpack(">Q", self.props[name])[0]

    def strings(self, name):
        return self.props[name].rstrip(b"\0").decode().split("\0")

    def walk(self, path=""):
        yield path or "/", self
        for name, child in self.children.items():
            yield from child.walk(path + "/" + name)


def parse(b):
    magic, total, at, strings, _, _, _, _, strings_len, struct_len = struct.unpack_from(">10I", b)
    assert magic == MAGIC and total <= len(b)
    end = at + struct_len
    stack, root = [], None
    while at < end:
        token = struct.unpack_from(">I", b, at)[0]
        at += 4
        if token == 1:
            stop = b.index(b"\0", at)
            node = Node(b[at:stop].decode())
            at = (stop + 4) & ~3
            if stack:
                assert node.name not in stack[-1].children, node.name
                stack[-1].children[node.name] = node
            stack.append(node)
        elif token == 2:
            root = stack.pop()
        elif token == 3:
            length, name = struct.unpack_from(">II", b, at)
            at += 8
            start = strings + name
            assert start < strings + strings_len
            stack[-1].props[b[start:b.index(b"\0", start)].decode()] = bytes(b[at:at + length])
            at = (at + length + 3) & ~3
        elif token == 9:
            assert not stack
            return root
        else:
            assert token == 4, token
    raise AssertionError("no FDT_END")
