/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What an administrator may want to find in the journal, by MESSAGE_ID; contrib/systemd/evloopd.catalog explains each, and a check
 * compares.  Ids are made by `systemd-id128 new`, and never change.
 */

#define MESSAGE_STARTED "2d9e89bd5f6945a8aa5fd49feb5c4f70"
#define MESSAGE_STOPPED "2312f9726c69456b929a43dc6844a24b"
#define MESSAGE_CONFIGURATION_READ "da3268ddc9ce4587b824a4e113a2a8d0"
#define MESSAGE_CONFIGURATION_REFUSED "be436a001bd648da97ce2209c6c1cc1e"
#define MESSAGE_LIMIT_REACHED "2b570eca1ad942299bf8c61a71b642b0"
#define MESSAGE_PROTOCOL_BROKEN "5da9d7e4559744e885ec14c57509535c"
#define MESSAGE_LINES_SUPPRESSED "d2f5b021d855478e811f35ad0848eab0"
#define MESSAGE_OUT_OF_DESCRIPTORS "7a8ecac47cf746fd89df24844659ba3c"
#define MESSAGE_STATE_NOT_KEPT "ebd6f20b5c6942db80785661889a622b"
#define MESSAGE_HELPER_ENDED "7331650a713142ed9cafa603304f9753"
#define MESSAGE_STATISTICS "e1dd779ea3a9456d978c8f35cfda4b87"
#define MESSAGE_MEMORY_TRIMMED "67490b50be934fefa8846c22168d67a6"
#define MESSAGE_HANDED_OVER "e8a9fd933ab24800aa4fb1bd9d53f8f1"
#define MESSAGE_TOOK_OVER "714b310928fe40908292b03a19c85728"
#define MESSAGE_DAEMON_DIED "79de4f4e25d04a22906d39b3aaab4bb9"
