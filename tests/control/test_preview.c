// SPDX-License-Identifier: BSD-3-Clause
// What a mail says, as text for people.
#include "control/preview.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

static const char mail[] =
	"Subject: x\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdf"
	"e\r\n"
	"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\r\n"
	"--b\r\nContent-Type: text/plain; name=\"a.txt\"\r\n"
	"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"AAECAwQ=\r\n"
	"--b--\r\n";

static const char *text_of(const json_t *preview, size_t part, const char *member)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(preview, "parts"), part), member));
}

static void parts_are_text_whatever_they_claim_to_be(void **state)
{
	json_t *preview = preview_new((const uint8_t *)mail, sizeof(mail) - 1);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(preview, "parts")), 3);
	assert_string_equal(text_of(preview, 0, "text"), "Gr\xc3\xbc\xc3\x9f"
							 "e");
	assert_string_equal(text_of(preview, 1, "type"), "text/html");
	assert_string_equal(text_of(preview, 1, "text"), "<script>alert(1)</script>");
	// It says that it is text, and is not.
	assert_string_equal(text_of(preview, 2, "name"), "a.txt");
	assert_null(text_of(preview, 2, "text"));
	assert_false(json_is_true(json_object_get(preview, "cut")));
	json_decref(preview);
}

static void what_is_long_is_cut_and_says_so(void **state)
{
	static const uint8_t head[] = {'A', ':', ' ', 'b', '\n', '\n'};
	const size_t bytes = 1 << 20;
	char *data = malloc(bytes);
	json_t *preview;
	json_t *part;

	(void)state;
	assert_non_null(data);
	memset(data, 'a', bytes);
	memcpy(data, head, sizeof(head));
	preview = preview_new((const uint8_t *)data, bytes);
	part = json_array_get(json_object_get(preview, "parts"), 0);
	assert_true(json_is_true(json_object_get(part, "cut")));
	assert_int_equal(json_integer_value(json_object_get(part, "bytes")), bytes - sizeof(head));
	assert_in_range(strlen(text_of(preview, 0, "text")), 1000, 1 << 17);
	json_decref(preview);
	free(data);
}

// Bytes of any kind: an answer that is valid JSON, or none.
static void anything_can_be_looked_at(void **state)
{
	struct random random = {7};
	uint8_t data[sizeof(mail)];

	(void)state;
	for (size_t cut = 0; cut < sizeof(mail); cut++) {
		json_t *preview;
		char *text;

		memcpy(data, mail, sizeof(mail));
		for (int i = 0; i < 8; i++)
			data[random_below(&random, sizeof(mail))] =
				(uint8_t)random_below(&random, 256);
		preview = preview_new(data, cut);
		text = preview != NULL ? json_dumps(preview, 0) : NULL;
		assert_true(preview == NULL || text != NULL);
		free(text);
		json_decref(preview);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_text_whatever_they_claim_to_be),
		cmocka_unit_test(what_is_long_is_cut_and_says_so),
		cmocka_unit_test(anything_can_be_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
