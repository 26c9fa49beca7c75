// SPDX-License-Identifier: BSD-3-Clause
#include "control/snmp_library.h"

#include "control/durable.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <openssl/crypto.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_BYTES 65536 // of the file
#define BOOTS_BYTES 32
#define BOOTS_MOST 2147483646ll // RFC 3414 section 2.3

struct snmp_error {
	char *text;
	size_t bytes;
};

static const char create_user[] = "createUser";

static int read_boots(const char *path, long long *boots)
{
	char *text = NULL;
	size_t bytes = 0;
	int err = durable_read(path, BOOTS_BYTES, &text, &bytes);

	*boots = 0;
	if (err == 0)
		*boots = strtoll(text, NULL, 10);
	free(text);
	return err == -ENOENT ? 0 : err;
}

// Returns the number of this start, or -errno.
static long long count_start(const struct snmp_settings *settings)
{
	char path[PATH_MAX];
	char text[BOOTS_BYTES];
	long long boots = 0;
	int err;

	(void)snprintf(path, sizeof(path), "%s/snmp-boots", settings->state);
	err = read_boots(path, &boots);
	if (err != 0)
		return err;
	boots = boots < 0 || boots >= BOOTS_MOST ? BOOTS_MOST : boots + 1;
	err = durable_write(path, text, (size_t)snprintf(text, sizeof(text), "%lld\n", boots));
	return err != 0 ? err : boots;
}

static void remember(const char *word, const char *value)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "%s %s", word, value);
	netsnmp_config_remember(line);
}

size_t snmp_library_engine(const char *name, uint8_t out[SNMP_ENGINE_BYTES])
{
	// net-snmp's enterprise, a text.
	static const uint8_t head[] = {0x80, 0x00, 0x1f, 0x88, 0x04};
	size_t bytes = strnlen(name, SNMP_ENGINE_BYTES - sizeof(head));

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), name, bytes);
	return sizeof(head) + bytes;
}

// An engine of our own name, with the number of this start: the library adds one to what it is told.
static void set_engine(const char *name, long long boots)
{
	uint8_t engine[SNMP_ENGINE_BYTES];
	size_t bytes = snmp_library_engine(name, engine);
	char id[2 * SNMP_ENGINE_BYTES + 3] = "0x";
	char number[BOOTS_BYTES];

	for (size_t i = 0; i < bytes; i++)
		(void)snprintf(id + 2 + 2 * i, sizeof(id) - 2 - 2 * i, "%02x", engine[i]);
	(void)snprintf(number, sizeof(number), "%lld", boots - 1);
	remember("exactEngineID", id);
	remember("oldEngineID", id);
	remember("engineBoots", number);
}

static unsigned int count_users(void)
{
	unsigned int count = 0;

	for (const struct usmUser *user = usm_get_userList(); user != NULL; user = user->next)
		count++;
	return count;
}

bool snmp_library_add_user(const char *definition)
{
	char *line = strdup(definition);
	unsigned int before = count_users();

	if (line == NULL)
		return false;
	usm_parse_create_usmUser(create_user, line);
	OPENSSL_cleanse(line, strlen(line));
	free(line);
	return count_users() > before;
}

static int complain(const struct snmp_settings *settings, const char *what, const char *path,
	const char *why, struct snmp_error error)
{
	(void)snprintf(
		error.text, error.bytes, "%s.%s: %s: %s", settings->section, what, path, why);
	return -EINVAL;
}

static int read_file(const struct snmp_settings *settings, const char *what, const char *path,
	char **text, struct snmp_error error)
{
	char reason[128];
	size_t bytes = 0;
	int err = durable_read(path, USERS_BYTES, text, &bytes);

	if (err != 0)
		return complain(
			settings, what, path, strerror_r(-err, reason, sizeof(reason)), error);
	return 0;
}

// What follows the word that a line begins with; NULL: it begins with another. "": there is nothing in it.
static const char *definition_of(char *line)
{
	size_t bytes = strlen(create_user);

	line += strspn(line, " \t\r");
	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return "";
	if (strncmp(line, create_user, bytes) != 0 || strchr(" \t", line[bytes]) == NULL ||
		line[bytes] == '\0')
		return NULL;
	return line + bytes + strspn(line + bytes, " \t");
}

// Lines of snmptrapd.conf: createUser [-e ENGINE] NAME SHA "passphrase" AES "passphrase".
static int read_users(const struct snmp_settings *settings, struct snmp_error error)
{
	char *text = NULL;
	char *rest = NULL;
	unsigned int number = 0;
	int err = read_file(settings, "users", settings->users, &text, error);

	for (char *line = err == 0 ? text : NULL; line != NULL && err == 0; line = rest) {
		const char *definition;
		char why[64];

		rest = strchr(line, '\n');
		if (rest != NULL)
			*rest++ = '\0';
		number++;
		definition = definition_of(line);
		if (definition != NULL && definition[0] == '\0')
			continue;
		(void)snprintf(why, sizeof(why), "line %u is no user, or one twice", number);
		if (definition == NULL || !snmp_library_add_user(definition) ||
			(settings->user != NULL && !settings->user(settings->ctx, definition)))
			err = complain(settings, "users", settings->users, why, error);
	}
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	return err;
}

static int read_community(const struct snmp_settings *settings, char community[SNMP_SECRET_BYTES],
	struct snmp_error error)
{
	const char *path = settings->community;
	char *text = NULL;
	int err = read_file(settings, "community", path, &text, error);

	if (err != 0)
		return err;
	text[strcspn(text, "\r\n")] = '\0';
	if (text[0] == '\0' || strlen(text) >= SNMP_SECRET_BYTES)
		err = complain(settings, "community", path, "is no community", error);
	else
		(void)snprintf(community, SNMP_SECRET_BYTES, "%s", text);
	free(text);
	return err;
}

int snmp_library_start(const struct snmp_settings *settings, char community[SNMP_SECRET_BYTES],
	char *error, size_t error_bytes)
{
	static const int on[] = {NETSNMP_DS_LIB_DONT_READ_CONFIGS,
		NETSNMP_DS_LIB_DONT_PERSIST_STATE, NETSNMP_DS_LIB_DISABLE_V1};
	const struct snmp_error told = {error, error_bytes};
	long long boots = count_start(settings);
	int err = 0;

	if (boots < 0) {
		(void)snprintf(error, error_bytes, "%s: %s/snmp-boots cannot be kept",
			settings->section, settings->state);
		return (int)boots;
	}
	// Neither files of the system's nor names of MIBs are of any use here.
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		(void)netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, on[i], 1);
	(void)netsnmp_setenv("MIBS", "", 1);
	// Without any handler the library writes a line to standard error for each datagram of anybody's.
	snmp_disable_log();
	(void)netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_DEBUG);
	set_engine(settings->name, boots);
	init_snmp("cordon");
	if (settings->users[0] != '\0')
		err = read_users(settings, told);
	if (err == 0 && settings->community[0] != '\0')
		err = read_community(settings, community, told);
	return err;
}

void snmp_library_stop(void)
{
	snmp_shutdown("cordon");
}
