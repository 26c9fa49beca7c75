// SPDX-License-Identifier: BSD-3-Clause
// Who asks for the state while seals are being told waits until it is known what came of them, and not for ever.
#include "control/settle.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	struct dataplane_link link;
	struct settle *settle;
	bool is_telling;
	unsigned int listeners; // that were ever there
	void (*told)(void *ctx);
	void *told_ctx;
	char heard[16];
} lab;

bool dataplane_link_is_telling(const struct dataplane_link *link)
{
	(void)link;
	return lab.is_telling;
}

void dataplane_link_when_told(struct dataplane_link *link, void (*then)(void *ctx), void *ctx)
{
	(void)link;
	assert_null(lab.told);
	lab.listeners++;
	lab.told = then;
	lab.told_ctx = ctx;
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.is_telling = true;
	return settle_new(&lab.link, &lab.settle);
}

static int teardown(void **state)
{
	(void)state;
	settle_end(lab.settle);
	settle_free(lab.settle);
	return 0;
}

static void hear(void *ctx)
{
	strncat(lab.heard, ctx, 1);
}

static bool wait_as(const char *name)
{
	return settle_wait(lab.settle, hear, (void *)(uintptr_t)name);
}

// What came of what was told is known.
static void tell(void)
{
	void (*told)(void *ctx) = lab.told;

	lab.told = NULL;
	told(lab.told_ctx);
}

static void nobody_waits_when_nothing_is_told(void **state)
{
	(void)state;
	lab.is_telling = false;
	assert_false(wait_as("A"));
	assert_false(settle_wait(NULL, hear, NULL));
	assert_string_equal(lab.heard, "");
}

static void all_who_wait_hear_it_from_the_main_loop(void **state)
{
	(void)state;
	assert_true(wait_as("A"));
	assert_true(wait_as("B"));
	assert_int_equal(lab.listeners, 1);
	lab.is_telling = false;
	tell();
	assert_string_equal(lab.heard, "");
	assert_true(g_main_context_iteration(NULL, FALSE));
	assert_string_equal(lab.heard, "AB");
	lab.is_telling = true;
	assert_true(wait_as("C"));
	assert_int_equal(lab.listeners, 2);
}

static void what_is_told_after_it_is_waited_for_too(void **state)
{
	(void)state;
	assert_true(wait_as("A"));
	tell();
	assert_true(g_main_context_iteration(NULL, FALSE));
	assert_string_equal(lab.heard, "");
	assert_int_equal(lab.listeners, 2);
	lab.is_telling = false;
	tell();
	assert_true(g_main_context_iteration(NULL, FALSE));
	assert_string_equal(lab.heard, "A");
}

static void who_has_waited_long_enough_waits_no_more(void **state)
{
	(void)state;
	assert_true(wait_as("A"));
	while (lab.heard[0] == '\0')
		(void)g_main_context_iteration(NULL, TRUE);
	assert_string_equal(lab.heard, "A");
	// What is known at last finds nobody.
	lab.is_telling = false;
	tell();
	(void)g_main_context_iteration(NULL, FALSE);
	assert_string_equal(lab.heard, "A");
}

static void nobody_waits_at_the_end(void **state)
{
	(void)state;
	assert_true(wait_as("A"));
	settle_end(lab.settle);
	assert_string_equal(lab.heard, "A");
	assert_false(wait_as("B"));
	tell();
	assert_false(g_main_context_iteration(NULL, FALSE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_waits_when_nothing_is_told),
		TEST(all_who_wait_hear_it_from_the_main_loop),
		TEST(what_is_told_after_it_is_waited_for_too),
		TEST(who_has_waited_long_enough_waits_no_more),
		TEST(nobody_waits_at_the_end),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
