// SPDX-License-Identifier: BSD-3-Clause
// Appends, for those who make contents; the room is theirs to see to.
#pragma once

#include "perf/dice.h"
#include "perf/mails.h"

#include <string.h>

static inline void put(struct mail_bytes *out, const void *data, size_t n)
{
	memcpy(out->data + out->bytes, data, n);
	out->bytes += n;
}

static inline void put_text(struct mail_bytes *out, const char *text)
{
	put(out, text, strlen(text));
}

void put_format(struct mail_bytes *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void put_random(struct mail_bytes *out, size_t bytes, struct dice *dice);
// A sentence of at most so many words with a capital at its start and a full stop; dashes and quotes of it as
// entities where it is of a page.
void put_sentence(struct mail_bytes *out, uint32_t words, bool has_entities, struct dice *dice);
