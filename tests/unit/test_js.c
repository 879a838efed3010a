/* The processes that run player scripts: what a script can do, and what becomes of one that means harm. */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "site/youtube/challenges/js.h"

enum { LIMIT_US = 2 * 1000 * 1000 };

static const char player[] =
    "var _yt_player={};(function(g){var window=this;'use strict';"
    "var U=function(u,s,v){this.m={};this.s=s;this.v=v;this.done=false};"
    "U.prototype.set=function(k,v){this.m[k]=v};"
    "U.prototype.get=function(k){return k==='s'?this.v:this.m[k]};"
    "U.prototype.clone=function(){return this};"
    "U.prototype.zz=function(){var n=this.m.n;if(n)this.m.n=n.split('').reverse().join('')};"
    "var broken=document.body.firstChild.offsetWidth,fine=3;"
    "g.sw=function(a){a=a.split('');var c=a[0];a[0]=a[fine%a.length];a[fine]=c;a.splice(0,2);return a.join('')};"
    "var build=function(u,s,v){var r=new U(u,s,v);r.set(\"alr\",\"yes\");v&&(r.v=g.sw(decodeURIComponent(v)));"
    "return r};document.body.appendChild(1);var cfg={signatureTimestamp:20472};})(_yt_player);";

struct fixture {
    struct js *js;
    char directory[4096];
};

static int set_up(void **state)
{
    static struct fixture f;
    const char *source = getenv("SLUICE_SOURCE_DIR");
    struct err err;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(f.directory, sizeof f.directory, "%s/build/cgi-bin", source ? source : ".");
    *state = &f;
    return js_open(&f.js, f.directory, &err);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    js_close(f->js);
    return 0;
}

static int ask(void **state, enum frame_op op, const char *id, const char *text, struct buf *answer)
{
    struct fixture *f = *state;
    buf_clear(answer);
    return js_ask(f->js, op, id, text, strlen(text), answer);
}

static void load_player(void **state)
{
    auto_(buf) struct buf prepared = BUF_INIT(FRAME_MAX_BYTES + 1);
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
    assert_int_equal(ask(state, FRAME_PREPARE, "", player, &prepared), FRAME_TEXT);
    assert_memory_equal(buf_str(&prepared), "20472\n", 6);
    assert_int_equal(ask(state, FRAME_LOAD, "p1", buf_str(&prepared) + 6, &answer), FRAME_DONE);
}

static void solves(void **state)
{
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
    load_player(state);
    assert_int_equal(
        ask(state, FRAME_SOLVE, "p1", "[[\"abcdefg\",\"12345\"],[null,\"xyz\"],[\"0123456\",null]]", &answer),
        FRAME_TEXT);
    assert_string_equal(buf_str(&answer), "[[\"caefg\",\"54321\"],[null,\"zyx\"],[\"20456\",null]]");
    assert_int_equal(ask(state, FRAME_SOLVE, "p2", "[]", &answer), FRAME_MISSING);
    assert_int_equal(ask(state, FRAME_SOLVE, "p1", "[[null,\"aa\"]]", &answer), FRAME_THREW); /* as it was */
}

