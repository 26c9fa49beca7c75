// SPDX-License-Identifier: BSD-3-Clause
// Alerts as SNMP notifications (docs/CORDON-MIB.txt): traps and informs of version 3 with authentication and
// privacy (RFC 3414), of version 2c only where a community is configured. An inform is confirmed when a trusted
// key has signed what it carries; the receipt is asked for by GET.
#include "control/channel.h"
#include "control/control_events.h"
#include "control/segments.h"
#include "control/snmp_library.h"
#include "control/snmp_receipts.h"
#include "control/urgent.h"

#include <glib-unix.h>
#include <net-snmp/library/large_fd_set.h>
#include <openssl/crypto.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLES 8             // in a question
#define PIECES_BYTES (4u << 20) // of an envelope that comes in several
#define SOURCES 256             // that are told apart: a byte
#define STRANGERS                                                                                  \
	1000 // envelopes of nobody in a second, after which those of the same source are dropped unread
#define NS_PER_S 1000000000

// cordonNotifications and cordonObjects
static const oid trap_name[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
static const oid alert_name[] = {SNMP_MIB, 0, 1};
static const oid object_name[] = {SNMP_MIB, 1};

struct channel_snmp {
	struct alerts *alerts;
	struct segments *segments;
	struct snmp_receipts *receipts;
	void *session;
	int fd;
	GSource *source;
	char community[SNMP_SECRET_BYTES]; // "": version 2c is off
	bool is_known; // the latest envelope is signed by a trusted key, or may be
	int64_t second;
	unsigned int strangers[SOURCES]; // in it, of peers of which some share one
	unsigned int *from;              // the latest envelope's
	guint seed;
	uint64_t received;
	uint64_t answered;
	uint64_t dropped;
	uint64_t asked;
};

// ---- alerts -------------------------------------------------------------------------------------

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_snmp *channel = ctx;

	(void)token;
	channel->is_known = said->receipt != NULL || said->is_busy;
	if (said->receipt == NULL) {
		*channel->from += !said->is_busy;
		return;
	}
	channel->answered++;
	snmp_receipts_put(channel->receipts, said->receipt);
}

static void take(struct channel_snmp *channel, const char *peer, const void *data, size_t bytes)
{
	const struct alerts_source source = {
		.channel = "snmp", .peer = peer, .answer = answer, .ctx = channel};

	channel->received++;
	channel->is_known = true; // until it is told otherwise, at once or never
	alerts_take(channel->alerts, &source, data, bytes, control_now_ns() / NS_PER_S);
}

// Which of our objects a variable is an instance of, with or without the 0 behind it; 0: none.
static oid object_of(const netsnmp_variable_list *variable)
{
	size_t length = OID_LENGTH(object_name);

	if (variable->name_length <= length || variable->name_length > length + 2 ||
		snmp_oid_compare(variable->name, length, object_name, length) != 0 ||
		(variable->name_length == length + 2 && variable->name[length + 1] != 0))
		return 0;
	return variable->name[length];
}

static bool is_alert(const netsnmp_variable_list *variable)
{
	return variable->type == ASN_OBJECT_ID &&
	       snmp_oid_compare(variable->name, variable->name_length, trap_name,
		       OID_LENGTH(trap_name)) == 0 &&
	       snmp_oid_compare(variable->val.objid, variable->val_len / sizeof(oid), alert_name,
		       OID_LENGTH(alert_name)) == 0;
}

static uint32_t number_of(const netsnmp_variable_list *variable)
{
	bool is_number = variable->type == ASN_UNSIGNED || variable->type == ASN_INTEGER;

	// What is no number is no number of a segment either.
	return is_number && *variable->val.integer > 0 && *variable->val.integer <= SEGMENTS_MOST
		       ? (uint32_t)*variable->val.integer
		       : 0;
}

// Returns whether it is an alert of ours.
static bool parse(const netsnmp_pdu *pdu, struct segment *segment)
{
	bool found = false;

	for (const netsnmp_variable_list *at = pdu->variables; at != NULL; at = at->next_variable) {
		oid object = object_of(at);

		found = found || is_alert(at);
		if (object == SNMP_OBJECT_SEGMENT) {
			segment->number = number_of(at);
		} else if (object == SNMP_OBJECT_SEGMENTS) {
			segment->count = number_of(at);
		} else if (object == SNMP_OBJECT_ID && at->type == ASN_OCTET_STR) {
			segment->id = at->val.string;
			segment->id_bytes = at->val_len;
		} else if (object == SNMP_OBJECT_DATA && at->type == ASN_OCTET_STR) {
			segment->data = at->val.string;
			segment->bytes = at->val_len;
		}
	}
	return found && segment->data != NULL;
}

