/* binding/types.h - the Lua types of this module and their openers
 *
 * Each opener registers its type and adds its functions to the module table on
 * top of the stack.
 */
#ifndef SLB_TYPES_H
#define SLB_TYPES_H

#include "base/view.h"
#include "memory/sequence.h"
#include "task/runtime.h"

void slb_buffer_open(lua_State *L);
void slb_sequence_open(lua_State *L);
void slb_reader_open(lua_State *L);
void slb_writer_open(lua_State *L);
void slb_lease_open(lua_State *L);
void slb_loop_open(lua_State *L);
void slb_platform_open(lua_State *L);
void slb_headers_open(lua_State *L);
void slb_connections_open(lua_State *L);
void slb_origin_open(lua_State *L);
void slb_options_open(lua_State *L);
void slb_scratch_open(lua_State *L);
void slb_codec_open(lua_State *L);
void slb_hash_open(lua_State *L);
void slb_head_open(lua_State *L);
void slb_handshake_open(lua_State *L);
void slb_url_open(lua_State *L);
void slb_suffixes_open(lua_State *L); /* with libpsl */
void slb_response_open(lua_State *L);
void slb_websocket_open(lua_State *L);
void slb_websocket_properties_open(lua_State *L);
void slb_websocket_send_open(lua_State *L);
void slb_websocket_close_open(lua_State *L);
void slb_refusal_open(lua_State *L);
void slb_response_properties_open(lua_State *L);
void slb_push_open(lua_State *L);
void slb_transport_open(lua_State *L);
void slb_transport_completion_open(lua_State *L);
void slb_parser_open(lua_State *L);
void slb_file_open(lua_State *L);
void slb_folder_open(lua_State *L);
void slb_progress_open(lua_State *L);
void slb_json_open(lua_State *L);
void slb_random_open(lua_State *L);
void slb_host_api_open(lua_State *L);
void slb_body_reader_open(lua_State *L);
void slb_body_splitter_open(lua_State *L);
void slb_event_parser_open(lua_State *L);
void slb_save_open(lua_State *L);
void slb_message_open(lua_State *L);
void slb_ws_parser_open(lua_State *L);
void slb_ws_accept_open(lua_State *L);

/* A string, sequence or lease as views: the bytes given one by one. */
struct slb_bytes {
    struct sl_view text;                /* a string, or */
    const struct sl_sequence *sequence; /* NULL */
    size_t size;
};
void slb_check_bytes(lua_State *L, int index, struct slb_bytes *bytes);
bool slb_to_bytes(lua_State *L, int index, struct slb_bytes *bytes);

/* ---- handles that one type makes for another ---- */

/* A new sequence handle, empty; fill it at once. Raises out of memory. */
struct sl_sequence *slb_new_sequence(lua_State *L);
/* Its content, of its handle alone, counts as slb_hold_bytes says until it is
 * disposed. */
void slb_hold_sequence(struct sl_sequence *sequence);
/* The live sequence at `index`; raises for anything else, or a disposed one. */
struct sl_sequence *slb_check_sequence(lua_State *L, int index);
struct sl_sequence *slb_test_sequence(lua_State *L, int index);
/* sequence:dispose() of the handle at `index`. */
void slb_dispose_sequence(lua_State *L, int index);
/* sequence:reader(), of the reader's own file. */
int slb_sequence_reader(lua_State *L);

/* The head (or trailers) of the response at index `response`. */
void slb_push_headers(lua_State *L, int response, bool is_trailers);
/* Pushes an array of the values of Set-Cookie in the head of the response at
 * `index`, if that is complete and has any. Answers the count of values pushed:
 * 1 or 0. */
int slb_push_set_cookies(lua_State *L, int index);

struct sl_lease *slb_new_lease(lua_State *L);
struct sl_lease *slb_check_lease(lua_State *L, int index);
struct sl_lease *slb_test_lease(lua_State *L, int index);

/* The live buffer at `index`; raises for anything else, or one that is detached
 * or disposed. */
struct sl_buffer *slb_check_buffer(lua_State *L, int index);

/* The live writer at `index`; raises for anything else, or one that is detached
 * or disposed. */
struct sl_writer *slb_check_writer(lua_State *L, int index);

/* Pushes the content as a new Lua string: one segment directly, several through
 * one copy. `check` gives the sequence of the live handle at index 1, or
 * raises. */
void slb_push_sequence_string(lua_State *L,
                              const struct sl_sequence *(*check)(lua_State *L));

#endif
