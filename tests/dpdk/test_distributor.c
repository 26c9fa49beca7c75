// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/distributor.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define ROOM 256
#define PAIRS 4096

// Where the parts of a made frame are.
struct made {
	uint8_t bytes[ROOM];
	size_t ip;
	size_t l4;
	size_t end;
};

enum form { PLAIN, TAGGED, TWO_TAGS, SESSION, LABELS, FORMS };

static void put_be(uint8_t *at, uint32_t value, size_t n)
{
	for (size_t i = n; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

static void make_ethernet(struct made *made, enum form form, uint16_t type)
{
	size_t at = 12;

	memset(made, 0, sizeof(*made));
	if (form == TWO_TAGS) {
		put_be(made->bytes + at, 0x88a80064, 4);
		at += 4;
	}
	if (form == TAGGED || form == TWO_TAGS) {
		put_be(made->bytes + at, 0x81000009, 4);
		at += 4;
	}
	put_be(made->bytes + at, type, 2);
	made->ip = at + 2;
	if (form == SESSION) {
		put_be(made->bytes + at, 0x88641100, 4);
		put_be(made->bytes + at + 8, type == 0x0800 ? 0x21 : 0x57, 2);
		made->ip += 8;
	}
	if (form == LABELS)
		made->ip += 8;
}

// What stands in front of a datagram depends on its length, and labels on the direction.
static void finish_ethernet(struct made *made, enum form form, uint32_t label)
{
	uint8_t *ip = made->bytes + made->ip;
	uint32_t sum = 0;

	if (ip[0] >> 4 == 4) {
		put_be(ip + 2, (uint32_t)(made->end - made->ip), 2);
		for (size_t i = 0; i < (size_t)(ip[0] & 15) * 4; i += 2)
			sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
		put_be(ip + 10, ~((sum & 0xffff) + (sum >> 16)), 2);
	} else {
		put_be(ip + 4, (uint32_t)(made->end - made->ip - 40), 2);
	}
	if (form == SESSION)
		put_be(ip - 4, (uint32_t)(made->end - made->ip + 2), 2);
	if (form != LABELS)
		return;
	put_be(ip - 10, 0x8847, 2);
	put_be(ip - 8, label << 12 | 64, 4);
	put_be(ip - 4, label << 12 | 0x140, 4);
}

// Host and port numbers of one side, then of the other.
struct ends {
	uint32_t host[2];
	uint16_t port[2];
};

static void make_ports(struct made *made, const struct ends *ends)
{
	put_be(made->bytes + made->l4, ends->port[0], 2);
	put_be(made->bytes + made->l4 + 2, ends->port[1], 2);
	made->end = made->l4 + 20;
}

static void make_ipv4(struct made *made, enum form form, const struct ends *ends, uint8_t words,
	uint16_t fragment)
{
	uint8_t *ip;

	make_ethernet(made, form, 0x0800);
	ip = made->bytes + made->ip;
	ip[0] = (uint8_t)(0x40 | words);
	put_be(ip + 6, fragment, 2);
	ip[9] = 6;
	put_be(ip + 12, ends->host[0], 4);
	put_be(ip + 16, ends->host[1], 4);
	made->l4 = made->ip + (size_t)words * 4;
	make_ports(made, ends);
	finish_ethernet(made, form, ends->port[1]);
}

static void make_ipv6(struct made *made, enum form form, const struct ends *ends, uint8_t next)
{
	uint8_t *ip;

	make_ethernet(made, form, 0x86dd);
	ip = made->bytes + made->ip;
	ip[0] = 0x60;
	ip[6] = next;
	for (size_t i = 0; i < 2; i++) {
		put_be(ip + 8 + i * 16, 0x20010db8, 4);
		put_be(ip + 20 + i * 16, ends->host[i], 4);
	}
	made->l4 = made->ip + 40;
	make_ports(made, ends);
	finish_ethernet(made, form, ends->port[1]);
}

static uint32_t worker_of(struct made *made, size_t n, uint32_t workers, enum options_spread spread)
{
	const struct distributor distributor = {.workers = workers, .spread = spread};
	struct rte_mbuf mbuf = {.buf_addr = made->bytes, .data_len = (uint16_t)n};

	return distributor_worker_of(&distributor, &mbuf);
}

static struct ends pair(uint32_t i)
{
	return (struct ends){
		{0xc0000200 + i * 7, 0xc6336400 + i % 5}, {(uint16_t)(1024 + i * 13), 25}};
}

static struct ends turned(const struct ends *ends)
{
	return (struct ends){{ends->host[1], ends->host[0]}, {ends->port[1], ends->port[0]}};
}

static void both_directions_come_to_one_worker(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct ends there = pair(i);
		struct ends back = turned(&there);
		enum form form = (enum form)(i % FORMS);
		enum options_spread spread = i & 1 ? SPREAD_FLOWS : SPREAD_ADDRESSES;
		struct made a;
		struct made b;

		for (uint32_t workers = 1; workers <= 5; workers++) {
			uint32_t worker;

			make_ipv4(&a, form, &there, 5, 0x4000);
			// Options in one direction alone.
			make_ipv4(&b, form, &back, 6, 0);
			worker = worker_of(&a, a.end, workers, spread);
			assert_true(worker < workers);
			assert_int_equal(worker_of(&b, b.end, workers, spread), worker);
			make_ipv6(&a, form, &there, 6);
			make_ipv6(&b, form, &back, 6);
			worker = worker_of(&a, a.end, workers, spread);
			assert_true(worker < workers);
			assert_int_equal(worker_of(&b, b.end, workers, spread), worker);
		}
	}
}

static void by_addresses_all_fragments_come_to_the_worker_of_whole_packets(void **state)
{
	static const uint16_t fragments[] = {0x2000, 0x20b9, 0x0172};
	(void)state;

	for (uint32_t i = 0; i < PAIRS; i++) {
		struct ends ends = pair(i);
		struct made made;
		uint32_t worker;

		make_ipv4(&made, PLAIN, &ends, 5, 0x4000);
		worker = worker_of(&made, made.end, 3, SPREAD_ADDRESSES);
		for (size_t j = 0; j < sizeof(fragments) / sizeof(fragments[0]); j++) {
			make_ipv4(&made, PLAIN, &ends, 5, fragments[j]);
			// Of a later fragment this is data, not ports.
			put_be(made.bytes + made.l4, i * 0x9e3779b1u, 4);
			assert_int_equal(worker_of(&made, made.end, 3, SPREAD_ADDRESSES), worker);
		}
		make_ipv6(&made, PLAIN, &ends, 6);
		worker = worker_of(&made, made.end, 3, SPREAD_ADDRESSES);
		make_ipv6(&made, PLAIN, &ends, 44);
		assert_int_equal(worker_of(&made, made.end, 3, SPREAD_ADDRESSES), worker);
	}
}

static void by_flows_the_fragments_of_a_datagram_stay_together(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct ends ends = pair(i);
		struct made made;
		uint32_t worker;

		make_ipv4(&made, PLAIN, &ends, 5, 0x2000);
		worker = worker_of(&made, made.end, 4, SPREAD_FLOWS);
		ends.port[0] = (uint16_t)(i * 31);
		make_ipv4(&made, PLAIN, &ends, 5, 0x00b9);
		assert_int_equal(worker_of(&made, made.end, 4, SPREAD_FLOWS), worker);
		make_ipv6(&made, PLAIN, &ends, 44);
		worker = worker_of(&made, made.end, 4, SPREAD_FLOWS);
		ends.port[0]++;
		make_ipv6(&made, PLAIN, &ends, 44);
		assert_int_equal(worker_of(&made, made.end, 4, SPREAD_FLOWS), worker);
	}
}

