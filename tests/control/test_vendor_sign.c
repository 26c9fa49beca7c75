// SPDX-License-Identifier: BSD-3-Clause
// What a vendor makes on files: keys, root documents, alerts, countersignatures, catalogues.
#include "control/alerts_root.h"
#include "control/durable.h"
#include "control/vendor.h"
#include "control/vendor_catalogue.h"
#include "control/vendor_payload.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1800000000

static char folder[64];

static int enter(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/vendor.XXXXXX");
	return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	char *command = g_strdup_printf("rm -r %s", folder);
	int err = chdir("/") == 0 ? g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL) : 0;

	(void)state;
	g_free(command);
	return err != 0 ? 0 : -1;
}

// ---- commands -----------------------------------------------------------------------------------

// Runs "NAME ARGUMENT ..." as main would.
static int run(int (*command)(int argc, char **argv), const char *line)
{
	char **argv = g_strsplit(line, " ", -1);
	char **kept = g_new0(char *, g_strv_length(argv) + 1); // options are taken out of it
	int status;

	memcpy(kept, argv, g_strv_length(argv) * sizeof(*argv));
	status = command((int)g_strv_length(argv), kept);
	g_free(kept);
	g_strfreev(argv);
	return status;
}

static void write_file(const char *name, const char *text)
{
	assert_int_equal(durable_write(name, text, strlen(text)), 0);
}

static const char description[] = "vendor: acme\n"
				  "version: 1\n"
				  "roles:\n"
				  "  root: {keys: [r1.pub, r2.pub], threshold: 2}\n"
				  "  alerts: {keys: [a.pub]}\n"
				  "  updates: {keys: [a.pub], epoch: 3}\n"
				  "  all-clear: {keys: [r1.pub, r2.pub], threshold: 2}\n";

static void make_keys(void)
{
	assert_int_equal(run(vendor_key_command, "key r1"), 0);
	assert_int_equal(run(vendor_key_command, "key r2"), 0);
	assert_int_equal(run(vendor_key_command, "key a"), 0);
	write_file("d.yaml", description);
}

static void a_key_is_never_written_over(void **state)
{
	(void)state;
	assert_int_equal(run(vendor_key_command, "key k"), 0);
	assert_int_equal(run(vendor_key_command, "key k"), VENDOR_ERROR);
	assert_int_equal(run(vendor_key_command, "key"), VENDOR_ERROR);
}

static void a_root_document_counts_once_two_officers_have_signed(void **state)
{
	struct alerts_root root;
	char error[256];

	(void)state;
	make_keys();
	assert_int_equal(run(vendor_root_command, "root d.yaml -k r1 -o root.json"), 0);
	assert_int_equal(alerts_root_open(&root, "", "root.json", error, sizeof(error)), -EBADMSG);
	assert_int_equal(run(vendor_countersign_command, "countersign -k r2 root.json"), 0);
	assert_int_equal(
		run(vendor_countersign_command, "countersign -k r2 root.json"), VENDOR_REFUSED);
	assert_int_equal(alerts_root_open(&root, "", "root.json", error, sizeof(error)), 0);
	assert_string_equal(root.vendor, "acme");
	assert_int_equal(root.version, 1);
	assert_int_equal(keys_threshold(root.keys, ROLE_ALL_CLEAR), 2);
	assert_int_equal(keys_epoch(root.keys, ROLE_UPDATES), 3);
	assert_int_equal(keys_epoch(root.keys, ROLE_ALERTS), 1);
	alerts_root_close(&root);
}

static void a_bad_description_makes_no_document(void **state)
{
	static const char *const changes[][2] = {
		{"threshold: 2}\n  alerts", "threshold: 3}\n  alerts"},
		{"a.pub], epoch", "none.pub], epoch"}, {"version: 1", "version: 0"},
		{"vendor: acme", "vender: acme"}, {"  updates: {keys: [a.pub], epoch: 3}\n", ""}};

	(void)state;
	make_keys();
	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		GString *text = g_string_new(description);

		assert_int_equal(g_string_replace(text, changes[i][0], changes[i][1], 0), 1);
		write_file("bad.yaml", text->str);
		(void)g_string_free(text, TRUE);
		assert_int_equal(
			run(vendor_root_command, "root bad.yaml -k r1 -o bad"), VENDOR_ERROR);
		assert_int_equal(access("bad", F_OK), -1);
	}
}

static void each_type_is_signed_and_checked_by_its_role(void **state)
{
	(void)state;
	make_keys();
	write_file("s.json", "[{\"kind\": \"file\", \"algorithm\": \"md5\", "
			     "\"digest\": \"44d88612fea8a8f36de82e1278abb02f\"}]");
	assert_int_equal(run(vendor_root_command, "root d.yaml -k r1 -k r2 -o root.json"), 0);
	static const char *const orders[] = {
		"sign seal --vendor acme --sequence 1 -i V -k a -o e --mode strip --max-seconds 60",
		"sign screen --vendor acme --sequence 1 -i V -k a -o e --screen s.json",
		"sign all-clear --vendor acme --counter c -i V -k r1 -k r2 -o e",
		"sign revoke --vendor acme --counter c -k a -o e --signature X --target group:g",
		"sign ping --vendor acme --counter c -k a -o e --target gateway:g --title hello"};

	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		assert_int_equal(run(vendor_sign_command, orders[i]), 0);
		assert_int_equal(run(vendor_verify_command, "verify -r root.json e"), 0);
	}
	assert_int_equal(run(vendor_sign_command,
				 "sign all-clear --vendor acme --counter c -i V -k r1 -o e"),
		0);
	assert_int_equal(run(vendor_verify_command, "verify -r root.json e"), VENDOR_REFUSED);
	assert_int_equal(run(vendor_verify_command, "verify e"), VENDOR_REFUSED);
	assert_int_equal(run(vendor_verify_command, "verify -p r1.pub e"), 0);
	assert_int_equal(run(vendor_verify_command, "verify -p r2.pub e"), VENDOR_REFUSED);
	assert_int_equal(run(vendor_verify_command, "verify -r root.json s.json"), VENDOR_REFUSED);
}

