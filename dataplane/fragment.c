// SPDX-License-Identifier: BSD-3-Clause
// Each datagram is a slot with up to 64 pieces whose ranges never overlap: what overlaps was compared
// first, and ended the datagram where it differed. Slots hang on hash chains by addresses and
// identification, and on one list by age. A slot that must make room leaves its chain at once and its
// frames go with the next fragment_expired, for which there are some slots to spare.
#include "dataplane/fragment.h"

#include "dataplane/packet_link.h"
#include "dataplane/packet_wire.h"

#include <errno.h>

#define SPARE_SLOTS 64u // given up since fragment_expired was last called: about one burst
#define NONE UINT32_MAX

struct piece {
	struct frame frame;
	const uint8_t *payload; // of all that came, from origin
	uint32_t origin;
	uint32_t start; // what of it is used; empty where later pieces brought the same bytes
	uint32_t end;
};

struct datagram_key {
	struct packet_address address; // ports 0
	uint32_t link;
	uint32_t id;
	uint8_t protocol; // IPv4 only
};

struct datagram {
	struct datagram_key key;
	uint32_t chain; // next of the hash chain, or of the free list
	uint32_t older;
	uint32_t newer;
	uint32_t bucket;
	uint64_t begin_ns;
	uint32_t total; // 0: the last piece has not come
	uint32_t have;
	uint32_t header; // of the first piece, once it has come
	uint32_t count;
	bool given_up;    // off its chain; frames wait for fragment_expired
	const char *dead; // why all its pieces are dropped, or NULL
	struct piece pieces[FRAGMENT_MAX_PIECES];
};

struct fragment_table {
	uint64_t timeout_ns;
	uint32_t limit;
	uint32_t live; // on their chains
	uint32_t free;
	uint32_t oldest;
	uint32_t newest;
	uint32_t mask;
	uint32_t *chains;
	struct datagram *datagrams;
};

// ---- memory and lists ---------------------------------------------------------------------------

static size_t round_line(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

static uint32_t slot_count(const struct fragment_options *options)
{
	return options->datagrams + SPARE_SLOTS;
}

static uint32_t chain_count(const struct fragment_options *options)
{
	uint32_t chains = 16;

	while (chains < options->datagrams)
		chains *= 2;
	return chains;
}

size_t fragment_table_bytes(const struct fragment_options *options)
{
	return round_line(sizeof(struct fragment_table)) +
	       round_line(chain_count(options) * sizeof(uint32_t)) +
	       slot_count(options) * sizeof(struct datagram);
}

struct fragment_table *fragment_table_init(void *memory, const struct fragment_options *options)
{
	struct fragment_table *table = memory;
	uint32_t chains = chain_count(options);
	uint8_t *at = (uint8_t *)memory + round_line(sizeof(*table));

	*table = (struct fragment_table){.timeout_ns = options->timeout_ns,
		.limit = options->datagrams,
		.oldest = NONE,
		.newest = NONE,
		.mask = chains - 1};
	table->chains = (uint32_t *)(void *)at;
	memset(table->chains, 0xff, chains * sizeof(uint32_t));
	table->datagrams = (struct datagram *)(void *)(at + round_line(chains * sizeof(uint32_t)));
	for (uint32_t i = 0; i < slot_count(options); i++)
		table->datagrams[i].chain = i + 1 < slot_count(options) ? i + 1 : NONE;
	return table;
}

static uint32_t slot_of(const struct fragment_table *table, const struct datagram *datagram)
{
	return (uint32_t)(datagram - table->datagrams);
}

static void unchain(struct fragment_table *table, struct datagram *datagram)
{
	uint32_t *link = &table->chains[datagram->bucket];

	while (*link != slot_of(table, datagram))
		link = &table->datagrams[*link].chain;
	*link = datagram->chain;
	table->live--;
}

static void release(struct fragment_table *table, struct datagram *datagram)
{
	if (!datagram->given_up)
		unchain(table, datagram);
	if (datagram->older != NONE)
		table->datagrams[datagram->older].newer = datagram->newer;
	else
		table->oldest = datagram->newer;
	if (datagram->newer != NONE)
		table->datagrams[datagram->newer].older = datagram->older;
	else
		table->newest = datagram->older;
	datagram->chain = table->free;
	table->free = slot_of(table, datagram);
}

// ---- finding ------------------------------------------------------------------------------------

static void make_key(uint32_t link, const struct packet *packet, struct datagram_key *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->address.address, packet->from.address, sizeof(key->address.address));
	memcpy(key->address.vlan, packet->from.vlan, sizeof(key->address.vlan));
	key->address.session = packet->from.session;
	key->address.family = packet->from.family;
	key->link = link;
	key->id = packet->fragment.id;
	if (packet->from.family == 4)
		key->protocol = packet->fragment.protocol;
}

