// SPDX-License-Identifier: BSD-3-Clause
// The scanner: makes all its memory in one go and hands it out.
#include "scan/scan_pool.h"

#include "scan/digest.h"
#include "scan/utf8.h"
#include "scan/warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SEARCHED 4 // at once: the mail, a part, and two copies of HTML
#define MESSAGE_SEARCHED_RAW 2
#define SCRIPTS_SHARE 8 // of messages, one that is in the middle of a script
#define ALIGNMENT 64
// Matches that are listed of one message; the verdict counts all.
#define MATCHES_FIRST 32
#define MATCHES_ALL 2048
// Of SCAN_LATE_CHUNK, besides one for each message: few have long lines or fields.
#define LATE_CHUNKS 1024

static size_t align_up(size_t n)
{
	return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// Tables have room for so many parts, the last of them for all that may be; of so many messages in progress
// one may have such a table.
static const struct {
	size_t room;
	size_t share;
} table_sizes[SCAN_TABLE_SIZES] = {{128, 4}, {1280, 16}, {SIZE_MAX, 128}};

static size_t table_bytes(size_t room)
{
	return align_up(sizeof(struct part_table) +
			room * (sizeof(struct scan_part) + sizeof(uint32_t)) +
			(room + 1) * sizeof(struct part_order));
}

// A message: struct scan, its matches.
static size_t matches_offset(void)
{
	return align_up(sizeof(struct scan));
}

// A desk: struct scan_desk, a step of a message's bytes, the MIME parser.
static size_t step_offset(void)
{
	return align_up(sizeof(struct scan_desk));
}

static size_t mime_offset(void)
{
	return step_offset() + align_up(SCAN_STEP_BYTES);
}

// Not zeroed: what is used again is not either, and pages that are never needed are never there.
static void *pool_memory(size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total))
		return NULL;
	return aligned_alloc(ALIGNMENT, align_up(total > 0 ? total : 1));
}

// Archives being unpacked at once: few messages hold one, and each of these few one inside another, or a
// PDF with filters one behind the other.
static uint32_t unpacks_count(const struct scan_options *options)
{
	return options->max_archive_depth == 0
		       ? 0
		       : options->max_messages / 4 + options->max_archive_depth + 2;
}

// Of these, such as are bzip2: their memory is 80 times that of the others.
static uint32_t bzip2s_count(const struct scan_options *options)
{
	return options->max_archive_depth == 0
		       ? 0
		       : options->max_messages / 256 + options->max_archive_depth + 1;
}

// Objects in progress: of each message the message itself and one part, rarely more; of each archive
// one member, and inline data of HTML as rarely as these.
static uint32_t objects_count(const struct scan_options *options)
{
	return options->max_messages * 2 + options->max_messages / 4 + options->max_depth + 16 +
	       2 * unpacks_count(options);
}

// One chunk more for each object that may turn out to be an image of a disc.
static uint32_t capture_chunks(const struct scan_options *options)
{
	uint64_t chunks = options->max_all_captured_bytes / CAPTURE_CHUNK_BYTES + 1;

	if (options->max_archive_depth == 0)
		return 1;
	return (uint32_t)chunks + options->max_messages / 8 + 2 * options->max_archive_depth;
}

// Scripts in progress at once: few messages are a page with one, and fewer in the middle of it.
static uint32_t scripts_count(const struct scan_options *options)
{
	return options->max_messages / SCRIPTS_SHARE + 16;
}

// What is matched at once: of a text its copy, too, of HTML two copies, and of its scripts two more.
static uint32_t matches_count(const struct scanner *scanner)
{
	if (!scanner->copies.wants_text && !scanner->copies.wants_html)
		return (uint32_t)scanner->objects_count;
	return (uint32_t)scanner->objects_count * 3 + 2 * scripts_count(&scanner->options);
}

