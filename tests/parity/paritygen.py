# SPDX-License-Identifier: BSD-3-Clause
"""Random body patterns with bytes that they match and bytes that they just miss.

A pattern is a list of pieces. A piece has its text in the signature, gives bytes that it matches
(sample) and bytes that it should not (misses, perhaps none). All randomness is the caller's.
"""

BINARY = bytes(range(256))
# Printable, for what must survive as text. None of it makes text look like HTML, a mail or a script.
TEXT = bytes(c for c in range(0x23, 0x7f) if c not in b"<>&%#'\"=`~^+-.")
SPACES = b" \t\n\r\0\x0b\x0c"
ALNUM = bytes(c for c in range(128) if chr(c).isalnum())


def some(rng, alphabet, n):
    return bytes(rng.choice(alphabet) for _ in range(n))


class Piece:
    kind = ""
    text = ""

    def sample(self, rng):
        raise NotImplementedError

    def misses(self, rng):
        return []


class Literal(Piece):
    kind = "literal"

    def __init__(self, rng, alphabet, n):
        self.alphabet, self.data = alphabet, some(rng, alphabet, n)
        self.text = self.data.hex()
        if rng.random() < 0.1:
            self.text = self.text.upper()

    def sample(self, rng):
        return self.data

    def misses(self, rng):
        at = rng.randrange(len(self.data))
        wrong = rng.choice([c for c in self.alphabet if c != self.data[at]])
        return [self.data[:at] + bytes([wrong]) + self.data[at + 1:]]


class Any(Piece):
    """?? or a gap that counts as that."""
    kind = "any"

    def __init__(self, rng, alphabet):
        self.alphabet = alphabet
        self.n = rng.choice([1, 1, 2, 3, rng.randrange(1, 20), rng.randrange(20, 128), 127])
        self.braces = rng.random() < 0.6
        self.text = "{%d}" % self.n if self.braces else "??" * min(self.n, 20)
        self.n = self.n if self.braces else min(self.n, 20)
        self.kind = "gap{n<128}" if self.braces else "??"

    def sample(self, rng):
        return some(rng, self.alphabet, self.n)

    def misses(self, rng):
        return [some(rng, self.alphabet, self.n + 1), some(rng, self.alphabet, self.n - 1)]


class Nibble(Piece):
    kind = "nibble"

    def __init__(self, rng, alphabet):
        byte = rng.choice(alphabet)
        high = rng.random() < 0.5
        self.text = "%x?" % (byte >> 4) if high else "?%x" % (byte & 15)
        self.good = [c for c in alphabet if (c >> 4 == byte >> 4 if high else c & 15 == byte & 15)]
        self.bad = [c for c in alphabet if c not in self.good]

    def sample(self, rng):
        return bytes([rng.choice(self.good)])

    def misses(self, rng):
        return [bytes([rng.choice(self.bad)])]


class Alternates(Piece):
    """Of one length, negated or not; or of any lengths, with wildcards and nested."""

    def __init__(self, rng, alphabet):
        self.alphabet = alphabet
        self.n = rng.choice([1, 1, 2, 3, 4])
        self.count = rng.choice([1, 2, 2, 3, 5])
        self.negated = rng.random() < 0.4
        self.strings = [some(rng, alphabet, self.n) for _ in range(self.count)]
        self.text = "!" * self.negated + "(" + "|".join(s.hex() for s in self.strings) + ")"
        self.kind = "%salternates of %s" % ("negated " * self.negated, "one" if self.n == 1 else "n")

    def other(self, rng):
        while True:
            data = some(rng, self.alphabet, self.n)
            if data not in self.strings:
                return data

    def sample(self, rng):
        return self.other(rng) if self.negated else rng.choice(self.strings)

    def misses(self, rng):
        return [rng.choice(self.strings) if self.negated else self.other(rng)]


