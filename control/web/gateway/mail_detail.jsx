// SPDX-License-Identifier: BSD-3-Clause
// One mail: why it is kept, what is in it, and what was done with it. Nothing of it is shown as anything but text.
import { useRef, useState } from "preact/hooks";
import { Ask, Field, Notice, Said, Table, Tag, useMayAct } from "../shared/parts.jsx";
import { bytes, time } from "../shared/format.js";
import { Answer, call, useAnswer } from "./live.jsx";
import { Decide, Outcome, PATHS } from "./mail.jsx";

const STATES = {
  held: "held",
  quarantined: "in quarantine",
  released: "released, on its way",
  delivered: "delivered",
  deleted: "deleted",
  withdrawn: "withdrawn: its sender was told that it failed",
  gone: "not here any more",
};
const WAITING = ["held", "quarantined"];
const HERE = [...WAITING, "released"];

// The mail as it is; what was known of it before, once it has left.
function useMail(id) {
  const [answer, again] = useAnswer("mail show", { id, maybe_gone: true });
  const known = useRef({});
  if (answer && answer.state && answer.state !== "gone") known.current = answer;
  return [answer && answer.state === "gone" ? { ...known.current, ...answer } : answer, again];
}

const partColumns = [
  { name: "Part", class: "number", show: (p) => (p.parent ? `${p.index} in ${p.parent}` : p.index) },
  { name: "Name", show: (p) => p.filename && <Said>{p.filename}</Said> },
  { name: "Type as said", show: (p) => <Said>{p.content_type}</Said> },
  { name: "Type by content", show: (p) => p.detected_type },
  { name: "Size", class: "number", show: (p) => (p.bytes == null ? "" : bytes(p.bytes)) },
  { name: "SHA-256", show: (p) => p.sha256 && <code>{p.sha256}</code> },
];

const historyColumns = [
  { name: "Time", class: "when", show: (h) => time(h.time) },
  { name: "State", show: (h) => h.state },
  { name: "Who", show: (h) => <Said>{h.who}</Said> },
  { name: "Why", show: (h) => <Said>{h.why}</Said> },
];

const matchColumns = [
  { name: "Signature", show: (m) => <Said>{m.signature ?? m.name}</Said> },
  { name: "Virus id", show: (m) => <Said>{m.virus_id}</Said> },
  { name: "Part", class: "number", show: (m) => m.part },
  { name: "Source", show: (m) => <Said>{m.source ?? m.kind}</Said> },
];

function Facts({ mail }) {
  const { envelope } = mail;
  const rows = [
    ["State", STATES[mail.state] ?? mail.state],
    ["Why", `${mail.verdict}${mail.reason ? `, ${mail.reason}` : ""}`],
    ["Seals", mail.seals.join(", ")],
    ["Signatures", mail.signatures.join(", ")],
    ["Held until", !WAITING.includes(mail.state) ? "" : mail.until_time ? `${time(mail.until_time)} at the latest (${mail.open_seals.join(", ")})` : mail.state === "held" ? "it is looked at again" : "an operator decides"],
    ["Arrived", time(envelope.arrival)],
    ["Sender", envelope.mail_from || "<> (none)"],
    ["Recipients", envelope.rcpt_to.map((r) => r.address).join(", ")],
    ["From client", `${envelope.client} (HELO ${envelope.helo})`],
    ["For server", `${envelope.server}:${envelope.server_port}, ${envelope.direction}`],
    ["Message-ID", mail.message_id],
    ["Size", bytes(mail.bytes)],
    ["Id", mail.id],
  ];
  return (
    <section class="card">
      <h2>Why it is kept</h2>
      <dl>{rows.filter(([, value]) => value).map(([name, value]) => <><dt>{name}</dt><dd><Said>{value}</Said></dd></>)}</dl>
    </section>
  );
}

