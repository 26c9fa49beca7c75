// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_helper.h"

#include "dataplane/deferral.h"

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A nap between looks when there is nothing to do: what it adds to a verdict is less than an archive
// takes.
#define NAP_US 1000

struct worker_helper {
	struct rte_ring *jobs; // worker writes, thread reads
	struct rte_ring *done; // thread writes, worker reads
	pthread_t thread;
	bool has_thread;
	atomic_bool stop; // worker_helper_free sets, thread reads
	uint32_t with_it; // the worker's: pushed and not yet pulled
};

static void *run(void *arg)
{
	struct worker_helper *helper = arg;

	// Relaxed: nothing is passed along with the flag.
	while (!atomic_load_explicit(&helper->stop, memory_order_relaxed)) {
		void *deferral;

		if (rte_ring_sc_dequeue(helper->jobs, &deferral) != 0) {
			(void)usleep(NAP_US);
			continue;
		}
		deferral_work(deferral);
		// Both rings hold all there are.
		while (rte_ring_sp_enqueue(helper->done, deferral) != 0)
			(void)usleep(NAP_US);
	}
	return NULL;
}

static struct rte_ring *make_ring(const char *what, uint32_t number, uint32_t count)
{
	char name[RTE_RING_NAMESIZE];

	(void)snprintf(name, sizeof(name), "helper_%s_%u", what, number);
	return rte_ring_create(
		name, rte_align32pow2(count + 1), SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int worker_helper_new(uint32_t number, uint32_t count, struct worker_helper **out)
{
	struct worker_helper *helper = calloc(1, sizeof(*helper));
	char name[16];
	int err = -ENOMEM;

	if (helper == NULL)
		return -ENOMEM;
	helper->jobs = make_ring("jobs", number, count);
	helper->done = make_ring("done", number, count);
	if (helper->jobs != NULL && helper->done != NULL) {
		(void)snprintf(name, sizeof(name), "unpack-%u", number);
		err = rte_ctrl_thread_create(&helper->thread, name, NULL, run, helper);
	}
	helper->has_thread = err == 0;
	if (err != 0) {
		worker_helper_free(helper);
		return err;
	}
	*out = helper;
	return 0;
}

void worker_helper_free(struct worker_helper *helper)
{
	if (helper == NULL || helper->with_it > 0)
		return;
	atomic_store_explicit(&helper->stop, true, memory_order_relaxed);
	if (helper->has_thread)
		(void)pthread_join(helper->thread, NULL);
	rte_ring_free(helper->jobs);
	rte_ring_free(helper->done);
	free(helper);
}

bool worker_helper_push(struct worker_helper *helper, struct deferral *deferral)
{
	if (rte_ring_sp_enqueue(helper->jobs, deferral) != 0)
		return false;
	helper->with_it++;
	return true;
}

struct deferral *worker_helper_pull(struct worker_helper *helper)
{
	void *deferral;

	if (rte_ring_sc_dequeue(helper->done, &deferral) != 0)
		return NULL;
	helper->with_it--;
	return deferral;
}
