// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish.h"

#include "control/aside.h"
#include "control/publish_base.h"
#include "control/publish_hand.h"
#include "control/publish_standby.h"
#include "control/standstill.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <glib.h>
#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 65536u
#define NICE 10
// So many signatures added and removed are searched beside the others; of more, one image is made.
#define DELTA_GROWN 256
#define CACHE_SUFFIX ".cache"
// A compiler that has not moved for so many looks is followed by another one: far less than rules.compile_seconds.
#define LOOK_MS 500
#define LOOKS 4
#define FOLDERS 2

// Who wants them compiled.
struct order {
	publish_look_fn look; // NULL: nobody
	publish_done_fn done;
	void *ctx;
};

struct publish {
	const struct control_options *options;
	char program[PATH_MAX];
	char cache[PATH_MAX]; // "": none
	char image[PATH_MAX]; // that is being made
	char delta[PATH_MAX]; // or this
	char old_delta[PATH_MAX];
	char folders[FOLDERS][PATH_MAX]; // sources beside the configured ones; "": none
	struct order order;              // what is compiled or handed over
	struct order
		waits; // done NULL: none; until what was compiled in the background is handed over
	struct publish_base *base;
	struct publish_hand *hand;
	struct publish_standby *standby;
	GPid child;  // 0: none
	guint limit; // timer
	guint look;  // timer
	struct standstill standstill;
	guint watch; // of the child
	bool is_background;
	bool is_handing;        // what was compiled
	bool is_grown;          // and is to become one image then
	bool is_standby;        // the child stood by
	bool is_another;        // it follows one that did not do it
	unsigned int malformed; // lines, by the last count
	GChildWatchFunc ended;
	int output; // the child's standard output: counts as JSON
};

static void stop_child(struct publish *publish)
{
	if (publish->limit != 0)
		(void)g_source_remove(publish->limit);
	publish->limit = 0;
	if (publish->look != 0)
		(void)g_source_remove(publish->look);
	publish->look = 0;
	if (publish->output >= 0)
		(void)close(publish->output);
	publish->output = -1;
}

// ---- compiling ----------------------------------------------------------------------------------

struct counts {
	unsigned int changes; // how much a delta holds
	bool is_barren;       // there are lines, and none of them is a signature
};

static struct counts read_counts(struct publish *publish, struct publish_result *result)
{
	struct counts counts;
	json_int_t errors;
	const char *made;
	char *text = malloc(REPORT_BYTES);
	size_t n = 0;
	json_t *root;

	while (text != NULL && n < REPORT_BYTES) {
		ssize_t more = read(publish->output, text + n, REPORT_BYTES - n);

		if (more <= 0)
			break;
		n += (size_t)more;
	}
	root = text != NULL ? json_loadb(text, n, 0, NULL) : NULL;
	errors = json_integer_value(json_object_get(root, "errors"));
	result->skipped =
		(unsigned int)(json_integer_value(json_object_get(root, "skipped")) + errors);
	result->malformed = (unsigned int)errors;
	if (root != NULL)
		publish->malformed = result->malformed;
	counts.changes = (unsigned int)json_integer_value(json_object_get(root, "changes"));
	counts.is_barren =
		errors > 0 && json_integer_value(json_object_get(root, "signatures")) == 0;
	made = json_string_value(json_object_get(root, "made"));
	result->is_delta = made != NULL && strcmp(made, "delta-alone") == 0;
	json_decref(root);
	free(text);
	return counts;
}

static gboolean took_too_long(gpointer ctx)
{
	struct publish *publish = ctx;

	publish->limit = 0;
	(void)kill(publish->child, SIGKILL);
	return G_SOURCE_REMOVE;
}

static gboolean look_at_child(gpointer ctx)
{
	struct publish *publish = ctx;

	if (standstill_look(&publish->standstill, publish->child) < LOOKS)
		return G_SOURCE_CONTINUE;
	publish->look = 0;
	(void)kill(publish->child, SIGKILL);
	return G_SOURCE_REMOVE;
}

