#include "io/resolve.h"

#include "base/debug.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define IDLE_SECONDS 10
/* Name service modules are generous with the stack. */
#define STACK_SIZE ((size_t)512 * 1024)
#define HOST_SIZE  256

/* What a thread works on. It outlives the resolver and the loop if it must, so
 * it comes from malloc and not from the loop's allocator. */
struct question {
    struct sl_post post;
    atomic_int refs; /* the job or the loop's queue, and the thread */
    struct question *next;
    int (*lookup)(const char *host, const char *port,
                  const struct addrinfo *hints, struct addrinfo **result);
    struct sl_resolve_job *job; /* of the loop's thread; NULL: nobody cares */
    char host[HOST_SIZE];
    char port[8];
    int error; /* of getaddrinfo; 0: `addresses` */
    int system_error;
    size_t count;
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
};

enum worker_state {
    WORKER_NONE,
    WORKER_IDLE,    /* ends soon when told to */
    WORKER_LOOKING, /* may take as long as it likes */
    WORKER_OVER     /* ended by itself, to be joined */
};

struct worker {
    pthread_t thread;
    enum worker_state state;
};

/* Shared with the threads; the same lifetime as theirs. */
struct office {
    pthread_mutex_t lock;
    pthread_cond_t has_question;
    int refs;             /* the resolver, each job, each thread */
    struct sl_loop *loop; /* NULL: closed */
    struct question *first;
    struct question *last;
    size_t waiting;
    size_t idle;
    struct worker workers[SL_RESOLVE_THREADS];
};

struct sl_resolver {
    struct sl_loop *loop;
    struct office *office;
    int (*lookup)(const char *host, const char *port,
                  const struct addrinfo *hints, struct addrinfo **result);
};

struct sl_resolve_job {
    struct sl_completion completion;
    struct office *office;
    struct question *question;
    void (*done)(void *owner);
    void *owner;
};

/* ---- literals ---- */

bool sl_resolve_literal(const char *host, int port, struct sl_address *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&address->storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&address->storage;
    char text[HOST_SIZE];
    char *zone;

    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        address->size = sizeof *four;
        return true;
    }
    if (strlen(host) >= sizeof text)
        return false;
    strcpy(text, host);
    zone = strchr(text, '%'); /* RFC 4007: fe80::1%eth0 */
    if (zone != NULL)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
        return false;
    if (zone != NULL) {
        six->sin6_scope_id = if_nametoindex(zone);
        if (six->sin6_scope_id == 0)
            return false;
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    address->size = sizeof *six;
    return true;
}

/* ---- on a worker thread ---- */

static void question_release(struct question *question)
{
    if (atomic_fetch_sub_explicit(&question->refs, 1, memory_order_acq_rel) ==
        1)
        free(question);
}

static void take_addresses(struct question *question,
                           const struct addrinfo *found)
{
    for (; found != NULL && question->count < SL_RESOLVE_ADDRESSES;
         found = found->ai_next) {
        struct sl_address *address = &question->addresses[question->count];

        if ((found->ai_family != AF_INET && found->ai_family != AF_INET6) ||
            found->ai_addrlen > sizeof address->storage)
            continue;
        memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
        address->size = found->ai_addrlen;
        question->count++;
    }
}

static void answer(struct question *question)
{
    struct addrinfo hints;
    struct addrinfo *found = NULL;

    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    question->error =
        question->lookup(question->host, question->port, &hints, &found);
    question->system_error = question->error == EAI_SYSTEM ? errno : 0;
    if (question->error == 0) {
        take_addresses(question, found);
        if (question->count == 0)
            question->error = EAI_NONAME;
    }
    if (found != NULL)
        freeaddrinfo(found);
}

static void office_free(struct office *office)
{
    pthread_cond_destroy(&office->has_question);
    pthread_mutex_destroy(&office->lock);
    free(office);
}

static void office_retain(struct office *office)
{
    pthread_mutex_lock(&office->lock);
    office->refs++;
    pthread_mutex_unlock(&office->lock);
}

static void office_release(struct office *office)
{
    bool is_last;

    pthread_mutex_lock(&office->lock);
    is_last = --office->refs == 0;
    pthread_mutex_unlock(&office->lock);
    if (is_last)
        office_free(office);
}

/* With the lock held: the next question, or NULL when it is time to go. */
static struct question *wait_for_question(struct office *office)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    while (office->first == NULL && office->loop != NULL) {
        int error;

        office->idle++;
        error = pthread_cond_timedwait(&office->has_question, &office->lock,
                                       &until);
        office->idle--;
        if (error == ETIMEDOUT)
            break;
    }
    if (office->loop == NULL || office->first == NULL)
        return NULL;
    return office->first;
}

static void take_question(struct office *office, struct question *question)
{
    office->first = question->next;
    if (office->first == NULL)
        office->last = NULL;
    office->waiting--;
    question->next = NULL;
}

struct start {
    struct office *office;
    struct worker *worker;
};

