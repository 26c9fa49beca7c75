// SPDX-License-Identifier: BSD-3-Clause
// Mails that are not clean for several things at once, by all policies that let some of them pass.
#include "dataplane/policy.h"
#include "tests/support/packed.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL (1u << SCAN_FINDINGS)
#define SCREENED "what somebody has announced\r\n"
#define HEADER                                                                                     \
	"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"    \
	"--in\r\n\r\nhello\r\n"

#define PACKED "--in\r\n" PACKED_CLEAN

// What makes a mail not clean for each of them, as parts.
static const char *const parts[SCAN_FINDINGS] = {
	[SCAN_FINDING_SIGNATURE] = "--in\r\n\r\nthis is found-virus\r\n",
	[SCAN_FINDING_CHECKSUM] = "--in\r\n\r\n" SCREENED,
	// A zip with a member that has the mark of encryption.
	[SCAN_FINDING_SUSPECT] =
		"--in\r\nContent-Type: application/zip\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"
		"UEsDBBQAAQAAACMWd113ZBVsBAAAAAQAAAABAAAAYXh4eHhQSwECFAMUAAEAAAAjFnddd2QVbAQA\r\n"
		"AAAEAAAAAQAAAAAAAAAAAAAAgAEAAAAAYVBLBQYAAAAAAQABAC8AAAAjAAAAAAA=\r\n",
	// There is room for three of them, until the message has ended.
	[SCAN_FINDING_UNSCANNABLE] = PACKED PACKED PACKED PACKED,
	[SCAN_FINDING_ENCRYPTED] = "--in\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\naaaa\r\n"
				   "-----END PGP MESSAGE-----\r\n",
};

static const char *const reasons[SCAN_FINDINGS] = {
	"signature", "checksum", "encrypted-archive", "memory", SCAN_ENCRYPTED};

struct rig {
	struct world world;
	struct ruleset *bare;
	void *list;
};

static struct rig rig;

static void begin(void)
{
	const struct screen_entry entry =
		screened_entry(SCREEN_FILE, DIGEST_SHA256, SCREENED, sizeof(SCREENED) - 3);
	struct engine_options options;
	char error[256] = "";
	size_t bytes;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.scan.max_messages = 4;
	options.scan.max_all_captured_bytes = 0;
	options.scan.max_archive_depth = 1;
	world_init(&rig.world, &options, 4, PACKED_RULES, 1);
	assert_int_equal(screen_build(&entry, 1, &rig.list, &bytes, error, sizeof(error)), 0);
	rig.bare = rig.world.ruleset;
	assert_int_equal(ruleset_attach_screen(rig.bare, rig.list, bytes, &rig.world.ruleset), 0);
}

static void end(void)
{
	world_fini(&rig.world);
	ruleset_close(rig.bare);
	free(rig.list);
}

// The kinds whose bits are set are delivered, all others rejected.
static void set_policies(unsigned int delivered)
{
	enum policy_action each[SCAN_FINDINGS];

	for (unsigned int i = 0; i < SCAN_FINDINGS; i++)
		each[i] = (delivered & 1u << i) != 0 ? POLICY_DELIVER : POLICY_REJECT;
	for (size_t i = 0; i < DIRECTIONS; i++) {
		struct engine_policy *policy = &rig.world.options.policy[i];

		policy->infected = each[SCAN_FINDING_SIGNATURE];
		policy->screening = each[SCAN_FINDING_CHECKSUM];
		policy->suspect = each[SCAN_FINDING_SUSPECT];
		policy->unscannable = each[SCAN_FINDING_UNSCANNABLE];
		policy->encrypted_mail = each[SCAN_FINDING_ENCRYPTED];
	}
	world_restart(&rig.world);
}

static void send_mail(unsigned int bits)
{
	struct world *world = &rig.world;
	char body[4096];
	size_t at = (size_t)snprintf(body, sizeof(body), HEADER);

	for (unsigned int i = 0; i < SCAN_FINDINGS; i++) {
		if ((bits & 1u << i) != 0)
			at += (size_t)snprintf(body + at, sizeof(body) - at, "%s", parts[i]);
	}
	(void)snprintf(body + at, sizeof(body) - at, "--in--\r\n.\r\n");
	world_reuse_ports(world);
	assert_true(world_connect(world));
	assert_true(world_say(world, "EHLO me\r\n", 1));
	assert_true(world_mail(world, body));
}

static void forget_mails(void)
{
	struct world *world = &rig.world;

	for (uint32_t i = 0; i < world->mails_count; i++)
		free(world->mails[i].data);
	world->mails_count = 0;
	world->records_count = 0;
}

// Delivered only where each of its findings is; else for the gravest that is not.
static void check(unsigned int bits, unsigned int delivered)
{
	const struct world_record *record = &rig.world.records[0];
	const unsigned int against = bits & ~delivered;
	unsigned int gravest = 0;
	unsigned int decisive = 0;

	while (gravest < SCAN_FINDINGS && (bits & 1u << gravest) == 0)
		gravest++;
	while (against != 0 && (against & 1u << decisive) == 0)
		decisive++;
	if (against == 0)
		decisive = gravest;
	assert_int_equal(rig.world.records_count, 1);
	assert_int_equal(rig.world.mails_count, against == 0);
	assert_string_equal(record->action, against == 0 ? "deliver" : "reject");
	assert_int_equal(record->verdict, scan_finding_verdict((enum scan_finding)gravest));
	assert_string_equal(record->reason, bits == 0 ? "" : reasons[decisive]);
	if (against != 0)
		assert_memory_equal(record->reply, "554 5.7.1", 9);
}

// None, each, each pair, and all of them at once.
static void a_mail_passes_only_where_each_of_its_reasons_may(void **state)
{
	(void)state;
	begin();
	for (unsigned int delivered = 0; delivered < ALL; delivered++) {
		set_policies(delivered);
		for (unsigned int bits = 0; bits < ALL; bits++) {
			if (__builtin_popcount(bits) > 2 && bits != ALL - 1)
				continue;
			send_mail(bits);
			check(bits, delivered);
			forget_mails();
		}
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_passes_only_where_each_of_its_reasons_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
