// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_doctor.h"
#include "dataplane/dataplane.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S 86400
#define SOON_DAYS 21 // before a certificate or a root document ends

// ---- files that are nobody else's business --------------------------------------------------------

// Whether it is there, a file, and readable by its owner (and group) alone.
static bool check_secret(struct doctor *doctor, const char *what, const char *path)
{
	struct stat file;
	char reason[128];

	if (stat(path, &file) != 0)
		doctor_say(doctor, "key files", DOCTOR_FAIL, "put the file there, or name another",
			"%s: %s: %s", what, path, strerror_r(errno, reason, sizeof(reason)));
	else if (!S_ISREG(file.st_mode))
		doctor_say(doctor, "key files", DOCTOR_FAIL, "name a file", "%s: %s is none", what,
			path);
	else if ((file.st_mode & S_IRWXO) != 0)
		doctor_say(doctor, "key files", DOCTOR_FAIL,
			"chmod o-rwx, and make a new secret: others may have read this one",
			"%s: %s: anybody on this machine can read it", what, path);
	else if (access(path, R_OK) != 0)
		doctor_say(doctor, "key files", DOCTOR_WARN,
			"run this as the user of the processes", "%s: %s: cannot be read", what,
			path);
	else
		return true;
	return false;
}

static void check_spool_key(struct doctor *doctor)
{
	const char *path = doctor->control.spool.key;
	struct spool_keys *keys;
	char reason[128];
	int err;

	if (doctor->control.spool.directory[0] == '\0')
		return;
	if (access(path, F_OK) != 0) {
		doctor_say(doctor, "key files", DOCTOR_WARN,
			"it is made when the processes start; keep a copy elsewhere",
			"spool.key: %s is not there", path);
		return;
	}
	if (!check_secret(doctor, "spool.key", path))
		return;
	err = spool_keys_open(path, &keys);
	if (err != 0) {
		doctor_say(doctor, "key files", DOCTOR_FAIL,
			"bring back the copy: without it what is held cannot be read",
			"spool.key: %s: %s", path, strerror_r(-err, reason, sizeof(reason)));
		return;
	}
	doctor_say(doctor, "key files", DOCTOR_OK, "", "spool.key: %s opens, %zu keys", path,
		spool_keys_count(keys));
	spool_keys_free(keys);
}

void doctor_check_secrets(struct doctor *doctor)
{
	const struct control_options *control = &doctor->control;
	const struct {
		const char *what;
		const char *path;
	} files[] = {{"alerts.https.key", control->alerts.https.key},
		{"alerts.pull.key", control->alerts.pull.key},
		{"alerts.mqtt.key", control->alerts.mqtt.key},
		{"alerts.mqtt.password", control->alerts.mqtt.password},
		{"alerts.snmp.users", control->alerts.snmp.users},
		{"alerts.snmp.community", control->alerts.snmp.community},
		{"updates.key", control->updates.key}, {"web.key", control->web.key},
		{"web.users", control->web.users}, {"web.metrics_key", control->web.metrics_key}};

	if (!doctor->has_control)
		return;
	check_spool_key(doctor);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].path[0] != '\0' && check_secret(doctor, files[i].what, files[i].path))
			doctor_say(doctor, "key files", DOCTOR_OK, "", "%s: %s", files[i].what,
				files[i].path);
	}
}

// ---- what ends some day ---------------------------------------------------------------------------

static void say_end(
	struct doctor *doctor, const char *check, const char *what, time_t end, const char *advice)
{
	long days = (long)((end - doctor->now) / DAY_S);
	struct tm day;
	char text[32] = "?";

	if (gmtime_r(&end, &day) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &day);
	if (end <= doctor->now)
		doctor_say(doctor, check, DOCTOR_FAIL, advice, "%s ended %s", what, text);
	else
		doctor_say(doctor, check, days < SOON_DAYS ? DOCTOR_WARN : DOCTOR_OK, advice,
			"%s is good until %s, %ld days", what, text, days);
}

static bool fits_key(X509 *certificate, const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
	bool fits = key != NULL && X509_check_private_key(certificate, key) == 1;

	if (file != NULL)
		(void)fclose(file);
	EVP_PKEY_free(key);
	return fits;
}

