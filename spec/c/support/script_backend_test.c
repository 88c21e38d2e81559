#include "spec/c/support/script_backend.h"

#include "spec/c/io/world.h"

static struct world world;

struct dial {
    struct sl_connector *connector;
    struct sl_transport *transport;
    struct sl_failure failure;
    bool is_done;
};

static void done(void *owner)
{
    ((struct dial *)owner)->is_done = true;
}

static void begin(struct dial *dial, enum sl_transport_mode mode)
{
    struct sl_connect_options options = {
        .host = "192.0.2.1", /* RFC 5737: nobody */
        .port = 80,
        .mode = mode,
        .backend = script_backend(),
        .resolve_timeout = SL_NEVER,
        .connect_timeout = SL_NEVER,
        .deadline = SL_NEVER,
    };

    memset(dial, 0, sizeof *dial);
    REQUIRE(sl_connect_begin(&world.loop, world.resolver, &options, done, dial,
                             &dial->connector) == SL_OK);
}

static enum sl_status result_of(struct dial *dial)
{
    enum sl_status status;

    world_until(&world, &dial->is_done);
    status =
        sl_connect_result(dial->connector, &dial->transport, &dial->failure);
    sl_connect_destroy(dial->connector);
    return status;
}

static void step_until_held(size_t count)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (script_held() < count && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(script_held() == count);
}

static void receive(struct sl_transport *transport, const char *expected)
{
    struct sl_buffer buffer;
    size_t received = 0;
    enum sl_status status = SL_AGAIN;
    int64_t until = sl_clock_now() + PATIENCE;
    struct sl_view view;

    sl_buffer_init(&buffer, &world.pool, SIZE_MAX);
    while (status == SL_AGAIN && sl_clock_now() < until) {
        status = sl_transport_receive(transport, &buffer, 64, &received);
        if (status == SL_AGAIN)
            CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    }
    CHECK_INT(status, SL_OK);
    view = sl_buffer_peek(&buffer);
    CHECK_BYTES(view.data, view.size, expected, strlen(expected));
    sl_buffer_fini(&buffer);
}

static void talk(enum sl_transport_mode mode)
{
    struct sl_view hello = SL_VIEW("hello");
    struct dial first, second;
    char heard[8];
    size_t sent;
    int peer, other;

    world_init(&world, NULL);
    begin(&first, mode);
    step_until_held(1);
    begin(&second, mode);
    step_until_held(2);
    world_settle(&world);
    CHECK(!first.is_done);
    peer = script_accept();
    other = script_accept();
    CHECK_INT(result_of(&first), SL_OK);
    CHECK_INT(result_of(&second), SL_OK);
    CHECK(sl_transport_is_quiet(first.transport));
    CHECK_INT(sl_transport_send(first.transport, &hello, 1, &sent), SL_OK);
    world_settle(&world);
    CHECK_INT(recv(peer, heard, sizeof heard, 0), 5);
    CHECK_BYTES(heard, 5, "hello", 5);
    peer_send(peer, "to you");
    receive(first.transport, "to you");
    peer_send(other, "too");
    receive(second.transport, "too");
    sl_transport_close(first.transport);
    sl_transport_abort(second.transport);
    world_settle(&world);
    close(peer);
    close(other);
    world_fini(&world);
}

TEST("connects when the test accepts, as streams and with completions")
{
    talk(SL_TRANSPORT_STREAM);
    talk(SL_TRANSPORT_COMPLETION);
}

TEST("refuses with the test's reason")
{
    struct dial dial;

    world_init(&world, NULL);
    begin(&dial, SL_TRANSPORT_STREAM);
    step_until_held(1);
    script_refuse(EHOSTUNREACH);
    CHECK_INT(result_of(&dial), SL_CONNECT);
    CHECK_INT(dial.failure.system_error, EHOSTUNREACH);
    world_fini(&world);
}

TEST("forgets connects that are given up, whichever comes first")
{
    struct dial first, second;
    int peer;

    world_init(&world, NULL);
    begin(&first, SL_TRANSPORT_STREAM);
    begin(&second, SL_TRANSPORT_COMPLETION);
    step_until_held(2);
    sl_connect_destroy(first.connector);
    CHECK_INT(script_held(), 1);
    peer = script_accept();
    CHECK_INT(result_of(&second), SL_OK);
    sl_transport_close(second.transport);
    begin(&first, SL_TRANSPORT_STREAM);
    step_until_held(1);
    sl_connect_destroy(first.connector);
    CHECK_INT(script_held(), 0);
    close(peer);
    world_fini(&world);
}

int main(void)
{
    return test_main();
}
