// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options.h"

#include "control/api.h"
#include "control/control_options_table.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <string.h>

const struct option_choice control_options_bools[] = {{"false", false}, {"true", true}, {NULL, 0}};

static const struct config_option rules_table[] = {
	{.key = "sources",
		TEXTS(rules.sources, rules.sources_count),
		.help = "Signature files and folders of them that are compiled together."},
	{.key = "image",
		TEXT(rules.image),
		.preset = "/var/lib/cordon/rules.image",
		.help = "Where the image goes; the dataplane's `rules`."},
	{.key = "cache",
		TEXT(rules.cache),
		.help = "Folder of images that were compiled, by which a few new signatures come "
			"into force without compiling all; empty: the image's name and `.cache`; "
			"`-`: none."},
	{.key = "compiler",
		TEXT(rules.compiler),
		.help = "The program that compiles; empty: the `cordonctl` beside this program, or "
			"in `../bin`."},
	{.key = "compile_seconds",
		UINT(rules.compile_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "600",
		.help = "After which it is given up."},
	{.key = "compile_memory_mb",
		UINT(rules.compile_memory_mb, 64, 1 << 20),
		.unit = "MiB",
		.preset = "4096",
		.help = "That it may use."},
	{.key = "standby",
		BOOL(rules.standby),
		.preset = "true",
		.help = "A compiler stands by, with what adding a few signatures takes laid ready: "
			"they are in force sooner. It waits with some 25 MiB of memory."},
	{.key = "watch_ms",
		UINT(rules.watch_ms, 0, 600000),
		.unit = "milliseconds",
		.help = "So long after the last change of a source they are compiled and put in "
			"force; 0: by `cordonctl rules install` alone."},
	END,
};

static const struct config_option seals_table[] = {
	{.key = "file",
		TEXT(seals.file),
		.preset = "/var/lib/cordon/seals.json",
		.help = "Where the open seals are kept; the dataplane's `seals`."},
	{.key = "max_seconds",
		UINT(seals.max_seconds, 60, 31536000),
		.unit = "seconds",
		.preset = "604800",
		.help = "The longest that a seal may last, whatever it says itself."},
	END,
};

static const struct config_option spool_table[] = {
	{.key = "directory",
		TEXT(spool.directory),
		.help = "Where mail is kept: the dataplane's `spool.directory`. Empty: none is."},
	{.key = "key",
		TEXT(spool.key),
		.preset = "/var/lib/cordon/spool.key",
		.help = "Key file, the dataplane's `spool.key`; made when it is missing."},
	{.key = "settle_seconds",
		UINT(spool.settle_seconds, 0, 3600),
		.unit = "seconds",
		.preset = "12",
		.help = "That a record lies before anything is done with it: longer than the "
			"dataplane may take to store it (`spool.deadline_seconds`)."},
	{.key = "message_bytes",
		UINT(spool.message_bytes, 1 << 20, 1ll << 32),
		.unit = "bytes",
		.preset = "268435456",
		.help = "Of the longest message that is taken into memory."},
	END,
};

static const struct option_choice policies[] = {{"quarantine", RELEASE_QUARANTINE},
	{"delete", RELEASE_DELETE}, {"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP},
	{"disinfect", RELEASE_DISINFECT}, {NULL, 0}};
static const struct option_choice suspect_policies[] = {{"quarantine", RELEASE_QUARANTINE},
	{"delete", RELEASE_DELETE}, {"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP},
	{NULL, 0}};
static const struct option_choice encrypted_policies[] = {{"quarantine", RELEASE_QUARANTINE},
	{"delete", RELEASE_DELETE}, {"deliver", RELEASE_DELIVER}, {NULL, 0}};
static const struct option_choice outbound_policies[] = {{"same", RELEASE_SAME},
	{"quarantine", RELEASE_QUARANTINE}, {"delete", RELEASE_DELETE},
	{"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP}, {"disinfect", RELEASE_DISINFECT},
	{NULL, 0}};
static const struct option_choice outbound_suspect_policies[] = {{"same", RELEASE_SAME},
	{"quarantine", RELEASE_QUARANTINE}, {"delete", RELEASE_DELETE},
	{"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP}, {NULL, 0}};
static const struct option_choice screening_policies[] = {{"quarantine", RELEASE_QUARANTINE},
	{"delete", RELEASE_DELETE}, {"strip", RELEASE_STRIP}, {NULL, 0}};
static const struct option_choice undisinfected_policies[] = {{"quarantine", RELEASE_QUARANTINE},
	{"delete", RELEASE_DELETE}, {"strip", RELEASE_STRIP}, {NULL, 0}};
static const struct config_option release_table[] = {
	{.key = "host",
		TEXT(release.host),
		.help = "Next hop of released mail, a name or an address. Empty: the server that "
			"the "
			"mail was meant for."},
	{.key = "port", UINT(release.port, 1, 65535), .preset = "25", .help = "Of the next hop."},
	{.key = "servers",
		UINT(release.servers, 1, 64),
		.unit = "servers",
		.preset = "8",
		.help = "That are delivered to at once."},
	{.key = "connections",
		UINT(release.connections, 1, 32),
		.unit = "connections",
		.preset = "4",
		.help = "To each server at most, one message at a time on each; of the same sender "
			"to the same recipient one at a time in all. There is one at first, and "
			"another for each message that the server takes; where it does not let so "
			"many in, fewer."},
	{.key = "per_connection",
		UINT(release.per_connection, 1, 10000),
		.unit = "messages",
		.preset = "100",
		.help = "Delivered one after the other over a connection."},
	{.key = "per_minute",
		UINT(release.per_minute, 0, 1000000),
		.unit = "messages",
		.preset = "0",
		.help = "Delivered in a minute, all together; 0 sets no limit."},
	{.key = "server_per_minute",
		UINT(release.server_per_minute, 0, 1000000),
		.unit = "messages",
		.preset = "0",
		.help = "Delivered in a minute to each server; 0 sets no limit."},
	{.key = "reply_seconds",
		UINT(release.reply_seconds, 1, 3600),
		.unit = "seconds",
		.preset = "300",
		.help = "Waited for a server's reply."},
	{.key = "retry_seconds",
		UINT(release.retry_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "60",
		.help = "Until the second try, after 4xx or no answer; doubled each time."},
	{.key = "retry_most_seconds",
		UINT(release.retry_most_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "3600",
		.help = "The longest pause between two tries."},
	{.key = "lifetime_seconds",
		UINT(release.lifetime_seconds, 1, 2592000),
		.unit = "seconds",
		.preset = "432000",
		.help = "From the first try that a server puts off, or from when a mail waits for "
			"a "
			"server that is down, until delivering it is given up: the sender gets a "
			"delivery status notification."},
	{.key = "order_seconds",
		UINT(release.order_seconds, 0, 2592000),
		.unit = "seconds",
		.preset = "3600",
		.help = "When a server puts off a mail (4xx), the others go on, but for later ones "
			"of "
			"the same sender to the same recipient: these wait behind it, so long "
			"after "
			"its first try at most. A server that is down, or says 421, gets nothing, "
			"and "
			"then all in order."},
	{.key = "infected",
		.kind = OPTION_CHOICE,
		MEMBER(release.infected),
		.choices = policies,
		.preset = "quarantine",
		.help = "Held mail in which a signature hits. `strip`: it is delivered with a note "
			"in "
			"the place of each infected part, if it is clean then, and goes to "
			"quarantine in full; if it is not, only that. `disinfect`: its parts are "
			"repaired as the signatures say, and then the same. Mail that is not clean "
			"for several reasons goes by the gravest that does not `deliver`: "
			"`infected`, `screening`, `suspect`, `encrypted_mail`; what could not be "
			"scanned to its end is not delivered."},
	{.key = "suspect",
		.kind = OPTION_CHOICE,
		MEMBER(release.suspect),
		.choices = suspect_policies,
		.preset = "quarantine",
		.help = "Held mail that trips a heuristic or a content limit."},
	{.key = "encrypted_mail",
		.kind = OPTION_CHOICE,
		MEMBER(release.encrypted_mail),
		.choices = encrypted_policies,
		.preset = "quarantine",
		.help = "Held mail, in either direction, that only its reader can decrypt (S/MIME, "
			"PGP), and that is suspect for nothing else."},
	{.key = "outbound_infected",
		.kind = OPTION_CHOICE,
		MEMBER(release.outbound_infected),
		.choices = outbound_policies,
		.preset = "same",
		.help = "The same of mail whose client is inside."},
	{.key = "outbound_suspect",
		.kind = OPTION_CHOICE,
		MEMBER(release.outbound_suspect),
		.choices = outbound_suspect_policies,
		.preset = "same",
		.help = "The same of mail whose client is inside."},
	{.key = "undisinfected",
		.kind = OPTION_CHOICE,
		MEMBER(release.undisinfected),
		.choices = undisinfected_policies,
		.preset = "quarantine",
		.help = "Infected mail that was to be disinfected and could not be: no signature "
			"says how, it is inside of an archive, or it is not clean then either."},
	{.key = "screening",
		.kind = OPTION_CHOICE,
		MEMBER(release.screening),
		.choices = screening_policies,
		.preset = "quarantine",
		.help = "Held mail in which a screening entry hits that names no action itself, "
			"and "
			"nothing else."},
	END,
};

static const struct option_choice cleared_choices[] = {{"release", 0}, {"keep", 1}, {NULL, 0}};
static const struct config_option screening_table[] = {
	{.key = "entries",
		UINT(screening.entries, 1, SCREEN_MAX_ENTRIES),
		.unit = "entries",
		.preset = "2000000",
		.help = "Of all lists together that may count at once; one that does not fit is "
			"refused as a whole."},
	{.key = "max_seconds",
		UINT(screening.max_seconds, 60, 31536000),
		.unit = "seconds",
		.preset = "2592000",
		.help = "The longest that an entry counts, whatever its alert says; those that are "
			"added by hand count as long if nothing else is said."},
	{.key = "cleared",
		.kind = OPTION_CHOICE,
		MEMBER(screening.keep_cleared),
		.choices = cleared_choices,
		.preset = "release",
		.help = "Mail that is in quarantine for a screening entry alone, and clean by the "
			"rules that cover its virus id now. `release`: it goes the way of held "
			"mail, "
			"as it would have after a seal; `keep`: it waits for the operator."},
	END,
};

static const struct option_choice held_senders[] = {{"asked", NOTIFY_HELD_ASKED},
	{"inside", NOTIFY_HELD_INSIDE}, {"all", NOTIFY_HELD_ALL}, {NULL, 0}};
static const struct config_option notify_table[] = {
	{.key = "host",
		TEXT(notify.host),
		.help = "Next hop of notices, a name or an address. Empty: `release.host`; without "
			"both no sender is told of a failure, nor the administrator of anything."},
	{.key = "port", UINT(notify.port, 1, 65535), .preset = "25", .help = "Of the next hop."},
	{.key = "from",
		TEXT(notify.from),
		.help = "Address in the headers of notices. Empty: `postmaster` at `gateway`. The "
			"envelope's sender is always the empty one."},
	{.key = "admin",
		TEXT(notify.admin),
		.help = "Address that is told of seals, quarantined mail, releases and faults. "
			"Empty: nobody."},
	{.key = "interval_seconds",
		UINT(notify.interval_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "300",
		.help = "Between two digests to the same address, however much happens."},
	{.key = "recipients",
		BOOL(notify.recipients),
		.preset = "false",
		.help = "Whether recipients are told of mail for them that was quarantined, by the "
			"dataplane or after a rescan."},
	{.key = "success",
		BOOL(notify.success),
		.preset = "true",
		.help = "Whether a sender that asks for it (NOTIFY=SUCCESS) is told of released "
			"mail "
			"that went to a server which does not tell senders itself."},
	{.key = "delay_seconds",
		UINT(notify.delay_seconds, 0, 2592000),
		.unit = "seconds",
		.preset = "0",
		.help = "From the arrival of a mail until its sender is told, once, that its "
			"delivery is tried still; 0: never."},
	{.key = "held_seconds",
		UINT(notify.held_seconds, 0, 31536000),
		.unit = "seconds",
		.preset = "14400",
		.help = "From the arrival of a mail until its sender is told, once, that it is "
			"held; "
			"the same sender hears of one such mail in an interval. 0: never."},
	{.key = "held",
		.kind = OPTION_CHOICE,
		MEMBER(notify.held),
		.choices = held_senders,
		.preset = "inside",
		.help = "Which senders are told of that: `asked`, who have asked for it "
			"(NOTIFY=DELAY); `inside`, also those whose client is inside and who have "
			"not "
			"said otherwise; `all`, everybody who has not: in an outbreak many senders "
			"are forged."},
	END,
};

static const struct config_option updates_table[] = {
	{.key = "ca",
		TEXT(updates.ca),
		.help = "File of the authorities of the servers that updates are fetched from, "
			"PEM. Empty: the system's."},
	{.key = "certificate",
		TEXT(updates.certificate),
		.help = "File of our own certificate, PEM. Empty: none is shown."},
	{.key = "key", TEXT(updates.key), .help = "File of its private key, PEM."},
	{.key = "most_bytes",
		UINT(updates.most_bytes, 1 << 10, 1ll << 40),
		.unit = "bytes",
		.preset = "2147483648",
		.help = "Of all files of one update; a larger one is refused."},
	{.key = "most_seconds",
		UINT(updates.most_seconds, 1, 604800),
		.unit = "seconds",
		.preset = "21600",
		.help = "After which an update that could not be fetched is refused."},
	{.key = "retry_seconds",
		UINT(updates.retry_seconds, 1, 3600),
		.unit = "seconds",
		.preset = "5",
		.help = "Until a file is asked for again, half of it at least; doubled each time "
			"that nothing came."},
	{.key = "release_seconds",
		UINT(updates.release_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "120",
		.help = "That the end of a covered seal waits at most until what was held before "
			"is judged and delivered: mail that comes later then does not overtake "
			"it."},
	END,
};

static const struct config_option test_faults_table[] = {
	{.key = "update_kill",
		TEXT(test_faults.update_kill),
		.help = "A step of an update (`download`, `install`, `compile`, `release`, `end`, "
			"`done`, or one of them after `before `) at which the process ends as by a "
			"crash."},
	END,
};

static const struct config_option top_table[] = {
	{.key = "gateway",
		TEXT(gateway),
		.preset = "cordon",
		.help = "Name of this gateway in events; the dataplane's `gateway`."},
	{.key = "socket",
		TEXT(socket),
		.preset = CONTROL_SOCKET,
		.help = "Socket that `cordonctl` asks, for the owner and group of the process."},
	{.key = "dataplane",
		TEXT(dataplane),
		.preset = DATAPLANE_SOCKET,
		.help = "The dataplane's `command`."},
	{.key = "state",
		TEXT(state),
		.preset = "/var/lib/cordon",
		.help = "Folder of what has to outlive the process."},
	{.key = "priority",
		UINT(priority, 0, 99),
		.preset = "0",
		.help = "Real-time priority (SCHED_RR) of the main loop, and of none of its "
			"helpers: for "
			"a machine whose processors others use too. As the dataplane's. 0: an "
			"ordinary thread, before others by its nice value (-15) where it may, and "
			"in short turns where the kernel has them (Linux 6.12)."},
	{.key = "events",
		TEXT(events),
		.preset = "-",
		.help = "File that JSON lines are appended to (opened again on SIGHUP); `-` is "
			"standard output. May be the dataplane's. Of a pipe that nobody reads, "
			"and for a disk that takes nothing, 1 MiB is kept, and how many lines are "
			"lost then is told."},
	{.key = "rules", SECTION(rules_table), .help = "The ruleset."},
	{.key = "seals", SECTION(seals_table), .help = "Seals."},
	{.key = "spool", SECTION(spool_table), .help = "The buffer and the quarantine."},
	{.key = "release",
		SECTION(release_table),
		.help = "What becomes of held mail when no seal covers it any more."},
	{.key = "screening",
		SECTION(screening_table),
		.help = "Checksums that stand in for signatures."},
	{.key = "notify", SECTION(notify_table), .help = "Mail that the gateway writes itself."},
	{.key = "alerts", SECTION(control_options_alerts), .help = "What the vendor sends."},
	{.key = "updates", SECTION(updates_table), .help = "Rules that the vendor sends."},
	{.key = "web",
		.kind = OPTION_SECTION,
		MEMBER(web),
		.children = control_options_web,
		.help = "The operator's page, metrics and health."},
	{.key = "test_faults",
		SECTION(test_faults_table),
		.help = "Faults for tests; none in production."},
	END,
};

void control_options_init(struct control_options *options)
{
	memset(options, 0, sizeof(*options));
	options_apply_presets(top_table, options);
}

static void check_all(struct options_lines *lines, const void *base, const void *ctx)
{
	const struct control_options *options = base;
	const struct {
		const char *key;
		const char *value;
	} needed[] = {{"gateway", options->gateway}, {"socket", options->socket},
		{"dataplane", options->dataplane}, {"state", options->state},
		{"events", options->events}, {"rules.image", options->rules.image},
		{"seals.file", options->seals.file}};

	(void)ctx;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].value[0] == '\0')
			options_mistake_at(lines, needed[i].key, "must not be empty");
	}
	control_options_check_alerts(lines, options);
	control_options_check_web(lines, &options->web);
}

int control_options_load(const char *path, struct control_options *options, FILE *errors)
{
	const struct options_form form = {top_table, check_all, NULL};

	control_options_init(options);
	return options_file_read(path, &form, options, errors);
}

void control_options_write_reference(FILE *out)
{
	static struct control_options defaults;

	control_options_init(&defaults);
	options_file_reference("cordon-control", top_table, &defaults, out);
}

char *control_options_json(const struct control_options *options)
{
	static struct control_options defaults;

	control_options_init(&defaults);
	return options_file_json(top_table, options, &defaults);
}