static void *work(void *argument)
{
    struct office *office = ((struct start *)argument)->office;
    struct worker *worker = ((struct start *)argument)->worker;
    struct question *question;
    bool is_last;

    free(argument);
    pthread_mutex_lock(&office->lock);
    while ((question = wait_for_question(office)) != NULL) {
        take_question(office, question);
        worker->state = WORKER_LOOKING;
        pthread_mutex_unlock(&office->lock);
        answer(question);
        pthread_mutex_lock(&office->lock);
        worker->state = WORKER_IDLE;
        /* The thread's reference goes with the post. */
        if (office->loop != NULL)
            sl_loop_post(office->loop, &question->post);
        else
            question_release(question);
    }
    /* Whoever sees this state may join: the lock is not needed any more. */
    worker->state = WORKER_OVER;
    is_last = --office->refs == 0;
    pthread_mutex_unlock(&office->lock);
    if (is_last)
        office_free(office);
    return NULL;
}

/* ---- on the loop's thread ---- */

static struct office *office_create(struct sl_loop *loop)
{
    struct office *office = calloc(1, sizeof *office);
    pthread_condattr_t attributes;

    if (office == NULL)
        return NULL;
    office->refs = 1;
    office->loop = loop;
    if (pthread_mutex_init(&office->lock, NULL) != 0)
        goto fail;
    if (pthread_condattr_init(&attributes) != 0)
        goto fail_lock;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (pthread_cond_init(&office->has_question, &attributes) != 0)
        goto fail_attributes;
    pthread_condattr_destroy(&attributes);
    return office;

fail_attributes:
    pthread_condattr_destroy(&attributes);
fail_lock:
    pthread_mutex_destroy(&office->lock);
fail:
    free(office);
    return NULL;
}

enum sl_status sl_resolver_create(struct sl_loop *loop,
                                  struct sl_resolver **resolver)
{
    struct sl_resolver *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);

    if (self == NULL)
        return SL_MEMORY;
    self->loop = loop;
    self->lookup = getaddrinfo;
    self->office = office_create(loop);
    if (self->office == NULL) {
        sl_free(loop->allocator, self, sizeof *self);
        return SL_MEMORY;
    }
    *resolver = self;
    return SL_OK;
}

void sl_resolver_set_lookup(struct sl_resolver *resolver,
                            int (*lookup)(const char *host, const char *port,
                                          const struct addrinfo *hints,
                                          struct addrinfo **result))
{
    resolver->lookup = lookup != NULL ? lookup : getaddrinfo;
}

/* A thread that is left behind will return into this module's code, which must
 * not be unloaded under it. */
static void stay_loaded(void)
{
    Dl_info info;

    if (dladdr((void *)(uintptr_t)stay_loaded, &info) != 0 &&
        info.dli_fname != NULL)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void drop_waiting(struct office *office)
{
    while (office->first != NULL) {
        struct question *question = office->first;

        take_question(office, question);
        question_release(question);
    }
}

void sl_resolver_destroy(struct sl_resolver *resolver)
{
    struct sl_loop *loop = resolver->loop;
    struct office *office = resolver->office;
    bool to_join[SL_RESOLVE_THREADS];
    /* In a child of fork the threads do not exist, and one of them may have
     * held the lock: that memory is left to itself. */
    bool is_forked = sl_loop_is_forked(loop);

    sl_free(loop->allocator, resolver, sizeof *resolver);
    if (is_forked)
        return;
    pthread_mutex_lock(&office->lock);
    office->loop = NULL;
    drop_waiting(office);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        enum worker_state state = office->workers[i].state;

        to_join[i] = state == WORKER_IDLE || state == WORKER_OVER;
        if (state == WORKER_LOOKING) {
            pthread_detach(office->workers[i].thread);
            stay_loaded();
        }
    }
    pthread_cond_broadcast(&office->has_question);
    pthread_mutex_unlock(&office->lock);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        if (to_join[i])
            pthread_join(office->workers[i].thread, NULL);
    }
    office_release(office);
}

/* Signals stay with the program's own threads. */
static int create_thread(pthread_t *thread, void *argument)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return error;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, work, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* With the lock held. */
static int start_worker(struct office *office)
{
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        struct worker *worker = &office->workers[i];
        struct start *start;
        int error;

        if (worker->state == WORKER_IDLE || worker->state == WORKER_LOOKING)
            continue;
        if (worker->state == WORKER_OVER)
            pthread_join(worker->thread, NULL);
        worker->state = WORKER_NONE;
        start = malloc(sizeof *start);
        if (start == NULL)
            return ENOMEM;
        start->office = office;
        start->worker = worker;
        error = create_thread(&worker->thread, start);
        if (error != 0) {
            free(start);
            return error;
        }
        worker->state = WORKER_IDLE;
        office->refs++;
        return 0;
    }
    return 0; /* all are busy: the question waits */
}

static size_t worker_count(const struct office *office)
{
    size_t count = 0;

    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        count += office->workers[i].state == WORKER_IDLE ||
                 office->workers[i].state == WORKER_LOOKING;
    return count;
}

