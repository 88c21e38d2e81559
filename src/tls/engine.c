#include "tls/engine.h"

enum sl_status sl_tls_engine_repeat(const struct sl_tls_engine_state *state,
                                    struct sl_failure *failure)
{
    *failure = state->failure;
    return failure->status;
}

void sl_tls_engine_accept(struct sl_tls_engine_state *state)
{
    state->is_ready = true;
    state->quiet_messages = 0;
}

enum sl_status
sl_tls_engine_check_decrypt(const struct sl_tls_engine_state *state,
                            struct sl_failure *failure)
{
    if (state->failure.status != SL_OK)
        return sl_tls_engine_repeat(state, failure);
    if (!state->is_ready)
        return sl_fail(failure, SL_MISUSE, SL_STAGE_TLS,
                       "decrypt before the handshake is done");
    return SL_OK;
}

enum sl_status
sl_tls_engine_check_encrypt(const struct sl_tls_engine_state *state,
                            struct sl_failure *failure)
{
    if (state->failure.status != SL_OK)
        return sl_tls_engine_repeat(state, failure);
    if (!state->is_ready || state->is_closed)
        return sl_fail(failure, SL_MISUSE, SL_STAGE_TLS,
                       state->is_closed
                           ? "encrypt after close"
                           : "encrypt before the handshake is done");
    return SL_OK;
}

void sl_tls_engine_note_content(struct sl_tls_engine_state *state)
{
    state->quiet_messages = 0;
}

enum sl_status sl_tls_engine_note_quiet(struct sl_tls_engine_state *state,
                                        struct sl_failure *failure)
{
    if (++state->quiet_messages <= SL_TLS_MOST_QUIET)
        return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "more than %d messages without content (fixed)",
                   SL_TLS_MOST_QUIET);
}

bool sl_tls_engine_begin_close(struct sl_tls_engine_state *state)
{
    if (state->failure.status != SL_OK || !state->is_ready || state->is_closed)
        return false;
    state->is_closed = true;
    return true;
}
