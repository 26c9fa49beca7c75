// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_rules.h"

#include "dataplane/memory_limit.h"
#include "dataplane/options_check.h"
#include "dataplane/priority.h"

#include <rte_lcore.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEANWHILE_US 200
#define WARM_MESSAGES 64u // whose memory is there before a worker needs it
#define WARM_BYTES 2048u  // of each part of these
#define WARM_KEPT 98304u  // of what is kept of one of them: six objects in progress
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

struct mapping {
	void *data; // NULL: none
	size_t bytes;
};

// An image, or a delta with what is below it: rulesets in force share it.
struct layer {
	struct ruleset *ruleset;
	struct mapping image; // none: the ruleset has its own
	struct layer *below;  // of a delta
	uint32_t users;
};

struct live {
	struct layer *layer;
	struct ruleset *ruleset; // the layer's, or this with a list of checksums laid on it
	uint32_t scanners;       // that workers have
};

struct worker_rules {
	struct worker *const *workers;
	uint32_t workers_count;
	struct live live[ENGINE_SCANNERS + 1]; // the last is the one in force
	uint32_t count;
	void (*meanwhile)(void *ctx); // NULL: nothing is to be done
	void *meanwhile_ctx;
};

int worker_rules_new(struct ruleset *first, struct worker *const *workers, uint32_t workers_count,
	struct worker_rules **out)
{
	struct worker_rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return -ENOMEM;
	rules->workers = workers;
	rules->workers_count = workers_count;
	rules->live[0] = (struct live){.layer = calloc(1, sizeof(struct layer)),
		.ruleset = first,
		.scanners = workers_count};
	if (rules->live[0].layer == NULL) {
		free(rules);
		return -ENOMEM;
	}
	*rules->live[0].layer = (struct layer){.ruleset = first, .users = 1};
	rules->count = 1;
	*out = rules;
	return 0;
}

static void unmap(const struct mapping *mapping)
{
	if (mapping->data != NULL)
		(void)munmap(mapping->data, mapping->bytes);
}

static void layer_close(struct layer *layer)
{
	while (layer != NULL && --layer->users == 0) {
		struct layer *below = layer->below;

		ruleset_close(layer->ruleset);
		unmap(&layer->image);
		free(layer);
		layer = below;
	}
}

static void live_close(struct live *live)
{
	if (live->layer == NULL)
		return;
	if (live->ruleset != live->layer->ruleset)
		ruleset_close(live->ruleset);
	layer_close(live->layer);
}

void worker_rules_free(struct worker_rules *rules)
{
	if (rules == NULL)
		return;
	for (uint32_t i = 0; i < rules->count; i++)
		live_close(&rules->live[i]);
	free(rules);
}

void worker_rules_meanwhile(struct worker_rules *rules, void (*fn)(void *ctx), void *ctx)
{
	rules->meanwhile = fn;
	rules->meanwhile_ctx = ctx;
}

const struct ruleset *worker_rules_get(const struct worker_rules *rules)
{
	return rules->live[rules->count - 1].ruleset;
}

const struct ruleset_info *worker_rules_info(const struct worker_rules *rules)
{
	return ruleset_get_info(rules->live[rules->count - 1].ruleset);
}

uint32_t worker_rules_count(const struct worker_rules *rules)
{
	return rules->count;
}

static void give_back(struct worker_rules *rules, struct scanner *scanner)
{
	const struct ruleset *ruleset = scanner_get_ruleset(scanner);

	scanner_free(scanner);
	for (uint32_t i = 0; i < rules->count; i++) {
		if (rules->live[i].ruleset == ruleset)
			rules->live[i].scanners--;
	}
}

void worker_rules_collect(struct worker_rules *rules)
{
	struct scanner *scanner;

	if (rules->count == 1)
		return;
	for (uint32_t i = 0; i < rules->workers_count; i++) {
		while ((scanner = worker_orders_take_idle(worker_get_orders(rules->workers[i]))) !=
			NULL)
			give_back(rules, scanner);
	}
	for (uint32_t i = 0; i + 1 < rules->count;) {
		if (rules->live[i].scanners > 0) {
			i++;
			continue;
		}
		ruleset_move_screen_hits(
			rules->live[i].ruleset, rules->live[rules->count - 1].ruleset);
		live_close(&rules->live[i]);
		rules->count--;
		memmove(&rules->live[i], &rules->live[i + 1],
			(rules->count - i) * sizeof(rules->live[0]));
	}
}

