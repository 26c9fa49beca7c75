// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_table.h"

#include "dataplane/options.h"

#define MEMBER(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define ENTRIES(type, member, count)                                                               \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]),                  \
	.count_offset = offsetof(type, count),                                                     \
	.room = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0])
#define TEXT(type, member)                                                                         \
	.kind = OPTION_TEXT, MEMBER(type, member), .max = sizeof(((type *)0)->member) - 1
#define UINT(type, member, low, high)                                                              \
	.kind = OPTION_UINT, MEMBER(type, member), .min = (low), .max = (high)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

static const struct option_choice bools[] = {
	{"false", 0}, {"true", 1}, {"no", 0}, {"yes", 1}, {"off", 0}, {"on", 1}, {NULL, 0}};
static const struct option_choice actions[] = {
#define X(name, text) {text, POLICY_##name},
	POLICY_ACTIONS(X)
#undef X
		{NULL, 0}};
static const struct option_choice newlines[] = {{"refuse", NEWLINE_REFUSE},
	{"normalise", NEWLINE_NORMALISE}, {"pass", NEWLINE_PASS}, {NULL, 0}};
static const struct option_choice false_ends[] = {
	{"refuse", NEWLINE_REFUSE}, {"normalise", NEWLINE_NORMALISE}, {NULL, 0}};
static const struct option_choice midstreams[] = {
	{"reset", MIDSTREAM_RESET}, {"drop", MIDSTREAM_DROP}, {"pass", MIDSTREAM_PASS}, {NULL, 0}};
static const struct option_choice wraps[] = {
	{"pass", WRAPPED_PASS}, {"drop", WRAPPED_DROP}, {NULL, 0}};
static const struct option_choice starttls[] = {{"mask", SMTP_STARTTLS_MASK},
	{"refuse", SMTP_STARTTLS_REFUSE}, {"pass", SMTP_STARTTLS_PASS}, {NULL, 0}};
static const struct option_choice verbs[] = {{"mask", 0}, {"pass", 1}, {NULL, 0}};
static const struct option_choice digests[] = {
	{"md5", DIGEST_MD5}, {"sha1", DIGEST_SHA1}, {"sha256", DIGEST_SHA256}, {NULL, 0}};
static const struct option_choice spreads[] = {
	{"addresses", SPREAD_ADDRESSES}, {"flows", SPREAD_FLOWS}, {NULL, 0}};

#define CHOICE(type, member, list) .kind = OPTION_CHOICE, MEMBER(type, member), .choices = (list)
#define BOOL(type, member) .kind = OPTION_BOOL, MEMBER(type, member), .choices = bools

static const struct config_option policy_table[] = {
	{.key = "infected",
		CHOICE(struct engine_policy, infected, actions),
		.help = "Mail in which a signature hit. `quarantine` keeps it (250, or 451 where "
			"that fails); `hold` keeps it for the control process, which does what "
			"its `release.infected` says: strip and disinfect among others. Mail that "
			"is not clean for several reasons goes by the gravest that does not "
			"`deliver`: `infected`, `screening`, `suspect`, `unscannable`, "
			"`encrypted_mail`."},
	{.key = "suspect",
		CHOICE(struct engine_policy, suspect, actions),
		.help = "Mail that trips a heuristic or a content limit. Without a spool "
			"`quarantine` is `reject`."},
	{.key = "encrypted_mail",
		CHOICE(struct engine_policy, encrypted_mail, actions),
		.help = "Mail that only its reader can decrypt (S/MIME, PGP), and that is suspect "
			"for nothing else. What cannot be read is kept, as encrypted archives are, "
			"until you say that such mail is expected: `deliver`. Without a spool "
			"`quarantine` is `reject`."},
	{.key = "screening",
		CHOICE(struct engine_policy, screening, actions),
		.help = "Mail in which a checksum of the screening list hit and no signature, "
			"where the entry names no action itself. Without a spool `quarantine` is "
			"`reject`."},
	{.key = "unscannable",
		CHOICE(struct engine_policy, unscannable, actions),
		.help = "Mail that cannot be judged: memory or a limit ran out. `deliver` is "
			"fail-open."},
	{.key = "starttls",
		CHOICE(struct engine_policy, smtp.starttls, starttls),
		.help = "`mask` hides the keyword and the command, `refuse` the command only, "
			"`pass` lets TLS through unscanned (counted, and reported as not "
			"inspected)."},
	{.key = "false_end",
		CHOICE(struct engine_policy, false_end, false_ends),
		.help = "A look-alike of the end of data, such as LF . LF (SMTP smuggling)."},
	{.key = "bare_newline",
		CHOICE(struct engine_policy, bare_newline, newlines),
		.help = "A bare CR, LF or NUL elsewhere in a body. `normalise` refuses, too: with "
			"blanks in their place it were another message than was scanned."},
	{.key = "midstream",
		CHOICE(struct engine_policy, midstream, midstreams),
		.help = "A connection whose beginning was not seen. `reset` makes the sender come "
			"back, `pass` forwards it uninspected."},
	{.key = "unknown_verbs",
		CHOICE(struct engine_policy, smtp.pass_unknown_verbs, verbs),
		.help = "Commands that are not SMTP as known, or that carry data in unknown "
			"ways. "
			"`mask` overwrites the verb so that the server refuses it."},
	{.key = "max_line_bytes",
		UINT(struct engine_policy, smtp.max_line_bytes, 0, 1u << 30),
		.unit = "bytes",
		.help = "Longest line in a DATA body; 0 sets no limit."},
	{.key = "hide_chunking",
		BOOL(struct engine_policy, smtp.hide_chunking),
		.help = "Hide CHUNKING and BINARYMIME in the server's EHLO reply."},
	END,
};

