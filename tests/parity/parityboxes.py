# SPDX-License-Identifier: BSD-3-Clause
"""Files of gzip and tars that are wrong in one to three ways: in each some reader goes on where another stops.
RFC 1952; POSIX.1-2017, pax; GNU tar's manual, "Basic Tar Format"."""
import random
import struct
import zlib

from parityzips import MARKS, deflated, noise


def wrapped(letter, chance):
    blur = bytes(chance.choice(b"abcdefgh \n") for _ in range(chance.choice((0, 3, 100, 3000))))
    return blur + MARKS[letter] + b" the end\n" + blur[::-1]


class Box:
    """wrongs: what was done to it; data: its bytes."""
    WAYS, SUFFIX = [], ""

    def __init__(self, seed):
        chance = self.chance = random.Random(seed)
        self.members = [self.member(letter) for letter in "ABC"[:chance.choice((1, 1, 2, 2, 3))]]
        self.start = self.tail = b""
        self.cut = 0
        self.wrongs = []
        self.prepare()
        for _ in range(chance.choice((1, 1, 2, 2, 3))):
            way = chance.choice(self.WAYS)
            self.wrongs.append(way.__name__)
            way(self, chance.choice(self.members), chance)
        data = self.start + self.body() + self.tail
        self.data = self.whole(data[:len(data) - self.cut])

    @staticmethod
    def whole(data):
        return data

    def may_hold(self, _):
        return True

    def prepare(self):
        pass


def wrong_start(box, _, chance):
    box.start = chance.choice((noise(chance), b"MZ" + noise(chance), bytes(512), b"\n", b"%PDF-1.4\n", bytes(3), b"\xef\xbb\xbf"))


def wrong_tail(box, _, chance):
    box.tail = chance.choice((noise(chance), bytes(chance.choice((1, 8, 512, 9000))), b"\n", b"\x1f\x8b", b"\x1f\x8b\x08", b"BZh9"))


def wrong_cut(box, _, chance):
    box.cut = chance.choice((1, 2, 4, 7, 8, 9, 12, 20, 511, 512, 1000))


def wrong_between(_, member, chance):
    member["behind"] += chance.choice((noise(chance), bytes(chance.choice((1, 4, 512, 1024, 5000))), b"\n", b"\x1f", b"\x1f\x8b\x08"))


# ---- gzip --------------------------------------------------------------------------------------


class Gzip(Box):
    SUFFIX = ".gz"

    def member(self, letter):
        data = wrapped(letter, self.chance)
        return {"data": data, "packed": deflated(data, self.chance), "magic": b"\x1f\x8b\x08", "flags": 0, "head": b"",
                "crc": zlib.crc32(data), "size": len(data), "behind": b"", "end": 8}

    def may_hold(self, data):
        """Half a stream is another file for every reader: only whole ones are compared."""
        each = [m["data"] for m in self.members]
        return any(data == b"".join(each[i:j]) for j in range(len(each) + 1) for i in range(j))

    def body(self):
        return b"".join(m["magic"] + bytes((m["flags"],)) + b"\0\0\0\0\0\3" + m["head"] + m["packed"]
                        + struct.pack("<II", m["crc"], m["size"])[:m["end"]] + m["behind"] for m in self.members)


def gzip_magic(_, member, chance):
    member["magic"] = chance.choice((b"\x1f\x8b\x07", b"\x1f\x8b\0", b"\x1f\x9e\x08", b"\x1f\x8b\x88", b"\x1e\x8b\x08"))


def gzip_flags(_, member, chance):
    member["flags"] |= chance.choice((0x20, 0x40, 0x80, 0xe0, 1, 2, 4, 8, 16, 0xff))


def gzip_header(_, member, chance):
    part = noise(chance, chance.choice((1, 7, 300))).replace(b"\0", b"x")
    flag, value = chance.choice((
        (1, b""), (2, noise(chance, 2)), (4, struct.pack("<H", chance.choice((0, 5, 3000))) + noise(chance, chance.choice((0, 5, 3000)))),
        (8, part * chance.choice((1, 50)) + b"\0"), (16, part + b"\0"), (24, b"a\0b\0"), (8, b"\0"), (12, b"\4\0ab\2\0n.js\0"),
        (0x20, b"\1\0"), (0x20, b""), (0x22, b"\1\0\2\0"), (2, b"\0\0")))
    member["flags"] |= flag
    member["head"] += value


def gzip_trailer(_, member, chance):
    field = chance.choice(("crc", "size", "end"))
    member[field] = chance.choice((0, 4, 7)) if field == "end" else member[field] ^ chance.choice((1, 0x80000000, 0xffff))


def gzip_packed(_, member, chance):
    data = member["data"]
    member["packed"] = chance.choice((
        zlib.compress(data), data, b"\0" + struct.pack("<HH", len(data), len(data) ^ 0xffff) + data + b"\1\0\0\xff\xff",
        b"\1" + struct.pack("<HH", len(data), 0) + data, member["packed"][:-1], member["packed"] + noise(chance),
        member["packed"][:-chance.choice((2, 5, 20))], deflated(b"", chance) + member["packed"],
        b"\0\0\0\xff\xff" * chance.choice((1, 400)) + member["packed"]))


