// SPDX-License-Identifier: BSD-3-Clause
#include "control/mqtt_tls.h"

#include <gio/gio.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>

#define SYSTEM_CA "/etc/ssl/certs"

static int no_passphrase(char *out, int room, int is_new, void *ctx)
{
	(void)out;
	(void)room;
	(void)is_new;
	(void)ctx;
	return 0;
}

// What OpenSSL found.
static int as_found(int is_right, X509_STORE_CTX *certificate)
{
	(void)certificate;
	return is_right;
}

// The library names to the server what it connects to, which is an address here, and refuses a certificate that is not of
// that. OpenSSL looks at both instead, for the name. Called before the server hears anything; without it the library
// would refuse.
static void name_server(const SSL *ssl, int where, int value)
{
	SSL *ours = mosquitto_ssl_get(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
	char *name;

	(void)value;
	if ((where & SSL_CB_HANDSHAKE_START) == 0 || ours != ssl)
		return;
	name = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ours), 0);
	if (name == NULL || SSL_set_tlsext_host_name(ours, name) != 1)
		return;
	SSL_set_verify(ours, SSL_VERIFY_PEER, as_found);
}

static int check_name(struct mosquitto *mosquitto, SSL_CTX *tls, const char *name)
{
	int rc;

	if (!X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(tls), name, 0) ||
		!SSL_CTX_set_app_data(tls, mosquitto))
		return MOSQ_ERR_NOMEM;
	SSL_CTX_set_info_callback(tls, name_server);
	rc = mosquitto_void_option(mosquitto, MOSQ_OPT_SSL_CTX, tls);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_int_option(mosquitto, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 1);
	return rc;
}

int mqtt_tls_set_up(struct mosquitto *mosquitto, const struct mqtt_settings *settings,
	const char *host, char *error, size_t error_bytes)
{
	const char *certificate = settings->certificate;
	const char *key = settings->key;
	const char *ca = settings->ca;
	SSL_CTX *tls;
	int rc = mosquitto_tls_set(mosquitto, ca[0] != '\0' ? ca : NULL,
		ca[0] != '\0' ? NULL : SYSTEM_CA, certificate[0] != '\0' ? certificate : NULL,
		key[0] != '\0' ? key : NULL, no_passphrase);

	if (rc != MOSQ_ERR_SUCCESS) {
		(void)snprintf(error, error_bytes,
			"%s: a file of `ca`, `certificate` or `key` cannot be read (%s)",
			settings->section, mosquitto_strerror(rc));
		return -EINVAL;
	}
	if (g_hostname_is_ip_address(host))
		return 0;
	tls = SSL_CTX_new(TLS_client_method());
	rc = tls != NULL ? check_name(mosquitto, tls, host) : MOSQ_ERR_NOMEM;
	SSL_CTX_free(tls); // the library has its own reference
	if (rc == MOSQ_ERR_SUCCESS)
		return 0;
	(void)snprintf(
		error, error_bytes, "%s: TLS: %s", settings->section, mosquitto_strerror(rc));
	return -EINVAL;
}
