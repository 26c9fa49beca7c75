// SPDX-License-Identifier: BSD-3-Clause
// What both consoles are put together of.
import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { findSession, logIn, logOut, whenSessionEnds } from "./api.js";

export const Session = createContext(null);
export const useSession = () => useContext(Session);
export const useMayAct = () => useContext(Session)?.role === "operator";

// ---- messages -------------------------------------------------------------------------------------

// kind: "good", "bad", "warn" or "info".
export function Notice({ kind = "info", title, children }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {title && <strong>{title}</strong>} {children}
    </div>
  );
}

export const Tag = ({ kind = "info", children }) => <span class={`tag ${kind}`}>{children}</span>;

// What others wrote, mails above all: kept apart from the direction of the text around it. Characters that are not
// seen, or that turn the direction (so that "exe.pdf" is read where "fdp.exe" stands), are shown by their numbers.
const UNSEEN = /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])/;
const numbered = (c) => `U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

export function Said({ children }) {
  const text = children === undefined || children === null ? "" : String(children);
  const pieces = text.split(UNSEEN);
  return <bdi>{pieces.map((piece, i) => (i % 2 ? <span class="unseen">{numbered(piece)}</span> : piece))}</bdi>;
}

// A figure with its name.
export const Figure = ({ name, value, note, kind = "" }) => (
  <div class={`figure ${kind}`}>
    <span class="name">{name}</span>
    <span class="value">{value}</span>
    {note && <span class="note">{note}</span>}
  </div>
);

// ---- dialogs --------------------------------------------------------------------------------------

// A modal question. `act` may be async; what it throws is shown and the dialog stays. `ready` false keeps the
// button from being pressed.
export function Ask({ title, action, kind = "", ready = true, act, close, children }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  useEffect(() => {
    dialog.current.showModal();
  }, []);

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await act();
      close();
    } catch (failure) {
      setError(failure.message);
      setBusy(false);
    }
  }

  return (
    <dialog ref={dialog} onClose={close} aria-label={title}>
      <form method="dialog" onSubmit={submit}>
        <h2>{title}</h2>
        {children}
        {error && <Notice kind="bad">{error}</Notice>}
        <div class="buttons">
          <button type="button" onClick={close}>Cancel</button>
          <button type="submit" class={`primary ${kind}`} disabled={busy || !ready}>{action}</button>
        </div>
      </form>
    </dialog>
  );
}

export function Field({ label, hint, children }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint && <small>{hint}</small>}
    </label>
  );
}

// ---- tables ---------------------------------------------------------------------------------------

// columns: [{ name, show(row), class, head }]; head: what stands in the heading in place of the name. On a phone
// each row is a card, the column's name beside each value.
export function Table({ columns, rows, rowKey, empty = "Nothing is here.", caption }) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  return (
    <table>
      {caption && <caption>{caption}</caption>}
      <thead>
        <tr>{columns.map((c) => <th scope="col" class={c.class}>{c.head ?? c.name}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)}>
            {columns.map((c) => (
              <td data-name={c.name} class={c.class}>{c.show(row)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

// ---- the page around all --------------------------------------------------------------------------

function LogIn({ title, begin }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      begin(await logIn(user, password));
    } catch (failure) {
      setError(failure.message);
      setPassword("");
      setBusy(false);
    }
  }

  return (
    <main class="login">
      <form onSubmit={submit}>
        <h1>{title}</h1>
        <Field label="Name">
          <input name="user" autocomplete="username" autofocus required value={user}
            onInput={(e) => setUser(e.target.value)} />
        </Field>
        <Field label="Password">
          <input name="password" type="password" autocomplete="current-password" required
            value={password} onInput={(e) => setPassword(e.target.value)} />
        </Field>
        {error && <Notice kind="bad">{error}</Notice>}
        <button class="primary" disabled={busy}>Log in</button>
      </form>
    </main>
  );
}

const here = () => window.location.hash.replace(/^#\/?/, "").split("/");

// pages: [{ path, name, view, badge }]; a view gets the rest of the address as `rest`, and `props`. It has to be the
// same function each time, or it would begin anew with each event. `banner` stands above.
function Frame({ title, pages, banner, props, end }) {
  const session = useSession();
  const [address, setAddress] = useState(here());

  useEffect(() => {
    const moved = () => setAddress(here());
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);

  const page = pages.find((p) => p.path === address[0]) ?? pages[0];
  const View = page.view;

  useEffect(() => {
    document.title = `${page.name} · ${title}`;
  }, [page.name, title]);

  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main").focus(); }}>
        To the content
      </a>
      <header>
        <strong class="brand">{title}</strong>
        <nav aria-label="Pages">
          {pages.map((p) => (
            <a href={`#/${p.path}`} aria-current={p === page ? "page" : undefined}>
              {p.name}{p.badge ? <span class="badge">{Intl.NumberFormat("en").format(p.badge)}</span> : null}
            </a>
          ))}
        </nav>
        <span class="who">{session.user} ({session.role})</span>
        <button onClick={end}>Log out</button>
      </header>
      {banner}
      <main id="main" tabIndex={-1}>
        <View key={page.path} rest={address.slice(1)} {...props} />
      </main>
    </>
  );
}

// Everything behind the log-in. `use` is a hook that gives what Frame wants.
export function Console({ title, use }) {
  const [session, setSession] = useState(undefined);
  const [error, setError] = useState("");

  useEffect(() => {
    whenSessionEnds(() => setSession(null));
    findSession().then(setSession, (failure) => setError(failure.message));
  }, []);

  if (error) return <Notice kind="bad">{error}</Notice>;
  if (session === undefined) return <p class="empty">…</p>;
  if (session === null) return <LogIn title={title} begin={setSession} />;
  const end = async () => {
    try {
      await logOut();
    } finally {
      setSession(null);
    }
  };
  return (
    <Session.Provider value={session}>
      <Inside title={title} use={use} end={end} />
    </Session.Provider>
  );
}

function Inside({ title, use, end }) {
  const { pages, banner, name, props } = use();
  return <Frame title={name || title} pages={pages} banner={banner} props={props} end={end} />;
}
