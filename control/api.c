// SPDX-License-Identifier: BSD-3-Clause
#include "control/api.h"

#include "control/body.h"
#include "control/control.h"
#include "control/urgent.h"
#include "dataplane/dataplane.h"

#include <glib-unix.h>
#include <pwd.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define REFUSAL_BYTES 512

struct api {
	struct control *control;
	struct local_server *server;
	GSource *questions; // NULL: nobody is heard yet
	guint kept;         // source: of questions that wait for the main loop
};

json_t *api_refusal(const char *format, ...)
{
	char text[REFUSAL_BYTES];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	return json_pack("{s:s}", "error", text);
}

const char *api_text(const json_t *request, const char *member)
{
	const char *text = json_string_value(json_object_get(request, member));

	return text != NULL ? text : "";
}

// ---- status -------------------------------------------------------------------------------------

static json_t *text_of(int err)
{
	char reason[128];

	return json_string(err == 0 ? "" : strerror_r(-err, reason, sizeof(reason)));
}

// What the disk does not take now, each "" or why.
static json_t *faults(const struct control *control)
{
	return json_pack("{s:o, s:o, s:o}", "seals", text_of(control->seals_failed), "buffer",
		text_of(control->store_failed != 0 ? control->store_failed : control->store_unread),
		"events", text_of(control_events_error(control->events)));
}

json_t *api_status(const struct control *control)
{
	const struct dataplane_link *link = &control->link;
	json_t *dataplane = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I}", "up", link->is_up, "why",
		link->why, "ruleset", link->ruleset, "uptime_seconds",
		(json_int_t)link->uptime_seconds, "wrapped_passed",
		(json_int_t)link->wrapped_passed, "wrapped_dropped",
		(json_int_t)link->wrapped_dropped);

	json_t *channels = channels_status(control->channels);
	json_t *mail = control->store != NULL ? store_counts(control->store) : json_object();

	if (control->release != NULL)
		(void)json_object_set_new(mail, "release", release_counts(control->release));
	(void)json_object_set_new(
		mail, "notices", json_integer((json_int_t)notify_count(control->notify)));

	(void)json_object_set_new(channels, "mail", alert_mail_status(control->alert_mail));
	return json_pack(
		"{s:s, s:b, s:b, s:O, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}",
		"gateway", control->options.gateway, "sealed", seals_count(control->seals) > 0,
		"in_force", control_seals_in_force(control), "seals", seals_list(control->seals),
		"seals_generation", (json_int_t)seals_generation(control->seals), "dataplane",
		dataplane, "mail", mail, "alerts", alerts_status(control->alerts), "updates",
		update_status(control->update), "screening", screens_status(control->screening),
		"channels", channels, "faults", faults(control), "counters",
		control_counts_json(&control->counts), "malformed_rules",
		(json_int_t)publish_malformed(control->publish), "clock_leap_seconds",
		(json_int_t)control_leap_s(), "uptime_seconds",
		(json_int_t)((control_steady_ns() - control->start_ns) / NS_PER_S));
}

// Who has asked for it while the dataplane was being told.
struct asking {
	struct control *control;
	uint64_t client;
};

static void give_status(void *ctx)
{
	struct asking *asking = ctx;

	api_answer(asking->control->api, asking->client, api_status(asking->control));
	g_free(asking);
}

// NULL: the answer comes in a moment.
static json_t *get_status(struct api_call *call)
{
	struct asking *asking = g_new(struct asking, 1);

	*asking = (struct asking){call->control, call->client};
	if (settle_wait(call->control->settle, give_status, asking))
		return NULL;
	g_free(asking);
	return api_status(call->control);
}

// ---- seals --------------------------------------------------------------------------------------

// Who has changed the seals.
struct changing {
	struct control *control;
	uint64_t client;
	bool is_within; // api_run has not returned yet
	json_t *answer; // that it returns then
};

static json_t *say_change(const struct control *control)
{
	bool in_force = control_seals_in_force(control);
	json_t *answer = json_pack("{s:b, s:b, s:I, s:O}", "ok", 1, "in_force", in_force,
		"seals_generation", (json_int_t)seals_generation(control->seals), "seals",
		seals_list(control->seals));

	if (!in_force)
		(void)json_object_set_new(answer, "why", json_string(control->link.why));
	(void)json_object_set_new(
		answer, "written", json_boolean(!seals_is_behind(control->seals)));
	return answer;
}

