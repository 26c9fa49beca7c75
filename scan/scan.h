// SPDX-License-Identifier: BSD-3-Clause
// Scanning of one mail message, or of one file, against a ruleset. The manual of scan/.
//
// A caller opens a ruleset (an immutable image made by ruleset_build), makes one scanner for each
// thread, and for every message: scan_begin, scan_feed as the bytes pass (any chunking gives the
// same result), scan_end, scan_free. Nothing here logs, reads a clock, starts a thread or knows a
// packet. After scanner_new the packet path takes all memory from the scanner's own pools.
//
// Words: an object is what a signature is evaluated on: the raw message, each decoded MIME part,
// each file, each member of an archive. A part is a leaf of the MIME tree, or a member of an archive,
// whose parent is the archive. What unpack.h warns of makes a message suspect by that name; so do
// "limit-archive-depth", "limit-members", "limit-unpacked-bytes", "limit-matching" (an object that
// the matcher could not examine in full), "limit-captured-bytes" and what unpack_whole.h warns of. Mail that only its
// reader can decrypt (S/MIME, PGP) is suspect for SCAN_ENCRYPTED if there is nothing else. What an allow list names
// hides all hits inside of it.
//
// Some archives cannot be unpacked as their bytes pass. They are kept, and are worked on when the message
// has ended: by scan_end, or by scan_work on a thread for which that time does not matter. There memory is
// allocated, and calls into libarchive that give nothing for long are left (scan/unpack_guard.h: a timer, a
// signal).
#pragma once

#include "scan/recipe.h"
#include "scan/screen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_MUST_USE __attribute__((warn_unused_result))

enum verdict {
	VERDICT_CLEAN,
	VERDICT_INFECTED,
	VERDICT_SUSPECT,     // heuristics and content limits: a policy decides
	VERDICT_UNSCANNABLE, // our own limits: memory ran out, the scanner failed
	VERDICT_INCOMPLETE,  // the message never ended
};

enum match_kind { MATCH_PATTERN, MATCH_HASH, MATCH_CHECKSUM, MATCH_HEURISTIC };

// What a message is not clean for, the gravest first. One may be so for several.
enum scan_finding {
	SCAN_FINDING_SIGNATURE,
	SCAN_FINDING_CHECKSUM, // of the screening list
	SCAN_FINDING_SUSPECT,
	SCAN_FINDING_UNSCANNABLE,
	SCAN_FINDING_ENCRYPTED, // SCAN_ENCRYPTED
	SCAN_FINDINGS,          // how many; as a finding: there is none
};

// The reason of what is suspect because nobody but its reader can decrypt it, and for nothing else.
#define SCAN_ENCRYPTED "encrypted-mail"

// Bits of scan_options.digests and scan_part.digests.
#define DIGEST_MD5 1u
#define DIGEST_SHA1 2u
#define DIGEST_SHA256 4u

// Lower-case names as JSON uses them: "clean", "pattern", ...
const char *verdict_name(enum verdict verdict);
const char *match_kind_name(enum match_kind kind);
// Of a message with this finding and no graver one.
enum verdict scan_finding_verdict(enum scan_finding finding);

// Of one DIGEST_*: "md5", "sha1", "sha256", and its bytes.
const char *digest_name(unsigned int algorithm);
size_t digest_length(unsigned int algorithm);

// ---- ruleset: an immutable compiled image ------------------------------------------------------

struct ruleset;

struct ruleset_info {
	char version[40]; // names it in events: first 16 hex digits of the image's SHA-256; with a
			  // delta on it, "+" and the first 16 of the delta's
	uint32_t signatures; // that can hit
	uint32_t literals;   // of these, literal patterns
	uint32_t patterns;   // of these, patterns with wildcards
	uint32_t hashes;     // of these, whole-object digests
	uint32_t skipped;    // lines the builder did not take
	size_t image_bytes;
	size_t stream_bytes; // Hyperscan stream state of one object being matched
};

// What the name of a file with a delta adds to that of the image which it is laid on.
#define RULESET_DELTA_SUFFIX ".delta"

// Maps the image file at path read-only, with the delta that follows in it, or lies beside it (a file of
// the same name and RULESET_DELTA_SUFFIX; one of another image is passed over). Returns 0, -errno of a
// file, -EBADMSG (not an image, or damaged: its checksum is verified), -ENOTSUP (other format version, or
// a database that this machine's Hyperscan cannot run), -ENOLINK (a delta without its image). The caller
// closes it, after the last scan that uses it.
int ruleset_open(const char *path, struct ruleset **out) SCAN_MUST_USE;
// The same for an image in memory, which must stay mapped and unchanged; image is 64-byte aligned.
int ruleset_attach(const void *image, size_t bytes, struct ruleset **out) SCAN_MUST_USE;
// Lays a delta in memory on a ruleset, which must outlive what comes out, and may have a delta already:
// this one takes its place. Verdicts are as if both had been compiled together. Returns as
// ruleset_attach, -ESTALE when the delta was made for another image, -EINVAL when it is none.
int ruleset_attach_delta(const struct ruleset *base, const void *image, size_t bytes,
	struct ruleset **out) SCAN_MUST_USE;
