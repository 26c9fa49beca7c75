# SPDX-License-Identifier: BSD-3-Clause
"""Random logical signatures (.ldb) and files that hold their subsignatures in random numbers.

What should be found is not worked out here: ClamAV's answer is compared with ours.
"""
import bz2
import gzip
import io
import tarfile
import zipfile

import paritygen
import paritymail
from paritycases import carry_in_mail

LETTERS = bytes(range(ord("a"), ord("z") + 1)) + bytes(range(ord("A"), ord("Z") + 1))
MODIFIERS = ["", "", "", "i", "w", "a", "f", "wa", "iw", "fi", "iwa", "iwf"]

BESIDE = [b"", b"", b"x\0", b"x", b"\0", b".\0", b"\0x", b".x", b"x."]  # a wide word


class Subsignature:
    kind = "sub"
    text = ""

    def sample(self, rng):
        return b""


class Plain(Subsignature):
    """A pattern with modifiers, perhaps in a place."""

    def __init__(self, rng):
        alphabet = rng.choice([LETTERS, LETTERS, paritygen.BINARY])
        self.mods = rng.choice(MODIFIERS) if alphabet is LETTERS else ""
        pattern = rng.random() < 0.3 and not self.mods
        self.data = paritygen.some(rng, alphabet, rng.choice([4, 5, 6, 12]))
        self.pattern = paritygen.Pattern(rng, alphabet, edges=False) if pattern else None
        self.text = self.pattern.text if pattern else self.data.hex()
        if rng.random() < 0.1:
            self.text = "%s:%s" % (rng.choice(["0", "10,500", "EOF-300,300", "*"]), self.text)
        if self.mods:
            self.text += "::" + self.mods
        self.kind = "sub ::" + self.mods if self.mods else "sub pattern" if pattern else "sub plain"

    def sample(self, rng):
        if self.pattern:
            return self.pattern.sample(rng)[1]
        data = self.data
        if rng.random() < 0.4:
            data = bytes(c ^ 0x20 if rng.random() < 0.5 and chr(c).isalpha() else c for c in data)
        if "w" in self.mods and rng.random() < 0.7:
            data = b"".join(bytes([c, 0]) for c in data)
            if "f" in self.mods:
                data = rng.choice(BESIDE) + data + rng.choice(BESIDE)
        return data


class Regex(Subsignature):
    """A PCRE with an earlier subsignature as its trigger."""
    kind = "sub pcre"

    def __init__(self, rng, trigger):
        self.word = paritygen.some(rng, LETTERS, 5).decode()
        middle, self.inner = rng.choice([
            (r"\d+", "42"), ("[a-f]{2,4}", "abc"), (".*", "free text"), (r"\s?", " "),
            ("(?:x|yy)", "yy")])
        self.flags = rng.choice(["", "", "i", "s", "g", "gi"])
        self.text = "%d/%s%s%s/%s" % (trigger, self.word, middle, self.word[::-1], self.flags)

    def sample(self, rng):
        data = (self.word + self.inner + self.word[::-1]).encode()
        return rng.choice([data, data, data.lower(), data[:-1]])


class Compare(Subsignature):
    """A number at a distance from where an earlier subsignature stands."""
    kind = "sub compare"
    FORMS = [("hb", 4), ("db", 4), ("il", 2), ("ib", 2), ("il", 4), ("hl", 4), ("hl", 3), ("hl", 6),
             ("lh", 6), ("al", 6), ("ab", 6), ("ab", 2), ("d", 4), ("h", 4), ("a", 4), ("i", 2),
             ("ib", 8), ("hb", 18), ("db", 21), ("hl", 1)]

    def __init__(self, rng, at, first):
        self.first, self.value = first, rng.choice([0, rng.randrange(1, 4000)])
        self.far = len(first.data) + rng.choice([0, 1, 7])
        self.form, self.size = rng.choice(self.FORMS)
        letters = self.form
        if rng.random() < 0.4:
            cut = rng.randrange(len(letters) + 1)
            letters = letters[:cut] + "e" + letters[cut:]
        number = rng.choice(["%d", "0x%x", "0%o"])
        self.text = "%d(>>%s#%s%s#%s" % (
            at, number % self.far, letters, rng.choice(["%d", "0x%x"]) % self.size,
            rng.choice("><=") + number % self.value)
        if rng.random() < 0.2:
            self.text += "," + rng.choice("><") + number % (self.value + rng.choice([-9, 9, 5000]))
        self.text = self.text.replace("0x-", "-0x").replace("0-", "-0") + ")"

    def sample(self, rng):
        value = max(0, self.value + rng.choice([-1, 0, 0, 1]))
        if "i" in self.form:
            order = "little" if "l" in self.form else "big"
            number = (value % (1 << 8 * self.size)).to_bytes(self.size, order)
        else:
            hexadecimal = "h" in self.form or "a" in self.form and rng.random() < 0.5
            text = ("%X" if hexadecimal else "%d") % value
            if "l" in self.form and len(text) % 2:
                text = "0" + text
            if "l" in self.form:
                text = "".join(reversed([text[n:n + 2] for n in range(0, len(text), 2)]))
            if hexadecimal and rng.random() < 0.4:
                text = "0x" + text
            fill = rng.choice("0 0 z")
            text = rng.choice([text.rjust(self.size, fill), text.ljust(self.size, fill)])
            number = text[:self.size].encode()
        data = self.first.data
        return data + paritygen.some(rng, LETTERS, self.far - len(data)) + number


