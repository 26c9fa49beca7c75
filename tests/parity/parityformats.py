# SPDX-License-Identifier: BSD-3-Clause
"""ELF and Mach-O files, PE files with version information or with headers far behind, and signatures
that ask for places in these.
"""
import random
import struct

import paritygen
from paritycases import carry_in_mail
from parityexe import Program, align


class Elf:
    """Of either width and order; section headers at the end, where linkers put them, or in front."""
    target = 6

    def __init__(self, rng):
        self.wide, order = rng.random() < 0.5, rng.choice("<<>")
        self.kind = "ELF%d%s" % (64 if self.wide else 32, order)
        bodies = [paritygen.some(rng, paritygen.BINARY, rng.choice([40, 300, 9000]))
                  for _ in range(rng.choice([1, 2, 4]))]
        head, program, section = (64, 56, 64) if self.wide else (52, 32, 40)
        at = head + program
        if rng.random() < 0.2:
            table, at = at, at + section * (len(bodies) + 1)
        else:
            table = None
        self.offsets, base = [0], 0x8000
        start = at
        for body in bodies:
            self.offsets.append(at)
            at += len(body)
        table = at if table is None else table
        self.sizes = [0] + [len(body) for body in bodies]
        self.entry = rng.randrange(start, at)
        number = "Q" if self.wide else "I"
        shape = rng.random()
        count, width = len(self.offsets), section
        address = base + self.entry
        if shape < 0.1:
            address, self.entry = 0, 0  # an object file
        elif shape < 0.15:
            count, width = 0, rng.choice([0, section])  # stripped
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
        header = ident + struct.pack(order + "HHI3%sIHHHHHH" % number, 2, 62, 1, address, head, table,
                                     0, head, program, 1, width, count, 0)
        if self.wide:
            entry = struct.pack(order + "IIQQQQQQ", 1, 5, 0, base, base, at, at, 4096)
        else:
            entry = struct.pack(order + "IIIIIIII", 1, 0, base, base, at, at, 5, 4096)
        sections = b""
        for offset, size in zip(self.offsets, self.sizes):
            sections += struct.pack(order + "II4%sII2%s" % (number, number), 0, 1, 2, base + offset, offset, size,
                                    0, 0, 1, 0)
        text = b"".join(bodies)
        front = header + entry
        self.data = front + (sections + text if table < start else text + sections)
        self.sections = count
        self.body = (start, at)