void ruleset_close(struct ruleset *ruleset);
const struct ruleset_info *ruleset_get_info(const struct ruleset *ruleset);
// Whether a signature that can hit carries this virus id; not "".
bool ruleset_has_virus_id(const struct ruleset *ruleset, const char *virus_id);
// Whether such a signature is the digest (algorithm: one DIGEST_*) of objects of so many bytes.
bool ruleset_has_digest(const struct ruleset *ruleset, unsigned int algorithm,
	const uint8_t *digest, uint64_t bytes, const char *virus_id);

// ---- scanner: one thread's scratch and pools ---------------------------------------------------

struct scanner;

// Limits are on one message; past one the verdict is SUSPECT with the limit's name as reason.
struct scan_options {
	unsigned int digests;        // DIGEST_* to compute and report for every part, needed or not
	uint32_t max_messages;       // messages in progress at once on this scanner
	uint32_t max_depth;          // nesting of multiparts and encapsulated messages
	uint32_t max_parts;          // leaves of one message
	uint32_t max_header_bytes;   // one header field, unfolded
	uint32_t max_archive_depth;  // archives inside archives; 0: none is unpacked, nor suspected
	uint32_t max_members;        // of archives, counted together with the message's parts
	uint64_t max_unpacked_bytes; // that come out of all archives of one message
	uint32_t max_ratio;          // bytes that one packed byte may give, beyond the first MiB
	uint64_t max_captured_bytes; // of one message, kept for what must be whole to be unpacked
	uint64_t max_all_captured_bytes; // of all messages in progress
	bool has_helper;                 // scan_work runs on another thread than all else
	uint32_t helper_messages;        // then: in progress at once on scanner_get_helper
	bool all_matches; // report every signature that hits, not only the first of an object
};

// Fills in the defaults: no digests, 1024 messages, 32 of a helper, depth 32, 1000 parts, 64 KiB header field; archive
// depth 8, 10000 members, 256 MiB unpacked, ratio 250, 64 MiB captured of 256 MiB of all.
void scan_options_init(struct scan_options *options);

// Takes all memory that scanning will need. Returns 0 or -ENOMEM. The ruleset must outlive it. One
// thread may make what another one uses later.
int scanner_new(const struct scan_options *options, const struct ruleset *ruleset,
	struct scanner **out) SCAN_MUST_USE;
void scanner_free(struct scanner *scanner);
// The memory of so many messages is there from now on, with room for so many bytes of each that are kept until it is
// known what they are asked: who scans does not wait for the kernel to clear it. Before the first message.
void scanner_warm(struct scanner *scanner, uint32_t messages, size_t kept_bytes);
// The ruleset that it was made with, and how many messages are in progress on it.
const struct ruleset *scanner_get_ruleset(const struct scanner *scanner);
uint32_t scanner_in_progress(const struct scanner *scanner);
// With has_helper: a scanner with the same ruleset that belongs to the thread of scan_work, for whole scans
// there. It is freed with this one.
struct scanner *scanner_get_helper(const struct scanner *scanner);
// Bytes of memory that one more message in progress costs with such a ruleset: its parts and the state of what
// searches the mail, a part and its copies. What is kept of objects is not counted: archives that have to be
// whole, and what only a signature that may hit asks for.
size_t scanner_message_bytes(const struct scanner *scanner);

// ---- scan: one message or file -----------------------------------------------------------------

struct scan;

enum scan_kind {
	SCAN_MESSAGE, // RFC 5322 message: the raw bytes as a mail object, and its MIME parts
	SCAN_FILE,    // one object of any type, as clamscan sees a file that is not a mail
};

struct scan_match {
	const char *signature;
	const char *virus_id; // "" where the signature names none
	const char *recipe; // how its object can be repaired (recipe_parse takes it), "": it cannot
	enum match_kind kind;
	uint32_t part; // index of the part, 0: the message itself
	// Of a hit in screening (MATCH_CHECKSUM), else zero: the signature is the entry's name.
	uint64_t entry; // screen_id
	enum screen_action action;
	enum screen_kind screened;
	unsigned int algorithm; // one DIGEST_*
	const uint8_t *digest;  // of digest_length(algorithm)
};

