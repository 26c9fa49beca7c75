// SPDX-License-Identifier: BSD-3-Clause
// replay: real captures against what other programs read in them, and what leaves against what came.
#include "dataplane/packet.h"
#include "tests/support/replayed.h"

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
	{"arkime__smtp-subject-multi-nospace.pcap", "everything at once, and no reply ever"},
	{"suricata-verify__smtp-bug-5989.pcap", "greeting grown over the replies after it"},
	{"zeek__smtp__mime-header-size-limit.pcap", "headers beyond the limit: suspect"},
	{"arkime__smtp-moloch-bof.pcap", "a line of the header that is no field"},
	{"mercury__smtp.pcap", "begins in midstream: reset by policy"},
	{"suricata-verify__smtp-bdat-bad-tail-next-mail.pcap",
		"malformed BDAT: not read on as commands"},
	{"zeek__smtp__smtp-bdat-cmd-chunk-size-overflow2.pcap", "BDAT size beyond 64 bits"},
	{"zeek__smtp__smtp-bdat-cmd-invalid.pcap", "BDAT arguments not of RFC 3030"},
};

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
	uint32_t bad;     // frames of TCP that are not good
	bool is_original; // may say two things for one number: the first counts
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
			if (!streams->is_original)
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

	*streams = (struct streams){.is_original = flags != 0};
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

// The leaves of the MIME tree: members of archives, which have no content type, stand between them.
static json_t *leaves_of(const json_t *mail)
{
	const json_t *parts = json_object_get(mail, "parts");
	json_t *leaves = json_array();

	for (size_t i = 0; i < json_array_size(parts); i++) {
		json_t *part = json_array_get(parts, i);

		if (strcmp(json_string_value(json_object_get(part, "content_type")), "") != 0)
			assert_int_equal(json_array_append(leaves, part), 0);
	}
	return leaves;
}

static void compare_message(const char *name, const json_t *mail, const json_t *wanted)
{
	json_t *parts = leaves_of(mail);
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
	json_decref(parts);
}

// All sessions ran to their natural end, with every message delivered.
static bool is_untouched(const struct replayed *replayed)
{
	return strstr(replayed->text, "\"why\":\"violation") == NULL &&
	       strstr(replayed->text, "\"action\":\"reject\"") == NULL &&
	       strstr(replayed->text, "\"action\":\"tempfail\"") == NULL;
}

static bool is_complete(const struct replayed *replayed)
{
	json_t *sessions = replayed_events(replayed, "session");
	bool is_fin = true;

	for (size_t i = 0; i < json_array_size(sessions); i++)
		is_fin = is_fin && strcmp(json_string_value(json_object_get(
						  json_array_get(sessions, i), "why")),
					   "fin") == 0;
	json_decref(sessions);
	return is_fin;
}

static void check_capture(struct replayed *replayed, const char *folder, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "pcap"));
	const json_t *wanted = json_object_get(entry, "messages");
	bool has_tls = json_integer_value(json_object_get(entry, "starttls")) > 0;
	char path[512];
	json_t *mails;

	(void)snprintf(path, sizeof(path), "%s/pcaps/%s", folder, name);
	if (replayed_run(replayed, path, NULL) != 0)
		fail_msg("%s: %s", name, replayed->error);
	if (is_explained(name))
		return;
	// The client is outside.
	if (strstr(replayed->text, "\"direction\":\"outbound\"") != NULL)
		fail_msg("%s: taken as outbound", name);
	mails = replayed_events(replayed, "mail");
	if (json_array_size(mails) != json_array_size(wanted))
		fail_msg("%s: %zu messages", name, json_array_size(mails));
	for (size_t i = 0; i < json_array_size(mails); i++)
		compare_message(name, json_array_get(mails, i), json_array_get(wanted, i));
	json_decref(mails);
	if (is_untouched(replayed) && !has_tls)
		compare_streams(name, path, replayed->egress, is_complete(replayed));
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
	struct replayed *replayed = *state;
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/none.pcap", replayed->folder);
	assert_int_not_equal(replayed_run(replayed, path, NULL), 0);
	assert_non_null(strstr(replayed->error, path));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(
		fputs("this is no capture, though it is long enough for a header\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_not_equal(replayed_run(replayed, path, NULL), 0);
	assert_non_null(strstr(replayed->error, path));
	assert_int_not_equal(replayed_run(replayed, path, "infected=dance"), 0);
	assert_int_not_equal(replayed->error[0], '\0');
	(void)unlink(path);
}

static void a_file_that_ends_early_counts_for_what_is_read(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;

	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, "Subject: x\r\n\r\ntext\r\n", 20);
	replayed_write(replayed, talk.items, talk.count);
	// Within the first record, then within the second.
	assert_int_equal(truncate(replayed->input, 24 + 16 + 8), 0);
	assert_int_not_equal(replayed_run(replayed, replayed->input, NULL), 0);
	assert_non_null(strstr(replayed->error, replayed->input));
	replayed_write(replayed, talk.items, talk.count);
	assert_int_equal(truncate(replayed->input, 24 + 16 + 58 + 16 + 8), 0);
	assert_int_equal(replayed_run(replayed, replayed->input, NULL), 0);
	assert_int_equal(replayed->stats.frames_in, 1);
	assert_non_null(strstr(replayed->notes, "not read to its end"));
	// A capture of nothing is one.
	assert_int_equal(truncate(replayed->input, 24), 0);
	assert_int_equal(replayed_run(replayed, replayed->input, NULL), 0);
	assert_int_equal(replayed->stats.frames_in, 0);
	frames_talk_free(&talk);
}

static void one_file_that_cannot_be_read_does_not_end_the_run(void **state)
{
	struct replayed *replayed = *state;
	const char *const files[] = {"/nonexistent/x.pcap", replayed->input, "/nonexistent/y.pcap"};
	char *notes = NULL;
	size_t notes_bytes = 0;
	struct replay_options options = {.ruleset = replayed->ruleset,
		.files = files,
		.files_count = 3,
		.events = fopen("/dev/null", "we"),
		.notes = open_memstream(&notes, &notes_bytes)};
	struct replay_stats stats;
	struct frames_talk talk;

	assert_non_null(options.events);
	assert_non_null(options.notes);
	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, "Subject: x\r\n\r\ntext\r\n", 20);
	replayed_write(replayed, talk.items, talk.count);
	assert_int_not_equal(
		replay_run(&options, &stats, replayed->error, sizeof(replayed->error)), 0);
	assert_int_equal(fclose(options.events), 0);
	assert_int_equal(fclose(options.notes), 0);
	assert_int_equal(stats.messages, 1);
	assert_non_null(strstr(replayed->error, files[0]));
	assert_non_null(strstr(notes, files[2]));
	free(notes);
	frames_talk_free(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(captures_give_the_messages_that_others_read_in_them,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(a_file_that_ends_early_counts_for_what_is_read,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(one_file_that_cannot_be_read_does_not_end_the_run,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(
			what_is_no_capture_is_an_error, replayed_setup, replayed_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
