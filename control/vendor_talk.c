// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_talk.h"

#include <glib-unix.h>
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 1200 // with all around it, shorter than what goes over any network in one piece
#define WINDOW 16        // informs that are not confirmed; traps in one turn
#define TIMEOUT_US 1000000
#define RETRIES 3
#define ASK_MS 100 // first pause before the receipt is asked for again, doubled each time
#define ASKS_MOST 9
#define DIGEST_BYTES 32

static const oid uptime_name[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
static const oid trap_name[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
static const oid alert_name[] = {SNMP_MIB, 0, 1};
static const oid object_name[] = {SNMP_MIB, 1};

struct talk {
	struct talk_about about;
	struct talk_owner owner;
	void *session; // with the gateway's engine
	void *traps;   // with ours
	GSource *source;
	uint32_t next; // piece, from 0
	uint32_t pieces;
	uint32_t unconfirmed;
	unsigned int asks;
	gint64 ask_us; // when it is asked next; 0: it has been
	bool is_over;
};

// ---- who we are ---------------------------------------------------------------------------------

static bool keep_user(void *ctx, const char *definition)
{
	struct talk_identity *identity = ctx;

	if (definition[0] == '-')
		return false;
	g_ptr_array_add(identity->users, g_strdup(definition));
	return true;
}

int talk_identity_init(struct talk_identity *identity, const struct vendor_options *options,
	const char *vendor, char *error, size_t error_bytes)
{
	const struct snmp_settings settings = {.section = "snmp",
		.state = options->state,
		.name = vendor,
		.users = options->snmp.users,
		.community = options->snmp.community,
		.user = keep_user,
		.ctx = identity};

	identity->users = g_ptr_array_new_with_free_func(g_free);
	identity->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	identity->engine_bytes = snmp_library_engine(vendor, identity->engine);
	return snmp_library_start(&settings, identity->community, error, error_bytes);
}

void talk_identity_fini(struct talk_identity *identity)
{
	if (identity->users == NULL)
		return;
	snmp_library_stop();
	g_ptr_array_unref(identity->users);
	g_hash_table_unref(identity->known);
}

bool talk_has_users(const struct talk_identity *identity)
{
	return identity->users->len > 0;
}

// The definition of a user, and where its name ends; NULL: there is none.
static const char *find_user(const struct talk_identity *identity, const char *name, size_t *bytes)
{
	for (guint i = 0; i < identity->users->len; i++) {
		const char *definition = identity->users->pdata[i];

		*bytes = strcspn(definition, " \t");
		if (name == NULL ||
			(strlen(name) == *bytes && strncmp(name, definition, *bytes) == 0))
			return definition;
	}
	return NULL;
}

// The library derives a user's keys for each engine from the passphrases. Once.
static void know_user(struct talk_identity *identity, const char *gateway, const char *definition,
	const uint8_t *engine, size_t engine_bytes)
{
	GString *line;
	char *name =
		g_strdup_printf("%s\n%.*s", gateway, (int)strcspn(definition, " \t"), definition);

	if (!g_hash_table_add(identity->known, name))
		return;
	line = g_string_new("-e 0x");
	for (size_t i = 0; i < engine_bytes; i++)
		g_string_append_printf(line, "%02x", engine[i]);
	g_string_append_printf(line, " %s", definition);
	(void)snmp_library_add_user(line->str);
	(void)g_string_free(line, TRUE);
}

// ---- what comes back ----------------------------------------------------------------------------

static void end(struct talk *talk, const char *why)
{
	if (talk->is_over)
		return;
	talk->is_over = true;
	if (why != NULL)
		talk->owner.failed(talk->owner.ctx, why);
}

static void ask_later(struct talk *talk)
{
	talk->ask_us = g_get_monotonic_time() + ((gint64)ASK_MS << talk->asks) * 1000;
}

static void take_answer(struct talk *talk, const netsnmp_pdu *pdu)
{
	const netsnmp_variable_list *value = pdu->variables;

	if (value == NULL || value->type != ASN_OCTET_STR || value->val_len == 0) {
		// Not yet: an update, say, takes its time.
		if (talk->asks >= ASKS_MOST)
			end(talk, "there is no receipt yet");
		else
			ask_later(talk);
		return;
	}
	talk->is_over = true;
	talk->owner.receipt(talk->owner.ctx, value->val.string, value->val_len);
}

static int came(int operation, netsnmp_session *session, int request, netsnmp_pdu *pdu, void *ctx)
{
	struct talk *talk = ctx;

	(void)session;
	(void)request;
	// That it is sent again, say, needs nothing of us.
	if (talk->is_over || (operation != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE &&
				     operation != NETSNMP_CALLBACK_OP_TIMED_OUT &&
				     operation != NETSNMP_CALLBACK_OP_SEC_ERROR))
		return 1;
	if (operation == NETSNMP_CALLBACK_OP_TIMED_OUT) {
		end(talk, "no answer");
	} else if (operation == NETSNMP_CALLBACK_OP_SEC_ERROR || pdu == NULL ||
		   pdu->command == SNMP_MSG_REPORT) {
		end(talk, "its engine does not know our user, or has other keys");
	} else if (pdu->command == SNMP_MSG_RESPONSE && pdu->errstat != SNMP_ERR_NOERROR) {
		end(talk, snmp_errstring((int)pdu->errstat));
	} else if (pdu->command == SNMP_MSG_RESPONSE && talk->unconfirmed > 0) {
		talk->unconfirmed--;
	} else if (pdu->command == SNMP_MSG_RESPONSE) {
		take_answer(talk, pdu);
	}
	return 1;
}

// ---- what goes out ------------------------------------------------------------------------------

static void add(
	netsnmp_pdu *pdu, enum snmp_object object, u_char type, const void *value, size_t bytes)
{
	oid name[OID_LENGTH(object_name) + 2];

	memcpy(name, object_name, sizeof(object_name));
	name[OID_LENGTH(object_name)] = object;
	name[OID_LENGTH(object_name) + 1] = 0;
	(void)snmp_pdu_add_variable(pdu, name, OID_LENGTH(name), type, value, bytes);
}

static netsnmp_pdu *make_piece(const struct talk *talk, uint32_t number)
{
	netsnmp_pdu *pdu = snmp_pdu_create(talk->about.is_trap ? SNMP_MSG_TRAP2 : SNMP_MSG_INFORM);
	size_t from = (size_t)number * PIECE_BYTES;
	u_long uptime = (u_long)(g_get_monotonic_time() / 10000);
	u_long shown = number + 1;
	u_long all = talk->pieces;

	if (pdu == NULL)
		return NULL;
	(void)snmp_pdu_add_variable(
		pdu, uptime_name, OID_LENGTH(uptime_name), ASN_TIMETICKS, &uptime, sizeof(uptime));
	(void)snmp_pdu_add_variable(pdu, trap_name, OID_LENGTH(trap_name), ASN_OBJECT_ID,
		alert_name, sizeof(alert_name));
	if (talk->pieces > 1) {
		add(pdu, SNMP_OBJECT_ID, ASN_OCTET_STR, talk->about.digest,
			strlen(talk->about.digest));
		add(pdu, SNMP_OBJECT_SEGMENT, ASN_UNSIGNED, &shown, sizeof(shown));
		add(pdu, SNMP_OBJECT_SEGMENTS, ASN_UNSIGNED, &all, sizeof(all));
	}
	add(pdu, SNMP_OBJECT_DATA, ASN_OCTET_STR, talk->about.envelope + from,
		MIN(talk->about.bytes - from, (size_t)PIECE_BYTES));
	return pdu;
}

static void send_piece(struct talk *talk)
{
	netsnmp_pdu *pdu = make_piece(talk, talk->next++);
	int sent = 0;

	if (pdu != NULL && talk->about.is_trap)
		sent = snmp_sess_send(talk->traps, pdu);
	else if (pdu != NULL)
		sent = snmp_sess_async_send(talk->session, pdu, came, talk);
	if (sent == 0 && pdu != NULL)
		snmp_free_pdu(pdu);
	if (sent == 0)
		end(talk, "it cannot be sent");
	else if (!talk->about.is_trap)
		talk->unconfirmed++;
}

static void ask(struct talk *talk)
{
	oid name[OID_LENGTH(object_name) + 3 + DIGEST_BYTES];
	size_t at = OID_LENGTH(object_name);
	netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);

	memcpy(name, object_name, sizeof(object_name));
	name[at++] = SNMP_OBJECT_RECEIPTS;
	name[at++] = 1;
	name[at++] = SNMP_COLUMN_DATA;
	for (size_t i = 0; i < DIGEST_BYTES && talk->about.digest[2 * i] != '\0'; i++)
		name[at++] = (oid)(g_ascii_xdigit_value(talk->about.digest[2 * i]) << 4 |
				   g_ascii_xdigit_value(talk->about.digest[2 * i + 1]));
	talk->ask_us = 0;
	talk->asks++;
	if (pdu == NULL) {
		end(talk, "no memory");
		return;
	}
	(void)snmp_add_null_var(pdu, name, at);
	if (snmp_sess_async_send(talk->session, pdu, came, talk) == 0) {
		snmp_free_pdu(pdu);
		end(talk, "it cannot be asked");
	}
}

// Whatever can be done now.
static void advance(struct talk *talk)
{
	uint32_t burst = 0;

	while (!talk->is_over && talk->next < talk->pieces && talk->unconfirmed < WINDOW &&
		burst++ < WINDOW)
		send_piece(talk);
	if (talk->is_over || talk->next < talk->pieces || talk->unconfirmed > 0)
		return;
	// A trap is on its way still; what was confirmed has been taken.
	if (talk->asks == 0 && talk->ask_us == 0 && talk->about.is_trap)
		ask_later(talk);
	else if (talk->ask_us != 0 ? talk->ask_us <= g_get_monotonic_time() : talk->asks == 0)
		ask(talk);
}

bool talk_turn(struct talk *talk)
{
	snmp_sess_timeout(talk->session);
	advance(talk);
	return talk->is_over;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer ctx)
{
	struct talk *talk = ctx;
	netsnmp_large_fd_set set;

	(void)condition;
	netsnmp_large_fd_set_init(&set, fd + 1);
	netsnmp_large_fd_setfd(fd, &set);
	(void)snmp_sess_read2(talk->session, &set);
	netsnmp_large_fd_set_cleanup(&set);
	advance(talk);
	return G_SOURCE_CONTINUE;
}

// ---- start and stop -----------------------------------------------------------------------------

void talk_free(struct talk *talk)
{
	if (talk == NULL)
		return;
	talk->is_over = true;
	if (talk->source != NULL) {
		g_source_destroy(talk->source);
		g_source_unref(talk->source);
	}
	if (talk->session != NULL)
		(void)snmp_sess_close(talk->session);
	if (talk->traps != NULL)
		(void)snmp_sess_close(talk->traps);
	free(talk);
}

static void fill_session(netsnmp_session *session, char *peer, struct talk *talk)
{
	snmp_sess_init(session);
	session->peername = peer;
	session->retries = RETRIES;
	session->timeout = TIMEOUT_US;
	session->callback = came;
	session->callback_magic = talk;
	session->flags |= SNMP_FLAGS_DONT_PROBE;
}

static void *open_community(struct talk_identity *identity, netsnmp_session *session)
{
	session->version = SNMP_VERSION_2c;
	session->community = (u_char *)identity->community;
	session->community_len = strlen(identity->community);
	return session->community_len > 0 ? snmp_sess_open(session) : NULL;
}

// The library copies all of it.
static void *open_user(netsnmp_session *session, const char *definition, size_t name_bytes,
	uint8_t *engine, size_t engine_bytes)
{
	char *name = g_strndup(definition, name_bytes);
	void *opened;

	session->version = SNMP_VERSION_3;
	session->securityModel = SNMP_SEC_MODEL_USM;
	session->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
	session->securityName = name;
	session->securityNameLen = name_bytes;
	session->securityEngineID = engine;
	session->securityEngineIDLen = engine_bytes;
	session->contextEngineID = engine;
	session->contextEngineIDLen = engine_bytes;
	opened = snmp_sess_open(session);
	g_free(name);
	return opened;
}

static const char *open_sessions(struct talk_identity *identity, struct talk *talk, char *peer)
{
	netsnmp_session session;
	uint8_t engine[SNMP_ENGINE_BYTES];
	size_t engine_bytes = snmp_library_engine(talk->about.gateway, engine);
	const char *definition;
	size_t bytes = 0;

	fill_session(&session, peer, talk);
	if (talk->about.is_community) {
		talk->session = open_community(identity, &session);
		if (talk->about.is_trap)
			talk->traps = open_community(identity, &session);
		return identity->community[0] != '\0' ? NULL : "no community is configured here";
	}
	definition = find_user(identity, talk->about.user, &bytes);
	if (definition == NULL)
		return "this user is not configured here";
	know_user(identity, talk->about.gateway, definition, engine, engine_bytes);
	talk->session = open_user(&session, definition, bytes, engine, engine_bytes);
	if (!talk->about.is_trap)
		return NULL;
	fill_session(&session, peer, talk);
	session.engineBoots = (u_int)snmpv3_local_snmpEngineBoots();
	session.engineTime = (u_int)snmpv3_local_snmpEngineTime();
	talk->traps =
		open_user(&session, definition, bytes, identity->engine, identity->engine_bytes);
	return NULL;
}

struct talk *talk_new(struct talk_identity *identity, const struct talk_about *about,
	const char *address, const struct talk_owner *owner)
{
	struct talk *talk = calloc(1, sizeof(*talk));
	netsnmp_transport *transport;
	const char *mistake;
	char *peer;

	if (talk == NULL)
		return NULL;
	talk->about = *about;
	talk->owner = *owner;
	talk->pieces = (uint32_t)((about->bytes + PIECE_BYTES - 1) / PIECE_BYTES);
	// [address]:port is version 6 of IP.
	peer = g_strdup_printf("%s:%s", address[0] == '[' ? "udp6" : "udp", address);
	mistake = open_sessions(identity, talk, peer);
	g_free(peer);
	if (mistake == NULL && (talk->session == NULL || (about->is_trap && talk->traps == NULL)))
		mistake = "no socket can be opened";
	if (mistake != NULL) {
		end(talk, mistake);
		talk_free(talk);
		return NULL;
	}
	transport = snmp_sess_transport(talk->session);
	talk->source = g_unix_fd_source_new(transport->sock, G_IO_IN);
	g_source_set_callback(talk->source, G_SOURCE_FUNC(readable), talk, NULL);
	(void)g_source_attach(talk->source, NULL);
	return talk;
}
