#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A dataplane that takes its time keeps nobody waiting who asks the control process for something else."""
import json
import os
import signal
import socket
import subprocess
import threading

import labweb
from labcontrol import Control
from labdataplane import Dataplane
from labgateway import Gateway
from lablib import BUILD, Cases, Failed, Lab, until
from labvendor import Vendor, open_receipt

cases = Cases()

PORT = 7700

SIGNATURE = "Test.Patience:0:*:%s\n"


class Rig:
    """The control process with its page, and what stands for a dataplane."""

    def __init__(self, lab, dataplane=Dataplane, **control):
        self.lab, self.signatures = lab, lab.folder + "/sources"
        self.write("one-of-all-signatures")
        users = lab.folder + "/users"
        labweb.write_users(users, ("alice", "operator"))
        self.dataplane = dataplane(lab)
        self.control = Control(lab, sources=[self.signatures + ".ndb"], spool={"directory": ""}, web={
            "listen": labweb.WEB, "plain": "true", "users": users}, **control)
        self.page = labweb.Session(lab, "alice")

    def write(self, text):
        with open(self.signatures + ".ndb", "w") as f:
            f.write(SIGNATURE % text.encode().hex())

    def aside(self, *arguments, status=0):
        """What cordonctl says, when it has said it."""
        answer = []

        def ask():
            try:
                answer.append(self.control.ask(*arguments, status=status))
            except Failed as failed:
                answer.append(failed)
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()

        def wait():
            thread.join()
            return answer[0]
        thread.result = wait
        return thread

    def status(self):
        return self.page.call("status")[1]

    def is_served(self, case, what, status=0):
        case.equal(self.control.ask("status", status=status)["gateway"], "lab", "cordonctl status: " + what)
        status, answer = self.page.call("rules")
        case.equal((status, "sources" in answer), (200, True), "the page: " + what)
        case.equal(labweb.curl(self.lab, labweb.URL + "metrics")[0], 200, "metrics: " + what)


@cases.case("a swap that takes long keeps nobody waiting, and what comes after it waits for it")
def swap(case):
    with Lab(case) as lab:
        rig = Rig(lab)
        dataplane, control = rig.dataplane, rig.control
        dataplane.hold("rules")
        first = rig.aside("rules", "install")
        until("the image is handed over", lambda: dataplane.is_asked("rules"))
        rig.is_served(case, "amid a swap")
        case.check(control.ask("seal", "--virus-id", "CV-1")["in_force"], "a seal amid a swap")
        control.ask("rules", "install", status=1)  # one after the other
        case.check(control.ask("unseal", "CV-1")["in_force"], "its end")
        case.check(dataplane.is_asked("rules") and first.is_alive(), "the swap goes on")
        dataplane.let_go()
        done = first.result()
        case.equal((done["in_force"], done["ruleset"]), (True, "swap-1"), "the swap's end")
        case.equal(control.ask("rules")["in_force"], "swap-1", "what is in force")


@cases.case("a dataplane that hangs keeps nobody waiting but who needs its answer, and them not for long")
def hang(case):
    with Lab(case) as lab:
        rig = Rig(lab)
        dataplane, control = rig.dataplane, rig.control
        dataplane.hold("ping", "stats", "config", "seals", "open-seals")
        until("it is looked at", lambda: dataplane.is_asked("ping"))
        first = rig.aside("seal", "--virus-id", "CV-1")
        until("the seal is there", lambda: rig.status()["sealed"])
        rig.is_served(case, "while it hangs", 1)
        case.check(first.is_alive(), "who seals waits for it")
        dataplane.let_go()
        case.check(first.result()["in_force"], "the seal")
        dataplane.hold("seals")
        second = rig.aside("seal", "--virus-id", "CV-2", status=1)
        until("the other one is there", lambda: len(rig.status()["seals"]) == 2)
        rig.is_served(case, "while it is told", 1)
        said = second.result()
        case.equal((said["in_force"], "timed out" in said["why"], len(said["seals"])), (False, True, 2),
                   "a seal of which it is not known whether it is in force")
        dataplane.let_go()
        until("it is in force", lambda: rig.status()["in_force"])
        case.equal(rig.page.call("config")[1]["dataplane"], [], "its configuration")


def ask_at_once(control, command):
    """By a connection of its own: returns what waits for the answer."""
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asking.connect(control.socket)
    asking.send(json.dumps({"command": command}).encode())

    def answer():
        with asking:
            return json.loads(asking.recv(1 << 20))
    return answer