/* Each is loaded as if it were a prepared player; afterwards a good one works. */
static void hostile_scripts(void **state)
{
    static const struct {
        const char *name, *script;
        int ends;
        const char *says; /* NULL: whatever */
    } cases[] = {
        {"endless loop", "for(;;);", FRAME_KILLED, NULL},
        {"endless recursion", "(function f(){f()})()", FRAME_THREW, "RangeError"},
        {"memory in arrays", "var a=[];for(;;)a.push(new Uint8Array(1e6).fill(1))", FRAME_KILLED, NULL},
        {"memory in objects", "var a=[];for(var i=0;;i++)a.push({x:i,y:[i]})", FRAME_KILLED, NULL},
        {"memory at once", "new Uint8Array(4e9).fill(1);1", FRAME_KILLED, NULL},
        {"catastrophic expression", "/^(a|a|aa)+$/.test('a'.repeat(60)+'b')", FRAME_KILLED, NULL},
        {"promises without end", "(function f(){Promise.resolve().then(f)})()", FRAME_KILLED, NULL},
        {"no way out",
         "throw [typeof require,typeof process,typeof fetch,typeof XMLHttpRequest,typeof load,typeof read,"
         "typeof readFile,typeof print,typeof WebSocket,typeof Worker,typeof importScripts,typeof setTimeout]"
         ".filter(function(t){return t!=='undefined'}).join()+'|nothing'",
         FRAME_THREW, "|nothing"},
        {"a file as a module", "import('/etc/passwd').then(function(m){for(;;);});1", FRAME_DONE, NULL},
        {"not a script", ")]}'", FRAME_THREW, "SyntaxError"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
        int64_t start_us = clock_mono_us();
        int ends = ask(state, FRAME_LOAD, "h", cases[i].script, &answer);
        int64_t took_us = clock_mono_us() - start_us;
        print_message("%s: %d in %d ms %.60s\n", cases[i].name, ends, (int)(took_us / 1000),
                      buf_str(&answer));
        assert_true(ends == cases[i].ends || (ends == FRAME_STARVED && cases[i].ends == FRAME_KILLED));
        assert_true(took_us < LIMIT_US);
        if (cases[i].says)
            assert_non_null(strstr(buf_str(&answer), cases[i].says));
    }
    solves(state);
}

static pid_t parent_of(const char *pid)
{
    char path[300];
    auto_(buf) struct buf text = BUF_INIT(4096);
    struct err err;
    (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
    if (io_read_file(path, &text, &err) < 0 || !strrchr(buf_str(&text), ')'))
        return 0;
    return (pid_t)strtol(strrchr(buf_str(&text), ')') + 4, NULL, 10);
}

/* Our descendant of that generation, by /proc: 1 the guard, 2 the keeper, 3 the child. */
static pid_t descendant(int generation)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e = readdir(proc); e; e = readdir(proc)) {
        char above[32];
        pid_t parent = 0;
        if (strspn(e->d_name, "0123456789") != strlen(e->d_name))
            continue;
        (void)text_copy(above, sizeof above, e->d_name);
        for (int i = 0; i < generation; i++) {
            parent = parent_of(above);
            (void)snprintf(above, sizeof above, "%d", (int)parent);
        }
        if (parent == getpid())
            found = (pid_t)strtol(e->d_name, NULL, 10);
    }
    (void)closedir(proc);
    return found;
}

/* It is the next question that notices; the one after starts a new child. */
static void killed_child_is_replaced(void **state)
{
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
    load_player(state);
    pid_t child = descendant(3);
    assert_true(child > 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    int first = ask(state, FRAME_SOLVE, "p1", "[[null,\"xyz\"]]", &answer);
    assert_int_equal(first, FRAME_DIED);
    solves(state);
}

/* A child that is not given the processor is not to blame: who asks may try again. It ends in time all the
 * same. */
static void starved_child_is_told_from_a_hostile_one(void **state)
{
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
    load_player(state);
    pid_t child = descendant(3);
    assert_true(child > 0);
    assert_int_equal(kill(child, SIGSTOP), 0);
    int64_t start_us = clock_mono_us();
    assert_int_equal(ask(state, FRAME_SOLVE, "p1", "[[null,\"xyz\"]]", &answer), FRAME_STARVED);
    assert_true(clock_mono_us() - start_us < LIMIT_US);
    solves(state);
}

/* It is noticed at once, and the new one asked; it has no player yet. */
static void killed_keeper_is_replaced(void **state)
{
    for (int i = 0; i < 3; i++) {
        auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
        load_player(state);
        pid_t keeper = descendant(2);
        assert_true(keeper > 0);
        assert_int_equal(kill(keeper, SIGKILL), 0);
        assert_int_equal(ask(state, FRAME_SOLVE, "p1", "[[null,\"xyz\"]]", &answer), FRAME_MISSING);
        solves(state);
    }
}

/* In the middle of a question: another keeper is asked the same. */
static void *kill_keeper(void *arg)
{
    (void)arg;
    clock_sleep_ms(100);
    (void)kill(descendant(2), SIGKILL);
    return NULL;
}

static void keeper_killed_while_it_works(void **state)
{
    static const char endless[] = "for (;;);";
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1);
    pthread_t thread;
    load_player(state);
    assert_int_equal(pthread_create(&thread, NULL, kill_keeper, NULL), 0);
    assert_in_range(ask(state, FRAME_LOAD, "p2", endless, &answer), FRAME_KILLED, FRAME_STARVED);
    (void)pthread_join(thread, NULL);
    solves(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves),
        cmocka_unit_test(hostile_scripts),
        cmocka_unit_test(killed_child_is_replaced),
        cmocka_unit_test(starved_child_is_told_from_a_hostile_one),
        cmocka_unit_test(killed_keeper_is_replaced),
        cmocka_unit_test(keeper_killed_while_it_works),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
