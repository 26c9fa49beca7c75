// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen.h"

#include "scan/digest.h"
#include "scan/executable.h"
#include "scan/filetype.h"
#include "scan/scan.h"
#include "scan/screen_window.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static_assert(SCREEN_HEAD_BYTES == SCREEN_LEAST_WINDOW, "the head lies in every window");

// ---- names ---------------------------------------------------------------------------------------

static const char *const kind_names[] = {
#define X(name, text) text,
	SCREEN_KINDS(X)
#undef X
};

static const char *const action_names[] = {
#define X(name, text) text,
	SCREEN_ACTIONS(X)
#undef X
};

const char *screen_kind_name(enum screen_kind kind)
{
	return kind_names[kind];
}

const char *screen_action_name(enum screen_action action)
{
	return action_names[action];
}

bool screen_kind_by_name(const char *name, enum screen_kind *out)
{
	for (unsigned int i = 0; i < SCREEN_KINDS_COUNT; i++) {
		if (strcmp(kind_names[i], name) == 0) {
			*out = (enum screen_kind)i;
			return true;
		}
	}
	return false;
}

bool screen_action_by_name(const char *name, enum screen_action *out)
{
	for (unsigned int i = 0; i < SCREEN_ACTIONS_COUNT; i++) {
		if (strcmp(action_names[i], name) == 0) {
			*out = (enum screen_action)i;
			return true;
		}
	}
	return false;
}

// Those of signature files' table are known by it; these are found here alone.
bool screen_is_file_type(const char *name)
{
	static const char *const others[] = {"dos-exe", "java-class", "html", "7z", "xz", "zstd",
		"rtf", "swf", "wasm", "lnk", "mp3", "postscript", "bmp", "xar", "ar", "lzip", "lz4",
		"compress", "rpm", "ace", "lha", "lzma", "iso"};
	const struct filetype_clamav *type;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i], name) == 0)
			return true;
	for (size_t i = 0; (type = filetype_by_number(i)) != NULL; i++)
		if (name[0] != '\0' && strcmp(type->type.name, name) == 0)
			return true;
	return false;
}

// ---- the rolling checksum ------------------------------------------------------------------------

static uint32_t polynomial(const uint8_t *data, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * SCREEN_FACTOR + data[i];
	return sum;
}

uint64_t screen_rolling(const uint8_t *data, size_t n)
{
	size_t head = n < SCREEN_LEAST_WINDOW ? n : SCREEN_LEAST_WINDOW;

	return (uint64_t)polynomial(data, head) << 32 | polynomial(data, n);
}

// ---- one entry -----------------------------------------------------------------------------------

static int refuse(char *error, size_t error_bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *error, size_t error_bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, error_bytes, format, args);
	va_end(args);
	return -EINVAL;
}

static bool has_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

// One line of at most so many bytes.
static bool is_line(const char *text)
{
	size_t n = 0;

	for (; text != NULL && text[n] != '\0'; n++)
		if (n + 1 >= SCREEN_TEXT_BYTES || (unsigned char)text[n] < ' ' || text[n] == 0x7f)
			return false;
	return true;
}

static int check_texts(const struct screen_entry *entry, char *error, size_t room)
{
	if (!has_text(entry->name) && !has_text(entry->virus_id))
		return refuse(error, room, "name: neither this nor virus_id is there");
	if (!is_line(entry->name))
		return refuse(error, room, "name: must be one line of at most %d bytes",
			SCREEN_TEXT_BYTES - 1);
	if (!is_line(entry->virus_id))
		return refuse(error, room, "virus_id: must be one line of at most %d bytes",
			SCREEN_TEXT_BYTES - 1);
	if (!has_text(entry->file_type))
		return 0;
	if (entry->kind == SCREEN_BODY || entry->kind == SCREEN_MESSAGE)
		return refuse(
			error, room, "file_type: a %s has none", screen_kind_name(entry->kind));
	if (!screen_is_file_type(entry->file_type))
		return refuse(
			error, room, "file_type: no type is called \"%.40s\"", entry->file_type);
	return 0;
}

static int check_digest(const struct screen_entry *entry, char *error, size_t room)
{
	size_t n;

	if (entry->algorithm != DIGEST_MD5 && entry->algorithm != DIGEST_SHA1 &&
		entry->algorithm != DIGEST_SHA256)
		return refuse(error, room, "algorithm: must be md5, sha1 or sha256");
	n = digest_bytes((enum digest_algorithm)__builtin_ctz(entry->algorithm));
	for (; n < SCREEN_DIGEST_BYTES; n++)
		if (entry->digest[n] != 0)
			return refuse(error, room, "digest: is longer than its algorithm's");
	return 0;
}

