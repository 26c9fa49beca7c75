// SPDX-License-Identifier: BSD-3-Clause
// How fast files are scanned: bench_scan IMAGE [-m] [-c CHUNK] [-r ROUNDS] FILE...
//
// The files are read before, then scanned again and again in chunks as segments bring them, on one
// core. The best round counts, in processor time: others may use the machine meanwhile. -m: the files
// are mail messages; without it each is an object by itself, as an attachment that is decoded.
#include "scan/scan.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct input {
	uint8_t *data;
	size_t bytes;
};

struct bench_scan {
	struct ruleset *ruleset;
	struct scanner *scanner;
	struct input *inputs;
	size_t inputs_count;
	size_t bytes;
	size_t chunk_bytes;
	unsigned int rounds;
	enum scan_kind kind;
	unsigned int verdicts[VERDICT_INCOMPLETE + 1];
};

static double cpu_seconds(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_input(const char *path, struct input *input)
{
	FILE *file = fopen(path, "rb");
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
		perror(path);
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread
	}
	rewind(file);
	input->bytes = (size_t)size;
	input->data = malloc(input->bytes + 1);
	if (input->data == NULL || fread(input->data, 1, input->bytes, file) != input->bytes) {
		perror(path);
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread
	}
	(void)fclose(file);
}

static void scan_input(struct bench_scan *bench, const struct input *input)
{
	struct scan *scan;

	if (scan_begin(bench->scanner, bench->kind, &scan) != 0)
		return;
	for (size_t at = 0; at < input->bytes; at += bench->chunk_bytes)
		scan_feed(scan, input->data + at,
			input->bytes - at < bench->chunk_bytes ? input->bytes - at
							       : bench->chunk_bytes);
	bench->verdicts[scan_end(scan)->verdict]++;
	scan_free(scan);
}

static double best_round(struct bench_scan *bench)
{
	double best = 1e9;

	for (unsigned int round = 0; round < bench->rounds; round++) {
		double began = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
		double took;

		memset(bench->verdicts, 0, sizeof(bench->verdicts));
		for (size_t i = 0; i < bench->inputs_count; i++)
			scan_input(bench, &bench->inputs[i]);
		took = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
		best = took < best ? took : best;
	}
	return best;
}

static void read_arguments(struct bench_scan *bench, int argc, char **argv)
{
	int c;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((c = getopt(argc, argv, "mc:r:")) != -1) {
		if (c == 'm')
			bench->kind = SCAN_MESSAGE;
		else if (c == 'c')
			bench->chunk_bytes = strtoul(optarg, NULL, 10);
		else if (c == 'r')
			bench->rounds = (unsigned int)strtoul(optarg, NULL, 10);
	}
	if (argc - optind < 2 || bench->chunk_bytes == 0) {
		(void)fprintf(
			stderr, "usage: bench_scan [-m] [-c CHUNK] [-r ROUNDS] IMAGE FILE...\n");
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread
	}
}

static void open_all(struct bench_scan *bench, int argc, char **argv)
{
	struct scan_options options;
	double began = cpu_seconds(CLOCK_MONOTONIC);
	double opened;
	int err = ruleset_open(argv[optind], &bench->ruleset);

	opened = cpu_seconds(CLOCK_MONOTONIC);
	scan_options_init(&options);
	options.max_messages = 4;
	if (err == 0)
		err = scanner_new(&options, bench->ruleset, &bench->scanner);
	if (err != 0) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)fprintf(stderr, "%s: %s\n", argv[optind], strerror(-err));
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread
	}
	printf("opened in %.0f ms, scanner made in %.0f ms; a message takes %zu bytes, an object's "
	       "streams %zu\n",
		(opened - began) * 1e3, (cpu_seconds(CLOCK_MONOTONIC) - opened) * 1e3,
		scanner_message_bytes(bench->scanner),
		ruleset_get_info(bench->ruleset)->stream_bytes);
	bench->inputs_count = (size_t)(argc - optind - 1);
	bench->inputs = calloc(bench->inputs_count, sizeof(*bench->inputs));
	for (size_t i = 0; bench->inputs != NULL && i < bench->inputs_count; i++) {
		read_input(argv[(size_t)optind + 1 + i], &bench->inputs[i]);
		bench->bytes += bench->inputs[i].bytes;
	}
}

int main(int argc, char **argv)
{
	struct bench_scan bench = {.chunk_bytes = 1448, .rounds = 5, .kind = SCAN_FILE};
	double best;

	read_arguments(&bench, argc, argv);
	open_all(&bench, argc, argv);
	if (bench.inputs == NULL)
		return 2;
	best = best_round(&bench);
	printf("%zu files, %zu bytes: %.3f GB/s, %.0f ns per file; ", bench.inputs_count,
		bench.bytes, (double)bench.bytes / best / 1e9,
		best * 1e9 / (double)bench.inputs_count);
	for (unsigned int i = 0; i <= VERDICT_INCOMPLETE; i++)
		if (bench.verdicts[i] > 0)
			printf("%u %s ", bench.verdicts[i], verdict_name((enum verdict)i));
	printf("\n");
	for (size_t i = 0; i < bench.inputs_count; i++)
		free(bench.inputs[i].data);
	free(bench.inputs);
	scanner_free(bench.scanner);
	ruleset_close(bench.ruleset);
	return 0;
}
