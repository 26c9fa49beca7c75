// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A walk ends when it has met so many that wait for one that is being delivered: a line of mail for one mailbox alone
// is not searched through each time.
#define WAITING_MOST 128
#define SERVED_UNTIL_MORE 64 // mails, until more are tried at a time than a server has once let in

struct release_order {
	GQueue *lines; // whose turn it was longest ago comes first
	GHashTable *by_name;
	uint32_t most;
};

static void queue_free(gpointer queue)
{
	g_queue_free(queue);
}

static void line_free(struct release_line *line)
{
	g_queue_free(line->places);
	g_hash_table_destroy(line->pairs);
	g_hash_table_destroy(line->going);
	g_free(line);
}

static void forget_going(struct release_place *place)
{
	if (place->going != NULL)
		g_ptr_array_free(place->going, TRUE);
	place->going = NULL;
}

struct release_order *release_order_new(uint32_t most)
{
	struct release_order *order = g_new0(struct release_order, 1);

	order->lines = g_queue_new();
	order->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	order->most = most;
	return order;
}

void release_order_free(struct release_order *order)
{
	if (order == NULL)
		return;
	for (GList *at = order->lines->head; at != NULL; at = at->next) {
		struct release_line *line = at->data;

		for (GList *in = line->places->head; in != NULL; in = in->next)
			forget_going(in->data);
		line_free(line);
	}
	g_queue_free(order->lines);
	g_hash_table_destroy(order->by_name);
	g_free(order);
}

// ---- pairs --------------------------------------------------------------------------------------

// Domains are of any case, and so are nearly all names.
static char *pair_of(const struct release_place *place, size_t recipient)
{
	char *pair = g_strconcat(place->sender, "\n", place->recipients[recipient].address, NULL);
	char *lower = g_ascii_strdown(pair, -1);

	g_free(pair);
	return lower;
}

static bool is_before(const struct release_place *a, const struct release_place *b)
{
	int order = strcmp(a->arrival, b->arrival);

	if (order != 0)
		return order < 0;
	return a->id.run != b->id.run ? a->id.run < b->id.run : a->id.number < b->id.number;
}

static void insert_sorted(GQueue *places, struct release_place *place)
{
	GList *at = places->tail;

	while (at != NULL && is_before(place, at->data))
		at = at->prev;
	g_queue_insert_after(places, at, place);
}

static void add_pairs(struct release_place *place)
{
	GHashTable *pairs = place->line->pairs;

	for (size_t i = 0; i < place->recipients_count; i++) {
		char *pair;
		GQueue *places;

		if (place->recipients[i].outcome != DELIVER_PENDING)
			continue;
		pair = pair_of(place, i);
		places = g_hash_table_lookup(pairs, pair);
		if (places == NULL) {
			places = g_queue_new();
			(void)g_hash_table_insert(pairs, g_strdup(pair), places);
		}
		if (g_queue_find(places, place) == NULL)
			insert_sorted(places, place);
		g_free(pair);
	}
}

static void remove_pairs(struct release_place *place)
{
	GHashTable *pairs = place->line->pairs;

	for (size_t i = 0; i < place->recipients_count && place->put_off_s != 0; i++) {
		char *pair = pair_of(place, i);
		GQueue *places = g_hash_table_lookup(pairs, pair);

		if (places != NULL && g_queue_remove(places, place) && g_queue_is_empty(places))
			(void)g_hash_table_remove(pairs, pair);
		g_free(pair);
	}
}

static bool is_behind(
	const struct release_place *place, size_t recipient, int64_t now_s, uint32_t behind_s)
{
	const GQueue *places = NULL;
	const GList *at;

	if (g_hash_table_size(place->line->pairs) > 0) {
		char *pair = pair_of(place, recipient);

		places = g_hash_table_lookup(place->line->pairs, pair);
		g_free(pair);
	}
	for (at = places != NULL ? places->head : NULL; at != NULL; at = at->next) {
		const struct release_place *earlier = at->data;

		if (!is_before(earlier, place))
			return false;
		if (now_s - earlier->put_off_s < behind_s)
			return true;
	}
	return false;
}

