// SPDX-License-Identifier: BSD-3-Clause
// Running digests of many objects side by side, against the crypto library's of each: random algorithms, lengths,
// pieces and interleavings, streams that are given up in the middle, and ends of several at once.
#include "scan/digest_lanes.h"
#include "scan/digest_stream.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>

#include <stdint.h>
#include <string.h>

#define STREAMS 80
#define ALL_BYTES (400u << 10)
#define ROUNDS 12
#define STEPS 4000
#define ALL_DIGESTS 7u

static uint8_t data[ALL_BYTES];

struct object {
	struct digest_stream *stream; // NULL: none
	size_t from;                  // its bytes in data
	size_t bytes;
	size_t fed;
};

struct world {
	struct random random;
	struct digest_streams streams;
	struct object objects[STREAMS];
	uint32_t ended;
	uint32_t most_waiting;
};

static const EVP_MD *reference(enum digest_algorithm algorithm)
{
	return algorithm == DIGEST_INDEX_MD5    ? EVP_md5()
	       : algorithm == DIGEST_INDEX_SHA1 ? EVP_sha1()
						: EVP_sha256();
}

static void expect(const struct object *object, const struct digest_form *form,
	enum digest_algorithm algorithm, const uint8_t *digest)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t wanted[EVP_MAX_MD_SIZE] = {0};

	assert_non_null(context);
	assert_int_equal(EVP_DigestInit_ex(context, reference(algorithm), NULL), 1);
	assert_int_equal(EVP_DigestUpdate(context, data + object->from, object->fed), 1);
	assert_int_equal(EVP_DigestUpdate(context, form->behind, form->behind_bytes), 1);
	assert_int_equal(EVP_DigestFinal_ex(context, wanted, NULL), 1);
	EVP_MD_CTX_free(context);
	assert_memory_equal(digest, wanted, DIGEST_MAX_BYTES);
}

// Of objects of some bytes, of a few kilobytes and of many.
static size_t some_bytes(struct random *random)
{
	static const uint32_t most[] = {1, 70, 300, 5000, 70000, ALL_BYTES};

	return random_below(random, most[random_below(random, 6)]);
}

static void begin(struct world *world, struct object *object)
{
	unsigned int algorithms = 1 + random_below(&world->random, ALL_DIGESTS);

	object->bytes = some_bytes(&world->random);
	object->from = random_below(&world->random, (uint32_t)(ALL_BYTES - object->bytes) + 1);
	object->fed = 0;
	object->stream = digest_stream_begin(&world->streams, algorithms);
}

static void feed(struct world *world, struct object *object)
{
	size_t n = some_bytes(&world->random);

	n = n < object->bytes - object->fed ? n : object->bytes - object->fed;
	digest_stream_feed(object->stream, data + object->from + object->fed, n);
	object->fed += n;
	assert_int_equal(object->stream->bytes, object->fed);
	assert_true(digest_stream_left(object->stream) <=
		    DIGEST_STREAM_CHUNKS * (uint64_t)DIGEST_STREAM_CHUNK);
}

static void make_late(struct world *world, const struct object *object, struct digest_late *late)
{
	*late = (struct digest_late){.stream = object->stream, .bytes = object->fed};
	for (size_t i = 0; i < DIGEST_FORMS; i++) {
		late->forms[i].behind_bytes =
			(uint8_t)random_below(&world->random, i == 0 ? 1 : DIGEST_BEHIND_BYTES + 1);
		memcpy(late->forms[i].behind, "\r\n\r\n", DIGEST_BEHIND_BYTES);
	}
	for (size_t i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((object->stream->running >> i & 1) != 0)
			late->wanted[i] = (uint8_t)random_below(&world->random, 1u << DIGEST_FORMS);
}

static void check_late(const struct object *object, const struct digest_late *late,
	const digest_late_values *values)
{
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++)
		for (size_t k = 0; k < DIGEST_FORMS; k++)
			if ((late->wanted[i] >> k & 1) != 0)
				expect(object, &late->forms[k], i, (*values)[i][k]);
}

// Several that are over, or are taken for it.
static void end_some(struct world *world, size_t most)
{
	static digest_late_values values[DIGEST_LANES];
	struct digest_late lates[DIGEST_LANES];
	const struct digest_late *all[DIGEST_LANES] = {NULL};
	struct object *objects[DIGEST_LANES];
	size_t count = 0;

	for (size_t i = 0; i < STREAMS && count < most; i++) {
		struct object *object = &world->objects[i];

		if (object->stream == NULL || random_below(&world->random, 4) == 0)
			continue;
		objects[count] = object;
		make_late(world, object, &lates[count]);
		all[count] = &lates[count];
		count++;
	}
	digest_late_compute(all, count, values);
	for (size_t i = 0; i < count; i++)
		check_late(objects[i], &lates[i], &values[i]);
	for (size_t i = 0; i < count; i++) {
		struct object *object = objects[i];

		// What goes on is not changed by it.
		if (object->fed < object->bytes)
			continue;
		digest_late_drop(&lates[i]);
		object->stream = NULL;
		world->ended++;
	}
}

