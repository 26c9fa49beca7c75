// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_libarchive.h"

#include "scan/bytes.h"
#include "scan/unpack_guard.h"
#include "scan/unpack_rar.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FOOTER_BYTES 12
#define BEHIND_BYTES 8192 // that are searched for the end
#define ISO_VOLUME 32768  // where the first volume descriptor stands
#define HEADER_COST 1024  // of the budget's bytes: a header's work is not seen in what comes out

enum libarchive_step { STEP_HEADER, STEP_DATA, STEP_EMPTY, STEP_OVER };

struct libarchive {
	struct archive *archive; // NULL: a call was left, and all that it had is lost
	struct whole *whole;
	uint64_t at;     // offset in the capture
	uint64_t behind; // bytes at its end that are none of the archive's
	enum libarchive_step step;
	bool is_open;      // else the reader does not know the object
	bool is_raw;       // compressed data, not an archive of members
	bool is_wrong;     // a checksum or a size of the member is not what it should be
	unsigned int told; // each warning once
	unsigned int seen; // RAR_*, that are to be told
	uint64_t entries;  // until now
	struct unpack_facts facts;
	struct archive_entry *entry;
};

enum {
	TOLD_ENCRYPTED = 1,
	TOLD_METHOD = 2,
	TOLD_BROKEN = 4,
	TOLD_MEMORY = 8,
	TOLD_ARCHIVE = 16,
	TOLD_SPLIT = 32,
	TOLD_AMBIGUOUS = 64,
};

// ---- the capture as libarchive's file ----------------------------------------------------------

static uint64_t archive_bytes(const struct libarchive *state)
{
	return state->whole->capture->bytes - state->whole->from - state->behind;
}

// The footer of xz (file format 1.1.0, 2.1.2): a checksum of six bytes, these, and a mark.
static bool is_footer(const uint8_t *at)
{
	const uint32_t sum = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
			     (uint32_t)at[3] << 24;

	return at[10] == 'Y' && at[11] == 'Z' && sum == (uint32_t)crc32(0, at + 4, 6);
}

// What stands behind an archive of xz is passed over by its readers; the library's gives nothing then.
static uint64_t bytes_behind(const struct whole *whole)
{
	const uint64_t bytes = whole->capture->bytes - whole->from;
	uint8_t window[BEHIND_BYTES];
	const size_t n = capture_read(whole->capture,
		bytes > sizeof(window) ? whole->capture->bytes - sizeof(window) : whole->from,
		window, sizeof(window));

	for (size_t end = n; end >= FOOTER_BYTES; end--)
		if (is_footer(window + end - FOOTER_BYTES))
			return n - end;
	return 0;
}

// Frames for users (RFC 8878 3.1.2) in front of all others, which the library's readers do not always pass over.
static uint64_t frames_skipped(const struct whole *whole)
{
	uint64_t at = whole->from;
	uint8_t head[8];

	while (capture_read(whole->capture, at, head, sizeof(head)) == sizeof(head) &&
		(read_le32(head) & ~15u) == 0x184d2a50)
		at += sizeof(head) + (uint64_t)read_le32(head + 4);
	return at < whole->capture->bytes ? at - whole->from : 0;
}

static la_ssize_t read_capture(struct archive *archive, void *ctx, const void **out)
{
	struct libarchive *state = ctx;
	const uint8_t *data = NULL;
	size_t n = capture_piece(state->whole->capture, state->whole->from + state->at, &data);

	if (!whole_spend(state->whole, n)) {
		archive_set_error(archive, EINTR, "stopped");
		return ARCHIVE_FATAL;
	}
	guard_renew();
	if (n > archive_bytes(state) - state->at)
		n = (size_t)(archive_bytes(state) - state->at);
	state->at += n;
	*out = data;
	return (la_ssize_t)n;
}

static la_int64_t skip_capture(struct archive *archive, void *ctx, la_int64_t bytes)
{
	struct libarchive *state = ctx;
	uint64_t left = archive_bytes(state) - state->at;

	(void)archive;
	if (bytes < 0)
		return 0;
	if ((uint64_t)bytes > left)
		bytes = (la_int64_t)left;
	state->at += (uint64_t)bytes;
	return bytes;
}

