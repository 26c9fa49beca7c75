// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_window.h"

#include "scan/ruleset_build_sieve.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// What a place costs that passes the sieve, the filter, that has beside it what its bucket asks for, and for each
// entry that it meets then.
#define COST_SIEVE 6.0f
#define COST_FILTER 20.0f
#define COST_BESIDE 20.0f
#define COST_ENTRY 20.0f
// More entries of a bucket become families, of which so many are met.
#define MOST_ALONE 6.0f
#define MET_SHARE 0.1f
// What each entry costs beyond the first, which a window with several values for a byte needs.
#define COST_VARIANT 3e-5f
// A pattern is looked through from its end, and no further than this for a cheaper window than that.
#define NEAR 64u
#define CHEAP 1e-5f
// And no further than this for any other, since so much is looked up again with each portion, but for those that cost
// more: they are all over a program, as zeros are.
#define FAR 160u
#define DEAR 0.01f
#define MOST_VARIANTS 1024u
#define KNOWN_VARIANTS 16u
#define FOUR_LETTERS 9u
// Longer patterns are rare, and so is what is met no more often. Each byte more makes a pattern so much rarer.
#define MOST_LOOKED 32u
#define TOO_RARE 1e-8f
#define BYTE_SHARE 0.4f
#define MOST_FOURS 3000u

#define NIBBLES 16u

// A window that is there far more often than its pairs tell.
struct four {
	uint32_t window;
	float share; // 0: none
};
#define FOURS_LOG 14u

// What windows were chosen that share a bucket: how likely a place is looked up there, and how many entries it has.
struct load {
	float share;
	float entries;
};

// Of what is searched: programs, texts, pages of HTML, and what is packed, in which all bytes are alike.
struct mixture {
	float programs;
	float texts;
	float pages;
	float packed;
};

// How likely bytes are, and windows of four.
struct shares {
	float first[256];
	float follow[256][256]; // how likely the second is behind the first
	struct four fours[1u << FOURS_LOG];
};

struct build_windows {
	enum anchor_content content;
	struct mixture mixture;
	struct shares exact;
	struct shares folded; // without regard to case, as text is looked up, of bytes with bit 5
	float before[256][NIBBLES]; // how likely such a byte is before that one, and behind it
	float behind[256][NIBBLES];
	struct load *loads;
	unsigned int loads_log;
	struct build_sieve sieve;
};

static struct mixture mixture_of(uint32_t target, enum anchor_content content)
{
	const float packed = content == ANCHOR_BYTES ? 0.03f : 0.0f;

	if (content == ANCHOR_CODES)
		return (struct mixture){0.0f, 0.0f, 0.0f, 0.0f};
	if (target == FILETYPE_TARGET_HTML)
		return (struct mixture){0.0f, 0.2f - packed, 0.8f, packed};
	if (target == FILETYPE_TARGET_TEXT)
		return (struct mixture){0.0f, 0.9f - packed, 0.1f, packed};
	if (target == FILETYPE_TARGET_MAIL || content != ANCHOR_BYTES)
		return (struct mixture){0.0f, 0.75f - packed, 0.25f, packed};
	if (target == FILETYPE_TARGET_PE)
		return (struct mixture){0.7f, 0.05f, 0.0f, 0.25f};
	return (struct mixture){0.2f, 0.3f, 0.2f, 0.3f};
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
			windows->exact.follow[i][k] +=
				weight * part[i] * part[k] *
				share_of(from->pairs[folded(i) * 128 + folded(k)]);
}

// Where a window is or belongs: there is always room.
static const struct four *find_four(const struct shares *shares, uint32_t window)
{
	uint32_t at = (uint32_t)(window * ANCHOR_FACTOR >> (64 - FOURS_LOG));

	while (shares->fours[at].share > 0 && shares->fours[at].window != window)
		at = (at + 1) % (1u << FOURS_LOG);
	return &shares->fours[at];
}

