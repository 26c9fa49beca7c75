// SPDX-License-Identifier: BSD-3-Clause
// One message to a server that says what the test wants it to say.
#include "control/deliver.h"
#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "Subject: test\r\n\r\n"
#define TRACE "Received: from here\r\n"
#define MOST_BYTES 65536

// What it says to each command, and what it was sent. It ends a body where RFC 5321 does.
struct server {
	const char *keywords; // lines of the reply to EHLO but the first and the last
	const char *mail;     // replies; NULL: 250
	const char *rcpt;
	const char *data;
	const char *taken;
	int listener;
	int peer;
	char commands[4096];
	char body[MOST_BYTES];
	size_t body_bytes;
	bool was_chunk;
	char pending[MOST_BYTES];
	size_t pending_bytes;
};

static bool more(struct server *server)
{
	ssize_t n = read(server->peer, server->pending + server->pending_bytes,
		sizeof(server->pending) - server->pending_bytes);

	server->pending_bytes += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void take(struct server *server, size_t n)
{
	server->pending_bytes -= n;
	memmove(server->pending, server->pending + n, server->pending_bytes);
}

static void say(const struct server *server, const char *reply)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s\r\n", reply);

	(void)send(server->peer, line, (size_t)n, MSG_NOSIGNAL);
}

static void take_data(struct server *server)
{
	static const char end[] = "\r\n.\r\n";
	const char *at;

	while ((at = memmem(server->pending, server->pending_bytes, end, strlen(end))) == NULL) {
		if (!more(server))
			return;
	}
	server->body_bytes = (size_t)(at - server->pending) + 2;
	memcpy(server->body, server->pending, server->body_bytes);
	take(server, server->body_bytes + 3);
}

static void take_chunk(struct server *server, size_t n)
{
	while (server->pending_bytes < n && more(server))
		continue;
	memcpy(server->body, server->pending, n);
	server->body_bytes = n;
	server->was_chunk = true;
	take(server, n);
}

static const char *or_ok(const char *reply)
{
	return reply != NULL ? reply : "250 2.0.0 ok";
}

static void answer(struct server *server, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0) {
		say(server, "250-server.example");
		if (server->keywords[0] != '\0')
			say(server, server->keywords);
		say(server, "250 HELP");
	} else if (strncasecmp(line, "MAIL", 4) == 0) {
		say(server, or_ok(server->mail));
	} else if (strncasecmp(line, "RCPT", 4) == 0) {
		say(server, or_ok(server->rcpt));
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		say(server, server->data != NULL ? server->data : "354 go on");
		if (server->data != NULL)
			return;
		take_data(server);
		say(server, or_ok(server->taken));
	} else if (strncasecmp(line, "BDAT", 4) == 0) {
		take_chunk(server, strtoul(line + 5, NULL, 10));
		say(server, or_ok(server->taken));
	} else {
		say(server, "221 2.0.0 bye");
	}
}

// The next command, without its end. False: there is none.
static bool read_line(struct server *server, char *line, size_t room)
{
	size_t n = 0;

	while (n == server->pending_bytes || server->pending[n] != '\n') {
		if (n < server->pending_bytes)
			n++;
		else if (!more(server))
			return false;
	}
	(void)snprintf(line, room, "%.*s", (int)n - 1, server->pending);
	take(server, n + 1);
	return true;
}

static void *serve(void *ctx)
{
	struct server *server = ctx;
	char line[1024] = "";
	int used = 0;

	server->peer = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	say(server, "220 server.example ESMTP");
	while (strncasecmp(line, "QUIT", 4) != 0 && read_line(server, line, sizeof(line))) {
		used += snprintf(server->commands + used, sizeof(server->commands) - (size_t)used,
			"%s\n", line);
		answer(server, line);
	}
	(void)close(server->peer);
	return NULL;
}

static struct deliver_recipient recipient;
static bool is_down;

