/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how timers, their jobs, and those who follow them go over to another process. */

#include <string.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/handover-private.h"
#include "proto/limits.h"

/* ---- what is common ---- */

void saved_fire(const struct fire_record *fire, Evloop__SavedFire *ret) {
	evloop__saved_fire__init(ret);
	ret->fire_seq = fire->fire_seq;
	ret->fires = fire->fires;
	ret->missed = fire->missed;
	ret->generation = fire->generation;
	ret->first_scheduled_ns = fire->first_scheduled_ns;
	ret->scheduled_ns = fire->scheduled_ns;
	ret->fired_ns = fire->fired_ns;
}

void load_fire(const Evloop__SavedFire *saved, struct fire_record *ret) {
	if (!saved)
		return;
	*ret = (struct fire_record){
		.fire_seq = saved->fire_seq,
		.fires = saved->fires,
		.missed = saved->missed,
		.generation = saved->generation,
		.first_scheduled_ns = saved->first_scheduled_ns,
		.scheduled_ns = saved->scheduled_ns,
		.fired_ns = saved->fired_ns,
	};
}

void load_run(const Evloop__RunInfo *saved, struct run_info *ret) {
	if (!saved)
		return;
	*ret = (struct run_info){
		.run = saved->run,
		.status = saved->status,
		.pid = (pid_t)saved->pid,
		.fire_seq = saved->fire_seq,
		.started_ns = saved->started_ns,
		.ended_ns = saved->ended_ns,
		.lateness_ns = saved->lateness_ns,
	};
	snprintf(ret->unit, sizeof(ret->unit), "%s", saved->unit);
	if (!convert_to_run_result(saved->result, &ret->result))
		ret->result = RUN_RESULT_EXITED;
}

/* ---- jobs: telling ---- */

/* Lists whose length is known; freed with free(3). */
static ProtobufCBinaryData *saved_words(char *const *words, size_t *ret_n) {
	ProtobufCBinaryData *data;
	size_t n = 0;

	while (words[n])
		n++;
	data = calloc(n + 1, sizeof(*data));
	for (size_t i = 0; data && i < n; i++)
		data[i] = (ProtobufCBinaryData){ .data = (uint8_t *)words[i], .len = strlen(words[i]) };
	*ret_n = data ? n : 0;
	return data;
}

static void saved_command(const struct command *command, Evloop__Command *ret) {
	evloop__command__init(ret);
	ret->argv = saved_words(command->argv, &ret->n_argv);
	ret->environment = saved_words(command->environment, &ret->n_environment);
	ret->directory =
		(ProtobufCBinaryData){ .data = (uint8_t *)command->directory, .len = strlen(command->directory) };
	ret->umask = command->umask;
	ret->overlap = convert_overlap(command->overlap);
	ret->timeout_ns = command->timeout_ns;
}

/* A run with all that is needed to go on with it. */
struct saved_run {
	Evloop__SavedRun run;
	Evloop__RunInfo info;
	char unit[RUN_UNIT_MAX];
};

static void save_runs(struct saving *saving, const struct job *job, struct saved_run *runs, Evloop__SavedRun **pointers,
		      Evloop__SavedJob *ret) {
	const struct run *position = NULL;
	struct run_progress progress;

	ret->active = pointers;
	while (ret->n_active < JOB_ACTIVE_MAX && job_next_run(job, &position, &progress)) {
		struct saved_run *run = &runs[ret->n_active];

		evloop__saved_run__init(&run->run);
		convert_run(&progress.info, &run->info);
		memcpy(run->unit, progress.info.unit, sizeof(run->unit));
		run->info.unit = run->unit;
		run->run.info = &run->info;
		run->run.pid = (uint64_t)progress.process.pid;
		run->run.pid_fd = saving_put(saving, progress.process.pid_fd);
		run->run.output_fd = saving_put(saving, progress.process.output_fd);
		run->run.deadline_ns = progress.deadline_ns == INT64_MAX ? 0 : progress.deadline_ns;
		run->run.terminated = progress.terminated;
		run->run.signals = progress.signals;
		pointers[ret->n_active++] = &run->run;
	}
}

