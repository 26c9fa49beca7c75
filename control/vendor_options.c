// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_options.h"

#include "dataplane/dataplane.h"

#include <string.h>

#define MEMBER(member)                                                                             \
	.offset = offsetof(struct vendor_options, member),                                         \
	.size = sizeof(((struct vendor_options *)0)->member)
#define TEXT(member)                                                                               \
	.kind = OPTION_TEXT, MEMBER(member), .max = sizeof(((struct vendor_options *)0)->member) - 1
#define UINT(member, low, high) .kind = OPTION_UINT, MEMBER(member), .min = (low), .max = (high)
#define TEXTS(member, count)                                                                       \
	.kind = OPTION_TEXTS, .offset = offsetof(struct vendor_options, member),                   \
	.size = sizeof(((struct vendor_options *)0)->member[0]),                                   \
	.count_offset = offsetof(struct vendor_options, count), .room = CONTROL_MAX_TEXTS,         \
	.max = CONTROL_TEXT_BYTES - 1
// The members of a section lie in the struct of the whole file.
#define SECTION(table)                                                                             \
	.kind = OPTION_SECTION, .offset = 0, .size = sizeof(struct vendor_options),                \
	.children = (table)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

static const struct option_choice bools[] = {{"false", false}, {"true", true}, {NULL, 0}};

static const struct config_option https_table[] = {
	{.key = "ca",
		TEXT(https.ca),
		.help = "File of the authorities of the gateways' certificates, PEM. Empty: the "
			"system's."},
	{.key = "certificate",
		TEXT(https.certificate),
		.help = "File of our own certificate, PEM. Empty: none is shown."},
	{.key = "key", TEXT(https.key), .help = "File of its private key, PEM."},
	{.key = "at_once",
		UINT(https.at_once, 1, 10000),
		.unit = "requests",
		.preset = "256",
		.help = "On their way at once."},
	END,
};

static const struct config_option tcp_table[] = {
	{.key = "listen",
		TEXT(tcp.listen),
		.help = "`address:port` where gateways connect that have `alerts.tcp.connect`. "
			"Empty: none "
			"do."},
	{.key = "at_once",
		UINT(tcp.at_once, 1, 100000),
		.unit = "connections",
		.preset = "2000",
		.help = "To gateways at once; those that gateways make are not counted."},
	END,
};

