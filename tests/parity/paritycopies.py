# SPDX-License-Identifier: BSD-3-Clause
"""ClamAV's own copies of texts and HTML against ours, byte for byte.

clamscan keeps its copies (--leave-temps). Each is cut into pieces, and each piece becomes a signature for
its exact place: ours has the same copy when it finds them all, and the last bytes at its end. The digests
of those of HTML are looked up by both.
"""
import email
import email.policy
import hashlib
import itertools
import os
import re
import subprocess

import paritycorpus
import parityrun

PARTS = 500
LARGEST = 40000
PIECE = 160
PIECES = 40  # of a copy
END = 24
TARGETS = {"nocomment.html": (3,), "notags.html": (3,), "javascript": (3, 7), "text": (7,)}
# What ClamAV looks for in the first KiB.
EARLY = re.compile(rb"<(head>|html>|iframe|img|object|script|table)|<a .*href|<%@ LANGUAGE =", re.I | re.S)


def parts(folder):
    """Writes texts and HTML of the test mail: {name: bytes}."""
    found = {}
    os.makedirs(folder)
    for path in paritycorpus.mails():
        with open(os.path.join(paritycorpus.DATA, path), "rb") as file:
            message = email.message_from_bytes(file.read(), policy=email.policy.compat32)
        try:
            leaves = list(paritycorpus.payloads(message))
        except Exception:  # whatever the package fails with: it has no opinion then
            continue
        for kind, _, data in leaves:
            if kind.startswith("text/") and 16 < len(data) < LARGEST:
                found.setdefault(data, kind)
    html = [data for data, kind in found.items() if kind == "text/html"]
    plain = [data for data, kind in found.items() if kind != "text/html"]
    chosen = [row[at] for row in (html, plain)
              for at in range(0, len(row), max(1, 2 * len(row) // PARTS))]
    names = {"part%04d" % number: data for number, data in enumerate(chosen)}
    for name, data in names.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return names


def their_copies(folder, files, temporary):
    """{name: {kind: bytes}} of what clamscan leaves."""
    database = os.path.join(folder, "nothing")
    os.makedirs(database)
    os.makedirs(temporary)
    with open(os.path.join(database, "nothing.ndb"), "w", encoding="ascii") as file:
        file.write("".join("Nothing.%d:%d:*:%s\n" % (n, n, b"no such words".hex()) for n in (0, 3, 7)))
    subprocess.run([parityrun.CLAMSCAN, "--leave-temps", "--no-summary", "--tempdir=" + temporary,
                    "-d", database, files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=parityrun.LIMIT_SECONDS, check=True)
    copies, mails = {}, set()
    for top, _, names in sorted(os.walk(temporary)):
        owner = re.search(r"(part\d{4})\.", top)
        if owner and "mail-tmp" in top:
            mails.add(owner[1])  # its copies are of what it holds
        for name in names:
            kind = "text" if name.startswith("clamav-") else name
            if owner and kind in TARGETS:
                with open(os.path.join(top, name), "rb") as file:
                    copies.setdefault(owner[1], {}).setdefault(kind, file.read())
    return {name: kinds for name, kinds in copies.items() if name not in mails}


def pieces(data):
    """(offset, bytes) of signatures that together fix every byte that they cover, and the length."""
    step = max(PIECE, len(data) // PIECES)
    for at in range(0, len(data) - 3, step):
        yield str(at), data[at:at + PIECE]
    if len(data) >= END:
        yield str(len(data) - END), data[-END:]
        yield "EOF-%d" % END, data[-END:]


def compare(folder, make=parts):
    """(copies compared, pieces, [what differs]) of the files that make(folder) writes"""
    files, database = os.path.join(folder, "files"), os.path.join(folder, "db")
    names = make(files)
    copies = their_copies(folder, files, os.path.join(folder, "temporary"))
    os.makedirs(database)
    signatures, digests, wanted = {}, {}, []
    for name, kinds in copies.items():
        if "nocomment.html" in kinds and not EARLY.search(names[name][:1024]):
            continue  # ours begins with the first tag
        for kind, data in kinds.items():
            if kind != "text" and len(data) > END:
                digest = "%s:%d" % (hashlib.md5(data).hexdigest(), len(data))
                wanted.append((name, kind, "all", digests.setdefault(digest, "Digest.%d" % len(digests))))
            for target, (offset, piece) in itertools.product(TARGETS[kind], pieces(data)):
                key = (target, offset, piece)
                wanted.append((name, kind, offset, signatures.setdefault(key, "Copy.%d" % len(signatures))))
    with open(os.path.join(database, "copies.ndb"), "w", encoding="ascii") as file:
        for (target, offset, piece), signature in signatures.items():
            file.write("%s:%d:%s:%s\n" % (signature, target, offset, piece.hex()))
    with open(os.path.join(database, "copies.hdb"), "w", encoding="ascii") as file:
        for digest, signature in digests.items():
            file.write("%s:%s\n" % (digest, signature))
    ours = parityrun.cordonctl(database, files)
    wrong = ["%s %s at %s" % (name, kind, offset) for name, kind, offset, signature in wanted
             if signature not in ours.names[name]]
    return len({(name, kind) for name, kind, _, _ in wanted}), len(wanted), wrong