static void add_four(struct shares *shares, uint32_t window, float share)
{
	struct four *four = &shares->fours[find_four(shares, window) - shares->fours];

	four->window = window;
	four->share += share;
}

static void add_fours(struct build_windows *windows, const char *text, float weight)
{
	for (uint32_t count = 0; *text != '\0' && count < MOST_FOURS;
		text += FOUR_LETTERS, count++) {
		uint32_t digits = (uint32_t)strtoul((char[]){text[0], text[1], text[2], text[3],
							    text[4], text[5], text[6], text[7], 0},
			NULL, 16);
		uint32_t window = htobe32(digits);
		float share = weight * share_of(text[FOUR_LETTERS - 1]);

		add_four(&windows->exact, window, share);
		add_four(&windows->folded, window | ANCHOR_FOLD, share);
	}
}

static void add_of(
	struct build_windows *windows, const struct build_frequencies *from, float weight)
{
	if (weight == 0)
		return;
	add_frequencies(windows, from, weight);
	add_fours(windows, from->fours, weight);
}

static void foresee_fours(struct build_windows *windows)
{
	for (uint32_t i = 0; i < 1u << FOURS_LOG; i++) {
		uint8_t bytes[ANCHOR_WINDOW_BYTES];

		memcpy(bytes, &windows->exact.fours[i].window, sizeof(bytes));
		if (windows->exact.fours[i].share > 0)
			build_sieve_foresee_four(
				&windows->sieve, bytes, windows->exact.fours[i].share);
	}
}

// What is packed is added, and pairs become what follows each byte.
static void add_packed(struct shares *shares, float packed)
{
	for (unsigned int i = 0; i < 256; i++) {
		for (unsigned int k = 0; k < 256; k++) {
			shares->follow[i][k] += packed / 65536;
			shares->first[i] += shares->follow[i][k];
		}
		for (unsigned int k = 0; k < 256; k++)
			shares->follow[i][k] /= shares->first[i];
	}
}

static float pair_share(const struct shares *shares, unsigned int first, unsigned int second)
{
	return shares->first[first] * shares->follow[first][second];
}

static void fold(struct shares *folded, const struct shares *exact)
{
	const unsigned int bit = ANCHOR_FOLD & 0xff;

	for (unsigned int i = 0; i < 256; i++) {
		if ((i & bit) == 0)
			continue;
		folded->first[i] = exact->first[i] + exact->first[i ^ bit];
		for (unsigned int k = 0; k < 256; k++)
			if ((k & bit) != 0)
				folded->follow[i][k] =
					(pair_share(exact, i, k) + pair_share(exact, i ^ bit, k) +
						pair_share(exact, i, k ^ bit) +
						pair_share(exact, i ^ bit, k ^ bit)) /
					folded->first[i];
	}
}

static void sum_up_beside(struct build_windows *windows)
{
	const struct shares *shares = &windows->exact;

	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++) {
			windows->behind[i][anchor_nibble((uint8_t)k)] += shares->follow[i][k];
			if (shares->first[k] > 0)
				windows->before[k][anchor_nibble((uint8_t)i)] +=
					pair_share(shares, i, k) / shares->first[k];
		}
}

int build_windows_set_buckets(struct build_windows *windows, unsigned int buckets_log)
{
	struct load *loads = calloc((size_t)1 << buckets_log, sizeof(*loads));

	if (loads == NULL)
		return -ENOMEM;
	free(windows->loads);
	windows->loads = loads;
	windows->loads_log = buckets_log;
	return 0;
}

