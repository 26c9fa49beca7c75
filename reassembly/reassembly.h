// SPDX-License-Identifier: BSD-3-Clause
// TCP tracking, stream reassembly, the engine's own sending, and the SMTP dialogue. The manual of
// reassembly/.
//
//   tcp      is this segment one that the receiver would take? (states, windows, checks)
//   stream   one direction's bytes in order, first bytes win; what may go on, what must wait
//   seqmap   numbers of one side to those of the other, once bytes were withheld or put in
//   sender   bytes that the engine itself sends in one side's name, until they are acknowledged
//   smtp     both sides' bytes to dialogue events
//
// Libraries: no log, no clock (now_ns is a parameter), no thread, no packet buffer. All is a pure
// function of its input, so that all of it is tested without a network.
#pragma once

#include "reassembly/sender.h"
#include "reassembly/seqmap.h"
#include "reassembly/smtp.h"
#include "reassembly/stream.h"
#include "reassembly/tcp.h"