// The first certificate of the file, which is the server's or client's own. key: "" where it has none.
static void check_certificate(
	struct doctor *doctor, const char *what, const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	struct tm end;
	char text[CONTROL_TEXT_BYTES + 64];

	if (file != NULL)
		(void)fclose(file);
	(void)snprintf(text, sizeof(text), "%s: %s", what, path);
	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
		doctor_say(doctor, "certificates", DOCTOR_FAIL, "put a PEM file there",
			"%s: no certificate can be read", text);
	} else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
		doctor_say(doctor, "certificates", DOCTOR_FAIL,
			"set the clock, or get another certificate", "%s is not good yet", text);
	} else if (key[0] != '\0' && access(key, R_OK) == 0 && !fits_key(certificate, key)) {
		doctor_say(doctor, "certificates", DOCTOR_FAIL, "name the key that it was made for",
			"%s does not belong to %s", text, key);
	} else {
		say_end(doctor, "certificates", text, timegm(&end), "get a new one in its place");
	}
	X509_free(certificate);
	ERR_clear_error();
}

void doctor_check_certificates(struct doctor *doctor)
{
	const struct control_options *control = &doctor->control;
	const struct {
		const char *what;
		const char *path;
		const char *key;
	} files[] = {{"alerts.https.certificate", control->alerts.https.certificate,
			     control->alerts.https.key},
		{"alerts.https.clients", control->alerts.https.clients, ""},
		{"alerts.pull.ca", control->alerts.pull.ca, ""},
		{"alerts.pull.certificate", control->alerts.pull.certificate,
			control->alerts.pull.key},
		{"alerts.mqtt.ca", control->alerts.mqtt.ca, ""},
		{"alerts.mqtt.certificate", control->alerts.mqtt.certificate,
			control->alerts.mqtt.key},
		{"updates.ca", control->updates.ca, ""},
		{"updates.certificate", control->updates.certificate, control->updates.key},
		{"web.certificate", control->web.certificate, control->web.key}};

	if (!doctor->has_control)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].path[0] != '\0')
			check_certificate(doctor, files[i].what, files[i].path, files[i].key);
	}
}

// ---- the root document ----------------------------------------------------------------------------

// When the document in this file ends, which is an envelope (docs/alerts.md); 0: it cannot be read. Whose
// signatures it bears is the control process's to judge.
static time_t root_end(const char *path)
{
	json_t *envelope = json_load_file(path, 0, NULL);
	const char *text = json_string_value(json_object_get(envelope, "payload"));
	size_t length = text != NULL ? strlen(text) : 0;
	unsigned char *bytes = malloc(length + 1);
	struct tm end = {0};
	time_t found = 0;
	json_t *payload;
	int decoded;

	if (bytes == NULL || length == 0 || length > 1u << 20) {
		free(bytes);
		json_decref(envelope);
		return 0;
	}
	decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
	payload = decoded > 0 ? json_loadb((const char *)bytes, (size_t)decoded,
					JSON_DISABLE_EOF_CHECK, NULL)
			      : NULL;
	text = json_string_value(json_object_get(json_object_get(payload, "root"), "expires"));
	if (text != NULL && strptime(text, "%Y-%m-%dT%H:%M:%S", &end) != NULL)
		found = timegm(&end);
	json_decref(payload);
	json_decref(envelope);
	free(bytes);
	return found;
}

void doctor_check_root(struct doctor *doctor)
{
	static const char advice[] =
		"have the vendor publish the next one before then; alerts end with it";
	const json_t *alerts = json_object_get(doctor->status, "alerts");
	time_t end = (time_t)json_integer_value(json_object_get(alerts, "root_expires"));
	char renewed[CONTROL_TEXT_BYTES + 16];

	if (!doctor->has_control)
		return;
	if (doctor->control.alerts.root[0] == '\0') {
		doctor_say(doctor, "root document", DOCTOR_WARN,
			"set alerts.root to the vendor's document",
			"none is configured: no vendor's alerts are taken");
		return;
	}
	// A later one that the vendor has sent lies in the state (alerts.h).
	(void)snprintf(renewed, sizeof(renewed), "%s/root.json", doctor->control.state);
	if (end == 0)
		end = root_end(renewed);
	if (end == 0)
		end = root_end(doctor->control.alerts.root);
	if (end == 0)
		doctor_say(doctor, "root document", DOCTOR_FAIL,
			"put the vendor's document there, as it came", "%s: cannot be read",
			doctor->control.alerts.root);
	else
		say_end(doctor, "root document", "what the vendor is trusted by", end, advice);
}
