# SPDX-License-Identifier: BSD-3-Clause
"""A vendor's updates in the lab: any server of files that knows ranges, the bundle that an alert tells of,
and a TCP client that brings alerts to the gateway."""
import contextlib
import hashlib
import http.server
import re
import threading

from lablib import PATIENCE
from labvendor import open_receipt

PORT, WEB_PORT = 7700, 7780  # in a namespace of the lab's own, where control runs
ALERTS = "127.0.0.1:%d" % PORT


class Files(http.server.BaseHTTPRequestHandler):
    """A server of files that knows ranges, and can break off."""

    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        asked = self.headers.get("Range")
        server.asked.append((name, asked))
        if name not in server.files:
            self.send_error(404)
            return
        data, first = server.files[name], 0
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if match:
            first = int(match.group(1))
        if first >= len(data) and match:
            self.send_error(416)
            return
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, len(data) - 1, len(data)))
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        body = data[first:]
        if server.breaks:
            server.breaks -= 1
            body = body[:len(body) // 3]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


class Web:
    """Files by their paths; it ends with the lab."""

    def __init__(self, lab):
        with lab.inside("server"):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", WEB_PORT), Files)
        self.server.files, self.server.asked, self.server.breaks = {}, [], 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        lab.closing.callback(self.server.shutdown)

    def update(self, version, files, covers, **wrong):
        """An update alert's body; its files lie here. wrong: members of each file that are not so."""
        listed = []
        for name, data in files.items():
            data = data if isinstance(data, bytes) else data.encode()
            self.server.files[version + "/" + name] = data
            entry = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
                     "url": "http://127.0.0.1:%d/%s/%s" % (WEB_PORT, version, name)}
            listed.append(dict(entry, **wrong))
        return {"version": version, "covers": list(covers), "files": listed}


def tell(lab, envelope, wait=True, seconds=PATIENCE):
    """The receipt's payload, once it is there; None where nobody waits for it."""
    with lab.connect("127.0.0.1", PORT, seconds, side="server") as talk:
        talk.sendall(len(envelope).to_bytes(4, "big") + envelope)
        if not wait:
            return None
        read = talk.makefile("rb")
        size = int.from_bytes(read.read(4), "big")
        return open_receipt(read.read(size), lab.folder + "/state")