static bool is_same_key(const struct datagram_key *a, const struct datagram_key *b)
{
	return a->id == b->id && a->link == b->link && a->protocol == b->protocol &&
	       a->address.family == b->address.family && a->address.session == b->address.session &&
	       memcmp(a->address.vlan, b->address.vlan, sizeof(a->address.vlan)) == 0 &&
	       memcmp(a->address.address, b->address.address, sizeof(a->address.address)) == 0;
}

// Chains need no secret: the number of datagrams bounds the longest one.
static uint32_t bucket_of(const struct fragment_table *table, const struct datagram_key *key)
{
	uint64_t hash = ((uint64_t)key->id << 32 | key->link) * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < 4; i++) {
		uint64_t word;

		memcpy(&word, &key->address.address[i / 2][i % 2 * 8], sizeof(word));
		hash = (hash ^ hash >> 29 ^ word) * 0xbf58476d1ce4e5b9u;
	}
	return (uint32_t)(hash >> 32) & table->mask;
}

// The oldest still on its chain leaves it.
static void give_up_oldest(struct fragment_table *table)
{
	uint32_t slot = table->oldest;

	while (slot != NONE && table->datagrams[slot].given_up)
		slot = table->datagrams[slot].newer;
	if (slot == NONE)
		return;
	unchain(table, &table->datagrams[slot]);
	table->datagrams[slot].given_up = true;
}

static struct datagram *find_or_begin(
	struct fragment_table *table, const struct datagram_key *key, uint64_t now_ns)
{
	uint32_t bucket = bucket_of(table, key);
	uint32_t slot = table->chains[bucket];
	struct datagram *datagram;

	for (; slot != NONE; slot = table->datagrams[slot].chain) {
		if (is_same_key(&table->datagrams[slot].key, key))
			return &table->datagrams[slot];
	}
	if (table->free == NONE)
		return NULL;
	if (table->live >= table->limit)
		give_up_oldest(table);
	slot = table->free;
	datagram = &table->datagrams[slot];
	table->free = datagram->chain;
	memset(datagram, 0, offsetof(struct datagram, pieces));
	memcpy(&datagram->key, key, sizeof(*key));
	datagram->begin_ns = now_ns;
	datagram->bucket = bucket;
	datagram->chain = table->chains[bucket];
	table->chains[bucket] = slot;
	datagram->older = table->newest;
	datagram->newer = NONE;
	if (table->newest != NONE)
		table->datagrams[table->newest].newer = slot;
	else
		table->oldest = slot;
	table->newest = slot;
	table->live++;
	return datagram;
}

// ---- giving out ---------------------------------------------------------------------------------

static bool comes_before(const struct piece *a, const struct piece *b)
{
	bool a_empty = a->start == a->end;
	bool b_empty = b->start == b->end;

	return a_empty != b_empty ? b_empty : a->start < b->start;
}

// Hands the pieces out in order, empty ones last. The frames are parsed once more, which costs less
// than keeping what the parser said of every piece.
static void give_out(struct datagram *datagram, struct fragment_result *result)
{
	struct piece *pieces = datagram->pieces;

	for (uint32_t i = 1; i < datagram->count; i++) {
		struct piece piece = pieces[i];
		uint32_t at = i;

		for (; at > 0 && comes_before(&piece, &pieces[at - 1]); at--)
			pieces[at] = pieces[at - 1];
		pieces[at] = piece;
	}
	for (uint32_t i = 0; i < datagram->count; i++) {
		struct packet *packet = &result->packets[i];

		result->frames[i] = pieces[i].frame;
		packet_parse(&result->frames[i], PACKET_CHECKSUMS_DONE, packet);
		packet->fragment.payload_offset += pieces[i].start - pieces[i].origin;
		packet->fragment.offset_bytes = pieces[i].start;
		packet->fragment.payload_bytes = pieces[i].end - pieces[i].start;
	}
	result->count = datagram->count;
	result->payload_bytes = datagram->have;
	datagram->count = 0;
}

