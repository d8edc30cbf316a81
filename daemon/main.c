/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the options, and what the process needs before there is a loop.  All else is the manager's. */

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "daemon/inherited.h"
#include "daemon/manager.h"
#include "daemon/svc/log.h"
#include "daemon/svc/no-exec.h"
#include "daemon/svc/socket.h"
#include "daemon/svc/systemd.h"
#include "proto/duration.h"

#define EXIT_IDLE_PRIVATE_NS (600 * NSEC_PER_SEC)
#define SYSTEM_USER "evloopd" /* whom the system's unit names */

static const char *arg_socket;
static bool arg_private, arg_system, arg_user, arg_verbose;
static int arg_ready_fd = -1;
static const char *arg_config_dir;
static bool arg_check_config, arg_cat_config;
static struct settings_source source = { .exit_idle_ns = -1, .log_level = -1 };
static enum spawn_mode arg_jobs = SPAWN_AUTO;

static const char help_text[] =
	"evloopd [OPTION…]\n"
	"An event loop that the processes of a machine share.  See evloopd(8).\n"
	"\n"
	"Without --socket or --private it serves the sockets that systemd passes to it.\n"
	"\n"
	"      --socket=PATH       listen at PATH, for this user only\n"
	"      --private           listen at /tmp/evloopd-UID/socket and leave when idle for ten minutes\n"
	"      --user              serve one user, and run commands for him (the default)\n"
	"      --system            serve all users, and run no commands\n"
	"      --exit-idle[=DUR]   leave when there has been nothing to do or to keep for DUR (10m; 0: stay)\n"
	"      --jobs=WHO          who starts commands: units, direct or auto (the default)\n"
	"      --limit=NAME=VALUE  what one uid may use, by the names of evloopd(8)\n"
	"      --config-dir=DIR    read DIR/evloopd.conf, DIR/limits.d, DIR/topics.d in place of those of\n"
	"                          evloopd.limit(5)\n"
	"      --check-config      read the configuration, say what is wrong, and leave\n"
	"      --cat-config        print evloopd.conf with its drop-ins, and leave\n"
	"      --ready-fd=FD       write READY to descriptor FD when listening, and close it\n"
	"      --verbose           also log who comes and goes\n"
	"      --help              show this and leave\n"
	"      --version           show the version and leave\n";

enum {
	OPTION_SOCKET = 256,
	OPTION_PRIVATE,
	OPTION_USER,
	OPTION_SYSTEM,
	OPTION_EXIT_IDLE,
	OPTION_JOBS,
	OPTION_LIMIT,
	OPTION_CONFIG_DIR,
	OPTION_CHECK_CONFIG,
	OPTION_CAT_CONFIG,
	OPTION_READY_FD,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "private", no_argument, NULL, OPTION_PRIVATE },
	{ "user", no_argument, NULL, OPTION_USER },
	{ "system", no_argument, NULL, OPTION_SYSTEM },
	{ "exit-idle", optional_argument, NULL, OPTION_EXIT_IDLE },
	{ "jobs", required_argument, NULL, OPTION_JOBS },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "config-dir", required_argument, NULL, OPTION_CONFIG_DIR },
	{ "check-config", no_argument, NULL, OPTION_CHECK_CONFIG },
	{ "cat-config", no_argument, NULL, OPTION_CAT_CONFIG },
	{ "ready-fd", required_argument, NULL, OPTION_READY_FD },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

static int usage(const char *option, const char *value, const char *wrong) {
	fprintf(stderr, "evloopd: %s: bad value '%s': %s\n", option, value, wrong);
	return -EX_USAGE;
}

static int parse_exit_idle(const char *value) {
	int r = value ? duration_parse(value, &source.exit_idle_ns) : 0;

	if (!value)
		source.exit_idle_ns = EXIT_IDLE_PRIVATE_NS;
	return r == 0 ? 0 : usage("--exit-idle", value, duration_error(r));
}

/* Return: 0, or an exit status below 0. */
static int parse_jobs(const char *option, const char *value) {
	static const char *const names[] = {
		[SPAWN_DIRECT] = "direct",
		[SPAWN_UNITS] = "units",
		[SPAWN_AUTO] = "auto",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(value, names[i]) == 0) {
			arg_jobs = (enum spawn_mode)i;
			return 0;
		}
	return usage(option, value, "it is units, direct or auto");
}

/* What it is to be read from is there, unlike directories that only may have something in them. */
static int parse_config_dir(const char *value) {
	struct stat st;

	arg_config_dir = value;
	if (stat(value, &st) < 0)
		return usage("--config-dir", value, strerror(errno));
	return S_ISDIR(st.st_mode) ? 0 : usage("--config-dir", value, strerror(ENOTDIR));
}

