# SPDX-License-Identifier: BSD-3-Clause
"""Signatures with the files that they should find and just miss, as folders for both engines.

A Book collects signature lines and files. Each file is noted with the signature that it was made
for, whether that should be found, and tags that tell how it was made: the explanations of known
differences go by these.
"""
import collections
import hashlib
import os
import re

import paritygen
import paritymail
import parityrun

Note = collections.namedtuple("Note", "signature line should tags")


LINE = 999  # bytes: ClamAV breaks longer lines of a mail


class Book:
    def __init__(self, folder):
        self.database, self.files = os.path.join(folder, "db"), os.path.join(folder, "files")
        os.makedirs(self.database)
        os.makedirs(self.files)
        self.lines = collections.defaultdict(list)  # of a signature file
        self.notes = {}
        self.line_of = {}
        self.refused = []  # (line, why), by ClamAV

    def sign(self, file, name, line):
        self.lines[file].append(line)
        self.line_of[name] = line

    def carry(self, signature, data, should, tags, suffix="bin"):
        name = "%06d.%s" % (len(self.notes), suffix)
        with open(os.path.join(self.files, name), "wb") as file:
            file.write(data)
        self.notes[name] = Note(signature, self.line_of.get(signature, ""), should, tuple(tags))

    def _write(self, file):
        with open(os.path.join(self.database, file), "w", encoding="ascii") as out:
            out.write("".join(line + "\n" for line in self.lines[file]))

    def close(self):
        """Writes the signature files, without the lines for which ClamAV would refuse all."""
        nothing = os.path.join(self.files, "000000.none")
        with open(nothing, "wb"):
            pass
        for file in self.lines:
            self._write(file)
        while (refused := parityrun.refused_line(self.database, nothing)) is not None:
            file, number, why = refused
            self.refused.append((self.lines[file].pop(number - 1), why))
            self._write(file)
        os.unlink(nothing)


def carry_in_mail(book, rng, name, data, should, tags):
    """8bit carries what stays itself as lines of text; anything else is encoded."""
    encoding = rng.choice(paritymail.ENCODINGS)
    if encoding == "8bit" and any(c in data for c in b"\r\n"):
        encoding = "base64"
    if encoding == "8bit" and len(data) > LINE:
        tags = tags + ["long line"]
    if len(data) == 5:
        tags = tags + ["five bytes"]
    form, crlf = rng.choice(paritymail.FORMS), rng.random() < 0.5
    tags = tags + ["mail", encoding, form, "crlf" if crlf else "lf"]
    book.carry(name, paritymail.mail(rng, data, encoding, form, crlf), should, tags, "eml")


