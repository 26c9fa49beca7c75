// SPDX-License-Identifier: BSD-3-Clause
// Alerts from their bytes to their receipts: who may say what, in which order, how often.
#include "control/alerts.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400

enum { ROOT_A, ROOT_B, ALERTS_A, UPDATES_A, CLEAR_A, CLEAR_B, THIEF, SIGNERS };

static struct {
	char folder[64];
	struct envelope_signer *signers[SIGNERS];
	struct alerts *alerts;
	int64_t now_s;
	// what the actions were asked, and what they say
	unsigned int applied;
	enum alert_type type;
	char virus_id[ALERT_NAME_BYTES];
	char digest[ENVELOPE_KEY_ID_BYTES];
	int say;
	// events
	unsigned int events;
	unsigned int faults;
	char why[ALERTS_WHY_BYTES];
	// answers
	unsigned int answers;
	char *receipt;
	uint64_t token;
} lab;

// ---- what the gateway would do ------------------------------------------------------------------

static int apply(
	void *ctx, const struct alert *alert, const char *digest, char *why, size_t why_bytes)
{
	(void)ctx;
	lab.applied++;
	lab.type = alert->type;
	(void)snprintf(lab.virus_id, sizeof(lab.virus_id), "%s", alert->virus_id);
	(void)snprintf(lab.digest, sizeof(lab.digest), "%s", digest);
	if (lab.say != 0 && lab.say != -EINPROGRESS)
		(void)snprintf(why, why_bytes, "the gateway says no");
	return lab.say;
}

static json_t *state(void *ctx)
{
	(void)ctx;
	return json_pack("{s:b}", "sealed", lab.applied > 0);
}

static void event(void *ctx, const char *name, json_t *members)
{
	const char *why = json_string_value(json_object_get(members, "why"));

	(void)ctx;
	lab.events++;
	lab.faults += strcmp(name, "fault") == 0;
	(void)snprintf(lab.why, sizeof(lab.why), "%s", why != NULL ? why : "");
	json_decref(members);
}

static void answer(void *ctx, uint64_t token, const char *receipt)
{
	(void)ctx;
	lab.answers++;
	lab.token = token;
	free(lab.receipt);
	lab.receipt = receipt != NULL ? strdup(receipt) : NULL;
}

// ---- what the vendor would do -------------------------------------------------------------------

static const char *time_text(int64_t when_s)
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

static json_t *make_alert(const char *role, const char *type, uint64_t sequence)
{
	json_t *alert = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "vendor", "acme",
		"role", role, "epoch", (json_int_t)1, "sequence", (json_int_t)sequence, "issued",
		time_text(lab.now_s - 1), "expires", time_text(lab.now_s + DAY), "target", "*",
		"type", type);

	assert_non_null(alert);
	return alert;
}

static json_t *make_seal(uint64_t sequence)
{
	json_t *alert = make_alert("alerts", "seal", sequence);

	(void)json_object_set_new(alert, "virus_id", json_string("V-1"));
	(void)json_object_set_new(
		alert, "seal", json_pack("{s:s, s:i}", "mode", "hold", "max_seconds", 3600));
	return alert;
}

static json_t *role_of(unsigned int threshold, int first, int last)
{
	json_t *keys = json_array();

	for (int i = first; i <= last; i++)
		(void)json_array_append_new(
			keys, json_string(envelope_signer_key(lab.signers[i])->id));
	return json_pack("{s:o, s:i}", "keys", keys, "threshold", (int)threshold);
}

static json_t *make_root(uint64_t version, int root_first)
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
static char *sign(json_t *alert, int first, int last)
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
static void send_text(char *text)
{
	const struct alerts_source source = {
		.channel = "test", .peer = "peer", .answer = answer, .token = 7};

	lab.why[0] = '\0';
	alerts_take(lab.alerts, &source, text, strlen(text), lab.now_s);
	free(text);
}

static void send_alert(json_t *alert, int signer)
{
	send_text(sign(alert, signer, signer));
}

// The payload of the last receipt: signed by the gateway, whose key alerts_status names.
static json_t *open_receipt(void)
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

static void assert_result(const char *result)
{
	json_t *receipt = open_receipt();

	assert_string_equal(json_string_value(json_object_get(receipt, "result")), result);
	json_decref(receipt);
}

