// SPDX-License-Identifier: BSD-3-Clause
// cordonctl status, rules: is the gateway protected, by what, and is it sealed?
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char status_help[] =
	"usage: cordonctl status [--socket PATH] [--json]\n"
	"\n"
	"Says on one screen: am I protected, am I sealed, is anything waiting for me?\n"
	"\n"
	"  --socket PATH  of cordon-control (default " CONTROL_SOCKET ")\n"
	"  --json         the answer as one JSON line\n"
	"\n"
	"Exit status: 0 protected, 1 not (the dataplane is away, or a change is not in force), 2 "
	"not\nreachable or bad usage.\n";

static const char rules_help[] =
	"usage: cordonctl rules [show|install|rollback|unrevoke NAME...] [--socket PATH] [--json]\n"
	"\n"
	"  show      the rules in force and where they come from (default)\n"
	"  install   compiles the signature files of the configuration (rules.sources) and of the\n"
	"            vendor's update and puts them in force; mail goes on meanwhile\n"
	"  rollback  goes back to the version before the vendor's last update, until the next "
	"one;\n"
	"            seals that the update has ended stay ended\n"
	"  unrevoke  lets signatures (or digests) count again that the vendor has taken back, and\n"
	"            installs\n"
	"\n"
	"Exit status: 0 done, 1 refused or not in force, 2 not reachable or bad usage.\n";

static json_int_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

// What the operator may have to decide, and what waits for others.
static void show_waiting(const json_t *mail, const json_t *counters)
{
	const struct {
		json_int_t count;
		const char *what;
	} lines[] = {
		{number(mail, "held"), "held: until no seal covers it, or cordonctl held release"},
		{number(mail, "quarantined"),
			"in quarantine, for you to judge: cordonctl quarantine"},
		{number(mail, "released"), "on its way to a server, tried again until it takes it"},
		{number(mail, "notices"), "notices, for a server that does not take them yet"}};
	bool is_waiting = false;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (lines[i].count == 0)
			continue;
		(void)printf("%-10s %" JSON_INTEGER_FORMAT " %s\n", is_waiting ? "" : "waiting",
			lines[i].count, lines[i].what);
		is_waiting = true;
	}
	if (!is_waiting)
		(void)printf("waiting    nothing\n");
	(void)printf("since      %" JSON_INTEGER_FORMAT " delivered, %" JSON_INTEGER_FORMAT
		     " failed, %" JSON_INTEGER_FORMAT " notices sent\n",
		number(counters, "mails_delivered") + number(counters, "mails_stripped") +
			number(counters, "mails_disinfected"),
		number(counters, "mails_failed"), number(counters, "notices_sent"));
}

static void show_screening(const json_t *screening)
{
	if (number(screening, "entries") == 0 &&
		json_is_true(json_object_get(screening, "in_force")))
		return;
	(void)printf("screening  %" JSON_INTEGER_FORMAT " checksums%s%s\n",
		number(screening, "entries"),
		json_is_true(json_object_get(screening, "in_force")) ? "" : " (NOT in force: ",
		json_is_true(json_object_get(screening, "in_force")) ? "" : "cordonctl screen)");
}

// Whom orders are taken from, and by which ways, those that do not work by name.
static void show_vendor(const json_t *alerts, json_t *channels)
{
	long long silent = (long long)time(NULL) - number(alerts, "last_heard");
	const char *name;
	json_t *channel;

	if (ctl_text(alerts, "vendor")[0] == '\0') {
		(void)printf("vendor     none is trusted (alerts.root): no alerts are taken\n");
		return;
	}
	(void)printf("vendor     %s, ", ctl_text(alerts, "vendor"));
	if (number(alerts, "last_heard") == 0)
		(void)printf("not heard of yet\n");
	else
		(void)printf("heard of %lld s ago%s\n", silent,
			json_is_true(json_object_get(alerts, "stale")) ? ": TOO LONG" : "");
	json_object_foreach(channels, name, channel)
	{
		if (ctl_text(channel, "why")[0] != '\0')
			(void)printf("channel    %s: %s\n", name, ctl_text(channel, "why"));
	}
}

static const char *name_of(const json_t *updates, const char *member)
{
	const char *name = ctl_text(updates, member);

	return name[0] != '\0' ? name : "none";
}

