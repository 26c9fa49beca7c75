// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_lock.h"

#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000LL
#define FAILURES_FREE 5 // before it is locked
#define LOCK_S 30       // the first time, then twice as long, up to
#define LOCK_MOST_S 900
#define ENTRIES 4096 // that are remembered; the one that failed longest ago is forgotten
#define NONCE_BYTES 16
#define NONCE_TEXT (2L * NONCE_BYTES)

struct failures {
	unsigned int count; // in a row
	int64_t locked_until_ns;
	int64_t at_ns;
};

struct web_lock {
	GHashTable *entries; // name, secret and place, one a line
};

struct web_lock *web_lock_new(void)
{
	struct web_lock *lock = g_new0(struct web_lock, 1);

	lock->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return lock;
}

void web_lock_free(struct web_lock *lock)
{
	if (lock == NULL)
		return;
	g_hash_table_unref(lock->entries);
	g_free(lock);
}

static char *key_of(const char *name, const char *secret, const char *place)
{
	return g_strjoin("\n", name, secret, place, NULL);
}

bool web_lock_is_locked(const struct web_lock *lock, const char *name, const char *secret,
	const char *place, int64_t now_ns)
{
	char *key = key_of(name, secret, place);
	const struct failures *failures = g_hash_table_lookup(lock->entries, key);

	g_free(key);
	return failures != NULL && now_ns < failures->locked_until_ns;
}

static void forget_oldest(struct web_lock *lock)
{
	const struct failures *oldest = NULL;
	GHashTableIter iter;
	gpointer found = NULL;
	gpointer value;
	gpointer key;

	g_hash_table_iter_init(&iter, lock->entries);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const struct failures *failures = value;

		if (oldest != NULL && oldest->at_ns <= failures->at_ns)
			continue;
		oldest = failures;
		found = key;
	}
	if (found != NULL)
		(void)g_hash_table_remove(lock->entries, found);
}

bool web_lock_count(struct web_lock *lock, const char *name, const char *secret, const char *place,
	int64_t now_ns)
{
	char *key = key_of(name, secret, place);
	struct failures *failures = g_hash_table_lookup(lock->entries, key);
	int64_t seconds = LOCK_S;

	if (failures == NULL) {
		if (g_hash_table_size(lock->entries) >= ENTRIES)
			forget_oldest(lock);
		failures = g_new0(struct failures, 1);
		(void)g_hash_table_insert(lock->entries, g_strdup(key), failures);
	}
	g_free(key);
	failures->at_ns = now_ns;
	failures->count++;
	if (failures->count < FAILURES_FREE)
		return false;
	for (unsigned int i = FAILURES_FREE; i < failures->count && seconds < LOCK_MOST_S; i++)
		seconds *= 2;
	failures->locked_until_ns = now_ns + MIN(seconds, LOCK_MOST_S) * NS_PER_S;
	return true;
}

void web_lock_clear(struct web_lock *lock, const char *name, const char *secret, const char *place)
{
	char *key = key_of(name, secret, place);

	(void)g_hash_table_remove(lock->entries, key);
	g_free(key);
}

// ---- places -------------------------------------------------------------------------------------

// Only who has the file of users can make it, and another password makes all of them void.
static char *sign(const char *name, const char *secret, const char *nonce)
{
	char *text = g_strjoin("\n", "known browser", name, nonce, NULL);
	char *mac = g_compute_hmac_for_string(
		G_CHECKSUM_SHA256, (const guchar *)secret, strlen(secret), text, -1);

	g_free(text);
	return mac;
}

bool web_lock_known_place(
	const char *value, const char *name, const char *secret, char out[WEB_PLACE_BYTES])
{
	const char *dot = strchr(value, '.');
	bool is_ours = false;
	char *nonce;
	char *mac;

	if (dot == NULL || dot - value != NONCE_TEXT || secret[0] == '\0')
		return false;
	nonce = g_strndup(value, (gsize)(dot - value));
	mac = sign(name, secret, nonce);
	is_ours = strlen(dot + 1) == strlen(mac) && CRYPTO_memcmp(dot + 1, mac, strlen(mac)) == 0;
	if (is_ours)
		(void)snprintf(out, WEB_PLACE_BYTES, "browser %s", nonce);
	g_free(mac);
	g_free(nonce);
	return is_ours;
}

int web_lock_make_known(const char *name, const char *secret, char out[WEB_KNOWN_BYTES])
{
	char nonce[NONCE_TEXT + 1];
	uint8_t bytes[NONCE_BYTES];
	char *mac;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < NONCE_BYTES; i++)
		(void)snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
	mac = sign(name, secret, nonce);
	(void)snprintf(out, WEB_KNOWN_BYTES, "%s.%s", nonce, mac);
	g_free(mac);
	return 0;
}
