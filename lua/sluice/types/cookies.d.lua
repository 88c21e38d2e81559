---@meta _
-- Cookies and their jar.

--- Options of sluice.cookie_jar.
---@class sluice.cookie_jar_options
---@field suffixes? string | false default libpsl's; a file of public suffixes; false: no list

--- Options of cookie_jar:save.
---@class sluice.cookie_save_options
---@field session? boolean default false; whether cookies of the session are saved, too

--- A cookie of a jar, as a copy.
---@class sluice.cookie
---@field name string
---@field value string
---@field domain string without a dot before it
---@field host_only boolean whether the hosts below the domain do not get it
---@field path string
---@field expires? integer seconds since 1970; nil: with the session
---@field secure boolean
---@field http_only boolean
---@field same_site? "Strict" | "Lax" | "None"

--- host_only: true, unless the domain begins with a dot
---@class sluice.own_cookie
---@field name string fails: invalid
---@field value string fails: invalid
---@field domain string with a dot before it: for hosts below it, too; fails: invalid
---@field host_only? boolean default true; unless the domain begins with a dot
---@field path? string default "/"
---@field expires? integer default as long as the jar; in seconds since 1970
---@field secure? boolean default false
---@field http_only? boolean default false
---@field same_site? "Strict" | "Lax" | "None" default none

--- Cookies by the rules of RFC 6265bis. Several clients may share one; `#jar` is how many it holds.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local jar = assert(sluice.cookie_jar())
--- assert(jar:set { name = "theme", value = "dark", domain = "shop.example" })
--- print(#jar, jar:get("http://shop.example/", "theme"))  --> 1 dark
--- ```
---@class sluice.cookie_jar
---@operator len: integer
local cookie_jar = {}
--- Stores a cookie of the program's own, in place of one like it. Fails with invalid.
---@param given sluice.own_cookie | sluice.cookie
---@return true?, string?, sluice.error?
function cookie_jar:set(given) end
--- The value of the cookie that a request to the URL would have; nil: none. Fails with invalid.
---@param to string a URL
---@param name string of the cookie
---@return string?, string?, sluice.error? # its value
function cookie_jar:get(to, name) end
--- Iterates over copies of all cookies that have not expired, the oldest first.
---@return fun(): sluice.cookie?
function cookie_jar:cookies() end
--- Removes all cookies, or those of one domain without the hosts below it; returns how many.
---@param domain? string default all
---@return integer # removed
function cookie_jar:clear(domain) end
--- Adds the cookies of a file in the format of Netscape; returns how many. Blocks for the file.
--- Fails with invalid.
---@param path string of the file
---@return integer?, string?, sluice.error? # added
function cookie_jar:load(path) end
--- Writes them to a file in that format. Blocks for the file. Fails with invalid.
---@param path string of the file
---@param options? sluice.cookie_save_options
---@return integer?, integer | string, sluice.error? # saved; what the format cannot hold
function cookie_jar:save(path, options) end
