// SPDX-License-Identifier: BSD-3-Clause
// What was said to the very same bytes not long ago: a flood of repeats and of one forgery costs a digest
// each, and no signature. Some thousand envelopes are remembered; each takes the place of another one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum seen {
	SEEN_STRANGER, // holds as long as the trusted keys do
	SEEN_ANSWERED, // it was taken and has its receipt, as long as the keys
	SEEN_REFUSED,  // within a second, and until something is taken: it may be good after that
};

struct seen_answer {
	enum seen kind;
	const char *why;     // of a stranger or a refusal
	const char *receipt; // of the others
	bool is_refusal;     // so the receipt says
	const char *digest;  // of the payload; "": it could not be read
};

struct alerts_seen;

// NULL: no memory.
struct alerts_seen *alerts_seen_new(void) __attribute__((warn_unused_result));
void alerts_seen_free(struct alerts_seen *seen);

// What alerts_seen_keep below is told the answer for.
struct seen_key {
	uint8_t digest[32];
};

// Of any thread.
void alerts_seen_key(const void *text, size_t bytes, struct seen_key *key);
// The answer to these bytes, which lasts until the next call; false: there is none that holds still.
bool alerts_seen_find(struct alerts_seen *seen, const void *text, size_t bytes, int64_t now_s,
	struct seen_key *key, struct seen_answer *out);
// The same by the key.
bool alerts_seen_find_key(struct alerts_seen *seen, const struct seen_key *key, int64_t now_s,
	struct seen_answer *out);
// Remembers it; what is very long is left out.
void alerts_seen_keep(struct alerts_seen *seen, const struct seen_key *key, int64_t now_s,
	const struct seen_answer *answer);
// Something was taken: what was refused before may be good now.
void alerts_seen_changed(struct alerts_seen *seen);
// Other keys are trusted.
void alerts_seen_clear(struct alerts_seen *seen);