// How many of its recipients are to be tried, and how many of them wait for an earlier mail.
static size_t count_behind(
	const struct release_place *place, int64_t now_s, uint32_t behind_s, size_t *pending)
{
	size_t behind = 0;

	*pending = 0;
	for (size_t i = 0; i < place->recipients_count; i++) {
		if (place->recipients[i].outcome != DELIVER_PENDING)
			continue;
		(*pending)++;
		behind += is_behind(place, i, now_s, behind_s);
	}
	return behind;
}

// ---- places -------------------------------------------------------------------------------------

static void end_try(struct release_place *place)
{
	struct release_line *line = place->line;

	for (guint i = 0; place->going != NULL && i < place->going->len; i++)
		(void)g_hash_table_remove(line->going, place->going->pdata[i]);
	forget_going(place);
	if (place->is_tried)
		line->tried--;
	place->is_tried = false;
}

void release_order_add(struct release_order *order, const char *name, struct release_place *place)
{
	struct release_line *line = g_hash_table_lookup(order->by_name, name);
	GList *at;

	if (line == NULL) {
		line = g_new0(struct release_line, 1);
		(void)snprintf(line->name, sizeof(line->name), "%s", name);
		line->places = g_queue_new();
		line->pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, queue_free);
		line->going = g_hash_table_new(g_str_hash, g_str_equal);
		line->most = order->most;
		line->room = 1;
		(void)g_hash_table_insert(order->by_name, line->name, line);
		g_queue_push_tail(order->lines, line);
	}
	place->line = line;
	at = line->places->tail;
	while (at != NULL && is_before(place, at->data))
		at = at->prev;
	g_queue_insert_after(line->places, at, place);
	place->link = at != NULL ? at->next : line->places->head;
}

void release_order_remove(struct release_order *order, struct release_place *place)
{
	struct release_line *line = place->line;

	if (line == NULL)
		return;
	remove_pairs(place);
	end_try(place);
	g_queue_delete_link(line->places, place->link);
	place->line = NULL;
	place->link = NULL;
	if (!g_queue_is_empty(line->places))
		return;
	(void)g_hash_table_remove(order->by_name, line->name);
	(void)g_queue_remove(order->lines, line);
	line_free(line);
}

// ---- whose turn it is ---------------------------------------------------------------------------

bool release_order_has_room(const struct release_line *line, int64_t now_s)
{
	return line->next_s <= now_s && line->tried < (line->fails > 0 ? 1 : line->room);
}

struct release_line *release_order_line(struct release_order *order, int64_t now_s, size_t *steps)
{
	while ((*steps)++ < g_queue_get_length(order->lines)) {
		struct release_line *line = g_queue_pop_head(order->lines);

		g_queue_push_tail(order->lines, line);
		if (release_order_has_room(line, now_s))
			return line;
	}
	return NULL;
}

static bool may_go(const struct release_place *place, int64_t now_s, uint32_t behind_s)
{
	size_t pending;

	return place->next_s <= now_s &&
	       (count_behind(place, now_s, behind_s, &pending) < pending || pending == 0);
}

// Whether it has to wait for one that is being delivered, or for one that waits for such.
static bool is_in_the_way(const struct release_walk *walk, const struct release_place *place)
{
	bool is = false;

	if (g_hash_table_size(walk->line->going) == 0)
		return false;
	for (size_t i = 0; i < place->recipients_count && !is; i++) {
		char *pair;

		if (place->recipients[i].outcome != DELIVER_PENDING)
			continue;
		pair = pair_of(place, i);
		is = g_hash_table_contains(walk->line->going, pair) ||
		     g_hash_table_contains(walk->pairs, pair);
		g_free(pair);
	}
	return is;
}

static void wait_for_it(struct release_walk *walk, const struct release_place *place)
{
	walk->waiting++;
	for (size_t i = 0; i < place->recipients_count; i++) {
		if (place->recipients[i].outcome == DELIVER_PENDING)
			(void)g_hash_table_add(walk->pairs, pair_of(place, i));
	}
}

