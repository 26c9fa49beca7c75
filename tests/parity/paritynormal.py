# SPDX-License-Identifier: BSD-3-Clause
"""Signatures for the normalised copies of texts and HTML, with files that write the same in many ways.

A document is a row of pieces. Each has the bytes that stand in the file and, where it has one, the form
that it has in the copies: signatures are made of those, for targets 3, 7 and 0.
"""
import base64
import gzip
import hashlib
import io
import zipfile

import paritycases

LATE = 1000  # bytes before HTML that hide it from a look at the first KiB
NAMES = {"&": b"&amp;", "<": b"&lt;", "\"": b"&quot;", "=": b"&#61;", ";": b"&#x3B;"}
HEADS = [b"<html>", b"<HTML>", b"<Head>", b"<table>", b"text <IMG src=x>", b"<SCRIPT>x=1</SCRIPT>"]
SOUP = [b"<", b"<!", b"</", b"<!-- c -->", b"<!-- a > b", b"&#", b"&nosuch;", b"&eacute;", b"\xc3\xa9",
        b"</script>", b"</style>", b"<a href=", b"'", b"\"", b"<>", b"\x01", b"=", b"data:", b"\\"]


def cased(rng, text):
    return bytes(rng.choice([c, ord(chr(c).upper()), ord(chr(c).lower())]) for c in text)


def word(rng):
    return bytes(rng.choice(b"abcdefghijklmnoprstuvwz0123456789") for _ in range(rng.randrange(3, 9)))


def space(rng):
    return rng.choice([b" ", b" ", b"  ", b"\t", b"\r\n", b"\n\n ", b" \x0b", b"\x0c "])


def words(rng):
    """Plain words, with one space between them in every copy."""
    row = [word(rng) for _ in range(rng.randrange(1, 5))]
    written = cased(rng, row[0])
    for one in row[1:]:
        written += space(rng) + cased(rng, one)
    return written, b" ".join(row)


def reference(rng):
    char = rng.choice(sorted(NAMES))
    left, right = word(rng), word(rng)
    return cased(rng, left) + NAMES[char] + cased(rng, right), left + char.encode() + right


def spelled(rng):
    """A word by the numbers of its letters."""
    row = word(rng)
    return b"".join(rng.choice([b"&#%d;", b"&#x%x;", b"&#X%X;"]) % c for c in row), row


def tag(rng):
    name, row, form = word(rng), b"", b""
    for _ in range(rng.randrange(0, 4)):
        key, value = word(rng), word(rng)
        quote = rng.choice([b"", b"'", b"\""])
        blank = rng.choice([b"", b" ", b"\n"])
        row += space(rng) + cased(rng, key) + blank + b"=" + blank + quote + cased(rng, value) + quote
        form += b" " + key + b"=" + (b"\"" + value + b"\"" if quote else value)
    return b"<" + cased(rng, name) + row + b">", b"<" + name + form + b">"


def script(rng):
    kind = rng.choice([b"script", b"style"])
    row = [word(rng) for _ in range(4)]
    body = space(rng).join([cased(rng, one) for one in row[:3]])
    return (b"<" + cased(rng, kind) + b">" + body + b" = '" + row[3] + b"';</" + cased(rng, kind) + b">",
            b"<" + kind + b">" + b"".join(row[:3]) + b"=\"" + row[3] + b"\";</" + kind + b">")


def comment(rng):
    """Falls out of a page; what is left and right of it comes together."""
    left, right = word(rng), word(rng)
    return left + b"<!-- " + word(rng) + b" -->" + right, left + right


def soup(rng):
    return b"".join(rng.choice(SOUP) for _ in range(rng.randrange(1, 6))), b""


def document(rng, is_html):
    """(bytes, forms that its copies should hold, whether HTML begins late in it)"""
    makers = [words, words, reference, spelled, tag, script, comment, soup] if is_html else [words]
    pieces = [rng.choice(makers)(rng) for _ in range(rng.randrange(1, 9))]
    data = b"".join(written + space(rng) for written, _ in pieces)
    late = b""
    if is_html:
        head = rng.choice(HEADS)
        late = words(rng)[0] * rng.choice([0, 0, 0, 150])
        data = late + b" " + head + data if late else head + data
    return data, [form for _, form in pieces if len(form) > 3], len(late) > LATE


