/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns where a page ends.  Must not know what is listed. */

#include "daemon/rpc/page.h"

#include "daemon/core/loop.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/message.h"

#define TIME_MIN_NS (20 * NSEC_PER_USEC) /* so that short lists are answered in one page */

static int64_t page_now(const struct page *page) {
	return loop_refresh(page->call->rpc->loop)->ns[TIMER_CLOCK_BOOTTIME];
}

void page_begin(struct page *page, struct call *call, uint32_t most) {
	*page = (struct page){
		.call = call,
		.most = most > 0 ? MIN(most, LIST_PAGE_MAX) : LIST_PAGE_MAX,
	};
	page->begun_ns = page_now(page);
}

bool page_goes_on(struct page *page) {
	int64_t took_ns;

	if (page->n == page->most || page->n_looked == SCAN_PAGE_MAX)
		return false;
	if (page->n_looked++ == 0)
		return true;
	took_ns = page_now(page) - page->begun_ns;
	/* To pack it will take as long again. */
	return took_ns < TIME_MIN_NS || session_has_time(page->call->session, took_ns);
}

bool page_takes(struct page *page, const ProtobufCMessage *entry) {
	size_t size = message_size_bound(entry) + 8; /* and its tag and length */

	if (page->n > 0 && page->bytes + size > PACKET_SIZE_MAX - FRAME_HEADER_SIZE - 64)
		return false;
	page->n++;
	page->bytes += size;
	return true;
}
