// SPDX-License-Identifier: BSD-3-Clause
// Inside of the unpackers, shared by scan/unpack*.c alone.
//
//   unpack.c         pool, detection, the public functions
//   unpack_codec.c   what undoes packing, in memory laid ready
//   unpack_inflate.c deflate (unpack_inflate.h has its own)
//   unpack_inflate64.c deflate64
//   unpack_implode.c implode and shrink
//   unpack_huffman.c bits and prefix codes
//   unpack_zip.c     records and members of a zip
//   unpack_zip_dir.c a zip's directory against its members
//   unpack_zip_open.c members stored without their size
//   unpack_gzip.c    gzip and bzip2 files
//   unpack_tar.c     tar
//   unpack_tnef.c    TNEF
//   unpack_pdf.c     objects and streams of a PDF
//   unpack_pdf_lex.c what its dictionaries say
//   unpack_pdf_text.c strings with scripts in them
//   unpack_crypt.c   decryption of a PDF
//   unpack_chain.c   filters of a stream, one behind the other
//   unpack_binhex.c  BinHex 4.0
//   unpack_fat.c     universal binaries
//   unpack_swf.c     compressed Flash
//   unpack_uu.c      uuencoded files
//   unpack_rtf.c     objects in RTF
//   unpack_filter.c  those that no library undoes
//   unpack_predictor.c rows of pixels that are told by their neighbours
#pragma once

#include "scan/bytes.h"
#include "scan/decode.h"
#include "scan/unpack.h"
#include "scan/unpack_pdf.h"
#include "scan/unpack_zip.h"

#include <bzlib.h>

#include <assert.h>

#define UNPACK_NAME_BYTES 1024
#define UNPACK_OUT_BYTES 16384u
// What the smaller decoders keep. That of deflate has the output buffer behind it, too: its window is both.
#define UNPACK_INFLATE_BYTES 45056u
// The great decoders' room. Of libbz2 1.0: its state and four bytes for each of 900 000.
#define UNPACK_BZIP2_BYTES 3700000u

// Memory that is given out piece by piece and taken back as a whole.
struct arena {
	uint8_t *memory;
	size_t room;
	size_t used;
};

enum codec_kind {
	CODEC_NONE,
	CODEC_DEFLATE,
	CODEC_BZIP2,
	CODEC_ZLIB, // deflate behind a header (RFC 1950) that may be wrong or not there
	CODEC_HEX,
	CODEC_BASE85,
	CODEC_RUN_LENGTH,
	CODEC_LZW,
	CODEC_DEFLATE64,
	CODEC_IMPLODE, // these two have no end of their own
	CODEC_SHRINK,
	CODEC_PREDICTOR, // of PDF, behind a filter
	CODEC_CRYPT,
};

struct codec {
	enum codec_kind kind;
	bool is_full;       // more output may come without more input
	uint8_t head_bytes; // of the header of CODEC_ZLIB
	uint8_t head_flags;
	uint32_t max_ratio;
	uint64_t in;
	uint64_t out;
	const uint8_t *data; // that came out last
	struct arena arena;
	union {
		bz_stream bz;
		struct filter filter;
		struct predictor predictor;
		struct {
			struct crypt *crypt;
			bool is_last; // nothing more comes
		} crypt;
	} stream;
};

enum codec_step {
	CODEC_MORE,   // all that could be unpacked was
	CODEC_OUTPUT, // *bytes are at codec.data; call again
	CODEC_END,    // the packed data is over; *bytes may be at codec.data
	CODEC_BROKEN, // the same, by an error
	CODEC_BOMB,
};

enum gzip_state {
	GZIP_HEADER,
	GZIP_EXTRA_BYTES,
	GZIP_EXTRA,
	GZIP_NAME,
	GZIP_COMMENT,
	GZIP_CRC,
	GZIP_DATA,
	GZIP_TRAILER,
};

struct gzip {
	enum gzip_state state;
	bool is_later; // not the first of those that stand one after another
	bool is_next;  // nothing of the stream has come out yet, and it is a later one
	uint8_t flags;
	uint32_t crc; // of the stream's bytes until now
	uint32_t left;
	uint32_t head_bytes;
	uint8_t head[16];
};

enum tar_state { TAR_HEADER, TAR_DATA, TAR_PADDING, TAR_NAME, TAR_PAX, TAR_SKIP };

#define TAR_BLOCK_BYTES 512

