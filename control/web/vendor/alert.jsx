// SPDX-License-Identifier: BSD-3-Clause
// One alert: how its receipts come in, what it says, what is missing of it, and its end.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { count, plural, span, time } from "../shared/format.js";
import { Ask, Field, Figure, Notice, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { StateTag, target } from "./alerts.jsx";
import { Pager, query, useAsked, usePages } from "./live.jsx";

const DELIVERIES = [["open", "Missing"], ["refused", "Refused"], ["delivered", "Delivered"], ["", "All"]];
const KINDS = { open: "warn", delivered: "good", refused: "bad", superseded: "" };

// ---- receipts -------------------------------------------------------------------------------------

const took = (seconds) =>
  seconds === null ? "not yet" : seconds < 60 ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s` : span(seconds);

function Progress({ digest, live }) {
  const { answer } = useAsked(`/v1/alerts/${digest}/progress`, live.news);
  if (!answer) return null;
  const { gateways, delivered, refused, open, seconds } = answer;
  const percent = gateways ? Math.floor((100 * delivered) / gateways) : 0;
  return (
    <section class="card" aria-label="Receipts">
      <h2>Receipts</h2>
      <label>
        <span role="status">{count(delivered)} of {count(gateways)} have it ({percent} %)</span>
        <progress max={gateways || 1} value={delivered} />
      </label>
      <div class="figures">
        <Figure name="Missing" value={count(open)} kind={open ? "warn" : ""} />
        <Figure name="Refused" value={count(refused)} kind={refused ? "bad" : ""} />
        {["50", "90", "100"].map((share) => <Figure name={`Time to ${share} %`} value={took(seconds[share])} />)}
      </div>
    </section>
  );
}

// Pauses between tries grow: who has seen to a gateway does not want to wait for the next one.
function Retry({ digest }) {
  const [said, setSaid] = useState(null);
  const act = async () => {
    try {
      const { gateways } = await ask("POST", `/v1/alerts/${digest}/retry`, {});
      setSaid({ kind: "good", text: `Sent again to ${plural(gateways, "gateway")}.` });
    } catch (failure) {
      setSaid({ kind: "bad", text: failure.message });
    }
  };
  return (
    <div class="row">
      <button onClick={act}>Try the missing ones now</button>
      {said && <Notice kind={said.kind}>{said.text}</Notice>}
    </div>
  );
}

function Deliveries({ digest, live, mayRetry }) {
  const [state, setState] = useState("open");
  const [after, pager] = usePages(state);
  const { answer, error } = useAsked(
    `/v1/alerts/${digest}/deliveries?${query({ state, after, limit: 50 })}`, live.news);
  return (
    <section class="card" aria-label="Gateways">
      <h2>Gateways</h2>
      <div class="chips" role="group" aria-label="Which gateways">
        {DELIVERIES.map(([value, name]) => (
          <button aria-pressed={state === value} onClick={() => setState(value)}>{name}</button>
        ))}
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <>
          <Table rows={answer.deliveries} rowKey={(d) => d.gateway}
            empty={state === "open" ? "None is missing." : "None."}
            columns={[
              { name: "Gateway", show: (d) => d.gateway },
              { name: "State", show: (d) => <Tag kind={KINDS[d.state]}>{d.state === "open" ? "missing" : d.state}</Tag> },
              { name: "Why", show: (d) => d.why || "–" },
              { name: "Channel", show: (d) => d.channel || "–" },
              { name: "Time", show: (d) => (d.time ? time(d.time) : "–") },
            ]} />
          <Pager {...pager} next={answer.next} />
          {mayRetry && state === "open" && answer.deliveries.length > 0 && <Retry digest={digest} />}
        </>
      )}
    </section>
  );
}

// ---- signatures -----------------------------------------------------------------------------------

function Countersign({ alert, signatures, again }) {
  const mayAct = useMayAct();
  const [error, setError] = useState("");
  const link = useMemo(() => URL.createObjectURL(new Blob([alert.envelope + "\n"], { type: "application/json" })), [alert.envelope]);
  useEffect(() => () => URL.revokeObjectURL(link), [link]);
  const file = `${alert.type}-${alert.digest.slice(0, 12)}.json`;

  const take = async (event) => {
    const [chosen] = event.target.files;
    if (!chosen) return;
    setError("");
    try {
      let envelope;
      try {
        envelope = JSON.parse(await chosen.text());
      } catch {
        throw new Error("This file is not JSON: upload the envelope that was countersigned.");
      }
      if (!envelope?.payloadType) throw new Error("This file is not an envelope.");
      const after = await ask("POST", "/v1/alerts", envelope);
      if (after.digest !== alert.digest) window.location.hash = `#/alerts/${after.digest}`;
      again();
    } catch (failure) {
      setError(failure.message);
    }
    event.target.value = "";
  };
  return (
    <section class="card" aria-label="Signatures">
      <h2>Signatures are missing</h2>
      <p>
        It has {plural(signatures, "signature")} and goes out when another officer has signed it, wherever that officer's key is:
      </p>
      <ol>
        <li><a class="button" href={link} download={file}>Download the envelope</a></li>
        <li>There: <code>cordon-vendor verify {file}</code>, then <code>cordon-vendor countersign {file} -k KEY</code></li>
        <li>
          {mayAct ? (
            <label>Upload the countersigned envelope: <input type="file" name="envelope" accept=".json,application/json" onChange={take} /></label>
          ) : "An operator uploads it here."}
        </li>
      </ol>
      {error && <Notice kind="bad">{error}</Notice>}
    </section>
  );
}

