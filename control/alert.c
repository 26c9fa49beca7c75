// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert.h"

#include "control/alert_body.h"

#include <glib.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct type {
	const char *name;
	const char *body; // NULL: it has none
	int (*check)(const struct alert_reader *reader, const json_t *body);
	enum key_role role;
	bool needs_id;
} types[ALERT_TYPES] = {
	[ALERT_SEAL] = {"seal", "seal", alert_check_seal, ROLE_ALERTS, true},
	[ALERT_SCREEN] = {"screen", "screen", alert_check_screen, ROLE_ALERTS, true},
	[ALERT_UPDATE] = {"update", "update", alert_check_update, ROLE_UPDATES, false},
	[ALERT_ALL_CLEAR] = {"all-clear", NULL, NULL, ROLE_ALL_CLEAR, true},
	[ALERT_REVOKE] = {"revoke", "revoke", alert_check_revoke, ROLE_UPDATES, false},
	[ALERT_ROOT] = {"root", "root", NULL, ROLE_ROOT, false},
	[ALERT_PING] = {"ping", NULL, NULL, ROLE_ALERTS, false},
};

const char *alert_type_name(enum alert_type type)
{
	return types[type].name;
}

int alert_type_find(const char *name, enum alert_type *type, enum key_role *role)
{
	for (enum alert_type i = ALERT_SEAL; i < ALERT_TYPES; i++) {
		if (strcmp(types[i].name, name) == 0) {
			*type = i;
			*role = types[i].role;
			return 0;
		}
	}
	return -EINVAL;
}

const char *alert_type_body(enum alert_type type)
{
	return types[type].body;
}

int alert_refuse(const struct alert_reader *reader, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	(void)vsnprintf(reader->error, reader->error_bytes, format, values);
	va_end(values);
	return -EINVAL;
}

// ---- members ------------------------------------------------------------------------------------

int alert_text(const struct alert_reader *reader, const json_t *object, const char *name,
	size_t most, const char **out)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value) || json_string_length(value) == 0 ||
		json_string_length(value) > most)
		return alert_refuse(reader, "%s: must be a text of 1 to %zu bytes", name, most);
	for (const char *c = json_string_value(value); *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return alert_refuse(reader, "%s: must not hold control characters", name);
	}
	*out = json_string_value(value);
	return 0;
}

int alert_number(const struct alert_reader *reader, const json_t *object, const char *name,
	uint64_t least, uint64_t most, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number < least ||
		(uint64_t)number > most)
		return alert_refuse(reader, "%s: must be a whole number of %" PRIu64 " to %" PRIu64,
			name, least, most);
	*out = (uint64_t)number;
	return 0;
}

int alert_only(const struct alert_reader *reader, const json_t *object, const char *what,
	const char *const *names)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return alert_refuse(reader, "%s: must be an object", what);
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], name) != 0)
			i++;
		if (names[i] == NULL)
			return alert_refuse(reader, "%s: an unknown member \"%.64s\"", what, name);
	}
	return 0;
}

// ---- times --------------------------------------------------------------------------------------

int alert_time(const char *text, int64_t *out_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	GTimeZone *utc;
	GDateTime *time;

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? isdigit((unsigned char)text[i]) == 0 : text[i] != form[i])
			return -EINVAL;
	}
	// What follows is a fraction and an offset, of which there must be one.
	if (strpbrk(text + strlen(form), "Z+-") == NULL)
		return -EINVAL;
	utc = g_time_zone_new_utc();
	time = g_date_time_new_from_iso8601(text, utc);
	g_time_zone_unref(utc);
	if (time == NULL)
		return -EINVAL;
	*out_s = g_date_time_to_unix(time);
	g_date_time_unref(time);
	return 0;
}

static int read_time(
	const struct alert_reader *reader, const json_t *payload, const char *name, int64_t *out)
{
	const char *text = json_string_value(json_object_get(payload, name));

	if (text == NULL || alert_time(text, out) != 0)
		return alert_refuse(reader, "%s: must be a time as in RFC 3339", name);
	return 0;
}

// ---- the payload --------------------------------------------------------------------------------

static int read_target(const struct alert_reader *reader, struct alert *out)
{
	static const char *const members[] = {"group", "gateway", NULL};
	const json_t *target = json_object_get(out->payload, "target");
	const char *name = NULL;
	int err;

	if (json_is_string(target) && strcmp(json_string_value(target), "*") == 0) {
		out->target = TARGET_ALL;
		return 0;
	}
	if (!json_is_object(target) || json_object_size(target) != 1)
		return alert_refuse(reader, "target: must be \"*\", a group or a gateway");
	err = alert_only(reader, target, "target", members);
	if (err != 0)
		return err;
	out->target = json_object_get(target, "group") != NULL ? TARGET_GROUP : TARGET_GATEWAY;
	err = alert_text(reader, target, members[out->target == TARGET_GATEWAY],
		sizeof(out->target_name) - 1, &name);
	if (err == 0)
		(void)snprintf(out->target_name, sizeof(out->target_name), "%s", name);
	return err;
}

