// SPDX-License-Identifier: BSD-3-Clause
// Unpackers of objects that must be whole first, because their parts are found by looking here and
// there: a captured object in, its members out.
//
// This is work for a thread that may allocate and take its time, or for a caller that has but one. A
// format is a line in the table of unpack_whole.c: how to know it, and three functions. What limits
// all of them (ratio, budget, the caller's flag) is checked here, around each call.
//
// Warnings are those of unpack.h, and
//
//   unsupported-archive  a type of archive that is known and cannot be unpacked here; a RAR archive packed
//                        with the methods of RAR 2 and before
//   split-archive        a volume of a RAR archive in several
//   limit-time           the budget is spent, or the caller wants no more, or a library did not come back
//   limit-memory         the archive asks for more memory than there is
#pragma once

#include "scan/capture.h"
#include "scan/filetype.h"
#include "scan/unpack.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An image of a disc is known by these of its bytes, after 32 KiB that may hold anything.
#define WHOLE_LATE_OFFSET 32769
#define WHOLE_LATE_BYTES 5

// So many bytes tell whether an archive begins inside of something else.
#define WHOLE_PROBE_BYTES 36

// What all work on one message may cost together.
struct whole_budget {
	uint64_t left;                // bytes that may still be read or unpacked
	const atomic_bool *cancelled; // another thread sets it; NULL: nobody does
};

struct whole;

struct whole_format {
	const char *type; // as filetype_detect has it, or as it is then called
	enum filetype_container container;
	// Returns 0, or -ENOMEM. NULL: it is known, and cannot be unpacked.
	int (*begin)(struct whole *whole);
	// The next event: MEMBER_BEGIN, MEMBER_DATA, MEMBER_END, WARNING or END, as unpack.h says; one
	// member is open at a time, names and data are valid until the next call. What of an open
	// member's end is not given by the format is given by whole_next.
	void (*next)(struct whole *whole, struct unpack_event *event);
	// Frees what begin and next made.
	void (*end)(struct whole *whole);
};

// One object being unpacked.
struct whole {
	const struct whole_format *format;
	const struct capture *capture; // the object, or as much of it as could be kept
	uint64_t from;                 // offset in it of the archive's first byte
	void *state;                   // the format's own; NULL before begin
	struct whole_budget *budget;
	uint64_t max_bytes; // that may come out before it is a bomb
	uint64_t bytes;     // that came out
	uint32_t members;   // of whole_zip_rest, that were come to: folders too
	uint64_t end;       // offset in the object of what follows the archive; 0: unknown
	bool is_open;
	bool is_over;
	bool is_stopped; // by its limits
};

// The format of an object by its first bytes: UNPACK_DETECT_BYTES of them, or all. NULL: none that must
// be whole, as far as these bytes tell.
const struct whole_format *whole_detect(const struct filetype *type, const uint8_t *data, size_t n);
// The same by its name.
const struct whole_format *whole_by_type(const char *type);
// The same by the WHOLE_LATE_BYTES at WHOLE_LATE_OFFSET.
const struct whole_format *whole_detect_late(const uint8_t *data);

// An archive inside of something else, by the WHOLE_PROBE_BYTES that it begins with. NULL: none begins so; what
// can be checked of its header is.
const struct whole_format *whole_detect_inside(const uint8_t *data);

// A PDF that is encrypted.
const struct whole_format *whole_encrypted_pdf(void);

// One that is not, of which streams are packed in a way that unpack.h cannot follow as they pass.
const struct whole_format *whole_pdf_rest(void);

// Of a zip, the members that are packed in a way that unpack.h does not know.
const struct whole_format *whole_zip_rest(void);

// Sets whole up for whole_begin. max_ratio: of unpack_pool_new.
void whole_init(struct whole *whole, const struct whole_format *format,
	const struct capture *capture, struct whole_budget *budget, uint32_t max_ratio);
// Returns 0 or -ENOMEM: there is nothing to end then.
int whole_begin(struct whole *whole) __attribute__((warn_unused_result));
void whole_next(struct whole *whole, struct unpack_event *event);
void whole_end(struct whole *whole);

// For formats: to be called for work that is not seen from outside (bytes read, records looked at).
// False: stop, it does not matter how; whole_next tells why.
bool whole_spend(struct whole *whole, uint64_t bytes) __attribute__((warn_unused_result));
