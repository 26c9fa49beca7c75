// SPDX-License-Identifier: BSD-3-Clause
// Inside of the MIME parser, shared by scan/mime*.c alone.
//
//   mime.c        memory, input, the public functions
//   mime_head.c   lines of a header
//   mime_body.c   lines of a body: boundaries and nesting
//   mime_field.c  header fields to what is known of the entity
//   mime_leaf.c   body bytes of one leaf to decoded bytes, and the events of it
//   mime_uu.c     uuencoded blocks
//
// One leaf is open at a time, and one uuencoded block inside it. A container that is itself encoded
// (message/rfc822 in base64) is read by a second parser of the same kind, fed with decoded bytes.
#pragma once

#include "scan/decode.h"
#include "scan/header.h"
#include "scan/mime.h"

// Decoded bytes are gathered to this before they are given out.
#define MIME_GATHER_BYTES 16384
// Past a full gather buffer: a held line, a held line break, held blanks, the decoders' slack.
#define MIME_GATHER_SPARE (2048 + DECODE_SLACK)
// RFC 2046 allows 70; a longer one than this ends the nesting there.
#define MIME_MAX_BOUNDARY 1000
#define MIME_BOUNDARY_POOL 8192
// A line that begins with "--" is a boundary or not after so many bytes.
#define MIME_LINE_BYTES 1100
#define MIME_MIN_HEADER_BYTES 256
// The second parser's limit for a header field; it shares the caller's when that is less.
#define MIME_INNER_HEADER_BYTES 16384

#define UU_LINE_BYTES 512
#define UU_OUT_BYTES 4096

enum uu_state { UU_OUTSIDE, UU_BEGUN, UU_INSIDE };
enum uu_step { UU_MORE, UU_BEGIN, UU_DATA, UU_END };

struct uu {
	enum uu_state state;
	bool ended; // UU_END is due once out is taken
	bool cut;   // the line is longer than any that means something
	uint32_t line_bytes;
	uint32_t out_bytes;
	uint8_t line[UU_LINE_BYTES];
	char name[UU_LINE_BYTES];
	uint8_t out[UU_OUT_BYTES + 64];
};

void uu_init(struct uu *uu);
// Reads on from data and stops at an event: UU_BEGIN once a begin line is followed by a line of data,
// UU_DATA when out is to be taken (the caller sets out_bytes to 0), UU_END. UU_MORE: all was read.
enum uu_step uu_scan(struct uu *uu, const uint8_t *data, size_t n, size_t *used);
// The same at the end of the input; UU_MORE: nothing is left.
enum uu_step uu_finish(struct uu *uu);

enum mime_limit { MIME_LIMIT_DEPTH, MIME_LIMIT_PARTS, MIME_LIMIT_HEADER };
enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };
enum mime_coding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_UU };

// What the header says of the entity; its texts are those of the part.
struct mime_entity {
	bool has_type;
	bool has_encoding;
	bool has_disposition;
	bool has_boundary;
	bool digest;             // a part without a type in here is a message
	bool long_boundary;      // longer than MIME_MAX_BOUNDARY, or the pool is full
	uint32_t boundary_bytes; // at the pool's free end
	char content_type[256];
	char charset[64];
	char encoding[64];
	char disposition[64];
	char filename[1024];
};

struct mime_frame {
	enum mime_kind kind;
	uint32_t boundary_at;
	uint32_t boundary_bytes;
	bool digest;
};

enum mime_state {
	MIME_STATE_HEADER,
	MIME_STATE_BODY,
	MIME_STATE_ENDED,
};

// What body bytes are for.
enum mime_sink {
	MIME_SINK_NONE,  // preamble that is known to be one, epilogue, past the limit of parts
	MIME_SINK_HELD,  // preamble so far: a leaf if no boundary follows
	MIME_SINK_LEAF,  // a part
	MIME_SINK_INNER, // an encoded container: the second parser's input
};

struct mime_leaf {
	enum mime_sink sink;
	enum mime_coding coding;
	bool scan_uu;
	bool begin_due;
	bool flush_due;  // gather, or direct, is to be given out
	bool data_given; // it was, but uuencoded blocks in it are still looked for
	bool end_due;
	bool uu_open;
	uint32_t held_bytes; // raw bytes that went to MIME_SINK_HELD
	size_t gather_bytes;
	size_t gather_read; // of these, looked through for uuencoded blocks or read by the second parser
	const uint8_t *direct; // instead of gather, in the caller's input
	size_t direct_bytes;
	union {
		struct base64_state base64;
		struct qp_state qp;
	} decoder;
	struct mime_part part;
	struct mime_part uu_part;
};

