// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/capture_file.h"

#include "dataplane/capture_pcapng.h"

#include <pcap/pcap.h>
#include <zlib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define ETHERNET_BYTES 14u
#define NS_PER_S 1000000000u
#define FILE_BUFFER_BYTES (64u << 10)
#define WRITE_BUFFER_BYTES (256u << 10)
#define GZIP_BUFFER_BYTES (256u << 10)
#define LINKTYPE_RAW 101

struct capture_reader {
	gzFile packed; // the file; one that is not compressed is read as it is
	FILE *file;    // what it unpacks to
	pcap_t *pcap;  // owns file; NULL where pcapng reads it
	struct pcapng *pcapng;
	int dlt;
	bool has_any;
	int unknown; // link type that was skipped; 0: none
	uint8_t frame[ETHERNET_BYTES + CAPTURE_MAX_FRAME];
};

struct capture_writer {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
};

// ---- files --------------------------------------------------------------------------------------

static ssize_t read_packed(void *cookie, char *out, size_t bytes)
{
	const struct capture_reader *reader = cookie;

	return gzread(reader->packed, out, (unsigned int)bytes);
}

// Why the file ended when it should not have: its packing, when that is what is wrong.
static const char *packing_error(const struct capture_reader *reader)
{
	int number = Z_OK;
	const char *message = gzerror(reader->packed, &number);

	if (number == Z_BUF_ERROR)
		return "the gzip data ends early";
	return number == Z_DATA_ERROR ? message : NULL;
}

static int open_file(struct capture_reader *reader, const char *path)
{
	const cookie_io_functions_t functions = {.read = read_packed};

	errno = 0;
	reader->packed = gzopen(path, "rbe");
	if (reader->packed == NULL)
		return errno != 0 ? -errno : -ENOMEM;
	(void)gzbuffer(reader->packed, GZIP_BUFFER_BYTES);
	reader->file = fopencookie(reader, "r", functions);
	if (reader->file == NULL)
		return -ENOMEM;
	(void)setvbuf(reader->file, NULL, _IOFBF, FILE_BUFFER_BYTES);
	return 0;
}

static int open_pcap(
	struct capture_reader *reader, const char *path, char error[CAPTURE_ERROR_BYTES])
{
	char message[PCAP_ERRBUF_SIZE] = "";
	const char *name;

	reader->pcap = pcap_fopen_offline_with_tstamp_precision(
		reader->file, PCAP_TSTAMP_PRECISION_NANO, message);
	if (reader->pcap == NULL) {
		name = packing_error(reader);
		(void)snprintf(
			error, CAPTURE_ERROR_BYTES, "%s: %s", path, name != NULL ? name : message);
		return -EBADMSG;
	}
	reader->file = NULL;
	reader->dlt = pcap_datalink(reader->pcap);
	if (!capture_link_is_known(reader->dlt)) {
		name = pcap_datalink_val_to_name(reader->dlt);
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: link type %s (%d) is not supported",
			path, name != NULL ? name : "unknown", reader->dlt);
		return -ENOTSUP;
	}
	return 0;
}

int capture_open(const char *path, struct capture_reader **out, char error[CAPTURE_ERROR_BYTES])
{
	struct capture_reader *reader = calloc(1, sizeof(*reader));
	uint8_t magic[4] = {0};
	int got;
	int err = reader != NULL ? open_file(reader, path) : -ENOMEM;

	if (err != 0) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: %s", path, strerror(-err));
		capture_close(reader);
		return err;
	}
	errno = 0;
	got = gzread(reader->packed, magic, sizeof(magic));
	if (got < 0 && packing_error(reader) == NULL && errno != 0) {
		err = -errno; // a folder, or a device that fails
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: %s", path, strerror(-err));
		capture_close(reader);
		return err;
	}
	if (got >= 0)
		(void)gzrewind(reader->packed);
	if (got == sizeof(magic) && pcapng_is_magic(magic)) {
		reader->pcapng = pcapng_new(reader->file);
		err = reader->pcapng != NULL ? 0 : -ENOMEM;
		if (err != 0)
			(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: out of memory", path);
	} else {
		err = open_pcap(reader, path, error);
	}
	if (err != 0) {
		capture_close(reader);
		return err;
	}
	*out = reader;
	return 0;
}

void capture_close(struct capture_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->pcap != NULL)
		pcap_close(reader->pcap);
	pcapng_free(reader->pcapng);
	if (reader->file != NULL)
		(void)fclose(reader->file);
	if (reader->packed != NULL)
		(void)gzclose_r(reader->packed);
	free(reader);
}

// ---- records ------------------------------------------------------------------------------------

// Puts a made-up header before the payload of another kind of link. What is not IP gets an EtherType
// for experiments (IEEE 802, 0x88b5), which nobody takes for anything.
static void make_ethernet(struct capture_reader *reader, const uint8_t *data, uint32_t bytes,
	struct capture_record *record)
{
	uint32_t offset = 0;
	uint16_t type = 0;

