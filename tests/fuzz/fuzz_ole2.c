// SPDX-License-Identifier: BSD-3-Clause
// Property: a compound file gives the same members and warnings however its capture is cut, no more than
// its budget allows, and comes to an end.
#include "scan/capture.h"
#include "scan/unpack_ole2.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (1u << 20)
#define MAX_RATIO 20
#define BUDGET (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void add(uint64_t *hash, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < n; i++)
		*hash = (*hash ^ at[i]) * 0x100000001b3u;
}

static bool note(uint64_t *hash, const struct unpack_event *event, bool *is_open)
{
	uint8_t type = (uint8_t)event->type;

	check(event->type != UNPACK_NEED_INPUT);
	if (event->type == UNPACK_MEMBER_DATA) {
		check(*is_open && event->bytes > 0);
		add(hash, event->data, event->bytes);
		return true;
	}
	add(hash, &type, 1);
	if (event->type == UNPACK_END)
		return false;
	if (event->type == UNPACK_WARNING) {
		add(hash, event->why, strlen(event->why));
		return true;
	}
	check(*is_open == (event->type == UNPACK_MEMBER_END));
	*is_open = !*is_open;
	add(hash, event->name, strlen(event->name));
	return true;
}

static uint64_t unpack(struct capture_pool *pool, const uint8_t *data, size_t n)
{
	struct whole_format format = {
		"ole2", FILETYPE_CONTAINER_OLE2, ole2_begin, ole2_next, ole2_end};
	struct whole_budget budget = {.left = BUDGET};
	struct capture capture;
	struct whole whole;
	struct unpack_event event;
	uint64_t hash = 0;
	bool is_open = false;

	capture_begin(&capture, pool, MAX_BYTES);
	check(capture_append(&capture, data, n) == n);
	whole_init(&whole, &format, &capture, &budget, MAX_RATIO);
	check(whole_begin(&whole) == 0);
	do {
		whole_next(&whole, &event);
	} while (note(&hash, &event, &is_open));
	check(!is_open);
	whole_end(&whole);
	capture_free(&capture);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct capture_pool large;
	static struct capture_pool small;

	if (large.memory == NULL) {
		check(capture_pool_init(&large, MAX_BYTES, 2) == 0);
		check(capture_pool_init(&small, 4096, MAX_BYTES / 4096 + 2) == 0);
	}
	if (n == 0 || n > MAX_BYTES)
		return 0;
	check(unpack(&large, data, n) == unpack(&small, data, n));
	return 0;
}
