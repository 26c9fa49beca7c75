// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options.h"

#include "control/api.h"
#include "dataplane/dataplane.h"

#include <string.h>

#define MEMBER(member)                                                                             \
	.offset = offsetof(struct control_options, member),                                        \
	.size = sizeof(((struct control_options *)0)->member)
#define TEXT(member)                                                                               \
	.kind = OPTION_TEXT, MEMBER(member),                                                       \
	.max = sizeof(((struct control_options *)0)->member) - 1
#define UINT(member, low, high) .kind = OPTION_UINT, MEMBER(member), .min = (low), .max = (high)
#define BOOL(member) .kind = OPTION_BOOL, MEMBER(member), .choices = bools
#define TEXTS(member, count)                                                                       \
	.kind = OPTION_TEXTS, .offset = offsetof(struct control_options, member),                  \
	.size = sizeof(((struct control_options *)0)->member[0]),                                  \
	.count_offset = offsetof(struct control_options, count), .room = CONTROL_MAX_TEXTS,        \
	.max = CONTROL_TEXT_BYTES - 1
// The members of a section lie in the struct of the whole file.
#define SECTION(table)                                                                             \
	.kind = OPTION_SECTION, .offset = 0, .size = sizeof(struct control_options),               \
	.children = (table)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

static const struct option_choice bools[] = {{"false", false}, {"true", true}, {NULL, 0}};

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
		.help = "The program that compiles; empty: the `cordonctl` beside this program."},
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
static const struct option_choice outbound_policies[] = {{"same", RELEASE_SAME},
	{"quarantine", RELEASE_QUARANTINE}, {"delete", RELEASE_DELETE},
	{"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP}, {"disinfect", RELEASE_DISINFECT},
	{NULL, 0}};
static const struct option_choice outbound_suspect_policies[] = {{"same", RELEASE_SAME},
	{"quarantine", RELEASE_QUARANTINE}, {"delete", RELEASE_DELETE},
	{"deliver", RELEASE_DELIVER}, {"strip", RELEASE_STRIP}, {NULL, 0}};
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
		.unit = "connections",
		.preset = "8",
		.help = "Servers that are delivered to at once, one message each."},
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
		.help = "After which a delivery that does not succeed is given up: the sender gets "
			"a "
			"delivery status notification."},
	{.key = "infected",
		.kind = OPTION_CHOICE,
		MEMBER(release.infected),
		.choices = policies,
		.preset = "quarantine",
		.help = "Held mail in which a signature hits. `strip`: it is delivered with a note "
			"in "
			"the place of each infected part, if it is clean then, and goes to "
			"quarantine in full; if it is not, only that. `disinfect`: its parts are "
			"repaired as the signatures say, and then the same."},
	{.key = "suspect",
		.kind = OPTION_CHOICE,
		MEMBER(release.suspect),
		.choices = suspect_policies,
		.preset = "quarantine",
		.help = "Held mail that trips a heuristic or a content limit."},
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
	END,
};

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
		.help = "Whether recipients are told of mail for them that was quarantined."},
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
	END,
};

static const struct config_option https_table[] = {
	{.key = "listen",
		TEXT(alerts.https.listen),
		.help = "`address:port` where alerts are taken by `POST /v1/alerts`. Empty: none "
			"are."},
	{.key = "certificate",
		TEXT(alerts.https.certificate),
		.help = "File of the server's certificate and those that it hangs on, PEM."},
	{.key = "key", TEXT(alerts.https.key), .help = "File of its private key, PEM."},
	{.key = "clients",
		TEXT(alerts.https.clients),
		.help = "File of the authorities whose certificates clients must show, PEM. Empty: "
			"none are asked for."},
	{.key = "plain",
		BOOL(alerts.https.plain),
		.preset = "false",
		.help = "Whether it is plain HTTP: alerts are signed, but anybody on the way can "
			"read them."},
	{.key = "allow",
		TEXTS(alerts.https.allow, alerts.https.allow_count),
		.help = "Addresses and networks that may connect. Empty: all."},
	{.key = "per_minute",
		UINT(alerts.https.per_minute, 1, 1000000),
		.unit = "requests",
		.preset = "600",
		.help = "Of one address; what is more gets 429."},
	END,
};

