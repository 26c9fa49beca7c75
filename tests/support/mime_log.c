// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/mime_log.h"

#include <openssl/evp.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool what)
{
	if (!what)
		abort();
}

__attribute__((format(printf, 2, 3))) static void write_line(
	struct mime_log *log, const char *format, ...)
{
	char line[4096];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	must(n > 0 && (size_t)n < sizeof(line));
	if (log->text_bytes + (size_t)n + 1 > log->text_room) {
		log->text_room = (log->text_room + (size_t)n) * 2 + 4096;
		log->text = realloc(log->text, log->text_room);
		must(log->text != NULL);
	}
	memcpy(log->text + log->text_bytes, line, (size_t)n + 1);
	log->text_bytes += (size_t)n;
}

static void *poisoned(size_t bytes)
{
	void *memory;

	bytes = (bytes + 63) & ~(size_t)63;
	memory = aligned_alloc(64, bytes);
	must(memory != NULL);
	memset(memory, 0xa5, bytes);
	return memory;
}

struct mime_log *mime_log_new(const struct mime_limits *limits)
{
	struct mime_log *log = calloc(1, sizeof(*log));

	must(log != NULL);
	log->memory = poisoned(mime_bytes(limits));
	mime_log_begin(log, limits);
	return log;
}

struct mime_log *mime_log_new_shared(const struct mime_limits *limits)
{
	struct mime_log *log = calloc(1, sizeof(*log));

	must(log != NULL);
	log->memory = poisoned(mime_own_bytes(limits));
	log->pool = mime_pool_init(poisoned(mime_pool_bytes(limits, 1)), limits, 1);
	mime_log_begin(log, limits);
	return log;
}

void mime_log_begin(struct mime_log *log, const struct mime_limits *limits)
{
	if (log->mime != NULL)
		mime_fini(log->mime);
	log->mime = log->pool != NULL ? mime_init_shared(log->memory, limits, log->pool)
				      : mime_init(log->memory, limits);
	log->text_bytes = 0;
	log->parts_count = 0;
	log->marked = 0;
	write_line(log, "\n");
}

void mime_log_free(struct mime_log *log)
{
	for (uint32_t i = 0; i < MIME_LOG_PARTS; i++)
		EVP_MD_CTX_free(log->digests[i]);
	free(log->pool);
	free(log->memory);
	free(log->text);
	free(log);
}

static void part_begin(struct mime_log *log, const struct mime_event *event)
{
	const struct mime_part *part = event->part;
	struct mime_log_part *out = &log->parts[log->parts_count];

	must(part->number == log->parts_count + 1 && log->parts_count < MIME_LOG_PARTS);
	if (log->digests[log->parts_count] == NULL)
		log->digests[log->parts_count] = EVP_MD_CTX_new();
	must(EVP_DigestInit_ex(log->digests[log->parts_count], EVP_sha256(), NULL) == 1);
	log->parts_count++;
	memset(out, 0, sizeof(*out));
	out->number = part->number;
	out->parent = part->parent;
	out->reading = part->reading;
	memset(log->tails[part->number - 1], 0, MIME_LOG_MARKER);
	(void)snprintf(out->content_type, sizeof(out->content_type), "%s", part->content_type);
	(void)snprintf(out->filename, sizeof(out->filename), "%.255s", part->filename);
	if (part->reading != MIME_READING_FIRST)
		write_line(log, "reading %u\n", (unsigned int)part->reading);
	write_line(log, "begin %u %u %u type=%s charset=%s encoding=%s name=%s disposition=%s\n",
		part->number, part->parent, part->depth, part->content_type, part->charset,
		part->encoding, part->filename, part->disposition);
}

static void part_end(struct mime_log *log, uint32_t number)
{
	struct mime_log_part *part = &log->parts[number - 1];
	uint8_t digest[32];
	unsigned int n = 0;

	must(part->sha256[0] == '\0');
	must(EVP_DigestFinal_ex(log->digests[number - 1], digest, &n) == 1 && n == 32);
	for (unsigned int i = 0; i < n; i++)
		(void)snprintf(part->sha256 + (size_t)2 * i, 3, "%02x", digest[i]);
	write_line(log, "end %u %llu %s\n", number, (unsigned long long)part->bytes, part->sha256);
}

// The last bytes of a part are kept, so that a marker is found across pieces.
static void find_marker(struct mime_log *log, const struct mime_event *event)
{
	size_t n = strlen(log->marker);
	size_t room = n - 1 + event->bytes;
	char *text = malloc(room);
	char *tail = log->tails[event->number - 1];

	must(text != NULL && n > 1 && n <= MIME_LOG_MARKER);
	memcpy(text, tail, n - 1);
	memcpy(text + n - 1, event->data, event->bytes);
	if (log->marked == 0 && memmem(text, room, log->marker, n) != NULL)
		log->marked = event->number;
	memcpy(tail, text + room - (n - 1), n - 1);
	free(text);
}

static void take(struct mime_log *log, const struct mime_event *event)
{
	switch (event->type) {
	case MIME_PART_BEGIN:
		must(event->number == event->part->number);
		part_begin(log, event);
		break;
	case MIME_PART_DATA:
		must(event->number > 0 && event->number <= log->parts_count && event->bytes > 0);
		must(log->parts[event->number - 1].sha256[0] == '\0');
		must(EVP_DigestUpdate(log->digests[event->number - 1], event->data, event->bytes) ==
			1);
		log->parts[event->number - 1].bytes += event->bytes;
		if (log->marker != NULL)
			find_marker(log, event);
		break;
	case MIME_PART_END:
		must(event->number > 0 && event->number <= log->parts_count);
		part_end(log, event->number);
		break;
	case MIME_NO_MEMORY:
	case MIME_SUSPICIOUS:
		write_line(log, "suspicious %s\n", event->why);
		break;
	case MIME_MESSAGE_BEGIN:
	case MIME_MESSAGE_END:
	case MIME_MESSAGE_DATA:
	case MIME_MESSAGE_DATA_END:
	case MIME_NEED_INPUT:
	case MIME_END:
		break;
	}
}

void mime_log_feed(struct mime_log *log, const uint8_t *data, size_t n)
{
	// A copy of its own size lets the address sanitizer see any read outside of the chunk.
	uint8_t *chunk = malloc(n > 0 ? n : 1);
	struct mime_event event;
	size_t used = 0;

	must(chunk != NULL);
	memcpy(chunk, data, n);
	do {
		size_t now = mime_next(log->mime, chunk + used, n - used, &event);

		must(now <= n - used);
		used += now;
		take(log, &event);
	} while (event.type != MIME_NEED_INPUT);
	must(used == n);
	free(chunk);
}

void mime_log_end(struct mime_log *log)
{
	struct mime_event event;

	do {
		mime_finish(log->mime, &event);
		must(event.type != MIME_NEED_INPUT);
		take(log, &event);
	} while (event.type != MIME_END);
	for (uint32_t i = 0; i < log->parts_count; i++)
		must(log->parts[i].sha256[0] != '\0');
	write_line(log, "subject=%s id=%s\n", mime_subject(log->mime), mime_message_id(log->mime));
}
