// SPDX-License-Identifier: BSD-3-Clause
// A gateway's alerts with a vendor beside them: what the tests of alerts.h share.
#pragma once

#include "control/alerts.h"
#include "tests/support/unit.h"

#include <glob.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY INT64_C(86400)

enum { ROOT_A, ROOT_B, ALERTS_A, UPDATES_A, CLEAR_A, CLEAR_B, THIEF, SIGNERS };

static struct {
	char folder[64];
	struct envelope_signer *signers[SIGNERS];
	struct alerts *alerts;
	int64_t now_s;
	// what the actions were asked, and what they say
	unsigned int applied;
	enum alert_type type;
	int64_t came_us[ALERT_TYPES];
	char virus_id[ALERT_NAME_BYTES];
	char digest[ENVELOPE_KEY_ID_BYTES];
	int say;
	int kept_says;            // of a seal
	unsigned int kept;        // seals that were
	bool acts_first;          // a seal does, from the next start on
	bool is_hasty;            // what was sent is not waited for
	bool is_silent;           // it is not known what came of what was done
	void (*then)(void *data); // what waits for that
	void *then_data;
	char told_again[ALERT_NAME_BYTES]; // of what was done before a restart
	// events
	unsigned int events;
	unsigned int faults;
	char why[ALERT_WHY_BYTES];
	// answers
	unsigned int answers;
	char *receipt;
	struct alerts_answer said;
	uint64_t token;
} lab;

// ---- what the gateway would do ------------------------------------------------------------------

static inline int apply(
	void *ctx, const struct alert *alert, const char *digest, char *why, size_t why_bytes)
{
	(void)ctx;
	lab.applied++;
	lab.type = alert->type;
	lab.came_us[alert->type] = alert->came_us;
	(void)snprintf(lab.virus_id, sizeof(lab.virus_id), "%s", alert->virus_id);
	(void)snprintf(lab.digest, sizeof(lab.digest), "%s", digest);
	if (lab.say != 0 && lab.say != -EINPROGRESS)
		(void)snprintf(why, why_bytes, "the gateway says no");
	return lab.say;
}

static inline int write_kept(void *data)
{
	(void)data;
	return lab.kept_says;
}

static inline void end_kept(void *data, int err)
{
	(void)data;
	lab.kept += err == 0;
}

static inline int act(
	void *ctx, const struct alert *alert, char *why, size_t why_bytes, struct alerts_kept *kept)
{
	int err = apply(ctx, alert, "", why, why_bytes);

	if (err == 0)
		*kept = (struct alerts_kept){write_kept, end_kept, NULL};
	return err;
}

static inline void tell_again(void *ctx, const struct alert *alert)
{
	(void)ctx;
	(void)snprintf(lab.told_again, sizeof(lab.told_again), "%s", alert->virus_id);
}

static inline void when_told(void *ctx, void (*then)(void *data), void *data)
{
	(void)ctx;
	if (lab.is_silent) {
		lab.then = then;
		lab.then_data = data;
	} else {
		then(data);
	}
}

static inline json_t *state(void *ctx)
{
	(void)ctx;
	return json_pack("{s:b}", "sealed", lab.applied > 0);
}

static inline void event(void *ctx, const char *name, json_t *members)
{
	const char *why = json_string_value(json_object_get(members, "why"));

	(void)ctx;
	lab.events++;
	lab.faults += strcmp(name, "fault") == 0;
	(void)snprintf(lab.why, sizeof(lab.why), "%s", why != NULL ? why : "");
	json_decref(members);
}

static inline void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	(void)ctx;
	lab.answers++;
	lab.token = token;
	free(lab.receipt);
	lab.receipt = said->receipt != NULL ? strdup(said->receipt) : NULL;
	lab.said = *said;
}

// ---- what the vendor would do -------------------------------------------------------------------

