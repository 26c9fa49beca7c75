// SPDX-License-Identifier: BSD-3-Clause
// What is asked about mail that was kept back: lists, one of them, its bytes, release and deletion.
#include "control/control.h"
#include "control/memory_file.h"
#include "control/store_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDS_MOST 1000      // of one request
#define HEADER_BYTES 65536 // that are shown

static json_t *no_store(void)
{
	return api_refusal("no buffer is configured (spool.directory)");
}

// {"error"} or NULL.
static json_t *parse_id(const struct api_call *call, struct spool_id *out)
{
	const char *text = api_text(call->request, "id");

	if (spool_id_parse(text, out) == 0)
		return NULL;
	return api_refusal("\"%s\" is not an id", text);
}

static json_t *list_mail(struct api_call *call)
{
	const char *after = api_text(call->request, "after");
	enum spool_state state;
	struct spool_id id;
	json_t *answer;

	if (call->control->store == NULL)
		return no_store();
	// Behind what is not there nothing can be found: that would look like the end of the list.
	if (after[0] != '\0' && (spool_id_parse(after, &id) != 0 ||
					!store_get_state(call->control->store, id, &state)))
		return api_refusal("after: there is no mail %s, or not any more", after);
	answer = store_list(call->control->store, call->request);
	(void)json_object_set_new(answer, "counts", store_counts(call->control->store));
	return answer;
}

// Its header as it was sent, as text.
static void add_headers(const struct control *control, struct spool_id id, json_t *mail)
{
	struct store_message message;
	const char *text;
	const char *end;
	size_t n;

	if (store_read_head(control->store, id, HEADER_BYTES, &message) != 0)
		return;
	text = (const char *)message.data;
	n = message.bytes;
	end = memmem(text, n, "\r\n\r\n", 4);
	if (end == NULL)
		end = memmem(text, n, "\n\n", 2);
	n = end != NULL ? (size_t)(end - text) : n;
	(void)json_object_set_new(mail, "headers", store_json_text((struct spool_text){text, n}));
	store_message_fini(&message);
}

// Those that it came under, and those that cover it as it was judged last.
static json_t *seals_of(const struct control *control, struct spool_id id, const json_t *mail)
{
	json_t *names = store_covered(control->store, id);
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(mail, "seals"), i, name)
	{
		(void)json_array_append(names, name);
	}
	return names;
}

static bool has(const json_t *list, const json_t *value)
{
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (json_equal(entry, value))
			return true;
	}
	return false;
}

// When the last of the open seals under which it is held ends, and which they are.
static void add_until(const struct control *control, struct spool_id id, json_t *mail)
{
	json_t *names = seals_of(control, id, mail);
	json_t *open = json_array();
	json_int_t until = 0;
	char time[32];
	json_t *seal;
	size_t i;

	json_array_foreach(seals_list(control->seals), i, seal)
	{
		json_int_t expires = json_integer_value(json_object_get(seal, "expires"));

		if (!has(names, json_object_get(seal, "virus_id")))
			continue;
		(void)json_array_append(open, json_object_get(seal, "virus_id"));
		until = expires > until ? expires : until;
	}
	json_decref(names);
	(void)json_object_set_new(mail, "open_seals", open);
	(void)json_object_set_new(mail, "until", until > 0 ? json_integer(until) : json_null());
	if (until > 0)
		(void)json_object_set_new(mail, "until_time",
			json_string(control_time_text(until * 1000000000, time)));
}

static json_t *show_mail(struct api_call *call)
{
	struct spool_id id;
	json_t *answer;

	if (call->control->store == NULL)
		return no_store();
	answer = parse_id(call, &id);
	if (answer != NULL)
		return answer;
	answer = store_show(call->control->store, id);
	// Who looks at a mail while it is delivered has not made a mistake.
	if (answer == NULL && json_is_true(json_object_get(call->request, "maybe_gone")))
		return json_pack(
			"{s:s, s:s}", "id", api_text(call->request, "id"), "state", "gone");
	if (answer == NULL)
		return api_refusal("there is no mail %s", api_text(call->request, "id"));
	add_headers(call->control, id, answer);
	add_until(call->control, id, answer);
	return answer;
}

