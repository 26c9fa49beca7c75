// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_hits.h"

#include "control/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000
#define EVENTS_MOST 100 // of one look at the hits
#define MAILS_MOST 5    // that an event names
#define MAILS_S 60      // since when these have come

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static void tell(struct control *control, const char *result, json_t *members)
{
	(void)json_object_set_new(members, "result", json_string(result));
	control_events_write(control->events, "screening", members);
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static const char *file_of(const json_t *mail, json_int_t index)
{
	json_t *part;
	size_t i;

	json_array_foreach(json_object_get(mail, "parts"), i, part)
	{
		if (json_integer_value(json_object_get(part, "index")) == index)
			return text_of(part, "filename");
	}
	return "";
}

// Of the first match of that name; 0: all of the message.
static json_int_t part_of(const json_t *mail, const char *name)
{
	json_t *match;
	size_t i;

	json_array_foreach(json_object_get(mail, "matches"), i, match)
	{
		if (strcmp(text_of(match, "signature"), name) == 0)
			return json_integer_value(json_object_get(match, "part"));
	}
	return 0;
}

// Mails in quarantine that an entry has hit, the latest: what of each was hit.
static json_t *name_mails(const struct control *control, const char *name)
{
	struct store *store = control->store;
	json_t *mails = json_array();
	json_t *filter = json_pack("{s:s, s:s, s:I, s:i}", "state", "quarantined", "signature",
		name, "since", (json_int_t)now_s() - 60, "limit", MAILS_MOST);
	json_t *found = store != NULL ? store_list(store, filter) : NULL;
	json_t *record;
	size_t i;

	json_array_foreach(json_object_get(found, "records"), i, record)
	{
		const char *text = json_string_value(json_object_get(record, "id"));
		struct spool_id id;
		json_int_t part;
		json_t *mail;

		if (text == NULL || spool_id_parse(text, &id) != 0)
			continue;
		mail = store_show(store, id);
		part = part_of(mail, name);
		(void)json_array_append_new(mails, json_pack("{s:s, s:I, s:s}", "id", text, "part",
							   part, "filename", file_of(mail, part)));
		json_decref(mail);
	}
	json_decref(found);
	json_decref(filter);
	return mails;
}

// Name, virus id, kind and digest of an entry, or {} when it is gone.
static json_t *describe_entry(struct screen_store *store, uint64_t id)
{
	static const char *const kept[] = {"name", "virus_id", "kind", "algorithm", "digest"};
	const struct screen_store_choice choice = {.id = id};
	json_t *found = screen_store_entries(store, &choice, 0, 1);
	json_t *members = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		(void)json_object_set(
			members, kept[i], json_object_get(json_array_get(found, 0), kept[i]));
	json_decref(found);
	return members;
}

void screens_hits_tell(struct control *control, struct screen_store *store, const json_t *hits)
{
	json_t *hit;
	size_t i;

	json_array_foreach(hits, i, hit)
	{
		const char *id = text_of(hit, "id");
		const char *name;
		json_t *members;

		if (i == EVENTS_MOST)
			break;
		members = describe_entry(store, g_ascii_strtoull(id, NULL, 16));
		name = text_of(members, "name");
		if (name[0] == '\0')
			name = text_of(members, "virus_id");
		(void)json_object_set_new(members, "mails", name_mails(control, name));
		(void)json_object_set_new(members, "entry", json_string(id));
		(void)json_object_set(members, "hits", json_object_get(hit, "more"));
		tell(control, "hits", members);
	}
}

void screens_hits_add(
	struct control *control, struct screen_store *store, const char *mail, const json_t *hit)
{
	uint64_t id = g_ascii_strtoull(text_of(hit, "entry"), NULL, 16);
	json_t *members = json_copy((json_t *)(uintptr_t)hit);

	if (screen_store_add_hits(store, id, 1, now_s()) != 0)
		control_events_write(control->events, "fault",
			json_pack("{s:s, s:s}", "what", "screening", "why",
				"a hit cannot be counted"));
	(void)json_object_set_new(members, "id", json_string(mail));
	tell(control, "hit", members);
}

json_t *screens_hits_describe(const struct scan_match *match, const struct scan_result *result)
{
	static const char digits[] = "0123456789abcdef";
	size_t bytes = digest_length(match->algorithm);
	const char *file = "";
	char digest[2 * SCREEN_DIGEST_BYTES + 1];
	char id[20];

	for (size_t i = 0; match->digest != NULL && i < bytes; i++) {
		digest[2 * i] = digits[match->digest[i] >> 4];
		digest[2 * i + 1] = digits[match->digest[i] & 15];
	}
	digest[match->digest != NULL ? 2 * bytes : 0] = '\0';
	for (size_t i = 0; i < result->parts_count; i++) {
		if (result->parts[i].index == match->part)
			file = result->parts[i].filename;
	}
	(void)snprintf(id, sizeof(id), "%016" PRIx64, match->entry);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "entry", id, "name",
		match->signature, "virus_id", match->virus_id, "kind",
		screen_kind_name(match->screened), "algorithm", digest_name(match->algorithm),
		"digest", digest, "part", (json_int_t)match->part, "filename", file);
}

char *screens_hits_text(const json_t *hit)
{
	const char *file = text_of(hit, "filename");

	return g_strdup_printf("%s; %s of a %s, %s, in part %lld%s%s%s", text_of(hit, "name"),
		text_of(hit, "algorithm"), text_of(hit, "kind"), text_of(hit, "digest"),
		json_integer_value(json_object_get(hit, "part")), file[0] != '\0' ? " (" : "", file,
		file[0] != '\0' ? ")" : "");
}

char *screens_hits_text_of_mail(const json_t *mail)
{
	json_t *match;
	size_t i;

	if (strcmp(text_of(mail, "reason"), "checksum") != 0)
		return NULL;
	json_array_foreach(json_object_get(mail, "matches"), i, match)
	{
		json_int_t part = json_integer_value(json_object_get(match, "part"));
		json_t *hit;
		char *text;

		if (strcmp(text_of(match, "kind"), "checksum") != 0)
			continue;
		hit = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "name",
			text_of(match, "signature"), "kind", text_of(match, "screened"),
			"algorithm", text_of(match, "algorithm"), "digest",
			text_of(match, "digest"), "part", part, "filename", file_of(mail, part));
		text = screens_hits_text(hit);
		json_decref(hit);
		return text;
	}
	return NULL;
}
