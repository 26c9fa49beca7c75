// SPDX-License-Identifier: BSD-3-Clause
// On one screen: is mail protected, is it sealed, does anything wait for somebody?
import { Figure, Notice } from "../shared/parts.jsx";
import { Plot } from "../shared/plot.jsx";
import { bytes, count, plural, span, time } from "../shared/format.js";
import { EventList } from "./events.jsx";
import { SealCard } from "./seals.jsx";

const DAY = 86400;
const EVENTS_SHOWN = 12;

// { kind, text, where } of all that somebody should look at, the worst first.
export function concerns(status) {
  const found = [];
  const add = (kind, text, where) => found.push({ kind, text, where });
  const { dataplane, mail, alerts, updates, screening } = status;
  const now = Date.now() / 1000;

  if (!dataplane.up) add("bad", `The dataplane does not answer: ${dataplane.why}. Mail may pass without being scanned, or not at all.`, "events");
  else if (!dataplane.ruleset) add("bad", "No rules are in force: mail passes without being looked at.", "rules");
  if (dataplane.up && !status.in_force) add("bad", "The dataplane does not go by the seals that are open.", "seals");
  if (screening && screening.entries > 0 && !screening.in_force) add("bad", "The screening lists are not in force.", "screening");
  for (const [what, why] of Object.entries(status.faults ?? {}).filter(([, why]) => why))
    add("bad", `The disk takes no ${what}: ${why}. What is not written down is lost when the process ends.`, "events");
  if (mail.bad > 0) add("bad", `${plural(mail.bad, "record")} of the buffer cannot be read.`, "events");
  if (updates?.rolled_back) add("warn", `The rules were rolled back from ${updates.rolled_back}: what only that version knows is not found.`, "rules");
  if (alerts.vendor && alerts.stale) add("warn", `Nothing was heard of the vendor since ${time(alerts.last_heard)}.`, "alerts");
  if (alerts.root_expires && alerts.root_expires - now < 30 * DAY)
    add("warn", `The vendor's root document ${alerts.root_expires < now ? "has expired" : "expires"} (${time(alerts.root_expires)}).`, "alerts");
  if (mail.quarantined > 0) add("info", `${plural(mail.quarantined, "mail")} in quarantine: for you to decide.`, "quarantine");
  if (mail.held > 0 && !status.sealed) add("info", `${plural(mail.held, "mail")} still held though no seal is open: looked at again.`, "held");
  if (mail.notices > 0) add("info", `${plural(mail.notices, "notice")} not delivered yet.`, "events");
  return found;
}

function Protection({ status }) {
  const { dataplane } = status;
  const safe = dataplane.up && dataplane.ruleset && status.in_force;
  return (
    <Notice kind={safe ? "good" : "bad"} title={safe ? "Protected." : "Not protected."}>
      {safe
        ? `Mail is scanned by rules ${dataplane.ruleset}${status.sealed ? "; what the open seals cover is held back" : ""}.`
        : concerns(status)[0]?.text}
    </Notice>
  );
}

const LIST = { quarantine: "Quarantine", rules: "Rules", seals: "Seals", events: "Events", alerts: "Alerts", held: "Held mail", screening: "Screening" };

function Concerns({ status }) {
  const found = concerns(status);
  return (
    <section class="card" aria-labelledby="waits">
      <h2 id="waits">What waits for you</h2>
      {found.length === 0 && <p class="empty">Nothing.</p>}
      <ul class="plain">
        {found.map((c) => (
          <li class={`concern ${c.kind}`}>{c.text} <a href={`#/${c.where}`}>{LIST[c.where]}</a></li>
        ))}
      </ul>
    </section>
  );
}

// What a counter grew by in a second, between samples; a dataplane that began anew begins at nothing.
function rate(times, values) {
  return times.slice(1).map((t, i) => {
    if (values[i] == null || values[i + 1] == null) return null;
    return Math.max(0, values[i + 1] - values[i]) / Math.max(1, t - times[i]);
  });
}

