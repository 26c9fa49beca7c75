// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_registry.h"

#include "control/envelope.h"
#include "control/vendor_send.h"

#include <glib.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MOST 64
#define CHANNELS_MOST 16
#define SECRET_RAW_BYTES 32

// ---- a gateway ----------------------------------------------------------------------------------

static int refuse(char *why, size_t why_bytes, const char *text)
{
	(void)snprintf(why, why_bytes, "%s", text);
	return -EINVAL;
}

static bool is_name(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || text[0] == '\0' || json_string_length(value) >= REGISTRY_ID_BYTES)
		return false;
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int check_groups(const json_t *groups, char *why, size_t why_bytes)
{
	json_t *group;
	size_t i;

	if (groups != NULL && (!json_is_array(groups) || json_array_size(groups) > GROUPS_MOST))
		return refuse(why, why_bytes, "groups: must be a list of at most 64 names");
	json_array_foreach(groups, i, group)
	{
		if (!is_name(group))
			return refuse(why, why_bytes, "groups: must be texts of 1 to 128 bytes");
	}
	return 0;
}

static int check_channels(const json_t *channels, char *why, size_t why_bytes)
{
	json_t *channel;
	size_t i;

	if (channels != NULL &&
		(!json_is_array(channels) || json_array_size(channels) > CHANNELS_MOST))
		return refuse(why, why_bytes, "channels: must be a list of at most 16");
	json_array_foreach(channels, i, channel)
	{
		int err = vendor_send_check(channel, why, why_bytes);

		if (err != 0)
			return err;
	}
	return 0;
}

static int check_gateway(const json_t *gateway, char *why, size_t why_bytes)
{
	static const char *const names[] = {
		"id", "name", "public_key", "groups", "channels", "token"};
	const json_t *name = json_object_get(gateway, "name");
	const char *member;
	json_t *value;
	int err;

	json_object_foreach((json_t *)(uintptr_t)gateway, member, value)
	{
		size_t i = 0;

		while (i < G_N_ELEMENTS(names) && strcmp(names[i], member) != 0)
			i++;
		if (i == G_N_ELEMENTS(names)) {
			(void)snprintf(why, why_bytes, "an unknown member \"%.64s\"", member);
			return -EINVAL;
		}
	}
	if (!is_name(json_object_get(gateway, "id")))
		return refuse(why, why_bytes, "id: must be a text of 1 to 128 bytes");
	if (name != NULL && !is_name(name))
		return refuse(why, why_bytes, "name: must be a text of 1 to 128 bytes");
	err = check_groups(json_object_get(gateway, "groups"), why, why_bytes);
	return err == 0 ? check_channels(json_object_get(gateway, "channels"), why, why_bytes)
			: err;
}

static char *dump(const json_t *value)
{
	return value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
}

// A key that is given, or the one that is there. Returns 0 or -EINVAL.
static int find_key(const json_t *gateway, const json_t *old, struct envelope_key *key)
{
	const char *text = json_string_value(json_object_get(gateway, "public_key"));

	if (text == NULL && json_object_get(gateway, "public_key") == NULL)
		text = json_string_value(json_object_get(old, "public_key"));
	return text != NULL ? envelope_key_parse(key, text) : -EINVAL;
}

static int store_gateway(struct database *database, const json_t *gateway,
	const struct envelope_key *key, int64_t now_s)
{
	char *groups = dump(json_object_get(gateway, "groups"));
	char *channels = dump(json_object_get(gateway, "channels"));
	char *text = envelope_key_text(key);
	int err = database_run(database,
		database_prepare(database,
			"INSERT INTO gateway VALUES(?1, coalesce(?2, ''), ?3, ?4, coalesce(?5, "
			"'[]'),"
			" coalesce(?6, '[]'), ?7, 0, 0, NULL) ON CONFLICT(id) DO UPDATE SET"
			" name = coalesce(?2, name), key = ?3, keyid = ?4, groups = coalesce(?5, "
			"groups),"
			" channels = coalesce(?6, channels),"
			" counter = CASE WHEN keyid = ?4 THEN counter ELSE 0 END",
			"tttttti", json_string_value(json_object_get(gateway, "id")),
			json_string_value(json_object_get(gateway, "name")), text, key->id, groups,
			channels, now_s));

	free(text);
	free(groups);
	free(channels);
	return err;
}

