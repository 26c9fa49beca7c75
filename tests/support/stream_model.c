// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/stream_model.h"

#include "reassembly/stream.h"

#include <stdlib.h>
#include <string.h>

#define SPACE 40000u       // offsets that the model knows, from BASE
#define BASE 0xffffc000ull // 32 bits wrap inside
#define PAGES 16u          // fewer than SPACE needs, so that memory runs out
#define MAX_BYTES 30000u
#define PUT_MAX 6000u

struct model {
	struct stream stream;
	struct stream_pool *pool;
	uint8_t byte[SPACE];
	bool present[SPACE];
	bool sent[SPACE];
	bool unsent[SPACE]; // present and not sent
	uint32_t trimmed;
	uint32_t released;
	uint32_t read;
};

static void *memory;
static struct model model;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

// The first at or after from that is so, or SPACE. By the library's search: this is most of the work.
static uint32_t first_that(const bool *flag, bool is_so, uint32_t from)
{
	const bool *found = memchr(flag + from, is_so ? 1 : 0, SPACE - from);

	return found != NULL ? (uint32_t)(found - flag) : SPACE;
}

static uint32_t first_without(const bool *flag)
{
	return first_that(flag, false, 0);
}

static uint32_t lowest(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t holes(const bool *flag)
{
	uint32_t at = first_without(flag);
	uint32_t n = 0;

	while ((at = first_that(flag, true, at)) < SPACE) {
		n++;
		at = first_that(flag, false, at);
	}
	return n;
}

static int check_full(const struct stream *before, uint32_t at, uint32_t n)
{
	const struct stream *stream = &model.stream;

	CHECK(memcmp(before, stream, sizeof(*stream)) == 0);
	CHECK(at + n - model.trimmed > MAX_BYTES || holes(model.present) >= 32 ||
		stream_pool_free_pages(model.pool) < n / STREAM_PAGE_BYTES + 3);
	return 0;
}

// What put must make of data, and of the model.
static enum stream_put expect_put(uint32_t at, uint8_t *data, uint32_t n, uint32_t *rewritten)
{
	enum stream_put put = at + n <= model.trimmed && n > 0 ? STREAM_FORGOTTEN : STREAM_OLD;

	for (uint32_t i = 0; i < n; i++) {
		if (at + i < model.trimmed)
			continue;
		if (!model.present[at + i]) {
			put = STREAM_NEW;
			model.present[at + i] = true;
			model.unsent[at + i] = !model.sent[at + i];
			model.byte[at + i] = data[i];
		} else if (model.byte[at + i] != data[i]) {
			++*rewritten;
			data[i] = model.byte[at + i];
		}
	}
	return put;
}

static int run_put(uint32_t at, uint32_t n, uint8_t seed)
{
	static uint8_t data[PUT_MAX];
	static uint8_t expected[PUT_MAX];
	struct stream before = model.stream;
	uint32_t free_pages = stream_pool_free_pages(model.pool);
	uint32_t rewritten;
	uint32_t expected_rewritten = 0;
	enum stream_put put;

	n = lowest(n, SPACE - at);
	for (uint32_t i = 0; i < n; i++)
		data[i] = (uint8_t)(seed + (seed & 1 ? (at + i) / 7 : 0));
	memcpy(expected, data, n);
	put = stream_put(&model.stream, model.pool, BASE + at, data, n, &rewritten);
	if (put == STREAM_FULL) {
		CHECK(memcmp(expected, data, n) == 0 && rewritten == 0);
		CHECK(free_pages == stream_pool_free_pages(model.pool));
		return check_full(&before, at, n);
	}
	CHECK(put == expect_put(at, expected, n, &expected_rewritten));
	CHECK(rewritten == expected_rewritten);
	CHECK(memcmp(expected, data, n) == 0);
	return 0;
}

static int run_consume(uint32_t n)
{
	uint8_t *data;
	size_t got = stream_peek(&model.stream, &data);

	CHECK((got > 0) == (model.read < first_without(model.present)));
	CHECK(memcmp(data != NULL ? data : model.byte,
		      data != NULL ? model.byte + model.read : model.byte, got) == 0);
	got = lowest((uint32_t)got, n);
	stream_consume(&model.stream, got);
	model.read += (uint32_t)got;
	return 0;
}

// Only what has arrived is ever marked: the part of the range up to the first hole.
static int run_mark(uint32_t at, uint32_t n)
{
	uint32_t to = lowest(first_that(model.present, false, at), at + n);
	bool in_order = at <= first_without(model.sent);

	if (stream_mark_sent(&model.stream, model.pool, BASE + at, BASE + to)) {
		memset(model.sent + at, true, to - at);
		memset(model.unsent + at, false, to - at);
		return 0;
	}
	CHECK(!in_order);
	CHECK(holes(model.sent) >= 32 || stream_pool_free_pages(model.pool) == 0);
	return 0;
}

static int run_fill(uint32_t at, uint32_t n, uint8_t byte)
{
	stream_fill(&model.stream, BASE + at, BASE + at + n, byte);
	for (uint32_t i = at; i < SPACE && i < at + n; i++)
		if (i >= model.trimmed && model.unsent[i])
			model.byte[i] = byte;
	return 0;
}

static void run_release(uint32_t at, bool trim)
{
	uint32_t next = first_without(model.present);
	uint32_t limit;

	stream_release(&model.stream, model.pool, BASE + at);
	if (lowest(at, next) > model.released)
		model.released = lowest(at, next);
	limit = model.released > STREAM_KEEP_BYTES ? model.released - STREAM_KEEP_BYTES : 0;
	if (trim) {
		stream_trim(&model.stream, model.pool);
		limit = model.released;
	}
	limit = lowest(limit, lowest(model.read, first_without(model.sent)));
	if (limit > model.trimmed)
		model.trimmed = limit;
}

static int check_unsent(uint32_t limit)
{
	uint64_t from = 0;
	uint64_t to = 0;
	uint32_t first = lowest(first_that(model.unsent, true, 0), limit);
	uint32_t last = lowest(first_that(model.unsent, false, first), limit);

	CHECK(stream_unsent(&model.stream, BASE + limit, &from, &to) == (first < limit));
	CHECK(first == limit || (from == BASE + first && to == BASE + last));
	return 0;
}

static int check_edges(void)
{
	const struct stream *stream = &model.stream;
	const bool *last = memrchr(model.present, true, SPACE);
	uint32_t end = last != NULL ? (uint32_t)(last + 1 - model.present) : 0;

	CHECK(stream->next == BASE + first_without(model.present));
	CHECK(stream->sent == BASE + first_without(model.sent));
	CHECK(stream->end == BASE + end);
	CHECK(stream->trimmed == BASE + model.trimmed);
	CHECK(stream->released == BASE + model.released);
	CHECK(stream->read == BASE + model.read);
	return 0;
}

static int check_memory(void)
{
	const struct stream *stream = &model.stream;
	bool has_ranges = stream->ranges != NULL;

	CHECK(stream->pages + has_ranges + stream_pool_free_pages(model.pool) == PAGES);
	CHECK(stream->trimmed < stream->end || stream->pages == 0);
	CHECK(has_ranges == (stream->next != stream->end || holes(model.sent) > 0));
	return 0;
}

static int check_bytes(uint32_t at)
{
	static uint8_t out[STREAM_PAGE_BYTES + 500];
	size_t n = at >= model.trimmed ? first_that(model.present, false, at) - at : 0;

	n = n < sizeof(out) ? n : sizeof(out);
	CHECK(stream_copy(&model.stream, BASE + at, out, sizeof(out)) == n);
	CHECK(memcmp(out, model.byte + at, n) == 0);
	return 0;
}

static int check_state(uint32_t at)
{
	int line = check_edges();

	if (line == 0)
		line = check_memory();
	if (line == 0)
		line = check_bytes(at);
	return line != 0 ? line : check_unsent(at);
}

static int run_one(const uint8_t *op)
{
	uint32_t at = (uint32_t)(op[1] | op[2] << 8) % SPACE;
	uint32_t n = (uint32_t)(op[3] | op[4] << 8) % PUT_MAX;
	uint32_t near = (uint32_t)(model.stream.next - BASE);
	int line = 0;

	switch (op[0] % 8) {
	case 0:
		line = run_put(lowest(near, SPACE - 1), n, op[1]); // in order
		break;
	case 1:
		at = near + (op[1] & 63) * 16u; // around the edge
		at = lowest(at > 512 ? at - 512 : at, SPACE - 1);
		line = run_put(at, n % 512, op[2]);
		break;
	case 2:
		line = run_put(at, n, op[0]);
		break;
	case 3:
		line = run_consume(n);
		break;
	case 4:
		line = run_mark(op[0] & 8 ? at : first_without(model.sent) % SPACE, n);
		break;
	case 5:
		line = run_fill(at, n, op[0]);
		break;
	case 6:
		run_release(op[0] & 8 ? SPACE : at, false);
		break;
	default:
		run_release(0, true);
		break;
	}
	return line != 0 ? line : check_state(at);
}

int stream_model_run(const uint8_t *data, size_t n)
{
	int line = 0;

	if (memory == NULL)
		memory = aligned_alloc(64, (stream_pool_bytes(PAGES) + 63) / 64 * 64);
	if (memory == NULL)
		return __LINE__;
	memset(&model, 0, sizeof(model));
	model.pool = stream_pool_init(memory, PAGES);
	stream_init(&model.stream, MAX_BYTES);
	model.stream.trimmed = BASE;
	model.stream.released = BASE;
	model.stream.read = BASE;
	model.stream.next = BASE;
	model.stream.sent = BASE;
	model.stream.end = BASE;
	for (; n >= 5 && line == 0; n -= 5, data += 5)
		line = run_one(data);
	stream_fini(&model.stream, model.pool);
	CHECK(line != 0 || stream_pool_free_pages(model.pool) == PAGES);
	return line;
}
