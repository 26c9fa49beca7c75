// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_server.h"

#include "control/clock.h"
#include "control/durable.h"
#include "control/vendor_console.h"
#include "control/vendor_journal.h"
#include "control/vendor_publish.h"
#include "control/vendor_registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_S 1000000000
#define PING_SECONDS 120 // the least that one is good for

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static void fault(const struct vendor_server *server, const char *what, const char *why)
{
	control_events_write(
		server->events, "fault", json_pack("{s:s, s:s}", "what", what, "why", why));
}

static unsigned int refuse(unsigned int status, char *why, size_t why_bytes, const char *text)
{
	(void)snprintf(why, why_bytes, "%s", text);
	return status;
}

// ---- publishing ---------------------------------------------------------------------------------

static void publish(struct vendor_server *server)
{
	size_t count = 0;
	const struct queue_alert **open = fanout_open(server->fanout, &count);
	char *feed = vendor_publish_feed(open, count);
	char reason[128];
	int err = vendor_publish_write(&server->options, feed);

	if (err != 0)
		fault(server, "publish", strerror_r(-err, reason, sizeof(reason)));
	vendor_feed_set(server->feed, feed);
	vendor_send_publish(server->send, open, count);
	g_free(open);
}

// ---- the root document --------------------------------------------------------------------------

// Which roles each key at hand holds, which only a signature of it shows.
static void find_roles(struct vendor_server *server)
{
	for (size_t i = 0; i < server->signers.count; i++) {
		struct envelope *envelope = NULL;
		const char *why;
		char *text = NULL;
		uint64_t signers = 0;

		if (envelope_sign(ENVELOPE_ALERT, "{}", 2, &server->signers.all[i], 1, &text) ==
				0 &&
			envelope_parse(text, strlen(text), &envelope, &why) == 0)
			signers = keys_signers(server->root.keys, envelope);
		for (enum key_role role = ROLE_ROOT; role < ROLES; role++)
			server->may_sign[i][role] =
				keys_count(server->root.keys, role, signers) > 0;
		envelope_free(envelope);
		free(text);
	}
}

static int read_root(struct vendor_server *server, char *error, size_t error_bytes)
{
	char *kept = NULL;
	char *first = NULL;
	size_t bytes = 0;
	struct alerts_root root;
	int err;

	(void)snprintf(server->root_path, sizeof(server->root_path), "%s/root.json",
		server->options.state);
	err = alerts_root_open(
		&server->root, server->root_path, server->options.root, error, error_bytes);
	if (err == 0 && server->root.keys == NULL) {
		(void)snprintf(error, error_bytes, "%s: cannot be read", server->options.root);
		err = -ENOENT;
	}
	if (err != 0)
		return err;
	// Of two files the newer counts: which of them that was.
	err = durable_read(server->options.root, ENVELOPE_MAX_BYTES, &first, &bytes);
	if (alerts_root_open(&root, server->root_path, "", error, error_bytes) == 0) {
		if (root.keys != NULL && root.version == server->root.version)
			err = durable_read(server->root_path, ENVELOPE_MAX_BYTES, &kept, &bytes);
		alerts_root_close(&root);
	}
	server->root_text = g_strchomp(g_strdup(kept != NULL ? kept : first));
	free(kept);
	free(first);
	return server->root_text != NULL ? 0 : err;
}

// ---- taking an envelope -------------------------------------------------------------------------

struct taking {
	const char *text;
	struct envelope *envelope;
	struct alert alert;
	struct keys *keys; // of a new root document
	bool is_complete;
	char *why;
	size_t why_bytes;
};

static void finish_taking(struct taking *taking)
{
	alert_clear(&taking->alert);
	keys_free(taking->keys);
	envelope_free(taking->envelope);
}

static unsigned int check_root(struct vendor_server *server, struct taking *taking)
{
	char why[ALERT_WHY_BYTES] = "";
	int err = alerts_root_check(
		&server->root, &taking->alert, taking->envelope, now_s(), &taking->keys, why);

	(void)snprintf(taking->why, taking->why_bytes, "%s", why);
	taking->is_complete = err == 0;
	return err == 0 ? 0 : 409;
}

