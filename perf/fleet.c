// SPDX-License-Identifier: BSD-3-Clause
#include "perf/fleet.h"

#include "perf/perf.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536u
#define EVENTS 256

struct link {
	int fd;
	uint32_t gateway;
	bool listens;
	size_t bytes;
	char *data; // of a connection: what has come of a request
};

struct fleet {
	uint32_t count;
	EVP_PKEY **keys;
	enum fleet_way way;
	int epoll;
	char data[ROOM];
	char digest[2 * SHA256_DIGEST_LENGTH + 1]; // of the alert that came last
	char last[ROOM];
	size_t last_bytes;
};

// ---- keys and receipts --------------------------------------------------------------------------

struct fleet *fleet_new(uint32_t count)
{
	struct fleet *fleet = perf_alloc(sizeof(*fleet));

	fleet->count = count;
	fleet->keys = calloc(count, sizeof(EVP_PKEY *));
	perf_need(fleet->keys != NULL, "memory");
	fleet->epoll = -1;
	for (uint32_t i = 0; i < count; i++) {
		fleet->keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		perf_need(fleet->keys[i] != NULL, "a key");
	}
	return fleet;
}

void fleet_free(struct fleet *fleet)
{
	for (uint32_t i = 0; i < fleet->count; i++)
		EVP_PKEY_free(fleet->keys[i]);
	if (fleet->epoll >= 0)
		(void)close(fleet->epoll);
	free(fleet->keys);
	free(fleet);
}

static void address_of(uint32_t i, struct sockaddr_in *address)
{
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(FLEET_PORT)};
	address->sin_addr.s_addr = htonl(0x7f010000u + ((i / 250) << 8) + i % 250 + 1);
}

static uint32_t gateway_at(const struct sockaddr_in *address)
{
	uint32_t host = ntohl(address->sin_addr.s_addr) - 0x7f010000u;

	return (host >> 8) * 250 + (host & 255) - 1;
}

void fleet_address(uint32_t i, char *address)
{
	struct sockaddr_in found;
	char text[INET_ADDRSTRLEN];

	address_of(i, &found);
	(void)snprintf(address, 64, "%s:%d",
		inet_ntop(AF_INET, &found.sin_addr, text, sizeof(text)), FLEET_PORT);
}

void fleet_name(uint32_t i, char *name)
{
	(void)snprintf(name, 64, "gateway-%05u", i);
}

void fleet_key(const struct fleet *fleet, uint32_t i, char *key, char *key_id)
{
	struct envelope_key found;
	uint8_t raw[ENVELOPE_KEY_BYTES];
	size_t bytes = sizeof(raw);
	char *text;

	perf_need(EVP_PKEY_get_raw_public_key(fleet->keys[i], raw, &bytes) == 1, "a public key");
	envelope_key_set(&found, raw);
	text = envelope_key_text(&found);
	perf_need(text != NULL, "memory");
	(void)snprintf(key, 64, "%s", text);
	(void)snprintf(key_id, ENVELOPE_KEY_ID_BYTES, "%s", found.id);
	free(text);
}

static size_t put_base64(char *out, const void *data, size_t bytes)
{
	return (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)bytes);
}

static void sign(struct fleet *fleet, uint32_t i, const char *payload, uint8_t *signature)
{
	char text[FLEET_RECEIPT_BYTES];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t bytes = 64;
	int n = snprintf(text, sizeof(text), "DSSEv1 %zu %s %zu %s", strlen(ENVELOPE_RECEIPT),
		ENVELOPE_RECEIPT, strlen(payload), payload);

	perf_need(context != NULL &&
			  EVP_DigestSignInit(context, NULL, NULL, NULL, fleet->keys[i]) == 1 &&
			  EVP_DigestSign(context, signature, &bytes, (const uint8_t *)text,
				  (size_t)n) == 1,
		"a signature");
	EVP_MD_CTX_free(context);
}

