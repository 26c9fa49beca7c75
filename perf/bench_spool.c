// SPDX-License-Identifier: BSD-3-Clause
// How fast mail becomes durable: bench_spool [--quick] [-b BYTES] [-s SECONDS] [-w WORKERS] [-r SPARES]
// [-o WAYS, of abcdefg] [FOLDER]; without a folder one is made below the present one, on the disk to be measured.
//
// In turn, so that what else happens on the machine meets all alike, and in this run alone comparable:
// (a) a file per mail: write, fsync, rename, fsync of the folder; (b) io_uring and O_DIRECT, the same bytes
// overwritten in one prepared file, each mail a write followed by its own linked fsync, several on their way; (c)
// the same with RWF_DSYNC in place of the fsync; (d), (e) as (b) and (c), with as many mails in one write as the
// buffer puts into one, and as many writes on their way as it has: group commit, without all else that it does; (f)
// the buffer: encrypted, with io_uring; (g) with threads. The buffer is measured by the better of (d) and (e) of the
// same round. Without -b for mails of 4, 20 and 100 KB.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spool_state.h"
#include "perf/perf.h"

#include <liburing.h>
#include <openssl/rand.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define WAYS 7
#define DEPTH 8u                // mails on their way, each by itself
#define FILE_BYTES (512u << 20) // what is written over and over again is faster than mail can be
#define WAITING 512u            // mails of a worker that are committed and not durable, at least
#define WAITING_BYTES ((size_t)2 * GROUPS_WRITING * GROUP_BYTES) // and so many bytes of them
#define WORKERS 8

struct bench {
	const char *folder;
	size_t bytes; // of a mail
	double seconds;
	uint32_t workers;
	uint32_t spares;
	const char *ways; // letters
	uint8_t *mail;
	struct spool_keys *keys;
	double rates[WAYS][ROUNDS];
};

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t now_ns(void)
{
	return (uint64_t)(now_s() * 1e9);
}

// ---- (a) ----------------------------------------------------------------------------------------

static double file_per_mail(const struct bench *bench)
{
	int folder = open(bench->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double begin = now_s();
	uint32_t mails = 0;
	double spent;

	perf_need(folder >= 0, bench->folder);
	do {
		char name[32];
		int fd = openat(folder, "mail.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		(void)snprintf(name, sizeof(name), "mail%u", mails++);
		perf_need(fd >= 0 &&
				  write(fd, bench->mail, bench->bytes) == (ssize_t)bench->bytes &&
				  fsync(fd) == 0 && close(fd) == 0 &&
				  renameat(folder, "mail.new", folder, name) == 0 &&
				  fsync(folder) == 0,
			"a file per mail");
		spent = now_s() - begin;
	} while (spent < bench->seconds);
	for (uint32_t i = 0; i < mails; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "mail%u", i);
		(void)unlinkat(folder, name, 0);
	}
	(void)close(folder);
	return mails / spent;
}

// ---- (b), (c) -----------------------------------------------------------------------------------

static int make_file(const struct bench *bench, const uint8_t *zeros)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/raw", bench->folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	perf_need(fd >= 0 && unlink(path) == 0, path);
	for (off_t at = 0; at < FILE_BYTES; at += 1 << 20)
		perf_need(pwrite(fd, zeros, 1 << 20, at) == 1 << 20, "write");
	perf_need(fsync(fd) == 0, "fsync");
	return fd;
}

static void submit_mail(
	struct io_uring *ring, int fd, const void *data, size_t bytes, uint64_t offset, bool linked)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_write(sqe, fd, data, (unsigned int)bytes, offset);
	io_uring_sqe_set_data(sqe, NULL);
	if (!linked) {
		sqe->rw_flags = RWF_DSYNC;
		return;
	}
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, ring);
}

