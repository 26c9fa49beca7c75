// SPDX-License-Identifier: BSD-3-Clause
#include "control/envelope_key.h"

#include "control/durable.h"

#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_BYTES 16384

void envelope_hex(const uint8_t *data, size_t bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * bytes] = '\0';
}

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

// Which OpenSSL would look up anew for each digest.
static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool envelope_sha256(const void *data, size_t bytes, uint8_t out[ENVELOPE_DIGEST_BYTES])
{
	(void)pthread_once(&fetched, fetch);
	return sha256 != NULL && EVP_Digest(data, bytes, out, NULL, sha256, NULL) == 1;
}

char *envelope_base64(const void *data, size_t bytes)
{
	char *text = malloc(4 * ((bytes + 2) / 3) + 1);

	if (text != NULL)
		(void)EVP_EncodeBlock((uint8_t *)text, data, (int)bytes);
	return text;
}

uint8_t *envelope_unbase64(const char *text, size_t *bytes)
{
	size_t length = strlen(text);
	char *plain = strdup(text);
	uint8_t *data = malloc(length / 4 * 3 + 1);
	char *again = NULL;
	size_t padding = 0;
	int n = -1;

	if (plain == NULL || data == NULL || length % 4 != 0 || length > ENVELOPE_MAX_BYTES)
		goto refused;
	for (char *c = plain; *c != '\0'; c++)
		*c = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
	while (padding < 2 && padding < length && plain[length - 1 - padding] == '=')
		padding++;
	n = EVP_DecodeBlock(data, (const uint8_t *)plain, (int)length);
	if (n < 0)
		goto refused;
	*bytes = (size_t)n - padding;
	data[*bytes] = '\0';
	again = envelope_base64(data, *bytes);
	if (again == NULL || strcmp(again, plain) != 0)
		goto refused;
	free(again);
	free(plain);
	return data;

refused:
	free(again);
	free(plain);
	free(data);
	return NULL;
}

// ---- public keys --------------------------------------------------------------------------------

void envelope_key_set(struct envelope_key *key, const uint8_t raw[ENVELOPE_KEY_BYTES])
{
	uint8_t digest[ENVELOPE_DIGEST_BYTES] = {0};

	memcpy(key->raw, raw, ENVELOPE_KEY_BYTES);
	(void)envelope_sha256(raw, ENVELOPE_KEY_BYTES, digest);
	envelope_hex(digest, sizeof(digest), key->id);
}

int envelope_key_parse(struct envelope_key *key, const char *base64)
{
	size_t bytes = 0;
	uint8_t *raw = envelope_unbase64(base64, &bytes);
	int err = raw != NULL && bytes == ENVELOPE_KEY_BYTES ? 0 : -EINVAL;

	if (err == 0)
		envelope_key_set(key, raw);
	free(raw);
	return err;
}

char *envelope_key_text(const struct envelope_key *key)
{
	return envelope_base64(key->raw, sizeof(key->raw));
}

// ---- private keys -------------------------------------------------------------------------------

// Takes pkey.
static int wrap_key(EVP_PKEY *pkey, struct envelope_signer **out)
{
	struct envelope_signer *signer = calloc(1, sizeof(*signer));
	uint8_t raw[ENVELOPE_KEY_BYTES];
	size_t bytes = sizeof(raw);

	if (signer == NULL) {
		EVP_PKEY_free(pkey);
		return -ENOMEM;
	}
	signer->pkey = pkey;
	if (pkey == NULL || EVP_PKEY_id(pkey) != EVP_PKEY_ED25519 ||
		EVP_PKEY_get_raw_public_key(pkey, raw, &bytes) != 1) {
		envelope_signer_free(signer);
		return -EBADMSG;
	}
	envelope_key_set(&signer->key, raw);
	*out = signer;
	return 0;
}

int envelope_signer_read(const char *path, struct envelope_signer **out)
{
	size_t bytes = 0;
	char *text = NULL;
	BIO *bio;
	int err = durable_read(path, PEM_BYTES, &text, &bytes);

	if (err != 0)
		return err;
	bio = BIO_new_mem_buf(text, (int)bytes);
	err = bio != NULL ? wrap_key(PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL), out) : -ENOMEM;
	BIO_free(bio);
	OPENSSL_cleanse(text, bytes);
	free(text);
	return err;
}

static int write_key(const char *path, EVP_PKEY *pkey)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file;
	int err = 0;

	if (fd < 0)
		return -errno;
	file = fdopen(fd, "we");
	if (file == NULL) {
		err = -errno;
		(void)close(fd);
		return err;
	}
	if (PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL) != 1 || fflush(file) != 0 ||
		fsync(fd) != 0)
		err = -EIO;
	if (fclose(file) != 0 && err == 0)
		err = -EIO;
	return err == 0 ? durable_rename(path, path) : err;
}

int envelope_signer_make(const char *path, struct envelope_signer **out)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	int err = pkey != NULL ? write_key(path, pkey) : -ENOMEM;

	if (err == 0)
		return wrap_key(pkey, out);
	EVP_PKEY_free(pkey);
	return err;
}

void envelope_signer_free(struct envelope_signer *signer)
{
	if (signer == NULL)
		return;
	EVP_PKEY_free(signer->pkey);
	free(signer);
}

const struct envelope_key *envelope_signer_key(const struct envelope_signer *signer)
{
	return &signer->key;
}
