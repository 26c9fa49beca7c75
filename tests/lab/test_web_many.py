#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many held mails, in a real spool: what the page, the metrics and cordonctl take then.

WEB_MAILS=100000: so many, and what each thing took is printed."""
import os
import time

from labbrowser import Browser, By
from lablib import BUILD, Cases, Failed, Lab, until
from labweb import PASSWORD, URL, Session, curl, start

cases = Cases()
MAILS = int(os.environ.get("WEB_MAILS", "20000"))
QUARANTINED = (MAILS - 1) // 10
SEALS, SENDERS, WORDS = 5, 997, 13  # of spoolfill
EACH = [n for n in range(MAILS + QUARANTINED) if n % 11 != 10]  # that is held


class Watch:
    """How long things took, and how much memory and processor time control has."""

    def __init__(self, control):
        self.control, self.lines = control, []

    def took(self, what, function):
        began, cpu = time.monotonic(), self.cpu()
        value = function()
        self.lines.append("%-34s %8.1f ms, %6.1f of control's processor time"
                          % (what, (time.monotonic() - began) * 1000, (self.cpu() - cpu) * 1000))
        return value

    def pid(self):
        return self.control.events("start")[-1]["pid"]

    def cpu(self):
        with open("/proc/%d/stat" % self.pid()) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        with open("/proc/%d/status" % self.pid()) as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith("VmHWM"))


def filled(lab):
    """A gateway under the seals of spoolfill's mails, with its spool full of these; what control took to start."""
    gateway, control = start(lab, {"spool": {
        "directory": lab.folder + "/spool", "key": lab.folder + "/spool.key", "quota_bytes": 1 << 32}})
    for number in range(SEALS):
        control.ask("seal", "--virus-id", "CV-%d" % number)
    control.stop()
    gateway.stop()
    code, text = lab.run("server", [BUILD + "/tests/lab/spoolfill", lab.folder + "/spool",
                                    lab.folder + "/spool.key", MAILS], seconds=120)
    if code:
        raise Failed(text)
    gateway.start()
    return control


def held(session, **members):
    status, answer = session.call("mail list", state="held", limit=50, **members)
    assert status == 200, answer
    return answer


