// SPDX-License-Identifier: BSD-3-Clause
// replay: what leaves when a message is refused, over every kind of link and packet.
#include "tests/support/replayed.h"

#include <pcap/pcap.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char head[] = "From: a@example.org\r\nSubject: x\r\n\r\n";

// A session that delivers EICAR by DATA or in chunks.
static void make_talk_of(struct frames_talk *talk, uint8_t family, bool has_chunks, uint16_t mss)
{
	static const char body[] =
		"From: a@example.org\r\nSubject: x\r\n\r\n" REPLAYED_EICAR "\r\n";
	char line[64];

	frames_talk_init(talk, family, 41022);
	talk->mss = mss;
	if (!has_chunks) {
		frames_talk_mail(talk, body, sizeof(body) - 1);
		return;
	}
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mail.example.com\r\n250 CHUNKING\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@example.org>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.0 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@example.com>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.5 ok\r\n");
	(void)snprintf(line, sizeof(line), "BDAT %zu\r\n", sizeof(head) - 1);
	frames_talk_text(talk, TCP_CLIENT, line);
	frames_talk_text(talk, TCP_CLIENT, head);
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 so far\r\n");
	(void)snprintf(
		line, sizeof(line), "BDAT %zu LAST\r\n", sizeof(body) - 1 - (sizeof(head) - 1));
	frames_talk_text(talk, TCP_CLIENT, line);
	frames_talk_text(talk, TCP_CLIENT, body + sizeof(head) - 1);
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 taken\r\n");
	frames_talk_text(talk, TCP_CLIENT, "QUIT\r\n");
	frames_talk_text(talk, TCP_SERVER, "221 2.0.0 bye\r\n");
	frames_talk_close(talk, TCP_CLIENT);
}

static void make_talk(struct frames_talk *talk, uint8_t family, bool has_chunks)
{
	make_talk_of(talk, family, has_chunks, 1448);
}

// The server is reset where its bytes end, before the message does; the client is told why.
static void expect_refused(const struct replayed *replayed, const char *code)
{
	struct replayed_egress egress;
	char text[256];

	assert_string_equal(replayed_mail(replayed, "verdict", text), "infected");
	assert_memory_equal(replayed_mail(replayed, "reply", text), code, 3);
	replayed_read_egress(replayed, &egress);
	assert_null(strstr(egress.text[TCP_SERVER], REPLAYED_EICAR "\r\n.\r\n"));
	assert_null(strstr(egress.text[TCP_SERVER], "QUIT"));
	assert_true(egress.resets[TCP_SERVER] > 0);
	assert_int_equal(egress.resets[TCP_CLIENT], 0);
	assert_int_equal(egress.reset_seq[TCP_SERVER],
		egress.isn[TCP_SERVER] + 1 + (uint32_t)egress.bytes[TCP_SERVER]);
	assert_int_equal(egress.flags[TCP_SERVER] & TCP_FLAG_FIN, 0);
	assert_non_null(strstr(egress.text[TCP_CLIENT], code));
	assert_null(strstr(egress.text[TCP_CLIENT], "taken"));
	replayed_free_egress(&egress);
}

static void a_virus_by_data_never_ends_at_the_server(void **state)
{
	struct replayed *replayed = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		for (uint16_t mss = 11; mss < 1500; mss = (uint16_t)(mss * 3)) {
			struct frames_talk talk;

			make_talk_of(&talk, family, false, mss);
			replayed_run_talk(replayed, &talk, NULL);
			expect_refused(
				replayed, "554 5.7.1 Message rejected: virus found: Eicar-Test");
			frames_talk_free(&talk);
		}
	}
}

static void a_virus_in_chunks_never_ends_at_the_server(void **state)
{
	struct replayed *replayed = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct replayed_egress egress;
		struct frames_talk talk;
		const char *last;

		make_talk(&talk, family, true);
		replayed_run_talk(replayed, &talk, NULL);
		expect_refused(replayed, "554 5.7.1 Message rejected: virus found: Eicar-Test");
		replayed_read_egress(replayed, &egress);
		last = strstr(egress.text[TCP_SERVER], "LAST\r\n");
		// The last chunk is not complete, whether or not it was announced.
		if (last != NULL)
			assert_true(strlen(last + 6) < strlen(REPLAYED_EICAR "\r\n"));
		replayed_free_egress(&egress);
		frames_talk_free(&talk);
	}
}

