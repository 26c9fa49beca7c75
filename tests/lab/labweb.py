# SPDX-License-Identifier: BSD-3-Clause
"""A gateway that serves its page, and who may log in."""
import json
import os
import subprocess

from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD
from labpostfix import Server

WEB = "127.0.0.1:7900"
URL = "http://%s/" % WEB
PASSWORD = "correct horse battery"


LINES = {}  # of users, which take a while to be made


def set_user(path, name, role, password=PASSWORD):
    subprocess.run([BUILD + "/cordon-control", "user", path, "set", name, role],
                   input=password.encode() + b"\n", check=True)


def write_users(path, *users):
    """A file of users with the usual password: (name, role)."""
    for name, role in users:
        if name not in LINES:
            set_user(path, name, role)
            with open(path) as f:
                LINES[name] = next(line for line in f if line.startswith(name + ":"))
    with open(path, "w") as f:
        f.write("".join(LINES[name] for name, _ in users))
    os.chmod(path, 0o600)


def start(lab, gateway=None, sources=(), **control):
    """A gateway with its page, where alice may act and victor may look."""
    users = lab.folder + "/users"
    write_users(users, ("alice", "operator"), ("victor", "viewer"))
    Server(lab)
    dataplane = Gateway(lab, **dict(spool_settings(lab), **(gateway or {})))
    web = dict({"listen": WEB, "plain": "true", "users": users}, **control.pop("web", {}))
    return dataplane, Control(lab, sources=sources, web=web, **control)


def curl(lab, *arguments, data=None, side="server"):
    """(status, body)."""
    done = subprocess.run(["ip", "netns", "exec", lab.namespace(side), "curl", "-sk", "-m", "20",
                           "-w", "\n%{http_code}", *arguments], input=data, stdout=subprocess.PIPE,
                          check=False)
    text, _, status = done.stdout.decode(errors="replace").rpartition("\n")
    return int(status), text


class Session:
    """Who is logged in without a browser."""

    def __init__(self, lab, name, password=PASSWORD, url=URL, jar=None, side="server"):
        self.lab, self.url, self.side = lab, url, side
        self.jar = jar or "%s/jar-%d" % (lab.folder, next(lab.numbers))
        self.status, text = curl(lab, "-X", "POST", "--data-binary", "@-", "-b", self.jar, "-c", self.jar,
                                 url + "api/session", side=side,
                                 data=json.dumps({"user": name, "password": password}).encode())
        self.csrf = json.loads(text)["csrf"] if self.status == 200 else ""

    def call(self, command, unattended=False, **members):
        """(status, answer) of a command."""
        more = ["-H", "Prefer: unattended"] if unattended else []
        status, text = curl(self.lab, "-b", self.jar, "-H", "X-CSRF-Token: " + self.csrf, "-X", "POST", *more,
                            "--data-binary", "@-", self.url + "api/call", side=self.side,
                            data=json.dumps(dict({"command": command}, **members)).encode())
        return status, json.loads(text)

    def get(self, path):
        return curl(self.lab, "-b", self.jar, self.url + path, side=self.side)

    def leave(self):
        """The status of a log-out."""
        return curl(self.lab, "-b", self.jar, "-H", "X-CSRF-Token: " + self.csrf, "-X", "DELETE",
                    self.url + "api/session", side=self.side)[0]
