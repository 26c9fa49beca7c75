// SPDX-License-Identifier: BSD-3-Clause
// One request to the REST interface (docs/vendor-api.md) on its way to an answer: for vendor_api*.c.
#pragma once

#include "control/vendor_server.h"

#include <jansson.h>

#include <stdint.h>

#define VENDOR_CALL_LATER 0 // as a status: it is answered later

struct vendor_call {
	struct vendor_server *server;
	const struct web_request *request;
	json_t *body;     // of a POST or PUT, an object
	const char *name; // what stands for * in the path
	const char *who;  // whose key it is
	const char *via;  // "key", "page" or "token"
	json_t *out;      // the answer
	const char *what; // was done, or asked for: the history's
	json_t *details;
	char why[VENDOR_WHY_BYTES];
};

int64_t vendor_call_now_s(void);
// Returns status; why is the answer.
unsigned int vendor_call_refuse(struct vendor_call *call, unsigned int status, const char *why);
// The answer to a change that ended with err, when nothing more is to be said.
unsigned int vendor_call_status_of(struct vendor_call *call, int err, unsigned int good);

// A value of the query, the caller's; NULL: it is not there.
char *vendor_call_argument(const struct vendor_call *call, const char *name);
int64_t vendor_call_number(
	const struct vendor_call *call, const char *name, int64_t otherwise, int64_t most);
unsigned int vendor_call_page_size(const struct vendor_call *call);
// A list and, when there may be more, what the next page is asked with: a member of its last entry.
unsigned int vendor_call_page(
	struct vendor_call *call, const char *what, json_t *list, const char *next);

// What the history says of the call, also when it is refused in the end; takes details.
void vendor_call_tell(struct vendor_call *call, const char *what, json_t *details);
void vendor_call_audit(const struct vendor_call *call, unsigned int status);

// vendor_api_gateways.c: routes, which return an HTTP status.
unsigned int vendor_api_list_gateways(struct vendor_call *call);
unsigned int vendor_api_get_gateway(struct vendor_call *call);
unsigned int vendor_api_put_gateway(struct vendor_call *call);
unsigned int vendor_api_delete_gateway(struct vendor_call *call);
unsigned int vendor_api_list_tokens(struct vendor_call *call);
unsigned int vendor_api_make_token(struct vendor_call *call);
unsigned int vendor_api_enrol(struct vendor_call *call);
// vendor_api_alerts.c
unsigned int vendor_api_list_alerts(struct vendor_call *call);
unsigned int vendor_api_get_alert(struct vendor_call *call);
unsigned int vendor_api_retry_alert(struct vendor_call *call);
unsigned int vendor_api_list_deliveries(struct vendor_call *call);
unsigned int vendor_api_get_progress(struct vendor_call *call);
unsigned int vendor_api_post_alert(struct vendor_call *call);
unsigned int vendor_api_list_receipts(struct vendor_call *call);
unsigned int vendor_api_post_receipt(struct vendor_call *call);
unsigned int vendor_api_list_history(struct vendor_call *call);
unsigned int vendor_api_get_status(struct vendor_call *call);
unsigned int vendor_api_get_catalogue(struct vendor_call *call);
