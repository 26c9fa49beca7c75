// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_ask.h"
#include "control/ctl_doctor.h"
#include "dataplane/dataplane.h"

#include <netdb.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#define ASK_SECONDS 5
#define HOP_SECONDS 5
#define FULL_PERCENT 80 // of the buffer's quota

// ---- the machine --------------------------------------------------------------------------------

void doctor_check_clock(struct doctor *doctor)
{
	struct timex state = {0};
	int clock = adjtimex(&state);

	if (clock < 0)
		doctor_say(doctor, "clock", DOCTOR_WARN, "look at it by hand",
			"its state cannot be read");
	else if (clock == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
		doctor_say(doctor, "clock", DOCTOR_WARN,
			"run chrony or systemd-timesyncd: alerts are refused by a clock that is "
			"wrong",
			"nothing keeps it right");
	else
		doctor_say(doctor, "clock", DOCTOR_OK, "", "synchronised, within %ld ms",
			state.maxerror / 1000);
}

static unsigned long long memory_line(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t n = strlen(name);
	unsigned long long value = 0;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			value = strtoull(line + n + 1, NULL, 10);
	}
	if (file != NULL)
		(void)fclose(file);
	return value;
}

void doctor_check_hugepages(struct doctor *doctor)
{
	unsigned long long total = memory_line("HugePages_Total");
	unsigned long long free_pages = memory_line("HugePages_Free");
	unsigned long long size_kb = memory_line("Hugepagesize");

	if (!doctor->has_dataplane)
		return;
	if (!doctor->dataplane.hugepages)
		doctor_say(doctor, "hugepages", DOCTOR_OK, "", "not used (eal.hugepages: false)");
	else if (total == 0)
		doctor_say(doctor, "hugepages", DOCTOR_FAIL,
			"echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
			"there are none, and eal.hugepages asks for them");
	else if (free_pages == 0 && doctor->stats == NULL)
		doctor_say(doctor, "hugepages", DOCTOR_FAIL, "add some, or end what holds them",
			"none of %llu is free for the dataplane", total);
	else
		doctor_say(doctor, "hugepages", DOCTOR_OK, "", "%llu of %llu kB each, %llu free",
			total, size_kb, free_pages);
}

// ---- the processes ------------------------------------------------------------------------------

static json_t *ask(struct doctor *doctor, const char *who, const char *path, const char *request)
{
	char *answer = NULL;
	char advice[128];
	char reason[128];
	struct stat file;
	json_t *root;
	int err = local_ask(path, request, -1, ASK_SECONDS, &answer, NULL);

	(void)snprintf(
		advice, sizeof(advice), "start %s, or run this as a user that may ask it", who);
	if (err != 0) {
		doctor_say(doctor, "processes", DOCTOR_FAIL, advice, "%s does not answer at %s: %s",
			who, path, strerror_r(-err, reason, sizeof(reason)));
		return NULL;
	}
	root = json_loads(answer, 0, NULL);
	free(answer);
	if (!json_is_object(root) || json_object_get(root, "error") != NULL) {
		doctor_say(doctor, "processes", DOCTOR_FAIL, "are both of the same version?",
			"%s refuses to say how it is: %s", who, ctl_text(root, "error"));
		json_decref(root);
		return NULL;
	}
	if (stat(path, &file) == 0 && (file.st_mode & S_IWOTH) != 0)
		doctor_say(doctor, "processes", DOCTOR_WARN, "chmod o-rwx",
			"%s: anybody on this machine may give orders there", path);
	else
		doctor_say(doctor, "processes", DOCTOR_OK, "", "%s answers at %s", who, path);
	return root;
}

static void check_ports(struct doctor *doctor)
{
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(doctor->stats, "ports"), i, port)
	{
		if (!json_is_true(json_object_get(port, "up")))
			doctor_say(doctor, "ports", DOCTOR_FAIL,
				"look at the cable and its other end", "link %s, %s (%s) is down",
				ctl_text(port, "link"), ctl_text(port, "side"),
				ctl_text(port, "device"));
		else
			doctor_say(doctor, "ports", DOCTOR_OK, "", "link %s, %s (%s) is up",
				ctl_text(port, "link"), ctl_text(port, "side"),
				ctl_text(port, "device"));
	}
}

