// SPDX-License-Identifier: BSD-3-Clause
// Deflate and bzip2, in memory that was laid ready.
//
// Packed data goes to the decoder in steps that end at multiples of 4 KiB, and how much may come out
// is reckoned by the step that it came from. So where a bomb is cut off does not depend on chunks.
#include "scan/unpack_inflate.h"
#include "scan/unpack_state.h"

#include <string.h>

#define STEP_BYTES 4096u
#define ARENA_ALIGN 16u
#define ZLIB_HEAD_BYTES 6

static void *arena_take(struct arena *arena, size_t bytes)
{
	size_t at = (arena->used + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

	if (at > arena->room || bytes > arena->room - at)
		return NULL;
	arena->used = at + bytes;
	return arena->memory + at;
}

static void *take_for_bzip2(void *ctx, int items, int bytes)
{
	return arena_take(ctx, (size_t)items * (size_t)bytes);
}

static void leave(void *ctx, void *memory)
{
	(void)ctx;
	(void)memory;
}

static struct inflate *deflate_of(struct unpack *unpack)
{
	static_assert(sizeof(struct inflate) <= UNPACK_INFLATE_BYTES + UNPACK_OUT_BYTES,
		"the output buffer is part of the window");

	return (struct inflate *)(void *)unpack->inflate_memory;
}

static bool take_great(struct codec *codec, struct unpack *unpack, enum codec_kind kind)
{
	uint8_t *memory = codec->arena.memory;

	if (codec->kind != kind)
		memory = unpack_take_bzip2(unpack->pool);
	if (memory == NULL)
		return false;
	codec->kind = kind;
	codec->arena = (struct arena){memory, UNPACK_BZIP2_BYTES, 0};
	return true;
}

static bool begin_bzip2(struct unpack *unpack)
{
	struct codec *codec = &unpack->codec;

	if (!take_great(codec, unpack, CODEC_BZIP2))
		return false;
	codec->stream.bz =
		(bz_stream){.bzalloc = take_for_bzip2, .bzfree = leave, .opaque = &codec->arena};
	return BZ2_bzDecompressInit(&codec->stream.bz, 0, 0) == BZ_OK;
}

static bool begin_kind(struct unpack *unpack, enum codec_kind kind)
{
	switch (kind) {
	case CODEC_DEFLATE:
	case CODEC_ZLIB:
		inflate_begin(deflate_of(unpack));
		return true;
	case CODEC_BZIP2:
		return begin_bzip2(unpack);
	case CODEC_HEX:
	case CODEC_BASE85:
	case CODEC_RUN_LENGTH:
	case CODEC_LZW:
		filter_begin(unpack);
		return true;
	case CODEC_DEFLATE64:
		if (!take_great(&unpack->codec, unpack, kind))
			return false;
		inflate64_begin(unpack);
		return true;
	case CODEC_SHRINK:
		shrink_begin(unpack);
		return true;
	case CODEC_IMPLODE: // by who knows what it needs
	case CODEC_PREDICTOR:
	case CODEC_CRYPT:
		return true;
	case CODEC_NONE:
		break;
	}
	return false;
}

bool codec_begin(struct unpack *unpack, enum codec_kind kind)
{
	struct codec *codec = &unpack->codec;
	bool is_ready;

	if (codec->kind != kind)
		codec_end(unpack);
	is_ready = begin_kind(unpack, kind);
	codec->is_full = false;
	codec->head_bytes = 0;
	codec->max_ratio = unpack_max_ratio(unpack);
	codec->in = 0;
	codec->out = 0;
	if (is_ready) {
		codec->kind = kind;
		return true;
	}
	codec_end(unpack);
	unpack_warn(unpack, WARN_MEMORY);
	return false;
}

// The decoders' own memory is the arena's: there is nothing to free but that.
void codec_end(struct unpack *unpack)
{
	struct codec *codec = &unpack->codec;

	if (codec->kind == CODEC_BZIP2 || codec->kind == CODEC_DEFLATE64)
		unpack_give_bzip2(unpack->pool, codec->arena.memory);
	else if (codec->kind == CODEC_PREDICTOR)
		predictor_end(unpack);
	codec->kind = CODEC_NONE;
}

static enum codec_step run_deflate(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct inflate_output output;
	enum inflate_result result = inflate_feed(deflate_of(unpack), data, n, &output);

	*used = output.used;
	*bytes = output.bytes;
	unpack->codec.data = output.data;
	unpack->codec.is_full = output.is_full;
	if (result == INFLATE_DONE)
		return CODEC_END;
	return result == INFLATE_MORE ? CODEC_MORE : CODEC_BROKEN;
}

static enum codec_step run_bzip2(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	bz_stream *bz = &unpack->codec.stream.bz;
	int result;

	bz->next_in = (char *)(uintptr_t)data;
	bz->avail_in = (unsigned int)n;
	bz->next_out = (char *)unpack->out;
	bz->avail_out = UNPACK_OUT_BYTES;
	result = BZ2_bzDecompress(bz);
	*used = n - bz->avail_in;
	*bytes = UNPACK_OUT_BYTES - bz->avail_out;
	if (result == BZ_STREAM_END)
		return CODEC_END;
	return result == BZ_OK ? CODEC_MORE : CODEC_BROKEN;
}

// Readers differ in what they take for a header: where the first byte cannot be one it is data.
static enum codec_step run_zlib_header(
	struct unpack *unpack, const uint8_t *data, size_t *used, size_t *bytes)
{
	struct codec *codec = &unpack->codec;
	uint32_t word = (uint32_t)codec->head_flags << 8 | *data;

	*used = 1;
	if (codec->head_bytes == 0 && (*data == '\r' || *data == '\n'))
		return CODEC_MORE;
	codec->head_bytes++;
	if (codec->head_bytes == 1) {
		codec->head_flags = *data;
		if ((*data & 0x0f) == 8)
			return CODEC_MORE;
		codec->head_bytes = ZLIB_HEAD_BYTES;
		return run_deflate(unpack, data, 1, used, bytes);
	}
	// A dictionary's checksum follows where the header is right and says so.
	if (codec->head_bytes == 2 && (word % 31 != 0 || (*data & 0x20) == 0))
		codec->head_bytes = ZLIB_HEAD_BYTES;
	return CODEC_MORE;
}

enum codec_step crypt_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct crypt *crypt = unpack->codec.stream.crypt.crypt;

	if (n > UNPACK_OUT_BYTES - 2 * CRYPT_BLOCK)
		n = UNPACK_OUT_BYTES - 2 * CRYPT_BLOCK;
	*used = n;
	*bytes = crypt_feed(crypt, data, n, unpack->out);
	if (unpack->codec.stream.crypt.is_last)
		*bytes += crypt_finish(crypt, unpack->out + *bytes);
	return unpack->codec.stream.crypt.is_last ? CODEC_END : CODEC_MORE;
}