static enum fragment_fate drop(
	struct datagram *datagram, const char *why, struct fragment_result *result)
{
	give_out(datagram, result);
	result->why = why;
	return FRAGMENT_DROP;
}

// The datagram is lost, with what is still to come of it (RFC 5722): the slot stays until its time.
static enum fragment_fate drop_all(
	struct datagram *datagram, const char *why, struct fragment_result *result)
{
	datagram->dead = why;
	return drop(datagram, why, result);
}

// ---- adding -------------------------------------------------------------------------------------

// Does the end that this piece names, or reaches, contradict what came before?
static bool is_end_wrong(struct datagram *datagram, const struct packet_fragment *fragment)
{
	uint32_t end = fragment->offset_bytes + fragment->payload_bytes;

	if (fragment->more)
		return datagram->total > 0 && end >= datagram->total;
	for (uint32_t i = 0; i < datagram->count; i++) {
		if (datagram->pieces[i].end > end)
			return true;
	}
	return datagram->total > 0 && datagram->total != end;
}

enum overlap { OVERLAP_NONE, OVERLAP_DUPLICATE, OVERLAP_REFUSED };

// Compares the new piece with one that is there and cuts the ranges so that they do not overlap. The
// bytes in question are the same in both, so it does not matter which copy is used.
static enum overlap meet(struct piece *new, struct piece *old, bool is_ipv6)
{
	uint32_t start = new->start > old->start ? new->start : old->start;
	uint32_t end = new->end < old->end ? new->end : old->end;
	bool is_same_range = new->start == old->start &&new->end == old->end;

	if (start >= end)
		return OVERLAP_NONE;
	if (is_ipv6 && !is_same_range)
		return OVERLAP_REFUSED;
	if (memcmp(new->payload + (start - new->origin), old->payload + (start - old->origin),
		    end - start) != 0)
		return OVERLAP_REFUSED;
	if (start == new->start && end == new->end)
		return OVERLAP_DUPLICATE;
	if (start == old->start && end == old->end)
		old->end = old->start;
	else if (start == new->start)
		new->start = end;
	else
		new->end = start;
	return OVERLAP_NONE;
}

static enum overlap meet_all(struct datagram *datagram, struct piece *new)
{
	bool is_ipv6 = datagram->key.address.family == 6;
	enum overlap overlap = OVERLAP_NONE;

	for (uint32_t i = 0; i < datagram->count && overlap == OVERLAP_NONE; i++)
		overlap = meet(new, &datagram->pieces[i], is_ipv6);
	return overlap;
}

// Bytes of the datagram's headers that will stand before the payload.
static uint32_t header_bytes(const struct packet *first)
{
	uint32_t bytes = first->fragment.payload_offset - first->l3_offset;

	return first->from.family == 6 ? bytes - IPV6_BYTES - IPV6_FRAGMENT_BYTES : bytes;
}

// With its headers a datagram has to fit 64 KiB as well. Notes what this piece says of that.
static bool is_too_large(struct datagram *datagram, const struct packet *packet)
{
	const struct packet_fragment *fragment = &packet->fragment;

	if (fragment->offset_bytes == 0)
		datagram->header = header_bytes(packet);
	if (!fragment->more)
		datagram->total = fragment->offset_bytes + fragment->payload_bytes;
	return datagram->header + datagram->total > IP_MAX_BYTES;
}

static enum fragment_fate check_whole(
	struct fragment_table *table, struct datagram *datagram, struct fragment_result *result)
{
	uint32_t have = 0;

