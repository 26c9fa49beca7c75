// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify_rounds.h"

#include "control/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MOST 20 // of one notice
#define LINE_CHARACTERS 300
#define ROUNDS_MOST 10000         // people that are told in one round
#define JOURNAL_BYTES (64u << 20) // past which what happens is not written down any more

struct entry {
	struct notify_round round;
	char *to;
	char *host;
};

struct notify_rounds {
	GHashTable *entries; // by whom
	GHashTable *seen;    // "id to" of this round
	char *path;
	int fd; // -1: none
	size_t bytes;
	uint64_t number;
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static void entry_free(gpointer data)
{
	struct entry *entry = data;

	(void)g_string_free(entry->round.lines, TRUE);
	g_hash_table_destroy(entry->round.counts);
	g_free(entry->to);
	g_free(entry->host);
	g_free(entry);
}

static struct entry *entry_of(struct notify_rounds *rounds, const json_t *line)
{
	const char *to = text_of(line, "to");
	struct entry *entry = g_hash_table_lookup(rounds->entries, to);

	if (entry != NULL || g_hash_table_size(rounds->entries) >= ROUNDS_MOST)
		return entry;
	entry = g_new0(struct entry, 1);
	entry->to = g_strdup(to);
	entry->host = g_strdup(text_of(line, "host"));
	entry->round = (struct notify_round){
		.to = entry->to,
		.host = entry->host,
		.port = (uint32_t)json_integer_value(json_object_get(line, "port")),
		.lines = g_string_new(NULL),
		.counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	(void)g_hash_table_insert(rounds->entries, entry->to, entry);
	return entry;
}

// One line, whatever is in text.
static void put_line(struct notify_round *round, const char *text)
{
	char *valid = g_utf8_make_valid(text, -1);
	char *cut = g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), LINE_CHARACTERS));

	round->count++;
	for (char *at = cut; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
	}
	if (round->count <= LINES_MOST)
		g_string_append_printf(round->lines, "  %s\n", cut);
	g_free(cut);
	g_free(valid);
}

// Whether it is new.
static bool take(struct notify_rounds *rounds, const json_t *line)
{
	const char *id = text_of(line, "id");
	const char *name = text_of(line, "name");
	struct entry *entry;

	if (id[0] != '\0' &&
		!g_hash_table_add(rounds->seen, g_strdup_printf("%s %s", id, text_of(line, "to"))))
		return false;
	entry = entry_of(rounds, line);
	if (entry == NULL)
		return true;
	put_line(&entry->round, text_of(line, "line"));
	if (name[0] != '\0')
		(void)g_hash_table_replace(entry->round.counts, g_strdup(name),
			GSIZE_TO_POINTER(
				GPOINTER_TO_SIZE(g_hash_table_lookup(entry->round.counts, name)) +
				1));
	return true;
}

static int append(struct notify_rounds *rounds, const json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	char *whole = text != NULL ? g_strconcat(text, "\n", NULL) : NULL;
	size_t n = whole != NULL ? strlen(whole) : 0;
	int err = 0;

	if (whole == NULL)
		err = -ENOMEM;
	else if (rounds->bytes + n > JOURNAL_BYTES)
		err = -EFBIG;
	else if (write(rounds->fd, whole, n) != (ssize_t)n)
		err = -EIO;
	if (err == 0)
		rounds->bytes += n;
	// Only of mail somebody must hear; what has happened is in the events as well.
	if (err == 0 && text_of(line, "id")[0] != '\0' && fdatasync(rounds->fd) != 0)
		err = -errno;
	g_free(whole);
	free(text);
	return err;
}

int notify_rounds_add(struct notify_rounds *rounds, const json_t *line)
{
	return take(rounds, line) && rounds->fd >= 0 ? append(rounds, line) : 0;
}

// ---- the journal --------------------------------------------------------------------------------

static int begin_journal(struct notify_rounds *rounds)
{
	char *head = g_strdup_printf("{\"round\":%llu}\n", (unsigned long long)rounds->number);
	int err = durable_write(rounds->path, head, strlen(head));
	int fd = -1;

	rounds->bytes = strlen(head);
	g_free(head);
	if (err == 0) {
		fd = open(rounds->path, O_WRONLY | O_APPEND | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	if (err != 0)
		return err;
	if (rounds->fd >= 0)
		(void)close(rounds->fd);
	rounds->fd = fd;
	return 0;
}

// A line that was cut off when the process died is none.
static void read_journal(
	struct notify_rounds *rounds, char *text, notify_rounds_fn is_true, void *ctx)
{
	char *end;

	for (; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
		const json_t *number = json_object_get(line, "round");

		if (json_is_integer(number))
			rounds->number = (uint64_t)json_integer_value(number);
		else if (line != NULL && is_true(ctx, line))
			(void)take(rounds, line);
		json_decref(line);
	}
}

int notify_rounds_load(
	struct notify_rounds *rounds, const char *path, notify_rounds_fn is_true, void *ctx)
{
	char *text = NULL;
	size_t bytes = 0;
	int err = durable_read(path, 2 * (size_t)JOURNAL_BYTES, &text, &bytes);

	g_free(rounds->path);
	rounds->path = g_strdup(path);
	if (err == -ENOENT)
		return begin_journal(rounds);
	if (err != 0)
		return err;
	read_journal(rounds, text, is_true, ctx);
	free(text);
	rounds->bytes = bytes;
	rounds->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return rounds->fd >= 0 ? 0 : -errno;
}

// ---- rounds -------------------------------------------------------------------------------------

bool notify_rounds_is_empty(const struct notify_rounds *rounds)
{
	return g_hash_table_size(rounds->entries) == 0;
}

uint64_t notify_rounds_number(const struct notify_rounds *rounds)
{
	return rounds->number;
}

void notify_rounds_flush(struct notify_rounds *rounds, notify_round_fn show, void *ctx)
{
	GHashTable *entries = rounds->entries;
	GHashTableIter iter;
	gpointer entry;

	// What is said meanwhile is of the next round.
	rounds->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	g_hash_table_remove_all(rounds->seen);
	g_hash_table_iter_init(&iter, entries);
	while (g_hash_table_iter_next(&iter, NULL, &entry))
		show(ctx, &((struct entry *)entry)->round);
	g_hash_table_destroy(entries);
	rounds->number++;
	// An old journal that stays is told again, by keys that are known.
	if (rounds->path != NULL && begin_journal(rounds) != 0)
		rounds->bytes = JOURNAL_BYTES;
}

void notify_rounds_new(struct notify_rounds **out)
{
	struct notify_rounds *rounds = g_new0(struct notify_rounds, 1);

	rounds->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	rounds->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rounds->fd = -1;
	*out = rounds;
}

void notify_rounds_free(struct notify_rounds *rounds)
{
	if (rounds == NULL)
		return;
	if (rounds->fd >= 0)
		(void)close(rounds->fd);
	g_hash_table_destroy(rounds->entries);
	g_hash_table_destroy(rounds->seen);
	g_free(rounds->path);
	g_free(rounds);
}
