// SPDX-License-Identifier: BSD-3-Clause
// Inside of the MIME parser, shared by scan/mime*.c alone.
//
//   mime.c        memory, input, the public functions
//   mime_head.c   lines of a header
//   mime_fields.c fields of it that say nothing
//   mime_body.c   lines of a body: boundaries and nesting
//   mime_field.c  header fields to what is known of the entity
//   mime_leaf.c   body bytes of one leaf to decoded bytes, and the events of it
//   mime_reading.c  other readings of a leaf, and the events of blocks
//   mime_block.c  blocks in text: uuencode, yEnc, base64, what looks like a part
//   mime_uu.c     lines of uuencode
//   mime_hint.c   encodings that a header names in odd ways
//   mime_pool.c   memory that many parsers share
//
// One leaf is open at a time, and one block inside it. A container that is itself encoded
// (message/rfc822 in base64) is read by a second parser of the same kind, fed with decoded bytes, and
// one in that by a third.
#pragma once

#include "scan/decode.h"
#include "scan/header.h"
#include "scan/mime.h"

#include <string.h>

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
// A parser that shares memory with others has room of its own for fields of such a share of the limit.
#define MIME_OWN_FIELD_SHARE 16
// Parsers, one inside the other: two levels of encoded containers. Deeper ones are leaves.
#define MIME_LEVELS 3u
// The innermost parser's limit for a header field, where the caller's is not less.
#define MIME_INNER_HEADER_BYTES 16384

// A line in which a block is looked for counts up to this; the rest of a longer one only as data.
#define BLOCK_LINE_BYTES 512
#define BLOCK_REST_BYTES 1024
#define BLOCK_OUT_BYTES 1024
// A line, the blanks that quoted-printable holds back, a held line break, the decoders' slack.
#define BLOCK_OUT_SPARE (BLOCK_REST_BYTES + 128 + DECODE_SLACK)

// Raw bytes of what no part is made of, or is made of otherwise, are looked through in pieces of this.
#define MIME_TAP_BYTES 2048
#define MIME_TAP_SPARE (MIME_LINE_BYTES + 3)
#define MIME_ALT_BYTES (MIME_TAP_BYTES + MIME_TAP_SPARE + 128 + DECODE_SLACK)
// Of a message; what no longer fits is in the raw message alone, and limit-readings.
#define MIME_MAX_READINGS 256
// Of these, of what stands in a text as it is, behind fields without a boundary, as answers in a log of HTTP do. What is
// more is in the text alone, but for the first of each text.
#define MIME_MAX_BARE 32

enum mime_coding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_UU };
#define MIME_CODING_BIT(coding) (1u << (coding))

union mime_decoder {
	struct base64_state base64;
	struct qp_state qp;
};

// What a block is known by.
enum block_kind {
	BLOCK_UU,     // a begin line, and a line of data after it
	BLOCK_YENC,   // "=ybegin"
	BLOCK_BASE64, // long lines of nothing else
	BLOCK_PART,   // "Content-" fields and what follows, up to a line that begins with "--"
};

enum block_state { BLOCK_OUTSIDE, BLOCK_HEADER, BLOCK_BEGUN, BLOCK_INSIDE };
enum block_step { BLOCK_MORE, BLOCK_BEGIN, BLOCK_DATA, BLOCK_END };

