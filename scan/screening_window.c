// SPDX-License-Identifier: BSD-3-Clause
// Screening of windows: bytes of some length that may be anywhere in an object.
#include "scan/screening.h"

#include <string.h>

static uint32_t power(uint32_t exponent)
{
	uint32_t base = SCREEN_FACTOR;
	uint32_t result = 1;

	for (; exponent != 0; exponent >>= 1) {
		if ((exponent & 1) != 0)
			result *= base;
		base *= base;
	}
	return result;
}

// The checksum of what begins there; false: it is not in the copy.
static bool sum_at(const struct capture *copy, uint64_t at, uint32_t length, uint32_t *sum)
{
	const uint8_t *data = NULL;
	uint32_t result = 0;

	while (length > 0) {
		size_t n = capture_piece(copy, at, &data);

		if (n == 0)
			return false;
		n = n < length ? n : length;
		for (size_t i = 0; i < n; i++)
			result = result * SCREEN_FACTOR + data[i];
		at += n;
		length -= (uint32_t)n;
	}
	*sum = result;
	return true;
}

// From one position to a later one: cheaper than anew where that is near, as in runs of one byte.
static bool roll(const struct capture *copy, struct screening_trace *trace, uint64_t at,
	uint32_t length, uint32_t first)
{
	const uint8_t *leaving = NULL;
	const uint8_t *entering = NULL;

	while (trace->at < at) {
		size_t n = capture_piece(copy, trace->at, &leaving);
		size_t m = capture_piece(copy, trace->at + length, &entering);

		n = n < m ? n : m;
		n = n < at - trace->at ? n : (size_t)(at - trace->at);
		if (n == 0)
			return false;
		for (size_t i = 0; i < n; i++)
			trace->sum =
				(trace->sum - leaving[i] * first) * SCREEN_FACTOR + entering[i];
		trace->at += n;
	}
	return true;
}

// number: of the length.
static bool sum_of(struct screening *screening, uint64_t at, uint32_t number, uint32_t *sum)
{
	struct screening_trace *trace = &screening->owner->traces[number];
	uint32_t length = screening->owner->screen->lengths[number];

	if (trace->first == 0)
		trace->first = power(length - 1);
	if (trace->is_known && trace->at <= at && at - trace->at < length) {
		screening->steps += at - trace->at;
		trace->is_known = roll(&screening->copy, trace, at, length, trace->first);
	} else {
		screening->steps += length;
		trace->is_known = sum_at(&screening->copy, at, length, &trace->sum);
	}
	trace->at = at;
	*sum = trace->sum;
	return trace->is_known;
}

// The digest that was computed last, for entries that share a window.
struct confirmed {
	uint64_t at;
	uint32_t length;
	uint8_t algorithm;
	uint8_t value[DIGEST_MAX_BYTES];
};

static void confirm(struct screening *screening, const struct screen_window *window, uint64_t at,
	struct confirmed *last)
{
	const struct screen_record *record =
		screen_record(screening->owner->screen, window->record);
	bool is_new = last->at != at || last->length != window->length ||
		      last->algorithm != record->algorithm;
	struct digest digest;

	if (is_new) {
		screening->steps += window->length;
		digest_begin(&digest, 1u << record->algorithm);
		if (!screening_digest_of(screening, at, window->length, &digest) ||
			!digest_end(
				&digest, (enum digest_algorithm)record->algorithm, last->value)) {
			screening->is_partial = true;
			return;
		}
		last->at = at;
		last->length = window->length;
		last->algorithm = record->algorithm;
	}
	if (memcmp(last->value, record->digest, sizeof(last->value)) == 0)
		screening_hit(screening, window->record);
	else if (is_new)
		screening->false_candidates++;
}

// In four parts that do not wait for each other.
static uint32_t head_of(const uint8_t *data)
{
	// The factor to the power of 24, 16 and 8.
	static const uint32_t factors[] = {
		UINT32_C(0xdb21cda1), UINT32_C(0x9fbdafc1), UINT32_C(0x35df95e1), 1};
	uint32_t sums[4] = {0};
	uint32_t head = 0;

	for (size_t i = 0; i < SCREEN_HEAD_BYTES / 4; i++)
		for (size_t k = 0; k < 4; k++)
			sums[k] = sums[k] * SCREEN_FACTOR + data[k * SCREEN_HEAD_BYTES / 4 + i];
	for (size_t k = 0; k < 4; k++)
		head += sums[k] * factors[k];
	return head;
}

// ---- runs of one byte ----------------------------------------------------------------------------

// Where every window of a length begins in the same bytes all are what the first is.
static bool is_run(const uint8_t *data)
{
	return memcmp(data, data + 1, SCREEN_HEAD_BYTES - 1) == 0;
}

// Notes the run that goes on there, as far as it counts.
static void follow_run(struct screening *screening, uint8_t value, uint64_t at, uint64_t most)
{
	struct screening_run *run = &screening->run;
	const uint8_t *data = NULL;
	size_t n;

	if (at < run->from || at >= run->to)
		*run = (struct screening_run){at, at};
	while (run->to - at < most && (n = capture_piece(&screening->copy, run->to, &data)) > 0) {
		size_t i = 0;

		n = n < most - (run->to - at) ? n : (size_t)(most - (run->to - at));
		while (i < n && data[i] == value)
			i++;
		run->to += i;
		if (i < n)
			return;
	}
}

