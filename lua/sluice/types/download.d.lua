---@meta _
-- Downloads to a file.

--- Options of client:download: those of a request without a body, but for stream, on_progress and
--- fail_status, and these. A total time is that of the whole download.
---@class sluice.download_options: sluice.request_options
---@field resume? boolean default false; keep what arrives, and go on with it in a later call
---@field parallel? integer default 1; how many ranges are fetched at a time
---@field sha256? string hexadecimal; checked before the file gets its name; fails: decode
---@field progress? boolean | sluice.download_report default false; true: a bar on stderr
--- Whether file and name are on the disk when it returns.
---@field sync? boolean default false; fails: invalid

--- Bytes there and in all, bytes a second, and seconds to go; nil where unknown.
---@alias sluice.download_report
---| fun(done: integer, total?: integer, rate?: number, remaining?: number)
