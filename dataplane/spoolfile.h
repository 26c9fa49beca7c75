// SPDX-License-Identifier: BSD-3-Clause
// The buffer's files: what is in them, and reading, listing and retiring it. Libcrypto and libc only; the
// writer is spool.h. Any process that has the key may read while a writer writes.
//
// One directory, mode 0700:
//
//   NAME-RUN-SEQ.seg   segment: written by the writer NAME ("d" the dataplane, "c" control) alone
//   NAME.state         state log: changes of records' states, appended to by its owner alone
//   *.new              being made; of no meaning to a reader
//
// A writer holds flock(LOCK_EX) on a segment as long as it may still write to it. Any process may
// remove a segment that it can lock and in which, looked at under that lock, nothing lives
// (spoolfile_reap), or replace it by a copy (spoolfile_rewrap).
//
// Format. All files are made of chunks, little endian, each at a multiple of 64 bytes. Behind a chunk comes the
// next one, or, in a segment, bytes 0xff up to a multiple of 4096:
//
//     0 magic "cordchnk"   8 version u16  10 kind u8  11 flags u8  12 index u32
//    16 run u64           24 number u64   32 head u32  36 body u32  40 tail u32  44 zero u32
//    48 key id u64        56 data key, wrapped (40 bytes)           96 tag (16)  112 zero (16)
//   128 ciphertext of head + body + tail bytes
//
// A record is its chunks 0..n, wherever they are; the last has SPOOL_CHUNK_FINAL. Its envelope is the
// heads' concatenation, its message the bodies', its reason the tail of the last. A record counts when
// all of its chunks are there and authentic; anything less is what a crash or an abort left, and is
// dropped. So a write that is torn, lost or reordered can only make a whole record absent. A chunk does
// not depend on its place: a writer may write it again, byte for byte, elsewhere, and the reader takes
// the first copy. A segment begins with a chunk of kind SEGMENT, which has 4096 bytes to itself.
//
// Encryption. AES-256-GCM under a data key; bytes 0..47 are authenticated with it; the nonce is number
// (8 bytes) and index (4). A data key is drawn at random for one of a writer's threads, which alone seals by it, lives
// only in memory and ends with the writer at the latest; in one run no number is given twice, by whatever thread, and
// an index of a record is sealed once. So no nonce is ever used twice, whatever crashes: a restart has other
// keys. Wrapped (RFC 3394) by the gateway's key it is in every chunk; the wrapping has no nonce. Key file: one key a line, the last one wraps.
//
// A record's state is the first one, that of its tail, until state chunks say otherwise: of those the
// newest counts, but a record that is gone stays gone. It goes durably with the state chunk, before its
// bytes do: a crash may at worst repeat what was done just before that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_MUST_USE __attribute__((warn_unused_result))

struct spool_text {
	const char *at; // not terminated, any bytes
	size_t bytes;
};

struct spool_id {
	uint64_t run;
	uint64_t number; // from 1
};

#define SPOOL_ID_TEXT_BYTES 40
// "0123456789abcdef-17". Returns out.
const char *spool_id_text(struct spool_id id, char out[SPOOL_ID_TEXT_BYTES]);
// Returns 0 or -EINVAL.
int spool_id_parse(const char *text, struct spool_id *out) SPOOL_MUST_USE;

// X(name, text, gone)
#define SPOOL_STATES(X)                                                                            \
	X(HELD, "held", false)                                                                     \
	X(QUARANTINED, "quarantined", false)                                                       \
	X(RELEASED, "released", false) /* somebody decided; not delivered yet */                   \
	X(DELIVERED, "delivered", true)                                                            \
	X(DELETED, "deleted", true)                                                                \
	X(WITHDRAWN, "withdrawn", true) /* its sender was told that it failed */

enum spool_state {
#define X(name, text, gone) SPOOL_##name,
	SPOOL_STATES(X)
#undef X
};

const char *spool_state_name(enum spool_state state);
bool spool_state_is_gone(enum spool_state state);

// ---- what a record says of its message -----------------------------------------------------------

struct spool_recipient {
	struct spool_text address; // as in the command, without <>
	struct spool_text params;  // its ESMTP parameters as sent: "NOTIFY=NEVER ORCPT=rfc822;a@b"
};

