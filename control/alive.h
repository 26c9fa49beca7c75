// SPDX-License-Identifier: BSD-3-Clause
// Peers that are gone without a word (a host without power, an address translator that has forgotten the connection) are
// noticed by the kernel after half a minute, where it would take two hours, or a quarter of one for what is written and
// not acknowledged; and what is quiet is kept in the memory of those on the way.
//
// Source: tcp(7), TCP_KEEPIDLE and TCP_USER_TIMEOUT.
#pragma once

// Bytes a second: what passes at this speed or faster is waited for, however long it is.
#define ALIVE_SLOWEST 65536

// fd: a TCP socket, of which nothing is heard but that it breaks off. Of any other kind nothing changes.
void alive_watch(int fd);
