// SPDX-License-Identifier: BSD-3-Clause
// How fast mail becomes durable: bench_spool [--quick] [-b BYTES] [-m MIB] [-w WORKERS] [-o WAYS, of a to i]
// [FOLDER]; without a folder one is made below the present one, on the disk to be measured.
//
// In turn, so that what else happens on the machine meets all alike, and in this run alone comparable. Each way
// stores so many bytes (MIB), on two kinds of ground:
//
// Prepared, written once before, and now once more: (a) io_uring and O_DIRECT, with as many mails in one write as the
// buffer puts into one, as many writes on their way as it has, and a linked fdatasync behind each: group commit,
// without all else that the buffer does; (b) the same with RWF_DSYNC in place of the fdatasync; (c) the buffer,
// encrypted, with io_uring, in segments that it has filled with zeros before; (d) with threads. They are measured by
// the better of (a) and (b) of the same round.
//
// Fresh, as when mail comes for longer than segments were prepared for: (e), (f) as (a) and (b) in a file that was
// allocated and never written to; (g), (h) the buffer, with two spares and no time to fill them, measured by the
// better of (e) and (f). And (i), a file per mail: write, fsync, rename, fsync of the folder.
//
// Beside those how long an acknowledgement takes (p50, p99): under that load, and of a mail at a time with nothing
// else on its way, beside a write with RWF_DSYNC of the same bytes; and the buffer's AES-256-GCM alone. Without -b
// for mails of 4, 20 and 100 KB.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spool_state.h"
#include "perf/perf.h"

#include <liburing.h>
#include <openssl/rand.h>

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_ROUNDS 7
#define WAYS 9
#define WAITING 512u // mails of a worker that are committed and not durable, at least
#define WAITING_BYTES ((size_t)2 * GROUPS_WRITING * GROUP_BYTES) // and so many bytes of them
#define WORKERS 8
#define ALONE 300        // mails one at a time
#define TIMES (1u << 20) // acknowledgements that are remembered
#define SMALL_BYTES 400u // that a mail takes on the disk beside its own, at most

struct bench {
	const char *folder;
	size_t bytes; // of a mail
	uint64_t total;
	uint32_t workers;
	const char *ways; // letters
	unsigned int rounds;
	int prepared; // a file, filled
	uint8_t *mail;
	uint8_t *data; // without a pattern, as what is encrypted, in pages as large as the buffer's
	struct spool_keys *keys;
	double rates[WAYS][MOST_ROUNDS];
	double p50[WAYS][MOST_ROUNDS];
	double p99[WAYS][MOST_ROUNDS];
};

