// SPDX-License-Identifier: BSD-3-Clause
// What a sample looks like, as screening entries of all kinds: the same as `cordon-vendor screen` makes of it
// (docs/screening.md). It is computed here; the sample is sent nowhere.
import { md5 } from "@noble/hashes/legacy";
import { peSections } from "./pe.js";

export const KINDS = ["file", "body", "message", "range", "section", "window"];
export const ALGORITHMS = ["md5", "sha1", "sha256"];

const LEAST_BYTES = 16;
const RANGE_BYTES = 4096;
const TAIL_BYTES = 1024;
const WINDOW_BYTES = 4096;
const LEAST_WINDOW = 32;
const WINDOWS = 4;
const PLACES = 64; // that are looked at for each window
const LEAST_DIFFERENT = 24; // what has fewer different bytes may be in any file
const LEAST_IN_HEAD = 12;
const BASE = 0x08088405;

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

async function digest(algorithm, data) {
  if (algorithm === "md5") return hex(md5(data));
  const name = algorithm === "sha1" ? "SHA-1" : "SHA-256";
  return hex(new Uint8Array(await crypto.subtle.digest(name, data)));
}

function differentBytes(data) {
  const seen = new Uint8Array(256);
  let count = 0;
  for (const byte of data) {
    count += 1 - seen[byte];
    seen[byte] = 1;
  }
  return count;
}

const isTelling = (data) => differentBytes(data) >= LEAST_DIFFERENT;

export function rolling(data) {
  const sum = (part) => {
    let h = 0;
    for (const byte of part) h = (Math.imul(h, BASE) + byte) | 0;
    return (h >>> 0).toString(16).padStart(8, "0");
  };
  return sum(data.subarray(0, LEAST_WINDOW)) + sum(data);
}

function ranges(data) {
  const n = data.length;
  const offset = Math.floor(n / 4);
  const middle = Math.min(Math.floor(n / 2), RANGE_BYTES);
  const tail = Math.min(Math.floor(n / 4), TAIL_BYTES);
  return [
    { offset, from: "start", length: middle, data: data.subarray(offset, offset + middle) },
    { offset: tail, from: "end", length: tail, data: data.subarray(n - tail) },
  ].filter((range) => isTelling(range.data)).map((range) => ({ kind: "range", ...range }));
}

function sections(data) {
  const found = [];
  peSections(data).forEach(({ offset, bytes }, section) => {
    if (offset >= data.length) return;
    const part = data.subarray(offset, Math.min(data.length, offset + bytes));
    if (isTelling(part)) found.push({ kind: "section", length: part.length, section, data: part });
  });
  return found;
}

// Of places spread over each stretch the one with the most different bytes.
function windows(data) {
  const n = data.length;
  const length = Math.min(Math.floor(n / 4), WINDOW_BYTES);
  const stretch = Math.floor(n / WINDOWS);
  const found = [];
  if (length < LEAST_WINDOW) return found;
  for (let i = 0; i < WINDOWS; i++) {
    const to = (i + 1) * stretch - length + 1;
    const step = Math.floor((to - i * stretch) / PLACES) + 1;
    let most = LEAST_DIFFERENT - 1;
    let best = null;
    for (let at = i * stretch; at < to && at + length <= n; at += step) {
      const part = data.subarray(at, at + length);
      const different = differentBytes(part);
      if (different <= most || differentBytes(part.subarray(0, LEAST_WINDOW)) < LEAST_IN_HEAD) continue;
      most = different;
      best = part;
    }
    if (best) found.push({ kind: "window", length, rolling: rolling(best), data: best });
  }
  return found;
}

// On the wire every line ends with CR LF.
function asSent(data) {
  const out = new Uint8Array(2 * data.length);
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 10 && (i === 0 || data[i - 1] !== 13)) out[at++] = 13;
    out[at++] = data[i];
  }
  return out.subarray(0, at);
}

// The header ends with the first empty line.
function message(data) {
  const sent = asSent(data);
  const found = [{ kind: "message", data: sent }];
  let line = 0;
  for (let at = sent.indexOf(10); at >= 0; at = sent.indexOf(10, line)) {
    const isEmpty = at === line || (at === line + 1 && sent[line] === 13);
    line = at + 1;
    if (isEmpty) {
      if (line < sent.length) found.push({ kind: "body", data: sent.subarray(line) });
      break;
    }
  }
  return found;
}

// options: { isMessage, algorithms, name, action }. data: a Uint8Array.
export async function computeEntries(data, { isMessage = false, algorithms = ["sha256"], name = "", action = "" } = {}) {
  if (data.length < LEAST_BYTES) throw new Error("It is too short to tell anything by.");
  const parts = isMessage
    ? message(data)
    : [{ kind: "file", bytes: data.length, data }, ...ranges(data), ...sections(data), ...windows(data)];
  const entries = [];
  for (const { data: bytes, kind, ...members } of parts)
    for (const algorithm of ALGORITHMS.filter((a) => algorithms.includes(a))) {
      const entry = { kind, algorithm, digest: await digest(algorithm, bytes), ...members };
      if (name) entry.name = name;
      if (action && action !== "default") entry.action = action;
      entries.push(entry);
    }
  return entries;
}
