// SPDX-License-Identifier: BSD-3-Clause
#include "control/update_check.h"

#include "control/alert.h"
#include "control/alert_body.h"
#include "control/durable.h"

#include <glib.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_BYTES (4u << 20) // of a file, encoded
#define DIGEST_FILE_BYTES 256

struct checks {
	const struct ruleset *ruleset;
	struct scanner *scanner; // NULL: none was needed
};

int update_check_digest(
	const char *text, unsigned int *algorithm, uint8_t digest[32], uint64_t *bytes)
{
	static const struct {
		const char *name;
		unsigned int algorithm;
		size_t bytes;
	} known[] = {{"md5:", DIGEST_MD5, 16}, {"sha1:", DIGEST_SHA1, 20},
		{"sha256:", DIGEST_SHA256, 32}};
	unsigned long long number;
	char *end = NULL;
	size_t i = 0;

	text += strspn(text, " \t\r\n");
	while (i < G_N_ELEMENTS(known) && strncmp(text, known[i].name, strlen(known[i].name)) != 0)
		i++;
	if (i == G_N_ELEMENTS(known))
		return -EINVAL;
	text += strlen(known[i].name);
	for (size_t at = 0; at < known[i].bytes; at++, text += 2) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return -EINVAL;
		digest[at] = (uint8_t)(g_ascii_xdigit_value(text[0]) * 16 +
				       g_ascii_xdigit_value(text[1]));
	}
	if (text[0] != ':' || !isdigit((unsigned char)text[1]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text + 1, &end, 10);
	if (errno != 0 || end[strspn(end, " \t\r\n")] != '\0')
		return -EINVAL;
	*algorithm = known[i].algorithm;
	*bytes = number;
	return 0;
}

static void file_of(
	const char *folder, const char *virus_id, const char *suffix, char out[PATH_MAX])
{
	GString *name = g_string_new(NULL);

	for (const char *at = virus_id; *at != '\0'; at++) {
		if (isalnum((unsigned char)*at) || *at == '-' || *at == '_')
			(void)g_string_append_c(name, *at);
		else
			g_string_append_printf(name, "%%%02X", (unsigned int)(unsigned char)*at);
	}
	if (snprintf(out, PATH_MAX, "%s/" ALERT_SELFTEST "%s%s", folder, name->str, suffix) >=
		PATH_MAX)
		out[0] = '\0';
	(void)g_string_free(name, TRUE);
}

static bool is_hit(const struct scan_result *result, const char *virus_id)
{
	for (size_t i = 0; i < result->matches_count; i++) {
		if (strcmp(result->matches[i].virus_id, virus_id) == 0)
			return true;
	}
	return false;
}

// Made for the first sample there is.
static int make_scanner(struct checks *checks)
{
	struct scan_options options;

	if (checks->scanner != NULL)
		return 0;
	scan_options_init(&options);
	options.max_messages = 1;
	options.all_matches = true;
	return scanner_new(&options, checks->ruleset, &checks->scanner);
}

// Returns NULL, or why it does not hit.
static const char *try_sample(struct checks *checks, const char *path, const char *virus_id)
{
	const char *why = "its sample is not hit";
	struct scan *scan = NULL;
	char *text = NULL;
	size_t bytes = 0;
	int err = durable_read(path, SAMPLE_BYTES, &text, &bytes);

	if (err == -ENOENT)
		return NULL;
	if (err != 0)
		return "its sample cannot be read";
	if (strlen(text) == bytes)
		(void)g_base64_decode_inplace(text, &bytes);
	if (make_scanner(checks) != 0) {
		why = "there is no memory to scan its sample";
	} else if (scan_begin(checks->scanner, SCAN_FILE, &scan) == 0) {
		scan_feed(scan, (const uint8_t *)text, bytes);
		if (is_hit(scan_end(scan), virus_id))
			why = NULL;
		scan_free(scan);
	}
	free(text);
	return why;
}

static const char *try_digest(const struct ruleset *ruleset, const char *path, const char *virus_id)
{
	uint8_t digest[32] = {0};
	unsigned int algorithm = 0;
	uint64_t object_bytes = 0;
	char *text = NULL;
	size_t bytes = 0;
	int err = durable_read(path, DIGEST_FILE_BYTES, &text, &bytes);

	if (err == -ENOENT)
		return NULL;
	if (err == 0)
		err = update_check_digest(text, &algorithm, digest, &object_bytes);
	free(text);
	if (err != 0)
		return "its digest cannot be read";
	return ruleset_has_digest(ruleset, algorithm, digest, object_bytes, virus_id)
		       ? NULL
		       : "its digest is not hit";
}

static const char *check_one(struct checks *checks, const char *folder, const char *virus_id)
{
	char path[PATH_MAX];
	const char *why;

	if (!ruleset_has_virus_id(checks->ruleset, virus_id))
		return "no signature carries it";
	file_of(folder, virus_id, ".b64", path);
	why = try_sample(checks, path, virus_id);
	if (why != NULL)
		return why;
	file_of(folder, virus_id, ".digest", path);
	return try_digest(checks->ruleset, path, virus_id);
}

void update_check(const struct ruleset *ruleset, const char *folder, const json_t *virus_ids,
	json_t *covered, json_t *uncovered)
{
	struct checks checks = {.ruleset = ruleset};
	json_t *id;
	size_t i;

	json_array_foreach(virus_ids, i, id)
	{
		const char *why = check_one(&checks, folder, json_string_value(id));

		if (why == NULL)
			(void)json_array_append(covered, id);
		else
			(void)json_object_set_new(
				uncovered, json_string_value(id), json_string(why));
	}
	scanner_free(checks.scanner);
}
