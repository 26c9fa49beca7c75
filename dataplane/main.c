// SPDX-License-Identifier: BSD-3-Clause
// cordon-dataplane: reads its configuration, starts ports and workers, and keeps house: events to their
// file, the command socket, signals. The workers do the rest.
#include "dataplane/main.h"

#include "dataplane/inherited.h"
#include "dataplane/main_spool.h"
#include "dataplane/memory_limit.h"
#include "dataplane/options_check.h"
#include "dataplane/options_command.h"
#include "dataplane/port_eal.h"
#include "dataplane/priority.h"
#include "dataplane/telemetry.h"

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS 10
#define ALERT_TURN_MS 2 // while somebody waits for mail with an alert
#define FLUSH_NS (2 * (uint64_t)SECOND_NS)
#define OWN_RING_BYTES 65536
#define MEMORY_OWN_BYTES (256ull << 20) // for what else the process may still want

static const char usage[] =
	"usage: cordon-dataplane --config FILE [--check-config]\n"
	"       cordon-dataplane --config-reference\n"
	"\n"
	"  --config FILE       the configuration, see docs/configuration.md\n"
	"  --check-config      only look for mistakes in it, and at the files it names\n"
	"  --config-reference  write the reference of all options\n"
	"\n"
	"Signals: SIGTERM and SIGINT stop it in order, SIGHUP opens the event file again.\n"
	"Exit status: 0 stopped in order (or nothing wrong), 1 could not start, 2 bad "
	"configuration.\n";

// ---- events of this thread ----------------------------------------------------------------------

void main_complain(int err, const char *format, ...)
{
	char reason[128];
	va_list values;

	(void)fprintf(stderr, "cordon-dataplane: ");
	va_start(values, format);
	(void)vfprintf(stderr, format, values);
	va_end(values);
	(void)fprintf(stderr, ": %s\n", strerror_r(-err, reason, sizeof(reason)));
}

void main_report(struct gateway *gateway, const char *event, const struct json_writer *members,
	const char *text)
{
	const struct events_context context = {
		.gateway = gateway->options.engine.name,
		.epoch_offset_ns = atomic_load_explicit(
			&gateway->shared.epoch_offset_ns, memory_order_relaxed),
	};
	char line[4096];
	char list[2048];
	size_t n;

	if (members->at == NULL)
		return;
	(void)snprintf(list, sizeof(list), "%.*s", (int)(members->at - text), text);
	n = events_format_simple(
		&context, event, worker_clock_ns(&gateway->shared), list, line, sizeof(line));
	if (n == 0 || !event_ring_push(gateway->own_ring, line, n))
		gateway->own_lost++;
}

static const char *spread_name(const struct gateway *gateway)
{
	if (gateway->workers_count == 1)
		return "nothing";
	return gateway->ports.spread ? "ports" : "first worker";
}

static void report_start(struct gateway *gateway)
{
	struct json_writer json;
	char text[2048];

	json_begin(&json, text, sizeof(text));
	json_number(&json, "pid", (uint64_t)getpid());
	json_number(&json, "workers", gateway->workers_count);
	json_text(&json, "spread_by", spread_name(gateway));
	json_open(&json, "links", '[');
	for (uint32_t i = 0; i < gateway->options.links_count; i++)
		json_text(&json, NULL, gateway->options.links[i].name);
	json_close(&json, ']');
	json_text(&json, "ruleset", gateway->stats.ruleset->version);
	json_number(&json, "signatures", gateway->stats.ruleset->signatures);
	json_number(&json, "seals", gateway->seals->count);
	main_report(gateway, "start", &json, text);
}

static void report_stop(struct gateway *gateway)
{
	struct counters sum;
	struct json_writer json;
	char text[512];

	stats_sum(&gateway->stats, &sum);
	json_begin(&json, text, sizeof(text));
	json_number(&json, "rx_packets", sum.rx_packets);
	json_number(&json, "tx_packets", sum.tx_packets);
	json_number(&json, "tx_dropped", sum.tx_dropped);
	json_number(&json, "messages", sum.messages);
	json_number(&json, "events_lost", sum.events_lost + gateway->own_lost);
	main_report(gateway, "stop", &json, text);
}

