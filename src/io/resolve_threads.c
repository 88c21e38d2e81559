#include "io/resolve_threads.h"

#include "io/system.h"
#include "io/thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDLE_SECONDS 10
/* A server answers sooner than that. */
#define STUCK_AFTER SL_SECOND
/* Resolvers give up by themselves about then; an older question may hang for
 * good. */
#define WORTH_WAITING (10 * SL_SECOND)
/* Name service modules are generous with the stack. */
#define STACK_SIZE ((size_t)512 * 1024)

enum worker_state {
    WORKER_NONE,
    WORKER_IDLE,    /* ends soon when asked to */
    WORKER_LOOKING, /* may take as long as it likes */
    WORKER_OVER     /* ended by itself, to be joined */
};

struct worker {
    pthread_t thread;
    enum worker_state state;
    struct sl_question *question; /* while looking */
    int64_t since;                /* that it looks */
    bool is_given_up;             /* the answer has no waiter */
};

/* State shared with the threads; it lives as long as they do. */
struct sl_resolve_threads {
    pthread_mutex_t lock;
    pthread_cond_t has_question;
    int refs;             /* the resolver, each thread */
    struct sl_loop *loop; /* NULL: closed */
    struct sl_question *first;
    struct sl_question *last;
    size_t waiting;
    struct worker workers[SL_RESOLVE_MOST_THREADS];
};

/* ---- on a worker thread ---- */

void sl_question_free(struct sl_question *question)
{
    if (question->found != NULL)
        freeaddrinfo(question->found);
    free(question);
}

/* The C library takes a file or socket that it could not open for a name that
 * does not exist. */
static int cause_of(int error, int system_error)
{
    if (error == EAI_SYSTEM || system_error == EMFILE || system_error == ENFILE)
        return system_error;
    return 0;
}

static void answer(struct sl_question *question)
{
    struct addrinfo hints;
    char port[8];

    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    snprintf(port, sizeof port, "%u", (unsigned)(question->port & 0xFFFF));
    errno = 0;
    question->error =
        question->lookup(question->host, port, &hints, &question->found);
    if (question->error != 0)
        question->system_error = cause_of(question->error, errno);
}

static void free_all(struct sl_resolve_threads *threads)
{
    pthread_cond_destroy(&threads->has_question);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}

static void release(struct sl_resolve_threads *threads)
{
    bool is_last;

    pthread_mutex_lock(&threads->lock);
    is_last = --threads->refs == 0;
    pthread_mutex_unlock(&threads->lock);
    if (is_last)
        free_all(threads);
}

static bool is_stuck(const struct worker *worker, int64_t now)
{
    return worker->state == WORKER_LOOKING &&
           (worker->is_given_up || now - worker->since >= STUCK_AFTER);
}

/* With the lock held. */
struct force {
    size_t idle;  /* take a question soon */
    size_t fit;   /* idle threads, and those that are not stuck */
    size_t count; /* all threads there are */
};

static struct force muster(const struct sl_resolve_threads *threads,
                           int64_t now)
{
    struct force force = {0, 0, 0};

    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        const struct worker *worker = &threads->workers[i];

        if (worker->state != WORKER_IDLE && worker->state != WORKER_LOOKING)
            continue;
        force.count++;
        force.idle += worker->state == WORKER_IDLE;
        force.fit += !is_stuck(worker, now);
    }
    return force;
}

/* Waits for the next question; NULL: time to end. With the lock held. */
static struct sl_question *wait_for_question(struct sl_resolve_threads *threads)
{
    int64_t until = sl_clock_now() + IDLE_SECONDS * SL_SECOND;

    while (threads->first == NULL && threads->loop != NULL) {
        if (sl_condition_wait(&threads->has_question, &threads->lock, until) ==
            ETIMEDOUT)
            break;
    }
    return threads->loop != NULL ? threads->first : NULL;
}

/* Takes a question out of the queue. With the lock held. */
static bool take_question(struct sl_resolve_threads *threads,
                          struct sl_question *question)
{
    struct sl_question **place = &threads->first;
    struct sl_question *before = NULL;

    while (*place != NULL && *place != question) {
        before = *place;
        place = &before->next;
    }
    if (*place == NULL)
        return false;
    *place = question->next;
    if (threads->last == question)
        threads->last = before;
    threads->waiting--;
    question->next = NULL;
    return true;
}

struct start {
    struct sl_resolve_threads *threads;
    struct worker *worker;
};

static void *work(void *argument)
{
    struct sl_resolve_threads *threads = ((struct start *)argument)->threads;
    struct worker *worker = ((struct start *)argument)->worker;
    struct sl_question *question;
    bool is_last;

    free(argument);
    pthread_mutex_lock(&threads->lock);
    while ((question = wait_for_question(threads)) != NULL) {
        take_question(threads, question);
        worker->state = WORKER_LOOKING;
        worker->question = question;
        worker->since = sl_clock_now();
        worker->is_given_up = false;
        pthread_mutex_unlock(&threads->lock);
        answer(question);
        pthread_mutex_lock(&threads->lock);
        worker->state = WORKER_IDLE;
        worker->question = NULL;
        if (threads->loop != NULL)
            sl_loop_post(threads->loop, &question->post);
        else
            sl_question_free(question);
        /* The thread was stuck, and others have its place. */
        if (muster(threads, sl_clock_now()).fit > SL_RESOLVE_THREADS)
            break;
    }
    /* From this state on the thread may be joined: it needs the lock no
     * more. */
    worker->state = WORKER_OVER;
    is_last = --threads->refs == 0;
    pthread_mutex_unlock(&threads->lock);
    if (is_last)
        free_all(threads);
    return NULL;
}

