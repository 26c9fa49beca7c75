// SPDX-License-Identifier: BSD-3-Clause
// Filters one behind the other. The first works in the unpacker's own memory, each of the others in that
// of one more unpacker of the pool; a filter's output waits in its buffer until the next has taken it.
#include "scan/unpack_state.h"

// More than any of the filters can give of a byte: images of nothing but white are no bombs. What
// comes out of all is limited elsewhere.
#define PDF_MAX_RATIO 5000

bool chain_begin(struct unpack *unpack, const uint8_t *filters, uint32_t count)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;

	*chain = (struct pdf_chain){.count = 0};
	for (uint32_t i = 0; i < count; i++) {
		struct unpack *unit = unpack;

		if (i > 0 && unpack_begin(unpack->pool, UNPACK_NONE, 0, &unit) != 0) {
			unpack_warn(unpack, WARN_MEMORY);
			return false;
		}
		chain->stages[chain->count++].unit = unit;
		if (!codec_begin(unit, (enum codec_kind)filters[i])) {
			unpack_warn(unpack, WARN_MEMORY);
			return false;
		}
	}
	if (count > 0)
		unpack->codec.max_ratio = PDF_MAX_RATIO;
	return true;
}

void chain_end(struct unpack *unpack)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;

	for (uint32_t i = 1; i < chain->count; i++)
		unpack_put(chain->stages[i].unit);
	if (chain->count > 0)
		codec_end(unpack);
	chain->count = 0;
}

static bool has_input(const struct pdf_stage *stage)
{
	return !stage->is_over && (stage->bytes > 0 || stage->unit->codec.is_full);
}

bool chain_is_stepping(const struct unpack *unpack)
{
	const struct pdf_chain *chain = &unpack->as.pdf.chain;

	for (uint32_t i = 0; i < chain->count; i++)
		if (has_input(&chain->stages[i]))
			return true;
	return false;
}

// Runs one filter. Returns how many bytes of data it took.
static size_t stage_run(struct unpack *unpack, uint32_t i, const uint8_t *data, size_t n,
	struct unpack_event *event)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;
	struct pdf_stage *stage = &chain->stages[i];
	struct unpack *unit = stage->unit;
	size_t used;
	size_t bytes;
	enum codec_step step = codec_run(unit, data, n, &used, &bytes);

	// A reader does not get on behind an error either: what came until there is all.
	stage->is_over = step == CODEC_END || step == CODEC_BROKEN || step == CODEC_BOMB;
	if (step == CODEC_BOMB)
		unpack_warn(unpack, WARN_BOMB);
	if (bytes > 0 && i + 1 == chain->count) {
		unpack_member_data(unpack, unit->out, bytes, event);
	} else if (bytes > 0) {
		chain->stages[i + 1].at = 0;
		chain->stages[i + 1].bytes = (uint32_t)bytes;
	}
	return used;
}

size_t chain_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;

	if (chain->count == 0) {
		if (n > 0)
			unpack_member_data(unpack, data, n, event);
		return n;
	}
	for (uint32_t i = chain->count; i-- > 1;) {
		struct pdf_stage *stage = &chain->stages[i];
		size_t used;

		if (!has_input(stage))
			continue;
		used = stage_run(
			unpack, i, chain->stages[i - 1].unit->out + stage->at, stage->bytes, event);
		stage->at += (uint32_t)used;
		stage->bytes -= (uint32_t)used;
		return 0;
	}
	return chain->stages[0].is_over ? n : stage_run(unpack, 0, data, n, event);
}

// Text that is not ended is ended.
void chain_finish(struct unpack *unpack, struct unpack_event *event)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;
	const uint8_t *end = (const uint8_t *)">";

	if (chain->count == 0 || chain->stages[0].is_over)
		return;
	if (unpack->codec.kind == CODEC_BASE85)
		end = (const uint8_t *)"~";
	else if (unpack->codec.kind != CODEC_HEX)
		return;
	(void)stage_run(unpack, 0, end, 1, event);
}
