#include "io/resolve.h"

#include "io/resolve_threads.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sl_resolver {
    struct sl_lookup_source source;
    struct sl_loop *loop;
    struct sl_resolve_threads *threads;
    sl_resolve_function *lookup;
    struct sl_timer aging; /* while names wait: when the next thread is stuck */
    bool is_closing;       /* no more threads are started */
};

/* ---- literals ---- */

bool sl_resolve_literal(const char *host, int port, struct sl_address *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&address->storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&address->storage;
    char text[SL_RESOLVE_HOST_SIZE];
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

/* ---- look-ups ---- */

/* Starts threads now, and again when one gets stuck. 0, or errno when there is
 * no thread. */
static int employ(struct sl_resolver *self)
{
    int64_t due;
    int error;

    if (self->is_closing)
        return 0;
    error = sl_resolve_threads_employ(self->threads, &due);
    if (due != SL_NEVER)
        sl_timer_arm(&self->loop->timers, &self->aging, due);
    else
        sl_timer_disarm(&self->loop->timers, &self->aging);
    return error;
}

static void aged(struct sl_timer *timer)
{
    employ((struct sl_resolver *)(void *)((char *)timer -
                                          offsetof(struct sl_resolver, aging)));
}

static void refuse(struct sl_lookup *lookup, int system_error)
{
    struct sl_failure failure;

    if (system_error == ENOMEM)
        sl_fail(&failure, SL_MEMORY, SL_STAGE_RESOLVE, "out of memory");
    else
        sl_fail_system(&failure, SL_CONNECT, SL_STAGE_RESOLVE, system_error);
    sl_lookup_fail(lookup, &failure);
}

static void refuse_thread(struct sl_lookup *lookup, int system_error)
{
    struct sl_failure cause;
    struct sl_failure failure;

    sl_fail_system(&cause, SL_RESOLVE, SL_STAGE_RESOLVE, system_error);
    sl_fail(&failure, SL_RESOLVE, SL_STAGE_RESOLVE, "cannot start a thread: %s",
            cause.reason);
    failure.system_error = system_error;
    sl_lookup_fail(lookup, &failure);
}

static void arrive(struct sl_post *post);

static void ask(struct sl_resolver *self, struct sl_lookup *lookup)
{
    struct sl_question *question = calloc(1, sizeof *question);
    int error;

    if (question == NULL) {
        refuse(lookup, ENOMEM);
        return;
    }
    question->post.arrive = arrive;
    question->lookup = self->lookup;
    question->resolver = self;
    question->asked = lookup;
    /* RFC 6761 6.3: no question for the DNS, however it is written. */
    strcpy(question->host, strcasecmp(sl_lookup_host(lookup), "localhost.") == 0
                               ? "localhost"
                               : sl_lookup_host(lookup));
    question->port = sl_lookup_port(lookup);
    sl_lookup_set_data(lookup, question);
    sl_resolve_threads_put(self->threads, question);
    error = employ(self);
    if (error == 0)
        return;
    sl_resolve_threads_withdraw(self->threads, question);
    sl_question_free(question);
    refuse_thread(lookup, error);
}

static void start(void *owner, struct sl_lookup *lookup)
{
    struct sl_resolver *self = owner;
    const char *host = sl_lookup_host(lookup);
    struct sl_address literal;
    struct sl_failure failure;
    struct sl_question *question;

    if (sl_resolve_literal(host, sl_lookup_port(lookup), &literal)) {
        sl_lookup_answer(lookup, &literal, 1);
        return;
    }
    if (strlen(host) >= SL_RESOLVE_HOST_SIZE) {
        sl_fail(&failure, SL_RESOLVE, SL_STAGE_RESOLVE,
                "name is longer than %d bytes", SL_RESOLVE_HOST_SIZE - 1);
        sl_lookup_fail(lookup, &failure);
        return;
    }
    errno = 0;
    if (sl_loop_open_posts(self->loop) != SL_OK) {
        refuse(lookup, errno != 0 ? errno : ENOMEM);
        return;
    }
    /* A name that hangs and is asked for again and again takes one thread. */
    question = sl_resolve_threads_revive(self->threads, self->lookup, host,
                                         sl_lookup_port(lookup));
    if (question == NULL) {
        ask(self, lookup);
        return;
    }
    question->asked = lookup;
    sl_lookup_set_data(lookup, question);
}

static void cancel(void *owner, struct sl_lookup *lookup)
{
    struct sl_resolver *self = owner;
    struct sl_question *question = sl_lookup_data(lookup);

    question->asked = NULL;
    /* In a child of fork the lock may be held for ever. */
    if (sl_loop_is_forked(self->loop))
        return;
    if (sl_resolve_threads_withdraw(self->threads, question))
        sl_question_free(question);
    employ(self);
}

static void tell_addresses(const struct sl_question *question)
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    const struct addrinfo *next = question->found;
    size_t count = 0;

    memset(addresses, 0, sizeof addresses);
    for (; next != NULL && count < SL_LOOKUP_ADDRESSES; next = next->ai_next) {
        struct sl_address *address = &addresses[count];

        if ((next->ai_family != AF_INET && next->ai_family != AF_INET6) ||
            next->ai_addrlen > sizeof address->storage)
            continue;
        memcpy(&address->storage, next->ai_addr, next->ai_addrlen);
        address->size = next->ai_addrlen;
        count++;
    }
    sl_lookup_answer(question->asked, addresses, count);
}