static la_int64_t seek_capture(struct archive *archive, void *ctx, la_int64_t offset, int whence)
{
	struct libarchive *state = ctx;
	int64_t bytes = (int64_t)archive_bytes(state);
	int64_t base = whence == SEEK_CUR ? (int64_t)state->at : whence == SEEK_END ? bytes : 0;

	if (!whole_spend(state->whole, HEADER_COST)) {
		archive_set_error(archive, EINTR, "stopped");
		return ARCHIVE_FATAL;
	}
	if (offset < -base || offset > bytes - base) {
		archive_set_error(archive, EINVAL, "seek outside of the archive");
		return ARCHIVE_FATAL;
	}
	state->at = (uint64_t)(base + offset);
	return base + offset;
}

// ---- opening -----------------------------------------------------------------------------------

struct reader {
	const char *type;
	int (*support)(struct archive *archive);
	bool is_filter;
};

static int support_rar(struct archive *archive)
{
	int result = archive_read_support_format_rar(archive);

	return result == ARCHIVE_OK ? archive_read_support_format_rar5(archive) : result;
}

static const struct reader readers[] = {
	{"7z", archive_read_support_format_7zip, false},
	{"rar", support_rar, false},
	{"cab", archive_read_support_format_cab, false},
	{"iso", archive_read_support_format_iso9660, false},
	{"xar", archive_read_support_format_xar, false},
	{"lha", archive_read_support_format_lha, false},
	{"ar", archive_read_support_format_ar, false},
	{"cpio", archive_read_support_format_cpio, false},
	// By its directory, which knows sizes that stand behind their members; without one, from the front.
	{"zip", archive_read_support_format_zip, false},
	{"xz", archive_read_support_filter_xz, true},
	{"lzma", archive_read_support_filter_lzma, true},
	{"lzip", archive_read_support_filter_lzip, true},
	{"zstd", archive_read_support_filter_zstd, true},
	{"lz4", archive_read_support_filter_lz4, true},
	{"compress", archive_read_support_filter_compress, true},
	{"rpm", archive_read_support_filter_rpm, true},
};

// Only the reader of this type: another one that thinks it knows the object would be a second opinion.
static bool set_up(struct libarchive *state, const char *type)
{
	struct archive *archive = state->archive;

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (strcmp(readers[i].type, type) != 0)
			continue;
		state->is_raw = readers[i].is_filter;
		if (readers[i].support(archive) != ARCHIVE_OK ||
			(state->is_raw &&
				(archive_read_support_format_raw(archive) != ARCHIVE_OK ||
					archive_read_support_format_empty(archive) != ARCHIVE_OK)))
			return false;
		return archive_read_set_read_callback(archive, read_capture) == ARCHIVE_OK &&
		       archive_read_set_skip_callback(archive, skip_capture) == ARCHIVE_OK &&
		       archive_read_set_seek_callback(archive, seek_capture) == ARCHIVE_OK &&
		       archive_read_set_callback_data(archive, state) == ARCHIVE_OK;
	}
	return false;
}

// A call that has taken too much time and given nothing.
static void give_up(struct libarchive *state)
{
	state->archive = NULL;
	state->is_open = false;
	state->step = STEP_OVER;
	state->whole->is_stopped = true;
}

static void open_archive(struct libarchive *state)
{
	struct guard guard;

	if (GUARD_IS_LEFT(&guard)) {
		give_up(state);
	} else {
		guard_begin(&guard);
		state->is_open = archive_read_open1(state->archive) >= ARCHIVE_WARN;
	}
	guard_end();
}

