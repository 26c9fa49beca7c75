#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes scripts in Microsoft's encoding, and says what is in them, as unpack_reference.py does.

  unpack_reference_script.py FOLDER

Where clamscan is installed it is asked whether it decodes them to the same.
"""
import base64
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

# For tab and the characters from the blank on, what stands for them in each of three ways.
WAYS = bytes.fromhex(
    "643769507e2c225a654a4572613a5b5e79665d59755b274c42764560637623622a654d435f51337e53424f5220522063"
    "7a264a21545a467138202b79266632632a572a586c767f2b477b462530522c314f296c3d6949703f3f3f27787b3f3f3f"
    "675f513f3f3f62297a41247e5a2f3b663947323341736f774d215643755f7128263942787c466e534a64485c74314867"
    "72367d6e4b68707d35495d223f6a554b503a6a69602e236a7f097128706f3565497d745c242c5d2d7727544459373f25"
    "7b6d7c3d7c236c436d3438286d5e314e5b392b6e7f3057366f4c547434346b72624c254e33563056735e3a6873785509"
    "57474b7732613b3524442e4d2f646b594f44453b215c2d37684153366158587a4879222e096050756b2d384e29553d3f")
TURNS = "1201202002021020102011200210200211020201011201021020112001120102"
ESCAPES = {"\r": "#", "\n": "&", "<": "!", ">": "*", "@": "$"}


def encode(text, length=None):
    out = b""
    for at, c in enumerate(text):
        if c in ESCAPES:
            out += b"@" + ESCAPES[c].encode()
        elif c == "\t" or 32 <= ord(c) < 127:
            index = 0 if c == "\t" else ord(c) - 31
            out += WAYS[3 * index + int(TURNS[at % 64]):][:1]
        else:
            out += c.encode("latin-1")
    head = base64.b64encode(struct.pack("<I", len(out) if length is None else length))
    return b"#@~^" + head + out + base64.b64encode(struct.pack("<I", sum(text.encode("latin-1")))) + b"^#~@"


all_of_them = "".join(chr(i) for i in range(32, 127)) + "\t\r\n"
script = "var a = 1;\r\nif (a < 2 && a > 0)\r\n\talert(\"x@y\");\r\n" + all_of_them
marked = script + "MARK-OF-THE-TEST" + script
page = b"<html><body><p>#@ ~^ #@~</p><script language=\"JScript.Encode\">%s</script>text</body></html>"
cases = {
    "script.jse": (encode(script), "clean", "", [(0, "", script)]),
    "script-long.vbe": (encode(script * 99), "clean", "", [(0, "", script * 99)]),
    "script-page.html": (page % encode(script), "clean", "", [(0, "", script)]),
    "script-two.html": (page % (encode(script) + b"//" + encode(script * 2)), "clean", "",
                        [(0, "", script), (0, "", script * 2)]),
    "script-late.txt": (b"x" * 5000 + encode(script), "clean", "", [(0, "", script)]),
    "script-cut.jse": (encode(script, 9999)[:-40], "clean", "", None),
    "script-no-length.jse": (b"#@~^????==" + encode(script)[12:], "clean", "", []),
    "script-marked.jse": (encode(marked), "infected", "signature", [(0, "", marked)]),
    "script-marked.html": (page % encode(marked), "infected", "signature", [(0, "", marked)]),
    "script-in-script.jse": (encode(encode(marked).decode("latin-1")), "infected", "signature", None),
}


def ask_clamscan(folder):
    if shutil.which("clamscan") is None:
        print("unpack_reference_script.py: there is no clamscan", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as where:
        base = os.path.join(where, "a.ndb")
        with open(base, "w") as file:
            file.write("Test.Mark:0:*:%s\n" % b"mark-of-the-test".hex())
            file.write("Test.Mark2:0:*:%s\n" % b"MARK-OF-THE-TEST".hex())
        for name in ("script-marked.jse", "script-marked.html"):
            done = subprocess.run(["clamscan", "--no-summary", "-d", base, os.path.join(folder, name)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if done.returncode != 1:
                raise RuntimeError("clamscan does not find the mark in " + name)


def main():
    folder = sys.argv[1]
    for name, (data, verdict, reason, found) in cases.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        print("F", path, verdict, reason, sep="\t")
        if found is None:
            print("-")
        for parent, member, text in found or []:
            inner = text.encode("latin-1")
            print("M", parent, member.encode().hex(), len(inner), hashlib.sha256(inner).hexdigest(), sep="\t")
    ask_clamscan(folder)


if __name__ == "__main__":
    main()
