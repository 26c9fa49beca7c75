# SPDX-License-Identifier: BSD-3-Clause
"""A gateway that serves its page, and who may log in."""
import json
import subprocess

from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD
from labpostfix import Server

WEB = "127.0.0.1:7900"
URL = "http://%s/" % WEB
PASSWORD = "correct horse battery"


def set_user(path, name, role, password=PASSWORD):
    subprocess.run([BUILD + "/cordon-control", "user", path, "set", name, role],
                   input=password.encode() + b"\n", check=True)


def start(lab, gateway=None, sources=(), **control):
    """A gateway with its page, where alice may act and victor may look."""
    users = lab.folder + "/users"
    set_user(users, "alice", "operator")
    set_user(users, "victor", "viewer")
    Server(lab)
    dataplane = Gateway(lab, **spool_settings(lab), **(gateway or {}))
    return dataplane, Control(lab, sources=sources,
                              web={"listen": WEB, "plain": "true", "users": users}, **control)


def curl(lab, *arguments, data=None):
    """(status, body)."""
    done = subprocess.run(["ip", "netns", "exec", lab.namespace("server"), "curl", "-s", "-m", "20",
                           "-w", "\n%{http_code}", *arguments], input=data, stdout=subprocess.PIPE,
                          check=False)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), text


class Session:
    """Who is logged in without a browser."""

    def __init__(self, lab, name, password=PASSWORD):
        self.lab, self.jar = lab, "%s/jar-%s" % (lab.folder, name)
        self.status, text = curl(lab, "-X", "POST", "--data-binary", "@-", "-c", self.jar,
                                 URL + "api/session",
                                 data=json.dumps({"user": name, "password": password}).encode())
        self.csrf = json.loads(text)["csrf"] if self.status == 200 else ""

    def call(self, command, **members):
        """(status, answer) of a command."""
        status, text = curl(self.lab, "-b", self.jar, "-H", "X-CSRF-Token: " + self.csrf, "-X", "POST",
                            "--data-binary", "@-", URL + "api/call",
                            data=json.dumps(dict({"command": command}, **members)).encode())
        return status, json.loads(text)

    def get(self, path):
        return curl(self.lab, "-b", self.jar, URL + path)
