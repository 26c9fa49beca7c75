// SPDX-License-Identifier: BSD-3-Clause
// Zip: records and members (APPNOTE 4.3 to 4.5).
//
// Between records everything is searched for the next one, so neither a data descriptor nor a size
// that is wrong leads past a local header. Sizes count only where nothing else tells the end.
#include "scan/unpack_state.h"

#include <string.h>

#define LOCAL_MAGIC 0x04034b50u
#define CENTRAL_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define SPANNED_MAGIC 0x08074b50u
#define LOCAL_BYTES 30
#define CENTRAL_BYTES 46

#define FLAG_ENCRYPTED 0x0001u
#define FLAG_GREAT 0x0002u    // of implode: a window of 8 KiB
#define FLAG_LITERALS 0x0004u // of implode: with codes for single bytes
#define FLAG_LATER 0x0008u    // sizes are in a data descriptor
#define FLAG_HIDDEN 0x2000u

#define METHOD_STORED 0
#define METHOD_SHRINK 1
#define METHOD_IMPLODE 6
#define METHOD_DEFLATE 8
#define METHOD_DEFLATE64 9
#define METHOD_BZIP2 12
#define METHOD_AES 99

#define ITEM_ZIP64 1
#define ITEM_NAME 0x7075
#define ITEM_NAME_HEAD 5 // a version and a checksum before the name
#define FNV_BASE 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static bool is_method(uint16_t method)
{
	return method <= 20 || (method >= 92 && method <= METHOD_AES);
}

// In other data a signature may stand by chance. What follows a real one is in these bounds.
static bool is_plausible_local(const uint8_t *head)
{
	return read_le16(head + 4) % 256 <= 63 && is_method(read_le16(head + 8)) &&
	       (read_le16(head + 6) & 0xd000u) == 0;
}

// The directory's size and place are such that it lies before this record, which all readers go by.
static bool is_plausible_end(const uint8_t *end, uint64_t at)
{
	uint32_t bytes = read_le32(end + 12);
	uint32_t place = read_le32(end + 16);

	return (bytes == UINT32_MAX || bytes <= at) && (place == UINT32_MAX || place <= at);
}

// Bytes of the record that the window begins with; 0 where none begins there.
static uint32_t record_bytes(const struct zip *zip)
{
	switch (read_le32(zip->window)) {
	case LOCAL_MAGIC:
		return LOCAL_BYTES;
	case CENTRAL_MAGIC:
		return CENTRAL_BYTES;
	case END_MAGIC:
		return ZIP_END_BYTES;
	default:
		return 0;
	}
}

static void entry_begin(struct unpack *unpack)
{
	struct zip *zip = &unpack->as.zip;
	const uint8_t *head = zip->window;
	bool is_local = read_le32(head) == LOCAL_MAGIC;
	size_t sizes = is_local ? 18 : 20;

	zip->entry = (struct zip_entry){
		.is_local = is_local,
		.flags = read_le16(head + (is_local ? 6 : 8)),
		.method = read_le16(head + (is_local ? 8 : 10)),
		.packed = read_le32(head + sizes),
		.bytes = read_le32(head + sizes + 4),
		.at = is_local ? zip->record : read_le32(head + 42),
		.crc = read_le32(head + sizes - 4),
		.name_hash = FNV_BASE,
	};
	zip->name_left = read_le16(head + sizes + 8);
	zip->extra_left = read_le16(head + sizes + 10);
	zip->item_left = 0;
	zip->item_bytes = 0;
	zip->state = ZIP_NAME;
	zip->window_bytes = 0;
	unpack_name_begin(unpack);
}

// What the window begins with is a record: takes it. False when it is none after all.
static bool record_take(struct unpack *unpack)
{
	struct zip *zip = &unpack->as.zip;
	uint32_t magic = read_le32(zip->window);

	if (magic == END_MAGIC) {
		if (unpack->kind == UNPACK_ZIP_INSIDE &&
			!is_plausible_end(zip->window, zip->record))
			return false;
		zip_directory_end(zip, zip->window, zip->record);
		return false; // its comment is searched too
	}
	if (magic == LOCAL_MAGIC && unpack->kind == UNPACK_ZIP_INSIDE &&
		!is_plausible_local(zip->window))
		return false;
	if (magic == LOCAL_MAGIC && !zip->has_first) {
		zip->has_first = true;
		zip->first = zip->record;
	}
	if (zip->directory.end != 0)
		zip->directory.is_ambiguous = true;
	if (magic == LOCAL_MAGIC && zip->directory.centrals > 0)
		zip->directory.is_hidden = true;
	if (magic == CENTRAL_MAGIC && zip->directory.first_central == 0)
		zip->directory.first_central = zip->record + 1;
	entry_begin(unpack);
	return true;
}

