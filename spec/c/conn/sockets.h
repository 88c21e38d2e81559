/* spec/c/conn/sockets.h - a WebSocket and the server at its other end
 *
 * The keys of masks are zero, so that tests can spell what the server reads.
 */
#ifndef SPEC_C_CONN_SOCKETS_H
#define SPEC_C_CONN_SOCKETS_H

#include "conn/websocket.h"

#include "spec/c/io/world.h"
#include "spec/c/tls/framed.h"

/* Frames of the client, masked with zeroes: a text, a Close and so on. */
#define KEY "\0\0\0\0"

struct talk {
    struct world world;
    struct sl_websocket_options options;
    struct sl_websocket *socket;
    bool is_small; /* the kernel keeps little of what is sent */
    int peer;      /* does not block */
};

static inline enum sl_status no_key(void *bytes, size_t size)
{
    memset(bytes, 0, size);
    return SL_OK;
}

static inline void talk_defaults(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    sl_websocket_options_default(&talk->options);
    talk->options.protocol.random = no_key;
}

static inline void shrink(int fd, int option)
{
    int size = 4096;

    REQUIRE(setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) == 0);
}

/* `surplus` arrived with the head of the handshake. */
static inline enum sl_status talk_open(struct talk *talk,
                                       struct sl_allocator *allocator,
                                       const struct manner *manner,
                                       struct sl_view surplus)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_transport *transport;
    struct sl_buffer input;
    struct sl_link link;
    enum sl_status status;
    int ours;

    talk->socket = NULL;
    talk->peer = -1;
    if (!world_open(&talk->world, allocator, &pool))
        return SL_MISUSE;
    peer_tcp(&ours, &talk->peer);
    make_nonblocking(talk->peer);
    if (talk->is_small) {
        shrink(ours, SO_SNDBUF);
        shrink(talk->peer, SO_RCVBUF);
    }
    sl_buffer_init(&input, &talk->world.pool, SIZE_MAX);
    status = transport_create(&talk->world.loop, manner->backend, manner->mode,
                              ours, &transport);
    if (status != SL_OK)
        return status;
    sl_link_init(&link, allocator, transport);
    status = sl_buffer_append(&input, surplus);
    if (status == SL_OK)
        status = sl_websocket_create(&talk->world.loop, &talk->world.pool,
                                     &talk->options, &talk->socket);
    if (status == SL_OK)
        sl_websocket_open(talk->socket, &link, &input);
    else
        sl_link_close(&link, true);
    sl_buffer_fini(&input);
    return status;
}

static inline void talk_close(struct talk *talk)
{
    if (talk->socket != NULL)
        sl_websocket_destroy(talk->socket);
    if (talk->peer >= 0)
        close(talk->peer);
    world_close(&talk->world);
}

static inline void talk_init(struct talk *talk, const struct manner *manner)
{
    test_allocator_init(&talk->world.own);
    REQUIRE(talk_open(talk, &talk->world.own.base, manner, sl_view("", 0)) ==
            SL_OK);
}

static inline void talk_fini(struct talk *talk)
{
    talk_close(talk);
    test_allocator_fini(&talk->world.own);
}

static inline void talk_step(struct talk *talk)
{
    CHECK_INT(sl_loop_step(&talk->world.loop, SL_MILLISECOND), SL_OK);
}

/* ---- the server ---- */

static inline void peer_says(struct talk *talk, struct sl_view bytes)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (bytes.size > 0 && sl_clock_now() < until) {
        ssize_t n = send(talk->peer, bytes.data, bytes.size, MSG_NOSIGNAL);

        if (n > 0)
            bytes = sl_view(bytes.data + n, bytes.size - (size_t)n);
        else if (errno == EAGAIN)
            talk_step(talk);
        else
            break;
    }
    CHECK_INT(bytes.size, 0);
}

#define SAYS(talk, text) peer_says(talk, SL_VIEW(text))

/* What the server reads next, which must be this. */
static inline void peer_reads(struct talk *talk, struct sl_view expected)
{
    int64_t until = sl_clock_now() + PATIENCE;
    char *got = malloc(expected.size + 1);
    size_t count = 0;

    while (count < expected.size && sl_clock_now() < until) {
        ssize_t n =
            recv(talk->peer, got + count, expected.size - count, MSG_DONTWAIT);

        if (n == 0)
            break;
        if (n > 0)
            count += (size_t)n;
        else
            talk_step(talk);
    }
    CHECK_BYTES(got, count, expected.data, expected.size);
    free(got);
}

#define READS(talk, text) peer_reads(talk, SL_VIEW(text))