static int map_image(int fd, struct mapping *out)
{
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EINVAL;
	if (fstat(fd, &status) != 0)
		return -errno;
	if (status.st_size <= 0)
		return -EBADMSG;
	out->bytes = (size_t)status.st_size;
	// All of it now: a worker does not wait for a page later.
	out->data = mmap(NULL, out->bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (out->data != MAP_FAILED)
		return 0;
	out->data = NULL;
	return -errno;
}

// What there is of it, even if it fails, goes with live_close.
static int open_image(int fd, struct live *live)
{
	struct layer *layer = calloc(1, sizeof(*layer));
	int err;

	live->layer = layer;
	if (layer == NULL)
		return -ENOMEM;
	layer->users = 1;
	err = map_image(fd, &layer->image);
	return err == 0 ? ruleset_attach(layer->image.data, layer->image.bytes, &layer->ruleset)
			: err;
}

// The same of a delta of what is in force.
static int open_delta(const struct live *now, int fd, struct live *live)
{
	struct layer *base = now->layer->below != NULL ? now->layer->below : now->layer;
	struct layer *layer = calloc(1, sizeof(*layer));
	int err;

	live->layer = layer;
	if (layer == NULL)
		return -ENOMEM;
	layer->users = 1;
	layer->below = base;
	base->users++;
	err = map_image(fd, &layer->image);
	return err == 0 ? ruleset_attach_delta(base->ruleset, layer->image.data, layer->image.bytes,
				  &layer->ruleset)
			: err;
}

// Another list on what is in force, or another layer on its list; fd -1: none.
static int open_list(
	const struct live *now, const struct worker_rules_image *from, struct live *live)
{
	const int fd = from->fd;
	struct mapping image = {0};
	int err;

	live->layer = now->layer;
	live->layer->users++;
	live->ruleset = live->layer->ruleset;
	if (fd < 0)
		return ruleset_attach_screen(live->layer->ruleset, NULL, 0, &live->ruleset);
	err = map_image(fd, &image);
	if (err == 0 && from->kind == WORKER_RULES_LIST_LAYER)
		err = ruleset_attach_screen_layer_mapped(live->layer->ruleset, now->ruleset,
			image.data, image.bytes, &live->ruleset);
	else if (err == 0)
		err = ruleset_attach_screen_mapped(
			live->layer->ruleset, image.data, image.bytes, &live->ruleset);
	if (err != 0)
		unmap(&image);
	return err;
}

static int open_new(
	const struct live *now, const struct worker_rules_image *image, struct live *live)
{
	int err;

	if (image->kind == WORKER_RULES_LIST || image->kind == WORKER_RULES_LIST_LAYER)
		return open_list(now, image, live);
	err = image->kind == WORKER_RULES_DELTA ? open_delta(now, image->fd, live)
						: open_image(image->fd, live);
	if (live->layer != NULL)
		live->ruleset = live->layer->ruleset;
	return err == 0 ? ruleset_share_screen(live->layer->ruleset, now->ruleset, &live->ruleset)
			: err;
}

// A mail with parts of some length.
static void feed_mail(struct scan *scan)
{
	static const char head[] = "Subject: test\r\n"
				   "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
	static const char *const types[] = {"text/plain", "text/html", "application/octet-stream"};
	static const char line[] = "<p>SXMgYW55Ym9keSB0aGVyZT8gSXMgYW55Ym9keSB0aGVyZT8=</p>\r\n";
	char part[128];

	scan_feed(scan, (const uint8_t *)head, sizeof(head) - 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int n = snprintf(part, sizeof(part), "--b\r\nContent-Type: %s\r\n%s\r\n", types[i],
			i == 2 ? "Content-Transfer-Encoding: base64\r\n" : "");

		scan_feed(scan, (const uint8_t *)part, (size_t)n);
		for (size_t bytes = 0; bytes < WARM_BYTES; bytes += sizeof(line) - 1)
			scan_feed(scan, (const uint8_t *)line, sizeof(line) - 1);
	}
}

// Does it scan at all? What it says of messages is its own business. Several at once, so that a worker finds
// the memory there that these had: it is used again in the order in which it was given back.
static int try_scanner(struct scanner *scanner, uint32_t max_messages)
{
	uint32_t count = max_messages < WARM_MESSAGES ? max_messages : WARM_MESSAGES;
	struct scan *scans[WARM_MESSAGES];
	uint32_t begun = 0;
	int err = 0;

	scanner_warm(scanner, count, WARM_KEPT);
	while (err == 0 && begun < count) {
		err = scan_begin(scanner, SCAN_MESSAGE, &scans[begun]);
		if (err == 0)
			feed_mail(scans[begun++]);
	}
	// The digests of all of them together, as those of a burst.
	for (uint32_t i = 0; i < begun; i++)
		scan_feed_end(scans[i]);
	scanner_settle(scanner);
	while (begun-- > 0) {
		if (scan_end(scans[begun])->verdict == VERDICT_UNSCANNABLE)
			err = -EIO;
		scan_free(scans[begun]);
	}
	return err;
}

// One worker's scanner, and the thread that makes it.
struct making {
	const struct ruleset *ruleset;
	const struct scan_options *options;
	struct scanner *scanner; // NULL: there is none
	int err;
	bool has_thread;
	pthread_t thread;
};

static void *make_scanner(void *arg)
{
	struct making *making = arg;

	making->err = scanner_new(making->options, making->ruleset, &making->scanner);
	if (making->err == 0)
		making->err = try_scanner(making->scanner, making->options->max_messages);
	return NULL;
}

// All at once, where the machine has processors beside the workers'.
static int make_scanners(const struct worker_rules *rules, const struct ruleset *ruleset,
	const struct scan_options *options, struct scanner **scanners)
{
	struct making makings[OPTIONS_MAX_WORKERS] = {0};
	int err = 0;

	for (uint32_t i = 0; i < rules->workers_count; i++) {
		struct making *making = &makings[i];

		making->ruleset = ruleset;
		making->options = options;
		making->has_thread =
			i > 0 && rte_ctrl_thread_create(&making->thread, "cordon-rules", NULL,
					 make_scanner, making) == 0;
	}
	for (uint32_t i = 0; i < rules->workers_count; i++) {
		if (!makings[i].has_thread)
			(void)make_scanner(&makings[i]);
	}
	for (uint32_t i = 0; i < rules->workers_count; i++) {
		if (makings[i].has_thread)
			(void)pthread_join(makings[i].thread, NULL);
		scanners[i] = makings[i].scanner;
		if (err == 0)
			err = makings[i].err;
	}
	return err;
}

// What takes long of a change.
struct preparing {
	const struct worker_rules *rules;
	const struct worker_rules_image *image;
	const struct scan_options *options;
	struct live *live;
	struct scanner **scanners;
	const char *step; // that err is of
	int err;
	atomic_bool is_done;
};

static void prepare(struct preparing *job)
{
	static const char *const steps[] = {"image", "delta", "list", "layer of the list"};

	job->step = steps[job->image->kind];
	job->err = open_new(&job->rules->live[job->rules->count - 1], job->image, job->live);
	if (job->err != 0)
		return;
	job->step = "scanner";
	job->err = make_scanners(job->rules, job->live->ruleset, job->options, job->scanners);
}

static void *run_prepare(void *arg)
{
	struct preparing *job = arg;

	// The main thread waits for it.
	(void)priority_set(0);
	prepare(job);
	// Release, with the acquire of prepare_aside: all of it is there.
	atomic_store_explicit(&job->is_done, true, memory_order_release);
	return NULL;
}

static void prepare_aside(struct preparing *job)
{
	const struct worker_rules *rules = job->rules;
	pthread_t thread;

	atomic_init(&job->is_done, false);
	if (rules->meanwhile == NULL ||
		rte_ctrl_thread_create(&thread, "cordon-image", NULL, run_prepare, job) != 0) {
		prepare(job);
		return;
	}
	while (!atomic_load_explicit(&job->is_done, memory_order_acquire)) {
		rules->meanwhile(rules->meanwhile_ctx);
		(void)usleep(MEANWHILE_US);
	}
	(void)pthread_join(thread, NULL);
}

// From here on the ruleset is in the list, for a worker may have it.
static int hand_over(struct worker_rules *rules, struct live *live, struct scanner **scanners)
{
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < rules->workers_count; i++) {
		err = worker_orders_set_scanner(worker_get_orders(rules->workers[i]), scanners[i],
			rules->meanwhile, rules->meanwhile_ctx);
		if (err == 0) {
			scanners[i] = NULL;
			live->scanners++;
		}
	}
	return err;
}

