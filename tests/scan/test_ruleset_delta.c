// SPDX-License-Identifier: BSD-3-Clause
// An image with a delta on it finds what one image of all would find.
#include "scan/ruleset.h"
#include "scan/ruleset_build_index.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <openssl/evp.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define ROUNDS 30
#define OPENINGS 800
#define LASTS_US 3000 // an image: some openings long
#define LINES 14
#define LINE_BYTES 256
#define OBJECTS 6
#define OBJECT_BYTES 1200

enum { A_NDB, B_LDB, C_HDB, D_HSB, E_FP, F_IGN, G_CDB, H_NDB, I_PDB, FILES };

static const char *const file_names[FILES] = {
	"a.ndb", "b.ldb", "c.hdb", "d.hsb", "e.fp", "f.ign2", "g.cdb", "h.ndb", "i.pdb"};

static const char *const words[] = {"alphorn", "Bravissimo", "char", "delta-7", "ECHO1",
	"fox<trot>", "golf", "hotelier", "I%n", "juliet"};
#define WORDS (sizeof(words) / sizeof(words[0]))

struct set {
	unsigned int counts[FILES];
	char lines[FILES][LINES][LINE_BYTES];
};

struct object {
	uint8_t data[OBJECT_BYTES];
	size_t bytes;
};

struct world {
	struct random random;
	unsigned int names;
	struct object objects[OBJECTS];
	struct set set;
	char folder[64];
};

static uint32_t below(struct world *world, uint32_t n)
{
	return random_below(&world->random, n);
}

// ---- lines -------------------------------------------------------------------------------------

static void add_hex(char *line, const char *word)
{
	for (size_t at = strlen(line); *word != '\0'; word++, at += 2)
		(void)snprintf(line + at, LINE_BYTES - at, "%02x", (unsigned char)*word);
}

static void add_text(char *line, const char *text)
{
	size_t at = strlen(line);

	(void)snprintf(line + at, LINE_BYTES - at, "%s", text);
}

static void add_pattern(struct world *world, char *line)
{
	static const char *const joints[] = {
		"??", "*", "{2-9}", "{-40}", "(41|42|78)", "{30-}", "[1-4]", ""};

	add_hex(line, words[below(world, WORDS)]);
	if (below(world, 2) == 0)
		return;
	add_text(line, joints[below(world, 8)]);
	add_hex(line, words[below(world, WORDS)]);
}

static void make_ndb(struct world *world, char *line)
{
	static const char *const targets[] = {"0", "0", "0", "3", "4", "7"};
	static const char *const offsets[] = {"*", "*", "*", "0", "3,40", "EOF-60", "EOF-90,50"};

	(void)snprintf(line, LINE_BYTES, "N%u:%s:%s:", world->names++, targets[below(world, 6)],
		offsets[below(world, 7)]);
	add_pattern(world, line);
}

static void make_ldb(struct world *world, char *line)
{
	static const char *const expressions[] = {
		"0&1", "0|1", "(0|1)>2", "0>1", "0=0&1", "(0|1)>1,2", "1=2"};
	bool has_regex = below(world, 4) == 0;

	(void)snprintf(line, LINE_BYTES, "L%u;Engine:81-255,Target:%s;%s%s;", world->names++,
		below(world, 3) == 0 ? "3" : "0", expressions[below(world, 7)],
		has_regex ? "&2" : "");
	add_pattern(world, line);
	add_text(line, ";");
	add_pattern(world, line);
	if (below(world, 4) == 0)
		add_text(line, "::i");
	if (has_regex)
		add_text(line, ";0/(gol|ho)[a-z]+/");
}