void doctor_check_processes(struct doctor *doctor)
{
	if (doctor->has_control)
		doctor->status = ask(doctor, "cordon-control", doctor->control.socket,
			"{\"command\": \"status\"}");
	if (doctor->has_control || doctor->has_dataplane)
		doctor->stats = ask(doctor, "cordon-dataplane",
			doctor->has_dataplane ? doctor->dataplane.command
					      : doctor->control.dataplane,
			"stats");
	check_ports(doctor);
}

// ---- what they say ------------------------------------------------------------------------------

static json_int_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

static void check_spool_state(struct doctor *doctor)
{
	const json_t *spool = json_object_get(doctor->stats, "spool");
	json_int_t percent = number(spool, "fill_percent");
	json_int_t bad = number(json_object_get(doctor->status, "mail"), "bad");

	if (spool == NULL)
		return;
	if (number(spool, "refusal") != 0)
		doctor_say(doctor, "buffer", DOCTOR_FAIL, "make room, look at the disk",
			"it takes nothing: %s", strerrordesc_np((int)number(spool, "refusal")));
	else if (number(spool, "segments_removed") != 0)
		doctor_say(doctor, "buffer", DOCTOR_WARN, "find out who did, and what was in them",
			"%" JSON_INTEGER_FORMAT " of its files were removed while in use",
			number(spool, "segments_removed"));
	else if (percent >= FULL_PERCENT)
		doctor_say(doctor, "buffer", DOCTOR_WARN,
			"release or delete mail, or raise spool.quota_bytes",
			"%" JSON_INTEGER_FORMAT " %% of its quota are used", percent);
	else if (bad != 0 || number(spool, "write_errors") != 0)
		doctor_say(doctor, "buffer", DOCTOR_WARN, "look at the disk and its log",
			"%" JSON_INTEGER_FORMAT " records are damaged, %" JSON_INTEGER_FORMAT
			" writes failed",
			bad, number(spool, "write_errors"));
	else
		doctor_say(doctor, "buffer", DOCTOR_OK, "", "takes mail");
}

static void check_wrapped(struct doctor *doctor)
{
	const json_t *counters = json_object_get(doctor->stats, "counters");
	json_int_t passed = number(counters, "wrapped_passed");

	if (doctor->stats == NULL)
		return;
	if (passed > 0)
		doctor_say(doctor, "tunnels", DOCTOR_WARN,
			"put the gateway where they have ended, or set smtp.wrapped: drop",
			"%" JSON_INTEGER_FORMAT " packets with others in them (MPLS, PPPoE, GRE, "
			"IP in IP, ESP ...) have passed uninspected",
			passed);
	else
		doctor_say(doctor, "tunnels", DOCTOR_OK, "",
			"no packet in a tunnel has passed uninspected");
}