	if (!capture_link_parse(reader->dlt, data, bytes, &offset, &type)) {
		offset = 0;
		type = 0;
	}
	if (type == 0)
		type = 0x88b5;
	memset(reader->frame, 0, ETHERNET_BYTES);
	reader->frame[12] = (uint8_t)(type >> 8);
	reader->frame[13] = (uint8_t)type;
	memcpy(reader->frame + ETHERNET_BYTES, data + offset, bytes - offset);
	record->bytes = ETHERNET_BYTES + bytes - offset;
	record->made_up = true;
}

// The next packet of any kind of file. Returns 1, 0 at the end, or an error.
static int next_packet(struct capture_reader *reader, struct pcapng_packet *packet,
	char error[CAPTURE_ERROR_BYTES])
{
	struct pcap_pkthdr *header;
	const char *packing;
	int result;

	if (reader->pcapng != NULL) {
		result = pcapng_next(reader->pcapng, packet, error);
	} else {
		result = pcap_next_ex(reader->pcap, &header, &packet->data);
		if (result == 1) {
			packet->time_ns = (uint64_t)header->ts.tv_sec * NS_PER_S +
					  (uint64_t)header->ts.tv_usec;
			packet->bytes = header->caplen;
			packet->original_bytes = header->len;
			packet->link = (uint16_t)reader->dlt;
			return 1;
		}
		if (result != PCAP_ERROR_BREAK)
			(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s", pcap_geterr(reader->pcap));
		result = result == PCAP_ERROR_BREAK ? 0 : -EBADMSG;
	}
	packing = result == 1 ? NULL : packing_error(reader);
	if (packing == NULL)
		return result;
	(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s", packing);
	return -EBADMSG;
}

static void fill_record(struct capture_reader *reader, const struct pcapng_packet *packet,
	struct capture_record *record)
{
	uint32_t bytes = packet->bytes < CAPTURE_MAX_FRAME ? packet->bytes : CAPTURE_MAX_FRAME;

	*record = (struct capture_record){.time_ns = packet->time_ns,
		.data = reader->frame,
		.bytes = bytes,
		.cut = bytes < packet->original_bytes};
	if (reader->dlt == DLT_EN10MB)
		memcpy(reader->frame, packet->data, bytes);
	else
		make_ethernet(reader, packet->data, bytes, record);
}

int capture_next(struct capture_reader *reader, struct capture_record *record,
	char error[CAPTURE_ERROR_BYTES])
{
	struct pcapng_packet packet;
	int result;

	while ((result = next_packet(reader, &packet, error)) == 1) {
		// One kind of link has different numbers in files and in the library.
		if (reader->pcapng != NULL)
			reader->dlt = packet.link == LINKTYPE_RAW ? DLT_RAW : packet.link;
		if (capture_link_is_known(reader->dlt)) {
			fill_record(reader, &packet, record);
			reader->has_any = true;
			return 1;
		}
		reader->unknown = reader->dlt;
	}
	if (result == 0 && reader->unknown != 0 && !reader->has_any) {
		const char *name = pcap_datalink_val_to_name(reader->unknown);

		(void)snprintf(error, CAPTURE_ERROR_BYTES, "link type %s (%d) is not supported",
			name != NULL ? name : "unknown", reader->unknown);
		return -EBADMSG;
	}
	return result;
}

// ---- writing ------------------------------------------------------------------------------------

int capture_create(const char *path, struct capture_writer **out, char error[CAPTURE_ERROR_BYTES])
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));
	FILE *file;

	if (writer != NULL)
		writer->pcap = pcap_open_dead_with_tstamp_precision(
			DLT_EN10MB, CAPTURE_MAX_FRAME, PCAP_TSTAMP_PRECISION_NANO);
	if (writer == NULL || writer->pcap == NULL) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: out of memory", path);
		free(writer);
		return -EIO;
	}
	file = fopen(path, "wbe");
	if (file != NULL)
		(void)setvbuf(file, NULL, _IOFBF, WRITE_BUFFER_BYTES);
	writer->dumper = file != NULL ? pcap_dump_fopen(writer->pcap, file) : NULL;
	if (writer->dumper == NULL) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: %s", path,
			// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
			file == NULL ? strerror(errno) : pcap_geterr(writer->pcap));
		if (file != NULL)
			(void)fclose(file);
		pcap_close(writer->pcap);
		free(writer);
		return -EIO;
	}
	*out = writer;
	return 0;
}

void capture_write(
	struct capture_writer *writer, const uint8_t *data, uint32_t bytes, uint64_t time_ns)
{
	struct pcap_pkthdr header = {.caplen = bytes, .len = bytes};

	header.ts.tv_sec = (time_t)(time_ns / NS_PER_S);
	header.ts.tv_usec = (suseconds_t)(time_ns % NS_PER_S);
	pcap_dump((uint8_t *)writer->dumper, &header, data);
}

int capture_finish(struct capture_writer *writer)
{
	int err;

	if (writer == NULL)
		return 0;
	err = pcap_dump_flush(writer->dumper) != 0 || ferror(pcap_dump_file(writer->dumper)) ? -EIO
											     : 0;
	pcap_dump_close(writer->dumper);
	pcap_close(writer->pcap);
	free(writer);
	return err;
}
