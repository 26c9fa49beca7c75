// SPDX-License-Identifier: BSD-3-Clause
// A disk that is slower than the senders of mail that is taken in: they are made to wait, in bounded memory,
// and no mail is lost or put off that a patient sender and a slow disk can keep.
#include "dataplane/seal.h"
#include "dataplane/session.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY 131072u
#define ENVELOPE "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"

static struct world world;

static union {
	struct engine_seals head;
	uint8_t room[sizeof(struct engine_seals) + sizeof(struct seal)];
} snapshot;

static void seal_on(void)
{
	memset(&snapshot, 0, sizeof(snapshot));
	snapshot.head.count = 1;
	snapshot.head.seals[0].mode = SEAL_HOLD;
	snapshot.head.seals[0].directions = SEAL_INBOUND;
	engine_set_seals(world.engine, &snapshot.head);
}

static void begin(uint64_t seed)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.scan.max_messages = 8;
	world_init(&world, &options, seed % 2 == 0 ? 6 : 4, NULL, seed);
	world.sink.memory_bytes = MEMORY;
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
}

static void finish(void)
{
	const struct peer *peers[] = {&world.client, &world.server};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(peers[i]->bad_frames, 0);
		assert_int_equal(peers[i]->conflicts, 0);
		assert_int_equal(peers[i]->bad_acks, 0);
		assert_int_equal(peers[i]->overruns, 0);
	}
	assert_int_equal(world.sink.overruns, 0);
	world_fini(&world);
}

// The disk takes so much with each virtual millisecond.
static void pass(uint32_t ms, size_t drained)
{
	uint64_t until_ns = world.now_ns + ms * 1000000ull;

	while (world.now_ns < until_ns) {
		uint64_t before_ns = world.now_ns;

		world_pass(&world, 1);
		sink_drain(&world.sink, (size_t)(drained * (world.now_ns - before_ns) / 1000000));
	}
}

static void await_reply(uint32_t replies, size_t drained, uint32_t max_ms)
{
	uint64_t until_ns = world.now_ns + max_ms * 1000000ull;

	while (world.replies_count < replies && world.now_ns < until_ns)
		pass(1, drained);
	assert_int_equal(world.replies_count, replies);
}

// What the server would have got.
static size_t unstuff(char *body, size_t n)
{
	size_t out = 0;

	n -= 3;
	for (size_t i = 0; i < n; i++) {
		if (body[i] == '.' && (i == 0 || body[i - 1] == '\n'))
			continue;
		body[out++] = body[i];
	}
	return out;
}

static void check_held(char *body, size_t n)
{
	const struct sink_record *record = &world.sink.records[world.sink.count - 1];

	n = unstuff(body, n);
	assert_int_equal(record->bytes, n);
	assert_memory_equal(record->data, body, n);
	free(body);
}

static uint64_t waits(void)
{
	return engine_counters(world.engine)->spool_waits;
}

static void a_slow_disk_slows_the_sender_and_costs_no_mail(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++) {
		uint64_t began_ns;
		char *body;
		size_t n = world_make_body(1u << 20, seed, &body);

		begin(seed);
		seal_on();
		if (seed > 4)
			world.faults = (struct world_faults){20, 20, 500, 3000};
		assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
		began_ns = world.now_ns;
		peer_write(&world.client, body, n);
		// 100 KB a second: ten seconds of disk for a second of sending.
		await_reply(6, 100, 60000);
		assert_memory_equal(world_last_reply(&world), "250", 3);
		assert_true(world.now_ns - began_ns > 8000000000ull);
		assert_true(waits() > 0);
		assert_int_equal(world.mails_count, 0);
		check_held(body, n);
		engine_set_seals(world.engine, NULL);
		assert_true(world_mail(&world, "Subject: y\r\n\r\n.\r\n"));
		assert_int_equal(world.mails_count, 1);
		finish();
	}
}

static void while_the_disk_stands_still_the_sender_only_asks(void **state)
{
	char *body;
	size_t n = world_make_body(1u << 20, 3, &body);
	uint64_t packets;
	uint64_t before;

	(void)state;
	begin(1);
	seal_on();
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	peer_write(&world.client, body, n);
	pass(5000, 0);
	assert_int_equal(waits(), 1);
	assert_true(world.sink.memory_used <= MEMORY);
	packets = engine_counters(world.engine)->smtp_packets;
	before = engine_counters(world.engine)->smtp_bytes;
	pass(50000, 0);
	// A probe now and then, and no flood.
	packets = engine_counters(world.engine)->smtp_packets - packets;
	assert_in_range(packets, 1, 200);
	assert_true(engine_counters(world.engine)->smtp_bytes - before < 200000);
	assert_int_equal(world.replies_count, 5);
	await_reply(6, 10000, 20000);
	assert_memory_equal(world_last_reply(&world), "250", 3);
	check_held(body, n);
	finish();
}

static void a_disk_that_stands_still_for_too_long_puts_the_mail_off(void **state)
{
	char *body;
	size_t n = world_make_body(1u << 20, 3, &body);

	(void)state;
	begin(1);
	seal_on();
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	peer_write(&world.client, body, n);
	pass(59000, 0);
	assert_int_equal(world.replies_count, 5);
	await_reply(6, 0, 120000);
	assert_memory_equal(world_last_reply(&world), "451", 3);
	assert_int_equal(world.records_count, 1);
	assert_string_equal(world.records[0].action, "tempfail");
	assert_string_equal(world.records[0].reason, "spool");
	assert_int_equal(world.sink.open, 0);
	assert_int_equal(world.sink.count, 0);
	assert_int_equal(engine_counters(world.engine)->spool_waits_lost, 1);
	free(body);
	// The connection goes on.
	sink_drain(&world.sink, MEMORY);
	assert_true(world_mail(&world, "Subject: y\r\n\r\n.\r\n"));
	assert_memory_equal(world_last_reply(&world), "250", 3);
	assert_int_equal(world.sink.count, 1);
	finish();
}

