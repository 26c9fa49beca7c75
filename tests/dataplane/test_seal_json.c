// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/seal_json.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char error[256];

static int parse(const char *text, struct engine_seals **out)
{
	error[0] = '\0';
	*out = NULL;
	return seals_parse(text, strlen(text), out, error, sizeof(error));
}

static void a_seal_says_what_it_covers(void **state)
{
	(void)state;
	struct engine_seals *seals;

	assert_int_equal(
		parse("{\"generation\":7,\"seals\":[{\"virus_id\":\"CV-1\",\"mode\":\"hold\"},"
		      "{\"virus_id\":\"CV-2\",\"mode\":\"tempfail\",\"origin\":\"x\","
		      "\"directions\":[\"outbound\"],\"scope\":{\"sender\":\"*@a\","
		      "\"recipient\":\"b@*\",\"min_bytes\":5,\"max_bytes\":9,"
		      "\"file_type\":\"pe\",\"name\":\"*.exe\",\"subject\":\"s\","
		      "\"body\":\"zip\"}}]}",
			&seals),
		0);
	assert_int_equal(seals->generation, 7);
	assert_int_equal(seals->count, 2);
	assert_string_equal(seals->seals[0].virus_id, "CV-1");
	assert_int_equal(seals->seals[0].mode, SEAL_HOLD);
	assert_int_equal(seals->seals[0].directions, SEAL_INBOUND | SEAL_OUTBOUND);
	assert_string_equal(seals->seals[0].body, "");
	assert_int_equal(seals->seals[1].mode, SEAL_TEMPFAIL);
	assert_int_equal(seals->seals[1].directions, SEAL_OUTBOUND);
	assert_string_equal(seals->seals[1].sender, "*@a");
	assert_string_equal(seals->seals[1].recipient, "b@*");
	assert_int_equal(seals->seals[1].min_bytes, 5);
	assert_int_equal(seals->seals[1].max_bytes, 9);
	assert_string_equal(seals->seals[1].file_type, "pe");
	assert_string_equal(seals->seals[1].name, "*.exe");
	assert_string_equal(seals->seals[1].subject, "s");
	assert_string_equal(seals->seals[1].body, "zip");
	free(seals);
}

// Each with the word that the complaint must have.
static void what_is_not_understood_is_refused(void **state)
{
	(void)state;
#define SEAL(members)                                                                              \
	"{\"generation\":1,\"seals\":[{\"virus_id\":\"v\",\"mode\":\"hold\"" members "}]}"
	static const char *const bad[][2] = {
		{"", "JSON"},
		{"[]", "generation"},
		{"{\"generation\":-1,\"seals\":[]}", "generation"},
		{"{\"generation\":1}", "seals"},
		{"{\"generation\":1,\"seals\":[1]}", "seals"},
		{"{\"generation\":1,\"seals\":[{\"mode\":\"hold\"}]}", "virus_id"},
		{"{\"generation\":1,\"seals\":[{\"virus_id\":\"v\"}]}", "mode"},
		{"{\"generation\":1,\"seals\":[{\"virus_id\":\"v\",\"mode\":\"open\"}]}", "mode"},
		{SEAL(",\"mode\":\"strip\""), "JSON"},
		{SEAL(",\"directions\":[]"), "directions"},
		{SEAL(",\"directions\":[\"inbound\",\"up\"]"), "directions"},
		{SEAL(",\"scope\":[]"), "scope"},
		{SEAL(",\"scope\":{\"colour\":\"red\"}"), "scope"},
		{SEAL(",\"scope\":{\"sender\":1}"), "sender"},
		{SEAL(",\"scope\":{\"sender\":\"a\\u0000b\"}"), "JSON"},
		{SEAL(",\"scope\":{\"min_bytes\":-1}"), "min_bytes"},
	};
	struct engine_seals *seals;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i][0], &seals), -EINVAL);
		assert_null(seals);
		assert_non_null(strstr(error, bad[i][1]));
	}
}

static void too_long_or_too_many_is_refused(void **state)
{
	(void)state;
	char text[8192];
	struct engine_seals *seals;
	size_t n;

	(void)snprintf(text, sizeof(text),
		"{\"generation\":1,\"seals\":[{\"mode\":\"hold\",\"virus_id\":\"%0128d\"}]}", 1);
	assert_int_equal(parse(text, &seals), 0);
	free(seals);
	(void)snprintf(text, sizeof(text),
		"{\"generation\":1,\"seals\":[{\"mode\":\"hold\",\"virus_id\":\"%0129d\"}]}", 1);
	assert_int_equal(parse(text, &seals), -EINVAL);
	n = (size_t)snprintf(text, sizeof(text), "{\"generation\":1,\"seals\":[");
	for (int i = 0; i <= SEALS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"%s{\"mode\":\"hold\",\"virus_id\":\"%d\"}", i > 0 ? "," : "", i);
	(void)snprintf(text + n, sizeof(text) - n, "]}");
	assert_int_equal(parse(text, &seals), -EINVAL);
	assert_non_null(strstr(error, "64"));
}

static void a_file_that_is_missing_is_no_seal_and_a_damaged_one_an_error(void **state)
{
	(void)state;
	char path[] = "/tmp/test_seal_json.XXXXXX";
	int fd = mkstemp(path);
	struct engine_seals *seals = NULL;
	char *text = NULL;

	assert_true(fd >= 0);
	assert_int_equal(seals_read(path, &seals, &text, error, sizeof(error)), -EINVAL);
	assert_int_equal(write(fd, "{\"generation\":3,\"seals\":[]}", 27), 27);
	assert_int_equal(seals_read(path, &seals, &text, error, sizeof(error)), 0);
	assert_int_equal(seals->generation, 3);
	assert_string_equal(text, "{\"generation\":3,\"seals\":[]}");
	free(text);
	free(seals);
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(seals_read(path, &seals, &text, error, sizeof(error)), 0);
	assert_int_equal(seals->generation, 0);
	assert_int_equal(seals->count, 0);
	assert_null(text);
	free(seals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seal_says_what_it_covers),
		cmocka_unit_test(what_is_not_understood_is_refused),
		cmocka_unit_test(too_long_or_too_many_is_refused),
		cmocka_unit_test(a_file_that_is_missing_is_no_seal_and_a_damaged_one_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