static const struct config_option port_table[] = {
	{.key = "interface",
		TEXT(struct options_port, interface),
		.help = "A kernel interface, taken over through net_af_packet with rings that "
			"suit the MTU. Needs no NIC driver and no hugepages."},
	{.key = "device",
		TEXT(struct options_port, device),
		.help = "A DPDK device: a PCI address (`0000:01:00.0`) or a virtual device with "
			"its arguments (`net_af_xdp0,iface=eth1`, `net_pcap0,iface=eth1`, "
			"`net_tap0,iface=tap1`, `net_memif0,role=client,socket=/run/memif.sock`)."},
	END,
};

static const struct config_option link_table[] = {
	{.key = "name",
		TEXT(struct options_link, name),
		.required = true,
		.help = "How events and counters call it."},
	{.key = "outside",
		.kind = OPTION_SECTION,
		.required = true,
		MEMBER(struct options_link, side[LINK_OUTSIDE]),
		.children = port_table,
		.help = "The port towards the network. Exactly one of its keys is given."},
	{.key = "inside",
		.kind = OPTION_SECTION,
		.required = true,
		MEMBER(struct options_link, side[LINK_INSIDE]),
		.children = port_table,
		.help = "The port towards the protected servers."},
	{.key = "mtu",
		UINT(struct options_link, mtu, 576, 9600),
		.unit = "bytes",
		.preset = "1500",
		.help = "Largest IP packet, set on both ports. A frame may be 22 bytes longer "
			"(Ethernet and two tags)."},
	END,
};

static const struct config_option eal_table[] = {
	{.key = "hugepages",
		BOOL(struct options_eal, hugepages),
		.preset = "true",
		.help = "Off: ordinary memory and no PCI devices, for machines without."},
	{.key = "memory_mb",
		UINT(struct options_eal, memory_mb, 0, 1u << 20),
		.preset = "0",
		.unit = "MiB",
		.help = "Of DPDK; 0 takes what the packet buffers need."},
	{.key = "mbufs",
		UINT(struct options_eal, mbufs, 0, 1u << 24),
		.preset = "0",
		.help = "Packet buffers; 0 reckons them from ports and workers."},
	{.key = "lcores",
		TEXT(struct options_eal, lcores),
		.help = "As of EAL's `--lcores`; the first is the main thread's, the next ones "
			"the workers'. Empty: workers are pinned from the last processor down, "
			"the "
			"main thread floats."},
	{.key = "drivers",
		.kind = OPTION_TEXTS,
		ENTRIES(struct options_eal, drivers, drivers_count),
		.max = OPTIONS_WORD_BYTES - 1,
		.help = "Driver libraries to load (`net_ixgbe`), so that starting is quick. "
			"Those "
			"of virtual devices are found by name; with a PCI device and an empty "
			"list all are loaded."},
	{.key = "arguments",
		.kind = OPTION_TEXTS,
		ENTRIES(struct options_eal, arguments, arguments_count),
		.max = OPTIONS_WORD_BYTES - 1,
		.help = "More arguments for EAL, as they are."},
	END,
};

