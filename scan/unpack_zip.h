// SPDX-License-Identifier: BSD-3-Clause
// A zip while it is unpacked, shared by scan/unpack_zip*.c alone; PKWARE APPNOTE 6.3.10.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack;
struct unpack_event;

// A record of a zip in a buffer of this size, and what follows a member of unknown size.
#define ZIP_END_BYTES 22 // of its end record
#define ZIP_WINDOW_BYTES 64
#define ZIP_HOLD_BYTES 512
#define ZIP_TAIL_BYTES 12

enum zip_state {
	ZIP_SEARCH, // for the next record
	ZIP_NAME,
	ZIP_EXTRA,
	ZIP_STORED,
	ZIP_PACKED,
	ZIP_SIZED, // packed, and only its sizes tell the end
	ZIP_OPEN,  // stored, size unknown
	ZIP_SKIP,  // cannot be unpacked
};

struct zip_entry {
	bool is_local;
	uint16_t flags;
	uint16_t method;
	uint64_t packed;
	uint64_t bytes;
	uint64_t at; // offset of the local header
	uint32_t crc;
	uint64_t name_hash;
	bool has_other_name; // that ends with something else
};

// The sums over all entries of what tells one from another. A change of any adds up to another sum.
struct zip_sums {
	uint64_t placed; // name, method and place
	uint64_t sized;  // and both sizes
};

struct zip_directory {
	uint64_t locals; // entries
	uint64_t centrals;
	// Places counted from the first header, and from the object's start.
	struct zip_sums local_sums[2];
	struct zip_sums central_sums;
	uint64_t local_crcs; // the same of the members' checksums
	uint64_t central_crcs;
	uint64_t first_central; // offset and 1, 0: none yet
	uint64_t end;           // offset of the end record and 1, 0: none yet
	uint16_t comment;       // bytes of its comment
	bool is_unsized;        // a member's true sizes are not known
	bool is_torn;           // a member could not be unpacked to the end
	bool is_ambiguous;
	bool is_damaged;        // a checksum differs
	bool is_hidden;         // a member stands behind entries of the directory
	bool is_later;          // the last piece of several
	bool is_spanned;        // it begins as the first of several pieces does
	uint64_t local_renamed; // entries with another name
	uint64_t central_renamed;
};

// What looks like an end record, wherever it stands: in a member, a name or an extra field, too.
struct zip_ends {
	uint64_t last;   // eight bytes, the last one lowest
	uint16_t before; // two before these
	uint32_t begun;  // a bit for each, as many places up as bytes have followed its signature
	uint64_t end;    // offset behind the last whole one, without its comment; 0: none
	uint64_t reach;  // offset behind the comment of that which reaches furthest
};

struct zip {
	enum zip_state state;
	uint64_t record; // offset of the record being read
	uint64_t first;  // of the first local header
	bool has_first;
	struct zip_entry entry;
	uint32_t name_left;
	uint32_t extra_left;
	uint32_t item_left; // of an extra field's item
	uint16_t item_id;
	uint8_t item_bytes; // of these, read into item
	uint8_t item[24];
	uint32_t tail_bytes;          // of another name that it is
	uint8_t tail[ZIP_TAIL_BYTES]; // the last of these
	uint64_t left;                // stored bytes to come
	uint64_t given;               // bytes of the open member
	uint32_t crc;                 // of these
	uint32_t window_bytes;
	uint8_t window[ZIP_WINDOW_BYTES];
	uint32_t hold_bytes;
	uint32_t hold_candidate; // index of a byte that may begin a record; hold_bytes: none
	uint8_t hold[ZIP_HOLD_BYTES];
	struct zip_directory directory;
	struct zip_ends ends;
};

// unpack_zip_dir.c
void zip_directory_add(struct zip *zip, const struct zip_entry *entry);
// Whether another name of the entry, of so many bytes of which tail has the last ones, ends with something else: readers
// go by either.
bool zip_name_differs(const struct unpack *unpack, const uint8_t tail[ZIP_TAIL_BYTES], size_t n);
// The end record that stands at this offset.
void zip_directory_end(struct zip *zip, const uint8_t *end, uint64_t at);
// Offset of what follows the last end record, its comment first; 0: none was met.
uint64_t zip_end_of(const struct zip *zip);
// All bytes of the archive in order, whatever they are; offset: of the first one.
void zip_ends_feed(struct zip *zip, const uint8_t *data, size_t n, uint64_t offset);
// The archive is over: what of its directory is to be told.
void zip_directory_judge(struct unpack *unpack);

// unpack_zip_open.c
size_t zip_open_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
