// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/capture_pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000u
#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_OLD_PACKET 2u
#define BLOCK_SIMPLE 3u
#define BLOCK_ENHANCED 6u
#define ORDER_MAGIC 0x1a2b3c4du
#define HEADER_BYTES 8u
#define FRAME_BYTES 12u // of a block around its body: type, length, length again
#define BLOCK_MAX_BYTES (16u << 20)
#define INTERFACES_MAX 65536u // the old packet block numbers them with 16 bits
#define OPTION_END 0u
#define OPTION_TSRESOL 9u
#define OPTION_TSOFFSET 14u

struct interface {
	uint64_t offset_s;
	uint32_t snap_bytes; // 0: no limit
	uint16_t link;
	uint8_t resolution; // if_tsresol
};

struct pcapng {
	FILE *file;
	uint8_t *body;
	uint32_t body_room;
	struct interface *interfaces; // of the section
	uint32_t interfaces_count;
	uint32_t interfaces_room;
	bool has_section;
	bool is_big; // byte order of the section
};

// A block's body and how far it has been read.
struct cursor {
	const uint8_t *at;
	uint32_t left;
	bool is_big;
};

bool pcapng_is_magic(const uint8_t bytes[4])
{
	static const uint8_t magic[4] = {0x0a, 0x0d, 0x0d, 0x0a};

	return memcmp(bytes, magic, sizeof(magic)) == 0;
}

struct pcapng *pcapng_new(FILE *file)
{
	struct pcapng *pcapng = calloc(1, sizeof(*pcapng));

	if (pcapng != NULL)
		pcapng->file = file;
	return pcapng;
}

void pcapng_free(struct pcapng *pcapng)
{
	if (pcapng == NULL)
		return;
	free(pcapng->interfaces);
	free(pcapng->body);
	free(pcapng);
}

