// SPDX-License-Identifier: BSD-3-Clause
// Inside of struct spoolfile: what the scan of the files has found.
#pragma once

#include "dataplane/spoolfile_chunk.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define STORE_NAME_BYTES 64

struct store_file {
	char name[STORE_NAME_BYTES]; // "": a free place
	ino_t inode;
	uint64_t bytes;
	uint64_t done;   // all before is known
	uint64_t window; // of its segment chunk, or 0
	bool is_log;
	bool present; // seen by the refresh that is going on
	bool unclear; // something in it could not be read, and not because of a torn write
	bool is_read; // since it was last changed, and all of it was good
	struct timespec changed;
};

struct store_extent {
	uint32_t file;
	uint32_t chunk;
	uint64_t offset;
	uint32_t body_bytes;
	uint32_t stored_bytes;
};

struct store_entry {
	struct store_entry *next; // in its bucket
	struct spoolfile_record record;
	struct store_extent *extents; // by chunk; copies of one chunk behind each other
	uint32_t count;
	uint32_t room;
	uint32_t distinct; // chunks of which there is a copy
	uint32_t whole;    // chunks that it has, by its final one; 0: not seen
	bool changed;      // by a state chunk
	int64_t change_ns;
};

// A state chunk inside a segment: its segment stays as long as the record has chunks elsewhere.
struct store_pin {
	uint32_t file;
	uint64_t offset;
	struct spool_id id;
};

struct spoolfile {
	int directory;
	const struct spool_keys *keys;
	struct spool_opener *opener;
	struct store_file *files;
	uint32_t files_count;
	struct store_entry **buckets;
	size_t buckets_count; // a power of two
	size_t entries_count;
	struct store_pin *pins;
	size_t pins_count;
	struct spoolfile_record *list; // of live ones, by arrival
	size_t list_count;
	struct spoolfile_stats stats;
	uint8_t *view; // STORE_VIEW_BYTES of a file being scanned
	uint8_t *plain;
	void (*meanwhile)(void);                          // NULL: nothing is to be done
	void (*wait)(void (*work)(void *ctx), void *ctx); // NULL: the caller does the work
};

#define STORE_VIEW_BYTES (1u << 20)

// ---- spoolfile_index.c ----

struct store_entry *store_find(const struct spoolfile *store, struct spool_id id);
bool store_is_whole(const struct store_entry *entry);
bool store_is_live(const struct store_entry *entry);
// A record's chunk that was authenticated, content being its plain text. Returns 0 or -ENOMEM.
int store_add_chunk(struct spoolfile *store, uint32_t file, uint64_t offset,
	const struct spool_chunk *chunk, const uint8_t *content) SPOOL_MUST_USE;
// A state chunk's change. Returns 0 or -ENOMEM.
int store_add_change(struct spoolfile *store, uint32_t file, uint64_t offset,
	const struct spool_change *change) SPOOL_MUST_USE;
// Forgets what was found in a file.
void store_forget_file(struct spoolfile *store, uint32_t file);
// Makes list and the counts of records. Returns 0 or -ENOMEM.
int store_make_list(struct spoolfile *store) SPOOL_MUST_USE;
void store_free_entries(struct spoolfile *store);

// Something could not be read: what seems to be of no use may be wanted.
bool store_is_unclear(const struct spoolfile *store);

// ---- spoolfile_scan.c ----

// How far behind what is known: a little, the stretch in which writes may come in any order, or to the end.
enum store_depth { STORE_GLANCE, STORE_REFRESH, STORE_THOROUGH };
// Reads a file from where it is done. Returns 0 or -ENOMEM; else what is odd is in stats and unclear.
int store_scan_file(
	struct spoolfile *store, uint32_t file, int fd, enum store_depth depth) SPOOL_MUST_USE;
// Calls fn for each chunk of the open file that is authentic. Returns 0, fn's error, or -errno.
typedef int (*store_walk_fn)(
	void *ctx, uint64_t offset, const struct spool_chunk *chunk, const uint8_t *content);
int store_walk(struct spoolfile *store, int fd, store_walk_fn fn, void *ctx) SPOOL_MUST_USE;

// ---- spoolfile_keep.c ----

// Opens a file of the store and locks it. Returns the descriptor, -EBUSY when somebody else has it, -ENOENT
// when it is gone or replaced meanwhile, or -errno.
int store_lock_file(const struct spoolfile *store, const char *name, int flags) SPOOL_MUST_USE;
// Copies n bytes. Returns 0 or -errno.
int store_copy(
	int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t n) SPOOL_MUST_USE;
// The first part of making a file: NAME.new, empty, locked. Returns the descriptor or -errno.
int store_new_file(const struct spoolfile *store, const char *name) SPOOL_MUST_USE;
// The second: synced, renamed to NAME, the directory synced. Returns 0 or -errno.
int store_put_file(const struct spoolfile *store, const char *name, int fd) SPOOL_MUST_USE;