static bool make_tables(struct scanner *scanner)
{
	for (unsigned int i = 0; i < SCAN_TABLE_SIZES; i++) {
		struct part_tables *tables = &scanner->tables[i];

		tables->room = table_sizes[i].room < scanner->parts_room ? table_sizes[i].room
									 : scanner->parts_room;
		// Deferred work takes one in any case.
		tables->count = scanner->options.max_messages / table_sizes[i].share + 1;
		tables->memory = pool_memory(tables->count, table_bytes(tables->room));
		if (tables->memory == NULL)
			return false;
	}
	return true;
}

static int pool_make(struct scanner *scanner)
{
	const struct scan_options *options = &scanner->options;

	scanner->hits = calloc(scanner->matches_room, sizeof(*scanner->hits));
	scanner->gather.hits = calloc(scanner->matches_room, sizeof(*scanner->gather.hits));
	scanner->messages = pool_memory(options->max_messages, scanner->message_bytes);
	scanner->desks = pool_memory(options->max_messages, scanner->desk_bytes);
	scanner->mimes = pool_memory(1, mime_pool_bytes(&scanner->limits, options->max_messages));
	scanner->texts = pool_memory(scanner->texts_count, sizeof(*scanner->texts));
	scanner->objects = pool_memory(scanner->objects_count, sizeof(*scanner->objects));
	if (scanner->hits == NULL || scanner->gather.hits == NULL || scanner->messages == NULL ||
		scanner->desks == NULL || scanner->mimes == NULL || !make_tables(scanner) ||
		scanner->texts == NULL || scanner->objects == NULL)
		return -ENOMEM;
	(void)mime_pool_init(scanner->mimes, &scanner->limits, options->max_messages);
	if (capture_pool_init(&scanner->captures, CAPTURE_CHUNK_BYTES, capture_chunks(options)) !=
		0)
		return -ENOMEM;
	if (capture_pool_init(
		    &scanner->lates, SCAN_LATE_CHUNK, options->max_messages + LATE_CHUNKS) != 0)
		return -ENOMEM;
	if (scan_copy_pool_init(&scanner->copies, scanner->ruleset, scanner->objects_count,
		    scripts_count(options), options->max_archive_depth > 0) != 0)
		return -ENOMEM;
	if (screenings_init(
		    &scanner->screenings, scanner->ruleset->screen, scanner->objects_count) != 0)
		return -ENOMEM;
	return unpack_pool_new(unpacks_count(options), bzip2s_count(options), options->max_ratio,
		&scanner->unpacks);
}

// A scanner for whole messages, and for one whose objects are deferred ones' members.
static int helper_make(
	const struct scan_options *options, const struct ruleset *ruleset, struct scanner **out)
{
	struct scan_options one = *options;

	one.has_helper = false;
	one.max_messages = 1 + options->helper_messages;
	one.max_all_captured_bytes = options->max_captured_bytes;
	return scanner_new(&one, ruleset, out);
}

int scanner_new(
	const struct scan_options *options, const struct ruleset *ruleset, struct scanner **out)
{
	struct scanner *scanner = calloc(1, sizeof(*scanner));
	uint32_t messages = options->max_messages;
	int err;

	if (scanner == NULL)
		return -ENOMEM;
	scanner->ruleset = ruleset;
	scanner->options = *options;
	scanner->limits = (struct mime_limits){
		options->max_depth, options->max_parts, options->max_header_bytes};
	scanner->matches_room = options->all_matches ? MATCHES_ALL : MATCHES_FIRST;
	scanner->parts_room = options->max_parts > options->max_members ? options->max_parts
									: options->max_members;
	scanner->message_bytes =
		align_up(matches_offset() + scanner->matches_room * sizeof(struct scan_match));
	scanner->desk_bytes = align_up(mime_offset() + mime_own_bytes(&scanner->limits));
	scanner->texts_count = messages + 2 * SCAN_MESSAGE_TEXT_BLOCKS;
	scanner->objects_count = objects_count(options);
	for (size_t i = 0; i < DIGEST_ALGORITHMS; i++)
		scanner->can_allow = scanner->can_allow || ruleset->hashes[i].allows ||
				     (ruleset->delta != NULL && ruleset->delta->hashes[i].allows);

	err = pool_make(scanner);
	if (err == 0)
		err = matcher_new(ruleset, matches_count(scanner), options->digests,
			options->all_matches, &scanner->matcher);
	if (err == 0)
		err = member_rules_new(ruleset, &scanner->member_rules);
	if (err == 0 && options->has_helper)
		err = helper_make(options, ruleset, &scanner->helper);
	if (err != 0) {
		scanner_free(scanner);
		return err;
	}
	*out = scanner;
	return 0;
}

