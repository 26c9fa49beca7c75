// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish.h"

#include "control/durable.h"
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWAP_SECONDS 30
#define REPORT_BYTES 65536u
#define NICE 10

struct publish {
	const struct control_options *options;
	char program[PATH_MAX];
	char image[PATH_MAX]; // that is being made
	publish_done_fn done;
	void *ctx;
	GPid child;  // 0: none
	guint limit; // timer
	int output;  // the child's standard output: counts as JSON
};

int publish_new(const struct control_options *options, struct publish **out)
{
	struct publish *publish = calloc(1, sizeof(*publish));
	ssize_t n;
	char *slash;

	if (publish == NULL)
		return -ENOMEM;
	publish->options = options;
	publish->output = -1;
	(void)snprintf(publish->image, sizeof(publish->image), "%s.next", options->rules.image);
	(void)snprintf(publish->program, sizeof(publish->program), "%s", options->rules.compiler);
	if (publish->program[0] == '\0') {
		n = readlink("/proc/self/exe", publish->program, sizeof(publish->program) - 1);
		publish->program[n > 0 ? n : 0] = '\0';
		slash = strrchr(publish->program, '/');
		if (slash != NULL)
			(void)snprintf(slash + 1,
				sizeof(publish->program) - (size_t)(slash + 1 - publish->program),
				"cordonctl");
	}
	*out = publish;
	return 0;
}

static void stop_child(struct publish *publish)
{
	if (publish->limit != 0)
		(void)g_source_remove(publish->limit);
	publish->limit = 0;
	if (publish->output >= 0)
		(void)close(publish->output);
	publish->output = -1;
}

void publish_free(struct publish *publish)
{
	if (publish == NULL)
		return;
	if (publish->child != 0)
		(void)kill(publish->child, SIGKILL);
	stop_child(publish);
	free(publish);
}

// ---- handing over -------------------------------------------------------------------------------

static int copy_all(int from, int to, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = sendfile(to, from, NULL, bytes);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes -= (size_t)n;
	}
	return 0;
}

