#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes PDFs with predictors and encryption, and says what is in them, as unpack_reference.py does.

What a predictor makes of the rows is computed here, and qpdf is asked whether it undoes that to the same
bytes. The encrypted ones are qpdf's; without it they are left out.
"""
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib

rng = random.Random(11)
noise = bytes(rng.getrandbits(8) for _ in range(9000))
text = b"".join(b"line %d of some text that repeats itself\r\n" % i for i in range(900))
mark = b"MARK-OF-THE-TEST"
has_qpdf = shutil.which("qpdf") is not None


def pdf(*objects):
    out = b"%PDF-1.7\n"
    places = []
    for number, data in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + data + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + table +
            b"trailer\n<< /Size %d /Root 1 0 R /ID [<30313233343536373839616263646566> <00>] >>\n" %
            (len(places) + 1) + b"startxref\n%d\n%%%%EOF\n" % (out.__len__()))


def stream(data, rest):
    return b"<< /Length %d %s >>\nstream\n" % (len(data), rest) + data + b"\nendstream"


# ---- predictors --------------------------------------------------------------------------------

def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def png(data, row, pixel, tags):
    out = b""
    above = bytes(row)
    for at in range(0, len(data), row):
        line = data[at:at + row]
        tag = tags[at // row % len(tags)]
        made = bytearray([tag])
        for i, byte in enumerate(line):
            left = line[i - pixel] if i >= pixel else 0
            up = above[i]
            corner = above[i - pixel] if i >= pixel else 0
            guess = (0, left, up, (left + up) // 2, paeth(left, up, corner))[tag]
            made.append(byte - guess & 255)
        out += bytes(made)
        above = line.ljust(row, b"\0")
    return out


def tiff(data, row, colors, bits):
    """Of samples that are numbers of so many bits."""
    out = b""
    for at in range(0, len(data), row):
        line = data[at:at + row]
        whole = int.from_bytes(line, "big")
        total = 8 * len(line)
        samples = [whole >> (total - bits * (i + 1)) & (1 << bits) - 1 for i in range(total // bits)]
        made = 0
        for i, sample in enumerate(samples):
            before = samples[i - colors] if i >= colors else 0
            made = made << bits | sample - before & (1 << bits) - 1
        out += made.to_bytes(len(line), "big")
    return out


def predicted(predictor, colors, bits, columns, data, tags=(0, 1, 2, 3, 4)):
    row = (colors * bits * columns + 7) // 8
    made = tiff(data, row, colors, bits) if predictor == 2 else png(data, row, max(1, colors * bits // 8),
                                                                  tags)
    parms = b"<< /Predictor %d /Colors %d /BitsPerComponent %d /Columns %d >>" % (predictor, colors, bits,
                                                                                columns)
    return made, parms


content = text + noise
rows = {"png-5": (15, 1, 8, 5), "png-rgb": (12, 3, 8, 100), "png-bits": (10, 1, 1, 64),
        "png-16": (14, 4, 16, 30), "png-wide": (15, 1, 8, 40000), "tiff-8": (2, 3, 8, 20),
        "tiff-16": (2, 1, 16, 25), "tiff-4": (2, 3, 4, 40), "tiff-1": (2, 1, 1, 48)}
cases = {}
checked = {}
for name, (predictor, colors, bits, columns) in rows.items():
    row = (colors * bits * columns + 7) // 8
    data = content[:len(content) // row * row] if row < len(content) else content + bytes(row - len(content))
    made, parms = predicted(predictor, colors, bits, columns, data)
    file = pdf(b"<< /Type /Catalog >>", stream(zlib.compress(made), b"/Filter /FlateDecode /DecodeParms "
                                               + parms))
    cases[name] = (file, "clean", "", [(0, "2 0 obj", data)])
    if bits >= 8:
        checked[name] = data
made, parms = predicted(12, 1, 8, 7, content[:7000])
both = zlib.compress(made)
hexed = both.hex().encode() + b">"
cases.update({
    "parms-first": (pdf(stream(both, b"/DecodeParms" + parms + b"/Filter/FlateDecode")), "clean", "",
                    [(0, "1 0 obj", content[:7000])]),
    "parms-array": (pdf(stream(hexed, b"/Filter [/AHx /Fl] /DecodeParms [null " + parms + b"]")), "clean",
                    "", [(0, "1 0 obj", content[:7000])]),
    "parms-other": (pdf(stream(both, b"/Filter [/Fl] /DecodeParms [null " + parms + b"]")), "clean", "",
                    [(0, "1 0 obj", made)]),
    "parms-image": (pdf(stream(both, b"/BitsPerComponent 1 /Columns 9 /Filter /FlateDecode /DecodeParms"
                               + parms)), "clean", "", [(0, "1 0 obj", content[:7000])]),
    "parms-elsewhere": (pdf(stream(both, b"/Filter /FlateDecode /DecodeParms 9 0 R")), "suspect",
                        "unsupported-method", None),
    "parms-twice": (pdf(stream(both, b"/Filter /Fl /DecodeParms " + parms + b" /DecodeParms " + parms)),
                    "suspect", "ambiguous-archive", None),
    "parms-huge": (pdf(stream(both, b"/Filter /Fl /DecodeParms << /Predictor 12 /Columns 999999999 >>")),
                   "suspect", "unsupported-method", None),
    "parms-cut": (pdf(stream(zlib.compress(made[:-3]), b"/Filter /FlateDecode /DecodeParms " + parms)),
                  "clean", "", [(0, "1 0 obj", content[:6997])]),
})


# ---- encryption --------------------------------------------------------------------------------

ways = {"rc4-40": ["40", "--"], "rc4-128": ["128", "--use-aes=n", "--"],
        "rc4-128-v4": ["128", "--force-V4", "--"], "aes-128": ["128", "--use-aes=y", "--"],
        "aes-128-plain-metadata": ["128", "--use-aes=y", "--cleartext-metadata", "--"],
        "aes-256": ["256", "--"], "aes-256-r5": ["256", "--force-R5", "--"]}
script = b"(app.alert\\(" + mark + b"\\))"
wide = b"<" + ("\ufeff" + mark.decode()).encode("utf-16-be").hex().encode() + b">"
page = [b"<< /Type /Catalog /Pages 2 0 R /OpenAction 4 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 5 0 R >>"]
plain_action = b"<< /S /JavaScript /JS (x) >>"
encrypted = {
    "stream": (page + [plain_action, stream(zlib.compress(text + mark), b"/Filter /FlateDecode")]),
    "stored": (page + [plain_action, stream(text + mark, b"")]),
    "hex": (page + [plain_action, stream((text + mark).hex().encode(), b"/Filter /AHx")]),
    "predicted": (page + [plain_action, stream(
        zlib.compress(predicted(12, 1, 8, 7, text + mark + bytes(7 - len(text + mark) % 7))[0]),
        b"/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 7 >>")]),
    "script": (page + [b"<< /S /JavaScript /JS " + script + b" >>", stream(b"", b"")]),
    "script-wide": (page + [b"<< /S /JavaScript /JS " + wide + b" >>", stream(b"", b"")]),
    "script-short": (page + [b"<< /S /JavaScript /JS (" + mark[:15] + b"T) >>", stream(b"", b"")]),
    "clean": (page + [plain_action, stream(zlib.compress(text), b"/Filter /FlateDecode")]),
}


def qpdf(*arguments):
    done = subprocess.run(["qpdf", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode not in (0, 3):  # 3: warnings
        raise RuntimeError("qpdf " + " ".join(arguments))
    return done.stdout


def put(folder, name, data, verdict, reason, found):
    path = os.path.join(folder, name + ".pdf")
    with open(path, "wb") as file:
        file.write(data)
    print("F", path, verdict, reason, sep="\t")
    if found is None:
        print("-")
    for parent, member, inner in found or []:
        print("M", parent, member.encode().hex(), len(inner), hashlib.sha256(inner).hexdigest(), sep="\t")
    return path


def put_encrypted(folder, where):
    for content_name, objects in encrypted.items():
        source = os.path.join(where, "plain")
        with open(source, "wb") as file:
            file.write(pdf(*objects))
        for way, options in ways.items():
            for more in ([], ["--object-streams=generate"], ["--linearize"]):
                out = os.path.join(where, "made")
                # In the file as it is they would not be encrypted otherwise than by the page.
                qpdf("--allow-weak-crypto", "--stream-data=preserve", *more, "--encrypt", "", "owner",
                     *options, source, out)
                with open(out, "rb") as file:
                    data = file.read()
                name = "crypt-%s-%s%s" % (way, content_name, more[0] if more else "")
                if content_name == "clean":
                    put(folder, name, data, "clean", "", None)
                else:
                    put(folder, name, data, "infected", "signature", None)
        if content_name == "stream":
            for way, options in ways.items():
                out = os.path.join(where, "made")
                qpdf("--allow-weak-crypto", "--encrypt", "user", "owner", *options, source, out)
                with open(out, "rb") as file:
                    put(folder, "crypt-password-" + way, file.read(), "suspect", "encrypted-archive", None)
            qpdf("--encrypt", "", "owner", "256", "--", source, out)
            with open(out, "rb") as file:
                head, rest = file.read().split(b"\n", 1)
            # What leads nowhere is not followed without end: of 128 MiB at most.
            for count, padding, told in ((50, 0, ("infected", "signature")), (50, 1 << 20, ("infected", "signature")),
                                         (500, 1 << 20, ("suspect", "encrypted-archive"))):
                nowhere = b"\n%" + b"/Encrypt 999 0 R " * count + bytes(padding) + b"\n"
                put(folder, "crypt-nowhere-%d-%d" % (count, padding), head + nowhere + rest, *told, None)


def main():
    folder = sys.argv[1]
    for name, case in cases.items():
        path = put(folder, name, *case)
        if name in checked and has_qpdf:
            if qpdf("--show-object=2", "--filtered-stream-data", path) != checked[name]:
                raise RuntimeError("qpdf has other bytes of " + name)
    if not has_qpdf:
        print("unpack_reference_crypt.py: there is no qpdf", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as where:
        put_encrypted(folder, where)


if __name__ == "__main__":
    main()
