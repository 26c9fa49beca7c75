// SPDX-License-Identifier: BSD-3-Clause
// cordonctl top: what passes, what is found and what is kept, once a second.
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"
#include "control/ctl_screenful.h"
#include "dataplane/dataplane.h"

#include <termios.h>

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ASK_SECONDS 5
#define MOST_SECONDS 3600
#define MS_PER_S 1000
#define MEGA 1e6

// ECMA-48: another screen without a cursor, back again.
#define SCREEN_BEGIN "\033[?1049h\033[?25l"
#define SCREEN_END "\033[?25h\033[?1049l"

static const char help[] =
	"usage: cordonctl top [--once] [--interval SECONDS] [--json] [--socket PATH]\n"
	"                     [--dataplane PATH]\n"
	"\n"
	"Shows live what passes, what is found, what is kept. q ends it.\n"
	"\n"
	"  --once              one screen, without control codes; so it is where there is no "
	"terminal\n"
	"  --interval SECONDS  between two looks (default 1)\n"
	"  --json              a JSON line each time\n"
	"  --socket PATH       of cordon-control (default " CONTROL_SOCKET ")\n"
	"  --dataplane PATH    of cordon-dataplane (default " DATAPLANE_SOCKET ")\n"
	"\n"
	"Exit status: 0 shown, 2 neither process answers, or bad usage.\n";

struct top {
	const char *control;
	const char *dataplane;
	long interval_s;
	bool once;
	bool as_json;
	bool is_screen;
};

// One look at both processes. NULL: it did not answer.
struct look {
	json_t *status;
	json_t *stats;
	double seconds;
};

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

// A window of another size: the pause is over.
static void look_again(int signal_number)
{
	(void)signal_number;
}

// ---- asking -------------------------------------------------------------------------------------

static json_t *ask(const char *path, const char *request)
{
	char *answer = NULL;
	json_t *root;

	if (local_ask(path, request, -1, ASK_SECONDS, &answer, NULL) != 0)
		return NULL;
	root = json_loads(answer, 0, NULL);
	free(answer);
	if (json_is_object(root) && json_object_get(root, "error") == NULL)
		return root;
	json_decref(root);
	return NULL;
}

static struct look look(const struct top *top)
{
	struct timespec now;
	struct look found;

	found.status = ask(top->control, "{\"command\": \"status\"}");
	found.stats = ask(top->dataplane, "stats");
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	found.seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	return found;
}

static void look_free(const struct look *look)
{
	json_decref(look->status);
	json_decref(look->stats);
}

// ---- figures ------------------------------------------------------------------------------------

static json_int_t counter(const struct look *look, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(look->stats, "counters"), name));
}

// In a second, between the two; 0 where one of them is missing or the dataplane began anew.
static double rate(const struct look *before, const struct look *now, const char *name)
{
	json_int_t more = counter(now, name) - counter(before, name);
	double seconds = now->seconds - before->seconds;

	return before->stats == NULL || now->stats == NULL || more < 0 || seconds <= 0
		       ? 0
		       : (double)more / seconds;
}

static json_t *figures(const struct look *before, const struct look *now)
{
	static const char *const rates[] = {"rx_packets", "rx_bytes", "tx_dropped", "connections",
		"messages", "message_bytes", "messages_clean", "messages_infected",
		"messages_suspect", "messages_unscannable", "messages_delivered",
		"messages_rejected", "messages_held", "messages_quarantined",
		"messages_tempfailed"};
	const json_t *dataplane = json_object_get(now->status, "dataplane");
	const json_t *mail = json_object_get(now->status, "mail");
	json_t *a_second = json_object();

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		(void)json_object_set_new(
			a_second, rates[i], json_real(rate(before, now, rates[i])));
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:o, s:O*, s:O*, s:I, s:I, s:I, s:O*, s:O*}",
		"gateway",
		now->status != NULL ? ctl_text(now->status, "gateway")
				    : ctl_text(now->stats, "gateway"),
		"control_up", now->status != NULL, "dataplane_up", now->stats != NULL, "sealed",
		json_is_true(json_object_get(now->status, "sealed")), "in_force",
		json_is_true(json_object_get(now->status, "in_force")), "per_second", a_second,
		"totals", json_object_get(now->stats, "counters"), "seals",
		json_object_get(now->status, "seals"), "held",
		json_integer_value(json_object_get(mail, "held")), "quarantined",
		json_integer_value(json_object_get(mail, "quarantined")), "open_connections",
		json_integer_value(json_object_get(now->stats, "open_connections")), "ruleset",
		json_object_get(dataplane, "ruleset"), "ports",
		json_object_get(now->stats, "ports"));
}