static unsigned int check_envelope(struct vendor_server *server, struct taking *taking)
{
	uint64_t signers = keys_signers(server->root.keys, taking->envelope);
	char mistake[VENDOR_WHY_BYTES];
	size_t bytes;
	const char *payload = envelope_payload(taking->envelope, &bytes);
	const struct alert *alert = &taking->alert;

	if (strcmp(envelope_type(taking->envelope), ENVELOPE_ALERT) != 0)
		return refuse(422, taking->why, taking->why_bytes, "not an alert");
	if (signers == 0)
		return refuse(403, taking->why, taking->why_bytes,
			"not signed by a key of the root document");
	if (alert_parse(payload, bytes, &taking->alert, mistake, sizeof(mistake)) != 0 ||
		vendor_payload_check(alert, mistake, sizeof(mistake)) != 0)
		return refuse(422, taking->why, taking->why_bytes, mistake);
	if (strcmp(alert->vendor, server->root.vendor) != 0)
		return refuse(422, taking->why, taking->why_bytes, "another vendor's");
	if (alert->expires_s <= now_s())
		return refuse(422, taking->why, taking->why_bytes, "it has expired");
	if (alert->type == ALERT_ROOT)
		return check_root(server, taking);
	if (keys_count(server->root.keys, alert->role, signers) == 0)
		return refuse(
			403, taking->why, taking->why_bytes, "not signed by a key of its role");
	if (alert->epoch < keys_epoch(server->root.keys, alert->role))
		return refuse(409, taking->why, taking->why_bytes, "an old epoch");
	taking->is_complete = keys_count(server->root.keys, alert->role, signers) >=
			      keys_threshold(server->root.keys, alert->role);
	return 0;
}

// The journal has it: it goes out, whatever becomes of the file.
static void renew_root(struct vendor_server *server, struct taking *taking)
{
	char reason[128];
	int err = durable_write(server->root_path, taking->text, strlen(taking->text));

	if (err != 0)
		fault(server, "root", strerror_r(-err, reason, sizeof(reason)));
	alerts_root_adopt(&server->root, &taking->alert, taking->keys);
	taking->keys = NULL;
	g_free(server->root_text);
	server->root_text = g_strdup(taking->text);
	find_roles(server);
}

static bool catch_up_by_one(struct vendor_server *server)
{
	const uint64_t before = server->root.version;
	char why[VENDOR_WHY_BYTES] = "";
	struct taking taking = {.why = why, .why_bytes = sizeof(why)};
	char *text = journal_root(server->database, before + 1);
	const char *mistake = "";

	if (text == NULL)
		return false;
	taking.text = text;
	if (envelope_parse(text, strlen(text), &taking.envelope, &mistake) != 0)
		(void)snprintf(why, sizeof(why), "%s", mistake);
	else if (check_envelope(server, &taking) == 0 && taking.keys != NULL)
		renew_root(server, &taking);
	if (why[0] != '\0')
		fault(server, "root", why);
	finish_taking(&taking);
	free(text);
	return server->root.version > before;
}

// Documents that are in the journal and not in the file: the process was ended between, or the file was not taken.
static void catch_up_root(struct vendor_server *server)
{
	while (catch_up_by_one(server))
		continue;
}

static unsigned int issue(struct vendor_server *server, struct taking *taking, int64_t number)
{
	const char *digest = envelope_digest(taking->envelope);
	int64_t count;

	count = fanout_issue(server->fanout, number, &taking->alert, digest, taking->text);
	// Durable before the first byte leaves, which happens from the main loop.
	if (count < 0)
		return refuse(500, taking->why, taking->why_bytes, "the alert cannot be kept");
	if (taking->alert.type == ALERT_ROOT)
		renew_root(server, taking);
	publish(server);
	if (taking->alert.type != ALERT_PING)
		control_events_write(server->events, "alert",
			json_pack("{s:s, s:s, s:s, s:I, s:s, s:I}", "alert", digest, "type",
				alert_type_name(taking->alert.type), "role",
				key_role_name(taking->alert.role), "sequence",
				(json_int_t)taking->alert.sequence, "virus_id",
				taking->alert.virus_id, "gateways", (json_int_t)count));
	return 201;
}