struct tar {
	enum tar_state state;
	uint32_t zero_blocks;
	uint32_t block_bytes;
	uint32_t padding;
	bool has_long_name; // name is that of the next member
	bool has_pax_size;
	bool is_pax_sparse;
	bool is_pax_global;
	bool is_linked; // the last header was one that has no contents but gives a size
	uint64_t pax_size;
	uint64_t left;
	uint64_t pax_skip; // bytes of a record that is longer than there is room
	uint32_t pax_bytes;
	uint8_t block[TAR_BLOCK_BYTES];
	char pax[2 * UNPACK_NAME_BYTES];
};

enum tnef_props_state {
	PROPS_START,
	PROPS_TAG,
	PROPS_NAME_KIND,
	PROPS_NAME_NUMBER,
	PROPS_NAME_BYTES,
	PROPS_FIXED_COUNT,
	PROPS_COUNT,
	PROPS_SIZE,
	PROPS_INTERFACE,
	PROPS_FILE_BEGIN,
	PROPS_FILE,
	PROPS_LOST,
};

struct tnef_props {
	enum tnef_props_state state;
	uint32_t left; // bytes until something is to be read
	uint32_t field;
	uint32_t field_bytes;
	uint32_t type;
	uint32_t id;
	uint32_t values; // of the property, still to come
	uint32_t file;   // bytes of the value
	uint32_t padding;
};

enum tnef_state { TNEF_START, TNEF_HEAD, TNEF_BODY, TNEF_SUM };

struct tnef {
	enum tnef_state state;
	bool is_attribute; // the member is an attribute that is no attachment's data
	uint8_t embedded;  // what is due of a message that was found in it
	uint32_t id;
	uint32_t left;
	uint32_t attribute_bytes;
	uint32_t last; // bytes of it
	struct tnef_props props;
	uint32_t head_bytes;
	uint8_t head[16];
};

enum binhex_state {
	BINHEX_BANNER,
	BINHEX_LINE,
	BINHEX_HEAD,
	BINHEX_FORK_BEGIN,
	BINHEX_FORK,
	BINHEX_FORK_CRC,
	BINHEX_OVER,
};

struct binhex {
	enum binhex_state state;
	uint8_t matched; // characters of the banner
	bool is_line_start;
	bool is_marked; // the last byte began a run
	bool is_resource;
	uint8_t last;
	uint8_t bits; // of word that are not used up
	uint8_t name_bytes;
	uint32_t word;
	uint32_t run; // times that last is still to be given
	uint16_t crc;
	uint32_t left; // bytes of the fork
	uint32_t resource;
	uint32_t out_bytes;
	uint32_t head_bytes;
	uint8_t head[288];
};

enum rtf_state { RTF_TEXT, RTF_ESCAPE, RTF_WORD, RTF_BINARY };

struct rtf {
	enum rtf_state state;
	bool is_object; // in its text
	bool is_ending;
	bool has_number;
	uint8_t nibble;
	uint32_t depth; // of groups
	uint32_t object_depth;
	uint32_t left_out; // depth of a group in an object that is left out, 0: none
	uint32_t digits;
	uint32_t number;
	uint32_t skip; // bytes that are no text
	uint32_t out_bytes;
	uint32_t word_bytes;
	char word[16];
};

enum ole1_state {
	OLE1_VERSION,
	OLE1_CLASS,
	OLE1_TOPIC,
	OLE1_ITEM,
	OLE1_SIZE,
	OLE1_PACKAGE,
	OLE1_LABEL,
	OLE1_PATH,
	OLE1_KIND,
	OLE1_TEMPORARY,
	OLE1_FILE_SIZE,
	OLE1_DATA,
};

struct ole1 {
	enum ole1_state state;
	bool is_package;
	bool has_length;
	uint32_t left;
	uint32_t head_bytes;
	uint8_t head[8];
};

struct swf {
	bool is_over;
	uint32_t head_bytes;
	uint8_t head[8];
};

#define UU_LINE_BYTES 256

struct uu {
	bool is_long; // more than has room
	bool is_over; // a line of no bytes was in the member
	uint32_t line_bytes;
	uint8_t line[UU_LINE_BYTES];
};

enum xml_state {
	XML_TEXT,
	XML_NAME, // behind "<"
	XML_TAG,  // behind the name
	XML_COMMENT,
	XML_SECTION,     // of CDATA, in which nothing but its end is no text
	XML_INSTRUCTION, // up to "?>"
	XML_REFERENCE,   // behind "&"
};

