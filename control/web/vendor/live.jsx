// SPDX-License-Identifier: BSD-3-Clause
// The server as it is now, and answers that are asked for again when something has happened.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, listen } from "../shared/api.js";
import { Notice } from "../shared/parts.jsx";

const AGAIN_MS = 700; // between two looks while much happens

// { status, state, news }: news counts what has happened.
export function useLive() {
  const [status, setStatus] = useState({});
  const [state, setState] = useState("live");
  const [news, setNews] = useState(0);
  const timer = useRef(0);

  useEffect(() => {
    const happened = () => {
      timer.current ||= setTimeout(() => {
        timer.current = 0;
        setNews((n) => n + 1);
      }, AGAIN_MS);
    };
    const look = () =>
      ask("GET", "/v1/status").then((all) => setStatus((s) => ({ ...s, ...all })), () => setState("lost"));
    look();
    const stop = listen(
      {
        status: (counts) => setStatus((s) => ({ ...s, ...counts })),
        event: (event) => {
          if (event.type === "root") look();
          happened();
        },
      },
      (now) => {
        setState(now);
        if (now === "live") happened();
      },
    );
    return () => {
      stop();
      clearTimeout(timer.current);
    };
  }, []);
  return { status, state, news };
}

// What a GET gives: { answer, error, again }. path null: nothing is asked. Asked for again when news changes.
export function useAsked(path, news = 0) {
  const [found, setFound] = useState({ path: null, answer: null, error: "" });
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    let wanted = true;
    if (path !== null)
      ask("GET", path).then(
        (answer) => wanted && setFound({ path, answer, error: "" }),
        (failure) => wanted && setFound((f) => ({ ...f, error: failure.message })),
      );
    return () => {
      wanted = false;
    };
  }, [path, news, turn]);
  return { answer: found.answer, error: found.error, again: () => setTurn((t) => t + 1) };
}

export const query = (members) =>
  Object.entries(members)
    .filter(([, value]) => value !== "" && value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");

// A text that follows what is typed after a moment.
export function useCalm(text, ms = 250) {
  const [calm, setCalm] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(text), ms);
    return () => clearTimeout(timer);
  }, [text]);
  return calm;
}

// Pages of a list whose answers say `next`: [where, what Pager takes], where what the page is asked with, "" the first. They
// begin anew when `key` changes.
export function usePages(key) {
  const [state, setState] = useState({ key, stack: [""] });
  const stack = state.key === key ? state.stack : [""];
  const go = (next) => setState({ key, stack: next });
  return [stack[stack.length - 1], { stack, go }];
}

export function Pager({ stack, go, next, note }) {
  if (stack.length === 1 && !next) return null;
  return (
    <nav class="pager" aria-label="Pages of the list">
      <button disabled={stack.length === 1} onClick={() => go(stack.slice(0, -1))}>Previous</button>
      <span role="status">Page {stack.length}{note ? ` · ${note}` : ""}</span>
      <button disabled={!next} onClick={() => go([...stack, String(next)])}>Next</button>
    </nav>
  );
}

export function LiveBanner({ live }) {
  if (live.state === "lost")
    return (
      <div class="banner">
        <Notice kind="warn" title="Not live.">The server does not answer; what is shown may be old.</Notice>
      </div>
    );
  const left = live.status.root_expires - Date.now() / 1000;
  if (left < 14 * 86400)
    return (
      <div class="banner">
        <Notice kind="bad" title="The root document">
          {left < 0 ? "has expired: gateways refuse what this server says." : "expires within two weeks: renew it."}
        </Notice>
      </div>
    );
  const faults = Object.entries(live.status.faults ?? {}).filter(([, why]) => why);
  if (faults.length > 0)
    return (
      <div class="banner">
        {faults.map(([kind, why]) => (
          <Notice key={kind} kind="warn" title={`${kind}:`}>
            {why}. What goes over it waits; other channels go on.
          </Notice>
        ))}
      </div>
    );
  return null;
}
