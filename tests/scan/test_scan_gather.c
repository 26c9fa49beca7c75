// SPDX-License-Identifier: BSD-3-Clause
// Digests of objects that are computed with those of others, also of other messages, against those that are
// computed where the object ends: random mails, lists and interleavings give the same results.
#include "scan/match_late.h"
#include "scan/scan.h"
#include "scan/screening.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"
#include "tests/support/screened.h"

#include <stdarg.h>

#define ROUNDS 60
#define STEPS 400
#define BLOBS 10
#define BLOB_BYTES 3000
#define MAILS 24
#define MAIL_BYTES 65536
#define OPEN 6
#define TEXT_BYTES 16384
#define LIST_BYTES 65536
#define DECOYS 300
#define ENTRIES 24

// ---- where the object ends -----------------------------------------------------------------------

static bool is_at_once;

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
size_t __real_match_end_late(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type, struct digest_late *late);
size_t __wrap_match_end_late(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type, struct digest_late *late);
void __real_screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_late *later, struct screening_result *out);
void __wrap_screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_late *later, struct screening_result *out);

size_t __wrap_match_end_late(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type, struct digest_late *late)
{
	if (is_at_once && late != NULL)
		*late = (struct digest_late){0};
	return __real_match_end_late(
		object, hits, max, digests, detected_type, is_at_once ? NULL : late);
}

void __wrap_screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_late *later, struct screening_result *out)
{
	if (is_at_once && later != NULL)
		*later = (struct screening_late){0};
	__real_screening_end(screening, what, type, is_at_once ? NULL : later, out);
}
// NOLINTEND(bugprone-reserved-identifier)

// ---- mails ---------------------------------------------------------------------------------------

struct text {
	size_t n;
	char data[MAIL_BYTES];
};

static struct text blobs[BLOBS];
static struct text mails[MAILS];

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text->data + text->n, sizeof(text->data) - text->n, format, list);
	va_end(list);
	assert_true(n >= 0 && (size_t)n < sizeof(text->data) - text->n);
	text->n += (size_t)n;
}

// Lines of text or a page, so that they pass as they are in any encoding.
static void make_blob(struct random *random, struct text *blob, size_t number)
{
	const size_t most = random_below(random, 3) == 0 ? 200 : BLOB_BYTES;
	const bool is_page = random_below(random, 3) == 0;

	blob->n = 0;
	if (is_page)
		add(blob, "<html><body><p>Page %zu</p>\r\n", number);
	while (blob->n < most) {
		add(blob, is_page ? "<b>word %u</b> &amp; more\r\n" : "line %u of it\r\n",
			random_below(random, 1000));
		if (random_below(random, 40) == 0)
			break;
	}
	if (random_below(random, 8) == 0)
		add(blob, "evil words %zu", number % 3);
}

static void add_base64(struct text *mail, const struct text *blob)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t at = 0; at < blob->n; at += 3) {
		uint32_t bits = 0;
		size_t n = blob->n - at < 3 ? blob->n - at : 3;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < n ? (uint8_t)blob->data[at + i] : 0);
		add(mail, "%c%c%c%c%s", letters[bits >> 18], letters[bits >> 12 & 63],
			n > 1 ? letters[bits >> 6 & 63] : '=', n > 2 ? letters[bits & 63] : '=',
			at % 57 == 54 ? "\r\n" : "");
	}
	add(mail, "\r\n");
}

static void add_part(struct random *random, struct text *mail)
{
	const struct text *blob = &blobs[random_below(random, BLOBS)];
	const bool is_base64 = random_below(random, 2) == 0;
	const char *type = blob->data[0] == '<' ? "text/html" : "text/plain";

	if (random_below(random, 4) == 0)
		type = "application/octet-stream";
	add(mail, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
		is_base64 ? "base64" : "7bit");
	if (is_base64)
		add_base64(mail, blob);
	else
		add(mail, "%.*s", (int)blob->n, blob->data);
}

static void make_mail(struct random *random, struct text *mail)
{
	uint32_t parts = random_below(random, 5);

	mail->n = 0;
	add(mail, "From: a@example.org\r\nSubject: mail %u\r\n", random_below(random, 6));
	if (parts == 0) {
		add_part(random, mail);
		return;
	}
	add(mail, "Content-Type: multipart/mixed; boundary=cut\r\n\r\n");
	while (parts-- > 0) {
		add(mail, "--cut\r\n");
		add_part(random, mail);
		if (random_below(random, 2) == 0)
			add(mail, "\r\n");
	}
	add(mail, "--cut--\r\n");
}

// ---- lists ---------------------------------------------------------------------------------------

// What an entry is of: a mail or a part, with its last line break or without.
static size_t choose(struct random *random, const char **data)
{
	const struct text *text = random_below(random, 3) == 0
					  ? &mails[random_below(random, MAILS)]
					  : &blobs[random_below(random, BLOBS)];
	size_t cut = random_below(random, 3);

	*data = text->data;
	return text->n - (cut < text->n ? cut : 0);
}