static void assert_refused(const char *why)
{
	json_t *receipt = open_receipt();

	assert_string_equal(json_string_value(json_object_get(receipt, "result")), "refused");
	assert_string_equal(json_string_value(json_object_get(receipt, "why")), why);
	assert_string_equal(lab.why, why);
	json_decref(receipt);
}

// ---- set-up -------------------------------------------------------------------------------------

static void start(void)
{
	static const char *const groups[] = {"mail"};
	static char root[96];
	const struct alerts_options options = {
		.gateway = "gate",
		.groups = groups,
		.groups_count = 1,
		.folder = lab.folder,
		.root = root,
		.most_ahead = 1000,
		.skew_s = 60,
		.stale_s = DAY,
		.seals_in_an_hour = 5,
	};
	const struct alerts_actions actions = {apply, state, event, NULL};
	char error[256] = "";

	(void)snprintf(root, sizeof(root), "%s/first.json", lab.folder);
	assert_int_equal(alerts_new(&options, &actions, &lab.alerts, error, sizeof(error)), 0);
}

static void restart(void)
{
	alerts_free(lab.alerts);
	start();
}

static void write_root(char *text)
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

static int set_up(void **test_state)
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

static int tear_down(void **test_state)
{
	DIR *folder = opendir(lab.folder);
	struct dirent *entry;

	(void)test_state;
	alerts_free(lab.alerts);
	free(lab.receipt);
	for (int i = 0; i < SIGNERS; i++)
		envelope_signer_free(lab.signers[i]);
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	(void)closedir(folder);
	return rmdir(lab.folder);
}

// ---- tests --------------------------------------------------------------------------------------

static void a_seal_is_applied_and_answered(void **test_state)
{
	json_t *receipt;

	(void)test_state;
	send_alert(make_seal(1), ALERTS_A);
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.type, ALERT_SEAL);
	assert_string_equal(lab.virus_id, "V-1");
	assert_int_equal(lab.answers, 1);
	assert_int_equal(lab.token, 7);
	receipt = open_receipt();
	assert_string_equal(json_string_value(json_object_get(receipt, "result")), "applied");
	assert_string_equal(json_string_value(json_object_get(receipt, "gateway")), "gate");
	assert_string_equal(json_string_value(json_object_get(receipt, "alert")), lab.digest);
	assert_true(json_is_true(json_object_get(json_object_get(receipt, "state"), "sealed")));
	json_decref(receipt);
}

static void a_repeat_gets_the_same_receipt_and_does_nothing(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);
	char *first;

	(void)test_state;
	send_text(strdup(text));
	first = strdup(lab.receipt);
	send_text(strdup(text));
	assert_string_equal(lab.receipt, first);
	restart();
	send_text(text);
	assert_string_equal(lab.receipt, first);
	assert_int_equal(lab.applied, 1);
	free(first);
}

static void nobody_answers_what_no_trusted_key_has_signed(void **test_state)
{
	(void)test_state;
	send_alert(make_seal(1), THIEF);
	assert_null(lab.receipt);
	assert_int_equal(lab.answers, 1);
	assert_string_equal(lab.why, "not signed by a key that is trusted");
	send_text(strdup("{}"));
	assert_null(lab.receipt);
	assert_int_equal(lab.applied, 0);
}

static void a_flood_of_forgeries_is_told_in_sum(void **test_state)
{
	char *text = sign(make_seal(1), THIEF, THIEF);
	json_t *status;

	(void)test_state;
	for (int i = 0; i < 1000; i++)
		send_text(strdup(text));
	free(text);
	assert_int_equal(lab.events, 10);
	lab.now_s += 60;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.events, 11);
	status = alerts_status(lab.alerts);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "refused"),
				 "not signed by a key that is trusted")),
		1000);
	json_decref(status);
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
}

static void each_role_says_what_is_its_own(void **test_state)
{
	json_t *alert = make_seal(1);

	(void)test_state;
	send_alert(make_seal(1), UPDATES_A);
	assert_refused("too few signatures");
	(void)json_object_set_new(alert, "role", json_string("updates"));
	send_alert(alert, UPDATES_A);
	assert_refused("bad payload: role: a seal is not for the role updates");
	assert_int_equal(lab.applied, 0);
}

