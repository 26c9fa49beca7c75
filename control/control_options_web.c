// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options_table.h"

const struct config_option control_options_web[] = {
	{.key = "listen",
		TEXT(web.listen),
		.help = "Where the page, metrics and health are served, as `address:port` or "
			"`[address]:port`. Empty: nowhere."},
	{.key = "certificate",
		TEXT(web.certificate),
		.help = "File of the server's certificate and its chain, PEM."},
	{.key = "key", TEXT(web.key), .help = "File of its private key, PEM."},
	{.key = "plain",
		BOOL(web.plain),
		.preset = "false",
		.help = "HTTP without TLS: for a proxy on the same machine."},
	{.key = "allow",
		TEXTS(web.allow, web.allow_count),
		.help = "Networks that may ask, such as `192.0.2.0/24`; none: everybody."},
	{.key = "per_minute",
		UINT(web.per_minute, 1, 1000000),
		.unit = "requests",
		.preset = "1200",
		.help = "That one address may send."},
	{.key = "users",
		TEXT(web.users),
		.help = "File of those who may log in, kept with `cordon-control user`. Empty: "
			"there is no page, only `/metrics`, `/healthz` and `/readyz`."},
	{.key = "metrics_key",
		TEXT(web.metrics_key),
		.help = "File with the token that `/metrics` asks for (`Authorization: Bearer`). "
			"Empty: none."},
	{.key = "idle_seconds",
		UINT(web.idle_seconds, 60, 86400),
		.unit = "seconds",
		.preset = "1800",
		.help = "After which a session that is not used ends."},
	{.key = "most_seconds",
		UINT(web.most_seconds, 60, 604800),
		.unit = "seconds",
		.preset = "43200",
		.help = "After which any session ends."},
	END,
};

void control_options_check_web(struct options_lines *lines, const struct control_options *options)
{
	bool has_certificate = options->web.certificate[0] != '\0';

	if (options->web.listen[0] == '\0')
		return;
	if (!has_certificate && !options->web.plain)
		options_mistake_at(lines, "web.certificate", "is needed, or web.plain: true");
	if (has_certificate && options->web.plain)
		options_mistake_at(lines, "web.plain", "does not go with a certificate");
	if (has_certificate && options->web.key[0] == '\0')
		options_mistake_at(lines, "web.key", "is needed with a certificate");
}
