// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_pdf_whole.h"

#include "scan/unpack_pdf_key.h"
#include "scan/unpack_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A chain's units and the file's own.
#define UNITS (PDF_STAGES + 1)
#define GREATS 1
#define PIECE_BYTES 65536u
#define SEARCHES 4 // through all of the file for what tells of the key

struct pdf_whole {
	uint8_t *data;
	size_t bytes;
	size_t at;
	bool is_plain; // not decrypted: it is read once more because all of it is there
	bool has_key;
	bool is_told;
	struct crypt_key key;
	struct crypt streams;
	struct crypt texts;
	struct unpack_pool *pool;
	struct unpack *unpack;
};

static int load(struct whole *whole, struct pdf_whole *pdf)
{
	pdf->bytes = (size_t)whole->capture->bytes;
	pdf->data = malloc(pdf->bytes + 1);
	if (pdf->data == NULL)
		return -ENOMEM;
	(void)capture_read(whole->capture, 0, pdf->data, pdf->bytes);
	if (!whole_spend(whole, SEARCHES * pdf->bytes))
		pdf->bytes = 0;
	pdf->has_key = pdf_key_find(pdf->data, pdf->bytes, &pdf->key);
	return 0;
}

int pdf_whole_begin(struct whole *whole)
{
	struct pdf_whole *pdf = calloc(1, sizeof(*pdf));
	uint64_t ratio = whole->max_bytes / (whole->capture->bytes + 1) + 1;

	if (pdf == NULL)
		return -ENOMEM;
	whole->state = pdf;
	if (load(whole, pdf) != 0 ||
		unpack_pool_new(UNITS, GREATS, ratio < UINT32_MAX ? (uint32_t)ratio : UINT32_MAX,
			&pdf->pool) != 0 ||
		unpack_begin(pdf->pool, UNPACK_PDF, 0, &pdf->unpack) != 0) {
		pdf_whole_end(whole);
		return -ENOMEM;
	}
	pdf->unpack->as.pdf.whole = pdf->data;
	pdf->unpack->as.pdf.whole_bytes = pdf->bytes;
	pdf->unpack->as.pdf.key_of_all = pdf->has_key ? &pdf->key : NULL;
	pdf->unpack->as.pdf.stream_crypt = &pdf->streams;
	pdf->unpack->as.pdf.text_crypt = &pdf->texts;
	return 0;
}

int pdf_whole_begin_plain(struct whole *whole)
{
	int err = pdf_whole_begin(whole);
	struct pdf_whole *pdf = whole->state;

	if (err == 0) {
		pdf->is_plain = true;
		pdf->unpack->as.pdf.key_of_all = NULL;
	}
	return err;
}

void pdf_whole_end(struct whole *whole)
{
	struct pdf_whole *pdf = whole->state;

	if (pdf->unpack != NULL)
		unpack_put(pdf->unpack);
	unpack_pool_free(pdf->pool);
	crypt_free(&pdf->streams);
	crypt_free(&pdf->texts);
	free(pdf->data);
	free(pdf);
	whole->state = NULL;
}

static void step(struct whole *whole, struct unpack_event *event)
{
	struct pdf_whole *pdf = whole->state;
	size_t left = pdf->bytes - pdf->at;
	size_t n = left < PIECE_BYTES ? left : PIECE_BYTES;
	const uint32_t lookups = pdf->unpack->as.pdf.lookups;

	if (left == 0) {
		unpack_finish(pdf->unpack, event);
		return;
	}
	n = unpack_next(pdf->unpack, pdf->data + pdf->at, n, event);
	pdf->at += n;
	if (!whole_spend(whole, n + (pdf->unpack->as.pdf.lookups - lookups) * (uint64_t)pdf->bytes))
		*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
}

// What it told as it passed is not told again, and that it is encrypted is not so any more.
static bool is_new(const struct unpack_event *event)
{
	return event->type != UNPACK_NEED_INPUT &&
	       (event->type != UNPACK_WARNING || strcmp(event->why, "encrypted-archive") != 0);
}

void pdf_whole_next(struct whole *whole, struct unpack_event *event)
{
	struct pdf_whole *pdf = whole->state;

	if (!pdf->has_key && !pdf->is_plain) {
		*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
		if (!pdf->is_told)
			*event = (struct unpack_event){
				.type = UNPACK_WARNING, .name = "", .why = "encrypted-archive"};
		pdf->is_told = true;
		return;
	}
	do
		step(whole, event);
	while (!is_new(event));
}
