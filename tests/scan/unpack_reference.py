#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes archives, and says what Python's own modules unpack from them.

  unpack_reference.py FOLDER

Writes archives into FOLDER. Prints for each, tab separated, "F PATH VERDICT REASON", then for each
member, those of archives inside archives after theirs, "M PARENT NAME-IN-HEX BYTES SHA-256". A line "-"
for the members says that they are not compared.
"""
import base64
import binascii
import bz2
import gzip
import hashlib
import io
import os
import random
import struct
import sys
import tarfile
import zipfile
import zlib

STAMP = (2020, 1, 1, 0, 0, 0)
rng = random.Random(4)
noise = bytes(rng.getrandbits(8) for _ in range(30000))
text = b"".join(b"line %d of some text that repeats itself\r\n" % i for i in range(2000))


class OneWay(io.RawIOBase):
    """A file that cannot seek: Python then writes data descriptors."""

    def __init__(self):
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += data
        return len(data)


def make_zip(entries, method=zipfile.ZIP_DEFLATED, one_way=False, zip64=False, comment=b""):
    out = OneWay() if one_way else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, data in entries:
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type = method
            if zip64:
                with archive.open(info, "w", force_zip64=True) as member:
                    member.write(data)
            else:
                archive.writestr(info, data)
    return bytes(out.bytes if one_way else out.getvalue())


def uuencoded(name, data):
    return b"begin 644 " + name.encode() + b"\n" + b"".join(
        binascii.b2a_uu(data[at:at + 45]) for at in range(0, len(data), 45)) + b"`\nend\n"


def make_fat(slices, wide=False, moved=0):
    """A universal binary; moved: so many bytes before the end of the first the second is said to begin."""
    head = b"\xca\xfe\xba" + (b"\xbf" if wide else b"\xbe") + struct.pack(">I", len(slices))
    at = 4096
    body = b""
    for number, (cpu, data) in enumerate(slices):
        place = at + len(body) - (moved if number == 1 else 0)
        head += struct.pack(">IIQQII" if wide else ">IIIII", *(
            [cpu, 3, place, len(data), 12] + ([0] if wide else [])))
        body += data + bytes(-len(data) % 4096)
    return head + bytes(at - len(head)) + body


def make_tar(entries, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


TNEF = struct.pack("<IH", 0x223E9F78, 1)


def attribute(level, ident, data):
    return struct.pack("<BII", level, ident, len(data)) + data + struct.pack("<H", sum(data) % 65536)


def make_tnef(entries, title_last):
    out = TNEF + attribute(1, 0x00089006, struct.pack("<I", 0x10000))
    for name, data in entries:
        parts = [attribute(2, 0x00018010, name.encode() + b"\0"), attribute(2, 0x0006800F, data)]
        out += attribute(2, 0x00069002, bytes(14)) + b"".join(
            reversed(parts) if title_last else parts)
    return out


def make_tnef_odd(kind, data):
    """A rendering, no version, and the data as this kind of attribute."""
    out = TNEF + attribute(2, 0x00069002, bytes(14)) + attribute(2, 0x00018010, b"odd\0")
    if kind == "split":
        return out + attribute(2, 0x0006800F, data[:50]) + attribute(2, 0x0006800F, data[50:])
    return out + attribute(2, 0x0000800F if kind == "type" else 0x00069005, data)


def make_property(tag, *values, name=b""):
    """Of a fixed type its bytes; of another each value with its length, and filled up."""
    out = struct.pack("<I", tag) + name
    if tag & 0xFFF in (0x0D, 0x1E, 0x1F, 0x102):
        out += struct.pack("<I", len(values))
        return out + b"".join(struct.pack("<I", len(v)) + v + bytes(-len(v) % 4) for v in values)
    return out + (struct.pack("<I", len(values)) if tag & 0x1000 else b"") + b"".join(values)


NAMED = bytes(range(16)) + struct.pack("<II", 1, 6) + b"abcdef\0\0"
NUMBERED = bytes(range(16)) + struct.pack("<II", 0, 99)
BEFORE = [make_property(0x37050003, bytes(4)), make_property(0x80010005, bytes(8), name=NAMED),
          make_property(0x8002101E, b"one\0", b"", b"three", name=NUMBERED),
          make_property(0x12341003, bytes(4), bytes(4)), make_property(0x37020102, b"x" * 30),
          make_property(0x00480048, bytes(16))]


def make_tnef_properties(tag, file, before=b""):
    """Properties of every form, the file itself, and more; and the members that it makes."""
    head = struct.pack("<I", len(BEFORE) + 2) + b"".join(BEFORE)
    whole = make_property(tag, before + file)
    after = whole[12 + len(before) + len(file):] + make_property(0x0E210003, b"last")
    blob = head + whole[:12] + before + file + after
    return make_tnef_odd("property", blob), [
        (0, "odd", head + whole[:12] + before), (0, "odd", file), (0, "odd", after)]


def direct_members(data):
    """(name, bytes) of each member; None where data is no archive."""
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]
    if data[:3] == b"\x1f\x8b\x08":
        end = data.index(b"\0", 10) if data[3] & 8 else 10
        return [(data[10:end].decode("latin-1"), gzip.decompress(data))]
    if data[:3] == b"BZh":
        return [("", bz2.decompress(data))]
    if data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]
    return None


def members(data, parent, out):
    for name, inner in direct_members(data) or []:
        out.append((parent, name, inner))
        members(inner, len(out), out)
    return out


small = [("a.txt", b"TEST"), ("empty", b""), ("folder/", b""), ("folder/b.bin", noise),
         ("\u00fcml\u00e4ut-\u20ac.txt", text)]
plain = make_zip(small)
winmail = make_tnef([("in.bin", noise)], False)
inner = [("plain.zip", plain), ("x.gz", gzip.compress(text, mtime=0)),
         ("tricky", b"PPPKPK\3\4PK\7\10" * 40 + b"PK\1\2")]
tars = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
tar_entries = [("one", b"1"), ("folder", None), ("d" * 80 + "/" + "n" * 90, noise), ("none", b""),
               ("block", b"b" * 512), ("in.zip", plain)]

good = {
    "deflate.zip": plain,
    "stored.zip": make_zip(small, zipfile.ZIP_STORED),
    "bzip2.zip": make_zip(small, zipfile.ZIP_BZIP2),
    "descriptor.zip": make_zip(small, one_way=True),
    "descriptor-stored.zip": make_zip(small + inner, zipfile.ZIP_STORED, one_way=True),
    "descriptor-zip64.zip": make_zip(small + inner, zipfile.ZIP_STORED, True, True),
    "zip64.zip": make_zip(small, zip64=True),
    "zip64-stored.zip": make_zip(small, zipfile.ZIP_STORED, zip64=True),
    "nested.zip": make_zip(inner),
    "nested-stored.zip": make_zip(inner, zipfile.ZIP_STORED),
    "comment.zip": make_zip(small, comment=b"a comment of the archive"),
    "word.docx": make_zip([("[Content_Types].xml", text), ("word/document.xml", text * 3)]),
    "members.gz": gzip.compress(text, mtime=0) + gzip.compress(noise, mtime=0) + bytes(64),
    "members.bz2": bz2.compress(text) + bz2.compress(noise),
    "empty.gz": gzip.compress(b"", mtime=0),
}
with_name = io.BytesIO()
with gzip.GzipFile("a-name.txt", "wb", fileobj=with_name, mtime=0) as packed:
    packed.write(text)
good["name.gz"] = with_name.getvalue()
for form, code in tars.items():
    tar = make_tar(tar_entries, code)
    good[form + ".tar"] = tar
    good[form + ".tar.gz"] = gzip.compress(tar, mtime=0)
    good[form + ".tar.bz2"] = bz2.compress(tar)
    good[form + "-tar.zip"] = make_zip([("t.tar", tar), ("t.tgz", gzip.compress(tar, mtime=0))])


def pax_header(*records, kind=b"x"):
    """One in front of a member, or of all (g); each record with its length, which counts itself."""
    data = b""
    for record in records:
        rest = b" " + record + b"\n"
        data += next(b"%d" % n + rest for n in range(len(rest), len(rest) + 9) if len(b"%d" % n + rest) == n)
    info = tarfile.TarInfo("p")
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def damaged_sum(tar, at):
    return tar[:at + 148] + b"000001\0 " + tar[at + 156:]


def with_field(tar, at, value):
    """Of the first header, whose sum is right again."""
    block = bytearray(tar[:512])
    block[at:at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + tar[512:]


def unnamed(tar):
    """Without the name in the header: it must not be missed."""
    total = sum(tar[:148]) + 8 * 32 + sum(tar[156:512]) - sum(tar[:100])
    return bytes(100) + tar[100:148] + b"%06o\0 " % total + tar[156:]


def directory_at(data):
    return struct.unpack("<I", data[-6:-2])[0]


def patched(data, at, value):
    return data[:at] + value + data[at + len(value):]


def deep(levels):
    data = b"at the bottom"
    for level in range(levels):
        data = make_zip([("%d" % level, data)])
    return data


one = make_zip([("a.txt", text)])
central = directory_at(one)
two = make_zip([("b.txt", noise)])
hidden = one[:central] + two[:directory_at(two)] + one[central:-6] + struct.pack(
    "<IH", central + directory_at(two), 0)
encrypted = patched(patched(one, 6, b"\1\0"), central + 8, b"\1\0")
comment = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, 0, 0, 60000, 0)
zeros = bytes(40 << 20)
letter = (b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
          b"--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/zip; name=a.zip\r\n"
          b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(plain) + b"\r\n--b--\r\n")
later = make_zip([("a.txt", text), ("b.bin", noise)], one_way=True)
stored = make_zip([("a.txt", text)], zipfile.ZIP_STORED)
packed_text = gzip.compress(text, mtime=0)
short_tar = make_tar([("a", b"short")], tarfile.USTAR_FORMAT)

# name: (bytes, verdict, reason, members or None where they are not compared)
odd = {
    "self-extracting.exe": (b"MZ" + bytes(700) + noise + plain, "clean", "", members(plain, 0, [])),
    "junk-first.zip": (b"junk" + plain, "clean", "", members(plain, 0, [])),
    "after-gzip.gz": (gzip.compress(text, mtime=0) + plain, "clean", "",
                      [(0, "", text)] + members(plain, 0, [])),
    "directory-name.zip": (patched(one, central + 46, b"b"), "suspect", "ambiguous-archive", None),
    "directory-size.zip": (patched(one, central + 20, b"\1"), "suspect", "ambiguous-archive", None),
    "directory-place.zip": (patched(one, central + 42, b"\1"), "suspect", "ambiguous-archive", None),
    "directory-method.zip": (patched(one, central + 10, b"\0"), "suspect", "ambiguous-archive", None),
    "local-size.zip": (patched(one, 22, b"\1\2\3"), "suspect", "ambiguous-archive", None),
    "not-listed.zip": (hidden, "suspect", "ambiguous-archive",
                       [(0, "a.txt", text), (0, "b.txt", noise)]),
    "two-directories.zip": (one + two, "suspect", "ambiguous-archive",
                            [(0, "a.txt", text), (0, "b.txt", noise)]),
    "no-end.zip": (one[:-10], "clean", "", [(0, "a.txt", text)]),
    "end-in-a-name.zip": (one[:central] + comment + one[central:], "suspect", "ambiguous-archive",
                          None),
    "swallowed-end.zip": (one[:-22] + comment + one[-22:], "suspect", "ambiguous-archive", None),
    "encrypted.zip": (encrypted, "suspect", "encrypted-archive", [(0, "a.txt", b"")]),
    "encrypted.tar.gz": (gzip.compress(make_tar([("e.zip", encrypted)], tarfile.GNU_FORMAT)),
                         "suspect", "encrypted-archive", None),
    "lzma.zip": (make_zip([e for e in small if e[1]], zipfile.ZIP_LZMA), "clean", "", None),
    "fat": (make_fat([(7, text), (0x1000007, plain), (99, noise)]), "clean", "",
            [(0, "i386", text), (0, "x86_64", plain)] + members(plain, 2, []) + members(plain, 0, []) +
            [(0, "", noise)]),
    "fat-wide": (make_fat([(12, noise)], True), "clean", "", [(0, "arm", noise)]),
    "fat-cut": (make_fat([(12, text), (7, noise)])[:-9000], "clean", "", [
        (0, "arm", text), (0, "i386", make_fat([(12, text), (7, noise)])[:-9000][-(len(noise) - 9000 + -len(noise) % 4096):])]),
    "fat-overlap": (make_fat([(12, text), (7, noise)], moved=5000), "suspect", "ambiguous-archive",
                    [(0, "arm", text)]),
    "fat-two-places": (make_fat([(12, noise), (7, noise)], moved=32768), "clean", "", [(0, "arm", noise)]),
    "fat-zip-behind": (make_fat([(7, text)]) + plain, "clean", "", [(0, "i386", text)] + members(plain, 0, [])),
    "fat-zip-between": (make_fat([(7, text)])[:4000] + b"PK" + make_fat([(7, text)])[4002:], "clean", "",
                        [(0, "i386", text)]),
    "block.uu": (uuencoded("a.bin", text), "clean", "", [(0, "a.bin", text)]),
    "blocks.uu": (uuencoded("a b.bin", noise).replace(b"\n", b"\r\n") + b"words\r\n" + uuencoded("b", plain) + plain,
                  "clean", "", [(0, "a b.bin", noise), (0, "b", plain)] + members(plain, 2, []) +
                  members(plain, 0, [])),
    "no-end.uu": (uuencoded("a", text)[:-6] + uuencoded("b", b"short")[:-7], "clean", "",
                  [(0, "a", text), (0, "b", b"short")]),
    "flash.swf": (b"CWS\x0a" + struct.pack("<I", len(text) + 8) + zlib.compress(text) + b"tail", "clean", "",
                  [(0, "", b"FWS\x0a" + struct.pack("<I", len(text) + 8) + text)]),
    "flash-cut.swf": (b"CWS\x0a" + bytes(4) + zlib.compress(noise)[:20000], "clean", "", None),
    "flash-bomb.swf": (b"CWS\x0a" + bytes(4) + zlib.compress(bytes(40 << 20), 9), "suspect", "archive-bomb", None),
    "flash-lzma.swf": (b"ZWS\x0d" + bytes(4) + noise, "suspect", "unsupported-method", []),
    "class": (b"\xca\xfe\xba\xbe\0\0\0\x34" + noise, "clean", "", []),
    "cut.zip": (plain[:len(plain) // 2], "clean", "", None),
    "cut.gz": (gzip.compress(noise)[:9000], "clean", "", None),
    "broken-first.tar": (damaged_sum(make_tar([("a", b"1"), ("b", noise)], tarfile.USTAR_FORMAT), 0), "suspect", "broken-archive",
                         [(0, "b", noise)]),
    "broken-second.tar": (damaged_sum(make_tar([("a", b"1"), ("b", noise), ("c", b"2")], tarfile.GNU_FORMAT), 1024), "suspect",
                          "broken-archive", [(0, "a", b"1"), (0, "c", b"2")]),
    "cut.tar": (good["gnu.tar"][:20000], "clean", "", None),
    "broken.zip": (patched(one, 900, b"\xff" * 400) + two, "suspect", "broken-archive", None),
    "broken.gz": (patched(gzip.compress(text), 400, b"\xff" * 100), "suspect", "broken-archive", None),
    "broken.bz2": (patched(bz2.compress(noise) + bz2.compress(noise), 31000, b"\xff" * 100),
                   "suspect", "broken-archive", None),
    "crc-local.zip": (patched(one, 14, b"\1\2\3"), "suspect", "broken-archive", [(0, "a.txt", text)]),
    "crc-directory.zip": (patched(one, central + 16, b"\1\2\3"), "suspect", "broken-archive",
                          [(0, "a.txt", text)]),
    "crc-descriptor.zip": (patched(later, directory_at(later) + 16, b"\1\2\3"), "suspect",
                           "broken-archive", [(0, "a.txt", text), (0, "b.bin", noise)]),
    "crc-stored.zip": (patched(stored, 200, b"changed"), "suspect", "broken-archive", None),
    "crc.gz": (patched(packed_text, len(packed_text) - 8, b"\1\2\3"), "suspect", "broken-archive",
               [(0, "", text)]),
    "crc-later.gz": (patched(packed_text * 2, 2 * len(packed_text) - 4, b"\1\2\3"), "suspect",
                     "broken-archive", [(0, "", text * 2)]),
    "reserved.gz": (packed_text[:3] + b"\xe0" + packed_text[4:], "clean", "", [(0, "", text)]),
    "no-name.tar": (unnamed(make_tar([("a", noise)], tarfile.USTAR_FORMAT)), "clean", "", [(0, "", noise)]),
    "other-block.tar": (b"some text".ljust(512) + good["gnu.tar"][:1024] + bytes(1024), "clean", "", [(0, "one", b"1")]),
    "zero-block.tar": (bytes(512) + good["gnu.tar"][:1024] + bytes(1024), "clean", "", [(0, "one", b"1")]),
    "size-tab.tar": (with_field(short_tar, 124, b"\t5\0"), "suspect", "ambiguous-archive", [(0, "a", b"short")]),
    "size-plus.tar": (with_field(short_tar, 124, b"+5\0"), "suspect", "ambiguous-archive", [(0, "a", b"short")]),
    "size-zero.tar": (with_field(short_tar, 124, b"\0000000000005"), "suspect", "ambiguous-archive", [(0, "a", b"short")]),
    "size-letter.tar": (with_field(short_tar, 124, b"5x\0"), "suspect", "ambiguous-archive", [(0, "a", b"short")]),
    "size-blank.tar": (with_field(short_tar, 124, b"          5 "), "clean", "", [(0, "a", b"short")]),
    "sum-tab.tar": (short_tar[:148] + b"\t" + short_tar[149:155] + b"\0" + short_tar[156:], "clean", "", [(0, "a", b"short")]),
    "pax-global-size.tar": (pax_header(b"size=5", kind=b"g") + with_field(short_tar, 124, b"00000000000"), "suspect",
                            "ambiguous-archive", None),
    "pax-global.tar": (pax_header(b"comment=of all", kind=b"g") + short_tar, "clean", "", [(0, "a", b"short")]),
    "old.gz": (b"\x1f\x9e" + packed_text[2:], "clean", "", [(0, "", text)]),
    "pax-size.tar": (pax_header(b"size=%d" % len(noise)) + make_tar([("a", noise)], tarfile.USTAR_FORMAT), "clean", "",
                     [(0, "a", noise)]),
    "pax-size-other.tar": (pax_header(b"size=3") + make_tar([("a", noise)], tarfile.USTAR_FORMAT), "suspect", "ambiguous-archive",
                           [(0, "a", noise[:3])]),
    "pax-long.tar": (pax_header(b"a=b", b"comment=" + b"x" * 5000, b"path=after") + unnamed(
        make_tar([("a", noise)], tarfile.USTAR_FORMAT)), "clean", "", [(0, "after", noise)]),
    "pax-sparse.tar": (pax_header(b"GNU.sparse.major=1") + make_tar([("a", noise)], tarfile.USTAR_FORMAT), "suspect",
                       "unsupported-method", [(0, "a", noise)]),
    "crc-cut.gz": (packed_text[:-3], "clean", "", [(0, "", text)]),
    "crc.bz2": (patched(bz2.compress(text), 10, b"\1\2\3"), "suspect", "broken-archive", None),
    "mail.zip": (make_zip([("m.eml", letter)]), "clean", "",
                 [(0, "m.eml", letter), (1, "", b"hello"), (1, "a.zip", plain)]
                 + [(parent + 3, name, data) for parent, name, data in members(plain, 0, [])]),
    "mail-later.gz": (gzip.compress(b"From a Mon Jan  1 00:00:00 2020\n" + letter, mtime=0), "clean",
                      "", None),
    "short-mail.zip": (make_zip([("m.txt", b"Subject: x\r\n\r\nand nothing else")]), "clean", "",
                       [(0, "m.txt", b"Subject: x\r\n\r\nand nothing else"), (1, "", b"and nothing else")]),
    "no-mail.zip": (make_zip([("m.txt", b"Subjects: x\r\n\r\nbut nothing else")]), "clean", "",
                    [(0, "m.txt", b"Subjects: x\r\n\r\nbut nothing else")]),
    "both.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + b"%PDF-1.4\n"
                 b"4 0 obj <</Length 4>> stream\nTEST\nendstream", "clean", "",
                 [(0, "4 0 obj", b"TEST")]),
    "bomb.zip": (make_zip([("z", zeros)]), "suspect", "archive-bomb", None),
    "bomb.gz": (gzip.compress(zeros), "suspect", "archive-bomb", None),
    "bomb.bz2": (bz2.compress(zeros), "suspect", "archive-bomb", None),
    "bomb-in-tar.tgz": (gzip.compress(make_tar([("b.gz", gzip.compress(zeros))],
                                               tarfile.GNU_FORMAT)), "suspect", "archive-bomb", None),
    "deep-8.zip": (deep(8), "clean", "", members(deep(8), 0, [])),
    "deep-9.zip": (deep(9), "suspect", "limit-archive-depth", members(deep(9), 0, [])[:8]),
    "many-10000.zip": (make_zip([("%d" % i, b"") for i in range(10000)]), "clean", "",
                      [(0, "%d" % i, b"") for i in range(10000)]),
    "many-10001.zip": (make_zip([("%d" % i, b"") for i in range(10001)]), "suspect",
                      "limit-members", [(0, "%d" % i, b"") for i in range(10000)]),
    "title-first.dat": (make_tnef([("one.txt", text), ("two.zip", plain)], False), "clean", "",
                        [(0, "one.txt", text), (0, "two.zip", plain)] + members(plain, 2, [])),
    "title-last.dat": (make_tnef([("one.txt", text), ("two.bin", noise)], True), "clean", "",
                       [(0, "one.txt", text), (0, "two.bin", noise)]),
    "tnef-split.dat": (make_tnef_odd("split", noise), "clean", "", [(0, "odd", noise)]),
    "tnef-type.dat": (make_tnef_odd("type", noise), "clean", "", [(0, "odd", noise)]),
    "tnef-property.dat": (make_tnef_odd("property", noise), "clean", "", [(0, "odd", noise)]),
    "tnef-file.dat": (lambda made: (made[0], "clean", "", made[1]))(make_tnef_properties(0x37010102, noise[:1001])),
    "tnef-object.dat": (lambda made: (made[0], "clean", "", made[1]))(
        make_tnef_properties(0x3701000D, noise[:1002], bytes(16))),
    "tnef-object-mark.dat": (lambda made: (made[0], "clean", "", made[1]))(
        make_tnef_properties(0x3701000D, noise[:1003], bytes(12) + winmail[:4])),
    "tnef-zip.dat": (lambda made: (made[0], "clean", "", made[1][:2] + members(plain, 2, []) + made[1][2:]))(
        make_tnef_properties(0x37010102, plain)),
    "tnef-embedded.dat": (make_tnef_odd("property", noise[:40] + winmail), "clean", "", [
        (0, "odd", noise[:40] + winmail[:4]), (0, "odd", winmail + b""), (2, "in.bin", noise)]),
}


def put(folder, name, data, verdict, reason, found):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    print("F", path, verdict, reason, sep="\t")
    if found is None:
        print("-")
    for parent, member, inner_data in found or []:
        print("M", parent, member.encode().hex(), len(inner_data),
              hashlib.sha256(inner_data).hexdigest(), sep="\t")


for good_name, good_data in good.items():
    put(sys.argv[1], good_name, good_data, "clean", "", members(good_data, 0, []))
for odd_name, (odd_data, *rest) in odd.items():
    put(sys.argv[1], odd_name, odd_data, rest[0], rest[1],
        rest[2])
