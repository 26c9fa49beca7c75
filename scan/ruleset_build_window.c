// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_window.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// What a place costs that passes the sieve, the filter, and for each entry that it meets then.
#define COST_SIEVE 6.0f
#define COST_FILTER 60.0f
#define COST_ENTRY 8.0f
// What each entry costs beyond the first, which a window with several values for a byte needs.
#define COST_VARIANT 3e-5f
// A pattern is looked through from its end, and no further than this for a cheaper window than that.
#define NEAR 96u
#define CHEAP 1e-5f
#define MOST_VARIANTS 1024u
#define LOADS_LOG 18u

struct build_windows {
	float first[256];
	float follow[256][256]; // how likely the second is behind the first
	float share[256][8];    // the same by classes
	uint16_t loads[1u << LOADS_LOG];
	uint8_t sieve[ANCHOR_SIEVE_BYTES];
};

// Of what is searched: programs, texts, and what is packed, in which all bytes are alike.
struct mixture {
	float programs;
	float texts;
	float packed;
};

static struct mixture mixture_of(uint32_t target)
{
	if (target == FILETYPE_TARGET_PE)
		return (struct mixture){0.7f, 0.05f, 0.25f};
	if (target == FILETYPE_TARGET_TEXT || target == FILETYPE_TARGET_HTML ||
		target == FILETYPE_TARGET_MAIL)
		return (struct mixture){0.0f, 0.97f, 0.03f};
	return (struct mixture){0.2f, 0.5f, 0.3f};
}

static float share_of(char letter)
{
	int halves = letter >= 'a' ? letter - 'a' + 26 : letter - 'A';

	return (halves % 2 == 0 ? 1.0f : 0.70710678f) / (float)(1u << (halves / 2));
}

static unsigned int folded(unsigned int byte)
{
	return byte >> 6 << 5 | (byte & 31);
}

static void add_frequencies(
	struct build_windows *windows, const struct build_frequencies *from, float weight)
{
	float part[256]; // of a byte among those that differ in bit 5

	for (unsigned int i = 0; i < 256; i++) {
		float own = share_of(from->singles[i]);

		part[i] = own / (own + share_of(from->singles[i ^ 0x20]));
	}
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++)
			windows->follow[i][k] += weight * part[i] * part[k] *
						 share_of(from->pairs[folded(i) * 128 + folded(k)]);
}

struct build_windows *build_windows_new(uint32_t target)
{
	struct build_windows *windows = calloc(1, sizeof(*windows));
	struct mixture mixture = mixture_of(target);

	if (windows == NULL)
		return NULL;
	add_frequencies(windows, &build_frequencies[BUILD_PROGRAMS], mixture.programs);
	add_frequencies(windows, &build_frequencies[BUILD_TEXTS], mixture.texts);
	for (unsigned int i = 0; i < 256; i++) {
		for (unsigned int k = 0; k < 256; k++) {
			windows->follow[i][k] += mixture.packed / 65536;
			windows->first[i] += windows->follow[i][k];
		}
		for (unsigned int k = 0; k < 256; k++) {
			windows->follow[i][k] /= windows->first[i];
			windows->share[i][anchor_class((uint8_t)k)] += windows->follow[i][k];
		}
	}
	return windows;
}

void build_windows_free(struct build_windows *windows)
{
	free(windows);
}

const uint8_t *build_windows_sieve(const struct build_windows *windows)
{
	return windows->sieve;
}

// ---- a window ----------------------------------------------------------------------------------

// The values of some bytes of a pattern.
struct values {
	uint32_t count;
	uint8_t bytes[256];
};

static void list(const struct build_spelling *spelling, uint32_t at, struct values *out)
{
	out->count = 0;
	for (unsigned int half = 0; half < 4; half++) {
		uint64_t bits = at < spelling->length ? spelling->sets[at].bits[half] : UINT64_MAX;

		for (; bits != 0; bits &= bits - 1)
			out->bytes[out->count++] =
				(uint8_t)(64 * half + (unsigned int)__builtin_ctzll(bits));
	}
}

