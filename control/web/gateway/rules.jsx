// SPDX-License-Identifier: BSD-3-Clause
// The rules in force, where they come from, and the way back.
import { useState } from "preact/hooks";
import { Ask, Field, Notice, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { bytes, count } from "../shared/format.js";
import { Answer, call, useAnswer } from "./live.jsx";

function Install({ close, done }) {
  return (
    <Ask title="Compile and install the rules" action="Install" close={close}
      act={async () => {
        const answer = await call("rules install");
        done(`Ruleset ${answer.ruleset} with ${count(answer.signatures)} signatures; ${count(answer.skipped)} lines were not taken.`);
      }}>
      <p>The signature files of the configuration and of the vendor's update are compiled, which may take minutes, and put in force. Mail goes on meanwhile.</p>
    </Ask>
  );
}

function RollBack({ updates, close, done }) {
  const [why, setWhy] = useState("");
  return (
    <Ask title="Roll the rules back" action="Roll back" kind="bad" ready={why.trim() !== ""} close={close}
      act={async () => {
        await call("rules rollback", { why });
        done(`The rules are those of ${updates.former || "the configured sources alone"} again.`);
      }}>
      <p>From <b>{updates.active || "none"}</b> to <b>{updates.former || "the configured sources alone"}</b>, until the next update. What only the newer version knows is not found then; seals that it has ended stay ended.</p>
      <Field label="Reason"><input required value={why} onInput={(e) => setWhy(e.target.value)} /></Field>
    </Ask>
  );
}

const columns = (updates) => [
  { name: "Version", show: (v) => <>{v.version} {v.version === updates.active && <Tag kind="good">active</Tag>} {v.version === updates.rolled_back && <Tag kind="warn">rolled back</Tag>}</> },
  { name: "Kind", show: (v) => (v.kind === "delta" ? `delta from ${v.delta_from}` : v.kind) },
  { name: "Covers", show: (v) => (v.covers ?? []).join(", ") },
  { name: "Files", class: "number", show: (v) => count(v.files) },
  { name: "Size", class: "number", show: (v) => bytes(v.bytes) },
];

function Progress({ progress }) {
  return (
    <Notice title={`${progress.kind} ${progress.version}:`}>
      {progress.step} {progress.of > 0 && <progress value={progress.bytes} max={progress.of} aria-label="fetched" />}
    </Notice>
  );
}

function Shown({ rules, status, setAsked, mayAct }) {
  const { updates } = rules;
  return (
    <>
      {updates.progress && <Progress progress={updates.progress} />}
      {updates.rolled_back && <Notice kind="warn" title="Rolled back.">From {updates.rolled_back}: what only that version knows is not found.</Notice>}
      {mayAct && (
        <div class="row">
          <button class="primary" disabled={rules.sources.length === 0} onClick={() => setAsked("install")}>Install the rules</button>
          <button disabled={!updates.has_former} onClick={() => setAsked("rollback")}>Roll back</button>
        </div>
      )}
      <section class="card">
        <h2>In force</h2>
        <dl>
          <dt>Ruleset</dt><dd>{status?.dataplane.ruleset || rules.in_force || "none"}</dd>
          <dt>Signatures</dt><dd>{count(rules.signatures)}</dd>
          <dt>Image</dt><dd><code>{rules.image}</code> ({rules.version || "there is none"})</dd>
          <dt>Sources</dt><dd>{rules.sources.length ? rules.sources.map((s) => <div><code>{s}</code></div>) : "none are configured (rules.sources)"}</dd>
        </dl>
      </section>
      <section class="card">
        <h2>The vendor's updates</h2>
        <Table columns={columns(updates)} rows={updates.versions} rowKey={(v) => v.version} empty="No update was received." />
      </section>
    </>
  );
}

export function Rules({ live }) {
  const mayAct = useMayAct();
  const [asked, setAsked] = useState("");
  const [said, setSaid] = useState("");
  const [rules, again] = useAnswer("rules", { seen: live.status?.dataplane.ruleset, step: live.status?.updates?.progress?.step });
  const done = (text) => {
    setSaid(text);
    again();
  };
  return (
    <>
      <h1>Rules</h1>
      <div aria-live="polite">{said && <Notice kind="good">{said}</Notice>}</div>
      <Answer answer={rules}>{(r) => <Shown rules={r} status={live.status} setAsked={setAsked} mayAct={mayAct} />}</Answer>
      {asked === "install" && <Install close={() => setAsked("")} done={done} />}
      {asked === "rollback" && <RollBack updates={rules.updates} close={() => setAsked("")} done={done} />}
    </>
  );
}
