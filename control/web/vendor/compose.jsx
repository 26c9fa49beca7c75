// SPDX-License-Identifier: BSD-3-Clause
// An alert is written, looked at once more, and confirmed.
import { useState } from "preact/hooks";
import { Field, Notice } from "../shared/parts.jsx";
import { names } from "./gateway_form.jsx";
import { Review } from "./review.jsx";
import { SampleDrop } from "./sample_drop.jsx";

const TYPES = [
  ["seal", "Seal: hold mail until there is a signature"],
  ["screen", "Screen: stop mail by checksums of the virus"],
  ["revoke", "Revoke: a signature or checksum was wrong"],
  ["ping", "Ping: ask for a sign of life"],
];
const MODES = [
  ["hold", "hold: take mail in and keep it"],
  ["hold-attachments", "hold-attachments: keep mail with attachments, pass on the rest"],
  ["strip", "strip: deliver the text without attachments"],
  ["tempfail", "tempfail: let the sender try again later"],
];
const SCOPE = [
  ["sender", "Sender", "*@example.com"],
  ["recipient", "Recipient", "*@example.com"],
  ["file_type", "File type", "pe, zip, ole2, …"],
  ["name", "File name", "invoice*.exe"],
  ["subject", "Subject", "*invoice*"],
  ["body", "Words in the mail", ""],
  ["min_bytes", "At least bytes", ""],
  ["max_bytes", "At most bytes", ""],
];
const NUMBERS = ["min_bytes", "max_bytes"];

const EMPTY = {
  type: "seal", severity: "high", title: "", text: "", virusId: "", targetKind: "*", targetName: "", hours: "168",
  mode: "hold", directions: "", scope: {}, maxHours: "", action: "default", entryName: "", entries: null,
  signatures: "", digests: "", undo: false,
};

// ---- the order ------------------------------------------------------------------------------------

function sealBody(form) {
  const body = { mode: form.mode };
  const scope = Object.fromEntries(Object.entries(form.scope).filter(([, value]) => value !== "")
    .map(([name, value]) => [name, NUMBERS.includes(name) ? Number(value) : value]));
  if (Object.keys(scope).length > 0) body.scope = scope;
  if (form.directions) body.directions = [form.directions];
  if (form.maxHours !== "") body.max_seconds = Math.round(Number(form.maxHours) * 3600);
  return body;
}

function revokeBody(form) {
  const body = {};
  if (names(form.signatures).length > 0) body.signatures = names(form.signatures);
  if (names(form.digests).length > 0) body.digests = names(form.digests).map((d) => d.toLowerCase());
  if (form.undo) body.undo = true;
  return body;
}

// What the server is asked to sign.
export function orderOf(form) {
  const order = { type: form.type, target: form.targetKind === "*" ? "*" : `${form.targetKind}:${form.targetName.trim()}` };
  const info = { severity: form.severity };
  if (form.title.trim()) info.title = form.title.trim();
  if (form.text.trim()) info.text = form.text.trim();
  if (form.virusId.trim()) order.virus_id = form.virusId.trim();
  order.seconds = Math.round(Number(form.hours) * 3600);
  order.info = info;
  if (form.type === "seal") order.seal = sealBody(form);
  if (form.type === "screen") order.screen = form.entries;
  if (form.type === "revoke") order.revoke = revokeBody(form);
  return order;
}

function mistakeOf(form) {
  if ((form.type === "seal" || form.type === "screen") && !form.virusId.trim()) return "It needs a virus id.";
  if (form.targetKind !== "*" && !form.targetName.trim()) return "Say which group or gateway it is for.";
  if (!(Number(form.hours) > 0)) return "Say for how many hours it holds.";
  if (form.maxHours !== "" && !(Number(form.maxHours) > 0)) return "The longest time must be a number of hours.";
  if (form.type === "screen" && !form.entries) return "It needs checksums: drop the sample.";
  if (form.type === "revoke" && Object.keys(revokeBody(form)).filter((k) => k !== "undo").length === 0)
    return "Name the signatures or digests to revoke.";
  return "";
}

// ---- parts of the form ----------------------------------------------------------------------------

const Text = ({ label, hint, value, set, ...more }) => (
  <Field label={label} hint={hint}><input value={value} onInput={(e) => set(e.target.value)} {...more} /></Field>
);

const Choice = ({ label, hint, value, set, options }) => (
  <Field label={label} hint={hint}>
    <select value={value} onChange={(e) => set(e.target.value)}>
      {options.map(([key, name]) => <option value={key}>{name}</option>)}
    </select>
  </Field>
);

