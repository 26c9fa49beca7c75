// SPDX-License-Identifier: BSD-3-Clause
// Streaming unpackers: bytes of an archive in, its members out, as the bytes pass.
//
// Pull style: unpack_next takes input and gives one event at a time; one member is open at a time.
// Any chunking of the input gives the same members, bytes and warnings; only how MEMBER_DATA is cut
// differs. An unpacker is taken from a pool and has all its memory there; nothing is allocated later.
//
// An archive's bytes are read once, in order, so a zip is read by its local headers, wherever they
// stand; what its directory says of the members is compared with what they were. Where an archive is
// broken, all that came out until there is given, and reading goes on at the next header that is to
// be found. Warnings are for what was not seen, or could be read in another way:
//
//   encrypted-archive    a member that only its reader can decrypt
//   unsupported-method   a member packed in a way that is not known here
//   split-archive        a piece of an archive in several pieces: members may be cut, or elsewhere
//   ambiguous-archive    a zip's directory names other members, sizes or places than its local
//                        headers, it has two directories, or one that members cover; a tar's link or folder with contents;
//                        a PDF in which one stream may be hidden in another; a universal binary whose
//                        programs overlap
//   archive-bomb         more than max_ratio bytes from a byte (counted in steps of 4 KiB of input);
//                        of a PDF, from a second filter on: its images may be blank
//   broken-archive       packed data in which an error stands (of what is no zip: after some of it was
//                        unpacked), or whose checksum is another: another reader may get on from
//                        there. What merely ends early is no cause for it.
//   memory               no memory of the pool is free: the member is not unpacked
//
// Of a zip inside other data (self-extracting, or part of a document), the first four and
// broken-archive are told only when its directory stands at the end, where a reader of zips looks.
//
// A PDF's members are its streams, named after their objects ("12 0 obj"), and the strings with scripts
// in them. Its filters and their predictors are undone, but for those of images; parameters that stand in
// another object are "unsupported-method". What is encrypted is not decrypted here: see unpack_pdf_whole.h.
//
// Of a document in one file of XML each element of base64 is a member.
//
// Of a uuencoded file each block is a member, of compressed Flash the file without compression; Flash packed
// with LZMA is "unsupported-method".
//
// Sources: PKWARE APPNOTE 6.3.10, RFC 1951 and 1952, POSIX.1-2017 pax, GNU tar's manual ("Basic
// Tar Format"), the bzip2 manual, MS-OXTNEF, ISO 32000-1, RFC 1741, MS-OLEDS.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack;
struct unpack_pool;

enum unpack_kind {
	UNPACK_NONE,
	UNPACK_ZIP,
	UNPACK_ZIP_INSIDE, // a zip somewhere in other data
	UNPACK_GZIP,
	UNPACK_BZIP2,
	UNPACK_TAR,
	UNPACK_TNEF,
	UNPACK_BINHEX,
	UNPACK_RTF,
	UNPACK_OLE1, // an object in RTF
	UNPACK_PDF,
	UNPACK_FAT, // a universal binary of macOS
	UNPACK_SWF, // compressed Flash
	UNPACK_UU,
	UNPACK_XML,         // a document in one file of XML
	UNPACK_PDF_OBJECTS, // objects that a stream of a PDF holds
};

// So many first bytes tell what an object is; all of it, where it has fewer.
#define UNPACK_DETECT_BYTES 1024

enum unpack_event_type {
	UNPACK_NEED_INPUT, // all input consumed
	UNPACK_MEMBER_BEGIN,
	UNPACK_MEMBER_DATA, // of the open member; valid until the next call
	UNPACK_MEMBER_END,  // name is what is known of it by now
	UNPACK_WARNING,     // event.why
	UNPACK_END,         // the archive is over; input may be left
};

// What an archive tells of a member; what it does not is 0.
struct unpack_facts {
	uint64_t packed;
	uint64_t bytes;
	uint64_t
		position; // among all of its headers, from 1 on or, where it has a table of them, from 0
	uint32_t crc;
	bool is_encrypted;
};

struct unpack_event {
	enum unpack_event_type type;
	const char *name; // as stored, any bytes; "" where there is none
	const uint8_t *data;
	size_t bytes;
	const char *why;
	// Of MEMBER_BEGIN what the header says, of MEMBER_END what was found: NULL where a format has no such.
	const struct unpack_facts *facts;
	bool is_behind;        // of MEMBER_DATA: some readers end the member in front of these
	bool has_other_name;   // of MEMBER_BEGIN: there is one that ends with something else
	enum unpack_kind kind; // of a member that its first bytes do not tell, else UNPACK_NONE
};

// archives: unpackers in use at once; bzip2s: how many of these may decode bzip2. Returns 0, -ENOMEM.
int unpack_pool_new(uint32_t archives, uint32_t bzip2s, uint32_t max_ratio,
	struct unpack_pool **out) __attribute__((warn_unused_result));
void unpack_pool_free(struct unpack_pool *pool);
// Bytes of memory of one unpacker, without those of bzip2.
size_t unpack_bytes(void);

// What the first n bytes of an object are, UNPACK_DETECT_BYTES of them or all.
enum unpack_kind unpack_detect(const uint8_t *data, size_t n);
// Whether what is of that kind may be something else besides: a zip or another archive in it is looked for, too.
bool unpack_is_partial(enum unpack_kind kind);
// Offset of what follows the archive, as far as it has come to its end and goes on looking for more of it: behind a
// zip's end record. 0: it has not.
uint64_t unpack_end_of(const struct unpack *unpack);
// Looks for the signature of a zip's member or of its end record in data that follows what was looked at before; state
// is 0 at first. is_inside: the last two bytes of one may stand side by side in data. Returns the bytes up to its end, or
// 0 where none ends in data; *magic is then what is to be fed to an UNPACK_ZIP_INSIDE before what follows: these four
// bytes.
size_t unpack_find_zip(
	uint32_t *state, const uint8_t *data, size_t n, bool is_inside, const uint8_t **magic);

// offset: of the archive's first byte in the object. Returns 0 or -ENOMEM: all are in use.
int unpack_begin(struct unpack_pool *pool, enum unpack_kind kind, uint64_t offset,
	struct unpack **out) __attribute__((warn_unused_result));
// Returns how many bytes were consumed: call again with the rest until UNPACK_NEED_INPUT.
size_t unpack_next(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
// After the last byte: call until it gives UNPACK_END.
void unpack_finish(struct unpack *unpack, struct unpack_event *event);
// Members until now for which "unsupported-method" was due; the warning itself comes once.
uint32_t unpack_unsupported(const struct unpack *unpack);
// Gives it back to the pool, finished or not.
void unpack_put(struct unpack *unpack);
