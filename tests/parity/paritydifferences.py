# SPDX-License-Identifier: BSD-3-Clause
"""The differences that are known, each with the paragraph of docs/parity.md that explains it.

A difference is a file in which one engine finds a signature and the other does not. It has tags: how
the file and the signature were made. One that no entry here covers fails the test.
"""
import collections

Difference = collections.namedtuple("Difference", "name engine covers")

# Transfer encodings of which ClamAV keeps lines of text, with a line break behind the last.
LINES = {"quoted-printable", "8bit", "7bit", "uuencode in text"}
# Test files whose form is not unpacked: executable packers, installers, old archives.
PACKED = {"clam-aspack.exe", "clam-fsg.exe", "clam-mew.exe", "clam-nsis.exe", "clam-pespin.exe",
          "clam-petite.exe", "clam-upack.exe", "clam-upx.exe", "clam-wwpack.exe", "clam-yc.exe",
          "clam.ea05.exe", "clam.ea06.exe", "clam.sis",
          "clam_IScab_ext.exe", "clam_IScab_int.exe",
          "clam_ISmsi_ext.exe", "clam_ISmsi_int.exe", "clam_cache_emax.tgz", "clam.chm",
          "clam.arj",
          "clam.exe.webapp-export.one"}
# Archives of the generated kinds that clamscan does not unpack.
UNSEEN = {"7z BZip2", "7z Deflate", "ar", "compress", "lha", "lz4", "lzip", "lzma", "zstd"}
# Mails of which ClamAV follows one reading and the file is in another.
READ = {"clam.mail-boundary-content-disposition.eml", "clam.mail-multiple-boundaries.eml",
        "clam.mail-multiple-content-type.eml", "clam.mail-semicolon-boundary.eml",
        "broken_richtext.eml"}


def has(*wanted):
    return lambda tags: set(wanted) <= tags


def any_of(*wanted):
    return lambda tags: bool(set(wanted) & tags)


def negated_edge(tags):
    return any(tag.startswith("!(") and tag.endswith("at an end") for tag in tags)


def line_copy(tags):
    """Of a part that ClamAV keeps as lines: what depends on its last byte, or on its length."""
    return "mail" in tags and (bool(LINES & tags) and bool(
        {"hash", "offset end", "FileSize"} & tags or any("at an end" in tag for tag in tags))
        or bool({"in body", "8bit"} & tags) and bool({"(L) inside", "offset end", "FileSize"} & tags))


def absent_in_lines(tags):
    """Wide characters that lose their NULs with the lines."""
    return "logical" in tags and bool({"in body", "8bit"} & tags) and any(
        tag.startswith("sub ::") and "w" in tag for tag in tags)


def line_text(tags):
    """A text of a corpus mail in ClamAV's form: other line breaks, or one more or less at the end."""
    return {"corpus", "text"} <= tags


