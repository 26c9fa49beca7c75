// SPDX-License-Identifier: BSD-3-Clause
// Universal binaries of macOS: a table of places, and there a Mach-O file for each kind of processor, which
// are the members. Such files share the first bytes of Java classes, whose version stands where the count is.
// Source: Apple, <mach-o/fat.h>.
#include "scan/unpack_state.h"

#include <string.h>

#define HEADER_BYTES 8
#define ENTRY_BYTES 20
#define WIDE_ENTRY_BYTES 32
#define COUNT_BEFORE_JAVA 40

bool fat_is_header(const uint8_t *data, size_t n)
{
	return n >= HEADER_BYTES && memcmp(data, "\xca\xfe\xba", 3) == 0 &&
	       (data[3] == 0xbe || data[3] == 0xbf) && read_be32(data + 4) > 0 &&
	       read_be32(data + 4) < COUNT_BEFORE_JAVA;
}

static void name_slice(struct unpack *unpack, uint32_t cpu)
{
	static const struct {
		uint32_t cpu;
		const char *name;
	} names[] = {{7, "i386"}, {0x1000007, "x86_64"}, {12, "arm"}, {0x100000c, "arm64"},
		{0x200000c, "arm64_32"}, {18, "ppc"}, {0x1000012, "ppc64"}};

	unpack_name_begin(unpack);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].cpu == cpu)
			unpack_name_add(
				unpack, (const uint8_t *)names[i].name, strlen(names[i].name));
}

// In the order of their places. What is there already in another entry is not taken twice.
static void add_slice(struct fat *fat, const struct fat_slice *slice)
{
	uint32_t at = fat->count;

	for (uint32_t i = 0; i < fat->count; i++)
		if (fat->slices[i].offset == slice->offset && fat->slices[i].bytes == slice->bytes)
			return;
	while (at > 0 && fat->slices[at - 1].offset > slice->offset) {
		fat->slices[at] = fat->slices[at - 1];
		at--;
	}
	fat->slices[at] = *slice;
	fat->count++;
}

static void take_entry(struct fat *fat)
{
	const uint8_t *entry = fat->head;
	const struct fat_slice slice = {
		.cpu = read_be32(entry),
		.offset = fat->is_wide ? read_be64(entry + 8) : read_be32(entry + 8),
		.bytes = fat->is_wide ? read_be64(entry + 16) : read_be32(entry + 12),
	};

	if (slice.bytes > 0)
		add_slice(fat, &slice);
	fat->entries_left--;
	fat->head_bytes = 0;
}

static size_t head_feed(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct fat *fat = &unpack->as.fat;
	const uint32_t want = !fat->has_header ? HEADER_BYTES
			      : fat->is_wide   ? WIDE_ENTRY_BYTES
					       : ENTRY_BYTES;
	size_t taken = unpack_collect(fat->head, &fat->head_bytes, want, data, n);

	if (fat->head_bytes < want)
		return taken;
	if (fat->has_header) {
		take_entry(fat);
		return taken;
	}
	fat->has_header = true;
	fat->is_wide = fat->head[3] == 0xbf;
	fat->entries_left = read_be32(fat->head + 4);
	if (fat->entries_left > FAT_SLICES)
		fat->entries_left = FAT_SLICES;
	fat->head_bytes = 0;
	return taken;
}

static bool is_in_table(const struct fat *fat)
{
	return !fat->has_header || fat->entries_left > 0;
}

// Up to the next member, which begins. One that begins in what has passed cannot be given.
static size_t gap_feed(struct unpack *unpack, size_t n, struct unpack_event *event)
{
	struct fat *fat = &unpack->as.fat;
	const struct fat_slice *slice = &fat->slices[fat->at];
	uint64_t gap;

	if (fat->at == fat->count)
		return n;
	if (slice->offset < unpack->offset) {
		unpack_warn(unpack, WARN_AMBIGUOUS);
		fat->at++;
		return 0;
	}
	gap = slice->offset - unpack->offset;
	if (gap >= n)
		return n;
	name_slice(unpack, slice->cpu);
	fat->left = slice->bytes;
	unpack_member_begin(unpack, event);
	return (size_t)gap;
}

size_t fat_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct fat *fat = &unpack->as.fat;

	if (is_in_table(fat))
		return head_feed(unpack, data, n);
	if (!unpack->is_open)
		return gap_feed(unpack, n, event);
	if (fat->left == 0) {
		fat->at++;
		unpack_member_end(unpack, event);
		return 0;
	}
	n = n < fat->left ? n : (size_t)fat->left;
	fat->left -= n;
	unpack_member_data(unpack, data, n, event);
	return n;
}
