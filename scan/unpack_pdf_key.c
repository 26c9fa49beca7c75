// SPDX-License-Identifier: BSD-3-Clause
// ISO 32000-2, 7.6.4: the standard security handler, revisions 2 to 6, with the empty user password.
//
// The dictionary and the identifier are looked for wherever they stand: a table that leads to them may
// be damaged, and which of several counts depends on the reader. A key is right when the file's own check
// of it says so.
#include "scan/unpack_pdf_key.h"

#include "scan/unpack_pdf_dict.h"

#include <openssl/evp.h>

#include <string.h>

#define MAX_TRIES 16
#define MOST_LOOKED (UINT64_C(128) << 20) // bytes of a search
#define CHECK_BYTES 32
#define HASH_BYTES 32
#define SALT_BYTES 8
#define ROUND_BYTES 64
#define ROUND_COPIES 64

static const uint8_t padding[32] = {0x28, 0xbf, 0x4e, 0x5e, 0x4e, 0x75, 0x8a, 0x41, 0x64, 0x00,
	0x4e, 0x56, 0xff, 0xfa, 0x01, 0x08, 0x2e, 0x2e, 0x00, 0xb6, 0xd0, 0x68, 0x3e, 0x80, 0x2f,
	0x0c, 0xa9, 0xfe, 0x64, 0x53, 0x69, 0x7a};

static bool digest(const EVP_MD *md, const uint8_t *data, size_t n, uint8_t *out)
{
	return EVP_Digest(data, n, out, NULL, md, NULL) == 1;
}

// ---- revisions 2 to 4 --------------------------------------------------------------------------

// Algorithm 2.
static bool old_key(
	const struct pdf_security *security, const struct pdf_string *id, struct crypt_key *key)
{
	uint8_t data[sizeof(padding) + 32 + 4 + PDF_STRING_BYTES + 4];
	uint8_t md5[16];
	size_t at = sizeof(padding);

	memcpy(data, padding, sizeof(padding));
	memcpy(data + at, security->owner.bytes, 32);
	at += 32;
	for (unsigned int i = 0; i < 4; i++)
		data[at++] = (uint8_t)((uint32_t)security->permissions >> 8 * i);
	memcpy(data + at, id->bytes, id->n);
	at += id->n;
	if (security->revision >= 4 && key->leaves_metadata) {
		memset(data + at, 0xff, 4);
		at += 4;
	}
	if (!digest(EVP_md5(), data, at, md5))
		return false;
	for (int i = 0; security->revision >= 3 && i < 50; i++)
		if (!digest(EVP_md5(), md5, key->length, md5))
			return false;
	memcpy(key->bytes, md5, key->length);
	return true;
}

// Algorithms 4 and 5: what the user's string should be.
static bool is_old_key(const struct pdf_security *security, const struct pdf_string *id,
	const struct crypt_key *key)
{
	uint8_t data[sizeof(padding) + PDF_STRING_BYTES];
	uint8_t check[sizeof(padding)];
	uint8_t turned[CRYPT_KEY_BYTES];
	struct rc4 rc4;

	memcpy(data, padding, sizeof(padding));
	rc4_begin(&rc4, key->bytes, key->length);
	if (security->revision == 2) {
		rc4_run(&rc4, padding, sizeof(padding), check);
		return memcmp(check, security->user.bytes, sizeof(padding)) == 0;
	}
	memcpy(data + sizeof(padding), id->bytes, id->n);
	if (!digest(EVP_md5(), data, sizeof(padding) + id->n, check))
		return false;
	rc4_run(&rc4, check, 16, check);
	for (uint8_t i = 1; i < 20; i++) {
		for (size_t k = 0; k < key->length; k++)
			turned[k] = key->bytes[k] ^ i;
		rc4_begin(&rc4, turned, key->length);
		rc4_run(&rc4, check, 16, check);
	}
	return memcmp(check, security->user.bytes, 16) == 0;
}

// ---- revisions 5 and 6 -------------------------------------------------------------------------

// key: and behind it the vector.
static bool aes(const EVP_CIPHER *cipher, bool is_encryption, const uint8_t *key,
	const uint8_t *data, size_t n, uint8_t *out)
{
	const uint8_t *vector = key + EVP_CIPHER_get_key_length(cipher);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int given = 0;
	bool is_done = ctx != NULL &&
		       EVP_CipherInit_ex(ctx, cipher, NULL, key, vector, is_encryption) == 1 &&
		       EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		       EVP_CipherUpdate(ctx, out, &given, data, (int)n) == 1 && (size_t)given == n;

	EVP_CIPHER_CTX_free(ctx);
	return is_done;
}

