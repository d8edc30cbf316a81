/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A page of a list: as many entries as a packet takes and as its uid has time for in this turn of the loop, LIST_PAGE_MAX at most,
 * and one at least, if there is any; of SCAN_PAGE_MAX that were looked at.
 */

#include "daemon/rpc/dispatch.h"

struct page {
	struct call *call; /* which it answers */
	int64_t begun_ns;
	size_t n, most; /* entries */
	size_t bytes; /* of them, at most */
	size_t n_looked;
};

/* Begin one of at most so many entries; 0: as many as may be. */
void page_begin(struct page *page, struct call *call, uint32_t most);

/* May one more be looked at?  To be asked before each of them. */
bool page_goes_on(struct page *page);

/* Is there room for that entry?  Then it is counted. */
bool page_takes(struct page *page, const ProtobufCMessage *entry);
