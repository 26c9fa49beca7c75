// SPDX-License-Identifier: BSD-3-Clause
// What a PDF says of its encryption, read from the whole file. Shared by scan/unpack*.c alone.
#pragma once

#include "scan/unpack_crypt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PDF_STRING_BYTES 128
#define PDF_NAME_BYTES 32

// An indirect object in a file.
struct pdf_place {
	const uint8_t *data;
	size_t bytes;
	uint32_t number;
	uint32_t generation;
};

struct pdf_string {
	uint8_t bytes[PDF_STRING_BYTES]; // what is longer is cut
	size_t n;
};

// The encryption dictionary (ISO 32000-2, 7.6.2 and 7.6.4.2).
struct pdf_security {
	bool is_standard;
	bool leaves_metadata;
	uint32_t number; // of its object, 0: it stands in the trailer
	uint32_t version;
	uint32_t revision;
	uint32_t length; // bits
	int32_t permissions;
	enum crypt_method streams; // of version 4 and 5
	enum crypt_method strings;
	struct pdf_string owner;
	struct pdf_string user;
	struct pdf_string user_key;
};

// From where on is searched, which moves behind what is found; and how many bytes may be gone through for it, the whole
// file counted once for each name that is looked at.
struct pdf_search {
	size_t at;
	uint64_t left;
};

// The next one. False: there is none, or no more may be looked at.
bool pdf_dict_find_security(
	const uint8_t *data, size_t n, struct pdf_search *search, struct pdf_security *security);
// What an indirect object says of filters, of which the last of several counts. Returns how many there are, 0: it was not
// found, or is not to be read by itself.
struct pdf_parms;
uint32_t pdf_dict_find_parms(const struct pdf_place *place, struct pdf_parms *out, uint32_t room);
uint32_t pdf_dict_find_names(
	const struct pdf_place *place, char (*out)[PDF_NAME_BYTES], uint32_t room);
bool pdf_dict_find_number(const struct pdf_place *place, uint32_t *out);
// The same of the first string of the next /ID.
bool pdf_dict_find_id(
	const uint8_t *data, size_t n, struct pdf_search *search, struct pdf_string *id);
