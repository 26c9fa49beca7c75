#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Archives that are unpacked when their message has ended: refused or delivered byte for byte, and no
other connection waits for them."""
import lzma
import os
import shutil
import subprocess
import tempfile
import time

import labmail
from labgateway import Gateway
from lablib import Capture, Cases, Lab, check_captures, until
from labmail import EICAR, EICAR_NAME, TEXT, Talk, attachment, check_arrived, mixed, noise, stuffed
from labpostfix import Server

cases = Cases()


def seven(*entries):
    """A 7z of (name, content)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in entries:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        subprocess.run(["7zz", "a", "-bd", "made.7z"] + [n for n, _ in entries], cwd=folder,
                       check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "made.7z"), "rb") as file:
            return file.read()


def need_seven(case):
    if shutil.which("7zz") is None:
        case.skip("no 7zz (package 7zip)")


@cases.case("a 7z with the test file in it is refused, a clean one arrives byte for byte",
            engine=True)
def verdicts(case):
    need_seven(case)
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        bad = mixed("bad", TEXT, attachment(seven(("a.txt", b"some text\n" * 500), ("b.com", EICAR)), "a.7z"))
        deep = mixed("deep", attachment(seven(("in.7z", seven(("b.com", EICAR)))), "deep.7z"))
        good = mixed("good", TEXT, attachment(seven(("n.bin", noise(300000, 3))), "n.7z"))
        for data in (bad, deep):
            code, text = labmail.send(lab, data)
            case.check(code == 554 and EICAR_NAME in text, "refused with the signature", code, text)
        case.equal(labmail.send(lab, good)[0], 250, "the clean one")
        check_arrived(case, server, [good])
        events = gateway.check_mails(case, clean=1, infected=2)
        names = [p["filename"] for e in events for p in e["parts"]]
        for name in ("b.com", "in.7z", "n.bin"):
            case.check(name in names, "the event lists the member", name, names)
        case.equal(gateway.stats()["verdicts_deferred"], 3, "verdicts that were waited for")
        check_captures(case, captures, resets=("server",))


def slow():
    """An xz that takes seconds to unpack and to scan, and is no bomb but for its size."""
    lines = [noise(48, n).hex().encode() + b"\n" for n in range(64)]
    text = b"".join(lines[n % 64] for n in noise(40000, 7))
    return lzma.compress(text, preset=0) * (1500000000 // len(text))


@cases.case("while an archive is unpacked other connections go on", engine=True)
def others(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, limits={"max_unpacked_bytes": 1 << 40})
        heavy = mixed("heavy", attachment(slow(), "n.xz"))
        small = [mixed("small%d" % n, TEXT) for n in range(2)]
        talk, waiting = Talk(lab), Talk(lab)
        for each in (talk, waiting):
            each.envelope()
            each.ask(b"DATA", 354)
        talk.send(stuffed(heavy))
        until("the archive is worked on", lambda: gateway.stats()["verdicts_deferred"] > 0)
        waiting.send(stuffed(small[0]))
        waiting.reply(250)
        case.equal(labmail.send(lab, small[1])[0], 250, "a new connection meanwhile")
        talk.reply(250)
        talk.quit()
        waiting.quit()
        check_arrived(case, server, [heavy] + small)
        mails = gateway.wait_mails(3)
        case.check(mails[0]["bytes"] < 100000, "a small mail came first")
        gateway.check_mails(case, clean=3)


@cases.case("a message whose archive takes too long is answered in time, and the server has none of it",
            engine=True)
def too_long(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, limits={"verdict_seconds": 1, "max_unpacked_bytes": 1 << 40,
                                       "max_ratio": 100000})
        endless = lzma.compress(bytes(100 << 20), preset=0) * 200
        code, text = labmail.send(lab, mixed("endless", attachment(endless, "zero.xz")))
        after = mixed("next", TEXT)
        case.check(code == 554 and "limit-time" in text, "refused for its time", code, text)
        case.equal(labmail.send(lab, after)[0], 250, "the next mail")
        gateway.check_mails(case, clean=1, suspect=1)
        check_arrived(case, server, [after])
        began = time.monotonic()
        case.equal(gateway.stop(), 0, "exit status")
        case.check(time.monotonic() - began < 20, "it stops although a thread was at work")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
