/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Every limit that both sides of the socket must agree on, and the shipped value of every
 * limit that the daemon puts on a uid.  PROTOCOL.md and evloopd(8) quote them; a check compares.
 */

/* The protocol. */
#define PROTOCOL_VERSION 1 /* newest that this code speaks */
#define PROTOCOL_FLOOR 1 /* oldest that this code speaks */

#define PACKET_SIZE_MAX 65536 /* bytes a receiver accepts in one packet */
#define PACKET_SIZE_PACK                                                                                               \
	16384 /* bytes a sender gathers into one packet: four packets of 64 KiB fill a default socket buffer and turn it into stop-and-wait */
#define PACKET_FDS_MAX 16 /* descriptors in one packet */

/* Bytes that unpacking one frame may take: protobuf-c turns hostile input into up to 92 times its size, as far as
 * MESSAGE_VALUES_MAX lets it. */
#define MESSAGE_ARENA_MAX (3 * 1024 * 1024)
#define ACK_HANDLES_MAX 1024 /* in one Ack */
#define MESSAGE_VALUES_MAX 2560 /* fields of one frame; a command of empty words has 2389 of them */
#define MESSAGE_DEPTH_MAX 4 /* nesting of messages; the deepest one of evloop.proto has 3 */

#define NAME_LENGTH_MAX 128 /* bytes of a name */
#define CLIENT_NAME_LENGTH_MAX 64 /* bytes of a client's name in Hello */
#define COMMAND_SIZE_MAX 57344 /* bytes of argv, environment and directory together: fits one packet */
#define COMMAND_WORD_COST 24 /* bytes that each word counts beside its own, for what it takes of memory and time */
#define LIST_PAGE_MAX 500 /* entries in one page of a list */
#define SCAN_PAGE_MAX 2048 /* timers looked at for one page, whether they belong to it or not */
#define LOG_PAGE_MAX 32768 /* bytes of output in one page */
#define LIMITER_KEY_MAX 255 /* bytes of a key */
#define LIMITER_RULES_MAX 8 /* of one limiter */
#define LIMITER_ITEMS_MAX 16 /* of one LimiterMulti */
#define LIMITER_KEYS_MAX 1000000 /* of one limiter */
#define LIMITER_KEYS_DEFAULT 10000
#define LIMITER_WAITERS_DEFAULT 10000
#define TOPIC_DATA_MAX 4096 /* bytes of one message of a topic */
#define SUBSCRIPTION_QUEUE_MAX 1024 /* messages kept for one subscription */
#define PATH_EXCLUDES_MAX 64 /* patterns of one path watch */
#define PATH_EXCLUDE_LENGTH_MAX 255 /* bytes of one of them */
#define PATH_CHANGES_MAX 256 /* paths in one event; more of them are a rescan */
#define PATH_CHANGES_SIZE_MAX 16384 /* bytes of them */
#define ID_MAX (UINT64_C(1) << 53) /* ids stay exact in a double, for JSON */

/* Times: far enough from INT64_MAX that a clock plus a delay cannot wrap. */
#define TIME_NS_MAX (INT64_MAX / 2) /* about 146 years */

/* The daemon. */
#define REPLIES_UNSENT_MAX 65536 /* bytes of unsent replies at which the daemon stops reading a session */
#define PACKETS_PER_TURN 4 /* packets sent to one session in a turn of the loop */
#define ATTACHMENTS_MAX 1024 /* to one timer: its fire is told to all of them at once */
#define TIMERS_PER_TURN 128 /* timers of one uid dispatched in a turn */
#define SESSION_BUFFER_MAX 212992 /* bytes of one session's socket buffer: the kernel's default */
#define HELLO_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define SESSIONS_KEPT_MAX 1024 /* whose sockets outlive the death of the daemon */
#define SESSION_KEPT_AGE_NS NSEC_PER_SEC
#define PERMITS_KEPT_MAX 256 /* of processes, whose pidfds outlive the daemon */
#define LIMITERS_SETTLE_NS                                                                                             \
	(10 * NSEC_PER_SEC) /* after the death of a daemon: limiters that come new may have been there */
#define PERMITS_SETTLE_NS (2 * NSEC_PER_SEC) /* after it: permits are only given back to who held them */
#define JOB_KILL_DELAY_NS (10 * NSEC_PER_SEC) /* from TERM to KILL */
#define JOB_OUTPUT_KEPT 65536 /* bytes of output kept per timer with a command */
#define JOB_OUTPUT_KEPT_UID (64 * 1024 * 1024) /* bytes kept per uid, commands included; beyond it a timer keeps 4096 */
#define JOB_ACTIVE_MAX 16 /* runs of one timer at the same time */
#define FINISHED_KEPT_MAX 1000 /* finished timers kept per uid */
#define FINISHED_KEPT_NS (24 * 3600 * NSEC_PER_SEC)

/* Per uid, changed by evloopd.conf(5) and `evloopd --limit NAME=VALUE`. */
#define LIMIT_SESSIONS 256
#define LIMIT_SESSIONS_USER 2048 /* a user's own instance serves one uid */
#define LIMIT_TIMERS 100000
#define LIMIT_TIMERS_USER 800000
#define LIMIT_COMMAND_BYTES (16 * 1024 * 1024)
#define LIMIT_COMMAND_BYTES_USER (128 * 1024 * 1024)
#define LIMIT_JOBS 64 /* runs at the same time; more of them wait */
#define LIMIT_JOBS_USER 512
#define LIMIT_LIMITERS 1000
#define LIMIT_LIMITERS_USER 10000
#define LIMIT_KEYS 200000 /* LimiterSpec.max_keys of all keyed limiters */
#define LIMIT_KEYS_USER 4000000
#define LIMIT_CLAIMS 10000
#define LIMIT_CLAIMS_USER 100000
#define LIMIT_DESCRIPTORS 1000 /* that are watched, pidfds included, or wait to be closed */
#define LIMIT_DESCRIPTORS_USER 20000
#define LIMIT_PATHS 100 /* watched paths; the system's instance watches none of other uids */
#define LIMIT_PATHS_USER 1000
#define LIMIT_SUBSCRIPTIONS 1000
#define LIMIT_SUBSCRIPTIONS_USER 10000
#define LIMIT_MESSAGE_BYTES (4 * 1024 * 1024) /* of messages not yet taken */
#define LIMIT_MESSAGE_BYTES_USER (64 * 1024 * 1024)
#define LIMIT_BYTES (64 * 1024 * 1024) /* of socket buffers, and of answers that have not been read */
#define LIMIT_BYTES_USER (512 * 1024 * 1024)

/* Of all uids together, in an instance that serves many; see is_fair_share(). */
#define POOL_SESSIONS 4096
#define POOL_TIMERS 1000000
#define POOL_LIMITERS 50000
#define POOL_KEYS 4000000
#define POOL_CLAIMS 200000
#define POOL_DESCRIPTORS 32000 /* the system's unit has 65536 */
#define POOL_SUBSCRIPTIONS 100000
#define POOL_MESSAGE_BYTES (64 * 1024 * 1024)
#define POOL_BYTES (512 * 1024 * 1024)
