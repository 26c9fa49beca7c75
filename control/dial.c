// SPDX-License-Identifier: BSD-3-Clause
#include "control/dial.h"

#include "control/ending.h"

#include <netdb.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MOST 16  // addresses of a host
#define NEXT_AFTER 250 // ms
#define MS_PER_S 1000LL
#define NS_PER_MS 1000000

struct dialing {
	const struct addrinfo *next;         // to be tried
	long long next_ms;                   // when
	struct pollfd tries[TRIES_MOST + 1]; // and the end of the process behind them
	size_t count;
	bool is_over; // the process ends
	int err;      // of the last that failed
};

static long long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static void begin_next(struct dialing *dialing)
{
	const struct addrinfo *at = dialing->next;
	int fd = socket(
		at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);

	dialing->next = dialing->count + 1 < TRIES_MOST ? at->ai_next : NULL;
	dialing->next_ms = now_ms() + NEXT_AFTER;
	if (fd >= 0 && (connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS)) {
		dialing->tries[dialing->count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
		return;
	}
	dialing->err = -errno;
	dialing->next_ms = 0;
	if (fd >= 0)
		(void)close(fd);
}

// Returns the connection that is there, or -1. The next is not waited for when one was refused.
static int look(struct dialing *dialing)
{
	size_t left = 0;
	int found = -1;

	for (size_t i = 0; i < dialing->count; i++) {
		struct pollfd *at = &dialing->tries[i];
		socklen_t n = sizeof(int);
		int err = 0;

		if (found >= 0 || at->revents == 0) {
			dialing->tries[left++] = *at;
			continue;
		}
		if (getsockopt(at->fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 && err == 0) {
			found = at->fd;
			continue;
		}
		dialing->err = -err;
		dialing->next_ms = 0;
		(void)close(at->fd);
	}
	dialing->count = left;
	return found;
}

// Returns the connection that is there, or -1.
static int await(struct dialing *dialing, long long ms)
{
	struct pollfd *end = &dialing->tries[dialing->count];

	*end = (struct pollfd){.fd = ending_descriptor(), .events = POLLIN};
	if (poll(dialing->tries, dialing->count + 1, (int)ms) <= 0)
		return -1;
	dialing->is_over = end->revents != 0;
	return look(dialing);
}

static int try_all(struct dialing *dialing, long long until_ms)
{
	int found = -1;

	while (found < 0 && (dialing->next != NULL || dialing->count > 0)) {
		long long now = now_ms();
		long long left = until_ms - now;

		if (left <= 0 || dialing->is_over) {
			dialing->err = dialing->is_over ? -ECANCELED : -ETIMEDOUT;
			break;
		}
		if (dialing->next != NULL && (dialing->count == 0 || dialing->next_ms <= now)) {
			begin_next(dialing);
			continue;
		}
		if (dialing->next != NULL && dialing->next_ms - now < left)
			left = dialing->next_ms - now;
		found = await(dialing, left);
	}
	for (size_t i = 0; i < dialing->count; i++)
		(void)close(dialing->tries[i].fd);
	return found >= 0 ? found : dialing->err;
}

// Returns 0 or a negative errno with why; freed with freeaddrinfo.
static int look_up(
	const char *host, uint16_t port, struct addrinfo **found, char *why, size_t why_bytes)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
	char service[8];
	int problem;

	(void)snprintf(service, sizeof(service), "%u", port);
	problem = getaddrinfo(host, service, &hints, found);
	if (problem == 0)
		return 0;
	(void)snprintf(why, why_bytes, "%s", gai_strerror(problem));
	return -EHOSTUNREACH;
}

static int dial_any(const struct addrinfo *found, unsigned int seconds)
{
	struct dialing dialing = {.err = -EHOSTUNREACH, .next = found};

	return try_all(&dialing, now_ms() + seconds * MS_PER_S);
}

int dial(const char *host, uint16_t port, unsigned int seconds, char *why, size_t why_bytes)
{
	struct addrinfo *found = NULL;
	int fd = look_up(host, port, &found, why, why_bytes);

	if (fd < 0)
		return fd;
	fd = dial_any(found, seconds);
	freeaddrinfo(found);
	if (fd < 0)
		(void)snprintf(why, why_bytes, "%s", strerrordesc_np(-fd));
	return fd;
}

// To whom the connection is. Returns 0 or a negative errno.
static int peer_of(int fd, struct sockaddr_storage *peer, socklen_t *bytes)
{
	int err;

	*bytes = sizeof(*peer);
	err = getpeername(fd, (struct sockaddr *)peer, bytes) == 0 ? 0 : -errno;
	(void)close(fd);
	return err;
}

int dial_address(const char *host, uint16_t port, unsigned int seconds,
	char address[DIAL_ADDRESS_BYTES], char *why, size_t why_bytes)
{
	struct sockaddr_storage peer = {0};
	struct addrinfo *found = NULL;
	int err = look_up(host, port, &found, why, why_bytes);
	socklen_t bytes;

	if (err != 0)
		return err;
	if (found->ai_next == NULL) {
		bytes = found->ai_addrlen;
		memcpy(&peer, found->ai_addr, bytes);
	} else {
		int fd = dial_any(found, seconds);

		err = fd >= 0 ? peer_of(fd, &peer, &bytes) : fd;
	}
	freeaddrinfo(found);
	if (err == 0 && getnameinfo((const struct sockaddr *)&peer, bytes, address,
				DIAL_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) != 0)
		err = -EAFNOSUPPORT;
	if (err != 0)
		(void)snprintf(why, why_bytes, "%s", strerrordesc_np(-err));
	return err;
}
