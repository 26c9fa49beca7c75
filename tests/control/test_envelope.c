// SPDX-License-Identifier: BSD-3-Clause
// Signed envelopes, beside signatures that the openssl program made of the same bytes.
#include "control/envelope.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The first key pair of RFC 8032, section 7.1; signed by `openssl pkeyutl -sign -rawin`.
#define KEY_PEM                                                                                    \
	"-----BEGIN PRIVATE KEY-----\n"                                                            \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                       \
	"-----END PRIVATE KEY-----\n"
#define KEY_TEXT "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define KEY_ID "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
#define SIG                                                                                        \
	"8HBUXMQtiOP7YuRro9LJRn0cb9p/kbqnjWK7gha8UqbWGb9Ej35mQAxPhbTAfMECfDoPD/sDOcRqxULPJ/CECA=="
#define PAYLOAD "{\"hello\":\"world\"}"
#define PAYLOAD_BASE64 "eyJoZWxsbyI6IndvcmxkIn0="
#define PAYLOAD_DIGEST "93a23971a914e5eacbf0a8d25154cda309c3c1c72fbb9914d47c60f3cb681588"
#define SIGNATURE "{\"keyid\":\"" KEY_ID "\",\"sig\":\"" SIG "\"}"
#define ENVELOPE_OF(payload, signatures)                                                           \
	"{\"payloadType\":\"" ENVELOPE_ALERT "\",\"payload\":\"" payload                           \
	"\",\"signatures\":[" signatures "]}"
#define GOOD ENVELOPE_OF(PAYLOAD_BASE64, SIGNATURE)

static struct envelope_key known_key(void)
{
	struct envelope_key key;

	assert_int_equal(envelope_key_parse(&key, KEY_TEXT), 0);
	return key;
}

// A key that was made ready once says the same, whatever it was asked before.
static uint64_t signers_of(const char *text)
{
	static struct envelope_verifier *ready;
	struct envelope_key key = known_key();
	struct envelope *envelope = NULL;
	const char *why = NULL;
	uint64_t signers;

	if (ready == NULL)
		ready = envelope_verifier_new(&key);
	assert_non_null(ready);
	assert_int_equal(envelope_parse(text, strlen(text), &envelope, &why), 0);
	signers = envelope_signers(envelope, &key, 1);
	assert_int_equal(envelope_signers_ready(envelope, &key, &ready, 1), signers);
	envelope_free(envelope);
	return signers;
}

static void what_openssl_signed_is_good(void **state)
{
	struct envelope_key key = known_key();
	struct envelope *envelope = NULL;
	const char *why = NULL;
	size_t bytes = 0;

	(void)state;
	assert_string_equal(key.id, KEY_ID);
	assert_int_equal(envelope_parse(GOOD, strlen(GOOD), &envelope, &why), 0);
	assert_int_equal(envelope_signers(envelope, &key, 1), 1);
	assert_string_equal(envelope_payload(envelope, &bytes), PAYLOAD);
	assert_int_equal(bytes, strlen(PAYLOAD));
	assert_string_equal(envelope_digest(envelope), PAYLOAD_DIGEST);
	assert_string_equal(envelope_type(envelope), ENVELOPE_ALERT);
	envelope_free(envelope);
}

static void every_changed_byte_of_what_is_signed_is_seen(void **state)
{
	char text[] = GOOD;
	struct envelope_key key = known_key();
	size_t parsed = 0;

	(void)state;
	for (size_t i = 0; i < strlen(GOOD); i++) {
		struct envelope *envelope = NULL;
		const char *why = NULL;

		text[i] ^= 1;
		if (envelope_parse(text, strlen(text), &envelope, &why) == 0) {
			parsed++;
			assert_int_equal(envelope_signers(envelope, &key, 1), 0);
			envelope_free(envelope);
		}
		text[i] ^= 1;
	}
	assert_in_range(parsed, 100, strlen(GOOD)); // so it was the signature that told
}

static void the_type_is_signed_too(void **state)
{
	(void)state;
	assert_int_equal(
		signers_of("{\"payloadType\":\"" ENVELOPE_RECEIPT "\",\"payload\":\"" PAYLOAD_BASE64
			   "\",\"signatures\":[" SIGNATURE "]}"),
		0);
}

static void a_key_counts_once(void **state)
{
	struct envelope_key keys[2] = {known_key(), known_key()};
	const char *text = ENVELOPE_OF(PAYLOAD_BASE64, SIGNATURE "," SIGNATURE "," SIGNATURE);
	struct envelope *envelope = NULL;
	const char *why = NULL;

	(void)state;
	keys[1].raw[0] ^= 1;
	keys[1].id[0] = 'f';
	assert_int_equal(envelope_parse(text, strlen(text), &envelope, &why), 0);
	assert_int_equal(envelope_signers(envelope, keys, 2), 1);
	envelope_free(envelope);
}

