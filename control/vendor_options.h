// SPDX-License-Identifier: BSD-3-Clause
// Configuration of the vendor's server: one YAML file, checked against one table (vendor_options.c).
#pragma once

#include "control/control_options.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct vendor_options {
	char state[CONTROL_TEXT_BYTES];                   // folder of the database
	char root[CONTROL_TEXT_BYTES];                    // the root document in force
	char keys[CONTROL_MAX_TEXTS][CONTROL_TEXT_BYTES]; // private, that are at hand
	uint32_t keys_count;
	char events[CONTROL_TEXT_BYTES];
	uint32_t heartbeat_seconds; // 0: none
	uint32_t expiry_seconds;    // of alerts that do not say
	uint32_t retry_seconds;
	uint32_t retry_most_seconds;
	struct web_options web;
	struct {
		char ca[CONTROL_TEXT_BYTES];
		char certificate[CONTROL_TEXT_BYTES];
		char key[CONTROL_TEXT_BYTES];
		uint32_t at_once;
	} https;
	struct {
		char listen[CONTROL_TEXT_BYTES];
		uint32_t at_once;
	} tcp;
	struct {
		char broker[CONTROL_TEXT_BYTES];      // host:port, "": off
		bool plain;                           // without TLS
		char ca[CONTROL_TEXT_BYTES];          // "": the system's
		char certificate[CONTROL_TEXT_BYTES]; // our own, "": none
		char key[CONTROL_TEXT_BYTES];
		char user[CONTROL_TEXT_BYTES]; // files of one line each, "": none
		char password[CONTROL_TEXT_BYTES];
		char client[CONTROL_TEXT_BYTES]; // "": made of the vendor's name
		uint32_t repeat_seconds;
	} mqtt;
	struct {
		char users[CONTROL_TEXT_BYTES];     // file, "": no version 3
		char community[CONTROL_TEXT_BYTES]; // file, "": no version 2c
		uint32_t at_once;
	} snmp;
	struct {
		char host[CONTROL_TEXT_BYTES]; // next hop, "": off
		uint32_t port;
		char from[CONTROL_TEXT_BYTES];    // who sends, and whom receipts go to
		char maildir[CONTROL_TEXT_BYTES]; // of receipts, "": none
		uint32_t repeat_seconds;
	} mail;
	struct {
		char folder[CONTROL_TEXT_BYTES];
		char url[CONTROL_TEXT_BYTES];
		char signatures[CONTROL_TEXT_BYTES];
	} publish;
};

// Reads the file over the defaults. Returns 0, -EINVAL when something is wrong in it, or -errno of the
// file; each mistake is one line "file:line: what" on errors.
int vendor_options_load(const char *path, struct vendor_options *options, FILE *errors)
	__attribute__((warn_unused_result));
// The reference of all options with their defaults, as Markdown.
void vendor_options_write_reference(FILE *out);
