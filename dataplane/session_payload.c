// SPDX-License-Identifier: BSD-3-Clause
// What the parser reads next: in the packet that brought it, whole and at hand, or else in the stream's pages.
#include "dataplane/session.h"

#define PIECE_BYTES 4096u // at a time: a copy that is kept asks for its room in between

void session_lend(struct engine *engine, const struct session *session, enum tcp_side side,
	const struct arrival *arrival, uint64_t offset)
{
	const struct packet *packet = arrival->packet;

	engine->lent = (struct lent){&session->stream[side], packet->payload, offset,
		offset + packet->tcp.payload_bytes};
}

size_t session_peek(
	struct engine *engine, struct session *session, enum tcp_side side, const uint8_t **data)
{
	const struct lent *lent = &engine->lent;
	struct stream *stream = &session->stream[side];
	uint8_t *stored;
	size_t n;

	// What was masked since then is so in the stream alone.
	if (lent->stream == stream && !session->changed[side] && stream->read >= lent->from &&
		stream->read < lent->to && lent->to <= stream->next) {
		*data = lent->data + (stream->read - lent->from);
		n = (size_t)(lent->to - stream->read);
		return n < PIECE_BYTES ? n : PIECE_BYTES;
	}
	n = stream_peek(stream, &stored);
	*data = stored;
	return n;
}

void session_restore(
	struct session *session, enum tcp_side side, const struct arrival *arrival, uint64_t offset)
{
	struct packet *packet = arrival->packet;

	(void)stream_copy(
		&session->stream[side], offset, packet->payload, packet->tcp.payload_bytes);
	packet_fix_tcp_checksum(arrival->frame, packet);
}
