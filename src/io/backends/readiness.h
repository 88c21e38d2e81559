/* io/backends/readiness.h - completions imitated over readiness
 *
 *   submit: try the call --would block--> wait for a flag --notify--> try again
 *
 * Backends that only know readiness (epoll, poll) use these functions as their
 * submit and cancel. The call is made on the loop's thread, so nothing is
 * touched between one call and the next.
 */
#ifndef SL_IO_BACKENDS_READINESS_H
#define SL_IO_BACKENDS_READINESS_H

#include "io/backend.h"
#include "io/backends/slots.h"

#include <errno.h>

static inline bool sl_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* For backends' files: an event arrived for the socket. */
void sl_readiness_event(struct sl_socket *socket, bool is_readable,
                        bool is_writable, bool is_hung_up);

void sl_readiness_submit(struct sl_backend *backend,
                         struct sl_operation *operation);
void sl_readiness_cancel(struct sl_backend *backend,
                         struct sl_operation *operation);

/* Cancels the operations of all sockets in `slots`. */
void sl_readiness_cancel_all(const struct sl_slots *slots);

/* Makes the call of an operation once. SL_AGAIN: it would block. Shared with
 * the thread backend. */
enum sl_status sl_operation_try(struct sl_operation *operation, size_t *result,
                                int *error);

#endif