// One that is there: complete now, perhaps.
static unsigned int sign_again(
	struct vendor_server *server, struct taking *taking, const json_t *old)
{
	const char *state = json_string_value(json_object_get(old, "state"));

	if (strcmp(state, "draft") != 0)
		return 200;
	if (taking->is_complete && journal_is_overtaken(server->database, &taking->alert))
		return refuse(409, taking->why, taking->why_bytes,
			"a later one of its role has gone out: it must be made anew");
	if (journal_sign(server->database, envelope_digest(taking->envelope), taking->text,
		    taking->is_complete ? "open" : "draft") != 0)
		return refuse(500, taking->why, taking->why_bytes, "the alert cannot be kept");
	if (taking->is_complete)
		return issue(server, taking, json_integer_value(json_object_get(old, "number")));
	return database_flush(server->database) == 0 ? 202 : 500;
}

static unsigned int add(struct vendor_server *server, struct taking *taking)
{
	const char *digest = envelope_digest(taking->envelope);
	json_t *old = journal_get(server->database, digest, false);
	unsigned int status;
	int64_t number = 0;
	int err;

	if (old != NULL) {
		status = sign_again(server, taking, old);
		json_decref(old);
		return status;
	}
	err = journal_add(server->database, &taking->alert, digest, taking->text,
		taking->is_complete ? "open" : "draft", &number);
	if (err == -EACCES)
		return refuse(409, taking->why, taking->why_bytes,
			"its sequence is not above the last one of its role");
	if (err != 0)
		return refuse(500, taking->why, taking->why_bytes, "the alert cannot be kept");
	if (taking->is_complete)
		return issue(server, taking, number);
	return database_flush(server->database) == 0 ? 202 : 500;
}

unsigned int vendor_server_take(struct vendor_server *server, const char *text, size_t bytes,
	char *digest, char *why, size_t why_bytes)
{
	struct taking taking = {.why = why, .why_bytes = why_bytes};
	char *line = g_strchomp(g_strndup(text, bytes));
	const char *mistake = "";
	unsigned int status;

	// The feed has one a line.
	g_strdelimit(line, "\r\n", ' ');
	taking.text = line;
	if (envelope_parse(line, strlen(line), &taking.envelope, &mistake) != 0)
		status = refuse(400, why, why_bytes, mistake);
	else
		status = check_envelope(server, &taking);
	if (status == 0)
		status = add(server, &taking);
	if (status < 300)
		(void)snprintf(
			digest, ENVELOPE_KEY_ID_BYTES, "%s", envelope_digest(taking.envelope));
	finish_taking(&taking);
	g_free(line);
	return status;
}

// ---- making one ---------------------------------------------------------------------------------

static unsigned int make_body(struct vendor_server *server, const json_t *order,
	enum alert_type type, json_t **body, char *why, size_t why_bytes)
{
	const char *name = alert_type_body(type);
	json_t *given = name != NULL ? json_object_get(order, name) : NULL;
	const char *version = json_string_value(json_object_get(given, "version"));
	int err;

	*body = NULL;
	if (type != ALERT_UPDATE || json_object_get(given, "files") != NULL) {
		*body = json_incref(given);
		return 0;
	}
	if (version == NULL)
		return refuse(422, why, why_bytes, "update: needs a version");
	err = vendor_publish_bundle(&server->options, version,
		json_string_value(json_object_get(given, "delta_from")), body, why, why_bytes);
	if (err == 0)
		return 0;
	return err == -EEXIST ? 409 : err == -EINVAL ? 422 : 500;
}

static unsigned int sign(struct vendor_server *server, struct vendor_draft *draft,
	enum key_role role, char **envelope, char *why, size_t why_bytes)
{
	struct envelope_signer *signers[VENDOR_KEYS_MOST];
	json_t *payload = NULL;
	size_t count = 0;
	int err;