static void what_no_gateway_would_understand_is_not_signed(void **state)
{
	static const char *const orders[] = {
		"sign seal --vendor acme --sequence 1 -k a -o e",      // no virus id
		"sign seal --vendor acme --sequence 1 -i V -o e",      // no key
		"sign seal --vendor acme -i V -k a -o e",              // no sequence
		"sign shut --vendor acme --sequence 1 -i V -k a -o e", // no such type
		"sign ping --vendor acme --sequence 1 --target x -k a -o e",
		"sign revoke --vendor acme --sequence 1 -k a -o e", // revokes nothing
		"sign update --vendor acme --sequence 1 -k a -o e --folder . --version 1",
		"sign ping --vendor acme --sequence 1 -k s.json -o e",
		"sign ping --sequence 1 -k a -o e",
		"sign seal --vendor acme --sequence 1 -i V -k a -o e --mode shut",
		"sign screen --vendor acme --sequence 1 -i V -k a -o e --screen odd.json"};

	(void)state;
	make_keys();
	write_file("odd.json", "[{\"kind\": \"window\", \"algorithm\": \"md5\", "
			       "\"digest\": \"44d88612fea8a8f36de82e1278abb02f\"}]");
	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		assert_int_equal(run(vendor_sign_command, orders[i]), VENDOR_ERROR);
		assert_int_equal(access("e", F_OK), -1);
	}
}

static void a_counter_never_gives_a_number_twice(void **state)
{
	char *text = NULL;
	size_t bytes;

	(void)state;
	make_keys();
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			run(vendor_sign_command, "sign ping --vendor acme --counter c -k a -o e"),
			0);
	assert_int_equal(durable_read("c", 1000, &text, &bytes), 0);
	assert_string_equal(text, "{\"alerts\": 3}\n");
	free(text);
	write_file("c", "[]");
	assert_int_equal(run(vendor_sign_command, "sign ping --vendor acme --counter c -k a -o f"),
		VENDOR_ERROR);
}

// ---- catalogue ----------------------------------------------------------------------------------

static void a_catalogue_names_what_each_id_is_covered_by(void **state)
{
	json_t *catalogue = NULL;
	const struct vendor_update wanted = {"7", "http://h/u", "6"};
	json_t *update = NULL;
	json_t *expected;
	char why[VENDOR_WHY_BYTES];

	(void)state;
	assert_int_equal(mkdir("sigs", 0700), 0);
	write_file("sigs/b one.ndb", "#cordon: action=hold; virus_id=V-1\r\nEvil.A:0:*:6161\r\n"
				     "Evil.B:0:*:6262\n# plain\n#cordon: virus_id=V-2\n# between\n"
				     "Evil.C:0:*:6363\n#cordon: virus_id=lost\n");
	write_file("sigs/a.hdb",
		"#cordon: virus_id=V-1\n44d88612fea8a8f36de82e1278abb02f:68:Evil.D\n");
	write_file("sigs/.hidden", "x");
	assert_int_equal(vendor_catalogue_read("sigs", &catalogue, why, sizeof(why)), 0);
	expected = json_pack("{s:[s, s], s:[s]}", "V-1", "Evil.D", "Evil.A", "V-2", "Evil.C");
	assert_true(json_equal(json_object_get(catalogue, "covers"), expected));
	json_decref(expected);
	assert_int_equal(vendor_catalogue_update(catalogue, &wanted, &update, why, sizeof(why)), 0);
	expected = json_pack("[s, s]", "V-1", "V-2");
	assert_true(json_equal(json_object_get(update, "covers"), expected));
	json_decref(expected);
	assert_string_equal(json_string_value(json_object_get(update, "delta_from")), "6");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(update, "files"), 1), "url")),
		"http://h/u/b%20one.ndb");
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(update, "files"), 0), "bytes")),
		strlen("#cordon: virus_id=V-1\n44d88612fea8a8f36de82e1278abb02f:68:Evil.D\n"));
	json_decref(update);
	json_decref(catalogue);
}

static void an_empty_folder_is_no_update(void **state)
{
	json_t *catalogue = NULL;
	const struct vendor_update wanted = {"1", "u", NULL};
	json_t *update = NULL;
	char why[VENDOR_WHY_BYTES];

	(void)state;
	assert_int_equal(vendor_catalogue_read("none", &catalogue, why, sizeof(why)), -ENOENT);
	assert_int_equal(vendor_catalogue_read(".", &catalogue, why, sizeof(why)), 0);
	assert_int_equal(
		vendor_catalogue_update(catalogue, &wanted, &update, why, sizeof(why)), -EINVAL);
	json_decref(catalogue);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(a_key_is_never_written_over),
		TEST(a_root_document_counts_once_two_officers_have_signed),
		TEST(a_bad_description_makes_no_document),
		TEST(each_type_is_signed_and_checked_by_its_role),
		TEST(what_no_gateway_would_understand_is_not_signed),
		TEST(a_counter_never_gives_a_number_twice),
		TEST(a_catalogue_names_what_each_id_is_covered_by),
		TEST(an_empty_folder_is_no_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
