// SPDX-License-Identifier: BSD-3-Clause
// What a format of unpack_whole.h makes of an object that is there as a whole.
#pragma once

#include "scan/unpack_whole.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

struct unpacked {
	char why[64]; // of the first warning
	uint32_t members;
	size_t ends[64]; // of each member, in data
	size_t bytes;
	uint8_t data[1 << 18];
};

static inline void unpack_all(const char *type, const void *object, size_t n, struct unpacked *out)
{
	struct whole_budget budget = {.left = 1 << 28};
	struct unpack_event event;
	struct capture_pool pool;
	struct capture capture;
	struct whole whole;

	memset(out, 0, offsetof(struct unpacked, data));
	assert_int_equal(capture_pool_init(&pool, 1024, 1024), 0);
	capture_begin(&capture, &pool, 1 << 20);
	assert_int_equal(capture_append(&capture, object, n), n);
	whole_init(&whole, whole_by_type(type), &capture, &budget, 1000);
	assert_int_equal(whole_begin(&whole), 0);
	do {
		whole_next(&whole, &event);
		if (event.type == UNPACK_MEMBER_BEGIN) {
			out->members++;
		} else if (event.type == UNPACK_MEMBER_DATA) {
			assert_true(out->bytes + event.bytes <= sizeof(out->data));
			memcpy(out->data + out->bytes, event.data, event.bytes);
			out->bytes += event.bytes;
		} else if (event.type == UNPACK_MEMBER_END) {
			assert_true(out->members <= 64);
			out->ends[out->members - 1] = out->bytes;
		} else if (event.type == UNPACK_WARNING && out->why[0] == '\0') {
			strncpy(out->why, event.why, sizeof(out->why) - 1);
		}
	} while (event.type != UNPACK_END);
	whole_end(&whole);
	capture_free(&capture);
	capture_pool_fini(&pool);
}