// Delivers this body behind HEAD, and fills in what the server got.
static void deliver(struct server *server, const char *params, const void *body, size_t bytes)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(address);
	char data[MOST_BYTES / 2] = HEAD;
	struct deliver deliver = {
		.host = "127.0.0.1",
		.seconds = 20,
		.mail_from = "a@a.example",
		.mail_params = params,
		.recipients = &recipient,
		.recipients_count = 1,
		.trace = TRACE,
		.data = (const uint8_t *)data,
		.bytes = strlen(HEAD) + bytes,
	};
	pthread_t thread;

	assert_true(deliver.bytes <= sizeof(data));
	memcpy(data + strlen(HEAD), body, bytes);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(server->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &n), 0);
	deliver.port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
	recipient = (struct deliver_recipient){.address = "b@b.example", .params = ""};
	deliver_run(&deliver);
	is_down = deliver.is_down;
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(server->listener);
}

static void expect_body(const struct server *server, const void *body, size_t bytes)
{
	size_t before = strlen(TRACE HEAD);

	assert_int_equal(server->body_bytes, before + bytes);
	assert_memory_equal(server->body, TRACE HEAD, before);
	assert_memory_equal(server->body + before, body, bytes);
}

#define MIB "250-8BITMIME"
#define ALL "250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SIZE"

static void what_has_lines_goes_by_data(void **state)
{
	static const char body[] = "one\r\n.\r\n..two\r\n\r\n";
	static const char stuffed[] = "one\r\n..\r\n...two\r\n\r\n";
	struct server server = {.keywords = ALL};

	(void)state;
	deliver(&server, "BODY=8BITMIME SIZE=7", body, strlen(body));
	assert_int_equal(recipient.outcome, DELIVER_DONE);
	assert_false(server.was_chunk);
	expect_body(&server, stuffed, strlen(stuffed));
	assert_non_null(strstr(server.commands, "BODY=8BITMIME\n"));
}

struct odd {
	const char *body;
	size_t bytes;
};

#define ODD(text)                                                                                  \
	{                                                                                          \
		(text), sizeof(text) - 1                                                           \
	}

// Servers take several of these for the end of data, and go on with commands.
static const struct odd odd[] = {
	ODD("one\n.\nMAIL FROM:<x@x>\r\n"),
	ODD("one\n.\r\nMAIL FROM:<x@x>\r\n"),
	ODD("one\r\n.\nMAIL FROM:<x@x>\r\n"),
	ODD("one\r.\rMAIL FROM:<x@x>\r\n"),
	ODD("one\r.\r\nMAIL FROM:<x@x>\r\n"),
	ODD("one\r\r\n.\r\r\nMAIL FROM:<x@x>\r\n"),
	ODD("one\n\r.\r\nMAIL FROM:<x@x>\r\n"),
	ODD("one\r\0\n.\r\nMAIL FROM:<x@x>\r\n"),
	ODD("one\n\0.\r\nMAIL FROM:<x@x>\r\n"),
	ODD("no end"),
	ODD("half an end\r"),
	ODD("half an end\n"),
	ODD("text\r\n."),
};

static void what_has_none_goes_as_a_chunk_byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct server server = {.keywords = ALL};

		deliver(&server, "", odd[i].body, odd[i].bytes);
		assert_int_equal(recipient.outcome, DELIVER_DONE);
		assert_true(server.was_chunk);
		expect_body(&server, odd[i].body, odd[i].bytes);
	}
}

static void without_chunks_no_server_sees_an_end_in_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct server server = {.keywords = MIB};

		deliver(&server, "", odd[i].body, odd[i].bytes);
		assert_int_equal(recipient.outcome, DELIVER_DONE);
		assert_false(server.was_chunk);
		for (size_t at = 1; at + 1 < server.body_bytes; at++) {
			bool begins = strchr("\r\n", server.body[at - 1]) != NULL;

			if (begins && server.body[at] == '.')
				assert_int_equal(server.body[++at], '.');
		}
	}
}

