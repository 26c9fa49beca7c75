// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options_table.h"

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
		.help = "At once; beyond them the one that was silent longest is closed, and so it "
			"is when fewer than a quarter of the process's descriptors are left."},
	END,
};

static const struct config_option udp_table[] = {
	{.key = "listen",
		TEXT(alerts.udp.listen),
		.help = "`address:port` where alerts are taken, each a datagram. Empty: none are."},
	END,
};

static const struct config_option mqtt_table[] = {
	{.key = "broker",
		TEXT(alerts.mqtt.broker),
		.help = "`host:port` of an MQTT broker that alerts are published to. Empty: none."},
	{.key = "plain",
		BOOL(alerts.mqtt.plain),
		.preset = "false",
		.help = "Whether it is without TLS: alerts are signed, but anybody on the way can "
			"read them, and the password."},
	{.key = "ca",
		TEXT(alerts.mqtt.ca),
		.help = "File of the authorities of the broker's certificate, PEM. Empty: the "
			"system's."},
	{.key = "certificate",
		TEXT(alerts.mqtt.certificate),
		.help = "File of our own certificate, PEM. Empty: none is shown."},
	{.key = "key", TEXT(alerts.mqtt.key), .help = "File of its private key, PEM."},
	{.key = "user",
		TEXT(alerts.mqtt.user),
		.help = "File whose first line is the user's name at the broker. Empty: none."},
	{.key = "password",
		TEXT(alerts.mqtt.password),
		.help = "File whose first line is the password."},
	{.key = "client",
		TEXT(alerts.mqtt.client),
		.help = "Our name at the broker, under which it keeps what comes while we are "
			"away. "
			"Empty: `cordon-` and the gateway's."},
	{.key = "topics",
		TEXTS(alerts.mqtt.topics, alerts.mqtt.topics_count),
		.help = "That are subscribed to; a payload is an envelope, or several, one a line, "
			"the oldest first. Empty: `cordon/VENDOR/alerts`, "
			"`cordon/VENDOR/gateways/GATEWAY/alerts`, and "
			"`cordon/VENDOR/groups/GROUP/alerts` for each of `alerts.groups`; VENDOR "
			"is "
			"the root document's."},
	{.key = "receipts",
		TEXT(alerts.mqtt.receipts),
		.help = "Topic that receipts are published to. Empty: "
			"`cordon/VENDOR/gateways/GATEWAY/receipts`; `-`: none."},
	END,
};

static const struct config_option snmp_table[] = {
	{.key = "listen",
		TEXT(alerts.snmp.listen),
		.help = "`address:port` where SNMP notifications are taken (CORDON-MIB.txt). "
			"Empty: "
			"none are."},
	{.key = "users",
		TEXT(alerts.snmp.users),
		.help = "File of the users of version 3, a line each as in snmptrapd.conf: "
			"`createUser NAME SHA \"PASSPHRASE\" AES \"PASSPHRASE\"`, and for traps, "
			"which are the sender's engine's, `createUser -e 0xENGINE NAME ...`. What "
			"is not authenticated and encrypted is dropped."},
	{.key = "community",
		TEXT(alerts.snmp.community),
		.help = "File whose first line is the community of version 2c. Empty: version 2c "
			"is off."},
	END,
};

static const struct config_option mail_table[] = {
	{.key = "recipient",
		TEXT(alerts.mail.recipient),
		.help = "The dataplane's `alerts.recipient`: a mail that is for nobody else ends "
			"here when there was a signed alert in it. All other mail goes on."},
	{.key = "maildir",
		TEXT(alerts.mail.maildir),
		.help = "Maildir that alerts are read from; what was looked at goes from `new` to "
			"`cur`. Empty: none."},
	{.key = "receipts",
		TEXT(alerts.mail.receipts),
		.help = "Address that the receipts of mailed alerts are sent to, through "
			"`notify.host`. Empty: nobody."},
	END,
};

const struct config_option control_options_alerts[] = {
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
	{.key = "mqtt", SECTION(mqtt_table), .help = "Alerts over MQTT."},
	{.key = "snmp", SECTION(snmp_table), .help = "Alerts by SNMP."},
	{.key = "mail",
		SECTION(mail_table),
		.help = "Alerts by mail: what the dataplane has kept, a Maildir, and `cordonctl "
			"alerts take`."},
	END,
};

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

static void check_mqtt(struct options_lines *lines, const struct control_options *options)
{
	bool has_certificate = options->alerts.mqtt.certificate[0] != '\0';

	if (has_certificate != (options->alerts.mqtt.key[0] != '\0'))
		options_mistake_at(lines,
			has_certificate ? "alerts.mqtt.certificate" : "alerts.mqtt.key",
			"`certificate` and `key` go together");
	if (options->alerts.mqtt.plain && (has_certificate || options->alerts.mqtt.ca[0] != '\0'))
		options_mistake_at(lines, "alerts.mqtt.plain", "does not go with certificates");
	if (options->alerts.mqtt.password[0] != '\0' && options->alerts.mqtt.user[0] == '\0')
		options_mistake_at(lines, "alerts.mqtt.password", "needs a user");
}

static void check_snmp(struct options_lines *lines, const struct control_options *options)
{
	if (options->alerts.snmp.listen[0] != '\0' && options->alerts.snmp.users[0] == '\0' &&
		options->alerts.snmp.community[0] == '\0')
		options_mistake_at(
			lines, "alerts.snmp.users", "is needed, or a community for version 2c");
}

void control_options_check_alerts(
	struct options_lines *lines, const struct control_options *options)
{
	check_https(lines, options);
	check_mqtt(lines, options);
	check_snmp(lines, options);
}
