// SPDX-License-Identifier: BSD-3-Clause
import { render } from "preact";
import "../shared/style.css";
import { Console } from "../shared/parts.jsx";
import { LiveBanner, useLive } from "./live.jsx";
import { Overview } from "./overview.jsx";

function useGateway() {
  const live = useLive();
  return {
    name: live.status ? `Cordon ${live.status.gateway}` : "",
    banner: <LiveBanner live={live} />,
    props: { live },
    pages: [{ path: "overview", name: "Overview", view: Overview }],
  };
}

render(<Console title="Cordon gateway" use={useGateway} />, document.getElementById("page"));