static void binary_mail_goes_to_who_takes_it(void **state)
{
	static const char binary[] = "a\0b\n\r.";
	static const char text[] = "text\r\n";
	struct server takes = {.keywords = ALL};
	struct server refuses = {.keywords = MIB};
	struct server reads = {.keywords = MIB};

	(void)state;
	deliver(&takes, "BODY=BINARYMIME", binary, sizeof(binary) - 1);
	assert_int_equal(recipient.outcome, DELIVER_DONE);
	assert_non_null(strstr(takes.commands, " BODY=BINARYMIME\n"));
	expect_body(&takes, binary, sizeof(binary) - 1);

	deliver(&refuses, "BODY=BINARYMIME", binary, sizeof(binary) - 1);
	assert_int_equal(recipient.outcome, DELIVER_NEVER);
	assert_int_equal(refuses.body_bytes, 0);

	deliver(&reads, "BODY=BINARYMIME", text, strlen(text));
	assert_int_equal(recipient.outcome, DELIVER_DONE);
	assert_null(strstr(reads.commands, "BINARYMIME"));
	expect_body(&reads, text, strlen(text));
}

// A mail that nobody has taken is not thrown away.
static void only_what_was_taken_is_done(void **state)
{
	static const struct {
		struct server server;
		enum deliver_outcome outcome;
	} cases[] = {
		{{.keywords = MIB, .mail = "354 what?"}, DELIVER_LATER},
		{{.keywords = MIB, .rcpt = "354 what?"}, DELIVER_LATER},
		{{.keywords = MIB, .data = "250 already"}, DELIVER_LATER},
		{{.keywords = MIB, .taken = "354 what?"}, DELIVER_LATER},
		{{.keywords = MIB, .taken = "what?"}, DELIVER_LATER},
		{{.keywords = MIB, .taken = "451 later"}, DELIVER_LATER},
		{{.keywords = MIB, .taken = "554 never"}, DELIVER_NEVER},
		{{.keywords = MIB, .data = "503 no"}, DELIVER_NEVER},
		{{.keywords = MIB, .rcpt = "452 too many"}, DELIVER_LATER},
		{{.keywords = MIB, .rcpt = "251 forwarded"}, DELIVER_DONE},
	};
	static struct server server;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server = cases[i].server;
		deliver(&server, "", "text\r\n", 6);
		assert_int_equal(recipient.outcome, cases[i].outcome);
	}
}

static void a_server_that_is_down_is_told_from_a_mail_that_is_put_off(void **state)
{
	static const struct {
		struct server server;
		bool is_down;
	} cases[] = {
		{{.keywords = MIB, .mail = "421 4.3.2 closing"}, true},
		{{.keywords = MIB, .rcpt = "421 closing"}, true},
		{{.keywords = MIB, .taken = "421 4.7.0 closing"}, true},
		{{.keywords = MIB, .mail = "452 4.3.1 disk is full"}, true},
		{{.keywords = MIB, .mail = "451 4.7.1 greylisted"}, false},
		{{.keywords = MIB, .rcpt = "450 4.2.0 greylisted"}, false},
		{{.keywords = MIB, .rcpt = "452 4.2.2 mailbox is full"}, false},
		{{.keywords = MIB, .data = "451 later"}, false},
		{{.keywords = MIB, .taken = "451 4.3.0 later"}, false},
		{{.keywords = MIB}, false},
	};
	static struct server server;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server = cases[i].server;
		deliver(&server, "", "text\r\n", 6);
		assert_int_equal(is_down, cases[i].is_down);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_lines_goes_by_data),
		cmocka_unit_test(what_has_none_goes_as_a_chunk_byte_for_byte),
		cmocka_unit_test(without_chunks_no_server_sees_an_end_in_it),
		cmocka_unit_test(binary_mail_goes_to_who_takes_it),
		cmocka_unit_test(only_what_was_taken_is_done),
		cmocka_unit_test(a_server_that_is_down_is_told_from_a_mail_that_is_put_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