static void a_mail_is_begun_when_there_is_room_for_it(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(1);
		seal_on();
		world.sink.is_busy = true;
		assert_true(world_say(&world, ENVELOPE, 2));
		assert_true(world_say(&world, "DATA\r\n", 0));
		pass(50000, 0);
		assert_int_equal(world.replies_count, 4);
		assert_true(strstr(world.commands, "DATA") == NULL);
		if (i == 0)
			world.sink.is_busy = false;
		if (i == 1)
			engine_set_seals(world.engine, NULL);
		await_reply(5, 0, 30000);
		assert_memory_equal(world_last_reply(&world), "354", 3);
		assert_true(world_say(&world, "Subject: y\r\n\r\n.\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "250", 3);
		assert_int_equal(world.sink.count, i != 1);
		assert_int_equal(world.mails_count, i == 1);
		world_pass(&world, 100);
		assert_null(world.engine->waiting);
		finish();
	}
}

static void the_end_of_a_mail_waits_for_room_too(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(1);
		seal_on();
		world.sink.commits_to_wait = i == 0 ? 1000 : UINT32_MAX;
		assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
		assert_true(world_say(&world, "Subject: y\r\n\r\n.\r\n", 1));
		assert_memory_equal(world_last_reply(&world), i == 0 ? "250" : "451", 3);
		assert_int_equal(world.sink.count, i == 0);
		assert_int_equal(world.sink.open, 0);
		finish();
	}
}

// The seal comes when a part of the body is on its way, and the rest waits for room.
static void send_and_seal(const char *body, size_t n)
{
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	peer_write(&world.client, body, 50000);
	pass(500, 0);
	seal_on();
	peer_write(&world.client, body + 50000, n - 50000);
	pass(2000, 0);
	assert_int_equal(waits(), 1);
	await_reply(6, 100, 60000);
	assert_memory_equal(world_last_reply(&world), "250", 3);
}

static void a_body_that_a_seal_meets_in_its_middle_waits_too(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++) {
		char *body;
		size_t n = world_make_body(600000, seed, &body);

		begin(seed);
		if (seed > 4)
			world.faults = (struct world_faults){20, 20, 500, 3000};
		send_and_seal(body, n);
		assert_int_equal(world.mails_count, 0);
		check_held(body, n);
		finish();
	}
}

// Without a dot, so that the parser has nothing to take out.
static char *make_plain(size_t n)
{
	static const char end[] = {'\r', '\n', '.', '\r', '\n'};
	char *body = malloc(n);

	assert_non_null(body);
	memset(body, 'a', n);
	for (size_t at = 70; at + 2 <= n; at += 72)
		memcpy(body + at, end, 2);
	memcpy(body + n - sizeof(end), end, sizeof(end));
	return body;
}

// As long as a packet may be, which is more than the room that a sender has without waiting.
static void long_packets_wait_for_room_as_all_others(void **state)
{
	(void)state;
	for (uint16_t mss = 8256; mss <= 9600; mss += 64) {
		const size_t n = 400000;
		char *body = make_plain(n);

		begin(mss);
		world.client.mss = mss;
		send_and_seal(body, n);
		check_held(body, n);
		finish();
	}
}

static void without_a_seal_nobody_waits(void **state)
{
	char *body;
	size_t n = world_make_body(600000, 3, &body);

	(void)state;
	begin(1);
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	peer_write(&world.client, body, n);
	await_reply(6, 0, 20000);
	assert_memory_equal(world_last_reply(&world), "250", 3);
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.overruns, 1);
	assert_int_equal(waits(), 0);
	world.sink.overruns = 0;
	free(body);
	finish();
}

static void a_client_may_leave_while_it_waits(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		char *body;
		size_t n = world_make_body(200000, 5, &body);

		begin(1);
		seal_on();
		assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
		peer_write(&world.client, body, how == 0 ? n : n - 3);
		if (how < 2)
			peer_close(&world.client);
		pass(2000, 0);
		assert_int_equal(waits(), 1);
		if (how == 2)
			peer_abort(&world.client, world.now_ns);
		pass(10000, 100);
		// What came whole before the close is kept, and answered.
		assert_int_equal(world.sink.count, how == 0);
		assert_int_equal(world.sink.open, 0);
		assert_int_equal(world.mails_count, 0);
		if (how == 0)
			check_held(body, n);
		else
			free(body);
		assert_null(world.engine->waiting);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_disk_slows_the_sender_and_costs_no_mail),
		cmocka_unit_test(while_the_disk_stands_still_the_sender_only_asks),
		cmocka_unit_test(a_disk_that_stands_still_for_too_long_puts_the_mail_off),
		cmocka_unit_test(a_mail_is_begun_when_there_is_room_for_it),
		cmocka_unit_test(the_end_of_a_mail_waits_for_room_too),
		cmocka_unit_test(a_body_that_a_seal_meets_in_its_middle_waits_too),
		cmocka_unit_test(long_packets_wait_for_room_as_all_others),
		cmocka_unit_test(without_a_seal_nobody_waits),
		cmocka_unit_test(a_client_may_leave_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
