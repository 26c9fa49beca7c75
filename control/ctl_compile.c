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
#include <time.h>

struct compile_options {
	const char *output;
	bool is_json;
	bool is_strict;
};

static void print_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl compile PATH... -o IMAGE [--json] [--strict]\n\n"
		"Compiles signature files (.ndb .ldb .hdb .hsb .mdb .msb .imp .cdb .ftm .fp .sfp\n"
		".ign .ign2), ClamAV's containers of them (.cvd .cld .cud), or folders of both, "
		"to\n"
		"the image that the gateway and cordonctl scan load. Lines that are not taken are\n"
		"reported as file:line: reason on stderr and counted.\n\n"
		"  -o, --output IMAGE  where the image goes\n"
		"      --json          the counts as one JSON line\n"
		"      --strict        a malformed line is an error\n"
		"      --help          this text\n\n"
		"Exit status: 0 done, 2 error.\n");
}

static void report_line(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	(void)ctx;
	(void)fprintf(stderr, "%s:%u: %s%s\n", file, line, is_error ? "" : "skipped: ", reason);
}

// False when the command is over already, with this exit status.
static bool parse_options(int argc, char **argv, struct compile_options *options, int *status)
{
	static const struct option names[] = {
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{"strict", no_argument, NULL, 's'},
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
		case 'h':
			print_usage(stdout);
			*status = CTL_OK;
			return false;
		default:
			print_usage(stderr);
			return false;
		}
	}
	if (options->output != NULL && optind < argc)
		return true;
	(void)fprintf(stderr, "cordonctl compile: %s\n\n",
		optind < argc ? "-o IMAGE is missing" : "no signature files");
	print_usage(stderr);
	return false;
}

static void print_stats(const struct ruleset_build_stats *stats, const char *output, bool is_json)
{
	json_t *event;

	if (!is_json) {
		printf("%s: %u signatures (%u literals, %u patterns, %u hashes) of %u lines in %u "
		       "files; %u ignored, %u skipped, %u malformed; %llu bytes\n",
			output, stats->signatures, stats->literals, stats->patterns, stats->hashes,
			stats->lines, stats->files, stats->ignored, stats->skipped, stats->errors,
			(unsigned long long)stats->image_bytes);
		return;
	}
	event = ctl_json_event("compile");
	(void)json_object_set_new(event, "image", ctl_json_text(output));
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
#undef COUNT
	ctl_json_print(event);
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int ctl_compile(int argc, char **argv)
{
	struct compile_options options = {0};
	struct ruleset_build_options build = {.report = report_line};
	struct ruleset_build_stats stats = {0};
	uint64_t began_ns = wall_ns();
	void *image = NULL;
	size_t bytes = 0;
	int status;
	int err;

	if (!parse_options(argc, argv, &options, &status))
		return status;
	build.strict = options.is_strict;
	// Hyperscan takes and leaves large blocks for each pattern: the kernel need not clear them anew.
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	err = ruleset_build((const char *const *)(argv + optind), (size_t)(argc - optind), &build,
		&image, &bytes, &stats);
	if (err != 0) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)fprintf(stderr, "cordonctl compile: %s\n", strerror(-err));
		return CTL_ERROR;
	}
	err = ruleset_write(options.output, image, bytes);
	free(image);
	if (err != 0) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)fprintf(stderr, "%s: %s\n", options.output, strerror(-err));
		return CTL_ERROR;
	}
	stats.compile_ns = wall_ns() - began_ns;
	stats.image_bytes = bytes;
	print_stats(&stats, options.output, options.is_json);
	return CTL_OK;
}
