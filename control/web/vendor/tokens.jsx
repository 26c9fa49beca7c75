// SPDX-License-Identifier: BSD-3-Clause
// Tokens that gateways come in by.
import { useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { time } from "../shared/format.js";
import { Ask, Field, Notice, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { names } from "./gateway_form.jsx";
import { useAsked } from "./live.jsx";

function MakeToken({ close, made }) {
  const [gateway, setGateway] = useState("");
  const [groups, setGroups] = useState("");
  const [hours, setHours] = useState("24");

  const act = async () => {
    const body = { groups: names(groups), seconds: Math.round(Number(hours) * 3600) };
    if (gateway.trim() !== "") body.gateway = gateway.trim();
    made(await ask("POST", "/v1/tokens", body));
  };
  return (
    <Ask title="Make a token" action="Make it" ready={Number(hours) > 0} act={act} close={close}>
      <Field label="Gateway" hint="Its id; empty: any that is not registered yet.">
        <input value={gateway} onInput={(e) => setGateway(e.target.value)} />
      </Field>
      <Field label="Groups" hint="That it will be in, with commas between them.">
        <input value={groups} onInput={(e) => setGroups(e.target.value)} />
      </Field>
      <Field label="Hours" hint="For which it is good.">
        <input type="number" min="1" max="2160" value={hours} onInput={(e) => setHours(e.target.value)} />
      </Field>
    </Ask>
  );
}

const stateOf = (token) =>
  token.used ? <Tag kind="good">used by {token.used_by}</Tag>
    : token.expires * 1000 < Date.now() ? <Tag kind="warn">expired</Tag> : <Tag>unused</Tag>;

export function Tokens({ live }) {
  const mayAct = useMayAct();
  const [asking, setAsking] = useState(false);
  const [token, setToken] = useState(null);
  const { answer, error, again } = useAsked("/v1/tokens?limit=1000", live.news);
  const made = (fresh) => {
    setToken(fresh);
    again();
  };

  return (
    <>
      <div class="title">
        <h1>Enrolment</h1>
        {mayAct && <button onClick={() => setAsking(true)}>Make a token</button>}
      </div>
      <p>With a token one gateway registers itself, once: <code>POST /v1/enrol</code> (docs/vendor-api.md).</p>
      {token && (
        <Notice kind="good" title="The token, which is shown only now:">
          <code class="secret">{token.token}</code> good until {time(token.expires)}
        </Notice>
      )}
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <Table rows={answer.tokens} rowKey={(t) => `${t.created}${t.gateway}${t.expires}`} empty="No token was made yet."
          columns={[
            { name: "For", show: (t) => t.gateway || "any new gateway" },
            { name: "Groups", show: (t) => t.groups.join(", ") || "none" },
            { name: "State", show: stateOf },
            { name: "Made", show: (t) => time(t.created) },
            { name: "Expires", show: (t) => time(t.expires) },
          ]} />
      )}
      {asking && <MakeToken close={() => setAsking(false)} made={made} />}
    </>
  );
}
