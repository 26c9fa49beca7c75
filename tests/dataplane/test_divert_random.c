// SPDX-License-Identifier: BSD-3-Clause
// Mails over faulty networks while a seal comes and goes, by seed: each is delivered exactly once byte for
// byte, or kept exactly once byte for byte, or refused; what the client was told says which. In wild runs seals
// and rules change between any two packets, several times at once, and the client may vanish.
#include "dataplane/seal.h"
#include "dataplane/session.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SEEDS
#define SEEDS 1500
#endif
#ifndef WILD_SEEDS
#define WILD_SEEDS 300
#endif
#define WILD (1u << 30) // added to the numbers of wild runs
#define MAILS 6
#define COMMAND_BYTES 50 // part of a command waits for the rest, or until its sender repeats it

static struct world world;
static struct random dice;

static union {
	struct engine_seals head;
	uint8_t room[sizeof(struct engine_seals) + sizeof(struct seal)];
} snapshot;

static uint32_t roll(uint32_t n)
{
	return random_below(&dice, n);
}

static bool is_sealed;
static uint64_t current_seed;

// A failure leaves the seed behind.
static void say_seed(void)
{
	if (current_seed != 0)
		(void)fprintf(stderr, "seed %llu\n", (unsigned long long)current_seed);
}

static void set_seal(bool on)
{
	struct seal *seal = snapshot.head.seals;

	is_sealed = on;
	snapshot.head.count = 1;
	seal->mode = SEAL_HOLD;
	seal->directions = SEAL_INBOUND;
	engine_set_seals(world.engine, on ? &snapshot.head : NULL);
}

// How often things change in a wild run: one in so many steps; 0: it is a tame one.
static uint32_t wild;
static bool vanishes;
static bool has_vanished;
static struct ruleset *others;
static void *others_image;

static void swap_rules(void)
{
	struct scanner *scanner;

	while ((scanner = engine_take_idle_scanner(world.engine)) != NULL)
		scanner_free(scanner);
	if (!engine_has_room_for_scanner(world.engine))
		return;
	if (others == NULL)
		others = world_make_ruleset("Test.New:0:*:6e65772d7669727573\n", &others_image);
	assert_int_equal(scanner_new(&world.options.scan, others, &scanner), 0);
	engine_set_scanner(world.engine, scanner);
}

static void change_something(void)
{
	if (wild == 0 || roll(wild) != 0)
		return;
	for (uint32_t i = 1 + roll(3); i > 0; i--)
		set_seal(!is_sealed);
	if (roll(8) == 0)
		swap_rules();
	if (!vanishes || has_vanished || roll(20) != 0)
		return;
	has_vanished = true;
	if (roll(2) == 0)
		peer_abort(&world.client, world.now_ns);
	else
		world.client.stopped = true;
}

struct mail {
	char *body; // as the client sends it
	size_t bytes;
	char *text; // as it is to arrive
	size_t text_bytes;
	uint32_t reply; // its number
	bool sealed;    // all the time
	bool unsealed;  // all the time
	bool chunks;
};

static struct mail mails[MAILS];
static uint32_t mails_count;

// What the dots stand for.
static void unstuff(struct mail *mail)
{
	mail->text = malloc(mail->bytes);
	assert_non_null(mail->text);
	mail->text_bytes = 0;
	for (size_t i = 0; i < mail->bytes - 3; i++) {
		if (mail->body[i] == '.' && (i == 0 || mail->body[i - 1] == '\n'))
			continue;
		mail->text[mail->text_bytes++] = mail->body[i];
	}
}

static void make_mail(struct mail *mail, uint64_t seed)
{
	size_t n = roll(4) == 0 ? roll(20000) : roll(1500);

	if (world.client.mss < 50 || world.client.chunk > 0)
		n = n % 300;
	*mail = (struct mail){.chunks = roll(4) == 0};
	mail->bytes = world_make_body(n, seed, &mail->body);
	unstuff(mail);
}

static bool has_replies(struct world *at, uint32_t value)
{
	change_something();
	return at->replies_count >= value || at->client.reset || has_vanished ||
	       (at->client.fin_received && at->client.fin_acked);
}

static bool await(uint32_t replies)
{
	return world_run(&world, has_replies, replies, 3600000) && world.replies_count >= replies;
}

// Nothing follows its FIN.
static void write_text(const char *text)
{
	if (!world.client.fin_queued)
		peer_write(&world.client, text, strlen(text));
}

static void toggle_in_the_middle(struct mail *mail)
{
	if (roll(3) != 0)
		return;
	world_pass(&world, roll(30));
	set_seal(!is_sealed);
	mail->sealed = false;
	mail->unsealed = false;
}

