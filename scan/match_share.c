// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_share.h"

#include "scan/match_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void note_table(struct match_shares *shares, const struct ruleset *ruleset,
	const struct anchor_table *table)
{
	for (uint32_t i = 0; i < table->entries_count; i++) {
		const struct ruleset_expression *expression =
			&ruleset->expressions[table->entries[i].expression];

		if ((expression->flags & RULESET_EXPRESSION_AT_END) != 0 &&
			expression->length > shares->end_bytes)
			shares->end_bytes = expression->length;
		if (expression->length > shares->longest)
			shares->longest = expression->length;
	}
	for (uint32_t i = 0; i < table->places_count; i++)
		if (table->places[i].length > shares->longest)
			shares->longest = table->places[i].length;
}

static int note_common(
	struct match_shares *shares, const struct ruleset *ruleset, unsigned int layer)
{
	const struct anchor_table *any = &ruleset->anchors[FILETYPE_TARGET_ANY];
	uint64_t *bits = calloc(ruleset->expressions_count / 64 + 1, sizeof(*bits));

	if (bits == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < any->entries_count; i++) {
		uint32_t number = any->entries[i].expression;

		bits[number / 64] |= UINT64_C(1) << number % 64;
	}
	for (unsigned int i = 0; i < RULESET_ANCHOR_TABLES; i++)
		note_table(shares, ruleset, &ruleset->anchors[i]);
	shares->common[layer] = bits;
	return 0;
}

int match_shares_init(struct match_shares *shares, const struct ruleset *ruleset, uint32_t objects)
{
	const size_t count = objects / 2 + 1;
	int err = note_common(shares, ruleset, 0);

	if (err == 0 && ruleset->delta != NULL)
		err = note_common(shares, ruleset->delta, 1);
	shares->memory = calloc(count, sizeof(*shares->memory));
	if (err != 0 || shares->memory == NULL)
		return -ENOMEM;
	shares->count = count;
	return 0;
}

void match_shares_fini(struct match_shares *shares)
{
	free(shares->memory);
	for (unsigned int i = 0; i < MATCH_LAYERS; i++)
		free(shares->common[i]);
}

static struct match_log *take_log(struct match_shares *shares)
{
	struct match_log *log = shares->free_logs;

	if (log != NULL)
		shares->free_logs = log->next_free;
	else if (shares->begun < shares->count)
		log = &shares->memory[shares->begun++];
	return log;
}

void match_share_begin(struct match_object *object)
{
	struct match_shares *shares = &object->matcher->shares;
	struct match_share *share = &object->share;

	share->log = NULL;
	share->host = NULL;
	if (object->target != MATCH_TARGET_MAIL)
		return;
	share->log = take_log(shares);
	if (share->log == NULL)
		return;
	share->log->lost_to = 0;
	share->log->written = 0;
	share->log->count = 0;
	share->number = ++shares->hosts;
}

void match_share_end(struct match_object *object)
{
	struct match_shares *shares = &object->matcher->shares;
	struct match_share *share = &object->share;

	share->host = NULL;
	if (share->log == NULL)
		return;
	share->log->next_free = shares->free_logs;
	shares->free_logs = share->log;
	share->log = NULL;
}

void match_share(struct match_object *object, struct match_object *host, uint64_t from)
{
	if (host->share.log == NULL || object->target != MATCH_TARGET_ANY || object->bytes > 0)
		return;
	object->share.host = host;
	object->share.host_number = host->share.number;
	object->share.from = from;
	object->share.next = host->share.log->written - host->share.log->count;
}

static bool is_common(const struct match_shares *shares, const struct match_logged *hit)
{
	return (shares->common[hit->layer][hit->expression / 64] >> hit->expression % 64 & 1) != 0;
}

static void note(struct match_log *log, const struct match_logged *hit)
{
	struct match_logged *slot = &log->hits[log->written % MATCH_LOG_HITS];

	if (log->count == MATCH_LOG_HITS)
		log->lost_to = slot->end > log->lost_to ? slot->end : log->lost_to;
	else
		log->count++;
	*slot = *hit;
	log->written++;
}

