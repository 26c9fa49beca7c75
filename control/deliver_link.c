// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
	if (link->smtp != NULL && link->smtp->stream != NULL &&
		mailstream_write(link->smtp->stream, quit, strlen(quit)) == (ssize_t)strlen(quit))
		(void)mailstream_flush(link->smtp->stream);
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

int deliver_link_connect(
	struct deliver_link *link, const char *host, uint16_t port, unsigned int seconds)
{
	const int on = 1;
	int result;

	deliver_link_drop(link);
	(void)snprintf(link->host, sizeof(link->host), "%s", host);
	link->port = port;
	link->smtp = mailsmtp_new(0, NULL);
	if (link->smtp == NULL)
		return MAILSMTP_ERROR_MEMORY;
	mailsmtp_set_timeout(link->smtp, (time_t)seconds);
	result = mailsmtp_socket_connect(link->smtp, host, port);
	if (result != MAILSMTP_NO_ERROR)
		return result;
	// What is written is all that there is to say: it does not wait until the last of it was acknowledged.
	(void)setsockopt(descriptor_of(link->smtp), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return mailesmtp_ehlo(link->smtp);
}
