// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild.h"

#include "control/rebuild_leaf.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_PART SIZE_MAX

// ---- both trees together ------------------------------------------------------------------------

// Which part of the scan each leaf is.
struct alignment {
	struct rebuild_leaves leaves;
	const struct scan_result *result;
	size_t *part_of;   // of leaf i: index into result->parts, or NO_PART
	bool *is_matched;  // of part i
	bool *has_members; // of part i: something is inside of it
};

static void align(struct alignment *both)
{
	size_t next = 0;

	for (size_t i = 0; i < both->leaves.count; i++) {
		const struct rebuild_leaf *leaf = &both->leaves.list[i];

		both->part_of[i] = NO_PART;
		for (size_t at = next; at < both->result->parts_count; at++) {
			const struct scan_part *part = &both->result->parts[at];

			if (part->parent != 0 || part->is_reading || part->bytes != leaf->bytes ||
				(part->digests & DIGEST_SHA256) == 0 ||
				memcmp(part->sha256, leaf->sha256, sizeof(leaf->sha256)) != 0)
				continue;
			both->part_of[i] = at;
			both->is_matched[at] = true;
			next = at + 1;
			break;
		}
	}
	for (size_t at = 0; at < both->result->parts_count; at++) {
		uint32_t parent = both->result->parts[at].parent;

		if (parent > 0 && parent <= both->result->parts_count)
			both->has_members[parent - 1] = true;
	}
}

static void alignment_fini(struct alignment *both)
{
	rebuild_leaves_fini(&both->leaves);
	free(both->part_of);
	free(both->is_matched);
	free(both->has_members);
}

static int alignment_init(
	struct alignment *both, const uint8_t *data, size_t bytes, const struct scan_result *result)
{
	int err = rebuild_leaves_read(data, bytes, &both->leaves);

	if (err != 0)
		return err;
	both->result = result;
	both->part_of = calloc(both->leaves.count + 1, sizeof(*both->part_of));
	both->is_matched = calloc(result->parts_count + 1, sizeof(*both->is_matched));
	both->has_members = calloc(result->parts_count + 1, sizeof(*both->has_members));
	if (both->part_of == NULL || both->is_matched == NULL || both->has_members == NULL) {
		alignment_fini(both);
		return -ENOMEM;
	}
	align(both);
	return 0;
}

// ---- what is an attachment ----------------------------------------------------------------------

static bool is_among(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, list[i]) == 0)
			return true;
	}
	return false;
}

static bool is_html(const struct alignment *both, size_t i)
{
	size_t at = both->part_of[i];

	return strcmp(both->leaves.list[i].type, "text/html") == 0 ||
	       (at != NO_PART && strcmp(both->result->parts[at].detected_type, "html") == 0);
}

// Text that a reader shows: by its type, by its bytes and by what the scanner takes it for.
static bool is_body(const struct alignment *both, size_t i)
{
	static const char *const types[] = {"text/plain", "text/html", "text/enriched"};
	static const char *const detected[] = {"", "text", "html", "mail"};
	const struct rebuild_leaf *leaf = &both->leaves.list[i];
	size_t at = both->part_of[i];

	if (!is_among(leaf->type, types, sizeof(types) / sizeof(types[0])) ||
		leaf->name[0] != '\0' || leaf->is_attached || !leaf->is_text || leaf->embeds)
		return false;
	if (leaf->embeds_html && is_html(both, i))
		return false;
	// An empty part is of no object.
	if (at == NO_PART)
		return leaf->bytes == 0;
	return !both->has_members[at] && is_among(both->result->parts[at].detected_type, detected,
						 sizeof(detected) / sizeof(detected[0]));
}

// What signs the rest is of no use without it, and is no attachment.
static bool stays(const struct alignment *both, size_t i)
{
	return is_body(both, i) || both->leaves.list[i].is_signature;
}

