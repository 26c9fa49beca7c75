// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_container.h"
#include "scan/clamav_signature.h"
#include "tests/scan/ruleset_case.h"

#include <openssl/evp.h>

#define MAX_FILE (1u << 20)
#define FOLDER "signatures/clamav-unittests/unit_tests/input/freshclam_testfiles"

static uint8_t *read_container(const char *name, size_t *bytes)
{
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	uint8_t *data = malloc(MAX_FILE);
	char path[512];
	FILE *file;

	assert_non_null(data);
	(void)snprintf(path, sizeof(path), "%s/" FOLDER "/%s", root != NULL ? root : "", name);
	file = fopen(path, "rb");
	if (file == NULL) {
		free(data);
		print_message("skipped: no %s\n", path);
		skip();
		return NULL;
	}
	*bytes = fread(data, 1, MAX_FILE, file);
	(void)fclose(file);
	return data;
}

static void a_signed_container_is_opened(void **state)
{
	struct clamav_container container;
	size_t bytes;
	uint8_t *data = read_container("test-6.cvd", &bytes);

	(void)state;
	if (data == NULL)
		return;
	assert_null(clamav_container_open(CLAMAV_CVD, data, bytes, &container));
	assert_int_equal(container.files_count, 18);
	assert_string_equal(container.files[9].name, "test.ndb");
	assert_int_equal(container.files[9].bytes, 671);
	clamav_container_close(&container);
	free(data);
}

// Whatever byte is another one, something of what is checked no longer fits.
static void a_changed_byte_is_noticed(void **state)
{
	struct clamav_container container;
	size_t bytes;
	uint8_t *data = read_container("test-5.cvd", &bytes);

	(void)state;
	if (data == NULL)
		return;
	for (size_t at = 512; at < bytes; at += 101) {
		data[at] ^= 0x10;
		assert_non_null(clamav_container_open(CLAMAV_CVD, data, bytes, &container));
		data[at] ^= 0x10;
	}
	assert_non_null(clamav_container_open(CLAMAV_CVD, data, bytes - 1, &container));
	assert_non_null(clamav_container_open(CLAMAV_CVD, data, 511, &container));
	// The signature in the header, in any place.
	for (size_t at = 0; at < 171; at += 10) {
		uint8_t *byte = (uint8_t *)strstr((char *)data, ":2YSHslyENi") + 1 + at;
		uint8_t was = *byte;

		*byte = was == 'a' ? 'b' : 'a';
		assert_string_equal(clamav_container_open(CLAMAV_CVD, data, bytes, &container),
			"the signature in its header is not ClamAV's");
		*byte = was;
	}
	assert_null(clamav_container_open(CLAMAV_CVD, data, bytes, &container));
	clamav_container_close(&container);
	free(data);
}

// ---- containers made here ------------------------------------------------------------------------

struct member {
	const char *name;
	const char *text;
	const char *info; // its line in the *.info, NULL: the true one
};

static size_t put_member(uint8_t *out, const char *name, const char *text)
{
	size_t n = strlen(text);

	memset(out, 0, 512);
	(void)snprintf((char *)out, 100, "%s", name);
	(void)snprintf((char *)out + 124, 12, "%011o", (unsigned int)(n & 0xffff));
	out[156] = '0';
	memset(out + 512, 0, (n + 511) / 512 * 512);
	for (size_t i = 0; i < n; i++)
		out[512 + i] = (uint8_t)text[i];
	return 512 + (n + 511) / 512 * 512;
}

static size_t make(uint8_t *out, const struct member *members, size_t count, const char *end)
{
	static const char header[] = "ClamAV-VDB:22 Jun 2021:7:1:81:X:X:me:1624388302";
	char info[2048] = "ClamAV-VDB:22 Jun 2021:7:1:81:X:X:me:1624388302\n";
	size_t at = 512;

	memset(out, ' ', 512);
	memcpy(out, header, sizeof(header) - 1);
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(info);
		uint8_t sha256[EVP_MAX_MD_SIZE];

		at += put_member(out + at, members[i].name, members[i].text);
		if (members[i].info != NULL) {
			(void)snprintf(info + n, sizeof(info) - n, "%s\n", members[i].info);
			continue;
		}
		assert_int_equal(EVP_Digest(members[i].text, strlen(members[i].text), sha256, NULL,
					 EVP_sha256(), NULL),
			1);
		n += (size_t)snprintf(info + n, sizeof(info) - n, "%s:%zu:", members[i].name,
			strlen(members[i].text));
		for (size_t k = 0; k < 32; k++, n += 2)
			(void)snprintf(info + n, sizeof(info) - n, "%02x", sha256[k]);
		(void)snprintf(info + n, sizeof(info) - n, "\n");
	}
	(void)snprintf(info + strlen(info), sizeof(info) - strlen(info), "%s", end);
	at += put_member(out + at, "own.info", info);
	memset(out + at, 0, 1024);
	return at + 1024;
}

