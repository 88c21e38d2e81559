#include "conn/exchange.h"
#include "io/transport_class.h"

#include "spec/c/conn/scene.h"

#include <stdio.h>
#include <unistd.h>

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define POST  "POST / HTTP/1.1\r\nHost: x\r\n\r\n"
#define BODY  SL_SEND_AT_ONCE

static struct scene scene;
static int server;

/* ---- a transport that counts what it is given ---- */

static const struct sl_transport_class *counted;
static struct sl_transport_class counting;
static int sends;

static enum sl_status count_send(struct sl_transport *transport,
                                 const struct sl_view *views, size_t count,
                                 size_t *sent)
{
    sends++;
    return counted->send(transport, views, count, sent);
}

static void count_sends(struct sl_exchange *exchange)
{
    struct sl_transport *transport = exchange->connection->link.transport;

    counted = transport->class;
    counting = *counted;
    counting.send = count_send;
    transport->class = &counting;
    sends = 0;
}

/* A server that has answered once: the next request is placed at once. */
static void open_connection(void)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);
    int big = 1 << 20;

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    server = scene_accept(&scene);
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    scene_expect(&scene, server, GET);
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
}

static struct sl_exchange *create(void)
{
    struct sl_exchange *exchange;

    scene_init(&scene);
    open_connection();
    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    return exchange;
}

/* What a body of BODY bytes costs, whose bytes come in order of the alphabet.
 */
static void finish(struct sl_exchange *exchange, const char *framing_head,
                   const char *framing_tail)
{
    char *expected = malloc(BODY + 1);

    for (size_t i = 0; i < BODY; i++)
        expected[i] = (char)('a' + i % 26);
    expected[BODY] = 0;
    scene_expect(&scene, server, POST);
    scene_expect(&scene, server, framing_head);
    scene_expect(&scene, server, expected);
    scene_expect(&scene, server, framing_tail);
    CHECK_INT(sends, 1);
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    free(expected);
    close(server);
    scene_fini(&scene);
}

static void fill(struct sl_buffer *buffer, size_t from, size_t size)
{
    for (size_t i = from; i < from + size; i++) {
        char byte = (char)('a' + i % 26);

        REQUIRE(sl_buffer_append(buffer, sl_view(&byte, 1)) == SL_OK);
    }
}

TEST("sends a head of any size")
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    static const size_t sizes[] = {SL_OUTGOING_ROOM, SL_OUTGOING_ROOM + 1,
                                   4000};
    struct sl_exchange *exchange;
    char head[4001];

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(head, 'x', sizes[i]);
        memcpy(head, start, sizeof start - 1);
        memcpy(head + sizes[i] - 4, "\r\n\r\n", 5);
        scene_init(&scene);
        open_connection();
        REQUIRE(sl_exchange_create(scene.exchanges, scene.origin,
                                   &scene.options, sl_view(head, sizes[i]),
                                   &exchange) == SL_OK);
        sl_exchange_start(exchange);
        CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
        scene_expect(&scene, server, head);
        peer_send(server, HELLO);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
        sl_exchange_release(exchange);
        close(server);
        scene_fini(&scene);
    }
}