def comparison(rng, is_block):
    if rng.random() < 0.6:
        return ""
    text = "%s%d" % (rng.choice("=><"), rng.choice([0, 1, 1, 2, 3]))
    return text + (",%d" % rng.choice([1, 2]) if is_block and rng.random() < 0.3 else "")


def expression(rng, indexes):
    """Every index once, in order, in random brackets: no more than one operator kind matters."""
    if len(indexes) == 1:
        return "%d%s" % (indexes[0], comparison(rng, False))
    cut = rng.randrange(1, len(indexes))
    sides = [expression(rng, indexes[:cut]), expression(rng, indexes[cut:])]
    for side, part in enumerate([indexes[:cut], indexes[cut:]]):
        if len(part) > 1 and rng.random() < 0.7:
            sides[side] = "(%s)%s" % (sides[side], comparison(rng, True))
    return rng.choice("&|").join(sides)


def attributes(rng):
    text, kinds = ["Engine:51-255"], []
    target = rng.choice([0, 0, 0, 0, 4])
    text.append("Target:%d" % target)
    if rng.random() < 0.15:
        text.append("FileSize:%d-%d" % (rng.choice([0, 100, 300]), rng.choice([400, 900, 5000])))
        kinds.append("FileSize")
    elif rng.random() < 0.15:
        text.append("Container:" + rng.choice(["CL_TYPE_MAIL", "CL_TYPE_ANY", "CL_TYPE_ZIP"]))
        kinds.append("Container")
    return ",".join(text), kinds + ["target %d" % target]


def subsignatures(rng):
    subs = [Plain(rng) for _ in range(rng.choice([1, 2, 3, 3, 4, 6]))]
    if rng.random() < 0.2:
        subs.append(Regex(rng, rng.randrange(len(subs))))
    plain = [n for n, sub in enumerate(subs) if sub.kind == "sub plain" and ":" not in sub.text]
    if plain and rng.random() < 0.25:
        at = rng.choice(plain)
        subs.append(Compare(rng, at, subs[at]))
    return subs


def logical_signatures(book, rng, count):
    for number in range(count):
        name = "Logical.%d" % number
        subs = subsignatures(rng)
        attribute, kinds = attributes(rng)
        formula = expression(rng, list(range(len(subs))))
        if number % 20:
            # One that must be there: what asks for absence alone hits every file.
            subs.append(Plain(rng))
            subs[-1].text, subs[-1].pattern = subs[-1].data.hex(), None
            formula = "%d&(%s)" % (len(subs) - 1, formula)
        kinds = ["logical"] + kinds + sorted({sub.kind for sub in subs})
        if "<" in formula or "=" in formula:
            kinds.append("absence")
        book.sign("logical.ldb", name, ";".join(
            [name, attribute, formula] + [sub.text for sub in subs]))
        for _ in range(6):
            pieces = [sub.sample(rng) for sub in subs for _ in range(rng.choice([0, 0, 1, 1, 1, 2]))]
            if number % 20 and rng.random() < 0.8:
                pieces.append(subs[-1].data)
            rng.shuffle(pieces)
            filler = rng.choice([b" \x01.", b"\x80\x81"])
            data = b"\x02" + b"".join(
                paritygen.some(rng, filler, rng.choice([1, 3, 20])) + piece for piece in pieces)
            data += paritygen.some(rng, filler, rng.choice([5, 100]))
            where = rng.random()
            if where < 0.6:
                book.carry(name, data, None, kinds + ["raw"])
            elif where < 0.8 or any(c in data for c in b"\r\n"):
                carry_in_mail(book, rng, name, data, None, kinds)
            else:
                book.carry(name, paritymail.raw_mail(rng, "body", data), None,
                           kinds + ["mail", "in body"], "eml")