// Listed in the order in which they begin, each followed by what is in it: members in the order of the
// archive, then what the MIME parser found in it. In any chunking they are the same, also past a limit.
struct scan_part {
	uint32_t index;  // from 1
	uint32_t parent; // index of the container, 0: the message
	// Strings are valid UTF-8 (RFC 2047 and 2231 decoded), never NULL. A member has only a name
	// and a detected type.
	const char *content_type; // lower case "type/subtype", "text/plain" where none is given
	const char *encoding;     // lower case as declared, "7bit" where none is given
	const char *filename;
	const char *disposition;
	const char *detected_type; // by content, "" where unknown
	uint64_t bytes;            // decoded
	bool is_reading;           // not of the first reading: listed for what was found in it
	unsigned int digests;      // which of these are set
	uint8_t md5[16];
	uint8_t sha1[20];
	uint8_t sha256[32];
};

// Lives until scan_free.
struct scan_result {
	enum verdict verdict;
	const char *reason; // "" when clean, else "signature", "limit-depth", "limit-parts", ...
	// The reason of each finding, NULL: it is none. Verdict and reason are of the gravest. Of what is infected not all
	// the others are found.
	const char *findings[SCAN_FINDINGS];
	unsigned int screen_actions;      // 1u << enum screen_action: what entries ask for that hit
	const struct scan_match *matches; // of what is inside before those of what is around it
	size_t matches_count;
	bool has_more_matches; // with all_matches: than there is room to list
	const struct scan_part *parts;
	size_t parts_count;
	const char *subject; // decoded, UTF-8, "" where absent
	bool unclear_subject; // another reader may see another: there are several, or it is very long
	bool unclear_names;   // the same of the name of a part
	const char *message_id; // as sent
	uint64_t bytes;         // of the message
};

// What the verdict stands on: the first match of a signature; where there is none, of a checksum. NULL: no
// match.
const struct scan_match *scan_leading_match(const struct scan_result *result);
// What the entries that hit ask for together. default_passes: what names no action would let the message through, and
// does not overrule those that would not.
enum screen_action scan_screen_action(const struct scan_result *result, bool default_passes);

// Starts a message on this scanner. Returns 0, or -ENOMEM when max_messages are in progress: the
// caller then applies its policy for what cannot be scanned.
int scan_begin(struct scanner *scanner, enum scan_kind kind, struct scan **out) SCAN_MUST_USE;
// The next n bytes, which are looked at in steps of 4 KiB: of a message after dot-unstuffing, line ends
// as sent, without the end-of-data.
void scan_feed(struct scan *scan, const uint8_t *data, size_t n);
// True once the verdict can no longer become clean, whatever follows. It may be said some bytes late.
bool scan_is_decided(const struct scan *scan);
// Feeding is over. True: nothing but scan_end is left to do. False: there is work for scan_work, whose
// result could change the verdict; with all, or add to what an infected message is not clean for besides.
bool scan_finish(struct scan *scan, bool all) SCAN_MUST_USE;
// Feeding is over, and what scan_end would do is done as far as others may have a part in it: digests of several
// messages are computed together, which takes less time. Of messages that end at about the same time call this,
// or scan_finish, then scanner_settle, then scan_end of each.
void scan_feed_end(struct scan *scan);
// Whether digests of it are not computed yet, which scanner_settle does, and scan_end.
bool scan_is_waiting(const struct scan *scan);
// Whether computing them takes less time together with those of other messages that end: not where little is
// left to hash, or less than half of it.
bool scan_gains_by_waiting(const struct scan *scan);
// Computes what waits on this scanner, also of messages in progress.
void scanner_settle(struct scanner *scanner);
// There is nothing else to do at the moment: does some of what would have to be done later. It takes no longer
// than a small message, so that what comes meanwhile is not late.
void scanner_rest(struct scanner *scanner);
// Does that work. Until it returns, no other function of this scan is called but scan_cancel,
// scan_get_known and scan_get_scanner. With scan_options.has_helper it may be called on another thread than all else, one
// scan of a scanner at a time.
void scan_work(struct scan *scan);
// Once scan_finish has returned false, on the thread that called it, also while scan_work runs: what was
// known by then, as scan_end would give it, with the first of its parts. It stays until scan_free.
const struct scan_result *scan_get_known(const struct scan *scan);
// From any thread: scan_work ends soon, with the reason "limit-time". Returns whether it has begun.
bool scan_cancel(struct scan *scan);
// Finishes all parts, does the work that is left, and returns the result. Feeding is over.
const struct scan_result *scan_end(struct scan *scan);
// The scanner that it was begun on.
const struct scanner *scan_get_scanner(const struct scan *scan);
// Gives the message's memory back to the scanner, ended or not.
void scan_free(struct scan *scan);
// Where a line of a mailbox may begin a message: the first such byte, which is no NUL, that stands behind an '\n' in
// [data, data + n), or NULL.
const uint8_t *scan_find_line(const uint8_t *data, size_t n, uint8_t first);

