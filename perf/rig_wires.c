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
#define CONNECT_MS 20000u
#define DISTURBED 20e-6 // s: a burst that takes longer was interrupted

// What all rigs of the process share: ports cannot be taken away from a ring.
static struct {
	struct ports ports;
	// By enum link_side, to the engine and from it; the last two are of ports that it does not have.
	struct rte_ring *to[4];
	struct rte_ring *from[4];
	unsigned int lcore; // of the worker
	bool memif;         // to another process, not rings
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

static void start_port(uint16_t id, int side)
{
	const struct rte_eth_conf conf = {0};

	perf_need(rte_eth_dev_configure(id, 1, 1, &conf) == 0 &&
			  rte_eth_rx_queue_setup(id, 0, 1024, 0, NULL, wires.ports.pool) == 0 &&
			  rte_eth_tx_queue_setup(id, 0, 1024, 0, NULL) == 0 &&
			  rte_eth_dev_start(id) == 0,
		"a port");
	wires.ports.port[side] = (struct port){.id = id,
		.side = (enum link_side)side,
		.frame_bytes = TRAFFIC_FRAME_BYTES + 8,
		.link_name = "wire",
		.up = true};
}

static void open_port(int side)
{
	char name[32];
	int id;

	wires.to[side] = make_ring("to", side);
	wires.from[side] = make_ring("from", side);
	(void)snprintf(name, sizeof(name), "wire%d", side);
	id = rte_eth_from_rings(name, &wires.to[side], 1, &wires.from[side], 1, 0);
	perf_need(id >= 0, "a port");
	start_port((uint16_t)id, side);
}

// Two threads, on whatever processors there are. wires: of DPDK's arguments, those after the common ones.
static void start_eal(const char *const *more, uint32_t count)
{
	static char arguments[][64] = {"bench", "--no-shconf", "--no-huge", "-m", "512", "--no-pci",
		"--no-telemetry", "--log-level=error", "--lcores", ""};
	char texts[4][128];
	char *argv[14];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	perf_need(count <= 4, "few arguments");
	(void)snprintf(
		arguments[9], sizeof(arguments[9]), "0@(0-%ld),1@(0-%ld)", cores - 1, cores - 1);
	for (size_t i = 0; i < 10; i++)
		argv[i] = arguments[i];
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "%s", more[i]);
		argv[10 + i] = texts[i];
	}
	perf_need(rte_eal_init((int)(10 + count), argv) >= 0, "DPDK");
	wires.ports.pool = rte_pktmbuf_pool_create(
		"frames", POOL_FRAMES, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	perf_need(wires.ports.pool != NULL, rte_strerror(rte_errno));
	wires.ports.count = 2;
	wires.lcore = rte_get_next_lcore(UINT_MAX, 1, 0);
	open_port(SPARE_IN);
	open_port(SPARE_OUT);
}

void rig_start_dpdk(void)
{
	start_eal(NULL, 0);
	open_port(LINK_OUTSIDE);
	open_port(LINK_INSIDE);
}

// ---- ports of shared memory ---------------------------------------------------------------------

static void open_memif(int side)
{
	char name[32];
	uint16_t id = 0;

	(void)snprintf(name, sizeof(name), "net_memif%d", side);
	perf_need(rte_eth_dev_get_port_by_name(name, &id) == 0, name);
	start_port(id, side);
}

static bool is_up(int side)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(wires.ports.port[side].id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

void rig_start_memif(const char *name, bool is_engine, atomic_bool *is_open)
{
	char texts[2][128];
	// The client's frames are the shared memory: the other side copies. That the client does not have to
	// wants all of its memory in one file; the server has no such mode (the driver's manual).
	const char *more[3] = {texts[0], texts[1], "--single-file-segments"};

	for (int side = 0; side < 2; side++)
		(void)snprintf(texts[side], sizeof(texts[side]),
			"--vdev=net_memif%d,role=%s,id=%d,rsize=13,socket=%s", side,
			is_engine ? "client,zero-copy=yes" : "server", side, name);
	wires.memif = true;
	// A client whose server is not there yet does not try again.
	while (is_engine && !atomic_load_explicit(is_open, memory_order_acquire))
		(void)usleep(1000);
	start_eal(more, is_engine ? 3 : 2);
	open_memif(LINK_OUTSIDE);
	open_memif(LINK_INSIDE);
	if (!is_engine)
		atomic_store_explicit(is_open, true, memory_order_release);
	for (uint32_t ms = 0; !is_up(LINK_OUTSIDE) || !is_up(LINK_INSIDE); ms++) {
		perf_need(ms < CONNECT_MS, "the other process");
		rte_delay_us_sleep(1000);
	}
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
	if (wires.memif)
		return rte_eth_tx_burst(wires.ports.port[side].id, 0, frames, (uint16_t)n);
	return rte_ring_sp_enqueue_burst(wires.to[side], (void **)frames, n, NULL);
}

uint32_t rig_wires_receive(int side, struct rte_mbuf **frames, uint32_t n)
{
	if (wires.memif)
		return rte_eth_rx_burst(wires.ports.port[side].id, 0, frames, (uint16_t)n);
	return rte_ring_sc_dequeue_burst(wires.from[side], (void **)frames, n, NULL);
}

// ---- what cannot be less ------------------------------------------------------------------------

// Which are looked at in turn: of each the buffer's own line and the frame's first, together more than a processor's
// own caches have room for, since whoever filled them was another one.
#define FORWARDED 16384u

// In, and out of the other port. What comes before and after is not of that time.
double rig_forward_s(uint32_t count, uint32_t bytes)
{
	static struct rte_mbuf *frames[FORWARDED];
	uint64_t most = (uint64_t)(DISTURBED * (double)rte_get_tsc_hz());
	uint64_t spent = 0;
	uint64_t sum = 0;
	uint32_t counted = 0;

	perf_need(
		rte_pktmbuf_alloc_bulk(wires.ports.pool, frames, FORWARDED) == 0, "packet buffers");
	for (unsigned int i = 0; i < FORWARDED; i++)
		(void)rte_pktmbuf_append(frames[i], (uint16_t)bytes);
	for (uint32_t at = 0; at < FORWARDED || counted == 0; at += BURST) {
		struct rte_mbuf **sent = &frames[at % FORWARDED];
		struct rte_mbuf *taken[BURST];
		uint64_t took;
		uint16_t n;

		(void)rte_ring_sp_enqueue_bulk(wires.to[SPARE_IN], (void **)sent, BURST, NULL);
		took = rte_rdtsc();
		n = rte_eth_rx_burst(wires.ports.port[SPARE_IN].id, 0, taken, BURST);
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(taken[i]);
		for (uint16_t i = 0; i < n; i++)
			sum += *rte_pktmbuf_mtod(taken[i], const uint8_t *);
		n = rte_eth_tx_burst(wires.ports.port[SPARE_OUT].id, 0, taken, n);
		took = rte_rdtsc() - took;
		spent += took < most ? took : 0;
		counted += took < most ? BURST : 0;
		perf_need(rte_ring_sc_dequeue_bulk(
				  wires.from[SPARE_OUT], (void **)taken, n, NULL) == BURST,
			"all frames");
	}
	perf_keep(sum);
	rte_pktmbuf_free_bulk(frames, FORWARDED);
	return (double)spent / (double)rte_get_tsc_hz() / counted * count;
}
