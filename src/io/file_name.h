/* io/file_name.h - names that belong to a file which is to be replaced
 *
 * Each function answers errno, or 0.
 */
#ifndef SL_IO_FILE_NAME_H
#define SL_IO_FILE_NAME_H

#include <limits.h>

/* Follows links to where `path` leads, whether or not a file is there. */
int sl_file_name_follow(const char *path, char target[PATH_MAX]);

/* Makes the name of a file beside the target: its own, cut where it must be,
 * with `suffix` behind it. */
int sl_file_name_beside(const char *target, const char *suffix,
                        char name[PATH_MAX]);

/* Puts the names of the target's folder on the disk. */
int sl_file_name_sync(const char *target);

#endif
