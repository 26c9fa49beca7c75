// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_pages.h"

#include "control/clock.h"
#include "control/control_events.h"
#include "control/durable.h"

#include <glib.h>
#include <openssl/crypto.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 1024u
#define SESSION_PATH "/api/session"
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "          \
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "        \
	"frame-src 'none'"

void web_pages_protect(const struct web_pages *pages, struct web_reply *reply)
{
	web_reply_header(reply, "content-security-policy:", "%s", POLICY);
	web_reply_header(reply, "referrer-policy:", "no-referrer");
	web_reply_header(reply, "x-frame-options:", "DENY");
	web_reply_header(reply, "cross-origin-opener-policy:", "same-origin");
	if (pages->is_secure)
		web_reply_header(reply, "strict-transport-security:", "max-age=31536000");
}

const struct web_session *web_pages_session(
	struct web_pages *pages, const struct web_request *request, struct web_reply *reply)
{
	const struct web_session *session =
		pages->login != NULL ? web_login_find(pages->login, request, control_steady_ns())
				     : NULL;

	if (session == NULL)
		web_reply_error(reply, 401, "nobody is logged in");
	return session;
}

static void take_session(
	struct web_pages *pages, const struct web_request *request, struct web_reply *reply)
{
	const struct web_session *session;

	if (pages->login == NULL) {
		web_reply_error(reply, 404, "no users are configured (web.users)");
	} else if (strcmp(request->method, "POST") == 0) {
		web_login_take(pages->login, pages->server, request, reply);
	} else if (strcmp(request->method, "DELETE") == 0) {
		web_login_end(pages->login, request, reply);
		web_server_end_streams(pages->server, web_login_is_open, pages->login);
	} else if (strcmp(request->method, "GET") == 0) {
		session = web_login_find(pages->login, request, control_steady_ns());
		if (session != NULL) {
			web_login_show(session, reply);
		} else {
			reply->status = 200;
			reply->body = strdup("{\"user\":null}");
		}
	} else {
		web_reply_error(reply, 405, "POST, GET or DELETE");
		reply->allow = "POST, GET, DELETE";
	}
}

static const struct web_file *find_file(const struct web_file *files, const char *path)
{
	if (strcmp(path, "/") == 0)
		path = "/index.html";
	for (; files->path != NULL; files++) {
		if (strcmp(files->path, path) == 0)
			return files;
	}
	return NULL;
}

static void give_file(const struct web_pages *pages, const struct web_file *file,
	const struct web_request *request, struct web_reply *reply)
{
	web_pages_protect(pages, reply);
	web_reply_header(reply, "cache-control:", "no-cache");
	reply->etag = file->etag;
	if (strcmp(request->etag, file->etag) == 0) {
		reply->status = 304;
		return;
	}
	reply->status = 200;
	reply->type = file->type;
	reply->body = malloc(file->bytes + 1);
	if (reply->body == NULL) {
		reply->status = 503;
		return;
	}
	memcpy(reply->body, file->data, file->bytes);
	reply->bytes = file->bytes;
}

bool web_pages_take(
	struct web_pages *pages, const struct web_request *request, struct web_reply *reply)
{
	bool is_get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	const struct web_file *file;

	if (strcmp(request->path, SESSION_PATH) == 0) {
		take_session(pages, request, reply);
		return true;
	}
	file = is_get && pages->login != NULL ? find_file(pages->files, request->path) : NULL;
	if (file == NULL)
		return false;
	give_file(pages, file, request, reply);
	return true;
}

// ---- metrics ------------------------------------------------------------------------------------

int web_pages_read_key(struct web_pages *pages, const char *path, char *error, size_t error_bytes)
{
	char *text = NULL;
	size_t bytes;
	int err = 0;

	if (path[0] != '\0')
		err = durable_read(path, KEY_BYTES, &text, &bytes);
	pages->metrics_key = g_strdup(text != NULL ? g_strstrip(text) : "");
	free(text);
	if (err == 0 && path[0] != '\0' && pages->metrics_key[0] == '\0')
		err = -EINVAL;
	if (err != 0)
		(void)snprintf(error, error_bytes, "web.metrics_key: %s: %s", path,
			err == -EINVAL ? "is empty" : g_strerror(-err));
	return err;
}

bool web_pages_may_measure(
	const struct web_pages *pages, const struct web_request *request, struct web_reply *reply)
{
	size_t n = strlen(pages->metrics_key);

	if (n == 0 || (strlen(request->bearer) == n &&
			      CRYPTO_memcmp(request->bearer, pages->metrics_key, n) == 0))
		return true;
	web_reply_error(reply, 401, "needs the token of web.metrics_key");
	return false;
}

void web_pages_close(struct web_pages *pages)
{
	web_login_close(pages->login);
	web_server_close(pages->server);
	g_free(pages->metrics_key);
	*pages = (struct web_pages){0};
}
