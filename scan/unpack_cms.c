// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_cms.h"

#include <zlib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUT_BYTES 16384u
#define IN_BYTES 4096u
#define HEAD_BYTES 10u // of a value: a tag and the longest length

enum { TAG_INTEGER = 0x02, TAG_OCTETS = 0x04, TAG_OID = 0x06, TAG_PIECES = 0x24 };
enum { TAG_SEQUENCE = 0x30, TAG_SET = 0x31, TAG_CONTENT = 0xa0 };

// Of RFC 5652 sections 5 to 8, RFC 5083, RFC 3274.
enum cms_kind { CMS_NONE, CMS_SIGNED, CMS_DIGESTED, CMS_COMPRESSED, CMS_ENCRYPTED };

static const uint8_t signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
static const uint8_t compressed_data[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x09};
static const uint8_t enveloped_checked[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17};

// Where the bytes come from: memory, or a capture.
struct source {
	const uint8_t *data;
	size_t bytes;
	struct whole *whole; // NULL: the memory
};

struct value {
	uint8_t tag;
	bool is_open; // its end is marked, it has no length
	uint64_t length;
	uint64_t at; // of its first byte
};

struct cms {
	uint64_t at;
	uint64_t left; // of the piece that is read
	bool is_begun;
	bool is_packed;
	bool is_over; // the packed stream
	z_stream stream;
	uint8_t in[IN_BYTES];
	uint8_t out[OUT_BYTES];
};

static size_t read_source(const struct source *source, uint64_t at, uint8_t *out, size_t n)
{
	if (source->whole != NULL)
		return capture_read(source->whole->capture, at, out, n);
	if (at >= source->bytes)
		return 0;
	n = n < source->bytes - at ? n : (size_t)(source->bytes - at);
	memcpy(out, source->data + at, n);
	return n;
}

// The tag and the length at this place. False: the bytes are over, or it is none of the short tags.
static bool read_value(const struct source *source, uint64_t at, struct value *value)
{
	uint8_t head[HEAD_BYTES];
	size_t n = read_source(source, at, head, sizeof(head));
	size_t digits = 0;

	if (n < 2 || (head[0] & 0x1f) == 0x1f)
		return false;
	*value = (struct value){.tag = head[0], .length = head[1], .is_open = head[1] == 0x80};
	if (value->is_open)
		value->length = 0;
	if (head[1] > 0x80) {
		digits = head[1] & 0x7fu;
		if (digits > 8 || n < 2 + digits)
			return false;
		value->length = 0;
		for (size_t i = 0; i < digits; i++)
			value->length = value->length << 8 | head[2 + i];
	}
	value->at = at + 2 + digits;
	return value->length <= UINT64_MAX / 2;
}

// Behind a value. 0: there is no end to it.
static uint64_t behind(const struct source *source, const struct value *value)
{
	uint64_t at = value->at;
	uint64_t depth = 1;

	if (!value->is_open)
		return value->at + value->length;
	while (depth > 0) {
		struct value inner;

		if (!read_value(source, at, &inner) ||
			(source->whole != NULL && !whole_spend(source->whole, 16)))
			return 0;
		at = inner.is_open ? inner.at : inner.at + inner.length;
		if (inner.is_open)
			depth++;
		else if (inner.tag == 0)
			depth--;
	}
	return at;
}

// Goes into a value of this tag, or behind it.
static bool pass(const struct source *source, uint8_t tag, bool into, uint64_t *at)
{
	struct value value;

	if (!read_value(source, *at, &value) || value.tag != tag)
		return false;
	*at = into ? value.at : behind(source, &value);
	return *at != 0;
}

static bool is_oid(const uint8_t *oid, uint64_t n, const uint8_t *other, size_t bytes)
{
	return n == bytes && memcmp(oid, other, bytes) == 0;
}

// Which kind of content the bytes of an identifier name.
static enum cms_kind kind_named(const uint8_t *oid, uint64_t n)
{
	const uint8_t last = oid[sizeof(signed_data) - 1];

	if (is_oid(oid, n, compressed_data, sizeof(compressed_data)))
		return CMS_COMPRESSED;
	if (is_oid(oid, n, enveloped_checked, sizeof(enveloped_checked)))
		return CMS_ENCRYPTED;
	if (n != sizeof(signed_data) || memcmp(oid, signed_data, sizeof(signed_data) - 1) != 0)
		return CMS_NONE;
	switch (last) {
	case 2:
		return CMS_SIGNED;
	case 5:
		return CMS_DIGESTED;
	case 3: // for those who have a key
	case 4: // the same, and signed
	case 6: // by a key that both know
		return CMS_ENCRYPTED;
	default:
		return CMS_NONE;
	}
}

static enum cms_kind kind_of(const struct source *source, uint64_t *at)
{
	uint8_t oid[sizeof(compressed_data)] = {0};
	struct value value;

	if (!pass(source, TAG_SEQUENCE, true, at) || !read_value(source, *at, &value) ||
		value.tag != TAG_OID || value.length > sizeof(oid) ||
		read_source(source, value.at, oid, (size_t)value.length) != value.length)
		return CMS_NONE;
	*at = value.at + value.length;
	return kind_named(oid, value.length);
}

