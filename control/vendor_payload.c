// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_payload.h"

#include "dataplane/dataplane.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *time_json(int64_t epoch_s)
{
	GDateTime *time = g_date_time_new_from_unix_utc(epoch_s);
	char *text = time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
	json_t *value = text != NULL ? json_string(text) : NULL;

	g_free(text);
	if (time != NULL)
		g_date_time_unref(time);
	return value;
}

static json_t *target_json(const char *target)
{
	static const char *const kinds[] = {"group", "gateway"};

	if (target == NULL || strcmp(target, "*") == 0)
		return json_string("*");
	for (size_t i = 0; i < 2; i++) {
		size_t length = strlen(kinds[i]);

		if (strncmp(target, kinds[i], length) == 0 && target[length] == ':')
			return json_pack("{s:s}", kinds[i], target + length + 1);
	}
	return NULL;
}

static int check_seal(const struct alert *alert, char *why, size_t why_bytes)
{
	static const char *const names[] = {"mode", "scope", "directions"};
	json_t *seal = json_pack("{s:s}", "virus_id", alert->virus_id);
	struct engine_seals *seals = NULL;
	json_t *all;
	char *text;
	int err = -ENOMEM;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)json_object_set(seal, names[i], json_object_get(alert->body, names[i]));
	all = json_pack("{s:i, s:[o]}", "generation", 1, "seals", seal);
	text = json_dumps(all, JSON_COMPACT);
	if (text != NULL)
		err = seals_parse(text, strlen(text), &seals, why, why_bytes);
	free(seals);
	free(text);
	json_decref(all);
	return err;
}

static int check_screen(const struct alert *alert, char *why, size_t why_bytes)
{
	json_t *all = json_pack("{s:s, s:O}", "virus_id", alert->virus_id, "screen", alert->body);
	char *text = json_dumps(all, JSON_COMPACT);
	struct screen_list list;
	int err = -ENOMEM;

	if (text != NULL)
		err = screen_list_parse(text, strlen(text), &list, why, why_bytes);
	if (err == 0)
		screen_list_free(&list);
	free(text);
	json_decref(all);
	return err;
}

int vendor_payload_check(const struct alert *alert, char *why, size_t why_bytes)
{
	if (alert->type == ALERT_SEAL)
		return check_seal(alert, why, why_bytes);
	return alert->type == ALERT_SCREEN ? check_screen(alert, why, why_bytes) : 0;
}

static int check_payload(const json_t *payload, char *why, size_t why_bytes)
{
	char *text = json_dumps(payload, JSON_COMPACT);
	struct alert alert = {.payload = NULL};
	bool is_parsed;
	int err = -ENOMEM;

	if (text != NULL)
		err = alert_parse(text, strlen(text), &alert, why, why_bytes);
	is_parsed = err == 0;
	if (err == 0)
		err = vendor_payload_check(&alert, why, why_bytes);
	if (err == 0 && alert.type == ALERT_ROOT) {
		struct keys *keys = NULL;

		err = keys_parse(alert.body, &keys, why, why_bytes);
		keys_free(keys);
	}
	if (is_parsed)
		alert_clear(&alert);
	free(text);
	return err;
}

int vendor_payload_make(const struct vendor_draft *draft, json_t **out, char *why, size_t why_bytes)
{
	enum alert_type type;
	enum key_role role;
	json_t *target = target_json(draft->target);
	json_t *payload;
	int err;

	if (alert_type_find(draft->type, &type, &role) != 0 || target == NULL) {
		(void)snprintf(why, why_bytes,
			target == NULL ? "target: must be \"*\", group:NAME or gateway:NAME"
				       : "type: is unknown");
		json_decref(target);
		return -EINVAL;
	}
	payload = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:s}", "vendor", draft->vendor,
		"role", key_role_name(role), "epoch", (json_int_t)draft->epoch, "sequence",
		(json_int_t)draft->sequence, "issued", time_json(draft->issued_s), "expires",
		time_json(draft->expires_s), "target", target, "type", draft->type);
	if (payload == NULL) {
		(void)snprintf(
			why, why_bytes, "the payload is not UTF-8, or a time is out of range");
		return -EINVAL;
	}
	if (draft->virus_id != NULL)
		(void)json_object_set_new(payload, "virus_id", json_string(draft->virus_id));
	if (draft->body != NULL)
		(void)json_object_set(payload,
			alert_type_body(type) != NULL ? alert_type_body(type) : draft->type,
			draft->body);
	if (draft->info != NULL)
		(void)json_object_set(payload, "info", draft->info);
	err = check_payload(payload, why, why_bytes);
	if (err != 0)
		json_decref(payload);
	else
		*out = payload;
	return err;
}

int vendor_payload_sign(const json_t *payload, struct envelope_signer *const *signers, size_t count,
	char **out, char *why, size_t why_bytes)
{
	int err = check_payload(payload, why, why_bytes);
	char *text;

	if (err != 0)
		return err;
	text = json_dumps(payload, JSON_COMPACT);
	err = text != NULL ? envelope_sign(ENVELOPE_ALERT, text, strlen(text), signers, count, out)
			   : -ENOMEM;
	free(text);
	if (err != 0)
		(void)snprintf(why, why_bytes, "it cannot be signed");
	else if (strlen(*out) > ENVELOPE_MAX_BYTES) {
		(void)snprintf(why, why_bytes, "longer than an envelope may be");
		free(*out);
		err = -EINVAL;
	}
	return err;
}

int vendor_signers_add(
	struct vendor_signers *signers, const char *path, char *why, size_t why_bytes)
{
	char reason[128];
	int err;

	if (signers->count == VENDOR_KEYS_MOST) {
		(void)snprintf(
			why, why_bytes, "at most %d keys sign one envelope", VENDOR_KEYS_MOST);
		return -EINVAL;
	}
	err = envelope_signer_read(path, &signers->all[signers->count]);
	if (err == 0)
		signers->count++;
	else
		(void)snprintf(why, why_bytes, "%s: %s", path,
			err == -EBADMSG ? "not an Ed25519 key"
					: strerror_r(-err, reason, sizeof(reason)));
	return err;
}

void vendor_signers_free(struct vendor_signers *signers)
{
	while (signers->count > 0)
		envelope_signer_free(signers->all[--signers->count]);
}
