// SPDX-License-Identifier: BSD-3-Clause
// An order once more before it is signed: what it says, whom it reaches, whose signatures it needs. Who sends it types
// the virus id.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { count, plural, span } from "../shared/format.js";
import { Field, Notice } from "../shared/parts.jsx";
import { target } from "./alerts.jsx";
import { query, useAsked } from "./live.jsx";

const ROLES = { seal: "alerts", screen: "alerts", ping: "alerts", update: "updates", revoke: "updates", "all-clear": "all-clear" };
const SHOWN = 20;

// How many gateways it goes to; null: not known yet.
function useReach(order, live) {
  const [kind, name] = [order.target.split(":")[0], order.target.slice(order.target.indexOf(":") + 1)];
  const group = useAsked(kind === "group" ? `/v1/gateways?${query({ group: name, limit: 1 })}` : null);
  const one = useAsked(kind === "gateway" ? `/v1/gateways/${encodeURIComponent(name)}` : null);
  if (kind === "group") return group.answer?.total ?? null;
  if (kind === "gateway") return one.answer ? 1 : one.error ? 0 : null;
  return live.status.gateways ?? null;
}

export function SignatureNote({ type, live }) {
  const role = live.status.roles?.[ROLES[type]];
  if (!role) return null;
  if (role.here === 0)
    return <Notice kind="bad">No key of the role {ROLES[type]} is at hand here: it must be signed elsewhere.</Notice>;
  if (role.here < role.threshold)
    return (
      <Notice kind="warn">
        It needs {role.threshold} signatures, {role.here} can be made here: it goes out when the next signer has countersigned it.
      </Notice>
    );
  return <Notice kind="info">It is signed here and goes out at once.</Notice>;
}

function rowsOf(order) {
  const { seal, screen, revoke, info } = order;
  const scope = Object.entries(seal?.scope ?? {}).map(([name, value]) => `${name}: ${value}`);
  return [
    ["Type", order.type],
    ["Severity", info.severity],
    ["Virus id", order.virus_id ?? "none"],
    ["Title", info.title],
    ["Text", info.text],
    ["Expires", `after ${span(order.seconds)}`],
    ["Mode", seal?.mode],
    ["Directions", seal && (seal.directions?.join(", ") ?? "both")],
    ["Scope", seal && (scope.join(", ") || "all mail")],
    ["Longest", seal && (seal.max_seconds ? span(seal.max_seconds) : "as long as each gateway allows")],
    ["Checksums", screen && `${count(screen.length)} entries, action ${screen[0].action ?? "by policy"}`],
    ["Signatures", revoke?.signatures?.join(", ")],
    ["Digests", revoke?.digests?.join(", ")],
    ["Undo", revoke && (revoke.undo ? "yes: they count again" : "no")],
  ].filter(([, value]) => value);
}

export function Review({ order, live, back }) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const heading = useRef(null);
  const reach = useReach(order, live);
  const wanted = order.virus_id ?? order.type;
  const shown = order.screen ? { ...order, screen: order.screen.slice(0, SHOWN) } : order;

  useEffect(() => heading.current.focus(), []);

  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      const made = await ask("POST", "/v1/alerts", order);
      window.location.hash = `#/alerts/${made.digest}`;
    } catch (failure) {
      setError(failure.message);
      setBusy(false);
    }
  };

  return (
    <form onSubmit={send} aria-label="Review">
      <h1 ref={heading} tabIndex={-1}>Review</h1>
      <section class="card">
        <dl>
          <dt>To</dt>
          <dd>{target(order.target)}{reach !== null && <strong> ({plural(reach, "gateway")})</strong>}</dd>
          {rowsOf(order).map(([name, value]) => <><dt>{name}</dt><dd>{value}</dd></>)}
        </dl>
        <details>
          <summary>As it is signed</summary>
          <pre class="scroll" role="region" aria-label="Text" tabIndex={0}>{JSON.stringify(shown, null, 1)}{order.screen?.length > SHOWN ? `\n… ${count(order.screen.length - SHOWN)} more entries` : ""}</pre>
        </details>
      </section>
      {reach === 0 && <Notice kind="warn">There is no such gateway: nobody would get it.</Notice>}
      {order.type === "seal" && !order.seal.scope && <Notice kind="warn" title="All mail">is covered, for the seal has no scope.</Notice>}
      <SignatureNote type={order.type} live={live} />
      <Field label={order.virus_id ? "Type the virus id to confirm" : `Type “${order.type}” to confirm`} hint={wanted}>
        <input value={typed} autocomplete="off" onInput={(e) => setTyped(e.target.value)} />
      </Field>
      {error && <Notice kind="bad">{error}</Notice>}
      <div class="buttons">
        <button type="button" onClick={back}>Back</button>
        <button class="primary bad" disabled={busy || typed !== wanted}>Sign and send</button>
      </div>
    </form>
  );
}
