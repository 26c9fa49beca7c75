# SPDX-License-Identifier: BSD-3-Clause
"""The signatures that ClamAV publishes, and real mails, in clamd and in `cordonctl scan`.

Not inline: `cordonctl scan` has no packets, TCP or SMTP to deal with, and clamd has none either. Each is measured by the
processor time of its process, without what it takes to start; both look at the same mails, in turn."""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys

SIGNATURES = "signatures/clamav-official-2025-04-29"
MAILS = "mail/spamassassin"


def is_there(data):
    return bool(data) and os.path.isdir(os.path.join(data, SIGNATURES)) and os.path.isdir(os.path.join(data, MAILS))


def spent(command):
    """(seconds of a processor, how many were found)"""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
        said = child.stdout.read()
        _pid, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        sys.exit("%s: %s" % (command[0], said[-400:]))
    found = [int(line.split(":")[1]) for line in said.splitlines() if line.startswith("Infected files:")]
    return used.ru_utime + used.ru_stime, found[0]


class Cordon:
    """cordonctl scan of a folder, some times over."""

    def __init__(self, program, folder, signatures):
        self.image, self.empty, self.mails = folder + "/image", folder + "/empty", folder + "/mails"
        self.scan = [program, "scan", "--rules", self.image]
        subprocess.run([program, "compile", signatures, "-o", self.image], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with open(self.empty, "wb"):
            pass

    def rate(self, size, times):
        """(bytes a second of a processor, how many were found)"""
        start, _none = spent(self.scan + [self.empty])
        seconds, found = spent(self.scan + [self.mails] * times)
        return size * times / (seconds - start), found // times


def clamd_rate(clamd, mails):
    began = clamd.spent()
    found = sum(clamd.stream(mail) for mail in mails)
    seconds = clamd.spent() - began
    clamd.end_session()
    return sum(map(len, mails)) / seconds, found


def read_mails(data, folder, each):
    """Every so many-th; copies of them are in folder, where cordonctl finds these alone."""
    mails = []
    os.mkdir(folder)
    for path in sorted(glob.glob(os.path.join(data, MAILS, "*", "*")))[::each]:
        shutil.copyfile(path, "%s/%d.eml" % (folder, len(mails)))
        with open(path, "rb") as file:
            mails.append(file.read())
    return mails


def bench(program, data, folder, start_clamd):
    """start_clamd: makes one of a folder of signatures."""
    signatures = os.path.join(data, SIGNATURES)
    mails = read_mails(data, folder + "/mails", 4)
    cordon, clamd = Cordon(program, folder, signatures), start_clamd(signatures)
    clamd_rate(clamd, mails[:20])
    pairs, size = [], sum(map(len, mails))
    for _round in range(5):
        ours, ours_found = cordon.rate(size, 20)
        theirs, theirs_found = clamd_rate(clamd, mails)
        if ours_found != theirs_found:
            sys.exit("official: %d found by Cordon, %d by clamd" % (ours_found, theirs_found))
        pairs.append((ours, theirs))
    print(json.dumps({
        "name": "peers/clamd/official/real-mails/scan", "value": statistics.median(a for a, _ in pairs) / 1e6,
        "unit": "MB/s", "against": "clamd", "peer": statistics.median(b for _, b in pairs) / 1e6,
        "ratio": statistics.median(a / b for a, b in pairs)}), flush=True)
