// SPDX-License-Identifier: BSD-3-Clause
// What came of seals is told when it is known, and as it is, however many of them are on their way.
#include "control/dataplane_link.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	char folder[32];
	struct control_options options;
	char seals_path[64];
	struct local_server *server;
	struct dataplane_link link;
	struct seals *seals;
	char asked[128]; // first letters of what came to the dataplane
	char heard[128]; // who was told; '!' behind: that the seals are not in force
	uint64_t generation;
	bool is_stuck;          // a worker of the dataplane
	const char *open;       // its seals
	unsigned int adoptions; // of them
} lab;

static char *answer_seals(const char *text)
{
	json_t *root = json_loads(text, 0, NULL);
	char *answer = NULL;

	if (!lab.is_stuck)
		lab.generation = (uint64_t)json_integer_value(json_object_get(root, "generation"));
	json_decref(root);
	if (asprintf(&answer, "{\"%s\":%s,\"seals_generation\":%llu}",
		    lab.is_stuck ? "error" : "ok",
		    lab.is_stuck ? "\"a worker does not turn\"" : "true",
		    (unsigned long long)lab.generation) < 0)
		return NULL;
	return answer;
}

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	(void)ctx;
	strncat(lab.asked, request->text, 1);
	if (request->text[0] == 'o')
		out->text = strdup(lab.open);
	else
		out->text = answer_seals(request->text + strlen("seals "));
}

static int setup(void **state)
{
	char error[128] = "";

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-link-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.options.dataplane, sizeof(lab.options.dataplane), "%s/sock", lab.folder);
	(void)snprintf(lab.seals_path, sizeof(lab.seals_path), "%s/seals", lab.folder);
	assert_int_equal(local_server_open(lab.options.dataplane, answer, NULL, &lab.server), 0);
	assert_int_equal(seals_open(lab.seals_path, 1000, &lab.seals, error, sizeof(error)), 0);
	seals_heard(lab.seals);
	return dataplane_link_open(&lab.link, &lab.options);
}

static int teardown(void **state)
{
	char room[80];

	(void)state;
	dataplane_link_end(&lab.link);
	dataplane_link_close(&lab.link);
	seals_close(lab.seals);
	local_server_close(lab.server);
	(void)snprintf(room, sizeof(room), "%s.room", lab.seals_path);
	(void)unlink(room);
	(void)unlink(lab.seals_path);
	return rmdir(lab.folder);
}

static void told(void *ctx)
{
	strncat(lab.heard, ctx, 1);
	if (!dataplane_link_has(&lab.link, lab.seals))
		strncat(lab.heard, "!", 2);
}

static void seal(const char *virus_id)
{
	json_t *wanted = json_pack("{s:s, s:s}", "virus_id", virus_id, "mode", "hold");
	char error[128] = "";

	assert_int_equal(seals_set(lab.seals, wanted, "test", 1, error, sizeof(error)), 0);
	json_decref(wanted);
	dataplane_link_seal(&lab.link, lab.seals);
	dataplane_link_when_told(&lab.link, told, (void *)(uintptr_t)virus_id);
}

// One question, and what follows from it.
static void serve(void)
{
	local_server_serve(lab.server);
	while (g_main_context_iteration(NULL, FALSE))
		continue;
}

static void seals_one_after_the_other_are_in_force(void **state)
{
	(void)state;
	seal("A");
	assert_string_equal(lab.heard, "");
	serve();
	assert_string_equal(lab.heard, "A");
	seal("B");
	serve();
	assert_string_equal(lab.heard, "AB");
}

// The first of them is in force when the dataplane says so, though there are newer ones by then.
static void seals_that_are_on_their_way_together_are_all_in_force(void **state)
{
	(void)state;
	seal("A");
	seal("B");
	seal("C");
	for (int i = 0; i < 3; i++)
		serve();
	assert_string_equal(lab.asked, "sss");
	assert_string_equal(lab.heard, "ABC");
}

static int adopt(void *ctx, const json_t *theirs)
{
	json_t *adopted = NULL;
	json_t *missed = NULL;
	int err = seals_adopt(lab.seals, theirs, 2, &adopted, &missed);

	(void)ctx;
	lab.adoptions++;
	json_decref(adopted);
	json_decref(missed);
	return err;
}

// It was told them by a process that was killed before they were written down.
static void what_a_dataplane_has_is_known_before_it_is_told_anything(void **state)
{
	(void)state;
	lab.open = "{\"generation\":1,\"seals\":[{\"virus_id\":\"B\",\"mode\":\"hold\"}]}";
	seals_doubt(lab.seals);
	dataplane_link_adopt_by(&lab.link, adopt, NULL);
	seal("A");
	seal("C");
	for (int i = 0; i < 4; i++)
		serve();
	assert_string_equal(lab.asked, "ooss");
	assert_int_equal(lab.adoptions, 1);
	assert_int_equal(seals_count(lab.seals), 3);
	assert_string_equal(lab.heard, "AC");
	seal("D");
	serve();
	assert_string_equal(lab.asked, "oosss");
	assert_string_equal(lab.heard, "ACD");
}

static void a_dataplane_whose_seals_are_not_known_is_not_told(void **state)
{
	(void)state;
	lab.open = "{\"error\":\"no\"}";
	seals_doubt(lab.seals);
	dataplane_link_adopt_by(&lab.link, adopt, NULL);
	seal("A");
	serve();
	assert_string_equal(lab.asked, "o");
	assert_string_equal(lab.heard, "A!");
	lab.open = "{\"generation\":0,\"seals\":[]}";
	seal("B");
	serve();
	serve();
	assert_string_equal(lab.asked, "oos");
	assert_string_equal(lab.heard, "A!B");
}

// Nobody waits for the others then.
static void one_that_fails_is_told_at_once(void **state)
{
	(void)state;
	lab.is_stuck = true;
	seal("A");
	seal("B");
	serve();
	assert_string_equal(lab.heard, "A!");
	assert_string_equal(lab.link.why, "a worker does not turn");
	lab.is_stuck = false;
	serve();
	assert_string_equal(lab.heard, "A!B");
}

static void the_end_is_told_to_all(void **state)
{
	(void)state;
	seal("A");
	seal("B");
	serve();
	dataplane_link_end(&lab.link);
	assert_string_equal(lab.heard, "A!B!");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(seals_one_after_the_other_are_in_force),
		TEST(seals_that_are_on_their_way_together_are_all_in_force),
		TEST(what_a_dataplane_has_is_known_before_it_is_told_anything),
		TEST(a_dataplane_whose_seals_are_not_known_is_not_told),
		TEST(one_that_fails_is_told_at_once),
		TEST(the_end_is_told_to_all),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
