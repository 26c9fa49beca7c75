#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every page of the gateway's console, and every action on it, clicked through in a real browser."""
import glob
import hashlib
import re
import subprocess

import labmail
from labbrowser import Browser, By
from lablib import ROOT, Cases, Lab, until
from laboutbreak import new_signature
from labmail import EICAR, TEXT, attachment, message, mixed, multipart, part
from labupdate import ALERTS, Web, tell
from labvendor import Vendor
from labweb import PASSWORD, URL, Session, set_user, start, write_users

cases = Cases()

PAGES = {"Overview": "overview", "Held": "held", "Quarantine": "quarantine", "Seals": "seals",
         "Rules": "rules", "Screening": "screening", "Alerts": "alerts", "Events": "events",
         "Configuration": "config"}
SCRIPT = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
QUARANTINE = {"policy": {"infected": "quarantine"}}
SOURCES = ROOT + "/control/web"


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
    browser.see_not("…")


def nothing_wrong(case, browser, what):
    case.equal(browser.errors(), [], "the console's errors: " + what)
    case.equal(browser.wide(), 0, "pixels too wide: " + what)
    case.equal(browser.do(lambda d: d.title.endswith("1") or d.title.endswith("2")), False,
               "a script ran: " + what)
    case.equal(browser.axe(), [], "axe-core: " + what)


def counts(control):
    mail = control.ask("status")["mail"]
    return mail.get("held", 0), mail.get("quarantined", 0)


@cases.case("every page shows what there is, wide, in the dark, on a phone of 360 pixels, accessible, without an error",
            engine=True)
def look(case):
    with Lab(case) as lab:
        vendor = Vendor(lab.folder)
        _, control = start(lab, QUARANTINE, [lab.folder + "/lab.ndb"],
                           alerts={"root": vendor.write_root(), "tcp": {"listen": ALERTS}})
        send(case, lab, mixed("bad-1", TEXT, attachment(EICAR, "invoice.exe")))
        case.equal(tell(lab, vendor.alert("seal", virus_id="CV-2026-7", seal={"mode": "hold"}))["result"],
                   "applied", "the alert")
        control.ask("seal", "--virus-id", "CV-2026-8", "--mode", "hold-attachments", "--sender",
                    "*@example.org", "--why", "a sample of the CERT")
        control.ask("screen", "add", "--digest", "sha256:%064d:5" % 7, "--virus-id", "CV-2026-9")
        send(case, lab, hostile("x1"), *[message("m%d" % n, [], b"hello\n") for n in range(6)])
        until("all are kept", lambda: counts(control) == (7, 1))
        with Browser(lab) as browser:
            browser.open(URL)
            browser.find("input[name=user]")
            nothing_wrong(case, browser, "the log-in")
            browser.shot("gateway-login")
            browser.log_in(URL, "alice", PASSWORD)
            browser.see("Mails a second")
            for kind in ("", "-dark", "-phone"):
                if kind == "-dark":
                    browser.dark()
                if kind == "-phone":
                    browser.dark("light")
                    browser.phone(360)
                for name in PAGES:
                    go(browser, name)
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
                browser.click("Delete")
                browser.see("gone for good")
                browser.shot("gateway-ask" + kind)
                nothing_wrong(case, browser, "a question" + kind)
                browser.press("Escape")
                browser.see_not("gone for good")
            case.equal(browser.do(lambda d: d.find_elements(By.CSS_SELECTOR, "iframe, img, #main h1 script")),
                       [], "active content")


# ---- every action -----------------------------------------------------------------------------------------------

def actions():
    """The names of all that can be clicked and filled in on the page, from its sources."""
    found = set()
    for path in glob.glob(SOURCES + "/gateway/*.jsx") + [SOURCES + "/shared/parts.jsx"]:
        with open(path) as f:
            text = f.read()
        for pattern in (r"<button(?:[^>]|(?<==)>)*(?<!=)>([^<{]+)</button>", r'(?<!-)\baction="([^"]+)"',
                        r'(?<!-)\blabel="([^"]+)"',
                        r'field\("\w+", "([^"]+)"', r'sorted\("([^"]+)"', r"<summary>([^<{]+)",
                        r'<a [^>]*href=[^>]+>([^<{]+)</a>', r'name: "([^"]+)", view:'):
            found |= {name.strip() for name in re.findall(pattern, text)}
        for block in re.findall(r"const SCOPES = \{(.*?)\};", text, re.S):
            found |= set(re.findall(r'"([^"]+)"', block))
    return found


