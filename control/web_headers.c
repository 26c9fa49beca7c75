// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_headers.h"

#include <glib.h>

#include <string.h>

const char *web_headers_method(struct lws *wsi)
{
	static const struct {
		enum lws_token_indexes token;
		const char *name;
	} methods[] = {{WSI_TOKEN_GET_URI, "GET"}, {WSI_TOKEN_POST_URI, "POST"},
		{WSI_TOKEN_PUT_URI, "PUT"}, {WSI_TOKEN_DELETE_URI, "DELETE"},
		{WSI_TOKEN_HEAD_URI, "HEAD"}};

	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
		if (lws_hdr_total_length(wsi, methods[i].token) > 0)
			return methods[i].name;
	}
	return "?";
}

void web_headers_copy(struct lws *wsi, enum lws_token_indexes token, char *out, size_t room)
{
	if (lws_hdr_copy(wsi, out, (int)room, token) < 0)
		out[0] = '\0';
}

void web_headers_copy_named(struct lws *wsi, const char *name, char *out, size_t room)
{
	if (lws_hdr_custom_copy(wsi, out, (int)room, name, (int)strlen(name)) < 0)
		out[0] = '\0';
}

void web_headers_query(struct lws *wsi, char *out, size_t room)
{
	size_t at = 0;

	// lws keeps the parts of a query apart.
	for (int i = 0; at < room - 2; i++) {
		int n = lws_hdr_copy_fragment(wsi, out + at + (at > 0 ? 1 : 0),
			(int)(room - at - 2), WSI_TOKEN_HTTP_URI_ARGS, i);

		if (n <= 0)
			break;
		if (at > 0)
			out[at++] = '&';
		at += (size_t)n;
	}
	out[at] = '\0';
}
