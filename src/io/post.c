#include "io/post.h"

#include "io/backend.h"
#include "io/system.h"

#include <errno.h>
#include <unistd.h>

enum sl_status sl_loop_open_posts(struct sl_loop *loop)
{
    int ends[2];
    int error;

    if (loop->wake_fd >= 0)
        return SL_OK;
    if (sl_pipe_open(ends) != 0)
        return SL_LIMIT;
    /* As in add_backend. */
    if (loop->poll_fd >= 0 && sl_gatherer != NULL &&
        sl_gatherer->add(loop->poll_fd, ends[0]) != 0) {
        error = errno;
        goto fail;
    }
    if (loop->backend_count > 0) {
        struct sl_backend *host = loop->backends[0];

        if (host->class->watch(host, ends[0]) != SL_OK) {
            error = errno;
            goto fail;
        }
    }
    loop->wake_fd = ends[0];
    loop->wake_write_fd = ends[1];
    return SL_OK;

fail:
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return SL_LIMIT;
}

void sl_loop_post(struct sl_loop *loop, struct sl_post *post)
{
    pthread_mutex_lock(&loop->post_lock);
    post->next = loop->posts;
    loop->posts = post;
    /* One byte wakes for all posts until the list is taken. It is written under
     * the lock, so that the loop cannot close the descriptor meanwhile. */
    if (post->next == NULL) {
        ssize_t n;

        do
            n = write(loop->wake_write_fd, "", 1);
        while (n < 0 && errno == EINTR);
    }
    pthread_mutex_unlock(&loop->post_lock);
}

void sl_loop_wake_host(struct sl_loop *loop)
{
    ssize_t n;

    if (loop->is_closing || sl_loop_check(loop) != SL_OK)
        return;
    do
        n = write(loop->wake_write_fd, "", 1);
    while (n < 0 && errno == EINTR);
    loop->is_host_told = true;
}

static void drain_wake(struct sl_loop *loop)
{
    char bytes[64];
    ssize_t n;

    do
        n = read(loop->wake_fd, bytes, sizeof bytes);
    while (n == (ssize_t)sizeof bytes || (n < 0 && errno == EINTR));
}

void sl_loop_take_posts(struct sl_loop *loop)
{
    struct sl_post *posts;
    struct sl_post *in_order = NULL;
    bool is_step_due = loop->is_host_told && !loop->is_stepping;

    if (loop->wake_fd < 0)
        return;
    /* Before the list is taken, so that a later post wakes once more. */
    drain_wake(loop);
    loop->is_woken = false;
    loop->is_host_told = false;
    pthread_mutex_lock(&loop->post_lock);
    posts = loop->posts;
    loop->posts = NULL;
    pthread_mutex_unlock(&loop->post_lock);
    while (posts != NULL) {
        struct sl_post *next = posts->next;

        posts->next = in_order;
        in_order = posts;
        posts = next;
    }
    while (in_order != NULL) {
        struct sl_post *post = in_order;

        in_order = post->next; /* arrive may free it */
        post->arrive(post);
    }
    if (is_step_due)
        sl_loop_tell_host(loop);
}
