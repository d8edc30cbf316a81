/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how often the log hears of a uid, and for how long that is remembered: longer than the uid is connected. */

#include "daemon/peer/complaints.h"

#include <stdio.h>

#include "daemon/svc/log.h"

static bool is_over(const struct complaint *complaint, int64_t now_ns) {
	return complaint->since_ns == 0 || now_ns - complaint->since_ns >= COMPLAINTS_WINDOW_NS;
}

/* Its time is over. */
static void forget(struct complaints *complaints, struct complaint *complaint) {
	char fields[64];

	if (complaint->suppressed > 0) {
		(void)snprintf(fields, sizeof(fields), "EVLOOPD_UID=%u\nEVLOOPD_SUPPRESSED=%llu\n",
			       (unsigned)complaint->uid, (unsigned long long)complaint->suppressed);
		log_event(LOG_WARNING, MESSAGE_LINES_SUPPRESSED, fields,
			  "%llu more lines about uid %u were suppressed within %d s",
			  (unsigned long long)complaint->suppressed, (unsigned)complaint->uid,
			  (int)(COMPLAINTS_WINDOW_NS / NSEC_PER_SEC));
		complaints->n_suppressed--;
	}
	*complaint = (struct complaint){ 0 };
}

/* The place of that uid, or a free one that becomes it.  Return: NULL: all are taken. */
static struct complaint *find(struct complaints *complaints, uid_t uid, int64_t now_ns) {
	struct complaint *free_one = NULL;

	for (size_t i = 0; i < COMPLAINTS_UIDS; i++) {
		struct complaint *complaint = &complaints->of[i];

		if (is_over(complaint, now_ns))
			forget(complaints, complaint);
		if (complaint->since_ns == 0)
			free_one = complaint;
		else if (complaint->uid == uid)
			return complaint;
	}
	if (free_one)
		*free_one = (struct complaint){ .uid = uid, .since_ns = MAX(now_ns, 1) };
	return free_one;
}

bool complaints_allow(struct complaints *complaints, uid_t uid, int64_t now_ns) {
	struct complaint *complaint = find(complaints, uid, now_ns);

	if (!complaint) {
		if (complaints->unheard++ == 0)
			complaints->unheard_since_ns = now_ns;
		return false;
	}
	if (complaint->lines == COMPLAINTS_LINES) {
		if (complaint->suppressed++ == 0)
			complaints->n_suppressed++;
		return false;
	}
	complaint->lines++;
	return true;
}

int64_t complaints_next(const struct complaints *complaints) {
	int64_t since = complaints->unheard > 0 ? complaints->unheard_since_ns : INT64_MAX;

	/* Asked in each turn of the loop. */
	for (size_t i = 0; complaints->n_suppressed > 0 && i < COMPLAINTS_UIDS; i++)
		if (complaints->of[i].suppressed > 0)
			since = MIN(since, complaints->of[i].since_ns);
	return since == INT64_MAX ? INT64_MAX : since + COMPLAINTS_WINDOW_NS;
}

void complaints_tick(struct complaints *complaints, int64_t now_ns) {
	if (complaints_next(complaints) > now_ns)
		return;
	for (size_t i = 0; i < COMPLAINTS_UIDS; i++)
		if (complaints->of[i].since_ns > 0 && is_over(&complaints->of[i], now_ns))
			forget(complaints, &complaints->of[i]);
	if (complaints->unheard > 0 && now_ns - complaints->unheard_since_ns >= COMPLAINTS_WINDOW_NS) {
		log_event(LOG_WARNING, MESSAGE_LINES_SUPPRESSED, NULL,
			  "%llu lines about more than %d uids were suppressed within %d s",
			  (unsigned long long)complaints->unheard, COMPLAINTS_UIDS,
			  (int)(COMPLAINTS_WINDOW_NS / NSEC_PER_SEC));
		complaints->unheard = 0;
	}
}
