# SPDX-License-Identifier: BSD-3-Clause
"""File types that signature files tell (.ftm), with objects that only these make what they are."""
import base64
import io
import tarfile
import zipfile

import paritycases
import paritymail
import paritynormal

# The target whose signatures see an object of the type.
TARGETS = {"CL_TYPE_HTML": 3, "CL_TYPE_TEXT_ASCII": 7, "CL_TYPE_SCRIPT": 7, "CL_TYPE_PDF": 10, "CL_TYPE_MSOLE2": 2,
           "CL_TYPE_GRAPHICS": 5, "CL_TYPE_JPEG": 5, "CL_TYPE_BINARY_DATA": 0, "CL_TYPE_MAIL": 4, "CL_TYPE_OLD_TAR": 0}
HTML = ["1:*:3c68746d6c:HTML:CL_TYPE_ANY:CL_TYPE_HTML", "1:*:3c7461626c65:HTML:CL_TYPE_ANY:CL_TYPE_HTML"]
# So that both know a mail, and a zip.
KNOWN = ["0:0:46726f6d3a20:Mail:CL_TYPE_ANY:CL_TYPE_MAIL", "0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP",
         "0:0:4d5a:PE:CL_TYPE_ANY:CL_TYPE_MSEXE"]


def content(rng, kind):
    """(what stands behind the magic, what a signature is made of)"""
    if kind == "CL_TYPE_MAIL":
        inner = bytes(rng.randrange(1, 256) for _ in range(60))
        return b": x\n" + paritymail.mail(rng, inner, "base64", "mixed", False), inner
    data, forms, _ = paritynormal.document(rng, rng.random() < 0.6)
    return data, rng.choice(forms or [data[:20]])


def packed(rng, data):
    """(carrier, its kind)"""
    out = io.BytesIO()
    how = rng.choice(["zip", "tar"])
    if how == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("member"), data)
    else:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            info = tarfile.TarInfo("member")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue(), how


def types(book, rng, count, replaces, has_html):
    if replaces:
        for number, line in enumerate(KNOWN + (HTML if has_html else [])):
            book.sign("types.ftm", "Known.%d" % number, line)
    for number in range(count):
        name = "Type.%d" % number
        kind = rng.choice(sorted(TARGETS))
        by_bytes = replaces and rng.random() < 0.6
        if kind == "CL_TYPE_OLD_TAR" and not by_bytes:
            kind = "CL_TYPE_PDF"
        magic = b"%04xmag" % number
        place = rng.choice([0, 0, 3, 40, 900])
        is_binary = rng.random() < 0.3
        if by_bytes:
            book.sign("types.ftm", name + ".t", "0:%d:%s:T:CL_TYPE_ANY:%s" % (place, magic.hex(), kind))
        else:
            required = rng.choice(["CL_TYPE_ANY", "CL_TYPE_ANY", "CL_TYPE_TEXT_ASCII", "CL_TYPE_BINARY_DATA"])
            book.sign("types.ftm", name + ".t", "1:%s:%s:T:%s:%s" % (
                rng.choice(["*", str(place)]), magic.hex(), required, kind))
        data, form = content(rng, kind)
        front = (b"\x01" if is_binary else b"k") * place
        if kind == "CL_TYPE_OLD_TAR":
            form = bytes(rng.randrange(1, 256) for _ in range(30))
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                info = tarfile.TarInfo((front + magic).decode("latin-1")[:90])
                info.size = len(form)
                archive.addfile(info, io.BytesIO(form))
            whole = out.getvalue()
        else:
            whole = front + magic + data
        # The signature's own letters; one for another target shall not see it, or see it as well.
        target = rng.choice([TARGETS[kind], TARGETS[kind], 3, 7, 0])
        book.sign("types.ndb", name, "%s:%d:*:%s" % (name, target, form.hex()))
        tags = ["types", kind, "bytes" if by_bytes else "pattern", "target %d" % target,
                "binary" if is_binary and place else "text", "replaces" if replaces else "extends"]
        book.carry(name, whole, None, tags + ["raw"])
        carrier, how = packed(rng, whole)
        if how == "zip" or not replaces:
            book.carry(name, carrier, None, tags + ["in " + how])
        encoded = base64.encodebytes(whole)
        book.carry(name, b"From: a@example.org\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
                   b"Content-Transfer-Encoding: base64\n\n" + encoded, None, tags + ["mail"], "eml")
        book.carry(name, paritycases.paritygen.some(rng, paritycases.paritygen.TEXT, 20) + whole, None,
                   tags + ["elsewhere"])
        if rng.random() < 0.3:
            wide = (front + magic + data).decode("latin-1").encode("utf-16-le")
            book.carry(name, rng.choice([b"\xff\xfe", b""]) + wide, None, tags + ["UTF-16"])


def replacing(book, rng, count):
    types(book, rng, count, True, False)


def with_html(book, rng, count):
    types(book, rng, count, True, True)


def extending(book, rng, count):
    types(book, rng, count, False, False)
