// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/command.h"

#include "dataplane/dataplane.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_SECONDS 5

struct command_server {
	int listener;
	command_answer_fn answer;
	void *ctx;
	int clients[COMMAND_CLIENTS]; // -1: free
	struct sockaddr_un address;
	char request[COMMAND_MAX_BYTES + 1];
};

static const struct {
	const char *text;
	enum command command;
} names[] = {
#define X(name, text) {text, COMMAND_##name},
	COMMANDS(X)
#undef X
};

int command_parse(char *data, size_t n, struct command_request *out)
{
	size_t name;

	if (n > 0 && data[n - 1] == '\n')
		n--;
	data[n] = '\0';
	name = strcspn(data, " ");
	if (strlen(data) != n)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].text) != name || memcmp(names[i].text, data, name) != 0)
			continue;
		out->command = names[i].command;
		out->text = data[name] == ' ' ? data + name + 1 : "";
		return 0;
	}
	return -EINVAL;
}

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
	(void)mkdir(folder, 0755);
}

static int listen_at(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	mask = umask(0117);
	err = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
	(void)umask(mask);
	if (err == 0 && listen(fd, COMMAND_CLIENTS) != 0)
		err = -errno;
	if (err == 0)
		return fd;
	(void)close(fd);
	return err;
}

int command_open(const char *path, command_answer_fn answer, void *ctx, struct command_server **out)
{
	struct command_server *server = calloc(1, sizeof(*server));
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
	err = listen_at(&server->address);
	if (err < 0)
		goto free_server;
	server->listener = err;
	server->answer = answer;
	server->ctx = ctx;
	for (size_t i = 0; i < COMMAND_CLIENTS; i++)
		server->clients[i] = -1;
	*out = server;
	return 0;

free_server:
	free(server);
	return err;
}

void command_close(struct command_server *server)
{
	for (size_t i = 0; i < COMMAND_CLIENTS; i++) {
		if (server->clients[i] >= 0)
			(void)close(server->clients[i]);
	}
	(void)unlink(server->address.sun_path);
	(void)close(server->listener);
	free(server);
}

size_t command_descriptors(const struct command_server *server, int *out)
{
	size_t n = 0;
	bool free_slot = false;

	for (size_t i = 0; i < COMMAND_CLIENTS; i++) {
		if (server->clients[i] >= 0)
			out[n++] = server->clients[i];
		else
			free_slot = true;
	}
	if (free_slot)
		out[n++] = server->listener;
	return n;
}

// A client that does not read is cut off: its answer is lost, not ours to keep.
static bool send_answer(int fd, const char *text)
{
	size_t n = strlen(text);

	return send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

// The descriptor that came with a packet, or -1; more than one are not asked for.
static int received_descriptor(struct msghdr *header)
{
	int fd = -1;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
		part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
			part->cmsg_len == CMSG_LEN(sizeof(fd)))
			memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	}
	return fd;
}

// Returns false when the client is done with.
static bool serve_client(struct command_server *server, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec place = {server->request, COMMAND_MAX_BYTES};
	struct msghdr header = {.msg_iov = &place,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct command_request request;
	char *answer = NULL;
	bool sent;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	request.fd = received_descriptor(&header);
	if ((header.msg_flags & MSG_TRUNC) != 0 ||
		command_parse(server->request, (size_t)n, &request) != 0) {
		sent = send_answer(fd, "{\"error\":\"unknown command\"}");
	} else {
		answer = server->answer(server->ctx, &request);
		sent = send_answer(fd, answer != NULL ? answer : "{\"error\":\"out of memory\"}");
	}
	if (request.fd >= 0)
		(void)close(request.fd);
	free(answer);
	return sent;
}

static void accept_client(struct command_server *server, int *slot)
{
	int answer_bytes = COMMAND_ANSWER_BYTES;
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	// Past net.core.wmem_max root alone may go.
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &answer_bytes, sizeof(answer_bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &answer_bytes, sizeof(answer_bytes));
	*slot = fd;
}

void command_serve(struct command_server *server)
{
	for (size_t i = 0; i < COMMAND_CLIENTS; i++) {
		int *slot = &server->clients[i];

		if (*slot < 0)
			accept_client(server, slot);
		if (*slot < 0 || serve_client(server, *slot))
			continue;
		(void)close(*slot);
		*slot = -1;
	}
}

// ---- client -------------------------------------------------------------------------------------

static int receive_answer(int fd, char **out)
{
	ssize_t waiting = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	char *answer;
	ssize_t n;

	if (waiting <= 0)
		return waiting == 0 ? -ECONNRESET : -errno;
	if (waiting > COMMAND_ANSWER_BYTES)
		return -EMSGSIZE;
	answer = malloc((size_t)waiting + 1);
	if (answer == NULL)
		return -ENOMEM;
	n = recv(fd, answer, (size_t)waiting, 0);
	if (n != waiting) {
		free(answer);
		return -EIO;
	}
	answer[n] = '\0';
	*out = answer;
	return 0;
}

static int send_request(int fd, const char *command, int passed)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	// sendmsg does not write through it.
	struct iovec place = {(void *)(uintptr_t)command, strlen(command)};
	struct msghdr header = {.msg_iov = &place, .msg_iovlen = 1};

	if (passed >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	if (sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)place.iov_len)
		return 0;
	return errno != 0 ? -errno : -EIO;
}

int dataplane_ask_with(const char *socket_path, const char *command, int passed, char **answer)
{
	struct timeval limit = {.tv_sec = ASK_SECONDS};
	int answer_bytes = COMMAND_MAX_BYTES;
	struct sockaddr_un address;
	int err = make_address(socket_path, &address);
	int fd;

	if (err != 0)
		return err;
	fd = connect_to(&address);
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &answer_bytes, sizeof(answer_bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		err = -errno;
	else
		err = send_request(fd, command, passed);
	if (err == 0)
		err = receive_answer(fd, answer);
	(void)close(fd);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

int dataplane_ask(const char *socket_path, const char *command, char **answer)
{
	return dataplane_ask_with(socket_path, command, -1, answer);
}
