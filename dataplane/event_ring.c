// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/event_ring.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64

// Positions only grow; the place of one is its remainder by the size.
struct event_ring {
	_Alignas(LINE) atomic_size_t pushed;   // producer writes, consumer reads
	size_t consumed_seen;                  // producer's last look at consumed
	_Alignas(LINE) atomic_size_t consumed; // consumer writes, producer reads
	_Alignas(LINE) size_t bytes;           // set once
	char data[];
};

int event_ring_new(size_t bytes, struct event_ring **out)
{
	struct event_ring *ring;
	size_t size = LINE;

	while (size < bytes)
		size *= 2;
	ring = aligned_alloc(LINE, (sizeof(*ring) + size + LINE - 1) / LINE * LINE);
	if (ring == NULL)
		return -ENOMEM;
	// All of it: no page of it is missing the first time round, when packets wait.
	memset(ring, 0, sizeof(*ring) + size);
	ring->bytes = size;
	*out = ring;
	return 0;
}

void event_ring_free(struct event_ring *ring)
{
	free(ring);
}

bool event_ring_push(struct event_ring *ring, const char *data, size_t n)
{
	size_t pushed = atomic_load_explicit(&ring->pushed, memory_order_relaxed);
	size_t at = pushed & (ring->bytes - 1);
	size_t first = ring->bytes - at < n ? ring->bytes - at : n;

	if (n > ring->bytes)
		return false;
	if (ring->bytes - (pushed - ring->consumed_seen) < n) {
		// Acquire, with the release in consume: the bytes there have been read.
		ring->consumed_seen = atomic_load_explicit(&ring->consumed, memory_order_acquire);
		if (ring->bytes - (pushed - ring->consumed_seen) < n)
			return false;
	}
	memcpy(ring->data + at, data, first);
	memcpy(ring->data, data + first, n - first);
	// Release, with the acquire in peek: the bytes are there before their count.
	atomic_store_explicit(&ring->pushed, pushed + n, memory_order_release);
	return true;
}

size_t event_ring_peek(const struct event_ring *ring, struct iovec pieces[2])
{
	size_t consumed = atomic_load_explicit(&ring->consumed, memory_order_relaxed);
	size_t n = atomic_load_explicit(&ring->pushed, memory_order_acquire) - consumed;
	size_t at = consumed & (ring->bytes - 1);
	size_t first = ring->bytes - at < n ? ring->bytes - at : n;
	// iovec has no const: what is read from here goes to writev.
	char *data = (char *)(uintptr_t)ring->data;

	pieces[0] = (struct iovec){data + at, first};
	pieces[1] = (struct iovec){data, n - first};
	return n;
}

void event_ring_consume(struct event_ring *ring, size_t n)
{
	size_t consumed = atomic_load_explicit(&ring->consumed, memory_order_relaxed);

	assert(n <= atomic_load_explicit(&ring->pushed, memory_order_relaxed) - consumed);
	atomic_store_explicit(&ring->consumed, consumed + n, memory_order_release);
}
