# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of signature once more, with what it describes inside of pages, programs, archives and mails;
and sections of programs by their digests, in programs of any size.
"""
import base64
import gzip
import hashlib
import io
import tarfile
import zipfile

import paritycases
import parityexe
import parityformats
import paritygen
import paritylogical
import paritymail
import paritymembers


def zipped(rng, data):
    out = io.BytesIO()
    how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr(zipfile.ZipInfo("member.bin"), data, how)
    return out.getvalue()


def tarred(_, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("member.bin")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def in_page(_, data):
    return b"<html><img src=\"data:application/octet-stream;base64," + base64.b64encode(data) + b"\">"


def in_document(_, data):
    """Word's XML of 2003."""
    return (b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<?mso-application progid="Word.Document"?>\n'
            b'<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"><w:docSuppData>'
            b'<w:binData w:name="editdata.mso">' + base64.encodebytes(data)
            + b"</w:binData></w:docSuppData></w:wordDocument>")


def behind_program(rng, data):
    return parityexe.Program(rng).data + data


def in_mail(rng, data):
    return paritymail.mail(rng, data, "base64", "mixed", rng.random() < 0.5)


def late_mail(rng, data):
    """A mail behind other lines, as a file."""
    before = rng.choice([b"\n\n", b"\xef\xbb\xbf", b"\0", b" \n", b"Dear all,\n\n", b"Thread-Topic: x\n", b"Foo_Bar: 1\n" * 9,
                         b"<html>\n", b": x\n"])
    return zipped(rng, before + in_mail(rng, data))


CARRIERS = {"zip": zipped, "gzip": lambda _, data: gzip.compress(data, mtime=0), "tar": tarred,
            "page": in_page, "late mail": late_mail, "document": in_document, "overlay": behind_program, "overlay zip": lambda rng, data: behind_program(rng, zipped(rng, data)),
            "base64": in_mail, "tar.gz": lambda rng, data: gzip.compress(tarred(rng, data), mtime=0)}


class Carried:
    """A book in which each file stands in a carrier."""

    def __init__(self, book, rng):
        self.book, self.rng = book, rng
        self.sign, self.line_of = book.sign, book.line_of

    def carry(self, signature, data, should, tags, suffix="bin"):
        if suffix != "bin" or len(data) < 6:
            return
        how = self.rng.choice(sorted(CARRIERS))
        self.book.carry(signature, CARRIERS[how](self.rng, data), None, list(tags) + ["carried", "in " + how],
                        "eml" if how == "base64" else "bin")


def carried(maker):
    def make(book, rng, count):
        maker(Carried(book, rng), rng, count)
    return make


MAKERS = [carried(paritycases.body_signatures), carried(paritycases.hash_signatures), carried(parityexe.import_tables),
          carried(parityexe.places), carried(parityformats.formats), carried(parityformats.versions),
          carried(paritylogical.logical_signatures), carried(paritymembers.container_members)]


class Large(parityexe.Program):
    """A PE file one of whose sections is large."""

    def build(self):
        address, _ = self.sections[-1]
        size = self.large.choice([511, 40000, 70000, 1 << 20, 3 << 20])
        body = self.large.randbytes(min(size, 5000)) * (size // 5000 + 1)
        self.sections[-1] = (address, parityexe.align(body[:size], 0x200))
        return super().build()

    def __init__(self, rng):
        self.large = rng
        super().__init__(rng)


def section_digests(book, rng, count):
    """.mdb and .msb, with a size, with another one and with any."""
    for number in range(count):
        name = "Section.%d" % number
        program = Large(rng)
        at = rng.choice([len(program.sections) - 1, rng.randrange(len(program.sections))])
        body = program.sections[at][1]
        algorithm = rng.choice(["md5", "sha1", "sha256"])
        size = rng.choice([str(len(body)), str(len(body)), "*", str(len(body) + 512)])
        line = "%s:%s:%s" % (size, hashlib.new(algorithm, body).hexdigest(), name)
        if size == "*":
            line += ":73"
        book.sign("sections.mdb" if algorithm == "md5" else "sections.msb", name, line)
        kinds = ["sections", algorithm, "any size" if size == "*" else "sized", "PE32+" if program.wide else "PE32"]
        book.carry(name, program.data, None, kinds)
        flip = program.offsets[at] + rng.randrange(len(body))
        book.carry(name, program.data[:flip] + bytes([program.data[flip] ^ 1]) + program.data[flip + 1:], False,
                   kinds + ["miss"])
        Carried(book, rng).carry(name, program.data, None, kinds)
        cut = program.data[:program.offsets[at] + len(body) - rng.choice([1, 512])]
        book.carry(name, cut, None, kinds + ["cut"])
