// SPDX-License-Identifier: BSD-3-Clause
// Strict reading of an alert's members, from inside: see alert.h.
#pragma once

#include <jansson.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

// The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6).
#define ALERT_NUMBER_MOST ((UINT64_C(1) << 53) - 1)
#define ALERT_LIST_MOST 4096
#define ALERT_SCREEN_MOST 100000 // entries of one alert; lists add up
#define ALERT_SELFTEST                                                                             \
	"selftest/" // begins the names of an update's files that its rules are tried on

struct alert_reader {
	char *error;
	size_t error_bytes;
};

// All return 0, or -EINVAL with a text in the reader's error.
int alert_refuse(const struct alert_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
// A text of 1 to most bytes without control characters; borrowed.
int alert_text(const struct alert_reader *reader, const json_t *object, const char *name,
	size_t most, const char **out) __attribute__((warn_unused_result));
int alert_number(const struct alert_reader *reader, const json_t *object, const char *name,
	uint64_t least, uint64_t most, uint64_t *out) __attribute__((warn_unused_result));
// That it is an object with no members but these; names ends with NULL.
int alert_only(const struct alert_reader *reader, const json_t *object, const char *what,
	const char *const *names) __attribute__((warn_unused_result));

int alert_check_seal(const struct alert_reader *reader, const json_t *body)
	__attribute__((warn_unused_result));
int alert_check_screen(const struct alert_reader *reader, const json_t *body)
	__attribute__((warn_unused_result));
int alert_check_update(const struct alert_reader *reader, const json_t *body)
	__attribute__((warn_unused_result));
int alert_check_revoke(const struct alert_reader *reader, const json_t *body)
	__attribute__((warn_unused_result));