// Moves the window on to the next byte that may begin a record.
static void window_slide(struct zip *zip)
{
	const uint8_t *next = memchr(zip->window + 1, 'P', zip->window_bytes - 1);
	uint32_t gone = next != NULL ? (uint32_t)(next - zip->window) : zip->window_bytes;

	memmove(zip->window, zip->window + gone, zip->window_bytes - gone);
	zip->window_bytes -= gone;
	zip->record += gone;
}

// The window grows to the whole record, which stands at zip->record. Returns how many bytes it took.
static size_t search(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct zip *zip = &unpack->as.zip;
	const uint8_t *start = n > 0 && zip->window_bytes == 0 ? memchr(data, 'P', n) : data;
	uint32_t want = 4;
	size_t skipped;

	if (start == NULL)
		return n;
	skipped = (size_t)(start - data);
	if (zip->window_bytes == 0)
		zip->record = unpack->offset + skipped;
	if (zip->window_bytes >= 4)
		want = record_bytes(zip);
	skipped += unpack_collect(zip->window, &zip->window_bytes,
		want > zip->window_bytes ? want : zip->window_bytes, start, n - skipped);
	if (zip->window_bytes < want)
		return skipped;
	if (zip->record == 0 && read_le32(zip->window) == SPANNED_MAGIC)
		zip->directory.is_spanned = true;
	if (record_bytes(zip) == 0 || (want > 4 && !record_take(unpack)))
		window_slide(zip);
	return skipped;
}

// ---- names and extra fields --------------------------------------------------------------------

static size_t name_feed(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct zip *zip = &unpack->as.zip;

	n = n < zip->name_left ? n : zip->name_left;
	for (size_t i = 0; i < n; i++)
		zip->entry.name_hash = (zip->entry.name_hash ^ data[i]) * FNV_PRIME;
	unpack_name_add(unpack, data, n);
	zip->name_left -= (uint32_t)n;
	return n;
}

// The 64-bit sizes stand in for those that are all ones, in this order (APPNOTE 4.5.3). A name in Unicode stands in for
// the header's (APPNOTE 4.6.9).
static void item_end(struct unpack *unpack)
{
	struct zip *zip = &unpack->as.zip;
	struct zip_entry *entry = &zip->entry;
	uint64_t *const fields[] = {&entry->bytes, &entry->packed, &entry->at};
	size_t at = 0;

	if (zip->item_id == ITEM_NAME && zip_name_differs(unpack, zip->tail, zip->tail_bytes))
		entry->has_other_name = true;
	if (zip->item_id != ITEM_ZIP64)
		return;
	for (size_t i = 0; i < (entry->is_local ? 2u : 3u); i++) {
		if (*fields[i] != UINT32_MAX || at + 8 > zip->item_bytes)
			continue;
		*fields[i] = read_le64(zip->item + at);
		at += 8;
	}
}

static void extra_byte(struct unpack *unpack, uint8_t byte)
{
	struct zip *zip = &unpack->as.zip;

	if (zip->item_left == 0) {
		zip->item[zip->item_bytes++] = byte;
		if (zip->item_bytes < 4)
			return;
		zip->item_id = read_le16(zip->item);
		zip->item_left = read_le16(zip->item + 2);
		zip->item_bytes = 0;
		zip->tail_bytes = 0;
		return;
	}
	if (zip->item_id == ITEM_NAME && zip->item_bytes >= ITEM_NAME_HEAD) {
		memmove(zip->tail, zip->tail + 1, sizeof(zip->tail) - 1);
		zip->tail[sizeof(zip->tail) - 1] = byte;
		zip->tail_bytes++;
	}
	if (zip->item_bytes < sizeof(zip->item))
		zip->item[zip->item_bytes++] = byte;
	if (--zip->item_left > 0)
		return;
	item_end(unpack);
	zip->item_bytes = 0;
}

static size_t extra_feed(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct zip *zip = &unpack->as.zip;

	n = n < zip->extra_left ? n : zip->extra_left;
	for (size_t i = 0; i < n; i++)
		extra_byte(unpack, data[i]);
	zip->extra_left -= (uint32_t)n;
	return n;
}

// ---- members -----------------------------------------------------------------------------------

static bool is_folder(const struct unpack *unpack)
{
	return unpack->name_bytes > 0 && unpack->name[unpack->name_bytes - 1] == '/';
}

static void member_skip(struct unpack *unpack, enum unpack_warning warning)
{
	struct zip *zip = &unpack->as.zip;
	bool is_sized = (zip->entry.flags & FLAG_LATER) == 0;

	unpack_warn(unpack, warning);
	zip->directory.is_unsized |= !is_sized;
	zip->left = is_sized ? zip->entry.packed : 0;
	zip->state = ZIP_SKIP;
}

