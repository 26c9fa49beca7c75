// SPDX-License-Identifier: BSD-3-Clause
// DSSE envelopes (Dead Simple Signing Envelope 1.0, in-toto/secure-systems-lab): bytes with signatures
// over them. What is inside is not looked at before a signature was found good:
//
//   {"payloadType": TYPE, "payload": BASE64, "signatures": [{"keyid": ID, "sig": BASE64}]}
//
// A signature is Ed25519 (RFC 8032) over "DSSEv1" SP len(type) SP type SP len(payload) SP payload. A key id
// is the lower-case hexadecimal SHA-256 of the raw public key; it only tells which key to try.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_ALERT "application/vnd.cordon.alert+json"
#define ENVELOPE_RECEIPT "application/vnd.cordon.receipt+json"

#define ENVELOPE_KEY_BYTES 32
#define ENVELOPE_KEY_ID_BYTES 65       // with the NUL
#define ENVELOPE_MAX_BYTES (24u << 20) // a hundred thousand screening entries
#define ENVELOPE_MAX_SIGNATURES 32

struct envelope_key { // a public key
	uint8_t raw[ENVELOPE_KEY_BYTES];
	char id[ENVELOPE_KEY_ID_BYTES];
};

#define ENVELOPE_DIGEST_BYTES 32

// SHA-256. False: no memory, and nothing is written.
bool envelope_sha256(const void *data, size_t bytes, uint8_t out[ENVELOPE_DIGEST_BYTES]);

struct envelope;

// Takes an envelope apart. Members that DSSE does not name are ignored, one that is there twice is a
// mistake, as is base64 that another encoder would write differently. Returns 0; -EMSGSIZE past
// ENVELOPE_MAX_BYTES, -EBADMSG for all else that is wrong, both with *why (a text that stays); -ENOMEM.
int envelope_parse(const void *text, size_t bytes, struct envelope **out, const char **why)
	__attribute__((warn_unused_result));
void envelope_free(struct envelope *envelope);

// Which of the keys have signed it: a bit for each of at most 64, each tried at most once whatever number
// of signatures names it.
uint64_t envelope_signers(
	const struct envelope *envelope, const struct envelope_key *keys, size_t count);

// A key made ready, for those that are asked again and again: the same answer in two thirds of the time. NULL: no memory.
struct envelope_verifier;
struct envelope_verifier *envelope_verifier_new(const struct envelope_key *key)
	__attribute__((warn_unused_result));
void envelope_verifier_free(struct envelope_verifier *verifier);
// One for each key, some of them NULL.
uint64_t envelope_signers_ready(const struct envelope *envelope, const struct envelope_key *keys,
	struct envelope_verifier *const *verifiers, size_t count);

// Whose signature it says the i-th one is; NULL past the last. Whether that is so, envelope_signers knows.
const char *envelope_key_id(const struct envelope *envelope, size_t i);

const char *envelope_type(const struct envelope *envelope);
// Signed or not: to be looked at after envelope_signers. A NUL stands behind it.
const char *envelope_payload(const struct envelope *envelope, size_t *bytes);
// Lower-case hexadecimal SHA-256 of the payload: what a receipt names the alert by.
const char *envelope_digest(const struct envelope *envelope);

// ---- keys and signing ---------------------------------------------------------------------------

void envelope_key_set(struct envelope_key *key, const uint8_t raw[ENVELOPE_KEY_BYTES]);
// From base64 of the raw key. Returns 0 or -EINVAL.
int envelope_key_parse(struct envelope_key *key, const char *base64)
	__attribute__((warn_unused_result));
// The other way round; freed by the caller. NULL: no memory.
char *envelope_key_text(const struct envelope_key *key) __attribute__((warn_unused_result));

struct envelope_signer; // a private key

// Reads a private key (PKCS #8, PEM). Returns 0, -EBADMSG when it is no Ed25519 key, or -errno.
int envelope_signer_read(const char *path, struct envelope_signer **out)
	__attribute__((warn_unused_result));
// Makes a key and writes it, readable by its owner alone. Returns 0, -EEXIST when something is there
// already, or -errno.
int envelope_signer_make(const char *path, struct envelope_signer **out)
	__attribute__((warn_unused_result));
void envelope_signer_free(struct envelope_signer *signer);
const struct envelope_key *envelope_signer_key(const struct envelope_signer *signer);

// An envelope of this payload with the signatures of all signers, as one line of JSON without an end of
// line, freed by the caller. Returns 0, -EIO when signing fails, or -ENOMEM.
int envelope_sign(const char *type, const void *payload, size_t bytes,
	struct envelope_signer *const *signers, size_t count, char **out)
	__attribute__((warn_unused_result));
// Adds the signature of one more key to an envelope, as a second officer does. Returns 0, -EALREADY when
// it has signed already, -EIO or -ENOMEM.
int envelope_countersign(const struct envelope *envelope, const struct envelope_signer *signer,
	char **out) __attribute__((warn_unused_result));
