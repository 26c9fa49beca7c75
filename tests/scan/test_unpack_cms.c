// SPDX-License-Identifier: BSD-3-Clause
// What a signed or compressed S/MIME message carries comes out as it was, in whatever pieces and with whatever
// lengths it is written; the messages are made here, byte by byte.
#include "scan/filetype.h"
#include "scan/unpack_cms.h"
#include "tests/support/random.h"
#include "tests/support/unpacked.h"

#include <zlib.h>

#define MOST 60000

static const char signed_oid[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
static const char compressed_oid[] = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
static const char data_oid[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
static const char sha256_oid[] = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01";

struct text {
	size_t bytes;
	uint8_t at[2 * MOST];
};

static uint8_t content[MOST];
static struct unpacked found;

static void add(struct text *text, const void *data, size_t n)
{
	assert_true(text->bytes + n <= sizeof(text->at));
	memcpy(text->at + text->bytes, data, n);
	text->bytes += n;
}

// A tag and a length in one of the ways in which it may be written.
static void add_head(struct text *text, struct random *random, uint8_t tag, size_t length)
{
	uint8_t head[6] = {tag, (uint8_t)length};
	size_t n = 2;

	if (length > 127 || random_below(random, 3) == 0) {
		head[1] = 0x84;
		for (size_t i = 0; i < 4; i++)
			head[2 + i] = (uint8_t)(length >> (24 - 8 * i));
		n = 6;
	}
	add(text, head, n);
}

static void wrap(struct text *text, struct random *random, uint8_t tag)
{
	static struct text inner;

	inner.bytes = 0;
	add(&inner, text->at, text->bytes);
	text->bytes = 0;
	if (random_below(random, 2) == 0) {
		add(text, (const uint8_t[]){tag, 0x80}, 2);
		add(text, inner.at, inner.bytes);
		add(text, "\0", 2);
		return;
	}
	add_head(text, random, tag, inner.bytes);
	add(text, inner.at, inner.bytes);
}

// The octets in one piece, or in several.
static void add_octets(struct text *text, struct random *random, const uint8_t *data, size_t n)
{
	size_t piece;

	if (random_below(random, 3) == 0) {
		add_head(text, random, 0x04, n);
		add(text, data, n);
		return;
	}
	for (size_t at = 0; at < n; at += piece) {
		piece = 1 + random_below(random, 5000);
		if (piece > n - at)
			piece = n - at;
		add_head(text, random, 0x04, piece);
		add(text, data + at, piece);
		if (random_below(random, 4) == 0)
			add(text, "\x04\0", 2);
	}
	wrap(text, random, 0x24);
	if (random_below(random, 2) == 0)
		wrap(text, random, 0x24);
}

static void make(
	struct text *text, struct random *random, bool is_packed, const uint8_t *data, size_t n)
{
	static struct text inner;
	struct text *algorithm = calloc(1, sizeof(*algorithm));

	assert_non_null(algorithm);
	inner.bytes = 0;
	add_octets(&inner, random, data, n);
	wrap(&inner, random, 0xa0);
	text->bytes = 0;
	add(text, data_oid, sizeof(data_oid) - 1);
	add(text, inner.at, inner.bytes);
	wrap(text, random, 0x30);
	inner.bytes = 0;
	add(&inner, "\2\1\0", 3);
	add(algorithm, sha256_oid, sizeof(sha256_oid) - 1);
	wrap(algorithm, random, 0x30);
	// Many of them: the content begins behind what its type is told by.
	for (uint32_t i = random_below(random, 3) == 0 ? 100 : 0; i > 0 && !is_packed; i--)
		add(algorithm, "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02", 13);
	if (!is_packed)
		wrap(algorithm, random, 0x31);
	add(&inner, algorithm->at, algorithm->bytes);
	free(algorithm);
	add(&inner, text->at, text->bytes);
	add(&inner, "\xa0\x03\x04\x01X", 5); // certificates: not of the content
	wrap(&inner, random, 0x30);
	wrap(&inner, random, 0xa0);
	text->bytes = 0;
	if (is_packed)
		add(text, compressed_oid, sizeof(compressed_oid) - 1);
	else
		add(text, signed_oid, sizeof(signed_oid) - 1);
	add(text, inner.at, inner.bytes);
	wrap(text, random, 0x30);
}

static void what_is_carried_comes_out_as_it_was(void **state)
{
	static uint8_t packed[2 * MOST];
	static struct text text;
	struct random random = {21};

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		size_t n = 1 + random_below(&random, round < 150 ? 300 : MOST / 2);
		bool is_packed = random_below(&random, 2) == 0;
		uLongf packed_bytes = sizeof(packed);
		size_t cut;

		for (size_t i = 0; i < n; i++)
			content[i] = (uint8_t)random_below(&random, round % 2 == 0 ? 3 : 256);
		assert_int_equal(compress(packed, &packed_bytes, content, n), Z_OK);
		make(&text, &random, is_packed, is_packed ? packed : content,
			is_packed ? packed_bytes : n);
		assert_string_equal(filetype_detect(text.at, text.bytes)->name, "pkcs7");
		assert_string_equal(
			filetype_detect(text.at, text.bytes < 1024 ? text.bytes : 1024)->name,
			"pkcs7");
		unpack_all("pkcs7", text.at, text.bytes, &found);
		assert_string_equal(found.why, "");
		assert_int_equal(found.members, 1);
		assert_int_equal(found.bytes, n);
		assert_memory_equal(found.data, content, n);
		// Cut anywhere, what is there until then comes out.
		cut = random_below(&random, (uint32_t)text.bytes);
		unpack_all("pkcs7", text.at, cut, &found);
		assert_true(found.bytes <= n);
		assert_memory_equal(found.data, content, found.bytes);
	}
}

static void damaged_ones_end(void **state)
{
	static struct text text;
	struct random random = {22};

	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		make(&text, &random, round % 2 == 0, (const uint8_t *)"some content", 12);
		for (uint32_t i = 1 + random_below(&random, 3); i > 0; i--)
			text.at[random_below(&random, (uint32_t)text.bytes)] =
				(uint8_t)random_below(&random, 256);
		unpack_all("pkcs7", text.at, text.bytes, &found);
		assert_true(found.members <= 1);
	}
}