void doctor_check_protection(struct doctor *doctor)
{
	const json_t *status = doctor->status;
	const json_t *alerts = json_object_get(status, "alerts");
	const json_t *screening = json_object_get(status, "screening");
	const char *what;
	json_t *why;

	check_spool_state(doctor);
	check_wrapped(doctor);
	if (status == NULL)
		return;
	if (!json_is_true(json_object_get(status, "in_force")))
		doctor_say(doctor, "seals", DOCTOR_FAIL, "look at cordonctl status",
			"what was ordered is not in force in the dataplane: %s",
			ctl_text(json_object_get(status, "dataplane"), "why"));
	else
		doctor_say(doctor, "seals", DOCTOR_OK, "", "in force as ordered (%zu are open)",
			json_array_size(json_object_get(status, "seals")));
	json_object_foreach((json_t *)(uintptr_t)json_object_get(status, "faults"), what, why)
	{
		if (json_string_length(why) > 0)
			doctor_say(doctor, what, DOCTOR_FAIL, "look at the disk that has them",
				"cannot be written: %s", json_string_value(why));
	}
	if (number(status, "malformed_rules") > 0)
		doctor_say(doctor, "rules", DOCTOR_WARN,
			"look for them in cordon-control's log: is each source still what it was?",
			"%" JSON_INTEGER_FORMAT " lines of the sources are no signatures",
			number(status, "malformed_rules"));
	if (screening != NULL && !json_is_true(json_object_get(screening, "in_force")))
		doctor_say(doctor, "screening", DOCTOR_FAIL, "look at cordonctl screen",
			"the list is not in force: %s", ctl_text(screening, "why"));
	if (json_is_true(json_object_get(alerts, "stale")))
		doctor_say(doctor, "vendor", DOCTOR_WARN, "look at the channels: cordonctl status",
			"nothing was heard of the vendor for too long");
	else if (ctl_text(alerts, "vendor")[0] != '\0')
		doctor_say(doctor, "vendor", DOCTOR_OK, "", "\"%s\" is trusted",
			ctl_text(alerts, "vendor"));
	if (ctl_text(json_object_get(status, "updates"), "rolled_back")[0] != '\0')
		doctor_say(doctor, "vendor", DOCTOR_WARN, "wait for its next update",
			"an update was rolled back: what only that one knows is not found");
}

// ---- the next hop -------------------------------------------------------------------------------

// The first line that a mail server says there. Returns 0 or a negative errno; -EHOSTUNREACH: no such name.
static int greet(const char *host, uint32_t port, char *line, size_t room)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const struct timeval patience = {.tv_sec = HOP_SECONDS};
	struct addrinfo *found = NULL;
	char service[8];
	int err = -EHOSTUNREACH;

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return err;
	for (const struct addrinfo *at = found; err != 0 && at != NULL; at = at->ai_next) {
		int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ssize_t n = -1;

		// Of both, SO_SNDTIMEO is what connect() goes by (socket(7)).
		if (fd >= 0 &&
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
			connect(fd, at->ai_addr, at->ai_addrlen) == 0)
			n = recv(fd, line, room - 1, 0);
		err = n > 0 ? 0 : n == 0 ? -ECONNRESET : -errno;
		if (n > 0)
			line[n] = '\0';
		if (err == 0)
			(void)send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
		if (fd >= 0)
			(void)close(fd);
	}
	freeaddrinfo(found);
	return err == -EINPROGRESS || err == -EAGAIN ? -ETIMEDOUT : err;
}

static void check_hop(struct doctor *doctor, const char *what, const char *host, uint32_t port)
{
	char line[256] = "";
	char reason[128];
	int err = greet(host, port, line, sizeof(line));

	line[strcspn(line, "\r\n")] = '\0';
	if (err != 0)
		doctor_say(doctor, "next hop", DOCTOR_FAIL,
			"start the mail server there, or name another one", "%s: %s port %u: %s",
			what, host, port, strerror_r(-err, reason, sizeof(reason)));
	else if (strncmp(line, "220", 3) != 0)
		doctor_say(doctor, "next hop", DOCTOR_FAIL, "look at that mail server",
			"%s: %s port %u says: %s", what, host, port, line);
	else
		doctor_say(doctor, "next hop", DOCTOR_OK, "", "%s: %s port %u says: %s", what, host,
			port, line);
}

void doctor_check_next_hop(struct doctor *doctor)
{
	const struct control_options *control = &doctor->control;

	if (!doctor->has_control)
		return;
	if (control->release.host[0] != '\0')
		check_hop(doctor, "release.host", control->release.host, control->release.port);
	else
		doctor_say(doctor, "next hop", DOCTOR_OK, "",
			"release.host is not set: held mail goes to the server it was meant for");
	if (control->notify.host[0] != '\0')
		check_hop(doctor, "notify.host", control->notify.host, control->notify.port);
	else if (control->release.host[0] == '\0')
		doctor_say(doctor, "next hop", DOCTOR_WARN, "set notify.host",
			"neither notify.host nor release.host: no sender is told of a failure, nor "
			"the administrator of anything");
}