// Headers that are not read would bring all to one worker.
static void what_is_behind_other_headers_is_spread_as_well(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct ends ends = pair(i);
		struct made made;
		uint32_t worker;

		make_ipv4(&made, PLAIN, &ends, 5, 0);
		worker = worker_of(&made, made.end, 5, SPREAD_FLOWS);
		for (enum form form = PLAIN; form < FORMS; form++) {
			make_ipv4(&made, form, &ends, 5, 0);
			assert_int_equal(worker_of(&made, made.end, 5, SPREAD_FLOWS), worker);
		}
	}
}

static void check_shares(const uint32_t *count, uint32_t workers)
{
	for (uint32_t i = 0; i < workers; i++)
		assert_in_range(count[i], PAIRS / workers * 8 / 10, PAIRS / workers * 12 / 10);
}

static void hosts_and_flows_are_spread_evenly(void **state)
{
	(void)state;
	for (uint32_t workers = 2; workers <= 8; workers++) {
		uint32_t hosts[8] = {0};
		uint32_t flows[8] = {0};

		for (uint32_t i = 0; i < PAIRS; i++) {
			struct ends ends = pair(i);
			struct ends flow = {{1, 2}, {(uint16_t)(32768 + i), 25}};
			struct made made;

			make_ipv4(&made, PLAIN, &ends, 5, 0);
			hosts[worker_of(&made, made.end, workers, SPREAD_ADDRESSES)]++;
			make_ipv6(&made, PLAIN, &flow, 6);
			flows[worker_of(&made, made.end, workers, SPREAD_FLOWS)]++;
		}
		check_shares(hosts, workers);
		check_shares(flows, workers);
	}
}

