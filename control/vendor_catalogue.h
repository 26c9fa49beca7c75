// SPDX-License-Identifier: BSD-3-Clause
// The catalogue of a folder of signature files: what an update of it would bring, and which virus ids its
// signatures cover, as the comments before them say (`#cordon: virus_id=...`, the contract's section 4).
#pragma once

#include <jansson.h>

#include <stddef.h>

#define VENDOR_SELFTEST                                                                            \
	"selftest/" // a folder in it: what a gateway tries an update with (docs/alerts.md)

// {"files": [{"name", "bytes", "sha256"}], "covers": {VIRUS ID: [SIGNATURE]}}; files by name, those of
// VENDOR_SELFTEST too. Those that begin with a dot are left out. Returns 0, or -errno with a text in why.
int vendor_catalogue_read(const char *folder, json_t **out, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

struct vendor_update {
	const char *version;
	const char *url;        // where its files lie; a slash is added when it has none at its end
	const char *delta_from; // the version that it adds to; NULL or "": it stands alone
};

// The body of an update to these files. Returns 0, -EINVAL with a text in why, or -ENOMEM.
int vendor_catalogue_update(const json_t *catalogue, const struct vendor_update *update,
	json_t **out, char *why, size_t why_bytes) __attribute__((warn_unused_result));
