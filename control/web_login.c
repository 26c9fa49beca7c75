// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_login.h"

#include "control/address_list.h"
#include "control/clock.h"
#include "control/control_events.h"
#include "control/web_lock.h"
#include "control/web_users.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000LL
#define TOKEN_BYTES 32
#define SESSIONS_MOST 1000
#define TRIES_WAITING 16    // for the one thread that checks passwords
#define TRIES_PER_MINUTE 10 // of one place (web_lock.h)
#define SECURE "__Host-"    // before a cookie's name: RFC 6265bis, section 4.1.3.2
#define SESSION_COOKIE "cordon-session"
#define KNOWN_COOKIE "cordon-known"
#define KNOWN_SECONDS 31536000

struct session {
	struct web_session shown;
	char secret[256]; // of the user when it began
	int64_t began_ns;
	int64_t used_ns;
};

struct web_login {
	struct web_login_options options;
	char *path;
	struct stat read; // the file as it was
	GHashTable *users;
	GHashTable *sessions; // SHA-256 of the cookie, in hex: session
	struct address_rate *rate;
	struct web_lock *lock;
	GThreadPool *checks;
	GAsyncQueue *checked;
};

// One password that is being checked, on another thread.
struct check {
	struct web_login *login;
	struct web_server *server;
	uint64_t token;
	char user[WEB_USER_BYTES];
	char peer[ADDRESS_BYTES];
	char place[WEB_PLACE_BYTES];
	char secret[256];
	char *password;
	char *former; // key of the session that this browser has; NULL: none
	bool is_known;
	bool is_browser_known;
	bool is_right;
};

static void free_check(struct check *check)
{
	OPENSSL_cleanse(check->password, strlen(check->password));
	g_free(check->password);
	g_free(check->former);
	g_free(check);
}

static void audit(
	const struct web_login *login, const char *user, const char *peer, const char *what)
{
	if (login->options.audit != NULL)
		login->options.audit(login->options.ctx, user, peer, what);
}

// ---- users --------------------------------------------------------------------------------------

