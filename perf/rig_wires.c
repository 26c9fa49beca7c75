// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rig_wires.h"

#include "perf/perf.h"
#include "perf/rig.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BURST RIG_BURST
#define RING_FRAMES 32768u
#define POOL_FRAMES 65535u
#define SPARE_IN 2
#define SPARE_OUT 3
#define DISTURBED 20e-6 // s: a burst that takes longer was interrupted

// What all rigs of the process share: ports cannot be taken away from a ring.
static struct {
	struct ports ports;
	// By enum link_side, to the engine and from it; the last two are of ports that it does not have.
	struct rte_ring *to[4];
	struct rte_ring *from[4];
	unsigned int lcore; // of the worker
} wires;

// ---- ports --------------------------------------------------------------------------------------

static struct rte_ring *make_ring(const char *name, int side)
{
	char text[32];
	struct rte_ring *ring;

	(void)snprintf(text, sizeof(text), "%s%d", name, side);
	ring = rte_ring_create(text, RING_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	perf_need(ring != NULL, "a ring");
	return ring;
}

static void open_port(int side)
{
	const struct rte_eth_conf conf = {0};
	char name[32];
	int id;

	wires.to[side] = make_ring("to", side);
	wires.from[side] = make_ring("from", side);
	(void)snprintf(name, sizeof(name), "wire%d", side);
	id = rte_eth_from_rings(name, &wires.to[side], 1, &wires.from[side], 1, 0);
	perf_need(id >= 0 && rte_eth_dev_configure((uint16_t)id, 1, 1, &conf) == 0 &&
			  rte_eth_rx_queue_setup(
				  (uint16_t)id, 0, 1024, 0, NULL, wires.ports.pool) == 0 &&
			  rte_eth_tx_queue_setup((uint16_t)id, 0, 1024, 0, NULL) == 0 &&
			  rte_eth_dev_start((uint16_t)id) == 0,
		"a port");
	wires.ports.port[side] = (struct port){.id = (uint16_t)id,
		.side = (enum link_side)side,
		.frame_bytes = TRAFFIC_FRAME_BYTES + 8,
		.link_name = "wire",
		.up = true};
}

void rig_start_dpdk(void)
{
	static char arguments[][64] = {"bench", "--no-shconf", "--no-huge", "-m", "512", "--no-pci",
		"--no-telemetry", "--log-level=error", "--lcores", ""};
	char *argv[10];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	(void)snprintf(
		arguments[9], sizeof(arguments[9]), "0@(0-%ld),1@(0-%ld)", cores - 1, cores - 1);
	for (size_t i = 0; i < 10; i++)
		argv[i] = arguments[i];
	perf_need(rte_eal_init(10, argv) >= 0, "DPDK");
	wires.ports.pool = rte_pktmbuf_pool_create(
		"frames", POOL_FRAMES, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	perf_need(wires.ports.pool != NULL, rte_strerror(rte_errno));
	wires.ports.count = 2;
	wires.lcore = rte_get_next_lcore(UINT_MAX, 1, 0);
	open_port(LINK_OUTSIDE);
	open_port(LINK_INSIDE);
	open_port(SPARE_IN);
	open_port(SPARE_OUT);
}

const struct ports *rig_wires_ports(void)
{
	return &wires.ports;
}

unsigned int rig_wires_lcore(void)
{
	return wires.lcore;
}

uint32_t rig_wires_send(int side, struct rte_mbuf **frames, uint32_t n)
{
	return rte_ring_sp_enqueue_burst(wires.to[side], (void **)frames, n, NULL);
}

uint32_t rig_wires_receive(int side, struct rte_mbuf **frames, uint32_t n)
{
	return rte_ring_sc_dequeue_burst(wires.from[side], (void **)frames, n, NULL);
}

// ---- what cannot be less ------------------------------------------------------------------------

// In, and out of the other port. What comes before and after is not of that time.
double rig_forward_s(uint32_t count, uint32_t bytes)
{
	struct rte_mbuf *frames[BURST];
	uint64_t most = (uint64_t)(DISTURBED * (double)rte_get_tsc_hz());
	uint64_t spent = 0;
	uint64_t sum = 0;
	uint32_t counted = 0;

	perf_need(rte_pktmbuf_alloc_bulk(wires.ports.pool, frames, BURST) == 0, "packet buffers");
	for (unsigned int i = 0; i < BURST; i++)
		(void)rte_pktmbuf_append(frames[i], (uint16_t)bytes);
	for (uint32_t done = 0; done < count || counted == 0; done += BURST) {
		struct rte_mbuf *taken[BURST];
		uint64_t took;
		uint16_t n;

		(void)rte_ring_sp_enqueue_bulk(wires.to[SPARE_IN], (void **)frames, BURST, NULL);
		took = rte_rdtsc();
		n = rte_eth_rx_burst(wires.ports.port[SPARE_IN].id, 0, taken, BURST);
		for (uint16_t i = 0; i < n; i++)
			sum += *rte_pktmbuf_mtod(taken[i], const uint8_t *);
		n = rte_eth_tx_burst(wires.ports.port[SPARE_OUT].id, 0, taken, n);
		took = rte_rdtsc() - took;
		spent += took < most ? took : 0;
		counted += took < most ? BURST : 0;
		perf_need(rte_ring_sc_dequeue_bulk(
				  wires.from[SPARE_OUT], (void **)frames, n, NULL) == BURST,
			"all frames");
	}
	perf_keep(sum);
	rte_pktmbuf_free_bulk(frames, BURST);
	return (double)spent / (double)rte_get_tsc_hz() / counted * count;
}
