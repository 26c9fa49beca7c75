// SPDX-License-Identifier: BSD-3-Clause
// Alerts in lines: a feed that is fetched, and what a broker publishes. The channels are the real ones, with
// their libraries; this file is the server of files and the broker. What is handed over are the lines that
// are more than blanks: of a feed in their order, of a broker's state each once, before the next message
// that is alone.
//
// The first byte chooses the channel; the rest is the feed, or the message.
#include "control/alerts.h"
#include "control/channel.h"
#include "control/channel_mqtt.h"

#include <glib.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 8192u
#define TURNS 2000

static const char last[] =
	"{\"last\": 1}"; // alone in its message: what waits is handed over before it

static struct {
	int listener[2]; // of the feed, of the broker
	int broker;      // the connection, -1: none
	void *mqtt;
	struct control_options options;
	const uint8_t *data; // what is expected
	size_t bytes;
	size_t at;     // up to there it was handed over
	bool is_state; // of a broker
	bool is_over;  // the message behind it has come
} lab = {.broker = -1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

// ---- in the place of alerts.c -------------------------------------------------------------------

static bool is_blank(const uint8_t *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

// The next line that counts; its length, and at is behind it. False: there is none.
static bool next_line(const uint8_t **line, size_t *n)
{
	while (lab.at < lab.bytes) {
		const uint8_t *from = lab.data + lab.at;
		const uint8_t *end = memchr(from, '\n', lab.bytes - lab.at);

		*line = from;
		*n = end != NULL ? (size_t)(end - from) : lab.bytes - lab.at;
		lab.at += *n + 1;
		if (!is_blank(from, *n))
			return true;
	}
	return false;
}

static bool is_one_of_them(const void *text, size_t bytes)
{
	const uint8_t *line = NULL;
	size_t n = 0;

	lab.at = 0;
	while (next_line(&line, &n)) {
		if (n == bytes && memcmp(line, text, n) == 0)
			return true;
	}
	return false;
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	static const struct alerts_answer nothing = {.is_refusal = true};
	const uint8_t *line = NULL;
	size_t n = 0;

	(void)alerts;
	(void)now_s;
	must(!lab.is_over);
	if (!lab.is_state)
		must(next_line(&line, &n) && n == bytes && memcmp(line, text, n) == 0);
	else if (bytes == strlen(last) && memcmp(text, last, bytes) == 0)
		lab.is_over = true;
	else
		must(is_one_of_them(text, bytes));
	source->answer(source->ctx, source->token, &nothing);
}

json_t *alerts_status(const struct alerts *alerts)
{
	(void)alerts;
	return json_object();
}

static void expect(const uint8_t *data, size_t n, bool is_state)
{
	lab.data = data;
	lab.bytes = n;
	lab.at = 0;
	lab.is_state = is_state;
	lab.is_over = false;
}

static bool is_complete(void)
{
	const uint8_t *line = NULL;
	size_t at = lab.at;
	size_t n = 0;
	bool more = next_line(&line, &n);

	lab.at = at;
	return lab.is_state ? lab.is_over : !more;
}

// ---- sockets ------------------------------------------------------------------------------------

// text: where it is, behind the scheme.
static int listen_at(char *text, const char *scheme, const char *path)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
	(void)snprintf(text, CONTROL_TEXT_BYTES, "%s127.0.0.1:%d%s", scheme,
		ntohs(address.sin_port), path);
	return fd;
}

// Lets the loop go round until something can be read there, or for a while.
static bool turn_until(int fd)
{
	for (int i = 0; i < TURNS; i++) {
		GPollFD ready = {.fd = fd, .events = G_IO_IN};

		while (g_main_context_iteration(NULL, FALSE))
			;
		if (g_poll(&ready, 1, 1) > 0)
			return true;
	}
	return false;
}

static void hang_up(int fd)
{
	const struct linger now = {1, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

// ---- the feed -----------------------------------------------------------------------------------

static void try_pull(const uint8_t *data, size_t n)
{
	char head[128];
	char text[2048];
	char error[256] = "";
	void *channel = NULL;
	int fd;

	expect(data, n, false);
	must(channel_pull.open(&lab.options, NULL, &channel, error, sizeof(error)) == 0);
	must(turn_until(lab.listener[0]));
	fd = accept(lab.listener[0], NULL, NULL);
	must(fd >= 0 && turn_until(fd) && recv(fd, text, sizeof(text), 0) > 0);
	(void)snprintf(head, sizeof(head),
		"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: %zu\r\n\r\n", n);
	must(send(fd, head, strlen(head), MSG_NOSIGNAL) > 0);
	must(n == 0 || send(fd, data, n, MSG_NOSIGNAL) == (ssize_t)n);
	for (int i = 0; i < TURNS && !is_complete(); i++) {
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(100);
	}
	must(is_complete());
	channel_pull.close(channel);
	hang_up(fd);
}

// ---- the broker ---------------------------------------------------------------------------------

// One packet of MQTT 3.1.1 from the client; its type, and the first bytes of what it holds.
static unsigned int read_packet(uint8_t *out, size_t room)
{
	uint8_t byte = 0;
	uint8_t type = 0;
	size_t left = 0;
	unsigned int shift = 0;

	must(turn_until(lab.broker) && recv(lab.broker, &type, 1, 0) == 1);
	do {
		must(recv(lab.broker, &byte, 1, MSG_WAITALL) == 1);
		left |= (size_t)(byte & 127) << shift;
		shift += 7;
	} while ((byte & 128) != 0);
	for (size_t i = 0; i < left; i++) {
		must(recv(lab.broker, &byte, 1, MSG_WAITALL) == 1);
		if (i < room)
			out[i] = byte;
	}
	return type >> 4;
}

static void start_broker(void)
{
	static const uint8_t agreed[] = {0x20, 2, 0, 0};
	uint8_t granted[] = {0x90, 3, 0, 0, 1};
	uint8_t text[64] = {0};
	char error[256] = "";

	must(channel_mqtt.open(&lab.options, NULL, &lab.mqtt, error, sizeof(error)) == 0);
	must(turn_until(lab.listener[1]));
	lab.broker = accept(lab.listener[1], NULL, NULL);
	must(lab.broker >= 0 && read_packet(text, sizeof(text)) == 1);
	must(send(lab.broker, agreed, sizeof(agreed), MSG_NOSIGNAL) > 0);
	must(read_packet(text, sizeof(text)) == 8);
	memcpy(granted + 2, text, 2);
	must(send(lab.broker, granted, sizeof(granted), MSG_NOSIGNAL) > 0);
}

static void publish(const void *data, size_t n)
{
	static const uint8_t topic[] = {0, 1, 't'};
	static uint8_t packet[MOST + 16] = {0x30};
	size_t left = sizeof(topic) + n;
	size_t at = 1;

	do {
		packet[at++] = (uint8_t)(left % 128 | (left > 127 ? 128 : 0));
		left /= 128;
	} while (left > 0);
	memcpy(packet + at, topic, sizeof(topic));
	if (n > 0)
		memcpy(packet + at + sizeof(topic), data, n);
	n += at + sizeof(topic);
	must(send(lab.broker, packet, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static void try_mqtt(const uint8_t *data, size_t n)
{
	static const uint8_t pong[] = {0xd0, 0};
	uint8_t ping[2];

	if (lab.broker < 0)
		start_broker();
	// All that the client has to say now is that it is alive.
	while (recv(lab.broker, ping, sizeof(ping), MSG_DONTWAIT) > 0)
		must(send(lab.broker, pong, sizeof(pong), MSG_NOSIGNAL) > 0);
	expect(data, n, true);
	publish(data, n);
	publish(last, strlen(last));
	for (int i = 0; i < TURNS && !is_complete(); i++) {
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(100);
	}
	must(is_complete());
}

static void start(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	control_options_init(&lab.options);
	lab.listener[0] = listen_at(lab.options.alerts.pull.url, "http://", "/feed");
	lab.listener[1] = listen_at(lab.options.alerts.mqtt.broker, "", "");
	lab.options.alerts.pull.interval_seconds = 86400;
	lab.options.alerts.mqtt.plain = true;
	lab.options.alerts.mqtt.topics_count = 1;
	(void)snprintf(lab.options.alerts.mqtt.topics[0], 2, "t");
	(void)snprintf(lab.options.alerts.mqtt.receipts, 2, "-");
	(void)snprintf(lab.options.alerts.mqtt.client, 8, "fuzz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (lab.listener[0] == 0)
		start();
	if (n < 1 || n > MOST)
		return 0;
	// To fetch a feed takes a connection, and a hundred times as long.
	if (data[0] == 0)
		try_pull(data + 1, n - 1);
	else
		try_mqtt(data + 1, n - 1);
	return 0;
}