static void add_digest(struct text *list, const uint8_t *digest, size_t n, size_t bytes)
{
	for (size_t i = 0; i < n; i++)
		add(list, "%02x", digest[i]);
	if (bytes > 0)
		add(list, ":%zu:Test.%zu\n", bytes, list->n);
	else
		add(list, ":*:Test.%zu:73\n", list->n);
}

static bool is_any_size; // some entries are of objects of any size

static void add_entry(struct random *random, struct text *list, unsigned int algorithm)
{
	uint8_t digest[SCREEN_DIGEST_BYTES];
	const char *data;
	size_t n = choose(random, &data);

	screened_digest(data, n, algorithm, digest);
	add_digest(list, digest, digest_length(algorithm),
		is_any_size && random_below(random, 4) == 0 ? 0 : n);
}

static void add_decoys(struct random *random, struct text *list, unsigned int algorithm)
{
	for (uint32_t i = random_below(random, DECOYS); i > 0; i--) {
		uint8_t digest[SCREEN_DIGEST_BYTES];
		const char *data;
		size_t n = choose(random, &data);

		for (size_t k = 0; k < sizeof(digest); k++)
			digest[k] = (uint8_t)random_below(random, 256);
		add_digest(list, digest, digest_length(algorithm),
			random_below(random, 2) == 0 ? n : random_below(random, 4000) + 1);
	}
}

static struct case_image make_rules(struct random *random)
{
	static struct text lists[4];
	const char *const files[] = {"a.hdb", lists[0].data, "a.hsb", lists[1].data, "a.fp",
		lists[2].data, "a.ndb", lists[3].data, NULL};
	static const unsigned int algorithms[] = {DIGEST_SHA1, DIGEST_SHA256};

	for (size_t i = 0; i < 4; i++)
		lists[i].n = 0;
	is_any_size = random_below(random, 3) == 0;
	add(&lists[0], "%032x:1:Test.first\n", 1u);
	add(&lists[1], "%064x:1:Test.first\n", 1u);
	add(&lists[3], "Test.Evil:0:*:6576696c20776f72647320%02x\n", '0' + random_below(random, 3));
	for (uint32_t i = random_below(random, 6); i > 0; i--)
		add_entry(random, &lists[0], DIGEST_MD5);
	add_decoys(random, &lists[0], DIGEST_MD5);
	for (size_t k = 0; k < 2; k++) {
		for (uint32_t i = random_below(random, 4); i > 0; i--)
			add_entry(random, &lists[1], algorithms[k]);
		if (random_below(random, 2) == 0)
			add_decoys(random, &lists[1], algorithms[k]);
	}
	if (random_below(random, 2) == 0)
		add_entry(random, &lists[2], DIGEST_MD5);
	return case_build(true, files);
}

static void make_screen(struct random *random, void **image, size_t *bytes)
{
	static const unsigned int algorithms[] = {DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256};
	struct screen_entry entries[ENTRIES];
	char error[256];

	for (size_t i = 0; i < ENTRIES; i++) {
		const char *data;
		size_t n = choose(random, &data);

		entries[i] =
			screened_entry(random_below(random, 4) == 0 ? SCREEN_MESSAGE : SCREEN_FILE,
				algorithms[random_below(random, 3)], data, n);
		entries[i].bytes = random_below(random, 6) == 0 ? 0 : n;
		if (random_below(random, 2) == 0)
			entries[i].digest[0] ^= 1;
	}
	assert_int_equal(screen_build(entries, ENTRIES, image, bytes, error, sizeof(error)), 0);
}

// ---- results -------------------------------------------------------------------------------------

static void tell(const struct scan_result *result, struct text *out)
{
	out->n = 0;
	add(out, "%s %s %d\n", verdict_name(result->verdict), result->reason,
		result->has_more_matches);
	for (size_t i = 0; i < result->matches_count; i++)
		add(out, "%s in %u, entry %llu\n", result->matches[i].signature,
			result->matches[i].part, (unsigned long long)result->matches[i].entry);
	for (size_t i = 0; i < result->parts_count; i++) {
		const struct scan_part *part = &result->parts[i];

		add(out, "part %u in %u, %llu bytes, %s, %x", part->index, part->parent,
			(unsigned long long)part->bytes, part->detected_type, part->digests);
		for (size_t k = 0; k < sizeof(part->md5); k++)
			add(out, " %02x%02x%02x", part->md5[k], part->sha1[k], part->sha256[k]);
		add(out, "\n");
	}
}

struct world {
	struct ruleset *ruleset;
	struct scan_options options;
	struct text wanted[MAILS];
};

static void scan_at_once(struct world *world)
{
	struct scanner *scanner;

	is_at_once = true;
	assert_int_equal(scanner_new(&world->options, world->ruleset, &scanner), 0);
	for (size_t i = 0; i < MAILS; i++) {
		struct scan *scan;

		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
		scan_feed(scan, (const uint8_t *)mails[i].data, mails[i].n);
		assert_false(scan_is_waiting(scan));
		tell(scan_end(scan), &world->wanted[i]);
		scan_free(scan);
	}
	scanner_free(scanner);
	is_at_once = false;
}