static int parse_ready_fd(const char *value) {
	char *end;
	long fd = strtol(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || fd > INT16_MAX || fcntl((int)fd, F_GETFD) < 0)
		return usage("--ready-fd", value, "no open descriptor has that number");
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	arg_ready_fd = (int)fd;
	return 0;
}

static int parse_limit(const char *value) {
	struct quota scratch;
	const char *wrong;

	quota_init(&scratch, false);
	wrong = quota_set(&scratch, value);
	if (wrong)
		return usage("--limit", value, wrong);
	if (source.n_limits == ARRAY_SIZE(source.limits))
		return usage("--limit", value, "too many limits are given");
	source.limits[source.n_limits++] = value;
	return 0;
}

/* Return: 1: all is written; −exit status. */
static int print(const char *text) {
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 1;
	fprintf(stderr, "evloopd: write error: %s\n", strerror(errno));
	return -EX_IOERR;
}

/* Return: 0: go on, 1: leave with success, −exit status. */
static int parse_option(int option, const char *value) {
	switch (option) {
	case OPTION_SOCKET:
		arg_socket = value;
		return *value ? 0 : usage("--socket", value, "a path is expected");
	case OPTION_PRIVATE:
		arg_private = true;
		return 0;
	case OPTION_USER:
		arg_user = true;
		return 0;
	case OPTION_SYSTEM:
		arg_system = true;
		return 0;
	case OPTION_EXIT_IDLE:
		return parse_exit_idle(value);
	case OPTION_JOBS:
		return parse_jobs("--jobs", value);
	case OPTION_LIMIT:
		return parse_limit(value);
	case OPTION_CONFIG_DIR:
		return parse_config_dir(value);
	case OPTION_CHECK_CONFIG:
		arg_check_config = true;
		return 0;
	case OPTION_CAT_CONFIG:
		arg_cat_config = true;
		return 0;
	case OPTION_READY_FD:
		return parse_ready_fd(value);
	case OPTION_VERBOSE:
		arg_verbose = true;
		return 0;
	case OPTION_HELP:
		return print(help_text);
	case OPTION_VERSION:
		return print("evloopd " PACKAGE_VERSION "\n");
	default:
		return -EX_USAGE; /* and refuse_option() has said what is wrong */
	}
}

/* getopt has found something wrong with `word`. */
static void refuse_option(int reason, const char *word) {
	if (reason == ':')
		fprintf(stderr, "evloopd: %s needs a value\n", word);
	else if (optopt >= OPTION_SOCKET)
		fprintf(stderr, "evloopd: '%s': that option takes no value\n", word);
	else if (optopt > 0) /* of one letter, and getopt may be in the midst of its word */
		fprintf(stderr, "evloopd: unknown option '-%c'; see 'evloopd --help'\n", optopt);
	else
		fprintf(stderr, "evloopd: unknown option '%s'; see 'evloopd --help'\n", word);
}

static int parse_arguments(int argc, char **argv) {
	const char *jobs = getenv("EVLOOP_JOBS");
	int option, r;

	/* For daemons that start by themselves; an option is stronger. */
	r = jobs && *jobs ? parse_jobs("EVLOOP_JOBS", jobs) : 0;
	if (r != 0)
		return r;
	opterr = 0;
	for (;;) {
		int at = optind;

		option = getopt_long(argc, argv, ":", options, NULL);
		if (option < 0)
			break;
		if (option == '?' || option == ':')
			refuse_option(option, argv[optind > at ? optind - 1 : at]);
		r = parse_option(option, optarg);
		if (r != 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "evloopd: unexpected argument '%s'; see 'evloopd --help'\n", argv[optind]);
		return -EX_USAGE;
	}
	if (arg_socket && arg_private) {
		fputs("evloopd: --socket and --private exclude each other\n", stderr);
		return -EX_USAGE;
	}
	if (arg_system && (arg_private || arg_user)) {
		fprintf(stderr, "evloopd: --%s and --system exclude each other\n", arg_user ? "user" : "private");
		return -EX_USAGE;
	}
	source.system = arg_system;
	source.default_exit_idle_ns = arg_private ? EXIT_IDLE_PRIVATE_NS : 0;
	if (getenv("EVLOOP_DEBUG"))
		source.log_level = LOG_DEBUG;
	else if (arg_verbose)
		source.log_level = LOG_INFO;
	return 0;
}

/* ---- configuration ---- */

