// SPDX-License-Identifier: BSD-3-Clause
// Mails whose attachment must be whole to be unpacked: texts compressed by xz, one with "found-virus" in
// it and one without.
#pragma once

#define PACKED_RULES "Test.Virus:0:*:666f756e642d7669727573\n"
#define PACKED_HEADER                                                                              \
	"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/x-xz\r\n"                    \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define PACKED_INFECTED                                                                            \
	PACKED_HEADER                                                                              \
	"/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4ABaABhdADCYqFATMciuUfxWDViby/82f7x6N1wAAAAmgNB+"         \
	"AAEwW6QLeQOQQpkNAQAAAAABWVo=\r\n"
#define PACKED_CLEAN                                                                               \
	PACKED_HEADER                                                                              \
	"/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4ABfAB9dADcbyu8g/WazOVu7F6m5VdbOFiT4Azxsgj+qe5vU"         \
	"AAAAADYWSb0AATdgR3Qz/ZBCmQ0BAAAAAAFZWg==\r\n"
