// SPDX-License-Identifier: BSD-3-Clause
// What an update may ask for, what its journal and its folders keep, and what is written down of a
// revocation.
#include "control/durable.h"
#include "control/revoked.h"
#include "control/update_check.h"
#include "control/update_folder.h"
#include "control/update_journal.h"
#include "control/update_plan.h"
#include "tests/support/unit.h"

#include <ftw.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// SHA-256 of "" and of "abc" (FIPS 180-2, appendix B.1).
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char folder[64];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/test_update-XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

// ---- plans --------------------------------------------------------------------------------------

static int plan_of(const char *text, const char *virus_id, struct update_plan *plan)
{
	char why[256] = "";
	json_t *body = json_loads(text, 0, NULL);
	int err;

	assert_non_null(body);
	err = update_plan_make(body, virus_id, 1000, plan, why, sizeof(why));
	json_decref(body);
	if (err == -EINVAL)
		assert_true(why[0] != '\0');
	return err;
}

#define FILE_OF(name, bytes, url)                                                                  \
	"{\"name\": \"" name "\", \"bytes\": " bytes ", \"sha256\": \"" OF_ABC                     \
	"\", \"url\": \"" url "\"}"
#define BUNDLE(version, files)                                                                     \
	"{\"version\": \"" version "\", \"covers\": [\"V-1\", \"V-2\"], \"files\": [" files "]}"
#define GOOD FILE_OF("a.ndb", "3", "https://example.com/a")

static void a_plan_has_what_the_alert_says_and_its_own_virus_id_once(void **state)
{
	struct update_plan plan;

	(void)state;
	assert_int_equal(plan_of(BUNDLE("2026.11-1", GOOD), "V-3", &plan), 0);
	assert_string_equal(plan.version, "2026.11-1");
	assert_int_equal(plan.files_count, 1);
	assert_int_equal(plan.bytes, 3);
	assert_int_equal(json_array_size(plan.covers), 3);
	update_plan_fini(&plan);
	assert_int_equal(plan_of(BUNDLE("2026.11-1", GOOD), "V-2", &plan), 0);
	assert_int_equal(json_array_size(plan.covers), 2);
	update_plan_fini(&plan);
}

static void what_is_no_name_here_or_too_much_is_refused(void **state)
{
	static const char *const wrong[] = {
		BUNDLE("..", GOOD),
		BUNDLE("a/b", GOOD),
		BUNDLE("a.new", GOOD),
		BUNDLE(".a", GOOD),
		BUNDLE("-a", GOOD),
		BUNDLE("a b", GOOD),
		BUNDLE("a", GOOD ", " GOOD),
		BUNDLE("a", FILE_OF("../a.ndb", "3", "http://e/")),
		BUNDLE("a", FILE_OF("selftest/../../a", "3", "http://e/")),
		BUNDLE("a", FILE_OF("selftest/", "3", "http://e/")),
		BUNDLE("a", FILE_OF("selftest/selftest/a", "3", "http://e/")),
		BUNDLE("a", FILE_OF("other/a.ndb", "3", "http://e/")),
		BUNDLE("a", FILE_OF(".hidden", "3", "http://e/")),
		BUNDLE("a", FILE_OF("a.ndb", "3", "file:///etc/passwd")),
		BUNDLE("a", FILE_OF("a.ndb", "3", "ftp://e/")),
		BUNDLE("a", FILE_OF("a.ndb", "1001", "http://e/")),
		BUNDLE("a", FILE_OF("a.ndb", "600", "http://e/") ", " FILE_OF(
				    "b.ndb", "401", "http://e/")),
		BUNDLE("a", FILE_OF("a.ndb", "-1", "http://e/")),
		BUNDLE("a", ""),
		"{\"version\": \"a\", \"delta_from\": \"a\", \"files\": [" GOOD "]}",
		"{\"version\": \"a\", \"delta_from\": \"../a\", \"files\": [" GOOD "]}",
	};
	struct update_plan plan;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(plan_of(wrong[i], "", &plan), -EINVAL);
	// The bounds themselves are good.
	assert_int_equal(plan_of(BUNDLE("a", FILE_OF("a.ndb", "1000", "http://e/")), "", &plan), 0);
	update_plan_fini(&plan);
	assert_int_equal(
		plan_of(BUNDLE("a", FILE_OF("selftest/V-1.b64", "3", "http://e/")), "", &plan), 0);
	update_plan_fini(&plan);
}