struct spool_envelope {
	int64_t arrival_ns; // since 1970
	struct spool_text client;
	struct spool_text server; // addresses as text
	uint16_t client_port;
	uint16_t server_port;
	struct spool_text link;
	struct spool_text direction;
	uint64_t session;
	uint32_t message;
	struct spool_text helo;
	struct spool_text mail_from; // without <>
	struct spool_text
		mail_params; // as sent: "SIZE=4711 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<>"
	const struct spool_recipient *recipients;
	size_t recipients_count;
};

struct spool_reason {
	enum spool_state state;    // HELD or QUARANTINED
	struct spool_text verdict; // "clean", "infected", ...
	struct spool_text reason;
	const struct spool_text *seals; // virus ids under which it is held
	size_t seals_count;
	const struct spool_text *signatures; // that hit
	size_t signatures_count;
	struct spool_text parts; // summary, as the caller made it (JSON)
};

// The value of an ESMTP parameter of this keyword (any case); a parameter without a value gives an empty
// one. Returns whether it is there. xtext (RFC 3461) is not decoded.
bool spool_param(struct spool_text params, const char *keyword, struct spool_text *value);

// Most of an envelope and of a reason, encoded. A writer refuses more with -EMSGSIZE.
#define SPOOL_HEAD_BYTES (1u << 20)
#define SPOOL_TAIL_BYTES 32768u

// ---- keys ----------------------------------------------------------------------------------------

struct spool_keys;

// Reads the key file; one that is missing is made, mode 0600. Returns 0, -EACCES when others may read
// it, -EBADMSG when it is malformed, or -errno. The caller frees.
int spool_keys_open(const char *path, struct spool_keys **out) SPOOL_MUST_USE;
void spool_keys_free(struct spool_keys *keys);
// Writes these again where no file is any more: what they have sealed is lost with them. Returns 0 (there is one), 1 (it
// was written, durably) or -errno.
int spool_keys_restore(const char *path, const struct spool_keys *keys) SPOOL_MUST_USE;
// Adds a key to the file (durably, atomically), which wraps from then on. Open it again afterwards.
int spool_keys_rotate(const char *path) SPOOL_MUST_USE;
uint64_t spool_keys_current(const struct spool_keys *keys);
size_t spool_keys_count(const struct spool_keys *keys);

// ---- the store: what is in a directory -----------------------------------------------------------

struct spoolfile;

struct spoolfile_record {
	struct spool_id id;
	enum spool_state state;
	bool is_changed; // there is a history of its states
	int64_t arrival_ns;
	uint64_t body_bytes;
	uint64_t stored_bytes; // on disk
	uint32_t chunks;
	char segment[64]; // in which its first chunk is
};

struct spoolfile_bad {
	char file[64];
	uint64_t offset;
	struct spool_id id; // as far as its header can be believed
	int error; // -EBADMSG: altered; -ENOKEY: none of the keys opens it; -EIO: not readable
};

#define SPOOLFILE_BAD 32

struct spoolfile_stats {
	uint32_t segments;
	uint64_t segment_bytes;
	uint64_t records;      // live
	uint64_t gone;         // whole, but retired
	uint64_t incomplete;   // torn by a crash, aborted, or still being written
	uint64_t duplicates;   // chunks that are there more than once
	uint64_t chunks_torn;  // that the last scan met: cut short by a crash
	uint64_t chunks_bad;   // that the last scan met: altered, unreadable, or of an unknown key
	uint32_t files_failed; // that could not be opened: what was known of them stays
	int files_error;       // a negative errno of one of these, 0: none
	struct spoolfile_bad bad[SPOOLFILE_BAD]; // the first of chunks_bad
};

// keys must outlive it. Reads nothing yet. Returns 0 or -errno.
int spoolfile_open(const char *directory, const struct spool_keys *keys,
	struct spoolfile **out) SPOOL_MUST_USE;
void spoolfile_close(struct spoolfile *store);
// fn is called again and again while files are looked through, which may take long; it must not use the store.
void spoolfile_meanwhile(struct spoolfile *store, void (*fn)(void));
// wait is given each longer reading from the disk while files are looked through: it returns when work(ctx) is done, by
// whatever thread. Until then nothing else may use the store. Without it the caller reads.
void spoolfile_wait(struct spoolfile *store, void (*wait)(void (*work)(void *ctx), void *ctx));

