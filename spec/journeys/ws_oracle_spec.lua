--- The table of cases of WebSocket agrees with wsproto, which was written elsewhere.
-- Runs once.

local server = require "spec.support.server"
local websocket = require "spec.conformance.websocket"
local zlib = require "zlib"

local MOST = 1024 * 1024

-- Where wsproto does otherwise, and why.
local others = {
  -- registered with IANA, but not known to it
  ["code 1014"] = "fails:1002", ["code 1014 with a reason"] = "fails:1002",
  -- it takes the fragments behind a ping for uncompressed ones
  ["in fragments of one byte, pings between them"] = "ping:70 fails:1007",
  -- it does not look whether the last block is complete
  ["a message that is cut off"] = "binary:bbd96bc4:4",
}

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- What must come of a case, in the words of spec/differential/websocket.py.
local function outcome_of(case)
  local words = {}
  for i, event in ipairs(case.events) do
    local kind, payload = event[1], event[2]
    words[i] = (kind == "ping" or kind == "pong") and kind .. ":" .. hex(payload)
      or ("%s:%08x:%d"):format(kind, zlib.crc32()(payload), #payload)
  end
  if case.close then
    words[#words + 1] = ("close:%d:%s"):format(case.close[1], hex(case.close[2]))
  end
  if case.fails then words[#words + 1] = "fails:" .. case.fails end
  return table.concat(words, " ")
end

describe("the cases of WebSocket", function()
  it("have the outcome that wsproto has", function()
    local expected, lines = {}, {}
    for _, case in ipairs(websocket.cases) do
      -- wsproto limits no message, and knows no window of 2^8 bytes.
      local is_known = case.fails ~= 1009 and not (case.compress and case.compress.bits == 8)
      if is_known and not (case.id:find "^8%." or case.id:find "^10%..*[02468]$") then
        local whole = websocket.whole(case)
        local wire = websocket.wire(whole.send[#whole.send])
        if #wire <= MOST then
          expected[case.id] = { outcome_of(whole), case.title }
          local terms = case.compress and websocket.terms(case) or ""
          lines[#lines + 1] = ("%s\t%s\t%s\n"):format(case.id, terms, hex(wire))
        end
      end
    end
    local directory = server.directory()
    local path = server.write(directory .. "/cases", table.concat(lines))
    local status, output = server.run { "sh", "-c",
      "/usr/bin/python3 spec/differential/websocket.py <" .. path }
    server.remove(directory)
    assert.equal(0, status, output)
    local count, different = 0, {}
    for id, outcome in output:gmatch "([%d.]+)\t([^\n]*)\n" do
      count = count + 1
      local wanted, title = table.unpack(expected[id])
      if outcome ~= (others[title] or wanted) then
        different[#different + 1] = ("%s %s: %s, wsproto: %s"):format(id, title, wanted, outcome)
      end
    end
    assert.equal(#lines, count)
    assert.equal("", table.concat(different, "\n"))
  end)
end)
