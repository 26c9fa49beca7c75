// SPDX-License-Identifier: BSD-3-Clause
#include "control/metrics.h"

#include <stdio.h>

#define NAME_BYTES 128

void metrics_head(GString *text, const char *name, enum metric_kind kind, const char *help)
{
	g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		kind == METRIC_COUNTER ? "counter" : "gauge");
}

static void add_escaped(GString *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			(void)g_string_append_c(text, '\\');
		if (*value == '\n')
			(void)g_string_append(text, "\\n");
		else
			(void)g_string_append_c(text, *value);
	}
}

void metrics_sample(
	GString *text, const char *name, const char *label, const char *label_value, double value)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	(void)g_string_append(text, name);
	if (label != NULL) {
		g_string_append_printf(text, "{%s=\"", label);
		add_escaped(text, label_value);
		(void)g_string_append(text, "\"}");
	}
	g_string_append_printf(
		text, " %s\n", g_ascii_formatd(number, sizeof(number), "%.17g", value));
}

void metrics_one(
	GString *text, const char *name, enum metric_kind kind, const char *help, double value)
{
	metrics_head(text, name, kind, help);
	metrics_sample(text, name, NULL, NULL, value);
}

// ---- a gateway's --------------------------------------------------------------------------------

struct source {
	const char *object; // of the answer
	const char *member;
	const char *name;
	enum metric_kind kind;
	const char *help;
	double scale; // to base units; 0: 1
};

static const struct source of_status[] = {
	{"", "uptime_seconds", "cordon_control_uptime_seconds", METRIC_GAUGE,
		"Since the control process began", 0},
	{"", "clock_leap_seconds", "cordon_clock_leap_seconds", METRIC_GAUGE,
		"By how much the clock has leapt forward, while what has an end does not go by it",
		0},
	{"dataplane", "up", "cordon_dataplane_up", METRIC_GAUGE, "1: the dataplane answers", 0},
	{"", "sealed", "cordon_sealed", METRIC_GAUGE, "1: at least one seal is open", 0},
	{"", "in_force", "cordon_seals_in_force", METRIC_GAUGE,
		"1: the dataplane diverts by the seals that are open", 0},
	{"screening", "entries", "cordon_screening_entries", METRIC_GAUGE,
		"Checksums that stand in for signatures", 0},
	{"screening", "in_force", "cordon_screening_in_force", METRIC_GAUGE,
		"1: the dataplane looks for them", 0},
	{"mail", "held", "cordon_mails_held", METRIC_GAUGE, "In the buffer, under a seal", 0},
	{"mail", "quarantined", "cordon_mails_in_quarantine", METRIC_GAUGE,
		"In quarantine, infected or suspect", 0},
	{"mail", "released", "cordon_mails_released", METRIC_GAUGE, "Waiting for their delivery",
		0},
	{"mail", "bytes", "cordon_mails_bytes", METRIC_GAUGE, "Of all mail that is kept", 0},
	{"mail", "segments", "cordon_spool_segments", METRIC_GAUGE, "Files of the buffer", 0},
	{"mail", "segment_bytes", "cordon_spool_segment_bytes", METRIC_GAUGE, "Of these files", 0},
	{"mail", "bad", "cordon_spool_records_bad", METRIC_GAUGE,
		"Records that failed their authentication", 0},
	{"mail", "notices", "cordon_notices_waiting", METRIC_GAUGE, "Not delivered yet", 0},
	{"alerts", "stale", "cordon_alerts_stale", METRIC_GAUGE,
		"1: the vendor was not heard for too long", 0},
	{"alerts", "last_heard", "cordon_alerts_last_heard_timestamp_seconds", METRIC_GAUGE,
		"When the vendor was heard last", 0},
	{"alerts", "root_version", "cordon_alerts_root_version", METRIC_GAUGE,
		"Of the root document that is trusted", 0},
	{"alerts", "root_expires", "cordon_alerts_root_expiry_timestamp_seconds", METRIC_GAUGE,
		"When it expires", 0},
	{"alerts", "applied", "cordon_alerts_applied_total", METRIC_COUNTER, "Alerts applied", 0},
	{"alerts", "repeated", "cordon_alerts_repeated_total", METRIC_COUNTER,
		"Alerts that were there before", 0},
};

