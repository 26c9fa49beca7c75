// SPDX-License-Identifier: BSD-3-Clause
// Buckets of one cache line hold eight tags and eight slot numbers. An entry that finds its home
// bucket full goes into the next one with room, and every bucket it passed counts it: a search stops
// at the first bucket that nothing has passed, and a removal leaves no tombstone.
#include "dataplane/flow.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LINE_BYTES 64u
#define BUCKET_SLOTS 8u
#define BUCKET_LOAD 5u // entries a bucket when all slots are taken: few ever look further
#define NONE UINT32_MAX

struct bucket {
	uint16_t tags[BUCKET_SLOTS]; // 0: free
	uint32_t slots[BUCKET_SLOTS];
	uint32_t passed; // entries that would have liked to be here or further up
	uint8_t spare[12];
} __attribute__((aligned(LINE_BYTES)));

static_assert(sizeof(struct bucket) == LINE_BYTES, "a bucket is one cache line");

struct class_list {
	uint32_t oldest;
	uint32_t newest;
	uint32_t quiet; // the oldest that flow_quiet has not given since its last use
	uint32_t count;
};

struct flow_table {
	struct bucket *buckets;
	uint8_t *flows;
	size_t stride;
	unsigned int stride_shift; // of the lines of a stride, the power of two in them, and
	uint32_t stride_inverse;   // what the rest is multiplied with to give 1 (modulo 2^32)
	uint32_t mask;             // number of buckets, less one
	uint32_t capacity;
	uint32_t half_open;
	uint32_t fresh; // slots from here on were never used
	uint32_t free;  // first of the free list, by `newer`
	struct class_list classes[FLOW_CLASSES];
	uint64_t idle_ns[FLOW_CLASSES];
	uint64_t hash_key[2];
};

// ---- memory -------------------------------------------------------------------------------------

// Of an odd number, by Newton's method: each step doubles the bits that are right.
static uint32_t inverse_of(uint32_t odd)
{
	uint32_t inverse = odd; // three bits

	for (int i = 0; i < 4; i++)
		inverse *= 2 - odd * inverse;
	return inverse;
}

