// SPDX-License-Identifier: BSD-3-Clause
#include "scan/digest.h"

#include "scan/scan.h"

#include <openssl/evp.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(DIGEST_MD5 == 1u << DIGEST_INDEX_MD5, "bits are 1 << algorithm");
static_assert(DIGEST_SHA1 == 1u << DIGEST_INDEX_SHA1, "bits are 1 << algorithm");
static_assert(DIGEST_SHA256 == 1u << DIGEST_INDEX_SHA256, "bits are 1 << algorithm");

size_t digest_bytes(enum digest_algorithm algorithm)
{
	static const uint8_t bytes[DIGEST_ALGORITHMS] = {16, 20, 32};

	return bytes[algorithm];
}

int digest_library_open(struct digest_library *library)
{
	static const char *const names[DIGEST_ALGORITHMS] = {"MD5", "SHA1", "SHA256"};

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		library->algorithms[i] = EVP_MD_fetch(NULL, names[i], NULL);
		if (library->algorithms[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

void digest_library_close(struct digest_library *library)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		EVP_MD_free(library->algorithms[i]);
		library->algorithms[i] = NULL;
	}
}

int digest_init(
	struct digest *digest, const struct digest_library *library, unsigned int algorithms)
{
	digest->running = 0;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if ((algorithms & 1u << i) == 0)
			continue;
		digest->contexts[i] = EVP_MD_CTX_new();
		// The first initialisation allocates; later ones find the algorithm in place.
		if (digest->contexts[i] == NULL ||
			EVP_DigestInit_ex2(digest->contexts[i], library->algorithms[i], NULL) != 1)
			return -ENOMEM;
	}
	return 0;
}

void digest_fini(struct digest *digest)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		EVP_MD_CTX_free(digest->contexts[i]);
		digest->contexts[i] = NULL;
	}
}

int digest_begin(struct digest *digest, unsigned int algorithms)
{
	digest->running = 0;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if ((algorithms & 1u << i) == 0 || digest->contexts[i] == NULL)
			continue;
		if (EVP_DigestInit_ex2(digest->contexts[i], NULL, NULL) != 1)
			return -EIO;
		digest->running |= 1u << i;
	}
	return 0;
}

int digest_feed(struct digest *digest, const uint8_t *data, size_t n)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((digest->running & 1u << i) != 0 &&
			EVP_DigestUpdate(digest->contexts[i], data, n) != 1)
			return -EIO;
	return 0;
}

void digest_drop(struct digest *digest, enum digest_algorithm algorithm)
{
	digest->running &= ~(1u << algorithm);
}

bool digest_end(struct digest *digest, enum digest_algorithm algorithm, uint8_t *out)
{
	if ((digest->running & 1u << algorithm) == 0)
		return false;
	memset(out, 0, DIGEST_MAX_BYTES);
	digest->running &= ~(1u << algorithm);
	return EVP_DigestFinal_ex(digest->contexts[algorithm], out, NULL) == 1;
}
