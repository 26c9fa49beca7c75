// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/deferral.h"

#include "dataplane/message.h"
#include "dataplane/takeover.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define NS_PER_S 1000000000ull

struct deferral_list {
	struct deferral *first;
	struct deferral **last; // where the next one is linked
};

struct deferral_pool {
	struct deferral *free;
	struct deferral_list outstanding; // the other thread has them, or will
	struct deferral_list used;        // DEFERRAL_USED
	uint32_t outstanding_count;
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
	pool->outstanding.last = &pool->outstanding.first;
	pool->used.last = &pool->used.first;
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
	return pool->outstanding_count;
}

static void link_last(struct deferral_list *list, struct deferral *deferral)
{
	deferral->next = NULL;
	*list->last = deferral;
	list->last = &deferral->next;
}

static void unlink_from(struct deferral_list *list, struct deferral *deferral)
{
	struct deferral **at = &list->first;

	while (*at != NULL && *at != deferral)
		at = &(*at)->next;
	assert(*at != NULL);
	*at = deferral->next;
	if (deferral->next == NULL)
		list->last = at;
}

static void give_back(struct deferral_pool *pool, struct deferral *deferral)
{
	deferral->next = pool->free;
	pool->free = deferral;
}

// ---- the other thread ----------------------------------------------------------------------------

static int feed(void *ctx, const uint8_t *data, size_t n)
{
	struct deferral *deferral = ctx;

	// Relaxed: a hint that comes a little late.
	if (atomic_load_explicit(&deferral->stop, memory_order_relaxed))
		return -ECANCELED;
	scan_feed(atomic_load_explicit(&deferral->again, memory_order_relaxed), data, n);
	return 0;
}

static int judge(struct deferral *deferral)
{
	const struct engine_spool *spool = deferral->spool;
	struct scan *scan;
	int err = scan_begin(scanner_get_helper(deferral->scanner), SCAN_MESSAGE, &scan);

	if (err != 0)
		return err;
	// Release, with the acquire in tell_to_stop.
	atomic_store_explicit(&deferral->again, scan, memory_order_release);
	err = spool->read(spool->ctx, deferral->copy, feed, deferral);
	if (err == 0)
		deferral->result = scan_end(scan);
	return err;
}

void deferral_work(struct deferral *deferral)
{
	struct scan *again = atomic_load_explicit(&deferral->again, memory_order_relaxed);

	if (deferral->step == DEFERRAL_SCAN) {
		scan_work(deferral->scan);
		return;
	}
	if (again != NULL)
		scan_free(again);
	atomic_store_explicit(&deferral->again, NULL, memory_order_relaxed);
	deferral->result = NULL;
	if (deferral->step == DEFERRAL_JUDGE)
		deferral->error = judge(deferral);
}

// ---- handing over --------------------------------------------------------------------------------

static bool can_defer(const struct engine *engine)
{
	return engine->deferrals->free != NULL && engine->ops.defer != NULL &&
	       engine->options.scan.has_helper;
}

// Takes one that is free. It is linked, so its fields are set already.
static struct deferral *take_free(struct engine *engine, const struct deferral *as)
{
	struct deferral_pool *pool = engine->deferrals;
	struct deferral *deferral = pool->free;

	pool->free = deferral->next;
	*deferral = *as;
	link_last(&pool->outstanding, deferral);
	pool->outstanding_count++;
	return deferral;
}

static uint64_t deadline_ns(const struct engine *engine, uint64_t now_ns)
{
	return now_ns + engine->options.verdict_seconds * NS_PER_S;
}

// Only of scans: they take memory that others are short of.
static bool is_full(const struct engine *engine)
{
	const struct deferral *deferral = engine->deferrals->outstanding.first;
	uint32_t scans = 0;

	for (; deferral != NULL; deferral = deferral->next)
		scans += deferral->step == DEFERRAL_SCAN;
	return scans >= engine->options.max_deferred;
}

bool deferral_begin(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	const struct deferral as = {
		.step = DEFERRAL_SCAN,
		.scan = message->scan,
		.session = session,
		.deadline_ns = deadline_ns(engine, now_ns),
	};
	struct deferral *deferral;

	if (!can_defer(engine) || is_full(engine))
		return false;
	deferral = take_free(engine, &as);
	if (!engine->ops.defer(engine->ops.ctx, deferral)) {
		unlink_from(&engine->deferrals->outstanding, deferral);
		engine->deferrals->outstanding_count--;
		give_back(engine->deferrals, deferral);
		return false;
	}
	message->deferral = deferral;
	session->deciding_ns = now_ns;
	engine->counters.verdicts_deferred++;
	return true;
}

