// SPDX-License-Identifier: BSD-3-Clause
// The leaves of a message as GMime reads it, with the places of their bytes.
#pragma once

#include "control/rebuild_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REBUILD_DIGEST_BYTES 32

// A stretch of the message.
struct rebuild_range {
	size_t begin;
	size_t end;
};

enum rebuild_seal {
	REBUILD_SEAL_NONE,
	REBUILD_SEAL_SIGNED,    // multipart/signed: S/MIME or PGP
	REBUILD_SEAL_ENCRYPTED, // multipart/encrypted, or an S/MIME object
};

struct rebuild_leaf {
	struct rebuild_range content;
	struct rebuild_range *fields; // of its header: those that tell of the content
	size_t fields_count;
	char *type;        // lower case
	char *name;        // "" where there is none
	char *charset;     // "" where none is said
	bool is_attached;  // by its disposition
	bool is_text;      // by its bytes
	bool is_outermost; // the message has no other part
	bool is_signature; // of what stands beside it
	bool embeds;       // a file in its text, whatever its type
	bool embeds_html;  // one, if it is HTML
	enum rebuild_seal seal;
	enum rebuild_encoding encoding;
	size_t bytes; // decoded
	uint8_t sha256[REBUILD_DIGEST_BYTES];
};

struct rebuild_leaves {
	struct rebuild_leaf *list; // in the order of the message
	size_t count;
	bool has_dkim;    // a DKIM-Signature header
	bool has_version; // a MIME-Version header
	char *boundary;   // when the whole message is a multipart/mixed, else NULL
};

// Returns 0, -ENOMEM, or -EBADMSG when the places of its parts cannot be told.
int rebuild_leaves_read(const uint8_t *data, size_t bytes, struct rebuild_leaves *out)
	__attribute__((warn_unused_result));
// What the part of this message says; freed with g_free.
char *rebuild_leaf_decode(const struct rebuild_leaf *leaf, const uint8_t *data, size_t *bytes);
void rebuild_leaves_fini(struct rebuild_leaves *leaves);