struct xml {
	enum xml_state state;
	uint8_t quote; // that a value in the tag began with, 0: in none
	uint8_t dashes; // at the end of the comment so far; brackets of a section, "?" of an instruction
	bool opens;    // the tag has begun the member
	bool slash;    // it is the tag's last byte so far
	bool is_ended; // the member's base64 is, its tag not yet
	uint8_t place; // in a reference, up to 2
	uint8_t base;  // of its number, 0: it has none
	uint32_t number;
	uint32_t out_bytes; // that wait in the output
	struct base64_state base64;
	uint32_t name_bytes;
	char name[64]; // of a tag, "/" before that of an end
};

#define FAT_SLICES 39

struct fat_slice {
	uint32_t cpu;
	uint64_t offset;
	uint64_t bytes;
};

struct fat {
	bool has_header;
	bool is_wide; // places of 64 bits
	uint32_t entries_left;
	uint32_t head_bytes;
	uint32_t count;
	uint32_t at;
	uint64_t left; // of the open member
	struct fat_slice slices[FAT_SLICES];
	uint8_t head[32];
};

enum unpack_warning {
	WARN_ENCRYPTED,
	WARN_METHOD,
	WARN_SPLIT,
	WARN_AMBIGUOUS,
	WARN_BOMB,
	WARN_BROKEN,
	WARN_MEMORY,
};

struct unpack {
	struct unpack *next; // in the pool
	struct unpack_pool *pool;
	enum unpack_kind kind;
	uint64_t offset;      // in the object, of the next input byte
	bool is_open;         // a member is
	bool is_over;         // nothing more comes
	uint32_t unsupported; // members packed in a way that is not known here
	bool is_broken;       // a member's data was: told when the archive is known to be one
	bool is_finishing;
	bool has_output;
	unsigned int due;  // 1u << enum unpack_warning
	unsigned int told; // each is told once
	unsigned int kept; // warnings that count only when the archive turns out to be one
	struct codec codec;
	size_t waiting; // bytes at waiting_data of the member that was just begun
	const uint8_t *waiting_data;
	struct unpack_facts facts; // of the open member
	uint32_t name_bytes;
	char name[UNPACK_NAME_BYTES];
	uint8_t *out;
	uint8_t *inflate_memory;
	union {
		struct zip zip;
		struct gzip gzip;
		struct tar tar;
		struct tnef tnef;
		struct pdf pdf;
		struct binhex binhex;
		struct rtf rtf;
		struct ole1 ole1;
		struct fat fat;
		struct swf swf;
		struct uu uu;
		struct xml xml;
	} as;
};

// Each format's own: reads on and returns how many bytes were consumed. An event that it makes goes to
// *event, whose type is UNPACK_NEED_INPUT before.
size_t zip_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t gzip_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t bzip2_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t tar_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t tnef_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t pdf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t binhex_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t rtf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t ole1_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t swf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t uu_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t xml_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
size_t fat_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
// At the end of the input: a step of it. False when nothing is left to do.
bool zip_finish(struct unpack *unpack, struct unpack_event *event);
bool pdf_finish(struct unpack *unpack, struct unpack_event *event);
bool binhex_finish(struct unpack *unpack, struct unpack_event *event);
bool uu_finish(struct unpack *unpack, struct unpack_event *event);
bool xml_finish(struct unpack *unpack, struct unpack_event *event);
bool rtf_finish(struct unpack *unpack, struct unpack_event *event);
// Whether more may come without more input.
bool pdf_is_stepping(const struct unpack *unpack);
bool binhex_is_stepping(const struct unpack *unpack);
bool rtf_is_stepping(const struct unpack *unpack);

// Adds to a CRC-32 what an event gives of a member.
uint32_t unpack_crc(uint32_t crc, const struct unpack_event *event);

// Whether the word is there.
bool unpack_has_word(const uint8_t *data, size_t n, const char *word);

bool gzip_is_header(const uint8_t *data, size_t n);
bool bzip2_is_header(const uint8_t *data, size_t n);
bool tar_is_header(const uint8_t *data, size_t n);
// Whether it has the mark of one, whatever its sum is.
bool tar_is_marked(const uint8_t *data, size_t n);
bool tnef_is_header(const uint8_t *data, size_t n);
bool pdf_is_header(const uint8_t *data, size_t n);
bool binhex_is_header(const uint8_t *data, size_t n);
bool rtf_is_header(const uint8_t *data, size_t n);
bool swf_is_header(const uint8_t *data, size_t n);
bool uu_is_header(const uint8_t *data, size_t n);
bool xml_is_header(const uint8_t *data, size_t n);
bool fat_is_header(const uint8_t *data, size_t n);