TEST("sends a head and a sequence of many small segments at once")
{
    struct sl_exchange *exchange = create();
    struct sl_buffer buffer;
    struct sl_sequence content;

    sl_buffer_init(&buffer, &scene.world.pool, SIZE_MAX); /* 23 bytes each */
    sl_sequence_init(&content, &scene.world.own.base);
    fill(&buffer, 0, BODY);
    REQUIRE(sl_sequence_take(&content, &buffer) == SL_OK);
    sl_buffer_fini(&buffer);
    REQUIRE(sl_upload_add_sequence(&exchange->request->outgoing.upload,
                                   &content) == SL_OK);
    sl_exchange_start(exchange);
    count_sends(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    finish(exchange, "", "");
}

TEST("sends a head and a small file at once")
{
    struct sl_exchange *exchange = create();
    FILE *file = tmpfile();

    REQUIRE(file != NULL);
    for (size_t i = 0; i < BODY; i++)
        putc((char)('a' + i % 26), file);
    fflush(file);
    CHECK_INT(sl_upload_add_file(&exchange->request->outgoing.upload,
                                 fileno(file), 1, BODY, "body"),
              SL_END);
    CHECK_INT(sl_upload_add_file(&exchange->request->outgoing.upload,
                                 fileno(file), 0, BODY, "body"),
              SL_OK);
    fclose(file);
    sl_exchange_start(exchange);
    count_sends(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    finish(exchange, "", "");
}

TEST("sends a head and many sources at once")
{
    struct sl_exchange *exchange = create();
    FILE *file = tmpfile();
    char text[BODY];

    REQUIRE(file != NULL);
    for (size_t i = 0; i < BODY; i++) {
        text[i] = (char)('a' + i % 26);
        putc(text[i], file);
    }
    fflush(file);
    for (size_t i = 0; i < BODY / 2; i += 512)
        REQUIRE(sl_upload_add_text(&exchange->request->outgoing.upload,
                                   sl_view(text + i, 512)) == SL_OK);
    REQUIRE(sl_upload_add_file(&exchange->request->outgoing.upload,
                               fileno(file), BODY / 2, BODY / 2,
                               "body") == SL_OK);
    fclose(file);
    sl_exchange_start(exchange);
    count_sends(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    finish(exchange, "", "");
}

/* Twelve MiB of zeros, more than a socket takes in before its peer reads. */
#define LARGE ((size_t)12 << 20)

/* A request whose body is those texts, then a file of LARGE bytes. */
static struct sl_exchange *send_large(FILE **file, const struct sl_view *texts,
                                      size_t count)
{
    struct sl_exchange *exchange = create();

    *file = tmpfile();
    REQUIRE(*file != NULL && ftruncate(fileno(*file), (off_t)LARGE) == 0);
    for (size_t i = 0; i < count; i++)
        REQUIRE(sl_upload_add_text(&exchange->request->outgoing.upload,
                                   texts[i]) == SL_OK);
    REQUIRE(sl_upload_add_file(&exchange->request->outgoing.upload,
                               fileno(*file), 0, LARGE, "the file") == SL_OK);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    return exchange;
}

TEST("fails at once if a file shrinks while it is sent")
{
    /* To nothing, into a page, and by its last byte. */
    static const off_t sizes[] = {0, 4096 * 1000 + 17, (off_t)LARGE - 1};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sl_view text = SL_VIEW("before");
        FILE *file;
        struct sl_exchange *exchange = send_large(&file, &text, 1);
        char bytes[65536];
        int64_t until = sl_clock_now() + PATIENCE;

        CHECK(!sl_outgoing_is_over(&exchange->request->outgoing));
        REQUIRE(ftruncate(fileno(file), sizes[i]) == 0);
        while (exchange->phase < SL_EXCHANGE_DONE && sl_clock_now() < until) {
            if (recv(server, bytes, sizeof bytes, MSG_DONTWAIT) < 0)
                CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND),
                          SL_OK);
        }
        CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_INVALID);
        CHECK_STR(exchange->failure->reason,
                  "the file has shrunk since the request was made");
        CHECK_INT(exchange->failure->stage, SL_STAGE_SEND);
        CHECK_INT(scene.world.loop.late_writes, 0);
        fclose(file);
        sl_exchange_release(exchange);
        close(server);
        scene_fini(&scene);
    }
}

/* ---- a transport under which the file shrinks, right when it sends ---- */

static int file_to_cut;
static off_t cut_at;

static enum sl_status cut_and_send(struct sl_transport *transport,
                                   const struct sl_view *views, size_t count,
                                   size_t *sent)
{
    REQUIRE(ftruncate(file_to_cut, cut_at) == 0);
    return counted->send_mapped(transport, views, count, sent);
}

TEST("fails at once if a file shrinks within a send")
{
    static const off_t sizes[] = {0, 17, 4096 * 3, 4096 * 3 + 17, 59999};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sl_exchange *exchange = create();
        FILE *file = tmpfile();

        REQUIRE(file != NULL && ftruncate(fileno(file), 60000) == 0);
        REQUIRE(sl_upload_add_file(&exchange->request->outgoing.upload,
                                   fileno(file), 0, 60000,
                                   "the file") == SL_OK);
        sl_exchange_start(exchange);
        count_sends(exchange);
        counting.send_mapped = cut_and_send;
        file_to_cut = fileno(file);
        cut_at = sizes[i];
        CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_INVALID);
        CHECK_STR(exchange->failure->reason,
                  "the file has shrunk since the request was made");
        CHECK_INT(scene.world.loop.late_writes, 0);
        fclose(file);
        sl_exchange_release(exchange);
        close(server);
        scene_fini(&scene);
    }
}

static void push(struct sl_exchange *exchange, size_t from, size_t size)
{
    struct sl_sequence piece;
    struct sl_buffer bytes;

    sl_buffer_init(&bytes, &scene.world.pool, SIZE_MAX);
    fill(&bytes, from, size);
    sl_sequence_init(&piece, scene.world.allocator);
    REQUIRE(sl_sequence_take(&piece, &bytes) == SL_OK);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW(""), &piece), SL_OK);
    sl_sequence_fini(&piece);
    sl_buffer_fini(&bytes);
}

