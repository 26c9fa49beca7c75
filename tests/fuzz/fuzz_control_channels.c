// SPDX-License-Identifier: BSD-3-Clause
// What comes in by the channels, over sockets of the loopback network: frames of TCP connections however they
// are cut, datagrams, requests to the HTTP server, SNMP notifications. The channels are the real ones; what
// they hand over comes to alerts_take below, and must be what a second reading of the bytes finds.
//
// The first byte chooses the channel, the second what is varied there; the rest is sent.
#include "control/alerts.h"
#include "control/channel.h"

#include <glib.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 16384u
#define NO_DELAY 1 // TCP_NODELAY, but netinet/tcp.h has states of the names of reassembly/tcp.h
#define TAKEN 4096
#define STRANGERS 10 // a connection is cut off after so many envelopes that nobody has signed
#define HEAD_BYTES 4

enum { TCP, UDP, HTTP, SNMP, SNMP_BINDINGS, WAYS };

static struct {
	struct channels *channels;
	uint16_t port[4];
	// What was handed over since the last start.
	struct {
		const uint8_t *data; // a copy
		size_t bytes;
	} taken[TAKEN];
	size_t taken_count;
} lab;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

// ---- in the place of alerts.c -------------------------------------------------------------------

// What begins so is of somebody whom nobody trusts.
static bool is_stranger(const uint8_t *data, size_t n)
{
	return n > 0 && data[0] == '!';
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	const struct alerts_answer said = {.receipt = is_stranger(text, bytes) ? NULL : "receipt"};

	(void)alerts;
	must(now_s > 0 && source->answer != NULL && source->channel[0] != '\0');
	must(lab.taken_count < TAKEN && bytes <= ENVELOPE_MAX_BYTES);
	lab.taken[lab.taken_count].data = g_memdup2(text, bytes);
	lab.taken[lab.taken_count++].bytes = bytes;
	source->answer(source->ctx, source->token, &said);
}

json_t *alerts_status(const struct alerts *alerts)
{
	(void)alerts;
	return json_object();
}

static bool is_taken(size_t i, const uint8_t *data, size_t n)
{
	return i < lab.taken_count && lab.taken[i].bytes == n &&
	       (n == 0 || memcmp(lab.taken[i].data, data, n) == 0);
}

static void forget(void)
{
	while (lab.taken_count > 0)
		g_free((void *)(uintptr_t)lab.taken[--lab.taken_count].data);
}

// ---- sockets ------------------------------------------------------------------------------------

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static uint16_t free_port(int type)
{
	struct sockaddr_in address = address_of(0);
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, type, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static int connect_to(int type, uint16_t port)
{
	struct sockaddr_in address = address_of(port);
	int yes = 1;
	int fd = socket(AF_INET, type, 0);

	must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, IPPROTO_TCP, NO_DELAY, &yes, sizeof(yes));
	return fd;
}

