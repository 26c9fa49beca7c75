// SPDX-License-Identifier: BSD-3-Clause
// The parts of the normalisers that exist in several variants, one for each kind of processor. Private
// to scan/ and its tests. A variant only speeds up whole vectors: the plain code goes on from there.
#pragma once

#include "scan/normalise_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a byte is in the copy of a text: 0 where it is dropped, ' ' for all white space.
extern const uint8_t normalise_text_bytes[256];

// Where a variant reads and writes. It may store up to NORMALISE_TEXT_SLACK bytes past out.
struct normalise_run {
	const uint8_t *in;
	const uint8_t *end;
	uint8_t *out;
	bool after_space;
};

// The same for HTML: page and text are its copies, and stores may go NORMALISE_TEXT_SLACK bytes past each.
struct normalise_html_run {
	const uint8_t *in;
	const uint8_t *end;
	uint8_t *page;
	uint8_t *text;
	bool after_space;  // in the text
	bool skips_blanks; // behind a tag
	bool trims_blanks; // in the text: a space comes out with what follows
	uint32_t
		wide; // bytes above 127 that were collected in a value, and come out in the next one
};

struct normalise_ops {
	const char *name;
	void (*text_run)(struct normalise_run *run);
	// Words, white space and plain tags, from a place in the text outside of scripts: as much as is
	// simple, perhaps nothing. Ends in the text.
	void (*html_run)(struct normalise_html_run *run);
	// Script without white space, up to "<", "&" or a byte above 127; of a comment in it up to ">".
	void (*script_run)(struct normalise_html_run *run, bool is_comment);
	// Of a value up to white space, ">", "&", a quote or a byte above 127 with which nothing else comes out.
	void (*value_run)(struct normalise_html_run *run);
	// Of the name of a tag up to white space or ">", of an argument's up to "=", too.
	void (*name_run)(struct normalise_html_run *run, bool is_arg);
	bool takes_tags; // html_run does, whole
};

// Each byte below 128, as often as a vector has it.
extern const uint8_t normalise_html_all[128][64] __attribute__((aligned(64)));

// Whether a byte of HTML text means nothing but itself.
static inline bool normalise_is_plain(uint8_t byte)
{
	return byte > ' ' && byte < 0x80 && byte != '<' && byte != '&';
}

extern const struct normalise_ops normalise_ops_portable;
extern const struct normalise_ops normalise_ops_avx2;
extern const struct normalise_ops normalise_ops_avx512;

void normalise_html_run_avx2(struct normalise_html_run *run);
void normalise_html_run_avx512(struct normalise_html_run *run);
void normalise_script_run_avx2(struct normalise_html_run *run, bool is_comment);
void normalise_script_run_avx512(struct normalise_html_run *run, bool is_comment);
void normalise_value_run_avx2(struct normalise_html_run *run);
void normalise_value_run_avx512(struct normalise_html_run *run);
void normalise_name_run_avx2(struct normalise_html_run *run, bool is_arg);
void normalise_name_run_avx512(struct normalise_html_run *run, bool is_arg);

// Variant number i that this processor can run, the slowest first; NULL past the last.
const struct normalise_ops *normalise_variant(size_t i);

const struct normalise_ops *normalise_best(void);

size_t normalise_text_with(const struct normalise_ops *ops, struct normalise_text *state,
	const uint8_t *in, size_t n, uint8_t *out);
