// SPDX-License-Identifier: BSD-3-Clause
// Keys of envelopes, from inside: see envelope.h.
#pragma once

#include "control/envelope.h"

#include <openssl/evp.h>

struct envelope_signer {
	EVP_PKEY *pkey;
	struct envelope_key key;
};

// Strict base64 (RFC 4648, either alphabet, padded): text that an encoder would write otherwise is
// refused, so that one payload has one encoding. NULL, or what the caller frees, with a NUL behind it.
uint8_t *envelope_unbase64(const char *text, size_t *bytes) __attribute__((warn_unused_result));
char *envelope_base64(const void *data, size_t bytes) __attribute__((warn_unused_result));
// out has room for 2 * bytes + 1.
void envelope_hex(const uint8_t *data, size_t bytes, char *out);
