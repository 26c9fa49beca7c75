// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_spool.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static_assert(ENGINE_RECORD_BYTES >= SPOOL_ID_TEXT_BYTES, "a record's name fits");

#define POLL_RESULTS 32
#define NS_PER_S 1000000000ull

enum copy_state { COPY_OPEN, COPY_COMMITTED, COPY_ABANDONED, COPY_DONE };

// One copy of a message.
struct copy {
	struct copy *next; // free ones
	struct spool_record *record;
	enum copy_state state;
	int error;
	struct spool_id id;
};

struct worker_spool {
	struct engine_spool ops;
	struct spool_worker *side;
	const struct events_context *events;
	struct copy *copies;
	struct copy *free_copies;
	uint32_t busy;
	char summary[SPOOL_TAIL_BYTES / 2];
	char client[INET6_ADDRSTRLEN];
	char server[INET6_ADDRSTRLEN];
};

static struct spool_text text_of(const char *text)
{
	return (struct spool_text){text, strlen(text)};
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct copy *get_copy(struct worker_spool *spool)
{
	struct copy *copy = spool->free_copies;

	if (copy == NULL)
		return NULL;
	spool->free_copies = copy->next;
	spool->busy++;
	return copy;
}

static void put_copy(struct worker_spool *spool, struct copy *copy)
{
	copy->next = spool->free_copies;
	spool->free_copies = copy;
	spool->busy--;
}

static struct spool_text address_text(
	const struct packet_address *address, int side, char out[INET6_ADDRSTRLEN])
{
	const uint8_t *bytes = address->address[side];

	if (inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, bytes, out, INET6_ADDRSTRLEN) ==
		NULL)
		out[0] = '\0';
	return text_of(out);
}

static void fill_envelope(
	struct worker_spool *spool, const struct held_mail *mail, struct spool_envelope *out)
{
	const struct events_context *events = spool->events;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct spool_envelope){
		.arrival_ns = now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec,
		.client = address_text(&mail->address, 0, spool->client),
		.server = address_text(&mail->address, 1, spool->server),
		.client_port = ntohs(mail->address.port_be[0]),
		.server_port = ntohs(mail->address.port_be[1]),
		.link = text_of(mail->link < events->links_count ? events->links[mail->link] : ""),
		.direction = text_of(mail->direction == DIRECTION_INBOUND ? "inbound" : "outbound"),
		.session = mail->session,
		.message = mail->message,
		.helo = text_of(mail->helo),
		.mail_from = text_of(mail->mail_from),
		.mail_params = text_of(mail->mail_params),
	};
}

// ---- what the engine calls ----------------------------------------------------------------------

static void *begin(void *ctx, const struct held_mail *mail)
{
	struct worker_spool *spool = ctx;
	struct copy *copy = get_copy(spool);
	struct spool_envelope envelope;
	int err;

	if (copy == NULL)
		return NULL;
	fill_envelope(spool, mail, &envelope);
	err = spool_begin(spool->side, &envelope, copy, &copy->record);
	if (err != 0) {
		put_copy(spool, copy);
		return NULL;
	}
	for (size_t i = 0; err == 0 && i < mail->rcpt_to_count; i++) {
		const struct spool_recipient recipient = {
			text_of(mail->rcpt_to[i].address), text_of(mail->rcpt_to[i].params)};

		err = spool_add_recipient(copy->record, &recipient);
	}
	if (err != 0) {
		spool_abort(copy->record);
		put_copy(spool, copy);
		return NULL;
	}
	copy->state = COPY_OPEN;
	return copy;
}

static void give_up(void *ctx, void *handle)
{
	struct worker_spool *spool = ctx;
	struct copy *copy = handle;

	if (copy->state == COPY_COMMITTED) {
		// Its result comes, and goes nowhere.
		copy->state = COPY_ABANDONED;
		return;
	}
	if (copy->state == COPY_OPEN)
		spool_abort(copy->record);
	put_copy(spool, copy);
}

static int append(void *ctx, void *handle, const uint8_t *data, size_t n)
{
	const struct copy *copy = handle;
	int err = spool_append(copy->record, data, n);

	if (err != 0)
		give_up(ctx, handle);
	return err;
}

static int commit(void *ctx, void *handle, const struct held_mail *mail)
{
	struct worker_spool *spool = ctx;
	struct copy *copy = handle;
	const struct spool_text seal = text_of(mail->virus_id != NULL ? mail->virus_id : "");
	const struct spool_text signature = text_of(mail->signature);
	struct spool_reason reason = {
		.state = mail->quarantine ? SPOOL_QUARANTINED : SPOOL_HELD,
		.verdict = text_of(verdict_name(mail->verdict)),
		.reason = text_of(mail->reason),
		.seals = &seal,
		.seals_count = seal.bytes > 0,
		.signatures = &signature,
		.signatures_count = signature.bytes > 0,
		.parts = {spool->summary, 0},
	};
	int err;

	if (mail->scan != NULL)
		reason.parts.bytes =
			events_format_summary(mail->scan, spool->summary, sizeof(spool->summary));
	err = spool_commit(copy->record, &reason, monotonic_ns());
	if (err != 0) {
		give_up(ctx, handle);
		return err;
	}
	copy->state = COPY_COMMITTED;
	return 0;
}

static int poll(void *ctx, void *handle, char record[ENGINE_RECORD_BYTES])
{
	struct worker_spool *spool = ctx;
	struct copy *copy = handle;
	int err = copy->error;

	if (copy->state != COPY_DONE)
		return -EINPROGRESS;
	if (err == 0)
		(void)spool_id_text(copy->id, record);
	put_copy(spool, copy);
	return err;
}

// ---- the worker's -------------------------------------------------------------------------------

void worker_spool_poll(struct worker_spool *spool)
{
	struct spool_done done[POLL_RESULTS];
	size_t n;

	if (spool->busy == 0)
		return;
	n = spool_poll(spool->side, monotonic_ns(), done, POLL_RESULTS);
	for (size_t i = 0; i < n; i++) {
		struct copy *copy = done[i].cookie;

		if (copy->state == COPY_ABANDONED) {
			put_copy(spool, copy);
			continue;
		}
		copy->state = COPY_DONE;
		copy->error = done[i].error;
		copy->id = done[i].id;
	}
}

const struct engine_spool *worker_spool_ops(struct worker_spool *spool)
{
	return &spool->ops;
}

uint32_t worker_spool_busy(const struct worker_spool *spool)
{
	return spool->busy;
}

int worker_spool_new(struct spool_worker *side, uint32_t records,
	const struct events_context *events, struct worker_spool **out)
{
	struct worker_spool *spool = calloc(1, sizeof(*spool));

	if (spool == NULL)
		return -ENOMEM;
	spool->copies = calloc(records, sizeof(*spool->copies));
	if (spool->copies == NULL) {
		free(spool);
		return -ENOMEM;
	}
	spool->side = side;
	spool->events = events;
	for (uint32_t i = records; i-- > 0;) {
		spool->copies[i].next = spool->free_copies;
		spool->free_copies = &spool->copies[i];
	}
	spool->ops = (struct engine_spool){.ctx = spool,
		.begin = begin,
		.append = append,
		.commit = commit,
		.poll = poll,
		.abort = give_up};
	*out = spool;
	return 0;
}

void worker_spool_free(struct worker_spool *spool)
{
	if (spool == NULL)
		return;
	free(spool->copies);
	free(spool);
}