static void turn(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void start(void)
{
	static struct control_options options;
	static char folder[] = "/tmp/cordon-fuzz-XXXXXX";
	char error[512] = "";
	char path[64];
	FILE *file;

	(void)signal(SIGPIPE, SIG_IGN);
	control_options_init(&options);
	must(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/community", folder);
	file = fopen(path, "we");
	must(file != NULL && fputs("c\n", file) >= 0 && fclose(file) == 0);
	for (int i = 0; i < 4; i++)
		lab.port[i] = free_port(i == TCP || i == HTTP ? SOCK_STREAM : SOCK_DGRAM);
	(void)snprintf(options.state, sizeof(options.state), "%s", folder);
	(void)snprintf(options.gateway, sizeof(options.gateway), "fuzz");
	(void)snprintf(options.alerts.tcp.listen, 64, "127.0.0.1:%d", lab.port[TCP]);
	(void)snprintf(options.alerts.udp.listen, 64, "127.0.0.1:%d", lab.port[UDP]);
	(void)snprintf(options.alerts.https.listen, 64, "127.0.0.1:%d", lab.port[HTTP]);
	(void)snprintf(options.alerts.snmp.listen, 64, "127.0.0.1:%d", lab.port[SNMP]);
	(void)snprintf(options.alerts.snmp.community, 64, "%s", path);
	options.alerts.tcp.peers = 64;
	options.alerts.https.plain = true;
	options.alerts.https.per_minute = 1000000;
	must(channels_open(&options, NULL, &lab.channels, error, sizeof(error)) == 0);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/snmp-boots", folder);
	(void)unlink(path);
	(void)rmdir(folder);
	turn();
}

// Ends without leaving a port behind for a minute.
static void hang_up(int fd)
{
	const struct linger now = {1, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
	turn();
}

// ---- TCP ----------------------------------------------------------------------------------------

// Frames as a second reading finds them, each compared with what was handed over. Returns how many frames
// are answered; *cut: the connection ends with them.
static size_t read_frames(const uint8_t *data, size_t n, bool *cut)
{
	size_t answers = 0;
	size_t taken = 0;
	unsigned int strangers = 0;

	*cut = false;
	while (n >= HEAD_BYTES && !*cut) {
		size_t bytes = (size_t)data[0] << 24 | (size_t)data[1] << 16 |
			       (size_t)data[2] << 8 | data[3];

		*cut = bytes > ENVELOPE_MAX_BYTES;
		if (*cut || n < HEAD_BYTES + bytes)
			break;
		data += HEAD_BYTES;
		if (bytes > 0) {
			must(is_taken(taken, data, bytes));
			taken++;
		}
		strangers += is_stranger(data, bytes);
		answers += !is_stranger(data, bytes);
		*cut = strangers >= STRANGERS;
		data += bytes;
		n -= HEAD_BYTES + bytes;
	}
	must(taken == lab.taken_count);
	return answers;
}

static size_t count_answers(int fd)
{
	uint8_t head[HEAD_BYTES];
	char text[16];
	size_t count = 0;

	while (recv(fd, head, sizeof(head), MSG_DONTWAIT) == HEAD_BYTES) {
		must(head[0] == 0 && head[1] == 0 && head[2] == 0);
		must(head[3] == 0 || head[3] == strlen("receipt"));
		must(recv(fd, text, head[3],
			     head[3] > 0 ? MSG_DONTWAIT : MSG_PEEK | MSG_DONTWAIT) == head[3] ||
			head[3] == 0);
		count++;
	}
	return count;
}

static void try_tcp(uint8_t seed, const uint8_t *data, size_t n)
{
	int fd = connect_to(SOCK_STREAM, lab.port[TCP]);
	size_t answers;
	size_t wanted;
	size_t at = 0;
	bool cut = false;
	uint32_t pieces = seed;

	turn();
	while (at < n) {
		size_t piece = n - at;

		pieces = pieces * 1103515245u + 12345u;
		if (seed != 0 && piece > 1)
			piece = 1 + (pieces >> 16) % (piece < 40 ? piece : 40);
		if (send(fd, data + at, piece, MSG_NOSIGNAL) != (ssize_t)piece)
			break; // it was cut off
		at += piece;
		turn();
	}
	(void)shutdown(fd, SHUT_WR);
	turn();
	answers = count_answers(fd);
	wanted = read_frames(data, n, &cut);
	must(cut ? answers <= wanted : answers == wanted);
	hang_up(fd);
}

// ---- datagrams and requests ---------------------------------------------------------------------

static void try_udp(uint8_t seed, const uint8_t *data, size_t n)
{
	int fd = connect_to(SOCK_DGRAM, lab.port[UDP]);
	char text[16];

	(void)seed;
	if (is_stranger(data, n)) {
		(void)close(fd); // of these only so many are looked at in a second
		return;
	}
	must(send(fd, data, n, 0) == (ssize_t)n);
	turn();
	must(lab.taken_count == 1 && is_taken(0, data, n));
	must(recv(fd, text, sizeof(text), MSG_DONTWAIT) == (ssize_t)strlen("receipt"));
	(void)close(fd);
}

static void try_http(uint8_t seed, const uint8_t *data, size_t n)
{
	char head[128] = "";
	int fd = connect_to(SOCK_STREAM, lab.port[HTTP]);

	turn();
	if (seed % 2 == 0) // a good head, and the rest is the body
		(void)snprintf(head, sizeof(head),
			"POST /v1/alerts HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", n);
	(void)send(fd, head, strlen(head), MSG_NOSIGNAL);
	if (seed % 4 == 0)
		turn();
	(void)send(fd, data, n, MSG_NOSIGNAL);
	turn();
	// What is handed over was sent, in one piece; chunks would be put together.
	for (size_t i = 0; i < lab.taken_count; i++)
		must(lab.taken[i].bytes <= n &&
			(lab.taken[i].bytes == 0 || memmem(data, n, "hunked", 6) != NULL ||
				memmem(data, n, lab.taken[i].data, lab.taken[i].bytes) != NULL));
	if (seed % 2 == 0 && n > 0)
		must(is_taken(0, data, n));
	hang_up(fd);
}

static uint8_t *put_head(uint8_t *at, uint8_t tag, size_t bytes)
{
	const uint8_t head[4] = {tag, 0x82, (uint8_t)(bytes >> 8), (uint8_t)bytes};

	memcpy(at, head, sizeof(head));
	return at + sizeof(head);
}

// A notification (RFC 3416) of the community, around variable bindings that are the input.
static size_t wrap_bindings(uint8_t kind, const uint8_t *data, size_t n, uint8_t *out)
{
	static const uint8_t version[] = {2, 1, 1, 4, 1, 'c'};
	static const uint8_t numbers[] = {2, 1, 1, 2, 1, 0, 2, 1, 0};
	static const uint8_t kinds[] = {0xa7, 0xa6, 0xa0, 0xa1, 0xa5, 0xa3};
	size_t pdu = sizeof(numbers) + 4 + n;
	uint8_t *at = put_head(out, 0x30, sizeof(version) + 4 + pdu);

	memcpy(at, version, sizeof(version));
	at = put_head(at + sizeof(version), kinds[kind % sizeof(kinds)], pdu);
	memcpy(at, numbers, sizeof(numbers));
	at = put_head(at + sizeof(numbers), 0x30, n);
	memcpy(at, data, n);
	return (size_t)(at + n - out);
}

static void try_snmp(bool wraps, uint8_t kind, const uint8_t *data, size_t n)
{
	static uint8_t whole[MOST + 64];
	int fd = connect_to(SOCK_DGRAM, lab.port[SNMP]);

	if (wraps) {
		n = wrap_bindings(kind, data, n, whole);
		data = whole;
	}
	must(send(fd, data, n, 0) == (ssize_t)n);
	turn();
	must(lab.taken_count <= 1);
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (lab.channels == NULL)
		start();
	if (n < 2 || n - 2 > MOST / 2)
		return 0;
	switch (data[0] % WAYS) {
	case TCP:
		try_tcp(data[1], data + 2, n - 2);
		break;
	case UDP:
		try_udp(data[1], data + 2, n - 2);
		break;
	case HTTP:
		try_http(data[1], data + 2, n - 2);
		break;
	default:
		try_snmp(data[0] % WAYS == SNMP_BINDINGS, data[1], data + 2, n - 2);
	}
	forget();
	return 0;
}