void scanner_free(struct scanner *scanner)
{
	if (scanner == NULL)
		return;
	if (scanner->matcher != NULL)
		matcher_free(scanner->matcher);
	member_rules_free(scanner->member_rules);
	scanner_free(scanner->helper);
	unpack_pool_free(scanner->unpacks);
	capture_pool_fini(&scanner->captures);
	capture_pool_fini(&scanner->lates);
	scan_copy_pool_fini(&scanner->copies);
	screenings_fini(&scanner->screenings);
	free(scanner->objects);
	free(scanner->texts);
	for (unsigned int i = 0; i < SCAN_TABLE_SIZES; i++)
		free(scanner->tables[i].memory);
	free(scanner->messages);
	free(scanner->desks);
	free(scanner->mimes);
	free(scanner->gather.hits);
	free(scanner->hits);
	free(scanner);
}

void scanner_warm(struct scanner *scanner, uint32_t messages, size_t kept_bytes)
{
	if (messages > scanner->options.max_messages)
		messages = scanner->options.max_messages;
	warm_memory(scanner->messages, messages * scanner->message_bytes);
	warm_memory(scanner->desks, messages * scanner->desk_bytes);
	matcher_warm(scanner->matcher, messages * kept_bytes);
}

const struct ruleset *scanner_get_ruleset(const struct scanner *scanner)
{
	return scanner->ruleset;
}

uint32_t scanner_in_progress(const struct scanner *scanner)
{
	return scanner->in_progress;
}

struct scanner *scanner_get_helper(const struct scanner *scanner)
{
	return scanner->helper;
}

const struct scanner *scan_get_scanner(const struct scan *scan)
{
	return scan->home;
}

size_t scanner_message_bytes(const struct scanner *scanner)
{
	const bool has_copies = scanner->copies.wants_text || scanner->copies.wants_html;
	const size_t searched = has_copies ? MESSAGE_SEARCHED : MESSAGE_SEARCHED_RAW;
	const size_t script = scan_script_bytes() + 2 * matcher_object_bytes(scanner->matcher);
	size_t tables = 0;

	for (unsigned int i = 0; i < SCAN_TABLE_SIZES; i++)
		tables += table_bytes(scanner->tables[i].room) / table_sizes[i].share;
	return scanner->message_bytes + scanner->desk_bytes + mime_pool_share(&scanner->limits) +
	       sizeof(struct text_block) + tables + unpack_bytes() / 4 +
	       (has_copies ? script / SCRIPTS_SHARE : 0) +
	       (sizeof(struct scan_object) + (has_copies ? sizeof(struct scan_copies) : 0)) * 9 /
		       4 +
	       searched * matcher_object_bytes(scanner->matcher);
}

struct scan *scan_pool_get(struct scanner *scanner, bool is_message)
{
	struct scan *scan = scanner->free_scans;

	// What was used before, then what nobody has touched: its memory is not there until then.
	if (scan != NULL)
		scanner->free_scans = scan->next;
	else if (scanner->messages_begun < scanner->options.max_messages)
		scan = (struct scan *)(scanner->messages +
				       scanner->messages_begun++ * scanner->message_bytes);
	else
		return NULL;
	scanner->in_progress++;
	scan->scanner = scanner;
	scan->home = scanner;
	scan->is_message = is_message;
	atomic_init(&scan->cancelled, false);
	atomic_init(&scan->is_working, false);
	scan->is_open = false;
	return scan;
}