// Gives up what is not with the other thread.
static void drop(struct engine *engine, struct deferral *deferral)
{
	const struct engine_spool *spool = deferral->spool;

	unlink_from(&engine->deferrals->outstanding, deferral);
	engine->deferrals->outstanding_count--;
	if (deferral->has_copy)
		spool->abort(spool->ctx, deferral->copy);
	give_back(engine->deferrals, deferral);
}

// Hands it over as soon as the copy is there. Returns 0, or why it never will be.
static int recall(struct engine *engine, struct deferral *deferral)
{
	const struct engine_spool *spool = deferral->spool;
	int err = spool->recall(spool->ctx, deferral->copy);

	if (err != 0)
		return err == -EINPROGRESS ? 0 : err;
	deferral->scanner = engine->scanner;
	deferral->step = DEFERRAL_JUDGE;
	if (engine->ops.defer(engine->ops.ctx, deferral))
		return 0;
	// Tried again with the next tick.
	deferral->scanner = NULL;
	deferral->step = DEFERRAL_RECALL;
	return 0;
}

bool deferral_judge_again(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	const struct deferral as = {
		.step = DEFERRAL_RECALL,
		.session = session,
		.spool = engine->ops.spool,
		.copy = message->copy,
		.deadline_ns = deadline_ns(engine, now_ns),
	};
	struct deferral *deferral;

	if (message->copy == NULL || !can_defer(engine))
		return false;
	deferral = take_free(engine, &as);
	if (recall(engine, deferral) != 0) {
		drop(engine, deferral);
		return false;
	}
	message->deferral = deferral;
	session->deciding_ns = now_ns;
	engine->counters.messages_judged_again++;
	return true;
}

static void tell_to_stop(struct deferral *deferral)
{
	struct scan *again = atomic_load_explicit(&deferral->again, memory_order_acquire);

	atomic_store_explicit(&deferral->stop, true, memory_order_relaxed);
	if (again != NULL)
		(void)scan_cancel(again);
}

