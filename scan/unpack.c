// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack.h"

#include "scan/find_four.h"
#include "scan/unpack_state.h"

#include <isa-l/crc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

struct unpack_pool {
	uint32_t max_ratio;
	uint8_t *memory;
	uint32_t count; // that it is for,
	uint32_t begun; // and that were used: the memory of the others is not there yet
	uint8_t *bzip2_memory;
	struct unpack *free_unpacks;
	uint8_t **free_bzip2s;
	uint32_t free_bzip2s_count;
};

static const uint8_t zip_magic[] = {'P', 'K', 3, 4};
static const uint8_t zip_end_magic[] = {'P', 'K', 5, 6};

static size_t round_up(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t unpack_bytes(void)
{
	return round_up(sizeof(struct unpack)) + round_up(UNPACK_INFLATE_BYTES) +
	       round_up(UNPACK_OUT_BYTES);
}

// Not zeroed: what is used again is not either, and pages that are never needed are never there.
static void *pool_memory(size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total))
		return NULL;
	return aligned_alloc(ALIGNMENT, round_up(total + 1));
}

// What was used before, then what nobody has touched; NULL: all are in use.
static struct unpack *take(struct unpack_pool *pool)
{
	struct unpack *unpack = pool->free_unpacks;
	uint8_t *block;

	if (unpack != NULL) {
		pool->free_unpacks = unpack->next;
		return unpack;
	}
	if (pool->begun == pool->count)
		return NULL;
	block = pool->memory + pool->begun++ * unpack_bytes();
	unpack = (struct unpack *)(void *)block;
	unpack->pool = pool;
	unpack->inflate_memory = block + round_up(sizeof(*unpack));
	unpack->out = unpack->inflate_memory + round_up(UNPACK_INFLATE_BYTES);
	return unpack;
}

int unpack_pool_new(
	uint32_t archives, uint32_t bzip2s, uint32_t max_ratio, struct unpack_pool **out)
{
	struct unpack_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return -ENOMEM;
	pool->max_ratio = max_ratio;
	pool->memory = pool_memory(archives, unpack_bytes());
	pool->bzip2_memory = pool_memory(bzip2s, UNPACK_BZIP2_BYTES);
	pool->free_bzip2s = calloc((size_t)bzip2s + 1, sizeof(*pool->free_bzip2s));
	if (pool->memory == NULL || pool->bzip2_memory == NULL || pool->free_bzip2s == NULL) {
		unpack_pool_free(pool);
		return -ENOMEM;
	}
	pool->count = archives;
	for (uint32_t i = 0; i < bzip2s; i++)
		pool->free_bzip2s[i] = pool->bzip2_memory + (size_t)i * UNPACK_BZIP2_BYTES;
	pool->free_bzip2s_count = bzip2s;
	*out = pool;
	return 0;
}

void unpack_pool_free(struct unpack_pool *pool)
{
	if (pool == NULL)
		return;
	free(pool->free_bzip2s);
	free(pool->bzip2_memory);
	free(pool->memory);
	free(pool);
}

uint8_t *unpack_take_bzip2(struct unpack_pool *pool)
{
	return pool->free_bzip2s_count > 0 ? pool->free_bzip2s[--pool->free_bzip2s_count] : NULL;
}

void unpack_give_bzip2(struct unpack_pool *pool, uint8_t *memory)
{
	pool->free_bzip2s[pool->free_bzip2s_count++] = memory;
}

uint32_t unpack_max_ratio(const struct unpack *unpack)
{
	return unpack->pool->max_ratio;
}

// ---- what it is --------------------------------------------------------------------------------

// Their first bytes are rare: that is faster than a search that suits all.
bool unpack_has_word(const uint8_t *data, size_t n, const char *word)
{
	const size_t length = strlen(word);
	const uint8_t *end = data + n;

	while (data != NULL && (size_t)(end - data) >= length) {
		data = memchr(data, word[0], (size_t)(end - data) - length + 1);
		if (data != NULL && memcmp(data, word, length) == 0)
			return true;
		if (data != NULL)
			data++;
	}
	return false;
}