// In the child, between fork and exec.
static void limit_standby(gpointer ctx)
{
	const struct control_options *options = ctx;
	struct rlimit memory = {
		.rlim_cur = (rlim_t)options->rules.compile_memory_mb << 20,
		.rlim_max = (rlim_t)options->rules.compile_memory_mb << 20,
	};
	struct rlimit seconds = {
		.rlim_cur = options->rules.compile_seconds,
		.rlim_max = options->rules.compile_seconds,
	};

	(void)setrlimit(RLIMIT_AS, &memory);
	(void)setrlimit(RLIMIT_CPU, &seconds);
	// One that outlived a killed process would put its image in the place of the next one's.
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void limit_child(gpointer ctx)
{
	limit_standby(ctx);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
}

// What is compiled, with NULL behind it. Returns how many.
static size_t list_sources(const struct publish *publish, const char **out)
{
	const struct control_options *options = publish->options;
	size_t count = 0;

	for (uint32_t i = 0; i < options->rules.sources_count; i++)
		out[count++] = options->rules.sources[i];
	for (size_t i = 0; i < FOLDERS; i++) {
		if (publish->folders[i][0] != '\0')
			out[count++] = publish->folders[i];
	}
	out[count] = NULL;
	return count;
}

static int spawn_child(struct publish *publish, bool is_full)
{
	const struct control_options *options = publish->options;
	const char *arguments[CONTROL_MAX_TEXTS + 12] = {
		publish->program, "compile", "--json", "-o", publish->image};
	struct aside_child child = {
		.arguments = arguments, .setup = limit_child, .ctx = (gpointer)(uintptr_t)options};
	size_t count = 5;
	int err;

	if (publish->cache[0] != '\0') {
		arguments[count++] = "--cache";
		arguments[count++] = publish->cache;
		arguments[count++] = is_full ? "--full" : "--in-use";
		if (!is_full)
			arguments[count++] = options->rules.image;
	}
	(void)list_sources(publish, arguments + count);
	err = aside_spawn(&child);
	publish->child = child.pid;
	publish->output = child.output;
	return err;
}

static void watch_child(struct publish *publish)
{
	publish->limit = g_timeout_add_seconds(
		publish->options->rules.compile_seconds, took_too_long, publish);
	publish->standstill = (struct standstill){0};
	publish->look = g_timeout_add(LOOK_MS, look_at_child, publish);
	publish->watch = g_child_watch_add(publish->child, publish->ended, publish);
}

// One that stood by has done before what a fresh one does now: what ended it (a signal, its memory, a cache that is not
// what it has read) need not end the other. What it says against the sources that one says, too. And any may have been
// stopped. Once. False: not begun.
static bool start_another(struct publish *publish, const char *why)
{
	(void)fprintf(stderr, "cordon-control: %s%s; another one is started\n", why,
		publish->is_standby ? " (it stood by)" : "");
	publish->is_standby = false;
	publish->is_another = true;
	(void)unlink(publish->image);
	(void)unlink(publish->delta);
	if (spawn_child(publish, false) != 0)
		return false;
	watch_child(publish);
	return true;
}

static int start_child(struct publish *publish, bool is_full)
{
	const char *sources[CONTROL_MAX_TEXTS + FOLDERS + 1];
	int err = -ENOENT;

	// What a process before left when it was ended.
	(void)unlink(publish->image);
	(void)unlink(publish->delta);
	if (!is_full && list_sources(publish, sources) > 0)
		err = publish_standby_take(
			publish->standby, sources, &publish->child, &publish->output);
	publish->is_standby = err == 0;
	publish->is_another = false;
	if (err != 0)
		err = spawn_child(publish, is_full);
	if (err != 0)
		return err;
	watch_child(publish);
	// While the child works.
	if (!is_full)
		publish_base_renew(publish->base, publish->options->rules.image);
	return 0;
}

static int begin(struct publish *publish, const struct order *order)
{
	int err = start_child(publish, false);

	if (err == 0)
		publish->order = *order;
	return err;
}

// What was asked for while something else was handed over.
static void begin_next(struct publish *publish)
{
	const struct order order = publish->waits;
	const struct publish_result result = {.why = "the compiler cannot be started"};

	publish->waits = (struct order){0};
	if (order.done != NULL && begin(publish, &order) != 0)
		order.done(order.ctx, &result);
}

static void finish(struct publish *publish, const struct publish_result *result)
{
	const struct order order = publish->order;
	const bool was_background = publish->is_background;

	(void)unlink(publish->image);
	(void)unlink(publish->delta);
	if (result->applied && !result->is_delta)
		publish_standby_drop(publish->standby);
	publish_standby_want(publish->standby);
	publish->is_background = false;
	if (!was_background)
		order.done(order.ctx, result);
	else if (!result->applied || result->why[0] != '\0')
		(void)fprintf(stderr, "cordon-control: rules in one image: %s\n", result->why);
	begin_next(publish);
}

static void handed_over(void *ctx, struct publish_result *result)
{
	struct publish *publish = ctx;
	const bool is_grown = publish->is_grown && result->is_delta && result->applied;

	publish->is_handing = false;
	publish->is_grown = false;
	finish(publish, result);
	if (is_grown && publish->child == 0)
		publish->is_background = start_child(publish, true) == 0;
}

static void hand_over(struct publish *publish, struct publish_result *result)
{
	const publish_look_fn look = publish->is_background ? NULL : publish->order.look;

	if (publish_hand_over(
		    publish->hand, result, look, publish->order.ctx, handed_over, publish) == 0) {
		publish->is_handing = true;
		return;
	}
	result->why = "there is no memory to hand them over";
	finish(publish, result);
}

static const char *why_ended(bool was_too_long, bool stood_still)
{
	if (was_too_long)
		return "compiling took too long";
	return stood_still ? "the compiler stood still" : "the compiler was ended by a signal";
}

static void child_ended(GPid child, gint status, gpointer ctx)
{
	struct publish *publish = ctx;
	struct publish_result result = {.why = "the compiler failed: see its messages"};
	struct counts counts;
	const bool was_too_long = publish->limit == 0;
	const bool stood_still = publish->look == 0;
	const bool is_first = !publish->is_background && !publish->is_another;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	g_spawn_close_pid(child);
	publish->child = 0;
	publish->watch = 0;
	counts = read_counts(publish, &result);
	if (WIFSIGNALED(status))
		result.why = why_ended(was_too_long, stood_still);
	stop_child(publish);
	if (code != 0 && is_first && !was_too_long && (publish->is_standby || stood_still) &&
		start_another(publish, WIFSIGNALED(status) ? result.why : "the compiler failed"))
		return;
	// Pages of a web server, say, where the sources were: nothing would be found any more.
	if (code == 0 && counts.is_barren) {
		code = -1;
		result.why = "no line of the sources is a signature: see the compiler's messages";
	}
	publish->is_grown = counts.changes > DELTA_GROWN;
	if (code == 0)
		hand_over(publish, &result);
	else
		finish(publish, &result);
}

static void give_up_background(struct publish *publish)
{
	(void)g_source_remove(publish->watch);
	aside_kill(publish->child);
	publish->child = 0;
	publish->watch = 0;
	publish->is_background = false;
	stop_child(publish);
}

int publish_start(struct publish *publish, publish_done_fn done, void *ctx)
{
	return publish_start_looked_at(publish, NULL, done, ctx);
}

int publish_start_looked_at(
	struct publish *publish, publish_look_fn look, publish_done_fn done, void *ctx)
{
	const struct order order = {look, done, ctx};

	if (publish->child != 0 && publish->is_background)
		give_up_background(publish);
	if (publish->child != 0 || publish->waits.done != NULL)
		return -EBUSY;
	if (!publish->is_handing)
		return begin(publish, &order);
	if (!publish->is_background)
		return -EBUSY;
	// It is to be compiled against the image that comes.
	publish->waits = order;
	return 0;
}

int publish_renew(struct publish *publish, const char *version,
	void (*done)(void *ctx, const char *why), void *ctx)
{
	return publish_hand_is_busy(publish->hand)
		       ? -EBUSY
		       : publish_hand_renew(publish->hand, version, done, ctx);
}

bool publish_is_handing(const struct publish *publish)
{
	return publish_hand_is_busy(publish->hand);
}

void publish_set_folders(struct publish *publish, const char *bundle, const char *revoked)
{
	(void)snprintf(publish->folders[0], PATH_MAX, "%s", bundle);
	(void)snprintf(publish->folders[1], PATH_MAX, "%s", revoked);
}

unsigned int publish_malformed(const struct publish *publish)
{
	return publish->malformed;
}

bool publish_has_sources(const struct publish *publish)
{
	return publish->options->rules.sources_count > 0 || publish->folders[0][0] != '\0';
}

int publish_show(struct publish *publish, publish_look_fn look, void *ctx)
{
	const char *image = publish->options->rules.image;
	struct publish_laid *laid = NULL;
	const struct ruleset *ruleset;

	publish_base_renew(publish->base, image);
	ruleset = publish_base_get(publish->base);
	if (ruleset == NULL)
		return -ENOENT;
	// One of another image does not count.
	if (publish_base_open(publish->base, image, publish->old_delta, &laid) == 0)
		look(ctx, publish_laid_get(laid));
	else
		look(ctx, ruleset);
	publish_laid_close(laid);
	return 0;
}

struct known {
	const char *virus_id;
	bool is_known;
};

static void look_for_id(void *ctx, const struct ruleset *ruleset)
{
	struct known *known = ctx;

	known->is_known = ruleset_has_virus_id(ruleset, known->virus_id);
}

bool publish_has_virus_id(struct publish *publish, const char *virus_id)
{
	struct known known = {virus_id, false};

	return publish_show(publish, look_for_id, &known) == 0 && known.is_known;
}

// ---- begin and end -----------------------------------------------------------------------------

// Beside this program, where both were built; in bin, where this one was installed in sbin.
static void name_program(struct publish *publish)
{
	char own[PATH_MAX];
	char *folder;
	ssize_t n;

	(void)snprintf(
		publish->program, sizeof(publish->program), "%s", publish->options->rules.compiler);
	if (publish->program[0] != '\0')
		return;
	n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[n > 0 ? n : 0] = '\0';
	folder = g_path_get_dirname(own);
	(void)snprintf(publish->program, sizeof(publish->program), "%s/cordonctl", folder);
	if (access(publish->program, X_OK) != 0)
		(void)snprintf(
			publish->program, sizeof(publish->program), "%s/../bin/cordonctl", folder);
	g_free(folder);
}

static void name_files(struct publish *publish)
{
	const struct control_options *options = publish->options;

	(void)snprintf(publish->image, sizeof(publish->image), "%s.next", options->rules.image);
	(void)snprintf(publish->delta, sizeof(publish->delta), "%.*s" RULESET_DELTA_SUFFIX,
		(int)sizeof(options->rules.image) + 8, publish->image);
	(void)snprintf(publish->old_delta, sizeof(publish->old_delta), "%s" RULESET_DELTA_SUFFIX,
		options->rules.image);
	if (options->rules.cache[0] == '\0')
		(void)snprintf(publish->cache, sizeof(publish->cache), "%s" CACHE_SUFFIX,
			options->rules.image);
	else if (strcmp(options->rules.cache, "-") != 0)
		(void)snprintf(publish->cache, sizeof(publish->cache), "%s", options->rules.cache);
}

void publish_free(struct publish *publish)
{
	if (publish == NULL)
		return;
	publish_hand_free(publish->hand);
	if (publish->child != 0)
		(void)kill(publish->child, SIGKILL);
	if (publish->watch != 0)
		(void)g_source_remove(publish->watch);
	stop_child(publish);
	publish_standby_free(publish->standby);
	publish_base_free(publish->base);
	free(publish);
}

int publish_new(const struct control_options *options, struct publish **out)
{
	struct publish *publish = calloc(1, sizeof(*publish));
	struct publish_standby_plan plan = {.options = options, .limit = limit_standby};
	int err;

	if (publish == NULL)
		return -ENOMEM;
	publish->options = options;
	publish->ended = child_ended;
	publish->output = -1;
	name_program(publish);
	name_files(publish);
	plan.program = publish->program;
	plan.output = publish->image;
	plan.cache = publish->cache;
	err = publish_base_new(&publish->base);
	if (err == 0)
		err = publish_standby_new(&plan, &publish->standby);
	if (err == 0)
		err = publish_hand_new(options, publish->base,
			&(struct publish_files){publish->image, publish->delta, publish->old_delta},
			&publish->hand);
	if (err != 0) {
		publish_free(publish);
		return err;
	}
	publish_standby_want(publish->standby);
	*out = publish;
	return 0;
}
