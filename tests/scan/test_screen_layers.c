// SPDX-License-Identifier: BSD-3-Clause
// A list with a layer on it, beside the same list in one image.
#include "scan/scan.h"
#include "scan/screen_image.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_ENTRIES 600
#define SAMPLES 3
#define MOST_BYTES 8000

static struct {
	uint8_t data[MOST_BYTES];
	size_t bytes;
	enum scan_kind kind;
} samples[SAMPLES];

// All that may be on the lists of these tests, by kinds, conditions and what they hit.
static struct screen_entry all[MOST_ENTRIES];
static size_t all_count;

// ---- entries -------------------------------------------------------------------------------------

static void make_samples(void)
{
	static const char head[] = "Subject: one\r\nContent-Type: text/plain\r\n\r\n";
	struct random random = {5};

	samples[0].bytes = screened_program(samples[0].data);
	samples[0].kind = SCAN_FILE;
	samples[1].bytes = 7000;
	samples[1].kind = SCAN_FILE;
	for (size_t i = 0; i < samples[1].bytes; i++)
		samples[1].data[i] = (uint8_t)(0x80 | random_below(&random, 256));
	memcpy(samples[1].data, "GIF89a", 6);
	samples[2].bytes = 5000;
	samples[2].kind = SCAN_MESSAGE;
	for (size_t i = 0; i < samples[2].bytes; i++)
		samples[2].data[i] =
			(uint8_t)(i % 60 == 59 ? '\n' : 'a' + random_below(&random, 26));
	memcpy(samples[2].data, head, sizeof(head) - 1);
}

static void add(const struct screen_entry *entry)
{
	char error[256];

	assert_true(all_count < MOST_ENTRIES);
	if (screen_check(entry, error, sizeof(error)) == 0)
		all[all_count++] = *entry;
}

// It, and others that say a little more, less or another thing.
static void add_with_others(const struct screen_entry *entry, size_t sample)
{
	struct screen_entry other = *entry;

	add(entry);
	other.bytes = entry->bytes == 0 ? samples[sample].bytes : 0;
	add(&other);
	other.file_type = sample == 0 ? "pe" : "gif";
	add(&other);
	other.file_type = "zip";
	add(&other);
	other = *entry;
	other.bytes = samples[sample].bytes + 1;
	add(&other);
	other = *entry;
	other.digest[3] ^= 1;
	add(&other);
	other = *entry;
	other.virus_id = "CV-2";
	add(&other);
}

static void make_entries(void)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		struct screen_sample_options options = {.virus_id = "CV-1",
			.algorithms = DIGEST_MD5 | DIGEST_SHA256,
			.is_message = samples[i].kind == SCAN_MESSAGE};
		struct screen_entry *entries = NULL;
		size_t count = 0;

		assert_int_equal(screen_compute(&options, samples[i].data, samples[i].bytes,
					 &entries, &count),
			0);
		for (size_t k = 0; k < count; k++)
			add_with_others(&entries[k], i);
		free(entries);
	}
	assert_true(all_count > 100);
}

static int set_up(void **state)
{
	make_samples();
	make_entries();
	return screened_setup(state);
}

// ---- lists ---------------------------------------------------------------------------------------

// What is on; the name is what an id does not tell.
struct list {
	bool on[MOST_ENTRIES];
	bool is_other[MOST_ENTRIES];
};

static struct screen_entry entry_at(const struct list *list, size_t i)
{
	struct screen_entry entry = all[i];

	entry.name = list->is_other[i] ? "Other" : "";
	entry.action = list->is_other[i] ? SCREEN_ACTION_DISCARD : SCREEN_ACTION_DEFAULT;
	return entry;
}

static size_t gather(const struct list *list, const bool *changed, struct screen_entry *out)
{
	size_t count = 0;

	for (size_t i = 0; i < all_count; i++)
		if (list->on[i] && (changed == NULL || changed[i]))
			out[count++] = entry_at(list, i);
	return count;
}

