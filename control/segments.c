// SPDX-License-Identifier: BSD-3-Clause
#include "control/segments.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	void *data; // NULL: not there yet
	size_t bytes;
};

struct partial {
	struct partial *next; // younger
	char sender[SEGMENTS_NAME_BYTES];
	uint8_t id[SEGMENTS_ID_BYTES];
	size_t id_bytes;
	uint32_t count;
	uint32_t there;
	size_t bytes;
	int64_t began_s;
	struct piece pieces[];
};

struct segments {
	struct partial *oldest;
	size_t count;
	size_t bytes;
};

static size_t overhead(const struct partial *partial)
{
	return sizeof(*partial) + partial->count * sizeof(partial->pieces[0]);
}

static void drop(struct segments *segments, struct partial *partial)
{
	struct partial **link = &segments->oldest;

	while (*link != partial)
		link = &(*link)->next;
	*link = partial->next;
	segments->count--;
	segments->bytes -= partial->bytes + overhead(partial);
	for (uint32_t i = 0; i < partial->count; i++)
		free(partial->pieces[i].data);
	free(partial);
}

static void drop_late(struct segments *segments, int64_t now_s)
{
	struct partial *partial = segments->oldest;

	while (partial != NULL) {
		struct partial *next = partial->next;

		// A clock that went back must not keep them for ever.
		if (now_s - partial->began_s > SEGMENTS_SECONDS || partial->began_s > now_s)
			drop(segments, partial);
		partial = next;
	}
}

static struct partial *find(const struct segments *segments, const struct segment *segment)
{
	struct partial *partial = segments->oldest;

	while (partial != NULL && (strcmp(partial->sender, segment->sender) != 0 ||
					  partial->id_bytes != segment->id_bytes ||
					  memcmp(partial->id, segment->id, segment->id_bytes) != 0))
		partial = partial->next;
	return partial;
}

// The oldest one of a sender if that has too many, else NULL.
static struct partial *find_surplus(const struct segments *segments, const char *sender)
{
	struct partial *oldest = NULL;
	unsigned int count = 0;

	for (struct partial *at = segments->oldest; at != NULL; at = at->next) {
		if (strcmp(at->sender, sender) != 0)
			continue;
		if (oldest == NULL)
			oldest = at;
		count++;
	}
	return count >= SEGMENTS_SENDER ? oldest : NULL;
}

static struct partial *add_partial(
	struct segments *segments, const struct segment *segment, int64_t now_s)
{
	struct partial *surplus = find_surplus(segments, segment->sender);
	struct partial **link = &segments->oldest;
	struct partial *partial =
		calloc(1, sizeof(*partial) + segment->count * sizeof(partial->pieces[0]));

	if (partial == NULL)
		return NULL;
	if (surplus == NULL && segments->count >= SEGMENTS_ALL)
		surplus = segments->oldest;
	if (surplus != NULL)
		drop(segments, surplus);
	(void)snprintf(partial->sender, sizeof(partial->sender), "%s", segment->sender);
	memcpy(partial->id, segment->id, segment->id_bytes);
	partial->id_bytes = segment->id_bytes;
	partial->count = segment->count;
	partial->began_s = now_s;
	while (*link != NULL)
		link = &(*link)->next;
	*link = partial;
	segments->count++;
	segments->bytes += overhead(partial);
	return partial;
}

static bool is_sound(const struct segment *segment)
{
	return segment->id_bytes <= SEGMENTS_ID_BYTES && segment->count >= 1 &&
	       segment->count <= SEGMENTS_MOST && segment->number >= 1 &&
	       segment->number <= segment->count && segment->bytes > 0 &&
	       strlen(segment->sender) < SEGMENTS_NAME_BYTES;
}

static int join(struct segments *segments, struct partial *partial, void **out, size_t *bytes)
{
	char *all = malloc(partial->bytes);
	size_t at = 0;

	if (all == NULL) {
		drop(segments, partial);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < partial->count; i++) {
		memcpy(all + at, partial->pieces[i].data, partial->pieces[i].bytes);
		at += partial->pieces[i].bytes;
	}
	*out = all;
	*bytes = at;
	drop(segments, partial);
	return 1;
}

static int put(struct segments *segments, struct partial *partial, const struct segment *segment)
{
	struct piece *piece = &partial->pieces[segment->number - 1];

	piece->data = malloc(segment->bytes);
	if (piece->data == NULL)
		return -ENOMEM;
	memcpy(piece->data, segment->data, segment->bytes);
	piece->bytes = segment->bytes;
	partial->bytes += segment->bytes;
	partial->there++;
	segments->bytes += segment->bytes;
	return 0;
}

int segments_add(struct segments *segments, const struct segment *segment, size_t max_bytes,
	int64_t now_s, void **out, size_t *bytes)
{
	struct partial *partial;
	const struct piece *there;
	int err;

	if (!is_sound(segment))
		return -EINVAL;
	drop_late(segments, now_s);
	partial = find(segments, segment);
	if (partial == NULL)
		partial = add_partial(segments, segment, now_s);
	if (partial == NULL)
		return -ENOMEM;
	if (partial->count != segment->count) {
		drop(segments, partial);
		return -EINVAL;
	}
	there = &partial->pieces[segment->number - 1];
	if (there->data != NULL) {
		if (there->bytes == segment->bytes &&
			memcmp(there->data, segment->data, segment->bytes) == 0)
			return 0;
		drop(segments, partial);
		return -EINVAL;
	}
	if (partial->bytes + segment->bytes > max_bytes) {
		drop(segments, partial);
		return -EMSGSIZE;
	}
	while (segments->bytes + segment->bytes > SEGMENTS_BYTES && segments->oldest != partial)
		drop(segments, segments->oldest);
	err = put(segments, partial, segment);
	if (err != 0) {
		drop(segments, partial);
		return err;
	}
	return partial->there == partial->count ? join(segments, partial, out, bytes) : 0;
}

size_t segments_count(const struct segments *segments)
{
	return segments->count;
}

int segments_new(struct segments **out)
{
	struct segments *segments = calloc(1, sizeof(*segments));

	if (segments == NULL)
		return -ENOMEM;
	*out = segments;
	return 0;
}

void segments_free(struct segments *segments)
{
	if (segments == NULL)
		return;
	while (segments->oldest != NULL)
		drop(segments, segments->oldest);
	free(segments);
}
