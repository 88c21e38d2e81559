-- Fields that a server may fill with anything, read by Lua: each is mutated a thousand times.
-- What reads it neither raises nor breaks the rule that its users count on.
-- Runs once.

local challenges = require "sluice.auth.challenges"
local cookies = require "sluice.cookies.cookie"
local date = require "sluice.date"
local digest = require "sluice.auth.digest"
local filename = require "sluice.filename"
local links_of = require "sluice.links"
local media = require "sluice.media"
local netrc = require "sluice.auth.netrc"
local parameters = require "sluice.parameters"
local plan = require "sluice.plan"
local sluice = require "sluice"

local TIMES = 1000

--- Numbers that are the same in each run: from 1 to `most`.
local state = 1
local function draw(most)
  state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
  return (state >> 24) % most + 1
end

local WORDS = { '"', "\\", ";", ",", "=", " ", "\t", "%", "%00", "<", ">", "/", "..", ".", "*",
  "''", "\0", "\127", "\xff", "\u{e9}", "-1", "0", "99999999999999999999", "[", "]", "(", ")", ":" }

--- A text with one to six places changed: bytes removed, repeated, moved or put in.
local function mutate(text, words)
  for _ = 1, draw(6) do
    local from = draw(#text + 1)
    local to = math.min(#text, from + draw(8) - 1)
    local kind = draw(5)
    local put
    if kind == 1 then
      put = "" -- removed
    elseif kind == 2 then
      put = text:sub(from, to):rep(draw(4))
    elseif kind == 3 then
      put = text:sub(draw(#text + 1)):sub(1, draw(16)) .. text:sub(from, to)
    elseif kind == 4 then
      put = string.char(draw(256) - 1)
    else
      put = words[draw(#words)]
    end
    text = text:sub(1, from - 1) .. put .. text:sub(to + 1)
  end
  return text
end

--- Calls `check` with each seed, then with what becomes of them. It returns whether something was
-- read: of one in a hundred it is, or they would show little. An error names the text.
local function try(seeds, check)
  local words = table.move(seeds, 1, #seeds, #WORDS + 1, { table.unpack(WORDS) })
  local count = 0
  for i = 1, #seeds + TIMES do
    local text = seeds[i] or mutate(seeds[draw(#seeds)], words)
    local is_ok, result = xpcall(check, debug.traceback, text)
    assert(is_ok, ("%q: %s"):format(text, result))
    if result then count = count + 1 end
  end
  assert.is_true(count > TIMES / 100, count)
end

--- A field as a response may have it: the parser lets no other byte through.
local function is_field(text) return not text:find "[%z\1-\8\10-\31\127]" end

describe("arbitrary bytes", function()
  it("in Set-Cookie make no cookie for another host, and no other field", function()
    local jar = assert(sluice.cookie_jar())
    local place = cookies.place(assert(plan.parse "http://a.site.example/dir/x"))
    local elsewhere = cookies.place(assert(plan.parse "http://other.example/dir/x"))
    try({ "SID=31d4d96e407aad42; Path=/; Domain=site.example", "__Host-a=b; Secure; Path=/",
      "a=b; Expires=Wed, 09 Jun 2031 10:18:14 GMT; HttpOnly", "a=b; Max-Age=10; SameSite=Lax",
      "a=b; Domain=other.example", "a=b; Domain=.example" }, function(line)
      jar:receive(place, { line })
      assert.equal(0, #jar:matching(elsewhere))
      local sent = cookies.join(nil, (jar:matching(place)))
      assert.is_nil(sent and sent:find "[%z\1-\8\10-\31\127]")
      if #jar > 100 then jar:clear() end
      return sent
    end)
  end)

  it("in a challenge make an answer of one line, or none", function()
    try({ 'Digest realm="a", nonce="1", qop="auth,auth-int", algorithm=SHA-256, opaque="x"',
      'Basic realm="x", Digest realm="b", nonce="2", stale=TRUE, userhash=true',
      "Negotiate YWJj==, Bearer scope=\"a b\"" }, function(value)
      challenges.read { value }
      local challenge = is_field(value) and digest.choose { value }
      if not challenge then return false end
      local answer = digest.answer(challenge, { "me", "secret" }, "GET", "/", {}, "0a4f")
      assert.is_truthy(answer == nil or is_field(answer))
      return answer
    end)
  end)

  it("in Content-Disposition make a name that stays in its folder", function()
    try({ 'attachment; filename="a b.txt"', "attachment; filename*=UTF-8''%2e%2e%2fa",
      "attachment; filename=../../etc/passwd",
      'attachment; filename="C:\\con.txt"' }, function(value)
      local name = filename { headers = { ["Content-Disposition"] = value } }
      if not name then return false end
      assert.is_nil(name:find "[/\\%z\1-\31]")
      assert.is_nil(name:find "^%.")
      assert.is_true(#name > 0 and #name <= 255)
      return true
    end)
  end)

  it("in Link make links with a URL, or none", function()
    try({ '</p?page=2>; rel="next", </p?page=9>; rel=LAST',
      "<http://a/>; rel=next; title*=UTF-8''x",
      "<>; rel=self" }, function(line)
      local links = links_of { url = "http://a.example/x/y?q", headers = {
        all = function() return { line } end } }
      for _, link in ipairs(links) do
        assert.is_string(link.url)
      end
      return links[1]
    end)
  end)

  it("in dates, media types, parameters and a netrc file are read or not", function()
    try({ "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994" }, function(text)
      local seconds = date.parse(text)
      if seconds then assert.equal(seconds, date.parse(date.format(seconds))) end
      return seconds
    end)
    try({ 'Text/HTML; Charset="UTF-8"; a=b', "application/problem+json" }, media.split)
    try({ "; a=1; b=\"x; y\\\"\"; c*=UTF-8''%e2" }, function(text)
      return parameters.read(text, 1, ";")
    end)
    try({ "machine a.test login me password secret\ndefault login x password y",
      'macdef init\n\nmachine "a.test" # x\n' }, function(text)
      local file = netrc.read(text)
      return file and netrc.find(file, "a.test", true)
    end)
  end)
end)
