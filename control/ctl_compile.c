// SPDX-License-Identifier: BSD-3-Clause
// cordonctl compile: signature files to a ruleset image.
#include "control/ctl.h"

#include <jansson.h>
#include <malloc.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CACHE_MB 2048
#define MAX_CACHE_MB 1048576
#define NICE 10
// Of paths that are read, and how many.
#define PATHS_BYTES 65536u
#define PATHS_MOST 1024u

struct compile_options {
	const char *output;
	const char *cache;
	uint64_t cache_mb;
	const char *in_use;
	bool is_full;
	bool is_json;
	bool is_strict;
	bool is_standby;
};

static void print_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl compile PATH... -o IMAGE [--json] [--strict]\n"
		"                         [--cache DIR [--cache-mb N] [--full] [--in-use "
		"IMAGE]]\n"
		"                         [--standby]\n\n"
		"Compiles signature files (.ndb .sdb .db .ldb .hdb .hsb .mdb .msb .imp .cdb .ftm\n"
		".fp .sfp .ign .ign2), ClamAV's containers of them (.cvd .cld .cud), or folders\n"
		"of both, to the image that the gateway and cordonctl scan load. Lines that are\n"
		"not taken are reported as file:line: reason on stderr and counted.\n\n"
		"  -o, --output IMAGE  where the image goes\n"
		"      --json          the counts as one JSON line\n"
		"      --strict        a malformed line is an error\n"
		"      --cache DIR     a folder of images that were compiled before: what is "
		"there\n"
		"                      is taken; of what is almost the same, only what is new is\n"
		"                      compiled, and reported, as a delta behind the old image\n"
		"      --cache-mb N    how much may be there, 2048\n"
		"      --full          no delta: one image of all\n"
		"      --in-use IMAGE  a delta of this image is written alone, to the output's "
		"name\n"
		"                      and \"" RULESET_DELTA_SUFFIX
		"\"; the output is not written\n"
		"      --standby       does what a delta of the image in use takes whatever is "
		"new,\n"
		"                      and waits; then the paths come on standard input, each "
		"ended\n"
		"                      by a zero byte. Without any it is over\n"
		"      --help          this text\n\n"
		"Exit status: 0 done, 2 error.\n");
}

static void report_line(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	(void)ctx;
	(void)fprintf(stderr, "%s:%u: %s%s\n", file, line, is_error ? "" : "skipped: ", reason);
}

static bool parse_cache_mb(const char *text, uint64_t *megabytes)
{
	char *end;

	errno = 0;
	*megabytes = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 &&
		*megabytes <= MAX_CACHE_MB)
		return true;
	(void)fprintf(
		stderr, "cordonctl compile: --cache-mb %s: not 0 to %d\n", text, MAX_CACHE_MB);
	return false;
}

// Sources that are there, and an image that may be replaced? What is wrong is said.
static bool check_paths(const char *output, char *const *sources)
{
	struct stat about;

	for (; *sources != NULL; sources++) {
		if (stat(*sources, &about) == 0)
			continue;
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)fprintf(stderr, "cordonctl compile: %s: %s\n", *sources, strerror(errno));
		return false;
	}
	if (output == NULL || stat(output, &about) != 0 || S_ISREG(about.st_mode))
		return true;
	(void)fprintf(stderr, "cordonctl compile: %s: is no file\n", output);
	return false;
}

// Told otherwise.
static bool are_complete(const struct compile_options *options, bool has_files)
{
	const char *reason = has_files ? NULL : "no signature files";

	if (options->output == NULL)
		reason = "-o IMAGE is missing";
	else if (options->is_standby && has_files)
		reason = "--standby takes no files";
	else if (options->is_standby)
		reason = options->cache == NULL ? "--standby needs --cache" : NULL;
	if (reason == NULL)
		return true;
	(void)fprintf(stderr, "cordonctl compile: %s\n\n", reason);
	print_usage(stderr);
	return false;
}

