// SPDX-License-Identifier: BSD-3-Clause
// Chunks of the buffer sealed and opened in memory, beside AES-256-GCM alone and a copy: what the buffer
// costs with and without its encryption.
#include "dataplane/spoolfile_chunk.h"
#include "perf/perf.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct seal_state {
	struct spool_keys *keys;
	struct spool_sealer *sealer;
	struct spool_opener *opener;
	struct spool_chunk chunk;
	EVP_CIPHER_CTX *cipher;
	uint8_t *data;
	uint8_t *stored;
	uint8_t *out;
	size_t bytes;
};

static int begin(struct perf_run *run)
{
	static const uint8_t key[32] = "thirty-two bytes that are no key";
	struct seal_state *state = perf_alloc(sizeof(*state));
	char folder[] = "/tmp/cordon-perf-XXXXXX";
	char path[sizeof(folder) + 8];

	perf_need(mkdtemp(folder) != NULL, folder);
	(void)snprintf(path, sizeof(path), "%s/key", folder);
	perf_need(spool_keys_open(path, &state->keys) == 0 &&
			  spool_sealer_new(state->keys, &state->sealer) == 0 &&
			  spool_opener_of(state->sealer, &state->opener) == 0,
		"keys");
	(void)unlink(path);
	(void)rmdir(folder);
	state->bytes = run->it->number;
	state->data = perf_alloc(state->bytes);
	state->stored = perf_alloc(SPOOL_CHUNK_BYTES);
	state->out = perf_alloc(SPOOL_CHUNK_BYTES);
	perf_fill(state->data, state->bytes, 19);
	state->chunk = (struct spool_chunk){
		.kind = SPOOL_KIND_RECORD, .body_bytes = (uint32_t)state->bytes};
	state->cipher = EVP_CIPHER_CTX_new();
	perf_need(state->cipher != NULL && EVP_EncryptInit_ex(state->cipher, EVP_aes_256_gcm(),
						   NULL, key, NULL) == 1,
		"a cipher");
	run->state = state;
	run->amount = (double)state->bytes;
	return 0;
}

static void run_seal(void *ctx)
{
	struct seal_state *state = ctx;
	const struct iovec pieces[2] = {{state->data, state->bytes}, {NULL, 0}};

	state->chunk.index++;
	perf_need(spool_chunk_seal(state->sealer, &state->chunk, pieces, state->stored) > 0,
		"a sealed chunk");
	perf_keep(state->stored[200]);
}

static int begin_open(struct perf_run *run)
{
	int err = begin(run);

	run_seal(run->state);
	return err;
}

static void run_open(void *ctx)
{
	struct seal_state *state = ctx;
	struct spool_chunk chunk;

	perf_need(spool_chunk_parse(state->stored, &chunk) == 0 &&
			  spool_chunk_unseal(state->opener, state->stored, &chunk, state->out) == 0,
		"an opened chunk");
	perf_keep(state->out[200]);
}

static void run_gcm(void *ctx)
{
	struct seal_state *state = ctx;
	uint8_t nonce[12] = {0};
	uint8_t tag[16];
	int n = 0;

	state->chunk.index++;
	memcpy(nonce, &state->chunk.index, sizeof(state->chunk.index));
	perf_need(EVP_EncryptInit_ex(state->cipher, NULL, NULL, NULL, nonce) == 1 &&
			  EVP_EncryptUpdate(state->cipher, state->out, &n, state->data,
				  (int)state->bytes) == 1 &&
			  EVP_EncryptFinal_ex(state->cipher, state->out + n, &n) == 1 &&
			  EVP_CIPHER_CTX_ctrl(
				  state->cipher, EVP_CTRL_GCM_GET_TAG, sizeof(tag), tag) == 1,
		"AES-256-GCM");
	perf_keep(state->out[200]);
}

static void run_copy(void *ctx)
{
	struct seal_state *state = ctx;

	memcpy(state->out, state->data, state->bytes);
	perf_keep(state->out[200]);
}

static void end(void *ctx)
{
	struct seal_state *state = ctx;

	EVP_CIPHER_CTX_free(state->cipher);
	spool_opener_free(state->opener);
	spool_sealer_free(state->sealer);
	spool_keys_free(state->keys);
	free(state->data);
	free(state->stored);
	free(state->out);
	free(state);
}

static const struct perf_case cases[] = {
	{"buffer/seal/4k", "AES-256-GCM (EVP)", "B/s", 3900, false, false, begin, run_seal, run_gcm,
		end},
	{"buffer/seal/64k", "AES-256-GCM (EVP)", "B/s", 65000, false, false, begin, run_seal,
		run_gcm, end},
	{"buffer/open/64k", "AES-256-GCM (EVP)", "B/s", 65000, false, false, begin_open, run_open,
		run_gcm, end},
	{"buffer/seal/64k/copy", "memcpy", "B/s", 65000, false, false, begin, run_seal, run_copy,
		end},
};
PERF_CASES(cases)