static void an_all_clear_needs_two(void **test_state)
{
	json_t *alert = make_alert("all-clear", "all-clear", 1);

	(void)test_state;
	(void)json_object_set_new(alert, "virus_id", json_string("V-1"));
	send_alert(json_deep_copy(alert), CLEAR_A);
	assert_refused("too few signatures");
	send_text(sign(alert, CLEAR_A, CLEAR_B));
	assert_result("applied");
	assert_int_equal(lab.type, ALERT_ALL_CLEAR);
}

static void an_old_sequence_is_refused_also_after_a_restart(void **test_state)
{
	(void)test_state;
	send_alert(make_seal(5), ALERTS_A);
	assert_result("applied");
	send_alert(make_alert("alerts", "ping", 5), ALERTS_A);
	assert_refused("an old sequence");
	restart();
	send_alert(make_seal(4), ALERTS_A);
	assert_refused("an old sequence");
	assert_int_equal(lab.applied, 1);
}

static void a_jump_is_refused(void **test_state)
{
	json_t *alert = make_seal(1);

	(void)test_state;
	send_alert(make_seal(5), ALERTS_A);
	send_alert(make_seal(1006), ALERTS_A);
	assert_refused("too far ahead in sequence");
	send_alert(make_seal(1005), ALERTS_A);
	assert_result("applied");
	(void)json_object_set_new(alert, "epoch", json_integer(3));
	send_alert(json_deep_copy(alert), ALERTS_A);
	assert_refused("too far ahead in epoch");
	(void)json_object_set_new(alert, "epoch", json_integer(2));
	send_alert(alert, ALERTS_A);
	assert_result("applied");
	send_alert(make_seal(1006), ALERTS_A);
	assert_refused("an old sequence");
}

static void it_must_be_fresh(void **test_state)
{
	json_t *late = make_seal(1);
	json_t *early = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(late, "issued", json_string(time_text(lab.now_s - 2)));
	(void)json_object_set_new(late, "expires", json_string(time_text(lab.now_s)));
	send_alert(late, ALERTS_A);
	assert_refused("expired");
	(void)json_object_set_new(early, "issued", json_string(time_text(lab.now_s + 61)));
	send_alert(early, ALERTS_A);
	assert_refused("issued in the future");
}

static void a_clock_that_goes_back_opens_nothing_and_closes_nothing(void **test_state)
{
	json_t *old = make_seal(2);

	(void)test_state;
	send_alert(make_seal(1), ALERTS_A);
	(void)json_object_set_new(old, "issued", json_string(time_text(lab.now_s - DAY)));
	(void)json_object_set_new(old, "expires", json_string(time_text(lab.now_s - 1)));
	lab.now_s -= 30 * DAY;
	restart();
	send_alert(old, ALERTS_A); // it would be fresh by this clock
	assert_refused("expired");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	lab.now_s += 31 * DAY;
	old = make_seal(2); // of tomorrow
	lab.now_s -= 31 * DAY;
	send_alert(old, ALERTS_A);
	assert_result("applied");
}

static void it_must_be_for_us(void **test_state)
{
	static const struct {
		const char *member;
		const char *name;
		const char *result;
	} cases[] = {{"gateway", "other", "refused"}, {"group", "web", "refused"},
		{"group", "mail", "applied"}, {"gateway", "gate", "applied"}};
	uint64_t sequence = 1;

	(void)test_state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *alert = make_seal(sequence++);

		(void)json_object_set_new(
			alert, "target", json_pack("{s:s}", cases[i].member, cases[i].name));
		send_alert(alert, ALERTS_A);
		assert_result(cases[i].result);
	}
}

static void another_vendor_is_refused(void **test_state)
{
	json_t *alert = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(alert, "vendor", json_string("other"));
	send_alert(alert, ALERTS_A);
	assert_refused("another vendor");
}

