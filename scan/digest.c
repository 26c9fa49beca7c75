// SPDX-License-Identifier: BSD-3-Clause
//
// The EVP interface allocates memory at each EVP_DigestInit_ex, also on a context that was used
// before (OpenSSL 3.0). The functions used here do not; OpenSSL calls them deprecated since 3.0 and
// declares them when asked for the interface of 1.1.
#define OPENSSL_API_COMPAT 0x10100000L
#include "scan/digest.h"

#include "scan/scan.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <assert.h>
#include <string.h>

static_assert(DIGEST_MD5 == 1u << DIGEST_INDEX_MD5, "bits are 1 << algorithm");
static_assert(DIGEST_SHA1 == 1u << DIGEST_INDEX_SHA1, "bits are 1 << algorithm");
static_assert(DIGEST_SHA256 == 1u << DIGEST_INDEX_SHA256, "bits are 1 << algorithm");
static_assert(sizeof(MD5_CTX) <= sizeof(((struct digest *)0)->contexts[0]), "room");
static_assert(sizeof(SHA_CTX) <= sizeof(((struct digest *)0)->contexts[0]), "room");
static_assert(sizeof(SHA256_CTX) <= sizeof(((struct digest *)0)->contexts[0]), "room");

size_t digest_bytes(enum digest_algorithm algorithm)
{
	static const uint8_t bytes[DIGEST_ALGORITHMS] = {16, 20, 32};

	return bytes[algorithm];
}

size_t digest_length(unsigned int algorithm)
{
	return digest_bytes((enum digest_algorithm)__builtin_ctz(algorithm));
}

const char *digest_name(unsigned int algorithm)
{
	static const char *const names[DIGEST_ALGORITHMS] = {"md5", "sha1", "sha256"};

	return names[__builtin_ctz(algorithm)];
}

static bool is_running(const struct digest *digest, enum digest_algorithm algorithm)
{
	return (digest->running & 1u << algorithm) != 0;
}

static void *context(struct digest *digest, enum digest_algorithm algorithm)
{
	return digest->contexts[algorithm];
}

// Initialising and updating cannot fail: they only compute.
void digest_begin(struct digest *digest, unsigned int algorithms)
{
	digest->running = algorithms;
	if (is_running(digest, DIGEST_INDEX_MD5))
		(void)MD5_Init(context(digest, DIGEST_INDEX_MD5));
	if (is_running(digest, DIGEST_INDEX_SHA1))
		(void)SHA1_Init(context(digest, DIGEST_INDEX_SHA1));
	if (is_running(digest, DIGEST_INDEX_SHA256))
		(void)SHA256_Init(context(digest, DIGEST_INDEX_SHA256));
}

void digest_feed(struct digest *digest, const uint8_t *data, size_t n)
{
	if (is_running(digest, DIGEST_INDEX_MD5))
		(void)MD5_Update(context(digest, DIGEST_INDEX_MD5), data, n);
	if (is_running(digest, DIGEST_INDEX_SHA1))
		(void)SHA1_Update(context(digest, DIGEST_INDEX_SHA1), data, n);
	if (is_running(digest, DIGEST_INDEX_SHA256))
		(void)SHA256_Update(context(digest, DIGEST_INDEX_SHA256), data, n);
}

void digest_drop(struct digest *digest, enum digest_algorithm algorithm)
{
	digest->running &= ~(1u << algorithm);
}

bool digest_end(struct digest *digest, enum digest_algorithm algorithm, uint8_t *out)
{
	if (!is_running(digest, algorithm))
		return false;
	digest_drop(digest, algorithm);
	memset(out, 0, DIGEST_MAX_BYTES);
	switch (algorithm) {
	case DIGEST_INDEX_MD5:
		return MD5_Final(out, context(digest, algorithm)) == 1;
	case DIGEST_INDEX_SHA1:
		return SHA1_Final(out, context(digest, algorithm)) == 1;
	case DIGEST_INDEX_SHA256:
		return SHA256_Final(out, context(digest, algorithm)) == 1;
	}
	return false;
}
