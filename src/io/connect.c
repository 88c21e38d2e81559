#include "io/connect.h"

#include "io/platform.h"
#include "io/system.h"
#include "io/target.h"
#include "io/transport_class.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* RFC 8305 5: Connection Attempt Delay. */
#define ATTEMPT_DELAY (250 * SL_MILLISECOND)

/* The delays between attempts at a unix socket whose backlog is full: from the
 * first, doubled each time, to the last. */
#define BACKLOG_DELAY_LEAST (1 * SL_MILLISECOND)
#define BACKLOG_DELAY_MOST  (64 * SL_MILLISECOND)

/* An attempt at one address. It may outlive its connector: the kernel may still
 * be at work on it. */
struct attempt {
    struct sl_operation operation; /* first: deliver finds the attempt by it */
    struct sl_socket socket;
    struct sl_address address;
    struct sl_connector *connector; /* NULL: the result is not wanted */
    struct attempt *next;
};

/* Strings stand behind the struct. */
struct sl_connector {
    struct sl_completion completion;
    struct sl_loop *loop;
    size_t size; /* of the whole allocation */
    struct sl_target target;
    enum sl_transport_mode mode;
    struct sl_pool *pool;
    const struct sl_backend_class *class;
    bool may_choose; /* any other backend will do */
    int64_t resolve_timeout;
    int64_t connect_timeout;
    int64_t deadline;
    int64_t began;
    int64_t resolved;
    int64_t connected;
    void (*done)(void *owner);
    void *owner;
    struct sl_lookup_asker asker;
    struct sl_timer stage_timer;
    struct sl_timer race_timer; /* the next address, or the same once more */
    int64_t backlog_delay;
    enum sl_stage stage;
    struct attempt *attempts;
    struct sl_transport *transport; /* the result, until it is taken */
    struct sl_failure failure;
    bool has_local;
    struct sl_address local;
    size_t address_count;
    size_t next_address;
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
};

/* ---- failures ---- */

static void fail_with(struct sl_connector *self,
                      const struct sl_address *address, enum sl_status status,
                      enum sl_stage stage, int system_error, const char *reason)
{
    sl_target_fail(&self->target, address, &self->failure, status, stage,
                   system_error, reason);
}

static void fail_attempt(struct sl_connector *self,
                         const struct sl_address *address, int system_error)
{
    struct sl_failure text;

    sl_fail_system(&text, SL_CONNECT, SL_STAGE_CONNECT, system_error);
    fail_with(self, address, SL_CONNECT, SL_STAGE_CONNECT, system_error,
              text.reason);
}

static void fail_memory(struct sl_connector *self)
{
    fail_with(self, NULL, SL_MEMORY, SL_STAGE_CONNECT, 0, "out of memory");
}

/* ---- attempts ---- */

static void unlink_attempt(struct attempt *attempt)
{
    struct attempt **place = &attempt->connector->attempts;

    while (*place != attempt)
        place = &(*place)->next;
    *place = attempt->next;
    attempt->connector = NULL;
}

static void free_attempt(struct attempt *attempt)
{
    struct sl_loop *loop = attempt->operation.completion.loop;

    sl_completion_fini(&attempt->operation.completion);
    sl_socket_close(loop, &attempt->socket, false);
    sl_free(loop->allocator, attempt, sizeof *attempt);
}

/* The attempt ends by its own completion, unless it can end now. */
static void abandon_attempt(struct attempt *attempt)
{
    struct sl_operation *operation = &attempt->operation;
    struct sl_backend *backend = attempt->socket.backend;

    unlink_attempt(attempt);
    if (sl_loop_is_forked(operation->completion.loop)) {
        free_attempt(attempt);
        return;
    }
    sl_completion_set_background(&operation->completion, true);
    if (operation->completion.state == SL_COMPLETION_PENDING &&
        operation->completion.loop->backend_count > 0) {
        backend->class->cancel(backend, operation);
        sl_backend_settle(backend);
    }
    if (sl_completion_is_over(&operation->completion))
        free_attempt(attempt);
}

/* Ends everything but the result. Idempotent. */
static void stop(struct sl_connector *self)
{
    sl_timer_disarm(&self->loop->timers, &self->stage_timer);
    sl_timer_disarm(&self->loop->timers, &self->race_timer);
    sl_lookup_leave(&self->asker);
    while (self->attempts != NULL)
        abandon_attempt(self->attempts);
}

static void finish(struct sl_connector *self)
{
    stop(self);
    self->connected = sl_loop_refresh(self->loop);
    sl_completion_signal(&self->completion, SL_OK, 0);
}

