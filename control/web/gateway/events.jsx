// SPDX-License-Identifier: BSD-3-Clause
// What the gateway has done, as it happens.
import { useState } from "preact/hooks";
import { Field, Said, Table, Tag } from "../shared/parts.jsx";
import { time } from "../shared/format.js";

const TIMES = ["expires", "begun", "until"]; // in seconds since 1970
const KINDS = { fault: "bad", alert: "warn", seal: "warn", unseal: "good", release: "good" };

function wording(name, value) {
  if (TIMES.includes(name) && typeof value === "number") return time(value);
  return typeof value === "object" ? JSON.stringify(value) : value;
}

// A fault without a reason is one that is over.
const kindOf = (event) => (event.event === "fault" && !event.why ? "good" : KINDS[event.event] ?? "info");

// The members that are not shown otherwise, as "name: value".
function details(event) {
  return Object.entries(event)
    .filter(([name, value]) => !["event", "time", "gateway"].includes(name) && value !== "" && value !== null)
    .map(([name, value]) => `${name}: ${wording(name, value)}`)
    .join(" · ");
}

const columns = [
  { name: "Time", class: "when", show: (e) => time(e.time) },
  { name: "What", show: (e) => <Tag kind={kindOf(e)}>{e.event}</Tag> },
  { name: "Details", show: (e) => <span class="details"><Said>{details(e)}</Said></span> },
];

export const EventList = ({ events }) => (
  <Table columns={columns} rows={events} rowKey={(e) => e.time + e.event} empty="Nothing has happened yet." />
);

export function Events({ live }) {
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const kinds = [...new Set(live.events.map((e) => e.event))].sort();
  const shown = live.events.filter(
    (e) => (!kind || e.event === kind) && (!words || details(e).toLowerCase().includes(words.toLowerCase())),
  );
  return (
    <>
      <h1>Events</h1>
      <div class="row">
        <Field label="Kind">
          <select value={kind} onChange={(e) => setKind(e.target.value)}>
            <option value="">all</option>
            {kinds.map((k) => <option>{k}</option>)}
          </select>
        </Field>
        <Field label="Search"><input type="search" value={words} onInput={(e) => setWords(e.target.value)} /></Field>
      </div>
      <p class="empty" role="status">{shown.length} of the latest {live.events.length} events since the control process began</p>
      <EventList events={shown} />
    </>
  );
}
