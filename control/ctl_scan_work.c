// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_scan_work.h"

#include "control/ctl.h"
#include "control/ctl_input.h"

#include <jansson.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_NS 200000000
#define PROGRESS_NAME 40 // characters of a path that are shown

struct task {
	char *path;
	char *text; // what is said of it; NULL: it is not done
	size_t text_bytes;
	bool is_mail;
};

struct scan_work {
	struct scan_work_options options;
	size_t count;
	size_t room;
	struct task *tasks;
	uint64_t began_ns;
	pthread_mutex_t lock; // what follows
	size_t next;          // to be scanned
	size_t printed;
	uint64_t shown_ns; // the progress line was written
	struct scan_work_sums sums;
};

// A file of whose messages not all has been said.
struct file {
	struct task *task; // NULL: none
	FILE *out;         // NULL: there was no memory
	char *text;
	size_t text_bytes;
	uint32_t waiting; // messages
	bool is_read;     // to its end
	bool is_found;
	bool is_clean;
	bool has_failed;
};

// Messages that have ended, and wait for digests that are computed together.
#define WAITING_MOST 32

struct waiting {
	struct scan *scan;
	struct file *file;
	uint64_t message;
	bool is_mail;
};

// One thread's own.
struct worker {
	struct scan_work *work;
	struct scanner *scanner;
	size_t waiting_count;
	struct waiting waiting[WAITING_MOST]; // in the order in which they came
	struct file files[WAITING_MOST + 1];
	struct scan_work_sums sums;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ---- the progress line -------------------------------------------------------------------------

static void clear_progress(struct scan_work *work)
{
	if (work->shown_ns != 0)
		(void)fputs("\r\033[K", stderr);
	work->shown_ns = 0;
}

// Control characters of a name do not reach the terminal.
static void show_progress(struct scan_work *work, const char *path, uint64_t now)
{
	const struct scan_work_sums *sums = &work->sums;
	const double seconds = (double)(now - work->began_ns) / 1e9;
	const size_t length = strlen(path);
	char name[PROGRESS_NAME + 1];

	(void)snprintf(name, sizeof(name), "%s",
		length > PROGRESS_NAME ? path + length - PROGRESS_NAME : path);
	for (char *at = name; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = '?';
	(void)fprintf(stderr, "\r\033[K%llu of %zu files, %llu found, %.1f MB, %.1f MB/s: %s",
		(unsigned long long)sums->files, work->count, (unsigned long long)sums->found,
		(double)sums->bytes / 1e6, seconds > 0 ? (double)sums->bytes / 1e6 / seconds : 0.0,
		name);
	(void)fflush(stderr);
	work->shown_ns = now;
}

// So many more bytes of a file were read.
static void note_progress(struct worker *worker, const char *path, size_t bytes)
{
	struct scan_work *work = worker->work;
	uint64_t now = work->options.shows_progress ? now_ns() : 0;

	(void)pthread_mutex_lock(&work->lock);
	work->sums.bytes += bytes;
	if (work->options.shows_progress && now - work->shown_ns >= PROGRESS_NS &&
		now - work->began_ns >= PROGRESS_NS)
		show_progress(work, path, now);
	(void)pthread_mutex_unlock(&work->lock);
}

// ---- one file ----------------------------------------------------------------------------------

static void fail(struct worker *worker, const char *path, int err)
{
	scan_work_fail(worker->work, path, strerrordesc_np(-err));
}

static void print_json(const struct waiting *of, const struct scan_result *result)
{
	json_t *event = ctl_json_event("scan");
	FILE *out = of->file->out;

	(void)json_object_set_new(event, "path", ctl_json_text(of->file->task->path));
	(void)json_object_set_new(event, "message", json_integer((json_int_t)of->message));
	(void)json_object_set_new(event, "bytes", json_integer((json_int_t)result->bytes));
	if (of->is_mail) {
		(void)json_object_set_new(event, "subject", ctl_json_text(result->subject));
		(void)json_object_set_new(event, "message_id", ctl_json_text(result->message_id));
	}
	ctl_json_add_result(event, result);
	(void)json_dumpf(event, out, JSON_COMPACT);
	(void)fputc('\n', out);
	json_decref(event);
}

static bool is_named_before(const struct scan_result *result, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(result->matches[k].signature, result->matches[i].signature) == 0)
			return true;
	}
	return false;
}

// What is infected need not be.
static bool is_unscanned(const struct scan_result *result)
{
	return result->verdict != VERDICT_INFECTED &&
	       result->findings[SCAN_FINDING_UNSCANNABLE] != NULL;
}