// RFC 5652 section 5.2: the content is left out where it stands beside; certificates alone have none either.
static void a_signature_beside_its_message_is_no_container(void **state)
{
	static struct text text;
	static const char oids[][12] = {"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"};
	struct random random = {23};

	(void)state;
	add(&text, data_oid, sizeof(data_oid) - 1);
	wrap(&text, &random, 0x30);
	memmove(text.at + 5, text.at, text.bytes);
	memcpy(text.at, "\2\1\1\x31\0", 5);
	text.bytes += 5;
	wrap(&text, &random, 0x30);
	wrap(&text, &random, 0xa0);
	memmove(text.at + 11, text.at, text.bytes);
	memcpy(text.at, signed_oid, 11);
	text.bytes += 11;
	wrap(&text, &random, 0x30);
	assert_false(cms_detect(text.at, text.bytes));
	make(&text, &random, false, (const uint8_t *)"some content", 12);
	assert_true(cms_detect(text.at, text.bytes));
	memcpy(memmem(text.at, text.bytes, signed_oid, 11), oids[0],
		11); // EnvelopedData: encrypted
	assert_false(cms_detect(text.at, text.bytes));
}

// What stands before the content may have values in values, which readers pass over however many there are.
static void values_in_values_hide_nothing(void **state)
{
	static const unsigned int depths[] = {15, 16, 17, 18, 100, 5000};
	static struct text text;

	(void)state;
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		text.bytes = 0;
		add(&text, "\x30\x80", 2);
		add(&text, signed_oid, sizeof(signed_oid) - 1);
		add(&text, "\xa0\x80\x30\x80\2\1\1\x31\x80", 9);
		for (unsigned int n = 0; n < depths[i]; n++)
			add(&text, "\x30\x80", 2);
		for (unsigned int n = 0; n <= depths[i]; n++)
			add(&text, "\0", 2);
		add(&text, "\x30\x80", 2);
		add(&text, data_oid, sizeof(data_oid) - 1);
		add(&text, "\xa0\x80", 2);
		for (unsigned int n = 0; n < depths[i]; n++)
			add(&text, "\x24\x80", 2);
		add(&text, "\4\5hello", 7);
		assert_true(cms_detect(text.at,
			text.bytes < UNPACK_DETECT_BYTES ? text.bytes : UNPACK_DETECT_BYTES));
		unpack_all("pkcs7", text.at, text.bytes, &found);
		assert_string_equal(found.why, "");
		assert_int_equal(found.members, 1);
		assert_int_equal(found.bytes, 5);
		assert_memory_equal(found.data, "hello", 5);
	}
}

// Wherever in what its type is told by the content begins, or a little behind.
static void it_is_known_whatever_stands_before_its_content(void **state)
{
	static struct text text;
	static const uint8_t padding[UNPACK_DETECT_BYTES];

	(void)state;
	for (size_t n = 0; n < UNPACK_DETECT_BYTES; n++) {
		text.bytes = 0;
		add(&text, "\x30\x80", 2);
		add(&text, signed_oid, sizeof(signed_oid) - 1);
		add(&text, "\xa0\x80\x30\x80\2\1\1\x31\x82", 9);
		add(&text, (const uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
		add(&text, padding, n);
		add(&text, "\x30\x84\0\0\5\xdc", 6);
		add(&text, data_oid, sizeof(data_oid) - 1);
		add(&text, "\xa0\x84\0\0\5\xd3\4\x84\0\0\5\xdc", 12);
		add(&text, content, 1500);
		assert_true(cms_detect(text.at, UNPACK_DETECT_BYTES));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_carried_comes_out_as_it_was),
		cmocka_unit_test(it_is_known_whatever_stands_before_its_content),
		cmocka_unit_test(values_in_values_hide_nothing),
		cmocka_unit_test(damaged_ones_end),
		cmocka_unit_test(a_signature_beside_its_message_is_no_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
