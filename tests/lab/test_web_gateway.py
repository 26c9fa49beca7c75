#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every page of the gateway's console, and every action on it, clicked through in a real browser.

WEB_MAILS=N: so many mails are held for the case of long lists, which prints how long the server takes."""
import hashlib
import os
import subprocess
import time

import labmail
from labbrowser import Browser, By
from lablib import SERVER, Cases, Lab, until
from labmail import EICAR, TEXT, attachment, message, mixed, multipart, part
from labupdate import ALERTS, tell
from labvendor import Vendor
from labweb import PASSWORD, URL, Session, curl, set_user, start

cases = Cases()

PAGES = {"Overview": "overview", "Held": "held", "Quarantine": "quarantine", "Seals": "seals",
         "Rules": "rules", "Screening": "screening", "Alerts": "alerts", "Events": "events",
         "Configuration": "config"}
SCRIPT = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
QUARANTINE = {"policy": {"infected": "quarantine"}}


def hostile(number):
    """A mail that would be something else than text if it were let."""
    html = ("<html><body><h1>Dear customer</h1>%s<iframe src=http://192.0.2.25/></iframe></body></html>\n"
            % SCRIPT).encode()
    parts = [TEXT, part(["Content-Type: text/html; charset=utf-8"], html),
             attachment(b"\x7fELF\x00", '<b>bold</b>.exe')]
    head = ["X-Lab-Id: %s" % number, "From: \"%s\" <%s>" % (SCRIPT.replace('"', "'"), labmail.FROM),
            "To: <%s>" % labmail.TO, "Subject: %s" % SCRIPT, "Message-Id: <%s@client.example>" % number,
            "X-Evil: %s" % SCRIPT, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b1"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + multipart("b1", parts).replace(b"\n", b"\r\n")


def send(case, lab, *mails):
    for data in mails:
        case.equal(labmail.send(lab, data)[0], 250, labmail.lab_id(data))


def go(browser, name):
    browser.open(URL + "#/" + PAGES[name])
    browser.see(name if name != "Held" else "Held mail")


def nothing_wrong(case, browser, what):
    case.equal(browser.errors(), [], "the console's errors: " + what)
    case.equal(browser.wide(), 0, "pixels too wide: " + what)
    case.equal(browser.do(lambda d: d.title.endswith("1") or d.title.endswith("2")), False,
               "a script ran: " + what)


def counts(control):
    mail = control.ask("status")["mail"]
    return mail.get("held", 0), mail.get("quarantined", 0)


@cases.case("every page shows what there is, wide, on a phone, in the dark, without an error",
            engine=True)
def look(case):
    with Lab(case) as lab:
        vendor = Vendor(lab.folder)
        _, control = start(lab, QUARANTINE, [lab.folder + "/lab.ndb"],
                           alerts={"root": vendor.write_root(), "tcp": {"listen": ALERTS}})
        send(case, lab, mixed("bad-1", TEXT, attachment(EICAR, "invoice.exe")))
        case.equal(tell(lab, vendor.alert("seal", virus_id="CV-2026-7", seal={"mode": "hold"}))["result"], "applied", "the alert")
        control.ask("seal", "--virus-id", "CV-2026-8", "--mode", "hold-attachments", "--sender",
                    "*@example.org", "--why", "a sample of the CERT")
        send(case, lab, hostile("x1"), *[message("m%d" % n, [], b"hello\n") for n in range(6)])
        until("all are kept", lambda: counts(control) == (7, 1))
        with Browser(lab) as browser:
            browser.open(URL)
            browser.find("input[name=user]")
            browser.shot("gateway-login")
            browser.log_in(URL, "alice", PASSWORD)
            browser.see("Mails a second")
            for kind in ("", "-dark", "-phone"):
                if kind == "-dark":
                    browser.dark()
                if kind == "-phone":
                    browser.dark("light")
                    browser.phone()
                for name in PAGES:
                    go(browser, name)
                    browser.see_not("…")
                    browser.shot("gateway-%s%s" % (PAGES[name], kind))
                    nothing_wrong(case, browser, name + kind)
                go(browser, "Held")
                browser.click(SCRIPT)
                browser.see("Why it is kept")
                if not kind:
                    browser.click("Show the text")
                    browser.see("<h1>Dear customer</h1>" + SCRIPT)
                    browser.see("X-Evil: " + SCRIPT)
                    browser.see("<b>bold</b>.exe")
                browser.shot("gateway-mail" + kind)
                nothing_wrong(case, browser, "a mail" + kind)
            case.equal(browser.do(lambda d: d.find_elements(By.CSS_SELECTOR, "iframe, img, #main h1 script")),
                       [], "active content")


@cases.case("mail is found, looked at, saved, released and deleted with a reason", engine=True)
def decide(case):
    with Lab(case) as lab:
        _, control = start(lab, QUARANTINE)
        control.ask("seal", "--virus-id", "CV-1")
        send(case, lab, *[message("m%d" % n, [], b"hello\n") for n in range(5)])
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            go(browser, "Held")
            browser.see("1 to 5 of 5")
            browser.fill("Search", "MAIL M3")
            browser.see("1 to 1 of 1")
            browser.click("lab mail m3")
            browser.see("Held until")
            browser.click("Show the text")
            browser.see("hello")
            browser.click("Save as a file")
            browser.fill("Reason", "for the lab")
            browser.click("Save")
            until("the export in the audit", lambda: any(
                e["what"] == "export" and e["why"] == "for the lab" and e["who"] == "alice"
                for e in control.events("audit")))
            browser.click("Release")
            browser.fill("Reason", "asked by the recipient")
            browser.click("Release", "dialog button")
            browser.see("1 mail released.")
            until("its delivery", lambda: counts(control)[0] == 4)
            browser.click("← Back to the list")
            case.equal(browser.do(lambda d: d.find_element(By.CSS_SELECTOR, "input[type=search]")
                                  .get_attribute("value")), "MAIL M3", "the search that was there")
            browser.click("Clear")
            browser.see("1 to 4 of 4")
            browser.click("Subject")
            browser.see("Subject ▲")
            browser.wait("them by subject", lambda d: [e.text for e in d.find_elements(
                By.CSS_SELECTOR, "tbody a")] == ["lab mail m%d" % n for n in (0, 1, 2, 4)])
            browser.do(lambda d: d.find_element(
                By.CSS_SELECTOR, "input[aria-label='Choose all on this page']").click())
            browser.see("4 chosen")
            browser.click("Delete")
            case.equal(browser.do(lambda d: d.find_element(
                By.CSS_SELECTOR, "dialog .primary").is_enabled()), False, "without a reason")
            browser.fill("Reason", "spam")
            browser.shot("gateway-delete")
            browser.click("Delete", "dialog button")
            browser.see("4 mails deleted.")
            browser.see("No such mail.")
            case.equal(counts(control), (0, 0), "what is left")
            audit = [e for e in control.events("audit") if e["what"] == "delete"]
            case.equal((audit[0]["who"], audit[0]["why"], len(audit[0]["ids"])), ("alice", "spam", 4),
                       "the audit")
            case.equal(browser.errors(), [], "the console's errors")


@cases.case("a seal is set and ended, rules are installed, a list is added and removed", engine=True)
def act(case):
    with Lab(case) as lab:
        _, control = start(lab, None, [lab.folder + "/lab.ndb"])
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            go(browser, "Seals")
            browser.click("Set a seal")
            browser.fill("Virus id", "CV-2026-9")
            browser.fill("Mode", "tempfail")
            browser.fill("Direction", "inbound")
            browser.fill("Hours at most", "2")
            browser.fill("Reason", "a call of the CERT")
            browser.click("Only some mail: all of these hold")
            browser.fill("Sender", "*@evil.example")
            browser.fill("At least", "1000")
            browser.shot("gateway-set-seal")
            browser.click("Seal", "dialog button")
            browser.see("CV-2026-9 (tempfail)")
            seal = control.ask("status")["seals"][0]
            case.equal((seal["mode"], seal["directions"], seal["scope"], seal["why"], seal["origin"],
                        seal["expires"] - seal["begun"]),
                       ("tempfail", ["inbound"], {"sender": "*@evil.example", "min_bytes": 1000},
                        "a call of the CERT", "operator alice", 7200), "the seal")
            browser.click("End this seal")
            browser.fill("Reason", "over")
            browser.fill("Type the virus id", "CV-2026")
            case.equal(browser.do(lambda d: d.find_element(
                By.CSS_SELECTOR, "dialog .primary").is_enabled()), False, "another id")
            browser.fill("Type the virus id", "CV-2026-9")
            browser.shot("gateway-end-seal")
            browser.click("End it")
            browser.see("No seal is set")
            case.equal(control.ask("status")["sealed"], False, "sealed")
            browser.click("Set a seal")
            browser.fill("Virus id", "CV-2")
            browser.fill("Reason", "x")
            browser.click("Only some mail: all of these hold")
            browser.fill("Text of the body", "/(/")
            browser.click("Seal", "dialog button")
            browser.see("body:")
            browser.click("Cancel")

            go(browser, "Rules")
            browser.click("Install the rules")
            browser.click("Install")
            browser.see("Ruleset ", 60)
            browser.see("1 signatures")

            go(browser, "Screening")
            browser.click("Add a list")
            browser.fill("Virus id", "CV-3")
            browser.fill("Checksums", "what is this")
            browser.fill("Reason", "a sample")
            browser.click("Add")
            browser.see("does not begin with")
            browser.fill("Checksums", hashlib.sha256(b"sample").hexdigest() + "  sample.exe")
            browser.click("Add")
            browser.see("The list is in force.")
            browser.see("1 to 1 of 1")
            browser.shot("gateway-screening-list")
            browser.click("Remove")
            browser.fill("Reason", "over")
            browser.click("Remove", "dialog button")
            browser.see("1 checksum removed.")
            # What was refused is what the browser says of a request with 422.
            errors = [e for e in browser.errors() if "422" not in e]
            case.equal(errors, [], "the console's errors")


@cases.case("who may look sees no button that acts, and is refused by the server", engine=True)
def only_look(case):
    with Lab(case) as lab:
        _, control = start(lab, None, [lab.folder + "/lab.ndb"])
        control.ask("seal", "--virus-id", "CV-1")
        send(case, lab, message("m1", [], b"hello\n"))
        with Browser(lab) as browser:
            browser.log_in(URL, "victor", PASSWORD)
            go(browser, "Held")
            browser.click("lab mail m1")
            browser.see("Held until")
            for where in list(PAGES.values()) + ["mail"]:
                if where != "mail":
                    browser.open(URL + "#/" + where)
                browser.see_not("…")
                found = browser.do(lambda d: [e.text for e in d.find_elements(
                    By.CSS_SELECTOR, "main button:not(.sort), main input[type=checkbox]")])
                acts = ("Release", "Delete", "Save", "Show", "Set", "End", "Install", "Roll", "Add", "Remove")
                case.equal([t for t in found if t.startswith(acts)], [], "buttons of " + where)
            case.equal(browser.errors(), [], "the console's errors")
        session = Session(lab, "victor")
        record = control.held()[0]["id"]
        for command, members in (("seal", {"virus_id": "X"}), ("unseal", {"virus_id": "CV-1"}),
                                 ("mail release", {"ids": [record], "why": "x"}),
                                 ("mail delete", {"ids": [record], "why": "x"}),
                                 ("mail preview", {"id": record}), ("rules install", {}),
                                 ("rules rollback", {}), ("screen add", {"entries": "[]"}),
                                 ("screen remove", {"all": True}), ("alerts take", {})):
            status, answer = session.call(command, **members)
            case.equal((status, answer.get("error")), (422, "victor may look, not act"), command)
        case.equal(session.get("api/mail/" + record)[0], 403, "the mail as a file")
        case.equal(session.call("config")[0], 200, "the configuration")
        case.equal(counts(control), (1, 0), "what is kept")


@cases.case("a session that ends shows the log-in, and its stream stops; failures lock", engine=True)
def sessions(case):
    with Lab(case) as lab:
        start(lab)
        with Browser(lab) as browser:
            browser.open(URL)
            for _ in range(5):
                browser.fill("Name", "alice")
                browser.fill("Password", "wrong")
                browser.click("Log in")
                browser.wait("the refusal", lambda d: d.find_elements(By.CSS_SELECTOR, "[role=alert]"))
                browser.wait("another try", lambda d: d.find_element(
                    By.CSS_SELECTOR, "main button").is_enabled())
            browser.fill("Name", "alice")
            browser.fill("Password", PASSWORD)
            browser.click("Log in")
            browser.see("locked")
            browser.shot("gateway-locked")
            browser.log_in(URL, "victor", PASSWORD)
            browser.see("Mails a second", 30)
            # Another password: whoever had a session with the old one is out.
            set_user(lab.folder + "/users", "victor", "viewer", "another password")
            browser.see("Log in", 30)
            browser.fill("Name", "victor")
            browser.fill("Password", "another password")
            browser.click("Log in")
            browser.see("Log out")
            browser.click("Log out")
            browser.see("Log in")
            browser.open(URL + "#/held")
            browser.see("Log in")
            browser.see_not("Held mail")
        status, text = curl(lab, "-D", "-", "-o", "/dev/null", URL)
        case.equal(status, 200, "the page")
        for header in ("content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
                       "x-frame-options: DENY", "referrer-policy: no-referrer",
                       "x-content-type-options: nosniff"):
            case.check(header in text.lower() or header in text, "no header " + header, text)


@cases.case("a long list is paged by the server", engine=True)
def many(case):
    wanted = int(os.environ.get("WEB_MAILS", "260"))
    with Lab(case) as lab:
        _, control = start(lab)
        control.ask("seal", "--virus-id", "CV-1")
        subprocess.run(["ip", "netns", "exec", lab.namespace("client"), "smtp-source", "-s", "20",
                        "-l", "600", "-m", str(wanted), "-f", labmail.FROM, "-t", labmail.TO,
                        SERVER + ":25"], check=True)
        until("all are held", lambda: counts(control)[0] == wanted, 120)
        session = Session(lab, "alice")
        slow = {}
        for what, members in (("the first page", {}), ("the last page", {"offset": wanted - 50}),
                              ("a search", {"text": "sender client"}), ("by size", {"order": "bytes"}),
                              ("by subject, from the middle", {"order": "subject", "offset": wanted // 2}),
                              ("nothing found", {"text": "no such mail anywhere"})):
            began = time.monotonic()
            status, answer = session.call("mail list", state="held", limit=50, **members)
            slow[what] = time.monotonic() - began
            case.equal(status, 200, what)
            case.equal((answer["total"], len(answer["records"])),
                       (0, 0) if what == "nothing found" else (wanted, 50), what)
        if "WEB_MAILS" in os.environ:
            print("     %d mails: %s" % (wanted, ", ".join(
                "%s %.0f ms" % (k, v * 1000) for k, v in slow.items())), flush=True)
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            go(browser, "Held")
            number = "{:,}".format(wanted)
            browser.see("1 to 50 of " + number)
            browser.click("Next")
            browser.see("51 to 100 of " + number)
            browser.click("Last")
            browser.see("to %s of %s" % (number, number))
            browser.click("First")
            browser.see("1 to 50 of " + number)
            browser.shot("gateway-many")
            case.equal(browser.errors(), [], "the console's errors")


if __name__ == "__main__":
    cases.main()