// Whether bytes from there on are the same as those that begin one before.
static bool is_as_before(const struct screening *screening, uint64_t at, uint64_t length)
{
	const struct screening_run *run = &screening->run;

	return at > run->from && at + length <= run->to;
}

// ---- candidates ----------------------------------------------------------------------------------

// Whoever knows the list can make more of them than there is time for.
static bool is_exhausted(const struct screening *screening)
{
	return screening->false_candidates > SCREENING_FALSE_CANDIDATES ||
	       screening->steps > SCREENING_STEPS + SCREENING_STEPS_PER_BYTE * screening->bytes;
}

// The first group with this head, or the end.
static uint32_t first_group(const struct screen *screen, uint32_t head)
{
	uint32_t low = 0;
	uint32_t high = screen->groups_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (screen->groups[middle].head < head)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The first window of the group with this checksum, or with a larger one.
static uint32_t first_window(
	const struct screen *screen, const struct screen_group *group, uint32_t sum)
{
	uint32_t low = group->first;
	uint32_t high = group->first + group->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((uint32_t)screen->by_group[middle].rolling < sum)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void try_group(struct screening *screening, const struct screen_group *group, uint64_t at,
	struct confirmed *last)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t sum;

	if (!sum_of(screening, at, group->length, &sum)) {
		screening->is_partial = true;
		return;
	}
	for (uint32_t i = first_window(screen, group, sum); i < group->first + group->count; i++) {
		const struct screen_window *window = &screen->by_group[i];

		if ((uint32_t)window->rolling != sum)
			return;
		if (!screening_has_hit(screening, window->record))
			confirm(screening, window, at, last);
	}
}

// Something may begin there.
static void candidate(struct screening *screening, const uint8_t *data, uint64_t at)
{
	const struct screen *screen = screening->owner->screen;
	uint64_t longest = screen->lengths[screen->lengths_count - 1];
	struct confirmed last = {.at = UINT64_MAX};
	uint32_t head = head_of(data);
	uint32_t i = first_group(screen, head);

	if (i < screen->groups_count && screen->groups[i].head == head && is_run(data))
		follow_run(screening, data[0], at, longest + SCREEN_BLOCK);
	for (; i < screen->groups_count && screen->groups[i].head == head; i++) {
		uint32_t length = screen->lengths[screen->groups[i].length];

		screening->steps++;
		if (length > screening->bytes - at || is_as_before(screening, at, length))
			continue;
		try_group(screening, &screen->groups[i], at, &last);
		if (is_exhausted(screening)) {
			screening->is_partial = true;
			return;
		}
	}
}

// The bytes from there on in one piece, with what may be read behind them.
static const uint8_t *block_at(struct screening *screening, uint64_t at)
{
	struct screenings *owner = screening->owner;
	const uint8_t *data = NULL;
	size_t n;

	if (capture_piece(&screening->copy, at, &data) >= sizeof(owner->stage))
		return data;
	n = capture_read(&screening->copy, at, owner->stage, sizeof(owner->stage));
	memset(owner->stage + n, 0, sizeof(owner->stage) - n);
	return owner->stage;
}

// Windows that begin below end, where all of a head is there.
static void search(struct screening *screening, uint64_t end)
{
	const struct screenings *owner = screening->owner;
	uint64_t longest = owner->screen->lengths[owner->screen->lengths_count - 1];
	uint64_t positions[SCREEN_BLOCK / 64];

	while (screening->searched < end) {
		uint64_t at = screening->searched;
		const uint8_t *data = block_at(screening, at);

		if (is_exhausted(screening)) {
			screening->searched = end;
			return;
		}
		owner->find(&owner->screen->filter, data, positions);
		for (size_t i = 0; i < SCREEN_BLOCK; i += 64) {
			for (uint64_t bits = positions[i / 64]; bits != 0; bits &= bits - 1) {
				size_t from = i + (size_t)__builtin_ctzll(bits);

				if (at + from < end && !is_as_before(screening, at + from, longest))
					candidate(screening, data + from, at + from);
			}
		}
		screening->searched = end - at < SCREEN_BLOCK ? end : at + SCREEN_BLOCK;
	}
}

// Whether some window could be in an object of this size and type.
static bool could_have(const struct screening *screening, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;

	for (uint32_t i = 0; i < screen->windows_count; i++)
		if (screen->by_group[i].length <= screening->bytes &&
			screen_record_takes(
				screen, screen->by_group[i].record, screening->bytes, types))
			return true;
	return false;
}

void screening_windows(struct screening *screening, uint64_t types, bool is_last)
{
	const struct screen *screen = screening->owner->screen;
	uint64_t there = screening->copy.bytes;
	uint64_t longest = screen->lengths[screen->lengths_count - 1];

	memset(screening->owner->traces, 0, sizeof(screening->owner->traces));
	if (!is_last)
		search(screening, there > longest ? there - longest : 0);
	else if (there >= SCREEN_HEAD_BYTES)
		search(screening, there - SCREEN_HEAD_BYTES + 1);
	// Where nothing more was kept one could begin unseen.
	if (is_last && screening->is_cut && could_have(screening, types))
		screening->is_partial = true;
}