@cases.case("who asks for the state while a seal is told hears that it is in force")
def settled(case):
    with Lab(case) as lab:
        rig = Rig(lab)
        heard = []
        # Nobody waits longer than a quarter of a second, which is little where the machine has other things to do.
        for i in range(20):
            rig.dataplane.hold("seals")
            seal = rig.aside("seal", "--virus-id", "CV-%d" % i, status=None)
            until("it is told", lambda: rig.dataplane.is_asked("seals"))
            status = ask_at_once(rig.control, "status")
            ready = []
            asking = threading.Thread(target=lambda: ready.append(labweb.curl(lab, labweb.URL + "readyz")[0]))
            asking.start()
            ask_at_once(rig.control, "held")()  # which is answered behind the status
            rig.dataplane.let_go()
            asking.join()
            seal.result()
            heard = [status()["in_force"], *ready]
            if heard == [True, 200]:
                break
        case.equal(heard, [True, 200], "the status, and whether it is ready")
        rig.dataplane.hold("seals")
        rig.aside("seal", "--virus-id", "CV-last", status=None)
        until("it is told", lambda: rig.dataplane.is_asked("seals"))
        case.equal(labweb.curl(lab, labweb.URL + "readyz")[0], 503, "it hangs: that is told, too")
        rig.dataplane.let_go()