static void step(struct world *world)
{
	struct object *object = &world->objects[random_below(&world->random, STREAMS)];
	uint32_t what = random_below(&world->random, 100);

	if (what == 0) {
		end_some(world, random_below(&world->random, DIGEST_LANES + 1));
	} else if (what < 3) {
		digest_streams_rest(&world->streams);
	} else if (object->stream == NULL) {
		begin(world, object);
	} else if (what < 5) {
		// Given up in the middle.
		digest_stream_free(object->stream);
		object->stream = NULL;
	} else if (object->fed < object->bytes) {
		feed(world, object);
	} else {
		end_some(world, 1 + random_below(&world->random, 2));
	}
}

static uint32_t count_waiting(const struct digest_streams *streams)
{
	uint32_t count = 0;

	for (const struct digest_stream *at = streams->waiting; at != NULL; at = at->next)
		count++;
	return count;
}

static void fill_data(struct random *random)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_below(random, 256);
}

static void streams_do_not_mix(void **state)
{
	static struct world world;
	uint32_t chunks;

	(void)state;
	world.random = (struct random){31};
	fill_data(&world.random);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		assert_int_equal(digest_streams_init(&world.streams, STREAMS), 0);
		chunks = world.streams.chunks_free;
		for (unsigned int i = 0; i < STEPS; i++) {
			uint32_t waiting;

			step(&world);
			waiting = count_waiting(&world.streams);
			world.most_waiting =
				waiting > world.most_waiting ? waiting : world.most_waiting;
		}
		for (size_t i = 0; i < STREAMS; i++) {
			digest_stream_free(world.objects[i].stream);
			world.objects[i].stream = NULL;
		}
		assert_int_equal(world.streams.chunks_free, chunks);
		assert_null(world.streams.waiting);
		digest_streams_fini(&world.streams);
	}
	assert_true(world.ended > ROUNDS * 20);
	assert_true(world.most_waiting > DIGEST_LANES);
}

// Each length behind blocks that are hashed, and each place where it is cut in two.
static void each_length_has_its_end(void **state)
{
	struct world world = {.random = {5}};

	(void)state;
	fill_data(&world.random);
	assert_int_equal(digest_streams_init(&world.streams, 1), 0);
	for (size_t n = 0; n <= 3 * (size_t)DIGEST_STREAM_BLOCK; n++) {
		for (size_t cut = 0; cut <= n; cut++) {
			struct object object = {.bytes = n, .fed = n};
			static digest_late_values values[1];
			struct digest_late late;
			const struct digest_late *const one = &late;

			object.stream = digest_stream_begin(&world.streams, ALL_DIGESTS);
			digest_stream_feed(object.stream, data, cut);
			if ((n + cut) % 2 == 0)
				digest_streams_rest(&world.streams);
			digest_stream_feed(object.stream, data + cut, n - cut);
			make_late(&world, &object, &late);
			digest_late_compute(&one, 1, values);
			check_late(&object, &late, (const digest_late_values *)values);
			digest_late_drop(&late);
		}
	}
	digest_streams_fini(&world.streams);
}

// One that is alone is not kept back for company, however long it is.
static void what_waits_is_hashed_when_there_is_nothing_else_to_do(void **state)
{
	struct world world = {.random = {6}};
	struct digest_stream *stream;

	(void)state;
	fill_data(&world.random);
	assert_int_equal(digest_streams_init(&world.streams, 1), 0);
	stream = digest_stream_begin(&world.streams, ALL_DIGESTS);
	digest_stream_feed(stream, data, 60001);
	assert_int_equal(digest_stream_left(stream), 60001);
	for (unsigned int i = 0; i < 60001; i += 4096)
		digest_streams_rest(&world.streams);
	assert_int_equal(digest_stream_left(stream), 60001 % DIGEST_STREAM_BLOCK);
	digest_stream_free(stream);
	digest_streams_fini(&world.streams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_do_not_mix),
		cmocka_unit_test(each_length_has_its_end),
		cmocka_unit_test(what_waits_is_hashed_when_there_is_nothing_else_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
