// SPDX-License-Identifier: BSD-3-Clause
// Sealing, which has to keep pace with the disk, is libipsec-mb's, opening is libcrypto's: what one has written
// the other has to understand.
#include "dataplane/spoolfile_chunk.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define AUTHENTICATED 48u
#define AT_KEY_ID 48
#define AT_WRAPPED 56
#define AT_TAG 96
#define AT_ZERO 112
#define TAG_BYTES 16
#define NONCE_BYTES 12

static const uint8_t magic[8] = {'c', 'o', 'r', 'd', 'c', 'h', 'n', 'k'};

struct spool_sealer {
	struct gcm_key_data expanded; // of the data key
	struct gcm_context_data state;
	IMB_MGR *manager;
	uint8_t key[SPOOL_KEY_BYTES];
	uint64_t key_id;
	uint8_t wrapped[SPOOL_WRAPPED_BYTES];
};

struct spool_opener {
	const struct spool_keys *keys;
	EVP_CIPHER_CTX *ctx;
	bool has_key;
	uint64_t key_id;
	uint8_t wrapped[SPOOL_WRAPPED_BYTES];
};

static void put16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) / align * align;
}

size_t spool_chunk_stored(size_t content_bytes)
{
	return round_up(SPOOL_HEADER_BYTES + content_bytes, SPOOL_ALIGN);
}

size_t spool_chunk_content(const struct spool_chunk *chunk)
{
	return (size_t)chunk->head_bytes + chunk->body_bytes + chunk->tail_bytes;
}

static void make_nonce(const struct spool_chunk *chunk, uint8_t out[NONCE_BYTES])
{
	put64(out, chunk->id.number);
	put32(out + 8, chunk->index);
}

// ---- sealing ------------------------------------------------------------------------------------

int spool_sealer_new(const struct spool_keys *keys, struct spool_sealer **out)
{
	struct spool_sealer *sealer = aligned_alloc(_Alignof(struct spool_sealer), sizeof(*sealer));
	int err;

	if (sealer == NULL)
		return -ENOMEM;
	memset(sealer, 0, sizeof(*sealer));
	sealer->manager = alloc_mb_mgr(0);
	err = sealer->manager == NULL ? -ENOMEM : 0;
	if (err == 0 && RAND_priv_bytes(sealer->key, sizeof(sealer->key)) != 1)
		err = -EIO;
	if (err == 0)
		err = spool_keys_wrap(keys, sealer->key, sealer->wrapped, &sealer->key_id);
	if (err == 0) {
		init_mb_mgr_auto(sealer->manager, NULL);
		IMB_AES256_GCM_PRE(sealer->manager, sealer->key, &sealer->expanded);
		err = imb_get_errno(sealer->manager) == 0 ? 0 : -EIO;
	}
	if (err == 0)
		*out = sealer;
	else
		spool_sealer_free(sealer);
	return err;
}

void spool_sealer_free(struct spool_sealer *sealer)
{
	if (sealer == NULL)
		return;
	if (sealer->manager != NULL)
		free_mb_mgr(sealer->manager);
	OPENSSL_cleanse(sealer, sizeof(*sealer));
	free(sealer);
}

size_t spool_chunk_seal(struct spool_sealer *sealer, const struct spool_chunk *chunk,
	const struct iovec *pieces, uint8_t *out)
{
	size_t left = spool_chunk_content(chunk);
	size_t stored = spool_chunk_stored(left);
	uint8_t *at = out + SPOOL_HEADER_BYTES;
	uint8_t nonce[NONCE_BYTES];

	memset(out, 0, SPOOL_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	put16(out + 8, VERSION);
	out[10] = (uint8_t)chunk->kind;
	out[11] = (uint8_t)chunk->flags;
	put32(out + 12, chunk->index);
	put64(out + 16, chunk->id.run);
	put64(out + 24, chunk->id.number);
	put32(out + 32, chunk->head_bytes);
	put32(out + 36, chunk->body_bytes);
	put32(out + 40, chunk->tail_bytes);
	put64(out + AT_KEY_ID, sealer->key_id);
	memcpy(out + AT_WRAPPED, sealer->wrapped, SPOOL_WRAPPED_BYTES);

	make_nonce(chunk, nonce);
	IMB_AES256_GCM_INIT(
		sealer->manager, &sealer->expanded, &sealer->state, nonce, out, AUTHENTICATED);
	for (; left > 0; pieces++) {
		size_t take = pieces->iov_len < left ? pieces->iov_len : left;

		IMB_AES256_GCM_ENC_UPDATE(sealer->manager, &sealer->expanded, &sealer->state, at,
			pieces->iov_base, take);
		at += take;
		left -= take;
	}
	IMB_AES256_GCM_ENC_FINALIZE(
		sealer->manager, &sealer->expanded, &sealer->state, out + AT_TAG, TAG_BYTES);
	if (imb_get_errno(sealer->manager) != 0)
		return 0;
	memset(at, 0, stored - (size_t)(at - out));
	return stored;
}

size_t spool_chunk_pad(uint8_t *data, size_t n)
{
	size_t whole = round_up(n, SPOOL_BLOCK_BYTES);

	memset(data + n, SPOOL_PAD, whole - n);
	return whole;
}

// ---- opening ------------------------------------------------------------------------------------

int spool_opener_new(const struct spool_keys *keys, struct spool_opener **out)
{
	struct spool_opener *opener = calloc(1, sizeof(*opener));

	if (opener == NULL)
		return -ENOMEM;
	opener->keys = keys;
	opener->ctx = EVP_CIPHER_CTX_new();
	if (opener->ctx == NULL) {
		free(opener);
		return -ENOMEM;
	}
	*out = opener;
	return 0;
}

int spool_opener_of(const struct spool_sealer *sealer, struct spool_opener **out)
{
	struct spool_opener *opener;
	int err = spool_opener_new(NULL, &opener);

	if (err != 0)
		return err;
	if (EVP_DecryptInit_ex(opener->ctx, EVP_aes_256_gcm(), NULL, sealer->key, NULL) != 1) {
		spool_opener_free(opener);
		return -ENOMEM;
	}
	opener->has_key = true;
	opener->key_id = sealer->key_id;
	memcpy(opener->wrapped, sealer->wrapped, SPOOL_WRAPPED_BYTES);
	*out = opener;
	return 0;
}

void spool_opener_free(struct spool_opener *opener)
{
	if (opener == NULL)
		return;
	EVP_CIPHER_CTX_free(opener->ctx);
	free(opener);
}

bool spool_chunk_has_magic(const uint8_t *data)
{
	return memcmp(data, magic, sizeof(magic)) == 0;
}

static bool is_zero(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != 0)
			return false;
	}
	return true;
}

