--- The default serializer: JSON (RFC 8259) by the core, read from the segments where it
-- arrived and written into the writer.
--
-- Strict both ways: UTF-8 alone, no NaN or Infinity, 512 levels at most, one value and no
-- byte order mark. Integers of 64 bits stay integers, other numbers are floats that read
-- back unchanged; numbers that cannot be held are an error. Of equal keys the last one
-- counts. Tables are read raw: keys 1 to n make an array, string keys an object, and an
-- empty table is an object unless marked.
--
--     json.decode(sequence | string)  -> value | nil, message, err (decode, memory)
--                                        err.position is the byte that is wrong, from 1
--     json.encode(value, writer)      -> writer | nil, message, err (invalid, limit, memory)
--     json.text(value)                -> string | nil, message, err (the same)
--     json.null                       null in both directions (lua-cjson's own)
--     json.array_mt                   metatable of tables that are arrays even when empty;
--                                     a decoded [] has it
--     json.empty_array                a value that is written as []

local json = require "sluice.core".json

json.content_type = "application/json"

return json
