// SPDX-License-Identifier: BSD-3-Clause
// CORDON-MIB's cordonReceiptTable: the latest receipts, by the digest of the alert that they answer. The
// answer to an inform has no room for a receipt of its own (RFC 3416 section 4.2.7): the vendor asks for it.
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <stdbool.h>

#define SNMP_RECEIPTS 256 // that are kept, the latest
#define SNMP_DIGEST_BYTES 32

struct snmp_receipts;

int snmp_receipts_new(struct snmp_receipts **out) __attribute__((warn_unused_result));
void snmp_receipts_free(struct snmp_receipts *receipts);
// What is no receipt is left out.
void snmp_receipts_put(struct snmp_receipts *receipts, const char *receipt);
// Answers GET or GETNEXT: the name and value of variable become those of the instance, or its type tells that
// there is none. Returns 0 or -ENOMEM.
int snmp_receipts_get(const struct snmp_receipts *receipts, netsnmp_variable_list *variable,
	bool is_next) __attribute__((warn_unused_result));
