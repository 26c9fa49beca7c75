// SPDX-License-Identifier: BSD-3-Clause
#include "control/keys.h"

#include "control/alert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct role {
	uint64_t members; // a bit for each key
	unsigned int threshold;
	uint64_t epoch;
};

struct keys {
	atomic_uint users;
	struct envelope_key all[KEYS_MOST];
	struct envelope_verifier *verifiers[KEYS_MOST];
	size_t count;
	struct role roles[ROLES];
	int64_t expires_s;
};

struct reader {
	struct keys *keys;
	char *error;
	size_t error_bytes;
};

static const char *const role_names[ROLES] = {"root", "alerts", "updates", "all-clear"};

const char *key_role_name(enum key_role role)
{
	return role_names[role];
}

int key_role_find(const char *name, enum key_role *out)
{
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++) {
		if (strcmp(name, role_names[role]) == 0) {
			*out = role;
			return 0;
		}
	}
	return -EINVAL;
}

static int refuse(const struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(const struct reader *reader, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	(void)vsnprintf(reader->error, reader->error_bytes, format, values);
	va_end(values);
	return -EINVAL;
}

static int read_keys(const struct reader *reader, json_t *table)
{
	struct keys *keys = reader->keys;
	const char *id;
	json_t *value;

	if (json_object_size(table) == 0 || json_object_size(table) > KEYS_MOST)
		return refuse(reader, "root.keys: must hold 1 to %d keys", KEYS_MOST);
	json_object_foreach(table, id, value)
	{
		struct envelope_key *key = &keys->all[keys->count];
		const char *text = json_string_value(value);

		if (text == NULL || envelope_key_parse(key, text) != 0)
			return refuse(reader, "root.keys: \"%s\" is no Ed25519 key", id);
		if (strcmp(key->id, id) != 0)
			return refuse(reader, "root.keys: \"%s\" is not the id of its key", id);
		keys->count++;
	}
	return 0;
}

static int read_members(
	const struct reader *reader, const char *name, const json_t *list, struct role *role)
{
	const struct keys *keys = reader->keys;
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *id = json_string_value(value);
		size_t k = 0;

		while (k < keys->count && (id == NULL || strcmp(keys->all[k].id, id) != 0))
			k++;
		if (k == keys->count || (role->members >> k & 1) != 0)
			return refuse(
				reader, "root.roles.%s: a key that is not there, or twice", name);
		role->members |= UINT64_C(1) << k;
	}
	return 0;
}

static int read_role(const struct reader *reader, json_t *table, enum key_role which)
{
	const char *name = role_names[which];
	struct role *role = &reader->keys->roles[which];
	json_t *entry = json_object_get(table, name);
	json_t *epoch = json_object_get(entry, "epoch");
	json_int_t threshold = json_integer_value(json_object_get(entry, "threshold"));
	size_t known = 2 + (epoch != NULL);
	int err = read_members(reader, name, json_object_get(entry, "keys"), role);

	if (err != 0)
		return err;
	if (json_object_size(entry) != known)
		return refuse(reader,
			"root.roles.%s: must have keys, threshold and epoch, and nothing unknown",
			name);
	if (threshold < 1 || threshold > __builtin_popcountll(role->members))
		return refuse(reader,
			"root.roles.%s: the threshold must be 1 to the number of its keys", name);
	if (epoch != NULL && (!json_is_integer(epoch) || json_integer_value(epoch) < 1))
		return refuse(reader, "root.roles.%s: the epoch must be a number over 0", name);
	role->threshold = (unsigned int)threshold;
	role->epoch = epoch != NULL ? (uint64_t)json_integer_value(epoch) : 1;
	return 0;
}

static int read_document(const struct reader *reader, const json_t *document)
{
	const char *expires = json_string_value(json_object_get(document, "expires"));
	json_t *roles = json_object_get(document, "roles");
	int err;

	if (!json_is_object(document) || json_object_size(document) != 3)
		return refuse(reader, "root: must have expires, keys and roles");
	if (expires == NULL || alert_time(expires, &reader->keys->expires_s) != 0)
		return refuse(reader, "root.expires: must be a time as in RFC 3339");
	if (json_object_size(roles) != ROLES)
		return refuse(reader, "root.roles: must be root, alerts, updates and all-clear");
	err = read_keys(reader, json_object_get(document, "keys"));
	for (enum key_role role = ROLE_ROOT; role < ROLES && err == 0; role++)
		err = read_role(reader, roles, role);
	return err;
}

int keys_parse(const json_t *document, struct keys **out, char *error, size_t error_bytes)
{
	struct reader reader = {calloc(1, sizeof(struct keys)), error, error_bytes};
	int err;

	if (reader.keys == NULL)
		return -ENOMEM;
	atomic_init(&reader.keys->users, 1);
	err = read_document(&reader, document);
	if (err != 0) {
		keys_free(reader.keys);
		return err;
	}
	for (size_t i = 0; i < reader.keys->count; i++)
		reader.keys->verifiers[i] = envelope_verifier_new(&reader.keys->all[i]);
	*out = reader.keys;
	return 0;
}

struct keys *keys_share(struct keys *keys)
{
	if (keys != NULL)
		(void)atomic_fetch_add(&keys->users, 1);
	return keys;
}

void keys_free(struct keys *keys)
{
	if (keys == NULL || atomic_fetch_sub(&keys->users, 1) > 1)
		return;
	for (size_t i = 0; i < keys->count; i++)
		envelope_verifier_free(keys->verifiers[i]);
	free(keys);
}

uint64_t keys_signers(const struct keys *keys, const struct envelope *envelope)
{
	return envelope_signers_ready(envelope, keys->all, keys->verifiers, keys->count);
}

unsigned int keys_count(const struct keys *keys, enum key_role role, uint64_t signers)
{
	return (unsigned int)__builtin_popcountll(keys->roles[role].members & signers);
}

unsigned int keys_threshold(const struct keys *keys, enum key_role role)
{
	return keys->roles[role].threshold;
}

uint64_t keys_epoch(const struct keys *keys, enum key_role role)
{
	return keys->roles[role].epoch;
}

int64_t keys_expires(const struct keys *keys)
{
	return keys->expires_s;
}