class Generic(Piece):
    kind = "generic alternates"

    def __init__(self, rng, alphabet, gaps=True, depth=0):
        self.alphabet, self.branches = alphabet, []
        for _ in range(rng.choice([2, 2, 3, 4])):
            branch = [Literal(rng, alphabet, rng.randrange(1, 5))]
            if rng.random() < 0.3:
                branch.append(Nibble(rng, alphabet))
            if gaps and rng.random() < 0.2:
                branch += [Any(rng, alphabet), Literal(rng, alphabet, 1)]
            if depth < 2 and rng.random() < 0.2:
                branch.append(Generic(rng, alphabet, gaps, depth + 1))
            self.branches.append(branch)
        self.text = "(" + "|".join("".join(p.text for p in b) for b in self.branches) + ")"

    def sample(self, rng):
        return b"".join(piece.sample(rng) for piece in rng.choice(self.branches))

    def misses(self, rng):
        data = self.sample(rng)
        return [data[:-1], data + some(rng, self.alphabet, 1),
                some(rng, self.alphabet, 1) + data[1:]]


class Gap(Piece):
    """Between the parts of a pattern, which it splits."""

    def __init__(self, rng, alphabet):
        low = rng.choice([0, 1, 2, rng.randrange(3, 40), rng.randrange(40, 400)])
        more = rng.choice([1, 2, rng.randrange(3, 40), rng.randrange(40, 400)])
        size = rng.choice([128, 129, 200, rng.randrange(128, 3000)])
        self.alphabet = alphabet
        self.text, self.low, self.high, self.kind = rng.choice([
            ("*", 0, None, "*"), ("{%d}" % size, size, size, "gap{n>=128}"),
            ("{-%d}" % (low + more), 0, low + more, "gap{-n}"),
            ("{%d-%d}" % (low, low + more), low, low + more, "gap{n-m}"),
            ("{%d-}" % low, low, None, "gap{n-}"),
            rng.choice([("{0}", 0, None, "gap{0}"), ("{-0}", 0, None, "gap{0}")])])

    def sample(self, rng):
        high = self.low + rng.choice([0, 1, 50, 900]) if self.high is None else self.high
        return some(rng, self.alphabet, rng.choice([self.low, high, rng.randint(self.low, high)]))

    def misses(self, rng):
        sizes = [] if self.high is None else [self.high + 1]
        return [some(rng, self.alphabet, n) for n in sizes + [self.low - 1] if n >= 0]


class Bracket(Gap):
    """[n-m], with the one byte that stands on its other side."""
    kind = "gap[n-m]"

    def __init__(self, rng, alphabet):
        self.alphabet = alphabet
        self.low = rng.choice([0, 1, 2, rng.randrange(0, 20)])
        self.high = rng.choice([self.low, self.low + 1, rng.randint(self.low, 32), 32])
        self.text = "[%d-%d]" % (self.low, self.high)


class Middle(Piece):
    """(B), (L) or (W) inside a part: a byte."""

    def __init__(self, rng, alphabet):
        self.text = rng.choice(["(B)", "(L)", "(W)"])
        self.kind = self.text + " inside"
        self.good = {"(B)": b" ./<@_-\n\r\"'=>", "(L)": b"\n\r", "(W)": b" _.-/"}[self.text]

    def sample(self, rng):
        return bytes([rng.choice(self.good)])

    def misses(self, rng):
        return [b"q", b""]


class Edge:
    """(B), (L) or (W) at an end of the pattern: which byte stands there is the neighbour's matter."""

    def __init__(self, rng):
        self.negated = rng.random() < 0.2
        self.letter = rng.choice("BLW")
        self.text = "!" * self.negated + "(%s)" % self.letter
        self.kind = self.text + " at an end"

    def neighbour(self, rng):
        return rng.choice([b"", b" ", b"-", b".", b"/", b"<", b">", b"@", b"_", b"=", b"'", b'"',
                           b"\n", b"\r", b"\r\n", b"q", b"Q", b"7", b"!", b"\x7f", b":"])


