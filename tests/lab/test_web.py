#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What machines ask the server of the gateway's page for."""
import json
import re

import labmail
from lablib import ROOT, Cases, Lab, until
from labmail import message
from labweb import URL, curl, start

cases = Cases()


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
        for what in "seals", "buffer", "events":
            case.check('\ncordon_written{what="%s"} 1\n' % what in text, what)
        with open(ROOT + "/docs/grafana-gateway.json") as board:
            asked = set(re.findall(r"\bcordon_\w+", json.dumps(json.load(board)["panels"])))
        case.equal(sorted(asked - set(names)), [], "metrics of the dashboard that are not there")
        gateway.stop()
        until("not ready", lambda: curl(lab, URL + "readyz")[0] == 503)
        case.equal(curl(lab, URL + "healthz")[0], 200, "alive")


if __name__ == "__main__":
    cases.main()