// How many windows there are without regard to case; more than MOST_VARIANTS: too many.
static uint32_t variants_of(const struct values values[ANCHOR_WINDOW_BYTES])
{
	uint32_t variants = 1;

	for (unsigned int i = 0; i < ANCHOR_WINDOW_BYTES; i++) {
		uint32_t count = 0;
		bool has[256] = {false};

		if (values[i].count == 1)
			continue;
		for (uint32_t k = 0; k < values[i].count; k++) {
			count += !has[values[i].bytes[k] | 0x20];
			has[values[i].bytes[k] | 0x20] = true;
		}
		if (count == 0 || variants > MOST_VARIANTS / count)
			return MOST_VARIANTS + 1;
		variants *= count;
	}
	return variants;
}

static unsigned int classes_of(const struct values *values)
{
	unsigned int classes = 0;

	for (uint32_t i = 0; i < values->count; i++)
		classes |= 1u << anchor_class(values->bytes[i]);
	return classes;
}

static size_t pair_of(uint8_t first, uint8_t second)
{
	uint8_t bytes[2] = {first, second};
	uint16_t pair;

	memcpy(&pair, bytes, sizeof(pair));
	return pair;
}

// How likely a place passes the sieve that would not without this window.
static float sieve_share(
	const struct build_windows *windows, const struct values values[ANCHOR_WINDOW_BYTES])
{
	unsigned int classes = classes_of(&values[2]);
	float share = 0;

	for (uint32_t i = 0; i < values[0].count; i++) {
		for (uint32_t k = 0; k < values[1].count; k++) {
			uint8_t first = values[0].bytes[i];
			uint8_t second = values[1].bytes[k];
			unsigned int fresh =
				classes & ~(unsigned int)windows->sieve[pair_of(first, second)];
			float third = 0;

			for (; fresh != 0; fresh &= fresh - 1)
				third += windows->share[second][__builtin_ctz(fresh)];
			share += windows->first[first] * windows->follow[first][second] * third;
		}
	}
	return share;
}

// How likely the window is there.
static float window_share(
	const struct build_windows *windows, const struct values values[ANCHOR_WINDOW_BYTES])
{
	float before[256] = {0};
	float all = 0;

	for (uint32_t i = 0; i < values[0].count; i++)
		before[values[0].bytes[i]] = windows->first[values[0].bytes[i]];
	for (unsigned int at = 1; at < ANCHOR_WINDOW_BYTES; at++) {
		float now[256];

		all = 0;
		for (uint32_t k = 0; k < values[at].count; k++) {
			uint8_t byte = values[at].bytes[k];

			now[byte] = 0;
			for (uint32_t i = 0; i < values[at - 1].count; i++)
				now[byte] += before[values[at - 1].bytes[i]] *
					     windows->follow[values[at - 1].bytes[i]][byte];
			all += now[byte];
		}
		for (uint32_t k = 0; k < values[at].count; k++)
			before[values[at].bytes[k]] = now[values[at].bytes[k]];
	}
	return all;
}

static uint16_t *load_of(
	struct build_windows *windows, const struct values values[ANCHOR_WINDOW_BYTES])
{
	uint8_t bytes[ANCHOR_WINDOW_BYTES];
	uint32_t window;

	for (unsigned int i = 0; i < ANCHOR_WINDOW_BYTES; i++)
		bytes[i] = values[i].bytes[0];
	memcpy(&window, bytes, sizeof(window));
	return &windows->loads[anchor_hash(window) >> (64 - LOADS_LOG)];
}

static float cost_of(struct build_windows *windows, const struct values values[ANCHOR_WINDOW_BYTES])
{
	uint32_t variants = variants_of(values);
	float share;

	if (variants > MOST_VARIANTS)
		return INFINITY;
	share = window_share(windows, values);
	return (float)(variants - 1) * COST_VARIANT + COST_SIEVE * sieve_share(windows, values) +
	       share * (COST_FILTER + COST_ENTRY * (float)*load_of(windows, values));
}

static void take_window(
	struct build_windows *windows, const struct values values[ANCHOR_WINDOW_BYTES])
{
	uint16_t *load = load_of(windows, values);

