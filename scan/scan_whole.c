// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_whole.h"

#include "scan/encrypted.h"
#include "scan/scan_marks.h"
#include "scan/scan_member.h"
#include "scan/scan_pool.h"
#include "scan/scan_probe.h"
#include "scan/unpack_mail.h"

#include <string.h>
#include <strings.h>

// A message's work is worth so many times the bytes that it may unpack and have kept.
#define BUDGET_FACTOR 8

// ---- keeping -----------------------------------------------------------------------------------

static void release(struct scan *scan, struct scan_object *object)
{
	scan->captured_bytes -= object->capture.bytes;
	capture_free(&object->capture);
	object->is_captured = false;
}

static void begin(struct scan *scan, struct scan_object *object)
{
	const struct scan_options *options = &scan->scanner->options;

	capture_begin(&object->capture, &scan->scanner->captures, options->max_captured_bytes);
	object->is_captured = true;
}

// Whether signature files (.ftm) tell that the object is of this type.
static bool is_told(const struct scan_object *object, const char *type)
{
	const struct filetype_clamav *told =
		object->match != NULL ? match_told_type(object->match) : NULL;

	return told != NULL && strcmp(told->name, type) == 0;
}

// Whether it has a name that ends so, or this type.
static bool is_called(const struct scan *scan, const struct scan_object *object, const char *suffix,
	const char *content_type)
{
	const struct scan_part *part =
		object->is_listed ? &scan->table->parts[object->part - 1] : NULL;
	size_t n;

	if (part == NULL)
		return false;
	n = strlen(part->filename);
	return (n >= 4 && strcasecmp(part->filename + n - 4, suffix) == 0) ||
	       strcmp(part->content_type, content_type) == 0;
}

// What begins like no archive is a tar where signature files say so: old ones have no mark. Where it is called one, its
// readers look for the first header, whatever stands before it.
enum unpack_kind scan_whole_kind(const struct scan *scan, struct scan_object *object)
{
	const enum unpack_kind kind = unpack_detect(object->prefix, object->prefix_bytes);
	const struct filetype *type;

	if (kind != UNPACK_NONE)
		return kind;
	if (is_told(object, "CL_TYPE_OLD_TAR") || is_told(object, "CL_TYPE_POSIX_TAR"))
		return UNPACK_TAR;
	if (!is_called(scan, object, ".tar", "application/x-tar"))
		return UNPACK_NONE;
	type = scan_whole_type(object, object->prefix, object->prefix_bytes);
	return whole_detect(type, object->prefix, object->prefix_bytes) == NULL ? UNPACK_TAR
										: UNPACK_NONE;
}

// Readers of PDF open what is called so, and mind neither what it begins with nor that it never says what it is.
bool scan_whole_is_called_pdf(const struct scan *scan, const struct scan_object *object)
{
	return is_called(scan, object, ".pdf", "application/pdf");
}

const struct filetype *scan_whole_type(struct scan_object *object, const uint8_t *data, size_t n)
{
	if (object->type == NULL || object->typed_bytes != n) {
		object->type = object->match != NULL ? match_first_type(object->match, n) : NULL;
		object->typed_bytes = n;
	}
	if (object->type == NULL)
		object->type = filetype_detect(data, n);
	return object->type;
}

// Whether an object that begins like none is a mail all the same. What begins behind other text the MIME parser
// finds for itself in parts of a mail that are not encoded.
static bool is_mail(const struct scan *scan, const struct scan_object *object)
{
	const struct scan_part *part =
		object->number > 0 ? &scan->table->parts[object->part - 1] : NULL;
	const bool is_encoded =
		part != NULL && (strcmp(part->encoding, "base64") == 0 ||
					strcmp(part->encoding, "quoted-printable") == 0);
	size_t at;

	if (is_told(object, "CL_TYPE_MAIL") ||
		(object->is_entity && mail_begins_field(object->prefix, object->prefix_bytes)))
		return true;
	return (is_encoded || object->lies_in != FILETYPE_CONTAINER_MAIL) &&
	       mail_begins_late(object->prefix, object->prefix_bytes, &at);
}