static size_t round_line(size_t bytes)
{
	return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static uint32_t count_buckets(uint32_t flows)
{
	uint32_t buckets = 2;

	while ((uint64_t)buckets * BUCKET_LOAD < flows)
		buckets *= 2;
	return buckets;
}

size_t flow_table_bytes(const struct flow_table_options *options)
{
	return round_line(sizeof(struct flow_table)) +
	       count_buckets(options->flows) * sizeof(struct bucket) +
	       options->flows * round_line(options->flow_bytes);
}

struct flow_table *flow_table_init(void *memory, const struct flow_table_options *options)
{
	struct flow_table *table = memory;
	uint32_t buckets = count_buckets(options->flows);
	uint32_t lines = (uint32_t)(round_line(options->flow_bytes) / LINE_BYTES);
	unsigned int shift = (unsigned int)__builtin_ctz(lines);

	assert(options->flow_bytes >= sizeof(struct flow));
	*table = (struct flow_table){.mask = buckets - 1,
		.capacity = options->flows,
		.half_open = options->half_open > 0 ? options->half_open : 1,
		.stride = round_line(options->flow_bytes),
		.stride_shift = shift,
		.stride_inverse = inverse_of(lines >> shift),
		.free = NONE};
	table->buckets = (struct bucket *)(void *)((uint8_t *)memory +
						   round_line(sizeof(struct flow_table)));
	table->flows = (uint8_t *)(table->buckets + buckets);
	memset(table->buckets, 0, buckets * sizeof(struct bucket));
	memcpy(table->idle_ns, options->idle_ns, sizeof(table->idle_ns));
	memcpy(table->hash_key, options->hash_key, sizeof(table->hash_key));
	for (int i = 0; i < FLOW_CLASSES; i++)
		table->classes[i] =
			(struct class_list){.oldest = NONE, .newest = NONE, .quiet = NONE};
	return table;
}

static struct flow *flow_at(const struct flow_table *table, uint32_t slot)
{
	return (struct flow *)(void *)(table->flows + slot * table->stride);
}

// Asked for with each packet: nothing is left over, so there is no need to divide.
static uint32_t slot_of(const struct flow_table *table, const struct flow *flow)
{
	size_t lines = (size_t)((const uint8_t *)flow - table->flows) / LINE_BYTES;

	return (uint32_t)(lines >> table->stride_shift) * table->stride_inverse;
}

// ---- keys and hashes ----------------------------------------------------------------------------

static uint64_t load64_be(const void *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return be64toh(word);
}

// Whether the first stands behind the second, by address, then port, as bytes.
static bool is_behind(const struct packet_address *address)
{
	const uint8_t *a = address->address[0];
	const uint8_t *b = address->address[1];

	for (size_t at = 0; at < sizeof(address->address[0]); at += sizeof(uint64_t)) {
		uint64_t x = load64_be(a + at);
		uint64_t y = load64_be(b + at);

		if (x != y)
			return x > y;
	}
	return be16toh(address->port_be[0]) > be16toh(address->port_be[1]);
}

bool flow_key_make(const struct packet_address *from, uint32_t link, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->address = *from;
	key->link = link;
	if (!is_behind(from))
		return false;
	for (int i = 0; i < 2; i++) {
		memcpy(key->address.address[i], from->address[1 - i], sizeof(from->address[i]));
		key->address.port_be[i] = from->port_be[1 - i];
	}
	return true;
}

static uint64_t load64(const void *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return le64toh(word);
}

// Ports and tags, which stand next to each other.
static uint64_t load_ports(const struct packet_address *address)
{
	static_assert(offsetof(struct packet_address, vlan) ==
			      offsetof(struct packet_address, port_be) + 4,
		"ports and tags are one word");
	return load64((const uint8_t *)address + offsetof(struct packet_address, port_be));
}

static uint64_t rotate(uint64_t word, unsigned int by)
{
	return word << by | word >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

// SipHash-1-3 (Aumasson and Bernstein) of the key's own words; the number of them follows from the
// family, which is in the last one.
uint32_t flow_hash(const struct flow_table *table, const struct flow_key *key)
{
	const struct packet_address *address = &key->address;
	uint64_t v[4] = {table->hash_key[0] ^ 0x736f6d6570736575u,
		table->hash_key[1] ^ 0x646f72616e646f6du, table->hash_key[0] ^ 0x6c7967656e657261u,
		table->hash_key[1] ^ 0x7465646279746573u};
	uint64_t hash;

	if (address->family == 6) {
		for (int i = 0; i < 2; i++) {
			sip_word(v, load64(address->address[i]));
			sip_word(v, load64(address->address[i] + 8));
		}
	} else {
		uint8_t both[8];

		memcpy(both, address->address[0], 4);
		memcpy(both + 4, address->address[1], 4);
		sip_word(v, load64(both));
	}
	sip_word(v, load_ports(address));
	sip_word(v, (uint64_t)address->session << 40 | (uint64_t)address->family << 32 | key->link);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	hash = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(hash ^ hash >> 32);
}

bool flow_is_same_way(const struct packet_address *a, const struct packet_address *b)
{
	uint64_t differ = load_ports(a) ^ load_ports(b);

	for (int i = 0; i < 2; i++) {
		const uint8_t *x = a->address[i];
		const uint8_t *y = b->address[i];

		differ |= (load64(x) ^ load64(y)) | (load64(x + 8) ^ load64(y + 8));
	}
	return differ == 0 && a->family == b->family && a->session == b->session;
}

static bool is_same_key(const struct flow_key *a, const struct flow_key *b)
{
	return flow_is_same_way(&a->address, &b->address) && a->link == b->link;
}

// ---- buckets ------------------------------------------------------------------------------------

static uint16_t tag_of(uint32_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 16);

	return tag != 0 ? tag : 1;
}

// One bit for every place of the bucket that holds tag.
static uint32_t match_tags(const struct bucket *bucket, uint16_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket->tags);
	__m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((int16_t)tag));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
