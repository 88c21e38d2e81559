/* io/backend.h - what turns kernel events into completions
 *
 * One constant table and one file per backend; shaped after completion queues,
 * so that readiness backends imitate them and never the reverse
 * (backends/readiness.c).
 * A socket is attached once and detached before it is closed; events find it by
 * slot and generation, never by descriptor number.
 *
 *   uring      operations go to the kernel           pollfd: an eventfd
 *   epoll      edges raise flags, calls are tried    pollfd: the epoll
 *   kqueue     the same on macOS and the BSDs        pollfd: the kqueue
 *   poll       asked anew for what is wanted         pollfd: none
 *   threads    workers try the calls, results are posted
 */
#ifndef SL_IO_BACKEND_H
#define SL_IO_BACKEND_H

#include "io/backends/threads.h"
#include "io/backends/uring.h"
#include "io/loop.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum sl_operation_kind {
    SL_OPERATION_CONNECT,
    SL_OPERATION_SEND,
    SL_OPERATION_RECEIVE
};

/* An operation of a socket. Memory lent for a send or receive stays pinned
 * until the operation's own last completion, whatever happens meanwhile. The
 * result counts bytes; a receive of none is SL_END. A failure is SL_CLOSED
 * (SL_CONNECT of a connect) with errno, a cancelled one SL_CANCELLED. */
struct sl_operation {
    struct sl_completion completion;
    struct sl_socket *socket;
    enum sl_operation_kind kind;
    bool is_cancelling;
    bool waits_first; /* for readiness: little may be there already */
    const struct sockaddr *address; /* of connect */
    socklen_t address_size;
    struct msghdr message; /* of send and receive: msg_iov, msg_iovlen */
    /* For a receive, see sl_backend_class.can_provide: `provided` is then a
     * chain of segments that belong to the submitter, and the bytes lie in
     * them; NULL when the bytes lie in the lent memory after all. */
    bool takes_provided;
    struct sl_segment *provided;
    /* A time no later than the call that ended the operation: an end of the
     * input that had arrived by then would be known. 0: unknown. */
    int64_t tried_at;
    /* A worker is making the call or has made it: the socket's bytes may be
     * here already, though their arrival was not reported yet. */
    atomic_bool is_touched;
    /* The fields of the one backend that has the operation in flight. */
    union {
        struct sl_uring_tail uring;
        struct sl_threads_tail threads;
    } own;
};

/* A descriptor as its backend knows it. The flags and `notify` are of readiness
 * backends only. */
struct sl_socket {
    struct sl_backend *backend;
    /* Called by wait when a flag rose; must not run any user's code. */
    void (*notify)(struct sl_socket *socket);
    struct sl_operation *receiving; /* in flight, one per direction */
    struct sl_operation *sending;   /* also a connect */
    uint64_t handle;                /* slot and generation */
    int fd;
    bool is_readable; /* an edge not yet used up */
    bool is_writable;
    bool is_hung_up; /* the end or an error is behind what can be read */
    bool has_mark;   /* an urgent byte arrived: a receive may stop before it */
    bool wants_in;   /* poll asks only for awaited directions */
    bool wants_out;
};

/* Segments of the longest chain that is provided. */
#define SL_PROVIDED_MOST 4

struct sl_backend {
    const struct sl_backend_class *class;
    struct sl_loop *loop;
    /* Operations that the kernel or a thread may still touch. */
    size_t in_flight;
    /* A wait reports a limited number of events. This is the most events that
     * were ready when it began and may be unreported; 0: all were reported, and
     * the look is complete. Another wait with a timeout of 0 goes on with the
     * same look. */
    size_t unreported;
    /* Events of its sockets until then have been reported; see
     * sl_backend_look. */
    int64_t looked_at;
};