void scan_whole_detect(struct scan *scan, struct scan_object *object, enum unpack_kind kind)
{
	uint32_t max_depth = scan->scanner->options.max_archive_depth;
	const struct filetype *type = scan_whole_type(object, object->prefix, object->prefix_bytes);

	if (encrypted_begins(object->prefix, object->prefix_bytes))
		scan_set_suspect(scan, SCAN_ENCRYPTED);
	if (kind == UNPACK_NONE || unpack_is_partial(kind))
		object->whole = whole_detect(type, object->prefix, object->prefix_bytes);
	if (object->whole == NULL && kind == UNPACK_NONE && is_mail(scan, object))
		object->whole = whole_by_type("mail");
	if (object->whole != NULL && object->depth >= max_depth) {
		if (max_depth > 0)
			scan_set_suspect(scan, "limit-archive-depth");
		object->whole = NULL;
		return;
	}
	object->is_watched = object->depth < max_depth;
	object->is_probed = object->whole == NULL && object->is_watched &&
			    (kind == UNPACK_NONE || unpack_is_partial(kind));
	object->is_zip = kind == UNPACK_ZIP && object->is_watched;
	object->is_pdf = kind == UNPACK_PDF && object->is_watched && object->whole == NULL;
	// What seems to be text is not worth the copy.
	if (object->whole != NULL || object->is_pdf ||
		(object->is_watched && type->target != FILETYPE_TARGET_TEXT))
		begin(scan, object);
}

static bool is_scarce(const struct capture_pool *pool)
{
	return pool->free_count < pool->chunks_count / 2;
}

static void keep(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	uint64_t room = scan->scanner->options.max_captured_bytes - scan->captured_bytes;
	size_t want = n < room ? n : (size_t)room;
	size_t kept;

	if (object->is_cut || n == 0)
		return;
	// Few zips need it: they leave room for archives that do.
	if (object->whole == NULL && is_scarce(&scan->scanner->captures)) {
		release(scan, object);
		object->is_zip = false;
		object->is_pdf = false;
		return;
	}
	kept = capture_append(&object->capture, data, want);
	scan->captured_bytes += kept;
	object->is_cut = kept < n;
	if (!object->is_cut || object->whole == NULL)
		return;
	if (kept < want)
		scan_set_unscannable(scan, "memory");
	else
		scan_set_suspect(scan, "limit-captured-bytes");
}

// What the bytes that tell of a disc's image say, once they are there.
static void watch(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	const uint64_t end = WHOLE_LATE_OFFSET + WHOLE_LATE_BYTES;
	const struct whole_format *format;
	uint64_t at = object->seen < WHOLE_LATE_OFFSET ? WHOLE_LATE_OFFSET : object->seen;

	for (; at < end && at < object->seen + n; at++)
		object->late[at - WHOLE_LATE_OFFSET] = data[at - object->seen];
	if (object->seen + n < end)
		return;
	object->is_watched = false;
	format = whole_detect_late(object->late);
	if (format == NULL) {
		if (object->whole == NULL && object->is_captured && !object->is_zip &&
			!object->is_pdf)
			release(scan, object);
		return;
	}
	// Something else by its first bytes, and a disc to whoever mounts it.
	if (object->whole != NULL || !object->is_captured)
		scan_set_suspect(scan, "ambiguous-archive");
	else if (object->is_cut)
		scan_set_unscannable(scan, "memory");
	else
		object->whole = format;
}

// From the first of them on it is kept. end: offset in the object of what follows the probe.
static void add_inside(struct scan *scan, struct scan_object *object,
	const struct whole_format *format, uint64_t end)
{
	uint64_t at = end - WHOLE_PROBE_BYTES;

	if (object->insides_count == 0 && object->whole != NULL) {
		object->is_probed = false; // it has turned out to be one itself
		return;
	}
	if (object->insides_count == SCAN_MAX_INSIDES) {
		scan_set_suspect(scan, "limit-members");
		object->is_probed = false;
		return;
	}
	if (object->insides_count == 0) {
		if (object->is_captured)
			release(scan, object);
		object->is_cut = false;
		object->whole = format;
		object->kept_from = at;
		begin(scan, object);
		keep(scan, object, object->probe, WHOLE_PROBE_BYTES);
	}
	object->insides[object->insides_count++] =
		(struct scan_inside){format, at - object->kept_from};
}

