#include "conn/ws_place.h"

#include "base/debug.h"

#include <string.h>

void sl_ws_place_init(struct sl_ws_place *place, struct sl_loop *loop)
{
    memset(place, 0, sizeof *place);
    sl_completion_init(&place->completion, loop, NULL);
    sl_sequence_init(&place->content, loop->allocator);
}

static struct sl_ws_places *list_of(const struct sl_ws_place *place)
{
    return place->phase == SL_WS_PLACE_WAITING ? &place->line->waiting
                                               : &place->line->sending;
}

/* `next` NULL: at the end. */
static void link_before(struct sl_ws_line *line, struct sl_ws_place *next,
                        struct sl_ws_place *place)
{
    struct sl_ws_places *list;

    place->line = line;
    list = list_of(place);
    place->next = next;
    place->previous = next != NULL ? next->previous : list->last;
    *(place->previous != NULL ? &place->previous->next : &list->first) = place;
    *(next != NULL ? &next->previous : &list->last) = place;
}

static void unlink_place(struct sl_ws_place *place)
{
    struct sl_ws_places *list = list_of(place);

    if (place->line->current == place)
        place->line->current = place->next;
    *(place->previous != NULL ? &place->previous->next : &list->first) =
        place->next;
    *(place->next != NULL ? &place->next->previous : &list->last) =
        place->previous;
    place->line = NULL;
    place->next = place->previous = NULL;
}

/* Its piece is over. */
static void settle(struct sl_ws_place *place, enum sl_ws_place_phase phase,
                   enum sl_status status)
{
    place->phase = phase;
    place->status = status;
    place->text = sl_view(NULL, 0);
    sl_sequence_fini(&place->content);
    if (place->completion.state == SL_COMPLETION_PENDING)
        sl_completion_signal(&place->completion, status, 0);
}

static void end_place(struct sl_ws_place *place, enum sl_status status)
{
    unlink_place(place);
    settle(place, SL_WS_PLACE_ENDED, status);
}

void sl_ws_place_fini(struct sl_ws_place *place)
{
    if (place->line != NULL)
        unlink_place(place);
    sl_sequence_fini(&place->content);
    sl_completion_fini(&place->completion);
}

enum sl_status sl_ws_place_put(struct sl_ws_place *place,
                               struct sl_ws_line *line, enum sl_ws_opcode type,
                               const struct sl_ws_piece *piece, bool is_last)
{
    bool is_held = place->phase == SL_WS_PLACE_HOLDING;
    enum sl_status status = SL_OK;

    sl_assert(is_held || place->line == NULL);
    if (place->phase == SL_WS_PLACE_ENDED)
        return place->status;
    if (piece->sequence != NULL)
        status = sl_sequence_sub(&place->content, piece->sequence, 0,
                                 piece->sequence->size);
    if (status != SL_OK)
        return status;
    place->text = piece->sequence != NULL ? sl_view(NULL, 0) : piece->text;
    place->size = sl_ws_piece_size(piece);
    place->taken = 0;
    place->type = type;
    place->is_last = is_last;
    place->phase = SL_WS_PLACE_QUEUED;
    if (is_held)
        return SL_OK;
    place->is_begun = false;
    link_before(line, NULL, place);
    if (line->current == NULL)
        line->current = place;
    return SL_OK;
}

void sl_ws_place_follow(struct sl_ws_place *place, struct sl_ws_line *line)
{
    sl_assert(place->line == NULL);
    place->phase = SL_WS_PLACE_FRAMED;
    place->is_last = true;
    place->is_begun = false;
    link_before(line, line->current, place);
}

void sl_ws_place_wait(struct sl_ws_place *place, struct sl_ws_line *line)
{
    sl_assert(place->line == NULL);
    place->phase = SL_WS_PLACE_WAITING;
    place->is_begun = false;
    link_before(line, NULL, place);
}

enum sl_status sl_ws_place_leave(struct sl_ws_place *place)
{
    bool breaks = place->line != NULL && place->is_begun;

    if (place->line != NULL)
        end_place(place, SL_CANCELLED);
    return breaks ? SL_CANCELLED : SL_OK;
}

enum sl_status sl_ws_place_want(struct sl_ws_place *place)
{
    switch (place->phase) {
    case SL_WS_PLACE_IDLE:
    case SL_WS_PLACE_HOLDING:
    case SL_WS_PLACE_ENDED:
        return place->status;
    default:
        if (place->completion.state != SL_COMPLETION_PENDING)
            sl_completion_begin(&place->completion);
        return SL_AGAIN;
    }
}

/* ---- for conn/ws_sending.c ---- */

void sl_ws_line_sent(struct sl_ws_line *line)
{
    struct sl_ws_place *place;

    while ((place = line->sending.first) != NULL &&
           place->phase == SL_WS_PLACE_FRAMED) {
        if (!place->is_last) {
            settle(place, SL_WS_PLACE_HOLDING, SL_OK);
            return;
        }
        unlink_place(place);
        settle(place, SL_WS_PLACE_IDLE, SL_OK);
    }
}

void sl_ws_line_end(struct sl_ws_place *first, enum sl_status status)
{
    while (first != NULL) {
        struct sl_ws_place *next = first->next;

        end_place(first, status);
        first = next;
    }
}

void sl_ws_line_over(struct sl_ws_line *line)
{
    struct sl_ws_place *place;

    while ((place = line->waiting.first) != NULL) {
        unlink_place(place);
        settle(place, SL_WS_PLACE_IDLE, SL_OK);
    }
}