struct block {
	enum block_kind kind;
	enum block_state state;
	enum mime_coding coding; // of a BLOCK_PART
	bool begin_due;
	bool ended;         // BLOCK_END is due once out is taken
	bool after_dashes;  // the last line that was not blank, or a header, began with "--"
	bool encoding_open; // the header's last field is a transfer encoding
	bool says_part;     // it has such a field, or a type
	bool is_bare;       // no boundary, nothing encoded: its bytes are those of the text
	bool no_bare;       // the caller has had enough of these
	bool is_encrypted; // a line was seen that begins armor of what is; the caller takes it back
	bool armor;        // between the lines of a signature: base64 that is no attachment
	bool gap;          // blank lines inside base64
	bool escape;       // of yEnc
	bool is_guess;     // quoted-printable that no header names: other blocks may begin in it
	bool in_rest;      // of a line longer than BLOCK_LINE_BYTES
	bool takes_rest;
	bool after_cr;
	bool skip_break; // that of the blank line before a body
	bool again;      // the line ended a block, and is to be looked at once more
	bool is_named;   // a header says that it is uuencode
	bool resumes;    // what follows was interrupted, and goes on where nothing else does
	bool is_open;    // that is uuencode, whose end was not told yet
	bool is_filled;  // its last line
	bool is_over;    // a line of no bytes was in it
	bool end_first;  // its end is to be told in front of what begins
	enum block_kind resume_kind;
	enum mime_coding resume_coding;
	uint8_t misses;      // lines behind "begin" that hold no data
	uint8_t break_bytes; // held: it may belong to a boundary
	uint8_t line_break[2];
	uint32_t line_bytes;
	uint32_t out_bytes;
	union mime_decoder decoder;
	uint8_t line[BLOCK_LINE_BYTES];
	char name[BLOCK_LINE_BYTES];
	uint8_t out[BLOCK_OUT_BYTES + BLOCK_OUT_SPARE];
};

// mime_block.c
void block_init(struct block *block);
// The same where the first line may be data of uuencode: its begin line may be left out.
void block_init_uu(struct block *block);
// Reads on from data and stops at an event: BLOCK_BEGIN, BLOCK_DATA when out is to be taken (the
// caller sets out_bytes to 0), BLOCK_END. BLOCK_MORE: all was read.
enum block_step block_scan(struct block *block, const uint8_t *data, size_t n, size_t *used);
// The same at the end of the input; BLOCK_MORE: nothing is left.
enum block_step block_finish(struct block *block);

// mime_uu.c
// Whether line is "begin MODE NAME", or without a name; then the name, which has room for a line, is filled in.
bool uu_begins(const uint8_t *line, size_t n, char *name);
bool uu_holds_data(const uint8_t *line, size_t n);
// Whether it has a length and nothing outside of the alphabet, however short it is for that length: to be asked inside
// of a block alone, where readers take what is missing for zeros.
bool uu_is_all_data(const uint8_t *line, size_t n);
// Whether it is just as long as its first character says, or has a checksum behind, whatever stands in it: readers take
// six bits of any character. Base64 in whole groups never is. To be asked inside of a block alone.
bool uu_is_exact(const uint8_t *line, size_t n);
// The same of a damaged line, with more behind its data or with a few characters in it that are none: to be asked
// inside of a block alone.
bool uu_begins_with_data(const uint8_t *line, size_t n);
// Whether it is a line of 45 bytes, as encoders make all but the last.
bool uu_fills_line(const uint8_t *line, size_t n);

// mime_hint.c
// The encodings that a value names in any way, as MIME_CODING_BITs; 0 for none.
unsigned int mime_codings_named(struct span value);
// The same for a line in which a transfer encoding field may hide: after the field's name alone.
unsigned int mime_codings_hidden(struct span line);

enum mime_limit {
	MIME_LIMIT_DEPTH,
	MIME_LIMIT_PARTS,
	MIME_LIMIT_HEADER,
	MIME_LIMIT_READINGS,
	MIME_LIMIT_PARTIAL,
	MIME_LIMIT_EXTERNAL,
	MIME_LIMIT_BOUNDARY,
	MIME_LIMIT_ENCRYPTED,
	MIME_LIMIT_MEMORY,
};
enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