// What one run has found.
struct times {
	uint32_t *us;
	uint32_t count;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(struct times *times, uint64_t since_ns, uint64_t until_ns)
{
	if (times->count < TIMES)
		times->us[times->count++] = (uint32_t)((until_ns - since_ns) / 1000);
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double part_of(const struct times *times, double part)
{
	return times->count > 0 ? times->us[(uint32_t)(part * (double)(times->count - 1))] : 0;
}

static double seconds(uint64_t since_ns)
{
	return (double)(now_ns() - since_ns) / 1e9;
}

// ---- a file per mail ----------------------------------------------------------------------------

static double file_per_mail(const struct bench *bench, struct times *times)
{
	int folder = open(bench->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const uint64_t begin = now_ns();
	uint32_t mails = 0;
	double spent;

	perf_need(folder >= 0, bench->folder);
	do {
		char name[32];
		uint64_t since = now_ns();
		int fd = openat(folder, "mail.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		(void)snprintf(name, sizeof(name), "mail%u", mails++);
		perf_need(fd >= 0 &&
				  write(fd, bench->mail, bench->bytes) == (ssize_t)bench->bytes &&
				  fsync(fd) == 0 && close(fd) == 0 &&
				  renameat(folder, "mail.new", folder, name) == 0 &&
				  fsync(folder) == 0,
			"a file per mail");
		note(times, since, now_ns());
		spent = seconds(begin);
	} while (spent < 0.3);
	for (uint32_t i = 0; i < mails; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "mail%u", i);
		(void)unlinkat(folder, name, 0);
	}
	(void)close(folder);
	return mails / spent;
}

// ---- raw ----------------------------------------------------------------------------------------

// Allocated as the buffer allocates; filled: written to as well.
static int make_file(const struct bench *bench, bool filled)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/raw", bench->folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	perf_need(fd >= 0 && unlink(path) == 0, path);
	perf_need(posix_fallocate(fd, 0, (off_t)bench->total) == 0, "allocate");
	for (off_t at = 0; filled && (uint64_t)at < bench->total; at += 1 << 20)
		perf_need(pwrite(fd, bench->data, 1 << 20, at) == 1 << 20, "write");
	perf_need(fsync(fd) == 0, "fsync");
	return fd;
}

struct raw {
	struct io_uring ring;
	const struct bench *bench;
	int fd;
	size_t bytes; // of a write
	uint32_t mails_each;
	uint32_t depth;
	bool linked;
	uint64_t since[64]; // by place in the ring
	uint32_t free[64];
	uint32_t free_count;
};

// The data comes from another place each time, as the buffer's does.
static void submit_write(struct raw *raw, uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&raw->ring);
	uint32_t place = raw->free[--raw->free_count];
	const size_t places = (size_t)GROUPS * GROUP_BYTES / raw->bytes;
	const uint8_t *data = raw->bench->data + offset / raw->bytes % places * raw->bytes;

	raw->since[place] = now_ns();
	io_uring_prep_write_fixed(sqe, raw->fd, data, (unsigned int)raw->bytes, (__u64)offset, 0);
	io_uring_sqe_set_data64(sqe, place);
	if (!raw->linked) {
		sqe->rw_flags = RWF_DSYNC;
		return;
	}
	io_uring_sqe_set_data64(sqe, UINT64_MAX);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&raw->ring);
	io_uring_prep_fsync(sqe, raw->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data64(sqe, place);
}

static uint64_t take_writes(struct raw *raw, struct times *times)
{
	struct io_uring_cqe *cqe;
	uint64_t mails = 0;

	while (io_uring_peek_cqe(&raw->ring, &cqe) == 0) {
		uint64_t place = io_uring_cqe_get_data64(cqe);

		perf_need(cqe->res >= 0, "write");
		io_uring_cqe_seen(&raw->ring, cqe);
		if (place == UINT64_MAX)
			continue;
		note(times, raw->since[place], now_ns());
		raw->free[raw->free_count++] = (uint32_t)place;
		mails += raw->mails_each;
	}
	return mails;
}

// All of the file once, or so many writes.
static double raw_run(struct raw *raw, uint64_t writes, struct times *times)
{
	const struct bench *bench = raw->bench;
	struct iovec buffer = {bench->data, (size_t)GROUPS * GROUP_BYTES};
	uint64_t offset = 0;
	uint64_t mails = 0;
	uint64_t begin;
	double spent;

	perf_need(io_uring_queue_init(128, &raw->ring, 0) == 0 &&
			  io_uring_register_buffers(&raw->ring, &buffer, 1) == 0,
		"io_uring");
	for (raw->free_count = 0; raw->free_count < raw->depth; raw->free_count++)
		raw->free[raw->free_count] = raw->free_count;
	begin = now_ns();
	if (writes > bench->total / raw->bytes)
		writes = bench->total / raw->bytes;
	while (writes > 0 || raw->free_count < raw->depth) {
		for (; raw->free_count > 0 && writes > 0; writes--) {
			submit_write(raw, offset);
			offset += raw->bytes;
		}
		perf_need(io_uring_submit_and_wait(&raw->ring, 1) >= 0, "submit");
		mails += take_writes(raw, times);
	}
	spent = seconds(begin);
	io_uring_queue_exit(&raw->ring);
	return (double)mails / spent;
}

static size_t whole_blocks(size_t bytes)
{
	return (bytes + 4095) / 4096 * 4096;
}

static double raw_way(const struct bench *bench, bool linked, bool fresh, struct times *times)
{
	struct raw raw = {.bench = bench, .linked = linked, .fd = bench->prepared};
	double rate;

	raw.mails_each = GROUP_BYTES / (uint32_t)bench->bytes;
	raw.bytes = whole_blocks(raw.mails_each * bench->bytes);
	raw.depth = GROUPS_WRITING;
	if (fresh)
		raw.fd = make_file(bench, false);
	rate = raw_run(&raw, UINT64_MAX, times);
	if (fresh)
		(void)close(raw.fd);
	return rate;
}

// A mail at a time, to begin with.
static void raw_alone(const struct bench *bench, struct times *times)
{
	struct raw raw = {.bench = bench,
		.fd = bench->prepared,
		.mails_each = 1,
		.bytes = whole_blocks(bench->bytes),
		.depth = 1};

	(void)raw_run(&raw, ALONE, times);
}

// ---- the buffer ---------------------------------------------------------------------------------

struct producer {
	pthread_t thread;
	const struct bench *bench;
	struct spool_worker *worker;
	struct times times;
	uint64_t mails; // to send
	size_t waiting; // at once
};

static bool send_mail(const struct producer *producer)
{
	static const struct spool_envelope envelope = {
		.mail_from = {"sender@example.org", 18}, .helo = {"client.example.org", 18}};
	static const struct spool_reason reason = {.state = SPOOL_HELD, .reason = {"sealed", 6}};
	const uint64_t since = now_ns();
	struct spool_record *record;

	// The time is what comes back with the result.
	if (spool_begin(producer->worker, &envelope, (void *)(uintptr_t)since, &record) != 0)
		return false;
	for (size_t at = 0; at < producer->bench->bytes; at += 1448) {
		size_t n = producer->bench->bytes - at;

		if (spool_append(record, producer->bench->mail + at, n < 1448 ? n : 1448) != 0) {
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
			spool_room(producer->worker, NULL) > 2 * producer->bench->bytes &&
			send_mail(producer)) {
			waiting++;
			left--;
		}
		n = spool_poll(producer->worker, now_ns(), done, 64);
		for (size_t i = 0; i < n; i++) {
			perf_need(done[i].error == 0, "mail");
			note(&producer->times, (uintptr_t)done[i].cookie, now_ns());
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
		options.spares =
			(uint32_t)(bench->total / bench->bytes * (bench->bytes + SMALL_BYTES) /
					   options.segment_bytes * 21 / 20 +
				   2);
	perf_need((ring ? spool_ring_open(bench->folder, &io)
			: spool_thread_open(bench->folder, 4, &io)) == 0,
		"io");
	perf_need(spool_open(&options, bench->keys, io, &spool) == 0, "spool_open");
	do {
		spool_get_status(spool, &status);
	} while (spares == 0 && status.segments_filled < options.spares && usleep(10000) == 0);
	return spool;
}

static double feed(const struct bench *bench, struct spool *spool, uint64_t mails, size_t waiting,
	struct times *times)
{
	struct producer producers[WORKERS] = {0};
	uint64_t begin = now_ns();
	double spent;

	for (uint32_t i = 0; i < bench->workers; i++) {
		producers[i] = (struct producer){.bench = bench,
			.worker = spool_get_worker(spool, i),
			.mails = mails / bench->workers,
			.waiting = waiting,
			.times = {malloc(TIMES * sizeof(uint32_t)), 0}};
		perf_need(
			producers[i].times.us != NULL && pthread_create(&producers[i].thread, NULL,
								 produce, &producers[i]) == 0,
			"thread");
	}
	for (uint32_t i = 0; i < bench->workers; i++)
		(void)pthread_join(producers[i].thread, NULL);
	spent = seconds(begin);
	for (uint32_t i = 0; i < bench->workers; i++) {
		for (uint32_t j = 0; j < producers[i].times.count && times->count < TIMES; j++)
			times->us[times->count++] = producers[i].times.us[j];
		free(producers[i].times.us);
	}
	return (double)(mails / bench->workers * bench->workers) / spent;
}

static double buffer(const struct bench *bench, bool ring, bool fresh, struct times *times)
{
	struct spool *spool = open_spool(bench, ring, fresh ? 2 : 0);
	size_t enough = WAITING_BYTES / bench->bytes;
	double rate = feed(bench, spool, bench->total / bench->bytes,
		enough > WAITING ? enough : WAITING, times);

	spool_close(spool);
	remove_segments(bench->folder);
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

static double measure(const struct bench *bench, size_t way, struct times *times)
{
	if (way < 2 || way == 4 || way == 5)
		return raw_way(bench, way % 2 == 0, way > 3, times);
	return way == 8 ? file_per_mail(bench, times) : buffer(bench, way % 2 == 0, way > 3, times);
}

static void measure_all(struct bench *bench, struct times *times)
{
	for (unsigned int round = 0; round < bench->rounds; round++) {
		for (size_t i = 0; i < WAYS; i++) {
			times->count = 0;
			if (strchr(bench->ways, (int)('a' + i)) == NULL)
				continue;
			bench->rates[i][round] = measure(bench, i, times);
			qsort(times->us, times->count, sizeof(uint32_t), by_time);
			bench->p50[i][round] = part_of(times, 0.5);
			bench->p99[i][round] = part_of(times, 0.99);
		}
	}
}

static void tell_way(const struct bench *bench, size_t way, const char *text)
{
	static const char *const grounds[] = {"raw io_uring, groups written and synced",
		"raw io_uring, groups written to new files and synced"};
	bool fresh = way > 3 && way < 8;
	const char *against = grounds[fresh];
	size_t raw = fresh ? 4 : 0;
	double peers[MOST_ROUNDS];
	double ratios[MOST_ROUNDS];
	double rate = median(bench->rates[way], bench->rounds);
	double peer;
	char name[64];

	for (unsigned int round = 0; round < bench->rounds; round++) {
		// The better of the two.
		if (bench->rates[raw][round] < bench->rates[raw + 1][round])
			raw++;
		peers[round] = bench->rates[raw][round];
		ratios[round] = peers[round] > 0 ? bench->rates[way][round] / peers[round] : 0;
		raw = fresh ? 4 : 0;
	}
	peer = median(peers, bench->rounds);
	(void)snprintf(name, sizeof(name), "buffer/durable/%zu/%s", bench->bytes, text);
	perf_row_ratio(name, rate, "mails/s", against, peer, median(ratios, bench->rounds));
	(void)snprintf(name, sizeof(name), "buffer/bytes/%zu/%s", bench->bytes, text);
	perf_row_ratio(name, rate * (double)bench->bytes / 1e6, "MB/s", against,
		peer * (double)bench->bytes / 1e6, median(ratios, bench->rounds));
	raw += median(bench->rates[raw], bench->rounds) <
	       median(bench->rates[raw + 1], bench->rounds);
	(void)snprintf(name, sizeof(name), "buffer/ack-p50/%zu/%s", bench->bytes, text);
	perf_row(name, median(bench->p50[way], bench->rounds), "us", against,
		median(bench->p50[raw], bench->rounds));
	(void)snprintf(name, sizeof(name), "buffer/ack-p99/%zu/%s", bench->bytes, text);
	perf_row(name, median(bench->p99[way], bench->rounds), "us", against,
		median(bench->p99[raw], bench->rounds));
}

static void tell_alone(const struct bench *bench, struct times *times)
{
	struct times peers = {malloc(TIMES * sizeof(uint32_t)), 0};
	struct spool *spool = open_spool(bench, true, 1);
	struct bench one = *bench;
	char name[64];

	perf_need(peers.us != NULL, "memory");
	times->count = 0;
	one.workers = 1;
	raw_alone(bench, &peers);
	(void)feed(&one, spool, ALONE, 1, times);
	raw_alone(bench, &peers);
	spool_close(spool);
	remove_segments(bench->folder);
	qsort(times->us, times->count, sizeof(uint32_t), by_time);
	qsort(peers.us, peers.count, sizeof(uint32_t), by_time);
	(void)snprintf(name, sizeof(name), "buffer/alone-p50/%zu", bench->bytes);
	perf_row(name, part_of(times, 0.5), "us", "one raw write at a time", part_of(&peers, 0.5));
	(void)snprintf(name, sizeof(name), "buffer/alone-p99/%zu", bench->bytes);
	perf_row(
		name, part_of(times, 0.99), "us", "one raw write at a time", part_of(&peers, 0.99));
	free(peers.us);
}

// Mails of that size sealed one behind the other, into the memory that the disk would take them from.
static void tell_cipher(const struct bench *bench)
{
	struct spool_sealer *sealer = NULL;
	const struct iovec piece = {bench->mail, SPOOL_CONTENT_BYTES};
	struct spool_chunk chunk = {.kind = SPOOL_KIND_RECORD};
	uint8_t *out = spool_memory((size_t)GROUPS * GROUP_BYTES);
	uint64_t bytes = 0;
	uint64_t begin = now_ns();
	char name[64];

	perf_need(out != NULL && spool_sealer_new(bench->keys, &sealer) == 0, "keys");
	for (size_t at = 0; seconds(begin) < 0.1; at += SPOOL_CHUNK_BYTES, chunk.id.number++) {
		chunk.body_bytes =
			(uint32_t)(bench->bytes < SPOOL_CONTENT_BYTES ? bench->bytes
								      : SPOOL_CONTENT_BYTES);
		at %= (size_t)GROUPS * GROUP_BYTES;
		perf_need(spool_chunk_seal(sealer, &chunk, &piece, SPOOL_LOG_ALIGN, out + at) > 0,
			"seal");
		bytes += chunk.body_bytes;
	}
	(void)snprintf(name, sizeof(name), "buffer/cipher/%zu", bench->bytes);
	perf_row(name, (double)bytes / seconds(begin) / 1e6, "MB/s", NULL, 0);
	spool_sealer_free(sealer);
	free(out);
}

static void run(struct bench *bench)
{
	static const char *const names[WAYS] = {"groups+fsync", "groups-dsync", "io_uring",
		"threads", "new-groups+fsync", "new-groups-dsync", "new-io_uring", "new-threads",
		"file-per-mail"};
	struct times times = {malloc(TIMES * sizeof(uint32_t)), 0};

	perf_need(times.us != NULL, "memory");
	measure_all(bench, &times);
	for (size_t i = 0; i < WAYS; i++) {
		if (strchr(bench->ways, (int)('a' + i)) != NULL)
			tell_way(bench, i, names[i]);
	}
	tell_alone(bench, &times);
	tell_cipher(bench);
	free(times.us);
}

// ---- main ---------------------------------------------------------------------------------------

static _Noreturn void usage(void)
{
	(void)fprintf(stderr, "bench_spool [--quick] [-b BYTES] [-m MIB] [-w WORKERS] "
			      "[-o WAYS, of a to i] [FOLDER]\n");
	exit(2); // NOLINT(concurrency-mt-unsafe): no thread yet
}

static void read_options(struct bench *bench, int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet
	while ((option = getopt_long(argc, argv, "b:m:o:w:", names, NULL)) != -1) {
		if (option == 'b')
			bench->bytes = strtoul(optarg, NULL, 10);
		else if (option == 'o')
			bench->ways = optarg;
		else if (option == 'm')
			bench->total = strtoull(optarg, NULL, 10) << 20;
		else if (option == 'w')
			bench->workers = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'q')
			bench->rounds = 3;
		else
			usage();
	}
	if (optind + 1 < argc || bench->workers == 0 || bench->workers > WORKERS ||
		bench->total < 64u << 20 || bench->bytes > GROUP_BYTES)
		usage();
	bench->folder = optind < argc ? argv[optind] : NULL;
}

int main(int argc, char **argv)
{
	struct bench bench = {
		.total = 384u << 20, .workers = 1, .rounds = MOST_ROUNDS, .ways = "abcdefghi"};
	static const size_t sizes[] = {4000, 20000, 100000};
	char made[] = "build/bench-spool-XXXXXX";
	size_t only;
	char key[512];

	read_options(&bench, argc, argv);
	if (bench.folder == NULL)
		bench.folder = mkdtemp(made);
	perf_need(bench.folder != NULL, made);
	(void)snprintf(key, sizeof(key), "%s/key", bench.folder);
	only = bench.bytes;
	bench.mail = malloc(GROUP_BYTES);
	bench.data = spool_memory((size_t)GROUPS * GROUP_BYTES);
	perf_need(bench.mail != NULL && bench.data != NULL &&
			  RAND_bytes(bench.data, (int)(GROUPS * GROUP_BYTES)) == 1 &&
			  spool_keys_open(key, &bench.keys) == 0,
		key);
	for (size_t i = 0; bench.mail != NULL && i < GROUP_BYTES; i++)
		bench.mail[i] = (uint8_t)(i * 7 + i / 251);
	bench.prepared = make_file(&bench, true);
	for (size_t i = 0; i < (only == 0 ? 3 : 1); i++) {
		bench.bytes = only == 0 ? sizes[i] : only;
		run(&bench);
	}
	(void)close(bench.prepared);
	spool_keys_free(bench.keys);
	free(bench.data);
	free(bench.mail);
	if (bench.folder == made) {
		(void)unlink(key);
		(void)rmdir(made);
	}
	return 0;
}
