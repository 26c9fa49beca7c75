// SPDX-License-Identifier: BSD-3-Clause
// Chunks of the buffer's files (format: spoolfile.h): sealing and opening one, in memory.
#pragma once

#include "dataplane/spoolfile.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define SPOOL_BLOCK_BYTES 4096u  // what is written to a segment begins and ends at a multiple of it
#define SPOOL_ALIGN 64u          // chunks begin at a multiple of it
#define SPOOL_PAD 0xffu          // fills a block behind its last chunk
#define SPOOL_CHUNK_BYTES 65536u // the longest, as stored
#define SPOOL_HEADER_BYTES 128u
#define SPOOL_CONTENT_BYTES (SPOOL_CHUNK_BYTES - SPOOL_HEADER_BYTES)
#define SPOOL_WRAPPED_BYTES 40u
#define SPOOL_KEY_BYTES 32u

#define SPOOL_CHUNK_FINAL 1u

enum spool_kind { SPOOL_KIND_RECORD = 1, SPOOL_KIND_SEGMENT, SPOOL_KIND_STATE };

struct spool_chunk {
	enum spool_kind kind;
	unsigned int flags;
	uint32_t index;
	struct spool_id id;
	uint32_t head_bytes;
	uint32_t body_bytes;
	uint32_t tail_bytes;
};

// Bytes that a chunk with that much content takes.
size_t spool_chunk_stored(size_t content_bytes);

// ---- sealing -------------------------------------------------------------------------------------

// A data key of one thread of a writer: drawn at random, never stored but wrapped.
struct spool_sealer;

// Returns 0, -ENOMEM or -EIO (no randomness).
int spool_sealer_new(const struct spool_keys *keys, struct spool_sealer **out) SPOOL_MUST_USE;
void spool_sealer_free(struct spool_sealer *sealer);
// Writes the whole chunk, zeros up to SPOOL_ALIGN, to out, which has room for it; pieces are its content. No
// two calls with one sealer may have the same number and index. Returns the bytes written, or 0 when
// the cipher failed.
size_t spool_chunk_seal(struct spool_sealer *sealer, const struct spool_chunk *chunk,
	const struct iovec *pieces, uint8_t *out);
// Fills up to the end of the block what n bytes at data are the beginning of. Returns the bytes it has then.
size_t spool_chunk_pad(uint8_t *data, size_t n);

// ---- opening -------------------------------------------------------------------------------------

// Remembers the data key it used last. One thread's.
struct spool_opener;

int spool_opener_new(const struct spool_keys *keys, struct spool_opener **out) SPOOL_MUST_USE;
// One that opens what this sealer seals, and nothing else. Returns 0 or -ENOMEM.
int spool_opener_of(const struct spool_sealer *sealer, struct spool_opener **out) SPOOL_MUST_USE;
void spool_opener_free(struct spool_opener *opener);

bool spool_chunk_has_magic(const uint8_t *data);
// Reads a header of SPOOL_HEADER_BYTES, nothing of which is believed yet. Returns 0 or -EBADMSG.
int spool_chunk_parse(const uint8_t *data, struct spool_chunk *out) SPOOL_MUST_USE;
size_t spool_chunk_content(const struct spool_chunk *chunk);
// Decrypts the content of a chunk, whose header was parsed, to out. Returns 0, -EBADMSG or -ENOKEY; then
// out holds nothing of use.
int spool_chunk_unseal(struct spool_opener *opener, const uint8_t *data,
	const struct spool_chunk *chunk, uint8_t *out) SPOOL_MUST_USE;
// The key that wraps its data key.
uint64_t spool_chunk_key(const uint8_t *data);
// Wraps the data key of a chunk by the current key, in place. Returns 0, -EBADMSG, -ENOKEY or -ENOMEM.
int spool_chunk_rewrap(const struct spool_keys *keys, uint8_t *data) SPOOL_MUST_USE;

// ---- keys ----------------------------------------------------------------------------------------

// Wraps by the current key, whose id is written to *id. Returns 0 or -ENOMEM.
int spool_keys_wrap(const struct spool_keys *keys, const uint8_t key[SPOOL_KEY_BYTES],
	uint8_t wrapped[SPOOL_WRAPPED_BYTES], uint64_t *id) SPOOL_MUST_USE;
// Returns 0, -ENOKEY or -EBADMSG.
int spool_keys_unwrap(const struct spool_keys *keys, uint64_t id,
	const uint8_t wrapped[SPOOL_WRAPPED_BYTES], uint8_t key[SPOOL_KEY_BYTES]) SPOOL_MUST_USE;

// ---- contents ------------------------------------------------------------------------------------

// Each encoder writes to at, which has room until end, and returns the new end, or NULL.
struct spool_segment_info {
	uint64_t bytes;        // of the file
	uint64_t window_bytes; // behind the first empty block nothing is further away than this
};

uint8_t *spool_put_envelope(uint8_t *at, const uint8_t *end, const struct spool_envelope *envelope);
uint8_t *spool_put_recipient(
	uint8_t *at, const uint8_t *end, const struct spool_recipient *recipient);
uint8_t *spool_put_reason(uint8_t *at, const uint8_t *end, const struct spool_reason *reason);
uint8_t *spool_put_change(uint8_t *at, const uint8_t *end, const struct spool_change *change);
uint8_t *spool_put_segment(uint8_t *at, const uint8_t *end, const struct spool_segment_info *info);

// Arrival is at a fixed place so that a listing needs no more.
#define SPOOL_HEAD_LEAST 8u
int64_t spool_head_arrival(const uint8_t *head);

// Texts point into data. Lists are allocated and freed by the caller. Returns 0, -EBADMSG or -ENOMEM.
int spool_get_envelope(const uint8_t *data, size_t n, struct spool_envelope *out,
	struct spool_recipient **recipients) SPOOL_MUST_USE;
int spool_get_reason(const uint8_t *data, size_t n, struct spool_reason *out,
	struct spool_text **texts) SPOOL_MUST_USE;
int spool_get_change(const uint8_t *data, size_t n, struct spool_change *out) SPOOL_MUST_USE;
int spool_get_segment(const uint8_t *data, size_t n, struct spool_segment_info *out) SPOOL_MUST_USE;
