// SPDX-License-Identifier: BSD-3-Clause
// The order of envelopes that came together.
#include "control/alert_sort.h"
#include "tests/control/alerts_case.h"

static GBytes *line(const char *role, const char *type, uint64_t sequence, int64_t issued_s)
{
	json_t *alert =
		strcmp(type, "seal") == 0 ? make_seal(sequence) : make_alert(role, type, sequence);
	char *text;
	GBytes *bytes;

	(void)json_object_set_new(alert, "issued", json_string(time_text(issued_s)));
	if (strcmp(type, "all-clear") == 0)
		(void)json_object_set_new(alert, "virus_id", json_string("V-1"));
	text = sign(alert, ALERTS_A, ALERTS_A);
	bytes = g_bytes_new(text, strlen(text));
	free(text);
	return bytes;
}

// Those of `wanted`, shuffled in every way that a step from each place makes, come back as they are.
static void assert_sorted(GBytes *const *wanted, guint count)
{
	for (guint from = 0; from < count; from++) {
		GPtrArray *lines = g_ptr_array_new();

		for (guint i = 0; i < count; i++)
			g_ptr_array_add(lines, wanted[(from + count - i) % count]);
		alert_sort(lines);
		for (guint i = 0; i < count; i++)
			assert_ptr_equal(lines->pdata[i], wanted[i]);
		g_ptr_array_unref(lines);
	}
	for (guint i = 0; i < count; i++)
		g_bytes_unref(wanted[i]);
}

static void those_of_a_role_are_in_the_order_of_their_sequence(void **test_state)
{
	// The clock of whoever issued them went back between the second and the third.
	GBytes *const wanted[] = {line("alerts", "seal", 1, lab.now_s - 50),
		line("alerts", "ping", 2, lab.now_s - 40),
		line("alerts", "seal", 3, lab.now_s - 60),
		line("alerts", "seal", 10, lab.now_s - 1)};

	(void)test_state;
	assert_sorted(wanted, 4);
}

static void roles_are_in_the_order_of_their_time_and_root_documents_first(void **test_state)
{
	char *root = sign(make_root(2, ROOT_A), ROOT_A, ROOT_B);
	GBytes *const wanted[] = {g_bytes_new(root, strlen(root)),
		line("alerts", "seal", 5, lab.now_s - 90),
		line("all-clear", "all-clear", 1, lab.now_s - 80),
		line("alerts", "seal", 6, lab.now_s - 70), g_bytes_new("{", 1)};

	(void)test_state;
	free(root);
	assert_sorted(wanted, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(those_of_a_role_are_in_the_order_of_their_sequence),
		TEST(roles_are_in_the_order_of_their_time_and_root_documents_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