static uint32_t get32(const uint8_t *at, bool is_big)
{
	uint32_t value =
		(uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

	return is_big ? value : __builtin_bswap32(value);
}

static bool take(struct cursor *cursor, uint32_t bytes, const uint8_t **out)
{
	if (cursor->left < bytes)
		return false;
	*out = cursor->at;
	cursor->at += bytes;
	cursor->left -= bytes;
	return true;
}

static bool take32(struct cursor *cursor, uint32_t *value)
{
	const uint8_t *at;

	if (!take(cursor, 4, &at))
		return false;
	*value = get32(at, cursor->is_big);
	return true;
}

static bool take16(struct cursor *cursor, uint16_t *value)
{
	const uint8_t *at;

	if (!take(cursor, 2, &at))
		return false;
	*value = (uint16_t)(cursor->is_big ? at[0] << 8 | at[1] : at[1] << 8 | at[0]);
	return true;
}

static bool take_padded(struct cursor *cursor, uint32_t bytes, const uint8_t **out)
{
	const uint8_t *padding;

	// The padding of the last field may be left out by sloppy writers.
	return take(cursor, bytes, out) &&
	       (take(cursor, (4 - bytes % 4) % 4, &padding) || cursor->left < 4);
}

// ---- blocks -------------------------------------------------------------------------------------

static int fail(char error[PCAPNG_ERROR_BYTES], const char *what)
{
	(void)snprintf(error, PCAPNG_ERROR_BYTES, "%s", what);
	return -EBADMSG;
}

static int read_exactly(
	struct pcapng *pcapng, void *out, size_t bytes, char error[PCAPNG_ERROR_BYTES])
{
	if (fread(out, 1, bytes, pcapng->file) == bytes)
		return 0;
	return fail(error, ferror(pcapng->file) ? "cannot be read" : "ends within a block");
}

static int make_room(struct pcapng *pcapng, uint32_t bytes)
{
	uint32_t room = bytes < 65536 ? 65536 : bytes;
	uint8_t *body;

	if (bytes <= pcapng->body_room)
		return 0;
	body = realloc(pcapng->body, room);
	if (body == NULL)
		return -ENOMEM;
	pcapng->body = body;
	pcapng->body_room = room;
	return 0;
}

// A section says its byte order behind the length, which is needed to read that.
static int read_order(struct pcapng *pcapng, uint8_t order[4], char error[PCAPNG_ERROR_BYTES])
{
	int err = read_exactly(pcapng, order, 4, error);

	if (err != 0)
		return err;
	if (get32(order, true) != ORDER_MAGIC && get32(order, false) != ORDER_MAGIC)
		return fail(error, "section of an unknown byte order");
	pcapng->is_big = get32(order, true) == ORDER_MAGIC;
	return 0;
}

// Returns 1 with a block's type and body, 0 at the end of the file.
static int read_block(
	struct pcapng *pcapng, uint32_t *type, struct cursor *body, char error[PCAPNG_ERROR_BYTES])
{
	uint8_t header[HEADER_BYTES + 4];
	uint8_t trailer[4];
	size_t got = fread(header, 1, HEADER_BYTES, pcapng->file);
	uint32_t have = 0; // of the body, read already
	uint32_t length;
	int err;

	if (got == 0 && !ferror(pcapng->file))
		return 0;
	if (got < HEADER_BYTES)
		return fail(error, ferror(pcapng->file) ? "cannot be read" : "ends within a block");
	*type = get32(header, pcapng->is_big);
	if (*type == BLOCK_SECTION) {
		err = read_order(pcapng, header + HEADER_BYTES, error);
		if (err != 0)
			return err;
		have = 4;
	} else if (!pcapng->has_section) {
		return fail(error, "does not begin with a section");
	}
	length = get32(header + 4, pcapng->is_big);
	if (length < FRAME_BYTES + have || length > BLOCK_MAX_BYTES || length % 4 != 0)
		return fail(error, "block of an impossible length");
	length -= FRAME_BYTES;
	err = make_room(pcapng, length);
	if (err != 0)
		return err;
	memcpy(pcapng->body, header + HEADER_BYTES, have);
	err = read_exactly(pcapng, pcapng->body + have, length - have, error);
	if (err == 0)
		err = read_exactly(pcapng, trailer, sizeof(trailer), error);
	if (err != 0)
		return err;
	if (get32(trailer, pcapng->is_big) != length + FRAME_BYTES)
		return fail(error, "block whose two lengths differ");
	*body = (struct cursor){pcapng->body, length, pcapng->is_big};
	return 1;
}

static int begin_section(struct pcapng *pcapng, struct cursor *body, char error[PCAPNG_ERROR_BYTES])
{
	uint32_t magic;
	uint16_t major;

	if (!take32(body, &magic) || !take16(body, &major))
		return fail(error, "section header is too short");
	if (major != 1)
		return fail(error, "section of an unknown version");
	pcapng->has_section = true;
	pcapng->interfaces_count = 0;
	return 0;
}

static void read_interface_options(struct cursor *body, struct interface *interface)
{
	uint16_t code;
	uint16_t bytes;
	const uint8_t *value;
	uint64_t high;

	while (take16(body, &code) && take16(body, &bytes) && code != OPTION_END &&
		take_padded(body, bytes, &value)) {
		if (code == OPTION_TSRESOL && bytes == 1)
			interface->resolution = value[0];
		if (code == OPTION_TSOFFSET && bytes == 8) {
			high = get32(value + (body->is_big ? 0 : 4), body->is_big);
			interface->offset_s =
				high << 32 | get32(value + (body->is_big ? 4 : 0), body->is_big);
		}
	}
}

static int add_interface(struct pcapng *pcapng, struct cursor *body, char error[PCAPNG_ERROR_BYTES])
{
	struct interface interface = {.resolution = 6};
	uint32_t room = pcapng->interfaces_room * 2 + 4;
	struct interface *list;
	uint16_t reserved;

	if (!take16(body, &interface.link) || !take16(body, &reserved) ||
		!take32(body, &interface.snap_bytes))
		return fail(error, "interface description is too short");
	if (pcapng->interfaces_count == INTERFACES_MAX)
		return fail(error, "too many interfaces");
	read_interface_options(body, &interface);
	if (pcapng->interfaces_count == pcapng->interfaces_room) {
		list = realloc(pcapng->interfaces, room * sizeof(list[0]));
		if (list == NULL)
			return -ENOMEM;
		pcapng->interfaces = list;
		pcapng->interfaces_room = room;
	}
	pcapng->interfaces[pcapng->interfaces_count++] = interface;
	return 0;
}

// ---- packets ------------------------------------------------------------------------------------

// if_tsresol: units of 2^-n seconds with the high bit set, of 10^-n without.
static uint64_t to_ns(const struct interface *interface, uint64_t units)
{
	uint32_t power = interface->resolution & 0x7f;
	unsigned __int128 ns = (unsigned __int128)units * NS_PER_S;

	if ((interface->resolution & 0x80) != 0) {
		ns = power < 128 ? ns >> power : 0;
	} else {
		for (; power > 0 && ns > 0; power--)
			ns /= 10;
	}
	return (uint64_t)ns + interface->offset_s * NS_PER_S;
}

static bool read_enhanced(
	struct cursor *body, uint32_t *index, uint64_t *units, struct pcapng_packet *packet)
{
	uint32_t high;
	uint32_t low;

	if (!take32(body, index) || !take32(body, &high) || !take32(body, &low))
		return false;
	*units = (uint64_t)high << 32 | low;
	return take32(body, &packet->bytes) && take32(body, &packet->original_bytes) &&
	       take_padded(body, packet->bytes, &packet->data);
}

static bool read_old(
	struct cursor *body, uint32_t *index, uint64_t *units, struct pcapng_packet *packet)
{
	uint16_t number;
	uint16_t drops;
	uint32_t high;
	uint32_t low;

	if (!take16(body, &number) || !take16(body, &drops) || !take32(body, &high) ||
		!take32(body, &low))
		return false;
	*index = number;
	*units = (uint64_t)high << 32 | low;
	return take32(body, &packet->bytes) && take32(body, &packet->original_bytes) &&
	       take_padded(body, packet->bytes, &packet->data);
}

// Of the first interface, without a time, and as long as the interface's limit lets it be.
static bool read_simple(
	const struct pcapng *pcapng, struct cursor *body, struct pcapng_packet *packet)
{
	uint32_t limit = pcapng->interfaces_count > 0 ? pcapng->interfaces[0].snap_bytes : 0;

	if (!take32(body, &packet->original_bytes))
		return false;
	packet->bytes = packet->original_bytes;
	if (limit != 0 && packet->bytes > limit)
		packet->bytes = limit;
	return take_padded(body, packet->bytes, &packet->data);
}

static int read_packet(struct pcapng *pcapng, uint32_t type, struct cursor *body,
	struct pcapng_packet *packet, char error[PCAPNG_ERROR_BYTES])
{
	uint32_t index = 0;
	uint64_t units = 0;
	bool is_whole;

	*packet = (struct pcapng_packet){0};
	if (type == BLOCK_ENHANCED)
		is_whole = read_enhanced(body, &index, &units, packet);
	else if (type == BLOCK_OLD_PACKET)
		is_whole = read_old(body, &index, &units, packet);
	else
		is_whole = read_simple(pcapng, body, packet);
	if (!is_whole)
		return fail(error, "packet is longer than its block");
	if (index >= pcapng->interfaces_count)
		return fail(error, "packet of an interface that is not described");
	packet->link = pcapng->interfaces[index].link;
	if (type != BLOCK_SIMPLE)
		packet->time_ns = to_ns(&pcapng->interfaces[index], units);
	return 1;
}

int pcapng_next(struct pcapng *pcapng, struct pcapng_packet *packet, char error[PCAPNG_ERROR_BYTES])
{
	struct cursor body;
	uint32_t type;
	int result;

	while ((result = read_block(pcapng, &type, &body, error)) == 1) {
		switch (type) {
		case BLOCK_SECTION:
			result = begin_section(pcapng, &body, error);
			break;
		case BLOCK_INTERFACE:
			result = add_interface(pcapng, &body, error);
			break;
		case BLOCK_ENHANCED:
		case BLOCK_OLD_PACKET:
		case BLOCK_SIMPLE:
			return read_packet(pcapng, type, &body, packet, error);
		default:
			result = 0;
			break;
		}
		if (result != 0)
			return result;
	}
	return result;
}
