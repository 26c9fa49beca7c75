// SPDX-License-Identifier: BSD-3-Clause
// However a request's bytes are cut into records and segments, and however busy the loop is otherwise: it is answered
// by what has come, without waiting for a timer or for the loop to be idle.
#include "control/web_server.h"
#include "tests/support/unit.h"

#include <glib.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY "{\"an\": \"envelope\", \"of\": \"some bytes\"}"
#define TURNS 400 // far more than a request needs
#define CLIENTS 8
#define CROWD 40

struct rig {
	struct web_server *server;
	SSL_CTX *tls; // the client's; NULL: plain
	uint16_t port;
	unsigned int whole;  // requests that came with their whole body
	unsigned int broken; // others
	guint busy;          // a source that is always ready; 0: none
};

struct client {
	int fd;
	SSL *ssl; // NULL: plain
	BIO *in;
	BIO *out;
};

// ---- the server ---------------------------------------------------------------------------------

static void make_certificate(const char *certificate, const char *key)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *made = X509_new();
	X509_NAME *name = X509_get_subject_name(made);
	FILE *file;

	assert_non_null(pair);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(made), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(made), 3600);
	(void)X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"lab", -1, -1, 0);
	(void)X509_set_issuer_name(made, name);
	(void)X509_set_pubkey(made, pair);
	assert_true(X509_sign(made, pair, EVP_sha256()) > 0);
	file = fopen(certificate, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, made), 1);
	(void)fclose(file);
	file = fopen(key, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(file);
	X509_free(made);
	EVP_PKEY_free(pair);
}

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static uint16_t find_port(void)
{
	struct sockaddr_in address = address_of(0);
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static void answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	struct rig *rig = ctx;

	if (request->bytes == strlen(BODY) && memcmp(request->body, BODY, request->bytes) == 0)
		rig->whole++;
	else
		rig->broken++;
	reply->status = 200;
	reply->type = "text/plain";
	reply->body = strdup("taken\n");
}

static gboolean stay_busy(gpointer ctx)
{
	(void)ctx;
	return G_SOURCE_CONTINUE;
}

static void open_rig(struct rig *rig, bool is_tls)
{
	char folder[] = "/tmp/cordon-web-XXXXXX";
	char certificate[64] = "";
	char key[64] = "";
	char listen[32];
	char error[256] = "";
	struct web_server_options options = {
		.section = "test", .per_minute = 1000000, .body_bytes = 65536, .idle_seconds = 30};

	*rig = (struct rig){.port = find_port()};
	assert_non_null(mkdtemp(folder));
	if (is_tls) {
		(void)snprintf(certificate, sizeof(certificate), "%s/crt", folder);
		(void)snprintf(key, sizeof(key), "%s/key", folder);
		make_certificate(certificate, key);
		rig->tls = SSL_CTX_new(TLS_client_method());
	}
	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", rig->port);
	options.listen = listen;
	options.certificate = certificate;
	options.key = key;
	options.clients = "";
	assert_int_equal(
		web_server_open(&options, answer, rig, &rig->server, error, sizeof(error)), 0);
	if (is_tls) {
		(void)unlink(certificate);
		(void)unlink(key);
	}
	(void)rmdir(folder);
}

static void make_busy(struct rig *rig)
{
	rig->busy = g_idle_add_full(G_PRIORITY_DEFAULT, stay_busy, NULL, NULL);
}

static void close_rig(struct rig *rig)
{
	if (rig->busy != 0)
		(void)g_source_remove(rig->busy);
	web_server_close(rig->server);
	SSL_CTX_free(rig->tls);
	while (g_main_context_iteration(NULL, FALSE))
		continue;
}

// ---- the client ---------------------------------------------------------------------------------

static void open_client(const struct rig *rig, struct client *client)
{
	struct sockaddr_in address = address_of(rig->port);
	int one = 1;

	*client = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	if (rig->tls == NULL)
		return;
	client->ssl = SSL_new(rig->tls);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
}

static void close_client(struct client *client)
{
	SSL_free(client->ssl);
	(void)close(client->fd);
}

// All that waits, in one segment.
static void send_waiting(const struct client *client)
{
	char *data = NULL;
	long bytes = BIO_get_mem_data(client->out, &data);

	if (bytes > 0)
		assert_int_equal(write(client->fd, data, (size_t)bytes), bytes);
	(void)BIO_reset(client->out);
}

static void receive(const struct client *client)
{
	char data[4096];
	ssize_t n;

	while ((n = read(client->fd, data, sizeof(data))) > 0)
		(void)BIO_write(client->in, data, (int)n);
}

