// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_faults.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_WAITING 2048 // frames; past that they are lost, as on a link that is too slow
#define MILLION 1000000u
#define OVERTAKEN_NS 1000000u
#define NS_PER_US 1000u

struct waiting {
	uint64_t due_ns;
	uint64_t order; // among those due at the same time
	struct rte_mbuf *mbuf;
};

struct port_faults {
	struct options_faults options;
	struct rte_mempool *pool;
	uint64_t random;
	uint64_t order;
	uint32_t count;
	struct waiting heap[MAX_WAITING]; // the first is due first
};

int port_faults_new(const struct options_faults *options, uint32_t number, struct rte_mempool *pool,
	struct port_faults **out)
{
	struct port_faults *faults = calloc(1, sizeof(*faults));

	if (faults == NULL)
		return -ENOMEM;
	faults->options = *options;
	faults->pool = pool;
	// xorshift must not start at zero; the seed is not, and odd multiples keep workers apart.
	faults->random = options->seed * (2 * (uint64_t)number + 1);
	*out = faults;
	return 0;
}

void port_faults_free(struct port_faults *faults)
{
	for (uint32_t i = 0; faults != NULL && i < faults->count; i++)
		rte_pktmbuf_free(faults->heap[i].mbuf);
	free(faults);
}

static uint32_t random_below(struct port_faults *faults, uint32_t n)
{
	faults->random ^= faults->random << 13;
	faults->random ^= faults->random >> 7;
	faults->random ^= faults->random << 17;
	return (uint32_t)((faults->random >> 32) * n >> 32);
}

static bool is_before(const struct waiting *a, const struct waiting *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void swap(struct waiting *a, struct waiting *b)
{
	struct waiting kept = *a;

	*a = *b;
	*b = kept;
}

static void enqueue(struct port_faults *faults, struct rte_mbuf *mbuf, uint64_t due_ns)
{
	uint32_t at = faults->count;

	if (at >= MAX_WAITING) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	faults->heap[at] = (struct waiting){due_ns, faults->order++, mbuf};
	faults->count++;
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (!is_before(&faults->heap[at], &faults->heap[parent]))
			break;
		swap(&faults->heap[at], &faults->heap[parent]);
		at = parent;
	}
}

static uint64_t due(struct port_faults *faults, uint64_t now_ns)
{
	const struct options_faults *options = &faults->options;
	uint64_t ns = now_ns + (uint64_t)options->delay_us * NS_PER_US;

	if (options->jitter_us > 0)
		ns += random_below(faults, options->jitter_us * NS_PER_US);
	if (random_below(faults, MILLION) < options->reorder_per_million)
		ns += OVERTAKEN_NS;
	return ns;
}

void port_faults_push(struct port_faults *faults, struct rte_mbuf *mbuf, uint64_t now_ns)
{
	if (random_below(faults, MILLION) < faults->options.drop_per_million) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (random_below(faults, MILLION) < faults->options.duplicate_per_million) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(mbuf, faults->pool, 0, UINT32_MAX);

		if (copy != NULL)
			enqueue(faults, copy, due(faults, now_ns));
	}
	enqueue(faults, mbuf, due(faults, now_ns));
}

struct rte_mbuf *port_faults_pull(struct port_faults *faults, uint64_t now_ns)
{
	struct rte_mbuf *mbuf;
	uint32_t at = 0;

	if (faults->count == 0 || faults->heap[0].due_ns > now_ns)
		return NULL;
	mbuf = faults->heap[0].mbuf;
	faults->heap[0] = faults->heap[--faults->count];
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < faults->count &&
			is_before(&faults->heap[child + 1], &faults->heap[child]))
			child++;
		if (child >= faults->count || !is_before(&faults->heap[child], &faults->heap[at]))
			return mbuf;
		swap(&faults->heap[child], &faults->heap[at]);
		at = child;
	}
}
