// SPDX-License-Identifier: BSD-3-Clause
// After its start the engine takes no memory, waits for nobody and asks the kernel for nothing: what a
// world of a client, a server and a bad network gives it is written down, and given once more to an engine
// whose calls of the C library are counted (the linker's --wrap; the Makefile has the list).
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVIL "the-quick-evil-fox-of-the-test"
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define CALLS 400000
#define FRAMES 256
#define FRAME_BYTES 2048

// ---- what is counted ----------------------------------------------------------------------------

// The compiler thinks that it knows what malloc reads and writes.
static volatile bool is_inside;
static volatile unsigned int calls;
static const char *first;

static void count(const char *name)
{
	if (!is_inside)
		return;
	calls++;
	if (first == NULL)
		first = name;
}

#define WRAP(result, name, parameters, arguments)                                                  \
	result __real_##name parameters;                                                           \
	result __wrap_##name parameters;                                                           \
	result __wrap_##name parameters                                                            \
	{                                                                                          \
		count(#name);                                                                      \
		return __real_##name arguments;                                                    \
	}

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t bytes), (n, bytes))
WRAP(void *, realloc, (void *old, size_t n), (old, n))
WRAP(void, free, (void *old), (old))
WRAP(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
WRAP(ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
WRAP(int, usleep, (useconds_t us), (us))
WRAP(int, clock_gettime, (clockid_t id, struct timespec *out), (id, out))
WRAP(int, fputs, (const char *text, FILE *out), (text, out))

// ---- what an engine is given --------------------------------------------------------------------

struct call {
	uint64_t now_ns;
	uint8_t *data; // NULL: a tick
	uint32_t bytes;
	enum link_side side;
};

static struct call *given;
static size_t given_count;
static struct world world;

void __real_engine_input(struct engine *engine, uint32_t link, enum link_side side,
	struct frame *frame, uint64_t now_ns);
void __wrap_engine_input(struct engine *engine, uint32_t link, enum link_side side,
	struct frame *frame, uint64_t now_ns);
void __real_engine_tick(struct engine *engine, uint64_t now_ns);
void __wrap_engine_tick(struct engine *engine, uint64_t now_ns);

void __wrap_engine_input(struct engine *engine, uint32_t link, enum link_side side,
	struct frame *frame, uint64_t now_ns)
{
	struct call *call = &given[given_count++];

	assert_true(given_count < CALLS);
	*call = (struct call){now_ns, malloc(frame->bytes), frame->bytes, side};
	assert_non_null(call->data);
	memcpy(call->data, frame->data, frame->bytes);
	__real_engine_input(engine, link, side, frame, now_ns);
}

void __wrap_engine_tick(struct engine *engine, uint64_t now_ns)
{
	assert_true(given_count < CALLS);
	given[given_count++] = (struct call){.now_ns = now_ns};
	__real_engine_tick(engine, now_ns);
}
// NOLINTEND(bugprone-reserved-identifier)

// ---- the second engine's outside ----------------------------------------------------------------

static uint8_t memory[FRAMES][FRAME_BYTES];
static uint32_t free_frames[FRAMES];
static uint32_t free_count;
static uint32_t sent;
static uint32_t mails;

static bool take_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	uint32_t i;

	(void)ctx;
	if (free_count == 0 || bytes > FRAME_BYTES)
		return false;
	i = free_frames[--free_count];
	*out = (struct frame){.data = memory[i], .room = FRAME_BYTES, .handle = memory[i]};
	return true;
}

static void give_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	free_frames[free_count++] =
		(uint32_t)(((uint8_t *)frame->handle - &memory[0][0]) / FRAME_BYTES);
}

static void send_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	(void)link;
	(void)side;
	sent++;
	give_frame(ctx, frame);
}

static void count_mail(void *ctx, const struct mail_record *record)
{
	(void)ctx;
	(void)record;
	mails++;
}

static void give_again(const struct engine_options *options, const struct ruleset *ruleset)
{
	const struct engine_ops ops = {
		.alloc = take_frame, .free = give_frame, .send = send_frame, .mail = count_mail};
	struct engine *engine;

	free_count = 0;
	sent = 0;
	mails = 0;
	calls = 0;
	first = NULL;
	for (uint32_t i = 0; i < FRAMES; i++)
		free_frames[free_count++] = i;
	assert_int_equal(engine_new(options, &ops, ruleset, &engine), 0);
	for (size_t i = 0; i < given_count; i++) {
		struct frame frame;

		is_inside = true;
		if (given[i].data == NULL) {
			__real_engine_tick(engine, given[i].now_ns);
		} else {
			assert_true(take_frame(NULL, given[i].bytes, &frame));
			memcpy(frame.data, given[i].data, given[i].bytes);
			frame.bytes = given[i].bytes;
			__real_engine_input(engine, 0, given[i].side, &frame, given[i].now_ns);
		}
		is_inside = false;
	}
	engine_free(engine);
}

// ---- cases --------------------------------------------------------------------------------------

static void begin(const char *rules, uint64_t seed)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.scan.max_messages = 4;
	given = calloc(CALLS, sizeof(*given));
	assert_non_null(given);
	given_count = 0;
	world_init(&world, &options, 4, rules, seed);
}

static void finish(void)
{
	give_again(&world.options, world.ruleset);
	for (size_t i = 0; i < given_count; i++)
		free(given[i].data);
	free(given);
	world_fini(&world);
}

static const char mixed_mail[] =
	"Subject: =?utf-8?q?a_picture?=\r\nMIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"<p>=41 page&amp;more</p>=\r\n\r\n--b\r\n"
	"Content-Type: application/octet-stream; name*=utf-8''x.bin\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\n"
	"dGhlLXF1aWNrLWNsZWFuLWZveC1vZi10aGUtdGVzdA==\r\n--b\r\n\r\n"
	"begin 644 x\r\n#0V%T\r\n`\r\nend\r\n--b--\r\n.\r\n";

static void mail_costs_no_call(void **state)
{
	char *body;

	(void)state;
	begin(RULES, 3);
	world.faults = (struct world_faults){
		.drop = 10, .duplicate = 10, .delay_us = 2000, .jitter_us = 3000};
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, mixed_mail));
	(void)world_make_body(100000, 5, &body);
	assert_true(world_mail(&world, body));
	free(body);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	assert_true(world_say(&world, "BDAT 10\r\n0123456789", 1));
	assert_true(world_say(&world, "BDAT 4 LAST\r\nab\r\n", 1));
	assert_true(world_mail(&world, "Subject: x\r\n\r\n" EVIL "\r\n.\r\n"));
	assert_non_null(strstr(world_last_reply(&world), "554"));
	world_pass(&world, 20000);
	finish();
	assert_true(sent > 100);
	assert_int_equal(mails, 4);
	if (calls > 0)
		fail_msg("%u calls, the first of %s", calls, first);
}

static void what_is_called_is_counted(void **state)
{
	void *volatile block;

	(void)state;
	calls = 0;
	is_inside = true;
	block = malloc(1);
	is_inside = false;
	free(block);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_costs_no_call),
		cmocka_unit_test(what_is_called_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
