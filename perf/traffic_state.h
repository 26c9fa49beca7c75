// SPDX-License-Identifier: BSD-3-Clause
// What traffic.c (TCP) and traffic_smtp.c (what is said) share.
#pragma once

#include "perf/traffic.h"

#define TRAFFIC_LATENCIES (1u << 18)

enum client_state {
	CLIENT_CLOSED,
	CLIENT_GREETING, // waits for the reply to this
	CLIENT_EHLO,
	CLIENT_IDLE,
	CLIENT_MAIL,
	CLIENT_RCPT,
	CLIENT_DATA,
	CLIENT_BODY,
	CLIENT_QUIT,
	CLIENT_DONE, // nothing more is to be sent, ever
};

struct end {
	const uint8_t *out; // what is being said
	uint32_t out_bytes;
	uint32_t out_sent;
	uint32_t next; // number of the next byte
	uint32_t acked;
	uint32_t expected; // of the other side
	uint32_t window;
	uint8_t unanswered; // segments that were not acknowledged
	bool open;          // both have said SYN
	bool syn_due;
	bool fin_due;
	bool fin_sent;
	bool fin_seen;
	bool ack_due;
	bool gone; // reset
	bool queued;
};

struct talk {
	struct end end[2];
	uint64_t sent_ns; // the last segment of the mail
	uint32_t body_at; // of what the server has
	uint32_t mail;    // of all
	uint16_t port;
	uint8_t state; // enum client_state
	uint8_t sent_here;
	bool in_body; // at the server
	bool sealed;
	bool roused; // an idle one is to send a mail
	char text[56];
};

struct traffic {
	struct traffic_options options;
	struct traffic_ops ops;
	struct traffic_totals totals;
	struct talk *talks;
	uint32_t *queue; // talk * 2 + side of those with something to do, a ring
	uint32_t queue_mask;
	uint32_t queue_head;
	uint32_t queue_tail;
	uint32_t closed; // talks that are
	uint32_t opened; // talks that ever were
	uint32_t *latencies;
	uint32_t latencies_count;
};

void traffic_wake(struct traffic *traffic, struct talk *talk, enum traffic_side side);
void traffic_say(struct traffic *traffic, struct talk *talk, enum traffic_side side,
	const void *data, size_t n);
void traffic_say_text(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, const char *text);
// An idle connection has nothing more to say.
void traffic_rest(struct traffic *traffic, struct talk *talk);
void traffic_next_mail(struct traffic *traffic, struct talk *talk);
void traffic_quit(struct traffic *traffic, struct talk *talk);
// Whether one more mail is to be sent.
bool traffic_has_more(const struct traffic *traffic);
// Bytes that came in order.
void traffic_client_hears(
	struct traffic *traffic, struct talk *talk, const uint8_t *data, uint32_t n);
void traffic_server_hears(struct traffic *traffic, struct talk *talk, const uint8_t *data,
	uint32_t n, uint64_t now_ns);