DIFFERENCES = [
    # What only ClamAV finds.
    Difference("line-copies", "clamav", line_copy),
    Difference("line-copies", "clamav", line_text),
    Difference("line-copies", "clamav", lambda tags: "allow" in tags and bool(LINES & tags)
               and "the object" in tags),
    Difference("line-copies", "clamav", has("8bit", "binary")),
    Difference("line-copies", "clamav", has("mail", "five bytes")),
    Difference("line-copies", "clamav", absent_in_lines),
    # Of an attached message ClamAV's copy has no uuencoded lines, either.
    Difference("line-copies", "clamav", has("logical", "rfc822", "FileSize")),
    Difference("padded-base64", "clamav", has("logical", "absence", "base64 padded lines")),
    Difference("negated-start", "clamav", has("negated on the left", "at the first byte")),
    Difference("not-unpacked", "clamav", lambda tags: bool(PACKED & tags)),
    Difference("clamav-limits", "clamav", has("generic alternates", "??", "miss")),
    Difference("late-mail", "clamav", has("types", "CL_TYPE_MAIL", "extends")),
    # What only Cordon finds.
    Difference("line-copies", "cordon", line_copy),
    Difference("line-copies", "cordon", lambda tags: "allow" in tags and bool(LINES & tags)),
    Difference("line-copies", "cordon", lambda tags: "corpus" in tags and "rules" not in tags),
    Difference("more-readings", "cordon", lambda tags: "rules" in tags and bool(READ & tags)),
    Difference("more-archives", "cordon", has("rules", "clam-v3.rar")),
    Difference("line-copies", "cordon", has("8bit", "binary")),
    # A short pattern in the copy of a text: in capitals among the uuencoded lines, which ClamAV's copy has not.
    Difference("line-copies", "cordon", lambda tags: {"mail", "by chance"} <= tags and bool(
        {"uuencode in text", "x-uuencode"} & tags)),
    Difference("line-copies", "cordon", has("inline", "escaped")),
    Difference("more-inline", "cordon", has("inline", "elsewhere")),
    Difference("more-inline", "cordon", has("inline", "in a style")),
    Difference("line-copies", "cordon", has("mail", "long line")),
    Difference("line-copies", "cordon", has("logical", "in body")),
    Difference("late-html", "cordon", has("normalised", "late")),
    # Random bytes that read as a text with a tag: of <b in it a copy of HTML is made.
    Difference("late-html", "cordon", has("a tag by chance", "offset start")),
    Difference("late-html", "cordon", has("a tag by chance", "offset end")),
    Difference("late-html", "clamav", has("normalised", "late", "target 3")),
    Difference("late-html", "cordon", has("normalised", "HTML", "target 0")),
    Difference("padded-base64", "cordon", has("base64 padded lines")),
    Difference("copies-inside", "cordon", has("of Body", "offset end", "reads as text", "miss")),
    Difference("negated-edge", "cordon", negated_edge),
    Difference("line-copies", "cordon", lambda tags: "logical" in tags and bool(LINES & tags)),
    Difference("line-copies", "cordon", lambda tags: "archive" in tags and bool(LINES & tags)),
    Difference("more-archives", "cordon", lambda tags: "archive" in tags and bool(UNSEEN & tags)),
    Difference("cut-programs", "cordon", has("imports", "cut")),
    Difference("cut-programs", "clamav", has("imports", "cut")),
    Difference("cut-programs", "cordon", has("version", "cut")),
    Difference("disc-names", "clamav", has("members", "CL_TYPE_ISO9660")),
    Difference("disc-names", "cordon", has("members", "CL_TYPE_ISO9660")),
    Difference("part-names", "clamav", has("members", "mail")),
    Difference("part-names", "cordon", has("members", "mail")),
    Difference("part-names", "cordon", has("members", "CL_TYPE_MAIL")),
    Difference("types-of-copies", "cordon", lambda tags: "types" in tags and bool(
        {"target 0", "target 3", "target 7"} & tags)),
    Difference("part-names", "clamav", lambda tags: "of Member" in tags and bool(
        {"in base64", "in overlay zip", "in overlay"} & tags)),
    Difference("padded-base64", "clamav", has("base64 padded lines", "offset end")),
    Difference("padded-base64", "clamav", has("base64 padded lines", "normalised", "by chance")),
    Difference("line-copies", "clamav", has("logical", "in body", "absence")),
    Difference("script-copies", "clamav", has("normalised", "HTML", "target 7")),
    Difference("part-names", "cordon", has("of Member", "in base64")),
    Difference("inline-container", "cordon", has("in page", "Container")),
    Difference("inline-container", "clamav", has("in page", "target 4")),
    Difference("inline-container", "clamav", has("in page", "of Member")),
    Difference("inline-container", "clamav", has("in page", "absence", "FileSize")),
    Difference("part-names", "cordon", lambda tags: "of Member" in tags and bool(
        {"in overlay zip", "in overlay"} & tags)),
    Difference("clamav-limits", "cordon", any_of("clamav crashed")),
    Difference("clamav-limits", "cordon", has("fat")),
    Difference("clamav-limits", "cordon", has("gap[n-m]", "gap{n<128}", "nibble", "miss")),
]


def explain(engine, tags):
    """The name of the explanation for what only this engine finds, or None."""
    for difference in DIFFERENCES:
        if difference.engine == engine and difference.covers(tags):
            return difference.name
    return None
