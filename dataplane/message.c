// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/message.h"

#include "dataplane/deferral.h"
#include "dataplane/gather.h"
#include "dataplane/keep.h"
#include "dataplane/policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void message_drop_scan(struct engine *engine, struct message *message)
{
	if (message->deferral != NULL)
		deferral_leave(engine, message);
	if (message->scan != NULL)
		scan_free(message->scan);
	if (message->left != NULL)
		deferral_forget(engine, message);
	if (message->again != NULL)
		deferral_release(engine, message);
	message->scan = NULL;
	message->result = NULL;
}

static void message_free(struct engine *engine, struct message *message)
{
	message_drop_scan(engine, message);
	keep_drop(engine, message);
	message_give_blocks(engine, message);
}

void message_forget(struct engine *engine, struct session *session)
{
	if (session->building != NULL)
		message_free(engine, session->building);
	session->building = NULL;
}

// Messages that wait for the end of the burst are over, and some give theirs back.
static struct scan *begin_scan(struct engine *engine)
{
	struct scan *scan = NULL;
	int err = scan_begin(engine->scanner, SCAN_MESSAGE, &scan);

	if (err != 0 && engine->gather.count > 0) {
		gather_settle(engine);
		err = scan_begin(engine->scanner, SCAN_MESSAGE, &scan);
	}
	return err == 0 ? scan : NULL;
}

void message_begin(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = message_building(engine, session);

	session->messages++;
	if (message == NULL)
		return;
	message->begun = true;
	message->begin_ns = now_ns;
	message->number = session->messages;
	message->scan = begin_scan(engine);
	message->diverted = session->mode == SESSION_DIVERT;
	keep_begin(engine, session, message);
}

void message_feed(struct engine *engine, struct session *session, const uint8_t *data, size_t n)
{
	struct message *message = session->building;

	if (message == NULL)
		return;
	message->bytes += n;
	keep_feed(engine, message, data, n);
	if (message->scan != NULL && !message->ended)
		scan_feed(message->scan, data, n);
}

// Whose verdict it is: not always what is in force by now.
static const struct scanner *scanner_of(const struct engine *engine, const struct message *message)
{
	if (message->again != NULL)
		return message->again->scanner;
	return message->scan != NULL ? scan_get_scanner(message->scan) : engine->scanner;
}

const char *message_ruleset(const struct engine *engine, const struct message *message)
{
	return ruleset_get_info(scanner_get_ruleset(scanner_of(engine, message)))->version;
}

void message_ask_seals(struct engine *engine, struct session *session,
	const struct message *message, struct seal_decision *decision)
{
	struct message_envelope envelope;
	struct seal_mail mail = {
		.direction =
			session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.scan = message->result,
	};

	message_envelope(engine, message, &envelope);
	mail.mail_from = envelope.mail_from;
	mail.rcpt_to = envelope.rcpt_to;
	mail.rcpt_to_count = envelope.count;
	mail.rcpt_pending = envelope.pending;
	mail.bytes = message->begun ? message->bytes : message_declared_bytes(&envelope);
	seal_decide(engine->seals, &mail, decision);
}

// What would be delivered is kept, or put off, where a seal covers it or where it cannot be delivered any
// more. A seal that came while the message passed counts as well.
static void apply_seals(struct engine *engine, struct session *session, struct message *message)
{
	struct seal_decision seal = {.mode = SEAL_OPEN, .virus_id = ""};

	// The server refuses it itself, as it would have refused DATA.
	if (!message->diverted && message_has_nobody(message))
		return;
	if (engine->seals != NULL && engine->seals->count > 0)
		message_ask_seals(engine, session, message, &seal);
	if (seal.mode == SEAL_OPEN && !message->diverted)
		return;
	message->seal_mode = (uint8_t)seal.mode;
	(void)snprintf(message->virus_id, sizeof(message->virus_id), "%s", seal.virus_id);
	message->action = seal.mode == SEAL_TEMPFAIL ? POLICY_TEMPFAIL : POLICY_HOLD;
	message->reason = seal.mode == SEAL_OPEN ? "seal-scope" : "sealed";
}

