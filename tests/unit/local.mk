# SPDX-License-Identifier: LGPL-2.1-or-later

if CMOCKA
# proto/
check_PROGRAMS += tests/unit/test-frame
TESTS += tests/unit/test-frame
tests_unit_test_frame_SOURCES = tests/unit/test-frame.c
tests_unit_test_frame_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_frame_LDADD = libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-packet
TESTS += tests/unit/test-packet
tests_unit_test_packet_SOURCES = tests/unit/test-packet.c
tests_unit_test_packet_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_packet_LDADD = libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-message
TESTS += tests/unit/test-message
tests_unit_test_message_SOURCES = tests/unit/test-message.c
tests_unit_test_message_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_message_LDADD = libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-method
TESTS += tests/unit/test-method
tests_unit_test_method_SOURCES = tests/unit/test-method.c
tests_unit_test_method_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_method_LDADD = libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-status
TESTS += tests/unit/test-status
tests_unit_test_status_SOURCES = tests/unit/test-status.c
tests_unit_test_status_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_status_LDADD = libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-duration
TESTS += tests/unit/test-duration
tests_unit_test_duration_SOURCES = tests/unit/test-duration.c
tests_unit_test_duration_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_duration_LDADD = libproto.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-when
TESTS += tests/unit/test-when
tests_unit_test_when_SOURCES = tests/unit/test-when.c
tests_unit_test_when_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_when_LDADD = libcli.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-cli-text
TESTS += tests/unit/test-cli-text
tests_unit_test_cli_text_SOURCES = tests/unit/test-cli-text.c
tests_unit_test_cli_text_CFLAGS = $(libcli_la_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cli_text_LDADD = libcli.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-json-message tests/unit/test-cli-descriptor
TESTS += tests/unit/test-json-message tests/unit/test-cli-descriptor
tests_unit_test_json_message_SOURCES = tests/unit/test-json-message.c
tests_unit_test_json_message_CFLAGS = $(libcli_la_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_json_message_LDADD = libcli.la libproto.la $(CMOCKA_LIBS)
tests_unit_test_cli_descriptor_SOURCES = tests/unit/test-cli-descriptor.c
tests_unit_test_cli_descriptor_CFLAGS = $(libcli_la_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cli_descriptor_LDADD = libcli.la $(CMOCKA_LIBS)

# The library, against a daemon played by the test.
client_tests = \
	tests/unit/test-client-executor \
	tests/unit/test-client-handle \
	tests/unit/test-client-error \
	tests/unit/test-client-link \
	tests/unit/test-client-loop \
	tests/unit/test-client-oom \
	tests/unit/test-client-readiness \
	tests/unit/test-client-source \
	tests/unit/test-client-memory \
	tests/unit/test-client-takeover \
	tests/unit/test-client-takeover-order \
	tests/unit/test-client-takeover-raw \
	tests/unit/test-client-topic \
	tests/unit/test-client-watch
check_PROGRAMS += $(client_tests)
TESTS += $(client_tests)
client_test_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(CMOCKA_CFLAGS) -pthread
client_test_LDADD = tests/unit/libclientpeer.la libevloop-core.la libproto.la $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)
check_LTLIBRARIES += tests/unit/libclientpeer.la
tests_unit_libclientpeer_la_SOURCES = tests/unit/client-peer.c tests/unit/client-peer.h tests/unit/test.h
tests_unit_libclientpeer_la_CFLAGS = $(client_test_CFLAGS)

tests_unit_test_client_executor_SOURCES = tests/unit/test-client-executor.c
tests_unit_test_client_executor_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_executor_LDADD = $(client_test_LDADD)

tests_unit_test_client_handle_SOURCES = tests/unit/test-client-handle.c
tests_unit_test_client_handle_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_handle_LDADD = $(client_test_LDADD)

tests_unit_test_client_error_SOURCES = tests/unit/test-client-error.c
tests_unit_test_client_error_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_error_LDADD = $(client_test_LDADD)

tests_unit_test_client_link_SOURCES = tests/unit/test-client-link.c
tests_unit_test_client_link_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_link_LDADD = $(client_test_LDADD)

tests_unit_test_client_loop_SOURCES = tests/unit/test-client-loop.c
tests_unit_test_client_loop_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_loop_LDADD = $(client_test_LDADD)

tests_unit_test_client_oom_SOURCES = tests/unit/test-client-oom.c
tests_unit_test_client_oom_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_oom_LDADD = $(client_test_LDADD)
tests_unit_test_client_oom_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=strdup

tests_unit_test_client_readiness_SOURCES = tests/unit/test-client-readiness.c
tests_unit_test_client_readiness_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_readiness_LDADD = $(client_test_LDADD)

tests_unit_test_client_source_SOURCES = tests/unit/test-client-source.c
tests_unit_test_client_source_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_source_LDADD = $(client_test_LDADD)

# In which time is what the test says.
tests_unit_test_client_memory_SOURCES = tests/unit/test-client-memory.c
tests_unit_test_client_memory_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_memory_LDADD = $(client_test_LDADD)
tests_unit_test_client_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_ns

tests_unit_test_client_takeover_SOURCES = tests/unit/test-client-takeover.c
tests_unit_test_client_takeover_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_takeover_LDADD = $(client_test_LDADD)

tests_unit_test_client_takeover_order_SOURCES = tests/unit/test-client-takeover-order.c
tests_unit_test_client_takeover_order_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_takeover_order_LDADD = $(client_test_LDADD)

tests_unit_test_client_takeover_raw_SOURCES = tests/unit/test-client-takeover-raw.c
tests_unit_test_client_takeover_raw_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_takeover_raw_LDADD = $(client_test_LDADD)

tests_unit_test_client_topic_SOURCES = tests/unit/test-client-topic.c
tests_unit_test_client_topic_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_topic_LDADD = $(client_test_LDADD)

tests_unit_test_client_watch_SOURCES = tests/unit/test-client-watch.c
tests_unit_test_client_watch_CFLAGS = $(client_test_CFLAGS)
tests_unit_test_client_watch_LDADD = $(client_test_LDADD)

# The core, on clocks that the test turns and with jobs that it ends.
core_tests = \
	tests/unit/test-command \
	tests/unit/test-core-oom \
	tests/unit/test-core-random \
	tests/unit/test-gate \
	tests/unit/test-job \
	tests/unit/test-keys \
	tests/unit/test-loop \
	tests/unit/test-map \
	tests/unit/test-output \
	tests/unit/test-poller \
	tests/unit/test-path-watch \
	tests/unit/test-pool \
	tests/unit/test-reminder \
	tests/unit/test-queue \
	tests/unit/test-scheduler \
	tests/unit/test-simulation \
	tests/unit/test-source \
	tests/unit/test-timer \
	tests/unit/test-timer-name \
	tests/unit/test-topic \
	tests/unit/test-limiter \
	tests/unit/test-limiter-change \
	tests/unit/test-limiter-memory \
	tests/unit/test-watch
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)
core_test_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
core_test_LDADD = tests/unit/libcoreworld.la libcore.la $(LIBEVENT_LIBS) $(CMOCKA_LIBS)
check_LTLIBRARIES += tests/unit/libcoreworld.la
tests_unit_libcoreworld_la_SOURCES = \
	tests/unit/core-world.c tests/unit/core-world.h \
	tests/unit/fake-starter.c tests/unit/fake-starter.h \
	tests/unit/fake-watcher.c tests/unit/fake-watcher.h \
	tests/unit/limiter-fixture.h tests/unit/timer-fixture.h
tests_unit_libcoreworld_la_CFLAGS = $(core_test_CFLAGS)

tests_unit_test_core_oom_SOURCES = tests/unit/test-core-oom.c
tests_unit_test_core_oom_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_core_oom_LDADD = $(core_test_LDADD)
tests_unit_test_core_oom_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=mmap

tests_unit_test_command_SOURCES = tests/unit/test-command.c
tests_unit_test_command_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_command_LDADD = $(core_test_LDADD)

tests_unit_test_job_SOURCES = tests/unit/test-job.c
tests_unit_test_job_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_job_LDADD = $(core_test_LDADD)

tests_unit_test_output_SOURCES = tests/unit/test-output.c
tests_unit_test_output_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_output_LDADD = $(core_test_LDADD)

tests_unit_test_core_random_SOURCES = tests/unit/test-core-random.c
tests_unit_test_core_random_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_core_random_LDADD = $(core_test_LDADD)

tests_unit_test_loop_SOURCES = tests/unit/test-loop.c
tests_unit_test_loop_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_loop_LDADD = $(core_test_LDADD)
tests_unit_test_loop_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime,--wrap=timerfd_settime,--wrap=read

tests_unit_test_map_SOURCES = tests/unit/test-map.c
tests_unit_test_map_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_map_LDADD = $(core_test_LDADD)

tests_unit_test_poller_SOURCES = tests/unit/test-poller.c
tests_unit_test_poller_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_poller_LDADD = $(core_test_LDADD)

tests_unit_test_watch_SOURCES = tests/unit/test-watch.c
tests_unit_test_watch_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_watch_LDADD = $(core_test_LDADD)

tests_unit_test_pool_SOURCES = tests/unit/test-pool.c
tests_unit_test_pool_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_pool_LDADD = $(core_test_LDADD)

tests_unit_test_queue_SOURCES = tests/unit/test-queue.c
tests_unit_test_queue_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_queue_LDADD = $(core_test_LDADD)

tests_unit_test_path_watch_SOURCES = tests/unit/test-path-watch.c
tests_unit_test_path_watch_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_path_watch_LDADD = $(core_test_LDADD)

tests_unit_test_reminder_SOURCES = tests/unit/test-reminder.c
tests_unit_test_reminder_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_reminder_LDADD = $(core_test_LDADD)

tests_unit_test_scheduler_SOURCES = tests/unit/test-scheduler.c
tests_unit_test_scheduler_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_scheduler_LDADD = $(core_test_LDADD)

tests_unit_test_simulation_SOURCES = tests/unit/test-simulation.c
tests_unit_test_simulation_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_simulation_LDADD = $(core_test_LDADD)

tests_unit_test_source_SOURCES = tests/unit/test-source.c
tests_unit_test_source_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_source_LDADD = $(core_test_LDADD)

tests_unit_test_timer_SOURCES = tests/unit/test-timer.c
tests_unit_test_timer_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_timer_LDADD = $(core_test_LDADD)

tests_unit_test_timer_name_SOURCES = tests/unit/test-timer-name.c
tests_unit_test_timer_name_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_timer_name_LDADD = $(core_test_LDADD)

tests_unit_test_gate_SOURCES = tests/unit/test-gate.c
tests_unit_test_gate_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_gate_LDADD = $(core_test_LDADD)

tests_unit_test_topic_SOURCES = tests/unit/test-topic.c
tests_unit_test_topic_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_topic_LDADD = $(core_test_LDADD)

tests_unit_test_limiter_SOURCES = tests/unit/test-limiter.c
tests_unit_test_limiter_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_limiter_LDADD = $(core_test_LDADD)
tests_unit_test_limiter_change_SOURCES = tests/unit/test-limiter-change.c
tests_unit_test_limiter_change_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_limiter_change_LDADD = $(core_test_LDADD)
tests_unit_test_keys_SOURCES = tests/unit/test-keys.c
tests_unit_test_keys_CFLAGS = $(core_test_CFLAGS)
tests_unit_test_keys_LDADD = $(core_test_LDADD)
tests_unit_test_limiter_memory_SOURCES = tests/unit/test-limiter-memory.c
tests_unit_test_limiter_memory_CFLAGS = $(core_test_CFLAGS) -pthread
tests_unit_test_limiter_memory_LDADD = $(core_test_LDADD)

# Sessions and requests, on a loop that the test turns.
daemon_tests = \
	tests/unit/test-closer \
	tests/unit/test-crash-note \
	tests/unit/test-descriptor \
	tests/unit/test-fd-store \
	tests/unit/test-handover \
	tests/unit/test-handover-oom \
	tests/unit/test-handover-watch \
	tests/unit/test-holder-store \
	tests/unit/test-complaints \
	tests/unit/test-no-exec \
	tests/unit/test-quota \
	tests/unit/test-rpc \
	tests/unit/test-rpc-daemon \
	tests/unit/test-noted \
	tests/unit/test-noted-random \
	tests/unit/test-rpc-gate \
	tests/unit/test-rpc-held \
	tests/unit/test-rpc-limiter \
	tests/unit/test-rpc-oom \
	tests/unit/test-rpc-topic \
	tests/unit/test-rpc-path \
	tests/unit/test-rpc-watch \
	tests/unit/test-session \
	tests/unit/test-session-store \
	tests/unit/test-state
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)
daemon_test_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
daemon_test_LDADD = tests/unit/libpeerworld.la tests/unit/libcoreworld.la libdaemon.la $(CMOCKA_LIBS)
peer_world_wraps = -Wl,--wrap=instant_now
check_LTLIBRARIES += tests/unit/libpeerworld.la
tests_unit_libpeerworld_la_SOURCES = \
	tests/unit/peer-world.c tests/unit/peer-world.h \
	tests/unit/handover-world.c tests/unit/handover-world.h \
	tests/unit/noted-fixture.h