CONTAINERS = ["CL_TYPE_ZIP", "CL_TYPE_GZ", "CL_TYPE_BZ", "CL_TYPE_POSIX_TAR", "CL_TYPE_MAIL", "CL_TYPE_ANY"]


def packed(rng, data, kind):
    if kind == "CL_TYPE_GZ":
        return gzip.compress(data)
    if kind == "CL_TYPE_BZ":
        return bz2.compress(data)
    out = io.BytesIO()
    if kind == "CL_TYPE_ZIP":
        with zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            archive.writestr("member", data)
    else:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            member = tarfile.TarInfo("member")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def nested_containers(book, rng, count):
    """Container and Intermediates, of archives in archives and in mails."""
    for number in range(count):
        name = "Nested.%d" % number
        core = b"\0\1\2\3" + paritygen.some(rng, paritygen.BINARY, 40)
        around = [rng.choice(CONTAINERS[:4]) for _ in range(rng.choice([0, 1, 2, 2, 3]))]  # innermost first
        data = core
        for kind in around:
            data = packed(rng, data, kind)
        behind = rng.choice([None, None, None, "CL_TYPE_MSEXE", "CL_TYPE_PDF"])
        if behind and around and around[-1] == "CL_TYPE_ZIP":
            data = {"CL_TYPE_MSEXE": b"MZ" + bytes(2000), "CL_TYPE_PDF": b"%PDF-1.4\n" * 9}[behind] + data
            around.append(behind)
        is_mail = rng.random() < 0.4
        if is_mail:
            around.append("CL_TYPE_MAIL")
            data = paritymail.mail(rng, data, "base64", "mixed", rng.random() < 0.5)
        wanted = [kind if rng.random() < 0.8 else rng.choice(CONTAINERS) for kind in reversed(around)]
        wanted = wanted[rng.choice([0, 0, 1]):] or [rng.choice(CONTAINERS)]
        if rng.random() < 0.2:
            wanted.insert(rng.randrange(len(wanted) + 1), "CL_TYPE_ANY")
        attributes_text = rng.choice([
            "Intermediates:" + ">".join(wanted), "Intermediates:" + ">".join(wanted),
            "Container:" + wanted[-1], "Intermediates:%s,Container:%s" % (">".join(wanted), wanted[-1])])
        book.sign("nested.ldb", name, "%s;Engine:81-255,Target:0,%s;0;%s" % (name, attributes_text, core[4:24].hex()))
        book.carry(name, data, None, ["nested"] + around, "eml" if is_mail else "bin")


def handlers(book, rng, count):
    """HandlerType: reports, and has the file searched as one of the type."""
    for number in range(count):
        name = "Handler.%d" % number
        mark, other = (paritygen.some(rng, paritygen.BINARY, 12) for _ in range(2))
        kind, target = rng.choice([("CL_TYPE_PDF", 10), ("CL_TYPE_MSEXE", 1), ("CL_TYPE_ELF", 6), ("CL_TYPE_ZIP", 0),
                                   ("CL_TYPE_GRAPHICS", 5), ("CL_TYPE_SWF", 11), ("CL_TYPE_JAVA", 12)])
        book.sign("handlers.ldb", name, "%s;Engine:51-255,HandlerType:%s,Target:0;0;%s" % (name, kind, mark.hex()))
        if target and rng.random() < 0.5:
            book.sign("handlers.ndb", name + ".then", "%s.then:%d:*:%s" % (
                name, rng.choice([target, target, 2]), other.hex()))
        start = rng.choice([b"\0\1\2\3\4\5", b"MZ\0\1\2\3", b"\x7fELF\0\1", b"\xff\xd8\xff\xe0\0\1"])
        data = start + paritygen.some(rng, paritygen.BINARY, 300) + mark + other + bytes(20)
        book.carry(name, data, True, ["handler", kind])
        book.carry(name, data.replace(mark, bytes(12)), None, ["handler", kind, "gone"])
