/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the threads that functions run on which would keep the loop waiting.  They are made as needed and stay until the connection is
 * closed.  A thread sees a struct work and never its source: that one belongs to the loop, and while `working` is set it stays, with
 * the userdata that the function uses.  What has been done comes back by the local queue.
 */

#include "client/internal.h"

#include <signal.h>

#define THREADS_MAX 32 /* and no more than there are processors and 4: asyncio's numbers */

struct work {
	TAILQ_ENTRY(work) link; /* executor::pending, then executor::finished */
	LIST_ENTRY(work) working; /* executor::working */
	struct evl_source *source;
	void *(*function)(void *userdata);
	void *userdata, *result;
	bool begun;
};

TAILQ_HEAD(work_queue, work);

struct executor {
	struct evl *evl;
	LIST_HEAD(, work) working; /* all that have not come back; of the loop's thread */
	pthread_t threads[THREADS_MAX];
	size_t n_threads, max_threads;
	atomic_bool any_finished; /* a look without the lock */
	pthread_mutex_t lock; /* of all that follows, and work::begun */
	pthread_cond_t wake;
	struct work_queue pending, finished;
	size_t n_pending, n_idle;
	bool ending;
};

/* ---- on the threads ---- */

/* Under the lock.  Return: NULL: it is the end. */
static struct work *next(struct executor *executor) {
	struct work *work;

	executor->n_idle++;
	while (executor->n_pending == 0 && !executor->ending)
		(void)pthread_cond_wait(&executor->wake, &executor->lock);
	executor->n_idle--;
	if (executor->ending)
		return NULL;
	work = TAILQ_FIRST(&executor->pending);
	TAILQ_REMOVE(&executor->pending, work, link);
	executor->n_pending--;
	work->begun = true;
	return work;
}

static void *serve(void *userdata) {
	struct executor *executor = userdata;
	struct work *work;

	(void)pthread_mutex_lock(&executor->lock);
	while ((work = next(executor))) {
		(void)pthread_mutex_unlock(&executor->lock);
		work->result = work->function(work->userdata);
		(void)pthread_mutex_lock(&executor->lock);
		TAILQ_INSERT_TAIL(&executor->finished, work, link);
		atomic_store_explicit(&executor->any_finished, true, memory_order_release);
		local_signal(executor->evl);
	}
	(void)pthread_mutex_unlock(&executor->lock);
	return NULL;
}

/* ---- on the loop's ---- */

static size_t max_threads(void) {
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (size_t)MIN(MAX(processors, 1) + 4, THREADS_MAX);
}

static int executor_open(struct evl *evl) {
	struct executor *executor;
	int r;

	if (evl->executor)
		return 0;
	executor = calloc(1, sizeof(*executor));
	if (!executor)
		return -ENOMEM;
	executor->evl = evl;
	executor->max_threads = max_threads();
	LIST_INIT(&executor->working);
	TAILQ_INIT(&executor->pending);
	TAILQ_INIT(&executor->finished);
	r = -pthread_mutex_init(&executor->lock, NULL);
	if (r >= 0)
		r = -pthread_cond_init(&executor->wake, NULL);
	if (r < 0)
		free(executor);
	else
		evl->executor = executor;
	return r;
}

/* One more, with all signals blocked: they are the program's own threads' business.  Under the lock. */
static int add_thread(struct executor *executor) {
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&executor->threads[executor->n_threads], NULL, serve, executor);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r >= 0)
		executor->n_threads++;
	return r;
}

/* Return: 0, -EAGAIN (there is no thread, and none can be made). */
static int submit(struct executor *executor, struct work *work) {
	int r = 0;

	(void)pthread_mutex_lock(&executor->lock);
	if (executor->n_pending >= executor->n_idle && executor->n_threads < executor->max_threads)
		r = add_thread(executor);
	/* Those that are there will do. */
	if (executor->n_threads > 0)
		r = 0;
	if (r >= 0) {
		TAILQ_INSERT_TAIL(&executor->pending, work, link);
		executor->n_pending++;
		(void)pthread_cond_signal(&executor->wake);
	}
	(void)pthread_mutex_unlock(&executor->lock);
	return r;
}

