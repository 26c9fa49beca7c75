// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/local_socket.h"

#include "dataplane/local_packet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER_MODE 0755
#define SOCKET_UMASK 0117
#define BEGINNING_BYTES 32
#define AGAIN_NS 100000000L // before it is looked whether there are descriptors again

struct client {
	int fd; // -1: free
	uid_t uid;
	bool waits; // for an answer that comes later
	uint64_t id;
	char *kept; // a question that was read and not answered yet; NULL: none
	size_t kept_bytes;
	int kept_fd; // that came with it, or -1
};

struct local_server {
	int listener;
	int poller;
	local_answer_fn answer;
	void *ctx;
	uint64_t clients_ever;
	bool is_listening; // there is room for one more client
	int spare;         // a descriptor for whoever comes when there is no other; -1: it is used
	int clock;         // by which it listens again
	const struct client *asking; // whose question is being answered; NULL: none
	bool is_urgent;              // an urgent one within that
	bool is_deaf;                // to the one that asks: the poller does not tell of it
	struct client clients[LOCAL_CLIENTS];
	struct sockaddr_un address;
	char request[LOCAL_REQUEST_BYTES + 1];
	char urgent[LOCAL_REQUEST_BYTES + 1];
};

// Removes what an earlier process left behind, if it is a socket and nobody listens.
static int clear_path(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = local_packet_connect(address, LOCAL_CONNECT_SECONDS);
	if (fd >= 0)
		(void)close(fd);
	if (fd >= 0 || fd == -ETIMEDOUT)
		return -EADDRINUSE;
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

static void close_descriptor(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void take_spare(struct local_server *server)
{
	if (server->spare < 0)
		server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int open_descriptors(struct local_server *server)
{
	server->poller = epoll_create1(EPOLL_CLOEXEC);
	if (server->poller < 0)
		return -errno;
	server->clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (server->clock < 0)
		return -errno;
	server->listener = listen_at(&server->address);
	return server->listener < 0 ? server->listener : 0;
}

static void close_descriptors(struct local_server *server)
{
	close_descriptor(server->listener);
	close_descriptor(server->clock);
	close_descriptor(server->poller);
	close_descriptor(server->spare);
}

int local_server_open(
	const char *path, local_answer_fn answer, void *ctx, struct local_server **out)
{
	struct local_server *server = calloc(1, sizeof(*server));
	int err;

	if (server == NULL)
		return -ENOMEM;
	server->listener = server->clock = server->poller = server->spare = -1;
	err = local_packet_address(path, &server->address);
	if (err == 0) {
		make_folder(path);
		err = clear_path(&server->address);
	}
	if (err == 0)
		err = open_descriptors(server);
	if (err != 0) {
		close_descriptors(server);
		free(server);
		return err;
	}
	server->answer = answer;
	server->ctx = ctx;
	for (size_t i = 0; i < LOCAL_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->is_listening = true;
	take_spare(server);
	watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN);
	watch(server, EPOLL_CTL_ADD, server->clock, EPOLLIN);
	*out = server;
	return 0;
}

static void forget_kept(struct client *client)
{
	if (client->kept != NULL)
		close_descriptor(client->kept_fd);
	free(client->kept);
	client->kept = NULL;
}

void local_server_close(struct local_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		forget_kept(&server->clients[i]);
		close_descriptor(server->clients[i].fd);
	}
	(void)unlink(server->address.sun_path);
	close_descriptors(server);
	free(server);
}

int local_server_descriptor(const struct local_server *server)
{
	return server->poller;
}

static void listen_again(struct local_server *server)
{
	if (!server->is_listening)
		watch(server, EPOLL_CTL_MOD, server->listener, EPOLLIN);
	server->is_listening = true;
}

static void pause_listening(struct local_server *server)
{
	if (server->is_listening)
		watch(server, EPOLL_CTL_MOD, server->listener, 0);
	server->is_listening = false;
}

static void drop_client(struct local_server *server, struct client *client)
{
	forget_kept(client);
	(void)close(client->fd);
	client->fd = -1;
	client->waits = false;
	take_spare(server);
	listen_again(server);
}

// Takes text and descriptor.
static void give_answer(
	struct local_server *server, struct client *client, const struct local_answer *answer)
{
	const char *text = answer->text != NULL ? answer->text : "{\"error\":\"out of memory\"}";
	size_t n = strlen(text);

	if (local_packet_send(client->fd, text, answer->fd, MSG_DONTWAIT) != (ssize_t)n)
		drop_client(server, client);
	free(answer->text);
	if (answer->fd >= 0)
		(void)close(answer->fd);
}

// Whoever asks may go in the midst of a long answer, or ask on: that is seen when it has the answer, and the poller would
// tell of it all the time, whatever else it is to tell.
static void look_away(struct local_server *server)
{
	if (server->asking != NULL && !server->is_deaf)
		watch(server, EPOLL_CTL_DEL, server->asking->fd, 0);
	server->is_deaf = server->asking != NULL;
}

// Takes the descriptor of the request.
static void answer_client(
	struct local_server *server, struct client *client, struct local_request *request)
{
	const struct client *outer = server->asking;
	struct local_answer answer = {.fd = -1};

	request->uid = client->uid;
	request->client = client->id;
	server->asking = client;
	server->answer(server->ctx, request, &answer);
	server->asking = outer;
	if (outer == NULL && server->is_deaf)
		watch(server, EPOLL_CTL_ADD, client->fd, EPOLLIN);
	server->is_deaf = server->is_deaf && outer != NULL;
	close_descriptor(request->fd);
	client->waits = answer.later;
	if (answer.later)
		watch(server, EPOLL_CTL_MOD, client->fd, 0);
	else
		give_answer(server, client, &answer);
}

// Its question goes to request, whose text has room for one. False: there is none.
static bool read_question(
	struct local_server *server, struct client *client, struct local_request *request)
{
	ssize_t n = local_packet_receive(
		client->fd, request->text, LOCAL_REQUEST_BYTES, &request->fd, MSG_DONTWAIT);
	struct local_answer refusal = {.fd = -1};

	if (n > 0) {
		request->bytes = (size_t)n;
		request->text[n] = '\0';
	} else if (n == -EMSGSIZE) {
		refusal.text = strdup("{\"error\":\"the request is too long\"}");
		give_answer(server, client, &refusal);
	} else if (n != -EAGAIN) {
		drop_client(server, client);
	}
	return n > 0;
}

// text: where the question goes.
static void serve_client(struct local_server *server, struct client *client, char *text)
{
	struct local_request request = {.text = text};

	if (read_question(server, client, &request))
		answer_client(server, client, &request);
}

static void serve_kept(struct local_server *server, struct client *client)
{
	struct local_request request = {
		.text = client->kept, .bytes = client->kept_bytes, .fd = client->kept_fd};

	client->kept = NULL;
	answer_client(server, client, &request);
	free(request.text);
	if (client->fd >= 0 && !client->waits)
		watch(server, EPOLL_CTL_MOD, client->fd, EPOLLIN);
}

// Who asks beside is not heard before this one has its answer.
static void keep_question(
	struct local_server *server, struct client *client, const struct local_request *request)
{
	const struct local_answer no_memory = {.fd = -1};

	client->kept = malloc(request->bytes + 1);
	if (client->kept == NULL) {
		close_descriptor(request->fd);
		give_answer(server, client, &no_memory);
		return;
	}
	memcpy(client->kept, request->text, request->bytes + 1);
	client->kept_bytes = request->bytes;
	client->kept_fd = request->fd;
	watch(server, EPOLL_CTL_MOD, client->fd, 0);
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

// Who waits for a descriptor keeps the listener readable: it is not looked at until somebody goes, or for a moment.
static int accept_one(struct local_server *server)
{
	const struct itimerspec again = {.it_value.tv_nsec = AGAIN_NS};
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && server->spare >= 0) {
		(void)close(server->spare);
		server->spare = -1;
		fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	}
	if (fd >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM))
		return fd;
	pause_listening(server);
	(void)timerfd_settime(server->clock, 0, &again, NULL);
	return fd;
}

static void look_at_clock(struct local_server *server)
{
	uint64_t times;

	if (read(server->clock, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return;
	take_spare(server);
	listen_again(server);
}

// False: nobody waits, or nobody can be let in.
static bool accept_client(struct local_server *server, struct client *client)
{
	int answer_bytes = LOCAL_ANSWER_BYTES;
	int fd = accept_one(server);
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

// Lets in who waits, as long as there is room, and forgets who has gone.
static void look_for_clients(struct local_server *server)
{
	bool has_more = true;
	bool is_full = true;

	look_at_clock(server);
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd >= 0 && (client->waits || client->kept != NULL) && has_gone(client))
			drop_client(server, client);
		if (client->fd < 0)
			has_more = has_more && accept_client(server, client);
		is_full = is_full && client->fd >= 0;
	}
	if (is_full)
		pause_listening(server);
}

void local_server_serve(struct local_server *server)
{
	look_for_clients(server);
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0 || client->waits)
			continue;
		if (client->kept != NULL)
			serve_kept(server, client);
		else
			serve_client(server, client, server->request);
	}
}

static bool may_be_heard(const struct local_server *server, const struct client *client)
{
	return client->fd >= 0 && !client->waits && client->kept == NULL &&
	       client != server->asking;
}

void local_server_serve_urgent(
	struct local_server *server, bool (*is_urgent)(const char *beginning))
{
	char beginning[BEGINNING_BYTES + 1];

	if (server->is_urgent)
		return;
	server->is_urgent = true;
	look_for_clients(server);
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];
		ssize_t n;

		if (!may_be_heard(server, client))
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

bool local_server_take(
	struct local_server *server, bool (*is_urgent)(const struct local_request *request))
{
	bool has_kept = false;

	look_away(server);
	look_for_clients(server);
	for (size_t i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *client = &server->clients[i];
		struct local_request request = {.text = server->urgent};

		if (may_be_heard(server, client) && read_question(server, client, &request)) {
			if (is_urgent(&request))
				answer_client(server, client, &request);
			else
				keep_question(server, client, &request);
		}
		has_kept = has_kept || client->kept != NULL;
	}
	return has_kept;
}