#else
	uint32_t bits = 0;

	for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
		bits |= (uint32_t)(bucket->tags[i] == tag) << i;
	return bits;
#endif
}

static void bucket_add(struct flow_table *table, uint32_t hash, uint32_t slot)
{
	uint32_t at = hash & table->mask;
	struct bucket *bucket = &table->buckets[at];
	uint32_t places = match_tags(bucket, 0);
	uint32_t place;

	while (places == 0) {
		bucket->passed++;
		at = (at + 1) & table->mask;
		bucket = &table->buckets[at];
		places = match_tags(bucket, 0);
	}
	place = (uint32_t)__builtin_ctz(places);
	bucket->tags[place] = tag_of(hash);
	bucket->slots[place] = slot;
}

static void bucket_remove(struct flow_table *table, uint32_t hash, uint32_t slot)
{
	uint32_t at = hash & table->mask;

	for (;; at = (at + 1) & table->mask) {
		struct bucket *bucket = &table->buckets[at];
		uint32_t places = match_tags(bucket, tag_of(hash));

		for (; places != 0; places &= places - 1) {
			uint32_t place = (uint32_t)__builtin_ctz(places);

			if (bucket->slots[place] == slot) {
				bucket->tags[place] = 0;
				return;
			}
		}
		assert(bucket->passed > 0);
		bucket->passed--;
	}
}

void flow_prefetch(const struct flow_table *table, uint32_t hash)
{
	__builtin_prefetch(&table->buckets[hash & table->mask]);
}

void flow_prefetch_state(const struct flow_table *table, uint32_t hash, uint32_t bytes)
{
	const struct bucket *bucket = &table->buckets[hash & table->mask];
	uint32_t places = match_tags(bucket, tag_of(hash));

	for (; places != 0; places &= places - 1) {
		const uint8_t *flow =
			table->flows + bucket->slots[__builtin_ctz(places)] * table->stride;

		for (uint32_t at = 0; at < bytes; at += LINE_BYTES)
			__builtin_prefetch(flow + at, 1);
	}
}

struct flow *flow_find(struct flow_table *table, const struct flow_key *key, uint32_t hash)
{
	uint32_t at = hash & table->mask;

	for (;; at = (at + 1) & table->mask) {
		const struct bucket *bucket = &table->buckets[at];
		uint32_t places = match_tags(bucket, tag_of(hash));

		for (; places != 0; places &= places - 1) {
			struct flow *flow = flow_at(table, bucket->slots[__builtin_ctz(places)]);

			if (flow->hash == hash && is_same_key(&flow->key, key))
				return flow;
		}
		if (bucket->passed == 0)
			return NULL;
	}
}

// ---- age ----------------------------------------------------------------------------------------

static void list_append(struct flow_table *table, struct flow *flow, enum flow_class class)
{
	struct class_list *list = &table->classes[class];
	uint32_t slot = slot_of(table, flow);

	flow->class = (uint8_t) class;
	flow->older = list->newest;
	flow->newer = NONE;
	if (list->newest != NONE)
		flow_at(table, list->newest)->newer = slot;
	else
		list->oldest = slot;
	if (list->quiet == NONE)
		list->quiet = slot;
	list->newest = slot;
	list->count++;
}

static void list_remove(struct flow_table *table, struct flow *flow)
{
	struct class_list *list = &table->classes[flow->class];

	if (list->quiet == slot_of(table, flow))
		list->quiet = flow->newer;
	if (flow->older != NONE)
		flow_at(table, flow->older)->newer = flow->newer;
	else
		list->oldest = flow->newer;
	if (flow->newer != NONE)
		flow_at(table, flow->newer)->older = flow->older;
	else
		list->newest = flow->older;
	list->count--;
}

