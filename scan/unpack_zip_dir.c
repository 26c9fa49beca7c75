// SPDX-License-Identifier: BSD-3-Clause
// A zip's directory against the members that were read: the same names, methods, sizes and places?
//
// Only sums are kept: of every entry a hash, added up on both sides. Where they differ, a reader that
// goes by the directory sees another archive than one that reads from the front.
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

void zip_directory_add(struct zip *zip, const struct zip_entry *entry)
{
	struct zip_directory *directory = &zip->directory;
	uint64_t hash = mix(entry->name_hash, entry->method);

	hash = mix(mix(hash, entry->packed), entry->bytes);
	if (entry->is_local) {
		directory->locals++;
		directory->local_renamed += entry->has_other_name;
		directory->local_crcs += mix(entry->name_hash, entry->crc);
		directory->local_sums[0] += mix(hash, entry->at);
		directory->local_sums[1] += mix(hash, entry->at + zip->first);
	} else {
		directory->centrals++;
		directory->central_renamed += entry->has_other_name;
		directory->central_crcs += mix(entry->name_hash, entry->crc);
		directory->central_sum += mix(hash, entry->at);
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

// The end of the central directory record (APPNOTE 4.3.16).
void zip_directory_end(struct zip *zip, const uint8_t *end, uint64_t at)
{
	struct zip_directory *directory = &zip->directory;
	uint16_t entries = read_le16(end + 10);
	bool is_same = directory->locals == directory->centrals &&
		       (directory->local_sums[0] == directory->central_sum ||
			       directory->local_sums[1] == directory->central_sum);

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
