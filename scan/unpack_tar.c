// SPDX-License-Identifier: BSD-3-Clause
// Tar: ustar, GNU and pax long names, base-256 sizes. A block that should be a header and is none is
// left out: reading goes on at the next that is. Where it has the mark of a header, the archive is broken.
#include "scan/unpack_state.h"

#include <emmintrin.h>

#include <string.h>

#define SIZE_AT 124
#define SUM_AT 148
#define TYPE_AT 156
#define MAGIC_AT 257
#define PREFIX_AT 345

// A number in octal digits, blanks before them; in base 256 where the first bit is set. *is_odd, where it is asked for:
// there is something else with it, of which readers make different numbers: a sign, a zero byte in front, a digit that
// is none.
static uint64_t read_number(const uint8_t *field, size_t n, bool *is_odd)
{
	uint64_t value = 0;
	size_t i = 0;
	size_t digits;

	if ((field[0] & 0x80) != 0) {
		value = field[0] & 0x3f;
		for (i = 1; i < n; i++)
			value = value << 8 | field[i];
		if (is_odd != NULL)
			*is_odd = field[0] != 0x80;
		return value;
	}
	while (i < n && (field[i] == ' ' || (field[i] >= '\t' && field[i] <= '\r')))
		i++;
	if (n > 1 && (field[0] == '\0' || field[i] == '+') && i + 1 < n)
		i++;
	for (digits = i; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	if (is_odd == NULL)
		return value;
	*is_odd = digits > 0 && field[digits - 1] != ' ' && i > digits;
	while (i < n && field[i] == ' ')
		i++;
	*is_odd |= i < n && field[i] != '\0';
	return value;
}

// The sum of all bytes, the sum's own taken as blanks; some have written it with signed bytes. Text and programs have
// something like a number in its place as well, so that many blocks are added up that are no header.
bool tar_is_header(const uint8_t *block, size_t n)
{
	const __m128i zero = _mm_setzero_si128();
	__m128i sums = zero;
	__m128i highs = zero; // of the highest bits, which with a sign count the other way
	int64_t sum = INT64_C(8) * ' ';
	int64_t high = 0;
	uint64_t told;

	if (n < TAR_BLOCK_BYTES)
		return false;
	told = read_number(block + SUM_AT, 8, NULL); // none in a block of zeros
	if (told == 0 || told > TAR_BLOCK_BYTES * (uint64_t)UINT8_MAX)
		return false;
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i += sizeof(sums)) {
		const __m128i bytes = _mm_loadu_si128((const void *)(block + i));
		const __m128i tops = _mm_and_si128(bytes, _mm_set1_epi8(INT8_MIN));

		sums = _mm_add_epi64(sums, _mm_sad_epu8(bytes, zero));
		highs = _mm_add_epi64(highs, _mm_sad_epu8(tops, zero));
	}
	sum += _mm_cvtsi128_si64(sums) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
	high += _mm_cvtsi128_si64(highs) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(highs, highs));
	for (size_t i = SUM_AT; i < SUM_AT + 8; i++) {
		sum -= block[i];
		high -= block[i] & 0x80;
	}
	return told == (uint64_t)sum || told == (uint64_t)(sum - 2 * high);
}

// The mark of POSIX and that of GNU: whose sum is wrong was a header.
bool tar_is_marked(const uint8_t *block, size_t n)
{
	return n >= TAR_BLOCK_BYTES && (memcmp(block + MAGIC_AT, "ustar\0", 6) == 0 ||
					       memcmp(block + MAGIC_AT, "ustar  \0", 8) == 0);
}

static size_t field_bytes(const uint8_t *field, size_t room)
{
	return strnlen((const char *)field, room);
}

static void name_of_header(struct unpack *unpack)
{
	const uint8_t *block = unpack->as.tar.block;

	if (unpack->as.tar.has_long_name)
		return;
	unpack_name_begin(unpack);
	if (memcmp(block + MAGIC_AT, "ustar\0", 6) == 0 && block[PREFIX_AT] != '\0') {
		unpack_name_add(unpack, block + PREFIX_AT, field_bytes(block + PREFIX_AT, 155));
		unpack_name_add(unpack, (const uint8_t *)"/", 1);
	}
	unpack_name_add(unpack, block, field_bytes(block, 100));
}