def gzip_empty(box, _, chance):
    empty = {**box.member("A"), "data": b"", "packed": b"\3\0", "crc": 0, "size": 0}
    box.members.insert(chance.choice((0, len(box.members))), empty)


Gzip.WAYS = [wrong_start, wrong_tail, wrong_cut, wrong_between, gzip_magic, gzip_flags, gzip_header, gzip_header, gzip_trailer,
             gzip_packed, gzip_empty]


# ---- tar ---------------------------------------------------------------------------------------

MAGICS = (b"ustar\00000", b"ustar  \0", bytes(8), b"ustar\0\0\0", b"ustar 00", b"ustar\0  ")


def octal(value, digits):
    return b"%0*o\0" % (digits, value)


class Tar(Box):
    SUFFIX = ".tar"

    def member(self, letter):
        return {"data": wrapped(letter, self.chance), "name": b"f%s.%s" % (letter.encode(), self.chance.choice((b"txt", b"exe"))),
                "type": b"0", "magic": MAGICS[0], "prefix": b"", "before": b"", "behind": b"", "link": b"", "sum off": 0}

    @staticmethod
    def whole(data):
        """GNU tar leaves the last block out that is cut: a file that goes on to the end is shorter than for the others."""
        return data[:len(data) // 512 * 512]

    def prepare(self):
        magic = self.chance.choice(MAGICS[:3])
        self.end = bytes(1024)
        for member in self.members:
            member["magic"] = magic

    @staticmethod
    def header(m, data):
        size = m.get("size field", octal(m.get("size", len(data)), 11))
        block = bytearray(m["name"][:100].ljust(100, b"\0") + m.get("mode", octal(0o644, 7)) + octal(0, 7) * 2
                          + size[:12].ljust(12, b"\0") + m.get("time", octal(0, 11)) + b" " * 8 + m["type"]
                          + m["link"][:100].ljust(100, b"\0") + m["magic"] + bytes(64) + octal(0, 7) * 2
                          + m["prefix"][:155].ljust(155, b"\0"))
        block = block.ljust(512, b"\0")
        if "at 345" in m:
            block[345:345 + len(m["at 345"])] = m["at 345"]
        total = sum(block) if not m.get("is signed") else sum(b - 256 if b > 127 else b for b in block)
        block[148:156] = m.get("sum", (b"%06o\0 " % ((total + m["sum off"]) & 0o777777)))[:8].ljust(8, b"\0")
        return bytes(block)

    @classmethod
    def one(cls, m):
        data = m["data"]
        return m["before"] + cls.header(m, data) + m.get("map", b"") + data + bytes(-len(data) % 512) * (not m.get("is tight")) + m["behind"]

    def body(self):
        return b"".join(self.one(m) for m in self.members) + self.end

    def extra(self, kind, data, **fields):
        return self.one({**self.member("A"), "type": kind, "data": data, "name": b"././@LongLink", "magic": self.members[0]["magic"],
                         **fields})


def pax(key, value):
    n = len(key) + len(value) + 3
    n += len(str(n))
    n = n + 1 if len(str(n)) + len(key) + len(value) + 3 != n else n
    return b"%d %s=%s\n" % (n, key, value)


def tar_sum(_, member, chance):
    key, value = chance.choice((("sum off", chance.choice((1, -1, 256))), ("sum", chance.choice((
        bytes(8), b" " * 8, b"0000000\0", b"9999999\0", b"\x80" + noise(chance, 7)))), ("is signed", True)))
    member[key] = value
    if chance.random() < .5:
        member["mode"] = b"\xe4\xe4\xe4 644\0"


def tar_sum_form(_, member, chance):
    total = sum(Tar.header({**member, "sum": b" " * 8}, member["data"]))
    member["sum"] = chance.choice((b"%7o\0" % total, b"%o\0" % total, b"%08o" % total, b" %o " % total, b"\0%06o\0" % total,
                                   b"\x80\0\0\0" + struct.pack(">I", total), b"%06o\0\0" % total, b"0x%x" % total, b"%ox" % total,
                                   b"\t%o" % total, b"+%o" % total, b"-%o" % total, b"%o " % total))


def tar_magic(box, member, chance):
    for each in chance.choice(([member], box.members)):
        each["magic"] = chance.choice(MAGICS + (noise(chance, 8), b"USTAR\00000"))


def tar_type(_, member, chance):
    member["type"] = chance.choice((b"\0", b"1", b"2", b"3", b"5", b"6", b"7", b"A", b"D", b"M", b"N", b"S", b"V", b"K", b"L", b"x",
                                    b"g", b"X", b"a", b" ", b"\n", b"9", b"I", b"E", b"\xff"))
    if chance.random() < .4:
        member["link"] = chance.choice((b"fA.txt", b"/etc/x", member["name"]))


def tar_size(_, member, chance):
    n = len(member["data"])
    member["size field"] = chance.choice((
        b"\x80" + n.to_bytes(11, "big"), b"%o" % n, b"%11o " % n, b"%o\0" % n, b"%012o" % n, b" %o " % n, b"\0%011o" % n,
        b"-%o" % n, b"%do" % n, bytes(12), b"\xff" * 12, b"\xff" + (-n & (1 << 88) - 1).to_bytes(11, "big"), b"\x80" + bytes(4) + b"\x7f" * 7,
        octal(n + 512, 11), octal(n + 1, 11), octal(max(0, n - 5), 11), octal(0, 11), octal(7 * n + 512, 11), b"77777777777\0",
        b"%o 7" % n, b"%ox7" % n, b"+%o" % n, b"\t%o\0" % n, b"\x80" + b"\1" + n.to_bytes(10, "big"), b"\xc0" + n.to_bytes(11, "big"),
        b"0x%x\0" % n, b"9%o\0" % n, b"%o8\0" % n))


def tar_name(_, member, chance):
    member["name"] = chance.choice((b"", b"d/", b"../x", b"/x", b".", b"x" * 100, b"a\0b", b"\xff\xfe", b"//", b"d//", b"\0"))


def tar_prefix(_, member, chance):
    member["prefix"] = chance.choice((b"p", b"p/", b"x" * 155, b"d/\0x"))
    if chance.random() < .4:
        member["at 345"] = noise(chance, chance.choice((1, 40, 167)))


def tar_long_name(box, member, chance):
    name = chance.choice((b"long/" * 30 + b"n.exe", b"d/", b"", b"x" * 5000, b"a\0b", b"long/" * 30))
    member["before"] += box.extra(chance.choice((b"L", b"L", b"K")), name + b"\0" * chance.choice((0, 1)), **chance.choice((
        {}, {}, {"size": chance.choice((0, 1, 513, 2000))}, {"sum off": 1})))


def tar_pax(box, member, chance):
    n = len(member["data"])
    records = b""
    for _ in range(chance.choice((1, 1, 2))):
        key, value = chance.choice((
            (b"size", b"%d" % chance.choice((0, n, n + 1, n - 1, n // 2, n + 512, 10 ** 12))), (b"path", chance.choice((
                b"d/", b"n.exe", b"", b"x" * 3000, b"a\0b"))), (b"GNU.sparse.major", b"1"), (b"GNU.sparse.name", b"s.txt"),
            (b"GNU.sparse.map", b"0,%d" % n), (b"GNU.sparse.size", b"%d" % n), (b"SCHILY.realsize", b"%d" % n), (b"linkpath", b"x"),
            (b"comment", b"x" * chance.choice((3, 600))), (b"hdrcharset", b"BINARY"), (b"SCHILY.filetype", b"dir"), (b"size", b"-1"),
            (b"size", b"0%d" % n), (b"size", b" %d" % n), (b"size", b"%dx" % n), (b"size", b""), (b"SUN.holesdata", b" 0 %d" % n),
            (b"LIBARCHIVE.creationtime", b"1"), (b"GNU.volume.filename", b"x")))
        records += pax(key, value)
    records = chance.choice((records, records, records, b"5 x\n" + records, b"\n" + records, b"9999 size=0\n", records[:-1],
                             records.replace(b"\n", b""), b"0" + records, records + b"junk", b"3 \n" + records))
    if chance.random() < .2:  # the contents are announced by the record alone
        records, member["size"] = pax(b"size", b"%d" % n), chance.choice((0, 1, n + 600))
    member["before"] += box.extra(chance.choice((b"x", b"x", b"x", b"g", b"X")), records)


def tar_sparse(_, member, chance):
    n = len(member["data"])
    member["type"] = b"S"
    parts = chance.choice(([(0, n)], [(512, n)], [(0, 10), (2000, n - 10)], [(0, 0)], [(0, n), (n + 5, 0)], []))
    field = b"".join(octal(a, 11) + octal(b, 11) for a, b in parts).ljust(96, b"\0")
    member["at 345"] = bytes(41) + field + chance.choice((b"\0", b"\1")) + octal(sum(b for _, b in parts), 11)
    if chance.random() < .3:
        member["map"] = bytes(512)


def tar_end(box, _, chance):
    box.end = chance.choice((b"", bytes(512), bytes(10240), bytes(100)))


def tar_zeros(_, member, chance):
    member[chance.choice(("before", "behind"))] += bytes(512 * chance.choice((1, 1, 2, 3, 20)))


def tar_tight(_, member, __):
    member["is tight"] = True


def tar_again(box, member, chance):
    end, box.end = box.end, b""
    inner = Tar(chance.getrandbits(30)) if chance.random() < .2 else box
    box.tail += chance.choice((bytes(1024), bytes(10240), b"", bytes(512))) + inner.one(member) + end


Tar.WAYS = [wrong_start, wrong_tail, wrong_cut, wrong_between, tar_sum, tar_sum_form, tar_magic, tar_type, tar_type, tar_size, tar_size,
            tar_name, tar_prefix, tar_long_name, tar_pax, tar_pax, tar_sparse, tar_end, tar_zeros, tar_tight, tar_again]
KINDS = {"gzip": Gzip, "tar": Tar}