class MachO:
    target = 9

    def __init__(self, rng):
        self.wide, order = rng.random() < 0.5, rng.choice("<<>")
        self.kind = "Mach-O%d%s" % (64 if self.wide else 32, order)
        cpu = rng.choice([7, 7 | 1 << 24, 12, 18, 18 | 1 << 24])
        count = rng.choice([1, 2, 3])
        per = [rng.choice([0, 1, 2, 150]) if n == 0 else rng.choice([0, 1, 2]) for n in range(count)]
        if sum(per) == 0:
            per[0] = 1
        segment, section = (72, 80) if self.wide else (56, 68)
        thread = {7: 64, 18: 160, 18 | 1 << 24: 312}.get(cpu, 0)
        commands = sum(segment + n * section for n in per) + (16 + thread if thread else 0) + 24
        at = (32 if self.wide else 28) + commands
        start, base = at, 0x1000
        bodies = [paritygen.some(rng, paritygen.BINARY, rng.choice([20, 64, 300])) for _ in range(sum(per))]
        self.offsets = []
        for body in bodies:
            self.offsets.append(at)
            at += len(body)
        self.sizes = [len(body) for body in bodies]
        text = b""
        order32 = order
        placed = 0
        number = "Q" if self.wide else "I"
        for n in per:
            text += struct.pack(order + "II16s4%siiII" % number, 0x19 if self.wide else 1, segment + n * section,
                                b"__TEXT", base, at, 0, at, 7, 5, n, 0)
            for _ in range(n):
                text += struct.pack(order + "16s16s2%sIIIIIII" % number, b"__text", b"__TEXT",
                                    base + self.offsets[placed], self.sizes[placed], self.offsets[placed],
                                    rng.choice([0, 2, 4]), 0, 0, 0, 0, 0)
                text += bytes(4) if self.wide else b""
                placed += 1
        self.entry = 0
        if thread:
            state = bytearray(thread)
            if cpu != 7:
                self.entry = rng.randrange(start, at)
                wide = cpu != 18
                state[:8 if wide else 4] = struct.pack(order + ("Q" if wide else "I"), base + self.entry)
            text += struct.pack(order32 + "IIII", 5, 16 + thread, 1, thread // 4) + bytes(state)
        text += struct.pack(order + "II16s", 0x1b, 24, bytes(16))
        header = struct.pack(order + "IIIIIII", 0xfeedfacf if self.wide else 0xfeedface, cpu, 0, 2,
                             count + 1 + bool(thread), len(text), 0) + (bytes(4) if self.wide else b"")
        self.data = header + text + b"".join(bodies)
        self.sections = len(bodies)
        self.body = (start, at)


def wide(text):
    return text.encode("utf-16-le") + b"\0\0"


def block(key, value, children, number=None):
    """A node of version information: length, length of the value, type, key, value, children."""
    body = align(bytes(6) + wide(key), 4) + value
    for child in children:
        body = align(body, 4) + child
    return struct.pack("<HHH", len(body), len(value) if number is None else number, number is not None) + body[6:]


class Version:
    """Version information and what a VI offset leads to."""

    def __init__(self, rng):
        self.pairs = [(rng.choice(["CompanyName", "FileVersion", "InternalName", "Comments", "X%d" % n]),
                       "".join(rng.choice("abcde XYZ") for _ in range(rng.choice([0, 1, 5, 30]))))
                      for n in range(rng.choice([1, 3, 8]))]
        strings = [block(key, wide(value), [], len(value) + 1) for key, value in self.pairs]
        table = block("StringFileInfo", b"", [block("040904b0", b"", strings)])
        var = block("VarFileInfo", b"", [block("Translation", b"\x09\x04\xb0\x04", [])])
        fixed = struct.pack("<I", 0xfeef04bd) + bytes(48)
        self.data = block("VS_VERSION_INFO", fixed, rng.choice([[table, var], [var, table], [table]]))

    def resources(self, address):
        """The tree that leads to it, for a section at this address."""
        def directory(number, to, is_directory):
            return struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, number, to | is_directory << 31)
        tree = directory(16, 24, 1) + directory(1, 48, 1) + directory(0x409, 72, 0)
        return tree + struct.pack("<IIII", address + 88, len(self.data), 0, 0) + self.data


class Versioned(Program):
    """A PE file whose last section holds version information."""
    target = 1

    def __init__(self, rng):
        self.version = Version(rng)
        super().__init__(rng)

    def build(self):
        address = self.sections[-1][0] + (len(self.sections[-1][1]) + 0xfff) // 0x1000 * 0x1000
        tree = self.version.resources(address)
        self.sections.append((address, align(tree, 0x200)))
        data = bytearray(super().build())
        at = struct.unpack_from("<I", data, 60)[0] + 24 + (112 if self.wide else 96) + 16
        struct.pack_into("<II", data, at, address, len(tree))
        return bytes(data)


class Far(Program):
    """A PE file whose headers stand far behind its first bytes."""
    target = 1

    def build(self):
        data = bytearray(super().build())
        head = bytes(data[64:0x400])
        at = len(data) + random.Random(len(data)).choice([0, 8, 20000])
        struct.pack_into("<I", data, 60, at)
        data[64:0x400] = bytes(0x400 - 64)
        return bytes(data) + bytes(at - len(data)) + head


def distinct(rng, data, low, high, size):
    """A place whose bytes are not everywhere."""
    for _ in range(500):
        at = rng.randrange(low, max(low + 1, high - size))
        if len(set(data[at:at + 8])) >= 4:
            return at
    return None


def fat(rng, data):
    """A universal binary that holds it."""
    slices = [MachO(rng).data for _ in range(rng.choice([0, 1, 2]))]
    slices.insert(rng.randrange(len(slices) + 1), data)
    head = b"\xca\xfe\xba\xbe" + struct.pack(">I", len(slices))
    at = 8 + 20 * len(slices)
    for piece in slices:
        head += struct.pack(">IIIII", 7, 3, at, len(piece), 0)
        at += len(piece)
    return head + b"".join(slices)


