// SPDX-License-Identifier: BSD-3-Clause
// cordon-control: keeps the seals, puts rules in force, and answers cordonctl.
#include "control/alert_apply.h"
#include "control/complaints.h"
#include "control/control.h"
#include "control/ending.h"
#include "control/urgent.h"
#include "control/web_user_command.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <glib-unix.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define FIRST_MS 10000 // longer than all that is asked then takes
#define END_MS 1000

static const char usage[] =
	"usage: cordon-control --config FILE [--check-config]\n"
	"       cordon-control --config-reference\n"
	"       cordon-control user ...             who may log in to the page, see user --help\n"
	"\n"
	"  --config FILE       the configuration, see docs/control.md\n"
	"  --check-config      only look for mistakes in it\n"
	"  --config-reference  write the reference of all options\n"
	"\n"
	"Signals: SIGTERM and SIGINT stop it, SIGHUP opens the event file again.\n"
	"Exit status: 0 stopped in order (or nothing wrong), 1 could not start, 2 bad "
	"configuration.\n";

void control_audit(struct control *control, const char *who, const char *what, json_t *members)
{
	json_t *event = json_pack("{s:s, s:s}", "who", who, "what", what);

	(void)json_object_update(event, members);
	json_decref(members);
	control_events_write(control->events, "audit", event);
}

static void complain(int err, const char *what)
{
	char reason[128];

	(void)fprintf(
		stderr, "cordon-control: %s: %s\n", what, strerror_r(-err, reason, sizeof(reason)));
}

static void report_fault(struct control *control, const char *what, const char *why)
{
	control_events_write(
		control->events, "fault", json_pack("{s:s, s:s}", "what", what, "why", why));
}

// ---- seals --------------------------------------------------------------------------------------

void control_seals_tell(struct control *control)
{
	dataplane_link_seal(&control->link, control->seals);
}

bool control_seals_in_force(const struct control *control)
{
	return seals_is_heard(control->seals) && dataplane_link_has(&control->link, control->seals);
}

void control_seals_when_told(struct control *control, void (*then)(void *ctx), void *ctx)
{
	dataplane_link_when_told(&control->link, then, ctx);
}

// An event that waits for the dataplane.
struct report {
	struct control *control;
	char *event;
	json_t *members;
};

static void report_now(void *ctx)
{
	struct report *report = ctx;
	const struct control *control = report->control;

	(void)json_object_set_new(
		report->members, "in_force", json_boolean(control_seals_in_force(control)));
	(void)json_object_set_new(
		report->members, "open", json_integer((json_int_t)seals_count(control->seals)));
	control_events_write(control->events, report->event, report->members);
	g_free(report->event);
	g_free(report);
}

void control_seals_report(struct control *control, const char *event, json_t *members)
{
	struct report *report = g_new(struct report, 1);

	*report = (struct report){control, g_strdup(event), members};
	control_seals_when_told(control, report_now, report);
}

void control_seals_changed(struct control *control, const char *event, json_t *members)
{
	control_seals_tell(control);
	control_seals_report(control, event, members);
}

static void end_expired(struct control *control, int64_t due_s)
{
	json_t *ended = NULL;
	int err = seals_expire(control->seals, due_s, &ended);

	if (err != 0)
		complain(err, control->options.seals.file);
	if (json_array_size(ended) > 0)
		control_seals_changed(control, "unseal",
			json_pack("{s:O, s:s}", "virus_ids", ended, "why", "expired"));
	json_decref(ended);
}

static void catch_up(struct control *control)
{
	int err = seals_catch_up(control->seals);

	if (err != 0 && control->seals_failed == 0)
		complain(err, control->options.seals.file);
	control->seals_failed = err;
}

static void wait_for_journal(void *ctx)
{
	const struct control *control = ctx;

	if (control->alerts != NULL)
		alerts_drain(control->alerts);
}

// ---- the dataplane ------------------------------------------------------------------------------

static void rules_renewed(void *ctx, const char *why)
{
	if (why[0] != '\0')
		report_fault(ctx, "rules", why);
}

// The image that it would start with may be newer than what it runs on.
static void renew_rules(struct control *control)
{
	struct dataplane_link *link = &control->link;

	if (!link->told_rules)
		link->told_rules = publish_renew(control->publish, link->ruleset, rules_renewed,
					   control) != -EBUSY;
}

