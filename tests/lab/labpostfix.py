# SPDX-License-Identifier: BSD-3-Clause
"""Private Postfix instances: as the server that keeps what it gets in Maildirs, and as a relaying
client. Each has configuration, queue, data and log in the lab's folder; /etc/postfix is neither read
nor written, and the system's own instance, if there is one, does not notice."""
import glob
import grp
import os
import pwd
import re
import subprocess
import time

import lablib
from lablib import Failed, until

MASTER = """\
smtp       unix  -       -       n       -       200     smtp
relay      unix  -       -       n       -       200     smtp
pickup     unix  n       -       n       60      1       pickup
cleanup    unix  n       -       n       -       0       cleanup
qmgr       unix  n       -       n       300     1       qmgr
tlsmgr     unix  -       -       n       1000?   1       tlsmgr
rewrite    unix  -       -       n       -       -       trivial-rewrite
bounce     unix  -       -       n       -       0       bounce
defer      unix  -       -       n       -       0       bounce
trace      unix  -       -       n       -       0       bounce
verify     unix  -       -       n       -       1       verify
flush      unix  n       -       n       1000?   0       flush
proxymap   unix  -       -       n       -       -       proxymap
proxywrite unix  -       -       n       -       1       proxymap
showq      unix  n       -       n       -       -       showq
error      unix  -       -       n       -       -       error
retry      unix  -       -       n       -       -       error
discard    unix  -       -       n       -       -       discard
virtual    unix  -       n       n       -       -       virtual
anvil      unix  -       -       n       -       1       anvil
scache     unix  -       -       n       -       1       scache
postlog    unix-dgram n  -       n       -       1       postlogd
"""

COMMON = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
mail_owner = postfix
setgid_group = postdrop
syslog_name = {name}
myhostname = {name}.example
mydestination = client.example
local_transport = discard
myorigin = $myhostname
mynetworks = 127.0.0.0/8 192.0.2.0/24 198.51.100.0/24 [2001:db8::]/32
inet_protocols = all
alias_maps =
alias_database =
local_recipient_maps =
virtual_alias_maps =
smtpd_peername_lookup = no
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
in_flow_delay = 0
default_process_limit = 200
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_limit = 0
biff = no
"""


class Postfix:
    def __init__(self, lab, side, name, main, services):
        self.lab, self.side, self.name = lab, side, name
        self.home = os.path.join(lab.folder, name)
        self.etc = os.path.join(self.home, "etc")
        self.mail = os.path.join(self.home, "mail")
        self.folders()
        with open(os.path.join(self.etc, "main.cf"), "w") as f:
            f.write(COMMON.format(home=self.home, name=name) + main.format(home=self.home,
                                                                           mail=self.mail))
        with open(os.path.join(self.etc, "master.cf"), "w") as f:
            f.write(MASTER + services)
        # Postfix waits until its files are some seconds old, lest they still be written.
        for file in ("main.cf", "master.cf"):
            os.utime(os.path.join(self.etc, file), (time.time() - 60,) * 2)
        daemons = next(d for d in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
                       if os.path.exists(d + "/master"))
        self.command = [os.path.join(daemons, "master"), "-c", self.etc, "-d"]
        self.start()
        lab.logs.append((name + "'s maillog", self.log))

    def start(self):
        self.master = self.lab.start(self.side, self.name, self.command, start_new_session=True)

    def stop(self):
        self.master.stop()

    def folders(self):
        """What `postfix start` would make, without its scripts, which look at the whole system."""
        owner = pwd.getpwnam("postfix")
        drop = grp.getgrnam("postdrop").gr_gid
        private = ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                   "private", "saved", "trace"]
        for path in [self.home, self.etc, self.mail, os.path.join(self.home, "queue")]:
            os.mkdir(path)
            os.chmod(path, 0o755)
        os.chown(self.mail, 65534, 65534)
        made = [("data", owner.pw_uid, owner.pw_gid, 0o700), ("queue/pid", 0, 0, 0o755),
                ("queue/public", owner.pw_uid, drop, 0o2710),
                ("queue/maildrop", owner.pw_uid, drop, 0o1730)]
        made += [("queue/" + p, owner.pw_uid, 0, 0o700) for p in private]
        for name, user, group, mode in made:
            path = os.path.join(self.home, name)
            os.mkdir(path)
            os.chown(path, user, group)
            os.chmod(path, mode)

    def log(self):
        path = os.path.join(self.home, "maillog")
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as f:
            return f.read()

    def queued(self):
        """Messages that it has and has not done with. One that it does not have completely yet is
        a file without the mode's x."""
        count = 0
        for part in ("incoming", "active", "deferred", "hold", "maildrop"):
            for folder, _, files in os.walk(os.path.join(self.home, "queue", part)):
                for name in files:
                    try:
                        count += bool(os.stat(os.path.join(folder, name)).st_mode & 0o100)
                    except FileNotFoundError:  # moved on meanwhile
                        count += 1
        return count

    def flush(self):
        self.lab.run(self.side, ["postqueue", "-c", self.etc, "-f"])

    def wait_empty(self, seconds=lablib.PATIENCE, flush_every=None):
        flushed = time.monotonic()

        def empty():
            nonlocal flushed
            if flush_every and time.monotonic() - flushed > flush_every:
                flushed = time.monotonic()
                self.flush()
            return self.queued() == 0
        try:
            until("empty queue", empty, seconds)
        except Failed:
            raise Failed("the queue of %s: %d mails left after %g s"
                         % (self.name, self.queued(), seconds))