int spool_chunk_parse(const uint8_t *data, struct spool_chunk *out)
{
	uint8_t kind = data[10];

	if (!spool_chunk_has_magic(data) || get16(data + 8) != VERSION || get32(data + 44) != 0 ||
		!is_zero(data + AT_ZERO, SPOOL_HEADER_BYTES - AT_ZERO))
		return -EBADMSG;
	if (kind < SPOOL_KIND_RECORD || kind > SPOOL_KIND_STATE || data[11] > SPOOL_CHUNK_FINAL)
		return -EBADMSG;
	*out = (struct spool_chunk){
		.kind = (enum spool_kind)kind,
		.flags = data[11],
		.index = get32(data + 12),
		.id = {get64(data + 16), get64(data + 24)},
		.head_bytes = get32(data + 32),
		.body_bytes = get32(data + 36),
		.tail_bytes = get32(data + 40),
	};
	// Each alone first: their sum must not wrap where size_t is small.
	if (out->head_bytes > SPOOL_CONTENT_BYTES || out->body_bytes > SPOOL_CONTENT_BYTES ||
		out->tail_bytes > SPOOL_TAIL_BYTES ||
		spool_chunk_content(out) > SPOOL_CONTENT_BYTES)
		return -EBADMSG;
	return 0;
}

static int take_key(struct spool_opener *opener, const uint8_t *data)
{
	uint64_t key_id = get64(data + AT_KEY_ID);
	uint8_t key[SPOOL_KEY_BYTES];
	int err;

	if (opener->has_key && opener->key_id == key_id &&
		memcmp(opener->wrapped, data + AT_WRAPPED, SPOOL_WRAPPED_BYTES) == 0)
		return 0;
	if (opener->keys == NULL)
		return -ENOKEY;
	opener->has_key = false;
	err = spool_keys_unwrap(opener->keys, key_id, data + AT_WRAPPED, key);
	if (err != 0)
		return err;
	if (EVP_DecryptInit_ex(opener->ctx, EVP_aes_256_gcm(), NULL, key, NULL) != 1)
		err = -ENOMEM;
	OPENSSL_cleanse(key, sizeof(key));
	if (err != 0)
		return err;
	opener->has_key = true;
	opener->key_id = key_id;
	memcpy(opener->wrapped, data + AT_WRAPPED, SPOOL_WRAPPED_BYTES);
	return 0;
}

int spool_chunk_unseal(struct spool_opener *opener, const uint8_t *data,
	const struct spool_chunk *chunk, uint8_t *out)
{
	size_t content = spool_chunk_content(chunk);
	uint8_t tag[TAG_BYTES];
	uint8_t nonce[NONCE_BYTES];
	int err = take_key(opener, data);
	int n;

	if (err != 0)
		return err;
	make_nonce(chunk, nonce);
	memcpy(tag, data + AT_TAG, sizeof(tag));
	if (EVP_DecryptInit_ex(opener->ctx, NULL, NULL, NULL, nonce) != 1 ||
		EVP_DecryptUpdate(opener->ctx, NULL, &n, data, AUTHENTICATED) != 1 ||
		EVP_DecryptUpdate(opener->ctx, out, &n, data + SPOOL_HEADER_BYTES, (int)content) !=
			1 ||
		EVP_CIPHER_CTX_ctrl(opener->ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1 ||
		EVP_DecryptFinal_ex(opener->ctx, out + content, &n) != 1) {
		OPENSSL_cleanse(out, content);
		return -EBADMSG;
	}
	return 0;
}

uint64_t spool_chunk_key(const uint8_t *data)
{
	return get64(data + AT_KEY_ID);
}

int spool_chunk_rewrap(const struct spool_keys *keys, uint8_t *data)
{
	uint64_t id = get64(data + AT_KEY_ID);
	uint8_t key[SPOOL_KEY_BYTES];
	int err;

	if (id == spool_keys_current(keys))
		return 0;
	err = spool_keys_unwrap(keys, id, data + AT_WRAPPED, key);
	if (err == 0)
		err = spool_keys_wrap(keys, key, data + AT_WRAPPED, &id);
	OPENSSL_cleanse(key, sizeof(key));
	if (err == 0)
		put64(data + AT_KEY_ID, id);
	return err;
}