static bool install_rules(struct control *control, const char *who)
{
	char reason[128];
	int err = api_install_rules(control, who, API_NOBODY);

	if (err != 0 && err != -EBUSY)
		report_fault(control, "rules", strerror_r(-err, reason, sizeof(reason)));
	return err != -EBUSY;
}

static bool sources_changed(void *ctx)
{
	return install_rules(ctx, "rules.watch_ms");
}

#define FOREIGN "the image is of another version of Cordon, or for another type of processor"

// After an upgrade, or on another machine, no dataplane starts with the image that lies there.
static void renew_foreign_image(struct control *control)
{
	struct ruleset *ruleset = NULL;
	int err = ruleset_open(control->options.rules.image, &ruleset);
	bool can = publish_has_sources(control->publish);

	ruleset_close(ruleset);
	if (err != -ENOTSUP)
		return;
	report_fault(control, "rules",
		can ? FOREIGN ": all is compiled anew"
		    : FOREIGN ", and there are no rules.sources to compile");
	if (can)
		(void)install_rules(control, "upgrade");
}

// Returns whether it has none that are not here.
static bool compare_seals(struct control *control)
{
	if (seals_may_lack(control->seals, control->link.seals_generation))
		seals_doubt(control->seals);
	else
		seals_heard(control->seals);
	return seals_is_heard(control->seals);
}

static void told_again(void *ctx)
{
	struct control *control = ctx;

	if (!control_seals_in_force(control))
		report_fault(control, "seals", control->link.why);
}

static void tell_again(struct control *control)
{
	if (control_seals_in_force(control) || dataplane_link_is_telling(&control->link))
		return;
	control_seals_tell(control);
	control_seals_when_told(control, told_again, control);
}

static void looked_at_dataplane(void *ctx, int err)
{
	struct control *control = ctx;
	struct dataplane_link *link = &control->link;

	if (err == -ECANCELED)
		return;
	if (link->is_up != control->was_up) {
		report_fault(control, link->is_up ? "dataplane is there" : "dataplane is away",
			link->why);
		link->told_rules = false;
	}
	control->was_up = link->is_up;
	if (err != 0)
		return;
	renew_rules(control);
	(void)compare_seals(control);
	tell_again(control);
}

static void look_at_dataplane(struct control *control)
{
	dataplane_link_look(&control->link, looked_at_dataplane, control);
}

// Said once, until it is over.
static void note_store(struct control *control, int err, int *noted)
{
	if (err != 0 && *noted == 0)
		report_fault(control, "spool", g_strerror(-err));
	*noted = err;
}

static void look_at_store(struct control *control)
{
	int err = 0;

	if (control->store != NULL) {
		err = store_refresh(control->store, false, control_steady_ns());
		if (store_keep_key(control->store) > 0)
			report_fault(control, "spool.key", "was removed, and is there again");
		store_reap(control->store, control_steady_ns());
		// Nothing is released that could not be noted as released.
		if (err == 0)
			err = store_change_error(control->store);
		note_store(control, store_read_error(control->store), &control->store_unread);
	}
	note_store(control, err, &control->store_failed);
	alert_mail_turn(control->alert_mail);
	urgent_turn();
	if (control->release != NULL && err == 0)
		release_turn(control->release);
	urgent_turn();
	notify_turn(control->notify);
}

// Between two seconds: what else came is taken in with it.
static void mail_has_come(void *ctx)
{
	struct control *control = ctx;

	if (control->store != NULL && store_glance(control->store, control_steady_ns()) != 0)
		return;
	alert_mail_turn(control->alert_mail);
}

// Two of them on one dataplane: each would tell it what is sealed, and what the rules are.
static void bell_is_refused(void *ctx, const char *why)
{
	struct control *control = ctx;

	(void)fprintf(stderr, "cordon-control: %s: %s\n", control->options.dataplane, why);
	control_events_write(
		control->events, "fault", json_pack("{s:s, s:s}", "what", "dataplane", "why", why));
}

static gboolean once_a_second(gpointer ctx)
{
	struct control *control = ctx;
	// Seals go by no leap, forward or back, that comes while they are held to the clock.
	const int64_t due_s = control_due_s();

	catch_up(control);
	control_look_at_clock(control);
	end_expired(control, MIN(due_s, control_due_s()));
	look_at_dataplane(control);
	urgent_turn();
	look_at_store(control);
	urgent_turn();
	alert_bell_turn(control->alert_bell);
	update_turn(control->update);
	urgent_turn();
	screens_turn(control->screening);
	urgent_turn();
	alerts_turn(control->alerts, control_now_ns() / NS_PER_S);
	web_turn(control->web);
	return G_SOURCE_CONTINUE;
}