// The digest of the payload: all gateways get the same alert.
static void look_at(struct fleet *fleet, const char *envelope, size_t bytes)
{
	struct envelope *parsed = NULL;
	const char *why = "";

	if (bytes == fleet->last_bytes && memcmp(envelope, fleet->last, bytes) == 0)
		return;
	perf_need(
		bytes <= sizeof(fleet->last) && envelope_parse(envelope, bytes, &parsed, &why) == 0,
		"an envelope");
	memcpy(fleet->last, envelope, bytes);
	fleet->last_bytes = bytes;
	(void)snprintf(fleet->digest, sizeof(fleet->digest), "%s", envelope_digest(parsed));
	envelope_free(parsed);
}

size_t fleet_answer(struct fleet *fleet, uint32_t i, const char *envelope, size_t bytes, char *out)
{
	char payload[FLEET_RECEIPT_BYTES / 2];
	char key[64];
	char key_id[ENVELOPE_KEY_ID_BYTES];
	char name[64];
	uint8_t signature[64];
	size_t n;

	look_at(fleet, envelope, bytes);
	fleet_name(i, name);
	fleet_key(fleet, i, key, key_id);
	(void)snprintf(payload, sizeof(payload),
		"{\"gateway\":\"%s\",\"alert\":\"%s\",\"result\":\"applied\",\"state\":{\"sealed\":"
		"true,"
		"\"open\":[\"CV-1\"],\"ruleset\":\"\",\"in_force\":true},"
		"\"time\":\"2026-01-01T00:00:00.000000Z\",\"counter\":1}",
		name, fleet->digest);
	sign(fleet, i, payload, signature);
	n = (size_t)snprintf(out, FLEET_RECEIPT_BYTES, "{\"payloadType\":\"%s\",\"payload\":\"",
		ENVELOPE_RECEIPT);
	n += put_base64(out + n, payload, strlen(payload));
	n += (size_t)snprintf(out + n, FLEET_RECEIPT_BYTES - n,
		"\",\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"", key_id);
	n += put_base64(out + n, signature, sizeof(signature));
	n += (size_t)snprintf(out + n, FLEET_RECEIPT_BYTES - n, "\"}]}");
	return n;
}

// ---- sockets ------------------------------------------------------------------------------------

static void watch(struct fleet *fleet, int fd, uint32_t gateway, bool listens)
{
	struct link *link = calloc(1, sizeof(*link));
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = link}};

	perf_need(link != NULL, "memory");
	*link = (struct link){.fd = fd, .gateway = gateway, .listens = listens};
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): epoll has it, drop frees it
	perf_need(epoll_ctl(fleet->epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
}

static void allow_files(uint32_t count)
{
	struct rlimit limit = {0};

	perf_need(getrlimit(RLIMIT_NOFILE, &limit) == 0, "limits");
	if (limit.rlim_cur >= count)
		return;
	limit.rlim_cur = count;
	limit.rlim_max = limit.rlim_max > count ? limit.rlim_max : count;
	perf_need(setrlimit(RLIMIT_NOFILE, &limit) == 0, "enough descriptors (ulimit -n)");
}

void fleet_listen(struct fleet *fleet, enum fleet_way way)
{
	struct sockaddr_in address;
	int yes = 1;

	allow_files(fleet->count + 100);
	fleet->way = way;
	fleet->epoll = epoll_create1(EPOLL_CLOEXEC);
	perf_need(fleet->epoll >= 0, "epoll");
	for (uint32_t i = 0; way == FLEET_UDP && i < fleet->count; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		address_of(i, &address);
		perf_need(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
			"an address of 127.1.0.0/16");
		watch(fleet, fd, i, false);
	}
	if (way != FLEET_UDP) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		address =
			(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(FLEET_PORT)};
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		perf_need(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
				  listen(fd, 4096) == 0,
			"the fleet's port");
		watch(fleet, fd, 0, true);
	}
}

