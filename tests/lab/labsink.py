# SPDX-License-Identifier: BSD-3-Clause
"""The most gullible mail server there is: it takes every known look-alike for the end of data, and
writes down exactly what it was told. What a gateway lets through to it, some server would believe."""
import re
import socket
import threading

import lablib

# Line ends around the dot that one server or another has taken for CRLF . CRLF.
BEFORE = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x00\n", b"\n\x00", b"\r\x00\n")
AFTER = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\x00\r\n", b"\n\r")
FALSE_ENDS = [before + b"." + after for before in BEFORE for after in AFTER
              if b"\r\n.\r\n" not in before + b"." + after]
ANY_END = re.compile(b"(?:\r\n|\n|\r|\r\r\n|\n\r|\x00\n|\n\x00|\r\x00\n)"
                     b"\\.(?:\r\n|\n|\r(?=[^\n]|$)|\r\r\n|\x00\r\n|\n\r)")


class Sink:
    def __init__(self, lab, address=lablib.SERVER, keywords=("PIPELINING", "8BITMIME"), strict=False,
                 side="server", port=25):
        self.puts_off = []   # recipients that are told 450, as they are in the command
        self.says = {}       # what it says to a command instead, by its verb; behind 421 it closes
        self.answers = threading.Event()  # what was taken is answered
        self.answers.set()
        self.mails = []  # (sender, [recipients], body as it came)
        self.seen = []   # every byte of every session
        self.commands = []
        self.keywords = keywords
        self.end = re.compile(b"(?:^|\r\n)\\.\r\n") if strict else ANY_END
        with lab.inside(side):
            self.listener = socket.create_server((address, port), backlog=64)
        lab.closing.callback(self.listener.close)
        lab.logs.append(("sink", lambda: "%s\n%s" % (self.commands, self.mails)))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        seen = bytearray()
        self.seen.append(seen)
        try:
            Session(self, connection, seen).run()
        except OSError:
            pass
        finally:
            connection.close()


class Session:
    def __init__(self, sink, connection, seen):
        self.sink, self.connection, self.seen = sink, connection, seen
        self.buffer = b""
        self.sender, self.recipients = None, []

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self.seen += data
        self.buffer += data

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def run(self):
        self.say("220 gullible.lab.example ESMTP")
        while True:
            while not re.search(b"[\r\n]", self.buffer):
                self.more()
            line, self.buffer = re.split(b"\r\n|\n|\r", self.buffer, maxsplit=1)
            self.buffer = self.buffer.lstrip(b"\n")
            if line and not self.command(line.decode("latin-1")):
                return

    def command(self, line):
        verb = line.split(" ")[0].upper()
        self.sink.commands.append(line)
        if verb in self.sink.says:
            self.say(self.sink.says[verb])
            return not self.sink.says[verb].startswith("421")
        if verb == "EHLO":
            self.say("\r\n".join(["250-gullible.lab.example"]
                                 + ["250-" + k for k in self.sink.keywords] + ["250 HELP"]))
        elif verb == "MAIL":
            self.sender, self.recipients = line, []
            self.say("250 2.1.0 ok")
        elif verb == "RCPT" and any(r in line for r in self.sink.puts_off):
            self.say("450 4.2.0 later")
        elif verb == "RCPT":
            self.recipients.append(line)
            self.say("250 2.1.5 ok")
        elif verb == "DATA":
            self.say("354 go on")
            self.body()
            self.sink.answers.wait()
            self.say("250 2.0.0 taken")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            return False
        elif verb in ("HELO", "RSET", "NOOP"):
            self.say("250 ok")
        else:
            self.say("500 5.5.1 what?")
        return True

    def body(self):
        data, self.buffer = self.buffer, b""
        while True:
            end = self.sink.end.search(data)
            if end:
                break
            self.more()
            data, self.buffer = data + self.buffer, b""
        self.buffer = data[end.end():]
        self.sink.mails.append((self.sender, self.recipients, data[:end.start()]))
