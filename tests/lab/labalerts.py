# SPDX-License-Identifier: BSD-3-Clause
"""A gateway that trusts a vendor, for the tests of what the vendor sends."""
import subprocess

from labcontrol import Control, spool_settings
from labgateway import Gateway
from labpostfix import Server
from labvendor import Vendor, open_receipt

PORT = 7700  # in a namespace of the lab's own, where control runs


class Alerted:
    """A gateway with its control process, and the vendor that it trusts."""

    def __init__(self, case, lab, vendor=None, gateway=None, settings=None, server=None, **alerts):
        """vendor: one that has signed something already, and its first root document. gateway, settings: more
        for the dataplane and for the control process."""
        self.case, self.lab = case, lab
        self.vendor, root = vendor or (Vendor(lab.folder), None)
        self.server = server or Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab), **(gateway or {}))
        alerts["root"] = self.vendor.write_root(root)
        self.control = Control(lab, alerts=alerts, **(settings or {}))

    def socat(self, address, data, seconds=1):
        """What comes back within seconds."""
        done = subprocess.run(["ip", "netns", "exec", self.lab.namespace("server"), "socat",
                               "-b65536", "-t%d" % seconds, "-", address], input=data,
                              stdout=subprocess.PIPE, check=True)
        return done.stdout

    def receipt(self, data):
        return open_receipt(data, self.lab.folder + "/state")

    def sealed(self):
        return self.control.ask("status")["sealed"]
