// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options_web.h"

#include <stddef.h>

#define MEMBER(member)                                                                             \
	.offset = offsetof(struct web_options, member),                                            \
	.size = sizeof(((struct web_options *)0)->member)
#define TEXT(member) .kind = OPTION_TEXT, MEMBER(member), .max = WEB_OPTION_BYTES - 1
#define UINT(member, low, high) .kind = OPTION_UINT, MEMBER(member), .min = (low), .max = (high)

static const struct option_choice bools[] = {{"false", false}, {"true", true}, {NULL, 0}};

const struct config_option control_options_web[] = {
	{.key = "listen",
		TEXT(listen),
		.help = "Where the page, metrics, health and whatever else there is are served, as "
			"`address:port` or `[address]:port`. Empty: nowhere."},
	{.key = "certificate",
		TEXT(certificate),
		.help = "File of the server's certificate and its chain, PEM."},
	{.key = "key", TEXT(key), .help = "File of its private key, PEM."},
	{.key = "plain",
		.kind = OPTION_BOOL,
		MEMBER(plain),
		.choices = bools,
		.preset = "false",
		.help = "HTTP without TLS: for a proxy on the same machine."},
	{.key = "allow",
		.kind = OPTION_TEXTS,
		.offset = offsetof(struct web_options, allow),
		.size = WEB_OPTION_BYTES,
		.count_offset = offsetof(struct web_options, allow_count),
		.room = WEB_MAX_ALLOW,
		.max = WEB_OPTION_BYTES - 1,
		.help = "Networks that may ask, such as `192.0.2.0/24`; none: everybody."},
	{.key = "per_minute",
		UINT(per_minute, 1, 10000000),
		.unit = "requests",
		.preset = "6000",
		.help = "That one address may send; what is more gets 429."},
	{.key = "users",
		TEXT(users),
		.help = "File of those who may log in to the page, kept with the program's command "
			"`user`. Empty: there is no page."},
	{.key = "metrics_key",
		TEXT(metrics_key),
		.help = "File with the token that `/metrics` asks for (`Authorization: Bearer`). "
			"Empty: none."},
	{.key = "idle_seconds",
		UINT(idle_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "1800",
		.help = "After which a session that is not used ends."},
	{.key = "most_seconds",
		UINT(most_seconds, 1, 604800),
		.unit = "seconds",
		.preset = "43200",
		.help = "After which any session ends."},
	{.key = NULL},
};

void control_options_check_web(struct options_lines *lines, const struct web_options *options)
{
	bool has_certificate = options->certificate[0] != '\0';

	if (options->listen[0] == '\0')
		return;
	if (!has_certificate && !options->plain)
		options_mistake_at(lines, "web.certificate", "is needed, or web.plain: true");
	if (has_certificate && options->plain)
		options_mistake_at(lines, "web.plain", "does not go with a certificate");
	if (has_certificate && options->key[0] == '\0')
		options_mistake_at(lines, "web.key", "is needed with a certificate");
}
