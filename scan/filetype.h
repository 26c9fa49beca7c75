// SPDX-License-Identifier: BSD-3-Clause
// What a file is, by its first bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

// As many first bytes as the table looks at; fewer are enough where the file has no more.
#define FILETYPE_BYTES 1024

// Target numbers of ClamAV's signatures (clamav-documentation, "Target Types").
enum filetype_target {
	FILETYPE_TARGET_ANY = 0,
	FILETYPE_TARGET_PE = 1,
	FILETYPE_TARGET_OLE2 = 2,
	FILETYPE_TARGET_HTML = 3,
	FILETYPE_TARGET_MAIL = 4,
	FILETYPE_TARGET_GRAPHICS = 5,
	FILETYPE_TARGET_ELF = 6,
	FILETYPE_TARGET_TEXT = 7,
	FILETYPE_TARGET_MACHO = 9,
	FILETYPE_TARGET_PDF = 10,
	FILETYPE_TARGET_FLASH = 11,
	FILETYPE_TARGET_JAVA = 12,
};
#define FILETYPE_TARGETS 16

// What an object lies in, as far as signatures ask for it ("Container:CL_TYPE_..."): the type of its
// direct parent.
enum filetype_container {
	FILETYPE_CONTAINER_NONE, // it is not in one; CL_TYPE_ANY
	FILETYPE_CONTAINER_MAIL,
	FILETYPE_CONTAINER_ZIP,
	FILETYPE_CONTAINER_GZIP,
	FILETYPE_CONTAINER_BZIP2,
	FILETYPE_CONTAINER_XZ,
	FILETYPE_CONTAINER_TAR,
	FILETYPE_CONTAINER_7Z,
	FILETYPE_CONTAINER_RAR,
	FILETYPE_CONTAINER_CAB,
	FILETYPE_CONTAINER_ISO,
	FILETYPE_CONTAINER_ARJ,
	FILETYPE_CONTAINER_CPIO_OLD,
	FILETYPE_CONTAINER_CPIO_ODC,
	FILETYPE_CONTAINER_CPIO_NEWC,
	FILETYPE_CONTAINER_CPIO_CRC,
	FILETYPE_CONTAINER_TNEF,
	FILETYPE_CONTAINER_OLE2,
	FILETYPE_CONTAINER_PDF,
	FILETYPE_CONTAINER_HTML,
	FILETYPE_CONTAINER_RTF,
	FILETYPE_CONTAINER_PE,
	FILETYPE_CONTAINER_MACHO_UNIBIN,
	FILETYPE_CONTAINER_OOXML_WORD,
	FILETYPE_CONTAINER_OOXML_EXCEL,
	FILETYPE_CONTAINER_OOXML_POWERPOINT,
	FILETYPE_CONTAINER_OTHER, // none that a signature could name
	FILETYPE_CONTAINER_NEVER, // a signature names one of which nothing comes out here
};

struct filetype {
	const char *name; // "" where unknown
	enum filetype_target target;
};

const struct filetype *filetype_detect(const uint8_t *data, size_t n);

// By the name of a filetype, "zip".
enum filetype_container filetype_container_of(const char *type);

// A type as signatures name it, "CL_TYPE_ZIP": what it is here, as the content of an object and as a
// container. Numbers are those of a table that is fixed for one version of the image format.
struct filetype_clamav {
	const char *name;
	struct filetype type;
	enum filetype_container container;
};

// NULL: there is none of this name, or number.
const struct filetype_clamav *filetype_by_name(const char *name);
const struct filetype_clamav *filetype_by_number(size_t number);
size_t filetype_number(const struct filetype_clamav *type);