/* ---- a life ---- */

struct sl_resolve_threads *sl_resolve_threads_create(struct sl_loop *loop)
{
    struct sl_resolve_threads *threads = calloc(1, sizeof *threads);

    if (threads == NULL)
        return NULL;
    threads->refs = 1;
    threads->loop = loop;
    if (pthread_mutex_init(&threads->lock, NULL) != 0)
        goto fail;
    if (sl_condition_init(&threads->has_question) != 0)
        goto fail_lock;
    return threads;

fail_lock:
    pthread_mutex_destroy(&threads->lock);
fail:
    free(threads);
    return NULL;
}

/* 0 or errno. With the lock held. */
static int start_worker(struct sl_resolve_threads *threads)
{
    struct worker *worker = threads->workers;
    struct start *start;
    int error;

    while (worker->state == WORKER_IDLE || worker->state == WORKER_LOOKING)
        worker++;
    if (worker->state == WORKER_OVER)
        pthread_join(worker->thread, NULL);
    worker->state = WORKER_NONE;
    start = malloc(sizeof *start);
    if (start == NULL)
        return ENOMEM;
    start->threads = threads;
    start->worker = worker;
    error = sl_thread_start(&worker->thread, STACK_SIZE, work, start);
    if (error != 0) {
        free(start);
        return error;
    }
    worker->state = WORKER_IDLE;
    threads->refs++;
    return 0;
}

/* The time when the next thread is stuck; SL_NEVER. With the lock held. */
static int64_t next_stuck(const struct sl_resolve_threads *threads, int64_t now)
{
    int64_t due = SL_NEVER;

    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        const struct worker *worker = &threads->workers[i];

        if (worker->state == WORKER_LOOKING && !is_stuck(worker, now) &&
            worker->since + STUCK_AFTER < due)
            due = worker->since + STUCK_AFTER;
    }
    return due;
}

int sl_resolve_threads_employ(struct sl_resolve_threads *threads, int64_t *due)
{
    int64_t now = sl_clock_now();
    struct force force;
    int error = 0;

    *due = SL_NEVER;
    pthread_mutex_lock(&threads->lock);
    force = muster(threads, now);
    while (error == 0 && threads->waiting > force.idle &&
           force.fit < SL_RESOLVE_THREADS &&
           force.count < SL_RESOLVE_MOST_THREADS) {
        error = start_worker(threads);
        force = muster(threads, now);
    }
    if (threads->waiting > force.idle)
        *due = next_stuck(threads, now);
    pthread_mutex_unlock(&threads->lock);
    return force.count == 0 ? error : 0;
}

/* ---- questions ---- */

void sl_resolve_threads_put(struct sl_resolve_threads *threads,
                            struct sl_question *question)
{
    pthread_mutex_lock(&threads->lock);
    if (threads->last != NULL)
        threads->last->next = question;
    else
        threads->first = question;
    threads->last = question;
    threads->waiting++;
    pthread_cond_signal(&threads->has_question);
    pthread_mutex_unlock(&threads->lock);
}

bool sl_resolve_threads_withdraw(struct sl_resolve_threads *threads,
                                 struct sl_question *question)
{
    bool was_waiting;

    pthread_mutex_lock(&threads->lock);
    was_waiting = take_question(threads, question);
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        if (threads->workers[i].question == question)
            threads->workers[i].is_given_up = true;
    }
    pthread_mutex_unlock(&threads->lock);
    return was_waiting;
}

struct sl_question *
sl_resolve_threads_revive(struct sl_resolve_threads *threads,
                          sl_resolve_function *lookup, const char *host,
                          int port)
{
    struct sl_question *found = NULL;
    int64_t now = sl_clock_now();

    pthread_mutex_lock(&threads->lock);
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS && found == NULL; i++) {
        struct worker *worker = &threads->workers[i];
        struct sl_question *question = worker->question;

        if (question != NULL && worker->is_given_up &&
            now - worker->since < WORTH_WAITING && question->lookup == lookup &&
            question->port == port && strcmp(question->host, host) == 0) {
            worker->is_given_up = false;
            found = question;
        }
    }
    pthread_mutex_unlock(&threads->lock);
    return found;
}

/* ---- the end ---- */

/* A thread that is left behind will return into this module's code, which must
 * not be unloaded under it. */
static void stay_loaded(void)
{
    Dl_info info;

    if (dladdr((void *)(uintptr_t)stay_loaded, &info) != 0 &&
        info.dli_fname != NULL)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void sl_resolve_threads_dismiss(struct sl_resolve_threads *threads)
{
    bool to_join[SL_RESOLVE_MOST_THREADS];

    pthread_mutex_lock(&threads->lock);
    threads->loop = NULL;
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        enum worker_state state = threads->workers[i].state;

        to_join[i] = state == WORKER_IDLE || state == WORKER_OVER;
        if (state == WORKER_LOOKING) {
            pthread_detach(threads->workers[i].thread);
            stay_loaded();
        }
    }
    pthread_cond_broadcast(&threads->has_question);
    pthread_mutex_unlock(&threads->lock);
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        if (to_join[i])
            pthread_join(threads->workers[i].thread, NULL);
    }
    release(threads);
}
