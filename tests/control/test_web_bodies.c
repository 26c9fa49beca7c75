// SPDX-License-Identifier: BSD-3-Clause
// Who gives way when the bodies that come are more than there is room for.
#include "control/web_bodies.h"
#include "tests/support/unit.h"

static char owners[8];

static void *add(struct web_bodies *bodies, int owner, const char *address, size_t bytes)
{
	void *rival = NULL;
	bool is_taken = web_bodies_add(bodies, &owners[owner], address, bytes, &rival);

	assert_true(!is_taken || rival == NULL);
	return is_taken ? &owners[owner] : rival;
}

static void the_longest_of_the_address_that_has_most_gives_way(void **state)
{
	struct web_bodies *bodies = web_bodies_new(100);

	(void)state;
	assert_ptr_equal(add(bodies, 0, "192.0.2.1", 20), &owners[0]);
	assert_ptr_equal(add(bodies, 1, "192.0.2.1", 30), &owners[1]);
	assert_ptr_equal(add(bodies, 2, "192.0.2.2", 40), &owners[2]);
	assert_ptr_equal(add(bodies, 2, "192.0.2.2", 5), &owners[2]);
	assert_ptr_equal(add(bodies, 3, "192.0.2.3", 20), &owners[1]);
	// Who has most waits.
	assert_null(add(bodies, 0, "192.0.2.1", 20));
	assert_null(add(bodies, 3, "192.0.2.3", 50));
	// What is whole is in use.
	web_bodies_keep(bodies, &owners[1]);
	assert_ptr_equal(add(bodies, 3, "192.0.2.3", 20), &owners[0]);
	web_bodies_remove(bodies, &owners[0]);
	web_bodies_remove(bodies, &owners[0]);
	assert_ptr_equal(add(bodies, 3, "192.0.2.3", 20), &owners[3]);
	assert_ptr_equal(add(bodies, 4, "192.0.2.3", 6), &owners[2]);
	web_bodies_free(bodies);
}

static void one_machine_has_one_place_whatever_its_addresses(void **state)
{
	struct web_bodies *bodies = web_bodies_new(100);

	(void)state;
	assert_ptr_equal(add(bodies, 0, "2001:db8::1", 51), &owners[0]);
	assert_ptr_equal(add(bodies, 1, "2001:db8::2", 49), &owners[1]);
	assert_null(add(bodies, 2, "2001:db8::3", 10));
	assert_ptr_equal(add(bodies, 3, "2001:db8:1::1", 10), &owners[0]);
	web_bodies_free(bodies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_of_the_address_that_has_most_gives_way),
		cmocka_unit_test(one_machine_has_one_place_whatever_its_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