// ---- the journal --------------------------------------------------------------------------------

static void a_journal_is_read_as_it_was_written_at_every_step(void **state)
{
	struct update_journal journal = {
		.begun_s = 17, .swapped_s = 23, .digest = "abc", .version = "v1"};
	struct update_journal again;

	(void)state;
	journal.covered = json_pack("[s]", "V-1");
	journal.uncovered = json_pack("{s:s}", "V-2", "no signature carries it");
	assert_int_equal(update_journal_read(in("none"), &again), -ENOENT);
	for (int kind = UPDATE_BUNDLE; kind <= UPDATE_ROLLBACK; kind++) {
		for (int step = UPDATE_DOWNLOAD; step <= UPDATE_DONE; step++) {
			journal.kind = (enum update_kind)kind;
			journal.step = (enum update_step)step;
			assert_int_equal(update_journal_write(in("journal"), &journal, ""), 0);
			assert_int_equal(update_journal_read(in("journal"), &again), 0);
			assert_int_equal(again.kind, kind);
			assert_int_equal(again.step, step);
			assert_int_equal(again.begun_s, 17);
			assert_int_equal(again.swapped_s, 23);
			assert_string_equal(again.digest, "abc");
			assert_string_equal(again.version, "v1");
			assert_true(json_equal(again.covered, journal.covered) != 0);
			assert_true(json_equal(again.uncovered, journal.uncovered) != 0);
			update_journal_fini(&again);
		}
	}
	update_journal_fini(&journal);
}

static void what_is_no_journal_is_refused(void **state)
{
	static const char good[] = "{\"kind\":\"update\",\"step\":\"end\",\"digest\":\"\","
				   "\"version\":\"v\",\"begun\":1,"
				   "\"swapped\":0,\"covered\":[\"a\"],\"uncovered\":{\"b\":\"c\"}}";
	struct update_journal journal;
	char text[sizeof(good)];

	(void)state;
	assert_int_equal(update_journal_parse(good, sizeof(good) - 1, &journal), 0);
	update_journal_fini(&journal);
	// Cut anywhere, and with any of its letters changed to a bracket.
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(update_journal_parse(good, n, &journal), -EBADMSG);
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = good[i] == '[' ? '{' : '[';
		if (update_journal_parse(text, sizeof(good) - 1, &journal) == 0) {
			// In the text of what is covered alone anything may stand.
			assert_true(strstr(good, "\"a\"") + 1 == good + i ||
				    strstr(good, "\"b\"") + 1 == good + i ||
				    strstr(good, "\"c\"") + 1 == good + i);
			update_journal_fini(&journal);
		}
	}
}

// ---- folders ------------------------------------------------------------------------------------

static void put(const struct update_folder *at, const struct update_plan *plan)
{
	char path[PATH_MAX];

	assert_int_equal(update_folder_begin(at, plan), 0);
	for (size_t i = 0; i < plan->files_count; i++) {
		update_folder_file(at, plan, &plan->files[i], path);
		assert_int_equal(durable_write(path, "abc", 3), 0);
		assert_true(update_folder_has(path, &plan->files[i]));
	}
}

static void install(struct update_folder *at, const char *text)
{
	struct update_plan plan;

	assert_int_equal(plan_of(text, "", &plan), 0);
	put(at, &plan);
	assert_int_equal(update_folder_install(at, &plan), 0);
	assert_int_equal(update_folder_install(at, &plan), 0);
	assert_int_equal(update_folder_activate(at, plan.version, false), 0);
	assert_int_equal(update_folder_activate(at, plan.version, false), 0);
	assert_int_equal(update_folder_is_active(at, &plan), 1);
	update_folder_clean(at);
	update_plan_fini(&plan);
}

static void check_versions(const char *active, const char *former, const char *rolled_back)
{
	struct update_folder at;

	assert_int_equal(update_folder_open(folder, &at), 0);
	assert_string_equal(at.active, active);
	assert_string_equal(at.former, former);
	assert_string_equal(at.rolled_back, rolled_back);
}

