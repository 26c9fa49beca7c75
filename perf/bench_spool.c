// SPDX-License-Identifier: BSD-3-Clause
// How fast mail becomes durable: bench_spool [--quick] [-b BYTES] [-m MIB] [-w WORKERS] [-o WAYS, of a to k]
// [FOLDER]; without a folder one is made below the present one, on the disk to be measured.
//
// In turn, so that what else happens on the machine meets all alike, and in this run alone comparable. Each way
// stores so many bytes (MIB), on two kinds of ground:
//
// Prepared, written once before, and now once more: (a) io_uring and O_DIRECT, with as many mails in one write as the
// buffer puts into one, as many writes on their way as it has, and a linked fdatasync behind each: group commit,
// without all else that the buffer does; (b) the same with RWF_DSYNC in place of the fdatasync; (c) the same with one
// fdatasync for all that have completed meanwhile, as the buffer does it; (d) the buffer, encrypted, with io_uring, in
// segments that it has filled with zeros before; (e) with threads. They are measured by the best of (a) to (c).
//
// Fresh, as when mail comes for longer than segments were prepared for: (f) to (h) as (a) to (c) in a file that was
// allocated and never written to; (i), (j) the buffer, with two spares and no time to fill them, measured by the
// best of (f) to (h). And (k), a file per mail: write, fsync, rename, fsync of the folder.
//
// The same bytes of mail, that is: what the buffer stores beside them is its own. Each round's rate is divided by that
// of the peer in the same round, and the median of those is told.
//
// Beside those how long an acknowledgement takes (p50, p99), under that load and of one mail at a time with nothing
// else on its way; this process's processor time for a byte; and AES-256-GCM alone. Without -b for mails of 4, 20 and 100 KB.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spool_state.h"
#include "perf/disk.h"
#include "perf/perf.h"

#include <openssl/rand.h>

#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_ROUNDS 7
#define WAYS 11
#define WAITING 16u // mails of a worker that are committed and not durable, at least
#define WAITING_BYTES ((size_t)2 * GROUPS_WRITING * GROUP_BYTES) // and so many bytes of them
#define WORKERS 8
#define ALONE 300        // mails one at a time
#define SMALL_BYTES 400u // that a mail takes on the disk beside its own, at most

enum kind { KIND_RAW, KIND_RING, KIND_THREADS, KIND_FILES };

static const struct way {
	const char *name;
	enum kind kind;
	bool fresh;
	enum disk_sync sync;
} ways[WAYS] = {
	{"groups+fsync", KIND_RAW, false, DISK_LINKED},
	{"groups-dsync", KIND_RAW, false, DISK_DSYNC},
	{"groups+shared-fsync", KIND_RAW, false, DISK_SHARED},
	{"io_uring", KIND_RING, false, DISK_SHARED},
	{"threads", KIND_THREADS, false, DISK_SHARED},
	{"new-groups+fsync", KIND_RAW, true, DISK_LINKED},
	{"new-groups-dsync", KIND_RAW, true, DISK_DSYNC},
	{"new-groups+shared-fsync", KIND_RAW, true, DISK_SHARED},
	{"new-io_uring", KIND_RING, true, DISK_SHARED},
	{"new-threads", KIND_THREADS, true, DISK_SHARED},
	{"file-per-mail", KIND_FILES, false, DISK_LINKED},
};

struct bench {
	struct disk disk;
	uint32_t workers;
	const char *ways; // letters
	unsigned int rounds;
	struct spool_keys *keys;
	double rates[WAYS][MOST_ROUNDS];
	double p50[WAYS][MOST_ROUNDS];
	double p99[WAYS][MOST_ROUNDS];
	double processor_ns[WAYS][MOST_ROUNDS]; // for each byte
};

// ---- the buffer ---------------------------------------------------------------------------------

struct producer {
	pthread_t thread;
	const struct bench *bench;
	struct spool_worker *worker;
	struct disk_times times;
	uint64_t mails; // to send
	size_t waiting; // at once
};

static bool send_mail(const struct producer *producer)
{
	static const struct spool_envelope envelope = {
		.mail_from = {"sender@example.org", 18}, .helo = {"client.example.org", 18}};
	static const struct spool_reason reason = {.state = SPOOL_HELD, .reason = {"sealed", 6}};
	const uint64_t since = disk_now_ns();
	struct spool_record *record;

	// The time is what comes back with the result.
	if (spool_begin(producer->worker, &envelope, (void *)(uintptr_t)since, &record) != 0)
		return false;
	for (size_t at = 0; at < producer->bench->disk.bytes; at += 1448) {
		size_t n = producer->bench->disk.bytes - at;

		if (spool_append(record, producer->bench->disk.mail + at, n < 1448 ? n : 1448) !=
			0) {
			spool_abort(record);
			return false;
		}
	}
	if (spool_commit(record, &reason, since) == 0)
		return true;
	spool_abort(record);
	return false;
}