static void build(const struct list *list, void **image, size_t *bytes)
{
	struct screen_entry entries[MOST_ENTRIES];
	char error[256] = "";

	if (screen_build(
		    entries, gather(list, NULL, entries), image, bytes, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static int build_layer(const void *below, size_t below_bytes, const struct list *list,
	const bool *changed, void **image, size_t *bytes)
{
	struct screen_entry entries[MOST_ENTRIES];
	uint64_t ids[2 * MOST_ENTRIES];
	struct screen_change change = {.ids = ids, .entries = entries};
	struct screen_part *part;
	char error[256] = "";
	int err;

	assert_int_equal(screen_part_open(below, below_bytes, &part), 0);
	change.count = gather(list, changed, entries);
	// Told more than once, and in no order.
	for (size_t i = all_count; i-- > 0;)
		if (changed[i])
			for (size_t k = 0; k < 1 + i % 2; k++)
				ids[change.ids_count++] = screen_id(&all[i]);
	err = screen_build_layer(part, &change, image, bytes, error, sizeof(error));
	screen_part_close(part);
	return err;
}

// ---- comparing -----------------------------------------------------------------------------------

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct texts {
	char *text[MOST_ENTRIES];
	size_t count;
};

static void tell(struct texts *texts, char *text)
{
	assert_non_null(text);
	texts->text[texts->count++] = text;
}

static void expect_same(struct texts *one, struct texts *two)
{
	qsort(one->text, one->count, sizeof(one->text[0]), compare_texts);
	qsort(two->text, two->count, sizeof(two->text[0]), compare_texts);
	assert_int_equal(one->count, two->count);
	for (size_t i = 0; i < one->count; i++) {
		assert_string_equal(one->text[i], two->text[i]);
		free(one->text[i]);
		free(two->text[i]);
	}
}

static struct texts entries_of(const struct ruleset *ruleset)
{
	struct texts texts = {.count = 0};
	struct screen_entry entry;
	char *text = NULL;

	for (uint32_t i = 0; i < ruleset_get_screen_numbers(ruleset); i++) {
		if (!ruleset_get_screen_entry(ruleset, i, &entry))
			continue;
		assert_true(asprintf(&text, "%016llx %s %d", (unsigned long long)screen_id(&entry),
				    entry.name, (int)entry.action) > 0);
		tell(&texts, text);
	}
	assert_int_equal(texts.count, ruleset_get_screen(ruleset)->entries);
	return texts;
}

static struct texts matches_of(struct screened *rig, size_t sample)
{
	struct scan *scan = screened_scan(
		rig, samples[sample].kind, samples[sample].data, samples[sample].bytes, 900, NULL);
	const struct scan_result *result = scan_end(scan);
	struct texts texts = {.count = 0};
	char *text = NULL;

	for (size_t i = 0; i < result->matches_count; i++) {
		const struct scan_match *match = &result->matches[i];

		assert_true(
			asprintf(&text, "%016llx %s %s %d %d %u", (unsigned long long)match->entry,
				match->signature, match->virus_id, (int)match->action,
				(int)match->screened, match->part) > 0);
		tell(&texts, text);
	}
	assert_true(asprintf(&text, "%d %s", (int)result->verdict, result->reason) > 0);
	tell(&texts, text);
	scan_free(scan);
	return texts;
}

static struct scanner *new_scanner(const struct ruleset *ruleset)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.max_messages = 2;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static size_t expect_same_list(struct ruleset *ruleset, const struct list *list)
{
	struct screened rebuilt = {0};
	struct screened layered = {.ruleset = ruleset, .scanner = new_scanner(ruleset)};
	struct texts one;
	struct texts two;
	size_t bytes;
	size_t hits = 0;

	build(list, &rebuilt.image, &bytes);
	assert_int_equal(
		ruleset_attach_screen(screened_bare, rebuilt.image, bytes, &rebuilt.ruleset), 0);
	rebuilt.scanner = new_scanner(rebuilt.ruleset);
	one = entries_of(rebuilt.ruleset);
	two = entries_of(ruleset);
	expect_same(&one, &two);
	for (size_t i = 0; i < SAMPLES; i++) {
		one = matches_of(&rebuilt, i);
		two = matches_of(&layered, i);
		hits += one.count - 1;
		expect_same(&one, &two);
	}
	screened_fini(&rebuilt);
	scanner_free(layered.scanner);
	return hits;
}

static void *join(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	uint8_t *both = aligned_alloc(SCREEN_ALIGN, a_bytes + b_bytes);

	assert_non_null(both);
	memcpy(both, a, a_bytes);
	memcpy(both + a_bytes, b, b_bytes);
	return both;
}

// ---- tests ---------------------------------------------------------------------------------------

static void change_some(struct random *random, struct list *list, bool *changed)
{
	for (uint32_t i = random_below(random, 60); i > 0; i--) {
		size_t at = random_below(random, (uint32_t)all_count);

		changed[at] = true;
		if (random_below(random, 4) == 0)
			list->is_other[at] = !list->is_other[at];
		else
			list->on[at] = !list->on[at];
	}
}

static void a_layered_list_is_the_list_that_is_built_anew(void **state)
{
	struct random random = {99};
	size_t hits = 0;

	(void)state;
	for (unsigned int round = 0; round < 8; round++) {
		struct list list = {0};
		bool changed[MOST_ENTRIES] = {false};
		void *below;
		size_t below_bytes;
		void *layer;
		size_t bytes;

		for (size_t i = 0; i < all_count; i++) {
			list.on[i] = random_below(&random, 8) < round;
			list.is_other[i] = random_below(&random, 3) == 0;
		}
		build(&list, &below, &below_bytes);
		for (unsigned int step = 0; step < 6; step++) {
			struct ruleset *ruleset;
			void *both;

			change_some(&random, &list, changed);
			assert_int_equal(
				build_layer(below, below_bytes, &list, changed, &layer, &bytes), 0);
			both = join(below, below_bytes, layer, bytes);
			assert_int_equal(ruleset_attach_screen(screened_bare, both,
						 below_bytes + bytes, &ruleset),
				0);
			hits += expect_same_list(ruleset, &list);
			ruleset_close(ruleset);
			free(both);
			free(layer);
		}
		free(below);
	}
	assert_true(hits > 500);
}

// A layer takes another's place; the image below is shared, and its counts.
static void counts_stay_with_their_entries_over_layers(void **state)
{
	struct list list = {0};
	bool changed[MOST_ENTRIES] = {false};
	struct ruleset *rulesets[4];
	void *below;
	void *layers[3];
	size_t bytes;
	size_t below_bytes;
	struct scanner *scanner;
	struct screened rig = {0};

	(void)state;
	// Two that hit, one on the list from the first on, one that comes and goes.
	list.on[0] = true;
	build(&list, &below, &below_bytes);
	assert_int_equal(ruleset_attach_screen(screened_bare, below, below_bytes, &rulesets[0]), 0);
	changed[1] = true;
	changed[0] = true;
	for (size_t i = 0; i < 3; i++) {
		void *mapped;

		list.on[1] = i != 1;
		list.is_other[0] = i == 2;
		assert_int_equal(
			build_layer(below, below_bytes, &list, changed, &layers[i], &bytes), 0);
		// It is unmapped with the ruleset.
		mapped = mmap(
			NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(mapped != MAP_FAILED);
		memcpy(mapped, layers[i], bytes);
		assert_int_equal(ruleset_attach_screen_layer_mapped(screened_bare, rulesets[i],
					 mapped, bytes, &rulesets[i + 1]),
			0);
		rig.ruleset = rulesets[i];
		scanner = new_scanner(rulesets[i]);
		rig.scanner = scanner;
		scan_free(screened_scan(&rig, samples[0].kind, samples[0].data, samples[0].bytes,
			samples[0].bytes, NULL));
		scanner_free(scanner);
		ruleset_move_screen_hits(rulesets[i], rulesets[i + 1]);
		ruleset_close(rulesets[i]);
		free(layers[i]);
	}
	for (uint32_t i = 0; i < ruleset_get_screen_numbers(rulesets[3]); i++) {
		struct screen_entry entry;
		uint64_t hits = ruleset_get_screen_hits(rulesets[3], i);

		if (!ruleset_get_screen_entry(rulesets[3], i, &entry))
			assert_int_equal(hits, 0);
		else if (screen_id(&entry) == screen_id(&all[0]))
			assert_int_equal(hits, 3);
	}
	ruleset_close(rulesets[3]);
	free(below);
}

static void a_layer_of_another_image_is_none(void **state)
{
	struct list one = {0};
	struct list two = {0};
	bool changed[MOST_ENTRIES] = {false};
	struct ruleset *ruleset;
	struct ruleset *other;
	void *images[3];
	size_t bytes[3];
	void *both;

	(void)state;
	one.on[0] = true;
	two.on[1] = true;
	changed[2] = true;
	build(&one, &images[0], &bytes[0]);
	build(&two, &images[1], &bytes[1]);
	two.on[2] = true;
	assert_int_equal(build_layer(images[1], bytes[1], &two, changed, &images[2], &bytes[2]), 0);
	assert_int_equal(ruleset_attach_screen(screened_bare, images[0], bytes[0], &ruleset), 0);
	assert_int_equal(ruleset_attach_screen_layer_mapped(
				 screened_bare, ruleset, images[2], bytes[2], &other),
		-ESTALE);
	assert_int_equal(ruleset_attach_screen_layer_mapped(
				 screened_bare, screened_bare, images[2], bytes[2], &other),
		-ESTALE);
	assert_int_equal(
		ruleset_attach_screen(screened_bare, images[2], bytes[2], &other), -EBADMSG);
	both = join(images[0], bytes[0], images[2], bytes[2]);
	assert_int_equal(
		ruleset_attach_screen(screened_bare, both, bytes[0] + bytes[2], &other), -EBADMSG);
	ruleset_close(ruleset);
	free(both);
	for (size_t i = 0; i < 3; i++)
		free(images[i]);
}

// Nor does it fit there: it has none of what those of that image share, and more of it is gone than there is.
static void a_layer_need_not_fit_on_another_image(void **state)
{
	struct list one = {0};
	struct list two = {0};
	bool changed[MOST_ENTRIES] = {false};
	struct ruleset *ruleset;
	struct ruleset *other;
	void *images[3];
	size_t bytes[3];

	(void)state;
	two.on[0] = true;
	for (size_t i = 0; i < all_count; i++)
		one.on[i] = i % 2 == 0;
	changed[0] = true;
	build(&one, &images[0], &bytes[0]);
	build(&two, &images[1], &bytes[1]);
	two.on[0] = false;
	assert_int_equal(build_layer(images[1], bytes[1], &two, changed, &images[2], &bytes[2]), 0);
	assert_int_equal(ruleset_attach_screen(screened_bare, images[0], bytes[0], &ruleset), 0);
	assert_int_equal(ruleset_attach_screen_layer_mapped(
				 screened_bare, ruleset, images[2], bytes[2], &other),
		-ESTALE);
	ruleset_close(ruleset);
	for (size_t i = 0; i < 3; i++)
		free(images[i]);
}

static struct screen_entry range_at(size_t place)
{
	struct screen_entry entry =
		screened_entry(SCREEN_RANGE, DIGEST_SHA256, samples[1].data + place, 40);

	entry.offset = place;
	return entry;
}

// So many ranges below, none of which is on any more, and as many more.
static void what_is_too_much_with_what_is_gone_is_told(void **state)
{
	struct screen_entry entries[SCREEN_MAX_PLACES];
	uint64_t ids[SCREEN_MAX_PLACES + 1];
	struct screen_change change = {.ids = ids, .entries = entries};
	char error[256] = "";
	struct screen_part *part;
	void *image;
	void *layer;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < SCREEN_MAX_PLACES; i++) {
		entries[i] = range_at(i);
		ids[i] = screen_id(&entries[i]);
	}
	assert_int_equal(
		screen_build(entries, SCREEN_MAX_PLACES, &image, &bytes, error, sizeof(error)), 0);
	assert_int_equal(screen_part_open(image, bytes, &part), 0);
	change.ids_count = SCREEN_MAX_PLACES;
	assert_int_equal(
		screen_build_layer(part, &change, &layer, &bytes, error, sizeof(error)), 0);
	free(layer);
	entries[0] = range_at(SCREEN_MAX_PLACES);
	change.count = 1;
	ids[change.ids_count++] = screen_id(&entries[0]);
	assert_int_equal(
		screen_build_layer(part, &change, &layer, &bytes, error, sizeof(error)), -E2BIG);
	// With one digest as many as there may be, some below and some in the layer.
	screen_part_close(part);
	free(image);
	for (size_t i = 0; i <= SCREEN_SAME_DIGEST; i++) {
		entries[i] = screened_entry(SCREEN_FILE, DIGEST_MD5, "same", 4);
		entries[i].bytes = i + 1;
		ids[i] = screen_id(&entries[i]);
	}
	assert_int_equal(screen_build(entries, 10, &image, &bytes, error, sizeof(error)), 0);
	assert_int_equal(screen_part_open(image, bytes, &part), 0);
	change = (struct screen_change){
		ids + 10, SCREEN_SAME_DIGEST - 10, entries + 10, SCREEN_SAME_DIGEST - 10};
	assert_int_equal(
		screen_build_layer(part, &change, &layer, &bytes, error, sizeof(error)), 0);
	free(layer);
	change.count++;
	change.ids_count++;
	assert_int_equal(
		screen_build_layer(part, &change, &layer, &bytes, error, sizeof(error)), -E2BIG);
	screen_part_close(part);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_layered_list_is_the_list_that_is_built_anew),
		cmocka_unit_test(counts_stay_with_their_entries_over_layers),
		cmocka_unit_test(a_layer_of_another_image_is_none),
		cmocka_unit_test(a_layer_need_not_fit_on_another_image),
		cmocka_unit_test(what_is_too_much_with_what_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, screened_teardown);
}
