# SPDX-License-Identifier: BSD-3-Clause
"""Archives of the kinds that are unpacked when they are whole, alone, inside each other and in mails."""
import os
import shutil
import subprocess
import tempfile

import paritycases

# {kind: command that makes OUT of the file member}
MAKERS = {
    "7z LZMA2": ["7zz", "a", "-bd", "OUT.7z", "member"],
    "7z LZMA": ["7zz", "a", "-bd", "-m0=LZMA", "OUT.7z", "member"],
    "7z PPMd": ["7zz", "a", "-bd", "-m0=PPMd", "OUT.7z", "member"],
    "7z BZip2": ["7zz", "a", "-bd", "-m0=BZip2", "OUT.7z", "member"],
    "7z Deflate": ["7zz", "a", "-bd", "-m0=Deflate", "OUT.7z", "member"],
    "cab": ["gcab", "-cn", "OUT.cab", "member"],
    "cab MSZIP": ["gcab", "-czn", "OUT.cab", "member"],
    "iso": ["genisoimage", "-quiet", "-R", "-J", "-o", "OUT.iso", "member"],
    "cpio newc": ["bsdtar", "--format", "newc", "-cf", "OUT.cpio", "member"],
    "cpio odc": ["bsdtar", "--format", "odc", "-cf", "OUT.cpio", "member"],
    "xar": ["bsdtar", "--format", "xar", "-cf", "OUT.xar", "member"],
    "xz": ["bsdtar", "--format", "raw", "--xz", "-cf", "OUT.xz", "member"],
    "lha": ["jlha", "aq", "OUT.lzh", "member"],
    "ar": ["ar", "rc", "OUT.a", "member"],
    "lzma": ["bsdtar", "--format", "raw", "--lzma", "-cf", "OUT.lzma", "member"],
    "lzip": ["bsdtar", "--format", "raw", "--lzip", "-cf", "OUT.lz", "member"],
    "zstd": ["bsdtar", "--format", "raw", "--zstd", "-cf", "OUT.zst", "member"],
    "lz4": ["bsdtar", "--format", "raw", "--lz4", "-cf", "OUT.lz4", "member"],
    "compress": ["bsdtar", "--format", "raw", "--compress", "-cf", "OUT.Z", "member"],
    "zip": ["zip", "-q", "OUT.zip", "member"],
    "zip in parts": ["zip", "-q", "-fd", "OUT.zip", "member"],
}


def kinds():
    return [kind for kind in MAKERS if shutil.which(MAKERS[kind][0])]


def pack(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "member"), "wb") as file:
            file.write(data)
        subprocess.run([a.replace("OUT", "made") for a in MAKERS[kind]], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made = [name for name in os.listdir(folder) if name.startswith("made")][0]
        with open(os.path.join(folder, made), "rb") as file:
            return file.read()


def carriers(book, rng, count):
    """Each signature's bytes stand in text that shrinks, so that no archive holds them as they are."""
    for number in range(count):
        name = "Archive.%d" % number
        code = bytes(rng.getrandbits(8) for _ in range(12))
        book.sign("archives.ndb", name, "%s:0:*:%s" % (name, code.hex()))
        text = b"".join(b"line %d of what shrinks well\r\n" % (n % 7) for n in range(400))
        data, tags = text + code + text, ["archive"]
        for _ in range(rng.choice([1, 1, 2])):
            kind = rng.choice(kinds())
            data, tags = pack(kind, data), tags + [kind]
        if rng.random() < 0.5:
            book.carry(name, data, True, tags)
        else:
            paritycases.carry_in_mail(book, rng, name, data, True, tags)