int libarchive_begin(struct whole *whole)
{
	struct libarchive *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return -ENOMEM;
	state->whole = whole;
	state->archive = archive_read_new();
	if (state->archive == NULL) {
		free(state);
		return -ENOMEM;
	}
	whole->state = state;
	if (strcmp(whole->format->type, "xz") == 0)
		state->behind = bytes_behind(whole);
	if (strcmp(whole->format->type, "zstd") == 0 || strcmp(whole->format->type, "lz4") == 0)
		whole->from += frames_skipped(whole);
	if (!set_up(state, whole->format->type)) {
		libarchive_end(whole);
		return -ENOMEM;
	}
	if (guard_is_ready())
		open_archive(state);
	else
		whole->is_stopped = true;
	if (strcmp(whole->format->type, "rar") == 0)
		state->seen = rar_look(whole);
	return 0;
}

static void free_archive(struct archive *archive)
{
	struct guard guard;

	if (!GUARD_IS_LEFT(&guard)) {
		guard_begin(&guard);
		(void)archive_read_free(archive);
	}
	guard_end();
}

void libarchive_end(struct whole *whole)
{
	struct libarchive *state = whole->state;

	if (state->archive != NULL)
		free_archive(state->archive);
	free(state);
	whole->state = NULL;
}

// ---- reading -----------------------------------------------------------------------------------

static void end(struct unpack_event *event)
{
	*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
}

static void warn(struct libarchive *state, unsigned int bit, struct unpack_event *event)
{
	static const struct {
		unsigned int bit;
		const char *why;
	} names[] = {
		{TOLD_ENCRYPTED, "encrypted-archive"},
		{TOLD_METHOD, "unsupported-method"},
		{TOLD_BROKEN, "broken-archive"},
		{TOLD_MEMORY, "limit-memory"},
		{TOLD_ARCHIVE, "unsupported-archive"},
		{TOLD_SPLIT, "split-archive"},
		{TOLD_AMBIGUOUS, "ambiguous-archive"},
	};

	if ((state->told & bit) != 0)
		return;
	state->told |= bit;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].bit == bit)
			*event = (struct unpack_event){
				.type = UNPACK_WARNING, .name = "", .why = names[i].why};
}

static bool says(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

// Its readers tell only in words what they failed on. Where none of them took the object libarchive 3.6
// must not be asked for more: it would look behind the last of its readers.
static unsigned int reason(const struct libarchive *state)
{
	const char *text = archive_error_string(state->archive);

	if (state->is_open && archive_read_has_encrypted_entries(state->archive) > 0)
		return TOLD_ENCRYPTED;
	if (archive_errno(state->archive) == ENOMEM)
		return TOLD_MEMORY;
	if (text == NULL)
		return TOLD_BROKEN;
	if (says(text, "encrypt") || says(text, "passphrase"))
		return TOLD_ENCRYPTED;
	if (says(text, "memory"))
		return TOLD_MEMORY;
	if (says(text, "unsupported") || says(text, "not supported") || says(text, "codec"))
		return TOLD_METHOD;
	return TOLD_BROKEN;
}

static const char *entry_name(const struct libarchive *state, struct archive_entry *entry)
{
	const char *name = NULL;

	if (!state->is_raw) {
		name = archive_entry_pathname_utf8(entry);
		if (name == NULL)
			name = archive_entry_pathname(entry);
	}
	return name != NULL ? name : "";
}

// A folder with contents is one for some readers only, but in images of discs, where it has its table.
static bool is_member(const struct libarchive *state, struct archive_entry *entry)
{
	if (archive_entry_filetype(entry) != AE_IFDIR)
		return true;
	return archive_entry_size(entry) > 0 &&
	       (archive_format(state->archive) & ARCHIVE_FORMAT_BASE_MASK) !=
		       ARCHIVE_FORMAT_ISO9660;
}

// Members of a zip that were unpacked while it passed: its reader names the method of each in the
// format's name.
static bool was_unpacked(const struct libarchive *state)
{
	static const char *const methods[] = {"(uncompressed)", "(deflation)", "(bzip)",
		"(deflation-64-bit)", "(shrinking)", "(imploded)"};
	const char *format = archive_format_name(state->archive);

	if (strcmp(state->whole->format->type, "zip") != 0 || format == NULL)
		return false;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strstr(format, methods[i]) != NULL)
			return true;
	return false;
}

