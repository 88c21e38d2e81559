---@meta _
-- Tasks, what they wait for, and the loop.

--- Options of sluice.map.
---@class sluice.map_options
---@field limit? integer default all; how many run at a time

--- Options of loop:run.
---@class sluice.run_options
---@field budget? number default none, in s; the budget of each step

--- What sluice.all and sluice.map return. `errors[i]` is the err of one that returned nil,
--- message, err.
---@class sluice.results
---@field n integer
---@field errors table<integer, sluice.error | string>
---@field [integer] any

--- A coroutine that the loop knows, made by sluice.spawn.
---
--- ```lua
--- local sluice = require "sluice"
---
--- sluice.run(function()
---   local task = sluice.spawn(function(a, b) return a + b end, 1, 2)
---   print(task:await(), task:status())  --> 3 done
--- end)
--- ```
---@class sluice.task
local task = {}
--- Waits for the task's results; raises its error. Fails with timeout or cancelled, unless the
--- task has ended in the same step. Yields.
---@param timeout? number default none, in s
---@return any ...
function task:await(timeout) end
--- The wait that the task is in fails with cancelled, and the operation with it. A wait that is
--- over gives its result, and the next one fails. Returns whether there was something to cancel.
---@param reason? string default none; stands in the failure
---@return boolean
function task:cancel(reason) end
--- How far it is. "ready": it has not begun.
---@return "ready" | "running" | "waiting" | "done" | "failed"
function task:status() end
--- Where it failed; nil where it did not.
---@return string?
function task:traceback() end

--- Made by a C host, see doc/guide/embedding.md.
---@class sluice.signal
local signal = {}
--- The bytes that a thread of the host has signalled. Fails with timeout and cancelled. Yields.
---@param timeout? number default none, in s
---@return string?, string?, sluice.error?
function signal:await(timeout) end

--- What moves everything on: sluice.loop() gives that of the Lua state. A host polls its descriptor
--- and steps it; a game steps it in each frame.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local is_done = false
--- sluice.spawn(function() is_done = sluice.sleep(0.001) end)
--- repeat sluice.loop():step(0.1) until is_done
--- ```
---@class sluice.loop
local loop = {}
--- Delivers what is ready, waiting at most that long. With a budget it works for as long as there
--- is work, and ends after the piece of work in which that many seconds were used up. Never yields.
---@param max_seconds? number default 0 s
---@param budget? number default none, in s; each connection and coroutine has one turn
---@return boolean is_waiting whether a coroutine still waits
---@return boolean has_work whether another step has work at once
function loop:step(max_seconds, budget) end
--- Steps until no coroutine waits. The budget is of each step.
---@param options? sluice.run_options
function loop:run(options) end
--- Sets how long a step polls before it sleeps, for answers that arrive sooner than a wake-up.
---@param seconds number in s; 0 to 0.001
function loop:spin(seconds) end
--- A descriptor, constant for life, readable when there is work, begun outside a step too. Fails
--- with limit (descriptors) and memory.
---@return integer?, string?, sluice.error?
function loop:pollfd() end
--- The event to poll the descriptor for.
---@return "r"
function loop:events() end
--- The time after which to step without an event; nil: never.
---@return number?
function loop:timeout() end
