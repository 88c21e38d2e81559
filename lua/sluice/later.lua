--- A module that is loaded with its first use, so that a program holds what it uses:
--
--     local download = later "sluice.download"
--     download(client, url, path) -- loads it; so does download.name
--
-- It is called, or indexed, as what require would return. Loading one takes 30 to 300 microseconds
-- and reads no file, see src/binding/modules.h.

return function(name)
  return setmetatable({}, {
    __call = function(_, ...) return require(name)(...) end,
    __index = function(_, field) return require(name)[field] end,
  })
end
