// SPDX-License-Identifier: BSD-3-Clause
// A plot over time (uPlot), in the page's own colours, with its figures as a table for who cannot see it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT = 190;
const LEAST_SECONDS = 60;
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// lines: [{ name, colour }], colour one of the style sheet's ("good", "bad", "warn", "accent", "soft"). data:
// [seconds since 1970, values of the first line, ...]. show: a value as text.
export function Plot({ title, lines, data, show = String }) {
  const box = useRef(null);
  const plot = useRef(null);
  const latest = useRef(show);
  latest.current = show;
  const last = (i) => data[i + 1]?.[data[i + 1].length - 1];

  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
      plot.current = new uPlot(
        {
          width: box.current.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { y: false },
          scales: { x: { range: (_, from, to) => [Math.min(from, to - LEAST_SECONDS), to] }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 0) * 1.1)] } },
          axes: [{ ...axis, space: 70, values: (_, ticks) => ticks.map((t) => clock.format(t * 1000)) }, { ...axis, size: 58, values: (_, ticks) => ticks.map((v) => latest.current(v)) }],
          series: [
            {},
            ...lines.map((l) => ({ label: l.name, stroke: colour(l.colour), width: 2, points: { show: false } })),
          ],
        },
        plot.current?.data ?? data,
        box.current,
      );
    };
    make();
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    const sizes = new ResizeObserver(() =>
      plot.current.setSize({ width: box.current.clientWidth, height: HEIGHT }),
    );
    sizes.observe(box.current);
    return () => {
      dark.removeEventListener("change", make);
      sizes.disconnect();
      plot.current.destroy();
    };
  }, []);

  useEffect(() => plot.current.setData(data), [data]);

  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <ul class="legend">
        {lines.map((l, i) => (
          <li class={`key ${l.colour}`}>
            {l.name} <b>{last(i) == null ? "–" : show(last(i))}</b>
          </li>
        ))}
      </ul>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}
