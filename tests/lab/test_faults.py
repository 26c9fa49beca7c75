#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Loss, doubling and reordering on either side: every clean mail arrives once and unchanged, no
infected one does, and every sender gets its answer."""
import concurrent.futures
import os

import labmail
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import EICAR, EICAR_NAME, attachment, check_arrived, message, mixed, noise
from labpostfix import Server

cases = Cases()
LANES = 8


def storm(case, lab, count=40, size=40000):
    """count mails on as many connections, LANES at a time, every fourth infected. Then no packet is kept."""
    server, buffers = lab.server, lab.cordon.buffers()
    mails = []
    for i in range(count):
        bad = i % 4 == 3 and not lab.bridge
        data = mixed("f%d" % i, labmail.TEXT, attachment(noise(size + 131 * i, i)),
                     attachment(EICAR if bad else EICAR[1:])) if i % 2 else \
            message("f%d" % i, [], labmail.PROSE * (i % 9) + b".dot\n")
        mails.append((bad, data))
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        answers = list(pool.map(lambda mail: labmail.send(lab, mail[1], timeout=90), mails))
    for (bad, data), (code, text) in zip(mails, answers):
        if bad:
            case.check(code == 554 and EICAR_NAME in text, "%s refused" % labmail.lab_id(data), code,
                       text)
        else:
            case.equal(code, 250, "%s taken: %s" % (labmail.lab_id(data), text))
    good = [data for bad, data in mails if not bad]
    check_arrived(case, server, good)
    lab.cordon.check_mails(case, clean=len(good), infected=count - len(good))
    until("all %d packet buffers are free again" % buffers, lambda: lab.cordon.buffers() == buffers)


@cases.case("a lossy, doubling, reordering cable at the client's end")
def at_the_client(case):
    for seed in (1, 2):
        faults = "drop=15,dup=15,reorder=30,seed=%d" % seed
        with Lab(case, faults=faults) as lab:
            lab.server, lab.cordon = Server(lab), Gateway(lab)
            storm(case, lab)
            did = lab.faults_done()
            case.check(min(did["dropped"], did["doubled"], did["reordered"]) > 0, "faults happened", did)


@cases.case("losses at the server's end, coming and going")
def at_the_server(case):
    with Lab(case) as lab:
        lab.server, lab.cordon = Server(lab), Gateway(lab)
        lab.drop("server", "input", 41)
        lab.drop("server", "output", 43)
        storm(case, lab)
        case.check(lab.dropped("server", "input") and lab.dropped("server", "output"),
                   "packets were lost")


@cases.case("faults inside the gateway, by its own seeded layer", engine=True)
def inside(case):
    for faults in ({"seed": 7, "drop_per_million": 15000},
                   {"seed": 8, "duplicate_per_million": 30000, "reorder_per_million": 50000},
                   {"seed": 9, "drop_per_million": 10000, "duplicate_per_million": 10000,
                    "reorder_per_million": 20000, "delay_us": 300, "jitter_us": 500}):
        with Lab(case) as lab:
            lab.server, lab.cordon = Server(lab), Gateway(lab, test_faults=faults)
            storm(case, lab)


@cases.case("losses on all sides at once")
def everywhere(case):
    with Lab(case, faults="drop=10,dup=20,reorder=40,seed=11") as lab:
        lab.server = Server(lab)
        lab.cordon = Gateway(lab, test_faults={"seed": 3, "drop_per_million": 8000})
        lab.drop("server", "input", 61)
        storm(case, lab, count=24, size=90000)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
