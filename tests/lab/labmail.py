# SPDX-License-Identifier: BSD-3-Clause
"""Mails, and ways of sending them. Every mail begins with an X-Lab-Id header, by which it is found
again at the server: from there on it must be what was sent, byte for byte."""
import base64
import quopri
import random
import re
import smtplib
import socket
import ssl
import textwrap

import lablib
from lablib import Failed

# The antivirus test file, in pieces so that nobody's scanner takes this file for it.
EICAR = (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + b"$EICAR-" + b"STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*")
EICAR_NAME = "Eicar-Test-Signature"
FROM, TO = "sender@client.example", "someone@lab.example"


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def message(number, headers, body):
    """A mail with LF or CRLF ends as given, made CRLF throughout."""
    head = ["X-Lab-Id: %s" % number, "From: <%s>" % FROM, "To: <%s>" % TO,
            "Subject: lab mail %s" % number, "Message-Id: <%s@client.example>" % number,
            "Date: Sun, 22 Nov 2026 12:00:00 +0000"] + headers
    data = "\r\n".join(head).encode() + b"\r\n\r\n" + re.sub(rb"(?<!\r)\n", b"\r\n", body)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def part(headers, body):
    return "\n".join(headers).encode() + b"\n\n" + body


def multipart(boundary, parts):
    edge = b"--" + boundary.encode()
    return b"".join(edge + b"\n" + p + b"\n" for p in parts) + edge + b"--\n"


def mixed(number, *parts):
    return message(number, ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="edge-1"'],
                   b"This is a message of several parts.\n" + multipart("edge-1", parts))


def attachment(content, name="file.bin", encoding="base64", width=76):
    head = ["Content-Type: application/octet-stream; name=\"%s\"" % name,
            "Content-Transfer-Encoding: " + encoding,
            "Content-Disposition: attachment; filename=\"%s\"" % name]
    if encoding == "base64":
        text = base64.b64encode(content).decode()
        content = "\n".join(text[i:i + width] for i in range(0, len(text), width)).encode() + b"\n"
    elif encoding == "quoted-printable":
        content = quopri.encodestring(content)
    return part(head, content)


TEXT = part(["Content-Type: text/plain; charset=utf-8"], b"Good morning,\n\nhere it is.\n")
PROSE = textwrap.fill("The quick brown fox jumps over the lazy dog. " * 40, 72).encode() + b"\n"


def clean_forms():
    """{what it is: mail}: forms that a gateway could break."""
    html = b"<html><body><p>H\xc3\xa9llo <b>w\xc3\xb6rld</b> &amp; all.</p></body></html>\n"
    alternative = part(["Content-Type: multipart/alternative; boundary=inner"],
                       multipart("inner", [TEXT, part(["Content-Type: text/html"], html)]))
    rfc822 = part(["Content-Type: message/rfc822"], message("inner", [], PROSE))
    eight = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
             "Content-Transfer-Encoding: 8bit"]
    soft = quopri.encodestring(html * 5)
    qp = ["MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8",
          "Content-Transfer-Encoding: quoted-printable"]
    forms = {
        "text": lambda n: message(n, [], PROSE),
        "empty body": lambda n: message(n, [], b""),
        "one empty line": lambda n: message(n, [], b"\n"),
        "blank lines at the end": lambda n: message(n, [], b"text\n\n\n\n"),
        "trailing blanks and tabs": lambda n: message(n, [], b"one \ntwo\t\n \t \nthree  \n"),
        "dot lines": lambda n: message(n, [], b".\n..\n...\n.x\n. \nx.\n\n.\n\n.\n"),
        "end of data in words": lambda n: message(n, [], b"DATA\nQUIT\nRSET\n250 ok\n354\n"),
        "8bit text": lambda n: message(n, eight, "Grüße, zażółć, 你好\n".encode() * 9),
        "html quoted-printable": lambda n: message(n, qp, soft),
        "lines of 998 bytes": lambda n: message(n, [], (b"x" * 998 + b"\n") * 20),
        "a line of 9000 bytes": lambda n: message(n, [], b"y" * 9000 + b"\nshort\n"),
        "folded headers": lambda n: message(n, ["X-Folded: one\r\n two\r\n\tthree"] * 30, PROSE),
        "multipart": lambda n: mixed(n, TEXT, attachment(noise(20000))),
        "nested multiparts": lambda n: mixed(n, alternative, rfc822, attachment(noise(3000))),
        "uuencoded": lambda n: message(n, [], b"begin 644 a\n#0V%T\n`\nend\n"),
        "nearly the test file": lambda n: message(n, [], EICAR[:-1] + b"\n" + EICAR[1:] + b"\n"),
        "no final boundary": lambda n: message(
            n, ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"],
            b"--b\n" + TEXT + b"\n--b\n" + TEXT),
    }
    return {what: make(re.sub(r"\W", "-", what)) for what, make in forms.items()}


