/* ws/deflate.h - messages compressed and inflated (RFC 7692 7.2)
 *
 *   sends     payload > deflater > output without its last 00 00 FF FF > frames
 *   receives  frames > input, 00 00 FF FF behind the last > inflater > payload
 *
 * Each holds the memory of a library, its buffer and its window. It lives from
 * the first compressed message on, and for one message alone when no context is
 * kept.
 */
#ifndef SL_WS_DEFLATE_H
#define SL_WS_DEFLATE_H

#include "codec/compressor.h"
#include "codec/engine.h"
#include "codec/utf8.h"
#include "memory/buffer.h"

#include <stdbool.h>

/* ---- sending ---- */

/* What a flush leaves at the end of the output, and is not sent. */
#define SL_WS_TAIL_SIZE ((size_t)4)

struct sl_ws_deflater;

/* Whether a window of 2 to the `bits` can be written: 8 cannot. */
bool sl_ws_deflater_can(unsigned bits);

/* `class` is the library. SL_MEMORY. */
enum sl_status sl_ws_deflater_create(const struct sl_compressor_class *class,
                                     struct sl_pool *pool, unsigned bits,
                                     struct sl_ws_deflater **deflater);
/* NULL is allowed. */
void sl_ws_deflater_destroy(struct sl_ws_deflater *deflater);

/* What was compressed. The caller consumes it. */
struct sl_buffer *sl_ws_deflater_output(struct sl_ws_deflater *deflater);

/* Takes bytes of a message from the front of `payload`: all of them, unless it
 * fails. SL_MEMORY, SL_LIMIT (of the pool): call again with the rest. */
enum sl_status sl_ws_deflater_run(struct sl_ws_deflater *deflater,
                                  struct sl_view *payload);
/* The message is over: the output gets the rest of it, and the tail. Statuses
 * as above. A message without any byte becomes "\0" and the tail. */
enum sl_status sl_ws_deflater_end(struct sl_ws_deflater *deflater);

/* ---- receiving ---- */

struct sl_ws_inflater;

/* `class` is the library. `keeps_context`: what comes may refer to messages
 * before it, by 2 to the `bits` bytes. SL_MEMORY. */
enum sl_status sl_ws_inflater_create(const struct sl_engine_class *class,
                                     struct sl_pool *pool, unsigned bits,
                                     bool keeps_context,
                                     struct sl_ws_inflater **inflater);
/* NULL is allowed. */
void sl_ws_inflater_destroy(struct sl_ws_inflater *inflater);

/* Where the caller appends compressed payload. */
struct sl_buffer *sl_ws_inflater_input(struct sl_ws_inflater *inflater);

/* Inflates the input to the end of `output`, which holds this message alone,
 * and whose `max_size` is that of a message. `is_last`: no more input follows.
 * `utf8` checks text; NULL: there is none. A message without any byte is empty.
 * What is done is taken from `*budget`, in bytes. SL_OK: it is used up, call
 * again. SL_AGAIN: all input is used. SL_END: so it is, and it was the last:
 * the message is complete. SL_DECODE: it is corrupt, cut off, or not UTF-8;
 * `*error` says which. SL_LIMIT: there is more of it than fits into `output`,
 * or the pool. SL_MEMORY. After a failure the inflater can only be destroyed.
 */
enum sl_status sl_ws_inflater_run(struct sl_ws_inflater *inflater,
                                  struct sl_buffer *output, bool is_last,
                                  struct sl_utf8 *utf8, size_t *budget,
                                  const char **error);

#endif
