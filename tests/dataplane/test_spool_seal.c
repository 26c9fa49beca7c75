// SPDX-License-Identifier: BSD-3-Clause
// spool: what each worker seals by itself. No nonce twice under one key, groups in their order, not too much of it at
// a time.
#include "dataplane/spool.h"
#include "dataplane/spool_state.h"
#include "tests/support/random.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 3u

// ---- nonces -------------------------------------------------------------------------------------

#define SEALS 65536u

// Of a chunk as it lies in a file, by the offsets of spoolfile.h.
struct seal_of {
	uint8_t key[48];   // key id and wrapped key
	uint8_t nonce[12]; // number, index
	uint8_t header[48];
	uint8_t tag[16];
};

struct seals {
	struct seal_of list[SEALS];
	size_t count;
};

static void note_seals(struct seals *seals, const uint8_t *data, size_t n)
{
	struct spool_chunk chunk;

	for (size_t at = 0; at + SPOOL_HEADER_BYTES <= n; at += SPOOL_ALIGN) {
		struct seal_of *seal = &seals->list[seals->count];

		if (!spool_chunk_has_magic(data + at) || spool_chunk_parse(data + at, &chunk) != 0)
			continue;
		assert_true(++seals->count < SEALS);
		memcpy(seal->key, data + at + 48, sizeof(seal->key));
		memcpy(seal->nonce, data + at + 24, 8);
		memcpy(seal->nonce + 8, data + at + 12, 4);
		memcpy(seal->header, data + at, sizeof(seal->header));
		memcpy(seal->tag, data + at + 96, sizeof(seal->tag));
	}
}

static void note_file(struct seals *seals, int folder, const char *name)
{
	static uint8_t data[2u << 20]; // more than a segment
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, data, sizeof(data));
	assert_in_range(n, 1, sizeof(data) - 1);
	note_seals(seals, data, (size_t)n);
	(void)close(fd);
}

static int by_key_and_nonce(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct seal_of, header));
}

// Returns how many keys there are; those chunks that are there again as they were are added to *copies.
static uint32_t check_nonces(const char *path, uint32_t *copies)
{
	static struct seals seals;
	DIR *folder = opendir(path);
	struct dirent *entry;
	uint32_t keys = 1;

	assert_non_null(folder);
	seals.count = 0;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (strstr(entry->d_name, ".seg") != NULL)
			note_file(&seals, dirfd(folder), entry->d_name);
	}
	if (folder != NULL)
		(void)closedir(folder);
	qsort(seals.list, seals.count, sizeof(seals.list[0]), by_key_and_nonce);
	for (size_t i = 1; i < seals.count; i++) {
		const struct seal_of *seal = &seals.list[i];

		keys += memcmp(seal[-1].key, seal->key, sizeof(seal->key)) != 0;
		if (by_key_and_nonce(seal - 1, seal) != 0)
			continue;
		// The same bytes in another place: the tag is over the header's and the content's.
		assert_memory_equal(seal[-1].header, seal->header, sizeof(seal->header));
		assert_memory_equal(seal[-1].tag, seal->tag, sizeof(seal->tag));
		++*copies;
	}
	return keys;
}

static void live_once(struct rig *rig, uint64_t seed)
{
	struct random random = {seed * 31 + 5};
	uint32_t next = 0;

	rig_begin(rig, seed);
	rig->disk.patient = 300;
	rig->disk.cut_short = seed % 2 == 0 ? 60 : 0;
	rig->disk.fail_sync = seed % 2 == 1 ? 30 : 0;
	for (uint32_t i = 0; i < 300; i++) {
		if (next < 120 && rig_send(rig, next) == 0)
			next++;
		if (random_below(&random, 60) == 0)
			assert_in_range(-spool_rotate(rig->spool, rig->folder.keys), 0, EBUSY);
		rig_turn(rig, random_below(&random, 3));
		if (random_below(&random, 30) == 0)
			rig->now_ns += RIG_SECOND;
	}
	rig_turn(rig, 500);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_end(rig);
}

static void no_nonce_is_used_twice_over_workers_rewrites_new_keys_and_restarts(void **state)
{
	struct rig *rig = rig_new();
	uint32_t copies = 0;

	(void)state;
	rig->options.workers = WORKERS;
	rig->options.memory_bytes = 4u << 20;
	for (uint64_t seed = 1; seed <= 6; seed++)
		live_once(rig, seed);
	// Each worker's and the writer's own, in each life, and more by rotation.
	assert_in_range(check_nonces(rig->folder.path, &copies), 6 * (WORKERS + 1) + 6, 1000);
	assert_true(copies > 0);
	rig_free(rig);
}

// ---- order --------------------------------------------------------------------------------------

#define SHORT_MAILS 150000u