def infected_forms():
    html = b"<html><pre>" + EICAR + b"</pre></html>\n"
    inner = message("inner", ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b2"],
                    multipart("b2", [TEXT, attachment(EICAR)]))
    deep = part(["Content-Type: multipart/related; boundary=b3"],
                multipart("b3", [TEXT, part(["Content-Type: multipart/mixed; boundary=b4"],
                                            multipart("b4", [TEXT, attachment(EICAR)]))]))
    forms = {
        "plain text": lambda n: message(n, [], EICAR + b"\n"),
        "in the middle of text": lambda n: message(n, [], PROSE * 20 + EICAR + b"\n" + PROSE * 20),
        "html part": lambda n: mixed(n, TEXT, part(["Content-Type: text/html"], html)),
        "base64 attachment": lambda n: mixed(n, TEXT, attachment(EICAR, "eicar.com")),
        "base64 in short lines": lambda n: mixed(n, TEXT, attachment(EICAR, width=7)),
        "base64 within other bytes": lambda n: mixed(
            n, attachment(noise(5001) + EICAR + noise(70000, 2))),
        "quoted-printable": lambda n: mixed(
            n, attachment(EICAR, "eicar.txt", "quoted-printable")),
        "quoted-printable, every byte": lambda n: mixed(n, part(
            ["Content-Transfer-Encoding: quoted-printable"],
            b"=\n".join(b"".join(b"=%02X" % c for c in EICAR[i:i + 20])
                        for i in range(0, len(EICAR), 20)) + b"\n")),
        "nested multiparts": lambda n: mixed(n, TEXT, deep),
        "attached message": lambda n: mixed(n, TEXT, part(["Content-Type: message/rfc822"], inner)),
        "8bit": lambda n: message(n, ["MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"],
                                  "Grüße\n".encode() + EICAR + b"\n"),
        "second of two attachments": lambda n: mixed(
            n, attachment(noise(9000)), attachment(EICAR)),
    }
    return {what: make("bad-" + re.sub(r"\W", "-", what)) for what, make in forms.items()}


def lab_id(data):
    return re.search(rb"^X-Lab-Id: (\S+)", data, re.M).group(1).decode()


def as_stored(data):
    return data.replace(b"\r\n", b"\n")


def without_trace(stored):
    """A stored mail from its X-Lab-Id on: before it are the headers that the server added."""
    at = re.search(rb"^X-Lab-Id: ", stored, re.M)
    return stored[at.start():] if at else stored


def check_arrived(case, server, sent, extra=False):
    """Exactly the mails in `sent` are at the server, each once and unchanged."""
    stored = [without_trace(m) for m in server.wait_mails(len(sent))]
    by_id = {}
    for mail in stored:
        by_id.setdefault(lab_id(mail), []).append(mail)
    for data in sent:
        copies = by_id.pop(lab_id(data), [])
        case.check(len(copies) == 1, "mail %s arrived %d times" % (lab_id(data), len(copies)))
        wanted = as_stored(data)
        if copies[0] != wanted:
            at = next((i for i, (a, b) in enumerate(zip(copies[0], wanted)) if a != b),
                      min(len(copies[0]), len(wanted)))
            raise Failed("mail %s changed at byte %d: sent %r, arrived %r (%d and %d bytes)"
                         % (lab_id(data), at, wanted[max(at - 20, 0):at + 40],
                            copies[0][max(at - 20, 0):at + 40], len(wanted), len(copies[0])))
    if not extra:
        case.check(not by_id, "nothing else arrived", *by_id)


