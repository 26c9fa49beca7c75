// SPDX-License-Identifier: BSD-3-Clause
// Mails for the buffer's tests: each follows from its number alone, so that what comes back can be
// compared without keeping it.
#pragma once

#include "dataplane/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_MAIL_FOLDER 64

// A folder with a key file in it, removed with all that is in it.
struct spool_folder {
	char path[SPOOL_MAIL_FOLDER];
	char key_path[SPOOL_MAIL_FOLDER + 8];
	struct spool_keys *keys;
};

void spool_folder_init(struct spool_folder *folder);
void spool_folder_fini(struct spool_folder *folder);
// Removes what is in it but the key file.
void spool_folder_empty(struct spool_folder *folder);

// Small ones mostly; about one of sixteen is larger than what stays in memory.
size_t spool_mail_bytes(uint32_t number);
uint8_t spool_mail_byte(uint32_t number, size_t at);
bool spool_mail_is_quarantined(uint32_t number);

// Begins the mail with that number. Returns what spool_begin does.
int spool_mail_begin(
	struct spool_worker *worker, uint32_t number, struct spool_record **out) SPOOL_MUST_USE;
// The next n bytes of it, from at on.
int spool_mail_append(
	struct spool_record *record, uint32_t number, size_t at, size_t n) SPOOL_MUST_USE;
int spool_mail_commit(struct spool_record *record, uint32_t number, uint64_t now_ns) SPOOL_MUST_USE;
// All of it, whole pieces; aborts when one is refused.
int spool_mail_send(struct spool_worker *worker, uint32_t number, uint64_t now_ns) SPOOL_MUST_USE;
// The number of a result.
uint32_t spool_mail_number(const struct spool_done *done);

// Reads a record and compares all of it with the mail that it says it is. Fails the test otherwise.
uint32_t spool_mail_check(struct spoolfile *store, struct spool_id id);
// A fresh look into the folder: times[n] counts how often mail n is there, each checked.
void spool_mail_recover(const struct spool_folder *folder, uint8_t *times, uint32_t mails,
	struct spoolfile_stats *stats);