void release_walk_init(struct release_walk *walk, struct release_line *line)
{
	*walk = (struct release_walk){.line = line,
		.next = line->places->head,
		.pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
}

void release_walk_fini(struct release_walk *walk)
{
	g_hash_table_destroy(walk->pairs);
}

struct release_place *release_walk_next(struct release_walk *walk, int64_t now_s, uint32_t behind_s)
{
	while (walk->next != NULL && walk->waiting < WAITING_MOST) {
		struct release_place *place = walk->next->data;

		walk->next = walk->next->next;
		if (place->is_tried || !may_go(place, now_s, behind_s))
			continue;
		if (!is_in_the_way(walk, place))
			return place;
		wait_for_it(walk, place);
	}
	return NULL;
}

void release_order_begin(struct release_place *place, int64_t now_s, uint32_t behind_s)
{
	place->is_tried = true;
	place->outages = place->line->outages;
	place->line->tried++;
	for (size_t i = 0; i < place->recipients_count; i++) {
		struct deliver_recipient *recipient = &place->recipients[i];

		if (recipient->outcome != DELIVER_PENDING || !is_behind(place, i, now_s, behind_s))
			continue;
		recipient->outcome = DELIVER_LATER;
		(void)snprintf(recipient->reply, sizeof(recipient->reply), "%s",
			"it waits for an earlier mail of its sender");
	}
	place->going = g_ptr_array_new_with_free_func(g_free);
	for (size_t i = 0; i < place->recipients_count; i++) {
		char *pair;

		if (place->recipients[i].outcome != DELIVER_PENDING)
			continue;
		pair = pair_of(place, i);
		g_ptr_array_add(place->going, pair);
		if (!g_hash_table_contains(place->line->going, pair))
			(void)g_hash_table_add(place->line->going, pair);
	}
}

// What began before the server was seen to be down says nothing of it now.
void release_order_served(struct release_place *place)
{
	struct release_line *line = place->line;

	end_try(place);
	if (place->outages != line->outages)
		return;
	line->fails = 0;
	line->next_s = 0;
	if (line->ceiling != 0 && ++line->served >= SERVED_UNTIL_MORE) {
		line->served = 0;
		line->ceiling++;
	}
	if (line->room < line->most && (line->ceiling == 0 || line->room < line->ceiling))
		line->room++;
}

void release_order_crowded(struct release_place *place)
{
	struct release_line *line = place->line;

	end_try(place);
	line->ceiling = MAX(line->tried, 1);
	line->room = line->ceiling;
	line->served = 0;
}

void release_order_set_aside(struct release_place *place, int64_t now_s, int64_t next_s)
{
	remove_pairs(place);
	if (place->put_off_s == 0)
		place->put_off_s = now_s;
	place->next_s = next_s;
	add_pairs(place);
}

void release_order_put_off(struct release_place *place, int64_t now_s, int64_t next_s)
{
	release_order_served(place);
	release_order_set_aside(place, now_s, next_s);
}

void release_order_down(struct release_place *place, int64_t next_s, const char *why)
{
	struct release_line *line = place->line;

	end_try(place);
	// Several that were under way meet the same outage.
	if (place->outages != line->outages)
		return;
	line->outages++;
	line->fails++;
	line->room = 1;
	line->next_s = next_s;
	(void)snprintf(line->why, sizeof(line->why), "%s", why);
}

bool release_order_is_waiting(const struct release_place *place, uint32_t behind_s, int64_t now_s)
{
	size_t pending;

	if (place->is_tried)
		return false;
	if (place->line->fails > 0 || place->next_s > now_s)
		return true;
	return count_behind(place, now_s, behind_s, &pending) == pending && pending > 0;
}

void release_order_each(
	struct release_order *order, void (*show)(void *ctx, struct release_line *line), void *ctx)
{
	GList *next = order->lines->head;

	while (next != NULL) {
		struct release_line *line = next->data;

		next = next->next;
		show(ctx, line);
	}
}
