// SPDX-License-Identifier: BSD-3-Clause
// Filters one behind the other. The first works in the unpacker's own memory, each of the others in that
// of one more unpacker of the pool; a filter's output waits in its buffer until the next has taken it.
#include "scan/unpack_state.h"

// More than any of the filters can give of a byte. What comes out of all is limited elsewhere.
#define PDF_MAX_RATIO 5000

// One more of the chain. NULL, and a warning, when there is no memory.
static struct unpack *stage_add(struct unpack *unpack, enum codec_kind kind)
{
	struct pdf_chain *chain = &unpack->as.pdf.chain;
	struct unpack *unit = unpack;

	if (chain->count > 0 && unpack_begin(unpack->pool, UNPACK_NONE, 0, &unit) != 0) {
		unpack_warn(unpack, WARN_MEMORY);
		return NULL;
	}
	chain->stages[chain->count++].unit = unit;
	if (codec_begin(unit, kind))
		return unit;
	unpack_warn(unpack, WARN_MEMORY);
	return NULL;
}

static bool crypt_add(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;
	const struct pdf_object *object = &pdf->object;
	const struct crypt_key *key = pdf->key_of_all;
	struct unpack *unit;

	if (key == NULL || key->streams == CRYPT_NONE || object->is_xref ||
		(object->has_crypt && !object->is_crypt_named) ||
		(object->is_metadata && key->leaves_metadata))
		return true;
	unit = stage_add(unpack, CODEC_CRYPT);
	if (unit == NULL || !crypt_begin(pdf->stream_crypt, key, key->streams, object->number,
				    object->generation))
		return false;
	unit->codec.stream.crypt.crypt = pdf->stream_crypt;
	unit->codec.stream.crypt.is_last = false;
	return true;
}

static bool filter_add(struct unpack *unpack, uint32_t i)
{
	const struct pdf_object *object = &unpack->as.pdf.object;
	enum codec_kind kind = (enum codec_kind)object->filter[i];
	const struct pdf_parms *parms = &object->parms[object->parms_of[i] % (PDF_FILTERS + 1)];
	struct unpack *unit = stage_add(unpack, kind);

	if (unit == NULL)
		return false;
	// Images of nothing but white are no bombs.
	if (i == 0)
		unit->codec.max_ratio = PDF_MAX_RATIO;
	if (kind == CODEC_LZW)
		unit->codec.stream.filter.is_late = object->is_late;
	if (kind != CODEC_LZW && kind != CODEC_ZLIB)
		return true;
	if (object->is_parms_elsewhere)
		unpack_warn(unpack, WARN_METHOD);
	if (parms->predictor < 2)
		return true;
	unit = stage_add(unpack, CODEC_PREDICTOR);
	if (unit == NULL)
		return false;
	unit->codec.max_ratio = PDF_MAX_RATIO;
	if (!predictor_begin(unit, parms))
		unpack_warn(unpack, WARN_METHOD);
	return true;
}

bool chain_begin(struct unpack *unpack)
{
	const struct pdf_object *object = &unpack->as.pdf.object;
	const uint32_t most = unpack->as.pdf.whole != NULL ? PDF_FILTERS : PDF_FILTERS_PASSING;

	unpack->as.pdf.chain = (struct pdf_chain){.count = 0};
	if (!crypt_add(unpack))
		return false;
	for (uint32_t i = 0; i < object->filters && i < most; i++)
		if (!filter_add(unpack, i))
			return false;
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
		unpack_member_data(unpack, unit->codec.data, bytes, event);
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
		used = stage_run(unpack, i, chain->stages[i - 1].unit->codec.data + stage->at,
			stage->bytes, event);
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
	if (unpack->codec.kind == CODEC_CRYPT) {
		unpack->codec.stream.crypt.is_last = true;
		unpack->codec.is_full = true; // what is left of it comes without input
		(void)stage_run(unpack, 0, end, 0, event);
		return;
	}
	if (unpack->codec.kind == CODEC_BASE85)
		end = (const uint8_t *)"~";
	else if (unpack->codec.kind != CODEC_HEX)
		return;
	(void)stage_run(unpack, 0, end, 1, event);
}
