// SPDX-License-Identifier: BSD-3-Clause
// An alert to many gateways until the last receipt is in: bench_fanout [--quick] [-n GATEWAYS] [-w udp|tcp|http]
//
// A real cordon-vendor, and gateways in another process (fleet.h). It counts from the request that makes the
// alert to the moment when all deliveries are durable and none waits. Beside it stands what cannot be less:
// the verification of so many signatures on one core.
#include "control/vendor_database.h"
#include "control/vendor_registry.h"
#include "perf/fleet.h"
#include "perf/perf.h"

#include <jansson.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WEB_PORT 7899
#define MOST_S 300
#define ANSWER_BYTES (1u << 20)
#define WARM 16

struct bench {
	uint32_t count;
	enum fleet_way way;
	const char *programs; // folder
	char folder[64];
	char key[REGISTRY_SECRET_BYTES]; // for the REST interface
	pid_t fleet_pid;
	pid_t vendor_pid;
	char answer[ANSWER_BYTES];
};

static const char *const way_names[FLEET_WAYS] = {"udp", "tcp", "http"};

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	const struct timespec pause = {0, ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

// ---- the vendor ---------------------------------------------------------------------------------

static void write_file(const struct bench *bench, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", bench->folder, name);
	file = fopen(path, "we");
	perf_need(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

// cordon-vendor with these arguments, in the folder.
static pid_t start(const struct bench *bench, const char *const *arguments)
{
	pid_t pid = fork();

	perf_need(pid >= 0, "fork");
	if (pid == 0) {
		char path[256];
		const char *all[12] = {path};
		int fd;

		for (size_t i = 0; i < 10 && arguments[i] != NULL; i++)
			all[i + 1] = arguments[i];
		(void)snprintf(path, sizeof(path), "%s/cordon-vendor", bench->programs);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		perf_need(chdir(bench->folder) == 0, bench->folder);
		fd = open("vendor.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		perf_need(dup2(fd, 1) == 1 && dup2(fd, 2) == 2, "a log");
		(void)execv(path, (char **)(uintptr_t)all);
		perf_need(false, path);
	}
	return pid;
}

static void run(const struct bench *bench, const char *const *arguments)
{
	int status = -1;

	perf_need(waitpid(start(bench, arguments), &status, 0) > 0 && status == 0,
		"cordon-vendor (see vendor.log)");
}

static void make_vendor(const struct bench *bench)
{
	static const char root[] = "vendor: acme\nversion: 1\nroles:\n"
				   "  root: {keys: [root.pub]}\n  alerts: {keys: [alerts.pub]}\n"
				   "  updates: {keys: [alerts.pub]}\n"
				   "  all-clear: {keys: [alerts.pub]}\n";
	char config[1024];

	run(bench, (const char *[]){"key", "root", NULL});
	run(bench, (const char *[]){"key", "alerts", NULL});
	write_file(bench, "root.yaml", root);
	run(bench, (const char *[]){"root", "root.yaml", "-k", "root", "-o", "root.json", NULL});
	(void)snprintf(config, sizeof(config),
		"state: state\nroot: root.json\nkeys: [alerts]\nevents: events.json\n"
		"heartbeat_seconds: 0\nretry_seconds: 1\nretry_most_seconds: 4\n"
		"web: {listen: \"127.0.0.1:%d\", plain: true, per_minute: 1000000}\n",
		WEB_PORT);
	write_file(bench, "vendor.yaml", config);
}

// A row each, by hand: to enrol them one by one would be a sync of the disk each.
static void fill_registry(struct bench *bench, const struct fleet *fleet)
{
	struct database *database = NULL;
	char error[256] = "";
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/state", bench->folder);
	perf_need(mkdir(path, 0700) == 0, path);
	(void)snprintf(path, sizeof(path), "%s/state/vendor.db", bench->folder);
	perf_need(database_open(path, &database, error, sizeof(error)) == 0, error);
	perf_need(registry_apikey_make(database, "bench", true, 0, bench->key) == 0 &&
			  database_begin(database) == 0,
		"the registry");
	for (uint32_t i = 0; i < bench->count; i++) {
		char name[64];
		char address[64];
		char key[64];
		char key_id[ENVELOPE_KEY_ID_BYTES];
		char channels[160];

		fleet_name(i, name);
		fleet_address(i, address);
		fleet_key(fleet, i, key, key_id);
		if (bench->way == FLEET_HTTP)
			(void)snprintf(channels, sizeof(channels),
				"[{\"kind\":\"https\",\"url\":\"http://%s/v1/alerts\"}]", address);
		else
			(void)snprintf(channels, sizeof(channels),
				"[{\"kind\":\"%s\",\"address\":\"%s\"}]", way_names[bench->way],
				address);
		perf_need(
			statement_run(database_prepare(database,
				"INSERT INTO gateway(id, name, key, keyid, groups, channels, "
				"enrolled,"
				" last_seen, counter, state) VALUES(?, ?, ?, ?, '[]', ?, 1, 0, 0, "
				"'{}')",
				"ttttt", name, name, key, key_id, channels)) == 0,
			"a row of the registry");
	}
	perf_need(database_flush(database) == 0, "the registry");
	database_close(database);
}

// ---- the REST interface -------------------------------------------------------------------------

static int connect_web(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(WEB_PORT),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

// The body of the answer, in bench->answer; NULL: the server is not there.
static const char *ask(struct bench *bench, const char *method, const char *path, const char *body)
{
	char request[1024];
	size_t n = 0;
	ssize_t got = 1;
	const char *end;
	int fd = connect_web();

	if (fd < 0)
		return NULL;
	(void)snprintf(request, sizeof(request),
		"%s %s HTTP/1.1\r\nHost: vendor\r\nAuthorization: Bearer %s\r\nConnection: "
		"close\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		method, path, bench->key, strlen(body), body);
	perf_need(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0, "a request");
	while (got > 0 && n < sizeof(bench->answer) - 1) {
		got = recv(fd, bench->answer + n, sizeof(bench->answer) - 1 - n, 0);
		n += got > 0 ? (size_t)got : 0;
	}
	(void)close(fd);
	bench->answer[n] = '\0';
	end = strstr(bench->answer, "\r\n\r\n");
	return end != NULL ? strchr(end, '{') : NULL;
}

static json_int_t ask_number(struct bench *bench, const char *path, const char *member)
{
	const char *text = ask(bench, "GET", path, "");
	json_t *answer = text != NULL ? json_loads(text, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	json_t *found = json_object_get(answer, member);
	json_int_t value = json_is_integer(found) ? json_integer_value(found) : -1;

	json_decref(answer);
	return value;
}

static void start_vendor(struct bench *bench)
{
	double begin = now_s();

	bench->vendor_pid = start(bench, (const char *[]){"--config", "vendor.yaml", NULL});
	while (ask_number(bench, "/v1/status", "gateways") != (json_int_t)bench->count) {
		perf_need(
			now_s() - begin < MOST_S && waitpid(bench->vendor_pid, NULL, WNOHANG) == 0,
			"cordon-vendor does not start (see vendor.log)");
		pause_ms(20);
	}
}

// Of /proc/PID/status, in bytes.
static double memory(pid_t pid, const char *name)
{
	char path[64];
	char line[256];
	double found = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			found = strtod(line + strlen(name) + 1, NULL) * 1024;
	}
	if (file != NULL)
		(void)fclose(file);
	return found;
}

// ---- measuring ----------------------------------------------------------------------------------

// Seconds that one core takes to read and verify so many receipts and to do nothing else.
static double verify_all(struct fleet *fleet, uint32_t count)
{
	static const char alert[] =
		"{\"payloadType\":\"" ENVELOPE_ALERT
		"\",\"payload\":\"e30=\",\"signatures\":[{\"keyid\":\""
		"0000000000000000000000000000000000000000000000000000000000000000\",\"sig\":\""
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AA"
		"AA==\"}]}";
	char receipt[FLEET_RECEIPT_BYTES];
	uint32_t tried = count < 2000 ? count : 2000;
	double spent = 0;

	for (uint32_t i = 0; i < tried; i++) {
		size_t bytes = fleet_answer(fleet, i, alert, sizeof(alert) - 1, receipt);
		struct envelope *envelope = NULL;
		struct envelope_key known;
		const char *why = "";
		char key[64];
		char key_id[ENVELOPE_KEY_ID_BYTES];
		double began;

		fleet_key(fleet, i, key, key_id);
		perf_need(envelope_key_parse(&known, key) == 0, "a key");
		began = now_s();
		perf_need(envelope_parse(receipt, bytes, &envelope, &why) == 0 &&
				  envelope_signers(envelope, &known, 1) == 1,
			"a good receipt");
		if (i >= WARM)
			spent += now_s() - began;
		envelope_free(envelope);
	}
	return spent / (tried - WARM) * count;
}

static void measure(struct bench *bench, struct fleet *fleet)
{
	static const char order[] = "{\"type\":\"seal\",\"virus_id\":\"CV-1\",\"target\":\"*\","
				    "\"seal\":{\"mode\":\"hold\"}}";
	char name[96];
	double before = memory(bench->vendor_pid, "VmRSS:");
	double begin = now_s();
	double spent;
	double verified;

	perf_need(ask(bench, "POST", "/v1/alerts", order) != NULL, "the alert");
	while (ask_number(bench, "/v1/status", "waiting") != 0) {
		perf_need(now_s() - begin < MOST_S, "all receipts in time");
		pause_ms(5);
	}
	spent = now_s() - begin;
	perf_need(ask_number(bench, "/v1/status", "receipts") >= (json_int_t)bench->count,
		"a receipt of each");
	verified = verify_all(fleet, bench->count);
	(void)snprintf(name, sizeof(name), "fanout/%s/%u/last-receipt", way_names[bench->way],
		bench->count);
	perf_row_ratio(
		name, spent, "s", "verifying the receipts alone", verified, verified / spent);
	(void)snprintf(name, sizeof(name), "fanout/%s/%u/tries-per-gateway", way_names[bench->way],
		bench->count);
	perf_row(name, (double)ask_number(bench, "/v1/status", "sent") / bench->count, "tries",
		NULL, 0);
	(void)snprintf(name, sizeof(name), "fanout/%s/%u/memory-idle", way_names[bench->way],
		bench->count);
	perf_row(name, before / bench->count, "B/gateway", NULL, 0);
	(void)snprintf(name, sizeof(name), "fanout/%s/%u/memory-most", way_names[bench->way],
		bench->count);
	perf_row(name, memory(bench->vendor_pid, "VmHWM:") / 1e6, "MB", NULL, 0);
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

// Returns when its sockets are open.
static void start_fleet(struct bench *bench, struct fleet *fleet)
{
	int ready[2];
	char byte = 0;

	perf_need(pipe2(ready, O_CLOEXEC) == 0, "a pipe");
	bench->fleet_pid = fork();
	perf_need(bench->fleet_pid >= 0, "fork");
	if (bench->fleet_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fleet_listen(fleet, bench->way);
		perf_need(write(ready[1], &byte, 1) == 1, "a pipe");
		fleet_serve(fleet);
	}
	(void)close(ready[1]);
	perf_need(read(ready[0], &byte, 1) == 1, "the fleet (see above)");
	(void)close(ready[0]);
}

static void bench_way(struct bench *bench)
{
	const char *const remove[] = {"/bin/rm", "-rf", bench->folder, NULL};
	struct fleet *fleet = fleet_new(bench->count);
	pid_t pid;

	(void)snprintf(bench->folder, sizeof(bench->folder), "/tmp/cordon-fanout-XXXXXX");
	perf_need(mkdtemp(bench->folder) != NULL, bench->folder);
	make_vendor(bench);
	fill_registry(bench, fleet);
	start_fleet(bench, fleet);
	start_vendor(bench);
	measure(bench, fleet);
	end_child(bench->vendor_pid);
	end_child(bench->fleet_pid);
	fleet_free(fleet);
	pid = fork();
	if (pid == 0) {
		(void)execv(remove[0], (char **)(uintptr_t)remove);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static struct bench bench = {.count = 10000};
	const char *only = NULL;
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((option = getopt_long(argc, argv, "n:w:", names, NULL)) != -1) {
		if (option == 'n')
			bench.count = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'w')
			only = optarg;
		else if (option == 'q')
			bench.count = 1000;
		else
			return 2;
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	bench.programs = getenv("BUILD");
	bench.programs = realpath(bench.programs != NULL ? bench.programs : "build", NULL);
	perf_need(bench.programs != NULL && bench.count > WARM && bench.count <= 60000,
		"$BUILD, and 17 to 60000 gateways");
	for (enum fleet_way way = FLEET_UDP; way < FLEET_WAYS; way++) {
		bench.way = way;
		if (only == NULL || strcmp(only, way_names[way]) == 0)
			bench_way(&bench);
	}
	return 0;
}