tests_unit_libpeerworld_la_CFLAGS = $(daemon_test_CFLAGS)

tests_unit_test_closer_SOURCES = tests/unit/test-closer.c
tests_unit_test_closer_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_closer_LDADD = $(daemon_test_LDADD)
tests_unit_test_closer_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall

tests_unit_test_fd_store_SOURCES = tests/unit/test-fd-store.c
tests_unit_test_fd_store_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_fd_store_LDADD = $(daemon_test_LDADD)
tests_unit_test_fd_store_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=systemd_store_always

tests_unit_test_descriptor_SOURCES = tests/unit/test-descriptor.c
tests_unit_test_descriptor_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_descriptor_LDADD = $(daemon_test_LDADD)

tests_unit_test_complaints_SOURCES = tests/unit/test-complaints.c
tests_unit_test_complaints_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_complaints_LDADD = $(daemon_test_LDADD)

tests_unit_test_no_exec_SOURCES = tests/unit/test-no-exec.c
tests_unit_test_no_exec_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_no_exec_LDADD = $(daemon_test_LDADD)

tests_unit_test_quota_SOURCES = tests/unit/test-quota.c
tests_unit_test_quota_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_quota_LDADD = $(daemon_test_LDADD)

tests_unit_test_rpc_SOURCES = tests/unit/test-rpc.c
tests_unit_test_rpc_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_crash_note_SOURCES = tests/unit/test-crash-note.c
tests_unit_test_crash_note_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_crash_note_LDADD = $(daemon_test_LDADD)

