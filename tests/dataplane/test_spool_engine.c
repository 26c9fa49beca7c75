// SPDX-License-Identifier: BSD-3-Clause
// The engine's view of the spool: what it commits is in the segments with its whole envelope.
#include "dataplane/spool_engine.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <string.h>

#define COPIES 3

static const char *const links[] = {"lan0"};
static const struct held_recipient recipients[] = {
	{"b@y", "NOTIFY=NEVER"},
	{"c@y", ""},
};

static struct rig *rig;
static struct spool_engine *engine;
static const struct engine_spool *ops;

static struct held_mail make_mail(void)
{
	return (struct held_mail){
		.time_ns = rig->now_ns,
		.address = {.address = {{192, 0, 2, 7}, {198, 51, 100, 2}},
			.port_be = {0x3930, 0x1900},
			.family = 4},
		.session = 17,
		.message = 2,
		.helo = "c",
		.mail_from = "a@x",
		.mail_params = "SIZE=5",
		.rcpt_to = recipients,
		.rcpt_to_count = 2,
		.reason = "sealed",
		.signature = "",
		.seal_mode = "strip",
		.virus_id = "CV-1",
		.ruleset = "r",
	};
}

static void begin(void)
{
	rig = rig_new();
	rig_begin(rig, 1);
	assert_int_equal(
		spool_engine_new(spool_get_worker(rig->spool, 0), COPIES, links, &engine), 0);
	ops = spool_engine_ops(engine);
	spool_engine_turn(engine, rig->now_ns, 5);
}

static void turn(void)
{
	(void)spool_step(rig->spool, rig->now_ns, 1);
	rig->now_ns += 1000000;
	spool_engine_turn(engine, rig->now_ns, 5);
}

static void finish(void)
{
	spool_engine_free(engine);
	rig_end(rig);
	rig_free(rig);
}

// Makes it durable, or says why it is not.
static int settle(void *copy, char record[ENGINE_RECORD_BYTES])
{
	int err = ops->poll(ops->ctx, copy, record);

	for (int i = 0; i < 10000 && err == -EINPROGRESS; i++) {
		turn();
		err = ops->poll(ops->ctx, copy, record);
	}
	return err;
}

static void *write_mail(const struct held_mail *mail)
{
	void *copy = ops->begin(ops->ctx, mail);

	assert_non_null(copy);
	assert_int_equal(ops->append(ops->ctx, copy, (const uint8_t *)"hel", 3), 0);
	assert_int_equal(ops->append(ops->ctx, copy, (const uint8_t *)"lo", 2), 0);
	return copy;
}

static void expect_text(struct spool_text text, const char *want)
{
	assert_int_equal(text.bytes, strlen(want));
	assert_memory_equal(text.at, want, text.bytes);
}

static void check_envelope(const struct spool_envelope *envelope)
{
	assert_int_equal(envelope->arrival_ns, 1000000000 + 5);
	expect_text(envelope->client, "192.0.2.7");
	expect_text(envelope->server, "198.51.100.2");
	assert_int_equal(envelope->client_port, 12345);
	assert_int_equal(envelope->server_port, 25);
	expect_text(envelope->link, "lan0");
	expect_text(envelope->direction, "inbound");
	assert_int_equal(envelope->session, 17);
	assert_int_equal(envelope->message, 2);
	expect_text(envelope->mail_from, "a@x");
	expect_text(envelope->mail_params, "SIZE=5");
	assert_int_equal(envelope->recipients_count, 2);
	expect_text(envelope->recipients[0].address, "b@y");
	expect_text(envelope->recipients[0].params, "NOTIFY=NEVER");
	expect_text(envelope->recipients[1].params, "");
}

static void check_reason(const struct spool_reason *reason, bool quarantine)
{
	assert_int_equal(reason->state, quarantine ? SPOOL_QUARANTINED : SPOOL_HELD);
	expect_text(reason->verdict, quarantine ? "infected" : "clean");
	expect_text(reason->reason, quarantine ? "signature" : "sealed:strip");
	assert_int_equal(reason->seals_count, quarantine ? 0 : 1);
	assert_int_equal(reason->signatures_count, quarantine ? 1 : 0);
}

