/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can the library be used from C++, as C++11 has it, initialiser and callbacks included?  Needs no daemon. */

#include <cerrno>
#include <cstdio>
#include <evloop.h>

static void callback(struct evl_source *, const struct evl_event *, void *) {
}

int main() {
	evl_timer timer = EVL_TIMER_INIT;
	evl *connection = nullptr;
	evl_source *source = nullptr;

	timer = EVL_TIMER_INIT; /* as an expression, too */
	if (timer.size != sizeof(evl_timer) || timer.clock != CLOCK_BOOTTIME || timer.period_ns != 0 || timer.argv)
		return 1;
	evl_watch watch = EVL_WATCH_INIT;
	watch = EVL_WATCH_INIT;
	if (watch.size != sizeof(evl_watch) || watch.fd != -1 || watch.pid_fd != -1 || watch.path)
		return 3;
	evl_subscription subscription = EVL_SUBSCRIPTION_INIT;
	subscription = EVL_SUBSCRIPTION_INIT;
	if (subscription.size != sizeof(evl_subscription) || subscription.queue != 64)
		return 4;
	if (evl_connect(&connection, "/nowhere/socket") != -ENOTCONN)
		return 2;
	/* Never run: it shows that everything links. */
	if (connection) {
		timer.name = "name";
		timer.name_mode = EVL_NAME_ENSURE;
		evl_timer_add(connection, &source, &timer, callback, nullptr);
		evl_call_later(connection, &source, EVL_MSEC(1), [](evl_source *, const evl_event *, void *) {}, nullptr);
		evl_add_local(connection, nullptr, 0, EVL_READABLE | EVL_WRITABLE, callback, nullptr);
		evl_watch_add(connection, nullptr, &watch, callback, nullptr);
		evl_subscription_add(connection, nullptr, &subscription, callback, nullptr);
		evl_run_in_executor(connection, nullptr, [](void *data) { return data; }, callback, nullptr);
		evl_source_set_destroy(source, [](void *) {});
		evl_run(connection);
	}
	evl_source_unref(source);
	evl_close(connection);
	std::printf("libevloop %s\n", evl_version());
	return 0;
}