// unpack.c
void unpack_warn(struct unpack *unpack, enum unpack_warning warning);
void unpack_name_begin(struct unpack *unpack);
void unpack_name_add(struct unpack *unpack, const uint8_t *data, size_t n);
void unpack_member_begin(struct unpack *unpack, struct unpack_event *event);
void unpack_member_data(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
void unpack_member_end(struct unpack *unpack, struct unpack_event *event);
// Takes bytes of input up to want in buffer, of which *have are there. Returns how many it took.
size_t unpack_collect(
	uint8_t *buffer, uint32_t *have, uint32_t want, const uint8_t *data, size_t n);
// Memory for a great decoder, of bzip2 or deflate64; NULL when it is all in use.
uint8_t *unpack_take_bzip2(struct unpack_pool *pool);
void unpack_give_bzip2(struct unpack_pool *pool, uint8_t *memory);
uint32_t unpack_max_ratio(const struct unpack *unpack);

// unpack_codec.c
// False, and a warning, when there is no memory.
bool codec_begin(struct unpack *unpack, enum codec_kind kind);
void codec_end(struct unpack *unpack);
enum codec_step codec_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);
// The same, with what a format does of it: data to an event, warnings. True when the data is over.
bool codec_feed(struct unpack *unpack, const uint8_t *data, size_t n, size_t *used,
	struct unpack_event *event);

// unpack_inflate64.c
void inflate64_begin(struct unpack *unpack);
enum codec_step inflate64_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);

// unpack_implode.c
// is_great: a window of 8 KiB, not 4; has_literals: single bytes have codes of their own.
void implode_begin(struct unpack *unpack, bool is_great, bool has_literals);
enum codec_step implode_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);
void shrink_begin(struct unpack *unpack);
enum codec_step shrink_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);

// unpack_filter.c
void filter_begin(struct unpack *unpack);
enum codec_step filter_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);
// Its value, negative: none.
int unpack_hex_digit(uint8_t c);

// unpack_chain.c
// What is to be undone of a stream, as its object says. False, and a warning, when there is no memory.
bool chain_begin(struct unpack *unpack);
size_t chain_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);
// The input is over. What is left comes by chain_feed without input, while chain_is_stepping.
void chain_finish(struct unpack *unpack, struct unpack_event *event);
bool chain_is_stepping(const struct unpack *unpack);
void chain_end(struct unpack *unpack);

// unpack_codec.c
enum codec_step crypt_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);

// unpack_predictor.c
// What the filter before it gave is of rows (ISO 32000-1, 7.4.4.4). False: these parameters cannot be
// followed.
bool predictor_begin(struct unpack *unpack, const struct pdf_parms *parms);
void predictor_end(struct unpack *unpack);
enum codec_step predictor_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes);

// unpack_pdf.c
bool pdf_is_expected_end(const struct pdf *pdf, uint64_t at);

// unpack_pdf_entry.c
// What an entry's name stands for.
enum pdf_key pdf_key_of(const char *name);

// The object's filters are named from here on, and the next of them: by a name that stands elsewhere, by /Filter, by /F.
void pdf_filters_begin(struct unpack *unpack);
void pdf_add_filter(struct pdf_object *object, const char *name);
void pdf_add_long_filter(struct pdf_object *object, const char *name);
void pdf_add_short_filter(struct unpack *unpack, const char *name);

// unpack_pdf_lex.c
// Reads on outside of streams. Returns how many bytes were consumed: up to an event, or a stream.
size_t pdf_lex_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event);

// unpack_pdf_text.c
// A string begins, in parentheses or hexadecimal; is_member: its contents are given.
void pdf_text_begin(struct unpack *unpack, bool is_member, struct unpack_event *event);
// The next byte of it. True when it is over.
bool pdf_text_byte(struct unpack *unpack, uint8_t byte, struct unpack_event *event);
void pdf_text_finish(struct unpack *unpack, struct unpack_event *event);

// unpack_tnef_props.c
// Reads on in the properties of an attachment; zeroed to begin with. Returns how many bytes were read: up to where a
// file begins or ends, and then *cut, or all.
size_t tnef_props_run(struct tnef_props *props, const uint8_t *data, size_t n, bool *cut);