// Of an object, or of the body that a message of it has.
static void make_hash(struct world *world, char *line, bool is_long, bool has_name)
{
	const struct object *object = &world->objects[below(world, OBJECTS)];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	size_t at = 0;

	assert_int_equal(EVP_Digest(object->data, object->bytes, digest, &n,
				 is_long ? EVP_sha256() : EVP_md5(), NULL),
		1);
	line[0] = '\0';
	for (unsigned int i = 0; i < n; i++, at += 2)
		(void)snprintf(line + at, LINE_BYTES - at, "%02x", digest[i]);
	if (is_long && below(world, 2) == 0)
		(void)snprintf(line + at, LINE_BYTES - at, ":*:");
	else
		(void)snprintf(line + at, LINE_BYTES - at, ":%zu:", object->bytes);
	at = strlen(line);
	(void)snprintf(line + at, LINE_BYTES - at, "%s%u%s", has_name ? "H" : "W", world->names++,
		is_long ? ":73" : "");
}

static void make_line(struct world *world, unsigned int file, char *line)
{
	line[0] = '\0';
	if (below(world, 6) == 0 && file != F_IGN)
		(void)snprintf(line, LINE_BYTES, "#cordon: virus_id=V%u\n", world->names);
	line += strlen(line);
	if (below(world, 25) == 0) {
		(void)snprintf(line, LINE_BYTES / 2, "what is this?");
		return;
	}
	switch (file) {
	case B_LDB:
		make_ldb(world, line);
		return;
	case C_HDB:
	case D_HSB:
	case E_FP:
		make_hash(world, line, file == D_HSB, file != E_FP);
		return;
	case F_IGN:
		(void)snprintf(line, LINE_BYTES / 2, "%c%u", "NLHCW"[below(world, 5)],
			below(world, world->names + 1));
		return;
	case G_CDB:
		(void)snprintf(line, LINE_BYTES / 2, "C%u:%s:%s:w%u\\.exe:*:*:*:*:*:*",
			world->names++, below(world, 2) == 0 ? "CL_TYPE_MAIL" : "*",
			below(world, 3) == 0 ? "100-9000" : "*", below(world, 4));
		return;
	default:
		make_ndb(world, line);
		return;
	}
}

// ---- sets --------------------------------------------------------------------------------------

static void insert_line(struct world *world, unsigned int file)
{
	struct set *set = &world->set;
	unsigned int count = set->counts[file];
	unsigned int at = below(world, count + 1);

	if (count == LINES)
		return;
	memmove(set->lines[file][at + 1], set->lines[file][at],
		(size_t)(count - at) * sizeof(set->lines[file][0]));
	make_line(world, file, set->lines[file][at]);
	set->counts[file]++;
}

static void remove_line(struct world *world, unsigned int file)
{
	struct set *set = &world->set;
	unsigned int count = set->counts[file];
	unsigned int at = count > 0 ? below(world, count) : 0;

	if (count == 0)
		return;
	memmove(set->lines[file][at], set->lines[file][at + 1],
		(size_t)(count - at - 1) * sizeof(set->lines[file][0]));
	set->counts[file]--;
	memset(set->lines[file][count - 1], 0, LINE_BYTES);
}

static void make_set(struct world *world)
{
	memset(&world->set, 0, sizeof(world->set));
	for (unsigned int file = 0; file < FILES; file++)
		for (unsigned int i = below(world, file == E_FP || file == F_IGN ? 3 : 10); i > 0;
			i--)
			insert_line(world, file);
}

static void change_set(struct world *world)
{
	for (unsigned int i = 1 + below(world, 6); i > 0; i--) {
		unsigned int file = below(world, FILES);
		unsigned int what = below(world, 5);

		if (what == 0)
			remove_line(world, file);
		if (what == 1)
			for (unsigned int k = world->set.counts[file]; k > 0 && file != E_FP; k--)
				remove_line(world, file);
		if (what != 0)
			insert_line(world, file);
	}
}

// Files without lines are not there.
static void write_set(const struct world *world)
{
	for (unsigned int file = 0; file < FILES; file++) {
		char path[128];
		FILE *out;

		(void)snprintf(path, sizeof(path), "%s/%s", world->folder, file_names[file]);
		(void)unlink(path);
		if (world->set.counts[file] == 0)
			continue;
		out = fopen(path, "w");
		assert_non_null(out);
		for (unsigned int i = 0; i < world->set.counts[file]; i++)
			(void)fprintf(out, "%s%s", world->set.lines[file][i],
				i + 1 < world->set.counts[file] || i % 2 == 0 ? "\n" : "");
		assert_int_equal(fclose(out), 0);
	}
}