// ---- builder: signature files to an image (links Hyperscan's compiler; never in the dataplane) --

struct ruleset_build_stats {
	uint32_t files;
	uint32_t lines;      // that carry a signature
	uint32_t signatures; // in the image
	uint32_t literals;
	uint32_t patterns;
	uint32_t hashes;
	uint32_t ignored; // named by an ignore list
	uint32_t skipped; // valid but not for this engine, or unsupported
	uint32_t errors;  // malformed
	uint64_t image_bytes;
	uint64_t compile_ns; // wall time, measured by the builder's caller's clock function, or 0
};

// Called for every line that was not taken: file:line: reason. is_error tells malformed from
// skipped. ctx is the caller's.
typedef void (*ruleset_report_fn)(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason);

struct ruleset_build_options {
	ruleset_report_fn report; // may be NULL
	void *ctx;
	bool strict; // a malformed line fails the build with -EINVAL, as ClamAV does
};

// Compiles signature files or folders of them (by extension: .ndb .hdb .hsb ...) into an image,
// which the caller frees with free(). Returns 0, -EINVAL (strict), -errno of a file, -ENOMEM.
int ruleset_build(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, void **image, size_t *image_bytes,
	struct ruleset_build_stats *stats) SCAN_MUST_USE;
// An image, and an index of what it was made of, by which a delta can be made later. Both of malloc.
struct ruleset_built {
	void *image;
	size_t image_bytes;
	void *index;
	size_t index_bytes;
};

// The same with an index.
int ruleset_build_indexed(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *out,
	struct ruleset_build_stats *stats) SCAN_MUST_USE;
// Compiles only what is new since the index in built was made, and puts the delta there as the image,
// NULL when nothing is new; only of new lines is anything reported. Returns -E2BIG when too much has changed, or something that a
// delta cannot say, -EBADMSG for what is no index.
int ruleset_build_delta(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *built,
	struct ruleset_build_stats *stats) SCAN_MUST_USE;

// ---- a cache of images -------------------------------------------------------------------------

// A folder of images and their indexes. An image is found by what its sources hold, for this program,
// processor and version of Hyperscan; of sources that are almost the same, a delta is made of it. Several
// programs may use it at once. What is damaged in it is told of and made anew.
struct ruleset_cache {
	const char *folder; // is made if missing
	uint64_t max_bytes; // those not used for longest go, but for the one in use
	bool is_fresh;      // no delta: what is not there as one image is compiled
	// NULL, or an image that is in use: a delta of it is written alone.
	const char *in_use;
	void (*note)(void *ctx, const char *file, const char *what); // of damage; may be NULL
	// All has to be compiled, which takes long; may be NULL.
	void (*takes_long)(void *ctx);
	void *ctx;
	struct ruleset_ready *ready; // made with the same cache and options, or NULL
};

enum ruleset_origin {
	RULESET_COMPILED,    // all
	RULESET_FOUND,       // in the cache
	RULESET_DELTA,       // found, and a delta of what is new behind it in the same file
	RULESET_DELTA_ALONE, // of the image in use; beside the output, which is not written
};

struct ruleset_cached {
	enum ruleset_origin origin;
	uint32_t changes; // signatures that a delta adds and removes
	struct ruleset_build_stats stats;
};

// What a delta of the image in use takes whatever is new, done before that is known: what is laid ready serves one
// compilation. Returns 0 or -ENOMEM; an index that cannot be used is no error.
int ruleset_ready_new(const struct ruleset_build_options *options,
	const struct ruleset_cache *cache, struct ruleset_ready **out) SCAN_MUST_USE;
void ruleset_ready_free(struct ruleset_ready *ready);
// Compiles to a file with a cache. Returns as ruleset_build, or -errno of the cache's folder or of the
// output.
int ruleset_build_cached(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, const struct ruleset_cache *cache,
	const char *output, struct ruleset_cached *out) SCAN_MUST_USE;
// Whether a file of that name is read where its folder is compiled.
bool ruleset_is_source(const char *name);
// Writes an image durably: temporary name, fsync, rename, fsync of the folder.
int ruleset_write(const char *path, const void *image, size_t bytes) SCAN_MUST_USE;