void match_share_met(void *ctx, uint32_t expression, uint64_t end)
{
	const struct match_sighting *sighting = ctx;
	const struct match_logged hit = {end, expression, sighting->layer};
	const uint32_t flags = sighting->ruleset->expressions[expression].flags;

	if ((sighting->is_known || sighting->log != NULL) &&
		(flags & RULESET_EXPRESSION_AT_END) == 0 && is_common(sighting->shares, &hit)) {
		if (sighting->is_known)
			return;
		note(sighting->log, &hit);
	}
	match_take(sighting, expression, end);
}

// The host may have ended, and be another object now.
static bool is_there(const struct match_share *share)
{
	return share->host->share.log != NULL && share->host->share.number == share->host_number &&
	       !share->host->failed;
}

void match_share_compare(struct match_object *object, const uint8_t *data, size_t n)
{
	struct match_share *share = &object->share;
	uint64_t at = share->from + object->bytes;

	if (share->host == NULL)
		return;
	while (n > 0) {
		const uint8_t *same = NULL;
		size_t piece =
			is_there(share) ? capture_piece(&share->host->copy.capture, at, &same) : 0;

		piece = piece < n ? piece : n;
		if (piece == 0 || memcmp(data, same, piece) != 0) {
			share->host = NULL;
			return;
		}
		data += piece;
		n -= piece;
		at += piece;
	}
}

struct match_object *match_share_host(const struct match_object *object)
{
	const struct match_share *share = &object->share;

	return share->host != NULL && is_there(share) ? share->host : NULL;
}

// The first match in the log that may end behind there. What ends before is passed over for good.
static uint32_t seek(struct match_share *share, const struct match_log *log, uint64_t from)
{
	if (log->written - share->next > log->count)
		share->next = log->written - log->count;
	while (share->next != log->written && log->hits[share->next % MATCH_LOG_HITS].end <= from)
		share->next++;
	return share->next;
}

static void take_hit(struct matcher *matcher, const struct match_logged *hit, uint64_t from)
{
	const struct match_sighting *sighting =
		hit->layer == 0 ? &matcher->sighting : &matcher->over_sighting;
	const uint32_t length = sighting->ruleset->expressions[hit->expression].length;

	if (hit->end >= from + length)
		match_take(sighting, hit->expression, hit->end - from);
}

void match_share_take(struct match_object *object, struct anchor_input *input)
{
	struct matcher *matcher = object->matcher;
	struct match_share *share = &object->share;
	const struct match_object *host = match_share_host(object);
	const uint64_t from = share->from + input->base + input->from;
	const uint64_t to = share->from + input->base + input->to;
	const struct match_log *log;

	if (host == NULL || object->is_again || object->own_target != FILETYPE_TARGET_ANY ||
		host->share.log->lost_to > from ||
		host->bytes - (host->stage_to - host->stage_from) < to)
		return;
	log = host->share.log;
	for (uint32_t at = seek(share, log, from); at != log->written; at++) {
		const struct match_logged *hit = &log->hits[at % MATCH_LOG_HITS];

		if (hit->end > from && hit->end <= to)
			take_hit(matcher, hit, share->from);
	}
	matcher->sighting.is_known = true;
	matcher->over_sighting.is_known = true;
	input->windows_from = input->is_last && input->to > matcher->shares.end_bytes
				      ? input->to - matcher->shares.end_bytes
			      : input->is_last ? 0
					       : input->to;
}

bool match_share_is_new(const struct match_object *object, struct anchor_input *input)
{
	const size_t end_bytes = object->matcher->shares.end_bytes;

	if (input->from < input->to)
		return true;
	if (input->windows_from + end_bytes < input->to)
		input->windows_from = input->to - end_bytes;
	return input->is_last;
}