static enum codec_step run_kind(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	switch (unpack->codec.kind) {
	case CODEC_BZIP2:
		return run_bzip2(unpack, data, n, used, bytes);
	case CODEC_ZLIB:
		if (unpack->codec.head_bytes < ZLIB_HEAD_BYTES && n > 0)
			return run_zlib_header(unpack, data, used, bytes);
		return run_deflate(unpack, data, n, used, bytes);
	case CODEC_DEFLATE:
		return run_deflate(unpack, data, n, used, bytes);
	case CODEC_HEX:
	case CODEC_BASE85:
	case CODEC_RUN_LENGTH:
	case CODEC_LZW:
		return filter_run(unpack, data, n, used, bytes);
	case CODEC_DEFLATE64:
		return inflate64_run(unpack, data, n, used, bytes);
	case CODEC_IMPLODE:
		return implode_run(unpack, data, n, used, bytes);
	case CODEC_SHRINK:
		return shrink_run(unpack, data, n, used, bytes);
	case CODEC_PREDICTOR:
		return predictor_run(unpack, data, n, used, bytes);
	case CODEC_CRYPT:
		return crypt_run(unpack, data, n, used, bytes);
	case CODEC_NONE:
		break;
	}
	return CODEC_BROKEN;
}

enum codec_step codec_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct codec *codec = &unpack->codec;
	size_t room = STEP_BYTES - (size_t)(codec->in % STEP_BYTES);
	enum codec_step step;
	uint64_t allowed;

	*used = 0;
	*bytes = 0;
	if (n == 0 && !codec->is_full)
		return CODEC_MORE;
	if (n > room)
		n = room;
	if (codec->is_full)
		n = 0; // the output of the step before comes first
	codec->data = unpack->out;
	codec->is_full = false;
	step = run_kind(unpack, data, n, used, bytes);
	codec->in += *used;
	codec->is_full |= step == CODEC_MORE && *bytes == UNPACK_OUT_BYTES;
	allowed = (codec->in + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES * codec->max_ratio;
	if (allowed < 1u << 20)
		allowed = 1u << 20;
	if (codec->out + *bytes > allowed) {
		*bytes = (size_t)(allowed - codec->out);
		step = CODEC_BOMB;
	}
	codec->out += *bytes;
	return step == CODEC_MORE && (*bytes > 0 || *used > 0) ? CODEC_OUTPUT : step;
}

bool codec_feed(struct unpack *unpack, const uint8_t *data, size_t n, size_t *used,
	struct unpack_event *event)
{
	size_t bytes;
	enum codec_step step = codec_run(unpack, data, n, used, &bytes);

	if (bytes > 0)
		unpack_member_data(unpack, unpack->codec.data, bytes, event);
	switch (step) {
	case CODEC_MORE:
	case CODEC_OUTPUT:
		return false;
	case CODEC_END:
		return true;
	case CODEC_BROKEN:
		if (unpack->has_output || unpack->kind == UNPACK_ZIP)
			unpack_warn(unpack, WARN_BROKEN);
		unpack->is_broken = true;
		return true;
	case CODEC_BOMB:
		unpack_warn(unpack, WARN_BOMB);
		unpack->is_over = true;
		return true;
	}
	return true;
}