static void win(struct sl_connector *self, struct attempt *attempt)
{
    enum sl_status status = sl_transport_from_socket(
        self->loop, self->pool, self->mode, &attempt->socket, &self->transport);

    if (status == SL_MEMORY)
        fail_memory(self);
    else if (status != SL_OK)
        fail_with(self, NULL, status, SL_STAGE_CONNECT, 0,
                  sl_status_name(status));
    unlink_attempt(attempt);
    free_attempt(attempt);
    finish(self);
}

/* 0 or errno. */
static int open_socket(const struct sl_connector *self, struct attempt *attempt)
{
    const struct sockaddr *local = (const void *)&self->local.storage;
    int family = attempt->address.storage.ss_family;
    int yes = 1;
    int fd;

    if (self->has_local && self->local.storage.ss_family != family)
        return EAFNOSUPPORT;
    fd = sl_socket_open(family);
    if (fd < 0)
        return errno;
    self->loop->descriptors++;
    sl_socket_init(&attempt->socket, fd);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (self->has_local && bind(fd, local, self->local.size) != 0)
        return errno;
    return 0;
}

/* A backend that was not chosen by name gives way when it cannot be opened
 * though the machine has it. */
static enum sl_status open_backend(struct sl_connector *self,
                                   struct sl_backend **backend)
{
    const struct sl_backend_class *const *next = sl_platform()->backends;
    enum sl_status status = sl_loop_backend(self->loop, self->class, backend);

    if (self->may_choose) {
        while (status != SL_OK && *++next != NULL)
            status = sl_loop_backend(self->loop, *next, backend);
    }
    return status;
}

static int attach_socket(struct sl_connector *self, struct attempt *attempt)
{
    struct sl_backend *backend;
    enum sl_status status;

    errno = 0;
    status = open_backend(self, &backend);
    if (status == SL_OK)
        status = backend->class->attach(backend, &attempt->socket);
    if (status == SL_OK)
        return 0;
    if (status == SL_MEMORY)
        return ENOMEM;
    return errno != 0 ? errno : ENOSYS;
}

static void attempt_over(struct sl_completion *completion);

/* Starts an attempt; NULL: it failed on the spot, see `failure`. */
static struct attempt *start_attempt(struct sl_connector *self,
                                     const struct sl_address *address)
{
    struct sl_loop *loop = self->loop;
    struct attempt *attempt =
        sl_allocate_zeroed(loop->allocator, sizeof *attempt);
    struct sl_operation *operation;
    int error;

    if (attempt == NULL) {
        fail_memory(self);
        return NULL;
    }
    operation = &attempt->operation;
    attempt->address = *address;
    attempt->socket.fd = -1;
    sl_completion_init(&operation->completion, loop, attempt_over);
    operation->completion.is_internal = true;
    error = open_socket(self, attempt);
    if (error == 0)
        error = attach_socket(self, attempt);
    if (error != 0) {
        fail_attempt(self, address, error);
        free_attempt(attempt);
        return NULL;
    }
    operation->kind = SL_OPERATION_CONNECT;
    operation->socket = &attempt->socket;
    operation->address = (const void *)&attempt->address.storage;
    operation->address_size = attempt->address.size;
    attempt->connector = self;
    attempt->next = self->attempts;
    self->attempts = attempt;
    sl_completion_begin(&operation->completion);
    attempt->socket.backend->class->submit(attempt->socket.backend, operation);
    return attempt;
}

/* Takes the end of an attempt. True: it failed, and nothing else ended. */
static bool take_failure(struct sl_connector *self, struct attempt *attempt)
{
    const struct sl_completion *completion = &attempt->operation.completion;

    if (completion->status == SL_OK) {
        win(self, attempt);
        return false;
    }
    fail_attempt(self, &attempt->address, completion->system_error);
    unlink_attempt(attempt);
    free_attempt(attempt);
    return true;
}

/* Linux does not let a unix socket wait for room in the backlog as TCP does: it
 * is tried again until the deadline. */
static bool wait_for_backlog(struct sl_connector *self)
{
    if (self->target.unix_path == NULL || self->failure.system_error != EAGAIN)
        return false;
    self->backlog_delay = self->backlog_delay == 0 ? BACKLOG_DELAY_LEAST
                                                   : 2 * self->backlog_delay;
    if (self->backlog_delay > BACKLOG_DELAY_MOST)
        self->backlog_delay = BACKLOG_DELAY_MOST;
    self->next_address = 0;
    sl_timer_arm(&self->loop->timers, &self->race_timer,
                 self->loop->now + self->backlog_delay);
    return true;
}

