// SPDX-License-Identifier: BSD-3-Clause
// Delivery status notifications as dsn_reference.py, with Python's parser, reads them.
#include "control/letter.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT "tests/control/dsn_reference.py"
#define OUTPUT_BYTES 8192
#define PLAIN "Subject: one\r\n\r\nfirst\r\n\r\nsecond\r\n"
#define GLOBAL "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nfirst\r\n"
#define LATIN "Subject: gr\xfc\xdf\r\n\r\nfirst\r\n"
#define MIXED "Subject: one\n\r\nfirst\r\n\r\nsecond\r\n"
#define NO_HEADER "\r\nfirst\r\n\r\nsecond\r\n"

static char output[OUTPUT_BYTES];

static void run_script(const char *path)
{
	FILE *out = tmpfile();
	FILE *in = tmpfile();
	int status = 0;
	pid_t child;

	assert_true(in != NULL && out != NULL);
	(void)fprintf(in, "%s\n", path);
	(void)fflush(in);
	rewind(in);
	child = fork();
	if (child == 0) {
		(void)dup2(fileno(in), STDIN_FILENO);
		(void)dup2(fileno(out), STDOUT_FILENO);
		(void)execl("/usr/bin/python3", "python3", SCRIPT, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	rewind(out);
	output[fread(output, 1, sizeof(output) - 1, out)] = '\0';
	(void)fclose(in);
	(void)fclose(out);
	assert_int_equal(status, 0);
}

static void read_back(const struct dsn *dsn)
{
	char path[] = "/tmp/cordon-dsn-XXXXXX";
	size_t bytes = 0;
	uint8_t *data = dsn_write(dsn, &bytes);
	int file = mkstemp(path);

	assert_non_null(data);
	assert_true(file >= 0);
	assert_int_equal(write(file, data, bytes), (ssize_t)bytes);
	(void)close(file);
	free(data);
	run_script(path);
	(void)unlink(path);
}

static void expect(const char *line)
{
	if (strstr(output, line) == NULL)
		fail_msg("no \"%s\" in\n%s", line, output);
}

static void expect_right(void)
{
	if (strstr(output, "wrong:") != NULL)
		fail_msg("%s", output);
}

static struct dsn dsn_of(enum dsn_kind kind, const struct dsn_recipient *recipients, size_t count)
{
	return (struct dsn){
		.kind = kind,
		.key = "key-1",
		.gateway = "gate.example",
		.from = "",
		.sender = "s@c.example",
		.mail_params = "RET=HDRS ENVID=QQ314159+2B+3D",
		.server = "192.0.2.1",
		.arrival = "Sun, 22 Nov 2026 12:00:00 +0000",
		.until = "Mon, 23 Nov 2026 12:00:00 +0000",
		.recipients = recipients,
		.recipients_count = count,
		.data = (const uint8_t *)PLAIN,
		.bytes = strlen(PLAIN),
	};
}

static void skip_without_python(void)
{
	if (access("/usr/bin/python3", X_OK) != 0 || access(SCRIPT, R_OK) != 0)
		skip();
}

static void each_kind_follows_the_rules(void **state)
{
	static const struct dsn_recipient failed[] = {
		{"a@b.example", "NOTIFY=FAILURE ORCPT=rfc822;x+2By@b.example", "550 5.1.1 no"},
		{"b@b.example", "", "450 4.2.0 later"},
		{"c@b.example", "", "52.0.2.1 port 25: connection refused"},
		{"d@b.example", "", "5.6.7 the server does not take internationalised mail"},
	};
	static const struct dsn_recipient delayed[] = {{"a@b.example", "", "421 4.3.2 not now"},
		{"b@b.example", "", "192.0.2.1 port 25: connection refused"}};
	static const struct dsn_recipient relayed[] = {
		{"a@b.example", "NOTIFY=SUCCESS", "250 2.0.0 taken"}};
	struct dsn dsn = dsn_of(DSN_FAILED, failed, 4);

	(void)state;
	skip_without_python();
	read_back(&dsn);
	expect_right();
	expect("status message/delivery-status QQ314159+=\n");
	expect("recipient rfc822;x+y@b.example rfc822; a@b.example failed 5.1.1 dns; "
	       "[192.0.2.1]\n");
	expect("recipient - rfc822; b@b.example failed 4.4.7 dns; [192.0.2.1]\n");
	expect("recipient - rfc822; c@b.example failed 4.4.7 -\n");
	expect("recipient - rfc822; d@b.example failed 5.6.7 -\n");
	expect("returned text/rfc822-headers 16\n");
	expect("to s@c.example\n");
	dsn = dsn_of(DSN_DELAYED, delayed, 2);
	dsn.server = "2001:db8::1";
	dsn.mail_params = "RET=FULL";
	read_back(&dsn);
	expect_right();
	expect("recipient - rfc822; a@b.example delayed 4.3.2 dns; [IPv6:2001:db8::1]\n");
	expect("recipient - rfc822; b@b.example delayed 4.4.1 -\n");
	expect("returned text/rfc822-headers 16\n");
	dsn = dsn_of(DSN_RELAYED, relayed, 1);
	dsn.server = "mx.b.example";
	read_back(&dsn);
	expect_right();
	expect("recipient - rfc822; a@b.example relayed 2.0.0 dns; mx.b.example\n");
}

static void what_is_not_known_is_not_said(void **state)
{
	static const struct dsn_recipient failed[] = {{"a@b.example", "", "550 no"}};
	struct dsn dsn = dsn_of(DSN_FAILED, failed, 1);

	(void)state;
	skip_without_python();
	dsn.arrival = "";
	dsn.server = "";
	dsn.mail_params = "";
	dsn.data = NULL;
	read_back(&dsn);
	expect_right();
	expect("recipient - rfc822; a@b.example failed 5.0.0 -\n");
}

static void internationalised_mail_has_its_own_types(void **state)
{
	static const struct dsn_recipient failed[] = {
		{"\xc3\xbc@b.example", "ORCPT=utf-8;\\x{FC}@b.example", "550 5.1.1 no"}};
	static const struct dsn_recipient plain[] = {{"a@b.example", "", "550 5.1.1 no"}};
	struct dsn dsn = dsn_of(DSN_FAILED, failed, 1);

	(void)state;
	skip_without_python();
	dsn.sender = "\xc3\xa4@c.example";
	dsn.data = (const uint8_t *)GLOBAL;
	dsn.bytes = strlen(GLOBAL);
	read_back(&dsn);
	expect_right();
	expect("status message/global-delivery-status");
	expect("utf-8; \xc3\xbc@b.example failed 5.1.1");
	expect("returned message/global-headers 19\n");
	expect("to \xc3\xa4@c.example\n");
	dsn.mail_params = "RET=FULL";
	read_back(&dsn);
	expect_right();
	expect("returned message/global 26\n");
	// Neither ASCII nor UTF-8.
	dsn = dsn_of(DSN_FAILED, plain, 1);
	dsn.data = (const uint8_t *)LATIN;
	dsn.bytes = strlen(LATIN);
	read_back(&dsn);
	expect_right();
	expect("status message/delivery-status");
	expect("returned text/rfc822-headers 17\n");
}

static void parameters_that_are_no_text_do_no_harm(void **state)
{
	static const struct dsn_recipient failed[] = {{"a@b.example",
		"ORCPT=rfc822;+FF+0D+0AAction:+20x@b.example", "550 5.1.1 \xff no"}};
	struct dsn dsn = dsn_of(DSN_FAILED, failed, 1);

	(void)state;
	skip_without_python();
	dsn.mail_params = "ENVID=+0D+0AStatus:+202.0.0";
	read_back(&dsn);
	expect_right();
	expect("status message/global-delivery-status ??Status: 2.0.0\n");
	expect("a@b.example failed 5.1.1");
}

static void only_headers_are_returned(void **state)
{
	static const struct dsn_recipient failed[] = {{"a@b.example", "", "550 5.1.1 no"}};
	struct dsn dsn = dsn_of(DSN_FAILED, failed, 1);

	(void)state;
	skip_without_python();
	dsn.data = (const uint8_t *)MIXED;
	dsn.bytes = strlen(MIXED);
	read_back(&dsn);
	expect_right();
	expect("returned text/rfc822-headers 16\n");
	dsn.data = (const uint8_t *)NO_HEADER;
	dsn.bytes = strlen(NO_HEADER);
	read_back(&dsn);
	expect_right();
	expect("returned text/rfc822-headers 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_follows_the_rules),
		cmocka_unit_test(what_is_not_known_is_not_said),
		cmocka_unit_test(internationalised_mail_has_its_own_types),
		cmocka_unit_test(parameters_that_are_no_text_do_no_harm),
		cmocka_unit_test(only_headers_are_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
