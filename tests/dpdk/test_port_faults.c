// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_eal.h"
#include "dataplane/port_faults.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define BUFFERS 4095
#define FRAMES 100000u
#define STEP_NS 10000u
#define MS_NS 1000000u

static struct rte_mempool *pool;

// What came out: the frames' numbers and when.
struct fates {
	uint32_t count;
	uint32_t number[2 * FRAMES];
	uint64_t late_ns[2 * FRAMES];
};

static void pull_all(struct port_faults *faults, uint64_t now_ns, struct fates *fates)
{
	struct rte_mbuf *mbuf;

	while ((mbuf = port_faults_pull(faults, now_ns)) != NULL) {
		uint32_t number;

		assert_int_equal(rte_pktmbuf_pkt_len(mbuf), 60);
		assert_int_equal(mbuf->port, 3);
		memcpy(&number, rte_pktmbuf_mtod(mbuf, uint8_t *), sizeof(number));
		assert_true(fates->count < 2 * FRAMES);
		fates->number[fates->count] = number;
		fates->late_ns[fates->count++] = now_ns - (uint64_t)number * STEP_NS;
		rte_pktmbuf_free(mbuf);
	}
}

static void push(struct port_faults *faults, uint32_t number, uint64_t now_ns)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	assert_non_null(mbuf);
	mbuf->port = 3;
	memcpy(rte_pktmbuf_append(mbuf, 60), &number, sizeof(number));
	port_faults_push(faults, mbuf, now_ns);
}

// A frame every 10 us, and a look every 10 us until all are out. Afterwards every buffer is back.
static void run(const struct options_faults *options, uint32_t worker, struct fates *fates)
{
	struct port_faults *faults;
	uint64_t now_ns = 0;

	fates->count = 0;
	assert_int_equal(port_faults_new(options, worker, pool, &faults), 0);
	for (uint32_t i = 0; i < FRAMES; i++, now_ns += STEP_NS) {
		push(faults, i, now_ns);
		pull_all(faults, now_ns, fates);
	}
	for (uint32_t i = 0; i < 1000; i++, now_ns += STEP_NS)
		pull_all(faults, now_ns, fates);
	assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
	port_faults_free(faults);
	assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
}

static struct fates first;
static struct fates second;

static const struct options_faults everything = {.seed = 7,
	.drop_per_million = 50000,
	.duplicate_per_million = 20000,
	.reorder_per_million = 30000,
	.delay_us = 200,
	.jitter_us = 100};

static void the_same_seed_gives_the_same_fates(void **state)
{
	struct options_faults other = everything;
	(void)state;

	run(&everything, 0, &first);
	run(&everything, 0, &second);
	assert_int_equal(first.count, second.count);
	assert_memory_equal(first.number, second.number, first.count * sizeof(first.number[0]));
	assert_memory_equal(first.late_ns, second.late_ns, first.count * sizeof(first.late_ns[0]));
	// Another worker and another seed have fates of their own.
	run(&everything, 1, &second);
	assert_memory_not_equal(first.number, second.number, 1000 * sizeof(first.number[0]));
	other.seed = 8;
	run(&other, 0, &second);
	assert_memory_not_equal(first.number, second.number, 1000 * sizeof(first.number[0]));
}

static void a_seed_alone_changes_nothing(void **state)
{
	const struct options_faults none = {.seed = 1};
	(void)state;

	run(&none, 0, &first);
	assert_int_equal(first.count, FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		assert_int_equal(first.number[i], i);
		assert_int_equal(first.late_ns[i], 0);
	}
}

// How many numbers came never, and how many twice.
static void count_fates(const struct fates *fates, uint32_t *lost, uint32_t *doubled)
{
	static uint8_t seen[FRAMES];

	memset(seen, 0, sizeof(seen));
	*lost = FRAMES;
	*doubled = 0;
	for (uint32_t i = 0; i < fates->count; i++) {
		uint8_t times = ++seen[fates->number[i]];

		assert_true(times <= 2);
		*lost -= times == 1;
		*doubled += times == 2;
	}
}

static void rates_are_as_configured(void **state)
{
	static const uint32_t rates[] = {0, 1000, 50000, 500000, 1000000};
	uint32_t lost;
	uint32_t doubled;
	(void)state;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint32_t expected = (uint32_t)((uint64_t)rates[i] * FRAMES / 1000000);
		uint32_t slack = rates[i] % 1000000 == 0 ? 0 : 40 + expected / 20;
		const struct options_faults drop = {.seed = 5, .drop_per_million = rates[i]};
		const struct options_faults twice = {.seed = 5, .duplicate_per_million = rates[i]};

		run(&drop, 0, &first);
		count_fates(&first, &lost, &doubled);
		assert_in_range(
			lost, expected - (slack < expected ? slack : expected), expected + slack);
		assert_int_equal(doubled, 0);
		run(&twice, 0, &first);
		count_fates(&first, &lost, &doubled);
		assert_int_equal(lost, 0);
		assert_in_range(doubled, expected - (slack < expected ? slack : expected),
			expected + slack);
	}
}

static void delay_alone_keeps_the_order_and_is_exact(void **state)
{
	const struct options_faults delay = {.seed = 5, .delay_us = 1000};
	(void)state;

	run(&delay, 0, &first);
	assert_int_equal(first.count, FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		assert_int_equal(first.number[i], i);
		assert_int_equal(first.late_ns[i], MS_NS);
	}
}

static void jitter_and_overtaking_have_bounds(void **state)
{
	const struct options_faults both = {
		.seed = 5, .reorder_per_million = 100000, .delay_us = 200, .jitter_us = 100};
	uint32_t overtaken = 0;
	(void)state;

	run(&both, 0, &first);
	assert_int_equal(first.count, FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint64_t late = first.late_ns[i];
		bool waited = late >= MS_NS;

		overtaken += waited;
		late -= waited ? MS_NS : 0;
		// To the next look.
		assert_in_range(late, 200000, 300000 + STEP_NS);
	}
	assert_in_range(overtaken, FRAMES / 10 * 9 / 10, FRAMES / 10 * 11 / 10);
}

static void what_waits_is_bounded_and_freed(void **state)
{
	const struct options_faults slow = {.seed = 5, .delay_us = 1000000};
	struct port_faults *faults;
	(void)state;

	assert_int_equal(port_faults_new(&slow, 0, pool, &faults), 0);
	for (uint32_t i = 0; i < 2 * BUFFERS; i++)
		push(faults, i, 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 2048);
	assert_null(port_faults_pull(faults, 1000 * MS_NS - 1));
	port_faults_free(faults);
	assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
	port_faults_free(NULL);
}

static int start_eal(void **state)
{
	static struct options options;
	(void)state;

	options_init(&options);
	options.eal.hugepages = false;
	options.telemetry = false;
	options.workers = 1;
	options.eal.memory_mb = 64;
	(void)snprintf(options.engine.name, sizeof(options.engine.name), "test-port-faults");
	if (port_eal_init(&options) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("test", BUFFERS, 0, 0, 2048, SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

static int stop_eal(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_fates),
		cmocka_unit_test(a_seed_alone_changes_nothing),
		cmocka_unit_test(rates_are_as_configured),
		cmocka_unit_test(delay_alone_keeps_the_order_and_is_exact),
		cmocka_unit_test(jitter_and_overtaking_have_bounds),
		cmocka_unit_test(what_waits_is_bounded_and_freed),
	};

	return cmocka_run_group_tests(tests, start_eal, stop_eal);
}
