#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes archives that must be whole to be unpacked, with the tools of those who make them, and says what
was put in.

  whole_reference.py FOLDER

The output is that of unpack_reference.py. A tool that is not there is named on standard error, and its
archives are left out.
"""
import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

rng = random.Random(7)
noise = bytes(rng.getrandbits(8) for _ in range(20000))
text = b"".join(b"line %d of a text that repeats itself\r\n" % i for i in range(1500))
# In the order in which every tool lists them.
files = [("a.txt", b"TEST"), ("noise.bin", noise), ("text.txt", text)]
skipped = set()
folder = sys.argv[1]


def tool(*arguments, data=None, where=None):
    """What the tool says, or None where there is no such tool."""
    if shutil.which(arguments[0]) is None:
        skipped.add(arguments[0])
        return None
    return subprocess.run(arguments, input=data, cwd=where, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


@contextlib.contextmanager
def place(entries):
    with tempfile.TemporaryDirectory() as where:
        for name, data in entries:
            with open(os.path.join(where, name), "wb") as file:
                file.write(data)
        yield where


def make(suffix, entries, *arguments):
    """An archive of these entries: OUT stands for its path, FILES for their names."""
    names = [name for name, _ in entries]
    with place(entries) as where, tempfile.TemporaryDirectory() as other:
        out = os.path.join(other, "made" + suffix)
        line = []
        for argument in arguments:
            line += names if argument == "FILES" else [argument.replace("OUT", out)]
        if tool(*line, where=where) is None:
            return None
        with open(out, "rb") as file:
            return file.read()


def seven(entries, *options):
    return make(".7z", entries, "7zz", "a", "-bd", *options, "OUT", "FILES")


def bsd(kind, entries):
    return make("", entries, "bsdtar", "--format", kind, "-cf", "OUT", "FILES")


def cab(entries, *options):
    return make(".cab", entries, "gcab", "-cn", *options, "OUT", "FILES")


def iso(entries, *options):
    return make(".iso", entries, "genisoimage", "-quiet", *options, "-o", "OUT", "FILES")


def lha(entries):
    return make(".lzh", entries, "jlha", "aq", "OUT", "FILES")


def ar(entries):
    return make(".a", entries, "ar", "rc", "OUT", "FILES")


def small_ar(data):
    return b"!<arch>\n%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (b"x/", 0, 0, 0, 0o644, len(data)) + data


def packed(kind, data):
    return make("", [("x", data)], "bsdtar", "--format", "raw", "--" + kind, "-cf", "OUT", "x")


def tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(entries, method=zipfile.ZIP_DEFLATED, is_one_way=False):
    out = io.BytesIO()
    if is_one_way:
        out.seekable = lambda: False
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def members(entries, parent=0):
    return [(parent, name, data) for name, data in entries]


def upper(entries):
    return [(name.upper(), data) for name, data in entries]


def put(name, data, verdict="clean", reason="", found=None):
    if data is None:
        return
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    print("F", path, verdict, reason, sep="\t")
    if found is None:
        print("-")
    for parent, member, inner in found or []:
        print("M", parent, member.encode().hex(), len(inner), hashlib.sha256(inner).hexdigest(),
              sep="\t")


def good():
    for method in ("LZMA", "LZMA2", "PPMd", "BZip2", "Deflate", "Copy"):
        put("%s.7z" % method, seven(files, "-m0=" + method), found=members(files))
    put("filtered.7z", seven(files, "-m0=BCJ", "-m1=LZMA2"), found=members(files))
    put("not-solid.7z", seven(files, "-ms=off"), found=members(files))
    for kind in ("cpio", "newc", "odc", "bin", "xar"):
        put(kind + ".archive", bsd(kind, files), found=members(files))
    put("stored.cab", cab(files), found=members(files))
    put("packed.cab", cab(files, "-z"), found=members(files))
    put("plain.iso", iso(files), found=members(upper(files)))
    put("rock.iso", iso(files, "-R"), found=members(files))
    put("joliet.iso", iso(files, "-J"), found=members(files))
    put("made.lzh", lha(files), found=members(files))
    put("made.ar", ar(files), found=members(files))
    for kind in ("xz", "lzma", "lzip", "zstd", "lz4", "compress"):
        put("text." + kind, packed(kind, text), found=[(0, "", text)])
    for compress in (gzip, lzma, bz2):
        put("empty." + compress.__name__, compress.compress(b""))
    put("two.xz", lzma.compress(text) + lzma.compress(noise), found=[(0, "", text + noise)])
    inside = tar(files)
    for name, behind in (("line", b"\r\n"), ("text", b"YZ and text\n" * 500), ("noise", noise[:5000])):
        put("behind-%s.xz" % name, lzma.compress(text) + behind, found=[(0, "", text)])
    put("tar.xz", lzma.compress(inside), found=[(0, "", inside)] + members(files, 1))


def zips():
    """What is unpacked as it passes, and what is not, in one archive."""
    def packed_zip(method, entries):
        return make(".zip", entries, "7zz", "a", "-bd", "-tzip", "-mm=" + method, "OUT", "FILES")

    for method in ("LZMA", "PPMd", "XZ"):
        put(method + ".zip", packed_zip(method, files))
        put("marked-%s.zip" % method, packed_zip(method, [("m.txt", text + b"MARK-OF-THE-TEST")]),
            "infected", "signature")
    put("Deflate64.zip", packed_zip("Deflate64", files), "clean", "", members(files))
    for is_one_way in (False, True):
        entries = [("empty", b""), ("in/", b""), *files]
        data = zipped(entries, zipfile.ZIP_LZMA, is_one_way)
        put("LZMA-%d.zip" % is_one_way, data, found=members(e for e in entries if e[0] != "in/"))
    one = packed_zip("LZMA", files)
    if one is not None:
        put("LZMA-twice.zip", one + one, "suspect", "ambiguous-archive")


def self_extracting():
    program = b"MZ" + noise * 3 + b"7z\xbc\xaf\x27\x1cMSCF\0\0\0\0Rar!\x1a\x07" + noise[5000:]
    for name, made in (("7z", seven(files)), ("cab", cab(files)), ("lzx", cab(files, "-z"))):
        for size in (700, 70000):
            put("sfx-%d-%s.exe" % (size, name), made and program[:size] + program[-9000:] + made,
                found=members(files))
    put("no-sfx.exe", program, found=[])
    seven_zip, cabinet = seven(files), cab(files)
    if seven_zip and cabinet:
        far = b"MZ" + noise * 160
        twice = members(files) + members(files)
        put("sfx-far.exe", far + seven_zip, found=members(files))
        put("sfx-two.exe", far + seven_zip + noise + cabinet, found=twice)
        put("picture-with-cab.gif", b"GIF89a" + noise + cabinet + noise, found=members(files))
        put("text-with-rar.txt", text + rar4([rar4_file("a.txt", b"TEST")]), found=[(0, "a.txt", b"TEST")])
        put("sfx-nine.exe", b"MZ" + noise + cabinet * 9, "suspect", "limit-members")


def one_behind_another():
    """Who looks for an archive of one kind passes over whatever stands in front of it."""
    one, others = [("one.txt", text[:2000])], [("a.txt", b"TEST"), ("some.bin", noise[:3000])]
    stored = cab(others)
    front = {"7z": seven(one), "zip": zipped(one), "comment": zipped(one)[:-2] + b"\x09\0a comment",
             "lzma": zipped(one, zipfile.ZIP_LZMA), "tar": tar(one), "cab": cab(one), "iso": iso(one, "-R"),
             "lha": lha(one), "cpio": bsd("newc", one), "xar": bsd("xar", one),
             "gzip": gzip.compress(one[0][1], mtime=0), "bzip2": bz2.compress(one[0][1]),
             "xz": lzma.compress(one[0][1]), "lzip": packed("lzip", one[0][1]), "lz4": packed("lz4", one[0][1])}
    behind = {"rar": rar5([rar5_file(n, d) for n, d in others]), "cab": stored, "7z": seven(others)}
    for number, (kind, first) in enumerate(front.items()):
        name, second = list(behind.items())[number % 3]
        listed = [(0, "one.txt" if number < 10 else "", one[0][1])]
        put("%s-then-%s" % (kind, name), first and second and first + second, found=listed + members(others))
    # What is stored in an archive is none behind it.
    if stored:
        put("stored-cab.cab", cab([("in.cab", stored)]), found=[(0, "in.cab", stored)] + members(others, 1))
        put("nine-behind.zip", zipped(one) + stored * 9, "suspect", "limit-members")


def skipped_frames():
    """Frames of zstd and lz4 that are for others, as pzstd writes them."""
    frame = struct.pack("<II", 0x184D2A5F, 4) + b"more"
    for kind in ("zstd", "lz4"):
        made = packed(kind, text)
        put("skipped." + kind, made and frame * 2 + made, found=[(0, "", text)])


# ---- RAR: nothing in Debian makes these ---------------------------------------------------------

def rar4_block(kind, flags, rest, data=b""):
    head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def rar4_file(name, data, flags=0, version=20, method=0x30, size=None):
    rest = struct.pack("<IIBIIBBHI", len(data), len(data) if size is None else size, 2, zlib.crc32(data),
                       0x21 << 16, version, method, len(name), 0x20) + name.encode()
    return rar4_block(0x74, 0x8000 | flags, rest, data)


def rar4(blocks, flags=0):
    return (b"Rar!\x1a\x07\0" + rar4_block(0x73, flags, bytes(6)) + b"".join(blocks) +
            rar4_block(0x7B, 0x4000, b""))


def vint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def rar5_block(kind, flags, rest, extra=b"", data=b""):
    flags |= (1 if extra else 0) | (2 if data else 0)
    head = (vint(kind) + vint(flags) + (vint(len(extra)) if extra else b"") +
            (vint(len(data)) if data else b"") + rest + extra)
    head = vint(len(head)) + head
    return struct.pack("<I", zlib.crc32(head)) + head + data


def rar5_file(name, data, flags=0, extra=b""):
    rest = (vint(4) + vint(len(data)) + vint(0x20) + struct.pack("<I", zlib.crc32(data)) + vint(0) +
            vint(1) + vint(len(name)) + name.encode())
    return rar5_block(2, flags, rest, extra, data)


def rar5(blocks, main=0):
    return (b"Rar!\x1a\x07\1\0" + rar5_block(1, 0, vint(main)) + b"".join(blocks) +
            rar5_block(5, 0, vint(0)))


def rars():
    plain4 = [rar4_file(n, d) for n, d in files]
    plain5 = [rar5_file(n, d) for n, d in files]
    put("stored.rar", rar4(plain4), found=members(files))
    put("stored5.rar", rar5(plain5), found=members(files))
    put("encrypted.rar", rar4([rar4_file("a.txt", noise, 0x04)]), "suspect", "encrypted-archive")
    put("encrypted-late.rar", rar4(plain4 + [rar4_file("z.txt", noise, 0x04)]), "suspect",
        "encrypted-archive")
    put("encrypted-header.rar", b"Rar!\x1a\x07\0" + rar4_block(0x73, 0x80, bytes(6)) + noise, "suspect",
        "encrypted-archive", [])
    # Behind the length: the record's type, version, flags, count, salt, vector and check.
    record = vint(1) + vint(0) + vint(1) + b"\x0f" + noise[:44]
    put("encrypted5.rar", rar5([rar5_file("a.txt", noise[:64], extra=vint(len(record)) + record)]),
        "suspect", "encrypted-archive")
    put("encrypted-header5.rar", b"Rar!\x1a\x07\1\0" + rar5_block(4, 0, vint(0) + vint(1) + b"\x0f" +
                                                               noise[:28]) + noise, "suspect",
        "encrypted-archive", [])
    for version in (15, 20, 26):
        put("rar%d.rar" % version, rar4([rar4_file("a.txt", noise, 0, version, 0x33, 40000)]), "suspect",
            "unsupported-archive")
    put("volume.rar", rar4([rar4_file("a.txt", noise, 0x02)], 0x01), "suspect", "split-archive")
    put("volume5.rar", rar5([rar5_file("a.txt", noise, 0x10)], 1), "suspect", "split-archive")


def by_chance():
    """A program that handles zips: the signatures of their records stand in it."""
    words = b"".join(b"PK" + bytes(kind) + b" is no record of %d\0" % i
                     for i, kind in enumerate([(3, 4), (1, 2), (5, 6), (6, 6), (5, 6), (1, 2)]))
    put("by-chance", b"\x7fELF" + noise + words * 3 + noise[:9000], found=[])


def nested():
    inner = seven(files)
    if inner is None:
        return
    put("7z-in-zip.zip", zipped([("in.7z", inner)]), found=[(0, "in.7z", inner)] + members(files, 1))
    put("7z-in-7z.7z", seven([("in.7z", inner)]), found=[(0, "in.7z", inner)] + members(files, 1))
    stored = zipped(files, zipfile.ZIP_STORED)
    for name, data in (("iso", iso([("in", stored)], "-R")), ("cab", cab([("in", stored)])),
                       ("ar", ar([("in", stored)])), ("7z", seven([("in", stored)], "-m0=Copy"))):
        put("stored-zip." + name, data, found=[(0, "in", stored)] + members(files, 1))
    # More archives than may be kept at once.
    many = tar([("%d.ar" % i, small_ar(noise[i:i + 400])) for i in range(4500)])
    put("many-in-tar.xz", lzma.compress(many, preset=0))
    both = [("one.7z", inner), ("two.zip", zipped(files))]
    put("two-in-7z.7z", seven(both), found=[(0, "one.7z", inner)] + members(files, 1) +
        [(0, "two.zip", both[1][1])] + members(files, 5))
    marked = lzma.compress(text + b"MARK-OF-THE-TEST")
    steps = [lambda d: seven([("d", d)]), lambda d: cab([("d", d)]), lambda d: iso([("D", d)]),
             bz2.compress, lambda d: tar([("d", d)]), lambda d: bsd("newc", [("d", d)])]
    for step in steps + steps[:1]:
        marked = step(marked) if marked is not None else None
    put("eight-deep", marked, "infected", "signature")
    put("nine-deep", seven([("d", marked)]) if marked is not None else None, "suspect",
        "limit-archive-depth")


def odd():
    plain = seven(files)
    put("encrypted.7z", seven(files, "-psecret"), "suspect", "encrypted-archive",
        [(parent, name, b"") for parent, name, _ in members(files)])
    put("encrypted-header.7z", seven(files, "-psecret", "-mhe=on"), "suspect",
        "encrypted-archive", [])
    put("deflate64.7z", seven(files, "-m0=Deflate64"), "suspect", "unsupported-method")
    if plain is not None:
        put("cut.7z", plain[:-10], "suspect", "broken-archive", [])
        put("damaged.7z", plain[:2000] + bytes(100) + plain[2100:], "suspect", "broken-archive")
    stored = cab(files)
    if stored is not None:
        put("cut.cab", stored[:-3000], "suspect", "broken-archive")
    whole = lzma.compress(noise)
    put("cut.xz", whole[:-5000], "suspect", "broken-archive")
    put("damaged.xz", whole[:500] + bytes(8) + whole[508:], "suspect", "broken-archive")
    nothing = lzma.compress(bytes(100 << 20), preset=0)
    put("bomb.xz", nothing * 2, "suspect", "archive-bomb")
    put("ten-gigabytes.xz", nothing * 100, "suspect", "limit-unpacked-bytes")
    put("bomb.7z", seven([("zero", bytes(50 << 20))], "-mx1"), "suspect", "archive-bomb")
    put("udf.img", bytes(32768) + b"\0BEA01\1" + bytes(4000), "suspect", "unsupported-archive", [])
    put("raw.bin", b"\0" + b"\xff" * 10 + b"\0" + bytes(2340), "suspect", "unsupported-archive", [])
    put("made.arj", make(".arj", files, "arj", "a", "-y", "OUT", "FILES"), "suspect",
        "unsupported-archive", [])
    disc = iso(files)
    if disc is not None:
        put("looks-like-a-picture.iso", b"GIF89a" + disc[6:], found=members(upper(files)))
        put("looks-like-text.iso", b"text " * 2000 + disc[10000:], "suspect", "ambiguous-archive")


good()
zips()
self_extracting()
one_behind_another()
skipped_frames()
rars()
by_chance()
nested()
odd()
if skipped:
    print("no tool to make an archive with:", " ".join(sorted(skipped)), file=sys.stderr)