static gboolean is_over(gpointer key, gpointer value, gpointer ctx)
{
	const struct session *session = value;
	const struct web_login *login = ctx;
	const struct web_user *user = g_hash_table_lookup(login->users, session->shown.user);

	(void)key;
	return user == NULL || strcmp(user->secret, session->secret) != 0 ||
	       user->role != session->shown.role;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

// A file that cannot be read leaves the users as they were; one that is gone leaves none.
static int read_users(struct web_login *login, char *error, size_t error_bytes)
{
	GHashTable *users = NULL;
	struct stat now = {0};
	int err;

	if (stat(login->path, &now) == 0 && login->users != NULL &&
		is_same_file(&now, &login->read))
		return 0;
	err = web_users_read(login->path, &users, error, error_bytes);
	if (err == -ENOENT && login->users != NULL) {
		users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
		err = 0;
	}
	if (err != 0)
		return err;
	if (login->users != NULL)
		g_hash_table_unref(login->users);
	login->users = users;
	login->read = now;
	(void)g_hash_table_foreach_remove(login->sessions, is_over, login);
	return 0;
}

// ---- sessions -----------------------------------------------------------------------------------

static char *make_token(void)
{
	uint8_t bytes[TOKEN_BYTES];
	char *text;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return NULL;
	text = g_base64_encode(bytes, sizeof(bytes));
	(void)g_strdelimit(text, "+", '-');
	(void)g_strdelimit(text, "/", '_');
	(void)g_strdelimit(text, "=", '\0');
	return text;
}

static bool is_old(const struct web_login *login, const struct session *session, int64_t now_ns)
{
	return now_ns - session->used_ns > login->options.idle_seconds * NS_PER_S ||
	       now_ns - session->began_ns > login->options.most_seconds * NS_PER_S;
}

struct sweep {
	const struct web_login *login;
	int64_t now_ns;
};

static gboolean is_swept(gpointer key, gpointer value, gpointer ctx)
{
	const struct sweep *sweep = ctx;

	(void)key;
	return is_old(sweep->login, value, sweep->now_ns);
}

// seconds: it lasts; 0: as long as the browser runs.
static void set_cookie(const struct web_login *login, struct web_reply *reply, const char *name,
	const char *value, long seconds)
{
	char lasts[32] = "";

	if (seconds > 0 || value[0] == '\0')
		(void)snprintf(lasts, sizeof(lasts), "; Max-Age=%ld", seconds);
	web_reply_header(reply, "set-cookie:", "%s%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
		login->options.is_secure ? SECURE : "", name, value,
		login->options.is_secure ? "; Secure" : "", lasts);
}

// The value of a cookie, the caller's; NULL: there is none.
static char *find_cookie(const struct web_login *login, const char *cookies, const char *name)
{
	char *wanted = g_strconcat(login->options.is_secure ? SECURE : "", name, "=", NULL);
	char **each = g_strsplit(cookies, ";", -1);
	char *value = NULL;

	for (size_t i = 0; each[i] != NULL && value == NULL; i++) {
		const char *cookie = g_strstrip(each[i]);

		if (g_str_has_prefix(cookie, wanted))
			value = g_strdup(cookie + strlen(wanted));
	}
	g_strfreev(each);
	g_free(wanted);
	return value;
}

// The SHA-256 of the session cookie, the caller's; NULL: there is none.
static char *session_key(const struct web_login *login, const char *cookies)
{
	char *value = find_cookie(login, cookies, SESSION_COOKIE);
	char *key =
		value != NULL ? g_compute_checksum_for_string(G_CHECKSUM_SHA256, value, -1) : NULL;

	g_free(value);
	return key;
}

static bool is_change(const struct web_request *request)
{
	return strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0;
}

// Whether a page of another site has made the browser ask (W3C Fetch Metadata; else RFC 6454, section 7).
static bool is_foreign(const struct web_request *request)
{
	const char *host = strstr(request->origin, "://");

	if (request->site[0] != '\0')
		return strcmp(request->site, "same-origin") != 0 &&
		       strcmp(request->site, "none") != 0;
	return request->origin[0] != '\0' &&
	       (host == NULL || g_ascii_strcasecmp(host + strlen("://"), request->host) != 0);
}

// What a page asks by itself, while nobody may be there, does not keep the session.
static bool is_unattended(const struct web_request *request)
{
	return strcmp(request->prefer, "unattended") == 0 ||
	       strcmp(request->query, "unattended") == 0;
}

static bool is_own(const struct web_session *session, const char *csrf)
{
	return strlen(csrf) == strlen(session->csrf) &&
	       CRYPTO_memcmp(csrf, session->csrf, strlen(csrf)) == 0;
}

const struct web_session *web_login_find(
	struct web_login *login, const struct web_request *request, int64_t now_ns)
{
	char ignored[256];
	char *key = session_key(login, request->cookie);
	struct session *session;

	if (key == NULL)
		return NULL;
	(void)read_users(login, ignored, sizeof(ignored));
	session = g_hash_table_lookup(login->sessions, key);
	if (session != NULL && is_old(login, session, now_ns)) {
		(void)g_hash_table_remove(login->sessions, key);
		session = NULL;
	}
	g_free(key);
	if (session == NULL ||
		(is_change(request) &&
			(is_foreign(request) || !is_own(&session->shown, request->csrf))))
		return NULL;
	if (!is_unattended(request))
		session->used_ns = now_ns;
	return &session->shown;
}

bool web_login_is_open(void *ctx, const char *cookie)
{
	struct web_login *login = ctx;
	char *key = session_key(login, cookie);
	const struct session *session;
	char ignored[256];

	if (key == NULL)
		return false;
	(void)read_users(login, ignored, sizeof(ignored));
	session = g_hash_table_lookup(login->sessions, key);
	g_free(key);
	return session != NULL && !is_old(login, session, control_steady_ns());
}

void web_login_show(const struct web_session *session, struct web_reply *reply)
{
	json_t *answer = json_pack("{s:s, s:s, s:s}", "user", session->user, "role",
		web_role_name(session->role), "csrf", session->csrf);

	reply->status = 200;
	reply->body = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
}

void web_login_end(
	struct web_login *login, const struct web_request *request, struct web_reply *reply)
{
	const struct web_session *session = web_login_find(login, request, control_steady_ns());
	char *key;

	if (session == NULL) {
		web_reply_error(reply, 401, "nobody is logged in");
		return;
	}
	audit(login, session->user, request->peer, "logout");
	key = session_key(login, request->cookie);
	(void)g_hash_table_remove(login->sessions, key);
	g_free(key);
	set_cookie(login, reply, SESSION_COOKIE, "", 0);
	reply->status = 204;
}

static void start_session(struct web_login *login, const struct web_user *user, int64_t now_ns,
	struct web_reply *reply)
{
	struct sweep sweep = {login, now_ns};
	struct session *session;
	char *token = make_token();
	char *csrf = make_token();

	(void)g_hash_table_foreach_remove(login->sessions, is_swept, &sweep);
	if (token == NULL || csrf == NULL || g_hash_table_size(login->sessions) >= SESSIONS_MOST) {
		web_reply_error(reply, 503, "there are too many sessions");
	} else {
		session = g_new0(struct session, 1);
		(void)snprintf(session->shown.user, sizeof(session->shown.user), "%s", user->name);
		(void)snprintf(session->shown.csrf, sizeof(session->shown.csrf), "%s", csrf);
		(void)snprintf(session->secret, sizeof(session->secret), "%s", user->secret);
		session->shown.role = user->role;
		session->began_ns = now_ns;
		session->used_ns = now_ns;
		(void)g_hash_table_replace(login->sessions,
			g_compute_checksum_for_string(G_CHECKSUM_SHA256, token, -1), session);
		web_login_show(&session->shown, reply);
		set_cookie(login, reply, SESSION_COOKIE, token, 0);
	}
	g_free(token);
	g_free(csrf);
}

// ---- passwords ----------------------------------------------------------------------------------

// The browser is one that this user has been logged in with, from now on.
static void make_known(
	const struct web_login *login, const struct web_user *user, struct web_reply *reply)
{
	char value[WEB_KNOWN_BYTES];

	if (web_lock_make_known(user->name, user->secret, value) == 0)
		set_cookie(login, reply, KNOWN_COOKIE, value, KNOWN_SECONDS);
}

static void let_in(struct web_login *login, const struct web_user *user, const struct check *check,
	struct web_reply *reply)
{
	web_lock_clear(login->lock, user->name, user->secret, check->place);
	if (check->former != NULL)
		(void)g_hash_table_remove(login->sessions, check->former);
	start_session(login, user, control_steady_ns(), reply);
	if (reply->status == 200 && !check->is_browser_known)
		make_known(login, user, reply);
	audit(login, user->name, check->peer, "login");
}

static void answer_check(struct web_login *login, const struct check *check)
{
	const struct web_user *user = g_hash_table_lookup(login->users, check->user);
	struct web_reply reply = {0};

	// The file may be another one by now.
	if (user != NULL && strcmp(user->secret, check->secret) != 0)
		user = NULL;
	if (user != NULL && check->is_right) {
		let_in(login, user, check, &reply);
	} else {
		audit(login, check->user, check->peer, "login refused");
		if (web_lock_count(login->lock, check->user, user != NULL ? user->secret : "",
			    check->place, control_steady_ns()))
			audit(login, check->user, check->peer, "locked out");
		web_reply_error(&reply, 401, "the name or the password is wrong");
	}
	(void)web_server_answer(check->server, check->token, &reply);
}

static gboolean take_checked(gpointer ctx)
{
	struct web_login *login = ctx;
	struct check *check;

	while ((check = g_async_queue_try_pop(login->checked)) != NULL) {
		answer_check(login, check);
		free_check(check);
	}
	return G_SOURCE_REMOVE;
}

static void check_password(gpointer data, gpointer ctx)
{
	struct check *check = data;
	struct web_login *login = ctx;

	check->is_right = web_users_check(check->secret, check->password) && check->is_known;
	g_async_queue_push(login->checked, check);
	(void)g_idle_add(take_checked, login);
}

// Where a password is tried from.
static void find_place(const struct web_login *login, const struct web_request *request,
	const struct web_user *user, struct check *check)
{
	char *known = find_cookie(login, request->cookie, KNOWN_COOKIE);

	check->is_browser_known =
		known != NULL && user != NULL &&
		web_lock_known_place(known, user->name, user->secret, check->place);
	if (!check->is_browser_known)
		address_place(request->peer, check->place);
	g_free(known);
}

// What prevents that a password is looked at: a status and its text; NULL: nothing.
static const char *refusal(struct web_login *login, const struct check *check, const char *secret,
	unsigned int *status)
{
	int64_t now_ns = control_steady_ns();

	*status = 429;
	// Strangers may be many: they do not take the turn of a browser that is known.
	if (!address_rate_take(login->rate, check->place, now_ns) ||
		(!check->is_browser_known &&
			g_thread_pool_unprocessed(login->checks) >= TRIES_WAITING))
		return "too many tries: wait a minute";
	*status = 423;
	if (web_lock_is_locked(login->lock, check->user, secret, check->place, now_ns)) {
		audit(login, check->user, check->peer, "login refused");
		return "too many failures: this name is locked here for a while";
	}
	return NULL;
}

static void begin_check(struct web_login *login, const struct web_request *request,
	struct check *check, const char *password, struct web_reply *reply)
{
	const struct web_user *user = g_hash_table_lookup(login->users, check->user);
	unsigned int status;
	const char *why;

	find_place(login, request, user, check);
	why = refusal(login, check, user != NULL ? user->secret : "", &status);
	if (why != NULL) {
		web_reply_error(reply, status, why);
		g_free(check);
		return;
	}
	check->is_known = user != NULL;
	check->password = g_strdup(password);
	check->former = session_key(login, request->cookie);
	(void)snprintf(check->secret, sizeof(check->secret), "%s",
		user != NULL ? user->secret : WEB_USERS_NOBODY);
	reply->is_later = true;
	(void)g_thread_pool_push(login->checks, check, NULL);
}

void web_login_take(struct web_login *login, struct web_server *server,
	const struct web_request *request, struct web_reply *reply)
{
	char error[512] = "";
	json_t *body = json_loadb(request->body, request->bytes, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(body, "user"));
	const char *password = json_string_value(json_object_get(body, "password"));

	if (is_foreign(request)) {
		web_reply_error(reply, 403, "another site's page asks");
	} else if (name == NULL || password == NULL || strlen(name) >= WEB_USER_BYTES) {
		web_reply_error(reply, 422, "{\"user\", \"password\"} are needed");
	} else if (read_users(login, error, sizeof(error)) != 0) {
		web_reply_error(reply, 503, error);
	} else {
		struct check *check = g_new0(struct check, 1);

		check->login = login;
		check->server = server;
		check->token = request->token;
		(void)snprintf(check->user, sizeof(check->user), "%s", name);
		(void)snprintf(check->peer, sizeof(check->peer), "%s", request->peer);
		begin_check(login, request, check, password, reply);
	}
	json_decref(body);
}

// ---- start and stop -----------------------------------------------------------------------------

int web_login_open(const struct web_login_options *options, struct web_login **out, char *error,
	size_t error_bytes)
{
	struct web_login *login = calloc(1, sizeof(*login));
	int err;

	if (login == NULL)
		return -ENOMEM;
	login->options = *options;
	login->path = g_strdup(options->users);
	login->options.users = login->path;
	login->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	login->lock = web_lock_new();
	login->checked = g_async_queue_new();
	login->checks = g_thread_pool_new(check_password, login, 1, FALSE, NULL);
	err = address_rate_new(TRIES_PER_MINUTE, &login->rate);
	if (err == 0)
		err = read_users(login, error, error_bytes);
	if (err != 0)
		web_login_close(login);
	else
		*out = login;
	return err;
}

void web_login_close(struct web_login *login)
{
	struct check *check;

	if (login == NULL)
		return;
	g_thread_pool_free(login->checks, TRUE, TRUE);
	while (g_idle_remove_by_data(login))
		continue;
	while ((check = g_async_queue_try_pop(login->checked)) != NULL)
		free_check(check);
	g_async_queue_unref(login->checked);
	if (login->users != NULL)
		g_hash_table_unref(login->users);
	g_hash_table_unref(login->sessions);
	address_rate_free(login->rate);
	web_lock_free(login->lock);
	g_free(login->path);
	free(login);
}
