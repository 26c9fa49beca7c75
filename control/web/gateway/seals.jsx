// SPDX-License-Identifier: BSD-3-Clause
// Seals: which are open and why; setting one, ending one.
import { useState } from "preact/hooks";
import { Ask, Field, Notice, Said, Tag, useMayAct } from "../shared/parts.jsx";
import { bytes, span, time } from "../shared/format.js";
import { call } from "./live.jsx";

const MODES = {
  hold: "all mail that it covers is held",
  "hold-attachments": "only mail that carries an attachment is held",
  strip: "mail is delivered without its attachments, the whole is held",
  tempfail: "senders are told to try again later (451)",
};
const SCOPES = {
  sender: "Sender", recipient: "Recipient", subject: "Subject", name: "File name", file_type: "File type",
  body: "Text of the body", min_bytes: "At least", max_bytes: "At most",
};
const BYTES = ["min_bytes", "max_bytes"];

// What a seal covers, in words.
export function scopeText(seal) {
  const parts = Object.entries(seal.scope ?? {})
    .filter(([, value]) => value !== "" && value !== 0)
    .map(([name, value]) => `${SCOPES[name]?.toLowerCase() ?? name} ${BYTES.includes(name) ? bytes(value) : value}`);
  const ways = seal.directions ?? [];
  if (ways.length === 1) parts.unshift(`${ways[0]} only`);
  return parts.join(", ") || "all mail";
}

export function SealCard({ seal, end }) {
  const left = seal.expires - Date.now() / 1000;
  return (
    <div class="card seal">
      <h3><Said>{seal.virus_id}</Said> <Tag kind="warn">{seal.mode}</Tag> {seal.closing && <Tag kind="info">closing: the rules know it</Tag>}</h3>
      <dl>
        <dt>Mode</dt><dd>{MODES[seal.mode] ?? seal.mode}</dd>
        <dt>Covers</dt><dd><Said>{scopeText(seal)}</Said></dd>
        <dt>Set by</dt><dd><Said>{seal.origin}</Said></dd>
        {seal.why && <><dt>Why</dt><dd><Said>{seal.why}</Said></dd></>}
        <dt>Since</dt><dd>{time(seal.begun)}</dd>
        <dt>Until</dt><dd>{time(seal.expires)} (in {span(left)})</dd>
      </dl>
      {end && <div class="buttons"><button onClick={() => end(seal)}>End this seal</button></div>}
    </div>
  );
}

function SetSeal({ close }) {
  const [form, setForm] = useState({ virus_id: "", mode: "hold", direction: "both", seconds: "", why: "" });
  const [scope, setScope] = useState({});
  const put = (name) => (e) => setForm({ ...form, [name]: e.target.value });
  const putScope = (name) => (e) => setScope({ ...scope, [name]: e.target.value });

  async function act() {
    const wanted = {};
    for (const [name, value] of Object.entries(scope))
      if (value !== "") wanted[name] = BYTES.includes(name) ? Number(value) : value;
    const seal = { virus_id: form.virus_id.trim(), mode: form.mode, scope: wanted, why: form.why };
    if (form.direction !== "both") seal.directions = [form.direction];
    if (form.seconds) seal.max_seconds = Math.round(Number(form.seconds) * 3600);
    const answer = await call("seal", seal);
    if (!answer.in_force) throw new Error(`It is recorded, but not in force yet: ${answer.why}`);
  }

  return (
    <Ask title="Set a seal" action="Seal" kind="bad" ready={form.virus_id.trim() !== "" && form.why.trim() !== ""} act={act} close={close}>
      <Field label="Virus id" hint="The code of the virus, which a later signature names. A seal of the same id is changed.">
        <input required value={form.virus_id} onInput={put("virus_id")} />
      </Field>
      <Field label="Mode" hint={MODES[form.mode]}>
        <select value={form.mode} onChange={put("mode")}>{Object.keys(MODES).map((m) => <option>{m}</option>)}</select>
      </Field>
      <Field label="Direction">
        <select value={form.direction} onChange={put("direction")}>
          <option>both</option><option>inbound</option><option>outbound</option>
        </select>
      </Field>
      <Field label="Hours at most" hint="Empty: as long as the configuration allows.">
        <input type="number" min="0.02" step="any" value={form.seconds} onInput={put("seconds")} />
      </Field>
      <Field label="Reason"><input required value={form.why} onInput={put("why")} /></Field>
      <details>
        <summary>Only some mail: all of these hold</summary>
        <p><small>* and ? are known. The text of the body is looked for in any case, or is an expression as /invoice +[0-9]+/i.</small></p>
        {Object.entries(SCOPES).map(([name, label]) => (
          <Field label={label} hint={BYTES.includes(name) ? "bytes" : undefined}>
            <input type={BYTES.includes(name) ? "number" : "text"} min="0" value={scope[name] ?? ""} onInput={putScope(name)} />
          </Field>
        ))}
      </details>
    </Ask>
  );
}

function End({ seal, close }) {
  const [why, setWhy] = useState("");
  const [typed, setTyped] = useState("");
  return (
    <Ask title={`End the seal ${seal.virus_id}`} action="End it" kind="bad" ready={typed === seal.virus_id && why.trim() !== ""} close={close}
      act={async () => {
        const answer = await call("unseal", { virus_id: seal.virus_id, why });
        if (!answer.in_force) throw new Error(`It is recorded, but not in force yet: ${answer.why}`);
      }}>
      <p>Mail passes again. What was held is scanned again first, and goes on if it is clean.</p>
      <Field label="Reason"><input required value={why} onInput={(e) => setWhy(e.target.value)} /></Field>
      <Field label="Type the virus id" hint={seal.virus_id}>
        <input required autocomplete="off" value={typed} onInput={(e) => setTyped(e.target.value)} />
      </Field>
    </Ask>
  );
}

export function Seals({ live }) {
  const mayAct = useMayAct();
  const [asked, setAsked] = useState(null); // "set", or the seal that is to end
  const { status } = live;
  if (!status) return <p class="empty">…</p>;
  return (
    <>
      <h1>Seals</h1>
      {status.sealed
        ? <Notice kind={status.in_force ? "warn" : "bad"} title={status.in_force ? "In force." : "Not in force yet."}>The dataplane {status.in_force ? "diverts by these seals." : "does not go by these seals."}</Notice>
        : <Notice kind="good" title="Open.">No seal is set: clean mail passes.</Notice>}
      {mayAct && <div class="row"><button class="primary" onClick={() => setAsked("set")}>Set a seal</button></div>}
      {status.seals.length > 0 && <h2>Open seals</h2>}
      <div class="grid">
        {status.seals.map((s) => <SealCard key={s.virus_id} seal={s} end={mayAct ? setAsked : null} />)}
      </div>
      {asked === "set" && <SetSeal close={() => setAsked(null)} />}
      {asked && asked !== "set" && <End seal={asked} close={() => setAsked(null)} />}
    </>
  );
}