static const struct config_option idle_table[] = {
	{.key = "sleep_us",
		UINT(struct options_idle, sleep_us, 0, 100000),
		.unit = "microseconds",
		.preset = "0",
		.help = "Length of a worker's first nap when nothing comes in; 0 never sleeps and "
			"takes a whole processor."},
	{.key = "max_sleep_us",
		UINT(struct options_idle, max_sleep_us, 0, 100000),
		.unit = "microseconds",
		.preset = "1000",
		.help = "Naps grow to this with the silence: they last a sixteenth of it. An idle "
			"worker then costs about two per cent of a processor."},
	{.key = "after_polls",
		UINT(struct options_idle, after_polls, 1, 1u << 30),
		.preset = "64",
		.help = "Empty polls in a row before the first nap."},
	END,
};

static const struct config_option smtp_table[] = {
	{.key = "ports",
		.kind = OPTION_UINTS,
		ENTRIES(struct engine_options, smtp_ports, smtp_ports_count),
		.min = 1,
		.max = 65535,
		.help = "TCP ports of SMTP servers. Everything else is forwarded untouched."},
	{.key = "wrapped",
		CHOICE(struct engine_options, wrapped, wraps),
		.help = "Packets with others in them (MACsec, pseudo-wires; GRE, IP in IP, ESP, "
			"VXLAN, Geneve and the like), which are not inspected: `pass` forwards and "
			"counts them, and `cordonctl status` and `doctor` warn."},
	{.key = "inbound",
		.kind = OPTION_SECTION,
		MEMBER(struct engine_options, policy[DIRECTION_INBOUND]),
		.children = policy_table,
		.help = "Policy of connections whose client is outside."},
	{.key = "outbound",
		.kind = OPTION_SECTION,
		MEMBER(struct engine_options, policy[DIRECTION_OUTBOUND]),
		.children = policy_table,
		.help = "Policy of connections whose client is inside; the same keys."},
	END,
};

static const struct config_option alerts_table[] = {
	{.key = "recipient",
		TEXT(struct engine_options, alerts.recipient),
		.help = "Mail for this address (a pattern with * and ?) is kept for the control "
			"process, which looks for signed alerts in it. The server must take the "
			"address too; under a seal of the mode `tempfail` it is put off like all "
			"mail. Empty: none is. Needs `spool.directory`."},
	{.key = "parts",
		BOOL(struct engine_options, alerts.parts),
		.help = "So is clean mail with a part of the type "
			"`application/vnd.cordon.alert+json`, whoever it is for."},
	END,
};