static void report_link(struct gateway *gateway, const struct port *port)
{
	struct json_writer json;
	char text[512];

	json_begin(&json, text, sizeof(text));
	json_text(&json, "why", port->up ? "link up" : "link down");
	json_text(&json, "link", port->link_name);
	json_text(&json, "side", port->side == LINK_OUTSIDE ? "outside" : "inside");
	main_report(gateway, "fault", &json, text);
}

// ---- housekeeping -------------------------------------------------------------------------------

static void set_epoch(struct gateway *gateway)
{
	struct timespec wall;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	atomic_store_explicit(&gateway->shared.epoch_offset_ns,
		wall.tv_sec * (int64_t)SECOND_NS + wall.tv_nsec -
			(int64_t)worker_clock_ns(&gateway->shared),
		memory_order_relaxed);
}

// Lines of one ring are written to their end before those of the next. Returns true when all are out.
static bool drain(struct gateway *gateway)
{
	for (uint32_t i = 0; i <= gateway->workers_count; i++) {
		struct event_ring *ring = gateway->draining < gateway->workers_count
						  ? worker_ring(gateway->workers[gateway->draining])
						  : gateway->own_ring;

		if (!events_file_drain(&gateway->events, ring)) {
			if (gateway->events.error != 0 && !gateway->events_failed)
				main_complain(-gateway->events.error, "events: %s",
					gateway->options.events);
			gateway->events_failed = gateway->events.error != 0;
			return false;
		}
		gateway->draining = (gateway->draining + 1) % (gateway->workers_count + 1);
	}
	gateway->events_failed = false;
	return true;
}

