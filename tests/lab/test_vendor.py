#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's own server with real gateways: they are enrolled by a token, sealed over each channel, answer
by receipts, and are opened by two officers; what is forged changes nothing."""
import base64
import errno
import hashlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import time

import labmail
from labfleet import FILES, SIGNATURES, WEB, Corners, Fleet, VendorServer, read_answers, run, talk_raw
from lablib import BUILD, PATIENCE, Cases, Lab, until
from labmail import message
from labvendor import Vendor

cases = Cases()


@cases.case("a seal reaches gateways over each channel, one that was away later; two officers lift it",
            engine=True)
def story(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor = fleet.vendor
        fleet.controls["tcp"].stop()
        case.equal(vendor.post({"type": "seal", "virus_id": "CV-0", "seal": {"mode": "hold"},
                                "target": "gateway:nobody"})["deliveries"], {}, "for nobody")
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"},
                            "target": "group:all"})
        until("all but one", lambda: sorted(vendor.deliveries(seal).values()) ==
              ["delivered"] * 4 + ["open"])
        case.equal(vendor.deliveries(seal)["tcp"], "open", "the one that is away")
        case.equal(fleet.sealed(), dict.fromkeys(("lab", "in", "udp", "pull"), True), "sealed")
        held = message("held", [], b"under the seal\n")
        case.equal(labmail.send(lab, held)[0], 250, "mail is taken in")
        case.equal(fleet.server.mails(), [], "and not delivered")
        lines = run("status", "-c", vendor.config, seal["digest"][:10], status=1).splitlines()
        case.equal(len(lines), 6, "what the command says")
        vendor.process.stop()
        fleet.controls["tcp"].start()
        vendor.start()
        until("the last one", lambda: vendor.deliveries(seal)["tcp"] == "delivered")
        # The command reads what is on the disk, where receipts come in groups.
        until("the command says so", lambda: subprocess.run(
            [BUILD + "/cordon-vendor", "status", "-c", vendor.config, seal["digest"]],
            stdout=subprocess.DEVNULL, check=False).returncode == 0)
        gateway = vendor.ask("GET", "/v1/gateways/tcp")[1]
        case.equal((gateway["groups"], gateway["state"]["open"]), (["all"], ["CV-1"]), "the registry")
        draft = vendor.post({"type": "all-clear", "virus_id": "CV-1"}, status=202)
        case.equal((draft["state"], vendor.deliveries(draft)), ("draft", {}), "one officer")
        path = vendor.file("clear.json")
        with open(path, "w") as f:
            f.write(draft["envelope"])
        run("countersign", path, "-k", vendor.file("officer2"))
        with open(path, "rb") as f:
            clear = vendor.post(f.read())
        until("all clear", lambda: set(vendor.deliveries(clear).values()) == {"delivered"})
        case.equal(set(fleet.sealed().values()), {False}, "open again")
        labmail.check_arrived(case, fleet.server, [held])
        kinds = {r["gateway"]: r["channel"] for r in vendor.ask("GET", "/v1/receipts?alert=" + clear[
            "digest"])[1]["receipts"]}
        case.equal(kinds, {"lab": "https", "tcp": "tcp", "in": "tcp-in", "udp": "udp", "pull": "pull"},
                   "channels")
        fleet.close()


@cases.case("an update is made of the signature folder, published and sent",
            engine=True)
def update(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor = fleet.vendor
        case.equal(vendor.ask("GET", "/v1/catalogue")[1]["covers"], {"CV-2": ["Test.Vendor"]},
                   "catalogue")
        seal = vendor.post({"type": "seal", "virus_id": "CV-2", "seal": {"mode": "hold"},
                            "target": "gateway:lab"})
        until("sealed", lambda: vendor.deliveries(seal) == {"lab": "delivered"})
        os.mkdir(vendor.file("sigs/selftest"))
        with open(vendor.file("sigs/selftest/CV-2.b64"), "wb") as f:
            f.write(base64.b64encode(b"vendor-lab-virus"))
        made = vendor.post({"type": "update", "update": {"version": "v1"}, "target": "gateway:lab"})
        case.check(os.path.exists(vendor.file("www/bundles/v1/test.ndb")), "a bundle")
        until("answered", lambda: vendor.deliveries(made)["lab"] != "open")
        with open(vendor.file("www/feed")) as f:
            last = json.loads(base64.b64decode(json.loads(f.readlines()[-1])["payload"]))
        selftest, one = last["update"]["files"]
        case.equal((selftest["name"], selftest["url"].rsplit("/", 2)[1:]),
                   ("selftest/CV-2.b64", ["selftest", "CV-2.b64"]), "the sample to try it with")
        until("covered", lambda: vendor.deliveries(made)["lab"] == "delivered")
        case.equal(vendor.ask("GET", "/v1/gateways/lab")[1]["state"]["open"], [], "it hits the sample")
        case.equal((last["update"]["covers"], one["sha256"], one["url"]), (
            ["CV-2"], hashlib.sha256(SIGNATURES.encode()).hexdigest(),
            "http://127.0.0.1:%d/bundles/v1/test.ndb" % FILES), "what the feed says")
        with open(vendor.file("sigs/more.ndb"), "w") as f:
            f.write(SIGNATURES)
        case.equal(vendor.ask("POST", "/v1/alerts", {"type": "update", "update": {"version": "v1"}})[0],
                   409, "another update of that name")
        fleet.close()


@cases.case("forged receipts, used tokens and strangers' requests change nothing", engine=True)
def forged(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor, thief = fleet.vendor, Vendor(lab.folder + "/thief")
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"},
                            "target": "gateway:far"})
        token = vendor.ask("POST", "/v1/tokens", {"gateway": "far"})[1]["token"]
        fleet.enrol("lab", [], token=token, status=403)
        fleet.enrol("udp", [], status=409)
        far = {"id": "far", "public_key": thief.keys["root"][1], "token": token}
        case.equal(vendor.ask("POST", "/v1/enrol", dict(far, groups=["all"]), key="none")[0], 422,
                   "its own groups")
        case.equal(vendor.ask("POST", "/v1/enrol", far, key="none")[0], 201, "enrolled")
        case.equal(vendor.ask("POST", "/v1/enrol", far, key="none")[0], 403, "a token again")
        case.equal(vendor.deliveries(seal), {"far": "open"}, "what a new gateway gets")
        receipt = {"gateway": "far", "alert": seal["digest"], "result": "applied", "counter": 1,
                   "state": {"sealed": True}, "time": "2026-01-01T00:00:00Z"}
        kind = "application/vnd.cordon.receipt+json"
        for what, data in {
                "another key": thief.sign(receipt, ["alerts"], kind),
                "another gateway": thief.sign(dict(receipt, gateway="lab"), ["root"], kind),
                "an alert": thief.sign(receipt, ["root"]),
                "no signature": json.dumps(receipt).encode(), "nothing": b"{}"}.items():
            case.check(vendor.ask("POST", "/v1/receipts", data, key="none")[0] in (400, 403), what)
        case.equal(vendor.deliveries(seal), {"far": "open"}, "none of these counts")
        good = thief.sign(receipt, ["root"], kind)
        for _ in range(2):
            case.equal(vendor.ask("POST", "/v1/receipts", good, key="none")[0], 204, "its own")
        case.equal(vendor.deliveries(seal), {"far": "delivered"}, "that one does")
        late = thief.sign(dict(receipt, result="refused", why="late", counter=2), ["root"], kind)
        case.equal(vendor.ask("POST", "/v1/receipts", late, key="none")[0], 204, "a later one")
        case.equal(vendor.deliveries(seal), {"far": "delivered"}, "what was delivered stays so")
        for key, method, path, status in (
                ("none", "GET", "/v1/gateways", 401), ("none", "POST", "/v1/alerts", 401),
                (vendor.reader, "POST", "/v1/alerts", 403), (vendor.reader, "GET", "/v1/alerts", 200),
                (vendor.key, "DELETE", "/v1/alerts", 405), (vendor.key, "GET", "/v2", 404),
                (vendor.key, "DELETE", "/v1/gateways/nobody", 404)):
            body = {} if method == "POST" else None
            case.equal(vendor.ask(method, path, body, key=key)[0], status, method + " " + path)
        case.equal(vendor.ask("POST", "/v1/alerts", b"0" * (49 << 20))[0], 413, "too long")
        case.equal(vendor.ask("GET", "/v1/status", more=("--tls-max", "1.2"))[0], 0, "TLS 1.2")
        case.equal(vendor.ask("POST", "/v1/alerts", thief.alert("ping"))[0], 403, "another's alert")
        pages, after = [], ""
        while True:
            answer = vendor.ask("GET", "/v1/gateways?limit=2&after=" + after)[1]
            pages.append([g["id"] for g in answer["gateways"]])
            if "next" not in answer:
                break
            after = answer["next"]
        case.equal(pages, [["far", "in"], ["lab", "pull"], ["tcp", "udp"], []], "pages")
        fleet.close()


@cases.case("a feed is held until there is news: a gateway that pulls is sealed at once", engine=False)
def held_feed(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        fleet, web = Corners(lab, vendor), "https://127.0.0.1:%d" % WEB
        fleet.corner("pull", {"pull": {
            "url": web + "/feed", "ca": vendor.file("tls.crt"), "interval_seconds": 3600,
            "wait_seconds": 600, "receipts": web + "/v1/receipts"}}, {"kind": "pull"})
        for number in range(3):
            seal = vendor.post({"type": "seal", "virus_id": "CV-%d" % number, "seal": {"mode": "hold"}})
            until("delivered", lambda: vendor.deliveries(seal) == {"pull": "delivered"})
        quiet = ("-o", "/dev/null")
        got = vendor.ask("GET", "/feed", more=quiet + ("-D", vendor.file("headers")))
        case.equal(got[0], 200, "the feed")
        with open(vendor.file("headers")) as f:
            tag, = [line.split(": ")[1].strip() for line in f if line.lower().startswith("etag")]
        same = quiet + ("-H", "If-None-Match: " + tag)
        for more in ((), ("-H", "Prefer: wait=1"), ("-H", "Prefer: respond-async, wait=1")):
            case.equal(vendor.ask("GET", "/feed", more=same + more)[0], 304, str(more))
        case.equal(vendor.ask("GET", "/feed", more=quiet + ("-H", "Prefer: wait=60"))[0], 200,
                   "who has nothing")


@cases.case("signed heartbeats tell a gateway that nothing is held back; silence is a fault until the next one",
            engine=False)
def heartbeats(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab, heartbeat_seconds=1)
        fleet = Corners(lab, vendor)
        fleet.corner("tcp", {"tcp": {"listen": "127.0.0.1:7811"}, "stale_seconds": 4},
                     {"kind": "tcp", "address": "127.0.0.1:7811"})
        control = fleet.controls["tcp"]

        def status():
            return control.ask("status", status=1)["alerts"]

        def faults():
            return [e for e in control.events("fault") if "heard of the vendor" in e["why"]]
        first = until("a ping", lambda: status()["applied"] and status()["last_heard"])
        until("another one", lambda: status()["last_heard"] > first)
        case.equal((status()["stale"], faults()), (False, []), "while it is heard")
        case.equal({e["type"] for e in control.events("alert")}, {"ping"}, "what was heard")
        case.check(until("the vendor knows", lambda: vendor.ask("GET", "/v1/gateways/tcp")[1]["last_seen"]),
                   "last seen")
        vendor.process.stop()
        until("silence", lambda: status()["stale"])
        until("a fault", lambda: len(faults()) == 1)
        control.kill()
        control.start()
        until("silence, after a start", lambda: status()["stale"])
        vendor.start()
        until("heard again", lambda: not status()["stale"])
        case.equal(vendor.ask("GET", "/v1/alerts")[1]["alerts"][0]["type"], "ping", "what is open")
        case.check(len(vendor.ask("GET", "/v1/alerts?limit=1000")[1]["alerts"]) < 4, "old pings are let go of")


@cases.case("a seal over HTTPS does not wait for an update that takes its time", engine=False)
def beside_an_update(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        fleet = Corners(lab, vendor)
        fleet.corner("gw", {"https": {"listen": "127.0.0.1:7810", "certificate": vendor.file("tls.crt"),
                                      "key": vendor.file("tls.key")}},
                     {"kind": "https", "url": "https://127.0.0.1:7810/v1/alerts"})
        with lab.inside("server"):
            hole = socket.create_server(("127.0.0.1", FILES))  # nobody accepts or answers
        made = vendor.post({"type": "update", "update": {"version": "v1"}})
        until("it is being fetched", lambda: [
            e for e in fleet.controls["gw"].events("alert") if e["result"] == "taken"])
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"}})
        until("sealed", lambda: vendor.deliveries(seal) == {"gw": "delivered"}, 15)
        case.equal(vendor.deliveries(made), {"gw": "open"}, "the update")
        hole.close()


@cases.case("a locked database: orders are put off, pages are read, receipts come again", engine=False)
def locked(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        corners = Corners(lab, vendor)
        web = "https://127.0.0.1:%d" % WEB
        corners.corner("pull", {"pull": {
            "url": web + "/feed", "ca": vendor.file("tls.crt"), "interval_seconds": 1,
            "receipts": web + "/v1/receipts"}}, {"kind": "pull"})
        gateway = corners.controls["pull"].process.child
        order = {"type": "seal", "virus_id": "CV-1", "target": "*", "seal": {"mode": "hold"}}
        gateway.send_signal(signal.SIGSTOP)
        seal = vendor.post(order)
        other = sqlite3.connect(vendor.file("state/vendor.db"), isolation_level=None)
        lab.closing.callback(other.close)
        other.execute("BEGIN IMMEDIATE")
        gateway.send_signal(signal.SIGCONT)
        until("a receipt is refused",
              lambda: any(e["what"] == "database" for e in vendor.events("fault")))
        case.equal(list(vendor.refused("POST", "/v1/alerts", dict(order, virus_id="CV-2"))), ["error"], "an order")
        case.equal(vendor.deliveries(seal), {"pull": "open"}, "a page")
        other.execute("ROLLBACK")
        until("delivered", lambda: vendor.deliveries(seal) == {"pull": "delivered"})
        vendor.post(dict(order, virus_id="CV-2"))


@cases.case("a full disk: orders are refused with the reason, which readiness tells; none of them comes later; room again, and "
            "they are taken", engine=False)
def full(case):
    with Lab(case) as lab:
        state = lab.folder + "/acme/state"
        os.makedirs(state)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "cordon-lab", state], check=True)
        lab.closing.callback(subprocess.run, ["umount", "-l", state])
        vendor = VendorServer(lab)
        order = {"type": "seal", "virus_id": "CV-1", "target": "*", "seal": {"mode": "hold"}}
        pid, root = vendor.process.child.pid, vendor.make_root(2)
        most = resource.prlimit(pid, resource.RLIMIT_FSIZE)

        def refused(why):
            for number in (1, 2):
                case.equal(vendor.refused("POST", "/v1/alerts", dict(order, virus_id="CV-%d" % number)),
                           {"error": why}, "an order")
            case.equal(vendor.refused("POST", "/v1/tokens", {"gateway": "g"}), {"error": why}, "a token")
            case.equal(vendor.refused("POST", "/v1/alerts", root), {"error": why}, "a root document")
            until("not ready", lambda: vendor.ask("GET", "/readyz", key="none") == (503, {"ready": False, "why": why}))
            case.equal(vendor.refused("GET", "/readyz", key="none"), {"ready": False, "why": why}, "readiness")
            case.equal(vendor.ask("GET", "/healthz", key="none")[0], 200, "alive")
            case.equal(vendor.ask("GET", "/v1/alerts")[1]["alerts"], [], "alerts")
            case.equal(vendor.ask("GET", "/v1/status")[1]["root_version"], 1, "the root document")

        case.equal(vendor.ask("GET", "/readyz", key="none"), (200, {"ready": True}), "ready")
        with open(state + "/filler", "wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)):
                    pass
            except OSError as error:
                case.equal(error.errno, errno.ENOSPC, "the disk")
        refused("the disk with the database is full")
        os.unlink(state + "/filler")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most[1]))
        refused("the disk with the database is over a limit, or fails")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, most)
        until("ready again", lambda: vendor.ask("GET", "/readyz", key="none")[0] == 200)
        vendor.post(dict(order, virus_id="CV-3"))
        case.equal([a["virus_id"] for a in vendor.ask("GET", "/v1/alerts")[1]["alerts"]], ["CV-3"], "alerts")
        vendor.post(root)


def take_mail(lines, talk):
    """As a mail server does, up to its answer to the whole of it."""
    talk.sendall(b"220 lab.example\r\n")
    while (line := lines.readline()) != b".\r\n":
        if line.startswith(b"DATA"):
            talk.sendall(b"354 go on\r\n")
        elif line.startswith((b"EHLO", b"MAIL", b"RCPT")):
            talk.sendall(b"250 lab.example\r\n")


@cases.case("a vendor that is to end, and is told so again, waits for the answer to a mail that went out, for no server that "
            "is silent, and does nothing else meanwhile", engine=False)
def ending(case):
    with Lab(case) as lab:
        with lab.inside("server"):
            listener = socket.create_server(("127.0.0.1", 2525))
        listener.settimeout(60)
        lab.closing.callback(listener.close)
        vendor = VendorServer(lab, heartbeat_seconds=1, mail={"host": "127.0.0.1", "port": 2525, "from": "vendor@lab.example"})
        key = Vendor(lab.folder + "/far").keys["root"][1]
        token = vendor.ask("POST", "/v1/tokens", {"gateway": "far"})[1]["token"]
        status, answer = vendor.ask("POST", "/v1/enrol", {"id": "far", "public_key": key, "token": token, "channels": [
            {"kind": "mail", "address": "far@lab.example"}]}, key="none")
        case.equal(status, 201, answer)
        vendor.post({"type": "seal", "virus_id": "CV-1", "target": "*", "seal": {"mode": "hold"}})
        server = listener.accept()[0]
        take_mail(server.makefile("rb"), server)
        silent = listener.accept()[0]  # of a heartbeat
        silent.settimeout(PATIENCE)
        child = vendor.process.child
        child.send_signal(signal.SIGTERM)
        until("it ends", lambda: vendor.events("stop"))
        time.sleep(1.5)  # longer than between two turns
        for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            child.send_signal(how)
        time.sleep(0.2)
        case.check(child.poll() is None, "it waits")
        case.equal(silent.recv(1), b"", "not for the silent one")
        server.sendall(b"250 taken\r\n")
        case.equal(child.wait(30), 0, "its end")


@cases.case("a root document whose file was not written is in force, and also after a kill", engine=False)
def unwritten_root(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        kept = vendor.file("state/root.json")
        for version in (2, 3):
            vendor.post(vendor.make_root(version))
        os.unlink(kept)  # as if the process had been killed between the journal and the file
        vendor.process.stop(signal.SIGKILL)
        vendor.start()
        case.equal(vendor.ask("GET", "/v1/status")[1]["root_version"], 3, "after a kill")
        case.check(os.path.exists(kept), "its file")
        os.unlink(kept)
        os.mkdir(kept)
        vendor.post(vendor.make_root(4))
        case.equal([e["what"] for e in vendor.events("fault")], ["root"], "faults")
        case.equal(vendor.ask("GET", "/v1/status")[1]["root_version"], 4, "in force")
        os.rmdir(kept)
        vendor.process.stop(signal.SIGKILL)
        vendor.start()
        case.equal(vendor.ask("GET", "/v1/status")[1]["root_version"], 4, "after a kill")
        case.equal(vendor.post({"type": "seal", "virus_id": "CV-1", "target": "*", "seal": {"mode": "hold"}})["state"],
                   "open", "a seal")


@cases.case("what follows a request's body is answered or closes its connection, and keeps nobody waiting", engine=False)
def pipelined(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        post = b"POST /v1/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        for more, count in ((b"x", 1), (b"\r\n", None), (post, None),
                            (b"GET /feed HTTP/1.1\r\nHost: x\r\n\r\n" * 50, 51)):
            with talk_raw(lab, "server", WEB, post + more) as talk:
                answers = read_answers(talk, count)
                case.equal(answers.count(b"HTTP/1.1 "), count or 1, "answers before %.20r" % more)
                case.equal(vendor.ask("GET", "/v1/status")[0], 200, "others are served")
        with talk_raw(lab, "server", WEB, post.replace(b"{}", b"[]")) as talk:
            answers = read_answers(talk, 1)
        case.check(answers.startswith(b"HTTP/1.1 "), "an answer", answers)


@cases.case("a configuration is checked with the line of each mistake", engine=False)
def configuration(case):
    with Lab(case) as lab:
        path = lab.folder + "/bad.yaml"
        with open(path, "w") as f:
            f.write("root: /x\nweb:\n  listen: 127.0.0.1:1\nheartbeat: 3\n")
        done = subprocess.run([BUILD + "/cordon-vendor", "--config", path, "--check-config"],
                              stderr=subprocess.PIPE, check=False)
        case.equal(done.returncode, 2, "status")
        case.check(path + ":4: " in done.stderr.decode(), "the line", done.stderr)


if __name__ == "__main__":
    cases.main()
