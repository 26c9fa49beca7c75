// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_lock.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define S INT64_C(1000000000)
#define SECRET "32768:8:3:c2FsdA==:a2V5"

static bool try_wrong(struct web_lock *lock, const char *name, const char *place, int64_t now_s)
{
	return web_lock_count(lock, name, SECRET, place, now_s * S);
}

static bool is_locked(
	const struct web_lock *lock, const char *name, const char *place, int64_t now_s)
{
	return web_lock_is_locked(lock, name, SECRET, place, now_s * S);
}

static void locks_one_place_longer_each_time(void **state)
{
	struct web_lock *lock = web_lock_new();
	int64_t now_s = 1000;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_false(try_wrong(lock, "alice", "192.0.2.1", now_s));
	assert_false(is_locked(lock, "alice", "192.0.2.1", now_s));
	assert_true(try_wrong(lock, "alice", "192.0.2.1", now_s));
	assert_true(is_locked(lock, "alice", "192.0.2.1", now_s + 29));
	assert_false(is_locked(lock, "alice", "192.0.2.1", now_s + 30));
	// Nobody else anywhere else, and not with another password.
	assert_false(is_locked(lock, "alice", "192.0.2.2", now_s));
	assert_false(is_locked(lock, "bob", "192.0.2.1", now_s));
	assert_false(web_lock_is_locked(lock, "alice", "another", "192.0.2.1", now_s * S));
	for (int64_t seconds = 60; seconds <= 480; seconds *= 2) {
		assert_true(try_wrong(lock, "alice", "192.0.2.1", now_s));
		assert_true(is_locked(lock, "alice", "192.0.2.1", now_s + seconds - 1));
		assert_false(is_locked(lock, "alice", "192.0.2.1", now_s + seconds));
	}
	for (int i = 0; i < 100; i++)
		assert_true(try_wrong(lock, "alice", "192.0.2.1", now_s));
	assert_true(is_locked(lock, "alice", "192.0.2.1", now_s + 899));
	assert_false(is_locked(lock, "alice", "192.0.2.1", now_s + 900));
	web_lock_clear(lock, "alice", SECRET, "192.0.2.1");
	assert_false(is_locked(lock, "alice", "192.0.2.1", now_s));
	assert_false(try_wrong(lock, "alice", "192.0.2.1", now_s));
	web_lock_free(lock);
}

// Names that nobody has are tried from many places: the memory is bounded, what failed last is remembered.
static void forgets_the_oldest(void **state)
{
	struct web_lock *lock = web_lock_new();
	char place[WEB_PLACE_BYTES];

	(void)state;
	for (int64_t i = 0; i < 10000; i++) {
		(void)snprintf(place, sizeof(place), "2001:db8:0:%x::", (unsigned int)i);
		for (int j = 0; j < 5; j++)
			(void)try_wrong(lock, "nobody", place, i);
	}
	assert_true(is_locked(lock, "nobody", place, 9999));
	assert_false(is_locked(lock, "nobody", "2001:db8:0:1::", 1));
	web_lock_free(lock);
}

static void knows_its_browsers(void **state)
{
	char value[WEB_KNOWN_BYTES];
	char other[WEB_KNOWN_BYTES];
	char place[WEB_PLACE_BYTES];
	char again[WEB_PLACE_BYTES];

	(void)state;
	assert_int_equal(web_lock_make_known("alice", SECRET, value), 0);
	assert_int_equal(web_lock_make_known("alice", SECRET, other), 0);
	assert_string_not_equal(value, other);
	assert_true(web_lock_known_place(value, "alice", SECRET, place));
	assert_true(web_lock_known_place(other, "alice", SECRET, again));
	assert_string_not_equal(place, again);
	assert_false(web_lock_known_place(value, "bob", SECRET, place));
	assert_false(web_lock_known_place(value, "alice", "another", place));
	assert_false(web_lock_known_place(value, "alice", "", place));
	assert_false(web_lock_known_place("", "alice", SECRET, place));
	for (size_t i = 0; i < strlen(value); i++) {
		value[i] ^= 1;
		assert_false(web_lock_known_place(value, "alice", SECRET, place));
		value[i] ^= 1;
	}
	for (size_t n = strlen(value) - 1; n > 0; n--) {
		value[n] = '\0';
		assert_false(web_lock_known_place(value, "alice", SECRET, place));
	}
}

static void places_are_networks_of_version_6(void **state)
{
	static const struct {
		const char *address;
		const char *place;
	} cases[] = {{"192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"}, {"2001:db8:1:2::9", "2001:db8:1:2::"},
		{"::1", "::"}, {"", ""}, {"what is this", "what is this"}};
	char place[ADDRESS_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		address_place(cases[i].address, place);
		assert_string_equal(place, cases[i].place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_one_place_longer_each_time),
		cmocka_unit_test(forgets_the_oldest),
		cmocka_unit_test(knows_its_browsers),
		cmocka_unit_test(places_are_networks_of_version_6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
