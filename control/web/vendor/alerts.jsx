// SPDX-License-Identifier: BSD-3-Clause
// What was said, the latest first.
import { useState } from "preact/hooks";
import { count, time } from "../shared/format.js";
import { Notice, Table, Tag } from "../shared/parts.jsx";
import { Alert } from "./alert.jsx";
import { Pager, query, useAsked, usePages } from "./live.jsx";

const STATES = [["", "All"], ["draft", "Signatures missing"], ["open", "Open"], ["superseded", "Superseded"], ["expired", "Expired"]];
const KINDS = { draft: "warn", open: "info", superseded: "good", expired: "" };
const NAMES = { draft: "signatures are missing", open: "open", superseded: "superseded", expired: "expired" };

export const StateTag = ({ state }) => <Tag kind={KINDS[state]}>{NAMES[state] ?? state}</Tag>;

export const target = (text) =>
  text === "*" ? "all gateways" : text.startsWith("group:") ? `group ${text.slice(6)}` : `gateway ${text.slice(8)}`;

function Answered({ alert }) {
  const { delivered = 0, refused = 0, open = 0 } = alert.deliveries;
  const total = delivered + refused + open;
  if (alert.state === "draft" || alert.type === "ping") return "–";
  return (
    <>
      {count(delivered)} of {count(total)}
      {refused > 0 && <> <Tag kind="bad">{count(refused)} refused</Tag></>}
    </>
  );
}

function List({ live }) {
  const [state, setState] = useState("");
  const [before, pager] = usePages(state);
  const { answer, error } = useAsked(`/v1/alerts?${query({ state, before, limit: 50 })}`, live.news);

  return (
    <>
      <h1>Alerts</h1>
      <div class="chips" role="group" aria-label="State">
        {STATES.map(([value, name]) => (
          <button aria-pressed={state === value} onClick={() => setState(value)}>{name}</button>
        ))}
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <>
          <Table rows={answer.alerts} rowKey={(a) => a.digest} empty="No alert is like that."
            columns={[
              { name: "Alert", show: (a) => <a href={`#/alerts/${a.digest}`}>{a.type} {a.virus_id}</a> },
              { name: "To", show: (a) => target(a.target) },
              { name: "State", show: (a) => <StateTag state={a.state} /> },
              { name: "Answered", show: (a) => <span><Answered alert={a} /></span> },
              { name: "Issued", show: (a) => time(a.issued) },
              { name: "Expires", show: (a) => time(a.expires) },
            ]} />
          <Pager {...pager} next={answer.next} />
        </>
      )}
    </>
  );
}

export const Alerts = ({ live, rest }) =>
  rest[0] ? <Alert key={rest[0]} digest={rest[0]} live={live} /> : <List live={live} />;