static inline const char *time_text(int64_t when_s)
{
	static char texts[4][32];
	static unsigned int next;
	char *text = texts[next++ % 4];
	time_t when = (time_t)when_s;
	struct tm parts;

	(void)gmtime_r(&when, &parts);
	(void)strftime(text, sizeof(texts[0]), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

static inline json_t *make_alert(const char *role, const char *type, uint64_t sequence)
{
	json_t *alert = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "vendor", "acme",
		"role", role, "epoch", (json_int_t)1, "sequence", (json_int_t)sequence, "issued",
		time_text(lab.now_s - 1), "expires", time_text(lab.now_s + DAY), "target", "*",
		"type", type);

	assert_non_null(alert);
	return alert;
}

static inline json_t *make_seal(uint64_t sequence)
{
	json_t *alert = make_alert("alerts", "seal", sequence);

	(void)json_object_set_new(alert, "virus_id", json_string("V-1"));
	(void)json_object_set_new(
		alert, "seal", json_pack("{s:s, s:i}", "mode", "hold", "max_seconds", 3600));
	return alert;
}

static inline json_t *role_of(unsigned int threshold, int first, int last)
{
	json_t *keys = json_array();

	for (int i = first; i <= last; i++)
		(void)json_array_append_new(
			keys, json_string(envelope_signer_key(lab.signers[i])->id));
	return json_pack("{s:o, s:i}", "keys", keys, "threshold", (int)threshold);
}

static inline json_t *make_root(uint64_t version, int root_first)
{
	json_t *alert = make_alert("root", "root", version);
	json_t *keys = json_object();
	json_t *roles = json_pack("{s:o, s:o, s:o, s:o}", "root", role_of(1, root_first, ROOT_B),
		"alerts", role_of(1, ALERTS_A, ALERTS_A), "updates",
		role_of(1, UPDATES_A, UPDATES_A), "all-clear", role_of(2, CLEAR_A, CLEAR_B));

	for (int i = 0; i < THIEF; i++) {
		char *text = envelope_key_text(envelope_signer_key(lab.signers[i]));

		(void)json_object_set_new(
			keys, envelope_signer_key(lab.signers[i])->id, json_string(text));
		free(text);
	}
	(void)json_object_set_new(alert, "root",
		json_pack("{s:s, s:o, s:o}", "expires", time_text(lab.now_s + 100 * DAY), "keys",
			keys, "roles", roles));
	return alert;
}

// Takes alert.
static inline char *sign(json_t *alert, int first, int last)
{
	char *payload = json_dumps(alert, JSON_COMPACT);
	char *text = NULL;

	assert_non_null(payload);
	assert_int_equal(envelope_sign(ENVELOPE_ALERT, payload, strlen(payload),
				 &lab.signers[first], (size_t)(last - first + 1), &text),
		0);
	free(payload);
	json_decref(alert);
	return text;
}

// Sends it; takes text.
static inline void send_text(char *text)
{
	const struct alerts_source source = {
		.channel = "test", .peer = "peer", .answer = answer, .token = 7};

	lab.why[0] = '\0';
	alerts_take(lab.alerts, &source, text, strlen(text), lab.now_s);
	if (!lab.is_hasty)
		alerts_flush(lab.alerts);
	free(text);
}

static inline void send_alert(json_t *alert, int signer)
{
	send_text(sign(alert, signer, signer));
}

// The payload of the last receipt: signed by the gateway, whose key alerts_status names.
static inline json_t *open_receipt(void)
{
	struct envelope *envelope = NULL;
	struct envelope_signer *gateway = NULL;
	const char *why = NULL;
	size_t bytes = 0;
	char path[96];
	const char *payload;
	json_t *result;

	assert_non_null(lab.receipt);
	(void)snprintf(path, sizeof(path), "%s/gateway.key", lab.folder);
	assert_int_equal(envelope_signer_read(path, &gateway), 0);
	assert_int_equal(envelope_parse(lab.receipt, strlen(lab.receipt), &envelope, &why), 0);
	assert_string_equal(envelope_type(envelope), ENVELOPE_RECEIPT);
	assert_int_equal(envelope_signers(envelope, envelope_signer_key(gateway), 1), 1);
	payload = envelope_payload(envelope, &bytes);
	result = json_loadb(payload, bytes, 0, NULL);
	envelope_free(envelope);
	envelope_signer_free(gateway);
	assert_non_null(result);
	return result;
}

static inline void assert_result(const char *result)
{
	json_t *receipt = open_receipt();

	assert_string_equal(json_string_value(json_object_get(receipt, "result")), result);
	json_decref(receipt);
}

static inline void assert_refused(const char *why)
{
	json_t *receipt = open_receipt();

	assert_string_equal(json_string_value(json_object_get(receipt, "result")), "refused");
	assert_string_equal(json_string_value(json_object_get(receipt, "why")), why);
	assert_string_equal(lab.why, why);
	json_decref(receipt);
}

// ---- set-up -------------------------------------------------------------------------------------

// In memory where the machine has such a folder, as a gateway's are.
static inline void name_marks(char *out, size_t room)
{
	(void)snprintf(out, room, "/dev/shm/%s.marks", strrchr(lab.folder, '/') + 1);
}

// Of each state that there was.
static inline void remove_marks(void)
{
	char marks[96];
	char all[100];
	glob_t found;

	name_marks(marks, sizeof(marks));
	(void)snprintf(all, sizeof(all), "%s-*", marks);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	if (glob(all, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			(void)unlink(found.gl_pathv[i]);
	globfree(&found);
}

static inline void start_with(const struct alerts_actions *actions)
{
	static const char *const groups[] = {"mail"};
	static char root[96];
	static char marks[96];
	const struct alerts_options options = {
		.gateway = "gate",
		.groups = groups,
		.groups_count = 1,
		.folder = lab.folder,
		.marks = marks,
		.root = root,
		.most_ahead = 1000,
		.skew_s = 60,
		.stale_s = DAY,
		.seals_in_an_hour = 5,
	};
	char error[256] = "";

	(void)snprintf(root, sizeof(root), "%s/first.json", lab.folder);
	name_marks(marks, sizeof(marks));
	assert_int_equal(alerts_new(&options, actions, &lab.alerts, error, sizeof(error)), 0);
}

static inline void start(void)
{
	const struct alerts_actions actions = {
		apply, state, event, NULL, lab.acts_first ? act : NULL, when_told, tell_again};

	start_with(&actions);
}

static inline void restart(void)
{
	alerts_free(lab.alerts);
	start();
}

static inline void write_root(char *text)
{
	char path[96];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/first.json", lab.folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(text);
}

static inline int set_up(void **test_state)
{
	(void)test_state;
	memset(&lab, 0, sizeof(lab));
	lab.now_s = time(NULL);
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/test_alerts_XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	for (int i = 0; i < SIGNERS; i++) {
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/key%d", lab.folder, i);
		assert_int_equal(envelope_signer_make(path, &lab.signers[i]), 0);
	}
	write_root(sign(make_root(1, ROOT_A), ROOT_A, ROOT_A));
	start();
	return 0;
}

static inline int tear_down(void **test_state)
{
	DIR *folder = opendir(lab.folder);
	struct dirent *entry;

	(void)test_state;
	alerts_free(lab.alerts);
	remove_marks();
	free(lab.receipt);
	for (int i = 0; i < SIGNERS; i++)
		envelope_signer_free(lab.signers[i]);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	(void)closedir(folder);
	return rmdir(lab.folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
