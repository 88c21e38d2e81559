-- What a server asks credentials for, read from its fields.
-- Runs once.

local challenges = require "sluice.auth.challenges"

describe("challenges", function()
  --- Shows what was read in short: "basic realm=a; negotiate abc==".
  local function shown(...)
    local texts = {}
    for i, challenge in ipairs(challenges.read { ... }) do
      local parts = {}
      for name, value in pairs(challenge.parameters) do parts[#parts + 1] = name .. "=" .. value end
      table.sort(parts)
      parts[#parts + 1] = challenge.token68
      texts[i] = table.concat({ challenge.scheme, table.unpack(parts) }, " ")
    end
    return table.concat(texts, "; ")
  end

  it("are read with their parameters, one or several in a field", function()
    -- RFC 9110 11.6.1
    assert.equal("basic realm=simple; newauth realm=apps title=Login to \"apps\" type=1",
      shown 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""')
    assert.equal("basic realm=a; digest nonce=n realm=b",
      shown('Basic realm="a"', 'DIGEST REALM="b" , Nonce = n'))
    assert.equal("negotiate; basic realm=a", shown 'Negotiate, Basic realm=a')
    assert.equal("negotiate abc==; basic realm=a", shown 'Negotiate abc==, Basic realm=a')
    assert.equal("bearer a.b_c~d+/e", shown "Bearer a.b_c~d+/e")
    assert.equal("x+y a+b=c+d", shown "X+Y a+b=c+d")
    assert.equal("a; b", shown "a,b")
  end)

  it("may stand between empty elements and white space", function()
    assert.equal("basic realm=a; digest x=y", shown ' ,, Basic  realm="a",,\t, ,Digest x=y ,')
    assert.same({ "", "", "" }, { shown "", shown " , ", shown() })
  end)

  it("keep commas, equal signs and names of schemes inside quotes", function()
    assert.equal('basic realm=a, Digest x="y"; z', shown 'Basic realm="a, Digest x=\\"y\\"", z')
    assert.equal("basic realm=", shown 'Basic realm=""')
    assert.equal("basic realm=\\", shown 'Basic realm="\\\\"')
  end)

  it("that are malformed are left out, with the rest of their field", function()
    for text, expected in pairs {
      ['Basic realm="a'] = "", ['Basic realm="a\\'] = "", ['Basic realm="a\\"'] = "",
      ['Basic realm="a"x, Digest y=z'] = "",
      ["Basic realm=, Digest y=z"] = "basic realm=; digest y=z",
      ['Basic a=b, a=c, Digest y=z'] = "digest y=z", ['Basic a=b, A=c'] = "",
      ['Digest y=z, Basic realm="a'] = "digest y=z", ['Digest y=z, b=;'] = "",
      ['Digest y=z; b=c'] = "", ["=x"] = "", ["a=b, Digest y=z"] = "",
      ["Digest y=;z"] = "", ["Negotiate abc== Digest y=z"] = "",
      ["Negotiate abc, Digest\ty"] = "",
      ['Digest y=z, (x)'] = "", ["\128"] = "", ["Basic\treal m"] = "",
    } do
      assert.equal(expected, shown(text), text)
    end
    assert.equal("digest y=z", shown('Basic realm="a', "Digest y=z"))
    -- A token68, not a parameter without a value.
    local list = challenges.read { "Basic realm=" }
    assert.same({ { "realm=", {} } }, { { list[1].token68, list[1].parameters } })
  end)

  it("are read from any bytes in linear time", function()
    local before = os.clock()
    for _, piece in ipairs { 'a="', "a=b,", ",", " ", "a ", '\\"', 'a="\\', "a=b " } do
      challenges.read { piece:rep(20000), "x " .. piece:rep(20000) }
    end
    assert.is_true(os.clock() - before < 5)
  end)
end)