static void what_is_malformed_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{"", "not a JSON object"},
		{"[]", "not a JSON object"},
		{GOOD "x", "not a JSON object"},
		{"{\"payload\":\"" PAYLOAD_BASE64 "\"," GOOD, "not a JSON object"},
		{"{\"payloadType\":\"a\",\"payload\":\"\",\"payload\":\"\",\"signatures\":[]}",
			"not a JSON object"},
		{"{\"payload\":\"\",\"signatures\":[]}", "no payloadType or no payload"},
		{"{\"payloadType\":1,\"payload\":\"\",\"signatures\":[]}",
			"no payloadType or no payload"},
		{ENVELOPE_OF(PAYLOAD_BASE64, ""), "no signatures"},
		{ENVELOPE_OF("eyJoZWxsbyI6IndvcmxkIn0", SIGNATURE), "a payload that is not base64"},
		{ENVELOPE_OF("eyJoZWxsbyI6IndvcmxkIn1=", SIGNATURE),
			"a payload that is not base64"},
		{ENVELOPE_OF("eyJoZWxs\\nbyI6IndvcmxkIn0=", SIGNATURE),
			"a payload that is not base64"},
		{ENVELOPE_OF("eyJoZW====", SIGNATURE), "a payload that is not base64"},
		{ENVELOPE_OF(PAYLOAD_BASE64, "{}"), "a signature without keyid or sig"},
		{ENVELOPE_OF(PAYLOAD_BASE64, "7"), "a signature without keyid or sig"},
		{ENVELOPE_OF(PAYLOAD_BASE64, "{\"keyid\":\"ab\",\"sig\":\"" SIG "\"}"),
			"a keyid that is no SHA-256"},
		{ENVELOPE_OF(PAYLOAD_BASE64, "{\"keyid\":\"" KEY_ID "\",\"sig\":\"AAAA\"}"),
			"a signature that is not base64 of 64 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope *envelope = NULL;
		const char *why = NULL;

		assert_int_equal(
			envelope_parse(cases[i].text, strlen(cases[i].text), &envelope, &why),
			-EBADMSG);
		assert_string_equal(why, cases[i].why);
	}
}

static void what_is_too_long_is_refused_before_it_is_read(void **state)
{
	struct envelope *envelope = NULL;
	const char *why = NULL;

	(void)state;
	assert_int_equal(envelope_parse(GOOD, ENVELOPE_MAX_BYTES + 1, &envelope, &why), -EMSGSIZE);
}

static void url_safe_base64_is_the_same(void **state)
{
	const char *standard =
		"{\"payloadType\":\"t\",\"payload\":\"+/+/\",\"signatures\":[" SIGNATURE "]}";
	const char *safe =
		"{\"payloadType\":\"t\",\"payload\":\"-_-_\",\"signatures\":[" SIGNATURE "]}";
	struct envelope *one = NULL;
	struct envelope *other = NULL;
	const char *why = NULL;

	(void)state;
	assert_int_equal(envelope_parse(standard, strlen(standard), &one, &why), 0);
	assert_int_equal(envelope_parse(safe, strlen(safe), &other, &why), 0);
	assert_string_equal(envelope_digest(one), envelope_digest(other));
	envelope_free(one);
	envelope_free(other);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void keys_are_made_read_and_sign_together(void **state)
{
	char folder[] = "/tmp/test_envelope_XXXXXX";
	struct envelope_signer *signers[2] = {NULL, NULL};
	struct envelope_signer *again = NULL;
	struct envelope_key keys[2];
	struct envelope *envelope = NULL;
	const char *why = NULL;
	char path[64];
	char *text = NULL;
	char *both = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(envelope_signer_read(path, &signers[0]), -ENOENT);
	assert_int_equal(envelope_signer_make(path, &signers[0]), 0);
	assert_int_equal(envelope_signer_make(path, &again), -EEXIST);
	assert_int_equal(envelope_signer_read(path, &again), 0);
	assert_string_equal(envelope_signer_key(again)->id, envelope_signer_key(signers[0])->id);
	write_file(path, KEY_PEM);
	assert_int_equal(envelope_signer_read(path, &signers[1]), 0);
	keys[0] = *envelope_signer_key(signers[0]);
	keys[1] = *envelope_signer_key(signers[1]);
	assert_string_equal(keys[1].id, KEY_ID);

	assert_int_equal(
		envelope_sign(ENVELOPE_ALERT, PAYLOAD, strlen(PAYLOAD), &signers[1], 1, &text), 0);
	assert_string_equal(text, GOOD); // Ed25519 is deterministic
	assert_int_equal(envelope_parse(text, strlen(text), &envelope, &why), 0);
	free(text);
	assert_int_equal(envelope_countersign(envelope, signers[1], &both), -EALREADY);
	assert_int_equal(envelope_countersign(envelope, again, &both), 0);
	envelope_free(envelope);
	assert_int_equal(envelope_parse(both, strlen(both), &envelope, &why), 0);
	assert_int_equal(envelope_signers(envelope, keys, 2), 3);
	envelope_free(envelope);
	free(both);

	envelope_signer_free(signers[0]);
	envelope_signer_free(signers[1]);
	envelope_signer_free(again);
	write_file(path, "no key\n");
	assert_int_equal(envelope_signer_read(path, &again), -EBADMSG);
	(void)unlink(path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_openssl_signed_is_good),
		cmocka_unit_test(every_changed_byte_of_what_is_signed_is_seen),
		cmocka_unit_test(the_type_is_signed_too),
		cmocka_unit_test(a_key_counts_once),
		cmocka_unit_test(what_is_malformed_is_refused_with_its_reason),
		cmocka_unit_test(what_is_too_long_is_refused_before_it_is_read),
		cmocka_unit_test(url_safe_base64_is_the_same),
		cmocka_unit_test(keys_are_made_read_and_sign_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
