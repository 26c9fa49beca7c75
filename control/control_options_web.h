// SPDX-License-Identifier: BSD-3-Clause
// The section `web` of a configuration: what a daemon serves over HTTP, and who may ask. The gateway's and the
// vendor's are the same.
#pragma once

#include "dataplane/dataplane.h"

#include <stdbool.h>
#include <stdint.h>

#define WEB_OPTION_BYTES 256
#define WEB_MAX_ALLOW 32

struct web_options {
	char listen[WEB_OPTION_BYTES];      // address:port, "": off
	char certificate[WEB_OPTION_BYTES]; // PEM
	char key[WEB_OPTION_BYTES];
	bool plain;                                  // HTTP without TLS
	char allow[WEB_MAX_ALLOW][WEB_OPTION_BYTES]; // networks
	uint32_t allow_count;
	uint32_t per_minute;
	char users[WEB_OPTION_BYTES];       // file, "": no page
	char metrics_key[WEB_OPTION_BYTES]; // file, "": metrics need none
	uint32_t idle_seconds;              // of a session
	uint32_t most_seconds;
};

// Of a struct web_options.
extern const struct config_option control_options_web[];
// What one value of them cannot tell.
void control_options_check_web(struct options_lines *lines, const struct web_options *options);
