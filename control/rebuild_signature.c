// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_signature.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SIGNATURE_BYTES 65536 // no signature is longer
#define ARMOUR_LINE 100       // nor any line of one
#define DER_SEQUENCE 0x30
#define DER_INDEFINITE 0x80

struct text {
	const uint8_t *at;
	size_t bytes;
};

static bool is(struct text text, const char *wanted)
{
	return text.bytes == strlen(wanted) && memcmp(text.at, wanted, text.bytes) == 0;
}

// ---- PGP ----------------------------------------------------------------------------------------

// The next line, without its end and blanks before that.
static struct text next_line(struct text *rest)
{
	const uint8_t *end = memchr(rest->at, '\n', rest->bytes);
	struct text line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->bytes};
	size_t taken = line.bytes + (end != NULL);

	rest->at += taken;
	rest->bytes -= taken;
	while (line.bytes > 0 && strchr(" \t\r", line.at[line.bytes - 1]) != NULL &&
		line.at[line.bytes - 1] != '\0')
		line.bytes--;
	return line;
}

// "Version: ..." (RFC 4880 section 6.2), of letters, digits and what is harmless.
static bool is_armour_header(struct text line)
{
	const uint8_t *colon = memchr(line.at, ':', line.bytes);

	if (colon == NULL || colon == line.at || line.bytes > ARMOUR_LINE)
		return false;
	for (size_t i = 0; i < line.bytes; i++) {
		if (!isalnum(line.at[i]) &&
			(line.at[i] == '\0' || strchr(" .,:/()+@-_#", line.at[i]) == NULL))
			return false;
	}
	return true;
}

static bool is_base64(struct text line)
{
	for (size_t i = 0; i < line.bytes; i++) {
		if (!isalnum(line.at[i]) &&
			(line.at[i] == '\0' || strchr("+/=", line.at[i]) == NULL))
			return false;
	}
	return line.bytes <= ARMOUR_LINE;
}

static bool is_armour(const uint8_t *data, size_t bytes)
{
	struct text rest = {data, bytes};
	struct text line = next_line(&rest);

	if (!is(line, "-----BEGIN PGP SIGNATURE-----"))
		return false;
	do
		line = next_line(&rest);
	while (is_armour_header(line));
	if (line.bytes > 0)
		return false;
	do
		line = next_line(&rest);
	while (is_base64(line) && rest.bytes > 0);
	if (!is(line, "-----END PGP SIGNATURE-----"))
		return false;
	while (rest.bytes > 0) {
		if (next_line(&rest).bytes > 0)
			return false;
	}
	return true;
}

// ---- S/MIME -------------------------------------------------------------------------------------

// ContentInfo of signedData (RFC 5652 sections 3 and 5), and nothing behind it.
static bool is_signed_data(const uint8_t *data, size_t bytes)
{
	static const uint8_t object_id[] = {
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
	size_t at = 2;
	size_t length = 0;

	if (bytes < at || data[0] != DER_SEQUENCE)
		return false;
	if (data[1] > DER_INDEFINITE) {
		size_t digits = data[1] & 0x7fu;

		if (digits > 4 || bytes < at + digits)
			return false;
		while (digits-- > 0)
			length = length << 8 | data[at++];
	} else if (data[1] < DER_INDEFINITE) {
		length = data[1];
	}
	if (bytes < at + sizeof(object_id) || memcmp(data + at, object_id, sizeof(object_id)) != 0)
		return false;
	return data[1] == DER_INDEFINITE || length == bytes - at;
}

// ---- both ---------------------------------------------------------------------------------------

static bool has_name(const char *name, const char *const *endings, size_t count)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < count; i++) {
		size_t ending = strlen(endings[i]);

		if (n > ending && strcasecmp(name + n - ending, endings[i]) == 0)
			return true;
	}
	return n == 0;
}

bool rebuild_is_signature(const char *type, const char *name, const uint8_t *data, size_t bytes)
{
	static const char *const pgp_names[] = {".asc", ".sig", ".pgp"};
	static const char *const smime_names[] = {".p7s"};

	if (bytes == 0 || bytes > SIGNATURE_BYTES)
		return false;
	if (strcmp(type, "application/pgp-signature") == 0)
		return has_name(name, pgp_names, sizeof(pgp_names) / sizeof(pgp_names[0])) &&
		       is_armour(data, bytes);
	if (strcmp(type, "application/pkcs7-signature") != 0 &&
		strcmp(type, "application/x-pkcs7-signature") != 0)
		return false;
	return has_name(name, smime_names, sizeof(smime_names) / sizeof(smime_names[0])) &&
	       is_signed_data(data, bytes);
}