static void change_told(void *ctx)
{
	struct changing *changing = ctx;

	if (changing->is_within) {
		changing->answer = say_change(changing->control);
		return;
	}
	api_answer(changing->control->api, changing->client, say_change(changing->control));
	g_free(changing);
}

// NULL: the answer comes when it is known whether the dataplane goes by them.
static json_t *answer_change(const struct api_call *call)
{
	struct changing *changing = g_new(struct changing, 1);
	json_t *answer;

	*changing = (struct changing){
		.control = call->control, .client = call->client, .is_within = true};
	control_seals_when_told(call->control, change_told, changing);
	changing->is_within = false;
	answer = changing->answer;
	if (answer != NULL)
		g_free(changing);
	return answer;
}

static json_t *set_seal(struct api_call *call)
{
	struct control *control = call->control;
	char error[256] = "";
	char reason[128];
	char origin[96];
	int err;

	if (body_check(api_text(json_object_get(call->request, "scope"), "body"), error,
		    sizeof(error)) != 0)
		return api_refusal("%s", error);
	(void)snprintf(origin, sizeof(origin), "operator %s", call->who);
	err = seals_set(control->seals, call->request, origin, control_now_ns() / NS_PER_S, error,
		sizeof(error));
	if (err != 0)
		return api_refusal(
			"%s", err == -EINVAL ? error : strerror_r(-err, reason, sizeof(reason)));
	control_audit(control, call->who, "seal",
		json_pack("{s:O, s:s}", "virus_id", json_object_get(call->request, "virus_id"),
			"why", api_text(call->request, "why")));
	control_seals_changed(control, "seal",
		json_pack("{s:O, s:O, s:s}", "virus_id", json_object_get(call->request, "virus_id"),
			"mode", json_object_get(call->request, "mode"), "origin", origin));
	return answer_change(call);
}

static json_t *end_seal(struct api_call *call)
{
	struct control *control = call->control;
	const char *virus_id = api_text(call->request, "virus_id");
	bool all = json_is_true(json_object_get(call->request, "all"));
	char reason[128];
	int err;

	if (all == (virus_id[0] != '\0'))
		return api_refusal("name the virus id of one seal, or say all");
	err = seals_end(control->seals, all ? NULL : virus_id);
	if (err < 0)
		return api_refusal("%s", strerror_r(-err, reason, sizeof(reason)));
	if (err == 0 && !all)
		return api_refusal("there is no seal of virus id \"%s\"", virus_id);
	control_audit(control, call->who, "unseal",
		json_pack("{s:s, s:b, s:s}", "virus_id", virus_id, "all", all, "why",
			api_text(call->request, "why")));
	control_seals_changed(control, "unseal",
		json_pack("{s:s, s:s}", "virus_id", virus_id, "why", "operator"));
	return answer_change(call);
}

// ---- alerts -------------------------------------------------------------------------------------

#define ALERTS_MOST 10000 // in one answer

static json_t *list_alerts(struct api_call *call)
{
	json_int_t limit = json_integer_value(json_object_get(call->request, "limit"));
	struct alerts *alerts = call->control->alerts;

	if (limit <= 0 || limit > ALERTS_MOST)
		limit = ALERTS_MOST;
	return json_pack("{s:o, s:o}", "status", alerts_status(alerts), "alerts",
		alerts_list(alerts, (unsigned int)limit));
}

// A mail, or an envelope, in a file that comes with the request. NULL: the answer comes when it is read.
static json_t *take_alerts(struct api_call *call)
{
	return alert_mail_take_file(
		call->control->alert_mail, call->who, call->client, call->given);
}

// ---- rules --------------------------------------------------------------------------------------

static json_t *get_rules(struct api_call *call)
{
	const struct control *control = call->control;
	struct ruleset *ruleset = NULL;
	int err = ruleset_open(control->options.rules.image, &ruleset);
	json_t *answer = json_pack("{s:s, s:s}", "in_force", control->link.ruleset, "image",
		control->options.rules.image);
	json_t *sources = json_array();
	const char *version;

	for (uint32_t i = 0; i < control->options.rules.sources_count; i++)
		(void)json_array_append_new(
			sources, json_string(control->options.rules.sources[i]));
	(void)json_object_set_new(answer, "sources", sources);
	(void)json_object_set_new(answer, "updates", update_status(control->update));
	if (err != 0)
		return answer;
	version = ruleset_get_info(ruleset)->version;
	(void)json_object_set_new(answer, "version", json_string(version));
	(void)json_object_set_new(answer, "base", json_stringn(version, strcspn(version, "+")));
	(void)json_object_set_new(answer, "delta",
		json_string(strchr(version, '+') != NULL ? strchr(version, '+') + 1 : ""));
	(void)json_object_set_new(answer, "signatures",
		json_integer((json_int_t)ruleset_get_info(ruleset)->signatures));
	ruleset_close(ruleset);
	return answer;
}

