// SPDX-License-Identifier: BSD-3-Clause
// What is left of the digests of objects that have ended.
#include "scan/digest_lanes.h"

#define FILLED_BYTES 512u // of another stream; less is not worth a lane

static bool is_of_stream(const struct digest_late *late, enum digest_algorithm algorithm)
{
	return late->stream != NULL && (late->stream->running >> algorithm & 1) != 0;
}

bool digest_late_needs_copy(const struct digest_late *late)
{
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++)
		if (late->wanted[i] != 0 && !is_of_stream(late, i))
			return true;
	return false;
}

uint64_t digest_late_left(const struct digest_late *late)
{
	if (digest_late_needs_copy(late))
		return late->bytes;
	return late->stream != NULL ? digest_stream_left(late->stream) : 0;
}

void digest_late_drop(struct digest_late *late)
{
	capture_free(&late->copy);
	digest_stream_free(late->stream);
	late->stream = NULL;
}

// ---- lanes that are left -------------------------------------------------------------------------

// Streams of other objects, which are hashed in lanes that would be empty.
struct fillers {
	size_t count;
	struct digest_stream *streams[DIGEST_LANES];
	uint64_t to[DIGEST_LANES];
};

static bool is_among(
	const struct digest_late *const *lates, size_t count, const struct digest_stream *stream)
{
	for (size_t i = 0; i < count; i++)
		if (lates[i]->stream == stream)
			return true;
	return false;
}

// As far as the longest of the lates goes, if there are enough of them then for the vectors.
static void find_fillers(
	const struct digest_late *const *lates, size_t count, struct fillers *fillers)
{
	struct digest_stream *longest[2 * DIGEST_LANES];
	const struct digest_streams *streams = NULL;
	unsigned int algorithms = 0;
	uint64_t most = 0;
	size_t found = 0;
	size_t used = 0;

	fillers->count = 0;
	for (size_t i = 0; i < count; i++) {
		const uint64_t left = digest_late_left(lates[i]);

		used += digest_late_is_any(lates[i]);
		most = left > most ? left : most;
		if (lates[i]->stream == NULL)
			continue;
		algorithms |= lates[i]->stream->running;
		streams = lates[i]->stream->owner;
	}
	if (streams == NULL || used >= DIGEST_LANES || most < FILLED_BYTES)
		return;
	found = digest_streams_longest(streams, longest, 2 * (size_t)DIGEST_LANES);
	for (size_t i = 0; i < found && used + fillers->count < DIGEST_LANES; i++) {
		uint64_t left = digest_stream_left(longest[i]);

		if (left < FILLED_BYTES)
			break;
		if (is_among(lates, count, longest[i]))
			continue;
		left = left < most ? left : most;
		fillers->streams[fillers->count] = longest[i];
		fillers->to[fillers->count++] =
			longest[i]->hashed + (left & ~(uint64_t)(DIGEST_STREAM_BLOCK - 1));
	}
	if (used + fillers->count < digest_lanes_worth(algorithms))
		fillers->count = 0;
}

static size_t add_fillers(
	const struct fillers *fillers, enum digest_algorithm algorithm, struct digest_job *jobs)
{
	size_t used = 0;

	for (size_t i = 0; i < fillers->count; i++)
		if ((fillers->streams[i]->running >> algorithm & 1) != 0)
			jobs[used++] = (struct digest_job){
				.stream = fillers->streams[i], .bytes = fillers->to[i]};
	return used;
}

// Their numbers, the longest first: what takes longest begins early, and lanes stay filled to the end.
static void sort_by_length(
	const struct digest_late *const *lates, size_t count, uint8_t order[DIGEST_LATES])
{
	uint64_t left[DIGEST_LATES];

	for (size_t i = 0; i < count; i++) {
		const uint64_t own = digest_late_left(lates[i]);
		size_t at = i;

		for (; at > 0 && left[at - 1] < own; at--) {
			left[at] = left[at - 1];
			order[at] = order[at - 1];
		}
		left[at] = own;
		order[at] = (uint8_t)i;
	}
}

void digest_late_compute(
	const struct digest_late *const *lates, size_t count, digest_late_values *values)
{
	struct fillers fillers;
	uint8_t order[DIGEST_LATES];

	find_fillers(lates, count, &fillers);
	sort_by_length(lates, count, order);
	for (enum digest_algorithm a = 0; a < DIGEST_ALGORITHMS; a++) {
		struct digest_job jobs[DIGEST_LATES + DIGEST_LANES];
		size_t used = 0;

		for (size_t k = 0; k < count; k++) {
			const size_t i = order[k];

			if (lates[i]->wanted[a] != 0)
				jobs[used++] = (struct digest_job){.copy = &lates[i]->copy,
					.stream =
						is_of_stream(lates[i], a) ? lates[i]->stream : NULL,
					.bytes = lates[i]->bytes,
					.forms = lates[i]->forms,
					.wanted = lates[i]->wanted[a],
					.digests = values[i][a]};
		}
		used += add_fillers(&fillers, a, jobs + used);
		digest_lanes(a, jobs, used);
	}
	for (size_t i = 0; i < fillers.count; i++)
		digest_stream_advance(fillers.streams[i], fillers.to[i]);
}