def lists(case, session, watch):
    """(what, members, how many in all, how many on this page)"""
    by_sender = sum(1 for n in EACH if n % SENDERS == 55)
    by_seal = sum(1 for n in EACH if n % SEALS == 3)
    middle = {"order": "subject", "offset": MAILS // 2}
    for what, members, total, shown in (
            ("the first page", {}, MAILS, 50), ("the last page", {"offset": MAILS - 20}, MAILS, 20),
            ("the latest first", {"descending": True}, MAILS, 50), ("by size", {"order": "bytes"}, MAILS, 50),
            ("by subject, from the middle", middle, MAILS, 50),
            ("of a sender", {"sender": "sender55@*"}, by_sender, min(50, by_sender)),
            ("of a seal, by sender", {"virus_id": "CV-3", "order": "sender"}, by_seal, 50),
            ("a subject", {"text": "%d" % EACH[-1]}, None, None),
            ("an id", {"text": "-%d" % (EACH[-1] + 1)}, 1, 1),
            ("nothing found", {"text": "no such mail"}, 0, 0)):
        answer = watch.took(what, lambda: held(session, **members))
        case.check(total is None or (answer["total"], len(answer["records"])) == (total, shown), what,
                   answer["total"], len(answer["records"]))
    last = [r["id"] for r in held(session, offset=MAILS - 50)["records"]]
    case.equal(last[::-1], [r["id"] for r in held(session, descending=True)["records"]],
               "the last page is the first one of the other way")


def asked(case, lab, control, watch):
    code, text = watch.took("/metrics", lambda: curl(lab, URL + "metrics"))
    case.check(code == 200 and "\ncordon_mails_held %d\n" % MAILS in text, "the metrics", text)
    status = watch.took("cordonctl status", lambda: control.ask("status"))
    case.equal((status["mail"]["held"], status["mail"]["quarantined"]), (MAILS, QUARANTINED), "the status")
    found = watch.took("cordonctl held", lambda: control.ask("held", "--limit", "1000"))
    case.equal((len(found["records"]), found["total"]), (1000, MAILS), "cordonctl's list")


def pages(browser, watch):
    number = "{:,}".format(MAILS)
    last = (MAILS - 1) // 50 * 50 + 1
    browser.see("1 to 50 of " + number)
    for button, text in (("Next", "51 to 100 of "), ("Last", "{:,} to {} of ".format(last, number)),
                         ("Previous", "{:,} to {:,} of ".format(last - 50, last - 1)), ("First", "1 to 50 of ")):
        watch.took("click " + button, lambda: (browser.click(button), browser.see(text + number)))
    browser.fill("Mails on a page", "500")
    watch.took("500 on a page", lambda: browser.see("1 to 500 of " + number))
    browser.shot("gateway-many")
    browser.fill("Mails on a page", "50")
    browser.see("1 to 50 of " + number)


def finds(browser, watch):
    senders = sum(1 for n in EACH if n % SENDERS == 7)
    both = sum(1 for n in EACH if (n % WORDS, n // WORDS % WORDS) in ((0, 1), (1, 0)))
    for text, wanted in (("sender7@shop", "of %d\n" % senders), ("invoice offer", "of {:,}\n".format(both)),
                         ("n0ne", "No such mail.")):
        browser.fill("Search", text)
        watch.took("a search for " + text, lambda: browser.see(wanted))
    browser.click("Clear")
    browser.click("Filters")
    browser.fill("Virus id", "CV-2")
    watch.took("a filter", lambda: browser.see("of {:,}".format(sum(1 for n in EACH if n % SEALS == 2))))
    browser.click("Clear")
    browser.see("of {:,}".format(MAILS))
    watch.took("sorted by size", lambda: (browser.click("Size", "button.sort"), browser.see("Size ▲")))
    watch.took("by arrival, the oldest first", lambda: (
        browser.click("Arrived", "button.sort"), browser.click("Arrived ▼", "button.sort"),
        browser.see("invoice invoice 0")))


def decides(case, control, browser, watch):
    watch.took("one mail", lambda: (browser.click("invoice invoice 0"), browser.see("Why it is kept")))
    browser.click("Delete")
    browser.fill("Reason", "one of many")
    watch.took("its deletion", lambda: (browser.click("Delete", "dialog button"), browser.see("1 mail deleted.")))
    browser.click("← Back to the list")
    watch.took("one mail", lambda: (browser.click("offer invoice 1"), browser.see("Why it is kept")))
    browser.click("Release")
    browser.fill("Reason", "one of many")
    watch.took("its release", lambda: (browser.click("Release", "dialog button"), browser.see("1 mail released.")))
    until("its delivery", lambda: control.ask("status")["mail"]["held"] == MAILS - 2)
    browser.click("← Back to the list")
    browser.click("Filters")
    browser.fill("Virus id", "CV-4")
    wanted = sum(1 for n in EACH if n % SEALS == 4)
    browser.see("1 to 50 of {:,}".format(wanted))
    browser.tick("Choose all on this page")
    browser.see("50 chosen")
    browser.click("Choose all {:,} found".format(wanted))
    browser.see("{:,} chosen".format(wanted))
    browser.click("Delete")
    browser.fill("Reason", "all of that virus")
    case.equal(browser.do(lambda d: d.find_element(By.CSS_SELECTOR, "dialog .primary").is_enabled()), False,
               "without their number")
    browser.fill("Type the number of mails", str(wanted))
    browser.shot("gateway-delete-many")
    watch.took("the deletion of %d" % wanted, lambda: (
        browser.click("Delete", "dialog button"), browser.see("{:,} mails deleted.".format(wanted), 300)))
    browser.see("No such mail.")
    case.equal(control.ask("status")["mail"]["held"], MAILS - 2 - wanted, "what is left")


@cases.case("%d held mails are listed, found, sorted, opened, released and deleted, page by page" % MAILS, engine=True)
def many(case):
    with Lab(case) as lab:
        control = filled(lab)
        began = time.monotonic()
        control.start()
        watch = Watch(control)
        watch.lines.append("%-34s %8.1f ms" % ("control's start", (time.monotonic() - began) * 1000))
        session = Session(lab, "alice")
        until("all are there", lambda: control.ask("status")["mail"]["held"] == MAILS)
        lists(case, session, watch)
        asked(case, lab, control, watch)
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            watch.took("the overview", lambda: browser.see("Mails a second"))
            browser.open(URL + "#/held")
            pages(browser, watch)
            finds(browser, watch)
            decides(case, control, browser, watch)
            browser.open(URL + "#/quarantine")
            browser.see("1 to 50 of {:,}".format(QUARANTINED))
            case.equal(browser.errors(), [], "the console's errors")
        control.stop()
        control.start()
        case.equal(Session(lab, "alice").call("status")[1]["mail"]["quarantined"], QUARANTINED, "after a start")
        if "WEB_MAILS" in os.environ:
            print("     %d held mails; control's memory at most %s\n     %s" % (
                MAILS, watch.memory(), "\n     ".join(watch.lines)), flush=True)


if __name__ == "__main__":
    cases.main()
