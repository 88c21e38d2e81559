--- The content of test bodies: every 64 KiB alike, no short repetition within.

local bytes = {}
for i = 0, 65535 do bytes[i + 1] = string.char((i * 7 + (i >> 8) * 13) & 255) end
local block = table.concat(bytes)

--- The first `size` bytes.
return function(size)
  return block:rep(size // #block) .. block:sub(1, size % #block)
end
