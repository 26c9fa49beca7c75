// SPDX-License-Identifier: BSD-3-Clause
// cordonctl doctor: what is wrong with this gateway, and what to do about it?
#include "control/ctl_doctor.h"

#include "control/ctl.h"
#include "control/ctl_ask.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTROL_CONFIG "/etc/cordon-control.yaml"
#define DATAPLANE_CONFIG "/etc/cordon.yaml"
#define WHAT_BYTES 512

static const char help[] =
	"usage: cordonctl doctor [--config FILE] [--dataplane-config FILE] [--json]\n"
	"\n"
	"Looks through all that the gateway needs, says ok, warn or fail of each, and what to do:\n"
	"configuration, folders, keys, certificates, root document, disk, rules, clock, "
	"hugepages,\n"
	"both processes, the next hop of released mail. Changes nothing.\n"
	"\n"
	"  --config FILE            of cordon-control (default " CONTROL_CONFIG ")\n"
	"  --dataplane-config FILE  of cordon-dataplane (default " DATAPLANE_CONFIG ")\n"
	"  --json                   one JSON line\n"
	"\n"
	"Exit status: 0 nothing fails, 1 something does, 2 bad usage.\n";

static const char *const result_names[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};

void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
	const char *advice, const char *format, ...)
{
	char what[WHAT_BYTES];
	json_t *text;
	va_list values;

	va_start(values, format);
	(void)vsnprintf(what, sizeof(what), format, values);
	va_end(values);
	// What another machine said must not steer the terminal.
	for (char *at = what; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == '\177')
			*at = '?';
	}
	text = ctl_json_text(what);
	doctor->counts[result]++;
	(void)json_array_append_new(doctor->checks,
		json_pack("{s:s, s:s, s:o, s:o}", "check", check, "result", result_names[result],
			"what", text, "do", ctl_json_text(result == DOCTOR_OK ? "" : advice)));
}

static void print_table(const struct doctor *doctor)
{
	json_t *check;
	size_t i;

	json_array_foreach(doctor->checks, i, check)
	{
		const char *advice = ctl_text(check, "do");

		(void)printf("%-4s  %-14s %s\n", ctl_text(check, "result"),
			ctl_text(check, "check"), ctl_text(check, "what"));
		if (advice[0] != '\0')
			(void)printf("      %-14s -> %s\n", "", advice);
	}
	(void)printf("\n%u ok, %u to look at, %u failed\n", doctor->counts[DOCTOR_OK],
		doctor->counts[DOCTOR_WARN], doctor->counts[DOCTOR_FAIL]);
}

static int examine(struct doctor *doctor, bool as_json)
{
	static void (*const checks[])(struct doctor * doctor) = {doctor_check_configuration,
		doctor_check_processes, doctor_check_protection, doctor_check_folders,
		doctor_check_disk, doctor_check_rules, doctor_check_secrets,
		doctor_check_certificates, doctor_check_root, doctor_check_clock,
		doctor_check_hugepages, doctor_check_next_hop};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](doctor);
	if (as_json)
		ctl_print_answer(
			json_pack("{s:b, s:i, s:i, s:O}", "ok", doctor->counts[DOCTOR_FAIL] == 0,
				"warnings", (int)doctor->counts[DOCTOR_WARN], "failures",
				(int)doctor->counts[DOCTOR_FAIL], "checks", doctor->checks));
	else
		print_table(doctor);
	return doctor->counts[DOCTOR_FAIL] == 0 ? CTL_OK : CTL_FOUND;
}

int ctl_doctor(int argc, char **argv)
{
	static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
		{"dataplane-config", required_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct doctor *doctor = calloc(1, sizeof(*doctor));
	bool as_json = false;
	int status = -1;
	int letter;

	if (doctor == NULL)
		return CTL_ERROR;
	doctor->control_path = CONTROL_CONFIG;
	doctor->dataplane_path = DATAPLANE_CONFIG;
	doctor->checks = json_array();
	doctor->now = time(NULL);
	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while (status < 0 && (letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 'c')
			doctor->control_path = optarg;
		else if (letter == 'd')
			doctor->dataplane_path = optarg;
		else if (letter == 'j')
			as_json = true;
		else
			status = letter == 'h' ? CTL_OK : CTL_ERROR;
	}
	if (status < 0 && optind != argc)
		status = CTL_ERROR;
	if (status >= 0)
		(void)fputs(help, status == CTL_OK ? stdout : stderr);
	else
		status = examine(doctor, as_json);
	json_decref(doctor->checks);
	json_decref(doctor->status);
	json_decref(doctor->stats);
	free(doctor);
	return status;
}