// There are as many as messages.
static struct scan_desk *take_desk(struct scanner *scanner)
{
	struct scan_desk *desk = scanner->free_desks;

	if (desk != NULL)
		scanner->free_desks = desk->next;
	else
		desk = (struct scan_desk *)(void *)(scanner->desks +
						    scanner->desks_begun++ * scanner->desk_bytes);
	return desk;
}

void scan_pool_open(struct scan *scan)
{
	struct scanner *scanner = scan->home;
	struct scan_desk *desk = take_desk(scanner);

	// What stands before may have been written by scan_cancel on another thread.
	memset((uint8_t *)scan + offsetof(struct scan, desk), 0,
		sizeof(*scan) - offsetof(struct scan, desk));
	scan->is_open = true;
	scan->desk = desk;
	scan->step = (uint8_t *)desk + step_offset();
	if (scan->is_message)
		scan->mime = mime_init_shared(
			(uint8_t *)desk + mime_offset(), &scanner->limits, scanner->mimes);
	scan->matches = (struct scan_match *)((uint8_t *)scan + matches_offset());
	scan->small = (struct part_table){
		.parts = scan->small_parts,
		.indexes = scan->small_indexes,
		.order = scan->small_order,
		.room = SCAN_SMALL_PARTS,
	};
	scan->table = &scan->small;
}

void scan_pool_leave_desk(struct scan *scan)
{
	struct scan_desk *desk = scan->desk;

	if (desk == NULL)
		return;
	if (scan->mime != NULL)
		mime_fini(scan->mime);
	scan->mime = NULL;
	scan->step = NULL;
	scan->desk = NULL;
	desk->next = scan->home->free_desks;
	scan->home->free_desks = desk;
}

struct scan_object *scan_pool_get_object(struct scanner *scanner)
{
	struct scan_object *object = scanner->free_objects;

	if (object != NULL)
		scanner->free_objects = object->next;
	else if (scanner->objects_begun < scanner->objects_count)
		object = &scanner->objects[scanner->objects_begun++];
	else
		return NULL;
	// All but the prefix, which is large and has its length.
	memset(object, 0, offsetof(struct scan_object, prefix));
	return object;
}

void scan_pool_put_object(struct scanner *scanner, struct scan_object *object)
{
	object->next = scanner->free_objects;
	scanner->free_objects = object;
}

// What was used before, then what nobody has touched; NULL: all are in use.
static struct part_table *take_table(struct scanner *scanner, unsigned int size)
{
	struct part_tables *tables = &scanner->tables[size];
	struct part_table *table = tables->free;

	if (table != NULL) {
		tables->free = table->next;
		return table;
	}
	if (tables->begun == tables->count)
		return NULL;
	table = (struct part_table *)(void *)((uint8_t *)tables->memory +
					      tables->begun++ * table_bytes(tables->room));
	table->size = size;
	table->room = tables->room;
	table->parts = (struct scan_part *)(table + 1);
	table->indexes = (uint32_t *)(table->parts + table->room);
	table->order = (struct part_order *)(table->indexes + table->room);
	return table;
}

static void put_table(struct scanner *scanner, struct part_table *table)
{
	struct part_tables *tables = &scanner->tables[table->size];

	table->next = tables->free;
	tables->free = table;
}

static void pool_put_table(struct scan *scan)
{
	if (scan->table == &scan->small)
		return;
	put_table(scan->home, scan->table);
	scan->table = &scan->small;
}

// As take_table.
static struct text_block *take_text(struct scanner *scanner)
{
	struct text_block *block = scanner->free_texts;

	if (block != NULL)
		scanner->free_texts = block->next;
	else if (scanner->texts_begun < scanner->texts_count)
		block = &scanner->texts[scanner->texts_begun++];
	return block;
}

