// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_member.h"

#include "scan/member_rule.h"
#include "scan/scan_pool.h"

#include <string.h>

#define MAX_NAME 1024

static void hit(struct scan *scan, uint32_t number, uint32_t part)
{
	const struct ruleset *ruleset;
	const struct ruleset_member_rule *rule =
		member_rules_get(scan->scanner->member_rules, number, &ruleset);
	const struct ruleset_signature *signature = &ruleset->signatures[rule->signature];
	const struct match_hit hit = {
		.signature = ruleset->strings + signature->name,
		.virus_id = ruleset->strings + signature->virus_id,
		.recipe = ruleset->strings + signature->recipe,
		.kind = MATCH_PATTERN,
	};

	object_add_match(scan, &hit, part);
}

// The rule is true if only the container has the right size. One member of it is enough.
static void wait_for_size(
	struct scan *scan, struct scan_object *container, uint32_t number, uint32_t part)
{
	for (uint32_t i = 0; i < container->waiting_count; i++)
		if (container->waiting[i].rule == number)
			return;
	if (container->waiting_count == SCAN_MAX_WAITING) {
		scan_set_suspect(scan, "limit-matching");
		return;
	}
	container->waiting[container->waiting_count++] = (struct scan_waiting){number, part};
}

static void look_up(struct scan *scan, struct scan_object *container, uint32_t part,
	const struct member_facts *facts)
{
	const struct member_rules *rules = scan->scanner->member_rules;
	const struct ruleset *ruleset;
	bool partial = false;
	uint32_t number = 0;

	for (; (number = member_rules_next(rules, number, facts, &partial)) != RULESET_NONE;
		number++) {
		if (member_rule_asks(member_rules_get(rules, number, &ruleset)))
			wait_for_size(scan, container, number, part);
		else
			hit(scan, number, part);
	}
	if (partial)
		scan_set_suspect(scan, "limit-matching");
}

// Of an image of a disc signatures name the file alone.
static const char *name_of(const struct scan_object *container, const char *path)
{
	const char *slash = strrchr(path, '/');

	return container->container == FILETYPE_CONTAINER_ISO && slash != NULL ? slash + 1 : path;
}

void scan_member_seen(struct scan *scan, struct scan_object *container, uint32_t part,
	const struct unpack_event *event)
{
	struct member_facts facts;

	if (scan->scanner->member_rules == NULL || event->facts == NULL)
		return;
	facts = (struct member_facts){
		.name = name_of(container, event->name),
		.container = container->container,
		.packed = event->facts->packed,
		.bytes = event->facts->bytes,
		.position = event->facts->position,
		.is_encrypted = event->facts->is_encrypted,
	};
	look_up(scan, container, part, &facts);
}

void scan_member_named(struct scan *scan, struct scan_object *container,
	const struct scan_object *member, const char *name)
{
	struct member_facts facts;

	if (scan->scanner->member_rules == NULL || name == NULL || name[0] == '\0')
		return;
	facts = (struct member_facts){
		.name = name,
		.container = member->lies_in,
		.packed = member->fed,
		.bytes = member->fed,
	};
	look_up(scan, container, member->part, &facts);
}

// In ClamAV's names of attachments all others are underlines, and its signatures are of such names.
static char plain_character(char c)
{
	bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			(c >= '0' && c <= '9') || c == '.';

	return (char)(is_plain ? c : '_');
}

void scan_member_of_mail(struct scan *scan, const struct scan_object *member)
{
	char plain[MAX_NAME];
	const char *name;
	size_t n = 0;

	if (scan->scanner->member_rules == NULL || member == NULL || scan->object == NULL)
		return;
	name = scan->table->parts[member->part - 1].filename;
	if (name[0] == '\0')
		name = "attachment"; // as ClamAV names it
	scan_member_named(scan, scan->object, member, name);
	for (; name[n] != '\0' && n + 1 < sizeof(plain); n++)
		plain[n] = plain_character(name[n]);
	plain[n] = '\0';
	if (strncmp(plain, name, n) != 0)
		scan_member_named(scan, scan->object, member, plain);
}

void scan_member_settle(struct scan *scan, struct scan_object *container)
{
	const struct ruleset *ruleset;

	for (uint32_t i = 0; i < container->waiting_count; i++) {
		const struct scan_waiting *waiting = &container->waiting[i];

		if (member_rule_takes(
			    member_rules_get(scan->scanner->member_rules, waiting->rule, &ruleset),
			    container->fed))
			hit(scan, waiting->rule, waiting->part);
	}
	container->waiting_count = 0;
}