static void two_versions_are_kept_and_a_delta_has_the_files_of_its_base(void **state)
{
	struct update_folder at;
	struct update_plan plan;

	(void)state;
	assert_int_equal(update_folder_open(folder, &at), 0);
	install(&at, BUNDLE("v1", GOOD));
	check_versions("v1", "", "");
	install(&at, "{\"version\": \"v2\", \"delta_from\": \"v1\", \"files\": [" FILE_OF(
			     "b.ndb", "3", "http://e/") "]}");
	check_versions("v2", "v1", "");
	assert_true(is_there(in("v2/a.ndb")) && is_there(in("v2/b.ndb")));
	assert_false(is_there(in("v1/b.ndb")));
	// One of another base, and the same version with other files.
	assert_int_equal(
		plan_of("{\"version\": \"v3\", \"delta_from\": \"v1\", \"files\": [" GOOD "]}", "",
			&plan),
		0);
	assert_int_equal(update_folder_begin(&at, &plan), -ESTALE);
	update_plan_fini(&plan);
	assert_int_equal(plan_of(BUNDLE("v2", FILE_OF("c.ndb", "3", "http://e/")), "", &plan), 0);
	assert_int_equal(update_folder_is_active(&at, &plan), -EEXIST);
	update_plan_fini(&plan);
	install(&at, BUNDLE("v3", GOOD));
	check_versions("v3", "v2", "");
	assert_true(!is_there(in("v1")) && is_there(in("v2")));
}

static void a_rollback_stays_until_the_next_version(void **state)
{
	struct update_folder at;

	(void)state;
	assert_int_equal(update_folder_open(folder, &at), 0);
	install(&at, BUNDLE("v1", GOOD));
	install(&at, BUNDLE("v2", GOOD));
	assert_int_equal(update_folder_activate(&at, "v1", true), 0);
	assert_int_equal(update_folder_activate(&at, "v1", true), 0);
	assert_false(at.has_former);
	check_versions("v1", "", "v2");
	update_folder_clean(&at);
	assert_true(is_there(in("v2")));
	install(&at, BUNDLE("v3", GOOD));
	check_versions("v3", "v1", "");
	assert_false(is_there(in("v2")));
	assert_int_equal(durable_write(in("active"), "{}", 2), 0);
	assert_int_equal(update_folder_open(folder, &at), -EBADMSG);
}

static void a_file_counts_only_with_its_size_and_digest(void **state)
{
	const struct update_file abc = {"a", "", OF_ABC, 3};
	const struct update_file longer = {"a", "", OF_ABC, 4};
	const struct update_file other = {"a", "", OF_NOTHING, 3};
	const struct update_file nothing = {"a", "", OF_NOTHING, 0};

	(void)state;
	assert_false(update_folder_has(in("a"), &abc));
	assert_int_equal(durable_write(in("a"), "abc", 3), 0);
	assert_true(update_folder_has(in("a"), &abc));
	assert_false(update_folder_has(in("a"), &longer));
	assert_false(update_folder_has(in("a"), &other));
	assert_int_equal(durable_write(in("a"), "", 0), 0);
	assert_true(update_folder_has(in("a"), &nothing));
	assert_int_equal(symlink(in("a"), in("link")), 0);
	assert_false(update_folder_has(in("link"), &nothing));
}

// ---- digests and revocations --------------------------------------------------------------------

static void a_digest_to_try_is_read_or_refused(void **state)
{
	static const char *const wrong[] = {"", "sha256", "sha256:", "sha256:" OF_ABC,
		"sha256:" OF_ABC ":", "sha256:" OF_ABC ":-1", "sha256:" OF_ABC ":3x",
		"md5:" OF_ABC ":3", "sha512:" OF_ABC ":3", "sha256:g" OF_ABC ":3",
		"sha256:" OF_ABC ":99999999999999999999999"};
	unsigned int algorithm = 0;
	uint64_t bytes = 0;
	uint8_t digest[32] = {0};

	(void)state;
	assert_int_equal(
		update_check_digest(" sha256:" OF_ABC ":3\n", &algorithm, digest, &bytes), 0);
	assert_int_equal(algorithm, DIGEST_SHA256);
	assert_int_equal(bytes, 3);
	assert_int_equal(digest[0], 0xba);
	assert_int_equal(digest[31], 0xad);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			update_check_digest(wrong[i], &algorithm, digest, &bytes), -EINVAL);
}