	for (size_t i = 0; i < server->signers.count; i++) {
		if (server->may_sign[i][role])
			signers[count++] = server->signers.all[i];
	}
	if (count == 0)
		return refuse(
			409, why, why_bytes, "no key of its role is at hand: sign it elsewhere");
	if (journal_next(server->database, role, keys_epoch(server->root.keys, role), &draft->epoch,
		    &draft->sequence) != 0)
		return refuse(500, why, why_bytes, "the sequence cannot be kept");
	err = vendor_payload_make(draft, &payload, why, why_bytes);
	if (err == 0)
		err = vendor_payload_sign(payload, signers, count, envelope, why, why_bytes);
	json_decref(payload);
	return err == 0 ? 0 : err == -EINVAL ? 422 : 500;
}

static unsigned int check_order(const json_t *order, enum alert_type *type, enum key_role *role,
	char *why, size_t why_bytes)
{
	const char *name = json_string_value(json_object_get(order, "type"));
	const json_t *seconds = json_object_get(order, "seconds");

	if (name == NULL || alert_type_find(name, type, role) != 0 || *type == ALERT_ROOT)
		return refuse(422, why, why_bytes,
			"type: must be seal, screen, update, all-clear, revoke or ping");
	if (seconds != NULL &&
		(json_integer_value(seconds) < 1 || json_integer_value(seconds) > 10 * 31536000ll))
		return refuse(422, why, why_bytes, "seconds: must be 1 to ten years");
	return 0;
}

unsigned int vendor_server_make(struct vendor_server *server, const json_t *order, char *digest,
	char *why, size_t why_bytes)
{
	struct vendor_draft draft = {.vendor = server->root.vendor, .issued_s = now_s()};
	json_int_t seconds = json_integer_value(json_object_get(order, "seconds"));
	enum alert_type type = ALERT_PING;
	enum key_role role = ROLE_ALERTS;
	char *envelope = NULL;
	unsigned int status = check_order(order, &type, &role, why, why_bytes);

	if (status == 0)
		status = make_body(server, order, type, &draft.body, why, why_bytes);
	if (status != 0)
		return status;
	draft.type = alert_type_name(type);
	draft.target = json_string_value(json_object_get(order, "target"));
	draft.virus_id = json_string_value(json_object_get(order, "virus_id"));
	draft.info = json_object_get(order, "info");
	draft.expires_s = draft.issued_s +
			  (seconds > 0 ? seconds : (json_int_t)server->options.expiry_seconds);
	status = sign(server, &draft, role, &envelope, why, why_bytes);
	if (status == 0)
		status = vendor_server_take(
			server, envelope, strlen(envelope), digest, why, why_bytes);
	free(envelope);
	json_decref(draft.body);
	return status;
}

// ---- now and then -------------------------------------------------------------------------------

static bool may_ping(const struct vendor_server *server)
{
	unsigned int count = 0;

	for (size_t i = 0; i < server->signers.count; i++)
		count += server->may_sign[i][ROLE_ALERTS] ? 1 : 0;
	return count >= keys_threshold(server->root.keys, ROLE_ALERTS);
}

static void ping(struct vendor_server *server)
{
	unsigned int interval = server->options.heartbeat_seconds;
	json_t *order = json_pack(
		"{s:s, s:i}", "type", "ping", "seconds", (int)MAX(2 * interval, PING_SECONDS));
	char digest[ENVELOPE_KEY_ID_BYTES];
	char why[VENDOR_WHY_BYTES] = "";

	if (vendor_server_make(server, order, digest, why, sizeof(why)) != 201)
		fault(server, "heartbeat", why);
	json_decref(order);
}

json_t *vendor_server_status(const struct vendor_server *server)
{
	json_t *status = fanout_status(server->fanout);

	(void)json_object_set_new(status, "faults", vendor_send_faults(server->send));
	return status;
}