static void make_objects(struct world *world)
{
	static const char *const begins[] = {"", "<html><body>",
		"Content-Type: application/x-thing; name=w1.exe\r\n\r\n", "\x89PNG\r\n",
		"Content-Type: text/html; name=w2.exe\r\n\r\n"};

	for (unsigned int i = 0; i < OBJECTS; i++) {
		struct object *object = &world->objects[i];
		const char *begin = begins[below(world, 5)];

		memcpy(object->data, begin, strlen(begin));
		object->bytes = strlen(begin);
		for (unsigned int k = below(world, 60); k > 0; k--) {
			const char *word = words[below(world, WORDS)];

			if (object->bytes + 16 > OBJECT_BYTES)
				break;
			memcpy(object->data + object->bytes, word, strlen(word));
			object->bytes += strlen(word);
			object->data[object->bytes++] = (uint8_t) " xA\n1"[below(world, 5)];
		}
	}
}

// ---- comparing ---------------------------------------------------------------------------------

static const struct scan_result *scan_one(
	struct scanner *scanner, const struct object *object, bool is_mail, struct scan **scan)
{
	assert_int_equal(scan_begin(scanner, is_mail ? SCAN_MESSAGE : SCAN_FILE, scan), 0);
	scan_feed(*scan, object->data, object->bytes / 3);
	scan_feed(*scan, object->data + object->bytes / 3, object->bytes - object->bytes / 3);
	return scan_end(*scan);
}

static void compare_scans(
	struct scanner *a, struct scanner *b, const struct object *object, bool is_mail)
{
	struct scan *scans[2];
	const struct scan_result *x = scan_one(a, object, is_mail, &scans[0]);
	const struct scan_result *y = scan_one(b, object, is_mail, &scans[1]);

	assert_int_equal(x->verdict, y->verdict);
	assert_string_equal(x->reason, y->reason);
	assert_int_equal(x->matches_count, y->matches_count);
	for (size_t i = 0; i < x->matches_count; i++) {
		assert_string_equal(x->matches[i].signature, y->matches[i].signature);
		assert_string_equal(x->matches[i].virus_id, y->matches[i].virus_id);
		assert_int_equal(x->matches[i].kind, y->matches[i].kind);
		assert_int_equal(x->matches[i].part, y->matches[i].part);
	}
	scan_free(scans[0]);
	scan_free(scans[1]);
}

static void compare_rulesets(
	const struct world *world, const struct ruleset *a, const struct ruleset *b)
{
	for (int all = 0; all < 2; all++) {
		struct scan_options options;
		struct scanner *scanners[2];

		scan_options_init(&options);
		options.max_messages = 1;
		options.max_all_captured_bytes = 1 << 20;
		options.all_matches = all != 0;
		assert_int_equal(scanner_new(&options, a, &scanners[0]), 0);
		assert_int_equal(scanner_new(&options, b, &scanners[1]), 0);
		for (unsigned int i = 0; i < OBJECTS; i++)
			for (int mail = 0; mail < 2; mail++)
				compare_scans(
					scanners[0], scanners[1], &world->objects[i], mail != 0);
		scanner_free(scanners[0]);
		scanner_free(scanners[1]);
	}
}

static void compare_counts(const struct ruleset_build_stats *a, const struct ruleset_build_stats *b)
{
	assert_int_equal(a->files, b->files);
	assert_int_equal(a->lines, b->lines);
	assert_int_equal(a->signatures, b->signatures);
	assert_int_equal(a->literals, b->literals);
	assert_int_equal(a->patterns, b->patterns);
	assert_int_equal(a->hashes, b->hashes);
	assert_int_equal(a->ignored, b->ignored);
	assert_int_equal(a->skipped, b->skipped);
	assert_int_equal(a->errors, b->errors);
}