static void check_file(const char *name, const char *wanted)
{
	char *text = NULL;
	size_t bytes = 0;

	assert_int_equal(durable_read(in(name), 4096, &text, &bytes), 0);
	assert_string_equal(text, wanted);
	free(text);
}

static void what_was_taken_back_is_written_down_once(void **state)
{
	static const char *const wrong[] = {"{}", "{\"signatures\": [\"a\\nb\"]}",
		"{\"signatures\": [\"#a\"]}", "{\"signatures\": [\"a:0\"]}",
		"{\"digests\": [\"abc\"]}",
		"{\"digests\": [\"ba7816bf8f01cfea414140de5dae2223b\"]}", "{\"signatures\": [1]}",
		"{\"signatures\": [\"Good\", \"bad one\"]}"};
	json_t *body =
		json_pack("{s:[s, s], s:[s]}", "signatures", "One", "Two", "digests", OF_ABC);
	json_t *more = json_pack("{s:[s, s]}", "signatures", "Two", "Three");
	char why[256];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(revoked_add(in("revoked"), body, why, sizeof(why)), 0);
	assert_int_equal(revoked_add(in("revoked"), more, why, sizeof(why)), 0);
	check_file("revoked/revoked.ign2", "One\nTwo\nThree\n");
	check_file("revoked/revoked.sfp", OF_ABC ":*:Revoked.ba7816bf8f01cfea:73\n");
	assert_false(is_there(in("revoked/revoked.fp")));
	json_decref(body);
	json_decref(more);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		body = json_loads(wrong[i], 0, NULL);
		why[0] = '\0';
		assert_int_equal(revoked_add(in("revoked"), body, why, sizeof(why)), -EINVAL);
		assert_true(why[0] != '\0');
		json_decref(body);
	}
	check_file("revoked/revoked.ign2", "One\nTwo\nThree\n");
}

static void what_was_revoked_can_be_taken_back(void **state)
{
	json_t *body = json_pack(
		"{s:[s, s, s], s:[s]}", "signatures", "One", "Two", "Three", "digests", OF_ABC);
	json_t *undo = json_pack(
		"{s:[s, s], s:[s], s:b}", "signatures", "Tw", "Two", "digests", OF_ABC, "undo", 1);
	json_t *all = json_pack("{s:[s, s]}", "signatures", "Three", "One");
	char why[256];

	(void)state;
	assert_int_equal(revoked_remove(in("revoked"), undo, why, sizeof(why)), 0);
	assert_int_equal(revoked_add(in("revoked"), body, why, sizeof(why)), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(revoked_remove(in("revoked"), undo, why, sizeof(why)), 0);
	check_file("revoked/revoked.ign2", "One\nThree\n");
	check_file("revoked/revoked.sfp", "");
	assert_int_equal(revoked_remove(in("revoked"), all, why, sizeof(why)), 0);
	check_file("revoked/revoked.ign2", "");
	(void)json_object_set_new(undo, "undo", json_integer(1));
	assert_int_equal(revoked_check(undo, why, sizeof(why)), -EINVAL);
	json_decref(body);
	json_decref(undo);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_has_what_the_alert_says_and_its_own_virus_id_once),
		cmocka_unit_test(what_is_no_name_here_or_too_much_is_refused),
		cmocka_unit_test_setup_teardown(
			a_journal_is_read_as_it_was_written_at_every_step, begin, end),
		cmocka_unit_test(what_is_no_journal_is_refused),
		cmocka_unit_test_setup_teardown(
			two_versions_are_kept_and_a_delta_has_the_files_of_its_base, begin, end),
		cmocka_unit_test_setup_teardown(
			a_rollback_stays_until_the_next_version, begin, end),
		cmocka_unit_test_setup_teardown(
			a_file_counts_only_with_its_size_and_digest, begin, end),
		cmocka_unit_test_setup_teardown(what_was_revoked_can_be_taken_back, begin, end),
		cmocka_unit_test(a_digest_to_try_is_read_or_refused),
		cmocka_unit_test_setup_teardown(
			what_was_taken_back_is_written_down_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
