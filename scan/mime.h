// SPDX-License-Identifier: BSD-3-Clause
// Streaming MIME parser (RFC 5322, 2045-2047, 2049, 2183, 2231): message bytes in, decoded parts out.
//
// Pull style: mime_next takes input and gives one event at a time. Any chunking of the input gives
// the same events but for how MIME_PART_DATA is cut. Several parts may be open at once (an enclosing
// reading and an inner one), so every event names its part by number. Memory is bounded: the
// caller's block of mime_bytes(limits), nothing else; or a smaller one, and a pool for many parsers of
// what few messages need.
//
// A leaf is a part. message/rfc822 (global, news) and multiparts are containers, also when they are
// themselves in base64, quoted-printable or uuencode; a multipart without a boundary in it, or none
// within its first 16 KiB, is a leaf of its own type. A uuencoded or yEnc block in a text part is a part
// besides, whose parent is the text part and which is open inside it. Preamble and epilogue are no
// parts: they are in the raw message. What is malformed gets the reading that most mail readers take,
// and further ones beside it: see enum mime_reading.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mime;

struct mime_limits {
	uint32_t max_depth;        // at least 1
	uint32_t max_parts;        // what comes after them is in the raw message alone
	uint32_t max_header_bytes; // of a field, unfolded; at least 256
};

enum mime_event_type {
	MIME_NEED_INPUT, // all input consumed
	MIME_PART_BEGIN, // event.part is filled in
	MIME_PART_DATA,  // decoded bytes of part `number`, valid until the next call
	MIME_PART_END,
	// event.why, each at most once: "limit-depth", "limit-parts", "limit-header", "limit-readings",
	// "message-partial", "message-external-body" (it is fetched from elsewhere), "ambiguous-boundary",
	// "encrypted-mail" (PGP).
	MIME_SUSPICIOUS,
	MIME_NO_MEMORY, // the pool had no more: of what needed it not all was read; at most once
	// Only after mime_tell_messages. Attached messages as a whole: where the raw bytes of one begin and end, which
	// are told when it is known, the innermost first to end; what has not ended does with the message. Of one
	// that is encoded its decoded bytes and its end, with the number of encodings around it.
	MIME_MESSAGE_BEGIN,
	MIME_MESSAGE_END,
	MIME_MESSAGE_DATA,
	MIME_MESSAGE_DATA_END,
	MIME_END, // after mime_finish only: the message is over
};

// What mail readers may disagree about is read in more than one way. Only the first reading's parts
// are what the message is said to have; the others are for the scanner to look into.
enum mime_reading {
	MIME_READING_FIRST,
	MIME_READING_PLAIN, // the same body under another encoding than the first reading's
	MIME_READING_BASE64,
	MIME_READING_QP,
	MIME_READING_BLOCK, // what looks like base64 or like a part, in a body, a preamble or an epilogue
};

// Strings are valid until MIME_PART_END of that part.
struct mime_part {
	uint32_t number; // from 1, in order of appearance; leaves only, of all readings
	uint32_t parent; // 0, or the part that a block stands in
	enum mime_reading reading;
	uint32_t depth;           // of enclosing multiparts and messages
	const char *content_type; // see scan_part
	const char *charset;
	const char *encoding;
	const char *filename;
	const char *disposition;
};

struct mime_event {
	enum mime_event_type type;
	uint32_t number;
	const struct mime_part *part;
	const uint8_t *data;
	size_t bytes;
	bool is_behind;  // of MIME_PART_DATA: some readers end the part in front of these
	uint64_t offset; // of MIME_MESSAGE_BEGIN and MIME_MESSAGE_END, in the message
	const char *why;
};

// Bytes of memory one parser needs, aligned to 64.
size_t mime_bytes(const struct mime_limits *limits);
// Starts in the caller's memory, which stays the caller's.
struct mime *mime_init(void *memory, const struct mime_limits *limits);

// For many parsers with the same limits: bytes of a pool, and of one parser's own, aligned to 64. A long header
// field, a container that is encoded, and a leaf that can be read in several ways take from the pool; all
// is used by one thread.
struct mime_pool;
size_t mime_pool_bytes(const struct mime_limits *limits, uint32_t parsers);
struct mime_pool *mime_pool_init(void *memory, const struct mime_limits *limits, uint32_t parsers);
size_t mime_own_bytes(const struct mime_limits *limits);
// What of the pool is there for one parser.
size_t mime_pool_share(const struct mime_limits *limits);
struct mime *mime_init_shared(
	void *memory, const struct mime_limits *limits, struct mime_pool *pool);
// Gives back what the parser has of the pool.
void mime_fini(struct mime *mime);

// To be called before the first byte.
void mime_tell_messages(struct mime *mime);
// How many raw bytes can be of no event any more that is still to come.
uint64_t mime_settled(const struct mime *mime);

// Reads from data; stops after one event. Returns how many bytes were consumed: call again with the
// rest until MIME_NEED_INPUT.
size_t mime_next(struct mime *mime, const uint8_t *data, size_t n, struct mime_event *event);
// After the last byte: call until it gives MIME_END.
void mime_finish(struct mime *mime, struct mime_event *event);

// Of the outermost header; "" until seen. Valid UTF-8, cut off at 2 KiB and 1 KiB.
const char *mime_subject(const struct mime *mime);
const char *mime_message_id(const struct mime *mime);
// Whether another reader may see another subject, or another name of a part: there are several, or it was cut.
bool mime_has_unclear_subject(const struct mime *mime);
bool mime_has_unclear_name(const struct mime *mime);