/* In the user's own directory.  Return: allocated, or NULL: there is none. */
static char *find_own_directory(void) {
	const char *base = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
	char *own;
	int n = -1;

	if (base && base[0] == '/')
		n = asprintf(&own, "%s/evloopd", base);
	else if (home && home[0] == '/')
		n = asprintf(&own, "%s/.config/evloopd", home);
	return n < 0 ? NULL : own;
}

/* Where configuration is.  *ret_own and *ret_credential are allocated, and in use as long as that is. */
static void find_config(char **ret_own, char **ret_credential) {
	static const char *const system[] = { "/etc/evloopd", "/run/evloopd", "/usr/local/lib/evloopd",
					      "/usr/lib/evloopd" };
	const char *credentials = secure_getenv("CREDENTIALS_DIRECTORY");

	if (credentials && asprintf(ret_credential, "%s/evloopd.conf", credentials) >= 0)
		source.credential = *ret_credential;
	if (!arg_config_dir && arg_system) {
		memcpy(source.directories, system, sizeof(system));
		source.n_directories = ARRAY_SIZE(system);
		return;
	}
	*ret_own = arg_config_dir ? NULL : find_own_directory();
	source.directories[0] = arg_config_dir ?: *ret_own;
	source.given = arg_config_dir;
	source.n_directories = source.directories[0] ? 1 : 0;
}

/* `r` is that of reading configuration.  Return: 0, or an exit status. */
static int config_failed(int r, const char *error) {
	if (r == 0)
		return 0;
	log_event(LOG_ERR, MESSAGE_CONFIGURATION_REFUSED, NULL, "%s", r < 0 ? strerror(-r) : error);
	return r < 0 ? EX_OSERR : r == CONFIG_E_IO ? EX_IOERR : EX_CONFIG;
}

/* Return: 0, or an exit status. */
static int read_config(struct settings *settings, struct config *config) {
	char error[CONFIG_ERROR_MAX];

	return config_failed(reload_read(&source, settings, config, error), error);
}

static int finish_output(void) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "evloopd: write error: %s\n", strerror(errno));
	return EX_IOERR;
}

static void print_set(const struct config_set *set) {
	for (size_t i = 0; i < set->n; i++)
		printf("%s: %s\n", set->definitions[i]->path, set->definitions[i]->name);
}

/* Return: this process is that user's, with all his groups and no others; false: it is to end. */
static bool become(const struct passwd *user) {
	return initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
}

static void warn_unchecked(const char *why) {
	log_warning("warning: whether the daemon, as user '%s', can read it could not be checked: %s", SYSTEM_USER,
		    why);
}

/* In a process of its own.  Return: its exit status, that with which the daemon would refuse to start. */
static int read_as(const struct passwd *user) {
	char error[CONFIG_ERROR_MAX];
	struct config config = CONFIG_INIT;
	struct settings settings;
	int r;

	if (!become(user)) {
		warn_unchecked(strerror(errno));
		return 0;
	}
	r = reload_read(&source, &settings, &config, error);
	if (r < 0)
		warn_unchecked(strerror(-r));
	if (r <= 0)
		return 0;
	log_error("the daemon, as user '%s', cannot read it, and would not start: %s", SYSTEM_USER, error);
	return r == CONFIG_E_IO ? EX_IOERR : EX_CONFIG;
}

/* Root has read all of it, and will not be the one who serves: so it is read once more as who will. */
static int check_as_daemon(void) {
	const struct passwd *user;
	int status = 0;
	pid_t pid;

	if (geteuid() != 0 || !arg_system || arg_config_dir)
		return 0;
	errno = 0;
	user = getpwnam(SYSTEM_USER);
	if (!user && errno != 0 && errno != ENOENT && errno != ESRCH)
		warn_unchecked(strerror(errno));
	if (!user)
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(read_as(user));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		warn_unchecked(strerror(errno));
	else if (WIFEXITED(status))
		return WEXITSTATUS(status);
	else
		warn_unchecked("the process that was to read it was killed");
	return 0;
}

static void warn_of_stray(const char *path, const char *suffix) {
	log_warning("warning: %s is not read, for its name does not end in '%s'", path, suffix);
}

static int check_config(void) {
	char error[CONFIG_ERROR_MAX];
	struct config config = CONFIG_INIT;
	struct config_paths paths;
	struct settings settings;
	int r = read_config(&settings, &config);

	if (r != 0)
		return r;
	r = config_failed(settings_paths(&source, &paths, error), error);
	for (size_t i = 0; i < paths.n && r == 0; i++)
		printf("%s\n", paths.path[i]);
	config_paths_free(&paths);
	if (r == 0) {
		print_set(&config.limits);
		print_set(&config.topics);
		r = finish_output();
	}
	config_free(&config);
	if (r != 0)
		return r;
	config_each_stray(source.directories, source.n_directories, warn_of_stray);
	return check_as_daemon();
}

