/* sluice-js: runs player scripts, and can do nothing else.
 *
 * JavaScriptCore without its compilers to machine code, with nothing of the outside put into its world. When
 * the first byte of a script arrives, seccomp allows what computing takes and no more: no file, socket,
 * process or program. Descriptor 0 is the one way in and out (frame.h). Time and memory are the keeper's
 * business (sluice-keep.c). */
#include <JavaScriptCore/JavaScript.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/embed.h"
#include "site/youtube/challenges/frame.h"

#if defined(__x86_64__) && defined(__LP64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0 /* a machine whose calls were not looked at: nothing is run on it */
#endif

/* ------------------------------------------------------------------------------------------------ */
/* What is allowed */

/* Threads (the collector's and bmalloc's), memory, waiting, and the one descriptor. Found by strace over real
 * players; anything else is refused, which JavaScriptCore and glibc take as "not available". */
static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_ppoll,
    SYS_futex,
    SYS_sched_yield,
    SYS_madvise,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_brk,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigaction,
    SYS_sigaltstack,
    SYS_gettid,
    SYS_getpid,
    SYS_tgkill,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_getaffinity,
    SYS_sched_setscheduler,
    SYS_getrusage,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_eventfd2,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
};

/* A thread, never a process; of clone3 the filter does not see which, and glibc then uses clone. */
static int confine(void)
{
    struct sock_filter code[16 + 2 * ARRAY_LEN(allowed)];
    unsigned short n = 0;
#define PUT(...) code[n++] = (struct sock_filter)__VA_ARGS__
#define LOAD(at) PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, at)))
    LOAD(arch);
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    LOAD(nr);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1));
        PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    LOAD(args[0]);
    PUT(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x00010000 /* CLONE_THREAD */));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
#undef LOAD
#undef PUT
    const struct sock_fprog program = {.len = n, .filter = code};
    const struct rlimit none = {0, 0};
    if (ARCH == 0 || setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0 ? 0 : -1;
}

/* ------------------------------------------------------------------------------------------------ */
/* Frames */

static bool answer(enum frame_op op, const char *text, size_t len)
{
    const struct frame head = {.op = op, .len = (uint32_t)len};
    return frame_write(0, &head, sizeof head) && frame_write(0, text, len);
}

/* ------------------------------------------------------------------------------------------------ */
/* Scripts */

/* The player that is loaded. */
static JSGlobalContextRef loaded;
static char loaded_id[64];

static bool answer_value(JSContextRef js, enum frame_op op, JSValueRef value)
{
    JSStringRef string = JSValueToStringCopy(js, value, NULL);
    size_t room = string ? JSStringGetMaximumUTF8CStringSize(string) : 0;
    char *text = room > 0 && room <= FRAME_MAX_BYTES * 3UL ? malloc(room) : NULL;
    size_t len = text ? JSStringGetUTF8CString(string, text, room) : 0;
    bool sent = len > 0 && len <= FRAME_MAX_BYTES ? answer(op, text, len - 1)
                                                  : answer(FRAME_THREW, "no text", 7);
    free(text);
    if (string)
        JSStringRelease(string);
    return sent;
}

/* NULL: it threw *thrown. */
static JSValueRef run(JSContextRef js, const char *text, JSValueRef *thrown)
{
    JSStringRef script = JSStringCreateWithUTF8CString(text);
    JSValueRef value = JSEvaluateScript(js, script, NULL, NULL, 1, thrown);
    JSStringRelease(script);
    return value;
}

/* Calls the function that `expression` names or makes with one string. */
static bool answer_call(JSContextRef js, const char *expression, const char *argument)
{
    JSValueRef thrown = NULL;
    JSValueRef f = run(js, expression, &thrown);
    JSObjectRef function = f ? JSValueToObject(js, f, &thrown) : NULL;
    JSValueRef value = NULL;
    if (function) {
        JSStringRef string = JSStringCreateWithUTF8CString(argument);
        JSValueRef arguments[] = {JSValueMakeString(js, string)};
        JSStringRelease(string);
        value = JSObjectCallAsFunction(js, function, NULL, 1, arguments, &thrown);
    }
    return value ? answer_value(js, FRAME_TEXT, value)
                 : answer_value(js, FRAME_THREW, thrown ? thrown : JSValueMakeUndefined(js));
}

static bool prepare(const char *source)
{
    JSGlobalContextRef js = JSGlobalContextCreate(NULL);
    JSValueRef thrown = NULL;
    bool sent = false;
    const struct embed_file *f = embed_files;
    while (f->name && run(js, f->text, &thrown))
        f++;
    sent = f->name ? answer_value(js, FRAME_THREW, thrown) : answer_call(js, "sluicePrepare", source);
    JSGlobalContextRelease(js);
    return sent;
}

/* Its own world for each player. */
static bool load(const char *id, const char *text)
{
    JSValueRef thrown = NULL;
    if (loaded)
        JSGlobalContextRelease(loaded);
    loaded_id[0] = '\0';
    loaded = JSGlobalContextCreate(NULL);
    if (!run(loaded, text, &thrown))
        return answer_value(loaded, FRAME_THREW, thrown);
    if (strlen(id) < sizeof loaded_id)
        memcpy(loaded_id, id, strlen(id) + 1);
    return answer(FRAME_DONE, "", 0);
}

static bool solve(const char *id, const char *questions)
{
    if (!loaded || strcmp(id, loaded_id) != 0)
        return answer(FRAME_MISSING, "", 0);
    return answer_call(loaded,
                       "(function (text) { return JSON.stringify(JSON.parse(text).map(function (q) {"
                       " var a = sluiceSolve(q[0], q[1]); return [a.sig, a.n]; })); })",
                       questions);
}

/* One question; false: nobody is there any more. `text` ends with a NUL of ours. */
static bool serve(const struct frame *head, const char *text)
{
    const char *rest = text + strlen(text) + 1; /* after the id */
    bool has_id = rest <= text + head->len;
    switch (head->op) {
    case FRAME_PREPARE:
        return prepare(text);
    case FRAME_LOAD:
        return has_id && load(text, rest);
    case FRAME_SOLVE:
        return has_id && solve(text, rest);
    default:
        return false;
    }
}

int main(void)
{
    struct frame head;
    /* Before the first use of the library: no compilers, so that no memory has to be executable; no cage of
     * 128 GB of addresses, which only helps against what compilers get wrong; no threads that collect garbage
     * beside this one, which on a busy machine wait for each other by burning time. */
    static const char *const settings[][2] = {
        {"JSC_useJIT", "0"},
        {"GIGACAGE_ENABLED", "0"},
        {"JSC_useConcurrentGC", "0"},
        {"JSC_numberOfGCMarkers", "1"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (setenv(settings[i][0], settings[i][1], 1) < 0)
            return 1;
    }
    JSGlobalContextRef first = JSGlobalContextCreate(NULL);
    (void)run(first, "1", NULL);
    if (confine() < 0)
        return 1;
    while (frame_read(0, &head, sizeof head) && head.len <= FRAME_MAX_BYTES) {
        char *text = malloc(head.len + 1UL);
        if (!text || !frame_read(0, text, head.len))
            return 1;
        text[head.len] = '\0';
        bool on = serve(&head, text);
        free(text);
        if (!on)
            break;
    }
    _exit(0); /* threads of the library may be running */
}