static void write_with_job(struct saving *saving, Evloop__SavedTimer *saved, const struct job *job) {
	static uint8_t output[JOB_OUTPUT_KEPT];
	struct saved_run runs[JOB_ACTIVE_MAX];
	Evloop__SavedRun *pointers[JOB_ACTIVE_MAX];
	Evloop__SavedRequest wanted = EVLOOP__SAVED_REQUEST__INIT;
	Evloop__SavedJob message = EVLOOP__SAVED_JOB__INIT;
	Evloop__RunInfo last;
	Evloop__Command command;
	struct job_progress progress;
	struct job_info info;
	uint64_t offset;

	job_progress(job, &progress);
	job_describe(job, &info);
	saved_command(info.command, &command);
	message.command = &command;
	message.runs = progress.runs;
	message.skipped = progress.skipped;
	convert_run(&progress.last, &last);
	message.last = &last;
	wanted.fire_seq = progress.request.fire_seq;
	wanted.missed = progress.request.missed;
	wanted.scheduled_ns = progress.request.scheduled_ns;
	wanted.lateness_ns = progress.request.lateness_ns;
	if (progress.wanted)
		message.wanted = &wanted;
	save_runs(saving, job, runs, pointers, &message);
	message.output.data = output;
	message.output.len = job_read_output(job, 0, output, sizeof(output), &offset);
	message.output_end = progress.output_end;
	saved->job = &message;
	saving_write(saving, saving->file, RECORD_TIMER, &saved->base);
	free(command.argv);
	free(command.environment);
}

/* ---- timers: telling ---- */

static void save_timer(struct saving *saving, const struct timer *timer, const struct tenant *tenant,
		       const struct owner *owner) {
	Evloop__SavedTimer saved = EVLOOP__SAVED_TIMER__INIT;
	Evloop__SavedFire unsent, last;
	struct timer_progress progress;

	timer_progress(timer, &progress);
	saved.uid = tenant_uid(tenant);
	saved.session = saving_session(owner);
	saved.handle = progress.spec.handle;
	saved.id = progress.id;
	saved.kind = convert_kind(progress.spec.kind);
	saved.clock = convert_clock(progress.spec.clock);
	if (progress.spec.name)
		saved.name = (char *)progress.spec.name;
	saved.deadline_ns = progress.spec.deadline_ns;
	saved.delay_ns = progress.spec.delay_ns;
	saved.period_ns = progress.spec.period_ns;
	saved.count = progress.spec.count;
	saved.until_ns = progress.spec.until_ns;
	saved.slack_ns = progress.spec.slack_ns;
	saved.paused = progress.paused;
	saved.spent = progress.spent;
	saved.finished = progress.finished;
	saved.scheduled_ns = progress.scheduled_ns;
	saved.fired_ns = progress.fired_ns;
	if (progress.extended) {
		saved.extended = true;
		saved.anchor_ns = progress.anchor_ns;
		saved.definition_ns = progress.definition_ns;
		saved.created_realtime_ns = progress.created_realtime_ns;
		saved.finished_realtime_ns = progress.finished_realtime_ns;
		saved.finished_ns = progress.finished_ns;
		saved.left = progress.left;
		saved.generation = progress.generation;
		saved.fire_seq = progress.fire_seq;
		saved.missed = progress.missed;
		saved_fire(&progress.unsent, &unsent);
		saved_fire(&progress.last, &last);
		saved.unsent = &unsent;
		saved.last = &last;
		saved.end = convert_end(progress.end);
	}
	if (progress.job)
		write_with_job(saving, &saved, progress.job);
	else
		saving_write(saving, saving->file, RECORD_TIMER, &saved.base);
}

void save_timers(struct saving *saving, const struct tenant *tenant) {
	_cleanup_free_ struct timer **timers = NULL;
	ssize_t n = tenant_timers(tenant, &timers);

	for (ssize_t i = 0; i < n; i++) {
		struct timer_info info;

		timer_describe(timers[i], &info);
		save_timer(saving, timers[i], tenant, info.owner);
	}
	if (n < 0)
		saving->n_lost++;
}

