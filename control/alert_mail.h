// SPDX-License-Identifier: BSD-3-Clause
// Alerts that come as mail: what the dataplane has kept on its way through (reason "alert"), what lies in a
// Maildir, and what an alias pipes into `cordonctl alerts take -`. All of it is mail of anybody's until a
// trusted key has signed what is in it: what is no signed alert goes on as any held mail does, after a scan and
// under the seals that are open. A mail with one ends here, if it was for our own address alone.
//
// A record is looked at at once, though its writer may withdraw it still: an alert that comes again is only
// answered again. It is deleted when it has settled.
#pragma once

#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>

struct alert_mail;
struct control;

int alert_mail_new(struct control *control, struct alert_mail **out)
	__attribute__((warn_unused_result));
void alert_mail_free(struct alert_mail *mail);
// To be called after the store was refreshed: when the bell rings (alert_bell.h), and once a second.
void alert_mail_turn(struct alert_mail *mail);
// Whether a settled record is this one's affair: an alert that was taken, and goes now, or one that was not
// looked at yet.
bool alert_mail_has(struct alert_mail *mail, struct spool_id id);
// Takes what is in a regular file. Returns {"ok", "alerts", "receipts"}, why no signed alert is in it, or NULL: that has
// to be read first, and the client is answered then (api_answer).
json_t *alert_mail_take_file(struct alert_mail *mail, const char *who, uint64_t client, int fd);
json_t *alert_mail_status(const struct alert_mail *mail);
