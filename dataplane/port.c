// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include "dataplane/port_eal.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 1024
#define RING_BYTES (8u << 20) // of an interface's receive ring, and of its transmit ring
#define RING_BLOCK_BYTES 65536u
#define POOL_CACHE 256
#define RSS_KEY_BYTES 64
#define FRAME_EXTRA 22 // Ethernet header and two tags

// A Toeplitz key whose 16-bit period makes the hash of (a, b) that of (b, a).
static void make_symmetric_key(uint8_t key[RSS_KEY_BYTES])
{
	for (size_t i = 0; i < RSS_KEY_BYTES; i += 2) {
		key[i] = 0x6d;
		key[i + 1] = 0x5a;
	}
}

static const char *side_name(enum link_side side)
{
	return side == LINK_OUTSIDE ? "outside" : "inside";
}

static int complain(const struct port *port, const char *what, int err)
{
	(void)fprintf(stderr, "cordon-dataplane: link %s, %s (%s): %s: %s\n", port->link_name,
		side_name(port->side), port->device, what, rte_strerror(-err));
	return err < 0 ? err : -EIO;
}

// Switches off what joins received frames to one that is larger than any port takes. An interface that
// cannot do it does not have to be told.
static void keep_frames(int fd, const char *name)
{
	struct ethtool_value receive = {.cmd = ETHTOOL_SGRO, .data = 0};
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&receive};

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	(void)ioctl(fd, SIOCETHTOOL, &request);
	request.ifr_data = (void *)&flags;
	if (ioctl(fd, SIOCETHTOOL, &request) != 0 || (flags.data & ETH_FLAG_LRO) == 0)
		return;
	flags = (struct ethtool_value){
		.cmd = ETHTOOL_SFLAGS, .data = flags.data & ~(uint32_t)ETH_FLAG_LRO};
	(void)ioctl(fd, SIOCETHTOOL, &request);
}

// A kernel interface has to be up to give packets. Its MTU is set here: the driver refuses more than
// 1500, although it carries what fits its rings.
static int set_up_interface(const char *name, uint32_t mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	int err = 0;

	if (fd < 0)
		return -errno;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_mtu = (int)mtu;
	if (ioctl(fd, SIOCSIFMTU, &request) != 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) {
		err = -errno;
	} else if ((request.ifr_flags & IFF_UP) == 0) {
		request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
		if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
			err = -errno;
	}
	if (err == 0)
		keep_frames(fd, name);
	(void)close(fd);
	return err;
}

// The kernel interface behind a port of net_af_packet, however it was configured; "" for other ports.
static void find_interface(const struct options_port *from, char out[IFNAMSIZ])
{
	static const char driver[] = "net_af_packet";
	static const char key[] = "iface=";
	const char *at = strstr(from->device, key);

	(void)snprintf(out, IFNAMSIZ, "%s", from->interface);
	if (strncmp(from->device, driver, sizeof(driver) - 1) != 0 || at == NULL)
		return;
	at += sizeof(key) - 1;
	(void)snprintf(out, IFNAMSIZ, "%.*s", (int)strcspn(at, ","), at);
}

static int probe(struct port *port, const struct options_port *from, uint32_t mtu)
{
	char interface[IFNAMSIZ];
	char name[OPTIONS_WORD_BYTES];
	char device[2 * OPTIONS_WORD_BYTES];
	uint32_t frame = port_ring_frame_bytes(mtu);
	uint32_t side = (uint32_t)port->side;
	int err = 0;

	find_interface(from, interface);
	if (interface[0] != '\0')
		err = set_up_interface(interface, mtu);
	if (err != 0)
		return complain(port, "cannot be brought up with this MTU", err);
	if (from->interface[0] != '\0') {
		// Few frames lose packets: the ring is as large for large frames, but never small.
		(void)snprintf(device, sizeof(device),
			"net_af_packet_%u_%u,iface=%s,framesz=%u,blocksz=%u,framecnt=%u",
			port->link, side, from->interface, frame, RING_BLOCK_BYTES,
			RING_BYTES / frame < 1024 ? 1024 : RING_BYTES / frame);
	} else {
		(void)snprintf(device, sizeof(device), "%s", from->device);
	}
	if (!port_is_pci(device))
		err = rte_dev_probe(device);
	if (err != 0)
		return complain(port, "cannot be opened", err);
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	err = rte_eth_dev_get_port_by_name(name, &port->id);
	return err == 0 ? 0 : complain(port, "no driver took it", err);
}

static uint64_t spread_fields(const struct options *options)
{
	uint64_t fields = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV4 |
			  RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |
			  RTE_ETH_RSS_NONFRAG_IPV6_OTHER;

	if (options->spread == SPREAD_FLOWS)
		fields |= RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	return fields;
}

// Virtual devices that offer several queues leave the choice to the kernel, whose hash is not the same
// on both ports: hardware alone is trusted with it.
static bool can_spread(const struct port *port, const struct options *options)
{
	struct rte_eth_dev_info info;

	if (!port_is_pci(port->device) || rte_eth_dev_info_get(port->id, &info) != 0)
		return false;
	return info.max_rx_queues >= options->workers && info.max_tx_queues >= options->workers &&
	       info.hash_key_size > 0 && info.hash_key_size <= RSS_KEY_BYTES &&
	       (info.flow_type_rss_offloads & spread_fields(options)) != 0;
}