struct publishing {
	struct control *control;
	uint64_t client;
};

static void published(void *ctx, const struct publish_result *result)
{
	struct publishing *publishing = ctx;
	struct control *control = publishing->control;
	json_t *event = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "result",
		result->applied ? "applied" : "refused", "why", result->why, "ruleset",
		result->version, "signatures", (int)result->signatures, "skipped",
		(int)result->skipped, "malformed", (int)result->malformed);
	json_t *answer = json_copy(event);

	(void)json_object_set_new(answer, "in_force", json_boolean(result->in_force));
	if (result->applied)
		(void)json_object_set_new(answer, "ok", json_true());
	else
		(void)json_object_set_new(answer, "error", json_string(result->why));
	if (result->in_force)
		(void)snprintf(control->link.ruleset, sizeof(control->link.ruleset), "%s",
			result->version);
	control_events_write(control->events, "rules", event);
	if (result->applied)
		screens_look_at_rules(control->screening);
	api_answer(control->api, publishing->client, answer);
	free(publishing);
}

int api_install_rules(struct control *control, const char *who, uint64_t client)
{
	struct publishing *publishing = calloc(1, sizeof(*publishing));
	int err;

	if (publishing == NULL)
		return -ENOMEM;
	publishing->control = control;
	publishing->client = client;
	err = publish_start(control->publish, published, publishing);
	if (err == 0)
		control_audit(control, who, "rules install", json_object());
	else
		free(publishing);
	return err;
}

// NULL: the answer comes when they are compiled.
static json_t *install_rules(struct api_call *call)
{
	struct control *control = call->control;
	char reason[128];
	int err;

	if (!publish_has_sources(control->publish))
		return api_refusal("rules.sources in the configuration names no signature files");
	err = api_install_rules(control, call->who, call->client);
	if (err == 0)
		return NULL;
	return api_refusal("%s", err == -EBUSY ? "rules are being compiled already"
					       : strerror_r(-err, reason, sizeof(reason)));
}

// NULL: the answer comes when they are in force.
static json_t *roll_back(struct api_call *call)
{
	struct control *control = call->control;
	json_t *before = update_status(control->update);
	char reason[128];
	int err = update_roll_back(control->update, call->client);

	if (err == 0)
		control_audit(control, call->who, "rules rollback",
			json_pack("{s:O, s:O, s:s}", "from", json_object_get(before, "active"),
				"to", json_object_get(before, "former"), "why",
				api_text(call->request, "why")));
	json_decref(before);
	if (err == 0)
		return NULL;
	return api_refusal("%s", err == -EBUSY    ? "other rules are on their way"
				 : err == -ENOENT ? "there is no former version"
						  : strerror_r(-err, reason, sizeof(reason)));
}

// {"signatures": [NAME], "digests": [DIGEST]}; then as `rules install`.
static json_t *unrevoke(struct api_call *call)
{
	struct control *control = call->control;
	json_t *body = json_pack("{s:O*, s:O*}", "signatures",
		json_object_get(call->request, "signatures"), "digests",
		json_object_get(call->request, "digests"));
	char why[ALERT_WHY_BYTES] = "";
	char reason[128];
	int err = update_unrevoke(control->update, body, why, sizeof(why));

	if (err == 0)
		control_audit(control, call->who, "rules unrevoke", json_copy(body));
	json_decref(body);
	if (err == 0)
		return install_rules(call);
	return api_refusal("%s", err == -EBUSY    ? "other rules are on their way"
				 : why[0] != '\0' ? why
						  : strerror_r(-err, reason, sizeof(reason)));
}

// ---- the table ----------------------------------------------------------------------------------

static const struct api_command commands[] = {
	{"status", get_status, false},
	{"seal", set_seal, true},
	{"unseal", end_seal, true},
	{"alerts", list_alerts, false},
	{"alerts take", take_alerts, true},
	{"rules", get_rules, false},
	{"rules install", install_rules, true},
	{"rules rollback", roll_back, true},
	{"rules unrevoke", unrevoke, true},
};

