#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A seal's scope means a mailbox, a subject, a name, a size, however these are written."""
import base64
import os
import time

import labmail
from laboutbreak import Outbreak, Talk
from lablib import Cases, Lab, until
from labmail import message, stuffed

cases = Cases()
FROM, TO = b"<a@client.example>", b"<someone@lab.example>"
SENDERS = [b'<"bad.one"@client.example>', b"<bad.one@client.example.>", b"bad.one@client.example",
           b"<@relay.example:bad.one@client.example>", b"<bad\\.one@client.example>",
           b"<bad.one(x)@client.example>", b"<BAD.one@CLIENT.example>"]
RECIPIENTS = [b'<"boss"@lab.example>', b"<@lab.example:boss@lab.example>", b"<boss@LAB.EXAMPLE>"]


def word(text, charset="utf-8"):
    return b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(text.encode(charset)))


SUBJECTS = [b"Ihre Rechnung", word("Ihre Rechnung"), b"=?utf-8?Q?Ihre_Re?= =?iso-8859-1?Q?chnung?=",
            b"Ihre\r\n Rechnung", word("Ihre Rechnung", "utf-16le"), b"y" * 900 + b"Rechnung",
            b"y" * 3000 + b" Rechnung", b"first\r\nSubject: Rechnung", b"\r\nSubject: Rechnung"]
PLACE = b"Content-Disposition: attachment; "
NAMES = [PLACE + b"filename=a.exe", b'Content-Type: application/x; name="a.EXE"',
         PLACE + b"filename*=utf-8''a%2Eexe", PLACE + b'filename*0="a.e"; filename*1=xe',
         PLACE + b'filename="' + word("a.exe") + b'"', PLACE + b"filename=a.txt; filename=a.exe",
         b"Content-Type: application/x; name=a.exe\n" + PLACE + b"filename=a.txt",
         PLACE + b'filename="a.exe "', PLACE + b'filename="' + b"x" * 300 + b'.exe"',
         PLACE + b'filename="' + b"x" * 2000 + b'.exe"']


def with_subject(number, subject):
    return message(number, [], b"text\n").replace(b"lab mail " + number.encode(), subject)


def with_name(number, head):
    return message(number, ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=e"],
                   b"--e\n\ntext\n--e\n" + head + b"\n\nabc\n--e--\n")


@cases.case("what is covered is held however it is written, and what is not goes at once", engine=True)
def scopes(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        for name, option, value in (("S", "--sender", "bad.one@client.example"),
                                    ("R", "--recipient", "boss@lab.example"),
                                    ("J", "--subject", "*rechnung*"), ("N", "--name", "*.exe"),
                                    ("Z", "--min-bytes", "200000")):
            out.control.ask("seal", "--virus-id", name, option, value)
        mails = [(FROM, TO, message("open", [], b"text\n"))]
        mails += [(s, TO, message("s%d" % i, [], b"text\n")) for i, s in enumerate(SENDERS)]
        mails += [(FROM, r, message("r%d" % i, [], b"text\n")) for i, r in enumerate(RECIPIENTS)]
        mails += [(FROM, TO, with_subject("j%d" % i, s)) for i, s in enumerate(SUBJECTS)]
        mails += [(FROM, TO, with_name("n%d" % i, n)) for i, n in enumerate(NAMES)]
        mails.append((FROM + b" SIZE=100", TO, message("z", [], b"0123456789\n" * 30000)))
        talk = Talk(lab)
        for sender, to, data in mails:
            talk.ask(b"MAIL FROM:" + sender, 250)
            talk.ask(b"RCPT TO:" + to, 250)
            talk.ask(b"DATA", 354)
            talk.send(stuffed(data))
            talk.reply(250)
        talk.socket.close()
        covered = sorted(labmail.lab_id(data) for _, _, data in mails[1:])

        def held():
            return sorted(labmail.lab_id(out.control.export(r["id"])) for r in out.control.held())
        until("the open one arrives", lambda: out.server.mails())
        time.sleep(2.5)  # longer than mail lies before it is let go
        case.equal([labmail.lab_id(m) for m in out.server.mails()], ["open"], "at the server")
        case.equal(held(), covered, "held")
        out.control.ask("unseal", "--all")
        labmail.check_arrived(case, out.server, [data for _, _, data in mails])


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
