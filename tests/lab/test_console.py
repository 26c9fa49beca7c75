#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's console in a real browser, against the running server and real control processes: every form, list and
button, by mouse and by keyboard, on a wide screen, on a phone, dark and light. What it does to mail is in
test_console_gateway.py.

CONSOLE_TIMES=1: prints how long lists of 10,000 gateways take."""
import base64
import hashlib
import http.client
import json
import os
import sqlite3
import ssl
import struct
import time

from labconsole import PASSWORD, SCRIPT, URL, Console, made_users, write
from labfleet import WEB, run
from lablib import Cases, Lab, until
from labvendor import Vendor

cases = Cases()
MARKER = b"sample-that-must-stay-here"


# ---- alerts ---------------------------------------------------------------------------------------

SEALS = [
    ({"Mode": "hold", "Sender": "*@example.com", "Recipient": "boss@*", "File type": "pe", "File name": "invoice*.exe"},
     {"mode": "hold", "scope": {"sender": "*@example.com", "recipient": "boss@*", "file_type": "pe",
                                "name": "invoice*.exe"}}),
    ({"Mode": "hold-attachments", "Direction": "inbound", "Longest, in hours": "12"},
     {"mode": "hold-attachments", "directions": ["inbound"], "max_seconds": 43200}),
    ({"Mode": "strip", "Subject": "*<b>invoice</b>*", "At least bytes": "1000", "At most bytes": "2000000"},
     {"mode": "strip", "scope": {"subject": "*<b>invoice</b>*", "min_bytes": 1000, "max_bytes": 2000000}}),
    ({"Mode": "hold", "Words in the mail": "wire the money", "Direction": "outbound"},
     {"mode": "hold", "scope": {"body": "wire the money"}, "directions": ["outbound"]}),
]


def modes_and_scopes(case, console):
    browser = console.browser
    for number, (fields, wanted) in enumerate(SEALS):
        console.compose(Virus_id="CV-%d" % number)
        if "scope" in wanted:
            browser.click("Scope: only mail that is like this")
        console.write(**fields)
        browser.click("Review")
        browser.see("Mode\n" + wanted["mode"])
        if number == 0:
            browser.see("file_type: pe")
            browser.click("As it is signed")
            console.views(case, "vendor-review-scope")
        console.confirm("CV-%d" % number)
        browser.see("2 of 2 have it (100 %)")
        case.equal(console.payload()["seal"], wanted, "the seal that was signed")
    modes = {s["virus_id"]: s["mode"] for s in console.fleet.controls["north"].ask("status", status=1)["seals"]}
    case.equal(modes, {"CV-%d" % i: w["mode"] for i, (_, w) in enumerate(SEALS)}, "what a gateway took")


def by_keyboard(case, console):
    """A seal from the form to its receipts without a mouse."""
    browser = console.browser
    console.compose()
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    console.tab_to("To the content")
    browser.press("Enter")
    console.tab_to("Virus id")
    console.type("CV-KEYS")
    console.tab_to("Mode")
    console.type("te")  # as one chooses in a list: tempfail
    console.tab_to("Review")
    browser.press("Enter")
    browser.see("As it is signed")
    case.equal(console.focused(), "Review", "where the focus is after that")
    console.tab_to("Type the virus id to confirm")
    console.type("CV-KEYS")
    console.tab_to("Sign and send")
    browser.press("Enter")
    browser.see("2 of 2 have it (100 %)")
    case.equal(console.payload()["seal"]["mode"], "tempfail", "the mode")
    console.tab_to("Send the all-clear…")
    browser.press("Enter")
    browser.see("Seals and screening of this virus end")
    case.check(browser.run("return document.querySelector('dialog').contains(document.activeElement)"),
               "the focus is in the dialog")
    browser.press("Escape")
    browser.wait("no dialog", lambda d: not d.find_elements("css selector", "dialog"))


def mistakes(case, console):
    """The form and the server say what is wrong, and what was typed stays."""
    browser = console.browser
    console.compose()
    browser.click("Review")
    browser.see("It needs a virus id.")
    console.write(Virus_id="CV-X", Target="group")
    browser.click("Review")
    browser.see("Say which group or gateway it is for.")
    console.write(Group="nobody", Type="screen")
    browser.click("Review")
    browser.see("It needs checksums: drop the sample.")
    console.write(Type="revoke")
    browser.click("Review")
    browser.see("Name the signatures or digests to revoke.")
    console.write(Type="seal")
    browser.click("Scope: only mail that is like this")
    console.write(At_least_bytes="-1")
    console.views(case, "vendor-mistake")
    browser.click("Review")
    browser.see("There is no such gateway: nobody would get it.")
    console.confirm("CV-X")
    refused = browser.wait("the refusal", lambda d: d.execute_script(
        "return document.querySelector('main .notice.bad')?.innerText"))
    case.check("min_bytes: must be a number of bytes" in refused, "it names what is wrong", refused)
    browser.errors()  # the refusal is one
    browser.click("Back")
    case.equal(browser.find("main form:not([hidden]) input[maxlength='128']").get_attribute("value"), "CV-X", "what was typed")


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


SAMPLES = {
    "sample.exe": make_pe() + MARKER,
    "sample.bin": MARKER + bytes((i * i * 7 + i // 256) & 255 for i in range(40000)),
    "short.txt": MARKER + b" and the quick brown fox",
    "mail.eml": b"Subject: x\nFrom: a@b\n\n" + MARKER + b"\nline\r\nlast"}


def entries_of(path):
    """What the command makes of a sample."""
    more = ["--message"] if path.endswith(".eml") else []
    found = json.loads(run("screen", "-i", "CV-8", "--algorithms", "md5,sha1,sha256", *more, path))
    return [{k: v for k, v in e.items() if k != "virus_id" and (k != "name" or v != "CV-8")} for e in found]


def sorted_entries(entries):
    return sorted(json.dumps(e, sort_keys=True) for e in entries)


def computed_here(case, console):
    """The page's entries of samples are the command's; several at once, then a mail."""
    browser = console.browser
    paths = {name: write(console.lab.folder + "/samples/" + name, data) for name, data in SAMPLES.items()}
    for names in (["sample.exe", "sample.bin", "short.txt"], ["mail.eml"]):
        told = [e for name in names for e in entries_of(paths[name])]
        console.compose(Type="screen", Virus_id="CV-8")
        browser.click("md5")
        browser.click("sha1")
        browser.choose("input[name=sample]", "\n".join(paths[n] for n in names))
        browser.see("%d entries" % len(told))
        if len(names) > 1:
            case.equal({e["kind"] for e in told}, {"file", "range", "section", "window"}, "all kinds")
            console.views(case, "vendor-sample")
        browser.click("Review")
        console.confirm("CV-8")
        browser.see("2 of 2 have it (100 %)")
        case.equal(sorted_entries(console.payload()["screen"]), sorted_entries(told), str(names))


def dropped(case, console):
    """A sample that is dropped, and checksums that were told by others; nothing of any sample has left the page."""
    browser = console.browser
    console.compose(Type="screen", Virus_id="CV-9")
    browser.run("""const data = new DataTransfer();
        data.items.add(new File([arguments[0].repeat(40)], 'dropped.bin'));
        document.querySelector('.drop').dispatchEvent(
          new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));""", MARKER.decode())
    browser.see("dropped.bin (1.0 KiB)")
    digest = hashlib.sha256(MARKER * 40).hexdigest()
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
    case.equal({u.split("/")[2] for _, u, _ in sent if u.startswith("http")}, {"127.0.0.1:%d" % WEB}, "who was asked")
    for data in list(SAMPLES.values()) + [MARKER]:
        piece = data[-24:] if data is not MARKER else MARKER
        codes = {piece.decode("latin-1"), piece.hex()} | {
            base64.b64encode(data[i:]).decode()[4:28] for i in range(3)}
        case.equal([u for _, u, b in sent for c in codes if c in u or c in b], [], "requests with the sample")


def revoked(case, console):
    browser = console.browser
    console.compose(Type="revoke", Signatures="Test.Vendor\n" + SCRIPT, Digests="AB" * 32)
    browser.click("Review")
    browser.see("Signatures\nTest.Vendor, " + SCRIPT.split(",")[0])
    console.confirm("revoke", "Type “revoke” to confirm")
    browser.see("have it")
    case.equal(console.payload()["revoke"], {"signatures": ["Test.Vendor", SCRIPT], "digests": ["ab" * 32]}, "a revoke")
    console.no_scripts(case, "names of signatures")
    console.compose(Type="revoke", Signatures="Test.Vendor")
    browser.click("Undo: these were revoked by mistake")
    browser.click("Review")
    browser.see("yes: they count again")
    console.confirm("revoke", "Type “revoke” to confirm")
    browser.see("have it")
    case.equal(console.payload()["revoke"], {"signatures": ["Test.Vendor"], "undo": True}, "its undoing")
    console.compose(Type="ping")
    browser.click("Review")
    console.confirm("ping", "Type “ping” to confirm")
    browser.see("Who has answered a ping was seen at that time")


def listed(case, console):
    browser = console.browser
    console.go("Alerts")
    browser.see("revoke")
    console.views(case, "vendor-alerts")
    browser.click("Open", within=".chips button")
    browser.see("seal CV-3")
    browser.click("Signatures missing", within=".chips button")
    browser.see("No alert is like that.")


# ---- gateways, updates, tokens --------------------------------------------------------------------

def gateway_form(case, console):
    browser, vendor = console.browser, console.vendor
    thief = Vendor(console.lab.folder + "/far")
    console.go("Gateways")
    browser.see("north")
    browser.click("Add a gateway")
    console.write(Id="far", Display_name=SCRIPT, Public_key="nonsense", Groups="all, <i>east</i>")
    browser.click("Add a channel")
    browser.fill("URL 1", "https://127.0.0.1:1/v1/alerts")
    browser.click("Add")
    browser.see("public_key: must be an Ed25519 key in base64")
    browser.errors()  # the refusal is one
    browser.fill("Public key", thief.keys["root"][1])
    browser.click("Add")
    browser.see(SCRIPT)
    browser.see("<i>east</i>")
    console.no_scripts(case, "names of gateways and groups")
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


def tokens(case, console):
    """A token, and what comes in by it with a name that would rather be something else."""
    browser, vendor = console.browser, console.vendor
    thief = Vendor(console.lab.folder + "/east")
    console.go("Enrolment")
    browser.click("Make a token")
    browser.fill("Gateway", "far")
    browser.fill("Groups", "west")
    console.views(case, "vendor-token-form")
    browser.click("Make it")
    browser.see("which is shown only now")
    console.views(case, "vendor-token")
    token = browser.find("code.secret").text
    case.equal(vendor.ask("POST", "/v1/enrol", {
        "token": token, "id": "far", "public_key": thief.keys["root"][1], "name": SCRIPT,
        "channels": [{"kind": "https", "url": "https://[::1]:1/\"><img src=x onerror=alert(1)>"}]}, key="none")[0],
        201, "enrolled")
    browser.see("used by far")
    console.go("Gateways")
    browser.see(SCRIPT)
    console.no_scripts(case, "what a gateway calls itself")
    case.equal([e["what"] for e in reversed(console.history(who="alice", via="page"))],
               ["gateway added", "gateway added", "gateway changed", "gateway removed", "token made"], "history")
    case.equal([e["who"] for e in console.history(what="gateway enrolled", via="token")][:1], ["far"], "enrolled")
    vendor.ask("DELETE", "/v1/gateways/far")


def updates(case, console):
    """An update, a second one that adds to it, and one that the server refuses."""
    browser, vendor = console.browser, console.vendor
    console.go("Update")
    browser.see("Test.Vendor")
    browser.see("test.ndb")
    browser.fill("Search", "nothing of it")
    browser.see("No signature names a virus id like that.")
    browser.fill("Search", "cv-2")
    browser.see("Test.Vendor")
    browser.click("Publish an update…")
    console.write(Version="v1", Target="gateway:nobody")
    console.views(case, "vendor-update")
    console.confirm("v1", "Type the version to confirm", "Sign and publish")
    browser.see("0 of 0 have it")
    browser.see("Version\nv1")
    case.check(os.path.exists(vendor.file("www/bundles/v1/test.ndb")), "a bundle")
    write(vendor.file("sigs/more.ndb"), "Test.More:0:*:%s\n" % b"more of it".hex())
    for version, base in (("v2", "v1"), ("v1", "")):
        console.go("Update")
        browser.click("Publish an update…")
        console.write(Version=version, Adds_to_version=base, Target="gateway:nobody")
        console.confirm(version, "Type the version to confirm", "Sign and publish")
        if base:
            browser.see("Version\nv2")
            case.equal(console.payload()["update"]["delta_from"], "v1", "what it adds to")
    browser.wait("the refusal", lambda d: d.find_elements("css selector", "dialog .notice.bad"))
    browser.click("Cancel")
    browser.errors()  # the refusal is one
    kinds = [(e["details"]["type"], e["status"]) for e in reversed(console.history(what="alert"))]
    case.equal(kinds, [("update", 201), ("update", 201), ("update", 409)], "the history")


def viewer(case, console):
    """Who may look sees no button that acts, and is refused."""
    browser, vendor = console.browser, console.vendor
    seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"}})
    draft = vendor.post({"type": "all-clear", "virus_id": "CV-1"}, status=202)
    browser.click("Log out")
    console.write(Name="victor", Password="wrong")
    browser.click("Log in")
    refused = browser.wait("the refusal", lambda d: d.execute_script(
        "return document.querySelector('main .notice.bad')?.innerText"))
    case.check("password" in refused, "why not", refused)
    console.views(case, "vendor-login")
    browser.errors()
    console.write(Name="victor", Password=PASSWORD)
    browser.click("Log in")
    browser.see("victor (viewer)")
    console.go("Gateways")
    browser.see("CV-1")
    case.check("New alert" not in browser.text(), "composing")
    for address in ("gateways", "alerts", "alerts/" + seal["digest"], "alerts/" + draft["digest"], "update",
                    "enrolment", "history", "compose"):
        console.show(address)
        browser.wait(address, lambda d: d.find_elements("css selector", "main h1"))
        buttons = browser.run("return [...document.querySelectorAll('main button, main input')]"
                              ".map((e) => e.innerText || e.type).join('|')")
        for word in ("Add", "Edit", "Remove", "all-clear", "Publish", "token", "Sign and", "Review", "file", "Try"):
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


STEPS = (gateway_form, tokens, updates, modes_and_scopes, by_keyboard, mistakes, computed_here, dropped, revoked, listed,
         viewer)


@cases.case("every form and list: gateways, tokens, updates, alerts in all modes and scopes, of samples that stay on the "
            "page; names with tags in them are text; a viewer may only look", engine=False)
def forms(case):
    with Lab(case) as lab, Console(lab) as console:
        for step in STEPS:
            step(case, console)
            case.equal(console.browser.errors(), [], "the console's errors: " + step.__name__)


# ---- many, and sessions ---------------------------------------------------------------------------

def fill_registry(vendor, count):
    """Gateways that never answer; of each tenth a group, each fourth sealed."""
    database = sqlite3.connect(vendor.file("state/vendor.db"))
    for i in range(count):
        raw = hashlib.sha256(b"%d" % i).digest()
        database.execute(
            "INSERT INTO gateway(id, name, key, keyid, groups, channels, enrolled, last_seen, counter, state)"
            " VALUES(?, ?, ?, ?, ?, '[]', 0, 0, 0, ?)",
            ("gw-%05d" % i, "Site %d" % i, base64.b64encode(raw).decode(), hashlib.sha256(raw).hexdigest(),
             '["g%d"]' % (i % 10), '{"sealed": %s, "open": []}' % ("true" if i % 4 == 0 else "false")))
    database.commit()
    database.close()


def paged(case, console):
    browser, vendor = console.browser, console.vendor
    browser.see("10,000 gateways")
    browser.see("Sealed 2,500")
    browser.see("gw-00049")
    case.check("gw-00050" not in browser.text(), "one page")
    browser.click("Next")
    browser.see("gw-00099")
    browser.click("Previous")
    browser.see_not("gw-00099")
    began = time.monotonic()
    browser.fill("Search", "site 9999")
    browser.see("gw-09999")
    browser.see("1 gateway")
    found = time.monotonic() - began
    browser.fill("Search", "g3")
    browser.see("1,000 gateways")
    browser.click("Sealed 2,500", within=".chips button")
    browser.see("No gateway is like that.")
    seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"}})
    console.show("alerts/" + seal["digest"])
    browser.see("0 of 10,000 have it (0 %)")
    browser.see("gw-00049 missing")
    if os.environ.get("CONSOLE_TIMES"):
        print("typed, and seen: %.0f ms; the server's part of a page: %s ms" % (found * 1000, server_times(console)))


def server_times(console):
    """Milliseconds for a page by its place, by a word in a name, by a group; over one connection."""
    context = ssl.create_default_context(cafile=console.vendor.file("tls.crt"))
    with console.lab.inside("server"):
        talk = http.client.HTTPSConnection("127.0.0.1", WEB, context=context)
        talk.connect()
    times = []
    for query in ("after=gw-09000", "search=site%209999", "group=g3", "state=sealed"):
        took = []
        for _ in range(21):
            began = time.monotonic()
            talk.request("GET", "/v1/gateways?limit=50&" + query, headers={"Authorization": "Bearer " + console.vendor.key})
            talk.getresponse().read()
            took.append(time.monotonic() - began)
        times.append(round(sorted(took)[10] * 1000))
    return times


def walked(case, console):
    """Tab alone goes through the page, and Enter follows."""
    browser = console.browser
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


def stream(console, jar):
    """What is sent live to a session that curl has, as long as it goes on."""
    lab, base = console.lab, ["curl", "-s", "-N", "--cacert", console.vendor.file("tls.crt"), "-b", jar, "-c", jar]
    code, text = lab.run("server", base + ["-X", "POST", "--data-binary", json.dumps(
        {"user": "victor", "password": PASSWORD}), URL + "api/session"])
    assert code == 0 and "csrf" in text, text
    return lab.start("server", "stream", base + [URL + "api/stream"]), json.loads(text)["csrf"], base


def ended(case, console):
    """What a page is sent live ends at once with its session: logged out elsewhere, another line, or none any more."""
    users = made_users()
    one, csrf, base = stream(console, console.lab.folder + "/one")
    other, _, _ = stream(console, console.lab.folder + "/other")
    other.wait_for("event: status")
    one.wait_for("event: status")
    console.lab.run("server", base + ["-X", "DELETE", "-H", "X-CSRF-Token: " + csrf, URL + "api/session"])
    one.wait(5)
    case.check(other.running(), "another session goes on")
    write(console.users, users.replace(b"victor:viewer", b"victor:operator"))
    other.wait(5)
    # The same for a page that is open.
    console.browser.see("at the log-in")
    run("user", console.users, "remove", "alice")
    console.browser.see("Password", seconds=20)
    write(console.users, users)


def restarted(case, console):
    """Sessions end with the process: the page says so, and is where it was after the log-in."""
    browser, vendor = console.browser, console.vendor
    console.write(Name="alice", Password=PASSWORD)
    browser.click("Log in")
    browser.see("at the log-in")
    vendor.process.stop()
    browser.see("Not live.")
    os.mkdir(vendor.file("maildir"))
    write(vendor.file("maildir/new"), "no folder\n")

    def change(values):
        values["web"].update(idle_seconds=8)
        values["mqtt"] = {"broker": "127.0.0.1:9", "plain": True}
        values["mail"] = {"host": "127.0.0.1", "from": "vendor@lab.example", "maildir": vendor.file("maildir")}
    vendor.configure(change)
    vendor.start()
    browser.see("Password")
    console.write(Name="alice", Password=PASSWORD)
    browser.click("Log in")
    browser.see("at the log-in")
    browser.see("Connection refused. What goes over it waits")
    browser.see("Not a directory. What goes over it waits")
    browser.errors()  # of the restart
    case.equal([vendor.ask("GET", path, key="none") for path in ("/healthz", "/readyz")],
               [(200, {"ok": True}), (200, {"ready": True})], "alive and ready")
    database = sqlite3.connect(vendor.file("state/vendor.db"))
    database.execute("ALTER TABLE gateway RENAME TO lost")
    database.commit()
    database.close()
    case.equal([vendor.ask("GET", path, key="none") for path in ("/healthz", "/readyz")],
               [(200, {"ok": True}), (503, {"ready": False, "why": "the database does not answer"})], "alive alone")
    # Nobody uses the page any more.
    browser.see("Password", seconds=30)
    browser.errors()


@cases.case("10,000 gateways stay usable; the keyboard is enough; what is live ends with its session", engine=False)
def many(case):
    with Lab(case) as lab, Console(lab, corners=(), before=lambda v: fill_registry(v, 10000)) as console:
        for step in (paged, walked, ended, restarted):
            step(case, console)


if __name__ == "__main__":
    cases.main()
