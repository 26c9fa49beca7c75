// SPDX-License-Identifier: BSD-3-Clause
// Capture files as Ethernet frames with times: pcap by libpcap, pcapng of any mixture of links by a
// reader of our own, both also packed with gzip.
//
// What was captured on another kind of link gets an Ethernet header made up for it, with zero MAC
// addresses that the caller may fill in. Errors are told in the caller's text buffer.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_ERROR_BYTES 512
#define CAPTURE_MAX_FRAME 262144

struct capture_record {
	uint64_t time_ns; // since 1970
	uint8_t *data;    // the reader's, until the next call; an Ethernet frame
	uint32_t bytes;
	bool cut;     // the capture does not hold all of it; data is what there is
	bool made_up; // the Ethernet header is ours
};

struct capture_reader;

// Returns 0, -ENOENT or another -errno of the file, -EBADMSG (no capture file), -ENOTSUP (a kind of
// link that is not known), with a text in error.
int capture_open(const char *path, struct capture_reader **out, char error[CAPTURE_ERROR_BYTES])
	__attribute__((warn_unused_result));
void capture_close(struct capture_reader *reader);
// Returns 1 and a record, 0 at the end, -EBADMSG with a text in error when the file cannot be read
// further.
int capture_next(struct capture_reader *reader, struct capture_record *record,
	char error[CAPTURE_ERROR_BYTES]) __attribute__((warn_unused_result));

struct capture_writer;

// An Ethernet capture with nanoseconds. Returns 0 or -EIO, with a text in error.
int capture_create(const char *path, struct capture_writer **out, char error[CAPTURE_ERROR_BYTES])
	__attribute__((warn_unused_result));
void capture_write(
	struct capture_writer *writer, const uint8_t *data, uint32_t bytes, uint64_t time_ns);
// Returns 0, or -EIO when not all of it could be written. writer may be NULL.
int capture_finish(struct capture_writer *writer) __attribute__((warn_unused_result));

// ---- link layers (capture_link.c) ----------------------------------------------------------------

// Finds what a frame of the libpcap link type dlt carries: *offset of its payload and *type by
// EtherType. False when the frame is cut within its header; *type is 0 for what is not IP or Ethernet.
bool capture_link_parse(
	int dlt, const uint8_t *data, uint32_t bytes, uint32_t *offset, uint16_t *type);
bool capture_link_is_known(int dlt);
