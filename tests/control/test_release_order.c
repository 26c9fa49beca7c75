// SPDX-License-Identifier: BSD-3-Clause
// Whose turn it is when servers put mail off.
#include "control/release_order.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define BEHIND 3600
#define MOST 3
#define AT_ONCE 4

struct mail {
	struct release_place place;
	struct deliver_recipient recipients[MOST];
	const char *name;
	char arrival[32];
};

static struct release_order *order;

static int make_order(void **state)
{
	(void)state;
	order = release_order_new(AT_ONCE);
	return 0;
}

static int drop_order(void **state)
{
	(void)state;
	release_order_free(order);
	return 0;
}

// recipients: up to MOST, NULL behind the last. second: of its arrival.
static void add(struct mail *mail, const char *name, int second, const char *const recipients[MOST])
{
	*mail = (struct mail){.name = name};
	(void)snprintf(
		mail->arrival, sizeof(mail->arrival), "2026-01-01T00:00:%02d.000000Z", second % 60);
	mail->place = (struct release_place){.owner = mail,
		.id = {1, (uint64_t)second + 1},
		.arrival = mail->arrival,
		.sender = "from@a.example",
		.recipients = mail->recipients};
	while (mail->place.recipients_count < MOST &&
		recipients[mail->place.recipients_count] != NULL) {
		mail->recipients[mail->place.recipients_count].address =
			recipients[mail->place.recipients_count];
		mail->place.recipients_count++;
	}
	release_order_add(order, "192.0.2.1 25", &mail->place);
}

static const char *const to_b[MOST] = {"b@b.example"};
static const char *const to_c[MOST] = {"c@b.example"};
static const char *const to_both[MOST] = {"b@B.example", "c@b.example"};

// Who is tried at this moment; "": nobody.
static struct mail *go(int64_t now_s)
{
	size_t steps = 0;
	struct release_line *line = release_order_line(order, now_s, &steps);
	struct release_place *place;
	struct release_walk walk;

	if (line == NULL)
		return NULL;
	release_walk_init(&walk, line);
	place = release_walk_next(&walk, now_s, BEHIND);
	release_walk_fini(&walk);
	if (place == NULL)
		return NULL;
	release_order_begin(place, now_s, BEHIND);
	return place->owner;
}

static void expect(int64_t now_s, const struct mail *mail)
{
	const struct mail *found = go(now_s);

	assert_string_equal(found != NULL ? found->name : "", mail != NULL ? mail->name : "");
}

static void deliver(struct mail *mail)
{
	release_order_served(&mail->place);
	release_order_remove(order, &mail->place);
}

static void they_go_by_arrival_whenever_they_come(void **state)
{
	struct mail first;
	struct mail second;
	struct mail third;

	(void)state;
	add(&second, "second", 2, to_b);
	add(&third, "third", 3, to_c);
	add(&first, "first", 1, to_c);
	expect(100, &first);
	expect(100, NULL);
	deliver(&first);
	expect(100, &second);
	deliver(&second);
	expect(100, &third);
	deliver(&third);
	expect(100, NULL);
}

static void a_server_that_is_down_gets_nothing_and_then_all_in_order(void **state)
{
	struct mail mails[3];

	(void)state;
	add(&mails[0], "first", 1, to_b);
	add(&mails[1], "second", 2, to_c);
	add(&mails[2], "third", 3, to_b);
	expect(100, &mails[0]);
	release_order_down(&mails[0].place, 160, "it is away");
	expect(159, NULL);
	for (size_t i = 0; i < 3; i++)
		assert_true(release_order_is_waiting(&mails[i].place, BEHIND, 159));
	expect(160, &mails[0]);
	assert_int_equal(mails[0].place.line->fails, 1);
	release_order_down(&mails[0].place, 300, "it is away");
	assert_int_equal(mails[0].place.line->fails, 2);
	for (size_t i = 0; i < 3; i++) {
		expect(300, &mails[i]);
		deliver(&mails[i]);
	}
}

static void one_that_is_put_off_is_in_the_way_of_its_own_pair_alone(void **state)
{
	struct mail first;
	struct mail other;
	struct mail same;

	(void)state;
	add(&first, "first", 1, to_b);
	add(&other, "other", 2, to_c);
	add(&same, "same", 3, to_b);
	expect(100, &first);
	release_order_put_off(&first.place, 100, 160);
	expect(100, &other);
	deliver(&other);
	expect(100, NULL);
	assert_true(release_order_is_waiting(&same.place, BEHIND, 100));
	expect(160, &first);
	deliver(&first);
	assert_false(release_order_is_waiting(&same.place, BEHIND, 160));
	expect(160, &same);
	deliver(&same);
}

static void the_pair_does_not_wait_for_ever(void **state)
{
	struct mail first;
	struct mail same;

	(void)state;
	add(&first, "first", 1, to_b);
	add(&same, "same", 2, to_b);
	expect(100, &first);
	release_order_put_off(&first.place, 100, 10000);
	expect(100 + BEHIND - 1, NULL);
	expect(100 + BEHIND, &same);
	deliver(&same);
	expect(10000, &first);
	deliver(&first);
}

