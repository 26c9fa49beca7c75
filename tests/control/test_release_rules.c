// SPDX-License-Identifier: BSD-3-Clause
// Rules for held mail are opened by a thread; whoever ends meanwhile runs nothing else for it.
#include "control/release_rules.h"
#include "control/release_scan.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];
static unsigned int turns; // of others on the loop
static unsigned int readies;

static gboolean turn(gpointer ctx)
{
	(void)ctx;
	turns++;
	return G_SOURCE_CONTINUE;
}

static void ready(void *ctx)
{
	(void)ctx;
	readies++;
}

static int set_up(void **test_state)
{
	int fd;

	(void)test_state;
	turns = 0;
	readies = 0;
	(void)snprintf(path, sizeof(path), "/tmp/test_release_rules_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "no image", 8), 8);
	assert_int_equal(close(fd), 0);
	return 0;
}

static int tear_down(void **test_state)
{
	(void)test_state;
	return unlink(path);
}

static void one_that_is_being_opened_ends_alone(void **test_state)
{
	struct release_opener *opener = release_opener_new(ready, NULL);
	guint other = g_timeout_add_full(G_PRIORITY_HIGH, 0, turn, NULL, NULL);
	struct release_rules *rules = NULL;
	struct release_wanted wanted = {.image = path};

	(void)test_state;
	assert_non_null(opener);
	assert_int_equal(release_stats_take(path, &wanted.stats), 0);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
	release_opener_free(opener);
	assert_int_equal(turns, 0);
	assert_true(g_source_remove(other));
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(readies, 0);
	assert_null(rules);
}

static void what_does_not_open_is_said_once_it_was_tried(void **test_state)
{
	struct release_opener *opener = release_opener_new(ready, NULL);
	struct release_rules *rules = NULL;
	struct release_wanted wanted = {.image = path};

	(void)test_state;
	assert_non_null(opener);
	assert_int_equal(release_stats_take(path, &wanted.stats), 0);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
	while (readies == 0)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EBADMSG);
	assert_null(rules);
	// And it is tried again.
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
	release_opener_free(opener);
	assert_int_equal(readies, 1);
}

// ---- images that come faster than they open -----------------------------------------------------

#define SECOND UINT64_C(1000000000)
#define SEALS "{\"generation\": %d, \"seals\": []}"

static void put_image(void)
{
	char source[] = "/tmp/test_release_rules_XXXXXX.ndb";
	const char *paths[] = {source};
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	void *image = NULL;
	size_t bytes = 0;
	int fd = mkstemps(source, 4);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "Test.Virus:0:*:666f756e642d7669727573\n") > 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ruleset_build(paths, 1, &options, &image, &bytes, &stats), 0);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(ruleset_write(path, image, bytes), 0);
	free(image);
}

// Another file with the same in it, as a swap puts it there.
static void replace_image(void)
{
	char copy[80];
	char *data;
	gsize bytes;

	(void)snprintf(copy, sizeof(copy), "%s.new", path);
	assert_true(g_file_get_contents(path, &data, &bytes, NULL));
	assert_true(g_file_set_contents(copy, data, (gssize)bytes, NULL));
	g_free(data);
	assert_int_equal(rename(copy, path), 0);
}

static void wait_ready(unsigned int count)
{
	while (readies < count)
		(void)g_main_context_iteration(NULL, TRUE);
}

static void what_is_replaced_while_it_opens_serves_when_that_happens_often(void **test_state)
{
	struct release_opener *opener = release_opener_new(ready, NULL);
	struct release_wanted wanted = {.image = path, .seals = 1, .now_ns = SECOND};
	struct release_rules *rules = NULL;

	(void)test_state;
	put_image();
	for (unsigned int i = 1; i <= RELEASE_OFTEN; i++) {
		replace_image();
		assert_int_equal(release_stats_take(path, &wanted.stats), 0);
		assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
		wait_ready(i);
		assert_int_equal(release_opener_take_late(opener, &wanted, &rules), -ENOENT);
		wanted.now_ns += SECOND;
	}
	replace_image();
	assert_int_equal(release_stats_take(path, &wanted.stats), 0);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), -EINPROGRESS);
	// Not for other seals, and not when it was long ago.
	wanted.seals = 2;
	assert_int_equal(release_opener_take_late(opener, &wanted, &rules), -ENOENT);
	wanted.seals = 1;
	wanted.now_ns += RELEASE_OFTEN_NS;
	assert_int_equal(release_opener_take_late(opener, &wanted, &rules), -ENOENT);
	wanted.now_ns -= RELEASE_OFTEN_NS;
	assert_int_equal(release_opener_take_late(opener, &wanted, &rules), 0);
	release_rules_put(rules);
	assert_int_equal(release_opener_take_late(opener, &wanted, &rules), -ENOENT);
	wait_ready(RELEASE_OFTEN + 1);
	assert_int_equal(release_opener_take(opener, &wanted, &rules), 0);
	release_rules_put(rules);
	release_opener_free(opener);
}

static unsigned int infected;

