// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_guard.h"

#include <link.h>
#include <ucontext.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIGNAL (SIGRTMIN + 5)
#define RANGES 16
// Where the thread cannot be interrupted it is tried again after so much of its time.
#define AGAIN_NS 1000000
#define FIRST_MS 10000

struct range {
	uintptr_t begin;
	uintptr_t end;
};

// Of libc, the loader and what else has locks. Written once, before the first guard.
static struct range kept[RANGES];
static size_t kept_count;
static bool is_ready;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint left;
static atomic_uint time_ms = FIRST_MS;

static _Thread_local struct guard *active;
static _Thread_local timer_t timer;
static _Thread_local bool has_timer;

static uintptr_t program_counter(const void *context)
{
#if defined(__x86_64__)
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
	(void)context;
	return kept[0].begin; // never left
#endif
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	uintptr_t at = program_counter(context);
	struct guard *guard = active;

	(void)number;
	(void)info;
	if (guard == NULL)
		return;
	for (size_t i = 0; i < kept_count; i++)
		if (at >= kept[i].begin && at < kept[i].end)
			return; // the timer comes again
	active = NULL;
	siglongjmp(
		guard->leave, 1); // NOLINT(bugprone-signal-handler): the thread holds no lock here
}

// Libraries that a thread is not left in, by their file's name.
static bool is_kept(const char *path)
{
	static const char *const names[] = {"libc.so", "libc-", "ld-linux", "ld-2", "libpthread",
		"libjemalloc", "libtcmalloc", "libasan", "libtsan", "linux-vdso", "libxml2",
		"libcrypto"};
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int add_library(struct dl_phdr_info *info, size_t bytes, void *ctx)
{
	(void)bytes;
	(void)ctx;
	if (info->dlpi_name == NULL || !is_kept(info->dlpi_name))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && kept_count < RANGES; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0)
			continue;
		kept[kept_count].begin = info->dlpi_addr + segment->p_vaddr;
		kept[kept_count].end = kept[kept_count].begin + segment->p_memsz;
		kept_count++;
	}
	return 0;
}

static void set_up(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	(void)dl_iterate_phdr(add_library, NULL);
	(void)sigemptyset(&action.sa_mask);
	// Where libc is not seen as a library of its own a thread might be left inside of it.
	is_ready = kept_count > 0 && sigaction(SIGNAL, &action, NULL) == 0;
}

static bool make_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL};

	if (has_timer)
		return true;
	event._sigev_un._tid = gettid();
	has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
	return has_timer;
}

bool guard_is_ready(void)
{
	if (pthread_once(&once, set_up) != 0 || !is_ready)
		return false;
	return guard_left() < GUARD_MAX_LEFT && make_timer();
}

void guard_set_ms(uint32_t ms)
{
	atomic_store_explicit(&time_ms, ms > 0 ? ms : 1, memory_order_relaxed);
}

uint32_t guard_left(void)
{
	return atomic_load_explicit(&left, memory_order_relaxed);
}

static void set_timer(uint32_t ms)
{
	struct itimerspec time = {
		.it_value.tv_sec = ms / 1000,
		.it_value.tv_nsec = (long)(ms % 1000) * 1000000,
		.it_interval.tv_nsec = ms > 0 ? AGAIN_NS : 0,
	};

	if (has_timer)
		(void)timer_settime(timer, 0, &time, NULL);
}

void guard_begin(struct guard *guard)
{
	active = guard;
	atomic_signal_fence(memory_order_seq_cst);
	guard_renew();
}

void guard_renew(void)
{
	if (active != NULL)
		set_timer(atomic_load_explicit(&time_ms, memory_order_relaxed));
}

void guard_end(void)
{
	// The handler has taken it: the call was left.
	if (active == NULL)
		atomic_fetch_add_explicit(&left, 1, memory_order_relaxed);
	active = NULL;
	set_timer(0);
}
