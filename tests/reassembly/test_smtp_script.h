// SPDX-License-Identifier: BSD-3-Clause
// Plays a dialogue through reassembly/smtp in pieces of any size and writes down what comes out.
#pragma once

#include "reassembly/smtp.h"
#include "reassembly/tcp.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_LINES 4
#define SCRIPT_BYTES (1u << 18) // of each side, and of each log

// One side's bytes, given when the other side's earlier ones were read.
struct script_step {
	enum tcp_side side;
	const char *text;
	size_t bytes;
};

#define C(text)                                                                                    \
	{                                                                                          \
		TCP_CLIENT, text, sizeof(text) - 1                                                 \
	}
#define S(text)                                                                                    \
	{                                                                                          \
		TCP_SERVER, text, sizeof(text) - 1                                                 \
	}

struct script_side {
	uint8_t bytes[SCRIPT_BYTES];  // as they came
	uint8_t output[SCRIPT_BYTES]; // as they would leave, masked where that was still possible
	bool masked[SCRIPT_BYTES];    // named by an SMTP_MASK
	size_t given;
	size_t read;
	size_t sent; // what an earlier call gave, and was read
};

struct script {
	struct smtp smtp;
	struct script_side side[2];
	char log[SCRIPT_BYTES * 2]; // events, one a line, the pieces of a message joined
	size_t log_bytes;
	char offsets[SCRIPT_BYTES]; // of the same events
	size_t offsets_bytes;
	bool is_in_data;
	bool is_waiting;
	const char *broken; // a rule that the parser broke, NULL for none
};

static inline void script_put(struct script *script, const void *text, size_t n)
{
	if (script->log_bytes + n > sizeof(script->log))
		abort();
	memcpy(script->log + script->log_bytes, text, n);
	script->log_bytes += n;
}

static inline void script_say(struct script *script, const char *text)
{
	script_put(script, text, strlen(text));
}

static inline void script_mask(
	struct script *script, enum tcp_side at, const struct smtp_event *event)
{
	struct script_side *side = &script->side[at];

	if (event->from >= event->to || event->to > side->given ||
		(event->fill != 'X' && (event->to != event->from + 1 ||
					       (event->fill != ' ' && event->fill != '0') ||
					       strchr(" \t", side->bytes[event->from]) == NULL)))
		script->broken = "a mask outside of what was given";
	for (uint64_t i = event->from; script->broken == NULL && i < event->to; i++) {
		side->masked[i] = true;
		if (i >= side->sent)
			side->output[i] = event->fill;
	}
}

// As the server sees it, also where the masks have not changed what the event has.
static inline void script_size(struct script *script, const struct smtp_event *event)
{
	bool leads = true;

	for (size_t i = 0; i < event->text_bytes; i++) {
		const bool is_blank = event->text[i] == ' ' || event->text[i] == '\t';

		leads = leads && is_blank;
		script_put(script, leads ? "0" : is_blank ? " " : (const char *)&event->text[i], 1);
	}
}

static inline void script_text(struct script *script, const struct smtp_event *event)
{
	char code[16];

	if (event->type == SMTP_VIOLATION) {
		script_say(script, " ");
		script_say(script, smtp_violation_name(event->why));
	} else if (event->type == SMTP_COMMAND || event->type == SMTP_REPLY) {
		script_say(script, " ");
		script_say(script, smtp_verb_name(event->verb));
	}
	if (event->type == SMTP_COMMAND && event->address != NULL) {
		script_say(script, " <");
		script_put(script, event->address, event->address_bytes);
		script_say(script, "> ");
		script_put(script, event->params, event->params_bytes);
	} else if (event->type == SMTP_COMMAND && event->text_bytes > 0) {
		script_say(script, " ");
		if (event->verb == SMTP_VERB_BDAT)
			script_size(script, event);
		else
			script_put(script, event->text, event->text_bytes);
	}
	if (event->type == SMTP_REPLY) {
		(void)snprintf(code, sizeof(code), " %u", event->code);
		script_say(script, code);
		if (event->text_bytes < 3 || memcmp(event->text, code + 1, 3) != 0)
			script->broken = "a reply's text that is not its last line";
	}
	if (event->bdat)
		script_say(script, event->type == SMTP_REPLY ? " last" : " bdat");
}