/* Starts at the next address that does not fail on the spot. */
static void start_next(struct sl_connector *self)
{
    while (self->next_address < self->address_count) {
        struct attempt *attempt =
            start_attempt(self, &self->addresses[self->next_address++]);

        if (attempt == NULL)
            continue;
        if (attempt->operation.completion.state != SL_COMPLETION_DONE) {
            if (self->next_address < self->address_count)
                sl_timer_arm(&self->loop->timers, &self->race_timer,
                             self->loop->now + ATTEMPT_DELAY);
            return;
        }
        if (!take_failure(self, attempt))
            return;
    }
    if (self->attempts == NULL && !wait_for_backlog(self))
        finish(self);
}

static void attempt_over(struct sl_completion *completion)
{
    struct attempt *attempt = (struct attempt *)(void *)completion;
    struct sl_connector *self = attempt->connector;

    if (self == NULL) {
        free_attempt(attempt);
        return;
    }
    if (!take_failure(self, attempt))
        return;
    sl_timer_disarm(&self->loop->timers, &self->race_timer);
    start_next(self);
}

static void race(struct sl_timer *timer)
{
    struct sl_connector *self =
        (struct sl_connector *)(void *)((char *)timer -
                                        offsetof(struct sl_connector,
                                                 race_timer));

    start_next(self);
}

/* ---- stages ---- */

static void arm_stage(struct sl_connector *self, enum sl_stage stage,
                      int64_t timeout)
{
    int64_t due = self->deadline;

    self->stage = stage;
    if (timeout != SL_NEVER && self->loop->now + timeout < due)
        due = self->loop->now + timeout;
    if (due != SL_NEVER)
        sl_timer_arm(&self->loop->timers, &self->stage_timer, due);
    else
        sl_timer_disarm(&self->loop->timers, &self->stage_timer);
}

static void stage_over(struct sl_timer *timer)
{
    struct sl_connector *self =
        (struct sl_connector *)(void *)((char *)timer -
                                        offsetof(struct sl_connector,
                                                 stage_timer));

    bool resolves = self->stage == SL_STAGE_RESOLVE;
    int64_t timeout = resolves ? self->resolve_timeout : self->connect_timeout;
    char reason[96] = "timed out";

    if (self->loop->now < self->deadline)
        snprintf(reason, sizeof reason, "timed out after %g s (timeout.%s)%s",
                 (double)timeout / 1e9, resolves ? "resolve" : "connect",
                 self->backlog_delay == 0 ? ""
                                          : ", the server's backlog is full");
    fail_with(self, NULL, SL_TIMEOUT, self->stage, 0, reason);
    finish(self);
}

/* RFC 8305 4: families take turns, IPv6 first, each in the order given. */
static void interleave(struct sl_address *addresses, size_t count)
{
    struct sl_address sorted[SL_LOOKUP_ADDRESSES];
    size_t six = 0;
    size_t other = 0;
    bool is_six_next = true;

    for (size_t i = 0; i < count; i++) {
        while (six < count && addresses[six].storage.ss_family != AF_INET6)
            six++;
        while (other < count && addresses[other].storage.ss_family == AF_INET6)
            other++;
        if (six < count && (is_six_next || other == count))
            sorted[i] = addresses[six++];
        else
            sorted[i] = addresses[other++];
        is_six_next = sorted[i].storage.ss_family != AF_INET6;
    }
    memcpy(addresses, sorted, count * sizeof *addresses);
}

static void connect_all(struct sl_connector *self)
{
    interleave(self->addresses, self->address_count);
    arm_stage(self, SL_STAGE_CONNECT, self->connect_timeout);
    start_next(self);
}

static void resolved(void *owner)
{
    struct sl_connector *self = owner;
    struct sl_failure failure;
    enum sl_status status = sl_lookup_result(&self->asker, self->addresses,
                                             &self->address_count, &failure);

    sl_lookup_leave(&self->asker);
    self->resolved = sl_loop_refresh(self->loop);
    if (status == SL_OK) {
        connect_all(self);
        return;
    }
    fail_with(self, NULL, status, SL_STAGE_RESOLVE, failure.system_error,
              failure.reason);
    finish(self);
}

static void begin_resolving(struct sl_connector *self,
                            struct sl_lookup_source *source, int64_t timeout)
{
    arm_stage(self, SL_STAGE_RESOLVE, timeout);
    if (sl_lookup_ask(source, self->target.host, self->target.port, resolved,
                      self, &self->asker) == SL_OK)
        return;
    fail_memory(self);
    finish(self);
}

static void deliver(struct sl_completion *completion)
{
    struct sl_connector *self = (struct sl_connector *)(void *)completion;

    self->done(self->owner);
}

/* ---- a life ---- */

static bool unix_address(const char *path, struct sl_address *address)
{
    struct sockaddr_un *name = (struct sockaddr_un *)(void *)&address->storage;
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof name->sun_path)
        return false;
    memset(address, 0, sizeof *address);
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, path, size + 1);
    address->size = sizeof *name;
    return true;
}

