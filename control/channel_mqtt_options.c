// SPDX-License-Identifier: BSD-3-Clause
#include "control/channel_mqtt.h"

#include <glib.h>
#include <mosquitto.h>

#include <errno.h>
#include <string.h>

#define OFF "-"

bool mqtt_is_text(const char *line, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
			return true;
	}
	return false;
}

// ---- topics -------------------------------------------------------------------------------------

static int complain(const char *what, const char *name, char *error, size_t error_bytes)
{
	(void)snprintf(error, error_bytes, "alerts.mqtt.%s: \"%s\" cannot be a topic", what, name);
	return -EINVAL;
}

// A name that is one level of a topic: it names nobody else.
static bool is_level(const char *name)
{
	return name[0] != '\0' && strpbrk(name, "/+#$") == NULL &&
	       mosquitto_validate_utf8(name, (int)strlen(name)) == MOSQ_ERR_SUCCESS;
}

static int make_names(struct mqtt_topics *topics, const struct control_options *options,
	const char *vendor, char *error, size_t error_bytes)
{
	GPtrArray *names = g_ptr_array_new();
	const char *bad = is_level(vendor) ? NULL : vendor;

	if (!is_level(options->gateway))
		bad = options->gateway;
	g_ptr_array_add(names, g_strdup_printf("cordon/%s/alerts", vendor));
	g_ptr_array_add(
		names, g_strdup_printf("cordon/%s/gateways/%s/alerts", vendor, options->gateway));
	for (uint32_t i = 0; i < options->alerts.groups_count; i++) {
		const char *group = options->alerts.groups[i];

		if (!is_level(group))
			bad = group;
		g_ptr_array_add(
			names, g_strdup_printf("cordon/%s/groups/%s/alerts", vendor, group));
	}
	topics->count = (int)names->len;
	g_ptr_array_add(names, NULL);
	topics->names = (char **)g_ptr_array_free(names, FALSE);
	return bad == NULL ? 0 : complain("topics", bad, error, error_bytes);
}

static int copy_names(struct mqtt_topics *topics, const struct control_options *options,
	char *error, size_t error_bytes)
{
	uint32_t count = options->alerts.mqtt.topics_count;

	topics->names = g_new0(char *, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		const char *name = options->alerts.mqtt.topics[i];

		if (mosquitto_sub_topic_check(name) != MOSQ_ERR_SUCCESS)
			return complain("topics", name, error, error_bytes);
		topics->names[i] = g_strdup(name);
		topics->count++;
	}
	return 0;
}

static int set_receipts(struct mqtt_topics *topics, const struct control_options *options,
	const char *vendor, char *error, size_t error_bytes)
{
	const char *given = options->alerts.mqtt.receipts;

	if (strcmp(given, OFF) == 0)
		return 0;
	if (given[0] == '\0' && (!is_level(vendor) || !is_level(options->gateway)))
		return complain("receipts", given, error, error_bytes);
	topics->receipts = given[0] != '\0' ? g_strdup(given)
					    : g_strdup_printf("cordon/%s/gateways/%s/receipts",
						      vendor, options->gateway);
	if (mosquitto_pub_topic_check(topics->receipts) != MOSQ_ERR_SUCCESS)
		return complain("receipts", topics->receipts, error, error_bytes);
	return 0;
}

int mqtt_topics_init(struct mqtt_topics *topics, const struct control_options *options,
	const struct alerts *alerts, char *error, size_t error_bytes)
{
	json_t *status = alerts_status(alerts);
	const char *vendor = json_string_value(json_object_get(status, "vendor"));
	const char *client = options->alerts.mqtt.client;
	int err;

	if (vendor == NULL)
		vendor = "";
	topics->client = client[0] != '\0' ? g_strdup(client)
					   : g_strdup_printf("cordon-%s", options->gateway);
	if (options->alerts.mqtt.topics_count > 0)
		err = copy_names(topics, options, error, error_bytes);
	else
		err = make_names(topics, options, vendor, error, error_bytes);
	if (err == 0)
		err = set_receipts(topics, options, vendor, error, error_bytes);
	json_decref(status);
	return err;
}

void mqtt_topics_fini(struct mqtt_topics *topics)
{
	g_strfreev(topics->names);
	g_free(topics->receipts);
	g_free(topics->client);
}
