// SPDX-License-Identifier: BSD-3-Clause
// Events as JSON lines.
#include "control/ctl.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_TEXT_BYTES 4096

struct json_t *ctl_json_text(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char clean[MAX_TEXT_BYTES * 3 + 1];
	json_t *string = json_string(text);
	size_t n = 0;

	if (string != NULL)
		return string;
	for (size_t i = 0; i < MAX_TEXT_BYTES && text[i] != '\0'; i++) {
		if ((text[i] & 0x80) == 0) {
			clean[n++] = text[i];
		} else {
			memcpy(clean + n, replacement, sizeof(replacement) - 1);
			n += sizeof(replacement) - 1;
		}
	}
	return json_stringn(clean, n);
}

struct json_t *ctl_json_event(const char *name)
{
	char host[256] = "";
	char seconds[32] = "";
	char text[64];
	struct timespec now;
	struct tm utc;
	json_t *event = json_object();

	(void)gethostname(host, sizeof(host) - 1);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) != NULL)
		(void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	(void)snprintf(text, sizeof(text), "%s.%06ldZ", seconds, now.tv_nsec / 1000);
	(void)json_object_set_new(event, "event", json_string(name));
	(void)json_object_set_new(event, "time", json_string(text));
	(void)json_object_set_new(event, "gateway", ctl_json_text(host));
	return event;
}

static void json_add_digest(json_t *part, const char *name, const uint8_t *digest, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char text[64];

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	(void)json_object_set_new(part, name, json_stringn(text, 2 * n));
}

static json_t *json_part(const struct scan_part *part)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "index", json_integer(part->index));
	(void)json_object_set_new(object, "parent", json_integer(part->parent));
	(void)json_object_set_new(object, "content_type", ctl_json_text(part->content_type));
	(void)json_object_set_new(object, "encoding", ctl_json_text(part->encoding));
	(void)json_object_set_new(object, "filename", ctl_json_text(part->filename));
	(void)json_object_set_new(object, "disposition", ctl_json_text(part->disposition));
	if (part->detected_type[0] != '\0')
		(void)json_object_set_new(
			object, "detected_type", ctl_json_text(part->detected_type));
	(void)json_object_set_new(object, "bytes", json_integer((json_int_t)part->bytes));
	if ((part->digests & DIGEST_MD5) != 0)
		json_add_digest(object, "md5", part->md5, sizeof(part->md5));
	if ((part->digests & DIGEST_SHA1) != 0)
		json_add_digest(object, "sha1", part->sha1, sizeof(part->sha1));
	if ((part->digests & DIGEST_SHA256) != 0)
		json_add_digest(object, "sha256", part->sha256, sizeof(part->sha256));
	return object;
}

// Of a hit in screening.
static void json_add_entry(json_t *object, const struct scan_match *match)
{
	char id[17];

	(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)match->entry);
	(void)json_object_set_new(object, "entry", json_string(id));
	(void)json_object_set_new(
		object, "screened", json_string(screen_kind_name(match->screened)));
	(void)json_object_set_new(object, "algorithm", json_string(digest_name(match->algorithm)));
	json_add_digest(object, "digest", match->digest, digest_length(match->algorithm));
}

static json_t *json_match(const struct scan_match *match)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "signature", ctl_json_text(match->signature));
	(void)json_object_set_new(object, "virus_id", ctl_json_text(match->virus_id));
	(void)json_object_set_new(object, "kind", json_string(match_kind_name(match->kind)));
	(void)json_object_set_new(object, "part", json_integer(match->part));
	if (match->entry != 0)
		json_add_entry(object, match);
	if (match->recipe[0] != '\0')
		(void)json_object_set_new(object, "disinfect", ctl_json_text(match->recipe));
	return object;
}

// Where there are several.
static void add_reasons(json_t *event, const struct scan_result *result)
{
	json_t *reasons = json_array();

	for (size_t i = 0; i < SCAN_FINDINGS; i++) {
		if (result->findings[i] != NULL)
			(void)json_array_append_new(reasons, json_string(result->findings[i]));
	}
	if (json_array_size(reasons) > 1)
		(void)json_object_set(event, "reasons", reasons);
	json_decref(reasons);
}

void ctl_json_add_result(struct json_t *event, const struct scan_result *result)
{
	json_t *matches = json_array();
	json_t *parts = json_array();

	for (size_t i = 0; i < result->matches_count; i++)
		(void)json_array_append_new(matches, json_match(&result->matches[i]));
	for (size_t i = 0; i < result->parts_count; i++)
		(void)json_array_append_new(parts, json_part(&result->parts[i]));
	(void)json_object_set_new(event, "verdict", json_string(verdict_name(result->verdict)));
	(void)json_object_set_new(event, "reason", ctl_json_text(result->reason));
	add_reasons(event, result);
	(void)json_object_set_new(event, "matches", matches);
	if (result->has_more_matches)
		(void)json_object_set_new(event, "more_matches", json_true());
	(void)json_object_set_new(event, "parts", parts);
}

void ctl_json_print(struct json_t *event)
{
	(void)json_dumpf(event, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(event);
}