static inline void script_note(
	struct script *script, enum tcp_side side, const struct smtp_event *event)
{
	static const char *const names[] = {[SMTP_COMMAND] = "command",
		[SMTP_REPLY] = "reply",
		[SMTP_MESSAGE_BEGIN] = "begin",
		[SMTP_MESSAGE_DATA] = "data ",
		[SMTP_MESSAGE_END] = "end",
		[SMTP_MESSAGE_ABORT] = "abort",
		[SMTP_TLS] = "tls",
		[SMTP_VIOLATION] = "violation"};
	bool is_data = event->type == SMTP_MESSAGE_DATA;

	if (event->type == SMTP_MASK) {
		script_mask(script, side, event);
		return;
	}
	if (is_data && event->text_bytes == 0)
		script->broken = "a piece without bytes";
	if (!(is_data && script->is_in_data)) {
		if (script->log_bytes > 0)
			script_say(script, "\n");
		script_say(script, names[event->type]);
	}
	script->is_in_data = is_data;
	if (is_data) {
		script_put(script, event->text, event->text_bytes);
		return;
	}
	script_text(script, event);
	if (event->from > event->to)
		script->broken = "a range that ends before it begins";
	if (event->why != SMTP_VIOLATION_INJECTED_BEFORE_TLS &&
		event->to > script->smtp.offset[side])
		script->broken = "a range that was not read";
	script->offsets_bytes += (size_t)snprintf(script->offsets + script->offsets_bytes,
		sizeof(script->offsets) - script->offsets_bytes, "%llu-%llu ",
		(unsigned long long)event->from, (unsigned long long)event->to);
	if (script->offsets_bytes >= sizeof(script->offsets))
		abort();
}

// Reads what was given of one side. in_place: masks go into the input at once, as a caller may do.
static inline void script_read(
	struct script *script, struct smtp_pool *pool, enum tcp_side at, bool in_place)
{
	struct script_side *side = &script->side[at];
	struct smtp_event event;

	do {
		const uint8_t *from = (in_place ? side->output : side->bytes) + side->read;
		size_t left = side->given - side->read;
		// A block of its own, so that a sanitizer sees what is read beyond it.
		uint8_t *block = malloc(left > 0 ? left : 1);
		size_t used;

		if (block == NULL)
			abort();
		memcpy(block, from, left);
		used = at == TCP_CLIENT ? smtp_client(&script->smtp, pool, block, left, &event)
					: smtp_server(&script->smtp, pool, block, left, &event);
		side->read += used;
		if (used > left || side->read != script->smtp.offset[at])
			script->broken = "wrong number of bytes consumed";
		if (event.type == SMTP_NEED_INPUT && side->read != side->given)
			script->broken = "more input wanted although there is some";
		if (event.type != SMTP_NEED_INPUT && event.type != SMTP_WAIT)
			script_note(script, at, &event);
		free(block);
		if (at == TCP_SERVER && script->broken == NULL && event.type != SMTP_NEED_INPUT)
			script_read(script, pool, TCP_CLIENT, in_place);
	} while (
		script->broken == NULL && event.type != SMTP_NEED_INPUT && event.type != SMTP_WAIT);
	script->is_waiting = at == TCP_CLIENT && event.type == SMTP_WAIT;
	side->sent = side->read;
}

static inline void script_give(struct script *script, struct smtp_pool *pool, enum tcp_side at,
	const void *bytes, size_t n, bool in_place)
{
	struct script_side *side = &script->side[at];

	if (side->given + n > SCRIPT_BYTES)
		abort();
	memcpy(side->bytes + side->given, bytes, n);
	memcpy(side->output + side->given, bytes, n);
	side->given += n;
	script_read(script, pool, at, in_place);
}

static inline void script_begin(struct script *script, const struct smtp_options *options)
{
	for (int i = 0; i < 2; i++) {
		memset(script->side[i].masked, 0, script->side[i].given);
		script->side[i].given = 0;
		script->side[i].read = 0;
		script->side[i].sent = 0;
	}
	script->log_bytes = 0;
	script->offsets_bytes = 0;
	script->is_in_data = false;
	script->is_waiting = false;
	script->broken = NULL;
	smtp_init(&script->smtp, options);
}
