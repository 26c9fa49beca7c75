// SPDX-License-Identifier: BSD-3-Clause
// A zip's directory against the members that were read: the same names, methods, sizes and places?
//
// Only sums are kept: of every entry a hash, added up on both sides. Where they differ, a reader that
// goes by the directory sees another archive than one that reads from the front.
#include "scan/find_four.h"
#include "scan/unpack_state.h"

#include <string.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2));

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

bool zip_name_differs(const struct unpack *unpack, const uint8_t tail[ZIP_TAIL_BYTES], size_t n)
{
	const char *end = unpack->name + unpack->name_bytes;
	const char *dot = memrchr(unpack->name, '.', unpack->name_bytes);
	size_t ending = dot != NULL ? (size_t)(end - dot) : SIZE_MAX;

	return ending > ZIP_TAIL_BYTES || ending > n ||
	       memcmp(tail + ZIP_TAIL_BYTES - ending, dot, ending) != 0;
}

static void sums_add(struct zip_sums *sums, const struct zip_entry *entry, uint64_t at)
{
	uint64_t placed = mix(mix(entry->name_hash, entry->method), at);

	sums->placed += placed;
	sums->sized += mix(mix(placed, entry->packed), entry->bytes);
}

void zip_directory_add(struct zip *zip, const struct zip_entry *entry)
{
	struct zip_directory *directory = &zip->directory;

	if (entry->is_local) {
		directory->locals++;
		directory->local_renamed += entry->has_other_name;
		directory->local_crcs += mix(entry->name_hash, entry->crc);
		sums_add(&directory->local_sums[0], entry, entry->at);
		sums_add(&directory->local_sums[1], entry, entry->at + zip->first);
	} else {
		directory->centrals++;
		directory->central_renamed += entry->has_other_name;
		directory->central_crcs += mix(entry->name_hash, entry->crc);
		sums_add(&directory->central_sums, entry, entry->at);
	}
}

// Places count from the archive's first byte, or from that of what it stands in.
static bool is_place(const struct zip *zip, uint64_t given, uint64_t real)
{
	return given == UINT32_MAX || given == real || given == real - zip->first;
}

uint64_t zip_end_of(const struct zip *zip)
{
	return zip->directory.end > 0 ? zip->directory.end - 1 + ZIP_END_BYTES : 0;
}

static bool is_same_as(const struct zip_directory *directory, const struct zip_sums *sums)
{
	return sums->placed == directory->central_sums.placed &&
	       (directory->is_unsized || sums->sized == directory->central_sums.sized);
}

// The end of the central directory record (APPNOTE 4.3.16).
void zip_directory_end(struct zip *zip, const uint8_t *end, uint64_t at)
{
	struct zip_directory *directory = &zip->directory;
	uint16_t entries = read_le16(end + 10);
	bool is_same = directory->locals == directory->centrals &&
		       (is_same_as(directory, &directory->local_sums[0]) ||
			       is_same_as(directory, &directory->local_sums[1]));

	if (entries != UINT16_MAX && entries != directory->centrals)
		is_same = false;
	if (directory->centrals > 0 &&
		!is_place(zip, read_le32(end + 16), directory->first_central - 1))
		is_same = false;
	// Members were read by the names that stand before them.
	if (directory->central_renamed > directory->local_renamed)
		is_same = false;
	// A second end is one too many, wherever it stands.
	if (!is_same || directory->end != 0)
		directory->is_ambiguous = true;
	if (directory->local_crcs != directory->central_crcs)
		directory->is_damaged = true;
	if (read_le16(end + 4) != 0 && read_le16(end + 4) != UINT16_MAX)
		directory->is_later = true;
	directory->end = at + 1;
	directory->comment = read_le16(end + 20);
}

// ---- end records that only who looks from the end takes for one ---------------------------------

#define END_MAGIC 0x504b0506u          // first byte highest, as it passes
#define TO_COMMENT (ZIP_END_BYTES - 4) // from behind it to behind the comment's size
#define MAX_COMMENT 65535              // behind an end record, in which readers look for it

// The last ten bytes are the directory's size, its place and the comment's size. Where the first goes beyond what stands
// before the record it is none; some readers do not ask for the second.
static void ends_take(struct zip_ends *ends, uint64_t after)
{
	const uint64_t comment = (ends->last >> 8 & 0xff) | (ends->last & 0xff) << 8;
	const uint32_t size = (uint32_t)ends->before << 16 | (uint32_t)(ends->last >> 48);

	if (__builtin_bswap32(size) > after - ZIP_END_BYTES && size != UINT32_MAX)
		return;
	ends->end = after;
	if (after + comment > ends->reach)
		ends->reach = after + comment;
}

// They may overlap.
static void ends_add(struct zip_ends *ends, uint8_t byte, uint64_t after)
{
	ends->before = (uint16_t)((uint64_t)ends->before << 8 | ends->last >> 56);
	ends->last = ends->last << 8 | byte;
	ends->begun <<= 1;
	if ((ends->begun >> TO_COMMENT & 1) != 0)
		ends_take(ends, after);
	if ((uint32_t)ends->last == END_MAGIC)
		ends->begun |= 1;
}

void zip_ends_feed(struct zip *zip, const uint8_t *data, size_t n, uint64_t offset)
{
	static const uint8_t magic[] = {'P', 'K', 5, 6};
	const uint32_t open = (1u << TO_COMMENT) - 1;
	struct zip_ends *ends = &zip->ends;

	for (size_t at = 0; at < n; at++) {
		// The first three may end one that began in what passed before.
		if (at >= 3 && (ends->begun & open) == 0) {
			size_t next = find_four(data, n, at - 3, magic);

			if (next < n)
				ends->last = END_MAGIC >> 8;
			if (next < n || n - 3 > at)
				at = next < n ? next + 3 : n - 3;
		}
		ends_add(ends, data[at], offset + at + 1);
	}
}

// Whether a reader that looks for the end record from the end finds one that was not read as one.
static bool is_swallowed(const struct unpack *unpack)
{
	const struct zip_ends *ends = &unpack->as.zip.ends;

	if (ends->end <= zip_end_of(&unpack->as.zip))
		return false;
	return unpack->kind == UNPACK_ZIP ? unpack->offset - ends->end <= MAX_COMMENT
					  : ends->reach >= unpack->offset;
}

// ---- what is told of it -------------------------------------------------------------------------

// Without an end record an archive is cut off, unless one may stand where it was not seen.
static bool is_ambiguous(const struct zip_directory *directory)
{
	return directory->end == 0 ? directory->is_hidden
				   : directory->is_ambiguous && !directory->is_torn;
}

// APPNOTE 8.5: the first piece begins with a mark, the last has a number in its end record. Where there is
// but one piece, that is 0.
static bool is_split(const struct zip_directory *directory)
{
	return directory->is_later || (directory->is_spanned && directory->end == 0);
}

void zip_directory_judge(struct unpack *unpack)
{
	const struct zip_directory *directory = &unpack->as.zip.directory;
	const bool is_end_swallowed = is_swallowed(unpack);

	if (is_split(directory))
		unpack_warn(unpack, WARN_SPLIT);
	if (is_ambiguous(directory) || is_end_swallowed)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	if (directory->end != 0 && directory->is_damaged && !directory->is_torn &&
		!directory->is_unsized)
		unpack_warn(unpack, WARN_BROKEN);
	// Readers look for the end record at the end.
	if (is_end_swallowed ||
		(directory->end != 0 &&
			unpack->offset <= directory->end - 1 + ZIP_END_BYTES + directory->comment))
		unpack->due |= unpack->kept;
}