static void of_several_recipients_those_wait_who_must(void **state)
{
	struct mail first;
	struct mail both;
	struct mail last;

	(void)state;
	add(&first, "first", 1, to_b);
	add(&both, "both", 2, to_both);
	add(&last, "last", 3, to_both);
	expect(100, &first);
	release_order_put_off(&first.place, 100, 160);

	expect(100, &both);
	assert_int_equal(both.recipients[0].outcome, DELIVER_LATER);
	assert_int_equal(both.recipients[1].outcome, DELIVER_PENDING);
	both.recipients[0].outcome = DELIVER_PENDING;
	both.recipients[1].outcome = DELIVER_DONE;
	release_order_put_off(&both.place, 100, 150);

	expect(100, &last);
	assert_int_equal(last.recipients[0].outcome, DELIVER_LATER);
	last.recipients[0].outcome = DELIVER_PENDING;
	last.recipients[1].outcome = DELIVER_DONE;
	release_order_put_off(&last.place, 100, 140);

	// The first goes first, though the others could go sooner.
	expect(159, NULL);
	expect(160, &first);
	deliver(&first);
	expect(160, &both);
	deliver(&both);
	expect(160, &last);
	deliver(&last);
}

static void what_leaves_the_line_is_in_nobodys_way(void **state)
{
	struct mail first;
	struct mail same;

	(void)state;
	add(&first, "first", 1, to_b);
	add(&same, "same", 2, to_b);
	expect(100, &first);
	release_order_put_off(&first.place, 100, 160);
	release_order_remove(order, &first.place);
	expect(100, &same);
	deliver(&same);
}

static void what_has_nobody_left_goes_to_be_concluded(void **state)
{
	struct mail first;

	(void)state;
	add(&first, "first", 1, to_b);
	first.recipients[0].outcome = DELIVER_DONE;
	expect(100, &first);
	release_order_put_off(&first.place, 100, 160);
	expect(159, NULL);
	expect(160, &first);
	deliver(&first);
}

static void lines_take_turns(void **state)
{
	struct mail mails[2];
	struct mail other;
	size_t steps = 0;
	const struct release_line *line;

	(void)state;
	add(&mails[0], "first", 1, to_b);
	add(&mails[1], "second", 2, to_c);
	add(&other, "other", 3, to_b);
	release_order_remove(order, &other.place);
	release_order_add(order, "192.0.2.2 25", &other.place);
	line = release_order_line(order, 100, &steps);
	assert_string_equal(line->name, "192.0.2.1 25");
	line = release_order_line(order, 100, &steps);
	assert_string_equal(line->name, "192.0.2.2 25");
	assert_null(release_order_line(order, 100, &steps));
	release_order_remove(order, &other.place);
	release_order_remove(order, &mails[0].place);
	release_order_remove(order, &mails[1].place);
	steps = 0;
	assert_null(release_order_line(order, 100, &steps));
}

static const char *const to_d[MOST] = {"d@b.example"};
static const char *const to_e[MOST] = {"e@b.example"};

static struct mail anchor; // keeps the line

static void keep_line(void)
{
	add(&anchor, "anchor", 50, to_e);
	anchor.place.next_s = 1000000;
}

static void each_that_is_served_lets_one_more_go_at_a_time(void **state)
{
	struct mail mails[10];
	static const char *const to[10][MOST] = {{"0@b"}, {"1@b"}, {"2@b"}, {"3@b"}, {"4@b"},
		{"5@b"}, {"6@b"}, {"7@b"}, {"8@b"}, {"9@b"}};
	static const char *const names[10] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

	(void)state;
	for (int i = 0; i < 10; i++)
		add(&mails[i], names[i], i + 1, to[i]);
	expect(100, &mails[0]);
	expect(100, NULL);
	deliver(&mails[0]);
	expect(100, &mails[1]);
	expect(100, &mails[2]);
	expect(100, NULL);
	deliver(&mails[2]);
	deliver(&mails[1]);
	for (int i = 3; i < 3 + AT_ONCE; i++)
		expect(100, &mails[i]);
	expect(100, NULL);
	for (int i = 3; i < 3 + AT_ONCE; i++)
		deliver(&mails[i]);
	for (int i = 3 + AT_ONCE; i < 10; i++) {
		expect(100, &mails[i]);
		deliver(&mails[i]);
	}
}

static void of_one_pair_there_is_one_at_a_time(void **state)
{
	struct mail first;
	struct mail both;
	struct mail behind_both;
	struct mail other;

	(void)state;
	keep_line();
	anchor.place.line->room = AT_ONCE;
	add(&first, "first", 1, to_b);
	add(&both, "both", 2, to_both);
	add(&behind_both, "behind both", 3, to_c);
	add(&other, "other", 4, to_d);
	expect(100, &first);
	// What waits for it is not passed by what shares its other recipient.
	expect(100, &other);
	expect(100, NULL);
	deliver(&first);
	expect(100, &both);
	expect(100, NULL);
	deliver(&other);
	expect(100, NULL);
	deliver(&both);
	expect(100, &behind_both);
	deliver(&behind_both);
}

