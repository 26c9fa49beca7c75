// SPDX-License-Identifier: BSD-3-Clause
// Alerts in mail, and pieces of alerts that are put together. Property of the mail: no envelope is longer than
// the mail, there are not more than are allowed, and a text that is an envelope itself is shown as it is. Of
// the pieces: what comes out is what a list of the pieces gives, in their order.
//
// The first byte chooses. Pieces: then a byte for the count, and for each a number, a length, and as many bytes.
#include "control/alert_part.h"
#include "control/envelope.h"
#include "control/segments.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 16u

struct look {
	const uint8_t *data;
	size_t n;
	unsigned int count;
	bool is_whole;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

static void look_at(void *ctx, const void *envelope, size_t bytes)
{
	struct look *look = ctx;

	look->count++;
	must(bytes <= look->n);
	look->is_whole |= bytes == look->n && memcmp(envelope, look->data, bytes) == 0;
}

static void try_mail(const uint8_t *data, size_t n)
{
	struct look look = {data, n, 0, false};
	struct envelope *envelope = NULL;
	const char *why = "";

	must(alert_part_each(data, n, look_at, &look) == look.count);
	must(look.count <= ALERT_PART_MOST);
	if (n > 0 && data[0] == '{' && envelope_parse(data, n, &envelope, &why) == 0)
		must(look.count == 1 && look.is_whole);
	envelope_free(envelope);
}

static void try_pieces(const uint8_t *data, size_t n)
{
	const uint8_t *pieces[PIECES] = {NULL};
	size_t lengths[PIECES] = {0};
	uint32_t count = n > 0 ? 1 + data[0] % PIECES : 0;
	struct segments *segments = NULL;
	size_t at = 1;
	int got = 0;

	must(segments_new(&segments) == 0);
	while (count > 0 && at + 2 <= n && got == 0) {
		uint32_t number = data[at] % count;
		size_t bytes = data[at + 1] < n - at - 2 ? data[at + 1] : n - at - 2;
		struct segment segment = {"a", "id", 2, number + 1, count, data + at + 2, bytes};
		void *all = NULL;
		size_t all_bytes = 0;

		got = segments_add(segments, &segment, 2048, 1000, &all, &all_bytes);
		at += 2 + bytes;
		if (got >= 0 && pieces[number] == NULL) {
			pieces[number] = segment.data;
			lengths[number] = bytes;
		}
		for (uint32_t i = 0, from = 0; got == 1 && i < count; i++) {
			must(pieces[i] != NULL && from + lengths[i] <= all_bytes &&
				memcmp((uint8_t *)all + from, pieces[i], lengths[i]) == 0);
			from += (uint32_t)lengths[i];
			must(i + 1 < count || from == all_bytes);
		}
		free(all);
	}
	must(got <= 0 || segments_count(segments) == 0);
	segments_free(segments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	if (data[0] % 2 == 0)
		try_mail(data + 1, n - 1);
	else
		try_pieces(data + 1, n - 1);
	return 0;
}
