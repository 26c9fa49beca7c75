// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/capture_file.h"

#include <pcap/pcap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET_BYTES 14u
#define NS_PER_S 1000000000u

struct capture_reader {
	pcap_t *pcap;
	int dlt;
	uint8_t frame[ETHERNET_BYTES + CAPTURE_MAX_FRAME];
};

struct capture_writer {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
};

// libpcap says what is wrong in words only.
static int open_error(const char *path, const char *message, char error[CAPTURE_ERROR_BYTES])
{
	FILE *file = fopen(path, "rbe");
	int err = file == NULL ? -errno : -EBADMSG;

	if (file != NULL)
		(void)fclose(file);
	// Its messages about files begin with the path.
	if (strncmp(message, path, strlen(path)) == 0)
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s", message);
	else
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: %s", path, message);
	return err;
}

int capture_open(const char *path, struct capture_reader **out, char error[CAPTURE_ERROR_BYTES])
{
	char message[PCAP_ERRBUF_SIZE] = "";
	struct capture_reader *reader = calloc(1, sizeof(*reader));
	const char *name;

	if (reader == NULL) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: out of memory", path);
		return -ENOMEM;
	}
	reader->pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, message);
	if (reader->pcap == NULL) {
		free(reader);
		return open_error(path, message, error);
	}
	reader->dlt = pcap_datalink(reader->pcap);
	if (!capture_link_is_known(reader->dlt)) {
		name = pcap_datalink_val_to_name(reader->dlt);
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: link type %s (%d) is not supported",
			path, name != NULL ? name : "unknown", reader->dlt);
		capture_close(reader);
		return -ENOTSUP;
	}
	*out = reader;
	return 0;
}

void capture_close(struct capture_reader *reader)
{
	if (reader == NULL)
		return;
	pcap_close(reader->pcap);
	free(reader);
}

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

int capture_next(struct capture_reader *reader, struct capture_record *record,
	char error[CAPTURE_ERROR_BYTES])
{
	struct pcap_pkthdr *header;
	const uint8_t *data;
	uint32_t bytes;
	int result = pcap_next_ex(reader->pcap, &header, &data);

	if (result == PCAP_ERROR_BREAK)
		return 0;
	if (result != 1) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s", pcap_geterr(reader->pcap));
		return -EBADMSG;
	}
	bytes = header->caplen < CAPTURE_MAX_FRAME ? header->caplen : CAPTURE_MAX_FRAME;
	*record = (struct capture_record){
		.time_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec,
		.data = reader->frame,
		.bytes = bytes,
		.cut = bytes < header->len};
	if (reader->dlt == DLT_EN10MB)
		memcpy(reader->frame, data, bytes);
	else
		make_ethernet(reader, data, bytes, record);
	return 1;
}

int capture_create(const char *path, struct capture_writer **out, char error[CAPTURE_ERROR_BYTES])
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));

	if (writer != NULL)
		writer->pcap = pcap_open_dead_with_tstamp_precision(
			DLT_EN10MB, CAPTURE_MAX_FRAME, PCAP_TSTAMP_PRECISION_NANO);
	if (writer == NULL || writer->pcap == NULL) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: out of memory", path);
		free(writer);
		return -EIO;
	}
	writer->dumper = pcap_dump_open(writer->pcap, path);
	if (writer->dumper == NULL) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s", pcap_geterr(writer->pcap));
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