// What the header says of the entity; its texts are those of the part.
struct mime_entity {
	bool has_type;
	bool has_encoding;
	bool has_disposition;
	bool has_boundary;
	bool digest;             // a part without a type in here is a message
	bool long_boundary;      // longer than MIME_MAX_BOUNDARY, or the pool is full
	bool odd;                // what it says can be read in other ways
	unsigned int codings;    // that it names, as MIME_CODING_BITs
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
	unsigned int codings; // that its own header names, as MIME_CODING_BITs
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

// Lines that begin with a boundary and go on may end a part so often.
#define MIME_CUTS 4

// Where in decoded bytes those begin that some readers leave out: base64 behind padding, or a quantum without its end,
// and lines as above. Each is another reader's, so that none takes another one's place.
struct mime_behind {
	uint8_t due;
	size_t at[MIME_CUTS + 1]; // in their order
	size_t given;             // of the decoded bytes
};

static inline void mime_behind_add(struct mime_behind *behind, size_t at)
{
	if (behind->due > MIME_CUTS || (behind->due > 0 && behind->at[behind->due - 1] >= at))
		return;
	behind->at[behind->due++] = at;
}

// What is written behind out_bytes by base64_decode, or by base64_end where that is all that is left.
static inline void mime_behind_note(
	struct mime_behind *behind, const struct base64_state *state, size_t out_bytes)
{
	if (state->resumed)
		mime_behind_add(behind, out_bytes + state->resumed_at);
}

static inline void mime_behind_end(
	struct mime_behind *behind, const struct base64_state *state, size_t out_bytes, size_t n)
{
	if (n > 0 && (state->flags & DECODE_AFTER_PAD) == 0)
		mime_behind_add(behind, out_bytes);
}

// Fills in the next of the n decoded bytes. Returns whether these were the last.
static inline bool mime_behind_give(
	struct mime_behind *behind, const uint8_t *data, size_t n, struct mime_event *event)
{
	const size_t from = behind->given;

	event->is_behind = behind->due > 0 && behind->at[0] == from;
	if (event->is_behind)
		memmove(behind->at, behind->at + 1, --behind->due * sizeof(behind->at[0]));
	behind->given = behind->due > 0 ? behind->at[0] : n;
	event->data = data + from;
	event->bytes = behind->given - from;
	if (behind->given < n)
		return false;
	// What is due behind all of these is so in front of the next.
	behind->given = 0;
	behind->at[0] = 0;
	return true;
}

// The body of the open leaf under another encoding than the first reading's.
struct mime_alt {
	bool is_open;
	bool begin_due;
	bool end_due;
	bool waits;    // for a blank line, behind which it begins
	bool is_blank; // the line so far, while it waits
	enum mime_coding coding;
	union mime_decoder decoder;
	uint32_t out_bytes;
	uint32_t shared_bytes; // of what the leaf has gathered, which it begins with
	struct mime_behind behind;
	struct mime_part part;
	uint8_t out[MIME_ALT_BYTES];
};

// Of a leaf: two encodings besides its own, from the junk in front of it, from behind its first line and behind a blank
// line, and past padding. A reading more than these is limit-readings, not left out.
#define MIME_ALTS 6

struct mime_leaf {
	enum mime_sink sink;
	enum mime_coding coding;
	bool scan;    // for blocks in the decoded bytes
	bool tap;     // for blocks in the raw bytes instead
	bool tap_due; // once what is decoded so far has been looked through, and the block there ended
	bool tap_end_due;  // the raw bytes are over
	bool peek;         // the raw bytes are kept until the first line shows whether it is base64
	bool epilogue_due; // its raw bytes are to be looked through
	bool message;      // its decoded bytes are one
	bool alts;         // there are other readings of it
	bool starts_early; // with lines that were taken for header
	bool begin_due;
	bool flush_due;  // gather, or direct, is to be given out
	bool data_given; // it was, but blocks in it are still looked for
	bool was_given;  // something of the part was before
	bool end_due;
	bool block_open;
	uint8_t cuts;        // of MIME_CUTS
	uint32_t held_bytes; // raw bytes that went to MIME_SINK_HELD
	size_t junk_bytes;   // at the start of field: no field, and perhaps the body's first line
	bool unpadded_due;   // a reading of it that passes over padding; what that begins with
	size_t unpadded_at;  // from here on the raw bytes
	size_t unpadded_shared; // and of the gathered ones so many in front
	size_t gather_bytes;
	size_t gather_read; // of these, looked through for blocks or read by the second parser
	struct mime_behind behind;
	const uint8_t *direct; // instead of gather, in the caller's input
	size_t direct_bytes;
	union mime_decoder decoder;
	struct mime_part part;
	struct mime_part block_part;
};

// What many parsers share.
enum mime_spare_kind { MIME_SPARE_FIELD, MIME_SPARE_INNER, MIME_SPARE_ALTS };
#define MIME_SPARES 3

struct mime {
	struct mime_limits limits;
	struct mime_pool *shared;  // NULL: all memory is its own
	void *spares[MIME_SPARES]; // that it has of these
	struct mime
		*inner; // reads encoded containers, made by mime_inner_begin; NULL in the innermost
	struct mime *outermost;
	struct mime_alt *alts; // of the outermost: MIME_ALTS; one leaf is open at a time
	uint8_t *field;        // field_room
	size_t field_room;     // max_header_bytes, or less until more is needed
	uint8_t *gather;       // MIME_GATHER_BYTES + MIME_GATHER_SPARE
	struct mime_frame *frames;
	unsigned int level;  // 0 for the outermost
	uint32_t base_depth; // of what encloses the second parser
	uint32_t depth;
	uint32_t boundaries; // multiparts among the frames
	uint32_t parts;
	uint32_t readings; // of these
	uint32_t bare_readings;
	enum mime_state state;
	unsigned int limits_due;  // 1u << enum mime_limit: MIME_SUSPICIOUS is to be given
	unsigned int limits_told; // each is told once a message
	bool has_unclear_subject;
	bool has_unclear_name; // of the outermost: all levels note it there
	bool tells_messages;   // and places, of messages that stand in what is read as they are
	bool tells_places;     // it is the outermost