static const struct config_option limits_table[] = {
	{.key = "max_connections",
		UINT(struct engine_options, max_connections, 16, 1u << 24),
		.unit = "connections",
		.help = "SMTP connections at once, for each worker."},
	{.key = "max_half_open",
		UINT(struct engine_options, max_half_open, 1, 1u << 24),
		.unit = "connections",
		.help = "Of these, not established yet: what a SYN flood can take. The oldest "
			"makes room."},
	{.key = "max_per_source",
		UINT(struct engine_options, max_per_source, 0, (1u << 24) - 1),
		.unit = "connections",
		.help = "Established ones of one client outside (of IPv6: of one /64), for each "
			"worker; 0: any number. One more is not let in: its SYN is dropped, and "
			"its "
			"sender asks again. With `spread: addresses` a client and a server are one "
			"worker's."},
	{.key = "max_diverted",
		UINT(struct engine_options, max_diverted, 1, 1u << 24),
		.unit = "connections",
		.help = "Of `max_connections`, that had a message taken in for a seal, at once: "
			"each takes 2.3 KB. One more is reset, and its sender comes back."},
	{.key = "max_pages",
		UINT(struct engine_options, max_pages, 16, 1u << 24),
		.unit = "pages",
		.help = "Memory for bytes that wait or may have to be sent again, all "
			"connections "
			"of a worker together."},
	{.key = "max_stream_bytes",
		UINT(struct engine_options, max_stream_bytes, 65536, 1u << 30),
		.unit = "bytes",
		.help = "Of one direction of a connection: sent and not acknowledged yet, or out "
			"of order."},
	{.key = "max_fragments",
		UINT(struct engine_options, max_fragments, 1, 1u << 20),
		.unit = "datagrams",
		.help = "IP datagrams being put together at once."},
	{.key = "max_held",
		UINT(struct engine_options, max_held, 0, 1u << 24),
		.unit = "messages",
		.help = "Of one connection that a seal takes in, before its client is told 421 at "
			"the "
			"end of a message, and comes back on another one; 0: any number. The "
			"server "
			"hears RSET for each, and may have enough of that: Postfix says 421 itself "
			"some mails after `smtpd_junk_command_limit` (100), at whatever comes "
			"then, "
			"and pauses before. Below that limit this spares it."},
	{.key = "idle_seconds",
		UINT(struct engine_options, idle_seconds, 1, 604800),
		.unit = "seconds",
		.help = "After which a silent connection is forgotten, and one is reset whose "
			"client takes nothing of what the gateway has to say to it."},
	{.key = "half_open_seconds",
		UINT(struct engine_options, half_open_seconds, 1, 3600),
		.unit = "seconds",
		.help = "The same for one that is not established yet."},
	{.key = "max_messages",
		UINT(struct engine_options, scan.max_messages, 1, 1u << 20),
		.unit = "messages",
		.help = "Messages being scanned at once, for each worker; one more is "
			"unscannable."},
	{.key = "max_depth",
		UINT(struct engine_options, scan.max_depth, 1, 256),
		.unit = "levels",
		.help = "Nesting of multiparts and encapsulated messages."},
	{.key = "max_parts",
		UINT(struct engine_options, scan.max_parts, 1, 100000),
		.unit = "parts",
		.help = "Leaves of one message."},
	{.key = "max_header_bytes",
		UINT(struct engine_options, scan.max_header_bytes, 998, 1u << 24),
		.unit = "bytes",
		.help = "One header field, unfolded."},
	{.key = "max_archive_depth",
		UINT(struct engine_options, scan.max_archive_depth, 0, 64),
		.unit = "levels",
		.help = "Archives inside archives; 0: none is unpacked."},
	{.key = "max_members",
		UINT(struct engine_options, scan.max_members, 1, 100000),
		.unit = "members",
		.help = "Of archives, counted together with the message's parts."},
	{.key = "max_unpacked_bytes",
		UINT(struct engine_options, scan.max_unpacked_bytes, 1u << 20, 1ll << 40),
		.unit = "bytes",
		.help = "That come out of all archives of one message."},
	{.key = "max_ratio",
		UINT(struct engine_options, scan.max_ratio, 2, 100000),
		.help = "Bytes that one packed byte may give, beyond the first MiB; more is "
			"taken for a bomb."},
	{.key = "max_captured_bytes",
		UINT(struct engine_options, scan.max_captured_bytes, 0, 1ll << 30),
		.unit = "bytes",
		.help = "Of one message, kept in memory for archives that can be unpacked only "
			"when they are whole."},
	{.key = "max_all_captured_bytes",
		UINT(struct engine_options, scan.max_all_captured_bytes, 0, 1ll << 40),
		.unit = "bytes",
		.help = "Of all messages in progress, for each worker; a message that finds no "
			"more is unscannable."},
	{.key = "capture",
		BOOL(struct engine_options, capture),
		.help = "Keep a copy of every message in progress in the spool's memory, so that "
			"a seal or a verdict that comes in its middle can still keep all of it. "
			"Off: such a message is put off with 451. What is sealed before its "
			"body, and what a policy quarantines, is kept in any case."},
	{.key = "room_seconds",
		UINT(struct engine_options, room_seconds, 1, 3600),
		.unit = "seconds",
		.help = "That a sender whose mail is taken in is made to wait while the disk of "
			"the spool is behind. Then its mail is put off with 451."},
	{.key = "max_deferred",
		UINT(struct engine_options, max_deferred, 1, 65535),
		.unit = "messages",
		.help = "Whose end is held while such archives are unpacked, for each worker; "
			"one more is unscannable."},
	{.key = "verdict_seconds",
		UINT(struct engine_options, verdict_seconds, 1, 300),
		.unit = "seconds",
		.help = "That this may take. Then a message is suspect, or unscannable when its "
			"turn had not come."},
	{.key = "helper_bytes",
		UINT(struct engine_options, helper_bytes, 1 << 20, 1ll << 40),
		.unit = "bytes",
		.help = "Memory that unpacking such archives may take, for each worker; one that "
			"asks for more is suspect."},
	{.key = "all_matches",
		BOOL(struct engine_options, scan.all_matches),
		.help = "Report every signature that hits, not only the first of an object."},
	{.key = "digests",
		.kind = OPTION_FLAGS,
		MEMBER(struct engine_options, scan.digests),
		.choices = digests,
		.help = "Computed and reported for every part, needed or not."},
	END,
};

