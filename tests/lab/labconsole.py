# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's console in a browser that is logged in, against the running server and real control processes; one of
them may be a whole gateway."""
import base64
import functools
import json
import os
import subprocess
import tempfile

from labbrowser import Browser
from labcontrol import Control, spool_settings
from labfleet import FILES, WEB, Corners, VendorServer, run
from labgateway import Gateway
from lablib import BUILD, until
from labpostfix import Server

URL = "https://127.0.0.1:%d/" % WEB
GATEWAY_WEB = 8444  # of the whole gateway
PASSWORD = "correct horse battery"
SCRIPT = "<img src=x onerror=\"document.title='1'\"><script>document.title='2'</script>"


@functools.cache
def made_users():
    """The file of alice, who may act, and victor, who may look: a hash that is slow to find is slow to make."""
    with tempfile.TemporaryDirectory() as folder:
        for name, role in (("alice", "operator"), ("victor", "viewer")):
            set_user(folder + "/users", name, role)
        with open(folder + "/users", "rb") as f:
            return f.read()


def set_user(path, name, role, password=PASSWORD):
    subprocess.run([BUILD + "/cordon-vendor", "user", path, "set", name, role],
                   input=password.encode() + b"\n", check=True)


class Console:
    """corners: gateways that are control processes alone, behind TCP. whole: there is one with a dataplane, `lab`,
    between a client and a server. before: is called with the vendor while its server is away."""

    def __init__(self, lab, user="alice", corners=("north", "south"), whole=False, before=None):
        self.lab, self.users, folder = lab, lab.folder + "/users", lab.folder + "/acme/"
        write(self.users, made_users())
        self.vendor = VendorServer(lab, web={
            "listen": "127.0.0.1:%d" % WEB, "certificate": folder + "tls.crt", "key": folder + "tls.key",
            "users": self.users})
        if before:
            self.vendor.process.stop()
            before(self.vendor)
            self.vendor.start()
        self.fleet = Corners(lab, self.vendor)
        if whole:
            self.add_whole()
        for number, name in enumerate(corners):
            address = "127.0.0.1:%d" % (7811 + number)
            self.fleet.corner(name, {"tcp": {"listen": address}}, {"kind": "tcp", "address": address})
        self.browser = Browser(lab)
        self.browser.log_in(URL, user, PASSWORD)

    def add_whole(self):
        lab, vendor = self.lab, self.vendor
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        with lab.inside("server"):
            files = subprocess.Popen(["python3", "-m", "http.server", "-d", vendor.file("www"), "-b", "127.0.0.1",
                                      str(FILES)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.closing.callback(files.wait)
        lab.closing.callback(files.kill)
        self.control = Control(
            lab, sources=[lab.folder + "/lab.ndb", lab.folder + "/lab.hsb"],
            alerts={"root": vendor.file("root.json"), "groups": "[all]", "https": {
                "listen": "127.0.0.1:7810", "certificate": vendor.file("tls.crt"), "key": vendor.file("tls.key")}},
            web={"listen": "127.0.0.1:%d" % GATEWAY_WEB, "certificate": vendor.file("tls.crt"),
                 "key": vendor.file("tls.key")})
        self.fleet.controls["lab"] = self.control
        self.fleet.enrol("lab", [{"kind": "https", "url": "https://127.0.0.1:7810/v1/alerts"}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.close()

    # ---- what a person does ----------------------------------------------------------------------

    def go(self, page):
        path = {"New alert": "compose", "Enrolment": "enrolment"}.get(page, page.lower())
        self.browser.run("arguments[0].click()", self.browser.find("header nav a[href='#/%s']" % path))

    def show(self, address):
        self.browser.run("location.hash = '#/' + arguments[0]", address)

    def confirm(self, what, label="Type the virus id to confirm", button="Sign and send"):
        self.browser.fill(label, what)
        self.browser.click(button)

    def compose(self, **fields):
        """A form that is empty, and these fields of it."""
        self.show("gateways")
        self.browser.find("main input[type=search]")
        self.go("New alert")
        self.write(**fields)

    def write(self, **fields):
        for label, text in fields.items():
            self.browser.fill(label.replace("_", " "), text)

    def tab_to(self, name, most=80):
        """By the keyboard alone: Tab until the focus is on what is called so."""
        for _ in range(most):
            self.browser.press("Tab")
            if self.focused() == name:
                return
        raise AssertionError("Tab does not come to %r" % name)

    def focused(self):
        return self.browser.run("""const e = document.activeElement;
            const label = e.closest('label');
            return (e.getAttribute('aria-label') || (label ? (label.querySelector('span') || label).innerText
                : e.innerText)).trim();""")

    def type(self, text):
        self.browser.keys(text)

    # ---- what is looked at -----------------------------------------------------------------------

    def views(self, case, name):
        """Pictures of what is shown, wide and light, on a phone and dark: it fits both, and axe has nothing against
        it."""
        browser = self.browser
        case.equal(browser.axe(), [], name + " is accessible")
        browser.shot(name)
        browser.phone()
        browser.dark()
        case.equal(browser.axe(["color-contrast"]), [], name + " can be read in the dark")
        case.equal(browser.wide(), 0, name + " is as wide as a phone")
        browser.shot(name + "-dark-phone")
        browser.devtools("Emulation.clearDeviceMetricsOverride")
        browser.dark("light")

    def history(self, **wanted):
        return [e for e in self.vendor.ask("GET", "/v1/history?limit=1000")[1]["history"]
                if all(e[k] == v for k, v in wanted.items())]

    def alert(self):
        """The latest."""
        return self.vendor.ask("GET", "/v1/alerts?limit=1")[1]["alerts"][0]

    def payload(self):
        """What it says, as it was signed."""
        envelope = self.vendor.ask("GET", "/v1/alerts/" + self.alert()["digest"])[1]["envelope"]
        return json.loads(base64.b64decode(json.loads(envelope)["payload"]))

    def receipt(self, signer, gateway, counter=1, **members):
        """What a gateway of ours, which is none, answers to the latest alert. Returns the status of the server."""
        said = {"gateway": gateway, "alert": self.alert()["digest"], "result": "applied", "counter": counter,
                "state": {"sealed": True, "open": []}, "time": "2026-01-01T00:00:00Z"}
        said.update(members)
        return self.vendor.ask("POST", "/v1/receipts", signer.sign(
            said, ["root"], "application/vnd.cordon.receipt+json"), key="none")[0]

    def countersign(self):
        """The second officer, with the file that the page offers."""
        browser, vendor = self.browser, self.vendor
        browser.see("Signatures are missing")
        text = browser.do(lambda d: d.execute_async_script(
            "const done = arguments[0]; fetch(document.querySelector('a[download]').href)"
            ".then((r) => r.text()).then(done, (e) => done('' + e))"))
        if not text.startswith("{"):  # the page's policy lets no script read it: as the link saves it
            text = vendor.ask("GET", "/v1/alerts/" + self.alert()["digest"])[1]["envelope"]
            browser.errors()
        path = vendor.file("clear.json")
        with open(path, "w") as f:
            f.write(text)
        before = len(self.history(status=202))
        browser.choose("input[name=envelope]", path)
        until("nothing has changed", lambda: len(self.history(status=202)) > before)
        run("countersign", path, "-k", vendor.file("officer2"))
        browser.choose("input[name=envelope]", path)

    def no_scripts(self, case, what):
        """What gateways and users have written has become no element, and nothing of it runs."""
        count = self.browser.run("return document.querySelectorAll('main img, main script, main i, main b').length")
        title = self.browser.do(lambda d: d.title)
        case.equal((count, title in ("1", "2")), (0, False), "no element comes of " + what)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


__all__ = ["GATEWAY_WEB", "Console", "PASSWORD", "SCRIPT", "URL", "made_users", "write"]