// ---- the screen ---------------------------------------------------------------------------------

// In one line, those that are down before the others.
static void show_ports(FILE *out, const json_t *ports)
{
	const char *before = "ports      ";
	json_t *port;
	size_t i;

	for (int up = 0; up < 2; up++) {
		json_array_foreach(ports, i, port)
		{
			if (json_is_true(json_object_get(port, "up")) != (up == 1))
				continue;
			(void)fprintf(out, "%s%s %s", before, ctl_text(port, "device"),
				up == 1 ? "up" : "DOWN");
			before = ", ";
		}
	}
	(void)fputs(before[0] == ',' ? "\n" : "", out);
}

static void show_state(FILE *out, const json_t *top)
{
	const json_t *seals = json_object_get(top, "seals");
	bool in_force = json_is_true(json_object_get(top, "in_force"));
	const json_t *seal;
	size_t i;

	(void)fprintf(out, "Cordon %s\n\n", ctl_text(top, "gateway"));
	(void)fprintf(out, "protected  %s%s\n",
		json_is_true(json_object_get(top, "dataplane_up"))
			? "yes, ruleset "
			: "NO: the dataplane does not answer",
		ctl_text(top, "ruleset"));
	if (!json_is_true(json_object_get(top, "control_up")))
		(void)fprintf(out, "sealed     ? cordon-control does not answer\n");
	else if (json_array_size(seals) == 0)
		(void)fprintf(out, "sealed     no\n");
	json_array_foreach(seals, i, seal)
	{
		(void)fprintf(out, "%-10s %.40s, %s%s\n", i == 0 ? "sealed" : "",
			ctl_text(seal, "virus_id"), ctl_text(seal, "mode"),
			in_force ? "" : " (NOT in force yet)");
	}
	(void)fprintf(out,
		"kept       %" JSON_INTEGER_FORMAT " held, %" JSON_INTEGER_FORMAT
		" in quarantine\n",
		json_integer_value(json_object_get(top, "held")),
		json_integer_value(json_object_get(top, "quarantined")));
	show_ports(out, json_object_get(top, "ports"));
}

static void show_rates(FILE *out, const json_t *top)
{
	static const struct {
		const char *name;
		const char *label;
	} rows[] = {{"messages", "messages"}, {"messages_clean", "  clean"},
		{"messages_infected", "  infected"}, {"messages_suspect", "  suspect"},
		{"messages_unscannable", "  unscannable"}, {"messages_delivered", "delivered"},
		{"messages_rejected", "rejected"}, {"messages_held", "held"},
		{"messages_quarantined", "quarantined"}, {"messages_tempfailed", "put off"},
		{"connections", "connections"}, {"rx_packets", "packets"},
		{"tx_dropped", "packets lost"}};
	const json_t *a_second = json_object_get(top, "per_second");
	const json_t *totals = json_object_get(top, "totals");

	(void)fprintf(out, "\n%-16s %12s %16s\n", "", "a second", "since start");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)fprintf(out, "%-16s %12.1f %16" JSON_INTEGER_FORMAT "\n", rows[i].label,
			json_real_value(json_object_get(a_second, rows[i].name)),
			json_integer_value(json_object_get(totals, rows[i].name)));
	(void)fprintf(out, "%-16s %12.3f\n", "Mbit/s",
		8 * json_real_value(json_object_get(a_second, "rx_bytes")) / MEGA);
	(void)fprintf(out, "%-16s %12s %16" JSON_INTEGER_FORMAT "\n", "open connections", "",
		json_integer_value(json_object_get(top, "open_connections")));
}