// What the probe begins with is none: on to the next byte of it that may begin one.
static void slide(struct scan_object *object)
{
	uint32_t gone = 1;

	while (gone < object->probe_bytes && strchr("7MR", object->probe[gone]) == NULL)
		gone++;
	object->probe_bytes -= gone;
	memmove(object->probe, object->probe + gone, object->probe_bytes);
}

static bool may_begin(const struct scan_object *object)
{
	static const char magics[] = "7z\xbc\xafMSCFRar!";
	uint32_t n = object->probe_bytes < 4 ? object->probe_bytes : 4;

	for (size_t i = 0; i < 3; i++)
		if (memcmp(object->probe, magics + 4 * i, n) == 0)
			return true;
	return false;
}

static inline bool begins_magic(uint8_t byte)
{
	return byte == '7' || byte == 'M' || byte == 'R';
}

// The first place from at on where one may begin, or the last of all before to.
static inline size_t next_magic(const uint8_t *data, size_t at, size_t to)
{
	while (at + 1 < to && !begins_magic(data[at]))
		at++;
	return at;
}

static void probe(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	const bool is_barren = (object->marks & SCAN_MARK_WHOLE) == 0;
	const size_t last = SCAN_MARK_WHOLE_BYTES - 1;
	const struct whole_format *format;
	size_t searched = 0;
	bool is_first;

	for (size_t at = 0; at < n && object->is_probed; at++) {
		if (object->probe_bytes == 0 && at >= searched) {
			// Of the last bytes of all it is not known what is behind them.
			at += !is_barren      ? scan_probe_barren(data + at, n - at)
			      : n - at > last ? n - at - last
					      : 0;
			searched = at + SCAN_PROBE_BLOCK;
		}
		if (object->probe_bytes == 0)
			at = next_magic(data, at, n < searched ? n : searched);
		if (object->probe_bytes == 0 && !begins_magic(data[at]))
			continue;
		object->probe[object->probe_bytes++] = data[at];
		while (object->probe_bytes > 0 && !may_begin(object))
			slide(object);
		if (object->probe_bytes < WHOLE_PROBE_BYTES)
			continue;
		format = whole_detect_inside(object->probe);
		is_first = object->insides_count == 0;
		if (format != NULL) {
			add_inside(scan, object, format, object->seen + at + 1);
			if (is_first && object->insides_count > 0)
				keep(scan, object, data + at + 1, n - at - 1);
		}
		slide(object);
	}
}

void scan_whole_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	if (object->is_watched)
		watch(scan, object, data, n);
	if (object->is_captured)
		keep(scan, object, data, n);
	if (object->is_probed)
		probe(scan, object, data, n);
	object->seen += n;
}

void scan_whole_look_behind(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n, size_t used)
{
	uint64_t end = object->bytes + used;

	if (object->unpack != NULL)
		end = unpack_end_of(object->unpack);
	if (end == 0 || object->behind > 0 || object->is_probed)
		return;
	object->behind = end;
	if (object->whole != NULL)
		return; // until it is whole
	used = end > object->bytes ? (size_t)(end - object->bytes) : 0;
	object->is_probed = true;
	object->seen -= n - used;
	probe(scan, object, data + used, n - used);
	object->seen += n - used;
}

bool scan_whole_takes_rest(struct scan_object *object)
{
	if ((!object->is_zip && !object->is_pdf) || !object->is_captured || object->is_cut ||
		object->whole != NULL)
		return false;
	object->whole = object->is_pdf ? whole_pdf_rest() : whole_zip_rest();
	return true;
}

bool scan_whole_takes_encrypted(struct scan_object *object)
{
	if (!object->is_pdf || !object->is_captured || object->is_cut ||
		(object->whole != NULL && object->whole != whole_pdf_rest()))
		return false;
	object->whole = whole_encrypted_pdf();
	return true;
}

