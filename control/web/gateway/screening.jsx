// SPDX-License-Identifier: BSD-3-Clause
// Screening: checksums of files that stand in for signatures until there are some.
import { useState } from "preact/hooks";
import { Ask, Field, Notice, Said, Table, useMayAct } from "../shared/parts.jsx";
import { count, plural, time } from "../shared/format.js";
import { Answer, call, useAnswer } from "./live.jsx";

const PAGE = 100;

const ALGORITHMS = { 32: "md5", 40: "sha1", 64: "sha256" };

// What was typed as the list that the gateway takes: JSON as it is, or lines that begin with a checksum.
function listOf(text) {
  if (/^\s*[[{]/.test(text)) return text;
  const entries = text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const digest = line.split(/\s+/)[0].toLowerCase();
    const algorithm = ALGORITHMS[digest.length];
    if (!algorithm || !/^[0-9a-f]+$/.test(digest)) throw new Error(`"${line}" does not begin with an MD5, SHA-1 or SHA-256.`);
    return { kind: "file", algorithm, digest };
  });
  return JSON.stringify(entries);
}

function Add({ close, done }) {
  const [form, setForm] = useState({ virus_id: "", entries: "", why: "", hours: "" });
  const put = (name) => (e) => setForm({ ...form, [name]: e.target.value });
  async function act() {
    const list = { virus_id: form.virus_id.trim(), entries: listOf(form.entries), why: form.why };
    if (form.hours) list.seconds = Math.round(Number(form.hours) * 3600);
    await call("screen add", list);
    done("The list is in force.");
  }
  return (
    <Ask title="Add a screening list" action="Add" kind="bad" act={act} close={close}
      ready={form.entries.trim() !== "" && form.why.trim() !== ""}>
      <Field label="Virus id" hint="May be empty."><input value={form.virus_id} onInput={put("virus_id")} /></Field>
      <Field label="Checksums" hint="One a line: MD5, SHA-1 or SHA-256 as sha256sum writes them, or a list as JSON.">
        <textarea rows="6" required value={form.entries} onInput={put("entries")} />
      </Field>
      <Field label="Hours at most"><input type="number" min="0.02" step="any" value={form.hours} onInput={put("hours")} /></Field>
      <Field label="Reason"><input required value={form.why} onInput={put("why")} /></Field>
    </Ask>
  );
}

function Remove({ list, close, done }) {
  const [why, setWhy] = useState("");
  return (
    <Ask title={`Remove list ${list.list}`} action="Remove" kind="bad" ready={why.trim() !== ""} close={close}
      act={async () => done(`${plural((await call("screen remove", { list: list.list, why })).removed, "checksum")} removed.`)}>
      <p>{plural(list.entries, "checksum")}{list.virus_id ? ` of ${list.virus_id}` : ""} will not count any more.</p>
      <Field label="Reason"><input required value={why} onInput={(e) => setWhy(e.target.value)} /></Field>
    </Ask>
  );
}

const listColumns = (remove) => [
  { name: "List", class: "number", show: (l) => l.list },
  { name: "Virus id", show: (l) => <Said>{l.virus_id}</Said> },
  { name: "Origin", show: (l) => <Said>{l.origin}</Said> },
  { name: "Entries", class: "number", show: (l) => count(l.entries) },
  { name: "Hits", class: "number", show: (l) => count(l.hits) },
  { name: "Added", show: (l) => time(l.added) },
  { name: "Until", show: (l) => time(l.expires) },
  { name: "Why", show: (l) => <Said>{l.why}</Said> },
  ...(remove ? [{ name: "Change", show: (l) => <button onClick={() => remove(l)}>Remove</button> }] : []),
];

const digestOf = (e) => `${e.algorithm} ${e.digest}`;

const entryColumns = [
  { name: "Checksum", show: (e) => <code>{digestOf(e)}</code> },
  { name: "Of", show: (e) => e.kind },
  { name: "Virus id", show: (e) => <Said>{e.virus_id}</Said> },
  { name: "Name", show: (e) => <Said>{e.name}</Said> },
  { name: "Action", show: (e) => e.action },
  { name: "Hits", class: "number", show: (e) => count(e.hits) },
  { name: "Last hit", show: (e) => time(e.last_hit) },
  { name: "List", class: "number", show: (e) => e.list },
];

export function Screening({ live }) {
  const mayAct = useMayAct();
  const [asked, setAsked] = useState(null);
  const [said, setSaid] = useState("");
  const [after, setAfter] = useState(0);
  const [answer, again] = useAnswer("screen", { limit: PAGE, after, seen: live.status?.screening?.entries });
  const done = (text) => {
    setSaid(text);
    again();
  };
  return (
    <>
      <h1>Screening</h1>
      <div aria-live="polite">{said && <Notice kind="good">{said}</Notice>}</div>
      {mayAct && <div class="row"><button class="primary" onClick={() => setAsked("add")}>Add a list</button></div>}
      <Answer answer={answer}>
        {(s) => (
          <>
            {!s.in_force && s.total > 0 && <Notice kind="bad" title="Not in force.">{s.why}</Notice>}
            <section class="card">
              <h2>Lists</h2>
              <Table columns={listColumns(mayAct ? setAsked : null)} rows={s.lists} rowKey={(l) => l.list} empty="No list is on." />
            </section>
            <section class="card">
              <h2>Entries, by hits</h2>
              <p class="empty" role="status">{s.total > 0 && `${count(after + 1)} to ${count(after + s.entries.length)} of ${count(s.total)}`}</p>
              <Table columns={entryColumns} rows={s.entries} rowKey={(e) => e.id ?? digestOf(e)} empty="There are no entries." />
              <div class="buttons">
                <button disabled={after === 0} onClick={() => setAfter(Math.max(0, after - PAGE))}>Previous</button>
                <button disabled={after + s.entries.length >= s.total} onClick={() => setAfter(after + PAGE)}>Next</button>
              </div>
            </section>
          </>
        )}
      </Answer>
      {asked === "add" && <Add close={() => setAsked(null)} done={done} />}
      {asked && asked !== "add" && <Remove list={asked} close={() => setAsked(null)} done={done} />}
    </>
  );
}
