--- Hosts that are reached without a proxy: names with all below them, addresses, networks.

local no_proxy = {}

-- The bytes of an IPv4 address | nil
local function read_ipv4(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if not a then return nil end
  local bytes = { tonumber(a), tonumber(b), tonumber(c), tonumber(d) }
  for _, byte in ipairs(bytes) do
    if byte > 255 then return nil end
  end
  return string.char(table.unpack(bytes))
end

-- The bytes of groups of hexadecimal digits; the last may be an IPv4 address | nil
local function read_groups(text)
  local bytes = ""
  if text == "" then return bytes end
  for group in (text .. ":"):gmatch "([^:]*):" do
    local four = read_ipv4(group)
    if not four and not group:match "^%x%x?%x?%x?$" then return nil end
    bytes = bytes .. (four or string.pack(">I2", tonumber(group, 16)))
  end
  return bytes
end

-- The bytes of an IPv6 address | nil
local function read_ipv6(text)
  local before, after = text:match "^(.-)::(.*)$"
  local front = read_groups(before or text)
  local back = read_groups(after or "")
  if not front or not back then return nil end
  local gap = 16 - #front - #back
  if before and gap < 2 or not before and gap ~= 0 then return nil end
  return front .. ("\0"):rep(gap) .. back
end

local mapped = ("\0"):rep(10) .. "\xff\xff"

-- The bytes of a literal address, without brackets; an IPv4 address in IPv6 counts as IPv4.
-- Returns them | nil
local function read_address(text)
  local bytes = read_ipv4(text) or text:find(":", 1, true) and read_ipv6(text) or nil
  if bytes and #bytes == 16 and bytes:sub(1, 12) == mapped then return bytes:sub(13) end
  return bytes
end

-- The first `count` bits of an address, as a string that is equal for equal bits.
local function first_bits(bytes, count)
  local whole, rest = count // 8, count % 8
  if rest == 0 then return bytes:sub(1, whole) end
  return bytes:sub(1, whole) .. string.char(bytes:byte(whole + 1) >> (8 - rest))
end

-- { address, bits } of "10.0.0.0/8", or of an address alone | nil
local function read_network(text)
  local front, bits = text:match "^(.-)/(%d+)$"
  local address = read_address((front or text):match "^%[(.*)%]$" or front or text)
  if not address then return nil end
  local most = #address * 8
  bits = bits and tonumber(bits) or most
  if bits > most then return nil end
  return { address = first_bits(address, bits), size = #address, bits = bits }
end

-- "name", ".name", "*.name", an address, a network, each with ":port" perhaps; "*" is all.
-- Returns an entry | nil
local function read_entry(text)
  text = text:lower()
  if text == "*" then return { is_all = true } end
  local network = read_network(text)
  if network then return network end
  local host, port = text:match "^(.-):(%d+)$"
  host = host or text
  network = read_network(host)
  local entry = network or { name = host:gsub("^%*?%.", ""):gsub("%.$", "") }
  entry.port = port and tonumber(port)
  if entry.name and not entry.name:match "^[^%s/:%[%]]+$" then return nil end
  return entry
end

--- Reads an array of entries. Returns a list for `covers` | nil, the invalid entry
function no_proxy.read(entries)
  local list = {}
  for i, text in ipairs(entries) do
    list[i] = read_entry(text)
    if not list[i] then return nil, text end
  end
  return list
end

--- The entries of the variable `no_proxy`: between commas or spaces.
function no_proxy.split(text)
  local entries = {}
  for entry in text:gmatch "[^%s,]+" do entries[#entries + 1] = entry end
  return entries
end

local function is_named(name, host)
  return host == name or host:sub(-#name - 1) == "." .. name
end

--- Whether an entry covers a host and port. `host` is in lower case, without brackets.
function no_proxy.covers(list, host, port)
  local address = read_address(host)
  host = host:gsub("%.$", "")
  for _, entry in ipairs(list) do
    local is_it = entry.is_all
    if entry.bits then
      is_it = address and #address == entry.size
        and first_bits(address, entry.bits) == entry.address
    elseif entry.name then
      is_it = not address and is_named(entry.name, host) or entry.name == host
    end
    if is_it and (not entry.port or entry.port == port) then return true end
  end
  return false
end

return no_proxy