	// Header: field[0..field_bytes) is the field so far, or a line of junk held; after it the line.
	size_t field_bytes;
	size_t line_bytes;
	uint32_t header_lines;
	uint32_t
		cut_codings; // that a header named which a boundary cut off: some read on behind that
	bool in_line;
	bool line_cut; // the rest of the line is dropped
	bool has_field;
	bool has_junk;
	bool entity_due; // the entity is to be reset: what it said was still of use
	bool digest_due;
	bool after_boundary; // the header began with a boundary line, not with a message's container
	bool sniff; // an encoded message: its first line tells whether it is encoded in fact
	enum mime_coding sniff_coding;
	uint64_t junk_at; // where has_junk began in the message
	size_t replay_at; // field[replay_at..replay_end) is to be read once more
	size_t replay_end;

	// Places in what is read, of messages that stand in it.
	uint64_t next;          // of the next byte of input
	uint64_t at;            // of the first byte that is being fed
	uint64_t line_at;       // of the line that is held
	uint64_t cut_at;        // where they ended
	uint32_t messages;      // frames of this kind
	uint32_t messages_told; // that have begun
	uint32_t messages_left; // of these, the fewest that there have been since

	// Body.
	bool at_line_start;
	bool cr_lines;  // a bare CR ends a line
	bool skip_lf;   // after such a one
	bool drop_line; // the rest of a boundary line
	uint8_t held_break_bytes;
	uint8_t held_break[3]; // belongs to the boundary, if one follows
	uint32_t held_bytes;   // of a line that may be a boundary
	uint32_t pool_bytes;
	uint32_t tap_bytes;
	uint32_t tap_read;

	struct mime_leaf leaf;
	struct mime_entity entity;

