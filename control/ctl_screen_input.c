// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_screen_input.h"

#include "control/ctl.h"
#include "control/ctl_input.h"
#include "dataplane/dataplane.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_BYTES (1u << 30)
#define READ_BYTES 65536u
#define ID_DIGITS 16

// ---- options ------------------------------------------------------------------------------------

// Names with commas between them to bits.
static bool take_kinds(const char *list, unsigned int *kinds)
{
	char name[32];

	*kinds = 0;
	for (;;) {
		size_t n = strcspn(list, ",");
		enum screen_kind kind;

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, list);
		if (!screen_kind_by_name(name, &kind))
			return false;
		*kinds |= 1u << kind;
		if (list[n] == '\0')
			return true;
		list += n + 1;
	}
}

bool ctl_screen_input_option(struct ctl_screen_input *input, int letter, const char *value)
{
	switch (letter) {
	case 'd':
		if (input->digests_count == CTL_SCREEN_DIGESTS)
			return false;
		input->digests[input->digests_count++] = value;
		return true;
	case 'l':
		input->list = value;
		return true;
	case 'a':
		return screen_action_by_name(value, &input->action);
	case 'k':
		return take_kinds(value, &input->kinds);
	case 'g':
		return ctl_parse_digests(value, &input->algorithms);
	case 'm':
		input->is_message = true;
		return true;
	case 'f':
		input->is_file = true;
		return true;
	default:
		return false;
	}
}

static bool complain(const char *path, const char *why)
{
	(void)fprintf(stderr, "cordonctl screen: %s: %s\n", path, why);
	return false;
}

// ---- digests ------------------------------------------------------------------------------------

// "[ALGORITHM:]HEX[:BYTES]"; which one is told by its length.
static bool add_digest(const struct ctl_screen_input *input, const char *text, json_t *out)
{
	static const struct {
		const char *name;
		size_t digits;
	} known[] = {{"md5", 32}, {"sha1", 40}, {"sha256", 64}};
	const char *hex = strchr(text, ':');
	size_t before = hex != NULL ? (size_t)(hex - text) : 0;
	size_t which = 0;
	char *end = NULL;
	size_t n;
	json_t *entry;

	while (which < 3 && (strlen(known[which].name) != before ||
				    strncmp(known[which].name, text, before) != 0))
		which++;
	hex = which < 3 ? hex + 1 : text;
	n = strspn(hex, "0123456789abcdefABCDEF");
	for (size_t i = 0; i < 3; i++) {
		if (known[i].digits == n && (which == 3 || which == i)) {
			which = i;
			break;
		}
	}
	if (which == 3 || known[which].digits != n || (hex[n] != '\0' && hex[n] != ':'))
		return complain(text, "must be [ALGORITHM:]HEX[:BYTES] of md5, sha1 or sha256");
	entry = json_pack("{s:s, s:s, s:s#, s:s, s:s, s:s}", "kind", "file", "algorithm",
		known[which].name, "digest", hex, n, "virus_id", input->virus_id, "name",
		input->name[0] != '\0' ? input->name : input->virus_id, "action",
		screen_action_name(input->action));
	if (hex[n] == ':') {
		unsigned long long bytes = strtoull(hex + n + 1, &end, 10);

		if (end == hex + n + 1 || *end != '\0') {
			json_decref(entry);
			return complain(text, "its bytes must be a number");
		}
		(void)json_object_set_new(entry, "bytes", json_integer((json_int_t)bytes));
	}
	(void)json_array_append_new(out, entry);
	return true;
}

static bool lower_digests(json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		char digest[80];
		size_t n = 0;

		for (const char *at = json_string_value(json_object_get(entry, "digest"));
			*at != '\0' && n + 1 < sizeof(digest); at++)
			digest[n++] = (char)(*at >= 'A' && *at <= 'F' ? *at - 'A' + 'a' : *at);
		digest[n] = '\0';
		(void)json_object_set_new(entry, "digest", json_string(digest));
	}
	return true;
}

// ---- samples ------------------------------------------------------------------------------------

struct sample {
	uint8_t *data;
	size_t bytes;
	bool is_message;
};

