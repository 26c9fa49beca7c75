// SPDX-License-Identifier: BSD-3-Clause
// Mail that was kept back: a list that is searched, sorted and paged by the server, and what is done with many at
// once.
import { useEffect, useRef, useState } from "preact/hooks";
import { Ask, Field, Notice, Said, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { bytes, count, time } from "../shared/format.js";
import { Answer, call, useAnswer } from "./live.jsx";
import { MailDetail } from "./mail_detail.jsx";

const TITLES = { held: "Held mail", quarantined: "Quarantine" };
export const PATHS = { held: "held", quarantined: "quarantine" };
const SIZES = [50, 100, 500];
const TYPING_MS = 250;
const BATCH = 1000; // of what is asked for at once: as many as the gateway takes
const NOTHING = { text: "", sender: "", recipient: "", subject: "", virus_id: "", signature: "", since: "", until: "", min_kib: "", max_kib: "" };
const BEGIN = { filter: NOTHING, order: "arrival", descending: true, offset: 0, limit: SIZES[0] };

// Of each state, so that who comes back from one mail finds the list as it was.
const kept = { held: BEGIN, quarantined: BEGIN };

const seconds = (local) => Math.floor(new Date(local).getTime() / 1000);
// What stands alone is looked for anywhere.
const pattern = (text) => (/[*?]/.test(text) ? text : `*${text}*`);

// The members of `mail list`.
function request(state, { filter, order, descending, offset, limit }) {
  const members = { state, order, descending, offset, limit };
  if (filter.text.trim()) members.text = filter.text;
  for (const name of ["sender", "recipient", "subject", "virus_id", "signature"])
    if (filter[name]) members[name] = pattern(filter[name]);
  for (const name of ["since", "until"]) if (filter[name]) members[name] = seconds(filter[name]);
  if (filter.min_kib) members.min_bytes = Math.round(filter.min_kib * 1024);
  if (filter.max_kib) members.max_bytes = Math.round(filter.max_kib * 1024);
  return members;
}

function Filters({ filter, put }) {
  const field = (name, label, type = "text", hint) => (
    <Field label={label} hint={hint}>
      <input type={type} min="0" step="any" value={filter[name]} onInput={(e) => put({ ...filter, [name]: e.target.value })} />
    </Field>
  );
  const used = Object.entries(filter).filter(([name, value]) => name !== "text" && value !== "").length;
  const [open, setOpen] = useState(used > 0);
  return (
    <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      <div class="row">
        <Field label="Search">
          <input type="search" size="30" placeholder="sender, recipient, subject, virus, id" value={filter.text}
            onInput={(e) => put({ ...filter, text: e.target.value })} />
        </Field>
        <button type="button" disabled={!used && !filter.text} onClick={() => put(NOTHING)}>Clear</button>
      </div>
      <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary>Filters{used > 0 && ` (${used})`}</summary>
        <div class="grid fields">
          {field("sender", "Sender")}
          {field("recipient", "Recipient")}
          {field("subject", "Subject")}
          {field("virus_id", "Virus id")}
          {field("signature", "Signature")}
          {field("since", "Arrived since", "datetime-local")}
          {field("until", "Arrived before", "datetime-local")}
          {field("min_kib", "KiB at least", "number")}
          {field("max_kib", "KiB at most", "number")}
        </div>
      </details>
    </form>
  );
}

// All that `members` hold of, the oldest first, but for what comes meanwhile; going(n) after each batch says whether to
// go on.
async function decideAll(action, members, why, going) {
  const { state, seen, offset, ...rest } = members;
  const latest = await call("mail list", { ...rest, state, order: "arrival", descending: true, limit: 1 });
  const answer = { done: [], failed: [] };
  if (latest.total === 0) return answer;
  const until = Math.min(rest.until ?? Infinity, seconds(latest.records[0].arrival) + 1);
  for (;;) {
    const batch = await call("mail list", { ...rest, state, until, order: "arrival", descending: false, limit: BATCH, offset: answer.failed.length });
    if (batch.records.length === 0) return answer;
    const part = await call(`mail ${action}`, { ids: batch.records.map((r) => r.id), state, why });
    answer.done.push(...part.done);
    answer.failed.push(...part.failed);
    if (!going(answer.done.length + answer.failed.length)) return answer;
  }
}

// action: "release" or "delete". ids: of one or many mails; or every: { members, total } of all that are found.
export function Decide({ action, ids, every, state, found, close, done }) {
  const [why, setWhy] = useState("");
  const [typed, setTyped] = useState("");
  const [progress, setProgress] = useState(0);
  const gone = useRef(false);
  const release = action === "release";
  const number = every ? every.total : ids.length;
  const mails = number === 1 ? "this mail" : `these ${count(number)} mails`;
  const isTyped = !every || typed.replace(/\D/g, "") === String(number);

  useEffect(() => () => { gone.current = true; }, []);

  async function act() {
    const going = (n) => {
      setProgress(n);
      return !gone.current;
    };
    done(every ? await decideAll(action, every.members, why, going) : await call(`mail ${action}`, { ids, state, why }));
  }
  return (
    <Ask title={`${release ? "Release" : "Delete"} ${mails}`} action={release ? "Release" : "Delete"} kind={release && state !== "quarantined" ? "" : "bad"}
      ready={why.trim() !== "" && isTyped} act={act} close={close}>
      <p>{release
        ? `${number === 1 ? "It is" : "They are"} delivered to the recipients as ${number === 1 ? "it" : "they"} came, whatever the rules say.`
        : `${number === 1 ? "It is" : "They are"} gone for good; nobody is told.`}</p>
      {release && state === "quarantined" && (
        <Notice kind="bad" title="It is not clean."><Said>{found ? `${found} reaches the recipients.` : "What was found in it reaches the recipients."}</Said></Notice>
      )}
      {every && (
        <Field label="Type the number of mails" hint={`${count(number)}, on all pages; Cancel stops on the way`}>
          <input required inputmode="numeric" autocomplete="off" value={typed} onInput={(e) => setTyped(e.target.value)} />
        </Field>
      )}
      {progress > 0 && <p role="status">{count(progress)} of {count(number)} <progress value={progress} max={number} aria-label="done" /></p>}
      <Field label="Reason" hint="It is written down with your name."><input required autofocus value={why} onInput={(e) => setWhy(e.target.value)} /></Field>
    </Ask>
  );
}

// What became of many, as a notice.
export function Outcome({ outcome }) {
  if (!outcome) return null;
  const { action, answer } = outcome;
  return (
    <Notice kind={answer.failed.length ? "warn" : "good"}>
      {count(answer.done.length)} {answer.done.length === 1 ? "mail" : "mails"} {action === "release" ? "released" : "deleted"}.
      {answer.failed.length > 0 && ` Not done: ${answer.failed.slice(0, 5).map((f) => `${f.id}: ${f.why}`).join("; ")}`}
    </Notice>
  );
}

const names = (r) => (r.signatures.length ? r.signatures : r.seals);

function columns(state, view, sortBy, chosen, choose, chooseAll, records) {
  const sorted = (name, key, more) => ({
    name,
    ...more,
    head: (
      <button class="sort" onClick={() => sortBy(key)} aria-label={`Sort by ${name.toLowerCase()}`}>
        {name} {view.order === key ? (view.descending ? "▼" : "▲") : ""}
      </button>
    ),
  });
  const all = records.length > 0 && records.every((r) => chosen?.has(r.id));
  const box = {
    name: "Choose",
    class: "box",
    head: <input type="checkbox" aria-label="Choose all on this page" checked={all} onChange={() => chooseAll(!all)} />,
    show: (r) => <input type="checkbox" aria-label={`Choose ${r.id}`} checked={chosen.has(r.id)} onChange={() => choose(r.id)} />,
  };
  return [
    ...(chosen ? [box] : []),
    sorted("Arrived", "arrival", { class: "when", show: (r) => time(r.arrival) }),
    sorted("Subject", "subject", { show: (r) => <a href={`#/${PATHS[state]}/${r.id}`}><Said>{r.subject || "(no subject)"}</Said></a> }),
    sorted("Sender", "sender", { class: "address", show: (r) => <Said>{r.mail_from || "<>"}</Said> }),
    { name: "Recipients", class: "address", show: (r) => <><Said>{r.rcpt_to.slice(0, 2).join(", ")}</Said>{r.rcpt_to.length > 2 ? ` and ${r.rcpt_to.length - 2} more` : ""}</> },
    { name: "Why", show: (r) => names(r).length ? names(r).map((n) => <Tag kind={r.signatures.length ? "bad" : "warn"}><Said>{n}</Said></Tag>) : r.reason },
    sorted("Size", "bytes", { class: "number", show: (r) => bytes(r.bytes) }),
  ];
}

function Pages({ view, total, shown, go }) {
  const last = Math.max(0, Math.floor((total - 1) / view.limit) * view.limit);
  return (
    <div class="pages">
      <span role="status">{total === 0 ? "No mail" : `${count(view.offset + 1)} to ${count(view.offset + shown)} of ${count(total)}`}</span>
      <button disabled={view.offset === 0} onClick={() => go({ offset: 0 })}>First</button>
      <button disabled={view.offset === 0} onClick={() => go({ offset: Math.max(0, view.offset - view.limit) })}>Previous</button>
      <button disabled={view.offset >= last} onClick={() => go({ offset: view.offset + view.limit })}>Next</button>
      <button disabled={view.offset >= last} onClick={() => go({ offset: last })}>Last</button>
      <label>
        <select aria-label="Mails on a page" value={view.limit} onChange={(e) => go({ limit: Number(e.target.value), offset: 0 })}>
          {SIZES.map((n) => <option value={n}>{n} a page</option>)}
        </select>
      </label>
    </div>
  );
}

// The value, once it has not changed for a moment.
function useSettled(value) {
  const [settled, setSettled] = useState(value);
  const key = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}

function MailList({ state, live }) {
  const mayAct = useMayAct();
  const [view, setView] = useState(kept[state]);
  const [chosen, setChosen] = useState(new Set());
  const [every, setEvery] = useState(null); // all that are found, on other pages too
  const [asked, setAsked] = useState("");
  const [outcome, setOutcome] = useState(null);
  const settled = useSettled(view);
  const number = live.status?.mail[state] ?? 0;
  const shownNumber = useRef(number);
  // While some are chosen the list keeps still.
  if (chosen.size === 0) shownNumber.current = number;
  const members = request(state, settled);
  const [answer, again] = useAnswer("mail list", { ...members, seen: shownNumber.current });

  const go = (change) => {
    kept[state] = { ...view, ...change };
    setView(kept[state]);
    choose(new Set());
  };
  const sortBy = (order) => go({ order, descending: view.order === order ? !view.descending : order === "arrival", offset: 0 });
  const choose = (ids) => {
    setChosen(ids);
    setEvery(null);
  };
  const chooseOne = (id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  const records = answer?.records ?? [];
  const chooseAll = (on) => choose(new Set(on ? records.map((r) => r.id) : []));
  const isPage = records.length > 0 && chosen.size === records.length && answer.total > records.length;
  const done = (result) => {
    setOutcome({ action: asked, answer: result });
    choose(new Set());
    again();
  };

  return (
    <>
      <h1>{TITLES[state]}</h1>
      <div aria-live="polite"><Outcome outcome={outcome} /></div>
      <Filters filter={view.filter} put={(filter) => go({ filter, offset: 0 })} />
      {mayAct && (
        <div class="row actions">
          <button disabled={chosen.size === 0} onClick={() => setAsked("release")}>Release</button>
          <button disabled={chosen.size === 0} onClick={() => setAsked("delete")}>Delete</button>
          <span role="status">{chosen.size > 0 && `${count(every ? every.total : chosen.size)} chosen`}</span>
          {isPage && !every && <button onClick={() => setEvery({ members, total: answer.total })}>Choose all {count(answer.total)} found</button>}
          {chosen.size > 0 && <button onClick={() => choose(new Set())}>Choose none</button>}
        </div>
      )}
      <Answer answer={answer}>
        {(list) => (
          <>
            <Table columns={columns(state, view, sortBy, mayAct ? chosen : null, chooseOne, chooseAll, list.records)}
              rows={list.records} rowKey={(r) => r.id} empty="No such mail." />
            <Pages view={settled} total={list.total} shown={list.records.length} go={go} />
          </>
        )}
      </Answer>
      {asked && <Decide action={asked} ids={[...chosen]} every={every} state={state} close={() => setAsked("")} done={done} />}
    </>
  );
}

const Mail = ({ state, rest, live }) =>
  rest[0] ? <MailDetail key={rest[0]} id={rest[0]} state={state} /> : <MailList state={state} live={live} />;

export const Held = (props) => <Mail state="held" {...props} />;
export const Quarantine = (props) => <Mail state="quarantined" {...props} />;