/* The server sees the end, without a byte before it; reset: also a reset. */
static inline void peer_meets_end(struct talk *talk)
{
    int64_t until = sl_clock_now() + PATIENCE;
    char byte;
    ssize_t n = -1;

    while (n < 0 && sl_clock_now() < until) {
        talk_step(talk);
        n = recv(talk->peer, &byte, 1, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            n = 0;
    }
    CHECK_INT(n, 0);
}

static inline void peer_ends(struct talk *talk)
{
    close(talk->peer);
    talk->peer = -1;
}

/* ---- the program ---- */

/* Waits for a message or the end. */
static inline enum sl_status talk_want(struct talk *talk)
{
    int64_t until = sl_clock_now() + PATIENCE;
    enum sl_status status = sl_websocket_want(talk->socket, until);

    while (status == SL_AGAIN && sl_clock_now() < until) {
        while (talk->socket->completion.state != SL_COMPLETION_DONE &&
               sl_clock_now() < until)
            talk_step(talk);
        status = sl_websocket_want(talk->socket, until);
    }
    return status;
}

/* The next message, which must be this. */
static inline void talk_receives(struct talk *talk, struct sl_view expected,
                                 bool is_text)
{
    struct sl_ws_arrival *arrival;
    char *got = malloc(expected.size + 16);
    size_t size;

    if (!CHECK_INT(talk_want(talk), SL_OK)) {
        free(got);
        return;
    }
    arrival = sl_websocket_first(talk->socket);
    size = sl_buffer_copy_out(&arrival->payload, 0, got, expected.size + 16);
    CHECK_BYTES(got, size, expected.data, expected.size);
    CHECK_INT(arrival->is_text, is_text);
    sl_websocket_drop(talk->socket);
    free(got);
}

#define RECEIVES(talk, text) talk_receives(talk, SL_VIEW(text), true)

/* The end, which must be this. */
static inline void talk_ends(struct talk *talk, enum sl_status status,
                             unsigned code, const char *reason)
{
    const struct sl_ws_end *end;

    if (!CHECK_INT(talk_want(talk), SL_END))
        return;
    end = talk->socket->end;
    CHECK_INT(end->failure.status, status);
    CHECK_INT(end->failure.stage, SL_STAGE_WEBSOCKET);
    CHECK_INT(end->code, code);
    CHECK_STR(end->failure.reason, reason);
}

/* Waits until the place's piece was sent, or not. */
static inline enum sl_status talk_wait(struct talk *talk,
                                       struct sl_ws_place *place)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (place->completion.state == SL_COMPLETION_PENDING ||
           place->completion.state == SL_COMPLETION_READY) {
        if (!CHECK(sl_clock_now() < until))
            break;
        talk_step(talk);
    }
    return sl_ws_place_want(place);
}

static inline void talk_until_over(struct talk *talk)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (talk->socket->phase != SL_WEBSOCKET_OVER && sl_clock_now() < until)
        talk_step(talk);
    CHECK_INT(talk->socket->phase, SL_WEBSOCKET_OVER);
}

static inline struct sl_ws_piece piece_of(const char *text)
{
    struct sl_ws_piece piece = {sl_view(text, strlen(text)), NULL};

    return piece;
}

/* ---- much to send, of which a peer that does not read takes a part ---- */

#define LOAD ((size_t)300 * 1000)

struct load {
    struct sl_ws_place place;
    char *text;
    char *frame; /* the same with its head */
};

/* A talk whose kernel keeps little of it, and a sender that waits. */
static inline void load_begin(struct load *load, struct talk *talk,
                              const struct manner *manner)
{
    static const char head[] = "\x81\xff\0\0\0\0\0\x04\x93\xe0" KEY;
    struct sl_ws_piece piece;

    talk->is_small = true;
    talk_init(talk, manner);
    load->frame = malloc(14 + LOAD);
    memcpy(load->frame, head, 14);
    memset(load->frame + 14, 'x', LOAD);
    load->text = load->frame + 14;
    piece = (struct sl_ws_piece){sl_view(load->text, LOAD), NULL};
    sl_websocket_init_place(talk->socket, &load->place);
    CHECK_INT(
        sl_websocket_put(talk->socket, &load->place, SL_WS_TEXT, &piece, true),
        SL_AGAIN);
}

/* The peer reads all of it. */
static inline void load_arrives(struct load *load, struct talk *talk)
{
    peer_reads(talk, sl_view(load->frame, 14 + LOAD));
    CHECK_INT(talk_wait(talk, &load->place), SL_OK);
}

static inline void load_end(struct load *load, struct talk *talk)
{
    sl_ws_place_fini(&load->place);
    talk_fini(talk);
    free(load->frame);
}

#endif
