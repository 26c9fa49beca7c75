// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATER_MOST 64            // that wait to be read
#define LATER_BYTES (96u << 20)  // of them
#define LARGE_BYTES (128u << 10) // that take more than a millisecond

// ---- what bytes say -----------------------------------------------------------------------------

void alerts_read(const void *text, size_t bytes, const struct keys *keys, struct reading *out)
{
	const char *payload;

	memset(out, 0, sizeof(*out));
	out->why = "";
	if (envelope_parse(text, bytes, &out->envelope, &out->why) != 0)
		return;
	out->why = "not an alert";
	if (strcmp(envelope_type(out->envelope), ENVELOPE_ALERT) != 0)
		return;
	out->why = "not signed by a key that is trusted";
	out->signers = keys != NULL ? keys_signers(keys, out->envelope) : 0;
	if (out->signers == 0)
		return;
	payload = envelope_payload(out->envelope, &bytes);
	out->err = alert_parse(payload, bytes, &out->alert, out->mistake, sizeof(out->mistake));
}

void alerts_reading_clear(struct reading *reading)
{
	alert_clear(&reading->alert);
	envelope_free(reading->envelope);
	memset(reading, 0, sizeof(*reading));
}

// ---- on another thread --------------------------------------------------------------------------

struct later {
	struct journal_job job;
	struct later *next; // that came after it
	struct alerts *alerts;
	struct alerts_source source;
	struct keys *keys; // that it was read by
	char *text;
	size_t bytes;
	int64_t clock_s; // when it came, by both clocks,
	int64_t came_us;
	struct order_highest highest; // and what was the highest then
	json_t *sealed;               // since then
	bool is_root;
	struct seen_key key;
	struct reading reading;
	char peer[96];
};

static int read_later(struct journal_job *base)
{
	struct later *later = (struct later *)base;

	alerts_seen_key(later->text, later->bytes, &later->key);
	alerts_read(later->text, later->bytes, later->keys, &later->reading);
	alert_lighten(&later->reading.alert);
	return 0;
}

static void free_later(struct later *later)
{
	alerts_reading_clear(&later->reading);
	json_decref(later->sealed);
	keys_free(later->keys);
	free(later->text);
	free(later);
}

static void put_in(struct alerts *alerts, struct later *later)
{
	if (alerts->later_first == NULL)
		alerts->later_first = later;
	else
		alerts->later_last->next = later;
	alerts->later_last = later;
	alerts->later++;
	alerts->later_bytes += later->bytes;
	alerts->later_roots += later->is_root;
}

// The first, for they are read in their order.
static void take_out(struct alerts *alerts, const struct later *later)
{
	assert(later == alerts->later_first);
	alerts->later_first = later->next;
	alerts->later--;
	alerts->later_bytes -= later->bytes;
	alerts->later_roots -= later->is_root;
}

void alerts_overtake(struct alerts *alerts, const char *virus_id)
{
	for (struct later *later = alerts->later_first; later != NULL; later = later->next)
		(void)json_object_set_new(later->sealed, virus_id, json_true());
}

static void was_read(struct journal_job *base, int err)
{
	struct later *later = (struct later *)base;
	struct alerts *alerts = later->alerts;
	struct taking taking = {.source = &later->source,
		.text = later->text,
		.bytes = later->bytes,
		.key = later->key,
		.highest = &later->highest,
		.came_us = later->came_us,
		.sealed = later->sealed};

	(void)err;
	take_out(alerts, later);
	// A root document has come between.
	if (!alerts->is_stopped && later->keys != alerts->root.keys) {
		alerts_reading_clear(&later->reading);
		alerts_read(later->text, later->bytes, alerts->root.keys, &later->reading);
	}
	if (!alerts->is_stopped)
		alerts_take_reading(alerts, &taking, &later->reading, later->clock_s);
	free_later(later);
}

bool alerts_is_large(size_t bytes)
{
	return bytes >= LARGE_BYTES;
}

// NULL: no memory.
static struct later *later_new(const void *text, size_t bytes)
{
	struct later *later = calloc(1, sizeof(*later));

	if (later == NULL)
		return NULL;
	later->sealed = json_object();
	later->text = malloc(bytes + 1);
	if (later->sealed == NULL || later->text == NULL) {
		free_later(later);
		return NULL;
	}
	memcpy(later->text, text, bytes);
	later->text[bytes] = '\0';
	later->bytes = bytes;
	return later;
}

static void read_as(struct alerts *alerts, const struct alerts_source *source, struct later *later,
	int64_t clock_s)
{
	static const struct alerts_answer busy = {.is_busy = true};

	if (later == NULL) {
		alerts_tell_answer(source, &busy);
		return;
	}
	later->job.write = read_later;
	later->job.done = was_read;
	later->alerts = alerts;
	later->source = *source;
	(void)snprintf(later->peer, sizeof(later->peer), "%s", source->peer);
	later->source.peer = later->peer;
	later->keys = keys_share(alerts->root.keys);
	later->clock_s = clock_s;
	later->came_us = alerts_clock_us();
	alert_order_highest(alerts->order, alerts->root.vendor, ROLE_ALERTS, &later->highest);
	put_in(alerts, later);
	journal_push(alerts->reader, &later->job);
}

static bool has_room(const struct alerts *alerts, size_t bytes)
{
	return alerts->later < LATER_MOST && alerts->later_bytes + bytes <= LATER_BYTES;
}

bool alerts_is_reading(const struct alerts *alerts)
{
	return alerts->later > 0;
}

bool alerts_is_busy(const struct alerts *alerts)
{
	return alerts->later > LATER_MOST / 2 || alerts->later_bytes > LATER_BYTES / 2;
}

void alerts_read_later(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t clock_s)
{
	read_as(alerts, source, has_room(alerts, bytes) ? later_new(text, bytes) : NULL, clock_s);
}

void alerts_read_root_later(struct alerts *alerts, const struct alerts_source *source,
	const void *text, size_t bytes, int64_t clock_s)
{
	struct later *later = has_room(alerts, bytes) ? later_new(text, bytes) : NULL;

	if (later != NULL)
		later->is_root = true;
	read_as(alerts, source, later, clock_s);
}
