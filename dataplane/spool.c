// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spool.h"

#include "dataplane/spool_state.h"

#include <openssl/rand.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define WAIT_NS 50000u        // for writes on their way: meanwhile workers may send more
#define SLEEP_LEAST_NS 20000u // with nothing on its way
#define SLEEP_LONGEST_NS 1000000u
#define LEAST_SEGMENT_BYTES (1u << 20)
#define LEAST_SPILL_BYTES 65536u
#define LARGE_PAGE_BYTES (2u << 20)

void spool_options_init(struct spool_options *options)
{
	*options = (struct spool_options){.name = "d",
		.workers = 1,
		.records = 4096,
		.memory_bytes = 64u << 20,
		.spill_bytes = 256u << 10,
		.segment_bytes = 64u << 20,
		.spares = 2,
		.deadline_ns = 10000000000u,
		.slow_ns = 500000000u,
		.levels = {70, 85, 95},
		.thread = true};
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ---- work ---------------------------------------------------------------------------------------

static void request_done(struct spool *spool, struct spool_request *request)
{
	for (uint32_t i = 0; i < spool->groups_count; i++) {
		if (request == &spool->groups[i].request) {
			group_written(spool, &spool->groups[i]);
			return;
		}
	}
	if (request == &spool->sync.request)
		group_synced(spool);
	else
		segment_request_done(spool, request);
}

// Requests are on their way.
static bool is_waiting(const struct spool *spool)
{
	return spool->writing > 0 || spool->sync.groups != NULL || spool->closing > 0 ||
	       spool->usage_going || spool->fill.segment != NULL ||
	       spool->prepare.step != PREPARE_IDLE;
}

static bool is_idle(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->options.workers; i++) {
		if (orders_are_waiting(&spool->workers[i].orders))
			return false;
	}
	return spool->open_group == NULL && spool->ready == NULL && spool->writing == 0 &&
	       spool->written == NULL && spool->sync.groups == NULL && spool->withdrawn == NULL &&
	       !record_has_groups(spool);
}

bool spool_step(struct spool *spool, uint64_t now_ns, uint64_t wait_ns)
{
	struct spool_request *request;
	bool any = false;

	spool->now_ns = now_ns;
	while ((request = spool->io->ops->reap(spool->io, 0)) != NULL) {
		request_done(spool, request);
		any = true;
	}
	any |= group_sync(spool);
	any |= group_write(spool);
	record_take_rotation(spool);
	any |= record_seal_withdrawals(spool);
	group_close(spool);
	any |= record_take_groups(spool);
	record_give_groups(spool);
	any |= group_write(spool);
	any |= segment_work(spool);
	group_watch(spool);
	if (any || wait_ns == 0 || !is_waiting(spool))
		return any;
	request = spool->io->ops->reap(spool->io, wait_ns);
	if (request == NULL)
		return false;
	request_done(spool, request);
	return true;
}

static void sleep_ns(uint64_t ns)
{
	const struct timespec time = {.tv_nsec = (long)ns};

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void *run(void *arg)
{
	struct spool *spool = arg;
	uint64_t sleep = SLEEP_LEAST_NS;

	while (!atomic_load_explicit(&spool->stop, memory_order_acquire)) {
		// While all groups are on their way nothing that workers send could be written.
		bool full = spool->writing == GROUPS_WRITING || spool->going == GROUPS;
		uint64_t wait = full ? SLEEP_LONGEST_NS : WAIT_NS;

		if (spool_step(spool, clock_ns(), wait)) {
			sleep = SLEEP_LEAST_NS;
			continue;
		}
		if (is_waiting(spool))
			continue;
		sleep_ns(sleep);
		sleep = sleep * 2 < SLEEP_LONGEST_NS ? sleep * 2 : SLEEP_LONGEST_NS;
	}
	return NULL;
}

int spool_wait(struct spool *spool, struct spool_worker *worker, struct spool_done *out)
{
	while (spool_poll(worker, clock_ns(), out, 1) == 0) {
		if (worker->oldest == NULL)
			return -ETIMEDOUT;
		if (!spool_step(spool, clock_ns(), WAIT_NS) && !is_waiting(spool))
			sleep_ns(SLEEP_LEAST_NS);
	}
	return 0;
}

int spool_rotate(struct spool *spool, const struct spool_keys *keys)
{
	const uint32_t count = spool->options.workers + 1;
	struct rotation *expected = NULL;
	struct rotation *rotation =
		calloc(1, sizeof(*rotation) + count * sizeof(struct spool_sealer *));
	int err = rotation != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; err == 0 && i < count; i++) {
		err = spool_sealer_new(keys, &rotation->sealers[i]);
		rotation->count += err == 0;
	}
	// Release, with the acquire in record_take_rotation.
	if (err == 0 && !atomic_compare_exchange_strong(&spool->rotation, &expected, rotation))
		err = -EBUSY;
	if (err != 0)
		rotation_free(rotation);
	return err;
}