class Server(Postfix):
    """Takes mail for anyone at lab.example and keeps it. With tls it offers STARTTLS."""

    def __init__(self, lab, tls=False, extra="", services=""):
        main = """\
inet_interfaces = all
smtpd_banner = mail.lab.example ESMTP
virtual_mailbox_domains = lab.example
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
""" + extra
        if tls:
            certificate(lab.folder)
            main += ("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s/cert.pem\n"
                     "smtpd_tls_key_file = %s/key.pem\n" % (lab.folder, lab.folder))
        super().__init__(lab, "server", "server", main,
                         "25 inet n - n - 200 smtpd\n" + services)
        lab.wait_listening("server", 25)

    def mails(self):
        """The stored mails, as bytes with their trace headers, in order of their names."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.mail, "all", "new", "*"))):
            with open(path, "rb") as f:
                found.append(f.read())
        return found

    def wait_mails(self, count, seconds=lablib.PATIENCE):
        def arrived():
            return len(glob.glob(os.path.join(self.mail, "all", "new", "*"))) >= count
        try:
            until("%d mails at the server" % count, arrived, seconds)
        except Failed:
            raise Failed("%d mails at the server: there are %d" % (count, len(self.mails())))
        self.wait_empty()
        return self.mails()


class Relay(Postfix):
    """Takes mail on 127.0.0.1:10025 of the client's namespace and brings it to the server, trying
    again at once and for as long as the test lasts. patience: seconds that it waits for any answer."""

    def __init__(self, lab, server="[192.0.2.25]:25", extra="", patience=None):
        main = """\
inet_interfaces = 127.0.0.1
relayhost = %s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtp_connect_timeout = 3s
smtp_helo_timeout = 4s
smtp_mail_timeout = 4s
smtp_rcpt_timeout = 4s
smtp_data_init_timeout = 4s
smtp_data_xfer_timeout = 4s
smtp_data_done_timeout = 6s
smtp_skip_quit_response = no
smtp_connection_cache_on_demand = no
smtp_destination_concurrency_failed_cohort_limit = 0
default_destination_concurrency_limit = 5
""" % server
        if patience:  # not in `extra`: each key that is given twice is a warning of every daemon
            main = re.sub(r"_timeout = \d+s", "_timeout = %ds" % patience, main)
        super().__init__(lab, "client", "relay", main + extra, "127.0.0.1:10025 inet n - n - 50 smtpd\n")
        lab.wait_listening("client", 10025)

    def statuses(self):
        """[(recipient, status, what the server said)] of every delivery that ended."""
        return re.findall(r"/(?:smtp|relay)\[\d+\]: \w+: to=<([^>]*)>.*? status=(\w+) \((.*)\)$",
                          self.log(), re.M)

    def unsure(self):
        """Message ids, as far as the @, of mails whose end was sent and not answered: each of them was given
        to the other side once more."""
        log = self.log()
        names = dict(re.findall(r"/cleanup\[\d+\]: (\w+): message-id=<([^@>]*)", log))
        return {names.get(one) for one in re.findall(
            r"/smtp\[\d+\]: (\w+): to=<.*status=deferred \(.*may be sent more than once", log)}


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=mail.lab.example", "-keyout", folder + "/key.pem", "-out",
                    folder + "/cert.pem"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
