// SPDX-License-Identifier: BSD-3-Clause
// Below TCP: tags, extension headers, fragments, lengths that lie; and numbers beyond 4 GiB.
#include "dataplane/session.h"
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <string.h>

#define MAIL "S: x\r\n\r\n" BENCH_EVIL "\r\n.\r\n"

static struct bench bench;

// The talk's frames as they are, but for what wrap does to each.
static void feed_wrapped(uint32_t (*wrap)(const struct frames_item *item, uint8_t *out))
{
	static uint8_t frame[FRAMES_MAX_BYTES];

	for (; bench.fed < bench.talk.count; bench.fed++) {
		const struct frames_item *item = &bench.talk.items[bench.fed];

		bench_feed_raw(&bench, item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE, frame,
			wrap(item, frame));
	}
}

static uint32_t with_extensions(const struct frames_item *item, uint8_t *out)
{
	// Hop-by-hop, destination options, an atomic fragment, TCP.
	static const uint8_t chain[24] = {
		60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 9};
	uint32_t bytes = item->bytes + (uint32_t)sizeof(chain);
	uint32_t payload = bytes - 54;

	memcpy(out, item->data, 54);
	memcpy(out + 54, chain, sizeof(chain));
	memcpy(out + 54 + sizeof(chain), item->data + 54, item->bytes - 54);
	out[14 + 6] = 0;
	out[14 + 4] = (uint8_t)(payload >> 8);
	out[14 + 5] = (uint8_t)payload;
	return bytes;
}

static uint32_t with_padding(const struct frames_item *item, uint8_t *out)
{
	static const char end[] = "\r\n.\r\n" BENCH_EVIL;

	memcpy(out, item->data, item->bytes);
	memcpy(out + item->bytes, end, sizeof(end));
	return item->bytes + (uint32_t)sizeof(end);
}

static void script(const char *body)
{
	struct frames_talk *talk = &bench.talk;

	bench.view[TCP_SERVER]->base = talk->next[TCP_CLIENT] + 1;
	bench.view[TCP_CLIENT]->base = talk->next[TCP_SERVER] + 1;
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mx\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO c\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 mx\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
	frames_talk_segment(talk, TCP_CLIENT, talk->next[TCP_CLIENT], TCP_FLAG_ACK, body,
		(uint32_t)strlen(body));
	talk->next[TCP_CLIENT] += (uint32_t)strlen(body);
}

static void expect_refused(void)
{
	assert_int_equal(bench.mails, 1);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_true(bench_client_has(&bench, "554 5.7.1"));
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
}

static void extension_headers_hide_nothing(void **state)
{
	(void)state;
	bench_init(&bench, 6, NULL);
	script(MAIL);
	feed_wrapped(with_extensions);
	expect_refused();
	bench_finish(&bench);
}

static void tags_hide_nothing(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (uint16_t tags = 1; tags <= 2; tags++) {
			bench_init(&bench, family, NULL);
			bench.talk.tag_ids[0] = 100;
			bench.talk.tag_ids[1] = tags == 2 ? 200 : 0;
			script(MAIL);
			bench_feed(&bench);
			expect_refused();
			bench_finish(&bench);
		}
	}
}

static void sessions_and_labels_hide_nothing(void **state)
{
	(void)state;
	for (enum shim shim = SHIM_SESSION; shim < SHIMS; shim++) {
		for (uint8_t family = 4; family <= 6; family += 2) {
			for (uint16_t tags = 0; tags <= 2; tags++) {
				bench_init(&bench, family, NULL);
				bench.shim = shim;
				bench.talk.tag_ids[0] = tags > 0 ? 100 : 0;
				bench.talk.tag_ids[1] = tags == 2 ? 200 : 0;
				script(MAIL);
				bench_feed(&bench);
				expect_refused();
				assert_int_equal(bench.others, 0);
				assert_int_equal(engine_counters(bench.engine)->wrapped_passed, 0);
				bench_finish(&bench);
			}
		}
	}
}

// The same in fragments, which leave as segments.
static void fragments_in_sessions_and_behind_labels_are_put_together(void **state)
{
	(void)state;
	for (enum shim shim = SHIM_SESSION; shim < SHIMS; shim++) {
		for (uint8_t family = 4; family <= 6; family += 2) {
			static uint8_t frame[FRAMES_MAX_BYTES];
			const struct frames_item *item;
			uint32_t n;

			bench_init(&bench, family, NULL);
			bench.shim = shim;
			script("S: x\r\n\r\nharmless\r\n");
			bench_feed(&bench);
			frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
				TCP_FLAG_ACK, BENCH_EVIL "\r\n.\r\n",
				(uint32_t)strlen(BENCH_EVIL "\r\n.\r\n"));
			item = &bench.talk.items[bench.fed++];
			n = item->bytes - 14 - (family == 4 ? 20 : 40);
			for (uint32_t at = 0; at < n; at += 24) {
				uint32_t bytes = frames_fragment(item->data, item->bytes, 7, at,
					n - at < 24 ? n - at : 24, frame);

				bench_feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
			}
			expect_refused();
			bench_finish(&bench);
		}
	}
}

