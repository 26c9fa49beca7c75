// SPDX-License-Identifier: BSD-3-Clause
// The head of a request, as texts.
#pragma once

#include <libwebsockets.h>

#include <stddef.h>

// "?": one that is not known.
const char *web_headers_method(struct lws *wsi);
// The value of a header, or "" where it is longer than its room.
void web_headers_copy(struct lws *wsi, enum lws_token_indexes token, char *out, size_t room);
// Of a header that lws has no token for; name is in small letters and ends in a colon.
void web_headers_copy_named(struct lws *wsi, const char *name, char *out, size_t room);
// What stands behind the question mark, as much as there is room for.
void web_headers_query(struct lws *wsi, char *out, size_t room);
