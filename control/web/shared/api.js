// SPDX-License-Identifier: BSD-3-Clause
// Asking the daemon that this page came from. Every failure is an Error whose message is for people.

const PRESENT_MS = 10000; // after somebody has touched the page what it asks counts as that person's
const BEAT_MS = 60000;

let csrf = "";
let onLost = () => {};
let touched = 0;
let asked = 0;

for (const name of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"])
  window.addEventListener(name, () => { touched = Date.now(); }, { capture: true, passive: true });

// fn is called when the session has ended.
export function whenSessionEnds(fn) {
  onLost = fn;
}

const isHere = (within) => Date.now() - touched < within;

// isPresent: somebody is there, whose session it keeps.
export async function ask(method, path, body, isPresent = isHere(PRESENT_MS)) {
  const headers = { "X-CSRF-Token": csrf };
  if (isPresent) asked = Date.now();
  else headers.Prefer = "unattended";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw new Error("The server does not answer.");
  }
  const text = await reply.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = text;
  }
  if (reply.status === 401 && path !== "/api/session") onLost();
  if (!reply.ok) {
    const error = new Error((answer && answer.error) || `The server says ${reply.status}.`);
    error.status = reply.status;
    throw error;
  }
  return answer;
}

function begin(session) {
  csrf = session.csrf;
  return session;
}

export const logIn = async (user, password) =>
  begin(await ask("POST", "/api/session", { user, password }));

// The session that the browser still has, or null.
export async function findSession() {
  const session = await ask("GET", "/api/session");
  return session.user === null ? null : begin(session);
}

export async function logOut() {
  await ask("DELETE", "/api/session");
  csrf = "";
}

// Who reads, moves and scrolls is there, although nothing is asked.
setInterval(() => {
  if (csrf && isHere(BEAT_MS) && Date.now() - asked > BEAT_MS) ask("GET", "/api/session", undefined, true).catch(() => {});
}, BEAT_MS);

// Events as they happen: handlers by name, which get what was sent, parsed. `state` is told "live" or "lost".
// Returns how to stop. When a stream ends it is asked whether the session is over. A browser tries again by itself,
// but not where it is refused.
export function listen(handlers, state = () => {}) {
  const AGAIN_MS = 5000;
  let source = null;
  let timer = 0;

  const begin = () => {
    source = new EventSource("/api/stream?unattended");
    source.onopen = () => state("live");
    source.onerror = () => {
      state("lost");
      findSession().then((session) => session === null && onLost(), () => {});
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(begin, AGAIN_MS);
    };
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  };
  begin();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
