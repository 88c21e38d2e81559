"""What python3 makes of JSON texts, made as strict as sluice.json.

Each line of the input is the hexadecimal form of one text; for each, one line: what json.dumps
makes of its value, or "refused".
"""
import json
import math
import sys


def integer(text):
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError("beyond 64 bits")
    return -0.0 if text == "-0" else value


def number(text):
    value = float(text)
    digits = text.lower().split("e")[0]
    if math.isinf(value) or value == 0 and any(c in "123456789" for c in digits):
        raise ValueError("beyond the range of doubles")
    return value


def constant(text):
    raise ValueError(text)


def read(line):
    text = bytes.fromhex(line).decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("byte order mark")
    value = json.loads(text, parse_int=integer, parse_float=number, parse_constant=constant)
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates have none
    return value


for count, line in enumerate(sys.stdin):
    try:
        value = read(line)
    except (ValueError, RecursionError):
        print("refused")
    else:
        print(json.dumps(value, ensure_ascii=count % 2 == 0, indent=None,
                         separators=(",", ":") if count % 3 else None).encode("utf-8").hex())
