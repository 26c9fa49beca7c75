// SPDX-License-Identifier: BSD-3-Clause
// What people send: text in sentences, pages as newsletters have them, office documents, programs, pictures. Each is
// appended to out, about so many bytes long (never more than CONTENT_SLACK longer); the same dice give the same,
// but for the code in a program, which is that of this machine's libcrypto.
#pragma once

#include "perf/dice.h"
#include "perf/mails.h"

#define CONTENT_SLACK 4096ul

// Paragraphs, quotes, addresses; lines of at most 76 columns that end with CRLF, none of which begins with a dot.
void content_text(struct mail_bytes *out, size_t bytes, struct dice *dice);
// Nested tables with styles at each element, links with long queries, entities; lines below 998 columns.
void content_html(struct mail_bytes *out, size_t bytes, struct dice *dice);
// A 64-bit PE: head, real code, strings and pointers, data, pictures, relocations in sections of their own.
void content_program(struct mail_bytes *out, size_t bytes, struct dice *dice);
// A JPEG's head, and what is as good as random behind it.
void content_image(struct mail_bytes *out, size_t bytes, struct dice *dice);

// Members of a .docx.
void content_document(struct mail_bytes *out, size_t bytes, struct dice *dice);
void content_styles(struct mail_bytes *out, size_t bytes, struct dice *dice);
// Members of any: rows of a table as text.
void content_rows(struct mail_bytes *out, size_t bytes, struct dice *dice);