static bool is_size_later(const struct zip_entry *entry)
{
	return (entry->flags & FLAG_LATER) != 0 && entry->packed == 0 && entry->bytes == 0;
}

static enum codec_kind codec_of(const struct zip_entry *entry)
{
	switch (entry->method) {
	case METHOD_DEFLATE:
		return CODEC_DEFLATE;
	case METHOD_DEFLATE64:
		return CODEC_DEFLATE64;
	case METHOD_BZIP2:
		return CODEC_BZIP2;
	case METHOD_SHRINK:
		return is_size_later(entry) ? CODEC_NONE : CODEC_SHRINK;
	case METHOD_IMPLODE:
		return is_size_later(entry) ? CODEC_NONE : CODEC_IMPLODE;
	default:
		return CODEC_NONE;
	}
}

static void packed_begin(struct unpack *unpack)
{
	struct zip *zip = &unpack->as.zip;
	enum codec_kind kind = codec_of(&zip->entry);
	bool is_sized = kind == CODEC_SHRINK || kind == CODEC_IMPLODE;

	if (kind == CODEC_NONE) {
		unpack->unsupported++;
		member_skip(unpack, WARN_METHOD);
		return;
	}
	zip->state = is_sized ? ZIP_SIZED : ZIP_PACKED;
	zip->left = zip->entry.packed;
	if (!codec_begin(unpack, kind))
		member_skip(unpack, WARN_MEMORY);
	else if (kind == CODEC_IMPLODE)
		implode_begin(unpack, (zip->entry.flags & FLAG_GREAT) != 0,
			(zip->entry.flags & FLAG_LITERALS) != 0);
}

// The local header was read: the member begins.
static void member_begin(struct unpack *unpack, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;
	const struct zip_entry *entry = &zip->entry;
	uint16_t method = entry->method;

	zip->given = 0;
	zip->crc = 0;
	if ((entry->flags & (FLAG_ENCRYPTED | FLAG_HIDDEN)) != 0 || method == METHOD_AES) {
		member_skip(unpack, WARN_ENCRYPTED);
	} else if (method != METHOD_STORED) {
		packed_begin(unpack);
	} else if (is_size_later(entry)) {
		zip->state = is_folder(unpack) ? ZIP_STORED : ZIP_OPEN;
		zip->left = 0;
		zip->hold_bytes = 0;
		zip->hold_candidate = 0;
	} else {
		zip->state = ZIP_STORED;
		zip->left = entry->packed;
	}
	unpack->facts = (struct unpack_facts){
		.packed = entry->packed,
		.bytes = entry->bytes,
		.position = unpack->facts.position + 1,
		.crc = entry->crc,
		.is_encrypted = (entry->flags & FLAG_ENCRYPTED) != 0,
	};
	// A folder is no member, unless something comes out of it.
	if (is_folder(unpack))
		return;
	unpack_member_begin(unpack, event);
	event->facts = &unpack->facts;
	event->has_other_name = entry->has_other_name;
}

static void entry_end(struct unpack *unpack, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	if (zip->entry.is_local) {
		member_begin(unpack, event);
		return;
	}
	zip_directory_add(zip, &zip->entry);
	zip->state = ZIP_SEARCH;
}

// The member's bytes are over; packed is how many there were in the archive.
static void member_end(struct unpack *unpack, uint64_t packed, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;
	struct zip_entry *entry = &zip->entry;
	bool is_told = (entry->flags & FLAG_LATER) == 0;

	if (zip->state != ZIP_SKIP) {
		if (is_told && (entry->packed != packed || entry->bytes != zip->given))
			zip->directory.is_ambiguous = true;
		if (is_told && entry->crc != zip->crc && !unpack->is_broken)
			unpack_warn(unpack, WARN_BROKEN);
		entry->packed = packed;
		entry->bytes = zip->given;
		entry->crc = zip->crc;
	}
	entry->at = entry->at - zip->first;
	zip_directory_add(zip, entry);
	zip->state = ZIP_SEARCH;
	if (!unpack->is_open)
		return;
	unpack_member_end(unpack, event);
	unpack->facts.packed = entry->packed;
	unpack->facts.bytes = entry->bytes;
	unpack->facts.crc = entry->crc;
	event->facts = &unpack->facts;
}

static size_t stored_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	n = n < zip->left ? n : (size_t)zip->left;
	if (n > 0 && !unpack->is_open) {
		unpack_member_begin(unpack, event);
		return 0;
	}
	zip->left -= n;
	zip->given += n;
	if (n > 0)
		unpack_member_data(unpack, data, n, event);
	else
		member_end(unpack, zip->given, event);
	zip->crc = unpack_crc(zip->crc, event);
	return n;
}

