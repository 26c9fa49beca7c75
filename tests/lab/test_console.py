#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's console in a real browser, against the running server and real control processes: every
action is clicked through, on a wide screen, on a phone, dark and light."""
import base64
import hashlib
import json
import os
import sqlite3
import struct
import subprocess

from labbrowser import Browser
from labfleet import WEB, Corners, VendorServer, run
from lablib import BUILD, Cases, Lab, until
from labvendor import Vendor

cases = Cases()
URL = "https://127.0.0.1:%d/" % WEB
PASSWORD = "correct horse battery"


class Console:
    """A vendor with users, two gateways that answer and one that does not, and a browser that is logged in."""

    def __init__(self, lab, user="alice", gateways=True):
        users, folder = lab.folder + "/users", lab.folder + "/acme/"
        for name, role in (("alice", "operator"), ("victor", "viewer")):
            subprocess.run([BUILD + "/cordon-vendor", "user", users, "set", name, role],
                           input=PASSWORD.encode() + b"\n", check=True)
        self.vendor = VendorServer(lab, web={
            "listen": "127.0.0.1:%d" % WEB, "certificate": folder + "tls.crt", "key": folder + "tls.key",
            "users": users})
        self.fleet = Corners(lab, self.vendor)
        if gateways:
            for name, port in (("north", 7811), ("south", 7812)):
                self.fleet.corner(name, {"tcp": {"listen": "127.0.0.1:%d" % port}},
                                  {"kind": "tcp", "address": "127.0.0.1:%d" % port})
        self.browser = Browser(lab)
        self.browser.log_in(URL, user, PASSWORD)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.close()

    def go(self, page):
        path = {"New alert": "compose"}.get(page, page.lower())
        self.browser.run("arguments[0].click()", self.browser.find("header nav a[href='#/%s']" % path))

    def confirm(self, what, label="Type the virus id to confirm", button="Sign and send"):
        self.browser.fill(label, what)
        self.browser.click(button)

    def compose(self, **fields):
        self.go("New alert")
        for label, text in fields.items():
            self.browser.fill(label.replace("_", " "), text)

    def views(self, case, name):
        """Pictures of what is shown: desktop, dark, phone; it fits all of them."""
        browser = self.browser
        browser.shot(name)
        browser.dark()
        browser.shot(name + "-dark")
        browser.dark("light")
        browser.phone()
        browser.shot(name + "-phone")
        case.equal(browser.wide(), 0, name + " is as wide as a phone")
        browser.devtools("Emulation.clearDeviceMetricsOverride")

    def history(self, **wanted):
        return [e for e in self.vendor.ask("GET", "/v1/history?limit=1000")[1]["history"]
                if all(e[k] == v for k, v in wanted.items())]

    def alert(self):
        return self.vendor.ask("GET", "/v1/alerts?limit=1")[1]["alerts"][0]


@cases.case("a seal is composed, reviewed, confirmed; receipts come in; two officers lift it; all in the history",
            engine=False)
def seal_story(case):
    with Lab(case) as lab, Console(lab) as console:
        browser, vendor = console.browser, console.vendor
        thief = Vendor(lab.folder + "/absent")
        case.equal(vendor.ask("PUT", "/v1/gateways/west", {
            "public_key": thief.keys["root"][1], "groups": ["all"], "channels": []})[0], 201, "a silent one")
        console.compose(**{"Virus_id": "CV-7", "Title": "<b>worm</b>", "Text": "in attachments", "Target": "group",
                           "Group": "all"})
        browser.fill("Longest, in hours", "12")
        browser.click("Scope: only mail that is like this")
        browser.fill("File type", "pe")
        console.views(case, "vendor-compose")
        browser.click("Review")
        browser.see("group all (3 gateways)")
        browser.see("file_type: pe")
        console.views(case, "vendor-review")
        browser.fill("Type the virus id to confirm", "CV-")
        case.check(not browser.find("button.primary.bad").is_enabled(), "not before the id is typed")
        case.equal(vendor.ask("GET", "/v1/alerts")[1]["alerts"], [], "nothing was sent yet")
        console.confirm("CV-7")
        browser.see("2 of 3 have it (66 %)")
        browser.see("west missing")
        browser.see("Time to 90 %\nnot yet")
        browser.see("<b>worm</b>")
        case.check("Time to 50 %\nnot yet" not in browser.text(), "half of them have it", browser.text())
        console.views(case, "vendor-receipts")
        case.equal(console.fleet.sealed(), {"north": True, "south": True}, "sealed")
        receipt = {"gateway": "west", "alert": console.alert()["digest"], "result": "applied", "counter": 1,
                   "state": {"sealed": True, "open": ["CV-7"]}, "time": "2026-01-01T00:00:00Z"}
        case.equal(vendor.ask("POST", "/v1/receipts", thief.sign(
            receipt, ["root"], "application/vnd.cordon.receipt+json"), key="none")[0], 204, "the last one")
        browser.see("3 of 3 have it (100 %)")
        browser.see("None is missing.")
        vendor.ask("DELETE", "/v1/gateways/west")
        console.go("Gateways")
        browser.see("sealed")
        browser.see("CV-7")
        console.views(case, "vendor-gateways")
        # The all-clear needs a second signer, whose key is elsewhere.
        console.go("Alerts")
        browser.click("seal CV-7")
        browser.click("Send the all-clear…")
        browser.see("a second signer is asked for")
        browser.fill("Reason", "signature is out")
        console.views(case, "vendor-all-clear")
        console.confirm("CV-7", button="Send the all-clear")
        browser.see("Signatures are missing")
        console.views(case, "vendor-countersign")
        text = browser.do(lambda d: d.execute_async_script(
            "const done = arguments[0]; fetch(document.querySelector('a[download]').href)"
            ".then((r) => r.text()).then(done, (e) => done('' + e))"))
        if not text.startswith("{"):  # the page's policy lets no script read it: as the link saves it
            text = vendor.ask("GET", "/v1/alerts/" + console.alert()["digest"])[1]["envelope"]
            browser.errors()
        path = vendor.file("clear.json")
        with open(path, "w") as f:
            f.write(text)
        browser.choose("input[name=envelope]", path)
        until("nothing has changed", lambda: console.history(status=202))
        run("countersign", path, "-k", vendor.file("officer2"))
        browser.choose("input[name=envelope]", path)
        browser.see("2 of 2 have it (100 %)")
        until("open again", lambda: set(console.fleet.sealed().values()) == {False})
        console.go("History")
        browser.see("signatures are missing")
        console.views(case, "vendor-history")
        vendor.process.stop()
        vendor.start()
        done = [(e["who"], e["via"], e["details"]["type"], e["details"]["virus_id"], e["status"])
                for e in reversed(console.history(what="alert"))]
        case.equal((done[0], done[1], done[-1]), (
            ("alice", "page", "seal", "CV-7", 201), ("alice", "page", "all-clear", "CV-7", 202),
            ("alice", "page", "all-clear", "CV-7", 201)), "the history, after a start")
        case.equal([e["who"] for e in console.history(what="login")], ["alice"], "the log-in")


def make_pe():
    """A PE file with two sections that tell something and one that does not."""
    stuff = [hashlib.sha512(b"%d" % i).digest() * 16 for i in range(3)]
    head = bytearray(0x400)
    head[0:2], head[60:64] = b"MZ", struct.pack("<I", 0x80)
    head[0x80:0x84] = b"PE\0\0"
    head[0x84:0x98] = struct.pack("<HHIIIHH", 0x14c, 3, 0, 0, 0, 0xe0, 0x102)
    head[0x98:0x9a] = struct.pack("<H", 0x10b)
    head[0x98 + 32:0x98 + 40] = struct.pack("<II", 0x1000, 0x200)
    at = 0x98 + 0xe0
    for i, data in enumerate((stuff[0], b"\0" * 512, stuff[1])):
        offset = 0x400 + (0, len(stuff[0]), len(stuff[0]) + 512)[i]
        head[at + 40 * i:at + 40 * i + 40] = struct.pack(
            "<8sIIIIIIHHI", b".s%d" % i, len(data), 0x1000 * (i + 1), len(data), offset, 0, 0, 0, 0, 0x60000020)
    return bytes(head) + stuff[0] + b"\0" * 512 + stuff[1] + stuff[2]


@cases.case("a sample's checksums are computed on the page as the command does it; the sample stays there",
            engine=False)
def sample(case):
    with Lab(case) as lab, Console(lab) as console:
        browser, vendor = console.browser, console.vendor
        marker = b"sample-that-must-stay-here"
        samples = {
            "sample.exe": make_pe() + marker,
            "sample.bin": marker + bytes((i * i * 7 + i // 256) & 255 for i in range(40000)),
            "short.txt": marker + b" and the quick brown fox",
            "mail.eml": b"Subject: x\nFrom: a@b\n\n" + marker + b"\nline\r\nlast"}
        console.compose(Type="screen", Virus_id="CV-8")
        for name, data in samples.items():
            path = lab.folder + "/" + name
            with open(path, "wb") as f:
                f.write(data)
        for name in samples:
            path = lab.folder + "/" + name
            more = ["--message"] if name.endswith(".eml") else []
            told = [{k: v for k, v in e.items() if k != "virus_id"} for e in json.loads(run(
                "screen", "-i", "CV-8", "--algorithms", "md5,sha1,sha256", *more, path))]
            told = [{k: v for k, v in e.items() if k != "name" or v != "CV-8"} for e in told]
            browser.run("location.hash = '#/gateways'")
            browser.see("Receipts missing")
            console.compose(Type="screen", Virus_id="CV-8")
            browser.click("md5")
            browser.click("sha1")
            browser.choose("input[name=sample]", path)
            browser.see("%d entries" % len(told))
            if name == "sample.exe":
                case.equal({e["kind"] for e in told}, {"file", "range", "section", "window"}, "all kinds")
                console.views(case, "vendor-sample")
            browser.click("Review")
            console.confirm("CV-8")
            browser.see("2 of 2 have it (100 %)")
            payload = json.loads(base64.b64decode(json.loads(
                vendor.ask("GET", "/v1/alerts/" + console.alert()["digest"])[1]["envelope"])["payload"]))
            case.equal(sorted(map(json.dumps, map(sorted, (e.items() for e in payload["screen"])))),
                       sorted(map(json.dumps, map(sorted, (e.items() for e in told)))), name)
        # Dropped, not chosen.
        console.go("Gateways")
        console.compose(Type="screen", Virus_id="CV-9")
        browser.run("""const data = new DataTransfer();
            data.items.add(new File([arguments[0].repeat(40)], 'dropped.bin'));
            document.querySelector('.drop').dispatchEvent(
              new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));""", marker.decode())
        browser.see("dropped.bin (1.0 KiB)")
        digest = hashlib.sha256(marker * 40).hexdigest()
        browser.see(digest)
        browser.click("Checksums of files that you were told")
        browser.fill("Digests", "MD5:" + "ab" * 16 + ":77\nnonsense")
        browser.see("“nonsense” is not a checksum.")
        browser.fill("Digests", "MD5:" + "ab" * 16 + ":77")
        browser.see("ab" * 16)
        browser.click("Review")
        console.confirm("CV-9")
        browser.see("2 of 2 have it (100 %)")
        sent = browser.requests()
        case.check([b for m, u, b in sent if m == "POST" and digest in b], "the checksum was sent")
        for data in list(samples.values()) + [marker]:
            piece = data[-24:] if data is not marker else marker
            codes = {piece.decode("latin-1"), piece.hex()} | {
                base64.b64encode(data[i:]).decode()[4:28] for i in range(3)}
            case.equal([u for _, u, b in sent for c in codes if c in u or c in b], [], "requests with the sample")
        case.equal(browser.errors(), [], "the console's errors")


@cases.case("an update is published, a signature revoked, a ping sent", engine=False)
def others(case):
    with Lab(case) as lab, Console(lab) as console:
        browser, vendor = console.browser, console.vendor
        console.go("Update")
        browser.see("CV-2")
        browser.see("Test.Vendor")
        browser.see("test.ndb")
        browser.click("Publish an update…")
        browser.fill("Version", "v1")
        browser.fill("Target", "gateway:nobody")
        console.views(case, "vendor-update")
        console.confirm("v1", "Type the version to confirm", "Sign and publish")
        browser.see("0 of 0 have it")
        browser.see("Version\nv1")
        case.check(os.path.exists(vendor.file("www/bundles/v1/test.ndb")), "a bundle")
        console.go("Update")
        browser.click("Publish an update…")
        browser.fill("Version", "v1")
        with open(vendor.file("sigs/more.ndb"), "w") as f:
            f.write("Test.More:0:*:%s\n" % b"more of it".hex())
        console.confirm("v1", "Type the version to confirm", "Sign and publish")
        browser.wait("the refusal", lambda d: d.find_elements("css selector", "dialog .notice.bad"))
        browser.click("Cancel")
        browser.errors()  # the refusal is one
        console.compose(Type="revoke", Signatures="Test.Vendor")
        browser.click("Review")
        browser.see("Signatures\nTest.Vendor")
        console.confirm("revoke", "Type “revoke” to confirm")
        browser.see("revoke\n")
        browser.see("have it")
        console.compose(Type="ping")
        browser.click("Review")
        console.confirm("ping", "Type “ping” to confirm")
        browser.see("Role\nalerts")
        kinds = [(e["details"]["type"], e["status"]) for e in reversed(console.history(what="alert"))]
        case.equal(kinds, [("update", 201), ("update", 409), ("revoke", 201), ("ping", 201)], "the history")
        console.go("Alerts")
        browser.see("revoke")
        console.views(case, "vendor-alerts")
        case.equal(browser.errors(), [], "the console's errors")


@cases.case("gateways are added, changed, found and removed; tokens are made; a name with tags in it is text",
            engine=False)
def gateways(case):
    with Lab(case) as lab, Console(lab) as console:
        browser, vendor = console.browser, console.vendor
        evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
        thief = Vendor(lab.folder + "/far")
        browser.see("north")
        browser.click("Add a gateway")
        browser.fill("Id", "far")
        browser.fill("Display name", evil)
        browser.fill("Public key", "nonsense")
        browser.fill("Groups", "all, <i>east</i>")
        browser.click("Add a channel")
        browser.fill("URL 1", "https://127.0.0.1:1/v1/alerts")
        browser.click("Add")
        browser.see("public_key: must be an Ed25519 key in base64")
        browser.errors()  # the refusal is one
        browser.fill("Public key", thief.keys["root"][1])
        browser.click("Add")
        browser.see(evil)
        browser.see("<i>east</i>")
        case.equal(browser.run("return document.querySelectorAll('main img, main script, main i').length"), 0,
                   "no element came of it")
        gateway = vendor.ask("GET", "/v1/gateways/far")[1]
        case.equal((gateway["groups"], gateway["channels"]),
                   (["all", "<i>east</i>"], [{"kind": "https", "url": "https://127.0.0.1:1/v1/alerts"}]), "kept")
        console.views(case, "vendor-names")
        browser.run("document.querySelector(\"[aria-label='Edit far']\").click()")
        browser.fill("Groups", "west")
        browser.fill("Kind 1", "udp")
        browser.fill("Address 1", "127.0.0.1:2")
        console.views(case, "vendor-gateway-form")
        browser.click("Save")
        browser.see_not("<i>east</i>")
        case.equal(vendor.ask("GET", "/v1/gateways/far")[1]["channels"],
                   [{"kind": "udp", "address": "127.0.0.1:2"}], "changed")
        browser.fill("Search", "WEST")
        browser.see_not("north")
        browser.see("1 gateway")
        browser.run("document.querySelector(\"[aria-label='Remove far']\").click()")
        browser.click("Remove", within="dialog button")
        browser.see("No gateway is like that.")
        case.equal(vendor.ask("GET", "/v1/gateways/far")[0], 404, "removed")
        console.go("Enrolment")
        browser.click("Make a token")
        browser.fill("Gateway", "far")
        browser.fill("Groups", "west")
        browser.click("Make it")
        browser.see("which is shown only now")
        console.views(case, "vendor-token")
        token = browser.find("code.secret").text
        case.equal(vendor.ask("POST", "/v1/enrol", {
            "token": token, "id": "far", "public_key": thief.keys["root"][1]}, key="none")[0], 201, "enrolled")
        browser.see("used by far")
        case.equal([e["what"] for e in reversed(console.history(who="alice", via="page"))],
                   ["gateway added", "gateway added", "gateway changed", "gateway removed", "token made"], "history")
        case.equal([e["who"] for e in console.history(what="gateway enrolled", via="token")][:1], ["far"], "enrolled")
        case.equal(browser.errors(), [], "the console's errors")


@cases.case("a viewer sees no buttons that act, and is refused; without a log-in there is nothing", engine=False)
def viewer(case):
    with Lab(case) as lab, Console(lab, user="victor") as console:
        browser, vendor = console.browser, console.vendor
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"}})
        draft = vendor.post({"type": "all-clear", "virus_id": "CV-1"}, status=202)
        browser.see("CV-1")
        case.check("New alert" not in browser.text(), "composing")
        for address in ("gateways", "alerts", "alerts/" + seal["digest"], "alerts/" + draft["digest"], "update",
                        "enrolment", "history", "compose"):
            browser.run("location.hash = '#/' + arguments[0]", address)
            browser.wait(address, lambda d: d.find_elements("css selector", "main h1"))
            buttons = browser.run("return [...document.querySelectorAll('main button, main input')]"
                                  ".map((e) => e.innerText || e.type).join('|')")
            for word in ("Add", "Edit", "Remove", "all-clear", "Publish", "token", "Sign and", "Review", "file"):
                case.check(word not in buttons, address + ": " + word, buttons)
        status = browser.do(lambda d: d.execute_async_script("""const done = arguments[0];
            fetch('/api/session').then((r) => r.json()).then((s) => fetch('/v1/alerts', {method: 'POST',
            headers: {'X-CSRF-Token': s.csrf}, body: JSON.stringify({type: 'ping'})}))
            .then((r) => done(r.status), (e) => done('' + e))"""))
        case.equal(status, 403, "the server refuses")
        case.equal([(e["who"], e["status"], e["why"]) for e in console.history(who="victor", what="alert")],
                   [("victor", 403, "you may look, but not act")], "the history")
        case.equal(vendor.ask("GET", "/v1/history", key="none")[0], 401, "without a log-in")
        browser.errors()  # the refusal is one
        browser.click("Log out")
        browser.see("Password")
        case.equal(browser.errors(), [], "the console's errors")


@cases.case("10,000 gateways stay usable: paged and searched by the server; the keyboard is enough", engine=False)
def many(case):
    with Lab(case) as lab, Console(lab, gateways=False) as console:
        browser, vendor = console.browser, console.vendor
        vendor.process.stop()
        database = sqlite3.connect(vendor.file("state/vendor.db"))
        for i in range(10000):
            raw = hashlib.sha256(b"%d" % i).digest()
            database.execute(
                "INSERT INTO gateway(id, name, key, keyid, groups, channels, enrolled, last_seen, counter, state)"
                " VALUES(?, ?, ?, ?, ?, '[]', 0, 0, 0, ?)",
                ("gw-%05d" % i, "Site %d" % i, base64.b64encode(raw).decode(), hashlib.sha256(raw).hexdigest(),
                 '["g%d"]' % (i % 10), '{"sealed": %s, "open": []}' % ("true" if i % 4 == 0 else "false")))
        database.commit()
        database.close()
        vendor.start()
        browser.log_in(URL, "alice", PASSWORD)
        browser.see("10,000 gateways")
        browser.see("Sealed 2,500")
        browser.see("gw-00049")
        case.check("gw-00050" not in browser.text(), "one page")
        browser.click("Next")
        browser.see("gw-00099")
        browser.click("Previous")
        browser.see_not("gw-00099")
        browser.fill("Search", "site 9999")
        browser.see("gw-09999")
        browser.see("1 gateway")
        browser.fill("Search", "g3")
        browser.see("1,000 gateways")
        browser.run("arguments[0].click()", browser.find(".chips button:nth-child(2)"))
        browser.see("No gateway is like that.")
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"}})
        browser.run("location.hash = '#/alerts/' + arguments[0]", seal["digest"])
        browser.see("0 of 10,000 have it (0 %)")
        browser.see("gw-00049 missing")
        # Tab alone goes through the page, and Enter follows.
        browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
        seen = []
        for _ in range(40):
            browser.press("Tab")
            seen.append(browser.run("return document.activeElement.innerText"))
            if seen[-1] == "History":
                break
        case.check({"To the content", "Gateways", "New alert", "History"} <= set(seen), "tabs", seen)
        browser.press("Enter")
        browser.see("at the log-in")
        # Sessions end with the process: the page says so, and is where it was after the log-in.
        vendor.process.stop()
        browser.see("Not live.")
        vendor.start()
        browser.see("Password")
        browser.fill("Name", "alice")
        browser.fill("Password", PASSWORD)
        browser.click("Log in")
        browser.see("at the log-in")
        browser.errors()  # of the restart


if __name__ == "__main__":
    cases.main()
