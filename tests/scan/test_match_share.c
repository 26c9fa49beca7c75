// SPDX-License-Identifier: BSD-3-Clause
// A part that takes what is in it from the search of the raw mail has the hits that it has when it is
// searched by itself: random patterns at any place, random mails, wherever the part begins and ends, however
// the bytes of both come, also where they are not the same after all or the mail is over before.
#include "scan/match_object.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define SETS 24
#define RULES 40
#define MAILS 24
#define MAX_MAIL 40000

struct sizes {
	size_t mail;
	size_t from; // of the part in it
	size_t part;
	size_t differs; // in the part, SIZE_MAX: nowhere
	size_t over;    // the mail ends when so much of the part has come
};

static struct random numbers = {UINT64_C(0x9e3779b97f4a7c15)};

static unsigned int below(unsigned int n)
{
	return random_below(&numbers, n);
}

// ---- rules -------------------------------------------------------------------------------------

// Few letters meet often, more of them rarely.
static uint8_t letter(unsigned int letters)
{
	static const char all[] = "AB \nCdefghijklmnopqrstuvwxyz0123456789";

	return (uint8_t)all[below(letters < sizeof(all) - 1 ? letters : sizeof(all) - 1)];
}

// Bytes that fit a pattern, which mails get some of.
struct sample {
	size_t bytes;
	uint8_t data[64];
};

static struct sample samples[4 * RULES];
static unsigned int samples_count;

static size_t add_body(char *out, unsigned int letters, unsigned int least, bool is_plain)
{
	static const char *const conditions[] = {"", "", "", "", "", "", "", "(B)", "(L)", "(W)"};
	struct sample *sample = &samples[samples_count++ % (4 * RULES)];
	const unsigned int count = least + below(5);
	size_t n = is_plain ? 0 : (size_t)sprintf(out, "%s", conditions[below(10)]);

	sample->bytes = 0;
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t byte = letter(letters);

		sample->data[sample->bytes++] = byte;
		if (!is_plain && i > 1 && i + 2 < count && below(8) == 0)
			n += (size_t)sprintf(out + n, "??");
		else
			n += (size_t)sprintf(out + n, "%02x", byte);
		if (!is_plain && i == 3 && count > 6 && below(4) == 0) {
			const unsigned int gap = below(3);

			n += (size_t)sprintf(out + n, "{%u-%u}", gap, 3 + below(40));
			memset(sample->data + sample->bytes, 'A', gap);
			sample->bytes += gap;
		}
	}
	return is_plain ? n : n + (size_t)sprintf(out + n, "%s", conditions[below(10)]);
}

static size_t add_offset(char *out, bool is_plain)
{
	switch (below(is_plain ? 14 : 16)) {
	case 0:
		return (size_t)sprintf(out, "%u", below(30));
	case 1:
		return (size_t)sprintf(out, "EOF-%u", 4 + below(60));
	case 14:
		return (size_t)sprintf(out, "%u,%u", below(9000), 1 + below(9000));
	case 15:
		return (size_t)sprintf(out, "EOF-%u,%u", 20 + below(60), 1 + below(30));
	default:
		return (size_t)sprintf(out, "*");
	}
}

static const char *some_target(void)
{
	static const char *const targets[] = {"0", "0", "0", "4", "7"};

	return targets[below(5)];
}

static char *put_pattern(char *out, unsigned int number, unsigned int letters, bool is_plain)
{
	out += sprintf(out, "P%u:%s:", number, some_target());
	out += add_offset(out, is_plain);
	*out++ = ':';
	out += add_body(out, letters, is_plain ? 6 : 4, is_plain);
	*out++ = '\n';
	*out = '\0';
	return out;
}

static char *put_rule(char *out, unsigned int number, unsigned int letters)
{
	out += sprintf(
		out, "R%u;Engine:51-255,Target:%s;0>%u&1;", number, some_target(), below(12));
	out += add_body(out, letters, 3, false);
	*out++ = ';';
	out += add_offset(out, false);
	*out++ = ':';
	out += add_body(out, letters, 4, false);
	*out++ = '\n';
	return out;
}

// Patterns by themselves, for which nothing is kept but of mails, as far as parts lag behind; or logical rules that
// count them besides, and a regular expression, which has the bytes of all objects kept.
static void make_rules(
	char *patterns, char *rules, unsigned int letters, unsigned int first, bool keeps_all)
{
	*rules = '\0';
	for (unsigned int i = 0; i < RULES; i++) {
		patterns = put_pattern(patterns, first + i, letters, !keeps_all);
		if (keeps_all)
			rules = put_rule(rules, first + i, letters);
	}
	if (keeps_all)
		(void)sprintf(
			rules, "K%u;Engine:81-255,Target:0;0&1;41424120;0/A[a-z]{3}B/\n", first);
}