static void policies_decide_what_leaves(void **state)
{
	static const struct {
		const char *policy;
		const char *action;
		const char *reply; // to the client
		bool is_delivered;
	} cases[] = {
		{"infected=deliver", "deliver", "250 2.0.0 taken", true},
		{"infected=reject", "reject", "554 5.7.1", false},
		{"infected=tempfail", "tempfail", "451", false},
		{"infected=discard", "discard", "250", false},
		{"inbound.infected=tempfail", "tempfail", "451", false},
		{"outbound.infected=deliver", "reject", "554 5.7.1", false},
	};
	struct replayed *replayed = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct replayed_egress egress;
		struct frames_talk talk;
		char text[256];

		make_talk(&talk, 4, false);
		replayed_run_talk(replayed, &talk, cases[i].policy);
		if (strcmp(replayed_mail(replayed, "action", text), cases[i].action) != 0)
			fail_msg("%s: %s", cases[i].policy, text);
		if (strncmp(replayed_mail(replayed, "reply", text), cases[i].reply,
			    strlen(cases[i].reply)) != 0)
			fail_msg("%s: %s", cases[i].policy, text);
		replayed_read_egress(replayed, &egress);
		assert_non_null(strstr(egress.text[TCP_CLIENT], cases[i].reply));
		assert_int_equal(strstr(egress.text[TCP_SERVER], "\r\n.\r\n") != NULL,
			cases[i].is_delivered);
		assert_int_equal(egress.resets[TCP_SERVER] == 0, cases[i].is_delivered);
		replayed_free_egress(&egress);
		frames_talk_free(&talk);
	}
}

// ---- links --------------------------------------------------------------------------------------

// The talk's datagrams behind another link's header.
static void write_link(struct replayed *replayed, const struct frames_talk *talk, int dlt,
	const uint8_t *prefix, uint32_t prefix_bytes)
{
	static uint8_t data[FRAMES_MAX_BYTES + 64];
	pcap_t *pcap = pcap_open_dead(dlt, 262144);
	pcap_dumper_t *dumper;

	assert_non_null(pcap);
	dumper = pcap_dump_open(pcap, replayed->input);
	assert_non_null(dumper);
	for (uint32_t i = 0; i < talk->count; i++) {
		uint32_t bytes = talk->items[i].bytes - 14 + prefix_bytes;
		struct pcap_pkthdr header = {.caplen = bytes, .len = bytes};

		header.ts.tv_sec = (time_t)(talk->items[i].time_ns / 1000000000);
		header.ts.tv_usec = (suseconds_t)(talk->items[i].time_ns % 1000000000 / 1000);
		memcpy(data, prefix, prefix_bytes);
		memcpy(data + prefix_bytes, talk->items[i].data + 14, bytes - prefix_bytes);
		pcap_dump((uint8_t *)dumper, &header, data);
	}
	pcap_dump_close(dumper);
	pcap_close(pcap);
}

