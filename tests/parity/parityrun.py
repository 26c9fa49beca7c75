# SPDX-License-Identifier: BSD-3-Clause
"""Both engines over one folder with one set of signature files: what each finds, file by file.

Findings are a set of signature names for each file, names as the signature files have them. What
ClamAV finds by heuristics of its own, without a signature, is left out.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
CORDONCTL = os.path.join(BUILD, "cordonctl")
CLAMSCAN = shutil.which("clamscan")
CLAMSCAN_OPTIONS = ["--allmatch", "--no-summary", "--infected", "--recursive",
                    "--max-scantime=0"]
LIMIT_SECONDS = 240


class EngineError(Exception):
    """An engine did not scan: its message."""


class Findings:
    def __init__(self):
        self.names = collections.defaultdict(set)  # of a file, relative to the folder
        self.digests = collections.defaultdict(set)  # SHA-256 of the parts, where asked for
        self.suspect = {}  # reason, where the file is suspect or unscannable
        self.crashed = []  # files on which the engine itself ended
        self.seconds = 0.0


def list_files(folder):
    return sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)


def run_clamscan(database, files, found, cached):
    """clamscan 1.4.6 crashes on some files, and prints nothing then: these are found by halves."""
    with tempfile.NamedTemporaryFile("w", errors="surrogateescape") as listed:
        listed.write("".join(path + "\n" for path in files))
        listed.flush()
        done = subprocess.run(
            [CLAMSCAN] + CLAMSCAN_OPTIONS + ([] if cached else ["--disable-cache"]) + ["-d", database, "--file-list", listed.name],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode < 0 and len(files) > 1:
        half = len(files) // 2
        return run_clamscan(database, files[:half], found, cached) + run_clamscan(
            database, files[half:], found, cached)
    if done.returncode < 0:
        found.crashed.append(files[0])
        return b""
    # 2 also stands for a part that clamscan could not read; then all else is scanned.
    if done.returncode not in (0, 1, 2) or re.search(
            r"^(LibClamAV Error(?!: cli_scanxz: decompress error)|ERROR)", said, re.M):
        raise EngineError("clamscan: " + said[-2000:])
    return done.stdout


def clamscan(database, folder, cached=False):
    """cached: HandlerType takes effect only then, but a file like one before it may be passed over."""
    found = Findings()
    began = time.monotonic()
    lines = run_clamscan(database, list_files(folder), found, cached)
    found.seconds = time.monotonic() - began
    found.crashed = [os.path.relpath(path, folder) for path in found.crashed]
    for line in lines.decode("utf-8", "surrogateescape").splitlines():
        if not line.endswith(" FOUND"):
            continue
        path, name = line[:-6].rsplit(": ", 1)
        if not name.startswith("Heuristics."):
            found.names[os.path.relpath(path, folder)].add(name.removesuffix(".UNOFFICIAL"))
    return found


def cordonctl(database, folder, digests=False):
    found = Findings()
    began = time.monotonic()
    done = subprocess.run([CORDONCTL, "scan", "--rules", database, "--json", "--all-match"]
                          + (["--digests", "sha256"] if digests else []) + [folder],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    found.seconds = time.monotonic() - began
    if done.returncode not in (0, 1):
        raise EngineError("cordonctl scan: " + done.stderr.decode("utf-8", "replace")[-2000:])
    for line in done.stdout.decode("utf-8").splitlines():
        event = json.loads(line)
        path = os.path.relpath(event["path"], folder)
        found.names[path].update(match["signature"] for match in event["matches"])
        found.digests[path].update(part["sha256"] for part in event["parts"] if "sha256" in part)
        if event["verdict"] in ("suspect", "unscannable"):
            found.suspect[path] = event["reason"]
    return found


def both(database, folder, digests=False, cached=False):
    """(ClamAV's findings, ours), made at the same time."""
    results = {}

    def run(engine, function, *arguments):
        try:
            results[engine] = function(*arguments)
        except (EngineError, subprocess.TimeoutExpired) as why:
            results[engine] = why

    other = threading.Thread(target=run, args=("clamav", clamscan, database, folder, cached))
    other.start()
    run("cordon", cordonctl, database, folder, digests)
    other.join()
    for result in results.values():
        if isinstance(result, Exception):
            raise result
    return results["clamav"], results["cordon"]


def refused_line(database, folder):
    """(file, number from 1, why) of the first line that ClamAV refuses, or None."""
    done = subprocess.run([CLAMSCAN, "--no-summary", "-d", database, folder],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    said = done.stderr.decode("utf-8", "replace")
    line = re.search(r"at line (\d+)", said)
    file = re.search(r"Can't load (\S+):", said)
    if done.returncode in (0, 1):
        return None
    if not line or not file:
        raise EngineError("clamscan: " + said[-2000:])
    return os.path.basename(file[1]), int(line[1]), said.splitlines()[0].split(": ", 2)[-1]


def skipped_lines(database, image):
    """{(file, number from 1): why} of the lines that our compiler does not take."""
    done = subprocess.run([CORDONCTL, "compile", database, "-o", image],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    said = done.stderr.decode("utf-8", "replace")
    return {(os.path.basename(file), int(number)): why for file, number, why in re.findall(
        r"^(\S+?):(\d+): (?:skipped: )?(.*)$", said, re.M)}


def is_taken_by_cordon(database, image):
    """(whether the set compiles, whether a line of it was skipped as not for this engine)"""
    done = subprocess.run([CORDONCTL, "compile", database, "-o", image, "--json", "--strict"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    skipped = done.returncode == 0 and json.loads(done.stdout)["skipped"] > 0
    return done.returncode == 0, skipped
