// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_container.h"

#include "scan/clamav.h"
#include "scan/clamav_signature.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 512
#define HEADER_FIELDS 9
#define TAR_BLOCK 512
#define MAX_INFO_LINE 1024

// ---- unpacking ---------------------------------------------------------------------------------

static bool grow(struct clamav_container *out, size_t *room)
{
	size_t larger = *room > 0 ? 2 * *room : (size_t)1 << 20;
	uint8_t *memory = larger <= CLAMAV_MAX_UNPACKED ? realloc(out->tar, larger) : NULL;

	if (memory == NULL)
		return false;
	out->tar = memory;
	*room = larger;
	return true;
}

static const char *inflate_all(z_stream *stream, struct clamav_container *out)
{
	size_t room = 0;
	int status = Z_OK;

	while (status == Z_OK) {
		if (out->tar_bytes == room && !grow(out, &room))
			return "too large when unpacked";
		stream->next_out = out->tar + out->tar_bytes;
		stream->avail_out =
			(uInt)(room - out->tar_bytes < 1u << 30 ? room - out->tar_bytes : 1u << 30);
		status = inflate(stream, Z_NO_FLUSH);
		out->tar_bytes = (size_t)(stream->next_out - out->tar);
	}
	return status == Z_STREAM_END ? NULL : "its gzip data is damaged";
}

static const char *unpack(const uint8_t *data, size_t n, struct clamav_container *out)
{
	z_stream stream = {0};
	const char *wrong;

	if (n < 2 || data[0] != 0x1f || data[1] != 0x8b) {
		out->tar = malloc(n > 0 ? n : 1);
		if (out->tar == NULL)
			return "out of memory";
		memcpy(out->tar, data, n);
		out->tar_bytes = n;
		return NULL;
	}
	if (n > UINT32_MAX || inflateInit2(&stream, 15 + 16) != Z_OK)
		return "out of memory";
	stream.next_in = (z_const Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)n;
	wrong = inflate_all(&stream, out);
	(void)inflateEnd(&stream);
	return wrong;
}

// ---- tar ---------------------------------------------------------------------------------------

static bool read_octal(const uint8_t *field, size_t width, uint64_t *out)
{
	size_t i = 0;

	*out = 0;
	while (i < width && field[i] == ' ')
		i++;
	if (i == width || field[i] < '0' || field[i] > '7')
		return false;
	for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
		*out = *out << 3 | (uint64_t)(field[i] - '0');
	return i == width || field[i] == ' ' || field[i] == '\0';
}