def in_zip(rng, data):
    """A member whose name says that a page is in it, or something else."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(rng.choice(["page.htm", "word/document.xml", "figures.dat", "read.me.txt", "pages"]), data)
    return out.getvalue()


def normal_signatures(book, rng, count):
    """.ndb for texts and HTML, and for any object where only a copy can hold it."""
    for number in range(count):
        is_html = rng.random() < 0.7
        data, forms, is_late = document(rng, is_html)
        names = []
        for at, form in enumerate(forms[:3]):
            name = "Normal.%d.%d" % (number, at)
            target = rng.choice([3, 3, 7, 0] if is_html else [7, 7, 0, 3])
            offset = rng.choice(["*", "*", "*", "0", "EOF-%d" % (len(form) + 1)])
            book.sign("normal.ndb", name, "%s:%d:%s:%s" % (name, target, offset, form.hex()))
            names.append((name, ["target %d" % target, "offset end" if "E" in offset else "offset"]))
        kinds = ["normalised", "HTML" if is_html else "plain text"] + ["late"] * is_late
        tags = sorted({tag for _, known in names for tag in known})  # of all that may be found in the file
        for name, _ in names[:1] or [("Normal.none", [])]:
            book.carry(name, data, None, kinds + tags + ["raw"], rng.choice(["html", "txt"]))
            paritycases.carry_in_mail(book, rng, name, data, None, kinds + tags)
            wide = data.decode("latin-1").encode("utf-16-le")
            if rng.random() < 0.3:
                book.carry(name, in_zip(rng, data), None, kinds + tags + ["zip", "raw"], "zip")
            if rng.random() < 0.3:
                book.carry(name, rng.choice([b"\xff\xfe", b""]) + wide, None, kinds + tags + ["UTF-16"])


def member(rng):
    """(bytes, what clamscan finds in them, how)"""
    data = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(20, 400)))
    how = rng.choice(["bytes", "zip", "gzip", "HTML"])
    if how == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("member"), data, zipfile.ZIP_DEFLATED)
        return out.getvalue(), data, how
    if how == "gzip":
        return gzip.compress(data, mtime=0), data, how
    if how == "HTML":
        data = b" ".join(word(rng) for _ in range(8))
        return b"<html><b>" + data.upper() + b"</b>", data, how
    return data, data, how


def escaped(rng, data):
    """Whatever else may stand as it is."""
    plain = b"abcdefghijklmnopqrstuvwxyz0123456789"
    return b"".join(bytes([c]) if c in plain and rng.random() < 0.8 else b"%%%02x" % c for c in data)


# Where else data: stands, and what ClamAV makes of it.
ELSEWHERE = [(b"<style>a{b:url(", b")}</style>", "in a style"), (b"<p style=\"b:url(", b")\">", "elsewhere"),
             (b"<script>x='", b"'</script>", "elsewhere"), (b"<!-- ", b" -->", "elsewhere")]


def inline_data(book, rng, count):
    """.ndb and .hdb for what stands in a page as data:, bare, packed, or as HTML once more."""
    for number in range(count):
        name = "Inline.%d" % number
        data, inner, how = member(rng)
        coded = rng.random() < 0.6
        kind = rng.choice([b"image/png", b"application/octet-stream", b"application/zip"])
        if coded:
            url = b"data:" + kind + b";base64," + base64.b64encode(data)
        else:
            url = b"data:" + kind + b"," + escaped(rng, data)
        quote = rng.choice([b"\"", b"'", b""])
        key = rng.choice([b"img src", b"a href", b"object data", b"p x=1 y"])
        page = b"<html>" + words(rng)[0] + b"<" + key + b"=" + quote + url + quote + b">" + words(rng)[0]
        kinds = ["inline", how, "base64" if coded else "escaped"]
        if coded and rng.random() < 0.2:
            before, behind, where = rng.choice(ELSEWHERE)
            page = b"<html>" + before + url + behind + words(rng)[0]
            kinds.append(where)
        if how != "HTML" and rng.random() < 0.4:
            book.sign("inline.hdb", name, "%s:%d:%s" % (hashlib.md5(inner).hexdigest(), len(inner), name))
            kinds += ["hash"]
        else:
            at = rng.randrange(len(inner) - 16)
            book.sign("inline.ndb", name, "%s:0:%s:%s" % (
                name, rng.choice(["*", str(at)]) if how != "HTML" else "*", inner[at:at + 16].hex()))
        book.carry(name, page, None, kinds + ["raw"], "html")
        paritycases.carry_in_mail(book, rng, name, page, None, kinds)
