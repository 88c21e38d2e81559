-- Loops over the events of a body while finalisers, which run wherever an event is made, read on,
-- dispose or close. What loops give is shown by spec/lua/streams_spec.lua.

local programs = require "spec.support.programs"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local COUNT = 3000
local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

describe("a loop over events", function()
  local client, p

  support.verify_each(function(keep)
    p = keep(support.peer.listen { records = false, repeat_last = true, script = {
      { { "expect_until", "\r\n\r\n" }, { "send", HEAD },
        { "send_repeat", "id: 12\nevent: a\ndata: bc\n\n", COUNT }, { "close" } } } })
    client = keep(support.client())
  end)

  -- Reads a body to its end while `act(events, response)` runs in finalisers, again and again if it
  -- returns true. Returns the count of events, and what was raised.
  local function read(is_streamed, act)
    local response <close> = assert(client:get(p.url .. "/", { stream = is_streamed }))
    local events <close> = response:events()
    local is_over = false
    local function trap()
      setmetatable({}, { __gc = function()
        if not is_over and act(events, response) then trap() end
      end })
    end
    trap()
    local count = 0
    local ok, raised = pcall(function()
      for event in events do
        assert(event.data == "bc" and event.type == "a" and event.id == "12")
        count = count + 1
        if count % 50 == 0 then collectgarbage "step" end
      end
    end)
    is_over = true
    collectgarbage()
    return count, not ok and raised or nil
  end

  for _, is_streamed in ipairs { true, false } do
    local kind = is_streamed and "streamed" or "whole"

    it("shares its events with a finaliser that reads: " .. kind, function()
      local others = 0
      local count, raised = read(is_streamed, function(events)
        if pcall(events.next, events) then others = others + 1 end
        return true
      end)
      assert.is_true(others > 0)
      if raised then
        assert.matches("was read meanwhile", raised)
      else
        assert.equal(COUNT, count + others)
      end
    end)

    it("goes on while a finaliser steps the loop: " .. kind, function()
      local count, raised = read(is_streamed, function()
        pcall(function() sluice.loop():step(0) end)
        return true
      end)
      assert.is_nil(raised)
      assert.equal(COUNT, count)
    end)

    it("ends with an error when a finaliser closes it: " .. kind, function()
      local count, raised = read(is_streamed, function(events) events:close() end)
      assert.is_true(count < COUNT)
      assert.matches("use of closed loop over a body", raised)
    end)
  end

  it("ends with an error when a finaliser disposes a streamed response", function()
    local count, raised = read(true, function(_, response) response:dispose() end)
    assert.is_true(count < COUNT)
    assert.matches("use of disposed response", raised)
  end)

  -- The first event of a body that is there, of which a finaliser takes the rest as text while the
  -- string of that number is made: pcall's results, and the text.
  local function interrupt(body, string_number)
    local own <close> = support.peer.listen { records = false, script = {
      { { "expect_until", "\r\n\r\n" }, { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
        .. "Content-Type: text/event-stream\r\n\r\n%s"):format(#body, body) } } } }
    local response <close> = assert(client:get(own.url .. "/", { stream = true }))
    local events <close> = response:events()
    local runs, text = 0, nil
    local function trap()
      setmetatable({}, { __gc = function()
        runs = runs + 1
        if runs <= string_number then trap() else text = response:text() end
      end })
    end
    -- A whole cycle whenever something was allocated: for the table, then for each string.
    collectgarbage("incremental", 1, 1000, 40)
    collectgarbage()
    trap()
    local ok, event = pcall(events)
    collectgarbage("incremental", 200, 100, 13)
    assert.equal(string_number + 1, runs)
    assert.is_nil(events())
    return ok, event, text
  end

  it("has its event when a finaliser takes the body while the data is copied", function()
    local data = ("d"):rep(100)
    local body = ("data: %s\n\n"):format(data):rep(2)
    local ok, event, text = interrupt(body, 1)
    assert.is_true(ok)
    assert.equal(data, event.data)
    assert.equal(body, text)
  end)

  it("raises when a finaliser takes the body before the data is copied", function()
    local body = ("event: %s\ndata: %s\n\n"):format(("e"):rep(100), ("d"):rep(100)):rep(2)
    local ok, raised, text = interrupt(body, 1)
    assert.is_false(ok)
    assert.matches("the stream was read meanwhile", raised)
    assert.equal(body, text)
  end)

  it("forgets an event for which there was no memory when others take its bytes", function()
    local transport = support.transport()
    local body = ("data: %s\n\ndata: next\n\n"):format(("d"):rep(12000))
    local own <close> = support.peer.listen { records = false, script = {
      { { "expect_until", "\r\n\r\n" }, { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
        .. "Content-Type: text/event-stream\r\n\r\n%s"):format(#body, body) } } } }
    local directory <close> = setmetatable({ path = server.directory() }, {
      __close = function(self) server.remove(self.path) end })
    local state <close> = programs.start(directory.path, [[
      local client <close> = assert(sluice.client { transport = transport })
      local response <close> = assert(client:get(url, { stream = true }))
      local events <close> = response:events()
      for _ = 1, 2 do -- it stays ready
        local ok, raised = pcall(events)
        assert(not ok and raised == "not enough memory", raised)
      end
      while response:read(4096) do end
      assert(events() == nil)
    ]], own.url .. "/", transport.mode, transport.backend)
    local raised, left = state:call("over", 11000)
    assert.is_nil(raised)
    assert.is_nil(left)
  end)

  it("outlives a whole response that a finaliser disposes", function()
    local count, raised = read(false, function(_, response) response:dispose() end)
    assert.is_nil(raised)
    assert.equal(COUNT, count)
  end)
end)
