#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes PDFs, and says what is in them, as unpack_reference.py does.

Most are written here, byte by byte. Those of Ghostscript, cairo and qpdf come where these are installed;
what is in them is then what qpdf says.
"""
import base64
import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib

rng = random.Random(5)
noise = bytes(rng.getrandbits(8) for _ in range(20000))
text = b"".join(b"line %d of some text that repeats itself\r\n" % i for i in range(900))
mark = b"what is looked for, MARK OF THE PDF"


def run_length(data):
    out = b""
    while data:
        run = len(data) - len(data.lstrip(data[:1]))
        if run > 1:
            run = min(run, 128)
            out += bytes([257 - run]) + data[:1]
        else:
            run = min(len(data), 100)
            out += bytes([run - 1]) + data[:run]
        data = data[run:]
    return out + b"\x80"


def lzw(data, early=1):
    bits, count = 0, 0

    def put(code, width):
        nonlocal bits, count
        bits = bits << width | code
        count += width

    table, width, word = {}, 9, b""
    put(256, 9)
    for byte in data:
        longer = word + bytes([byte])
        if len(longer) == 1 or longer in table:
            word = longer
            continue
        put(table[word] if len(word) > 1 else word[0], width)
        table[longer] = 258 + len(table)
        if 258 + len(table) - 1 + early >= 1 << width:
            width += 1
        if len(table) > 4095 - 258 - 2:
            put(256, min(width, 12))
            table, width = {}, 9
        word = longer[-1:]
    if word:
        put(table[word] if len(word) > 1 else word[0], width)
        if 258 + len(table) + early >= 1 << width:
            width += 1
    put(257, min(width, 12))
    pad = -count % 8
    return (bits << pad).to_bytes((count + pad) // 8, "big")


def stream(number, data, entries=b"", length=None, line=b"\n", end=b"\n"):
    if length is None:
        length = b"/Length %d" % len(data)
    return (b"%d 0 obj\n<< %s %s >>\nstream%s%s%sendstream\nendobj\n"
            % (number, length, entries, line, data, end))


def pdf(*parts, head=b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", trailer=b""):
    return head + b"".join(parts) + b"trailer\n<< /Size 9 /Root 1 0 R %s>>\n%%%%EOF\n" % trailer


def packed(data):
    return zlib.compress(data)


def raw(data):
    return zlib.compress(data)[2:-4]


def stored(data):
    """A zlib stream in which the bytes stand as they are."""
    return b"\x78\x01\x01" + len(data).to_bytes(2, "little") + (
        len(data) ^ 0xFFFF).to_bytes(2, "little") + data + zlib.adler32(data).to_bytes(4, "big")


def a85(data):
    return base64.a85encode(data, wrapcol=60) + b"~>"


def hexed(data):
    return base64.b16encode(data) + b">"


archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
    made.writestr(zipfile.ZipInfo("inner.txt", (2020, 1, 1, 0, 0, 0)), text)
inner_zip = archive.getvalue()
inner_pdf = pdf(stream(3, packed(mark), b"/Filter /FlateDecode"))
one = [(0, "4 0 obj", mark)]
many = [(0, "4 0 obj", text + noise)]
FLATE = b"/Filter /FlateDecode"
hidden = stream(8, packed(b"hidden"), FLATE)
catalog = b"1 0 obj\n<< /Type /Catalog /Names (a \\) b (c) ( << stream)) >>\nendobj\n"

# name: (bytes, verdict, reason, members or None where they are not compared)
cases = {
    "flate": (pdf(catalog, stream(4, packed(text + noise), FLATE)), "clean", "", many),
    "abbreviated": (pdf(stream(4, a85(packed(text + noise)), b"/Filter [/A85 /Fl]")), "clean", "",
                    many),
    "three-filters": (pdf(stream(4, hexed(a85(packed(text + noise))),
                                 b"/Filter[/ASCIIHexDecode/ASCII85Decode/FlateDecode]")),
                      "clean", "", many),
    "four-filters": (pdf(stream(4, packed(hexed(packed(run_length(text + noise)))),
                                b"/Filter[/Fl/AHx/Fl/RL]")), "clean", "", many),
    "five-filters": (pdf(stream(4, packed(packed(packed(packed(packed(mark))))),
                                b"/Filter[/Fl/Fl/Fl/Fl/Fl]")), "clean", "",
                     [(0, "4 0 obj", packed(mark)), (0, "4 0 obj", mark)]),
    "escaped-names": (pdf(stream(4, a85(packed(mark)), b"/#46ilter[/#41SCII85Decode/F#6cateDecode]")),
                      "clean", "", one),
    "run-length": (pdf(stream(4, run_length(b"aaaaaabc" * 900 + bytes(700)), b"/Filter /RL")),
                   "clean", "", [(0, "4 0 obj", b"aaaaaabc" * 900 + bytes(700))]),
    "lzw": (pdf(stream(4, lzw(text + noise), b"/Filter /LZWDecode")), "clean", "", many),
    "lzw-late": (pdf(stream(4, lzw(text + noise, 0),
                            b"/Filter /LZWDecode /DecodeParms << /EarlyChange 0 >>")),
                 "clean", "", many),
    "base85-tail": (pdf(*[stream(i, a85(noise[:i] + bytes(4 * i)), b"/Filter /A85")
                          for i in range(1, 9)]), "clean", "",
                    [(0, "%d 0 obj" % i, noise[:i] + bytes(4 * i)) for i in range(1, 9)]),
    "base85-opened": (pdf(stream(4, b"<~" + a85(mark), b"/Filter /A85"),
                          stream(5, a85(mark)[:-2], b"/Filter /A85")), "clean", "",
                      one + [(0, "5 0 obj", mark)]),
    "hex-odd": (pdf(stream(4, b"4 d\n4>", b"/Filter /AHx"), stream(5, b"4d4", b"/Filter /AHx")),
                "clean", "", [(0, "4 0 obj", b"M@"), (0, "5 0 obj", b"M@")]),
    "no-length": (pdf(stream(4, packed(text + noise), FLATE, b"")), "clean", "", many),
    "no-length-plain": (pdf(stream(4, text + b"ends endstrea endstrendstream", b"", b"", b"\r\n", b"\r\n")),
                        "suspect", "ambiguous-archive", None),
    # Readers begin behind the line of the word, whatever else is in it; without a line end, right behind the word.
    **{"line-%d" % n: (pdf(stream(4, packed(text + noise), FLATE, line=line)), "clean", "", many)
       for n, line in enumerate([b"x\n", b"%comment\r\n", b" 5 \r", b"(a) b\n", b"\0\n", b"x x\n", b"", b" \n"])},
    "plain": (pdf(stream(4, text, b"", b"", b"\r\n", b"\r\n"), stream(5, text + b"\r\n")), "clean", "",
              [(0, "4 0 obj", text[:-2] + b"\r\n"), (0, "5 0 obj", text + b"\r\n")]),
    "plain-words": (pdf(stream(4, mark + b"\nendstream\nendobj\n", b"/Type /X")), "clean", "",
                    [(0, "4 0 obj", mark + b"\nendstream\nendobj\n")]),
    "length-elsewhere": (pdf(stream(4, packed(text + noise), FLATE, b"/Length 5 0 R"),
                             b"5 0 obj\n12345\nendobj\n"), "clean", "", many),
    "length-short": (pdf(stream(4, text + noise, b"", b"/Length 3")), "clean", "", many),
    "length-short-packed": (pdf(stream(4, packed(text + noise), FLATE, b"/Length 3")), "clean", "",
                            many),
    "length-long-packed": (pdf(stream(4, packed(mark), FLATE, b"/Length 99999"),
                               stream(5, packed(text), FLATE, b"/Length 1")), "clean", "",
                           one + [(0, "5 0 obj", text)]),
    "length-long": (pdf(stream(4, mark, b"", b"/Length 500"), hidden), "suspect",
                    "ambiguous-archive", None),
    "line-return": (pdf(stream(4, packed(mark), FLATE, line=b"\r")), "clean", "", one),
    "line-blank": (pdf(stream(4, packed(mark), FLATE, line=b"  \r\n", end=b"")), "clean", "", one),
    "wrong-check": (pdf(stream(4, b"\x78\x00" + raw(text + noise), FLATE)), "clean", "", many),
    "no-header": (pdf(stream(4, raw(text + noise), FLATE)), "clean", "", many),
    "line-first": (pdf(stream(4, b"\r\n" + packed(mark), FLATE, line=b"\n")), "clean", "", one),
    "filter-elsewhere": (pdf(stream(4, packed(mark), b"/Filter 7 0 R")), "clean", "", one),
    "filter-elsewhere-other": (pdf(stream(4, a85(mark), b"/Filter 7 0 R")), "suspect",
                               "unsupported-method", None),
    "filter-short": (pdf(stream(4, packed(mark), b"/F /FlateDecode"), stream(5, a85(packed(mark)), b"/F [/A85 /Fl]")),
                     "clean", "", one + [(0, "5 0 obj", mark)]),
    "filter-short-beside": (pdf(stream(4, packed(mark), FLATE + b"/F /A85"), stream(5, packed(mark), b"/F [/A85] " + FLATE)), "suspect",
                            "ambiguous-archive", one + [(0, "5 0 obj", mark)]),
    "filter-short-twice": (pdf(stream(4, packed(mark), b"/F /A85 /F /Fl")), "suspect", "ambiguous-archive", one),
    "filter-short-elsewhere": (pdf(stream(4, hexed(mark), b"/F 5 0 R"), b"5 0 obj /AHx endobj\n"), "clean", "",
                               [(0, "4 0 obj", b""), (0, "4 0 obj", mark)]),
    "file-elsewhere": (pdf(stream(4, packed(mark), FLATE + b"/F (a.bin)"), stream(5, packed(mark), FLATE + b"/F <</F [/A85]>>")),
                       "clean", "", one + [(0, "5 0 obj", mark)]),
    "filter-unknown": (pdf(stream(4, packed(mark), b"/Filter [/None /FlateDecode /Other]")), "clean", "", one),
    "line-none": (pdf(stream(4, packed(mark), FLATE, line=b""), stream(5, mark, line=b"\n")), "clean", "",
                  one + [(0, "5 0 obj", mark)]),
    "filter-twice": (pdf(stream(4, packed(mark), FLATE + b"/Filter /A85")), "suspect",
                     "ambiguous-archive", None),
    "image": (pdf(stream(4, b"\xff\xd8\xff" + noise, b"/Filter /DCTDecode")), "clean", "",
              [(0, "4 0 obj", b"\xff\xd8\xff" + noise)]),
    "packed-image": (pdf(stream(4, packed(b"\xff\xd8\xff" + noise), b"/Filter [/Fl /DCT]")), "clean",
                     "", [(0, "4 0 obj", b"\xff\xd8\xff" + noise)]),
    "blank-image": (pdf(stream(4, packed(bytes(30 << 20)), FLATE)), "clean", "",
                    [(0, "4 0 obj", bytes(30 << 20))]),
    "bomb": (pdf(stream(4, packed(packed(bytes(30 << 20))), b"/Filter [/Fl /Fl]")), "suspect",
             "archive-bomb", None),
    "zip-packed": (pdf(stream(4, packed(inner_zip), FLATE + b"/Type /EmbeddedFile")), "clean", "",
                   [(0, "4 0 obj", inner_zip), (1, "inner.txt", text)]),
    "pdf-packed": (pdf(stream(4, packed(inner_pdf), FLATE)), "clean", "",
                   [(0, "4 0 obj", inner_pdf), (1, "3 0 obj", mark)]),
    "pdf-plain": (pdf(stream(4, inner_pdf)), "clean", "",
                  [(0, "4 0 obj", inner_pdf), (1, "3 0 obj", mark)]),
    "zip-behind": (pdf(stream(4, packed(mark), FLATE)) + inner_zip, "clean", "",
                   one + [(0, "inner.txt", text)]),
    "header-late": (bytes(1000) + pdf(stream(4, packed(mark), FLATE)), "clean", "", one),
    "object-in-comment": (pdf(b"% 4 0 obj << /Filter /Fl >> stream\n" + packed(mark) + b"endstream\n"),
                          "clean", "", one),
    "object-in-string": (pdf(b"3 0 obj (a 4 0 obj << /Filter /Fl >>stream\n" + packed(mark) +
                             b"endstream endobj )"), "suspect", "ambiguous-archive", None),
    "object-in-packed": (pdf(stream(3, packed(b"33") + stream(4, packed(mark), FLATE), FLATE)), "clean",
                         "", [(0, "3 0 obj", b"33"), (0, "4 0 obj", mark)]),
    "object-in-plain": (pdf(stream(3, b"3 " + stream(4, packed(mark), FLATE))), "suspect",
                        "ambiguous-archive", None),
    "object-in-stored": (pdf(stream(3, stored(b"\nendstream\nendobj\n" + hidden), FLATE)), "suspect",
                         "ambiguous-archive", None),
    "glued": (pdf(b"0 0 obj 0 endobj4 0 obj<</Filter/FlateDecode>>stream\n" + packed(mark) +
                  b"endstreamendobj5 0 obj<</Length 1>>stream\nxendstream"), "clean", "",
              one + [(0, "5 0 obj", b"x")]),
    "gap-in-header": (pdf(b"4 0%c\nobj % <<\n<< %>>\n" + FLATE + b">> %\nstream\n" + packed(mark) +
                          b"\nendstream"), "clean", "", one),
    "script": (pdf(b"4 0 obj << /S /JavaScript /JS (a\\050b\\)\\\r\n(c)\\n\\0501\\8\r\nd\\1019) >>"),
               "clean", "", [(0, "JavaScript", b"a(b)(c)\n(18\ndA9")]),
    "script-hex": (pdf(b"4 0 obj << /#4aS <61 6C6\n5> /JS () >>"), "clean", "",
                   [(0, "JavaScript", b"ale"), (0, "JavaScript", b"")]),
    "script-wide": (pdf(b"4 0 obj << /JS <" + "\ufeffal\u20ac\U0001f600".encode("utf-16-be").hex().encode()
                        + b"> >> endobj 5 0 obj (\xff\xfea\0\\n\0) endobj"), "clean", "",
                    [(0, "JavaScript", "al\u20ac\U0001f600".encode()), (0, "JavaScript", b"a\n")]),
    "script-long": (pdf(b"4 0 obj << /JS (" + text * 3 + b") >>"), "clean", "",
                    [(0, "JavaScript", text.replace(b"\r", b"") * 3)]),
    "no-script": (pdf(b"4 0 obj << /Title (app.alert) /X [/JS (a)] /JS 5 0 R >>"), "clean", "", []),
    "encrypted": (pdf(stream(4, noise, FLATE), trailer=b"/Encrypt 9 0 R"), "suspect",
                  "encrypted-archive", None),
    "encrypted-here": (pdf(stream(4, noise, FLATE), trailer=b"/Encrypt << /V 2 >>"), "suspect",
                       "encrypted-archive", None),
    "not-encrypted": (pdf(b"4 0 obj << /Encrypt null /X << /Encrypt 1 0 R >> >> endobj"), "clean", "",
                      []),
    "cut-stream": (pdf(stream(4, mark + b"\r\nendst", b"", b""))[:-len(b"\nendstream\nendobj\n") -
                   len(pdf()) + 17], "clean", "", None),
}
# What a parameter is, or all of them, or the filters, may stand elsewhere, before or behind; where it cannot be found
# or is not to be read the PDF is suspect.
plain_rows = b"".join(b"\0" + mark[i:i + 4] for i in range(0, len(mark) // 4 * 4, 4))
told = mark[:len(mark) // 4 * 4]
for at, (where, what) in {
        "parms": (b"/DecodeParms 5 0 R", b"<< /Predictor 12 /Columns 4 >>"),
        "parms-list": (b"/DecodeParms 5 0 R", b"[ << /Columns 4 /Predictor 15 >> ]"),
        "parms-in-list": (b"/DecodeParms [ 5 0 R ]", b"<< /Columns 4 /Predictor 12 >>"),
        "columns": (b"/DecodeParms << /Predictor 12 /Columns 5 0 R >>", b"4"),
        "predictor": (b"/DecodeParms << /Predictor 5 0 R /Columns 4 >>", b"12")}.items():
    holder = b"5 0 obj " + what + b" endobj\n"
    body = stream(4, packed(plain_rows), FLATE + where)
    for side, whole in (("before", holder + body), ("behind", body + holder)):
        cases["elsewhere-%s-%s" % (at, side)] = (
            pdf(whole), "clean", "",
            [(0, "4 0 obj", plain_rows), (0, "4 0 obj", told)] if "parms" in at else None)
    for fault, text in (("missing", b""), ("reference", holder.replace(b"4 ", b"6 0 R ").replace(b"12 ", b"6 0 R ")),
                        ("late", b"5 0 obj << /EarlyChange 0 /Predictor 12 >> endobj\n")):
        cases["elsewhere-%s-%s" % (at, fault)] = (pdf(body + text), "suspect", "unsupported-method", None)
for name, elsewhere, data in (("hex", b"/AHx", hexed(mark)), ("list", b"[ /ASCIIHexDecode /FlateDecode ]", hexed(packed(mark)))):
    cases["elsewhere-filter-" + name] = (
        pdf(stream(4, data, b"/Filter 5 0 R"), b"5 0 obj " + elsewhere + b" endobj\n"), "clean", "",
        [(0, "4 0 obj", b""), (0, "4 0 obj", mark)])
# Of several objects the table tells which one is meant, and one in an object stream is not looked for.
for name, other in {
        "before": b"5 0 obj /AHx endobj\n", "spaced": b"05\r\n0  obj/AHx endobj\n",
        "in-stream": stream(9, b"5 0 /ASCIIHexDecode", b"/Type /ObjStm /N 1 /First 4")}.items():
    used = stream(4, hexed(mark), b"/Filter 5 0 R")
    decoy = b"5 0 obj /RL endobj\n"
    for side, whole in (("before", other + used + decoy), ("behind", decoy + used + other)):
        cases["elsewhere-twice-%s-%s" % (name, side)] = (pdf(whole), "suspect", "unsupported-method", None)
for name, numbers in (("points", b"/Predictor 12.0 /Columns 4."), ("plus", b"/Predictor +12 /Columns +004.0")):
    cases["numbers-" + name] = (pdf(stream(4, packed(plain_rows), FLATE + b"/DecodeParms <<" + numbers + b">>")), "clean", "",
                                [(0, "4 0 obj", told)])
deep = [mark]
for i in range(12):
    deep.append(packed(deep[-1]) if i % 2 == 0 else a85(deep[-1]))
# As it passes four are undone, all of them when it is whole.
cases["twelve-filters"] = (pdf(stream(4, deep[12], b"/Filter [" + b"/A85 /Fl " * 6 + b"]")), "clean", "",
                           [(0, "4 0 obj", deep[8]), (0, "4 0 obj", mark)])
cases["thirteen-filters"] = (pdf(stream(4, packed(deep[12]), b"/Filter [/Fl " + b"/A85 /Fl " * 6 + b"]")), "suspect",
                             "unsupported-method", None)
# What is called a PDF is read as one whatever it begins with.
bare = pdf(stream(4, packed(mark), FLATE), head=b"")
both = gzip.compress(b"hello", mtime=0) + pdf(stream(4, packed(mark), FLATE))
for name, inner, found in (("bare.PDF", bare, [(1, "4 0 obj", mark)]), ("bare.bin", bare, []),
                           ("both.pdf", both, [(1, "", b"hello"), (1, "4 0 obj", mark)]), ("both.gz", both, [(1, "", b"hello")])):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), inner)
    cases["called-" + name + ".zip"] = (archive.getvalue(), "clean", "", [(0, name, inner)] + found)
# Which is an RTF as well: there may be a zip behind it, for which there is no third view.
third = io.BytesIO()
with zipfile.ZipFile(third, "w", zipfile.ZIP_STORED) as made:
    made.writestr("third.pdf", b"{\\rtf1 }\n" + pdf(stream(4, packed(mark), FLATE)))
cases["called-third.pdf.zip"] = (third.getvalue(), "suspect", "ambiguous-archive", None)
holder = b"11 0 12 30 << /S /JavaScript /JS (\\141lert) >> <</X (endobj)/JS<61>>>"
cases["object-stream"] = (
    pdf(stream(4, packed(holder), FLATE + b"/Type /ObjStm /N 2 /First 11")), "clean", "",
    [(0, "4 0 obj", holder), (1, "JavaScript", b"alert"), (1, "JavaScript", b"a")])


def put(folder, name, data, verdict, reason, found):
    path = os.path.join(folder, name + ".pdf")
    with open(path, "wb") as file:
        file.write(data)
    print("F", path, verdict, reason, sep="\t")
    if found is None:
        print("-")
    for parent, member, inner_data in found or []:
        print("M", parent, member.encode().hex(), len(inner_data),
              hashlib.sha256(inner_data).hexdigest(), sep="\t")


def told_by_qpdf(data):
    """The streams of a file, as qpdf unpacks them, in the order in which they stand; but for images
    and tables of objects, whose predictors it undoes or that it does not show."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        out = subprocess.run(["qpdf", "--json=2", "--json-stream-data=inline",
                              "--decode-level=generalized", file.name], capture_output=True,
                             check=True).stdout
    found = []
    for key, value in json.loads(out)["qpdf"][1].items():
        if not key.startswith("obj:") or "stream" not in value:
            continue
        name = key[4:-2] + " obj"
        at = re.search(rb"(?:^|[\r\n])" + name.encode() + rb"\b", data).start()
        content = base64.b64decode(value["stream"]["data"])
        dictionary = data[at:data.index(b"stream", at)]
        # Whether the line end before "endstream" counts is told behind it: here it never does.
        if b"/Filter" not in dictionary and re.search(rb"/Length \d+ 0 R", dictionary):
            content = content.removesuffix(b"\n")
        found.append((at, name, content))
    return [(0, name, content) for at, name, content in sorted(found)]


