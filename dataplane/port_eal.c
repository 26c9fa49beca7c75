// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_eal.h"

#include <dlfcn.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ARGUMENTS 96
#define ARGUMENT_BYTES 512
#define RING_FRAME_EXTRA 150 // Ethernet, two tags, and the packet socket's own header
#define FIXED_MEMORY_MB 48   // EAL's own tables and the ports'

struct arguments {
	char *argv[MAX_ARGUMENTS + 1];
	int argc;
	bool full;
	char text[MAX_ARGUMENTS][ARGUMENT_BYTES];
};

static void __attribute__((format(printf, 2, 3)))
add(struct arguments *arguments, const char *format, ...)
{
	va_list values;
	char *slot;
	int n;

	if (arguments->argc == MAX_ARGUMENTS) {
		arguments->full = true;
		return;
	}
	slot = arguments->text[arguments->argc];
	va_start(values, format);
	n = vsnprintf(slot, ARGUMENT_BYTES, format, values);
	va_end(values);
	if (n < 0 || n >= ARGUMENT_BYTES)
		arguments->full = true;
	arguments->argv[arguments->argc++] = slot;
}

uint32_t port_ring_frame_bytes(uint32_t mtu)
{
	uint32_t bytes = 2048;

	while (bytes < mtu + RING_FRAME_EXTRA)
		bytes *= 2;
	return bytes;
}

uint32_t port_buffer_bytes(const struct options *options)
{
	uint32_t most = 2048;

	for (uint32_t i = 0; i < options->links_count; i++) {
		uint32_t bytes = port_ring_frame_bytes(options->links[i].mtu);

		most = bytes > most ? bytes : most;
	}
	return most;
}

uint32_t port_buffers_count(const struct options *options)
{
	uint32_t ports = options->links_count * 2;

	if (options->eal.mbufs != 0)
		return options->eal.mbufs;
	// Descriptors of both directions, caches and transmit buffers, and what engines hold back.
	return ports * options->workers * 2048 + options->workers * 1024 + 8192;
}

bool port_is_pci(const char *device)
{
	static const char form[] = "xxxx:xx:xx.x";

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'x' ? !isxdigit((unsigned char)device[i]) : device[i] != form[i])
			return false;
	}
	return true;
}

static uint32_t memory_mb(const struct options *options)
{
	uint64_t each = port_buffer_bytes(options) + RTE_PKTMBUF_HEADROOM +
			sizeof(struct rte_mbuf) + 2 * (uint64_t)RTE_CACHE_LINE_SIZE;

	if (options->eal.memory_mb != 0)
		return options->eal.memory_mb;
	return (uint32_t)(port_buffers_count(options) * each * 9 / 8 >> 20) + FIXED_MEMORY_MB;
}

// Workers from the last processor down, so that the first, where interrupts tend to go, is the last
// one taken; the main thread floats over all.
static void add_lcores(struct arguments *arguments, const struct options *options)
{
	char list[ARGUMENT_BYTES];
	int cpus[CPU_SETSIZE];
	int count = 0;
	cpu_set_t set;
	size_t at;

	if (options->eal.lcores[0] != '\0') {
		add(arguments, "--lcores=%s", options->eal.lcores);
		return;
	}
	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[count++] = (int)cpu;
	}
	if (count == 0)
		cpus[count++] = 0;
	at = (size_t)snprintf(list, sizeof(list), "0@(%d", cpus[0]);
	for (int i = 1; i < count && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, ",%d", cpus[i]);
	if (at < sizeof(list))
		at += (size_t)snprintf(list + at, sizeof(list) - at, ")");
	for (uint32_t i = 0; i < options->workers && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, ",%u@%d", i + 1,
			cpus[(uint32_t)(count - 1) - i % (uint32_t)count]);
	add(arguments, "--lcores=%s", list);
}

// ---- drivers ------------------------------------------------------------------------------------

// The folder of the driver libraries: beside the EAL library that this process runs on.
static bool find_drivers(char *out, size_t room)
{
	Dl_info info;
	char folder[ARGUMENT_BYTES];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	char *slash;
	void *entry_point = dlsym(RTLD_DEFAULT, "rte_eal_init");

	if (entry_point == NULL || dladdr(entry_point, &info) == 0)
		return false;
	(void)snprintf(folder, sizeof(folder), "%s", info.dli_fname);
	slash = strrchr(folder, '/');
	if (slash == NULL || (size_t)(slash - folder) + 8 > sizeof(folder))
		return false;
	(void)snprintf(slash, sizeof(folder) - (size_t)(slash - folder), "/dpdk");
	dir = opendir(folder);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread is started
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "pmds-", 5) != 0)
			continue;
		found = snprintf(out, room, "%s/%s", folder, entry->d_name) < (int)room;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

static bool add_driver(struct arguments *arguments, const char *folder, const char *name)
{
	char path[ARGUMENT_BYTES];

	if (snprintf(path, sizeof(path), "%s/librte_%s.so", folder, name) >= (int)sizeof(path) ||
		access(path, R_OK) != 0)
		return false;
	add(arguments, "-d");
	add(arguments, "%s", path);
	return true;
}