// Links, devices and folders have a size of zero, whatever is written there.
static bool has_contents(const struct unpack *unpack, uint8_t type)
{
	if (type >= '1' && type <= '6')
		return false;
	return type != '\0' || unpack->name_bytes == 0 ||
	       unpack->name[unpack->name_bytes - 1] != '/';
}

static void header_read(struct unpack *unpack, struct unpack_event *event)
{
	struct tar *tar = &unpack->as.tar;
	uint8_t type = tar->block[TYPE_AT];
	bool is_odd;
	uint64_t size = read_number(tar->block + SIZE_AT, 12, &is_odd);

	if (is_odd)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	tar->is_linked = false;
	tar->left = size;
	tar->padding = (uint32_t)(-size % TAR_BLOCK_BYTES);
	if (type == 'L') {
		unpack_name_begin(unpack);
		tar->state = TAR_NAME;
		tar->has_long_name = true;
		return;
	}
	if (type == 'x' || type == 'X' || type == 'g') {
		tar->pax_bytes = 0;
		tar->pax_skip = 0;
		tar->is_pax_global = type == 'g';
		tar->state = TAR_PAX;
		return;
	}
	if (type == 'K') {
		tar->state = TAR_SKIP;
		return;
	}
	// Some readers know nothing of pax. Holes are not filled, and what tells of them stands in front of the contents.
	if (tar->has_pax_size && tar->pax_size != size)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	if (type == 'S' || tar->is_pax_sparse)
		unpack_warn(unpack, WARN_METHOD);
	if (tar->has_pax_size)
		size = tar->pax_size;
	tar->is_pax_sparse = false;
	name_of_header(unpack);
	tar->has_long_name = false;
	tar->has_pax_size = false;
	tar->left = size;
	tar->padding = (uint32_t)(-size % TAR_BLOCK_BYTES);
	if (has_contents(unpack, type)) {
		tar->state = TAR_DATA;
		unpack_member_begin(unpack, event);
		unpack->facts.packed = size;
		unpack->facts.bytes = size;
		unpack->facts.position++;
		event->facts = &unpack->facts;
		return;
	}
	tar->is_linked = size > 0;
}

// A whole block where a header should stand.
static void block_take(struct unpack *unpack, struct unpack_event *event)
{
	struct tar *tar = &unpack->as.tar;

	tar->block_bytes = 0;
	if (tar_is_header(tar->block, TAR_BLOCK_BYTES)) {
		tar->zero_blocks = 0;
		header_read(unpack, event);
		return;
	}
	if (tar_is_marked(tar->block, TAR_BLOCK_BYTES))
		unpack_warn(unpack, WARN_BROKEN);
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) {
		if (tar->block[i] == 0)
			continue;
		tar->zero_blocks = 0;
		if (tar->is_linked)
			unpack_warn(unpack, WARN_AMBIGUOUS);
		return;
	}
	if (++tar->zero_blocks == 2)
		unpack->is_over = true;
}

// What a record of a pax header says of its length; *digits: how many bytes tell it.
static uint64_t pax_length(const char *record, size_t n, size_t *digits)
{
	uint64_t bytes = 0;
	size_t i = 0;

	for (; i < n && i < 12 && record[i] >= '0' && record[i] <= '9'; i++)
		bytes = bytes * 10 + (uint64_t)(record[i] - '0');
	*digits = i;
	return bytes;
}

