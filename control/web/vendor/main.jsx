// SPDX-License-Identifier: BSD-3-Clause
import { render } from "preact";
import "../shared/style.css";
import "./style.css";
import { Console, useMayAct } from "../shared/parts.jsx";
import { Alerts } from "./alerts.jsx";
import { Compose } from "./compose.jsx";
import { Gateways } from "./gateways.jsx";
import { History } from "./history.jsx";
import { LiveBanner, useLive } from "./live.jsx";
import { Tokens } from "./tokens.jsx";
import { Update } from "./update.jsx";

function useVendor() {
  const live = useLive();
  const mayAct = useMayAct();
  return {
    name: live.status.vendor ? `Cordon vendor ${live.status.vendor}` : "",
    banner: <LiveBanner live={live} />,
    props: { live },
    pages: [
      { path: "gateways", name: "Gateways", view: Gateways },
      { path: "alerts", name: "Alerts", view: Alerts, badge: live.status.alerts },
      mayAct && { path: "compose", name: "New alert", view: Compose },
      { path: "update", name: "Update", view: Update },
      { path: "enrolment", name: "Enrolment", view: Tokens },
      { path: "history", name: "History", view: History },
    ].filter(Boolean),
  };
}

render(<Console title="Cordon vendor" use={useVendor} />, document.getElementById("page"));