// One line for the first match, or for each name. Messages of a mailbox after the first are told by
// their number.
static void print_found(
	const struct worker *worker, const struct waiting *of, const struct scan_result *result)
{
	const char *path = of->file->task->path;
	FILE *out = of->file->out;
	const bool is_all = worker->work->options.scan.all_matches;
	size_t lines = is_all ? result->matches_count : result->matches_count > 0 ? 1 : 0;
	char number[40] = "";

	if (of->message > 1 && (result->verdict != VERDICT_CLEAN || result->has_more_matches))
		(void)snprintf(
			number, sizeof(number), "message %llu: ", (unsigned long long)of->message);
	for (size_t i = 0; i < lines; i++) {
		if (!is_named_before(result, i))
			(void)fprintf(out, "%s: %s%s FOUND\n", path, number,
				result->matches[i].signature);
	}
	if (result->has_more_matches)
		(void)fprintf(out, "%s: %smore signatures match than are listed\n", path, number);
	if (result->verdict == VERDICT_SUSPECT && result->matches_count == 0)
		(void)fprintf(out, "%s: %sHeuristics.%s FOUND\n", path, number, result->reason);
	if (is_unscanned(result))
		(void)fprintf(out, "%s: %snot scanned: %s ERROR\n", path, number,
			result->findings[SCAN_FINDING_UNSCANNABLE]);
}

static void tell(struct worker *worker, const struct waiting *of)
{
	const struct scan_result *result = scan_end(of->scan);
	const enum verdict verdict = result->verdict;
	struct file *file = of->file;

	if (is_unscanned(result))
		worker->sums.errors++;
	file->is_found =
		file->is_found || verdict == VERDICT_INFECTED || verdict == VERDICT_SUSPECT;
	file->is_clean = file->is_clean && verdict == VERDICT_CLEAN;
	if (file->out != NULL && worker->work->options.is_json)
		print_json(of, result);
	else if (file->out != NULL)
		print_found(worker, of, result);
	scan_free(of->scan);
}

// ---- all of them -------------------------------------------------------------------------------

static void add_sums(struct scan_work *work, struct scan_work_sums *sums)
{
	work->sums.files += sums->files;
	work->sums.found += sums->found;
	work->sums.errors += sums->errors;
	*sums = (struct scan_work_sums){0};
}

// What is said of files comes when it has been said of all before them.
static void print_done(struct scan_work *work)
{
	for (; work->printed < work->count; work->printed++) {
		struct task *task = &work->tasks[work->printed];

		if (task->text == NULL)
			return;
		if (task->text_bytes > 0)
			clear_progress(work);
		(void)fwrite(task->text, 1, task->text_bytes, stdout);
		free(task->text);
		free(task->path);
		task->text = NULL;
		task->path = NULL;
	}
}

static struct task *take_task(struct scan_work *work)
{
	struct task *task = NULL;

	(void)pthread_mutex_lock(&work->lock);
	if (work->next < work->count)
		task = &work->tasks[work->next++];
	(void)pthread_mutex_unlock(&work->lock);
	return task;
}

// All was said of its messages.
static void file_end(struct worker *worker, struct file *file)
{
	struct scan_work *work = worker->work;
	struct task *task = file->task;

	if (!file->has_failed) {
		worker->sums.files++;
		worker->sums.found += file->is_found;
		if (file->is_clean && file->out != NULL && !work->options.is_json)
			(void)fprintf(file->out, "%s: OK\n", task->path);
	}
	if (file->out == NULL || fclose(file->out) != 0)
		fail(worker, task->path, -ENOMEM);
	(void)pthread_mutex_lock(&work->lock);
	task->text = file->text != NULL ? file->text : strdup("");
	task->text_bytes = file->text_bytes;
	add_sums(work, &worker->sums);
	print_done(work);
	(void)pthread_mutex_unlock(&work->lock);
	file->task = NULL;
}

static void tell_all(struct worker *worker)
{
	scanner_settle(worker->scanner);
	for (size_t i = 0; i < worker->waiting_count; i++) {
		struct file *file = worker->waiting[i].file;

		tell(worker, &worker->waiting[i]);
		if (--file->waiting == 0 && file->is_read)
			file_end(worker, file);
	}
	worker->waiting_count = 0;
}

// What holds archives, which are unpacked next, has let none wait.
static bool is_any_waiting(const struct worker *worker)
{
	for (size_t i = 0; i < worker->waiting_count; i++)
		if (scan_is_waiting(worker->waiting[i].scan))
			return true;
	return false;
}

static void scan_message(
	struct worker *worker, struct ctl_input *input, struct file *file, uint64_t message)
{
	const char *path = file->task->path;
	struct waiting of = {
		.file = file, .message = message, .is_mail = ctl_input_kind(input) == SCAN_MESSAGE};
	const uint8_t *data;
	size_t n;
	int err = scan_begin(worker->scanner, ctl_input_kind(input), &of.scan);

