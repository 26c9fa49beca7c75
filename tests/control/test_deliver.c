// SPDX-License-Identifier: BSD-3-Clause
// One message to a server that says what the test wants it to say.
#include "control/deliver.h"
#include "control/deliver_link.h"
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
	deliver_run(&deliver, NULL);
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

// ---- several over one connection ----------------------------------------------------------------

// Serves several connections, one after the other, and says what the table says to the nth mail of all.
struct talk {
	struct server server;
	int listener;
	int connections;  // that were made
	int closes_after; // so many mails of a connection; 0: never
	int mails;
};

static void *serve_several(void *ctx)
{
	struct talk *talk = ctx;
	struct server *server = &talk->server;
	char line[1024];

	while ((server->peer = accept4(talk->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		int used = 0;

		talk->connections++;
		server->pending_bytes = 0;
		say(server, "220 server.example ESMTP");
		while (read_line(server, line, sizeof(line))) {
			size_t n = strlen(server->commands);

			(void)snprintf(
				server->commands + n, sizeof(server->commands) - n, "%s\n", line);
			if (strcmp(line, "RSET") == 0)
				say(server, "250 forgotten");
			else
				answer(server, line);
			if (strcmp(line, "QUIT") == 0)
				break;
			if (strcmp(line, "DATA") != 0)
				continue;
			talk->mails++;
			if (++used == talk->closes_after)
				break;
		}
		(void)close(server->peer);
	}
	return NULL;
}

struct wish {
	const char *addresses[3];
	enum deliver_outcome outcomes[3];
	bool is_down;
};

// Delivers these mails through one link; how is set before, and says afterwards what came of it.
static void deliver_several(struct talk *talk, struct wish *wishes, size_t count)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct deliver_link *link = deliver_link_new();
	socklen_t n = sizeof(address);
	pthread_t thread;

	assert_non_null(link);
	talk->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(talk->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(talk->listener, 5), 0);
	assert_int_equal(getsockname(talk->listener, (struct sockaddr *)&address, &n), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve_several, talk), 0);
	for (size_t i = 0; i < count; i++) {
		struct deliver_recipient recipients[3] = {0};
		struct deliver deliver = {.host = "127.0.0.1",
			.port = ntohs(address.sin_port),
			.seconds = 20,
			.mail_from = "a@a.example",
			.mail_params = "",
			.recipients = recipients,
			.trace = TRACE,
			.data = (const uint8_t *)HEAD,
			.bytes = strlen(HEAD)};

		while (deliver.recipients_count < 3 &&
			wishes[i].addresses[deliver.recipients_count] != NULL) {
			recipients[deliver.recipients_count] = (struct deliver_recipient){
				.address = wishes[i].addresses[deliver.recipients_count],
				.params = ""};
			deliver.recipients_count++;
		}
		deliver_run(&deliver, link);
		for (size_t r = 0; r < deliver.recipients_count; r++)
			wishes[i].outcomes[r] = recipients[r].outcome;
		wishes[i].is_down = deliver.is_down;
	}
	deliver_link_free(link);
	(void)shutdown(talk->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(talk->listener);
}

static void several_mails_go_over_one_connection(void **state)
{
	static const char *const keywords[] = {MIB, MIB "\r\n250-PIPELINING"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		static struct talk talk;
		struct wish wishes[] = {{.addresses = {"b@b"}}, {.addresses = {"c@b", "d@b"}},
			{.addresses = {"e@b", "f@b", "g@b"}}};

		talk = (struct talk){.server = {.keywords = keywords[i]}};
		deliver_several(&talk, wishes, 3);
		assert_int_equal(talk.connections, 1);
		assert_int_equal(talk.mails, 3);
		assert_int_equal(wishes[0].outcomes[0], DELIVER_DONE);
		assert_int_equal(wishes[1].outcomes[1], DELIVER_DONE);
		assert_int_equal(wishes[2].outcomes[2], DELIVER_DONE);
		assert_null(strstr(talk.server.commands, "RSET"));
		assert_non_null(strstr(talk.server.commands, "QUIT"));
	}
}

static void servers_end_connections_as_they_like(void **state)
{
	static struct talk talk;
	struct wish wishes[4] = {0};

	(void)state;
	talk = (struct talk){.server = {.keywords = MIB "\r\n250-PIPELINING"}, .closes_after = 1};
	for (size_t i = 0; i < 4; i++)
		wishes[i].addresses[0] = "b@b";
	deliver_several(&talk, wishes, 4);
	assert_int_equal(talk.connections, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(wishes[i].outcomes[0], DELIVER_DONE);
		assert_false(wishes[i].is_down);
	}
}

// An answer to nothing would be taken for the one to the next command.
static void what_a_server_says_unasked_ends_the_connection(void **state)
{
	static struct talk talk;
	struct wish wishes[3] = {0};

	(void)state;
	talk = (struct talk){.server = {.keywords = ALL, .taken = "250 ok\r\n250 and more"}};
	for (size_t i = 0; i < 3; i++)
		wishes[i].addresses[0] = "b@b";
	deliver_several(&talk, wishes, 3);
	assert_int_equal(talk.mails, 3);
	assert_int_equal(talk.connections, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(wishes[i].outcomes[0], DELIVER_DONE);
}

static void what_was_refused_is_forgotten_before_the_next(void **state)
{
	static const struct {
		struct server server;
		enum deliver_outcome outcome;
	} cases[] = {
		{{.keywords = MIB, .mail = "550 no"}, DELIVER_NEVER},
		{{.keywords = MIB "\r\n250-PIPELINING", .mail = "451 no"}, DELIVER_LATER},
		{{.keywords = MIB "\r\n250-PIPELINING", .rcpt = "550 no"}, DELIVER_NEVER},
		{{.keywords = MIB, .data = "451 no"}, DELIVER_LATER},
		{{.keywords = MIB, .taken = "554 no"}, DELIVER_NEVER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct talk talk;
		struct wish wishes[] = {{.addresses = {"b@b", "c@b"}}, {.addresses = {"b@b"}}};

		talk = (struct talk){.server = cases[i].server};
		deliver_several(&talk, wishes, 2);
		assert_int_equal(talk.connections, 1);
		assert_int_equal(wishes[0].outcomes[0], cases[i].outcome);
		assert_int_equal(wishes[0].outcomes[1], cases[i].outcome);
		assert_int_equal(wishes[1].outcomes[0], cases[i].outcome);
		assert_false(wishes[1].is_down);
		assert_non_null(strstr(talk.server.commands, "RSET\nMAIL"));
	}
}

static void an_outage_that_a_new_connection_meets_too_is_one(void **state)
{
	static struct talk talk;
	struct wish wishes[] = {{.addresses = {"b@b"}}, {.addresses = {"b@b"}}};

	(void)state;
	talk = (struct talk){.server = {.keywords = MIB, .mail = "421 4.3.2 closing"}};
	deliver_several(&talk, wishes, 2);
	assert_int_equal(talk.connections, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(wishes[i].is_down);
		assert_int_equal(wishes[i].outcomes[0], DELIVER_LATER);
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
		cmocka_unit_test(several_mails_go_over_one_connection),
		cmocka_unit_test(servers_end_connections_as_they_like),
		cmocka_unit_test(what_a_server_says_unasked_ends_the_connection),
		cmocka_unit_test(what_was_refused_is_forgotten_before_the_next),
		cmocka_unit_test(an_outage_that_a_new_connection_meets_too_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