static struct ruleset *attach(void *image, size_t bytes)
{
	struct ruleset *ruleset;

	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	return ruleset;
}

// Image and delta in one block, as they may lie in one file.
static void *join(const struct ruleset_built *base, const struct ruleset_built *delta)
{
	uint8_t *both = aligned_alloc(RULESET_ALIGN, base->image_bytes + delta->image_bytes);

	assert_non_null(both);
	memcpy(both, base->image, base->image_bytes);
	memcpy(both + base->image_bytes, delta->image, delta->image_bytes);
	return both;
}

// With no delta the base alone is to be the same.
static void check_pair(const struct world *world, const struct ruleset_built *base,
	const struct ruleset_built *delta, const struct ruleset *full)
{
	struct ruleset *alone = attach(base->image, base->image_bytes);
	struct ruleset *laid = NULL;
	struct ruleset *joined = NULL;
	void *both = NULL;

	if (delta->image == NULL) {
		compare_rulesets(world, full, alone);
		ruleset_close(alone);
		return;
	}
	both = join(base, delta);
	joined = attach(both, base->image_bytes + delta->image_bytes);
	assert_int_equal(ruleset_attach_delta(alone, delta->image, delta->image_bytes, &laid), 0);
	assert_string_equal(ruleset_get_info(laid)->version, ruleset_get_info(joined)->version);
	assert_int_equal(ruleset_get_info(laid)->signatures, ruleset_get_info(full)->signatures);
	assert_int_equal(ruleset_get_info(laid)->hashes, ruleset_get_info(full)->hashes);
	assert_int_equal(ruleset_get_info(laid)->skipped, ruleset_get_info(full)->skipped);
	compare_rulesets(world, full, laid);
	compare_rulesets(world, full, joined);
	ruleset_close(laid);
	ruleset_close(alone);
	ruleset_close(joined);
	free(both);
}

// What changed since the index of base was made, against an image of all. Returns whether it could be
// a delta.
static bool check_delta(struct world *world, const struct ruleset_built *base)
{
	const char *paths[] = {world->folder};
	struct ruleset_built delta = {.index = base->index, .index_bytes = base->index_bytes};
	struct ruleset_build_stats stats;
	struct ruleset_build_stats full_stats;
	struct ruleset *ruleset;
	void *full;
	size_t bytes;
	int err = ruleset_build_delta(paths, 1, NULL, &delta, &stats);

	if (err == -E2BIG)
		return false;
	assert_int_equal(err, 0);
	assert_int_equal(ruleset_build(paths, 1, NULL, &full, &bytes, &full_stats), 0);
	compare_counts(&stats, &full_stats);
	ruleset = attach(full, bytes);
	check_pair(world, base, &delta, ruleset);
	ruleset_close(ruleset);
	free(full);
	free(delta.image);
	return true;
}

static void open_world(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	world->random.state = seed;
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/cordon-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	make_objects(world);
}

static void close_world(struct world *world)
{
	memset(&world->set, 0, sizeof(world->set));
	write_set(world);
	assert_int_equal(rmdir(world->folder), 0);
}

static struct ruleset_built build_base(const struct world *world)
{
	const char *paths[] = {world->folder};
	struct ruleset_build_stats stats;
	struct ruleset_built base;

	write_set(world);
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &base, &stats), 0);
	return base;
}

static void free_built(struct ruleset_built *built)
{
	free(built->image);
	free(built->index);
}

static void an_image_and_a_delta_find_what_one_image_finds(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	unsigned int deltas = 0;

	(void)state;
	assert_non_null(world);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct ruleset_built base;
		struct set before;

		open_world(world, round * UINT64_C(77) + 1234567);
		make_set(world);
		before = world->set;
		base = build_base(world);
		// Each delta is of the same base, and takes the place of the one before.
		for (unsigned int i = 0; i < 3; i++) {
			change_set(world);
			write_set(world);
			if (check_delta(world, &base))
				deltas++;
			else
				assert_memory_not_equal(before.lines[E_FP], world->set.lines[E_FP],
					sizeof(before.lines[E_FP]));
		}
		free_built(&base);
		close_world(world);
	}
	print_message("%u deltas\n", deltas);
	assert_true(deltas > ROUNDS);
	free(world);
}

