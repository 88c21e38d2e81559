---@meta _
-- Bytes outside the Lua heap: who has them, and what reads and writes them.

--- Options of sluice.buffer.
---@class sluice.buffer_options
---@field segment_size? integer default 16384 bytes; the size of its segments
---@field max_size? integer default none, in bytes; fails: limit

--- Options of sluice.writer.
---@class sluice.writer_options
---@field initial_size? integer default 512 bytes; room at first
---@field max_size? integer default 67108864 bytes; fails: limit

--- A run of bytes in shared segments, read only; `#` is its size.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/lines")
--- local sequence <close> = assert(response:sequence())
--- local first <close> = sequence:sub(1, 5)
--- print(#sequence, first:tostring(), sequence:byte(1))  --> 19 first 102
--- ```
---@class sluice.sequence
local sequence = {}
--- A part of the bytes; copies nothing.
---@param i integer the first byte, from 1; negative ones count from the end
---@param j? integer default -1; the last byte
---@return sluice.sequence
function sequence:sub(i, j) end
--- The byte at a position, from 1; negative ones count from the end; nil beyond it.
---@param i? integer default 1
---@return integer?
function sequence:byte(i) end
--- Its bytes as one string.
---@return string
function sequence:tostring() end
--- Iterates over its bytes, a string for each segment.
---@return fun(): string?
function sequence:segments() end
--- A reader from its first byte.
---@return sluice.reader
function sequence:reader() end
--- Releases its segments; idempotent.
function sequence:dispose() end

--- Reads a whole body, or a streamed one, which only goes forward.
---@class sluice.body_reader
local body_reader = {}
--- Reads by the formats of Lua's files. Yields when streamed.
---@param ... string | integer
---@return string | number | nil ...
function body_reader:read(...) end
--- Iterates by the same formats. Yields when streamed; raises failures.
---@param ... string | integer
---@return fun(): string | number | nil ...
function body_reader:lines(...) end
--- Moves to a position; returns it. Of a streamed body it can only be asked for. Fails with
--- invalid.
---@param whence? "set" | "cur" | "end" default "cur"
---@param offset? integer default 0 bytes
---@return integer?, string?, sluice.error?
function body_reader:seek(whence, offset) end
--- The bytes before it, since it was made.
---@return integer
function body_reader:position() end
--- Releases the segments that it shows; idempotent. A response that still arrives goes on.
function body_reader:close() end

--- A position in a sequence, with the methods of a file. The sequence has to outlive it.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/lines")
--- local sequence <close> = assert(response:sequence())
--- local reader = sequence:reader()
--- print(reader:read "l", reader:position())  --> first 6
--- ```
---@class sluice.reader
local reader = {}
--- Reads by the formats of Lua's files: counts, "l", "L", "n", "a"; nil at the end.
---@param ... string | integer
---@return string | number | nil ...
function reader:read(...) end
--- Iterates by the formats of Lua's files; without one, over lines without their ends.
---@param ... string | integer
---@return fun(): string | number | nil ...
function reader:lines(...) end
--- Moves to a position, counted from 0; returns it. Fails with invalid.
---@param whence? "set" | "cur" | "end" default "cur"
---@param offset? integer default 0 bytes
---@return integer?, string?, sluice.error?
function reader:seek(whence, offset) end
--- The bytes before it.
---@return integer
function reader:position() end
--- Closes it; the segments stay with their sequence. Idempotent.
---@return true
function reader:close() end

--- The single owner of finished bytes.
---@class sluice.lease
local lease = {}
--- A sequence over its bytes; copies nothing.
---@return sluice.sequence
function lease:sequence() end
--- Its bytes as a string.
---@return string
function lease:tostring() end
--- Releases the bytes; raises when they are gone already.
function lease:dispose() end

--- A contiguous block that grows.
---@class sluice.writer
local writer = {}
--- Appends all arguments. Fails with limit or memory.
---@param ... string | number | sluice.sequence | sluice.lease
---@return sluice.writer?, string?, sluice.error?
function writer:write(...) end
--- What was written so far, as a string.
---@return string
function writer:view() end
--- A lease over what was written; the writer refuses its use until reset.
---@return sluice.lease
function writer:detach() end
--- Makes it empty, and ready for use again.
---@return sluice.writer
function writer:reset() end
--- Releases its block; idempotent.
function writer:dispose() end

--- A run of segments that grows at the tail.
---@class sluice.buffer
local buffer = {}
--- Appends bytes: a string is copied, others are linked. Fails with limit or memory.
---@param bytes sluice.bytes
---@return sluice.buffer?, string?, sluice.error?
function buffer:append(bytes) end
--- A sequence over what it holds now; copies nothing.
---@return sluice.sequence
function buffer:sequence() end
--- Makes it empty, and ready for use again.
---@return sluice.buffer
function buffer:reset() end
--- A lease over all its bytes; the buffer refuses its use until reset.
---@return sluice.lease
function buffer:detach() end
--- Releases every segment; idempotent.
function buffer:dispose() end
