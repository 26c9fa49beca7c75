// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/spool_mail.h"

#include "tests/support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static const struct spool_recipient recipients[] = {
	{TEXT("one@example.com"), TEXT("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;uno@example.com")},
	{TEXT("two@example.com"), TEXT("")},
	{TEXT("\"odd \\\" one\"@example.com"), TEXT("NOTIFY=NEVER")},
	{TEXT("d\xc3\xbc@example.com"), TEXT("ORCPT=utf-8;d\\x{FC}@example.com")},
};

static const struct spool_text seals[] = {TEXT("virus-1"), TEXT("virus-2")};
static const struct spool_text signatures[] = {TEXT("Test.One"), TEXT("Test.Two"), TEXT("")};

// ---- folders ------------------------------------------------------------------------------------

void spool_folder_init(struct spool_folder *folder)
{
	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/cordon-spool-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->key_path, sizeof(folder->key_path), "%s/key", folder->path);
	assert_int_equal(spool_keys_open(folder->key_path, &folder->keys), 0);
}

void spool_folder_empty(struct spool_folder *folder)
{
	DIR *list = opendir(folder->path);
	struct dirent *entry;

	assert_non_null(list);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "key") != 0)
			assert_int_equal(unlinkat(dirfd(list), entry->d_name, 0), 0);
	}
	assert_int_equal(closedir(list), 0);
}

void spool_folder_fini(struct spool_folder *folder)
{
	spool_folder_empty(folder);
	spool_keys_free(folder->keys);
	assert_int_equal(unlink(folder->key_path), 0);
	assert_int_equal(rmdir(folder->path), 0);
}

// ---- mails --------------------------------------------------------------------------------------

static uint32_t mix(uint32_t value)
{
	value ^= value >> 16;
	value *= 0x7feb352du;
	value ^= value >> 15;
	value *= 0x846ca68bu;
	return value ^ value >> 16;
}

size_t spool_mail_bytes(uint32_t number)
{
	uint32_t random = mix(number);

	if (number % 16 == 15)
		return 60000 + random % 400000;
	return number % 8 == 3 ? 0 : random % 9000;
}

uint8_t spool_mail_byte(uint32_t number, size_t at)
{
	return (uint8_t)(mix(number + 1) * (at / 64 + 1) + at);
}

bool spool_mail_is_quarantined(uint32_t number)
{
	return number % 3 == 1;
}

static struct spool_envelope envelope_of(uint32_t number)
{
	return (struct spool_envelope){.arrival_ns = 1000 + (int64_t)number,
		.client = TEXT("192.0.2.7"),
		.server = TEXT("2001:db8::25"),
		.client_port = (uint16_t)number,
		.server_port = 25,
		.link = TEXT("lan0"),
		.direction = TEXT("inbound"),
		.session = (uint64_t)number << 20,
		.message = number,
		.helo = TEXT("client.example.org"),
		.mail_from = TEXT("sender@example.org"),
		.mail_params =
			TEXT("SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>"),
		.recipients = recipients,
		.recipients_count = number % 5};
}

static struct spool_reason reason_of(uint32_t number)
{
	return (struct spool_reason){
		.state = spool_mail_is_quarantined(number) ? SPOOL_QUARANTINED : SPOOL_HELD,
		.verdict = TEXT("infected"),
		.reason = TEXT("signature"),
		.seals = seals,
		.seals_count = number % 3,
		.signatures = signatures,
		.signatures_count = number % 4,
		.parts = TEXT("[{\"index\":1}]")};
}

int spool_mail_begin(struct spool_worker *worker, uint32_t number, struct spool_record **out)
{
	const struct spool_envelope envelope = envelope_of(number);

	return spool_begin(worker, &envelope, (void *)(uintptr_t)(number + 1), out);
}

int spool_mail_append(struct spool_record *record, uint32_t number, size_t at, size_t n)
{
	uint8_t data[16384];
	int err = 0;

	while (err == 0 && n > 0) {
		size_t take = n < sizeof(data) ? n : sizeof(data);

		for (size_t i = 0; i < take; i++)
			data[i] = spool_mail_byte(number, at + i);
		err = spool_append(record, data, take);
		at += take;
		n -= take;
	}
	return err;
}

int spool_mail_commit(struct spool_record *record, uint32_t number, uint64_t now_ns)
{
	const struct spool_reason reason = reason_of(number);

	return spool_commit(record, &reason, now_ns);
}

