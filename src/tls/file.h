/* tls/file.h - files that options name: said by name what is wrong with them */
#ifndef SL_TLS_FILE_H
#define SL_TLS_FILE_H

#include "base/status.h"

/* SL_TLS: "ca_file roots.pem: No such file or directory". */
enum sl_status sl_tls_file_fail(const char *option, const char *path,
                                int system_error, struct sl_failure *failure);

/* That it may be read: libraries say less. SL_TLS. */
enum sl_status sl_tls_file_check(const char *option, const char *path,
                                 struct sl_failure *failure);
/* That it is a directory, too: libraries take anything and find nothing in it. */
enum sl_status sl_tls_file_check_directory(const char *option, const char *path,
                                           struct sl_failure *failure);

#endif
