// SPDX-License-Identifier: BSD-3-Clause
// Keys, signatures and their check, on files alone: the machine that holds the keys needs no network.
#include "control/alerts_root.h"
#include "control/control_events.h"
#include "control/durable.h"
#include "control/vendor.h"
#include "control/vendor_catalogue.h"
#include "control/vendor_payload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define DAY_S 86400
#define COUNTER_BYTES 65536

// ---- keys ---------------------------------------------------------------------------------------

int vendor_key_command(int argc, char **argv)
{
	static const GOptionEntry entries[] = {{0}};
	struct envelope_signer *signer = NULL;
	char reason[128];
	char *public_path;
	char *text;
	int err;

	if (vendor_cli_options("FILE",
		    "Makes an Ed25519 key: FILE is private, readable by its owner alone; FILE.pub "
		    "is the public "
		    "key as base64, for root documents. Says its id.",
		    entries, &argc, &argv) != 0)
		return VENDOR_ERROR;
	if (argc != 2)
		return vendor_cli_fail("key", "needs the name of one file");
	err = envelope_signer_make(argv[1], &signer);
	if (err != 0)
		return vendor_cli_fail(
			"key", "%s: %s", argv[1], strerror_r(-err, reason, sizeof(reason)));
	public_path = g_strconcat(argv[1], ".pub", NULL);
	text = envelope_key_text(envelope_signer_key(signer));
	err = text != NULL ? vendor_cli_write("key", public_path, text) : VENDOR_ERROR;
	if (err == 0)
		(void)puts(envelope_signer_key(signer)->id);
	free(text);
	g_free(public_path);
	envelope_signer_free(signer);
	return err;
}

// ---- sign ---------------------------------------------------------------------------------------

struct sign_options {
	char *vendor;
	char *target;
	char *virus_id;
	gint64 epoch;
	gint64 sequence;
	char *counter;
	gint64 seconds;
	char *mode;
	char *scope;
	gint64 max_seconds;
	char *screen;
	char *folder;
	char *version;
	char *url;
	char *delta_from;
	char **signatures;
	char **digests;
	char *title;
	char *severity;
	char **keys;
	char *output;
};

static json_t *texts_json(char *const *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
		(void)json_array_append_new(list, json_string(texts[i]));
	return list;
}

static int make_seal(const struct sign_options *options, json_t **out)
{
	*out = json_pack("{s:s, s:s*}", "mode", options->mode != NULL ? options->mode : "hold",
		"scope", options->scope);
	if (options->max_seconds > 0)
		(void)json_object_set_new(*out, "max_seconds", json_integer(options->max_seconds));
	return 0;
}

static int make_screen(const struct sign_options *options, json_t **out)
{
	json_error_t mistake;
	char *text;
	size_t bytes;

	if (options->screen == NULL)
		return vendor_cli_fail("sign", "a screen needs --screen FILE");
	text = vendor_cli_read("sign", options->screen, &bytes);
	if (text == NULL)
		return VENDOR_ERROR;
	*out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &mistake);
	free(text);
	if (*out == NULL)
		return vendor_cli_fail(
			"sign", "%s:%d: %s", options->screen, mistake.line, mistake.text);
	return 0;
}

static int make_update(const struct sign_options *options, json_t **out)
{
	const struct vendor_update update = {options->version, options->url, options->delta_from};
	char why[VENDOR_WHY_BYTES] = "no memory";
	json_t *catalogue = NULL;
	int err;

	if (options->folder == NULL || options->version == NULL || options->url == NULL)
		return vendor_cli_fail("sign", "an update needs --folder, --version and --url");
	err = vendor_catalogue_read(options->folder, &catalogue, why, sizeof(why));
	if (err == 0)
		err = vendor_catalogue_update(catalogue, &update, out, why, sizeof(why));
	json_decref(catalogue);
	return err == 0 ? 0 : vendor_cli_fail("sign", "%s", why);
}

static int make_revoke(const struct sign_options *options, json_t **out)
{
	*out = json_pack("{s:o, s:o}", "signatures", texts_json(options->signatures), "digests",
		texts_json(options->digests));
	return 0;
}

static int make_body(const struct sign_options *options, const char *type, json_t **out)
{
	static const struct {
		const char *type;
		int (*make)(const struct sign_options *options, json_t **out);
	} makers[] = {{"seal", make_seal}, {"screen", make_screen}, {"update", make_update},
		{"revoke", make_revoke}};

	for (size_t i = 0; i < G_N_ELEMENTS(makers); i++) {
		if (strcmp(makers[i].type, type) == 0)
			return makers[i].make(options, out);
	}
	if (strcmp(type, "root") == 0)
		return vendor_cli_fail("sign", "see cordon-vendor root");
	return 0;
}