void spool_get_status(struct spool *spool, struct spool_status *out)
{
#define X(name, unit, help)                                                                        \
	out->name = atomic_load_explicit(&spool->counters.name, memory_order_relaxed);
	SPOOL_COUNTERS(X)
#undef X
	out->io = spool->io->ops->name;
}

// ---- start and end ------------------------------------------------------------------------------

static bool are_sound(const struct spool_options *options)
{
	size_t n = strlen(options->name);

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)options->name[i]))
			return false;
	}
	return n > 0 && n < sizeof(((struct spool *)0)->name) && options->workers > 0 &&
	       options->records > 0 && options->memory_bytes >= 2 * (uint64_t)LEAST_SPILL_BYTES &&
	       options->spill_bytes >= LEAST_SPILL_BYTES &&
	       options->segment_bytes >= LEAST_SEGMENT_BYTES && options->spares > 0 &&
	       (!options->thread || options->deadline_ns > 0);
}

void *spool_memory(size_t bytes)
{
	size_t align = bytes < LARGE_PAGE_BYTES ? SPOOL_BLOCK_BYTES : LARGE_PAGE_BYTES;
	size_t whole = (bytes + align - 1) / align * align;
	void *memory = aligned_alloc(align, whole);

	if (memory == NULL)
		return NULL;
	// Only an advice; then it is touched, not when the first mail comes.
	(void)madvise(memory, whole, MADV_HUGEPAGE);
	memset(memory, 0, whole);
	return memory;
}

static int make_groups(struct spool *spool)
{
	const uint32_t count = GROUPS + GROUPS_IN_HAND * spool->options.workers;
	struct iovec *buffers = calloc(count, sizeof(*buffers));

	spool->groups = calloc(count, sizeof(*spool->groups));
	spool->groups_count = spool->groups != NULL ? count : 0;
	spool->buffers = spool_memory((size_t)count * GROUP_BYTES);
	spool->zeros = aligned_alloc(SPOOL_BLOCK_BYTES, ZERO_BYTES);
	spool->header = aligned_alloc(SPOOL_BLOCK_BYTES, SPOOL_BLOCK_BYTES);
	if (buffers == NULL || spool->groups == NULL || spool->buffers == NULL ||
		spool->zeros == NULL || spool->header == NULL) {
		free(buffers);
		return -ENOMEM;
	}
	memset(spool->zeros, 0, ZERO_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		struct group *group = &spool->groups[i];

		group->buffer = spool->buffers + (size_t)i * GROUP_BYTES;
		group->request.buffer = (int)i;
		group->next = spool->free_groups;
		spool->free_groups = group;
		buffers[i] = (struct iovec){group->buffer, GROUP_BYTES};
	}
	if (spool->io->ops->use_buffers != NULL)
		(void)spool->io->ops->use_buffers(spool->io, buffers, count);
	free(buffers);
	return 0;
}

static int make_worker(
	struct spool *spool, const struct spool_keys *keys, struct spool_worker *worker)
{
	int err = spool_worker_init(spool, worker);

	if (err == 0)
		err = spool_sealer_new(keys, &worker->uses->sealer);
	return err;
}

