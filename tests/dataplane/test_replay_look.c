// SPDX-License-Identifier: BSD-3-Clause
// replay's first look: edited captures are read, insertions are not, windows are heeded unless nobody
// kept to them.
#include "tests/support/replayed.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define WORD "harmless"
#define EDIT "X5O!P%@A"

static const char message[] = "From: a@example.org\r\nSubject: x\r\n\r\n" WORD " text\r\n"
			      "another line of it\r\n";

// The frame that holds a word, and where in it.
static uint32_t find_word(const struct frames_talk *talk, const char *word, uint8_t **at)
{
	for (uint32_t i = 0; i < talk->count; i++) {
		*at = memmem(talk->items[i].data, talk->items[i].bytes, word, strlen(word));
		if (*at != NULL)
			return i;
	}
	fail_msg("no frame with %s", word);
	return 0;
}

static void put_text(uint8_t *at, const char *text)
{
	for (; *text != '\0'; text++)
		*at++ = (uint8_t)*text;
}

static void edit(struct frames_talk *talk, const char *word, const char *other)
{
	uint8_t *at;

	(void)find_word(talk, word, &at);
	put_text(at, other);
}

// Copies a frame to a place in the list, with another time order after it.
static struct frames_item *insert_copy(struct frames_talk *talk, uint32_t from, uint32_t to)
{
	struct frames_item copy = talk->items[from];
	struct frames_item *items =
		realloc(talk->items, ((size_t)talk->count + 1) * sizeof(items[0]));

	assert_non_null(items);
	talk->items = items;
	talk->room = talk->count + 1;
	copy.data = malloc(copy.bytes);
	assert_non_null(copy.data);
	memcpy(copy.data, items[from].data, copy.bytes);
	memmove(&items[to + 1], &items[to], (talk->count - to) * sizeof(items[0]));
	items[to] = copy;
	talk->count++;
	return &items[to];
}

static void spoil_all(struct frames_talk *talk, int side)
{
	for (uint32_t i = 0; i < talk->count; i++) {
		if (side < 0 || talk->items[i].side == (enum tcp_side)side)
			talk->items[i].data[14 + 20 + 16] ^= 0x55;
	}
}

static void expect_delivered(struct replayed *replayed, const struct frames_talk *talk,
	const char *word, const char *never)
{
	struct replayed_egress egress;
	char action[256];

	replayed_run_talk(replayed, talk, NULL);
	assert_string_equal(replayed_mail(replayed, "action", action), "deliver");
	replayed_read_egress(replayed, &egress);
	assert_non_null(strstr(egress.text[TCP_SERVER], word));
	if (never != NULL)
		assert_null(strstr(egress.text[TCP_SERVER], never));
	replayed_free_egress(&egress);
}

// ---- edited -------------------------------------------------------------------------------------

static void edited_content_is_read(void **state)
{
	struct replayed *replayed = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct frames_talk talk;

		frames_talk_init(&talk, family, 41022); // numbers wrap within it
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		edit(&talk, WORD, EDIT);
		edit(&talk, "RCPT TO:<b", "RCPT TO:<z");
		edit(&talk, "220 mail", "220 mild");
		expect_delivered(replayed, &talk, EDIT, NULL);
		assert_non_null(strstr(replayed->notes, "3 frames have wrong checksums"));
		frames_talk_free(&talk);
	}
}

static void the_second_life_of_a_port_is_read_as_well(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	json_t *mails;

	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	edit(&talk, WORD, EDIT);
	// New numbers over the old ones, so that the ranges of the first would cover those of the second.
	talk.next[TCP_CLIENT] -= 100;
	talk.next[TCP_SERVER] -= 50;
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	edit(&talk, WORD, EDIT);
	replayed_run_talk(replayed, &talk, NULL);
	mails = replayed_events(replayed, "mail");
	assert_int_equal(json_array_size(mails), 2);
	json_decref(mails);
	assert_non_null(strstr(replayed->notes, "2 frames have wrong checksums"));
	frames_talk_free(&talk);
}

