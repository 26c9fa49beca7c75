// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_container.h"

#include <string.h>

// By its first bytes.
static enum filetype_container own_container(const struct scan_object *object)
{
	const struct filetype *type = filetype_detect(object->prefix, object->prefix_bytes);

	return type->target == FILETYPE_TARGET_PE ? FILETYPE_CONTAINER_PE
						  : filetype_container_of(type->name);
}

static enum filetype_container of_kind(const struct scan_object *object, enum unpack_kind kind)
{
	switch (kind) {
	case UNPACK_ZIP:
	case UNPACK_ZIP_INSIDE:
		return FILETYPE_CONTAINER_ZIP;
	case UNPACK_GZIP:
		return FILETYPE_CONTAINER_GZIP;
	case UNPACK_BZIP2:
		return FILETYPE_CONTAINER_BZIP2;
	case UNPACK_TAR:
		return FILETYPE_CONTAINER_TAR;
	case UNPACK_TNEF:
		return FILETYPE_CONTAINER_TNEF;
	case UNPACK_PDF:
	case UNPACK_PDF_OBJECTS:
		return FILETYPE_CONTAINER_PDF;
	case UNPACK_RTF:
	case UNPACK_OLE1:
		return FILETYPE_CONTAINER_RTF;
	case UNPACK_FAT:
		return FILETYPE_CONTAINER_MACHO_UNIBIN;
	case UNPACK_SWF:
	case UNPACK_UU:
	case UNPACK_XML:
	case UNPACK_BINHEX:
		return FILETYPE_CONTAINER_OTHER;
	case UNPACK_NONE:
		break;
	}
	return own_container(object);
}

void container_begin(struct scan_object *object, enum unpack_kind kind)
{
	object->container = of_kind(object, kind);
	object->is_inside = kind == UNPACK_ZIP_INSIDE;
}

// A zip is a document of an office program from the first member on that is in a folder of one.
void container_see_member(struct scan_object *object, const char *name)
{
	if (object->container != FILETYPE_CONTAINER_ZIP)
		return;
	if (strncmp(name, "word/", 5) == 0)
		object->container = FILETYPE_CONTAINER_OOXML_WORD;
	else if (strncmp(name, "xl/", 3) == 0)
		object->container = FILETYPE_CONTAINER_OOXML_EXCEL;
	else if (strncmp(name, "ppt/", 4) == 0)
		object->container = FILETYPE_CONTAINER_OOXML_POWERPOINT;
}

static void add_outer(struct scan_object *object, enum filetype_container container)
{
	if (object->outer_count < SCAN_MAX_OUTER)
		object->outer[object->outer_count++] = (uint8_t)container;
}

void container_note_outer(struct scan_object *object, const struct scan_object *parent)
{
	object->outer_count = 0;
	if (object->lies_in == FILETYPE_CONTAINER_NONE)
		return;
	add_outer(object, object->lies_in);
	if (parent == NULL)
		return;
	if (parent->is_inside)
		add_outer(object, own_container(parent));
	for (uint32_t i = 0; i < parent->outer_count; i++)
		add_outer(object, (enum filetype_container)parent->outer[i]);
}
