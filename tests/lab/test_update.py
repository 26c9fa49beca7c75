#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Updates that a vendor signs and any server of files gives out: what was held is let go and the seal ends
when the rules know the virus, and not before; whatever is wrong or is killed on the way leaves the gateway
sealed, and goes on by itself."""
import base64
import contextlib
import hashlib
import json
import os
import signal

import labmail
from labcontrol import Control, spool_settings
from labdataplane import Dataplane
from labgateway import Gateway, make_foreign
from lablib import Cases, Lab, until
from laboutbreak import NEW_NAME, NEW_VIRUS, new_signature
from labpostfix import Server
from labupdate import ALERTS, Web, tell
from labvendor import Vendor

cases = Cases()
ID = "CV-2026-1"
STEPS = ("download", "install", "compile", "release", "end", "done")


def covered_signature(virus_id=ID):
    return "#cordon: virus_id=%s\n%s" % (virus_id, new_signature())


class Updated:
    """A sealed gateway with its control process, a vendor and a server of its files."""

    def __init__(self, case, lab, **control):
        self.case, self.lab = case, lab
        self.vendor, self.server = Vendor(lab.folder), Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.web = Web(lab)
        self.settings = {"alerts": {"root": self.vendor.write_root(),
                                    "tcp": {"listen": ALERTS}},
                         "updates": {"retry_seconds": 1}}
        self.control = self.make_control(**control)

    def make_control(self, **more):
        lab = self.lab
        return Control(lab, sources=[lab.folder + "/lab.ndb", lab.folder + "/lab.hsb"],
                       **dict(self.settings, **more))

    def tell(self, envelope, wait=True):
        return tell(self.lab, envelope, wait)

    def bundle(self, version, files, covers=(ID,), delta_from=None, **wrong):
        update = self.web.update(version, files, covers, **wrong)
        if delta_from:
            update["delta_from"] = delta_from
        return self.vendor.alert("update", update=update)

    def seal(self, virus_id=ID):
        said = self.tell(self.vendor.alert("seal", virus_id=virus_id, seal={"mode": "hold"}))
        self.case.equal(said["result"], "applied", "the seal")

    def send(self, name, infected=False):
        mail = labmail.mixed(name, labmail.TEXT, labmail.attachment(
            labmail.noise(4000, len(name)) + (NEW_VIRUS if infected else b"")))
        self.case.equal(labmail.send(self.lab, mail)[0], 250, "mail is taken in")
        return mail

    def hold(self):
        """A clean mail and an infected one."""
        mails = self.send("clean"), self.send("evil", True)
        until("both are held", lambda: len(self.control.held()) == 2)
        return mails

    def sealed(self):
        return [s["virus_id"] for s in self.control.ask("status")["seals"]]

    def updates(self):
        return self.control.ask("rules")["updates"]

    def check_released(self, clean):
        """The clean mail is at the server, the other in quarantine, and no seal is open."""
        until("nothing is held", lambda: not self.control.held())
        labmail.check_arrived(self.case, self.server, [clean])
        kept = self.control.held("quarantine")
        self.case.equal([r["subject"] for r in kept], ["lab mail evil"], "the quarantine")
        self.case.equal(self.sealed(), [], "open seals")


@cases.case("an update ends the seal that it covers: in force, judged again, delivered, open, in this order",
            engine=True)
def whole(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        at.seal("CV-other")
        clean, _ = at.hold()
        sample = base64.b64encode(b"x" * 100 + NEW_VIRUS)
        said = at.tell(at.bundle("2026.1", {"new.ndb": covered_signature(),
                                            "selftest/%s.b64" % ID: sample}))
        case.equal((said["result"], said["state"]["open"], said["state"]["in_force"]),
                   ("applied", ["CV-other"], True), "the receipt")
        case.equal(len(at.control.held("quarantine")), 1, "the infected one is in quarantine")
        case.equal(at.server.mails(), [], "the other seal holds the clean one")
        at.control.ask("unseal", "CV-other")
        at.check_released(clean)
        status, text = labmail.send(lab, labmail.mixed("again", labmail.TEXT,
                                                       labmail.attachment(NEW_VIRUS)))[:2]
        case.check(status == 554 and NEW_NAME in str(text), "refused at the door", status, text)
        told = at.updates()
        case.equal((told["active"], [(v["version"], v["kind"], v["covers"], v["files"])
                                     for v in told["versions"]]),
                   ("2026.1", [("2026.1", "full", [ID], 2)]), "what cordonctl rules says")
        steps = [(e["event"], e.get("action") or e.get("result"))
                 for e in at.control.events() if e["event"] in ("update", "quarantine", "unseal")]
        case.equal(steps, [("update", "in force"), ("quarantine", "quarantine"), ("unseal", None),
                           ("update", "done"), ("unseal", None)], "the order of events")


@cases.case("what was held before the swap is delivered before the seal ends", engine=True)
def order(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        clean, _ = at.hold()
        at.tell(at.bundle("2026.1", {"new.ndb": covered_signature()}))
        labmail.check_arrived(case, at.server, [clean])
        at.check_released(clean)
        order_ = [e["event"] for e in at.control.events()
                  if e["event"] in ("unseal", "release", "quarantine")]
        case.equal(order_[-1], "unseal", "the seal ended last: %s" % order_)


@cases.case("a download that breaks off goes on where it stopped; what is wrong in it is refused",
            engine=True)
def download(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        clean, _ = at.hold()
        at.web.server.breaks = 2
        padding = "# %s\n" % ("x" * 78)
        said = at.tell(at.bundle("big", {"new.ndb": covered_signature() + padding * 20000}))
        case.equal(said["result"], "applied", "after two breaks")
        ranges = [r for _, r in at.web.server.asked]
        case.check(len(ranges) == 3 and ranges[0] is None and all(ranges[1:]), "ranges", ranges)
        at.check_released(clean)
        before = at.control.ask("rules")
        for what, bundle in {
                "a wrong digest": at.bundle("w1", {"a.ndb": "A:0:*:41414141\n"}, sha256="0" * 64),
                "too long a file": at.bundle("w2", {"a.ndb": "A:0:*:41414141\n"}, bytes=4),
                "a delta of another": at.bundle("w3", {"a.ndb": "A:0:*:41414141\n"},
                                                delta_from="never"),
                "no place of a file": at.bundle("w4", {"a.ndb": ""}, name="selftest/../a.ndb"),
                "no version": at.bundle("../w5", {"a.ndb": ""}),
                "another scheme": at.bundle("w6", {"a.ndb": ""}, url="file:///etc/passwd"),
                "more than it takes": at.bundle("w7", {"a.ndb": "A"}, bytes=1 << 40)}.items():
            said = at.tell(bundle)
            case.equal(said["result"], "refused", what)
            case.check(said["why"], "says why: " + what)
        after = at.control.ask("rules")
        case.equal((after["in_force"], after["updates"]["active"]),
                   (before["in_force"], "big"), "nothing has changed")
        case.equal(sorted(n for n in os.listdir(lab.folder + "/state/updates")), ["active", "big"],
                   "nothing is left of them")


@cases.case("an id that no signature carries, or whose sample is not hit, stays sealed", engine=True)
def uncovered(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        clean, _ = at.hold()
        said = at.tell(at.bundle("n1", {"new.ndb": covered_signature("CV-wrong")}))
        case.equal((said["result"], said["state"]["open"]), ("applied", [ID]), "no signature")
        said = at.tell(at.bundle("n2", {"new.ndb": covered_signature(), "selftest/%s.b64" % ID:
                                        base64.b64encode(b"something else")}))
        case.equal((said["result"], said["state"]["open"]), ("applied", [ID]), "not hit")
        event = at.control.events("update")[-1]
        case.equal((event["covered"], event["uncovered"]), ([], {ID: "its sample is not hit"}),
                   "the event says why")
        case.equal(at.server.mails(), [], "held")
        digest = hashlib.sha256(b"whole").hexdigest()
        said = at.tell(at.bundle("n3", {
            "more.hsb": "#cordon: virus_id=%s\n%s:5:Test.Whole\n" % (ID, digest),
            "selftest/%s.b64" % ID: base64.b64encode(NEW_VIRUS),
            "selftest/%s.digest" % ID: "sha256:%s:5\n" % digest}, delta_from="n2"))
        case.equal((said["result"], said["state"]["open"]), ("applied", []), "a delta that covers it")
        at.check_released(clean)
        told = at.updates()
        case.equal([(v["version"], v["kind"], v["delta_from"], v["files"]) for v in told["versions"]],
                   [("n3", "delta", "n2", 4), ("n2", "full", "", 2)], "two versions are kept")


@cases.case("cordonctl rules rollback goes back, opens no seal, and stays until the next update",
            engine=True)
def rollback(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.control.ask("rules", "rollback", status=1)  # there is no way back
        at.tell(at.bundle("r1", {"one.ndb": "Test.One:0:*:%s\n" % b"number-one-of-two".hex()}, covers=()))
        one = at.control.ask("rules")["in_force"]
        at.tell(at.bundle("r2", {"two.ndb": covered_signature()}))
        two = at.control.ask("rules")["in_force"]
        case.check(one != two, "two rulesets", one, two)
        told = at.control.ask("rules", "rollback")
        case.equal((told["active"], told["rolled_back"], told["has_former"]), ("r1", "r2", False),
                   "the answer")
        mail = labmail.mixed("passes", labmail.TEXT, labmail.attachment(NEW_VIRUS))
        case.equal(labmail.send(lab, mail)[0], 250, "what the old rules do not know")
        labmail.check_arrived(case, at.server, [mail])
        status = at.control.ask("status")
        case.equal((status["sealed"], status["updates"]["rolled_back"]), (False, "r2"), "the status")
        audit = at.control.events("audit")[-1]
        case.equal((audit["what"], audit["from"], audit["to"]), ("rules rollback", "r2", "r1"), "audited")
        at.control.kill()
        at.control.start()
        at.control.ask("rules", "install")
        case.equal(at.updates()["active"], "r1", "it stays")
        said = at.tell(at.bundle("r3", {"two.ndb": covered_signature()}))
        case.equal(said["result"], "applied", "the next update")
        told = at.updates()
        case.equal((told["active"], told["former"], told["rolled_back"]), ("r3", "r1", ""), "on again")
        evil = labmail.mixed("refused", labmail.TEXT, labmail.attachment(NEW_VIRUS))
        case.equal(labmail.send(lab, evil)[0], 554, "and its rules are in force")


@cases.case("what a revoked signature or digest had kept is delivered, and nothing else", engine=True)
def revoke(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        wrong = labmail.mixed("wrong", labmail.TEXT, labmail.attachment(NEW_VIRUS))
        both = labmail.mixed("both", labmail.TEXT, labmail.attachment(NEW_VIRUS),
                             labmail.attachment(b"another-virus"))
        listed = labmail.mixed("listed", labmail.TEXT, labmail.attachment(b"a-file-of-good-will" * 9))
        digest = hashlib.sha256(b"a-file-of-good-will" * 9).hexdigest()
        for mail in (wrong, both, listed):
            case.equal(labmail.send(lab, mail)[0], 250, "taken in")
        until("all are held", lambda: len(at.control.held()) == 3)
        at.tell(at.bundle("v1", {"new.ndb": covered_signature() + "Test.Other:0:*:%s\n"
                                 % b"another-virus".hex(),
                                 "list.hsb": "%s:%d:Test.Listed\n" % (digest, 19 * 9)}))
        case.equal(len(at.control.held("quarantine")), 3, "all are in quarantine")
        said = at.tell(at.vendor.alert("revoke", revoke={"signatures": [NEW_NAME]}))
        case.equal(said["result"], "applied", "the revocation")
        until("one is delivered", lambda: len(at.server.mails()) == 1)
        labmail.check_arrived(case, at.server, [wrong])
        case.equal(sorted(r["subject"] for r in at.control.held("quarantine")),
                   ["lab mail both", "lab mail listed"], "what hit something else stays")
        said = at.tell(at.vendor.alert("revoke", revoke={"digests": [digest]}))
        case.equal(said["result"], "applied", "a digest")
        until("two are delivered", lambda: len(at.server.mails()) == 2)
        case.equal([r["subject"] for r in at.control.held("quarantine")], ["lab mail both"], "the other")
        at.control.ask("rules", "install")
        again = labmail.mixed("passes", labmail.TEXT, labmail.attachment(NEW_VIRUS))
        case.equal(labmail.send(lab, again)[0], 250, "it does not hit any more, also later")
        said = at.tell(at.vendor.alert("revoke", revoke={"signatures": ["a\nb"]}))
        case.equal(said["result"], "refused", "a name that is none")
        said = at.tell(at.vendor.alert("revoke", revoke={"signatures": [NEW_NAME], "undo": True}))
        case.equal(said["result"], "applied", "the vendor takes it back")
        back = labmail.mixed("back", labmail.TEXT, labmail.attachment(NEW_VIRUS))
        case.equal(labmail.send(lab, back)[0], 554, "it hits again")
        told = labmail.mixed("told", labmail.TEXT, labmail.attachment(b"a-file-of-good-will" * 9))
        case.equal(labmail.send(lab, told)[0], 250, "what is revoked still")
        at.control.ask("rules", "unrevoke", digest)
        case.equal(labmail.send(lab, told)[0], 554, "the operator takes it back")
        case.equal(at.control.ask("rules", "unrevoke", "a:b", status=1), None, "a name that is none")


@cases.case("killed at every step it goes on by itself, and the seal never ends too early", engine=True)
def killed(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        for number, step in enumerate(
                [s for name in STEPS for s in ("before " + name, name)]):
            at.control.stop()
            at.control = at.make_control(test_faults={"update_kill": step})
            virus_id, version = "CV-%d" % number, "k%d" % number
            at.seal(virus_id)
            mail = at.send("m%d" % number)
            until("it is held", lambda: at.control.held())
            at.tell(at.bundle(version, {"new.ndb": covered_signature(virus_id)}, covers=[virus_id]),
                    wait=False)
            until("killed at %s" % step, lambda: not at.control.process.running())
            with open(lab.folder + "/seals.json") as f:
                seals = json.load(f)["seals"]
            late = step in ("before done", "done")
            case.equal([s["virus_id"] for s in seals], [] if late else [virus_id], "sealed at " + step)
            at.control = at.make_control()
            until("%s goes on" % step, lambda: at.updates()["active"] == version and
                  at.updates()["progress"] is None)
            case.equal(at.sealed(), [], "open after " + step)
            until("delivered", lambda: any(labmail.lab_id(m) == "m%d" % number
                                           for m in at.server.mails()))
            listed = at.control.ask("alerts")["alerts"][0]
            case.equal((listed["type"], listed["result"]), ("update", "applied"), "answered")
            labmail.check_arrived(case, at.server, [mail]) if not number else None
        case.equal(len(at.server.mails()), 2 * len(STEPS), "each mail was delivered once")


def open_files(pid):
    names = ""
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            names += os.readlink("/proc/%d/fd/%s" % (pid, fd)) + "\n"
    return names


@cases.case("stopped while a dataplane that hangs is handed its rules it goes on at the next start, and the seal stays",
            engine=True)
def cut_off(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        clean, _ = at.hold()
        hanging = at.gateway.process.child
        hanging.send_signal(signal.SIGSTOP)
        at.tell(at.bundle("v1", {"new.ndb": covered_signature()}), wait=False)
        until("they are handed over", lambda: "/memfd:rules" in open_files(at.control.process.child.pid))
        case.equal(at.control.stop(), 0, "its end")
        with open(lab.folder + "/seals.json") as f:
            seal, = json.load(f)["seals"]
        case.equal((seal["virus_id"], seal.get("closing")), (ID, None), "the seal")
        case.equal([e["result"] for e in at.control.events("alert")], ["applied", "taken"], "the update has no end yet")
        hanging.send_signal(signal.SIGCONT)
        at.control.start()
        until("it is done", lambda: at.updates()["active"] == "v1" and at.updates()["progress"] is None)
        at.check_released(clean)
        listed = at.control.ask("alerts")["alerts"][0]
        case.equal((listed["type"], listed["result"]), ("update", "applied"), "answered")


@cases.case("a dataplane of the version before, which refuses the rules, keeps the seal that they would cover", engine=True)
def refused(case):
    with Lab(case) as lab:
        at = Updated(case, lab)
        at.seal()
        image = lab.folder + "/rules.img"
        at.gateway.kill()
        os.unlink(lab.folder + "/dataplane.sock")
        old = Dataplane(lab)
        old.refusals["rules"] = old.refusals["delta"] = "of another version"
        until("it is told of the seal", lambda: ID in old.told)
        make_foreign(image)
        said = at.tell(at.bundle("v1", {"new.ndb": covered_signature()}))
        case.equal((said["result"], said["state"]["open"]), ("refused", [ID]), "the receipt")
        case.check("of another version" in said["why"], "why", said)
        case.equal(at.sealed(), [ID], "the seal")
        with open(lab.folder + "/seals.json") as f:
            case.equal(["closing" in seal for seal in json.load(f)["seals"]], [False], "it is not closing")


if __name__ == "__main__":
    cases.main()
