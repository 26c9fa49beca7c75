// SPDX-License-Identifier: BSD-3-Clause
#include "control/durable.h"
#include "control/envelope.h"
#include "control/vendor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES (32u << 20)

int vendor_cli_fail(const char *name, const char *format, ...)
{
	va_list values;

	(void)fprintf(stderr, "cordon-vendor %s: ", name);
	va_start(values, format);
	(void)vfprintf(stderr, format, values);
	va_end(values);
	(void)fputc('\n', stderr);
	return VENDOR_ERROR;
}

int vendor_cli_options(const char *arguments, const char *summary, const GOptionEntry *entries,
	int *argc, char ***argv)
{
	GOptionContext *context = g_option_context_new(arguments);
	GError *mistake = NULL;
	const char *name = (*argv)[0];
	char *program = g_strconcat("cordon-vendor ", name, NULL);
	int err = 0;

	g_set_prgname(program);
	g_option_context_set_summary(context, summary);
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, &mistake)) {
		err = vendor_cli_fail(name, "%s", mistake->message);
		g_error_free(mistake);
	}
	g_option_context_free(context);
	g_free(program);
	return err;
}

char *vendor_cli_read(const char *name, const char *path, size_t *bytes)
{
	char reason[128];
	char *data = NULL;
	int err;

	if (strcmp(path, "-") != 0) {
		err = durable_read(path, INPUT_BYTES, &data, bytes);
		if (err != 0)
			(void)vendor_cli_fail(
				name, "%s: %s", path, strerror_r(-err, reason, sizeof(reason)));
		return err == 0 ? data : NULL;
	}
	data = malloc(INPUT_BYTES + 1);
	if (data == NULL)
		return NULL;
	*bytes = fread(data, 1, INPUT_BYTES, stdin);
	data[*bytes] = '\0';
	return data;
}

int vendor_cli_write(const char *name, const char *path, const char *line)
{
	char reason[128];
	char *text;
	int err;

	if (path == NULL || strcmp(path, "-") == 0)
		return puts(line) >= 0 && fflush(stdout) == 0
			       ? 0
			       : vendor_cli_fail(name, "standard output: cannot be written");
	text = g_strconcat(line, "\n", NULL);
	err = durable_write(path, text, strlen(text));
	g_free(text);
	return err == 0 ? 0
			: vendor_cli_fail(
				  name, "%s: %s", path, strerror_r(-err, reason, sizeof(reason)));
}

int vendor_cli_print(json_t *value)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
	int err = text != NULL && puts(text) >= 0 ? 0 : VENDOR_ERROR;

	free(text);
	json_decref(value);
	return err;
}
