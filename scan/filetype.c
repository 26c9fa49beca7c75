// SPDX-License-Identifier: BSD-3-Clause
#include "scan/filetype.h"

#include "scan/filetype_archive.h"

#include <emmintrin.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct magic {
	struct filetype type;
	uint16_t offset;
	uint8_t bytes;
	const char *value;
};

#define MAGIC(name, target, offset, value)                                                         \
	{                                                                                          \
		{name, target}, offset, sizeof(value) - 1, value                                   \
	}

// In order: the first that fits names the type.
static const struct magic magics[] = {
	MAGIC("zip", FILETYPE_TARGET_ANY, 0, "PK\x03\x04"),
	MAGIC("zip", FILETYPE_TARGET_ANY, 0, "PK\x05\x06"),
	MAGIC("zip", FILETYPE_TARGET_ANY, 0, "PK00PK\x03\x04"),
	MAGIC("elf", FILETYPE_TARGET_ELF, 0, "\x7f\x45LF"),
	MAGIC("gzip", FILETYPE_TARGET_ANY, 0, "\x1f\x8b"),
	MAGIC("ole2", FILETYPE_TARGET_OLE2, 0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
	MAGIC("rar", FILETYPE_TARGET_ANY, 0, "Rar!\x1a\x07"),
	MAGIC("7z", FILETYPE_TARGET_ANY, 0, "7z\xbc\xaf\x27\x1c"),
	MAGIC("xz", FILETYPE_TARGET_ANY, 0, "\xfd\x37zXZ\0"),
	MAGIC("bzip2", FILETYPE_TARGET_ANY, 0, "BZh"),
	MAGIC("zstd", FILETYPE_TARGET_ANY, 0, "\x28\xb5\x2f\xfd"),
	MAGIC("cab", FILETYPE_TARGET_ANY, 0, "MSCF"),
	MAGIC("tnef", FILETYPE_TARGET_ANY, 0, "\x78\x9f\x3e\x22"),
	MAGIC("rtf", FILETYPE_TARGET_ANY, 0, "{\\rt"),
	MAGIC("png", FILETYPE_TARGET_GRAPHICS, 0, "\x89PNG\r\n\x1a\n"),
	MAGIC("jpeg", FILETYPE_TARGET_GRAPHICS, 0, "\xff\xd8\xff"),
	MAGIC("gif", FILETYPE_TARGET_GRAPHICS, 0, "GIF8"),
	MAGIC("tiff", FILETYPE_TARGET_GRAPHICS, 0, "II\x2a\0"),
	MAGIC("tiff", FILETYPE_TARGET_GRAPHICS, 0, "MM\0\x2a"),
	MAGIC("swf", FILETYPE_TARGET_FLASH, 0, "FWS"),
	MAGIC("swf", FILETYPE_TARGET_FLASH, 0, "CWS"),
	MAGIC("swf", FILETYPE_TARGET_FLASH, 0, "ZWS"),
	MAGIC("macho", FILETYPE_TARGET_MACHO, 0, "\xce\xfa\xed\xfe"),
	MAGIC("macho", FILETYPE_TARGET_MACHO, 0, "\xcf\xfa\xed\xfe"),
	MAGIC("macho", FILETYPE_TARGET_MACHO, 0, "\xfe\xed\xfa\xce"),
	MAGIC("macho", FILETYPE_TARGET_MACHO, 0, "\xfe\xed\xfa\xcf"),
	MAGIC("wasm", FILETYPE_TARGET_ANY, 0, "\0asm"),
	MAGIC("tar", FILETYPE_TARGET_ANY, 257, "ustar"),
	MAGIC("lnk", FILETYPE_TARGET_ANY, 0, "L\0\0\0\x01\x14\x02\0"),
	MAGIC("chm", FILETYPE_TARGET_ANY, 0, "ITSF"),
	MAGIC("riff", FILETYPE_TARGET_ANY, 0, "RIFF"),
	MAGIC("mp3", FILETYPE_TARGET_ANY, 0, "ID3"),
	MAGIC("postscript", FILETYPE_TARGET_ANY, 0, "%!PS"),
};

static const struct filetype type_unknown = {"", FILETYPE_TARGET_ANY};
static const struct filetype type_pe = {"pe", FILETYPE_TARGET_PE};
static const struct filetype type_dos = {"dos-exe", FILETYPE_TARGET_PE};
static const struct filetype type_java = {"java-class", FILETYPE_TARGET_JAVA};
static const struct filetype type_fat = {"macho-universal", FILETYPE_TARGET_MACHO};
static const struct filetype type_pdf = {"pdf", FILETYPE_TARGET_PDF};
static const struct filetype type_html = {"html", FILETYPE_TARGET_HTML};
static const struct filetype type_text = {"text", FILETYPE_TARGET_TEXT};

// A DOS header at the start; "PE\0\0" where its last field points, as far as that is to be seen.
static const struct filetype *detect_mz(const uint8_t *data, size_t n)
{
	uint32_t at;

	if (n < 2 || data[0] != 'M' || data[1] != 'Z')
		return NULL;
	if (n < 64)
		return &type_dos;
	at = (uint32_t)data[60] | (uint32_t)data[61] << 8 | (uint32_t)data[62] << 16 |
	     (uint32_t)data[63] << 24;
	if (at < 64)
		return &type_dos;
	if (at <= n - 4)
		return memcmp(data + at, "PE\0\0", 4) == 0 ? &type_pe : &type_dos;
	return n == FILETYPE_BYTES ? &type_pe : &type_dos;
}

// Java classes and Mach-O fat files share their magic; the next word is a version there and a small
// count of architectures here.
static const struct filetype *detect_cafebabe(const uint8_t *data, size_t n)
{
	if (n < 8 || memcmp(data, "\xca\xfe\xba", 3) != 0 || (data[3] != 0xbe && data[3] != 0xbf))
		return NULL;
	if (data[4] == 0 && data[5] == 0 && data[6] == 0 && data[7] < 40)
		return &type_fat;
	return data[3] == 0xbe ? &type_java : NULL;
}

static bool is_same_letter(uint8_t a, char b)
{
	return ((a ^ (uint8_t)b) & ~0x20u) == 0;
}

// Whether one of the words, which all begin with the same byte, occurs.
static bool contains_any(
	const uint8_t *data, size_t n, const char *const *words, size_t words_count)
{
	const uint8_t *at = data;
	const uint8_t *end = data + n;

	for (; (at = memchr(at, words[0][0], (size_t)(end - at))) != NULL; at++) {
		for (size_t i = 0; i < words_count && at + 1 < end; i++) {
			size_t length;

			if (!is_same_letter(at[1], words[i][1]))
				continue;
			length = strlen(words[i]);
			if (length <= (size_t)(end - at) &&
				strncasecmp((const char *)at, words[i], length) == 0)
				return true;
		}
	}
	return false;
}

#define BLOCK 64

// Bytes that no text has: below a space, but for white space and ESC.
static inline __m128i controls_of(const uint8_t *data)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	const __m128i place = _mm_sub_epi8(bytes, _mm_set1_epi8('\t'));
	const __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	const __m128i is_space = _mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8(4)), place);
	const __m128i is_escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x1b));

	return _mm_or_si128(_mm_andnot_si128(_mm_or_si128(is_space, is_escape), is_low),
		_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\v')));
}