static bool is_alert(struct engine *engine, const struct message *message)
{
	const char *recipient = engine->options.alerts.recipient;
	const struct scan_result *result = message->result;
	struct message_envelope envelope;
	bool found = false;

	for (size_t i = 0;
		engine->options.alerts.parts && result != NULL && i < result->parts_count; i++)
		found = found || strcmp(result->parts[i].content_type, ENGINE_ALERT_TYPE) == 0;
	if (found || recipient[0] == '\0')
		return found;
	message_envelope(engine, message, &envelope);
	for (size_t i = 0; i < envelope.count; i++)
		found = found || seal_pattern_matches(recipient, envelope.rcpt_to[i]);
	return found;
}

// What may be an alert of the vendor's is looked at by the control process, also under a seal: it may be what
// ends that. What is none goes on from there, like all that is held.
static void apply_alert(struct engine *engine, struct message *message)
{
	if ((message->action != POLICY_DELIVER && message->action != POLICY_HOLD) ||
		!keep_is_possible(message) || !is_alert(engine, message))
		return;
	message->action = POLICY_HOLD;
	message->reason = "alert";
}

// What speaks against a message whose turn with the other thread did not come: the sender comes again, and then all of it
// is seen. Only where it passes all the same what was known by then counts.
static void find_unbegun(const struct engine_policy *policy, const struct message *message,
	const char *findings[SCAN_FINDINGS])
{
	const struct scan_result *known =
		message->scan != NULL ? scan_get_known(message->scan) : message->result;

	for (unsigned int i = 0; i < SCAN_FINDINGS && known != NULL; i++) {
		if (i == SCAN_FINDING_SIGNATURE || policy->unscannable == POLICY_DELIVER)
			findings[i] = known->findings[i];
	}
	findings[SCAN_FINDING_UNSCANNABLE] = "busy";
}

// All that speaks against a message. Of one that took too long the result says what was known until then.
static void find(const struct engine_policy *policy, const struct message *message,
	const char *findings[SCAN_FINDINGS])
{
	const bool is_scanned = message->again != NULL || message->scan != NULL;
	const bool is_late = message->late != MESSAGE_IN_TIME && !message->outdated;

	memset((void *)findings, 0, SCAN_FINDINGS * sizeof(*findings));
	if (is_late && message->late == MESSAGE_NOT_BEGUN) {
		find_unbegun(policy, message, findings);
		return;
	}
	if (message->result != NULL && (is_scanned || is_late))
		memcpy((void *)findings, (const void *)message->result->findings,
			SCAN_FINDINGS * sizeof(*findings));
	if (is_late)
		findings[SCAN_FINDING_SUSPECT] = "limit-time";
	else if (!is_scanned)
		findings[SCAN_FINDING_UNSCANNABLE] = message->outdated ? "rules-changed" : "memory";
}

// Verdict, and what is done: the reason is what that stands on.
static void judge(
	const struct engine *engine, const struct session *session, struct message *message)
{
	const struct engine_policy *policy = session_policy(engine, session);
	const char *findings[SCAN_FINDINGS];
	enum scan_finding decisive;
	unsigned int gravest = 0;

	if (message->again != NULL || message->scan != NULL)
		message->result =
			message->again != NULL ? message->again->result : scan_end(message->scan);
	find(policy, message, findings);
	message->action = (uint8_t)policy_decide(policy, findings, message->result, &decisive);
	while (gravest < SCAN_FINDINGS && findings[gravest] == NULL)
		gravest++;
	message->verdict = (uint8_t)scan_finding_verdict((enum scan_finding)gravest);
	message->decisive = (uint8_t)decisive;
	message->reason = decisive < SCAN_FINDINGS ? findings[decisive] : "";
}

// Nothing passes on rules that others have replaced meanwhile.
static bool is_outdated(const struct engine *engine, const struct message *message)
{
	return message->outdated || (message->action == POLICY_DELIVER &&
					    scanner_of(engine, message) != engine->scanner);
}

