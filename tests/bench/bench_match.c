// SPDX-License-Identifier: BSD-3-Clause
// How fast one pass of the matcher is: bench_match IMAGE [-t any|mail|text|html] [-c CHUNK] [-r ROUNDS] FILE...
//
// All files are one object each, of the target that is named: what bench_scan spends besides on reading
// mails, decoding and unpacking is left out, and so are digests that no list asks for. The best round
// counts, in processor time.
#include "scan/match.h"
#include "scan/scan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct input {
	uint8_t *data;
	size_t bytes;
};

struct bench_match {
	struct matcher *matcher;
	struct input *inputs;
	size_t inputs_count;
	size_t bytes;
	size_t chunk_bytes;
	unsigned int rounds;
	enum match_target target;
	size_t hits;
};

static double cpu_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "bench_match: %s\n", what);
	exit(2); // NOLINT(concurrency-mt-unsafe): one thread
}

static void read_input(const char *path, struct input *input)
{
	FILE *file = fopen(path, "rb");
	long size = -1;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		fail(path);
	rewind(file);
	input->bytes = (size_t)size;
	input->data = malloc(input->bytes + 1);
	if (input->data == NULL || fread(input->data, 1, input->bytes, file) != input->bytes)
		fail(path);
	(void)fclose(file);
}

static void match_input(struct bench_match *bench, const struct input *input)
{
	struct match_digests digests;
	struct match_object *object;
	struct match_hit hit;
	const char *type;

	if (match_begin(bench->matcher, bench->target, &object) != 0)
		return;
	for (size_t at = 0; at < input->bytes; at += bench->chunk_bytes)
		if (match_feed(object, input->data + at,
			    input->bytes - at < bench->chunk_bytes ? input->bytes - at
								   : bench->chunk_bytes) != 0)
			break;
	bench->hits += match_end(object, &hit, 1, &digests, &type);
}

static double best_round(struct bench_match *bench)
{
	double best = 1e9;

	for (unsigned int round = 0; round < bench->rounds; round++) {
		double began = cpu_seconds();
		double took;

		bench->hits = 0;
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): main frees them
		for (size_t i = 0; i < bench->inputs_count; i++)
			match_input(bench, &bench->inputs[i]);
		took = cpu_seconds() - began;
		best = took < best ? took : best;
	}
	return best;
}

static enum match_target target_of(const char *name)
{
	static const char *const names[] = {"any", "mail", "text", "html"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return (enum match_target)i;
	fail("no such target");
	return MATCH_TARGET_ANY;
}

int main(int argc, char **argv)
{
	struct bench_match bench = {.chunk_bytes = 1448, .rounds = 5};
	struct ruleset *ruleset;
	double best;
	int c;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((c = getopt(argc, argv, "t:c:r:")) != -1) {
		if (c == 't')
			bench.target = target_of(optarg);
		else if (c == 'c')
			bench.chunk_bytes = strtoul(optarg, NULL, 10);
		else if (c == 'r')
			bench.rounds = (unsigned int)strtoul(optarg, NULL, 10);
	}
	if (argc - optind < 2 || bench.chunk_bytes == 0)
		fail("[-t any|mail|text|html] [-c CHUNK] [-r ROUNDS] IMAGE FILE...");
	if (ruleset_open(argv[optind], &ruleset) != 0 ||
		matcher_new(ruleset, 4, 0, false, &bench.matcher) != 0)
		fail(argv[optind]);
	bench.inputs_count = (size_t)(argc - optind - 1);
	bench.inputs = calloc(bench.inputs_count, sizeof(*bench.inputs));
	if (bench.inputs == NULL)
		fail("no memory");
	for (size_t i = 0; i < bench.inputs_count; i++) {
		read_input(argv[(size_t)optind + 1 + i], &bench.inputs[i]);
		bench.bytes += bench.inputs[i].bytes;
	}
	best = best_round(&bench);
	printf("%zu files, %zu bytes: %.3f GB/s, %zu hit\n", bench.inputs_count, bench.bytes,
		(double)bench.bytes / best / 1e9, bench.hits);
	for (size_t i = 0; i < bench.inputs_count; i++)
		free(bench.inputs[i].data);
	free(bench.inputs);
	matcher_free(bench.matcher);
	ruleset_close(ruleset);
	return 0;
}