// The message goes out as a file in memory.
static json_t *export_mail(struct api_call *call)
{
	struct control *control = call->control;
	struct store_message message;
	struct spool_id id;
	char reason[128];
	json_t *answer;
	int err;

	if (control->store == NULL)
		return no_store();
	answer = parse_id(call, &id);
	if (answer != NULL)
		return answer;
	err = store_read(control->store, id, control->options.spool.message_bytes, &message);
	if (err != 0)
		return api_refusal("mail %s: %s", api_text(call->request, "id"),
			strerror_r(-err, reason, sizeof(reason)));
	call->fd = memory_file_new("mail");
	err = call->fd >= 0 ? memory_file_write(call->fd, message.data, message.bytes) : call->fd;
	if (err == 0 && lseek(call->fd, 0, SEEK_SET) != 0)
		err = -errno;
	control_audit(control, call->who, "export",
		json_pack("{s:s, s:s}", "id", api_text(call->request, "id"), "why",
			api_text(call->request, "why")));
	answer = err == 0 ? json_pack("{s:b, s:I}", "ok", 1, "bytes", (json_int_t)message.bytes)
			  : api_refusal("%s", strerror_r(-err, reason, sizeof(reason)));
	store_message_fini(&message);
	return answer;
}

// Why not, or NULL. from: "held" or "quarantined", where the request says so.
static const char *obstacle(
	const struct control *control, struct spool_id id, const char *from, enum spool_state state)
{
	enum spool_state now;

	if (!store_get_state(control->store, id, &now))
		return "there is no such mail, or not any more";
	if (now == SPOOL_RELEASED && state == SPOOL_RELEASED)
		return "it is released already";
	if (now != SPOOL_RELEASED && from[0] != '\0' && strcmp(from, spool_state_name(now)) != 0)
		return now == SPOOL_HELD ? "it is held, not in quarantine"
					 : "it is in quarantine, not held";
	if (state == SPOOL_DELETED && control->release != NULL &&
		release_is_sending(control->release, id))
		return "it is being delivered";
	return NULL;
}

static const char *change_one(
	struct api_call *call, const char *name, enum spool_state state, char *room, size_t bytes)
{
	struct control *control = call->control;
	struct spool_id id;
	const char *why;
	int err;

	if (name == NULL || spool_id_parse(name, &id) != 0)
		return "it is not an id";
	why = obstacle(control, id, api_text(call->request, "state"), state);
	if (why != NULL)
		return why;
	err = store_change(control->store, id, state, call->who, api_text(call->request, "why"));
	return err == 0 ? NULL : strerror_r(-err, room, bytes);
}

// Changes the state of each id; one that fails does not keep the others.
static json_t *change_mail(struct api_call *call, enum spool_state state, const char *what)
{
	struct control *control = call->control;
	const json_t *ids = json_object_get(call->request, "ids");
	json_t *done = json_array();
	json_t *failed = json_array();
	const char *why = api_text(call->request, "why");
	json_t *text;
	size_t i;

	json_array_foreach(ids, i, text)
	{
		char room[128];
		const char *obstacle_text =
			change_one(call, json_string_value(text), state, room, sizeof(room));

		if (obstacle_text == NULL)
			(void)json_array_append(done, text);
		else
			(void)json_array_append_new(
				failed, json_pack("{s:O, s:s}", "id", text, "why", obstacle_text));
	}
	control_audit(control, call->who, what,
		json_pack("{s:O, s:O, s:s}", "ids", done, "failed", failed, "why", why));
	return json_pack("{s:b, s:o, s:o}", "ok", (int)(json_array_size(failed) == 0), "done", done,
		"failed", failed);
}

static json_t *change_checked(struct api_call *call, enum spool_state state, const char *what)
{
	size_t n = json_array_size(json_object_get(call->request, "ids"));
	const char *why = api_text(call->request, "why");

	if (call->control->store == NULL)
		return no_store();
	if (n == 0 || n > IDS_MOST)
		return api_refusal("ids: a list of 1 to %d ids is needed", IDS_MOST);
	// Who and why is what an audit asks for.
	if (why[strspn(why, " \t\r\n")] == '\0')
		return api_refusal("why: a reason is needed");
	return change_mail(call, state, what);
}

static json_t *release_mail(struct api_call *call)
{
	return change_checked(call, SPOOL_RELEASED, "release");
}

static json_t *delete_mail(struct api_call *call)
{
	return change_checked(call, SPOOL_DELETED, "delete");
}

const struct api_command api_mail_commands[] = {
	{"mail list", list_mail, false},
	{"mail show", show_mail, false},
	{"mail export", export_mail, true},
	{"mail release", release_mail, true},
	{"mail delete", delete_mail, true},
};
const size_t api_mail_commands_count = sizeof(api_mail_commands) / sizeof(api_mail_commands[0]);