static const struct config_option spool_table[] = {
	{.key = "directory",
		TEXT(struct options_spool, directory),
		.help = "Folder of the buffer and the quarantine; made when it is missing. Empty: "
			"nothing can be kept, and what should be is put off with 451."},
	{.key = "key",
		TEXT(struct options_spool, key),
		.preset = "/var/lib/cordon/spool.key",
		.help = "Key file, mode 0600; made when it is missing. Without it nothing in the "
			"buffer can be read."},
	{.key = "records",
		UINT(struct options_spool, records, 1, 1u << 20),
		.unit = "messages",
		.preset = "1024",
		.help = "Being taken in at once, for each worker."},
	{.key = "memory_bytes",
		UINT(struct options_spool, memory_bytes, 1 << 20, 1ll << 40),
		.unit = "bytes",
		.preset = "67108864",
		.help = "For messages that are being taken in, for each worker."},
	{.key = "spill_bytes",
		UINT(struct options_spool, spill_bytes, 1 << 16, 1ll << 30),
		.unit = "bytes",
		.preset = "262144",
		.help = "Of one message that stay in memory until it is complete; what is longer "
			"is written ahead."},
	{.key = "record_bytes",
		UINT(struct options_spool, record_bytes, 0, 1ll << 40),
		.unit = "bytes",
		.preset = "0",
		.help = "Of the longest message that is kept; 0: any."},
	{.key = "segment_bytes",
		UINT(struct options_spool, segment_bytes, 1 << 20, 1ll << 36),
		.unit = "bytes",
		.preset = "67108864",
		.help = "Of one file, which is made in advance, and filled with zeros when there "
			"is time."},
	{.key = "spares",
		UINT(struct options_spool, spares, 1, 64),
		.unit = "files",
		.preset = "2",
		.help = "Kept ready beside the one in use."},
	{.key = "quota_bytes",
		UINT(struct options_spool, quota_bytes, 0, 1ll << 50),
		.unit = "bytes",
		.preset = "0",
		.help = "Of what is stored in the dataplane's files; past it mail is put off with "
			"451. A full file counts until nothing in it is wanted any more, spares "
			"do not count: the disk needs room for them too. 0: none."},
	{.key = "slow_ms",
		UINT(struct options_spool, slow_ms, 1, 60000),
		.unit = "milliseconds",
		.preset = "500",
		.help = "A write to the spool that takes longer is told as a slow disk."},
	{.key = "deadline_seconds",
		UINT(struct options_spool, deadline_seconds, 1, 300),
		.unit = "seconds",
		.preset = "10",
		.help = "Within which a message is durable, or put off with 451. That answer waits "
			"until nothing of it can come back, as long again at most."},
	END,
};

static const struct config_option faults_table[] = {
	{.key = "seed",
		UINT(struct options_faults, seed, 0, INT64_MAX),
		.preset = "0",
		.help = "Of the random numbers; 0 switches all of this off."},
	{.key = "drop_per_million",
		UINT(struct options_faults, drop_per_million, 0, 1000000),
		.preset = "0",
		.help = "Frames lost."},
	{.key = "duplicate_per_million",
		UINT(struct options_faults, duplicate_per_million, 0, 1000000),
		.preset = "0",
		.help = "Frames that come twice."},
	{.key = "reorder_per_million",
		UINT(struct options_faults, reorder_per_million, 0, 1000000),
		.preset = "0",
		.help = "Frames that are overtaken: they come a millisecond late."},
	{.key = "delay_us",
		UINT(struct options_faults, delay_us, 0, 1000000),
		.unit = "microseconds",
		.preset = "0",
		.help = "By which every frame is late."},
	{.key = "jitter_us",
		UINT(struct options_faults, jitter_us, 0, 1000000),
		.unit = "microseconds",
		.preset = "0",
		.help = "Added to the delay, evenly between 0 and this."},
	END,
};

