// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_output.h"

#include "dataplane/packet_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define LINE_FIRST_BYTES (64u << 10)
#define LINE_MAX_BYTES (256u << 20) // a message of very many parts with long names
#define NS_PER_S 1000000000u

static const char *const link_names[] = {"replay"};

int replay_output_open(struct replay_output *output, const struct replay_options *options,
	const char *gateway, char *error, size_t error_bytes)
{
	char text[CAPTURE_ERROR_BYTES];
	int err;

	*output = (struct replay_output){.egress_path = options->egress,
		.context = {.gateway = gateway, .links = link_names, .links_count = 1},
		.events = options->events,
		.readable = options->readable,
		.line_room = LINE_FIRST_BYTES};
	output->line = malloc(output->line_room);
	if (output->line == NULL)
		return -ENOMEM;
	if (options->egress == NULL)
		return 0;
	err = capture_create(options->egress, &output->egress, text);
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s", text);
		free(output->line);
	}
	return err;
}

void replay_output_frame(struct replay_output *output, const struct frame *frame, uint64_t now_ns)
{
	if (output->egress != NULL)
		capture_write(output->egress, frame->data, frame->bytes, now_ns);
}

// Doubles the room for one line. False: it has grown enough, or memory ran out.
static bool grow_line(struct replay_output *output)
{
	char *line = output->line_room < LINE_MAX_BYTES
			     ? realloc(output->line, output->line_room * 2)
			     : NULL;

	if (line == NULL) {
		if (output->err == 0)
			output->err = -ENOBUFS;
		return false;
	}
	output->line = line;
	output->line_room *= 2;
	return true;
}

static void write_line(struct replay_output *output, size_t bytes)
{
	if (fwrite(output->line, 1, bytes, output->events) != bytes && output->err == 0)
		output->err = -EIO;
}

static void print_address(FILE *out, const struct packet_address *address, int which)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->address[which], text,
		sizeof(text));
	(void)fprintf(out, address->family == 6 ? "[%s]:%u" : "%s:%u", text,
		be16toh(address->port_be[which]));
}

// Addresses and names were sent by strangers: what could move a terminal's cursor is not printed.
static void print_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		(void)fputc((uint8_t)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void print_mail(FILE *out, const struct mail_record *record)
{
	time_t seconds = (time_t)(record->time_ns / NS_PER_S);
	char when[32] = "";
	struct tm utc;

	if (gmtime_r(&seconds, &utc) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &utc);
	(void)fprintf(out, "%s ", when);
	print_address(out, &record->address, 0);
	(void)fputs(" -> ", out);
	print_address(out, &record->address, 1);
	(void)fputs(" from <", out);
	print_text(out, record->mail_from);
	(void)fputs(">", out);
	for (size_t i = 0; i < record->rcpt_to_count; i++) {
		(void)fputs(i == 0 ? " to <" : ", <", out);
		print_text(out, record->rcpt_to[i]);
		(void)fputs(">", out);
	}
	(void)fprintf(out, ", %llu bytes: %s", (unsigned long long)record->bytes,
		verdict_name(record->verdict));
	for (size_t i = 0; record->scan != NULL && i < record->scan->matches_count; i++) {
		(void)fputs(i == 0 ? " (" : ", ", out);
		print_text(out, record->scan->matches[i].signature);
	}
	if (record->scan != NULL && record->scan->matches_count > 0)
		(void)fputs(")", out);
	else if (record->reason[0] != '\0')
		(void)fprintf(out, " (%s)", record->reason);
	(void)fprintf(out, ", %s\n", record->action);
}

void replay_output_mail(struct replay_output *output, const struct mail_record *record)
{
	size_t bytes;

	if (output->events == NULL)
		return;
	if (output->readable) {
		print_mail(output->events, record);
		return;
	}
	do {
		bytes = events_format_mail(
			&output->context, record, output->line, output->line_room);
	} while (bytes == 0 && grow_line(output));
	write_line(output, bytes);
	for (size_t i = 0; record->scan != NULL && i < record->scan->matches_count; i++)
		if (record->scan->matches[i].entry != 0)
			write_line(output, events_format_screening(&output->context, record,
						   &record->scan->matches[i], output->line,
						   output->line_room));
}

void replay_output_session(struct replay_output *output, const struct session_record *record)
{
	size_t bytes;

	if (output->events == NULL || output->readable)
		return;
	do {
		bytes = events_format_session(
			&output->context, record, output->line, output->line_room);
	} while (bytes == 0 && grow_line(output));
	write_line(output, bytes);
}

void replay_output_hold(struct replay_output *output, const struct hold_record *record)
{
	size_t bytes;

	if (output->events == NULL || output->readable)
		return;
	do {
		bytes = events_format_hold(
			&output->context, record, output->line, output->line_room);
	} while (bytes == 0 && grow_line(output));
	write_line(output, bytes);
}

int replay_output_close(struct replay_output *output, char *error, size_t error_bytes)
{
	const char *what = "events";
	int err = output->err;

	free(output->line);
	if (output->events != NULL && (fflush(output->events) != 0 || ferror(output->events)) &&
		err == 0)
		err = -EIO;
	if (capture_finish(output->egress) != 0 && err == 0) {
		what = output->egress_path;
		err = -EIO;
	}
	if (err != 0 && error_bytes > 0)
		(void)snprintf(error, error_bytes, "%s: could not be written", what);
	return err;
}
