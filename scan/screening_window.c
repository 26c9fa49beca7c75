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
static bool roll(
	const struct capture *copy, struct screening_trace *trace, uint64_t at, uint32_t length)
{
	const uint32_t first = power(length - 1);
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

static bool sum_of(struct screening *screening, uint64_t at, uint32_t length, uint32_t *sum)
{
	const struct screen *screen = screening->owner->screen;
	struct screening_trace *trace = screening->owner->traces;
	uint32_t i = 0;

	while (screen->lengths[i] != length)
		i++;
	trace += i;
	if (trace->is_known && trace->at <= at && at - trace->at < length)
		trace->is_known = roll(&screening->copy, trace, at, length);
	else
		trace->is_known = sum_at(&screening->copy, at, length, &trace->sum);
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
	const struct screen_record *record = &screening->owner->screen->records[window->record];
	bool is_new = last->at != at || last->length != window->length ||
		      last->algorithm != record->algorithm;
	struct digest digest;

	if (is_new) {
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

// The first window with this head, or the end.
static uint32_t first_window(const struct screen *screen, uint32_t head)
{
	uint32_t low = 0;
	uint32_t high = screen->windows_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (screen->windows[middle].rolling >> 32 < head)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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

// Something may begin there.
static void candidate(struct screening *screening, const uint8_t *data, uint64_t at)
{
	const struct screen *screen = screening->owner->screen;
	struct confirmed last = {.at = UINT64_MAX};
	uint32_t head = head_of(data);

	for (uint32_t i = first_window(screen, head); i < screen->windows_count; i++) {
		const struct screen_window *window = &screen->windows[i];
		uint32_t sum;

		if (window->rolling >> 32 != head)
			return;
		if (window->length > screening->bytes - at ||
			screening_has_hit(screening, window->record))
			continue;
		if (!sum_of(screening, at, window->length, &sum)) {
			screening->is_partial = true;
			continue;
		}
		if (sum == (uint32_t)window->rolling)
			confirm(screening, window, at, &last);
		if (screening->false_candidates > SCREENING_FALSE_CANDIDATES) {
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
	uint64_t positions[SCREEN_BLOCK / 64];

	while (screening->searched < end) {
		uint64_t at = screening->searched;
		const uint8_t *data = block_at(screening, at);

		if (screening->false_candidates > SCREENING_FALSE_CANDIDATES) {
			screening->searched = end;
			return;
		}
		owner->find(&owner->screen->filter, data, positions);
		for (size_t i = 0; i < SCREEN_BLOCK; i += 64) {
			for (uint64_t bits = positions[i / 64]; bits != 0; bits &= bits - 1) {
				size_t from = i + (size_t)__builtin_ctzll(bits);

				if (at + from < end)
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
		if (screen->windows[i].length <= screening->bytes &&
			screen_record_takes(screen, &screen->records[screen->windows[i].record],
				screening->bytes, types))
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