// ---- mails -------------------------------------------------------------------------------------

static size_t feed(struct match_object *object, const uint8_t *data, size_t at, size_t to)
{
	while (at < to) {
		size_t n = 1 + below(below(3) == 0 ? 20 : 6000);

		n = n < to - at ? n : to - at;
		assert_int_equal(match_feed(object, data + at, n), 0);
		at += n;
	}
	return at;
}

static void end_mail(struct match_object *mail)
{
	struct match_hit hits[CASE_MAX_HITS];
	struct match_digests digests;
	const char *type;

	(void)match_end(mail, hits, CASE_MAX_HITS, &digests, &type);
}

// The part alone where there is no mail.
static struct case_result match_part(struct matcher *matcher, const uint8_t *mail,
	const uint8_t *part, const struct sizes *sizes)
{
	struct case_result result = {0};
	struct match_object *host = NULL;
	struct match_object *object;
	size_t host_at = 0;

	if (mail != NULL) {
		assert_int_equal(match_begin(matcher, MATCH_TARGET_MAIL, &host), 0);
		host_at = feed(host, mail, 0, sizes->from + below(9000));
	}
	assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &object), 0);
	if (mail != NULL)
		match_share(object, host, sizes->from);
	for (size_t at = 0; at < sizes->part;) {
		size_t n = 1 + below(below(3) == 0 ? 40 : 17000);

		n = n < sizes->part - at ? n : sizes->part - at;
		// The mail is ahead of the part, by little or more.
		if (host != NULL && sizes->from + at + n > host_at)
			host_at = feed(host, mail, host_at,
				sizes->from + at + n + (below(2) == 0 ? below(5000) : 0));
		if (host != NULL && at > sizes->over) {
			end_mail(host);
			assert_int_equal(match_begin(matcher, MATCH_TARGET_MAIL, &host), 0);
			end_mail(host);
			host = NULL;
		}
		assert_int_equal(match_feed(object, part + at, n), 0);
		if (sizes->differs == SIZE_MAX && sizes->over == SIZE_MAX)
			assert_ptr_equal(object->share.host, host);
		at += n;
	}
	result.count = match_end(object, result.hits, CASE_MAX_HITS, &result.digests, &result.type);
	if (host != NULL)
		end_mail(host);
	return result;
}

static void make_mail(uint8_t *mail, size_t bytes, unsigned int letters, const struct sizes *sizes)
{
	for (size_t i = 0; i < bytes; i++)
		mail[i] = letter(letters);
	for (size_t at = below(300); at + sizeof(samples->data) < bytes; at += below(600)) {
		const struct sample *sample = &samples[below(4 * RULES)];
		const size_t edge = below(2) == 0 ? sizes->from : sizes->from + sizes->part;

		memcpy(mail + at, sample->data, sample->bytes);
		// Some stand at the edges of the part, or across them.
		if (below(20) == 0 && edge > sample->bytes)
			memcpy(mail + edge - below((unsigned int)sample->bytes + 1), sample->data,
				sample->bytes);
	}
	// Bytes that are no text are searched in other tables.
	if (below(3) == 0)
		mail[below((unsigned int)sizes->mail)] = 0xe4;
}

static struct sizes some_sizes(void)
{
	struct sizes sizes = {.mail = 20 + below(below(2) == 0 ? 400 : MAX_MAIL - 20)};

	sizes.from = below((unsigned int)sizes.mail);
	sizes.part = 1 + below((unsigned int)(sizes.mail - sizes.from));
	sizes.differs = below(3) == 0 ? below((unsigned int)sizes.part) : SIZE_MAX;
	sizes.over = below(6) == 0 ? below((unsigned int)sizes.part) : SIZE_MAX;
	return sizes;
}

// Returns how many hits there were.
static size_t compare_some(struct matcher *matcher, unsigned int letters)
{
	static uint8_t mail[MAX_MAIL + 20000];
	static uint8_t part[MAX_MAIL];
	const struct sizes sizes = some_sizes();
	struct case_result alone;
	struct case_result shared;

	make_mail(mail, sizeof(mail), letters, &sizes);
	memcpy(part, mail + sizes.from, sizes.part);
	if (sizes.differs != SIZE_MAX)
		part[sizes.differs] ^= 1;
	alone = match_part(matcher, NULL, part, &sizes);
	shared = match_part(matcher, mail, part, &sizes);
	assert_int_equal(shared.count, alone.count);
	for (size_t i = 0; i < alone.count; i++)
		assert_string_equal(shared.hits[i].signature, alone.hits[i].signature);
	return alone.count;
}