	if (err != 0) {
		fail(worker, path, err);
		file->is_clean = false;
		return;
	}
	while ((n = ctl_input_read(input, &data)) > 0) {
		scan_feed(of.scan, data, n);
		note_progress(worker, path, n);
	}
	scan_feed_end(of.scan);
	file->waiting++;
	worker->waiting[worker->waiting_count++] = of;
	if (worker->waiting_count == WAITING_MOST || !is_any_waiting(worker))
		tell_all(worker);
}

static void scan_file(struct worker *worker, struct file *file)
{
	const struct task *task = file->task;
	struct ctl_input *input;
	uint64_t message = 0;
	int err = ctl_input_open(task->path, task->is_mail, &input);

	if (err != 0) {
		fail(worker, task->path, err);
		file->has_failed = true;
		return;
	}
	while (ctl_input_next(input))
		scan_message(worker, input, file, ++message);
	if (ctl_input_has_failed(input)) {
		fail(worker, task->path, -EIO);
		file->is_clean = false;
	}
	ctl_input_close(input);
}

// One at least is free: messages that wait are of others.
static struct file *begin_file(struct worker *worker, struct task *task)
{
	struct file *file = worker->files;

	while (file->task != NULL)
		file++;
	*file = (struct file){.task = task, .is_clean = true};
	file->out = open_memstream(&file->text, &file->text_bytes);
	return file;
}

static void *run(void *context)
{
	struct worker *worker = context;
	struct task *task;

	while ((task = take_task(worker->work)) != NULL) {
		struct file *file = begin_file(worker, task);

		if (file->out != NULL)
			scan_file(worker, file);
		else
			file->has_failed = true;
		file->is_read = true;
		if (file->waiting == 0)
			file_end(worker, file);
	}
	tell_all(worker);
	return NULL;
}

// Runs in this thread what the others do not.
static int run_workers(struct scan_work *work, struct worker *workers, pthread_t *threads)
{
	uint32_t ready = 0;
	uint32_t started = 0;

	while (ready < work->options.workers) {
		struct worker *worker = &workers[ready];

		worker->work = work;
		if (scanner_new(&work->options.scan, work->options.ruleset, &worker->scanner) != 0)
			break;
		ready++;
	}
	while (started + 1 < ready &&
		pthread_create(&threads[started], NULL, run, &workers[started + 1]) == 0)
		started++;
	if (ready > 0)
		(void)run(&workers[0]);
	for (uint32_t i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < ready; i++)
		scanner_free(workers[i].scanner);
	return ready > 0 ? 0 : -ENOMEM;
}

int scan_work_run(struct scan_work *work, struct scan_work_sums *sums)
{
	struct worker *workers;
	pthread_t *threads;
	int err = -ENOMEM;

	if (work->options.workers > work->count)
		work->options.workers = work->count > 0 ? (uint32_t)work->count : 1;
	workers = calloc(work->options.workers, sizeof(*workers));
	threads = calloc(work->options.workers, sizeof(*threads));
	work->began_ns = now_ns();
	if (workers != NULL && threads != NULL)
		err = run_workers(work, workers, threads);
	clear_progress(work);
	*sums = work->sums;
	free(threads);
	free(workers);
	return err;
}

void scan_work_fail(struct scan_work *work, const char *path, const char *why)
{
	(void)pthread_mutex_lock(&work->lock);
	clear_progress(work);
	work->sums.errors++;
	(void)fprintf(stderr, "%s: %s\n", path, why);
	(void)pthread_mutex_unlock(&work->lock);
}

int scan_work_add(struct scan_work *work, char *path, bool is_mail)
{
	if (work->count == work->room) {
		size_t room = work->room > 0 ? 2 * work->room : 256;
		struct task *tasks = reallocarray(work->tasks, room, sizeof(*tasks));

		if (tasks == NULL) {
			free(path);
			return -ENOMEM;
		}
		work->tasks = tasks;
		work->room = room;
	}
	work->tasks[work->count++] = (struct task){.path = path, .is_mail = is_mail};
	return 0;
}

int scan_work_new(const struct scan_work_options *options, struct scan_work **out)
{
	struct scan_work *work = calloc(1, sizeof(*work));

	if (work == NULL)
		return -ENOMEM;
	work->options = *options;
	work->options.scan.max_messages = WAITING_MOST;
	(void)pthread_mutex_init(&work->lock, NULL);
	*out = work;
	return 0;
}

void scan_work_free(struct scan_work *work)
{
	if (work == NULL)
		return;
	for (size_t i = 0; i < work->count; i++) {
		free(work->tasks[i].path);
		free(work->tasks[i].text);
	}
	(void)pthread_mutex_destroy(&work->lock);
	free(work->tasks);
	free(work);
}