// Such headers are of the 1,500 bytes that a link carries, tags are not. The client has offered to take all.
static void what_is_made_fits_the_link_with_what_stands_in_front(void **state)
{
	static char body[6000];

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	for (size_t i = 0; i + 80 < sizeof(body); i += 80) {
		body[i] = '\r';
		body[i + 1] = '\n';
	}
	for (enum shim shim = SHIM_NONE; shim < SHIMS; shim++) {
		static uint8_t frame[FRAMES_MAX_BYTES];
		struct engine_options options;
		const struct frames_item *item;

		bench_options(&options);
		options.max_frame_bytes = 1522; // as ports have it
		bench_init(&bench, 4, &options);
		bench.shim = shim;
		script("S: x\r\n");
		bench_feed(&bench);
		frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
			TCP_FLAG_ACK, body, sizeof(body) - 1);
		item = &bench.talk.items[bench.fed++];
		for (uint32_t at = 0; at < item->bytes - 34; at += 1400) {
			uint32_t left = item->bytes - 34 - at;

			bench_feed_raw(&bench, LINK_OUTSIDE, frame,
				frames_fragment(item->data, item->bytes, 7, at,
					left < 1400 ? left : 1400, frame));
		}
		assert_true(bench_server_has(&bench, body));
		assert_in_range(
			bench.view[TCP_SERVER]->longest, 1400, 14 + 1500 - shim_bytes(shim));
		bench_finish(&bench);
	}
}

// A connection that is not known is reset as far as the way is.
static void a_stray_packet_behind_labels_is_reset_forth_alone(void **state)
{
	(void)state;
	for (enum shim shim = SHIM_SESSION; shim < SHIMS; shim++) {
		bench_init(&bench, 4, NULL);
		bench.shim = shim;
		bench.view[TCP_SERVER]->base = bench.talk.next[TCP_CLIENT];
		bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\n");
		assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
		assert_int_equal(bench.view[TCP_CLIENT]->resets, shim != SHIM_LABELS);
		assert_false(bench_server_has(&bench, "MAIL"));
		bench_finish(&bench);
	}
}

// A whole frame of an IPv6 packet in GRE, or the same in two fragments.
static void feed_tunnel(bool is_fragmented)
{
	static uint8_t frame[FRAMES_MAX_BYTES];

	for (int part = 0; part < (is_fragmented ? 2 : 1); part++) {
		struct frames_spec spec = {.flags = TCP_FLAG_ACK,
			.payload =
				"EHLO me, whatever is in here, for this is some text, or other\r\n",
			.payload_bytes = 64};
		const uint8_t fragment[8] = {47, 0, 0, part == 0 ? 1 : 64, 0, 0, 0, 9};
		uint32_t bytes;

		frames_address(&spec.address, 6, 40000);
		bytes = frames_tcp(frame, &spec);
		frame[14 + 6] = is_fragmented ? 44 : 47;
		if (is_fragmented) {
			frame[14 + 4] = 0;
			frame[14 + 5] = 8 + 64;
			memcpy(frame + 54, fragment, sizeof(fragment));
			bytes = 54 + 8 + 64;
		}
		bench_feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
	}
}

static void what_is_in_another_packet_is_counted_and_dropped_by_policy(void **state)
{
	(void)state;
	for (int drops = 0; drops < 2; drops++) {
		for (int fragmented = 0; fragmented < 2; fragmented++) {
			const uint64_t count = fragmented ? 2 : 1;
			struct engine_options options;
			const struct counters *counters;

			bench_options(&options);
			options.wrapped = drops ? WRAPPED_DROP : WRAPPED_PASS;
			bench_init(&bench, 6, &options);
			counters = engine_counters(bench.engine);
			feed_tunnel(fragmented);
			assert_int_equal(counters->wrapped_dropped, drops ? count : 0);
			assert_int_equal(counters->wrapped_passed, drops ? 0 : count);
			assert_int_equal(counters->forwarded_untouched, drops ? 0 : count);
			bench_finish(&bench);
		}
	}
}

static void bytes_behind_the_datagram_are_padding(void **state)
{
	(void)state;
	bench_init(&bench, 4, NULL);
	script("S: x\r\n\r\nharmless");
	feed_wrapped(with_padding);
	assert_int_equal(bench.mails, 0);
	bench.bad_sums = false; // the slow check takes padding for text
	bench_say(&bench, TCP_CLIENT, "\r\n.\r\n");
	bench_say(&bench, TCP_SERVER, "250 ok\r\n");
	assert_int_equal(bench.verdict, VERDICT_CLEAN);
	assert_true(bench_server_has(&bench, "harmless\r\n.\r\n"));
	bench_finish(&bench);
}