// Algorithm 2.B for an empty password.
static bool harden(uint8_t *hash)
{
	uint8_t copies[ROUND_BYTES * ROUND_COPIES];
	uint8_t made[ROUND_BYTES * ROUND_COPIES];
	size_t bytes = HASH_BYTES;

	for (unsigned int round = 0;; round++) {
		const EVP_MD *const kinds[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
		unsigned int rest = 0;

		for (size_t i = 0; i < ROUND_COPIES; i++)
			memcpy(copies + i * bytes, hash, bytes);
		if (!aes(EVP_aes_128_cbc(), true, hash, copies, ROUND_COPIES * bytes, made))
			return false;
		for (size_t i = 0; i < 16; i++)
			rest += made[i];
		if (!digest(kinds[rest % 3], made, ROUND_COPIES * bytes, hash))
			return false;
		if (round >= 63 && made[ROUND_COPIES * bytes - 1] + 32u <= round + 1u)
			return true;
		bytes = (size_t)EVP_MD_get_size(kinds[rest % 3]);
	}
}

static bool salted(const struct pdf_security *security, const uint8_t *salt, uint8_t *hash)
{
	return digest(EVP_sha256(), salt, SALT_BYTES, hash) &&
	       (security->revision < 6 || harden(hash));
}

// Algorithm 2.A: the string of the user is a hash and two salts.
static bool new_key(const struct pdf_security *security, struct crypt_key *key)
{
	const uint8_t *user = security->user.bytes;
	uint8_t hash[ROUND_BYTES];

	if (security->user.n < HASH_BYTES + 2 * SALT_BYTES || security->user_key.n < HASH_BYTES)
		return false;
	if (!salted(security, user + HASH_BYTES, hash) || memcmp(hash, user, HASH_BYTES) != 0)
		return false;
	if (!salted(security, user + HASH_BYTES + SALT_BYTES, hash))
		return false;
	key->length = HASH_BYTES;
	memset(hash + HASH_BYTES, 0, CRYPT_BLOCK);
	return aes(
		EVP_aes_256_cbc(), false, hash, security->user_key.bytes, HASH_BYTES, key->bytes);
}

// ---- all ---------------------------------------------------------------------------------------

static bool set_methods(const struct pdf_security *security, struct crypt_key *key)
{
	key->leaves_metadata = security->leaves_metadata;
	key->streams = CRYPT_RC4;
	key->strings = CRYPT_RC4;
	key->length = 5;
	if (security->version == 2 || security->version == 3)
		key->length = security->length / 8;
	if (security->version >= 4) {
		key->streams = security->streams;
		key->strings = security->strings;
		key->length = 16;
	}
	return security->version != 3 && security->version <= 5 && key->length >= 5 &&
	       key->length <= 16;
}

static bool is_key(const uint8_t *data, size_t n, const struct pdf_security *security,
	struct pdf_search *ids, struct crypt_key *key)
{
	struct pdf_string id = {.n = 0};

	ids->at = 0;
	if (!security->is_standard || !set_methods(security, key))
		return false;
	if (security->revision >= 5)
		return new_key(security, key);
	if (security->owner.n < 32 || security->user.n < CHECK_BYTES)
		return false;
	// Of a file without an identifier it is empty.
	for (int i = 0; i < MAX_TRIES; i++) {
		bool is_more = pdf_dict_find_id(data, n, ids, &id);

		if (!is_more)
			id.n = 0;
		if (old_key(security, &id, key) && is_old_key(security, &id, key))
			return true;
		if (!is_more)
			break;
	}
	return false;
}

bool pdf_key_find(const uint8_t *data, size_t n, struct crypt_key *key)
{
	struct pdf_security security;
	struct pdf_search search = {0, MOST_LOOKED};
	struct pdf_search ids = {0, MOST_LOOKED};

	for (int i = 0; i < MAX_TRIES && pdf_dict_find_security(data, n, &search, &security); i++) {
		*key = (struct crypt_key){.number = security.number};
		if (is_key(data, n, &security, &ids, key))
			return true;
	}
	return false;
}