struct mime {
	struct mime_limits limits;
	struct mime *inner; // NULL inside the second parser
	uint8_t *field;     // max_header_bytes
	uint8_t *gather;    // MIME_GATHER_BYTES + MIME_GATHER_SPARE
	struct mime_frame *frames;
	uint32_t base_depth; // of what encloses the second parser
	uint32_t depth;
	uint32_t boundaries; // multiparts among the frames
	uint32_t parts;
	enum mime_state state;
	unsigned int limits_due;  // 1u << enum mime_limit: MIME_SUSPICIOUS is to be given
	unsigned int limits_told; // each is told once a message

	// Header: field[0..field_bytes) is the field so far, or a line of junk held; after it the line.
	size_t field_bytes;
	size_t line_bytes;
	uint32_t header_lines;
	bool in_line;
	bool line_cut; // the rest of the line is dropped
	bool has_field;
	bool has_junk;
	bool entity_due; // the entity is to be reset: what it said was still of use
	bool digest_due;
	bool after_boundary; // the header began with a boundary line, not with a message's container
	bool sniff; // an encoded message: its first line tells whether it is encoded in fact
	enum mime_coding sniff_coding;
	size_t replay_at; // field[replay_at..replay_end) is to be read once more
	size_t replay_end;

	// Body.
	bool at_line_start;
	bool drop_line; // the rest of a boundary line
	uint8_t held_break_bytes;
	uint8_t held_break[2]; // belongs to the boundary, if one follows
	uint32_t held_bytes;   // of a line that may be a boundary
	uint8_t held[MIME_LINE_BYTES];

	uint32_t pool_bytes;
	uint8_t pool[MIME_BOUNDARY_POOL + MIME_MAX_BOUNDARY];

	struct mime_entity entity;
	struct mime_leaf leaf;
	struct uu uu;
	char subject[2048];
	char message_id[1024];
};

// mime_field.c
void mime_entity_begin(struct mime *mime, bool digest);
void mime_field_end(struct mime *mime); // field[0..field_bytes) is one whole field
enum mime_kind mime_entity_kind(const struct mime *mime);
enum mime_coding mime_entity_coding(const struct mime *mime);

// mime_leaf.c
void mime_tell(struct mime *mime, enum mime_limit limit);
// Opens what the body goes to. Of a leaf, MIME_PART_BEGIN is due; at max_parts nothing is opened.
void mime_leaf_open(struct mime *mime, enum mime_sink sink, enum mime_coding coding);
// Whether body bytes can be written: false while events are due.
bool mime_leaf_is_ready(const struct mime *mime);
// How many raw bytes one mime_leaf_write may have.
size_t mime_leaf_room(const struct mime *mime);
void mime_leaf_write(struct mime *mime, const uint8_t *data, size_t n);
// The body is over. A held preamble becomes a leaf, unless a boundary has shown it to be one.
void mime_leaf_close(struct mime *mime, bool is_preamble);
// Gives the next event that is due; false when none is.
bool mime_leaf_event(struct mime *mime, struct mime_event *event);

// mime_body.c
void mime_body_begin(struct mime *mime);
size_t mime_body_feed(struct mime *mime, const uint8_t *data, size_t n);
bool mime_body_finish(struct mime *mime); // a step of it; true when the body is over
void mime_frame_push(struct mime *mime, enum mime_kind kind);
void mime_frames_cut(struct mime *mime, uint32_t depth);
int mime_boundary_match(const struct mime *mime, const uint8_t *line, size_t n, bool *closes);
void mime_boundary_take(struct mime *mime, uint32_t frame, bool closes);

// mime_head.c
void mime_header_begin(struct mime *mime, bool after_boundary, bool digest);
size_t mime_header_feed(struct mime *mime, const uint8_t *data, size_t n);
void mime_header_end(struct mime *mime);
void mime_header_finish(struct mime *mime); // a step of it

// mime.c
// Makes the second parser ready to read a container of this kind.
void mime_inner_begin(struct mime *mime, enum mime_kind kind);