static const struct source of_stats[] = {
	{"", "uptime_seconds", "cordon_dataplane_uptime_seconds", METRIC_GAUGE,
		"Since the dataplane began", 0},
	{"", "open_connections", "cordon_connections_open", METRIC_GAUGE,
		"SMTP connections at this moment", 0},
	{"memory", "engine_bytes", "cordon_engine_memory_bytes", METRIC_GAUGE,
		"Of all workers' pools", 0},
	{"memory", "mbufs", "cordon_mbufs", METRIC_GAUGE, "Packet buffers", 0},
	{"memory", "mbufs_free", "cordon_mbufs_free", METRIC_GAUGE, "Packet buffers not in use", 0},
	{"ruleset", "signatures", "cordon_ruleset_signatures", METRIC_GAUGE, "In force", 0},
	{"ruleset", "image_bytes", "cordon_ruleset_image_bytes", METRIC_GAUGE,
		"Of the ruleset in force", 0},
	{"spool", "records_durable", "cordon_spool_records_durable_total", METRIC_COUNTER,
		"Mails that were made durable", 0},
	{"spool", "records_failed", "cordon_spool_records_failed_total", METRIC_COUNTER,
		"Mails that could not be made durable", 0},
	{"spool", "stored_bytes", "cordon_spool_stored_bytes_total", METRIC_COUNTER,
		"Written to the buffer", 0},
	{"spool", "write_errors", "cordon_spool_write_errors_total", METRIC_COUNTER,
		"Of the disk of the buffer", 0},
	{"spool", "segments_poisoned", "cordon_spool_segments_poisoned_total", METRIC_COUNTER,
		"Segments given up after an error", 0},
	{"spool", "segments_removed", "cordon_spool_segments_removed_total", METRIC_COUNTER,
		"Segments that somebody removed while they were in use", 0},
	{"spool", "usage_bytes", "cordon_spool_usage_bytes", METRIC_GAUGE, "Of its quota", 0},
	{"spool", "fill_percent", "cordon_spool_fill_ratio", METRIC_GAUGE, "Of its quota", 0.01},
	{"spool", "slowest_us", "cordon_spool_slowest_commit_seconds", METRIC_GAUGE,
		"The slowest commit", 1e-6},
};

static double number_of(const json_t *value)
{
	return json_is_boolean(value) ? (json_is_true(value) ? 1 : 0) : json_number_value(value);
}

static void add_table(GString *text, const json_t *answer, const struct source *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct source *source = &table[i];
		const json_t *object = source->object[0] == '\0'
					       ? answer
					       : json_object_get(answer, source->object);

		metrics_one(text, source->name, source->kind, source->help,
			number_of(json_object_get(object, source->member)) *
				(source->scale != 0 ? source->scale : 1));
	}
}

// cordon_NAME_total for each member of the object.
static void add_counters(GString *text, json_t *counters, const json_t *about, const char *help)
{
	char metric[NAME_BYTES];
	const char *name;
	json_t *value;

	json_object_foreach(counters, name, value)
	{
		const char *own =
			json_string_value(json_object_get(json_object_get(about, name), "help"));

		(void)snprintf(metric, sizeof(metric), "cordon_%s_total", name);
		metrics_one(text, metric, METRIC_COUNTER, own != NULL ? own : help,
			json_number_value(value));
	}
}

// One metric with a sample for each member of the object.
static void add_labelled(
	GString *text, json_t *object, const char *metric, const char *help, const char *label)
{
	const char *name;
	json_t *value;

	metrics_head(text, metric, METRIC_COUNTER, help);
	json_object_foreach(object, name, value)
	{
		metrics_sample(text, metric, label, name, json_number_value(value));
	}
}