// The archive's reader may go by another order: then the member is one more part.
struct scan_part *scan_whole_listed(struct scan *scan, struct scan_object *object, const char *name)
{
	struct scan_part *parts = scan->table->parts;

	if (!scan->is_unpacking || object->whole != whole_zip_rest())
		return NULL;
	if (object->listed < object->part)
		object->listed = object->part;
	name = scan_pool_text(scan, name);
	for (size_t i = object->listed; i < scan->result.parts_count; i++) {
		if (parts[i].parent != object->part || parts[i].bytes > 0 ||
			strcmp(parts[i].filename, name) != 0)
			continue;
		object->listed = (uint32_t)i + 1;
		return &parts[i];
	}
	return NULL;
}

bool scan_whole_holds_entity(const struct scan_object *object)
{
	return object->whole != NULL && strcmp(object->whole->type, "pkcs7") == 0;
}

bool scan_whole_is_other(const struct scan_object *object)
{
	// What stands in an OLE2 file's sectors need not be one of its streams.
	return object->whole != NULL && !object->is_zip &&
	       object->whole->container != FILETYPE_CONTAINER_OLE2;
}

// Every 32 KiB of a cabinet a block's header stands between. Behind its end (MS-CAB 2.2, cbCabinet)
// there is none.
bool scan_whole_is_interrupted(const struct scan_object *object)
{
	const uint8_t *at = object->prefix + 8;
	uint32_t bytes;

	if (object->whole == NULL || object->insides_count > 0 ||
		object->whole->container != FILETYPE_CONTAINER_CAB || object->prefix_bytes < 12)
		return false;
	bytes = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		(uint32_t)at[3] << 24;
	return object->seen <= bytes;
}

// ---- work on one of them ----------------------------------------------------------------------

// Only the thread of its scanner gives an object back.
static void done(struct scan *scan, struct scan_object *object)
{
	if (object->owner == scan->scanner) {
		release(scan, object);
		scan_pool_put_object(object->owner, object);
		return;
	}
	object->next = scan->worked;
	scan->worked = object;
}

// Signatures tell the forms of cpio apart: by the sixth digit that they begin with, if with any.
static enum filetype_container container_of(const struct scan_object *object)
{
	static const char digits[] = "070701070702070707";
	static const enum filetype_container forms[] = {FILETYPE_CONTAINER_CPIO_NEWC,
		FILETYPE_CONTAINER_CPIO_CRC, FILETYPE_CONTAINER_CPIO_ODC};

	if (object->whole->container != FILETYPE_CONTAINER_CPIO_OLD || object->prefix_bytes < 6)
		return object->whole->container;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (memcmp(object->prefix, digits + 6 * i, 6) == 0)
			return forms[i];
	return FILETYPE_CONTAINER_CPIO_OLD;
}

static void unpack_from(struct scan *scan, struct scan_object *object, uint64_t from)
{
	struct unpack_event event;
	struct whole whole;

	object->is_opaque = false;
	object->container = container_of(object);
	object->is_inside = object->insides_count > 0;
	whole_init(&whole, object->whole, &object->capture, &scan->budget,
		scan->scanner->options.max_ratio);
	whole.from = from;
	if (whole_begin(&whole) != 0) {
		scan_set_unscannable(scan, "memory");
		return;
	}
	do
		whole_next(&whole, &event);
	while (!object_unpacked(scan, object, &event));
	whole_end(&whole);
	scan_member_settle(scan, object);
	if (object->whole == whole_zip_rest() && whole.members < object->unsupported)
		scan_set_suspect(scan, "unsupported-method");
	if (whole.end > 0)
		object->behind = whole.end;
}