// To the content, in all that surrounds it. False: there is none; *at is how far it could be read.
static bool find_content(const struct source *source, enum cms_kind kind, uint64_t *at)
{
	struct value value;

	return pass(source, TAG_CONTENT, true, at) && pass(source, TAG_SEQUENCE, true, at) &&
	       pass(source, TAG_INTEGER, false, at) &&
	       pass(source, kind == CMS_SIGNED ? TAG_SET : TAG_SEQUENCE, false, at) &&
	       pass(source, TAG_SEQUENCE, true, at) && pass(source, TAG_OID, false, at) &&
	       pass(source, TAG_CONTENT, true, at) && read_value(source, *at, &value) &&
	       (value.tag == TAG_OCTETS || value.tag == TAG_PIECES);
}

bool cms_detect(const uint8_t *data, size_t n)
{
	const struct source source = {.data = data, .bytes = n};
	enum cms_kind kind;
	uint64_t at = 0;

	if (n < 2 || data[0] != TAG_SEQUENCE)
		return false;
	kind = kind_of(&source, &at);
	if (kind == CMS_NONE || kind == CMS_ENCRYPTED)
		return false;
	// What stands further behind is not known yet, nor is a length that the first bytes end in.
	return find_content(&source, kind, &at) || at == 0 ||
	       at + (n < UNPACK_DETECT_BYTES ? 2 : HEAD_BYTES) > n;
}

bool cms_is_encrypted(const uint8_t *data, size_t n)
{
	const struct source source = {.data = data, .bytes = n};
	uint64_t at = 0;

	return kind_of(&source, &at) == CMS_ENCRYPTED && pass(&source, TAG_CONTENT, true, &at);
}

int cms_begin(struct whole *whole)
{
	const struct source source = {.whole = whole};
	struct cms *cms = calloc(1, sizeof(*cms));
	enum cms_kind kind;

	if (cms == NULL)
		return -ENOMEM;
	cms->at = whole->from;
	kind = kind_of(&source, &cms->at);
	if (kind == CMS_NONE || kind == CMS_ENCRYPTED || !find_content(&source, kind, &cms->at))
		cms->at = UINT64_MAX;
	cms->is_packed = kind == CMS_COMPRESSED;
	if (cms->is_packed && inflateInit(&cms->stream) != Z_OK) {
		free(cms);
		return -ENOMEM;
	}
	whole->state = cms;
	return 0;
}

void cms_end(struct whole *whole)
{
	struct cms *cms = whole->state;

	if (cms->is_packed)
		(void)inflateEnd(&cms->stream);
	free(cms);
	whole->state = NULL;
}

// The next bytes of the content, which may stand in pieces in pieces. 0: it is over.
static size_t read_content(struct whole *whole, struct cms *cms, uint8_t *out, size_t n)
{
	const struct source source = {.whole = whole};
	struct value value;

	while (cms->left == 0) {
		if (!read_value(&source, cms->at, &value) || !whole_spend(whole, 16) ||
			(value.tag != TAG_OCTETS && value.tag != TAG_PIECES && value.tag != 0))
			return 0;
		cms->at = value.at;
		if (value.tag == TAG_OCTETS)
			cms->left = value.length;
	}
	n = read_source(&source, cms->at, out, n < cms->left ? n : (size_t)cms->left);
	cms->at += n;
	cms->left -= n;
	return n;
}

// As much of it as there is room for: pieces may be of a byte each.
static size_t fill(struct whole *whole, struct cms *cms, uint8_t *out, size_t room)
{
	size_t n = 0;
	size_t more = 1;

	while (n < room && more > 0) {
		more = read_content(whole, cms, out + n, room - n);
		n += more;
	}
	return n;
}

// What of a damaged stream can be read comes out.
static size_t read_packed(struct whole *whole, struct cms *cms)
{
	int result;

	cms->stream.next_out = cms->out;
	cms->stream.avail_out = OUT_BYTES;
	while (!cms->is_over && cms->stream.avail_out > 0) {
		if (cms->stream.avail_in == 0) {
			cms->stream.next_in = cms->in;
			cms->stream.avail_in =
				(unsigned int)fill(whole, cms, cms->in, sizeof(cms->in));
		}
		result = inflate(&cms->stream, Z_NO_FLUSH);
		cms->is_over = result != Z_OK;
	}
	return OUT_BYTES - cms->stream.avail_out;
}

void cms_next(struct whole *whole, struct unpack_event *event)
{
	struct cms *cms = whole->state;
	size_t n;

	*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
	if (cms->at == UINT64_MAX)
		return;
	if (!cms->is_begun) {
		cms->is_begun = true;
		event->type = UNPACK_MEMBER_BEGIN;
		return;
	}
	n = cms->is_packed ? read_packed(whole, cms) : fill(whole, cms, cms->out, OUT_BYTES);
	if (n == 0)
		return;
	event->type = UNPACK_MEMBER_DATA;
	event->data = cms->out;
	event->bytes = n;
}