// Neither what the engine asks then nor what the client would say is in the capture.
static void the_second_life_is_read_where_the_end_of_the_first_is_missing(void **state)
{
	static const uint8_t families[] = {4, 6};
	struct replayed *replayed = *state;

	for (size_t i = 0; i < sizeof(families); i++) {
		struct frames_talk talk;
		json_t *mails;

		frames_talk_init(&talk, families[i], 41022);
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		for (int end = 0; end < 3; end++) // FIN, FIN, ACK
			free(talk.items[--talk.count].data);
		talk.next[TCP_CLIENT] += 1000000000u;
		talk.next[TCP_SERVER] += 2000000000u;
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		replayed_run_talk(replayed, &talk, NULL);
		mails = replayed_events(replayed, "mail");
		assert_int_equal(json_array_size(mails), 2);
		json_decref(mails);
		frames_talk_free(&talk);
	}
}

static void senders_without_a_good_checksum_are_read(void **state)
{
	struct replayed *replayed = *state;

	for (int side = -1; side <= (int)TCP_SERVER; side++) {
		struct frames_talk talk;

		frames_talk_init(&talk, 4, 41022);
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		spoil_all(&talk, side);
		expect_delivered(replayed, &talk, WORD, NULL);
		frames_talk_free(&talk);
	}
}

static void what_nobody_acknowledged_is_not_put_right(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	uint32_t count;
	uint8_t *at;

	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	// The capture ends with the segment that was broken on its way.
	count = talk.count;
	talk.count = find_word(&talk, WORD, &at) + 1;
	put_text(at, EDIT);
	replayed_run_talk(replayed, &talk, NULL);
	assert_string_equal(replayed->notes, "");
	talk.count = count;
	frames_talk_free(&talk);
}

// ---- insertions ---------------------------------------------------------------------------------

// A copy of a frame with the edit and a wrong checksum, at another number and length perhaps.
static void insert_bad(struct frames_talk *talk, uint32_t from, uint32_t to, int32_t moved)
{
	struct frames_item *item = insert_copy(talk, from, to);
	struct frame frame = {item->data, item->bytes, item->bytes, NULL};
	struct packet packet;
	uint8_t *at = memmem(item->data, item->bytes, WORD, strlen(WORD));

	assert_non_null(at);
	put_text(at, EDIT);
	packet_parse(&frame, PACKET_CHECKSUMS_DONE, &packet);
	if (moved > 0)
		packet_trim(&frame, &packet, (uint32_t)moved, 0);
	if (moved < 0)
		packet_trim(&frame, &packet, 0, (uint32_t)-moved);
	item->bytes = frame.bytes;
	item->data[packet.l4_offset + 16] = 0xba;
	item->data[packet.l4_offset + 17] = 0xad;
}

// A segment of the client's with what one of its frames acknowledges, put before a frame of the list.
static struct frames_item *insert_segment(
	struct frames_talk *talk, uint32_t like, uint32_t to, uint32_t seq, const char *text)
{
	uint32_t old = talk->next[TCP_SERVER];
	struct frame frame = {
		talk->items[like].data, talk->items[like].bytes, talk->items[like].bytes, NULL};
	struct frames_item *item;
	struct packet packet;

	packet_parse(&frame, 0, &packet);
	talk->next[TCP_SERVER] = packet.tcp.ack;
	frames_talk_segment(talk, TCP_CLIENT, seq, TCP_FLAG_ACK, text, (uint32_t)strlen(text));
	talk->next[TCP_SERVER] = old;
	item = insert_copy(talk, talk->count - 1, to);
	free(talk->items[--talk->count].data);
	return item;
}