static void packed_codec_end(struct unpack *unpack)
{
	unpack->as.zip.directory.is_torn |= unpack->is_broken || unpack->is_over;
	codec_end(unpack);
}

// A folder has no contents, but where some come out.
static void packed_data(struct unpack *unpack, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	zip->crc = unpack_crc(zip->crc, event);
	if (event->type == UNPACK_MEMBER_DATA && !unpack->is_open) {
		unpack->waiting = event->bytes;
		unpack->waiting_data = event->data;
		unpack_member_begin(unpack, event);
	}
}

static size_t packed_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;
	size_t used = 0;

	if (unpack->codec.kind == CODEC_NONE) {
		member_end(unpack, unpack->codec.in, event);
		return 0;
	}
	if (codec_feed(unpack, data, n, &used, event))
		packed_codec_end(unpack);
	packed_data(unpack, event);
	zip->given = unpack->codec.out;
	return used;
}

static size_t sized_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;
	uint64_t room = zip->entry.bytes - zip->given;
	bool is_over = unpack->codec.kind == CODEC_NONE;
	size_t used = 0;

	n = n < zip->left ? n : (size_t)zip->left;
	if (!is_over && n == 0 && !unpack->codec.is_full) {
		packed_codec_end(unpack);
		return 0;
	}
	if (is_over) {
		zip->left -= n;
		if (n == 0)
			member_end(unpack, zip->entry.packed, event);
		return n;
	}
	is_over = codec_feed(unpack, data, n, &used, event);
	zip->left -= used;
	// Bits that fill the last byte may look like data.
	if (event->type == UNPACK_MEMBER_DATA) {
		event->bytes = event->bytes < room ? event->bytes : (size_t)room;
		zip->given += event->bytes;
	}
	if (event->bytes == 0)
		event->type = UNPACK_NEED_INPUT;
	if (is_over)
		packed_codec_end(unpack);
	packed_data(unpack, event);
	return used;
}

static size_t skip_feed(struct unpack *unpack, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	n = n < zip->left ? n : (size_t)zip->left;
	zip->left -= n;
	if (zip->left == 0)
		member_end(unpack, 0, event);
	return n;
}

static size_t step(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	switch (zip->state) {
	case ZIP_SEARCH:
		return search(unpack, data, n);
	case ZIP_NAME:
		if (zip->name_left > 0)
			return name_feed(unpack, data, n);
		zip->state = ZIP_EXTRA;
		return 0;
	case ZIP_EXTRA:
		if (zip->extra_left > 0)
			return extra_feed(unpack, data, n);
		entry_end(unpack, event);
		return 0;
	case ZIP_STORED:
		return stored_feed(unpack, data, n, event);
	case ZIP_PACKED:
		return packed_feed(unpack, data, n, event);
	case ZIP_SIZED:
		return sized_feed(unpack, data, n, event);
	case ZIP_OPEN:
		return zip_open_feed(unpack, data, n, event);
	case ZIP_SKIP:
		return skip_feed(unpack, n, event);
	}
	return n;
}

size_t zip_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	size_t used = step(unpack, data, n, event);

	zip_ends_feed(&unpack->as.zip, data, used, unpack->offset);
	return used;
}

// A record that is cut off may have another in it.
static void search_rest(struct unpack *unpack)
{
	struct zip *zip = &unpack->as.zip;

	if (zip->window_bytes >= 4 && zip->window_bytes >= record_bytes(zip))
		(void)search(unpack, unpack->out, 0);
	else
		window_slide(zip);
}

// Whether a state can get on without input.
static bool is_stepping(const struct unpack *unpack)
{
	const struct zip *zip = &unpack->as.zip;

	switch (zip->state) {
	case ZIP_SEARCH:
		return zip->window_bytes > 0;
	case ZIP_NAME:
		return zip->name_left == 0;
	case ZIP_EXTRA:
		return zip->extra_left == 0;
	case ZIP_STORED:
	case ZIP_SIZED:
	case ZIP_SKIP:
		return zip->left == 0;
	case ZIP_PACKED:
		return unpack->codec.kind == CODEC_NONE;
	case ZIP_OPEN:
		return true;
	}
	return false;
}

bool zip_finish(struct unpack *unpack, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	if (is_stepping(unpack)) {
		if (zip->state == ZIP_SEARCH)
			search_rest(unpack);
		else
			(void)zip_feed(unpack, unpack->out, 0, event);
		return true;
	}
	zip_directory_judge(unpack);
	return false;
}
