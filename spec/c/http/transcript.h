/* spec/c/http/transcript.h - what a response said, one event on each line
 *
 *     interim 103
 *     head 200 1.1 "OK"
 *     field Name: value
 *     body "joined"
 *     trailer Name: value
 *     end keep-alive            (or close, or upgrade)
 *     surplus "what is left"
 *     error protocol: clause
 *
 * Bytes outside of visible ASCII, quotes and backslashes are written \xHH, but
 * \r, \n and \t by their letters. Pieces of the body are joined, so that a
 * transcript does not depend on how the input was cut. How much of a corrupt
 * body comes out before that is found depends on the library that decodes it:
 * none of it is shown.
 */
#ifndef SPEC_C_HTTP_TRANSCRIPT_H
#define SPEC_C_HTTP_TRANSCRIPT_H

#include "http/response.h"
#include "memory/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transcript_setup {
    struct sl_allocator *allocator;
    size_t segment_size; /* 0: the pool's default */
    size_t window;       /* 0: none */
    struct sl_response_limits limits;
    struct sl_request_traits request;
    bool decodes;
    bool ends;     /* the input ends after the last piece */
    bool is_clean; /* in a way that can be trusted */
};

struct transcript {
    char *text; /* terminated; free it */
    size_t size;
    size_t capacity;
    char *body;
    size_t body_size;
    size_t body_capacity;
    size_t outstanding; /* segments and blocks that were not given back */
    enum sl_status failed;
};

static inline void transcript_grow(char **text, size_t size, size_t *capacity)
{
    if (size <= *capacity)
        return;
    *capacity = size * 2 + 256;
    *text = realloc(*text, *capacity);
    if (*text == NULL)
        abort();
}

static inline void transcript_add(struct transcript *script, const char *text,
                                  size_t size)
{
    transcript_grow(&script->text, script->size + size + 1, &script->capacity);
    memcpy(script->text + script->size, text, size);
    script->size += size;
    script->text[script->size] = '\0';
}

static inline void transcript_print(struct transcript *script, const char *text)
{
    transcript_add(script, text, strlen(text));
}

static inline void transcript_escape(struct transcript *script,
                                     struct sl_view bytes)
{
    size_t i;

    for (i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        char escaped[8];

        if (byte == '\r')
            transcript_print(script, "\\r");
        else if (byte == '\n')
            transcript_print(script, "\\n");
        else if (byte == '\t')
            transcript_print(script, "\\t");
        else if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\')
            transcript_add(script, bytes.data + i, 1);
        else {
            snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
            transcript_print(script, escaped);
        }
    }
}

static inline void transcript_quoted(struct transcript *script,
                                     const char *label, struct sl_view bytes)
{
    transcript_print(script, label);
    transcript_print(script, " \"");
    transcript_escape(script, bytes);
    transcript_print(script, "\"\n");
}

static inline void transcript_fields(struct transcript *script,
                                     const char *label,
                                     const struct sl_head *head)
{
    size_t i;

    for (i = 0; i < head->count; i++) {
        if (sl_head_is_hidden(head, i))
            continue;
        transcript_print(script, label);
        transcript_print(script, " ");
        transcript_escape(script, sl_head_name(head, i));
        transcript_print(script, ": ");
        transcript_escape(script, sl_head_value(head, i));
        transcript_print(script, "\n");
    }
}

static inline void transcript_head(struct transcript *script,
                                   const struct sl_response *response,
                                   enum sl_response_event event)
{
    char line[64];

    if (event == SL_EVENT_INTERIM) {
        snprintf(line, sizeof(line), "interim %d\n", response->head.status);
        transcript_print(script, line);
    } else {
        snprintf(line, sizeof(line), "head %d 1.%d", response->head.status,
                 response->head.minor_version);
        transcript_quoted(script, line, sl_head_reason(&response->head));
    }
    transcript_fields(script, "field", &response->head);
}

static inline void transcript_body(struct transcript *script,
                                   struct sl_buffer *body)
{
    while (body->length > 0) {
        struct sl_view view = sl_buffer_peek(body);

        transcript_grow(&script->body, script->body_size + view.size,
                        &script->body_capacity);
        memcpy(script->body + script->body_size, view.data, view.size);
        script->body_size += view.size;
        sl_buffer_consume(body, view.size);
    }
}