// Plain files in one folder, as libclamav asks for.
static const char *read_tar(struct clamav_container *out)
{
	size_t at = 0;

	while (at + TAR_BLOCK <= out->tar_bytes && out->tar[at] != '\0') {
		const uint8_t *block = out->tar + at;
		struct clamav_container_file *file = &out->files[out->files_count];
		uint64_t bytes;

		if (out->files_count == CLAMAV_MAX_CONTAINER_FILES)
			return "it has too many files";
		if (!read_octal(block + 124, 12, &bytes) ||
			(block[156] != '0' && block[156] != '\0'))
			return "its tar is damaged";
		memcpy(file->name, block, 100);
		file->name[100] = '\0';
		if (strchr(file->name, '/') != NULL)
			return "its tar has folders";
		at += TAR_BLOCK;
		if (bytes > out->tar_bytes - at)
			return "its tar ends early";
		file->data = out->tar + at;
		file->bytes = (size_t)bytes;
		out->files_count++;
		at += ((size_t)bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		if (at > out->tar_bytes)
			at = out->tar_bytes;
	}
	return NULL;
}

// ---- header ------------------------------------------------------------------------------------

static bool hash(const EVP_MD *kind, const uint8_t *data, size_t n, uint8_t *out)
{
	return EVP_Digest(data, n, out, NULL, kind, NULL) == 1;
}

// "ClamAV-VDB:time:version:signatures:level:MD5:signature:builder[:seconds]"
static const char *check_header(enum clamav_container_kind kind, const uint8_t *data, size_t n)
{
	char header[HEADER_BYTES + 1];
	char *fields[HEADER_FIELDS];
	uint8_t wanted[16];
	uint8_t md5[EVP_MAX_MD_SIZE];

	if (n < HEADER_BYTES || memcmp(data, "ClamAV-VDB:", 11) != 0)
		return "it does not begin with ClamAV-VDB";
	memcpy(header, data, HEADER_BYTES);
	header[HEADER_BYTES] = '\0';
	for (size_t i = HEADER_BYTES; i > 0 && (header[i - 1] == ' ' || header[i - 1] == '\n'); i--)
		header[i - 1] = '\0';
	if (clamav_split(header, fields, HEADER_FIELDS) < HEADER_FIELDS - 1)
		return "its header lacks fields";
	if (kind != CLAMAV_CVD)
		return NULL;
	if (!clamav_parse_digest(fields[5], sizeof(wanted), wanted) || strlen(fields[5]) != 32)
		return "its header has no MD5";
	if (!hash(EVP_md5(), data + HEADER_BYTES, n - HEADER_BYTES, md5) ||
		memcmp(md5, wanted, sizeof(wanted)) != 0)
		return "its contents are damaged: their MD5 is not that of the header";
	return clamav_verify_md5(wanted, fields[6]) ? NULL
						    : "the signature in its header is not ClamAV's";
}

// ---- *.info ------------------------------------------------------------------------------------

static struct clamav_container_file *find_file(struct clamav_container *container, const char *name)
{
	for (size_t i = 0; i < container->files_count; i++)
		if (strcmp(container->files[i].name, name) == 0)
			return &container->files[i];
	return NULL;
}

static const char *check_line(struct clamav_container *out, char *line, bool *listed)
{
	struct clamav_container_file *file;
	char *fields[3];
	uint8_t wanted[32];
	uint8_t sha256[EVP_MAX_MD_SIZE];
	uint64_t bytes;

	if (clamav_split(line, fields, 3) != 3 ||
		!clamav_parse_decimal(fields[1], CLAMAV_MAX_UNPACKED, &bytes) ||
		strlen(fields[2]) != 64 || !clamav_parse_digest(fields[2], sizeof(wanted), wanted))
		return "a line of its .info is not name:size:SHA-256";
	file = find_file(out, fields[0]);
	if (file == NULL)
		return "a file that its .info lists is missing";
	if (file->bytes != bytes || !hash(EVP_sha256(), file->data, file->bytes, sha256) ||
		memcmp(sha256, wanted, sizeof(wanted)) != 0)
		return "a file is not the one that its .info lists";
	listed[file - out->files] = true;
	return NULL;
}

// The lines up to "DSIG:" are signed, line ends included.
static const char *check_info(enum clamav_container_kind kind,
	const struct clamav_container_file *info, struct clamav_container *out, bool *listed)
{
	bool is_signed = false;
	size_t at = 0;

	while (at < info->bytes && !is_signed) {
		const char *start = (const char *)info->data + at;
		const char *end = memchr(start, '\n', info->bytes - at);
		size_t length = end != NULL ? (size_t)(end - start) : info->bytes - at;
		char line[MAX_INFO_LINE];
		const char *wrong = NULL;

		if (length >= sizeof(line))
			return "a line of its .info is too long";
		memcpy(line, start, length);
		line[length] = '\0';
		line[strcspn(line, "\r")] = '\0';
		is_signed = strncmp(line, "DSIG:", 5) == 0;
		if (is_signed && kind != CLAMAV_CUD) {
			uint8_t sha256[EVP_MAX_MD_SIZE];

			if (!hash(EVP_sha256(), info->data, at, sha256) ||
				!clamav_verify_sha256(sha256, line + 5))
				return "the signature of its .info is not ClamAV's";
		} else if (!is_signed && strncmp(line, "ClamAV-VDB:", 11) != 0) {
			wrong = check_line(out, line, listed);
		}
		if (wrong != NULL)
			return wrong;
		at += length + 1;
	}
	return is_signed || kind == CLAMAV_CUD ? NULL : "its .info is not signed";
}

static const char *check_files(enum clamav_container_kind kind, struct clamav_container *out)
{
	bool listed[CLAMAV_MAX_CONTAINER_FILES] = {false};
	const struct clamav_container_file *info = NULL;
	const char *wrong;
	size_t count = 0;

	for (size_t i = 0; i < out->files_count; i++) {
		const char *dot = strrchr(out->files[i].name, '.');

		if (dot != NULL && strcmp(dot, ".info") == 0)
			info = &out->files[i];
	}
	if (info == NULL)
		return "it has no .info";
	wrong = check_info(kind, info, out, listed);
	if (wrong != NULL)
		return wrong;
	for (size_t i = 0; i < out->files_count; i++)
		if (listed[i])
			out->files[count++] = out->files[i];
	out->files_count = count;
	return NULL;
}

const char *clamav_container_open(enum clamav_container_kind kind, const uint8_t *data, size_t n,
	struct clamav_container *out)
{
	const char *wrong = check_header(kind, data, n);

	memset(out, 0, sizeof(*out));
	if (wrong == NULL)
		wrong = unpack(data + HEADER_BYTES, n - HEADER_BYTES, out);
	if (wrong == NULL)
		wrong = read_tar(out);
	if (wrong == NULL)
		wrong = check_files(kind, out);
	if (wrong != NULL)
		clamav_container_close(out);
	return wrong;
}

void clamav_container_close(struct clamav_container *container)
{
	free(container->tar);
	container->tar = NULL;
	container->tar_bytes = 0;
	container->files_count = 0;
}