tests_unit_test_holder_store_SOURCES = tests/unit/test-holder-store.c
tests_unit_test_holder_store_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_holder_store_LDADD = $(daemon_test_LDADD)
tests_unit_test_holder_store_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_noted_SOURCES = tests/unit/test-noted.c
tests_unit_test_noted_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_noted_LDADD = $(daemon_test_LDADD)

tests_unit_test_noted_random_SOURCES = tests/unit/test-noted-random.c
tests_unit_test_noted_random_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_noted_random_LDADD = $(daemon_test_LDADD)

tests_unit_test_rpc_held_SOURCES = tests/unit/test-rpc-held.c
tests_unit_test_rpc_held_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_held_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_held_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_limiter_SOURCES = tests/unit/test-rpc-limiter.c
tests_unit_test_rpc_limiter_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_limiter_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_limiter_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_path_SOURCES = tests/unit/test-rpc-path.c
tests_unit_test_rpc_path_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_path_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_path_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_watch_SOURCES = tests/unit/test-rpc-watch.c
tests_unit_test_rpc_watch_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_watch_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_watch_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_gate_SOURCES = tests/unit/test-rpc-gate.c
tests_unit_test_rpc_gate_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_gate_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_gate_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_topic_SOURCES = tests/unit/test-rpc-topic.c
tests_unit_test_rpc_topic_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_topic_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_topic_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_handover_SOURCES = tests/unit/test-handover.c
tests_unit_test_handover_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_handover_LDADD = $(daemon_test_LDADD)
tests_unit_test_handover_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)
tests_unit_test_session_store_SOURCES = tests/unit/test-session-store.c
tests_unit_test_session_store_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_session_store_LDADD = $(daemon_test_LDADD)
tests_unit_test_session_store_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)
tests_unit_test_handover_oom_SOURCES = tests/unit/test-handover-oom.c
tests_unit_test_handover_oom_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_handover_oom_LDADD = $(daemon_test_LDADD)
tests_unit_test_handover_oom_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps) -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=strdup
tests_unit_test_handover_watch_SOURCES = tests/unit/test-handover-watch.c
tests_unit_test_handover_watch_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_handover_watch_LDADD = $(daemon_test_LDADD)
tests_unit_test_handover_watch_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_daemon_SOURCES = tests/unit/test-rpc-daemon.c
tests_unit_test_rpc_daemon_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_daemon_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_daemon_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