TEST("sends a head and pieces that are given without waiting at once")
{
    struct sl_exchange *exchange = create();

    sl_upload_set_pushed(&exchange->request->outgoing.upload, BODY);
    sl_exchange_start(exchange);
    count_sends(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    world_settle(&scene.world);
    CHECK_INT(sends, 0); /* the pusher has not come yet */
    CHECK_INT(sl_exchange_want_room(exchange), SL_OK);
    for (size_t i = 0; i < 8; i++)
        push(exchange, i * (BODY / 8), BODY / 8);
    finish(exchange, "", "");
}

TEST("sends a head and a chunked body at once")
{
    struct sl_exchange *exchange = create();

    sl_upload_set_pushed(&exchange->request->outgoing.upload, UINT64_MAX);
    sl_exchange_start(exchange);
    count_sends(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(sl_exchange_want_room(exchange), SL_OK);
    push(exchange, 0, 3);
    push(exchange, 3, 2);
    CHECK_INT(sl_exchange_end_body(exchange, SL_VIEW("")), SL_OK);
    scene_expect(&scene, server, POST "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    CHECK_INT(sends, 1);
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(server);
    scene_fini(&scene);
}

TEST("sends the head before a first piece that is slow to arrive")
{
    struct sl_exchange *exchange = create();

    sl_upload_set_pushed(&exchange->request->outgoing.upload, 4);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(sl_exchange_want_room(exchange), SL_OK);
    scene_expect(&scene, server, POST);
    push(exchange, 0, 2);
    scene_expect(&scene, server, "ab"); /* and so does the second one */
    push(exchange, 2, 2);
    scene_expect(&scene, server, "cd");
    CHECK(sl_outgoing_is_over(&exchange->request->outgoing));
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(server);
    scene_fini(&scene);
}

/* A stream of events begins when so much of a response is there. */
static struct sl_exchange *expect_events(struct sl_exchange *exchange)
{
    peer_send(server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_OK);
    sl_exchange_expect_events(exchange);
    return exchange;
}

static void finish_events(struct sl_exchange *exchange)
{
    struct sl_response *response = &exchange->incoming.response;

    CHECK_VIEW(sl_head_value(&response->head, 0), "5");
    peer_send(server, "ello");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 5), SL_OK);
    CHECK_VIEW(sl_buffer_peek(&response->body), "hello");
    sl_buffer_consume(&response->body, 5);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 1), SL_END);
    CHECK_INT(sl_exchange_uploaded(exchange), 2);
    sl_exchange_release(exchange);
    /* The connection was kept, and the next request is as any other. */
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    scene_expect(&scene, server, GET);
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(server);
    scene_fini(&scene);
}

TEST("is given back for a stream of events")
{
    struct sl_exchange *exchange = create();

    REQUIRE(sl_upload_add_text(&exchange->request->outgoing.upload,
                               SL_VIEW("ab")) == SL_OK);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    scene_expect(&scene, server, POST);
    scene_expect(&scene, server, "ab");
    expect_events(exchange);
    CHECK(exchange->request->exchange == NULL);
    sl_exchange_expect_events(exchange); /* once more */
    CHECK_INT(sl_exchange_uploaded(exchange), 2);
    finish_events(exchange);
}

TEST("stays beside a stream of events while its body may be pushed")
{
    struct sl_exchange *exchange = create();

    sl_upload_set_pushed(&exchange->request->outgoing.upload, 2);
    sl_exchange_start(exchange);
    push(exchange, 0, 1);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    scene_expect(&scene, server, POST);
    scene_expect(&scene, server, "a");
    expect_events(exchange);
    push(exchange, 1, 1);
    scene_expect(&scene, server, "b");
    sl_exchange_expect_events(exchange);
    CHECK(exchange->request->exchange == exchange);
    finish_events(exchange);
}

TEST("asks for no piece while it waits for 100")
{
    scene_init(&scene);
    struct sl_exchange *exchange;

    open_connection();
    scene.options.expects_continue = true;
    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload, 4);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(sl_exchange_want_room(exchange), SL_AGAIN);
    scene_expect(&scene, server, POST);
    CHECK(exchange->request->room.state == SL_COMPLETION_PENDING);
    peer_send(server, "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    push(exchange, 0, 4);
    scene_expect(&scene, server, "abcd");
    peer_send(server, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(server);
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
