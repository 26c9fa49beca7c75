#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Alerts that come as mail: by swaks through the gateway to a real Postfix, in a Maildir, by a pipe. What a
trusted key has signed acts and is answered by mail; all else is mail like any other."""
import email
import email.policy
import json
import os
import shutil
import socket
import subprocess
import time

import labmail
from labalerts import Alerted
from lablib import BUILD, SERVER, Cases, Lab, load_json_lines, until
from labmail import mixed, part
from labpostfix import Server
from labvendor import ALERT, Vendor

cases = Cases()
OURS = "alerts@lab.example"


def mailed(at, alert, to=OURS, name="alert"):
    """swaks sends it as an attachment: (what swaks said, when it had done)."""
    path = at.lab.folder + "/alert.json"
    with open(path, "wb") as f:
        f.write(alert)
    status, text = at.lab.run("client", [
        "swaks", "--server", SERVER, "--helo", "client.example", "--from", "vendor@client.example",
        "--to", to, "--header", "Subject: " + name, "--header", "X-Lab-Id: " + name, "--body",
        "An alert.", "--attach-type", ALERT, "--attach", "@" + path])
    assert status == 0 and "250 2.0.0" in text, text
    return text, time.monotonic()


def program(lab):
    """A copy that another user may run."""
    path = lab.folder + "/cordonctl"
    shutil.copy(BUILD + "/cordonctl", path)
    os.chmod(path, 0o755)
    return path


def with_mail(case, lab, **more):
    mail = {"recipient": OURS, "receipts": "vendor@lab.example"}
    mail.update(more)
    return Alerted(case, lab, gateway={"alerts": {"recipient": OURS, "parts": "true"}},
                   settings={"notify": {"host": SERVER, "from": "gateway@lab.example"}}, mail=mail)


def receipts(at):
    """Those that have arrived as mail."""
    found = []
    for data in at.server.mails():
        parsed = email.message_from_bytes(data, policy=email.policy.default)
        if parsed["Subject"] == "Receipt of an alert":
            found.append(at.receipt(parsed.get_content().strip().encode()))
    return found


def subjects(at):
    found = [email.message_from_bytes(d)["Subject"] for d in at.server.mails()]
    return sorted(s for s in found if s != "Receipt of an alert")


@cases.case("an alert that swaks mails through the gateway seals it, and another one opens it; nobody else "
            "gets that mail, and the receipts come by mail", engine=True)
def in_the_stream(case):
    with Lab(case) as lab:
        at = with_mail(case, lab)
        _, sent = mailed(at, at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"}))
        until("sealed", at.sealed)
        took = time.monotonic() - sent
        print("     sealed %.2f s after the answer to the mail" % took)
        case.equal([(e["reason"], e["action"]) for e in at.gateway.events("mail")],
                   [("alert", "hold")], "the dataplane's event")
        case.equal(labmail.send(lab, labmail.message("held", [], b"under the seal\n"))[0], 250, "mail")
        clear = at.vendor.payload("all-clear", virus_id="CV-1")
        mailed(at, at.vendor.sign(clear, ["clear1", "clear2"]))
        until("open again", lambda: not at.sealed())
        until("two receipts", lambda: len(receipts(at)) == 2)
        case.equal(sorted((s["result"], s["state"]["sealed"]) for s in receipts(at)),
                   [("applied", False), ("applied", True)], "receipts")
        until("what was held", lambda: subjects(at) == ["lab mail held"])
        until("their records are gone", lambda: at.control.held() == [])
        case.equal(subjects(at), ["lab mail held"], "and nobody got the alerts")


@cases.case("forged alerts, alerts for others and mail to the alerts' address arrive; infected ones do not",
            engine=True)
def not_alerts(case):
    with Lab(case) as lab:
        at = with_mail(case, lab)
        thief = Vendor(lab.folder + "/thief")
        mailed(at, thief.alert("seal", virus_id="CV-9", seal={"mode": "hold"}), name="forged")
        mailed(at, thief.alert("seal", virus_id="CV-8" + 200000 * "8", seal={"mode": "hold"}),
               name="long")
        mailed(at, b"\x00" * 100000, to="user@lab.example", name="noise")
        mailed(at, at.vendor.alert("ping"), to="user@lab.example", name="signed")
        labmail.send(lab, labmail.message("plain", [], b"no alert in it\n"))
        case.equal(lab.run("client", ["swaks", "--server", SERVER, "--to", OURS, "--header",
                                      "Subject: a question"])[0], 0, "mail to the address")
        bad = mixed("bad", part(["Content-Type: " + ALERT], at.vendor.alert("ping")),
                    part(["Content-Type: application/octet-stream"], labmail.EICAR))
        case.check(labmail.send(lab, bad)[0] in (250, 554), "an infected one is answered")
        wanted = ["a question", "forged", "lab mail plain", "long", "noise", "signed"]
        until("all of them", lambda: subjects(at) == wanted)
        case.check(not at.sealed(), "not sealed")
        until("one receipt", lambda: [s["result"] for s in receipts(at)] == ["applied"])
        status = at.control.ask("status")["channels"]["mail"]
        case.equal((status["answered"], status["passed"]), (1, 4), "counted")
        case.equal([e["result"] for e in at.control.events("alert")].count("applied"), 1, "one alert")


class Asker:
    """Somebody with a question for the dataplane."""

    def __init__(self, lab):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(lab.folder + "/dataplane.sock")
        self.socket.settimeout(20)

    def ask(self, text):
        self.socket.send(text.encode())

    def answer(self):
        return json.loads(self.socket.recv(1 << 20))


@cases.case("a second control process on one dataplane is told so, and disturbs nobody", engine=True)
def second(case):
    with Lab(case) as lab:
        at = with_mail(case, lab)
        told = "another control process is connected to this dataplane"
        asker = Asker(lab)

        def refused():
            asker.ask("alerts 7")
            return asker.answer().get("error")
        # As soon as the first one has asked.
        until("refused", lambda: refused() == told)
        with open(at.control.config) as f:
            text = f.read()
        other = lab.folder + "/other"
        os.mkdir(other)
        os.mkdir(other + "/spool")  # on the same one it would not start
        shutil.copy(lab.folder + "/spool.key", other + "/spool.key")
        for name in ("control.json", "control.sock", "state", "rules.img", "seals.json", "spool"):
            text = text.replace(lab.folder + "/" + name, other + "/" + name)
        text = "\n".join(line for line in text.split("\n") if "listen:" not in line)
        with open(other + "/control.yaml", "w") as f:
            f.write(text)
        lab.start("server", "other", [BUILD + "/cordon-control", "--config", other + "/control.yaml"])

        def faults():
            return [e["why"] for e in load_json_lines(other + "/control.json")
                    if e["event"] == "fault" and e["what"] == "dataplane"]
        until("the second one says so", lambda: faults() == [told])
        mailed(at, at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"}))
        until("sealed by the first", at.sealed)
        time.sleep(2)  # it asks once a second
        case.equal(faults(), [told], "and says it once")
        case.equal([e["why"] for e in at.control.events("fault")], [""], "the first one is well")
        # When the first has gone, whoever asks next is the one.
        at.control.kill()
        until("the second is taken", lambda: refused() == told)


@cases.case("Postfix pipes mail for an address into cordonctl; what is no alert bounces", engine=True)
def postfix_pipe(case):
    with Lab(case) as lab:
        socket = lab.folder + "/control.sock"
        server = Server(lab, extra="transport_maps = inline:{{%s=cordon:}}\n" % OURS, services=(
            "cordon unix - n n - - pipe\n  user=nobody argv=%s alerts take - --socket %s\n"
            % (program(lab), socket)))
        at = Alerted(case, lab, server=server)
        os.chmod(lab.folder, 0o755)
        os.chmod(socket, 0o666)
        mailed(at, at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"}))
        until("sealed", at.sealed)
        case.equal([(e["result"], e["channel"]) for e in at.control.events("alert")],
                   [("applied", "mail")], "the alert")
        at.control.ask("unseal", "--all")
        mailed(at, Vendor(lab.folder + "/thief").alert("seal", virus_id="CV-9", seal={"mode": "hold"}))
        until("refused", lambda: "status=bounced" in server.log() or "status=deferred" in server.log())
        case.check(not at.sealed(), "not sealed by another")


@cases.case("alerts are read from a Maildir and from a pipe; a signed one is not taken twice", engine=True)
def maildir_and_pipe(case):
    with Lab(case) as lab:
        folder = lab.folder + "/Maildir"
        for name in ("new", "cur", "tmp"):
            os.makedirs("%s/%s" % (folder, name))
        at = with_mail(case, lab, maildir=folder)

        def put(name, data):
            with open("%s/tmp/%s" % (folder, name), "wb") as f:
                f.write(data)
            os.rename("%s/tmp/%s" % (folder, name), "%s/new/%s" % (folder, name))

        def pipe(data, *more):
            return subprocess.run([BUILD + "/cordonctl", "alerts", "take", "-", "--socket",
                                   at.control.socket, *more], input=data, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        seal = at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        put("1", labmail.message("other", [], b"no alert\n"))
        put("2", mixed("alert", part(["Content-Type: " + ALERT], seal)))
        os.symlink("/etc/passwd", folder + "/new/3")
        until("read", lambda: os.listdir(folder + "/new") == [])
        case.equal(sorted(os.listdir(folder + "/cur")), ["1:2,", "2:2,S", "3:2,"], "marked")
        case.check(at.sealed(), "sealed")
        done = pipe(mixed("alert", part(["Content-Type: " + ALERT], seal)))
        case.equal((done.returncode, at.receipt(done.stdout)["state"]["open"]), (0, ["CV-1"]), "a mail")
        case.equal(pipe(seal).stdout, done.stdout, "an envelope alone: the same receipt")
        for what, data in {"nothing": b"", "no mail": b"\x00" * 1000, "too much": b"x" * (9 << 20),
                           "another": Vendor(lab.folder + "/thief").alert("ping")}.items():
            case.check(pipe(data).returncode != 0, "refused: " + what)
        case.equal([e["result"] for e in at.control.events("alert")],
                   ["applied", "repeated", "repeated", "refused"], "events")


def long_list(entries=1500):
    return [{"kind": "file", "algorithm": "sha256", "digest": "%064x" % i, "bytes": 1000 + i, "name": "Win.Worm-1"}
            for i in range(entries)]


@cases.case("a long forgery is refused with its reason, by a pipe and in a Maildir, and a long alert is taken", engine=True)
def long_ones(case):
    with Lab(case) as lab:
        folder = lab.folder + "/Maildir"
        for name in ("new", "cur", "tmp"):
            os.makedirs("%s/%s" % (folder, name))
        at = with_mail(case, lab, maildir=folder)
        thief = Vendor(lab.folder + "/thief")

        def pipe(data, *more):
            done = subprocess.run([BUILD + "/cordonctl", "alerts", "take", "-", "--socket", at.control.socket,
                                   *more], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            return done.returncode, done.stdout, done.stderr.decode()

        def put(name, *alerts):
            with open("%s/tmp/%s" % (folder, name), "wb") as f:
                f.write(mixed("alert", *[part(["Content-Type: " + ALERT], a) for a in alerts]))
            os.rename("%s/tmp/%s" % (folder, name), "%s/new/%s" % (folder, name))

        def passed():
            return at.control.ask("status")["channels"]["mail"]["passed"]
        stranger = "cordonctl: refused: no signed alert is in it: not signed by a key that is trusted\n"
        forged = [thief.alert("screen", virus_id="CV-9", screen=long_list(1500 + i)) for i in range(4)]
        case.check(len(forged[0]) > 200000, "it is long")
        case.equal(pipe(forged[0]), (1, b"", stranger), "a long forgery")
        case.equal(pipe(forged[0]), (1, b"", stranger), "the same again")
        case.equal(pipe(thief.alert("ping")), (1, b"", stranger), "a short one")
        case.equal(pipe(b"{" + b" " * 200000), (1, b"", stranger.rpartition(": ")[0] + ": not a JSON object\n"),
                   "something long")
        case.equal(passed(), 4, "mails without a signed alert")
        listed = at.vendor.alert("screen", virus_id="CV-1", screen=long_list())
        status, said, why = pipe(listed)
        case.equal((status, why), (0, ""), "a long alert")
        case.equal(at.receipt(said)["result"], "applied", "its receipt")
        both = mixed("alert", part(["Content-Type: " + ALERT], forged[1]), part(["Content-Type: " + ALERT], listed))
        status, said, _ = pipe(both, "--json")
        told = json.loads(said)
        case.equal((status, told["alerts"], told["refused"], len(told["receipts"])), (0, 1, 1, 1), "one of each")
        put("1", forged[2])
        put("2", at.vendor.alert("screen", virus_id="CV-2", screen=long_list(1501)))
        put("3", forged[3], at.vendor.alert("ping"))
        until("marked", lambda: sorted(os.listdir(folder + "/cur")) == ["1:2,", "2:2,S", "3:2,S"])
        case.equal(os.listdir(folder + "/new"), [], "nothing is left")
        case.equal(passed(), 5, "and one more")
        refused = at.control.ask("alerts")["status"]["refused"]
        case.equal(refused["not signed by a key that is trusted"], 6, "refusals, by their reason")
        case.equal(at.control.ask("alerts")["status"]["applied"], 3, "alerts")


@cases.case("more than can be read at once: what was not read is not said to be taken", engine=True)
def too_much(case):
    with Lab(case) as lab:
        at = with_mail(case, lab)
        slow = b'{"a":[' + b"{}," * 100000 + b"{}]}"
        path = lab.folder + "/much"
        with open(path, "wb") as f:
            f.write(mixed("alert", *[part(["Content-Type: " + ALERT], slow) for _ in range(16)]))
        clients = [subprocess.Popen([BUILD + "/cordonctl", "alerts", "take", path, "--socket", at.control.socket],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
        told = [c.communicate() for c in clients]
        case.equal([c.returncode for c in clients], [1] * 8, "no alert was taken")
        case.check(all(said == b"" for said, _ in told), "nor is there a receipt")
        case.check(any(b"ask again" in why for _, why in told), "some are to come again: %r" % told)
        taken = subprocess.run([BUILD + "/cordonctl", "alerts", "take", "-", "--socket", at.control.socket],
                               input=at.vendor.alert("ping"), stdout=subprocess.DEVNULL)
        case.equal(taken.returncode, 0, "and then one is")


if __name__ == "__main__":
    cases.main()