// "net_af_packet0,iface=..." is a device of the longest driver name that it begins with.
static bool add_driver_of(struct arguments *arguments, const char *folder, const char *device)
{
	char name[OPTIONS_WORD_BYTES];

	(void)snprintf(name, sizeof(name), "%s", device);
	for (size_t n = strcspn(name, ","); n > 0; n--) {
		name[n] = '\0';
		if (add_driver(arguments, folder, name))
			return true;
	}
	return false;
}

static bool has_pci(const struct options *options)
{
	for (uint32_t i = 0; i < options->links_count * 2; i++) {
		if (port_is_pci(options->links[i / 2].side[i % 2].device))
			return true;
	}
	return false;
}

// Names the libraries to load. When one is not found, none is named, and EAL loads all there are.
static void add_drivers(struct arguments *arguments, const struct options *options)
{
	int before = arguments->argc;
	char folder[ARGUMENT_BYTES];
	bool all = find_drivers(folder, sizeof(folder));

	if (has_pci(options) && options->eal.drivers_count == 0)
		return;
	all = all && add_driver(arguments, folder, "bus_vdev") &&
	      add_driver(arguments, folder, "mempool_ring");
	if (all && has_pci(options))
		all = add_driver(arguments, folder, "bus_pci");
	for (uint32_t i = 0; all && i < options->links_count * 2; i++) {
		const struct options_port *port = &options->links[i / 2].side[i % 2];

		if (port->interface[0] != '\0')
			all = add_driver(arguments, folder, "net_af_packet");
		else if (!port_is_pci(port->device))
			all = add_driver_of(arguments, folder, port->device);
	}
	for (uint32_t i = 0; all && i < options->eal.drivers_count; i++)
		all = add_driver(arguments, folder, options->eal.drivers[i]);
	if (!all)
		arguments->argc = before;
}

// ---- the whole command line ---------------------------------------------------------------------

static void add_memory(struct arguments *arguments, const struct options *options)
{
	// DPDK 22.11 refuses --no-huge together with --in-memory.
	if (options->eal.hugepages) {
		add(arguments, "--in-memory");
	} else {
		add(arguments, "--no-huge");
		add(arguments, "--no-shconf");
	}
	add(arguments, "-m");
	add(arguments, "%u", memory_mb(options));
}

static void add_devices(struct arguments *arguments, const struct options *options)
{
	if (!has_pci(options))
		add(arguments, "--no-pci");
	for (uint32_t i = 0; i < options->links_count * 2; i++) {
		const struct options_port *port = &options->links[i / 2].side[i % 2];

		if (!port_is_pci(port->device))
			continue;
		add(arguments, "-a");
		add(arguments, "%s", port->device);
	}
}

static void add_prefix(struct arguments *arguments, const struct options *options)
{
	char name[sizeof(options->engine.name)];

	for (size_t i = 0; i < sizeof(name); i++) {
		char c = options->engine.name[i];

		name[i] = (char)(c == '\0' || isalnum((unsigned char)c) ? c : '-');
	}
	add(arguments, "--file-prefix=cordon-%s", name);
	// Without shared configuration EAL does not make the folder that telemetry's socket is in.
	if (!options->telemetry) {
		add(arguments, "--no-telemetry");
		return;
	}
	if (getuid() == 0) {
		char folder[ARGUMENT_BYTES];

		(void)mkdir("/var/run/dpdk", 0700);
		(void)snprintf(folder, sizeof(folder), "/var/run/dpdk/cordon-%s", name);
		(void)mkdir(folder, 0700);
	}
}

int port_eal_init(const struct options *options)
{
	static struct arguments arguments;

	add(&arguments, "cordon-dataplane");
	add_lcores(&arguments, options);
	add_memory(&arguments, options);
	add_devices(&arguments, options);
	add_drivers(&arguments, options);
	add_prefix(&arguments, options);
	add(&arguments, "--log-level=error");
	for (uint32_t i = 0; i < options->eal.arguments_count; i++)
		add(&arguments, "%s", options->eal.arguments[i]);
	if (arguments.full) {
		(void)fprintf(
			stderr, "cordon-dataplane: too many EAL arguments, or one too long\n");
		return -E2BIG;
	}
	if (rte_eal_init(arguments.argc, arguments.argv) >= 0)
		return 0;
	(void)fprintf(stderr, "cordon-dataplane: EAL does not start: %s; its arguments were:",
		rte_strerror(rte_errno));
	for (int i = 1; i < arguments.argc; i++)
		(void)fprintf(stderr, " %s", arguments.text[i]);
	(void)fprintf(stderr, "%s\n",
		options->eal.hugepages ? " (on a machine without hugepages: eal.hugepages: false)"
				       : "");
	return rte_errno != 0 ? -rte_errno : -EIO;
}
