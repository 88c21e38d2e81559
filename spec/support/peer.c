/* spec/support/peer.c - a scripted peer for specs: `require "support.peer"`
 *
 * in:  a script made by a spec      out: exactly those bytes, cuts and silences
 *
 *   Lua thread                         peer thread (one for each peer)
 *   listen{ script } -- starts ----->  accept -> connection -> step -> step ...
 *   signal(), stop() -- eventfd ---->      \---> connection -> step ...
 *   received(), failures() <- lock --  records
 *
 * The peer lives in a thread of its own so that it goes on while the Lua thread
 * is inside the client under test. That thread never touches Lua. Whatever both
 * sides see stands in `struct peer` under its lock; scripts are constant after
 * listen(). Every descriptor the peers own is marked in one table, so that
 * descriptors() shows only those of the code under test.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <linux/sockios.h>
#include <lua.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "spec/support/peer_websocket.h"

#define PEER_NAME       "support.peer"
#define NANOSECONDS     1000000000.0
#define DRIBBLE_SECONDS 0.0002
#define PIECES_PER_TURN 64
#define BLOCK_SIZE      ((size_t)65536)
#define SHOWN_BYTES     ((size_t)48)
#define ENDLESS         UINT64_MAX
#define DESCRIPTOR_MAX  65536

/* What the connection does next. The comment is the step as a spec writes it;
 * brackets mark what may be left out. */
enum step_kind {
    STEP_EXPECT,       /* bytes: reads as many and compares */
    STEP_EXPECT_UNTIL, /* bytes: reads up to and with the first such bytes */
    STEP_EXPECT_END,   /* the client closes and sends nothing before it */
    STEP_READ,         /* count: reads as many, whatever they are */
    STEP_READ_ALL,     /* reads until the client closes */
    STEP_DISCARD,      /* [count]: as read or read_all, keeping nothing */
    STEP_SEND,         /* bytes */
    STEP_SEND_REPEAT,  /* bytes, count */
    STEP_DRIBBLE,      /* bytes, piece size [, seconds between pieces] */
    STEP_CUT,          /* bytes, at [, seconds]: two pieces, first of `at` */
    STEP_ECHO,         /* [count]: sends back what comes */
    STEP_RELAY,        /* port [, count [, piece size]]: to and from a server */
    STEP_ACCEPT,       /* [field lines]: answers a WebSocket's handshake */
    STEP_EXPECT_FRAME, /* first byte, payload: of a client, masked */
    STEP_EXPECT_CLOSE, /* reads a client's frames up to and with its Close */
    STEP_PAUSE,        /* seconds */
    STEP_STALL,        /* silence until the client closes */
    STEP_HOLD,         /* until signal(), or until the client closes */
    STEP_LOOP,         /* [times]: back to the first step */
    STEP_SHUTDOWN,     /* no more to send; reading goes on */
    STEP_CLOSE,        /* the client sees an orderly end */
    STEP_RESET,        /* the client sees a reset */
};

/* b bytes, n count, s seconds, p port, z piece size; upper case may be left
 * out */
static const struct {
    const char *name;
    const char *arguments;
} grammar[] = {
    [STEP_EXPECT] = {"expect", "b"},
    [STEP_EXPECT_UNTIL] = {"expect_until", "b"},
    [STEP_EXPECT_END] = {"expect_end", ""},
    [STEP_READ] = {"read", "n"},
    [STEP_READ_ALL] = {"read_all", ""},
    [STEP_DISCARD] = {"discard", "N"},
    [STEP_SEND] = {"send", "b"},
    [STEP_SEND_REPEAT] = {"send_repeat", "bn"},
    [STEP_DRIBBLE] = {"dribble", "bzS"},
    [STEP_CUT] = {"cut", "bnS"},
    [STEP_ECHO] = {"echo", "N"},
    [STEP_RELAY] = {"relay", "pNZ"},
    [STEP_ACCEPT] = {"accept", "B"},
    [STEP_EXPECT_FRAME] = {"expect_frame", "nb"},
    [STEP_EXPECT_CLOSE] = {"expect_close", ""},
    [STEP_PAUSE] = {"pause", "s"},
    [STEP_STALL] = {"stall", ""},
    [STEP_HOLD] = {"hold", ""},
    [STEP_LOOP] = {"loop", "N"},
    [STEP_SHUTDOWN] = {"shutdown", ""},
    [STEP_CLOSE] = {"close", ""},
    [STEP_RESET] = {"reset", ""},
};

#define STEP_KINDS (sizeof grammar / sizeof grammar[0])

struct step {
    enum step_kind kind;
    char *bytes; /* owned; holds `repeats` copies of `size` bytes */
    size_t size;
    size_t repeats;
    uint64_t count;
    size_t piece;
    uint16_t port;
    double seconds;
};

struct script {
    struct step *steps;
    size_t count;
};

/* Bytes that came in. Everything before `consumed` was taken by a step. */
struct record {
    char *data;
    size_t size;
    size_t capacity;
    size_t consumed;
};

/* Bytes read from one side and not yet written to the other. */
struct pipe {
    char *bytes; /* BLOCK_SIZE, made when needed */
    size_t size;
    size_t sent;
};

struct connection {
    int fd;       /* -1 when over */
    int upstream; /* of "relay", or -1 */
    size_t number;
    const struct script *script;
    size_t step;
    uint64_t progress; /* bytes of this step done */
    uint64_t loops;
    uint64_t deadline;     /* nanoseconds; 0 when the step waits for no time */
    unsigned char mask[4]; /* key of the last frame that was expected */
    bool has_ended;        /* the client's end or a reset was seen */
    bool has_upstream_ended;
    uint32_t interest; /* as set in epoll */
    uint32_t upstream_interest;
    struct record in;
    struct pipe down; /* to the client */
    struct pipe up;   /* to the server behind a relay */
};

struct peer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool is_running;
    bool must_stop;

    int family;
    uint16_t port;
    char url[64];
    char path[108];
    int listener;
    int epoll;
    int wake;
    int fillers[8]; /* connections that occupy a queue nobody accepts from */
    size_t filler_count;

    struct script *scripts;
    size_t script_count;
    bool repeats_last;
    bool keeps_records;
    int receive_buffer;

    struct connection **connections;
    size_t connection_count;
    size_t connection_capacity;
    size_t open_count;
    uint64_t signals;
    char **failures;
    size_t failure_count;
};

/* ---- descriptors of peers, hidden from descriptors() ---- */

static pthread_mutex_t descriptor_lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_ours[DESCRIPTOR_MAX];

static int own(int fd)
{
    if (fd >= 0 && fd < DESCRIPTOR_MAX)
        is_ours[fd] = true;
    return fd;
}

/* Closing and unmarking are one step for a reader of the list. */
static void disown_and_close(int *fd)
{
    if (*fd < 0)
        return;
    pthread_mutex_lock(&descriptor_lock);
    close(*fd);
    if (*fd < DESCRIPTOR_MAX)
        is_ours[*fd] = false;
    pthread_mutex_unlock(&descriptor_lock);
    *fd = -1;
}

/* ---- small things ---- */

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t after(double seconds)
{
    return now() + (uint64_t)(seconds * NANOSECONDS) + 1;
}

