// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_users.h"

#include "control/durable.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 1048576u
#define SALT_BYTES 16
#define KEY_BYTES 32
#define PASSWORD_LEAST 10
#define PASSWORD_MOST 1024
// What OWASP asks of scrypt at least is N = 2^15, r = 8, p = 3; one pass takes about 50 ms and 32 MiB.
#define SCRYPT_N 32768u
#define SCRYPT_R 8u
#define SCRYPT_P 3u
#define SCRYPT_N_MOST 1048576u
#define SCRYPT_MEMORY ((uint64_t)256 << 20)
#define FIELDS 8

static const char *const roles[] = {[WEB_VIEWER] = "viewer", [WEB_OPERATOR] = "operator"};

static bool is_name(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n >= WEB_USER_BYTES)
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") ==
	       n;
}

const char *web_role_name(enum web_role role)
{
	return roles[role];
}

int web_role_find(const char *text, enum web_role *out)
{
	for (size_t i = 0; i < G_N_ELEMENTS(roles); i++) {
		if (strcmp(text, roles[i]) == 0) {
			*out = (enum web_role)i;
			return 0;
		}
	}
	return -EINVAL;
}

// ---- secrets ------------------------------------------------------------------------------------

// As RFC 7914 names them.
struct cost {
	uint64_t n;
	uint64_t r;
	uint64_t p;
};

static bool derive(const char *password, const uint8_t *salt, size_t salt_bytes,
	const struct cost *cost, uint8_t out[KEY_BYTES])
{
	return EVP_PBE_scrypt(password, strlen(password), salt, salt_bytes, cost->n, cost->r,
		       cost->p, SCRYPT_MEMORY, out, KEY_BYTES) == 1;
}

bool web_users_check(const char *secret, const char *password)
{
	char **fields = g_strsplit(secret, ":", -1);
	uint8_t got[KEY_BYTES] = {0};
	bool is_right = false;

	if (g_strv_length(fields) == 5) {
		gsize salt_bytes = 0;
		gsize key_bytes = 0;
		guchar *salt = g_base64_decode(fields[3], &salt_bytes);
		guchar *key = g_base64_decode(fields[4], &key_bytes);
		const struct cost cost = {g_ascii_strtoull(fields[0], NULL, 10),
			g_ascii_strtoull(fields[1], NULL, 10),
			g_ascii_strtoull(fields[2], NULL, 10)};

		is_right = derive(password, salt, salt_bytes, &cost, got) &&
			   key_bytes == KEY_BYTES && CRYPTO_memcmp(got, key, KEY_BYTES) == 0;
		g_free(salt);
		g_free(key);
	}
	OPENSSL_cleanse(got, sizeof(got));
	g_strfreev(fields);
	return is_right;
}

static char *make_secret(const char *password)
{
	uint8_t salt[SALT_BYTES];
	uint8_t key[KEY_BYTES];
	const struct cost cost = {SCRYPT_N, SCRYPT_R, SCRYPT_P};
	char *salt_text;
	char *key_text;
	char *secret;

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
		!derive(password, salt, sizeof(salt), &cost, key))
		return NULL;
	salt_text = g_base64_encode(salt, sizeof(salt));
	key_text = g_base64_encode(key, sizeof(key));
	secret = g_strdup_printf(
		"%u:%u:%u:%s:%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt_text, key_text);
	g_free(salt_text);
	g_free(key_text);
	return secret;
}

// ---- the file -----------------------------------------------------------------------------------

