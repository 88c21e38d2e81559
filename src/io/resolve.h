/* io/resolve.h - names to addresses on worker threads
 *
 * getaddrinfo blocks, so it runs on up to four threads of its own; each job is
 * private to its thread until it arrives through the loop's queue. Literal
 * addresses are answered at once. A late answer to a cancelled job is dropped.
 */
#ifndef SL_IO_RESOLVE_H
#define SL_IO_RESOLVE_H

#include "io/loop.h"

#include <sys/socket.h>

#define SL_RESOLVE_THREADS   4
#define SL_RESOLVE_WAITING   256 /* jobs waiting for a thread; more: SL_LIMIT */
#define SL_RESOLVE_ADDRESSES 16

struct sl_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

struct sl_resolver;
struct sl_resolve_job;

/* Starts no thread yet. SL_MEMORY. */
enum sl_status sl_resolver_create(struct sl_loop *loop,
                                  struct sl_resolver **resolver);
/* Never blocks. Nothing more is said about jobs in progress, which are still to
 * be destroyed; threads still inside getaddrinfo are left to end by themselves
 * with their own memory. Before the loop is closed. */
void sl_resolver_destroy(struct sl_resolver *resolver);

/* Replaces the system's resolution, for tests and hosts; NULL restores it. Runs
 * on a worker thread; the same contract as getaddrinfo with a numeric port. */
struct addrinfo;
void sl_resolver_set_lookup(struct sl_resolver *resolver,
                            int (*lookup)(const char *host, const char *port,
                                          const struct addrinfo *hints,
                                          struct addrinfo **result));

/* True when `host` is a literal IPv4 or IPv6 address: `address` is set. */
bool sl_resolve_literal(const char *host, int port, struct sl_address *address);

/* `done` is called once from the loop unless the job is destroyed before.
 * SL_INVALID: no name is as long. SL_LIMIT: too many are waiting, or no
 * descriptor. SL_MEMORY. */
enum sl_status sl_resolve_begin(struct sl_resolver *resolver, const char *host,
                                int port, void (*done)(void *owner),
                                void *owner, struct sl_resolve_job **job);
/* After `done`: addresses in the resolver's order, at most SL_RESOLVE_ADDRESSES.
 * Failure: SL_RESOLVE with the reason ("name or service not known"). */
enum sl_status sl_resolve_result(struct sl_resolve_job *job,
                                 struct sl_address *addresses, size_t *count,
                                 struct sl_failure *failure);
/* Ends the job at any time; the answer is dropped. */
void sl_resolve_destroy(struct sl_resolve_job *job);

#endif