static void note_facts(struct libarchive *state, struct archive_entry *entry)
{
	const char *type = state->whole->format->type;
	int64_t bytes = archive_entry_size(entry);

	state->facts = (struct unpack_facts){
		.bytes = bytes > 0 ? (uint64_t)bytes : 0,
		.position = state->entries,
		.is_encrypted = archive_entry_is_encrypted(entry) > 0,
	};
	if (strcmp(type, "iso") == 0 || strcmp(type, "cpio") == 0)
		state->facts.packed = state->facts.bytes;
	if (strcmp(type, "iso") == 0)
		state->facts.position = 0;
	else if (strcmp(type, "rar") == 0 || strcmp(type, "cpio") == 0)
		state->facts.position++;
}

static void begin(struct libarchive *state, enum libarchive_step step, struct unpack_event *event)
{
	state->step = step;
	*event = (struct unpack_event){
		.type = UNPACK_MEMBER_BEGIN, .name = entry_name(state, state->entry)};
	// Of a zip all members were told as they passed.
	if (!state->is_raw && strcmp(state->whole->format->type, "zip") != 0)
		event->facts = &state->facts;
}

// For a zip's decoders it is damage when nothing comes out.
static bool is_empty(const struct libarchive *state, struct archive_entry *entry)
{
	return strcmp(state->whole->format->type, "zip") == 0 && archive_entry_size_is_set(entry) &&
	       archive_entry_size(entry) == 0;
}

// A folder of a zip that has contents, or a link: its reader passes these over, others do not.
static bool is_contents_lost(const struct libarchive *state, struct archive_entry *entry)
{
	return strcmp(state->whole->format->type, "zip") == 0 &&
	       archive_entry_filetype(entry) != AE_IFREG &&
	       (archive_entry_filetype(entry) != AE_IFDIR || !is_empty(state, entry));
}

static void on_entry(
	struct libarchive *state, struct archive_entry *entry, struct unpack_event *event)
{
	if (state->is_raw && archive_filter_code(state->archive, 0) == ARCHIVE_FILTER_NONE) {
		// No filter knew its own: what would come out is what went in.
		state->step = STEP_OVER;
		warn(state, TOLD_BROKEN, event);
		return;
	}
	if (was_unpacked(state))
		return;
	state->whole->members++;
	if (is_contents_lost(state, entry)) {
		warn(state, TOLD_AMBIGUOUS, event);
		return;
	}
	if (!is_member(state, entry))
		return;
	state->entry = entry;
	note_facts(state, entry);
	if (!state->facts.is_encrypted) {
		begin(state, is_empty(state, entry) ? STEP_HEADER : STEP_DATA, event);
		return;
	}
	// It has a name, and nothing that can be read.
	state->step = STEP_EMPTY;
	warn(state, TOLD_ENCRYPTED, event);
}

// Fatal: nothing more can be read. Failed: this entry cannot.
static void on_error(struct libarchive *state, int result, struct unpack_event *event)
{
	if (result == ARCHIVE_FATAL)
		state->step = STEP_OVER;
	warn(state, reason(state), event);
}

// Places that headers tell: 7zFormat.txt (the directory behind the streams), MS-CAB 2.2 (cbCabinet), ECMA-119 8.4.8 and
// 8.4.12 (of the first volume descriptor: blocks, and bytes of one).
static uint64_t told_end(const struct libarchive *state)
{
	const struct whole *whole = state->whole;
	const char *type = whole->format->type;
	const bool is_iso = strcmp(type, "iso") == 0;
	uint8_t head[132];

	if (capture_read(whole->capture, whole->from + (is_iso ? ISO_VOLUME : 0), head,
		    sizeof(head)) < sizeof(head))
		return 0;
	if (is_iso)
		return (uint64_t)read_le32(head + 80) * read_le16(head + 128);
	if (strcmp(type, "cab") == 0)
		return read_le32(head + 8);
	return strcmp(type, "7z") == 0 ? 32 + read_le64(head + 12) + read_le64(head + 20) : 0;
}

