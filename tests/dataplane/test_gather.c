// SPDX-License-Identifier: BSD-3-Clause
// Messages that end in one burst of packets are decided together: what leaves on each connection, and is told of
// it, is what it is when each is decided at once. Whatever comes in between: resets and ends of connections, new
// ones in the same place, ticks, other rules, seals, the end of the engine.
#include "dataplane/seal.h"
#include "dataplane/session.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/bench.h"
#include "tests/support/outputs.h"
#include "tests/support/random.h"
#include "tests/support/screened.h"

#define ROUNDS 20
#define TALKS 60u
#define PORTS 40u
#define AT_ONCE 12u
#define TEXTS 12
#define TEXT_BYTES 5000
#define RULES 2
#define SEAL_BYTES (sizeof(struct engine_seals) + sizeof(struct seal))

struct side {
	struct engine *engine;
	struct output outputs[PORTS + 1]; // of each connection, and of the others
	struct output records[TALKS + 1];
	uint32_t mails;
	uint32_t infected;
};

struct mail {
	size_t n;
	char data[TEXT_BYTES];
};

static struct mail texts[TEXTS];
static struct frames_talk *talks;
static struct case_image images[RULES];
static struct ruleset *rulesets[RULES];
static unsigned int digests; // that are asked for of every part
static bool is_any_size;     // some entries are of mails of any size
static uint32_t gathered;    // messages that waited
static uint32_t together;    // packets behind which several did

// ---- engines -------------------------------------------------------------------------------------

// By the client's port.
static struct output *output_of(struct side *side, struct frame *frame)
{
	struct packet packet;

	packet_parse(frame, PACKET_CHECKSUMS_DONE, &packet);
	for (int i = 0; i < 2; i++) {
		uint16_t port =
			(uint16_t)(packet.from.port_be[i] << 8 | packet.from.port_be[i] >> 8);

		if (packet.kind == PACKET_TCP && port >= 30000 && port < 30000 + PORTS)
			return &side->outputs[port - 30000];
	}
	return &side->outputs[PORTS];
}

static void take_frame(void *ctx, uint32_t link, enum link_side at, struct frame *frame)
{
	struct output *output = output_of(ctx, frame);
	uint8_t head[2] = {(uint8_t)link, (uint8_t)at};

	output_append(output, head, sizeof(head));
	output_append(output, frame->data, frame->bytes);
	free(frame->data);
}

static void take_mail(void *ctx, const struct mail_record *record)
{
	struct side *side = ctx;
	struct output *output = &side->records[record->session % (TALKS + 1)];
	char text[512];
	int n = snprintf(text, sizeof(text), "%llu %u %s %s %s %s %llu %zu %s %s\n",
		(unsigned long long)record->session, record->message, record->action,
		verdict_name(record->verdict), record->reason, record->reply,
		(unsigned long long)record->bytes,
		record->scan != NULL ? record->scan->matches_count : 0, record->ruleset,
		record->seal_mode);

	assert_true(n > 0 && n < (int)sizeof(text));
	for (size_t i = 0; record->scan != NULL && i < record->scan->parts_count; i++) {
		const struct scan_part *part = &record->scan->parts[i];

		output_append(output, &part->digests, sizeof(part->digests));
		output_append(output, part->md5, sizeof(part->md5));
		output_append(output, part->sha256, sizeof(part->sha256));
	}
	output_append(output, text, (size_t)n);
	side->mails++;
	side->infected += record->verdict == VERDICT_INFECTED;
}

static void take_session(void *ctx, const struct session_record *record)
{
	struct side *side = ctx;
	struct output *output = &side->records[record->session % (TALKS + 1)];

	output_append(output, record->why, strlen(record->why));
	output_append(output, &record->messages, sizeof(record->messages));
}

static void make_options(struct engine_options *options)
{
	bench_options(options);
	options->max_connections = 48; // fewer than come
	options->max_half_open = 8;
	options->scan.digests = digests;
	options->scan.max_messages = 2 * TALKS; // who is left without one depends on the order
}

static void begin(struct side *side, const struct engine_options *options)
{
	const struct engine_ops ops = {.ctx = side,
		.alloc = output_give_frame,
		.free = output_drop_frame,
		.send = take_frame,
		.mail = take_mail,
		.session = take_session};

	memset(side, 0, sizeof(*side));
	assert_int_equal(engine_new(options, &ops, rulesets[0], &side->engine), 0);
}