/* A spec without memory cannot go on; it ends here. */
static void *must_have(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void record_reserve(struct record *record, size_t room)
{
    if (record->capacity - record->size >= room)
        return;
    size_t capacity = record->capacity ? record->capacity * 2 : 512;
    while (capacity - record->size < room)
        capacity *= 2;
    record->data = must_have(realloc(record->data, capacity));
    record->capacity = capacity;
}

static void escape(char *out, size_t room, const char *bytes, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + 5 < room; i++) {
        unsigned char c = (unsigned char)bytes[i];
        const char *format = c >= 0x20 && c < 0x7f ? "%c" : "\\x%02X";
        used += (size_t)snprintf(out + used, room - used, format, c);
    }
    out[used] = '\0';
}

static void fail(struct peer *peer, struct connection *connection,
                 const char *format, ...)
{
    char what[320], line[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (connection->script == NULL)
        snprintf(line, sizeof line, "connection %zu: %s", connection->number,
                 what);
    else
        snprintf(line, sizeof line, "connection %zu, step %zu (%s): %s",
                 connection->number, connection->step + 1,
                 grammar[connection->script->steps[connection->step].kind].name,
                 what);
    peer->failures = must_have(realloc(
        peer->failures, (peer->failure_count + 1) * sizeof *peer->failures));
    peer->failures[peer->failure_count++] = must_have(strdup(line));
}

/* ---- a connection: peer thread, lock held ---- */

/* Of an open one. */
static enum step_kind kind_of(const struct connection *connection)
{
    return connection->script->steps[connection->step].kind;
}

enum outcome {
    NEXT_STEP,  /* this one is done */
    WAIT_INPUT, /* come again when there is something to read */
    WAIT_OUTPUT,
    WAIT_END,   /* come again when the client closes */
    WAIT_TIME,  /* come again at the deadline */
    WAIT_RELAY, /* come again when either side can go on */
    OVER,
};

static void finish(struct peer *peer, struct connection *connection)
{
    if (connection->fd < 0)
        return;
    disown_and_close(&connection->fd);
    disown_and_close(&connection->upstream);
    connection->deadline = 0;
    free(connection->down.bytes);
    free(connection->up.bytes);
    connection->down = connection->up = (struct pipe){0};
    if (!peer->keeps_records) {
        free(connection->in.data);
        connection->in = (struct record){0};
    }
    peer->open_count--;
    pthread_cond_broadcast(&peer->changed);
}

/* One read. false: nothing there now, or the other side ended (`*has_ended`). */
static bool receive_from(int fd, bool *has_ended, char *room, size_t size,
                         size_t *count)
{
    ssize_t got;

    if (*has_ended)
        return false;
    do {
        got = recv(fd, room, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        *count = (size_t)got;
        return true;
    }
    if (got == 0 || errno != EAGAIN)
        *has_ended = true;
    return false;
}

static bool receive(struct connection *connection, char *room, size_t size,
                    size_t *count)
{
    return receive_from(connection->fd, &connection->has_ended, room, size,
                        count);
}

/* One write. false: no room now, or the other side is gone (`*has_ended`). */
static bool transmit_to(int fd, bool *has_ended, const char *bytes, size_t size,
                        size_t *count)
{
    ssize_t sent;

    do {
        sent = send(fd, bytes, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        *count = (size_t)sent;
        return true;
    }
    if (errno != EAGAIN)
        *has_ended = true;
    return false;
}

static bool transmit(struct connection *connection, const char *bytes,
                     size_t size, size_t *count)
{
    return transmit_to(connection->fd, &connection->has_ended, bytes, size,
                       count);
}

static bool receive_more(struct peer *peer, struct connection *connection,
                         size_t wanted)
{
    struct record *in = &connection->in;
    size_t room = wanted < 4096 ? 4096 : wanted;
    size_t count;

    record_reserve(in, room < BLOCK_SIZE ? room : BLOCK_SIZE);
    if (!receive(connection, in->data + in->size, in->capacity - in->size,
                 &count))
        return false;
    in->size += count;
    pthread_cond_broadcast(&peer->changed);
    return true;
}

/* A client that leaves between two rounds of an endless loop has done nothing
 * wrong; anywhere else it left too early. */
static enum outcome left_early(struct peer *peer, struct connection *connection)
{
    struct record *in = &connection->in;

    if (connection->step > 0 || connection->loops == 0 ||
        in->size > in->consumed)
        fail(peer, connection, "the client closed after %zu bytes",
             in->size - in->consumed);
    return OVER;
}

static enum outcome expect(struct peer *peer, struct connection *connection,
                           const struct step *step)
{
    struct record *in = &connection->in;
    size_t wanted = step->kind == STEP_READ ? (size_t)step->count : step->size;

    for (;;) {
        size_t have = in->size - in->consumed;
        size_t match = have < wanted ? have : wanted;

        if (step->kind == STEP_EXPECT && match > 0 &&
            memcmp(in->data + in->consumed, step->bytes, match) != 0) {
            char got[160], want[160];
            size_t at = 0;
            const char *start = in->data + in->consumed;
            while (start[at] == step->bytes[at])
                at++;
            size_t shown =
                wanted - at < SHOWN_BYTES ? wanted - at : SHOWN_BYTES;
            escape(want, sizeof want, step->bytes + at, shown);
            shown = have - at < SHOWN_BYTES ? have - at : SHOWN_BYTES;
            escape(got, sizeof got, start + at, shown);
            fail(peer, connection, "byte %zu: expected \"%s\", got \"%s\"",
                 at + 1, want, got);
            return OVER;
        }
        if (have >= wanted) {
            in->consumed += wanted;
            return NEXT_STEP;
        }
        if (!receive_more(peer, connection, wanted - have))
            break;
    }
    return connection->has_ended ? left_early(peer, connection) : WAIT_INPUT;
}

static enum outcome expect_until(struct peer *peer,
                                 struct connection *connection,
                                 const struct step *step)
{
    struct record *in = &connection->in;

    do {
        const char *start = in->data + in->consumed;
        size_t have = in->size - in->consumed;
        const char *found =
            have == 0 ? NULL : memmem(start, have, step->bytes, step->size);

        if (found != NULL) {
            in->consumed += (size_t)(found - start) + step->size;
            return NEXT_STEP;
        }
    } while (receive_more(peer, connection, 4096));
    return connection->has_ended ? left_early(peer, connection) : WAIT_INPUT;
}

static enum outcome read_to_end(struct peer *peer,
                                struct connection *connection,
                                const struct step *step)
{
    struct record *in = &connection->in;

    while (receive_more(peer, connection, BLOCK_SIZE))
        continue;
    if (step->kind == STEP_EXPECT_END && in->size > in->consumed) {
        char got[160];
        size_t have = in->size - in->consumed;
        escape(got, sizeof got, in->data + in->consumed,
               have < SHOWN_BYTES ? have : SHOWN_BYTES);
        fail(peer, connection, "expected the end, got \"%s\"", got);
        return OVER;
    }
    if (!connection->has_ended)
        return WAIT_INPUT;
    in->consumed = in->size;
    return NEXT_STEP;
}

static enum outcome discard(struct connection *connection,
                            const struct step *step)
{
    static char scratch[BLOCK_SIZE]; /* nobody reads what is thrown away */
    struct record *in = &connection->in;

    for (int turn = 0;; turn++) {
        uint64_t left = step->count - connection->progress;
        size_t have = in->size - in->consumed;
        size_t count;

        if (left == 0)
            return NEXT_STEP;
        if (turn == PIECES_PER_TURN)
            return WAIT_INPUT;
        if (have > 0) {
            count = have < left ? have : (size_t)left;
            in->consumed += count;
        } else if (!receive(connection, scratch,
                            left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE,
                            &count)) {
            if (!connection->has_ended)
                return WAIT_INPUT;
            return step->count == ENDLESS ? NEXT_STEP : OVER;
        }
        connection->progress += count;
    }
}

static enum outcome transmit_all(struct connection *connection,
                                 const struct step *step)
{
    uint64_t total = step->size * step->count;
    size_t block = step->size * step->repeats;

    for (int turn = 0; turn < PIECES_PER_TURN; turn++) {
        uint64_t left = total - connection->progress;
        size_t count;

        if (left == 0)
            return NEXT_STEP;
        size_t from = (size_t)(connection->progress % block);
        size_t piece = left < block - from ? (size_t)left : block - from;
        if (!transmit(connection, step->bytes + from, piece, &count))
            return connection->has_ended ? OVER : WAIT_OUTPUT;
        connection->progress += count;
    }
    return WAIT_OUTPUT;
}

/* One piece, then a moment in which the client can read it alone. */
static enum outcome transmit_piece(struct connection *connection,
                                   const struct step *step)
{
    size_t done = (size_t)connection->progress;
    size_t end = step->size;
    size_t count;

    if (done == end)
        return NEXT_STEP;
    if (connection->deadline > now())
        return WAIT_TIME;
    if (step->kind == STEP_DRIBBLE && end - done > step->piece)
        end = done + step->piece;
    if (step->kind == STEP_CUT && done < step->count && step->count < end)
        end = (size_t)step->count;
    if (!transmit(connection, step->bytes + done, end - done, &count))
        return connection->has_ended ? OVER : WAIT_OUTPUT;
    connection->progress += count;
    if (connection->progress == step->size)
        return NEXT_STEP;
    connection->deadline = after(step->seconds);
    return WAIT_TIME;
}

static size_t pending(const struct pipe *pipe)
{
    return pipe->size - pipe->sent;
}

static char *room_of(struct pipe *pipe)
{
    if (pipe->bytes == NULL)
        pipe->bytes = must_have(malloc(BLOCK_SIZE));
    return pipe->bytes;
}

static enum outcome echo(struct connection *connection, const struct step *step)
{
    struct record *in = &connection->in;
    struct pipe *pipe = &connection->down;

    for (int turn = 0; turn < PIECES_PER_TURN; turn++) {
        size_t count;

        if (pending(pipe) > 0) {
            if (!transmit(connection, pipe->bytes + pipe->sent, pending(pipe),
                          &count))
                return connection->has_ended ? OVER : WAIT_OUTPUT;
            pipe->sent += count;
            connection->progress += count;
            continue;
        }
        uint64_t left = step->count - connection->progress;
        size_t size = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
        size_t have = in->size - in->consumed;
        if (left == 0)
            return NEXT_STEP;
        if (have > 0) {
            count = have < size ? have : size;
            memcpy(room_of(pipe), in->data + in->consumed, count);
            in->consumed += count;
        } else if (!receive(connection, room_of(pipe), size, &count)) {
            if (!connection->has_ended)
                return WAIT_INPUT;
            return step->count == ENDLESS ? NEXT_STEP : OVER;
        }
        pipe->size = count;
        pipe->sent = 0;
    }
    return WAIT_OUTPUT;
}

static void open_upstream(struct connection *connection, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port)};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_lock(&descriptor_lock);
    connection->upstream = own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    pthread_mutex_unlock(&descriptor_lock);
    if (connect(connection->upstream, (struct sockaddr *)&address,
                sizeof address) != 0) {
        disown_and_close(&connection->upstream);
        return;
    }
    setsockopt(connection->upstream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->upstream, F_SETFL, O_NONBLOCK);
}

static bool relay_up(struct connection *connection)
{
    struct pipe *pipe = &connection->up;
    struct record *in = &connection->in;
    size_t count = 0;

    if (pending(pipe) > 0) {
        bool has_moved =
            transmit_to(connection->upstream, &connection->has_upstream_ended,
                        pipe->bytes + pipe->sent, pending(pipe), &count);
        pipe->sent += count;
        return has_moved;
    }
    size_t have = in->size - in->consumed; /* read by an earlier step */
    if (have > 0) {
        count = have < BLOCK_SIZE ? have : BLOCK_SIZE;
        memcpy(room_of(pipe), in->data + in->consumed, count);
        in->consumed += count;
    } else if (!receive(connection, room_of(pipe), BLOCK_SIZE, &count)) {
        return false;
    }
    pipe->size = count;
    pipe->sent = 0;
    return true;
}

static bool relay_down(struct connection *connection, const struct step *step)
{
    struct pipe *pipe = &connection->down;
    uint64_t left = step->count - connection->progress;
    size_t size = pending(pipe);
    size_t count = 0;

    if (size == 0) {
        if (!receive_from(connection->upstream, &connection->has_upstream_ended,
                          room_of(pipe), BLOCK_SIZE, &count))
            return false;
        pipe->size = count;
        pipe->sent = 0;
        return true;
    }
    if (connection->deadline > now())
        return false;
    if (size > left)
        size = (size_t)left;
    if (step->piece != 0 && size > step->piece)
        size = step->piece;
    if (!transmit(connection, pipe->bytes + pipe->sent, size, &count))
        return false;
    pipe->sent += count;
    connection->progress += count;
    connection->deadline = step->piece == 0 ? 0 : after(step->seconds);
    return true;
}

/* Over when the client ends; done when `count` bytes went to the client, or
 * when the server ended and all of its bytes did. */
static enum outcome relay(struct peer *peer, struct connection *connection,
                          const struct step *step)
{
    if (connection->upstream < 0)
        open_upstream(connection, step->port);
    if (connection->upstream < 0) {
        fail(peer, connection, "nobody at port %u", (unsigned)step->port);
        return OVER;
    }
    for (int turn = 0;; turn++) {
        if (connection->progress == step->count)
            return NEXT_STEP;
        if (turn == PIECES_PER_TURN)
            return WAIT_RELAY;
        bool has_moved = relay_up(connection);
        has_moved |= relay_down(connection, step);
        if (connection->has_ended)
            return OVER;
        if (connection->has_upstream_ended && pending(&connection->down) == 0)
            return NEXT_STEP;
        if (!has_moved)
            return WAIT_RELAY;
    }
}

/* ---- WebSocket ---- */

/* The head of the handshake has come: what answers it waits to be sent. */
static bool answer_handshake(struct peer *peer, struct connection *connection,
                             const struct step *step, const char *end)
{
    struct record *in = &connection->in;
    const char *head = in->data + in->consumed;
    const char *key = find_key(head, (size_t)(end - head));
    struct pipe *pipe = &connection->down;

    if (key == NULL) {
        fail(peer, connection, "the request has no Sec-WebSocket-Key");
        return false;
    }
    pipe->size = write_switch(room_of(pipe), BLOCK_SIZE, key,
                              step->bytes == NULL ? "" : step->bytes);
    pipe->sent = 0;
    in->consumed = (size_t)(end - in->data);
    connection->progress = 1;
    return true;
}

static enum outcome accept_websocket(struct peer *peer,
                                     struct connection *connection,
                                     const struct step *step)
{
    struct record *in = &connection->in;
    struct pipe *pipe = &connection->down;
    size_t count;

    while (connection->progress == 0) {
        size_t have = in->size - in->consumed;
        const char *found =
            have == 0 ? NULL
                      : memmem(in->data + in->consumed, have, "\r\n\r\n", 4);

        if (found != NULL) {
            if (!answer_handshake(peer, connection, step, found + 4))
                return OVER;
        } else if (!receive_more(peer, connection, 4096)) {
            return connection->has_ended ? left_early(peer, connection)
                                         : WAIT_INPUT;
        }
    }
    for (; pending(pipe) > 0; pipe->sent += count)
        if (!transmit(connection, pipe->bytes + pipe->sent, pending(pipe),
                      &count))
            return connection->has_ended ? OVER : WAIT_OUTPUT;
    return NEXT_STEP;
}

static enum outcome refuse_frame(struct peer *peer,
                                 struct connection *connection,
                                 const struct client_frame *frame,
                                 const char *payload)
{
    char got[160];

    escape(got, sizeof got, payload,
           frame->size < SHOWN_BYTES ? frame->size : SHOWN_BYTES);
    fail(peer, connection, "got a frame 0x%02x of %zu bytes: \"%s\"",
         (unsigned)frame->first, frame->size, got);
    return OVER;
}

/* The whole frame has come. Its mask is taken off in place. */
static enum outcome compare_frame(struct peer *peer,
                                  struct connection *connection,
                                  const struct step *step,
                                  const struct client_frame *frame)
{
    struct record *in = &connection->in;
    char *payload = in->data + in->consumed + frame->head;

    for (size_t i = 0; i < frame->size; i++)
        payload[i] = (char)(payload[i] ^ (char)frame->key[i % 4]);
    if (frame->first != step->count || frame->size != step->size ||
        memcmp(payload, step->bytes, step->size) != 0)
        return refuse_frame(peer, connection, frame, payload);
    if (memcmp(frame->key, connection->mask, 4) == 0) {
        fail(peer, connection, "the key of the last frame is used again");
        return OVER;
    }
    memcpy(connection->mask, frame->key, 4);
    in->consumed += frame->head + frame->size;
    return NEXT_STEP;
}

/* The next frame, or with "expect_close" all frames to the Close. */
static enum outcome expect_frame(struct peer *peer,
                                 struct connection *connection,
                                 const struct step *step)
{
    struct record *in = &connection->in;
    const unsigned close = 0x88;

    for (;;) {
        struct client_frame frame = {.head = 2};
        size_t have = in->size - in->consumed;
        const char *error;
        int found = read_client_frame(have == 0 ? "" : in->data + in->consumed,
                                      have, &frame, &error);

        if (found < 0) {
            fail(peer, connection, "%s", error);
            return OVER;
        }
        if (found > 0 && have >= frame.head + frame.size) {
            if (step->kind == STEP_EXPECT_FRAME)
                return compare_frame(peer, connection, step, &frame);
            in->consumed += frame.head + frame.size;
            if (frame.first == close)
                return NEXT_STEP;
            continue;
        }
        if (!receive_more(peer, connection, frame.head + frame.size))
            break;
    }
    return connection->has_ended ? left_early(peer, connection) : WAIT_INPUT;
}

/* ---- waiting, and ends ---- */

static enum outcome wait_for_time(struct connection *connection,
                                  const struct step *step)
{
    if (connection->progress == 0) {
        connection->progress = 1;
        connection->deadline = after(step->seconds);
    }
    return connection->deadline > now() ? WAIT_TIME : NEXT_STEP;
}

static enum outcome wait_for_signal(struct peer *peer,
                                    struct connection *connection)
{
    struct pollfd end = {.fd = connection->fd, .events = POLLRDHUP};

    /* A signal is not for a client that has left. */
    if (connection->has_ended || poll(&end, 1, 0) > 0)
        return OVER;
    if (peer->signals == 0) {
        pthread_cond_broadcast(&peer->changed);
        return WAIT_END;
    }
    peer->signals--;
    return NEXT_STEP;
}

static enum outcome start_again(struct connection *connection,
                                const struct step *step)
{
    if (connection->loops == step->count)
        return NEXT_STEP;
    connection->loops++;
    connection->step = 0;
    connection->progress = 0;
    return WAIT_TIME; /* overwritten: run() goes on at the first step */
}

/* Unread bytes would turn close(2) into a reset, so they are read first. */
static enum outcome close_in_order(struct connection *connection)
{
    char scratch[4096];
    size_t count;

    while (receive(connection, scratch, sizeof scratch, &count))
        continue;
    return OVER;
}

/* A reset throws away what the kernel has not sent yet: it waits for that, so
 * that the client fails at the byte that the script says. */
static enum outcome reset(struct connection *connection)
{
    struct linger now_and_without_goodbye = {.l_onoff = 1, .l_linger = 0};
    int unsent = 0;

    if (ioctl(connection->fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0) {
        connection->deadline = after(DRIBBLE_SECONDS);
        return WAIT_TIME;
    }
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now_and_without_goodbye,
               sizeof now_and_without_goodbye);
    return OVER;
}

static enum outcome perform(struct peer *peer, struct connection *connection,
                            const struct step *step)
{
    switch (step->kind) {
    case STEP_EXPECT:
    case STEP_READ:
        return expect(peer, connection, step);
    case STEP_EXPECT_UNTIL:
        return expect_until(peer, connection, step);
    case STEP_EXPECT_END:
    case STEP_READ_ALL:
        return read_to_end(peer, connection, step);
    case STEP_DISCARD:
        return discard(connection, step);
    case STEP_SEND:
    case STEP_SEND_REPEAT:
        return transmit_all(connection, step);
    case STEP_DRIBBLE:
    case STEP_CUT:
        return transmit_piece(connection, step);
    case STEP_ECHO:
        return echo(connection, step);
    case STEP_RELAY:
        return relay(peer, connection, step);
    case STEP_ACCEPT:
        return accept_websocket(peer, connection, step);
    case STEP_EXPECT_FRAME:
    case STEP_EXPECT_CLOSE:
        return expect_frame(peer, connection, step);
    case STEP_PAUSE:
        return wait_for_time(connection, step);
    case STEP_STALL:
        return connection->has_ended ? OVER : WAIT_END;
    case STEP_HOLD:
        return wait_for_signal(peer, connection);
    case STEP_LOOP:
        return start_again(connection, step);
    case STEP_SHUTDOWN:
        shutdown(connection->fd, SHUT_WR);
        return NEXT_STEP;
    case STEP_CLOSE:
        return close_in_order(connection);
    case STEP_RESET:
        return reset(connection);
    }
    return OVER;
}

static void watch_upstream(struct peer *peer, struct connection *connection,
                           uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    int change = EPOLL_CTL_MOD;

    if (interest == connection->upstream_interest || connection->upstream < 0)
        return;
    /* An ended one that nobody relays from would be reported for ever. */
    if (interest == 0)
        change = EPOLL_CTL_DEL;
    else if (connection->upstream_interest == 0)
        change = EPOLL_CTL_ADD;
    epoll_ctl(peer->epoll, change, connection->upstream, &event);
    connection->upstream_interest = interest;
}

static void watch(struct peer *peer, struct connection *connection,
                  enum outcome waits_for)
{
    uint32_t interest = 0; /* errors are reported without being asked for */
    uint32_t upstream = 0;

    if (waits_for == WAIT_INPUT)
        interest = EPOLLIN | EPOLLRDHUP;
    else if (waits_for == WAIT_OUTPUT)
        interest = EPOLLOUT;
    else if (waits_for == WAIT_END)
        interest = EPOLLRDHUP;
    if (waits_for == WAIT_RELAY) {
        bool is_up_full = pending(&connection->up) > 0;
        bool is_down_full = pending(&connection->down) > 0;

        interest = is_up_full ? 0 : EPOLLIN | EPOLLRDHUP;
        if (is_down_full && connection->deadline == 0)
            interest |= EPOLLOUT;
        upstream = is_up_full ? EPOLLOUT : 0;
        if (!is_down_full)
            upstream |= EPOLLIN | EPOLLRDHUP;
    }
    watch_upstream(peer, connection, upstream);
    if (interest == connection->interest)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    epoll_ctl(peer->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    connection->interest = interest;
}

static void run(struct peer *peer, struct connection *connection)
{
    while (connection->step < connection->script->count) {
        const struct step *step = &connection->script->steps[connection->step];
        enum outcome outcome = perform(peer, connection, step);

        if (step->kind == STEP_LOOP && outcome == WAIT_TIME)
            continue;
        if (outcome == OVER)
            break;
        if (outcome != NEXT_STEP) {
            watch(peer, connection, outcome);
            return;
        }
        connection->step++;
        connection->progress = 0;
        connection->deadline = 0;
    }
    if (connection->step == connection->script->count)
        close_in_order(connection);
    finish(peer, connection);
}

static void meet(struct peer *peer, struct connection *connection,
                 uint32_t events)
{
    /* While a step reads, what came before a failure is read first. */
    bool is_reading = (connection->interest & EPOLLIN) != 0 ||
                      connection->upstream_interest != 0;

    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && !is_reading)
        connection->has_ended = true;
    if (connection->has_ended && !(connection->interest & EPOLLRDHUP)) {
        finish(peer, connection);
        return;
    }
    run(peer, connection);
}

/* ---- the peer's thread ---- */

static const struct script *script_for(struct peer *peer, size_t number)
{
    if (number <= peer->script_count)
        return &peer->scripts[number - 1];
    if (peer->repeats_last && peer->script_count > 0)
        return &peer->scripts[peer->script_count - 1];
    return NULL;
}

static void add(struct peer *peer, int fd)
{
    struct connection *connection = must_have(calloc(1, sizeof *connection));
    struct epoll_event event = {.events = 0, .data.ptr = connection};

    if (peer->connection_count == peer->connection_capacity) {
        size_t capacity = peer->connection_capacity * 2 + 16;
        peer->connections = must_have(
            realloc(peer->connections, capacity * sizeof(struct connection *)));
        peer->connection_capacity = capacity;
    }
    peer->connections[peer->connection_count++] = connection;
    peer->open_count++;
    pthread_cond_broadcast(&peer->changed);
    connection->fd = fd;
    connection->upstream = -1;
    connection->number = peer->connection_count;
    connection->script = script_for(peer, connection->number);
    epoll_ctl(peer->epoll, EPOLL_CTL_ADD, fd, &event);
    if (connection->script == NULL) {
        fail(peer, connection, "no script for it");
        finish(peer, connection);
        return;
    }
    run(peer, connection);
}

static void accept_all(struct peer *peer)
{
    for (;;) {
        pthread_mutex_lock(&descriptor_lock);
        int fd = own(
            accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
        pthread_mutex_unlock(&descriptor_lock);
        if (fd < 0)
            return;
        int on = 1;
        if (peer->family != AF_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        add(peer, fd);
    }
}

/* Serves connections that wait for time or a signal; returns the next deadline.
 */
static uint64_t serve_waiting(struct peer *peer)
{
    uint64_t time = now();
    uint64_t next = 0;

    for (size_t i = 0; i < peer->connection_count; i++) {
        struct connection *connection = peer->connections[i];

        if (connection->fd < 0)
            continue;
        enum step_kind kind = kind_of(connection);
        bool is_due = connection->deadline != 0 && connection->deadline <= time;
        if (is_due || (kind == STEP_HOLD && peer->signals > 0))
            run(peer, connection);
        if (connection->fd >= 0 && connection->deadline != 0 &&
            (next == 0 || connection->deadline < next))
            next = connection->deadline;
    }
    return next;
}

static void sleep_until(struct peer *peer, uint64_t deadline)
{
    struct pollfd fds[2] = {{.fd = peer->epoll, .events = POLLIN},
                            {.fd = peer->wake, .events = POLLIN}};
    struct timespec left = {0, 0};
    uint64_t time = now();

    if (deadline > time) {
        left.tv_sec = (time_t)((deadline - time) / 1000000000u);
        left.tv_nsec = (long)((deadline - time) % 1000000000u);
    }
    ppoll(fds, 2, deadline == 0 ? NULL : &left, NULL);
    if (fds[1].revents) {
        uint64_t value;
        while (read(peer->wake, &value, sizeof value) > 0)
            continue;
    }
}

static void *serve(void *argument)
{
    struct peer *peer = argument;
    struct epoll_event events[64];
    uint64_t deadline = 0;

    pthread_mutex_lock(&peer->lock);
    while (!peer->must_stop) {
        pthread_mutex_unlock(&peer->lock);
        sleep_until(peer, deadline);
        pthread_mutex_lock(&peer->lock);
        int count = epoll_wait(peer->epoll, events, 64, 0);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection == NULL)
                accept_all(peer);
            else if (connection->fd >= 0)
                meet(peer, connection, events[i].events);
        }
        deadline = peer->open_count > 0 ? serve_waiting(peer) : 0;
    }
    for (size_t i = 0; i < peer->connection_count; i++)
        finish(peer, peer->connections[i]);
    pthread_mutex_unlock(&peer->lock);
    return NULL;
}

static void rouse(struct peer *peer)
{
    uint64_t one = 1;
    ssize_t written = write(peer->wake, &one, sizeof one);

    (void)written; /* a full counter has roused it already */
}

static void stop(struct peer *peer)
{
    if (peer->is_running) {
        pthread_mutex_lock(&peer->lock);
        peer->must_stop = true;
        pthread_mutex_unlock(&peer->lock);
        rouse(peer);
        pthread_join(peer->thread, NULL);
        peer->is_running = false;
    }
    for (size_t i = 0; i < peer->filler_count; i++)
        disown_and_close(&peer->fillers[i]);
    peer->filler_count = 0;
    disown_and_close(&peer->listener);
    disown_and_close(&peer->epoll);
    disown_and_close(&peer->wake);
    if (peer->path[0] != '\0')
        unlink(peer->path);
}

/* ---- scripts, from Lua ---- */

static enum step_kind check_kind(lua_State *L, const char *name)
{
    for (size_t kind = 0; kind < STEP_KINDS; kind++)
        if (strcmp(grammar[kind].name, name) == 0)
            return (enum step_kind)kind;
    return (enum step_kind)luaL_error(L, "peer: unknown step '%s'", name);
}

/* The bytes repeated, so that short ones go out in large pieces. */
static void take_bytes(lua_State *L, int index, struct step *step)
{
    const char *bytes = luaL_checklstring(L, index, &step->size);

    step->repeats = 1;
    if (step->kind == STEP_SEND_REPEAT && step->size > 0)
        step->repeats = BLOCK_SIZE / step->size + 1;
    step->bytes = must_have(malloc(step->size * step->repeats + 1));
    for (size_t i = 0; i < step->repeats; i++)
        memcpy(step->bytes + i * step->size, bytes, step->size);
    step->bytes[step->size * step->repeats] = '\0';
}

/* Stack top: the number. */
static uint64_t check_count(lua_State *L, const struct step *step,
                            lua_Integer least, lua_Integer most)
{
    lua_Integer count = luaL_checkinteger(L, -1);

    if (count < least || count > most)
        luaL_error(L, "peer: step '%s': %I is out of range",
                   grammar[step->kind].name, count);
    return (uint64_t)count;
}

/* Stack top: the step's table, left there. */
static void check_step(lua_State *L, struct step *step)
{
    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);

    lua_rawgeti(L, table, 1);
    step->kind = check_kind(L, luaL_checkstring(L, -1));
    step->count = step->kind == STEP_SEND ? 1 : ENDLESS;
    step->seconds = DRIBBLE_SECONDS;
    const char *arguments = grammar[step->kind].arguments;
    int given = (int)lua_rawlen(L, table) - 1;
    if (given > (int)strlen(arguments))
        luaL_error(L, "peer: too many values in step '%s'",
                   grammar[step->kind].name);
    for (int i = 0; arguments[i] != '\0'; i++) {
        bool is_optional = strchr("BNSZ", arguments[i]) != NULL;

        lua_rawgeti(L, table, i + 2);
        if (lua_isnil(L, -1)) {
            if (!is_optional)
                luaL_error(L, "peer: step '%s' lacks value %d",
                           grammar[step->kind].name, i + 1);
        } else if (arguments[i] == 'b' || arguments[i] == 'B') {
            take_bytes(L, -1, step);
        } else if (arguments[i] == 'n' || arguments[i] == 'N') {
            step->count = check_count(L, step, 0, INT64_MAX);
        } else if (arguments[i] == 'p') {
            step->port = (uint16_t)check_count(L, step, 1, UINT16_MAX);
        } else if (arguments[i] == 'z' || arguments[i] == 'Z') {
            step->piece = (size_t)check_count(L, step, 1, INT32_MAX);
        } else {
            step->seconds = (double)luaL_checknumber(L, -1);
        }
        lua_pop(L, 1);
    }
    lua_settop(L, table);
}

