# SPDX-License-Identifier: BSD-3-Clause
"""Mails that carry given bytes, in every transfer encoding and nesting, with LF or CRLF."""
import base64
import binascii

ENCODINGS = ["base64", "base64", "base64", "base64 padded lines", "quoted-printable",
             "quoted-printable", "x-uuencode", "uuencode in text", "8bit"]
FORMS = ["mixed", "mixed", "nested", "rfc822", "single"]
PROSE = b"Dear all,\n\n. this line begins with a dot\n..\n.. and these do\nRegards\n"


def quoted(rng, data, binary):
    """Quoted-printable; binary: line breaks of the data are encoded as well."""
    lines, line = [], b""
    for at, c in enumerate(data):
        if not binary and c == 10:
            lines.append(line)
            line = b""
            continue
        plain = 33 <= c <= 126 and c != 61 or c == 32
        at_end = at + 1 == len(data) or (not binary and data[at + 1] == 10)
        text = bytes([c]) if plain and not (c == 32 and at_end) and rng.random() > 0.02 else (
            b"=%02X" % c)
        if len(line) + len(text) > 72:
            lines.append(line + b"=")
            line = b""
        line += text
    return b"\n".join(lines + [line])


def uuencoded(rng, data):
    """Readers take six bits of each character: in one of eight mails the other two are any in some."""
    lines = [bytearray(binascii.b2a_uu(data[i:i + 45])) for i in range(0, len(data), 45)]
    for line in lines if rng.random() < 0.125 else []:
        line[1:-1] = bytes(rng.choice([c, c, c | 0x80, c | 0x40 if c < 0x3f else c]) for c in line[1:-1])
    return b"begin 644 file.bin\n" + b"".join(lines) + b"`\nend\n"


def encoded(rng, data, encoding):
    if encoding.startswith("base64"):
        width = rng.choice([19, 10]) if encoding.endswith("lines") else rng.choice([57, 57, 6])
        return b"\n".join(base64.b64encode(data[i:i + width]) for i in range(0, len(data), width))
    if encoding == "quoted-printable":
        return quoted(rng, data, True)
    if encoding == "x-uuencode":
        return uuencoded(rng, data)
    if encoding == "uuencode in text":
        return PROSE + b"\n" + uuencoded(rng, data) + b"\nBye\n"
    return data


def entity(rng, data, encoding):
    """Header and body of the part that carries the data."""
    body = encoded(rng, data, encoding)
    if encoding == "uuencode in text":
        return b"Content-Type: text/plain\n\n" + body
    kind = rng.choice([b"application/octet-stream", b"application/octet-stream", b"image/png",
                       b"text/plain"])
    head = b"Content-Type: " + kind
    if rng.random() < 0.7:
        head += b"; name=\"file.bin\""
    head += b"\nContent-Transfer-Encoding: " + encoding.split()[0].encode() + b"\n"
    if rng.random() < 0.7:
        head += b"Content-Disposition: attachment; filename=\"file.bin\"\n"
    return head + b"\n" + body


def multipart(rng, entities):
    mark = b"=_%08x" % rng.getrandbits(32)
    body = b"Content-Type: multipart/mixed; boundary=\"%s\"\n\npreamble\n" % mark
    for one in entities:
        body += b"--" + mark + b"\n" + one + b"\n"
    return body + b"--" + mark + b"--\n"


def mail(rng, data, encoding, form, crlf):
    """The mail. Of what is carried as 8bit, line breaks become the mail's: the caller knows."""
    text = b"Content-Type: text/plain\n\n" + PROSE
    one = entity(rng, data, encoding)
    if form == "mixed":
        one = multipart(rng, rng.choice([[text, one], [one], [text, one, text]]))
    elif form == "nested":
        one = multipart(rng, [text, multipart(rng, [text, multipart(rng, [one])])])
    elif form == "rfc822":
        inner = b"From: c@example.org\nSubject: inner\nMIME-Version: 1.0\n"
        one = multipart(rng, [text, b"Content-Type: message/rfc822\n\n" + inner
                              + multipart(rng, [text, one])])
    head = (b"From: a@example.org\nTo: b@example.com\nSubject: parity %08x\nMIME-Version: 1.0\n"
            % rng.getrandbits(32))
    whole = head + one
    return whole.replace(b"\n", b"\r\n") if crlf else whole


def attached(rng, inner, beside, crlf):
    """A mail with another one in base64, and perhaps a file beside it."""
    one = (b"Content-Type: message/rfc822; name=\"inner.eml\"\nContent-Transfer-Encoding: base64\n\n"
           + encoded(rng, inner, "base64"))
    files = [one] if beside is None else [one, entity(rng, beside, "base64")]
    rng.shuffle(files)
    whole = (b"From: a@example.org\nSubject: parity %08x\nMIME-Version: 1.0\n" % rng.getrandbits(32)
             + multipart(rng, [b"Content-Type: text/plain\n\n" + PROSE] + files))
    return whole.replace(b"\n", b"\r\n") if crlf else whole


def raw_mail(rng, place, text):
    """A mail that holds the text where only the raw bytes do: in a header field, a body, a
    preamble. The text has no line break."""
    head = b"From: a@example.org\nTo: b@example.com\n"
    if place == "header":
        return head + b"X-Note: " + text + b"\nSubject: s\n\nbody\n"
    if place == "body":
        return head + b"Subject: s\n\nbody\n" + text + b"\nend\n"
    return (head + b"Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n"
            + text + b"\n--b\nContent-Type: text/plain\n\nbody\n--b--\n")