int worker_rules_set(struct worker_rules *rules, const struct worker_rules_image *image,
	const struct scan_options *options, char *error, size_t error_bytes)
{
	struct scanner *scanners[OPTIONS_MAX_WORKERS] = {NULL};
	struct live live = {0};
	struct preparing job = {.rules = rules,
		.image = image,
		.options = options,
		.live = &live,
		.scanners = scanners};
	char reason[128];
	const char *step = "too many rulesets are in use";
	uint64_t used = memory_limit_used();
	uint64_t limit = memory_limit_lift();
	int err = -EBUSY;

	worker_rules_collect(rules);
	if (rules->count <= ENGINE_SCANNERS) {
		prepare_aside(&job);
		step = job.step;
		err = job.err;
	}
	if (err == 0) {
		step = "worker";
		err = hand_over(rules, &live, scanners);
	}
	for (uint32_t i = 0; i < rules->workers_count; i++)
		scanner_free(scanners[i]);
	if (live.scanners > 0) {
		ruleset_move_screen_hits(rules->live[rules->count - 1].ruleset, live.ruleset);
		rules->live[rules->count++] = live;
	} else {
		live_close(&live);
	}
	memory_limit_restore(limit, (int64_t)(memory_limit_used() - used));
	if (err != 0)
		(void)snprintf(error, error_bytes, "%s: %s", step,
			options_rules_reason(err, reason, sizeof(reason)));
	return err;
}