// All of it was read. Where no header tells its end that is where its reader stopped; the one of lz4 has taken the mark
// of another frame from what follows.
static void note_end(struct libarchive *state)
{
	const uint64_t bytes = archive_bytes(state);
	const la_int64_t mark = strcmp(state->whole->format->type, "lz4") == 0 ? 4 : 0;
	const la_int64_t read = archive_filter_bytes(state->archive, -1);
	uint64_t end = told_end(state);

	if (strcmp(state->whole->format->type, "zip") == 0)
		return; // known from when it passed
	if (end == 0 && read > mark)
		end = (uint64_t)(read - mark);
	if (end > 0 && end <= bytes)
		state->whole->end = state->whole->from + end;
}

static void read_header(struct libarchive *state, struct unpack_event *event)
{
	struct archive_entry *entry = NULL;
	int result;

	if (!whole_spend(state->whole, HEADER_COST)) {
		state->step = STEP_OVER;
		return;
	}
	result = state->is_open ? archive_read_next_header(state->archive, &entry) : ARCHIVE_FATAL;
	if (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
		on_entry(state, entry, event);
		state->entries++;
	} else if (result == ARCHIVE_EOF) {
		state->step = STEP_OVER;
		note_end(state);
	} else {
		on_error(state, result, event);
	}
}

static void read_data(struct libarchive *state, struct unpack_event *event)
{
	const void *data = NULL;
	size_t n = 0;
	la_int64_t offset = 0;
	int result = archive_read_data_block(state->archive, &data, &n, &offset);

	if (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
		state->is_wrong = state->is_wrong || result == ARCHIVE_WARN;
		if (n > 0)
			*event = (struct unpack_event){
				.type = UNPACK_MEMBER_DATA, .name = "", .data = data, .bytes = n};
		else if (!whole_spend(state->whole, HEADER_COST))
			state->step = STEP_OVER;
		return;
	}
	// The member ends here; what was wrong is told first.
	state->step = STEP_HEADER;
	if (result != ARCHIVE_EOF)
		on_error(state, result, event);
	else if (state->is_wrong)
		warn(state, TOLD_BROKEN, event);
	state->is_wrong = false;
	if (event->type == UNPACK_WARNING)
		return;
	*event = (struct unpack_event){.type = UNPACK_MEMBER_END, .name = ""};
}

// What was seen before its reader was asked: that does not know what it reads wrongly.
static void tell_seen(struct libarchive *state, struct unpack_event *event)
{
	static const struct {
		unsigned int bit;
		unsigned int told;
	} bits[] = {
		{RAR_ENCRYPTED, TOLD_ENCRYPTED},
		{RAR_OLD, TOLD_ARCHIVE},
		{RAR_SPLIT, TOLD_SPLIT},
	};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if ((state->seen & bits[i].bit) == 0)
			continue;
		state->seen &= ~bits[i].bit;
		warn(state, bits[i].told, event);
		return;
	}
	// Nothing in it can be read.
	if ((state->seen & RAR_HEADERS) != 0)
		state->step = STEP_OVER;
	state->seen = 0;
}

static void next_event(struct libarchive *state, struct unpack_event *event)
{
	event->type = UNPACK_NEED_INPUT; // nothing yet
	while (event->type == UNPACK_NEED_INPUT) {
		// A member whose end was put off by a warning.
		if (state->seen != 0)
			tell_seen(state, event);
		else if (state->step != STEP_DATA && state->whole->is_open)
			*event = (struct unpack_event){.type = UNPACK_MEMBER_END, .name = ""};
		else if (state->step == STEP_EMPTY)
			begin(state, STEP_HEADER, event);
		else if (state->step == STEP_HEADER)
			read_header(state, event);
		else if (state->step == STEP_DATA)
			read_data(state, event);
		else
			end(event);
	}
}

void libarchive_next(struct whole *whole, struct unpack_event *event)
{
	struct libarchive *state = whole->state;
	struct guard guard;

	if (whole->is_stopped) {
		end(event);
		return;
	}
	if (GUARD_IS_LEFT(&guard)) {
		give_up(state);
		end(event);
	} else {
		guard_begin(&guard);
		next_event(state, event);
	}
	guard_end();
}
