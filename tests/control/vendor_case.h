// SPDX-License-Identifier: BSD-3-Clause
// A vendor's database and fan-out with one gateway: what their tests share.
#pragma once

#include "control/vendor_fanout.h"
#include "control/vendor_journal.h"
#include "control/vendor_payload.h"
#include "control/vendor_registry.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static struct {
	char folder[64];
	struct database *database;
	struct envelope_signer *vendor;
	struct envelope_signer *gateway;
	struct fanout *fanout;
	unsigned int tries;
	char tried[4][REGISTRY_ID_BYTES + 32]; // "gateway kind"
	int say;
} lab;

static inline void open_lab_database(void)
{
	char path[96];
	char error[256];

	(void)snprintf(path, sizeof(path), "%s/db", lab.folder);
	assert_int_equal(database_open(path, &lab.database, error, sizeof(error)), 0);
}

static inline int send_one(void *ctx, const struct vendor_try *try)
{
	(void)ctx;
	(void)snprintf(lab.tried[lab.tries++ % 4], sizeof(lab.tried[0]), "%s %s", try->gateway,
		json_string_value(json_object_get(try->channel, "kind")));
	return lab.say;
}

static inline void event(void *ctx, const char *name, json_t *members)
{
	(void)ctx;
	(void)name;
	json_decref(members);
}

static inline void open_fanout(void)
{
	const struct fanout_options options = {.database = lab.database,
		.retry_s = 3600,
		.retry_most_s = 3600,
		.send = send_one,
		.event = event};

	assert_int_equal(fanout_new(&options, &lab.fanout), 0);
	assert_int_equal(fanout_resume(lab.fanout), 0);
}

static inline int enter(void **state)
{
	char path[96];

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/registry.XXXXXX");
	if (mkdtemp(lab.folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/vendor", lab.folder);
	if (envelope_signer_make(path, &lab.vendor) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/gateway", lab.folder);
	if (envelope_signer_make(path, &lab.gateway) != 0)
		return -1;
	open_lab_database();
	return 0;
}

static inline int leave(void **state)
{
	char *command = g_strdup_printf("rm -r %s", lab.folder);

	(void)state;
	fanout_free(lab.fanout);
	database_close(lab.database);
	envelope_signer_free(lab.vendor);
	envelope_signer_free(lab.gateway);
	(void)g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL);
	g_free(command);
	return 0;
}

// {"id", "public_key", and more}; the key is the gateway's.
static inline json_t *describe(const char *id, const struct envelope_signer *signer, json_t *more)
{
	char *key = envelope_key_text(envelope_signer_key(signer));
	json_t *gateway = json_pack("{s:s, s:s}", "id", id, "public_key", key);

	(void)json_object_update(gateway, more);
	json_decref(more);
	free(key);
	return gateway;
}

static inline int put(json_t *gateway)
{
	char why[256];
	int err = registry_put(lab.database, gateway, NOW, why, sizeof(why));

	json_decref(gateway);
	return err;
}

// Issues one; its digest goes to digest.
static int64_t issue(const char *type, uint64_t sequence, const char *target, char *digest)
{
	const struct vendor_draft draft = {.vendor = "acme",
		.type = type,
		.target = target,
		.virus_id = "V",
		.epoch = 1,
		.sequence = sequence,
		.issued_s = NOW,
		.expires_s = NOW + 100,
		.body = strcmp(type, "seal") == 0 ? json_pack("{s:s}", "mode", "hold") : NULL};
	struct envelope *envelope = NULL;
	struct alert alert;
	const char *why;
	const char *text;
	char error[256];
	char *line = NULL;
	json_t *payload = NULL;
	int64_t number = 0;
	int64_t count;
	size_t bytes;

	assert_int_equal(vendor_payload_make(&draft, &payload, error, sizeof(error)), 0);
	assert_int_equal(
		vendor_payload_sign(payload, &lab.vendor, 1, &line, error, sizeof(error)), 0);
	assert_int_equal(envelope_parse(line, strlen(line), &envelope, &why), 0);
	text = envelope_payload(envelope, &bytes);
	assert_int_equal(alert_parse(text, bytes, &alert, error, sizeof(error)), 0);
	(void)snprintf(digest, ENVELOPE_KEY_ID_BYTES, "%s", envelope_digest(envelope));
	count = journal_add(lab.database, &alert, digest, line, "open", &number);
	if (count == 0)
		count = fanout_issue(lab.fanout, number, &alert, digest, line);
	alert_clear(&alert);
	envelope_free(envelope);
	json_decref(payload);
	json_decref(draft.body);
	free(line);
	return count;
}

static inline bool receipt(const char *digest, const char *result, const char *why, int counter,
	struct envelope_signer *signer)
{
	json_t *payload = json_pack("{s:s, s:s, s:s, s:s*, s:i, s:{s:b}}", "gateway", "g", "alert",
		digest, "result", result, "why", why, "counter", counter, "state", "sealed", 1);
	char *text = json_dumps(payload, 0);
	char *line = NULL;
	bool good;

	assert_int_equal(envelope_sign(ENVELOPE_RECEIPT, text, strlen(text), &signer, 1, &line), 0);
	good = fanout_receipt(lab.fanout, "udp", line, strlen(line), NULL);
	free(line);
	free(text);
	json_decref(payload);
	return good;
}

static inline const char *state_of(const char *digest)
{
	static char found[32];
	json_t *alert = journal_get(lab.database, digest, false);
	json_t *list = journal_deliveries(
		lab.database, json_integer_value(json_object_get(alert, "number")), "", 10, NULL);

	(void)snprintf(found, sizeof(found), "%s",
		json_array_size(list) == 1
			? json_string_value(json_object_get(json_array_get(list, 0), "state"))
			: "");
	json_decref(list);
	json_decref(alert);
	return found;
}

static inline void run_loop(void)
{
	for (int i = 0; i < 10; i++)
		(void)g_main_context_iteration(NULL, FALSE);
}

static inline void add_gateway(void)
{
	assert_int_equal(put(describe("g", lab.gateway,
				 json_pack("{s:[{s:s, s:s}, {s:s}]}", "channels", "kind", "udp",
					 "address", "192.0.2.1:1", "kind", "tcp-in"))),
		0);
	open_fanout();
}