static void check_scripts(lua_State *L, int index, struct peer *peer)
{
    size_t count = lua_rawlen(L, index);

    if (count == 0)
        luaL_error(L, "peer: a script is a list of connections");
    peer->scripts = must_have(calloc(count, sizeof *peer->scripts));
    for (size_t i = 0; i < count; i++) {
        struct script *script = &peer->scripts[i];

        peer->script_count = i + 1;
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        size_t steps = lua_rawlen(L, -1);
        script->steps = must_have(calloc(steps + 1, sizeof *script->steps));
        for (size_t j = 0; j < steps; j++) {
            script->count = j + 1;
            lua_rawgeti(L, -1, (lua_Integer)j + 1);
            check_step(L, &script->steps[j]);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        /* A loop without a wait in it would never leave the thread. */
        if (script->count == 1 && script->steps[0].kind == STEP_LOOP)
            luaL_error(L, "peer: a loop over nothing");
    }
}

/* ---- listening ---- */

static socklen_t address_of(const struct peer *peer,
                            struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    storage->ss_family = (sa_family_t)peer->family;
    if (peer->family == AF_UNIX) {
        struct sockaddr_un *address = (struct sockaddr_un *)storage;
        memcpy(address->sun_path, peer->path, sizeof peer->path);
        return sizeof *address;
    }
    if (peer->family == AF_INET6) {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)storage;
        address->sin6_addr = in6addr_loopback;
        address->sin6_port = htons(peer->port);
        return sizeof *address;
    }
    struct sockaddr_in *address = (struct sockaddr_in *)storage;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(peer->port);
    return sizeof *address;
}

