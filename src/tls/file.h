/* tls/file.h - failures of files that options name, with the file's name */
#ifndef SL_TLS_FILE_H
#define SL_TLS_FILE_H

#include "base/status.h"

/* SL_TLS: "ca_file roots.pem: No such file or directory". */
enum sl_status sl_tls_file_fail(const char *option, const char *path,
                                int system_error, struct sl_failure *failure);

/* Fails for a file locked by a password, which is missing (NULL) or another
 * one. */
enum sl_status sl_tls_file_fail_locked(const char *option, const char *path,
                                       const char *password,
                                       struct sl_failure *failure);

/* Checks that the file may be read: libraries say less. SL_TLS. */
enum sl_status sl_tls_file_check(const char *option, const char *path,
                                 struct sl_failure *failure);
/* Checks that it is a readable directory: libraries take anything and find
 * nothing in it. */
enum sl_status sl_tls_file_check_directory(const char *option, const char *path,
                                           struct sl_failure *failure);

#endif
