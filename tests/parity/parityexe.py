# SPDX-License-Identifier: BSD-3-Clause
"""PE files made here, with import tables and sections, and signatures that ask for these.

The text of an import table is made from what was put into it, not read from the file.
"""
import hashlib
import struct

import paritygen
from paritycases import carry_in_mail

LIBRARIES = ["KERNEL32.dll", "user32.DLL", "WS2_32.dll", "oleaut32.dll", "driver.sys", "x.ocx", "odd.name",
             "noext", "two.dots.dll"]
# Some of what the two libraries export by number.
KNOWN = {("ws2_32", 1): "accept", ("ws2_32", 115): "wsastartup", ("oleaut32", 2): "sysallocstring",
         ("oleaut32", 9): "variantclear"}


def align(data, to):
    return data + b"\0" * (-len(data) % to)


def base_name(library):
    dot = library.find(".")
    return library[:dot] if dot >= 0 and library[dot:dot + 4].lower() in (".dll", ".sys", ".ocx") else library


class Program:
    """A PE file of a few sections; one of them may hold the import table."""

    def __init__(self, rng):
        self.wide = rng.random() < 0.4
        self.names = []
        count = rng.choice([1, 2, 3, 5])
        where = rng.randrange(count)
        self.sections = []
        address = 0x1000
        for number in range(count):
            body = paritygen.some(rng, paritygen.BINARY, rng.choice([100, 512, 1500]))
            start = 0
            if number == where:
                table, size = self.imports(rng, address)
                start, body = address, table + body
                self.directory = (start, size)
            self.sections.append((address, align(body, 0x200)))
            address += (len(body) + 0xfff) // 0x1000 * 0x1000
        self.entry = rng.randrange(len(self.sections))
        self.entry_far = rng.randrange(0, 64)
        self.data = self.build()

    def imports(self, rng, address):
        width = 8 if self.wide else 4
        libraries = rng.sample(LIBRARIES, rng.choice([0, 1, 2, 4]))
        listed = []
        for library in libraries:
            functions = []
            for _ in range(rng.choice([1, 2, 5])):
                if rng.random() < 0.3:
                    functions.append(rng.choice([1, 2, 9, 115, 4000]))
                else:
                    functions.append("".join(rng.choice("abcXYZ019_") for _ in range(rng.choice([1, 8, 30]))))
            listed.append((library, functions))
        descriptors = 20 * (len(listed) + 1)
        lists = b""
        names = b""
        lists_at = descriptors
        names_at = lists_at + sum((len(functions) + 1) * width for _, functions in listed)
        table = b""
        for library, functions in listed:
            here = address + lists_at + len(lists)
            for function in functions:
                if isinstance(function, int):
                    thunk = function | 1 << (8 * width - 1)
                    known = KNOWN.get((base_name(library).lower(), function), "ord%d" % function)
                else:
                    thunk, known = address + names_at + len(names), function
                    names += struct.pack("<H", rng.randrange(999)) + function.encode() + b"\0"
                lists += thunk.to_bytes(width, "little")
                self.names.append("%s.%s" % (base_name(library).lower(), known.lower()))
            lists += bytes(width)
            original, first = (here, here) if rng.random() < 0.7 else (0, here)
            table += struct.pack("<IIIII", original, 0, 0, address + names_at + len(names), first)
            names += library.encode() + b"\0"
        table += bytes(20)
        whole = table + lists + names
        return whole, len(table)

    def build(self):
        optional = struct.pack("<HBBIIIII", 0x20b if self.wide else 0x10b, 1, 1, 0x200, 0, 0,
                               self.sections[self.entry][0] + self.entry_far, 0x1000)
        optional += struct.pack("<Q", 0x400000) if self.wide else struct.pack("<II", 0, 0x400000)
        end = self.sections[-1][0] + 0x4000
        optional += struct.pack("<IIHHHHHHIIIIHH", 0x1000, 0x200, 4, 0, 0, 0, 4, 0, 0, end, 0x400, 0, 2, 0)
        optional += (struct.pack("<QQQQ", 1 << 20, 4096, 1 << 20, 4096) if self.wide
                     else struct.pack("<IIII", 1 << 20, 4096, 1 << 20, 4096)) + struct.pack("<II", 0, 16)
        directories = [(0, 0)] * 16
        directories[1] = self.directory
        optional += b"".join(struct.pack("<II", *pair) for pair in directories)
        header = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664 if self.wide else 0x14c, len(self.sections), 0, 0, 0,
                                         len(optional), 0x22 if self.wide else 0x102) + optional
        raw = 0x400
        self.offsets = []
        for number, (address, body) in enumerate(self.sections):
            header += struct.pack("<8sIIIIIIHHI", b".s%d" % number, len(body), address, len(body), raw, 0, 0, 0, 0,
                                  0x60000020)
            self.offsets.append(raw)
            raw += len(body)
        dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
        return align(dos + header, 0x400) + b"".join(body for _, body in self.sections)