// Who sends, without the port: each run of a program has another one.
static void name_peer(const netsnmp_pdu *pdu, char *out, size_t room)
{
	const netsnmp_indexed_addr_pair *pair = pdu->transport_data;
	const char *user = pdu->version == SNMP_VERSION_3 ? pdu->securityName : "v2c";
	char text[INET6_ADDRSTRLEN] = "";

	if (pair != NULL && (size_t)pdu->transport_data_length >= sizeof(pair->remote_addr)) {
		if (pair->remote_addr.sa.sa_family == AF_INET)
			(void)inet_ntop(
				AF_INET, &pair->remote_addr.sin.sin_addr, text, sizeof(text));
		else if (pair->remote_addr.sa.sa_family == AF_INET6)
			(void)inet_ntop(
				AF_INET6, &pair->remote_addr.sin6.sin6_addr, text, sizeof(text));
	}
	(void)snprintf(out, room, "%s@%s", user != NULL ? user : "", text);
}

// Returns whether it is to be confirmed.
static bool take_notification(struct channel_snmp *channel, const netsnmp_pdu *pdu)
{
	int64_t second = control_now_ns() / NS_PER_S;
	char peer[SEGMENTS_NAME_BYTES];
	struct segment segment = {.sender = peer, .id = "", .number = 1, .count = 1};
	void *all = NULL;
	size_t bytes = 0;
	int got;

	if (second != channel->second)
		memset(channel->strangers, 0, sizeof(channel->strangers));
	channel->second = second;
	name_peer(pdu, peer, sizeof(peer));
	channel->from = &channel->strangers[g_str_hash(peer) * channel->seed >> 24];
	if (*channel->from >= STRANGERS || !parse(pdu, &segment)) {
		channel->dropped++;
		return false;
	}
	if (segment.number == 1 && segment.count == 1) {
		take(channel, peer, segment.data, segment.bytes);
		return channel->is_known;
	}
	got = segments_add(channel->segments, &segment, PIECES_BYTES, second, &all, &bytes);
	if (got < 0)
		channel->dropped++;
	if (got <= 0)
		return got == 0;
	take(channel, peer, all, bytes);
	free(all);
	return channel->is_known;
}

// ---- answers ------------------------------------------------------------------------------------

static void send_back(struct channel_snmp *channel, netsnmp_pdu *pdu)
{
	pdu->command = SNMP_MSG_RESPONSE;
	if (snmp_sess_send(channel->session, pdu) == 0)
		snmp_free_pdu(pdu);
}

static void confirm(struct channel_snmp *channel, netsnmp_pdu *pdu)
{
	netsnmp_pdu *reply = snmp_clone_pdu(pdu);

	if (reply == NULL)
		return;
	reply->errstat = 0;
	reply->errindex = 0;
	send_back(channel, reply);
}

static void answer_question(struct channel_snmp *channel, netsnmp_pdu *pdu)
{
	bool is_next = pdu->command == SNMP_MSG_GETNEXT;
	netsnmp_pdu *reply = snmp_clone_pdu(pdu);
	int count = 0;

	channel->asked++;
	if (reply == NULL)
		return;
	reply->errstat =
		is_next || pdu->command == SNMP_MSG_GET ? SNMP_ERR_NOERROR : SNMP_ERR_GENERR;
	reply->errindex = 0;
	for (netsnmp_variable_list *at = reply->variables;
		at != NULL && reply->errstat == SNMP_ERR_NOERROR; at = at->next_variable) {
		if (++count > VARIABLES)
			reply->errstat = SNMP_ERR_TOOBIG;
		else if (snmp_receipts_get(channel->receipts, at, is_next) != 0)
			reply->errstat = SNMP_ERR_GENERR;
	}
	send_back(channel, reply);
}

// The library has checked the user of version 3; a community is ours to check.
static bool is_let_in(const struct channel_snmp *channel, const netsnmp_pdu *pdu)
{
	size_t bytes = strlen(channel->community);

	if (pdu->version == SNMP_VERSION_3)
		return pdu->securityLevel >= SNMP_SEC_LEVEL_AUTHPRIV;
	return pdu->version == SNMP_VERSION_2c && bytes > 0 && pdu->community_len == bytes &&
	       CRYPTO_memcmp(pdu->community, channel->community, bytes) == 0;
}

