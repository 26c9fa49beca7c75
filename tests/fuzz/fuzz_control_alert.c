// SPDX-License-Identifier: BSD-3-Clause
// Property: what is read of an envelope, of an alert or of a root document is the same when it is written
// down and read again, a refusal always has a reason, and a role's threshold can be reached. The first byte
// chooses which of the three the rest is.
#include "control/alert.h"
#include "control/envelope.h"
#include "control/keys.h"

#include <jansson.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

static char *write_again(const void *text, size_t n)
{
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	char *again = json_dumps(root, JSON_INDENT(1));

	must(again != NULL);
	json_decref(root);
	return again;
}

static void try_envelope(const uint8_t *data, size_t n)
{
	struct envelope *envelope = NULL;
	struct envelope *other = NULL;
	const char *why = NULL;
	size_t bytes;
	char *again;
	int err = envelope_parse(data, n, &envelope, &why);

	must(err == 0 || (err == -EBADMSG && why[0] != '\0'));
	if (err != 0)
		return;
	must(envelope_payload(envelope, &bytes)[bytes] == '\0');
	again = write_again(data, n);
	must(envelope_parse(again, strlen(again), &other, &why) == 0);
	must(strcmp(envelope_digest(envelope), envelope_digest(other)) == 0);
	must(strcmp(envelope_type(envelope), envelope_type(other)) == 0);
	envelope_free(other);
	envelope_free(envelope);
	free(again);
}

static void try_alert(const uint8_t *data, size_t n)
{
	struct alert alert;
	struct alert other;
	char error[ALERT_WHY_BYTES] = "";
	char *again;
	int err = alert_parse((const char *)data, n, &alert, error, sizeof(error));

	must(err == 0 || (err == -EINVAL && error[0] != '\0'));
	if (err != 0)
		return;
	must(alert.issued_s < alert.expires_s);
	again = write_again(data, n);
	must(alert_parse(again, strlen(again), &other, error, sizeof(error)) == 0);
	must(alert.type == other.type && alert.role == other.role && alert.target == other.target);
	must(alert.epoch == other.epoch && alert.sequence == other.sequence);
	must(alert.issued_s == other.issued_s && alert.expires_s == other.expires_s);
	must(strcmp(alert.virus_id, other.virus_id) == 0);
	alert_clear(&other);
	alert_clear(&alert);
	free(again);
}

static void try_keys(const uint8_t *data, size_t n)
{
	json_t *document = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
	char error[ALERT_WHY_BYTES] = "";
	struct keys *keys = NULL;
	int err = keys_parse(document, &keys, error, sizeof(error));

	must(err == 0 || (err == -EINVAL && error[0] != '\0'));
	json_decref(document);
	if (err != 0)
		return;
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++) {
		must(keys_threshold(keys, role) >= 1);
		must(keys_count(keys, role, UINT64_MAX) >= keys_threshold(keys, role));
		must(keys_epoch(keys, role) >= 1);
	}
	keys_free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const tries[])(const uint8_t *data, size_t n) = {
		try_envelope, try_alert, try_keys};

	if (n > 0)
		tries[data[0] % 3](data + 1, n - 1);
	return 0;
}
