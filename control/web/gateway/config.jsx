// SPDX-License-Identifier: BSD-3-Clause
// The configuration as it runs, to be looked at: it is changed in the files.
import { useState } from "preact/hooks";
import { Field, Notice, Table } from "../shared/parts.jsx";
import { Answer, useAnswer } from "./live.jsx";

const columns = [
  { name: "Option", class: "address", show: (o) => <code>{o.key}</code> },
  { name: "Value", show: (o) => (o.value === "" ? <i>empty</i> : <span class={o.value === o.default ? "" : "changed"}><code>{o.value}</code> {/^\d/.test(o.value) ? o.unit : ""}</span>) },
  { name: "Default", show: (o) => (o.value === o.default || o.key.includes("[") ? "" : <code>{o.default || "empty"}</code>) },
  { name: "Meaning", class: "help", show: (o) => o.help.replaceAll("`", "") },
];

function Part({ title, options, words, changed }) {
  if (!options) return <Notice kind="warn" title={title}>It does not answer.</Notice>;
  const shown = options.filter(
    (o) => (!changed || o.value !== o.default) && (!words || `${o.key} ${o.value} ${o.help}`.toLowerCase().includes(words.toLowerCase())),
  );
  return (
    <section class="card">
      <h2>{title}</h2>
      <Table columns={columns} rows={shown} rowKey={(o) => o.key} empty="No such option." />
    </section>
  );
}

export function Config() {
  const [answer] = useAnswer("config");
  const [words, setWords] = useState("");
  const [changed, setChanged] = useState(true);
  return (
    <>
      <h1>Configuration</h1>
      <div class="row">
        <Field label="Search"><input type="search" value={words} onInput={(e) => setWords(e.target.value)} /></Field>
        <label class="check"><input type="checkbox" checked={changed} onChange={(e) => setChanged(e.target.checked)} /> Only what differs from its default</label>
      </div>
      <p class="empty">As both processes run with it. Files that are named here are not shown.</p>
      <Answer answer={answer}>
        {(parts) => (
          <>
            <Part title="Control process" options={parts.control} words={words} changed={changed} />
            <Part title="Dataplane" options={parts.dataplane} words={words} changed={changed} />
          </>
        )}
      </Answer>
    </>
  );
}
