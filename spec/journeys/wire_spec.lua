-- Every wire fixture through the whole client, buffered and streamed, in one piece and byte by
-- byte: the response is what the document says.

local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

-- The settings of fixtures that a client over plain TCP cannot have.
local beyond = {
  ["request: CONNECT"] = "tunnels are the business of proxies",
  ["request: upgrade"] = "no upgrade is asked for",
  ["eof: truncated"] = "only TLS knows an end that cannot be trusted",
}

local function read_context(lines)
  local limits = { body = math.maxinteger }
  local context = { method = "GET", client = {}, options = { decompress = false, limits = limits } }
  for _, line in ipairs(lines or {}) do
    if beyond[line] then return nil end
    local key, value = line:match("^([%w_]+): (.*)$")
    if line == "request: close" then
      context.client.pool = false
    elseif key == "request" then
      context.method = value
    elseif key == "decode" then
      context.options.decompress = true
    elseif key == "lenient_lf" then
      limits.lenient_lf = true
    elseif key == "limit" then
      local name, number = value:match("^(%l+) (%d+)$")
      limits[name] = math.tointeger(number)
    elseif key == "eof" then
      context.ends = true
    end
  end
  return context
end

-- Interim responses and surplus bytes are nothing that a response shows. What came before a fault
-- is shown by a stream whose head was complete.
local function expected_lines(events, way)
  local lines, has_head = {}, false
  for _, event in ipairs(events) do
    local failed = event:match("^error (%l+): ")
    if failed then
      if way == "buffered" or not has_head then lines = {} end
      lines[#lines + 1] = "error " .. failed
      return lines
    end
    if event:match("^head ") then lines, has_head = {}, true end
    if not event:match("^surplus ") then lines[#lines + 1] = event end
  end
  return lines
end

local escape = support.fixtures.escape

local function add_fields(lines, label, fields)
  for name, value in pairs(fields) do
    lines[#lines + 1] = ("%s %s: %s"):format(label, escape(name), escape(value))
  end
end

local function describe_head(response)
  local lines = { ('head %d %s "%s"'):format(response.status, response.version,
    escape(response.reason)) }
  add_fields(lines, "field", response.headers)
  return lines
end

local function describe_body(lines, body, response)
  if #body > 0 then lines[#lines + 1] = ('body "%s"'):format(escape(body)) end
  add_fields(lines, "trailer", response.trailers)
end

local function buffered(client, context, url)
  local response <close>, _, err = client:request(context.method, url, context.options)
  if not response then return { "error " .. err.code } end
  local lines = describe_head(response)
  describe_body(lines, response:text(), response)
  return lines
end

local function streamed(client, context, url)
  local options = { stream = true }
  for key, value in pairs(context.options) do options[key] = value end
  local response <close>, _, err = client:request(context.method, url, options)
  if not response then return { "error " .. err.code } end
  local lines, parts = describe_head(response), {}
  local piece
  repeat
    piece, _, err = response:next_chunk()
    if piece then
      parts[#parts + 1] = piece:tostring()
      piece:dispose()
    end
  until not piece
  describe_body(lines, table.concat(parts), response)
  if err then lines[#lines + 1] = "error " .. err.code end
  return lines
end

local ways = { buffered = buffered, streamed = streamed }

describe("the client", function()
  support.verify_each()

  local ask = { "expect_until", "\r\n\r\n" }
  local next_answer = { ask, { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "stall" } }

  local function run(fixture, context, way, step)
    local ending = fixture.events[#fixture.events]
    local has_surplus = ending:match "^surplus"
    local last = context.ends and { "close" } or { has_surplus and "hold" or "stall" }
    local p <close> = peer.listen { script = { { ask, step, last }, next_answer } }
    local client <close> = support.client(context.client)
    local lines = ways[way](client, context, p.url .. "/")
    if lines[#lines]:match("^error") then return lines end
    if has_surplus then
      -- It is seen before the connection is used again, which may close before all of it came.
      repeat until p:wait("holding", 1, 0.001) or select(2, p:connections()) == 0
      sluice.loop():step(0)
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal(204, response.status)
      assert.equal(2, (p:connections()))
      ending = fixture.events[#fixture.events - 1]
    elseif not context.ends then
      -- A connection that its peer ended says nothing about the decision.
      ending = client:stats().idle == 1 and "end keep-alive" or "end close"
    end
    lines[#lines + 1] = ending
    return lines
  end

  for fixture in support.fixtures.each("http") do
    local context = read_context(fixture.blocks.context)
    if context then
      for way in pairs(ways) do
        local expected = expected_lines(fixture.events, way)
        it(("reads the fixture as its document says, %s: %s"):format(way, fixture.title), function()
          assert.same(expected, run(fixture, context, way, { "send", fixture.bytes }))
          if #fixture.bytes > 0 then
            assert.same(expected, run(fixture, context, way, { "dribble", fixture.bytes, 1, 0 }))
          end
        end)
      end
    end
  end
end)
