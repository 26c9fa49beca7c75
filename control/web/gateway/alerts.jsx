// SPDX-License-Identifier: BSD-3-Clause
// What the vendor has sent, and the ways by which it comes.
import { Notice, Said, Table, Tag } from "../shared/parts.jsx";
import { count, time } from "../shared/format.js";
import { Answer, useAnswer } from "./live.jsx";

const MOST = 200;
const RESULTS = { applied: "good", refused: "bad" };

const alertColumns = [
  { name: "Time", class: "when", show: (a) => time(a.time) },
  { name: "Type", show: (a) => a.type },
  { name: "Virus id", show: (a) => <Said>{a.virus_id}</Said> },
  { name: "Vendor", show: (a) => <Said>{a.vendor}</Said> },
  { name: "Role", show: (a) => a.role },
  { name: "Number", class: "number", show: (a) => `${a.epoch}.${a.sequence}` },
  { name: "Result", show: (a) => <Tag kind={RESULTS[a.result] ?? "info"}>{a.result || "on its way"}</Tag> },
  { name: "Why", show: (a) => <Said>{a.why}</Said> },
];

// Members of a channel that have a column of their own.
const known = ["received", "answered", "connected", "why"];

const channelColumns = [
  { name: "Channel", show: (c) => <b>{c.name}</b> },
  { name: "State", show: (c) => (c.connected === undefined || (c.peers !== undefined && !c.connected) ? <Tag kind="good">open</Tag> : <Tag kind={c.connected ? "good" : "warn"}>{c.connected ? "connected" : "not connected"}</Tag>) },
  { name: "Last heard", show: (c) => time(c.heard) },
  { name: "Received", class: "number", show: (c) => count(c.received) },
  { name: "Answered", class: "number", show: (c) => count(c.answered ?? c.posted) },
  { name: "Otherwise", show: (c) => Object.entries(c.all).filter(([k, v]) => !known.includes(k) && typeof v !== "object").map(([k, v]) => `${k} ${v}`).join(", ") },
  { name: "Why", show: (c) => <Said>{c.why}</Said> },
];

function Vendor({ status }) {
  const { alerts } = status;
  if (!alerts.vendor) return <Notice title="No vendor is trusted.">alerts.root in the configuration names no root document.</Notice>;
  const refused = Object.entries(alerts.refused ?? {});
  return (
    <section class="card">
      <h2>The vendor</h2>
      {alerts.stale && <Notice kind="warn" title="Nothing is heard.">The last word of the vendor is too old.</Notice>}
      <dl>
        <dt>Vendor</dt><dd><Said>{alerts.vendor}</Said></dd>
        <dt>Root document</dt><dd>version {alerts.root_version}, expires {time(alerts.root_expires)}</dd>
        <dt>Last heard</dt><dd>{time(alerts.last_heard)}</dd>
        <dt>Applied</dt><dd>{count(alerts.applied)}, {count(alerts.repeated)} came again</dd>
        <dt>Refused</dt><dd>{refused.map(([why, n]) => `${why}: ${count(n)}`).join(", ") || "none"}</dd>
        <dt>Our key</dt><dd><code>{alerts.key}</code></dd>
      </dl>
    </section>
  );
}

export function Alerts({ live }) {
  const { status } = live;
  const [answer] = useAnswer("alerts", { limit: MOST, seen: status?.alerts.applied, refused: status?.alerts.refused });
  if (!status) return <p class="empty">…</p>;
  const channels = Object.entries(status.channels).map(([name, c]) => ({ ...c, name, all: c, heard: status.alerts.heard?.[name] }));
  return (
    <>
      <h1>Alerts</h1>
      <Vendor status={status} />
      <section class="card">
        <h2>Channels</h2>
        <Table columns={channelColumns} rows={channels} rowKey={(c) => c.name} empty="No channel is open." />
      </section>
      <section class="card">
        <h2>Alerts, the latest first</h2>
        <Answer answer={answer}>
          {(a) => <Table columns={alertColumns} rows={a.alerts} rowKey={(x) => x.digest} empty="No alert was received." />}
        </Answer>
      </section>
    </>
  );
}
