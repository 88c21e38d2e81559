"""TLS servers, one port for each certificate, that write down what they got.

    tls_server.py DIRECTORY NAME:PORT... :PORT

Offers DIRECTORY/NAME.pem with DIRECTORY/NAME.key, weak ones too. Prints one line
for each connection, "NAME BYTES", with the count of decrypted bytes received
before the client closed or an answer was sent. The last port is for seeing that
it is there, and nothing is said of it.
"""
import os
import socket
import ssl
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood"


def context_for(directory, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    if name.startswith("weak"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
    return context


def serve(listener, context, name):
    while True:
        raw = listener.accept()[0]
        raw.settimeout(10)
        count = 0
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                count = len(connection.recv(65536))
                if count:
                    connection.sendall(ANSWER)
        except OSError:
            pass
        os.write(1, f"{name} {count}\n".encode())  # in one piece, unlike print


def show(listener):
    while True:
        listener.accept()[0].close()


directory = sys.argv[1]
for argument in sys.argv[2:]:
    name, port = argument.split(":")
    listener = socket.create_server(("127.0.0.1", int(port)))
    if not name:
        threading.Thread(target=show, args=(listener,)).start()
        break
    context = context_for(directory, name)
    threading.Thread(target=serve, args=(listener, context, name)).start()
