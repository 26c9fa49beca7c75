// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_whole.h"

#include "scan/bytes.h"
#include "scan/unpack_apple.h"
#include "scan/unpack_cms.h"
#include "scan/unpack_libarchive.h"
#include "scan/unpack_mail.h"
#include "scan/unpack_ole2.h"
#include "scan/unpack_onenote.h"
#include "scan/unpack_pdf_whole.h"
#include "scan/unpack_szdd.h"

#include <zlib.h>

#include <errno.h>
#include <string.h>

#define FREE_BYTES (1u << 20) // come out of any object without being a bomb
#define EVENT_COST 64         // of a budget's bytes

#define LIBARCHIVE(type, container)                                                                \
	{                                                                                          \
		type, container, libarchive_begin, libarchive_next, libarchive_end                 \
	}

static const struct whole_format formats[] = {
	LIBARCHIVE("7z", FILETYPE_CONTAINER_7Z), LIBARCHIVE("rar", FILETYPE_CONTAINER_RAR),
	LIBARCHIVE("cab", FILETYPE_CONTAINER_CAB), LIBARCHIVE("iso", FILETYPE_CONTAINER_ISO),
	LIBARCHIVE("xar", FILETYPE_CONTAINER_OTHER), LIBARCHIVE("lha", FILETYPE_CONTAINER_OTHER),
	LIBARCHIVE("ar", FILETYPE_CONTAINER_OTHER), LIBARCHIVE("cpio", FILETYPE_CONTAINER_CPIO_OLD),
	LIBARCHIVE("xz", FILETYPE_CONTAINER_XZ), LIBARCHIVE("lzma", FILETYPE_CONTAINER_OTHER),
	LIBARCHIVE("lzip", FILETYPE_CONTAINER_OTHER), LIBARCHIVE("zstd", FILETYPE_CONTAINER_OTHER),
	LIBARCHIVE("lz4", FILETYPE_CONTAINER_OTHER),
	LIBARCHIVE("compress", FILETYPE_CONTAINER_OTHER),
	LIBARCHIVE("rpm", FILETYPE_CONTAINER_OTHER),
	{"mail", FILETYPE_CONTAINER_MAIL, mail_begin, mail_next, mail_end},
	{"ole2", FILETYPE_CONTAINER_OLE2, ole2_begin, ole2_next, ole2_end},
	{"udf", FILETYPE_CONTAINER_OTHER, NULL, NULL, NULL},
	{"arj", FILETYPE_CONTAINER_ARJ, NULL, NULL, NULL},
	{"ace", FILETYPE_CONTAINER_OTHER, NULL, NULL, NULL},
	{"onenote", FILETYPE_CONTAINER_OTHER, onenote_begin, onenote_next, onenote_end},
	{"szdd", FILETYPE_CONTAINER_OTHER, szdd_begin, szdd_next, szdd_end},
	{"pkcs7", FILETYPE_CONTAINER_OTHER, cms_begin, cms_next, cms_end},
	{"applesingle", FILETYPE_CONTAINER_OTHER, apple_begin, apple_next, apple_end},
	{"macbinary", FILETYPE_CONTAINER_OTHER, apple_begin, apple_next, apple_end},
	{"chm", FILETYPE_CONTAINER_OTHER, NULL, NULL, NULL},
	{"disk-image", FILETYPE_CONTAINER_OTHER, NULL, NULL, NULL},
	{"archive", FILETYPE_CONTAINER_OTHER, NULL, NULL, NULL}, // of a kind that nobody here reads
};

const struct whole_format *whole_encrypted_pdf(void)
{
	static const struct whole_format pdf = {
		"pdf", FILETYPE_CONTAINER_PDF, pdf_whole_begin, pdf_whole_next, pdf_whole_end};

	return &pdf;
}

const struct whole_format *whole_pdf_rest(void)
{
	static const struct whole_format pdf = {"pdf", FILETYPE_CONTAINER_PDF,
		pdf_whole_begin_plain, pdf_whole_next, pdf_whole_end};

	return &pdf;
}

const struct whole_format *whole_zip_rest(void)
{
	static const struct whole_format rest = LIBARCHIVE("zip", FILETYPE_CONTAINER_ZIP);

	return &rest;
}

const struct whole_format *whole_by_type(const char *type)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].type[0] == type[0] && strcmp(formats[i].type, type) == 0)
			return &formats[i];
	return NULL;
}

const struct whole_format *whole_detect(const struct filetype *type, const uint8_t *data, size_t n)
{
	const struct whole_format *format = whole_by_type(type->name);

	return format == NULL && mail_is_header(data, n) ? whole_by_type("mail") : format;
}

