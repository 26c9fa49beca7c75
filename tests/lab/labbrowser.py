# SPDX-License-Identifier: BSD-3-Clause
"""A real browser (Debian's Chromium, driven by chromedriver) inside one of the lab's namespaces.

Its console's errors are kept: a page that is fine has none. `shot` writes what it shows to
build/tests/web/NAME.png, to be looked at. `used` are the names of all that was clicked and filled in.
"""
import base64
import ctypes
import json
import os
import shutil
import socket
import tempfile

from lablib import BUILD, ROOT, Failed, Skipped, until

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.remote.file_detector import UselessFileDetector
    from selenium.webdriver.remote.webdriver import WebDriver
    MISSING = None
except ImportError as error:
    MISSING = str(error)

CLONE_NEWNET = 0x40000000
PORT = 9515
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-default-apps", "--ignore-certificate-errors", "--hide-scrollbars", "--force-color-profile=srgb")

# Asked of the page in one go: each question to the driver takes its time.
SHOWS = """return document.body.innerText.replace(/[ \\t]+/g, ' ').replace(/ ?\\n\\s*/g, '\\n').includes(arguments[0]);"""
BUTTON = """return [...document.querySelectorAll(arguments[0])].find((e) =>
    e.checkVisibility() && !e.matches(':disabled') && e.innerText.trim() === arguments[1]) ?? null;"""
FIELD = """return [...document.querySelectorAll('label')].find((e) =>
    e.checkVisibility() && e.innerText.trim().split('\\n')[0].trim() === arguments[0])
    ?.querySelector('input, textarea, select') ?? document.querySelector(`[aria-label="${arguments[0]}"]`);"""


