// SPDX-License-Identifier: BSD-3-Clause
#include "perf/light.h"

#include "perf/light_digest.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "scan/decode.h"
#include "scan/match.h"

#include <libdeflate.h>
#include <openssl/evp.h>

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_S 0.01 // that each is measured for
// Of encoded bodies that lie there, no two in the same place: more than a processor has in caches of its own, and
// about what the traffic has on its way.
#define RECEIVED_BYTES (4u << 20)

struct light {
	hs_database_t *database;
	hs_scratch_t *scratch;
	struct matcher *matcher; // the engine's
	EVP_MD *sha256;
	EVP_MD_CTX *context;
	size_t hits;
	struct libdeflate_decompressor *inflate;
	uint8_t *out;
	size_t room;
	struct mail *received; // as they come from a port
	uint32_t received_count;
	uint8_t *bodies;
};

typedef void (*work_fn)(struct light *light, const struct mail *mail);

struct light *light_new(const struct rules *rules, const struct ruleset *ruleset)
{
	struct light *light = perf_alloc(sizeof(*light));

	light->database = rules_compile(rules);
	light->inflate = libdeflate_alloc_decompressor();
	// Looked up once: EVP_sha256() would be, each time, for as long as a small part takes.
	light->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	light->context = EVP_MD_CTX_new();
	perf_need(hs_alloc_scratch(light->database, &light->scratch) == HS_SUCCESS &&
			  light->inflate != NULL && light->sha256 != NULL &&
			  light->context != NULL &&
			  matcher_new(ruleset, 1, 0, false, &light->matcher) == 0,
		"memory");
	return light;
}

void light_free(struct light *light)
{
	(void)hs_free_scratch(light->scratch);
	(void)hs_free_database(light->database);
	matcher_free(light->matcher);
	EVP_MD_CTX_free(light->context);
	EVP_MD_free(light->sha256);
	libdeflate_free_decompressor(light->inflate);
	free(light->out);
	free(light->received);
	free(light->bodies);
	free(light);
}

static uint32_t read32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint32_t read16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

// A member by its entry in the directory: unpacked in one piece, and its checksum.
static void unpack_member(struct light *light, const struct mail *mail, const uint8_t *entry)
{
	const uint8_t *local = mail->attachment.data + read32(entry + 42);
	const uint8_t *packed = local + 30 + read16(local + 26) + read16(local + 28);
	size_t bytes = read32(entry + 24);

	perf_need(bytes <= light->room && read16(entry + 10) == 8 &&
			  libdeflate_deflate_decompress(light->inflate, packed, read32(entry + 20),
				  light->out, bytes, NULL) == LIBDEFLATE_SUCCESS &&
			  libdeflate_crc32(0, light->out, bytes) == read32(entry + 16),
		"a member");
}

// An archive of ours: its end record has no comment behind it.
static void unpack(struct light *light, const struct mail *mail)
{
	const uint8_t *end = mail->attachment.data + mail->attachment.bytes - 22;
	const uint8_t *entry = mail->attachment.data + read32(end + 16);

	perf_need(
		read32(end) == 0x06054b50 && read16(end + 10) == mail->member_count, "an archive");
	for (uint32_t i = mail->member_count; i > 0; i--) {
		perf_need(read32(entry) == 0x02014b50, "an entry");
		unpack_member(light, mail, entry);
		entry += 46 + read16(entry + 28) + read16(entry + 30) + read16(entry + 32);
	}
}

static void decode(struct light *light, const struct mail *mail)
{
	struct base64_state state = {0};
	size_t n;

	if (mail->body.bytes == 0)
		return;
	n = base64_decode(&state, mail->body.data, mail->body.bytes, light->out);
	n += base64_end(&state, light->out + n);
	perf_need(n == mail->attachment.bytes, "the attachment");
	if (mail->member_count > 0)
		unpack(light, mail);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *ctx)
{
	struct light *light = ctx;

	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	light->hits++;
	return 0;
}

typedef void (*part_fn)(struct light *light, const struct mail_bytes *part);

// Of each part by itself: the text, the attachment as it was sent, and what is packed in it.
static void each_part(struct light *light, const struct mail *mail, part_fn work)
{
	work(light, &mail->text);
	if (mail->attachment.bytes > 0)
		work(light, &mail->attachment);
	for (uint32_t i = 0; i < mail->member_count; i++)
		work(light, &mail->members[i]);
}

static void match_in(struct light *light, const struct mail_bytes *part)
{
	(void)hs_scan(light->database, (const char *)part->data, (unsigned int)part->bytes, 0,
		light->scratch, on_match, light);
}

static void match(struct light *light, const struct mail *mail)
{
	each_part(light, mail, match_in);
}

