---@meta _
-- URLs, dates and JSON.

--- How values become bodies, and bodies values.
---@class sluice.serializer
---@field content_type? string
---@field encode fun(value: any, writer: sluice.writer): any, string?, sluice.error?
---@field decode fun(input: sluice.sequence | string): any, string?, sluice.error?

--- The parts of a URL that are there, as they stand in it.
---@class sluice.url_parts
---@field scheme? string
---@field userinfo? string
---@field host? string
---@field port? integer
---@field path? string
---@field query? string
---@field fragment? string
---@field is_ipv6? boolean

--- URLs as parts and as text (RFC 3986).
---
--- ```lua
--- local sluice = require "sluice"
---
--- print(sluice.url.resolve("http://host/a/b", "../c"))  --> http://host/c
--- print(sluice.url.parse("http://host:8080/a?b").port)  --> 8080
--- ```
---@class sluice.url
local url = {}
--- The parts of a URL or a reference (RFC 3986). Fails with invalid.
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.parse(text) end
--- As parse, for a URL that a request can be sent to: `host` is in lower case. Fails with invalid.
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.target(text) end
--- The reference as a URL, from a base (RFC 3986 5.2). Fails with invalid.
---@param base string an absolute URL
---@param reference string
---@return string?, string?, sluice.error?
function url.resolve(base, reference) end
--- As resolve, for a server's Location: bytes that cannot travel are percent-encoded first. Fails
--- with invalid.
---@param base string an absolute URL
---@param reference string
---@return string?, string?, sluice.error?
function url.follow(base, reference) end
--- Everything but unreserved bytes as %xx (RFC 3986 2.3).
---@param text string
---@return string
function url.escape(text) end
--- Each %xx decoded once. Fails with invalid.
---@param text string
---@return string?, string?, sluice.error?
function url.unescape(text) end

--- Dates of HTTP (RFC 9110 5.6.7); numbers are seconds since 1970.
---@class sluice.date
local date = {}
--- nil for what is no date.
---@param text string of a field
---@param now? integer default the time; decides about years of two digits
---@return integer?
function date.parse(text, now) end
--- The date of that time, as in "Sun, 06 Nov 1994 08:49:37 GMT".
---@param seconds number since 1970
---@return string
function date.format(seconds) end

--- JSON by RFC 8259, strictly, in the core. Integers of 64 bits stay integers, other numbers are
--- floats; a value that cannot be held exactly is an error.
---@class sluice.json: sluice.serializer
---@field null any stands for null in both directions
--- The metatable of tables that are arrays even when empty; a decoded [] has it.
---@field array_mt table
---@field empty_array any is written as []
local json = {}
--- Appends the JSON text of a value to a writer; returns the writer. Fails with invalid, limit,
--- memory.
---@param value any
---@param to sluice.writer
---@return sluice.writer?, string?, sluice.error?
function json.encode(value, to) end
--- The value of a JSON text. Fails with decode (err.position) or memory.
---@param input sluice.sequence | sluice.lease | string
---@return any, string?, sluice.error?
function json.decode(input) end
--- The JSON text of a value. Fails with invalid, limit, memory.
---@param value any
---@return string?, string?, sluice.error?
function json.text(value) end
