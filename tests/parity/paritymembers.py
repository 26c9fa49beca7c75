# SPDX-License-Identifier: BSD-3-Clause
"""Signatures of what lies in containers (.cdb), with archives and mails that have it or just miss it."""
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile

import paritygen
import paritymail

WORDS = ["invoice", "Report", "setup", "photo", "readme", "a", "order-17", "x_y"]
ENDINGS = ["exe", "scr", "txt", "PDF", "js", "doc", "tar.gz"]


def member(rng):
    name = rng.choice(WORDS) + str(rng.randrange(100)) + "." + rng.choice(ENDINGS)
    return (rng.choice(["", "", "dir/", "a/b/"]) + name,
            paritygen.some(rng, paritygen.TEXT, rng.randrange(8, 300)))


def make_zip(rng, members):
    """(bytes, [(name, packed, size, encrypted, position)])"""
    out = io.BytesIO()
    facts = []
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            file.writestr(info, data)
            facts.append((name, info.compress_size, len(data), 0, len(facts) + 1))
    return "CL_TYPE_ZIP", out.getvalue(), facts


def make_encrypted_zip(rng, members):
    """Members that say that they are encrypted; what they hold is then noise to everybody."""
    kind, data, facts = make_zip(rng, members)
    data = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as file:
        for info in file.infolist():
            data[info.header_offset + 6] |= 1
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return kind, bytes(data), [fact[:3] + (1,) + fact[4:] for fact in facts]


def make_tar(rng, members):
    out = io.BytesIO()
    facts = []
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
            facts.append((name, len(data), len(data), 0, len(facts) + 1))
    return "CL_TYPE_POSIX_TAR", out.getvalue(), facts


def run(command, members):
    """What a tool makes of these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in members:
            os.makedirs(os.path.dirname(os.path.join(folder, name)) or folder, exist_ok=True)
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        subprocess.run(command + [name for name, _ in members], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.path.join(folder, "made.out"), "rb") as file:
            return file.read()


def different(members):
    return list({name: (name, data) for name, data in members}.values())


def plain(members):
    return different((name.rpartition("/")[2], data) for name, data in members)


def make_cab(rng, members):
    members = plain(members)
    return "CL_TYPE_MSCAB", run(["gcab", "-cn", "made.out"], members), [
        (name, 0, len(data), 0, at) for at, (name, data) in enumerate(members)]


def make_7z(rng, members):
    members = different(members)
    return "CL_TYPE_7Z", run(["bsdtar", "--format", "7zip", "-cf", "made.out"], members), [
        (name, 0, len(data), 0, at) for at, (name, data) in enumerate(members)]


def make_encrypted_7z(rng, members):
    name, data = members[0]
    name = name.rpartition("/")[2]
    made = run(["7zz", "a", "-bd", "-t7z", "-psecret", "made.out"], [(name, data)])
    return "CL_TYPE_7Z", made, [(name, 0, len(data), 1, 0)]


def make_cpio(rng, members):
    members = different(members)
    form = rng.choice(["NEWC", "ODC"])
    return "CL_TYPE_CPIO_" + form, run(
        ["bsdtar", "--format", form.lower(), "-cf", "made.out"], members), [
            (name, len(data), len(data), 0, at + 1) for at, (name, data) in enumerate(members)]


def make_iso(rng, members):
    members = plain(members)
    return "CL_TYPE_ISO9660", run(["genisoimage", "-quiet", "-J", "-o", "made.out"], members), [
        (name, len(data), len(data), 0, 0) for name, data in members]


def makers():
    tools = {make_cab: "gcab", make_7z: "bsdtar", make_encrypted_7z: "7zz", make_cpio: "bsdtar",
             make_iso: "genisoimage"}
    return [make_zip, make_zip, make_tar, make_mail, make_mail, make_encrypted_zip] + [
        make for make, tool in tools.items() if shutil.which(tool)]


def make_mail(rng, members):
    name, data = members[0]
    name = name.rpartition("/")[2]
    head = rng.choice([b"Content-Type: application/octet-stream\n", b"Content-Type: image/png\n"])
    one = head + b"Content-Transfer-Encoding: base64\n" + (
        b'Content-Disposition: attachment; filename="%s"\n\n' % name.encode())
    text = b"Content-Type: text/plain\n\n" + paritymail.PROSE
    body = (b"From: a@example.org\nTo: b@example.com\nSubject: s\nMIME-Version: 1.0\n"
            + paritymail.multipart(rng, [text, one + paritymail.encoded(rng, data, "base64")]))
    return "CL_TYPE_MAIL", body, [(name, len(data), len(data), 0, 0)]


def expression(rng, name):
    """An extended regular expression that finds the name."""
    base = name.rpartition("/")[2]
    stem, _, ending = base.partition(".")
    plain = base.replace(".", r"\.")
    return rng.choice([
        plain, plain + "$", r"\.%s$" % ending.replace(".", r"\."), "^.*%s" % stem[:3],
        "(?i)" + plain.swapcase(), stem[0] + "[a-zA-Z0-9_-]*[.]", "(zzz|%s)" % plain,
        "^([^/]*/)*%s$" % plain, stem[:1] + "+", "[0-9A-Za-z_-]+[.][]A-Za-z[]{1,4}$", "*"])


def number(rng, value):
    """(text, whether the value is meant)"""
    return rng.choice([
        ("*", True), ("*", True), ("*", True), ("%d" % value, True),
        ("%d-%d" % (max(value - 3, 1), value + 3), True), ("0-%d" % (value + 1), True),
        ("%d-0" % max(value - 1, 1), True), ("%d" % (value + 1), False),
        ("%d-%d" % (value + 1, value + 9), False), ("%d-%d" % (value + 2, value), False)])


def container_members(book, rng, count):
    for sign in range(count):
        name = "Member.%d" % sign
        make = rng.choice(makers())
        kind, data, facts = make(rng, [member(rng) for _ in range(rng.randrange(1, 4))])
        fact = rng.choice(facts)
        fields = [number(rng, len(data)), (expression(rng, fact[0]), True), number(rng, fact[1]),
                  number(rng, fact[2]),
                  rng.choice([("*", True), ("%d" % fact[3], True), ("%d" % (1 - fact[3]), False)]),
                  number(rng, fact[4])]
        shown = rng.choice([kind, kind, "*", "CL_TYPE_ANY", "CL_TYPE_RAR"])
        is_right = all(right for _, right in fields) and shown != "CL_TYPE_RAR"
        book.sign("members.cdb", name, ":".join(
            [name, shown] + [text for text, _ in fields] + ["*", "*"]
            + rng.choice([[], [], ["51"], ["51", "255"]])))
        kinds = ["members", kind, make.__name__]
        book.carry(name, data, None, kinds + ([] if is_right else ["miss"]),
                   "eml" if make is make_mail else "bin")
        if rng.random() < 0.3 and make is not make_mail:
            book.carry(name, paritymail.mail(rng, data, "base64", "mixed", rng.random() < 0.5), None,
                       kinds + ["mail"], "eml")