static void show_version(const json_t *version, const json_t *updates)
{
	const char *name = ctl_text(version, "version");
	const json_t *covers = json_object_get(version, "covers");
	json_t *id;
	size_t i;

	(void)printf("version    %s%s%s, %s%s, %" JSON_INTEGER_FORMAT
		     " files, %" JSON_INTEGER_FORMAT " bytes\n",
		name, strcmp(name, ctl_text(updates, "active")) == 0 ? " (active)" : "",
		strcmp(name, ctl_text(updates, "rolled_back")) == 0 ? " (rolled back)" : "",
		strcmp(ctl_text(version, "kind"), "delta") == 0 ? "delta from " : "full",
		ctl_text(version, "delta_from"), number(version, "files"),
		number(version, "bytes"));
	json_array_foreach(covers, i, id)
	{
		(void)printf("%-10s %s\n", i == 0 ? "covers" : "", json_string_value(id));
	}
}

static void show_updates(const json_t *updates, bool all)
{
	const json_t *progress = json_object_get(updates, "progress");
	json_t *version;
	size_t i;

	if (ctl_text(updates, "rolled_back")[0] != '\0')
		(void)printf("ROLLED BACK from %s to %s: what only that one knows is not found\n",
			ctl_text(updates, "rolled_back"), name_of(updates, "active"));
	else if (!all && ctl_text(updates, "active")[0] != '\0')
		(void)printf("update     %s\n", ctl_text(updates, "active"));
	if (json_is_object(progress))
		(void)printf("on its way %s %s: %s, %" JSON_INTEGER_FORMAT
			     " of %" JSON_INTEGER_FORMAT " bytes\n",
			ctl_text(progress, "kind"), ctl_text(progress, "version"),
			ctl_text(progress, "step"), number(progress, "bytes"),
			number(progress, "of"));
	json_array_foreach(json_object_get(updates, "versions"), i, version)
	{
		if (all)
			show_version(version, updates);
	}
}

static void show_malformed(const json_t *answer, const char *member)
{
	const json_int_t malformed = json_integer_value(json_object_get(answer, member));

	if (malformed > 0)
		(void)printf("WARNING    %" JSON_INTEGER_FORMAT
			     " lines of the sources are no signatures: see cordon-control's log\n",
			malformed);
}

// What neither rules nor seals have to do with.
static void show_wrapped(const json_t *dataplane)
{
	const json_int_t passed = number(dataplane, "wrapped_passed");
	const json_int_t dropped = number(dataplane, "wrapped_dropped");

	if (passed > 0)
		(void)printf("WARNING    %" JSON_INTEGER_FORMAT
			     " packets with others in them (tunnels, labels) have passed "
			     "uninspected: cordonctl doctor\n",
			passed);
	if (dropped > 0)
		(void)printf(
			"dropped    %" JSON_INTEGER_FORMAT
			" packets with others in them (tunnels, labels), as smtp.wrapped says\n",
			dropped);
}

static void show_clock(const json_t *answer)
{
	const json_int_t leap_s = number(answer, "clock_leap_seconds");

	if (leap_s != 0)
		(void)printf("WARNING    the clock has leapt forward by %" JSON_INTEGER_FORMAT
			     " seconds: seals and mail last as if it had not, for a day\n",
			leap_s);
}

static void show_faults(const json_t *answer)
{
	const char *what;
	json_t *why;

	json_object_foreach((json_t *)(uintptr_t)json_object_get(answer, "faults"), what, why)
	{
		if (json_string_length(why) > 0)
			(void)printf("WARNING    %s: %s: what is not written down is lost when the "
				     "process ends\n",
				what, json_string_value(why));
	}
}

static int show_status(json_t *answer, bool as_json)
{
	const json_t *dataplane = json_object_get(answer, "dataplane");
	bool is_up = json_is_true(json_object_get(dataplane, "up"));
	bool in_force = json_is_true(json_object_get(answer, "in_force"));
	size_t i;
	json_t *seal;

	if (as_json) {
		ctl_print_answer(answer);
		return is_up && in_force ? CTL_OK : CTL_FOUND;
	}
	(void)printf("gateway    %s\n", ctl_text(answer, "gateway"));
	if (is_up)
		(void)printf("protected  yes: mail is scanned, ruleset %s\n",
			ctl_text(dataplane, "ruleset"));
	else
		(void)printf("protected  NO: the dataplane does not answer (%s)\n",
			ctl_text(dataplane, "why"));
	show_wrapped(dataplane);
	show_clock(answer);
	show_faults(answer);
	if (!json_is_true(json_object_get(answer, "sealed")))
		(void)printf("sealed     no\n");
	json_array_foreach(json_object_get(answer, "seals"), i, seal)
	{
		(void)printf("%-10s %s, %s, by %s%s\n", i == 0 ? "sealed" : "",
			ctl_text(seal, "virus_id"), ctl_text(seal, "mode"),
			ctl_text(seal, "origin"), in_force ? "" : " (NOT in force yet)");
	}
	show_malformed(answer, "malformed_rules");
	show_updates(json_object_get(answer, "updates"), false);
	show_screening(json_object_get(answer, "screening"));
	show_waiting(json_object_get(answer, "mail"), json_object_get(answer, "counters"));
	show_vendor(json_object_get(answer, "alerts"), json_object_get(answer, "channels"));
	json_decref(answer);
	return is_up && in_force ? CTL_OK : CTL_FOUND;
}