/* It has come back, or will never be begun. */
static void release(struct work *work) {
	LIST_REMOVE(work, working);
	work->source->working = false;
}

void executor_forget(struct evl_source *source) {
	struct executor *executor = source->evl->executor;
	struct work *work = source->work;
	bool begun;

	if (!source->working)
		return;
	if (!*source->evl->alive) {
		release(work); /* in a child after fork, where there is no thread that could have it */
		return;
	}
	(void)pthread_mutex_lock(&executor->lock);
	begun = work->begun;
	if (!begun) {
		TAILQ_REMOVE(&executor->pending, work, link);
		executor->n_pending--;
	}
	(void)pthread_mutex_unlock(&executor->lock);
	if (!begun)
		release(work);
}

bool executor_has_begun(const struct evl_source *source) {
	return source->work->begun;
}

bool executor_pending(const struct evl *evl) {
	return evl->executor && atomic_load_explicit(&evl->executor->any_finished, memory_order_acquire);
}

static struct work *take_finished(struct executor *executor) {
	struct work *work;

	(void)pthread_mutex_lock(&executor->lock);
	work = TAILQ_FIRST(&executor->finished);
	if (work)
		TAILQ_REMOVE(&executor->finished, work, link);
	atomic_store_explicit(&executor->any_finished, !TAILQ_EMPTY(&executor->finished), memory_order_release);
	(void)pthread_mutex_unlock(&executor->lock);
	return work;
}

void executor_collect(struct evl *evl) {
	struct work *work;

	/* A destructor may close the connection, and then there is no executor. */
	while (connection_goes_on(evl) && executor_pending(evl) && (work = take_finished(evl->executor))) {
		struct evl_source *source = work->source;

		release(work);
		if (source->live)
			local_enqueue(source);
		else
			source_settle(source); /* cancelled meanwhile */
	}
}

void *executor_result(const struct evl_source *source) {
	return source->work->result;
}

static void join(struct executor *executor) {
	(void)pthread_mutex_lock(&executor->lock);
	executor->ending = true;
	(void)pthread_cond_broadcast(&executor->wake);
	(void)pthread_mutex_unlock(&executor->lock);
	for (size_t i = 0; i < executor->n_threads; i++)
		(void)pthread_join(executor->threads[i], NULL);
	(void)pthread_cond_destroy(&executor->wake);
	(void)pthread_mutex_destroy(&executor->lock);
}

void executor_end(struct evl *evl) {
	struct executor *executor = TAKE_PTR(evl->executor);
	struct work *work;

	if (!executor)
		return;
	if (*evl->alive)
		join(executor);
	while ((work = LIST_FIRST(&executor->working))) {
		struct evl_source *source = work->source;

		release(work);
		source_settle(source);
	}
	free(executor);
}

int evl_run_in_executor(struct evl *evl, struct evl_source **ret, void *(*function)(void *userdata), evl_callback done,
			void *userdata) {
	struct evl_source *source;
	struct work *work;
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	if (!function || !done)
		return error_set(evl, -EINVAL, "no function, or no callback");
	r = executor_open(evl);
	if (r >= 0)
		r = source_new(evl, SOURCE_WORK, done, userdata, &source);
	if (r < 0)
		return r;
	work = malloc(sizeof(*work));
	r = -ENOMEM;
	if (work) {
		*work = (struct work){ .source = source, .function = function, .userdata = userdata };
		source->work = work;
		r = submit(evl->executor, work);
	}
	if (r < 0) {
		source_discard(source);
		return r;
	}
	source->working = true;
	LIST_INSERT_HEAD(&evl->executor->working, work, working);
	source_publish(source, ret);
	return 0;
}