// Until the client is through; its last bytes wait.
static void shake_hands(const struct client *client)
{
	for (int i = 0; client->ssl != NULL && i < TURNS; i++) {
		if (SSL_do_handshake(client->ssl) == 1)
			return;
		send_waiting(client);
		(void)g_main_context_iteration(NULL, FALSE);
		receive(client);
	}
	assert_null(client->ssl);
}

// One record of TLS, which waits; plain, one segment.
static void put(const struct client *client, const char *text, size_t bytes)
{
	if (client->ssl == NULL)
		assert_int_equal(write(client->fd, text, bytes), bytes);
	else if (bytes > 0)
		assert_int_equal(SSL_write(client->ssl, text, (int)bytes), bytes);
}

static void flush(const struct client *client)
{
	if (client->ssl != NULL)
		send_waiting(client);
}

// Nothing that has come may be left when the loop has had its turns: only timers are still to come.
static void take_turns(void)
{
	for (int i = 0; i < TURNS; i++)
		(void)g_main_context_iteration(NULL, FALSE);
}

static size_t write_request(char *out, size_t room)
{
	return (size_t)snprintf(out, room,
		"POST /v1/alerts HTTP/1.1\r\nHost: lab\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(BODY), BODY);
}

// ---- tests --------------------------------------------------------------------------------------

struct kind {
	bool is_tls;
	bool is_busy;
};

static void for_each_kind(void (*test)(struct rig *rig))
{
	static const struct kind kinds[] = {
		{false, false}, {false, true}, {true, false}, {true, true}};
	struct rig rig;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_rig(&rig, kinds[i].is_tls);
		if (kinds[i].is_busy)
			make_busy(&rig);
		test(&rig);
		close_rig(&rig);
	}
}

static void send_in_two(struct rig *rig)
{
	char text[512];
	size_t bytes = write_request(text, sizeof(text));
	struct client client;
	unsigned int wanted = 0;

	open_client(rig, &client);
	shake_hands(&client);
	// 0: the whole in one piece.
	for (size_t cut = 0; cut < bytes; cut++) {
		if (cut > 0)
			put(&client, text, cut);
		put(&client, text + cut, bytes - cut);
		flush(&client);
		take_turns();
		assert_int_equal(rig->whole, ++wanted);
	}
	assert_int_equal(rig->broken, 0);
	close_client(&client);
}

static void a_request_in_one_or_two_pieces_is_answered_at_once(void **state)
{
	(void)state;
	for_each_kind(send_in_two);
}

// A record for each byte, and those in two segments.
static void send_bytes(struct rig *rig)
{
	char text[512];
	size_t bytes = write_request(text, sizeof(text));
	unsigned int wanted = 0;
	struct client client;

	open_client(rig, &client);
	shake_hands(&client);
	for (size_t cut = 0; cut < bytes; cut++) {
		for (size_t i = 0; i < bytes; i++) {
			if (i == cut)
				flush(&client);
			put(&client, text + i, 1);
		}
		flush(&client);
		take_turns();
		assert_int_equal(rig->whole, ++wanted);
	}
	close_client(&client);
}

static void a_request_in_many_records_of_a_byte_is_answered_at_once(void **state)
{
	(void)state;
	for_each_kind(send_bytes);
}

static void send_with_handshake(struct rig *rig)
{
	char text[512];
	size_t bytes = write_request(text, sizeof(text));
	struct client clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++) {
		open_client(rig, &clients[i]);
		// The client's last words of the handshake are in the same segment.
		shake_hands(&clients[i]);
		put(&clients[i], text, bytes);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		flush(&clients[i]);
	take_turns();
	assert_int_equal(rig->whole, CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++)
		close_client(&clients[i]);
}

static void requests_right_behind_the_handshake_are_answered_at_once(void **state)
{
	(void)state;
	for_each_kind(send_with_handshake);
}

// Who merely connects does not take what the process needs for itself.
static void a_crowd_leaves_descriptors(void **state)
{
	struct client clients[CROWD];
	struct rlimit before;
	struct rlimit few;
	struct rig rig;
	int left[CROWD / 4];

	(void)state;
	open_rig(&rig, false);
	for (size_t i = 0; i < CROWD; i++)
		open_client(&rig, &clients[i]);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)clients[CROWD - 1].fd + CROWD;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	take_turns();
	for (size_t i = 0; i < CROWD / 4; i++) {
		left[i] = fcntl(clients[0].fd, F_DUPFD_CLOEXEC, 0);
		assert_true(left[i] >= 0);
	}
	for (size_t i = 0; i < CROWD / 4; i++)
		(void)close(left[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < CROWD; i++)
		close_client(&clients[i]);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_in_one_or_two_pieces_is_answered_at_once),
		cmocka_unit_test(a_request_in_many_records_of_a_byte_is_answered_at_once),
		cmocka_unit_test(requests_right_behind_the_handshake_are_answered_at_once),
		cmocka_unit_test(a_crowd_leaves_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
