// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_check.h"
#include "scan/ruleset.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
// clang-format on

static char folder[] = "/tmp/cordon-check-XXXXXX";
static struct options options;
static void *image;
static size_t image_bytes;

static void write_file(const char *name, const void *data, size_t n)
{
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wbe");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static void set(char *option, const char *name)
{
	(void)snprintf(option, OPTIONS_WORD_BYTES, "%s/%s", folder, name);
}

// Options that name a good image and an empty folder.
static void set_good(void)
{
	options_init(&options);
	write_file("rules.img", image, image_bytes);
	set(options.rules, "rules.img");
	set(options.events, "events.json");
	set(options.command, "socket");
}

// What is said, to be freed; NULL when all is well.
static char *check(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *errors = open_memstream(&text, &bytes);
	int err;

	assert_non_null(errors);
	err = options_check_files(&options, "conf", errors);
	assert_int_equal(fclose(errors), 0);
	assert_int_equal(err, bytes > 0 ? -EINVAL : 0);
	if (bytes > 0)
		return text;
	free(text);
	return NULL;
}

static void expect(const char *begin, const char *words)
{
	char *text = check();

	assert_non_null(text);
	if (strncmp(text, begin, strlen(begin)) != 0 || strstr(text, words) == NULL)
		fail_msg("'%s' is not '%s ... %s'", text, begin, words);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void good_files_are_good(void **state)
{
	(void)state;
	set_good();
	assert_null(check());
	// The folder of the socket is made, one level.
	set(options.command, "run/socket");
	(void)snprintf(options.events, sizeof(options.events), "-");
	assert_null(check());
	options.command[0] = '\0';
	write_file("events.json", "", 0);
	set(options.events, "events.json");
	assert_null(check());
}

static void rules_that_do_not_open_are_told_with_the_remedy(void **state)
{
	(void)state;
	set_good();
	set(options.rules, "none");
	expect("conf: rules: /tmp/", "No such file");
	set(options.rules, "rules.img");
	write_file("rules.img", image, image_bytes - 1);
	expect("conf: rules: /tmp/", "not a rules image, or damaged: cordonctl compile");
	write_file("rules.img", "MZ", 2);
	expect("conf: rules: /tmp/", "not a rules image");
}

static void rules_of_another_kind_are_told_with_the_remedy(void **state)
{
	struct ruleset_header *header = image;
	(void)state;

	set_good();
	header->format++;
	write_file("rules.img", image, image_bytes);
	header->format--;
	expect("conf: rules: /tmp/",
		"another version of Cordon or for another type of processor: run cordonctl compile "
		"again");
}

static void places_where_nothing_can_be_made_are_told(void **state)
{
	(void)state;
	set_good();
	set(options.events, "none/events.json");
	expect("conf: events: /tmp/", "No such file");
	(void)snprintf(options.events, sizeof(options.events), "%s", folder);
	expect("conf: events: /tmp/", "Is a directory");
	set(options.events, "rules.img/events.json");
	expect("conf: events: /tmp/", "Not a directory");
	set(options.events, "events.json");
	set(options.command, "rules.img");
	expect("conf: command: /tmp/", "Socket operation on non-socket");
	set(options.command, "none/run/socket");
	expect("conf: command: /tmp/", "No such file");
}

static void every_mistake_is_told(void **state)
{
	char *text;
	(void)state;

	set_good();
	set(options.rules, "none");
	set(options.events, "none/events");
	set(options.command, "none/run/socket");
	text = check();
	assert_non_null(text);
	assert_non_null(strstr(text, "conf: rules: "));
	assert_non_null(strstr(text, "\nconf: events: "));
	assert_non_null(strstr(text, "\nconf: command: "));
	free(text);
}

static int make_image(void **state)
{
	static const char line[] = "Check-Test:0:*:6162636465666768\n";
	struct ruleset_build_options build = {0};
	struct ruleset_build_stats stats;
	char path[64];
	const char *paths[] = {path};
	(void)state;

	assert_non_null(mkdtemp(folder));
	write_file("check.ndb", line, sizeof(line) - 1);
	(void)snprintf(path, sizeof(path), "%s/check.ndb", folder);
	return ruleset_build(paths, 1, &build, &image, &image_bytes, &stats);
}

static int remove_files(void **state)
{
	static const char *const names[] = {"check.ndb", "rules.img", "events.json"};
	char path[64];
	(void)state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	free(image);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_are_good),
		cmocka_unit_test(rules_that_do_not_open_are_told_with_the_remedy),
		cmocka_unit_test(rules_of_another_kind_are_told_with_the_remedy),
		cmocka_unit_test(places_where_nothing_can_be_made_are_told),
		cmocka_unit_test(every_mistake_is_told),
	};

	return cmocka_run_group_tests(tests, make_image, remove_files);
}