def mail_is_found(case, control, browser):
    go(browser, "Held")
    browser.see("1 to 5 of 5")
    browser.click("Filters")
    for label, none, some, number in (
            ("Sender", "nobody@*", "*@client.example", 5), ("Recipient", "nobody@*", "lab.example", 5),
            ("Subject", "m9", "*M?", 5), ("Virus id", "CV-2", "CV-1", 5), ("Signature", "Eicar", "*", 5),
            ("Arrived since", "2099-01-01T00:00", "2020-01-01T00:00", 5),
            ("Arrived before", "2020-01-01T00:00", "2099-01-01T00:00", 5),
            ("KiB at most", "0.01", "2", 4), ("KiB at least", "2", "0.01", 4)):
        browser.fill(label, none)
        browser.see("No such mail.")
        browser.fill(label, some)
        browser.see("1 to %d of %d" % (number, number))
    browser.click("Clear")
    browser.see("1 to 5 of 5")
    for name, wanted in (("Subject", "01234"), ("Sender", None), ("Size", "01234"), ("Arrived", "43210")):
        browser.click(name, "button.sort")
        browser.see(name + (" ▼" if name == "Arrived" else " ▲"))
        if wanted:
            browser.wait("them by " + name, lambda d: [e.text for e in d.find_elements(
                By.CSS_SELECTOR, "tbody a")] == ["lab mail m" + n for n in wanted])
    browser.fill("Search", "MAIL M3")
    browser.see("1 to 1 of 1")


def mail_is_gone(case, control, browser):
    """It was delivered while its page was looked at."""
    name = browser.do(lambda d: d.current_url).rsplit("/", 1)[1]
    until("it is forgotten", lambda: control.ask("held", "show", name, status=None) is None)
    browser.click("Delete")
    browser.fill("Reason", "too late")
    browser.click("Delete", "dialog button")
    browser.see("not any more")
    browser.see("not here any more")
    browser.see("Message-ID")  # what was known of it
    browser.see_not("Show the text")
    return name


def mail_is_decided(case, control, browser):
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
    browser.click("Cancel")
    browser.click("Release")
    browser.fill("Reason", "asked by the recipient")
    browser.click("Release", "dialog button")
    browser.see("1 mail released.")
    until("its delivery", lambda: counts(control)[0] == 4)
    gone = mail_is_gone(case, control, browser)
    browser.click("← Back to the list")
    case.equal(browser.do(lambda d: d.find_element(By.CSS_SELECTOR, "input[type=search]")
                          .get_attribute("value")), "MAIL M3", "the search that was there")
    browser.click("Clear")
    browser.see("1 to 4 of 4")
    release_by_keyboard(case, control, browser)
    browser.tick("Choose all on this page")
    browser.see("3 chosen")
    browser.click("Choose none")
    browser.see_not("3 chosen")
    browser.tick("Choose all on this page")
    browser.click("Delete")
    case.equal(browser.do(lambda d: d.find_element(
        By.CSS_SELECTOR, "dialog .primary").is_enabled()), False, "without a reason")
    browser.fill("Reason", "spam")
    browser.shot("gateway-delete")
    browser.click("Delete", "dialog button")
    browser.see("3 mails deleted.")
    browser.see("No such mail.")
    case.equal(counts(control), (0, 0), "what is left")
    audit = [e for e in control.events("audit") if e["what"] == "delete"]
    case.equal((audit[-1]["who"], audit[-1]["why"], len(audit[-1]["ids"])), ("alice", "spam", 3), "the audit")
    browser.open(URL + "#/held/" + gone)
    browser.see("Mail " + gone)
    browser.see("not here any more")


def focus(browser):
    """The text or name of what has the focus, which must be seen to have it."""
    return browser.run("""const e = document.activeElement, s = getComputedStyle(e);
        return [e.innerText || e.getAttribute("aria-label") || e.name || e.tagName,
                e === document.body || s.outlineStyle !== "none"]""")


def tab_to(case, browser, wanted, most=60):
    for _ in range(most):
        text, seen = focus(browser)
        case.check(seen, "the focus is seen on " + text)
        if text.strip() == wanted:
            return
        browser.press("Tab")
    case.check(False, "Tab comes to " + wanted)


