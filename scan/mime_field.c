// SPDX-License-Identifier: BSD-3-Clause
// Header fields to what is known of an entity. Of a field that stands twice the first counts, as in
// most mail readers; what another says is noted for the other readings.
#include "scan/mime_state.h"

#include <string.h>

#define SET(field, literal) memcpy(field, literal, sizeof(literal))

void mime_entity_begin(struct mime *mime, bool digest)
{
	struct mime_entity *entity = &mime->entity;

	memset(entity, 0, offsetof(struct mime_entity, content_type));
	if (digest)
		SET(entity->content_type, "message/rfc822");
	else
		SET(entity->content_type, "text/plain");
	entity->charset[0] = '\0';
	SET(entity->encoding, "7bit");
	entity->disposition[0] = '\0';
	entity->filename[0] = '\0';
}

static bool is_multipart(const struct mime_entity *entity)
{
	return memcmp(entity->content_type, "multipart/", 10) == 0;
}

static void read_boundary(struct mime *mime, struct span value)
{
	struct mime_entity *entity = &mime->entity;
	uint8_t *boundary = mime->pool + mime->pool_bytes;
	size_t n = 0;

	entity->has_boundary =
		header_param_bytes(value, "boundary", boundary, MIME_MAX_BOUNDARY, &n);
	entity->long_boundary = n > MIME_MAX_BOUNDARY || mime->pool_bytes + n > MIME_BOUNDARY_POOL;
	if (!entity->has_boundary || entity->long_boundary)
		return;
	while (n > 0 && (boundary[n - 1] == ' ' || boundary[n - 1] == '\t'))
		n--;
	entity->boundary_bytes = (uint32_t)n;
}

// Of two content types that differ, or one with two boundaries, another reader may take the other.
static void compare_type(struct mime *mime, struct span value)
{
	struct mime_entity *entity = &mime->entity;
	char type[sizeof(entity->content_type)];
	uint8_t boundary[MIME_MAX_BOUNDARY];
	size_t n = 0;

	(void)header_type(value, type, sizeof(type));
	entity->odd = entity->odd || strcmp(type, entity->content_type) != 0;
	if (!is_multipart(entity) || !entity->has_boundary || entity->long_boundary ||
		!header_param_bytes(value, "boundary", boundary, sizeof(boundary), &n))
		return;
	while (n > 0 && n <= sizeof(boundary) &&
		(boundary[n - 1] == ' ' || boundary[n - 1] == '\t'))
		n--;
	if (n == entity->boundary_bytes && memcmp(boundary, mime->pool + mime->pool_bytes, n) == 0)
		return;
	entity->odd = true;
	mime_tell(mime, MIME_LIMIT_BOUNDARY);
}

// Texts are cut between characters.
static bool is_cut(size_t bytes, size_t room)
{
	return bytes + 5 > room;
}

#define NAME_BYTES sizeof(((struct mime_entity *)0)->filename)

// A part has one name, and all of it was read. Whether this field has one.
static bool note_name(
	struct mime *mime, struct span value, const char *parameter, char name[NAME_BYTES])
{
	const struct mime_entity *entity = &mime->entity;

	if (!header_param(value, parameter, name, NAME_BYTES))
		return false;
	if (is_cut(strlen(name), NAME_BYTES) || header_param_is_repeated(value, parameter) ||
		(entity->filename[0] != '\0' && strcmp(entity->filename, name) != 0))
		mime->outermost->has_unclear_name = true;
	return true;
}

// The first that is not empty.
static void read_subject(struct mime *mime, struct span value)
{
	bool is_second = mime->subject[0] != '\0';
	size_t room = sizeof(mime->subject);

	if (is_second || is_cut(header_text(value, mime->subject, room), room))
		mime->has_unclear_subject = true;
}

static void read_type(struct mime *mime, struct span value)
{
	struct mime_entity *entity = &mime->entity;
	char name[NAME_BYTES];
	const bool has_name = note_name(mime, value, "name", name);

	if (entity->has_type) {
		compare_type(mime, value);
		return;
	}
	entity->has_type = true;
	// RFC 2045 section 5.2: what is no media type is text.
	if (header_type(value, entity->content_type, sizeof(entity->content_type)) == 0)
		SET(entity->content_type, "text/plain");
	(void)header_param(value, "charset", entity->charset, sizeof(entity->charset));
	if (has_name && (!entity->has_disposition || entity->filename[0] == '\0'))
		memcpy(entity->filename, name, strlen(name) + 1);
	if (!is_multipart(entity))
		return;
	entity->digest = strcmp(entity->content_type, "multipart/digest") == 0;
	read_boundary(mime, value);
	if (header_param_is_repeated(value, "boundary"))
		mime_tell(mime, MIME_LIMIT_BOUNDARY);
}

static void read_disposition(struct mime *mime, struct span value)
{
	struct mime_entity *entity = &mime->entity;
	char filename[NAME_BYTES];
	const bool has_name = note_name(mime, value, "filename", filename);

	if (entity->has_disposition)
		return;
	entity->has_disposition = true;
	(void)header_token(value, entity->disposition, sizeof(entity->disposition));
	if (has_name && filename[0] != '\0')
		memcpy(entity->filename, filename, strlen(filename) + 1);
}

