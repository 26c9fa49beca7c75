// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_history.h"

#include <glib.h>

// Columns of a sample: counters that only grow (while the dataplane runs), then gauges.
static const char *const counters[] = {"smtp_bytes", "rx_packets", "messages", "messages_clean",
	"messages_infected", "messages_suspect", "messages_delivered", "messages_rejected",
	"messages_tempfailed", "messages_held", "messages_quarantined"};
static const char *const gauges[] = {"held", "quarantined"};

#define COUNTERS G_N_ELEMENTS(counters)
#define COLUMNS (COUNTERS + G_N_ELEMENTS(gauges))

struct sample {
	int64_t time_s;
	bool is_up;
	int64_t values[COLUMNS];
};

struct web_history {
	uint64_t taken;
	struct sample samples[WEB_HISTORY_SAMPLES];
};

struct web_history *web_history_new(void)
{
	return g_new0(struct web_history, 1);
}

void web_history_free(struct web_history *history)
{
	g_free(history);
}

static const struct sample *sample_at(const struct web_history *history, uint64_t number)
{
	return &history->samples[number % WEB_HISTORY_SAMPLES];
}

bool web_history_take(
	struct web_history *history, const json_t *status, const json_t *stats, int64_t now_s)
{
	const json_t *of_stats = json_object_get(stats, "counters");
	const json_t *of_mail = json_object_get(status, "mail");
	struct sample *sample = &history->samples[history->taken % WEB_HISTORY_SAMPLES];

	// A clock that was set back stands before the last one.
	if (history->taken > 0 && now_s >= sample_at(history, history->taken - 1)->time_s &&
		now_s - sample_at(history, history->taken - 1)->time_s < WEB_HISTORY_SECONDS)
		return false;
	sample->time_s = now_s;
	sample->is_up = of_stats != NULL;
	for (size_t i = 0; i < COLUMNS; i++)
		sample->values[i] = json_integer_value(
			i < COUNTERS ? json_object_get(of_stats, counters[i])
				     : json_object_get(of_mail, gauges[i - COUNTERS]));
	history->taken++;
	return true;
}

json_t *web_history_json(const struct web_history *history, int64_t since, uint32_t points)
{
	uint64_t first =
		history->taken > WEB_HISTORY_SAMPLES ? history->taken - WEB_HISTORY_SAMPLES : 0;
	json_t *columns[COLUMNS];
	json_t *times = json_array();
	json_t *out = json_pack("{s:i, s:O}", "seconds", WEB_HISTORY_SECONDS, "time", times);
	uint64_t step;

	while (first < history->taken && sample_at(history, first)->time_s <= since)
		first++;
	step = points > 0 ? 1 + (history->taken - first) / points : 1;
	for (size_t i = 0; i < COLUMNS; i++) {
		columns[i] = json_array();
		(void)json_object_set_new(
			out, i < COUNTERS ? counters[i] : gauges[i - COUNTERS], columns[i]);
	}
	for (uint64_t n = first; n < history->taken; n += step) {
		const struct sample *sample = sample_at(history, n);

		(void)json_array_append_new(times, json_integer(sample->time_s));
		for (size_t i = 0; i < COLUMNS; i++)
			(void)json_array_append_new(columns[i],
				sample->is_up || i >= COUNTERS ? json_integer(sample->values[i])
							       : json_null());
	}
	json_decref(times);
	return out;
}
