# multipart.py PARSER DIRECTORY CONTENT_TYPE < body - what a parser of Python's finds in it
#
# PARSER is `cgi` or `email`. Prints a line of JSON for each part. The content of the nth
# is in DIRECTORY/n, or in `hex` if it is short.

import io
import json
import sys
import warnings

warnings.simplefilter("ignore")


def by_cgi(kind, body):
    import cgi

    form = cgi.FieldStorage(
        fp=io.BytesIO(body),
        headers={"content-type": kind, "content-length": str(len(body))},
        environ={"REQUEST_METHOD": "POST"},
        keep_blank_values=True,
        encoding="utf-8",
        errors="surrogateescape",
        max_num_fields=10**7,
    )
    for item in form.list or []:
        data = item.file.read() if item.file else item.value
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        has_type = "content-type" in item.headers
        yield item.name, item.filename, item.type if has_type else None, data


def by_email(kind, body):
    import email

    head = b"MIME-Version: 1.0\r\nContent-Type: " + kind.encode() + b"\r\n\r\n"
    message = email.message_from_bytes(head + body)
    assert message.is_multipart() and not message.defects, message.defects
    for part in message.get_payload():
        assert not part.defects, part.defects
        name = part.get_param("name", header="content-disposition")
        kind = part.get_content_type() if "content-type" in part else None
        data = part.get_payload(decode=True)
        yield name, part.get_filename(), kind, data


parser, directory, kind = sys.argv[1:]
parsers = {"cgi": by_cgi, "email": by_email}
found = parsers[parser](kind, sys.stdin.buffer.read())
for number, (name, filename, kind, data) in enumerate(found, 1):
    part = {"name": name, "filename": filename, "type": kind}
    if len(data) < 100:
        part["hex"] = data.hex()
    else:
        with open("%s/%d" % (directory, number), "wb") as file:
            file.write(data)
    print(json.dumps(part))
