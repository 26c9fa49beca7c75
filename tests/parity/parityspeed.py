# SPDX-License-Identifier: BSD-3-Clause
"""How fast both scan the same mail with the same rules, their start not counted: printed only.

ClamAV is its daemon, with a socket and a configuration of its own, given each mail over one session
(INSTREAM) by one client, as a mail filter does it. Ours is cordonctl scan by its own clock, on one
thread. The two run one after the other.
"""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time

import paritycorpus
import parityrun

CLAMD = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
PATIENCE = 60.0
MAILS = 400


def start(folder, database):
    path = os.path.join(folder, "clamd.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("LocalSocket %s/socket\nDatabaseDirectory %s\nForeground yes\nUser root\n"
                   "TemporaryDirectory %s\nLogFile %s/log\n" % (folder, database, folder, folder))
    daemon = subprocess.Popen([CLAMD, "--config-file", path], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(folder + "/socket")
            return daemon, connection
        except OSError:
            connection.close()
            time.sleep(0.1)
    daemon.kill()
    daemon.wait()
    return None, None


def clamd_seconds(connection, mails):
    began = time.monotonic()
    connection.sendall(b"zIDSESSION\0")
    for mail in mails:
        connection.sendall(b"zINSTREAM\0" + struct.pack(">I", len(mail)) + mail + b"\0\0\0\0")
        answer = b""
        while not answer.endswith(b"\0"):
            more = connection.recv(4096)
            if not more:
                return None
            answer += more
    return time.monotonic() - began


def cordon_seconds(database, files):
    image = database + ".image"
    if not parityrun.is_taken_by_cordon(database, image)[0]:
        subprocess.run([parityrun.CORDONCTL, "compile", database, "-o", image], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run([parityrun.CORDONCTL, "scan", "--rules", image, "--json", files],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    count = len([json.loads(line) for line in done.stdout.splitlines()])
    seconds = re.search(rb"^Time: ([0-9.]+) sec", done.stderr, re.M)
    return (float(seconds[1]), count) if seconds else (None, count)


def compare(folder):
    """Prints; returns why not, or None."""
    if CLAMD is None:
        return "package clamav-daemon is missing"
    database, files = os.path.join(folder, "db"), os.path.join(folder, "files")
    os.makedirs(database)
    paritycorpus.link_rules(database)
    paths = [path for path in paritycorpus.mails() if "/spamassassin/" in path][:MAILS]
    paritycorpus.copy(paths, files)
    mails = [open(path, "rb").read() for path in parityrun.list_files(files)]
    size = sum(map(len, mails))
    daemon, connection = start(folder, database)
    if daemon is None:
        return "clamd did not start"
    try:
        theirs = clamd_seconds(connection, mails)
    finally:
        connection.close()
        daemon.kill()
        daemon.wait()
    ours, count = cordon_seconds(database, files)
    if not theirs or not ours:
        return "no times to compare"
    for name, seconds in (("clamd", theirs), ("cordonctl scan", ours)):
        print("    %-15s %5d mails %6.2f MB %8.3f s %8.1f MB/s %7.0f us a mail" % (
            name, count, size / 1e6, seconds, size / 1e6 / seconds, seconds * 1e6 / count))
    return None
