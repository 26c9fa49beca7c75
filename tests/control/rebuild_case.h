// SPDX-License-Identifier: BSD-3-Clause
// Messages, rules and a scanner, for the tests that take messages apart.
#pragma once

#include "control/rebuild.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIRUS "a-virus-of-this-test"
#define VIRUS_HEX "612d76697275732d6f662d746869732d74657374"
#define VIRUS_BASE64 "YS12aXJ1cy1vZi10aGlzLXRlc3Q="
#define HEAD "From: a@a.example\r\nTo: b@b.example\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=\"edge\"\r\n\r\npreamble\r\n"
#define TEXT "--edge\r\nContent-Type: text/plain\r\n\r\nGood morning,\r\nhere it is.\r\n"
#define BINARY(name)                                                                               \
	"--edge\r\nContent-Type: application/octet-stream;\r\n\tname=\"" name "\"\r\n"             \
	"X-Other: stays\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQF\r\n"
#define EVIL                                                                                       \
	"--edge\r\nContent-Type: application/octet-stream; name=evil.exe\r\n"                      \
	"Content-Transfer-Encoding: base64\r\n\r\n" VIRUS_BASE64 "\r\n"
#define END "--edge--\r\nepilogue\r\n"

#define SIGNED(type)                                                                               \
	HEAD "Content-Type: multipart/signed; boundary=sign\r\n\r\n--sign\r\n\r\ntext\r\n"         \
	     "--sign\r\nContent-Type: " type "\r\n\r\n"
#define SIGNED_END "--sign--\r\n"
#define ARMOUR_BEGIN "-----BEGIN PGP SIGNATURE-----\r\n"
#define ARMOUR ARMOUR_BEGIN "Version: 1.0 (any)\r\n\r\nabcd\r\n=ab/+\r\n"
#define ARMOUR_END "-----END PGP SIGNATURE-----\r\n"
#define SIGNED_DATA "MA8GCSqGSIb3DQEHAqACMAA=" // ContentInfo with nothing in it

static struct ruleset *ruleset;
static struct scanner *scanner;
static void *image;

static int make_rules(void **state)
{
	char path[] = "/tmp/cordon-rebuild-XXXXXX.ndb";
	const char *paths[] = {path};
	const struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	struct scan_options scan;
	size_t bytes;
	int fd = mkstemps(path, 4);
	int err;

	(void)state;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "Test.Virus:0:*:%s\n", VIRUS_HEX) > 0);
	(void)close(fd);
	err = ruleset_build(paths, 1, &options, &image, &bytes, &stats);
	(void)unlink(path);
	if (err != 0 || ruleset_attach(image, bytes, &ruleset) != 0)
		return -1;
	scan_options_init(&scan);
	scan.digests = DIGEST_SHA256;
	scan.max_messages = 1;
	return scanner_new(&scan, ruleset, &scanner);
}

static int drop_rules(void **state)
{
	(void)state;
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image);
	return 0;
}

// ---- one message --------------------------------------------------------------------------------

struct bytes {
	uint8_t *data;
	size_t bytes;
};

// The message by this plan, and how many parts went; data is NULL when it cannot be taken apart.
static struct bytes strip(
	const uint8_t *data, size_t bytes, enum rebuild_what what, struct rebuild_plan **plan)
{
	struct bytes out = {NULL, 0};
	struct scan *scan = NULL;
	int err;

	*plan = NULL;
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, data, bytes);
	err = rebuild_plan_new(data, bytes, scan_end(scan), what, "not allowed", plan);
	scan_free(scan);
	if (err != 0) {
		assert_int_equal(err, -EBADMSG);
		return out;
	}
	err = rebuild_strip(data, bytes, *plan, "gate", &out.data, &out.bytes);
	if (err != 0) {
		assert_int_equal(err, -EBADMSG);
		out.data = NULL;
	}
	return out;
}

static enum verdict verdict_of(const uint8_t *data, size_t bytes, bool *has_attachments)
{
	struct scan *scan = NULL;
	const struct scan_result *result;
	enum verdict verdict;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, data, bytes);
	result = scan_end(scan);
	verdict = result->verdict;
	*has_attachments = rebuild_has_attachments(data, bytes, result);
	scan_free(scan);
	return verdict;
}
