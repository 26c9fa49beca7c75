// SPDX-License-Identifier: BSD-3-Clause
// Files that are written into text, where a mail reader shows or unpacks them although no part of the message is
// one: data: URLs (RFC 2397) in HTML, however they are spelt, and blocks that readers decode and no scan of the
// text sees through (yEnc, encrypted PGP).
//
// What a page's script would put together is not looked for: mail readers run none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// In the decoded text of an HTML part.
bool rebuild_embed_in_html(const uint8_t *data, size_t bytes);
// In any decoded text.
bool rebuild_embed_in_text(const uint8_t *data, size_t bytes);
// Whether text of this charset can be looked at as it is: its ASCII is ASCII.
bool rebuild_embed_can_read(const char *charset);