// ---- all-clear ------------------------------------------------------------------------------------

function AllClear({ alert, role, close }) {
  const [typed, setTyped] = useState("");
  const [text, setText] = useState("");
  const act = async () => {
    const order = { type: "all-clear", virus_id: alert.virus_id, target: alert.target };
    if (text.trim() !== "") order.info = { text: text.trim() };
    const made = await ask("POST", "/v1/alerts", order);
    window.location.hash = `#/alerts/${made.digest}`;
  };
  return (
    <Ask title={`All-clear for ${alert.virus_id}`} action="Send the all-clear" kind="bad"
      ready={typed === alert.virus_id} act={act} close={close}>
      <p>Seals and screening of this virus end at {target(alert.target)}; held mail is scanned and goes on.</p>
      {role && role.here < role.threshold && (
        <Notice kind="info">It needs {role.threshold} signatures, {role.here} can be made here: a second signer is asked for.</Notice>
      )}
      <Field label="Reason"><input value={text} onInput={(e) => setText(e.target.value)} /></Field>
      <Field label="Type the virus id to confirm" hint={alert.virus_id}>
        <input value={typed} autocomplete="off" onInput={(e) => setTyped(e.target.value)} />
      </Field>
    </Ask>
  );
}

// ---- all of it ------------------------------------------------------------------------------------

function payloadOf(envelope) {
  try {
    const { payload, signatures } = JSON.parse(envelope);
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    return { said: JSON.parse(new TextDecoder().decode(bytes)), signatures: signatures.length };
  } catch {
    return { said: null, signatures: 0 };
  }
}

const LONG = 20000;

function Said({ said }) {
  if (!said) return null;
  const { info = {}, seal, screen, update, revoke } = said;
  const text = JSON.stringify(said, null, 1);
  const rows = [
    ["Severity", info.severity],
    ["Title", info.title],
    ["Text", info.text],
    ["Mode", seal?.mode],
    ["Directions", seal?.directions?.join(", ")],
    ["Scope", seal?.scope && Object.entries(seal.scope).map(([name, value]) => `${name}: ${value}`).join(", ")],
    ["Longest", seal?.max_seconds && span(seal.max_seconds)],
    ["Checksums", screen && count(screen.length)],
    ["Version", update?.version],
    ["Covers", update?.covers?.join(", ")],
    ["Signatures", revoke?.signatures?.join(", ")],
    ["Digests", revoke?.digests?.join(", ")],
  ].filter(([, value]) => value);
  return (
    <section class="card" aria-label="What it says">
      <h2>What it says</h2>
      <dl>{rows.map(([name, value]) => <><dt>{name}</dt><dd>{String(value)}</dd></>)}</dl>
      <details>
        <summary>All of it</summary>
        <pre class="scroll" role="region" aria-label="Text" tabIndex={0}>{text.length > LONG ? `${text.slice(0, LONG)}\n… ${count(text.length - LONG)} more` : text}</pre>
      </details>
    </section>
  );
}

export function Alert({ digest, live }) {
  const mayAct = useMayAct();
  const [clearing, setClearing] = useState(false);
  const { answer: alert, error, again } = useAsked(`/v1/alerts/${digest}`, live.news);
  const { said, signatures } = useMemo(() => payloadOf(alert?.envelope), [alert?.envelope]);
  if (!alert) return error ? <Notice kind="bad">{error}</Notice> : <p class="empty">…</p>;

  const isAnswered = alert.state !== "draft" && alert.type !== "ping";
  const endable = (alert.type === "seal" || alert.type === "screen") && alert.state !== "draft";
  return (
    <>
      <p><a href="#/alerts">All alerts</a></p>
      <div class="title">
        <h1>{alert.type} {alert.virus_id} <StateTag state={alert.state} /></h1>
        {mayAct && endable && <button class="primary" onClick={() => setClearing(true)}>Send the all-clear…</button>}
      </div>
      {alert.state === "draft" && <Countersign alert={alert} signatures={signatures} again={again} />}
      {isAnswered && <Progress digest={alert.digest} live={live} />}
      {isAnswered && <Deliveries digest={alert.digest} live={live} mayRetry={mayAct && alert.state === "open"} />}
      {alert.type === "ping" && <Notice>Who has answered a ping was seen at that time: <a href="#/gateways">Gateways</a>.</Notice>}
      <Said said={said} />
      <section class="card" aria-label="Where it stands">
        <dl>
          <dt>To</dt><dd>{target(alert.target)}</dd>
          <dt>Issued</dt><dd>{time(alert.issued)}</dd>
          <dt>Expires</dt><dd>{time(alert.expires)}</dd>
          <dt>Role</dt><dd>{alert.role}, epoch {alert.epoch}, number {alert.sequence}, {plural(signatures, "signature")}</dd>
          <dt>Digest</dt><dd class="mono">{alert.digest}</dd>
        </dl>
      </section>
      {clearing && <AllClear alert={alert} role={live.status.roles?.["all-clear"]} close={() => setClearing(false)} />}
    </>
  );
}