static void show(const struct top *top, json_t *found)
{
	char *lines = NULL;
	size_t bytes = 0;
	FILE *text;

	if (top->as_json) {
		ctl_print_answer(found);
		(void)fflush(stdout);
		return;
	}
	text = open_memstream(&lines, &bytes);
	if (text == NULL) {
		json_decref(found);
		return;
	}
	show_state(text, found);
	show_rates(text, found);
	(void)fclose(text);
	if (top->is_screen)
		screenful_write(stdout, lines, screenful_size(STDOUT_FILENO));
	else
		(void)fputs(lines, stdout);
	(void)fflush(stdout);
	free(lines);
	json_decref(found);
}

// Until the next look is due. False: it is over. With a screen, a key can say so.
static bool pause_for(const struct top *top)
{
	struct pollfd keys = {.fd = top->is_screen ? STDIN_FILENO : -1, .events = POLLIN};
	char key = 0;

	if (poll(&keys, 1, (int)top->interval_s * MS_PER_S) > 0 &&
		(read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
		return false;
	return ended == 0;
}

static int run(const struct top *top)
{
	struct look before = look(top);
	int status = CTL_OK;
	bool more = before.status != NULL || before.stats != NULL;

	if (!more) {
		(void)fprintf(stderr, "cordonctl: neither %s nor %s answers\n", top->control,
			top->dataplane);
		status = CTL_ERROR;
	}
	if (more && top->is_screen)
		show(top, figures(&before, &before));
	while (more && pause_for(top)) {
		struct look now = look(top);

		show(top, figures(&before, &now));
		look_free(&before);
		before = now;
		more = !top->once;
	}
	look_free(&before);
	return status;
}

static int run_on_screen(const struct top *top)
{
	struct termios kept;
	struct termios raw;
	bool has_keys = tcgetattr(STDIN_FILENO, &kept) == 0;
	int status;

	if (has_keys) {
		raw = kept;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	(void)fputs(SCREEN_BEGIN, stdout);
	status = run(top);
	(void)fputs(SCREEN_END, stdout);
	(void)fflush(stdout);
	if (has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &kept);
	return status;
}

static int parse(int argc, char **argv, struct top *top)
{
	static const struct option long_options[] = {{"once", no_argument, NULL, 'o'},
		{"interval", required_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'},
		{"socket", required_argument, NULL, 's'},
		{"dataplane", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {0}};
	int letter;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 'o')
			top->once = true;
		else if (letter == 'i')
			top->interval_s = strtol(optarg, NULL, 10);
		else if (letter == 'j')
			top->as_json = true;
		else if (letter == 's')
			top->control = optarg;
		else if (letter == 'd')
			top->dataplane = optarg;
		else
			return letter == 'h' ? CTL_OK : CTL_ERROR;
	}
	return optind != argc || top->interval_s < 1 || top->interval_s > MOST_SECONDS ? CTL_ERROR
										       : -1;
}

int ctl_top(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = end};
	const struct sigaction resized = {.sa_handler = look_again};
	struct top top = {
		.control = CONTROL_SOCKET, .dataplane = DATAPLANE_SOCKET, .interval_s = 1};
	int status = parse(argc, argv, &top);

	if (status >= 0) {
		(void)fputs(help, status == CTL_OK ? stdout : stderr);
		return status;
	}
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGWINCH, &resized, NULL);
	top.is_screen = !top.once && !top.as_json && isatty(STDOUT_FILENO) == 1 &&
			isatty(STDIN_FILENO) == 1;
	top.once = top.once || (!top.is_screen && !top.as_json);
	return top.is_screen ? run_on_screen(&top) : run(&top);
}