class Namespace:
    """This thread's sockets are made there meanwhile."""

    def __init__(self, name):
        self.path = "/var/run/netns/" + name

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.enter(self.path)

    def __exit__(self, *_):
        self.set(self.home)
        os.close(self.home)

    @staticmethod
    def set(descriptor):
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def enter(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self.set(descriptor)
        finally:
            os.close(descriptor)


class Browser:
    """`find` and `click` wait for what they name; texts are as a person reads them."""

    def __init__(self, lab, side="server", width=1280, height=900, dark=False):
        if MISSING or not shutil.which("chromedriver") or not shutil.which("chromium"):
            raise Skipped("no browser here: %s" % (MISSING or "chromium, chromedriver"))
        self.lab, self.namespace = lab, Namespace(lab.namespace(side))
        self.folder = tempfile.mkdtemp(prefix="cordon-browser-")
        self.process = lab.start(side, "chromedriver", ["chromedriver", "--port=%d" % PORT])
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ARGUMENTS + ("--user-data-dir=" + self.folder,
                                     "--window-size=%d,%d" % (width, height)):
            options.add_argument(argument)
        if dark:
            options.add_argument("--force-dark-mode")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        with self.namespace:
            until("chromedriver", self.answers)
            self.driver = WebDriver("http://127.0.0.1:%d" % PORT, options=options)
        self.driver.file_detector = UselessFileDetector()  # the driver runs here
        self.driver.command_executor._commands["devtools"] = (
            "POST", "/session/$sessionId/goog/cdp/execute")
        self.width, self.height, self.used = width, height, set()
        self.media = {"prefers-color-scheme": "light", "prefers-reduced-motion": "reduce"}
        self.show()

    @staticmethod
    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", PORT)) == 0

    def close(self):
        with self.namespace:
            self.driver.quit()
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def do(self, function):
        """function(driver), in the namespace."""
        with self.namespace:
            return function(self.driver)

    def open(self, url):
        self.do(lambda d: d.get(url))

    def wait(self, what, function, seconds=15):
        """What function(driver) gives once it is true."""
        found = []

        def look():
            try:
                found.append(self.do(function))
            except WebDriverException:
                return False
            return bool(found[-1])
        try:
            until(what, look, seconds)
        except Failed:
            raise Failed("%s is not on the page; it shows:\n%s" % (what, self.text()[-2000:])) from None
        return found[-1]

    def text(self):
        return self.do(lambda d: d.find_element(By.TAG_NAME, "body").text)

    def shows(self, text):
        """Whether it does now. The page's own answer is there at once; the driver's puts the words of a table's row
        together as they are read."""
        return self.driver.execute_script(SHOWS, text) or (
            text in self.driver.find_element(By.TAG_NAME, "body").text)

    def see(self, text, seconds=15):
        """Waits until the page shows this text."""
        self.wait(repr(text), lambda d: self.shows(text), seconds)

    def see_not(self, text, seconds=15):
        self.wait("no " + repr(text), lambda d: not self.shows(text), seconds)

    def find(self, selector):
        """The first element of a CSS selector that is shown."""
        return self.wait(selector, lambda d: next(
            (e for e in d.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None))

    def click(self, text, within="button, a, label, summary"):
        """A button or link with exactly this text."""
        element = self.wait("a button %r" % text, lambda d: d.execute_script(BUTTON, within, text))
        self.used.add(text)
        self.do(lambda d: element.click())

    def tick(self, label):
        """The box with this label, which is not shown."""
        self.used.add(label)
        box = self.find("input[aria-label='%s']" % label)
        self.do(lambda d: box.click())

    def fill(self, label, text):
        """The field with this label."""
        field = self.wait("a field %r" % label, lambda d: d.execute_script(FIELD, label))
        self.used.add(label)

        def write(_):
            if field.tag_name == "select":
                next(o for o in field.find_elements(By.TAG_NAME, "option")
                     if o.text == text or o.get_attribute("value") == text).click()
                return
            if field.get_attribute("type") == "datetime-local":  # typed by the habits of a place
                self.driver.execute_script(
                    "Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(arguments[0],"
                    "arguments[1]); arguments[0].dispatchEvent(new Event('input', {bubbles: true}))", field, text)
                return
            field.send_keys(Keys.CONTROL + "a", Keys.DELETE)
            field.send_keys(text)
        self.do(write)

    def log_in(self, url, user, password):
        self.open(url)
        self.fill("Name", user)
        self.fill("Password", password)
        self.click("Log in")
        self.see("Log out")

    def resize(self, width, height):
        self.do(lambda d: d.set_window_size(width, height))

    def devtools(self, command, **parameters):
        """A command of Chromium's own (DevTools protocol)."""
        return self.do(lambda d: d.execute("devtools", {"cmd": command, "params": parameters}))["value"]

    def phone(self, width=390):
        """As on a phone from here on."""
        self.width, self.height = width, 780
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=780, deviceScaleFactor=1,
                      mobile=True)

    def show(self):
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": name, "value": value} for name, value in self.media.items()])

    def dark(self, value="dark"):
        """What the page is told of the wish for dark colours."""
        self.media["prefers-color-scheme"] = value
        self.show()
        self.settle()

    def settle(self):
        """Until what was changed is drawn, and what moves has come to rest."""
        self.do(lambda d: d.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => Promise.all("
            "document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime !== Infinity)"
            ".map((a) => a.finished)).then(() => done(), () => done())))"))

    def shot(self, name):
        """The whole page as a picture."""
        folder = os.path.join(BUILD, "tests/web")
        os.makedirs(folder, exist_ok=True)
        self.settle()
        picture = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(os.path.join(folder, name + ".png"), "wb") as f:
            f.write(base64.b64decode(picture["data"]))

    def wide(self):
        """By how many pixels the page is wider than its window: none, or one has to scroll sideways."""
        return self.do(lambda d: d.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def axe(self, rules=None):
        """What axe-core, a judge of accessibility (WCAG 2.2, levels A and AA, and good practice), has against the page
        as it is: [(rule, elements)]. rules: these alone."""
        path = os.path.join(ROOT, "build/web/npm/node_modules/axe-core/axe.min.js")
        if not os.path.exists(path):
            raise Skipped("no axe-core here: npm did not deliver it (scripts/pages)")
        if not self.run("return !!window.axe"):
            with open(path) as f:
                self.run(f.read())
        found = self.do(lambda d: d.execute_async_script(
            "const [rules, done] = arguments; axe.run(document, { resultTypes: ['violations'],"
            " ...(rules && { runOnly: rules }) }).then("
            "(r) => done(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html + ' ' + n.failureSummary)])),"
            "(e) => done([['axe', ['' + e]]]))", rules))
        return [(rule, elements[:3]) for rule, elements in found]

    def errors(self):
        """What the browser's console complained about since the last call."""
        return [e["message"] for e in self.do(lambda d: d.get_log("browser")) if e["level"] == "SEVERE"]

    def requests(self):
        """(method, URL, body) of each request that the page has sent since the last call."""
        found = []
        for entry in self.do(lambda d: d.get_log("performance")):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            asked = message["params"]["request"]
            found.append((asked["method"], asked["url"], asked.get("postData", "")))
        return found

    def choose(self, selector, path):
        """Gives a file to an input."""
        self.wait(selector, lambda d: d.find_elements(By.CSS_SELECTOR, selector))[0]
        self.do(lambda d: d.find_element(By.CSS_SELECTOR, selector).send_keys(path))

    def run(self, script, *arguments):
        return self.do(lambda d: d.execute_script(script, *arguments))

    def keys(self, text):
        """Typed where the focus is."""
        self.do(lambda d: ActionChains(d).send_keys(text).perform())

    def press(self, key):
        """A key by its name (Tab, Enter) where the focus is."""
        value = getattr(Keys, key.upper())
        self.do(lambda d: ActionChains(d).send_keys(value).perform())
