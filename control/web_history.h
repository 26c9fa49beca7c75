// SPDX-License-Identifier: BSD-3-Clause
// What the counters were, for plots: samples at even distances, the oldest forgotten.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

#define WEB_HISTORY_SECONDS 5
#define WEB_HISTORY_SAMPLES 17280 // a day

struct web_history;

struct web_history *web_history_new(void);
void web_history_free(struct web_history *history);
// Takes a sample when the last one is old enough; stats may be NULL: the dataplane is away. Returns whether it did.
bool web_history_take(
	struct web_history *history, const json_t *status, const json_t *stats, int64_t now_s);
// {"time": [...], "messages": [...], ...} of the samples after since, about at most points of them.
json_t *web_history_json(const struct web_history *history, int64_t since, uint32_t points);
