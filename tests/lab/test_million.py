#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""As many checksums as a gateway takes, while mail goes through it."""
import json
import threading
import time

import labmail
from lablib import Cases, Lab, until
from laboutbreak import Mailer, Try, make_mail
from labscreen import ID, Screened, add_list, file_entry, many

cases = Cases()
VIRUS = labmail.noise(8000, 5)


@cases.case("a million entries come into force under load, a tenth of them in an alert; no mail is lost",
            engine=True)
def million(case):
    with Lab(case) as lab:
        at = Screened(case, lab)
        tries, stop = [], threading.Event()
        entries = many(1000000, 1)
        for n, entry in enumerate(entries[:900000]):
            entry["virus_id"] = "CV-%d" % (n // 100000)
        with open(lab.folder + "/list.json", "w") as f:
            json.dump(entries[:900000], f)
        entries[-777] = file_entry(VIRUS, name="Worm.File")
        alert = at.vendor.alert("screen", virus_id=ID, screen=entries[900000:])

        def load(number):
            mailer = Mailer(lab, patience=60)
            count = 0
            while not stop.is_set():
                one = Try(make_mail("m%d-%d" % (number, count), count), False)
                mailer.send(one, "data")
                tries.append(one)
                count += 1
            mailer.leave()
        senders = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(2)]
        for sender in senders:
            sender.start()
        try:
            began = time.monotonic()
            at.control.ask("screen", "add", "--list", lab.folder + "/list.json")
            by_hand = time.monotonic() - began
            case.equal(at.tell(alert)["result"], "applied", "the alert")
            by_alert = time.monotonic() - began - by_hand
            case.equal(at.listed("list", "--limit", "1")["total"], 1000000, "entries in force")
            at.send("evil", VIRUS)
            small = [add_list(at, [dict(e, virus_id="CV-SMALL") for e in many(count, count)])
                     for count in (100, 10000, 100)]
            case.check(all(said["in_force"] for said, _ in small), "small changes", small)
            at.send("evil2", VIRUS)
            at.control.ask("screen", "remove", "CV-SMALL")
            at.control.ask("screen", "remove", "CV-3")
            until("there are fewer", lambda: at.listed()["waiting"] == 0)
        finally:
            stop.set()
            for sender in senders:
                sender.join()
        case.equal(at.listed()["total"], 900000, "entries in force")
        at.quarantined("evil", "evil2")
        case.equal({t.code for t in tries}, {250}, "each mail was taken")
        labmail.check_arrived(case, at.server, [t.data for t in tries])
        stats = at.gateway.stats()
        case.equal((stats["tx_dropped"], stats["messages_tempfailed"]), (0, 0), "losses")
        print("     %d mails meanwhile; 900000 by hand in %.1f s, 100000 more by an alert in %.1f s,"
              " then 100, 10000 and 100 in %s s" % (
                  len(tries), by_hand, by_alert, ", ".join("%.2f" % took for _, took in small)))


if __name__ == "__main__":
    cases.main()
