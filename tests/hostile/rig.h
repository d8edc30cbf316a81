/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What every attack needs: a daemon of its own, a victim that is another session of it (of another uid where we are root),
 * raw peers without manners, and a look at the daemon from outside.
 */

#include <stdio.h>
#include <sys/types.h>

#include "proto/evloop.pb-c.h"
#include "proto/message.h"
#include "proto/packet.h"
#include "tests/e2e/daemon-fixture.h"

#define MS NSEC_PER_MSEC
#define VICTIM_UID 65534
#define VICTIM_NAME "victim"
#define ANSWER_TIMEOUT_MS 20000 /* whatever takes longer than that is a hang */

/* ---- the daemon ---- */

struct victim;
struct witness;

struct rig {
	struct daemon *fixture;
	pid_t daemon;
	const char *path; /* of the socket */
	struct victim *victim; /* NULL: none */
	pid_t victim_pid;
	uid_t victim_uid; /* 0: the attacker's own */
	struct rig *quiet; /* with a daemon that nobody attacks and the victim uses as well; NULL: none */
	const struct witness *witness; /* of when the machine itself stood still; NULL: nobody knows */
	unsigned failures;
};

/* Start a daemon with these options; ends the test where it does not start. */
void rig_start(struct rig *rig, const char *const *options);
/* It may open that many descriptors, and no more. */
void rig_limit_descriptors(const struct rig *rig, unsigned n);
/* End it, and complain where it does not end as it should. */
void rig_stop(struct rig *rig);

/* A failure of the attack that runs: printed at once, and the test goes on. */
void rig_complain(struct rig *rig, const char *format, ...) _printf_(2, 3);
#define CHECK(rig, condition)                                                                                          \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			rig_complain(rig, "%s:%d: %s", __func__, __LINE__, #condition);                                \
	} while (0)

/* The n-th processor that we may use; from the first again where there are fewer. */
int rig_processor(unsigned n);
/*
 * Where attackers run before whatever else the machine has to do: let that process run before them, by so many steps, and on that
 * processor alone; what it starts stays there, but behind them.  A scheduler that moves processes to where they may run at once
 * leaves them waiting for a millisecond now and then.
 */
void rig_run_before(pid_t pid, int steps, int processor);

bool rig_is_alive(const struct rig *rig);
/* But for those by which it has to do with its processes that close. */
unsigned rig_descriptors(const struct rig *rig);
long rig_memory_kib(const struct rig *rig); /* anonymous, resident; 0 with a sanitizer */
/* The most that has been resident, of any kind, since it was forgotten last; 0 with a sanitizer. */
long rig_peak_kib(const struct rig *rig);
void rig_forget_peak(const struct rig *rig);
int64_t rig_cpu_ns(const struct rig *rig);

/* ---- the machine ---- */

/* Let somebody look, where daemon and victim run, when their processors are taken away.  NULL: it would prove nothing, for we do not run before others. */
struct witness *witness_start(void);
/* NULL is fine.  Return: NULL. */
struct witness *witness_stop(struct witness *witness);
/* How much of that time, in the last minute, one of them was gone. */
int64_t witness_stolen_ns(const struct witness *witness, int64_t begin, int64_t end);

/* ---- the victim ---- */

/* A process that arms a timer, waits for it and pings, again and again, with a quiet daemon in turn where there is one.  `uid` 0: our own. */
void victim_start(struct rig *rig, uid_t uid);
/* Complains where something went wrong with it. */
void victim_stop(struct rig *rig);

/* How many rounds it has finished. */
size_t victim_rounds(const struct rig *rig);
/*
 * The 99th percentile of how late its timers and how long its pings were, as it saw them, from that round on, and the worst of them (NULL: never
 * mind); at least one is waited for.  Rounds of which the machine stood still for the better part say nothing and are left out.
 */
int64_t victim_delay(struct rig *rig, size_t since, int64_t *ret_worst_ns);
/* The same percentile of the same rounds, with the quiet daemon: the machine's doing, and not the attacker's.  0: there is none. */
int64_t victim_quiet_delay(const struct rig *rig, size_t since);
/* How many of these rounds were left out, of a hundred. */
unsigned victim_stolen_percent(const struct rig *rig, size_t since);

/* ---- peers ---- */

struct peer {
	struct rig *rig;
	int fd;
	uint64_t serial; /* of the last frame put */
	uint64_t sequence; /* of the last event received */
	struct packet in, out;
	struct arena arena;
	bool ended; /* the session is over */
	Evloop__Status last_word; /* OK: none has come */
	Evloop__Status error; /* of the last peer_call(); OK: it was not refused */
};

/* Connect, without hello; peer_open() says it and takes the reply.  Return: NULL: the daemon did not want us. */
struct peer *peer_connect(struct rig *rig);
struct peer *peer_open(struct rig *rig);
struct peer *peer_open_as(struct rig *rig, const char *name);
/* Disconnect.  NULL is fine.  Return: NULL. */
struct peer *peer_close(struct peer *peer);

/* Append a frame to the packet; a full one is sent first. */
void peer_put(struct peer *peer, enum frame_kind kind, unsigned method, const void *message);
/* Send what has gathered; waits for the socket.  Errors are met by receiving. */
void peer_flush(struct peer *peer);
/* Bytes as they are, as one packet.  Return: whether they were sent; false: the socket is full or gone. */
bool peer_send(struct peer *peer, const void *data, size_t size, const int *fds, size_t n_fds);

/* The next frame, valid until the next call.  Return: false: the session is over, or nothing came for that long. */
bool peer_next(struct peer *peer, struct frame *ret, int timeout_ms);
/* The body of such a frame, valid until the next call of any of these. */
const void *peer_unpack(struct peer *peer, const ProtobufCMessageDescriptor *type, const struct frame *frame);

/* Send a request and take its reply; what else comes meanwhile is dropped.  NULL: refused (peer::error), or the end. */
const void *peer_call(struct peer *peer, unsigned method, const void *message);

/* Receive until the session is over, or an answer to a ping has come: what became of us.
 * "PROTOCOL, closed", "closed" or "alive"; *ret_error, where it is not NULL: the first refusal on the way. */
const char *peer_fate(struct peer *peer, Evloop__Status *ret_error);

/* ---- helpers ---- */

int64_t now_ns(void); /* boottime */
void pause_ms(int ms);
const char *status_name(Evloop__Status status);

/* Numbers of a fixed walk. */
uint64_t walk(uint64_t *state);

/* ---- attacks ---- */

struct attack {
	const char *name;
	/* Writes what the attacker got, for people. */
	void (*run)(struct rig *rig, char *got, size_t size);
	const char *const
		*options; /* of a daemon that is started for it alone, with a victim; NULL: the one that all share */
	bool own_daemon; /* it starts one by itself, and what the victim of ours sees says nothing */
	bool own_uid_waits; /* the attacker's whole uid is made to wait, which is no fault */
	const char *slow; /* why the target is not reached; NULL: it has to be */
	int rest_ms; /* of a daemon that it stops for a moment by a signal: the victim must see little of that */
	long memory_kib; /* how much more than before the daemon may keep; 0: 8 MiB */
};

extern const struct attack attacks_on_packets[], attacks_by_requests[], attacks_by_descriptors[], attacks_by_floods[],
	attacks_by_death[], attacks_by_watches[], attacks_by_topics[], attacks_by_limiters[];
