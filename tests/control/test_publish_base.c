// SPDX-License-Identifier: BSD-3-Clause
// What is urgent is served while an image is taken up for deltas and while the one before is let go, and finds one of the
// two whenever it asks.
#include "control/publish_base.h"
#include "control/urgent.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60

int __real_ruleset_attach(const void *data, size_t bytes, struct ruleset **out);
int __wrap_ruleset_attach(const void *data, size_t bytes, struct ruleset **out);
int __wrap_ruleset_attach_delta(
	const struct ruleset *base, const void *data, size_t bytes, struct ruleset **out);
void __real_ruleset_close(struct ruleset *ruleset);
void __wrap_ruleset_close(struct ruleset *ruleset);

static struct {
	char path[32];
	char next[32];
	struct publish_base *base;
	pthread_t loop;
	atomic_uint served;
	unsigned int aside; // opened and closed so
	atomic_int open;    // of rulesets
	char found[64];     // first letters, '-': none
	bool asks;
} lab;

// In the place of rulesets: what is in the file.
struct text {
	char first;
};

// As long as what is urgent has not been served; by the loop's own thread that would be never.
static void take_time(void)
{
	unsigned int before = atomic_load(&lab.served);

	if (pthread_equal(pthread_self(), lab.loop) != 0)
		return;
	while (atomic_load(&lab.served) == before)
		(void)sched_yield();
	lab.aside++;
}

int __wrap_ruleset_attach(const void *data, size_t bytes, struct ruleset **out)
{
	struct text *text = malloc(sizeof(*text));

	assert_true(bytes > 0);
	assert_non_null(text);
	take_time();
	text->first = *(const char *)data;
	(void)atomic_fetch_add(&lab.open, 1);
	*out = (struct ruleset *)text;
	return 0;
}

// Its text is the delta's first letter, if the image begins with it, too.
int __wrap_ruleset_attach_delta(
	const struct ruleset *base, const void *data, size_t bytes, struct ruleset **out)
{
	const struct text *below = (const void *)base;

	return below->first == *(const char *)data ? __wrap_ruleset_attach(data, bytes, out)
						   : -EBADMSG;
}

void __wrap_ruleset_close(struct ruleset *ruleset)
{
	if (ruleset == NULL)
		return;
	take_time();
	(void)atomic_fetch_sub(&lab.open, 1);
	free(ruleset);
}

static char now_there(void)
{
	const struct text *text = (const void *)publish_base_get(lab.base);

	if (text == NULL)
		return '-';
	return text->first;
}

// As an alert with a list does: is the rules' image one that knows it?
static gboolean serve(gpointer ctx)
{
	(void)ctx;
	if (lab.asks) {
		size_t n = strlen(lab.found);

		publish_base_renew(lab.base, lab.path);
		if (n == 0 || (n < sizeof(lab.found) - 1 && lab.found[n - 1] != now_there()))
			lab.found[n] = now_there();
	}
	(void)atomic_fetch_add(&lab.served, 1);
	return G_SOURCE_CONTINUE;
}

static void put_image(const char *text)
{
	FILE *file = fopen(lab.next, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(lab.next, lab.path), 0);
}

static int setup(void **state)
{
	GSource *always = g_idle_source_new();
	int fd;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.loop = pthread_self();
	(void)snprintf(lab.path, sizeof(lab.path), "/tmp/cordon-base-XXXXXX");
	fd = mkstemp(lab.path);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)snprintf(lab.next, sizeof(lab.next), "%.26s.new", lab.path);
	assert_int_equal(urgent_open(), 0);
	g_source_set_callback(always, serve, NULL, NULL);
	(void)g_source_attach(always, urgent_context());
	g_source_unref(always);
	assert_int_equal(publish_base_new(&lab.base), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	publish_base_free(lab.base);
	assert_int_equal(atomic_load(&lab.open), 0);
	urgent_close();
	return unlink(lab.path);
}

static void an_image_is_opened_and_let_go_beside_what_is_urgent(void **state)
{
	(void)state;
	put_image("a");
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(now_there(), 'a');
	assert_int_equal(lab.aside, 1);
	put_image("b");
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(now_there(), 'b');
	assert_int_equal(lab.aside, 3);
	// The same once more is nothing to do.
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(lab.aside, 3);
}

static void who_asks_meanwhile_finds_the_one_before(void **state)
{
	(void)state;
	put_image("a");
	publish_base_renew(lab.base, lab.path);
	put_image("b");
	lab.asks = true;
	publish_base_renew(lab.base, lab.path);
	lab.asks = false;
	assert_string_equal(lab.found, "ab");
	assert_int_equal(atomic_load(&lab.open), 1);
	assert_int_equal(lab.aside, 3);
}

static void one_that_is_gone_is_none(void **state)
{
	(void)state;
	put_image("a");
	publish_base_renew(lab.base, lab.path);
	publish_base_renew(lab.base, "/nonexistent/image");
	assert_null(publish_base_get(lab.base));
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(now_there(), 'a');
}

static void *lay(void *arg)
{
	char delta[40];

	(void)snprintf(delta, sizeof(delta), "%s.delta", lab.path);
	return (void *)(intptr_t)publish_base_open(lab.base, lab.path, delta, arg);
}

// By another thread, while the main loop goes on. Returns what publish_base_open does.
static int lay_beside(const char *text, struct publish_laid **laid)
{
	char delta[40];
	pthread_t thread;
	FILE *file;
	void *err;
	int none;

	(void)snprintf(delta, sizeof(delta), "%s.delta", lab.path);
	file = fopen(delta, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(pthread_create(&thread, NULL, lay, laid), 0);
	while ((none = pthread_tryjoin_np(thread, &err)) == EBUSY)
		(void)g_main_context_iteration(NULL, FALSE);
	assert_int_equal(none, 0);
	assert_int_equal(unlink(delta), 0);
	return (int)(intptr_t)err;
}

static void what_a_delta_lies_on_stays_until_it_is_closed(void **state)
{
	struct publish_laid *laid = NULL;

	(void)state;
	put_image("a");
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(lay_beside("a", &laid), 0);
	assert_int_equal(atomic_load(&lab.open), 2);
	put_image("b");
	publish_base_renew(lab.base, lab.path);
	assert_int_equal(now_there(), 'b');
	assert_int_equal(atomic_load(&lab.open), 3);
	assert_int_equal(((const struct text *)(const void *)publish_laid_get(laid))->first, 'a');
	publish_laid_close(laid);
	assert_int_equal(atomic_load(&lab.open), 1);
}

static void a_delta_is_laid_on_the_image_that_is_there(void **state)
{
	struct publish_laid *laid = NULL;

	(void)state;
	put_image("a");
	publish_base_renew(lab.base, lab.path);
	// The loop has not looked at this one yet.
	put_image("b");
	assert_int_equal(lay_beside("a", &laid), -EBADMSG);
	assert_int_equal(lay_beside("b", &laid), 0);
	assert_int_equal(now_there(), 'a');
	publish_laid_close(laid);
	assert_int_equal(atomic_load(&lab.open), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_image_is_opened_and_let_go_beside_what_is_urgent),
		TEST(who_asks_meanwhile_finds_the_one_before),
		TEST(one_that_is_gone_is_none),
		TEST(what_a_delta_lies_on_stays_until_it_is_closed),
		TEST(a_delta_is_laid_on_the_image_that_is_there),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
