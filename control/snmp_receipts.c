// SPDX-License-Identifier: BSD-3-Clause
#include "control/snmp_receipts.h"

#include "control/envelope.h"
#include "control/snmp_library.h"

#include <jansson.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// cordonReceiptEntry; then the column, and the digest as SNMP_DIGEST_BYTES numbers.
static const oid entry_name[] = {SNMP_MIB, 1, SNMP_OBJECT_RECEIPTS, 1};
#define ENTRY OID_LENGTH(entry_name)
#define NAME (ENTRY + 1 + SNMP_DIGEST_BYTES)

struct entry {
	uint8_t digest[SNMP_DIGEST_BYTES];
	char *receipt;
	char result[16];
	uint64_t age;
};

struct snmp_receipts {
	struct entry entries[SNMP_RECEIPTS]; // by digest
	size_t count;
	uint64_t puts;
};

static bool parse_digest(const char *text, uint8_t digest[SNMP_DIGEST_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	if (text == NULL || strlen(text) != (size_t)2 * SNMP_DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < SNMP_DIGEST_BYTES; i++) {
		const char *high = strchr(digits, text[2 * i]);
		const char *low = strchr(digits, text[2 * i + 1]);

		if (high == NULL || low == NULL)
			return false;
		digest[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return true;
}

// Our own words: what is not as expected is no receipt.
static bool parse_receipt(const char *receipt, struct entry *entry)
{
	struct envelope *envelope = NULL;
	const char *why = "";
	const char *payload;
	const char *result;
	size_t bytes = 0;
	json_t *root;
	bool good;

	if (envelope_parse(receipt, strlen(receipt), &envelope, &why) != 0)
		return false;
	payload = envelope_payload(envelope, &bytes);
	root = json_loadb(payload, bytes, 0, NULL);
	result = json_string_value(json_object_get(root, "result"));
	good = result != NULL &&
	       parse_digest(json_string_value(json_object_get(root, "alert")), entry->digest);
	if (good)
		(void)snprintf(entry->result, sizeof(entry->result), "%s", result);
	json_decref(root);
	envelope_free(envelope);
	return good;
}

// The place of a digest, or where it would be.
static size_t find(const struct snmp_receipts *receipts, const uint8_t digest[SNMP_DIGEST_BYTES],
	bool *is_there)
{
	size_t i = 0;
	int order = 1;

	while (i < receipts->count) {
		order = memcmp(receipts->entries[i].digest, digest, SNMP_DIGEST_BYTES);
		if (order >= 0)
			break;
		i++;
	}
	*is_there = order == 0 && i < receipts->count;
	return i;
}

static void drop_oldest(struct snmp_receipts *receipts)
{
	size_t oldest = 0;

	for (size_t i = 1; i < receipts->count; i++) {
		if (receipts->entries[i].age < receipts->entries[oldest].age)
			oldest = i;
	}
	free(receipts->entries[oldest].receipt);
	receipts->count--;
	memmove(&receipts->entries[oldest], &receipts->entries[oldest + 1],
		(receipts->count - oldest) * sizeof(receipts->entries[0]));
}

void snmp_receipts_put(struct snmp_receipts *receipts, const char *receipt)
{
	struct entry entry = {.age = ++receipts->puts};
	bool is_there;
	size_t i;

	if (!parse_receipt(receipt, &entry))
		return;
	entry.receipt = strdup(receipt);
	if (entry.receipt == NULL)
		return;
	i = find(receipts, entry.digest, &is_there);
	if (is_there) {
		free(receipts->entries[i].receipt);
		receipts->entries[i] = entry;
		return;
	}
	if (receipts->count == SNMP_RECEIPTS)
		drop_oldest(receipts);
	i = find(receipts, entry.digest, &is_there);
	memmove(&receipts->entries[i + 1], &receipts->entries[i],
		(receipts->count - i) * sizeof(receipts->entries[0]));
	receipts->entries[i] = entry;
	receipts->count++;
}

// ---- questions ----------------------------------------------------------------------------------

static void write_name(oid name[NAME], oid column, const struct entry *entry)
{
	memcpy(name, entry_name, sizeof(entry_name));
	name[ENTRY] = column;
	for (size_t i = 0; i < SNMP_DIGEST_BYTES; i++)
		name[ENTRY + 1 + i] = entry->digest[i];
}

// The instance of this name, or the first one behind it; NULL: there is none.
static const struct entry *look_up(const struct snmp_receipts *receipts,
	const netsnmp_variable_list *variable, bool is_next, oid found[NAME])
{
	for (oid column = SNMP_COLUMN_RESULT; column <= SNMP_COLUMN_DATA; column++) {
		for (size_t i = 0; i < receipts->count; i++) {
			int order;

			write_name(found, column, &receipts->entries[i]);
			order = snmp_oid_compare(
				found, NAME, variable->name, variable->name_length);
			if (is_next ? order > 0 : order == 0)
				return &receipts->entries[i];
		}
	}
	return NULL;
}

int snmp_receipts_get(
	const struct snmp_receipts *receipts, netsnmp_variable_list *variable, bool is_next)
{
	oid found[NAME];
	const struct entry *entry = look_up(receipts, variable, is_next, found);
	const char *value;
	int failed;

	if (entry == NULL) {
		failed = snmp_set_var_typed_value(
			variable, is_next ? SNMP_ENDOFMIBVIEW : SNMP_NOSUCHINSTANCE, NULL, 0);
		return failed == 0 ? 0 : -ENOMEM;
	}
	value = found[ENTRY] == SNMP_COLUMN_RESULT ? entry->result : entry->receipt;
	failed = snmp_set_var_objid(variable, found, NAME);
	if (failed == 0)
		failed = snmp_set_var_typed_value(variable, ASN_OCTET_STR, value, strlen(value));
	return failed == 0 ? 0 : -ENOMEM;
}

int snmp_receipts_new(struct snmp_receipts **out)
{
	struct snmp_receipts *receipts = calloc(1, sizeof(*receipts));

	if (receipts == NULL)
		return -ENOMEM;
	*out = receipts;
	return 0;
}

void snmp_receipts_free(struct snmp_receipts *receipts)
{
	if (receipts == NULL)
		return;
	for (size_t i = 0; i < receipts->count; i++)
		free(receipts->entries[i].receipt);
	free(receipts);
}
