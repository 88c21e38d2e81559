--- The wire fixtures, and wires that differ from them by one byte, beside parsers that were not
-- written here: h11, and llhttp as strict as it can be built.
-- Runs once.

local fixtures = require "support.fixtures"
local llhttp = require "support.llhttp"
local sluice = require "sluice"

-- Wires of one byte more, less or other; 1 in `SPARSE` of them, chosen by a fixed seed.
local SPARSE = tonumber(os.getenv "SLUICE_SPEC_SPARSE") or 8
local BYTES = { "\r", "\n", "\r\n", "\0", " ", "\t", ":", ";", ",", "0", "\x80", "\x0b", "\x7f",
  '"', "\\", "=", "-", "+" }

-- ---- how each parser judges a wire ----

local function take_head(verdict, event)
  verdict.status, verdict.fields = event.status, {}
  for _, field in ipairs(event.headers) do
    table.move(field, 1, 2, #verdict.fields + 1, verdict.fields)
  end
end

--- Returns a verdict as llhttp's, and why it refuses.
local function judge(wire, options, ending)
  local parser <close> = sluice.http_parser(options)
  local verdict = { is = "wait", status = 0, body = "", fields = {} }
  parser:feed(wire)
  if ending then parser:finish(ending == "clean") end
  while true do
    local event, message = parser:next()
    if not event then
      if message then verdict.is = "refuse" end
      return verdict, message
    elseif event.type == "body" then
      verdict.body = verdict.body .. event.body:tostring()
      event.body:dispose()
    elseif event.type == "end" then
      verdict.is, verdict.keep_alive = "accept", event.keep_alive
      return verdict
    else
      take_head(verdict, event)
    end
  end
end

local function judge_by_llhttp(wire, options, ending)
  return llhttp.judge(wire, { head = options.method == "HEAD",
    connect = options.method == "CONNECT", ended = ending ~= nil })
end

-- llhttp leaves blanks behind a value to its user.
local function trimmed(list)
  local text = {}
  for i, part in ipairs(list) do text[i] = part:gsub("[ \t]+$", "") end
  return table.concat(text, "\0")
end

--- Where they differ, in words; nil when they do not. What is refused or incomplete has no more to
-- compare; of connections that go on differently there is no reuse to compare.
local function difference(options, ours, ours_why, theirs, theirs_why)
  local is_handed_over = options.method == "CONNECT" or options.upgrade
  if ours.is ~= theirs.is then
    local why = ours.is == "refuse" and ours_why or theirs.is == "refuse" and theirs_why or ""
    return ("%s, llhttp: %s %s"):format(ours.is, theirs.is, why)
  elseif ours.is ~= "accept" then
    return nil
  elseif ours.status ~= theirs.status then
    return "status"
  elseif options.decompress then
    return nil
  elseif ours.body ~= theirs.body then
    return "body"
  elseif table.concat(ours.fields, "\0") ~= trimmed(theirs.fields) then
    return "fields"
  elseif not is_handed_over and not options.close and ours.keep_alive ~= theirs.keep_alive then
    return ("keep-alive %s, llhttp: %s"):format(ours.keep_alive, theirs.keep_alive)
  end
end

-- ---- what may differ ----

-- RFC 9110 5.6.3: blanks that a client has to read over, and llhttp refuses.
local function has_blank_in_extension(wire) return wire:find("\n%x+[^\r\n]*[ \t]") end

-- After a value llhttp takes no further extension.
local function has_two_extensions(wire) return wire:find("\n%x+;[^\r\n]*;") end

local function has_no_body(wire) return wire:find "^HTTP/1%.[01] [23]04" end

-- Whether the last coding of a list is chunked, apart from empty members, blanks and folds.
local function has_odd_list(wire)
  wire = wire:lower()
  return wire:find "chunked[ \t,]" or wire:find "transfer%-encoding:[^%w]*,"
    or wire:find "chunked\r\n[ \t]"
end

-- llhttp reads Connection in trailer sections, too, quotes in it as any other byte, and does not
-- trim tabs.
local function has_odd_connection(wire)
  return wire:find "\n0[^\n]*\r\n.*Connection:.*close" or wire:find 'Connection:[^\r\n]*["\t]'
end

local function has_interim(wire) return wire:find "^HTTP/1%.[01] 1%d%d" end

-- CONNECT answered with 2xx: the framing fields mean nothing (RFC 9110 9.3.6), and llhttp is not
-- told the method until it has judged them.
local function is_tunnel(wire, options)
  return options.method == "CONNECT" and wire:find "^HTTP/1%.[01] 2"
end

-- What has no body ends at its head, whatever framing fields it carries (RFC 9112 6.3(1)).
local function ends_at_head(wire, options)
  return is_tunnel(wire, options) or options.method == "HEAD" or has_interim(wire)
end

local function has_equal_lengths(wire)
  local first, second = wire:match "Content%-Length:%s*(%d+)%s-\r\nContent%-Length:%s*(%d+)%s"
  return first and tonumber(first) == tonumber(second)
end

--- By what llhttp says: why sluice accepts what it refuses.
local accepted = {
  ["Content-Length can't be present with Transfer-Encoding"] = ends_at_head,
  ["Transfer-Encoding can't be present with Content-Length"] = ends_at_head,
  ["Duplicate Content-Length"] = function(...)
    local has_fold = (...):find "Content%-Length:%s*%d+\r\n[ \t]"
    return ends_at_head(...) or has_fold or has_equal_lengths(...) -- RFC 9112 5.2, 6.3(5)
  end,
  ["Invalid character in Content-Length"] = function(wire, options)
    -- a list of equal numbers (RFC 9112 6.3(5)), and blanks behind the value
    return ends_at_head(wire, options) or wire:find "Content%-Length:%s*%d+[ \t,]"
  end,
  ["Empty Content-Length"] = ends_at_head,
  ["Invalid character in chunk size"] = function(wire, options)
    return has_blank_in_extension(wire) or has_two_extensions(wire) or options.method == "HEAD"
  end,
  ["Invalid character in chunk extensions"] = has_blank_in_extension,
  ["Invalid character in chunk extensions name"] = has_blank_in_extension,
  ["Invalid character in chunk extensions value"] = has_blank_in_extension,
  ["Invalid character in chunk extensions quote value"] = has_blank_in_extension,
  ["Invalid character in chunk extensions quoted value"] = function(wire)
    return wire:find '"[^"]*\\' -- RFC 9110 5.6.4: quoted pairs
  end,
  ["Expected HTTP/"] = has_interim, -- no interim response has a body
  ["Data after `Connection: close`"] = has_interim, -- RFC 9112 9.6: after the final one
}

--- Whether a difference between the two is known, or sluice is the stricter one.
local function is_explained(found, wire, options, theirs_why)
  if found:match "^refuse" or found:match "^wait" or found == "keep-alive false, llhttp: true" then
    return true -- not accepted, or not used again
  elseif found:match "^accept, llhttp: refuse" then
    local explains = accepted[theirs_why]
    -- What is behind 204 is surplus; llhttp reads it.
    return has_no_body(wire) or explains and explains(wire, options)
  elseif found:match "^accept, llhttp: wait" or found == "body" then
    return has_no_body(wire) or has_interim(wire) or has_odd_list(wire)
  elseif found == "fields" then
    return wire:find "\r\n[ \t]" -- obs-fold
  elseif found == "keep-alive true, llhttp: false" then
    return has_odd_connection(wire)
  end
end

-- ---- wires that differ by one byte ----

local function each_neighbour(wire, tell)
  for i = 1, #wire do
    local before, after = wire:sub(1, i - 1), wire:sub(i + 1)
    tell(before .. after)
    for _, bytes in ipairs(BYTES) do
      tell(before .. bytes .. wire:sub(i))
      tell(before .. bytes .. after)
    end
  end
end

local function is_plain(fixture, options)
  for _, name in ipairs { "lenient_lf", "head", "line", "lines", "interim", "body" } do
    if options[name] then return false end
  end
  return not options.decompress and #fixture.bytes <= 220
end

-- The same sequence on every machine.
local function choices()
  local state = 1
  return function()
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % SPARSE == 0
  end
end

describe("what the fixtures say", function()
  it("is what h11 reports, or the difference is explained", function()
    local pipe = assert(io.popen "/usr/bin/python3 spec/differential/compare.py 2>&1")
    local text = pipe:read "a"
    assert.is_true(pipe:close() == true, text)
    assert.matches("^%d+ passed, 0 failed\n$", text)
  end)

  it("is what strict llhttp reports, or the difference is explained", function()
    local count = 0
    for fixture in fixtures.each "http" do
      local options, ending = fixtures.context(fixture)
      local explained
      for _, line in ipairs(fixture.blocks.context or {}) do
        explained = line:match "^llhttp: (.+)$" or explained
      end
      local ours, ours_why = judge(fixture.bytes, options, ending)
      local found = difference(options, ours, ours_why,
        judge_by_llhttp(fixture.bytes, options, ending))
      assert((found ~= nil) == (explained ~= nil),
        ("%s: found %s, explained %s"):format(fixture.path, found, explained))
      count = count + 1
    end
    assert.is_true(count > 200)
  end)

  it("holds with one byte changed: what strict llhttp refuses is refused or explained", function()
    local before = sluice.stats().outstanding
    local is_chosen, count, counts = choices(), 0, { accept = 0, refuse = 0, wait = 0 }
    local function compare(wire, options, ending, path)
      if not is_chosen() then return end
      local ours, ours_why = judge(wire, options, ending)
      local theirs, theirs_why = judge_by_llhttp(wire, options, ending)
      local found = difference(options, ours, ours_why, theirs, theirs_why)
      count = count + 1
      counts[ours.is] = counts[ours.is] + 1
      assert(not found or is_explained(found, wire, options, theirs_why),
        ("%s: %s\n%q"):format(path, found, wire))
    end
    for fixture in fixtures.each "http" do
      local options, ending = fixtures.context(fixture)
      if is_plain(fixture, options) then
        each_neighbour(fixture.bytes, function(wire)
          compare(wire, options, ending, fixture.path)
        end)
      end
    end
    assert.is_true(count > 50000 // SPARSE, count)
    for verdict, number in pairs(counts) do assert.is_true(number > count // 100, verdict) end
    assert.equal(before, sluice.stats().outstanding)
  end)
end)