def places_in(book, rng, count, name, make):
    for number in range(count):
        sign = "%s.%d" % (name, number)
        program = make(rng)
        low, high = program.body if hasattr(program, "body") else (0x400, len(program.data))
        size = rng.choice([8, 12])
        at = distinct(rng, program.data, low, high, size)
        if at is None:
            continue
        entry = program.entry
        if isinstance(program, Program):
            entry = program.offsets[program.entry] + program.entry_far
        wrong = rng.choice([0, 0, 0, 1, -1])
        shift = rng.choice(["", "", ",1", ",40"])
        form = rng.choice(["EP", "S", "S", "SL", "SE"])
        before = [n for n, offset in enumerate(program.offsets) if offset <= at]
        section = before[-1] if before else 0
        if form == "EP":
            far = at - entry + wrong
            offset = "EP%s%d%s" % ("-" if far < 0 else "+", abs(far), shift)
        elif form == "SL":
            offset = "SL+%d%s" % (max(0, at - program.offsets[-1] + wrong), shift)
        elif form == "SE":
            offset = "SE%d" % rng.choice([section, section, section + 1])
        else:
            offset = "S%d+%d%s" % (section, max(0, at - program.offsets[section] + wrong), shift)
        text = program.data[at:at + size].hex()
        gap = form == "SE" or rng.random() < 0.4
        pattern = "%s{-3}%s" % (text[:8], text[8:]) if gap else text
        kinds = ["place", "binary", form, "gap" if gap else "literal", getattr(program, "kind", name)]
        if rng.random() < 0.5:
            book.sign("formats.ndb", sign, "%s:%d:%s:%s" % (sign, program.target, offset, pattern))
        else:
            attribute = rng.choice(["", ",NumberOfSections:%d-%d" % (
                rng.randrange(0, 5), rng.randrange(1, 6)), ",EntryPoint:%d-%d" % (
                    max(0, entry + rng.choice([-1, 0, 1])), entry + rng.choice([0, 0, 99]))])
            sub = rng.choice(["%s:%s" % (offset, pattern), "%s:%s" % (offset, pattern), pattern])
            book.sign("formats.ldb", sign, "%s;Engine:51-255,Target:%d%s;0;%s" % (
                sign, program.target, attribute, sub))
            kinds.append("ldb")
        book.carry(sign, program.data, None, kinds)
        moved = program.data[:at] + bytes(size) + program.data[at + size:]
        book.carry(sign, moved, None, kinds + ["gone"])
        if rng.random() < 0.3:
            carry_in_mail(book, rng, sign, program.data, None, kinds)
        if make is MachO and rng.random() < 0.5:
            book.carry(sign, fat(rng, program.data), None, kinds + ["fat"])
        if rng.random() < 0.3:
            book.carry(sign, program.data + paritygen.some(rng, paritygen.BINARY, 30000), None, kinds + ["overlay"])


def formats(book, rng, count):
    places_in(book, rng, count, "Elf", Elf)
    places_in(book, rng, count, "Macho", MachO)
    places_in(book, rng, count // 2, "Far", Far)


def versions(book, rng, count):
    """VI: the start of a string's key, in the version information alone."""
    for number in range(count):
        name = "Version.%d" % number
        program = Versioned(rng)
        key, value = rng.choice(program.version.pairs)
        whole = align(bytes(6) + wide(key), 4)[6:] + wide(value)
        how = rng.choice(["whole", "whole", "key", "value", "gap"])
        text = {"whole": whole, "key": wide(key)[:-2], "value": wide(value), "gap": whole}[how].hex()
        if how == "gap":
            text = text[:12] + "*" + text[-8:]
        if len(text) < 12:
            continue
        kinds = ["version", "binary", how, "PE32+" if program.wide else "PE32"]
        if rng.random() < 0.5:
            book.sign("versions.ndb", name, "%s:1:VI:%s" % (name, text))
        else:
            book.sign("versions.ldb", name, "%s;Engine:51-255,Target:1;0&1;VI:%s;0:4d5a" % (name, text))
        book.carry(name, program.data, None, kinds)
        # The same bytes in another place.
        book.carry(name, Program(rng).data + whole + bytes(20), None, kinds + ["elsewhere"])
        other = Versioned(rng)
        book.carry(name, other.data, None, kinds + ["another"])
        if rng.random() < 0.4:
            carry_in_mail(book, rng, name, program.data, None, kinds)
        cut = program.data[:rng.randrange(len(program.data) // 2, len(program.data))]
        book.carry(name, cut, None, kinds + ["cut"])
