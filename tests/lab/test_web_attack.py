#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's page as somebody attacks it who may not use it: from the network, from another site's page, through
what mails say; served over TLS, to two namespaces, so that the attacker has an address of its own."""
import http.server
import json
import re
import ssl
import threading
import time

import labmail
from labbrowser import Browser
from lablib import CLIENT, SERVER, Cases, Lab, until
from labmail import attachment, multipart, part
from labvendor import openssl
from labweb import PASSWORD, Session, curl, start

cases = Cases()
PORT, FOREIGN = 7900, 7902
EACH = 64  # connections of one address (web.c)
HERE, THERE = "https://127.0.0.1:%d/" % PORT, "https://%s:%d/" % (SERVER, PORT)
QUARANTINE = {"policy": {"infected": "quarantine"}}


def serve(lab, gateway=None, sources=(), **web):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            lab.folder + "/web.key", "-out", lab.folder + "/web.crt", "-days", "3", "-subj", "/CN=gateway")
    return start(lab, gateway, sources, web=dict({
        "listen": "0.0.0.0:%d" % PORT, "plain": "false", "certificate": lab.folder + "/web.crt",
        "key": lab.folder + "/web.key", "metrics_key": ""}, **web))[1]


def connect(lab, side="client", address=SERVER):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(lab.connect(address, PORT, side=side))


def raw(lab, data, seconds=10):
    """What the server says to these bytes until it closes, or has said nothing for a while."""
    text = b""
    with connect(lab, "server", "127.0.0.1") as talk:
        talk.settimeout(seconds)
        try:
            talk.sendall(data)
            while True:
                more = talk.recv(65536)
                if not more:
                    return text
                text += more
                head, end, body = text.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.I)
                if end and length and len(body) >= int(length.group(1)):
                    return text
        except OSError:
            return text


def enter(lab, name, password=PASSWORD, side="server", *more):
    url = HERE if side == "server" else THERE
    return curl(lab, "-X", "POST", "--data-binary", "@-", *more, url + "api/session", side=side,
                data=json.dumps({"user": name, "password": password}).encode())


# ---- sessions ---------------------------------------------------------------------------------------------------

def cookies(case, lab):
    log = lab.folder + "/headers"
    status, text = enter(lab, "alice", PASSWORD, "server", "-D", log, "-b", "__Host-cordon-session=chosen-by-another")
    case.equal(status, 200, text)
    with open(log) as f:
        found = dict(re.findall(r"(?im)^set-cookie: ([^=]+)=(.*?)\r?$", f.read()))
    case.equal(sorted(found), ["__Host-cordon-known", "__Host-cordon-session"], "the cookies")
    for name, value in found.items():
        flags = {f.strip().lower() for f in value.split(";")[1:]}
        case.check({"path=/", "httponly", "samesite=strict", "secure"} <= flags, name, value)
        case.check("domain" not in value.lower(), "of this host alone", value)
    token = found["__Host-cordon-session"].split(";")[0]
    case.check(len(token) >= 43 and token != "chosen-by-another", "a new session's name", token)
    for cookie, user in (("chosen-by-another", None), (token, "alice"), (token[:-1], None), (token + "A", None)):
        text = curl(lab, "-b", "__Host-cordon-session=" + cookie, HERE + "api/session")[1]
        case.equal(json.loads(text)["user"], user, "a session by the name " + cookie)
    # Who logs in again leaves the session that this browser had.
    one = Session(lab, "alice", url=HERE)
    with open(one.jar) as f:
        former = re.search(r"__Host-cordon-session\t(\S+)", f.read()).group(1)
    two = Session(lab, "alice", url=HERE, jar=one.jar)
    case.equal(two.call("status")[0], 200, "the new session")
    text = curl(lab, "-b", "__Host-cordon-session=" + former, HERE + "api/session")[1]
    case.equal(json.loads(text)["user"], None, "the former session")
    return two


def other_sites(case, lab, session):
    """A change needs the token, and that no other site's page asks; a log-in needs the latter."""
    seal = json.dumps({"command": "seal", "virus_id": "FORGED", "why": "x"}).encode()
    for path in ("call", "session", "events", "history", "stats", "stream", "mail/1-1"):
        said = curl(lab, *(["-d", "{}"] if path == "call" else []), HERE + "api/" + path)
        case.check(said[0] == 401 or said == (200, '{"user":null}'), "without a session: " + path, said)
    call = ["-b", session.jar, "-X", "POST", "--data-binary", "@-"]
    token = ["-H", "X-CSRF-Token: " + session.csrf]
    for what, headers in (
            ("no token", []), ("an empty one", ["-H", "X-CSRF-Token;"]), ("a wrong one", ["-H", "X-CSRF-Token: x"]),
            ("part of it", ["-H", "X-CSRF-Token: " + session.csrf[:-1]]),
            ("another origin", token + ["-H", "Origin: https://evil.example"]),
            ("no origin", token + ["-H", "Origin: null"]),
            ("another port", token + ["-H", "Origin: https://127.0.0.1:7901"]),
            ("one that begins alike", token + ["-H", "Origin: https://127.0.0.1:7900.evil.example"]),
            ("another site", token + ["-H", "Sec-Fetch-Site: cross-site"]),
            ("another host of the site", token + ["-H", "Sec-Fetch-Site: same-site"]),
            ("a form", ["-H", "Content-Type: text/plain"])):
        case.equal(curl(lab, *call, *headers, HERE + "api/call", data=seal)[0], 401, what)
        case.equal(curl(lab, "-b", session.jar, "-X", "DELETE", *headers, HERE + "api/session")[0], 401, what)
    case.equal(curl(lab, "-b", session.jar, *token, HERE + "api/call")[0], 405, "to call by GET")
    for headers in (["-H", "Origin: https://evil.example"], ["-H", "Sec-Fetch-Site: cross-site"]):
        case.equal(enter(lab, "alice", PASSWORD, "server", *headers)[0], 403, "a log-in by another site")
    case.equal(session.call("status")[1]["sealed"], False, "nothing of it was done")
    status = json.dumps({"command": "status"}).encode()
    for headers in (["-H", "Origin: " + HERE[:-1]], ["-H", "Sec-Fetch-Site: same-origin"]):
        case.equal(curl(lab, *call, *token, *headers, HERE + "api/call", data=status)[0], 200, "its own page")


