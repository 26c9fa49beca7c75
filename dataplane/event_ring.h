// SPDX-License-Identifier: BSD-3-Clause
// Bytes from one thread to another: a worker's event lines on their way to the thread that writes them
// out. Single producer, single consumer; no locks, no system calls, no allocation after event_ring_new.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct event_ring;

// bytes is rounded up to a power of two. Returns 0 or -ENOMEM.
int event_ring_new(size_t bytes, struct event_ring **out) __attribute__((warn_unused_result));
void event_ring_free(struct event_ring *ring);

// Producer: adds all n bytes or, when there is no room, none.
bool event_ring_push(struct event_ring *ring, const char *data, size_t n);
// Consumer: the bytes that are there, in one or two pieces; returns how many. They stay until consumed.
size_t event_ring_peek(const struct event_ring *ring, struct iovec pieces[2]);
void event_ring_consume(struct event_ring *ring, size_t n);