static int show_rules(json_t *answer, bool is_install, bool as_json)
{
	bool good = !is_install || json_is_true(json_object_get(answer, "in_force"));

	if (as_json) {
		ctl_print_answer(answer);
		return good ? CTL_OK : CTL_FOUND;
	}
	if (is_install)
		(void)printf("ruleset %s with %" JSON_INTEGER_FORMAT
			     " signatures; %" JSON_INTEGER_FORMAT " lines were not taken\n",
			ctl_text(answer, "ruleset"),
			json_integer_value(json_object_get(answer, "signatures")),
			json_integer_value(json_object_get(answer, "skipped")));
	else
		(void)printf("in force   %s\nimage      %s (ruleset %s, %" JSON_INTEGER_FORMAT
			     " signatures)\n",
			ctl_text(answer, "in_force"), ctl_text(answer, "image"),
			ctl_text(answer, "version"),
			json_integer_value(json_object_get(answer, "signatures")));
	if (is_install)
		show_malformed(answer, "malformed");
	else
		show_updates(json_object_get(answer, "updates"), true);
	if (!good)
		(void)fprintf(stderr, "cordonctl: not in force: %s\n", ctl_text(answer, "why"));
	json_decref(answer);
	return good ? CTL_OK : CTL_FOUND;
}

// Options that all of these have. Returns a negative number to go on, else the exit status.
static int parse(int argc, char **argv, const char *help, const char **socket_path, bool *as_json)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	int letter;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 's') {
			*socket_path = optarg;
		} else if (letter == 'j') {
			*as_json = true;
		} else {
			(void)fputs(help, letter == 'h' ? stdout : stderr);
			return letter == 'h' ? CTL_OK : CTL_ERROR;
		}
	}
	return -1;
}

static int show_rollback(json_t *answer, bool as_json)
{
	if (as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	show_updates(answer, true);
	json_decref(answer);
	return CTL_OK;
}

int ctl_status(int argc, char **argv)
{
	const char *socket_path = CONTROL_SOCKET;
	bool as_json = false;
	json_t *answer = NULL;
	int status = parse(argc, argv, status_help, &socket_path, &as_json);

	if (status >= 0)
		return status;
	if (optind != argc) {
		(void)fputs(status_help, stderr);
		return CTL_ERROR;
	}
	status = ctl_ask(
		socket_path, json_pack("{s:s}", "command", "status"), CTL_ASK_SECONDS, &answer);
	return status == CTL_OK ? show_status(answer, as_json) : status;
}

// What the rest of the words name, for unrevoke.
static json_t *unrevoke_request(int argc, char **argv)
{
	json_t *signatures = json_array();
	json_t *digests = json_array();

	for (; optind < argc; optind++) {
		const char *name = argv[optind];
		size_t n = strlen(name);
		bool is_digest =
			(n == 32 || n == 40 || n == 64) && strspn(name, "0123456789abcdef") == n;

		(void)json_array_append_new(is_digest ? digests : signatures, json_string(name));
	}
	return json_pack("{s:s, s:o, s:o}", "command", "rules unrevoke", "signatures", signatures,
		"digests", digests);
}

int ctl_rules(int argc, char **argv)
{
	static const struct {
		const char *word;
		const char *command;
	} words[] = {{"show", "rules"}, {"install", "rules install"},
		{"rollback", "rules rollback"}, {"unrevoke", "rules unrevoke"}};
	const char *socket_path = CONTROL_SOCKET;
	const char *what = "show";
	bool as_json = false;
	json_t *answer = NULL;
	int status = parse(argc, argv, rules_help, &socket_path, &as_json);
	size_t i = 0;
	bool has_names;

	if (status >= 0)
		return status;
	if (optind < argc)
		what = argv[optind++];
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(what, words[i].word) != 0)
		i++;
	has_names = i == 3;
	if (i == sizeof(words) / sizeof(words[0]) || has_names != (optind < argc)) {
		(void)fputs(rules_help, stderr);
		return CTL_ERROR;
	}
	status = ctl_ask(socket_path,
		has_names ? unrevoke_request(argc, argv)
			  : json_pack("{s:s}", "command", words[i].command),
		i > 0 ? CTL_ASK_LONG_SECONDS : CTL_ASK_SECONDS, &answer);
	if (status != CTL_OK)
		return status;
	return i == 2 ? show_rollback(answer, as_json) : show_rules(answer, i != 0, as_json);
}