enum unpack_kind unpack_detect(const uint8_t *data, size_t n)
{
	static const char spanned[] = "PK00PK\x03\x04";

	if (n >= 4 && (memcmp(data, zip_magic, 4) == 0 || memcmp(data, zip_end_magic, 4) == 0))
		return UNPACK_ZIP;
	if (n >= 8 &&
		(memcmp(data, spanned, 8) == 0 || memcmp(data, "PK\x07\x08PK\x03\x04", 8) == 0))
		return UNPACK_ZIP;
	if (gzip_is_header(data, n))
		return UNPACK_GZIP;
	if (bzip2_is_header(data, n))
		return UNPACK_BZIP2;
	if (tnef_is_header(data, n))
		return UNPACK_TNEF;
	if (rtf_is_header(data, n))
		return UNPACK_RTF;
	if (binhex_is_header(data, n))
		return UNPACK_BINHEX;
	if (fat_is_header(data, n))
		return UNPACK_FAT;
	if (swf_is_header(data, n))
		return UNPACK_SWF;
	if (uu_is_header(data, n))
		return UNPACK_UU;
	if (xml_is_header(data, n))
		return UNPACK_XML;
	if (tar_is_header(data, n))
		return UNPACK_TAR;
	if (pdf_is_header(data, n))
		return UNPACK_PDF;
	if (tar_is_marked(data, n))
		return UNPACK_TAR;
	// Readers pass over a first block that is no header.
	return n > TAR_BLOCK_BYTES && tar_is_header(data + TAR_BLOCK_BYTES, n - TAR_BLOCK_BYTES)
		       ? UNPACK_TAR
		       : UNPACK_NONE;
}

bool unpack_is_partial(enum unpack_kind kind)
{
	return kind == UNPACK_PDF || kind == UNPACK_RTF || kind == UNPACK_BINHEX ||
	       kind == UNPACK_FAT || kind == UNPACK_SWF || kind == UNPACK_UU || kind == UNPACK_XML;
}

uint64_t unpack_end_of(const struct unpack *unpack)
{
	return unpack->kind == UNPACK_ZIP ? zip_end_of(&unpack->as.zip) : 0;
}

static const uint8_t *magic_of(uint32_t word)
{
	if (word == read_be32(zip_magic))
		return zip_magic;
	return word == read_be32(zip_end_magic) ? zip_end_magic : NULL;
}

// The first place where either stands; n: none.
static size_t find_magic(const uint8_t *data, size_t n)
{
	size_t at = 0;

	while (at + 4 <= n) {
		if (at + FIND_FOUR_BLOCK < n && !find_four_may_begin(data + at, zip_magic)) {
			at += FIND_FOUR_BLOCK;
			continue;
		}
		for (const size_t end = at + FIND_FOUR_BLOCK; at < end && at + 4 <= n; at++)
			if (data[at] == zip_magic[0] && magic_of(read_be32(data + at)) != NULL)
				return at;
	}
	return n;
}

size_t unpack_find_zip(
	uint32_t *state, const uint8_t *data, size_t n, bool is_inside, const uint8_t **magic)
{
	uint32_t last = *state;
	size_t at;

	for (at = 0; at < n && at < 3; at++) {
		last = last << 8 | data[at];
		*magic = magic_of(last);
		if (*magic != NULL)
			return at + 1;
	}
	at = is_inside ? find_magic(data, n) : n;
	if (at < n) {
		*magic = magic_of(read_be32(data + at));
		return at + 4;
	}
	for (at = n > 3 ? n - 3 : n; at < n; at++)
		last = last << 8 | data[at];
	*state = last;
	return 0;
}

// ---- what all formats share --------------------------------------------------------------------

void unpack_warn(struct unpack *unpack, enum unpack_warning warning)
{
	unsigned int bit = 1u << warning;
	bool is_inside = unpack->kind == UNPACK_ZIP_INSIDE;

	if (is_inside && warning != WARN_BOMB && warning != WARN_MEMORY) {
		unpack->kept |= bit;
		return;
	}
	unpack->due |= bit & ~unpack->told;
	unpack->told |= bit;
}