// The next number of a role from a file of {ROLE: NUMBER}, which is durable before it is used.
static int count_up(const char *path, const char *type, gint64 *sequence)
{
	enum alert_type found;
	enum key_role role;
	char *text = NULL;
	size_t bytes = 0;
	json_t *counters;
	int err;

	if (alert_type_find(type, &found, &role) != 0)
		return vendor_cli_fail("sign", "\"%s\" is no type of alert", type);
	err = durable_read(path, COUNTER_BYTES, &text, &bytes);
	counters = err == -ENOENT ? json_object()
				  : json_loadb(text != NULL ? text : "", bytes, 0, NULL);
	free(text);
	if (!json_is_object(counters)) {
		json_decref(counters);
		return vendor_cli_fail("sign", "%s: is no file of counters", path);
	}
	*sequence = json_integer_value(json_object_get(counters, key_role_name(role))) + 1;
	(void)json_object_set_new(counters, key_role_name(role), json_integer(*sequence));
	text = json_dumps(counters, 0);
	json_decref(counters);
	err = vendor_cli_write("sign", path, text != NULL ? text : "{}");
	free(text);
	return err;
}

static int read_signers(const char *name, char *const *paths, struct vendor_signers *signers)
{
	char why[VENDOR_WHY_BYTES];

	for (size_t i = 0; paths != NULL && paths[i] != NULL; i++) {
		if (vendor_signers_add(signers, paths[i], why, sizeof(why)) != 0)
			return vendor_cli_fail(name, "%s", why);
	}
	return signers->count > 0 ? 0 : vendor_cli_fail(name, "needs --key FILE");
}

static int sign_draft(const struct sign_options *options, const char *type, const json_t *body)
{
	int64_t now_s = control_now_ns() / NS_PER_S;
	json_t *info =
		json_pack("{s:s*, s:s*}", "title", options->title, "severity", options->severity);
	struct vendor_draft draft = {.vendor = options->vendor,
		.type = type,
		.target = options->target,
		.virus_id = options->virus_id,
		.epoch = (uint64_t)options->epoch,
		.sequence = (uint64_t)options->sequence,
		.issued_s = now_s,
		.expires_s = now_s + options->seconds,
		.body = (json_t *)(uintptr_t)body,
		.info = json_object_size(info) > 0 ? info : NULL};
	struct vendor_signers signers = {.count = 0};
	char why[VENDOR_WHY_BYTES] = "no memory";
	json_t *payload = NULL;
	char *envelope = NULL;
	int err = read_signers("sign", options->keys, &signers);

	if (err == 0 && (vendor_payload_make(&draft, &payload, why, sizeof(why)) != 0 ||
				vendor_payload_sign(payload, signers.all, signers.count, &envelope,
					why, sizeof(why)) != 0))
		err = vendor_cli_fail("sign", "%s", why);
	if (err == 0)
		err = vendor_cli_write("sign", options->output, envelope);
	if (err == 0 && options->output != NULL)
		(void)printf("%" JSON_INTEGER_FORMAT "\n", (json_int_t)options->sequence);
	free(envelope);
	json_decref(payload);
	json_decref(info);
	vendor_signers_free(&signers);
	return err;
}

static int read_sign_options(struct sign_options *o, int *argc, char ***argv)
{
	const GOptionEntry entries[] = {{"vendor", 0, 0, G_OPTION_ARG_STRING, &o->vendor,
						"who speaks, as the root document says", "NAME"},
		{"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &o->keys,
			"a private key; again for more", "FILE"},
		{"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output, "where the envelope goes",
			"FILE"},
		{"sequence", 0, 0, G_OPTION_ARG_INT64, &o->sequence,
			"higher than all of its role before", "N"},
		{"counter", 0, 0, G_OPTION_ARG_FILENAME, &o->counter,
			"a file that counts sequences, instead", "FILE"},
		{"epoch", 0, 0, G_OPTION_ARG_INT64, &o->epoch, "of the role; 1", "N"},
		{"target", 't', 0, G_OPTION_ARG_STRING, &o->target, "*, group:NAME or gateway:NAME",
			"WHO"},
		{"virus-id", 'i', 0, G_OPTION_ARG_STRING, &o->virus_id,
			"what ties alerts and signatures", "ID"},
		{"seconds", 0, 0, G_OPTION_ARG_INT64, &o->seconds, "until it expires; a day", "N"},
		{"mode", 0, 0, G_OPTION_ARG_STRING, &o->mode,
			"seal: hold, hold-attachments, strip, tempfail", "MODE"},
		{"scope", 0, 0, G_OPTION_ARG_STRING, &o->scope, "seal: what it covers", "TEXT"},
		{"max-seconds", 0, 0, G_OPTION_ARG_INT64, &o->max_seconds, "seal: that it may last",
			"N"},
		{"screen", 0, 0, G_OPTION_ARG_FILENAME, &o->screen,
			"screen: a JSON list of entries", "FILE"},
		{"folder", 0, 0, G_OPTION_ARG_FILENAME, &o->folder, "update: of signature files",
			"DIR"},
		{"version", 0, 0, G_OPTION_ARG_STRING, &o->version, "update: its name", "TEXT"},
		{"url", 0, 0, G_OPTION_ARG_STRING, &o->url, "update: where the files can be had",
			"URL"},
		{"delta-from", 0, 0, G_OPTION_ARG_STRING, &o->delta_from,
			"update: added to this version", "TEXT"},
		{"signature", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->signatures, "revoke: its name",
			"NAME"},
		{"digest", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->digests,
			"revoke: of a file that is clean", "HEX"},
		{"title", 0, 0, G_OPTION_ARG_STRING, &o->title, "for people", "TEXT"},
		{"severity", 0, 0, G_OPTION_ARG_STRING, &o->severity, "for people", "TEXT"}, {0}};

	return vendor_cli_options("seal|screen|update|all-clear|revoke|ping",
		"Makes an alert and signs it. Says its sequence. An alert of a role whose "
		"threshold is more than "
		"the keys at hand is completed by cordon-vendor countersign.",
		entries, argc, argv);
}

