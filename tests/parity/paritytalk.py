# SPDX-License-Identifier: BSD-3-Clause
"""SMTP conversations by chance: what each side says in turn, and where messages stand in what the client says."""
import base64
import io
import zipfile

VIRUS = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def some(chance, alphabet, n):
    return bytes(chance.choice(alphabet) for _ in range(n))


def text_lines(chance, n):
    kinds = (lambda: b"", lambda: b"." + some(chance, b"abc .", chance.randrange(5)),
             lambda: some(chance, b"abcdefgh ", chance.randrange(900, 3000)),
             lambda: some(chance, range(128, 256), 40))
    return [chance.choice(kinds)() if chance.random() < .25 else some(chance, b"abcdefgh .,", chance.randrange(1, 75))
            for _ in range(n)]


def attached(chance, is_infected):
    content = VIRUS if is_infected else chance.randbytes(chance.choice((10, 1000, 9000)))
    if chance.random() < .4:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.com", content)
            archive.writestr("b.txt", some(chance, b"abcdefgh", chance.choice((10, 5000))))
        content = packed.getvalue()
    return base64.encodebytes(content).replace(b"\n", b"\r\n").split(b"\r\n")[:-1]


def message(chance, is_infected):
    lines = text_lines(chance, chance.choice((1, 5, 40, 150)))
    head = [b"From: a@example.org", b"To: b@example.com", b"MIME-Version: 1.0"]
    if chance.random() < .5:
        lines.insert(chance.randrange(len(lines) + 1), VIRUS if is_infected else b"harmless")
        return b"\r\n".join(head + [b""] + lines) + b"\r\n"
    parts = [b'Content-Type: multipart/mixed; boundary="b1"', b"", b"--b1", b"Content-Type: text/plain", b"", *lines,
             b"--b1", b"Content-Type: application/octet-stream; name=a.bin", b"Content-Transfer-Encoding: base64", b"",
             *attached(chance, is_infected), b"--b1--", b""]
    return b"\r\n".join(head + parts) + b"\r\n"


class Conversation:
    """turns: (side, bytes); messages: (from, to, infected) in what the client says, end of data included."""

    def __init__(self, chance):
        self.chance, self.turns, self.messages, self.said = chance, [], [], 0
        self.server(chance.choice((b"220 mx\r\n", b"220-mx\r\n220-two\r\n220 three\r\n")))
        self.ask(b"EHLO c.example.org\r\n",
                 b"250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n")
        if chance.random() < .15:
            self.ask(b"AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n")
            self.ask(b"REFUQQ==\r\n", b"235 ok\r\n")
        for number in range(chance.choice((1, 1, 2, 3))):
            self.mail(number, chance.random() < .3)
        if chance.random() < .8:
            self.ask(b"QUIT\r\n", b"221 bye\r\n")

    def client(self, data):
        self.turns.append((0, data))
        self.said += len(data)

    def server(self, data):
        self.turns.append((1, data))

    def ask(self, data, reply=b"250 ok\r\n"):
        self.client(data)
        self.server(reply)

    def mail(self, number, is_infected):
        chance = self.chance
        body = message(chance, is_infected)
        envelope = [b"MAIL FROM:<a%d@example.org>\r\n" % number]
        envelope += [b"RCPT TO:<b%d@example.com>\r\n" % n for n in range(chance.choice((1, 3)))]
        if chance.random() < .1:
            self.ask(b"RSET\r\n")
        is_pipelined, in_chunks = chance.random() < .5, chance.random() < .4
        if not is_pipelined:
            for command in envelope:
                self.ask(command)
            envelope = []
        if not in_chunks:
            self.ask(b"".join(envelope) + b"DATA\r\n", b"250 ok\r\n" * len(envelope) + b"354 go on\r\n")
        began = self.said
        if in_chunks:
            self.in_chunks(body, envelope)
        else:
            self.ask(b"\r\n".join(b"." * line.startswith(b".") + line for line in body.split(b"\r\n")) + b".\r\n")
        self.messages.append((began, self.said, is_infected))

    def in_chunks(self, body, envelope):
        cuts = sorted(self.chance.randrange(len(body) + 1) for _ in range(self.chance.randrange(6)))
        pieces = [body[a:b] for a, b in zip([0] + cuts, cuts + [len(body)])] + [b""] * (self.chance.random() < .4)
        chunks = [b"BDAT %d%s\r\n" % (len(p), b" LAST" * (n == len(pieces) - 1)) + p for n, p in enumerate(pieces)]
        if envelope:
            self.ask(b"".join(envelope + chunks), b"250 ok\r\n" * (len(envelope) + len(chunks)))
        else:
            for chunk in chunks:
                self.ask(chunk)