struct sender {
	struct spool_worker *worker;
	uint32_t stored;
	_Atomic bool finished;
};

static void take_results(struct sender *sender)
{
	struct spool_done results[8];
	size_t n = spool_poll(sender->worker, rig_clock_ns(), results, 8);

	for (size_t i = 0; i < n; i++)
		sender->stored += results[i].error == 0;
}

static void *send_short(void *arg)
{
	static const struct spool_envelope envelope = {.mail_from = {"a@b", 3}};
	static const struct spool_reason reason = {.state = SPOOL_HELD};
	struct sender *sender = arg;
	struct spool_record *record;

	for (uint32_t i = 0; i < SHORT_MAILS; i++) {
		while (spool_begin(sender->worker, &envelope, NULL, &record) != 0)
			take_results(sender);
		while (spool_commit(record, &reason, rig_clock_ns()) != 0)
			take_results(sender);
	}
	while (!spool_is_at_rest(sender->worker))
		take_results(sender);
	atomic_store(&sender->finished, true);
	return NULL;
}

// A group that is offered may be taken at any instant, also when the one before it has just become full. The writer
// insists on the order that they were begun in. Workers that do nothing make it slow to look from one to the other.
static void groups_are_taken_in_their_order_while_they_are_filled(void **state)
{
	struct rig *rig = rig_new();
	struct sender sender = {.stored = 0};
	pthread_t thread;

	(void)state;
	rig->options.workers = 24;
	rig->options.records = 4096;
	rig->options.segment_bytes = 16u << 20;
	rig_begin(rig, 3);
	sender.worker = spool_get_worker(rig->spool, 0);
	assert_int_equal(pthread_create(&thread, NULL, send_short, &sender), 0);
	while (!atomic_load(&sender.finished)) {
		(void)spool_step(rig->spool, rig_clock_ns(), 0);
		for (int i = 0; i < 100; i++)
			(void)record_take_groups(rig->spool);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sender.stored, SHORT_MAILS);
	rig_end(rig);
	rig_free(rig);
}

static struct {
	struct spool_worker *worker; // NULL: none
	struct spool_record *records[16];
	uint64_t now_ns;
} meanwhile;

const struct message *__real_ring_peek(struct ring *ring);
const struct message *__wrap_ring_peek(struct ring *ring);

// The worker goes on, for more than a group, at the instant behind that the one it has offered was taken.
const struct message *__wrap_ring_peek(struct ring *ring)
{
	struct spool_worker *worker = meanwhile.worker;

	if (worker == NULL || ring != &worker->to_spool ||
		atomic_load(&worker->between.offered) != NULL)
		return __real_ring_peek(ring);
	meanwhile.worker = NULL;
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(spool_mail_commit(meanwhile.records[i], i, ++meanwhile.now_ns), 0);
	assert_non_null(__real_ring_peek(ring));
	return __real_ring_peek(ring);
}

static void begin_mails(struct rig *rig, struct spool_record *records[16])
{
	static const uint8_t data[60000];

	for (uint32_t i = 0; i < 16; i++) {
		assert_int_equal(
			spool_mail_begin(spool_get_worker(rig->spool, 0), i, &records[i]), 0);
		assert_int_equal(spool_append(records[i], data, sizeof(data)), 0);
		rig->fates[i] = FATE_COMMITTED;
	}
}

