// SPDX-License-Identifier: BSD-3-Clause
// How a block begins and ends, and what its bytes decode to. Private to mime_block.c.
#pragma once

#include "scan/mime_state.h"

#include <stdint.h>
#include <string.h>

// Of RFC 4648's second alphabet, what differs becomes what it is in the first.
static inline size_t put_base64(struct block *block, const uint8_t *data, size_t n, uint8_t *out)
{
	uint8_t plain[BLOCK_REST_BYTES];

	if (n > sizeof(plain) || (memchr(data, '-', n) == NULL && memchr(data, '_', n) == NULL))
		return base64_decode(&block->decoder.base64, data, n, out);
	for (size_t i = 0; i < n; i++) {
		plain[i] = data[i];
		if (data[i] == '-')
			plain[i] = '+';
		else if (data[i] == '_')
			plain[i] = '/';
	}
	return base64_decode(&block->decoder.base64, plain, n, out);
}

static inline void put(struct block *block, const uint8_t *data, size_t n)
{
	uint8_t *out = block->out + block->out_bytes;
	size_t written = n;

	if (block->kind == BLOCK_BASE64) {
		written = put_base64(block, data, n, out);
	} else if (block->kind == BLOCK_PART && block->coding == MIME_BASE64) {
		written = base64_decode(&block->decoder.base64, data, n, out);
	} else if (block->kind == BLOCK_PART && block->coding == MIME_QP) {
		written = qp_decode(&block->decoder.qp, data, n, out);
	} else if (block->kind == BLOCK_YENC) {
		// http://www.yenc.org: 42 is added to each byte, and 64 more after "=".
		written = 0;
		for (size_t i = 0; i < n; i++) {
			bool escapes = data[i] == '=' && !block->escape;

			if (!escapes)
				out[written++] = (uint8_t)(data[i] - (block->escape ? 106 : 42));
			block->escape = escapes;
		}
	} else {
		memcpy(out, data, n);
	}
	block->out_bytes += (uint32_t)written;
}

static inline void put_break(struct block *block)
{
	size_t n = block->break_bytes;

	block->break_bytes = 0;
	if (block->kind == BLOCK_PART)
		put(block, block->line_break, n);
}

// Uuencode that was interrupted ends there.
static inline void end_open(struct block *block)
{
	block->end_first |= block->is_open;
	block->is_open = false;
}

static inline void begin_block(struct block *block, enum block_kind kind)
{
	end_open(block);
	block->kind = kind;
	block->state = BLOCK_INSIDE;
	block->begin_due = true;
	block->gap = false;
	block->escape = false;
	block->is_guess = false;
	block->is_over = false;
	block->break_bytes = 0;
	memset(&block->decoder, 0, sizeof(block->decoder));
}

static inline void end_block(struct block *block)
{
	uint8_t *out = block->out + block->out_bytes;

	if (block->kind == BLOCK_BASE64 ||
		(block->kind == BLOCK_PART && block->coding == MIME_BASE64))
		block->out_bytes += (uint32_t)base64_end(&block->decoder.base64, out);
	else if (block->kind == BLOCK_PART && block->coding == MIME_QP)
		block->out_bytes += (uint32_t)qp_end(&block->decoder.qp, out);
	block->state = BLOCK_OUTSIDE;
	block->ended = true;
	block->break_bytes = 0;
}
