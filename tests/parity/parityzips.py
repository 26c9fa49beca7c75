# SPDX-License-Identifier: BSD-3-Clause
"""Zips that are wrong in one to three ways: where what stands before a member, the directory and the archive's end
contradict each other, readers differ in what they take out. APPNOTE 6.3.10."""
import bz2
import io
import random
import struct
import zipfile
import zlib

MARKS = {letter: b"Zip-Mark-%s-%s" % (letter.encode(), word)
         for letter, word in (("A", b"q7Zk2Xv9Lw4"), ("B", b"3hRf6Yp0Dn5"), ("C", b"e8Wc1Ko7Vx4"))}
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
EMPTY = END + bytes(18)
ONES = 0xffffffff
NAMES = (b"d/", b"d\\", b"", b".", b"a\0b", b"../x", b"x" * 300)


def deflated(data, chance):
    packer = zlib.compressobj(chance.choice((1, 6, 9)), zlib.DEFLATED, -15, 9,
                              chance.choice((zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED)))
    return packer.compress(data) + packer.flush()


def lzma_packed(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", data)
        packed = archive.infolist()[0].compress_size
    return out.getvalue()[31:31 + packed]


def small_zip(data=b"nothing"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in.txt", data)
    return out.getvalue()


class Member:
    def __init__(self, letter, chance):
        noise = bytes(chance.choice(b"abcdefgh \n") for _ in range(chance.choice((0, 3, 100, 3000))))
        self.data = noise + MARKS[letter] + b" the end\n" + noise[::-1]
        self.name = b"f%s.%s" % (letter.encode(), chance.choice((b"txt", b"exe", b"doc")))
        self.method = chance.choice((8, 8, 8, 8, 0, 12, 14, 14))
        self.flags = 2 if self.method == 14 else 0
        self.packed = {0: lambda d: d, 8: lambda d: deflated(d, chance), 12: bz2.compress,
                       14: lzma_packed}[self.method](self.data)
        self.crc = zlib.crc32(self.data)
        self.local, self.central = {}, {}  # fields that say something else there
        self.local_extra = self.central_extra = self.comment = self.before = self.behind = b""
        self.signature, self.central_signature = LOCAL, CENTRAL
        self.descriptor = None  # (whether it has a signature, the form of its sizes)
        self.is_listed, self.shift = True, 0

    def fields(self, other, crc, packed, size, flags):
        get = other.get
        name = get("name", self.name)
        return struct.pack("<HHHHIIIHH", get("flags", flags), get("method", self.method), 0, 0x5821, get("crc", crc) & ONES,
                           get("packed", packed) & ONES, get("size", size) & ONES, get("name bytes", len(name)),
                           get("extra bytes", len(self.local_extra if other is self.local else self.central_extra))), name

    def local_record(self):
        flags = self.flags | (8 if self.descriptor else 0)
        known = (0, 0, 0) if self.descriptor else (self.crc, len(self.packed), len(self.data))
        fields, name = self.fields(self.local, *known, flags)
        out = self.signature + struct.pack("<H", 20) + fields + name + self.local_extra + self.packed
        if self.descriptor:
            has_signature, form = self.descriptor
            out += b"PK\7\10" * has_signature + struct.pack(form, self.crc, len(self.packed), len(self.data))
        return out

    def central_record(self, at):
        flags = self.flags | (8 if self.descriptor else 0)
        fields, name = self.fields(self.central, self.crc, len(self.packed), len(self.data), flags)
        get = self.central.get
        return (self.central_signature + struct.pack("<HH", get("made", 20), 20) + fields
                + struct.pack("<HHHII", get("comment bytes", len(self.comment)), get("disk", 0), 0,
                              get("attributes", 0), at & ONES) + name + self.central_extra + self.comment)


class Zip:
    def __init__(self, seed):
        chance = self.chance = random.Random(seed)
        self.members = [Member(letter, chance) for letter in "ABC"[:chance.choice((1, 1, 2, 2, 3))]]
        self.start = self.gap = self.comment = self.tail = b""
        self.is_counted_from_start, self.has_end, self.cut = True, True, 0
        self.again, self.end = [], {}
        self.wrongs = []
        for _ in range(chance.choice((1, 1, 2, 2, 3))):
            member, (name, wrong) = chance.choice(self.members), chance.choice(WRONGS)
            self.wrongs.append(name)
            wrong(self, member, chance)
        self.data = self.build()

    def build(self):
        base = 0 if self.is_counted_from_start else len(self.start)
        out, places = bytearray(self.start), {}
        for member in self.members:
            out += member.before
            places[member] = len(out) - base
            out += member.local_record() + member.behind
        out += self.gap
        place = len(out) - base
        listed = [m for m in self.members if m.is_listed] + self.again
        directory = b"".join(m.central_record(places[m] + m.shift) for m in listed)
        out += directory
        get = self.end.get
        if self.has_end:
            out += get("signature", END) + struct.pack(
                "<HHHHIIH", get("disk", 0), get("disk", 0), get("here", len(listed)) & 0xffff, get("all", len(listed)) & 0xffff,
                get("bytes", len(directory)) & ONES, get("place", place) + get("off by", 0) & ONES,
                get("comment bytes", len(self.comment))) + self.comment
        out += self.tail
        return bytes(out[:len(out) - self.cut])


def noise(chance, n=None):
    return bytes(chance.getrandbits(8) for _ in range(n or chance.choice((1, 2, 4, 30, 200, 5000))))


def wrong_size(member, chance):
    """(field, value) that is not so."""
    field = chance.choice(("packed", "size", "crc"))
    true = {"packed": len(member.packed), "size": len(member.data), "crc": member.crc}[field]
    return field, chance.choice((0, true + 1, true - 1, true // 2, true * 2, ONES, 1, true + 100))


WRONGS = []


def wrong(function):
    WRONGS.append((function.__name__, function))
    return function


@wrong
def one_side(_, member, chance):
    """A field in front of the member, or in the directory."""
    side = chance.choice((member.local, member.central))
    field, value = chance.choice((
        ("name", chance.choice(NAMES)), ("method", chance.choice((0, 8, 9, 12, 14, 99, 1, 255))),
        ("flags", member.flags ^ chance.choice((1, 8, 0x40, 0x800, 0x2000, 0x20))), wrong_size(member, chance),
        ("name bytes", chance.choice((0, 1, 3, 50, 65535))), ("extra bytes", chance.choice((0, 1, 5, 100, 65535)))))
    side[field] = value


@wrong
def both_sizes(_, member, chance):
    field, value = wrong_size(member, chance)
    member.local[field] = member.central[field] = value


@wrong
def no_sizes(_, member, __):
    member.local.update(packed=0, size=0, crc=0)


@wrong
def extra(_, member, chance):
    sizes = [chance.choice((1, len(d))) for d in (member.data, member.packed)]
    value = chance.choice((noise(chance, 4), b"\1\0\x10\0" + struct.pack("<QQ", *sizes), b"\1\x99\7\0\2\0AE\3\x08\0",
                           b"up\x09\0\1" + struct.pack("<I", zlib.crc32(member.name)) + b"n.js"))
    if chance.random() < .5:
        member.local_extra = value
    else:
        member.central_extra = value
    if chance.random() < .5:
        for side in (member.local, member.central):
            side.update(packed=ONES, size=ONES)


@wrong
def descriptor(_, member, chance):
    member.descriptor = (chance.random() < .5, chance.choice(("<III", "<IQQ")))


@wrong
def name(_, member, chance):
    member.name = chance.choice(NAMES)


@wrong
def attributes(_, member, chance):
    member.central.update(attributes=chance.choice((0x10, 0o040755 << 16, 0o120777 << 16, 8)), made=chance.choice((20, 0x31e)))


@wrong
def not_listed(_, member, __):
    member.is_listed = False


@wrong
def signature(archive, member, chance):
    value = chance.choice((b"PK\3\5", bytes(4), b"PK\0\0", b"PK00PK\3\4", b"pk\3\4", b"PK\3\0"))
    if chance.random() < .5:
        for each in archive.members if chance.random() < .5 else [member]:
            each.signature = value
    else:
        member.central_signature = value[:4]


@wrong
def place(_, member, chance):
    member.shift = chance.choice((1, -1, 2, -4, 4, 30, -100, 100000))


@wrong
def between(archive, member, chance):
    where = chance.choice((member, archive))
    setattr(where, chance.choice(("before", "behind")) if where is member else "gap", noise(chance))


@wrong
def packed_tail(_, member, chance):
    member.packed += noise(chance)


@wrong
def packed_cut(_, member, chance):
    member.packed = member.packed[:max(1, len(member.packed) - chance.choice((1, 2, 8)))]


@wrong
def packed_otherwise(_, member, chance):
    member.method, member.flags = 8, 0
    member.packed = chance.choice((deflated(b"hello", chance) + deflated(member.data, chance), zlib.compress(member.data),
                                   b"\0" + struct.pack("<HH", 60000, 5535) + b"some"))


@wrong
def start(archive, _, chance):
    archive.start = chance.choice((noise(chance), noise(chance, 100) * 700, b"MZ" + noise(chance), b"PK\7\10", b"PK00",
                                   b"%PDF-1.4\n" + noise(chance), b"\x89PNG\r\n\x1a\n" + noise(chance), EMPTY, small_zip()))
    archive.is_counted_from_start = chance.random() < .6


@wrong
def tail(archive, _, chance):
    archive.tail = chance.choice((noise(chance), EMPTY, bytes(70000), b"\n", END + noise(chance, 18), END + b"\0\0", small_zip()))


@wrong
def comment(archive, member, chance):
    value = chance.choice((noise(chance), EMPTY, END + noise(chance, 18), b"hi PK\5\6 there", small_zip(member.data)))
    setattr(chance.choice((archive, member)), "comment", value)


@wrong
def end(archive, _, chance):
    n = len(archive.members)
    archive.end.update([chance.choice((
        ("signature", chance.choice((b"PK\5\7", bytes(4)))), ("disk", chance.choice((1, 65535))),
        ("here", chance.choice((0, n + 1, 65535))), ("all", chance.choice((0, n + 1, n - 1, 65535))),
        ("bytes", chance.choice((0, 1, 46, 100000, ONES))), ("place", chance.choice((0, ONES))),
        ("off by", chance.choice((1, -1, 4, -4, 100, -30, 50000))), ("comment bytes", chance.choice((1, 5, 200, 65535)))))])


@wrong
def no_end(archive, _, __):
    archive.has_end = False


@wrong
def cut(archive, _, chance):
    archive.cut = chance.choice((1, 2, 10, 22, 23, 60))


@wrong
def listed_again(archive, member, chance):
    archive.again.append(member)
    if chance.random() < .5:
        for each in archive.members:
            each.name = b"same.txt"


@wrong
def covered(_, member, chance):
    """All of it is the contents of a stored one; the directory may tell of either."""
    fields, name_there = member.fields(member.local, member.crc, len(member.packed), len(member.data), member.flags)
    true = {"method": member.method, "packed": len(member.packed), "size": len(member.data), "crc": member.crc}
    member.data = member.packed = LOCAL + struct.pack("<H", 20) + fields + name_there + member.packed
    member.method, member.crc, member.local_extra = 0, zlib.crc32(member.data), b""
    if chance.random() < .5:
        member.shift = 30 + len(member.name)
        member.central.update(true)
