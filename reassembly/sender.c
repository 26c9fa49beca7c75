// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/sender.h"

#include <errno.h>
#include <string.h>

#define RTO_FIRST_NS 1000000000ull // RFC 6298 section 2.1
#define RTO_MAX_NS 60000000000ull  // section 2.5
#define TRIES_MAX 8                // one to 60 seconds: about four minutes in all

static uint64_t timeout_ns(const struct sender *sender)
{
	uint64_t timeout = RTO_FIRST_NS << (sender->tries < TRIES_MAX ? sender->tries : TRIES_MAX);

	return timeout < RTO_MAX_NS ? timeout : RTO_MAX_NS;
}

static bool is_fin_left(const struct sender *sender)
{
	return sender->fin && !sender->fin_acked;
}

static bool is_outstanding(const struct sender *sender)
{
	return sender->sent > 0 || sender->fin_sent;
}

static bool is_unsent(const struct sender *sender)
{
	return sender->sent < sender->bytes || (is_fin_left(sender) && !sender->fin_sent);
}

void sender_init(struct sender *sender, uint32_t seq)
{
	memset(sender, 0, sizeof(*sender));
	sender->seq = seq;
}

int sender_push(struct sender *sender, const void *data, size_t n)
{
	if (sender->fin)
		return -EPIPE;
	if (n > (size_t)(SENDER_BYTES - sender->bytes))
		return -ENOSPC;
	if (n > 0)
		memcpy(sender->data + sender->bytes, data, n);
	sender->bytes = (uint16_t)(sender->bytes + n);
	return 0;
}

void sender_push_fin(struct sender *sender)
{
	sender->fin = true;
}

void sender_sent(struct sender *sender, size_t n, uint64_t now_ns)
{
	sender->sent = (uint16_t)(n < sender->bytes ? n : sender->bytes);
	if (sender->sent > 0)
		sender->due_ns = now_ns + timeout_ns(sender);
}

// The receiver takes what it is sent, or there is nothing to be taken.
static void restart(struct sender *sender)
{
	sender->tries = 0;
	sender->vain = 0;
	sender->due_ns = 0;
	sender->shut_ns = 0;
}

uint32_t sender_end(const struct sender *sender)
{
	return sender->seq + sender->bytes + (is_fin_left(sender) ? 1 : 0);
}

bool sender_ack(struct sender *sender, uint32_t ack)
{
	uint32_t queued = sender_end(sender) - sender->seq;
	uint32_t acked = ack - sender->seq;

	sender->heard = true;
	// An acknowledgement of the past, or of what was never queued, says nothing.
	if (acked > 0 && acked <= queued) {
		uint16_t n = (uint16_t)(acked < sender->bytes ? acked : sender->bytes);

		sender->bytes = (uint16_t)(sender->bytes - n);
		memmove(sender->data, sender->data + n, sender->bytes);
		sender->sent = (uint16_t)(sender->sent > n ? sender->sent - n : 0);
		if (acked > n) {
			sender->fin_acked = true;
			sender->fin_sent = false;
		}
		sender->seq = ack;
		restart(sender);
	}
	return sender->bytes == 0 && !is_fin_left(sender);
}

// Gives out what follows the bytes that were sent, as far as room allows.
static bool send_new(
	struct sender *sender, uint32_t room, uint16_t mss, struct sender_segment *segment)
{
	uint32_t n = (uint32_t)(sender->bytes - sender->sent);

	if (n > room)
		n = room;
	if (n > mss)
		n = mss;
	segment->seq = sender->seq + sender->sent;
	segment->data = sender->data + sender->sent;
	segment->bytes = (uint16_t)n;
	sender->sent = (uint16_t)(sender->sent + n);
	segment->fin = is_fin_left(sender) && !sender->fin_sent && sender->sent == sender->bytes &&
		       room > n;
	if (segment->fin)
		sender->fin_sent = true;
	return n > 0 || segment->fin;
}

// One byte, or the FIN, beyond the window. It does not count as sent: when the window opens all is
// sent in order, and when the receiver takes it after all its acknowledgement says so.
static void send_probe(const struct sender *sender, struct sender_segment *segment)
{
	segment->seq = sender->seq;
	segment->data = sender->data;
	segment->bytes = sender->bytes > 0 ? 1 : 0;
	segment->fin = sender->bytes == 0;
}

static uint32_t room_above(uint32_t seq, uint32_t window_edge)
{
	int32_t room = (int32_t)(window_edge - seq);

	return room > 0 ? (uint32_t)room : 0;
}

// Counts one more repetition. An answer counts for a probe alone: who has room and says something, but
// acknowledges nothing, does not get what it is sent.
static bool may_repeat(struct sender *sender, bool has_room)
{
	if (!has_room && sender->shut_ns != 0 && sender->heard)
		sender->vain = 0;
	sender->heard = false;
	if (sender->tries < TRIES_MAX)
		sender->tries++;
	return sender->vain++ < TRIES_MAX;
}

bool sender_next(struct sender *sender, uint32_t window_edge, uint16_t mss, uint64_t now_ns,
	struct sender_segment *segment)
{
	uint32_t room = room_above(sender->seq + sender->sent, window_edge);

	if (mss == 0)
		mss = 1;
	if (!is_outstanding(sender) && !is_unsent(sender))
		return false;
	if (is_unsent(sender) && room > 0) {
		if (!is_outstanding(sender)) {
			// Nothing was under way, or the window that was probed has opened.
			restart(sender);
		}
		if (send_new(sender, room, mss, segment)) {
			if (sender->due_ns == 0)
				sender->due_ns = now_ns + timeout_ns(sender);
			return true;
		}
	}
	if (sender->due_ns == 0)
		sender->due_ns = now_ns + timeout_ns(sender);
	if (now_ns < sender->due_ns || sender_is_dead(sender))
		return false;
	room = room_above(sender->seq, window_edge);
	if (!may_repeat(sender, room > 0))
		return false;

	// Back to the first byte that is not acknowledged; what follows goes out again after it.
	sender->due_ns = now_ns + timeout_ns(sender);
	sender->sent = 0;
	sender->fin_sent = false;
	if (room > 0)
		return send_new(sender, room, mss, segment);
	if (sender->shut_ns == 0)
		sender->shut_ns = now_ns;
	send_probe(sender, segment);
	return true;
}

bool sender_is_dead(const struct sender *sender)
{
	return sender->vain > TRIES_MAX;
}

uint64_t sender_shut_ns(const struct sender *sender, uint64_t now_ns)
{
	return sender->shut_ns != 0 ? now_ns - sender->shut_ns : 0;
}