// grouped: as many mails in one write as fit into one of the buffer's.
static double raw_ring(const struct bench *bench, bool linked, bool grouped)
{
	size_t mails_each = grouped && bench->bytes < GROUP_BYTES ? GROUP_BYTES / bench->bytes : 1;
	size_t bytes = (mails_each * bench->bytes + 4095) / 4096 * 4096;
	uint32_t depth = grouped ? GROUPS_WRITING : DEPTH;
	uint8_t *data = aligned_alloc(4096, bytes < 1 << 20 ? 1 << 20 : bytes);
	struct io_uring ring;
	uint64_t offset = 0;
	uint32_t flying = 0;
	uint32_t mails = 0;
	double begin;
	double spent;
	int fd;

	perf_need(data != NULL && io_uring_queue_init(64, &ring, 0) == 0, "io_uring");
	// What is encrypted has no pattern: nor has this.
	perf_need(RAND_bytes(data, 1 << 20) == 1, "random");
	fd = make_file(bench, data);
	begin = now_s();
	do {
		struct io_uring_cqe *cqe;

		for (; flying < depth; flying++) {
			if (offset + bytes > FILE_BYTES)
				offset = 0;
			submit_mail(&ring, fd, data, bytes, offset, linked);
			offset += bytes;
		}
		perf_need(io_uring_submit_and_wait(&ring, 1) >= 0, "submit");
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			bool ends = !linked || io_uring_cqe_get_data(cqe) != NULL;

			perf_need(cqe->res >= 0, "write");
			io_uring_cqe_seen(&ring, cqe);
			mails += ends ? (uint32_t)mails_each : 0;
			flying -= ends;
		}
		spent = now_s() - begin;
	} while (spent < bench->seconds);
	io_uring_queue_exit(&ring);
	(void)close(fd);
	free(data);
	return mails / spent;
}

// ---- (d), (e) -----------------------------------------------------------------------------------

struct producer {
	pthread_t thread;
	const struct bench *bench;
	struct spool_worker *worker;
	uint64_t mails; // durable
};

static bool send_mail(const struct producer *producer)
{
	static const struct spool_envelope envelope = {
		.mail_from = {"sender@example.org", 18}, .helo = {"client.example.org", 18}};
	static const struct spool_reason reason = {.state = SPOOL_HELD, .reason = {"sealed", 6}};
	struct spool_record *record;

	if (spool_begin(producer->worker, &envelope, NULL, &record) != 0)
		return false;
	for (size_t at = 0; at < producer->bench->bytes; at += 1448) {
		size_t n = producer->bench->bytes - at;

		if (spool_append(record, producer->bench->mail + at, n < 1448 ? n : 1448) != 0) {
			spool_abort(record);
			return false;
		}
	}
	if (spool_commit(record, &reason, now_ns()) == 0)
		return true;
	spool_abort(record);
	return false;
}

static void *produce(void *arg)
{
	struct producer *producer = arg;
	size_t enough = WAITING_BYTES / producer->bench->bytes;
	double begin = now_s();
	uint32_t waiting = 0;
	bool more = true;

	while (more || waiting > 0) {
		struct spool_done done[64];
		size_t n;

		// A mail that finds no room in its middle would be written in vain.
		while (more && (waiting < WAITING || waiting < enough) &&
			spool_room(producer->worker, NULL) > 2 * producer->bench->bytes &&
			send_mail(producer))
			waiting++;
		n = spool_poll(producer->worker, now_ns(), done, 64);
		for (size_t i = 0; i < n; i++)
			perf_need(done[i].error == 0, "mail");
		producer->mails += n;
		waiting -= (uint32_t)n;
		// A worker has other things to do than to look here again and again.
		if (n == 0)
			(void)usleep(50);
		more = now_s() - begin < producer->bench->seconds;
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

static double buffer(const struct bench *bench, bool ring)
{
	struct producer producers[WORKERS] = {0};
	struct spool_options options;
	struct spool_status status;
	struct spool *spool;
	struct spool_io *io;
	uint64_t mails = 0;
	double begin;
	double spent;

	spool_options_init(&options);
	options.workers = bench->workers;
	options.spares = bench->spares;
	options.memory_bytes = 128u << 20;
	options.deadline_ns = 60000000000u;
	perf_need((ring ? spool_ring_open(bench->folder, &io)
			: spool_thread_open(bench->folder, 4, &io)) == 0,
		"io");
	perf_need(spool_open(&options, bench->keys, io, &spool) == 0, "spool_open");
	// The spares are made while nothing else is going on, as before a seal.
	do {
		(void)usleep(10000);
		spool_get_status(spool, &status);
	} while (status.segments_made < bench->spares);
	begin = now_s();
	for (uint32_t i = 0; i < bench->workers; i++) {
		producers[i].bench = bench;
		producers[i].worker = spool_get_worker(spool, i);
		perf_need(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0,
			"thread");
	}
	for (uint32_t i = 0; i < bench->workers; i++) {
		(void)pthread_join(producers[i].thread, NULL);
		mails += producers[i].mails;
	}
	spent = now_s() - begin;
	spool_close(spool);
	remove_segments(bench->folder);
	return (double)mails / spent;
}

// ---- main ---------------------------------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return difference < 0 ? -1 : difference > 0;
}

static double median(const double *values, unsigned int count)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, count * sizeof(values[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_size);
	return sorted[count / 2];
}

static bool wanted(const struct bench *bench, size_t way)
{
	return strchr(bench->ways, (int)('a' + way)) != NULL;
}

static double measure(const struct bench *bench, size_t way)
{
	switch (way) {
	case 0:
		return file_per_mail(bench);
	case 1:
	case 2:
		return raw_ring(bench, way == 1, false);
	case 3:
	case 4:
		return raw_ring(bench, way == 3, true);
	default:
		return buffer(bench, way == 5);
	}
}

static void run(struct bench *bench, unsigned int rounds)
{
	static const char *const names[WAYS] = {"file-per-mail", "write+fsync", "write-dsync",
		"groups+fsync", "groups-dsync", "io_uring", "threads"};
	char name[64];

	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < WAYS; i++)
			bench->rates[i][round] = wanted(bench, i) ? measure(bench, i) : 0;
	}
	for (size_t i = 0; i < WAYS; i++) {
		// What the buffer is measured by: the better of the two raw ways with groups of that round.
		double peers[ROUNDS];
		double ratios[ROUNDS];

		for (unsigned int round = 0; round < rounds; round++) {
			double raw = bench->rates[3][round];

			peers[round] = bench->rates[4][round] > raw ? bench->rates[4][round] : raw;
			ratios[round] = bench->rates[i][round] / peers[round];
		}
		(void)snprintf(name, sizeof(name), "buffer/durable/%zu/%s", bench->bytes, names[i]);
		if (!wanted(bench, i))
			continue;
		perf_row_ratio(name, median(bench->rates[i], rounds), "mails/s",
			"raw io_uring, groups written and synced", median(peers, rounds),
			median(ratios, rounds));
		(void)snprintf(name, sizeof(name), "buffer/bytes/%zu/%s", bench->bytes, names[i]);
		perf_row_ratio(name, median(bench->rates[i], rounds) * (double)bench->bytes / 1e6,
			"MB/s", "raw io_uring, groups written and synced",
			median(peers, rounds) * (double)bench->bytes / 1e6, median(ratios, rounds));
	}
}

