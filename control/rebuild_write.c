// SPDX-License-Identifier: BSD-3-Clause
// The new message, by the plan.
#include "control/rebuild.h"
#include "control/rebuild_add.h"
#include "control/rebuild_leaf.h"
#include "control/rebuild_note.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct source {
	const uint8_t *data;
	size_t bytes;
	const char *eol;
	const struct rebuild_leaves *leaves;
	const struct rebuild_plan *plan;
	const char *gateway;
};

// Where the empty line is that ends the header before content; content itself where there is none.
static size_t header_end(const uint8_t *data, size_t content)
{
	size_t at = content;

	if (at == 0 || data[at - 1] != '\n')
		return content;
	at -= at > 1 && data[at - 2] == '\r' ? 2 : 1;
	return at == 0 || data[at - 1] == '\n' ? at : content;
}

static void copy(GByteArray *out, const uint8_t *data, size_t from, size_t to)
{
	if (to > from)
		g_byte_array_append(out, data + from, (guint)(to - from));
}

static void put_text(GByteArray *out, const char *text)
{
	g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

// From `at`, copies up to this leaf and puts its note in its place. Returns where to go on.
static size_t write_note(GByteArray *out, const uint8_t *data, size_t at,
	const struct rebuild_leaf *leaf, const struct rebuild_note *note)
{
	size_t end = header_end(data, leaf->content.begin);

	for (size_t i = 0; i < leaf->fields_count; i++) {
		copy(out, data, at, leaf->fields[i].begin);
		at = leaf->fields[i].end;
	}
	copy(out, data, at, end);
	if (end == leaf->content.begin && out->len > 0 && out->data[out->len - 1] != '\n')
		put_text(out, note->eol);
	put_text(out, note->header);
	if (end < leaf->content.begin)
		copy(out, data, end, leaf->content.begin);
	else
		put_text(out, note->eol);
	put_text(out, note->text);
	return leaf->content.end;
}

static int write_repair(const struct source *source, size_t i, size_t *at, GByteArray *out)
{
	const struct rebuild_leaf *leaf = &source->leaves->list[i];
	const struct rebuild_repair *repair = source->plan->repairs[i];
	const struct rebuild_code code = {
		.encoding = leaf->encoding,
		.content = source->data + leaf->content.begin,
		.bytes = leaf->content.end - leaf->content.begin,
		.sha256 = leaf->sha256,
		.eol = source->eol,
	};

	copy(out, source->data, *at, leaf->content.begin);
	*at = leaf->content.end;
	return rebuild_code_repair(&code, repair->recipes, repair->count, out);
}

static bool ends_crlf(const uint8_t *data, size_t bytes)
{
	const uint8_t *end = memchr(data, '\n', bytes);

	return end == NULL || (end > data && end[-1] == '\r');
}

static int write_leaf(const struct source *source, size_t i, size_t *at, GByteArray *out)
{
	const struct rebuild_leaf *leaf = &source->leaves->list[i];
	struct rebuild_note note;

	if (source->plan->why[i] == NULL && source->plan->repairs[i] == NULL)
		return 0;
	// Fields and contents follow each other, or something was read wrongly.
	if (leaf->content.begin < *at || (leaf->fields_count > 0 && leaf->fields[0].begin < *at))
		return -EBADMSG;
	if (source->plan->why[i] == NULL)
		return write_repair(source, i, at, out);
	rebuild_note_init(
		&note, source->leaves, leaf, source->plan->why[i], source->gateway, source->eol);
	*at = write_note(out, source->data, *at, leaf, &note);
	rebuild_note_fini(&note);
	return 0;
}

// What was not touched must read as before, and the note must be a part more.
static bool is_as_planned(const struct source *source, const GByteArray *out)
{
	struct rebuild_leaves now;
	bool same;

	if (rebuild_leaves_read(out->data, out->len, &now) != 0)
		return false;
	same = now.count == source->leaves->count + 1;
	for (size_t i = 0; same && i < source->leaves->count; i++)
		same = source->plan->why[i] != NULL || source->plan->repairs[i] != NULL ||
		       memcmp(now.list[i].sha256, source->leaves->list[i].sha256,
			       REBUILD_DIGEST_BYTES) == 0;
	rebuild_leaves_fini(&now);
	return same;
}

static int add_note(const struct source *source, GByteArray *out)
{
	size_t count = source->plan->leaves_count;
	char **why = g_new0(char *, count + 1);
	struct rebuild_note note;
	int err;

	for (size_t i = 0; i < count; i++)
		why[i] = source->plan->repairs[i] != NULL ? source->plan->repairs[i]->why : NULL;
	rebuild_note_init_repaired(&note, source->leaves, why, source->gateway, source->eol);
	err = rebuild_add_part(source->leaves, &note, out);
	if (err == 0 && !is_as_planned(source, out))
		err = -EBADMSG;
	rebuild_note_fini(&note);
	g_free(why);
	return err;
}

static int write_all(const struct source *source, GByteArray *out)
{
	size_t at = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < source->leaves->count; i++)
		err = write_leaf(source, i, &at, out);
	if (err != 0)
		return err;
	copy(out, source->data, at, source->bytes);
	return source->plan->repairs_count > 0 ? add_note(source, out) : 0;
}

int rebuild_strip(const uint8_t *data, size_t bytes, const struct rebuild_plan *plan,
	const char *gateway, uint8_t **out, size_t *out_bytes)
{
	struct rebuild_leaves leaves;
	GByteArray *array;
	struct source source = {.data = data,
		.bytes = bytes,
		.eol = ends_crlf(data, bytes) ? "\r\n" : "\n",
		.leaves = &leaves,
		.plan = plan,
		.gateway = gateway};
	int err = rebuild_leaves_read(data, bytes, &leaves);

	if (err != 0)
		return err;
	array = g_byte_array_new();
	err = leaves.count == plan->leaves_count ? write_all(&source, array) : -EBADMSG;
	rebuild_leaves_fini(&leaves);
	*out_bytes = array->len;
	if (err == 0) {
		*out = malloc(array->len + 1);
		err = *out != NULL ? 0 : -ENOMEM;
	}
	if (err == 0)
		memcpy(*out, array->data, array->len);
	(void)g_byte_array_free(array, TRUE);
	return err;
}
