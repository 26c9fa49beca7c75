// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_seen.h"

#include "control/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4096
#define KEPT_BYTES 8192 // of a receipt

struct slot {
	struct seen_key key;
	enum seen kind;
	bool is_refusal;
	char digest[ENVELOPE_KEY_ID_BYTES];
	uint64_t change; // that it was said after
	int64_t second;  // that it was said in
	char *why;       // NULL: the slot is free
	char *receipt;
};

struct alerts_seen {
	uint64_t change;
	struct slot slots[SLOTS];
};

struct alerts_seen *alerts_seen_new(void)
{
	return calloc(1, sizeof(struct alerts_seen));
}

static void empty(struct slot *slot)
{
	free(slot->why);
	free(slot->receipt);
	slot->why = NULL;
	slot->receipt = NULL;
}

void alerts_seen_clear(struct alerts_seen *seen)
{
	for (size_t i = 0; i < SLOTS; i++)
		empty(&seen->slots[i]);
}

void alerts_seen_free(struct alerts_seen *seen)
{
	if (seen == NULL)
		return;
	alerts_seen_clear(seen);
	free(seen);
}

void alerts_seen_changed(struct alerts_seen *seen)
{
	seen->change++;
}

static struct slot *slot_of(struct alerts_seen *seen, const struct seen_key *key)
{
	uint16_t number;

	memcpy(&number, key->digest, sizeof(number));
	return &seen->slots[number % SLOTS];
}

void alerts_seen_key(const void *text, size_t bytes, struct seen_key *key)
{
	if (!envelope_sha256(text, bytes, key->digest))
		memset(key, 0, sizeof(*key));
}

bool alerts_seen_find_key(struct alerts_seen *seen, const struct seen_key *key, int64_t now_s,
	struct seen_answer *out)
{
	static const struct seen_key none;
	const struct slot *slot = slot_of(seen, key);

	if (slot->why == NULL || memcmp(&slot->key, key, sizeof(*key)) != 0 ||
		memcmp(key, &none, sizeof(none)) == 0)
		return false;
	if (slot->kind == SEEN_REFUSED && (slot->change != seen->change || slot->second != now_s))
		return false;
	*out = (struct seen_answer){
		slot->kind, slot->why, slot->receipt, slot->is_refusal, slot->digest};
	return true;
}

bool alerts_seen_find(struct alerts_seen *seen, const void *text, size_t bytes, int64_t now_s,
	struct seen_key *key, struct seen_answer *out)
{
	alerts_seen_key(text, bytes, key);
	return alerts_seen_find_key(seen, key, now_s, out);
}

void alerts_seen_keep(struct alerts_seen *seen, const struct seen_key *key, int64_t now_s,
	const struct seen_answer *answer)
{
	struct slot *slot = slot_of(seen, key);

	if (answer->receipt != NULL && strlen(answer->receipt) > KEPT_BYTES)
		return;
	empty(slot);
	slot->key = *key;
	slot->kind = answer->kind;
	slot->is_refusal = answer->is_refusal;
	(void)snprintf(slot->digest, sizeof(slot->digest), "%s", answer->digest);
	slot->change = seen->change;
	slot->second = now_s;
	slot->receipt = answer->receipt != NULL ? strdup(answer->receipt) : NULL;
	// Without memory it is not remembered.
	if (answer->receipt == NULL || slot->receipt != NULL)
		slot->why = strdup(answer->why);
	if (slot->why == NULL)
		empty(slot);
}
