/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Gates as sources and claims see them; nobody else includes this. */

#include "daemon/core/gate.h"

/* Of sources that have one. */

/* An event of it is due.  Return: true: it may be seen; else source_release() follows, now or later. */
bool gate_asks(struct source *source);
/* Its owner has taken the event. */
void gate_taken(struct source *source);
/* The event is withdrawn: give back its tokens, or its place in line. */
void gate_left(struct source *source);
/* The source is gone, and its gate with it. */
void gate_drop(struct source *source);

/* From the limiter: it has granted what was waited for, or it never will. */
void gate_answered(struct gate *gate);