static void *produce(void *arg)
{
	struct producer *producer = arg;
	uint64_t left = producer->mails;
	size_t waiting = 0;

	while (left > 0 || waiting > 0) {
		struct spool_done done[64];
		size_t n;

		// A mail that finds no room in its middle would be written in vain.
		while (left > 0 && waiting < producer->waiting &&
			spool_room(producer->worker, NULL) > 2 * producer->bench->disk.bytes &&
			send_mail(producer)) {
			waiting++;
			left--;
		}
		n = spool_poll(producer->worker, disk_now_ns(), done, 64);
		for (size_t i = 0; i < n; i++) {
			perf_need(done[i].error == 0, "mail");
			disk_note(&producer->times, (uintptr_t)done[i].cookie, disk_now_ns());
		}
		waiting -= n;
		// A worker has other things to do than to look here again and again.
		if (n == 0)
			(void)usleep(50);
	}
	return NULL;
}

static void remove_segments(const char *folder)
{
	DIR *list = opendir(folder);
	struct dirent *entry;

	perf_need(list != NULL, folder);
	if (list == NULL)
		return;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(list)) != NULL) {
		if (strstr(entry->d_name, ".seg") != NULL)
			(void)unlinkat(dirfd(list), entry->d_name, 0);
	}
	(void)closedir(list);
}

// spares 0: as many as all the mail takes, filled while nothing else is going on, as before a seal.
static struct spool *open_spool(const struct bench *bench, bool ring, uint32_t spares)
{
	struct spool_options options;
	struct spool_status status;
	struct spool *spool;
	struct spool_io *io;

	spool_options_init(&options);
	options.workers = bench->workers;
	options.spares = spares;
	options.memory_bytes = 128u << 20;
	options.deadline_ns = 60000000000u;
	if (spares == 0)
		options.spares = (uint32_t)(bench->disk.total / bench->disk.bytes *
						    (bench->disk.bytes + SMALL_BYTES) /
						    options.segment_bytes * 21 / 20 +
					    2);
	perf_need((ring ? spool_ring_open(bench->disk.folder, &io)
			: spool_thread_open(bench->disk.folder, 4, &io)) == 0,
		"io");
	perf_need(spool_open(&options, bench->keys, io, &spool) == 0, "spool_open");
	do {
		spool_get_status(spool, &status);
	} while (spares == 0 && status.segments_filled < options.spares && usleep(10000) == 0);
	return spool;
}

static double feed(const struct bench *bench, struct spool *spool, uint64_t mails, size_t waiting,
	struct disk_times *times)
{
	struct producer producers[WORKERS] = {0};
	const uint64_t each = mails / (bench->workers > 0 ? bench->workers : 1);
	const double processor_s = disk_processor_s();
	uint64_t begin = disk_now_ns();
	uint64_t sent = 0;
	double spent;

	for (uint32_t i = 0; i < bench->workers; i++) {
		producers[i] = (struct producer){.bench = bench,
			.worker = spool_get_worker(spool, i),
			.mails = each,
			.waiting = waiting,
			.times = {.us = malloc(DISK_TIMES * sizeof(uint32_t))}};
		sent += each;
		perf_need(
			producers[i].times.us != NULL && pthread_create(&producers[i].thread, NULL,
								 produce, &producers[i]) == 0,
			"thread");
	}
	for (uint32_t i = 0; i < bench->workers; i++)
		(void)pthread_join(producers[i].thread, NULL);
	spent = disk_seconds(begin);
	times->processor_s = disk_processor_s() - processor_s;
	for (uint32_t i = 0; i < bench->workers; i++) {
		for (uint32_t j = 0; j < producers[i].times.count && times->count < DISK_TIMES; j++)
			times->us[times->count++] = producers[i].times.us[j];
		free(producers[i].times.us);
	}
	return (double)sent / spent;
}

static double buffer(const struct bench *bench, bool ring, bool fresh, struct disk_times *times)
{
	struct spool *spool = open_spool(bench, ring, fresh ? 2 : 0);
	size_t enough = WAITING_BYTES / bench->disk.bytes;
	double rate = feed(bench, spool, bench->disk.total / bench->disk.bytes,
		enough > WAITING ? enough : WAITING, times);

	spool_close(spool);
	remove_segments(bench->disk.folder);
	return rate;
}

// ---- all together -------------------------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return difference < 0 ? -1 : difference > 0;
}