static struct flow *oldest(const struct flow_table *table, enum flow_class class)
{
	uint32_t slot = table->classes[class].oldest;

	return slot != NONE ? flow_at(table, slot) : NULL;
}

void flow_touch(struct flow_table *table, struct flow *flow, enum flow_class class, uint64_t now_ns)
{
	flow->used_ns = now_ns;
	if (flow->class == class && flow->newer == NONE) {
		if (table->classes[class].quiet == NONE)
			table->classes[class].quiet = slot_of(table, flow);
		return;
	}
	list_remove(table, flow);
	list_append(table, flow, class);
}

struct flow *flow_expired(struct flow_table *table, uint64_t now_ns)
{
	for (int i = FLOW_CLASSES - 1; i >= 0; i--) {
		struct flow *flow = oldest(table, (enum flow_class)i);

		if (flow != NULL && now_ns - flow->used_ns >= table->idle_ns[i])
			return flow;
	}
	return NULL;
}

struct flow *flow_quiet(struct flow_table *table, uint64_t now_ns, uint64_t quiet_ns)
{
	for (int i = FLOW_CLASSES - 1; i >= 0; i--) {
		struct class_list *list = &table->classes[i];
		struct flow *flow = list->quiet != NONE ? flow_at(table, list->quiet) : NULL;

		if (flow == NULL || now_ns - flow->used_ns < quiet_ns)
			continue;
		list->quiet = flow->newer;
		return flow;
	}
	return NULL;
}

// ---- flows --------------------------------------------------------------------------------------

static uint32_t take_slot(struct flow_table *table)
{
	uint32_t slot = table->free;

	if (slot != NONE)
		table->free = flow_at(table, slot)->newer;
	else if (table->fresh < table->capacity)
		slot = table->fresh++;
	return slot;
}

struct flow *flow_insert(struct flow_table *table, const struct flow_key *key, uint32_t hash,
	uint64_t now_ns, struct flow **evicted)
{
	bool is_full = table->free == NONE && table->fresh == table->capacity;
	struct flow *flow;
	uint32_t slot;

	*evicted = NULL;
	if (is_full || table->classes[FLOW_HALF_OPEN].count >= table->half_open) {
		*evicted = oldest(table, FLOW_HALF_OPEN);
		if (*evicted == NULL)
			*evicted = oldest(table, FLOW_CLOSING);
		return NULL;
	}
	slot = take_slot(table);
	flow = flow_at(table, slot);
	memset(flow, 0, table->stride);
	memcpy(&flow->key, key, sizeof(*key));
	flow->hash = hash;
	flow->in_use = 1;
	flow->used_ns = now_ns;
	list_append(table, flow, FLOW_HALF_OPEN);
	bucket_add(table, hash, slot);
	return flow;
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
	uint32_t slot = slot_of(table, flow);

	assert(flow->in_use);
	bucket_remove(table, flow->hash, slot);
	list_remove(table, flow);
	flow->in_use = 0;
	flow->newer = table->free;
	table->free = slot;
}

struct flow *flow_walk(struct flow_table *table, uint32_t *cursor)
{
	while (*cursor < table->fresh) {
		struct flow *flow = flow_at(table, (*cursor)++);

		if (flow->in_use)
			return flow;
	}
	return NULL;
}

struct flow *flow_step(struct flow_table *table, uint32_t *cursor)
{
	struct flow *flow;

	if (*cursor >= table->fresh) {
		*cursor = 0;
		return NULL;
	}
	flow = flow_at(table, (*cursor)++);
	return flow->in_use ? flow : NULL;
}

void flow_get_counts(const struct flow_table *table, struct flow_counts *counts)
{
	for (int i = 0; i < FLOW_CLASSES; i++)
		counts->flows[i] = table->classes[i].count;
	counts->capacity = table->capacity;
}
