// SPDX-License-Identifier: BSD-3-Clause
#include "scan/digest_stream.h"

#include "scan/digest_lanes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What waits of all streams together.
#define CHUNKS 160u
// Where chunks lie at such distances, lanes that are at the same place in theirs do not push each other out of
// the nearest cache.
#define STRIDE (DIGEST_STREAM_CHUNK + DIGEST_STREAM_BLOCK)
// Less is not worth a call.
#define LEAST_BYTES 1024u
// Lanes are kept as full as this as long as that goes.
#define GOOD_LANES 12u
// Of one stream in one call of digest_streams_rest.
#define REST_STREAM_BYTES 16384u

// ---- a thread's ----------------------------------------------------------------------------------

int digest_streams_init(struct digest_streams *streams, uint32_t count)
{
	*streams = (struct digest_streams){.count = count};
	streams->all = calloc(count > 0 ? count : 1, sizeof(*streams->all));
	streams->memory = aligned_alloc(DIGEST_STREAM_BLOCK, (size_t)CHUNKS * STRIDE);
	streams->free_chunks = calloc(CHUNKS, sizeof(*streams->free_chunks));
	if (streams->all == NULL || streams->memory == NULL || streams->free_chunks == NULL) {
		digest_streams_fini(streams);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < CHUNKS; i++)
		streams->free_chunks[i] = (uint16_t)(CHUNKS - 1 - i);
	streams->chunks_free = CHUNKS;
	return 0;
}

void digest_streams_fini(struct digest_streams *streams)
{
	free(streams->all);
	free(streams->memory);
	free(streams->free_chunks);
	*streams = (struct digest_streams){0};
}

static uint8_t *chunk_at(const struct digest_streams *streams, uint16_t chunk)
{
	return streams->memory + (size_t)chunk * STRIDE;
}

static void link_waiting(struct digest_stream *stream)
{
	struct digest_streams *streams = stream->owner;

	stream->previous = NULL;
	stream->next = streams->waiting;
	if (streams->waiting != NULL)
		streams->waiting->previous = stream;
	streams->waiting = stream;
}

static void unlink_waiting(struct digest_stream *stream)
{
	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		stream->owner->waiting = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
}

// ---- chunks --------------------------------------------------------------------------------------

static void take_chunk(struct digest_stream *stream)
{
	struct digest_streams *streams = stream->owner;

	stream->chunks[stream->chunks_count++] = streams->free_chunks[--streams->chunks_free];
}

// The first ones.
static void give_chunks(struct digest_stream *stream, size_t count)
{
	struct digest_streams *streams = stream->owner;

	for (size_t i = 0; i < count; i++)
		streams->free_chunks[streams->chunks_free++] = stream->chunks[i];
	stream->chunks_count = (uint8_t)(stream->chunks_count - count);
	memmove(stream->chunks, stream->chunks + count,
		stream->chunks_count * sizeof(stream->chunks[0]));
}

size_t digest_stream_piece(const struct digest_stream *stream, uint64_t at, const uint8_t **data)
{
	const uint64_t left = stream->bytes - at;
	size_t within = (size_t)(at - stream->hashed);
	size_t room;

	if (stream->chunks_count == 0) {
		*data = stream->rest + within;
		return (size_t)left;
	}
	within += stream->skip;
	room = DIGEST_STREAM_CHUNK - within % DIGEST_STREAM_CHUNK;
	if (left == 0)
		return 0;
	*data = chunk_at(stream->owner, stream->chunks[within / DIGEST_STREAM_CHUNK]) +
		within % DIGEST_STREAM_CHUNK;
	return room < left ? room : (size_t)left;
}

void digest_stream_advance(struct digest_stream *stream, uint64_t to)
{
	const uint64_t left = stream->bytes - to;
	size_t within;

	if (stream->chunks_count == 0)
		return;
	if (left < DIGEST_STREAM_BLOCK) {
		const uint8_t *data = NULL;
		size_t n = digest_stream_piece(stream, to, &data);

		if (n > 0)
			memcpy(stream->rest, data, n);
		give_chunks(stream, stream->chunks_count);
		unlink_waiting(stream);
		stream->hashed = to;
		stream->skip = 0;
		return;
	}
	within = (size_t)(to - stream->hashed) + stream->skip;
	give_chunks(stream, within / DIGEST_STREAM_CHUNK);
	stream->skip = (uint16_t)(within % DIGEST_STREAM_CHUNK);
	stream->hashed = to;
}

// ---- hashing what waits --------------------------------------------------------------------------

size_t digest_streams_longest(
	const struct digest_streams *streams, struct digest_stream **out, size_t max)
{
	size_t count = 0;

	for (struct digest_stream *at = streams->waiting; at != NULL; at = at->next) {
		const uint64_t left = digest_stream_left(at);
		size_t i = count;

		if (count == max && left <= digest_stream_left(out[max - 1]))
			continue;
		if (count < max)
			count++;
		else
			i--;
		for (; i > 0 && digest_stream_left(out[i - 1]) < left; i--)
			out[i] = out[i - 1];
		out[i] = at;
	}
	return count;
}