void save_attachment(struct saving *saving, const struct source *source) {
	Evloop__SavedAttachment saved = EVLOOP__SAVED_ATTACHMENT__INIT;
	struct attachment_progress progress;
	Evloop__SavedFire fire;
	Evloop__RunInfo run;

	if (!attachment_progress(source, &progress))
		return;
	saved.session = saving_session(source->owner);
	saved.handle = progress.handle;
	saved.id = progress.id;
	if (progress.name)
		saved.name = (char *)progress.name;
	saved.live = progress.live;
	saved.output = progress.output;
	saved.controls = progress.controls;
	saved_fire(&progress.fire, &fire);
	saved.fire = &fire;
	convert_run(&progress.run, &run);
	saved.run = &run;
	saved.output_end = progress.output_end;
	saved.end = convert_end(progress.end);
	saving_write(saving, saving->file, RECORD_ATTACHMENT, &saved.base);
}

/* ---- taking over ---- */

static struct word *words_of(const ProtobufCBinaryData *data, size_t n) {
	struct word *words = calloc(n + 1, sizeof(*words));

	for (size_t i = 0; words && i < n; i++)
		words[i] = (struct word){ .data = data[i].data, .size = data[i].len };
	return words;
}

static int make_command(const Evloop__Command *saved, struct command **ret) {
	_cleanup_free_ struct word *argv = words_of(saved->argv, saved->n_argv);
	_cleanup_free_ struct word *environment = words_of(saved->environment, saved->n_environment);
	enum overlap overlap;
	int r;

	if (!argv || !environment)
		return -ENOMEM;
	if (saved->n_argv == 0 || !convert_to_overlap(saved->overlap, &overlap))
		return -EINVAL;
	r = command_new(ret, argv, saved->n_argv, environment, saved->n_environment,
			(struct word){ .data = saved->directory.data, .size = saved->directory.len });
	if (r < 0)
		return r;
	(*ret)->umask = saved->umask;
	(*ret)->overlap = overlap;
	(*ret)->timeout_ns = saved->timeout_ns;
	return 0;
}

static void request_of(const struct timer_info *info, const Evloop__SavedRequest *saved, struct run_request *ret) {
	*ret = (struct run_request){ .id = info->id, .name = info->name };
	if (!saved)
		return;
	ret->fire_seq = saved->fire_seq;
	ret->missed = saved->missed;
	ret->scheduled_ns = saved->scheduled_ns;
	ret->lateness_ns = saved->lateness_ns;
}

static void adopt_run(struct loading *loading, struct job *job, const struct timer_info *info,
		      const Evloop__SavedRun *saved) {
	struct run_request request = { .id = info->id, .name = info->name };
	struct run_progress progress = {
		.deadline_ns = saved->deadline_ns > 0 ? saved->deadline_ns : INT64_MAX,
		.terminated = saved->terminated,
		.signals = saved->signals,
		.process = { .pid = (pid_t)saved->pid,
			     .pid_fd = loading_take(loading, saved->pid_fd),
			     .output_fd = loading_take(loading, saved->output_fd) },
	};
	int r;

	load_run(saved->info, &progress.info);
	request.fire_seq = progress.info.fire_seq;
	r = job_adopt_run(job, &progress, &request);
	if (r == 0 && progress.process.pid_fd < 0)
		close_fd(progress.process.output_fd);
	if (r == 0)
		return;
	loading_lost(loading, "a run of timer", info->id, r);
	(void)close_fd(progress.process.pid_fd);
	(void)close_fd(progress.process.output_fd);
}

static void load_job(struct loading *loading, struct timer *timer, const Evloop__SavedJob *saved) {
	struct job_progress progress = {
		.runs = saved->runs,
		.skipped = saved->skipped,
		.wanted = saved->wanted,
		.output_end = saved->output_end,
	};
	struct timer_progress of_timer;
	struct timer_info info;

	timer_progress(timer, &of_timer);
	timer_describe(timer, &info);
	if (!of_timer.job)
		return;
	load_run(saved->last, &progress.last);
	request_of(&info, saved->wanted, &progress.request);
	job_restore(of_timer.job, &progress, saved->output.data, MIN(saved->output.len, (size_t)JOB_OUTPUT_KEPT));
	for (size_t i = 0; i < saved->n_active; i++)
		adopt_run(loading, of_timer.job, &info, saved->active[i]);
}

