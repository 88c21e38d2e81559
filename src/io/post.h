/* io/post.h - what other threads hand to the loop, and how it is woken
 *
 *   thread: post --> [ list under a lock ] --byte in a pipe--> step: arrive
 *
 * The same pipe wakes an outer loop for work that begins outside a step.
 */
#ifndef SL_IO_POST_H
#define SL_IO_POST_H

#include "base/status.h"

struct sl_loop;

/* A message from another thread to the loop, embedded in the job it is
 * about. */
struct sl_post {
    struct sl_post *next;
    void (*arrive)(struct sl_post *post); /* on the loop's thread, from step */
};

/* Makes the wake descriptor, on the loop's thread, before other threads may
 * post. SL_LIMIT and errno: no descriptor to be had. */
enum sl_status sl_loop_open_posts(struct sl_loop *loop);
/* From any thread, after sl_loop_open_posts and before sl_loop_close: `post`
 * arrives at the next step, which is woken. */
void sl_loop_post(struct sl_loop *loop, struct sl_post *post);

/* For backends that end all their threads: what was posted arrives now. */
void sl_loop_take_posts(struct sl_loop *loop);

/* Makes the loop's pollfd readable until the next step. */
void sl_loop_wake_host(struct sl_loop *loop);

#endif