def release_by_keyboard(case, control, browser):
    """No pointer: from the top of the page to the mail, to its button, through the question, and back."""
    browser.open("about:blank")
    go(browser, "Held")
    browser.see("1 to 4 of 4")
    browser.press("Tab")
    case.equal(focus(browser)[0].strip(), "To the content", "the first stop")
    browser.press("Enter")
    case.equal(browser.run("return document.activeElement.id"), "main", "past the pages")
    tab_to(case, browser, "lab mail m4")
    browser.press("Enter")
    browser.see("Why it is kept")
    tab_to(case, browser, "Release")
    browser.press("Enter")
    browser.wait("the question", lambda d: d.switch_to.active_element.get_attribute("required"))
    browser.press("Escape")
    browser.wait("no question", lambda d: not d.find_elements(By.TAG_NAME, "dialog"))
    tab_to(case, browser, "Release")
    browser.press("Enter")
    browser.wait("the question", lambda d: d.switch_to.active_element.get_attribute("required"))
    browser.do(lambda d: d.switch_to.active_element.send_keys("by hand"))
    browser.press("Enter")
    browser.see("1 mail released.")
    until("its delivery", lambda: counts(control)[0] == 3)
    go(browser, "Held")
    browser.see("1 to 3 of 3")


def seals_are_set(case, control, browser):
    go(browser, "Seals")
    browser.click("Set a seal")
    for label, text in (("Virus id", "CV-2026-9"), ("Mode", "tempfail"), ("Direction", "inbound"),
                        ("Hours at most", "2"), ("Reason", "a call of the CERT")):
        browser.fill(label, text)
    browser.click("Only some mail: all of these hold")
    for label, text in (("Sender", "*@evil.example"), ("Recipient", "*@lab.example"), ("Subject", "*invoice*"),
                        ("File name", "*.exe"), ("File type", "pe"), ("Text of the body", "urgent"),
                        ("At least", "1000"), ("At most", "100000")):
        browser.fill(label, text)
    browser.shot("gateway-set-seal")
    browser.click("Seal", "dialog button")
    browser.see("CV-2026-9 (tempfail)")
    seal = control.ask("status")["seals"][0]
    case.equal((seal["mode"], seal["directions"], seal["scope"], seal["why"], seal["origin"],
                seal["expires"] - seal["begun"]),
               ("tempfail", ["inbound"], {
                   "sender": "*@evil.example", "recipient": "*@lab.example", "subject": "*invoice*",
                   "name": "*.exe", "file_type": "pe", "body": "urgent", "min_bytes": 1000,
                   "max_bytes": 100000}, "a call of the CERT", "operator alice", 7200), "the seal")
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


def rules_are_changed(case, lab, control, browser, vendor, files):
    go(browser, "Rules")
    browser.click("Install the rules")
    browser.click("Install")
    browser.see("Ruleset ", 60)
    browser.see("1 signatures")
    installed = control.ask("rules")
    for version in ("2026-1", "2026-2"):
        update = files.update(version, {"new.ndb": new_signature(),
                                        "more.ndb": "Lab.%s:0:*:%s\n" % (version, version.encode().hex() * 3)}, [])
        case.equal(tell(lab, vendor.alert("update", update=update))["result"], "applied", version)
        browser.see(version)
    until("the update is in force", lambda: control.ask("rules")["updates"]["active"] == "2026-2")
    browser.wait("the button", lambda d: [e for e in d.find_elements(By.TAG_NAME, "button")
                                          if e.text == "Roll back" and e.is_enabled()])
    browser.click("Roll back")
    browser.see("From 2026-2 to 2026-1")
    case.equal(browser.do(lambda d: d.find_element(
        By.CSS_SELECTOR, "dialog .primary").is_enabled()), False, "without a reason")
    browser.fill("Reason", "false alarms")
    browser.shot("gateway-roll-back")
    browser.click("Roll back", "dialog button")
    browser.see("Rolled back. From 2026-2", 60)
    rules = control.ask("rules")
    case.equal((rules["updates"]["active"], rules["updates"]["rolled_back"]), ("2026-1", "2026-2"), "the rules")
    case.check(rules["signatures"] > installed["signatures"], "with those of the former version", rules)
    audit = [e for e in control.events("audit") if "rollback" in e["what"] or "roll back" in e["what"]]
    case.equal([(e["who"], e["why"]) for e in audit], [("alice", "false alarms")], "the audit")
    browser.shot("gateway-rolled-back")
    go(browser, "Overview")
    browser.see("The rules were rolled back from 2026-2")
    browser.click("Rules", "main a")
    browser.see("In force")


