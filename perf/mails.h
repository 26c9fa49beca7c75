// SPDX-License-Identifier: BSD-3-Clause
// Mails to measure with: some text and an attachment of a kind, as a client sends them, and beside it what
// is in them once it is decoded, for whoever measures the work alone. What is in them is like what people send
// (content.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// X(NAME, name)
#define MAIL_KINDS(X)                                                                              \
	X(TEXT, "text")                                                                            \
	X(HTML, "html")                                                                            \
	X(IMAGE, "image")                                                                          \
	X(OFFICE, "office")                                                                        \
	X(ZIP, "zip")                                                                              \
	X(PE, "pe")

enum mail_kind {
#define X(name, text) MAIL_##name,
	MAIL_KINDS(X)
#undef X
		MAIL_KINDS_COUNT
};

extern const char *const mail_kind_names[MAIL_KINDS_COUNT];

struct mail_bytes {
	uint8_t *data;
	size_t bytes;
};

#define MAIL_MEMBERS 6u

struct mail {
	enum mail_kind kind;
	bool infected;
	struct mail_bytes wire; // with the end-of-data; no line of it begins with a dot but that
	struct mail_bytes
		body; // the attachment as it stands in the mail, in base64; none in TEXT and HTML
	struct mail_bytes attachment;            // the same decoded
	struct mail_bytes text;                  // the other part, which is not encoded
	struct mail_bytes members[MAIL_MEMBERS]; // what is packed in the attachment, before it was
	uint32_t member_count;
};

// About so many bytes on the wire. number: mails of a kind differ by it; of ZIP even ones have a program inside, odd
// ones documents. sign: is in the attachment, or in the text where there is none; NULL: the
// mail is clean.
void mail_make(struct mail *mail, enum mail_kind kind, size_t bytes, uint32_t number,
	const struct mail_bytes *sign);
void mail_free(struct mail *mail);

#define MAIL_SET 25u

// Four of each kind, no two the same, in turn, and last an infected one, a program with sign in it.
void mail_set_make(struct mail set[MAIL_SET], size_t bytes, const struct mail_bytes *sign);
void mail_set_free(struct mail set[MAIL_SET]);
size_t mail_set_bytes(const struct mail *set, uint32_t count); // on the wire