// By verdict and policy, the seals in force, and what can be done at all. False: it waits to be judged
// again.
static bool act(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	char detail[POLICY_DETAIL_BYTES];

	if (message->action == POLICY_DELIVER) {
		apply_seals(engine, session, message);
		apply_alert(engine, message);
	}
	if (is_outdated(engine, message)) {
		if (!message->unjudged && deferral_judge_again(engine, session, now_ns))
			return false;
		// The sender comes again.
		message->verdict = VERDICT_UNSCANNABLE;
		message->decisive = SCAN_FINDING_UNSCANNABLE;
		message->reason = "rules-changed";
		message->action = POLICY_TEMPFAIL;
	}
	if (message_is_kept(message) && !keep_is_possible(message)) {
		engine->counters.spool_failures++;
		message->action = POLICY_TEMPFAIL;
		message->reason = keep_obstacle(message);
	}
	(void)snprintf(detail, sizeof(detail), "%s", message->reason);
	if (message->result != NULL && message->result->matches_count > 0 &&
		(message->decisive == SCAN_FINDING_SIGNATURE ||
			(message->decisive == SCAN_FINDING_CHECKSUM &&
				message->action == POLICY_REJECT)))
		policy_detail(message->result, detail);
	policy_reply((enum policy_action)message->action,
		scan_finding_verdict((enum scan_finding)message->decisive), detail, message->reply,
		sizeof(message->reply));
	return true;
}

// False: the verdict waits.
static bool decide(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	judge(engine, session, message);
	if (message->refused) {
		message->action = POLICY_REJECT;
		if (message->verdict != VERDICT_INFECTED && !message->answered)
			message->verdict = VERDICT_SUSPECT;
		if (message->verdict != VERDICT_INFECTED)
			message->reason = message->refusal;
		return true;
	}
	// The default of what is suspect. Nobody could ever look at it where nothing is kept.
	if (scan_finding_verdict((enum scan_finding)message->decisive) == VERDICT_SUSPECT &&
		message->action == POLICY_QUARANTINE && engine->ops.spool == NULL)
		message->action = POLICY_REJECT;
	return act(engine, session, now_ns);
}

static uint64_t clock_ns(const struct engine *engine)
{
	return engine->ops.clock_ns != NULL ? engine->ops.clock_ns(engine->ops.ctx) : 0;
}

// Whether another thread has something to do for the verdict, and was given it.
static bool has_deferred(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	if (message->scan == NULL || !engine->options.scan.has_helper ||
		scan_finish(
			message->scan, session_policy(engine, session)->infected == POLICY_DELIVER))
		return false;
	// What is refused anyway is not worth the work.
	if (!message->refused && deferral_begin(engine, session, now_ns))
		return true;
	(void)scan_cancel(message->scan);
	message->late = MESSAGE_NOT_BEGUN;
	return false;
}

bool message_decide(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	uint64_t began_ns = clock_ns(engine);

	if (message->ended && message->deferral != NULL)
		return false;
	if (message->ended) {
		// What was to pass when its end was only near meets the seals once more.
		return message->action != POLICY_DELIVER || act(engine, session, now_ns);
	}
	message->ended = true;
	message->end_ns = now_ns;
	if (has_deferred(engine, session, now_ns) || gather_takes(engine, session, began_ns))
		return false;
	if (!decide(engine, session, now_ns))
		return false;
	message->latency_ns = clock_ns(engine) - began_ns;
	return true;
}

bool message_decide_gathered(
	struct engine *engine, struct session *session, uint64_t began_ns, uint64_t now_ns)
{
	if (!decide(engine, session, now_ns))
		return false;
	session->building->latency_ns = clock_ns(engine) - began_ns;
	return true;
}

void message_take_again(struct engine *engine, struct message *message, struct deferral *deferral)
{
	message_drop_scan(engine, message);
	message->again = deferral;
	message->outdated = false;
	message->late = MESSAGE_IN_TIME;
}

bool message_conclude(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	if (!decide(engine, session, now_ns))
		return false;
	// An end that was decided early is no end yet: its waiting is not what is counted here.
	message->latency_ns += now_ns - message->end_ns;
	message->end_ns = now_ns;
	return true;
}

void message_outdate(struct engine *engine, struct message *message, const struct scanner *scanner)
{
	if (message->again != NULL && message->again->scanner == scanner) {
		deferral_release(engine, message);
	} else if (message->deferral != NULL && message->deferral->step == DEFERRAL_SCAN) {
		if (scan_get_scanner(message->deferral->scan) != scanner)
			return;
		message->deferral->deadline_ns = 0;
	} else if (message->scan != NULL && scan_get_scanner(message->scan) == scanner) {
		scan_free(message->scan);
		message->scan = NULL;
		message->result = NULL;
	} else {
		return;
	}
	message->outdated = true;
}

