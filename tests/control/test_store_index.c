// SPDX-License-Identifier: BSD-3-Clause
// The index of kept mail: lists in pages, and what is to be judged next.
#include "control/store_index.h"
#include "control/urgent.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 100000
#define ID_BYTES 64

static struct spoolfile_record record_of(uint64_t number, enum spool_state state)
{
	// Three of each moment.
	return (struct spoolfile_record){.id = {7, number},
		.state = state,
		.arrival_ns = (int64_t)(number / 3) * 1000000000,
		.body_bytes = number};
}

static void add(struct store_index *index, const struct spoolfile_record *record)
{
	char sender[64];
	json_t *envelope;
	json_t *reason = json_pack("{s:s, s:s, s:s, s:[s], s:[]}", "subject", "Hello", "verdict",
		"clean", "reason", "sealed", "seals", "CV-1", "signatures");

	(void)snprintf(sender, sizeof(sender), "s%llu@a.example",
		(unsigned long long)record->id.number % 100);
	envelope = json_pack(
		"{s:s, s:[{s:s}]}", "mail_from", sender, "rcpt_to", "address", "b@b.example");
	assert_int_equal(store_index_add(index, record, envelope, reason, 5), 0);
	json_decref(envelope);
	json_decref(reason);
}

static struct store_index *index_of(uint64_t count)
{
	struct store_index *index = NULL;

	assert_int_equal(store_index_open(&index), 0);
	store_index_pass(index);
	for (uint64_t i = 1; i <= count; i++) {
		struct spoolfile_record record =
			record_of(i, i % 10 == 0 ? SPOOL_QUARANTINED : SPOOL_HELD);

		assert_false(store_index_know(index, &record));
		add(index, &record);
	}
	store_index_pass_end(index);
	return index;
}

static json_int_t page(struct store_index *index, json_t *filter, char *last, size_t *seen)
{
	json_t *answer = store_index_list(index, filter);
	json_t *records = json_object_get(answer, "records");
	json_int_t total = json_integer_value(json_object_get(answer, "total"));
	bool more = json_is_true(json_object_get(answer, "more"));

	*seen += json_array_size(records);
	(void)snprintf(last, ID_BYTES, "%s",
		more ? json_string_value(json_object_get(
			       json_array_get(records, json_array_size(records) - 1), "id"))
		     : "");
	json_decref(answer);
	return total;
}

static void pages_hold_each_of_a_hundred_thousand_once(void **state)
{
	struct store_index *index = index_of(MANY);
	char last[ID_BYTES] = "";
	size_t seen = 0;
	size_t pages = 0;

	(void)state;
	do {
		json_t *filter = json_pack("{s:s, s:i}", "state", "held", "limit", 1000);

		if (last[0] != '\0')
			(void)json_object_set_new(filter, "after", json_string(last));
		(void)page(index, filter, last, &seen);
		json_decref(filter);
		pages++;
	} while (last[0] != '\0' && pages < 1000);
	assert_int_equal(seen, MANY / 10 * 9);
	assert_int_equal(pages, 90);
	store_index_close(index);
}

static void a_filter_chooses_and_counts(void **state)
{
	struct store_index *index = index_of(1000);
	json_t *filter =
		json_pack("{s:s, s:s, s:i}", "state", "held", "sender", "S7@*", "limit", 3);
	char last[ID_BYTES];
	size_t seen = 0;

	(void)state;
	assert_int_equal(page(index, filter, last, &seen), 10);
	assert_int_equal(seen, 3);
	assert_string_not_equal(last, "");
	json_decref(filter);
	store_index_close(index);
}

// The numbers of the records that a filter gives, in their order.
static size_t numbers_of(struct store_index *index, json_t *filter, uint64_t *out, size_t room)
{
	json_t *answer = store_index_list(index, filter);
	json_t *record;
	size_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "records"), i, record)
	{
		struct spool_id id;

		assert_int_equal(
			spool_id_parse(json_string_value(json_object_get(record, "id")), &id), 0);
		assert_true(n < room);
		out[n++] = id.number;
	}
	json_decref(answer);
	json_decref(filter);
	return n;
}