static double median(const double *values, unsigned int count)
{
	double sorted[MOST_ROUNDS];

	memcpy(sorted, values, count * sizeof(values[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_size);
	return sorted[count / 2];
}

static double measure(const struct bench *bench, const struct way *way, struct disk_times *times)
{
	if (way->kind == KIND_RAW)
		return disk_groups(&bench->disk, way->sync, way->fresh, times);
	return way->kind == KIND_FILES ? disk_file_per_mail(&bench->disk, times)
				       : buffer(bench, way->kind == KIND_RING, way->fresh, times);
}

static void measure_all(struct bench *bench, struct disk_times *times)
{
	for (unsigned int round = 0; round < bench->rounds; round++) {
		for (size_t i = 0; i < WAYS; i++) {
			times->count = 0;
			if (strchr(bench->ways, (int)('a' + i)) == NULL)
				continue;
			bench->rates[i][round] = measure(bench, &ways[i], times);
			disk_sort(times);
			bench->p50[i][round] = disk_part(times, 0.5);
			bench->p99[i][round] = disk_part(times, 0.99);
			bench->processor_ns[i][round] =
				times->processor_s * 1e9 / (double)bench->disk.total;
		}
	}
}

// The raw way that is best on that ground.
static size_t find_peer(const struct bench *bench, bool fresh)
{
	size_t best = WAYS;

	for (size_t i = 0; i < WAYS; i++) {
		if (ways[i].kind != KIND_RAW || ways[i].fresh != fresh)
			continue;
		if (best == WAYS || median(bench->rates[i], bench->rounds) >
					    median(bench->rates[best], bench->rounds))
			best = i;
	}
	return best;
}

static void tell_way(const struct bench *bench, size_t number)
{
	const struct way *way = &ways[number];
	const char *against = way->fresh ? "raw io_uring, groups written to new files and synced"
					 : "raw io_uring, groups written and synced";
	size_t raw = find_peer(bench, way->fresh);
	double rate = median(bench->rates[number], bench->rounds);
	double peer = median(bench->rates[raw], bench->rounds);
	double ratios[MOST_ROUNDS] = {0};
	double ratio;
	char name[64];

	for (unsigned int round = 0; round < bench->rounds; round++)
		ratios[round] =
			peer > 0 ? bench->rates[number][round] / bench->rates[raw][round] : 0;
	ratio = median(ratios, bench->rounds);
	(void)snprintf(name, sizeof(name), "buffer/durable/%zu/%s", bench->disk.bytes, way->name);
	perf_row_ratio(name, rate, "mails/s", against, peer, ratio);
	(void)snprintf(name, sizeof(name), "buffer/bytes/%zu/%s", bench->disk.bytes, way->name);
	perf_row_ratio(name, rate * (double)bench->disk.bytes / 1e6, "MB/s", against,
		peer * (double)bench->disk.bytes / 1e6, ratio);
	// Of the others those are beside.
	if (way->kind == KIND_RAW)
		return;
	(void)snprintf(name, sizeof(name), "buffer/ack-p50/%zu/%s", bench->disk.bytes, way->name);
	perf_row(name, median(bench->p50[number], bench->rounds), "us", against,
		median(bench->p50[raw], bench->rounds));
	(void)snprintf(name, sizeof(name), "buffer/ack-p99/%zu/%s", bench->disk.bytes, way->name);
	perf_row(name, median(bench->p99[number], bench->rounds), "us", against,
		median(bench->p99[raw], bench->rounds));
	(void)snprintf(name, sizeof(name), "buffer/processor/%zu/%s", bench->disk.bytes, way->name);
	if (way->kind != KIND_FILES)
		perf_row(name, median(bench->processor_ns[number], bench->rounds), "ns/B", against,
			median(bench->processor_ns[raw], bench->rounds));
}

static void tell_alone(const struct bench *bench, struct disk_times *times)
{
	struct spool *spool = open_spool(bench, true, 1);
	struct bench one = *bench;
	char name[64];

	times->count = 0;
	one.workers = 1;
	(void)feed(&one, spool, ALONE, 1, times);
	spool_close(spool);
	remove_segments(bench->disk.folder);
	disk_sort(times);
	(void)snprintf(name, sizeof(name), "buffer/alone-p50/%zu", bench->disk.bytes);
	perf_row(name, disk_part(times, 0.5), "us", NULL, 0);
	(void)snprintf(name, sizeof(name), "buffer/alone-p99/%zu", bench->disk.bytes);
	perf_row(name, disk_part(times, 0.99), "us", NULL, 0);
}

// Mails of that size sealed one behind the other, into the memory that the disk would take them from.
static void tell_cipher(const struct bench *bench)
{
	struct spool_sealer *sealer = NULL;
	const struct iovec piece = {bench->disk.mail, SPOOL_CONTENT_BYTES};
	struct spool_chunk chunk = {.kind = SPOOL_KIND_RECORD};
	uint8_t *out = spool_memory((size_t)GROUPS * GROUP_BYTES);
	uint64_t bytes = 0;
	uint64_t begin = disk_now_ns();
	char name[64];

	perf_need(out != NULL && spool_sealer_new(bench->keys, &sealer) == 0, "keys");
	for (size_t at = 0; disk_seconds(begin) < 0.1; at += SPOOL_CHUNK_BYTES, chunk.id.number++) {
		chunk.body_bytes =
			(uint32_t)(bench->disk.bytes < SPOOL_CONTENT_BYTES ? bench->disk.bytes
									   : SPOOL_CONTENT_BYTES);
		at %= (size_t)GROUPS * GROUP_BYTES;
		perf_need(spool_chunk_seal(sealer, &chunk, &piece, out + at) > 0, "seal");
		bytes += chunk.body_bytes;
	}
	(void)snprintf(name, sizeof(name), "buffer/cipher/%zu", bench->disk.bytes);
	perf_row(name, (double)bytes / disk_seconds(begin) / 1e6, "MB/s", NULL, 0);
	spool_sealer_free(sealer);
	free(out);
}

static void run(struct bench *bench)
{
	struct disk_times times = {.us = malloc(DISK_TIMES * sizeof(uint32_t))};

	perf_need(times.us != NULL, "memory");
	measure_all(bench, &times);
	for (size_t i = 0; i < WAYS; i++) {
		if (strchr(bench->ways, (int)('a' + i)) != NULL)
			tell_way(bench, i);
	}
	tell_alone(bench, &times);
	tell_cipher(bench);
	free(times.us);
}

// ---- main ---------------------------------------------------------------------------------------

static _Noreturn void usage(void)
{
	(void)fprintf(stderr, "bench_spool [--quick] [-b BYTES] [-m MIB] [-w WORKERS] "
			      "[-o WAYS, of a to k] [FOLDER]\n");
	exit(2); // NOLINT(concurrency-mt-unsafe): no thread yet
}

static void read_options(struct bench *bench, int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet
	while ((option = getopt_long(argc, argv, "b:m:o:w:", names, NULL)) != -1) {
		if (option == 'b')
			bench->disk.bytes = strtoul(optarg, NULL, 10);
		else if (option == 'o')
			bench->ways = optarg;
		else if (option == 'm')
			bench->disk.total = strtoull(optarg, NULL, 10) << 20;
		else if (option == 'w')
			bench->workers = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'q') {
			bench->rounds = 3;
			bench->disk.total = 96u << 20;
		} else
			usage();
	}
	if (optind + 1 < argc || bench->workers == 0 || bench->workers > WORKERS ||
		bench->disk.total < 64u << 20 || bench->disk.bytes > GROUP_BYTES)
		usage();
	bench->disk.folder = optind < argc ? argv[optind] : NULL;
}

int main(int argc, char **argv)
{
	struct bench bench = {.disk = {.total = 384u << 20},
		.workers = 1,
		.rounds = MOST_ROUNDS,
		.ways = "abcdefghijk"};
	static const size_t sizes[] = {4000, 20000, 100000};
	char made[] = "build/bench-spool-XXXXXX";
	size_t only;
	char key[512];

	read_options(&bench, argc, argv);
	if (bench.disk.folder == NULL)
		bench.disk.folder = mkdtemp(made);
	perf_need(bench.disk.folder != NULL, made);
	(void)snprintf(key, sizeof(key), "%s/key", bench.disk.folder);
	only = bench.disk.bytes;
	bench.disk.mail = malloc(GROUP_BYTES);
	bench.disk.data = spool_memory((size_t)GROUPS * GROUP_BYTES);
	perf_need(bench.disk.mail != NULL && bench.disk.data != NULL &&
			  RAND_bytes(bench.disk.data, (int)(GROUPS * GROUP_BYTES)) == 1 &&
			  spool_keys_open(key, &bench.keys) == 0,
		key);
	for (size_t i = 0; bench.disk.mail != NULL && i < GROUP_BYTES; i++)
		bench.disk.mail[i] = (uint8_t)(i * 7 + i / 251);
	bench.disk.prepared = disk_make_file(&bench.disk, true);
	for (size_t i = 0; i < (only == 0 ? 3 : 1); i++) {
		bench.disk.bytes = only == 0 ? sizes[i] : only;
		run(&bench);
	}
	(void)close(bench.disk.prepared);
	spool_keys_free(bench.keys);
	free(bench.disk.data);
	free(bench.disk.mail);
	if (bench.disk.folder == made) {
		(void)unlink(key);
		(void)rmdir(made);
	}
	return 0;
}
