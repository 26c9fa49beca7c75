// SPDX-License-Identifier: BSD-3-Clause
// What is urgent is served while the store looks through its files, reads a mail, goes over its index, and waits for the
// disk.
#include "control/control_events.h"
#include "control/store.h"
#include "control/urgent.h"
#include "tests/dataplane/spoolfile_case.h"

#include <glib.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define TRIES 1000
#define REAP_NS 3600000000000
#define LONG_MS 1 // longer than urgent_turn is silent

static struct {
	struct shelf *shelf;
	struct store *store;
	atomic_uint served;
	unsigned int refused; // changes out of what is served
	pthread_t loop;
	bool disk_waits;
	unsigned int reads; // of a disk that waits
	unsigned int syncs;
	bool changes;
} lab;

ssize_t __real_pread(int fd, void *out, size_t bytes, off_t offset);
ssize_t __wrap_pread(int fd, void *out, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

// A disk that has what is asked for when something urgent was served: asked by the loop's own thread it has it at once.
static unsigned int wait_for_disk(void)
{
	unsigned int before = atomic_load(&lab.served);

	if (!lab.disk_waits || pthread_equal(pthread_self(), lab.loop) != 0)
		return 0;
	while (atomic_load(&lab.served) == before)
		(void)sched_yield();
	return 1;
}

ssize_t __wrap_pread(int fd, void *out, size_t bytes, off_t offset)
{
	lab.reads += wait_for_disk();
	return __real_pread(fd, out, bytes, offset);
}

int __wrap_fsync(int fd)
{
	lab.syncs += wait_for_disk();
	return __real_fsync(fd);
}

static gboolean serve(gpointer ctx)
{
	(void)ctx;
	lab.served++;
	if (lab.changes &&
		store_change(lab.store, lab.shelf->ids[1], SPOOL_DELETED, "test", "why") == -EBUSY)
		lab.refused++;
	return G_SOURCE_CONTINUE;
}

static void wait_out(void)
{
	g_usleep(LONG_MS * 1000ul);
	lab.served = 0;
}

static int setup(void **state)
{
	GSource *always = g_idle_source_new();
	struct store_options options = {0};
	char error[256] = "";

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.shelf = shelf_new();
	options.directory = lab.shelf->folder.path;
	options.key_file = lab.shelf->folder.key_path;
	assert_int_equal(store_open(&options, &lab.store, error, sizeof(error)), 0);
	assert_int_equal(urgent_open(), 0);
	g_source_set_callback(always, serve, NULL, NULL);
	(void)g_source_attach(always, urgent_context());
	g_source_unref(always);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	urgent_close();
	store_close(lab.store);
	shelf_free(lab.shelf);
	return 0;
}

static void while_files_are_looked_through(void **state)
{
	(void)state;
	assert_int_equal(store_refresh(lab.store, true, 0), 0);
	assert_true(lab.served > 0);
	assert_true(store_has(lab.store, lab.shelf->ids[0]));
}

static void while_the_disk_is_waited_for(void **state)
{
	json_t *counts;

	(void)state;
	lab.loop = pthread_self();
	lab.disk_waits = true;
	assert_int_equal(store_refresh(lab.store, true, 0), 0);
	lab.disk_waits = false;
	assert_true(lab.reads > 0);
	counts = store_counts(lab.store);
	assert_int_equal(json_integer_value(json_object_get(counts, "bad")), 0);
	json_decref(counts);
	for (size_t i = 0; i < MAILS; i++)
		assert_true(store_has(lab.store, lab.shelf->ids[i]));
}

// Its file is removed: the directory is durable when something urgent was served.
static void while_segments_go(void **state)
{
	(void)state;
	assert_int_equal(store_refresh(lab.store, true, 0), 0);
	for (size_t i = 0; i < MAILS; i++)
		assert_int_equal(
			store_change(lab.store, lab.shelf->ids[i], SPOOL_DELETED, "test", "why"),
			0);
	lab.loop = pthread_self();
	lab.disk_waits = true;
	store_reap(lab.store, REAP_NS);
	lab.disk_waits = false;
	assert_int_equal(lab.syncs, 1);
	for (size_t i = 0; i < MAILS; i++)
		assert_false(store_has(lab.store, lab.shelf->ids[i]));
}

// The log that is written anew: the file and its name.
static void while_the_log_is_written_anew(void **state)
{
	struct store_options options = {
		.directory = lab.shelf->folder.path, .key_file = lab.shelf->folder.key_path};
	char error[256] = "";

	(void)state;
	store_close(lab.store);
	lab.loop = pthread_self();
	lab.disk_waits = true;
	assert_int_equal(store_open(&options, &lab.store, error, sizeof(error)), 0);
	lab.disk_waits = false;
	assert_int_equal(lab.syncs, 2);
}

static void while_a_mail_is_read(void **state)
{
	struct store_message message;

	(void)state;
	assert_int_equal(store_refresh(lab.store, true, 0), 0);
	wait_out();
	assert_int_equal(store_read(lab.store, lab.shelf->ids[0], 1 << 20, &message), 0);
	assert_true(lab.served > 0);
	store_message_fini(&message);
}

// One change may be over before anything else is looked at; not all of them.
static void while_a_change_is_made_durable(void **state)
{
	enum spool_state now = SPOOL_DELIVERED;

	(void)state;
	assert_int_equal(store_refresh(lab.store, true, 0), 0);
	wait_out();
	lab.changes = true;
	for (int i = 0; i < TRIES && lab.served == 0; i++)
		assert_int_equal(
			store_change(lab.store, lab.shelf->ids[0], SPOOL_HELD, "test", "why"), 0);
	lab.changes = false;
	assert_true(lab.served > 0);
	// One after the other: the log's writer is at work.
	assert_int_equal(lab.refused, lab.served);
	assert_true(store_get_state(lab.store, lab.shelf->ids[1], &now));
	assert_int_equal(now, spool_mail_is_quarantined(1) ? SPOOL_QUARANTINED : SPOOL_HELD);
	assert_int_equal(
		store_change(lab.store, lab.shelf->ids[1], SPOOL_DELETED, "test", "why"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(while_files_are_looked_through),
		TEST(while_the_disk_is_waited_for),
		TEST(while_segments_go),
		TEST(while_the_log_is_written_anew),
		TEST(while_a_mail_is_read),
		TEST(while_a_change_is_made_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