// ---- sets --------------------------------------------------------------------------------------

#define TEXT_BYTES ((size_t)RULES * 400)

struct set {
	char folder[32];
	char paths[4][48]; // a.ndb a.ldb b.ndb b.ldb
	char texts[4][TEXT_BYTES];
	struct ruleset_built base;
	struct ruleset_built delta;
	struct ruleset *ruleset;
	struct ruleset *both;
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void build_set(struct set *set, unsigned int letters, bool keeps_all)
{
	static const char *const names[] = {"a.ndb", "a.ldb", "b.ndb", "b.ldb"};
	const char *const paths[] = {set->folder};
	struct ruleset_build_stats stats;

	(void)snprintf(set->folder, sizeof(set->folder), "/tmp/cordon-test-XXXXXX");
	assert_non_null(mkdtemp(set->folder));
	for (unsigned int i = 0; i < 4; i++)
		(void)snprintf(
			set->paths[i], sizeof(set->paths[i]), "%s/%s", set->folder, names[i]);
	make_rules(set->texts[0], set->texts[1], letters, 0, keeps_all);
	make_rules(set->texts[2], set->texts[3], letters, RULES, keeps_all);
	write_file(set->paths[0], set->texts[0]);
	write_file(set->paths[1], set->texts[1]);
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &set->base, &stats), 0);
	write_file(set->paths[2], set->texts[2]);
	write_file(set->paths[3], set->texts[3]);
	set->delta = set->base;
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &set->delta, &stats), 0);
	assert_non_null(set->delta.image);
	assert_int_equal(ruleset_attach(set->base.image, set->base.image_bytes, &set->ruleset), 0);
	assert_int_equal(ruleset_attach_delta(set->ruleset, set->delta.image,
				 set->delta.image_bytes, &set->both),
		0);
	assert_int_equal(match_needs_copy(set->both), keeps_all);
}

static void free_set(struct set *set)
{
	ruleset_close(set->both);
	ruleset_close(set->ruleset);
	free(set->delta.image);
	free(set->base.image);
	free(set->base.index);
	for (unsigned int i = 0; i < 4; i++)
		(void)unlink(set->paths[i]);
	(void)rmdir(set->folder);
}

static void a_part_has_the_hits_that_it_has_alone(void **state)
{
	static const unsigned int letters[] = {5, 12, 38};
	static struct set set;
	size_t hits = 0;

	(void)state;
	for (unsigned int i = 0; i < SETS; i++) {
		build_set(&set, letters[i % 3], i % 2 == 0);
		for (unsigned int k = 0; k < 2; k++) {
			struct matcher *matcher;

			assert_int_equal(
				matcher_new(k == 0 ? set.ruleset : set.both, 8, 0, true, &matcher),
				0);
			for (unsigned int mail = 0; mail < MAILS; mail++)
				hits += compare_some(matcher, letters[i % 3]);
			matcher_free(matcher);
		}
		free_set(&set);
	}
	assert_true(hits > 1000);
}

// Where nothing else wants the bytes of a long mail those of its end are kept alone, for a part that comes late.
static void of_a_long_mail_its_end_is_kept(void **state)
{
	static uint8_t mail[20 * MATCH_COPY_CHUNK];
	static struct set set;
	struct matcher *matcher;
	struct match_object *host;
	struct match_object *part;
	uint32_t chunks;
	size_t part_at = 100;

	(void)state;
	build_set(&set, 5, false);
	assert_int_equal(matcher_new(set.both, 8, 0, true, &matcher), 0);
	chunks = matcher->copies.chunks.free_count;
	assert_int_equal(match_begin(matcher, MATCH_TARGET_MAIL, &host), 0);
	assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &part), 0);
	match_share(part, host, part_at);
	for (size_t at = 0; at < sizeof(mail); at += 4096) {
		assert_int_equal(match_feed(host, mail + at, 4096), 0);
		if (at + 4096 - part_at < MATCH_SHARE_BYTES - 4096)
			continue;
		assert_int_equal(match_feed(part, mail + part_at, 16384), 0);
		part_at += 16384;
		assert_ptr_equal(part->share.host, host);
		assert_true(chunks - matcher->copies.chunks.free_count <=
			    MATCH_SHARE_BYTES / MATCH_COPY_CHUNK + 2);
	}
	end_mail(part);
	end_mail(host);
	assert_int_equal(matcher->copies.chunks.free_count, chunks);
	matcher_free(matcher);
	free_set(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_has_the_hits_that_it_has_alone),
		cmocka_unit_test(of_a_long_mail_its_end_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