// Of a mailbox its first message.
static bool read_sample(const char *path, struct sample *out)
{
	struct ctl_input *input = NULL;
	char reason[128];
	int err = ctl_input_open(path, false, &input);
	const uint8_t *data;
	size_t n = 0;

	if (err != 0)
		return complain(path, strerror_r(-err, reason, sizeof(reason)));
	*out = (struct sample){.is_message = ctl_input_kind(input) == SCAN_MESSAGE};
	(void)ctl_input_next(input);
	while (out->bytes < SAMPLE_BYTES && (n = ctl_input_read(input, &data)) > 0) {
		uint8_t *more = realloc(out->data, out->bytes + n);

		if (more == NULL)
			break;
		out->data = more;
		memcpy(out->data + out->bytes, data, n);
		out->bytes += n;
	}
	err = ctl_input_has_failed(input) || n > 0;
	ctl_input_close(input);
	if (err == 0)
		return true;
	free(out->data);
	return complain(path, "cannot be read, or is too long");
}

// "local-" and digits of the sample's SHA-256.
static void name_sample(const struct sample *sample, char *out, size_t room)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	size_t n = (size_t)snprintf(out, room, "local-");

	(void)EVP_Digest(sample->data, sample->bytes, digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < ID_DIGITS / 2; i++, n += 2)
		(void)snprintf(out + n, room - n, "%02x", (unsigned int)digest[i]);
}

static bool add_entries(const struct ctl_screen_input *input, const char *path,
	const struct screen_entry *entries, size_t count, json_t *out)
{
	size_t before = json_array_size(out);

	for (size_t i = 0; i < count; i++) {
		char *text;
		json_t *list;

		if (input->kinds != 0 && (input->kinds & 1u << entries[i].kind) == 0)
			continue;
		text = screen_list_print(&entries[i], 1, false);
		list = text != NULL ? json_loads(text, 0, NULL) : NULL;
		(void)json_array_extend(out, list);
		json_decref(list);
		free(text);
	}
	return json_array_size(out) > before ? true : complain(path, "has none of these kinds");
}

static bool add_sample(const struct ctl_screen_input *input, const char *path, json_t *out)
{
	struct screen_sample_options options = {
		.name = input->name,
		.action = input->action,
		.algorithms = input->algorithms,
	};
	struct screen_entry *entries = NULL;
	struct sample sample = {NULL, 0, false};
	char own_id[8 + ID_DIGITS];
	size_t count = 0;
	bool is_good;
	int err;

	if (!read_sample(path, &sample))
		return false;
	name_sample(&sample, own_id, sizeof(own_id));
	options.virus_id = input->virus_id[0] != '\0' ? input->virus_id : own_id;
	options.is_message = (sample.is_message && !input->is_file) || input->is_message;
	err = screen_compute(&options, sample.data, sample.bytes, &entries, &count);
	is_good = err == 0 ? add_entries(input, path, entries, count, out)
			   : complain(path, err == -EINVAL ? "is too short to tell anything by"
							   : "no memory");
	free(entries);
	free(sample.data);
	return is_good;
}

// ---- all of it ----------------------------------------------------------------------------------

static char *read_list(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	char *text = NULL;
	size_t room = 0;
	size_t bytes = 0;

	while (file != NULL && !feof(file) && !ferror(file)) {
		if (room - bytes < READ_BYTES) {
			char *more = realloc(text, room * 2 + READ_BYTES);

			if (more == NULL)
				break;
			text = more;
			room = room * 2 + READ_BYTES;
		}
		bytes += fread(text + bytes, 1, room - bytes - 1, file);
	}
	if (file == NULL || !feof(file) || text == NULL) {
		(void)complain(path, "cannot be read");
		free(text);
		text = NULL;
	} else {
		text[bytes] = '\0';
	}
	if (file != NULL && file != stdin)
		(void)fclose(file);
	return text;
}

char *ctl_screen_input_make(const struct ctl_screen_input *input, int count, char **files)
{
	json_t *entries;
	char *text = NULL;
	bool is_good = true;

	if ((input->list != NULL) + (input->digests_count > 0) + (count > 0) != 1) {
		(void)fprintf(stderr, "cordonctl screen: name samples, digests or a list\n");
		return NULL;
	}
	if (input->list != NULL)
		return read_list(input->list);
	if (input->digests_count > 0 && input->virus_id[0] == '\0') {
		(void)complain("--digest", "needs --virus-id");
		return NULL;
	}
	entries = json_array();
	for (int i = 0; is_good && i < count; i++)
		is_good = add_sample(input, files[i], entries);
	for (size_t i = 0; is_good && i < input->digests_count; i++)
		is_good = add_digest(input, input->digests[i], entries);
	if (is_good && input->digests_count > 0)
		is_good = lower_digests(entries);
	if (is_good)
		text = json_dumps(entries, JSON_COMPACT);
	json_decref(entries);
	return text;
}