static void one_outage_that_several_meet_counts_once(void **state)
{
	struct mail mails[4];

	(void)state;
	keep_line();
	anchor.place.line->room = AT_ONCE;
	add(&mails[0], "first", 1, to_b);
	add(&mails[1], "second", 2, to_c);
	add(&mails[2], "third", 3, to_d);
	add(&mails[3], "fourth", 4, to_b);
	for (int i = 0; i < 3; i++)
		expect(100, &mails[i]);
	release_order_down(&mails[1].place, 160, "it is away");
	release_order_down(&mails[0].place, 170, "it is away");
	assert_int_equal(anchor.place.line->fails, 1);
	// This one had begun before: that it was served says nothing of now.
	deliver(&mails[2]);
	assert_int_equal(anchor.place.line->fails, 1);
	expect(159, NULL);
	expect(160, &mails[0]);
	expect(160, NULL);
	deliver(&mails[0]);
	assert_int_equal(anchor.place.line->fails, 0);
	expect(160, &mails[1]);
	expect(160, &mails[3]);
	deliver(&mails[1]);
	deliver(&mails[3]);
}

static void a_server_that_lets_in_fewer_gets_fewer(void **state)
{
	struct mail mails[4];

	(void)state;
	keep_line();
	anchor.place.line->room = AT_ONCE;
	add(&mails[0], "first", 1, to_b);
	add(&mails[1], "second", 2, to_c);
	add(&mails[2], "third", 3, to_d);
	for (int i = 0; i < 3; i++)
		expect(100, &mails[i]);
	release_order_crowded(&mails[2].place);
	expect(100, NULL);
	deliver(&mails[0]);
	expect(100, &mails[2]);
	expect(100, NULL);
	deliver(&mails[1]);
	deliver(&mails[2]);
	assert_int_equal(anchor.place.line->room, 2);
	// Later it is tried with more again.
	for (int i = 0; i < 100; i++) {
		add(&mails[3], "one more", 4, to_b);
		expect(100, &mails[3]);
		deliver(&mails[3]);
	}
	assert_int_equal(anchor.place.line->room, 3);
}

// Random mails, servers and orders: no mail passes another one of its pair, and never are there more than may be.
static void no_mail_passes_another_one_of_its_pair(void **state)
{
	static const char *const all[] = {"a@b", "b@b", "c@b", "d@b", "e@b"};
	static struct mail mails[60];
	const char *to[60][MOST];
	struct mail *going[AT_ONCE];
	unsigned int random = 1;
	size_t count = 0;
	size_t left = 60;

	(void)state;
	for (int i = 0; i < 60; i++) {
		for (int r = 0; r < MOST; r++) {
			random = random * 1103515245 + 12345;
			to[i][r] = r <= i % MOST ? all[(random >> 16) % 5] : NULL;
		}
		add(&mails[i], "mail", i, to[i]);
	}
	while (left > 0) {
		struct mail *mail = count < AT_ONCE ? go(100) : NULL;

		if (mail == NULL) {
			random = random * 1103515245 + 12345;
			assert_true(count > 0);
			deliver(going[(random >> 16) % count]);
			going[(random >> 16) % count]->name = NULL;
			going[(random >> 16) % count] = going[count - 1];
			count--;
			left--;
			continue;
		}
		for (const struct mail *before = mails; before < mail; before++) {
			for (size_t i = 0; i < (size_t)MOST * MOST && before->name != NULL; i++) {
				const char *const *mine = to[mail - mails];
				const char *const *theirs = to[before - mails];

				assert_true(mine[i % MOST] == NULL ||
					    mine[i % MOST] != theirs[i / MOST]);
			}
		}
		going[count++] = mail;
		assert_true(count <= AT_ONCE);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_order, drop_order)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(they_go_by_arrival_whenever_they_come),
		CASE(a_server_that_is_down_gets_nothing_and_then_all_in_order),
		CASE(one_that_is_put_off_is_in_the_way_of_its_own_pair_alone),
		CASE(the_pair_does_not_wait_for_ever),
		CASE(of_several_recipients_those_wait_who_must),
		CASE(what_leaves_the_line_is_in_nobodys_way),
		CASE(what_has_nobody_left_goes_to_be_concluded),
		CASE(lines_take_turns),
		CASE(each_that_is_served_lets_one_more_go_at_a_time),
		CASE(of_one_pair_there_is_one_at_a_time),
		CASE(one_outage_that_several_meet_counts_once),
		CASE(a_server_that_lets_in_fewer_gets_fewer),
		CASE(no_mail_passes_another_one_of_its_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