	for (uint32_t i = 0; i < datagram->count; i++)
		have += datagram->pieces[i].end - datagram->pieces[i].start;
	datagram->have = have;
	if (datagram->total == 0 || have < datagram->total)
		return FRAGMENT_KEPT;
	give_out(datagram, result);
	release(table, datagram);
	return FRAGMENT_WHOLE;
}

enum fragment_fate fragment_add(struct fragment_table *table, uint32_t link,
	const struct frame *frame, const struct packet *packet, uint64_t now_ns,
	struct fragment_result *result)
{
	const struct packet_fragment *fragment = &packet->fragment;
	struct piece piece = {.frame = *frame,
		.payload = frame->data + fragment->payload_offset,
		.origin = fragment->offset_bytes,
		.start = fragment->offset_bytes,
		.end = fragment->offset_bytes + fragment->payload_bytes};
	struct datagram_key key;
	struct datagram *datagram;

	result->count = 0;
	result->why = "";
	make_key(link, packet, &key);
	datagram = find_or_begin(table, &key, now_ns);
	if (datagram == NULL) {
		result->why = "too-many";
		return FRAGMENT_DROP;
	}
	if (now_ns - datagram->begin_ns >= table->timeout_ns) {
		(void)drop(datagram, "late", result);
		release(table, datagram);
		return FRAGMENT_DROP;
	}
	if (datagram->dead != NULL)
		return drop(datagram, datagram->dead, result);
	if (is_end_wrong(datagram, fragment))
		return drop_all(datagram, "overlap", result);
	if (is_too_large(datagram, packet))
		return drop_all(datagram, "too-large", result);
	switch (meet_all(datagram, &piece)) {
	case OVERLAP_REFUSED:
		return drop_all(datagram, "overlap", result);
	case OVERLAP_DUPLICATE:
		result->why = "duplicate";
		return FRAGMENT_DROP;
	case OVERLAP_NONE:
		break;
	}
	if (datagram->count == FRAGMENT_MAX_PIECES)
		return drop_all(datagram, "too-many", result);
	datagram->pieces[datagram->count++] = piece;
	return check_whole(table, datagram, result);
}

uint32_t fragment_expired(
	struct fragment_table *table, uint64_t now_ns, struct fragment_result *result)
{
	result->count = 0;
	while (table->oldest != NONE) {
		struct datagram *datagram = &table->datagrams[table->oldest];

		if (!datagram->given_up && now_ns - datagram->begin_ns < table->timeout_ns)
			return 0;
		(void)drop(datagram, "timeout", result);
		release(table, datagram);
		// A dead one had given its frames back before.
		if (result->count > 0)
			return result->count;
	}
	return 0;
}

// ---- joining ------------------------------------------------------------------------------------

int fragment_join(const struct fragment_result *result, struct frame *out)
{
	const struct packet *first = &result->packets[0];
	bool is_ipv6 = first->from.family == 6;
	uint32_t head = first->fragment.payload_offset - (is_ipv6 ? IPV6_FRAGMENT_BYTES : 0);
	uint32_t length = header_bytes(first) + result->payload_bytes;
	uint8_t *l3 = out->data + first->l3_offset;
	uint32_t at = head;

	if (length > IP_MAX_BYTES || head + result->payload_bytes > out->room)
		return -EMSGSIZE;
	memcpy(out->data, result->frames[0].data, head);
	for (uint32_t i = 0; i < result->count; i++) {
		const struct packet_fragment *fragment = &result->packets[i].fragment;

		memcpy(out->data + at, result->frames[i].data + fragment->payload_offset,
			fragment->payload_bytes);
		at += fragment->payload_bytes;
	}
	out->bytes = at;
	packet_link_fix(out->data, first->l3_offset, at - first->l3_offset);
	if (is_ipv6) {
		out->data[first->fragment.header_offset] = first->fragment.protocol;
		wire_put16(l3 + IPV6_PAYLOAD_LENGTH, (uint16_t)length);
		return 0;
	}
	wire_put16(l3 + IPV4_TOTAL_LENGTH, (uint16_t)length);
	wire_put16(l3 + IPV4_FRAGMENT, 0);
	wire_put_ipv4_checksum(l3, (uint32_t)(l3[0] & 0x0f) * 4);
	return 0;
}
