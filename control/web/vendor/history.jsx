// SPDX-License-Identifier: BSD-3-Clause
// Who did what, and how it ended.
import { useState } from "preact/hooks";
import { time } from "../shared/format.js";
import { Notice, Table, Tag } from "../shared/parts.jsx";
import { Pager, query, useAsked, useCalm, usePages } from "./live.jsx";

const VIA = { page: "on this page", key: "with a key", token: "with a token", login: "at the log-in", command: "by a command" };

function About({ entry }) {
  const d = entry.details ?? {};
  const text = [d.type, d.virus_id, d.target, d.id, d.gateway, d.groups?.join(", ")].filter(Boolean).join(" · ");
  return d.alert ? <a href={`#/alerts/${d.alert}`}>{text || d.alert.slice(0, 12)}</a> : text || "–";
}

function Result({ entry }) {
  if (entry.status === 202) return <Tag kind="warn">signatures are missing</Tag>;
  if (entry.status < 300) return <Tag kind="good">done</Tag>;
  return <><Tag kind="bad">refused</Tag> <span class="sub">{entry.why}</span></>;
}

export function History({ live }) {
  const [search, setSearch] = useState("");
  const calm = useCalm(search);
  const [before, pager] = usePages(calm);
  const { answer, error } = useAsked(`/v1/history?${query({ search: calm, before, limit: 50 })}`, live.news);

  return (
    <>
      <h1>History</h1>
      <div class="row">
        <label class="field grow">
          <span>Search</span>
          <input type="search" value={search} onInput={(e) => setSearch(e.target.value)}
            placeholder="user, action, virus id, gateway" />
        </label>
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
      {answer && (
        <>
          <Table rows={answer.history} rowKey={(e) => e.number} empty="Nothing of that kind was done."
            columns={[
              { name: "Time", show: (e) => time(e.time) },
              { name: "Who", show: (e) => <div><strong>{e.who}</strong><span class="sub">{[VIA[e.via], e.peer].filter(Boolean).join(", ")}</span></div> },
              { name: "What", show: (e) => e.what },
              { name: "About", show: (e) => <About entry={e} /> },
              { name: "Result", show: (e) => <div><Result entry={e} /></div> },
            ]} />
          <Pager {...pager} next={answer.next} />
        </>
      )}
    </>
  );
}
