# SPDX-License-Identifier: BSD-3-Clause
"""Mail and files that others wrote, with their rule sets, and with a digest for every attachment.

The digests are of what Python's email package decodes, in the two forms that readers give a part: as
it is, and for text with the line break that a reader of lines leaves at its end.
"""
import email
import email.policy
import hashlib
import os
import shutil

DATA = os.environ.get("CORDON_TEST_DATA", "")
TESTFILES = "/usr/share/clamav-testfiles"
RULES = ["lmd-2020/rfxn.ndb", "lmd-2020/rfxn.hdb", "clamav-official-2025-04-29/daily.ndb",
         "clamav-official-2025-04-29/main.hdb", "clamav-official-2025-04-29/daily.hdb",
         "clamav-official-2025-04-29/daily.fp", "clamav-official-2025-04-29/main.fp"]
SMALLEST = 6  # bytes: nothing smaller is an object


def mails():
    """Every file of the test mail: paths relative to the data folder, sorted."""
    top = os.path.join(DATA, "mail")
    return sorted(os.path.relpath(os.path.join(folder, name), DATA)
                  for folder, _, names in os.walk(top) for name in names)


def link_rules(database):
    for path in RULES:
        os.symlink(os.path.join(DATA, "signatures", path),
                   os.path.join(database, path.replace("/", "-")))


def payloads(message):
    """(content type, transfer encoding, decoded bytes) of every leaf."""
    for part in message.walk():
        if part.is_multipart():
            continue
        data = part.get_payload(decode=True)
        if data is not None:
            encoding = str(part.get("content-transfer-encoding", "7bit")).strip().lower()
            yield part.get_content_type(), encoding, data


def chosen(everything):
    """Paths of the mails to scan; of the large collection every third is enough for most days."""
    return [path for number, path in enumerate(mails())
            if everything or "/spamassassin/" not in path or number % 3 == 0]


def copy(paths, folder):
    """Links them into one folder: {name there: path}."""
    os.makedirs(folder)
    names = {}
    for number, path in enumerate(paths):
        name = "%05d-%s" % (number, os.path.basename(path))
        shutil.copyfile(os.path.join(DATA, path), os.path.join(folder, name))
        names[name] = path
    return names


def write_digests(paths, file):
    """{signature name: (size, path, content type, encoding, form)}, and the lines to a file."""
    lines, names = {}, {}
    for path in paths:
        with open(os.path.join(DATA, path), "rb") as mail:
            data = mail.read()
        try:
            found = list(payloads(email.message_from_bytes(data, policy=email.policy.compat32)))
        except Exception:  # whatever the package fails with: it has no opinion then
            continue
        for kind, encoding, payload in found:
            with_lf = payload.replace(b"\r\n", b"\n")
            forms = {"as it is": payload, "with LF": with_lf,
                     "with CRLF": with_lf.replace(b"\n", b"\r\n")}
            for form, text in forms.items():
                if len(text) >= SMALLEST:
                    lines.setdefault(hashlib.sha256(text).hexdigest(),
                                     (len(text), path, kind, encoding, form))
    with open(file, "w", encoding="ascii") as out:
        for number, (digest, known) in enumerate(lines.items()):
            out.write("%s:%d:Attachment.%d\n" % (digest, known[0], number))
            names["Attachment.%d" % number] = known
    return names


def tags(path, known):
    """What is known of a file, and of an attachment's digest that was found in it."""
    found = {"corpus", os.path.basename(path)}
    if known is None:
        return found | {"rules"}
    _, _, kind, encoding, form = known
    # A multipart without parts is a text to those who take it for a leaf.
    is_text = kind.startswith(("text/", "multipart/"))
    return found | {encoding, form, kind} | ({"text"} if is_text else set())
