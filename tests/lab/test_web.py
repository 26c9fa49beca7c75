#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's page in a real browser, and what machines ask the same server for."""
import json
import re

import labmail
from labbrowser import Browser
from lablib import ROOT, Cases, Lab, until
from labmail import message
from labweb import PASSWORD, URL, curl, start

cases = Cases()


@cases.case("a browser logs in, sees a seal at once, and logs out")
def look(case):
    with Lab(case) as lab:
        _, control = start(lab)
        with Browser(lab) as browser:
            browser.log_in(URL, "alice", PASSWORD)
            browser.see("Overview")
            control.ask("seal", "--virus-id", "CV-7")
            browser.see("CV-7 (hold)")
            case.equal(labmail.send(lab, message("s1", [], b"hello\n"))[0], 250, "held")
            browser.see("Held\n1")
            browser.shot("gateway-overview")
            browser.click("Log out")
            browser.see("Log in")
            case.equal(browser.errors(), [], "the console's errors")


@cases.case("no session, no answer; a wrong password is refused, then locked; a viewer may not act")
def refuse(case):
    with Lab(case) as lab:
        start(lab)
        call = ["-X", "POST", "--data-binary", "@-", URL + "api/call"]
        status = json.dumps({"command": "status"}).encode()
        case.equal(curl(lab, *call, data=status)[0], 401, "without a session")
        log_in = ["-X", "POST", "--data-binary", "@-", "-c", lab.folder + "/jar", URL + "api/session"]

        def enter(name, password=PASSWORD):
            return curl(lab, *log_in, data=json.dumps({"user": name, "password": password}).encode())
        case.equal(enter("nobody")[0], 401, "an unknown name")
        code, text = enter("victor")
        case.equal(code, 200, text)
        session = json.loads(text)
        case.equal(session["role"], "viewer", "the role")
        jar = ["-b", lab.folder + "/jar"]
        case.equal(curl(lab, *jar, *call, data=status)[0], 401, "without the token")
        token = ["-H", "X-CSRF-Token: " + session["csrf"]]
        case.equal(curl(lab, *jar, *token, *call, data=status)[0], 200, "with it")
        seal = json.dumps({"command": "seal", "virus_id": "X"}).encode()
        code, text = curl(lab, *jar, *token, *call, data=seal)
        case.equal((code, "may look" in text), (422, True), text)
        for _ in range(5):
            case.equal(enter("alice", "wrong password")[0], 401, "a wrong password")
        case.equal(enter("alice")[0], 423, "locked")


@cases.case("metrics as Prometheus reads them; health and readiness")
def measure(case):
    with Lab(case) as lab:
        gateway, _ = start(lab)
        until("readiness", lambda: curl(lab, URL + "readyz")[0] == 200)
        case.equal(labmail.send(lab, message("s1", [], b"hello\n"))[0], 250, "a mail")
        gateway.wait_mails(1)

        def counted():
            code, text = curl(lab, URL + "metrics")
            return code == 200 and "\ncordon_messages_total 1\n" in text and text
        text = until("the mail in the metrics", counted)
        names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        case.equal(len(names), len(set(names)), "each metric once")
        case.equal([n for n in names if not n.startswith("cordon_")], [], "other names")
        with open(ROOT + "/docs/grafana-gateway.json") as board:
            asked = set(re.findall(r"\bcordon_\w+", json.dumps(json.load(board)["panels"])))
        case.equal(sorted(asked - set(names)), [], "metrics of the dashboard that are not there")
        gateway.stop()
        until("not ready", lambda: curl(lab, URL + "readyz")[0] == 503)
        case.equal(curl(lab, URL + "healthz")[0], 200, "alive")


if __name__ == "__main__":
    cases.main()
