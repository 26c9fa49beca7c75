// SPDX-License-Identifier: BSD-3-Clause
// replay: real captures against what other programs read in them, and what leaves against what came.
#include "dataplane/capture_file.h"
#include "dataplane/dataplane.h"
#include "dataplane/packet.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <jansson.h>

#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FLOWS 16
#define MAX_STREAM (1u << 20)

// Captures whose messages the gateway rightly reads otherwise than a reader of files does.
static const char *const explained[][2] = {
	{"suricata-verify__smtp-bug-5981.pcap", "payload edited, TCP checksums wrong"},
	{"suricata-verify__smtp-bug-5989.pcap", "payload edited, TCP checksums wrong"},
	{"suricata-verify__smtp-long-DATA-line.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-moloch-bof.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-subject-8859-multi.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-subject-8859-q.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-subject-gb2312-b.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-subject-utf8-mixed.pcap", "payload edited, TCP checksums wrong"},
	{"arkime__smtp-subject-multi-nospace.pcap", "everything at once, and no reply ever"},
	{"mercury__smtp.pcap", "begins in midstream: reset by policy"},
	{"zeek__smtp__mime-header-size-limit.pcap", "far beyond the window of 8192"},
	{"zeek__smtp__smtp-many-addresses.pcap", "far beyond the window of 8192"},
	{"suricata-verify__smtp-bdat-bad-tail-next-mail.pcap",
		"malformed BDAT: not read on as commands"},
	{"zeek__smtp__smtp-bdat-cmd-chunk-size-overflow2.pcap", "BDAT size beyond 64 bits"},
	{"zeek__smtp__smtp-bdat-cmd-invalid.pcap", "BDAT arguments not of RFC 3030"},
};

struct fixture {
	char folder[32];
	char egress[64];
	void *image;
	struct ruleset *ruleset;
	char *text; // events of the last run
	size_t text_bytes;
	struct replay_stats stats;
	char error[512];
};

