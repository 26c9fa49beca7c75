// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_scan.h"

#include "control/body.h"
#include "control/release_policy.h"
#include "control/release_rules.h"
#include "control/screens_hits.h"
#include "dataplane/dataplane.h"

#include <glib.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PENDING_MOST 16

// Rules and seals of one moment; jobs hold it as long as they need it.
struct basis {
	atomic_uint users;
	struct release_rules *rules;
	struct engine_seals *seals;
	char key[RELEASE_KEY_BYTES];
};

struct release_scanner {
	GThreadPool *pool;          // one thread
	struct basis *basis;        // NULL: no rules yet
	struct release_stats stats; // as they were when it was opened; no size: none
	struct release_opener *opener;
	bool is_behind; // stats say nothing then
	size_t pending;
	const struct control_options *options;
	struct release_ways ways;
};

struct job {
	struct release_scanner *scanner;
	struct basis *basis;
	struct release_verdict verdict;
};

static void basis_put(struct basis *basis)
{
	// Release and acquire: whoever frees it sees all that the others have done with it.
	if (basis == NULL || atomic_fetch_sub_explicit(&basis->users, 1, memory_order_acq_rel) != 1)
		return;
	release_rules_put(basis->rules);
	free(basis->seals);
	free(basis);
}

// ---- the thread ---------------------------------------------------------------------------------

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static bool has_body_pattern(const struct engine_seals *seals)
{
	bool found = false;

	for (uint32_t i = 0; i < seals->count; i++)
		found = found || seals->seals[i].body[0] != '\0';
	return found;
}

// Each seal asked alone: an operator wants to know what would have to end.
static void list_seals(const struct engine_seals *seals, const struct seal_mail *mail, json_t *out)
{
	struct engine_seals *one = malloc(sizeof(*one) + sizeof(struct seal));
	struct seal_decision decision;

	for (uint32_t i = 0; one != NULL && i < seals->count; i++) {
		one->count = 1;
		one->seals[0] = seals->seals[i];
		seal_decide(one, mail, &decision);
		if (decision.mode != SEAL_OPEN)
			(void)json_array_append_new(out, json_string(decision.virus_id));
	}
	free(one);
}

static enum seal_mode mode_of(const struct job *job, const struct scan_result *result)
{
	const json_t *envelope = job->verdict.message.envelope;
	const json_t *list = json_object_get(envelope, "rcpt_to");
	size_t n = json_array_size(list);
	const char **recipients = calloc(n + 1, sizeof(*recipients));
	struct seal_decision decision = {.mode = SEAL_HOLD};
	struct body *body = NULL;
	struct seal_mail mail = {
		.direction = strcmp(text_of(envelope, "direction"), "outbound") == 0
				     ? DIRECTION_OUTBOUND
				     : DIRECTION_INBOUND,
		.mail_from = text_of(envelope, "mail_from"),
		.rcpt_to = recipients,
		.rcpt_to_count = n,
		.bytes = job->verdict.message.bytes,
		.scan = result,
	};

	// Without memory it stays.
	if (recipients == NULL)
		return SEAL_HOLD;
	for (size_t i = 0; i < n; i++)
		recipients[i] = text_of(json_array_get(list, i), "address");
	if (has_body_pattern(job->basis->seals)) {
		body = body_new(job->verdict.message.data, job->verdict.message.bytes, result);
		mail.body = body != NULL ? body_has : NULL;
		mail.body_ctx = body;
	}
	seal_decide(job->basis->seals, &mail, &decision);
	if (decision.mode != SEAL_OPEN)
		list_seals(job->basis->seals, &mail, job->verdict.seals);
	body_free(body);
	free(recipients);
	return decision.mode;
}

// Whether a part that is in the way may be taken out or repaired, and which ones.
static bool may_repair(const struct job *job, enum rebuild_what *what)
{
	const struct release_verdict *verdict = &job->verdict;
	bool strips = verdict->mode == SEAL_STRIP;

	*what = strips ? REBUILD_ATTACHMENTS : REBUILD_INFECTED;
	if (verdict->verdict == VERDICT_CLEAN)
		return strips && verdict->has_attachments;
	if (verdict->mode != SEAL_OPEN && !strips)
		return false;
	if (verdict->policy == RELEASE_DISINFECT && !strips)
		*what = REBUILD_DISINFECT;
	return (verdict->verdict == VERDICT_INFECTED || verdict->verdict == VERDICT_SUSPECT) &&
	       (verdict->policy == RELEASE_STRIP || verdict->policy == RELEASE_DISINFECT);
}