static const struct config_option mqtt_table[] = {
	{.key = "broker",
		TEXT(mqtt.broker),
		.help = "`host:port` of an MQTT broker that alerts are published to and receipts "
			"are "
			"taken from. Empty: none."},
	{.key = "plain",
		.kind = OPTION_BOOL,
		MEMBER(mqtt.plain),
		.choices = bools,
		.preset = "false",
		.help = "Whether it is without TLS: anybody on the way can read the password."},
	{.key = "ca",
		TEXT(mqtt.ca),
		.help = "File of the authorities of the broker's certificate, PEM. Empty: the "
			"system's."},
	{.key = "certificate",
		TEXT(mqtt.certificate),
		.help = "File of our own certificate, PEM. Empty: none is shown."},
	{.key = "key", TEXT(mqtt.key), .help = "File of its private key, PEM."},
	{.key = "user",
		TEXT(mqtt.user),
		.help = "File whose first line is the user's name at the broker. Empty: none."},
	{.key = "password", TEXT(mqtt.password), .help = "File whose first line is the password."},
	{.key = "client",
		TEXT(mqtt.client),
		.help = "Our name at the broker, under which it keeps receipts while we are away. "
			"Empty: `cordon-vendor-` and the root document's."},
	{.key = "repeat_seconds",
		UINT(mqtt.repeat_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "60",
		.help = "Until an alert without a receipt is published to its gateway alone; "
			"doubled "
			"each time."},
	END,
};

static const struct config_option snmp_table[] = {
	{.key = "users",
		TEXT(snmp.users),
		.help = "File of users of version 3, a line each as in snmptrapd.conf: `createUser "
			"NAME SHA \"PASSPHRASE\" AES \"PASSPHRASE\"`; the first one is asked for "
			"where a channel names none. Empty: version 3 is off."},
	{.key = "community",
		TEXT(snmp.community),
		.help = "File whose first line is the community of version 2c. Empty: version 2c "
			"is "
			"off."},
	{.key = "at_once",
		UINT(snmp.at_once, 1, 10000),
		.unit = "gateways",
		.preset = "256",
		.help = "That are spoken with at once."},
	END,
};

static const struct config_option mail_table[] = {
	{.key = "host",
		TEXT(mail.host),
		.help = "Next hop of alerts by mail. Empty: none are sent."},
	{.key = "port", UINT(mail.port, 1, 65535), .preset = "25", .help = "Its port."},
	{.key = "from",
		TEXT(mail.from),
		.help = "Address that they are sent from; bounces come back to it."},
	{.key = "maildir",
		TEXT(mail.maildir),
		.help = "Maildir that receipts are read from: mail for the gateways' "
			"`alerts.mail.receipts`. Empty: none."},
	{.key = "repeat_seconds",
		UINT(mail.repeat_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "600",
		.help = "Until an alert without a receipt is mailed again; doubled each time."},
	END,
};

static const struct config_option publish_table[] = {
	{.key = "folder",
		TEXT(publish.folder),
		.help = "Folder that any web server can serve: `feed`, which gateways pull, and "
			"the files of "
			"updates. Empty: nothing is published."},
	{.key = "url",
		TEXT(publish.url),
		.help = "Where that folder is on the web: the files of updates are below it."},
	{.key = "signatures",
		TEXT(publish.signatures),
		.help = "Folder of signature files that updates are made of."},
	END,
};

static const struct config_option top_table[] = {
	{.key = "state",
		TEXT(state),
		.preset = "/var/lib/cordon-vendor",
		.help = "Folder of the database."},
	{.key = "root",
		TEXT(root),
		.required = true,
		.help = "File of the root document that is in force: whose signatures count."},
	{.key = "keys",
		TEXTS(keys, keys_count),
		.help = "Files of private keys that this server signs with. Heartbeats need one of "
			"the role "
			"alerts; all else may be signed elsewhere."},
	{.key = "events",
		TEXT(events),
		.preset = "-",
		.help = "File that JSON lines are appended to (opened again on SIGHUP); `-` is "
			"standard "
			"output."},
	{.key = "heartbeat_seconds",
		UINT(heartbeat_seconds, 0, 86400),
		.unit = "seconds",
		.preset = "900",
		.help = "Between two signed pings to all gateways, which tell them that nothing is "
			"held back; "
			"0: none."},
	{.key = "expiry_seconds",
		UINT(expiry_seconds, 60, 31536000),
		.unit = "seconds",
		.preset = "604800",
		.help = "After which an alert expires that does not say: until then it is tried."},
	{.key = "retry_seconds",
		UINT(retry_seconds, 1, 3600),
		.unit = "seconds",
		.preset = "2",
		.help = "Until the second try; doubled each time, a little different for each "
			"gateway."},
	{.key = "retry_most_seconds",
		UINT(retry_most_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "300",
		.help = "The longest pause between two tries."},
	{.key = "web",
		.kind = OPTION_SECTION,
		MEMBER(web),
		.children = control_options_web,
		.help = "The REST interface (docs/vendor-api.md), the console, metrics and "
			"health."},
	{.key = "https", SECTION(https_table), .help = "Alerts to gateways over HTTPS."},
	{.key = "tcp", SECTION(tcp_table), .help = "Alerts to gateways over TCP."},
	{.key = "snmp", SECTION(snmp_table), .help = "Alerts to gateways by SNMP."},
	{.key = "mqtt", SECTION(mqtt_table), .help = "Alerts to gateways by an MQTT broker."},
	{.key = "mail", SECTION(mail_table), .help = "Alerts to gateways by mail."},
	{.key = "publish", SECTION(publish_table), .help = "Files for gateways that pull."},
	END,
};

static void check_mqtt(struct options_lines *lines, const struct vendor_options *options)
{
	bool has_certificate = options->mqtt.certificate[0] != '\0';

	if (has_certificate != (options->mqtt.key[0] != '\0'))
		options_mistake_at(lines, has_certificate ? "mqtt.certificate" : "mqtt.key",
			"`certificate` and `key` go together");
	if (options->mqtt.plain && (has_certificate || options->mqtt.ca[0] != '\0'))
		options_mistake_at(lines, "mqtt.plain", "does not go with certificates");
	if (options->mqtt.password[0] != '\0' && options->mqtt.user[0] == '\0')
		options_mistake_at(lines, "mqtt.password", "needs a user");
}

static void check_mail(struct options_lines *lines, const struct vendor_options *options)
{
	const char *from = options->mail.from;

	if (options->mail.host[0] == '\0')
		return;
	if (from[0] == '\0' || strchr(from, '@') == NULL || strpbrk(from, " <>\t\r\n") != NULL)
		options_mistake_at(lines, "mail.from", "must be an address");
}

static void check_all(struct options_lines *lines, const void *base, const void *ctx)
{
	const struct vendor_options *options = base;

	(void)ctx;
	if (options->state[0] == '\0')
		options_mistake_at(lines, "state", "must not be empty");
	if (options->events[0] == '\0')
		options_mistake_at(lines, "events", "must not be empty");
	if (options->retry_most_seconds < options->retry_seconds)
		options_mistake_at(lines, "retry_most_seconds", "is less than retry_seconds");
	if (options->publish.signatures[0] != '\0' &&
		(options->publish.folder[0] == '\0' || options->publish.url[0] == '\0'))
		options_mistake_at(
			lines, "publish.signatures", "needs publish.folder and publish.url");
	check_mqtt(lines, options);
	check_mail(lines, options);
	control_options_check_web(lines, &options->web);
}

static void set_presets(struct vendor_options *options)
{
	memset(options, 0, sizeof(*options));
	options_apply_presets(top_table, options);
}

int vendor_options_load(const char *path, struct vendor_options *options, FILE *errors)
{
	const struct options_form form = {top_table, check_all, NULL};

	set_presets(options);
	return options_file_read(path, &form, options, errors);
}

void vendor_options_write_reference(FILE *out)
{
	static struct vendor_options defaults;

	set_presets(&defaults);
	options_file_reference("cordon-vendor", top_table, &defaults, out);
}