/* The body is one line, written when nothing more can join it. */
static inline void transcript_close_body(struct transcript *script)
{
    if (script->body_size > 0)
        transcript_quoted(script, "body",
                          sl_view(script->body, script->body_size));
    script->body_size = 0;
}

static inline void transcript_end(struct transcript *script,
                                  const struct sl_response *response)
{
    transcript_close_body(script);
    transcript_fields(script, "trailer", sl_response_trailers(response));
    transcript_print(script, response->framing.is_upgrade ? "end upgrade\n"
                             : response->framing.keeps_alive
                                 ? "end keep-alive\n"
                                 : "end close\n");
}

static inline void transcript_fail(struct transcript *script,
                                   enum sl_status status, const char *error)
{
    if (script->failed != SL_OK)
        return;
    script->failed = status;
    if (status == SL_DECODE)
        script->body_size = 0;
    transcript_close_body(script);
    transcript_print(script, "error ");
    transcript_print(script, sl_status_name(status));
    transcript_print(script, ": ");
    transcript_print(script, error != NULL ? error : "(nothing)");
    transcript_print(script, "\n");
}

/* Steps until more input is needed. */
static inline void transcript_step(struct transcript *script,
                                   struct sl_response *response,
                                   struct sl_buffer *input, size_t window)
{
    char room[SL_EXCESS_ROOM];
    enum sl_response_event event;
    enum sl_status status;

    for (;;) {
        status = sl_response_step(response, input, window, &event);
        if (status == SL_AGAIN && sl_response_is_full(response, window)) {
            transcript_body(script, &response->body);
            continue;
        }
        if (status != SL_OK)
            break;
        switch (event) {
        case SL_EVENT_INTERIM:
        case SL_EVENT_HEAD:
            transcript_head(script, response, event);
            break;
        case SL_EVENT_BODY:
            transcript_body(script, &response->body);
            break;
        case SL_EVENT_END:
            transcript_end(script, response);
            break;
        }
    }
    if (sl_is_failure(status))
        transcript_fail(script, status, sl_response_explain(response, room));
}

static inline void transcript_surplus(struct transcript *script,
                                      struct sl_buffer *input)
{
    transcript_body(script, input);
    if (script->body_size > 0)
        transcript_quoted(script, "surplus",
                          sl_view(script->body, script->body_size));
    script->body_size = 0;
}

/* Runs one response over `pieces`. Free with transcript_fini. */
static inline void transcript_run(struct transcript *script,
                                  const struct transcript_setup *setup,
                                  const struct sl_view *pieces, size_t count)
{
    struct sl_pool_options options = {0};
    size_t window = setup->window ? setup->window : SIZE_MAX;
    struct sl_response response;
    struct sl_buffer input;
    struct sl_decoder_shelf shelf;
    struct sl_pool pool;
    enum sl_status status = SL_OK;
    char room[SL_EXCESS_ROOM];
    size_t i;

    memset(script, 0, sizeof(*script));
    options.mode = SL_POOL_DIRECT;
    options.segment_size = setup->segment_size;
    options.spare_limit = SIZE_MAX;
    sl_pool_init(&pool, setup->allocator, &options);
    sl_decoder_shelf_init(&shelf, setup->allocator);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_response_init(&response, &pool, &setup->limits, setup->request,
                     setup->decodes ? &shelf : NULL);
    for (i = 0; i < count && status == SL_OK; i++) {
        status = sl_buffer_append(&input, pieces[i]);
        if (status == SL_OK)
            transcript_step(script, &response, &input, window);
        else
            transcript_fail(script, status, "no memory for the input");
    }
    if (setup->ends && script->failed == SL_OK) {
        status = sl_response_end_input(&response, setup->is_clean);
        if (status != SL_OK)
            transcript_fail(script, status,
                            sl_response_explain(&response, room));
        else
            transcript_step(script, &response, &input, window);
    }
    transcript_close_body(script);
    if (response.phase == SL_PHASE_END && script->failed == SL_OK)
        transcript_surplus(script, &input);
    sl_response_fini(&response);
    sl_buffer_fini(&input);
    sl_decoder_shelf_fini(&shelf);
    script->outstanding = (size_t)sl_pool_outstanding(&pool);
    sl_pool_fini(&pool);
    if (script->text == NULL)
        transcript_print(script, "");
}

static inline void transcript_fini(struct transcript *script)
{
    free(script->text);
    free(script->body);
}

#endif