FORGERY = """<!doctype html><title>forgery</title>
<form id=f method=post enctype=text/plain action="%(here)sapi/call">
<input name='{"command":"seal","virus_id":"FORGED","why":"' value='"}'></form>
<iframe name=t></iframe><iframe id=i src="%(here)s"></iframe><img src="%(here)sapi/mail/%(id)s">
<script>
  f.target = "t"; f.submit();
  const body = JSON.stringify({command: "seal", virus_id: "FORGED", why: "x"});
  window.said = [];
  for (const [path, options] of [["api/call", {method: "POST", body, mode: "no-cors", credentials: "include"}],
      ["api/call", {method: "POST", body, credentials: "include", headers: {"X-CSRF-Token": "x"}}],
      ["api/session", {method: "DELETE", credentials: "include"}], ["api/session", {credentials: "include"}],
      ["api/events", {credentials: "include"}], ["metrics", {}]])
    fetch("%(here)s" + path, options).then((r) => r.text()).then((t) => said.push(t), () => said.push(""));
  const s = new EventSource("%(here)sapi/stream", {withCredentials: true});
  s.onmessage = s.onopen = () => said.push("live");
</script>"""


def forged(case, lab, control, browser, record):
    """Another site's page in the browser of who is logged in."""
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((FORGERY % {"here": HERE, "id": record}).encode())

        def log_message(self, *_):
            pass
    with lab.inside("server"):
        site = http.server.ThreadingHTTPServer(("0.0.0.0", FOREIGN), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    lab.closing.callback(site.shutdown)
    browser.open("http://%s:%d/" % (SERVER, FOREIGN))  # another site than 127.0.0.1
    browser.wait("its answers", lambda d: d.execute_script("return said.length >= 6"), 30)
    case.equal([s for s in browser.run("return said") if s], [], "what it could read")
    case.check(not browser.run("try { return i.contentDocument.body.innerText } catch { return '' }"), "in a frame")
    time.sleep(0.5)
    done = [e["what"] for e in control.events("audit") if e["what"] not in ("login", "login refused")]
    case.equal([w for w in done if w not in ("seal", "logout")], [], "nothing was exported")
    case.equal([s["virus_id"] for s in control.ask("status")["seals"]], ["CV-1"], "and nothing sealed")
    browser.errors()
    browser.open(HERE)
    browser.see("Log out")  # and the session is there still


@cases.case("a session cannot be chosen, forged or used by another site", engine=True)
def sessions(case):
    with Lab(case) as lab:
        control = serve(lab)
        session = cookies(case, lab)
        other_sites(case, lab, session)
        control.ask("seal", "--virus-id", "CV-1")
        case.equal(labmail.send(lab, labmail.message("m1", [], b"hello\n"))[0], 250, "a mail")
        record = until("it is held", control.held)[0]["id"]
        with Browser(lab) as browser:
            browser.log_in(HERE, "alice", PASSWORD)
            case.equal(browser.run("return document.cookie"), "", "what a script sees of the cookies")
            forged(case, lab, control, browser, record)


# ---- passwords --------------------------------------------------------------------------------------------------

@cases.case("guesses lock the place that they come from, for a while; the owner of the name goes on", engine=True)
def guesses(case):
    with Lab(case) as lab:
        control = serve(lab)
        known = Session(lab, "alice", url=HERE)  # of the attacker's own address
        case.equal((known.status, known.leave()), (200, 204), "a log-in from there, and a log-out")
        with open(known.jar) as f:
            value = re.search(r"__Host-cordon-known\t(\S+)", f.read()).group(1)
        # Whether there is such a name cannot be told.
        for name, address in (("alice", "127.0.0.1"), ("nobody", "127.0.0.3")):
            said = [enter(lab, name, "wrong password", "server", "--interface", address)[0] for _ in range(6)]
            case.equal(said, [401] * 5 + [423], name)
        case.equal(enter(lab, "alice")[0], 423, "also with the right password")
        case.equal(enter(lab, "alice", PASSWORD, "server", "--interface", "127.0.0.4")[0], 200, "another place")
        for wrong in (value[:-1] + ("0" if value[-1] != "0" else "1"), value.split(".")[0], "." + value.split(".")[1]):
            said = enter(lab, "alice", PASSWORD, "server", "-b", "__Host-cordon-known=" + wrong)
            case.check(said[0] in (423, 429), "a cookie that was not made here: " + wrong, said)
        # Behind a proxy all have one address: the browser that its owner has used before goes on.
        case.equal(Session(lab, "alice", url=HERE, jar=known.jar).status, 200, "a known browser")
        refused = [e for e in control.events("audit") if e["what"] in ("login refused", "locked out")]
        case.equal([(e["who"], e["peer"]) for e in refused if e["what"] == "locked out"],
                   [("alice", "127.0.0.1"), ("nobody", "127.0.0.3")], "the audit")
        for user, password in (("alice", ""), ("", PASSWORD), ("alice\n", PASSWORD), ("x" * 63, "y" * 100000),
                               ("a:b", "c"), ("../users", "x"), ("alice\0", PASSWORD)):
            case.check(enter(lab, user, password)[0] in (401, 422, 423, 429), "a log-in as %.20r" % user)
        case.equal(enter(lab, "x" * 64, "y")[0], 422, "too long a name")


# ---- the server -------------------------------------------------------------------------------------------------

def paths(case, lab):
    for path in ("/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                 "//etc/passwd", "/./../etc/passwd", "/page.js/../../../etc/passwd", "/index.html%00.js",
                 "/api/mail/../../../etc/passwd", "/api/mail/..%2f..%2fusers", "/api/mail/", "/api/mail/%00",
                 "/api/mail/" + "9" * 3000, "/" + "a" * 3000, "/..\\..\\etc\\passwd", "/%ff%fe", "/api/call/x",
                 "/users", "/web.key", "http://evil.example/", "*", "/api/history?since=%n%n&points=-1",
                 "/?" + "a=b&" * 500):
        said = raw(lab, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        status = int(said[9:12] or b"0")
        case.check(b"root:" not in said and b"scrypt" not in said and b"PRIVATE" not in said, path, said)
        case.check(status in (0, 200, 301, 400, 401, 403, 404, 405, 414, 431), path, said[:200])
        if status == 200:
            case.check(b"<!doctype html>" in said.lower(), "nothing but the page: " + path, said[:300])


def nonsense(case, lab):
    for data in (b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /api/call HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"POST /api/call HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"POST /api/call HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nx",
                 b"POST /api/call HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nGET /",
                 b"POST /api/call HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                 b"0\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 100000 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20000 + b"\r\n",
                 b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                 b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT evil.example:25 HTTP/1.1\r\nHost: x\r\n\r\n"):
        said = raw(lab, data, 2)
        case.check(not said.startswith(b"HTTP/1.1 2") and b"5" != said[9:10], "an answer to %.60r" % data, said[:200])


def sizes(case, lab):
    for size, status in ((1 << 20, 401), ((1 << 20) + 1, 413), (1 << 40, 413)):
        said = raw(lab, b"POST /api/call HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
                   + b"[" * min(size, 1 << 20))
        case.check(said[9:12] in (str(status).encode(), b""), "a body of %d bytes" % size, said[:200])


def memory(control):
    with open("/proc/%d/status" % control.events("start")[-1]["pid"]) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def open_ones(lab):
    """Connections of the client that the server has accepted."""
    shown = lab.run("server", ["ss", "-Htnp", "state", "established", "sport = :%d" % PORT, "dst", CLIENT])[1]
    return shown.count("cordon-control")


@cases.case("files that are none, nonsense, bodies without an end and a thousand connections hurt nobody", engine=True)
def server(case):
    with Lab(case) as lab:
        control = serve(lab)
        session = Session(lab, "alice", url=HERE)
        sizes(case, lab)
        before, held = memory(control), []
        lab.closing.callback(lambda: [s.close() for s in held])
        # Long bodies that never become whole, more than there is room for, and connections that say nothing.
        for _ in range(8):
            held.append(connect(lab))
            held[-1].sendall(b"POST /api/call HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + b"x" * 1000000)
        for _ in range(300):
            held.append(lab.connect(SERVER, PORT))
        case.equal(curl(lab, HERE + "healthz")[0], 200, "somebody else")
        case.equal(session.call("status")[0], 200, "who is logged in")
        case.equal(Session(lab, "alice", url=HERE).status, 200, "who logs in")
        case.check(memory(control) < before + 60000, "memory", before, memory(control))
        left = open_ones(lab)
        case.check(left <= EACH, "the attacker's connections", left)
        nonsense(case, lab)
        paths(case, lab)
        until("all of them end by themselves, but for the bodies", lambda: open_ones(lab) <= 8, 60)
        for talk in held:
            talk.close()
        until("room again", lambda: curl(lab, "-m", "3", THERE + "healthz", side="client")[0] == 200)


# ---- what mails say ---------------------------------------------------------------------------------------------

XSS = ('<img src=http://192.0.2.10/x onerror=alert(1)>', '"><script>alert(1)</script>',
       "javascript:alert(1)", "{{7*7}}${7*7}", "</pre></title><svg onload=alert(1)>", "'; alert(1);//")
RTL = "invoice\u202efdp.exe"


def evil(number, script):
    """Everything that a sender decides is hostile."""
    name = script.replace('"', "'")
    long = "X-Long: " + "<b>" * (35000 if number in ("e0", "e3") else 3000)
    head = ["X-Lab-Id: %s" % number, "From: \"%s\" <x@y>" % name, "To: %s" % script,
            "Subject: %s %s %s" % (number, script, RTL),
            "Message-Id: <%s@%s>" % (number, script), long, "X-Nul: a\0b\x1b[2J", "Reply-To: " + script,
            "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b1; charset=\"%s\"" % name]
    html = ("<html><head><meta http-equiv=refresh content='0;url=http://192.0.2.10/'>"
            "<base href=http://192.0.2.10/></head><body onload=alert(1)>%s<iframe src=http://192.0.2.10/></iframe>"
            "<link rel=stylesheet href=http://192.0.2.10/>"
            "<style>@import 'http://192.0.2.10/';body{display:none}</style></body></html>\n" % script).encode()
    named = "Content-Disposition: inline; filename=\"%s\"" % name
    bare = name.replace(";", "")
    parts = [part(["Content-Type: text/html; charset=utf-8", named], html),
             attachment(b"MZ\x90\0" * 9, RTL), attachment(b"%PDF-1.4 ", name),
             part(["Content-Type: text/plain; charset=" + bare], b"\xff\xfe\x80 \0 invalid \xe2\x80\xae\xc3(\n"),
             part(["Content-Type: %s/%s" % (bare, bare)], b"x\n")]
    text = "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    return text + multipart("b1", parts).replace(b"\n", b"\r\n")


def submit(case, lab, number, script):
    """Hostile commands, too, as far as the server takes them."""
    talk = labmail.Talk(lab, greet=False)
    talk.reply(220)
    talk.ask(b"EHLO " + re.sub(rb"\s", b"", script.encode())[:60])
    local = script.replace("\\", "").replace('"', "")
    if not talk.ask(b'MAIL FROM:<"%s"@client.example>' % local.encode())[-1].startswith("250"):
        talk.ask(b"MAIL FROM:<%s>" % labmail.FROM.encode())
    talk.ask(b'RCPT TO:<"%s"@lab.example>' % local.encode())
    talk.ask(b"RCPT TO:<%s>" % labmail.TO.encode())
    talk.ask(b"DATA", 354)
    talk.send(evil(number, script) + b"\r\n.\r\n")
    talk.reply(250)
    talk.ask(b"QUIT")


def harmless(case, browser, what):
    """No script ran, nothing was asked of anybody else, and all of it is text."""
    case.equal(browser.errors(), [], "the console's errors: " + what)
    outside = [r for r in browser.requests() if not r[1].startswith((HERE, "data:", "about:"))]
    case.equal(outside, [], "requests elsewhere: " + what)
    case.equal(browser.run("""return [...document.querySelectorAll(
        "iframe, object, embed, #main img, #main script, #main style, #main link, base, meta[http-equiv]")].length
        + [...document.querySelectorAll("*")].flatMap((e) => [...e.attributes])
          .filter((a) => /^on/.test(a.name) || /^\\s*javascript:/i.test(a.value)).length"""), 0,
               "active content: " + what)
    case.equal(browser.run("""const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const hidden = /[\\u0000-\\u0008\\u001b\\u202a-\\u202e\\u2066-\\u2069]/;
        while (walk.nextNode()) if (hidden.test(walk.currentNode.data)) found.push(walk.currentNode.data.slice(0, 80));
        return found"""), [], "characters that turn or hide others: " + what)
    case.equal(browser.wide(), 0, "pixels too wide: " + what)


@cases.case("whatever a mail, a seal or a list says is text on every page", engine=True)
def texts(case):
    with Lab(case) as lab:
        control = serve(lab, QUARANTINE)
        for number, script in enumerate(XSS):
            control.ask("seal", "--virus-id", "V%d%s" % (number, script), "--why", script + RTL)
        control.ask("screen", "add", "--digest", "sha256:%064d:5" % 7, "--virus-id", XSS[0], "--why", XSS[1])
        for number, script in enumerate(XSS):
            submit(case, lab, "e%d" % number, script)
        until("all are kept", lambda: len(control.held() + control.held("quarantine")) == len(XSS))
        enter(lab, XSS[0], "wrong password")  # an event with a name of the attacker's
        with Browser(lab) as browser:
            browser.log_in(HERE, "alice", PASSWORD)
            browser.see("Mails a second")
            browser.requests()
            for page, text in (("overview", XSS[1]), ("quarantine", XSS[0]), ("seals", XSS[4]), ("screening", XSS[0]),
                               ("events", XSS[0]), ("alerts", "Channels"), ("config", "web.listen")):
                browser.open(HERE + "#/" + page)
                browser.see(text)
                harmless(case, browser, page)
            browser.open(HERE + "#/quarantine")
            browser.see("invoiceU+202Efdp.exe")
            browser.shot("gateway-hostile-list")
            for record in control.held() + control.held("quarantine"):
                browser.open(HERE + "#/held/" + record["id"])
                browser.see("Why it is kept")
                browser.click("Show the text")
                browser.see("<iframe src=http://192.0.2.10/></iframe>")
                number = int(record["subject"][1])
                browser.see(XSS[number].strip())
                harmless(case, browser, XSS[number])
            browser.shot("gateway-hostile-mail")
            # As a file it is saved, never shown.
            status, text = Session(lab, "alice", url=HERE).get("api/mail/" + record["id"])
            case.check(status == 200 and "X-Long: <b>" in text, "the mail as a file")
            log = lab.folder + "/headers"
            jar = Session(lab, "alice", url=HERE).jar
            curl(lab, "-D", log, "-b", jar, HERE + "api/mail/" + record["id"])
            with open(log) as f:
                text = f.read().lower()
            for header in ("content-disposition: attachment;", "content-type: message/rfc822",
                           "x-content-type-options: nosniff", "content-security-policy: default-src 'none'",
                           "strict-transport-security: ", "x-frame-options: deny", "referrer-policy: no-referrer",
                           "cache-control: no-store"):
                case.check(header in text, header, text)


if __name__ == "__main__":
    cases.main()
