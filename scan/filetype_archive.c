// SPDX-License-Identifier: BSD-3-Clause
#include "scan/filetype_archive.h"

#include "scan/bytes.h"
#include "scan/unpack_apple.h"
#include "scan/unpack_cms.h"

#include <stdbool.h>
#include <string.h>

// Level 0 to 3: "-lh5-" or the like behind the header's size and checksum; "-lz?-" and "-pm?-" are
// its relatives.
static bool is_lha(const uint8_t *data, size_t n)
{
	if (n < 22 || data[2] != '-' || data[6] != '-' || data[20] > 3)
		return false;
	return (data[3] == 'l' && (data[4] == 'h' || data[4] == 'z')) ||
	       (data[3] == 'p' && data[4] == 'm');
}

// Properties (five bits are in use), a dictionary that is a power of two or one and a half of it, the
// size of what comes out or all ones.
static bool is_lzma(const uint8_t *data, size_t n)
{
	uint64_t size = 0;
	uint32_t dictionary;
	uint32_t top;

	if (n < 14 || data[0] != 0x5d || data[13] != 0)
		return false;
	dictionary = (uint32_t)data[1] | (uint32_t)data[2] << 8 | (uint32_t)data[3] << 16 |
		     (uint32_t)data[4] << 24;
	for (int i = 7; i >= 0; i--)
		size = size << 8 | data[5 + i];
	if (dictionary < 4096 || (size != UINT64_MAX && size >> 40 != 0))
		return false;
	top = 1u << (31 - __builtin_clz(dictionary));
	return dictionary == UINT32_MAX || dictionary == top || dictionary == top + top / 2;
}

// The old binary form in either byte order, and the three of ASCII digits.
static bool is_cpio(const uint8_t *data, size_t n)
{
	if (n < 26)
		return false;
	if (memcmp(data, "07070", 5) == 0 && (data[5] == '1' || data[5] == '2' || data[5] == '7')) {
		for (size_t i = 6; i < 26; i++)
			if (strchr("0123456789abcdefABCDEF", data[i]) == NULL || data[i] == 0)
				return false;
		return true;
	}
	// Magic, then the size of the name, which is not empty, at offset 20 (cpio(5)).
	if (data[0] == 0xc7 && data[1] == 0x71)
		return data[21] <= 4 && data[20] + data[21] > 0;
	return data[0] == 0x71 && data[1] == 0xc7 && data[20] <= 4 && data[20] + data[21] > 0;
}

// Main header: its size, the size of its fixed part, file type 2 (ARJ's technical notes).
static bool is_arj(const uint8_t *data, size_t n)
{
	size_t header;

	if (n < 34 || data[0] != 0x60 || data[1] != 0xea)
		return false;
	header = (size_t)data[2] | (size_t)data[3] << 8;
	return header >= 30 && header <= 2600 && data[4] >= 30 && data[4] <= header &&
	       data[10] == 2;
}

// RFC 8878 3.1.2: frames for users, which readers pass over, mean nothing. Those of lz4 are the same.
static size_t skipped_bytes(const uint8_t *data, size_t n)
{
	uint64_t bytes = 0;

	while (n - bytes >= 8 && (data[bytes] & 0xf0) == 0x50 &&
		memcmp(data + bytes + 1, "\x2a\x4d\x18", 3) == 0) {
		bytes += 8 + (uint64_t)read_le32(data + bytes + 4);
		if (bytes > n)
			return n;
	}
	return (size_t)bytes;
}

static bool has_magic(const uint8_t *data, size_t n, size_t offset, const char *magic, size_t bytes)
{
	return n >= offset + bytes && data[offset] == (uint8_t)magic[0] &&
	       memcmp(data + offset, magic, bytes) == 0;
}

