// SPDX-License-Identifier: BSD-3-Clause
// Property: an archive cut into pieces gives the members, bytes and warnings that it gives in one, and
// no more bytes than the ratio allows, which a PDF has not: its images may be blank. The first input byte
// chooses the size of the pieces.
#include "scan/unpack.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RATIO 20

struct log {
	uint64_t hash; // of all members' bytes, names and ends, in order
	uint64_t bytes;
	uint32_t members;
	uint32_t warnings;
	bool is_open;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void add(struct log *log, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < n; i++)
		log->hash = (log->hash ^ at[i]) * 0x100000001b3u;
}

// Returns false when the archive is over.
static bool note(struct log *log, const struct unpack_event *event)
{
	uint8_t type = (uint8_t)event->type;

	switch (event->type) {
	case UNPACK_NEED_INPUT:
		return true;
	case UNPACK_MEMBER_BEGIN:
		check(!log->is_open);
		log->is_open = true;
		log->members++;
		add(log, &type, 1);
		add(log, event->name, strlen(event->name));
		return true;
	case UNPACK_MEMBER_DATA:
		check(log->is_open && event->bytes > 0);
		log->bytes += event->bytes;
		add(log, event->data, event->bytes);
		return true;
	case UNPACK_MEMBER_END:
		check(log->is_open);
		log->is_open = false;
		add(log, &type, 1);
		add(log, event->name, strlen(event->name));
		return true;
	case UNPACK_WARNING:
		log->warnings++;
		add(log, event->why, strlen(event->why));
		return true;
	case UNPACK_END:
		check(!log->is_open);
		return false;
	}
	return false;
}

static void unpack_pieces(struct unpack_pool *pool, enum unpack_kind kind, const uint8_t *data,
	size_t n, size_t piece, struct log *log)
{
	struct unpack_event event;
	struct unpack *unpack;
	bool is_going = true;

	memset(log, 0, sizeof(*log));
	check(unpack_begin(pool, kind, 0, &unpack) == 0);
	for (size_t at = 0; is_going && at < n; at += piece) {
		size_t bytes = n - at < piece ? n - at : piece;
		uint8_t *copy = malloc(bytes); // of its own size: a sanitizer sees a byte too many
		size_t used = 0;

		check(copy != NULL);
		memcpy(copy, data + at, bytes);
		do {
			used += unpack_next(unpack, copy + used, bytes - used, &event);
			check(used <= bytes);
			is_going = note(log, &event);
		} while (is_going && (event.type != UNPACK_NEED_INPUT || used < bytes));
		free(copy);
	}
	while (is_going) {
		unpack_finish(unpack, &event);
		check(event.type != UNPACK_NEED_INPUT);
		is_going = note(log, &event);
	}
	unpack_put(unpack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct unpack_pool *pool;
	static const enum unpack_kind kinds[] = {UNPACK_ZIP, UNPACK_ZIP_INSIDE, UNPACK_GZIP,
		UNPACK_BZIP2, UNPACK_TAR, UNPACK_TNEF, UNPACK_PDF, UNPACK_PDF_OBJECTS,
		UNPACK_BINHEX, UNPACK_RTF, UNPACK_OLE1, UNPACK_FAT, UNPACK_SWF, UNPACK_UU,
		UNPACK_XML};
	enum unpack_kind kind;
	struct log whole;
	struct log pieces;

	if (n < 2)
		return 0;
	if (pool == NULL)
		check(unpack_pool_new(4, 1, MAX_RATIO, &pool) == 0);
	kind = unpack_detect(data + 1, n - 1 < UNPACK_DETECT_BYTES ? n - 1 : UNPACK_DETECT_BYTES);
	if (kind == UNPACK_NONE)
		kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
	unpack_pieces(pool, kind, data + 1, n - 1, n, &whole);
	unpack_pieces(pool, kind, data + 1, n - 1, data[0] % 64 + 1u, &pieces);
	check(whole.hash == pieces.hash && whole.bytes == pieces.bytes);
	check(whole.members == pieces.members && whole.warnings == pieces.warnings);
	// A member takes some bytes of the archive, and gives a MiB or its ratio at most.
	if (kind != UNPACK_PDF && kind != UNPACK_PDF_OBJECTS)
		check(whole.bytes <=
			(uint64_t)n * MAX_RATIO * 4096 + ((uint64_t)whole.members << 20));
	return 0;
}