// ---- files -------------------------------------------------------------------------------------

enum { ONE, ONE_DELTA, TWO, IMAGES };

struct folder {
	char path[64];
	char image[128];
	char delta[160];
	void *images[IMAGES];
	size_t bytes[IMAGES];
	atomic_bool is_over;
};

// As control does it: what was there before stands until the other one takes its place.
static void place(const struct folder *folder, int which, const char *name)
{
	char temporary[160];
	FILE *file;

	(void)snprintf(temporary, sizeof(temporary), "%s/new", folder->path);
	file = fopen(temporary, "w");
	assert_non_null(file);
	assert_int_equal(
		fwrite(folder->images[which], 1, folder->bytes[which], file), folder->bytes[which]);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temporary, name), 0);
}

static void *take_turns(void *ctx)
{
	struct folder *folder = ctx;

	while (!folder->is_over) {
		place(folder, TWO, folder->image);
		assert_int_equal(unlink(folder->delta), 0);
		(void)usleep(LASTS_US);
		place(folder, ONE_DELTA, folder->delta);
		place(folder, ONE, folder->image);
		(void)usleep(LASTS_US);
	}
	return NULL;
}

static void make_images(struct folder *folder)
{
	const char *paths[] = {folder->path};
	struct ruleset_build_stats stats;
	struct ruleset_built one;
	struct ruleset_built delta = {0};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	(void)snprintf(world->folder, sizeof(world->folder), "%s", folder->path);
	add_text(world->set.lines[A_NDB][0], "First:0:*:616c70686f726e");
	world->set.counts[A_NDB] = 1;
	write_set(world);
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &one, &stats), 0);
	delta.index = one.index;
	delta.index_bytes = one.index_bytes;
	add_text(world->set.lines[A_NDB][1], "Second:0:*:627261766973696d");
	world->set.counts[A_NDB] = 2;
	write_set(world);
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &delta, &stats), 0);
	assert_int_equal(
		ruleset_build(paths, 1, NULL, &folder->images[TWO], &folder->bytes[TWO], &stats),
		0);
	folder->images[ONE] = one.image;
	folder->bytes[ONE] = one.image_bytes;
	folder->images[ONE_DELTA] = delta.image;
	folder->bytes[ONE_DELTA] = delta.image_bytes;
	free(one.index);
	memset(&world->set, 0, sizeof(world->set));
	write_set(world);
	free(world);
}

// Either has both signatures, at any moment.
static void an_image_is_opened_with_the_delta_of_its_moment(void **state)
{
	struct folder folder = {.path = "/tmp/cordon-test-XXXXXX"};
	struct ruleset *ruleset;
	pthread_t thread;

	(void)state;
	assert_non_null(mkdtemp(folder.path));
	make_images(&folder);
	(void)snprintf(folder.image, sizeof(folder.image), "%s/image", folder.path);
	(void)snprintf(folder.delta, sizeof(folder.delta), "%s" RULESET_DELTA_SUFFIX, folder.image);
	place(&folder, ONE, folder.image);
	place(&folder, ONE_DELTA, folder.delta);
	assert_int_equal(pthread_create(&thread, NULL, take_turns, &folder), 0);
	for (int i = 0; i < OPENINGS; i++) {
		assert_int_equal(ruleset_open(folder.image, &ruleset), 0);
		assert_int_equal(ruleset_get_info(ruleset)->signatures, 2);
		ruleset_close(ruleset);
	}
	folder.is_over = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(unlink(folder.image), 0);
	assert_int_equal(unlink(folder.delta), 0);
	assert_int_equal(rmdir(folder.path), 0);
	for (int i = 0; i < IMAGES; i++)
		free(folder.images[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_and_a_delta_find_what_one_image_finds),
		cmocka_unit_test(an_image_is_opened_with_the_delta_of_its_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
