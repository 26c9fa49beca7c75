// SPDX-License-Identifier: BSD-3-Clause
// Whether a pattern is in the text that a mail shows: what decides a seal whose scope names one.
//
// The pattern is a text, looked for in any case and with any white space for a blank of it, or a regular
// expression of PCRE2 between slashes, with i, m, s and x behind the last one: "/invoice +[0-9]{6}/i". It is
// looked for in every part that is text, decoded, in UTF-8: in HTML as it is written, and as it is read.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body;

// Returns 0, or -EINVAL with a text in error.
int body_check(const char *pattern, char *error, size_t error_bytes) SCAN_MUST_USE;

// The texts of a message; result: of its scan, with DIGEST_SHA256. Where GMime reads other parts in it than
// the scanner, or none, it is not known what a reader sees. Returns NULL without memory.
struct body *body_new(const uint8_t *data, size_t bytes, const struct scan_result *result);
void body_free(struct body *body);
// 1: it is in there, 0: it is not, -1: that cannot be told. As of seal_mail.body; ctx is a struct body.
int body_has(void *ctx, const char *pattern);