static void drop(struct link *link)
{
	(void)close(link->fd);
	free(link->data);
	free(link);
}

static void accept_link(struct fleet *fleet, const struct link *listener)
{
	struct sockaddr_in address = {0};
	socklen_t bytes = sizeof(address);
	int yes = 1;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	perf_need(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0 &&
			  gateway_at(&address) < fleet->count,
		"a gateway's address");
	watch(fleet, fd, gateway_at(&address), false);
}

static void serve_datagram(struct fleet *fleet, const struct link *link)
{
	char receipt[FLEET_RECEIPT_BYTES];
	struct sockaddr_in from;
	socklen_t from_bytes = sizeof(from);
	ssize_t n = recvfrom(link->fd, fleet->data, sizeof(fleet->data), 0,
		(struct sockaddr *)&from, &from_bytes);
	size_t bytes;

	if (n <= 0)
		return;
	bytes = fleet_answer(fleet, link->gateway, fleet->data, (size_t)n, receipt);
	(void)sendto(link->fd, receipt, bytes, 0, (struct sockaddr *)&from, from_bytes);
}

// Where the envelope of a request is that has come in full; its length, 0: more is to come.
static size_t find_envelope(const struct fleet *fleet, const struct link *link, size_t *at)
{
	const char *body;
	const char *length;
	uint32_t head;
	size_t bytes;

	if (fleet->way == FLEET_TCP) {
		if (link->bytes < sizeof(head))
			return 0;
		memcpy(&head, link->data, sizeof(head));
		*at = sizeof(head);
		bytes = ntohl(head);
	} else {
		body = memmem(link->data, link->bytes, "\r\n\r\n", 4);
		length = body != NULL ? memmem(link->data, link->bytes, "Content-Length: ", 16)
				      : NULL;
		if (length == NULL)
			return 0;
		*at = (size_t)(body - link->data) + 4;
		bytes = strtoul(length + 16, NULL, 10);
	}
	return link->bytes >= *at + bytes ? bytes : 0;
}

static void send_answer(struct fleet *fleet, const struct link *link, size_t at, size_t bytes)
{
	char receipt[FLEET_RECEIPT_BYTES];
	char out[FLEET_RECEIPT_BYTES + 256];
	size_t n = fleet_answer(fleet, link->gateway, link->data + at, bytes, receipt);
	uint32_t head = htonl((uint32_t)n);
	size_t head_bytes = sizeof(head);

	if (fleet->way == FLEET_TCP)
		memcpy(out, &head, head_bytes);
	else
		head_bytes = (size_t)snprintf(out, sizeof(out),
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			"Content-Length: %zu\r\n\r\n",
			n);
	memcpy(out + head_bytes, receipt, n);
	perf_need(send(link->fd, out, head_bytes + n, MSG_NOSIGNAL) > 0, "an answer");
}

// Returns whether the connection stays.
static bool serve_connection(struct fleet *fleet, struct link *link)
{
	size_t at = 0;
	size_t bytes;
	ssize_t n;

	if (link->data == NULL)
		link->data = malloc(ROOM);
	perf_need(link->data != NULL, "memory");
	n = recv(link->fd, link->data + link->bytes, ROOM - link->bytes, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	link->bytes += (size_t)n;
	bytes = find_envelope(fleet, link, &at);
	if (bytes == 0)
		return link->bytes < ROOM;
	send_answer(fleet, link, at, bytes);
	link->bytes -= at + bytes;
	memmove(link->data, link->data + at + bytes, link->bytes);
	return true;
}

_Noreturn void fleet_serve(struct fleet *fleet)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(fleet->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct link *link = events[i].data.ptr;

			if (link->listens)
				accept_link(fleet, link);
			else if (fleet->way == FLEET_UDP)
				serve_datagram(fleet, link);
			else if (!serve_connection(fleet, link))
				drop(link);
		}
	}
}
