// SPDX-License-Identifier: BSD-3-Clause
// Numbers, sizes and times as people read them.

const number = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (n) => number.format(n ?? 0);

// "1 file", "2 files".
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit ? n.toFixed(n < 10 ? 1 : 0) : count(n)} ${units[unit]}`;
}

// Seconds as "3 h 20 min".
export function span(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// Of seconds since 1970 or a text of RFC 3339.
export function time(value) {
  if (!value) return "never";
  return moment.format(typeof value === "number" ? new Date(value * 1000) : new Date(value));
}
