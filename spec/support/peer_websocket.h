/* spec/support/peer_websocket.h - what a peer knows of WebSocket: an answer to a
 * handshake, and the frames of a client
 *
 * in, out: peer.c, which alone includes this; nothing of the code under test
 */
#ifndef PEER_WEBSOCKET_H
#define PEER_WEBSOCKET_H

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_FIELD      "Sec-WebSocket-Key: "
#define KEY_SIZE       ((size_t)24)

/* The value of Sec-WebSocket-Key in a head, or NULL. */
static inline const char *find_key(const char *head, size_t size)
{
    for (size_t i = 0; i + sizeof KEY_FIELD - 1 + KEY_SIZE <= size; i++)
        if (strncasecmp(head + i, KEY_FIELD, sizeof KEY_FIELD - 1) == 0)
            return head + i + sizeof KEY_FIELD - 1;
    return NULL;
}

/* Writes the head of a 101 for that key, with these field lines; returns its
 * size. */
static inline size_t write_switch(char *room, size_t size, const char *key,
                                  const char *lines)
{
    unsigned char text[KEY_SIZE + sizeof WEBSOCKET_GUID - 1];
    unsigned char digest[20];
    unsigned char accept[29]; /* with a zero byte */

    memcpy(text, key, KEY_SIZE);
    memcpy(text + KEY_SIZE, WEBSOCKET_GUID, sizeof WEBSOCKET_GUID - 1);
    EVP_Digest(text, sizeof text, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    return (size_t)snprintf(room, size,
                            "HTTP/1.1 101 Switching Protocols\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                            (const char *)accept, lines);
}

struct client_frame {
    size_t head; /* bytes of it, with the key */
    size_t size; /* of its payload */
    unsigned char first;
    unsigned char key[4];
};

/* Reads the head of a frame. 0: more bytes are needed; -1: `*error` says what is
 * wrong for a client; 1: it is good. */
static inline int read_client_frame(const char *bytes, size_t size,
                                    struct client_frame *frame,
                                    const char **error)
{
    const unsigned char *head = (const unsigned char *)bytes;
    size_t width;
    uint64_t value = 0;

    if (size < 2)
        return 0;
    *error = "the frame is not masked";
    if ((head[1] & 0x80) == 0)
        return -1;
    frame->first = head[0];
    width = (head[1] & 0x7f) == 126 ? 2 : (head[1] & 0x7f) == 127 ? 8 : 0;
    frame->head = 2 + width + 4;
    if (size < frame->head)
        return 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | head[2 + i];
    *error = "the size is not in its shortest form";
    if ((width == 2 && value < 126) || (width == 8 && value < 65536))
        return -1;
    frame->size = width == 0 ? head[1] & 0x7fu : (size_t)value;
    memcpy(frame->key, head + 2 + width, 4);
    return 1;
}

#endif
