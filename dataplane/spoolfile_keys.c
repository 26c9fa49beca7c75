// SPDX-License-Identifier: BSD-3-Clause
// The gateway's keys: one line each, "cordon-spool-key-1 " and 64 hex digits; the last one wraps.
#include "dataplane/spoolfile_chunk.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "cordon-spool-key-1 "
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define LINE_BYTES (PREFIX_BYTES + 2 * (size_t)SPOOL_KEY_BYTES + 1)
#define MAX_KEYS 32

struct spool_keys {
	size_t count;
	struct {
		uint64_t id; // first 8 bytes of the SHA-256 of "cordon spool key" and the key
		uint8_t key[SPOOL_KEY_BYTES];
	} keys[MAX_KEYS];
};

static int make_id(const uint8_t key[SPOOL_KEY_BYTES], uint64_t *out)
{
	static const char label[] = "cordon spool key";
	uint8_t text[sizeof(label) - 1 + SPOOL_KEY_BYTES];
	uint8_t digest[EVP_MAX_MD_SIZE];
	int ok;

	memcpy(text, label, sizeof(label) - 1);
	memcpy(text + sizeof(label) - 1, key, SPOOL_KEY_BYTES);
	ok = EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha256(), NULL);
	OPENSSL_cleanse(text, sizeof(text));
	if (ok != 1)
		return -ENOMEM;
	memcpy(out, digest, sizeof(*out));
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_line(struct spool_keys *keys, const char *line)
{
	uint8_t *key = keys->keys[keys->count].key;

	if (memcmp(line, PREFIX, PREFIX_BYTES) != 0 || line[LINE_BYTES - 1] != '\n')
		return -EBADMSG;
	for (size_t i = 0; i < SPOOL_KEY_BYTES; i++) {
		int high = hex_value(line[PREFIX_BYTES + 2 * i]);
		int low = hex_value(line[PREFIX_BYTES + 2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return make_id(key, &keys->keys[keys->count++].id);
}

static int parse_keys(struct spool_keys *keys, const char *text, size_t n)
{
	if (n == 0 || n % LINE_BYTES != 0 || n / LINE_BYTES > MAX_KEYS)
		return -EBADMSG;
	for (size_t at = 0; at < n; at += LINE_BYTES) {
		int err = parse_line(keys, text + at);

		if (err != 0)
			return err;
	}
	return 0;
}

// Returns the bytes read, or -errno.
static ssize_t read_text(const char *path, char *out, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		got = -errno;
	else if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0)
		got = -EACCES;
	while (got > 0 && n < room) {
		got = read(fd, out + n, room - n);
		if (got < 0)
			got = errno == EINTR ? 1 : -errno;
		else
			n += (size_t)got;
	}
	(void)close(fd);
	return got < 0 ? got : (ssize_t)n;
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	int fd;
	int err = 0;

	// With the slash: the root's is all it has.
	if (slash != NULL && (size_t)(slash - path) + 1 < sizeof(folder)) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		err = -errno;
	(void)close(fd);
	return err;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			text += written;
			n -= (size_t)written;
		}
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

// A file made here must not replace one that another process makes at the same time: link, which
// refuses, instead of rename.
static int write_text(const char *path, const char *text, size_t n, bool replace)
{
	char temporary[PATH_MAX];
	int err;
	int fd;

	if (snprintf(temporary, sizeof(temporary), "%s.%ld.new", path, (long)getpid()) >=
		(int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, n);
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0 && replace)
		err = rename(temporary, path) == 0 ? 0 : -errno;
	else if (err == 0)
		err = link(temporary, path) == 0 ? 0 : -errno;
	if (err != 0 || !replace)
		(void)unlink(temporary);
	return err == 0 ? sync_folder(path) : err;
}

static void put_line(char *out, const uint8_t key[SPOOL_KEY_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	memcpy(out, PREFIX, PREFIX_BYTES);
	for (size_t i = 0; i < SPOOL_KEY_BYTES; i++) {
		out[PREFIX_BYTES + 2 * i] = digits[key[i] >> 4];
		out[PREFIX_BYTES + 2 * i + 1] = digits[key[i] & 15];
	}
	out[LINE_BYTES - 1] = '\n';
}

static int make_line(char *out)
{
	uint8_t key[SPOOL_KEY_BYTES];

	if (RAND_priv_bytes(key, sizeof(key)) != 1)
		return -EIO;
	put_line(out, key);
	OPENSSL_cleanse(key, sizeof(key));
	return 0;
}

static int make_file(const char *path)
{
	char line[LINE_BYTES];
	int err = make_line(line);

	if (err == 0)
		err = write_text(path, line, sizeof(line), false);
	OPENSSL_cleanse(line, sizeof(line));
	return err == -EEXIST ? 0 : err;
}

int spool_keys_open(const char *path, struct spool_keys **out)
{
	struct spool_keys *keys = calloc(1, sizeof(*keys));
	char text[(MAX_KEYS + 1) * LINE_BYTES];
	ssize_t n;
	int err = 0;

	if (keys == NULL)
		return -ENOMEM;
	n = read_text(path, text, sizeof(text));
	if (n == -ENOENT) {
		err = make_file(path);
		n = err == 0 ? read_text(path, text, sizeof(text)) : err;
	}
	err = n < 0 ? (int)n : parse_keys(keys, text, (size_t)n);
	OPENSSL_cleanse(text, sizeof(text));
	if (err == 0)
		*out = keys;
	else
		spool_keys_free(keys);
	return err;
}

void spool_keys_free(struct spool_keys *keys)
{
	if (keys == NULL)
		return;
	OPENSSL_cleanse(keys, sizeof(*keys));
	free(keys);
}

int spool_keys_restore(const char *path, const struct spool_keys *keys)
{
	char text[MAX_KEYS * LINE_BYTES];
	int err;

	if (access(path, F_OK) == 0 || errno != ENOENT)
		return 0;
	for (size_t i = 0; i < keys->count; i++)
		put_line(text + i * LINE_BYTES, keys->keys[i].key);
	err = write_text(path, text, keys->count * LINE_BYTES, false);
	OPENSSL_cleanse(text, sizeof(text));
	return err == -EEXIST ? 0 : err == 0 ? 1 : err;
}

int spool_keys_rotate(const char *path)
{
	char text[(MAX_KEYS + 1) * LINE_BYTES];
	ssize_t n = read_text(path, text, sizeof(text));
	int err;

	if (n < 0)
		return (int)n;
	if ((size_t)n % LINE_BYTES != 0)
		return -EBADMSG;
	if ((size_t)n >= MAX_KEYS * LINE_BYTES)
		return -ENOSPC;
	err = make_line(text + n);
	if (err == 0)
		err = write_text(path, text, (size_t)n + LINE_BYTES, true);
	OPENSSL_cleanse(text, sizeof(text));
	return err;
}

uint64_t spool_keys_current(const struct spool_keys *keys)
{
	return keys->keys[keys->count - 1].id;
}

size_t spool_keys_count(const struct spool_keys *keys)
{
	return keys->count;
}

// ---- wrapping (RFC 3394) ------------------------------------------------------------------------

static EVP_CIPHER_CTX *new_wrapper(void)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx != NULL)
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	return ctx;
}

int spool_keys_wrap(const struct spool_keys *keys, const uint8_t key[SPOOL_KEY_BYTES],
	uint8_t wrapped[SPOOL_WRAPPED_BYTES], uint64_t *id)
{
	EVP_CIPHER_CTX *ctx = new_wrapper();
	int n = 0;
	bool ok = ctx != NULL;

	ok = ok && EVP_EncryptInit_ex(ctx, EVP_aes_256_wrap(), NULL,
			   keys->keys[keys->count - 1].key, NULL) == 1;
	ok = ok && EVP_EncryptUpdate(ctx, wrapped, &n, key, SPOOL_KEY_BYTES) == 1 &&
	     n == SPOOL_WRAPPED_BYTES;
	EVP_CIPHER_CTX_free(ctx);
	*id = spool_keys_current(keys);
	return ok ? 0 : -ENOMEM;
}

static int unwrap(const uint8_t *by, const uint8_t *wrapped, uint8_t *key)
{
	// The cipher may write the integrity block too.
	uint8_t out[SPOOL_WRAPPED_BYTES + 8];
	EVP_CIPHER_CTX *ctx = new_wrapper();
	int n = 0;
	int err = ctx == NULL ? -ENOMEM : 0;

	if (err == 0 && EVP_DecryptInit_ex(ctx, EVP_aes_256_wrap(), NULL, by, NULL) != 1)
		err = -ENOMEM;
	if (err == 0 && (EVP_DecryptUpdate(ctx, out, &n, wrapped, SPOOL_WRAPPED_BYTES) != 1 ||
				n != SPOOL_KEY_BYTES))
		err = -EBADMSG;
	EVP_CIPHER_CTX_free(ctx);
	if (err == 0)
		memcpy(key, out, SPOOL_KEY_BYTES);
	OPENSSL_cleanse(out, sizeof(out));
	return err;
}

int spool_keys_unwrap(const struct spool_keys *keys, uint64_t id,
	const uint8_t wrapped[SPOOL_WRAPPED_BYTES], uint8_t key[SPOOL_KEY_BYTES])
{
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->keys[i].id == id)
			return unwrap(keys->keys[i].key, wrapped, key);
	}
	return -ENOKEY;
}