// ---- start and stop -----------------------------------------------------------------------------

static gboolean stop_signal(gpointer ctx)
{
	const struct control *control = ctx;

	if (control->loop != NULL)
		g_main_loop_quit(control->loop);
	return G_SOURCE_CONTINUE;
}

static gboolean reopen_signal(gpointer ctx)
{
	struct control *control = ctx;
	int err = control->events != NULL ? control_events_reopen(control->events) : 0;

	if (err != 0)
		complain(err, control->options.events);
	return G_SOURCE_CONTINUE;
}

static void event_written(void *ctx, const char *event, const json_t *members)
{
	struct control *control = ctx;

	control_counts_event(&control->counts, event, members);
	notify_event(control->notify, event, members);
	web_event(control->web, event, members);
}

static int open_store(struct control *control)
{
	const struct control_options *options = &control->options;
	const struct store_options store = {
		.directory = options->spool.directory,
		.key_file = options->spool.key,
		.settle_seconds = options->spool.settle_seconds,
	};
	char error[512];
	int err;

	if (store.directory[0] == '\0')
		return 0;
	err = store_open(&store, &control->store, error, sizeof(error));
	if (err != 0) {
		(void)fprintf(stderr, "cordon-control: %s\n", error);
		return err;
	}
	err = store_refresh(control->store, true, control_steady_ns());
	if (err == 0)
		err = release_new(control, &control->release);
	if (err != 0)
		complain(err, store.directory);
	return err;
}

static int open_alerts(struct control *control)
{
	char error[512] = "";
	int err = update_new(control, &control->update, error, sizeof(error));

	if (err == 0)
		err = screens_new(control, &control->screening, error, sizeof(error));
	if (err == 0)
		update_when_covered(control->update, screens_covered, control->screening);
	if (err == 0)
		err = alert_apply_open(control, &control->alerts, error, sizeof(error));
	// The receipts that are made now say whether the seals are in force.
	if (err == 0 && control->link.is_up && !control_seals_in_force(control))
		control_seals_tell(control);
	if (err == 0)
		err = alerts_resume(control->alerts);
	if (err == 0)
		err = channels_open(&control->options, control->alerts, &control->channels, error,
			sizeof(error));
	if (err == 0)
		err = alert_mail_new(control, &control->alert_mail);
	if (err == 0)
		err = alert_bell_new(control->store != NULL ? control->options.dataplane : NULL,
			control->options.alerts.mail.maildir,
			&(struct alert_bell_owner){mail_has_come, bell_is_refused, control},
			&control->alert_bell);
	if (err != 0 && error[0] != '\0')
		(void)fprintf(stderr, "cordon-control: %s\n", error);
	else if (err != 0)
		complain(err, "alerts");
	return err;
}

static int open_web(struct control *control)
{
	char error[512] = "";
	int err = web_open(control, &control->web, error, sizeof(error));

	if (err != 0)
		(void)fprintf(stderr, "cordon-control: %s\n",
			error[0] != '\0' ? error : g_strerror(-err));
	return err;
}

static void looked_first(void *ctx, int err)
{
	struct control *control = ctx;

	if (err == 0 && !compare_seals(control))
		control_seals_tell(control);
}

static void look_first(struct control *control)
{
	dataplane_link_look(&control->link, looked_first, control);
	dataplane_link_wait(&control->link, FIRST_MS);
}

static int start(struct control *control)
{
	const struct control_options *options = &control->options;
	char error[256] = "";
	int err;

	(void)mkdir(options->state, 0750);
	err = control_events_open(options->events, options->gateway, &control->events);
	if (err != 0) {
		complain(err, options->events);
		return err;
	}
	err = notify_new(control, &control->notify);
	if (err != 0) {
		complain(err, options->state);
		return err;
	}
	control_events_watch(control->events, event_written, control);
	err = seals_open(options->seals.file, options->seals.max_seconds, &control->seals, error,
		sizeof(error));
	if (err != 0) {
		complain(err, options->seals.file);
		if (error[0] != '\0')
			(void)fprintf(
				stderr, "cordon-control: %s: %s\n", options->seals.file, error);
		return err;
	}
	seals_set_barrier(control->seals, wait_for_journal, control);
	// Before anything tells it other ones.
	err = dataplane_link_open(&control->link, options);
	dataplane_link_adopt_by(&control->link, control_seals_adopt, control);
	if (err == 0)
		err = settle_new(&control->link, &control->settle);
	if (err == 0)
		look_first(control);
	if (err == 0)
		err = open_store(control);
	if (err != 0)
		return err;
	notify_resume(control->notify);
	err = publish_new(options, &control->publish);
	if (err == 0)
		err = api_open(control, options->socket, &control->api);
	if (err == 0)
		err = rules_watch_new(options, sources_changed, control, &control->rules_watch);
	if (err != 0) {
		complain(err, options->socket);
		return err;
	}
	err = open_alerts(control);
	return err == 0 ? open_web(control) : err;
}