// One record of a pax header: "LENGTH KEY=VALUE\n", length bytes in all. Returns these, 0: none.
static size_t pax_record(struct unpack *unpack, const char *record, size_t n)
{
	struct tar *tar = &unpack->as.tar;
	size_t i;
	const uint64_t bytes = pax_length(record, n, &i);

	if (i == 0 || i == n || record[i] != ' ' || bytes > n || bytes < i + 2)
		return 0;
	record += ++i;
	n = (size_t)bytes - i - 1;
	if (tar->is_pax_global) {
		// For all members: readers that keep to it have sizes that others do not.
		if ((n >= 5 && memcmp(record, "size=", 5) == 0) ||
			(n >= 11 && memcmp(record, "GNU.sparse.", 11) == 0))
			unpack_warn(unpack, WARN_AMBIGUOUS);
		return bytes;
	}
	if (n >= 5 && memcmp(record, "path=", 5) == 0) {
		unpack_name_begin(unpack);
		unpack_name_add(unpack, (const uint8_t *)record + 5, n - 5);
		tar->has_long_name = true;
	} else if (n >= 5 && memcmp(record, "size=", 5) == 0) {
		tar->pax_size = 0;
		for (i = 5; i < n && record[i] >= '0' && record[i] <= '9'; i++)
			tar->pax_size = tar->pax_size * 10 + (uint64_t)(record[i] - '0');
		tar->has_pax_size = true;
	} else if (n >= 11 && memcmp(record, "GNU.sparse.", 11) == 0) {
		tar->is_pax_sparse = true;
	}
	return bytes;
}

// The records that are whole. One for which there is no room is left out but for its start.
static void pax_read(struct unpack *unpack)
{
	struct tar *tar = &unpack->as.tar;
	size_t at = 0;
	size_t bytes;
	uint64_t whole;

	do {
		bytes = pax_record(unpack, tar->pax + at, tar->pax_bytes - at);
		at += bytes;
	} while (bytes > 0);
	tar->pax_bytes -= (uint32_t)at;
	memmove(tar->pax, tar->pax + at, tar->pax_bytes);
	if (tar->pax_bytes < sizeof(tar->pax))
		return;
	whole = pax_length(tar->pax, tar->pax_bytes, &at);
	tar->pax_skip = whole > tar->pax_bytes ? whole - tar->pax_bytes : UINT64_MAX;
	tar->pax_bytes = 0;
}

static void pax_feed(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct tar *tar = &unpack->as.tar;

	while (n > 0) {
		size_t used = n < tar->pax_skip ? n : (size_t)tar->pax_skip;

		tar->pax_skip -= used;
		if (used == 0)
			used = unpack_collect(
				(uint8_t *)tar->pax, &tar->pax_bytes, sizeof(tar->pax), data, n);
		if (tar->pax_bytes == sizeof(tar->pax))
			pax_read(unpack);
		data += used;
		n -= used;
	}
}

// What is read of a long name or a pax header; the rest of it is left out.
static void keep(struct unpack *unpack, const uint8_t *data, size_t n)
{
	if (unpack->as.tar.state == TAR_NAME)
		unpack_name_add(unpack, data, n);
	else if (unpack->as.tar.state == TAR_PAX)
		pax_feed(unpack, data, n);
}

static size_t contents_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct tar *tar = &unpack->as.tar;

	if (tar->left == 0) {
		if (tar->state == TAR_PAX)
			pax_read(unpack);
		else if (tar->state == TAR_DATA)
			unpack_member_end(unpack, event);
		tar->state = TAR_PADDING;
		return 0;
	}
	n = n < tar->left ? n : (size_t)tar->left;
	tar->left -= n;
	if (tar->state == TAR_DATA)
		unpack_member_data(unpack, data, n, event);
	else
		keep(unpack, data, n);
	return n;
}

size_t tar_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct tar *tar = &unpack->as.tar;
	size_t used;

	switch (tar->state) {
	case TAR_HEADER:
		used = unpack_collect(tar->block, &tar->block_bytes, TAR_BLOCK_BYTES, data, n);
		if (tar->block_bytes == TAR_BLOCK_BYTES)
			block_take(unpack, event);
		return used;
	case TAR_DATA:
	case TAR_NAME:
	case TAR_PAX:
	case TAR_SKIP:
		return contents_feed(unpack, data, n, event);
	case TAR_PADDING:
		used = n < tar->padding ? n : tar->padding;
		tar->padding -= (uint32_t)used;
		if (tar->padding == 0)
			tar->state = TAR_HEADER;
		return used;
	}
	return n;
}
