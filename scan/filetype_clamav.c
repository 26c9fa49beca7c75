// SPDX-License-Identifier: BSD-3-Clause
// The types by the names that ClamAV's signatures use. Which names there are was seen by what
// ClamAV 1.4.6 loads.
#include "scan/filetype.h"

#include <string.h>

#define NEVER FILETYPE_CONTAINER_NEVER
#define ANY FILETYPE_TARGET_ANY

// {name, {type, target}, container}. A container of which nothing comes out here is NEVER. Of several types
// whose patterns an object has, ClamAV takes the one that is the last of these.
static const struct filetype_clamav types[] = {
	{"CL_TYPE_ANY", {"", ANY}, FILETYPE_CONTAINER_NONE},
	{"CL_TYPE_TEXT_ASCII", {"text", FILETYPE_TARGET_TEXT}, NEVER},
	{"CL_TYPE_TEXT_UTF8", {"text", FILETYPE_TARGET_TEXT}, NEVER},
	{"CL_TYPE_TEXT_UTF16LE", {"text", FILETYPE_TARGET_TEXT}, NEVER},
	{"CL_TYPE_TEXT_UTF16BE", {"text", FILETYPE_TARGET_TEXT}, NEVER},
	{"CL_TYPE_BINARY_DATA", {"", ANY}, NEVER},
	{"CL_TYPE_MSEXE", {"pe", FILETYPE_TARGET_PE}, FILETYPE_CONTAINER_PE},
	{"CL_TYPE_ELF", {"elf", FILETYPE_TARGET_ELF}, NEVER},
	{"CL_TYPE_MACHO", {"macho", FILETYPE_TARGET_MACHO}, NEVER},
	{"CL_TYPE_MACHO_UNIBIN", {"macho-universal", FILETYPE_TARGET_MACHO},
		FILETYPE_CONTAINER_MACHO_UNIBIN},
	{"CL_TYPE_POSIX_TAR", {"tar", ANY}, FILETYPE_CONTAINER_TAR},
	{"CL_TYPE_OLD_TAR", {"tar", ANY}, FILETYPE_CONTAINER_TAR},
	{"CL_TYPE_CPIO_OLD", {"cpio", ANY}, FILETYPE_CONTAINER_CPIO_OLD},
	{"CL_TYPE_CPIO_ODC", {"cpio", ANY}, FILETYPE_CONTAINER_CPIO_ODC},
	{"CL_TYPE_CPIO_NEWC", {"cpio", ANY}, FILETYPE_CONTAINER_CPIO_NEWC},
	{"CL_TYPE_CPIO_CRC", {"cpio", ANY}, FILETYPE_CONTAINER_CPIO_CRC},
	{"CL_TYPE_GZ", {"gzip", ANY}, FILETYPE_CONTAINER_GZIP},
	{"CL_TYPE_ZIP", {"zip", ANY}, FILETYPE_CONTAINER_ZIP},
	{"CL_TYPE_BZ", {"bzip2", ANY}, FILETYPE_CONTAINER_BZIP2},
	{"CL_TYPE_RAR", {"rar", ANY}, FILETYPE_CONTAINER_RAR},
	{"CL_TYPE_ARJ", {"arj", ANY}, FILETYPE_CONTAINER_ARJ},
	{"CL_TYPE_MSSZDD", {"szdd", ANY}, NEVER},
	{"CL_TYPE_MSOLE2", {"ole2", FILETYPE_TARGET_OLE2}, FILETYPE_CONTAINER_OLE2},
	{"CL_TYPE_MSCAB", {"cab", ANY}, FILETYPE_CONTAINER_CAB},
	{"CL_TYPE_MSCHM", {"chm", ANY}, NEVER},
	{"CL_TYPE_SIS", {"sis", ANY}, NEVER},
	{"CL_TYPE_SCRENC", {"screnc", ANY}, NEVER},
	{"CL_TYPE_GRAPHICS", {"graphics", FILETYPE_TARGET_GRAPHICS}, NEVER},
	{"CL_TYPE_GIF", {"gif", FILETYPE_TARGET_GRAPHICS}, NEVER},
	{"CL_TYPE_PNG", {"png", FILETYPE_TARGET_GRAPHICS}, NEVER},
	{"CL_TYPE_JPEG", {"jpeg", FILETYPE_TARGET_GRAPHICS}, NEVER},
	{"CL_TYPE_TIFF", {"tiff", FILETYPE_TARGET_GRAPHICS}, NEVER},
	{"CL_TYPE_RIFF", {"riff", ANY}, NEVER},
	{"CL_TYPE_BINHEX", {"binhex", ANY}, NEVER},
	{"CL_TYPE_TNEF", {"tnef", ANY}, FILETYPE_CONTAINER_TNEF},
	{"CL_TYPE_CRYPTFF", {"cryptff", ANY}, NEVER},
	{"CL_TYPE_PDF", {"pdf", FILETYPE_TARGET_PDF}, FILETYPE_CONTAINER_PDF},
	{"CL_TYPE_UUENCODED", {"uuencode", ANY}, NEVER},
	{"CL_TYPE_HTML_UTF16", {"html", FILETYPE_TARGET_HTML}, NEVER},
	{"CL_TYPE_SCRIPT", {"script", FILETYPE_TARGET_TEXT}, NEVER},
	{"CL_TYPE_RTF", {"rtf", ANY}, FILETYPE_CONTAINER_RTF},
	{"CL_TYPE_7Z", {"7z", ANY}, FILETYPE_CONTAINER_7Z},
	{"CL_TYPE_SWF", {"swf", FILETYPE_TARGET_FLASH}, NEVER},
	{"CL_TYPE_JAVA", {"java-class", FILETYPE_TARGET_JAVA}, NEVER},
	{"CL_TYPE_XAR", {"xar", ANY}, NEVER},
	{"CL_TYPE_XZ", {"xz", ANY}, FILETYPE_CONTAINER_XZ},
	{"CL_TYPE_OOXML_WORD", {"docx", ANY}, FILETYPE_CONTAINER_OOXML_WORD},
	{"CL_TYPE_OOXML_PPT", {"pptx", ANY}, FILETYPE_CONTAINER_OOXML_POWERPOINT},
	{"CL_TYPE_OOXML_XL", {"xlsx", ANY}, FILETYPE_CONTAINER_OOXML_EXCEL},
	{"CL_TYPE_INTERNAL", {"", ANY}, NEVER},
	{"CL_TYPE_HWP3", {"hwp", ANY}, NEVER},
	{"CL_TYPE_OOXML_HWP", {"hwpx", ANY}, NEVER},
	{"CL_TYPE_PS", {"postscript", ANY}, NEVER},
	{"CL_TYPE_EGG", {"egg", ANY}, NEVER},
	{"CL_TYPE_ONENOTE", {"onenote", ANY}, NEVER},
	{"CL_TYPE_PYTHON_COMPILED", {"python-compiled", ANY}, NEVER},
	{"CL_TYPE_LHA_LZH", {"lha", ANY}, NEVER},
	{"CL_TYPE_PART_ANY", {"", ANY}, NEVER},
	{"CL_TYPE_PART_HFSPLUS", {"", ANY}, NEVER},
	{"CL_TYPE_MBR", {"mbr", ANY}, NEVER},
	{"CL_TYPE_HTML", {"html", FILETYPE_TARGET_HTML}, FILETYPE_CONTAINER_HTML},
	{"CL_TYPE_MAIL", {"mail", FILETYPE_TARGET_MAIL}, FILETYPE_CONTAINER_MAIL},
	{"CL_TYPE_SFX", {"", ANY}, NEVER},
	{"CL_TYPE_ZIPSFX", {"", ANY}, NEVER},
	{"CL_TYPE_RARSFX", {"", ANY}, NEVER},
	{"CL_TYPE_7ZSFX", {"", ANY}, NEVER},
	{"CL_TYPE_CABSFX", {"", ANY}, NEVER},
	{"CL_TYPE_ARJSFX", {"", ANY}, NEVER},
	{"CL_TYPE_ISO9660", {"iso", ANY}, FILETYPE_CONTAINER_ISO},
	{"CL_TYPE_ISHIELD_MSI", {"installshield", ANY}, NEVER},
	{"CL_TYPE_DMG", {"dmg", ANY}, NEVER},
	{"CL_TYPE_GPT", {"gpt", ANY}, NEVER},
	{"CL_TYPE_APM", {"apm", ANY}, NEVER},
	{"CL_TYPE_AUTOIT", {"autoit", ANY}, NEVER},
	{"CL_TYPE_NULSFT", {"nsis", ANY}, NEVER},
	{"CL_TYPE_HWPOLE2", {"hwp", ANY}, NEVER},
	{"CL_TYPE_XDP", {"xdp", ANY}, NEVER},
	{"CL_TYPE_XML_WORD", {"xml-word", ANY}, NEVER},
	{"CL_TYPE_XML_XL", {"xml-excel", ANY}, NEVER},
	{"CL_TYPE_XML_HWP", {"xml-hwp", ANY}, NEVER},
	{"CL_TYPE_MHTML", {"mhtml", ANY}, NEVER},
	{"CL_TYPE_LNK", {"lnk", ANY}, NEVER},
	{"CL_TYPE_ALZ", {"alz", ANY}, NEVER},
	{"CL_TYPE_UDF", {"udf", ANY}, NEVER},
	{"CL_TYPE_IGNORED", {"", ANY}, NEVER},
};

#define TYPES_COUNT (sizeof(types) / sizeof(types[0]))

const struct filetype_clamav *filetype_by_name(const char *name)
{
	for (size_t i = 0; i < TYPES_COUNT; i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const struct filetype_clamav *filetype_by_number(size_t number)
{
	return number < TYPES_COUNT ? &types[number] : NULL;
}

size_t filetype_number(const struct filetype_clamav *type)
{
	return (size_t)(type - types);
}

enum filetype_container filetype_container_of(const char *type)
{
	for (size_t i = 0; i < TYPES_COUNT && type[0] != '\0'; i++)
		if (types[i].container != FILETYPE_CONTAINER_NEVER &&
			types[i].type.name[0] == type[0] && strcmp(types[i].type.name, type) == 0)
			return types[i].container;
	return FILETYPE_CONTAINER_OTHER;
}
