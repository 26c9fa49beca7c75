// SPDX-License-Identifier: BSD-3-Clause
// What clients and servers say.
#include "perf/traffic_state.h"

#include <stdio.h>
#include <string.h>

// ---- the client ---------------------------------------------------------------------------------

static const struct mail *mail_of(const struct traffic *traffic, const struct talk *talk)
{
	return &traffic->options.set[talk->mail % traffic->options.set_count];
}

void traffic_quit(struct traffic *traffic, struct talk *talk)
{
	talk->state = CLIENT_QUIT;
	traffic_say_text(traffic, talk, TRAFFIC_CLIENT, "QUIT\r\n");
}

void traffic_next_mail(struct traffic *traffic, struct talk *talk)
{
	if (!traffic_has_more(traffic) || talk->sent_here == traffic->options.per_connection) {
		traffic_quit(traffic, talk);
		return;
	}
	if (traffic->options.idle && !talk->roused) {
		traffic_rest(traffic, talk);
		return;
	}
	talk->roused = false;
	talk->mail = traffic->totals.begun++;
	talk->sent_here++;
	talk->sealed = (uint64_t)(talk->mail + 1) * traffic->options.sealed_percent / 100 !=
		       (uint64_t)talk->mail * traffic->options.sealed_percent / 100;
	talk->state = CLIENT_MAIL;
	(void)snprintf(talk->text, sizeof(talk->text), "MAIL FROM:<m%u-%c@perf.example>\r\n",
		talk->mail,
		mail_of(traffic, talk)->infected ? 'i'
		: talk->sealed                   ? 's'
						 : 'c');
	traffic_say_text(traffic, talk, TRAFFIC_CLIENT, talk->text);
}

static void take_answer(struct traffic *traffic, struct talk *talk, uint32_t code)
{
	const struct mail *mail = mail_of(traffic, talk);
	uint32_t due = mail->infected && !traffic->options.unseen ? 554 : 250;

	traffic->totals.mail_bytes += mail->wire.bytes;
	if (code == 250)
		traffic->totals.accepted++;
	else if (code == 554)
		traffic->totals.rejected++;
	else
		traffic->totals.refused++;
	traffic->totals.wrong += code != due;
	if (code != 250)
		talk->sent_here = (uint8_t)traffic->options.per_connection;
	traffic_next_mail(traffic, talk);
}

static void hear_reply(struct traffic *traffic, struct talk *talk, uint32_t code)
{
	static const uint32_t due[] = {0, 220, 250, 0, 250, 250, 354, 0, 221, 0};
	const struct mail *mail = mail_of(traffic, talk);

	if (talk->state != CLIENT_BODY && code != due[talk->state]) {
		traffic->totals.wrong++;
		talk->state = CLIENT_QUIT;
	}
	switch ((enum client_state)talk->state) {
	case CLIENT_GREETING:
		traffic->totals.greeted++;
		talk->state = CLIENT_EHLO;
		traffic_say_text(traffic, talk, TRAFFIC_CLIENT, "EHLO client.perf.example\r\n");
		break;
	case CLIENT_EHLO:
		traffic_next_mail(traffic, talk);
		break;
	case CLIENT_MAIL:
		talk->state = CLIENT_RCPT;
		traffic_say_text(traffic, talk, TRAFFIC_CLIENT,
			talk->sealed ? "RCPT TO:<sealed@perf.example>\r\n"
				     : "RCPT TO:<user@perf.example>\r\n");
		break;
	case CLIENT_RCPT:
		talk->state = CLIENT_DATA;
		talk->body_at = 0;
		traffic_say_text(traffic, talk, TRAFFIC_CLIENT, "DATA\r\n");
		break;
	case CLIENT_DATA:
		talk->state = CLIENT_BODY;
		traffic_say(traffic, talk, TRAFFIC_CLIENT, mail->wire.data, mail->wire.bytes);
		break;
	case CLIENT_BODY:
		take_answer(traffic, talk, code);
		break;
	case CLIENT_CLOSED:
	case CLIENT_IDLE:
	case CLIENT_QUIT:
	case CLIENT_DONE:
		talk->state = CLIENT_DONE;
		talk->end[TRAFFIC_CLIENT].fin_due = true;
		traffic_wake(traffic, talk, TRAFFIC_CLIENT);
		break;
	}
}

// Replies come whole; of one of several lines the last one has no hyphen.
void traffic_client_hears(
	struct traffic *traffic, struct talk *talk, const uint8_t *data, uint32_t n)
{
	uint32_t line = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (data[i] != '\n')
			continue;
		if (i - line >= 4 && data[line + 3] != '-')
			hear_reply(traffic, talk,
				(uint32_t)(data[line] - '0') * 100 +
					(uint32_t)(data[line + 1] - '0') * 10 +
					(uint32_t)(data[line + 2] - '0'));
		line = i + 1;
	}
}

// ---- the server ---------------------------------------------------------------------------------

static void note_latency(struct traffic *traffic, const struct talk *talk, uint64_t now_ns)
{
	uint64_t ns = now_ns - talk->sent_ns;

	if (traffic->latencies_count < TRAFFIC_LATENCIES)
		traffic->latencies[traffic->latencies_count++] =
			ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void server_reads_body(struct traffic *traffic, struct talk *talk, const uint8_t *data,
	uint32_t n, uint64_t now_ns)
{
	const struct mail_bytes *wire = &mail_of(traffic, talk)->wire;

	if (n > wire->bytes - talk->body_at || memcmp(data, wire->data + talk->body_at, n) != 0) {
		traffic->totals.changed++;
		return;
	}
	talk->body_at += n;
	if (talk->body_at < wire->bytes)
		return;
	talk->in_body = false;
	traffic->totals.delivered++;
	note_latency(traffic, talk, now_ns);
	traffic_say_text(traffic, talk, TRAFFIC_SERVER, "250 2.0.0 taken\r\n");
}

void traffic_server_hears(struct traffic *traffic, struct talk *talk, const uint8_t *data,
	uint32_t n, uint64_t now_ns)
{
	if (talk->in_body) {
		server_reads_body(traffic, talk, data, n, now_ns);
		return;
	}
	if (n < 6 || data[n - 1] != '\n') {
		traffic->totals.changed++;
		return;
	}
	if (memcmp(data, "DATA", 4) == 0) {
		talk->in_body = true;
		traffic_say_text(traffic, talk, TRAFFIC_SERVER, "354 go on\r\n");
	} else if (memcmp(data, "EHLO", 4) == 0) {
		traffic_say_text(traffic, talk, TRAFFIC_SERVER,
			"250-server.perf.example\r\n250-SIZE 50000000\r\n250 8BITMIME\r\n");
	} else if (memcmp(data, "QUIT", 4) == 0) {
		talk->end[TRAFFIC_SERVER].fin_due = true;
		traffic_say_text(traffic, talk, TRAFFIC_SERVER, "221 2.0.0 bye\r\n");
	} else {
		traffic_say_text(traffic, talk, TRAFFIC_SERVER, "250 2.1.0 ok\r\n");
	}
}