static void end(struct side *side)
{
	engine_free(side->engine);
	for (size_t i = 0; i <= PORTS; i++)
		free(side->outputs[i].data);
	for (size_t i = 0; i <= TALKS; i++)
		free(side->records[i].data);
}

// ---- mails and rules -----------------------------------------------------------------------------

static void make_texts(struct random *random)
{
	for (size_t i = 0; i < TEXTS; i++) {
		struct mail *text = &texts[i];
		size_t most = random_below(random, 3) == 0 ? TEXT_BYTES - 200 : 300;

		text->n = (size_t)snprintf(text->data, sizeof(text->data),
			"Subject: mail %zu\r\n%s\r\n%s", i,
			i % 3 == 0 ? "Content-Type: text/html\r\n" : "",
			i % 6 == 1 ? BENCH_EVIL "\r\n" : "");
		while (text->n < most)
			text->n +=
				(size_t)snprintf(text->data + text->n, sizeof(text->data) - text->n,
					"a line with number %u\r\n", random_below(random, 100000));
	}
}

// Digests of some mails, and of their bodies; others that only have the sizes of these.
static void add_digests(struct random *random, FILE *file, bool is_decoy)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *body = strstr(texts[i].data, "\r\n\r\n") + 4;
		size_t header = (size_t)(body - texts[i].data);
		size_t from = random_below(random, 2) == 0 ? header : 0;
		uint8_t digest[SCREEN_DIGEST_BYTES];

		screened_digest(texts[i].data + from, texts[i].n - from, DIGEST_MD5, digest);
		if (is_decoy || i % 4 != 0)
			digest[3] ^= 1;
		for (size_t k = 0; k < 16; k++)
			(void)fprintf(file, "%02x", digest[k]);
		if (is_any_size && i % 3 == 0)
			(void)fprintf(file, ":*:Test.%zu:73\n", i);
		else
			(void)fprintf(file, ":%zu:Test.%zu\n", texts[i].n - from, i);
	}
}

static void make_rules(struct random *random)
{
	for (size_t i = 0; i < RULES; i++) {
		char *hashes = NULL;
		size_t bytes = 0;
		FILE *file = open_memstream(&hashes, &bytes);

		assert_non_null(file);
		add_digests(random, file, false);
		add_digests(random, file, true);
		assert_int_equal(fclose(file), 0);
		images[i] = case_build(
			true, (const char *const[]){"a.hdb", hashes, "a.ndb", BENCH_RULES, NULL});
		assert_int_equal(images[i].err, 0);
		assert_int_equal(ruleset_attach(images[i].image, images[i].bytes, &rulesets[i]), 0);
		free(hashes);
	}
}

static void say_mail(struct frames_talk *talk, const struct mail *mail, bool is_pipelined)
{
	char body[TEXT_BYTES + 100];
	int n = snprintf(body, sizeof(body), "%s.\r\n%s", mail->data,
		is_pipelined ? "MAIL FROM:<c@example.org>\r\n" : "");

	frames_talk_send(talk, TCP_CLIENT, body, (size_t)n);
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 taken\r\n");
}

static void say_commands(struct frames_talk *talk, bool has_begun)
{
	if (!has_begun)
		frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@example.org>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.0 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@example.com>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.5 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "DATA\r\n");
	frames_talk_text(talk, TCP_SERVER, "354 go on\r\n");
}

// Some end in the middle, by a reset or by the end of one side, right behind a message.
static void make_talk(struct random *random, struct frames_talk *talk, uint32_t i)
{
	const uint32_t mails = 1 + random_below(random, 3);
	bool has_begun = false;

	frames_talk_init(talk, i % 3 == 0 ? 6 : 4, (uint16_t)(30000 + i % PORTS));
	for (int side = 0; side < 2; side++)
		talk->next[side] += i * 100000;
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mail.example.com\r\n250 PIPELINING\r\n");
	for (uint32_t k = 0; k < mails; k++) {
		const bool is_pipelined = k + 1 < mails && random_below(random, 3) == 0;

		say_commands(talk, has_begun);
		say_mail(talk, &texts[random_below(random, TEXTS)], is_pipelined);
		has_begun = is_pipelined;
	}
	switch (random_below(random, 6)) {
	case 0:
		frames_talk_segment(
			talk, TCP_CLIENT, talk->next[TCP_CLIENT], TCP_FLAG_RST, NULL, 0);
		return;
	case 1:
		frames_talk_segment(
			talk, TCP_SERVER, talk->next[TCP_SERVER], TCP_FLAG_RST, NULL, 0);
		return;
	case 2:
		frames_talk_close(talk, TCP_SERVER);
		return;
	default:
		frames_talk_text(talk, TCP_CLIENT, "QUIT\r\n");
		frames_talk_text(talk, TCP_SERVER, "221 2.0.0 bye\r\n");
		frames_talk_close(talk, TCP_CLIENT);
		return;
	}
}