// Within a transaction.
static int put(struct database *database, const json_t *gateway, int64_t now_s, char *why,
	size_t why_bytes)
{
	struct envelope_key key;
	int err = check_gateway(gateway, why, why_bytes);
	const char *id = json_string_value(json_object_get(gateway, "id"));
	json_t *old;

	if (err != 0)
		return err;
	old = registry_get(database, id);
	err = find_key(gateway, old, &key);
	json_decref(old);
	if (err != 0)
		return refuse(why, why_bytes, "public_key: must be an Ed25519 key in base64");
	if (database_number(database_prepare(database,
				    "SELECT count(*) FROM gateway WHERE keyid = ? AND id <> ?",
				    "tt", key.id, id),
		    0) != 0) {
		(void)snprintf(why, why_bytes, "public_key: is another gateway's");
		return -EEXIST;
	}
	return store_gateway(database, gateway, &key, now_s);
}

int registry_put(struct database *database, const json_t *gateway, int64_t now_s, char *why,
	size_t why_bytes)
{
	int err = database_begin(database);

	if (err == 0)
		err = put(database, gateway, now_s, why, why_bytes);
	// What was refused has changed nothing.
	return database_flush(database) != 0 && err == 0 ? -EIO : err;
}

static const char select_gateway[] = "SELECT id, name, key, keyid, groups, channels, enrolled,"
				     " last_seen, state FROM gateway";

static json_t *gateway_json(sqlite3_stmt *statement)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:o?}", "id",
		database_text(statement, 0), "name", database_text(statement, 1), "public_key",
		database_text(statement, 2), "keyid", database_text(statement, 3), "groups",
		json_loads(database_text(statement, 4), 0, NULL), "channels",
		json_loads(database_text(statement, 5), 0, NULL), "enrolled",
		(json_int_t)sqlite3_column_int64(statement, 6), "last_seen",
		(json_int_t)sqlite3_column_int64(statement, 7), "state",
		json_loads(database_text(statement, 8), 0, NULL));
}

json_t *registry_get(struct database *database, const char *id)
{
	char *sql = g_strconcat(select_gateway, " WHERE id = ?", NULL);
	sqlite3_stmt *statement = database_prepare(database, sql, "t", id);
	json_t *gateway = NULL;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		gateway = gateway_json(statement);
	(void)sqlite3_finalize(statement);
	g_free(sql);
	return gateway;
}

json_t *registry_list(
	struct database *database, const char *after, unsigned int most, const char *group)
{
	char *sql = g_strconcat(select_gateway,
		" WHERE id > ?1 AND (?2 IS NULL OR EXISTS(SELECT 1 FROM json_each(groups) WHERE "
		"value ="
		" ?2)) ORDER BY id LIMIT ?3",
		NULL);
	sqlite3_stmt *statement =
		database_prepare(database, sql, "tti", after, group, (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list, gateway_json(statement));
	(void)sqlite3_finalize(statement);
	g_free(sql);
	return list;
}

// Counted for few gateways, found in one pass for all. ?1 group, ?2 text, ?3 state, ?4 silent since; then what is the list's alone.
#define WAITING                                                                                    \
	"(SELECT count(*) FROM delivery JOIN alert ON alert.number = delivery.alert WHERE"         \
	" delivery.gateway = gateway.id AND delivery.state = 'open' AND alert.state = 'open' AND"  \
	" alert.type <> 'ping')"
#define WANTED                                                                                     \
	" FROM gateway WHERE (?1 IS NULL OR EXISTS(SELECT 1 FROM json_each(groups) WHERE value ="  \
	" ?1)) AND (?2 IS NULL OR instr(lower(id || ' ' || name || ' ' || groups), lower(?2)) > "  \
	"0)"                                                                                       \
	" AND (?3 IS NULL OR CASE ?3 WHEN 'sealed' THEN json_extract(state, '$.sealed') = 1"       \
	" WHEN 'open' THEN json_extract(state, '$.sealed') = 0 WHEN 'silent' THEN last_seen < ?4"  \
	" WHEN 'waiting' THEN id IN (SELECT delivery.gateway FROM alert CROSS JOIN delivery ON"    \
	" delivery.alert = alert.number WHERE alert.state = 'open' AND alert.type <> 'ping' AND"   \
	" delivery.state = 'open') END)"

json_t *registry_find(
	struct database *database, const struct registry_filter *filter, int64_t *total)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT id, name, key, keyid, groups, channels, enrolled, last_seen, "
		"state, " WAITING WANTED " AND id > ?5 ORDER BY id LIMIT ?6",
		"tttiti", filter->group, filter->search, filter->state, filter->silent_s,
		filter->after, (int64_t)filter->most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		json_t *gateway = gateway_json(statement);