static void payloads_are_read_strictly(void **test_state)
{
	static const struct {
		const char *member;
		const char *value; // JSON; NULL takes it away
		const char *why;
	} cases[] = {
		{"more", "1", "bad payload: payload: an unknown member \"more\""},
		{"virus_id", NULL, "bad payload: virus_id: must be a text of 1 to 128 bytes"},
		{"virus_id", "\"\"", "bad payload: virus_id: must be a text of 1 to 128 bytes"},
		{"virus_id", "\"a\\nb\"",
			"bad payload: virus_id: must not hold control characters"},
		{"sequence", "\"1\"",
			"bad payload: sequence: must be a whole number of 0 to 9007199254740991"},
		{"sequence", "-1",
			"bad payload: sequence: must be a whole number of 0 to 9007199254740991"},
		{"sequence", "1.0",
			"bad payload: sequence: must be a whole number of 0 to 9007199254740991"},
		{"issued", "\"yesterday\"", "bad payload: issued: must be a time as in RFC 3339"},
		{"expires", "\"2026-01-01T00:00:00\"",
			"bad payload: expires: must be a time as in RFC 3339"},
		{"expires", "\"2001-01-01T00:00:00Z\"",
			"bad payload: expires: must be after issued"},
		{"target", "\"all\"", "bad payload: target: must be \"*\", a group or a gateway"},
		{"target", "{\"gateway\":\"a\",\"group\":\"b\"}",
			"bad payload: target: must be \"*\", a group or a gateway"},
		{"type", "\"close\"", "bad payload: type: \"close\" is unknown"},
		{"seal", "{\"mode\":\"hold\",\"colour\":1}",
			"bad payload: seal: an unknown member \"colour\""},
		{"seal", "{\"mode\":\"hold\",\"max_seconds\":0}",
			"bad payload: max_seconds: must be a whole number of 1 to "
			"9007199254740991"},
		{"seal", NULL, "bad payload: seal: is missing"},
		{"info", "\"text\"", "bad payload: info: must be an object"},
	};

	(void)test_state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *alert = make_seal(1);

		if (cases[i].value != NULL)
			(void)json_object_set_new(alert, cases[i].member,
				json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		else
			(void)json_object_del(alert, cases[i].member);
		send_alert(alert, ALERTS_A);
		assert_refused(cases[i].why);
	}
	assert_int_equal(lab.applied, 0);
}

static void members_that_are_there_twice_are_refused(void **test_state)
{
	char *payload = json_dumps(make_seal(1), JSON_COMPACT);
	char *text = NULL;
	char twice[2048];

	(void)test_state;
	(void)snprintf(twice, sizeof(twice), "{\"sequence\":2,%s", payload + 1);
	free(payload);
	assert_int_equal(envelope_sign(ENVELOPE_ALERT, twice, strlen(twice), &lab.signers[ALERTS_A],
				 1, &text),
		0);
	send_text(text);
	assert_int_equal(lab.applied, 0);
	assert_result("refused");
	assert_non_null(strstr(lab.why, "duplicate"));
}

static void sealing_is_limited_in_number(void **test_state)
{
	uint64_t sequence = 1;

	(void)test_state;
	for (int i = 0; i < 5; i++)
		send_alert(make_seal(sequence++), ALERTS_A);
	assert_int_equal(lab.applied, 5);
	send_alert(make_seal(sequence), ALERTS_A);
	assert_refused("too many seals in an hour");
	lab.now_s += 3600 / 5 + 1;
	send_alert(make_seal(sequence), ALERTS_A); // it may come again
	assert_result("applied");
}

static void what_was_taken_before_a_crash_is_applied_after_it(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	lab.say = -EINPROGRESS;
	send_text(strdup(text));
	assert_int_equal(lab.answers, 0);
	restart();
	lab.say = 0;
	assert_int_equal(alerts_resume(lab.alerts), 0);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(alerts_resume(lab.alerts), 0);
	assert_int_equal(lab.applied, 2);
	send_text(text);
	assert_result("applied");
	assert_int_equal(lab.applied, 2);
}

static void both_channels_are_answered_when_it_is_done(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	lab.say = -EINPROGRESS;
	send_text(strdup(text));
	send_text(text);
	assert_int_equal(lab.answers, 0);
	alerts_done(lab.alerts, lab.digest, 0, "", lab.now_s);
	assert_int_equal(lab.answers, 2);
	assert_result("applied");
	assert_int_equal(lab.applied, 1);
}