	if (*load < UINT16_MAX)
		++*load;
	for (uint32_t i = 0; i < values[0].count; i++)
		for (uint32_t k = 0; k < values[1].count; k++)
			windows->sieve[pair_of(values[0].bytes[i], values[1].bytes[k])] |=
				(uint8_t)classes_of(&values[2]);
}

// ---- a piece -----------------------------------------------------------------------------------

// The bits that all values of a byte have alike.
static uint8_t fixed_bits(const struct clamav_class *set, uint8_t *value)
{
	unsigned int all = 0xff;
	unsigned int any = 0;

	for (unsigned int half = 0; half < 4; half++) {
		for (uint64_t bits = set->bits[half]; bits != 0; bits &= bits - 1) {
			unsigned int byte = 64 * half + (unsigned int)__builtin_ctzll(bits);

			all &= byte;
			any |= byte;
		}
	}
	*value = (uint8_t)all;
	return (uint8_t) ~(all ^ any);
}

// Where pieces may lie.
#define SPAN (ANCHOR_PIECE_BEFORE + ANCHOR_PIECE_BEHIND + ANCHOR_PIECE_BYTES)

struct span {
	uint8_t values[SPAN];
	uint8_t masks[SPAN];
	uint32_t weights[SPAN]; // how much a byte tells when the window is known
};

// What follows an equal byte tells little, and so do zeros.
static void read_span(
	const struct build_spelling *spelling, uint32_t first, uint32_t window, struct span *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < SPAN && first + i < spelling->length; i++) {
		uint32_t place = first + i;
		uint32_t weight;

		out->masks[i] = fixed_bits(&spelling->sets[place], &out->values[i]);
		out->values[i] &= out->masks[i];
		weight = (uint32_t)__builtin_popcount(out->masks[i]);
		if (i > 0 && out->masks[i] == out->masks[i - 1] &&
			out->values[i] == out->values[i - 1])
			weight /= 2;
		if (out->values[i] == 0 || out->values[i] == 0xff)
			weight /= 2;
		out->weights[i] = place >= window && place < window + ANCHOR_WINDOW_BYTES
					  ? 1 + weight / 4
					  : 4 * weight;
	}
}

// The piece that tells most.
static void choose_piece(
	const struct build_spelling *spelling, uint32_t window, struct anchor_entry *out)
{
	uint32_t first = window > ANCHOR_PIECE_BEFORE ? window - ANCHOR_PIECE_BEFORE : 0;
	uint32_t last = window + ANCHOR_PIECE_BEHIND - first;
	uint32_t best = 0;
	uint32_t most = 0;
	struct span span;

	read_span(spelling, first, window, &span);
	for (uint32_t at = 0; at <= last; at++) {
		uint32_t sum = 0;

		for (uint32_t i = at; i < at + ANCHOR_PIECE_BYTES; i++)
			sum += span.weights[i];
		if (sum <= most)
			continue;
		most = sum;
		best = at;
	}
	memcpy(&out->piece, span.values + best, sizeof(out->piece));
	memcpy(&out->mask, span.masks + best, sizeof(out->mask));
	out->piece_at = (int16_t)((int32_t)(first + best) - (int32_t)window);
}

void build_choose_window(struct build_windows *windows, const struct build_spelling *spelling,
	struct anchor_entry *out)
{
	struct values values[ANCHOR_WINDOW_BYTES];
	uint32_t best = spelling->length;
	float least = INFINITY;

	for (uint32_t i = 0; i + 1 < ANCHOR_WINDOW_BYTES; i++)
		list(spelling, spelling->length + i, &values[i]);
	for (uint32_t at = spelling->length; at-- > 0;) {
		float cost;

		if (least <= CHEAP && spelling->length - at > NEAR)
			break;
		memmove(&values[1], &values[0], (ANCHOR_WINDOW_BYTES - 1) * sizeof(values[0]));
		list(spelling, at, &values[0]);
		cost = cost_of(windows, values);
		if (cost >= least)
			continue;
		least = cost;
		best = at;
	}
	assert(best < spelling->length);
	for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++)
		list(spelling, best + i, &values[i]);
	take_window(windows, values);
	out->at = (uint16_t)best;
	choose_piece(spelling, best, out);
}
