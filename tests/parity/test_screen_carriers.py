#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checksum screening does not depend on what carries a file: each entry of a sample hits it in every
archive, document and mail that ClamAV's makers have put theirs into (package clamav-testfiles), and in
archives in archives that tar, zip and 7z make here of a longer one."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
FILES = "/usr/share/clamav-testfiles"
# Of these the format is not unpacked (docs/parity.md); what is known of one, but not read, is suspect.
UNREAD = {"clam.sis": "clean", "clam.chm": "suspect", "clam.arj": "suspect", "clam_cache_emax.tgz": "suspect"}


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, **options).stdout


def entries_of(sample):
    return json.loads(run(BUILD + "/cordonctl", "screen", "compute", sample, "--virus-id", "CV-1"))


def scan(folder, entry, files):
    """{path: (verdict, whether the entry hit)}."""
    rules, entries = folder + "/rules.ndb", folder + "/entry.json"
    with open(rules, "w") as f:
        f.write("Test.Nowhere:0:*:%s\n" % b"nowhere in these files".hex())
    with open(entries, "w") as f:
        json.dump([entry], f)
    done = subprocess.run([BUILD + "/cordonctl", "scan", "--json", "--rules", rules, "--screen", entries, *files],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {e["path"]: (e["verdict"], any(m["kind"] == "checksum" for m in e["matches"]))
            for e in found if e["event"] == "scan"}


def faults(folder, sample, files):
    wrong = []
    entries = entries_of(sample)
    if len({e["kind"] for e in entries}) < 3:
        wrong.append("%s: has entries of too few kinds" % sample)
    for entry in entries:
        seen = scan(folder, entry, files)
        for path in files:
            name = os.path.basename(path)
            wanted = (UNREAD[name], False) if name in UNREAD else ("suspect", True)
            if seen.get(path) != wanted:
                wrong.append("%s: %s, not %s, by %s" % (name, seen.get(path), wanted, entry))
    return wrong


def foreign(folder):
    files = sorted(FILES + "/" + n for n in os.listdir(FILES)
                   if n.startswith("clam") and (n == "clam.exe" or not n.endswith(".exe")))
    return faults(folder, FILES + "/clam.exe", files)


def nested(folder):
    sample = folder + "/sample.bin"
    with open(sample, "wb") as f:
        f.write(random.Random(7).randbytes(100000))
    run("tar", "-cf", "a.tar", "sample.bin", cwd=folder)
    run("gzip", "-k", "a.tar", cwd=folder)
    run("zip", "-q", "b.zip", "a.tar.gz", cwd=folder)
    run("zip", "-q", "-0", "c.zip", "b.zip", cwd=folder)
    run("7zz", "a", "-bd", "d.7z", "b.zip", cwd=folder)
    run("xz", "-k", "sample.bin", cwd=folder)
    return faults(folder, sample, [folder + "/" + n for n in (
        "sample.bin", "a.tar", "a.tar.gz", "b.zip", "c.zip", "d.7z", "sample.bin.xz")])


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in (foreign, nested):
        if case is foreign and not os.path.exists(FILES + "/clam.exe"):
            print("skipped: clamav-testfiles is not installed")
            counts["skipped"] += 1
            continue
        folder = tempfile.mkdtemp(prefix="cordon-carriers-")
        try:
            wrong = case(folder)
        finally:
            shutil.rmtree(folder)
        print("%-4s %s" % ("FAIL" if wrong else "ok", case.__name__))
        print("".join("    %s\n" % text for text in wrong[:20]), end="")
        counts["failed" if wrong else "passed"] += 1
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