static int check_range(const struct screen_entry *entry, char *error, size_t room)
{
	const uint64_t most = UINT64_C(1) << 40;

	if (entry->length == 0 || entry->length > SCREEN_MOST_RANGE)
		return refuse(error, room, "length: of a range must be 1 to %u", SCREEN_MOST_RANGE);
	if (entry->from_end && entry->offset < entry->length)
		return refuse(error, room,
			"offset: from the end must be at least length, or the range ends behind "
			"it");
	if (entry->from_end && entry->offset > SCREEN_MOST_RANGE)
		return refuse(
			error, room, "offset: from the end must be at most %u", SCREEN_MOST_RANGE);
	if (entry->offset > most)
		return refuse(error, room, "offset: is too large");
	if (entry->bytes != 0 &&
		entry->offset + (entry->from_end ? 0 : entry->length) > entry->bytes)
		return refuse(error, room, "bytes: the range does not lie in a file of that size");
	return 0;
}

static int check_window(const struct screen_entry *entry, char *error, size_t room)
{
	if (entry->length < SCREEN_LEAST_WINDOW || entry->length > SCREEN_MOST_WINDOW)
		return refuse(error, room, "length: of a window must be %d to %u",
			SCREEN_LEAST_WINDOW, SCREEN_MOST_WINDOW);
	if (entry->length == SCREEN_LEAST_WINDOW &&
		entry->rolling >> 32 != (entry->rolling & UINT32_MAX))
		return refuse(error, room, "rolling: both halves are the same with this length");
	if (entry->bytes != 0 && entry->bytes < entry->length)
		return refuse(error, room, "bytes: the window does not fit in a file of that size");
	return 0;
}

static int check_kind(const struct screen_entry *entry, char *error, size_t room)
{
	const char *kind;

	if ((unsigned int)entry->kind >= SCREEN_KINDS_COUNT)
		return refuse(error, room, "kind: is none");
	if ((unsigned int)entry->action >= SCREEN_ACTIONS_COUNT)
		return refuse(error, room, "action: is none");
	kind = screen_kind_name(entry->kind);
	if (entry->kind != SCREEN_RANGE && (entry->offset != 0 || entry->from_end))
		return refuse(error, room, "offset: a %s has none", kind);
	if (entry->kind != SCREEN_WINDOW && entry->rolling != 0)
		return refuse(error, room, "rolling: a %s has none", kind);
	if (entry->kind != SCREEN_SECTION && entry->section != SCREEN_ANY_SECTION)
		return refuse(error, room, "section: a %s has none", kind);
	if (entry->kind == SCREEN_SECTION && entry->section != SCREEN_ANY_SECTION &&
		entry->section >= EXECUTABLE_MAX_SECTIONS)
		return refuse(error, room, "section: must be below %d", EXECUTABLE_MAX_SECTIONS);
	if (entry->kind <= SCREEN_MESSAGE && entry->length != 0)
		return refuse(error, room, "length: a %s has none", kind);
	return 0;
}

int screen_check(const struct screen_entry *entry, char *error, size_t error_bytes)
{
	int err = check_kind(entry, error, error_bytes);

	if (err == 0)
		err = check_texts(entry, error, error_bytes);
	if (err == 0)
		err = check_digest(entry, error, error_bytes);
	if (err == 0 && entry->kind == SCREEN_RANGE)
		err = check_range(entry, error, error_bytes);
	if (err == 0 && entry->kind == SCREEN_WINDOW)
		err = check_window(entry, error, error_bytes);
	return err;
}

static void feed_text(struct digest *digest, const char *text)
{
	if (text != NULL)
		digest_feed(digest, (const uint8_t *)text, strlen(text));
	digest_feed(digest, (const uint8_t *)"", 1);
}

uint64_t screen_id(const struct screen_entry *entry)
{
	// In the order of bytes that this machine has: ids do not leave a gateway.
	const uint64_t numbers[] = {entry->kind, entry->algorithm, entry->bytes, entry->offset,
		entry->from_end, entry->length, entry->section, entry->rolling};
	uint8_t sha256[DIGEST_MAX_BYTES];
	struct digest digest;
	uint64_t id;

	digest_begin(&digest, DIGEST_SHA256);
	digest_feed(&digest, (const uint8_t *)numbers, sizeof(numbers));
	digest_feed(&digest, entry->digest, sizeof(entry->digest));
	feed_text(&digest, entry->file_type);
	feed_text(&digest, entry->virus_id);
	if (!digest_end(&digest, DIGEST_INDEX_SHA256, sha256))
		return 1;
	memcpy(&id, sha256, sizeof(id));
	return id != 0 ? id : 1;
}