/* The backend with which a completion transport gains most. NULL leaves the
 * choice to the loop. */
static const struct sl_backend_class *
choose_class(const struct sl_connect_options *options)
{
    if (options->backend != NULL || options->mode == SL_TRANSPORT_STREAM)
        return options->backend;
    return sl_platform()->backends[0];
}

static struct sl_connector *create(struct sl_loop *loop,
                                   const struct sl_connect_options *options)
{
    const char *name =
        options->unix_path != NULL ? options->unix_path : options->host;
    size_t name_size = strlen(name) + 1;
    size_t size = sizeof(struct sl_connector) + name_size;
    struct sl_connector *self = sl_allocate_zeroed(loop->allocator, size);
    char *copy;

    if (self == NULL)
        return NULL;
    copy = (char *)(self + 1);
    memcpy(copy, name, name_size);
    self->size = size;
    self->loop = loop;
    self->target.host = options->unix_path != NULL ? NULL : copy;
    self->target.unix_path = options->unix_path != NULL ? copy : NULL;
    self->target.port = options->port;
    self->mode = options->mode;
    self->pool = options->pool != NULL ? options->pool : loop->pool;
    self->resolve_timeout = options->resolve_timeout;
    self->connect_timeout = options->connect_timeout;
    self->deadline = options->deadline;
    sl_completion_init(&self->completion, loop, deliver);
    sl_timer_init(&self->stage_timer, stage_over);
    self->stage = SL_STAGE_CONNECT;
    sl_timer_init(&self->race_timer, race);
    return self;
}

enum sl_status sl_connect_begin(struct sl_loop *loop,
                                struct sl_resolver *resolver,
                                const struct sl_connect_options *options,
                                void (*done)(void *owner), void *owner,
                                struct sl_connector **connector)
{
    struct sl_connector *self;
    struct sl_address address;

    if (options->unix_path != NULL) {
        if (!unix_address(options->unix_path, &address))
            return SL_INVALID;
    } else if (options->host == NULL || options->host[0] == '\0' ||
               options->port < 1 || options->port > 65535) {
        return SL_INVALID;
    }
    self = create(loop, options);
    if (self == NULL)
        return SL_MEMORY;
    if (options->local_address != NULL) {
        self->has_local =
            sl_resolve_literal(options->local_address, 0, &self->local);
        if (!self->has_local) {
            sl_free(loop->allocator, self, self->size);
            return SL_INVALID;
        }
    }
    self->done = done;
    self->owner = owner;
    self->class = choose_class(options);
    self->may_choose = self->class != options->backend;
    self->began = self->resolved = sl_loop_refresh(loop);
    sl_completion_begin(&self->completion);
    *connector = self;
    if (options->unix_path != NULL ||
        (options->source == NULL &&
         sl_resolve_literal(options->host, options->port, &address))) {
        self->addresses[0] = address;
        self->address_count = 1;
        connect_all(self);
    } else {
        begin_resolving(self,
                        options->source != NULL ? options->source
                                                : sl_resolver_source(resolver),
                        options->resolve_timeout);
    }
    return SL_OK;
}

void sl_connect_refuse(const struct sl_connect_options *options,
                       enum sl_status status, struct sl_failure *failure)
{
    const char *path = options->unix_path;

    if (status == SL_MEMORY)
        sl_fail(failure, status, SL_STAGE_CONNECT, "out of memory");
    else if (path == NULL)
        sl_fail(failure, status, SL_STAGE_CONNECT, "not possible");
    else if (*path == '\0')
        sl_fail(failure, status, SL_STAGE_CONNECT,
                "unix socket: its path is empty");
    else
        sl_fail(failure, status, SL_STAGE_CONNECT,
                "unix socket: its path exceeds %zu bytes (fixed)",
                sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
}

enum sl_status sl_connect_result(struct sl_connector *connector,
                                 struct sl_transport **transport,
                                 struct sl_failure *failure)
{
    if (connector->transport == NULL) {
        *failure = connector->failure;
        return failure->status;
    }
    *transport = connector->transport;
    connector->transport = NULL;
    return SL_OK;
}

enum sl_stage sl_connect_stage(const struct sl_connector *connector)
{
    return connector->stage;
}

void sl_connect_timings(const struct sl_connector *connector, int64_t *resolve,
                        int64_t *connect)
{
    *resolve = connector->resolved - connector->began;
    *connect = connector->connected - connector->resolved;
}

void sl_connect_destroy(struct sl_connector *connector)
{
    struct sl_loop *loop = connector->loop;

    stop(connector);
    if (connector->transport != NULL)
        sl_transport_abort(connector->transport);
    sl_completion_fini(&connector->completion);
    sl_free(loop->allocator, connector, connector->size);
}