static int make_workers(struct spool *spool, const struct spool_keys *keys)
{
	uint32_t count = spool->options.workers;

	spool->workers = aligned_alloc(64, count * sizeof(*spool->workers));
	if (spool->workers == NULL)
		return -ENOMEM;
	memset(spool->workers, 0, count * sizeof(*spool->workers));
	for (uint32_t i = 0; i < count; i++) {
		int err = make_worker(spool, keys, &spool->workers[i]);

		if (err != 0)
			return err;
	}
	record_give_groups(spool);
	return 0;
}

static int make_keys(struct spool *spool, const struct spool_keys *keys)
{
	atomic_init(&spool->next_number, 1);
	if (RAND_bytes((unsigned char *)&spool->run, sizeof(spool->run)) != 1)
		return -EIO;
	return spool_sealer_new(keys, &spool->sealer);
}

static int make_segment(struct spool *spool)
{
	while (spool->spares == NULL) {
		(void)spool_step(spool, clock_ns(), RETRY_NS);
		if (spool->prepare.error != 0 && spool->prepare.step == PREPARE_IDLE)
			return spool->prepare.error;
	}
	return 0;
}

static void free_all(struct spool *spool)
{
	if (spool->workers != NULL) {
		for (uint32_t i = 0; i < spool->options.workers; i++)
			spool_worker_fini(&spool->workers[i]);
	}
	spool_sealer_free(spool->sealer);
	rotation_free(atomic_load(&spool->rotation));
	spool->io->ops->close(spool->io);
	free(spool->workers);
	free(spool->groups);
	free(spool->buffers);
	free(spool->zeros);
	free(spool->header);
	free(spool);
}

// What workers have not sealed yet, now that they have stopped. Nobody asks for results any more.
static void seal_rest(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->options.workers; i++) {
		struct spool_worker *worker = &spool->workers[i];
		struct spool_done done[64];

		while (spool_worker_take(worker, done, 64) > 0)
			continue;
		worker->turn_bytes = SIZE_MAX;
		seal_orders(worker);
	}
}

// Returns whether nothing is left on its way.
static bool finish(struct spool *spool)
{
	uint64_t begin_ns = clock_ns();
	uint64_t now_ns = begin_ns;

	while ((!is_idle(spool) || is_waiting(spool)) &&
		now_ns - begin_ns < spool->options.deadline_ns) {
		// No further spares, but for what still waits for one.
		spool->prepare.retry_ns = spool->ready == NULL ? UINT64_MAX : 0;
		spool->usage_ns = UINT64_MAX;
		spool->fill.retry_ns = UINT64_MAX;
		seal_rest(spool);
		if (!spool_step(spool, now_ns, WAIT_NS) && !is_waiting(spool))
			sleep_ns(SLEEP_LEAST_NS);
		now_ns = clock_ns();
	}
	return !is_waiting(spool);
}

int spool_open(const struct spool_options *options, const struct spool_keys *keys,
	struct spool_io *io, struct spool **out)
{
	struct spool *spool = are_sound(options) ? calloc(1, sizeof(*spool)) : NULL;
	int err;

	if (spool == NULL) {
		io->ops->close(io);
		return are_sound(options) ? -ENOMEM : -EINVAL;
	}
	spool->io = io;
	spool->options = *options;
	spool->options.segment_bytes &= ~(uint64_t)(SPOOL_BLOCK_BYTES - 1);
	memcpy(spool->name, options->name, strlen(options->name) + 1);
	err = make_keys(spool, keys);
	if (err == 0)
		err = make_groups(spool);
	if (err == 0)
		err = make_workers(spool, keys);
	if (err == 0)
		err = make_segment(spool);
	if (err == 0 && options->thread)
		err = -pthread_create(&spool->thread, NULL, run, spool);
	if (err == 0) {
		*out = spool;
		return 0;
	}
	if (spool->workers == NULL || finish(spool)) {
		segment_close_all(spool);
		free_all(spool);
	}
	return err;
}

void spool_close(struct spool *spool)
{
	// Release, with the acquire in run.
	atomic_store_explicit(&spool->stop, true, memory_order_release);
	if (spool->options.thread)
		(void)pthread_join(spool->thread, NULL);
	if (!finish(spool))
		return;
	segment_close_all(spool);
	free_all(spool);
}
