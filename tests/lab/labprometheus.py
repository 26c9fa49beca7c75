# SPDX-License-Identifier: BSD-3-Clause
"""A real Prometheus in the lab, and Grafana's dashboards as far as they can be tried without a Grafana: their form,
and that Prometheus has an answer to every question that they ask."""
import json
import re
import shutil
import time
import urllib.parse

from lablib import ROOT, Skipped, until

PORT = 9090
WINDOW = "10s"  # of rates, here: what happens in a lab is soon over


class Prometheus:
    """Looks at these targets once a second from now on. targets: {job: "address:port"}, over HTTPS."""

    def __init__(self, lab, targets):
        if not shutil.which("prometheus"):
            raise Skipped("no prometheus (scripts/deps test)")
        self.lab, self.targets, self.began = lab, targets, time.time()
        path = lab.folder + "/prometheus.yml"
        with open(path, "w") as f:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [
                {"job_name": job, "scheme": "https", "tls_config": {"insecure_skip_verify": True},
                 "static_configs": [{"targets": [target]}]} for job, target in targets.items()]}, f)
        lab.start("server", "prometheus", [
            "prometheus", "--config.file=" + path, "--storage.tsdb.path=" + lab.folder + "/prometheus",
            "--web.listen-address=127.0.0.1:%d" % PORT, "--log.level=error"])

    def ask(self, path, **arguments):
        """The data of an answer; Failed with Prometheus' own words."""
        url = "http://127.0.0.1:%d/api/v1/%s?%s" % (PORT, path, urllib.parse.urlencode(arguments))
        code, text = self.lab.run("server", ["curl", "-s", "-m", "10", url])
        answer = json.loads(text) if code == 0 and text.startswith("{") else {}
        return answer.get("data"), answer.get("error", text if code or not answer else "")

    def wait(self):
        """Until each target was looked at some times, by all that it takes for a rate."""
        def seen():
            data, _ = self.ask("query", query="min(count_over_time(up[1h])) >= 4")
            up, _ = self.ask("query", query="count(up == 1)")
            return data and data["result"] and up["result"] and int(up["result"][0]["value"][1]) == len(self.targets)
        until("Prometheus has looked", seen)

    def range(self, expression):
        """(series, what is wrong) of an expression, since the beginning."""
        data, error = self.ask("query_range", query=expression, start=self.began, end=time.time(), step=1)
        return (data or {}).get("result", []), error


class Dashboard:
    def __init__(self, name):
        with open("%s/docs/%s" % (ROOT, name)) as f:
            self.board = json.load(f)
        self.panels = self.board["panels"]
        self.variables = {v["name"]: v for v in self.board["templating"]["list"]}

    def questions(self):
        """(panel, target) of all."""
        return [(p, t) for p in self.panels for t in p.get("targets", [])]

    def mistakes(self):
        """What Grafana would trip over, or a person."""
        found = []
        ids = [p["id"] for p in self.panels]
        if len(ids) != len(set(ids)):
            found.append("panels of the same id")
        places = {}
        for panel in self.panels:
            at = panel["gridPos"]
            if at["x"] + at["w"] > 24 or min(at.values()) < 0:
                found.append("%s is beside the page" % panel["title"])
            for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                if places.setdefault(place, panel) is not panel:
                    found.append("%s lies on %s" % (panel["title"], places[place]["title"]))
                    break
            refs = [t["refId"] for t in panel["targets"]]
            if not refs or len(refs) != len(set(refs)):
                found.append("questions of %s" % panel["title"])
        sources = {json.dumps(p["datasource"]) for p in self.panels} | {
            json.dumps(t["datasource"]) for _, t in self.questions()} | {
            json.dumps(v["datasource"]) for v in self.variables.values() if v["type"] == "query"}
        kinds = [n for n, v in self.variables.items() if v["type"] == "datasource" and v["query"] == "prometheus"]
        if len(kinds) != 1 or sources != {json.dumps({"type": "prometheus", "uid": "${%s}" % kinds[0]})}:
            found.append("its source is not what was chosen: %s" % sources)
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(self.panels))) - {"__rate_interval"}
        if used - set(self.variables) or set(self.variables) - used:
            found.append("variables: %s, but %s are used" % (sorted(self.variables), sorted(used)))
        if not all(self.board.get(k) for k in ("title", "uid", "schemaVersion")):
            found.append("no title, uid or version")
        return found

    def unanswered(self, prometheus):
        """Questions that Prometheus does not understand, has nothing to say to, or whose answer lacks what names it."""
        found = []
        for panel, target in self.questions():
            expression = target["expr"].replace("$__rate_interval", WINDOW)
            for name in self.variables:
                expression = re.sub(r"\$\{?%s\b\}?" % name, ".*", expression)
            series, error = prometheus.range(expression)
            names = re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", ""))
            if error or not series:
                found.append("%s: %s: %s" % (panel["title"], expression, error or "nothing"))
            elif any(name not in one["metric"] for one in series for name in names):
                found.append("%s: %s has no %s" % (panel["title"], expression, names))
        for variable in self.variables.values():
            label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
            if variable["type"] == "query" and (not label or not any(
                    label.group(2) in one["metric"] for one in prometheus.range(label.group(1))[0])):
                found.append("variable %s: %s" % (variable["name"], variable["query"]))
        return found
