# SPDX-License-Identifier: BSD-3-Clause
"""Something in the dataplane's place at its socket, which says what a dataplane says and takes what time a test wants."""
import array
import json
import os
import socket
import threading

ROOM = 1 << 18


class Dataplane:
    """Answers at once; a command that is held is answered when it is let go, others go on. As the real one does, it
    answers the questions of one connection in their order."""

    def __init__(self, lab):
        self.changed = threading.Condition()
        self.held, self.waiting, self.asked = set(), [], []
        self.refusals = {}  # command: why
        self.state = {"ruleset": "none", "signatures": 0, "screen": "", "seals_generation": 0}
        self.told = '{"generation": 0, "seals": []}'
        self.path = lab.folder + "/dataplane.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(64)
        lab.closing.callback(self.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.let_go()
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            while True:
                fds = array.array("i")
                try:
                    data, beside, _, _ = client.recvmsg(ROOM, socket.CMSG_SPACE(fds.itemsize))
                except OSError:
                    return
                if not data:
                    return
                for _, _, passed in beside:
                    fds.frombytes(passed)
                answer = self.answer(data.decode())
                for fd in fds:
                    os.close(fd)
                try:
                    client.send(json.dumps(answer).encode())
                except OSError:
                    return

    def answer(self, question):
        command, _, text = question.partition(" ")
        with self.changed:
            self.asked.append(command)
            self.waiting.append(command)
            self.changed.notify_all()
            self.changed.wait_for(lambda: command not in self.held)
            self.waiting.remove(command)
            if command in self.refusals:
                return {"error": self.refusals[command]}
            if command == "stats":
                return {"error": "out of memory"}
            if command == "seals":
                self.told = text
                self.state["seals_generation"] = json.loads(text)["generation"]
            if command in ("rules", "delta"):
                self.state["ruleset"] = "swap-%d" % sum(c in ("rules", "delta") for c in self.asked)
            if command == "alerts":
                return self.changed.wait_for(lambda: False)
            if command == "open-seals":
                return json.loads(self.told)
            if command == "config":
                return []
            return dict(self.state, ok=True, uptime_seconds=1)

    def hold(self, *commands):
        with self.changed:
            self.held |= set(commands)

    def let_go(self):
        with self.changed:
            self.held.clear()
            self.changed.notify_all()

    def is_asked(self, command):
        """Whether it is, and has no answer yet."""
        with self.changed:
            return command in self.waiting

    def count(self, command):
        with self.changed:
            return self.asked.count(command)
