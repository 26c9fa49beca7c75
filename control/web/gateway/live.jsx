// SPDX-License-Identifier: BSD-3-Clause
// The gateway as it is now: its status once a second, its history, and events as they happen.
import { useEffect, useState } from "preact/hooks";
import { ask, listen } from "../shared/api.js";
import { Notice, Said } from "../shared/parts.jsx";

const EVENTS_KEPT = 500;
const SAMPLES_KEPT = 720; // an hour

export const call = (command, members = {}) => ask("POST", "/api/call", { command, ...members });

// Columns with the samples of more behind them.
function joined(history, more) {
  const all = {};
  for (const [name, values] of Object.entries(more))
    all[name] = Array.isArray(values) ? [...(history?.[name] ?? []), ...values].slice(-SAMPLES_KEPT) : values;
  return all;
}

export function useLive() {
  const [status, setStatus] = useState(null);
  const [history, setHistory] = useState(null);
  const [events, setEvents] = useState([]);
  const [state, setState] = useState("live");

  useEffect(() => {
    const since = Math.floor(Date.now() / 1000) - 3600;
    call("status").then(setStatus, () => setState("lost"));
    ask("GET", "/api/events").then((all) => setEvents((now) => [...now, ...all]), () => {});
    ask("GET", `/api/history?since=${since}`).then((all) => setHistory((now) => joined(all, now ?? all)), () => {});
    return listen(
      {
        status: setStatus,
        history: (more) => setHistory((now) => (now ? joined(now, more) : now)),
        event: (event) => setEvents((all) => [event, ...all].slice(0, EVENTS_KEPT)),
      },
      setState,
    );
  }, []);
  return { status, history, events, state };
}

export function LiveBanner({ live }) {
  const { status, state } = live;
  if (state === "lost")
    return <div class="banner"><Notice kind="warn" title="Not live.">The gateway does not answer; what is shown may be old.</Notice></div>;
  if (!status) return null;
  if (!status.dataplane.up)
    return <div class="banner"><Notice kind="bad" title="The dataplane does not answer.">{status.dataplane.why}</Notice></div>;
  if (status.sealed)
    return (
      <div class="banner">
        <Notice kind={status.in_force ? "warn" : "bad"}
          title={status.in_force ? "Sealed." : "Sealed, but not in force yet."}>
          <Said>{status.seals.map((s) => `${s.virus_id} (${s.mode})`).join(", ")}</Said>
        </Notice>
      </div>
    );
  return null;
}

// What a command answers: [answer, again()]; `members` are compared by what is in them. A failure is an Error.
export function useAnswer(command, members = {}, every = 0) {
  const [answer, setAnswer] = useState(null);
  const [turn, setTurn] = useState(0);
  const key = JSON.stringify(members);

  useEffect(() => {
    let gone = false;
    const take = (value) => gone || setAnswer(value);
    const run = () => call(command, members).then(take, take);
    run();
    const timer = every ? setInterval(run, every) : 0;
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [command, key, turn, every]);
  return [answer, () => setTurn((n) => n + 1)];
}

// children(answer) once it is there.
export function Answer({ answer, children }) {
  if (answer === null) return <p class="empty" aria-busy="true">…</p>;
  if (answer instanceof Error) return <Notice kind="bad">{answer.message}</Notice>;
  return children(answer);
}