static int set_up_queues(const struct port *port, struct rte_mempool *pool,
	const struct rte_eth_dev_info *info, uint16_t queues)
{
	struct rte_eth_rxconf receive = info->default_rxconf;
	struct rte_eth_txconf transmit = info->default_txconf;
	uint16_t rx = DESCRIPTORS;
	uint16_t tx = DESCRIPTORS;
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

	receive.offloads = 0;
	// Buffers may be shared, and come from any worker: no fast free.
	transmit.offloads = 0;
	for (uint16_t i = 0; err == 0 && i < queues; i++) {
		err = rte_eth_rx_queue_setup(port->id, i, rx,
			(unsigned int)rte_eth_dev_socket_id(port->id), &receive, pool);
		if (err == 0)
			err = rte_eth_tx_queue_setup(port->id, i, tx,
				(unsigned int)rte_eth_dev_socket_id(port->id), &transmit);
	}
	return err;
}

// Several drivers cannot set an MTU or be promiscuous; what they cannot do they do not need.
static int tolerate(int err)
{
	return err == -ENOTSUP || err == -ENOSYS ? 0 : err;
}

static int configure(struct port *port, const struct ports *ports, const struct options *options)
{
	static uint8_t key[RSS_KEY_BYTES];
	uint16_t queues = ports->spread ? (uint16_t)options->workers : 1;
	uint32_t mtu = options->links[port->link].mtu;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(port->id, &info);

	if (err != 0)
		return complain(port, "tells nothing of itself", err);
	// Drivers of kernel interfaces name a limit that they do not have: their MTU is set below.
	conf.rxmode.mtu = mtu <= info.max_mtu ? mtu : info.max_mtu;
	if (info.max_rx_pktlen < conf.rxmode.mtu + FRAME_EXTRA)
		conf.rxmode.mtu = 0;
	if (queues > 1) {
		make_symmetric_key(key);
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
			.rss_key = key,
			.rss_key_len = info.hash_key_size,
			.rss_hf = spread_fields(options) & info.flow_type_rss_offloads,
		};
	}
	err = rte_eth_dev_configure(port->id, queues, queues, &conf);
	if (err != 0)
		return complain(port, "cannot be configured", err);
	err = set_up_queues(port, ports->pool, &info, queues);
	if (err != 0)
		return complain(port, "queues cannot be set up", err);
	port->frame_bytes = mtu + FRAME_EXTRA;
	return 0;
}

static int start(struct port *port, const struct options *options)
{
	const struct options_link *link = &options->links[port->link];
	uint32_t mtu = link->mtu;
	char interface[IFNAMSIZ];
	uint16_t present = 0;
	int err = rte_eth_dev_get_mtu(port->id, &present);

	find_interface(&link->side[port->side], interface);
	if (err == 0 && present != mtu && interface[0] == '\0')
		err = tolerate(rte_eth_dev_set_mtu(port->id, (uint16_t)mtu));
	if (err != 0)
		return complain(port, "the MTU cannot be set", err);
	err = rte_eth_dev_start(port->id);
	if (err != 0)
		return complain(port, "cannot be started", err);
	err = tolerate(rte_eth_promiscuous_enable(port->id));
	if (err != 0)
		return complain(port, "cannot be made promiscuous", err);
	(void)rte_eth_dev_set_link_up(port->id);
	port->up = true;
	return 0;
}

static int make_pool(struct ports *ports, const struct options *options)
{
	uint32_t room = port_buffer_bytes(options) + RTE_PKTMBUF_HEADROOM;

	ports->pool = rte_pktmbuf_pool_create("cordon", port_buffers_count(options), POOL_CACHE, 0,
		(uint16_t)room, SOCKET_ID_ANY);
	if (ports->pool != NULL)
		return 0;
	(void)fprintf(stderr, "cordon-dataplane: no memory for %u packet buffers of %u bytes: %s\n",
		port_buffers_count(options), room, rte_strerror(rte_errno));
	return -ENOMEM;
}

int ports_open(struct ports *ports, const struct options *options)
{
	int err = make_pool(ports, options);

	ports->count = 0;
	ports->spread = true;
	for (uint32_t i = 0; err == 0 && i < options->links_count * 2; i++) {
		const struct options_link *link = &options->links[i / 2];
		const struct options_port *from = &link->side[i % 2];
		struct port *port = &ports->port[i];

		port->link = i / 2;
		port->side = i % 2 == 0 ? LINK_OUTSIDE : LINK_INSIDE;
		port->link_name = link->name;
		(void)snprintf(port->device, sizeof(port->device), "%s",
			from->interface[0] != '\0' ? from->interface : from->device);
		err = probe(port, from, link->mtu);
		if (err == 0)
			ports->count++;
		ports->spread = ports->spread && err == 0 && can_spread(port, options);
	}
	for (uint32_t i = 0; err == 0 && i < ports->count; i++)
		err = configure(&ports->port[i], ports, options);
	for (uint32_t i = 0; err == 0 && i < ports->count; i++)
		err = start(&ports->port[i], options);
	if (err != 0)
		ports_close(ports);
	return err;
}

void ports_close(struct ports *ports)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		(void)rte_eth_dev_stop(ports->port[i].id);
		(void)rte_eth_dev_close(ports->port[i].id);
	}
	ports->count = 0;
}

bool port_has_changed(struct port *port)
{
	struct rte_eth_link link;
	bool was = port->up;

	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return false;
	port->up = link.link_status == RTE_ETH_LINK_UP;
	return port->up != was;
}

void port_get_stats(const struct port *port, struct stats_port *out)
{
	struct rte_eth_stats stats = {0};

	(void)rte_eth_stats_get(port->id, &stats);
	*out = (struct stats_port){
		.link = port->link_name,
		.side = side_name(port->side),
		.device = port->device,
		.up = port->up,
		.rx_packets = stats.ipackets,
		.rx_bytes = stats.ibytes,
		.rx_missed = stats.imissed + stats.rx_nombuf,
		.rx_errors = stats.ierrors,
		.tx_packets = stats.opackets,
		.tx_bytes = stats.obytes,
		.tx_errors = stats.oerrors,
	};
}