static void an_action_that_fails_is_a_refusal(void **test_state)
{
	(void)test_state;
	lab.say = -EINVAL;
	send_alert(make_seal(1), ALERTS_A);
	assert_refused("the gateway says no");
}

static void roots_follow_one_another(void **test_state)
{
	(void)test_state;
	send_text(sign(make_root(3, ROOT_B), ROOT_A, ROOT_B));
	assert_refused("too far ahead in sequence");
	send_text(sign(make_root(2, ROOT_B), ROOT_A, ROOT_A));
	assert_refused("not signed as it asks for itself");
	send_text(sign(make_root(2, ROOT_B), CLEAR_A, CLEAR_A));
	assert_refused("too few signatures");
	send_text(sign(make_root(2, ROOT_B), ROOT_A, ROOT_B));
	assert_result("applied");
	restart();
	// The first root key has no say any more.
	send_text(sign(make_root(3, ROOT_A), ROOT_A, ROOT_A));
	assert_refused("too few signatures");
	send_text(sign(make_root(3, ROOT_B), ROOT_B, ROOT_B));
	assert_result("applied");
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
}

static void a_raised_epoch_makes_old_alerts_worthless(void **test_state)
{
	json_t *root = make_root(2, ROOT_A);
	json_t *seal = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(
		json_object_get(json_object_get(json_object_get(root, "root"), "roles"), "alerts"),
		"epoch", json_integer(9));
	send_text(sign(root, ROOT_A, ROOT_A));
	assert_result("applied");
	send_alert(make_seal(500), ALERTS_A);
	assert_refused("an old epoch");
	(void)json_object_set_new(seal, "epoch", json_integer(9));
	send_alert(seal, ALERTS_A);
	assert_result("applied");
}

static void without_a_root_nobody_is_trusted(void **test_state)
{
	char path[96];

	(void)test_state;
	(void)snprintf(path, sizeof(path), "%s/first.json", lab.folder);
	assert_int_equal(unlink(path), 0);
	restart();
	send_alert(make_seal(1), ALERTS_A);
	assert_null(lab.receipt);
	assert_int_equal(lab.applied, 0);
}

static void an_expired_root_seals_no_more(void **test_state)
{
	json_t *alert;

	(void)test_state;
	lab.now_s += 101 * DAY;
	alert = make_seal(1);
	send_alert(alert, ALERTS_A);
	assert_refused("the root document has expired");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	send_text(sign(make_root(2, ROOT_A), ROOT_A, ROOT_A));
	assert_result("applied");
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
}

static void silence_is_a_fault(void **test_state)
{
	(void)test_state;
	send_alert(make_alert("alerts", "ping", 1), ALERTS_A);
	assert_result("applied");
	assert_int_equal(lab.applied, 0);
	lab.now_s += DAY;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 0);
	lab.now_s += 1;
	alerts_turn(lab.alerts, lab.now_s);
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	send_alert(make_alert("alerts", "ping", 2), ALERTS_A);
	lab.now_s += 2 * DAY;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_seal_is_applied_and_answered),
		TEST(a_repeat_gets_the_same_receipt_and_does_nothing),
		TEST(nobody_answers_what_no_trusted_key_has_signed),
		TEST(a_flood_of_forgeries_is_told_in_sum),
		TEST(each_role_says_what_is_its_own),
		TEST(an_all_clear_needs_two),
		TEST(an_old_sequence_is_refused_also_after_a_restart),
		TEST(a_jump_is_refused),
		TEST(it_must_be_fresh),
		TEST(a_clock_that_goes_back_opens_nothing_and_closes_nothing),
		TEST(it_must_be_for_us),
		TEST(another_vendor_is_refused),
		TEST(payloads_are_read_strictly),
		TEST(members_that_are_there_twice_are_refused),
		TEST(sealing_is_limited_in_number),
		TEST(what_was_taken_before_a_crash_is_applied_after_it),
		TEST(both_channels_are_answered_when_it_is_done),
		TEST(an_action_that_fails_is_a_refusal),
		TEST(roots_follow_one_another),
		TEST(a_raised_epoch_makes_old_alerts_worthless),
		TEST(without_a_root_nobody_is_trusted),
		TEST(an_expired_root_seals_no_more),
		TEST(silence_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
