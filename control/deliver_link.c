// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver_link.h"

#include "control/deliver_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct deliver_link *deliver_link_new(void)
{
	return calloc(1, sizeof(struct deliver_link));
}

void deliver_link_drop(struct deliver_link *link)
{
	if (link->smtp != NULL) {
		// Of a stream that is there the library would take its leave, and wait.
		if (link->smtp->stream != NULL)
			(void)mailstream_close(link->smtp->stream);
		link->smtp->stream = NULL;
		mailsmtp_free(link->smtp);
	}
	link->smtp = NULL;
	link->mails = 0;
	link->is_dirty = false;
}

void deliver_link_free(struct deliver_link *link)
{
	static const char quit[] = "QUIT\r\n";

	if (link == NULL)
		return;
	if (link->smtp != NULL && link->smtp->stream != NULL) {
		deliver_stream_commit(link->smtp->stream, true);
		if (mailstream_write(link->smtp->stream, quit, strlen(quit)) ==
			(ssize_t)strlen(quit))
			(void)mailstream_flush(link->smtp->stream);
	}
	deliver_link_drop(link);
	free(link);
}

static int descriptor_of(const mailsmtp *smtp)
{
	return mailstream_low_get_fd(mailstream_get_low(smtp->stream));
}

static bool is_silent(const mailsmtp *smtp)
{
	struct pollfd look = {.fd = descriptor_of(smtp), .events = POLLIN};

	return smtp->stream->read_buffer_len == 0 && poll(&look, 1, 0) == 0;
}

bool deliver_link_is_ready(const struct deliver_link *link, const char *host, uint16_t port)
{
	return link->smtp != NULL && link->smtp->stream != NULL && link->port == port &&
	       strcmp(link->host, host) == 0 && is_silent(link->smtp);
}

// A server may know no extensions at all (RFC 5321 section 3.2).
static int say_hello(mailsmtp *smtp)
{
	int result = mailesmtp_ehlo(smtp);

	if (result == MAILSMTP_NO_ERROR || smtp->response_code / 100 != 5)
		return result;
	deliver_stream_await(smtp->stream);
	return mailsmtp_helo(smtp);
}

int deliver_link_connect(struct deliver_link *link, const char *host, uint16_t port,
	unsigned int seconds, char *why, size_t why_bytes)
{
	mailstream *stream;
	int result;

	deliver_link_drop(link);
	(void)snprintf(link->host, sizeof(link->host), "%s", host);
	link->port = port;
	link->smtp = mailsmtp_new(0, NULL);
	if (link->smtp == NULL) {
		(void)snprintf(why, why_bytes, "out of memory");
		return -ENOMEM;
	}
	stream = deliver_stream_connect(host, port, seconds, why, why_bytes);
	if (stream == NULL)
		return -ECONNREFUSED;
	result = mailsmtp_connect(link->smtp, stream);
	if (result == MAILSMTP_NO_ERROR)
		result = say_hello(link->smtp);
	(void)snprintf(why, why_bytes, "%s", mailsmtp_strerror(result));
	return result == MAILSMTP_NO_ERROR ? 0 : -EPROTO;
}
