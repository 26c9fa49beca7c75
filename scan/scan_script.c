// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_script.h"

#include "scan/find_four.h"
#include "scan/scan_marks.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"

#include <string.h>

#define MARK 0x23407e5eu // "#@~^"
#define SLICE 1024

// ---- in an object ------------------------------------------------------------------------------

// is_inside: the mark's last two bytes may stand side by side in data. Returns how many bytes were searched: all,
// or up to the end of the mark, which is in last then.
static size_t search(struct scan_script *script, const uint8_t *data, size_t n, bool is_inside)
{
	static const uint8_t mark[] = {'#', '@', '~', '^'};
	size_t at = 0;

	for (; at < n && at < 3; at++) {
		script->last = script->last << 8 | data[at];
		if (script->last == MARK)
			return at + 1;
	}
	at = is_inside ? find_four(data, n, 0, mark) : n;
	if (at < n) {
		script->last = MARK;
		return at + sizeof(mark);
	}
	for (at = n > 3 ? n - 3 : n; at < n; at++)
		script->last = script->last << 8 | data[at];
	return n;
}

static void member_end(struct scan *scan, struct scan_script *script)
{
	struct scan_object *member = script->member;

	script->member = NULL;
	script->state = SCRIPT_SEARCH;
	script->last = 0;
	object_end(scan, member);
}

static size_t head(struct scan *scan, struct scan_object *object, uint8_t byte)
{
	struct scan_script *script = &object->script;

	script->head[script->head_bytes++] = byte;
	if (script->head_bytes < SCRIPT_HEAD_BYTES)
		return 1;
	script->state = SCRIPT_SEARCH;
	script->last = 0;
	if (!script_read_length(script->head, &script->left) || script->left == 0)
		return 1;
	script->code = (struct script_code){0};
	script->member = object_begin_inline(scan, object, "text/javascript");
	if (script->member != NULL)
		script->state = SCRIPT_BODY;
	return 1;
}

static size_t body(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_script *script = &object->script;
	uint8_t out[SLICE];
	size_t bytes = 0;

	n = n < SLICE ? n : SLICE;
	n = n < script->left ? n : script->left;
	for (size_t i = 0; i < n; i++)
		bytes += script_decode(&script->code, data[i], out + bytes) ? 1 : 0;
	script->left -= (uint32_t)n;
	if (bytes > 0 && !object_feed_inline(scan, script->member, out, bytes)) {
		scan_set_suspect(scan, "limit-unpacked-bytes");
		script->left = 0;
	}
	scan->origin = object->origin;
	if (script->left == 0)
		member_end(scan, script);
	return n;
}

void scan_script_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_script *script = &object->script;

	if (scan->scanner->options.max_archive_depth == 0)
		return;
	while (n > 0) {
		size_t used = n;

		switch (script->state) {
		case SCRIPT_SEARCH:
			used = search(script, data, n, (object->marks & SCAN_MARK_SCRIPT) != 0);
			if (script->last == MARK) {
				script->state = SCRIPT_HEAD;
				script->head_bytes = 0;
			}
			break;
		case SCRIPT_HEAD:
			used = head(scan, object, *data);
			break;
		case SCRIPT_BODY:
			used = body(scan, object, data, n);
			break;
		}
		data += used;
		n -= used;
	}
}

void scan_script_end(struct scan *scan, struct scan_object *object)
{
	if (object->script.member != NULL)
		member_end(scan, &object->script);
}