function Text({ id }) {
  const [answer, setAnswer] = useState(undefined);
  const [busy, setBusy] = useState(false);
  const show = async () => {
    setBusy(true);
    setAnswer(await call("mail preview", { id }).catch((error) => error));
    setBusy(false);
  };
  return (
    <section class="card" aria-live="polite">
      <h2>Text</h2>
      {answer === undefined && (
        <>
          <p class="empty">What it says, as plain text; HTML as its source. That you look is written down.</p>
          <button disabled={busy} onClick={show}>Show the text</button>
        </>
      )}
      {answer !== undefined && (
        <Answer answer={answer}>
          {(preview) => (
            <>
              {preview.cut && <Notice>It is long: what is behind its beginning is not shown.</Notice>}
              {preview.parts.map((p) => (
                <div class="part">
                  <h3><Said>{p.name || "text"}</Said> <small><Said>{p.type}</Said>, {bytes(p.bytes)}{p.attached ? ", attached" : ""}</small></h3>
                  {p.text === null ? <p class="empty">Not text.</p> : <pre tabIndex={0}><Said>{p.text}</Said></pre>}
                  {p.cut && <p class="empty">There is more of it.</p>}
                </div>
              ))}
            </>
          )}
        </Answer>
      )}
    </section>
  );
}

function Save({ mail, close }) {
  const [why, setWhy] = useState("");
  async function act() {
    const link = document.createElement("a");
    link.href = `/api/mail/${mail.id}?why=${encodeURIComponent(why)}`;
    link.download = `${mail.id}.eml`;
    link.click();
  }
  return (
    <Ask title="Save this mail as a file" action="Save" kind="bad" ready={why.trim() !== ""} act={act} close={close}>
      <p>The file is the mail as it came. It may be infected: do not open it where that matters.</p>
      <Field label="Reason" hint="It is written down with your name."><input required autofocus maxLength="100" value={why} onInput={(e) => setWhy(e.target.value)} /></Field>
    </Ask>
  );
}

export function MailDetail({ id, state }) {
  const mayAct = useMayAct();
  const [mail, again] = useMail(id);
  const [asked, setAsked] = useState("");
  const [outcome, setOutcome] = useState(null);
  const done = (answer) => {
    setOutcome({ action: asked, answer });
    again();
  };
  return (
    <>
      <p><a href={`#/${PATHS[state]}`}>← Back to the list</a></p>
      <h1><Said>{mail?.envelope ? mail.subject || "(no subject)" : `Mail ${id}`}</Said> {mail?.state && <Tag kind={mail.state === "quarantined" ? "bad" : "warn"}>{STATES[mail.state] ?? mail.state}</Tag>}</h1>
      <div aria-live="polite"><Outcome outcome={outcome} /></div>
      <Answer answer={mail}>
        {(m) => (
          <>
            {mayAct && HERE.includes(m.state) && (
              <div class="row actions">
                <button disabled={m.state === "released"} onClick={() => setAsked("release")}>Release</button>
                <button onClick={() => setAsked("delete")}>Delete</button>
                <button onClick={() => setAsked("save")}>Save as a file</button>
              </div>
            )}
            {m.envelope ? <Facts mail={m} /> : <Notice>It was delivered, deleted or withdrawn. What was done with it is in the log.</Notice>}
            {m.matches?.length > 0 && <section class="card"><h2>What was found</h2><Table columns={matchColumns} rows={m.matches} rowKey={(x) => JSON.stringify(x)} /></section>}
            {m.parts?.length > 0 && <section class="card"><h2>Parts</h2><Table columns={partColumns.filter((c) => c.name !== "SHA-256" || m.parts.some((p) => p.sha256))} rows={m.parts} rowKey={(p) => p.index} /></section>}
            {mayAct && HERE.includes(m.state) && <Text id={id} />}
            {m.headers && <section class="card"><h2>Headers</h2><pre tabIndex={0}><Said>{m.headers}</Said></pre></section>}
            {m.history && <section class="card"><h2>History</h2><Table columns={historyColumns} rows={m.history} rowKey={(h) => h.time + h.state} empty="Nothing was done with it yet." /></section>}
          </>
        )}
      </Answer>
      {(asked === "release" || asked === "delete") && <Decide action={asked} ids={[id]} state={mail.state} found={mail.signatures.join(", ") || mail.reason} close={() => setAsked("")} done={done} />}
      {asked === "save" && <Save mail={mail} close={() => setAsked("")} />}
    </>
  );
}
