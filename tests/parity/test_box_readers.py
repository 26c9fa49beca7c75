#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What some reader takes out of a wrong gzip file or tar, `cordonctl scan` has found by its checksum, or has called suspect.

  test_box_readers.py [KIND FROM TO]    gzip or tar, and seeds; 80 of each where none are given

The readers are gzip, GNU tar, 7-Zip, libarchive and Python's modules, each with what it does when it is told nothing else.
The files are attached to mails, under their names.
"""
import base64
import concurrent.futures
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib

from parityboxes import Gzip, Tar
from parityzips import MARKS

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
COUNT = 80
SECONDS = 3
MAX_BYTES = 1 << 20
KINDS = {"gzip": Gzip, "tar": Tar}
# To the standard output, or into the folder that they are in.
TOOLS = {"gzip": {"gzip": "gzip -dc < %s > out", "bsdcat": "bsdcat %s > out", "7zz": "7zz x -so -y %s > out"},
         "tar": {"tar": "tar --no-same-owner -xf %s", "bsdtar": "bsdtar -xf %s", "7zz": "7zz x -y %s"}}


def files_in(folder):
    for at, folders, names in os.walk(folder):
        for name in folders:
            os.chmod(os.path.join(at, name), 0o700)
        for path in (os.path.join(at, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < MAX_BYTES:
                os.chmod(path, 0o600)
                with open(path, "rb") as file:
                    yield file.read()


def read_by_tool(line, path):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["timeout", "-s", "KILL", str(SECONDS), "sh", "-c", line % path], cwd=folder, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=2 * SECONDS)
        return set(files_in(folder))


def read_gzip(path):
    """By the module, and by the library alone: all streams, or the first."""
    with open(path, "rb") as file:
        data = file.read()
    for read_all in (gzip.decompress, zlib.decompressobj(31).decompress):
        try:
            yield read_all(data)
        except (OSError, EOFError, zlib.error):
            pass


def read_tar(path):
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.size < MAX_BYTES else None
                if file is not None:
                    yield file.read()
    except (OSError, EOFError, ValueError, KeyError, OverflowError, RecursionError, tarfile.TarError):
        pass


def read(kind, path, box):
    """{contents: readers}, of those that have a mark."""
    found = {"Python": set((read_gzip if kind == "gzip" else read_tar)(path))}
    for name, line in TOOLS[kind].items():
        if shutil.which(name):
            found[name] = read_by_tool(line, path)
    out = {}
    for name, contents in found.items():
        for data in contents:
            if box.may_hold(data) and any(mark in data for mark in MARKS.values()):
                out.setdefault(data, []).append(name)
    return out


def scan(folder, contents):
    """{file: verdict} with rules for these alone: a finding hides no doubt about others."""
    rules = os.path.join(folder, "rules.hdb")
    with open(rules, "w") as file:
        file.writelines("%s:%d:Contents%d\n" % (hashlib.md5(data).hexdigest(), len(data), i) for i, data in enumerate(contents))
    done = subprocess.run([os.path.join(BUILD, "cordonctl"), "scan", "--rules", rules, "--json", os.path.join(folder, "mails")],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=240)
    if done.returncode not in (0, 1):
        raise SystemExit("cordonctl scan: exit status %d" % done.returncode)
    lines = [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]
    return {os.path.basename(line["path"]): line["verdict"] for line in lines}


def mail_of(name, data):
    return (b"From: a@example.com\nMIME-Version: 1.0\nContent-Type: application/octet-stream; name=\"%s\"\n"
            b"Content-Transfer-Encoding: base64\n\n" % name.encode() + base64.encodebytes(data))


def make(kind, seeds, folder):
    boxes = {str(seed): KINDS[kind](seed) for seed in seeds}
    os.mkdir(os.path.join(folder, "mails"))
    for name, box in boxes.items():
        with open(os.path.join(folder, name + box.SUFFIX), "wb") as file:
            file.write(box.data)
        with open(os.path.join(folder, "mails", name), "wb") as file:
            file.write(mail_of("f" + box.SUFFIX, box.data))
    return boxes


def compare(kind, seeds):
    """Prints what was missed; returns how many of that, and how many contents there were."""
    counts, missed, turn = {}, 0, 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as readers:
        boxes = make(kind, seeds, folder)
        paths = [os.path.join(folder, name + box.SUFFIX) for name, box in boxes.items()]
        left = dict(zip(boxes, (list(found.items()) for found in readers.map(lambda path, box: read(kind, path, box), paths, boxes.values()))))
        while left := {name: found for name, found in left.items() if len(found) > turn}:
            for name in set(os.listdir(os.path.join(folder, "mails"))) - set(left):
                os.remove(os.path.join(folder, "mails", name))
            verdicts = scan(folder, [found[turn][0] for found in left.values()])
            for name, found in left.items():
                data, who = found[turn]
                verdict = verdicts.get(name, "not scanned")
                counts[verdict] = counts.get(verdict, 0) + 1
                if verdict not in ("infected", "suspect"):
                    missed += 1
                    print("%s, seed %s %s: %d bytes are %s, and read by %s" % (
                        kind, name, boxes[name].wrongs, len(data), verdict, ", ".join(who)))
            turn += 1
    print("%s: verdicts of what readers take out: %s" % (kind, counts))
    return missed, counts.get("infected", 0)


def main():
    kinds, first, last = ([sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (list(KINDS), 0, COUNT)
    first, last = (x + int(os.environ.get("CORDON_PARITY_SEED", "0")) * COUNT for x in (first, last))
    failed = 0
    for kind in kinds:
        for name in TOOLS[kind]:
            if not shutil.which(name):
                print("there is no %s: not compared with it" % name)
        missed, infected = compare(kind, range(first, last))
        # A generator that makes nothing that can be read tests nothing.
        is_hollow = infected < (last - first) // 3
        if is_hollow:
            print("too few of %s can be read" % kind)
        failed += missed + is_hollow
    print("%d passed, %d failed, 0 skipped" % (len(kinds) * (last - first) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
