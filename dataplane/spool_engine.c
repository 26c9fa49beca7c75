// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spool_engine.h"

#include "dataplane/events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULTS 32
#define RECIPIENTS 4096 // of one record, as many as the engine knows

// Who owns a copy: the engine until it is done or given up, the spool as well from its commit on.
enum copy_state { COPY_OPEN, COPY_COMMITTED, COPY_DONE, COPY_LEFT };

struct copy {
	struct copy *next; // free ones
	struct spool_record *record;
	struct spool_id id;
	int error;
	enum copy_state state;
};

struct spool_engine {
	struct engine_spool ops;
	struct spool_worker *worker;
	const char *const *links;
	struct copy *copies;
	struct copy *free;
	uint32_t busy; // copies that are not free
	uint64_t now_ns;
	int64_t epoch_offset_ns;
	struct spool_recipient recipients[RECIPIENTS]; // of the record that begins
	char parts[SPOOL_TAIL_BYTES / 2];              // of the one that is committed
};

static struct spool_text text_of(const char *text)
{
	return (struct spool_text){text, strlen(text)};
}

static void put_back(struct spool_engine *engine, struct copy *copy)
{
	copy->next = engine->free;
	engine->free = copy;
	engine->busy--;
}

static struct spool_text address_text(
	const struct packet_address *address, int which, char out[INET6_ADDRSTRLEN])
{
	out[0] = '\0';
	(void)inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->address[which], out,
		INET6_ADDRSTRLEN);
	return text_of(out);
}

static void *begin(void *ctx, const struct held_mail *mail)
{
	struct spool_engine *engine = ctx;
	struct copy *copy = engine->free;
	char client[INET6_ADDRSTRLEN];
	char server[INET6_ADDRSTRLEN];
	struct spool_envelope envelope = {
		.arrival_ns = (int64_t)mail->time_ns + engine->epoch_offset_ns,
		.client = address_text(&mail->address, 0, client),
		.server = address_text(&mail->address, 1, server),
		.client_port = ntohs(mail->address.port_be[0]),
		.server_port = ntohs(mail->address.port_be[1]),
		.link = text_of(engine->links[mail->link]),
		.direction = text_of(mail->direction == DIRECTION_INBOUND ? "inbound" : "outbound"),
		.session = mail->session,
		.message = mail->message,
		.helo = text_of(mail->helo),
		.mail_from = text_of(mail->mail_from),
		.mail_params = text_of(mail->mail_params),
		.recipients = engine->recipients,
		.recipients_count = mail->rcpt_to_count,
	};

	if (copy == NULL || mail->rcpt_to_count > RECIPIENTS)
		return NULL;
	for (size_t i = 0; i < mail->rcpt_to_count; i++) {
		engine->recipients[i].address = text_of(mail->rcpt_to[i].address);
		engine->recipients[i].params = text_of(mail->rcpt_to[i].params);
	}
	if (spool_begin(engine->worker, &envelope, copy, &copy->record) != 0)
		return NULL;
	engine->free = copy->next;
	engine->busy++;
	copy->state = COPY_OPEN;
	return copy;
}

static void give_up(void *ctx, void *handle)
{
	struct spool_engine *engine = ctx;
	struct copy *copy = handle;

	if (copy->state == COPY_COMMITTED) {
		copy->state = COPY_LEFT; // its result comes still
		return;
	}
	if (copy->state == COPY_OPEN)
		spool_abort(copy->record);
	put_back(engine, copy);
}

static size_t room(void *ctx, void *handle)
{
	const struct spool_engine *engine = ctx;
	const struct copy *copy = handle;

	if (copy == NULL && spool_is_refusing(engine->worker))
		return SIZE_MAX;
	if (copy == NULL && engine->free == NULL)
		return 0;
	return spool_room(engine->worker, copy != NULL ? copy->record : NULL);
}

static int append(void *ctx, void *handle, const uint8_t *data, size_t n)
{
	struct copy *copy = handle;
	int err = spool_append(copy->record, data, n);

	if (err != 0)
		give_up(ctx, copy);
	return err;
}