function SealPart({ form, set }) {
  return (
    <fieldset>
      <legend>Seal</legend>
      <div class="pair">
        <Choice label="Mode" value={form.mode} set={(v) => set({ mode: v })} options={MODES} />
        <Choice label="Direction" value={form.directions} set={(v) => set({ directions: v })}
          options={[["", "both"], ["inbound", "inbound"], ["outbound", "outbound"]]} />
        <Text label="Longest, in hours" hint="Empty: as long as the gateway allows." type="number" min="1"
          value={form.maxHours} set={(v) => set({ maxHours: v })} />
      </div>
      <details>
        <summary>Scope: only mail that is like this</summary>
        <p class="sub">Without any all mail is covered; * and ? stand for others. What is filled in must all be so.</p>
        <div class="pair">
          {SCOPE.map(([name, label, hint]) => (
            <Text label={label} hint={hint} value={form.scope[name] ?? ""} type={NUMBERS.includes(name) ? "number" : "text"}
              set={(v) => set({ scope: { ...form.scope, [name]: v } })} />
          ))}
        </div>
      </details>
    </fieldset>
  );
}

function ScreenPart({ form, set }) {
  return (
    <>
      <div class="pair">
        <Choice label="Action" value={form.action} set={(v) => set({ action: v })}
          options={[["default", "by each gateway's policy"], ["quarantine", "quarantine"], ["discard", "discard"]]} />
        <Text label="Reported as" hint="Empty: the virus id." value={form.entryName} set={(v) => set({ entryName: v.trim() })} />
      </div>
      <SampleDrop action={form.action} name={form.entryName} change={(entries) => set({ entries })} />
    </>
  );
}

function RevokePart({ form, set }) {
  return (
    <fieldset>
      <legend>Revoke</legend>
      <Field label="Signatures" hint="Names, one a line.">
        <textarea rows="3" value={form.signatures} onInput={(e) => set({ signatures: e.target.value })} />
      </Field>
      <Field label="Digests" hint="MD5, SHA-1 or SHA-256 of files that are clean, one a line.">
        <textarea rows="3" class="mono" value={form.digests} onInput={(e) => set({ digests: e.target.value })} />
      </Field>
      <label class="check">
        <input type="checkbox" checked={form.undo} onChange={(e) => set({ undo: e.target.checked })} />
        Undo: these were revoked by mistake
      </label>
    </fieldset>
  );
}

// ---- all of it ------------------------------------------------------------------------------------

export function Compose({ live }) {
  const [form, setForm] = useState(EMPTY);
  const [reviewing, setReviewing] = useState(false);
  const [error, setError] = useState("");
  const set = (members) => {
    setForm((f) => ({ ...f, ...members }));
    setError("");
  };

  const submit = (event) => {
    event.preventDefault();
    const mistake = mistakeOf(form);
    setError(mistake);
    setReviewing(mistake === "");
    if (mistake === "") window.scrollTo(0, 0);
  };

  return (
    <>
      {reviewing && <Review order={orderOf(form)} live={live} back={() => setReviewing(false)} />}
      <form onSubmit={submit} hidden={reviewing} aria-label="New alert">
        <h1>New alert</h1>
        <fieldset>
          <legend>What</legend>
          <div class="pair">
            <Choice label="Type" value={form.type} set={(v) => set({ type: v })} options={TYPES} />
            <Choice label="Severity" value={form.severity} set={(v) => set({ severity: v })}
              options={["critical", "high", "medium", "low"].map((s) => [s, s])} />
            <Text label="Virus id" hint={form.type === "ping" || form.type === "revoke" ? "Not needed." : "The code of the virus, as CV-2026-17."}
              maxLength={128} value={form.virusId} set={(v) => set({ virusId: v })} autocomplete="off" />
            <Text label="Title" value={form.title} set={(v) => set({ title: v })} />
          </div>
          <Field label="Text"><textarea rows="3" value={form.text} onInput={(e) => set({ text: e.target.value })} /></Field>
        </fieldset>
        <fieldset>
          <legend>To whom, how long</legend>
          <div class="pair">
            <Choice label="Target" value={form.targetKind} set={(v) => set({ targetKind: v })}
              options={[["*", "all gateways"], ["group", "a group"], ["gateway", "one gateway"]]} />
            {form.targetKind !== "*" && (
              <Text label={form.targetKind === "group" ? "Group" : "Gateway"} value={form.targetName} set={(v) => set({ targetName: v })} />
            )}
            <Text label="Expires after hours" hint="Until then it is tried." type="number" min="1"
              value={form.hours} set={(v) => set({ hours: v })} />
          </div>
        </fieldset>
        {form.type === "seal" && <SealPart form={form} set={set} />}
        {form.type === "screen" && <ScreenPart form={form} set={set} />}
        {form.type === "revoke" && <RevokePart form={form} set={set} />}
        {error && <Notice kind="bad">{error}</Notice>}
        <div class="buttons"><button class="primary">Review</button></div>
      </form>
    </>
  );
}
