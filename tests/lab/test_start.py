#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a program has from whoever starts it: closed streams, blocked signals, an odd umask, too few descriptors."""
import os
import signal
import subprocess

import labmail
from labcontrol import Control, spool_settings
from labfleet import VendorServer
from labgateway import Gateway
from lablib import BUILD, Cases, Lab, until
from labmail import message
from labpostfix import Server

cases = Cases()

ODD = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.umask(0o777)
os.mkdir("gone-%d" % os.getpid())
os.chdir("gone-%d" % os.getpid())
os.rmdir(os.getcwd())
for fd in 0, 1, 2:
    os.close(fd)
os.execve(sys.argv[1], sys.argv[1:], {})
"""

FEW = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


def start_oddly(lab):
    """All that is started from now on is started so."""
    plain = lab.start
    lab.start = lambda side, name, command, **options: plain(side, name, ["python3", "-c", ODD, *command], **options)


def streams(program):
    return [os.readlink("/proc/%d/fd/%d" % (program.process.child.pid, fd)) for fd in range(3)]


@cases.case("programs started with all streams closed, signals blocked, no environment, no folder and a umask of 0777 "
            "work and stop like any", engine=True)
def odd(case):
    with Lab(case) as lab:
        Server(lab)
        vendor = VendorServer(lab)
        case.equal(vendor.process.stop(), 0, "the vendor's end")
        gateway = Gateway(lab, **spool_settings(lab))
        case.equal(gateway.stop(), 0, "the dataplane's end")
        start_oddly(lab)
        vendor.start()
        gateway.start()
        control = Control(lab, sources=[lab.folder + "/lab.ndb"])
        for name, program in (("vendor", vendor), ("dataplane", gateway), ("control", control)):
            case.equal(streams(program), ["/dev/null"] * 3, "streams of " + name)
        control.ask("rules", "install")
        control.ask("seal", "--virus-id", "CV-1")
        case.equal(labmail.send(lab, message("held", [], b"text\n"))[0], 250, "a mail under the seal")
        until("it is held", lambda: len(control.held()) == 1)
        case.equal(os.stat(lab.folder + "/seals.json").st_mode & 0o700, 0o600, "what its owner may do with the file of seals")
        for name, end in (("vendor", vendor.process.stop), ("control", control.stop), ("dataplane", gateway.stop)):
            case.equal(end(), 0, "end of " + name)


@cases.case("too few descriptors: all say so and start nothing; SIGHUP ends none that begins", engine=True)
def few(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab)
        gateway = Gateway(lab, **spool_settings(lab))
        control = Control(lab)
        for program in (vendor.process, gateway.process, control.process):
            case.equal(program.stop(), 0, "end of " + program.name)
        for name, config in (("vendor", vendor.config), ("dataplane", gateway.config), ("control", control.config)):
            for count in (4, 16, 30, 255):
                done = subprocess.run(["python3", "-c", FEW, str(count), BUILD + "/cordon-" + name, "--config", config],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                case.equal(done.returncode, 1, "%s with %d" % (name, count))
                case.check(b"RLIMIT_NOFILE" in done.stdout and done.stdout.count(b"\n") == 1, name, done.stdout)
        # A log is rotated while they begin.
        pipe = lab.folder + "/config"
        os.mkfifo(pipe)
        for name, config in (("vendor", vendor.config), ("dataplane", gateway.config), ("control", control.config)):
            child = subprocess.Popen([BUILD + "/cordon-" + name, "--check-config", "--config", pipe])
            with open(pipe, "w") as writer, open(config) as f:  # it reads by now
                child.send_signal(signal.SIGHUP)
                writer.write(f.read())
            case.equal(child.wait(60), 0, name + " with SIGHUP while it begins")
        for path in (control.socket, lab.folder + "/dataplane.sock"):
            case.check(not os.path.exists(path), "nothing is left", path)


if __name__ == "__main__":
    cases.main()