static _Noreturn void usage(void)
{
	(void)fprintf(stderr,
		"bench_spool [--quick] [-b BYTES] [-s SECONDS] [-w WORKERS] [-r SPARES] "
		"[-o WAYS, of abcdefg] [FOLDER]\n");
	exit(2); // NOLINT(concurrency-mt-unsafe): no thread yet
}

static bool read_options(struct bench *bench, int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	bool has_bytes = false;
	bool quick = false;
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet
	while ((option = getopt_long(argc, argv, "b:o:r:s:w:", names, NULL)) != -1) {
		if (option == 'b') {
			bench->bytes = strtoul(optarg, NULL, 10);
			has_bytes = true;
		} else if (option == 'o')
			bench->ways = optarg;
		else if (option == 'r')
			bench->spares = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 's')
			bench->seconds = strtod(optarg, NULL);
		else if (option == 'w')
			bench->workers = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'q')
			quick = true;
		else
			usage();
	}
	if (optind + 1 < argc || bench->workers == 0 || bench->workers > WORKERS ||
		(bench->bytes == 0 && has_bytes))
		usage();
	bench->folder = optind < argc ? argv[optind] : NULL;
	return quick;
}

int main(int argc, char **argv)
{
	struct bench bench = {
		.bytes = 0, .seconds = 0.5, .workers = 1, .spares = 4, .ways = "abcdefg"};
	static const size_t sizes[] = {4000, 20000, 100000};
	size_t only;
	char made[] = "build/bench-spool-XXXXXX";
	bool quick = read_options(&bench, argc, argv);
	char key[512];

	if (bench.folder == NULL)
		bench.folder = mkdtemp(made);
	perf_need(bench.folder != NULL, made);
	(void)snprintf(key, sizeof(key), "%s/key", bench.folder);
	only = bench.bytes;
	bench.mail = malloc(only > sizes[2] ? only : sizes[2]);
	perf_need(bench.mail != NULL && spool_keys_open(key, &bench.keys) == 0, key);
	for (size_t i = 0; bench.mail != NULL && i < (only > sizes[2] ? only : sizes[2]); i++)
		bench.mail[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < 3 && only == 0; i++) {
		bench.bytes = sizes[i];
		run(&bench, quick ? 3 : ROUNDS);
	}
	if (only != 0)
		run(&bench, quick ? 3 : ROUNDS);
	spool_keys_free(bench.keys);
	free(bench.mail);
	if (bench.folder == made) {
		(void)unlink(key);
		(void)rmdir(made);
	}
	return 0;
}
