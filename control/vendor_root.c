// SPDX-License-Identifier: BSD-3-Clause
// Root documents from a description in YAML:
//
//   vendor: acme
//   version: 1
//   days: 365
//   roles:
//     root:      {keys: [root1.pub, root2.pub, root3.pub], threshold: 2}
//     alerts:    {keys: [alerts.pub], threshold: 1, epoch: 1}
//     updates:   {keys: [updates.pub], threshold: 1}
//     all-clear: {keys: [officer1.pub, officer2.pub], threshold: 2}
//
// A key is a file that `cordon-vendor key` has written, beside the description, or its base64.
#include "control/alerts_root.h"
#include "control/control_events.h"
#include "control/durable.h"
#include "control/vendor.h"
#include "control/vendor_payload.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define DAY_S 86400
#define ROLE_KEYS 32
#define KEY_TEXT_BYTES 256
#define PUBLIC_BYTES 256

struct role {
	char keys[ROLE_KEYS][KEY_TEXT_BYTES];
	uint32_t keys_count;
	uint32_t threshold;
	uint64_t epoch;
};

struct description {
	char vendor[128];
	uint64_t version;
	uint32_t days;
	struct role roles[ROLES];
};

#define MEMBER(type, member)                                                                       \
	.offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)

static const struct config_option role_table[] = {
	{.key = "keys",
		.kind = OPTION_TEXTS,
		.required = true,
		.offset = offsetof(struct role, keys),
		.size = KEY_TEXT_BYTES,
		.count_offset = offsetof(struct role, keys_count),
		.room = ROLE_KEYS,
		.max = KEY_TEXT_BYTES - 1,
		.help = "Public keys: files or base64."},
	{.key = "threshold",
		.kind = OPTION_UINT,
		MEMBER(role, threshold),
		.min = 1,
		.max = ROLE_KEYS,
		.preset = "1",
		.help = "How many must sign."},
	{.key = "epoch",
		.kind = OPTION_UINT,
		MEMBER(role, epoch),
		.min = 1,
		.max = 1ll << 53,
		.preset = "1",
		.help = "The least that an alert of the role may have."},
	{.key = NULL},
};

#define ROLE(name, which, what)                                                                    \
	{                                                                                          \
		.key = (name), .kind = OPTION_SECTION, .required = true,                           \
		.offset = offsetof(struct description, roles[which]), .size = sizeof(struct role), \
		.children = role_table, .help = (what)                                             \
	}

static const struct config_option roles_table[] = {
	ROLE("root", ROLE_ROOT, "Who signs root documents."),
	ROLE("alerts", ROLE_ALERTS, "Who signs seals, screens and pings."),
	ROLE("updates", ROLE_UPDATES, "Who signs updates and revocations."),
	ROLE("all-clear", ROLE_ALL_CLEAR, "Who signs all-clears."),
	{.key = NULL},
};

static const struct config_option description_table[] = {
	{.key = "vendor",
		.kind = OPTION_TEXT,
		.required = true,
		MEMBER(description, vendor),
		.max = 127,
		.help = "The name in each alert."},
	{.key = "version",
		.kind = OPTION_UINT,
		.required = true,
		MEMBER(description, version),
		.min = 1,
		.max = 1ll << 53,
		.help = "One more than the last document's."},
	{.key = "days",
		.kind = OPTION_UINT,
		MEMBER(description, days),
		.min = 1,
		.max = 3650,
		.unit = "days",
		.preset = "365",
		.help = "That it is good for."},
	{.key = "roles",
		.kind = OPTION_SECTION,
		.required = true,
		.offset = 0,
		.size = sizeof(struct description),
		.children = roles_table,
		.help = "Whose keys count for what."},
	{.key = NULL},
};

static void check_roles(struct options_lines *lines, const void *base, const void *ctx)
{
	const struct description *description = base;

	(void)ctx;
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "roles.%s.threshold", key_role_name(role));
		if (description->roles[role].threshold > description->roles[role].keys_count)
			options_mistake_at(lines, path, "is more than the role has keys");
	}
}

// A key that is base64, or a file of it beside the description.
static int read_key(const char *beside, const char *text, struct envelope_key *key)
{
	char *folder;
	char *path;
	char *data = NULL;
	size_t bytes = 0;
	int err;

	if (envelope_key_parse(key, text) == 0)
		return 0;
	folder = g_path_get_dirname(beside);
	path = text[0] == '/' ? g_strdup(text) : g_build_filename(folder, text, NULL);
	err = durable_read(path, PUBLIC_BYTES, &data, &bytes);
	if (err == 0)
		err = envelope_key_parse(key, g_strstrip(data));
	free(data);
	g_free(path);
	g_free(folder);
	return err;
}