		(void)json_object_set_new(
			gateway, "waiting", json_integer(sqlite3_column_int64(statement, 9)));
		(void)json_array_append_new(list, gateway);
	}
	(void)sqlite3_finalize(statement);
	*total = database_number(
		database_prepare(database, "SELECT count(*)" WANTED, "ttti", filter->group,
			filter->search, filter->state, filter->silent_s),
		0);
	return list;
}

int registry_remove(struct database *database, const char *id)
{
	int err = database_begin(database);
	bool was_there = false;

	if (err == 0)
		err = database_run(database,
			database_prepare(database, "DELETE FROM gateway WHERE id = ?", "t", id));
	was_there = err == 0 && database_changes(database) > 0;
	if (err == 0)
		err = database_run(database,
			database_prepare(database,
				"DELETE FROM delivery WHERE gateway = ? AND state = 'open'", "t",
				id));
	if (database_flush(database) != 0 || err != 0)
		return -EIO;
	return was_there ? 0 : -ENOENT;
}

int registry_seen(struct database *database, const char *id, int64_t now_s, uint64_t counter,
	const json_t *state)
{
	char *text = dump(state);
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database, database_prepare(database,
						     "UPDATE gateway SET last_seen = ?1, counter = "
						     "?2, state = coalesce(?3, "
						     "state)"
						     " WHERE id = ?4 AND counter < ?2",
						     "iitt", now_s, (int64_t)counter, text, id));
	free(text);
	return err;
}

// ---- secrets ------------------------------------------------------------------------------------

// 256 random bits need no slow hash: nobody guesses them.
static int make_secret(const char *prefix, char secret[REGISTRY_SECRET_BYTES])
{
	uint8_t raw[SECRET_RAW_BYTES];
	size_t at = (size_t)snprintf(secret, REGISTRY_SECRET_BYTES, "%s", prefix);

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return -EIO;
	for (size_t i = 0; i < sizeof(raw); i++)
		at += (size_t)snprintf(secret + at, REGISTRY_SECRET_BYTES - at, "%02x", raw[i]);
	return 0;
}

static char *hash_of(const char *secret)
{
	return g_compute_checksum_for_string(G_CHECKSUM_SHA256, secret, -1);
}

// ---- tokens -------------------------------------------------------------------------------------

int registry_token_make(struct database *database, const char *gateway, const json_t *groups,
	int64_t now_s, int64_t expires_s, char token[REGISTRY_SECRET_BYTES])
{
	int err = make_secret("ct_", token);
	char *hash = hash_of(token);
	char *text = dump(groups);

	if (err == 0)
		err = database_begin(database);
	if (err == 0)
		err = database_run(
			database, database_prepare(database,
					  "INSERT INTO token VALUES(?, ?, coalesce(?, '[]'), ?, ?, "
					  "NULL, NULL)",
					  "tttii", hash, gateway, text, now_s, expires_s));
	if (database_flush(database) != 0)
		err = -EIO;
	free(text);
	g_free(hash);
	return err;
}

json_t *registry_tokens(struct database *database, unsigned int most)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT gateway, groups, created, expires, used, used_by FROM token"
		" ORDER BY created DESC, hash LIMIT ?",
		"i", (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:o, s:I, s:I, s:b, s:s}", "gateway",
				      database_text(statement, 0), "groups",
				      json_loads(database_text(statement, 1), 0, NULL), "created",
				      (json_int_t)sqlite3_column_int64(statement, 2), "expires",
				      (json_int_t)sqlite3_column_int64(statement, 3), "used",
				      sqlite3_column_type(statement, 4) != SQLITE_NULL, "used_by",
				      database_text(statement, 5)));
	(void)sqlite3_finalize(statement);
	return list;
}

