#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: parallel.sh CMD [ARG]... <ITEMS
#
# CMD once for each line of standard input, sixteen at a time, and of all of them together, however many of these scripts run,
# no more than 50 a second.  As with xargs the status is 123 if one of them failed.
exec xargs -d '\n' -P16 -n1 evloop limit parallel --rate 50/s -- "$@"
