/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What we write, or CMD does for us, may lie in a folder that is watched: "evloop watch path . >log". */

#include "client/cli/notice.h"

/* Take the changes of the files that are our standard output and error out of the notice.  Return: is anything left to tell? */
bool own_output_leave_out(struct notice *notice);
