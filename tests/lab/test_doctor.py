#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cordonctl doctor of a gateway that is well, and of one that is broken in each way that it knows."""
import json
import os
import socket
import subprocess
import threading
import time

from lablib import BUILD, SERVER, Cases, Lab
from laboperator import Operator
from labvendor import openssl

cases = Cases()
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def break_files(case, at):
    folder = at.lab.folder
    os.chmod(folder + "/web.key", 0o644)
    os.rename(folder + "/rules.img", folder + "/kept.img")
    with open(folder + "/rules.img", "wb") as f:
        f.write(b"no image" * 100)
    code, found = at.doctor()
    case.equal((code, sorted(found)), (1, ["key files", "rules"]), "a key that all can read, a damaged image")
    os.chmod(folder + "/web.key", 0o600)
    os.rename(folder + "/kept.img", folder + "/rules.img")
    at.certificate("other", "40")
    code, found = at.doctor(at.changed("control", "web.key", "other.key"))
    case.check(code == 1 and "does not belong" in found["certificates"][0][1], "another's key", found)
    at.certificate("soon", "5")
    code, found = at.doctor(at.changed("control", "web.", "soon."))
    case.check(found["certificates"][0][0] == "warn", "five days are few", found)
    os.rename(folder + "/spool", folder + "/elsewhere")
    code, found = at.doctor()
    case.check(code == 1 and found["spool"][0][0] == "fail", "no folder", found)
    os.rename(folder + "/elsewhere", folder + "/spool")


@cases.case("doctor finds nothing where all is well, and each thing that is broken, with what to do", engine=True)
def doctor(case):
    with Lab(case) as lab:
        at = Operator(lab)
        case.equal(at.doctor(), (0, {}), "all is well")
        code, text = at.ask("doctor", "--config", at.control.config, "--dataplane-config", at.gateway.config)
        case.check(code == 0 and text.rstrip().endswith("0 failed"), "as a table", text)
        break_files(case, at)
        code, found = at.doctor(at.changed("control", "seals.json", "others.json"))
        case.check(code == 1 and "do not meet" in found["configuration"][0][1], "two that do not meet", found)
        code, found = at.doctor(dataplane=at.changed("gateway", "workers: 1", "workers: many"))
        case.check(code == 1 and "workers" in found["configuration"][0][1], "a mistake by file and line", found)
        at.server.stop()
        code, found = at.doctor()
        case.equal((code, sorted(found)), (1, ["next hop"]), "no mail server")
        with lab.inside("server"):
            rude = socket.create_server((SERVER, 25))
        threading.Thread(target=lambda: rude.accept()[0].sendall(b"\033[2J554 away\r\n"), daemon=True).start()
        code, text = at.ask("doctor", "--config", at.control.config, "--dataplane-config", at.gateway.config)
        case.check(code == 1 and "?[2J554 away" in text and "\033" not in text, "one that tries the terminal", text)
        rude.close()
        at.server.start()
        lab.wait_listening("server", 25)
        at.gateway.stop()
        code, found = at.doctor()
        case.check(code == 1 and "processes" in found, "no dataplane", found)
        at.control.stop()
        code, found = at.doctor()
        case.equal((code, len(found["processes"]), "root document" in found), (1, 2, False), "neither process")
        code, found = at.doctor("/none", "/none")
        case.equal((code, sorted(found)), (1, ["configuration"]), "no configuration")
        case.equal(at.ask("doctor", "more")[0], 2, "bad usage")


# ---- what the processes say of themselves -----------------------------------------------------------------------

def talk(path, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.connect(path)
        asked.send(request)
        return json.loads(asked.recv(1 << 20))


class Process:
    """In a process's place at a socket, with an answer of the test's."""

    def __init__(self, lab, name):
        self.path, self.answer = "%s/%s-instead.sock" % (lab.folder, name), {}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o660)
        self.socket.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            asked, _ = self.socket.accept()
            with asked:
                asked.recv(1 << 18)
                asked.send(json.dumps(self.answer).encode())


def changed(answer, path, value):
    """A copy with another member, "a.b.0.c"."""
    answer = json.loads(json.dumps(answer))
    inner, names = answer, path.split(".")
    for name in names[:-1]:
        inner = inner[int(name)] if isinstance(inner, list) else inner.setdefault(name, {})
    inner[names[-1]] = value
    return answer