static void count_verdict(void *ctx, const struct release_verdict *verdict)
{
	(void)ctx;
	infected += verdict->verdict == VERDICT_INFECTED;
}

static int renew(struct release_scanner *scanner, int generation)
{
	char seals[64];

	(void)snprintf(seals, sizeof(seals), SEALS, generation);
	return release_scanner_renew(scanner, path, seals);
}

static void push(struct release_scanner *scanner)
{
	static const char mail[] = "Subject: x\r\n\r\nfound-virus\r\n";
	struct store_message message = {.data = (uint8_t *)strdup(mail),
		.bytes = sizeof(mail) - 1,
		.envelope = json_object()};

	assert_int_equal(release_scanner_push(scanner, &message), 0);
}

static void wait_verdicts(unsigned int count)
{
	while (infected < count)
		(void)g_main_context_iteration(NULL, TRUE);
}

static void mail_is_judged_while_images_change_faster_than_they_open(void **test_state)
{
	static const struct release_ways ways = {.done = count_verdict, .ready = ready};
	static struct control_options options;
	struct release_scanner *scanner;
	unsigned int opened = 0;

	(void)test_state;
	infected = 0;
	put_image();
	assert_int_equal(release_scanner_new(&options, &ways, &scanner), 0);
	// Each is replaced before it is open.
	while (renew(scanner, 1) == -EINPROGRESS) {
		wait_ready(++opened);
		replace_image();
		assert_true(opened <= RELEASE_OFTEN + 1);
	}
	assert_int_equal(opened, RELEASE_OFTEN);
	assert_true(release_scanner_is_behind(scanner));
	assert_false(release_scanner_is_current(scanner, path, 1));
	push(scanner);
	// The next one is taken up when this mail is judged.
	assert_int_equal(renew(scanner, 1), -EINPROGRESS);
	wait_verdicts(1);
	assert_true(release_scanner_holds(scanner, path, 1));
	wait_ready(opened + 1);
	replace_image();
	assert_int_equal(renew(scanner, 1), 0);
	push(scanner);
	wait_verdicts(2);
	// Seals that have changed need an image that is not older.
	assert_false(release_scanner_holds(scanner, path, 2));
	wait_ready(opened + 2);
	replace_image();
	assert_int_equal(renew(scanner, 2), -EINPROGRESS);
	while (renew(scanner, 2) == -EINPROGRESS)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_false(release_scanner_is_behind(scanner));
	assert_true(release_scanner_is_current(scanner, path, 2));
	release_scanner_free(scanner);
}

static struct release_scanner *asked;
static unsigned int valid; // verdicts that count

static void count_valid(void *ctx, const struct release_verdict *verdict)
{
	count_verdict(ctx, verdict);
	valid += strcmp(verdict->key, release_scanner_key(asked)) == 0 &&
		 release_scanner_holds(asked, path, 1);
}

// That takes longer to scan than the image to open, as a rule.
static void push_large(struct release_scanner *scanner)
{
	static const char head[] = "Subject: x\r\n\r\n";
	static const char virus[] = "found-virus";
	const size_t bytes = 8u << 20;
	struct store_message message = {
		.data = malloc(bytes), .bytes = bytes, .envelope = json_object()};

	assert_non_null(message.data);
	memset(message.data, 'x', bytes);
	memcpy(message.data, head, sizeof(head));
	memcpy(message.data + bytes - sizeof(virus), virus, sizeof(virus));
	assert_int_equal(release_scanner_push(scanner, &message), 0);
}

// Each is opened in time, and replaced before the mail is judged.
static void mail_is_judged_while_images_change_faster_than_it_is_scanned(void **test_state)
{
	static const struct release_ways ways = {.done = count_valid, .ready = ready};
	static struct control_options options;

	(void)test_state;
	infected = 0;
	put_image();
	assert_int_equal(release_scanner_new(&options, &ways, &asked), 0);
	for (unsigned int i = 1; i <= 2 * RELEASE_OFTEN; i++) {
		const bool is_often = i > RELEASE_OFTEN;
		unsigned int before;

		while (renew(asked, 1) == -EINPROGRESS)
			(void)g_main_context_iteration(NULL, TRUE);
		valid = 0;
		push_large(asked);
		replace_image();
		before = readies;
		assert_int_equal(renew(asked, 1), -EINPROGRESS);
		wait_ready(before + 1);
		if (is_often && release_scanner_count(asked) > 0)
			assert_int_equal(renew(asked, 1), -EINPROGRESS);
		wait_verdicts(i);
		assert_true(valid == 1 || !is_often);
	}
	// The newest is taken up then.
	assert_int_equal(renew(asked, 1), 0);
	assert_true(release_scanner_is_current(asked, path, 1));
	release_scanner_free(asked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_being_opened_ends_alone),
		TEST(what_does_not_open_is_said_once_it_was_tried),
		TEST(what_is_replaced_while_it_opens_serves_when_that_happens_often),
		TEST(mail_is_judged_while_images_change_faster_than_they_open),
		TEST(mail_is_judged_while_images_change_faster_than_it_is_scanned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
