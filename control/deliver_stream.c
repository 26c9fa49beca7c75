// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver_stream.h"

#include "control/dial.h"
#include "control/ending.h"

#include <glib.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_SECONDS 60 // at most; replies may take longer
#define BUFFER_BYTES 8192

struct tcp {
	int fd;
	unsigned int seconds;
	gint64 until_us; // what is awaited
	bool is_committed;
};

// ---- the library's side -------------------------------------------------------------------------

static bool wait_for(const struct tcp *tcp, short events)
{
	struct pollfd look[] = {{.fd = tcp->fd, .events = events},
		{.fd = tcp->is_committed ? -1 : ending_descriptor(), .events = POLLIN}};
	gint64 left_us;
	int n;

	do {
		left_us = tcp->until_us - g_get_monotonic_time();
		n = left_us > 0 ? poll(look, 2, (int)MIN(left_us / 1000 + 1, G_MAXINT)) : 0;
	} while (n < 0 && errno == EINTR);
	return n > 0 && look[1].revents == 0;
}

static ssize_t read_tcp(mailstream_low *low, void *data, size_t bytes)
{
	const struct tcp *tcp = low->data;

	return wait_for(tcp, POLLIN) ? recv(tcp->fd, data, bytes, 0) : -1;
}

static void await(const mailstream_low *low)
{
	struct tcp *tcp = low->data;

	tcp->until_us = g_get_monotonic_time() + (gint64)tcp->seconds * G_USEC_PER_SEC;
}

static ssize_t write_tcp(mailstream_low *low, const void *data, size_t bytes)
{
	const struct tcp *tcp = low->data;
	ssize_t n = -1;

	await(low);
	if (wait_for(tcp, POLLOUT))
		n = send(tcp->fd, data, bytes, MSG_NOSIGNAL);
	await(low);
	return n;
}

static int close_tcp(mailstream_low *low)
{
	struct tcp *tcp = low->data;
	int fd = tcp->fd;

	tcp->fd = -1;
	return fd >= 0 ? close(fd) : 0;
}

static int get_fd(mailstream_low *low)
{
	const struct tcp *tcp = low->data;

	return tcp->fd;
}

static void free_tcp(mailstream_low *low)
{
	(void)close_tcp(low);
	free(low->data);
	free(low);
}

static void cancel_nothing(mailstream_low *low)
{
	(void)low;
}

static struct mailstream_cancel *has_no_cancel(mailstream_low *low)
{
	(void)low;
	return NULL;
}

static carray *has_no_chain(mailstream_low *low)
{
	(void)low;
	return NULL;
}

static int has_no_idle(mailstream_low *low)
{
	(void)low;
	return -1;
}

static mailstream_low_driver driver = {.mailstream_read = read_tcp,
	.mailstream_write = write_tcp,
	.mailstream_close = close_tcp,
	.mailstream_get_fd = get_fd,
	.mailstream_free = free_tcp,
	.mailstream_cancel = cancel_nothing,
	.mailstream_get_cancel = has_no_cancel,
	.mailstream_get_certificate_chain = has_no_chain,
	.mailstream_setup_idle = has_no_idle,
	.mailstream_unsetup_idle = has_no_idle,
	.mailstream_interrupt_idle = has_no_idle};

void deliver_stream_await(mailstream *stream)
{
	await(mailstream_get_low(stream));
}

void deliver_stream_commit(mailstream *stream, bool is_committed)
{
	struct tcp *tcp = mailstream_get_low(stream)->data;

	tcp->is_committed = is_committed;
}

// Takes fd.
static mailstream *make_stream(int fd, unsigned int seconds)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));
	mailstream_low *low = tcp != NULL ? mailstream_low_new(tcp, &driver) : NULL;
	mailstream *stream;

	if (low == NULL) {
		free(tcp);
		(void)close(fd);
		return NULL;
	}
	tcp->fd = fd;
	tcp->seconds = seconds;
	await(low);
	stream = mailstream_new(low, BUFFER_BYTES);
	if (stream == NULL)
		mailstream_low_free(low);
	return stream;
}

mailstream *deliver_stream_connect(
	const char *host, uint16_t port, unsigned int seconds, char *why, size_t why_bytes)
{
	const int on = 1;
	int fd = dial(host, port, MIN(seconds, (unsigned int)CONNECT_SECONDS), why, why_bytes);
	mailstream *stream;

	if (fd < 0)
		return NULL;
	// What is written is all that there is to say: it does not wait until the last of it was acknowledged.
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	stream = make_stream(fd, seconds);
	if (stream == NULL)
		(void)snprintf(why, why_bytes, "%s", g_strerror(ENOMEM));
	return stream;
}