static void every_link_type_is_inspected(void **state)
{
	static const struct {
		const char *name;
		int dlt;
		uint32_t bytes;
		uint8_t prefix[2][48]; // IPv4, IPv6
	} cases[] = {
		{"NULL", DLT_NULL, 4, {{2}, {30}}},
		{"LOOP", DLT_LOOP, 4, {{0, 0, 0, 2}, {0, 0, 0, 24}}},
		{"RAW", DLT_RAW, 0, {{0}}},
		{"SLL", DLT_LINUX_SLL, 16,
			{{0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0},
				{0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x86, 0xdd}}},
		{"SLL2", DLT_LINUX_SLL2, 20, {{8, 0, [8] = 0, 1, 0, 6}, {0x86, 0xdd, [8] = 0, 1}}},
		{"PPP", DLT_PPP, 2, {{0, 0x21}, {0, 0x57}}},
		{"802.11", DLT_IEEE802_11, 32,
			{{8, 1, [24] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0},
				{8, 1, [24] = 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd}}},
		{"802.11 with radiotap", DLT_IEEE802_11_RADIO, 40,
			{{[2] = 8, [8] = 8, 1, [32] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0},
				{[2] = 8, [8] = 8, 1, [32] = 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd}}},
	};
	struct replayed *replayed = *state;

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct frames_talk talk;

		make_talk(&talk, i % 2 == 0 ? 4 : 6, false);
		write_link(replayed, &talk, cases[i / 2].dlt, cases[i / 2].prefix[i % 2],
			cases[i / 2].bytes);
		if (replayed_run(replayed, replayed->input, NULL) != 0)
			fail_msg("%s: %s", cases[i / 2].name, replayed->error);
		if (replayed->stats.infected != 1)
			fail_msg("%s: not found", cases[i / 2].name);
		expect_refused(replayed, "554 5.7.1");
		frames_talk_free(&talk);
	}
}

static void tags_are_kept(void **state)
{
	struct replayed *replayed = *state;

	for (uint16_t tags = 1; tags <= 2; tags++) {
		struct replayed_egress egress;
		struct frames_talk talk;

		frames_talk_init(&talk, 4, 41022);
		talk.tag_ids[0] = 100;
		talk.tag_ids[1] = tags == 2 ? 200 : 0;
		frames_talk_mail(&talk, REPLAYED_EICAR "\r\n", strlen(REPLAYED_EICAR "\r\n"));
		replayed_run_talk(replayed, &talk, NULL);
		expect_refused(replayed, "554 5.7.1");
		replayed_read_egress(replayed, &egress);
		assert_int_equal(egress.vlan[0], 100);
		assert_int_equal(egress.vlan[1], tags == 2 ? 200 : 0);
		replayed_free_egress(&egress);
		frames_talk_free(&talk);
	}
}

// ---- datagrams ----------------------------------------------------------------------------------

static void put_item(struct frames_item *item, const uint8_t *data, uint32_t bytes)
{
	uint8_t *copy = malloc(bytes);

	assert_non_null(copy);
	memcpy(copy, data, bytes);
	free(item->data);
	item->data = copy;
	item->bytes = bytes;
}

static void extension_headers_are_looked_behind(void **state)
{
	// Hop-by-hop with padding, then destination options with padding, then TCP.
	static const uint8_t extensions[16] = {60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4};
	static uint8_t data[FRAMES_MAX_BYTES];
	struct replayed *replayed = *state;
	struct frames_talk talk;

	make_talk(&talk, 6, false);
	for (uint32_t i = 0; i < talk.count; i++) {
		struct frames_item *item = &talk.items[i];
		uint32_t payload = item->bytes - 54 + (uint32_t)sizeof(extensions);

		memcpy(data, item->data, 54);
		memcpy(data + 54, extensions, sizeof(extensions));
		memcpy(data + 54 + sizeof(extensions), item->data + 54, item->bytes - 54);
		data[18] = (uint8_t)(payload >> 8);
		data[19] = (uint8_t)payload;
		data[20] = 0;
		put_item(item, data, 54 + payload);
	}
	replayed_run_talk(replayed, &talk, NULL);
	expect_refused(replayed, "554 5.7.1");
	frames_talk_free(&talk);
}