// A memfd that nobody can change any more, with the file's contents. Returns it, or -errno.
static int seal_image(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int memory = -1;
	struct stat status;
	int err = 0;

	if (file < 0)
		return -errno;
	memory = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0 || fstat(file, &status) != 0)
		err = -errno;
	else
		err = copy_all(file, memory, (size_t)status.st_size);
	if (err == 0 && fcntl(memory, F_ADD_SEALS,
				F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		err = -errno;
	(void)close(file);
	if (err == 0)
		return memory;
	if (memory >= 0)
		(void)close(memory);
	return err;
}

int publish_image(
	const struct control_options *options, const char *path, char *error, size_t error_bytes)
{
	int fd = seal_image(path);
	char *answer = NULL;
	char reason[128];
	json_t *root;
	const char *refusal;
	int err;

	if (fd < 0) {
		(void)snprintf(error, error_bytes, "%s: %s", path,
			strerror_r(-fd, reason, sizeof(reason)));
		return fd;
	}
	err = local_ask(options->dataplane, "rules", fd, SWAP_SECONDS, &answer, NULL);
	(void)close(fd);
	if (err != 0) {
		(void)snprintf(error, error_bytes, "the dataplane cannot be asked: %s",
			strerror_r(-err, reason, sizeof(reason)));
		return err;
	}
	root = json_loads(answer, 0, NULL);
	refusal = json_string_value(json_object_get(root, "error"));
	if (!json_is_true(json_object_get(root, "ok"))) {
		(void)snprintf(error, error_bytes, "the dataplane refused them: %s",
			refusal != NULL ? refusal : "no reason given");
		err = -EBADMSG;
	}
	json_decref(root);
	free(answer);
	return err;
}

// ---- compiling ----------------------------------------------------------------------------------

static void finish(struct publish *publish, struct publish_result *result)
{
	(void)unlink(publish->image);
	publish->done(publish->ctx, result);
}

// Does the image open, and scan?
static int look_at(const char *path, struct publish_result *result)
{
	struct ruleset *ruleset = NULL;
	int err = ruleset_open(path, &ruleset);

	if (err != 0)
		return err;
	(void)snprintf(
		result->version, sizeof(result->version), "%s", ruleset_get_info(ruleset)->version);
	result->signatures = ruleset_get_info(ruleset)->signatures;
	ruleset_close(ruleset);
	return 0;
}

static void read_counts(struct publish *publish, struct publish_result *result)
{
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
	result->skipped = (unsigned int)(json_integer_value(json_object_get(root, "skipped")) +
					 json_integer_value(json_object_get(root, "errors")));
	json_decref(root);
	free(text);
}

static void hand_over(struct publish *publish, struct publish_result *result)
{
	char error[512];
	char reason[128];
	int err = look_at(publish->image, result);

	result->why = error;
	if (err != 0) {
		(void)snprintf(error, sizeof(error), "the image does not open: %s",
			strerror_r(-err, reason, sizeof(reason)));
		finish(publish, result);
		return;
	}
	err = publish_image(publish->options, publish->image, error, sizeof(error));
	result->in_force = err == 0;
	// One that does not run will start with them.
	result->applied = err == 0 || err == -ENOENT || err == -ECONNREFUSED;
	if (result->in_force)
		result->why = "";
	if (result->applied) {
		err = durable_rename(publish->image, publish->options->rules.image);
		if (err != 0) {
			(void)snprintf(error, sizeof(error), "%s: %s",
				publish->options->rules.image,
				strerror_r(-err, reason, sizeof(reason)));
			result->why = error;
		}
	}
	finish(publish, result);
}

static void child_ended(GPid child, gint status, gpointer ctx)
{
	struct publish *publish = ctx;
	struct publish_result result = {.why = "the compiler failed: see its messages"};
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	g_spawn_close_pid(child);
	publish->child = 0;
	read_counts(publish, &result);
	if (WIFSIGNALED(status))
		result.why = publish->limit == 0 ? "compiling took too long"
						 : "the compiler was ended by a signal";
	stop_child(publish);
	if (code == 0)
		hand_over(publish, &result);
	else
		finish(publish, &result);
}

static gboolean took_too_long(gpointer ctx)
{
	struct publish *publish = ctx;

	publish->limit = 0;
	(void)kill(publish->child, SIGKILL);
	return G_SOURCE_REMOVE;
}

// In the child, between fork and exec.
static void limit_child(gpointer ctx)
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
	(void)setpriority(PRIO_PROCESS, 0, NICE);
}

int publish_start(struct publish *publish, publish_done_fn done, void *ctx)
{
	// The arrays' texts are const in all but type: g_spawn does not write to them.
	const struct control_options *options = publish->options;
	const char *arguments[CONTROL_MAX_TEXTS + 6] = {
		publish->program, "compile", "--json", "-o", publish->image};
	GError *error = NULL;
	gboolean started;

	if (publish->child != 0)
		return -EBUSY;
	for (uint32_t i = 0; i < options->rules.sources_count; i++)
		arguments[i + 5] = options->rules.sources[i];
	started = g_spawn_async_with_pipes(NULL, (gchar **)(uintptr_t)arguments, NULL,
		G_SPAWN_DO_NOT_REAP_CHILD, limit_child, (gpointer)(uintptr_t)options,
		&publish->child, NULL, &publish->output, NULL, &error);
	if (!started) {
		(void)fprintf(stderr, "cordon-control: %s: %s\n", publish->program, error->message);
		g_error_free(error);
		publish->child = 0;
		return -ENOEXEC;
	}
	publish->done = done;
	publish->ctx = ctx;
	publish->limit =
		g_timeout_add_seconds(options->rules.compile_seconds, took_too_long, publish);
	(void)g_child_watch_add(publish->child, child_ended, publish);
	return 0;
}