// False when the command is over already, with this exit status.
static bool parse_options(int argc, char **argv, struct compile_options *options, int *status)
{
	static const struct option names[] = {
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{"strict", no_argument, NULL, 's'},
		{"cache", required_argument, NULL, 'c'},
		{"cache-mb", required_argument, NULL, 'm'},
		{"full", no_argument, NULL, 'f'},
		{"in-use", required_argument, NULL, 'u'},
		{"standby", no_argument, NULL, 'y'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*status = CTL_ERROR;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((c = getopt_long(argc, argv, "o:h", names, NULL)) != -1) {
		switch (c) {
		case 'o':
			options->output = optarg;
			break;
		case 'j':
			options->is_json = true;
			break;
		case 's':
			options->is_strict = true;
			break;
		case 'c':
			options->cache = optarg;
			break;
		case 'm':
			if (!parse_cache_mb(optarg, &options->cache_mb))
				return false;
			break;
		case 'f':
			options->is_full = true;
			break;
		case 'u':
			options->in_use = optarg;
			break;
		case 'y':
			options->is_standby = true;
			break;
		case 'h':
			print_usage(stdout);
			*status = CTL_OK;
			return false;
		default:
			print_usage(stderr);
			return false;
		}
	}
	return are_complete(options, optind < argc) && options->output != NULL;
}

static const char *origin_name(enum ruleset_origin origin)
{
	switch (origin) {
	case RULESET_COMPILED:
		return "compiled";
	case RULESET_FOUND:
		return "found";
	case RULESET_DELTA:
		return "delta";
	case RULESET_DELTA_ALONE:
		return "delta-alone";
	}
	return "";
}

// What a message in progress takes with these rules, 0: that is not known.
static size_t message_bytes(const char *output)
{
	struct scan_options options;
	struct ruleset *ruleset;
	struct scanner *scanner;
	size_t bytes = 0;

	scan_options_init(&options);
	options.max_messages = 1;
	if (ruleset_open(output, &ruleset) != 0)
		return 0;
	if (scanner_new(&options, ruleset, &scanner) == 0) {
		bytes = scanner_message_bytes(scanner);
		scanner_free(scanner);
	}
	ruleset_close(ruleset);
	return bytes;
}

static void print_stats(const struct ruleset_cached *made, const char *output, bool is_json)
{
	const struct ruleset_build_stats *stats = &made->stats;
	// A delta is not worth the time.
	const size_t state_bytes = made->origin == RULESET_COMPILED ? message_bytes(output) : 0;
	json_t *event;

	if (!is_json) {
		printf("%s: %u signatures (%u literals, %u patterns, %u hashes) of %u lines in %u "
		       "files; %u ignored, %u skipped, %u malformed; %llu bytes%s",
			output, stats->signatures, stats->literals, stats->patterns, stats->hashes,
			stats->lines, stats->files, stats->ignored, stats->skipped, stats->errors,
			(unsigned long long)stats->image_bytes, state_bytes > 0 ? "; " : "\n");
		if (state_bytes > 0)
			printf("%zu of a message in progress\n", state_bytes);
		return;
	}
	event = ctl_json_event("compile");
	(void)json_object_set_new(event, "image", ctl_json_text(output));
	(void)json_object_set_new(event, "made", json_string(origin_name(made->origin)));
	(void)json_object_set_new(event, "changes", json_integer(made->changes));
#define COUNT(name) (void)json_object_set_new(event, #name, json_integer((json_int_t)stats->name))
	COUNT(files);
	COUNT(lines);
	COUNT(signatures);
	COUNT(literals);
	COUNT(patterns);
	COUNT(hashes);
	COUNT(ignored);
	COUNT(skipped);
	COUNT(errors);
	COUNT(image_bytes);
	COUNT(compile_ns);
	if (state_bytes > 0)
		(void)json_object_set_new(
			event, "message_state_bytes", json_integer((json_int_t)state_bytes));
#undef COUNT
	ctl_json_print(event);
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note_cache(void *ctx, const char *file, const char *what)
{
	(void)ctx;
	(void)fprintf(stderr, "%s: %s\n", file, what);
}

// Who waits for a few signatures does not wait for other processes, too; all of them can.
static void give_way(void *ctx)
{
	(void)ctx;
	(void)setpriority(PRIO_PROCESS, 0, NICE);
}

static struct ruleset_cache cache_of(const struct compile_options *options)
{
	return (struct ruleset_cache){
		.folder = options->cache,
		.max_bytes = options->cache_mb << 20,
		.is_fresh = options->is_full,
		.in_use = options->in_use,
		.note = note_cache,
		.takes_long = options->is_standby ? give_way : NULL,
	};
}

static int compile_cached(const struct ruleset_cache *cache, const struct compile_options *options,
	const struct ruleset_build_options *build, char **paths, struct ruleset_cached *made)
{
	size_t count = 0;

	while (paths[count] != NULL)
		count++;
	return ruleset_build_cached(
		(const char *const *)paths, count, build, cache, options->output, made);
}

static int compile_plain(const struct compile_options *options,
	const struct ruleset_build_options *build, char **paths, struct ruleset_cached *made)
{
	size_t count = 0;
	void *image = NULL;
	size_t bytes = 0;
	int err;

	while (paths[count] != NULL)
		count++;
	err = ruleset_build((const char *const *)paths, count, build, &image, &bytes, &made->stats);
	if (err == 0)
		err = ruleset_write(options->output, image, bytes);
	free(image);
	return err;
}

// All of standard input, as a list of paths with NULL behind them; of malloc, and so is text. Returns how many, or -errno.
static int read_paths(char **text, char ***paths)
{
	size_t bytes = 0;
	int count = 0;

	*text = malloc(PATHS_BYTES + 1);
	*paths = calloc(PATHS_MOST + 1, sizeof(**paths));
	if (*text == NULL || *paths == NULL)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(STDIN_FILENO, *text + bytes, PATHS_BYTES - bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += (size_t)n;
		if (n == 0)
			break;
		if (bytes == PATHS_BYTES)
			return -E2BIG;
	}
	// Who began to write it and was ended has asked for nothing.
	if (bytes > 0 && (*text)[bytes - 1] != '\0')
		return -EBADMSG;
	for (size_t at = 0; at < bytes; at += strlen(*text + at) + 1) {
		if (count == (int)PATHS_MOST)
			return -E2BIG;
		(*paths)[count++] = *text + at;
	}
	return count;
}

static int stand_by(struct ruleset_cache *cache, const struct compile_options *options,
	const struct ruleset_build_options *build, struct ruleset_cached *made, uint64_t *began_ns)
{
	char **paths = NULL;
	char *text = NULL;
	int err = ruleset_ready_new(build, cache, &cache->ready);

	if (err == 0)
		err = read_paths(&text, &paths);
	*began_ns = wall_ns();
	if (err > 0 && (paths == NULL || !check_paths(options->output, paths)))
		err = -ENOENT;
	else if (err > 0)
		err = compile_cached(cache, options, build, paths, made);
	else if (err == 0)
		err = -ECANCELED;
	ruleset_ready_free(cache->ready);
	free((void *)paths);
	free(text);
	return err;
}

int ctl_compile(int argc, char **argv)
{
	struct compile_options options = {.cache_mb = CACHE_MB};
	struct ruleset_build_options build = {.report = report_line};
	struct ruleset_cached made = {0};
	struct ruleset_cache cache;
	uint64_t began_ns = wall_ns();
	int status;
	int err;

	if (!parse_options(argc, argv, &options, &status))
		return status;
	if (!check_paths(options.output, argv + optind) ||
		ctl_output_is_input(
			"compile", options.output, (const char *const *)(argv + optind)))
		return CTL_ERROR;
	build.strict = options.is_strict;
	cache = cache_of(&options);
	// Hyperscan takes and leaves large blocks for each pattern: the kernel need not clear them anew.
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	if (options.is_standby)
		err = stand_by(&cache, &options, &build, &made, &began_ns);
	else if (options.cache != NULL)
		err = compile_cached(&cache, &options, &build, argv + optind, &made);
	else
		err = compile_plain(&options, &build, argv + optind, &made);
	if (err == -ECANCELED)
		return CTL_OK;
	if (err != 0) {
		// NOLINTBEGIN(concurrency-mt-unsafe): one thread
		(void)fprintf(
			stderr, "cordonctl compile: %s: %s\n", options.output, strerror(-err));
		// NOLINTEND(concurrency-mt-unsafe)
		return CTL_ERROR;
	}
	made.stats.compile_ns = wall_ns() - began_ns;
	print_stats(&made, options.output, options.is_json);
	return CTL_OK;
}
