// SPDX-License-Identifier: BSD-3-Clause
// What messages in progress take: bench_memory IMAGE [MESSAGES]
//
// Of each kind so many messages are begun on a scanner of their own and fed up to the middle of their
// body; what the process's resident memory has grown by is divided by their number.
#include "scan/scan.h"

#include <zlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 76
#define LINES 400

struct kind {
	const char *name;
	const char *head;
	int filling; // 't' text, 'b' base64, 'z' base64 of a zip, 'h' HTML
};

static const struct kind kinds[] = {
	{"text", "Subject: a\r\n\r\n", 't'},
	{"html", "Content-Type: text/html\r\n\r\n<html><body>", 'h'},
	{"attachment",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\n"
		"Content-Type: application/octet-stream; name=a.bin\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n",
		'b'},
	{"zip",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\n"
		"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: "
		"base64\r\n\r\n",
		'z'},
};

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long all = 0;
	unsigned long resident = 0;

	if (file == NULL || fscanf(file, "%lu %lu", &all, &resident) != 2) // NOLINT(cert-err34-c)
		exit(2); // NOLINT(concurrency-mt-unsafe)
	(void)fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

// A local header of a zip, then deflated data without an end.
static size_t make_zip(uint8_t *out, size_t room)
{
	static const uint8_t head[] = {'P', 'K', 3, 4, 20, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'a'};
	z_stream z = {0};
	uint8_t noise[4096];

	memcpy(out, head, sizeof(head));
	(void)deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	z.next_out = out + sizeof(head);
	z.avail_out = (unsigned int)(room - sizeof(head));
	for (unsigned int seed = 1; z.avail_out > 0;) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1103515245u + 12345u;
			noise[i] = (uint8_t)(seed >> 24 & 63);
		}
		z.next_in = noise;
		z.avail_in = sizeof(noise);
		(void)deflate(&z, Z_FULL_FLUSH);
	}
	(void)deflateEnd(&z);
	return room;
}

static void fill(char *body, int filling)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static uint8_t packed[LINES * LINE_BYTES / 4 * 3];

	if (filling == 'z')
		(void)make_zip(packed, sizeof(packed));
	for (size_t i = 0; i < (size_t)LINES * LINE_BYTES; i++) {
		size_t line = i / LINE_BYTES;
		const uint8_t *three = packed + i / 4 * 3;
		uint32_t word = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | three[2];
		char c = letters[(i * 7 + i / 64 * 3) % 64];

		if (filling == 'z')
			c = letters[word >> (18 - 6 * (i % 4)) & 63];
		else if (filling != 'b')
			c = "abcde fghij klmno pqrst "[i % 24];
		if (filling == 'h' && i % LINE_BYTES < 3)
			c = "<b>"[i % LINE_BYTES];
		body[line * (LINE_BYTES + 2) + i % LINE_BYTES] = c;
		body[line * (LINE_BYTES + 2) + LINE_BYTES] = '\r';
		body[line * (LINE_BYTES + 2) + LINE_BYTES + 1] = '\n';
	}
}

static void measure(const struct ruleset *ruleset, const struct kind *kind, uint32_t count)
{
	static char body[LINES * (LINE_BYTES + 2)];
	struct scan **scans = calloc(count, sizeof(struct scan *));
	struct scan_options options;
	struct scanner *scanner;
	size_t before;

	scan_options_init(&options);
	options.max_messages = count;
	options.digests = DIGEST_SHA256;
	if (scans == NULL || scanner_new(&options, ruleset, &scanner) != 0)
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread
	fill(body, kind->filling);
	before = resident_bytes();
	for (uint32_t i = 0; i < count; i++) {
		if (scan_begin(scanner, SCAN_MESSAGE, &scans[i]) != 0)
			exit(2); // NOLINT(concurrency-mt-unsafe): one thread
		scan_feed(scans[i], (const uint8_t *)kind->head, strlen(kind->head));
		scan_feed(scans[i], (const uint8_t *)body, sizeof(body));
	}
	printf("%-10s %zu bytes a message\n", kind->name, (resident_bytes() - before) / count);
	for (uint32_t i = 0; i < count; i++)
		scan_free(scans[i]);
	scanner_free(scanner);
	free(scans);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
	struct ruleset *ruleset;

	if (argc < 2 || count == 0 || ruleset_open(argv[1], &ruleset) != 0) {
		fprintf(stderr, "usage: bench_memory IMAGE [MESSAGES]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		measure(ruleset, &kinds[i], count);
	ruleset_close(ruleset);
	return 0;
}
