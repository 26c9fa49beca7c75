#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What some reader of zips takes out of a wrong one, `cordonctl scan` has found, or the zip is suspect.

  test_zip_readers.py [FROM TO]    seeds; 150 where none are given

The readers are Python's zipfile, unzip, 7-Zip and libarchive, which reads by the directory, or from the front where it
cannot go back.
"""
import concurrent.futures
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib

from parityzips import MARKS, Zip

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
COUNT = 150
ONCE_MISSED = (1767,)  # by an earlier scanner
SECONDS = 3  # some of these never end with some zips
TOOLS = {"unzip": "unzip -p -P x %s", "7zz": "7zz x -so -y -px %s", "bsdtar": "bsdtar -xOf %s",
         "bsdtar from the front": "cat %s | bsdtar -xOf -"}


def letters(data):
    return {letter for letter, mark in MARKS.items() if mark in data}


def read_member(archive, info):
    """As much as comes out, whatever its checksum."""
    data = b""
    try:
        with archive.open(info) as file:
            file._expected_crc = None
            while piece := file.read(1000):
                data += piece
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error,
            lzma.LZMAError, MemoryError):
        pass
    return data


def read_by_python(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return set().union(*(letters(read_member(archive, info)) for info in archive.infolist()))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, IndexError, EOFError):
        return set()


def run(line):
    """What comes out until it ends, or has taken too long."""
    try:
        return subprocess.run(["timeout", "-s", "KILL", str(SECONDS), "sh", "-c", line], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=2 * SECONDS).stdout
    except subprocess.TimeoutExpired as late:
        return late.stdout or b""


def read_by_tools(path):
    found = {name: letters(run(line % path)) for name, line in TOOLS.items() if shutil.which(name.split()[0])}
    return {"Python": read_by_python(path), **found}


def scan(folder, letter):
    """{file: verdict} with the rule for this letter alone: a finding hides no doubt about the others."""
    rules = os.path.join(os.path.dirname(folder), letter + ".ndb")
    with open(rules, "w") as file:
        file.write("Mark:0:*:%s\n" % MARKS[letter].hex())
    done = subprocess.run([os.path.join(BUILD, "cordonctl"), "scan", "--rules", rules, "--json", folder],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=240)
    if done.returncode not in (0, 1):
        raise SystemExit("cordonctl scan: exit status %d" % done.returncode)
    lines = [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]
    return {os.path.basename(line["path"]): line["verdict"] for line in lines}


def main():
    first, last = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (0, COUNT)
    first, last = (x + int(os.environ.get("CORDON_PARITY_SEED", "0")) * COUNT for x in (first, last))
    missed, counts = [], {}
    for name in sorted({tool.split()[0] for tool in TOOLS}):
        if not shutil.which(name):
            print("there is no %s: not compared with it" % name)
    with tempfile.TemporaryDirectory() as top, concurrent.futures.ThreadPoolExecutor(2) as readers:
        folder = os.path.join(top, "zips")
        os.mkdir(folder)
        zips = {"%d.zip" % seed: Zip(seed) for seed in (*range(first, last), *ONCE_MISSED)}
        for name, made in zips.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(made.data)
        found = dict(zip(zips, readers.map(read_by_tools, [os.path.join(folder, name) for name in zips])))
        for letter in MARKS:
            for name, verdict in scan(folder, letter).items():
                who = sorted(reader for reader, seen in found[name].items() if letter in seen)
                counts[verdict, bool(who)] = counts.get((verdict, bool(who)), 0) + 1
                if who and verdict == "clean":
                    missed.append("seed %s %s: %s is clean, and read by %s" % (
                        name[:-4], zips[name].wrongs, letter, ", ".join(who)))
    print("verdicts, and whether a reader takes it out:", counts)
    print("\n".join(missed))
    # A generator that makes nothing that can be read tests nothing.
    is_hollow = counts.get(("infected", True), 0) < (last - first) // 4
    if is_hollow:
        print("too few of them can be read")
    print("%d passed, %d failed, 0 skipped" % (len(zips) - len(missed), len(missed) + is_hollow))
    return 1 if missed or is_hollow else 0


if __name__ == "__main__":
    sys.exit(main())
