// SPDX-License-Identifier: BSD-3-Clause
// An object gives the same hits, type and digests in one piece and in chunks, whose size the first
// byte chooses; the second chooses the kind of object.
#include "scan/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_HITS 16
#define ALL_DIGESTS (DIGEST_MD5 | DIGEST_SHA1 | DIGEST_SHA256)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char signatures[] =
	"A:0:*:414243\nB:0:*:4142*4344\nC:0:3:4142\nD:4:*:41??43{600-700}4142\n"
	"E:0:EOF-9:4142\nF:10:*:4142\nG:0:*:(B)4142(B)\nH:0:*:4142{2-9}4344\n"
	"I:0:9:4142*(W)4344(L)\nJ:0:EOF-20:4142*4344\nK:1:0:4d5a\n"
	"L:0:*:41(42|4343|44)4546\nM:4:*:0a0a!(41|42)4344\n";

static const char rules[] =
	"R;Engine:81-255,Target:0;0&1;4142;0/C[^D]*D/\nS;Engine:81-255,Target:0;0>2|1=0;4142;4344\n"
	"T;Engine:81-255,Target:1;0;EP+0:4142\nU;Engine:81-255,Target:0;(0|1)>3,2;41::iw;42??4344\n"
	"V;Engine:81-255,Target:0;0&1;4142434445??47;0(>>2#ib1#>64)\n"
	"W;Engine:81-255,Target:1,NumberOfSections:0-9;0=0;S0+4:41424344??46\n";

struct outcome {
	size_t count;
	struct match_hit hits[MAX_HITS];
	struct match_digests digests;
	const char *type;
};

static struct matcher *open_matcher(void)
{
	char path[] = "/tmp/cordon-fuzz-XXXXXX.ndb";
	char rules_path[] = "/tmp/cordon-fuzz-XXXXXX.ldb";
	const char *paths[] = {path, rules_path};
	struct matcher *matcher = NULL;
	struct ruleset *ruleset = NULL;
	void *image = NULL;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);
	int rules_fd = mkstemps(rules_path, 4);

	if (fd < 0 || write(fd, signatures, strlen(signatures)) != (ssize_t)strlen(signatures) ||
		close(fd) != 0 || rules_fd < 0 ||
		write(rules_fd, rules, strlen(rules)) != (ssize_t)strlen(rules) ||
		close(rules_fd) != 0 || ruleset_build(paths, 2, NULL, &image, &bytes, NULL) != 0 ||
		ruleset_attach(image, bytes, &ruleset) != 0 ||
		matcher_new(ruleset, 1, ALL_DIGESTS, true, &matcher) != 0)
		abort();
	(void)unlink(path);
	(void)unlink(rules_path);
	return matcher;
}

static struct outcome match(struct matcher *matcher, enum match_target target, const uint8_t *data,
	size_t n, size_t chunk)
{
	struct outcome outcome;
	struct match_object *object;

	memset(&outcome, 0, sizeof(outcome));
	if (match_begin(matcher, target, &object) != 0)
		abort();
	for (size_t at = 0; at < n; at += chunk)
		if (match_feed(object, data + at, n - at < chunk ? n - at : chunk) != 0)
			abort();
	outcome.count = match_end(object, outcome.hits, MAX_HITS, &outcome.digests, &outcome.type);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct matcher *matcher;
	enum match_target target;
	struct outcome whole;
	struct outcome cut;

	if (n < 2)
		return 0;
	if (matcher == NULL)
		matcher = open_matcher();
	target = data[1] % 2 == 0 ? MATCH_TARGET_ANY : MATCH_TARGET_MAIL;
	whole = match(matcher, target, data + 2, n - 2, n);
	cut = match(matcher, target, data + 2, n - 2, 1u + data[0]);
	if (whole.count != cut.count || whole.type != cut.type ||
		whole.digests.set != cut.digests.set ||
		(target == MATCH_TARGET_ANY && whole.digests.set != ALL_DIGESTS) ||
		((whole.digests.set & DIGEST_MD5) != 0 &&
			memcmp(whole.digests.md5, cut.digests.md5, 16) != 0) ||
		((whole.digests.set & DIGEST_SHA256) != 0 &&
			memcmp(whole.digests.sha256, cut.digests.sha256, 32) != 0))
		abort();
	for (size_t i = 0; i < whole.count; i++)
		if (whole.hits[i].signature != cut.hits[i].signature)
			abort();
	return 0;
}
