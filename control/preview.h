// SPDX-License-Identifier: BSD-3-Clause
// What a mail says, as plain text for people who have to decide on it: nothing of it is ever shown as what it
// claims to be. HTML comes as its source.
#pragma once

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

// {"parts": [{"type", "name", "bytes", "attached", "sha256", "text", "cut"}], "cut": bool}: leaves in the order of
// the message. text: of what is text by its bytes, valid UTF-8; null of anything else. cut: there is more of it.
// NULL: the message cannot be taken apart.
json_t *preview_new(const uint8_t *data, size_t bytes);