static void a_total_length_that_lies_drops_the_packet(void **state)
{
	static const int32_t lies[] = {1, 400, -60, -20};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct frames_item *item;
		uint32_t total;
		uint16_t sum;

		bench_begin(&bench, 4);
		frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
			TCP_FLAG_ACK, "poison and some more bytes", 26);
		item = &bench.talk.items[bench.fed];
		total = item->bytes - 14 + (uint32_t)lies[i];
		item->data[16] = (uint8_t)(total >> 8);
		item->data[17] = (uint8_t)total;
		memset(item->data + 24, 0, 2);
		sum = frames_checksum(item->data + 14, 20, 0);
		item->data[24] = (uint8_t)(sum >> 8);
		item->data[25] = (uint8_t)sum;
		bench_feed(&bench);
		assert_false(bench_server_has(&bench, "pois"));
		bench_client(&bench, 0, "health");
		assert_true(bench_server_has(&bench, "health"));
		bench_finish(&bench);
	}
}

// One segment of the client in fragments of n bytes.
static void feed_fragments(uint8_t flags, const char *text, uint32_t n)
{
	static uint8_t piece[FRAMES_MAX_BYTES];
	uint32_t header = bench.talk.address.family == 6 ? 54 : 34;
	const struct frames_item *item;

	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], flags, text,
		(uint32_t)strlen(text));
	item = &bench.talk.items[bench.fed++];
	for (uint32_t at = 0; at < item->bytes - header; at += n) {
		uint32_t left = item->bytes - header - at;

		bench_feed_raw(&bench, LINK_OUTSIDE, piece,
			frames_fragment(
				item->data, item->bytes, 77, at, left < n ? left : n, piece));
	}
}

static void a_fin_in_fragments_counts(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		bench_begin(&bench, family);
		feed_fragments(TCP_FLAG_ACK | TCP_FLAG_FIN, "S: x\r\n\r\nlast\r\n.\r\n", 16);
		assert_true(bench_server_has(&bench, "last\r\n.\r\n"));
		assert_int_equal(bench.view[TCP_SERVER]->fins, 1);
		bench_client(&bench, 18, MAIL);
		assert_false(bench_server_has(&bench, "evil"));
		bench_finish(&bench);
	}
}

static void a_syn_in_fragments_opens_and_its_data_is_cut(void **state)
{
	(void)state;
	bench_init(&bench, 4, NULL);
	bench.view[TCP_SERVER]->base = bench.talk.next[TCP_CLIENT] + 1;
	feed_fragments(TCP_FLAG_SYN, "data in a syn: " BENCH_EVIL, 24);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	assert_false(bench_server_has(&bench, "data"));
	assert_int_equal(engine_open_connections(bench.engine), 1);
	bench_finish(&bench);
}

// As if 4 GiB had passed: every offset is moved up, the sequence numbers stay.
static void move_up(struct session *session, enum tcp_side side, uint64_t by)
{
	struct stream *stream = &session->stream[side];
	struct tcp_endpoint *end = &session->tcp.end[side];

	stream_trim(stream, bench.engine->pages);
	assert_int_equal(stream->pages, 0);
	stream->trimmed += by;
	stream->released += by;
	stream->read += by;
	stream->next += by;
	stream->sent += by;
	stream->end += by;
	end->isn -= (uint32_t)by;
	end->count += by;
	session->smtp.offset[side] += by;
}

static void offsets_go_on_beyond_four_gibibytes(void **state)
{
	static const uint64_t by = (1ull << 32) - 300;
	uint32_t cursor = 0;
	struct session *session;
	char line[101];

	(void)state;
	bench_begin(&bench, 4);
	session = (struct session *)flow_walk(bench.engine->flows, &cursor);
	for (int i = 0; i < 2; i++) {
		bench_ack(&bench, (enum tcp_side)i);
		bench_ack(&bench, tcp_other((enum tcp_side)i));
	}
	move_up(session, TCP_CLIENT, by);
	move_up(session, TCP_SERVER, by);
	memset(line, 'y', sizeof(line));
	memcpy(line + 98, "\r\n", 3);
	for (int i = 0; i < 10; i++) {
		bench_say(&bench, TCP_CLIENT, line);
		bench_ack(&bench, TCP_SERVER);
		bench_client(&bench, -100, BENCH_EVIL);
		bench_client(&bench, 200, "early but soon");
		bench_client(&bench, 200, "EARLY BUT SOON");
	}
	assert_true(session->stream[TCP_CLIENT].read > 1ull << 32);
	assert_true(session->stream[TCP_CLIENT].released > 1ull << 32);
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extension_headers_hide_nothing),
		cmocka_unit_test(tags_hide_nothing),
		cmocka_unit_test(sessions_and_labels_hide_nothing),
		cmocka_unit_test(fragments_in_sessions_and_behind_labels_are_put_together),
		cmocka_unit_test(what_is_made_fits_the_link_with_what_stands_in_front),
		cmocka_unit_test(a_stray_packet_behind_labels_is_reset_forth_alone),
		cmocka_unit_test(what_is_in_another_packet_is_counted_and_dropped_by_policy),
		cmocka_unit_test(bytes_behind_the_datagram_are_padding),
		cmocka_unit_test(a_total_length_that_lies_drops_the_packet),
		cmocka_unit_test(a_fin_in_fragments_counts),
		cmocka_unit_test(a_syn_in_fragments_opens_and_its_data_is_cut),
		cmocka_unit_test(offsets_go_on_beyond_four_gibibytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