static const char *parse_user(char *line, struct web_user *out)
{
	char **fields = g_strsplit(line, ":", -1);
	const char *why = NULL;

	if (g_strv_length(fields) != FIELDS || strcmp(fields[2], "scrypt") != 0)
		why = "is not name:role:scrypt:N:r:p:salt:key";
	else if (!is_name(fields[0]))
		why = "names nobody";
	else if (web_role_find(fields[1], &out->role) != 0)
		why = "the role is neither viewer nor operator";
	else if (g_ascii_strtoull(fields[3], NULL, 10) > SCRYPT_N_MOST)
		why = "asks too much of scrypt";
	if (why == NULL) {
		(void)snprintf(out->name, sizeof(out->name), "%s", fields[0]);
		if ((size_t)snprintf(out->secret, sizeof(out->secret), "%s:%s:%s:%s:%s", fields[3],
			    fields[4], fields[5], fields[6], fields[7]) >= sizeof(out->secret))
			why = "is too long";
	}
	g_strfreev(fields);
	return why;
}

int web_users_read(const char *path, GHashTable **out, char *error, size_t error_bytes)
{
	GHashTable *users;
	char **lines;
	char *text;
	size_t bytes;
	int err = durable_read(path, FILE_BYTES, &text, &bytes);

	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: %s", path, g_strerror(-err));
		return err;
	}
	users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	lines = g_strsplit(text, "\n", -1);
	free(text);
	for (size_t i = 0; lines[i] != NULL && err == 0; i++) {
		struct web_user *user;
		const char *why;

		if (lines[i][0] == '\0' || lines[i][0] == '#')
			continue;
		user = g_new0(struct web_user, 1);
		why = parse_user(lines[i], user);
		if (why == NULL) {
			(void)g_hash_table_replace(users, user->name, user);
			continue;
		}
		g_free(user);
		(void)snprintf(error, error_bytes, "%s:%zu: %s", path, i + 1, why);
		err = -EINVAL;
	}
	g_strfreev(lines);
	if (err == 0)
		*out = users;
	else
		g_hash_table_unref(users);
	return err;
}

// The lines of the file but this user's, the caller's. *found: there was one.
static GString *read_others(const char *path, const char *name, bool *found, int *err)
{
	GString *others = g_string_new(NULL);
	char *text = NULL;
	size_t bytes;
	char **lines;

	*found = false;
	*err = durable_read(path, FILE_BYTES, &text, &bytes);
	if (*err == -ENOENT)
		*err = 0;
	lines = g_strsplit(text != NULL ? text : "", "\n", -1);
	free(text);
	for (size_t i = 0; lines[i] != NULL; i++) {
		size_t n = strlen(name);

		if (strncmp(lines[i], name, n) == 0 && lines[i][n] == ':')
			*found = true;
		else if (lines[i][0] != '\0')
			g_string_append_printf(others, "%s\n", lines[i]);
	}
	g_strfreev(lines);
	return others;
}

int web_login_set_user(const char *path, const char *name, enum web_role role, const char *password,
	char *error, size_t error_bytes)
{
	GString *text;
	char *secret;
	bool found;
	int err;

	if (!is_name(name)) {
		(void)snprintf(error, error_bytes,
			"a name is up to %d letters, digits, dots, dashes and @",
			WEB_USER_BYTES - 1);
		return -EINVAL;
	}
	if (strlen(password) < PASSWORD_LEAST || strlen(password) > PASSWORD_MOST) {
		(void)snprintf(
			error, error_bytes, "a password has at least %d bytes", PASSWORD_LEAST);
		return -EINVAL;
	}
	secret = make_secret(password);
	if (secret == NULL)
		return -ENOMEM;
	text = read_others(path, name, &found, &err);
	g_string_append_printf(text, "%s:%s:scrypt:%s\n", name, roles[role], secret);
	if (err == 0)
		err = durable_write(path, text->str, text->len);
	(void)g_string_free(text, TRUE);
	g_free(secret);
	return err;
}

int web_login_remove_user(const char *path, const char *name)
{
	bool found;
	int err;
	GString *text = read_others(path, name, &found, &err);

	if (err == 0 && !found)
		err = -ENOENT;
	if (err == 0)
		err = durable_write(path, text->str, text->len);
	(void)g_string_free(text, TRUE);
	return err;
}