static void the_next_group_may_be_full_before_the_offered_one_is_taken_in(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_begin(rig, 3);
	begin_mails(rig, meanwhile.records);
	assert_int_equal(rig_send(rig, 16), 0);
	meanwhile.now_ns = rig->now_ns;
	meanwhile.worker = spool_get_worker(rig->spool, 0);
	rig_turn(rig, 500);
	assert_null(meanwhile.worker);
	for (uint32_t i = 0; i <= 16; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	rig_end(rig);
	rig_free(rig);
}

// ---- each worker's turn --------------------------------------------------------------------------

static void send_all_there_is_room_for(struct rig *rig, struct spool_worker *worker)
{
	static const struct spool_envelope envelope = {.mail_from = {"a@b", 3}};
	static const struct spool_reason reason = {.state = SPOOL_HELD};
	static const uint8_t data[60000];
	struct spool_done done[64];
	struct spool_record *record;

	(void)spool_poll(worker, rig->now_ns, done, 64);
	while (spool_room(worker, NULL) > 2 * sizeof(data)) {
		assert_int_equal(spool_begin(worker, &envelope, NULL, &record), 0);
		assert_int_equal(spool_append(record, data, sizeof(data)), 0);
		assert_int_equal(spool_commit(record, &reason, ++rig->now_ns), 0);
	}
}

// The disk never has less to do than it can: what another worker has in a group that does not get full must be
// written all the same, before its sender gives up.
static void a_mail_is_stored_while_another_worker_has_more_than_the_disk_takes(void **state)
{
	struct rig *rig = rig_new();
	struct spool_worker *other;
	struct spool_done done;
	uint64_t groups = 0;
	size_t stored = 0;

	(void)state;
	rig->options.workers = 2;
	rig->options.memory_bytes = 8u << 20;
	rig->options.records = 4096;
	rig->options.segment_bytes = 32u << 20;
	rig_begin(rig, 3);
	rig->disk.patient = 800;
	other = spool_get_worker(rig->spool, 1);
	for (uint32_t i = 0; i < 3000 && stored == 0; i++) {
		send_all_there_is_room_for(rig, spool_get_worker(rig->spool, 0));
		if (i == 200) {
			assert_int_equal(spool_mail_send(other, 1, rig->now_ns), 0);
			groups = RIG_COUNTER(rig, groups);
		}
		(void)spool_step(rig->spool, ++rig->now_ns, 0);
		stored = spool_poll(other, rig->now_ns, &done, 1);
	}
	assert_int_equal(stored, 1);
	assert_int_equal(done.error, 0);
	// What was ahead of it, and some that overtook it.
	assert_in_range(RIG_COUNTER(rig, groups) - groups, 1, 2 * GROUPS);
	rig_end(rig);
	rig_free(rig);
}

// ---- a turn --------------------------------------------------------------------------------------

static void one_turn_seals_a_little_and_the_next_ones_the_rest(void **state)
{
	const size_t mail = 60000;
	struct rig *rig = rig_new();
	struct spool_record *records[16];
	struct spool_worker *worker;
	struct spool_done done;
	size_t room;
	uint32_t turns = 0;

	(void)state;
	rig_begin(rig, 3);
	worker = spool_get_worker(rig->spool, 0);
	begin_mails(rig, records);
	room = spool_room(worker, NULL);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(spool_mail_commit(records[i], i, rig->now_ns), 0);
	// The memory of what is sealed is free again. All of them at once would be a pause for all other mail.
	assert_in_range(spool_room(worker, NULL), room + 1, room + 5 * mail);
	while (orders_are_waiting(&worker->orders)) {
		room = spool_room(worker, NULL);
		assert_int_equal(spool_poll(worker, ++rig->now_ns, &done, 1), 0);
		assert_in_range(spool_room(worker, NULL), room + 1, room + 5 * mail);
		turns++;
	}
	assert_in_range(turns, 4, 12);
	rig_turn(rig, 500);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	rig_end(rig);
	rig_free(rig);
}

// A chunk costs something however short it is.
static void of_short_mails_one_turn_seals_fewer_bytes(void **state)
{
	static const struct spool_envelope envelope = {.mail_from = {"a@b", 3}};
	static const struct spool_reason reason = {.state = SPOOL_HELD};
	struct rig *rig = rig_new();
	struct spool_worker *worker;
	struct spool_record *record;
	size_t left;

	(void)state;
	rig->options.records = 1024;
	rig->options.memory_bytes = 8u << 20;
	rig_begin(rig, 3);
	worker = spool_get_worker(rig->spool, 0);
	for (uint32_t i = 0; i < 600; i++) {
		assert_int_equal(spool_begin(worker, &envelope, NULL, &record), 0);
		assert_int_equal(spool_commit(record, &reason, rig->now_ns), 0);
	}
	left = worker->orders.end - worker->orders.first;
	assert_in_range(left, 600 - 220, 600 - 100);
	rig_end(rig);
	rig_free(rig);
}

// ---- the end -------------------------------------------------------------------------------------

static void what_was_committed_is_sealed_and_stored_when_the_writer_ends(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.workers = WORKERS;
	rig_begin(rig, 3);
	// More than a turn seals, and nobody polls.
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(rig_send(rig, i), 0);
	assert_true(orders_are_waiting(&spool_get_worker(rig->spool, 0)->orders));
	spool_close(rig->spool);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	spool_disk_fini(&rig->disk);
	for (uint32_t i = 0; i < 40; i++)
		rig->fates[i] = FATE_STORED;
	rig_check(rig, false);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			no_nonce_is_used_twice_over_workers_rewrites_new_keys_and_restarts),
		cmocka_unit_test(groups_are_taken_in_their_order_while_they_are_filled),
		cmocka_unit_test(the_next_group_may_be_full_before_the_offered_one_is_taken_in),
		cmocka_unit_test(
			a_mail_is_stored_while_another_worker_has_more_than_the_disk_takes),
		cmocka_unit_test(one_turn_seals_a_little_and_the_next_ones_the_rest),
		cmocka_unit_test(of_short_mails_one_turn_seals_fewer_bytes),
		cmocka_unit_test(what_was_committed_is_sealed_and_stored_when_the_writer_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