const brief = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
const perSecond = (v) => brief.format(v);

function Plots({ history }) {
  const times = history.time.slice(1);
  const rates = (...names) => names.map((n) => rate(history.time, history[n]));
  return (
    <div class="grid">
      <div class="card">
        <Plot title="Mails a second" show={perSecond}
          lines={[{ name: "clean", colour: "good" }, { name: "infected", colour: "bad" }, { name: "suspect", colour: "warn" }, { name: "held back", colour: "accent" }]}
          data={[times, ...rates("messages_clean", "messages_infected", "messages_suspect", "messages_held")]} />
      </div>
      <div class="card">
        <Plot title="Bytes of mail a second" show={perSecond}
          lines={[{ name: "SMTP", colour: "accent" }]} data={[times, ...rates("smtp_bytes")]} />
      </div>
      <div class="card">
        <Plot title="Kept" show={perSecond}
          lines={[{ name: "held", colour: "accent" }, { name: "in quarantine", colour: "warn" }]}
          data={[history.time, history.held, history.quarantined]} />
      </div>
    </div>
  );
}

function Channels({ status }) {
  const names = Object.keys(status.channels);
  return (
    <section class="card" aria-labelledby="channels">
      <h2 id="channels">The vendor</h2>
      <dl>
        <dt>Vendor</dt><dd>{status.alerts.vendor || "none is trusted"}</dd>
        <dt>Last heard</dt><dd>{time(status.alerts.last_heard)}{status.alerts.stale ? " (too long ago)" : ""}</dd>
        <dt>Alerts</dt><dd>{count(status.alerts.applied)} applied, {count(status.alerts.repeated)} repeated</dd>
        <dt>Channels</dt><dd>{names.join(", ") || "none"}</dd>
      </dl>
      <p><a href="#/alerts">Alerts and channels</a></p>
    </section>
  );
}

export function Overview({ live }) {
  const { status, history, events } = live;
  if (!status) return <p class="empty" aria-busy="true">…</p>;
  const { mail, dataplane, counters } = status;
  const delivered = (counters.mails_delivered ?? 0) + (counters.mails_stripped ?? 0) + (counters.mails_disinfected ?? 0);
  return (
    <>
      <h1>Overview</h1>
      <Protection status={status} />
      <div class="figures">
        <Figure name="Protected" value={dataplane.up && dataplane.ruleset ? "yes" : "no"}
          kind={dataplane.up && dataplane.ruleset ? "good" : "bad"} note={dataplane.up ? `for ${span(dataplane.uptime_seconds)}` : dataplane.why} />
        <Figure name="Sealed" value={status.sealed ? "yes" : "no"} kind={status.sealed ? "warn" : ""}
          note={status.sealed ? `${status.seals.length} open` : "all mail passes"} />
        <Figure name="Held" value={count(mail.held)} note={mail.held ? `oldest ${time(mail.oldest_held)}` : ""} />
        <Figure name="In quarantine" value={count(mail.quarantined)} />
        <Figure name="Let go" value={count(delivered)} note={`${count(mail.released)} on the way`} />
        <Figure name="Kept in all" value={bytes(mail.bytes ?? 0)} />
        <Figure name="Rules" kind="long" value={dataplane.ruleset || "none"} note="in force" />
      </div>
      <div class="grid">
        <Concerns status={status} />
        <Channels status={status} />
      </div>
      {status.seals.length > 0 && (
        <section aria-labelledby="seals">
          <h2 id="seals">Why it is sealed</h2>
          <div class="grid">{status.seals.map((s) => <SealCard seal={s} />)}</div>
        </section>
      )}
      {history?.time?.length > 2 && <Plots history={history} />}
      <section class="card" aria-labelledby="recent">
        <h2 id="recent">Recent events</h2>
        <EventList events={events.slice(0, EVENTS_SHOWN)} />
        <p><a href="#/events">All events</a></p>
      </section>
    </>
  );
}
