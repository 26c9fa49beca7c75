// SPDX-License-Identifier: BSD-3-Clause
#include "control/journal.h"

#include <glib.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct list {
	struct journal_job *first;
	struct journal_job **last;
};

struct journal {
	GMainContext *context;
	pthread_t thread;
	pthread_mutex_t lock; // for all below
	pthread_cond_t wanted;
	pthread_cond_t idle;
	struct list waiting;
	struct list written;
	GSource *source; // that will look at what was written; NULL: none
	bool is_writing;
	bool stop;
};

static void append(struct list *list, struct journal_job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
}

static void empty(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static struct journal_job *pull(struct list *list)
{
	struct journal_job *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		empty(list);
	return job;
}

// ---- the main loop ------------------------------------------------------------------------------

static void finish_written(struct journal *journal)
{
	struct journal_job *job;

	for (;;) {
		(void)pthread_mutex_lock(&journal->lock);
		job = pull(&journal->written);
		(void)pthread_mutex_unlock(&journal->lock);
		if (job == NULL)
			return;
		job->done(job, job->err);
	}
}

static gboolean was_written(gpointer data)
{
	struct journal *journal = data;

	(void)pthread_mutex_lock(&journal->lock);
	g_source_unref(journal->source);
	journal->source = NULL;
	(void)pthread_mutex_unlock(&journal->lock);
	finish_written(journal);
	return G_SOURCE_REMOVE;
}

// ---- the thread ---------------------------------------------------------------------------------

// Under the lock.
static void wake_loop(struct journal *journal)
{
	if (journal->source != NULL)
		return;
	journal->source = g_idle_source_new();
	g_source_set_priority(journal->source, G_PRIORITY_DEFAULT);
	g_source_set_callback(journal->source, was_written, journal, NULL);
	(void)g_source_attach(journal->source, journal->context);
}

static void *run(void *arg)
{
	struct journal *journal = arg;
	struct journal_job *job;

	(void)pthread_mutex_lock(&journal->lock);
	for (;;) {
		job = pull(&journal->waiting);
		journal->is_writing = job != NULL;
		if (job == NULL) {
			(void)pthread_cond_broadcast(&journal->idle);
			if (journal->stop)
				break;
			(void)pthread_cond_wait(&journal->wanted, &journal->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&journal->lock);
		job->err = job->write(job);
		(void)pthread_mutex_lock(&journal->lock);
		append(&journal->written, job);
		wake_loop(journal);
	}
	(void)pthread_mutex_unlock(&journal->lock);
	return NULL;
}

// ---- public -------------------------------------------------------------------------------------

int journal_new(struct journal **out)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int err;

	if (journal == NULL)
		return -ENOMEM;
	journal->context = g_main_context_ref_thread_default();
	(void)pthread_mutex_init(&journal->lock, NULL);
	(void)pthread_cond_init(&journal->wanted, NULL);
	(void)pthread_cond_init(&journal->idle, NULL);
	empty(&journal->waiting);
	empty(&journal->written);
	err = -pthread_create(&journal->thread, NULL, run, journal);
	if (err == 0) {
		*out = journal;
		return 0;
	}
	g_main_context_unref(journal->context);
	free(journal);
	return err;
}

void journal_free(struct journal *journal)
{
	if (journal == NULL)
		return;
	journal_flush(journal);
	(void)pthread_mutex_lock(&journal->lock);
	journal->stop = true;
	(void)pthread_cond_signal(&journal->wanted);
	(void)pthread_mutex_unlock(&journal->lock);
	(void)pthread_join(journal->thread, NULL);
	if (journal->source != NULL) {
		g_source_destroy(journal->source);
		g_source_unref(journal->source);
	}
	(void)pthread_cond_destroy(&journal->idle);
	(void)pthread_cond_destroy(&journal->wanted);
	(void)pthread_mutex_destroy(&journal->lock);
	g_main_context_unref(journal->context);
	free(journal);
}

void journal_push(struct journal *journal, struct journal_job *job)
{
	(void)pthread_mutex_lock(&journal->lock);
	append(&journal->waiting, job);
	(void)pthread_cond_signal(&journal->wanted);
	(void)pthread_mutex_unlock(&journal->lock);
}

void journal_drain(struct journal *journal)
{
	(void)pthread_mutex_lock(&journal->lock);
	while (journal->is_writing || journal->waiting.first != NULL)
		(void)pthread_cond_wait(&journal->idle, &journal->lock);
	(void)pthread_mutex_unlock(&journal->lock);
}

void journal_flush(struct journal *journal)
{
	bool any;

	do {
		journal_drain(journal);
		finish_written(journal);
		(void)pthread_mutex_lock(&journal->lock);
		any = journal->waiting.first != NULL || journal->is_writing;
		(void)pthread_mutex_unlock(&journal->lock);
	} while (any);
}