static void insertions_stay_refused(void **state)
{
	static const struct {
		const char *name;
		int32_t after; // frames behind the real one
		int32_t moved;
	} cases[] = {
		{"before, whole", 0, 0},
		{"after, whole", 1, 0},
		{"after the acknowledgement", 2, 0},
		{"before, its end", 0, 30},
		{"before, its beginning", 0, -20},
		{"after, its end", 1, 30},
		{"after, its beginning", 1, -20},
	};
	struct replayed *replayed = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frames_talk talk;
		uint8_t *at;
		uint32_t real;

		frames_talk_init(&talk, 4, 41022);
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		real = find_word(&talk, WORD, &at);
		insert_bad(&talk, real, real + (uint32_t)cases[i].after, cases[i].moved);
		expect_delivered(replayed, &talk, WORD, EDIT);
		if (replayed->notes[0] != '\0')
			fail_msg("%s: %s", cases[i].name, replayed->notes);
		frames_talk_free(&talk);
	}
}

static void an_insertion_before_real_segments_that_are_cut_otherwise_stays_refused(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	uint8_t *at;
	uint32_t real;

	// The insertion covers what two real segments bring, the later one first.
	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	real = find_word(&talk, WORD, &at);
	insert_bad(&talk, real, real, 0);
	for (int half = 0; half < 2; half++) {
		struct frames_item *item = insert_copy(&talk, real + 1 + (uint32_t)half, real + 1);
		struct frame frame = {item->data, item->bytes, item->bytes, NULL};
		struct packet packet;

		packet_parse(&frame, 0, &packet);
		packet_trim(&frame, &packet, half == 0 ? 0 : 30,
			half == 0 ? packet.tcp.payload_bytes - 30 : 0);
		item->bytes = frame.bytes;
	}
	// The whole real segment is not there any more.
	free(talk.items[real + 3].data);
	talk.count--;
	memmove(&talk.items[real + 3], &talk.items[real + 4],
		(talk.count - real - 3) * sizeof(talk.items[0]));
	expect_delivered(replayed, &talk, WORD, EDIT);
	assert_string_equal(replayed->notes, "");
	frames_talk_free(&talk);
}

static void an_insertion_beside_fragments_stays_refused(void **state)
{
	struct replayed *replayed = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		static uint8_t piece[FRAMES_MAX_BYTES];
		uint32_t header = family == 4 ? 34 : 54;
		struct frames_talk talk;
		uint8_t *at;
		uint32_t real;

		frames_talk_init(&talk, family, 41022);
		frames_talk_mail(&talk, message, sizeof(message) - 1);
		real = find_word(&talk, WORD, &at);
		insert_bad(&talk, real, real, 0);
		(void)insert_copy(&talk, real + 1, real + 1);
		for (uint32_t i = 0; i < 2; i++) {
			struct frames_item *item = &talk.items[real + 1 + i];
			uint32_t n = item->bytes - header;
			uint32_t bytes = frames_fragment(item->data, item->bytes, 77,
				i == 0 ? 0 : 48, i == 0 ? 48 : n - 48, piece);

			free(item->data);
			item->data = malloc(bytes);
			assert_non_null(item->data);
			memcpy(item->data, piece, bytes);
			item->bytes = bytes;
		}
		expect_delivered(replayed, &talk, WORD, EDIT);
		assert_string_equal(replayed->notes, "");
		frames_talk_free(&talk);
	}
}

static void an_insertion_at_the_number_of_the_fin_stays_refused(void **state)
{
	struct replayed *replayed = *state;
	struct replayed_egress egress;
	struct frames_talk talk;
	const struct frames_item *item;
	uint8_t *at;
	uint32_t quit;

	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	quit = find_word(&talk, "QUIT", &at);
	item = insert_segment(&talk, quit, quit + 1, talk.next[TCP_CLIENT] - 1, "Z");
	item->data[14 + 20 + 16] ^= 0x55;
	replayed_run_talk(replayed, &talk, NULL);
	assert_string_equal(replayed->notes, "");
	replayed_read_egress(replayed, &egress);
	assert_null(strchr(egress.text[TCP_SERVER], 'Z'));
	replayed_free_egress(&egress);
	frames_talk_free(&talk);
}

