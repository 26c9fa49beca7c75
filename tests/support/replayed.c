// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/replayed.h"

#include "scan/scan.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_STREAM (1u << 20)

int replayed_setup(void **state)
{
	static const char rule[] =
		"Eicar-Test:0:*:58354f2150254041505b345c505a58353428505e2937434329377d\n";
	struct replayed *replayed = calloc(1, sizeof(*replayed));
	struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	char path[64];
	const char *paths[] = {path};
	void *image;
	size_t bytes;
	FILE *file;

	assert_non_null(replayed);
	(void)snprintf(replayed->folder, sizeof(replayed->folder), "/tmp/test_replay.XXXXXX");
	assert_non_null(mkdtemp(replayed->folder));
	(void)snprintf(replayed->egress, sizeof(replayed->egress), "%s/out.pcap", replayed->folder);
	(void)snprintf(replayed->input, sizeof(replayed->input), "%s/in.pcap", replayed->folder);
	(void)snprintf(path, sizeof(path), "%s/e.ndb", replayed->folder);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(rule, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(ruleset_build(paths, 1, &options, &image, &bytes, &stats), 0);
	(void)unlink(path);
	replayed->image = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(replayed->image);
	memcpy(replayed->image, image, bytes);
	free(image);
	assert_int_equal(ruleset_attach(replayed->image, bytes, &replayed->ruleset), 0);
	*state = replayed;
	return 0;
}

int replayed_teardown(void **state)
{
	struct replayed *replayed = *state;

	ruleset_close(replayed->ruleset);
	free(replayed->image);
	free(replayed->text);
	free(replayed->notes);
	(void)unlink(replayed->egress);
	(void)unlink(replayed->input);
	(void)rmdir(replayed->folder);
	free(replayed);
	return 0;
}

int replayed_run(struct replayed *replayed, const char *path, const char *policy)
{
	struct replay_options options = {.ruleset = replayed->ruleset,
		.files = &path,
		.files_count = 1,
		.egress = replayed->egress,
		.policies = &policy,
		.policies_count = policy != NULL,
		.config = replayed->config,
		.sealed = replayed->sealed,
		.digests = DIGEST_SHA256};
	int err;

	free(replayed->text);
	free(replayed->notes);
	replayed->text = NULL;
	replayed->notes = NULL;
	options.events = open_memstream(&replayed->text, &replayed->text_bytes);
	options.notes = open_memstream(&replayed->notes, &replayed->notes_bytes);
	assert_non_null(options.events);
	assert_non_null(options.notes);
	err = replay_run(&options, &replayed->stats, replayed->error, sizeof(replayed->error));
	assert_int_equal(fclose(options.events), 0);
	assert_int_equal(fclose(options.notes), 0);
	return err;
}

json_t *replayed_events(const struct replayed *replayed, const char *kind)
{
	json_t *list = json_array();
	char *copy = strdup(replayed->text);
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

const char *replayed_mail(const struct replayed *replayed, const char *key, char out[256])
{
	json_t *mails = replayed_events(replayed, "mail");
	const char *value = json_string_value(json_object_get(json_array_get(mails, 0), key));

	(void)snprintf(out, 256, "%s", value != NULL ? value : "");
	json_decref(mails);
	return out;
}

void replayed_write(struct replayed *replayed, const struct frames_item *items, uint32_t count)
{
	char error[CAPTURE_ERROR_BYTES];
	struct capture_writer *writer;

	assert_int_equal(capture_create(replayed->input, &writer, error), 0);
	for (uint32_t i = 0; i < count; i++)
		capture_write(writer, items[i].data, items[i].bytes, items[i].time_ns);
	assert_int_equal(capture_finish(writer), 0);
}

void replayed_run_talk(
	struct replayed *replayed, const struct frames_talk *talk, const char *policy)
{
	replayed_write(replayed, talk->items, talk->count);
	if (replayed_run(replayed, replayed->input, policy) != 0)
		fail_msg("%s", replayed->error);
}

// ---- egress -------------------------------------------------------------------------------------

static void add_bytes(struct replayed_egress *egress, uint8_t *have, enum tcp_side to,
	const struct packet *packet)
{
	uint32_t at = packet->tcp.seq - egress->isn[to] - 1;

	for (uint32_t i = 0; i < packet->tcp.payload_bytes; i++) {
		assert_true(at + i < MAX_STREAM);
		if (have[at + i])
			assert_int_equal((uint8_t)egress->text[to][at + i], packet->payload[i]);
		have[at + i] = 1;
		egress->text[to][at + i] = (char)packet->payload[i];
	}
}

static void add_frame(
	struct replayed_egress *egress, uint8_t *const have[2], const struct packet *packet)
{
	enum tcp_side to = packet->from.port_be[1] == htobe16(25) ? TCP_SERVER : TCP_CLIENT;

	egress->flags[to] |= packet->tcp.flags;
	egress->family = packet->from.family;
	egress->vlan[0] = packet->from.vlan[0];
	egress->vlan[1] = packet->from.vlan[1];
	if ((packet->tcp.flags & TCP_FLAG_SYN) != 0)
		egress->isn[to] = packet->tcp.seq;
	if ((packet->tcp.flags & TCP_FLAG_RST) != 0) {
		if (egress->resets[to]++ == 0)
			egress->reset_seq[to] = packet->tcp.seq;
	}
	add_bytes(egress, have[to], to, packet);
}

static void *zeroed(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (memory == NULL)
		abort();
	return memory;
}

void replayed_read_egress(const struct replayed *replayed, struct replayed_egress *out)
{
	char error[CAPTURE_ERROR_BYTES];
	uint8_t *have[2] = {zeroed(MAX_STREAM), zeroed(MAX_STREAM)};
	struct capture_reader *reader;
	struct capture_record record;
	int result;

	*out = (struct replayed_egress){.text = {zeroed(MAX_STREAM + 1), zeroed(MAX_STREAM + 1)}};
	assert_int_equal(capture_open(replayed->egress, &reader, error), 0);
	while ((result = capture_next(reader, &record, error)) == 1) {
		struct frame frame = {record.data, record.bytes, record.bytes, NULL};
		struct packet packet;

		out->frames++;
		packet_parse(&frame, 0, &packet);
		assert_int_equal(packet.kind, PACKET_TCP);
		assert_true(frames_are_sums_right(record.data, packet.ip_end));
		add_frame(out, have, &packet);
	}
	assert_int_equal(result, 0);
	capture_close(reader);
	for (int i = 0; i < 2; i++) {
		while (out->bytes[i] < MAX_STREAM && have[i][out->bytes[i]])
			out->bytes[i]++;
		out->text[i][out->bytes[i]] = '\0';
		free(have[i]);
	}
}

void replayed_free_egress(struct replayed_egress *egress)
{
	free(egress->text[0]);
	free(egress->text[1]);
}