static int cat_config(void) {
	char error[CONFIG_ERROR_MAX];
	int r = settings_print(&source, error);

	return r == 0 ? finish_output() : config_failed(r, error);
}

/* ---- descriptors ---- */

/* A thousand sessions are a thousand descriptors.  Return: what it was; 0: it was not changed. */
static rlim_t raise_descriptor_limit(void) {
	struct rlimit limit;
	rlim_t former;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return 0;
	former = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? former : 0;
}

/* ---- sockets ---- */

static int socket_failed(int r, const char *path) {
	switch (r) {
	case SERVICE_SOCKET_E_BUSY:
		log_error("%s is in use: another daemon listens there, or systemd does%s", path,
			  arg_socket ? "; choose another path" : "");
		return EX_TEMPFAIL;
	case SERVICE_SOCKET_E_UNSAFE:
		log_error("the directory of %s is not this user's alone", path);
		return EX_NOPERM;
	case SERVICE_SOCKET_E_TOO_LONG:
		log_error("%s: the path is too long for a socket", path);
		return EX_USAGE;
	case SERVICE_SOCKET_E_NO_SOCKET:
		log_error("%s is there and is not a socket", path);
		return EX_CANTCREAT;
	default:
		log_error("cannot listen at %s: %s", path, strerror(-r));
		return EX_OSERR;
	}
}

/* Return: 0, or an exit status. */
static int open_socket(struct service_socket *socket) {
	char path[64];
	int r;

	if (arg_socket) {
		r = service_socket_open(socket, arg_socket);
		return r == 0 ? 0 : socket_failed(r, arg_socket);
	}
	snprintf(path, sizeof(path), "/tmp/evloopd-%lu/socket", (unsigned long)geteuid());
	r = service_socket_open_private(socket);
	return r == 0 ? 0 : socket_failed(r, path);
}

/* Our own socket, or what systemd passes.  Return: 0, or an exit status. */
static int find_sockets(struct service_socket *socket, struct inherited *inherited) {
	int r;

	if (!arg_socket && !arg_private)
		return inherited_take(inherited);
	r = open_socket(socket);
	inherited->listen_fds[0] = socket->fd;
	inherited->n_listen_fds = 1;
	return r;
}

/* The path that jobs will find the daemon at, wherever they run; NULL: none. */
static char *path_of_socket(int fd) {
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address) - 1;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_path[0] == '\0')
		return NULL;
	return realpath(address.sun_path, NULL);
}

/* Where something is remembered: in the unit's state directory, else beside the socket; NULL: nowhere. */
static char *path_of(const char *socket_path, const char *what) {
	const char *state = getenv("STATE_DIRECTORY");
	char *path = NULL;

	if (state && state[0] == '/') {
		if (asprintf(&path, "%.*s/%s", (int)strcspn(state, ":"), state, what) < 0)
			return NULL;
	} else if (socket_path && asprintf(&path, "%s.%s", socket_path, what) < 0) {
		return NULL;
	}
	return path;
}

static void open_log(void) {
	log_open(source.log_level >= 0 ? source.log_level : LOG_NOTICE);
}

/*
 * A private daemon has no terminal and no journal: what it has to say is found beside its socket, as are its
 * predecessor's last words.  Who has started it by hand hears it as well, until it serves.
 */