static bool send_data(struct mail *mail, uint32_t *replies)
{
	size_t at = roll((uint32_t)mail->bytes + 1);

	if (roll(2) == 0) {
		write_text("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
		*replies += 3;
	} else {
		write_text("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n");
		*replies += 2;
		if (!await(*replies))
			return false;
		write_text("DATA\r\n");
		*replies += 1;
	}
	if (!await(*replies))
		return false;
	if (world.client.fin_queued)
		return false;
	peer_write(&world.client, mail->body, at);
	toggle_in_the_middle(mail);
	if (world.client.fin_queued)
		return false;
	peer_write(&world.client, mail->body + at, mail->bytes - at);
	*replies += 1;
	mail->reply = *replies;
	return true;
}

static bool send_chunks(struct mail *mail, uint32_t *replies)
{
	size_t at = 0;
	char line[64];

	write_text("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n");
	*replies += 2;
	if (roll(2) == 0 && !await(*replies))
		return false;
	while (at < mail->text_bytes) {
		size_t n = 1 + roll((uint32_t)(mail->text_bytes - at));

		(void)snprintf(line, sizeof(line), "BDAT %zu%s\r\n", n,
			at + n == mail->text_bytes ? " LAST" : "");
		if (world.client.fin_queued)
			return false;
		write_text(line);
		peer_write(&world.client, mail->text + at, n);
		at += n;
		*replies += 1;
		if (roll(3) == 0 && at < mail->text_bytes && !await(*replies))
			return false;
		if (at < mail->text_bytes)
			toggle_in_the_middle(mail);
	}
	mail->reply = *replies;
	return true;
}

static uint32_t count_at_server(const struct mail *mail)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < world.mails_count; i++)
		n += world.mails[i].bytes == mail->text_bytes &&
		     memcmp(world.mails[i].data, mail->text, mail->text_bytes) == 0;
	return n;
}

static uint32_t count_in_spool(const struct mail *mail)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < world.sink.count; i++)
		n += world.sink.records[i].bytes == mail->text_bytes &&
		     memcmp(world.sink.records[i].data, mail->text, mail->text_bytes) == 0;
	return n;
}

static void check_mail(const struct mail *mail, bool server_dies)
{
	uint32_t delivered = count_at_server(mail);
	uint32_t kept = count_in_spool(mail);
	const char *reply = mail->reply > 0 && mail->reply <= world.replies_count
				    ? world.replies[mail->reply - 1]
				    : "";

	assert_true(delivered + kept <= 1);
	// A server's farewell in the middle looks like the answer, and the next seal comes too early.
	if (mail->sealed && !server_dies)
		assert_int_equal(delivered, 0);
	if (mail->unsealed && !server_dies)
		assert_int_equal(kept, 0);
	if (strncmp(reply, "250", 3) == 0)
		assert_int_equal(delivered + kept, 1);
	else if (!server_dies && !has_vanished)
		assert_int_equal(delivered + kept, 0);
}

static void check_peer(const struct peer *peer, bool has_faults)
{
	assert_int_equal(peer->bad_frames, 0);
	assert_int_equal(peer->conflicts, 0);
	assert_int_equal(peer->bad_acks, 0);
	assert_int_equal(peer->bad_sacks, 0);
	assert_int_equal(peer->bad_clocks, 0);
	assert_int_equal(peer->overruns, 0);
	if (has_faults)
		return;
	assert_int_equal(peer->retransmissions, 0);
	assert_int_equal(peer->old_clocks, 0);
	assert_int_equal(peer->strays, 0);
}

static void begin(uint64_t seed)
{
	static const uint32_t drops[] = {0, 20, 60};
	static const uint32_t jitters[] = {0, 200, 3000};
	static const uint16_t sizes[] = {1448, 1448, 536, 99, 7};
	static const uint16_t windows[] = {20000, 6000, 1500, 400};
	struct engine_options options;

	dice.state = seed * 0x9e3779b97f4a7c15u + 1;
	engine_options_init(&options);
	options.max_connections = 16;
	options.max_half_open = 8;
	options.max_pages = 1024;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 8;
	world_init(&world, &options, roll(3) == 0 ? 6 : 4, NULL, seed);
	world.client.mss = sizes[roll(5)];
	world.faults =
		(struct world_faults){drops[roll(3)], roll(3) == 0 ? 40 : 0, 100, jitters[roll(3)]};
	if (world.client.mss < 99)
		world.faults.drop = world.faults.drop > 20 ? 20 : world.faults.drop;
	world.client.timestamps = roll(4) != 0;
	world.server.timestamps = roll(4) != 0;
	world.client.sack = roll(3) != 0;
	world.server.sack = roll(3) != 0;
	world.client.wscale = roll(2) == 0 ? (uint8_t)roll(8) : 0;
	world.server.wscale = roll(2) == 0 ? (uint8_t)roll(8) : 0;
	world.server.window = roll(2) == 0 ? windows[roll(4)] : world.server.window;
	world.client.nagle = roll(4) == 0;
	world.client.chunk = roll(4) == 0 ? 1 + roll(50) : 0;
	if (roll(2) == 0)
		world.client.flight = (1 + roll(3)) * (size_t)world.client.mss;
	world.sink.polls = roll(3) == 0 ? roll(3000) : 0;
	world.sink.fail_from = roll(8) == 0 ? 1 + roll(MAILS) : 0;
	mails_count = 0;
	wild = 0;
	vanishes = false;
	has_vanished = false;
	if (seed < WILD)
		return;
	wild = 1 + roll(60);
	vanishes = roll(4) == 0;
}

