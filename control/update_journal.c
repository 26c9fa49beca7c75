// SPDX-License-Identifier: BSD-3-Clause
#include "control/update_journal.h"

#include "control/durable.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES (4u << 20)

static const char *const kinds[] = {"update", "revoke", "rollback"};
static const char *const steps[] = {"download", "install", "compile", "release", "end", "done"};

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

const char *update_kind_name(enum update_kind kind)
{
	return kinds[kind];
}

const char *update_step_name(enum update_step step)
{
	return steps[step];
}

// Its number, or -EBADMSG.
static int find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -EBADMSG;
}

static bool are_texts(const json_t *list)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (!json_is_string(value))
			return false;
	}
	return true;
}

static bool has_texts(json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (!json_is_string(value))
			return false;
	}
	return true;
}

static int take(const json_t *root, struct update_journal *out)
{
	const char *kind = "";
	const char *step = "";
	const char *digest = "";
	const char *version = "";
	json_int_t begun = 0;
	json_int_t swapped = 0;
	json_t *covered = NULL;
	json_t *uncovered = NULL;

	// json_unpack does not change what it reads.
	if (json_unpack((json_t *)(uintptr_t)root, "{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o !}",
		    "kind", &kind, "step", &step, "digest", &digest, "version", &version, "begun",
		    &begun, "swapped", &swapped, "covered", &covered, "uncovered",
		    &uncovered) != 0 ||
		find(kinds, COUNT(kinds), kind) < 0 || find(steps, COUNT(steps), step) < 0 ||
		strlen(digest) >= sizeof(out->digest) || begun < 0 || swapped < 0 ||
		(version[0] != '\0' && update_version_check(version) != 0) ||
		!json_is_array(covered) || !are_texts(covered) || !json_is_object(uncovered) ||
		!has_texts(uncovered))
		return -EBADMSG;
	*out = (struct update_journal){
		.kind = (enum update_kind)find(kinds, COUNT(kinds), kind),
		.step = (enum update_step)find(steps, COUNT(steps), step),
		.begun_s = begun,
		.swapped_s = swapped,
		.covered = json_incref(covered),
		.uncovered = json_incref(uncovered),
	};
	(void)snprintf(out->digest, sizeof(out->digest), "%s", digest);
	(void)snprintf(out->version, sizeof(out->version), "%s", version);
	return 0;
}

int update_journal_parse(const char *text, size_t bytes, struct update_journal *out)
{
	json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	int err = json_is_object(root) ? take(root, out) : -EBADMSG;

	json_decref(root);
	return err;
}

int update_journal_read(const char *path, struct update_journal *out)
{
	size_t bytes = 0;
	char *text = NULL;
	int err = durable_read(path, FILE_BYTES, &text, &bytes);

	if (err == 0)
		err = update_journal_parse(text, bytes, out);
	free(text);
	return err;
}

static void end_if(const char *kill_at, const char *before, enum update_step step)
{
	size_t n = strlen(before);

	if (strncmp(kill_at, before, n) == 0 && strcmp(kill_at + n, steps[step]) == 0)
		(void)kill(getpid(), SIGKILL);
}

int update_journal_write(
	const char *path, const struct update_journal *journal, const char *kill_at)
{
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:O, s:O}", "kind",
		kinds[journal->kind], "step", steps[journal->step], "digest", journal->digest,
		"version", journal->version, "begun", (json_int_t)journal->begun_s, "swapped",
		(json_int_t)journal->swapped_s, "covered", journal->covered, "uncovered",
		journal->uncovered);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	int err = -ENOMEM;

	end_if(kill_at, "before ", journal->step);
	if (text != NULL)
		err = durable_write(path, text, strlen(text));
	end_if(kill_at, "", journal->step);
	free(text);
	json_decref(root);
	return err;
}

void update_journal_tell(const struct update_journal *journal,
	void (*covered)(void *ctx, const char *virus_id, bool is_covered), void *ctx)
{
	const char *name;
	json_t *id;
	size_t i;

	if (covered == NULL)
		return;
	json_array_foreach(journal->covered, i, id)
	{
		covered(ctx, json_string_value(id), true);
	}
	json_object_foreach(journal->uncovered, name, id)
	{
		covered(ctx, name, false);
	}
}

void update_journal_fini(struct update_journal *journal)
{
	json_decref(journal->covered);
	json_decref(journal->uncovered);
	memset(journal, 0, sizeof(*journal));
}
