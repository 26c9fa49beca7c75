#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From the vendor's page to mail: what is clicked there seals a whole gateway, brings it rules that catch what it has
held, and opens it again. A Prometheus looks on: it has an answer to all that the dashboards ask."""
import base64

import labmail
from labconsole import GATEWAY_WEB, SCRIPT, Console, write
from labfleet import WEB
from lablib import Cases, Lab, until
from labmail import TEXT, attachment, message, mixed
from laboutbreak import NEW_NAME, NEW_VIRUS, new_signature
from labprometheus import Dashboard, Prometheus
from labvendor import Vendor

cases = Cases()


def send(case, lab, *mails, code=250):
    for data in mails:
        case.equal(labmail.send(lab, data)[0], code, labmail.lab_id(data))


def infected(name):
    return mixed(name, TEXT, attachment(NEW_VIRUS + labmail.noise(900, len(name))))


def seal(case, console, west):
    """A seal of all gateways, one of which never answers until it is stood in for."""
    browser = console.browser
    console.compose(Virus_id="CV-7", Title="<b>worm</b>", Text="in attachments", Target="group", Group="all")
    console.views(case, "vendor-compose")
    browser.click("Review")
    browser.see("group all (3 gateways)")
    browser.see("All mail is covered")
    console.views(case, "vendor-review")
    browser.fill("Type the virus id to confirm", "CV-")
    case.check(not browser.find("button.primary.bad").is_enabled(), "not before the id is typed")
    case.equal(console.vendor.ask("GET", "/v1/alerts")[1]["alerts"], [], "nothing was sent yet")
    console.confirm("CV-7")
    browser.see("2 of 3 have it (66 %)")
    browser.see("west missing")
    browser.see("Time to 90 %\nnot yet")
    browser.see("<b>worm</b>")
    case.check("Time to 50 %\nnot yet" not in browser.text(), "half of them have it", browser.text())
    console.views(case, "vendor-receipts")
    case.equal(console.fleet.sealed(), {"lab": True, "south": True}, "sealed")
    browser.click("Try the missing ones now")
    browser.see("Sent again to 1 gateway.")
    # What a gateway says is text, whatever it says.
    case.equal(console.receipt(west, "west", state={
        "sealed": True, "open": [SCRIPT], "ruleset": SCRIPT, "in_force": False}), 204, "the last one")
    browser.see("3 of 3 have it (100 %)")
    browser.see("None is missing.")
    console.go("Gateways")
    browser.see("rules " + SCRIPT)
    browser.see("not in force")
    console.no_scripts(case, "a receipt")
    console.views(case, "vendor-gateways")
    rows = {row.split("\n")[0]: row for row in browser.run(
        "return [...document.querySelectorAll('main tbody tr')].map((r) => r.innerText)")}
    case.check("not in force" not in rows["lab"] and "not in force" in rows["south"],
               "with a dataplane it is in force, without it is not", rows)


def refuse(case, console, west):
    """A gateway that refuses says why."""
    browser = console.browser
    console.vendor.post({"type": "seal", "virus_id": "CV-6", "seal": {"mode": "hold"}, "target": "gateway:west"})
    console.show("alerts/" + console.alert()["digest"])
    browser.see("0 of 1 have it")
    case.equal(console.receipt(west, "west", counter=2, result="refused", reason=SCRIPT, why=SCRIPT), 204, "refused")
    browser.see("Refused\n1")
    browser.click("Refused", within=".chips button")
    browser.see(SCRIPT)
    console.no_scripts(case, "why it refuses")
    console.views(case, "vendor-refused")


def cure(case, console):
    """An update from the page: what was held is judged by it, and so is what comes."""
    lab, browser, vendor = console.lab, console.browser, console.vendor
    console.go("Update")
    browser.see("CV-2")
    write(vendor.file("sigs/new.ndb"), "#cordon: virus_id=CV-7\n" + new_signature())
    write(vendor.file("sigs/selftest/CV-7.b64"), base64.b64encode(NEW_VIRUS))
    browser.click("Read the folder again")
    browser.see(NEW_NAME)
    browser.click("Publish an update…")
    browser.fill("Version", "2026.1")
    browser.fill("Target", "gateway:lab")
    console.confirm("2026.1", "Type the version to confirm", "Sign and publish")
    browser.see("1 of 1 have it (100 %)")
    console.server.wait_mails(2)
    case.equal([r["subject"] for r in console.control.held("quarantine")], ["lab mail bad-1"], "in quarantine")
    send(case, lab, infected("bad-2"), code=554)
    console.go("Gateways")
    browser.fill("Search", "lab")
    browser.see("open")
    browser.see_not("CV-7", seconds=30)


def clear(case, console):
    """A second seal ends by an all-clear, for which another officer is asked."""
    lab, browser = console.lab, console.browser
    console.compose(Virus_id="CV-8", Target="gateway", Gateway="lab")
    browser.click("Review")
    browser.see("gateway lab (1 gateway)")
    console.confirm("CV-8")
    browser.see("1 of 1 have it (100 %)")
    waiting = message("waiting", [], b"until somebody knows more\n")
    send(case, lab, waiting)
    console.go("Alerts")
    browser.click("seal CV-8")
    browser.click("Send the all-clear…")
    browser.see("a second signer is asked for")
    browser.fill("Reason", "it was a false alarm")
    console.views(case, "vendor-all-clear")
    console.confirm("CV-8", button="Send the all-clear")
    browser.see("Signatures are missing")
    console.views(case, "vendor-countersign")
    case.equal(console.fleet.sealed()["lab"], True, "not with one signature")
    console.countersign()
    browser.see("1 of 1 have it (100 %)")
    console.server.wait_mails(3)
    until("open again", lambda: not console.fleet.sealed()["lab"])
    return waiting


def remembered(case, console):
    """Who did what is there after a start, too."""
    browser, vendor = console.browser, console.vendor
    console.go("History")
    browser.see("signatures are missing")
    browser.see("retry")
    browser.fill("Search", "cv-8")
    browser.see_not("CV-7")
    console.views(case, "vendor-history")
    vendor.process.stop()
    vendor.start()
    done = [(e["who"], e["via"], e["details"]["type"], e["details"]["virus_id"], e["status"])
            for e in reversed(console.history(what="alert", via="page"))]
    case.equal(done, [
        ("alice", "page", "seal", "CV-7", 201), ("alice", "page", "update", "", 201),
        ("alice", "page", "seal", "CV-8", 201), ("alice", "page", "all-clear", "CV-8", 202),
        ("alice", "page", "all-clear", "CV-8", 202), ("alice", "page", "all-clear", "CV-8", 201)], "the history")
    case.equal([e["who"] for e in console.history(what="login")], ["alice"], "the log-in")


def measured(case, prometheus):
    prometheus.wait()
    for name in ("grafana-gateway.json", "grafana-vendor.json"):
        board = Dashboard(name)
        case.equal(board.mistakes(), [], name)
        case.equal(board.unanswered(prometheus), [], name + ": what Prometheus cannot answer")


@cases.case("a seal, an update and an all-clear from the page hold, judge and let go real mail; dashboards see it", engine=True)
def story(case):
    with Lab(case) as lab, Console(lab, corners=("south",), whole=True) as console:
        west = Vendor(lab.folder + "/absent")
        prometheus = Prometheus(lab, {"gateway": "127.0.0.1:%d" % GATEWAY_WEB, "vendor": "127.0.0.1:%d" % WEB})
        case.equal(console.vendor.ask("PUT", "/v1/gateways/west", {
            "public_key": west.keys["root"][1], "groups": ["all"], "channels": []})[0], 201, "a silent one")
        # One that no vendor has signed, for the dashboard to count.
        lab.run("server", ["curl", "-s", "-k", "--data-binary", "{}", "https://127.0.0.1:7810/v1/alerts"])
        mails = [message("one", [], b"before\n"), message("two", [], b"under the seal\n")]
        send(case, lab, mails[0])
        console.server.wait_mails(1)
        seal(case, console, west)
        send(case, lab, mails[1], infected("bad-1"))
        until("held", lambda: len(console.control.held()) == 2)
        case.equal(len(console.server.mails()), 1, "nothing reaches the server")
        refuse(case, console, west)
        cure(case, console)
        mails.append(clear(case, console))
        labmail.check_arrived(case, console.server, mails)
        case.equal(console.browser.errors(), [], "the console's errors")
        measured(case, prometheus)
        remembered(case, console)


if __name__ == "__main__":
    cases.main()