static void an_own_container_needs_its_list_alone(void **state)
{
	static uint8_t data[65536];
	static const struct member good[] = {{"own.ndb", "T:0:*:414c504841\n", NULL}};
	static const struct {
		struct member member;
		enum clamav_container_kind kind;
		const char *end;
		const char *wrong; // NULL: it is opened
	} cases[] = {
		{{"own.ndb", "T", NULL}, CLAMAV_CUD, "", NULL},
		{{"own.ndb", "T", NULL}, CLAMAV_CUD, "DSIG:abc", NULL},
		{{"own.ndb", "T", NULL}, CLAMAV_CLD, "", "its .info is not signed"},
		{{"own.ndb", "T", NULL}, CLAMAV_CLD, "DSIG:abc\n",
			"the signature of its .info is not ClamAV's"},
		{{"own.ndb", "T", NULL}, CLAMAV_CVD, "", "its header has no MD5"},
		{{"own.ndb", "T", "own.ndb:1"}, CLAMAV_CUD, "",
			"a line of its .info is not name:size:SHA-256"},
		{{"own.ndb", "T",
			 "own.ndb:x:"
			 "e632b7095b0bf32c260fa4c539e9fd7b852d0de454e9be26f24d0d6f91d069d3"},
			CLAMAV_CUD, "", "a line of its .info is not name:size:SHA-256"},
		{{"own.ndb", "T",
			 "own.ndb:2:"
			 "e632b7095b0bf32c260fa4c539e9fd7b852d0de454e9be26f24d0d6f91d069d3"},
			CLAMAV_CUD, "", "a file is not the one that its .info lists"},
		{{"own.ndb", "T",
			 "own.hdb:1:"
			 "e632b7095b0bf32c260fa4c539e9fd7b852d0de454e9be26f24d0d6f91d069d3"},
			CLAMAV_CUD, "", "a file that its .info lists is missing"},
		{{"a/own.ndb", "T", NULL}, CLAMAV_CUD, "", "its tar has folders"},
	};
	struct clamav_container container;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = make(data, &cases[i].member, 1, cases[i].end);
		const char *wrong = clamav_container_open(cases[i].kind, data, n, &container);

		if ((wrong == NULL) != (cases[i].wrong == NULL))
			fail_msg("case %zu: %s", i, wrong != NULL ? wrong : "opened");
		if (wrong != NULL)
			assert_string_equal(wrong, cases[i].wrong);
		else
			assert_int_equal(container.files_count, 1);
		clamav_container_close(&container);
	}
	for (size_t n = make(data, good, 1, ""); n-- > 0;)
		if (clamav_container_open(CLAMAV_CUD, data, n, &container) == NULL)
			clamav_container_close(&container);
}

static void a_container_is_compiled_with_its_files(void **state)
{
	static uint8_t data[65536];
	static const struct member members[] = {
		{"own.ndb", "T:0:*:414c504841\nU:0:*:424554\nV:0:*:4\n", NULL},
		{"own.ign", "own.ndb:2:U\n", NULL},
	};
	char folder[] = "/tmp/cordon-test-XXXXXX";
	char path[64];
	const char *paths[] = {path};
	struct case_image built = {0};
	const struct ruleset_build_options options = {case_report, &built.reports, false};
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/own.cud", folder);
	for (int damaged = 0; damaged < 2; damaged++) {
		size_t n = make(data, members, 2, "");

		if (damaged != 0)
			data[512 + 512] = 'X';
		file = fopen(path, "wb");
		assert_non_null(file);
		assert_int_equal(fwrite(data, 1, n, file), n);
		assert_int_equal(fclose(file), 0);
		built.reports.count = 0;
		assert_int_equal(
			ruleset_build(paths, 1, &options, &built.image, &built.bytes, &built.stats),
			0);
		assert_int_equal(built.reports.count, 1);
		assert_true(built.reports.is_error);
		assert_int_equal(built.reports.line, damaged != 0 ? 0 : 3);
		assert_int_equal(built.stats.signatures, damaged != 0 ? 0 : 1);
		assert_int_equal(built.stats.ignored, damaged != 0 ? 0 : 1);
		free(built.image);
	}
	(void)unlink(path);
	(void)rmdir(folder);
}

static void a_signature_of_anything_else_does_not_hold(void **state)
{
	static const char *const texts[] = {"", "a", "b", "bbbb", "a b", "99999999999999999999"};
	const uint8_t digest[32] = {1};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(clamav_verify_md5(digest, texts[i]));
		assert_false(clamav_verify_sha256(digest, texts[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_container_is_opened),
		cmocka_unit_test(a_changed_byte_is_noticed),
		cmocka_unit_test(an_own_container_needs_its_list_alone),
		cmocka_unit_test(a_container_is_compiled_with_its_files),
		cmocka_unit_test(a_signature_of_anything_else_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
