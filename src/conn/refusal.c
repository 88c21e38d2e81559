#include "conn/refusal.h"

enum sl_status sl_refusal_create(struct sl_allocator *allocator,
                                 struct sl_pool *pool,
                                 struct sl_refusal **refusal)
{
    struct sl_request_traits traits = {.is_connect = true};
    struct sl_refusal *created = sl_allocate(allocator, sizeof *created);

    if (created == NULL)
        return SL_MEMORY;
    created->allocator = allocator;
    created->is_whole = false;
    sl_response_limits_default(&created->limits);
    created->limits.body = UINT64_MAX;
    sl_response_init(&created->response, pool, &created->limits, traits, NULL);
    *refusal = created;
    return SL_OK;
}

void sl_refusal_destroy(struct sl_refusal *refusal)
{
    if (refusal == NULL)
        return;
    sl_response_fini(&refusal->response);
    sl_free(refusal->allocator, refusal, sizeof *refusal);
}

enum sl_status sl_refusal_step(struct sl_refusal *refusal,
                               struct sl_buffer *input)
{
    struct sl_response *response = &refusal->response;
    enum sl_response_event event;
    enum sl_status status;

    while (response->body.length <= SL_REFUSAL_MOST) {
        status = sl_response_step(response, input, SIZE_MAX, &event);
        if (status == SL_AGAIN)
            return status;
        if (status != SL_OK) /* what was received before the fault counts */
            return SL_OK;
        if (event == SL_EVENT_END) {
            refusal->is_whole = response->body.length <= SL_REFUSAL_MOST;
            return SL_OK;
        }
    }
    return SL_OK;
}

void sl_refusal_end_input(struct sl_refusal *refusal, struct sl_buffer *input,
                          bool is_clean)
{
    if (sl_response_end_input(&refusal->response, is_clean) == SL_OK)
        sl_refusal_step(refusal, input);
}
