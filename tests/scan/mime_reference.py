#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What Python's email package makes of messages, to compare the MIME parser with.

  mime_reference.py < LIST       LIST: a path a line

Prints for each file "file PATH", then a line for each leaf in order: "leaf SIZE SHA256 TYPE" with the
decoded payload's size and digest; "-" for both where the package keeps no payload as it was sent.
"error WHY" in place of the leaves when the package gives up.

One thing is set right before the package decodes: blanks at the end of a line of quoted-printable go
(RFC 2045 section 6.7, rule 3), which it leaves in.
"""
import email
import email.policy
import hashlib
import quopri
import re
import sys

CONTAINERS = ("message/rfc822", "message/global", "message/news")


def leaves(part):
    kind = part.get_content_type()
    if part.is_multipart():
        # Of other message types than these it parses the content, and cannot give it back.
        if part.get_content_maintype() == "message" and kind not in CONTAINERS:
            yield kind, None
            return
        for inner in part.get_payload():
            yield from leaves(inner)
        return
    if str(part.get("content-transfer-encoding", "")).strip().lower() == "quoted-printable":
        raw = str(part._payload).encode("utf-8", "surrogateescape")
        yield kind, quopri.decodestring(re.sub(rb"[ \t]+(?=\r?\n|$)", b"", raw))
        return
    payload = part.get_payload(decode=True)
    if payload is None:
        payload = str(part.get_payload()).encode("utf-8", "surrogateescape")
    yield kind, payload


def main():
    for path in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n"):
        if not path:
            continue
        print("file", path)
        with open(path, "rb") as file:
            data = file.read()
        try:
            found = list(leaves(email.message_from_bytes(data, policy=email.policy.compat32)))
        except Exception as why:  # whatever the package fails with is an answer too
            print("error", type(why).__name__)
            continue
        for kind, payload in found:
            kind = re.split(r"[^!-~]", kind)[0] or "?"
            if payload is None:
                print("leaf - -", kind)
            else:
                print("leaf", len(payload), hashlib.sha256(payload).hexdigest(), kind)


main()