static const struct config_option top_table[] = {
	{.key = "gateway",
		TEXT(struct options, engine.name),
		.help = "Name of this gateway in events and replies."},
	{.key = "links",
		.kind = OPTION_LIST,
		ENTRIES(struct options, links, links_count),
		.children = link_table,
		.help = "Pairs of ports; what comes in on one leaves on the other."},
	{.key = "rules",
		TEXT(struct options, rules),
		.help = "Ruleset image, made by `cordonctl compile`."},
	{.key = "seals",
		TEXT(struct options, seals),
		.help = "File in which the control process keeps the open seals (its "
			"`seals.file`): "
			"they are in force before the first packet passes. Empty: none at start."},
	{.key = "events",
		TEXT(struct options, events),
		.preset = "-",
		.help = "File that JSON lines are appended to (opened again on SIGHUP); `-` is "
			"standard output."},
	{.key = "command",
		TEXT(struct options, command),
		.preset = "/run/cordon/dataplane.sock",
		.help = "Socket that `cordonctl stats` asks; empty: none."},
	{.key = "telemetry",
		BOOL(struct options, telemetry),
		.preset = "true",
		.help = "DPDK's telemetry socket, with `/cordon/stats`."},
	{.key = "workers",
		UINT(struct options, workers, 1, OPTIONS_MAX_WORKERS),
		.preset = "1",
		.unit = "threads",
		.help = "Threads that poll and scan. Where the ports cannot spread packets, the "
			"first worker hands them to the others."},
	{.key = "priority",
		UINT(struct options, priority, 0, 99),
		.preset = "0",
		.help = "Real-time priority (SCHED_RR) of the main thread, and of workers if they "
			"nap "
			"(`idle.sleep_us`): for a machine whose processors others use too, where a "
			"seal "
			"waits for its turn otherwise. Wants CAP_SYS_NICE. The kernel stops such "
			"threads for a part of each second in which they never nap "
			"(kernel.sched_rt_runtime_us): workers that are to be always busy have "
			"processors of their own and 0. 0: ordinary threads, the main one and "
			"those that nap before others by their nice value (-15) where they may, "
			"and in short turns where the kernel has them (Linux 6.12)."},
	{.key = "spread",
		CHOICE(struct options, spread, spreads),
		.preset = "addresses",
		.help = "What keeps packets on one worker. `addresses`: all connections of two "
			"hosts, so that fragments meet their connection; `flows`: each "
			"connection, and a fragmented connection is treated as midstream."},
	{.key = "eal",
		.kind = OPTION_SECTION,
		MEMBER(struct options, eal),
		.children = eal_table,
		.help = "DPDK's environment."},
	{.key = "idle",
		.kind = OPTION_SECTION,
		MEMBER(struct options, idle),
		.children = idle_table,
		.help = "What workers do when nothing comes in."},
	{.key = "smtp",
		.kind = OPTION_SECTION,
		MEMBER(struct options, engine),
		.children = smtp_table,
		.help = "What is scanned, and what is done then."},
	{.key = "limits",
		.kind = OPTION_SECTION,
		MEMBER(struct options, engine),
		.children = limits_table,
		.help = "Sizes that are fixed when a worker starts, and bounds of one message."},
	{.key = "alerts",
		.kind = OPTION_SECTION,
		MEMBER(struct options, engine),
		.children = alerts_table,
		.help = "Alerts of the vendor that pass as mail."},
	{.key = "spool",
		.kind = OPTION_SECTION,
		MEMBER(struct options, spool),
		.children = spool_table,
		.help = "The buffer for mail that is held under a seal, and the quarantine."},
	{.key = "test_faults",
		.kind = OPTION_SECTION,
		MEMBER(struct options, test_faults),
		.children = faults_table,
		.help = "For tests only: a seeded layer between receive and engine that loses, "
			"doubles and delays frames."},
	END,
};

const struct config_option *options_table(void)
{
	return top_table;
}

const struct config_option *options_policy_table(void)
{
	return policy_table;
}