static int add_role(const char *beside, const struct role *role, enum key_role which, json_t *root)
{
	json_t *ids = json_array();
	struct envelope_key key;

	for (uint32_t i = 0; i < role->keys_count; i++) {
		char *text;

		if (read_key(beside, role->keys[i], &key) != 0) {
			json_decref(ids);
			return vendor_cli_fail("root",
				"%s: roles.%s.keys: \"%s\" is no public key, nor a file of one",
				beside, key_role_name(which), role->keys[i]);
		}
		text = envelope_key_text(&key);
		(void)json_object_set_new(json_object_get(root, "keys"), key.id,
			json_string(text != NULL ? text : ""));
		(void)json_array_append_new(ids, json_string(key.id));
		free(text);
	}
	(void)json_object_set_new(json_object_get(root, "roles"), key_role_name(which),
		json_pack("{s:o, s:i, s:I}", "keys", ids, "threshold", (int)role->threshold,
			"epoch", (json_int_t)role->epoch));
	return 0;
}

static json_t *make_root(
	const char *beside, const struct description *description, int64_t expires_s)
{
	GDateTime *time = g_date_time_new_from_unix_utc(expires_s);
	char *expires = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
	json_t *root = json_pack("{s:s, s:{}, s:{}}", "expires", expires, "keys", "roles");
	int err = 0;

	g_free(expires);
	g_date_time_unref(time);
	for (enum key_role role = ROLE_ROOT; role < ROLES && err == 0; role++)
		err = add_role(beside, &description->roles[role], role, root);
	if (err == 0)
		return root;
	json_decref(root);
	return NULL;
}

static int write_root(const char *path, const struct description *description,
	const struct vendor_signers *signers, const char *output)
{
	int64_t now_s = control_now_ns() / NS_PER_S;
	struct vendor_draft draft = {.vendor = description->vendor,
		.type = "root",
		.epoch = 1,
		.sequence = description->version,
		.issued_s = now_s,
		.expires_s = now_s + (int64_t)description->days * DAY_S};
	char why[VENDOR_WHY_BYTES] = "no memory";
	json_t *payload = NULL;
	char *envelope = NULL;
	int err = 0;

	draft.body = make_root(path, description, draft.expires_s);
	if (draft.body == NULL)
		return VENDOR_ERROR;
	if (vendor_payload_make(&draft, &payload, why, sizeof(why)) != 0 ||
		vendor_payload_sign(
			payload, signers->all, signers->count, &envelope, why, sizeof(why)) != 0)
		err = vendor_cli_fail("root", "%s: %s", path, why);
	if (err == 0)
		err = vendor_cli_write("root", output, envelope);
	free(envelope);
	json_decref(payload);
	json_decref(draft.body);
	return err;
}

int vendor_root_command(int argc, char **argv)
{
	static struct description description; // too large for a stack
	const struct options_form form = {description_table, check_roles, NULL};
	struct vendor_signers signers = {.count = 0};
	char why[VENDOR_WHY_BYTES];
	char **keys = NULL;
	char *output = NULL;
	const GOptionEntry entries[] = {{"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &keys,
						"a private root key; again for more", "FILE"},
		{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "where the document goes",
			"FILE"},
		{0}};
	int err = vendor_cli_options("DESCRIPTION",
		"Makes a root document from a description in YAML or JSON and signs it:\n\n"
		"  vendor: acme\n  version: 1\n  days: 365\n  roles:\n"
		"    root:      {keys: [root1.pub, root2.pub], threshold: 2}\n"
		"    alerts:    {keys: [alerts.pub], threshold: 1, epoch: 1}\n"
		"    updates:   {keys: [updates.pub], threshold: 1}\n"
		"    all-clear: {keys: [officer1.pub, officer2.pub], threshold: 2}\n\n"
		"The next version is signed by as many root keys as the last one asks for and as "
		"it asks for "
		"itself; cordon-vendor countersign adds those that are elsewhere.",
		entries, &argc, &argv);

	if (err == 0 && argc != 2)
		err = vendor_cli_fail("root", "needs the file of one description");
	if (err == 0) {
		memset(&description, 0, sizeof(description));
		options_apply_presets(description_table, &description);
		err = options_file_read(argv[1], &form, &description, stderr) == 0 ? 0
										   : VENDOR_ERROR;
	}
	for (size_t i = 0; err == 0 && keys != NULL && keys[i] != NULL; i++) {
		if (vendor_signers_add(&signers, keys[i], why, sizeof(why)) != 0)
			err = vendor_cli_fail("root", "%s", why);
	}
	if (err == 0 && signers.count == 0)
		err = vendor_cli_fail("root", "needs --key FILE");
	if (err == 0)
		err = write_root(argv[1], &description, &signers, output);
	vendor_signers_free(&signers);
	g_strfreev(keys);
	g_free(output);
	return err;
}