// Files that begin with bytes of their own, by those.
static const struct {
	struct filetype type;
	size_t offset;
	const char *magic;
	size_t bytes;
} magics[] = {
	{{"xar", FILETYPE_TARGET_ANY}, 0, "xar!", 4},
	{{"ar", FILETYPE_TARGET_ANY}, 0, "!<arch>\n", 8},
	{{"lzip", FILETYPE_TARGET_ANY}, 0, "LZIP\1", 5},
	{{"lz4", FILETYPE_TARGET_ANY}, 0, "\x04\x22\x4d\x18", 4},
	{{"compress", FILETYPE_TARGET_ANY}, 0, "\x1f\x9d", 2},
	{{"rpm", FILETYPE_TARGET_ANY}, 0, "\xed\xab\xee\xdb", 4},
	{{"ace", FILETYPE_TARGET_ANY}, 7, "**ACE**", 7},
	{{"lz4", FILETYPE_TARGET_ANY}, 0, "\x02\x21\x4c\x18", 4},
	{{"szdd", FILETYPE_TARGET_ANY}, 0, "SZDD\x88\xf0\x27\x33", 8},
	{{"szdd", FILETYPE_TARGET_ANY}, 0, "SZ \x88\xf0\x27\x33\xd1", 8},
	{{"onenote", FILETYPE_TARGET_ANY}, 0,
		"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", 16},
	{{"applesingle", FILETYPE_TARGET_ANY}, 0, "\0\5\x16\0\0\2\0\0", 8},
	{{"applesingle", FILETYPE_TARGET_ANY}, 0, "\0\5\x16\0\0\1\0\0", 8},
	// Of these only the kind is known. Disks of virtual machines are opened by a click.
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
		12}, // raw sectors
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "conectix", 8},
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "vhdxfile", 8},
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "KDMV", 4},
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "MSWIM\0\0\0", 8},
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "QFI\xfb", 4},
	{{"disk-image", FILETYPE_TARGET_ANY}, 0, "hsqs", 4},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "\x89LZO\0\r\n\x1a\n", 9},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "LRZI\0", 5},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "RZIP\2", 5},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "GRZipII\0", 8},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "KWAJ\x88\xf0\x27\xd1", 8},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "ISc(", 4}, // of InstallShield
	{{"archive", FILETYPE_TARGET_ANY}, 0, "StuffIt (c)", 11},
	{{"archive", FILETYPE_TARGET_ANY}, 10, "rLau", 4}, // behind "SIT!"
	{{"archive", FILETYPE_TARGET_ANY}, 0, "ALZ\1", 4},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "EGGA\0", 5},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "ArC\1", 4},
	{{"archive", FILETYPE_TARGET_ANY}, 0, "7kSt\xa0\x31\x83\xd3", 8}, // ZPAQ
	{{"archive", FILETYPE_TARGET_ANY}, 20, "\xdc\xa7\xc4\xfd", 4},    // zoo
};

const struct filetype *filetype_detect_archive(const uint8_t *data, size_t n)
{
	static const struct {
		struct filetype type;
		bool (*is)(const uint8_t *data, size_t n);
	} shapes[] = {
		{{"lha", FILETYPE_TARGET_ANY}, is_lha},
		{{"lzma", FILETYPE_TARGET_ANY}, is_lzma},
		{{"cpio", FILETYPE_TARGET_ANY}, is_cpio},
		{{"arj", FILETYPE_TARGET_ANY}, is_arj},
		{{"pkcs7", FILETYPE_TARGET_ANY}, cms_detect},
		{{"macbinary", FILETYPE_TARGET_ANY}, apple_is_macbinary},
	};

	static const struct filetype zstd = {"zstd", FILETYPE_TARGET_ANY};
	static const struct filetype lz4 = {"lz4", FILETYPE_TARGET_ANY};
	const size_t skipped = skipped_bytes(data, n);

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (has_magic(data, n, magics[i].offset, magics[i].magic, magics[i].bytes))
			return &magics[i].type;
	if (skipped > 0)
		return has_magic(data, n, skipped, "\x04\x22\x4d\x18", 4) ? &lz4 : &zstd;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].is(data, n))
			return &shapes[i].type;
	return NULL;
}
