/* tls/engine.h - the state and checks of every engine, whatever its library
 *
 *   handshake --accept--> content both ways --begin_close--> the peer's content
 *        \__________________________\_________ failure: kept for good
 *
 * Embedded in the engines of the providers. The first failure is repeated by
 * every later call.
 */
#ifndef SL_TLS_ENGINE_H
#define SL_TLS_ENGINE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The most content of one call of encrypt. */
#define SL_TLS_MOST_ENCRYPTED ((size_t)64 * 1024)

/* The most messages in a row without content: tickets, key updates, requests to
 * renegotiate, empty records. A server sends a handful; each costs more than it
 * weighs. */
#define SL_TLS_MOST_QUIET 128

struct sl_tls_engine_state {
    struct sl_failure failure;
    unsigned quiet_messages; /* since the last content */
    bool is_ready;           /* the handshake is done and the peer accepted */
    bool is_closed;          /* by us */
};

/* Repeats the earlier failure. */
enum sl_status sl_tls_engine_repeat(const struct sl_tls_engine_state *state,
                                    struct sl_failure *failure);

void sl_tls_engine_accept(struct sl_tls_engine_state *state);

/* Whether decrypt or encrypt may be called: SL_OK, the earlier failure, or
 * SL_MISUSE. */
enum sl_status
sl_tls_engine_check_decrypt(const struct sl_tls_engine_state *state,
                            struct sl_failure *failure);
enum sl_status
sl_tls_engine_check_encrypt(const struct sl_tls_engine_state *state,
                            struct sl_failure *failure);

/* Content arrived. */
void sl_tls_engine_note_content(struct sl_tls_engine_state *state);
/* A message without content arrived. SL_TLS: one too many. */
enum sl_status sl_tls_engine_note_quiet(struct sl_tls_engine_state *state,
                                        struct sl_failure *failure);

/* Whether close notifies the peer: once, and only a peer that was accepted. */
bool sl_tls_engine_begin_close(struct sl_tls_engine_state *state);

#endif
