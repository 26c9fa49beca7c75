// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_szdd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES 4096u
#define OUT_BYTES 16384u
#define MOST_OUT 144u   // of a group: eight copies of 18 bytes
#define HEAD_BYTES 14   // signature, mode, the name's last letter, the size
#define BASIC_BYTES 12  // of the form of QBasic
#define GROUP_BYTES 17u // flags and eight pairs at most

struct szdd {
	uint64_t at;
	uint32_t place; // in the window
	bool is_open;
	uint8_t window[WINDOW_BYTES];
	uint8_t out[OUT_BYTES];
};

int szdd_begin(struct whole *whole)
{
	struct szdd *szdd = malloc(sizeof(*szdd));
	uint8_t first[4] = {0};
	bool is_basic;

	if (szdd == NULL)
		return -ENOMEM;
	(void)capture_read(whole->capture, whole->from, first, sizeof(first));
	is_basic = first[3] != 'D';
	memset(szdd->window, ' ', sizeof(szdd->window));
	szdd->at = whole->from + (is_basic ? BASIC_BYTES : HEAD_BYTES);
	szdd->place = WINDOW_BYTES - (is_basic ? 18 : 16);
	szdd->is_open = false;
	whole->state = szdd;
	return 0;
}

void szdd_end(struct whole *whole)
{
	free(whole->state);
	whole->state = NULL;
}

static void put(struct szdd *szdd, size_t *n, uint8_t byte)
{
	szdd->window[szdd->place] = byte;
	szdd->place = (szdd->place + 1) % WINDOW_BYTES;
	szdd->out[(*n)++] = byte;
}

// A byte of flags and what these are of. Returns how many of the bytes were read.
static size_t group(struct szdd *szdd, const uint8_t *in, size_t n, size_t *out)
{
	size_t used = 1;

	for (uint32_t bit = 0; bit < 8; bit++) {
		uint32_t from;
		uint32_t length;

		if (used + ((in[0] >> bit & 1) == 0) >= n)
			return used + ((in[0] >> bit & 1) == 0 && used < n);
		if ((in[0] >> bit & 1) != 0) {
			put(szdd, out, in[used++]);
			continue;
		}
		from = in[used] | (in[used + 1] & 0xf0u) << 4;
		length = (in[used + 1] & 0xfu) + 3;
		used += 2;
		for (uint32_t i = 0; i < length; i++)
			put(szdd, out, szdd->window[(from + i) % WINDOW_BYTES]);
	}
	return used;
}

void szdd_next(struct whole *whole, struct unpack_event *event)
{
	struct szdd *szdd = whole->state;
	uint8_t in[GROUP_BYTES];
	size_t bytes = 0;
	size_t n = 1;

	*event = (struct unpack_event){.type = UNPACK_MEMBER_BEGIN, .name = ""};
	if (!szdd->is_open) {
		szdd->is_open = true;
		return;
	}
	while (bytes + MOST_OUT <= OUT_BYTES && n > 0) {
		n = capture_read(whole->capture, szdd->at, in, sizeof(in));
		if (n > 0)
			szdd->at += group(szdd, in, n, &bytes);
	}
	*event = (struct unpack_event){.type = bytes > 0 ? UNPACK_MEMBER_DATA : UNPACK_END,
		.name = "",
		.data = szdd->out,
		.bytes = bytes};
}
