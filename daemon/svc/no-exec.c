/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns a filter of system calls, seccomp(2), that refuses two of them and whatever is not this processor's own way to call. */

#include "daemon/svc/no-exec.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "proto/base.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#endif

#ifdef ARCHITECTURE

#define X32_CALL 0x40000000 /* of x86-64: a second set of numbers, above this one */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* Go on to the next instruction if it is so, else `other` further. */
#define IS(value, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, other)
#define IS_BELOW(value, other) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, other, 0)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

static struct sock_filter filter[] = {
	LOAD(arch),
	IS(ARCHITECTURE, 5),
	LOAD(nr),
	IS_BELOW(X32_CALL, 3),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 1, 0),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
};

int no_exec(void) {
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return 0;
}

#else

int no_exec(void) {
	return -EOPNOTSUPP;
}

#endif
