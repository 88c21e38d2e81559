--- The serializers that come with the module, by name: `json`, the default, and `cjson`.
-- A serializer is loaded when it is first used.

local modules = { json = "sluice.json", cjson = "sluice.json_cjson" }

return setmetatable({}, {
  __index = function(serializers, name)
    local serializer = modules[name] and require(modules[name])
    serializers[name] = serializer
    return serializer
  end,
})
