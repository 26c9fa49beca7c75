// SPDX-License-Identifier: BSD-3-Clause
// What is read of an update: the alert's body, the journal, a digest to try, what is taken back. What is
// accepted keeps to the names and sizes that everything behind relies on; what is refused says why.
#include "control/revoked.h"
#include "control/update_check.h"
#include "control/update_journal.h"
#include "control/update_plan.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_name(const char *name)
{
	static const char inner[] = "selftest/";

	if (strncmp(name, inner, sizeof(inner) - 1) == 0)
		name += sizeof(inner) - 1;
	if (name[0] == '.' || name[0] == '\0' || strchr(name, '/') != NULL ||
		strlen(name) > UPDATE_NAME_MOST)
		abort();
}

static void check_plan(const json_t *body)
{
	struct update_plan plan;
	char why[256] = "";
	uint64_t bytes = 0;
	int err = update_plan_make(body, "V", MOST, &plan, why, sizeof(why));

	if (err != 0) {
		if (err == -EINVAL && why[0] == '\0')
			abort();
		return;
	}
	if (plan.version[0] == '.' || strchr(plan.version, '/') != NULL ||
		strchr(plan.delta_from, '/') != NULL || plan.files_count == 0)
		abort();
	for (size_t i = 0; i < plan.files_count; i++) {
		check_name(plan.files[i].name);
		bytes += plan.files[i].bytes;
		if (strlen(plan.files[i].sha256) != 64 ||
			strncmp(plan.files[i].url, "http", 4) != 0)
			abort();
	}
	if (bytes != plan.bytes || bytes > MOST)
		abort();
	update_plan_fini(&plan);
}

static void check_revoke(const json_t *body)
{
	char why[256] = "";
	json_t *name;
	size_t i;

	if (revoked_check(body, why, sizeof(why)) != 0) {
		if (why[0] == '\0')
			abort();
		return;
	}
	json_array_foreach(json_object_get(body, "signatures"), i, name)
	{
		if (strpbrk(json_string_value(name), "\r\n:") != NULL)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct update_journal journal;
	unsigned int algorithm = 0;
	uint8_t digest[32];
	uint64_t bytes;
	char *text = malloc(n + 1);
	json_t *body;

	if (text == NULL)
		return 0;
	memcpy(text, data, n);
	text[n] = '\0';
	if (update_check_digest(text, &algorithm, digest, &bytes) == 0 && algorithm == 0)
		abort();
	if (update_journal_parse(text, n, &journal) == 0) {
		if (journal.step > UPDATE_DONE || journal.kind > UPDATE_ROLLBACK ||
			strchr(journal.version, '/') != NULL || !json_is_array(journal.covered))
			abort();
		update_journal_fini(&journal);
	}
	body = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (body != NULL) {
		check_plan(body);
		check_revoke(body);
	}
	json_decref(body);
	free(text);
	return 0;
}
