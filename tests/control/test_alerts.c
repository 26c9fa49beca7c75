// SPDX-License-Identifier: BSD-3-Clause
// Alerts from their bytes to their receipts: who may say what, and how it must be said.
#include "tests/control/alerts_case.h"

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
	json_t *seal = make_seal(1);
	char *payload = json_dumps(seal, JSON_COMPACT);
	char *text = NULL;
	char twice[2048];

	(void)test_state;
	json_decref(seal);
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

static void an_action_that_fails_is_a_refusal(void **test_state)
{
	(void)test_state;
	lab.say = -EINVAL;
	send_alert(make_seal(1), ALERTS_A);
	assert_refused("the gateway says no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_seal_is_applied_and_answered),
		TEST(a_repeat_gets_the_same_receipt_and_does_nothing),
		TEST(nobody_answers_what_no_trusted_key_has_signed),
		TEST(a_flood_of_forgeries_is_told_in_sum),
		TEST(each_role_says_what_is_its_own),
		TEST(an_all_clear_needs_two),
		TEST(it_must_be_for_us),
		TEST(another_vendor_is_refused),
		TEST(payloads_are_read_strictly),
		TEST(members_that_are_there_twice_are_refused),
		TEST(an_action_that_fails_is_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
