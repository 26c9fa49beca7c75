// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/distributor.h"

#include "dataplane/packet_link.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lcore.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RING_PACKETS 4096

int distributor_init(struct distributor *distributor, uint32_t workers, enum options_spread spread)
{
	memset(distributor, 0, sizeof(*distributor));
	distributor->workers = workers;
	distributor->spread = spread;
	for (uint32_t i = 1; i < workers; i++) {
		char name[RTE_RING_NAMESIZE];

		(void)snprintf(name, sizeof(name), "to_worker_%u", i);
		distributor->to_worker[i] = rte_ring_create(
			name, RING_PACKETS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		(void)snprintf(name, sizeof(name), "to_ports_%u", i);
		distributor->to_ports[i] = rte_ring_create(
			name, RING_PACKETS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (distributor->to_worker[i] == NULL || distributor->to_ports[i] == NULL) {
			distributor_fini(distributor);
			return -ENOMEM;
		}
	}
	return 0;
}

static void free_ring(struct rte_ring *ring)
{
	void *mbuf;

	while (ring != NULL && rte_ring_sc_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

void distributor_fini(struct distributor *distributor)
{
	for (uint32_t i = 0; i < OPTIONS_MAX_WORKERS; i++) {
		free_ring(distributor->to_worker[i]);
		free_ring(distributor->to_ports[i]);
	}
	memset(distributor, 0, sizeof(*distributor));
}

// Both addresses of n bytes each stand one after the other: their sum does not know which is first.
static uint32_t fold(const uint8_t *addresses, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < 2 * n; i += sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, addresses + i, sizeof(word));
		sum += word * 0x9e3779b1u;
	}
	return sum;
}

static uint32_t fold_ports(const uint8_t *l4)
{
	uint16_t ports[2];

	memcpy(ports, l4, sizeof(ports));
	return ((uint32_t)ports[0] + ports[1]) * 0x85ebca6bu;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static uint32_t hash_ipv4(const uint8_t *ip, size_t n, bool with_ports)
{
	size_t header = (size_t)(ip[0] & 15) * 4;
	uint32_t hash = fold(ip + offsetof(struct rte_ipv4_hdr, src_addr), 4);
	uint16_t fragment;

	memcpy(&fragment, ip + offsetof(struct rte_ipv4_hdr, fragment_offset), sizeof(fragment));
	fragment = rte_be_to_cpu_16(fragment) & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
	if (with_ports && fragment == 0 && n >= header + 4 &&
		has_ports(ip[offsetof(struct rte_ipv4_hdr, next_proto_id)]))
		hash += fold_ports(ip + header);
	return hash;
}

static uint32_t hash_ipv6(const uint8_t *ip, size_t n, bool with_ports)
{
	uint32_t hash = fold(ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);

	if (with_ports && n >= sizeof(struct rte_ipv6_hdr) + 4 &&
		has_ports(ip[offsetof(struct rte_ipv6_hdr, proto)]))
		hash += fold_ports(ip + sizeof(struct rte_ipv6_hdr));
	return hash;
}

// What the headers in front say is the same for both directions, or left out: labels.
static uint32_t hash_frame(const struct frame *frame, bool with_ports)
{
	struct packet packet = {0};
	uint16_t type = packet_link_read(frame, &packet);
	const uint8_t *ip = frame->data + packet.l3_offset;
	size_t n = packet.ip_end - packet.l3_offset;

	if (type == RTE_ETHER_TYPE_IPV4 && n >= sizeof(struct rte_ipv4_hdr))
		return hash_ipv4(ip, n, with_ports);
	if (type == RTE_ETHER_TYPE_IPV6 && n >= sizeof(struct rte_ipv6_hdr))
		return hash_ipv6(ip, n, with_ports);
	return 0;
}

uint32_t distributor_worker_of(const struct distributor *distributor, const struct rte_mbuf *mbuf)
{
	const struct frame frame = {
		.data = rte_pktmbuf_mtod(mbuf, uint8_t *), .bytes = rte_pktmbuf_data_len(mbuf)};
	uint32_t hash = hash_frame(&frame, distributor->spread == SPREAD_FLOWS);

	hash ^= hash >> 16;
	hash *= 0x7feb352du;
	hash ^= hash >> 15;
	return (uint32_t)((uint64_t)hash * distributor->workers >> 32);
}

static uint32_t give(struct distributor *distributor, uint32_t worker)
{
	struct distributor_burst *burst = &distributor->burst[worker];
	uint32_t taken = rte_ring_sp_enqueue_burst(
		distributor->to_worker[worker], (void **)burst->frames, burst->count, NULL);
	uint32_t lost = burst->count - taken;

	if (lost > 0)
		rte_pktmbuf_free_bulk(burst->frames + taken, lost);
	burst->count = 0;
	return lost;
}

uint32_t distributor_spread(
	struct distributor *distributor, struct rte_mbuf **frames, uint32_t n, uint32_t *own)
{
	uint32_t lost = 0;

	*own = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t worker = distributor_worker_of(distributor, frames[i]);
		struct distributor_burst *burst = &distributor->burst[worker];

		if (worker == 0)
			frames[(*own)++] = frames[i];
		else
			burst->frames[burst->count++] = frames[i];
	}
	for (uint32_t worker = 1; worker < distributor->workers; worker++) {
		if (distributor->burst[worker].count > 0)
			lost += give(distributor, worker);
	}
	return lost;
}