# ---- senders ------------------------------------------------------------------------------------

class Client(smtplib.SMTP):
    """Python's SMTP client in the lab's client namespace."""

    def __init__(self, lab, address=lablib.SERVER, port=25, timeout=lablib.PATIENCE):
        self.lab = lab
        super().__init__(address, port, local_hostname="client.example", timeout=timeout)

    def _get_socket(self, host, port, timeout):
        return self.lab.connect(host, port, timeout)

    def go_tls(self):
        """STARTTLS, whatever the certificate says; the TLS version."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.ehlo()
        self.starttls(context=context)
        return self.sock.version()

    def mail_bytes(self, data, sender=FROM, to=TO):
        """(code, text) of the reply that ended it."""
        self.ehlo_or_helo_if_needed()
        options = ["body=8bitmime"] if self.has_extn("8bitmime") else []
        for code, text in (self.mail(sender, options), self.rcpt(to)):
            if code != 250:
                return code, text.decode(errors="replace")
        code, text = self.data(data)
        return code, text.decode(errors="replace")

    def leave(self):
        """QUIT, and the end of the connection: ("221 ...", True when the close was orderly)."""
        code, text = self.docmd("quit")
        try:
            rest = self.sock.recv(100)
        except OSError as why:
            return code, text.decode(), str(why)
        self.close()
        return code, text.decode(), "closed" if rest == b"" else repr(rest)


def send(lab, data, **where):
    """One mail on a connection of its own: (code, text), and a clean end is made sure of."""
    client = Client(lab, **where)
    answer = client.mail_bytes(data)
    code, text, end = client.leave()
    if code != 221 or end != "closed":
        raise Failed("after %r QUIT was answered %s %s, then: %s" % (answer, code, text, end))
    return answer


class Talk:
    """A client that decides itself what bytes it sends and when."""

    def __init__(self, lab, address=lablib.SERVER, greet=True, side="client"):
        self.socket = lab.connect(address, 25, side=side)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.keywords = []
        if greet:
            self.reply(220)
            self.keywords = self.ask(b"EHLO client.example", 250)[1:]

    def send(self, data):
        self.socket.sendall(data)

    def send_pieces(self, data, size, gap=None):
        """Each piece a segment of its own."""
        for at in range(0, len(data), size):
            self.socket.sendall(data[at:at + size])
            if gap:
                gap()

    def line(self):
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("closed by the server, %r not ended" % self.buffer)
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode(errors="replace")

    def reply(self, *wanted):
        """The lines of one reply, its code in front of each."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        if wanted and int(lines[-1][:3]) not in wanted:
            raise Failed("wanted %s, got %s" % (wanted, " / ".join(lines)))
        return lines

    def ask(self, command, *wanted):
        self.send(command + b"\r\n")
        return self.reply(*wanted)

    def envelope(self, sender=FROM, to=TO):
        self.ask(b"MAIL FROM:<%s>" % sender.encode(), 250)
        self.ask(b"RCPT TO:<%s>" % to.encode(), 250)

    def at_end(self):
        """How the connection ends: "closed", "reset", or what came instead."""
        try:
            rest = self.buffer + self.socket.recv(65536)
        except ConnectionResetError:
            return "reset"
        return "closed" if rest == b"" else repr(rest)

    def quit(self):
        self.ask(b"QUIT", 221)
        end = self.at_end()
        self.socket.close()
        return end


def stuffed(data):
    """As in DATA: dots doubled, and the end."""
    return re.sub(rb"(?m)^\.", b"..", data) + b".\r\n"
