// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_crypt.h"

#include <openssl/evp.h>

#include <string.h>

#define OBJECT_KEY_BYTES 16

static const uint8_t aes_mark[] = {'s', 'A', 'l', 'T'};

// RC4 is in no library by default any more.
void rc4_begin(struct rc4 *rc4, const uint8_t *key, size_t bytes)
{
	uint8_t j = 0;

	rc4->i = 0;
	rc4->j = 0;
	for (unsigned int i = 0; i < 256; i++)
		rc4->state[i] = (uint8_t)i;
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t byte = rc4->state[i];

		j = (uint8_t)(j + byte + key[i % bytes]);
		rc4->state[i] = rc4->state[j];
		rc4->state[j] = byte;
	}
}

void rc4_run(struct rc4 *rc4, const uint8_t *data, size_t n, uint8_t *out)
{
	for (size_t k = 0; k < n; k++) {
		uint8_t byte;

		rc4->i++;
		byte = rc4->state[rc4->i];
		rc4->j = (uint8_t)(rc4->j + byte);
		rc4->state[rc4->i] = rc4->state[rc4->j];
		rc4->state[rc4->j] = byte;
		out[k] = data[k] ^ rc4->state[(uint8_t)(rc4->state[rc4->i] + byte)];
	}
}

// ISO 32000-2, 7.6.3.2: the document's key, the object's number and generation, a mark of AES.
static bool object_key(const struct crypt_key *key, enum crypt_method method, uint32_t number,
	uint32_t generation, uint8_t *out, size_t *bytes)
{
	uint8_t data[CRYPT_KEY_BYTES + 9];
	unsigned int n = 0;
	size_t at = key->length;

	if (method == CRYPT_AES256) {
		memcpy(out, key->bytes, CRYPT_KEY_BYTES);
		*bytes = CRYPT_KEY_BYTES;
		return true;
	}
	memcpy(data, key->bytes, key->length);
	for (unsigned int i = 0; i < 3; i++)
		data[at++] = (uint8_t)(number >> 8 * i);
	for (unsigned int i = 0; i < 2; i++)
		data[at++] = (uint8_t)(generation >> 8 * i);
	if (method == CRYPT_AES128) {
		memcpy(data + at, aes_mark, sizeof(aes_mark));
		at += sizeof(aes_mark);
	}
	*bytes = key->length + 5 < OBJECT_KEY_BYTES ? key->length + 5 : OBJECT_KEY_BYTES;
	if (EVP_Digest(data, at, out, &n, EVP_md5(), NULL) != 1)
		return false;
	// AES knows one length.
	if (method == CRYPT_AES128)
		*bytes = OBJECT_KEY_BYTES;
	return true;
}

bool crypt_begin(struct crypt *crypt, const struct crypt_key *key, enum crypt_method method,
	uint32_t number, uint32_t generation)
{
	uint8_t bytes[CRYPT_KEY_BYTES];
	size_t n = 0;

	crypt->method = method;
	crypt->head_bytes = 0;
	crypt->has_last = false;
	if (method == CRYPT_NONE)
		return true;
	if (!object_key(key, method, number, generation, bytes, &n))
		return false;
	if (method == CRYPT_RC4) {
		rc4_begin(&crypt->rc4, bytes, n);
		return true;
	}
	if (crypt->aes == NULL)
		crypt->aes = EVP_CIPHER_CTX_new();
	return crypt->aes != NULL &&
	       EVP_DecryptInit_ex(crypt->aes,
		       method == CRYPT_AES256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc(), NULL, bytes,
		       NULL) == 1;
}

// The vector comes first; what comes out last is kept back, because it ends with padding.
static size_t aes_feed(struct crypt *crypt, const uint8_t *data, size_t n, uint8_t *out)
{
	size_t done = 0;
	int given = 0;

	while (n > 0 && crypt->head_bytes < CRYPT_BLOCK) {
		crypt->head[crypt->head_bytes++] = *data++;
		n--;
		if (crypt->head_bytes == CRYPT_BLOCK &&
			(EVP_DecryptInit_ex(crypt->aes, NULL, NULL, NULL, crypt->head) != 1 ||
				EVP_CIPHER_CTX_set_padding(crypt->aes, 0) != 1))
			crypt->method = CRYPT_NONE;
	}
	if (n == 0)
		return 0;
	if (crypt->has_last) {
		memcpy(out, crypt->last, CRYPT_BLOCK);
		done = CRYPT_BLOCK;
	}
	if (EVP_DecryptUpdate(crypt->aes, out + done, &given, data, (int)n) != 1)
		given = 0;
	done += (size_t)given;
	crypt->has_last = done > 0;
	if (!crypt->has_last)
		return 0;
	done -= CRYPT_BLOCK;
	memcpy(crypt->last, out + done, CRYPT_BLOCK);
	return done;
}

size_t crypt_feed(struct crypt *crypt, const uint8_t *data, size_t n, uint8_t *out)
{
	switch (crypt->method) {
	case CRYPT_RC4:
		rc4_run(&crypt->rc4, data, n, out);
		return n;
	case CRYPT_AES128:
	case CRYPT_AES256:
		return aes_feed(crypt, data, n, out);
	case CRYPT_NONE:
		break;
	}
	memcpy(out, data, n);
	return n;
}

size_t crypt_finish(struct crypt *crypt, uint8_t *out)
{
	size_t padding = crypt->last[CRYPT_BLOCK - 1];
	size_t n = CRYPT_BLOCK;

	if (!crypt->has_last)
		return 0;
	crypt->has_last = false;
	if (padding >= 1 && padding <= CRYPT_BLOCK)
		n -= padding;
	memcpy(out, crypt->last, n);
	return n;
}

void crypt_free(struct crypt *crypt)
{
	EVP_CIPHER_CTX_free(crypt->aes);
	crypt->aes = NULL;
}
