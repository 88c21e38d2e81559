/* io/replacement.h - a file that replaces another once it is complete
 *
 * in: sequences, piece by piece      out: the file of that name
 *
 *   open -> write ... -> commit      the old content until then, the new after
 *                     \-> close       as if nothing had been
 *
 * A regular file, or a new one, is written under a temporary name beside it,
 * then renamed. It keeps the mode of the file it replaces, and owner and group
 * where this process may set them. A symbolic link stays: its target is
 * replaced. Any other kind of that name (a FIFO, a device, anything below /dev
 * or /proc) is written into as the bytes arrive; it is never waited for.
 */
#ifndef SL_IO_REPLACEMENT_H
#define SL_IO_REPLACEMENT_H

#include "base/status.h"
#include "memory/sequence.h"

#include <limits.h>
#include <sys/types.h>

struct sl_replacement {
    int fd; /* -1: closed */
    bool is_direct;
    bool is_kept;    /* close leaves it, for a later life */
    bool is_private; /* only its owner may use the new file */
    bool had_file;   /* the old file had these: */
    mode_t mode;
    uid_t owner;
    gid_t group;
    long process; /* a child of fork leaves its parent's file alone */
    char target[PATH_MAX];
    char temporary[PATH_MAX];
};

/* Closed. */
void sl_replacement_init(struct sl_replacement *replacement);
/* `is_private`: from its beginning only the owner of the file may read it,
 * whatever the mode of the old one. Failures are SL_INVALID. */
enum sl_status sl_replacement_open(struct sl_replacement *replacement,
                                   const char *path, bool is_private,
                                   struct sl_failure *failure);
/* Opens a file that is written in parts, in any order. `is_kept`: under a
 * temporary name that is always the same, and which close leaves; so a file
 * that is there is gone on with. It is locked until it is closed, must belong
 * to this user, and may have no other name: who may make files beside it could
 * have linked another file of this user there. `is_private`: as above. Failures
 * are SL_INVALID, also for what is no regular file. */
enum sl_status sl_replacement_open_parts(struct sl_replacement *replacement,
                                         const char *path, bool is_kept,
                                         bool is_private,
                                         struct sl_failure *failure);

/* Writes from position `from` of the bytes on, which is before their end;
 * `*count` bytes of them: to `offset` of the file, -1: behind what was written
 * last. SL_AGAIN: a FIFO is full. */
enum sl_status sl_replacement_write(struct sl_replacement *replacement,
                                    const struct sl_sequence *bytes,
                                    size_t from, int64_t offset, size_t *count,
                                    struct sl_failure *failure);
enum sl_status sl_replacement_size(const struct sl_replacement *replacement,
                                   int64_t *size, struct sl_failure *failure);
/* Makes the file that long. */
enum sl_status sl_replacement_cut(struct sl_replacement *replacement,
                                  int64_t size, struct sl_failure *failure);
/* Gives the file its name and closes it. `is_durable`: file and name are on the
 * disk. After a failure everything is as after close, except that the name may
 * be there when only its way to the disk failed. */
enum sl_status sl_replacement_commit(struct sl_replacement *replacement,
                                     bool is_durable,
                                     struct sl_failure *failure);
/* Discards an uncommitted file, unless it is kept. Idempotent. */
void sl_replacement_close(struct sl_replacement *replacement);
/* The same for any file. */
void sl_replacement_discard(struct sl_replacement *replacement);

#endif