def made_by_tools(folder):
    source = os.path.join(folder, "source.ps")
    page = b"/Helvetica findfont 20 scalefont setfont 99 99 moveto (Page %d) show showpage\n"
    base = os.path.join(folder, "base.pdf")
    made = []
    with open(source, "wb") as file:
        file.write(b"%!PS\n" + b"".join(page % i for i in range(5)))
    for name, options in (("gs", []), ("gs-85", ["-dASCII85EncodePages=true"]),
                          ("gs-1.2", ["-dCompatibilityLevel=1.2"]), ("gs-plain", ["-dCompressPages=false"])):
        target = os.path.join(folder, name)
        subprocess.run(["gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", *options,
                        "-sOutputFile=" + target, source], check=True, stdout=subprocess.DEVNULL)
        made.append(name)
    shutil.copy(os.path.join(folder, "gs"), base)
    for name, options in (("qpdf-qdf", ["--qdf"]), ("qpdf-linear", ["--linearize"]),
                          ("qpdf-plain", ["--stream-data=uncompress"]),
                          ("qpdf-attachment", ["--add-attachment", source, "--"])):
        subprocess.run(["qpdf", base, *options, os.path.join(folder, name)], check=True)
        made.append(name)
    try:
        import cairo
        surface = cairo.PDFSurface(os.path.join(folder, "cairo"), 300, 300)
        context = cairo.Context(surface)
        for number in range(3):
            context.move_to(10, 100)
            context.show_text("Page %d" % number)
            context.show_page()
        surface.finish()
        made.append("cairo")
    except ImportError:
        print("unpack_reference_pdf.py: no cairo", file=sys.stderr)
    return made


def put_real(target):
    if shutil.which("gs") is None or shutil.which("qpdf") is None:
        print("unpack_reference_pdf.py: no Ghostscript or no qpdf", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in made_by_tools(folder):
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            found = [] if b"/XRef" in data else told_by_qpdf(data)
            put(target, name, data, "clean", "", found or None)


for case_name, case in cases.items():
    put(sys.argv[1], case_name, *case)
put_real(sys.argv[1])