static void clear_sign_options(struct sign_options *o)
{
	char **const texts[] = {&o->vendor, &o->target, &o->virus_id, &o->counter, &o->mode,
		&o->scope, &o->screen, &o->folder, &o->version, &o->url, &o->delta_from, &o->title,
		&o->severity, &o->output};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(*texts[i]);
	g_strfreev(o->signatures);
	g_strfreev(o->digests);
	g_strfreev(o->keys);
}

static int check_sign_options(const struct sign_options *options, int argc)
{
	if (argc != 2)
		return vendor_cli_fail("sign", "needs one type: see --help");
	if (options->vendor == NULL)
		return vendor_cli_fail("sign", "needs --vendor NAME");
	if ((options->sequence > 0) == (options->counter != NULL))
		return vendor_cli_fail("sign", "needs one of --sequence N and --counter FILE");
	if (options->seconds < 1 || options->epoch < 1 || options->sequence < 0)
		return vendor_cli_fail("sign", "--seconds, --epoch and --sequence are over 0");
	return 0;
}

int vendor_sign_command(int argc, char **argv)
{
	struct sign_options options = {.epoch = 1, .seconds = DAY_S};
	json_t *body = NULL;
	int err = read_sign_options(&options, &argc, &argv);

	if (err == 0)
		err = check_sign_options(&options, argc);
	if (err == 0)
		err = make_body(&options, argv[1], &body);
	if (err == 0 && options.counter != NULL)
		err = count_up(options.counter, argv[1], &options.sequence);
	if (err == 0)
		err = sign_draft(&options, argv[1], body);
	json_decref(body);
	clear_sign_options(&options);
	return err;
}

// ---- countersign --------------------------------------------------------------------------------

static int countersign(const char *input, char *const *keys, const char *output)
{
	struct vendor_signers signers = {.count = 0};
	struct envelope *envelope = NULL;
	const char *why = "";
	size_t bytes = 0;
	char *text = vendor_cli_read("countersign", input, &bytes);
	int err = text != NULL ? read_signers("countersign", keys, &signers) : VENDOR_ERROR;

	for (size_t i = 0; i < signers.count && err == 0; i++) {
		char *longer = NULL;

		if (envelope_parse(text, strlen(text), &envelope, &why) != 0) {
			err = vendor_cli_fail("countersign", "%s: %s", input, why);
			break;
		}
		err = envelope_countersign(envelope, signers.all[i], &longer);
		envelope_free(envelope);
		if (err == -EALREADY) {
			(void)vendor_cli_fail(
				"countersign", "%s: this key has signed it already", keys[i]);
			err = VENDOR_REFUSED;
		} else if (err != 0) {
			err = vendor_cli_fail("countersign", "%s: it cannot be signed", keys[i]);
		} else {
			free(text);
			text = longer;
		}
	}
	if (err == 0)
		err = vendor_cli_write("countersign", output != NULL ? output : input, text);
	free(text);
	vendor_signers_free(&signers);
	return err;
}

int vendor_countersign_command(int argc, char **argv)
{
	char **keys = NULL;
	char *output = NULL;
	const GOptionEntry entries[] = {{"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &keys,
						"a private key; again for more", "FILE"},
		{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "instead of FILE itself",
			"FILE"},
		{0}};
	int err = vendor_cli_options("FILE",
		"Adds signatures to an envelope, as a second officer does. What is signed can be "
		"read by "
		"cordon-vendor verify before.",
		entries, &argc, &argv);

	if (err == 0 && argc != 2)
		err = vendor_cli_fail("countersign", "needs the file of one envelope");
	if (err == 0)
		err = countersign(argv[1], keys, output);
	g_strfreev(keys);
	g_free(output);
	return err;
}

// ---- catalogue ----------------------------------------------------------------------------------

int vendor_catalogue_command(int argc, char **argv)
{
	static const GOptionEntry entries[] = {{0}};
	char why[VENDOR_WHY_BYTES] = "no memory";
	json_t *catalogue = NULL;

	if (vendor_cli_options("FOLDER",
		    "Says which files an update of this folder would bring and which virus ids "
		    "their "
		    "signatures cover, as JSON.",
		    entries, &argc, &argv) != 0)
		return VENDOR_ERROR;
	if (argc != 2)
		return vendor_cli_fail("catalogue", "needs one folder");
	if (vendor_catalogue_read(argv[1], &catalogue, why, sizeof(why)) != 0)
		return vendor_cli_fail("catalogue", "%s", why);
	return vendor_cli_print(catalogue);
}
