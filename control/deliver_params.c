// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver_params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NUMBER_BYTES 24         // by so many a parameter may grow, with the blank before it
#define LEAST_BY_S (-999999999) // RFC 2852 section 4: nine digits

struct parameter {
	const char *text; // with its value
	size_t bytes;
	size_t name_bytes;
	const char *value; // "": none
	size_t value_bytes;
};

bool deliver_params_offers(const char *keywords, const char *extension, size_t n)
{
	const char *at = keywords;

	while (at != NULL && *at != '\0') {
		if (strncasecmp(at, extension, n) == 0 && strchr(" \r\n", at[n]) != NULL)
			return true;
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	return false;
}

static bool offers(const struct deliver_params *how, const char *extension)
{
	return deliver_params_offers(how->keywords, extension, strlen(extension));
}

static bool is(const char *text, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

static bool is_named(const struct parameter *parameter, const char *name)
{
	return is(parameter->text, parameter->name_bytes, name);
}

// By the extension that it belongs to; that of most has its name (MT-PRIORITY, RRVS, MTRK, AUTH, XVERP).
static bool is_known(const struct deliver_params *how, const struct parameter *parameter)
{
	static const struct {
		const char *name;
		const char *extension; // NULL: it is not said again
	} others[] = {{"SIZE", NULL}, {"BODY", "8BITMIME"}, {"RET", "DSN"}, {"ENVID", "DSN"},
		{"NOTIFY", "DSN"}, {"ORCPT", "DSN"}, {"HOLDFOR", "FUTURERELEASE"},
		{"HOLDUNTIL", "FUTURERELEASE"}, {"BY", "DELIVERBY"}, {"SOLICIT", "NO-SOLICITING"}};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (is_named(parameter, others[i].name))
			return others[i].extension != NULL && offers(how, others[i].extension);
	}
	return parameter->name_bytes > 0 &&
	       deliver_params_offers(how->keywords, parameter->text, parameter->name_bytes);
}

// When the moment that it names is over, a server would not take it.
static bool is_past(const struct deliver_params *how, const struct parameter *parameter)
{
	struct tm when = {0};
	long east;

	if (strptime(parameter->value, "%Y-%m-%dT%H:%M:%S%z", &when) == NULL)
		return false;
	east = when.tm_gmtoff;
	return (int64_t)timegm(&when) - east <= how->now_s;
}

// Writes the parameter as it is said now, a blank before it; nothing, where it has become meaningless. Returns NULL, or
// a refusal.
static const char *reckon(
	const struct deliver_params *how, const struct parameter *parameter, char *out, size_t room)
{
	// Behind a value without a number stands another parameter's.
	bool has_number =
		parameter->value_bytes > 0 && strchr("-0123456789", parameter->value[0]) != NULL;
	char *rest;
	long long left = strtoll(parameter->value, &rest, 10) - how->waited_s;
	size_t rest_bytes = (size_t)(parameter->value + parameter->value_bytes - rest);

	if (is_named(parameter, "HOLDUNTIL") && is_past(how, parameter))
		return NULL;
	if (is_named(parameter, "HOLDFOR") && has_number) {
		if (left > 0)
			(void)snprintf(out, room, " HOLDFOR=%lld", left);
		return NULL;
	}
	if (!is_named(parameter, "BY") || !has_number) {
		(void)snprintf(out, room, " %.*s", (int)parameter->bytes, parameter->text);
		return NULL;
	}
	// Late is what its sender wants to have back, unless it wants to be told only (N).
	if (left <= 0 && rest_bytes > 1 && (rest[1] == 'R' || rest[1] == 'r'))
		return "5.4.7 the time in which it was to be delivered is over";
	if (left < LEAST_BY_S)
		left = LEAST_BY_S;
	(void)snprintf(out, room, " BY=%lld%.*s", left, (int)rest_bytes, rest);
	return NULL;
}

// As it is said now. Returns NULL, or a refusal.
static const char *take(
	struct deliver_params *how, const struct parameter *parameter, char *out, size_t room)
{
	bool is_binary = is_named(parameter, "BODY") &&
			 is(parameter->value, parameter->value_bytes, "BINARYMIME");
	bool takes_binary = offers(how, "BINARYMIME") && offers(how, "CHUNKING");

	if (is_binary && !takes_binary)
		return how->has_plain_lines ? NULL : "5.6.1 the server does not take binary mail";
	how->is_binary = how->is_binary || is_binary;
	if (is_known(how, parameter))
		return reckon(how, parameter, out, room);
	return is_named(parameter, "SMTPUTF8")
		       ? "5.6.7 the server does not take internationalised mail"
		       : NULL;
}

const char *deliver_params_choose(
	struct deliver_params *how, const char *params, char *out, size_t room)
{
	size_t used = 0;

	out[0] = '\0';
	for (params += strspn(params, " "); *params != '\0'; params += strspn(params, " ")) {
		size_t n = strcspn(params, " ");
		size_t name = strcspn(params, "= ");
		size_t skip = name + (name < n);
		const struct parameter parameter = {params, n, name, params + skip, n - skip};
		const char *refusal = NULL;

		// What has no room is left out whole.
		if (used + n + NUMBER_BYTES < room)
			refusal = take(how, &parameter, out + used, room - used);
		if (refusal != NULL)
			return refusal;
		used += strlen(out + used);
		params += n;
	}
	return NULL;
}
