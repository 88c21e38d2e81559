/* spec/c/fuzz/plain_openssl.h - OpenSSL's own memory, without the sanitizer
 *
 * A connection of OpenSSL's is some hundred small blocks. To check each of them
 * takes more time than the handshake, and what OpenSSL does with its own memory
 * is not what a target tests. What src/ allocates is checked as ever.
 */
#ifndef SPEC_C_FUZZ_PLAIN_OPENSSL_H
#define SPEC_C_FUZZ_PLAIN_OPENSSL_H

#include <openssl/crypto.h>
#include <stddef.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

#ifdef __GLIBC__
/* glibc's malloc under the names that no sanitizer replaces. */
void *__libc_malloc(size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static void *plain_allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_malloc(size);
}

static void *plain_resize(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_realloc(block, size);
}

static void plain_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    __libc_free(block);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CRYPTO_set_mem_functions(plain_allocate, plain_resize, plain_free);
    return 0;
}
#endif

#endif
