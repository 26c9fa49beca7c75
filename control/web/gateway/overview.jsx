// SPDX-License-Identifier: BSD-3-Clause
import { Figure } from "../shared/parts.jsx";
import { count } from "../shared/format.js";

export function Overview({ live }) {
  const { status } = live;
  if (!status) return <p class="empty">…</p>;
  return (
    <>
      <h1>Overview</h1>
      <div class="figures">
        <Figure name="Protected" value={status.dataplane.up && status.dataplane.ruleset ? "yes" : "no"}
          kind={status.dataplane.up && status.dataplane.ruleset ? "good" : "bad"} />
        <Figure name="Sealed" value={status.sealed ? "yes" : "no"} kind={status.sealed ? "warn" : ""} />
        <Figure name="Held" value={count(status.mail.held)} />
        <Figure name="In quarantine" value={count(status.mail.quarantined)} />
      </div>
    </>
  );
}
