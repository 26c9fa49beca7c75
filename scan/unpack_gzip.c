// SPDX-License-Identifier: BSD-3-Clause
// Files of one packed stream: gzip (RFC 1952) and bzip2. Streams that stand one after another are one
// member, as their readers have it.
#include "scan/unpack_state.h"

#include <string.h>

#define HEADER_BYTES 10
#define TRAILER_BYTES 8
#define OLD_MAGIC 0x9e // of gzip 0.5 and before: gzip and unar still read it

#define FLAG_CRC 0x02u
#define FLAG_EXTRA 0x04u
#define FLAG_NAME 0x08u
#define FLAG_COMMENT 0x10u

// Of the flags that must not be set some readers know nothing, and unpack.
static bool is_header_byte(uint32_t i, uint8_t byte)
{
	static const uint8_t magic[] = {0x1f, 0x8b, 8};

	return i >= sizeof(magic) || byte == magic[i] || (i == 1 && byte == OLD_MAGIC);
}

bool gzip_is_header(const uint8_t *data, size_t n)
{
	for (uint32_t i = 0; i < HEADER_BYTES; i++)
		if (i >= n || !is_header_byte(i, data[i]))
			return false;
	return true;
}

static void header_byte(struct gzip *gzip, uint8_t byte)
{
	if (gzip->head_bytes == 3)
		gzip->flags = byte;
	if (++gzip->head_bytes < HEADER_BYTES)
		return;
	gzip->head_bytes = 0;
	gzip->state = GZIP_EXTRA_BYTES;
}

// Bytes up to a zero byte; those before it are the name.
static size_t text_feed(struct unpack *unpack, const uint8_t *data, size_t n, bool is_name)
{
	const uint8_t *end = memchr(data, 0, n);
	size_t bytes = end != NULL ? (size_t)(end - data) : n;

	if (is_name && !unpack->as.gzip.is_later)
		unpack_name_add(unpack, data, bytes);
	if (end == NULL)
		return n;
	unpack->as.gzip.state++;
	return bytes + 1;
}

// What a flag does not announce is not there.
static bool is_absent(const struct gzip *gzip)
{
	switch (gzip->state) {
	case GZIP_EXTRA_BYTES:
	case GZIP_EXTRA:
		return (gzip->flags & FLAG_EXTRA) == 0;
	case GZIP_NAME:
		return (gzip->flags & FLAG_NAME) == 0;
	case GZIP_COMMENT:
		return (gzip->flags & FLAG_COMMENT) == 0;
	case GZIP_CRC:
		return (gzip->flags & FLAG_CRC) == 0;
	case GZIP_HEADER:
	case GZIP_DATA:
	case GZIP_TRAILER:
		break;
	}
	return false;
}

// So many bytes are left out.
static size_t skip_feed(struct gzip *gzip, uint32_t bytes, size_t n)
{
	size_t take = bytes - gzip->head_bytes;

	take = take < n ? take : n;
	gzip->head_bytes += (uint32_t)take;
	if (gzip->head_bytes == bytes) {
		gzip->head_bytes = 0;
		gzip->state++;
	}
	return take;
}

static size_t data_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct gzip *gzip = &unpack->as.gzip;
	size_t used = 0;

	if (!unpack->is_open) {
		unpack_member_begin(unpack, event);
		return 0;
	}
	if (unpack->codec.kind == CODEC_NONE) {
		gzip->crc = 0;
		if (!codec_begin(unpack, CODEC_DEFLATE)) {
			unpack->is_over = true;
			return 0;
		}
	}
	if (codec_feed(unpack, data, n, &used, event)) {
		codec_end(unpack);
		unpack->is_over |= unpack->is_broken;
		gzip->state = GZIP_TRAILER;
	}
	gzip->crc = unpack_crc(gzip->crc, event);
	if (gzip->is_next && event->type == UNPACK_MEMBER_DATA) {
		event->is_behind =
			true; // of readers that end with a stream, or at what is padded behind it
		gzip->is_next = false;
	}
	return used;
}

// Checksum and size of what came out.
static void trailer_read(struct unpack *unpack)
{
	struct gzip *gzip = &unpack->as.gzip;

	if (read_le32(gzip->head) != gzip->crc ||
		read_le32(gzip->head + 4) != (uint32_t)unpack->codec.out)
		unpack_warn(unpack, WARN_BROKEN);
	gzip->head_bytes = 0;
	gzip->state = GZIP_HEADER;
	gzip->is_later = true;
	gzip->is_next = true;
}

static size_t header_feed(struct unpack *unpack, const uint8_t *data)
{
	struct gzip *gzip = &unpack->as.gzip;

	// Padding after a stream is no reason to stop.
	if (gzip->is_later && gzip->head_bytes == 0 && *data == 0)
		return 1;
	if (!is_header_byte(gzip->head_bytes, *data)) {
		unpack->is_over = true;
		return 0;
	}
	header_byte(gzip, *data);
	return 1;
}

size_t gzip_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct gzip *gzip = &unpack->as.gzip;
	size_t used;

	while (is_absent(gzip))
		gzip->state++;
	switch (gzip->state) {
	case GZIP_HEADER:
		return header_feed(unpack, data);
	case GZIP_EXTRA_BYTES:
		used = unpack_collect(gzip->head, &gzip->head_bytes, 2, data, n);
		if (gzip->head_bytes == 2) {
			gzip->left = read_le16(gzip->head);
			gzip->head_bytes = 0;
			gzip->state = gzip->left > 0 ? GZIP_EXTRA : GZIP_NAME;
		}
		return used;
	case GZIP_EXTRA:
		return skip_feed(gzip, gzip->left, n);
	case GZIP_NAME:
		return text_feed(unpack, data, n, true);
	case GZIP_COMMENT:
		return text_feed(unpack, data, n, false);
	case GZIP_CRC:
		return skip_feed(gzip, 2, n);
	case GZIP_DATA:
		return data_feed(unpack, data, n, event);
	case GZIP_TRAILER:
		used = unpack_collect(gzip->head, &gzip->head_bytes, TRAILER_BYTES, data, n);
		if (gzip->head_bytes == TRAILER_BYTES)
			trailer_read(unpack);
		return used;
	}
	return n;
}

// ---- bzip2 -------------------------------------------------------------------------------------

bool bzip2_is_header(const uint8_t *data, size_t n)
{
	if (n < 10 || memcmp(data, "BZh", 3) != 0 || data[3] < '1' || data[3] > '9')
		return false;
	return memcmp(data + 4, "1AY&SY", 6) == 0 || memcmp(data + 4, "\x17rE8P\x90", 6) == 0;
}

size_t bzip2_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	size_t used = 0;

	if (!unpack->is_open) {
		unpack_member_begin(unpack, event);
		return 0;
	}
	if (unpack->codec.kind == CODEC_NONE &&
		(*data != 'B' || !codec_begin(unpack, CODEC_BZIP2))) {
		unpack->is_over = true;
		return 0;
	}
	if (codec_feed(unpack, data, n, &used, event)) {
		codec_end(unpack);
		unpack->is_over |= unpack->is_broken;
	}
	return used;
}
