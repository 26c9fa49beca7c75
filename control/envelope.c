// SPDX-License-Identifier: BSD-3-Clause
#include "control/envelope.h"

#include "control/envelope_key.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_BYTES 64

struct signature {
	char key_id[ENVELOPE_KEY_ID_BYTES];
	uint8_t bytes[SIGNATURE_BYTES];
};

struct envelope {
	json_t *root;
	const char *type;
	uint8_t *payload; // a NUL behind it
	size_t payload_bytes;
	uint8_t *signed_text; // PAE
	size_t signed_bytes;
	struct signature signatures[ENVELOPE_MAX_SIGNATURES];
	size_t signatures_count;
	char digest[2 * ENVELOPE_DIGEST_BYTES + 1];
};

// ---- what is signed -----------------------------------------------------------------------------

// PAE of the DSSE protocol. Freed by the caller.
static uint8_t *join_signed(const char *type, const void *payload, size_t bytes, size_t *out_bytes)
{
	size_t room = strlen(type) + bytes + 64;
	char *text = malloc(room);
	int head;

	if (text == NULL)
		return NULL;
	head = snprintf(text, room, "DSSEv1 %zu %s %zu ", strlen(type), type, bytes);
	memcpy(text + head, payload, bytes);
	*out_bytes = (size_t)head + bytes;
	return (uint8_t *)text;
}

struct envelope_verifier {
	EVP_PKEY *pkey;
	EVP_MD_CTX *ready; // to be copied
};

struct envelope_verifier *envelope_verifier_new(const struct envelope_key *key)
{
	struct envelope_verifier *verifier = calloc(1, sizeof(*verifier));

	if (verifier == NULL)
		return NULL;
	verifier->pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->raw, sizeof(key->raw));
	verifier->ready = EVP_MD_CTX_new();
	if (verifier->pkey != NULL && verifier->ready != NULL &&
		EVP_DigestVerifyInit(verifier->ready, NULL, NULL, NULL, verifier->pkey) == 1)
		return verifier;
	envelope_verifier_free(verifier);
	return NULL;
}

void envelope_verifier_free(struct envelope_verifier *verifier)
{
	if (verifier == NULL)
		return;
	EVP_MD_CTX_free(verifier->ready);
	EVP_PKEY_free(verifier->pkey);
	free(verifier);
}

static bool is_signed_by(const struct envelope *envelope, const struct signature *signature,
	const struct envelope_verifier *verifier)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = verifier != NULL && md != NULL &&
		    EVP_MD_CTX_copy_ex(md, verifier->ready) == 1 &&
		    EVP_DigestVerify(md, signature->bytes, SIGNATURE_BYTES, envelope->signed_text,
			    envelope->signed_bytes) == 1;

	EVP_MD_CTX_free(md);
	return good;
}

static bool is_signed_by_key(const struct envelope *envelope, const struct signature *signature,
	const struct envelope_key *key)
{
	struct envelope_verifier *verifier = envelope_verifier_new(key);
	bool good = is_signed_by(envelope, signature, verifier);

	envelope_verifier_free(verifier);
	return good;
}

uint64_t envelope_signers_ready(const struct envelope *envelope, const struct envelope_key *keys,
	struct envelope_verifier *const *verifiers, size_t count)
{
	uint64_t tried = 0;
	uint64_t good = 0;

	for (size_t s = 0; s < envelope->signatures_count; s++) {
		const struct signature *signature = &envelope->signatures[s];

		for (size_t k = 0; k < count && k < 64; k++) {
			if ((tried >> k & 1) != 0 || strcmp(keys[k].id, signature->key_id) != 0)
				continue;
			tried |= UINT64_C(1) << k;
			if (verifiers != NULL && verifiers[k] != NULL
					? is_signed_by(envelope, signature, verifiers[k])
					: is_signed_by_key(envelope, signature, &keys[k]))
				good |= UINT64_C(1) << k;
		}
	}
	return good;
}

uint64_t envelope_signers(
	const struct envelope *envelope, const struct envelope_key *keys, size_t count)
{
	return envelope_signers_ready(envelope, keys, NULL, count);
}

// ---- taking apart -------------------------------------------------------------------------------

static int read_signature(struct envelope *envelope, const json_t *entry, const char **why)
{
	struct signature *signature = &envelope->signatures[envelope->signatures_count];
	const char *key_id = json_string_value(json_object_get(entry, "keyid"));
	const char *text = json_string_value(json_object_get(entry, "sig"));
	uint8_t *bytes = NULL;
	size_t length = 0;

	*why = "a signature without keyid or sig";
	if (key_id == NULL || text == NULL)
		return -EBADMSG;
	*why = "a keyid that is no SHA-256";
	if (strlen(key_id) != ENVELOPE_KEY_ID_BYTES - 1)
		return -EBADMSG;
	bytes = envelope_unbase64(text, &length);
	if (bytes == NULL || length != SIGNATURE_BYTES) {
		free(bytes);
		*why = "a signature that is not base64 of 64 bytes";
		return -EBADMSG;
	}
	memcpy(signature->bytes, bytes, SIGNATURE_BYTES);
	memcpy(signature->key_id, key_id, ENVELOPE_KEY_ID_BYTES);
	free(bytes);
	envelope->signatures_count++;
	return 0;
}