// The first volume descriptor: ECMA-119 section 8.1.2, ECMA-167 part 2 section 9.1.
const struct whole_format *whole_detect_late(const uint8_t *data)
{
	if (memcmp(data, "CD001", WHOLE_LATE_BYTES) == 0)
		return whole_by_type("iso");
	return memcmp(data, "BEA01", WHOLE_LATE_BYTES) == 0 ? whole_by_type("udf") : NULL;
}

// 7zFormat.txt: the checksum is of the 20 bytes behind it.
static bool is_7z(const uint8_t *data)
{
	return memcmp(data, "7z\xbc\xaf\x27\x1c", 7) == 0 &&
	       read_le32(data + 8) == (uint32_t)crc32(0, data + 12, 20);
}

// MS-CAB 2.2: version 1.3, what is reserved is zero, there are folders and files.
static bool is_cab(const uint8_t *data)
{
	return memcmp(data, "MSCF\0\0\0", 8) == 0 && read_le32(data + 12) == 0 &&
	       read_le32(data + 20) == 0 && data[24] == 3 && data[25] == 1 &&
	       (data[26] | data[27]) != 0 && (data[28] | data[29]) != 0;
}

// The main header of RAR 1.5 to 4 is of type 0x73 and 13 bytes long; RAR 5 has one byte more of signature.
static bool is_rar(const uint8_t *data)
{
	if (memcmp(data, "Rar!\x1a\x07", 6) != 0)
		return false;
	return data[6] == 1 ? data[7] == 0 : data[6] == 0 && data[9] == 0x73 && data[12] == 13;
}

const struct whole_format *whole_detect_inside(const uint8_t *data)
{
	if (is_7z(data))
		return whole_by_type("7z");
	if (is_cab(data))
		return whole_by_type("cab");
	return is_rar(data) ? whole_by_type("rar") : NULL;
}

void whole_init(struct whole *whole, const struct whole_format *format,
	const struct capture *capture, struct whole_budget *budget, uint32_t max_ratio)
{
	*whole = (struct whole){
		.format = format,
		.capture = capture,
		.budget = budget,
		.max_bytes = capture->bytes * max_ratio,
	};
	if (whole->max_bytes < FREE_BYTES)
		whole->max_bytes = FREE_BYTES;
}

int whole_begin(struct whole *whole)
{
	return whole->format->begin != NULL ? whole->format->begin(whole) : 0;
}

bool whole_spend(struct whole *whole, uint64_t bytes)
{
	struct whole_budget *budget = whole->budget;

	// Relaxed: nothing is passed along with the flag.
	if (bytes > budget->left ||
		(budget->cancelled != NULL &&
			atomic_load_explicit(budget->cancelled, memory_order_relaxed))) {
		budget->left = 0;
		whole->is_stopped = true;
		return false;
	}
	budget->left -= bytes;
	return true;
}

static void warn(struct unpack_event *event, const char *why)
{
	*event = (struct unpack_event){.type = UNPACK_WARNING, .name = "", .why = why};
}

// What is still to be said when nothing more comes.
static void finish(struct whole *whole, struct unpack_event *event)
{
	*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
	if (whole->is_open)
		event->type = UNPACK_MEMBER_END;
	whole->is_open = false;
}

static void check(struct whole *whole, struct unpack_event *event)
{
	if (whole->is_stopped || !whole_spend(whole, event->bytes + EVENT_COST)) {
		whole->is_over = true;
		warn(event, "limit-time");
		return;
	}
	if (event->type == UNPACK_MEMBER_DATA) {
		whole->bytes += event->bytes;
		if (whole->bytes > whole->max_bytes) {
			whole->is_over = true;
			warn(event, "archive-bomb");
		}
	} else if (event->type == UNPACK_MEMBER_BEGIN) {
		whole->is_open = true;
	} else if (event->type == UNPACK_MEMBER_END) {
		whole->is_open = false;
	} else if (event->type == UNPACK_END) {
		whole->is_over = true;
		finish(whole, event);
	}
}

void whole_next(struct whole *whole, struct unpack_event *event)
{
	*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
	if (whole->is_over) {
		finish(whole, event);
	} else if (whole->format->next == NULL) {
		whole->is_over = true;
		warn(event, "unsupported-archive");
	} else {
		whole->format->next(whole, event);
		check(whole, event);
	}
}

void whole_end(struct whole *whole)
{
	if (whole->format->end != NULL)
		whole->format->end(whole);
}