static const struct api_command *find_command(const char *name)
{
	const struct api_command *const tables[] = {
		commands, api_mail_commands, api_screen_commands, api_show_commands};
	const size_t counts[] = {sizeof(commands) / sizeof(commands[0]), api_mail_commands_count,
		api_screen_commands_count, api_show_commands_count};

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (size_t i = 0; i < counts[t]; i++) {
			if (strcmp(tables[t][i].name, name) == 0)
				return &tables[t][i];
		}
	}
	return NULL;
}

static void name_caller(uid_t uid, char *out, size_t room)
{
	char memory[1024];
	struct passwd entry;
	struct passwd *found = NULL;

	(void)snprintf(out, room, "uid %u", (unsigned int)uid);
	if (getpwuid_r(uid, &entry, memory, sizeof(memory), &found) == 0 && found != NULL)
		(void)snprintf(out, room, "%s", entry.pw_name);
}

json_t *api_run(struct api_call *call, bool may_change)
{
	const char *name = api_text(call->request, "command");
	const struct api_command *command = find_command(name);

	if (!json_is_object(call->request))
		return api_refusal("the request is not a JSON object");
	if (command == NULL)
		return api_refusal("there is no command \"%s\"", name);
	if (command->is_change && !may_change)
		return api_refusal("%s may look, not act", call->who);
	return command->run(call);
}

static void answer_request(void *ctx, struct local_request *request, struct local_answer *answer)
{
	const struct api *api = ctx;
	json_t *root = json_loadb(request->text, request->bytes, JSON_REJECT_DUPLICATES, NULL);
	struct api_call call = {.control = api->control,
		.request = root,
		.client = request->client,
		.fd = -1,
		.given = request->fd};
	json_t *result;

	name_caller(request->uid, call.who, sizeof(call.who));
	result = api_run(&call, true);
	answer->later = result == NULL;
	answer->fd = call.fd;
	if (result != NULL)
		answer->text = json_dumps(result, JSON_COMPACT);
	json_decref(result);
	json_decref(root);
}

void api_answer(struct api *api, uint64_t client, json_t *answer)
{
	struct local_answer out = {.fd = -1};

	if (client != API_NOBODY && (client & API_WEB) != 0) {
		web_answer(api->control->web, client & ~API_WEB, answer);
		return;
	}
	out.text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	local_server_answer(api->server, client, &out);
}

// ---- who is heard when --------------------------------------------------------------------------

// What changes seals and nothing else may be done in the midst of other work, as alerts are: an operator who seals, or
// ends a seal, does not wait for a swap or for mail that is on its way.
static bool is_urgent(const struct local_request *request)
{
	json_t *root = json_loadb(request->text, request->bytes, JSON_REJECT_DUPLICATES, NULL);
	const char *command = api_text(root, "command");
	bool is_one = strcmp(command, "seal") == 0 || strcmp(command, "unseal") == 0;

	json_decref(root);
	return is_one;
}

static gboolean serve_kept(gpointer ctx)
{
	struct api *api = ctx;

	api->kept = 0;
	local_server_serve(api->server);
	return G_SOURCE_REMOVE;
}

static gboolean asked(gint fd, GIOCondition condition, gpointer ctx)
{
	struct api *api = ctx;

	(void)fd;
	(void)condition;
	if (local_server_take(api->server, is_urgent) && api->kept == 0)
		api->kept = g_idle_add_full(G_PRIORITY_DEFAULT, serve_kept, api, NULL);
	return G_SOURCE_CONTINUE;
}

void api_listen(struct api *api)
{
	api->questions = g_unix_fd_source_new(local_server_descriptor(api->server), G_IO_IN);
	g_source_set_callback(api->questions, G_SOURCE_FUNC(asked), api, NULL);
	(void)g_source_attach(api->questions, urgent_context());
}

void api_stop(struct api *api)
{
	if (api->kept != 0)
		(void)g_source_remove(api->kept);
	api->kept = 0;
	if (api->questions == NULL)
		return;
	g_source_destroy(api->questions);
	g_source_unref(api->questions);
	api->questions = NULL;
}

// ---- begin and end -----------------------------------------------------------------------------

int api_open(struct control *control, const char *path, struct api **out)
{
	struct api *api = calloc(1, sizeof(*api));
	int err;

	if (api == NULL)
		return -ENOMEM;
	api->control = control;
	err = local_server_open(path, answer_request, api, &api->server);
	if (err != 0) {
		free(api);
		return err;
	}
	*out = api;
	return 0;
}

void api_close(struct api *api)
{
	if (api == NULL)
		return;
	api_stop(api);
	local_server_close(api->server);
	free(api);
}