static bool load_spec(const Evloop__SavedTimer *saved, struct timer_spec *ret) {
	*ret = (struct timer_spec){
		.handle = saved->handle,
		.deadline_ns = saved->deadline_ns,
		.delay_ns = saved->delay_ns,
		.period_ns = saved->period_ns,
		.count = saved->count,
		.until_ns = saved->until_ns,
		.slack_ns = saved->slack_ns,
		.name = saved->name[0] ? saved->name : NULL,
		.detached = saved->session == 0,
	};
	return convert_to_kind(saved->kind, &ret->kind) && convert_to_clock(saved->clock, &ret->clock) &&
	       saved->deadline_ns >= 0 && saved->deadline_ns <= TIME_NS_MAX && saved->period_ns >= 0 &&
	       saved->period_ns <= TIME_NS_MAX && saved->slack_ns >= 0 && saved->slack_ns <= TIME_NS_MAX &&
	       saved->id > 0 && saved->id < ID_MAX;
}

static void load_progress(const Evloop__SavedTimer *saved, struct timer_progress *ret) {
	ret->id = saved->id;
	ret->paused = saved->paused;
	ret->spent = saved->spent;
	ret->finished = saved->finished && saved->extended;
	ret->scheduled_ns = saved->scheduled_ns;
	ret->fired_ns = saved->fired_ns;
	ret->extended = saved->extended;
	ret->anchor_ns = saved->anchor_ns;
	ret->definition_ns = saved->definition_ns;
	ret->created_realtime_ns = saved->created_realtime_ns;
	ret->finished_realtime_ns = saved->finished_realtime_ns;
	ret->finished_ns = saved->finished_ns;
	ret->left = saved->left;
	ret->generation = saved->generation;
	ret->fire_seq = saved->fire_seq;
	ret->missed = saved->missed;
	load_fire(saved->unsent, &ret->unsent);
	load_fire(saved->last, &ret->last);
	if (!convert_to_end(saved->end, &ret->end))
		ret->end = SOURCE_END_NONE;
}

void load_timer(struct loading *loading, const Evloop__SavedTimer *saved) {
	struct owner *owner = loading_owner(loading, saved->session, saved->uid);
	struct timer_progress progress = { 0 };
	struct timer *timer;
	int r = owner ? 0 : -ENXIO;

	if (r == 0 && !load_spec(saved, &progress.spec))
		r = -EINVAL;
	if (r == 0 && saved->job && saved->job->command) {
		r = loading->rpc->executes ? make_command(saved->job->command, &progress.spec.command) : -EOPNOTSUPP;
	}
	if (r == 0) {
		load_progress(saved, &progress);
		r = timer_restore(loading->rpc->scheduler, owner, &progress, &timer);
	}
	command_free(progress.spec.command);
	if (r != 0) {
		loading_lost(loading, "timer", saved->id, r);
		return;
	}
	if (saved->job)
		load_job(loading, timer, saved->job);
}

void load_attachment(struct loading *loading, const Evloop__SavedAttachment *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	struct attachment_progress progress = {
		.handle = saved->handle,
		.id = saved->id,
		.name = saved->name[0] ? saved->name : NULL,
		.live = saved->live,
		.output = saved->output,
		.controls = saved->controls,
		.output_end = saved->output_end,
	};
	int r = -ENXIO;

	load_fire(saved->fire, &progress.fire);
	load_run(saved->run, &progress.run);
	if (!convert_to_end(saved->end, &progress.end))
		progress.end = SOURCE_END_NONE;
	if (owner && saved->session != 0 && saved->handle != 0)
		r = attachment_restore(owner, &progress);
	if (r != 0)
		loading_lost(loading, "a follower of timer", saved->id, r);
}