struct build_windows *build_windows_new(
	uint32_t target, enum anchor_content content, unsigned int buckets_log)
{
	struct build_windows *windows = calloc(1, sizeof(*windows));

	if (windows == NULL || build_windows_set_buckets(windows, buckets_log) != 0) {
		free(windows);
		return NULL;
	}
	windows->content = content;
	windows->mixture = mixture_of(target, content);
	windows->sieve.content = content;
	add_of(windows, &build_programs, windows->mixture.programs);
	add_of(windows, &build_texts, windows->mixture.texts);
	add_of(windows, &build_pages, windows->mixture.pages);
	if (content == ANCHOR_CODES)
		build_codes_follow(windows->exact.follow);
	add_packed(&windows->exact, windows->mixture.packed);
	if (anchor_is_folded(content))
		fold(&windows->folded, &windows->exact);
	sum_up_beside(windows);
	foresee_fours(windows);
	build_sieve_foresee(&windows->sieve, windows->exact.first, windows->exact.follow);
	return windows;
}

bool build_windows_are_for(
	const struct build_windows *windows, uint32_t target, enum anchor_content content)
{
	const struct mixture mixture = mixture_of(target, content);

	return windows->content == content && windows->mixture.programs == mixture.programs &&
	       windows->mixture.texts == mixture.texts &&
	       windows->mixture.pages == mixture.pages; // the rest is packed
}

void build_windows_free(struct build_windows *windows)
{
	if (windows != NULL)
		free(windows->loads);
	free(windows);
}

const uint8_t *build_windows_sieve(const struct build_windows *windows)
{
	return windows->sieve.bytes;
}

// ---- a window ----------------------------------------------------------------------------------

static void list(const struct build_spelling *spelling, uint32_t at, struct build_values *out)
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
static uint32_t variants_of(const struct build_values *const *values)
{
	uint32_t variants = 1;

	for (unsigned int i = 0; i < ANCHOR_WINDOW_BYTES; i++) {
		uint32_t count = 0;
		bool has[256];

		if (values[i]->count == 1)
			continue;
		memset(has, 0, sizeof(has));
		for (uint32_t k = 0; k < values[i]->count; k++) {
			count += !has[values[i]->bytes[k] | 0x20];
			has[values[i]->bytes[k] | 0x20] = true;
		}
		if (count == 0 || variants > MOST_VARIANTS / count)
			return MOST_VARIANTS + 1;
		variants *= count;
	}
	return variants;
}

// How likely the window is there, by its pairs.
static float chained_share(const struct shares *shares, const struct build_values *const *values)
{
	float before[256] = {0};
	float all = 0;

	for (uint32_t i = 0; i < values[0]->count; i++)
		before[values[0]->bytes[i]] = shares->first[values[0]->bytes[i]];
	for (unsigned int at = 1; at < ANCHOR_WINDOW_BYTES; at++) {
		float now[256];

		all = 0;
		for (uint32_t k = 0; k < values[at]->count; k++) {
			uint8_t byte = values[at]->bytes[k];

			now[byte] = 0;
			for (uint32_t i = 0; i < values[at - 1]->count; i++)
				now[byte] += before[values[at - 1]->bytes[i]] *
					     shares->follow[values[at - 1]->bytes[i]][byte];
			all += now[byte];
		}
		for (uint32_t k = 0; k < values[at]->count; k++)
			before[values[at]->bytes[k]] = now[values[at]->bytes[k]];
	}
	return all;
}

// The same by what is known to be frequent; of many variants, by the first ones.
static float known_share(const struct shares *shares, const struct build_values *const *values)
{
	uint32_t chosen[ANCHOR_WINDOW_BYTES] = {0};
	float all = 0;
	uint32_t at = 0;

	for (uint32_t variant = 0; variant < KNOWN_VARIANTS && at < ANCHOR_WINDOW_BYTES;
		variant++) {
		uint8_t bytes[ANCHOR_WINDOW_BYTES];
		uint32_t window;

		for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++)
			bytes[i] = values[i]->bytes[chosen[i]];
		memcpy(&window, bytes, sizeof(window));
		all += find_four(shares, window)->share;
		for (at = 0; at < ANCHOR_WINDOW_BYTES && ++chosen[at] == values[at]->count; at++)
			chosen[at] = 0;
	}
	return all;
}