def part(rng, alphabet, is_only):
    pieces = [Literal(rng, alphabet, rng.choice([3, 4, 5, 8, 20]))]
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        maker = rng.choice([Any, Nibble, Nibble, Alternates, Alternates, Generic, Middle])
        # ClamAV refuses {n} in alternates of a pattern that a gap splits.
        piece = maker(rng, alphabet, is_only) if maker is Generic else maker(rng, alphabet)
        pieces += [piece, Literal(rng, alphabet, rng.choice([1, 2, 4]))]
    if rng.random() < 0.15:
        pieces.insert(0, rng.choice([Nibble, Alternates])(rng, alphabet))
    return pieces


class Pattern:
    def __init__(self, rng, alphabet, edges=True):
        shape = rng.random()
        self.alphabet, self.pieces = alphabet, part(rng, alphabet, shape >= 0.6)
        if shape < 0.2:
            ends = rng.choice(["left", "right", "both"])
            if ends != "right":
                self.pieces = [Literal(rng, alphabet, 1), Bracket(rng, alphabet)] + self.pieces
            if ends != "left":
                self.pieces += [Bracket(rng, alphabet), Literal(rng, alphabet, 1)]
        else:
            while shape < 0.6:
                self.pieces += [Gap(rng, alphabet)] + part(rng, alphabet, False)
                shape += 0.2
        self.left = Edge(rng) if edges and rng.random() < 0.15 else None
        self.right = Edge(rng) if edges and rng.random() < 0.15 else None
        self.text = ((self.left.text if self.left else "")
                     + "".join(piece.text for piece in self.pieces)
                     + (self.right.text if self.right else ""))
        self.kinds = sorted({p.kind for p in self.pieces + [self.left, self.right] if p})
        if self.left and self.left.negated:
            self.kinds.append("negated on the left")

    def _around(self, rng, data):
        """What stands left of the match, and the rest."""
        return (self.left.neighbour(rng) if self.left else b"",
                data + (self.right.neighbour(rng) if self.right else b""))

    def sample(self, rng):
        return self._around(rng, b"".join(piece.sample(rng) for piece in self.pieces))

    def miss(self, rng):
        """One piece wrong; None where this pattern has nothing that can be."""
        for at in rng.sample(range(len(self.pieces)), len(self.pieces)):
            wrong = self.pieces[at].misses(rng)
            if wrong:
                data = [piece.sample(rng) for piece in self.pieces]
                data[at] = rng.choice(wrong)
                return self._around(rng, b"".join(data))
        return None


class Offset:
    """Where a pattern must begin: its text, and how many bytes stand before and behind the match."""

    def __init__(self, rng, pattern):
        value = rng.choice([0, 1, rng.randrange(2, 60), rng.randrange(60, 900)])
        self.shift = rng.choice([0, 0, 1, rng.randrange(2, 50)])
        self.kind = rng.choice(["any", "any", "start", "end"])
        if self.kind == "end" and rng.random() < 0.95:
            value += self.shift + max(len(pattern.sample(rng)[1]) for _ in range(10))
        self.value = value
        self.text = {"any": "*", "start": "%d" % value, "end": "EOF-%d" % value}[self.kind]
        if self.kind != "any" and (self.shift or rng.random() < 0.2):
            self.text += ",%d" % self.shift

    def place(self, rng, alphabet, pair, off_by=0):
        """The file: (left, rest) with the match in its place, or off it by that many bytes."""
        left, rest = pair
        if self.kind == "start":
            at = self.value + rng.choice([0, self.shift]) + off_by
            left = some(rng, alphabet, max(0, at - len(left))) + left
            return left[:max(0, at)] + rest + some(rng, alphabet, rng.choice([0, 1, 30]))
        before = some(rng, alphabet, rng.choice([0, 1, 7, 64, 200])) + left
        if self.kind == "end":
            from_end = self.value - rng.choice([0, self.shift]) + off_by
            return before + rest + some(rng, alphabet, max(0, from_end - len(rest)))
        return before + rest + some(rng, alphabet, rng.choice([0, 1, 7, 64, 200]))

    def misses(self):
        return [] if self.kind == "any" else [-1 - self.shift, 1 + self.shift, -1, 1]