static int read_type(const struct alert_reader *reader, struct alert *out)
{
	const char *name = "";
	const char *role = "";
	int err = alert_text(reader, out->payload, "type", 32, &name);

	if (err == 0)
		err = alert_text(reader, out->payload, "role", 32, &role);
	if (err != 0)
		return err;
	if (alert_type_find(name, &out->type, &out->role) != 0)
		return alert_refuse(reader, "type: \"%s\" is unknown", name);
	if (key_role_find(role, &out->role) != 0)
		return alert_refuse(reader, "role: \"%s\" is unknown", role);
	if (out->role != types[out->type].role)
		return alert_refuse(reader, "role: a %s is not for the role %s", name, role);
	return 0;
}

static int read_body(const struct alert_reader *reader, struct alert *out)
{
	const struct type *type = &types[out->type];
	const char *names[] = {"vendor", "role", "epoch", "sequence", "issued", "expires", "target",
		"type", "virus_id", "info", type->body, NULL};
	const char *id = NULL;
	int err = alert_only(reader, out->payload, "payload", names);

	if (err != 0)
		return err;
	if (type->needs_id || json_object_get(out->payload, "virus_id") != NULL) {
		err = alert_text(reader, out->payload, "virus_id", sizeof(out->virus_id) - 1, &id);
		if (err != 0)
			return err;
		(void)snprintf(out->virus_id, sizeof(out->virus_id), "%s", id);
	}
	if (json_object_get(out->payload, "info") != NULL &&
		!json_is_object(json_object_get(out->payload, "info")))
		return alert_refuse(reader, "info: must be an object");
	if (type->body == NULL)
		return 0;
	out->body = json_object_get(out->payload, type->body);
	if (out->body == NULL)
		return alert_refuse(reader, "%s: is missing", type->body);
	return type->check != NULL ? type->check(reader, out->body) : 0;
}

static int read_payload(const struct alert_reader *reader, struct alert *out)
{
	const char *vendor = NULL;
	int err = alert_text(reader, out->payload, "vendor", sizeof(out->vendor) - 1, &vendor);

	if (err != 0)
		return err;
	(void)snprintf(out->vendor, sizeof(out->vendor), "%s", vendor);
	err = read_type(reader, out);
	if (err == 0)
		err = alert_number(
			reader, out->payload, "epoch", 0, ALERT_NUMBER_MOST, &out->epoch);
	if (err == 0)
		err = alert_number(
			reader, out->payload, "sequence", 0, ALERT_NUMBER_MOST, &out->sequence);
	if (err == 0)
		err = read_time(reader, out->payload, "issued", &out->issued_s);
	if (err == 0)
		err = read_time(reader, out->payload, "expires", &out->expires_s);
	if (err == 0 && out->expires_s <= out->issued_s)
		err = alert_refuse(reader, "expires: must be after issued");
	if (err == 0)
		err = read_target(reader, out);
	return err == 0 ? read_body(reader, out) : err;
}

int alert_parse(const char *text, size_t bytes, struct alert *out, char *error, size_t error_bytes)
{
	const struct alert_reader reader = {error, error_bytes};
	json_error_t mistake;
	int err;

	memset(out, 0, sizeof(*out));
	out->payload = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &mistake);
	if (!json_is_object(out->payload))
		err = alert_refuse(&reader, "the payload is not a JSON object: %s",
			out->payload == NULL ? mistake.text : "another kind of value");
	else
		err = read_payload(&reader, out);
	if (err != 0)
		alert_clear(out);
	return err;
}

void alert_clear(struct alert *alert)
{
	json_decref(alert->payload);
	free(alert->list);
	alert->payload = NULL;
	alert->body = NULL;
	alert->list = NULL;
}

void alert_lighten(struct alert *alert)
{
	json_t *none;

	if (alert->payload == NULL || alert->type != ALERT_SCREEN || alert->list != NULL)
		return;
	alert->list = json_dumps(alert->body, JSON_COMPACT);
	none = alert->list != NULL ? json_array() : NULL;
	if (none == NULL)
		return;
	(void)json_object_set_new(alert->payload, types[ALERT_SCREEN].body, none);
	alert->body = none;
}