static void redirect_log(const struct service_socket *socket) {
	_cleanup_close_ int fd = -1;

	(void)renameat(socket->directory_fd, "log", socket->directory_fd, "log.old");
	fd = openat(socket->directory_fd, "log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	log_copy_to(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
	(void)dup2(fd, STDERR_FILENO);
	open_log(); /* in the form that a file wants, not the journal */
}

/* ---- serving ---- */

static void tell_ready(void) {
	log_copy_to(-1);
	systemd_notify("READY=1");
	if (arg_ready_fd >= 0) {
		if (write(arg_ready_fd, "READY\n", 6) != 6)
			log_warning("cannot write to descriptor %d", arg_ready_fd);
		arg_ready_fd = close_fd(arg_ready_fd);
	}
}

static void accepted(void *userdata, int fd) {
	manager_accept(userdata, fd);
}

/* It would leave; is there somebody who must not be turned away? */
static bool stays(struct service_socket *socket, struct manager *manager) {
	manager_stop_listening(manager);
	if (service_socket_withdraw(socket, accepted, manager))
		return false;
	return !socket->path || manager_listen(manager, socket->fd) == 0;
}

static int serve(struct service_socket *socket, const struct manager_options *manager_options) {
	char duration[DURATION_TEXT_MAX];
	struct manager manager;
	int r;

	r = manager_init(&manager, manager_options);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EX_OSERR;
	}
	log_event(LOG_NOTICE, MESSAGE_STARTED, NULL, "serving %s",
		  manager_options->socket_path ? manager_options->socket_path : "an unnamed socket");
	tell_ready();
	do
		r = manager_run(&manager);
	while (r == MANAGER_E_IDLE && stays(socket, &manager));
	if (r == MANAGER_E_IDLE)
		log_event(LOG_NOTICE, MESSAGE_STOPPED, NULL, "there has been nothing to do for %s: leaving",
			  duration_format(manager.exit_idle_ns, duration));
	systemd_notify("STOPPING=1");
	if (r < 0)
		log_error("the loop is broken: %s", strerror(-r));
	manager_stop_listening(&manager);
	service_socket_stop(socket);
	if (manager_finish(&manager))
		service_socket_close(socket);
	manager_deinit(&manager);
	/* Sockets that he was told to keep no longer may have in them what lingers: until he has let go of them they stay open here, too, for
	 * who closes the last one waits. */
	systemd_settle();
	return r < 0 ? EX_OSERR : 0;
}

/* evloop-paths is where evloop-exec is.  Return: its path, or NULL. */
static char *path_beside(const char *helper) {
	const char *slash = strrchr(helper, '/');
	char *path;

	return asprintf(&path, "%.*sevloop-paths", slash ? (int)(slash + 1 - helper) : 0, helper) < 0 ? NULL : path;
}

/* The system's instance starts nothing but itself, and whoever takes it over shall not either. */
static void forbid_programs(void) {
	int r = no_exec();

	if (r < 0)
		log_warning("cannot do without the right to run programs: %s", strerror(-r));
}

static int run(struct service_socket *socket, rlim_t descriptors) {
	_cleanup_free_ char *paths_helper = NULL, *socket_path = NULL, *ids_path = NULL, *state_path = NULL;
	const char *helper = getenv("EVLOOP_EXEC") ?: EVLOOP_EXEC_PATH;
	struct config config = CONFIG_INIT;
	struct inherited inherited = INHERITED_INIT;
	struct settings settings;
	int r = find_sockets(socket, &inherited);

	if (r != 0)
		return r;
	if (arg_private)
		redirect_log(socket);
	r = read_config(&settings, &config);
	if (r != 0)
		return r;
	log_set_level(settings.log_level);
	if (arg_system)
		forbid_programs();
	paths_helper = path_beside(helper);
	socket_path = path_of_socket(inherited.listen_fds[0]);
	ids_path = path_of(socket_path, "ids");
	state_path = path_of(socket_path, "limiters");
	r = serve(socket, &(struct manager_options){
				  .listen_fds = inherited.listen_fds,
				  .n_listen_fds = inherited.n_listen_fds,
				  .settings = &settings,
				  .source = &source,
				  .executes = !arg_system,
				  .spawn_mode = arg_jobs,
				  .exec_helper = helper,
				  .paths_helper = paths_helper,
				  .descriptors = descriptors,
				  .socket_path = socket_path,
				  .ids_path = ids_path,
				  .state_path = state_path,
				  .config = &config,
				  .escrow = inherited.escrow.in >= 0 ? &inherited.escrow : NULL,
				  .note = inherited.note.fd >= 0 ? &inherited.note : NULL,
				  .sessions = inherited.sessions,
				  .n_sessions = inherited.n_sessions,
				  .holders = inherited.holders,
				  .n_holders = inherited.n_holders,
			  });
	inherited_free(&inherited);
	return r;
}

int main(int argc, char **argv) {
	_cleanup_free_ char *own = NULL, *credential = NULL;
	struct service_socket socket = SERVICE_SOCKET_INIT;
	int r = parse_arguments(argc, argv);

	if (r != 0)
		return r > 0 ? 0 : -r;
	open_log();
	find_config(&own, &credential);
	if (arg_check_config)
		return check_config();
	if (arg_cat_config)
		return cat_config();
	(void)signal(SIGPIPE, SIG_IGN); /* who reads its messages no more does not end it */
	r = run(&socket, raise_descriptor_limit());
	service_socket_close(&socket);
	return r;
}
