// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/priority.h"
#include "tests/support/child.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int nice_now(void)
{
	return 100 + getpriority(PRIO_PROCESS, 0);
}

static int nice_of_a_child(void)
{
	return child_ask(nice_now);
}

static int set_and_see(void)
{
	return priority_set(0) == 0 ? nice_now() : 1;
}

static int set_and_see_a_child(void)
{
	return priority_set(0) == 0 ? nice_of_a_child() : 1;
}

static int set_nicer_and_see(void)
{
	return setpriority(PRIO_PROCESS, 0, -19) == 0 ? set_and_see() : 1;
}

static int set_without_the_right(void)
{
	return setuid(65534) == 0 ? set_and_see() : 1;
}

static int set_real_without_the_right(void)
{
	return setuid(65534) == 0 && priority_set(5) == -EPERM ? nice_now() : 1;
}

static bool may(void)
{
	return geteuid() == 0 && child_ask(set_nicer_and_see) != 1;
}

static void a_thread_without_a_priority_is_before_others_where_it_may_be(void **state)
{
	(void)state;
	if (!may())
		skip();
	assert_int_equal(child_ask(set_and_see), 100 - 15);
	assert_int_equal(child_ask(set_nicer_and_see), 100 - 19);
}

static void what_it_starts_is_as_nice_as_any(void **state)
{
	(void)state;
	if (!may())
		skip();
	assert_int_equal(child_ask(set_and_see_a_child), 100);
}

static void without_the_right_it_is_as_it_was(void **state)
{
	int before = child_ask(nice_now);

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child_ask(set_without_the_right), before);
	assert_int_equal(child_ask(set_real_without_the_right), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_without_a_priority_is_before_others_where_it_may_be),
		cmocka_unit_test(what_it_starts_is_as_nice_as_any),
		cmocka_unit_test(without_the_right_it_is_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
