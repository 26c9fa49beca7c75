// SPDX-License-Identifier: BSD-3-Clause
import { render } from "preact";
import "../shared/style.css";
import { Console } from "../shared/parts.jsx";

const useVendor = () => ({ pages: [{ path: "gateways", name: "Gateways", view: () => <h1>Gateways</h1> }] });

render(<Console title="Cordon vendor" use={useVendor} />, document.getElementById("page"));
