// SPDX-License-Identifier: BSD-3-Clause
// Inside of the reader of compound files, shared by scan/unpack_ole2*.c alone.
#pragma once

#include "scan/unpack_ole2.h"

#include <zlib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OLE2_NONE UINT32_MAX
#define OLE2_NAME_BYTES 128 // 31 UTF-16 units as UTF-8
#define OLE2_PATH_BYTES 1024
#define OLE2_PIECE_BYTES 65536

struct ole2_entry {
	char name[OLE2_NAME_BYTES];
	uint8_t type;     // 1: folder, 2: stream, 5: root
	bool has_project; // a folder of macros
	uint32_t parent;
	uint32_t left;
	uint32_t right;
	uint32_t child;
	uint32_t first; // sector
	uint64_t bytes;
};

// Where reading of a stream stands.
struct ole2_stream {
	bool is_mini;
	uint32_t sector; // OLE2_NONE: over
	uint32_t steps;  // sectors until now: more than there are is a circle
	uint32_t in_sector;
	uint64_t left;
};

enum ole2_state {
	OLE2_ENTRY, // the next directory entry
	OLE2_STREAM,
	OLE2_PARTS, // what comes from the stream besides it
	OLE2_PART,
	OLE2_OVER,
};

enum ole2_kind { OLE2_PLAIN, OLE2_MACROS, OLE2_NATIVE, OLE2_SLIDES };

struct ole2 {
	struct whole *whole;
	uint32_t *fat;
	uint32_t *mini_fat;
	uint32_t *mini_sectors; // of the stream that holds the small ones
	struct ole2_entry *entries;
	uint32_t fat_count;
	uint32_t mini_count;
	uint32_t mini_sectors_count;
	uint32_t entries_count;
	uint32_t shift; // of the sector size
	uint32_t at;    // entry
	enum ole2_state state;
	enum ole2_kind kind;
	struct ole2_stream stream;
	uint8_t *content; // of the stream at hand, where more comes from it
	size_t content_bytes;
	size_t content_at;
	size_t macros_end; // of those found until now
	uint8_t *part;     // to be given; in content, or made
	uint8_t *made;
	size_t part_bytes;
	z_stream z;
	uint32_t macros;
	bool is_encrypted;
	bool is_inflating;
	char path[OLE2_PATH_BYTES];
	uint8_t piece[OLE2_PIECE_BYTES];
};

static inline uint16_t ole2_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t ole2_u32(const uint8_t *at)
{
	return (uint32_t)ole2_u16(at) | (uint32_t)ole2_u16(at + 2) << 16;
}

// unpack_ole2_file.c
// Reads header, tables and directory. Returns 0 or -ENOMEM; what is broken is left out.
int ole2_file_open(struct ole2 *ole2);
void ole2_file_close(struct ole2 *ole2);
void ole2_stream_begin(const struct ole2 *ole2, uint32_t entry, struct ole2_stream *stream);
size_t ole2_stream_read(
	const struct ole2 *ole2, struct ole2_stream *stream, uint8_t *out, size_t n);

// unpack_ole2_part.c
// What more can come from the stream of an entry.
enum ole2_kind ole2_kind_of(const struct ole2 *ole2, uint32_t entry);
bool ole2_is_encrypted(const struct ole2 *ole2, uint32_t entry);
// The next part of the content: sets part or is_inflating, and path. False: there is none.
bool ole2_part_next(struct ole2 *ole2);

// unpack_ole2_macro.c
// The text of a compressed container (MS-OVBA 2.4.1) that may begin at data. Returns its bytes, in *out
// that the caller frees, or 0 when there is none; *used: bytes of the container.
size_t ole2_macro_unpack(const uint8_t *data, size_t n, uint8_t **out, size_t *used);
