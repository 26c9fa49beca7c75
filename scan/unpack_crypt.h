// SPDX-License-Identifier: BSD-3-Clause
// Decryption of streams and strings of a PDF (ISO 32000-2, 7.6), piece by piece. For threads that may
// allocate: AES is libcrypto's. Shared by scan/unpack*.c alone.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPT_BLOCK 16
#define CRYPT_KEY_BYTES 32

enum crypt_method { CRYPT_NONE, CRYPT_RC4, CRYPT_AES128, CRYPT_AES256 };

struct rc4 {
	uint8_t i;
	uint8_t j;
	uint8_t state[256];
};

void rc4_begin(struct rc4 *rc4, const uint8_t *key, size_t bytes);
void rc4_run(struct rc4 *rc4, const uint8_t *data, size_t n, uint8_t *out);

// The key of a document, and what it is for.
struct crypt_key {
	uint8_t bytes[CRYPT_KEY_BYTES];
	size_t length;
	enum crypt_method streams;
	enum crypt_method strings;
	bool leaves_metadata; // as it is
	uint32_t number;      // of the object that says so: its strings are not encrypted
};

struct crypt {
	enum crypt_method method;
	struct rc4 rc4;
	void *aes; // EVP_CIPHER_CTX, made at the first use and kept until crypt_free
	uint8_t head_bytes;
	uint8_t head[CRYPT_BLOCK]; // the vector that comes first
	bool has_last;
	uint8_t last[CRYPT_BLOCK]; // decrypted, and perhaps padding
};

// A stream or a string of the object number. False: there is no memory.
bool crypt_begin(struct crypt *crypt, const struct crypt_key *key, enum crypt_method method,
	uint32_t number, uint32_t generation);
// Decrypts n bytes to out, which has room for n and CRYPT_BLOCK. Returns how many came out.
size_t crypt_feed(struct crypt *crypt, const uint8_t *data, size_t n, uint8_t *out);
// What is left, without padding. Returns how many bytes.
size_t crypt_finish(struct crypt *crypt, uint8_t *out);
void crypt_free(struct crypt *crypt);