struct sl_backend_class {
    const char *name;
    /* full, reduced, none: what completion transport gains from it */
    const char *benefit;
    /* The highest open backend blocks and watches the others' descriptors. A
     * backend without a descriptor of its own must be the highest. */
    int rank;
    bool has_readiness; /* stream transports can use it */
    /* A wait with a timeout of 0 has reported every event up to its beginning
     * when it returns, unless something is pending then. */
    bool tells_all;
    /* Whether this machine grants it, which is tried. A backend that fails only
     * for the moment is present. See sl_platform. */
    bool (*is_present)(void);
    /* SL_UNSUPPORTED, SL_LIMIT with errno, SL_MEMORY. */
    enum sl_status (*open)(struct sl_loop *loop, struct sl_backend **backend);
    /* Called when all operations have ended, or are abandoned for good. */
    void (*close)(struct sl_backend *backend);
    /* SL_LIMIT with errno, SL_MEMORY. */
    enum sl_status (*attach)(struct sl_backend *backend,
                             struct sl_socket *socket);
    void (*detach)(struct sl_backend *backend, struct sl_socket *socket);
    /* Moves the attachment to `to`; nothing is in flight. */
    void (*move)(struct sl_backend *backend, struct sl_socket *socket,
                 struct sl_socket *to);
    /* The completion was begun. It is finished when the result, or failure, is
     * there at once; else it will be signalled. */
    void (*submit)(struct sl_backend *backend, struct sl_operation *operation);
    /* Optional. Whether the backend has memory of its own for receives, from
     * the loop's pool, chosen when bytes are there and not before: a waiting
     * receive holds none of it. For want of memory the lent memory is used. */
    bool (*can_provide)(struct sl_backend *backend);
    /* Asks for the operation to end, still by its own completion. */
    void (*cancel)(struct sl_backend *backend, struct sl_operation *operation);
    void (*cancel_all)(struct sl_backend *backend);
    /* Optional, where operations end neither in submit nor in cancel: returns
     * when the operations that can end now, or were cancelled, have been
     * signalled. Never waits for a peer. */
    void (*settle)(struct sl_backend *backend);
    /* Waits at most `timeout` nanoseconds (SL_NEVER: any time) and signals what
     * is ready. */
    void (*wait)(struct sl_backend *backend, int64_t timeout);
    /* Also ends each wait that begins or goes on while `fd` is readable, until
     * the backend closes. A readable wake descriptor is reported by
     * sl_loop_woken. SL_LIMIT and errno, SL_MEMORY. */
    enum sl_status (*watch)(struct sl_backend *backend, int fd);
    /* A descriptor that is readable when wait has something, the same for life,
     * made on the first call, so that other users do not pay for it. -1 and
     * errno. NULL: this backend cannot have one. */
    int (*pollfd)(struct sl_backend *backend);
    /* An operation was submitted that the kernel does not know yet, or events
     * may be there to be taken without waiting. */
    bool (*has_pending)(const struct sl_backend *backend);
};

/* The time for which a socket's state counts as known. Bytes on their way from
 * the peer cannot be seen either, and travel as long in the best of cases. */
#define SL_GLANCE (3 * SL_SECOND / 10000)

/* Whether the events of a socket until SL_GLANCE ago, as the loop knows the
 * time, have been reported. The socket was drained at `drained_at` and has been
 * waited for since `watched_at`. Waits with a timeout of 0 if need be, at once
 * for all sockets. False: the socket has to be queried. */
bool sl_backend_look(struct sl_backend *backend, int64_t drained_at,
                     int64_t watched_at);

/* Ends what can end without waiting: cancelled operations, so that their
 * sockets can be closed. It works for an open loop's own thread; else it does
 * nothing. */
void sl_backend_settle(struct sl_backend *backend);

/* The backends of this build, best for completion transport first;
 * NULL-terminated. */
extern const struct sl_backend_class *const sl_backend_classes[];
/* The backend of that name; NULL: not in this build. */
const struct sl_backend_class *sl_backend_find(const char *name);

extern const struct sl_backend_class sl_backend_uring;
extern const struct sl_backend_class sl_backend_epoll;
extern const struct sl_backend_class sl_backend_kqueue;
extern const struct sl_backend_class sl_backend_threads;
extern const struct sl_backend_class sl_backend_poll;

/* Makes a descriptor that is readable when one of many is; NULL where the
 * system has no such thing. Both functions answer -1 and errno. */
struct sl_gatherer {
    int (*open)(void);
    int (*add)(int gatherer, int fd);
    /* A child of fork does not have the descriptor. */
    bool is_left_behind;
};

extern const struct sl_gatherer *const sl_gatherer;
extern const struct sl_gatherer sl_gatherer_epoll;
extern const struct sl_gatherer sl_gatherer_kqueue;

/* Converts a time to wait for poll(2) and epoll_wait(2): rounded up, -1 for
 * SL_NEVER. */
int sl_wait_milliseconds(int64_t timeout);

void sl_socket_init(struct sl_socket *socket, int fd);

/* attach, detach and move of backends that know a socket only by its
 * operations. */
enum sl_status sl_socket_attach(struct sl_backend *backend,
                                struct sl_socket *socket);
void sl_socket_detach(struct sl_backend *backend, struct sl_socket *socket);
void sl_socket_move(struct sl_backend *backend, struct sl_socket *socket,
                    struct sl_socket *to);

#endif
