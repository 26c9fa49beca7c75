// SPDX-License-Identifier: BSD-3-Clause
// What is asked about screening: the lists, one more, fewer, a copy of them.
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_LIMIT 100
#define LIST_MOST 500
#define LISTS_MOST 200
#define FILE_BYTES (256u << 20) // of a list by hand

// The members of a request that choose. False: one of them is wrong, and refusal says which.
static bool read_choice(const json_t *request, struct screen_store_choice *choice, json_t **refusal)
{
	const char *entry = api_text(request, "entry");
	char *end = NULL;

	*choice = (struct screen_store_choice){
		.list = json_integer_value(json_object_get(request, "list"))};
	if (api_text(request, "virus_id")[0] != '\0')
		choice->virus_id = api_text(request, "virus_id");
	if (api_text(request, "digest")[0] != '\0')
		choice->digest = api_text(request, "digest");
	if (api_text(request, "name")[0] != '\0')
		choice->name = api_text(request, "name");
	if (entry[0] == '\0')
		return true;
	errno = 0;
	choice->id = strtoull(entry, &end, 16);
	if (errno == 0 && *end == '\0' && choice->id != 0)
		return true;
	*refusal = api_refusal("\"%s\" is not the id of an entry", entry);
	return false;
}

static bool is_empty(const struct screen_store_choice *choice)
{
	return choice->virus_id == NULL && choice->digest == NULL && choice->name == NULL &&
	       choice->list == 0 && choice->id == 0;
}

static json_t *list_screen(struct api_call *call)
{
	struct screens *screening = call->control->screening;
	struct screen_store *store = screens_store(screening);
	json_int_t limit = json_integer_value(json_object_get(call->request, "limit"));
	json_int_t after = json_integer_value(json_object_get(call->request, "after"));
	bool all = json_is_true(json_object_get(call->request, "all"));
	struct screen_store_choice choice;
	json_t *answer = NULL;
	json_t *lists;

	if (!read_choice(call->request, &choice, &answer))
		return answer;
	if (limit <= 0)
		limit = LIST_LIMIT;
	answer = screens_status(screening);
	lists = screen_store_lists(store, all);
	(void)json_object_set_new(
		answer, "lists_total", json_integer((json_int_t)json_array_size(lists)));
	while (json_array_size(lists) > LISTS_MOST)
		(void)json_array_remove(lists, LISTS_MOST);
	(void)json_object_set(answer, "total", json_object_get(answer, "entries"));
	(void)json_object_set_new(answer, "lists", lists);
	(void)json_object_set_new(answer, "entries",
		screen_store_entries(store, &choice, after > 0 ? (uint64_t)after : 0,
			(unsigned int)(limit < LIST_MOST ? limit : LIST_MOST)));
	return answer;
}

// ---- adding -------------------------------------------------------------------------------------

// The file that came with the request, of malloc. NULL: said why.
static char *read_given(int fd, json_t **refusal)
{
	struct stat status;
	char *text = NULL;
	size_t at = 0;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size <= 0 ||
		status.st_size > FILE_BYTES) {
		*refusal = api_refusal("no list came with it, or one that is too long");
		return NULL;
	}
	text = malloc((size_t)status.st_size + 1);
	while (text != NULL && at < (size_t)status.st_size &&
		(n = pread(fd, text + at, (size_t)status.st_size - at, (off_t)at)) > 0)
		at += (size_t)n;
	if (text != NULL && at == (size_t)status.st_size) {
		text[at] = '\0';
		return text;
	}
	free(text);
	*refusal = api_refusal("the list cannot be read");
	return NULL;
}

// The list is a file that comes with the request, or the text "entries". NULL: the answer comes when it is in
// force.
static json_t *add_screen(struct api_call *call)
{
	struct screens_order order = {
		.virus_id = api_text(call->request, "virus_id"),
		.who = call->who,
		.why = api_text(call->request, "why"),
		.seconds = json_integer_value(json_object_get(call->request, "seconds")),
		.client = call->client,
	};
	json_t *refusal = NULL;
	char reason[128];
	int err;

	if (call->given < 0 && api_text(call->request, "entries")[0] != '\0')
		order.text = strdup(api_text(call->request, "entries"));
	else
		order.text = read_given(call->given, &refusal);
	if (order.text == NULL)
		return refusal != NULL ? refusal : api_refusal("no memory");
	if (strlen(order.virus_id) >= SCREEN_STORE_TEXT_BYTES) {
		free(order.text);
		return api_refusal("virus_id: at most %d bytes", SCREEN_STORE_TEXT_BYTES - 1);
	}
	control_audit(call->control, call->who, "screen add",
		json_pack("{s:s, s:s}", "virus_id", order.virus_id, "why", order.why));
	err = screens_add(call->control->screening, &order);
	return err == 0 ? NULL : api_refusal("%s", strerror_r(-err, reason, sizeof(reason)));
}

// ---- removing -----------------------------------------------------------------------------------

// NULL: the answer comes when they are out of force.
static json_t *remove_screen(struct api_call *call)
{
	bool all = json_is_true(json_object_get(call->request, "all"));
	struct screen_store_choice choice;
	json_t *refusal = NULL;
	char reason[128];
	int64_t count;

	if (!read_choice(call->request, &choice, &refusal))
		return refusal;
	if (all != is_empty(&choice))
		return api_refusal("name a virus id, a digest, an entry or a list, or say all");
	count = screens_remove(call->control->screening, &choice, call->client);
	if (count < 0)
		return api_refusal("%s", strerror_r((int)-count, reason, sizeof(reason)));
	if (count == 0 && !all)
		return api_refusal("there is no such entry");
	control_audit(call->control, call->who, "screen remove",
		json_pack("{s:I, s:O*, s:O*, s:O*, s:O*, s:b, s:s}", "entries", (json_int_t)count,
			"virus_id", json_object_get(call->request, "virus_id"), "digest",
			json_object_get(call->request, "digest"), "entry",
			json_object_get(call->request, "entry"), "list",
			json_object_get(call->request, "list"), "all", all, "why",
			api_text(call->request, "why")));
	return count > 0 ? NULL
			 : json_pack("{s:b, s:I, s:b}", "ok", 1, "removed", (json_int_t)0,
				   "in_force", 1);
}

// ---- a copy -------------------------------------------------------------------------------------

// To the file that comes with the request. NULL: the answer comes when it is there.
static json_t *export_screen(struct api_call *call)
{
	struct screen_store_choice choice;
	json_t *refusal = NULL;
	char reason[128];
	int err;
	int fd;

	if (!read_choice(call->request, &choice, &refusal))
		return refusal;
	fd = call->given >= 0 ? fcntl(call->given, F_DUPFD_CLOEXEC, 0) : -EBADF;
	if (fd < 0)
		return api_refusal("no file came with it");
	err = screens_copy(call->control->screening, &choice, call->request, fd, call->client);
	return err == 0 ? NULL : api_refusal("%s", strerror_r(-err, reason, sizeof(reason)));
}

const struct api_command api_screen_commands[] = {
	{"screen", list_screen, false},
	{"screen add", add_screen, true},
	{"screen remove", remove_screen, true},
	{"screen export", export_screen, false},
};
const size_t api_screen_commands_count =
	sizeof(api_screen_commands) / sizeof(api_screen_commands[0]);