// The same where each byte has one value, as almost all have.
static float single_share(const struct shares *shares, const struct build_values *const *values)
{
	uint8_t bytes[ANCHOR_WINDOW_BYTES];
	uint32_t window;
	float share = shares->first[values[0]->bytes[0]];
	float known;

	for (unsigned int i = 0; i < ANCHOR_WINDOW_BYTES; i++)
		bytes[i] = values[i]->bytes[0];
	for (unsigned int i = 1; i < ANCHOR_WINDOW_BYTES; i++)
		share *= shares->follow[bytes[i - 1]][bytes[i]];
	memcpy(&window, bytes, sizeof(window));
	known = find_four(shares, window)->share;
	return share > known ? share : known;
}

static float share_in(const struct shares *shares, const struct build_values *const *values)
{
	float chained;
	float known;

	if ((values[0]->count | values[1]->count | values[2]->count | values[3]->count) == 1)
		return single_share(shares, values);
	chained = chained_share(shares, values);
	known = known_share(shares, values);
	return chained > known ? chained : known;
}

static void fold_values(const struct build_values *from, struct build_values *out)
{
	bool has[256] = {false};

	out->count = 0;
	for (uint32_t i = 0; i < from->count; i++) {
		const uint8_t byte = from->bytes[i] | (uint8_t)ANCHOR_FOLD;

		if (!has[byte])
			out->bytes[out->count++] = byte;
		has[byte] = true;
	}
}

// How likely a place is looked up for the window. Text is looked up without regard to case from the sieve on; of
// other bytes the sieve has let pass what is in the right one.
static float window_share(
	const struct build_windows *windows, const struct build_values *const *values)
{
	struct build_values bytes[ANCHOR_WINDOW_BYTES];
	const struct build_values *folded[ANCHOR_WINDOW_BYTES];

	if (!anchor_is_folded(windows->content))
		return share_in(&windows->exact, values);
	for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++) {
		fold_values(values[i], &bytes[i]);
		folded[i] = &bytes[i];
	}
	return share_in(&windows->folded, folded);
}

float build_windows_share(
	const struct build_windows *windows, const struct build_spelling *spelling)
{
	float least = 1;

	if (spelling->length > MOST_LOOKED)
		return 0;
	for (uint32_t at = 0; at < spelling->length && least > TOO_RARE; at++) {
		struct build_values bytes[ANCHOR_WINDOW_BYTES];
		const struct build_values *values[ANCHOR_WINDOW_BYTES];
		float share;

		for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++) {
			list(spelling, at + i, &bytes[i]);
			values[i] = &bytes[i];
		}
		if (at > 0 && variants_of(values) > KNOWN_VARIANTS)
			continue;
		share = share_in(&windows->exact, values);
		// What is not frequent as such becomes rarer by each byte that goes with it.
		if (known_share(&windows->exact, values) == 0)
			for (uint32_t i = ANCHOR_WINDOW_BYTES; i < spelling->length; i++)
				share *= BYTE_SHARE;
		least = share < least ? share : least;
	}
	return least;
}

static struct load *load_of(struct build_windows *windows, const struct build_values *const *values)
{
	uint8_t bytes[ANCHOR_WINDOW_BYTES];
	uint32_t window;

	for (unsigned int i = 0; i < ANCHOR_WINDOW_BYTES; i++)
		bytes[i] = values[i]->bytes[0];
	memcpy(&window, bytes, sizeof(window));
	return &windows->loads[anchor_hash(window) >> (64 - windows->loads_log)];
}

static uint16_t nibbles_of(const struct clamav_class *set)
{
	uint64_t any = set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3];

	any |= any >> 32;
	return (uint16_t)(any | any >> 16);
}

struct build_beside build_beside_of(const struct build_spelling *spelling, uint32_t window)
{
	const uint32_t behind = window + ANCHOR_WINDOW_BYTES;

	return (struct build_beside){
		window > 0 ? nibbles_of(&spelling->sets[window - 1]) : UINT16_MAX,
		behind < spelling->length ? nibbles_of(&spelling->sets[behind]) : UINT16_MAX};
}