static void note_port(struct peer *peer)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    bool is_six = peer->family == AF_INET6;

    getsockname(peer->listener, (struct sockaddr *)&storage, &size);
    peer->port = ntohs(is_six ? ((struct sockaddr_in6 *)&storage)->sin6_port
                              : ((struct sockaddr_in *)&storage)->sin_port);
    snprintf(peer->url, sizeof peer->url,
             is_six ? "http://[::1]:%u" : "http://127.0.0.1:%u",
             (unsigned)peer->port);
}

/* Fills the queue of a listener that nobody accepts from; a client that
 * connects after that gets no answer. */
static void fill_queue(struct peer *peer)
{
    struct sockaddr_storage storage;
    socklen_t size = address_of(peer, &storage);
    size_t wanted = sizeof peer->fillers / sizeof peer->fillers[0];

    while (peer->filler_count < wanted) {
        pthread_mutex_lock(&descriptor_lock);
        int fd = own(socket(peer->family,
                            SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        pthread_mutex_unlock(&descriptor_lock);
        if (fd < 0)
            return;
        peer->fillers[peer->filler_count++] = fd;
        if (connect(fd, (struct sockaddr *)&storage, size) != 0 &&
            errno != EINPROGRESS)
            return;
        struct pollfd connected = {.fd = fd, .events = POLLOUT};
        if (poll(&connected, 1, 50) == 0)
            return;
    }
}

static const char *start(struct peer *peer, int backlog, bool accepts)
{
    struct sockaddr_storage storage;
    int on = 1;

    pthread_mutex_lock(&descriptor_lock);
    peer->listener = own(
        socket(peer->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    peer->epoll = own(epoll_create1(EPOLL_CLOEXEC));
    peer->wake = own(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    pthread_mutex_unlock(&descriptor_lock);
    if (peer->listener < 0 || peer->epoll < 0 || peer->wake < 0)
        return "open";
    if (peer->family != AF_UNIX)
        setsockopt(peer->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (peer->receive_buffer > 0)
        setsockopt(peer->listener, SOL_SOCKET, SO_RCVBUF, &peer->receive_buffer,
                   sizeof peer->receive_buffer);
    socklen_t size = address_of(peer, &storage);
    if (bind(peer->listener, (struct sockaddr *)&storage, size) != 0)
        return "bind";
    if (listen(peer->listener, backlog) != 0)
        return "listen";
    if (peer->family != AF_UNIX)
        note_port(peer);
    if (!accepts) {
        fill_queue(peer);
        return NULL;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(peer->epoll, EPOLL_CTL_ADD, peer->listener, &event) != 0)
        return "watch";
    errno = pthread_create(&peer->thread, NULL, serve, peer);
    if (errno != 0)
        return "start";
    peer->is_running = true;
    return NULL;
}

/* ---- the Lua type ---- */

static struct peer *check_peer(lua_State *L)
{
    return luaL_checkudata(L, 1, PEER_NAME);
}

static int option(lua_State *L, const char *name, int type)
{
    int got = lua_getfield(L, 1, name);

    if (got != LUA_TNIL && got != type)
        luaL_error(L, "peer: %s is a %s", name, lua_typename(L, type));
    return got;
}

static void check_options(lua_State *L)
{
    static const char *const known[] = {
        "family", "script",  "repeat_last",    "records",
        "accept", "backlog", "receive_buffer", "port"};

    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known = is_known || strcmp(lua_tostring(L, -2), known[i]) == 0;
        if (!is_known)
            luaL_error(L, "peer: unknown option '%s'", lua_tostring(L, -2));
    }
}

/* peer.listen{ script =, family =, repeat_last =, records =, accept =,
 *              backlog =, receive_buffer =, port = } -> peer */
static int peer_listen(lua_State *L)
{
    static const char *const families[] = {"inet", "inet6", "unix", NULL};
    static const int values[] = {AF_INET, AF_INET6, AF_UNIX};
    static _Atomic unsigned serial;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_options(L);
    struct peer *peer = lua_newuserdatauv(L, sizeof *peer, 0);
    memset(peer, 0, sizeof *peer);
    peer->listener = peer->epoll = peer->wake = -1;
    pthread_mutex_init(&peer->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&peer->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    luaL_setmetatable(L, PEER_NAME);

    lua_getfield(L, 1, "family");
    peer->family = values[luaL_checkoption(L, -1, "inet", families)];
    if (peer->family == AF_UNIX)
        snprintf(peer->path, sizeof peer->path, "/tmp/sluice-peer-%ld-%u",
                 (long)getpid(), ++serial);
    bool accepts =
        option(L, "accept", LUA_TBOOLEAN) == LUA_TNIL || lua_toboolean(L, -1);
    peer->keeps_records =
        option(L, "records", LUA_TBOOLEAN) == LUA_TNIL || lua_toboolean(L, -1);
    option(L, "repeat_last", LUA_TBOOLEAN);
    peer->repeats_last = lua_toboolean(L, -1);
    option(L, "receive_buffer", LUA_TNUMBER);
    peer->receive_buffer = (int)lua_tointeger(L, -1);
    option(L, "port", LUA_TNUMBER);
    peer->port = (uint16_t)lua_tointeger(L, -1);
    option(L, "backlog", LUA_TNUMBER);
    int backlog = (int)luaL_optinteger(L, -1, accepts ? 4096 : 0);
    if (option(L, "script", LUA_TTABLE) != LUA_TNIL || accepts)
        check_scripts(L, lua_gettop(L), peer);

    const char *stage = start(peer, backlog, accepts);
    if (stage != NULL)
        return luaL_error(L, "peer: %s: %s", stage, strerror(errno));
    lua_settop(L, 2); /* options, peer */
    return 1;
}

/* peer:received([n]) -> { bytes of connection 1, ... } | bytes of one */
static int peer_received(lua_State *L)
{
    struct peer *peer = check_peer(L);
    size_t only = (size_t)luaL_optinteger(L, 2, 0);

    pthread_mutex_lock(&peer->lock);
    size_t count = peer->connection_count;
    pthread_mutex_unlock(&peer->lock);
    if (only > count)
        return 0;
    lua_createtable(L, (int)count, 0);
    for (size_t i = only ? only - 1 : 0; i < (only ? only : count); i++) {
        /* Records only grow, so a copy of the first `size` bytes is good;
         * nothing that can raise is called under the lock. */
        pthread_mutex_lock(&peer->lock);
        size_t size = peer->connections[i]->in.size;
        pthread_mutex_unlock(&peer->lock);
        char *copy = lua_newuserdatauv(L, size + 1, 0);
        pthread_mutex_lock(&peer->lock);
        if (size > peer->connections[i]->in.size)
            size = peer->connections[i]->in.size;
        if (size > 0)
            memcpy(copy, peer->connections[i]->in.data, size);
        pthread_mutex_unlock(&peer->lock);
        lua_pushlstring(L, copy, size);
        if (only)
            return 1;
        lua_remove(L, -2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* peer:failures() -> { "connection 1, step 2 (expect): ...", ... } */
static int peer_failures(lua_State *L)
{
    struct peer *peer = check_peer(L);

    lua_newtable(L);
    for (size_t i = 0;; i++) {
        const char *line = NULL;
        pthread_mutex_lock(&peer->lock);
        if (i < peer->failure_count)
            line = peer->failures[i]; /* lives as long as the peer */
        pthread_mutex_unlock(&peer->lock);
        if (line == NULL)
            return 1;
        lua_pushstring(L, line);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* peer:connections() -> accepted so far, open now */
static int peer_connections(lua_State *L)
{
    struct peer *peer = check_peer(L);

    pthread_mutex_lock(&peer->lock);
    lua_Integer count = (lua_Integer)peer->connection_count;
    lua_Integer open = (lua_Integer)peer->open_count;
    pthread_mutex_unlock(&peer->lock);
    lua_pushinteger(L, count);
    lua_pushinteger(L, open);
    return 2;
}

/* peer:signal([n]): lets n connections pass their "hold" */
static int peer_signal(lua_State *L)
{
    struct peer *peer = check_peer(L);
    lua_Integer count = luaL_optinteger(L, 2, 1);

    pthread_mutex_lock(&peer->lock);
    peer->signals += (uint64_t)count;
    pthread_mutex_unlock(&peer->lock);
    rouse(peer);
    return 0;
}

enum wait_kind { WAIT_IDLE, WAIT_ACCEPTED, WAIT_BYTES, WAIT_HOLDING };

static bool is_reached(const struct peer *peer, enum wait_kind kind,
                       uint64_t count)
{
    uint64_t sum = 0;

    if (kind == WAIT_IDLE)
        return peer->open_count == 0 && peer->connection_count >= count;
    if (kind == WAIT_ACCEPTED)
        return peer->connection_count >= count;
    if (kind == WAIT_HOLDING && peer->signals > 0)
        return false; /* somebody is about to go on */
    for (size_t i = 0; i < peer->connection_count && sum < count; i++) {
        const struct connection *connection = peer->connections[i];

        if (kind == WAIT_BYTES)
            sum += connection->in.size;
        else if (connection->fd >= 0 && kind_of(connection) == STEP_HOLD)
            sum++;
    }
    return sum >= count;
}

/* peer:wait("idle" | "accepted" | "bytes" | "holding" [, n [, seconds]])
 *   -> boolean
 *
 * Blocks the Lua thread until n (1) connections were accepted and all of them
 * are over; until n were accepted; n bytes came in; n connections stand at a
 * "hold" and have taken every signal. false after `seconds` (60). */
static int peer_wait(lua_State *L)
{
    static const char *const kinds[] = {"idle", "accepted", "bytes", "holding",
                                        NULL};
    struct peer *peer = check_peer(L);
    enum wait_kind kind = (enum wait_kind)luaL_checkoption(L, 2, NULL, kinds);
    uint64_t count = (uint64_t)luaL_optinteger(L, 3, 1);
    uint64_t end = after((double)luaL_optnumber(L, 4, 60));
    struct timespec deadline = {(time_t)(end / 1000000000u),
                                (long)(end % 1000000000u)};
    int late = 0;
    bool is_done;

    pthread_mutex_lock(&peer->lock);
    while (!(is_done = is_reached(peer, kind, count)) && late == 0)
        late = pthread_cond_timedwait(&peer->changed, &peer->lock, &deadline);
    pthread_mutex_unlock(&peer->lock);
    lua_pushboolean(L, is_done);
    return 1;
}

/* peer:stop(): ends every connection; idempotent */
static int peer_stop(lua_State *L)
{
    stop(check_peer(L));
    return 0;
}

static int peer_gc(lua_State *L)
{
    struct peer *peer = check_peer(L);

    stop(peer);
    for (size_t i = 0; i < peer->connection_count; i++) {
        free(peer->connections[i]->in.data);
        free(peer->connections[i]);
    }
    free(peer->connections);
    peer->connections = NULL;
    peer->connection_count = 0;
    for (size_t i = 0; i < peer->script_count; i++) {
        for (size_t j = 0; j < peer->scripts[i].count; j++)
            free(peer->scripts[i].steps[j].bytes);
        free(peer->scripts[i].steps);
    }
    free(peer->scripts);
    peer->scripts = NULL;
    peer->script_count = 0;
    for (size_t i = 0; i < peer->failure_count; i++)
        free(peer->failures[i]);
    free(peer->failures);
    peer->failures = NULL;
    peer->failure_count = 0;
    return 0;
}

/* peer.port .host .url (no path, no slash at its end) .path (unix) */
static int peer_index(lua_State *L)
{
    struct peer *peer = check_peer(L);
    const char *key = luaL_checkstring(L, 2);

    if (strcmp(key, "port") == 0 && peer->family != AF_UNIX)
        lua_pushinteger(L, peer->port);
    else if (strcmp(key, "url") == 0 && peer->family != AF_UNIX)
        lua_pushstring(L, peer->url);
    else if (strcmp(key, "host") == 0 && peer->family != AF_UNIX)
        lua_pushstring(L, peer->family == AF_INET6 ? "::1" : "127.0.0.1");
    else if (strcmp(key, "path") == 0 && peer->family == AF_UNIX)
        lua_pushstring(L, peer->path);
    else
        lua_getfield(L, lua_upvalueindex(1), key);
    return 1;
}

/* ---- a client without any of the code under test ---- */

static int open_client(lua_State *L, int index, int patience)
{
    struct peer address = {.family = AF_INET};
    struct sockaddr_storage storage;

    if (lua_type(L, index) == LUA_TNUMBER) {
        address.port = (uint16_t)lua_tointeger(L, index);
    } else {
        address.family = AF_UNIX;
        snprintf(address.path, sizeof address.path, "%s",
                 luaL_checkstring(L, index));
    }
    socklen_t size = address_of(&address, &storage);
    int fd =
        socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&storage, size) == 0)
        return fd;
    int error = errno;
    if (error == EINPROGRESS) {
        /* No answer within `patience` is the caller's "timeout". */
        struct pollfd connected = {.fd = fd, .events = POLLOUT};
        socklen_t room = sizeof error;
        poll(&connected, 1, patience);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &room);
        if (error == 0)
            return fd;
    }
    close(fd);
    errno = error;
    return -1;
}

/* peer.request(port | path, bytes [, seconds])
 *   -> everything received, "end" | "reset" | "timeout" | nil, message
 *
 * Blocks until the other side ends or nothing came for `seconds` (60). */
static int peer_request(lua_State *L)
{
    size_t size, done = 0;
    const char *bytes = luaL_checklstring(L, 2, &size);
    int patience = (int)(luaL_optnumber(L, 3, 60) * 1000);
    char room[8192];
    struct record in = {0};
    const char *how = NULL;
    int fd = open_client(L, 1, patience);

    if (fd < 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    while (how == NULL) {
        short events = done < size ? POLLIN | POLLOUT : POLLIN;
        struct pollfd ready = {.fd = fd, .events = events};
        ssize_t count;

        if (poll(&ready, 1, patience) == 0) {
            how = "timeout";
        } else if (ready.revents & POLLIN) {
            count = recv(fd, room, sizeof room, MSG_DONTWAIT);
            if (count > 0) {
                record_reserve(&in, (size_t)count);
                memcpy(in.data + in.size, room, (size_t)count);
                in.size += (size_t)count;
            } else {
                how = count == 0 ? "end" : "reset";
            }
        } else if (ready.revents & (POLLERR | POLLHUP)) {
            how = "reset";
        } else {
            count = send(fd, bytes + done, size - done,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
            done = count > 0 ? done + (size_t)count : size;
        }
    }
    close(fd);
    lua_pushlstring(L, in.data ? in.data : "", in.size);
    free(in.data);
    lua_pushstring(L, how);
    return 2;
}

/* peer.descriptors() -> { [number] = what it leads to }, without those of
 * peers */
static int peer_descriptors(lua_State *L)
{
    static struct {
        int fd;
        char link[96];
    } found[1024];
    size_t count = 0;

    pthread_mutex_lock(&descriptor_lock);
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char *end;
        int fd = (int)strtol(entry->d_name, &end, 10);
        bool is_number = end != entry->d_name && *end == '\0';

        if (!is_number || fd == dirfd(directory) || count == 1024 ||
            (fd < DESCRIPTOR_MAX && is_ours[fd]))
            continue;
        ssize_t size =
            readlinkat(dirfd(directory), entry->d_name, found[count].link,
                       sizeof found[count].link - 1);
        found[count].link[size < 0 ? 0 : size] = '\0';
        found[count++].fd = fd;
    }
    if (directory != NULL)
        closedir(directory);
    pthread_mutex_unlock(&descriptor_lock);

    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, found[i].link);
        lua_rawseti(L, -2, found[i].fd);
    }
    return 1;
}

static const luaL_Reg functions[] = {{"listen", peer_listen},
                                     {"request", peer_request},
                                     {"descriptors", peer_descriptors},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"received", peer_received},
                                   {"failures", peer_failures},
                                   {"connections", peer_connections},
                                   {"signal", peer_signal},
                                   {"wait", peer_wait},
                                   {"stop", peer_stop},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", peer_gc}, {"__close", peer_stop}, {NULL, NULL}};

int luaopen_support_peer(lua_State *L);

int luaopen_support_peer(lua_State *L)
{
    luaL_newmetatable(L, PEER_NAME);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, peer_index, 1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