static void a_syn_that_nobody_answers_begins_no_life(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	uint8_t *at;
	uint32_t real;

	// The insertion would lie in a life of its own, and the real bytes in the next.
	frames_talk_init(&talk, 4, 41022);
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	real = find_word(&talk, WORD, &at);
	frames_talk_segment(&talk, TCP_CLIENT, 5, TCP_FLAG_SYN, NULL, 0);
	(void)insert_copy(&talk, talk.count - 1, real);
	insert_bad(&talk, real + 1, real, 0);
	expect_delivered(replayed, &talk, WORD, EDIT);
	assert_string_equal(replayed->notes, "");
	frames_talk_free(&talk);
}

// ---- windows ------------------------------------------------------------------------------------

// Of all frames from one on.
static void set_window(struct frames_talk *talk, uint32_t from, uint16_t window)
{
	for (uint32_t i = from; i < talk->count; i++) {
		struct frames_item *item = &talk->items[i];
		struct frame frame = {item->data, item->bytes, item->bytes, NULL};
		struct packet packet;

		packet_parse(&frame, 0, &packet);
		item->data[packet.l4_offset + 14] = (uint8_t)(window >> 8);
		item->data[packet.l4_offset + 15] = (uint8_t)window;
		packet_fix_tcp_checksum(&frame, &packet);
	}
}

static void windows_that_nobody_keeps_to_are_not_heeded(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;

	frames_talk_init(&talk, 4, 41022);
	talk.mss = 60;
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	set_window(&talk, 0, 50);
	expect_delivered(replayed, &talk, "another line", NULL);
	assert_non_null(strstr(replayed->notes, "windows are not heeded"));
	frames_talk_free(&talk);
}

static const char beyond[] = "Beyond the window";

// A mail with a segment that is good in all but that its receiver does not take it: other bytes come there later.
static void put_beyond(struct frames_talk *talk)
{
	static const char text[] = "From: a@example.org\r\nSubject: x\r\n\r\n" WORD " text\r\n"
				   "line number two of this message\r\n"
				   "line number three of this message\r\n"
				   "line number four of this message\r\n";
	uint8_t *at;
	uint32_t real;
	uint32_t seq;

	frames_talk_init(talk, 4, 41022);
	talk->mss = 40;
	frames_talk_mail(talk, text, sizeof(text) - 1);
	set_window(talk, 0, 100);
	real = find_word(talk, "From: a", &at);
	memcpy(&seq, talk->items[real].data + 14 + 20 + 4, sizeof(seq));
	(void)insert_segment(talk, real, real, be32toh(seq) + 104, beyond);
}

static void data_beyond_the_window_stays_cut(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;

	put_beyond(&talk);
	expect_delivered(replayed, &talk, "line number four", beyond);
	assert_string_equal(replayed->notes, "");
	frames_talk_free(&talk);
}

static void what_others_make_of_their_windows_changes_nothing(void **state)
{
	struct replayed *replayed = *state;
	struct frames_talk talk;
	uint32_t others;

	put_beyond(&talk);
	others = talk.count;
	talk.address.port_be[0] = htobe16(41023);
	talk.address.port_be[1] = htobe16(587);
	talk.address.address[1][3] ^= 1;
	talk.mss = 60;
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	set_window(&talk, others, 50);
	expect_delivered(replayed, &talk, "line number four", beyond);
	assert_non_null(strstr(replayed->notes, "windows are not heeded"));
	assert_int_equal(replayed->stats.messages, 2);
	frames_talk_free(&talk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, replayed_setup, replayed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edited_content_is_read),
		TEST(the_second_life_of_a_port_is_read_as_well),
		TEST(the_second_life_is_read_where_the_end_of_the_first_is_missing),
		TEST(senders_without_a_good_checksum_are_read),
		TEST(what_nobody_acknowledged_is_not_put_right),
		TEST(insertions_stay_refused),
		TEST(an_insertion_before_real_segments_that_are_cut_otherwise_stays_refused),
		TEST(an_insertion_beside_fragments_stays_refused),
		TEST(an_insertion_at_the_number_of_the_fin_stays_refused),
		TEST(a_syn_that_nobody_answers_begins_no_life),
		TEST(windows_that_nobody_keeps_to_are_not_heeded),
		TEST(data_beyond_the_window_stays_cut),
		TEST(what_others_make_of_their_windows_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
