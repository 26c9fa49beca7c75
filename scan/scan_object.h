// SPDX-License-Identifier: BSD-3-Clause
// Objects of one message while their bytes pass: what the matcher sees, and what is unpacked from
// them. Private to scan*.c.
#pragma once

#include "scan/capture.h"
#include "scan/filetype.h"
#include "scan/match.h"
#include "scan/scan.h"
#include "scan/scan_script.h"
#include "scan/screening.h"
#include "scan/unpack.h"
#include "scan/unpack_whole.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One way of reading an object.
struct scan_view {
	struct unpack *unpack;
	struct scan_object *member; // the open one of unpack
	uint64_t bytes;
	enum filetype_container container;
	bool is_inside;
};

// A signature of what lies in a container that is true of a part if only the container has a certain size.
struct scan_waiting {
	uint32_t rule;
	uint32_t part;
};

#define SCAN_MAX_WAITING 64
#define SCAN_MAX_OUTER 16 // that signatures can ask for

// An archive that begins somewhere in an object that is none.
struct scan_inside {
	const struct whole_format *whole;
	uint64_t at; // in the capture
};

#define SCAN_MAX_INSIDES 8

struct scan_object {
	struct scan_object *next;  // in the pool, or of the message's open ones
	struct scan_object **link; // what points to this one of the open ones
	struct match_object *match;
	struct scan_copies *copies;  // where it is a text or HTML, or may turn out to be
	struct unpack *unpack;       // where it is an archive, or holds a zip
	struct scan_object *member;  // the open one of unpack
	struct scan_script script;   // that is encoded in it
	struct scan_view second;     // a PDF or a text that holds a zip is both
	struct screening *screening; // NULL: there is no list
	struct scanner *owner;       // whose pool it is of
	struct capture capture;      // what has to be whole, or may turn out to be
	const struct whole_format *whole;
	uint64_t bytes;
	uint32_t number; // the MIME parser's, 0: none of its parts
	uint32_t part;   // the index that hits are reported of, 0: the message or file
	uint32_t depth;  // archives around it
	uint32_t
		origin; // the part of the message that it is, or lies in; of the message UINT32_MAX
	uint32_t parts_before; // of an attached message: later ones may lie in it
	uint32_t matches_before;
	enum filetype_container lies_in;
	uint32_t outer_count; // of what it lies in, the innermost first
	uint8_t outer[SCAN_MAX_OUTER];
	enum filetype_container container; // that it is to its members
	bool is_inside;                    // these are of an archive that begins inside of it
	uint32_t zip_search;               // state of unpack_find_zip
	unsigned int marks;                // that the bytes may hold which it is fed: scan_marks.h
	enum unpack_kind kind;             // what it is, where its first bytes do not tell
	bool is_listed;                    // it is that part, and tells of its size and digests
	bool is_unlisted; // the part is what it lies in: a member that is not listed, or a mail that is a file
	bool is_mail;        // as which it is matched, and no more
	bool has_other_name; // a member that has another one, which ends with something else
	bool is_entity;   // a member that is a message, or a part of one, whatever its header holds
	bool is_attached; // such a mail of the message's own, of which there is all
	bool has_second;
	bool is_opaque; // not, or no longer, looked into
	bool is_detected;
	bool is_captured;     // its bytes go to the capture
	bool is_allowed;      // an allow list names it
	bool is_watched;      // it may be found late what it is
	bool is_cut;          // not all of it could be kept
	bool is_zip;          // kept for members of methods that are not unpacked as they pass
	bool is_pdf;          // kept because it may turn out to be encrypted
	uint32_t unsupported; // such members
	uint32_t listed;      // parts that were looked at for them
	bool is_probed;       // archives are looked for inside of it
	uint8_t insides_count;
	uint64_t kept_from; // offset of the capture, where it is of insides
	uint64_t behind;    // offset of what follows the archive that it is; 0: not known
	struct scan_inside insides[SCAN_MAX_INSIDES];
	uint32_t probe_bytes;
	uint8_t probe[WHOLE_PROBE_BYTES];
	uint8_t late[WHOLE_LATE_BYTES];
	uint64_t seen;               // bytes of it since it was known what it is
	uint64_t fed;                // bytes of it
	const struct filetype *type; // by its first bytes, of which so many were looked at
	size_t typed_bytes;
	uint32_t waiting_count;
	struct scan_waiting waiting[SCAN_MAX_WAITING];
	uint16_t prefix_bytes;
	uint8_t prefix[UNPACK_DETECT_BYTES];
};

// What goes wrong is noted in scan; the first of each kind counts. Of what makes it suspect that is the
// first in order of the message's parts: several may be open at once.
void scan_set_suspect(struct scan *scan, const char *why);
void scan_set_unscannable(struct scan *scan, const char *why);

// parent: the object that it was unpacked from, NULL: none. container: what it lies in. Part 0 of a message is the raw
// mail. NULL when there is no memory: the message is unscannable then.
struct scan_object *object_begin(struct scan *scan, const struct scan_object *parent,
	enum filetype_container container, uint32_t part);
// A mail that is no message of its own, to be matched as a mail alone: an attached one, or one that is a file, which
// is the object. Hits are the object's, or the message's.
struct scan_object *object_begin_mail(struct scan *scan, const struct scan_object *file);
void object_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
// Ends it and gives it back; the part's digests and type are filled in. NULL is allowed.
void object_end(struct scan *scan, struct scan_object *object);
// Gives it back as it is.
void object_drop(struct scan *scan, struct scan_object *object);

// A member of the object that its text holds as it stands, of this type; listed as a part. NULL where a
// limit, which is noted, forbids it.
struct scan_object *object_begin_inline(
	struct scan *scan, const struct scan_object *object, const char *type);
// Counted with what was unpacked. False where the limit is reached: there was more.
bool object_feed_inline(
	struct scan *scan, struct scan_object *member, const uint8_t *data, size_t n);

// Unlinks it from the open ones.
void object_unlink(struct scan_object *object);
// What an unpacker says of it. True when the archive is over, or is given up.
bool object_unpacked(
	struct scan *scan, struct scan_object *object, const struct unpack_event *event);
// A match, unless it is there.
void object_add(struct scan *scan, const struct scan_match *match);
// A hit in the object that is this part.
void object_add_match(struct scan *scan, const struct match_hit *hit, uint32_t part);
// An allow list names the object that is this part: nothing in it counts.
void object_allow(struct scan *scan, uint32_t part);
// An allow list names the attached message that ends here: nothing counts in what began after it and has ended.
void object_allow_attached(struct scan *scan, const struct scan_object *object);
// Whether part is the outer one, or lies in it.
bool object_is_inside(const struct scan *scan, uint32_t part, uint32_t outer);

// The next entry of the message's list of parts, empty but for its index; NULL when there is no room.
struct scan_part *scan_add_part(struct scan *scan);
