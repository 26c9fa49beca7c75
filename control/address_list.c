// SPDX-License-Identifier: BSD-3-Clause
#include "control/address_list.h"

#include <gio/gio.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES 4096 // that are remembered
#define ADDRESS_TEXT 48
#define NETWORK_BYTES 8 // of an address of version 6
#define NS_PER_MINUTE (60 * INT64_C(1000000000))

int address_split(const char *text, char *address, int *port)
{
	GSocketConnectable *named = g_network_address_parse(text, 0, NULL);

	if (named == NULL)
		return -EINVAL;
	(void)snprintf(address, ADDRESS_BYTES, "%s",
		g_network_address_get_hostname(G_NETWORK_ADDRESS(named)));
	*port = g_network_address_get_port(G_NETWORK_ADDRESS(named));
	g_object_unref(named);
	return *port != 0 ? 0 : -EINVAL;
}

const char *address_unmapped(const char *address)
{
	static const char before[] = "::ffff:";

	return strncmp(address, before, sizeof(before) - 1) == 0 ? address + sizeof(before) - 1
								 : address;
}

void address_place(const char *address, char out[ADDRESS_BYTES])
{
	const char *plain = address_unmapped(address);
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr network;

	if (inet_pton(AF_INET6, plain, &network) == 1) {
		memset(network.s6_addr + NETWORK_BYTES, 0, sizeof(network.s6_addr) - NETWORK_BYTES);
		if (inet_ntop(AF_INET6, &network, text, sizeof(text)) != NULL)
			plain = text;
	}
	(void)snprintf(out, ADDRESS_BYTES, "%.*s", ADDRESS_BYTES - 1, plain);
}

struct address_list {
	GPtrArray *masks;
};

int address_list_new(const char (*texts)[256], size_t count, struct address_list **out, char *error,
	size_t error_bytes)
{
	struct address_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	list->masks = g_ptr_array_new_with_free_func(g_object_unref);
	for (size_t i = 0; i < count; i++) {
		GInetAddressMask *mask = g_inet_address_mask_new_from_string(texts[i], NULL);

		if (mask == NULL) {
			(void)snprintf(error, error_bytes, "\"%s\" is not a network", texts[i]);
			address_list_free(list);
			return -EINVAL;
		}
		g_ptr_array_add(list->masks, mask);
	}
	*out = list;
	return 0;
}

void address_list_free(struct address_list *list)
{
	if (list == NULL)
		return;
	g_ptr_array_unref(list->masks);
	free(list);
}

bool address_list_has(const struct address_list *list, const char *address)
{
	const char *text = address_unmapped(address);
	GInetAddress *parsed;
	bool found = false;

	if (list->masks->len == 0)
		return true;
	parsed = g_inet_address_new_from_string(text);
	for (guint i = 0; parsed != NULL && i < list->masks->len && !found; i++)
		found = g_inet_address_mask_matches(g_ptr_array_index(list->masks, i), parsed);
	g_clear_object(&parsed);
	return found;
}

// ---- rates --------------------------------------------------------------------------------------

struct bucket {
	char address[ADDRESS_TEXT];
	double left;
	int64_t at_ns;
};

struct address_rate {
	double per_minute;
	GHashTable *index; // address: its bucket
	struct bucket buckets[ADDRESSES];
	size_t used;
};

int address_rate_new(unsigned int per_minute, struct address_rate **out)
{
	struct address_rate *rate = calloc(1, sizeof(*rate));

	if (rate == NULL)
		return -ENOMEM;
	rate->per_minute = per_minute;
	rate->index = g_hash_table_new(g_str_hash, g_str_equal);
	*out = rate;
	return 0;
}

void address_rate_free(struct address_rate *rate)
{
	if (rate == NULL)
		return;
	g_hash_table_unref(rate->index);
	free(rate);
}

static struct bucket *oldest_bucket(struct address_rate *rate)
{
	struct bucket *found = &rate->buckets[0];

	for (size_t i = 1; i < ADDRESSES; i++) {
		if (rate->buckets[i].at_ns < found->at_ns)
			found = &rate->buckets[i];
	}
	(void)g_hash_table_remove(rate->index, found->address);
	return found;
}

static struct bucket *find_bucket(struct address_rate *rate, const char *address, int64_t now_ns)
{
	struct bucket *bucket = g_hash_table_lookup(rate->index, address);

	if (bucket != NULL)
		return bucket;
	bucket = rate->used < ADDRESSES ? &rate->buckets[rate->used++] : oldest_bucket(rate);
	(void)snprintf(bucket->address, sizeof(bucket->address), "%s", address);
	bucket->left = rate->per_minute;
	bucket->at_ns = now_ns;
	(void)g_hash_table_insert(rate->index, bucket->address, bucket);
	return bucket;
}

bool address_rate_take(struct address_rate *rate, const char *address, int64_t now_ns)
{
	struct bucket *bucket = find_bucket(rate, address, now_ns);

	if (now_ns > bucket->at_ns)
		bucket->left += (double)(now_ns - bucket->at_ns) * rate->per_minute / NS_PER_MINUTE;
	bucket->left = MIN(bucket->left, rate->per_minute);
	bucket->at_ns = now_ns;
	if (bucket->left < 1)
		return false;
	bucket->left -= 1;
	return true;
}