// ---- running -------------------------------------------------------------------------------------

static const struct frames_item *next_item(struct random *random, uint32_t *at)
{
	uint32_t skip = random_below(random, AT_ONCE);

	for (uint32_t i = 0; i < 2 * TALKS; i++) {
		uint32_t which = i % TALKS;

		if (at[which] < talks[which].count && skip-- == 0)
			return &talks[which].items[at[which]++];
	}
	for (uint32_t i = 0; i < TALKS; i++)
		if (at[i] < talks[i].count)
			return &talks[i].items[at[i]++];
	return NULL;
}

static void give(struct side *side, const struct frames_item *item, uint64_t now_ns)
{
	struct frame frame = {malloc(OUTPUT_FRAME_ROOM), item->bytes, OUTPUT_FRAME_ROOM, NULL};

	assert_non_null(frame.data);
	memcpy(frame.data, item->data, item->bytes);
	engine_input(side->engine, 0, item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE, &frame,
		now_ns);
}

static void swap(struct side *side, const struct ruleset *ruleset)
{
	struct engine_options options;
	struct scanner *scanner;

	scanner_free(engine_take_idle_scanner(side->engine));
	if (!engine_has_room_for_scanner(side->engine))
		return;
	make_options(&options);
	assert_int_equal(scanner_new(&options.scan, ruleset, &scanner), 0);
	engine_set_scanner(side->engine, scanner);
}

// What may come between two frames.
static void disturb(struct random *random, struct side *sides, uint64_t now_ns)
{
	static _Alignas(struct engine_seals) uint8_t memory[SEAL_BYTES];
	struct engine_seals *seals = (struct engine_seals *)memory;
	uint32_t what = random_below(random, 200);
	const struct ruleset *ruleset = rulesets[random_below(random, RULES)];

	seals->count = 1;
	seals->seals[0] = (struct seal){.virus_id = "CV-1",
		.mode = SEAL_TEMPFAIL,
		.directions = SEAL_INBOUND,
		.subject = "*mail 5*"};
	for (int i = 0; i < 2; i++) {
		if (what < 4)
			engine_tick(sides[i].engine, now_ns);
		else if (what < 6)
			swap(&sides[i], ruleset);
		else if (what < 8)
			engine_set_seals(sides[i].engine, what == 6 ? seals : NULL);
	}
}

static void expect_same(const struct side *one, const struct side *other)
{
	for (size_t i = 0; i <= PORTS; i++) {
		assert_int_equal(one->outputs[i].bytes, other->outputs[i].bytes);
		if (one->outputs[i].bytes > 0)
			assert_memory_equal(one->outputs[i].data, other->outputs[i].data,
				one->outputs[i].bytes);
	}
	for (size_t i = 0; i <= TALKS; i++) {
		assert_int_equal(one->records[i].bytes, other->records[i].bytes);
		if (one->records[i].bytes > 0)
			assert_memory_equal(one->records[i].data, other->records[i].data,
				one->records[i].bytes);
	}
	assert_memory_equal(engine_counters(one->engine), engine_counters(other->engine),
		sizeof(struct counters));
}

static void run(struct random *random, struct side *sides)
{
	const struct frames_item *item = NULL;
	uint64_t now_ns = 1000000000;
	uint32_t at[TALKS] = {0};

	do {
		uint32_t count = 1 + random_below(random, ENGINE_BURST);

		engine_begin_burst(sides[1].engine);
		while (count-- > 0 && (item = next_item(random, at)) != NULL) {
			uint32_t before = sides[1].engine->gather.count;

			give(&sides[0], item, now_ns);
			give(&sides[1], item, now_ns);
			gathered += sides[1].engine->gather.count > before;
			together += sides[1].engine->gather.count > 1;
			disturb(random, sides, now_ns);
		}
		// The engine may be stopped, or the clock go on, with a burst at hand.
		if (random_below(random, 300) == 0)
			break;
		engine_end_burst(sides[1].engine);
		assert_int_equal(sides[1].engine->gather.count, 0);
		// One without a packet.
		if (random_below(random, 8) == 0) {
			engine_begin_burst(sides[1].engine);
			engine_end_burst(sides[1].engine);
		}
		now_ns += 100000;
		for (int i = 0; i < 2; i++)
			engine_tick(sides[i].engine, now_ns);
	} while (item != NULL);
	for (int i = 0; i < 2; i++)
		engine_stop(sides[i].engine, now_ns);
}

