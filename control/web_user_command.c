// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_user_command.h"

#include "control/web_users.h"

#include <openssl/crypto.h>
#include <termios.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REFUSED 1
#define USAGE 2
#define PASSWORD_BYTES 1026

static void help(const char *program, FILE *out)
{
	(void)fprintf(out,
		"usage: %s user FILE                            who may log in to the page\n"
		"       %s user FILE set NAME viewer|operator   a password is asked for, or read\n"
		"                                               from standard input: one line\n"
		"       %s user FILE remove NAME\n"
		"\n"
		"A viewer may look, an operator may act. FILE is web.users of the configuration; "
		"a\n"
		"change ends that user's sessions. Exit status: 0 done, 1 refused, 2 bad usage.\n",
		program, program, program);
}

static bool read_line(char *out, size_t room)
{
	if (fgets(out, (int)room, stdin) == NULL)
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static bool ask_once(const char *prompt, char *out, size_t room)
{
	struct termios before;
	struct termios silent;
	bool done;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return read_line(out, room);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)fputs(prompt, stderr);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	done = read_line(out, room);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)fputc('\n', stderr);
	return done;
}

static const char *ask_password(char *out, size_t room)
{
	char again[PASSWORD_BYTES] = "";
	const char *why = NULL;

	if (!ask_once("Password: ", out, room))
		return "no password was given";
	if (isatty(STDIN_FILENO) != 0 &&
		(!ask_once("Again: ", again, sizeof(again)) || strcmp(again, out) != 0))
		why = "the two are not the same";
	OPENSSL_cleanse(again, sizeof(again));
	return why;
}

static int fail(const char *program, const char *why)
{
	(void)fprintf(stderr, "%s user: %s\n", program, why);
	return REFUSED;
}

static int list(const char *program, const char *path)
{
	char error[512];
	GHashTable *users;
	GList *names;

	if (web_users_read(path, &users, error, sizeof(error)) != 0)
		return fail(program, error);
	names = g_list_sort(g_hash_table_get_keys(users), (GCompareFunc)(void (*)(void))strcmp);
	for (const GList *name = names; name != NULL; name = name->next) {
		const struct web_user *user = g_hash_table_lookup(users, name->data);

		(void)printf("%s\t%s\n", user->name, web_role_name(user->role));
	}
	g_list_free(names);
	g_hash_table_unref(users);
	return 0;
}

static int set(const char *program, const char *path, const char *name, const char *role_name)
{
	char password[PASSWORD_BYTES] = "";
	char error[512] = "";
	enum web_role role;
	const char *why;
	int err;

	if (web_role_find(role_name, &role) != 0)
		return fail(program, "the role is neither viewer nor operator");
	why = ask_password(password, sizeof(password));
	if (why != NULL)
		return fail(program, why);
	err = web_login_set_user(path, name, role, password, error, sizeof(error));
	OPENSSL_cleanse(password, sizeof(password));
	if (err == 0)
		return 0;
	return fail(program, error[0] != '\0' ? error : g_strerror(-err));
}

int web_user_command(const char *program, int argc, char **argv)
{
	int err;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		help(program, stdout);
		return 0;
	}
	if (argc == 2)
		return list(program, argv[1]);
	if (argc == 5 && strcmp(argv[2], "set") == 0)
		return set(program, argv[1], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[2], "remove") == 0) {
		err = web_login_remove_user(argv[1], argv[3]);
		if (err == 0)
			return 0;
		return fail(program,
			err == -ENOENT ? "there is nobody of that name" : g_strerror(-err));
	}
	help(program, stderr);
	return USAGE;
}