static void check_record(struct spoolfile *store, const char *name, bool quarantine)
{
	struct spoolfile_reader *reader;
	const uint8_t *data;
	struct spool_id id;
	size_t n;

	assert_int_equal(spool_id_parse(name, &id), 0);
	assert_int_equal(spoolfile_reader_open(store, id, &reader), 0);
	check_envelope(spoolfile_envelope(reader));
	check_reason(spoolfile_reason(reader), quarantine);
	assert_int_equal(spoolfile_read(reader, &data, &n), 0);
	expect_text((struct spool_text){(const char *)data, n}, "hello");
	spoolfile_reader_close(reader);
}

static void what_is_committed_is_in_the_segments_under_its_name(void **state)
{
	char held[ENGINE_RECORD_BYTES] = "";
	char kept[ENGINE_RECORD_BYTES] = "";
	const struct spoolfile_record *list;
	struct spoolfile *store;
	struct held_mail mail;
	void *copy;

	(void)state;
	begin();
	rig->now_ns = 1000000000;
	mail = make_mail();
	copy = write_mail(&mail);
	assert_int_equal(ops->commit(ops->ctx, copy, &mail), 0);
	assert_int_equal(settle(copy, held), 0);
	copy = write_mail(&mail);
	mail.quarantine = true;
	mail.verdict = VERDICT_INFECTED;
	mail.reason = "signature";
	mail.signature = "Test.Evil";
	mail.seal_mode = "";
	mail.virus_id = "";
	mail.time_ns = rig->now_ns;
	assert_int_equal(ops->commit(ops->ctx, copy, &mail), 0);
	assert_int_equal(settle(copy, kept), 0);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	assert_int_equal(spoolfile_open(rig->folder.path, rig->folder.keys, &store), 0);
	assert_int_equal(spoolfile_refresh(store, true), 0);
	assert_int_equal(spoolfile_list(store, &list), 2);
	check_record(store, held, false);
	check_record(store, kept, true);
	spoolfile_close(store);
	finish();
}

static void copies_that_are_given_up_come_back(void **state)
{
	char record[ENGINE_RECORD_BYTES];
	struct held_mail mail;

	(void)state;
	begin();
	mail = make_mail();
	for (int i = 0; i < 50; i++) {
		void *copies[COPIES];

		for (int k = 0; k < COPIES; k++)
			copies[k] = write_mail(&mail);
		assert_null(ops->begin(ops->ctx, &mail));
		ops->abort(ops->ctx, copies[0]);
		// Given up before its result is there, and after.
		mail.time_ns = rig->now_ns;
		assert_int_equal(ops->commit(ops->ctx, copies[1], &mail), 0);
		assert_int_equal(ops->commit(ops->ctx, copies[2], &mail), 0);
		ops->abort(ops->ctx, copies[1]);
		assert_int_equal(settle(copies[2], record), 0);
		for (int k = 0; k < 20; k++)
			turn();
	}
	finish();
}

// Also when nothing else is in progress.
static void memory_of_what_was_given_up_comes_back(void **state)
{
	static const uint8_t data[8192];
	struct held_mail mail;
	size_t room;
	void *copy;

	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		turn();
	mail = make_mail();
	room = ops->room(ops->ctx, NULL);
	copy = write_mail(&mail);
	rig->disk.hang = 1000;
	while (ops->room(ops->ctx, copy) >= sizeof(data)) {
		assert_int_equal(ops->append(ops->ctx, copy, data, sizeof(data)), 0);
		turn();
	}
	ops->abort(ops->ctx, copy);
	rig->disk.hang = 0;
	for (int i = 0; i < 1000; i++)
		turn();
	assert_int_equal(ops->room(ops->ctx, NULL), room);
	finish();
}

static void what_cannot_be_stored_is_said_and_forgotten(void **state)
{
	char record[ENGINE_RECORD_BYTES];
	struct held_mail mail;
	void *copy;

	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		turn();
	mail = make_mail();
	copy = write_mail(&mail);
	rig->disk.cut_short = 1000;
	assert_int_equal(ops->commit(ops->ctx, copy, &mail), 0);
	assert_int_equal(settle(copy, record), -EIO);
	rig->disk.cut_short = 0;
	for (int i = 0; i < 2000; i++)
		turn();
	mail.time_ns = rig->now_ns;
	copy = write_mail(&mail);
	assert_int_equal(ops->commit(ops->ctx, copy, &mail), 0);
	assert_int_equal(settle(copy, record), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_committed_is_in_the_segments_under_its_name),
		cmocka_unit_test(copies_that_are_given_up_come_back),
		cmocka_unit_test(memory_of_what_was_given_up_comes_back),
		cmocka_unit_test(what_cannot_be_stored_is_said_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
