// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/local_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER_MODE 0755
#define SOCKET_UMASK 0117
#define BEGINNING_BYTES 32

struct client {
	int fd; // -1: free
	uid_t uid;
	bool waits; // for an answer that comes later
	uint64_t id;
};

struct local_server {
	int listener;
	int poller;
	local_answer_fn answer;
	void *ctx;
	uint64_t clients_ever;
	bool is_listening;           // there is room for one more client
	const struct client *asking; // whose question is being answered; NULL: none
	bool is_urgent;              // an urgent one within that
	struct client clients[LOCAL_CLIENTS];
	struct sockaddr_un address;
	char request[LOCAL_REQUEST_BYTES + 1];
	char urgent[LOCAL_REQUEST_BYTES + 1];
};

// One descriptor beside a packet.
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int make_address(const char *path, struct sockaddr_un *out)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (path[0] == '\0' || strlen(path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, strlen(path));
	return 0;
}

static int connect_to(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fd;
	err = -errno;
	(void)close(fd);
	return err;
}

// ---- packets with descriptors -------------------------------------------------------------------

static ssize_t send_packet(int fd, const char *text, int passed, int flags)
{
	union control control = {.bytes = {0}};
	// sendmsg does not write through it.
	struct iovec place = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr header = {.msg_iov = &place, .msg_iovlen = 1};

	if (passed >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	return sendmsg(fd, &header, flags | MSG_NOSIGNAL);
}

// Returns the bytes of the packet, or -errno; -EMSGSIZE when there is no room for it.
static ssize_t receive_packet(int fd, char *out, size_t room, int *passed, int flags)
{
	union control control;
	struct iovec place = {out, room};
	struct msghdr header = {.msg_iov = &place,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC);

	*passed = -1;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part != NULL;
		part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
			part->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(passed, CMSG_DATA(part), sizeof(int));
	}
	if ((header.msg_flags & MSG_TRUNC) == 0)
		return n;
	if (*passed >= 0)
		(void)close(*passed);
	*passed = -1;
	return -EMSGSIZE;
}

// ---- server -------------------------------------------------------------------------------------

// Removes what an earlier process left behind, if it is a socket and nobody listens.
static int clear_path(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = connect_to(address);
	if (fd >= 0) {
		(void)close(fd);
		return -EADDRINUSE;
	}
	if (fd != -ECONNREFUSED)
		return fd;
	return unlink(address->sun_path) == 0 ? 0 : -errno;
}

static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	// When this fails, bind says why.
	(void)mkdir(folder, FOLDER_MODE);
}

static int listen_at(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	mask = umask(SOCKET_UMASK);
	err = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
	(void)umask(mask);
	if (err == 0 && listen(fd, LOCAL_CLIENTS) != 0)
		err = -errno;
	if (err == 0)
		return fd;
	(void)close(fd);
	return err;
}

// events: 0 stops watching. Failing leaves a client that is not heard, which gives up in time.
static void watch(const struct local_server *server, int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	(void)epoll_ctl(server->poller, operation, fd, &event);
}

int local_server_open(
	const char *path, local_answer_fn answer, void *ctx, struct local_server **out)
{
	struct local_server *server = calloc(1, sizeof(*server));
	int err;

	if (server == NULL)
		return -ENOMEM;
	err = make_address(path, &server->address);
	if (err != 0)
		goto free_server;
	make_folder(path);
	err = clear_path(&server->address);
	if (err != 0)
		goto free_server;
	server->poller = epoll_create1(EPOLL_CLOEXEC);
	if (server->poller < 0) {
		err = -errno;
		goto free_server;
	}
	err = listen_at(&server->address);
	if (err < 0)
		goto close_poller;
	server->listener = err;
	server->answer = answer;
	server->ctx = ctx;
	for (size_t i = 0; i < LOCAL_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->is_listening = true;
	watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN);
	*out = server;
	return 0;

close_poller:
	(void)close(server->poller);
free_server:
	free(server);
	return err;
}

void local_server_close(struct local_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		if (server->clients[i].fd >= 0)
			(void)close(server->clients[i].fd);
	}
	(void)unlink(server->address.sun_path);
	(void)close(server->listener);
	(void)close(server->poller);
	free(server);
}

int local_server_descriptor(const struct local_server *server)
{
	return server->poller;
}

static void drop_client(struct local_server *server, struct client *client)
{
	(void)close(client->fd);
	client->fd = -1;
	client->waits = false;
	if (!server->is_listening)
		watch(server, EPOLL_CTL_MOD, server->listener, EPOLLIN);
	server->is_listening = true;
}

// Takes text and descriptor.
static void give_answer(
	struct local_server *server, struct client *client, const struct local_answer *answer)
{
	const char *text = answer->text != NULL ? answer->text : "{\"error\":\"out of memory\"}";
	size_t n = strlen(text);

	if (send_packet(client->fd, text, answer->fd, MSG_DONTWAIT) != (ssize_t)n)
		drop_client(server, client);
	free(answer->text);
	if (answer->fd >= 0)
		(void)close(answer->fd);
}

