// SPDX-License-Identifier: BSD-3-Clause
// Who has signed an envelope, and what it says: an alert by a root document, a receipt by a gateway's key.
#include "control/alerts_root.h"
#include "control/vendor.h"
#include "control/vendor_payload.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How many keys of its role have signed it, and whether they are enough.
static bool check_alert(const struct envelope *envelope, const struct keys *keys, json_t *said)
{
	uint64_t signers = keys_signers(keys, envelope);
	struct alert alert;
	char why[VENDOR_WHY_BYTES];
	size_t bytes;
	const char *payload = envelope_payload(envelope, &bytes);
	unsigned int count;
	bool good = false;

	if (signers == 0) {
		(void)json_object_set_new(
			said, "why", json_string("not signed by a key of the root document"));
		return false;
	}
	if (strcmp(envelope_type(envelope), ENVELOPE_ALERT) != 0 ||
		alert_parse(payload, bytes, &alert, why, sizeof(why)) != 0) {
		(void)json_object_set_new(said, "why", json_string("not an alert"));
		return false;
	}
	count = keys_count(keys, alert.role, signers);
	good = count >= keys_threshold(keys, alert.role);
	(void)json_object_set_new(said, "signed", json_integer(count));
	(void)json_object_set_new(said, "needed", json_integer(keys_threshold(keys, alert.role)));
	if (!good)
		(void)json_object_set_new(said, "why", json_string("too few signatures"));
	alert_clear(&alert);
	return good;
}

static bool check_key(const struct envelope *envelope, const struct envelope_key *key, json_t *said)
{
	bool good = envelope_signers(envelope, key, 1) != 0;

	if (!good)
		(void)json_object_set_new(said, "why", json_string("not signed by this key"));
	return good;
}

static int verify(
	const struct envelope *envelope, const struct keys *keys, const struct envelope_key *key)
{
	size_t bytes;
	const char *payload = envelope_payload(envelope, &bytes);
	json_t *said = json_pack(
		"{s:s, s:s}", "type", envelope_type(envelope), "digest", envelope_digest(envelope));
	bool good = false;
	json_t *content = json_loadb(payload, bytes, JSON_REJECT_DUPLICATES, NULL);

	if (keys != NULL)
		good = check_alert(envelope, keys, said);
	else if (key != NULL)
		good = check_key(envelope, key, said);
	else
		(void)json_object_set_new(
			said, "why", json_string("no key was given to check it by"));
	(void)json_object_set_new(said, "good", json_boolean(good));
	if (content != NULL)
		(void)json_object_set_new(said, "payload", content);
	if (vendor_cli_print(said) != 0)
		return VENDOR_ERROR;
	return good ? 0 : VENDOR_REFUSED;
}

static int read_public(const char *text, struct envelope_key *key)
{
	char *data = NULL;
	size_t bytes = 0;
	int err;

	if (envelope_key_parse(key, text) == 0)
		return 0;
	data = vendor_cli_read("verify", text, &bytes);
	if (data == NULL)
		return VENDOR_ERROR;
	err = envelope_key_parse(key, g_strstrip(data));
	free(data);
	return err == 0 ? 0 : vendor_cli_fail("verify", "%s: is no public key in base64", text);
}

static int verify_file(const char *path, const char *root_path, const char *public_key)
{
	struct alerts_root root = {.keys = NULL};
	struct envelope_key key;
	struct envelope *envelope = NULL;
	char why[VENDOR_WHY_BYTES] = "";
	const char *mistake = "";
	size_t bytes = 0;
	char *text;
	int err = 0;

	if (root_path != NULL && alerts_root_open(&root, "", root_path, why, sizeof(why)) != 0)
		return vendor_cli_fail("verify", "%s", why);
	if (root_path != NULL && root.keys == NULL)
		return vendor_cli_fail("verify", "%s: cannot be read", root_path);
	if (public_key != NULL && read_public(public_key, &key) != 0)
		return VENDOR_ERROR;
	text = vendor_cli_read("verify", path, &bytes);
	if (text == NULL)
		err = VENDOR_ERROR;
	else if (envelope_parse(text, bytes, &envelope, &mistake) != 0)
		err = vendor_cli_fail("verify", "%s: %s", path, mistake) - 1;
	else
		err = verify(envelope, root.keys, public_key != NULL ? &key : NULL);
	envelope_free(envelope);
	free(text);
	alerts_root_close(&root);
	return err;
}

int vendor_verify_command(int argc, char **argv)
{
	char *root = NULL;
	char *key = NULL;
	const GOptionEntry entries[] = {
		{"root", 'r', 0, G_OPTION_ARG_FILENAME, &root,
			"the root document that says whose keys count", "FILE"},
		{"public-key", 'p', 0, G_OPTION_ARG_STRING, &key,
			"base64, or a file of it: of a gateway", "KEY"},
		{0}};
	int err = vendor_cli_options("FILE",
		"Says who has signed an envelope and what it says, as JSON. Exit status 0: as many "
		"as its role "
		"asks for; 1: not so.",
		entries, &argc, &argv);

	if (err == 0 && (argc != 2 || (root != NULL && key != NULL)))
		err = vendor_cli_fail(
			"verify", "needs one envelope, and one of --root and --public-key at most");
	if (err == 0)
		err = verify_file(argv[1], root, key);
	g_free(root);
	g_free(key);
	return err;
}