// Writes what the plan makes of the message, and scans it: by the same rules it must be clean, and without
// attachments where none may pass. Returns NULL when it is, else why not.
static const char *repair_fault(struct job *job, const struct rebuild_plan *plan)
{
	const struct release_verdict *verdict = &job->verdict;
	const struct store_message *message = &verdict->message;
	const struct scan_result *result;
	const char *fault = "there is no memory to scan it again";
	struct scan *scan = NULL;
	uint8_t *data = NULL;
	size_t bytes = 0;
	int err;

	if (plan->cuts_count == 0 && plan->repairs_count == 0)
		return "there is nothing to repair";
	err = rebuild_strip(
		message->data, message->bytes, plan, job->scanner->options->gateway, &data, &bytes);
	if (err != 0)
		return err == -ERANGE    ? "the part has not the bytes that the recipe is about"
		       : err == -ENOTSUP ? "it cannot be written in its transfer encoding"
					 : "the message cannot be taken apart";
	if (scan_begin(job->basis->rules->scanner, SCAN_MESSAGE, &scan) == 0) {
		scan_feed(scan, data, bytes);
		result = scan_end(scan);
		fault = NULL;
		if (result->verdict != VERDICT_CLEAN)
			fault = "it is not clean then either";
		else if (verdict->mode == SEAL_STRIP &&
			 rebuild_has_attachments(data, bytes, result))
			fault = "attachments are left";
		scan_free(scan);
	}
	free(data);
	return fault;
}

// The plan, if what it leads to may go out.
static void try_plan(struct job *job, const struct scan_result *result, enum rebuild_what what)
{
	struct release_verdict *verdict = &job->verdict;
	const struct store_message *message = &verdict->message;
	struct rebuild_plan *plan = NULL;
	const char *fault = "the message cannot be taken apart";

	if (rebuild_plan_new(message->data, message->bytes, result, what,
		    "attachments are held back until they have been checked again", &plan) == 0)
		fault = plan->refusal != NULL ? plan->refusal : repair_fault(job, plan);
	if (fault == NULL) {
		verdict->plan = plan;
		return;
	}
	(void)snprintf(verdict->refusal, sizeof(verdict->refusal), "%s", fault);
	rebuild_plan_free(plan);
}

// Each once: one may hit a part, and the message around it.
static void list_signatures(const struct scan_result *result, json_t *out)
{
	for (size_t i = 0; i < result->matches_count; i++) {
		size_t at = 0;

		while (at < i &&
			strcmp(result->matches[at].signature, result->matches[i].signature) != 0)
			at++;
		if (at == i)
			(void)json_array_append_new(out, json_string(result->matches[i].signature));
	}
}

static void judge(struct job *job, struct scan *scan)
{
	struct release_verdict *verdict = &job->verdict;
	const struct store_message *message = &verdict->message;
	const struct scan_result *result = scan_end(scan);
	enum rebuild_what what;

	verdict->verdict = result->verdict;
	verdict->policy = release_policy_decide(job->scanner->options,
		strcmp(text_of(message->envelope, "direction"), "outbound") == 0, result,
		&verdict->decisive);
	verdict->reason =
		verdict->decisive < SCAN_FINDINGS ? result->findings[verdict->decisive] : "";
	list_signatures(result, verdict->signatures);
	for (size_t i = 0; i < result->matches_count; i++) {
		if (result->matches[i].kind == MATCH_CHECKSUM)
			(void)json_array_append_new(verdict->screened,
				screens_hits_describe(&result->matches[i], result));
	}
	verdict->mode = mode_of(job, result);
	if (verdict->verdict == VERDICT_CLEAN &&
		(verdict->mode == SEAL_STRIP || verdict->mode == SEAL_HOLD_ATTACHMENTS))
		verdict->has_attachments =
			rebuild_has_attachments(message->data, message->bytes, result);
	if (!may_repair(job, &what))
		return;
	try_plan(job, result, what);
	if (verdict->plan != NULL || what != REBUILD_DISINFECT) {
		verdict->refusal[0] = '\0';
		return;
	}
	verdict->policy = (enum release_policy)job->scanner->options->release.undisinfected;
	if (verdict->policy == RELEASE_STRIP)
		try_plan(job, result, REBUILD_INFECTED);
}