static void fragments_are_put_together(void **state)
{
	static uint8_t data[FRAMES_MAX_BYTES];
	struct replayed *replayed = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		uint32_t header = family == 4 ? 34 : 54;
		struct frames_item *items;
		struct frames_talk talk;
		uint32_t count = 0;

		make_talk(&talk, family, false);
		items = calloc((size_t)talk.count * 64, sizeof(items[0]));
		assert_non_null(items);
		for (uint32_t i = 0; i < talk.count; i++) {
			const struct frames_item *whole = &talk.items[i];
			uint32_t n = whole->bytes - header;

			for (uint32_t at = 0; at < n; at += 24) {
				uint32_t bytes = frames_fragment(whole->data, whole->bytes, i + 1,
					at, n - at < 24 ? n - at : 24, data);

				items[count] = (struct frames_item){.time_ns = whole->time_ns};
				put_item(&items[count++], data, bytes);
			}
		}
		replayed_write(replayed, items, count);
		assert_int_equal(replayed_run(replayed, replayed->input, NULL), 0);
		expect_refused(replayed, "554 5.7.1");
		for (uint32_t i = 0; i < count; i++)
			free(items[i].data);
		free(items);
		frames_talk_free(&talk);
	}
}

// ---- runs ---------------------------------------------------------------------------------------

static char *read_all(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "rbe");
	char *data = malloc(1u << 20);

	assert_non_null(file);
	assert_non_null(data);
	*bytes = fread(data, 1, 1u << 20, file);
	assert_int_equal(fclose(file), 0);
	return data;
}

static void two_runs_give_the_same_bytes(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	size_t frames_bytes[2];
	char *frames[2];
	char *text;

	make_talk(&talk, 4, true);
	// The client goes away, and what it should have taken is sent again.
	talk.count -= 3;
	talk.items[talk.count - 1].time_ns += 3600000000000u;
	replayed_run_talk(replayed, &talk, NULL);
	text = strdup(replayed->text);
	assert_non_null(text);
	frames[0] = read_all(replayed->egress, &frames_bytes[0]);
	replayed_run_talk(replayed, &talk, NULL);
	frames[1] = read_all(replayed->egress, &frames_bytes[1]);
	assert_string_equal(replayed->text, text);
	assert_int_equal(frames_bytes[0], frames_bytes[1]);
	assert_memory_equal(frames[0], frames[1], frames_bytes[0]);
	free(frames[0]);
	free(frames[1]);
	free(text);
	talk.count += 3;
	frames_talk_free(&talk);
}

// A refusal whose client falls silent: what the timers send in a gap of hours is there, and the
// connection is over at its own time, not at the next frame's.
static void timers_run_in_a_gap(void **state)
{
	struct replayed *replayed = *state;
	struct replayed_egress egress;
	struct frames_talk talk;
	json_t *sessions;
	const char *end;
	uint32_t at = 0;

	make_talk(&talk, 4, false);
	while (memmem(talk.items[at].data, talk.items[at].bytes, "EICAR", 5) == NULL)
		at++;
	// One frame of another connection long after the message, and nothing more.
	frames_talk_segment(&talk, TCP_CLIENT, 1, TCP_FLAG_SYN, NULL, 0);
	free(talk.items[at + 1].data);
	talk.items[at + 1] = talk.items[talk.count - 1];
	talk.items[at + 1].data[35] ^= 1;
	talk.items[at + 1].time_ns = 36000000000000u;
	talk.count--;
	replayed_write(replayed, talk.items, at + 2);
	assert_int_equal(replayed_run(replayed, replayed->input, NULL), 0);
	sessions = replayed_events(replayed, "session");
	assert_int_equal(json_array_size(sessions), 1);
	end = json_string_value(json_object_get(json_array_get(sessions, 0), "end"));
	assert_non_null(end);
	// 10 hours later is the other frame.
	assert_memory_not_equal(end, "1970-01-01T10:", 14);
	json_decref(sessions);
	replayed_read_egress(replayed, &egress);
	// The first reset and its repetitions.
	assert_true(egress.resets[TCP_SERVER] > 1);
	replayed_free_egress(&egress);
	frames_talk_free(&talk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, replayed_setup, replayed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_virus_by_data_never_ends_at_the_server),
		TEST(a_virus_in_chunks_never_ends_at_the_server),
		TEST(policies_decide_what_leaves),
		TEST(every_link_type_is_inspected),
		TEST(tags_are_kept),
		TEST(extension_headers_are_looked_behind),
		TEST(fragments_are_put_together),
		TEST(two_runs_give_the_same_bytes),
		TEST(timers_run_in_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
