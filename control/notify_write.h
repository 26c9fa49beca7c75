// SPDX-License-Identifier: BSD-3-Clause
// A notice of the outbox as the mail that goes out.
#pragma once

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

struct control;

// about: {"kind", "to", "host", "port", "begun", and either "subject" and "text", or "id" and "dsn"}; key: its
// own, of which the Message-ID is made. Returns what the caller frees, or NULL: there is nothing to tell, or
// no memory.
uint8_t *notify_write(
	const struct control *control, const char *key, const json_t *about, size_t *bytes);
