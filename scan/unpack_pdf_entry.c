// SPDX-License-Identifier: BSD-3-Clause
// Entries of a PDF's dictionaries that say how a stream is packed (ISO 32000-1, 7.3.8.2 and 7.4).
#include "scan/unpack_state.h"

#include <string.h>

enum pdf_key pdf_key_of(const char *name)
{
	static const struct {
		const char *name;
		enum pdf_key key;
	} keys[] = {
		{"Filter", KEY_FILTER},
		{"F", KEY_SHORT_FILTER},
		{"Length", KEY_LENGTH},
		{"JS", KEY_SCRIPT},
		{"JavaScript", KEY_SCRIPT},
		{"Encrypt", KEY_ENCRYPT},
		{"Type", KEY_TYPE},
		{"EarlyChange", KEY_EARLY_CHANGE},
		{"DecodeParms", KEY_PARMS},
		{"DP", KEY_PARMS},
		{"Predictor", KEY_PREDICTOR},
		{"Colors", KEY_COLORS},
		{"BitsPerComponent", KEY_BITS},
		{"Columns", KEY_COLUMNS},
		{"Name", KEY_NAME},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(name, keys[i].name) == 0)
			return keys[i].key;
	return KEY_OTHER;
}

// Images stay as they are. A filter that nobody knows is passed over, as readers do.
void pdf_add_filter(struct pdf_object *object, const char *name)
{
	static const struct {
		const char *name;
		const char *abbreviation;
		enum codec_kind kind;
	} filters[] = {
		{"FlateDecode", "Fl", CODEC_ZLIB},
		{"ASCIIHexDecode", "AHx", CODEC_HEX},
		{"ASCII85Decode", "A85", CODEC_BASE85},
		{"RunLengthDecode", "RL", CODEC_RUN_LENGTH},
		{"LZWDecode", "LZW", CODEC_LZW},
		{"Crypt", "Crypt", CODEC_NONE},
	};
	static const char *const images[] = {
		"DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode"};

	object->has_filters = true;
	object->filters_named++;
	if (object->is_opaque)
		return;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (strcmp(name, filters[i].name) != 0 &&
			strcmp(name, filters[i].abbreviation) != 0)
			continue;
		if (filters[i].kind == CODEC_NONE) {
			object->has_crypt = true;
		} else if (object->filters < PDF_FILTERS) {
			object->parms_of[object->filters] = (uint8_t)(object->filters_named - 1);
			object->filter[object->filters++] = (uint8_t)filters[i].kind;
		} else {
			object->is_too_long = true;
		}
		return;
	}
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++)
		object->is_opaque |= strcmp(name, images[i]) == 0;
}

void pdf_add_long_filter(struct pdf_object *object, const char *name)
{
	object->has_long_filters = true;
	pdf_add_filter(object, name);
}

// Readers take /F for /Filter where it names filters; else it is a file. Of both most take /Filter, and some /F.
void pdf_add_short_filter(struct unpack *unpack, const char *name)
{
	struct pdf_object *object = &unpack->as.pdf.object;

	if (object->has_long_filters) {
		unpack_warn(unpack, WARN_AMBIGUOUS);
		return;
	}
	if (!object->has_short_filters)
		pdf_filters_begin(unpack);
	object->has_short_filters = true;
	pdf_add_filter(object, name);
}

void pdf_filters_begin(struct unpack *unpack)
{
	struct pdf_object *object = &unpack->as.pdf.object;

	// Of two that are given, readers take either.
	if (object->has_filters)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	object->filters = 0;
	object->filters_named = 0;
	object->is_opaque = false;
	object->is_too_long = false;
	object->is_filter_elsewhere = false;
}
