// SPDX-License-Identifier: BSD-3-Clause
// Fills a spool as a dataplane under seals does, many thousand mails a second: what no mail client and server
// bring about in the time that a test has.
//
//   spoolfill FOLDER KEY COUNT
//
// writes COUNT held mails and a tenth as many in quarantine, by the buffer's own writer, and says how many became
// durable. Each mail follows from its number n: held under the seal CV-(n % 5), from sender(n % 997), to one to
// five of 4999 recipients, its subject "word word n"; the last arrives now, each a second after the one before.
// Each eleventh is in quarantine, for the signature Lab.Virus.(n % 7).
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAITING 512u // that are committed and not durable
#define TEXT_BYTES 128
#define MAIL_BYTES 16384
#define RECIPIENTS_MOST 5u
#define SEALS 5u
#define SIGNATURES 7u
#define SENDERS 997u
#define RECIPIENTS 4999u
#define QUARANTINED 11u // each of so many
#define NS_PER_S 1000000000

struct mail {
	uint32_t number;
	uint32_t recipients;
	bool is_quarantined;
	char subject[TEXT_BYTES];
	char sender[TEXT_BYTES];
	char to[RECIPIENTS_MOST][TEXT_BYTES];
	char id[TEXT_BYTES];
	char name[TEXT_BYTES]; // of the seal or the signature
	char text[MAIL_BYTES];
	size_t bytes;
};

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "spoolfill: %s\n", what);
	exit(1); // NOLINT(concurrency-mt-unsafe): the writer's thread may go with the process
}

static struct spool_text text_of(const char *text)
{
	return (struct spool_text){text, strlen(text)};
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// ---- a mail -------------------------------------------------------------------------------------

static void make_text(struct mail *mail)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog, and so on.\r\n";
	uint32_t lines = 4 + mail->number * 7919 % 60;
	size_t n;

	n = (size_t)snprintf(mail->text, MAIL_BYTES,
		"From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\n"
		"Content-Type: text/plain\r\n\r\n",
		mail->sender, mail->to[0], mail->subject, mail->id);
	for (uint32_t i = 0; i < lines && n + sizeof(line) < MAIL_BYTES; i++) {
		memcpy(mail->text + n, line, sizeof(line) - 1);
		n += sizeof(line) - 1;
	}
	mail->bytes = n;
}

static void make_mail(struct mail *mail, uint32_t number)
{
	static const char *const words[] = {"invoice", "offer", "meeting", "contract", "delivery",
		"holiday", "report", "payment", "question", "answer", "parcel", "project",
		"salary"};
	const uint32_t count = sizeof(words) / sizeof(words[0]);

	mail->number = number;
	mail->is_quarantined = number % QUARANTINED == QUARANTINED - 1;
	mail->recipients = 1 + number % RECIPIENTS_MOST;
	(void)snprintf(mail->subject, TEXT_BYTES, "%s %s %u", words[number % count],
		words[number / count % count], number);
	(void)snprintf(
		mail->sender, TEXT_BYTES, "sender%u@shop%u.example", number % SENDERS, number % 41);
	for (uint32_t i = 0; i < mail->recipients; i++)
		(void)snprintf(mail->to[i], TEXT_BYTES, "person%u@example.org",
			(number * 31 + i * 1009) % RECIPIENTS);
	(void)snprintf(mail->id, TEXT_BYTES, "%u@client.example", number);
	if (mail->is_quarantined)
		(void)snprintf(mail->name, TEXT_BYTES, "Lab.Virus.%u", number % SIGNATURES);
	else
		(void)snprintf(mail->name, TEXT_BYTES, "CV-%u", number % SEALS);
	make_text(mail);
}

static char *summary_of(const struct mail *mail)
{
	json_t *parts = json_pack("[{s:i, s:i, s:s, s:s, s:s, s:s, s:I}]", "index", 1, "parent", 0,
		"content_type", "text/plain", "encoding", "7bit", "filename", "", "disposition", "",
		"bytes", (json_int_t)mail->bytes);
	json_t *matches = json_array();
	json_t *all;
	char *text;

	if (mail->is_quarantined)
		(void)json_array_append_new(
			matches, json_pack("{s:s, s:s, s:i}", "signature", mail->name, "kind",
					 "pattern", "part", 1));
	all = json_pack("{s:s, s:s, s:o, s:o}", "subject", mail->subject, "message_id", mail->id,
		"matches", matches, "parts", parts);
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	need(text != NULL, "no memory");
	return text;
}

