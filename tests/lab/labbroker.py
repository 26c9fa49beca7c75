# SPDX-License-Identifier: BSD-3-Clause
"""Debian's MQTT broker in the lab."""
import os
import subprocess

from labalerts import PORT
from labvendor import openssl


class Broker:
    """mosquitto, as an existing broker would be set up: a password and TLS, or neither."""

    def __init__(self, lab, tls=True):
        self.lab, self.tls, self.folder = lab, tls, lab.folder + "/broker"
        os.makedirs(self.folder)
        lines = ["listener %d 127.0.0.1" % PORT, "persistence false", "user root"]
        if tls:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", self.file("key"), "-out", self.file("crt"), "-days", "2",
                    "-subj", "/CN=broker", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
            self.write("user", "gateway\n")
            self.write("password", "secret\n")
            subprocess.run(["mosquitto_passwd", "-b", "-c", self.file("users"), "gateway", "secret"],
                           check=True)
            lines += ["certfile " + self.file("crt"), "keyfile " + self.file("key"),
                      "cafile " + self.file("crt"), "require_certificate true",
                      "allow_anonymous false", "password_file " + self.file("users")]
        else:
            lines += ["allow_anonymous true"]
        self.write("conf", "\n".join(lines) + "\n")
        self.start()

    def start(self):
        self.process = self.lab.start("server", "broker", ["mosquitto", "-c", self.file("conf")])
        self.lab.wait_listening("server", PORT)

    def file(self, name):
        return self.folder + "/" + name

    def write(self, name, text):
        with open(self.file(name), "w") as f:
            f.write(text)

    def settings(self, **more):
        found = {"broker": "127.0.0.1:%d" % PORT}
        if self.tls:
            found.update(ca=self.file("crt"), certificate=self.file("crt"), key=self.file("key"),
                         user=self.file("user"), password=self.file("password"))
        else:
            found["plain"] = "true"
        found.update(more)
        return found

    def client(self, program, *arguments):
        command = [program, "-h", "127.0.0.1", "-p", str(PORT), "-q", "1", *arguments]
        if self.tls:
            command += ["--cafile", self.file("crt"), "--cert", self.file("crt"), "--key",
                        self.file("key"), "-u", "gateway", "-P", "secret"]
        return command

    def publish(self, topic, data, *more):
        status, text = self.lab.run("server", self.client("mosquitto_pub", "-t", topic, "-s", *more),
                                    input=data, text=False)
        assert status == 0, text

    def listen(self, topic):
        """A process whose output is what is published there, one a line."""
        process = self.lab.start("server", "subscriber", self.client(
            "mosquitto_sub", "-t", topic, "-i", "vendor", "-c"))
        self.publish("cordon/probe", b"probe")
        return process
