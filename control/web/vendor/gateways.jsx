// SPDX-License-Identifier: BSD-3-Clause
// All gateways and how they are: searched and paged by the server, which may have 10,000 of them.
import { useState } from "preact/hooks";
import { ask } from "../shared/api.js";
import { count, plural, span } from "../shared/format.js";
import { Ask, Notice, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { GatewayForm } from "./gateway_form.jsx";
import { Pager, query, useAsked, useCalm, usePages } from "./live.jsx";

const PAGE = 50;
const STATES = [
  ["", "All"],
  ["sealed", "Sealed"],
  ["open", "Open"],
  ["waiting", "Receipts missing"],
  ["silent", "Silent for an hour"],
];

const since = (seconds) =>
  seconds ? `${span(Date.now() / 1000 - seconds)} ago` : "never";

function State({ gateway }) {
  const state = gateway.state;
  if (!state) return <Tag>not known</Tag>;
  return (
    <>
      <Tag kind={state.sealed ? "warn" : "good"}>{state.sealed ? "sealed" : "open"}</Tag>{" "}
      {state.sealed && state.in_force === false && <Tag kind="bad">not in force</Tag>}
      {state.open?.length > 0 && <span class="sub">{state.open.join(", ")}</span>}
      {state.ruleset && <span class="sub">rules {state.ruleset}</span>}
    </>
  );
}

function Channels({ gateway }) {
  if (gateway.channels.length === 0) return <Tag kind="bad">none</Tag>;
  return (
    <div class="tags">
      {gateway.channels.map((channel) => {
        const delivery = gateway.delivery?.[channel.kind];
        const why = delivery?.why;
        const kind = why ? "bad" : delivery?.receipts ? "good" : "info";
        return (
          <span>
            <Tag kind={kind}>{channel.kind}</Tag>
            <span class="sub">
              {why || (delivery ? `${count(delivery.sent)} sent, ${count(delivery.receipts)} answered` : "")}
            </span>
          </span>
        );
      })}
    </div>
  );
}

function Remove({ gateway, close, done }) {
  const act = async () => {
    await ask("DELETE", `/v1/gateways/${encodeURIComponent(gateway.id)}`);
    done();
  };
  return (
    <Ask title={`Remove ${gateway.name || gateway.id}?`} action="Remove" kind="bad" act={act} close={close}>
      <p>It gets no alerts any more. Seals that are open there stay.</p>
    </Ask>
  );
}

// The server knows those that have not answered without looking.
function Chip({ name, state, chosen, choose, live }) {
  const { answer } = useAsked(state === "waiting" ? null : `/v1/gateways?${query({ state, limit: 1 })}`, live.news);
  const total = state === "waiting" ? live.status.waiting : answer?.total;
  return (
    <button aria-pressed={chosen} onClick={choose}>
      {name}{total === undefined ? "" : ` ${count(total)}`}
    </button>
  );
}

export function Gateways({ live }) {
  const mayAct = useMayAct();
  const [search, setSearch] = useState("");
  const [state, setState] = useState("");
  const [dialog, setDialog] = useState(null);
  const calm = useCalm(search);
  const filter = { search: calm, state };
  const [after, pager] = usePages(query(filter));
  const { answer, error, again } = useAsked(
    `/v1/gateways?${query({ ...filter, after, limit: PAGE })}`,
    live.news + (live.status.receipts ?? 0),
  );
  const close = () => setDialog(null);

  const columns = [
    {
      name: "Gateway",
      show: (g) => <div><strong>{g.name || g.id}</strong>{g.name && g.name !== g.id && <span class="sub">{g.id}</span>}</div>,
    },
    { name: "State", show: (g) => <div><State gateway={g} /></div> },
    { name: "Groups", show: (g) => <div class="tags">{g.groups.map((group) => <Tag>{group}</Tag>)}</div> },
    { name: "Channels", show: (g) => <Channels gateway={g} /> },
    {
      name: "Receipts missing",
      class: "number",
      show: (g) => (g.waiting ? <Tag kind="bad">{count(g.waiting)}</Tag> : "0"),
    },
    { name: "Last seen", show: (g) => since(g.last_seen) },
  ];
  if (mayAct)
    columns.push({
      name: "Actions",
      show: (g) => (
        <div class="actions">
          <button aria-label={`Edit ${g.id}`} onClick={() => setDialog({ kind: "edit", gateway: g })}>Edit</button>
          <button aria-label={`Remove ${g.id}`} onClick={() => setDialog({ kind: "remove", gateway: g })}>Remove</button>
        </div>
      ),
    });

  return (
    <>
      <div class="title">
        <h1>Gateways</h1>
        {mayAct && <button onClick={() => setDialog({ kind: "edit", gateway: null })}>Add a gateway</button>}
      </div>
      <div class="chips" role="group" aria-label="State">
        {STATES.map(([value, name]) => (
          <Chip name={name} state={value} chosen={state === value} choose={() => setState(value)} live={live} />
        ))}
      </div>
      <div class="row">
        <label class="field grow">
          <span>Search</span>
          <input type="search" value={search} onInput={(e) => setSearch(e.target.value)}
            placeholder="id, name or group" />
        </label>
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <>
          <Table columns={columns} rows={answer.gateways} rowKey={(g) => g.id}
            caption={plural(answer.total, "gateway")}
            empty={calm || state ? "No gateway is like that." : "No gateway is registered yet: make a token under Enrolment, or add one."} />
          <Pager {...pager} next={answer.next} note={`${count(answer.total)} in all`} />
        </>
      )}
      {dialog?.kind === "edit" && <GatewayForm gateway={dialog.gateway} close={close} done={again} />}
      {dialog?.kind === "remove" && <Remove gateway={dialog.gateway} close={close} done={again} />}
    </>
  );
}