def places(data, pair):
    """Tags of the data around a match, the second of the pair."""
    return (["at the first byte"] if data.startswith(pair[1]) else []) + (
        ["a tag by chance"] if re.search(rb"<[A-Za-z]", data) else []) + (
        [] if re.search(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]", data) else ["reads as text"])


def carry_raw(book, name, data, pair, should, tags):
    book.carry(name, data, should, tags + ["raw"] + places(data, pair))


def body_signatures(book, rng, count):
    """.ndb for any object: raw files and attachments, hits and near misses."""
    for number in range(count):
        name = "Body.%d" % number
        is_text = rng.random() < 0.4
        alphabet = paritygen.TEXT if is_text else paritygen.BINARY
        pattern = paritygen.Pattern(rng, alphabet)
        offset = paritygen.Offset(rng, pattern)
        level = rng.choice(["", "", "", ":51", ":51:255", ":1:300"])
        book.sign("body.ndb", name, "%s:0:%s:%s%s" % (name, offset.text, pattern.text, level))
        kinds = ["text" if is_text else "binary", "offset " + offset.kind] + pattern.kinds
        certain = not (pattern.left or pattern.right) and not any(
            "inside" in kind for kind in pattern.kinds)
        should = True if certain else None
        for _ in range(2):
            pair = pattern.sample(rng)
            carry_raw(book, name, offset.place(rng, alphabet, pair), pair, should, kinds)
        pair = pattern.sample(rng)
        data = offset.place(rng, alphabet, pair)
        carry_in_mail(book, rng, name, data, should, kinds + places(data, pair))
        wrong = pattern.miss(rng)
        if wrong is not None:
            data = offset.place(rng, alphabet, wrong)
            carry_raw(book, name, data, wrong, None, kinds + ["miss"])
            if rng.random() < 0.5:
                carry_in_mail(book, rng, name, data, None, kinds + ["miss"] + places(data, wrong))
        for off_by in rng.sample(offset.misses(), min(2, len(offset.misses()))):
            pair = pattern.sample(rng)
            carry_raw(book, name, offset.place(rng, alphabet, pair, off_by), pair, None, kinds + ["miss", "off"])


def mail_signatures(book, rng, count):
    """.ndb for mails: in the raw bytes of a mail, and where they must not be seen."""
    for number in range(count):
        name = "Mail.%d" % number
        pattern = paritygen.Pattern(rng, paritygen.TEXT, edges=False)
        offset = paritygen.Offset(rng, pattern)
        target = rng.choice([4, 4, 0])
        kinds = ["offset " + offset.kind, "target %d" % target] + pattern.kinds
        place = rng.choice(["header", "body", "preamble"])
        _, text = pattern.sample(rng)
        data = paritymail.raw_mail(rng, place, text)
        at = data.index(text)
        if offset.kind == "start":
            offset.text = "%d" % (at - rng.choice([0, 0, 1, -1]))
        elif offset.kind == "end":
            offset.text = "EOF-%d" % (len(data) - at + rng.choice([0, 0, 1, -1]))
        book.sign("mail.ndb", name, "%s:%d:%s:%s" % (name, target, offset.text, pattern.text))
        book.carry(name, data, None, kinds + ["mail", "in " + place], "eml")
        wrong = pattern.miss(rng)
        if wrong is not None:
            book.carry(name, paritymail.raw_mail(rng, place, wrong[1]), None,
                       kinds + ["mail", "in " + place, "miss"], "eml")
        book.carry(name, b"plain text " + text + b" and more\n", None, kinds + ["raw", "no mail"])
        carry_in_mail(book, rng, name, b"## " + text + b" ##", None, kinds)


def digest_of(rng, data):
    algorithm = rng.choice(["md5", "sha1", "sha256"])
    text = hashlib.new(algorithm, data).hexdigest()
    return algorithm, text.upper() if rng.random() < 0.2 else text


def hash_line(rng, name, data, digest, any_size):
    if any_size:
        return "%s:*:%s:73" % (digest, name)
    return "%s:%d:%s" % (digest, len(data), name) + rng.choice(["", "", ":51", ":1:255"])


def hash_signatures(book, rng, count):
    for number in range(count):
        name = "Hash.%d" % number
        alphabet = rng.choice([paritygen.BINARY, paritygen.TEXT])
        size = rng.choice([6, 7, 55, 56, 63, 64, 65, rng.randrange(8, 5000)])
        data = paritygen.some(rng, alphabet, size)
        any_size = rng.random() < 0.3
        algorithm, digest = digest_of(rng, data)
        kinds = ["hash", algorithm, "any size" if any_size else "sized",
                 "text" if alphabet is paritygen.TEXT else "binary"]
        book.sign(rng.choice(["hash.hdb", "hash.hsb"]), name,
                  hash_line(rng, name, data, digest, any_size))
        book.carry(name, data, True, kinds + ["raw"])
        for _ in range(2):
            carry_in_mail(book, rng, name, data, None, kinds)
        at = rng.randrange(size)
        wrong = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        book.carry(name, rng.choice([wrong, data + b"x", data[:-1]]), False, kinds + ["raw", "miss"])
        if rng.random() < 0.3:
            other = "%s.off" % name
            book.sign("hash.hsb", other, "%s:%d:%s" % (digest, size + rng.choice([-1, 1]), other))
        if rng.random() < 0.3:
            whole = "%s.mail" % name
            data = paritymail.mail(rng, data, "base64", "mixed", rng.random() < 0.5)
            _, digest = digest_of(rng, data)
            book.sign("hash.hsb", whole, hash_line(rng, whole, data, digest, any_size))
            book.carry(whole, data, True, kinds + ["mail", "whole mail"], "eml")


def allow_lists(book, rng, count):
    """What a list allows: the object that is hit, one around it, or another one."""
    for number in range(count):
        name = "Allow.%d" % number
        literal = paritygen.some(rng, paritygen.BINARY, 12)
        data = paritygen.some(rng, paritygen.BINARY, rng.randrange(10, 400)) + literal
        inner = rng.choice(["raw", "mail"])
        encoding = rng.choice(["base64", "quoted-printable"])
        carrier = data if inner == "raw" else paritymail.mail(
            rng, data, encoding, rng.choice(paritymail.FORMS), rng.random() < 0.5)
        kind = rng.choice(["body", "hash"])
        if kind == "body":
            book.sign("allow.ndb", name, "%s:0:*:%s" % (name, literal.hex()))
        else:
            book.sign("allow.hsb", name, hash_line(rng, name, data, digest_of(rng, data)[1], False))
        what, allowed = rng.choice([("the object", data), ("the whole file", carrier),
                                    ("another object", data + b"!")])
        algorithm, digest = digest_of(rng, allowed)
        any_size = rng.random() < 0.3
        # Both lists in one file each: the extension does not say which digest it holds.
        book.sign(rng.choice(["allow.fp", "allow.sfp"]), name + ".list",
                  hash_line(rng, name + ".list", allowed, digest, any_size))
        book.carry(name, carrier, None,
                   ["allow", kind, inner, what, algorithm, "any size" if any_size else "sized"]
                   + ([encoding] if inner == "mail" else []),
                   "bin" if inner == "raw" else "eml")


def allow_messages(book, rng, count):
    """What a list allows of an attached message: it alone, or not even that."""
    for number in range(count):
        name = "Message.%d" % number
        literal = paritygen.some(rng, paritygen.BINARY, 12)
        data = paritygen.some(rng, paritygen.BINARY, rng.randrange(10, 400)) + literal
        inner = paritymail.mail(rng, data, "base64", rng.choice(["mixed", "nested", "single"]), rng.random() < 0.5)
        crlf, beside = rng.random() < 0.5, rng.random() < 0.3
        carrier = paritymail.attached(rng, inner, data if beside else None, crlf)
        if rng.random() < 0.5:
            book.sign("messages.ndb", name, "%s:0:*:%s" % (name, literal.hex()))
        else:
            book.sign("messages.hsb", name, hash_line(rng, name, data, digest_of(rng, data)[1], False))
        what, allowed = rng.choice([("the message", inner), ("the message", inner), ("another one", inner + b"!")])
        book.sign(rng.choice(["messages.fp", "messages.sfp"]), name + ".list",
                  hash_line(rng, name + ".list", allowed, digest_of(rng, allowed)[1], rng.random() < 0.3))
        book.carry(name, carrier, beside or what == "another one",
                   ["allow", "attached", what, "beside" if beside else "inside", "crlf" if crlf else "lf"], "eml")


def ignore_lists(book, rng, count):
    for number in range(count):
        name = "Ignore.%d" % number
        data = paritygen.some(rng, paritygen.BINARY, 40)
        if rng.random() < 0.5:
            file, line = "ignore.ndb", "%s:0:*:%s" % (name, data[5:25].hex())
        else:
            file, line = "ignore.hsb", "%s:%d:%s" % (digest_of(rng, data)[1], len(data), name)
        book.sign(file, name, line)
        md5 = hashlib.md5(line.encode()).hexdigest()
        how, entry = rng.choice([
            ("by name", name), ("with digest", name + ":" + md5), ("not", name + "-"),
            ("with wrong digest", name + ":" + md5[::-1]), ("with suffix", name + ".UNOFFICIAL"),
            ("by prefix", name[:-1] + "x"), ("with upper digest", name + ":" + md5.upper())])
        # Of one list with both kinds of lines ClamAV refuses the whole.
        book.sign("digests.ign2" if "digest" in how else "names.ign2", name + ".entry", entry)
        book.carry(name, data, None, ["ignore", how, file])