static void search_in(struct light *light, const struct mail_bytes *part)
{
	struct match_digests digests;
	struct match_object *object;
	struct match_hit hit;
	const char *type;

	perf_need(match_begin(light->matcher, MATCH_TARGET_ANY, &object) == 0 &&
			  match_feed(object, part->data, part->bytes) == 0,
		"the engine's search");
	light->hits += match_end(object, &hit, 1, &digests, &type);
}

static void search(struct light *light, const struct mail *mail)
{
	each_part(light, mail, search_in);
}

static void digest_of(struct light *light, const struct mail_bytes *part)
{
	uint8_t digest[32];

	perf_need(EVP_DigestInit_ex2(light->context, light->sha256, NULL) == 1 &&
			  EVP_DigestUpdate(light->context, part->data, part->bytes) == 1 &&
			  EVP_DigestFinal_ex(light->context, digest, NULL) == 1,
		"a digest");
	perf_keep(digest[0]);
}

static void digest(struct light *light, const struct mail *mail)
{
	each_part(light, mail, digest_of);
}

// What is measured finds what there is, and nothing else.
static void check(struct light *light, const struct mail *mail, work_fn work)
{
	light->hits = 0;
	work(light, mail);
	perf_need(mail->infected == (light->hits > 0), "a search that finds what is there");
}

static double processor_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double measure(struct light *light, const struct mail *set, uint32_t count, work_fn work)
{
	double began = processor_s();
	double spent = 0;
	uint32_t rounds = 0;

	// The clock is asked seldom: of a single small mail that would take as long as the work.
	for (uint32_t more = 1; spent < LEAST_S; more *= 2) {
		for (uint32_t i = 0; i < more * count; i++)
			work(light, &set[i % count]);
		rounds += more;
		spent = processor_s() - began;
	}
	return spent / rounds;
}

static double measure_lanes(const struct mail *set, uint32_t count)
{
	struct light_lanes *lanes = light_lanes_new(set, count);
	double began;
	double spent = 0;
	uint32_t rounds = 0;

	light_lanes_run(lanes);
	began = processor_s();
	for (uint32_t more = 1; spent < LEAST_S; more *= 2) {
		for (uint32_t i = 0; i < more; i++)
			light_lanes_run(lanes);
		rounds += more;
		spent = processor_s() - began;
	}
	light_lanes_free(lanes);
	return spent / rounds;
}

// Copies of the mails, as often as it takes.
static void receive(struct light *light, const struct mail *set, uint32_t count)
{
	size_t bytes = 0;
	uint32_t times;

	for (uint32_t i = 0; i < count; i++)
		bytes += set[i].body.bytes;
	times = bytes > 0 ? (uint32_t)(RECEIVED_BYTES / bytes) + 1 : 1;
	free(light->received);
	free(light->bodies);
	light->received_count = times * count;
	light->received = perf_alloc(sizeof(*light->received) * light->received_count);
	light->bodies = perf_alloc(times * bytes + DECODE_SLACK);
	bytes = 0;
	for (uint32_t i = 0; i < light->received_count; i++) {
		struct mail *mail = &light->received[i];

		*mail = set[i % count];
		if (mail->body.bytes == 0)
			continue;
		memcpy(light->bodies + bytes, mail->body.data, mail->body.bytes);
		mail->body.data = light->bodies + bytes;
		bytes += mail->body.bytes;
	}
}

static void make_room(struct light *light, const struct mail *mail)
{
	size_t room = mail->wire.bytes;

	for (uint32_t i = 0; i < mail->member_count; i++)
		room = mail->members[i].bytes > room ? mail->members[i].bytes : room;
	if (room <= light->room)
		return;
	free(light->out);
	light->out = perf_alloc(room + DECODE_SLACK);
	light->room = room;
}

void light_measure(struct light *light, const struct mail *set, uint32_t count,
	const struct light_frames *frames, bool digests, struct light_cost *cost)
{
	for (uint32_t i = 0; i < count; i++) {
		make_room(light, &set[i]);
		check(light, &set[i], match);
		check(light, &set[i], search);
	}
	cost->forward = rig_forward_s((uint32_t)(frames->count * count), (uint32_t)frames->bytes);
	receive(light, set, count);
	cost->decode = measure(light, light->received, light->received_count, decode) * count /
		       light->received_count;
	cost->match = measure(light, set, count, match);
	cost->search = measure(light, set, count, search);
	cost->digest = digests ? measure(light, set, count, digest) : 0;
	cost->lanes = digests ? measure_lanes(set, count) : 0;
}

double light_goal(const struct light_cost *cost)
{
	return cost->forward + cost->decode + cost->match + cost->digest;
}

double light_bound(const struct light_cost *cost)
{
	return cost->forward + cost->decode + fmin(cost->match, cost->search) +
	       fmin(cost->digest, cost->lanes);
}
