#include "spec/c/support/memory_backend.h"

#include "spec/c/io/world.h"

static struct world world;
static struct memory_script script;

static void done(void *owner)
{
    *(bool *)owner = true;
}

/* Connects to the next wire. */
static enum sl_status dial(struct sl_transport **transport)
{
    struct sl_connect_options options = {
        .host = "192.0.2.1", /* RFC 5737: nobody */
        .port = 80,
        .mode = SL_TRANSPORT_COMPLETION,
        .backend = memory_backend(),
        .resolve_timeout = SL_NEVER,
        .connect_timeout = SL_NEVER,
        .deadline = SL_NEVER,
    };
    struct sl_connector *connector;
    struct sl_failure failure;
    bool is_done = false;
    enum sl_status status;

    REQUIRE(sl_connect_begin(&world.loop, world.resolver, &options, done,
                             &is_done, &connector) == SL_OK);
    world_until(&world, &is_done);
    status = sl_connect_result(connector, transport, &failure);
    sl_connect_destroy(connector);
    return status;
}

static void send_some(struct sl_transport *transport)
{
    struct sl_view view = SL_VIEW("hello");
    size_t sent;

    CHECK_INT(sl_transport_send(transport, &view, 1, &sent), SL_OK);
}

/* What comes within some steps; SL_AGAIN: nothing. */
static enum sl_status receive(struct sl_transport *transport, char *text)
{
    enum sl_status status = SL_AGAIN;
    struct sl_buffer buffer;
    size_t received = 0;

    sl_buffer_init(&buffer, &world.pool, SIZE_MAX);
    for (int i = 0; status == SL_AGAIN && i < 4; i++) {
        status = sl_transport_receive(transport, &buffer, 64, &received);
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    }
    text[sl_buffer_copy_out(&buffer, 0, text, 63)] = '\0';
    sl_buffer_fini(&buffer);
    return status;
}

static void begin(struct sl_view text)
{
    world_init(&world, NULL);
    script = (struct memory_script){
        .text = text, .step = SIZE_MAX, .hears = SIZE_MAX};
    memory_play(&script);
}

TEST("says a wire in pieces, once it was sent something")
{
    struct sl_transport *transport;
    char text[64];

    begin(SL_VIEW("ab\xff\x03"
                  "cd\xff\x00"
                  "ef"));
    REQUIRE(dial(&transport) == SL_OK);
    CHECK_INT(memory_count(), 1);
    CHECK_INT(receive(transport, text), SL_AGAIN);
    send_some(transport);
    CHECK_INT(receive(transport, text), SL_OK);
    CHECK_STR(text, "ab");
    CHECK_INT(receive(transport, text), SL_OK);
    CHECK_STR(text, "cd");
    CHECK_INT(receive(transport, text), SL_AGAIN);
    send_some(transport);
    CHECK_INT(receive(transport, text), SL_OK);
    CHECK_STR(text, "ef");
    CHECK_INT(receive(transport, text), SL_END);
    sl_transport_close(transport);
    CHECK_INT(memory_count(), 0);
    world_fini(&world);
}

TEST("gives each connection a wire of its own, and refuses what has none")
{
    struct sl_transport *first;
    struct sl_transport *second;
    struct sl_transport *third;
    char text[64];

    begin(SL_VIEW("one\xff\x02"
                  "two\xff\x01"));
    REQUIRE(dial(&first) == SL_OK);
    REQUIRE(dial(&second) == SL_OK);
    CHECK_INT(dial(&third), SL_CONNECT);
    send_some(second);
    CHECK_INT(receive(second, text), SL_OK);
    CHECK_STR(text, "two");
    CHECK_INT(receive(second, text), SL_END);
    send_some(first);
    CHECK_INT(receive(first, text), SL_OK);
    CHECK_STR(text, "one");
    CHECK_INT(receive(first, text), SL_CLOSED);
    CHECK_INT(sl_transport_error(first), ECONNRESET);
    sl_transport_close(first);
    sl_transport_close(second);
    world_fini(&world);
}

TEST("cuts pieces, takes another 0xFF for content, and ends as its script says")
{
    struct sl_transport *transport;
    char text[64];

    begin(SL_VIEW("\xff\x04"));
    script.step = 1;
    script.is_eager = script.speaks_first = true;
    script.end = MEMORY_IS_SILENT;
    memory_play(&script);
    REQUIRE(dial(&transport) == SL_OK);
    CHECK_INT(receive(transport, text), SL_OK);
    CHECK_STR(text, "\xff");
    CHECK_INT(receive(transport, text), SL_OK);
    CHECK_STR(text, "\x04");
    CHECK_INT(receive(transport, text), SL_AGAIN);
    memory_end();
    CHECK_INT(receive(transport, text), SL_END);
    sl_transport_close(transport);
    world_fini(&world);
}

int main(void)
{
    return test_main();
}
