// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_notes.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

json_t *screens_notes_read(struct screen_store *store, const char *name)
{
	char *text = screen_store_note(store, name);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;

	free(text);
	if (json_is_array(list))
		return list;
	json_decref(list);
	return json_array();
}

int screens_notes_write(struct screen_store *store, const char *name, const json_t *list)
{
	char *text = json_dumps(list, JSON_COMPACT);
	int err = text != NULL ? screen_store_set_note(store, name, text) : -ENOMEM;

	free(text);
	return err;
}

size_t screens_notes_find(const json_t *list, const char *text)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (strcmp(json_string_value(value), text) == 0)
			return i;
	}
	return SIZE_MAX;
}