def import_tables(book, rng, count):
    for number in range(count):
        name = "Import.%d" % number
        program = Program(rng)
        while not program.names:  # the hash of no functions is none here
            program = Program(rng)
        text = ",".join(program.names).encode()
        algorithm = rng.choice(["md5", "md5", "sha1", "sha256"])
        digest = hashlib.new(algorithm, text).hexdigest()
        kinds = ["imports", algorithm, "PE32+" if program.wide else "PE32",
                 "some" if program.names else "none"]
        book.sign("imports.imp", name, "%s:%s:%s" % (digest, rng.choice(["*", len(text)]), name))
        book.carry(name, program.data, True if program.names else None, kinds)
        other = Program(rng)
        book.carry(name, other.data, None, kinds + ["another"])
        if rng.random() < 0.4:
            carry_in_mail(book, rng, name, program.data, None, kinds)
        cut = program.data[:rng.randrange(0x400, len(program.data))]
        book.carry(name, cut, None, kinds + ["cut"])


def places(book, rng, count):
    """Offsets by entry point and section."""
    for number in range(count):
        name = "Place.%d" % number
        program = Program(rng)
        at = rng.randrange(0x300, len(program.data) - 24)
        while len(set(program.data[at:at + 8])) < 4:  # bytes that are not everywhere
            at = rng.randrange(0x300, len(program.data) - 24)
        section = max(n for n, offset in enumerate(program.offsets + [0]) if offset <= max(at, 0x400))
        section = min(section, len(program.offsets) - 1)
        raw = program.offsets[section]
        entry = program.offsets[program.entry] + program.entry_far
        shift = rng.choice(["", "", ",1", ",40"])
        wrong = rng.choice([0, 0, 0, 1, -1])
        form = rng.choice(["EP", "S", "SL", "SE"])
        if form == "EP":
            far = at - entry + wrong
            offset = "EP%s%d%s" % ("-" if far < 0 else "+", abs(far), shift)
        elif form == "SL":
            offset = "SL+%d%s" % (max(0, at - program.offsets[-1] + wrong), shift)
        elif form == "SE":
            offset = "SE%d" % rng.choice([section, section, section + 1])
        else:
            offset = "S%d+%d%s" % (section, max(0, at - raw + wrong), shift)
        size = rng.choice([8, 12])
        text = program.data[at:at + size].hex()
        # Plain bytes behind SE are found by Cordon alone.
        gap = form == "SE" or rng.random() < 0.4
        pattern = "%s{0-3}%s" % (text[:8], text[8:]) if gap else text
        pattern = pattern.replace("{0-3}", "{-3}")
        kinds = ["place", form, "gap" if gap else "literal", "PE32+" if program.wide else "PE32"]
        book.sign("places.ndb", name, "%s:1:%s:%s" % (name, offset, pattern))
        book.carry(name, program.data, None, kinds)
        moved = program.data[:at] + bytes(size) + program.data[at + size:]
        book.carry(name, moved, None, kinds + ["gone"])