def lists_are_changed(case, browser):
    go(browser, "Screening")
    browser.click("Add a list")
    browser.fill("Virus id", "CV-3")
    browser.fill("Checksums", "what is this")
    browser.fill("Hours at most", "3")
    browser.fill("Reason", "a sample")
    browser.click("Add")
    browser.see("does not begin with")
    sums = [hashlib.sha256(b"sample %d" % n).hexdigest() + "  sample.exe" for n in range(101)]
    browser.run("const t = arguments[0], f = document.querySelector('dialog textarea'); f.value = t;"
                "f.dispatchEvent(new Event('input', {bubbles: true}))", "\n".join(sums))
    browser.click("Add")
    browser.see("The list is in force.")
    browser.see("1 to 100 of 101")
    browser.click("Next")
    browser.see("101 to 101 of 101")
    browser.click("Previous")
    browser.see("1 to 100 of 101")
    browser.click("Remove")
    browser.fill("Reason", "over")
    browser.click("Remove", "dialog button")
    browser.see("101 checksums removed.")


def the_rest(browser):
    go(browser, "Overview")
    browser.click("Alerts and channels")
    browser.see("Alerts, the latest first")
    go(browser, "Overview")
    browser.click("All events")
    browser.fill("Kind", "audit")
    browser.wait("audit events alone", lambda d: {e.text for e in d.find_elements(
        By.CSS_SELECTOR, "tbody .tag")} == {"audit"})
    browser.fill("Search", "false alarms")
    browser.see("1 of the latest")
    go(browser, "Configuration")
    browser.see("web.listen")
    browser.see_not("web.idle_seconds")
    browser.click("Only what differs from its default")
    browser.see("web.idle_seconds")
    browser.fill("Search", "retry_seconds")
    browser.see_not("web.idle_seconds")
    for name in PAGES:
        browser.used.add(name)
        browser.do(lambda d: next(e for e in d.find_elements(By.CSS_SELECTOR, "nav a")
                                  if e.text.split("\n")[0].rstrip("0123456789") == name).click())
        browser.see(name if name != "Held" else "Held mail")


@cases.case("an operator does everything that the page offers, and each thing happens", engine=True)
def act(case):
    with Lab(case) as lab:
        vendor, files = Vendor(lab.folder), Web(lab)
        _, control = start(lab, QUARANTINE, [lab.folder + "/lab.ndb"],
                           alerts={"root": vendor.write_root(), "tcp": {"listen": ALERTS}},
                           updates={"retry_seconds": 1})
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            # What happens is seen at once.
            browser.see("Mails a second")
            control.ask("seal", "--virus-id", "CV-1")
            browser.see("Sealed. CV-1 (hold)")
            send(case, lab, *[message("m%d" % n, [], b"hello\n" * (500 if n == 4 else n + 1)) for n in range(5)])
            browser.see("Held\n5")
            mail_is_found(case, control, browser)
            mail_is_decided(case, control, browser)
            control.ask("unseal", "--all")
            seals_are_set(case, control, browser)
            rules_are_changed(case, lab, control, browser, vendor, files)
            lists_are_changed(case, browser)
            the_rest(browser)
            # What was refused is what the browser says of a request with 422.
            case.equal([e for e in browser.errors() if "422" not in e], [], "the console's errors")
            browser.click("Log out")
            browser.see("Log in")
            # Of a list of many pages: test_web_many.py.
            paged = {"First", "Last", "Mails on a page", "Type the number of mails"}
            case.equal(actions() - browser.used - paged, set(), "what of the page was never used")
            case.check(len(actions()) > 50, "the actions are found", actions())


# ---- who may, and how long --------------------------------------------------------------------------------------

