// SPDX-License-Identifier: BSD-3-Clause
// Where a sample is dropped. Its checksums are computed in the browser; it never leaves the page.
import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, count, plural } from "../shared/format.js";
import { Notice, Table } from "../shared/parts.jsx";
import { ALGORITHMS, KINDS, computeEntries } from "./sample.js";

const MOST_BYTES = 256 << 20; // what a gateway screens of one object
const SHOWN = 100;

const Check = ({ label, checked, onChange }) => (
  <label class="check"><input type="checkbox" checked={checked} onChange={(e) => onChange(e.target.checked)} />{label}</label>
);

const toggled = (list, value, isOn) => (isOn ? [...list, value] : list.filter((v) => v !== value));

// Checksums that were told by others: [ALGORITHM:]HEX[:BYTES], one a line.
export function readDigests(text) {
  const lengths = { 32: "md5", 40: "sha1", 64: "sha256" };
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [, told, digest, size] = /^(?:(md5|sha1|sha256):)?([0-9a-f]+)(?::([1-9][0-9]*))?$/i.exec(line) ?? [];
    const algorithm = lengths[digest?.length];
    if (!algorithm || (told && told.toLowerCase() !== algorithm)) throw new Error(`“${line}” is not a checksum.`);
    return { kind: "file", algorithm, digest: digest.toLowerCase(), ...(size && { bytes: Number(size) }) };
  });
}

// change: gets the entries, or null while they are not known.
export function SampleDrop({ action, name, change }) {
  const [files, setFiles] = useState([]);
  const [kinds, setKinds] = useState(KINDS);
  const [algorithms, setAlgorithms] = useState(["sha256"]);
  const [isMessage, setMessage] = useState(false);
  const [pasted, setPasted] = useState("");
  const [over, setOver] = useState(false);
  const [entries, setEntries] = useState([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const turn = useRef(0);

  const take = (list) => {
    const chosen = [...list];
    setFiles(chosen);
    setMessage(chosen.length > 0 && chosen.every((f) => /\.eml$/i.test(f.name)));
  };

  useEffect(() => {
    const mine = ++turn.current;
    const compute = async () => {
      const found = readDigests(pasted);
      for (const file of files) {
        if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than a gateway screens (${bytes(MOST_BYTES)}).`);
        const data = new Uint8Array(await file.arrayBuffer());
        try {
          found.push(...(await computeEntries(data, { isMessage, algorithms })));
        } catch (failure) {
          throw new Error(`${file.name}: ${failure.message}`);
        }
      }
      return found.filter((e) => kinds.includes(e.kind))
        .map((e) => ({ ...e, ...(name && { name }), ...(action !== "default" && { action }) }));
    };
    const done = (found, why) => {
      if (mine !== turn.current) return;
      setEntries(found);
      setError(why);
      setBusy(false);
      change(found.length > 0 ? found : null);
    };
    setBusy(files.length > 0);
    change(null);
    compute().then((found) => done(found, ""), (failure) => done([], failure.message));
  }, [files, kinds, algorithms, isMessage, pasted, name, action]);

  return (
    <fieldset>
      <legend>Checksums</legend>
      <div class={`drop ${over ? "over" : ""}`}
        onDragOver={(e) => { e.preventDefault(); setOver(true); }}
        onDragLeave={() => setOver(false)}
        onDrop={(e) => { e.preventDefault(); setOver(false); take(e.dataTransfer.files); }}>
        <label>
          <strong>Drop the sample here, or choose it:</strong>{" "}
          <input type="file" name="sample" multiple onChange={(e) => take(e.target.files)} />
        </label>
        <p class="sub">Its checksums are computed on this page. The sample is not sent anywhere.</p>
        {files.length > 0 && <p>{files.map((f) => `${f.name} (${bytes(f.size)})`).join(", ")}</p>}
      </div>
      <div>
        {KINDS.map((kind) => (
          <Check label={kind} checked={kinds.includes(kind)} onChange={(on) => setKinds(toggled(kinds, kind, on))} />
        ))}
      </div>
      <div>
        {ALGORITHMS.map((a) => (
          <Check label={a} checked={algorithms.includes(a)} onChange={(on) => setAlgorithms(toggled(algorithms, a, on))} />
        ))}
        <Check label="it is a mail" checked={isMessage} onChange={setMessage} />
      </div>
      <details>
        <summary>Checksums of files that you were told</summary>
        <label class="field">
          <span>Digests</span>
          <textarea class="mono" rows="3" value={pasted} onInput={(e) => setPasted(e.target.value)} />
          <small>[md5:|sha1:|sha256:]HEX[:BYTES], one a line.</small>
        </label>
      </details>
      {error && <Notice kind="bad">{error}</Notice>}
      <p role="status">{busy ? "Computing…" : plural(entries.length, "entry", "entries")}</p>
      {entries.length > 0 && (
        <div class="scroll" role="region" aria-label="Entries" tabIndex={0}>
          <Table rows={entries.slice(0, SHOWN)} rowKey={(e) => JSON.stringify(e)}
            caption={entries.length > SHOWN ? `The first ${SHOWN}` : undefined}
            columns={[
              { name: "Kind", show: (e) => e.kind },
              { name: "Of", show: (e) => [e.section !== undefined && `number ${e.section}`, e.offset !== undefined && `at ${count(e.offset)} from the ${e.from}`, (e.length ?? e.bytes) && `${count(e.length ?? e.bytes)} bytes`].filter(Boolean).join(", ") || "all" },
              { name: "Digest", show: (e) => <code>{e.algorithm} {e.digest}</code> },
            ]} />
        </div>
      )}
    </fieldset>
  );
}