def said(case, at):
    control, dataplane = Process(at.lab, "control"), Process(at.lab, "dataplane")
    status, stats = talk(at.control.socket, b'{"command": "status"}'), talk(at.lab.folder + "/dataplane.sock", b"stats")
    ours = at.changed("control", at.control.socket, control.path, at.lab.folder + "/dataplane.sock", dataplane.path)
    theirs = at.changed("gateway", at.lab.folder + "/dataplane.sock", dataplane.path)
    control.answer, dataplane.answer = status, stats
    case.equal(at.doctor(ours, theirs), (0, {}), "what both really say")
    for which, path, value, check, result, words in (
            (dataplane, "ports.0.up", False, "ports", "fail", "outside0) is down"),
            (dataplane, "spool.refusal", 28, "buffer", "fail", "takes nothing: No space left"),
            (dataplane, "spool.segments_removed", 2, "buffer", "warn", "2 of its files were removed"),
            (dataplane, "spool.fill_percent", 80, "buffer", "warn", "80 % of its quota"),
            (dataplane, "spool.write_errors", 3, "buffer", "warn", "3 writes failed"),
            (control, "mail.bad", 2, "buffer", "warn", "2 records are damaged"),
            (dataplane, "counters.wrapped_passed", 3, "tunnels", "warn", "3 packets with others in them"),
            (dataplane, "ruleset.version", "0123", "rules", "warn", "0123 is in force"),
            (control, "in_force", False, "seals", "fail", "not in force"),
            (control, "screening", {"in_force": False, "why": "no room"}, "screening", "fail", "no room"),
            (control, "alerts.stale", True, "vendor", "warn", "nothing was heard"),
            (control, "malformed_rules", 4, "rules", "warn", "4 lines of the sources are no signatures"),
            (control, "updates.rolled_back", "7", "vendor", "warn", "rolled back"),
            (control, "alerts.root_expires", 1, "root document", "fail", "ended 1970-01-01"),
            (control, "alerts.root_expires", int(time.time()) + 5 * 86400 + 3600, "root document", "warn", ", 5 days"),
            (control, "error", "busy", "processes", "fail", "refuses to say how it is: busy"),
            (dataplane, "error", "\033[2J", "processes", "fail", "refuses to say")):
        right = which.answer
        which.answer = changed(right, path, value)
        code, found = at.doctor(ours, theirs)
        case.equal([(r, words in w) for r, w in found.get(check, [])], [(result, True)], "%s: %s" % (path, found))
        case.equal(code, 1 if result == "fail" else 0, "its exit status: " + path)
        which.answer = right
    os.chmod(control.path, 0o666)
    case.equal(at.doctor(ours, theirs)[1]["processes"][0][0], "warn", "a socket for everybody")


# ---- files and options ------------------------------------------------------------------------------------------

def only(case, at, check, result, words, control=None, dataplane=None, user=()):
    code, found = at.doctor(control, dataplane, user)
    case.check(any(r == result and words in w for r, w in found.get(check, [])), "%s: %s" % (check, words), found)
    case.check(result == "warn" or code == 1, "its exit status: " + words)