def only_looks(case, control, browser):
    go(browser, "Held")
    browser.click("lab mail m1")
    browser.see("Held until")
    for where in list(PAGES.values()) + ["mail"]:
        if where != "mail":
            browser.open(URL + "#/" + where)
        browser.see_not("…")
        found = browser.do(lambda d: [e.text for e in d.find_elements(
            By.CSS_SELECTOR, "main button:not(.sort), main input[type=checkbox]")])
        acts = ("Release", "Delete", "Save", "Show", "Set", "End", "Install", "Roll", "Add", "Remove", "Choose")
        case.equal([t for t in found if t.startswith(acts)], [], "buttons of " + where)
    case.equal(browser.errors(), [], "the console's errors")


def is_refused(case, control, session):
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


class Stream:
    """What is sent live to a session, as long as it is."""

    def __init__(self, lab, session):
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", lab.namespace("server"), "curl", "-sN", "-b", session.jar, URL + "api/stream"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        lab.closing.callback(self.child.kill)
        assert self.child.stdout.readline().startswith(b"event:")

    def ends(self):
        while self.child.stdout.read1():
            continue
        return self.child.wait(10) is not None


def streams_end(case, lab):
    """Log-out, another password, another role, removal: of that session or user alone, and what is live at once."""
    users = lab.folder + "/users"
    one, two, victor = Session(lab, "alice"), Session(lab, "alice"), Session(lab, "victor")
    streams = [Stream(lab, s) for s in (one, two, victor)]

    def live():
        return [s.child.poll() is None for s in streams]
    case.equal(one.get("api/session")[0], 200, "the first")
    case.equal(one.leave(), 204, "log-out")
    case.check(streams[0].ends(), "its stream")
    case.equal((live(), one.call("status")[0], two.call("status")[0]), ([False, True, True], 401, 200), "the others")
    set_user(users, "alice", "operator", "another password")
    case.check(streams[1].ends(), "with another password")
    case.equal((live(), two.call("status")[0]), ([False, False, True], 401), "the other user")
    case.equal(victor.call("status")[0], 200, "the other user's session")
    set_user(users, "victor", "operator")
    case.check(streams[2].ends(), "with another role")
    write_users(users, ("alice", "operator"), ("victor", "viewer"))
    again = Session(lab, "victor")
    stream = Stream(lab, again)
    write_users(users, ("alice", "operator"))
    case.check(stream.ends(), "of one who was removed")
    case.equal(again.call("status")[0], 401, "the session of one who was removed")
    case.equal(Session(lab, "victor").status, 401, "and who cannot log in")
    write_users(users, ("alice", "operator"), ("victor", "viewer"))


@cases.case("who may look sees no button that acts, and is refused by the server; sessions end with all that is live",
            engine=True)
def sessions(case):
    with Lab(case) as lab:
        _, control = start(lab, None, [lab.folder + "/lab.ndb"], web={"idle_seconds": 3600, "most_seconds": 3601})
        control.ask("seal", "--virus-id", "CV-1")
        send(case, lab, message("m1", [], b"hello\n"))
        streams_end(case, lab)
        is_refused(case, control, Session(lab, "victor"))
        with Browser(lab) as browser:
            browser.log_in(URL, "victor", PASSWORD)
            only_looks(case, control, browser)
            control.stop()
            control.change("idle_seconds: 3600", "idle_seconds: 4")
            control.start()
            browser.log_in(URL, "victor", PASSWORD)
            # Nobody touches it: what is live ends, and the page asks who is there. Nor does a page keep it open that
            # asks by itself.
            left = Session(lab, "alice")
            until("the session that nobody uses", lambda: left.call("status", unattended=True)[0] == 401)
            browser.see("Log in", 30)
            browser.see_not("Log out")
            browser.shot("gateway-over")
            control.stop()
            control.change("idle_seconds: 4", "idle_seconds: 3600")
            control.change("most_seconds: 3601", "most_seconds: 4")
            control.start()
            browser.log_in(URL, "victor", PASSWORD)
            used = Session(lab, "alice")
            # However much it is used.
            until("the longest time", lambda: browser.run("location.hash = Date.now() % 2 ? '#/held' : '#/rules'") or
                  "Log out" not in browser.text())
            browser.see("Password")
            until("and without a browser", lambda: used.call("status")[0] == 401)
            # What stood in the address is not shown.
            browser.open(URL + "#/held")
            browser.see("Password")
            browser.see_not("Held mail")


if __name__ == "__main__":
    cases.main()