static void words_are_all_there_in_any_case(void **state)
{
	static const struct {
		const char *text;
		size_t total;
	} cases[] = {{"", 100}, {"  ", 100}, {"S7@A", 1}, {"hello s7@", 1}, {"hELLO cv-1", 100},
		{"hello nobody", 0}, {"%", 0}, {"*", 0}, {"b@b.example S9", 11}};
	struct store_index *index = index_of(100);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *filter = json_pack("{s:s}", "text", cases[i].text);
		json_t *answer = store_index_list(index, filter);

		assert_int_equal(
			json_integer_value(json_object_get(answer, "total")), cases[i].total);
		json_decref(answer);
		json_decref(filter);
	}
	store_index_close(index);
}

static void lists_are_sorted_both_ways_and_begin_anywhere(void **state)
{
	struct store_index *index = index_of(20);
	uint64_t found[32];

	(void)state;
	assert_int_equal(numbers_of(index,
				 json_pack("{s:s, s:b, s:i, s:i}", "order", "bytes", "descending",
					 1, "limit", 3, "offset", 2),
				 found, 32),
		3);
	assert_int_equal(found[0], 18);
	assert_int_equal(found[2], 16);
	// As texts: s10@, s11@, ... before s1@.
	assert_int_equal(numbers_of(index, json_pack("{s:s, s:i}", "order", "sender", "limit", 3),
				 found, 32),
		3);
	assert_int_equal(found[0], 10);
	assert_int_equal(found[2], 12);
	assert_int_equal(
		numbers_of(index,
			json_pack("{s:s, s:b, s:i}", "order", "subject); DROP TABLE record",
				"descending", 1, "limit", 1),
			found, 32),
		1);
	assert_int_equal(found[0], 20);
	assert_int_equal(numbers_of(index, json_pack("{s:i, s:i}", "min_bytes", 5, "max_bytes", 7),
				 found, 32),
		3);
	assert_int_equal(numbers_of(index, json_pack("{s:i}", "offset", 20), found, 32), 0);
	store_index_close(index);
}

static void what_is_gone_is_forgotten_and_what_has_changed_is_seen(void **state)
{
	struct store_index *index = index_of(10);
	json_t *counts;

	(void)state;
	store_index_pass(index);
	for (uint64_t i = 1; i <= 8; i++) {
		struct spoolfile_record record = record_of(i, SPOOL_QUARANTINED);

		assert_true(store_index_know(index, &record));
	}
	store_index_pass_end(index);
	counts = store_index_counts(index);
	assert_int_equal(json_integer_value(json_object_get(counts, "quarantined")), 8);
	assert_null(json_object_get(counts, "held"));
	json_decref(counts);
	store_index_set_state(index, (struct spool_id){7, 3}, SPOOL_DELETED);
	counts = store_index_counts(index);
	assert_int_equal(json_integer_value(json_object_get(counts, "quarantined")), 7);
	json_decref(counts);
	store_index_close(index);
}

