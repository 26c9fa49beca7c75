// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/deferral.h"

#include "dataplane/message.h"

#include <assert.h>
#include <string.h>

#define NS_PER_S 1000000000ull

struct deferral_pool {
	struct deferral *free;
	struct deferral *first; // outstanding
	struct deferral **last; // where the next one is linked
	uint32_t outstanding;
};

#define HEAD_BYTES ((sizeof(struct deferral_pool) + 63) & ~(size_t)63)

size_t deferral_pool_bytes(uint32_t count)
{
	return HEAD_BYTES + count * sizeof(struct deferral);
}

struct deferral_pool *deferral_pool_init(void *memory, uint32_t count)
{
	struct deferral_pool *pool = memory;
	struct deferral *deferrals = (struct deferral *)(void *)((uint8_t *)memory + HEAD_BYTES);

	memset(pool, 0, sizeof(*pool));
	pool->last = &pool->first;
	for (uint32_t i = count; i-- > 0;) {
		deferrals[i].next = pool->free;
		pool->free = &deferrals[i];
	}
	return pool;
}

uint32_t deferral_pool_free(const struct deferral_pool *pool)
{
	uint32_t count = 0;

	for (const struct deferral *deferral = pool->free; deferral != NULL;
		deferral = deferral->next)
		count++;
	return count;
}

uint32_t deferral_outstanding(const struct deferral_pool *pool)
{
	return pool->outstanding;
}

bool deferral_begin(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct deferral_pool *pool = engine->deferrals;
	struct message *message = session->building;
	struct deferral *deferral = pool->free;

	if (deferral == NULL || engine->ops.defer == NULL ||
		!engine->ops.defer(engine->ops.ctx, message->scan))
		return false;
	pool->free = deferral->next;
	*deferral = (struct deferral){
		.scan = message->scan,
		.session = session,
		.deadline_ns = now_ns + engine->options.verdict_seconds * NS_PER_S,
	};
	*pool->last = deferral;
	pool->last = &deferral->next;
	pool->outstanding++;
	message->deferral = deferral;
	session->deciding_ns = now_ns;
	engine->counters.verdicts_deferred++;
	return true;
}

void deferral_leave(struct message *message)
{
	struct deferral *deferral = message->deferral;

	(void)scan_cancel(deferral->scan);
	deferral->session = NULL;
	deferral->is_read = true;
	message->result = scan_get_known(deferral->scan);
	message->left = deferral;
	message->deferral = NULL;
	message->scan = NULL;
}

// Unlinks the deferral of a scan.
static struct deferral *take(struct deferral_pool *pool, const struct scan *scan)
{
	struct deferral **at = &pool->first;
	struct deferral *deferral;

	while (*at != NULL && (*at)->scan != scan)
		at = &(*at)->next;
	deferral = *at;
	assert(deferral != NULL);
	*at = deferral->next;
	if (deferral->next == NULL)
		pool->last = at;
	pool->outstanding--;
	return deferral;
}

static void give_back(struct deferral_pool *pool, struct deferral *deferral)
{
	deferral->next = pool->free;
	pool->free = deferral;
}

void deferral_forget(struct engine *engine, struct message *message)
{
	struct deferral *deferral = message->left;

	message->left = NULL;
	message->result = NULL;
	deferral->is_read = false;
	if (!deferral->is_back)
		return;
	scan_free(deferral->scan);
	give_back(engine->deferrals, deferral);
}

static void collect(struct engine *engine, uint64_t now_ns)
{
	struct scan *scan;

	while ((scan = engine->ops.deferred(engine->ops.ctx)) != NULL) {
		struct deferral *deferral = take(engine->deferrals, scan);
		struct session *session = deferral->session;

		deferral->is_back = true;
		if (deferral->is_read)
			continue;
		give_back(engine->deferrals, deferral);
		if (session == NULL) {
			scan_free(scan);
			continue;
		}
		session->building->deferral = NULL;
		message_conclude(engine, session, now_ns);
		session_resume(engine, session, now_ns);
	}
}

static void give_up(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	struct session *session = deferral->session;
	struct message *message = session->building;

	engine->counters.verdicts_late++;
	message->late = scan_cancel(deferral->scan) ? MESSAGE_TOOK_TOO_LONG : MESSAGE_NOT_BEGUN;
	deferral_leave(message);
	message_conclude(engine, session, now_ns);
	session_resume(engine, session, now_ns);
}

void deferral_tick(struct engine *engine, uint64_t now_ns)
{
	if (engine->deferrals->outstanding == 0)
		return;
	collect(engine, now_ns);
	for (struct deferral *deferral = engine->deferrals->first; deferral != NULL;
		deferral = deferral->next)
		if (deferral->session != NULL && now_ns >= deferral->deadline_ns)
			give_up(engine, deferral, now_ns);
}