// Brings the store up to date: authenticates what is new since the last time, notices what is gone.
// thorough looks behind long empty stretches too: at start, and when something is bad. While a writer
// is alive a record shows when it is whole, which is a moment before it is durable: wait until the
// writer has named it, or until its deadline is over, before acting on it. Returns 0, or -errno when the
// directory cannot be read or memory ran out; what single files lack is in the statistics.
int spoolfile_refresh(struct spoolfile *store, bool thorough) SPOOL_MUST_USE;
// The same of what lies next behind what is known, for who cannot wait for the empty stretch behind that to be read:
// what is further away, and what is bad, the next refresh tells.
int spoolfile_glance(struct spoolfile *store) SPOOL_MUST_USE;
void spoolfile_get_stats(const struct spoolfile *store, struct spoolfile_stats *out);

// The live records by arrival; valid until the next refresh. Returns how many.
size_t spoolfile_list(struct spoolfile *store, const struct spoolfile_record **out);
const struct spoolfile_record *spoolfile_find(struct spoolfile *store, struct spool_id id);

// ---- reading one record --------------------------------------------------------------------------

struct spoolfile_reader;

// Envelope and reason are read at once, their texts live as long as the reader. The store must outlive
// it and must not be refreshed meanwhile; a segment that is removed meanwhile gives -ENOENT. Returns 0,
// -ENOENT, -EBADMSG (altered since the scan), -ENOKEY, -ENOMEM or -errno.
int spoolfile_reader_open(
	struct spoolfile *store, struct spool_id id, struct spoolfile_reader **out) SPOOL_MUST_USE;
void spoolfile_reader_close(struct spoolfile_reader *reader);
const struct spool_envelope *spoolfile_envelope(const struct spoolfile_reader *reader);
const struct spool_reason *spoolfile_reason(const struct spoolfile_reader *reader);
// The next bytes of the message, 0 at its end: *data is valid until the next call. Never more than one
// chunk is in memory, and nothing is given out that is not authentic. Returns 0 or as above.
int spoolfile_read(
	struct spoolfile_reader *reader, const uint8_t **data, size_t *bytes) SPOOL_MUST_USE;

// ---- changing states -----------------------------------------------------------------------------

struct spool_change {
	struct spool_id id;
	enum spool_state state;
	int64_t time_ns; // since 1970
	struct spool_text who;
	struct spool_text why;
};

struct spoolfile_log;
struct spool_io;

// The state log NAME.state of this owner, for appending. What the old file holds that is still of use (all,
// when anything in the store is unclear) is copied to a new one, durably: after an error only a new file
// tells the truth, and it is how a log is kept short. An old file that cannot be read in full stays beside
// it as NAME-TIME.state. The store is refreshed. io (spool_io.h) is used synchronously and stays the
// caller's. Returns 0, -EBUSY (it has an owner) or -errno.
int spoolfile_log_open(struct spoolfile *store, const char *name, struct spool_io *io,
	struct spoolfile_log **out) SPOOL_MUST_USE;
void spoolfile_log_close(struct spoolfile_log *log);
// Returns 0 when the change is durable. After any error nothing more is written to this file (-EIO from
// then on) and whether the change holds is open: close the log and open it again.
int spoolfile_log_append(
	struct spoolfile_log *log, const struct spool_change *change) SPOOL_MUST_USE;
// There is room for a change more, reserved on the disk, so that a full one does not prevent it: ask before
// doing what has to be written down afterwards.
bool spoolfile_log_has_room(struct spoolfile_log *log);
uint64_t spoolfile_log_bytes(const struct spoolfile_log *log);

// Calls fn for each change of this record in the logs, in the order in which they were written: its audit
// trail. The change lives during the call. Returns 0 or -errno.
int spoolfile_history(struct spoolfile *store, struct spool_id id,
	void (*fn)(void *ctx, const struct spool_change *change), void *ctx) SPOOL_MUST_USE;

// ---- housekeeping --------------------------------------------------------------------------------

// Removes segments that no writer holds and in which nothing lives, *removed counts them, and files that
// nobody makes any more. Refreshes the store thoroughly. A segment in which something is bad (not merely
// torn) stays, and with it whatever may belong to it elsewhere, unless bad_too. Returns 0 or -errno.
int spoolfile_reap(struct spoolfile *store, bool bad_too, unsigned int *removed) SPOOL_MUST_USE;

// Replaces each file that no writer holds by a copy whose data keys are wrapped by the current key, so
// that older keys can be dropped once *left, the count of those that had to be left alone, is 0.
// Contents and places stay. Refresh the store afterwards. Returns 0 or the first -errno.
int spoolfile_rewrap(struct spoolfile *store, unsigned int *left) SPOOL_MUST_USE;