static void each_is_judged_once_for_each_key_in_the_order_of_arrival(void **state)
{
	struct store_index *index = index_of(MANY);
	struct spool_id ids[16];
	size_t n;

	(void)state;
	assert_int_equal(store_index_settled(index, SPOOL_HELD, "one", 4, ids, 16), 0);
	for (int key = 0; key < 2; key++) {
		const char *name = key == 0 ? "one" : "two";
		int64_t before = 0;
		size_t seen = 0;

		while ((n = store_index_settled(index, SPOOL_HELD, name, 5, ids, 16)) > 0) {
			for (size_t i = 0; i < n; i++) {
				int64_t arrival = record_of(ids[i].number, SPOOL_HELD).arrival_ns;

				assert_true(arrival >= before);
				before = arrival;
				store_index_set_judged(index, ids[i], name);
			}
			seen += n;
		}
		assert_int_equal(seen, MANY / 10 * 9);
	}
	// What was taken back is due again, and what an operator has released is due for him.
	store_index_set_judged(index, (struct spool_id){7, 5}, "");
	assert_int_equal(store_index_settled(index, SPOOL_HELD, "two", 5, ids, 16), 1);
	assert_int_equal(ids[0].number, 5);
	store_index_set_state(index, (struct spool_id){7, 6}, SPOOL_RELEASED);
	assert_int_equal(store_index_settled(index, SPOOL_RELEASED, "operator", 5, ids, 16), 1);
	store_index_set_judged(index, (struct spool_id){7, 6}, "operator");
	assert_int_equal(store_index_settled(index, SPOOL_RELEASED, "operator", 5, ids, 16), 0);
	assert_int_equal(store_index_settled(index, SPOOL_HELD, "two", 5, ids, 16), 1);
	store_index_close(index);
}

static void what_may_be_an_alert_is_shown_once_by_arrival(void **state)
{
	static const char *const reasons[] = {
		"alert", "sealed", "alert:hold", "alerting", "", "seal-scope", "alert"};
	struct store_index *index = NULL;
	struct spool_id id;

	(void)state;
	assert_int_equal(store_index_open(&index), 0);
	for (uint64_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		// The last one is in quarantine: a verdict stands against it.
		struct spoolfile_record record =
			record_of(i, i == 6 ? SPOOL_QUARANTINED : SPOOL_HELD);
		json_t *reason = json_pack("{s:s}", "reason", reasons[i]);

		assert_int_equal(store_index_add(index, &record, NULL, reason, 5), 0);
		json_decref(reason);
	}
	assert_true(store_index_is_unread_alert(index, (struct spool_id){7, 2}));
	assert_true(store_index_next_alert(index, &id));
	assert_int_equal(id.number, 0);
	assert_true(store_index_next_alert(index, &id));
	assert_int_equal(id.number, 2);
	assert_false(store_index_is_unread_alert(index, (struct spool_id){7, 2}));
	assert_false(store_index_next_alert(index, &id));
	store_index_close(index);
}

static gboolean count_served(gpointer served)
{
	(*(unsigned int *)served)++;
	return G_SOURCE_CONTINUE;
}

// A seal changes the key, and with it all rows.
static void what_goes_over_all_rows_lets_what_is_urgent_in(void **state)
{
	struct store_index *index = index_of(5000);
	GSource *always = g_idle_source_new();
	json_t *filter = json_pack("{s:s}", "text", "no such mail");
	struct spool_id ids[4];
	unsigned int served = 0;

	(void)state;
	assert_int_equal(urgent_open(), 0);
	g_source_set_callback(always, count_served, &served, NULL);
	(void)g_source_attach(always, urgent_context());
	g_source_unref(always);
	assert_int_equal(store_index_settled(index, SPOOL_HELD, "rules/seals", 10, ids, 4), 4);
	assert_true(served > 0);
	g_usleep(1000);
	served = 0;
	json_decref(store_index_list(index, filter));
	assert_true(served > 0);
	json_decref(filter);
	urgent_close();
	store_index_close(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_hold_each_of_a_hundred_thousand_once),
		cmocka_unit_test(a_filter_chooses_and_counts),
		cmocka_unit_test(words_are_all_there_in_any_case),
		cmocka_unit_test(lists_are_sorted_both_ways_and_begin_anywhere),
		cmocka_unit_test(what_is_gone_is_forgotten_and_what_has_changed_is_seen),
		cmocka_unit_test(each_is_judged_once_for_each_key_in_the_order_of_arrival),
		cmocka_unit_test(what_may_be_an_alert_is_shown_once_by_arrival),
		cmocka_unit_test(what_goes_over_all_rows_lets_what_is_urgent_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