static int came(int operation, netsnmp_session *session, int request, netsnmp_pdu *pdu, void *ctx)
{
	struct channel_snmp *channel = ctx;

	(void)session;
	(void)request;
	if (operation != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE)
		return 1;
	if (!is_let_in(channel, pdu)) {
		channel->dropped++;
	} else if (pdu->command == SNMP_MSG_TRAP2) {
		(void)take_notification(channel, pdu);
	} else if (pdu->command == SNMP_MSG_INFORM) {
		if (take_notification(channel, pdu))
			confirm(channel, pdu);
	} else if (pdu->command == SNMP_MSG_GET || pdu->command == SNMP_MSG_GETNEXT ||
		   pdu->command == SNMP_MSG_GETBULK || pdu->command == SNMP_MSG_SET) {
		answer_question(channel, pdu);
	}
	return 1;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer ctx)
{
	struct channel_snmp *channel = ctx;
	netsnmp_large_fd_set set;

	(void)condition;
	netsnmp_large_fd_set_init(&set, fd + 1);
	netsnmp_large_fd_setfd(fd, &set);
	(void)snmp_sess_read2(channel->session, &set);
	netsnmp_large_fd_set_cleanup(&set);
	return G_SOURCE_CONTINUE;
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_snmp(void *ctx)
{
	struct channel_snmp *channel = ctx;

	if (channel->source != NULL) {
		g_source_destroy(channel->source);
		g_source_unref(channel->source);
	}
	if (channel->session != NULL)
		(void)snmp_sess_close(channel->session);
	snmp_library_stop();
	segments_free(channel->segments);
	snmp_receipts_free(channel->receipts);
	free(channel);
}

static int listen_at(
	struct channel_snmp *channel, const char *text, char *error, size_t error_bytes)
{
	netsnmp_session session;
	netsnmp_transport *transport;
	char where[CONTROL_TEXT_BYTES + 8];

	// [address]:port is version 6 of IP.
	(void)snprintf(where, sizeof(where), "%s:%s", text[0] == '[' ? "udp6" : "udp", text);
	transport =
		strrchr(text, ':') != NULL ? netsnmp_transport_open_server("cordon", where) : NULL;
	if (transport == NULL) {
		(void)snprintf(error, error_bytes,
			"alerts.snmp.listen: \"%s\" is not address:port, or is taken", text);
		return -EADDRNOTAVAIL;
	}
	snmp_sess_init(&session);
	session.peername = SNMP_DEFAULT_PEERNAME;
	session.version = SNMP_DEFAULT_VERSION;
	session.community_len = SNMP_DEFAULT_COMMUNITY_LEN;
	session.callback = came;
	session.callback_magic = channel;
	session.isAuthoritative = SNMP_SESS_UNKNOWNAUTH;
	channel->fd = transport->sock;
	channel->session = snmp_sess_add(&session, transport, NULL, NULL);
	if (channel->session == NULL) {
		(void)snprintf(
			error, error_bytes, "alerts.snmp: %s", snmp_api_errstring(snmp_errno));
		return -EIO;
	}
	channel->source = g_unix_fd_source_new(channel->fd, G_IO_IN);
	g_source_set_callback(channel->source, G_SOURCE_FUNC(readable), channel, NULL);
	(void)g_source_attach(channel->source, urgent_context());
	return 0;
}

static int open_snmp(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	const struct snmp_settings settings = {.section = "alerts.snmp",
		.state = options->state,
		.name = options->gateway,
		.users = options->alerts.snmp.users,
		.community = options->alerts.snmp.community};
	struct channel_snmp *channel;
	int err;

	if (options->alerts.snmp.listen[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	channel->seed = g_random_int() | 1;
	err = snmp_library_start(&settings, channel->community, error, error_bytes);
	if (err == 0)
		err = segments_new(&channel->segments);
	if (err == 0)
		err = snmp_receipts_new(&channel->receipts);
	if (err == 0)
		err = listen_at(channel, options->alerts.snmp.listen, error, error_bytes);
	if (err != 0) {
		close_snmp(channel);
		return err;
	}
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_snmp *channel = ctx;
	json_int_t refused = 0;

	for (int i = STAT_USM_STATS_START; i <= STAT_USM_STATS_END; i++)
		refused += snmp_get_statistic(i);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "received",
		(json_int_t)channel->received, "answered", (json_int_t)channel->answered, "dropped",
		(json_int_t)channel->dropped, "asked", (json_int_t)channel->asked, "refused",
		refused, "boots", (json_int_t)snmpv3_local_snmpEngineBoots(), "unfinished",
		(int)segments_count(channel->segments));
}

const struct channel_kind channel_snmp = {"snmp", open_snmp, close_snmp, get_status};