static int commit(void *ctx, void *handle, const struct held_mail *mail)
{
	struct spool_engine *engine = ctx;
	struct copy *copy = handle;
	struct spool_text seal = text_of(mail->virus_id);
	struct spool_text signature = text_of(mail->signature);
	char why[64];
	struct spool_reason reason = {
		.state = mail->quarantine ? SPOOL_QUARANTINED : SPOOL_HELD,
		.verdict = text_of(verdict_name(mail->verdict)),
		.seals = &seal,
		.seals_count = mail->seal_mode[0] != '\0',
		.signatures = &signature,
		.signatures_count = signature.bytes > 0,
		.parts = {engine->parts, 0},
	};
	int err;

	(void)snprintf(why, sizeof(why), "%s%s%s", mail->reason,
		mail->seal_mode[0] != '\0' ? ":" : "", mail->seal_mode);
	reason.reason = text_of(why);
	if (mail->scan != NULL)
		reason.parts.bytes =
			events_format_summary(mail->scan, engine->parts, sizeof(engine->parts));
	err = spool_commit(copy->record, &reason, engine->now_ns);
	if (err == -EAGAIN)
		return err;
	if (err != 0)
		give_up(ctx, copy);
	else
		copy->state = COPY_COMMITTED;
	return err;
}

static int poll(void *ctx, void *handle, char record[ENGINE_RECORD_BYTES])
{
	struct spool_engine *engine = ctx;
	struct copy *copy = handle;
	char name[SPOOL_ID_TEXT_BYTES];

	if (copy->state == COPY_COMMITTED)
		return -EINPROGRESS;
	put_back(engine, copy);
	if (copy->error == 0)
		(void)snprintf(record, ENGINE_RECORD_BYTES, "%s", spool_id_text(copy->id, name));
	return copy->error;
}

static int recall(void *ctx, void *handle)
{
	struct copy *copy = handle;

	(void)ctx;
	return spool_recall(copy->record);
}

static int read_back(void *ctx, void *handle, engine_copy_fn fn, void *fn_ctx)
{
	const struct copy *copy = handle;

	(void)ctx;
	return spool_read(copy->record, fn, fn_ctx);
}

int spool_engine_new(struct spool_worker *worker, uint32_t copies, const char *const *links,
	struct spool_engine **out)
{
	struct spool_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return -ENOMEM;
	engine->copies = calloc(copies, sizeof(engine->copies[0]));
	if (engine->copies == NULL) {
		free(engine);
		return -ENOMEM;
	}
	engine->ops = (struct engine_spool){.ctx = engine,
		.begin = begin,
		.room = room,
		.append = append,
		.commit = commit,
		.poll = poll,
		.abort = give_up,
		.recall = recall,
		.read = read_back};
	engine->worker = worker;
	engine->links = links;
	engine->busy = copies;
	for (uint32_t i = copies; i > 0; i--)
		put_back(engine, &engine->copies[i - 1]);
	*out = engine;
	return 0;
}

void spool_engine_free(struct spool_engine *engine)
{
	if (engine == NULL)
		return;
	free(engine->copies);
	free(engine);
}

const struct engine_spool *spool_engine_ops(struct spool_engine *engine)
{
	return &engine->ops;
}

void spool_engine_turn(struct spool_engine *engine, uint64_t now_ns, int64_t epoch_offset_ns)
{
	struct spool_done done[RESULTS];
	size_t n;

	engine->now_ns = now_ns;
	engine->epoch_offset_ns = epoch_offset_ns;
	if (spool_is_at_rest(engine->worker))
		return;
	n = spool_poll(engine->worker, now_ns, done, RESULTS);
	for (size_t i = 0; i < n; i++) {
		struct copy *copy = done[i].cookie;

		copy->id = done[i].id;
		copy->error = done[i].error;
		if (copy->state == COPY_LEFT)
			put_back(engine, copy);
		else
			copy->state = COPY_DONE;
	}
}

uint32_t spool_engine_busy(const struct spool_engine *engine)
{
	return engine->busy;
}