static void take_signal(struct gateway *gateway)
{
	struct signalfd_siginfo info;
	int err;

	if (read(gateway->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP) {
		gateway->stopping = true;
		return;
	}
	err = drain(gateway) ? events_file_reopen(&gateway->events) : -EAGAIN;
	if (err != 0)
		main_complain(err, "events: %s cannot be opened again", gateway->options.events);
}

static void once_a_second(struct gateway *gateway)
{
	uint64_t now_ns = worker_clock_ns(&gateway->shared);

	if (now_ns - gateway->second_ns < SECOND_NS)
		return;
	gateway->second_ns = now_ns;
	set_epoch(gateway);
	worker_rules_collect(gateway->rules);
	main_watch_spool(gateway);
	for (uint32_t i = 0; i < gateway->ports.count; i++) {
		if (port_has_changed(&gateway->ports.port[i]))
			report_link(gateway, &gateway->ports.port[i]);
	}
}

static void keep_house(struct gateway *gateway)
{
	int err = priority_set(gateway->options.priority);

	if (err != 0)
		main_complain(err, "priority");
	while (!gateway->stopping) {
		struct pollfd polls[2] = {
			{.fd = gateway->signals, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

		if (gateway->command != NULL)
			polls[1].fd = local_server_descriptor(gateway->command);
		if (poll(polls, 2, gateway->waiter.is_there ? ALERT_TURN_MS : TURN_MS) > 0) {
			if (polls[0].revents != 0)
				take_signal(gateway);
			if (polls[1].revents != 0)
				local_server_serve(gateway->command);
		}
		main_tell_alerts(gateway);
		once_a_second(gateway);
		(void)drain(gateway);
	}
}

// ---- start --------------------------------------------------------------------------------------

static int open_outputs(struct gateway *gateway)
{
	const struct options *options = &gateway->options;
	int err = event_ring_new(OWN_RING_BYTES, &gateway->own_ring);

	if (err == 0)
		err = events_file_open(&gateway->events, options->events);
	if (err != 0) {
		main_complain(err, "events: %s", options->events);
		return err;
	}
	err = ruleset_open(options->rules, &gateway->ruleset);
	if (err != 0) {
		char reason[128];

		(void)fprintf(stderr, "cordon-dataplane: rules: %s: %s\n", options->rules,
			options_rules_reason(err, reason, sizeof(reason)));
		return err;
	}
	gateway->stats.ruleset = ruleset_get_info(gateway->ruleset);
	return 0;
}

static int open_command(struct gateway *gateway)
{
	const char *path = gateway->options.command;
	int err = 0;

	if (path[0] != '\0')
		err = local_server_open(path, main_answer, gateway, &gateway->command);
	if (err != 0)
		main_complain(err, "command socket: %s", path);
	return err;
}

static int make_workers(struct gateway *gateway)
{
	struct options *options = &gateway->options;
	int err = 0;

	for (uint32_t i = 0; i < gateway->ports.count; i++) {
		uint32_t bytes = gateway->ports.port[i].frame_bytes;

		if (i == 0 || bytes < options->engine.max_frame_bytes)
			options->engine.max_frame_bytes = bytes;
	}
	options->engine.scan.has_helper = true;
	if (!gateway->ports.spread && options->workers > 1) {
		gateway->shared.distributor = &gateway->distributor;
		err = distributor_init(&gateway->distributor, options->workers, options->spread);
	}
	for (uint32_t i = 0; err == 0 && i < options->workers; i++) {
		if (getrandom(options->engine.hash_key, sizeof(options->engine.hash_key), 0) < 0)
			err = -errno;
		else
			err = worker_new(
				&gateway->shared, i, gateway->ruleset, &gateway->workers[i]);
		if (err == 0)
			gateway->engines[gateway->workers_count++] =
				worker_engine(gateway->workers[i]);
	}
	if (err == 0)
		err = worker_rules_new(
			gateway->ruleset, gateway->workers, options->workers, &gateway->rules);
	if (err == 0) {
		gateway->ruleset = NULL;
		worker_rules_meanwhile(gateway->rules, main_serve_urgent, gateway);
	}
	if (err != 0)
		main_complain(err, "workers");
	return err;
}

static void describe(struct gateway *gateway)
{
	if (getrandom(&gateway->run, sizeof(gateway->run), 0) < 0)
		gateway->run = (uint64_t)getpid();
	gateway->run >>= 1; // a number in JSON that every reader takes
	gateway->stats.gateway = gateway->options.engine.name;
	gateway->stats.engines = gateway->engines;
	gateway->stats.engines_count = gateway->workers_count;
	gateway->stats.ports = gateway->port_stats;
	gateway->stats.ports_count = gateway->ports.count;
	gateway->stats.mbufs = gateway->ports.pool->size;
}

// Before the first packet: a gateway that was sealed when it stopped is sealed when it starts.
static int read_seals(struct gateway *gateway)
{
	const char *path = gateway->options.seals;
	char error[256] = "";
	struct engine_seals *seals = NULL;
	int err = path[0] != '\0'
			  ? seals_read(path, &seals, &gateway->seals_text, error, sizeof(error))
			  : seals_none(&seals);

	if (err == 0)
		err = main_apply_seals(gateway, seals);
	if (err != 0)
		main_complain(err, "seals: %s: %s", path, error);
	return err;
}

static int launch(struct gateway *gateway)
{
	unsigned int lcore;
	uint32_t next = 0;

	if (rte_lcore_count() - 1 < gateway->workers_count) {
		main_complain(-EINVAL, "eal.lcores names %u for %u workers and the main thread",
			rte_lcore_count(), gateway->workers_count);
		return -EINVAL;
	}
	atomic_store(&gateway->shared.stopping, gateway->workers_count);
	for (lcore = rte_get_next_lcore(UINT_MAX, 1, 0); lcore < RTE_MAX_LCORE;
		lcore = rte_get_next_lcore(lcore, 1, 0)) {
		if (next == gateway->workers_count)
			break;
		if (rte_eal_remote_launch(worker_run, gateway->workers[next++], lcore) != 0) {
			main_complain(-EBUSY, "worker %u", next - 1);
			return -EBUSY;
		}
	}
	while (atomic_load(&gateway->shared.running) < gateway->workers_count)
		(void)sched_yield();
	return 0;
}

static int start(struct gateway *gateway)
{
	const struct options *options = &gateway->options;
	int err = open_outputs(gateway);

	// First, for it also keeps a second process with this configuration away from the ports.
	if (err == 0)
		err = open_command(gateway);
	if (err == 0)
		err = port_eal_init(options);
	gateway->eal_runs = err == 0;
	if (err == 0)
		err = ports_open(&gateway->ports, options);
	if (err != 0)
		return err;
	gateway->shared.options = options;
	gateway->shared.ports = &gateway->ports;
	for (uint32_t i = 0; i < options->links_count; i++)
		gateway->shared.links[i] = options->links[i].name;
	worker_clock_init(&gateway->shared);
	set_epoch(gateway);
	err = main_open_spool(gateway);
	if (err != 0)
		return err;
	gateway->shared.spool = gateway->spool;
	gateway->stats.spool = gateway->spool;
	err = make_workers(gateway);
	if (err != 0)
		return err;
	err = read_seals(gateway);
	if (err != 0)
		return err;
	describe(gateway);
	if (options->telemetry) {
		err = telemetry_register(&gateway->stats);
		if (err != 0)
			main_complain(err, "telemetry");
	}
	return err == 0 ? launch(gateway) : err;
}

// All has been taken that is needed; what unpacking archives takes is limited.
static void limit_memory(const struct gateway *gateway)
{
	const struct options *options = &gateway->options;
	int err = memory_limit_set(
		MEMORY_OWN_BYTES + options->workers * options->engine.helper_bytes);

	if (err != 0)
		main_complain(err, "memory limit");
}

// ---- stop ---------------------------------------------------------------------------------------

static void stop(struct gateway *gateway)
{
	uint64_t limit_ns;

	atomic_store_explicit(&gateway->shared.stop, true, memory_order_relaxed);
	while (atomic_load_explicit(&gateway->shared.running, memory_order_acquire) > 0) {
		(void)drain(gateway);
		(void)sched_yield();
	}
	rte_eal_mp_wait_lcore();
	report_stop(gateway);
	// A reader of standard output that has gone to sleep does not keep us.
	limit_ns = worker_clock_ns(&gateway->shared) + FLUSH_NS;
	while (!drain(gateway) && worker_clock_ns(&gateway->shared) < limit_ns)
		(void)usleep(TURN_MS * 100);
}

static void release(struct gateway *gateway)
{
	local_server_close(gateway->command);
	ports_close(&gateway->ports);
	for (uint32_t i = 0; i < gateway->workers_count; i++) {
		// What the thread that does not let go needs stays for the moment that is left.
		if (engine_deferred(worker_engine(gateway->workers[i])) > 0)
			return;
		worker_free(gateway->workers[i]);
	}
	if (gateway->spool != NULL)
		spool_close(gateway->spool);
	distributor_fini(&gateway->distributor);
	worker_rules_free(gateway->rules);
	free(gateway->seals);
	free(gateway->seals_before);
	free(gateway->seals_text);
	if (gateway->ruleset != NULL)
		ruleset_close(gateway->ruleset);
	event_ring_free(gateway->own_ring);
}

static int run(struct gateway *gateway)
{
	sigset_t set;
	int err = inherited_settle();

	if (err != 0) {
		main_complain(err, "too few descriptors (RLIMIT_NOFILE)");
		return EXIT_FAILURE;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	// Before any thread is started, so that all inherit it.
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGHUP, SIG_DFL); // what is ignored is not told
	gateway->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (gateway->signals < 0) {
		main_complain(-errno, "signals");
		return EXIT_FAILURE;
	}
	err = start(gateway);
	if (err == 0) {
		limit_memory(gateway);
		report_start(gateway);
		keep_house(gateway);
		stop(gateway);
		events_file_close(&gateway->events);
	}
	release(gateway);
	if (gateway->eal_runs)
		(void)rte_eal_cleanup();
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void write_usage(FILE *out)
{
	(void)fputs(usage, out);
}

int main(int argc, char **argv)
{
	struct options_command command = {write_usage, options_write_reference, NULL, false};
	static struct gateway gateway;
	int status;

	// Until there is an event file to open again: a log is rotated at any time.
	(void)signal(SIGHUP, SIG_IGN);
	memory_limit_map_large();
	if (inherited_streams() != 0)
		return EXIT_FAILURE;
	if (!options_command_read(&command, argc, argv, &status))
		return status;
	if (options_load(command.config, OPTIONS_DAEMON, &gateway.options, stderr) != 0)
		return OPTIONS_EXIT_CONFIG;
	if (!command.is_check)
		return run(&gateway);
	return options_check_files(&gateway.options, command.config, stderr) == 0
		       ? EXIT_SUCCESS
		       : OPTIONS_EXIT_CONFIG;
}