static void add_seals(GString *text, const json_t *seals)
{
	static const struct {
		const char *member;
		const char *name;
		const char *help;
	} times[] = {{"begun", "cordon_seal_begun_timestamp_seconds", "When an open seal was set"},
		{"expires", "cordon_seal_expiry_timestamp_seconds", "When it ends by itself"}};

	for (size_t t = 0; t < G_N_ELEMENTS(times); t++) {
		json_t *seal;
		size_t i;

		metrics_head(text, times[t].name, METRIC_GAUGE, times[t].help);
		json_array_foreach(seals, i, seal)
		{
			metrics_sample(text, times[t].name, "virus_id",
				json_string_value(json_object_get(seal, "virus_id")),
				json_number_value(json_object_get(seal, times[t].member)));
		}
	}
}

static void add_channels(GString *text, json_t *channels)
{
	static const char *const members[] = {"received", "answered"};
	char metric[NAME_BYTES];
	const char *channel;
	json_t *counts;

	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		(void)snprintf(metric, sizeof(metric), "cordon_channel_%s_total", members[i]);
		metrics_head(text, metric, METRIC_COUNTER, "Envelopes of a channel");
		json_object_foreach(channels, channel, counts)
		{
			metrics_sample(text, metric, "channel", channel,
				json_number_value(json_object_get(counts, members[i])));
		}
	}
}

static void add_ports(GString *text, const json_t *ports)
{
	static const struct {
		const char *member;
		const char *name;
		const char *help;
	} kinds[] = {{"rx_packets", "cordon_port_receive_packets_total", "Received"},
		{"rx_bytes", "cordon_port_receive_bytes_total", "Received"},
		{"rx_missed", "cordon_port_receive_missed_total", "For which no buffer was free"},
		{"rx_errors", "cordon_port_receive_errors_total", "Received with an error"},
		{"tx_packets", "cordon_port_transmit_packets_total", "Sent"},
		{"tx_bytes", "cordon_port_transmit_bytes_total", "Sent"},
		{"tx_errors", "cordon_port_transmit_errors_total", "Not sent"}};

	for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
		json_t *port;
		size_t i;

		metrics_head(text, kinds[k].name, METRIC_COUNTER, kinds[k].help);
		json_array_foreach(ports, i, port)
		{
			metrics_sample(text, kinds[k].name, "device",
				json_string_value(json_object_get(port, "device")),
				json_number_value(json_object_get(port, kinds[k].member)));
		}
	}
}

static void add_faults(GString *text, const json_t *faults)
{
	const char *what;
	json_t *why;

	metrics_head(text, "cordon_written", METRIC_GAUGE,
		"1: the disk takes it; 0: what is not written down is lost when the process ends");
	json_object_foreach((json_t *)(uintptr_t)faults, what, why)
	{
		metrics_sample(
			text, "cordon_written", "what", what, json_string_length(why) == 0 ? 1 : 0);
	}
}

char *metrics_gateway(const json_t *status, const json_t *stats)
{
	GString *text = g_string_new(NULL);

	add_table(text, status, of_status, G_N_ELEMENTS(of_status));
	add_seals(text, json_object_get(status, "seals"));
	add_counters(text, json_object_get(status, "counters"), NULL, "Of the control process");
	add_labelled(text, json_object_get(json_object_get(status, "alerts"), "refused"),
		"cordon_alerts_refused_total", "Alerts refused, by reason", "reason");
	add_channels(text, json_object_get(status, "channels"));
	add_faults(text, json_object_get(status, "faults"));
	if (stats == NULL)
		return g_string_free(text, FALSE);
	add_table(text, stats, of_stats, G_N_ELEMENTS(of_stats));
	metrics_head(text, "cordon_ruleset_info", METRIC_GAUGE, "Version of the ruleset in force");
	metrics_sample(text, "cordon_ruleset_info", "version",
		json_string_value(json_object_get(json_object_get(stats, "ruleset"), "version")),
		1);
	add_counters(text, json_object_get(stats, "counters"), json_object_get(stats, "about"), "");
	add_labelled(text, json_object_get(stats, "tcp_drops"), "cordon_tcp_drops_total",
		"Packets refused by the TCP checks, by reason", "reason");
	add_labelled(text, json_object_get(stats, "packet_faults"), "cordon_packet_faults_total",
		"Malformed packets, by fault", "fault");
	add_ports(text, json_object_get(stats, "ports"));
	return g_string_free(text, FALSE);
}