static inline bool has_controls(const uint8_t *block)
{
	const __m128i any = _mm_or_si128(_mm_or_si128(controls_of(block), controls_of(block + 16)),
		_mm_or_si128(controls_of(block + 32), controls_of(block + 48)));

	return _mm_movemask_epi8(any) != 0;
}

static bool has_control(const uint8_t *data, size_t n)
{
	uint8_t rest[BLOCK];

	for (; n >= BLOCK; data += BLOCK, n -= BLOCK)
		if (has_controls(data))
			return true;
	memset(rest, ' ', sizeof(rest));
	memcpy(rest, data, n);
	return has_controls(rest);
}

static const struct filetype *detect_text(const uint8_t *data, size_t n)
{
	static const char *const tags[] = {"<html", "<!doctype html", "<head>", "<body", "<script",
		"<iframe", "<table", "<meta", "<title"};

	if (has_control(data, n))
		return &type_unknown;
	if (contains_any(data, n, tags, sizeof(tags) / sizeof(tags[0])))
		return &type_html;
	return &type_text;
}

const struct filetype *filetype_detect(const uint8_t *data, size_t n)
{
	static const char *const pdf[] = {"%PDF-"};
	const struct filetype *type;

	if (n == 0)
		return &type_unknown;
	if (n > FILETYPE_BYTES)
		n = FILETYPE_BYTES;
	type = detect_mz(data, n);
	if (type == NULL)
		type = detect_cafebabe(data, n);
	if (type != NULL)
		return type;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		const struct magic *magic = &magics[i];

		if (magic->offset + (size_t)magic->bytes <= n &&
			data[magic->offset] == (uint8_t)magic->value[0] &&
			memcmp(data + magic->offset, magic->value, magic->bytes) == 0)
			return &magic->type;
	}
	type = filetype_detect_archive(data, n);
	if (type != NULL)
		return type;
	// Readers find the header anywhere in the first 1024 bytes (ISO 32000-1 annex H.3.4.1).
	if (contains_any(data, n, pdf, 1))
		return &type_pdf;
	// "BM", the file's size, two zero words: too short a magic for less.
	if (n >= 14 && data[0] == 'B' && data[1] == 'M' && memcmp(data + 6, "\0\0\0\0", 4) == 0) {
		static const struct filetype bmp = {"bmp", FILETYPE_TARGET_GRAPHICS};

		return &bmp;
	}
	return detect_text(data, n);
}