// Of each at most so many bytes.
static void hash(struct digest_stream *const *all, size_t count, uint64_t most)
{
	uint64_t to[DIGEST_LANES] = {0};

	for (size_t i = 0; i < count; i++) {
		uint64_t left = digest_stream_left(all[i]);

		left = left < most ? left : most;
		to[i] = all[i]->hashed + (left & ~(uint64_t)(DIGEST_STREAM_BLOCK - 1));
	}
	digest_lanes_advance(all, to, count);
	for (size_t i = 0; i < count; i++)
		digest_stream_advance(all[i], to[i]);
}

// Those of which most waits, together as far as that is worth while; where they are too few, or too little waits
// of most, as many as are done in about the time of one.
static void hash_longest(struct digest_streams *streams, uint64_t most)
{
	struct digest_stream *longest[DIGEST_LANES];
	const size_t count = digest_streams_longest(streams, longest, DIGEST_LANES);
	unsigned int algorithms = 0;
	uint64_t together;
	size_t worth;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		algorithms |= longest[i]->running;
	worth = digest_lanes_worth(algorithms);
	together = count >= worth ? digest_stream_left(longest[worth - 1]) : 0;
	if (count >= GOOD_LANES && worth < GOOD_LANES &&
		digest_stream_left(longest[GOOD_LANES - 1]) >= LEAST_BYTES)
		together = digest_stream_left(longest[GOOD_LANES - 1]);
	if (together >= LEAST_BYTES) {
		hash(longest, count, together < most ? together : most);
	} else {
		size_t few = digest_lanes_few(algorithms);

		hash(longest, few < count ? few : count, most);
	}
}

// There is room for another chunk of this one then.
static void make_room(struct digest_stream *stream)
{
	struct digest_streams *streams = stream->owner;

	while (streams->chunks_free == 0 || stream->chunks_count == DIGEST_STREAM_CHUNKS)
		hash_longest(streams, UINT64_MAX);
}

void digest_streams_rest(struct digest_streams *streams)
{
	hash_longest(streams, REST_STREAM_BYTES);
}

// ---- streams -------------------------------------------------------------------------------------

struct digest_stream *digest_stream_begin(struct digest_streams *streams, unsigned int algorithms)
{
	struct digest_stream *stream = streams->free;

	if (stream != NULL) {
		streams->free = stream->next;
	} else {
		assert(streams->begun < streams->count);
		stream = &streams->all[streams->begun++];
	}
	stream->owner = streams;
	stream->bytes = 0;
	stream->hashed = 0;
	stream->running = algorithms;
	stream->skip = 0;
	stream->chunks_count = 0;
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++)
		memcpy(stream->sums[i], digest_lanes_start(i), sizeof(stream->sums[i]));
	return stream;
}

// What waits is a block at least from now on.
static void begin_chunk(struct digest_stream *stream)
{
	const size_t n = (size_t)digest_stream_left(stream);

	make_room(stream);
	take_chunk(stream);
	memcpy(chunk_at(stream->owner, stream->chunks[0]), stream->rest, n);
	link_waiting(stream);
}

// Returns how many of the bytes are in the last chunk now.
static size_t fill_chunk(struct digest_stream *stream, const uint8_t *data, size_t n)
{
	const size_t used = (size_t)digest_stream_left(stream) + stream->skip;
	size_t room = stream->chunks_count * (size_t)DIGEST_STREAM_CHUNK - used;

	if (room == 0) {
		make_room(stream);
		// It may have been hashed itself.
		if (stream->chunks_count == 0)
			return 0;
		take_chunk(stream);
		room = DIGEST_STREAM_CHUNK;
	}
	room = room < n ? room : n;
	memcpy(chunk_at(stream->owner, stream->chunks[stream->chunks_count - 1]) +
			((size_t)digest_stream_left(stream) + stream->skip) % DIGEST_STREAM_CHUNK,
		data, room);
	stream->bytes += room;
	return room;
}

void digest_stream_feed(struct digest_stream *stream, const uint8_t *data, size_t n)
{
	while (n > 0) {
		const size_t left = (size_t)digest_stream_left(stream);
		size_t taken;

		if (stream->chunks_count == 0 && left + n < DIGEST_STREAM_BLOCK) {
			memcpy(stream->rest + left, data, n);
			stream->bytes += n;
			return;
		}
		if (stream->chunks_count == 0)
			begin_chunk(stream);
		taken = fill_chunk(stream, data, n);
		data += taken;
		n -= taken;
	}
}

void digest_stream_free(struct digest_stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->chunks_count > 0) {
		give_chunks(stream, stream->chunks_count);
		unlink_waiting(stream);
	}
	stream->next = stream->owner->free;
	stream->owner->free = stream;
}
