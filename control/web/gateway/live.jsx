// SPDX-License-Identifier: BSD-3-Clause
// The gateway as it is now: its status once a second, and events as they happen.
import { useEffect, useState } from "preact/hooks";
import { ask, listen } from "../shared/api.js";
import { Notice } from "../shared/parts.jsx";

const EVENTS_KEPT = 200;

export const call = (command, members = {}) => ask("POST", "/api/call", { command, ...members });

export function useLive() {
  const [status, setStatus] = useState(null);
  const [events, setEvents] = useState([]);
  const [state, setState] = useState("live");

  useEffect(() => {
    call("status").then(setStatus, () => setState("lost"));
    return listen(
      {
        status: setStatus,
        event: (event) => setEvents((all) => [event, ...all].slice(0, EVENTS_KEPT)),
      },
      setState,
    );
  }, []);
  return { status, events, state };
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
          {status.seals.map((s) => `${s.virus_id} (${s.mode})`).join(", ")}
        </Notice>
      </div>
    );
  return null;
}
