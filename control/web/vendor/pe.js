// SPDX-License-Identifier: BSD-3-Clause
// The sections of a PE file as they lie in it, by the same rules as the gateway's.
// Source: Microsoft, "PE Format".

const DOS_BYTES = 64;
const COFF_BYTES = 24; // signature and file header
const SECTION_BYTES = 40;
const OPTIONAL_LEAST = 64;
const SMALL_ALIGNMENT = 0x200;
const MAX_SECTIONS = 96; // Windows loads no file with more

const alignDown = (value, step) => (step ? Math.floor(value / step) * step : value);

function alignUp(value, step) {
  const rest = step ? value % step : 0;
  return rest === 0 || value > 0xffffffff - step ? value : value - rest + step;
}

// [{ offset, bytes }], none of anything else than a PE file.
export function peSections(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const get16 = (at) => view.getUint16(at, true);
  const get32 = (at) => view.getUint32(at, true);

  if (data.length < DOS_BYTES || get16(0) !== 0x5a4d) return [];
  const coff = get32(60);
  if (coff < DOS_BYTES || coff + COFF_BYTES > data.length || get32(coff) !== 0x4550) return [];
  const count = get16(coff + 6);
  const optionalBytes = get16(coff + 20);
  const table = coff + COFF_BYTES + optionalBytes;
  if (count > MAX_SECTIONS || optionalBytes < OPTIONAL_LEAST || table + SECTION_BYTES * count > data.length) return [];

  const all = Array.from({ length: count }, (_, i) => ({
    bytes: get32(table + SECTION_BYTES * i + 16),
    offset: get32(table + SECTION_BYTES * i + 20),
  }));
  // Files are laid out in steps of their alignment, but many have sections in steps of 512 bytes all the same.
  const told = get32(coff + COFF_BYTES + 36);
  const isSmall = (s) => told && s.bytes && s.offset % told && s.offset % SMALL_ALIGNMENT === 0;
  const step = all.some(isSmall) ? SMALL_ALIGNMENT : told;
  return all.map((s) => ({ offset: alignDown(s.offset, step), bytes: alignUp(s.bytes, step) }));
}
