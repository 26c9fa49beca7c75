// SPDX-License-Identifier: BSD-3-Clause
// cordon-control from inside: what its parts share. One thread, GLib's main loop; others help.
//
//   control_main    reads the configuration, starts, loops
//   api             cordonctl's questions           seals      which seals are open
//   api_mail, api_screen, api_show: more of them; preview: what a mail says
//   publish         signature files to rules in force    publish_base   the image that deltas are opened on
//   publish_hand    what was compiled is handed to the dataplane, beside all else
//   aside           what takes long, while alerts are served
//   journal         what is written by a thread, in order
//   dataplane_link  the dataplane: is it there, has it what it should have    dataplane_ask   by one connection
//   ending          who waits for it when the process is to end
//   settle          who asks for the state while it is being told waits a moment
//   store, store_index, store_query, store_json: mail that was kept back
//   release, release_scan, release_rules, release_queue, deliver: what becomes of it
//   release_order, release_mail, release_end, release_notes: whose turn it is, one mail's way, and its end
//   rebuild, rebuild_write, rebuild_leaf, rebuild_note: mail without some of its parts
//   rebuild_embed   files that are written into text
//   rebuild_code, rebuild_add: mail whose parts were repaired      body: what its text says
//   notify, notify_post, notify_rounds, notify_write, letter: mail that the gateway writes itself
//   notify_kept     who is told of mail that stays
//   outbox          what has to be told, on disk    control_counts    how often what happened
//   envelope, keys, alert, alert_order, alerts, alerts_read: what a vendor signs    alert_apply: what it does here
//   update          rules that the vendor sends: update_plan, update_fetch, update_folder, update_check,
//                   update_journal, revoked
//   screening, screens_work, screens_changes, screens_hits, screen_store: checksums that stand in for signatures
//   channel, channel_*: the ways by which it comes       segments, snmp_receipts: SNMP's part of it
//   alert_mail, alert_part: alerts that come as mail       alert_bell: when to look for them
//   web, web_pages, web_login, web_users, web_history, metrics: the page, over web_server
//   control_events  what was done, as JSON lines    clock    which clock for what    durable    small files that survive
//   descriptors     whether strangers may have more of them    complaints    standard error waits for nobody
#pragma once

#include "control/alert_bell.h"
#include "control/alert_mail.h"
#include "control/alerts.h"
#include "control/api.h"
#include "control/channel.h"
#include "control/clock.h"
#include "control/control_counts.h"
#include "control/control_events.h"
#include "control/control_options.h"
#include "control/dataplane_link.h"
#include "control/notify.h"
#include "control/publish.h"
#include "control/release.h"
#include "control/rules_watch.h"
#include "control/screens.h"
#include "control/seals.h"
#include "control/settle.h"
#include "control/store.h"
#include "control/update.h"
#include "control/web.h"

#include <glib.h>

struct control {
	struct control_options options;
	GMainLoop *loop;
	struct control_events *events;
	struct seals *seals;
	struct publish *publish;
	struct rules_watch *rules_watch; // NULL: sources are not watched
	struct store *store;             // NULL: no buffer is configured
	int store_failed;                // a negative errno, which was said
	int store_unread;                // the same of some of its files; the rest goes on
	int seals_failed;                // to be written: the same
	struct release *release;         // with the store
	struct notify *notify;
	struct control_counts counts;
	struct dataplane_link link;
	struct settle *settle;
	bool was_up; // the dataplane, when it was looked at last
	struct api *api;
	struct alerts *alerts;
	struct web *web; // NULL: nothing is served
	struct update *update;
	struct screens *screening;
	struct channels *channels;
	struct alert_mail *alert_mail;
	struct alert_bell *alert_bell;
	int64_t start_ns; // steady
	int64_t offset_s; // from the steady clock to the time of day, when it was looked at last
	bool has_offset;  // it was
};

// A change of the seals, made by seals_*: the dataplane is told, and when it is known whether it goes by it there is an
// event. It is told again until it does.
void control_seals_changed(struct control *control, const char *event, json_t *members);
// The two halves of it. Both take members.
void control_seals_tell(struct control *control);
void control_seals_report(struct control *control, const char *event, json_t *members);
// Calls then when it is known what came of all that the dataplane was told; at once if it is.
void control_seals_when_told(struct control *control, void (*then)(void *ctx), void *ctx);
// Every worker diverts by the seals that are open.
bool control_seals_in_force(const struct control *control);
// The dataplane has seals that never came into the file: this process was killed in between, or the file is an old one. They
// stay, for what is open by mistake is worse than what is closed by mistake. For dataplane_link_adopt_by.
int control_seals_adopt(void *ctx, const json_t *theirs);
// Once a second, before what ends by the time of day: it is told when that has leapt, and seals go by it.
void control_look_at_clock(struct control *control);
// Who did what, as an audit event; takes members.
void control_audit(struct control *control, const char *who, const char *what, json_t *members);