// A reader of one format passes over another archive in front of it.
static void find_behind(struct scan *scan, struct scan_object *object)
{
	uint8_t probe[WHOLE_PROBE_BYTES];
	const struct whole_format *format;
	const uint8_t *data = NULL;
	size_t n;

	for (uint64_t at = object->behind; (n = capture_piece(&object->capture, at, &data)) > 0;
		at += n) {
		for (size_t i = next_magic(data, 0, n); i < n; i = next_magic(data, i + 1, n)) {
			if (capture_read(&object->capture, at + i, probe, sizeof(probe)) <
				sizeof(probe))
				return;
			format = whole_detect_inside(probe);
			if (format == NULL)
				continue;
			if (object->insides_count == SCAN_MAX_INSIDES) {
				scan_set_suspect(scan, "limit-members");
				return;
			}
			object->insides[object->insides_count++] =
				(struct scan_inside){format, at + i};
		}
	}
}

// Signatures of mails are for mails that are files, too.
static void match_mail(struct scan *scan, const struct scan_object *file)
{
	struct scan_object *mail = object_begin_mail(scan, file);
	const uint8_t *data = NULL;
	size_t n;

	for (uint64_t at = 0; (n = capture_piece(&file->capture, at, &data)) > 0; at += n)
		object_feed(scan, mail, data, n);
	object_end(scan, mail);
}

static void work_on(struct scan *scan, struct scan_object *object)
{
	scan->origin = object->origin;
	if (object->insides_count == 0) {
		if (object->whole->container == FILETYPE_CONTAINER_MAIL)
			match_mail(scan, object);
		unpack_from(scan, object, 0);
		if (object->behind > 0)
			find_behind(scan, object);
	}
	for (uint32_t i = 0; i < object->insides_count; i++) {
		object->whole = object->insides[i].whole;
		unpack_from(scan, object, object->insides[i].at);
		scan->origin = object->origin;
	}
}

// ---- putting off -------------------------------------------------------------------------------

static void put_off(struct scan *scan, struct scan_object *object)
{
	object->next = NULL;
	if (scan->deferred != NULL)
		scan->deferred_last->next = object;
	else
		scan->deferred = object;
	scan->deferred_last = object;
}

bool scan_whole_defer(struct scan *scan, struct scan_object *object)
{
	if (object->whole == NULL || object->is_allowed || object->capture.bytes == 0) {
		if (object->is_captured)
			release(scan, object);
		return false;
	}
	if (object->is_listed && object->insides_count == 0 &&
		scan->table->parts[object->part - 1].detected_type[0] == '\0')
		scan->table->parts[object->part - 1].detected_type = object->whole->type;
	object_unlink(object);
	if (scan->is_unpacking) {
		work_on(scan, object);
		done(scan, object);
	} else {
		put_off(scan, object);
	}
	return true;
}

static struct scan_object *take(struct scan *scan)
{
	struct scan_object *object = scan->deferred;

	scan->deferred = object->next;
	object->next = NULL;
	return object;
}

void scan_whole_drop(struct scan *scan, uint32_t part)
{
	struct scan_object *object = scan->deferred;

	scan->deferred = NULL;
	while (object != NULL) {
		struct scan_object *next = object->next;

		if (object_is_inside(scan, object->part, part))
			done(scan, object);
		else
			put_off(scan, object);
		object = next;
	}
}

// ---- work on all of them -----------------------------------------------------------------------

void scan_whole_work(struct scan *scan)
{
	const struct scan_options *options = &scan->scanner->options;

	if (scan->deferred == NULL)
		return;
	scan->budget = (struct whole_budget){
		.left = BUDGET_FACTOR * (options->max_unpacked_bytes + options->max_captured_bytes),
		.cancelled = &scan->cancelled,
	};
	scan->is_unpacking = true;
	while (scan->deferred != NULL) {
		struct scan_object *object = take(scan);

		// Relaxed: nothing is passed along with the flag.
		if (atomic_load_explicit(&scan->cancelled, memory_order_relaxed))
			scan_set_suspect(scan, "limit-time");
		else
			work_on(scan, object);
		done(scan, object);
	}
	scan->is_unpacking = false;
}

void scan_whole_free(struct scan *scan)
{
	while (scan->worked != NULL) {
		struct scan_object *object = scan->worked;

		scan->worked = object->next;
		done(scan, object);
	}
}
