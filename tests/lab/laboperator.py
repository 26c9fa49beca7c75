# SPDX-License-Identifier: BSD-3-Clause
"""A gateway as its operator meets it: with cordonctl in the namespace where control runs, and at a terminal."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, SERVER, until
from labpostfix import Server
from labvendor import Vendor, openssl

WEB = "127.0.0.1:7900"


class Operator:
    """A gateway with all that doctor looks at, and cordonctl in the namespace where control runs."""

    def __init__(self, lab):
        self.lab = lab
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.certificate("web", "40")
        os.chmod(lab.folder + "/web.key", 0o600)
        self.control = Control(
            lab, alerts={"root": Vendor(lab.folder).write_root()}, release={"host": SERVER},
            web={"listen": WEB, "certificate": lab.folder + "/web.crt", "key": lab.folder + "/web.key"})
        self.sockets = ["--socket", self.control.socket, "--dataplane", lab.folder + "/dataplane.sock"]

    def certificate(self, name, days):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                "%s/%s.key" % (self.lab.folder, name), "-out", "%s/%s.crt" % (self.lab.folder, name), "-days", days,
                "-subj", "/CN=gateway")

    def ask(self, *arguments):
        """(exit status, what it says)"""
        return self.lab.run("server", [BUILD + "/cordonctl", *arguments])

    def doctor(self, control=None, dataplane=None, user=()):
        """(exit status, {check: [(result, what)]} of what is not ok); user: a command that runs it as another."""
        status, text = self.lab.run("server", [*user, BUILD + "/cordonctl", "doctor", "--json", "--config",
                                               control or self.control.config, "--dataplane-config",
                                               dataplane or self.gateway.config])
        answer, found = json.loads(text), {}
        for check in answer["checks"]:
            assert bool(check["do"]) == (check["result"] != "ok"), check
            own = check["check"] == "clock" or "of the disk" in check["what"]  # this machine's own affairs
            if check["result"] != "ok" and not own:
                found.setdefault(check["check"], []).append((check["result"], check["what"]))
        assert answer["ok"] == (status == 0), answer
        return status, found

    def changed(self, name, *pairs):
        """The path of a configuration in which each other text is in the place of one."""
        with open(getattr(self, name).config) as f:
            text = f.read()
        for old, new in zip(pairs[::2], pairs[1::2]):
            assert old in text, text
            text = text.replace(old, new)
        path = "%s/changed-%s.yaml" % (self.lab.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Terminal:
    """A program on a terminal of a size, and what stands on its screen: as ECMA-48 has the few codes that top uses;
    what would scroll or wrap is noted."""

    def __init__(self, lab, command, rows, columns):
        self.master, slave = pty.openpty()
        self.rows, self.columns, self.wrong = rows, columns, []
        self.lines, self.row, self.column, self.data, self.frames, self.keeps = [""] * rows, 0, 0, b"", 0, False
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.child = subprocess.Popen(["setsid", "--ctty", *command], stdin=slave, stdout=slave, stderr=slave)
        lab.closing.callback(self.child.kill)
        os.close(slave)
        os.set_blocking(self.master, False)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.rows, self.columns, self.lines, self.row = rows, columns, [""] * rows, 0

    def write(self, text):
        for piece in re.findall("\033\\[[?0-9]*[a-zA-Z]|\r|\n|[^\033\r\n]+", text):
            if piece == "\033[H":
                self.row, self.column = 0, 0
                self.lines = [""] * self.rows
            elif piece == "\033[J":
                self.frames += 1
            elif piece == "\n":
                self.row += 1
                if self.row >= self.rows:
                    self.wrong.append("scrolled by line %d of %d" % (self.row + 1, self.rows))
                    self.row = self.rows - 1
            elif piece[0] not in "\r\033":
                self.lines[self.row] += piece
                if len(self.lines[self.row]) > self.columns:
                    self.wrong.append("wider than %d: %s" % (self.columns, self.lines[self.row]))
            elif piece[0] == "\033" and piece not in ("\033[K", "\033[?1049h", "\033[?1049l", "\033[?25l", "\033[?25h"):
                self.wrong.append("what is " + repr(piece))

    def read(self):
        try:
            self.data += os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            return
        # Whole frames alone.
        end = self.data.rfind(b"\033[J") + 3
        if end > 2:
            self.write(self.data[:end].decode())
            self.data = self.data[end:]

    def shows(self, *words, frames=1):
        """Waits until a screen has all of these, some frames from now."""
        wanted = self.frames + frames

        def seen():
            self.read()
            return self.frames >= wanted and all(w in "\n".join(self.lines) for w in words)
        until("%s on a terminal of %d rows, which shows %s" % (words, self.rows, self.lines), seen)

    def ends(self, key):
        os.write(self.master, key)
        status = self.child.wait(10)
        self.read()
        kept = termios.tcgetattr(self.master)[3] & (termios.ICANON | termios.ECHO)
        return status, kept == termios.ICANON | termios.ECHO, self.data.endswith(b"\033[?25h\033[?1049l")
