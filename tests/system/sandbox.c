/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon in the hands of somebody else could try, from within the sandbox of its unit; memory that is run as a file is the daemon's own
 * business (svc/no-exec.c).  Each line says what was tried and what
 * came of it; fails where anything has worked that should not, and where something does not that the daemon needs.
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base.h"

static int kept(int fd) {
	return fd >= 0 ? close(fd) : -1;
}

static int write_in(const char *path) {
	return kept(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* ---- what must not work ---- */

static int write_etc(void) {
	return write_in("/etc/evloopd-was-here");
}

static int write_usr(void) {
	return write_in("/usr/lib/evloopd-was-here");
}

static int write_run(void) {
	return write_in("/run/evloopd-was-here");
}

static int write_sysctl(void) {
	return kept(open("/proc/sys/kernel/hostname", O_WRONLY | O_CLOEXEC));
}

static int write_cgroup(void) {
	return write_in("/sys/fs/cgroup/evloopd-was-here");
}

static int read_home(void) {
	return kept(open("/home/member/secret", O_RDONLY | O_CLOEXEC));
}

static int read_shadow(void) {
	return kept(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int read_memory(void) {
	return kept(open("/dev/mem", O_RDONLY | O_CLOEXEC));
}

static int see_others(void) {
	return access("/proc/1/status", R_OK);
}

static int use_network(void) {
	return kept(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int use_netlink(void) {
	return kept(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/* Return: 0: a program was run, as the exit of a child says. */
static int run_program(void) {
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status == 0)
		return pid < 0 ? -1 : 0;
	errno = WEXITSTATUS(status);
	return -1;
}

/* Empty, so that it is no program, which is looked at last. */
static int run_file_in(const char *folder) {
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/program", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	if (fd < 0)
		return -1;
	(void)close(fd);
	(void)execl(path, "program", (char *)NULL);
	fd = errno == ENOEXEC ? 0 : -1;
	(void)unlink(path);
	return fd;
}

static int run_temporary_file(void) {
	return run_file_in("/tmp");
}

static int run_other_temporary_file(void) {
	return run_file_in("/var/tmp");
}

static int run_shared_memory(void) {
	return run_file_in("/dev/shm");
}

static int run_state(void) {
	return run_file_in(getenv("STATE_DIRECTORY") ?: "/nowhere");
}

static int map_code(void) {
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}

static int become_root(void) {
	return setuid(0);
}

static int make_setuid(void) {
	return kept(open("/tmp/setuid", O_WRONLY | O_CREAT | O_CLOEXEC, 04755));
}

static int gain_privileges(void) {
	return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static int new_namespace(void) {
	return unshare(CLONE_NEWUSER);
}

static int mount_something(void) {
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static int set_clock(void) {
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}

static int set_hostname(void) {
	return sethostname("taken", 5);
}

static int trace_other(void) {
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int signal_manager(void) {
	return kill(1, SIGTERM);
}

static int load_module(void) {
	return (int)syscall(SYS_init_module, NULL, 0, "");
}

static int load_bpf(void) {
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int reboot_machine(void) {
	return reboot(RB_DISABLE_CAD);
}

static int run_in_real_time(void) {
	return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
}

static int be_another_machine(void) {
	return personality(PER_LINUX32) < 0 ? -1 : 0;
}

static int read_kernel_log(void) {
	return kept(open("/dev/kmsg", O_RDONLY | O_CLOEXEC));
}

/* ---- what the daemon needs ---- */

static int write_state(void) {
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/sandbox", getenv("STATE_DIRECTORY") ?: "/nowhere");
	return write_in(path) < 0 ? -1 : unlink(path);
}

static int use_unix(void) {
	return kept(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

static int use_timer(void) {
	return kept(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
}

static int use_memfd(void) {
	return kept(memfd_create("sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

static int share_files(void) {
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid;
}

static const struct attempt {
	const char *name;
	int (*try)(void); /* as a system call */
	bool works; /* shall */
} attempts[] = {
	{ "write to /etc", write_etc, false },
	{ "write to /usr", write_usr, false },
	{ "write to /run", write_run, false },
	{ "change a sysctl", write_sysctl, false },
	{ "change control groups", write_cgroup, false },
	{ "read in a home directory", read_home, false },
	{ "read /etc/shadow", read_shadow, false },
	{ "read the machine's memory", read_memory, false },
	{ "read the kernel's log", read_kernel_log, false },
	{ "see other processes", see_others, false },
	{ "use the network", use_network, false },
	{ "use netlink", use_netlink, false },
	{ "run a program", run_program, false },
	{ "run a file in /tmp", run_temporary_file, false },
	{ "run a file in /var/tmp", run_other_temporary_file, false },
	{ "run a file in /dev/shm", run_shared_memory, false },
	{ "run a file in its state", run_state, false },
	{ "map memory to be written and run", map_code, false },
	{ "become root", become_root, false },
	{ "make a setuid file", make_setuid, false },
	{ "get new privileges", gain_privileges, false },
	{ "make a namespace", new_namespace, false },
	{ "mount", mount_something, false },
	{ "set the clock", set_clock, false },
	{ "set the host's name", set_hostname, false },
	{ "trace another process", trace_other, false },
	{ "end the service manager", signal_manager, false },
	{ "load a module", load_module, false },
	{ "load a BPF program", load_bpf, false },
	{ "reboot", reboot_machine, false },
	{ "run in real time", run_in_real_time, false },
	{ "change its personality", be_another_machine, false },
	{ "write its state", write_state, true },
	{ "use Unix sockets", use_unix, true },
	{ "use timers", use_timer, true },
	{ "use shared memory", use_memfd, true },
	{ "share descriptors with a process that closes", share_files, true },
};

int main(void) {
	unsigned n_wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		bool worked;

		errno = 0;
		worked = attempts[i].try() >= 0;
		if (worked != attempts[i].works)
			n_wrong++;
		printf("%s: %s%s\n", attempts[i].name, worked ? "worked" : strerror(errno),
		       worked == attempts[i].works ? "" : ", WRONG");
	}
	printf("sandbox: %zu tried, %u wrong\n", ARRAY_SIZE(attempts), n_wrong);
	return n_wrong > 0;
}