bool rebuild_has_attachments(const uint8_t *data, size_t bytes, const struct scan_result *result)
{
	struct alignment both = {0};
	bool found = false;

	if (alignment_init(&both, data, bytes, result) != 0)
		return true;
	for (size_t i = 0; i < both.leaves.count; i++)
		found = found || !stays(&both, i);
	// What only the scanner has seen.
	for (size_t at = 0; at < result->parts_count; at++)
		found = found || (!both.is_matched[at] && result->parts[at].bytes > 0);
	alignment_fini(&both);
	return found;
}

// ---- the plan -----------------------------------------------------------------------------------

static struct rebuild_plan *plan_new(size_t leaves)
{
	struct rebuild_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return NULL;
	plan->leaves_count = leaves;
	plan->why = calloc(leaves + 1, sizeof(*plan->why));
	plan->repairs = calloc(leaves + 1, sizeof(struct rebuild_repair *));
	if (plan->why != NULL && plan->repairs != NULL)
		return plan;
	free(plan->why);
	free(plan->repairs);
	free(plan);
	return NULL;
}

static void repair_free(struct rebuild_repair *repair)
{
	if (repair != NULL)
		g_free(repair->why);
	g_free(repair);
}

void rebuild_plan_free(struct rebuild_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; i < plan->leaves_count; i++) {
		g_free(plan->why[i]);
		repair_free(plan->repairs[i]);
	}
	g_free(plan->refusal);
	free(plan->why);
	free(plan->repairs);
	free(plan);
}

struct rebuild_plan *rebuild_plan_copy(const struct rebuild_plan *plan)
{
	struct rebuild_plan *copy = plan_new(plan->leaves_count);

	if (copy == NULL)
		return NULL;
	copy->cuts_count = plan->cuts_count;
	copy->repairs_count = plan->repairs_count;
	copy->refusal = g_strdup(plan->refusal);
	for (size_t i = 0; i < plan->leaves_count; i++) {
		copy->why[i] = g_strdup(plan->why[i]);
		if (plan->repairs[i] == NULL)
			continue;
		copy->repairs[i] = g_new(struct rebuild_repair, 1);
		*copy->repairs[i] = *plan->repairs[i];
		copy->repairs[i]->why = g_strdup(plan->repairs[i]->why);
	}
	return copy;
}

static void cut(struct rebuild_plan *plan, size_t i, const char *kind, const char *text)
{
	if (plan->why[i] != NULL)
		return;
	plan->why[i] = g_strconcat(kind, text, NULL);
	plan->cuts_count++;
}

static void cut_attachments(
	const struct alignment *both, const char *why, struct rebuild_plan *plan)
{
	for (size_t i = 0; i < both->leaves.count; i++) {
		if (!stays(both, i))
			cut(plan, i, "", why);
	}
}

// The leaf in which part is, or NO_PART.
static size_t leaf_of(const struct alignment *both, uint32_t part)
{
	const struct scan_result *result = both->result;

	// A container comes before what is in it.
	while (part > 0 && part <= result->parts_count && result->parts[part - 1].parent > 0 &&
		result->parts[part - 1].parent < part)
		part = result->parts[part - 1].parent;
	for (size_t i = 0; part > 0 && i < both->leaves.count; i++) {
		if (both->part_of[i] == part - 1)
			return i;
	}
	return NO_PART;
}

static void cut_infected(const struct alignment *both, struct rebuild_plan *plan)
{
	static const char infected[] = "infected: ";
	const struct scan_result *result = both->result;

	for (size_t i = 0; i < result->matches_count; i++) {
		size_t leaf = leaf_of(both, result->matches[i].part);

		if (leaf != NO_PART) {
			cut(plan, leaf, infected, result->matches[i].signature);
			continue;
		}
		for (leaf = 0; leaf < both->leaves.count; leaf++) {
			if (!stays(both, leaf))
				cut(plan, leaf, infected, result->matches[i].signature);
		}
	}
}

// ---- disinfecting -------------------------------------------------------------------------------

static void refuse(struct rebuild_plan *plan, const char *signature, const char *why)
{
	if (plan->refusal == NULL)
		plan->refusal = g_strdup_printf("%s: %s", signature, why);
}

