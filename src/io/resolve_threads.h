/* io/resolve_threads.h - the threads that wait in getaddrinfo
 *
 *   queue of questions --> up to 16 threads --> the loop's posts
 *
 * A question has one owner at a time: the queue, the thread that took it, the
 * loop's posts. Threads are started when questions wait and end after ten
 * seconds without one. At most four are meant to look at a time; one that is
 * stuck (its question was given up, or is older than a second) does not count,
 * is never cancelled, and ends with its answer when others have its place.
 * Everything is called on the loop's thread.
 */
#ifndef SL_IO_RESOLVE_THREADS_H
#define SL_IO_RESOLVE_THREADS_H

#include "io/loop.h"

#include <netdb.h>

#define SL_RESOLVE_THREADS      4  /* that are not stuck */
#define SL_RESOLVE_MOST_THREADS 16 /* in all */
#define SL_RESOLVE_HOST_SIZE    256

typedef int sl_resolve_function(const char *host, const char *port,
                                const struct addrinfo *hints,
                                struct addrinfo **result);

struct sl_lookup;
struct sl_resolver;

/* It outlives the resolver and the loop if it must, so it comes from malloc and
 * not from the loop's allocator. */
struct sl_question {
    struct sl_post post; /* `arrive` is the creator's, and frees */
    struct sl_question *next;
    sl_resolve_function *lookup;
    struct sl_resolver *resolver; /* of the loop's thread, like the next */
    struct sl_lookup *asked;      /* NULL: given up */
    char host[SL_RESOLVE_HOST_SIZE];
    int port;
    /* The answer. */
    int error;        /* of getaddrinfo; 0: `found` */
    int system_error; /* behind it, or 0 */
    struct addrinfo *found;
};

void sl_question_free(struct sl_question *question);

struct sl_resolve_threads;

/* Starts no thread yet. NULL: out of memory. */
struct sl_resolve_threads *sl_resolve_threads_create(struct sl_loop *loop);
/* The queue is empty. Threads without a question end and are joined; others are
 * left to end by themselves with their memory. */
void sl_resolve_threads_dismiss(struct sl_resolve_threads *threads);

/* Puts a question at the end of the queue; see sl_resolve_threads_employ. */
void sl_resolve_threads_put(struct sl_resolve_threads *threads,
                            struct sl_question *question);
/* Withdraws a question without a waiter. True: it was in the queue and is the
 * caller's again. False: a thread has it or had it; it will arrive. */
bool sl_resolve_threads_withdraw(struct sl_resolve_threads *threads,
                                 struct sl_question *question);
/* Finds a question of that function, host and port that was withdrawn from a
 * thread which is still at it, but not for too long to hope: it is wanted
 * again. NULL: not found. */
struct sl_question *
sl_resolve_threads_revive(struct sl_resolve_threads *threads,
                          sl_resolve_function *lookup, const char *host,
                          int port);
/* Starts threads for waiting questions, as far as allowed. `due`: when a thread
 * gets stuck and this is to be called again; SL_NEVER. 0, or errno when there
 * is no thread at all. */
int sl_resolve_threads_employ(struct sl_resolve_threads *threads, int64_t *due);

#endif