static void each_connection_goes_as_if_decided_at_once(void **state)
{
	static struct side sides[2];
	struct engine_options options;
	struct random random = {5};
	uint32_t infected = 0;
	uint32_t mails = 0;

	(void)state;
	talks = calloc(TALKS, sizeof(*talks));
	assert_non_null(talks);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		digests = random_below(&random, 2) == 0 ? DIGEST_SHA256 : 0;
		is_any_size = random_below(&random, 4) == 0;
		make_texts(&random);
		make_rules(&random);
		for (uint32_t i = 0; i < TALKS; i++)
			make_talk(&random, &talks[i], i);
		make_options(&options);
		begin(&sides[0], &options);
		begin(&sides[1], &options);
		run(&random, sides);
		expect_same(&sides[0], &sides[1]);
		mails += sides[0].mails;
		infected += sides[0].infected;
		end(&sides[0]);
		end(&sides[1]);
		for (uint32_t i = 0; i < TALKS; i++)
			frames_talk_free(&talks[i]);
		for (size_t i = 0; i < RULES; i++) {
			ruleset_close(rulesets[i]);
			free(images[i].image);
		}
	}
	free(talks);
	assert_true(mails > ROUNDS * 20 && infected > ROUNDS * 2);
	assert_true(gathered > ROUNDS * 5 && together > ROUNDS);
}

// ---- a packet that finds no room -----------------------------------------------------------------

#define ENVELOPE "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n"

static void feed(struct side *side, const struct frames_talk *talk, uint32_t from)
{
	for (uint32_t i = from; i < talk->count; i++)
		give(side, &talk->items[i], 1000000000);
}