void deferral_leave(struct engine *engine, struct message *message)
{
	struct deferral *deferral = message->deferral;

	deferral->session = NULL;
	message->deferral = NULL;
	if (deferral->step == DEFERRAL_SCAN) {
		(void)scan_cancel(deferral->scan);
		deferral->is_read = true;
		message->result = scan_get_known(deferral->scan);
		message->left = deferral;
		message->scan = NULL;
		return;
	}
	message->copy = NULL;
	deferral->has_copy = true;
	if (deferral->step == DEFERRAL_RECALL)
		drop(engine, deferral);
	else if (deferral->step == DEFERRAL_JUDGE)
		tell_to_stop(deferral);
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

// The scan goes back to the thread that it is of.
static void free_again(struct engine *engine, struct deferral *deferral)
{
	deferral->step = DEFERRAL_FREE;
	deferral->is_back = !engine->ops.defer(engine->ops.ctx, deferral);
}

void deferral_release(struct engine *engine, struct message *message)
{
	struct deferral_pool *pool = engine->deferrals;
	struct deferral *deferral = message->again;

	message->again = NULL;
	message->result = NULL;
	deferral->session = NULL;
	unlink_from(&pool->used, deferral);
	link_last(&pool->outstanding, deferral);
	pool->outstanding_count++;
	free_again(engine, deferral);
}

static bool has_scanner(const struct deferral_list *list, const struct scanner *scanner)
{
	const struct deferral *deferral = list->first;

	while (deferral != NULL && deferral->scanner != scanner)
		deferral = deferral->next;
	return deferral != NULL;
}

bool deferral_uses(const struct engine *engine, const struct scanner *scanner)
{
	return has_scanner(&engine->deferrals->outstanding, scanner) ||
	       has_scanner(&engine->deferrals->used, scanner);
}

void deferral_outdate(struct engine *engine, const struct scanner *scanner)
{
	struct deferral *deferral = engine->deferrals->outstanding.first;

	for (; deferral != NULL; deferral = deferral->next) {
		if (deferral->step == DEFERRAL_JUDGE && deferral->scanner == scanner)
			tell_to_stop(deferral);
	}
}

// ---- coming back ---------------------------------------------------------------------------------

// The building message, whose verdict had to be waited for, is decided: goes on where it was left.
static void resume(struct engine *engine, struct session *session, uint64_t now_ns)
{
	dialogue_decided(engine, session, now_ns);
	dialogue_pull(engine, session, TCP_CLIENT, now_ns);
	dialogue_settle(engine, session, now_ns);
	if (session->mode == SESSION_TAKEOVER)
		takeover_go_on(engine, session, now_ns);
	else if (session->mode == SESSION_INSPECT)
		session_flush(engine, session);
}

static void scan_is_back(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	struct session *session = deferral->session;

	unlink_from(&engine->deferrals->outstanding, deferral);
	engine->deferrals->outstanding_count--;
	deferral->is_back = true;
	if (deferral->is_read)
		return;
	give_back(engine->deferrals, deferral);
	if (session == NULL) {
		scan_free(deferral->scan);
		return;
	}
	session->building->deferral = NULL;
	if (message_conclude(engine, session, now_ns))
		resume(engine, session, now_ns);
}

static void leave_unjudged(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	struct session *session = deferral->session;
	struct message *message = session->building;

	message->unjudged = true;
	deferral_leave(engine, message);
	if (message_conclude(engine, session, now_ns))
		resume(engine, session, now_ns);
}

// The rules that it was judged by are in force, or it is judged anew.
static void judged_is_back(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	struct deferral_pool *pool = engine->deferrals;
	struct session *session = deferral->session;
	bool is_outdated = deferral->scanner != engine->scanner;

	if (session == NULL) {
		if (deferral->has_copy)
			deferral->spool->abort(deferral->spool->ctx, deferral->copy);
		deferral->has_copy = false;
		free_again(engine, deferral);
		return;
	}
	// Memory that others have will be there later.
	if (is_outdated || deferral->error == -ENOMEM) {
		free_again(engine, deferral);
		return;
	}
	if (deferral->error != 0) {
		leave_unjudged(engine, deferral, now_ns);
		free_again(engine, deferral);
		return;
	}
	unlink_from(&pool->outstanding, deferral);
	pool->outstanding_count--;
	deferral->step = DEFERRAL_USED;
	link_last(&pool->used, deferral);
	session->building->deferral = NULL;
	message_take_again(engine, session->building, deferral);
	if (message_conclude(engine, session, now_ns))
		resume(engine, session, now_ns);
}

static void freed_is_back(struct engine *engine, struct deferral *deferral)
{
	if (deferral->session == NULL) {
		drop(engine, deferral);
		return;
	}
	atomic_store_explicit(&deferral->stop, false, memory_order_relaxed);
	deferral->scanner = NULL;
	deferral->step = DEFERRAL_RECALL;
}

static void collect(struct engine *engine, uint64_t now_ns)
{
	struct deferral *deferral;

	while ((deferral = engine->ops.deferred(engine->ops.ctx)) != NULL) {
		if (deferral->step == DEFERRAL_SCAN)
			scan_is_back(engine, deferral, now_ns);
		else if (deferral->step == DEFERRAL_JUDGE)
			judged_is_back(engine, deferral, now_ns);
		else
			freed_is_back(engine, deferral);
	}
}

static void give_up(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	struct session *session = deferral->session;
	struct message *message = session->building;

	engine->counters.verdicts_late++;
	if (deferral->step != DEFERRAL_SCAN) {
		leave_unjudged(engine, deferral, now_ns);
		return;
	}
	message->late = scan_cancel(deferral->scan) ? MESSAGE_TOOK_TOO_LONG : MESSAGE_NOT_BEGUN;
	deferral_leave(engine, message);
	if (message_conclude(engine, session, now_ns))
		resume(engine, session, now_ns);
}

// Those that do not wait for the other thread's answer, and those that have waited long enough.
static void look(struct engine *engine, struct deferral *deferral, uint64_t now_ns)
{
	if (deferral->step == DEFERRAL_FREE && deferral->is_back)
		free_again(engine, deferral);
	if (deferral->session == NULL)
		return;
	if (now_ns >= deferral->deadline_ns)
		give_up(engine, deferral, now_ns);
	else if (deferral->step == DEFERRAL_RECALL && recall(engine, deferral) != 0)
		leave_unjudged(engine, deferral, now_ns);
}

void deferral_tick(struct engine *engine, uint64_t now_ns)
{
	struct deferral *deferral;

	if (engine->deferrals->outstanding_count == 0)
		return;
	collect(engine, now_ns);
	deferral = engine->deferrals->outstanding.first;
	while (deferral != NULL) {
		// It may be given back, and what its session does then may end others: these stay linked
		// as long as the other thread has them.
		struct deferral *next = deferral->next;

		look(engine, deferral, now_ns);
		deferral = next;
	}
}