static enum mime_coding coding_of(const char *encoding)
{
	// Most are 7bit or 8bit.
	if (encoding[0] < 'b')
		return MIME_IDENTITY;
	if (strcmp(encoding, "base64") == 0)
		return MIME_BASE64;
	if (strcmp(encoding, "quoted-printable") == 0)
		return MIME_QP;
	// Names that programs of the time before MIME were registered under.
	if (strcmp(encoding, "x-uuencode") == 0 || strcmp(encoding, "uuencode") == 0 ||
		strcmp(encoding, "x-uue") == 0 || strcmp(encoding, "uue") == 0)
		return MIME_UU;
	return MIME_IDENTITY;
}

static bool is_known(const char *encoding)
{
	return coding_of(encoding) != MIME_IDENTITY || strcmp(encoding, "7bit") == 0 ||
	       strcmp(encoding, "8bit") == 0 || strcmp(encoding, "binary") == 0;
}

// Whether the value is the token alone.
static bool is_plain(struct span value, const char *token)
{
	while (value.bytes > 0 && (*value.at == ' ' || *value.at == '\t')) {
		value.at++;
		value.bytes--;
	}
	while (value.bytes > 0 &&
		(value.at[value.bytes - 1] == ' ' || value.at[value.bytes - 1] == '\t'))
		value.bytes--;
	return span_is(value, token);
}

// The first counts. Whatever else it, or one that follows, names is noted.
static void read_encoding(struct mime_entity *entity, struct span value)
{
	char token[sizeof(entity->encoding)];
	unsigned int codings;

	if (header_token(value, token, sizeof(token)) == 0)
		SET(token, "7bit");
	codings = mime_codings_named(value);
	// Programs write the one and mean another.
	if ((codings & MIME_CODING_BIT(MIME_UU)) != 0 || (!is_known(token) && codings == 0))
		codings |= MIME_CODING_BIT(MIME_BASE64) | MIME_CODING_BIT(MIME_QP);
	// Who knows no such encoding, or takes the other field, decodes nothing.
	if (!is_known(token) || coding_of(token) == MIME_IDENTITY || !is_plain(value, token))
		codings |= MIME_CODING_BIT(MIME_IDENTITY);
	if (!entity->has_encoding)
		memcpy(entity->encoding, token, sizeof(token));
	entity->has_encoding = true;
	entity->codings |= codings;
	if (!is_known(token) || coding_of(token) != coding_of(entity->encoding) ||
		(entity->codings & ~MIME_CODING_BIT(coding_of(entity->encoding))) != 0)
		entity->odd = true;
}

void mime_junk_notice(struct mime *mime, struct span line)
{
	unsigned int codings = mime_codings_hidden(line);

	if (codings == 0)
		return;
	mime->entity.codings |= codings;
	if ((codings & ~MIME_CODING_BIT(mime_entity_coding(mime))) != 0)
		mime->entity.odd = true;
}

// Most names are told by their first letter.
static inline bool is_name(struct span name, const char *lower)
{
	return name.bytes > 0 && (name.at[0] | 0x20) == lower[0] && span_is(name, lower);
}

void mime_field_end(struct mime *mime)
{
	struct mime_entity *entity = &mime->entity;
	struct span line = {(const char *)mime->field, mime->field_bytes};
	bool outermost = mime->depth + mime->base_depth == 0;
	struct span name;
	struct span value;

	mime->has_field = false;
	mime->field_bytes = 0;
	if (!header_split(line, &name, &value))
		return;
	if (is_name(name, "content-transfer-encoding")) {
		read_encoding(entity, value);
		return;
	}
	// One may hide behind a line break that is none to us.
	mime_junk_notice(mime, line);
	if (is_name(name, "content-type")) {
		read_type(mime, value);
	} else if (is_name(name, "content-disposition")) {
		read_disposition(mime, value);
	} else if (outermost && is_name(name, "subject")) {
		read_subject(mime, value);
	} else if (outermost && mime->message_id[0] == '\0' && is_name(name, "message-id")) {
		(void)header_text(value, mime->message_id, sizeof(mime->message_id));
	}
}

enum mime_kind mime_entity_kind(const struct mime *mime)
{
	const struct mime_entity *entity = &mime->entity;

	if (is_multipart(entity) && entity->has_boundary && !entity->long_boundary)
		return MIME_MULTIPART;
	if (entity->content_type[0] != 'm')
		return MIME_LEAF;
	if (strcmp(entity->content_type, "message/rfc822") == 0 ||
		strcmp(entity->content_type, "message/global") == 0 ||
		strcmp(entity->content_type, "message/news") == 0)
		return MIME_MESSAGE;
	return MIME_LEAF;
}

enum mime_coding mime_entity_coding(const struct mime *mime)
{
	return coding_of(mime->entity.encoding);
}