static gboolean job_done(gpointer data)
{
	struct job *job = data;
	struct release_scanner *scanner = job->scanner;

	scanner->pending--;
	scanner->ways.done(scanner->ways.ctx, &job->verdict);
	json_decref(job->verdict.signatures);
	json_decref(job->verdict.screened);
	json_decref(job->verdict.seals);
	rebuild_plan_free(job->verdict.plan);
	store_message_fini(&job->verdict.message);
	basis_put(job->basis);
	free(job);
	return G_SOURCE_REMOVE;
}

static void run_job(gpointer data, gpointer ctx)
{
	struct job *job = data;
	struct release_verdict *verdict = &job->verdict;
	struct scan *scan = NULL;

	(void)ctx;
	verdict->verdict = VERDICT_UNSCANNABLE;
	verdict->reason = "memory";
	verdict->decisive = SCAN_FINDING_UNSCANNABLE;
	verdict->mode = SEAL_HOLD;
	if (scan_begin(job->basis->rules->scanner, SCAN_MESSAGE, &scan) == 0) {
		scan_feed(scan, verdict->message.data, verdict->message.bytes);
		judge(job, scan);
		scan_free(scan);
	}
	(void)g_idle_add(job_done, job);
}

// ---- the main loop ------------------------------------------------------------------------------

int release_scanner_new(const struct control_options *options, const struct release_ways *ways,
	struct release_scanner **out)
{
	struct release_scanner *scanner = calloc(1, sizeof(*scanner));

	if (scanner == NULL)
		return -ENOMEM;
	scanner->options = options;
	scanner->ways = *ways;
	scanner->pool = g_thread_pool_new(run_job, NULL, 1, TRUE, NULL);
	scanner->opener = release_opener_new(ways->ready, ways->ctx);
	if (scanner->pool == NULL || scanner->opener == NULL) {
		release_scanner_free(scanner);
		return -ENOMEM;
	}
	*out = scanner;
	return 0;
}