void unpack_name_begin(struct unpack *unpack)
{
	unpack->name_bytes = 0;
	unpack->name[0] = '\0';
}

void unpack_name_add(struct unpack *unpack, const uint8_t *data, size_t n)
{
	size_t room = sizeof(unpack->name) - 1 - unpack->name_bytes;

	n = n < room ? n : room;
	memcpy(unpack->name + unpack->name_bytes, data, n);
	unpack->name_bytes += (uint32_t)n;
	unpack->name[unpack->name_bytes] = '\0';
}

void unpack_member_begin(struct unpack *unpack, struct unpack_event *event)
{
	unpack->is_open = true;
	*event = (struct unpack_event){.type = UNPACK_MEMBER_BEGIN, .name = unpack->name};
}

void unpack_member_data(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	unpack->has_output = true;
	*event = (struct unpack_event){
		.type = UNPACK_MEMBER_DATA, .name = unpack->name, .data = data, .bytes = n};
}

void unpack_member_end(struct unpack *unpack, struct unpack_event *event)
{
	unpack->is_open = false;
	*event = (struct unpack_event){.type = UNPACK_MEMBER_END, .name = unpack->name};
}

uint32_t unpack_crc(uint32_t crc, const struct unpack_event *event)
{
	if (event->type != UNPACK_MEMBER_DATA)
		return crc;
	return crc32_gzip_refl(crc, event->data, event->bytes);
}

size_t unpack_collect(uint8_t *buffer, uint32_t *have, uint32_t want, const uint8_t *data, size_t n)
{
	size_t take = want - *have;

	take = take < n ? take : n;
	memcpy(buffer + *have, data, take);
	*have += (uint32_t)take;
	return take;
}

// ---- the public functions ----------------------------------------------------------------------

int unpack_begin(
	struct unpack_pool *pool, enum unpack_kind kind, uint64_t offset, struct unpack **out)
{
	struct unpack *unpack = take(pool);

	if (unpack == NULL)
		return -ENOMEM;
	unpack->kind = kind;
	unpack->offset = offset;
	unpack->is_open = false;
	unpack->is_over = false;
	unpack->is_broken = false;
	unpack->unsupported = 0;
	unpack->is_finishing = false;
	unpack->has_output = false;
	unpack->due = 0;
	unpack->told = 0;
	unpack->kept = 0;
	unpack->waiting = 0;
	memset(&unpack->facts, 0, sizeof(unpack->facts));
	memset(&unpack->codec, 0, sizeof(unpack->codec));
	memset(&unpack->as, 0, sizeof(unpack->as));
	if (kind == UNPACK_PDF_OBJECTS)
		unpack->as.pdf.object.is_inside = true;
	unpack_name_begin(unpack);
	*out = unpack;
	return 0;
}

static bool is_pdf(const struct unpack *unpack)
{
	return unpack->kind == UNPACK_PDF || unpack->kind == UNPACK_PDF_OBJECTS;
}

uint32_t unpack_unsupported(const struct unpack *unpack)
{
	return unpack->unsupported;
}

void unpack_put(struct unpack *unpack)
{
	if (is_pdf(unpack))
		chain_end(unpack);
	codec_end(unpack);
	unpack->next = unpack->pool->free_unpacks;
	unpack->pool->free_unpacks = unpack;
}

static size_t feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	switch (unpack->kind) {
	case UNPACK_ZIP:
	case UNPACK_ZIP_INSIDE:
		return zip_feed(unpack, data, n, event);
	case UNPACK_GZIP:
		return gzip_feed(unpack, data, n, event);
	case UNPACK_BZIP2:
		return bzip2_feed(unpack, data, n, event);
	case UNPACK_TAR:
		return tar_feed(unpack, data, n, event);
	case UNPACK_TNEF:
		return tnef_feed(unpack, data, n, event);
	case UNPACK_BINHEX:
		return binhex_feed(unpack, data, n, event);
	case UNPACK_RTF:
		return rtf_feed(unpack, data, n, event);
	case UNPACK_OLE1:
		return ole1_feed(unpack, data, n, event);
	case UNPACK_PDF:
	case UNPACK_PDF_OBJECTS:
		return pdf_feed(unpack, data, n, event);
	case UNPACK_SWF:
		return swf_feed(unpack, data, n, event);
	case UNPACK_UU:
		return uu_feed(unpack, data, n, event);
	case UNPACK_XML:
		return xml_feed(unpack, data, n, event);
	case UNPACK_FAT:
		return fat_feed(unpack, data, n, event);
	case UNPACK_NONE:
		break;
	}
	return n;
}