int spool_mail_send(struct spool_worker *worker, uint32_t number, uint64_t now_ns)
{
	struct spool_record *record;
	int err = spool_mail_begin(worker, number, &record);

	if (err != 0)
		return err;
	err = spool_mail_append(record, number, 0, spool_mail_bytes(number));
	if (err == 0)
		err = spool_mail_commit(record, number, now_ns);
	if (err != 0)
		spool_abort(record);
	return err;
}

uint32_t spool_mail_number(const struct spool_done *done)
{
	return (uint32_t)(uintptr_t)done->cookie - 1;
}

// ---- checks -------------------------------------------------------------------------------------

static void check_text(struct spool_text one, struct spool_text two)
{
	assert_int_equal(one.bytes, two.bytes);
	if (one.bytes > 0)
		assert_memory_equal(one.at, two.at, one.bytes);
}

static void check_envelope(const struct spool_envelope *is, const struct spool_envelope *wanted)
{
	assert_int_equal(is->arrival_ns, wanted->arrival_ns);
	assert_int_equal(is->client_port, wanted->client_port);
	assert_int_equal(is->server_port, wanted->server_port);
	assert_int_equal(is->session, wanted->session);
	assert_int_equal(is->message, wanted->message);
	check_text(is->client, wanted->client);
	check_text(is->server, wanted->server);
	check_text(is->link, wanted->link);
	check_text(is->direction, wanted->direction);
	check_text(is->helo, wanted->helo);
	check_text(is->mail_from, wanted->mail_from);
	check_text(is->mail_params, wanted->mail_params);
	assert_int_equal(is->recipients_count, wanted->recipients_count);
	for (size_t i = 0; i < wanted->recipients_count; i++) {
		check_text(is->recipients[i].address, wanted->recipients[i].address);
		check_text(is->recipients[i].params, wanted->recipients[i].params);
	}
}

static void check_reason(const struct spool_reason *is, const struct spool_reason *wanted)
{
	assert_int_equal(is->state, wanted->state);
	check_text(is->verdict, wanted->verdict);
	check_text(is->reason, wanted->reason);
	check_text(is->parts, wanted->parts);
	assert_int_equal(is->seals_count, wanted->seals_count);
	assert_int_equal(is->signatures_count, wanted->signatures_count);
	for (size_t i = 0; i < wanted->seals_count; i++)
		check_text(is->seals[i], wanted->seals[i]);
	for (size_t i = 0; i < wanted->signatures_count; i++)
		check_text(is->signatures[i], wanted->signatures[i]);
}

uint32_t spool_mail_check(struct spoolfile *store, struct spool_id id)
{
	struct spoolfile_reader *reader;
	struct spool_envelope envelope;
	struct spool_reason reason;
	const uint8_t *data;
	uint32_t number;
	size_t total = 0;
	size_t n;

	assert_int_equal(spoolfile_reader_open(store, id, &reader), 0);
	number = spoolfile_envelope(reader)->message;
	envelope = envelope_of(number);
	reason = reason_of(number);
	check_envelope(spoolfile_envelope(reader), &envelope);
	check_reason(spoolfile_reason(reader), &reason);
	do {
		assert_int_equal(spoolfile_read(reader, &data, &n), 0);
		for (size_t i = 0; i < n; i++) {
			if (data[i] != spool_mail_byte(number, total + i))
				fail_msg("mail %u differs at byte %zu", number, total + i);
		}
		total += n;
	} while (n > 0);
	assert_int_equal(total, spool_mail_bytes(number));
	spoolfile_reader_close(reader);
	return number;
}

void spool_mail_recover(const struct spool_folder *folder, uint8_t *times, uint32_t mails,
	struct spoolfile_stats *stats)
{
	const struct spoolfile_record *list;
	struct spoolfile *store;
	size_t count;

	memset(times, 0, mails);
	assert_int_equal(spoolfile_open(folder->path, folder->keys, &store), 0);
	assert_int_equal(spoolfile_refresh(store, true), 0);
	count = spoolfile_list(store, &list);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = spool_mail_check(store, list[i].id);

		assert_true(number < mails);
		assert_int_equal(list[i].body_bytes, spool_mail_bytes(number));
		times[number]++;
	}
	spoolfile_get_stats(store, stats);
	spoolfile_close(store);
}