void release_scanner_free(struct release_scanner *scanner)
{
	if (scanner == NULL)
		return;
	if (scanner->pool != NULL)
		g_thread_pool_free(scanner->pool, FALSE, TRUE);
	while (scanner->pending > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	release_opener_free(scanner->opener);
	basis_put(scanner->basis);
	free(scanner);
}

// Takes rules.
static int make_basis(struct release_rules *rules, const char *seals, struct basis **out)
{
	struct basis *basis = calloc(1, sizeof(*basis));
	char error[128];
	int err;

	if (basis == NULL) {
		release_rules_put(rules);
		return -ENOMEM;
	}
	atomic_init(&basis->users, 1);
	basis->rules = rules;
	err = seals_parse(seals, strlen(seals), &basis->seals, error, sizeof(error));
	if (err != 0) {
		basis_put(basis);
		return err;
	}
	(void)snprintf(basis->key, sizeof(basis->key), "%s/%s/%llu",
		ruleset_get_info(rules->ruleset)->version,
		ruleset_get_screen(rules->ruleset)->version,
		(unsigned long long)basis->seals->generation);
	*out = basis;
	return 0;
}

static bool is_same_image(const struct release_scanner *scanner, const struct release_stats *now)
{
	return scanner->basis != NULL && !scanner->is_behind &&
	       release_stats_are_same(now, &scanner->stats);
}

bool release_scanner_is_current(
	const struct release_scanner *scanner, const char *image, uint64_t seals_generation)
{
	struct release_stats now;

	return release_stats_take(image, &now) == 0 && is_same_image(scanner, &now) &&
	       seals_generation == scanner->basis->seals->generation;
}

bool release_scanner_is_behind(const struct release_scanner *scanner)
{
	return scanner->is_behind;
}

bool release_scanner_holds(
	const struct release_scanner *scanner, const char *image, uint64_t seals_generation)
{
	return release_scanner_is_current(scanner, image, seals_generation) ||
	       (scanner->is_behind && seals_generation == scanner->basis->seals->generation);
}

// Takes rules.
static int take_up(struct release_scanner *scanner, struct release_rules *rules, const char *seals)
{
	struct basis *basis = NULL;
	int err = make_basis(rules, seals, &basis);

	if (err != 0)
		return err;
	basis_put(scanner->basis);
	scanner->basis = basis;
	return 0;
}

// The image is being opened. Held mail is not to wait for ever for one that is the newest when it has been opened.
static int renew_behind(
	struct release_scanner *scanner, const struct release_wanted *wanted, const char *seals)
{
	struct release_rules *rules = NULL;
	int err;

	if (scanner->is_behind && scanner->pending > 0)
		return -EINPROGRESS;
	if (release_opener_take_late(scanner->opener, wanted, &rules) == 0) {
		err = take_up(scanner, rules, seals);
		scanner->is_behind = scanner->is_behind || err == 0;
		return err;
	}
	return scanner->is_behind && wanted->seals == scanner->basis->seals->generation
		       ? 0
		       : -EINPROGRESS;
}

// What takes longer to be judged than an image lasts would never be: nothing newer is taken up before it is.
static bool is_overtaken(const struct release_scanner *scanner, const struct release_wanted *wanted)
{
	return scanner->pending > 0 && scanner->basis != NULL &&
	       scanner->basis->seals->generation == wanted->seals &&
	       (scanner->is_behind || release_opener_is_often(scanner->opener, wanted->now_ns));
}

static int renew_image(
	struct release_scanner *scanner, const struct release_wanted *wanted, const char *seals)
{
	struct release_rules *rules = NULL;
	int err;

	if (is_overtaken(scanner, wanted)) {
		scanner->is_behind = true;
		if (release_opener_is_ready(scanner->opener, wanted))
			return -EINPROGRESS;
	}
	err = release_opener_take(scanner->opener, wanted, &rules);
	if (err == -EINPROGRESS)
		return renew_behind(scanner, wanted, seals);
	if (err == 0)
		err = take_up(scanner, rules, seals);
	if (err != 0)
		return err;
	scanner->stats = wanted->stats;
	scanner->is_behind = false;
	return 0;
}

int release_scanner_renew(struct release_scanner *scanner, const char *image, const char *seals)
{
	struct release_wanted wanted = {
		.image = image, .now_ns = (uint64_t)g_get_monotonic_time() * 1000};
	struct engine_seals *parsed = NULL;
	char error[128];
	int err = release_stats_take(image, &wanted.stats);

	if (err == 0)
		err = seals_parse(seals, strlen(seals), &parsed, error, sizeof(error));
	if (err != 0)
		return err;
	wanted.seals = parsed->generation;
	free(parsed);
	if (!is_same_image(scanner, &wanted.stats))
		return renew_image(scanner, &wanted, seals);
	if (wanted.seals == scanner->basis->seals->generation)
		return 0;
	(void)atomic_fetch_add_explicit(&scanner->basis->rules->users, 1, memory_order_relaxed);
	return take_up(scanner, scanner->basis->rules, seals);
}

const char *release_scanner_key(const struct release_scanner *scanner)
{
	return scanner->basis != NULL ? scanner->basis->key : "";
}

int release_scanner_push(struct release_scanner *scanner, struct store_message *message)
{
	struct job *job;

	if (scanner->basis == NULL)
		return -ENOENT;
	if (scanner->pending == PENDING_MOST)
		return -EAGAIN;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return -EAGAIN;
	job->scanner = scanner;
	job->basis = scanner->basis;
	(void)atomic_fetch_add_explicit(&job->basis->users, 1, memory_order_relaxed);
	job->verdict.message = *message;
	memset(message, 0, sizeof(*message));
	job->verdict.signatures = json_array();
	job->verdict.screened = json_array();
	job->verdict.seals = json_array();
	(void)snprintf(job->verdict.key, sizeof(job->verdict.key), "%s", job->basis->key);
	scanner->pending++;
	(void)g_thread_pool_push(scanner->pool, job, NULL);
	return 0;
}

size_t release_scanner_count(const struct release_scanner *scanner)
{
	return scanner->pending;
}
