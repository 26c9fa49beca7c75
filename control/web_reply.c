// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_server.h"

#include <glib.h>
#include <jansson.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void web_reply_header(struct web_reply *reply, const char *name, const char *format, ...)
{
	va_list values;

	if (reply->headers_count == WEB_HEADERS_MOST)
		return;
	va_start(values, format);
	reply->headers[reply->headers_count].name = name;
	reply->headers[reply->headers_count].value = g_strdup_vprintf(format, values);
	reply->headers_count++;
	va_end(values);
}

bool web_reply_has(const struct web_reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->headers_count; i++) {
		if (strcmp(reply->headers[i].name, name) == 0)
			return true;
	}
	return false;
}

void web_reply_error(struct web_reply *reply, unsigned int status, const char *text)
{
	json_t *error = json_pack("{s:s}", "error", text);

	reply->status = status;
	reply->body = json_dumps(error, JSON_COMPACT);
	json_decref(error);
}

void web_reply_fini(struct web_reply *reply)
{
	for (size_t i = 0; i < reply->headers_count; i++)
		g_free(reply->headers[i].value);
	free(reply->body);
	memset(reply, 0, sizeof(*reply));
}