void vendor_server_turn(struct vendor_server *server)
{
	json_t *before = fanout_status(server->fanout);
	json_t *after;

	fanout_turn(server->fanout, control_due_s());
	after = fanout_status(server->fanout);
	if (!json_equal(json_object_get(before, "alerts"), json_object_get(after, "alerts")))
		publish(server);
	json_decref(before);
	json_decref(after);
	vendor_send_turn(server->send);
	vendor_feed_turn(server->feed);
	vendor_console_turn(server);
	if (server->options.heartbeat_seconds == 0 ||
		control_steady_ns() / NS_PER_S < server->ping_s || !may_ping(server))
		return;
	server->ping_s = control_steady_ns() / NS_PER_S + server->options.heartbeat_seconds;
	ping(server);
}

// ---- start and stop -----------------------------------------------------------------------------

static bool take_receipt(
	void *ctx, const char *channel, const void *text, size_t bytes, char *gateway)
{
	const struct vendor_server *server = ctx;

	return fanout_receipt(server->fanout, channel, text, bytes, gateway);
}

static void take_failure(void *ctx, const char *gateway, const char *channel, const char *why)
{
	const struct vendor_server *server = ctx;

	fanout_failed(server->fanout, gateway, channel, why);
}

static void take_here(void *ctx, const char *gateway)
{
	const struct vendor_server *server = ctx;

	fanout_wake(server->fanout, gateway);
}

static const char *tell_root(void *ctx)
{
	const struct vendor_server *server = ctx;

	return server->root_text;
}

static int send_one(void *ctx, const struct vendor_try *try)
{
	const struct vendor_server *server = ctx;

	return vendor_send_try(server->send, try);
}

static void write_event(void *ctx, const char *event, json_t *members)
{
	const struct vendor_server *server = ctx;

	control_events_write(server->events, event, members);
}

static int open_files(struct vendor_server *server, char *error, size_t error_bytes)
{
	const struct vendor_options *options = &server->options;
	char path[PATH_MAX];
	int err;

	(void)umask(027);
	(void)mkdir(options->state, 0750);
	err = read_root(server, error, error_bytes);
	for (uint32_t i = 0; i < options->keys_count && err == 0; i++)
		err = vendor_signers_add(&server->signers, options->keys[i], error, error_bytes);
	if (err != 0)
		return err;
	find_roles(server);
	err = control_events_open(options->events, server->root.vendor, &server->events);
	if (err != 0)
		(void)snprintf(error, error_bytes, "%s: cannot be written", options->events);
	(void)snprintf(path, sizeof(path), "%s/vendor.db", options->state);
	if (err == 0)
		err = database_open(path, &server->database, error, error_bytes);
	if (err == 0) {
		catch_up_root(server);
		database_serve(server->database);
	}
	return err;
}

int vendor_server_open(struct vendor_server *server, char *error, size_t error_bytes)
{
	const struct vendor_sink sink = {
		take_receipt, take_failure, take_here, tell_root, server->root.vendor, server};
	struct fanout_options fanout = {.retry_s = server->options.retry_seconds,
		.retry_most_s = server->options.retry_most_seconds,
		.send = send_one,
		.event = write_event,
		.ctx = server};
	int err = open_files(server, error, error_bytes);

	server->feed = vendor_feed_new();
	fanout.database = server->database;
	if (err == 0)
		err = fanout_new(&fanout, &server->fanout);
	if (err == 0)
		err = vendor_send_open(&server->options, &sink, &server->send, error, error_bytes);
	if (err == 0)
		err = fanout_resume(server->fanout);
	if (err != 0)
		return err;
	publish(server);
	err = vendor_console_open(server, error, error_bytes);
	vendor_feed_serve(server->feed, server->pages.server);
	return err;
}

void vendor_server_close(struct vendor_server *server)
{
	web_pages_close(&server->pages);
	vendor_send_close(server->send);
	fanout_free(server->fanout);
	database_close(server->database);
	vendor_signers_free(&server->signers);
	alerts_root_close(&server->root);
	control_events_close(server->events);
	g_free(server->root_text);
	vendor_feed_free(server->feed);
}