class Alerted(Rig):
    """The same, with a vendor."""

    def __init__(self, lab, dataplane=Dataplane):
        self.vendor = Vendor(lab.folder)
        Rig.__init__(self, lab, dataplane, alerts={
            "root": self.vendor.write_root(), "udp": {"listen": "127.0.0.1:%d" % PORT}})

    def seal(self, virus_id):
        return self.vendor.alert("seal", virus_id=virus_id, seal={"mode": "hold", "max_seconds": 3600})

    def send(self, alert, seconds=1):
        """Returns what waits for the receipt, if there is one by then."""
        socat = subprocess.Popen(["ip", "netns", "exec", self.lab.namespace("server"), "socat", "-b65536",
                                  "-t%d" % seconds, "-", "UDP:127.0.0.1:%d" % PORT],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        socat.stdin.write(alert)
        socat.stdin.close()
        socat.stdin = None

        def receipt():
            said = socat.communicate()[0]
            return open_receipt(said, self.lab.folder + "/state") if said else None
        return receipt


@cases.case("two alerts at once that a slow dataplane goes by at last: both receipts say so")
def together(case):
    with Lab(case) as lab:
        rig = Alerted(lab)
        one, two = rig.seal("CV-1"), rig.seal("CV-2")
        rig.dataplane.hold("seals")
        said = [rig.send(one, 3)]
        until("the first is there", lambda: len(rig.status()["seals"]) == 1)  # or the second is the older one
        said.append(rig.send(two, 3))
        until("both are there", lambda: len(rig.status()["seals"]) == 2)
        rig.dataplane.let_go()
        for receipt in said:
            receipt = receipt()
            case.equal((receipt["result"], receipt["state"]["in_force"], receipt["state"]["open"]),
                       ("applied", True, ["CV-1", "CV-2"]), "a receipt")
        case.equal([e["in_force"] for e in rig.control.events("seal")], [True, True], "events")


@cases.case("a control process that is killed before it has a receipt makes it at its next start, and does nothing twice")
def killed(case):
    with Lab(case) as lab:
        rig = Alerted(lab)
        seal, dataplane = rig.seal("CV-1"), rig.dataplane
        dataplane.hold("seals")
        said = rig.send(seal)
        until("it is told", lambda: dataplane.is_asked("seals"))
        until("it is durable", lambda: len(rig.control.ask("alerts")["alerts"]) == 1)
        case.equal(said(), None, "it has no receipt yet")
        before = rig.status()["seals"]
        rig.control.kill()
        dataplane.let_go()
        until("the seal is in force", lambda: dataplane.state["seals_generation"] == 1)
        rig.control.start()
        receipt = rig.send(seal)()
        case.equal((receipt["result"], receipt["state"]["in_force"], receipt["state"]["open"]),
                   ("applied", True, ["CV-1"]), "the receipt")
        case.equal(rig.control.ask("status")["seals"], before, "the seal, and when it ends")
        case.equal([(e["virus_id"], e["in_force"], e.get("resumed")) for e in rig.control.events("seal")],
                   [("CV-1", True, True)], "its event")


class Stoppable(Gateway):
    """The real one: what it has been asked waits at its socket."""

    def __init__(self, lab):
        Gateway.__init__(self, lab, seals=lab.folder + "/seals.json")

    def hold(self):
        self.process.child.send_signal(signal.SIGSTOP)

    def let_go(self):
        self.process.child.send_signal(signal.SIGCONT)

    def seals(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(self.lab.folder + "/dataplane.sock")
            asking.send(b"open-seals")
            return sorted(seal["virus_id"] for seal in json.loads(asking.recv(1 << 20))["seals"])


@cases.case("seals that only a dataplane that is stopped has are not lost when others come before its first answer",
            engine=True)
def unheard(case):
    with Lab(case) as lab:
        rig = Alerted(lab, Stoppable)
        dataplane, control = rig.dataplane, rig.control
        control.ask("seal", "--virus-id", "CV-1")
        os.unlink(lab.folder + "/seals.json.room")  # where the file is written first
        os.mkdir(lab.folder + "/seals.json.room")
        case.equal(rig.send(rig.seal("CV-2"))(), None, "what cannot be written has no receipt")
        case.equal(dataplane.seals(), ["CV-1", "CV-2"], "what the dataplane has")
        control.kill()
        os.rmdir(lab.folder + "/seals.json.room")
        dataplane.hold()
        for number, virus_id in (1, "CV-3"), (2, "CV-4"):  # what is written meanwhile hides nothing
            if number == 2:
                control.kill()
            control.start()
            alert = rig.seal(virus_id)
            rig.send(alert)()
            until("it is durable", lambda: len(control.ask("alerts")["alerts"]) == number)
            case.check(not control.ask("status", status=1)["in_force"], "not in force")
        dataplane.let_go()
        until("all are in force", lambda: control.ask("status", status=None)["in_force"])
        case.equal(dataplane.seals(), ["CV-1", "CV-2", "CV-3", "CV-4"], "the dataplane's")
        case.equal(sorted(s["virus_id"] for s in control.ask("status")["seals"]), dataplane.seals(), "control's")
        case.equal(rig.send(alert)()["result"], "applied", "the receipt")
        case.equal([e["virus_ids"] for e in control.events("seal") if e["origin"] == "dataplane"], [["CV-2"]], "events")
        control.stop()
        control.start()
        case.equal(len(control.ask("status")["seals"]), 4, "after one more start")


@cases.case("a control process that is stopped amid a swap ends, though the dataplane hangs, and nothing is lost")
def stop(case):
    with Lab(case) as lab:
        rig = Alerted(lab)
        dataplane, control = rig.dataplane, rig.control
        checksum = lab.folder + "/list.json"
        with open(checksum, "w") as f:
            json.dump({"virus_id": "CV-2", "screen": [{"kind": "part", "algorithm": "sha256", "digest": "ab" * 32}]}, f)
        dataplane.hold("rules", "screen", "seals")
        rig.aside("rules", "install", status=None)
        rig.aside("screen", "add", checksum, status=None)
        until("the image is handed over", lambda: dataplane.is_asked("rules"))
        until("the list is handed over", lambda: dataplane.is_asked("screen"))
        alert = rig.seal("CV-1")
        rig.send(alert)()
        case.equal(control.stop(), 0, "its end")
        case.equal([e["result"] for e in control.events("rules")], ["applied"], "the swap's end")
        case.equal([(e["virus_id"], e["in_force"]) for e in control.events("seal")], [("CV-1", False)], "the seal's")
        case.equal(len(control.events("stop")), 1, "it has told of it")
        dataplane.let_go()
        control.start()
        case.check("version" in control.ask("rules"), "the image is there")
        until("the seal is in force", lambda: control.ask("status", status=None)["in_force"])
        until("the list, too", lambda: control.ask("status")["screening"]["entries"] == 1)
        case.equal(rig.send(alert)()["result"], "applied", "the receipt")



@cases.case("a log that is rotated while the control process starts ends nothing, and is opened again")
def rotated_early(case):
    with Lab(case) as lab:
        rig = Rig(lab)
        rig.control.stop()
        dataplane, control = rig.dataplane, rig.control
        dataplane.hold("ping")
        control.process = lab.start("server", "control", [BUILD + "/cordon-control", "--config", control.config])
        until("it starts, and waits", lambda: dataplane.is_asked("ping"))
        os.rename(control.events_file, control.events_file + ".1")
        os.kill(control.process.child.pid, signal.SIGHUP)
        dataplane.let_go()
        until("it has started", lambda: os.path.exists(control.socket) and control.ask("status", status=None))
        control.ask("seal", "--virus-id", "CV-1", status=None)
        until("it writes to the new file", control.events)


cases.main()