static bool give_warning(struct unpack *unpack, struct unpack_event *event)
{
	static const char *const names[] = {
		[WARN_ENCRYPTED] = "encrypted-archive",
		[WARN_METHOD] = "unsupported-method",
		[WARN_SPLIT] = "split-archive",
		[WARN_AMBIGUOUS] = "ambiguous-archive",
		[WARN_BOMB] = "archive-bomb",
		[WARN_BROKEN] = "broken-archive",
		[WARN_MEMORY] = "memory",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((unpack->due & 1u << i) == 0)
			continue;
		unpack->due &= ~(1u << i);
		*event = (struct unpack_event){
			.type = UNPACK_WARNING, .name = unpack->name, .why = names[i]};
		return true;
	}
	return false;
}

// The archive is over: its member is, what is to be told is told.
static void give_end(struct unpack *unpack, struct unpack_event *event)
{
	if (unpack->is_open)
		unpack_member_end(unpack, event);
	else if (!give_warning(unpack, event))
		*event = (struct unpack_event){.type = UNPACK_END, .name = unpack->name};
}

// Whether more may come without more input.
static bool is_stepping(const struct unpack *unpack)
{
	if (unpack->kind == UNPACK_BINHEX)
		return binhex_is_stepping(unpack);
	if (unpack->kind == UNPACK_RTF)
		return rtf_is_stepping(unpack);
	return is_pdf(unpack) ? pdf_is_stepping(unpack) : unpack->codec.is_full;
}

// What a format has yet to do when its input is over: a step of it. False when nothing is left.
static bool finish_step(struct unpack *unpack, struct unpack_event *event)
{
	if (unpack->kind == UNPACK_ZIP || unpack->kind == UNPACK_ZIP_INSIDE)
		return zip_finish(unpack, event);
	if (unpack->kind == UNPACK_BINHEX)
		return binhex_finish(unpack, event);
	if (unpack->kind == UNPACK_UU)
		return uu_finish(unpack, event);
	if (unpack->kind == UNPACK_XML)
		return xml_finish(unpack, event);
	if (unpack->kind == UNPACK_RTF)
		return rtf_finish(unpack, event);
	return is_pdf(unpack) && pdf_finish(unpack, event);
}

size_t unpack_next(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	size_t used = 0;

	*event = (struct unpack_event){.type = UNPACK_NEED_INPUT, .name = unpack->name};
	while (event->type == UNPACK_NEED_INPUT) {
		size_t step;

		if (unpack->waiting > 0) {
			unpack_member_data(unpack, unpack->waiting_data, unpack->waiting, event);
			unpack->waiting = 0;
			break;
		}
		if (unpack->is_over) {
			give_end(unpack, event);
			break;
		}
		if (give_warning(unpack, event))
			break;
		if (used == n && !is_stepping(unpack))
			break;
		step = feed(unpack, data + used, n - used, event);
		used += step;
		unpack->offset += step;
	}
	return used;
}

void unpack_finish(struct unpack *unpack, struct unpack_event *event)
{
	(void)unpack_next(unpack, unpack->out, 0, event);
	if (event->type != UNPACK_NEED_INPUT)
		return;
	unpack->is_finishing = true;
	while (event->type == UNPACK_NEED_INPUT && finish_step(unpack, event))
		continue;
	if (event->type != UNPACK_NEED_INPUT)
		return;
	unpack->is_over = true;
	give_end(unpack, event);
}