// Whether this token may bring this gateway in; its groups, the caller's.
static int check_token(
	struct database *database, const char *hash, const char *id, int64_t now_s, json_t **groups)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT gateway, groups, expires, used FROM token WHERE hash = ?", "t", hash);
	int err = -EACCES;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		const char *named = database_text(statement, 0);
		bool is_good = sqlite3_column_int64(statement, 2) > now_s &&
			       sqlite3_column_type(statement, 3) == SQLITE_NULL &&
			       (named[0] == '\0' || strcmp(named, id) == 0);

		if (is_good)
			*groups = json_loads(database_text(statement, 1), 0, NULL);
		err = is_good ? 0 : -EACCES;
		// Whoever holds a token for anybody must not take the place of a gateway that is there.
		if (is_good && named[0] == '\0' &&
			database_number(
				database_prepare(database,
					"SELECT count(*) FROM gateway WHERE id = ?", "t", id),
				0) != 0)
			err = -EEXIST;
	}
	(void)sqlite3_finalize(statement);
	return err;
}

static int enrol(struct database *database, const json_t *asked, const char *hash, int64_t now_s,
	char *why, size_t why_bytes)
{
	const char *id = json_string_value(json_object_get(asked, "id"));
	json_t *groups = NULL;
	json_t *gateway = NULL;
	int err = check_token(database, hash, id, now_s, &groups);

	if (err != 0)
		(void)snprintf(why, why_bytes, "%s",
			err == -EEXIST
				? "the gateway is enrolled already"
				: "the token is unknown, used, expired or another gateway's");
	if (err == 0) {
		gateway = json_deep_copy(asked);
		(void)json_object_set(gateway, "groups", groups);
		err = put(database, gateway, now_s, why, why_bytes);
	}
	if (err == 0)
		err = database_run(
			database, database_prepare(database,
					  "UPDATE token SET used = ?, used_by = ? WHERE hash = ?",
					  "itt", now_s, id, hash));
	json_decref(gateway);
	json_decref(groups);
	return err;
}

int registry_enrol(
	struct database *database, const json_t *asked, int64_t now_s, char *why, size_t why_bytes)
{
	const char *token = json_string_value(json_object_get(asked, "token"));
	char *hash;
	int err;

	if (token == NULL || json_object_get(asked, "groups") != NULL ||
		!is_name(json_object_get(asked, "id")) ||
		json_object_get(asked, "public_key") == NULL)
		return refuse(why, why_bytes,
			"needs token, id and public_key, and takes name and channels besides");
	err = database_begin(database);
	hash = hash_of(token);
	if (err == 0)
		err = enrol(database, asked, hash, now_s, why, why_bytes);
	g_free(hash);
	return database_flush(database) != 0 && err == 0 ? -EIO : err;
}

// ---- keys of those who ask ----------------------------------------------------------------------

int registry_apikey_make(struct database *database, const char *name, bool writes, int64_t now_s,
	char key[REGISTRY_SECRET_BYTES])
{
	int err = make_secret("ca_", key);
	char *hash = hash_of(key);

	if (err == 0)
		err = database_begin(database);
	if (err == 0 &&
		database_number(database_prepare(database,
					"SELECT count(*) FROM apikey WHERE name = ?", "t", name),
			0) != 0)
		err = -EEXIST;
	if (err == 0)
		err = database_run(database,
			database_prepare(database, "INSERT INTO apikey VALUES(?, ?, ?, ?)", "ttii",
				hash, name, (int64_t)writes, now_s));
	g_free(hash);
	return database_flush(database) != 0 && err == 0 ? -EIO : err;
}

int registry_apikey_remove(struct database *database, const char *name)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database,
			database_prepare(database, "DELETE FROM apikey WHERE name = ?", "t", name));
	if (err == 0 && database_changes(database) == 0)
		err = -ENOENT;
	return database_flush(database) != 0 && err == 0 ? -EIO : err;
}

// Looked up by its hash: how long that takes says nothing of any key.
char *registry_apikey_find(struct database *database, const char *key, bool *writes)
{
	char *hash = hash_of(key);
	sqlite3_stmt *statement = database_prepare(
		database, "SELECT name, writes FROM apikey WHERE hash = ?", "t", hash);
	char *name = NULL;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		name = strdup(database_text(statement, 0));
		*writes = sqlite3_column_int64(statement, 1) != 0;
	}
	(void)sqlite3_finalize(statement);
	g_free(hash);
	return name;
}
