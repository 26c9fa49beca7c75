// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_root.h"

#include "control/durable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void alerts_root_close(struct alerts_root *root)
{
	keys_free(root->keys);
	root->keys = NULL;
}

static bool is_signed(const struct keys *keys, const struct envelope *envelope)
{
	return keys_count(keys, ROLE_ROOT, keys_signers(keys, envelope)) >=
	       keys_threshold(keys, ROLE_ROOT);
}

// ---- from files ---------------------------------------------------------------------------------

static int read_document(
	struct alerts_root *root, const struct envelope *envelope, char *error, size_t error_bytes)
{
	struct alert alert;
	size_t bytes;
	const char *payload = envelope_payload(envelope, &bytes);
	int err = alert_parse(payload, bytes, &alert, error, error_bytes);

	if (err != 0)
		return err;
	if (alert.type != ALERT_ROOT || strcmp(envelope_type(envelope), ENVELOPE_ALERT) != 0) {
		(void)snprintf(error, error_bytes, "not a root document");
		err = -EINVAL;
	} else {
		err = keys_parse(alert.body, &root->keys, error, error_bytes);
	}
	if (err == 0) {
		root->version = alert.sequence;
		(void)snprintf(root->vendor, sizeof(root->vendor), "%s", alert.vendor);
	}
	alert_clear(&alert);
	if (err == 0 && !is_signed(root->keys, envelope)) {
		(void)snprintf(error, error_bytes, "not signed as it asks for itself");
		alerts_root_close(root);
		err = -EINVAL;
	}
	return err;
}

// A file that is missing leaves root without keys.
static int read_file(struct alerts_root *root, const char *path, char *error, size_t error_bytes)
{
	struct envelope *envelope = NULL;
	const char *why = "";
	char text[256] = "";
	char *data = NULL;
	size_t bytes = 0;
	int err;

	memset(root, 0, sizeof(*root));
	if (path[0] == '\0')
		return 0;
	err = durable_read(path, ENVELOPE_MAX_BYTES, &data, &bytes);
	if (err == -ENOENT)
		return 0;
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: cannot be read", path);
		return err;
	}
	err = envelope_parse(data, bytes, &envelope, &why);
	if (err == 0)
		err = read_document(root, envelope, text, sizeof(text));
	if (err != 0)
		(void)snprintf(error, error_bytes, "%s: %s", path, envelope != NULL ? text : why);
	envelope_free(envelope);
	free(data);
	return err == -EINVAL ? -EBADMSG : err;
}

int alerts_root_open(struct alerts_root *root, const char *kept, const char *first, char *error,
	size_t error_bytes)
{
	struct alerts_root other;
	int err = read_file(root, kept, error, error_bytes);

	if (err != 0)
		return err;
	err = read_file(&other, first, error, error_bytes);
	if (err != 0) {
		alerts_root_close(root);
		return err;
	}
	if (root->keys == NULL || (other.keys != NULL && other.version > root->version)) {
		alerts_root_close(root);
		*root = other;
	} else {
		alerts_root_close(&other);
	}
	return 0;
}

// ---- the next one -------------------------------------------------------------------------------

int alerts_root_check(const struct alerts_root *root, const struct alert *alert,
	const struct envelope *envelope, int64_t now_s, struct keys **keys, char *why)
{
	const char *text = NULL;
	int err;

	if (alert->sequence <= root->version)
		text = "an old sequence";
	else if (alert->sequence != root->version + 1)
		text = "too far ahead in sequence";
	else if (!is_signed(root->keys, envelope))
		text = "too few signatures";
	if (text != NULL) {
		(void)snprintf(why, ALERT_WHY_BYTES, "%s", text);
		return -EACCES;
	}
	err = keys_parse(alert->body, keys, why, ALERT_WHY_BYTES);
	if (err != 0)
		return err;
	if (!is_signed(*keys, envelope))
		text = "not signed as it asks for itself";
	else if (keys_expires(*keys) <= now_s)
		text = "its keys have expired";
	if (text == NULL)
		return 0;
	(void)snprintf(why, ALERT_WHY_BYTES, "%s", text);
	keys_free(*keys);
	*keys = NULL;
	return -EACCES;
}

void alerts_root_adopt(struct alerts_root *root, const struct alert *alert, struct keys *keys)
{
	keys_free(root->keys);
	root->keys = keys;
	root->version = alert->sequence;
}

int alerts_root_renew(struct alerts_root *root, const char *kept, const char *envelope,
	const struct alert *alert, struct keys *keys)
{
	int err = durable_write(kept, envelope, strlen(envelope));

	if (err == 0)
		alerts_root_adopt(root, alert, keys);
	return err;
}
