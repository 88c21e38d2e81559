-- response.links: what servers write into Link, well and badly.

local links_of = require "sluice.links"
local sluice = require "sluice"
local support = require "spec.support"

-- The links of a response with these lines.
local function read(base, ...)
  local lines = { ... }
  return links_of { url = base, headers = { all = function(_, name)
    assert.equal("Link", name)
    return lines
  end } }
end

local function plain(links)
  local copy = {}
  for i, link in ipairs(links) do copy[i] = link end
  return copy
end

describe("links", function()
  local base = "http://a.example/x/y?q"

  it("are found by their relation, in any case, and in their order", function()
    local links = read(base, '</p?page=2>; rel="next", </p?page=9>; rel=LAST')
    assert.equal("http://a.example/p?page=2", links.next.url)
    assert.equal("http://a.example/p?page=9", links.last.url)
    assert.equal("last", links.last.rel)
    assert.equal(links.next, links[1])
    assert.equal(links.last, links[2])
    assert.equal(2, #links)
    assert.is_nil(links.prev)
    assert.same({}, read(base))
  end)

  it("are resolved against the URL of the response", function()
    for target, url in pairs {
      ["z"] = "http://a.example/x/z", ["?r"] = "http://a.example/x/y?r", [""] = base,
      ["../z"] = "http://a.example/z", ["//b.example/z"] = "http://b.example/z",
      ["https://c.example"] = "https://c.example", ["#f"] = base .. "#f",
      ["/caf\u{e9} x"] = "http://a.example/caf%C3%A9%20x", ["urn:a:b"] = "urn:a:b",
    } do
      assert.equal(url, read(base, ("<%s>; rel=next"):format(target)).next.url)
    end
    assert.equal("http+unix://%2Frun%2Fa.sock/z",
      read("http+unix://%2Frun%2Fa.sock/x", "<z>; rel=next").next.url)
  end)

  it("may have several relations, of which the first link counts", function()
    local links = read(base, '<1>; rel="prev  start", <2>; rel="Prev http://x.example/REL"',
      "<3>; rel=next")
    assert.equal(links[1], links.prev)
    assert.equal(links[1], links.start)
    assert.equal(links[2], links["http://x.example/rel"])
    assert.equal(links[3], links.next)
    assert.equal("prev  start", links[1].rel)
  end)

  it("have their parameters by name", function()
    local links = read(base, "<1>; REL=next; title=\"a \\\"b\\\", c; d\"; type=text/html; x=1;"
      .. " title=\"second\"; url=no; crossorigin, <2>; rel=prev;"
      .. " title=plain; title*=UTF-8'de'n%c3%a4chstes; y*=bad")
    assert.same({ url = "http://a.example/x/1", rel = "next", title = 'a "b", c; d',
      type = "text/html", x = "1", crossorigin = "" }, links[1])
    assert.same({ url = "http://a.example/x/2", rel = "prev", title = "n\u{e4}chstes" }, links[2])
  end)

  it("about something else are left out, and those without a relation", function()
    local links = read(base, '<1>; rel=next; anchor="/other", <2>; rel=next; anchor="",'
      .. ' <3>, <4>; title=x, <5>; rel="", <6>; rel=up; anchor="y?q"')
    assert.same({ { url = "http://a.example/x/2", rel = "next", anchor = "" },
      { url = "http://a.example/x/5", rel = "" },
      { url = "http://a.example/x/6", rel = "up", anchor = "y?q" } }, plain(links))
    assert.equal(links[1], links.next)
  end)

  it("that are malformed give what can be read", function()
    for text, urls in pairs {
      [""] = {},
      ["next"] = {},
      ["<1"] = {},
      [" , ,<1>;rel=a,,<2>;rel=b,"] = { "1", "2" },
      ["<1>;rel=a junk, <2>;rel=b"] = { "1", "2" },
      ["<1> junk, <2>;rel=b"] = { "2" },
      ["<1>;rel=\"a, <2>;rel=b"] = { "1" },
      ["<1>;rel=a, junk, <2>;rel=b"] = { "1" },
      ["<http://[bad>;rel=a, <2>;rel=b"] = { "2" },
      ["<1,2>;rel=a"] = { "1,2" },
    } do
      local found = {}
      for i, link in ipairs(read(base, text)) do found[i] = link.url:match "[^/]*$" end
      assert.same(urls, found, text)
    end
  end)

  it("of a large field take time in proportion to it", function()
    local from = support.system.clock()
    for _, text in ipairs { ("<x>;rel=a,"):rep(12000), ("<x"):rep(60000), (","):rep(120000),
      "<x>" .. ("; a"):rep(40000), '<x>;rel="' .. ("a "):rep(60000) .. '"' } do
      read(base, text)
    end
    assert.is_true(support.system.clock() - from < 10)
  end)

  it("are a property of each response", function()
    local before = support.snapshot(sluice)
    do
      local client <close> = support.client()
      local p <close> = support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nLink: <b>; rel=next\r\nlink: </c>; rel=prev\r\n"
          .. "Content-Length: 0\r\n\r\n" }, { "stall" } } } }
      local response <close> = assert(client:get(p.url .. "/a/"))
      assert.equal(p.url .. "/a/b", response.links.next.url)
      assert.equal(p.url .. "/c", response.links.prev.url)
      response:dispose()
      local ok, raised = pcall(function() local _ = response.links end)
      assert.is_false(ok)
      assert.matches("links_spec%.lua:%d+: use of disposed response", raised)
    end
    support.verify(sluice, before)
  end)
end)