static void what_is_cut_short_or_not_ip_has_a_worker_too(void **state)
{
	(void)state;
	struct ends ends = pair(5);
	struct made made;

	for (enum form form = PLAIN; form < FORMS; form++) {
		for (size_t n = 0; n <= 80; n++) {
			make_ipv4(&made, form, &ends, 15, 0);
			assert_true(worker_of(&made, n, 3, SPREAD_FLOWS) < 3);
			make_ipv6(&made, form, &ends, 17);
			assert_true(worker_of(&made, n, 3, SPREAD_FLOWS) < 3);
		}
		make_ethernet(&made, form == SESSION || form == LABELS ? PLAIN : form, 0x0806);
		assert_int_equal(worker_of(&made, 60, 3, SPREAD_FLOWS), 0);
	}
}

static struct rte_ring *make_ring(void)
{
	struct rte_ring *ring = aligned_alloc(64, (size_t)rte_ring_get_memsize(64));

	assert_non_null(ring);
	assert_int_equal(rte_ring_init(ring, "ring", 64, RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
	return ring;
}

static void a_burst_comes_to_its_workers_in_its_order(void **state)
{
	static struct made made[DISTRIBUTOR_BURST];
	static struct rte_mbuf mbufs[DISTRIBUTOR_BURST];
	struct distributor distributor = {.workers = 4, .spread = SPREAD_FLOWS};

	(void)state;
	for (uint32_t i = 1; i < 4; i++)
		distributor.to_worker[i] = make_ring();
	for (uint32_t n = 0; n <= DISTRIBUTOR_BURST; n++) {
		struct rte_mbuf *frames[DISTRIBUTOR_BURST];
		struct rte_mbuf *expected[4][DISTRIBUTOR_BURST] = {{NULL}};
		uint32_t counts[4] = {0};
		uint32_t own = 99;

		for (uint32_t i = 0; i < n; i++) {
			struct ends ends = pair(i * 7 + n);
			uint32_t worker;

			make_ipv4(&made[i], PLAIN, &ends, 5, 0);
			mbufs[i] = (struct rte_mbuf){.buf_addr = made[i].bytes,
				.data_len = (uint16_t)made[i].end,
				.pkt_len = (uint32_t)made[i].end,
				.nb_segs = 1};
			frames[i] = &mbufs[i];
			worker = distributor_worker_of(&distributor, &mbufs[i]);
			expected[worker][counts[worker]++] = &mbufs[i];
		}
		assert_int_equal(distributor_spread(&distributor, frames, n, &own), 0);
		assert_int_equal(own, counts[0]);
		for (uint32_t i = 0; i < own; i++)
			assert_ptr_equal(frames[i], expected[0][i]);
		for (uint32_t worker = 1; worker < 4; worker++) {
			void *mbuf;

			for (uint32_t i = 0; i < counts[worker]; i++) {
				assert_int_equal(
					rte_ring_sc_dequeue(distributor.to_worker[worker], &mbuf),
					0);
				assert_ptr_equal(mbuf, expected[worker][i]);
			}
			assert_int_not_equal(
				rte_ring_sc_dequeue(distributor.to_worker[worker], &mbuf), 0);
		}
	}
	for (uint32_t i = 1; i < 4; i++)
		free(distributor.to_worker[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_come_to_one_worker),
		cmocka_unit_test(by_addresses_all_fragments_come_to_the_worker_of_whole_packets),
		cmocka_unit_test(by_flows_the_fragments_of_a_datagram_stay_together),
		cmocka_unit_test(what_is_behind_other_headers_is_spread_as_well),
		cmocka_unit_test(hosts_and_flows_are_spread_evenly),
		cmocka_unit_test(what_is_cut_short_or_not_ip_has_a_worker_too),
		cmocka_unit_test(a_burst_comes_to_its_workers_in_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