// text: where the question goes.
static void serve_client(struct local_server *server, struct client *client, char *text)
{
	const struct client *outer = server->asking;
	struct local_request request = {.text = text, .uid = client->uid, .client = client->id};
	struct local_answer answer = {.fd = -1};
	ssize_t n =
		receive_packet(client->fd, text, LOCAL_REQUEST_BYTES, &request.fd, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == 0 || (n < 0 && n != -EMSGSIZE)) {
		drop_client(server, client);
		return;
	}
	if (n == -EMSGSIZE) {
		answer.text = strdup("{\"error\":\"the request is too long\"}");
	} else {
		request.bytes = (size_t)n;
		text[n] = '\0';
		server->asking = client;
		server->answer(server->ctx, &request, &answer);
		server->asking = outer;
	}
	if (request.fd >= 0)
		(void)close(request.fd);
	client->waits = answer.later;
	if (answer.later)
		watch(server, EPOLL_CTL_MOD, client->fd, 0);
	else
		give_answer(server, client, &answer);
}

void local_server_answer(struct local_server *server, uint64_t id, struct local_answer *answer)
{
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0 || !client->waits || client->id != id)
			continue;
		client->waits = false;
		watch(server, EPOLL_CTL_MOD, client->fd, EPOLLIN);
		give_answer(server, client, answer);
		return;
	}
	free(answer->text);
	if (answer->fd >= 0)
		(void)close(answer->fd);
}

// False: nobody waits.
static bool accept_client(struct local_server *server, struct client *client)
{
	int answer_bytes = LOCAL_ANSWER_BYTES;
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t who_bytes = sizeof(who);

	if (fd < 0)
		return false;
	// Past net.core.wmem_max root alone may go.
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &answer_bytes, sizeof(answer_bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &answer_bytes, sizeof(answer_bytes));
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes);
	*client = (struct client){.fd = fd, .uid = who.uid, .id = ++server->clients_ever};
	watch(server, EPOLL_CTL_ADD, fd, EPOLLIN);
	return true;
}

// What it asks beside is read when it has its answer.
static bool has_gone(const struct client *client)
{
	struct pollfd gone = {.fd = client->fd};

	return poll(&gone, 1, 0) > 0;
}

bool local_server_is_waiting(const struct local_server *server, uint64_t id)
{
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		const struct client *client = &server->clients[i];

		if (client->fd >= 0 && client->waits && client->id == id)
			return !has_gone(client);
	}
	return false;
}

void local_server_serve(struct local_server *server)
{
	bool is_full = true;
	bool has_more = true;

	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0)
			has_more = has_more && accept_client(server, client);
		else if (client->waits && has_gone(client))
			drop_client(server, client);
		if (client->fd >= 0 && !client->waits)
			serve_client(server, client, server->request);
		is_full = is_full && client->fd >= 0;
	}
	if (is_full && server->is_listening) {
		server->is_listening = false;
		watch(server, EPOLL_CTL_MOD, server->listener, 0);
	}
}

void local_server_serve_urgent(
	struct local_server *server, bool (*is_urgent)(const char *beginning))
{
	char beginning[BEGINNING_BYTES + 1];

	if (server->is_urgent)
		return;
	server->is_urgent = true;
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];
		ssize_t n;

		if (client->fd < 0 || client->waits || client == server->asking)
			continue;
		n = recv(client->fd, beginning, BEGINNING_BYTES, MSG_PEEK | MSG_DONTWAIT);
		if (n <= 0)
			continue;
		beginning[n] = '\0';
		if (is_urgent(beginning))
			serve_client(server, client, server->urgent);
	}
	server->is_urgent = false;
}

// ---- client -------------------------------------------------------------------------------------

static int receive_answer(int fd, char **out, int *received, int flags)
{
	ssize_t waiting = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | flags);
	char *answer;
	ssize_t n;

	if (waiting <= 0)
		return waiting == 0 ? -ECONNRESET : -errno;
	if (waiting > LOCAL_ANSWER_BYTES)
		return -EMSGSIZE;
	answer = malloc((size_t)waiting + 1);
	if (answer == NULL)
		return -ENOMEM;
	n = receive_packet(fd, answer, (size_t)waiting, received, 0);
	if (n != waiting) {
		free(answer);
		return n < 0 ? (int)n : -EIO;
	}
	answer[n] = '\0';
	*out = answer;
	return 0;
}

int local_connect(const char *path, int *out)
{
	int request_bytes = LOCAL_REQUEST_BYTES;
	struct sockaddr_un address;
	int err = make_address(path, &address);
	int fd;

	if (err != 0)
		return err;
	fd = connect_to(&address);
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &request_bytes, sizeof(request_bytes));
	*out = fd;
	return 0;
}

int local_talk(const struct local_question *question, int fd, char **answer, int *received)
{
	const struct timeval limit = {.tv_sec = (time_t)question->seconds};
	int unwanted = -1;
	int err;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		send_packet(fd, question->text, question->fd, 0) < 0)
		return -errno;
	err = receive_answer(fd, answer, received != NULL ? received : &unwanted, 0);
	if (unwanted >= 0)
		(void)close(unwanted);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

int local_send(int fd, const char *text)
{
	return send_packet(fd, text, -1, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int local_receive(int fd, char **answer)
{
	int unwanted = -1;
	int err = receive_answer(fd, answer, &unwanted, MSG_DONTWAIT);

	if (unwanted >= 0)
		(void)close(unwanted);
	return err;
}

int local_ask(const char *path, const char *text, int passed, unsigned int seconds, char **answer,
	int *received)
{
	const struct local_question question = {text, passed, seconds};
	int fd;
	int err = local_connect(path, &fd);

	if (err != 0)
		return err;
	err = local_talk(&question, fd, answer, received);
	(void)close(fd);
	return err;
}
