#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ClamAV's scanner and ours with the same signatures over the same files.

Signatures of every kind that is read are made at random, with files and mails that hold what they
describe or just miss it; then the test mail and ClamAV's test files are scanned with the rule sets
that others published and with the digest of every attachment. Each difference must be one that
paritydifferences.py knows and docs/parity.md explains.

CORDON_PARITY_SEED chooses other cases, CORDON_PARITY_SCALE multiplies their number,
CORDON_PARITY_FULL=1 takes all of the mail, CORDON_PARITY_KEEP=FOLDER keeps the files.
"""
import collections
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True  # the tree is left as it was
import parityarchives
import paritycarriers
import paritycases
import paritycopies
import paritycorpus
import paritydamage
import paritydifferences
import parityexe
import parityformats
import paritylogical
import paritymembers
import paritynormal
import parityrun
import parityscripts
import parityspeed
import paritytypes

SEED = int(os.environ.get("CORDON_PARITY_SEED", "20261122"))
SCALE = float(os.environ.get("CORDON_PARITY_SCALE", "1"))
SHOWN = 10  # unexplained differences that are printed


class Skipped(Exception):
    """This machine or this build cannot make the comparison."""


class Comparison:
    """Of one folder: which differences there are, and whether enough was found to mean something."""

    def __init__(self, clamav, cordon):
        self.clamav, self.cordon = clamav, cordon
        self.both = 0
        self.explained = collections.Counter()
        self.unexplained = []

    def add(self, path, tags_of):
        """tags_of(signature): what is known of the file and the signature."""
        clamav, cordon = self.clamav.names[path], self.cordon.names[path]
        self.both += len(clamav & cordon)
        for engine, names in (("clamav", clamav - cordon), ("cordon", cordon - clamav)):
            for name in sorted(names):
                tags = set(tags_of(name)) | (
                    {"clamav crashed"} if path in self.clamav.crashed else set())
                why = paritydifferences.explain(engine, tags)
                if why:
                    self.explained["%s only: %s" % (engine, why)] += 1
                else:
                    self.unexplained.append((engine, path, name, sorted(tags)))

    def report(self, at_least, line_of):
        print("    both: %d, ClamAV %.1f s, Cordon %.1f s" % (
            self.both, self.clamav.seconds, self.cordon.seconds))
        for why, count in sorted(self.explained.items()):
            print("    %s: %d" % (why, count))
        if self.clamav.crashed:
            print("    clamscan crashed on: %s" % " ".join(self.clamav.crashed))
        for engine, path, name, tags in self.unexplained[:SHOWN]:
            print("    UNEXPLAINED %s only: %s in %s\n        %s\n        %s" % (
                engine, name, path, line_of(name), ", ".join(tags)))
        if self.both < at_least:
            print("    TOO FEW: both engines found only %d, not %d" % (self.both, at_least))
        return not self.unexplained and self.both >= at_least


def generated(folder, makers, at_least, cached=False):
    """Runs makers [(function, count)] into one folder and compares."""
    book = paritycases.Book(folder)
    rng = random.Random(SEED)
    for maker, count in makers:
        maker(book, rng, max(1, int(count * SCALE)))
    book.close()
    compared = Comparison(*parityrun.both(book.database, book.files, cached=cached))
    kinds = {note.signature: set(note.tags) for note in book.notes.values()}
    name_of = {line: name for name, line in book.line_of.items()}
    for (file, number), why in parityrun.skipped_lines(book.database, folder + ".image").items():
        kinds.setdefault(name_of[book.lines[file][number - 1]], set()).add("not taken: " + why)
    print("    %d signatures, %d files, %d lines that ClamAV refuses" % (
        sum(map(len, book.lines.values())), len(book.notes), len(book.refused)))
    for path, note in book.notes.items():
        compared.add(path, lambda name, note=note: (
            set(note.tags) | kinds.get(name, set()) | {"of " + name.split(".")[0]}
            | (set() if name == note.signature else {"by chance"})))
    wrong = [path for path, note in book.notes.items() if note.should is False
             and note.signature in compared.cordon.names[path]]
    print("".join("    WRONG %s: %s\n" % (path, book.notes[path]) for path in wrong[:SHOWN]), end="")
    few = int(at_least * SCALE)
    return compared.report(few, lambda name: book.line_of.get(name, "")) and not wrong


def body(folder):
    """body patterns, in files and attachments"""
    return generated(folder, [(paritycases.body_signatures, 350)], 500)


def mails(folder):
    """body patterns in the raw bytes of mails"""
    return generated(folder, [(paritycases.mail_signatures, 200)], 150)


def damage(folder):
    """attachments of mails that are damaged at random"""
    database, files = os.path.join(folder, "db"), os.path.join(folder, "files")
    os.makedirs(database)
    os.makedirs(files)
    count = max(300, int(400 * SCALE))
    paritydamage.write(random.Random(SEED), count, database, files)
    clamav, cordon = parityrun.both(database, files)
    both = [path for path in clamav.names if cordon.names[path]]
    missed = [path for path in clamav.names if not cordon.names[path] and path not in cordon.suspect]
    print("    %d mails, both: %d, ClamAV alone: %d %s" % (count, len(both), len(missed), " ".join(missed[:SHOWN])))
    return len(both) >= count // 2 and len(missed) <= count // 300


def spared(folder):
    """what an allowed message hides in damaged mails: nothing that is beside it"""
    folders, files = [os.path.join(folder, name) for name in ("without", "with")], os.path.join(folder, "files")
    for made in folders + [files]:
        os.makedirs(made)
    whole = paritydamage.write_allowed(random.Random(SEED), int(400 * SCALE), folders, files)
    without, listed = [parityrun.cordonctl(database, files).names for database in folders]
    found = {path for path in list(without) if without[path]}
    hidden = {path for path in found if not listed[path]}
    print("    %d found, %d of them hidden" % (len(found), len(hidden)))
    print("".join("    HIDDEN %s\n" % path for path in sorted(hidden - whole)[:SHOWN]), end="")
    return len(found) >= 300 * SCALE and hidden == whole


def hashes(folder):
    """digests of files, attachments and mails"""
    return generated(folder, [(paritycases.hash_signatures, 400)], 600)


def executables(folder):
    """import tables of PE files, and offsets by entry point and section"""
    return generated(folder, [(parityexe.import_tables, 120), (parityexe.places, 200)], 150)


def formats(folder):
    """offsets in ELF and Mach-O files, version information, headers that come late"""
    return generated(folder, [(parityformats.formats, 100), (parityformats.versions, 80)], 100)


def members(folder):
    """names and sizes of what lies in containers"""
    return generated(folder, [(paritymembers.container_members, 300)], 100)


def sections(folder):
    """digests of sections, in programs of any size"""
    return generated(folder, [(paritycarriers.section_digests, 40)], 40)


def carriers(folder):
    """every kind of signature inside of pages, programs, archives and mails"""
    return generated(folder, [(maker, 40) for maker in paritycarriers.MAKERS], 150)


def types(folder):
    """file types of tables that replace the built-in one, or extend it"""
    tables = [paritytypes.replacing, paritytypes.with_html, paritytypes.extending]
    return all([generated(os.path.join(folder, table.__name__), [(table, 80)], 60) for table in tables])


def lists(folder):
    """allow lists and ignore lists"""
    return generated(folder, [(paritycases.allow_lists, 250), (paritycases.ignore_lists, 250),
                              (paritycases.allow_messages, 100)], 200)


def logical(folder):
    """logical signatures"""
    probe = os.path.join(folder, "probe")
    os.makedirs(probe)
    with open(os.path.join(probe, "probe.ldb"), "w", encoding="ascii") as file:
        file.write("Probe;Engine:51-255,Target:0;0&1;41424344;45464748\n")
    taken, skipped = parityrun.is_taken_by_cordon(probe, os.path.join(folder, "image"))
    if not taken or skipped:
        raise Skipped("this build does not take .ldb")
    return generated(os.path.join(folder, "cases"), [(paritylogical.logical_signatures, 250)], 200)


def nested(folder):
    """Container and Intermediates, of archives in archives and mails"""
    return generated(folder, [(paritylogical.nested_containers, 150)], 60)


def handlers(folder):
    """HandlerType"""
    return generated(folder, [(paritylogical.handlers, 40)], 40, cached=True)


def archives(folder):
    """archives that must be whole, of every kind, inside each other and in mails"""
    if not {"7z LZMA2", "cab", "iso", "xz"} <= set(parityarchives.kinds()):
        raise Skipped("tools that make archives are missing")
    return generated(folder, [(parityarchives.carriers, 120)], 60)


def normal(folder):
    """patterns in normalised copies of texts and HTML"""
    return generated(folder, [(paritynormal.normal_signatures, 500)], 600)


def inline(folder):
    """patterns and digests of what stands in HTML as data:"""
    return generated(folder, [(paritynormal.inline_data, 150)], 170)


def copies(folder):
    """ClamAV's own copies of the test mail's texts and HTML"""
    if not paritycorpus.DATA or not os.path.isdir(os.path.join(paritycorpus.DATA, "mail")):
        raise Skipped("no CORDON_TEST_DATA/mail")
    count, signatures, wrong = paritycopies.compare(folder)
    print("    %d copies, %d places" % (count, signatures))
    print("".join("    DIFFERENT %s\n" % where for where in wrong[:SHOWN]), end="")
    return count >= 300 and not wrong


def scripts(folder):
    """ClamAV's own copies of pages with random scripts"""
    count, signatures, wrong = paritycopies.compare(folder, lambda files: parityscripts.pages(files, random.Random(SEED)))
    print("    %d copies, %d places" % (count, signatures))
    print("".join("    DIFFERENT %s\n" % where for where in wrong[:SHOWN]), end="")
    return count >= 300 and not wrong


