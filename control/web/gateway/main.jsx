// SPDX-License-Identifier: BSD-3-Clause
import { render } from "preact";
import "../shared/style.css";
import "./gateway.css";
import { Console } from "../shared/parts.jsx";
import { Alerts } from "./alerts.jsx";
import { Config } from "./config.jsx";
import { Events } from "./events.jsx";
import { LiveBanner, useLive } from "./live.jsx";
import { Held, Quarantine } from "./mail.jsx";
import { concerns, Overview } from "./overview.jsx";
import { Rules } from "./rules.jsx";
import { Screening } from "./screening.jsx";
import { Seals } from "./seals.jsx";

function useGateway() {
  const live = useLive();
  const { status } = live;
  const urgent = status ? concerns(status).filter((c) => c.kind !== "info").length : 0;
  return {
    name: status ? `Cordon ${status.gateway}` : "",
    banner: <LiveBanner live={live} />,
    props: { live },
    pages: [
      { path: "overview", name: "Overview", view: Overview, badge: urgent || null },
      { path: "held", name: "Held", view: Held, badge: status?.mail.held || null },
      { path: "quarantine", name: "Quarantine", view: Quarantine, badge: status?.mail.quarantined || null },
      { path: "seals", name: "Seals", view: Seals },
      { path: "rules", name: "Rules", view: Rules },
      { path: "screening", name: "Screening", view: Screening },
      { path: "alerts", name: "Alerts", view: Alerts },
      { path: "events", name: "Events", view: Events },
      { path: "config", name: "Configuration", view: Config },
    ],
  };
}

render(<Console title="Cordon gateway" use={useGateway} />, document.getElementById("page"));
