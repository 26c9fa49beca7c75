// SPDX-License-Identifier: BSD-3-Clause
#include "control/channel_snmp.h"
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
#define NAME_BYTES 27           // of an engine's id that is a text (RFC 3411 section 5)

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
static long long count_start(const struct control_options *options)
{
	char path[PATH_MAX];
	char text[BOOTS_BYTES];
	long long boots = 0;
	int err;

	(void)snprintf(path, sizeof(path), "%s/snmp-boots", options->state);
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

// An engine of our own name, with the number of this start: the library adds one to what it is told.
static void set_engine(const struct control_options *options, long long boots)
{
	char id[2 * (NAME_BYTES + 5) + 3] = "0x80001f8804"; // net-snmp's enterprise, a text
	const char *name = options->gateway;
	char number[BOOTS_BYTES];
	size_t at = strlen(id);

	for (size_t i = 0; i < NAME_BYTES && name[i] != '\0'; i++, at += 2)
		(void)snprintf(id + at, sizeof(id) - at, "%02x", (unsigned int)(uint8_t)name[i]);
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

static int complain(const char *what, const char *path, const char *why, char *error, size_t bytes)
{
	(void)snprintf(error, bytes, "alerts.snmp.%s: %s: %s", what, path, why);
	return -EINVAL;
}

static int read_file(
	const char *what, const char *path, char **text, char *error, size_t error_bytes)
{
	char reason[128];
	size_t bytes = 0;
	int err = durable_read(path, USERS_BYTES, text, &bytes);

	if (err != 0)
		return complain(
			what, path, strerror_r(-err, reason, sizeof(reason)), error, error_bytes);
	return 0;
}

// Lines of snmptrapd.conf: createUser [-e ENGINE] NAME SHA "passphrase" AES "passphrase".
static int add_users(const char *path, char *error, size_t error_bytes)
{
	char *text = NULL;
	char *rest = NULL;
	unsigned int number = 0;
	int err = read_file("users", path, &text, error, error_bytes);

	for (char *line = err == 0 ? text : NULL; line != NULL && err == 0; line = rest) {
		char why[64];
		size_t bytes = strlen(create_user);
		unsigned int before = count_users();

		rest = strchr(line, '\n');
		if (rest != NULL)
			*rest++ = '\0';
		number++;
		line += strspn(line, " \t\r");
		if (line[0] == '\0' || line[0] == '#')
			continue;
		(void)snprintf(why, sizeof(why), "line %u is no user, or one twice", number);
		if (strncmp(line, create_user, bytes) != 0 || strchr(" \t", line[bytes]) == NULL ||
			line[bytes] == '\0') {
			err = complain("users", path, why, error, error_bytes);
			break;
		}
		line += bytes + strspn(line + bytes, " \t");
		usm_parse_create_usmUser(create_user, line);
		if (count_users() == before)
			err = complain("users", path, why, error, error_bytes);
	}
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	return err;
}

static int read_community(
	const char *path, char community[SNMP_SECRET_BYTES], char *error, size_t error_bytes)
{
	char *text = NULL;
	int err = read_file("community", path, &text, error, error_bytes);

	if (err != 0)
		return err;
	text[strcspn(text, "\r\n")] = '\0';
	if (text[0] == '\0' || strlen(text) >= SNMP_SECRET_BYTES)
		err = complain("community", path, "is no community", error, error_bytes);
	else
		(void)snprintf(community, SNMP_SECRET_BYTES, "%s", text);
	free(text);
	return err;
}

int snmp_library_start(const struct control_options *options, char community[SNMP_SECRET_BYTES],
	char *error, size_t error_bytes)
{
	static const int on[] = {NETSNMP_DS_LIB_DONT_READ_CONFIGS,
		NETSNMP_DS_LIB_DONT_PERSIST_STATE, NETSNMP_DS_LIB_DISABLE_V1};
	long long boots = count_start(options);
	int err = 0;

	if (boots < 0) {
		(void)snprintf(error, error_bytes, "alerts.snmp: %s/snmp-boots cannot be kept",
			options->state);
		return (int)boots;
	}
	// Neither files of the system's nor names of MIBs are of any use here.
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		(void)netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, on[i], 1);
	(void)netsnmp_setenv("MIBS", "", 1);
	// Without any handler the library writes a line to standard error for each datagram of anybody's.
	snmp_disable_log();
	(void)netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_DEBUG);
	set_engine(options, boots);
	init_snmp("cordon");
	if (options->alerts.snmp.users[0] != '\0')
		err = add_users(options->alerts.snmp.users, error, error_bytes);
	if (err == 0 && options->alerts.snmp.community[0] != '\0')
		err = read_community(options->alerts.snmp.community, community, error, error_bytes);
	return err;
}

void snmp_library_stop(void)
{
	snmp_shutdown("cordon");
}