	// From here on nothing is set before it is used: pages that are never used are never there.
	struct block block; // but for what stands before its line
	uint8_t held[MIME_LINE_BYTES];
	uint8_t tap[MIME_TAP_BYTES + MIME_TAP_SPARE];
	char subject[2048];
	char message_id[1024];
	uint8_t pool[MIME_BOUNDARY_POOL + MIME_MAX_BOUNDARY];
};

// mime_field.c
void mime_entity_begin(struct mime *mime, bool digest);
void mime_field_end(struct mime *mime); // field[0..field_bytes) is one whole field
// A line that stands where no field is read, and is left out: another reader may see one in it.
void mime_junk_notice(struct mime *mime, struct span line);
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
// Returns how many of them were taken: all, or of base64 fewer.
size_t mime_leaf_write(struct mime *mime, const uint8_t *data, size_t n);
// All input was read: gives out what was gathered if it is worth it. False: nothing is due.
bool mime_leaf_hand_out(struct mime *mime);
// The body is over. A held preamble becomes a leaf, unless a boundary has shown it to be one.
void mime_leaf_close(struct mime *mime, bool is_preamble);
// Whether mime_leaf_event has nothing to do.
static inline bool mime_leaf_is_quiet(const struct mime *mime)
{
	const struct mime_leaf *leaf = &mime->leaf;

	return (mime->limits_due != 0) + leaf->tap + leaf->begin_due + leaf->alts +
		       leaf->flush_due + leaf->tap_due + leaf->end_due + leaf->epilogue_due ==
	       0;
}
// Gives the next event that is due; false when none is.
bool mime_leaf_event(struct mime *mime, struct mime_event *event);
// Gives a limit that is to be told; false when there is none.
bool mime_limit_event(struct mime *mime, struct mime_event *event);

// mime_reading.c
// Opens a reading of the open leaf for each of the codings, and one that begins with the junk. False where
// there is no room for any.
bool mime_alts_open(struct mime *mime, unsigned int codings, struct span junk);
// Opens one that begins with the data, or behind the first blank line from there on. False where there is no room
// for it.
bool mime_alts_open_behind(
	struct mime *mime, enum mime_coding coding, const uint8_t *data, size_t n, bool blank);
// Opens one in which padding inside of base64 is passed over: it begins with so many of the leaf's gathered bytes, and
// goes on with the quantum that the padding completed and with the data.
bool mime_alts_open_unpadded(struct mime *mime, size_t shared, const uint8_t *data, size_t n);
bool mime_alts_are_ready(const struct mime *mime);
void mime_alts_write(struct mime *mime, const uint8_t *data, size_t n);
void mime_alts_close(struct mime *mime);
// Only what begins, for it has its number already.
bool mime_alts_begin_event(struct mime *mime, struct mime_event *event);
bool mime_alts_event(struct mime *mime, struct mime_event *event);
// Turns a step of the search for blocks into an event; false when it makes none.
bool mime_block_event(struct mime *mime, enum block_step step, struct mime_event *event);
// Looks through the raw bytes that are due. False when none are left.
bool mime_tap_event(struct mime *mime, struct mime_event *event);
// Ends the open block, if there is one. False when all is done.
bool mime_block_finish_event(struct mime *mime, struct mime_event *event);

// mime_body.c
void mime_body_begin(struct mime *mime);
size_t mime_body_feed(struct mime *mime, const uint8_t *data, size_t n);
bool mime_body_finish(struct mime *mime); // a step of it; true when the body is over
void mime_frame_push(struct mime *mime, enum mime_kind kind);
void mime_frames_cut(struct mime *mime, uint32_t depth);
int mime_boundary_match(const struct mime *mime, const uint8_t *line, size_t n, bool *closes);
void mime_boundary_take(struct mime *mime, uint32_t frame, bool closes);
// The byte that ends the first line: LF, or in a message of CR lines also CR. NULL if there is none.
const uint8_t *mime_line_end(const struct mime *mime, const uint8_t *data, size_t n);

// mime_head.c
void mime_header_begin(struct mime *mime, bool after_boundary, bool digest);
size_t mime_header_feed(struct mime *mime, const uint8_t *data, size_t n);
void mime_header_end(struct mime *mime);
void mime_header_finish(struct mime *mime); // a step of it

// mime.c
// Whether there is a second parser. What is in the way is told.
bool mime_inner_is_there(struct mime *mime);
// Makes the second parser ready to read a container of this kind.
void mime_inner_begin(struct mime *mime, enum mime_kind kind);
// Makes room for max_header_bytes in field. False where there is no memory, which is told.
bool mime_field_grow(struct mime *mime);
// The other readings' room, which they share, or NULL: there is no memory, which is told.
struct mime_alt *mime_alts_get(struct mime *mime);
size_t mime_spare_bytes(enum mime_spare_kind kind, const struct mime_limits *limits);
size_t mime_rounded(size_t bytes);

// mime_pool.c
// NULL when there is none.
void *mime_spare_get(struct mime *mime, enum mime_spare_kind kind);