def corpus(folder):
    """the test mail with published rules and the digest of every attachment"""
    if not paritycorpus.DATA or not os.path.isdir(os.path.join(paritycorpus.DATA, "mail")):
        raise Skipped("no CORDON_TEST_DATA/mail")
    database, files = os.path.join(folder, "db"), os.path.join(folder, "files")
    os.makedirs(database)
    paths = paritycorpus.chosen(bool(os.environ.get("CORDON_PARITY_FULL")))
    names = paritycorpus.copy(paths, files)
    signatures = paritycorpus.write_digests(paths, os.path.join(database, "attachments.hsb"))
    paritycorpus.link_rules(database)
    compared = Comparison(*parityrun.both(database, files))
    print("    %d mails and other files, %d digests of attachments" % (len(names), len(signatures)))
    for name, path in names.items():
        compared.add(name, lambda signature, path=path: paritycorpus.tags(
            path, signatures.get(signature)))
    return compared.report(len(paths) // 8, lambda name: "%s %s" % (name, signatures.get(name, "")))


def testfiles(folder):
    """ClamAV's test files with its own test signature"""
    if not os.path.isdir(paritycorpus.TESTFILES):
        raise Skipped("package clamav-testfiles is missing")
    if not paritycorpus.DATA:
        raise Skipped("no CORDON_TEST_DATA")
    paritycorpus.link_rules(folder)
    compared = Comparison(*parityrun.both(folder, paritycorpus.TESTFILES))
    for name in sorted(os.listdir(paritycorpus.TESTFILES)):
        compared.add(name, lambda signature, name=name: {"test file", name})
    gone = [name for name in sorted(paritydifferences.PACKED)
            if compared.clamav.names[name] and compared.clamav.names[name] == compared.cordon.names[name]]
    if gone:
        print("    found by both though listed as not unpacked: " + " ".join(gone))
    return compared.report(4, str) and not gone


def speed(folder):
    """speed side by side"""
    if not paritycorpus.DATA:
        raise Skipped("no CORDON_TEST_DATA")
    why = parityspeed.compare(folder)
    if why:
        raise Skipped(why)
    return True


def run(name, check, folder):
    """1 passed, 0 failed, None skipped."""
    began = time.monotonic()
    os.makedirs(folder)
    try:
        passed = check(folder)
    except Skipped as why:
        print("skipped: %s: %s" % (name, why), flush=True)
        return None
    except Exception:  # a check that breaks is a check that fails
        traceback.print_exc(file=sys.stdout)
        passed = False
    print("%-4s %s (%.1f s)" % ("ok" if passed else "FAIL", name, time.monotonic() - began), flush=True)
    return int(passed)


def main():
    checks = [body, mails, damage, spared, hashes, executables, formats, members, sections, carriers, types, lists, logical, nested, handlers, normal, inline, copies, scripts,
              archives, corpus, testfiles, speed]
    if parityrun.CLAMSCAN is None:
        print("skipped: package clamav is missing\n0 passed, 0 failed, %d skipped" % len(checks))
        return 0
    wanted = [check for check in checks if not sys.argv[1:] or check.__name__ in sys.argv[1:]]
    top = os.environ.get("CORDON_PARITY_KEEP") or tempfile.mkdtemp(prefix="cordon-parity-")
    try:
        results = [run(check.__doc__, check, os.path.join(top, check.__name__)) for check in wanted]
    finally:
        if not os.environ.get("CORDON_PARITY_KEEP"):
            shutil.rmtree(top, ignore_errors=True)
    failed = results.count(0)
    print("%d passed, %d failed, %d skipped" % (results.count(1), failed, results.count(None)))
    return 1 if failed else 0


sys.exit(main())
