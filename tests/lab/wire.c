// SPDX-License-Identifier: BSD-3-Clause
// A cable with faults for the lab: what leaves a tap interface enters another interface of the same
// namespace, and the other way round; on the way frames are tagged, lost, doubled and put out of
// order. It needs neither the kernel's 802.1Q nor its netem, and the same seed gives the same faults
// for the same frames.
//
//   wire TAP INTERFACE [tag=ID]... [drop=N] [dup=N] [reorder=N] [seed=N]    N per mille of the frames
//
// Makes the tap, runs until SIGTERM, then says on stdout what it did. With two tags the outer one is
// 802.1ad. Tagged, it takes from INTERFACE only the frames with these tags, and leaves the rest alone.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 65600
#define ADDRESSES_BYTES 12 // destination and source, before the tags
#define TAG_BYTES 4
#define MAX_TAGS 2
#define LATE_NS 2000000ull // a frame put back goes on after this long if no other came
#define LATE_FRAMES 3      // ... or after this many others

struct frame {
	uint32_t bytes;
	uint8_t data[FRAME_BYTES];
};

struct lane {
	int to;
	struct frame late;
	uint32_t others; // that passed the late frame
	uint64_t due_ns;
};

struct wire {
	int tap;
	int port;
	uint16_t tags[MAX_TAGS]; // outer first
	uint32_t tags_count;
	uint32_t drop;
	uint32_t dup;
	uint32_t reorder;
	uint64_t random;
	uint64_t frames;
	uint64_t dropped;
	uint64_t doubled;
	uint64_t reordered;
	struct lane lanes[2]; // to the port, to the tap
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000ull + (uint64_t)at.tv_nsec;
}

// splitmix64
static bool wire_chance(struct wire *wire, uint32_t per_mille)
{
	uint64_t z = wire->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (z ^ (z >> 31)) % 1000 < per_mille;
}

// A frame that the kernel does not take at this moment is lost, as on any cable.
static void lane_write(const struct lane *lane, const struct frame *frame)
{
	if (write(lane->to, frame->data, frame->bytes) < 0 && errno != ENOBUFS && errno != EAGAIN)
		perror("wire: write");
}

static void lane_flush(struct lane *lane)
{
	if (lane->late.bytes == 0)
		return;
	lane_write(lane, &lane->late);
	lane->late.bytes = 0;
}

// A frame's chances are drawn whatever becomes of it: so those of the next one do not depend on time.
static void wire_carry(struct wire *wire, struct lane *lane, const struct frame *frame)
{
	bool drops = wire_chance(wire, wire->drop);
	bool reorders = wire_chance(wire, wire->reorder);
	bool doubles = wire_chance(wire, wire->dup);

	wire->frames++;
	if (drops) {
		wire->dropped++;
		return;
	}
	if (lane->late.bytes == 0 && reorders) {
		wire->reordered++;
		lane->late.bytes = frame->bytes;
		memcpy(lane->late.data, frame->data, frame->bytes);
		lane->others = 0;
		lane->due_ns = now_ns() + LATE_NS;
		return;
	}
	lane_write(lane, frame);
	if (doubles) {
		wire->doubled++;
		lane_write(lane, frame);
	}
	if (++lane->others >= LATE_FRAMES)
		lane_flush(lane);
}

static void frame_tag(struct frame *frame, const struct wire *wire)
{
	uint32_t room = wire->tags_count * TAG_BYTES;

	memmove(frame->data + ADDRESSES_BYTES + room, frame->data + ADDRESSES_BYTES,
		frame->bytes - ADDRESSES_BYTES);
	for (uint32_t i = 0; i < wire->tags_count; i++) {
		bool outer = i == 0 && wire->tags_count == MAX_TAGS;
		uint16_t tag[2] = {htons(outer ? ETH_P_8021AD : ETH_P_8021Q), htons(wire->tags[i])};

		memcpy(frame->data + ADDRESSES_BYTES + (size_t)i * TAG_BYTES, tag, TAG_BYTES);
	}
	frame->bytes += room;
}

// Takes the wire's tags off; false when the frame has others.
static bool frame_untag(struct frame *frame, const struct wire *wire)
{
	uint32_t room = wire->tags_count * TAG_BYTES;

	if (frame->bytes < ETH_HLEN + room)
		return false;
	for (uint32_t i = 0; i < wire->tags_count; i++) {
		uint16_t tag[2];

		memcpy(tag, frame->data + ADDRESSES_BYTES + (size_t)i * TAG_BYTES, TAG_BYTES);
		if ((ntohs(tag[0]) != ETH_P_8021Q && ntohs(tag[0]) != ETH_P_8021AD) ||
			(ntohs(tag[1]) & 0xfff) != wire->tags[i])
			return false;
	}
	frame->bytes -= room;
	memmove(frame->data + ADDRESSES_BYTES, frame->data + ADDRESSES_BYTES + room,
		frame->bytes - ADDRESSES_BYTES);
	return true;
}

