--- Names of hosts with characters beyond ASCII, as they are asked for (RFC 3492, RFC 5890).

local punycode = {}

local base, least, most, skew, damp, first_bias, first_code = 36, 1, 26, 38, 700, 72, 128

local function digit(value) return string.char(value < 26 and 97 + value or 22 + value) end

-- RFC 3492 6.1
local function adapt(delta, count, is_first)
  delta = is_first and delta // damp or delta // 2
  delta = delta + delta // count
  local k = 0
  while delta > ((base - least) * most) // 2 do
    delta = delta // (base - least)
    k = k + base
  end
  return k + (base - least + 1) * delta // (delta + skew)
end

local function threshold(k, bias)
  if k <= bias then return least end
  return math.min(k - bias, most)
end

-- Appends a number, the least digit first.
local function append_number(out, number, bias)
  local k = base
  while true do
    local t = threshold(k, bias)
    if number < t then break end
    out[#out + 1] = digit(t + (number - t) % (base - t))
    number = (number - t) // (base - t)
    k = k + base
  end
  out[#out + 1] = digit(number)
end

local function next_code(codes, from)
  local best = math.huge
  for _, code in ipairs(codes) do
    if code >= from and code < best then best = code end
  end
  return best
end

-- One label of codes, RFC 3492 6.3.
local function encode(codes)
  local out = {}
  for _, code in ipairs(codes) do
    if code < first_code then out[#out + 1] = string.char(code) end
  end
  local basic, done = #out, #out
  if basic > 0 then out[#out + 1] = "-" end
  local code, delta, bias = first_code, 0, first_bias
  while done < #codes do
    local following = next_code(codes, code)
    delta = delta + (following - code) * (done + 1)
    code = following
    for _, other in ipairs(codes) do
      if other < code then
        delta = delta + 1
      elseif other == code then
        append_number(out, delta, bias)
        bias = adapt(delta, done + 1, done == basic)
        delta, done = 0, done + 1
      end
    end
    delta, code = delta + 1, code + 1
  end
  return "xn--" .. table.concat(out)
end

local function encode_label(label)
  if not label:find "[\128-\255]" then return label end
  return encode { utf8.codepoint(label, 1, -1) }
end

--- A name in UTF-8 and in lower case as the name in ASCII. Returns the name | nil, reason
function punycode.domain(name)
  if not name:find "[\128-\255]" then return name end
  if not utf8.len(name) then return nil, "the name is no UTF-8" end
  return (name:gsub("[^.]+", encode_label))
end

return punycode