void message_refuse(struct message *message, const struct smtp_event *event)
{
	message->refused = true;
	message->answered = event->why == SMTP_VIOLATION_EARLY_REFUSAL;
	if (message->ended && message->verdict != VERDICT_INFECTED && !message->answered)
		message->verdict = VERDICT_SUSPECT;
	message->action = POLICY_REJECT;
	message->refusal = smtp_violation_name(event->why);
	message->reason = message->refusal;
	if (message->answered)
		policy_copy_text((const char *)event->text, event->text_bytes, message->reply,
			sizeof(message->reply));
	else
		(void)snprintf(message->reply, sizeof(message->reply), "%s",
			smtp_violation_reply(event->why));
}

void message_await_reply(struct session *session, uint16_t replies_ahead)
{
	struct message *message = session->building;

	session->building = NULL;
	message->replies_ahead = replies_ahead;
	message->next = NULL;
	if (session->ended_last != NULL)
		session->ended_last->next = message;
	else
		session->ended_first = message;
	session->ended_last = message;
}

static void count(struct engine *engine, const struct message *message, const char *action)
{
	struct counters *counters = &engine->counters;
	uint64_t *by_verdict[] = {
		[VERDICT_CLEAN] = &counters->messages_clean,
		[VERDICT_INFECTED] = &counters->messages_infected,
		[VERDICT_SUSPECT] = &counters->messages_suspect,
		[VERDICT_UNSCANNABLE] = &counters->messages_unscannable,
		[VERDICT_INCOMPLETE] = &counters->messages_incomplete,
	};

	counters->messages++;
	counters->message_bytes += message->bytes;
	++*by_verdict[message->verdict];
	if (strcmp(action, "deliver") == 0)
		counters->messages_delivered++;
	else if (strcmp(action, "reject") == 0)
		counters->messages_rejected++;
	else if (strcmp(action, "tempfail") == 0)
		counters->messages_tempfailed++;
	else if (strcmp(action, "discard") == 0)
		counters->messages_discarded++;
	else if (strcmp(action, "hold") == 0)
		counters->messages_held++;
	else if (strcmp(action, "quarantine") == 0)
		counters->messages_quarantined++;
}

void message_report(struct engine *engine, struct session *session, struct message *message,
	const char *action, const char *reply, uint64_t now_ns)
{
	const struct flow_key *key = &session->flow.key;
	struct message_envelope envelope;
	struct mail_record record = {
		.time_ns = now_ns,
		.link = key->link,
		.direction =
			session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.address = session_address(session),
		.session = session->id,
		.message = message->number,
		.helo = session->helo,
		.action = action,
		.reply = reply,
		.verdict = (enum verdict)message->verdict,
		.reason = message->reason,
		.scan = message->result,
		.bytes = message->bytes,
		.ruleset = message_ruleset(engine, message),
		.latency_ns = message->latency_ns,
		.seal_mode = seal_mode_name((enum seal_mode)message->seal_mode),
		.virus_id = message->virus_id,
		.record = message->record,
	};

	message_envelope(engine, message, &envelope);
	record.mail_from = envelope.mail_from;
	record.rcpt_to = envelope.rcpt_to;
	record.rcpt_to_count = envelope.count;
	count(engine, message, action);
	if (engine->ops.mail != NULL)
		engine->ops.mail(engine->ops.ctx, &record);
	message_free(engine, message);
}

void message_abandon(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->ended_first;

	// These went to the server whole; its answer was never seen.
	while (message != NULL) {
		struct message *next = message->next;

		message_report(engine, session, message,
			policy_action_name((enum policy_action)message->action), "", now_ns);
		message = next;
	}
	session->ended_first = NULL;
	session->ended_last = NULL;
	message = session->building;
	session->building = NULL;
	session->deciding = false;
	if (message == NULL)
		return;
	if (!message->begun) {
		message_free(engine, message);
		return;
	}
	if (!message->complete || message->deferral != NULL) {
		if (message->deferral != NULL)
			deferral_leave(engine, message);
		if (message->scan != NULL && !message->ended)
			message->result = scan_end(message->scan);
		message->verdict = VERDICT_INCOMPLETE;
		message->reason = message->reason[0] != '\0' ? message->reason : "aborted";
	}
	message_report(engine, session, message, "none", "", now_ns);
}
