// SPDX-License-Identifier: BSD-3-Clause
// What the gateway has to tell somebody, on disk until it was told: a file for each notice in a folder of the
// control process's own. One is known by its key: it is never put in twice, also not after it was sent.
//
// Notices are JSON and hold no text of any mail: what goes back to a sender is read from the buffer when
// the notice is written out.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_KEY_BYTES 96

struct outbox;

// Makes the folder where it is missing. Returns 0 or -errno.
int outbox_open(const char *folder, struct outbox **out) __attribute__((warn_unused_result));
void outbox_close(struct outbox *outbox);
// key: letters, digits, "-", "_" and "."; about is borrowed. Returns 0 when it is durable, -EEXIST when
// there is one of this key or was one, or -errno.
int outbox_put(struct outbox *outbox, const char *key, const json_t *about)
	__attribute__((warn_unused_result));
// It was told, or never can be: only its key is left. Returns 0 or -errno.
int outbox_finish(struct outbox *outbox, const char *key) __attribute__((warn_unused_result));
// It was not meant: as if it had never been put in. Returns 0, or -errno: it is there still.
int outbox_withdraw(struct outbox *outbox, const char *key) __attribute__((warn_unused_result));

typedef bool (*outbox_needs_fn)(void *ctx, const char *key);
// Forgets keys of what was finished before this moment and is not needed any more.
void outbox_forget(struct outbox *outbox, int64_t before_s, outbox_needs_fn needs, void *ctx);

typedef void (*outbox_fn)(void *ctx, const char *key, const json_t *about);
// Shows each that is not finished, in the order of their keys. What cannot be read is left where it is, and
// shown with about NULL. Returns 0 or -errno.
int outbox_each(struct outbox *outbox, outbox_fn show, void *ctx)
	__attribute__((warn_unused_result));
