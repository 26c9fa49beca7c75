// SPDX-License-Identifier: BSD-3-Clause
// What the folder of signatures has, and publishing it as an update.
import { useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { bytes, count, plural } from "../shared/format.js";
import { Ask, Field, Notice, Table, useMayAct } from "../shared/parts.jsx";
import { target } from "./alerts.jsx";
import { useAsked } from "./live.jsx";
import { SignatureNote } from "./review.jsx";

const SHOWN = 200;

function today() {
  const now = new Date().toISOString();
  return `${now.slice(0, 10).replaceAll("-", ".")}-${now.slice(11, 16).replace(":", "")}`;
}

function Publish({ catalogue, live, close }) {
  const [version, setVersion] = useState(today());
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("*");
  const [typed, setTyped] = useState("");

  const act = async () => {
    const update = { version: version.trim() };
    if (from.trim() !== "") update.delta_from = from.trim();
    const made = await ask("POST", "/v1/alerts", { type: "update", target: to, update });
    window.location.hash = `#/alerts/${made.digest}`;
  };
  const isTarget = /^(\*|(group|gateway):.+)$/.test(to);
  return (
    <Ask title="Publish an update" action="Sign and publish" kind="bad"
      ready={version !== "" && typed === version && isTarget} act={act} close={close}>
      <p>
        {plural(catalogue.files.length, "file")}; it covers {plural(Object.keys(catalogue.covers).length, "virus id")}, whose seals
        end at {isTarget ? target(to) : "…"}.
      </p>
      <Field label="Version" hint="At most 64 letters, digits and . _ + -">
        <input value={version} maxLength={64} onInput={(e) => setVersion(e.target.value)} />
      </Field>
      <Field label="Adds to version" hint="Empty: it stands alone.">
        <input value={from} onInput={(e) => setFrom(e.target.value)} />
      </Field>
      <Field label="Target" hint="*, group:NAME or gateway:NAME">
        <input value={to} onInput={(e) => setTo(e.target.value)} />
      </Field>
      <SignatureNote type="update" live={live} />
      <Field label="Type the version to confirm" hint={version}>
        <input value={typed} autocomplete="off" onInput={(e) => setTyped(e.target.value)} />
      </Field>
    </Ask>
  );
}

export function Update({ live }) {
  const mayAct = useMayAct();
  const [asking, setAsking] = useState(false);
  const [search, setSearch] = useState("");
  const { answer, error, again } = useAsked("/v1/catalogue");

  const like = search.toLowerCase();
  const covers = Object.entries(answer?.covers ?? {})
    .filter(([id, names]) => !like || `${id} ${names.join(" ")}`.toLowerCase().includes(like));
  return (
    <>
      <div class="title">
        <h1>Update</h1>
        <div class="actions">
          <button onClick={again}>Read the folder again</button>
          {mayAct && answer && <button class="primary" onClick={() => setAsking(true)}>Publish an update…</button>}
        </div>
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <>
          <section class="card" aria-label="Covers">
            <h2>Virus ids that are covered</h2>
            <label class="field">
              <span>Search</span>
              <input type="search" value={search} onInput={(e) => setSearch(e.target.value)} placeholder="virus id or signature" />
            </label>
            <Table rows={covers.slice(0, SHOWN)} rowKey={([id]) => id} empty="No signature names a virus id like that."
              caption={covers.length > SHOWN ? `The first ${SHOWN} of ${count(covers.length)}` : undefined}
              columns={[
                { name: "Virus id", show: ([id]) => <strong>{id}</strong> },
                { name: "Signatures", show: ([, names]) => names.slice(0, 20).join(", ") + (names.length > 20 ? ` and ${count(names.length - 20)} more` : "") },
              ]} />
          </section>
          <section class="card" aria-label="Files">
            <h2>Files</h2>
            <Table rows={answer.files} rowKey={(f) => f.name} empty="The folder is empty."
              columns={[
                { name: "File", show: (f) => f.name },
                { name: "Size", class: "number", show: (f) => bytes(f.bytes) },
                { name: "SHA-256", show: (f) => <code>{f.sha256}</code> },
              ]} />
          </section>
        </>
      )}
      {asking && <Publish catalogue={answer} live={live} close={() => setAsking(false)} />}
    </>
  );
}