static const struct config_option pull_table[] = {
	{.key = "url",
		TEXT(alerts.pull.url),
		.help = "A feed that is fetched: envelopes, one a line, the oldest first. Empty: "
			"none."},
	{.key = "receipts",
		TEXT(alerts.pull.receipts),
		.help = "URL that receipts are posted to. Empty: they stay here."},
	{.key = "ca",
		TEXT(alerts.pull.ca),
		.help = "File of the authorities of the server's certificate, PEM. Empty: the "
			"system's."},
	{.key = "certificate",
		TEXT(alerts.pull.certificate),
		.help = "File of our own certificate, PEM. Empty: none is shown."},
	{.key = "key", TEXT(alerts.pull.key), .help = "File of its private key, PEM."},
	{.key = "interval_seconds",
		UINT(alerts.pull.interval_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "60",
		.help = "Between two questions, half of it at least."},
	{.key = "wait_seconds",
		UINT(alerts.pull.wait_seconds, 0, 3600),
		.unit = "seconds",
		.preset = "0",
		.help = "That the server is asked to hold its answer until there is something new; "
			"0: it is not."},
	END,
};

static const struct config_option tcp_table[] = {
	{.key = "listen",
		TEXT(alerts.tcp.listen),
		.help = "`address:port` where alerts are taken, each framed by its length in four "
			"bytes, the highest first. Empty: none are."},
	{.key = "connect",
		TEXT(alerts.tcp.connect),
		.help = "`host:port` of the vendor, to which a connection is kept. Empty: none "
			"is."},
	{.key = "peers",
		UINT(alerts.tcp.peers, 1, 10000),
		.unit = "connections",
		.preset = "64",
		.help = "At once; beyond them the one that was silent longest is closed."},
	END,
};

static const struct config_option udp_table[] = {
	{.key = "listen",
		TEXT(alerts.udp.listen),
		.help = "`address:port` where alerts are taken, each a datagram. Empty: none are."},
	END,
};

static const struct config_option alerts_table[] = {
	{.key = "root",
		TEXT(alerts.root),
		.help = "File of the vendor's root document: whose keys are trusted. Later ones "
			"come as alerts, signed by these keys. Empty: nobody is trusted."},
	{.key = "groups",
		TEXTS(alerts.groups, alerts.groups_count),
		.help = "Groups that this gateway is in, for alerts that are meant for some."},
	{.key = "seals_per_hour",
		UINT(alerts.seals_per_hour, 1, 100000),
		.unit = "seals",
		.preset = "60",
		.help = "That vendors may set; more are refused until there is room again."},
	{.key = "most_ahead",
		UINT(alerts.most_ahead, 1, 1ll << 53),
		.preset = "1000000",
		.help = "By how much the sequence of an alert may be ahead of the last one."},
	{.key = "skew_seconds",
		UINT(alerts.skew_seconds, 0, 86400),
		.unit = "seconds",
		.preset = "300",
		.help = "By how much the vendor's clock may be ahead."},
	{.key = "stale_seconds",
		UINT(alerts.stale_seconds, 0, 31536000),
		.unit = "seconds",
		.preset = "86400",
		.help = "After which it is a fault that nothing was heard of the vendor; 0: "
			"never."},
	{.key = "pull", SECTION(pull_table), .help = "Alerts that are fetched over HTTPS."},
	{.key = "https", SECTION(https_table), .help = "Alerts over HTTPS."},
	{.key = "tcp", SECTION(tcp_table), .help = "Alerts over TCP."},
	{.key = "udp", SECTION(udp_table), .help = "Alerts over UDP."},
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
	{.key = "events",
		TEXT(events),
		.preset = "-",
		.help = "File that JSON lines are appended to (opened again on SIGHUP); `-` is "
			"standard output. May be the dataplane's."},
	{.key = "rules", SECTION(rules_table), .help = "The ruleset."},
	{.key = "seals", SECTION(seals_table), .help = "Seals."},
	{.key = "spool", SECTION(spool_table), .help = "The buffer and the quarantine."},
	{.key = "release",
		SECTION(release_table),
		.help = "What becomes of held mail when no seal covers it any more."},
	{.key = "notify", SECTION(notify_table), .help = "Mail that the gateway writes itself."},
	{.key = "alerts", SECTION(alerts_table), .help = "What the vendor sends."},
	END,
};

void control_options_init(struct control_options *options)
{
	memset(options, 0, sizeof(*options));
	options_apply_presets(top_table, options);
}

static void check_https(struct options_lines *lines, const struct control_options *options)
{
	bool has_certificate = options->alerts.https.certificate[0] != '\0';

	if (options->alerts.https.listen[0] == '\0')
		return;
	if (!has_certificate && !options->alerts.https.plain)
		options_mistake_at(lines, "alerts.https.certificate",
			"is needed, or `plain: true` for HTTP without TLS");
	if (has_certificate && options->alerts.https.plain)
		options_mistake_at(lines, "alerts.https.plain", "does not go with a certificate");
	if (has_certificate && options->alerts.https.key[0] == '\0')
		options_mistake_at(lines, "alerts.https.key", "is needed with a certificate");
	if (!has_certificate && options->alerts.https.clients[0] != '\0')
		options_mistake_at(lines, "alerts.https.clients", "needs a certificate");
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
	check_https(lines, options);
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