def wrong_files(case, at):
    folder = at.lab.folder
    with open(folder + "/text", "w") as f:
        f.write("text\n")
    os.chmod(folder + "/text", 0o600)
    state = "state: " + folder + "/state"
    only(case, at, "state", "fail", "is none", at.changed("control", state, "state: " + folder + "/text"))
    os.chmod(folder + "/spool", 0o777)
    only(case, at, "spool", "fail", "anybody on this machine can write there")
    os.chmod(folder + "/spool", 0o700)
    only(case, at, "spool", "warn", "this user cannot write there", user=NOBODY)
    only(case, at, "key files", "fail", "web.key", at.changed("control", "web.key", "none.key"))
    only(case, at, "key files", "fail", "is none", at.changed("control", folder + "/web.key", folder))
    only(case, at, "key files", "warn", "cannot be read", user=NOBODY)
    key = "spool.key"
    only(case, at, "key files", "warn", "spool.key: ", at.changed("control", key, "no.key"),
         at.changed("gateway", key, "no.key"))
    only(case, at, "key files", "fail", "spool.key: ", at.changed("control", folder + "/" + key, folder + "/text"),
         at.changed("gateway", folder + "/" + key, folder + "/text"))
    only(case, at, "certificates", "fail", "no certificate can be read",
         at.changed("control", folder + "/web.crt", folder + "/text"))
    for name, times, result, words in (("past", ("20200101000000Z", "20210101000000Z"), "fail", "ended 2021-01-01"),
                                       ("future", ("20900101000000Z", "20910101000000Z"), "fail", "is not good yet")):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                "%s/%s.key" % (folder, name), "-out", "%s/%s.csr" % (folder, name), "-subj", "/CN=gateway")
        os.makedirs(folder + "/ca", exist_ok=True)
        open(folder + "/ca/index", "w").close()
        with open(folder + "/ca/conf", "w") as f:
            f.write("[ca]\ndefault_ca=a\n[a]\ndir=%s/ca\ndatabase=%s/ca/index\nnew_certs_dir=%s/ca\n"
                    "serial=%s/ca/serial\n"
                    "rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
                    % ((folder,) * 4))
        openssl("ca", "-batch", "-selfsign", "-config", folder + "/ca/conf", "-keyfile", "%s/%s.key" % (folder, name),
                "-in", "%s/%s.csr" % (folder, name), "-out", "%s/%s.crt" % (folder, name), "-startdate", times[0],
                "-enddate", times[1], "-notext")
        os.chmod("%s/%s.key" % (folder, name), 0o600)
        only(case, at, "certificates", result, words, at.changed("control", "/web.", "/" + name + "."))
    with open(folder + "/none.ndb", "w") as f:
        f.write("")
    done = subprocess.run([BUILD + "/cordonctl", "compile", folder + "/none.ndb", "-o", folder + "/none.img"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        only(case, at, "rules", "fail", "has no signatures", at.changed("control", "rules.img", "none.img"),
             at.changed("gateway", "rules.img", "none.img"))


def wrong_options(case, at):
    folder = at.lab.folder
    only(case, at, "spool", "warn", "none is configured", at.changed("control", "  directory: %s/spool\n" % folder, ""))
    only(case, at, "disk", "warn", "may be needed",
         dataplane=at.changed("gateway", "spool:\n", "spool:\n  quota_bytes: %d\n" % (1 << 50)))
    only(case, at, "disk", "fail", "no room for the next segments",
         dataplane=at.changed("gateway", "segment_bytes: %d" % (8 << 20), "segment_bytes: %d" % (1 << 36),
                              "spares: 1\n", "spares: 64\n"))
    root = folder + "/vendor/root.json"
    only(case, at, "root document", "fail", "cannot be read", at.changed(
        "control", root, folder + "/text", folder + "/state", folder, "control.sock", "none.sock"))
    only(case, at, "root document", "warn", "none is configured",
         at.changed("control", "alerts:\n  root: %s\n" % root, ""))
    only(case, at, "next hop", "warn", "neither notify.host nor release.host", at.changed(
        "control", "  host: %s\n" % SERVER, ""))


def this_machine(case, at):
    """What doctor reads of the machine is another's here: a file in the place of /proc/meminfo, and its own clock."""
    folder = at.lab.folder
    asks, no_stats = ("hugepages: false", "hugepages: true"), (folder + "/dataplane.sock", folder + "/none.sock")
    pages = ("unshare", "-m", "sh", "-c", "mount --bind %s/meminfo /proc/meminfo && exec \"$@\"" % folder, "-")
    for total, free, words in ((0, 0, "there are none"), (8, 0, "none of 8 is free")):
        with open(folder + "/meminfo", "w") as f:
            f.write("MemTotal: 1 kB\nHugePages_Total: %d\nHugePages_Free: %d\nHugepagesize: 2048 kB\n" % (total, free))
        only(case, at, "hugepages", "fail", words, at.changed("control", *no_stats),
             at.changed("gateway", *asks, *no_stats), pages)
    code, found = at.doctor(dataplane=at.changed("gateway", *asks), user=pages)
    case.equal((code, found.get("hugepages")), (0, None), "a dataplane that runs holds its pages")
    with open(folder + "/clock.c", "w") as f:
        f.write("#include <sys/timex.h>\nint adjtimex(struct timex *t)\n"
                "{ *t = (struct timex){.status = S, .maxerror = 2000}; return R; }\n")
    for returned, status, result, words in (("TIME_ERROR", "STA_UNSYNC", "warn", "nothing keeps it right"),
                                            ("TIME_OK", "STA_PLL", "ok", "synchronised, within 2 ms")):
        subprocess.run(["cc", "-shared", "-fPIC", "-DR=" + returned, "-DS=" + status, "-o", folder + "/clock.so",
                        folder + "/clock.c"], check=True)
        text = at.lab.run("server", ["env", "LD_PRELOAD=%s/clock.so" % folder, BUILD + "/cordonctl", "doctor", "--json",
                                     "--config", at.control.config, "--dataplane-config", at.gateway.config])[1]
        clock = next(c for c in json.loads(text)["checks"] if c["check"] == "clock")
        case.check(clock["result"] == result and words in clock["what"], "the clock", clock)


@cases.case("what the processes say, files and options: each finding of doctor, once", engine=True)
def findings(case):
    with Lab(case) as lab:
        os.chmod(lab.folder, 0o755)
        at = Operator(lab)
        said(case, at)
        wrong_files(case, at)
        wrong_options(case, at)
        this_machine(case, at)
        case.equal(at.doctor(), (0, {}), "all is well again")


if __name__ == "__main__":
    cases.main()