tests_unit_test_rpc_oom_SOURCES = tests/unit/test-rpc-oom.c
tests_unit_test_rpc_oom_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_rpc_oom_LDADD = $(daemon_test_LDADD)
tests_unit_test_rpc_oom_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=strdup,--wrap=mmap

tests_unit_test_state_SOURCES = tests/unit/test-state.c
tests_unit_test_state_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_state_LDADD = $(daemon_test_LDADD)

tests_unit_test_session_SOURCES = tests/unit/test-session.c
tests_unit_test_session_CFLAGS = $(daemon_test_CFLAGS)
tests_unit_test_session_LDADD = $(daemon_test_LDADD)
tests_unit_test_session_LDFLAGS = $(AM_LDFLAGS) $(peer_world_wraps)

# The process around the loop.
service_tests = \
	tests/unit/test-escrow \
	tests/unit/test-ids \
	tests/unit/test-journal \
	tests/unit/test-note \
	tests/unit/test-service-socket \
	tests/unit/test-service-status
check_PROGRAMS += $(service_tests)
TESTS += $(service_tests)
tests_unit_test_note_SOURCES = tests/unit/test-note.c
tests_unit_test_note_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_note_LDADD = libdaemon.la $(CMOCKA_LIBS)
tests_unit_test_escrow_SOURCES = tests/unit/test-escrow.c
tests_unit_test_escrow_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_escrow_LDADD = libdaemon.la $(CMOCKA_LIBS)

tests_unit_test_ids_SOURCES = tests/unit/test-ids.c
tests_unit_test_ids_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_ids_LDADD = libdaemon.la $(CMOCKA_LIBS)
tests_unit_test_ids_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_create

tests_unit_test_service_socket_SOURCES = tests/unit/test-service-socket.c
tests_unit_test_service_socket_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_service_socket_LDADD = libdaemon.la $(CMOCKA_LIBS)
tests_unit_test_service_socket_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=poll

tests_unit_test_service_status_SOURCES = tests/unit/test-service-status.c
tests_unit_test_service_status_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_service_status_LDADD = libdaemon.la $(CMOCKA_LIBS)
tests_unit_test_journal_SOURCES = tests/unit/test-journal.c
tests_unit_test_journal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_journal_LDADD = libdaemon.la $(CMOCKA_LIBS)
tests_unit_test_journal_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg
endif

if CMOCKA
check_PROGRAMS += tests/unit/test-bucket
TESTS += tests/unit/test-bucket
tests_unit_test_bucket_SOURCES = tests/unit/test-bucket.c
tests_unit_test_bucket_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bucket_LDADD = libcore.la $(CMOCKA_LIBS)
endif