static void add_recipe(
	struct rebuild_plan *plan, size_t leaf, const struct recipe *recipe, const char *signature)
{
	struct rebuild_repair *repair = plan->repairs[leaf];
	char *why;

	if (repair == NULL) {
		repair = g_new0(struct rebuild_repair, 1);
		plan->repairs[leaf] = repair;
		plan->repairs_count++;
	}
	if (repair->count == REBUILD_RECIPES_MOST) {
		refuse(plan, signature, "too much is to be repaired in one part");
		return;
	}
	repair->recipes[repair->count++] = *recipe;
	why = repair->why != NULL ? g_strconcat(repair->why, ", ", signature, NULL)
				  : g_strconcat("infected: ", signature, NULL);
	g_free(repair->why);
	repair->why = why;
}

// Whether the same signature hits further inside: then the recipe is about that.
static bool hits_inside(const struct scan_result *result, const struct scan_match *match)
{
	for (size_t i = 0; i < result->matches_count; i++) {
		const struct scan_match *other = &result->matches[i];
		uint32_t part = other->part;

		if (other->part == match->part || strcmp(other->signature, match->signature) != 0)
			continue;
		while (part > 0 && part <= result->parts_count && part != match->part)
			part = result->parts[part - 1].parent;
		if (part == match->part)
			return true;
	}
	return false;
}

static void disinfect_one(
	const struct alignment *both, const struct scan_match *match, struct rebuild_plan *plan)
{
	struct recipe recipe;
	const char *why = "no recipe";
	size_t leaf = leaf_of(both, match->part);

	// Without one the repair of something else may do: the scan of the result tells.
	if (recipe_parse(match->recipe, strlen(match->recipe), &recipe, &why) != 0)
		return;
	if (recipe.kind == RECIPE_REMOVE && leaf != NO_PART)
		cut(plan, leaf, "infected: ", match->signature);
	else if (hits_inside(both->result, match))
		return;
	else if (leaf == NO_PART)
		refuse(plan, match->signature, "it is in no part that could be repaired");
	else if (both->part_of[leaf] != match->part - 1)
		refuse(plan, match->signature,
			"it is inside of an archive or a document, which cannot be repaired in its "
			"place");
	else
		add_recipe(plan, leaf, &recipe, match->signature);
}

static void plan_disinfection(const struct alignment *both, struct rebuild_plan *plan)
{
	const struct scan_result *result = both->result;

	for (size_t i = 0; i < result->matches_count; i++)
		disinfect_one(both, &result->matches[i], plan);
	// What goes needs no repair.
	for (size_t i = 0; i < plan->leaves_count; i++) {
		if (plan->why[i] == NULL || plan->repairs[i] == NULL)
			continue;
		repair_free(plan->repairs[i]);
		plan->repairs[i] = NULL;
		plan->repairs_count--;
	}
	if (plan->cuts_count == 0 && plan->repairs_count == 0 && result->matches_count > 0)
		refuse(plan, result->matches[0].signature, "it says no way to repair it");
}

int rebuild_plan_new(const uint8_t *data, size_t bytes, const struct scan_result *result,
	enum rebuild_what what, const char *why, struct rebuild_plan **out)
{
	struct alignment both = {0};
	struct rebuild_plan *plan;
	int err = alignment_init(&both, data, bytes, result);

	if (err != 0)
		return err;
	plan = plan_new(both.leaves.count);
	if (plan == NULL) {
		alignment_fini(&both);
		return -ENOMEM;
	}
	switch (what) {
	case REBUILD_ATTACHMENTS:
		cut_infected(&both, plan);
		cut_attachments(&both, why, plan);
		break;
	case REBUILD_INFECTED:
		cut_infected(&both, plan);
		break;
	case REBUILD_DISINFECT:
		plan_disinfection(&both, plan);
		break;
	}
	alignment_fini(&both);
	*out = plan;
	return 0;
}
