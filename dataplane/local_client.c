// SPDX-License-Identifier: BSD-3-Clause
// Those who ask.
#include "dataplane/local_packet.h"
#include "dataplane/local_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MS_PER_S 1000

static int receive_answer(int fd, char **out, int *received, int flags)
{
	ssize_t waiting = TEMP_FAILURE_RETRY(recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | flags));
	char *answer;
	ssize_t n;

	if (waiting <= 0)
		return waiting == 0 ? -ECONNRESET : -errno;
	if (waiting > LOCAL_ANSWER_BYTES)
		return -EMSGSIZE;
	answer = malloc((size_t)waiting + 1);
	if (answer == NULL)
		return -ENOMEM;
	n = local_packet_receive(fd, answer, (size_t)waiting, received, 0);
	if (n != waiting) {
		free(answer);
		return n < 0 ? (int)n : -EIO;
	}
	answer[n] = '\0';
	*out = answer;
	return 0;
}

static int connect_within(const char *path, unsigned int seconds, int *out)
{
	int request_bytes = LOCAL_REQUEST_BYTES;
	struct sockaddr_un address;
	int err = local_packet_address(path, &address);
	int fd;

	if (err != 0)
		return err;
	fd = local_packet_connect(&address, seconds);
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &request_bytes, sizeof(request_bytes));
	*out = fd;
	return 0;
}

int local_connect(const char *path, int *out)
{
	return connect_within(path, LOCAL_CONNECT_SECONDS, out);
}

int local_connect_now(const char *path, int *out)
{
	return connect_within(path, 0, out);
}

int local_talk(const struct local_question *question, int fd, char **answer, int *received)
{
	const struct timeval limit = {.tv_sec = (time_t)question->seconds};
	int unwanted = -1;
	int err;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return -errno;
	if (local_packet_send(fd, question->text, question->fd, 0) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	err = receive_answer(fd, answer, received != NULL ? received : &unwanted, 0);
	if (unwanted >= 0)
		(void)close(unwanted);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

int local_send(int fd, const char *text)
{
	return local_packet_send(fd, text, -1, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int local_receive(int fd, char **answer)
{
	int unwanted = -1;
	int err = receive_answer(fd, answer, &unwanted, MSG_DONTWAIT);

	if (unwanted >= 0)
		(void)close(unwanted);
	return err;
}

// Returns 0, -ETIMEDOUT, -ECANCELED: the end is there and no answer, or -errno.
static int await_answer(int fd, int end, unsigned int seconds)
{
	struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = end, .events = POLLIN}};
	long n = TEMP_FAILURE_RETRY(poll(polled, 2, (int)seconds * MS_PER_S));

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	return polled[0].revents != 0 ? 0 : -ECANCELED;
}

int local_ask_until(const char *path, const struct local_question *question, int end, char **answer)
{
	int fd;
	int err = connect_within(path, LOCAL_CONNECT_SECONDS, &fd);

	if (err != 0)
		return err;
	if (local_packet_send(fd, question->text, question->fd, 0) < 0)
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (err == 0)
		err = await_answer(fd, end, question->seconds);
	if (err == 0)
		err = local_receive(fd, answer);
	(void)close(fd);
	return err;
}

int local_ask(const char *path, const char *text, int passed, unsigned int seconds, char **answer,
	int *received)
{
	const struct local_question question = {text, passed, seconds};
	int fd;
	int err = connect_within(path, seconds, &fd);

	if (err != 0)
		return err;
	err = local_talk(&question, fd, answer, received);
	(void)close(fd);
	return err;
}