// ---- the writer ---------------------------------------------------------------------------------

static void commit(struct spool_record *record, const struct mail *mail)
{
	const struct spool_text name = text_of(mail->name);
	char *summary = summary_of(mail);
	const struct spool_reason reason = {
		.state = mail->is_quarantined ? SPOOL_QUARANTINED : SPOOL_HELD,
		.verdict = text_of(mail->is_quarantined ? "infected" : "clean"),
		.reason = text_of(mail->is_quarantined ? "policy" : "sealed:hold"),
		.seals = &name,
		.seals_count = !mail->is_quarantined,
		.signatures = &name,
		.signatures_count = mail->is_quarantined,
		.parts = text_of(summary),
	};

	need(spool_commit(record, &reason, now_ns(CLOCK_MONOTONIC)) == 0, "commit");
	free(summary);
}

// Returns false when the writer has no room now.
static bool put(struct spool_worker *worker, const struct mail *mail, int64_t arrival_ns)
{
	struct spool_recipient recipients[RECIPIENTS_MOST] = {0};
	const struct spool_envelope envelope = {.arrival_ns = arrival_ns,
		.client = text_of("192.0.2.10"),
		.server = text_of("192.0.2.25"),
		.client_port = (uint16_t)(1024 + mail->number % 60000),
		.server_port = 25,
		.link = text_of("lan0"),
		.direction = text_of("inbound"),
		.session = mail->number,
		.message = 1,
		.helo = text_of("client.example"),
		.mail_from = text_of(mail->sender),
		.recipients = recipients,
		.recipients_count = mail->recipients};
	struct spool_record *record;
	int err;

	for (uint32_t i = 0; i < mail->recipients; i++)
		recipients[i].address = text_of(mail->to[i]);
	if (spool_room(worker, NULL) < 2UL * MAIL_BYTES)
		return false;
	err = spool_begin(worker, &envelope, NULL, &record);
	if (err == -EAGAIN)
		return false;
	need(err == 0, "begin");
	need(spool_append(record, mail->text, mail->bytes) == 0, "append");
	commit(record, mail);
	return true;
}

static uint32_t take_done(struct spool_worker *worker)
{
	struct spool_done done[64];
	size_t n = spool_poll(worker, now_ns(CLOCK_MONOTONIC), done, 64);

	for (size_t i = 0; i < n; i++)
		need(done[i].error == 0, "a mail did not become durable");
	if (n == 0)
		(void)usleep(100);
	return (uint32_t)n;
}

static void fill(struct spool_worker *worker, uint32_t count)
{
	int64_t begin_ns = (int64_t)now_ns(CLOCK_REALTIME) - (int64_t)count * NS_PER_S;
	struct mail *mail = calloc(1, sizeof(*mail));
	uint32_t number = 0;
	uint32_t waiting = 0;

	need(mail != NULL, "no memory");
	if (mail == NULL)
		return;
	make_mail(mail, 0);
	while (number < count || waiting > 0) {
		while (number < count && waiting < WAITING &&
			put(worker, mail, begin_ns + (int64_t)(number + 1) * NS_PER_S)) {
			waiting++;
			make_mail(mail, ++number);
		}
		waiting -= take_done(worker);
	}
	free(mail);
}

int main(int argc, char **argv)
{
	struct spool_options options;
	struct spool_keys *keys;
	struct spool *spool;
	struct spool_io *io;
	uint32_t held = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	uint32_t count = held + (held > 0 ? (held - 1) / (QUARANTINED - 1) : 0);

	if (held == 0) {
		(void)fprintf(stderr, "spoolfill FOLDER KEY COUNT\n");
		return 2;
	}
	spool_options_init(&options);
	options.spares = 4;
	options.deadline_ns = 60u * (uint64_t)NS_PER_S;
	options.thread = true;
	need(spool_keys_open(argv[2], &keys) == 0, argv[2]);
	need(spool_io_open(argv[1], &io) == 0, argv[1]);
	need(spool_open(&options, keys, io, &spool) == 0, "spool_open");
	fill(spool_get_worker(spool, 0), count);
	spool_close(spool);
	spool_keys_free(keys);
	(void)printf("%u mails, %u of them held\n", count, held);
	return 0;
}
