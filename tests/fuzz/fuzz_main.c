// SPDX-License-Identifier: BSD-3-Clause
// Runs a fuzz target without libFuzzer: its corpus (tests/fuzz/corpus/NAME, NAME from the program's
// own name), then a bounded number of mutations of it from a fixed seed. So CI runs every target.
//
//   fuzz_NAME [ROUNDS]
//   fuzz_NAME FILE...       only these inputs, to reproduce a crash

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SEEDS 512
#define MAX_BYTES 65536
#define ROUNDS 20000
#define MAX_SECONDS 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seed {
	uint8_t *data;
	size_t bytes;
};

static struct seed seeds[MAX_SEEDS];
static size_t seeds_count;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % n);
}

static bool read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(MAX_BYTES);

	if (file == NULL || data == NULL || seeds_count == MAX_SEEDS) {
		free(data);
		if (file != NULL)
			(void)fclose(file);
		return false;
	}
	seeds[seeds_count].data = data;
	seeds[seeds_count++].bytes = fread(data, 1, MAX_BYTES, file);
	(void)fclose(file);
	return true;
}

static void read_corpus(const char *name)
{
	char folder[512];
	struct dirent **entries;
	int count;

	(void)snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name);
	// By name: the same mutations wherever the tests run.
	count = scandir(folder, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char path[1024];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			(void)read_file(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static size_t mutate(uint8_t *out)
{
	static const uint8_t interesting[] = {
		0, 1, '\n', '\r', '.', '=', '-', ':', ';', '"', 0x7f, 0x80, 0xff};
	size_t bytes = 0;

	if (seeds_count > 0) {
		const struct seed *seed = &seeds[random_below((uint32_t)seeds_count)];

		bytes = seed->bytes;
		memcpy(out, seed->data, bytes);
	}
	for (uint32_t edits = 1 + random_below(8); edits > 0; edits--) {
		uint32_t at = bytes > 0 ? random_below((uint32_t)bytes) : 0;
		uint32_t kind = random_below(5);

		if ((kind == 0 || bytes == 0) && bytes < MAX_BYTES) {
			memmove(out + at + 1, out + at, bytes - at);
			out[at] = (uint8_t)random_below(256);
			bytes++;
		} else if (kind == 1) {
			memmove(out + at, out + at + 1, bytes - at - 1);
			bytes--;
		} else if (kind == 2) {
			out[at] = interesting[random_below(sizeof(interesting))];
		} else if (kind == 3) {
			out[at] = (uint8_t)(out[at] ^ (1u << random_below(8)));
		} else {
			size_t n = 1 + random_below(32);
			uint32_t from = random_below((uint32_t)bytes);

			if (at + n <= bytes && from + n <= bytes)
				memmove(out + at, out + from, n);
		}
	}
	return bytes;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = (slash != NULL ? slash + 1 : argv[0]) + strlen("fuzz_");
	static uint8_t input[MAX_BYTES + 64];
	char *end = NULL;
	long rounds = ROUNDS;
	time_t stop = time(NULL) + MAX_SECONDS;
	long done = 0;

	if (argc > 1) {
		rounds = strtol(argv[1], &end, 10);
		for (int i = 1; *end != '\0' && i < argc; i++)
			(void)read_file(argv[i]);
		if (*end != '\0')
			rounds = 0;
	} else {
		read_corpus(name);
	}
	for (size_t i = 0; i < seeds_count; i++)
		(void)LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].bytes);
	for (; done < rounds && time(NULL) < stop; done++)
		(void)LLVMFuzzerTestOneInput(input, mutate(input));
	for (size_t i = 0; i < seeds_count; i++)
		free(seeds[i].data);
	printf("%zu seeds, %ld mutations\n1 passed, 0 failed, 0 skipped\n", seeds_count, done);
	return 0;
}
