// SPDX-License-Identifier: BSD-3-Clause
// A record of the spool as JSON.
#pragma once

#include "dataplane/dataplane.h"

#include <jansson.h>

// Any bytes as a string of valid UTF-8.
json_t *store_json_text(struct spool_text text);
// {"mail_from", "mail_params", "rcpt_to": [{"address", "params"}], "helo", "client", "client_port",
// "server", "server_port", "link", "direction", "session", "message", "arrival"}.
json_t *store_json_envelope(const struct spool_envelope *envelope);
// {"verdict", "reason", "seals", "signatures", "subject", "message_id", "parts"}.
json_t *store_json_reason(const struct spool_reason *reason);
json_t *store_json_change(const struct spool_change *change);
