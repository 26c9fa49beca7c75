#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A virus is stopped by its checksums before there is a signature: lists that arrive in alerts or by hand are in
force at once, survive restarts, end when the rules know the virus, and keep nothing back by mistake."""
import hashlib
import json
import os
import subprocess
import threading
import time

import labmail
import lablib
from lablib import BUILD, Cases, Lab, until
from laboutbreak import NEW_VIRUS, new_signature
from labscreen import ID, Screened, add_list, file_entry, many, window_entry

cases = Cases()
VIRUS = labmail.noise(5000, 5) + NEW_VIRUS + labmail.noise(3000, 6)
COVERING = "#cordon: virus_id=%s\n%s" % (ID, new_signature())


@cases.case("an alert's list counts before its receipt, over restarts of both, and ends by the update that covers it",
            engine=True)
def story(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        decoy = labmail.noise(2000, 9)
        at.send("before", VIRUS)
        said = at.screen([file_entry(VIRUS, name="Worm.File"), file_entry(decoy, name="Worm.Decoy")])
        case.equal((said["result"], said["state"]["in_force"]), ("applied", True), "the receipt")
        at.send("evil", VIRUS)
        at.send("clean", VIRUS[:-1])
        record, = at.quarantined("evil")
        case.equal((record["verdict"], record["reason"], record["signatures"]),
                   ("suspect", "checksum", ["Worm.File"]), "why it was kept")
        mail = [m for m in at.gateway.events("mail") if m["verdict"] == "suspect"][0]
        hit, = mail["matches"]
        part = [p for p in mail["parts"] if p["index"] == hit["part"]][0]
        case.equal((hit["signature"], hit["virus_id"], hit["kind"], hit["digest"], part["filename"]),
                   ("Worm.File", ID, "checksum", hashlib.sha256(VIRUS).hexdigest(), "x.bin"),
                   "the hit names entry, digest and part")
        shown = at.control.ask("quarantine", "show", record["id"])
        case.check(hashlib.sha256(VIRUS).hexdigest() in json.dumps(shown), "and the record", shown)
        until("the hit is counted", lambda: at.hits() == {"Worm.File": 1, "Worm.Decoy": 0})
        told = until("it is told", lambda: [e for e in at.control.events("screening")
                                            if e["result"] == "hits"])
        case.equal((told[0]["name"], told[0]["virus_id"]), ("Worm.File", ID), "the event")

        at.gateway.kill()
        at.control.kill()
        at.gateway.start()
        at.send("evil2", VIRUS)
        at.control.start()
        at.quarantined("evil", "evil2")
        until("counts go on", lambda: at.hits()["Worm.File"] == 2)
        at.send("decoy", decoy)
        at.quarantined("evil", "evil2", "decoy")

        said = at.update("2026.1", {"new.ndb": COVERING})
        case.equal(said["result"], "applied", "the update")
        until("nothing is screened for", lambda: at.listed()["total"] == 0)
        ended = [e for e in at.control.events("screening") if e["result"] == "off"]
        case.equal([(e["virus_ids"], e["entries"], e["why"]) for e in ended],
                   [([ID], 2, "covered")], "it is logged")
        case.equal(at.control.ask("status")["counters"]["screens_covered"], 1, "and counted")
        at.quarantined("evil", "evil2")
        until("the false alarm is delivered", lambda: len(at.server.mails()) == 3)
        at.send("evil3", VIRUS, 554)
        before = screened_bytes(at)
        at.send("again", VIRUS[:-1].replace(NEW_VIRUS, b"x" * len(NEW_VIRUS)))
        case.equal(screened_bytes(at), before, "nothing is spent on screening any more")


def screened_bytes(at):
    """What the counters tell of screening."""
    return {k: v for k, v in at.gateway.stats().items() if k.startswith("screen")}


@cases.case("one byte is changed: the digest of the file misses, that of a window in what is the same hits",
            engine=True)
def polymorphic(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        at.screen([file_entry(VIRUS, name="Worm.File")])
        changed = VIRUS[:100] + bytes([VIRUS[100] ^ 1]) + VIRUS[101:]
        at.send("evil", VIRUS)
        missed = at.send("changed", changed)
        labmail.check_arrived(case, at.server, [missed])
        at.quarantined("evil")
        at.screen([window_entry(VIRUS[4000:4512], name="Worm.Window")], virus_id="CV-2026-2")
        at.send("changed2", b"in front" + changed)
        clean = at.send("other", VIRUS[:4200])
        at.quarantined("evil", "changed2")
        labmail.check_arrived(case, at.server, [missed, clean])


@cases.case("a list is added by hand, of a sample and of digests, listed, copied, removed, and expires", engine=True)
def by_hand(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        sample = lab.folder + "/sample.bin"
        with open(sample, "wb") as f:
            f.write(VIRUS)
        told = at.control.ask("screen", "add", sample, "--virus-id", ID, "--why", "seen today")
        case.check(told["in_force"] and told["entries"] > 1, "added", told)
        kinds = {e["kind"] for e in at.listed("list", "--limit", "500")["entries"]}
        case.check({"file", "range", "window"} <= kinds, "all kinds of a file", kinds)
        at.send("evil", VIRUS)
        at.send("longer", b"x" + VIRUS)
        at.quarantined("evil", "longer")
        copy = subprocess.run([BUILD + "/cordonctl", "screen", "export", "--socket", at.control.socket],
                              stdout=subprocess.PIPE, check=True).stdout
        case.equal(len(json.loads(copy)), told["entries"], "the copy")
        case.equal(at.control.ask("screen", "remove", ID)["removed"], told["entries"], "removed")
        at.send("evil2", VIRUS)
        at.quarantined("evil", "longer")
        case.equal(at.control.ask("screen", "remove", ID, status=1), None, "what is not there")
        with open(lab.folder + "/list.json", "wb") as f:
            f.write(copy)
        at.control.ask("screen", "add", "--list", lab.folder + "/list.json")
        case.equal(at.listed()["total"], told["entries"], "from the copy")
        at.control.ask("screen", "remove", "--all")
        digest = hashlib.sha1(VIRUS).hexdigest()
        by_digest = ("screen", "add", "--digest", "sha1:%s:%d" % (digest, len(VIRUS)), "--virus-id", "CV-3",
                     "--name", "By.Hand")
        at.control.ask(*by_digest)
        at.send("evil3", VIRUS)
        at.quarantined("evil", "longer", "evil3")
        at.control.ask("screen", "remove", "--name", "By.Hand")
        at.control.ask(*by_digest, "--seconds", "1")
        until("it has expired", lambda: at.listed()["total"] == 0 and at.listed()["waiting"] == 0)
        at.send("evil4", VIRUS)
        until("it is not looked for", lambda: len(at.server.mails()) == 2)
        at.quarantined("evil", "longer", "evil3")
        for bad in (["add"], ["add", lab.folder + "/none"], ["add", "--digest", "12", "--virus-id", "x"],
                    ["remove"], ["nonsense"], ["--action", "nonsense"]):
            done = subprocess.run([BUILD + "/cordonctl", "screen", *bad, "--socket", at.control.socket],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            case.check(done.returncode in (1, 2) and done.stderr, "refused: %s" % bad, done)


@cases.case("held mail that a list hits is kept when its seal ends; a hit under a seal goes to quarantine",
            engine=True)
def sealed(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        at.tell(at.vendor.alert("seal", virus_id="CV-9", seal={"mode": "hold"}))
        at.send("evil", VIRUS)
        clean = at.send("clean", b"harmless")
        until("both are held", lambda: len(at.control.held()) == 2)
        at.screen([file_entry(VIRUS, name="Worm.File")])
        at.send("evil2", VIRUS)
        at.control.ask("unseal", "CV-9")
        labmail.check_arrived(case, at.server, [clean])
        at.quarantined("evil", "evil2")
        until("both were counted", lambda: at.hits() == {"Worm.File": 2})
        told = [e for e in at.control.events("quarantine") if e["action"] == "quarantine"]
        case.check(told and told[0]["screened"][0]["filename"] == "x.bin", "what was found", told)


@cases.case("an all-clear ends a list and lets go of its mail; a revoked digest, too; the other list stays", engine=True)
def taken_back(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        other = labmail.noise(3000, 11)
        third = labmail.noise(3500, 12)
        at.screen([file_entry(VIRUS, name="Worm.File")])
        at.screen([file_entry(other, name="Other.File"), file_entry(third, name="Third.File")], "CV-2")
        first, second = at.send("one", VIRUS), at.send("two", other)
        at.send("three", third)
        at.quarantined("one", "two", "three")
        at.tell(at.vendor.alert("all-clear", virus_id=ID))
        labmail.check_arrived(case, at.server, [first])
        at.quarantined("two", "three")
        at.tell(at.vendor.alert("revoke", revoke={
            "digests": [hashlib.sha256(other).hexdigest()]}))
        labmail.check_arrived(case, at.server, [first, second])
        at.quarantined("three")
        case.equal(at.hits(), {"Third.File": 1}, "what is left")


@cases.case("entries are discarded or refused by name where entry or policy says so", engine=True)
def policies(case):
    with Lab(case) as lab:
        at = Screened(case, lab, gateway={"policy": {"screening": "reject"}})
        gone = labmail.noise(3000, 12)
        kept = labmail.noise(3000, 13)
        at.screen([file_entry(VIRUS, name="Worm.File"), file_entry(gone, action="discard"),
                   file_entry(kept, action="quarantine")])
        code, text = labmail.send(lab, at.mail("evil", VIRUS))
        case.check(code == 554 and "Worm.File" in text, "refused with the name", code, text)
        at.send("gone", gone)
        at.send("kept", kept)
        at.quarantined("kept")
        case.equal(at.server.mails(), [], "none of them is delivered")


@cases.case("what a list cannot be is refused with its reason, and changes nothing", engine=True)
def refused(case):
    with Lab(case) as lab:
        at = Screened(case, lab, screening={"entries": 10})
        good = file_entry(VIRUS)
        case.equal(at.screen([good])["result"], "applied", "a good one")
        for what, entries in {
                "another kind": [dict(good, kind="soul")], "no digest": [{"kind": "file"}],
                "too short": [dict(good, digest="12")], "none": [],
                "an unknown member": [dict(good, colour="red")],
                "a window without its checksum": [dict(good, kind="window", length=100)],
                "too many": [dict(good, bytes=n) for n in range(1, 12)]}.items():
            said = at.screen(entries)
            case.check(said["result"] == "refused" and said["why"], what, said)
        case.check("too many screening entries" in said["why"], "the budget", said)
        case.equal(at.listed()["total"], 1, "what is on")
        at.send("evil", VIRUS)
        at.quarantined("evil")


@cases.case("a late alert for what the rules know changes nothing; the vendor's own tools make one of a sample",
            engine=True)
def tools(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        sample, listing = lab.folder + "/sample", lab.folder + "/list.json"
        with open(sample, "wb") as f:
            f.write(VIRUS)
        vendor = [BUILD + "/cordon-vendor"]
        subprocess.run(vendor + ["screen", "-i", ID, "--name", "Worm", "-o", listing, sample], check=True)
        made = subprocess.run(vendor + [
            "sign", "screen", "--vendor", "acme", "--epoch", "1", "--sequence", "7", "-i", ID, "-k",
            at.vendor.path("alerts"), "--screen", listing], stdout=subprocess.PIPE, check=True)
        case.equal(at.tell(made.stdout.strip())["result"], "applied", "the alert")
        at.vendor.sequences["alerts"] = 7
        at.send("evil", VIRUS + b"appended")
        at.quarantined("evil")
        at.update("2026.1", {"new.ndb": COVERING})
        case.equal(at.listed()["total"], 0, "covered")
        case.equal(at.screen([file_entry(VIRUS)])["result"], "applied", "a late one")
        case.equal(at.listed()["total"], 0, "does not come back")


@cases.case("a list whose alert was taken when the process was killed is in force after its start, once", engine=True)
def killed(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        alert = at.vendor.alert("screen", virus_id=ID, screen=[
            file_entry(VIRUS, name="Worm.File"), *many(20000, 1)])
        at.tell(alert, wait=False)
        until("it was taken", lambda: at.control.events("alert"))
        at.control.kill()
        at.control.start()
        until("it is in force", lambda: at.listed()["in_force"] and at.listed()["total"] == 20001)
        case.equal(at.tell(alert)["result"], "applied", "the receipt of a repeat")
        case.equal(at.listed()["total"], 20001, "once")
        at.send("evil", VIRUS)
        at.quarantined("evil")


@cases.case("an update whose sample is not hit leaves the list; with cleared: keep what is clean waits",
            engine=True)
def kept(case):
    with Lab(case) as lab:
        at = Screened(case, lab, screening={"cleared": "keep"})
        decoy = labmail.noise(2000, 9)
        at.screen([file_entry(decoy, name="Worm.Decoy")])
        at.update("2026.1", {"new.ndb": COVERING, "selftest/%s.b64" % ID: b"AAAA"})
        case.equal(at.listed()["total"], 1, "it is not covered")
        case.equal(at.screen([file_entry(VIRUS, name="Worm.File")])["result"], "applied", "one more")
        at.control.stop()
        at.control.start()
        case.equal(at.listed()["total"], 2, "nor after a restart")
        at.send("decoy", decoy)
        at.quarantined("decoy")
        at.update("2026.2", {"new.ndb": COVERING})
        told = until("it is judged again", lambda: [e for e in at.control.events("screening")
                                                    if e["result"] == "judged again"])
        case.equal((told[0]["outcome"], told[0]["verdict"]), ("waits for the operator", "clean"),
                   "what is said")
        record, = at.quarantined("decoy")
        at.control.ask("quarantine", "release", record["id"], "--why", "looked at")
        until("it is delivered", lambda: len(at.server.mails()) == 1)


@cases.case("recipients and administrator are told of entry, digest and part", engine=True)
def told(case):
    with Lab(case) as lab:
        at = Screened(case, lab, notify={"host": lablib.SERVER, "recipients": "true", "interval_seconds": 1,
                                         "admin": "admin@lab.example"})
        at.screen([file_entry(VIRUS, name="Worm.File")])
        at.send("evil", VIRUS)
        digest = hashlib.sha256(VIRUS).hexdigest().encode()
        for subject in (b"Mail for you was quarantined", b"what has happened"):
            until("a notice with %s" % subject, lambda: any(
                subject in m and all(what in m.replace(b"=\n", b"") for what in (
                    b"Worm.File", digest, b"x.bin")) for m in at.server.mails()))


@cases.case("under load an update that covers a list lets none of the virus through, nor does the way back, which"
            " brings the list back", engine=True)
def seamless(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        at.update("2026.0", {"old.ndb": "Test.Old:0:*:%s\n" % b"of-an-older-virus".hex()}, covers=())
        at.screen([file_entry(VIRUS, name="Worm.File")])
        answers, stop = [], threading.Event()

        def load(number):
            while not stop.is_set():
                name = "%d-%d" % (number, len(answers))
                answers.append((name, labmail.send(lab, at.mail(name, VIRUS))[0]))
        senders = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(2)]
        for sender in senders:
            sender.start()
        try:
            until("some were kept", lambda: len(answers) > 5)
            case.equal(at.update("2026.1", {"new.ndb": COVERING})["result"], "applied", "the update")
            until("the list has ended", lambda: at.listed()["total"] == 0 and not at.listed()["waiting"])
            until("the rules refuse", lambda: answers[-1][1] == 554)
            at.control.ask("rules", "rollback")
            case.equal(at.listed()["total"], 1, "the list is back")
            count = len(answers)
            until("some were kept again", lambda: len(answers) > count + 5)
        finally:
            stop.set()
            for sender in senders:
                sender.join()
        case.equal({code for _, code in answers}, {250, 554}, "kept by the list, refused by the rules")
        case.equal(at.server.mails(), [], "none got through")
        told = [(e["result"], e["virus_ids"], e["entries"]) for e in at.control.events("screening")
                if e["result"] in ("on", "off")]
        case.equal(told, [("off", [ID], 1), ("on", [ID], 1)], "it is told")
        at.tell(at.vendor.alert("all-clear", virus_id=ID))
        until("the list has ended", lambda: at.listed()["total"] == 0)


@cases.case("small changes of a large list count at once, over kills of both at any moment, and end as others do",
            engine=True)
def layered(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        layer = lab.folder + "/rules.img.screen-layer"
        evils = [VIRUS + b"%d" % n for n in range(6)]
        entries = many(20000, 1)
        add_list(at, [dict(e, virus_id="CV-BASE") for e in entries[1:]]
                 + [file_entry(evils[0], name="Worm.0", virus_id="CV-0")])
        case.check(not os.path.exists(layer) or os.stat(layer).st_size < 2000, "one image", os.listdir(lab.folder))
        said, _ = add_list(at, [dict(e, virus_id="CV-1") for e in many(99, 2)]
                           + [file_entry(evils[1], name="Worm.1", virus_id="CV-1")])
        case.check(said["in_force"] and os.path.exists(layer), "a layer", said)
        at.send("evil0", evils[0])
        at.send("evil1", evils[1])
        at.quarantined("evil0", "evil1")
        # What is gone lies in the image below.
        case.equal(at.control.ask("screen", "remove", "CV-0")["removed"], 1, "removed")
        at.send("clean", evils[0])
        add_list(at, [file_entry(evils[0], name="Worm.0", virus_id="CV-0")])
        at.send("evil0b", evils[0])
        at.quarantined("evil0", "evil1", "evil0b")

        kept = ["evil0", "evil1", "evil0b"]
        total = 20100
        for n in range(2, 6):
            before = len(at.control.events("alert"))
            alert = at.vendor.alert("screen", virus_id="CV-%d" % n, screen=[
                file_entry(evils[n], name="Worm.%d" % n), *many(99, n + 10)])
            at.tell(alert, wait=False)
            until("it was taken", lambda: len(at.control.events("alert")) > before)
            time.sleep(0.02 * (n - 2))
            at.control.kill()
            if n % 2:
                at.gateway.kill()
                at.gateway.start()
            at.control.start()
            total += 100
            until("it is in force", lambda: at.listed()["in_force"] and at.listed()["total"] == total)
            at.send("evil%d" % n, evils[n])
            kept.append("evil%d" % n)
        at.quarantined(*kept)
        # Another dataplane has the same list of the files alone.
        at.control.kill()
        at.gateway.kill()
        at.gateway.start()
        at.send("evil1b", evils[1])
        at.control.start()
        at.quarantined(*kept, "evil1b")

        image = os.stat(lab.folder + "/rules.img.screen").st_ino
        add_list(at, [dict(e, virus_id="CV-MORE") for e in many(17000, 3)])
        until("all is one image", lambda: os.stat(lab.folder + "/rules.img.screen").st_ino != image
              and os.stat(layer).st_size < 10000 and at.listed()["in_force"])
        at.send("evil1c", evils[1])
        at.update("2026.1", {"new.ndb": COVERING.replace(ID, "CV-1")}, covers=("CV-1",))
        until("what is covered has ended", lambda: at.listed()["total"] == total - 100 + 17000)
        at.tell(at.vendor.alert("all-clear", virus_id="CV-MORE"))
        until("it has ended", lambda: at.listed()["total"] == total - 100 and at.listed()["in_force"])
        at.control.ask("screen", "remove", "CV-BASE")
        until("few are left", lambda: at.listed()["total"] == total - 20099 and at.listed()["in_force"])
        case.check(not os.path.exists(layer), "one image again", os.listdir(lab.folder))
        case.equal([e for e in at.control.events("fault") if e["what"] == "screening"], [], "faults")


if __name__ == "__main__":
    cases.main()