// The kernel takes the first tag off a received frame and hands it over beside it; it is put back.
static void frame_restore_tag(struct frame *frame, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata aux;
		uint16_t tag[2];

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0)
			continue;
		tag[0] = htons(
			aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q);
		tag[1] = htons(aux.tp_vlan_tci);
		memmove(frame->data + ADDRESSES_BYTES + TAG_BYTES, frame->data + ADDRESSES_BYTES,
			frame->bytes - ADDRESSES_BYTES);
		memcpy(frame->data + ADDRESSES_BYTES, tag, TAG_BYTES);
		frame->bytes += TAG_BYTES;
	}
}

static bool port_read(struct wire *wire, struct frame *frame)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct sockaddr_ll from;
	struct iovec part = {frame->data, FRAME_BYTES - MAX_TAGS * TAG_BYTES};
	struct msghdr message = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(wire->port, &message, MSG_DONTWAIT);

	if (n < ETH_HLEN)
		return false;
	frame->bytes = (uint32_t)n;
	if (from.sll_pkttype != PACKET_OUTGOING) {
		frame_restore_tag(frame, &message);
		if (wire->tags_count == 0 || frame_untag(frame, wire))
			wire_carry(wire, &wire->lanes[1], frame);
	}
	return true;
}

static bool tap_read(struct wire *wire, struct frame *frame)
{
	ssize_t n = read(wire->tap, frame->data, FRAME_BYTES - MAX_TAGS * TAG_BYTES);

	if (n < ETH_HLEN)
		return false;
	frame->bytes = (uint32_t)n;
	if (wire->tags_count != 0)
		frame_tag(frame, wire);
	wire_carry(wire, &wire->lanes[0], frame);
	return true;
}

static void wire_run(struct wire *wire)
{
	static struct frame frame;
	struct pollfd ready[2] = {{wire->tap, POLLIN, 0}, {wire->port, POLLIN, 0}};

	while (!stopped) {
		bool late = wire->lanes[0].late.bytes != 0 || wire->lanes[1].late.bytes != 0;

		int bursts[2] = {0, 0};

		poll(ready, 2, late ? 1 : 100);
		while (bursts[0] < 64 && tap_read(wire, &frame))
			bursts[0]++;
		while (bursts[1] < 64 && port_read(wire, &frame))
			bursts[1]++;
		for (int i = 0; i < 2; i++)
			if (bursts[i] == 0 && wire->lanes[i].late.bytes != 0 &&
				now_ns() >= wire->lanes[i].due_ns)
				lane_flush(&wire->lanes[i]);
	}
	// What came before the end is still carried.
	for (int i = 0; i < 1024 && (tap_read(wire, &frame) || port_read(wire, &frame)); i++)
		;
}

static int tap_open(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : fd;
}

static int port_open(const char *name)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name)};
	int on = 1;
	int room = 8 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd < 0 || to.sll_ifindex == 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return fd;
}

static bool wire_option(struct wire *wire, const char *text)
{
	const char *equals = strchr(text, '=');
	char *end;
	uint32_t value;

	if (equals == NULL)
		return false;
	value = (uint32_t)strtoul(equals + 1, &end, 10);
	if (*end != '\0' || end == equals + 1)
		return false;
	if (strncmp(text, "tag=", 4) == 0 && wire->tags_count < MAX_TAGS && value < 4096)
		wire->tags[wire->tags_count++] = (uint16_t)value;
	else if (strncmp(text, "drop=", 5) == 0)
		wire->drop = value;
	else if (strncmp(text, "dup=", 4) == 0)
		wire->dup = value;
	else if (strncmp(text, "reorder=", 8) == 0)
		wire->reorder = value;
	else if (strncmp(text, "seed=", 5) == 0)
		wire->random = value;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct wire wire;
	struct sigaction action = {.sa_handler = stop};

	for (int i = 3; i < argc; i++) {
		if (!wire_option(&wire, argv[i])) {
			fprintf(stderr, "wire: bad option %s\n", argv[i]);
			return 2;
		}
	}
	if (argc < 3) {
		fprintf(stderr, "usage: wire TAP INTERFACE [tag=ID]... [drop=N] [dup=N] "
				"[reorder=N] [seed=N]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	wire.tap = tap_open(argv[1]);
	wire.port = port_open(argv[2]);
	if (wire.tap < 0 || wire.port < 0) {
		fprintf(stderr, "wire: %s: %s\n", wire.tap < 0 ? argv[1] : argv[2],
			strerrordesc_np(wire.tap < 0 ? -wire.tap : -wire.port));
		return 1;
	}
	wire.lanes[0].to = wire.port;
	wire.lanes[1].to = wire.tap;
	wire_run(&wire);
	printf("wire frames=%llu dropped=%llu doubled=%llu reordered=%llu\n",
		(unsigned long long)wire.frames, (unsigned long long)wire.dropped,
		(unsigned long long)wire.doubled, (unsigned long long)wire.reordered);
	return 0;
}