static void open_talk(struct side *side, struct frames_talk *talk, uint16_t port)
{
	frames_talk_init(talk, 4, port);
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
	frames_talk_text(
		talk, TCP_SERVER, "250-mail.example.com\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
	feed(side, talk, 0);
}

// One packet.
static void say(struct side *side, struct frames_talk *talk, const char *text)
{
	const uint32_t from = talk->count;
	const uint32_t n = (uint32_t)strlen(text);

	frames_talk_segment(
		talk, TCP_CLIENT, talk->next[TCP_CLIENT], TCP_FLAG_ACK | TCP_FLAG_PSH, text, n);
	talk->next[TCP_CLIENT] += n;
	feed(side, talk, from);
}

// Two mails of one size, of which digests are to be computed: an infected one, another.
static const char bad[] = "Subject: one\r\n\r\nthis is the bad one\r\n";
static const char good[] = "Subject: two\r\n\r\nthis is a clean one\r\n";

static void make_size_rules(void)
{
	char line[100];
	uint8_t digest[SCREEN_DIGEST_BYTES];
	int at = 0;

	assert_int_equal(sizeof(bad), sizeof(good));
	screened_digest(bad, sizeof(bad) - 1, DIGEST_MD5, digest);
	for (size_t k = 0; k < 16; k++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, "%02x", digest[k]);
	(void)snprintf(line + at, sizeof(line) - (size_t)at, ":%zu:Test.Bad\n", sizeof(bad) - 1);
	images[0] = case_build(true, (const char *const[]){"a.hdb", line, NULL});
	assert_int_equal(images[0].err, 0);
	assert_int_equal(ruleset_attach(images[0].image, images[0].bytes, &rulesets[0]), 0);
}

// What waits goes on then, and has another mail in its packet that ends: that one does not wait with the packet that
// has come.
static void one_that_finds_no_room_is_not_mixed_up_with_others(void **state)
{
	static struct side side;
	struct engine_options options;
	struct frames_talk three[3];
	char text[1000];
	uint32_t from;

	(void)state;
	digests = 0;
	make_size_rules();
	make_options(&options);
	options.scan.max_messages = 2;
	begin(&side, &options);
	for (uint16_t i = 0; i < 3; i++)
		open_talk(&side, &three[i], (uint16_t)(30000 + i));
	// The bad one can be answered, and leaves its memory to others, at once.
	say(&side, &three[0], ENVELOPE);
	from = three[0].count;
	frames_talk_text(&three[0], TCP_SERVER, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n");
	feed(&side, &three[0], from);
	engine_begin_burst(side.engine);
	(void)snprintf(text, sizeof(text), "BDAT %zu LAST\r\n%s", sizeof(bad) - 1, bad);
	say(&side, &three[0], text);
	assert_int_equal(side.engine->gather.count, 1);
	(void)snprintf(text, sizeof(text),
		ENVELOPE "BDAT %zu LAST\r\n%s" ENVELOPE "BDAT %zu LAST\r\n%s", sizeof(good) - 1,
		good, sizeof(good) - 1, good);
	say(&side, &three[1], text);
	assert_int_equal(side.engine->gather.count, 2);
	say(&side, &three[2], ENVELOPE "BDAT 5 LAST\r\nhello");
	assert_int_equal(side.engine->gather.count, 0);
	engine_end_burst(side.engine);
	engine_stop(side.engine, 2000000000);
	assert_int_equal(side.mails, 4);
	assert_int_equal(side.infected, 1);
	end(&side);
	for (size_t i = 0; i < 3; i++)
		frames_talk_free(&three[i]);
	ruleset_close(rulesets[0]);
	free(images[0].image);
}

// ---- digests that run ----------------------------------------------------------------------------

static void say_whole(struct side *side, struct frames_talk *talk, const char *body)
{
	static char text[2 * TEXT_BYTES];

	(void)snprintf(text, sizeof(text), ENVELOPE "BDAT %zu LAST\r\n%s", strlen(body), body);
	say(side, talk, text);
}

// Of a long one little is left at its end: it is not put aside for that.
static void say_long(struct side *side, struct frames_talk *talk)
{
	static char body[200000] = "Subject: five\r\n\r\n";
	const uint32_t from = talk->count;
	char line[128];

	memset(body + strlen(body), 'x', sizeof(body) - strlen(body));
	(void)snprintf(line, sizeof(line), ENVELOPE "BDAT %zu LAST\r\n", sizeof(body));
	frames_talk_text(talk, TCP_CLIENT, line);
	for (size_t at = 0; at < sizeof(body); at += 20000)
		frames_talk_send(talk, TCP_CLIENT, body + at, 20000);
	feed(side, talk, from);
}

// What is left of these at the end is hashed together with that of others, where it is half or more.
static void digests_that_have_run_wait_for_each_other(void **state)
{
	static struct side side;
	struct engine_options options;
	struct frames_talk three[3];
	struct frames_talk other;
	char body[1300] = "Subject: three\r\n\r\n";

	(void)state;
	memset(body + strlen(body), 'x', sizeof(body) - 1 - strlen(body));
	digests = DIGEST_SHA256;
	make_size_rules();
	make_options(&options);
	begin(&side, &options);
	for (uint16_t i = 0; i < 3; i++)
		open_talk(&side, &three[i], (uint16_t)(30000 + i));
	open_talk(&side, &other, 30003);
	engine_begin_burst(side.engine);
	say_whole(&side, &three[0], body);
	assert_int_equal(side.engine->gather.count, 1);
	assert_int_equal(side.mails, 0);
	say_whole(&side, &three[1], "Subject: four\r\n\r\nshort\r\n");
	assert_int_equal(side.engine->gather.count, 1);
	say_whole(&side, &three[2], body);
	assert_int_equal(side.engine->gather.count, 2);
	say_long(&side, &other);
	assert_int_equal(side.engine->gather.count, 2);
	engine_end_burst(side.engine);
	assert_int_equal(side.engine->gather.count, 0);
	engine_stop(side.engine, 2000000000);
	assert_int_equal(side.mails, 4);
	assert_int_equal(side.infected, 0);
	end(&side);
	for (size_t i = 0; i < 3; i++)
		frames_talk_free(&three[i]);
	frames_talk_free(&other);
	ruleset_close(rulesets[0]);
	free(images[0].image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_finds_no_room_is_not_mixed_up_with_others),
		cmocka_unit_test(digests_that_have_run_wait_for_each_other),
		cmocka_unit_test(each_connection_goes_as_if_decided_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
