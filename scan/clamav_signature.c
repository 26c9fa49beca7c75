// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_signature.h"

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <string.h>

#define MD5_BYTES 16
#define SHA256_BYTES 32
#define PSS_BYTES 256
#define MAX_DIGITS 400

struct key {
	const char *modulus; // decimal
	unsigned long exponent;
};

static const struct key header_key = {
	"1186409955516453426030700016584531897515277744120277437465994057432431426074641447673610"
	"6064065584474976078889002228342492276248891756555100246777110966959818941043469903453223"
	"2228621591089508178591428456220796841621637175567590476666928698770143328137383952820383"
	"197532047771780196576957695822641224262693037",
	100001027,
};

static const struct key info_key = {
	"1108889498304854547365955610662719492392894179179504762059165869741358104332271591217249"
	"6806525381055880964520618400224333320534660299233983755341740679502866829909679955734391"
	"3926683783612215242053966310901051516412708572770803107343209516537005089417174191687239"
	"4250789070290470270758745162169105075430785038339986534648720379846417853739221140278648"
	"1359824461197231102895415093770394216666324484593935762408468516826633192140826667923494"
	"8220458053478099328484548458869717064243605586678627758760720594377033653802091016977385"
	"7751547693508546945527999411314597799408461832848215101314239337331633751997724473274797"
	"7",
	100002049,
};

static int digit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Six bits a character, the lowest first.
static bool read_signature(const char *text, BIGNUM *out)
{
	size_t length = strlen(text);

	if (length == 0 || length > MAX_DIGITS || BN_set_word(out, 0) != 1)
		return false;
	for (size_t i = length; i-- > 0;) {
		int digit = digit_of(text[i]);

		if (digit < 0 || BN_lshift(out, out, 6) != 1 ||
			BN_add_word(out, (BN_ULONG)digit) != 1)
			return false;
	}
	return true;
}

// The number that the signature is made of, below the modulus, raised to the public exponent.
static bool open_signature(const struct key *key, const char *text, uint8_t *out, int bytes)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *modulus = NULL;
	BIGNUM *exponent = BN_new();
	BIGNUM *value = BN_new();
	bool done = context != NULL && exponent != NULL && value != NULL &&
		    BN_dec2bn(&modulus, key->modulus) > 0 &&
		    BN_set_word(exponent, key->exponent) == 1;

	done = done && read_signature(text, value) && BN_cmp(value, modulus) < 0 &&
	       BN_mod_exp(value, value, exponent, modulus, context) == 1 &&
	       BN_bn2binpad(value, out, bytes) == bytes;
	BN_free(value);
	BN_free(exponent);
	BN_free(modulus);
	BN_CTX_free(context);
	return done;
}

bool clamav_verify_md5(const uint8_t *md5, const char *signature)
{
	uint8_t plain[MD5_BYTES];

	return open_signature(&header_key, signature, plain, sizeof(plain)) &&
	       memcmp(plain, md5, sizeof(plain)) == 0;
}

// RFC 8017 section B.2.1, in place.
static bool remove_mask(uint8_t *data, size_t n, const uint8_t *seed)
{
	for (size_t at = 0; at < n; at += SHA256_BYTES) {
		uint8_t block[SHA256_BYTES + 4] = {0};
		uint8_t mask[EVP_MAX_MD_SIZE];

		memcpy(block, seed, SHA256_BYTES);
		block[SHA256_BYTES + 3] = (uint8_t)(at / SHA256_BYTES);
		if (EVP_Digest(block, sizeof(block), mask, NULL, EVP_sha256(), NULL) != 1)
			return false;
		for (size_t i = 0; i < SHA256_BYTES && at + i < n; i++)
			data[at + i] ^= mask[i];
	}
	return true;
}

// RFC 8017 section 9.1.2, but for one thing, for which no library's own verification serves: the
// modulus has 2047 bits and what is signed was made for 2048.
bool clamav_verify_sha256(const uint8_t *sha256, const char *signature)
{
	uint8_t message[PSS_BYTES];
	uint8_t salted[8 + 2 * SHA256_BYTES] = {0};
	uint8_t digest[EVP_MAX_MD_SIZE];
	const size_t data_bytes = PSS_BYTES - SHA256_BYTES - 1;
	const size_t zeros = data_bytes - SHA256_BYTES - 1;

	if (!open_signature(&info_key, signature, message, sizeof(message)) ||
		message[PSS_BYTES - 1] != 0xbc || (message[0] & 0x80) != 0 ||
		!remove_mask(message, data_bytes, message + data_bytes))
		return false;
	message[0] &= 0x7f;
	for (size_t i = 0; i < zeros; i++)
		if (message[i] != 0)
			return false;
	if (message[zeros] != 1)
		return false;
	memcpy(salted + 8, sha256, SHA256_BYTES);
	memcpy(salted + 8 + SHA256_BYTES, message + zeros + 1, SHA256_BYTES);
	return EVP_Digest(salted, sizeof(salted), digest, NULL, EVP_sha256(), NULL) == 1 &&
	       memcmp(digest, message + data_bytes, SHA256_BYTES) == 0;
}
