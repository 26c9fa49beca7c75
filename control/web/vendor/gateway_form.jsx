// SPDX-License-Identifier: BSD-3-Clause
// A gateway to be added or changed.
import { useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { Ask, Field } from "../shared/parts.jsx";

// By kind what a channel may say besides (docs/vendor-api.md).
const KINDS = {
  https: [["url", "URL"]],
  tcp: [["address", "Address"]],
  "tcp-in": [],
  udp: [["address", "Address"]],
  snmp: [["address", "Address"], ["notify", "Notify"], ["version", "Version"], ["user", "User"]],
  mqtt: [],
  mail: [["address", "Address"]],
  pull: [],
};
const HINTS = { URL: "https://gateway:port/v1/alerts", Notify: "trap, or empty for informs", Version: "2c, or empty for 3" };

export const names = (text) =>
  text.split(/[,\n]/).map((name) => name.trim()).filter((name) => name !== "");

function Channel({ channel, change, remove, number }) {
  const set = (name, value) => {
    const next = { ...channel, [name]: value };
    if (value === "") delete next[name];
    change(next);
  };
  return (
    <fieldset>
      <legend>Channel {number}</legend>
      <div class="pair">
        <Field label={`Kind ${number}`}>
          <select value={channel.kind} onChange={(e) => change({ kind: e.target.value })}>
            {Object.keys(KINDS).map((kind) => <option value={kind}>{kind}</option>)}
          </select>
        </Field>
        {KINDS[channel.kind].map(([name, label]) => (
          <Field label={`${label} ${number}`} hint={HINTS[label]}>
            <input value={channel[name] ?? ""} onInput={(e) => set(name, e.target.value.trim())} />
          </Field>
        ))}
      </div>
      <div class="row"><button type="button" onClick={remove}>Remove channel {number}</button></div>
    </fieldset>
  );
}

export function GatewayForm({ gateway, close, done }) {
  const [id, setId] = useState(gateway?.id ?? "");
  const [name, setName] = useState(gateway?.name ?? "");
  const [key, setKey] = useState(gateway?.public_key ?? "");
  const [groups, setGroups] = useState((gateway?.groups ?? []).join(", "));
  const [channels, setChannels] = useState(gateway?.channels ?? []);

  const act = async () => {
    const body = { public_key: key.trim(), groups: names(groups), channels };
    if (name.trim() !== "") body.name = name.trim();
    await ask("PUT", `/v1/gateways/${encodeURIComponent(id)}`, body);
    done();
  };
  const at = (i, next) => setChannels(channels.map((c, k) => (k === i ? next : c)));

  return (
    <Ask title={gateway ? `Change ${gateway.id}` : "Add a gateway"} action={gateway ? "Save" : "Add"}
      ready={id !== "" && key !== ""} act={act} close={close}>
      {!gateway && (
        <Field label="Id" hint="What the gateway calls itself: gateway in its configuration.">
          <input value={id} maxLength={128} onInput={(e) => setId(e.target.value.trim())} />
        </Field>
      )}
      <Field label="Display name"><input value={name} maxLength={128} onInput={(e) => setName(e.target.value)} /></Field>
      <Field label="Public key" hint="Ed25519, base64: cordonctl alerts shows it.">
        <input class="mono" value={key} onInput={(e) => setKey(e.target.value)} />
      </Field>
      <Field label="Groups" hint="Names with commas between them.">
        <input value={groups} onInput={(e) => setGroups(e.target.value)} />
      </Field>
      {channels.map((channel, i) => (
        <Channel channel={channel} number={i + 1} change={(next) => at(i, next)}
          remove={() => setChannels(channels.filter((_, k) => k !== i))} />
      ))}
      <button type="button" onClick={() => setChannels([...channels, { kind: "https" }])}>Add a channel</button>
    </Ask>
  );
}