static void die(void)
{
	switch (roll(3)) {
	case 0:
		peer_write(&world.server, "421 4.3.2 shutting down\r\n", 25);
		peer_close(&world.server);
		break;
	case 1:
		peer_close(&world.server);
		break;
	default:
		peer_abort(&world.server, world.now_ns);
	}
	world.server_broke = true;
}

// All mails of one connection, and QUIT. False: it ended before.
static bool talk(uint64_t seed, uint32_t count, uint32_t dies_at)
{
	uint32_t replies = 2;

	if (!world_connect(&world))
		return false;
	write_text("EHLO c\r\n");
	if (!await(replies))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct mail *mail = &mails[i];

		if (i == 0 || roll(2) == 0)
			set_seal(roll(2) == 0);
		make_mail(mail, seed * MAILS + i + 1);
		mails_count = i + 1;
		mail->sealed = is_sealed && wild == 0;
		mail->unsealed = !is_sealed && wild == 0;
		if (!(mail->chunks ? send_chunks(mail, &replies) : send_data(mail, &replies)))
			return false;
		if (i == dies_at) {
			world_pass(&world, roll(20));
			die();
		}
		// The next one may be said behind it at once; then it is on the way when a seal changes.
		if (roll(4) != 0 || i + 1 == count) {
			if (!await(replies))
				return false;
		} else {
			mail->sealed = false;
			mail->unsealed = false;
		}
	}
	write_text("QUIT\r\n");
	return await(replies + 1);
}

static bool is_over(struct world *at, uint32_t value)
{
	(void)value;
	return at->client.reset || (at->client.fin_received && at->client.fin_acked);
}

static void run(uint64_t seed)
{
	uint32_t count;
	bool dies;
	bool has_faults;
	bool done;

	begin(seed);
	count = 1 + roll(MAILS);
	dies = roll(4) == 0;
	has_faults = world.faults.drop > 0 || world.faults.jitter_us > 0 ||
		     world.faults.duplicate > 0 || world.sink.polls > 0 ||
		     (world.client.nagle && (world.client.chunk > 0 || world.client.mss < 99)) ||
		     world.client.flight < COMMAND_BYTES;
	done = talk(seed, count, dies ? roll(count) : UINT32_MAX);
	if (!dies && world.sink.fail_from == 0 && !world.client.fin_received && !has_vanished)
		assert_true(done);
	// A reset may be lost, and then nobody has anything to say.
	if (!world.server.reset && !has_vanished)
		assert_true(world_run(&world, is_over, 0, 3600000));
	for (uint32_t i = 0; i < mails_count; i++)
		check_mail(&mails[i], dies);
	// What is told of nothing any more is seen by time-outs alone.
	if (has_vanished)
		world_pass(&world, 120000);
	check_peer(&world.client, has_faults || dies || has_vanished);
	check_peer(&world.server, has_faults || dies || has_vanished);
	assert_true(engine_counters(world.engine)->made_packets < 60000);
	world_fini(&world);
	for (uint32_t i = 0; i < mails_count; i++) {
		free(mails[i].body);
		free(mails[i].text);
	}
}

static void each_mail_is_in_one_place_whatever_happens(void **state)
{
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	const char *one = getenv("CORDON_TEST_SEED");

	(void)state;
	if (one != NULL) {
		run(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		current_seed = seed;
		run(seed);
	}
	current_seed = 0;
}

static void nor_does_it_matter_when_seals_and_rules_change(void **state)
{
	(void)state;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	if (getenv("CORDON_TEST_SEED") != NULL)
		return;
	for (uint64_t seed = WILD; seed < WILD + WILD_SEEDS; seed++) {
		current_seed = seed;
		run(seed);
	}
	current_seed = 0;
	ruleset_close(others);
	free(others_image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mail_is_in_one_place_whatever_happens),
		cmocka_unit_test(nor_does_it_matter_when_seals_and_rules_change),
	};

	(void)atexit(say_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
