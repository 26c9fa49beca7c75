# SPDX-License-Identifier: BSD-3-Clause
"""A vendor in the lab that has nothing of ours: keys, signatures and their check by the openssl program,
the envelope and the payload as the contract says."""
import base64
import datetime
import hashlib
import json
import os
import subprocess

ALERT = "application/vnd.cordon.alert+json"
RECEIPT = "application/vnd.cordon.receipt+json"
ROLES = {"root": (1, ["root"]), "alerts": (1, ["alerts"]), "updates": (1, ["updates"]),
         "all-clear": (2, ["clear1", "clear2"])}
ROLE_OF = {"seal": "alerts", "screen": "alerts", "ping": "alerts", "update": "updates",
           "revoke": "updates", "all-clear": "all-clear", "root": "root"}


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


def rfc3339(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


class Vendor:
    def __init__(self, folder, name="acme"):
        self.folder, self.name, self.keys = folder + "/vendor", name, {}
        self.sequences = {}
        os.makedirs(self.folder, exist_ok=True)
        for key in sorted(k for _, keys in ROLES.values() for k in keys):
            self.make_key(key)

    def path(self, key):
        return "%s/%s.pem" % (self.folder, key)

    def make_key(self, name):
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.path(name))
        raw = openssl("pkey", "-in", self.path(name), "-pubout", "-outform", "DER")[-32:]
        self.keys[name] = (hashlib.sha256(raw).hexdigest(), base64.b64encode(raw).decode())

    def sign(self, payload, keys, kind=ALERT):
        """payload: bytes, or an object. Returns the envelope's bytes."""
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        signatures = []
        for key in keys:
            text = self.folder + "/signed"
            with open(text, "wb") as f:
                f.write(pae(kind, payload))
            sig = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path(key), "-in", text)
            signatures.append({"keyid": self.keys[key][0], "sig": base64.b64encode(sig).decode()})
        return json.dumps({"payloadType": kind, "payload": base64.b64encode(payload).decode(),
                           "signatures": signatures}).encode()

    def payload(self, kind, **members):
        role = ROLE_OF[kind]
        self.sequences[role] = self.sequences.get(role, 0) + 1
        found = {"vendor": self.name, "role": role, "epoch": 1, "sequence": self.sequences[role],
                 "issued": rfc3339(-1), "expires": rfc3339(86400), "target": "*", "type": kind}
        found.update(members)
        return found

    def alert(self, kind, **members):
        return self.sign(self.payload(kind, **members), ROLES[ROLE_OF[kind]][1])

    def root(self, roles=None):
        """A root document, the first or the next one."""
        roles = roles or ROLES
        document = {
            "expires": rfc3339(90 * 86400),
            "keys": {i: text for i, text in self.keys.values()},
            "roles": {role: {"keys": [self.keys[k][0] for k in keys], "threshold": threshold}
                      for role, (threshold, keys) in roles.items()}}
        return self.alert("root", root=document)

    def write_root(self, document=None):
        path = self.folder + "/root.json"
        with open(path, "wb") as f:
            f.write(document or self.root())
        return path


def open_receipt(receipt, state):
    """The payload of a receipt whose signature openssl has found good by the gateway's key, which lies in
    the folder of its state."""
    envelope = json.loads(receipt)
    payload = base64.b64decode(envelope["payload"], validate=True)
    one, = envelope["signatures"]
    assert envelope["payloadType"] == RECEIPT, envelope["payloadType"]
    public = openssl("pkey", "-in", state + "/gateway.key", "-pubout", "-outform", "DER")
    assert one["keyid"] == hashlib.sha256(public[-32:]).hexdigest(), "the key's id"
    with open(state + "/receipt.sig", "wb") as f:
        f.write(base64.b64decode(one["sig"]))
    with open(state + "/receipt.pae", "wb") as f:
        f.write(pae(RECEIPT, payload))
    openssl("pkeyutl", "-verify", "-rawin", "-inkey", state + "/gateway.key", "-in",
            state + "/receipt.pae", "-sigfile", state + "/receipt.sig")
    return json.loads(payload)
