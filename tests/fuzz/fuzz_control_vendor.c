// SPDX-License-Identifier: BSD-3-Clause
// What is asked of the vendor's REST interface, of a server with a database, keys and a root document. Nothing
// leaves it: vendor_send is this file's. Properties: every answer has a status, a body of an error says why,
// what has a body is JSON, a key that may only read changes nothing, and what is sent is signed by our key.
//
// The first byte chooses the method, the second the path, the third whose key; then a line with the query (and
// with the rest of the path, where it has one), then the body.
#include "control/envelope.h"
#include "control/vendor_registry.h"
#include "control/vendor_send.h"
#include "control/vendor_server.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 16384u
#define RUNS 512 // of one server
#define TEXT 64

enum { ROOT, ALERTS, UPDATES, CLEAR_A, CLEAR_B, KEYS };

static const char *const key_names[KEYS] = {"root", "alerts", "updates", "clear-a", "clear-b"};
static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD"};
// "*" is taken from the input.
static const char *const paths[] = {"/v1/status", "/v1/gateways", "/v1/gateways/*", "/v1/tokens",
	"/v1/enrol", "/v1/alerts", "/v1/alerts/*", "/v1/alerts/*/deliveries", "/v1/receipts",
	"/v1/catalogue", "/feed", "*"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct {
	char folder[TEXT];
	struct envelope_key keys[KEYS];
	struct vendor_server *server;
	char writer[REGISTRY_SECRET_BYTES];
	char reader[REGISTRY_SECRET_BYTES];
	unsigned int runs;
	uint64_t sent;
} lab;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

// ---- in the place of vendor_send.c --------------------------------------------------------------

int vendor_send_check(const json_t *channel, char *why, size_t why_bytes)
{
	if (json_is_string(json_object_get(channel, "kind")))
		return 0;
	(void)snprintf(why, why_bytes, "channels: no kind");
	return -EINVAL;
}

int vendor_send_open(const struct vendor_options *options, const struct vendor_sink *sink,
	struct vendor_send **out, char *error, size_t error_bytes)
{
	(void)options;
	(void)sink;
	(void)error;
	(void)error_bytes;
	*out = NULL;
	return 0;
}

void vendor_send_close(struct vendor_send *send)
{
	(void)send;
}

int vendor_send_try(struct vendor_send *send, const struct vendor_try *try)
{
	struct envelope *envelope = NULL;
	const char *why = "";

	(void)send;
	must(try->gateway[0] != '\0' && json_is_object(try->channel));
	must(envelope_parse(try->envelope, try->bytes, &envelope, &why) == 0);
	must(envelope_signers(envelope, lab.keys, KEYS) != 0);
	envelope_free(envelope);
	lab.sent++;
	return 0;
}

void vendor_send_publish(
	struct vendor_send *send, const struct queue_alert *const *open, size_t count)
{
	(void)send;
	for (size_t i = 0; i < count; i++)
		must(open[i] != NULL);
}

void vendor_send_turn(struct vendor_send *send)
{
	(void)send;
}

json_t *vendor_send_faults(const struct vendor_send *send)
{
	(void)send;
	return json_object();
}

// ---- a server -----------------------------------------------------------------------------------

static const char *in_folder(const char *name)
{
	static char path[2 * TEXT];

	(void)snprintf(path, sizeof(path), "%s/%s", lab.folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(in_folder(name), "we");

	must(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static const char *time_text(int64_t ahead_s)
{
	static char texts[4][32];
	static unsigned int next;
	time_t when = time(NULL) + (time_t)ahead_s;
	char *text = texts[next++ % 4];
	struct tm parts;

	must(gmtime_r(&when, &parts) != NULL);
	(void)strftime(text, sizeof(texts[0]), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

static json_t *role_of(int first, int last)
{
	json_t *keys = json_array();

	for (int i = first; i <= last; i++)
		(void)json_array_append_new(keys, json_string(lab.keys[i].id));
	return json_pack("{s:o, s:i}", "keys", keys, "threshold", last - first + 1);
}

// Keys of their own for each role; that of the second officer is not at hand.
static void write_root(void)
{
	struct envelope_signer *root = NULL;
	json_t *keys = json_object();
	json_t *document;
	char *payload;
	char *text = NULL;

	for (int i = 0; i < KEYS; i++) {
		struct envelope_signer *signer = NULL;

		must(envelope_signer_make(in_folder(key_names[i]), &signer) == 0);
		lab.keys[i] = *envelope_signer_key(signer);
		text = envelope_key_text(&lab.keys[i]);
		(void)json_object_set_new(keys, lab.keys[i].id, json_string(text));
		free(text);
		if (i == ROOT)
			root = signer;
		else
			envelope_signer_free(signer);
	}
	document =
		json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:{s:s, s:o, s:{s:o, s:o, s:o,"
			  " s:o}}}",
			"vendor", "acme", "role", "root", "epoch", 1, "sequence", 1, "issued",
			time_text(-1), "expires", time_text(864000), "target", "*", "type", "root",
			"root", "expires", time_text(8640000), "keys", keys, "roles", "root",
			role_of(ROOT, ROOT), "alerts", role_of(ALERTS, ALERTS), "updates",
			role_of(UPDATES, UPDATES), "all-clear", role_of(CLEAR_A, CLEAR_B));
	payload = json_dumps(document, JSON_COMPACT);
	must(payload != NULL &&
		envelope_sign(ENVELOPE_ALERT, payload, strlen(payload), &root, 1, &text) == 0);
	write_file("root.json", text);
	free(text);
	free(payload);
	json_decref(document);
	envelope_signer_free(root);
}

static void write_options(void)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		"state: %s/state\nroot: %s/root.json\nkeys: [%s/alerts, %s/updates, %s/clear-a]\n"
		"events: /dev/null\nheartbeat_seconds: 0\npublish:\n  folder: %s\n"
		"  url: http://files.example\n  signatures: %s/state\n",
		lab.folder, lab.folder, lab.folder, lab.folder, lab.folder, lab.folder, lab.folder);
	write_file("vendor.yaml", text);
}

static void remove_all(const char *folder)
{
	char path[1024];
	const struct dirent *entry;
	DIR *list = opendir(folder);

	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (list != NULL && (entry = readdir(list)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlink(path) != 0)
			remove_all(path);
	}
	if (list != NULL)
		(void)closedir(list);
	(void)rmdir(folder);
}

static void stop(void)
{
	if (lab.server == NULL)
		return;
	vendor_server_close(lab.server);
	free(lab.server);
	lab.server = NULL;
	remove_all(lab.folder);
}

static void start(void)
{
	static const char alert[] =
		"{\"type\": \"seal\", \"virus_id\": \"CV-1\", \"seal\": {\"mode\": "
		"\"hold\"}}";
	char digest[ENVELOPE_KEY_ID_BYTES] = "";
	char error[512] = "";
	json_t *order = json_loads(alert, 0, NULL);

	if (lab.folder[0] == '\0')
		(void)atexit(stop);
	stop();
	lab.runs = 0;
	// In memory where there is such a folder: nothing of it is worth a disk's time.
	(void)snprintf(lab.folder, sizeof(lab.folder), "%s/cordon-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(lab.folder) != NULL);
	write_root();
	write_options();
	lab.server = calloc(1, sizeof(*lab.server));
	must(lab.server != NULL &&
		vendor_options_load(in_folder("vendor.yaml"), &lab.server->options, stderr) == 0);
	if (vendor_server_open(lab.server, error, sizeof(error)) != 0) {
		(void)fprintf(stderr, "%s\n", error);
		abort();
	}
	must(registry_apikey_make(lab.server->database, "w", true, 1, lab.writer) == 0 &&
		registry_apikey_make(lab.server->database, "r", false, 1, lab.reader) == 0);
	must(vendor_server_make(lab.server, order, digest, error, sizeof(error)) == 201);
	json_decref(order);
}

// ---- requests -----------------------------------------------------------------------------------

static const char *make_path(uint8_t choice, const char *more)
{
	static char path[512];
	const char *pattern = paths[choice % COUNT(paths)];
	const char *star = strchr(pattern, '*');

	if (star == NULL)
		return pattern;
	(void)snprintf(
		path, sizeof(path), "%.*s%s%s", (int)(star - pattern), pattern, more, star + 1);
	return path;
}

// Of what is there; a reader's request must leave it as it is.
static uint64_t count_all(void)
{
	sqlite3_stmt *statement = database_prepare(lab.server->database,
		"SELECT (SELECT count(*) FROM gateway) + (SELECT count(*) FROM alert) * 1000"
		" + (SELECT count(*) FROM token) * 1000000",
		"");

	return (uint64_t)database_number(statement, -1);
}

static void check_reply(const struct web_request *request, struct web_reply *reply)
{
	json_t *body = reply->body != NULL ? json_loads(reply->body, JSON_DECODE_ANY, NULL) : NULL;

	must(reply->status >= 200 && reply->status < 600 && !reply->is_later && !reply->is_stream);
	must(reply->body == NULL || body != NULL || strcmp(request->path, "/feed") == 0);
	if (reply->status >= 400) {
		const char *why = json_string_value(json_object_get(body, "error"));

		must(why != NULL && why[0] != '\0');
	}
	must(reply->status != 405 || reply->allow != NULL);
	json_decref(body);
	free(reply->body);
	for (size_t i = 0; i < reply->headers_count; i++)
		free(reply->headers[i].value);
}

static void ask(const struct web_request *request, bool may_write)
{
	struct web_reply reply = {0};
	uint64_t before = count_all();
	bool is_open = strcmp(request->path, "/v1/enrol") == 0 ||
		       strcmp(request->path, "/v1/receipts") == 0;

	vendor_api_answer(lab.server, request, &reply);
	if (!may_write && !is_open)
		must(count_all() == before &&
			(strcmp(request->method, "GET") == 0 || reply.status >= 400));
	check_reply(request, &reply);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char query[256] = "";
	const uint8_t *line;
	size_t bytes;
	char *body;
	struct web_request request = {.query = query,
		.bearer = "",
		.cookie = "",
		.csrf = "",
		.etag = "",
		.accept = "",
		.prefer = query,
		.peer = "192.0.2.1"};

	if (n < 4 || n > MOST)
		return 0;
	if (lab.server == NULL || ++lab.runs >= RUNS)
		start();
	line = memchr(data + 3, '\n', n - 3);
	bytes = line != NULL ? (size_t)(line - data) - 3 : 0;
	(void)snprintf(query, sizeof(query), "%.*s", (int)(bytes < 255 ? bytes : 255),
		(const char *)data + 3);
	bytes = line != NULL ? (size_t)(data + n - line) - 1 : n - 3;
	body = g_strndup((const char *)(data + n - bytes), bytes);
	request.method = methods[data[0] % COUNT(methods)];
	request.path = make_path(data[1], query);
	if (data[2] % 4 < 2)
		request.bearer = data[2] % 4 == 0 ? lab.writer : lab.reader;
	request.body = body;
	request.bytes = bytes;
	ask(&request, data[2] % 4 == 0);
	g_free(body);
	return 0;
}