static int setup(void **state)
{
	static const char rule[] =
		"Eicar-Test:0:*:58354f2150254041505b345c505a58353428505e2937434329377d\n";
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	char path[64];
	const char *paths[] = {path};
	void *image;
	size_t bytes;
	FILE *file;

	assert_non_null(fixture);
	(void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/test_replay.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	(void)snprintf(fixture->egress, sizeof(fixture->egress), "%s/out.pcap", fixture->folder);
	(void)snprintf(path, sizeof(path), "%s/e.ndb", fixture->folder);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(rule, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(ruleset_build(paths, 1, &options, &image, &bytes, &stats), 0);
	(void)unlink(path);
	fixture->image = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(fixture->image);
	memcpy(fixture->image, image, bytes);
	free(image);
	assert_int_equal(ruleset_attach(fixture->image, bytes, &fixture->ruleset), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	ruleset_close(fixture->ruleset);
	free(fixture->image);
	free(fixture->text);
	(void)unlink(fixture->egress);
	(void)rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static int run(struct fixture *fixture, const char *path, const char *policy)
{
	struct replay_options options = {.ruleset = fixture->ruleset,
		.files = &path,
		.files_count = 1,
		.egress = fixture->egress,
		.policies = &policy,
		.policies_count = policy != NULL,
		.digests = DIGEST_SHA256};
	int err;

	free(fixture->text);
	fixture->text = NULL;
	options.events = open_memstream(&fixture->text, &fixture->text_bytes);
	assert_non_null(options.events);
	err = replay_run(&options, &fixture->stats, fixture->error, sizeof(fixture->error));
	assert_int_equal(fclose(options.events), 0);
	return err;
}

// The events of one kind as an array, which the caller lets go of.
static json_t *events_of(const struct fixture *fixture, const char *kind)
{
	json_t *list = json_array();
	char *copy = strdup(fixture->text);
	char *rest = NULL;

	assert_non_null(copy);
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		json_t *event = json_loads(line, 0, NULL);

		assert_non_null(event);
		if (strcmp(json_string_value(json_object_get(event, "event")), kind) == 0)
			assert_int_equal(json_array_append(list, event), 0);
		json_decref(event);
	}
	free(copy);
	return list;
}

// ---- streams ------------------------------------------------------------------------------------

// What a client sent, by sequence number; first copies.
struct flow_bytes {
	struct packet_address address;
	uint32_t isn;
	uint8_t *data;
	uint8_t *have;
	uint32_t count;
};

struct streams {
	struct flow_bytes flows[MAX_FLOWS];
	uint32_t count;
	uint32_t bad; // frames of TCP that are not good
};

static struct flow_bytes *stream_of(struct streams *streams, const struct packet *packet)
{
	struct flow_bytes *flow;

	for (uint32_t i = 0; i < streams->count; i++) {
		flow = &streams->flows[i];
		if (memcmp(flow->address.address, packet->from.address, 32) == 0 &&
			memcmp(flow->address.port_be, packet->from.port_be, 4) == 0)
			return flow;
	}
	if (packet->tcp.flags != TCP_FLAG_SYN || streams->count == MAX_FLOWS)
		return NULL;
	flow = &streams->flows[streams->count++];
	*flow = (struct flow_bytes){.address = packet->from,
		.isn = packet->tcp.seq,
		.data = calloc(1, MAX_STREAM),
		.have = calloc(1, MAX_STREAM)};
	assert_non_null(flow->data);
	assert_non_null(flow->have);
	return flow;
}

static bool is_mail_port(uint16_t port_be)
{
	return port_be == htobe16(25) || port_be == htobe16(587);
}

static void add_packet(struct streams *streams, const struct packet *packet)
{
	struct flow_bytes *flow;
	uint32_t at;

	if (!is_mail_port(packet->from.port_be[1]))
		return;
	flow = stream_of(streams, packet);
	if (flow == NULL)
		return;
	at = packet->tcp.seq - flow->isn;
	for (uint32_t i = 0; i < packet->tcp.payload_bytes && at + i < MAX_STREAM; i++) {
		if (flow->have[at + i]) {
			// One byte for one number, whatever happens.
			assert_int_equal(flow->data[at + i], packet->payload[i]);
			continue;
		}
		flow->have[at + i] = 1;
		flow->data[at + i] = packet->payload[i];
		flow->count++;
	}
}

static void read_streams(const char *path, unsigned int flags, struct streams *streams)
{
	char error[CAPTURE_ERROR_BYTES];
	struct capture_reader *reader;
	struct capture_record record;

	*streams = (struct streams){0};
	assert_int_equal(capture_open(path, &reader, error), 0);
	while (capture_next(reader, &record, error) == 1) {
		struct frame frame = {record.data, record.bytes, record.bytes, NULL};
		struct packet packet;

		packet_parse(&frame, flags, &packet);
		// Other traffic goes on as it came, broken or not.
		streams->bad +=
			packet.kind == PACKET_BAD && (is_mail_port(packet.from.port_be[0]) ||
							     is_mail_port(packet.from.port_be[1]));
		if (packet.kind == PACKET_TCP)
			add_packet(streams, &packet);
	}
	capture_close(reader);
}

static void free_streams(struct streams *streams)
{
	for (uint32_t i = 0; i < streams->count; i++) {
		free(streams->flows[i].data);
		free(streams->flows[i].have);
	}
}

// The server was sent what the clients sent: the same bytes for the same numbers; and all of them,
// unless the capture ended while something waited for a reply.
static void compare_streams(
	const char *name, const char *before, const char *after, bool is_complete)
{
	struct streams in;
	struct streams out;

	read_streams(before, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &in);
	read_streams(after, 0, &out);
	if (out.bad > 0)
		fail_msg("%s: %u bad frames left", name, out.bad);
	if (in.count != out.count)
		fail_msg("%s: %u connections in, %u out", name, in.count, out.count);
	for (uint32_t i = 0; i < in.count; i++) {
		const struct flow_bytes *a = &in.flows[i];
		const struct flow_bytes *b = &out.flows[i];

		if (b->count > a->count || (is_complete && b->count < a->count))
			fail_msg("%s: %u bytes in, %u out", name, a->count, b->count);
		for (uint32_t at = 0; at < MAX_STREAM; at++) {
			if (b->have[at] && (!a->have[at] || b->data[at] != a->data[at]))
				fail_msg("%s: byte %u is another", name, at);
		}
	}
	free_streams(&in);
	free_streams(&out);
}

// ---- tests --------------------------------------------------------------------------------------

static bool is_explained(const char *name)
{
	for (size_t i = 0; i < sizeof(explained) / sizeof(explained[0]); i++) {
		if (strcmp(explained[i][0], name) == 0)
			return true;
	}
	return false;
}

static void compare_message(const char *name, const json_t *mail, const json_t *wanted)
{
	const json_t *parts = json_object_get(mail, "parts");
	const json_t *wanted_parts = json_object_get(wanted, "parts");

	if (!json_equal(json_object_get(mail, "bytes"), json_object_get(wanted, "bytes")))
		fail_msg("%s: message of another size", name);
	if (json_array_size(parts) != json_array_size(wanted_parts))
		fail_msg("%s: %zu parts", name, json_array_size(parts));
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const json_t *part = json_array_get(parts, i);
		const json_t *other = json_array_get(wanted_parts, i);

		if (!json_equal(json_object_get(part, "bytes"), json_object_get(other, "size")) ||
			!json_equal(
				json_object_get(part, "sha256"), json_object_get(other, "sha256")))
			fail_msg("%s: part %zu differs", name, i + 1);
	}
}

// All sessions ran to their natural end, with every message delivered.
static bool is_untouched(const struct fixture *fixture)
{
	return strstr(fixture->text, "\"why\":\"violation") == NULL &&
	       strstr(fixture->text, "\"action\":\"reject\"") == NULL &&
	       strstr(fixture->text, "\"action\":\"tempfail\"") == NULL;
}

static bool is_complete(const struct fixture *fixture)
{
	json_t *sessions = events_of(fixture, "session");
	bool is_fin = true;

	for (size_t i = 0; i < json_array_size(sessions); i++)
		is_fin = is_fin && strcmp(json_string_value(json_object_get(
						  json_array_get(sessions, i), "why")),
					   "fin") == 0;
	json_decref(sessions);
	return is_fin;
}

static void check_capture(struct fixture *fixture, const char *folder, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "pcap"));
	const json_t *wanted = json_object_get(entry, "messages");
	bool has_tls = json_integer_value(json_object_get(entry, "starttls")) > 0;
	char path[512];
	json_t *mails;

	(void)snprintf(path, sizeof(path), "%s/pcaps/%s", folder, name);
	if (run(fixture, path, NULL) != 0)
		fail_msg("%s: %s", name, fixture->error);
	if (is_explained(name))
		return;
	// The client is outside.
	if (strstr(fixture->text, "\"direction\":\"outbound\"") != NULL)
		fail_msg("%s: taken as outbound", name);
	mails = events_of(fixture, "mail");
	if (json_array_size(mails) != json_array_size(wanted))
		fail_msg("%s: %zu messages", name, json_array_size(mails));
	for (size_t i = 0; i < json_array_size(mails); i++)
		compare_message(name, json_array_get(mails, i), json_array_get(wanted, i));
	json_decref(mails);
	if (is_untouched(fixture) && !has_tls)
		compare_streams(name, path, fixture->egress, is_complete(fixture));
}

static void captures_give_the_messages_that_others_read_in_them(void **state)
{
	const char *folder = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe)
	char path[512];
	json_t *list;

	(void)snprintf(path, sizeof(path), "%s/pcaps/expected.json", folder != NULL ? folder : "");
	list = json_load_file(path, 0, NULL);
	if (list == NULL) {
		printf("skip: no captures in CORDON_TEST_DATA\n");
		skip();
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		check_capture(*state, folder, json_array_get(list, i));
	json_decref(list);
}

static void what_is_no_capture_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/none.pcap", fixture->folder);
	assert_int_not_equal(run(fixture, path, NULL), 0);
	assert_non_null(strstr(fixture->error, path));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(
		fputs("this is no capture, though it is long enough for a header\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_not_equal(run(fixture, path, NULL), 0);
	assert_non_null(strstr(fixture->error, path));
	assert_int_not_equal(run(fixture, path, "infected=dance"), 0);
	assert_int_not_equal(fixture->error[0], '\0');
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			captures_give_the_messages_that_others_read_in_them, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_capture_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