struct open {
	struct scan *scan; // NULL: none
	size_t mail;
	size_t fed;
	bool is_over;
};

struct steps {
	uint32_t ended;
	uint32_t waited;
};

static void step(struct random *random, const struct world *world, struct scanner *scanner,
	struct open *open, struct steps *steps)
{
	const struct text *mail = &mails[open->mail];
	static struct text told;

	if (open->scan == NULL) {
		*open = (struct open){.mail = random_below(random, MAILS)};
		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &open->scan), 0);
		return;
	}
	if (open->fed < mail->n) {
		size_t n = random_below(random, 3000) + 1;

		n = n < mail->n - open->fed ? n : mail->n - open->fed;
		scan_feed(open->scan, (const uint8_t *)mail->data + open->fed, n);
		open->fed += n;
		if (random_below(random, 20) != 0)
			return;
		// Given up in the middle.
		scan_free(open->scan);
		open->scan = NULL;
		return;
	}
	if (!open->is_over && random_below(random, 3) > 0) {
		if (random_below(random, 2) == 0)
			scan_feed_end(open->scan);
		else
			assert_true(scan_finish(open->scan, false));
		steps->waited += scan_is_waiting(open->scan);
		open->is_over = true;
		return;
	}
	if (random_below(random, 10) > 0) {
		tell(scan_end(open->scan), &told);
		assert_string_equal(told.data, world->wanted[open->mail].data);
		steps->ended++;
	}
	scan_free(open->scan);
	open->scan = NULL;
}

static void interleave(struct random *random, const struct world *world, struct steps *steps)
{
	struct open open[OPEN] = {0};
	struct scanner *scanner;

	assert_int_equal(scanner_new(&world->options, world->ruleset, &scanner), 0);
	for (unsigned int i = 0; i < STEPS; i++) {
		if (random_below(random, 25) == 0)
			scanner_settle(scanner);
		if (random_below(random, 25) == 0)
			scanner_rest(scanner);
		step(random, world, scanner, &open[random_below(random, OPEN)], steps);
	}
	for (size_t i = 0; i < OPEN; i++)
		scan_free(open[i].scan);
	assert_int_equal(scanner_in_progress(scanner), 0);
	scanner_free(scanner);
}

static void results_do_not_depend_on_what_is_computed_together(void **state)
{
	static struct world world;
	struct random random = {11};
	struct steps steps = {0};

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct ruleset *rules;
		struct case_image built;
		void *image = NULL;
		size_t bytes;

		for (size_t i = 0; i < BLOBS; i++)
			make_blob(&random, &blobs[i], i);
		for (size_t i = 0; i < MAILS; i++)
			make_mail(&random, &mails[i]);
		built = make_rules(&random);
		assert_int_equal(built.err, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
		world.ruleset = rules;
		if (random_below(&random, 2) == 0) {
			make_screen(&random, &image, &bytes);
			assert_int_equal(
				ruleset_attach_screen(rules, image, bytes, &world.ruleset), 0);
		}
		scan_options_init(&world.options);
		world.options.max_messages = OPEN;
		world.options.all_matches = random_below(&random, 2) == 0;
		world.options.digests =
			random_below(&random, 3) == 0 ? random_below(&random, 8) : 0;
		scan_at_once(&world);
		interleave(&random, &world, &steps);
		if (world.ruleset != rules)
			ruleset_close(world.ruleset);
		ruleset_close(rules);
		free(image);
		free(built.image);
	}
	assert_true(steps.ended > ROUNDS * 10);
	assert_true(steps.waited > ROUNDS * 5);
}

#define WAITING 16

// What only reading a message takes is there for others while it waits.
static void waiting_takes_no_memory_of_readings(void **state)
{
	static const char mail[] = "Content-Type: text/plain\r\n"
				   "Content-Transfer-Encoding: base64\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
				   "SGVsbG8gd29ybGQsIGhlbGxvIG1haWw=\r\n";
	struct scan_options options;
	struct scan *scans[WAITING];
	struct scanner *scanner;
	struct ruleset *rules;
	struct case_image built;
	char line[80];

	(void)state;
	(void)snprintf(line, sizeof(line), "44d88612fea8a8f36de82e1278abb02f:%zu:Of.This.Size\n",
		sizeof(mail) - 1);
	built = case_build_one("t.hdb", line);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
	scan_options_init(&options);
	options.max_messages = WAITING;
	assert_int_equal(scanner_new(&options, rules, &scanner), 0);
	for (size_t i = 0; i < WAITING; i++) {
		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scans[i]), 0);
		scan_feed(scans[i], (const uint8_t *)mail, sizeof(mail) - 1);
		scan_feed_end(scans[i]);
		assert_true(scan_is_waiting(scans[i]));
	}
	scanner_settle(scanner);
	for (size_t i = 0; i < WAITING; i++) {
		assert_int_not_equal(scan_end(scans[i])->verdict, VERDICT_UNSCANNABLE);
		scan_free(scans[i]);
	}
	scanner_free(scanner);
	ruleset_close(rules);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_do_not_depend_on_what_is_computed_together),
		cmocka_unit_test(waiting_takes_no_memory_of_readings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
