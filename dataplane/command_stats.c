// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/command_stats.h"

#include <jansson.h>

#include <ctype.h>
#include <string.h>

// Of a counter that another thread writes.
static uint64_t read_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_engine(struct counters *into, const struct engine *engine)
{
	const struct counters *from = engine_counters(engine);

#define COUNTER(name, unit, help) into->name += read_counter(&from->name);
#include "dataplane/counters.def"
#undef COUNTER
}

void stats_sum(const struct stats_source *source, struct counters *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < source->engines_count; i++)
		add_engine(out, source->engines[i]);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value & INT64_MAX));
}

// jansson's *_new calls take the value, NULL included: out of memory shows in the end result only.
static void put(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static json_t *counters_object(const struct counters *counters)
{
	json_t *object = json_object();

#define COUNTER(name, unit, help) put(object, #name, number(counters->name));
#include "dataplane/counters.def"
#undef COUNTER
	return object;
}

static json_t *counters_about(void)
{
	json_t *object = json_object();
	uint32_t count;
	const struct counter_info *info = counters_info(&count);

	for (uint32_t i = 0; i < count; i++)
		put(object, info[i].name,
			json_pack("{s:s, s:s}", "unit", info[i].unit, "help", info[i].help));
	return object;
}

// "BAD_FLAGS" to "bad-flags".
static const char *plain_name(const char *constant, char out[64])
{
	size_t n = 0;

	for (; n < 63 && constant[n] != '\0'; n++)
		out[n] = (char)(constant[n] == '_' ? '-' : tolower((unsigned char)constant[n]));
	out[n] = '\0';
	return out;
}

static json_t *tcp_drops(const struct stats_source *source)
{
	static const char *const names[] = {
#define X(name, help) #name,
		TCP_REASONS(X)
#undef X
	};
	json_t *object = json_object();
	char name[64];

	for (uint32_t reason = 1; reason < sizeof(names) / sizeof(names[0]); reason++) {
		uint64_t sum = 0;

		for (uint32_t i = 0; i < source->engines_count; i++) {
			uint32_t count;
			const uint64_t *drops = engine_tcp_drops(source->engines[i], &count);

			sum += reason < count ? read_counter(&drops[reason]) : 0;
		}
		put(object, plain_name(names[reason], name), number(sum));
	}
	return object;
}

static json_t *packet_faults(const struct stats_source *source)
{
	json_t *object = json_object();
	uint32_t count = 0;

	if (source->engines_count > 0)
		(void)engine_packet_faults(source->engines[0], &count);
	for (uint32_t fault = 1; fault < count; fault++) {
		uint64_t sum = 0;

		for (uint32_t i = 0; i < source->engines_count; i++)
			sum += read_counter(
				&engine_packet_faults(source->engines[i], &count)[fault]);
		put(object, packet_fault_name((enum packet_fault)fault), number(sum));
	}
	return object;
}

static json_t *workers_list(const struct stats_source *source)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < source->engines_count; i++) {
		const struct engine *engine = source->engines[i];
		struct counters counters = {0};
		json_t *worker = json_object();

		add_engine(&counters, engine);
		put(worker, "worker", number(i));
		put(worker, "open_connections", number(engine_open_connections(engine)));
		put(worker, "memory_bytes", number(engine_memory_bytes(engine)));
		put(worker, "counters", counters_object(&counters));
		(void)json_array_append_new(list, worker);
	}
	return list;
}

static json_t *ports_list(const struct stats_source *source)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < source->ports_count; i++) {
		const struct stats_port *port = &source->ports[i];
		json_t *object = json_object();

		put(object, "link", json_string(port->link));
		put(object, "side", json_string(port->side));
		put(object, "device", json_string(port->device));
		put(object, "up", json_boolean(port->up));
		put(object, "rx_packets", number(port->rx_packets));
		put(object, "rx_bytes", number(port->rx_bytes));
		put(object, "rx_missed", number(port->rx_missed));
		put(object, "rx_errors", number(port->rx_errors));
		put(object, "tx_packets", number(port->tx_packets));
		put(object, "tx_bytes", number(port->tx_bytes));
		put(object, "tx_errors", number(port->tx_errors));
		(void)json_array_append_new(list, object);
	}
	return list;
}

static json_t *ruleset_object(const struct ruleset_info *info)
{
	json_t *object = json_object();

	if (info == NULL)
		return object;
	put(object, "version", json_string(info->version));
	put(object, "base", json_stringn(info->version, strcspn(info->version, "+")));
	put(object, "delta",
		json_string(
			strchr(info->version, '+') != NULL ? strchr(info->version, '+') + 1 : ""));
	put(object, "signatures", number(info->signatures));
	put(object, "literals", number(info->literals));
	put(object, "patterns", number(info->patterns));
	put(object, "hashes", number(info->hashes));
	put(object, "image_bytes", number(info->image_bytes));
	put(object, "stream_bytes", number(info->stream_bytes));
	return object;
}

static json_t *spool_object(struct spool *spool)
{
	json_t *object = json_object();
	struct spool_status status;

	if (spool == NULL)
		return object;
	spool_get_status(spool, &status);
	put(object, "io", json_string(status.io));
#define X(name, unit, help) put(object, #name, number(status.name));
	SPOOL_COUNTERS(X)
#undef X
	return object;
}

static json_t *memory_object(const struct stats_source *source, uint64_t *open)
{
	json_t *object = json_object();
	uint64_t sum = 0;

	*open = 0;
	for (uint32_t i = 0; i < source->engines_count; i++) {
		sum += engine_memory_bytes(source->engines[i]);
		*open += engine_open_connections(source->engines[i]);
	}
	put(object, "engine_bytes", number(sum));
	put(object, "connection_bytes",
		number(source->engines_count > 0 ? engine_connection_bytes(source->engines[0])
						 : 0));
	put(object, "message_state_bytes",
		number(source->engines_count > 0 ? engine_message_bytes(source->engines[0]) : 0));
	put(object, "mbufs", number(source->mbufs));
	put(object, "mbufs_free", number(source->mbufs_free));
	return object;
}

char *stats_json(const struct stats_source *source)
{
	json_t *root = json_object();
	struct counters sum;
	uint64_t open;
	json_t *memory = memory_object(source, &open);
	char *text;

	stats_sum(source, &sum);
	put(root, "gateway", json_string(source->gateway));
	put(root, "uptime_seconds", number(source->uptime_ns / 1000000000));
	put(root, "open_connections", number(open));
	put(root, "counters", counters_object(&sum));
	put(root, "tcp_drops", tcp_drops(source));
	put(root, "packet_faults", packet_faults(source));
	put(root, "memory", memory);
	put(root, "ruleset", ruleset_object(source->ruleset));
	put(root, "spool", spool_object(source->spool));
	put(root, "ports", ports_list(source));
	put(root, "workers", workers_list(source));
	put(root, "about", counters_about());
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}