static void tell_failure(const struct sl_question *question)
{
    struct sl_failure failure;

    if (question->system_error == EMFILE || question->system_error == ENFILE) {
        refuse(question->asked, question->system_error);
        return;
    }
    if (question->error == EAI_SYSTEM)
        sl_fail_system(&failure, SL_RESOLVE, SL_STAGE_RESOLVE,
                       question->system_error);
    else
        sl_fail(&failure, SL_RESOLVE, SL_STAGE_RESOLVE, "%s",
                gai_strerror(question->error));
    failure.is_retryable = true;
    failure.reason[0] = (char)tolower((unsigned char)failure.reason[0]);
    sl_lookup_fail(question->asked, &failure);
}

/* An answer arrives; the resolver exists as long as its questions are asked. */
static void arrive(struct sl_post *post)
{
    struct sl_question *question =
        (struct sl_question *)(void *)((char *)post -
                                       offsetof(struct sl_question, post));

    if (question->asked != NULL) {
        if (question->error == 0)
            tell_addresses(question);
        else
            tell_failure(question);
        employ(question->resolver);
    }
    sl_question_free(question);
}

/* ---- a life ---- */

enum sl_status sl_resolver_create(struct sl_loop *loop,
                                  struct sl_resolver **resolver)
{
    struct sl_resolver *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);

    if (self == NULL)
        return SL_MEMORY;
    self->loop = loop;
    self->lookup = getaddrinfo;
    self->threads = sl_resolve_threads_create(loop);
    if (self->threads == NULL) {
        sl_free(loop->allocator, self, sizeof *self);
        return SL_MEMORY;
    }
    sl_lookup_source_init(&self->source, loop, start, cancel, self);
    sl_timer_init(&self->aging, aged);
    *resolver = self;
    return SL_OK;
}

struct sl_lookup_source *sl_resolver_source(struct sl_resolver *resolver)
{
    return &resolver->source;
}

void sl_resolver_set_lookup(struct sl_resolver *resolver,
                            int (*lookup)(const char *host, const char *port,
                                          const struct addrinfo *hints,
                                          struct addrinfo **result))
{
    resolver->lookup = lookup != NULL ? lookup : getaddrinfo;
}

void sl_resolver_destroy(struct sl_resolver *resolver)
{
    struct sl_loop *loop = resolver->loop;
    struct sl_resolve_threads *threads = resolver->threads;
    /* In a child of fork the threads do not exist, and one of them may have
     * held the lock: that memory is left to itself. */
    bool is_forked = sl_loop_is_forked(loop);

    resolver->is_closing = true;
    sl_lookup_source_fini(&resolver->source);
    sl_timer_disarm(&loop->timers, &resolver->aging);
    sl_free(loop->allocator, resolver, sizeof *resolver);
    if (!is_forked)
        sl_resolve_threads_dismiss(threads);
}