/* Hands the question to the threads. Without any thread to be had it fails. */
static enum sl_status ask(struct office *office, struct question *question)
{
    enum sl_status status = SL_OK;

    pthread_mutex_lock(&office->lock);
    if (office->waiting >= SL_RESOLVE_WAITING) {
        status = SL_LIMIT;
    } else if (office->waiting >= office->idle && start_worker(office) != 0 &&
               worker_count(office) == 0) {
        status = SL_MEMORY;
    } else {
        if (office->last != NULL)
            office->last->next = question;
        else
            office->first = question;
        office->last = question;
        office->waiting++;
        atomic_fetch_add(&question->refs, 1);
        pthread_cond_signal(&office->has_question);
    }
    pthread_mutex_unlock(&office->lock);
    return status;
}

static void arrive(struct sl_post *post)
{
    struct question *question =
        (struct question *)(void *)((char *)post -
                                    offsetof(struct question, post));

    if (question->job != NULL)
        sl_completion_signal(&question->job->completion, SL_OK, 0);
    question_release(question);
}

static void deliver(struct sl_completion *completion)
{
    struct sl_resolve_job *job = (struct sl_resolve_job *)(void *)completion;

    job->done(job->owner);
}

enum sl_status sl_resolve_begin(struct sl_resolver *resolver, const char *host,
                                int port, void (*done)(void *owner),
                                void *owner, struct sl_resolve_job **job)
{
    struct sl_loop *loop = resolver->loop;
    struct sl_resolve_job *self;
    struct question *question;
    enum sl_status status;

    if (strlen(host) >= HOST_SIZE)
        return SL_INVALID;
    self = sl_allocate_zeroed(loop->allocator, sizeof *self);
    question = calloc(1, sizeof *question);
    if (self == NULL || question == NULL) {
        status = SL_MEMORY;
        goto fail;
    }
    atomic_init(&question->refs, 1);
    question->post.arrive = arrive;
    question->lookup = resolver->lookup;
    question->job = self;
    strcpy(question->host, host);
    snprintf(question->port, sizeof question->port, "%u",
             (unsigned)(port & 0xFFFF));
    self->office = resolver->office;
    self->question = question;
    self->done = done;
    self->owner = owner;
    sl_completion_init(&self->completion, loop, deliver);
    sl_completion_begin(&self->completion);
    if (sl_resolve_literal(host, port, &question->addresses[0])) {
        question->count = 1;
        sl_completion_signal(&self->completion, SL_OK, 0);
        status = SL_OK;
    } else {
        status = sl_loop_open_posts(loop);
        if (status == SL_OK)
            status = ask(resolver->office, question);
    }
    if (status == SL_OK) {
        office_retain(resolver->office);
        *job = self;
        return SL_OK;
    }
    sl_completion_fini(&self->completion);

fail:
    free(question);
    sl_free(loop->allocator, self, sizeof *self);
    return status;
}

static void fail_resolve(const struct question *question,
                         struct sl_failure *failure)
{
    char reason[sizeof failure->reason];

    if (question->error == EAI_SYSTEM) {
        sl_fail_system(failure, SL_RESOLVE, SL_STAGE_RESOLVE,
                       question->system_error);
        return;
    }
    snprintf(reason, sizeof reason, "%s", gai_strerror(question->error));
    sl_fail(failure, SL_RESOLVE, SL_STAGE_RESOLVE, "%s", reason);
}

enum sl_status sl_resolve_result(struct sl_resolve_job *job,
                                 struct sl_address *addresses, size_t *count,
                                 struct sl_failure *failure)
{
    const struct question *question = job->question;

    if (question->error != 0) {
        fail_resolve(question, failure);
        failure->is_retryable = true;
        failure->reason[0] = (char)tolower((unsigned char)failure->reason[0]);
        return SL_RESOLVE;
    }
    memcpy(addresses, question->addresses, question->count * sizeof *addresses);
    *count = question->count;
    return SL_OK;
}

/* A question that no thread has taken yet is taken back. */
static void withdraw(struct office *office, struct question *question)
{
    struct question **place;
    struct question *before = NULL;

    pthread_mutex_lock(&office->lock);
    for (place = &office->first; *place != NULL; place = &(*place)->next) {
        if (*place == question) {
            *place = question->next;
            if (office->last == question)
                office->last = before;
            office->waiting--;
            question_release(question);
            break;
        }
        before = *place;
    }
    pthread_mutex_unlock(&office->lock);
}

void sl_resolve_destroy(struct sl_resolve_job *job)
{
    struct sl_loop *loop = job->completion.loop;

    job->question->job = NULL;
    /* As for the resolver: in a child the lock may be held for ever. */
    if (!sl_loop_is_forked(loop)) {
        if (job->completion.state == SL_COMPLETION_PENDING)
            withdraw(job->office, job->question);
        office_release(job->office);
    }
    question_release(job->question);
    sl_completion_fini(&job->completion);
    sl_free(loop->allocator, job, sizeof *job);
}
