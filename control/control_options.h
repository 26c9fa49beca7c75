// SPDX-License-Identifier: BSD-3-Clause
// Configuration of the control process: one YAML file, checked against one table (control_options.c).
#pragma once

#include "control/control_options_web.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONTROL_TEXT_BYTES 256
#define CONTROL_MAX_TEXTS 32

struct control_options {
	char gateway[64];                   // its name in events, as the dataplane's
	char socket[CONTROL_TEXT_BYTES];    // where cordonctl asks
	char dataplane[CONTROL_TEXT_BYTES]; // the dataplane's command socket
	char state[CONTROL_TEXT_BYTES];     // folder of what has to outlive the process
	uint32_t priority;                  // of the main loop; 0: none
	char events[CONTROL_TEXT_BYTES];    // a file, or "-"
	struct {
		char sources[CONTROL_MAX_TEXTS][CONTROL_TEXT_BYTES];
		uint32_t sources_count;
		char image[CONTROL_TEXT_BYTES]; // the dataplane's `rules`
		char cache[CONTROL_TEXT_BYTES]; // "": beside the image, "-": none
		char compiler[CONTROL_TEXT_BYTES];
		uint32_t compile_seconds;
		uint32_t compile_memory_mb;
		bool standby;
		uint32_t watch_ms; // after the last change of a source, 0: they are not watched
	} rules;
	struct {
		uint32_t max_seconds;
		char file[CONTROL_TEXT_BYTES]; // the dataplane's `seals`
	} seals;
	struct {
		char directory[CONTROL_TEXT_BYTES]; // the dataplane's `spool.directory`, "": none
		char key[CONTROL_TEXT_BYTES];
		uint32_t settle_seconds;
		uint64_t message_bytes;
	} spool;
	struct {
		char host[CONTROL_TEXT_BYTES]; // next hop, "": the server that the mail was for
		uint32_t port;
		uint32_t servers;     // at once
		uint32_t connections; // to each of them
		uint32_t per_connection;
		uint32_t per_minute; // 0: any number
		uint32_t server_per_minute;
		uint32_t reply_seconds;
		uint32_t retry_seconds;
		uint32_t retry_most_seconds;
		uint32_t lifetime_seconds;
		uint32_t order_seconds; // 0: no mail waits for an earlier one that was put off
		uint32_t infected;      // enum release_policy
		uint32_t suspect;
		uint32_t outbound_infected; // RELEASE_SAME: infected
		uint32_t outbound_suspect;
		uint32_t encrypted_mail;
		uint32_t undisinfected; // of what RELEASE_DISINFECT fails on
		uint32_t screening;     // of what hits in screening, and no more
	} release;
	struct {
		uint64_t entries; // that may be on
		uint32_t max_seconds;
		uint32_t
			keep_cleared; // mail in quarantine that is clean by the rules which cover it
	} screening;
	struct {
		char host[CONTROL_TEXT_BYTES]; // next hop of our own mail, "": release.host
		uint32_t port;
		char from[CONTROL_TEXT_BYTES];  // in its headers, "": postmaster at the gateway
		char admin[CONTROL_TEXT_BYTES]; // who gets the digest, "": nobody
		uint32_t interval_seconds;
		bool recipients;        // are told of what was quarantined
		bool success;           // senders that ask for it are told of what was delivered
		uint32_t delay_seconds; // until a sender is told that it takes long; 0: never
		uint32_t held_seconds;  // until one is told that a mail is held; 0: never
		uint32_t held;          // enum notify_held
	} notify;
	struct {
		char root[CONTROL_TEXT_BYTES]; // the first root document, "": no vendor is trusted
		char groups[CONTROL_MAX_TEXTS][CONTROL_TEXT_BYTES]; // this gateway is in
		uint32_t groups_count;
		uint32_t seals_per_hour;
		uint64_t most_ahead; // of the highest sequence
		uint32_t skew_seconds;
		uint32_t stale_seconds; // 0: never
		struct {
			char listen[CONTROL_TEXT_BYTES];      // address:port, "": off
			char certificate[CONTROL_TEXT_BYTES]; // PEM
			char key[CONTROL_TEXT_BYTES];
			char clients
				[CONTROL_TEXT_BYTES]; // CA of their certificates, "": none are asked for
			bool plain;                   // HTTP without TLS
			char allow[CONTROL_MAX_TEXTS][CONTROL_TEXT_BYTES]; // networks
			uint32_t allow_count;
			uint32_t per_minute;
		} https;
		struct {
			char url[CONTROL_TEXT_BYTES];         // of the feed, "": off
			char receipts[CONTROL_TEXT_BYTES];    // where they are posted, "": nowhere
			char ca[CONTROL_TEXT_BYTES];          // "": the system's
			char certificate[CONTROL_TEXT_BYTES]; // our own, "": none
			char key[CONTROL_TEXT_BYTES];
			uint32_t interval_seconds;
			uint32_t wait_seconds; // the server may hold its answer
		} pull;
		struct {
			char listen[CONTROL_TEXT_BYTES];  // address:port, "": off
			char connect[CONTROL_TEXT_BYTES]; // host:port, "": off
			uint32_t peers;                   // at once
		} tcp;
		struct {
			char listen[CONTROL_TEXT_BYTES]; // address:port, "": off
		} udp;
		struct {
			char broker[CONTROL_TEXT_BYTES];      // host:port, "": off
			bool plain;                           // without TLS
			char ca[CONTROL_TEXT_BYTES];          // "": the system's
			char certificate[CONTROL_TEXT_BYTES]; // our own, "": none
			char key[CONTROL_TEXT_BYTES];
			char user[CONTROL_TEXT_BYTES]; // files of one line each, "": none
			char password[CONTROL_TEXT_BYTES];
			char client[CONTROL_TEXT_BYTES]; // "": made of the gateway's name
			char topics[CONTROL_MAX_TEXTS][CONTROL_TEXT_BYTES];
			uint32_t topics_count;             // 0: made of names
			char receipts[CONTROL_TEXT_BYTES]; // "": made of names, "-": none
		} mqtt;
		struct {
			char listen[CONTROL_TEXT_BYTES];    // address:port, "": off
			char users[CONTROL_TEXT_BYTES];     // file, "": none
			char community[CONTROL_TEXT_BYTES]; // file, "": no version 2c
		} snmp;
		struct {
			char recipient[CONTROL_TEXT_BYTES]; // pattern, the dataplane's, "": none
			char maildir[CONTROL_TEXT_BYTES];   // "": none
			char receipts[CONTROL_TEXT_BYTES];  // address, "": nobody
		} mail;
	} alerts;
	struct {
		char ca[CONTROL_TEXT_BYTES];          // of the servers, "": the system's
		char certificate[CONTROL_TEXT_BYTES]; // our own, "": none
		char key[CONTROL_TEXT_BYTES];
		uint64_t most_bytes; // of one update
		uint32_t most_seconds;
		uint32_t retry_seconds;
		uint32_t release_seconds;
	} updates;
	struct web_options web;
	struct {
		char update_kill[CONTROL_TEXT_BYTES]; // a step at which the process ends itself
	} test_faults;
};

// Which senders are told that a mail is held.
enum notify_held {
	NOTIFY_HELD_ASKED,  // NOTIFY=DELAY (RFC 3461)
	NOTIFY_HELD_INSIDE, // and those of mail whose client is inside, who have not said otherwise
	NOTIFY_HELD_ALL,    // all who have not
};

enum release_policy {
	RELEASE_QUARANTINE,
	RELEASE_DELETE,
	RELEASE_DELIVER,
	RELEASE_STRIP,
	RELEASE_DISINFECT,
	RELEASE_SAME, // as of the other direction
};

// The defaults.
void control_options_init(struct control_options *options);
// Reads the file over the defaults. Returns 0, -EINVAL when something is wrong in it, or -errno of the
// file; each mistake is one line "file:line: what" on errors.
int control_options_load(const char *path, struct control_options *options, FILE *errors)
	__attribute__((warn_unused_result));
// All options with what is in force (options_file_json); freed by the caller, NULL: no memory.
char *control_options_json(const struct control_options *options);
// The reference of all options with their defaults, as Markdown.
void control_options_write_reference(FILE *out);