static void loop(struct control *control)
{
	int err = priority_set(control->options.priority);
	guint clock;

	if (err != 0)
		complain(err, "priority");
	control->loop = g_main_loop_new(NULL, FALSE);
	(void)g_unix_signal_add(SIGTERM, stop_signal, control);
	(void)g_unix_signal_add(SIGINT, stop_signal, control);
	api_listen(control->api);
	clock = g_timeout_add(1000, once_a_second, control);
	control_events_write(control->events, "start",
		json_pack("{s:s, s:i, s:I}", "program", "cordon-control", "pid", (int)getpid(),
			"seals", (json_int_t)seals_count(control->seals)));
	(void)once_a_second(control);
	renew_foreign_image(control);
	g_main_loop_run(control->loop);
	ending_begin();
	// The dataplane has them, or will have: they come to lie where both start from.
	while (publish_is_handing(control->publish))
		(void)g_main_context_iteration(NULL, TRUE);
	settle_end(control->settle);
	// The parts that end may wait for their threads on the loop, when others are gone.
	api_stop(control->api);
	(void)g_source_remove(clock);
	control_events_write(
		control->events, "stop", json_pack("{s:s}", "program", "cordon-control"));
	g_main_loop_unref(control->loop);
	control->loop = NULL;
}

static int run(struct control *control)
{
	int err = inherited_settle();

	complaints_never_wait();
	if (err != 0) {
		complain(err, "too few descriptors (RLIMIT_NOFILE)");
		return EXIT_FAILURE;
	}
	err = ending_open();
	if (err == 0)
		err = urgent_open();
	if (err != 0) {
		complain(err, "a thread cannot be started");
		return EXIT_FAILURE;
	}
	// A log may be rotated at any time.
	(void)g_unix_signal_add(SIGHUP, reopen_signal, control);
	control->start_ns = control_steady_ns();
	err = start(control);
	if (err == 0)
		loop(control);
	if (control->alerts != NULL)
		alerts_flush(control->alerts);
	dataplane_link_wait(&control->link, END_MS);
	dataplane_link_end(&control->link);
	if (control->alerts != NULL)
		alerts_flush(control->alerts);
	web_close(control->web);
	control->web = NULL;
	channels_close(control->channels);
	urgent_close();
	if (control->alerts != NULL)
		alerts_stop(control->alerts);
	update_free(control->update);
	screens_free(control->screening);
	alerts_free(control->alerts);
	control->alerts = NULL;
	alert_bell_free(control->alert_bell);
	alert_mail_free(control->alert_mail);
	rules_watch_free(control->rules_watch);
	api_close(control->api);
	publish_free(control->publish);
	release_free(control->release);
	if (control->events != NULL)
		control_events_watch(control->events, NULL, NULL);
	notify_free(control->notify);
	store_close(control->store);
	seals_close(control->seals);
	settle_free(control->settle);
	dataplane_link_close(&control->link);
	control_events_close(control->events);
	ending_close();
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void write_usage(FILE *out)
{
	(void)fputs(usage, out);
}

int main(int argc, char **argv)
{
	struct options_command command = {
		write_usage, control_options_write_reference, NULL, false};
	static struct control control;
	int status;

	if (inherited_streams() != 0)
		return EXIT_FAILURE;
	// Until there is an event file to open again: a log is rotated at any time.
	(void)signal(SIGHUP, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "user") == 0)
		return web_user_command(argv[0], argc - 1, argv + 1);
	if (!options_command_read(&command, argc, argv, &status))
		return status;
	if (control_options_load(command.config, &control.options, stderr) != 0)
		return OPTIONS_EXIT_CONFIG;
	return command.is_check ? EXIT_SUCCESS : run(&control);
}
