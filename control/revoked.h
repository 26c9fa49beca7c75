// SPDX-License-Identifier: BSD-3-Clause
// What the vendor has taken back: names of signatures and digests of objects that hit clean mail. They are
// kept as signature files (.ign2, .fp, .sfp) in a folder of their own, which is compiled in with the others.
#pragma once

#include <jansson.h>

#include <stddef.h>

// Adds what a revoke alert's body names; what is there already is not added again. Durable when it returns
// 0; -EINVAL with a text in why: then nothing was added; or -errno.
int revoked_add(const char *folder, const json_t *body, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// Takes out what it names, as far as it is there; as above.
int revoked_remove(const char *folder, const json_t *body, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// That what it names can be written down; the same without doing it.
int revoked_check(const json_t *body, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
