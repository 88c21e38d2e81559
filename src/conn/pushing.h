/* conn/pushing.h - a request body that is pushed, piece by piece
 *
 *   want room --> push --> want room --> push ... --> end the body
 *
 * in:  binding/push.c    below: conn/course.c, conn/upload.c
 *
 * The pusher waits for room apart from the waiter for the response, so that a
 * server that answers while it reads is read while it is written to.
 */
#ifndef SL_CONN_PUSHING_H
#define SL_CONN_PUSHING_H

#include "conn/exchange.h"

/* SL_OK: pushed bytes can be taken, or will not be any more (the outgoing part
 * is over). SL_AGAIN, also while there is no connection yet and while 100 is
 * waited for: `room` will be signalled; call again then. */
enum sl_status sl_exchange_want_room(struct sl_exchange *exchange);
/* Whether pushed bytes are wanted, if only to report that they are too many. */
bool sl_exchange_is_taking(const struct sl_exchange *exchange);
/* Pushes a piece of the body: all of `sequence`, which is shared, or when that
 * is NULL a copy of `text`. A small piece waits for the next ones of the same
 * turn of the loop. SL_OK: taken. SL_END: no more is wanted. A failure has
 * ended the exchange, so the waiter for the response gets it too: SL_INVALID
 * for more bytes than were declared, SL_MEMORY. */
enum sl_status sl_exchange_push(struct sl_exchange *exchange,
                                struct sl_view text,
                                const struct sl_sequence *sequence);
/* Ends a pushed body; `trailers` are complete field lines, of chunked bodies
 * only. The same statuses; SL_INVALID for fewer bytes than were declared. */
enum sl_status sl_exchange_end_body(struct sl_exchange *exchange,
                                    struct sl_view trailers);

#endif