static float sum_of(const float *shares, uint16_t nibbles)
{
	float sum = 0;

	for (unsigned int i = 0; i < NIBBLES; i++)
		if ((nibbles >> i & 1) != 0)
			sum += shares[i];
	return sum;
}

// How likely a window that is there has beside it what the pattern has.
static float beside_share(const struct build_windows *windows,
	const struct build_values *const *values, const struct build_beside *beside)
{
	float share = 1;

	if (beside->before != UINT16_MAX)
		share *= sum_of(windows->before[values[0]->bytes[0]], beside->before);
	if (beside->behind != UINT16_MAX)
		share *= sum_of(
			windows->behind[values[ANCHOR_WINDOW_BYTES - 1]->bytes[0]], beside->behind);
	return share;
}

// How many entries are compared in a bucket of so many.
static float met_of(float entries)
{
	return entries < MOST_ALONE ? entries : MOST_ALONE + (entries - MOST_ALONE) * MET_SHARE;
}

// What the window costs, or something that is not less than the limit if it costs that.
static float cost_of(struct build_windows *windows, const struct build_values *const *values,
	const struct build_beside *beside, float limit)
{
	uint32_t variants = variants_of(values);
	const struct load *load = load_of(windows, values);
	float cost;
	float share;

	if (variants > MOST_VARIANTS)
		return INFINITY;
	share = window_share(windows, values);
	cost = share * COST_FILTER + (float)(variants - 1) * COST_VARIANT;
	if (cost >= limit)
		return cost;
	share *= beside_share(windows, values, beside);
	return cost + share * COST_BESIDE +
	       (share * met_of(load->entries + 1) +
		       load->share * (met_of(load->entries + 1) - met_of(load->entries))) *
		       COST_ENTRY +
	       COST_SIEVE * build_sieve_share(&windows->sieve, values);
}

static void take_window(struct build_windows *windows, const struct build_values *const *values,
	const struct build_beside *beside)
{
	struct load *load = load_of(windows, values);

	load->entries++;
	load->share += window_share(windows, values) * beside_share(windows, values, beside);
	build_sieve_take(&windows->sieve, values);
}

// Whether windows so far from the end need not be looked at when there is one that costs so much.
static bool is_far_enough(uint32_t distance, float least)
{
	if (least <= CHEAP)
		return distance > NEAR;
	return distance > FAR && least <= DEAR;
}

void build_choose_window(struct build_windows *windows, const struct build_spelling *spelling,
	struct anchor_entry *out)
{
	struct build_values ring[ANCHOR_WINDOW_BYTES]; // of the byte at i in place i % 4
	const struct build_values *values[ANCHOR_WINDOW_BYTES];
	uint32_t best = spelling->length;
	float least = INFINITY;
	struct build_beside beside;

	for (uint32_t at = spelling->length; at < spelling->length + ANCHOR_WINDOW_BYTES - 1; at++)
		list(spelling, at, &ring[at % ANCHOR_WINDOW_BYTES]);
	for (uint32_t at = spelling->length; at-- > 0;) {
		float cost;

		if (is_far_enough(spelling->length - at, least))
			break;
		list(spelling, at, &ring[at % ANCHOR_WINDOW_BYTES]);
		for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++)
			values[i] = &ring[(at + i) % ANCHOR_WINDOW_BYTES];
		beside = build_beside_of(spelling, at);
		cost = cost_of(windows, values, &beside, least);
		if (cost >= least)
			continue;
		least = cost;
		best = at;
	}
	assert(best < spelling->length);
	for (uint32_t i = 0; i < ANCHOR_WINDOW_BYTES; i++) {
		list(spelling, best + i, &ring[i]);
		values[i] = &ring[i];
	}
	beside = build_beside_of(spelling, best);
	take_window(windows, values, &beside);
	out->at = (uint16_t)best;
	build_choose_piece(spelling, best, out);
}
