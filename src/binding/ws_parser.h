/* binding/ws_parser.h - a WebSocket without a socket
 *
 *   ws_parser.c   the handle: bytes in, events out, ends
 *   ws_writer.c   messages and control frames in, bytes out
 *   ws_accept.c   what is said in the handshake
 */
#ifndef SLB_WS_PARSER_H
#define SLB_WS_PARSER_H

#include "codec/utf8.h"
#include "task/runtime.h"
#include "ws/extension.h"
#include "ws/incoming.h"
#include "ws/outgoing.h"

struct slb_ws_parser {
    struct slb_runtime *runtime; /* NULL: disposed */
    struct sl_ws_options options;
    struct sl_ws_compression wish; /* zeroes: not to be compressed */
    bool is_used; /* bytes went in or out: nothing can be agreed */
    struct sl_buffer input;
    struct sl_ws_incoming incoming;
    struct sl_ws_event event; /* the one that next gives, until it is pushed */
    uint32_t events;          /* found so far: tells one from the next */
    bool has_event;
    bool has_ended; /* the input */
    struct sl_ws_outgoing outgoing;
    struct sl_buffer output;  /* frames that the program has not taken */
    struct sl_utf8 utf8;      /* of the text under way */
    bool is_text;             /* so is the message under way */
    enum sl_status is_broken; /* not SL_OK: a frame was lost for that */
};

/* The live parser at index 1; raises for anything else, or a disposed one. */
struct slb_ws_parser *slb_check_ws_parser(lua_State *L);

/* Begins with the options; neither way holds anything. */
void slb_start_ws_parser(struct slb_ws_parser *parser);

/* Adds the methods of the other files to the table on top of the stack. */
void slb_add_ws_writer(lua_State *L);
void slb_add_ws_terms(lua_State *L);

#endif