static int read_signatures(struct envelope *envelope, const char **why)
{
	const json_t *list = json_object_get(envelope->root, "signatures");
	json_t *entry;
	size_t i;

	*why = "no signatures";
	if (json_array_size(list) == 0)
		return -EBADMSG;
	*why = "too many signatures";
	if (json_array_size(list) > ENVELOPE_MAX_SIGNATURES)
		return -EBADMSG;
	json_array_foreach(list, i, entry)
	{
		int err = read_signature(envelope, entry, why);

		if (err != 0)
			return err;
	}
	return 0;
}

static int read_members(struct envelope *envelope, const char **why)
{
	const char *payload = json_string_value(json_object_get(envelope->root, "payload"));
	uint8_t digest[ENVELOPE_DIGEST_BYTES];

	envelope->type = json_string_value(json_object_get(envelope->root, "payloadType"));
	*why = "no payloadType or no payload";
	if (envelope->type == NULL || payload == NULL)
		return -EBADMSG;
	*why = "a payload that is not base64";
	envelope->payload = envelope_unbase64(payload, &envelope->payload_bytes);
	if (envelope->payload == NULL)
		return -EBADMSG;
	envelope->signed_text = join_signed(envelope->type, envelope->payload,
		envelope->payload_bytes, &envelope->signed_bytes);
	if (envelope->signed_text == NULL ||
		!envelope_sha256(envelope->payload, envelope->payload_bytes, digest))
		return -ENOMEM;
	envelope_hex(digest, sizeof(digest), envelope->digest);
	return read_signatures(envelope, why);
}

int envelope_parse(const void *text, size_t bytes, struct envelope **out, const char **why)
{
	struct envelope *envelope;
	int err;

	*why = "longer than an envelope may be";
	if (bytes > ENVELOPE_MAX_BYTES)
		return -EMSGSIZE;
	envelope = calloc(1, sizeof(*envelope));
	if (envelope == NULL)
		return -ENOMEM;
	*why = "not a JSON object";
	envelope->root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	err = json_is_object(envelope->root) ? read_members(envelope, why) : -EBADMSG;
	if (err != 0) {
		envelope_free(envelope);
		return err;
	}
	*out = envelope;
	return 0;
}

void envelope_free(struct envelope *envelope)
{
	if (envelope == NULL)
		return;
	json_decref(envelope->root);
	free(envelope->payload);
	free(envelope->signed_text);
	free(envelope);
}

const char *envelope_key_id(const struct envelope *envelope, size_t i)
{
	return i < envelope->signatures_count ? envelope->signatures[i].key_id : NULL;
}

const char *envelope_type(const struct envelope *envelope)
{
	return envelope->type;
}

const char *envelope_payload(const struct envelope *envelope, size_t *bytes)
{
	*bytes = envelope->payload_bytes;
	return (const char *)envelope->payload;
}

const char *envelope_digest(const struct envelope *envelope)
{
	return envelope->digest;
}

// ---- signing ------------------------------------------------------------------------------------

static json_t *sign_one(
	const struct envelope_signer *signer, const uint8_t *text, size_t bytes, int *err)
{
	uint8_t signature[SIGNATURE_BYTES];
	size_t length = sizeof(signature);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	json_t *entry = NULL;
	char *base64;

	*err = md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, signer->pkey) == 1 &&
			       EVP_DigestSign(md, signature, &length, text, bytes) == 1
		       ? 0
		       : -EIO;
	EVP_MD_CTX_free(md);
	if (*err != 0)
		return NULL;
	base64 = envelope_base64(signature, length);
	entry = json_pack("{s:s, s:s}", "keyid", signer->key.id, "sig", base64);
	free(base64);
	*err = entry != NULL ? 0 : -ENOMEM;
	return entry;
}

int envelope_sign(const char *type, const void *payload, size_t bytes,
	struct envelope_signer *const *signers, size_t count, char **out)
{
	size_t signed_bytes = 0;
	uint8_t *text = join_signed(type, payload, bytes, &signed_bytes);
	char *base64 = envelope_base64(payload, bytes);
	json_t *list = json_array();
	json_t *root;
	int err = text != NULL && base64 != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && err == 0; i++) {
		json_t *entry = sign_one(signers[i], text, signed_bytes, &err);

		if (err == 0 && json_array_append_new(list, entry) != 0)
			err = -ENOMEM;
	}
	root = json_pack(
		"{s:s, s:s, s:o}", "payloadType", type, "payload", base64, "signatures", list);
	*out = err == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
	if (err == 0 && *out == NULL)
		err = -ENOMEM;
	if (root == NULL)
		json_decref(list);
	json_decref(root);
	free(base64);
	free(text);
	return err;
}

int envelope_countersign(
	const struct envelope *envelope, const struct envelope_signer *signer, char **out)
{
	json_t *root;
	json_t *entry;
	int err = 0;

	if (envelope_signers(envelope, &signer->key, 1) != 0)
		return -EALREADY;
	entry = sign_one(signer, envelope->signed_text, envelope->signed_bytes, &err);
	if (err != 0)
		return err;
	root = json_deep_copy(envelope->root);
	if (root == NULL) {
		json_decref(entry);
		return -ENOMEM;
	}
	if (json_array_append_new(json_object_get(root, "signatures"), entry) == 0)
		*out = json_dumps(root, JSON_COMPACT);
	else
		*out = NULL;
	json_decref(root);
	return *out != NULL ? 0 : -ENOMEM;
}