static void pool_put_texts(struct scanner *scanner, struct text_block *blocks)
{
	while (blocks != NULL) {
		struct text_block *block = blocks;

		blocks = block->next;
		block->next = scanner->free_texts;
		scanner->free_texts = block;
	}
}

void scan_pool_put(struct scan *scan)
{
	struct scanner *scanner = scan->home;

	if (scan->is_open) {
		scan_pool_leave_desk(scan);
		pool_put_table(scan);
		pool_put_texts(scanner, scan->text);
		pool_put_texts(scanner, scan->spare);
	}
	scan->next = scanner->free_scans;
	scanner->free_scans = scan;
	scanner->in_progress--;
}

// Only its own thread takes from a scanner's pools.
static bool is_at_home(const struct scan *scan)
{
	return scan->scanner == scan->home;
}

static bool move_to_table(struct scan *scan, unsigned int size)
{
	const size_t room = scan->home->tables[size].room;
	const size_t count = scan->result.parts_count;
	struct part_table *table;

	if (room <= scan->table->room || room <= count || room <= scan->mime_parts)
		return false;
	table = take_table(scan->home, size);
	if (table == NULL)
		return false;
	memcpy(table->parts, scan->table->parts, count * sizeof(*table->parts));
	memcpy(table->indexes, scan->table->indexes, scan->mime_parts * sizeof(*table->indexes));
	pool_put_table(scan);
	scan->table = table;
	return true;
}

bool scan_pool_grow_parts(struct scan *scan)
{
	if (scan->result.parts_count < scan->table->room && scan->mime_parts < scan->table->room)
		return true;
	for (unsigned int i = 0; is_at_home(scan) && i < SCAN_TABLE_SIZES; i++)
		if (move_to_table(scan, i))
			return true;
	return false;
}

// Names for which no block is free are cut; members for which there is no entry cannot be looked at.
bool scan_pool_reserve(struct scan *scan)
{
	struct scanner *scanner = scan->home;
	unsigned int size = SCAN_TABLE_SIZES;

	for (int i = 0; i < SCAN_SPARE_TEXT_BLOCKS; i++) {
		struct text_block *block = take_text(scanner);

		if (block == NULL)
			break;
		block->next = scan->spare;
		scan->spare = block;
	}
	// The largest that there is: it cannot be changed on the other thread.
	while (size > 0 && !move_to_table(scan, size - 1))
		size--;
	return scan->table != &scan->small;
}

static struct text_block *take_spare_text(struct scan *scan)
{
	struct text_block *block = scan->spare;

	if (block != NULL)
		scan->spare = block->next;
	return block;
}

// Space for n bytes of text, or for fewer when it runs out. NULL when there is none at all.
static char *pool_text_room(struct scan *scan, size_t n, size_t *room)
{
	struct text_block *block = NULL;

	if (scan->text != NULL && sizeof(block->bytes) - scan->text_used >= n) {
		*room = sizeof(block->bytes) - scan->text_used;
		return scan->text->bytes + scan->text_used;
	}
	if (scan->text_blocks < SCAN_MESSAGE_TEXT_BLOCKS)
		block = is_at_home(scan) ? take_text(scan->home) : take_spare_text(scan);
	if (block != NULL) {
		block->next = scan->text;
		scan->text = block;
		scan->text_blocks++;
		scan->text_used = 0;
	}
	*room = scan->text != NULL ? sizeof(block->bytes) - scan->text_used : 0;
	return *room > 0 ? scan->text->bytes + scan->text_used : NULL;
}

const char *scan_pool_text(struct scan *scan, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;
	size_t room;
	char *copy;

	if (n == 0)
		return "";
	// A bad byte takes three as U+FFFD.
	copy = pool_text_room(scan, n * 3 + 1, &room);
	if (copy == NULL)
		return "";
	scan->text_used += utf8_copy(copy, room, text, n) + 1;
	return copy;
}
